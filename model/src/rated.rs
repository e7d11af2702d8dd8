//! What a shard hands out: verdicts and rated rows of one batch, and the totals of its buckets. The archive and the
//! invoicer read these; both can lead every figure back to its events.

mod opened;

use std::sync::Arc;

use crate::catalog::{ChargeIdx, CustomerIdx, PlanIdx};
use crate::charge::{Measured, Terms};
use crate::hash::Digest;
use crate::number::{Amount, Quantity};
use crate::price::CellIdx;
use crate::time::{Instant, Period};
use crate::verdict::Verdict;

pub use opened::{BucketNames, BucketNumbers, OpenedBucket, OpenedCombo, OpenedStretch, Openings};

/// What applying one [`EventBatch`](crate::event::EventBatch) did.
#[derive(Debug, Clone, Default)]
pub struct ShardOutput {
    /// One for each event of the batch.
    pub verdicts: Vec<Verdict>,
    /// The number in its shard of each accepted event's subject.
    pub subjects: Vec<u32>,
    /// One for each usage that was rated.
    pub rows: RatedRows,
    /// Buckets that this batch opened.
    pub opened: Openings,
}

impl ShardOutput {
    /// Forgets the content and keeps the memory.
    pub fn clear(&mut self) {
        self.verdicts.clear();
        self.subjects.clear();
        let RatedRows { event, bucket, quantity, amount } = &mut self.rows;
        event.clear();
        bucket.clear();
        quantity.clear();
        amount.clear();
        self.opened.clear();
    }
}

/// Rated usage as columns of equal length, in log order.
#[derive(Debug, Clone, Default)]
pub struct RatedRows {
    /// The event's index in its batch.
    pub event: Vec<u32>,
    /// The bucket's number in its shard.
    pub bucket: Vec<u32>,
    /// The event's own value at the meter's scale.
    pub quantity: Vec<Quantity>,
    /// A(S after) - A(S before).
    pub amount: Vec<Amount>,
}

impl RatedRows {
    /// Number of rows.
    pub fn len(&self) -> usize {
        self.event.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.event.is_empty()
    }
}

/// A row that no event caused: what a close adds to a bucket or to a part of it that was rated by itself (design.md 4.5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettlementRow {
    /// The shard whose bucket it corrects.
    pub shard: u16,
    /// The bucket.
    pub bucket: OpenedBucket,
    /// The part's share of A(S) - A(∅) - Σ(A(S_i) - A(∅)), less what an earlier close has settled.
    pub amount: Amount,
}

/// One customer's buckets of one period, whole: the parts of several shards are merged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomerPeriod {
    /// The customer's id.
    pub customer: String,
    /// Its entry in the catalog; `None` for a subject that no customer claims.
    pub declared: Option<CustomerIdx>,
    /// The period.
    pub period: Period,
    /// Whether and when the period was closed.
    pub seal: Seal,
    /// The customer's plans in the period, in order of time: one, unless the plan changed inside.
    pub segments: Vec<Segment>,
}

/// Whether a period is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Seal {
    /// Not yet.
    Open,
    /// By this close.
    Now,
    /// By an earlier close: what is new in it is late.
    Before,
}

impl Seal {
    /// Whether the period is closed.
    pub const fn is_sealed(self) -> bool {
        !matches!(self, Seal::Open)
    }
}

/// A stretch of one plan within a period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// The plan.
    pub plan: PlanIdx,
    /// The part of the period in which the customer had it; the whole period, unless it began or ended inside.
    pub active: Period,
    /// Buckets with usage and those that owe something without; sorted by (charge, group, cell). A charge that goes on
    /// from the segment before has its buckets there.
    pub buckets: Vec<BucketTotal>,
}

impl CustomerPeriod {
    /// Room for a period that is filled in later.
    pub fn empty() -> CustomerPeriod {
        let nowhere = Period { start: Instant::default(), end: Instant::default() };
        CustomerPeriod {
            customer: String::new(),
            declared: None,
            period: nowhere,
            seal: Seal::Open,
            segments: Vec::new(),
        }
    }

    /// All buckets, segment by segment.
    pub fn buckets(&self) -> impl Iterator<Item = &BucketTotal> {
        self.segments.iter().flat_map(|segment| &segment.buckets)
    }
}

/// The total of one bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketTotal {
    /// The charge.
    pub charge: ChargeIdx,
    /// The group's values; empty if not grouped.
    pub group: Vec<String>,
    /// The cell.
    pub cell: CellIdx,
    /// What decided on its price; its allowance is the bucket's own share at last.
    pub terms: Arc<Terms>,
    /// The aggregated usage, before conversion and allowance.
    pub measured: Measured,
    /// Number of usages in it.
    pub events: u64,
    /// A(S).
    pub amount: Amount,
    /// A(∅), to which the rows add.
    pub without_usage: Amount,
    /// The account's whole, of which `amount` is this customer's share.
    pub pool: Option<PoolTotal>,
    /// Sum of the events' hashes.
    pub digest: Digest,
}

/// What the customers of an account share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolTotal {
    /// Their quantity.
    pub quantity: Quantity,
    /// Its price.
    pub amount: Amount,
}

impl BucketTotal {
    /// The quantity as a whole; zero for a capacity's resources, which do not add up.
    pub fn quantity(&self) -> Quantity {
        // Every state's sum was within bounds when it was last changed.
        self.measured.quantity().unwrap_or_default()
    }
}
