//! What bucket numbers stand for, as small numbers: the shards name a bucket once, when it opens, and by number after.
//!
//! Owns: the directory of buckets. It is the one part of the archive that grows with the run and not with the batch:
//! 24 bytes for each bucket, and each distinct customer, group and cell text once. The shards hold more than that for the
//! same buckets, so the directory never decides how much memory a run needs.

use std::collections::HashMap;

use arrow_array::ArrayRef;
use arrow_schema::ArrowError;
use weir_model::catalog::ChargeIdx;
use weir_model::price::CellIdx;
use weir_model::rated::OpenedBucket;
use weir_model::time::{Instant, Period};

use crate::catalog::{Charges, Presence, write_cell, write_group};
use crate::columns::{NO_TEXT, Ranking, at, instants};
use crate::interner::{Interner, TextId};
use crate::partitions::{Granularity, PartitionId, Partitions};

/// A bucket as numbers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bucket {
    pub(crate) customer: TextId,
    pub(crate) charge: ChargeIdx,
    pub(crate) group: TextId,
    pub(crate) cell: TextId,
    /// Index in [`BucketTexts::times`].
    time: u32,
}

/// A bucket by its nouns.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BucketKey<'a, S> {
    pub(crate) customer: &'a str,
    pub(crate) charge: ChargeIdx,
    pub(crate) group: &'a [S],
    /// The price version at the bucket's start, and its cell.
    pub(crate) cell: (u32, CellIdx),
    pub(crate) time: BucketTime,
}

/// The period of a bucket, and when the part of it begins that the bucket is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct BucketTime {
    pub(crate) period: Period,
    pub(crate) segment_start: Instant,
}

/// Texts and periods of buckets.
pub(crate) struct BucketTexts {
    pub(crate) charges: Charges,
    customers: Interner,
    groups: Interner,
    cells: Interner,
    cell_ids: HashMap<(ChargeIdx, u32, CellIdx), TextId>,
    times: Vec<(BucketTime, PartitionId)>,
    time_ids: HashMap<BucketTime, u32>,
    pub(crate) partitions: Partitions,
    /// Text being made.
    scratch: String,
}

/// The buckets of all shards.
pub(crate) struct Directory {
    pub(crate) texts: BucketTexts,
    buckets: Vec<Bucket>,
    /// Index in `buckets` by shard and bucket number.
    by_shard: Vec<Vec<u32>>,
}

const TOO_MANY: &str = "there are more buckets or texts than 2^32";

impl BucketTexts {
    fn new(charges: Charges) -> BucketTexts {
        BucketTexts {
            charges,
            customers: Interner::default(),
            groups: Interner::default(),
            cells: Interner::default(),
            cell_ids: HashMap::new(),
            times: Vec::new(),
            time_ids: HashMap::new(),
            partitions: Partitions::new(Granularity::Period),
            scratch: String::new(),
        }
    }

    /// The bucket as numbers. `Err` says what the catalog contradicts.
    pub(crate) fn bucket<S: AsRef<str>>(&mut self, key: BucketKey<'_, S>) -> Result<Bucket, &'static str> {
        let charge = self.charges.get(key.charge).ok_or("a bucket's charge is not in the catalog")?;
        let group = match write_group(&mut self.scratch, charge, key.group)? {
            Presence::Present => self.groups.intern(self.scratch.as_bytes()).ok_or(TOO_MANY)?,
            Presence::Absent => NO_TEXT,
        };
        let (version, cell) = key.cell;
        let cell_key = (key.charge, version, cell);
        let cell = match self.cell_ids.get(&cell_key) {
            Some(&id) => id,
            None => {
                let id = match write_cell(&mut self.scratch, charge, key.cell)? {
                    Presence::Present => self.cells.intern(self.scratch.as_bytes()).ok_or(TOO_MANY)?,
                    Presence::Absent => NO_TEXT,
                };
                self.cell_ids.insert(cell_key, id);
                id
            }
        };
        let customer = self.customers.intern(key.customer.as_bytes()).ok_or(TOO_MANY)?;
        Ok(Bucket { customer, charge: key.charge, group, cell, time: self.time_id(key.time)? })
    }

    /// The period and segment of a bucket.
    pub(crate) fn time(&self, bucket: &Bucket) -> BucketTime {
        self.times[at(bucket.time)].0
    }

    /// The partition of a bucket: its period's start.
    pub(crate) fn partition(&self, bucket: &Bucket) -> PartitionId {
        self.times[at(bucket.time)].1
    }

    fn time_id(&mut self, time: BucketTime) -> Result<u32, &'static str> {
        if let Some(&id) = self.time_ids.get(&time) {
            return Ok(id);
        }
        let id = u32::try_from(self.times.len()).map_err(|_| TOO_MANY)?;
        self.times.push((time, self.partitions.of(time.period.start)));
        self.time_ids.insert(time, id);
        Ok(id)
    }
}

