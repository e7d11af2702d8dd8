//! Content of archived events as the decoder reads it, and the lanes that it comes to: a *lane* is a charge with one choice of
//! group and cell.

use std::hash::BuildHasher;
use std::ops::Range;

use hashbrown::{DefaultHashBuilder, HashTable};
use weir_ingest::{AcceptedEvent, DecodeScratch, Decoder};
use weir_model::catalog::{Catalog, ChargeIdx, TypeIdx};
use weir_model::event::{Chunk, Span};
use weir_model::hash::{Fingerprint, HashKey, RouteHash};
use weir_model::time::Instant;
use weir_rater::{EventView, RatingPlan};

/// Stands for no row.
const NONE: u32 = u32::MAX;
/// Stands for a row that the catalog rejects.
const REJECTED: u32 = u32::MAX - 1;

/// Decodes content, of whatever subject and time.
pub struct ContentReader {
    decoder: Decoder,
    scratch: DecodeScratch,
}

impl ContentReader {
    /// A reader for a catalog.
    pub fn new(catalog: &Catalog) -> ContentReader {
        ContentReader { decoder: Decoder::new(catalog, HashKey::FILES, 1), scratch: DecodeScratch::new() }
    }

    /// Whether content is all that is read of events of a type.
    pub fn suffices(&self, event_type: TypeIdx) -> bool {
        self.decoder.reads_only_data(event_type)
    }

    /// Adds a row to a chunk in whose text the data stands; `None`: the catalog rejects it.
    pub fn read(&mut self, chunk: &mut Chunk, event_type: TypeIdx, data: Span) -> Option<u32> {
        let event = AcceptedEvent {
            subject_hash: RouteHash::default(),
            fingerprint: Fingerprint::default(),
            event_type,
            time: Instant::default(),
            subject: Span::ABSENT,
            type_name: Span::ABSENT,
            source: Span::ABSENT,
            id: Span::ABSENT,
            data,
        };
        let rows = chunk.batches.first().map_or(0, weir_model::event::EventBatch::len);
        self.decoder.admit_again(chunk, &mut self.scratch, std::iter::once(event));
        chunk.rejected.clear();
        let is_there = chunk.batches.first().is_some_and(|batch| batch.len() > rows);
        is_there.then(|| u32::try_from(rows).unwrap_or(NONE))
    }
}

/// Data as an event has it, or none.
pub type Data<'d> = Option<&'d [u8]>;

/// Appends data to a chunk's text.
pub fn append(chunk: &mut Chunk, data: Data<'_>) -> Span {
    let Some(data) = data else { return Span::ABSENT };
    // Callers keep texts far below 4 GiB, and a piece of data is at most a line.
    let length = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
    let span = Span::new(length(chunk.text.len()), length(data.len()));
    chunk.text.extend_from_slice(data);
    span
}

/// An event in a chunk of one shard.
pub fn view(chunk: &Chunk, row: u32) -> EventView<'_> {
    EventView { text: &chunk.text, batch: &chunk.batches[0], i: at(row) }
}

/// Data that repeats, read once for each type.
pub struct Kept {
    chunk: Chunk,
    hasher: DefaultHashBuilder,
    numbers: HashTable<u32>,
    data: Vec<Span>,
    /// By type and number of data.
    rows: Vec<Vec<u32>>,
}

impl Kept {
    /// Nothing yet, of so many types.
    pub fn new(types: usize) -> Kept {
        Kept {
            chunk: Chunk::new(1),
            hasher: DefaultHashBuilder::default(),
            numbers: HashTable::new(),
            data: Vec::new(),
            rows: vec![Vec::new(); types],
        }
    }

    /// Bytes of text.
    pub fn text_len(&self) -> usize {
        self.chunk.text.len()
    }

