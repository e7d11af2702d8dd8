//! Step 3 of a batch: which charges select each event, with which value, in which bucket.

use std::sync::Arc;

use weir_model::catalog::{Charge, ChargeIdx, Dimension, LatePolicy};
use weir_model::event::{Event, EventBatch};
use weir_model::number::Quantity;
use weir_model::price::CellIdx;
use weir_model::time::Instant;
use weir_model::verdict::{UnpricedReason, Verdict};

use super::{Scratch, Shard, set};
use crate::buckets::{BucketKey, hash_of};
use crate::combos::{Choice, NO_COMBO};
use crate::event_view::{EventView, Usage};
use crate::plan::{CompiledCharge, Partial, RatingPlan, Resource};
use crate::subjects::{Place, Subjects};
use crate::{at, next_index};

impl Shard {
    pub(super) fn collect_usages(
        &mut self,
        text: &[u8],
        batch: &EventBatch,
        scratch: &mut Scratch,
        verdicts: &mut [Verdict],
    ) {
        let plan = Arc::clone(&self.plan);
        let Scratch { accepted, subjects, usages, combo_bytes } = scratch;
        usages.clear();
        for (&event, &subject) in accepted.iter().zip(subjects.iter()) {
            let i = at(event);
            let &Event { time, event_type, .. } =
                batch.events.get(i).expect("the columns of a batch are of equal length");
            let place = match self.subjects.place(&plan, subject, time) {
                Ok(place) => place,
                Err(reason) => {
                    self.count_without_plan(batch, i, reason);
                    set(verdicts, event, Verdict::Unpriced(reason));
                    continue;
                }
            };
            if self.latest.is_none_or(|latest| latest < (time, place.period_end)) {
                self.latest = Some((time, place.period_end));
            }
            let view = EventView { text, batch, i };
            let is_open = self.sealed_through().is_none_or(|through| through < place.period_end);
            for &charge in plan.route(place.plan, event_type) {
                if let Some(plain) = plan.charge(charge).0.plain.filter(|_| is_open && place.partial == Partial::No) {
                    usages.extend(view.plain_value(plain).map(|value| plain_usage(event, &place, charge, value)));
                    continue;
                }
                match self.usage(&plan, &place, charge, (&view, combo_bytes)) {
                    Selected::Usage(usage) => usages.push(usage),
                    Selected::NoCell(value) => {
                        self.refuse((verdicts, event), UnpricedReason::NoCell, charge, value);
                    }
                    Selected::LateRefused => {
                        self.counters.count_late_refused(1);
                        if let Some(verdict @ Verdict::Unmetered) = verdicts.get_mut(i) {
                            *verdict = Verdict::LateRefused;
                        }
                    }
                    Selected::No => {}
                }
            }
        }
    }

