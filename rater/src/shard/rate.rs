//! Step 4 of a batch: each usage changes its bucket, in log order; the difference is its row (L4).

use std::sync::Arc;

use weir_model::aggregation::{Aggregation, Effect, OrderedEvent};
use weir_model::bucket::BucketState;
use weir_model::catalog::Charge;
use weir_model::charge::{Measured, Rule, Terms, after_allowance};
use weir_model::event::EventBatch;
use weir_model::hash::Digest;
use weir_model::number::{Amount, Overflow, Quantity};
use weir_model::price::{CellIdx, Leaf};
use weir_model::rated::ShardOutput;
use weir_model::verdict::{UnpricedReason, Verdict};

use super::{Rows, Shard};
use crate::at;
use crate::buckets::{Bucket, BucketKey, Extra};
use crate::event_view::{EventView, Usage};
use crate::plan::{CompiledCharge, RatingPlan};
use crate::prefetch::AHEAD;
use crate::subjects::Subjects;

/// Where rows go.
pub(super) struct Sink<'o> {
    pub(super) rows: Rows,
    pub(super) output: &'o mut ShardOutput,
}

/// A bucket of a series as one more event would leave it.
struct Changed {
    bucket: u32,
    quantity: Quantity,
    opening: Quantity,
    amount: Amount,
    without_usage: Amount,
    /// A(S) - A(∅), after less before.
    row: Amount,
}

impl Shard {
    pub(super) fn rate_usages(&mut self, text: &[u8], batch: &EventBatch, usages: &[Usage], mut sink: Sink<'_>) {
        let plan = Arc::clone(&self.plan);
        for (position, usage) in usages.iter().enumerate() {
            self.prefetch_buckets(usages, position);
            let i = at(usage.event);
            let event = EventView { text, batch, i };
            match self.rate(&plan, usage, &event, &mut sink) {
                Ok(()) => {
                    if let Some(verdict @ Verdict::Unmetered) = sink.output.verdicts.get_mut(i) {
                        *verdict = Verdict::Rated;
                    }
                }
                Err(Overflow) => {
                    let at = (sink.output.verdicts.as_mut_slice(), usage.event);
                    self.refuse(at, UnpricedReason::Overflow, usage.key.charge, usage.value);
                }
            }
        }
    }

    /// Asks for the buckets of the usages that come soon after `position`: first for their slots, later for themselves.
    #[inline]
    pub(super) fn prefetch_buckets(&self, usages: &[Usage], position: usize) {
        if position == 0 {
            usages.iter().take(2 * AHEAD).for_each(|usage| self.buckets.prefetch_slot(usage.hash));
            usages.iter().take(AHEAD).for_each(|usage| self.buckets.prefetch_bucket(usage.hash));
        }
        if let Some(later) = usages.get(position.saturating_add(2 * AHEAD)) {
            self.buckets.prefetch_slot(later.hash);
        }
        if let Some(sooner) = usages.get(position.saturating_add(AHEAD)) {
            self.buckets.prefetch_bucket(sooner.hash);
        }
    }

    /// Rates one usage. On overflow nothing has changed.
    pub(super) fn rate(
        &mut self,
        plan: &RatingPlan,
        usage: &Usage,
        event: &EventView<'_>,
        sink: &mut Sink<'_>,
    ) -> Result<(), Overflow> {
        let (compiled, charge) = plan.charge(usage.key.charge);
        let number = match self.buckets.find(usage.key, usage.hash) {
            Some(number) => number,
            None => self.open(plan, usage, sink)?,
        };
        if compiled.series.is_some() {
            return self.rate_series(plan, usage, (event, number), sink);
        }
        let row = if usage.has_extra {
            self.rate_extra(plan, usage, event, number)?
        } else {
            let bucket = self.buckets.get_mut(number);
            let quantity = bucket.quantity.checked_add(usage.value)?;
            let after = match compiled.curve(usage.version, usage.cell).and_then(|curve| curve.amount(quantity)) {
                Some(after) => after?,
                None => plain_amount(charge, (usage.version, usage.cell), bucket.amount, (quantity, usage.value))?,
            };
            let row = after.checked_sub(bucket.amount)?;
            bucket.count_event(event.digest())?;
            (bucket.quantity, bucket.amount) = (quantity, after);
            row
        };
        self.write_row((event, number), compiled.hash, (usage.value, row), sink);
        Ok(())
    }

