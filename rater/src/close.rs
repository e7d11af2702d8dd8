//! Closing: from the shards' buckets to whole customers' period totals, and the settlement of what was rated in parts
//! (design.md 4.5, 4.9). A pure function of the shards.
//!
//! A customer's usage lies in one shard unless it has several subjects or its events bring a `partitionkey`. Only those
//! customers are merged, and only their buckets can need a settlement.

mod merge;

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use weir_model::catalog::{Catalog, ChargeIdx, CustomerIdx, PlanIdx};
use weir_model::hash::{Digest, RouteHash, shard_of};
use weir_model::number::{Overflow, Quantity};
use weir_model::price::CellIdx;
use weir_model::rated::{BucketTotal, CustomerPeriod, SettlementRow};
use weir_model::time::{Instant, Period};

use crate::at;
use crate::buckets::Bucket;
use crate::plan::{Owner, RatingPlan};
use crate::shard::Shard;
use crate::subjects::{Customer, Subjects};

/// Who a customer is, in every shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Identity {
    Declared(CustomerIdx),
    Itself(RouteHash),
}

/// The end of the period that holds the greatest event_time: what a run closes unless told otherwise.
pub fn default_through(shards: &[Shard]) -> Option<Instant> {
    shards.iter().filter_map(|shard| shard.latest).max().map(|(_, period_end)| period_end)
}

/// All totals at a close.
#[derive(Debug)]
pub struct Close<'a> {
    shards: &'a [Shard],
    plan: Arc<RatingPlan>,
    through: Instant,
    /// Customers whose usage may lie in several shards.
    spread: BTreeSet<Identity>,
    /// Their periods, merged, and periods that owe without usage; in order.
    merged: Vec<CustomerPeriod>,
    settlements: Vec<SettlementRow>,
}

impl<'a> Close<'a> {
    /// Closes every period that ends at or before `through`. Fails if a merged bucket's figures do not fit.
    pub fn new(shards: &'a [Shard], plan: Arc<RatingPlan>, through: Instant) -> Result<Close<'a>, Overflow> {
        let mut close =
            Close { shards, spread: spread(shards, &plan), plan, through, merged: Vec::new(), settlements: Vec::new() };
        let parts = merge::Parts::collect(shards, |identity| close.spread.contains(&identity));
        (close.merged, close.settlements) = parts.merge(&close)?;
        close.add_silent_periods()?;
        close.merged.sort_by(order);
        Ok(close)
    }

    /// The catalog that everything was rated under.
    pub fn catalog(&self) -> &Catalog {
        self.plan.catalog()
    }

    /// Instant through which this close seals.
    pub fn through(&self) -> Instant {
        self.through
    }

    /// What settles the buckets that were rated in parts.
    pub fn settlements(&self) -> &[SettlementRow] {
        &self.settlements
    }

    /// The periods of one shard's own customers, in order. Lists of different shards share no customer.
    pub fn shard_periods(&self, shard: &'a Shard) -> ShardPeriods<'_> {
        ShardPeriods::new(self, shard)
    }

    /// The periods of customers that are in no shard's own list, in order.
    pub fn merged_periods(&self) -> &[CustomerPeriod] {
        &self.merged
    }

    /// Every customer's every period, ordered by (period end, customer, period start), one at a time.
    pub fn for_each<E>(&self, mut visit: impl FnMut(&CustomerPeriod) -> Result<(), E>) -> Result<(), E> {
        let mut lists: Vec<ShardPeriods<'_>> = self.shards.iter().map(|shard| self.shard_periods(shard)).collect();
        let mut merged = self.merged.iter().peekable();
        let mut current = CustomerPeriod::empty();
        loop {
            let next = lists.iter_mut().filter(|list| list.key().is_some()).min_by(|a, b| a.key().cmp(&b.key()));
            match (next, merged.peek()) {
                (None, None) => return Ok(()),
                (Some(list), Some(whole)) if list.key() < Some(key_of(whole)) => {
                    list.fill(&mut current);
                    visit(&current)?;
                }
                (Some(list), None) => {
                    list.fill(&mut current);
                    visit(&current)?;
                }
                (_, Some(_)) => {
                    let whole = merged.next().expect("just peeked");
                    visit(whole)?;
                }
            }
        }
    }

    fn is_sealed(&self, period: &Period) -> bool {
        period.end <= self.through
    }

    /// The part of a period in which its owner had the plan.
    fn active(&self, owner: Owner, period: Period) -> Period {
        let start = self.plan.starts_at(owner).map_or(period.start, |start| start.max(period.start));
        Period { start, end: period.end }
    }

    /// Appends what active ungrouped charges owe without usage, where there is no bucket, and sorts.
    fn complete(&self, total: &mut CustomerPeriod) -> Result<(), Overflow> {
        for &index in self.plan.owing(total.plan) {
            let (_, charge) = self.plan.charge(index);
            if !total.buckets.iter().any(|bucket| bucket.charge == index) {
                total.buckets.push(BucketTotal {
                    charge: index,
                    group: Vec::new(),
                    cell: CellIdx::NONE,
                    quantity: Quantity::ZERO,
                    events: 0,
                    amount: charge.amount_without_usage(CellIdx::NONE)?,
                    digest: Digest::default(),
                });
            }
        }
        total.buckets.sort_by(|a, b| (a.charge, &a.group, a.cell).cmp(&(b.charge, &b.group, b.cell)));
        Ok(())
    }

    /// Adds the periods in which a declared customer used nothing but owes fees or P(0): all since its `starts_on`; for a
    /// customer without one, the last that this close seals.
    fn add_silent_periods(&mut self) -> Result<(), Overflow> {
        let known = self.declared_periods();
        let plan = Arc::clone(&self.plan);
        for (number, customer) in (0_u32..).map(CustomerIdx).zip(&plan.catalog().customers) {
            let Some(customer_plan) = customer.plan else { continue };
            let owner = Owner::Declared(number, customer_plan);
            let has_fees = plan.catalog().plans.get(customer_plan.at()).is_some_and(|plan| !plan.fees.is_empty());
            let owes = has_fees || !plan.owing(customer_plan).is_empty();
            let Some(periods) = plan.periods(owner).filter(|_| owes) else { continue };
            let last = Instant::from_micros(self.through.micros().saturating_sub(1));
            let mut period = match plan.starts_at(owner) {
                Some(start) => periods.period_at(start),
                None if self.is_sealed(&periods.period_at(last)) => periods.period_at(last),
                None => {
                    let open = periods.period_at(last);
                    periods.period_at(Instant::from_micros(open.start.micros().saturating_sub(1)))
                }
            };
            while self.is_sealed(&period) {
                if !known.contains(&(number, period.start)) {
                    let mut silent = CustomerPeriod {
                        customer: customer.id.clone(),
                        declared: Some(number),
                        plan: customer_plan,
                        active: self.active(owner, period),
                        period,
                        sealed: true,
                        buckets: Vec::new(),
                    };
                    self.complete(&mut silent)?;
                    self.merged.push(silent);
                }
                period = periods.next(&period);
            }
        }
        Ok(())
    }

    /// Which declared customers have usage in which periods.
    fn declared_periods(&self) -> BTreeSet<(CustomerIdx, Instant)> {
        let mut known = BTreeSet::new();
        for shard in self.shards.iter().filter(|_| !self.catalog().customers.is_empty()) {
            for bucket in shard.buckets.as_slice().iter().filter(|bucket| bucket.events() > 0) {
                let stretch = shard.subjects.stretches.get(at(bucket.key().stretch));
                let customer = stretch.and_then(|stretch| shard.subjects.customers.get(at(stretch.customer)));
                if let (Some(stretch), Some(declared)) = (stretch, customer.and_then(|customer| customer.declared)) {
                    known.insert((declared, stretch.period.start));
                }
            }
        }
        known
    }
}

type Key<'k> = (Instant, &'k str, Instant);

fn key_of(total: &CustomerPeriod) -> Key<'_> {
    (total.period.end, &total.customer, total.period.start)
}