impl Directory {
    pub(crate) fn new(charges: Charges) -> Directory {
        Directory { texts: BucketTexts::new(charges), buckets: Vec::new(), by_shard: Vec::new() }
    }

    /// Enters the next bucket of `shard`.
    pub(crate) fn open(&mut self, shard: usize, opened: &OpenedBucket) -> Result<(), &'static str> {
        let index = self.enter(opened)?;
        if self.by_shard.len() <= shard {
            self.by_shard.resize_with(shard + 1, Vec::new);
        }
        if let Some(numbers) = self.by_shard.get_mut(shard) {
            numbers.push(index);
        }
        Ok(())
    }

    /// Enters a bucket that no number of a shard stands for; its index.
    pub(crate) fn enter(&mut self, opened: &OpenedBucket) -> Result<u32, &'static str> {
        let OpenedBucket { customer, charge, group, cell, period, start } = opened;
        let version = self.texts.charges.get(*charge).map_or(0, |charge| charge.version_at(*start));
        let time = BucketTime { period: *period, segment_start: *start };
        let key = BucketKey { customer, charge: *charge, group, cell: (version, *cell), time };
        let bucket = self.texts.bucket(key)?;
        let index = u32::try_from(self.buckets.len()).map_err(|_| TOO_MANY)?;
        self.buckets.push(bucket);
        Ok(index)
    }

    /// Index of the bucket with this number in `shard`.
    pub(crate) fn index(&self, shard: usize, number: u32) -> Option<u32> {
        self.by_shard.get(shard)?.get(at(number)).copied()
    }

    /// The bucket at an index that [`Directory::index`] or [`Directory::enter`] gave.
    pub(crate) fn get(&self, index: u32) -> &Bucket {
        &self.buckets[at(index)]
    }
}

/// The order of the texts that a batch's buckets use.
pub(crate) struct BucketRanks {
    customers: Ranking,
    groups: Ranking,
    cells: Ranking,
}

/// The columns that say which bucket a row belongs to.
pub(crate) struct BucketColumns {
    pub(crate) customer: ArrayRef,
    pub(crate) plan: ArrayRef,
    pub(crate) charge: ArrayRef,
    pub(crate) group: ArrayRef,
    pub(crate) cell: ArrayRef,
    pub(crate) period_start: ArrayRef,
    pub(crate) period_end: ArrayRef,
    pub(crate) segment_start: ArrayRef,
    pub(crate) currency: ArrayRef,
}

impl BucketRanks {
    pub(crate) fn new<'a>(texts: &BucketTexts, used: impl Iterator<Item = &'a Bucket> + Clone) -> BucketRanks {
        BucketRanks {
            customers: Ranking::new(texts.customers.texts(), used.clone().map(|bucket| bucket.customer)),
            groups: Ranking::new(texts.groups.texts(), used.clone().map(|bucket| bucket.group)),
            cells: Ranking::new(texts.cells.texts(), used.map(|bucket| bucket.cell)),
        }
    }

    pub(crate) fn customer(&self, bucket: &Bucket) -> u32 {
        self.customers.rank(bucket.customer)
    }

    pub(crate) fn group(&self, bucket: &Bucket) -> u32 {
        self.groups.rank(bucket.group)
    }

    pub(crate) fn cell(&self, bucket: &Bucket) -> u32 {
        self.cells.rank(bucket.cell)
    }

    pub(crate) fn columns(&self, texts: &BucketTexts, buckets: &[Bucket]) -> Result<BucketColumns, ArrowError> {
        let charges = || buckets.iter().map(|bucket| bucket.charge);
        let times = || buckets.iter().map(|bucket| texts.time(bucket));
        Ok(BucketColumns {
            customer: self.customers.column(buckets.iter().map(|bucket| bucket.customer))?,
            plan: texts.charges.plan.column(charges())?,
            charge: texts.charges.charge.column(charges())?,
            group: self.groups.column(buckets.iter().map(|bucket| bucket.group))?,
            cell: self.cells.column(buckets.iter().map(|bucket| bucket.cell))?,
            period_start: instants(times().map(|time| time.period.start.micros())),
            period_end: instants(times().map(|time| time.period.end.micros())),
            segment_start: instants(times().map(|time| time.segment_start.micros())),
            currency: texts.charges.currency.column(charges())?,
        })
    }
}
