//! Usage that an archive already holds, taken in again under another catalog: each event once and in any order, or whole
//! buckets at once.
//!
//! L4 makes a bucket's amount a function of the set of its events. So where only amounts are asked for and no rows, a bucket
//! needs no price before its last event: [`Shard::resume`] only takes events into their buckets' states, and
//! [`Shard::price_states`] prices each bucket once. Series, and prices that might not fit before the last event, are rated as in
//! [`Shard::apply`]. Does not own: whether the archive can answer.

use std::sync::Arc;

use weir_model::bucket::{BucketState, EventSum, Paid};
use weir_model::catalog::ChargeIdx;
use weir_model::charge::Rule;
use weir_model::event::EventBatch;
use weir_model::hash::RouteHash;
use weir_model::number::{Amount, Overflow, Quantity};
use weir_model::price::CellIdx;
use weir_model::rated::ShardOutput;
use weir_model::time::Instant;
use weir_model::verdict::{UnpricedReason, Verdict};

use super::collect::Selected;
use super::rate::{Sink, plain_amount};
use super::{Rows, Shard};
use crate::at;
use crate::buckets::{Bucket, BucketKey, hash_of};
use crate::combos::{Combo, NO_COMBO};
use crate::event_view::{EventView, Usage};
use crate::plan::{Partial, RatingPlan};
use crate::sums::Sum;

/// What a bucket came to before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// Its quantity, to be priced.
    Quantity(Quantity),
    /// Its quantity, and its amount under a charge that has not changed.
    Amount(Quantity, Amount),
}

/// A bucket of an archive.
#[derive(Debug, Clone, Copy)]
pub struct KnownBucket<'b> {
    /// A subject of the customer: its own id, if nobody claims it.
    pub subject: &'b str,
    /// Keyed hash of that subject.
    pub subject_hash: RouteHash,
    /// The beginning of the customer's part of the period.
    pub begins_at: Instant,
    /// The charge, under the catalog that prices anew.
    pub charge: ChargeIdx,
    /// The group's values in the charge's order.
    pub group: &'b [&'b str],
    /// The cell of the version that is in force at the beginning.
    pub cell: CellIdx,
    /// What its events came to.
    pub known: Known,
    /// How many they are.
    pub events: u64,
}

/// What some events of one subject came to, all in the same part of a period.
#[derive(Debug, Clone, Copy)]
pub struct KnownSums<'s> {
    /// The subject.
    pub subject: &'s str,
    /// Its keyed hash.
    pub subject_hash: RouteHash,
    /// An instant in that part of the period.
    pub time: Instant,
    /// By charge, group and cell.
    pub sums: &'s [KnownSum<'s>],
}

/// What some events came to at a charge that [folds](RatingPlan::folds): they have the same texts where the charge looks at
/// texts.
#[derive(Debug, Clone, Copy)]
pub struct KnownSum<'s> {
    /// The charge.
    pub charge: ChargeIdx,
    /// An event that the charge selects, with the same texts, whosever it is.
    pub event: EventView<'s>,
    /// What they came to.
    pub sum: Sum,
}

/// Why a known bucket or sum cannot be taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ResumeError {
    /// The plan has no such customer at that time.
    #[error("nobody has the bucket under this catalog")]
    Unplaced,
    /// The charge does not select the events that are said to come to a sum there.
    #[error("the charge does not select the usage")]
    Unselected,
    /// The bucket stands in the archive twice.
    #[error("the bucket stands there twice")]
    Repeated,
    /// A figure does not fit.
    #[error(transparent)]
    Overflow(#[from] Overflow),
}

