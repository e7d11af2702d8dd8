//! What a close does to the shards: it seals periods, lets levels last through periods without events, and lets allowances
//! roll over.

use std::collections::BTreeSet;
use std::sync::Arc;

use weir_model::aggregation::{Aggregation, Carry, LevelValues};
use weir_model::catalog::ChargeIdx;
use weir_model::number::{Overflow, Quantity};
use weir_model::rated::{OpenedBucket, SettlementRow};
use weir_model::time::Instant;

use super::rollover;
use super::totals::extra_of;
use crate::at;
use crate::buckets::{BucketKey, hash_of};
use crate::plan::RatingPlan;
use crate::shard::Shard;
use crate::subjects::Subjects;

/// What sealing did to buckets.
#[derive(Debug, Default)]
pub struct Sealed {
    /// Buckets that it opened, by shard: their numbers go on from those that batches opened.
    pub opened: Vec<(u16, OpenedBucket)>,
    /// Rows by which rollover changes buckets that are there already.
    pub adjustments: Vec<SettlementRow>,
}

/// Seals every period that ends at or before `through`, or before what an earlier close has sealed.
pub fn seal(shards: &mut [Shard], plan: &Arc<RatingPlan>, through: Instant) -> Result<Sealed, Overflow> {
    let before = shards.first().and_then(Shard::sealed_through);
    let through = before.map_or(through, |before| before.max(through));
    let mut sealed = Sealed::default();
    for shard in shards.iter_mut() {
        let first = shard.buckets.len();
        shard.carry_levels(plan, through)?;
        let opened = shard.buckets.iter().skip(first);
        sealed.opened.extend(opened.map(|bucket| (shard.number, shard.describe(bucket.key()))));
    }
    sealed.adjustments = rollover::roll(shards, plan, (before, through))?;
    for shard in shards.iter_mut() {
        shard.seals.push(through);
    }
    Ok(sealed)
}

impl Shard {
    /// Opens the buckets of periods up to `through` in which a level from before lasts although nothing happened.
    fn carry_levels(&mut self, plan: &Arc<RatingPlan>, through: Instant) -> Result<(), Overflow> {
        for number in 0..self.series.groups().len() {
            let number = crate::next_index(number);
            let group = self.series.groups().get(at(number)).expect("counted");
            let (key, buckets) = (group.key, group.buckets.clone());
            let Some(first) = buckets.first().map(|bucket| self.buckets.get(*bucket)) else { continue };
            let (compiled, _) = plan.charge(first.key().charge);
            let (Aggregation::WeightedSum(weighted), Some(of)) = (compiled.first().aggregation, compiled.series) else {
                continue;
            };
            if of.carry == Carry::Bucket {
                continue;
            }
            let covered: BTreeSet<Instant> = buckets.iter().filter_map(|bucket| self.active_start(*bucket)).collect();
            let Some(&start) = covered.first() else { continue };
            let group = (number, weighted.values);
            self.carry_from(plan, (key.customer, key.combo, of.number), group, (start, through))?;
        }
        Ok(())
    }

    fn active_start(&self, bucket: u32) -> Option<Instant> {
        let bucket = self.buckets.get(bucket);
        extra_of(self, bucket).map(|extra| extra.terms.active.start)
    }

    fn carry_from(
        &mut self,
        plan: &Arc<RatingPlan>,
        (customer, combo, of): (u32, u32, u32),
        (group, values): (u32, LevelValues),
        (start, through): (Instant, Instant),
    ) -> Result<(), Overflow> {
        let mut from = start;
        // Until the customer has no plan any more, or nothing more is sealed. Of two plans the later one's period may end first.
        while let Ok(stretch) = self.subjects.stretch_at(plan, customer, from)
            && from < through
        {
            let here = *self.subjects.stretches.get(at(stretch)).expect("just found");
            let owner = Subjects::owner(self.subjects.customers.get(at(customer)).expect("stretches have a customer"));
            let charges = plan.catalog().plans.get(plan.segment(owner, here.segment).plan.at());
            let charges = charges.map_or(&[][..], |plan| plan.charges.as_slice()).iter();
            let shares = |charge: &&ChargeIdx| plan.charge(**charge).0.series.is_some_and(|series| series.number == of);
            let mut sharing = charges.filter(shares).peekable();
            // A plan without the charge ends the level.
            if sharing.peek().is_none() {
                return Ok(());
            }
            for &charge in sharing {
                let (stretch, charge) = self.home(plan, stretch, charge);
                let key = BucketKey { stretch, charge, combo };
                let begins = self.subjects.stretches.get(at(stretch)).expect("just found").active.start;
                let lasts = self.series.level_before(group, values, begins)? != Quantity::ZERO;
                if lasts && here.period.end <= through && self.buckets.find(key, hash_of(key)).is_none() {
                    self.open_with_extra(plan, key)?;
                }
            }
            from = here.active.end;
        }
        Ok(())
    }
}
