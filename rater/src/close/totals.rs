//! Totals of customers whose usage lies whole in one shard, one period at a time.

use std::collections::BTreeSet;
use std::sync::Arc;

use weir_model::bucket::BucketState;
use weir_model::catalog::ChargeIdx;
use weir_model::charge::{Measured, Terms};
use weir_model::number::Quantity;
use weir_model::rated::{BucketTotal, CustomerPeriod, Segment};
use weir_model::time::{Instant, Period};

use super::{Close, Identity, Key, identity, silent};
use crate::at;
use crate::buckets::{Bucket, Extra};
use crate::plan::{Owner, RatingPlan};
use crate::shard::Shard;
use crate::subjects::{Stretch, Subjects};

/// The periods of one shard's own customers, in order.
#[derive(Debug)]
pub struct ShardPeriods<'c> {
    close: &'c Close<'c>,
    shard: &'c Shard,
    /// Numbers of the stretches, in order.
    stretches: Vec<u32>,
    buckets: BucketsByStretch,
}

impl<'c> ShardPeriods<'c> {
    pub(super) fn new(close: &'c Close<'c>, shard: &'c Shard) -> ShardPeriods<'c> {
        let mut periods = ShardPeriods::unordered(close, shard);
        periods.stretches.sort_by_cached_key(|number| Some(stretch_key(shard, *number)));
        periods
    }

    /// The same as they were met: for sums, to which order is nothing.
    pub(super) fn unordered(close: &'c Close<'c>, shard: &'c Shard) -> ShardPeriods<'c> {
        let own = own_customers(shard, &close.spread);
        let buckets = BucketsByStretch::new(shard);
        let stretches = (0_u32..)
            .zip(&shard.subjects.stretches)
            .filter(|(number, stretch)| own.get(at(stretch.customer)) == Some(&true) && !buckets.of(*number).is_empty())
            .map(|(number, _)| number)
            .collect();
        ShardPeriods { close, shard, stretches, buckets }
    }

    /// Number of periods.
    pub(super) fn len(&self) -> usize {
        self.stretches.len()
    }

    /// The sort key of a period.
    pub(super) fn key(&self, position: u32) -> Option<Key<'c>> {
        self.stretches.get(at(position)).map(|number| stretch_key(self.shard, *number))
    }

    /// Starts to bring a period's buckets into the cache.
    pub(super) fn prefetch(&self, position: u32) {
        let Some(&number) = self.stretches.get(at(position)) else { return };
        self.buckets.of(number).iter().for_each(|bucket| self.shard.buckets.prefetch(*bucket));
    }

    /// Writes a period into `total`, whose memory is used again.
    pub(super) fn fill(&self, position: u32, total: &mut CustomerPeriod, terms: &mut TermsCache) {
        let number = *self.stretches.get(at(position)).expect("positions are below the length");
        let subjects = &self.shard.subjects;
        let stretch = subjects.stretches.get(at(number)).expect("numbers come from this shard");
        let customer = subjects.customers.get(at(stretch.customer)).expect("stretches have a customer");
        let owner = Subjects::owner(customer);
        total.customer.clear();
        total.customer.push_str(subjects.name(customer));
        total.declared = customer.declared;
        total.period = stretch.period;
        total.seal = self.close.seal_of(&stretch.period);
        // An own customer has one plan.
        let mut segment = total.segments.pop().unwrap_or_else(|| empty_segment(stretch));
        total.segments.clear();
        segment.plan = self.close.plan.segment(owner, stretch.segment).plan;
        segment.active = stretch.active;
        segment.buckets.clear();
        // Numbers are cheaper to sort than totals.
        let by_charge = |bucket: &u32| (self.shard.buckets.get(*bucket).key().charge, *bucket);
        let mut order: Vec<(ChargeIdx, u32)> = self.buckets.of(number).iter().map(by_charge).collect();
        order.sort_unstable();
        for (_, bucket) in order {
            let bucket = self.shard.buckets.get(bucket);
            segment.buckets.push(bucket_total(self.shard, bucket, terms));
        }
        let completed = silent::complete(&self.close.plan, (owner, stretch.segment), &stretch.period, &mut segment);
        // A broken law if not: a bill must not silently lose what is owed without usage.
        completed.expect("P(0) is one flat amount, which its type bounds");
        total.segments.push(segment);
    }
}

fn empty_segment(stretch: &Stretch) -> Segment {
    Segment { plan: weir_model::catalog::PlanIdx::default(), active: stretch.active, buckets: Vec::new() }
}

fn stretch_key(shard: &Shard, number: u32) -> Key<'_> {
    let stretch = shard.subjects.stretches.get(at(number)).expect("numbers come from this shard");
    let customer = shard.subjects.customers.get(at(stretch.customer)).expect("stretches have a customer");
    (stretch.period.end, shard.subjects.name(customer), stretch.period.start, customer.declared)
}

