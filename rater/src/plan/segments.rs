//! A customer's segments: stretches of one plan, which charges go on from one to the next, and the terms of a bucket.

use std::collections::HashMap;

use weir_model::calendar::{Periods, part_of};
use weir_model::catalog::{Catalog, ChargeIdx, Customer, PlanIdx};
use weir_model::charge::{Terms, meter_of};
use weir_model::number::{QUANTITY_LIMIT, Quantity};
use weir_model::time::{Instant, Period};
use weir_model::verdict::UnpricedReason;

use super::{Owner, RatingPlan};

/// A customer's stretch of one plan.
#[derive(Debug, Clone)]
pub struct SegmentPlan {
    /// The plan.
    pub plan: PlanIdx,
    /// From when to when.
    pub span: Period,
    /// The billing periods under the plan.
    pub periods: Periods,
}

/// Before and after all events.
const ALWAYS: Period = Period { start: Instant::from_micros(i64::MIN), end: Instant::from_micros(i64::MAX) };

/// The segments of a declared customer, in order; none if it has no plan.
pub(super) fn of_customer(catalog: &Catalog, customer: &Customer) -> Vec<SegmentPlan> {
    let account = catalog.accounts.get(customer.account.at());
    let Some((first, account)) = customer.plan.zip(account) else { return Vec::new() };
    let mut segments: Vec<SegmentPlan> = Vec::new();
    for (plan, start) in
        std::iter::once((first, None)).chain(customer.changes.iter().map(|c| (c.plan, Some(c.effective_at))))
    {
        let Some(rules) = catalog.plans.get(plan.at()) else { continue };
        let periods = Periods::new(rules.cycle, rules.anchor, customer.starts_on, account.time_zone.clone());
        let start = start.unwrap_or_else(|| customer.starts_on.map_or(ALWAYS.start, |date| periods.starts_at(date)));
        let end = customer.ends_on.map_or(ALWAYS.end, |date| periods.starts_at(date));
        if let Some(before) = segments.last_mut() {
            before.span.end = start;
        }
        segments.push(SegmentPlan { plan, span: Period { start, end }, periods });
    }
    segments
}

/// The one segment of subjects that nobody claims; none without a default plan.
pub(super) fn of_default(catalog: &Catalog) -> Vec<SegmentPlan> {
    let plan = catalog.default_plan.and_then(|plan| Some((plan, catalog.plans.get(plan.at())?)));
    let segment = plan.map(|(plan, rules)| SegmentPlan {
        plan,
        span: ALWAYS,
        periods: Periods::new(rules.cycle, rules.anchor, None, catalog.time_zone.clone()),
    });
    segment.into_iter().collect()
}

/// For each pair of plans that follow one another for some customer: which charge goes on in which.
pub(super) fn continued(
    catalog: &Catalog,
    segments: &[Vec<SegmentPlan>],
) -> HashMap<(PlanIdx, PlanIdx), HashMap<ChargeIdx, ChargeIdx>> {
    let mut continued = HashMap::new();
    let pairs = segments.iter().flat_map(|segments| segments.windows(2));
    for pair in pairs {
        let [earlier, later] = pair else { continue };
        continued.entry((earlier.plan, later.plan)).or_insert_with(|| {
            let charges = |plan: PlanIdx| {
                let numbers = catalog.plans.get(plan.at()).map_or(&[][..], |plan| plan.charges.as_slice());
                numbers.iter().filter_map(|number| Some((*number, catalog.charges.get(number.at())?)))
            };
            let link = |(number, charge): (ChargeIdx, &weir_model::catalog::Charge)| {
                let before = charges(earlier.plan).find(|(_, before)| charge.continues(before))?;
                Some((number, before.0))
            };
            charges(later.plan).filter_map(link).collect()
        });
    }
    continued
}

impl RatingPlan {
    /// The segments of an owner, in order.
    pub fn segments(&self, owner: Owner) -> &[SegmentPlan] {
        match owner {
            Owner::Declared(customer) => self.segments.get(customer.at()).map_or(&[], Vec::as_slice),
            Owner::Itself => &self.default_segments,
            Owner::Nobody(_) => &[],
        }
    }

    /// Whether an owner has the same plans at the same times under another plan, and the same charges go on from one to the next.
    pub fn is_as_before(&self, before: &RatingPlan, owner: Owner) -> bool {
        let (now, then) = (self.segments(owner), before.segments(owner));
        let same = |a: &SegmentPlan, b: &SegmentPlan| (a.plan, a.span) == (b.plan, b.span);
        let linked = |pair: &[SegmentPlan]| match pair {
            [a, b] => self.continued.get(&(a.plan, b.plan)) == before.continued.get(&(a.plan, b.plan)),
            _ => true,
        };
        now.len() == then.len() && now.iter().zip(then).all(|(a, b)| same(a, b)) && now.windows(2).all(linked)
    }

