//! What a shard hands out: verdicts and rated rows of one batch, and the totals of its buckets. The archive and the
//! invoicer read these; both can lead every figure back to its events.

use crate::catalog::{ChargeIdx, CustomerIdx, PlanIdx};
use crate::hash::Digest;
use crate::number::{Amount, Quantity};
use crate::price::CellIdx;
use crate::time::{Instant, Period};
use crate::verdict::Verdict;

/// What applying one [`EventBatch`](crate::event::EventBatch) did.
#[derive(Debug, Default)]
pub struct ShardOutput {
    /// One for each event of the batch.
    pub verdicts: Vec<Verdict>,
    /// One for each usage that was rated.
    pub rows: RatedRows,
    /// Buckets that this batch opened. Their numbers go on, without gaps, from those opened before.
    pub opened: Vec<OpenedBucket>,
}

impl ShardOutput {
    /// Forgets the content and keeps the memory.
    pub fn clear(&mut self) {
        self.verdicts.clear();
        let RatedRows { event, bucket, quantity, amount } = &mut self.rows;
        event.clear();
        bucket.clear();
        quantity.clear();
        amount.clear();
        self.opened.clear();
    }
}

/// Rated usage as columns of equal length, in log order.
#[derive(Debug, Default)]
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

/// What a bucket's number stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenedBucket {
    /// The customer's id.
    pub customer: Box<str>,
    /// The charge, and through it plan, meter and price.
    pub charge: ChargeIdx,
    /// The group's values in the order of [`Charge::group_by`](crate::catalog::Charge); empty if not grouped.
    pub group: Box<[Box<str>]>,
    /// The matrix cell.
    pub cell: CellIdx,
    /// The period.
    pub period: Period,
}

/// A row that no event caused: what a settlement adds to a part that was rated by itself (design.md 4.5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettlementRow {
    /// The shard whose part it corrects.
    pub shard: u16,
    /// The bucket.
    pub bucket: OpenedBucket,
    /// The part's share of A(S) - A(∅) - Σ(A(S_i) - A(∅)).
    pub amount: Amount,
}

/// One customer's buckets of one period, whole: the parts of several shards are merged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomerPeriod {
    /// The customer's id.
    pub customer: String,
    /// Its entry in the catalog; `None` for a subject that no customer claims.
    pub declared: Option<CustomerIdx>,
    /// The plan.
    pub plan: PlanIdx,
    /// The period.
    pub period: Period,
    /// The part of the period in which the customer had the plan; the whole period, unless it started inside.
    pub active: Period,
    /// Whether the run closed this period.
    pub sealed: bool,
    /// Buckets with usage and those that owe P(0) without; sorted by (charge, group, cell).
    pub buckets: Vec<BucketTotal>,
}

impl CustomerPeriod {
    /// Room for a period that is filled in later.
    pub fn empty() -> CustomerPeriod {
        let nowhere = Period { start: Instant::default(), end: Instant::default() };
        CustomerPeriod {
            customer: String::new(),
            declared: None,
            plan: PlanIdx::default(),
            period: nowhere,
            active: nowhere,
            sealed: false,
            buckets: Vec::new(),
        }
    }
}

/// The total of one bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketTotal {
    /// The charge.
    pub charge: ChargeIdx,
    /// The group's values; empty if not grouped.
    pub group: Vec<String>,
    /// The matrix cell.
    pub cell: CellIdx,
    /// The aggregated quantity, before the allowance.
    pub quantity: Quantity,
    /// Number of usages in it.
    pub events: u64,
    /// A(S).
    pub amount: Amount,
    /// Sum of the events' hashes.
    pub digest: Digest,
}