    /// What an event is at a charge of its customer's plan.
    fn usage(
        &mut self,
        plan: &RatingPlan,
        place: &Place,
        charge: ChargeIdx,
        (event, bytes): (&EventView<'_>, &mut Vec<u8>),
    ) -> Selected {
        let (compiled, _) = plan.charge(charge);
        let Some(observed) = event.observe(compiled) else { return Selected::No };
        self.locate(plan, place, (charge, observed), (event, bytes))
    }

    /// What an event that a meter of a charge selects, with this value, is there.
    pub(super) fn locate(
        &mut self,
        plan: &RatingPlan,
        place: &Place,
        (charge, (resource, value)): (ChargeIdx, (&Resource, Quantity)),
        (event, bytes): (&EventView<'_>, &mut Vec<u8>),
    ) -> Selected {
        let (stretch, index) = match place.partial {
            Partial::No => (place.stretch, charge),
            Partial::Yes => self.home(plan, place.stretch, charge),
        };
        let (compiled, charge) = plan.charge(index);
        let version = match charge.versions.len() {
            1 => 0,
            _ => charge.version_at(self.subjects.stretches.get(at(stretch)).map_or(event.time(), |s| s.active.start)),
        };
        let chosen = Chosen { index, version, compiled, charge, group_by: &resource.group_by };
        let Some((combo, cell)) = self.combo(plan, &chosen, event, bytes) else { return Selected::NoCell(value) };
        // An event without the amount that its price asks for is not selected.
        if compiled.is_dynamic(version, cell) && !event.brings_own(resource) {
            return Selected::No;
        }
        if self.sealed_through().is_some_and(|through| place.period_end <= through)
            && charge.late_policy == LatePolicy::Refuse
        {
            return Selected::LateRefused;
        }
        let key = BucketKey { stretch, charge: index, combo };
        Selected::Usage(Usage {
            event: next_index(event.i),
            key,
            version,
            cell,
            value,
            hash: hash_of(key),
            has_extra: compiled.has_extra(place.partial),
        })
    }

    /// Where the bucket of a charge's usage in a stretch began: in the stretch itself, or, if the charge goes on from an
    /// earlier plan of the same period, in the first one.
    pub(crate) fn home(&mut self, plan: &RatingPlan, stretch: u32, charge: ChargeIdx) -> (u32, ChargeIdx) {
        let (mut home, mut home_charge) = (stretch, charge);
        loop {
            let here = *self.subjects.stretches.get(at(home)).expect("stretch numbers come from this shard");
            let customer = self.subjects.customers.get(at(here.customer)).expect("stretches have a customer");
            let owner = Subjects::owner(customer);
            let Some((_, before)) = plan.continued_from(owner, here.segment, &here.period, home_charge) else {
                return (home, home_charge);
            };
            let last = Instant::from_micros(here.active.start.micros().saturating_sub(1));
            match self.subjects.stretch_at(plan, here.customer, last) {
                Ok(earlier) => (home, home_charge) = (earlier, before),
                Err(_) => return (home, home_charge),
            }
        }
    }

    /// The group and cell of an event at a charge. `None`: the price has no cell for it.
    fn combo(
        &mut self,
        plan: &RatingPlan,
        chosen: &Chosen<'_>,
        event: &EventView<'_>,
        bytes: &mut Vec<u8>,
    ) -> Option<(u32, CellIdx)> {
        let compiled = chosen.compiled;
        if compiled.combo_slots.is_empty() && !compiled.has_schedule {
            return Some((NO_COMBO, CellIdx::ONLY));
        }
        let text = |slot: u16| event.text(slot);
        let Chosen { index, version, charge, group_by, .. } = *chosen;
        let choice = Choice { index, version, charge, group_by, text: &text, time: event.time() };
        let combo = if compiled.has_schedule || compiled.resources.len() > 1 {
            self.combos.resolve(&choice)?
        } else {
            bytes.clear();
            event.push_texts(&compiled.combo_slots, bytes);
            self.combos.find(&choice, plan.key().text(bytes))?
        };
        Some((combo, self.combos.get(combo).cell))
    }

    pub(super) fn refuse(
        &mut self,
        (verdicts, event): (&mut [Verdict], u32),
        reason: UnpricedReason,
        charge: ChargeIdx,
        value: Quantity,
    ) {
        let meter = self.plan.catalog().charges.get(charge.at()).map(|charge| charge.meter);
        self.counters.count_unpriced(reason, meter, value);
        // The first reason stands.
        if !matches!(verdicts.get(at(event)), Some(Verdict::Unpriced(_))) {
            set(verdicts, event, Verdict::Unpriced(reason));
        }
    }

    /// Counts an event without plan at every meter that reads it, so that the lost quantity is known.
    fn count_without_plan(&mut self, batch: &EventBatch, i: usize, reason: UnpricedReason) {
        let plan = Arc::clone(&self.plan);
        let event = EventView { text: &[], batch, i };
        let event_type = batch.events.get(i).and_then(|event| plan.catalog().event_types.get(event.event_type.at()));
        let mut known = false;
        for &index in event_type.map_or(&[][..], |event_type| event_type.meters.as_slice()) {
            let Some(meter) = plan.catalog().meters.get(index.at()) else { continue };
            let one = Quantity::from_scaled(meter.scale.unit());
            let Some(value) = meter.value.map_or(Some(one), |slot| event.value(slot).map(Quantity::from_scaled)) else {
                continue;
            };
            self.counters.count_unpriced(reason, Some(index), value);
            known = true;
        }
        if !known {
            self.counters.count_unpriced(reason, None, Quantity::ZERO);
        }
    }
}

/// What a plain charge makes of an event that brings it a value, in a whole period that is open.
#[inline]
fn plain_usage(event: u32, place: &Place, charge: ChargeIdx, value: Quantity) -> Usage {
    let key = BucketKey { stretch: place.stretch, charge, combo: NO_COMBO };
    Usage { event, key, version: 0, cell: CellIdx::ONLY, value, hash: hash_of(key), has_extra: false }
}

/// What an event is at a charge.
pub(super) enum Selected {
    /// Nothing: the charge does not select it.
    No,
    /// A usage of some bucket.
    Usage(Usage),
    /// A usage without a price.
    NoCell(Quantity),
    /// A usage of a sealed period, which the charge refuses.
    LateRefused,
}

/// A charge that selects an event.
#[derive(Clone, Copy)]
struct Chosen<'c> {
    index: ChargeIdx,
    version: u32,
    compiled: &'c CompiledCharge,
    charge: &'c Charge,
    group_by: &'c [Dimension],
}
