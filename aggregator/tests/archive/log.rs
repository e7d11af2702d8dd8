//! A log of all that an outbox can be told, and lives of outboxes that replay parts of it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use weir_aggregator::{ArchiveError, LogMark, Outbox, Owner, Progress};
use weir_files::{Files, Simulated};
use weir_model::catalog::{Catalog, ChargeIdx, Dimension, MidPeriod, PriceVersion};
use weir_model::event::Chunk;
use weir_model::number::{Quantity, UnitAmount};
use weir_model::price::{CellIdx, Matrix, MatrixCell, Price, Unit};
use weir_model::rated::{OpenedBucket, SettlementRow, ShardOutput};
use weir_model::time::Instant;
use weir_model::verdict::{RejectCode, Verdict};

use crate::support::*;

pub const OWNER: Owner = Owner { generation: 1, epoch: 1 };
/// What a batch holds at least before it is cut.
const EVENTS_PER_BATCH: usize = 4;
/// Added by the second catalog.
pub const EXTRA_CALLS: ChargeIdx = ChargeIdx(6);

/// What the log holds.
pub enum Record {
    Events(Arc<Chunk>, Vec<ShardOutput>),
    Close(Vec<(u16, OpenedBucket)>, Vec<SettlementRow>),
    Catalog(Arc<Catalog>),
}

/// Records, and which buckets each of them opens.
#[derive(Default)]
pub struct Log {
    pub records: Vec<(Record, Vec<(u16, OpenedBucket)>)>,
    /// Of both shards, in order.
    buckets: [Vec<OpenedBucket>; 2],
    events: u64,
}

/// The offset after so many records.
pub fn offset(records: usize) -> u64 {
    100 * u64::try_from(records).unwrap()
}

fn mark(record: usize) -> LogMark {
    let logged_at = AUGUST + i64::try_from(record).unwrap() * 1_000_000;
    LogMark { offset: offset(record + 1), logged_at: Instant::from_micros(logged_at) }
}

impl Log {
    /// Events of both shards in old and new buckets of two months, a chunk without anything, one with a rejection only,
    /// repeated and conflicting events, a close, and another catalog.
    pub fn sample() -> Log {
        let mut log = Log::default();
        let calls = |customer, period| bucket(customer, CALLS, &[], CellIdx::ONLY, period);
        let tokens = |model| bucket("zoe", TOKENS, &[model, "eu"], CellIdx::ONLY, august());
        let images = |cell, period| bucket("amy", IMAGES, &[], CellIdx(cell), period);
        log.events(&[(0, calls("amy", august())), (1, tokens("a")), (1, tokens("b"))], Extra::Rejection);
        log.events(&[(1, tokens("b")), (0, images(1, august())), (0, calls("amy", september()))], Extra::Conflict);
        log.close();
        log.events(&[], Extra::Duplicate);
        log.events(&[(0, images(0, september())), (1, tokens("c")), (0, calls("amy", august()))], Extra::Nothing);
        log.push(Record::Catalog(second_catalog()), vec![]);
        log.events(&[(0, images(0, september())), (0, images(1, august())), (1, tokens("a"))], Extra::Nothing);
        log.events(&[], Extra::Rejection);
        let extra = bucket("amy", EXTRA_CALLS, &[], CellIdx::ONLY, august());
        log.events(&[(0, extra.clone()), (1, calls("zoe", september())), (1, tokens("d"))], Extra::Conflict);
        log.close();
        log.events(&[(1, tokens("c")), (0, extra)], Extra::Nothing);
        log.events(&[], Extra::Nothing);
        log
    }

    fn push(&mut self, record: Record, opened: Vec<(u16, OpenedBucket)>) {
        self.records.push((record, opened));
    }

