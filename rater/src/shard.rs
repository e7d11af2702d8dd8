//! One shard: applies batches in log order (design.md 4.5).
//!
//! A batch passes through four steps, each over all of its events, so that the cache misses of one step overlap:
//! identities, subjects, usages, rating. Within a step events keep the log's order; L4 makes sums independent of it.

use std::hint::black_box;
use std::sync::Arc;

use weir_model::aggregation::{FoldState, Observation};
use weir_model::catalog::{ChargeIdx, MeterIdx};
use weir_model::charge::BucketRule;
use weir_model::event::EventBatch;
use weir_model::hash::Digest;
use weir_model::number::{Amount, Overflow, Quantity};
use weir_model::price::CellIdx;
use weir_model::rated::{OpenedBucket, ShardOutput};
use weir_model::time::Instant;
use weir_model::verdict::{UnpricedReason, Verdict};

use crate::buckets::{Bucket, BucketKey, Buckets, Extra, hash_of};
use crate::combos::{Combos, NO_COMBO};
use crate::counters::Counters;
use crate::event_view::{EventView, Usage};
use crate::identities::{Admission, Identities};
use crate::plan::{CompiledCharge, RatingPlan};
use crate::subjects::Subjects;
use crate::{at, next_index};

/// Events whose cache misses are started together.
const BLOCK: usize = 32;

/// Whether [`Shard::apply`] keeps the rated rows for somebody, or only counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rows {
    /// Write them into the output.
    Keep,
    /// Only count and digest them.
    Count,
}

/// The state of one shard.
#[derive(Debug)]
pub struct Shard {
    pub(crate) number: u16,
    pub(crate) shards: u16,
    pub(crate) plan: Arc<RatingPlan>,
    pub(crate) identities: Identities,
    pub(crate) subjects: Subjects,
    pub(crate) combos: Combos,
    pub(crate) buckets: Buckets,
    pub(crate) counters: Counters,
    /// The latest event_time of a usage, with the end of its period: decides what a run closes.
    pub(crate) latest: Option<(Instant, Instant)>,
    scratch: Scratch,
}

#[derive(Debug, Default)]
struct Scratch {
    /// Events of the batch that are new.
    accepted: Vec<u32>,
    /// The subject of each accepted event.
    subjects: Vec<u32>,
    usages: Vec<Usage>,
    combo_bytes: Vec<u8>,
}

impl Shard {
    /// Shard `number` of `shards`, empty.
    pub fn new(number: u16, shards: u16, plan: Arc<RatingPlan>) -> Shard {
        Shard {
            number,
            shards,
            identities: Identities::with_capacity(0),
            subjects: Subjects::new(&plan),
            combos: Combos::new(),
            buckets: Buckets::new(),
            counters: Counters::default(),
            latest: None,
            scratch: Scratch::default(),
            plan,
        }
    }

    /// Its number.
    pub fn number(&self) -> u16 {
        self.number
    }

    /// What it has counted.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Applies a batch of this shard's events; `text` is what the batch's spans point into. Verdicts always, rows and
    /// opened buckets only with [`Rows::Keep`], are appended to `output`, which the caller has cleared.
    pub fn apply(&mut self, text: &[u8], batch: &EventBatch, rows: Rows, output: &mut ShardOutput) {
        let mut scratch = std::mem::take(&mut self.scratch);
        self.admit(batch, &mut scratch.accepted, &mut output.verdicts);
        self.resolve_subjects(text, batch, &mut scratch);
        self.collect_usages(text, batch, &mut scratch, &mut output.verdicts);
        self.rate_usages(text, batch, &scratch.usages, (rows, output));
        for verdict in &output.verdicts {
            self.counters.count(*verdict);
        }
        self.scratch = scratch;
    }

    /// Step 1: dedup. New events start as [`Verdict::Unmetered`].
    fn admit(&mut self, batch: &EventBatch, accepted: &mut Vec<u32>, verdicts: &mut Vec<Verdict>) {
        accepted.clear();
        let mut event = 0_u32;
        for (fingerprints, payloads) in batch.fingerprint.chunks(BLOCK).zip(batch.payload.chunks(BLOCK)) {
            let touched =
                fingerprints.iter().fold(0, |touched, fingerprint| touched ^ self.identities.touch(*fingerprint));
            black_box(touched);
            for (fingerprint, payload) in fingerprints.iter().zip(payloads) {
                verdicts.push(match self.identities.admit(*fingerprint, *payload) {
                    Admission::New => {
                        accepted.push(event);
                        Verdict::Unmetered
                    }
                    Admission::Duplicate => Verdict::Duplicate,
                    Admission::Conflict => Verdict::Conflict,
                });
                event = event.wrapping_add(1);
            }
        }
    }

