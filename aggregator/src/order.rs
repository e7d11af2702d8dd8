//! A chunk's accepted events in log order, out of the shards' batches.

use weir_model::event::EventBatch;
use weir_model::rated::ShardOutput;

use crate::dictionary::at;

/// Where an event of a chunk is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) shard: u32,
    /// In the shard's batch.
    pub(crate) index: u32,
    /// The number of its subject in the shard.
    pub(crate) subject: u32,
}

/// Finds the order; keeps its memory from chunk to chunk.
#[derive(Default)]
pub(crate) struct LogOrder {
    /// Where the events of each position begin.
    starts: Vec<u32>,
    places: Vec<Place>,
}

impl LogOrder {
    /// The accepted events by position; the fingerprint decides where one record gives several events. Each batch's columns
    /// have the length of its verdicts, and each accepted event has a subject.
    pub(crate) fn of(&mut self, batches: &[EventBatch], outputs: &[ShardOutput]) -> &mut [Place] {
        let LogOrder { starts, places } = self;
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
        places
    }
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
