//! The current batch: takes chunks with the shards' outputs, and checks that they belong together.

use weir_model::event::{Chunk, EventBatch};
use weir_model::rated::ShardOutput;

use crate::buckets::Directory;
use crate::error::ArchiveError;
use crate::events::{EventBuffer, Rated};
use crate::order::LogOrder;
use crate::partitions::Partitions;
use crate::rated::RatedBuffer;

/// The current batch.
#[derive(Default)]
pub(crate) struct Batch {
    pub(crate) events: EventBuffer,
    pub(crate) rated: RatedBuffer,
    order: LogOrder,
}

impl Batch {
    /// Memory that the batch takes: a function of its rows alone.
    pub(crate) fn byte_len(&self) -> usize {
        self.events.byte_len() + self.rated.byte_len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.events.len() == 0 && self.rated.is_empty()
    }

    /// Buffers a chunk's accepted events and rated rows.
    pub(crate) fn append(
        &mut self,
        rated: Rated<'_>,
        directory: &mut Directory,
        months: &mut Partitions,
    ) -> Result<(), ArchiveError> {
        for (shard, output) in rated.outputs.iter().enumerate() {
            let accepted = output.verdicts.iter().filter(|verdict| verdict.is_accepted()).count();
            if accepted != output.subjects.len() {
                return Err(rated.mismatch("another number of subjects than of accepted events"));
            }
            directory.open_all(shard, &output.opened).map_err(|what| rated.mismatch(what))?;
        }
        let places = self.order.of(&rated.chunk.batches, rated.outputs);
        self.events.append(rated, places, months)?;
        self.rated.append(rated, places, directory)
    }
}

/// Whether chunk and outputs have the shape that [`Batch::append`] relies on.
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
        let rows = &output.rows;
        if [rows.bucket.len(), rows.quantity.len(), rows.amount.len()].iter().any(|&len| len != rows.event.len()) {
            return Err("rated columns of different lengths");
        }
    }
    Ok(())
}
