//! Rollover: what is left of an allowance when its period is sealed goes on into the next period (rating.md 7).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use weir_model::catalog::{Allowance, AllowanceScope, ChargeIdx, CustomerIdx};
use weir_model::charge::{Rule, Terms, meter_of};
use weir_model::number::{Amount, Overflow, Quantity};
use weir_model::price::CellIdx;
use weir_model::rated::{BucketTotal, SettlementRow};
use weir_model::time::{Instant, Period};

use super::merge::unit_of;
use super::totals::{TermsCache, bucket_total};
use crate::at;
use crate::buckets::BucketKey;
use crate::plan::{Owner, RatingPlan};
use crate::shard::Shard;

/// A customer's buckets of one charge, group and cell, period after period. Without group and cell where all of a charge's
/// buckets share the allowance.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChainKey {
    /// The customer's id.
    pub customer: Box<str>,
    /// Who it is in the catalog: the id alone may be that of a subject that nobody claimed before.
    pub declared: Option<CustomerIdx>,
    /// Which of its plans.
    pub segment: u32,
    /// The charge.
    pub charge: ChargeIdx,
    /// The group's values.
    pub group: Box<[Box<str>]>,
    /// The cell.
    pub cell: CellIdx,
}

/// Allowances that are not simply their charge's: by chain and start of the period.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Allowances(BTreeMap<(ChainKey, Instant), Quantity>);

impl Allowances {
    /// What a bucket has, if rollover has changed it.
    pub fn get(&self, chain: &ChainKey, period_start: Instant) -> Option<Quantity> {
        if self.0.is_empty() {
            return None;
        }
        self.0.get(&(chain.clone(), period_start)).copied()
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&ChainKey, Instant, Quantity)> {
        self.0.iter().map(|((chain, start), quantity)| (chain, *start, *quantity))
    }

    /// Sets one.
    pub fn set(&mut self, chain: ChainKey, period_start: Instant, quantity: Quantity) {
        self.0.insert((chain, period_start), quantity);
    }
}

impl Shard {
    /// The chain that a bucket belongs to.
    pub(crate) fn chain(&self, plan: &RatingPlan, key: BucketKey) -> ChainKey {
        let stretch = self.subjects.stretches.get(at(key.stretch)).expect("keys come from this shard");
        let customer = self.subjects.customers.get(at(stretch.customer)).expect("stretches have a customer");
        let shared = plan.charge(key.charge).1.allowance.is_some_and(|a| a.scope == AllowanceScope::Charge);
        let combo = self.combos.get(key.combo);
        let (group, cell) = if shared { (Box::default(), CellIdx::ONLY) } else { (combo.group.clone(), combo.cell) };
        let (customer, declared) = (self.subjects.name(customer).into(), customer.declared);
        ChainKey { customer, declared, segment: stretch.segment, charge: key.charge, group, cell }
    }
}

/// A bucket of a chain: shard's position, bucket.
type Place = (usize, u32);

impl ChainKey {
    /// Whose it is.
    pub(crate) fn owner(&self) -> Owner {
        self.declared.map_or(Owner::Itself, Owner::Declared)
    }
}

/// All that rolls, before a close changes it.
struct Chains(BTreeMap<(ChainKey, Period), Vec<Place>>);