    /// Rates a usage whose bucket keeps a state; gives its row.
    fn rate_extra(
        &mut self,
        plan: &RatingPlan,
        usage: &Usage,
        event: &EventView<'_>,
        number: u32,
    ) -> Result<Amount, Overflow> {
        let (compiled, charge) = plan.charge(usage.key.charge);
        let (bucket, extra) = self.buckets.get_with_extra_mut(number).ok_or(Overflow)?;
        let rule = Rule { charge, cell: usage.cell, terms: &extra.terms };
        if !bucket.has_room() {
            return Err(Overflow);
        }
        let after = match compiled.resources.as_slice() {
            [resource] => {
                let observation = event.observation(resource, usage.value, plan.key());
                extra.state.observe(&rule, &extra.frames, &[Some(observation)])?
            }
            _ => extra.state.observe(&rule, &extra.frames, &event.observations(compiled, plan.key()))?,
        };
        // Both are amounts within their bound; a row may be one that is not, and then the sum of rows would not fit either.
        let row = after.checked_sub(bucket.amount)?;
        bucket.count_event(event.digest())?;
        bucket.amount = after;
        Ok(row)
    }

    /// Rates a usage that belongs to a series: it may change later buckets too.
    fn rate_series(
        &mut self,
        plan: &RatingPlan,
        usage: &Usage,
        (event, number): (&EventView<'_>, u32),
        sink: &mut Sink<'_>,
    ) -> Result<(), Overflow> {
        let (compiled, _) = plan.charge(usage.key.charge);
        let resource = compiled.first();
        let observation = event.observation(resource, usage.value, plan.key());
        let group = self.group_of(plan, compiled, usage.key).ok_or(Overflow)?;
        let counter = resource.series.and_then(|slot| event.text(slot)).unwrap_or_default();
        let effect = self.series.effect(group, counter, resource.aggregation, &observation)?;
        let changes = self.changes(plan, group, &effect, number)?;
        if !self.buckets.get(number).has_room() {
            return Err(Overflow);
        }
        self.series.insert(group, counter, OrderedEvent::of(&observation), &effect);
        for changed in changes {
            let (bucket, extra) = self.buckets.get_with_extra_mut(changed.bucket).ok_or(Overflow)?;
            extra.state = BucketState::Series { quantity: changed.quantity, opening: changed.opening };
            extra.without_usage = changed.without_usage;
            bucket.amount = changed.amount;
            let (own, row) = (changed.bucket == number, changed.row);
            if own {
                bucket.count_event(event.digest())?;
            }
            if own || row != Amount::ZERO {
                let hash = plan.charge(bucket.key().charge).0.hash;
                let quantity = if own { usage.value } else { Quantity::ZERO };
                self.write_row((event, changed.bucket), hash, (quantity, row), sink);
            }
        }
        Ok(())
    }

    /// What a series' buckets would be with one more event; the event's own is always among them.
    fn changes(&self, plan: &RatingPlan, group: u32, effect: &Effect, own: u32) -> Result<Vec<Changed>, Overflow> {
        let mut changes = Vec::new();
        for &number in self.series.buckets(group) {
            let bucket = self.buckets.get(number);
            let extra = self.buckets.extra(bucket).ok_or(Overflow)?;
            let BucketState::Series { quantity, opening } = extra.state else { return Err(Overflow) };
            let active = &extra.terms.active;
            let (mut by, mut opening_by) = (Quantity::ZERO, Quantity::ZERO);
            if let Some(level) = &effect.level {
                by = level.weighted(active)?;
                opening_by = level.weighted_opening(active)?;
            }
            for (_, usage) in effect.usage.iter().filter(|(at, _)| active.contains(*at)) {
                by = by.checked_add(*usage)?;
            }
            if number != own && by == Quantity::ZERO && opening_by == Quantity::ZERO {
                continue;
            }
            let (quantity, opening) = (quantity.checked_add(by)?, opening.checked_add(opening_by)?);
            let charge = plan.charge(bucket.key().charge).1;
            let rule = Rule { charge, cell: self.combos.get(bucket.key().combo).cell, terms: &extra.terms };
            let amount = rule.amount(&Measured::One(quantity))?;
            let without_usage = rule.amount(&Measured::One(opening))?;
            let before = bucket.amount.checked_sub(extra.without_usage)?;
            let row = amount.checked_sub(without_usage)?.checked_sub(before)?;
            changes.push(Changed { bucket: number, quantity, opening, amount, without_usage, row });
        }
        Ok(changes)
    }

    fn write_row(
        &mut self,
        (event, bucket): (&EventView<'_>, u32),
        hash: u64,
        (quantity, amount): (Quantity, Amount),
        sink: &mut Sink<'_>,
    ) {
        let fingerprint = event.batch.fingerprint.get(event.i).copied().unwrap_or_default();
        self.counters.count_row(Digest::of_row(fingerprint, hash, amount.scaled()));
        if sink.rows == Rows::Keep {
            sink.output.rows.event.push(crate::next_index(event.i));
            sink.output.rows.bucket.push(bucket);
            sink.output.rows.quantity.push(quantity);
            sink.output.rows.amount.push(amount);
        }
    }

    /// Opens the bucket of a usage with A(∅) in it.
    pub(super) fn open(&mut self, plan: &RatingPlan, usage: &Usage, sink: &mut Sink<'_>) -> Result<u32, Overflow> {
        let number = if usage.has_extra {
            self.open_with_extra(plan, usage.key)?
        } else {
            let empty = plan.charge(usage.key.charge).0.at_zero(usage.version, usage.cell);
            self.buckets.insert(Bucket::new(usage.key, Quantity::ZERO, empty), None)
        };
        if sink.rows == Rows::Keep {
            self.tell(usage.key, &mut sink.output.opened);
        }
        Ok(number)
    }

    /// Opens a bucket that keeps a state.
    pub(crate) fn open_with_extra(&mut self, plan: &RatingPlan, key: BucketKey) -> Result<u32, Overflow> {
        let (compiled, charge) = plan.charge(key.charge);
        let terms = self.terms(plan, key);
        let rule = Rule { charge, cell: self.combos.get(key.combo).cell, terms: &terms };
        let group = self.group_of(plan, compiled, key);
        let mut state = BucketState::new(&rule, &compiled.aggregations())?;
        if let (Some(group), Aggregation::WeightedSum(weighted)) = (group, compiled.first().aggregation) {
            let opening = self.series.opening(group, weighted.values, &terms.active)?;
            state = BucketState::Series { quantity: opening, opening };
        }
        let without_usage = state.amount_without_usage(&rule)?;
        let frames = compiled.frames(&terms);
        let extra = Extra { state, without_usage, terms: Arc::new(terms), frames };
        let number = self.buckets.insert(Bucket::new(key, Quantity::ZERO, without_usage), Some(extra));
        if let Some(group) = group {
            self.series.add_bucket(group, number);
        }
        Ok(number)
    }

    /// The terms of a bucket, with what rollover has made of its allowance.
    pub(crate) fn terms(&self, plan: &RatingPlan, key: BucketKey) -> Terms {
        let stretch = self.subjects.stretches.get(at(key.stretch)).expect("keys come from this shard");
        let customer = self.subjects.customers.get(at(stretch.customer)).expect("stretches have a customer");
        let owner = Subjects::owner(customer);
        let mut terms = plan.terms(owner, stretch.segment, &stretch.period, key.charge);
        let (_, charge) = plan.charge(key.charge);
        if charge.allowance.is_some_and(|allowance| allowance.rollover_max.is_some()) {
            let chain = self.chain(plan, key);
            terms.allowance = self.allowances.get(&chain, stretch.period.start).unwrap_or(terms.allowance);
        }
        terms
    }

    /// The series that a bucket's usage belongs to; entered if it is new. `None`: the charge has none.
    pub(super) fn group_of(&mut self, plan: &RatingPlan, compiled: &CompiledCharge, key: BucketKey) -> Option<u32> {
        let of = compiled.series?;
        let stretch = self.subjects.stretches.get(at(key.stretch))?;
        let owner = Subjects::owner(self.subjects.customers.get(at(stretch.customer))?);
        let since = plan.series_since(owner, stretch.segment, of.number);
        Some(self.series.group(of, (stretch.customer, since), key))
    }
}

/// A(S) of a bucket that is one quantity and one amount, where there is no curve.
pub(super) fn plain_amount(
    charge: &Charge,
    (version, cell): (u32, CellIdx),
    before: Amount,
    (quantity, value): (Quantity, Quantity),
) -> Result<Amount, Overflow> {
    match charge.leaf(version, cell).ok_or(Overflow)? {
        Leaf::PerEvent(price) => before.checked_add(charge.round_event(price.exact(value, Amount::ZERO)?)?),
        Leaf::Cumulative(price) => {
            let allowance = charge.allowance.map(|allowance| allowance.quantity).unwrap_or_default();
            price.exact(after_allowance(charge.converted(quantity, price.unit())?, allowance)?)?.round()
        }
        Leaf::Capacity(_) => Err(Overflow),
    }
}
