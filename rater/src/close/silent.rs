//! What is owed without usage: P(0) of active ungrouped charges, fees and minimums of periods in which nothing was used.

use std::collections::BTreeSet;
use std::sync::Arc;

use weir_model::catalog::{CustomerIdx, Pool};
use weir_model::charge::{Measured, Rule};
use weir_model::hash::Digest;
use weir_model::number::{Overflow, Quantity};
use weir_model::price::CellIdx;
use weir_model::rated::{BucketTotal, CustomerPeriod, Segment};
use weir_model::time::{Instant, Period};

use super::totals::{counts, just_before};
use super::{Close, Identity, merge};
use crate::at;
use crate::plan::{Owner, RatingPlan, SegmentPlan};

/// Appends what active ungrouped charges owe without usage, where there is no bucket, and sorts. A pool owes once, for
/// all: see [`pool`](super::pool).
pub(super) fn complete(
    plan: &RatingPlan,
    (owner, number): (Owner, u32),
    period: &Period,
    segment: &mut Segment,
) -> Result<(), Overflow> {
    for &index in plan.owing(segment.plan) {
        let (_, charge) = plan.charge(index);
        let goes_on = || plan.continued_from(owner, number, period, index).is_some();
        // A subject that nobody claims is alone in its account.
        let owes_alone = charge.pool == Pool::None || owner == Owner::Itself;
        if owes_alone && !segment.buckets.iter().any(|bucket| bucket.charge == index) && !goes_on() {
            segment.buckets.extend(owed(plan, (owner, number), period, index)?);
        }
    }
    segment.buckets.sort_by(|a, b| (a.charge, &a.group, a.cell).cmp(&(b.charge, &b.group, b.cell)));
    Ok(())
}

/// The bucket of a charge without usage, if it owes something.
pub(super) fn owed(
    plan: &RatingPlan,
    (owner, number): (Owner, u32),
    period: &Period,
    index: weir_model::catalog::ChargeIdx,
) -> Result<Option<BucketTotal>, Overflow> {
    let (compiled, charge) = plan.charge(index);
    let terms = plan.terms(owner, number, period, index);
    let rule = Rule { charge, cell: CellIdx::ONLY, terms: &terms };
    let amount = rule.amount_without_usage()?;
    let measured = match compiled.resources.len() {
        1 => Measured::One(Quantity::ZERO),
        resources => Measured::ByResource(vec![Quantity::ZERO; resources]),
    };
    let owes = amount != weir_model::number::Amount::ZERO;
    Ok(owes.then(|| BucketTotal {
        charge: index,
        group: Vec::new(),
        cell: CellIdx::ONLY,
        terms: Arc::new(terms),
        measured,
        events: 0,
        amount,
        without_usage: amount,
        pool: None,
        digest: Digest::default(),
    }))
}

/// Adds the periods in which a declared customer used nothing but owes something: all since its `starts_on`; for a customer
/// without one, those that were the last when a close sealed them.
pub(super) fn add(close: &Close<'_>, periods: &mut Vec<CustomerPeriod>) -> Result<(), Overflow> {
    let mut known = used_periods(close);
    known.extend(periods.iter().filter_map(|period| Some((period.declared?, period.period.start, period.period.end))));
    let plan = Arc::clone(&close.plan);
    let seals = close.shards.first().map_or(&[][..], |shard| shard.seals.as_slice());
    for (number, customer) in (0_u32..).map(CustomerIdx).zip(&plan.catalog().customers) {
        let owner = Owner::Declared(number);
        for segment in plan.segments(owner).iter().filter(|segment| plan.owes_anything(segment.plan)) {
            let due = match customer.starts_on {
                Some(_) => sealed_periods(segment, close.through),
                None => seals.iter().filter_map(|through| last_sealed(segment, *through)).collect(),
            };
            for period in due {
                if known.insert((number, period.start, period.end)) {
                    periods.push(merge::whole_period(close, owner, &customer.id, period)?);
                }
            }
        }
    }
    Ok(())
}

/// All sealed periods of a segment that has a start.
fn sealed_periods(segment: &SegmentPlan, through: Instant) -> Vec<Period> {
    let mut sealed = Vec::new();
    let mut period = segment.periods.period_at(segment.span.start);
    while period.end <= through && period.start < segment.span.end {
        sealed.push(period);
        period = segment.periods.next(&period);
    }
    sealed
}

/// The last period that a close sealed, if the segment was active in it.
fn last_sealed(segment: &SegmentPlan, through: Instant) -> Option<Period> {
    let open = segment.periods.period_at(through);
    let last = segment.periods.period_at(just_before(open.start));
    (segment.span.start < last.end && last.start < segment.span.end).then_some(last)
}

/// Which declared customers that are not merged have usage in which periods.
fn used_periods(close: &Close<'_>) -> BTreeSet<(CustomerIdx, Instant, Instant)> {
    let mut known = BTreeSet::new();
    for shard in close.shards.iter().filter(|_| !close.catalog().customers.is_empty()) {
        for bucket in shard.buckets.iter().filter(|bucket| counts(shard, bucket)) {
            let stretch = shard.subjects.stretches.get(at(bucket.key().stretch));
            let customer = stretch.and_then(|stretch| shard.subjects.customers.get(at(stretch.customer)));
            if let (Some(stretch), Some(declared)) = (stretch, customer.and_then(|customer| customer.declared))
                && !close.spread.contains(&Identity::Declared(declared))
            {
                known.insert((declared, stretch.period.start, stretch.period.end));
            }
        }
    }
    known
}
