//! L6 and L7 for the archive of a log: shards restored from any snapshot that may exist, and told to a new outbox, give the
//! bytes that one life without end gives.

use std::collections::BTreeMap;
use std::sync::Arc;

use weir_aggregator::{LogMark, Outbox, Owner};
use weir_files::{Files, Simulated};
use weir_ingest::{DecodeScratch, Decoder};
use weir_model::catalog::{self, Catalog, NoFiles};
use weir_model::event::Chunk;
use weir_model::hash::HashKey;
use weir_model::rated::{Openings, ShardOutput};
use weir_model::time::Instant;
use weir_rater::close::seal;
use weir_rater::identities::IdentitySettings;
use weir_rater::{RatingPlan, Rows, Shard};

const CATALOG: &str = r#"
name = "outbox"
currency = "USD"
time_zone = "UTC"

[meters.tokens]
event_type = "call"
aggregation = "sum"
value = "data.tokens"
dimensions = { model = "data.model" }
[meters.level]
event_type = "gauge"
aggregation = "weighted_sum"
value = "data.level"
values = "level"
per = "hour"
carry = true

[prices.ladder]
model = "graduated"
tiers = [ { up_to = 100, unit_amount = "0.5" }, { unit_amount = "0.3" } ]
[prices.by_model]
model = "matrix"
cells = [ { when = { model = "a" }, price = { model = "unit", unit_amount = "0.01" } }, { when = { model = "b" }, price = { model = "unit", unit_amount = "0.02" } } ]

[plans.pro]
cycle = "1 month"
anchor = "calendar"
charges = [
  { name = "tokens", meter = "tokens", price = "ladder", group_by = ["model"], allowance = { quantity = 20 } },
  { name = "cells", meter = "tokens", price = "by_model" },
  { name = "level", meter = "level", price = "ladder" },
]

[defaults]
plan = "pro"
"#;

const SHARDS: u16 = 3;
const CHUNKS: u64 = 24;
/// What a batch holds at least.
const EVENTS_PER_BATCH: usize = 15;
/// 2026-08-01T00:00:00Z.
const AUGUST: i64 = 1_785_542_400;

/// A record of the log.
enum Record {
    Lines(Vec<u8>),
    Close(Instant),
}

