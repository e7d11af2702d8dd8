//! Puts a log through decoder, shards, closes and biller as `weir run` does, in one process and in any way of splitting it, and
//! holds L4 for every bucket on the way.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;

use weir_ingest::{DecodeScratch, Decoder};
use weir_invoicer::{Biller, Invoice, Numbering, Remember};
use weir_model::catalog::{Catalog, ChargeIdx};
use weir_model::event::Chunk;
use weir_model::hash::HashKey;
use weir_model::number::Amount;
use weir_model::price::CellIdx;
use weir_model::rated::{BucketNames, BucketTotal, OpenedBucket, SettlementRow, ShardOutput};
use weir_model::time::{Instant, Period};
use weir_rater::close::{Close, Settled, default_through, seal};
use weir_rater::identities::IdentitySettings;
use weir_rater::{Counters, RatingPlan, Rows, Shard};

/// Lines and the close after them; the last one may leave it to the events.
#[derive(Debug, Clone)]
pub struct Stage {
    pub lines: Vec<String>,
    pub through: Option<Instant>,
}

/// A catalog that follows the one before, from a line of a stage on.
#[derive(Debug, Clone)]
pub struct Succession {
    pub stage: usize,
    pub line: usize,
    pub catalog: Arc<Catalog>,
}

/// How a log is put through.
#[derive(Debug, Clone)]
pub struct Way {
    pub shards: u16,
    /// Lines per chunk.
    pub chunk: usize,
    /// Every shard is snapshotted and restored before this chunk of each stage.
    pub restore_before: Option<usize>,
}

/// Customer, charge, group, cell, period and where in it the bucket begins.
pub type BucketName = (String, ChargeIdx, Vec<String>, CellIdx, Period, Instant);

/// All that must not depend on the way.
#[derive(Debug, PartialEq)]
pub struct Seen {
    pub buckets: BTreeMap<BucketName, BucketTotal>,
    pub duplicate: u64,
    pub conflict: u64,
    pub rated: u64,
    pub unpriced: u64,
    pub unmetered: u64,
    pub late_refused: u64,
    /// The documents of each close.
    pub documents: Vec<Vec<Invoice>>,
}

struct Run<'a> {
    plan: Arc<RatingPlan>,
    shards: Vec<Shard>,
    names: Vec<BucketNames>,
    directories: Vec<Vec<OpenedBucket>>,
    rows: BTreeMap<BucketName, Amount>,
    settled: Settled,
    biller: Biller<'a>,
    documents: Vec<Vec<Invoice>>,
}

/// Rates all stages.
pub fn rate(catalog: &Arc<Catalog>, stages: &[Stage], way: &Way) -> Seen {
    rate_succeeding((catalog, &[]), stages, way)
}

/// Rates all stages, under other catalogs from somewhere on.
pub fn rate_succeeding((catalog, later): (&Arc<Catalog>, &[Succession]), stages: &[Stage], way: &Way) -> Seen {
    let plan = Arc::new(RatingPlan::compile(Arc::clone(catalog), HashKey::FILES).unwrap());
    let mut decoder = Decoder::new(catalog, HashKey::FILES, way.shards);
    let mut run = Run {
        shards: (0..way.shards).map(|n| Shard::new(n, way.shards, Arc::clone(&plan))).collect(),
        names: (0..way.shards).map(|_| BucketNames::default()).collect(),
        directories: vec![Vec::new(); usize::from(way.shards)],
        rows: BTreeMap::new(),
        settled: Settled::new(),
        biller: Biller::new(catalog, Numbering::new("T-")),
        documents: Vec::new(),
        plan,
    };
    let mut buckets = BTreeMap::new();
    for (number, stage) in (1..).zip(stages) {
        let mut read = 0;
        for next in later.iter().filter(|next| next.stage + 1 == number) {
            run.read(&decoder, &stage.lines[read..next.line], way);
            read = next.line;
            run = run.under(&next.catalog);
            decoder = Decoder::new(&next.catalog, HashKey::FILES, way.shards);
        }
        run.read(&decoder, &stage.lines[read..], way);
        let last = number == stages.len();
        buckets = run.close(stage.through, if last { Remember::Nothing } else { Remember::Lines });
    }
    run.finish(buckets)
}

