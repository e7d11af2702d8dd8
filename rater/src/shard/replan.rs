//! A shard goes on under a catalog that follows the one before ([`succeed`](weir_model::catalog::succeed)).
//!
//! Owns: what the change does to subjects, stretches, series and open buckets. A bucket that costs something else by it has one
//! row of count 0 that says so. Usage that is rated stays in its bucket: a subject that has another owner has it from its
//! next event on. Does not own: which changes are harmless, which is the model's. Keeps L4, L6.

use std::sync::Arc;

use weir_model::bucket::{BucketState, EventSum, Paid};
use weir_model::catalog::{Catalog, Customer};
use weir_model::charge::{Rule, Terms};
use weir_model::hash::RouteHash;
use weir_model::number::{Amount, Overflow, Quantity};
use weir_model::rated::SettlementRow;
use weir_model::time::{Instant, Period};

use super::Shard;
use super::resume::plain;
use crate::at;
use crate::buckets::{BucketKey, Extra};
use crate::close::Allowances;
use crate::plan::{Owner, Partial, RatingPlan};
use crate::series::GroupKey;
use crate::subjects::{NONE, Stretch, Subjects};

/// Why a shard cannot go on under another plan. It is of no use then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplanError {
    /// The new catalog says something else of a time in which usage is rated already.
    #[error(
        "usage of customer {customer:?} since {starts_at} is rated, but the catalog now says something else of that time"
    )]
    Rated {
        /// The customer's id.
        customer: Box<str>,
        /// Where the bucket or its part of the period begins.
        starts_at: Instant,
    },
    /// A bucket's amount does not fit any more.
    #[error(transparent)]
    Overflow(#[from] Overflow),
}

/// What is different under the new plan, as far as a shard looks at it.
struct Changed {
    /// By customer's number in the shard: whether its plans or their times are others.
    customers: Vec<bool>,
    /// By charge: whether its price has further versions.
    charges: Vec<bool>,
    /// By stretch: whether it was less than its period.
    partial: Vec<Partial>,
}

impl Shard {
    /// Goes on under another plan, compiled with the same key from a catalog that follows this one's. Gives a row for every
    /// bucket whose A(S) - A(∅) is another by the change, in the order of their numbers.
    pub fn replan(&mut self, plan: &Arc<RatingPlan>) -> Result<Vec<SettlementRow>, ReplanError> {
        let before = std::mem::replace(&mut self.plan, Arc::clone(plan));
        let changed = Changed::between(&before, plan, &self.subjects);
        self.combos.forget();
        self.subjects.replan(plan, &changed.customers, &claims(&before, plan));
        if !changed.customers.contains(&true) && !changed.charges.contains(&true) {
            return Ok(Vec::new());
        }
        self.replan_stretches(&before, &changed)?;
        self.replan_allowances(&before)?;
        self.replan_series();
        self.replan_buckets(&before, &changed)
    }

    /// Stretches keep their beginning; a change to come may end them earlier or later. One that only lay ahead may be gone.
    fn replan_stretches(&mut self, before: &RatingPlan, changed: &Changed) -> Result<(), ReplanError> {
        let plan = Arc::clone(&self.plan);
        let is_changed = |stretch: &Stretch| changed.customers.get(at(stretch.customer)) == Some(&true);
        let mut gone = vec![false; self.subjects.stretches.len()];
        for customer in self.subjects.stretches.iter().filter(|stretch| is_changed(stretch)).map(|s| s.customer) {
            if let Some(customer) = self.subjects.customers.get_mut(at(customer)) {
                customer.last_stretch = NONE;
            }
        }
        for (number, stretch) in (0_u32..).zip(&mut self.subjects.stretches) {
            if !is_changed(stretch) {
                continue;
            }
            let customer = self.subjects.customers.get_mut(at(stretch.customer)).expect("stretches have a customer");
            match place(before, &plan, Subjects::owner(customer), stretch) {
                Some((segment, active)) => {
                    (stretch.segment, stretch.active) = (segment, active);
                    stretch.previous = std::mem::replace(&mut customer.last_stretch, number);
                }
                None => {
                    // No chain leads here any more.
                    (stretch.segment, stretch.previous) = (0, NONE);
                    if let Some(slot) = gone.get_mut(at(number)) {
                        *slot = true;
                    }
                }
            }
        }
        if !gone.contains(&true) {
            return Ok(());
        }
        match self.buckets.iter().find(|bucket| gone.get(at(bucket.key().stretch)) == Some(&true)) {
            Some(bucket) => Err(self.rated(bucket.key())),
            None => Ok(()),
        }
    }