    /// Step 2: whose usage each accepted event is.
    fn resolve_subjects(&mut self, text: &[u8], batch: &EventBatch, scratch: &mut Scratch) {
        scratch.subjects.clear();
        for events in scratch.accepted.chunks(BLOCK) {
            let hashes = || events.iter().filter_map(|event| batch.subject_hash.get(at(*event)));
            black_box(hashes().fold(0, |touched, hash| touched ^ self.subjects.touch_slot(*hash)));
            black_box(hashes().fold(0, |touched, hash| touched ^ self.subjects.touch_subject(*hash)));
            for event in events {
                let columns = batch.subject_hash.get(at(*event)).zip(batch.subject.get(at(*event)));
                let (hash, subject) = columns.expect("the columns of a batch are of equal length");
                let name = || std::str::from_utf8(subject.of(text)).expect("decoded text is UTF-8");
                scratch.subjects.push(self.subjects.intern(&self.plan, *hash, name));
            }
        }
    }

    /// Step 3: which charges select each event, with which value, in which bucket.
    fn collect_usages(&mut self, text: &[u8], batch: &EventBatch, scratch: &mut Scratch, verdicts: &mut [Verdict]) {
        let plan = Arc::clone(&self.plan);
        let Scratch { accepted, subjects, usages, combo_bytes } = scratch;
        usages.clear();
        for (&event, &subject) in accepted.iter().zip(subjects.iter()) {
            let i = at(event);
            let columns = batch.time.get(i).zip(batch.event_type.get(i));
            let (&time, &event_type) = columns.expect("the columns of a batch are of equal length");
            let (stretch, period_end, customer_plan) = match self.subjects.stretch(&plan, subject, time) {
                Ok(found) => found,
                Err(reason) => {
                    self.count_without_plan(batch, i, reason);
                    set(verdicts, event, Verdict::Unpriced(reason));
                    continue;
                }
            };
            if self.latest.is_none_or(|latest| latest < (time, period_end)) {
                self.latest = Some((time, period_end));
            }
            let event = EventView { text, batch, i };
            for &charge in plan.route(customer_plan, event_type) {
                let (compiled, _) = plan.charge(charge);
                let Some((value, own)) = event.observe(compiled) else { continue };
                match self.combo(&plan, charge, &event, combo_bytes) {
                    Some((combo, cell)) => {
                        let key = BucketKey { stretch, charge, combo };
                        let hash = hash_of(key);
                        usages.push(Usage { event: next_index(i), key, cell, value, own, hash });
                    }
                    None => self.refuse((verdicts, next_index(i)), UnpricedReason::NoCell, charge, value),
                }
            }
        }
    }

    /// Step 4: each usage changes its bucket, in log order; the difference is its row.
    fn rate_usages(
        &mut self,
        text: &[u8],
        batch: &EventBatch,
        usages: &[Usage],
        (rows, output): (Rows, &mut ShardOutput),
    ) {
        let plan = Arc::clone(&self.plan);
        for block in usages.chunks(BLOCK) {
            black_box(block.iter().fold(0, |touched, usage| touched ^ self.buckets.touch_slot(usage.hash)));
            black_box(block.iter().fold(0, |touched, usage| touched ^ self.buckets.touch_bucket(usage.hash)));
            for usage in block {
                let i = at(usage.event);
                let event = EventView { text, batch, i };
                match self.rate(&plan, usage, &event, (rows, output)) {
                    Ok((bucket, amount)) => {
                        let fingerprint = batch.fingerprint.get(i).copied().unwrap_or_default();
                        let (compiled, _) = plan.charge(usage.key.charge);
                        self.counters.count_row(Digest::of_row(fingerprint, compiled.hash, amount.scaled()));
                        if let Some(verdict @ Verdict::Unmetered) = output.verdicts.get_mut(i) {
                            *verdict = Verdict::Rated;
                        }
                        if rows == Rows::Keep {
                            output.rows.event.push(usage.event);
                            output.rows.bucket.push(bucket);
                            output.rows.quantity.push(usage.value);
                            output.rows.amount.push(amount);
                        }
                    }
                    Err(Overflow) => {
                        let at = (output.verdicts.as_mut_slice(), usage.event);
                        self.refuse(at, UnpricedReason::Overflow, usage.key.charge, usage.value);
                    }
                }
            }
        }
    }

