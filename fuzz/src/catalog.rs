//! Catalogs: any text is a catalog or is refused with reasons that point into it, and what was loaded can be rated by.
//!
//! An input is a catalog; behind a line `===` may stand the file of its cells.

use std::sync::Arc;

use weir_ingest::{DecodeScratch, Decoder};
use weir_model::catalog::{self, Catalog, CatalogFiles, EventType, Path};
use weir_model::event::Chunk;
use weir_model::hash::HashKey;
use weir_model::rated::ShardOutput;
use weir_rater::{RatingPlan, Rows, Shard};

use super::two_texts;

/// Whatever a catalog calls its cells file.
struct Cells<'a>(&'a [u8]);

impl CatalogFiles for Cells<'_> {
    fn read(&self, _path: &str) -> std::io::Result<String> {
        String::from_utf8(self.0.to_vec()).map_err(|error| std::io::Error::new(std::io::ErrorKind::InvalidData, error))
    }
}

/// Loads the catalog, and rates a few events by it.
pub fn run(data: &[u8]) {
    let Some((text, cells)) = two_texts(data) else { return };
    let lines = text.lines().count();
    match catalog::load("catalog.toml", text, &Cells(cells)) {
        Ok((catalog, warnings)) => {
            warnings.iter().for_each(|problem| assert!(problem.line as usize <= lines.max(1), "{problem:?}"));
            let (again, _) = catalog::load("catalog.toml", text, &Cells(cells)).unwrap();
            assert_eq!(catalog.hash, again.hash, "the text alone decides");
            rate(&Arc::new(catalog));
        }
        Err(error) => assert!(!error.to_string().is_empty(), "a refusal has a reason"),
    }
}

/// An event of each type, from its own subject and from each customer's, some twice.
fn rate(catalog: &Arc<Catalog>) {
    let Ok(plan) = RatingPlan::compile(Arc::clone(catalog), HashKey::FILES).map(Arc::new) else { return };
    let mut chunk = Chunk::new(1);
    let subjects = catalog.customers.iter().flat_map(|customer| &customer.subjects).map(String::as_str);
    for subject in ["nobody"].into_iter().chain(subjects).take(4) {
        for event_type in catalog.event_types.iter().take(4) {
            for time in ["1970-01-01T00:00:00Z", "2026-08-31T23:59:59.999999Z", "2199-12-31T23:59:59Z"] {
                chunk.text.extend(line(event_type, subject, time).bytes());
            }
        }
    }
    Decoder::new(catalog, HashKey::FILES, 1).decode_ndjson(&mut chunk, &mut DecodeScratch::new());
    let mut shard = Shard::new(0, 1, plan);
    let events = chunk.batches[0].len() as u64;
    shard
        .apply(&chunk.text, &chunk.batches[0], Rows::Keep, &mut ShardOutput::default())
        .expect("identities stay in memory");
    let counters = shard.counters();
    let accepted = counters.rated + counters.unpriced + counters.unmetered + counters.late_refused;
    let copies = counters.duplicate + counters.conflict;
    assert_eq!(accepted + copies, events, "every event has a verdict (L3)");
    shard
        .apply(&chunk.text, &chunk.batches[0], Rows::Count, &mut ShardOutput::default())
        .expect("identities stay in memory");
    let counters = shard.counters();
    assert_eq!(counters.duplicate + counters.conflict, copies + events, "all come twice (L2)");
}

/// A line that has every field which the type reads.
fn line(event_type: &EventType, subject: &str, time: &str) -> String {
    let mut data = serde_json::json!({});
    let paths = event_type.values.iter().map(|slot| &slot.path).chain(event_type.texts.iter().map(|slot| &slot.path));
    for Path(parts) in paths {
        let mut place = &mut data;
        for part in parts.iter().skip(1) {
            if !place.is_object() {
                *place = serde_json::json!({});
            }
            place = &mut place[part.as_str()];
        }
        if parts.len() > 1 && place.is_null() {
            *place = serde_json::json!(1);
        }
    }
    let event = serde_json::json!({
        "specversion": "1.0", "id": time, "source": "fuzz", "type": event_type.name, "subject": subject, "time": time,
        "data": data,
    });
    format!("{event}\n")
}
