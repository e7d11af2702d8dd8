//! What a decoder made of its input, as plain values in the order of the log, so that two ways can be compared.

use std::sync::{Arc, LazyLock};

use weir_ingest::Decoder;
use weir_model::catalog::{self, Catalog, NoFiles};
use weir_model::event::{Chunk, Span};
use weir_model::hash::HashKey;

/// Shards, and so batches of a chunk.
pub const SHARDS: u16 = 4;

/// Types with slots of every kind: `call` has values and texts, `whole` reads attributes, `plain` has none.
const CATALOG: &str = r#"
name = "fuzz"
currency = "USD"
[meters.value]
event_type = "call"
aggregation = "sum"
value = "data.value"
dimensions = { region = "data.region", who = "subject", tier = "tier", kind = "data.usage.kind" }
[meters.seconds]
event_type = "call"
aggregation = "sum"
value = "data.usage.seconds"
scale = 3
allow_negative = true
[meters.long]
event_type = "call"
aggregation = "max"
value = "data.usage.a-rather-long-name"
scale = 12
[meters.whole]
event_type = "whole"
aggregation = "count"
dimensions = { source = "source", kind = "datacontenttype", time = "time", id = "id", type = "type", key = "partitionkey", ext = "ext", deep = "data.a.b.c" }
[meters.plain]
event_type = "plain"
aggregation = "count"
[plans.p]
cycle = "1 month"
"#;

static LOADED: LazyLock<Arc<Catalog>> = LazyLock::new(|| {
    let loaded = catalog::load("fuzz.toml", CATALOG, &NoFiles);
    Arc::new(loaded.unwrap_or_else(|error| panic!("{error}")).0)
});

/// The catalog that inputs are decoded for.
pub fn catalog() -> &'static Catalog {
    &LOADED
}

static DECODER: LazyLock<Decoder> = LazyLock::new(|| Decoder::new(catalog(), HashKey::FILES, SHARDS));

/// Its decoder.
pub fn decoder() -> &'static Decoder {
    &DECODER
}

/// An event with its texts resolved.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Event {
    pub position: u64,
    pub shard: usize,
    /// Fingerprint, payload, subject.
    pub hashes: (u128, u64, u128),
    pub micros: i64,
    /// `source`, `id`, `subject`, `type`.
    pub attributes: [String; 4],
    pub data: Option<String>,
    pub values: Vec<Option<i128>>,
    pub texts: Vec<Option<String>>,
}

/// A rejection with its record.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Refusal {
    pub position: u64,
    pub code: &'static str,
    pub sentence: String,
    pub record: Vec<u8>,
}

/// All that came of an input.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    pub events: Vec<Event>,
    pub refusals: Vec<Refusal>,
    pub received: u64,
    pub skipped: u64,
}

impl Seen {
    /// Adds a chunk, after checking that its columns are of equal length and count what was received (L3).
    pub fn add(&mut self, chunk: &Chunk) {
        let first = self.events.len();
        for (shard, batch) in chunk.batches.iter().enumerate() {
            let (mut values, mut texts) = (0, 0);
            for at in 0..batch.len() {
                let event = event(chunk, shard, at);
                let firsts = (batch.events[at].first_value, batch.events[at].first_text);
                assert_eq!(firsts, (values, texts), "slots have no gap");
                values += u32::try_from(event.values.len()).unwrap();
                texts += u32::try_from(event.texts.len()).unwrap();
                self.events.push(event);
            }
            let lengths = [batch.payload.len(), batch.events.len(), batch.attributes.len()];
            assert_eq!(lengths, [batch.len(); 3], "columns are of equal length");
            let slots = (u32::try_from(batch.values.len()).unwrap(), u32::try_from(batch.texts.len()).unwrap());
            assert_eq!(slots, (values, texts), "every slot belongs to an event");
        }
        let accepted = self.events.len() - first;
        assert_eq!(chunk.received, (accepted + chunk.rejected.len()) as u64, "received = accepted + rejected (L3)");
        self.events[first..].sort();
        self.refusals.extend(chunk.rejected.iter().map(|rejection| Refusal {
            position: chunk.first_position + u64::from(rejection.position),
            code: rejection.code.code(),
            sentence: rejection.sentence.clone(),
            record: rejection.record.of(&chunk.text).to_vec(),
        }));
        self.received += chunk.received;
        self.skipped += chunk.skipped;
    }

    /// Adds what follows, whose positions begin at `position`.
    pub fn append(&mut self, other: Seen, position: u64) {
        let Seen { events, refusals, received, skipped } = other;
        self.events.extend(events.into_iter().map(|event| Event { position: event.position + position, ..event }));
        let shifted = |refusal: Refusal| Refusal { position: refusal.position + position, ..refusal };
        self.refusals.extend(refusals.into_iter().map(shifted));
        self.received += received;
        self.skipped += skipped;
    }
}

fn event(chunk: &Chunk, shard: usize, at: usize) -> Event {
    let batch = &chunk.batches[shard];
    // Whatever was accepted is UTF-8, whole and in its parts.
    let text = |span: Span| String::from_utf8(span.of(&chunk.text).to_vec()).unwrap();
    let optional = |span: Span| (!span.is_absent()).then(|| text(span));
    let (read, said) = (batch.events[at], batch.attributes[at]);
    let slots = catalog().event_types.get(read.event_type.at());
    let [values, texts] = slots.map_or([0, 0], |slots| [slots.values.len(), slots.texts.len()]);
    let (first_value, first_text) = (read.first_value as usize, read.first_text as usize);
    Event {
        position: chunk.first_position + u64::from(read.position),
        shard,
        hashes: (batch.fingerprint[at].0, batch.payload[at].0, read.subject_hash.0),
        micros: read.time.micros(),
        attributes: [said.source, said.id, said.subject, said.type_name].map(text),
        data: optional(said.data),
        values: batch.values[first_value..first_value + values].iter().map(|value| value.get()).collect(),
        texts: batch.texts[first_text..first_text + texts].iter().map(|span| optional(*span)).collect(),
    }
}
