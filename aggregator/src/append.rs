//! Whether chunks and the shards' outputs belong together, and how much memory a batch of them takes.

use weir_model::event::{Attributes, Chunk, EventBatch};
use weir_model::rated::ShardOutput;

use crate::order::Ordered;

/// Bytes of an event's columns but for its texts, and of a rated row's.
const EVENT_BYTES: usize = 16 + 3 * size_of::<i64>() + 6 * size_of::<u32>();
const ROW_BYTES: usize = 16 + 2 * size_of::<i64>() + 5 * size_of::<u32>();

/// How much the batch at hand holds: a function of what it keeps of chunks and settlements alone; all is 0 while that is
/// nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BatchSize {
    /// Accepted events.
    pub events: usize,
    /// Rated rows, settlements too.
    pub rows: usize,
    /// Rejections and conflicts.
    pub quarantined: usize,
    /// Memory that it takes at most, but for texts that stand for many rows.
    pub bytes: usize,
}

impl BatchSize {
    pub(crate) fn add(&mut self, ordered: &Ordered) {
        let rows: usize = ordered.outputs.iter().map(|output| output.rows.len()).sum();
        let shards = ordered.chunk.batches.iter().zip(&ordered.outputs);
        let events = shards.flat_map(|(batch, output)| batch.attributes.iter().zip(&output.verdicts));
        let texts: usize = events.filter(|(_, verdict)| verdict.is_accepted()).map(|(said, _)| text_bytes(said)).sum();
        self.events += ordered.places.len();
        self.rows += rows;
        self.bytes += ordered.places.len() * EVENT_BYTES + rows * ROW_BYTES + texts;
    }

    pub(crate) fn add_settlement(&mut self) {
        self.rows += 1;
        self.bytes += ROW_BYTES;
    }

    /// Whether it holds nothing.
    pub fn is_empty(self) -> bool {
        self.events == 0 && self.rows == 0 && self.quarantined == 0
    }
}

/// Bytes of the texts that stand for one row each.
fn text_bytes(said: &Attributes) -> usize {
    [said.id, said.data].iter().map(|span| span.end().saturating_sub(span.start())).sum()
}

/// Whether chunk and outputs belong together.
pub(crate) fn check(chunk: &Chunk, outputs: &[ShardOutput]) -> Result<(), &'static str> {
    if chunk.batches.len() != outputs.len() {
        return Err("another number of outputs than of batches");
    }
    for (batch, output) in chunk.batches.iter().zip(outputs) {
        let EventBatch { fingerprint, payload, events, attributes, .. } = batch;
        let columns = [fingerprint.len(), payload.len(), events.len(), attributes.len()];
        if columns.iter().any(|&len| len != output.verdicts.len()) {
            return Err("another number of verdicts than of events");
        }
    }
    Ok(())
}

/// Whether outputs have what the tables' columns rely on; those of shards that keep no rows have not.
pub(crate) fn check_rows(outputs: &[ShardOutput]) -> Result<(), &'static str> {
    for output in outputs {
        let accepted = output.verdicts.iter().filter(|verdict| verdict.is_accepted()).count();
        if accepted != output.subjects.len() {
            return Err("another number of subjects than of accepted events");
        }
        let rows = &output.rows;
        if [rows.bucket.len(), rows.quantity.len(), rows.amount.len()].iter().any(|&len| len != rows.event.len()) {
            return Err("rated columns of different lengths");
        }
    }
    Ok(())
}
