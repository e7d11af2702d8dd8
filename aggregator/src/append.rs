//! From a chunk and the shards' outputs to buffered rows. Checks that they belong together.

use weir_model::event::{Chunk, EventBatch};
use weir_model::rated::ShardOutput;
use weir_model::verdict::Verdict;

use crate::buckets::Directory;
use crate::error::ArchiveError;
use crate::events::{Acceptance, Accepted, EventBuffer, Origin, PushError};
use crate::rated::{RatedBuffer, RatedRow};

/// The current batch.
pub(crate) struct Batch {
    pub(crate) events: EventBuffer,
    pub(crate) rated: RatedBuffer,
    /// Row in `events` of each event of the shard's batch at hand; [`NOT_ACCEPTED`].
    row_of: Vec<u32>,
}

const NOT_ACCEPTED: u32 = u32::MAX;

/// Where a chunk's rows go.
pub(crate) struct Appender<'a> {
    pub(crate) batch: &'a mut Batch,
    pub(crate) directory: &'a mut Directory,
    /// Name of the chunk's file.
    pub(crate) input: &'a str,
    pub(crate) chunk: &'a Chunk,
}

impl Batch {
    pub(crate) fn new() -> Batch {
        Batch { events: EventBuffer::default(), rated: RatedBuffer::default(), row_of: Vec::new() }
    }

    /// Memory that the batch takes: a function of its rows alone.
    pub(crate) fn byte_len(&self) -> usize {
        self.events.byte_len() + self.rated.byte_len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.events.len() == 0 && self.rated.len() == 0
    }

    pub(crate) fn clear(&mut self) {
        self.events.clear();
        self.rated.clear();
    }
}

/// Whether chunk and outputs have the shape that [`Appender::shard`] relies on.
pub(crate) fn check(chunk: &Chunk, outputs: &[ShardOutput]) -> Result<(), &'static str> {
    if chunk.batches.len() != outputs.len() {
        return Err("another number of outputs than of batches");
    }
    for (batch, output) in chunk.batches.iter().zip(outputs) {
        let EventBatch {
            fingerprint, payload, subject_hash, time, position, subject, source, id, type_name, data, ..
        } = batch;
        let spans = [subject, source, id, type_name, data].map(Vec::len);
        let others = [fingerprint.len(), payload.len(), subject_hash.len(), time.len(), position.len()];
        if spans.iter().chain(&others).any(|&len| len != output.verdicts.len()) {
            return Err("another number of verdicts than of events");
        }
        let rows = &output.rows;
        if [rows.bucket.len(), rows.quantity.len(), rows.amount.len()].iter().any(|&len| len != rows.event.len()) {
            return Err("rated columns of different lengths");
        }
    }
    Ok(())
}

impl Appender<'_> {
    /// Buffers one shard's rows.
    pub(crate) fn shard(&mut self, shard: usize, output: &ShardOutput) -> Result<(), ArchiveError> {
        let chunk = self.chunk;
        let Some(events) = chunk.batches.get(shard) else { return Err(self.mismatch("no batch for a shard")) };
        for opened in &output.opened {
            self.directory.open(shard, opened).map_err(|what| self.mismatch(what))?;
        }
        self.accept(events, &output.verdicts)?;
        self.rate(shard, events, output)
    }

    fn accept(&mut self, events: &EventBatch, verdicts: &[Verdict]) -> Result<(), ArchiveError> {
        self.batch.row_of.clear();
        for (i, &verdict) in verdicts.iter().enumerate() {
            let acceptance = match verdict {
                Verdict::Rated => Acceptance::Rated,
                Verdict::Unmetered => Acceptance::Unmetered,
                Verdict::Unpriced(reason) => Acceptance::Unpriced(reason),
                Verdict::LateRefused => Acceptance::LateRefused,
                Verdict::Duplicate | Verdict::Conflict => {
                    self.batch.row_of.push(NOT_ACCEPTED);
                    continue;
                }
            };
            // `check` proved that each column has the length of `verdicts`.
            let text = &self.chunk.text;
            let data = events.data[i];
            let accepted = Accepted {
                origin: self.origin(events.position[i]),
                fingerprint: events.fingerprint[i],
                payload: events.payload[i],
                subject_hash: events.subject_hash[i],
                time: events.time[i],
                subject: events.subject[i].of(text),
                source: events.source[i].of(text),
                id: events.id[i].of(text),
                type_name: events.type_name[i].of(text),
                data: (!data.is_absent()).then(|| data.of(text)),
                acceptance,
            };
            let row = self.batch.events.push(&accepted).map_err(|e| self.not_buffered(e, accepted.origin))?;
            self.batch.row_of.push(row);
        }
        Ok(())
    }

    fn rate(&mut self, shard: usize, events: &EventBatch, output: &ShardOutput) -> Result<(), ArchiveError> {
        let rows = &output.rows;
        for (((&event, &number), &quantity), &amount) in
            rows.event.iter().zip(&rows.bucket).zip(&rows.quantity).zip(&rows.amount)
        {
            let index = usize::try_from(event).unwrap_or(usize::MAX);
            let Some(&row) = self.batch.row_of.get(index).filter(|&&row| row != NOT_ACCEPTED) else {
                return Err(self.mismatch("a rated row without an accepted event"));
            };
            let Some(bucket) = self.directory.index(shard, number) else {
                return Err(self.mismatch("a rated row in a bucket that was never opened"));
            };
            let charge = self.directory.get(bucket).charge;
            let Some(quantity) = self.directory.texts.charges.widen(charge, quantity) else {
                let name = self.directory.texts.charges.get(charge).map(|charge| charge.name.clone());
                return Err(ArchiveError::QuantityTooLarge {
                    charge: name.unwrap_or_default(),
                    file: self.input.to_owned(),
                    position: self.origin(events.position[index]).position,
                });
            };
            self.batch.rated.push(RatedRow::usage(row, bucket, quantity, amount));
        }
        Ok(())
    }

    fn origin(&self, position: u32) -> Origin {
        Origin { file: self.chunk.file, position: self.chunk.first_position.saturating_add(u64::from(position)) }
    }

    fn not_buffered(&self, error: PushError, origin: Origin) -> ArchiveError {
        match error {
            PushError::NotUtf8(column) => {
                ArchiveError::Text { column, file: self.input.to_owned(), position: origin.position }
            }
            PushError::Full => self.mismatch("one chunk with more than 4 GiB of text or 2^32 events"),
        }
    }

    fn mismatch(&self, what: &'static str) -> ArchiveError {
        ArchiveError::Mismatch { sequence: self.chunk.sequence, what }
    }
}