    /// A(S after) - A(S before) of one usage, and its bucket's number. On overflow nothing has changed.
    fn rate(
        &mut self,
        plan: &RatingPlan,
        usage: &Usage,
        event: &EventView<'_>,
        (rows, output): (Rows, &mut ShardOutput),
    ) -> Result<(u32, Amount), Overflow> {
        let (compiled, charge) = plan.charge(usage.key.charge);
        let number = match self.buckets.find(usage.key, usage.hash) {
            Some(number) => number,
            None => self.open(compiled, usage, (rows, output))?,
        };
        let digest = event.digest();
        if !compiled.has_extra
            && let Some(curve) = compiled.curve(usage.cell)
        {
            let bucket = self.buckets.get_mut(number);
            let quantity = bucket.quantity.checked_add(usage.value)?;
            if let Some(after) = curve.amount(quantity) {
                let after = after?;
                let row = after.checked_sub(bucket.amount)?;
                bucket.count_event(digest)?;
                (bucket.quantity, bucket.amount) = (quantity, after);
                return Ok((number, row));
            }
        }
        let rule = charge.rule(usage.cell).ok_or(Overflow)?;
        let observation = event.observation(compiled, usage.value, plan.key());
        let change = self.next_state(number, compiled, usage, &observation);
        let (quantity, own) = change?;
        let bucket = self.buckets.get_mut(number);
        let after = match rule {
            BucketRule::Cumulative(price) => charge.cumulative_amount(price, quantity)?,
            BucketRule::Dynamic(price) => price.exact(own)?.round()?,
            BucketRule::RoundedUnit(price) => bucket.amount.checked_add(charge.rounded_unit(price, usage.value)?)?,
            BucketRule::RoundedDynamic(price) => {
                bucket.amount.checked_add(charge.rounded_dynamic(price, usage.own)?)?
            }
        };
        let row = after.checked_sub(bucket.amount)?;
        bucket.count_event(digest)?;
        bucket.amount = after;
        if compiled.has_extra {
            if let Some((_, extra)) = self.buckets.get_with_extra_mut(number) {
                (extra.quantity, extra.own) = (quantity, own);
                if let Some(fold) = &mut extra.fold {
                    fold.observe(&observation);
                }
            }
        } else {
            bucket.quantity = quantity;
        }
        Ok((number, row))
    }

    /// Q and the sum of own amounts that a bucket would have with one more usage.
    fn next_state(
        &self,
        number: u32,
        compiled: &CompiledCharge,
        usage: &Usage,
        observation: &Observation<'_>,
    ) -> Result<(Quantity, Amount), Overflow> {
        let bucket = self.buckets.as_slice().get(at(number)).ok_or(Overflow)?;
        if !compiled.has_extra {
            return Ok((bucket.quantity.checked_add(usage.value)?, Amount::ZERO));
        }
        let extra = self.buckets.extra(bucket).ok_or(Overflow)?;
        let quantity = match &extra.fold {
            Some(fold) => fold.quantity_with(observation, compiled.one)?,
            None => extra.quantity.checked_add(usage.value)?,
        };
        Ok((quantity, extra.own.checked_add(usage.own)?))
    }

    /// Opens the bucket of a usage with A(∅) in it.
    fn open(
        &mut self,
        compiled: &CompiledCharge,
        usage: &Usage,
        (rows, output): (Rows, &mut ShardOutput),
    ) -> Result<u32, Overflow> {
        let empty = compiled.amount_without_usage(usage.cell)?;
        let extra =
            compiled.has_extra.then(|| Extra { fold: FoldState::new(compiled.aggregation), ..Extra::default() });
        let number = self.buckets.insert(Bucket::new(usage.key, Quantity::ZERO, empty), extra);
        if rows == Rows::Keep {
            output.opened.push(self.describe(usage.key));
        }
        Ok(number)
    }

    /// What a bucket's key stands for, in words.
    pub(crate) fn describe(&self, key: BucketKey) -> OpenedBucket {
        let stretch = self.subjects.stretches.get(at(key.stretch)).expect("keys come from this shard");
        let customer = self.subjects.customers.get(at(stretch.customer)).expect("stretches have a customer");
        let combo = self.combos.get(key.combo);
        OpenedBucket {
            customer: self.subjects.name(customer).into(),
            charge: key.charge,
            group: combo.group.clone(),
            cell: combo.cell,
            period: stretch.period,
        }
    }

    /// The group and cell of an event at a charge. `None`: the matrix has no cell for it.
    fn combo(
        &mut self,
        plan: &RatingPlan,
        index: ChargeIdx,
        event: &EventView<'_>,
        bytes: &mut Vec<u8>,
    ) -> Option<(u32, CellIdx)> {
        let (compiled, charge) = plan.charge(index);
        if compiled.combo_slots.is_empty() {
            return Some((NO_COMBO, CellIdx::NONE));
        }
        bytes.clear();
        for slot in &compiled.combo_slots {
            // Lengths go first, so that values cannot run together; an absent value has a length that none has.
            let value = event.text(*slot);
            let len = value.map_or(u32::MAX, |value| u32::try_from(value.len()).unwrap_or(u32::MAX));
            bytes.extend_from_slice(&len.to_le_bytes());
            bytes.extend_from_slice(value.unwrap_or_default().as_bytes());
        }
        let raw = plan.key().text(bytes);
        let combo = self.combos.find((index, charge), raw, |slot| event.text(slot))?;
        Some((combo, self.combos.get(combo).cell))
    }

    fn refuse(
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
        let event_type = batch.event_type.get(i).and_then(|index| plan.catalog().event_types.get(index.at()));
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
            self.counters.count_unpriced(reason, None::<MeterIdx>, Quantity::ZERO);
        }
    }
}

fn set(verdicts: &mut [Verdict], event: u32, verdict: Verdict) {
    if let Some(slot) = verdicts.get_mut(at(event)) {
        *slot = verdict;
    }
}
