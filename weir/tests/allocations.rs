//! The hot path does not allocate per event: decoding and rating together stay under 0.01 allocations per event.

use std::alloc::{GlobalAlloc, Layout, System};
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use weir_ingest::{DecodeScratch, Decoder};
use weir_model::catalog::{self, CatalogFiles};
use weir_model::event::Chunk;
use weir_model::hash::HashKey;
use weir_model::rated::ShardOutput;
use weir_rater::{RatingPlan, Rows, Shard};

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call is passed on to the system allocator unchanged; counting touches no allocated memory.
#[allow(unsafe_code, reason = "a global allocator cannot be written without")]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const CATALOG: &str = r#"
name = "allocations"
currency = "USD"
[meters.tokens]
event_type = "call"
aggregation = "sum"
value = "data.tokens"
dimensions = { model = "data.model" }
[meters.calls]
event_type = "call"
aggregation = "count"
[plans.p]
cycle = "1 month"
charges = [
  { name = "tokens", meter = "tokens", group_by = ["model"], price = { model = "graduated", tiers = [ { up_to = 1000, unit_amount = "0.5" }, { unit_amount = "0.1" } ] } },
  { name = "calls", meter = "calls", price = { model = "unit", unit_amount = "0.01" } },
]
[defaults]
plan = "p"
"#;

struct NoFiles;

impl CatalogFiles for NoFiles {
    fn read(&self, _path: &str) -> std::io::Result<String> {
        Err(std::io::ErrorKind::NotFound.into())
    }
}

const EVENTS_PER_CHUNK: u64 = 4_000;
const CHUNKS: u64 = 60;
/// Tables double now and then and buffers find their size: the first chunks do most of that.
const WARM_UP: u64 = 20;

fn chunk_text(chunk: u64) -> Vec<u8> {
    let mut text = String::new();
    for event in chunk * EVENTS_PER_CHUNK..(chunk + 1) * EVENTS_PER_CHUNK {
        // One event in 16 repeats an earlier identity.
        let id = if event % 16 == 7 { event / 2 } else { event };
        let (customer, day, model) = (event.wrapping_mul(7919) % 5000, 1 + event % 28, event % 3);
        writeln!(
            text,
            r#"{{"specversion":"1.0","id":"id-{id:032x}","source":"/svc/a","type":"call","subject":"cust_{customer:06}","time":"2026-08-{day:02}T12:00:00.250Z","data":{{"tokens":{},"model":"m{model}"}}}}"#,
            event % 900
        )
        .unwrap();
    }
    text.into_bytes()
}

#[test]
fn fewer_than_one_in_a_hundred_events_allocates() {
    let catalog = Arc::new(catalog::load("allocations.toml", CATALOG, &NoFiles).unwrap().0);
    let plan = Arc::new(RatingPlan::compile(Arc::clone(&catalog), HashKey::FILES).unwrap());
    let decoder = Decoder::new(&catalog, HashKey::FILES, 16);
    let mut shards: Vec<Shard> = (0..16).map(|number| Shard::new(number, 16, Arc::clone(&plan))).collect();
    let texts: Vec<Vec<u8>> = (0..CHUNKS).map(chunk_text).collect();
    let (mut scratch, mut output, mut chunk) = (DecodeScratch::default(), ShardOutput::default(), Chunk::new(16));
    let mut allocations = 0;
    for (number, text) in (0_u64..).zip(&texts) {
        let before = ALLOCATIONS.load(Ordering::Relaxed);
        chunk.clear();
        chunk.text.extend_from_slice(text);
        decoder.decode_ndjson(&mut chunk, &mut scratch);
        for (shard, batch) in shards.iter_mut().zip(&chunk.batches) {
            output.clear();
            shard.apply(&chunk.text, batch, Rows::Count, &mut output).unwrap();
        }
        if number >= WARM_UP {
            allocations += ALLOCATIONS.load(Ordering::Relaxed) - before;
        }
        assert_eq!(chunk.rejected, vec![]);
    }
    let rated: u64 = shards.iter().map(|shard| shard.counters().rated).sum();
    assert!(rated > EVENTS_PER_CHUNK * CHUNKS * 9 / 10, "the test rates what it measures: {rated}");
    let events = EVENTS_PER_CHUNK * (CHUNKS - WARM_UP);
    assert!(allocations * 100 < events, "{allocations} allocations for {events} events");
}