    /// What rollover granted moves with the allowance of the period's own.
    fn replan_allowances(&mut self, before: &RatingPlan) -> Result<(), Overflow> {
        let plan = &self.plan;
        let mut changed = Vec::new();
        for (chain, start, granted) in self.allowances.iter() {
            let owner = chain.owner();
            if plan.is_as_before(before, owner) {
                continue;
            }
            let own = |plan: &RatingPlan| {
                let period = plan.segments(owner).get(at(chain.segment))?.periods.period_at(start);
                Some(plan.terms(owner, chain.segment, &period, chain.charge).allowance)
            };
            let (Some(then), Some(now)) = (own(before), own(plan)) else { continue };
            if then != now {
                changed.push((chain.clone(), start, granted.checked_sub(then)?.checked_add(now)?));
            }
        }
        if !changed.is_empty() {
            let mut allowances = Allowances::clone(&self.allowances);
            changed.into_iter().for_each(|(chain, start, granted)| allowances.set(chain, start, granted));
            self.allowances = Arc::new(allowances);
        }
        Ok(())
    }

    /// Numbers of series are the plan's, and those of segments may have moved.
    fn replan_series(&mut self) {
        let (plan, subjects, buckets) = (&self.plan, &self.subjects, &self.buckets);
        self.series.rename(|key, bucket| {
            let bucket = buckets.get(bucket).key();
            let stretch = subjects.stretches.get(at(bucket.stretch)).expect("keys come from this shard");
            let customer = subjects.customers.get(at(stretch.customer)).expect("stretches have a customer");
            let series = plan.charge(bucket.charge).0.series.expect("a charge that follows one with series has them");
            let since = plan.series_since(Subjects::owner(customer), stretch.segment, series.number);
            GroupKey { of: series.number, since, ..key }
        });
    }

    fn replan_buckets(&mut self, before: &RatingPlan, changed: &Changed) -> Result<Vec<SettlementRow>, ReplanError> {
        let mut rows = Vec::new();
        let mut dropped = false;
        for number in 0..crate::next_index(self.buckets.len()) {
            let key = self.buckets.get(number).key();
            let stretch = *self.subjects.stretches.get(at(key.stretch)).expect("keys come from this shard");
            let price_changed = changed.charges.get(key.charge.at()) == Some(&true);
            if !price_changed && changed.customers.get(at(stretch.customer)) != Some(&true) {
                continue;
            }
            let start = stretch.active.start;
            let ((was, charge_before), (is, charge)) = (before.charge(key.charge), self.plan.charge(key.charge));
            if charge.version_at(start) != charge_before.version_at(start) {
                return Err(self.rated(key));
            }
            let partial_before = changed.partial.get(at(key.stretch)).copied().unwrap_or_default();
            let owed = match (was.has_extra(partial_before), is.has_extra(stretch.partial())) {
                (false, false) => continue,
                (true, false) => {
                    dropped = true;
                    self.drop_state(number)?
                }
                (false, true) => {
                    let cell = self.combos.get(key.combo).cell;
                    let without_usage = was.at_zero(charge_before.version_at(start), cell);
                    self.give_state(number, without_usage)?
                }
                (true, true) => self.replan_state(number)?,
            };
            if owed != Amount::ZERO {
                rows.push(SettlementRow { shard: self.number, bucket: self.describe(key), amount: owed });
            }
        }
        if dropped {
            self.keep_states();
        }
        Ok(rows)
    }