/// Some events in each chunk, of subjects, models and months old and new, some of them again, and two closes.
fn log() -> Vec<Record> {
    let chunk = |number: u64| {
        let line = |i: u64| {
            let n = number * 5 + i;
            let (id, subject, model) =
                (n - n % 7 / 6, n * n % 11, ["a", "b", "c"][usize::try_from(n * 7 % 3).unwrap()]);
            let second = AUGUST + i64::try_from(n * n * 977 % (1 + number / 8 * 5_000_000 + 2_000_000)).unwrap();
            let time = jiff::Timestamp::from_second(second).unwrap();
            let (kind, data) = match n % 4 {
                0 => ("gauge", format!(r#"{{"level":{}}}"#, n % 13)),
                _ => ("call", format!(r#"{{"tokens":{n},"model":"{model}"}}"#)),
            };
            format!(
                r#"{{"specversion":"1.0","id":"i{id}","source":"/src","type":"{kind}","subject":"s{subject}","time":"{time}","data":{data}}}"#
            )
        };
        let broken = number.is_multiple_of(5).then(|| "{".to_owned());
        Record::Lines((0..5).map(line).chain(broken).collect::<Vec<_>>().join("\n").into_bytes())
    };
    let mut records: Vec<Record> = (0..CHUNKS).map(chunk).collect();
    let month = |months: i64| Record::Close(Instant::from_micros((AUGUST + months * 31 * 86_400) * 1_000_000));
    records.insert(16, month(2));
    records.insert(9, month(1));
    records
}

/// An engine in small: shards, and the outbox behind them.
struct Engine {
    catalog: Arc<Catalog>,
    plan: Arc<RatingPlan>,
    shards: Vec<Shard>,
    outbox: Outbox,
}

/// The shards' snapshots after so many records.
type Snapshots = Vec<Vec<Vec<u8>>>;

fn offset(records: usize) -> u64 {
    u64::try_from(records).unwrap() * 10
}

impl Engine {
    /// From the shards' snapshots; empty ones: from the start.
    fn open(files: &Simulated, snapshots: &[Vec<u8>]) -> Engine {
        let catalog = Arc::new(catalog::load("outbox.toml", CATALOG, &NoFiles).unwrap_or_else(|e| panic!("{e}")).0);
        let plan = Arc::new(RatingPlan::compile(Arc::clone(&catalog), HashKey::FILES).unwrap());
        let shard = |number: u16| match snapshots.get(usize::from(number)) {
            Some(bytes) => Shard::restore(bytes, Arc::clone(&plan), IdentitySettings::in_memory()).unwrap(),
            None => Shard::new(number, SHARDS, Arc::clone(&plan)),
        };
        let mut shards: Vec<Shard> = (0..SHARDS).map(shard).collect();
        let owner = Owner { generation: 1, epoch: 1 };
        let mut outbox = Outbox::open(Arc::new(files.clone()), owner, Arc::clone(&catalog), |_| ()).unwrap();
        for shard in &mut shards {
            let mut opened = Openings::default();
            shard.tell_all(&mut opened);
            outbox.tell(shard.number(), opened).unwrap();
        }
        Engine { catalog, plan, shards, outbox }
    }

    fn go(&mut self, records: &[Record], from: usize) -> Snapshots {
        let mut snapshots = Vec::new();
        let decoder = Decoder::new(&self.catalog, HashKey::FILES, SHARDS);
        for (number, record) in (from..).zip(&records[from..]) {
            snapshots.push(self.shards.iter_mut().map(|shard| shard.snapshot().unwrap().bytes).collect());
            let mark = LogMark { offset: offset(number + 1), logged_at: Instant::from_micros(AUGUST * 1_000_000) };
            match record {
                Record::Lines(lines) => {
                    let mut chunk = Chunk::new(usize::from(SHARDS));
                    chunk.text.clone_from(lines);
                    chunk.first_position = u64::try_from(number).unwrap() * 100;
                    decoder.decode_ndjson(&mut chunk, &mut DecodeScratch::default());
                    let outputs = self.shards.iter_mut().zip(&chunk.batches).map(|(shard, batch)| {
                        let mut output = ShardOutput::default();
                        shard.apply(&chunk.text, batch, Rows::Keep, &mut output).unwrap();
                        output
                    });
                    let outputs = outputs.collect();
                    self.outbox.append(mark, Arc::new(chunk), outputs).unwrap();
                }
                Record::Close(through) => {
                    let sealed = seal(&mut self.shards, &self.plan, *through).unwrap();
                    for (shard, opened) in &sealed.opened {
                        self.outbox.opened(*shard, opened).unwrap();
                    }
                    for row in &sealed.adjustments {
                        self.outbox.settle(mark, row).unwrap();
                    }
                }
            }
            if self.outbox.batch_size().events >= EVENTS_PER_BATCH {
                self.outbox.cut(mark.offset).unwrap();
            }
        }
        snapshots
    }
}

fn content(files: &Simulated) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop() {
        for name in files.list(&folder).unwrap() {
            let path = if folder.is_empty() { name } else { format!("{folder}/{name}") };
            match files.content(&path) {
                Some(bytes) => _ = found.insert(path, bytes),
                None => folders.push(path),
            }
        }
    }
    found
}

#[test]
fn a_restored_engine_archives_the_same_bytes() {
    let log = log();
    let files = Simulated::new();
    let mut engine = Engine::open(&files, &[]);
    let snapshots = engine.go(&log, 0);
    engine.outbox.cut(offset(log.len())).unwrap();
    assert_eq!(engine.outbox.finish().unwrap(), offset(log.len()));
    let expected = content(&files);
    let count = |folder: &str| expected.keys().filter(|path| path.starts_with(folder)).count();
    let counts = [count("events/month="), count("rated/period="), count("quarantine/"), count("batches/")];
    assert!(counts.iter().zip([6, 6, 4, 6]).all(|(count, least)| *count >= least), "{counts:?}");

    for end in 0..log.len() {
        let files = Simulated::new();
        let mut engine = Engine::open(&files, &[]);
        engine.go(&log[..end], 0);
        let archived = usize::try_from(engine.outbox.finish().unwrap() / offset(1)).unwrap();
        for snapshot in [archived, archived / 2] {
            let files = files.copy();
            let mut engine = Engine::open(&files, &snapshots[snapshot]);
            engine.go(&log, snapshot);
            engine.outbox.cut(offset(log.len())).unwrap();
            engine.outbox.finish().unwrap();
            let found = content(&files);
            let other = expected.iter().find(|(path, bytes)| found.get(*path) != Some(bytes));
            let other = other.map(|(path, _)| path);
            assert!(found == expected, "ended after {end}, restored after {snapshot}: {other:?}");
        }
    }
}