/// Rolls what newly sealed periods have left; gives the rows by which buckets change that are there already.
pub(super) fn roll(
    shards: &mut [Shard],
    plan: &Arc<RatingPlan>,
    (before, through): (Option<Instant>, Instant),
) -> Result<Vec<SettlementRow>, Overflow> {
    let rolls = |allowance: Option<Allowance>| allowance.and_then(|allowance| allowance.rollover_max).is_some();
    if !plan.catalog().charges.iter().any(|charge| rolls(charge.allowance)) {
        return Ok(Vec::new());
    }
    let chains = Chains::collect(shards, plan);
    let mut allowances = shards.first().map(|shard| (*shard.allowances).clone()).unwrap_or_default();
    let mut rows = Vec::new();
    // In order of time, so that what rolls into a period is known when that period is sealed in turn.
    let mut due: BTreeSet<(Instant, ChainKey, Instant)> = chains.due(plan, (before, through));
    while let Some((end, chain, start)) = due.pop_first() {
        let period = Period { start, end };
        let owner = chain.owner();
        let charge = plan.charge(chain.charge).1;
        let Some(Allowance { rollover_max: Some(most), .. }) = charge.allowance else { continue };
        // Where the charge ends, what is left stays.
        let Some((next, next_period)) = next_link(plan, owner, &chain, &period) else { continue };
        let base = plan.terms(owner, chain.segment, &period, chain.charge).allowance;
        let granted = allowances.get(&chain, start).unwrap_or(base);
        let places = chains.0.get(&(chain.clone(), period)).map_or(&[][..], Vec::as_slice);
        let used = used(shards, plan, places)?;
        let left = granted.checked_sub(used)?.max(Quantity::ZERO).min(most);
        // What is less than the meter's last decimal stays.
        let step = charge.allowance_step(meter_of(plan.catalog(), charge))?;
        let rest = left.scaled().checked_rem(step).ok_or(Overflow)?;
        let left = left.checked_sub(Quantity::from_scaled(rest))?;
        allowances.set(chain.clone(), start, granted.checked_sub(left)?);
        regrant(shards, plan, places, (granted.checked_sub(left)?, &mut rows))?;
        let base = plan.terms(owner, next.segment, &next_period, next.charge).allowance;
        let granted = base.checked_add(left)?;
        let places = chains.0.get(&(next.clone(), next_period)).map_or(&[][..], Vec::as_slice);
        regrant(shards, plan, places, (granted, &mut rows))?;
        allowances.set(next, next_period.start, granted);
    }
    let allowances = Arc::new(allowances);
    for shard in shards {
        shard.allowances = Arc::clone(&allowances);
    }
    Ok(rows)
}

impl Chains {
    fn collect(shards: &[Shard], plan: &RatingPlan) -> Chains {
        let mut chains = Chains(BTreeMap::new());
        for (position, shard) in shards.iter().enumerate() {
            for (number, bucket) in (0_u32..).zip(shard.buckets.iter()) {
                let key = bucket.key();
                let rolls = plan.charge(key.charge).1.allowance.is_some_and(|a| a.rollover_max.is_some());
                if !rolls || bucket.events() == 0 {
                    continue;
                }
                let stretch = shard.subjects.stretches.get(at(key.stretch)).expect("keys come from this shard");
                chains.0.entry((shard.chain(plan, key), stretch.period)).or_default().push((position, number));
            }
        }
        chains
    }

    /// The periods that are sealed now: those with usage, and for single charges of customers with a start all since then.
    fn due(
        &self,
        plan: &RatingPlan,
        (before, through): (Option<Instant>, Instant),
    ) -> BTreeSet<(Instant, ChainKey, Instant)> {
        let sealed_now = |period: &Period| period.end <= through && before.is_none_or(|before| period.end > before);
        let used = self.0.keys().filter(|(_, period)| sealed_now(period));
        let mut due: BTreeSet<_> = used.map(|(chain, period)| (period.end, chain.clone(), period.start)).collect();
        // Who is not declared has no start.
        for (declared, customer) in (0_u32..).map(CustomerIdx).zip(&plan.catalog().customers) {
            let owner = Owner::Declared(declared);
            for (number, segment) in (0_u32..).zip(plan.segments(owner)) {
                if segment.span.start == Instant::from_micros(i64::MIN) {
                    continue;
                }
                let charges =
                    plan.catalog().plans.get(segment.plan.at()).map_or(&[][..], |plan| plan.charges.as_slice());
                let single = charges.iter().filter(|index| {
                    let charge = plan.charge(**index).1;
                    charge.is_single() && charge.allowance.is_some_and(|allowance| allowance.rollover_max.is_some())
                });
                for &charge in single {
                    let chain = ChainKey {
                        customer: customer.id.as_str().into(),
                        declared: Some(declared),
                        segment: number,
                        charge,
                        group: Box::default(),
                        cell: CellIdx::ONLY,
                    };
                    let mut period = segment.periods.period_at(segment.span.start);
                    while period.end <= through && period.start < segment.span.end {
                        let goes_on = plan.continued_from(owner, number, &period, charge).is_some();
                        if sealed_now(&period) && !goes_on {
                            due.insert((period.end, chain.clone(), period.start));
                        }
                        period = segment.periods.next(&period);
                    }
                }
            }
        }
        due
    }
}