    /// A chunk with an event in each of these buckets.
    fn events(&mut self, usages: &[(u16, OpenedBucket)], extra: Extra) {
        let (mut chunk, mut out, mut opened) = (Chunk::new(2), outputs(2), Vec::new());
        chunk.sequence = u64::try_from(self.records.len()).unwrap();
        chunk.first_position = self.events;
        let mut position = 0;
        for (shard, used) in usages {
            let at = usize::from(*shard);
            let data = format!(r#"{{"n":{}}}"#, self.events / 2);
            let sample = Sample {
                position,
                subject: &used.customer,
                id: self.events,
                time: used.period.start.micros() + i64::try_from(self.events).unwrap(),
                data: Some(data.as_bytes()),
                verdict: Verdict::Rated,
            };
            let event = push(&mut chunk, &mut out[at], at, &sample);
            let known = &mut self.buckets[at];
            let number = known.iter().position(|other| other == used).unwrap_or_else(|| {
                open_as(&mut out[at], known.len(), used.clone());
                opened.push((*shard, used.clone()));
                known.push(used.clone());
                known.len() - 1
            });
            let scaled = i128::from(self.events);
            rate(&mut out[at], event, u32::try_from(number).unwrap(), quantity(scaled), amount(scaled * 10));
            position += 1;
            self.events += 1;
        }
        let again = |verdict| {
            let data = Some(&b"{}"[..]);
            Sample { position, subject: "amy", id: 0, time: AUGUST, data, verdict }
        };
        match extra {
            Extra::Nothing => {}
            Extra::Rejection => reject(&mut chunk, position, RejectCode::JsonInvalid, b"{"),
            Extra::Duplicate => _ = push(&mut chunk, &mut out[0], 0, &again(Verdict::Duplicate)),
            Extra::Conflict => _ = push(&mut chunk, &mut out[0], 0, &again(Verdict::Conflict)),
        }
        self.events += u64::from(extra != Extra::Nothing);
        self.push(Record::Events(Arc::new(chunk), out), opened);
    }

    /// Opens a bucket in both shards and settles it.
    fn close(&mut self) {
        let mut opened = Vec::new();
        for (shard, customer) in [(0, "amy"), (1, "zoe")] {
            let period = if self.events > 10 { september() } else { august() };
            let level = bucket(customer, LEVEL, &[], CellIdx(1), period);
            self.buckets[usize::from(shard)].push(level.clone());
            opened.push((shard, level));
        }
        let row = |(shard, bucket): &(u16, OpenedBucket)| SettlementRow {
            shard: *shard,
            bucket: bucket.clone(),
            amount: amount(-3),
        };
        let rows = opened.iter().map(row).collect();
        self.push(Record::Close(opened.clone(), rows), opened);
    }

    /// The catalog that holds after so many records.
    fn catalog(&self, records: usize) -> Arc<Catalog> {
        let mut changes = self.records[..records].iter().filter_map(|(record, _)| match record {
            Record::Catalog(catalog) => Some(Arc::clone(catalog)),
            _ => None,
        });
        changes.next_back().unwrap_or_else(crate::support::catalog)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extra {
    Nothing,
    Rejection,
    Duplicate,
    Conflict,
}

/// The sample's charges, one more, and another price of images from September on, whose cells stand the other way about.
fn second_catalog() -> Arc<Catalog> {
    let mut catalog = (*crate::support::catalog()).clone();
    catalog.hash = 0xBCDE;
    let images = &mut catalog.charges[usize::try_from(IMAGES.0).unwrap()];
    let from = Some(Instant::from_micros(SEPTEMBER));
    let price = Arc::new(matrix(&["huge", "small"]));
    images.versions.push(PriceVersion { effective_at: from, mid_period: MidPeriod::NextPeriod, price });
    let extra = catalog.charges[0].clone();
    catalog.charges.push(weir_model::catalog::Charge { name: "extra".to_owned(), ..extra });
    Arc::new(catalog)
}

fn matrix(sizes: &[&str]) -> Price {
    let unit = || Price::Unit(Unit { unit_amount: UnitAmount::ZERO, per: Quantity::from_count(1), unit: 1000 });
    let cell = |size: &&str| MatrixCell { when: vec![(*size).to_owned()], price: unit() };
    let size = Dimension { name: "size".to_owned(), slot: 0 };
    Price::Matrix(Matrix::new(vec![size], sizes.iter().map(cell).collect(), None).unwrap())
}

/// A life of an outbox: what it does with a stretch of the log.
pub struct Life {
    outbox: Outbox,
    /// Records so far.
    at: usize,
    pub told: Arc<Mutex<Told>>,
}

/// What an outbox has told.
#[derive(Debug, Default)]
pub struct Told {
    pub archived: u64,
    pub stopped: Vec<String>,
}

impl Life {
    /// Begins after so many records, with what a snapshot of then knows.
    pub fn begin(files: &Simulated, log: &Log, at: usize) -> Result<Life, ArchiveError> {
        Life::on(Arc::new(files.clone()), log, at, Arc::default())
    }

    /// The same, on any files.
    pub fn on(files: Arc<dyn Files>, log: &Log, at: usize, told: Arc<Mutex<Told>>) -> Result<Life, ArchiveError> {
        let into = Arc::clone(&told);
        let listen = move |progress: Progress<'_>| {
            let mut told = into.lock().unwrap();
            match progress {
                Progress::Archived(offset) => {
                    assert!(told.archived <= offset, "{offset} after {}", told.archived);
                    told.archived = offset;
                }
                Progress::Stopped(error) => told.stopped.push(error.to_string()),
            }
        };
        let mut outbox = Outbox::open(files, OWNER, log.catalog(at), listen)?;
        let mut all = outputs(2);
        for (shard, bucket) in log.records[..at].iter().flat_map(|(_, opened)| opened) {
            let all = &mut all[usize::from(*shard)];
            open_as(all, all.opened.buckets.len(), bucket.clone());
        }
        for (shard, output) in (0..).zip(all) {
            outbox.tell(shard, output.opened)?;
        }
        Ok(Life { outbox, at, told })
    }

    /// Goes on until so many records are taken.
    pub fn go(&mut self, log: &Log, to: usize) -> Result<(), ArchiveError> {
        for (record, (what, _)) in log.records.iter().enumerate().take(to).skip(self.at) {
            match what {
                Record::Events(chunk, out) => self.outbox.append(mark(record), Arc::clone(chunk), out.clone())?,
                Record::Close(opened, rows) => {
                    opened.iter().try_for_each(|(shard, bucket)| self.outbox.opened(*shard, bucket))?;
                    rows.iter().try_for_each(|row| self.outbox.settle(mark(record), row))?;
                }
                Record::Catalog(catalog) => {
                    self.outbox.cut(offset(record))?;
                    self.outbox.set_catalog(Arc::clone(catalog))?;
                }
            }
            if self.outbox.batch_size().events >= EVENTS_PER_BATCH {
                self.outbox.cut(offset(record + 1))?;
            }
            self.at = record + 1;
        }
        Ok(())
    }

    /// Cuts at the end of the log; through where it is archived then.
    pub fn end(mut self, log: &Log) -> Result<u64, ArchiveError> {
        self.go(log, usize::MAX)?;
        self.outbox.cut(offset(log.records.len()))?;
        self.outbox.finish()
    }

    /// Ends as it is.
    pub fn stop(self) -> Result<u64, ArchiveError> {
        self.outbox.finish()
    }

    pub fn outbox(&mut self) -> &mut Outbox {
        &mut self.outbox
    }
}

/// A life from the first record to the last.
pub fn whole(files: &Simulated, log: &Log) -> Result<u64, ArchiveError> {
    Life::begin(files, log, 0)?.end(log)
}

/// All files with their bytes, by path.
pub fn content(files: &Simulated) -> BTreeMap<String, Vec<u8>> {
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
