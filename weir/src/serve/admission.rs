//! From the text of a request to what the log takes of it: valid lines, decoded, and what was rejected (design.md 4.1).
//!
//! Owns: which lines are left out, and their indices. What is left decodes without a rejection, now and whenever the log is read
//! again. Keeps L3: each line is either in the text or among the rejected.

use std::sync::Arc;

use crossbeam_queue::ArrayQueue;
use weir_ingest::{DecodeScratch, Decoder};
use weir_model::event::Chunk;
use weir_model::time::Instant;
use weir_model::verdict::RejectCode;

use super::control::KeyRecord;
use super::record::Rejected;

/// Chunks whose memory is used again.
#[derive(Debug)]
pub struct Chunks {
    free: ArrayQueue<Chunk>,
    shards: usize,
}

/// Texts larger than this go back to the allocator.
const KEPT_BYTES_MAX: usize = 4 << 20;

impl Chunks {
    /// Keeps so many.
    pub fn new(shards: u16, kept_max: usize) -> Chunks {
        Chunks { free: ArrayQueue::new(kept_max), shards: usize::from(shards) }
    }

    /// An empty chunk.
    pub fn take(&self) -> Chunk {
        self.free.pop().unwrap_or_else(|| Chunk::new(self.shards))
    }

    /// Takes a chunk's memory back.
    pub fn give(&self, mut chunk: Chunk) {
        if chunk.text.capacity() <= KEPT_BYTES_MAX {
            chunk.clear();
            // If there is no room, the memory goes back to the allocator.
            let _ = self.free.push(chunk);
        }
    }

    /// Takes a chunk's memory back once nobody reads it any more.
    pub fn give_shared(&self, chunk: Arc<Chunk>) {
        if let Some(chunk) = Arc::into_inner(chunk) {
            self.give(chunk);
        }
    }
}

/// What a decoded request may bring.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// No event lies later than this.
    pub latest: Option<Instant>,
}

/// A request's lines, as the log takes them.
#[derive(Debug)]
pub struct Admitted {
    /// The valid ones, decoded.
    pub chunk: Chunk,
    /// How much of the chunk's text is lines.
    pub text_len: usize,
    /// The others, by index.
    pub rejected: Vec<Rejected>,
}

/// Decodes the lines in `chunk.text` and takes out those that are rejected. `scope_of` gives the key that a line came with; indices count
/// from `first_index`.
pub fn admit<'k>(
    mut chunk: Chunk,
    (decoder, scratch): (&Decoder, &mut DecodeScratch),
    limits: Limits,
    scope_of: impl Fn(u32) -> Option<&'k KeyRecord>,
    first_index: u64,
) -> Admitted {
    let text_len = chunk.text.len();
    decoder.decode_ndjson(&mut chunk, scratch);
    let mut bad = refused(&chunk, limits, scope_of);
    if bad.is_empty() && chunk.rejected.is_empty() {
        return Admitted { chunk, text_len, rejected: Vec::new() };
    }
    bad.extend(chunk.rejected.iter().map(|rejection| (rejection.position, rejection.code, rejection.sentence.clone())));
    bad.sort_by_key(|(position, ..)| *position);
    let (text, rejected) = without(&chunk.text[..text_len], bad, first_index);
    chunk.clear();
    chunk.text.extend_from_slice(&text);
    decoder.decode_ndjson(&mut chunk, scratch);
    assert!(chunk.rejected.is_empty(), "what is valid beside other lines is valid without them");
    Admitted { chunk, text_len: text.len(), rejected }
}

/// Events that decode, and may not come all the same.
pub fn refused<'k>(
    chunk: &Chunk,
    limits: Limits,
    scope_of: impl Fn(u32) -> Option<&'k KeyRecord>,
) -> Vec<(u32, RejectCode, String)> {
    let mut bad = Vec::new();
    for batch in &chunk.batches {
        for (event, said) in batch.events.iter().zip(&batch.attributes) {
            if let Some(latest) = limits.latest.filter(|latest| event.time > *latest) {
                let sentence = format!("`time` is {}, and nothing later than {latest} is taken now", event.time);
                bad.push((event.position, RejectCode::TimeInFuture, sentence));
                continue;
            }
            let Some(key) = scope_of(event.position) else { continue };
            let texts = [("subject", &key.subjects, said.subject), ("source", &key.sources, said.source)];
            for (name, pattern, span) in texts {
                let value = span.of(&chunk.text);
                if pattern.as_ref().is_some_and(|pattern| !pattern.matches(value)) {
                    let sentence = format!(
                        "`{name}` is `{}`, which is outside of what the key {} may send",
                        String::from_utf8_lossy(value),
                        key.id
                    );
                    bad.push((event.position, RejectCode::ForbiddenSubject, sentence));
                    break;
                }
            }
        }
    }
    bad
}

/// The text without the bad lines and blank ones; `bad` is in order of position.
fn without(text: &[u8], bad: Vec<(u32, RejectCode, String)>, first_index: u64) -> (Vec<u8>, Vec<Rejected>) {
    let mut bad = bad.into_iter().peekable();
    let (mut kept, mut rejected) = (Vec::with_capacity(text.len()), Vec::new());
    for (position, line) in (0_u32..).zip(text.split(|byte| *byte == b'\n')) {
        match bad.next_if(|(at, ..)| *at == position) {
            Some((_, code, sentence)) => {
                let record = &line[..line.len().min(Rejected::RECORD_BYTES_MAX)];
                rejected.push(Rejected {
                    index: first_index + u64::from(position),
                    code: code.code().to_owned(),
                    sentence,
                    record: String::from_utf8_lossy(record).into_owned(),
                });
            }
            None if line.iter().all(u8::is_ascii_whitespace) => {}
            None => {
                kept.extend_from_slice(line);
                kept.push(b'\n');
            }
        }
    }
    (kept, rejected)
}