fn order(a: &CustomerPeriod, b: &CustomerPeriod) -> Ordering {
    key_of(a).cmp(&key_of(b))
}

/// Customers who may have usage in several shards: those that claim several subjects, and those of whose subjects one
/// was met in a shard that is not its home (its events brought a `partitionkey`).
fn spread(shards: &[Shard], plan: &RatingPlan) -> BTreeSet<Identity> {
    let customers = (0_u32..).map(CustomerIdx).zip(&plan.catalog().customers);
    let several = customers.filter(|(_, customer)| customer.subjects.len() > 1);
    let mut spread: BTreeSet<Identity> = several.map(|(number, _)| Identity::Declared(number)).collect();
    for shard in shards {
        for subject in &shard.subjects.subjects {
            if shard_of(subject.hash, shard.shards) != usize::from(shard.number)
                && let Some(customer) = shard.subjects.customers.get(at(subject.customer))
            {
                spread.insert(identity(customer, subject.hash));
            }
        }
    }
    spread
}

fn identity(customer: &Customer, subject: RouteHash) -> Identity {
    customer.declared.map_or(Identity::Itself(subject), Identity::Declared)
}

/// The periods of one shard's own customers, in order.
#[derive(Debug)]
pub struct ShardPeriods<'c> {
    close: &'c Close<'c>,
    shard: &'c Shard,
    /// Numbers of the stretches, in order; the first `position` have been visited.
    stretches: Vec<u32>,
    position: usize,
    buckets: BucketsByStretch,
}

impl<'c> ShardPeriods<'c> {
    fn new(close: &'c Close<'c>, shard: &'c Shard) -> ShardPeriods<'c> {
        let own = own_customers(shard, &close.spread);
        let buckets = BucketsByStretch::new(shard);
        let mut numbers: Vec<u32> = (0_u32..)
            .zip(&shard.subjects.stretches)
            .filter(|(number, stretch)| own.get(at(stretch.customer)) == Some(&true) && !buckets.of(*number).is_empty())
            .map(|(number, _)| number)
            .collect();
        numbers.sort_by_cached_key(|number| Some(stretch_key(shard, *number)));
        ShardPeriods { close, shard, stretches: numbers, position: 0, buckets }
    }

    /// The sort key of the next period.
    fn key(&self) -> Option<Key<'c>> {
        self.stretches.get(self.position).map(|number| stretch_key(self.shard, *number))
    }