    /// The number of the segment that an instant lies in.
    pub fn segment_at(&self, owner: Owner, at: Instant) -> Result<u32, UnpricedReason> {
        let segments = self.segments(owner);
        let begun = segments.partition_point(|segment| segment.span.start <= at);
        let number = match begun.checked_sub(1) {
            Some(number) => number,
            None if segments.is_empty() => return Err(UnpricedReason::NoPlan),
            None => return Err(UnpricedReason::BeforeStart),
        };
        match segments.get(number) {
            Some(segment) if at < segment.span.end => u32::try_from(number).map_err(|_| UnpricedReason::NoPlan),
            _ => Err(UnpricedReason::AfterEnd),
        }
    }

    /// A segment by number.
    pub fn segment(&self, owner: Owner, number: u32) -> &SegmentPlan {
        self.segments(owner).get(crate::at(number)).expect("segment numbers come from this plan")
    }

    /// The charge of the segment before in whose buckets a charge's usage of `period` goes on.
    pub fn continued_from(
        &self,
        owner: Owner,
        segment: u32,
        period: &Period,
        charge: ChargeIdx,
    ) -> Option<(u32, ChargeIdx)> {
        let before = segment.checked_sub(1)?;
        let (earlier, later) = (self.segment(owner, before), self.segment(owner, segment));
        let shares_period = later.span.start > period.start
            && earlier.periods.period_at(Instant::from_micros(later.span.start.micros().saturating_sub(1))) == *period;
        let links = self.continued.get(&(earlier.plan, later.plan)).filter(|_| shares_period)?;
        links.get(&charge).map(|charge| (before, *charge))
    }

    /// The first of the segments before and up to this one that all have a charge with the series `of`: a plan without it
    /// ends a level.
    pub fn series_since(&self, owner: Owner, segment: u32, of: u32) -> u32 {
        let has = |segment: &SegmentPlan| {
            let plan = self.catalog().plans.get(segment.plan.at());
            let charges = plan.map_or(&[][..], |plan| plan.charges.as_slice());
            charges.iter().any(|charge| self.charge(*charge).0.series.is_some_and(|series| series.number == of))
        };
        let before = self.segments(owner).iter().take(crate::at(segment)).rev();
        let unbroken = before.take_while(|segment| has(segment)).count();
        segment.saturating_sub(u32::try_from(unbroken).unwrap_or(0))
    }

    /// The charge of the next segment that goes on in a charge's buckets of `period`.
    pub fn continued_in(
        &self,
        owner: Owner,
        segment: u32,
        period: &Period,
        charge: ChargeIdx,
    ) -> Option<(u32, ChargeIdx)> {
        let after = segment.checked_add(1)?;
        let later = self.segments(owner).get(crate::at(after))?;
        let candidates = self.catalog().plans.get(later.plan.at()).map_or(&[][..], |plan| plan.charges.as_slice());
        let goes_on =
            |later: &&ChargeIdx| self.continued_from(owner, after, period, **later) == Some((segment, charge));
        // The later period must be the same one, not only the earlier.
        let same = later.span.start < period.end && later.periods.period_at(later.span.start) == *period;
        candidates.iter().find(goes_on).filter(|_| same).map(|charge| (after, *charge))
    }

    /// The terms of a bucket that begins in `segment`, without what rolls over.
    pub fn terms(&self, owner: Owner, segment: u32, period: &Period, charge: ChargeIdx) -> Terms {
        let mut active = self.active(owner, segment, period);
        let how = |segment: u32| {
            let plan = self.catalog().plans.get(self.segment(owner, segment).plan.at());
            plan.map_or_else(Default::default, |plan| plan.proration)
        };
        let zone = self.segment(owner, segment).periods.zone();
        let part = |segment: u32, active: &Period| part_of(active, period, how(segment), zone);
        let mut allowance = self.allowance(charge, part(segment, &active));
        let (mut last, mut last_charge) = (segment, charge);
        while let Some((next, next_charge)) = self.continued_in(owner, last, period, last_charge) {
            let more = self.active(owner, next, period);
            active.end = more.end;
            let added = self.allowance(next_charge, part(next, &more));
            // No quantity is greater: what does not fit makes everything free.
            allowance = allowance.checked_add(added).unwrap_or(Quantity::from_scaled(QUANTITY_LIMIT.saturating_sub(1)));
            (last, last_charge) = (next, next_charge);
        }
        let versions = self.charge(charge).1.versions_in(&active);
        Terms { active, part: part(segment, &active), versions, allowance }
    }

    /// The part of a period that lies in a segment.
    pub fn active(&self, owner: Owner, segment: u32, period: &Period) -> Period {
        let span = self.segment(owner, segment).span;
        Period { start: span.start.max(period.start), end: span.end.min(period.end) }
    }

    fn allowance(&self, charge: ChargeIdx, part: weir_model::charge::Fraction) -> Quantity {
        let (_, charge) = self.charge(charge);
        // A part of a quantity is a quantity, and the loader has bounded the unit.
        charge.allowance_of(part, meter_of(self.catalog(), charge)).expect("a part of an allowance fits")
    }
}
