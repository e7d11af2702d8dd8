//! The quarantine: rejections and conflicts as NDJSON, in log order (docs/quarantine.md). Lines are streamed; nothing
//! accumulates.

use std::borrow::Cow;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use serde_json::Value;
use weir_model::event::{Chunk, EventBatch, Span};
use weir_model::rated::ShardOutput;
use weir_model::verdict::{Rejection, Verdict};

use crate::error::ArchiveError;
use crate::files::{Files, NewFile, TableReport};

/// File name in the archive's folder.
const NAME: &str = "quarantine.ndjson";
/// A record's or an event's data's bytes that a line quotes at most.
const QUOTE_BYTES_MAX: usize = 4096;
const CONFLICT: &str = "conflict";
const CONFLICT_REASON: &str =
    "an event with the same source and id but another content was accepted before; the first one stands";

/// The open file.
pub(crate) struct Quarantine {
    file: BufWriter<NewFile>,
    lines: u64,
}

/// What a line is about.
enum Entry<'a> {
    Rejected(&'a Rejection),
    Conflict(&'a EventBatch, usize),
}

impl Entry<'_> {
    /// Position, then what tells events of one record apart.
    fn log_order(&self) -> (u32, u128) {
        match self {
            Entry::Rejected(rejection) => (rejection.position, 0),
            Entry::Conflict(batch, i) => (batch.events[*i].position, batch.fingerprint[*i].0),
        }
    }
}

impl Quarantine {
    /// Creates the file, empty.
    pub(crate) fn create(files: &Files) -> Result<Quarantine, ArchiveError> {
        Ok(Quarantine { file: BufWriter::with_capacity(1 << 16, files.create(Path::new(NAME))?), lines: 0 })
    }

    /// Writes the lines of a chunk of the input named `input`. Each batch's columns have the length of its verdicts.
    pub(crate) fn append(&mut self, input: &str, chunk: &Chunk, outputs: &[ShardOutput]) -> Result<(), ArchiveError> {
        self.lines += write_lines(&mut self.file, input, chunk, outputs).map_err(|e| self.blame(e))?;
        Ok(())
    }

    /// Syncs and closes.
    pub(crate) fn finish(self) -> Result<TableReport, ArchiveError> {
        let Quarantine { file, lines } = self;
        let path = file.get_ref().path().to_owned();
        let file = file.into_inner().map_err(|e| ArchiveError::io(&path, e.into_error()))?;
        Ok(TableReport { files: 1, rows: lines, bytes: file.close()? })
    }

    fn blame(&self, error: io::Error) -> ArchiveError {
        ArchiveError::io(self.file.get_ref().path(), error)
    }
}

/// Appends the lines of a chunk; how many.
pub(crate) fn push_lines(out: &mut Vec<u8>, input: &str, chunk: &Chunk, outputs: &[ShardOutput]) -> u64 {
    write_lines(out, input, chunk, outputs).expect("memory takes all that is written")
}

fn write_lines(out: &mut impl Write, input: &str, chunk: &Chunk, outputs: &[ShardOutput]) -> io::Result<u64> {
    let mut entries: Vec<Entry<'_>> = chunk.rejected.iter().map(Entry::Rejected).collect();
    for (batch, output) in chunk.batches.iter().zip(outputs) {
        let conflicts = output.verdicts.iter().enumerate().filter(|(_, verdict)| **verdict == Verdict::Conflict);
        entries.extend(conflicts.map(|(i, _)| Entry::Conflict(batch, i)));
    }
    entries.sort_by_key(Entry::log_order);
    for entry in &entries {
        out.write_all(line(input, chunk, entry).text.as_bytes())?;
        out.write_all(b"}\n")?;
    }
    Ok(u64::try_from(entries.len()).unwrap_or(u64::MAX))
}

/// A JSON object without its closing brace; its members keep their order, whatever the JSON library does with maps.
struct Line {
    text: String,
}

impl Line {
    fn add(&mut self, key: &str, value: impl Into<Value>) {
        self.text.push(if self.text.is_empty() { '{' } else { ',' });
        self.text.push_str(&Value::from(key).to_string());
        self.text.push(':');
        self.text.push_str(&value.into().to_string());
    }

    /// Adds a text, cut off at a limit; what is no UTF-8 becomes U+FFFD. Nothing if absent.
    fn quote(&mut self, key: &str, span: Span, text: &[u8]) {
        if span.is_absent() {
            return;
        }
        let (quoted, truncated) = cut(span.of(text));
        self.add(key, quoted);
        if truncated {
            self.add("truncated", true);
        }
    }
}

fn line(input: &str, chunk: &Chunk, entry: &Entry<'_>) -> Line {
    let mut line = Line { text: String::new() };
    let (position, _) = entry.log_order();
    let number = chunk.first_position.saturating_add(u64::from(position)).saturating_add(1);
    line.add("file", input);
    line.add("line", number);
    match entry {
        Entry::Rejected(rejection) => {
            line.add("code", rejection.code.code());
            line.add("reason", rejection.sentence.as_str());
            line.quote("record", rejection.record, &chunk.text);
        }
        Entry::Conflict(batch, i) => {
            line.add("code", CONFLICT);
            line.add("reason", CONFLICT_REASON);
            let said = batch.attributes[*i];
            let spans = [("source", said.source), ("id", said.id), ("subject", said.subject), ("type", said.type_name)];
            for (key, span) in spans {
                line.add(key, String::from_utf8_lossy(span.of(&chunk.text)));
            }
            line.add("time", batch.events[*i].time.to_string());
            line.quote("data", said.data, &chunk.text);
        }
    }
    line
}

/// The first bytes as text, without a last character that the cut would split.
fn cut(bytes: &[u8]) -> (Cow<'_, str>, bool) {
    let Some(head) = bytes.get(..QUOTE_BYTES_MAX).filter(|head| head.len() < bytes.len()) else {
        return (String::from_utf8_lossy(bytes), false);
    };
    // A continuation byte after the cut means that the cut splits a character, which has at most four bytes.
    let is_continuation = |at: usize| bytes[at] & 0xC0 == 0x80;
    let split_at = (head.len() - 3..=head.len()).rev().find(|&at| !is_continuation(at)).unwrap_or(head.len());
    (String::from_utf8_lossy(&bytes[..split_at]), true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_end_between_characters() {
        let ascii = "x".repeat(QUOTE_BYTES_MAX);
        for (text, kept, truncated) in [
            (String::new(), 0, false),
            (ascii.clone(), 4096, false),
            (format!("{ascii}y"), 4096, true),
            (format!("{}é", &ascii[1..]), 4095, true),
            (format!("{}é", &ascii[2..]), 4096, false),
            (format!("{}😀z", &ascii[1..]), 4095, true),
            (format!("{}😀z", &ascii[3..]), 4093, true),
            (format!("{}😀z", &ascii[4..]), 4096, true),
        ] {
            let (quoted, cut_off) = cut(text.as_bytes());
            assert_eq!((quoted.len(), cut_off), (kept, truncated));
            assert!(text.starts_with(&*quoted));
        }
        assert_eq!(cut(b"a\xFFb"), (Cow::from("a\u{FFFD}b"), false));
        let (hostile, truncated) = cut(&[0x80; 5000]);
        assert_eq!((hostile.chars().count(), truncated), (QUOTE_BYTES_MAX, true));
    }
}