/// For each customer of a shard, whether all of its usage is there.
fn own_customers(shard: &Shard, spread: &BTreeSet<Identity>) -> Vec<bool> {
    let mut own = vec![true; shard.subjects.customers.len()];
    if spread.is_empty() {
        return own;
    }
    for (number, subject) in shard.subjects.owners() {
        let customer = shard.subjects.customers.get(at(number));
        if let (Some(customer), Some(own)) = (customer, own.get_mut(at(number))) {
            *own &= !spread.contains(&identity(customer, subject));
        }
    }
    own
}

/// Terms that many buckets share are made once: by charge, those of the latest bucket.
#[derive(Debug, Default)]
pub(super) struct TermsCache(Vec<Option<(Period, Arc<Terms>)>>);

impl TermsCache {
    fn get(&mut self, plan: &RatingPlan, owner: Owner, stretch: &Stretch, charge: ChargeIdx) -> Arc<Terms> {
        if self.0.len() <= charge.at() {
            self.0.resize(charge.at().saturating_add(1), None);
        }
        let slot = self.0.get_mut(charge.at()).expect("just made room");
        // Only whole periods are cached: there, terms are a function of charge and period.
        match slot {
            Some((period, terms)) if *period == stretch.period && stretch.active == stretch.period => Arc::clone(terms),
            _ => {
                let terms = Arc::new(plan.terms(owner, stretch.segment, &stretch.period, charge));
                if stretch.active == stretch.period {
                    *slot = Some((stretch.period, Arc::clone(&terms)));
                }
                terms
            }
        }
    }
}

/// The state of a bucket that keeps one.
pub(super) fn extra_of<'s>(shard: &'s Shard, bucket: &Bucket) -> Option<&'s Extra> {
    let key = bucket.key();
    let stretch = shard.subjects.stretches.get(at(key.stretch))?;
    let (compiled, _) = shard.plan.charge(key.charge);
    compiled.has_extra(stretch.partial()).then(|| shard.buckets.extra(bucket)).flatten()
}

/// Whether a bucket is anything to anybody: it has usage, or a level that lasts.
pub(super) fn counts(shard: &Shard, bucket: &Bucket) -> bool {
    let lasts = || match extra_of(shard, bucket).map(|extra| &extra.state) {
        Some(BucketState::Series { quantity, .. }) => *quantity != Quantity::ZERO,
        _ => false,
    };
    bucket.events() > 0 || lasts()
}

pub(super) fn bucket_total(shard: &Shard, bucket: &Bucket, cache: &mut TermsCache) -> BucketTotal {
    let key = bucket.key();
    let combo = shard.combos.get(key.combo);
    let stretch = shard.subjects.stretches.get(at(key.stretch)).expect("keys come from this shard");
    let customer = shard.subjects.customers.get(at(stretch.customer)).expect("stretches have a customer");
    let (terms, measured, without_usage) = match extra_of(shard, bucket) {
        Some(extra) => {
            // A quantity that did not fit was never let in.
            let measured = extra.state.measured(&extra.frames).unwrap_or(Measured::One(Quantity::ZERO));
            (Arc::clone(&extra.terms), measured, extra.without_usage)
        }
        None => {
            let terms = cache.get(&shard.plan, Subjects::owner(customer), stretch, key.charge);
            let version = terms.versions.first().map_or(0, |(version, _)| *version);
            let without_usage = shard.plan.charge(key.charge).0.at_zero(version, combo.cell);
            (terms, Measured::One(bucket.quantity), without_usage)
        }
    };
    BucketTotal {
        charge: key.charge,
        group: combo.group.iter().map(ToString::to_string).collect(),
        cell: combo.cell,
        terms,
        measured,
        events: bucket.events(),
        amount: bucket.amount,
        without_usage,
        pool: None,
        digest: bucket.digest,
    }
}

/// The last instant before another.
pub(super) fn just_before(at: Instant) -> Instant {
    Instant::from_micros(at.micros().saturating_sub(1))
}

/// Numbers of the buckets that count, grouped by stretch, by counting.
#[derive(Debug)]
struct BucketsByStretch {
    starts: Vec<u32>,
    numbers: Vec<u32>,
}

impl BucketsByStretch {
    fn new(shard: &Shard) -> BucketsByStretch {
        let buckets = || (0_u32..).zip(shard.buckets.iter()).filter(|(_, bucket)| counts(shard, bucket));
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
