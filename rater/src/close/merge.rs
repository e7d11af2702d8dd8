//! Merges the parts that several shards rated of one bucket, exactly, shares what a charge's buckets share, and settles the
//! difference.

use std::collections::BTreeMap;
use std::sync::Arc;

use weir_model::aggregation::{Aggregation, Frame, Series};
use weir_model::bucket::BucketState;
use weir_model::catalog::{AllowanceScope, ChargeIdx, CustomerIdx};
use weir_model::charge::{Measured, Rule, Terms, meter_of};
use weir_model::number::{Amount, Overflow, Quantity};
use weir_model::price::{CellIdx, Leaf};
use weir_model::rated::{BucketTotal, CustomerPeriod, OpenedBucket, Segment, SettlementRow};
use weir_model::share::share;
use weir_model::time::{Instant, Period};

use super::totals::{TermsCache, bucket_total, counts, extra_of};
use super::{Close, Identity, Settled, identity, silent};
use crate::at;
use crate::buckets::Bucket;
use crate::plan::{Owner, RatingPlan};
use crate::shard::Shard;
use crate::subjects::{NONE, Subjects};

/// A bucket's name among those of its customer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct BucketName {
    period: Period,
    segment: u32,
    charge: ChargeIdx,
    group: Vec<String>,
    cell: CellIdx,
}

/// A series' name among those of its customer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct SeriesName {
    of: u32,
    /// The first segment that shares it.
    since: u32,
    /// The one bucket that has it, if it does not outlast buckets.
    bucket: Option<(u32, Instant)>,
    group: Vec<String>,
    cell: CellIdx,
}

/// One shard's part of a bucket.
#[derive(Debug, Clone)]
struct Part {
    shard: u16,
    bucket: u32,
    state: BucketState,
    frames: Box<[Frame]>,
    total: BucketTotal,
}

/// All parts of one customer.
#[derive(Debug)]
struct Parts {
    owner: Owner,
    buckets: BTreeMap<BucketName, Vec<Part>>,
    series: BTreeMap<SeriesName, BTreeMap<Box<str>, Series>>,
}

/// All parts of the customers that are merged, by name and number: a subject that nobody claimed may have the id of a customer
/// that claims it since.
#[derive(Debug, Default)]
pub struct Customers(BTreeMap<(String, Option<CustomerIdx>), Parts>);

impl Customers {
    /// Collects the buckets and series of the customers that `wanted` names.
    pub(super) fn collect(shards: &[Shard], wanted: impl Fn(Identity) -> bool) -> Customers {
        let mut customers = Customers::default();
        for shard in shards {
            let mut is_wanted = vec![false; shard.subjects.customers.len()];
            for (number, subject) in shard.subjects.owners() {
                let number = at(number);
                if let (Some(slot), Some(customer)) = (is_wanted.get_mut(number), shard.subjects.customers.get(number))
                {
                    *slot = wanted(identity(customer, subject));
                }
            }
            if is_wanted.contains(&true) {
                customers.collect_buckets(shard, &is_wanted);
                customers.collect_series(shard, &is_wanted);
            }
        }
        customers
    }

    fn collect_buckets(&mut self, shard: &Shard, is_wanted: &[bool]) {
        let mut cache = TermsCache::default();
        let buckets = (0_u32..).zip(shard.buckets.iter()).filter(|(_, bucket)| counts(shard, bucket));
        for (number, bucket) in buckets {
            let key = bucket.key();
            let stretch = shard.subjects.stretches.get(at(key.stretch)).expect("keys come from this shard");
            if is_wanted.get(at(stretch.customer)) != Some(&true) {
                continue;
            }
            let part = Part::of(shard, (number, bucket), &mut cache);
            let name = BucketName {
                period: stretch.period,
                segment: stretch.segment,
                charge: key.charge,
                group: part.total.group.clone(),
                cell: part.total.cell,
            };
            self.of(shard, stretch.customer).buckets.entry(name).or_default().push(part);
        }
    }