impl Shard {
    /// Takes in events, none of which it has taken in before. Their order decides nothing, unless one does not fit. Nothing
    /// is kept but verdicts.
    pub fn resume(&mut self, text: &[u8], batch: &EventBatch, output: &mut ShardOutput) {
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.accepted.clear();
        scratch.accepted.extend(0..crate::next_index(batch.len()));
        output.verdicts.resize(batch.len(), Verdict::Unmetered);
        self.resolve_subjects(text, batch, &mut scratch);
        self.collect_usages(text, batch, &mut scratch, &mut output.verdicts);
        let plan = Arc::clone(&self.plan);
        for (position, usage) in scratch.usages.iter().enumerate() {
            self.prefetch_buckets(&scratch.usages, position);
            let event = EventView { text, batch, i: at(usage.event) };
            let mut sink = Sink { rows: Rows::Count, output };
            let taken = if plan.charge(usage.key.charge).0.is_deferred {
                self.absorb(&plan, (usage, 1), &event, &mut sink)
            } else {
                self.rate(&plan, usage, &event, &mut sink)
            };
            if taken.is_err() {
                let at = (output.verdicts.as_mut_slice(), usage.event);
                self.refuse(at, UnpricedReason::Overflow, usage.key.charge, usage.value);
            }
        }
        self.scratch = scratch;
    }

    /// Takes in sums of usages, to whose buckets more may come.
    pub fn resume_sums(&mut self, known: &KnownSums<'_>) -> Result<(), ResumeError> {
        let plan = Arc::clone(&self.plan);
        let subject = self.subjects.intern(&plan, known.subject_hash, || known.subject);
        let place = self.subjects.place(&plan, subject, known.time).map_err(|_| ResumeError::Unplaced)?;
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.usages.clear();
        for (number, KnownSum { charge, event, sum }) in (0..).zip(known.sums) {
            let observed = (plan.charge(*charge).0.first(), sum.quantity);
            match self.locate(&plan, &place, (*charge, observed), (event, &mut scratch.combo_bytes)) {
                Selected::Usage(usage) => {
                    self.buckets.prefetch_slot(usage.hash);
                    scratch.usages.push(Usage { event: number, ..usage });
                }
                Selected::NoCell(_) => {
                    let meter = plan.charge(*charge).1.meter;
                    self.counters.add_unpriced(UnpricedReason::NoCell, Some(meter), (sum.events, sum.quantity));
                }
                Selected::LateRefused => self.counters.count_late_refused(sum.events),
                Selected::No => return Err(ResumeError::Unselected),
            }
        }
        scratch.usages.iter().for_each(|usage| self.buckets.prefetch_bucket(usage.hash));
        let mut output = ShardOutput::default();
        let mut sink = Sink { rows: Rows::Count, output: &mut output };
        for usage in &scratch.usages {
            let KnownSum { event, sum, .. } = known.sums.get(at(usage.event)).ok_or(ResumeError::Unselected)?;
            self.absorb(&plan, (usage, sum.events), event, &mut sink)?;
        }
        self.scratch = scratch;
        Ok(())
    }

    /// Takes usages, whose value is their sum, into their bucket without pricing them.
    fn absorb(
        &mut self,
        plan: &RatingPlan,
        (usage, events): (&Usage, u64),
        event: &EventView<'_>,
        sink: &mut Sink<'_>,
    ) -> Result<(), Overflow> {
        let number = match self.buckets.find(usage.key, usage.hash) {
            Some(number) => number,
            None => self.open(plan, usage, sink)?,
        };
        if !usage.has_extra {
            let bucket = self.buckets.get_mut(number);
            bucket.quantity = bucket.quantity.checked_add(usage.value)?;
            return bucket.count_events(events);
        }
        let (compiled, charge) = plan.charge(usage.key.charge);
        let (bucket, extra) = self.buckets.get_with_extra_mut(number).ok_or(Overflow)?;
        let rule = Rule { charge, cell: usage.cell, terms: &extra.terms };
        let observation = event.observation(compiled.first(), usage.value, plan.key());
        extra.state.absorb(&rule, &extra.frames, &[Some(observation)])?;
        bucket.count_events(events)
    }

