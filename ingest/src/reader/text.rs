//! Text cut into pieces of whole records. Where a piece ends depends on the bytes of the file alone (L6, L7): a piece is
//! what remains of the last one, filled up to a fixed size, up to the last record that ends in it.

use weir_model::mapping::CsvDialect;

use super::source::ByteSource;
use crate::csv::{self, ScanState};
use crate::input::InputError;

/// Kept of a record that is too long beyond the limit, so that it is too long even if its last byte looks like a CR.
const OVERHANG_BYTES: usize = 2;
const BOM: &[u8] = b"\xef\xbb\xbf";

/// How records end.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Framing {
    /// At a line feed.
    Lines,
    /// At a line feed outside of quotes.
    Rows(CsvDialect),
}

/// Sizes that decide where pieces end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PieceSize {
    pub(crate) chunk_bytes: usize,
    pub(crate) record_bytes_max: usize,
    pub(crate) records_max: u64,
}

/// One input as a sequence of pieces.
pub(crate) struct TextStream {
    source: ByteSource,
    framing: Framing,
    size: PieceSize,
    /// Bytes after the last piece.
    carry: Vec<u8>,
    started: bool,
    ended: bool,
}

/// Where a piece ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cut {
    /// Length in bytes; 0 if no record ends.
    pub(crate) end: usize,
    /// Records in it.
    pub(crate) records: u64,
}

impl TextStream {
    pub(crate) fn new(source: ByteSource, framing: Framing, size: PieceSize) -> TextStream {
        TextStream { source, framing, size, carry: Vec::new(), started: false, ended: false }
    }

    /// As messages call it.
    pub(crate) fn name(&self) -> &str {
        self.source.name()
    }

    pub(crate) fn framing(&self) -> Framing {
        self.framing
    }

    /// Puts the next piece into `text`, which is empty, and returns the number of its records; 0 at the end.
    pub(crate) fn next(&mut self, text: &mut Vec<u8>) -> Result<u64, InputError> {
        text.append(&mut self.carry);
        if !self.ended {
            self.ended = self.source.fill(text, self.size.chunk_bytes)?;
        }
        if !self.started {
            self.started = true;
            self.strip_mark(text)?;
        }
        if text.is_empty() {
            return Ok(0);
        }
        let cut = self.framing.cut(text, self.size.records_max);
        if cut.end > 0 || self.ended {
            return Ok(self.split(text, cut));
        }
        self.long_record(text)
    }

    /// Leaves the cut's records in `text` and the rest for the next piece.
    fn split(&mut self, text: &mut Vec<u8>, cut: Cut) -> u64 {
        if self.ended && cut.records < self.size.records_max && cut.end < text.len() {
            // The last record lacks its line feed.
            return cut.records + 1;
        }
        self.carry.extend_from_slice(text.get(cut.end..).unwrap_or_default());
        text.truncate(cut.end);
        cut.records
    }

    /// A record longer than the piece: reads on up to the limit, then skips what is over.
    #[cold]
    fn long_record(&mut self, text: &mut Vec<u8>) -> Result<u64, InputError> {
        let keep = self.size.record_bytes_max + OVERHANG_BYTES;
        self.ended = self.source.fill(text, keep)?;
        let cut = self.framing.cut(text, self.size.records_max);
        if cut.end > 0 || self.ended {
            return Ok(self.split(text, cut));
        }
        let mut state = self.framing.state_after(text);
        text.truncate(keep);
        loop {
            self.carry.clear();
            self.ended = self.source.fill(&mut self.carry, self.size.chunk_bytes)?;
            if let Some(end) = self.framing.end_of_record(&mut state, &self.carry) {
                self.carry.drain(..end);
                return Ok(1);
            }
            if self.ended {
                self.carry.clear();
                return Ok(1);
            }
        }
    }

    fn strip_mark(&self, text: &mut Vec<u8>) -> Result<(), InputError> {
        if text.starts_with(BOM) {
            text.drain(..BOM.len());
        } else if text.starts_with(b"\xff\xfe") || text.starts_with(b"\xfe\xff") {
            return Err(InputError::Utf16 { name: self.name().to_owned() });
        }
        Ok(())
    }
}

impl Framing {
    /// The longest sequence of whole records at the beginning of `text`, at most `records_max`.
    pub(crate) fn cut(self, text: &[u8], records_max: u64) -> Cut {
        match self {
            Framing::Lines => cut_lines(text, records_max),
            Framing::Rows(dialect) => csv::cut_rows(text, dialect, records_max),
        }
    }

    /// The state in which a record stands that begins as `text` and does not end in it.
    fn state_after(self, text: &[u8]) -> ScanState {
        let mut state = ScanState::FieldStart;
        if let Framing::Rows(dialect) = self {
            csv::end_of_row(&mut state, text, dialect);
        }
        state
    }

    /// Where the record ends that `text` continues.
    fn end_of_record(self, state: &mut ScanState, text: &[u8]) -> Option<usize> {
        match self {
            Framing::Lines => memchr::memchr(b'\n', text).map(|at| at + 1),
            Framing::Rows(dialect) => csv::end_of_row(state, text, dialect),
        }
    }
}

fn cut_lines(text: &[u8], records_max: u64) -> Cut {
    let end = memchr::memrchr(b'\n', text).map_or(0, |at| at + 1);
    let records = memchr::memchr_iter(b'\n', text.get(..end).unwrap_or_default()).count() as u64;
    if records <= records_max {
        return Cut { end, records };
    }
    let last = usize::try_from(records_max.saturating_sub(1)).unwrap_or(usize::MAX);
    let end = memchr::memchr_iter(b'\n', text).nth(last).map_or(0, |at| at + 1);
    Cut { end, records: records_max }
}