    fn collect_series(&mut self, shard: &Shard, is_wanted: &[bool]) {
        for group in shard.series.groups() {
            if is_wanted.get(at(group.key.customer)) != Some(&true) {
                continue;
            }
            let combo = shard.combos.get(group.key.combo);
            let stretch = shard.subjects.stretches.get(at(group.key.stretch)).filter(|_| group.key.stretch != NONE);
            let name = SeriesName {
                of: group.key.of,
                since: group.key.since,
                bucket: stretch.map(|stretch| (stretch.segment, stretch.period.start)),
                group: combo.group.iter().map(ToString::to_string).collect(),
                cell: combo.cell,
            };
            let merged = self.of(shard, group.key.customer).series.entry(name).or_default();
            for (counter, series) in &group.counters {
                merged.entry(counter.clone()).or_default().merge(series);
            }
        }
    }

    fn of(&mut self, shard: &Shard, customer: u32) -> &mut Parts {
        let customer = shard.subjects.customers.get(at(customer)).expect("stretches have a customer");
        let owner = Subjects::owner(customer);
        let parts = || Parts { owner, buckets: BTreeMap::new(), series: BTreeMap::new() };
        self.0.entry((shard.subjects.name(customer).to_owned(), customer.declared)).or_insert_with(parts)
    }

    /// The whole periods, without what is owed where there was no usage at all.
    pub(super) fn merge(&mut self, close: &Close<'_>) -> Result<Vec<CustomerPeriod>, Overflow> {
        let mut periods = Vec::new();
        for ((name, _), parts) in &self.0 {
            let mut totals: BTreeMap<Period, Vec<(u32, BucketTotal)>> = BTreeMap::new();
            for (bucket, of) in &parts.buckets {
                let total = parts.merge_bucket(&close.plan, bucket, of)?;
                if total.events > 0 || total.quantity() != Quantity::ZERO {
                    totals.entry(bucket.period).or_default().push((bucket.segment, total));
                }
            }
            for (period, totals) in totals {
                let mut whole = whole_segments(close, parts.owner, period);
                for (segment, total) in totals {
                    let found = whole.iter_mut().find(|(number, _)| *number == segment);
                    found.expect("a bucket lies in a segment of its period").1.buckets.push(total);
                }
                for (_, segment) in &mut whole {
                    share_allowances(&close.plan, segment)?;
                }
                periods.push(finish(close, parts.owner, name, (period, whole))?);
            }
        }
        Ok(periods)
    }

    /// What brings each part's rows to its share of the whole, `settled` before or not; and all that is settled now.
    pub(super) fn settle(
        &self,
        close: &Close<'_>,
        periods: &[CustomerPeriod],
    ) -> Result<(Vec<SettlementRow>, Settled), Overflow> {
        let mut now = Settlement { before: &close.settled, now: Settled::new(), rows: Vec::new() };
        for period in periods {
            let Some(parts) = self.0.get(&(period.customer.clone(), period.declared)) else { continue };
            for total in period.buckets() {
                let of = parts.buckets.iter().filter(|(name, _)| {
                    (name.period, name.charge, name.cell) == (period.period, total.charge, total.cell)
                        && name.group == total.group
                });
                let start = total.terms.active.start;
                for (_, of) in of.filter(|(_, of)| of.iter().any(|part| part.total.terms.active.start == start)) {
                    now.bucket(period, total, of)?;
                }
            }
        }
        now.take_back(close.shards)?;
        Ok((now.rows, now.now))
    }
}

/// The segments of a customer's period, without buckets.
fn whole_segments(close: &Close<'_>, owner: Owner, period: Period) -> Vec<(u32, Segment)> {
    let segments = (0_u32..).zip(close.plan.segments(owner));
    let inside = segments.filter(|(_, segment)| {
        let start = segment.span.start.max(period.start);
        start < segment.span.end.min(period.end) && segment.periods.period_at(start) == period
    });
    let empty = |(number, segment): (u32, &crate::plan::SegmentPlan)| {
        let active = close.plan.active(owner, number, &period);
        (number, Segment { plan: segment.plan, active, buckets: Vec::new() })
    };
    inside.map(empty).collect()
}

/// A period without usage, with what is owed all the same.
pub(super) fn whole_period(
    close: &Close<'_>,
    owner: Owner,
    name: &str,
    period: Period,
) -> Result<CustomerPeriod, Overflow> {
    finish(close, owner, name, (period, whole_segments(close, owner, period)))
}

