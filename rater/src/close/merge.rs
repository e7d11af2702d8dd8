//! Merges the parts that several shards rated of one bucket, exactly, and settles the difference.

use std::collections::BTreeMap;

use weir_model::aggregation::FoldState;
use weir_model::charge::BucketRule;
use weir_model::hash::Digest;
use weir_model::number::{Amount, Overflow, Quantity};
use weir_model::rated::{BucketTotal, CustomerPeriod, OpenedBucket, SettlementRow};
use weir_model::share::share;

use super::{Close, Identity, MergeKey, Merging, identity};
use crate::at;
use crate::plan::Owner;
use crate::shard::Shard;

/// One shard's part of a bucket.
#[derive(Debug, Clone)]
pub struct Part {
    shard: u16,
    /// Q of the part.
    quantity: Quantity,
    fold: Option<FoldState>,
    own: Amount,
    amount: Amount,
    events: u64,
    digest: Digest,
}

/// All parts of the customers that are merged.
#[derive(Debug, Default)]
pub struct Parts(Merging);

impl Parts {
    /// Collects the buckets of the customers that `wanted` names.
    pub(super) fn collect(shards: &[Shard], wanted: impl Fn(Identity) -> bool) -> Parts {
        let mut parts = Parts::default();
        for shard in shards {
            let mut identities: Vec<Option<Identity>> = vec![None; shard.subjects.customers.len()];
            for subject in &shard.subjects.subjects {
                let number = at(subject.customer);
                if let (Some(slot), Some(customer)) = (identities.get_mut(number), shard.subjects.customers.get(number))
                {
                    *slot = Some(identity(customer, subject.hash));
                }
            }
            if !identities.iter().flatten().any(|identity| wanted(*identity)) {
                continue;
            }
            let is_wanted = |number: u32| identities.get(at(number)).copied().flatten().is_some_and(&wanted);
            parts.collect_shard(shard, is_wanted);
        }
        parts
    }

    fn collect_shard(&mut self, shard: &Shard, is_wanted: impl Fn(u32) -> bool) {
        for bucket in shard.buckets.as_slice().iter().filter(|bucket| bucket.events() > 0) {
            let key = bucket.key();
            let stretch = shard.subjects.stretches.get(at(key.stretch)).expect("keys come from this shard");
            if !is_wanted(stretch.customer) {
                continue;
            }
            let customer = shard.subjects.customers.get(at(stretch.customer)).expect("stretches have a customer");
            let total = super::bucket_total(shard, bucket);
            let extra = shard.plan.charge(key.charge).0.has_extra.then(|| shard.buckets.extra(bucket)).flatten();
            let part = Part {
                shard: shard.number,
                quantity: total.quantity,
                fold: extra.and_then(|extra| extra.fold.clone()),
                own: extra.map_or(Amount::ZERO, |extra| extra.own),
                amount: total.amount,
                events: total.events,
                digest: total.digest,
            };
            let period = (shard.subjects.name(customer).to_owned(), stretch.period);
            let entry = self.0.entry(period).or_insert_with(|| (customer.declared, customer.plan, BTreeMap::new()));
            entry.2.entry((total.charge, total.group, total.cell)).or_default().push(part);
        }
    }

    /// Whole periods, and the settlement rows of buckets with several parts.
    pub(super) fn merge(self, close: &Close<'_>) -> Result<(Vec<CustomerPeriod>, Vec<SettlementRow>), Overflow> {
        let mut periods = Vec::new();
        let mut settlements = Vec::new();
        for ((customer, period), (declared, plan, buckets)) in self.0 {
            let owner = declared.map_or(Owner::Itself(plan), |declared| Owner::Declared(declared, plan));
            let mut whole = CustomerPeriod {
                customer,
                declared,
                plan,
                active: close.active(owner, period),
                period,
                sealed: close.is_sealed(&period),
                buckets: Vec::new(),
            };
            for (key, parts) in buckets {
                let total = merge_bucket(close, &key, &parts)?;
                settle(close, &whole, &total, &parts, &mut settlements)?;
                whole.buckets.push(total);
            }
            close.complete(&mut whole)?;
            periods.push(whole);
        }
        Ok((periods, settlements))
    }
}

fn merge_bucket(close: &Close<'_>, (charge, group, cell): &MergeKey, parts: &[Part]) -> Result<BucketTotal, Overflow> {
    let (compiled, priced) = close.plan.charge(*charge);
    let mut fold = FoldState::new(compiled.aggregation);
    let mut sum = Quantity::ZERO;
    let (mut own, mut amounts) = (Amount::ZERO, Amount::ZERO);
    let (mut events, mut digest) = (0_u64, Digest::default());
    for part in parts {
        match (&mut fold, &part.fold) {
            (Some(fold), Some(other)) => fold.merge(other),
            _ => sum = sum.checked_add(part.quantity)?,
        }
        own = own.checked_add(part.own)?;
        amounts = amounts.checked_add(part.amount)?;
        events = events.saturating_add(part.events);
        digest = digest.plus(part.digest);
    }
    let quantity = fold.map_or(Ok(sum), |fold| fold.quantity(compiled.one))?;
    let amount = match priced.rule(*cell).ok_or(Overflow)? {
        BucketRule::Cumulative(price) => priced.cumulative_amount(price, quantity)?,
        BucketRule::Dynamic(price) => price.exact(own)?.round()?,
        BucketRule::RoundedUnit(_) | BucketRule::RoundedDynamic(_) => amounts,
    };
    Ok(BucketTotal { charge: *charge, group: group.clone(), cell: *cell, quantity, events, amount, digest })
}

/// A(S) - A(∅) - Σ(A(S_i) - A(∅)), shared by the parts' |quantity|.
fn settle(
    close: &Close<'_>,
    whole: &CustomerPeriod,
    total: &BucketTotal,
    parts: &[Part],
    settlements: &mut Vec<SettlementRow>,
) -> Result<(), Overflow> {
    let empty = close.plan.charge(total.charge).1.amount_without_usage(total.cell)?;
    let mut residual = total.amount.checked_sub(empty)?;
    for part in parts {
        residual = residual.checked_sub(part.amount.checked_sub(empty)?)?;
    }
    if residual == Amount::ZERO {
        return Ok(());
    }
    let weights: Vec<u128> = parts.iter().map(|part| part.quantity.scaled().unsigned_abs()).collect();
    let shares = share(residual.scaled(), &weights);
    for (part, amount) in parts.iter().zip(shares).filter(|(_, amount)| *amount != 0) {
        settlements.push(SettlementRow {
            shard: part.shard,
            bucket: OpenedBucket {
                customer: whole.customer.as_str().into(),
                charge: total.charge,
                group: total.group.iter().map(|value| Box::from(value.as_str())).collect(),
                cell: total.cell,
                period: whole.period,
            },
            amount: Amount::from_scaled(amount)?,
        });
    }
    Ok(())
}