/// The same charge in the next period: of the same plan, or of the one that went on with it.
fn next_link(plan: &RatingPlan, owner: Owner, chain: &ChainKey, period: &Period) -> Option<(ChainKey, Period)> {
    let (mut segment, mut charge) = (chain.segment, chain.charge);
    let reached = plan.segment_at(owner, period.end).ok()?;
    while segment < reached {
        (segment, charge) = plan.continued_in(owner, segment, period, charge)?;
    }
    let next = plan.segment(owner, segment).periods.period_at(period.end);
    (next.start == period.end).then(|| (ChainKey { segment, charge, ..chain.clone() }, next))
}

/// What the parts of a chain's period have used together, converted.
fn used(shards: &[Shard], plan: &RatingPlan, places: &[Place]) -> Result<Quantity, Overflow> {
    let mut by_bucket: BTreeMap<(Vec<String>, CellIdx), Vec<Place>> = BTreeMap::new();
    let mut cache = TermsCache::default();
    let mut total = |&(position, number): &Place| -> Option<BucketTotal> {
        let shard = shards.get(position)?;
        Some(bucket_total(shard, shard.buckets.get(number), &mut cache))
    };
    let mut totals = BTreeMap::new();
    for place in places {
        let Some(total) = total(place) else { continue };
        by_bucket.entry((total.group.clone(), total.cell)).or_default().push(*place);
        totals.insert(*place, total);
    }
    let mut sum = Quantity::ZERO;
    for places in by_bucket.into_values() {
        let Some(first) = places.first().and_then(|place| totals.get(place)) else { continue };
        let (_, charge) = plan.charge(first.charge);
        let quantity = merged_quantity(shards, charge, (first, &places))?;
        sum = sum.checked_add(charge.converted(quantity, unit_of(charge, first)?)?.max(Quantity::ZERO))?;
    }
    Ok(sum)
}

/// Q of the parts of one bucket.
fn merged_quantity(
    shards: &[Shard],
    charge: &weir_model::catalog::Charge,
    (first, places): (&BucketTotal, &[Place]),
) -> Result<Quantity, Overflow> {
    let rule = Rule { charge, cell: first.cell, terms: &first.terms };
    let mut merged = None;
    let mut frames: Box<[_]> = Box::default();
    for (position, number) in places {
        let shard = shards.get(*position).ok_or(Overflow)?;
        // A charge that rolls over keeps states.
        let extra = shard.buckets.extra(shard.buckets.get(*number)).ok_or(Overflow)?;
        frames.clone_from(&extra.frames);
        match &mut merged {
            None => merged = Some(extra.state.clone()),
            Some(merged) => merged.merge(&rule, &extra.state)?,
        }
    }
    let frame = frames.first().ok_or(Overflow)?;
    merged.map_or(Ok(Quantity::ZERO), |merged| merged.quantity(frame))
}

/// Gives buckets another allowance; each that costs something else then has a row that says so.
fn regrant(
    shards: &mut [Shard],
    plan: &RatingPlan,
    places: &[Place],
    (allowance, rows): (Quantity, &mut Vec<SettlementRow>),
) -> Result<(), Overflow> {
    for (position, number) in places {
        let shard = shards.get_mut(*position).ok_or(Overflow)?;
        let key = shard.buckets.get(*number).key();
        let cell = shard.combos.get(key.combo).cell;
        let charge = plan.charge(key.charge).1;
        let (bucket, extra) = shard.buckets.get_with_extra_mut(*number).ok_or(Overflow)?;
        let terms = Terms { allowance, ..(*extra.terms).clone() };
        let amount = extra.state.amount(&Rule { charge, cell, terms: &terms }, &extra.frames)?;
        let by = amount.checked_sub(bucket.amount)?;
        extra.terms = Arc::new(terms);
        bucket.amount = amount;
        if by != Amount::ZERO {
            rows.push(SettlementRow { shard: shard.number, bucket: shard.describe(key), amount: by });
        }
    }
    Ok(())
}
