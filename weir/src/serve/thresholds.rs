//! Thresholds: told once per customer and period when usage has reached them (design.md 4.4, L6).
//!
//! Owns: whom to look at, what was told already, and the outbox of what was told. Evaluated at ticks of the log, over the merged parts of a
//! customer, so that the log alone decides what is told and when. Does not own: delivery.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use weir_model::catalog::{Catalog, Threshold, ThresholdAt};
use weir_model::event::EventBatch;
use weir_model::hash::RouteHash;
use weir_model::number::{Amount, Overflow, Quantity};
use weir_model::rated::CustomerPeriod;
use weir_model::time::Instant;
use weir_rater::close::live_of;
use weir_rater::{RatingPlan, Shard};

/// Records that are kept; older ones were read long ago.
const TOLD_MAX: usize = 100_000;

/// A threshold that was reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Reached {
    /// Its number among all that were reached, from 1, without gaps.
    pub number: u64,
    /// Whose usage.
    pub customer: String,
    /// The plan that has the threshold.
    pub plan: String,
    /// The threshold's name.
    pub threshold: String,
    /// The period's first instant.
    pub period_start: String,
    /// The first instant after it.
    pub period_end: String,
    /// What usage had come to: an amount or a quantity, as decimal text.
    pub value: String,
    /// The log's time of the tick that found it.
    pub reached_at: String,
    /// The tick's offset.
    pub offset: u64,
}

/// What was told of a customer: its period's end and start in microseconds, its id, the threshold.
type Key = (i64, i64, String, String);

/// What was told; a part of snapshots.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Told {
    /// In periods that are not sealed.
    keys: BTreeSet<Key>,
    /// The outbox, oldest first.
    records: Vec<Reached>,
    /// The number of the latest record.
    last: u64,
    /// Subjects with events since the last tick.
    touched: BTreeSet<u128>,
}

impl Told {
    /// Records behind a number.
    pub fn after(&self, number: u64) -> &[Reached] {
        let first = self.records.partition_point(|record| record.number <= number);
        self.records.get(first..).unwrap_or_default()
    }

    /// Remembers whose events have come. Not only those that changed something: a shard that is ahead of the log does not say which did,
    /// and to look at somebody in vain does no harm.
    pub fn touch(&mut self, batch: &EventBatch) {
        self.touched.extend(batch.events.iter().map(|event| event.subject_hash.0));
    }

    /// Looks at everybody whose usage has changed since the last tick.
    pub fn tick(
        &mut self,
        (shards, plan): (&[Shard], &Arc<RatingPlan>),
        (offset, log_time): (u64, Instant),
    ) -> Result<(), Overflow> {
        if self.touched.is_empty() {
            return Ok(());
        }
        let subjects = std::mem::take(&mut self.touched).into_iter().map(RouteHash).collect();
        let catalog = plan.catalog();
        let has_some = |plan: weir_model::catalog::PlanIdx| {
            catalog.plans.get(plan.at()).is_some_and(|plan| !plan.thresholds.is_empty())
        };
        for period in live_of(shards, plan, &subjects, has_some)? {
            if !period.seal.is_sealed() {
                self.look(catalog, &period, (offset, log_time))?;
            }
        }
        Ok(())
    }

    /// Forgets what was told of periods that are sealed now.
    pub fn seal(&mut self, through: Instant) {
        self.keys = self.keys.split_off(&(through.micros().saturating_add(1), i64::MIN, String::new(), String::new()));
    }

    fn look(
        &mut self,
        catalog: &Catalog,
        period: &CustomerPeriod,
        (offset, log_time): (u64, Instant),
    ) -> Result<(), Overflow> {
        for segment in &period.segments {
            let Some(plan) = catalog.plans.get(segment.plan.at()) else { continue };
            for threshold in &plan.thresholds {
                let Some(value) = reached(catalog, period, threshold)? else { continue };
                let bounds = (period.period.end.micros(), period.period.start.micros());
                if !self.keys.insert((bounds.0, bounds.1, period.customer.clone(), threshold.name.clone())) {
                    continue;
                }
                self.last += 1;
                self.records.push(Reached {
                    number: self.last,
                    customer: period.customer.clone(),
                    plan: plan.name.clone(),
                    threshold: threshold.name.clone(),
                    period_start: period.period.start.to_string(),
                    period_end: period.period.end.to_string(),
                    value,
                    reached_at: log_time.to_string(),
                    offset,
                });
            }
        }
        let surplus = self.records.len().saturating_sub(TOLD_MAX);
        self.records.drain(..surplus);
        Ok(())
    }
}

/// Whether a catalog has any.
pub fn are_in(catalog: &Catalog) -> bool {
    catalog.plans.iter().any(|plan| !plan.thresholds.is_empty())
}

/// What a customer's period has come to, if that reaches the threshold.
fn reached(catalog: &Catalog, period: &CustomerPeriod, threshold: &Threshold) -> Result<Option<String>, Overflow> {
    match &threshold.at {
        ThresholdAt::Amount(at) => {
            let add = |sum: Amount, amount: Amount| sum.checked_add(amount);
            let sum = period.buckets().map(|bucket| bucket.amount).try_fold(Amount::ZERO, add)?;
            Ok((sum >= *at).then(|| sum.to_string()))
        }
        ThresholdAt::Quantity { charge: name, quantity: at } => {
            let (mut sum, mut scale) = (Quantity::ZERO, None);
            for bucket in period.buckets() {
                let charge = &catalog.charges[bucket.charge.at()];
                if charge.name == *name {
                    sum = sum.checked_add(bucket.quantity())?;
                    scale = Some(weir_model::charge::meter_of(catalog, charge).scale);
                }
            }
            Ok(scale.filter(|_| sum >= *at).map(|scale| sum.to_text(scale)))
        }
    }
}