fn finish(
    close: &Close<'_>,
    owner: Owner,
    name: &str,
    (period, segments): (Period, Vec<(u32, Segment)>),
) -> Result<CustomerPeriod, Overflow> {
    let mut whole = CustomerPeriod {
        customer: name.to_owned(),
        declared: match owner {
            Owner::Declared(declared) => Some(declared),
            _ => None,
        },
        period,
        seal: close.seal_of(&period),
        segments: Vec::with_capacity(segments.len()),
    };
    for (number, mut segment) in segments {
        silent::complete(&close.plan, (owner, number), &period, &mut segment)?;
        whole.segments.push(segment);
    }
    Ok(whole)
}

impl Part {
    fn of(shard: &Shard, (number, bucket): (u32, &Bucket), cache: &mut TermsCache) -> Part {
        let total = bucket_total(shard, bucket, cache);
        let (state, frames) = match extra_of(shard, bucket) {
            Some(extra) => (extra.state.clone(), extra.frames.clone()),
            None => (BucketState::Sum(bucket.quantity), Box::default()),
        };
        Part { shard: shard.number, bucket: number, state, frames, total }
    }
}

impl Parts {
    fn merge_bucket(&self, plan: &RatingPlan, name: &BucketName, parts: &[Part]) -> Result<BucketTotal, Overflow> {
        let (compiled, charge) = plan.charge(name.charge);
        let [first, rest @ ..] = parts else { return Err(Overflow) };
        let mut total = first.total.clone();
        let mut state = first.state.clone();
        let terms = Arc::clone(&total.terms);
        let rule = Rule { charge, cell: name.cell, terms: &terms };
        let mut amounts = first.total.amount;
        for part in rest {
            state.merge(&rule, &part.state)?;
            amounts = amounts.checked_add(part.total.amount)?;
            total.events = total.events.saturating_add(part.total.events);
            total.digest = total.digest.plus(part.total.digest);
        }
        if rest.is_empty() && compiled.series.is_none() {
            return Ok(total);
        }
        if let BucketState::Series { quantity, opening } = &mut state {
            (*quantity, *opening) = self.series_quantity(plan, name, &terms)?;
        }
        total.measured = match &state {
            BucketState::Sum(quantity) => Measured::One(*quantity),
            state => state.measured(&first.frames)?,
        };
        total.amount = match (&state, rule.leaf(0)?) {
            // The sum of amounts that each event has for itself.
            (BucketState::Sum(_), Leaf::PerEvent(_)) => amounts,
            (BucketState::Events(_), _) => state.amount(&rule, &first.frames)?,
            _ => rule.amount(&total.measured)?,
        };
        total.without_usage = state.amount_without_usage(&rule)?;
        Ok(total)
    }

    /// Q and Q without own events of a bucket, from the merged series.
    fn series_quantity(
        &self,
        plan: &RatingPlan,
        name: &BucketName,
        terms: &Terms,
    ) -> Result<(Quantity, Quantity), Overflow> {
        let (compiled, _) = plan.charge(name.charge);
        let of = compiled.series.ok_or(Overflow)?;
        let bucket = match of.carry {
            weir_model::aggregation::Carry::Over => None,
            weir_model::aggregation::Carry::Bucket => Some((name.segment, name.period.start)),
        };
        let since = plan.series_since(self.owner, name.segment, of.number);
        let key = SeriesName { of: of.number, since, bucket, group: name.group.clone(), cell: name.cell };
        let counters = self.series.get(&key).into_iter().flat_map(BTreeMap::values);
        let (mut quantity, mut opening) = (Quantity::ZERO, Quantity::ZERO);
        for series in counters {
            let (more, more_opening) = match compiled.first().aggregation {
                Aggregation::WeightedSum(weighted) => series.weighted(weighted.values, &terms.active)?,
                Aggregation::Readings(readings) => (series.usage(&readings, &terms.active)?, Quantity::ZERO),
                _ => (Quantity::ZERO, Quantity::ZERO),
            };
            quantity = quantity.checked_add(more)?;
            opening = opening.checked_add(more_opening)?;
        }
        Ok((quantity, opening))
    }
}

