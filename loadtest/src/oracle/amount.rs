//! A(S) of one bucket by itself (rating.md 4 and 5): conversion, allowance, price, versions, rounding (b).
//!
//! Owns: A = f·P(0) + Σ [P_v(B(C_v)) − P_v(B(C_{v−1}))] and the sums over events. Does not own: how much allowance a
//! bucket has, nor what buckets share (see `settle`).

use std::collections::BTreeMap;

use anyhow::Result;
use num_bigint::BigInt;
use num_traits::{Signed, Zero};

use super::admission::{Bucket, Usage, brought_amount, version_at};
use super::catalog::{Catalog, Charge, Meter, Version};
use super::fold::checked_sum;
use super::number::{Exact, from_scaled, round, round_amount};
use super::price::per_event::{Before, Counter, Measured, total};
use super::price::{self, Price};

/// What a bucket is priced under.
pub(super) struct Terms<'c> {
    pub(super) catalog: &'c Catalog,
    pub(super) charge: &'c Charge,
    /// The bucket's number among the price's leaves.
    pub(super) leaf: usize,
    /// When the charge was active, [start, end).
    pub(super) active: (i64, i64),
    /// f: which part of the period that is.
    pub(super) fraction: Exact,
    /// In priced units.
    pub(super) allowance: Exact,
}

/// A price and the instant at which it is no longer in force.
struct InForce<'c> {
    price: &'c Price,
    end: i64,
}

impl<'c> Terms<'c> {
    fn meter(&self) -> &'c Meter {
        &self.catalog.meters[self.charge.meters[0].1]
    }

    /// The versions in force one after the other: that of the active part's start, then those that split it.
    fn in_force(&self) -> Vec<InForce<'c>> {
        let (start, end) = self.active;
        let leaf = |version: &'c Version| version.price.leaves()[self.leaf];
        let mut in_force = vec![InForce { price: leaf(version_at(&self.charge.versions, start)), end: i64::MAX }];
        let splits = |version: &&Version| version.splits && start < version.effective_at && version.effective_at < end;
        for version in self.charge.versions.iter().filter(splits) {
            if let Some(before) = in_force.last_mut() {
                before.end = version.effective_at;
            }
            in_force.push(InForce { price: leaf(version), end: i64::MAX });
        }
        in_force
    }

    /// A in 10^-18 units.
    pub(super) fn amount(&self, bucket: &Bucket<'_>, quantities: &[Exact]) -> Result<BigInt> {
        let in_force = self.in_force();
        let first = in_force[0].price;
        if let Price::Capacity(tiers) = first {
            let names = self.charge.meters.iter().map(|(name, _)| name.as_str());
            let quantities: BTreeMap<&str, Exact> = names.zip(quantities.iter().cloned()).collect();
            let nothing = first.of_nothing();
            let amount = &self.fraction * &nothing + price::capacity(tiers, &quantities) - nothing;
            return Ok(round_amount(&amount));
        }
        if first.is_per_event(self.charge.round.is_some()) {
            return Ok(round_amount(&self.sum_over_events(&in_force, &bucket.usages)?));
        }
        let mut amount = &self.fraction * first.of_nothing();
        let mut before = Exact::zero();
        for InForce { price, end } in &in_force {
            let so_far =
                if in_force.len() == 1 { quantities[0].clone() } else { self.sum_before(*end, &bucket.usages)? };
            let priced = self.priced(&so_far);
            amount += price.of(&priced) - price.of(&before);
            before = priced;
        }
        Ok(round_amount(&amount))
    }

    /// C_v: the quantity of the usages before an instant; of counts and sums only.
    fn sum_before(&self, end: i64, usages: &[Usage<'_>]) -> Result<Exact> {
        let before = usages.iter().take_while(|usage| usage.event.time_micros < end);
        Ok(from_scaled(checked_sum(before.map(|usage| usage.value))?, self.meter().scale))
    }

    /// B(Q): what is left for the price after conversion and allowance. Below zero only where the meter allows it.
    fn priced(&self, quantity: &Exact) -> Exact {
        let converted = converted(self.charge, quantity);
        if converted.is_positive() {
            return (converted - &self.allowance).max(Exact::zero());
        }
        if self.meter().allow_negative { converted } else { Exact::zero() }
    }

    /// The sum of a per-event price, each event by the version at its time.
    fn sum_over_events(&self, in_force: &[InForce<'c>], usages: &[Usage<'_>]) -> Result<Exact> {
        let meter = self.meter();
        let mut sum = Exact::zero();
        let mut before = Before::default();
        let mut usages = usages.iter().peekable();
        for InForce { price, end } in in_force {
            let counter = Counter::new(price, meter.scale, self.charge.round);
            let mut counts = BigInt::zero();
            while let Some(usage) = usages.next_if(|usage| usage.event.time_micros < *end) {
                let amount =
                    if matches!(price, Price::Dynamic { .. }) { brought_amount(meter, usage.event)? } else { None };
                let measured = Measured { value: usage.value, amount: amount.unwrap_or_default() };
                counts += counter.count(measured, before);
                before.count += 1;
                before.sum = checked_sum([before.sum, usage.value].into_iter())?;
            }
            sum += total(&counts, counter.denominator());
        }
        Ok(sum)
    }
}

/// Q in priced units.
pub(super) fn converted(charge: &Charge, quantity: &Exact) -> Exact {
    let Some(conversion) = &charge.conversion else { return quantity.clone() };
    let converted = quantity * &conversion.factor;
    match conversion.round {
        Some(mode) => Exact::from(round(&converted, 0, mode)),
        None => converted,
    }
}