    /// The number of some data.
    pub fn number(&mut self, data: Data<'_>) -> u32 {
        let Kept { chunk, hasher, numbers, data: known, .. } = self;
        let hash = hasher.hash_one(data);
        let is_it = |number: &u32| data_of(&chunk.text, known[at(*number)]) == data;
        if let Some(number) = numbers.find(hash, is_it) {
            return *number;
        }
        let number = u32::try_from(known.len()).unwrap_or(NONE);
        known.push(append(chunk, data));
        numbers.insert_unique(hash, number, |number| hasher.hash_one(data_of(&chunk.text, known[at(*number)])));
        number
    }

    /// What an event of a type with this data reads; `None`: the catalog rejects it.
    pub fn read(
        &mut self,
        reader: &mut ContentReader,
        event_type: TypeIdx,
        number: u32,
    ) -> Option<(EventView<'_>, Data<'_>)> {
        let data = self.data[at(number)];
        let rows = &mut self.rows[event_type.at()];
        if rows.len() <= at(number) {
            rows.resize(at(number) + 1, NONE);
        }
        let row = &mut rows[at(number)];
        if *row == NONE {
            *row = reader.read(&mut self.chunk, event_type, data).unwrap_or(REJECTED);
        }
        (*row != REJECTED).then(|| (view(&self.chunk, *row), data_of(&self.chunk.text, data)))
    }
}

fn data_of(text: &[u8], span: Span) -> Data<'_> {
    (!span.is_absent()).then(|| span.of(text))
}

/// Lanes by number, each with an event of it.
pub struct Lanes {
    hasher: DefaultHashBuilder,
    numbers: HashTable<u32>,
    lanes: Vec<Lane>,
    /// Texts that choose group and cell.
    choices: Vec<u8>,
    samples: Chunk,
}

struct Lane {
    charge: ChargeIdx,
    choice: Range<usize>,
    /// Its sample.
    row: u32,
}

impl Lanes {
    /// None yet.
    pub fn new() -> Lanes {
        Lanes {
            hasher: DefaultHashBuilder::default(),
            numbers: HashTable::new(),
            lanes: Vec::new(),
            choices: Vec::new(),
            samples: Chunk::new(1),
        }
    }

    /// How many they are.
    pub fn len(&self) -> usize {
        self.lanes.len()
    }

    /// Bytes of text.
    pub fn text_len(&self) -> usize {
        self.choices.len() + self.samples.text.len()
    }

    /// The charge of a lane, and an event of it.
    pub fn get(&self, number: u32) -> (ChargeIdx, EventView<'_>) {
        let lane = &self.lanes[at(number)];
        (lane.charge, view(&self.samples, lane.row))
    }

    /// The lane of an event at a charge.
    pub fn number(
        &mut self,
        (plan, charge): (&RatingPlan, ChargeIdx),
        (event, data): (EventView<'_>, Data<'_>),
        reader: &mut ContentReader,
    ) -> u32 {
        let Lanes { hasher, numbers, lanes, choices, samples } = self;
        let start = choices.len();
        plan.push_choice(charge, &event, choices);
        let hash_of = |charge: ChargeIdx, choice: &[u8]| hasher.hash_one((charge, choice));
        let is_it = |number: &u32| {
            let lane = &lanes[at(*number)];
            lane.charge == charge && choices[lane.choice.clone()] == choices[start..]
        };
        let hash = hash_of(charge, &choices[start..]);
        if let Some(number) = numbers.find(hash, is_it).copied() {
            choices.truncate(start);
            return number;
        }
        let number = u32::try_from(lanes.len()).unwrap_or(NONE);
        let span = append(samples, data);
        // What was read once is read again.
        let row = reader.read(samples, event.event_type(), span).unwrap_or(NONE);
        lanes.push(Lane { charge, choice: start..choices.len(), row });
        numbers.insert_unique(hash, number, |number| {
            let lane = &lanes[at(*number)];
            hash_of(lane.charge, &choices[lane.choice.clone()])
        });
        number
    }
}

pub fn at(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