    /// Writes the next period into `total`, whose memory is used again. `false` at the end.
    pub fn fill(&mut self, total: &mut CustomerPeriod) -> bool {
        let Some(&number) = self.stretches.get(self.position) else { return false };
        self.position = self.position.saturating_add(1);
        let subjects = &self.shard.subjects;
        let stretch = subjects.stretches.get(at(number)).expect("numbers come from this shard");
        let customer = subjects.customers.get(at(stretch.customer)).expect("stretches have a customer");
        total.customer.clear();
        total.customer.push_str(subjects.name(customer));
        total.declared = customer.declared;
        total.plan = customer.plan;
        total.period = stretch.period;
        total.active = self.close.active(Subjects::owner(customer), stretch.period);
        total.sealed = self.close.is_sealed(&stretch.period);
        total.buckets.clear();
        for &bucket in self.buckets.of(number) {
            let bucket = self.shard.buckets.as_slice().get(at(bucket)).expect("numbers come from this shard");
            total.buckets.push(bucket_total(self.shard, bucket));
        }
        // A broken law if not: a bill must not silently lose what is owed without usage.
        self.close.complete(total).expect("P(0) is one flat amount, which its type bounds");
        true
    }
}

fn stretch_key(shard: &Shard, number: u32) -> Key<'_> {
    let stretch = shard.subjects.stretches.get(at(number)).expect("numbers come from this shard");
    let customer = shard.subjects.customers.get(at(stretch.customer)).expect("stretches have a customer");
    (stretch.period.end, shard.subjects.name(customer), stretch.period.start)
}

/// For each customer of a shard, whether all of its usage is there.
fn own_customers(shard: &Shard, spread: &BTreeSet<Identity>) -> Vec<bool> {
    let mut own = vec![true; shard.subjects.customers.len()];
    if spread.is_empty() {
        return own;
    }
    for subject in &shard.subjects.subjects {
        let number = at(subject.customer);
        let customer = shard.subjects.customers.get(number);
        if let (Some(customer), Some(own)) = (customer, own.get_mut(number)) {
            *own &= !spread.contains(&identity(customer, subject.hash));
        }
    }
    own
}

fn bucket_total(shard: &Shard, bucket: &Bucket) -> BucketTotal {
    let key = bucket.key();
    let combo = shard.combos.get(key.combo);
    let (compiled, _) = shard.plan.charge(key.charge);
    let quantity = if compiled.has_extra {
        let extra = shard.buckets.extra(bucket).expect("checked when the bucket was opened or restored");
        // A quantity that did not fit was never let in.
        extra.fold.as_ref().map_or(extra.quantity, |fold| fold.quantity(compiled.one).unwrap_or_default())
    } else {
        bucket.quantity
    };
    BucketTotal {
        charge: key.charge,
        group: combo.group.iter().map(std::string::ToString::to_string).collect(),
        cell: combo.cell,
        quantity,
        events: bucket.events(),
        amount: bucket.amount,
        digest: bucket.digest,
    }
}

/// Numbers of the buckets with usage, grouped by stretch, by counting.
#[derive(Debug)]
struct BucketsByStretch {
    starts: Vec<u32>,
    numbers: Vec<u32>,
}

impl BucketsByStretch {
    fn new(shard: &Shard) -> BucketsByStretch {
        let buckets = || (0_u32..).zip(shard.buckets.as_slice()).filter(|(_, bucket)| bucket.events() > 0);
        let mut starts = vec![0_u32; shard.subjects.stretches.len().saturating_add(1)];
        for (_, bucket) in buckets() {
            if let Some(count) = starts.get_mut(at(bucket.key().stretch).saturating_add(1)) {
                *count = count.saturating_add(1);
            }
        }
        let mut sum = 0_u32;
        for start in &mut starts {
            sum = sum.saturating_add(*start);
            *start = sum;
        }
        let mut next = starts.clone();
        let mut numbers = vec![0_u32; at(sum)];
        for (number, bucket) in buckets() {
            let position = next.get_mut(at(bucket.key().stretch)).expect("one entry per stretch");
            if let Some(slot) = numbers.get_mut(at(*position)) {
                *slot = number;
            }
            *position = position.saturating_add(1);
        }
        BucketsByStretch { starts, numbers }
    }

    fn of(&self, stretch: u32) -> &[u32] {
        let start = self.starts.get(at(stretch)).copied().unwrap_or(0);
        let end = self.starts.get(at(stretch).saturating_add(1)).copied().unwrap_or(start);
        self.numbers.get(at(start)..at(end)).unwrap_or_default()
    }
}

/// What the merged customers have, by customer and period.
type Merging = BTreeMap<(String, Period), (Option<CustomerIdx>, PlanIdx, BTreeMap<MergeKey, Vec<merge::Part>>)>;
type MergeKey = (ChargeIdx, Vec<String>, CellIdx);