    /// A bucket of one quantity and one amount keeps a state from now on; what it owes more by that.
    fn give_state(&mut self, number: u32, without_usage: Amount) -> Result<Amount, ReplanError> {
        let bucket = *self.buckets.get(number);
        let fresh = self.fresh(bucket.key())?;
        let state = match &fresh.state {
            BucketState::Sum(_) => BucketState::Sum(bucket.quantity),
            BucketState::ByVersion(parts) => {
                // All that is rated came before versions that are new.
                let rest = std::iter::repeat_n(Quantity::ZERO, parts.len().saturating_sub(1));
                BucketState::ByVersion(std::iter::once(bucket.quantity).chain(rest).collect())
            }
            // Only amounts that are rounded each have come without a state.
            BucketState::Events(_) => BucketState::Events(EventSum {
                quantity: bucket.quantity,
                paid: Paid::Rounded(bucket.amount),
                free: None,
            }),
            _ => return Err(Overflow.into()),
        };
        self.buckets.give_extra(number, fresh);
        self.set_state(number, state, without_usage)
    }

    /// A bucket goes on with its state under other terms; what it owes more by that.
    fn replan_state(&mut self, number: u32) -> Result<Amount, ReplanError> {
        let key = self.buckets.get(number).key();
        let fresh = self.fresh(key)?;
        let Some(extra) = self.buckets.extra(self.buckets.get(number)) else { return Err(Overflow.into()) };
        if extra.terms == fresh.terms {
            return Ok(Amount::ZERO);
        }
        let state = match (&extra.state, &fresh.state) {
            (BucketState::Series { .. }, series @ BucketState::Series { .. }) => series.clone(),
            (BucketState::Sum(_) | BucketState::ByVersion(_), BucketState::Sum(_) | BucketState::ByVersion(_)) => {
                let of = (&extra.state, extra.terms.versions.len());
                split(of, fresh.terms.versions.len()).ok_or_else(|| self.rated(key))?
            }
            (state, _) => state.clone(),
        };
        let without_usage = extra.without_usage;
        if let Some((_, extra)) = self.buckets.get_with_extra_mut(number) {
            *extra = fresh;
        }
        self.set_state(number, state, without_usage)
    }

    /// Sets the state of a bucket that has its new terms; what it owes more by them.
    fn set_state(&mut self, number: u32, state: BucketState, before: Amount) -> Result<Amount, ReplanError> {
        let plan = Arc::clone(&self.plan);
        let key = self.buckets.get(number).key();
        let cell = self.combos.get(key.combo).cell;
        let (bucket, extra) = self.buckets.get_with_extra_mut(number).ok_or(Overflow)?;
        let rule = Rule { charge: plan.charge(key.charge).1, cell, terms: &extra.terms };
        let owed_before = bucket.amount.checked_sub(before)?;
        extra.state = state;
        extra.without_usage = extra.state.amount_without_usage(&rule)?;
        bucket.amount = extra.state.amount(&rule, &extra.frames)?;
        Ok(bucket.amount.checked_sub(extra.without_usage)?.checked_sub(owed_before)?)
    }

    /// A bucket whose period is whole again is one quantity and one amount; what it owes more by that.
    fn drop_state(&mut self, number: u32) -> Result<Amount, ReplanError> {
        let bucket = *self.buckets.get(number);
        let key = bucket.key();
        let extra = self.buckets.extra(&bucket).ok_or(Overflow)?;
        let owed_before = bucket.amount.checked_sub(extra.without_usage)?;
        let start = self.subjects.stretches.get(at(key.stretch)).expect("keys come from this shard").active.start;
        let cell = self.combos.get(key.combo).cell;
        let (quantity, amount) = match &extra.state {
            BucketState::Events(EventSum { quantity, paid: Paid::Rounded(paid), free: None }) => (*quantity, *paid),
            BucketState::Sum(quantity) => (*quantity, plain(&self.plan, key.charge, (start, cell), *quantity)?),
            _ => return Err(Overflow.into()),
        };
        let (compiled, charge) = self.plan.charge(key.charge);
        let without_usage = compiled.at_zero(charge.version_at(start), cell);
        let bucket = self.buckets.get_mut(number);
        (bucket.quantity, bucket.amount) = (quantity, amount);
        Ok(amount.checked_sub(without_usage)?.checked_sub(owed_before)?)
    }

