//! A chunk's accepted events in log order, out of the shards' batches.

use std::sync::Arc;

use weir_model::event::{Chunk, EventBatch};
use weir_model::rated::ShardOutput;

use crate::dictionary::at;
use crate::error::ArchiveError;

/// Where an event of a chunk is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) shard: u32,
    /// In the shard's batch.
    pub(crate) index: u32,
    /// The number of its subject in the shard.
    pub(crate) subject: u32,
}

/// A chunk with what the shards made of it, and its accepted events in log order with what several tables say about them.
/// Columns of equal length; their memory is used again.
#[derive(Default)]
pub(crate) struct Ordered {
    pub(crate) chunk: Arc<Chunk>,
    pub(crate) outputs: Vec<ShardOutput>,
    /// Name of the chunk's file.
    pub(crate) input: Arc<str>,
    pub(crate) places: Vec<Place>,
    /// Records in the file.
    pub(crate) position: Vec<i64>,
    pub(crate) fingerprint: Vec<u128>,
    /// Microseconds.
    pub(crate) time: Vec<i64>,
}

impl Ordered {
    pub(crate) fn mismatch(&self, what: &'static str) -> ArchiveError {
        ArchiveError::Mismatch { sequence: self.chunk.sequence, what }
    }

    /// An event's record in its file.
    pub(crate) fn record(&self, event: u32) -> u64 {
        self.position[at(event)].cast_unsigned()
    }

    /// A column of every shard's batch.
    pub(crate) fn batches<'a, T>(&'a self, column: impl Fn(&'a EventBatch) -> &'a [T]) -> Vec<&'a [T]> {
        self.chunk.batches.iter().map(column).collect()
    }
}

/// Finds the order; keeps its memory from chunk to chunk.
#[derive(Default)]
pub(crate) struct LogOrder {
    /// Where the events of each position begin.
    starts: Vec<u32>,
}

impl LogOrder {
    /// Fills the columns of a chunk whose other fields are there. Each batch's columns have the length of its verdicts, and
    /// each accepted event has a subject.
    pub(crate) fn fill(&mut self, ordered: &mut Ordered) {
        self.place(ordered);
        let Ordered { chunk, places, position, fingerprint, time, .. } = ordered;
        let record = |record: u32| chunk.first_position.saturating_add(u64::from(record)).cast_signed();
        gather((&chunk.batches, places), |batch| &batch.events, position, |event| record(event.position));
        gather((&chunk.batches, places), |batch| &batch.fingerprint, fingerprint, |fingerprint| fingerprint.0);
        gather((&chunk.batches, places), |batch| &batch.events, time, |event| event.time.micros());
    }

    /// The accepted events by position; the fingerprint decides where one record gives several events.
    fn place(&mut self, ordered: &mut Ordered) {
        let Ordered { chunk, outputs, places, .. } = ordered;
        let (batches, starts) = (&chunk.batches, &mut self.starts);
        starts.clear();
        let mut accepted = 0;
        for_each_accepted(batches, outputs, |position, _| {
            let next = at(position) + 1;
            if starts.len() <= next {
                starts.resize(next + 1, 0);
            }
            starts[next] += 1;
            accepted += 1;
        });
        let mut several = false;
        let mut sum = 0;
        for start in starts.iter_mut() {
            several |= *start > 1;
            sum += *start;
            *start = sum;
        }
        places.clear();
        places.resize(accepted, Place { shard: 0, index: 0, subject: 0 });
        for_each_accepted(batches, outputs, |position, place| {
            let start = &mut starts[at(position)];
            places[at(*start)] = place;
            *start += 1;
        });
        if several {
            let of = |place: &Place| (&batches[at(place.shard)], at(place.index));
            let position = |place: &Place| of(place).0.events[at(place.index)].position;
            for tied in places.chunk_by_mut(|a, b| position(a) == position(b)) {
                tied.sort_unstable_by_key(|place| of(place).0.fingerprint[of(place).1]);
            }
        }
    }
}

/// Makes a column in log order of one in the shards' order.
fn gather<'a, T: Copy + 'a, U>(
    (batches, places): (&'a [EventBatch], &[Place]),
    column: impl Fn(&'a EventBatch) -> &'a [T],
    out: &mut Vec<U>,
    value: impl Fn(T) -> U,
) {
    let columns: Vec<&[T]> = batches.iter().map(column).collect();
    out.clear();
    out.extend(places.iter().map(|place| value(columns[at(place.shard)][at(place.index)])));
}

fn for_each_accepted(batches: &[EventBatch], outputs: &[ShardOutput], mut visit: impl FnMut(u32, Place)) {
    for ((shard, batch), output) in (0..).zip(batches).zip(outputs) {
        let events = (0..).zip(&batch.events).zip(&output.verdicts);
        let accepted = events.filter(|(_, verdict)| verdict.is_accepted());
        for (((index, event), _), &subject) in accepted.zip(&output.subjects) {
            visit(event.position, Place { shard, index, subject });
        }
    }
}