impl<'a> Run<'a> {
    /// Goes on under another catalog.
    fn under(mut self, catalog: &'a Catalog) -> Run<'a> {
        let plan = Arc::new(RatingPlan::compile(Arc::new(catalog.clone()), HashKey::FILES).unwrap());
        for shard in &mut self.shards {
            for SettlementRow { bucket, amount, .. } in shard.replan(&plan).unwrap() {
                add(&mut self.rows, name(&bucket), amount);
            }
        }
        Run { biller: self.biller.under(catalog), plan, ..self }
    }

    fn read(&mut self, decoder: &Decoder, lines: &[String], way: &Way) {
        let mut scratch = DecodeScratch::default();
        for (number, lines) in lines.chunks(way.chunk).enumerate() {
            if way.restore_before == Some(number) {
                for shard in &mut self.shards {
                    let snapshot = shard.snapshot().unwrap().bytes;
                    *shard = Shard::restore(&snapshot, Arc::clone(&self.plan), IdentitySettings::in_memory()).unwrap();
                }
            }
            let mut chunk = Chunk::new(self.shards.len());
            chunk.text = lines.iter().map(|line| line.trim_end()).collect::<Vec<_>>().join("\n").into_bytes();
            decoder.decode_ndjson(&mut chunk, &mut scratch);
            assert_eq!(chunk.rejected, vec![], "these events are all valid");
            for (shard, batch) in self.shards.iter_mut().zip(&chunk.batches) {
                let mut output = ShardOutput::default();
                shard.apply(&chunk.text, batch, Rows::Keep, &mut output).unwrap();
                let directory = &mut self.directories[usize::from(shard.number())];
                let names = &mut self.names[usize::from(shard.number())];
                directory.extend(names.describe(std::mem::take(&mut output.opened)));
                for (bucket, amount) in output.rows.bucket.iter().zip(&output.rows.amount) {
                    add(&mut self.rows, name(&directory[*bucket as usize]), *amount);
                }
            }
        }
    }

    /// Seals, settles and bills; the totals of all buckets.
    fn close(&mut self, through: Option<Instant>, remember: Remember) -> BTreeMap<BucketName, BucketTotal> {
        let through = through.or_else(|| default_through(&self.shards)).unwrap_or_default();
        let sealed = seal(&mut self.shards, &self.plan, through).unwrap();
        for (shard, opened) in sealed.opened {
            self.directories[usize::from(shard)].push(opened);
        }
        let settled = std::mem::take(&mut self.settled);
        let close = Close::new(&self.shards, Arc::clone(&self.plan), through, settled).unwrap();
        for SettlementRow { bucket, amount, .. } in sealed.adjustments.iter().chain(close.settlements()) {
            add(&mut self.rows, name(bucket), *amount);
        }
        let mut buckets = BTreeMap::new();
        let mut closing = self.biller.close(through, remember);
        let mut documents = Vec::new();
        let revisited: Result<(), weir_invoicer::InvoiceError> = close.for_each(|period| closing.revisit(period));
        revisited.unwrap();
        let billed: Result<(), weir_invoicer::InvoiceError> = close.for_each(|period| {
            documents.extend(closing.bill(period)?.map(weir_invoicer::Document::write).transpose()?);
            Ok(())
        });
        billed.unwrap();
        documents.extend(closing.finish().unwrap());
        self.documents.push(documents);
        let visited: Result<(), Infallible> = close.for_each(|period| {
            for bucket in period.buckets() {
                let start = bucket.terms.active.start;
                let key =
                    (period.customer.clone(), bucket.charge, bucket.group.clone(), bucket.cell, period.period, start);
                let rows = self.rows.get(&key).copied().unwrap_or_default();
                let owed = bucket.amount.checked_sub(bucket.without_usage).unwrap();
                assert_eq!(rows, owed, "L4: rows sum to A(S) - A(0) in {key:?}: {bucket:?}");
                assert!(buckets.insert(key, bucket.clone()).is_none(), "a bucket has one total");
            }
            Ok(())
        });
        visited.unwrap_or_else(|never| match never {});
        for (key, rows) in &self.rows {
            assert!(buckets.contains_key(key) || *rows == Amount::ZERO, "rows {rows} of {key:?} belong to no total");
        }
        self.settled = close.settled().clone();
        buckets
    }

    fn finish(self, buckets: BTreeMap<BucketName, BucketTotal>) -> Seen {
        let mut counters = Counters::default();
        self.shards.iter().for_each(|shard| counters.add(shard.counters()));
        Seen {
            buckets,
            duplicate: counters.duplicate,
            conflict: counters.conflict,
            rated: counters.rated,
            unpriced: counters.unpriced,
            unmetered: counters.unmetered,
            late_refused: counters.late_refused,
            documents: self.documents,
        }
    }
}

fn add(rows: &mut BTreeMap<BucketName, Amount>, key: BucketName, amount: Amount) {
    let sum = rows.entry(key).or_default();
    *sum = sum.checked_add(amount).unwrap();
}

fn name(bucket: &OpenedBucket) -> BucketName {
    let group = bucket.group.iter().map(ToString::to_string).collect();
    (bucket.customer.to_string(), bucket.charge, group, bucket.cell, bucket.period, bucket.start)
}
