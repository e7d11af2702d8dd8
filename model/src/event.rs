//! Events as columns: what ingest hands to a shard (design.md 4.1). Spans point into the chunk's text, so that decoding
//! copies no string and allocates nothing per event.

use crate::catalog::TypeIdx;
use crate::hash::{Fingerprint, PayloadDigest, RouteHash};
use crate::time::Instant;

/// A range of bytes in a [`Chunk`]'s text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    start: u32,
    len: u32,
}

impl Span {
    /// Stands for a value that is not there; different from an empty text.
    pub const ABSENT: Span = Span { start: u32::MAX, len: 0 };

    /// Bytes `start .. start + len`.
    pub const fn new(start: u32, len: u32) -> Span {
        Span { start, len }
    }

    /// Whether this is [`Span::ABSENT`].
    pub fn is_absent(self) -> bool {
        self == Span::ABSENT
    }

    /// The first byte's index.
    pub fn start(self) -> usize {
        usize::try_from(self.start).unwrap_or(usize::MAX)
    }

    /// The index after the last byte.
    pub fn end(self) -> usize {
        self.start().saturating_add(usize::try_from(self.len).unwrap_or(usize::MAX))
    }

    /// The bytes in `text`; empty if absent.
    pub fn of(self, text: &[u8]) -> &[u8] {
        let start = usize::try_from(self.start).unwrap_or(usize::MAX);
        let len = usize::try_from(self.len).unwrap_or(usize::MAX);
        text.get(start..start.saturating_add(len)).unwrap_or_default()
    }
}

/// A value that an event brings: an integer at the slot's scale, or nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlotValue(i128);

impl SlotValue {
    /// The path is absent: the meter does not select this event.
    pub const ABSENT: SlotValue = SlotValue(i128::MIN);

    /// A value; quantities are at most 10^24 and amounts below 10^38, so none meets the mark of absence.
    pub const fn new(scaled: i128) -> SlotValue {
        SlotValue(scaled)
    }

    /// The integer, if there is one.
    pub fn get(self) -> Option<i128> {
        (self != SlotValue::ABSENT).then_some(self.0)
    }
}

/// What rating reads of an event beside its identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    /// Keyed hash of `subject` (not of `partitionkey`).
    pub subject_hash: RouteHash,
    /// When the usage happened.
    pub time: Instant,
    /// The catalog's event type; [`TypeIdx::UNKNOWN`] when no meter reads it.
    pub event_type: TypeIdx,
    /// Position in the file, counted from the chunk's `first_position`.
    pub position: u32,
    /// Where the event's slots begin in the batch's `values`; their number is its type's.
    pub first_value: u32,
    /// Where the event's slots begin in the batch's `texts`; their number is its type's.
    pub first_text: u32,
}

/// What an event says in words: what the archive keeps, and whoever asks what was meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attributes {
    /// CloudEvents `subject`.
    pub subject: Span,
    /// CloudEvents `source`.
    pub source: Span,
    /// CloudEvents `id`.
    pub id: Span,
    /// CloudEvents `type`, verbatim.
    pub type_name: Span,
    /// `data`, verbatim; [`Span::ABSENT`] without data.
    pub data: Span,
}

/// One shard's events of one chunk. What is read together stands together: a batch has few columns to append to, because
/// decoding appends to those of all shards in turn, and each costs a page of the processor's address cache. The first four are of
/// equal length; `values` and `texts` are flattened (see [`Event::first_value`]).
#[derive(Debug, Default)]
pub struct EventBatch {
    /// Identity within the route key.
    pub fingerprint: Vec<Fingerprint>,
    /// Content.
    pub payload: Vec<PayloadDigest>,
    /// What rating reads.
    pub events: Vec<Event>,
    /// What was said.
    pub attributes: Vec<Attributes>,
    /// Quantities and amounts by [`EventType::values`](crate::catalog::EventType).
    pub values: Vec<SlotValue>,
    /// Dimension values and distinct values by [`EventType::texts`](crate::catalog::EventType).
    pub texts: Vec<Span>,
}

impl EventBatch {
    /// Number of events.
    pub fn len(&self) -> usize {
        self.fingerprint.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.fingerprint.is_empty()
    }

    /// Forgets the events and keeps the memory.
    pub fn clear(&mut self) {
        let EventBatch { fingerprint, payload, events, attributes, values, texts } = self;
        fingerprint.clear();
        payload.clear();
        events.clear();
        attributes.clear();
        texts.clear();
        values.clear();
    }
}

/// A piece of the input, decoded: the unit that travels from ingest to the shards and on to the archive. Its buffers are
/// used again for a later chunk.
#[derive(Debug, Default)]
pub struct Chunk {
    /// Gapless number of the chunk in log order.
    pub sequence: u64,
    /// Which input file, in the given order.
    pub file: u32,
    /// Position of the chunk's first record in its file, from 0.
    pub first_position: u64,
    /// What the spans point into: the raw bytes, then texts that had to be unescaped or made.
    pub text: Vec<u8>,
    /// One batch per shard.
    pub batches: Vec<EventBatch>,
    /// Records that are no valid event, in order of position.
    pub rejected: Vec<crate::verdict::Rejection>,
    /// Events received in this chunk: the batches' events and the rejections.
    pub received: u64,
    /// Rows that the mapping's `where` left out.
    pub skipped: u64,
}

impl Chunk {
    /// An empty chunk for `shards` shards.
    pub fn new(shards: usize) -> Chunk {
        let batches = std::iter::repeat_with(EventBatch::default).take(shards).collect();
        Chunk { batches, ..Chunk::default() }
    }

    /// Forgets the content and keeps the memory.
    pub fn clear(&mut self) {
        self.text.clear();
        self.batches.iter_mut().for_each(EventBatch::clear);
        self.rejected.clear();
        self.received = 0;
        self.skipped = 0;
    }
}
