//! For the tests of tables and of the reader: a decoder, a mapping, and everything that reading files yields, as plain
//! values in log order.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::tz::TimeZone;
use weir_model::catalog::{Catalog, EventType, Path as ValuePath, TextSlot, ValueSlot};
use weir_model::currency::Currency;
use weir_model::event::{Chunk, Span};
use weir_model::hash::HashKey;
use weir_model::mapping::{EmptyCell, EventMapping, FieldMapping, Mapping, TextMapping, TimeFormat, TimeMapping};

use crate::decode::{DecodeScratch, Decoder};
use crate::input::{InputError, expand};
use crate::reader::{Reader, ReaderSettings, decode};

/// An event as it came out of the reader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) position: u64,
    pub(crate) source: String,
    pub(crate) id: String,
    pub(crate) type_name: String,
    pub(crate) subject: String,
    pub(crate) time: String,
    pub(crate) data: String,
    /// `data.value` at scale 10.
    pub(crate) value: Option<i128>,
}

/// A rejection as it came out of the reader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) position: u64,
    pub(crate) code: &'static str,
    pub(crate) sentence: String,
    pub(crate) record: String,
}

/// All that a run of the reader yields.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) events: Vec<Event>,
    pub(crate) refusals: Vec<Refusal>,
    pub(crate) received: u64,
    pub(crate) skipped: u64,
}

/// Events of type `usage` bring a number `data.value` with at most ten decimals and a text `data.k`.
pub(crate) fn decoder() -> Decoder {
    let path = |name: &str| ValuePath(vec!["data".to_owned(), name.to_owned()]);
    let usage = EventType {
        name: "usage".to_owned(),
        values: vec![ValueSlot {
            path: path("value"),
            scale: 10,
            magnitude_max: 10_i128.pow(34),
            allow_negative: true,
        }],
        texts: vec![TextSlot { path: path("k") }],
        meters: Vec::new(),
    };
    let catalog = Catalog {
        name: "test".to_owned(),
        hash: 0,
        currency: Currency::parse("USD").unwrap(),
        time_zone: TimeZone::UTC,
        meters: Vec::new(),
        event_types: vec![usage],
        plans: Vec::new(),
        charges: Vec::new(),
        accounts: Vec::new(),
        customers: Vec::new(),
        seller: None,
        default_plan: None,
    };
    Decoder::new(&catalog, HashKey::FILES, 4)
}

/// A column's text.
pub(crate) fn column(name: &str) -> TextMapping {
    TextMapping::Column(name.to_owned())
}

/// The same text for every row.
pub(crate) fn constant(text: &str) -> TextMapping {
    TextMapping::Constant(text.to_owned())
}

/// A field of `data` whose empty cell is absent.
pub(crate) fn field(name: &str, text: TextMapping) -> (String, FieldMapping) {
    (name.to_owned(), FieldMapping { text, empty: EmptyCell::Absent })
}

/// RFC 3339 in `column`, UTC without an offset.
pub(crate) fn rfc3339(column: &str) -> TimeMapping {
    TimeMapping { column: column.to_owned(), format: TimeFormat::Rfc3339, zone: TimeZone::UTC }
}

/// Columns `id`, `who`, `at` and `value`: one event of type `usage` per row.
pub(crate) fn mapping() -> Mapping {
    let table = EventMapping {
        source: constant("test"),
        id: column("id"),
        event_type: constant("usage"),
        subject: column("who"),
        partition_key: None,
        time: rfc3339("at"),
        data: vec![field("value", column("value"))],
    };
    Mapping { events: vec![table], ..Mapping::default() }
}

/// Reads the files and decodes everything.
pub(crate) fn read(paths: &[&Path], mapping: Option<Mapping>, settings: ReaderSettings) -> Result<Outcome, InputError> {
    let arguments: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
    let inputs = expand(&arguments, mapping.as_ref())?;
    let mut reader = Reader::open(inputs, mapping.map(Arc::new), settings)?;
    let (decoder, mut scratch, mut chunk) = (decoder(), DecodeScratch::new(), Chunk::new(4));
    let (mut outcome, mut sequence) = (Outcome::default(), 0);
    loop {
        chunk.clear();
        let Some(piece) = reader.next(&mut chunk)? else { break };
        assert_eq!(chunk.sequence, sequence, "the sequence has no gap");
        sequence += 1;
        decode(piece, &decoder, &mut chunk, &mut scratch);
        outcome.add(&chunk);
    }
    let progress = reader.progress();
    assert_eq!(progress.bytes_read, progress.bytes_total, "all bytes were counted");
    assert_eq!(progress.files_read, paths.len());
    Ok(outcome)
}

impl Outcome {
    fn add(&mut self, chunk: &Chunk) {
        let text = |span: Span| String::from_utf8(span.of(&chunk.text).to_vec()).unwrap();
        let position = |at: u32| chunk.first_position + u64::from(at);
        let first = self.events.len();
        for batch in &chunk.batches {
            for at in 0..batch.len() {
                let (event, said) = (batch.events[at], batch.attributes[at]);
                let known = event.event_type != weir_model::catalog::TypeIdx::UNKNOWN;
                self.events.push(Event {
                    position: position(event.position),
                    source: text(said.source),
                    id: text(said.id),
                    type_name: text(said.type_name),
                    subject: text(said.subject),
                    time: event.time.to_string(),
                    data: text(said.data),
                    value: known.then(|| batch.values[event.first_value as usize].get()).flatten(),
                });
            }
        }
        self.events[first..].sort_by_key(|event| event.position);
        self.refusals.extend(chunk.rejected.iter().map(|rejection| Refusal {
            position: position(rejection.position),
            code: rejection.code.code(),
            sentence: rejection.sentence.clone(),
            record: String::from_utf8_lossy(rejection.record.of(&chunk.text)).into_owned(),
        }));
        self.received += chunk.received;
        self.skipped += chunk.skipped;
    }

    /// `id subject time data` of each event.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.events
            .iter()
            .map(|event| format!("{} {} {} {}", event.id, event.subject, event.time, event.data))
            .collect()
    }

    /// `position code sentence` of each rejection.
    pub(crate) fn refused(&self) -> Vec<String> {
        self.refusals
            .iter()
            .map(|refusal| format!("{} {} {}", refusal.position, refusal.code, refusal.sentence))
            .collect()
    }
}

/// A real data file, or a loud message.
pub(crate) fn real_data(name: &str) -> Option<PathBuf> {
    let root = std::env::var_os("WEIR_TEST_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"), PathBuf::from);
    let path = root.join(name);
    if path.exists() {
        return Some(path);
    }
    // The test harness shows this with the test's name.
    std::io::Write::write_all(
        &mut std::io::stderr(),
        format!(
            "\n*** REAL DATA MISSING: {} ; set WEIR_TEST_DATA. This test proves NOTHING now. ***\n\n",
            path.display()
        )
        .as_bytes(),
    )
    .unwrap();
    None
}