/// Gives each bucket of a charge that shares its allowance a share by what it used, and prices it anew.
fn share_allowances(plan: &RatingPlan, segment: &mut Segment) -> Result<(), Overflow> {
    segment.buckets.sort_by(|a, b| (a.charge, &a.group, a.cell).cmp(&(b.charge, &b.group, b.cell)));
    for buckets in segment.buckets.chunk_by_mut(|a, b| a.charge == b.charge) {
        let Some(first) = buckets.first() else { continue };
        let (_, charge) = plan.charge(first.charge);
        if charge.allowance.is_none_or(|allowance| allowance.scope != AllowanceScope::Charge) {
            continue;
        }
        let mut weights = Vec::with_capacity(buckets.len());
        for bucket in buckets.iter() {
            let used = charge.converted(bucket.quantity(), unit_of(charge, bucket)?)?;
            weights.push(used.max(Quantity::ZERO).scaled().unsigned_abs());
        }
        let step = charge.allowance_step(meter_of(plan.catalog(), charge))?;
        let steps = first.terms.allowance.scaled().checked_div(step).ok_or(Overflow)?;
        for (bucket, share) in buckets.iter_mut().zip(share(steps, &weights)) {
            let allowance = Quantity::from_scaled(share.checked_mul(step).ok_or(Overflow)?);
            let terms = Terms { allowance, ..(*bucket.terms).clone() };
            bucket.amount = Rule { charge, cell: bucket.cell, terms: &terms }.amount(&bucket.measured)?;
            bucket.terms = Arc::new(terms);
        }
    }
    Ok(())
}

/// Scaled quantity of one priced unit.
pub(super) fn unit_of(charge: &weir_model::catalog::Charge, bucket: &BucketTotal) -> Result<i128, Overflow> {
    match (Rule { charge, cell: bucket.cell, terms: &bucket.terms }).leaf(0)? {
        Leaf::Cumulative(price) => Ok(price.unit()),
        _ => Err(Overflow),
    }
}

/// A settlement on its way.
struct Settlement<'s> {
    before: &'s Settled,
    now: Settled,
    rows: Vec<SettlementRow>,
}

impl Settlement<'_> {
    /// A(S) - A(∅) - Σ(A(S_i) - A(∅)), shared by the parts' |quantity|.
    fn bucket(&mut self, period: &CustomerPeriod, total: &BucketTotal, parts: &[Part]) -> Result<(), Overflow> {
        let mut residual = total.amount.checked_sub(total.without_usage)?;
        for part in parts {
            residual = residual.checked_sub(part.total.amount.checked_sub(part.total.without_usage)?)?;
        }
        let weights: Vec<u128> = parts.iter().map(|part| part.total.quantity().scaled().unsigned_abs()).collect();
        for (part, share) in parts.iter().zip(share(residual.scaled(), &weights)) {
            let bucket = OpenedBucket {
                customer: period.customer.as_str().into(),
                charge: total.charge,
                group: total.group.iter().map(|value| Box::from(value.as_str())).collect(),
                cell: total.cell,
                period: period.period,
                start: total.terms.active.start,
            };
            self.set((part.shard, part.bucket), Amount::from_scaled(share)?, bucket)?;
        }
        Ok(())
    }

    /// Takes back what was settled of buckets that have nothing any more: a level that turned out to have ended before.
    fn take_back(&mut self, shards: &[Shard]) -> Result<(), Overflow> {
        let gone: Vec<(u16, u32)> = self.before.keys().filter(|key| !self.now.contains_key(*key)).copied().collect();
        for (number, bucket) in gone {
            let shard = shards.get(usize::from(number)).ok_or(Overflow)?;
            self.set((number, bucket), Amount::ZERO, shard.describe(shard.buckets.get(bucket).key()))?;
        }
        Ok(())
    }

    fn set(&mut self, key: (u16, u32), share: Amount, bucket: OpenedBucket) -> Result<(), Overflow> {
        let amount = share.checked_sub(self.before.get(&key).copied().unwrap_or_default())?;
        if amount != Amount::ZERO {
            self.rows.push(SettlementRow { shard: key.0, bucket, amount });
        }
        self.now.insert(key, share);
        Ok(())
    }
}