    /// Leaves no state without a bucket.
    fn keep_states(&mut self) {
        let has_state = |key: BucketKey| {
            let stretch = self.subjects.stretches.get(at(key.stretch)).expect("keys come from this shard");
            self.plan.charge(key.charge).0.has_extra(stretch.partial())
        };
        let with_state = (0_u32..).zip(self.buckets.iter()).filter(|(_, bucket)| has_state(bucket.key()));
        let numbers: Vec<u32> = with_state.map(|(number, _)| number).collect();
        self.buckets.keep_extras(&numbers);
    }

    /// The state that a bucket would begin with now; of a series, what its events have come to.
    fn fresh(&mut self, key: BucketKey) -> Result<Extra, Overflow> {
        let plan = Arc::clone(&self.plan);
        let (compiled, charge) = plan.charge(key.charge);
        let terms: Terms = self.terms(&plan, key);
        let rule = Rule { charge, cell: self.combos.get(key.combo).cell, terms: &terms };
        let mut state = BucketState::new(&rule, &compiled.aggregations())?;
        if let Some(group) = self.group_of(&plan, compiled, key) {
            let (quantity, opening) = self.series.quantity(group, compiled.first().aggregation, &terms.active)?;
            state = BucketState::Series { quantity, opening };
        }
        let without_usage = state.amount_without_usage(&rule)?;
        let frames = compiled.frames(&terms);
        Ok(Extra { state, without_usage, terms: Arc::new(terms), frames })
    }

    fn rated(&self, key: BucketKey) -> ReplanError {
        let bucket = self.describe(key);
        ReplanError::Rated { customer: bucket.customer, starts_at: bucket.start }
    }
}

impl Changed {
    fn between(before: &RatingPlan, plan: &RatingPlan, subjects: &Subjects) -> Changed {
        let is_other = |customer| !plan.is_as_before(before, Subjects::owner(customer));
        let versions = |catalog: &Catalog| -> Vec<usize> { catalog.charges.iter().map(|c| c.versions.len()).collect() };
        let charges = versions(before.catalog()).into_iter().zip(versions(plan.catalog()));
        Changed {
            customers: subjects.customers.iter().map(is_other).collect(),
            charges: charges.map(|(then, now)| then != now).collect(),
            partial: subjects.stretches.iter().map(Stretch::partial).collect(),
        }
    }
}

/// Where a stretch lies under the new plan: it begins where it began, in the same plan and period.
fn place(before: &RatingPlan, plan: &RatingPlan, owner: Owner, stretch: &Stretch) -> Option<(u32, Period)> {
    let start = stretch.active.start;
    let segment = plan.segment_at(owner, start).ok()?;
    let (then, now) = (before.segment(owner, stretch.segment), plan.segment(owner, segment));
    let active = plan.active(owner, segment, &stretch.period);
    let stays = then.plan == now.plan && active.start == start && now.periods.period_at(start) == stretch.period;
    stays.then_some((segment, active))
}

/// Quantities by version, with versions to come added or taken away. `None`: those have usage.
fn split((state, before): (&BucketState, usize), after: usize) -> Option<BucketState> {
    let mut parts = match state {
        BucketState::ByVersion(parts) => parts.clone(),
        BucketState::Sum(quantity) => vec![*quantity],
        _ => return None,
    };
    parts.resize(before.max(after), Quantity::ZERO);
    if parts.drain(after..).any(|part| part != Quantity::ZERO) {
        return None;
    }
    Some(match parts.as_slice() {
        [one] => BucketState::Sum(*one),
        _ => BucketState::ByVersion(parts),
    })
}

/// Subjects that may have another owner than before.
fn claims(before: &RatingPlan, plan: &RatingPlan) -> Vec<RouteHash> {
    let (then, now) = (&before.catalog().customers, &plan.catalog().customers);
    let mut claims = Vec::new();
    for (number, customer) in now.iter().enumerate() {
        let earlier = then.get(number);
        // Without a plan nobody has its subjects.
        let is_same = |earlier: &Customer| {
            earlier.subjects == customer.subjects && earlier.plan.is_some() == customer.plan.is_some()
        };
        if earlier.is_some_and(is_same) {
            continue;
        }
        let names = earlier.into_iter().flat_map(|earlier| &earlier.subjects).chain(&customer.subjects);
        claims.extend(names.chain([&customer.id]).map(|name| plan.key().route(name.as_bytes())));
    }
    claims
}