    /// Takes in buckets as a whole; `Err`: which one cannot be, and why.
    pub fn resume_buckets(&mut self, known: &[KnownBucket<'_>]) -> Result<(), (usize, ResumeError)> {
        let plan = Arc::clone(&self.plan);
        let mut places = Vec::with_capacity(known.len());
        for (number, bucket) in known.iter().enumerate() {
            let (key, partial) = self.key_of(&plan, bucket).map_err(|error| (number, error))?;
            self.buckets.prefetch_slot(hash_of(key));
            places.push((key, partial));
        }
        for (number, (bucket, place)) in known.iter().zip(places).enumerate() {
            self.resume_bucket(&plan, bucket, place).map_err(|error| (number, error))?;
        }
        Ok(())
    }

    /// Which bucket a known one is here, and whether its period is partial.
    fn key_of(&mut self, plan: &RatingPlan, known: &KnownBucket<'_>) -> Result<(BucketKey, Partial), ResumeError> {
        let subject = self.subjects.intern(plan, known.subject_hash, || known.subject);
        let place = self.subjects.place(plan, subject, known.begins_at).map_err(|_| ResumeError::Unplaced)?;
        if plan.charge(known.charge).1.plan != place.plan {
            return Err(ResumeError::Unplaced);
        }
        let combo = if known.group.is_empty() && known.cell == CellIdx::ONLY {
            NO_COMBO
        } else {
            let group = known.group.iter().map(|value| Box::from(*value)).collect();
            self.combos.enter(Combo { group, cell: known.cell })
        };
        Ok((BucketKey { stretch: place.stretch, charge: known.charge, combo }, place.partial))
    }

    fn resume_bucket(
        &mut self,
        plan: &RatingPlan,
        known: &KnownBucket<'_>,
        (key, partial): (BucketKey, Partial),
    ) -> Result<(), ResumeError> {
        let (compiled, charge) = plan.charge(known.charge);
        if self.buckets.find(key, hash_of(key)).is_some() {
            return Err(ResumeError::Repeated);
        }
        let (quantity, amount) = match known.known {
            Known::Quantity(quantity) => (quantity, None),
            Known::Amount(quantity, amount) => (quantity, Some(amount)),
        };
        let number = if compiled.has_extra(partial) {
            let number = self.open_with_extra(plan, key)?;
            let (bucket, extra) = self.buckets.get_with_extra_mut(number).ok_or(Overflow)?;
            let rule = Rule { charge, cell: known.cell, terms: &extra.terms };
            extra.state = match amount {
                Some(amount) => BucketState::Events(EventSum { quantity, paid: Paid::Rounded(amount), free: None }),
                None => BucketState::Sum(quantity),
            };
            bucket.amount = match amount {
                Some(amount) => amount,
                None => extra.state.amount(&rule, &extra.frames)?,
            };
            number
        } else {
            let amount = amount.map_or_else(|| plain(plan, key.charge, (known.begins_at, known.cell), quantity), Ok)?;
            self.buckets.insert(Bucket::new(key, quantity, amount), None)
        };
        Ok(self.buckets.get_mut(number).count_events(known.events)?)
    }

    /// Prices what was only taken in. Fails if an amount does not fit, or would not have fitted before the last event: then
    /// rating leaves events out, and which ones depends on their order.
    pub fn price_states(&mut self) -> Result<(), Overflow> {
        let plan = Arc::clone(&self.plan);
        for number in 0..crate::next_index(self.buckets.len()) {
            let bucket = *self.buckets.get(number);
            let key = bucket.key();
            let (compiled, charge) = plan.charge(key.charge);
            if !compiled.is_deferred {
                continue;
            }
            let cell = self.combos.get(key.combo).cell;
            let stretch = self.subjects.stretches.get(at(key.stretch)).expect("keys come from this shard");
            if compiled.has_extra(stretch.partial()) {
                let (bucket, extra) = self.buckets.get_with_extra_mut(number).ok_or(Overflow)?;
                let rule = Rule { charge, cell, terms: &extra.terms };
                bucket.amount = extra.state.amount(&rule, &extra.frames)?;
            } else {
                let amount = plain(&plan, key.charge, (stretch.active.start, cell), bucket.quantity)?;
                self.buckets.get_mut(number).amount = amount;
            }
        }
        Ok(())
    }
}

/// A(S) of a bucket that is one quantity and begins at an instant.
pub(super) fn plain(
    plan: &RatingPlan,
    index: ChargeIdx,
    (begins_at, cell): (Instant, CellIdx),
    quantity: Quantity,
) -> Result<Amount, Overflow> {
    let (compiled, charge) = plan.charge(index);
    let version = if charge.versions.len() == 1 { 0 } else { charge.version_at(begins_at) };
    match compiled.curve(version, cell).and_then(|curve| curve.amount(quantity)) {
        Some(amount) => amount,
        None => plain_amount(charge, (version, cell), Amount::ZERO, (quantity, quantity)),
    }
}
