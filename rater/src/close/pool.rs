//! Pools: one ladder or allowance for an account with its child accounts (rating.md 3), shared by quantity at the close.

use std::collections::BTreeMap;
use std::sync::Arc;

use weir_model::catalog::{AccountIdx, Catalog, ChargeIdx, Pool};
use weir_model::charge::{Fraction, Measured, Rule, Terms, meter_of};
use weir_model::number::{Amount, Overflow, Quantity};
use weir_model::price::CellIdx;
use weir_model::rated::{BucketTotal, CustomerPeriod, PoolTotal};
use weir_model::share::share;
use weir_model::time::Period;

use super::{Close, silent};
use crate::plan::Owner;

/// Whose quantities are priced together.
type PoolKey = (AccountIdx, ChargeIdx, Period, Vec<String>, CellIdx);
/// Where a member's bucket is: period, segment, bucket.
type Position = (usize, usize, usize);

/// Gives each member of a pool its share of the pool's amount.
pub(super) fn share_out(close: &Close<'_>, periods: &mut [CustomerPeriod]) -> Result<(), Overflow> {
    let plan = &close.plan;
    if !plan.catalog().charges.iter().any(|charge| charge.pool == Pool::Account) {
        return Ok(());
    }
    // Ties go in the order of customers.
    periods.sort_by(|a, b| (&a.customer, a.period).cmp(&(&b.customer, b.period)));
    add_owed(close, periods)?;
    let mut pools: BTreeMap<PoolKey, Vec<Position>> = BTreeMap::new();
    for (i, period) in periods.iter().enumerate() {
        let Some(root) = root_of(plan.catalog(), period) else { continue };
        for (j, segment) in period.segments.iter().enumerate() {
            for (k, bucket) in segment.buckets.iter().enumerate() {
                if plan.charge(bucket.charge).1.pool == Pool::Account && bucket.events > 0 {
                    let key = (root, bucket.charge, period.period, bucket.group.clone(), bucket.cell);
                    pools.entry(key).or_default().push((i, j, k));
                }
            }
        }
    }
    for ((_, charge, period, _, cell), members) in pools {
        let (_, charge) = plan.charge(charge);
        let mut quantity = Quantity::ZERO;
        let mut weights = Vec::with_capacity(members.len());
        for position in &members {
            let own = bucket_at(periods, *position).ok_or(Overflow)?.quantity();
            quantity = quantity.checked_add(own)?;
            weights.push(own.scaled().unsigned_abs());
        }
        let terms = Terms {
            active: period,
            part: Fraction::WHOLE,
            versions: charge.versions_in(&period),
            allowance: charge.allowance_of(Fraction::WHOLE, meter_of(plan.catalog(), charge))?,
        };
        let amount = Rule { charge, cell, terms: &terms }.amount(&Measured::One(quantity))?;
        for (position, share) in members.iter().zip(share(amount.scaled(), &weights)) {
            let bucket = bucket_at(periods, *position).ok_or(Overflow)?;
            bucket.amount = Amount::from_scaled(share)?;
            bucket.pool = Some(PoolTotal { quantity, amount });
            // What the pool decided, in the member's own part of the period.
            let Terms { active, part, .. } = *bucket.terms;
            bucket.terms = Arc::new(Terms { active, part, ..terms.clone() });
        }
    }
    Ok(())
}

fn bucket_at(periods: &mut [CustomerPeriod], (i, j, k): Position) -> Option<&mut BucketTotal> {
    periods.get_mut(i)?.segments.get_mut(j)?.buckets.get_mut(k)
}

/// Where a pool has no usage at all, its first member owes P(0).
fn add_owed(close: &Close<'_>, periods: &mut [CustomerPeriod]) -> Result<(), Overflow> {
    let plan = &close.plan;
    let mut first: BTreeMap<(AccountIdx, ChargeIdx, Period), Option<(usize, usize)>> = BTreeMap::new();
    for (i, period) in periods.iter().enumerate() {
        let Some(root) = root_of(plan.catalog(), period) else { continue };
        for (j, segment) in period.segments.iter().enumerate() {
            let pooled = plan.owing(segment.plan).iter().filter(|index| plan.charge(**index).1.pool == Pool::Account);
            for &index in pooled {
                let used = segment.buckets.iter().any(|bucket| bucket.charge == index && bucket.events > 0);
                let entry = first.entry((root, index, period.period)).or_insert(Some((i, j)));
                if used {
                    *entry = None;
                }
            }
        }
    }
    for ((_, charge, period), position) in first {
        let Some((i, j)) = position else { continue };
        let owner = periods.get(i).and_then(|period| period.declared).map_or(Owner::Itself, Owner::Declared);
        let whole = plan.segments(owner).iter().position(|segment| segment.periods.period_at(period.start) == period);
        let number = whole.and_then(|number| u32::try_from(number).ok()).unwrap_or(0);
        let mut owed = silent::owed(plan, (owner, number), &period, charge)?;
        if let Some(bucket) = &mut owed {
            // A pool is active all the time, whoever joins or leaves.
            let terms = Terms { part: Fraction::WHOLE, ..(*bucket.terms).clone() };
            let rule = Rule { charge: plan.charge(charge).1, cell: bucket.cell, terms: &terms };
            bucket.amount = rule.amount_without_usage()?;
            bucket.without_usage = bucket.amount;
            bucket.pool = Some(PoolTotal { quantity: Quantity::ZERO, amount: bucket.amount });
        }
        if let Some(segment) = periods.get_mut(i).and_then(|period| period.segments.get_mut(j)) {
            segment.buckets.extend(owed);
            segment.buckets.sort_by(|a, b| (a.charge, &a.group, a.cell).cmp(&(b.charge, &b.group, b.cell)));
        }
    }
    Ok(())
}

/// The account at the top, of a declared customer.
fn root_of(catalog: &Catalog, period: &CustomerPeriod) -> Option<AccountIdx> {
    let mut account = catalog.customers.get(period.declared?.at())?.account;
    // The loader has refused accounts that are their own ancestors.
    while let Some(parent) = catalog.accounts.get(account.at())?.parent {
        account = parent;
    }
    Some(account)
}
