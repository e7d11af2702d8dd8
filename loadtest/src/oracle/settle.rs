//! What buckets share: an allowance over a charge, a pool over an account (rating.md 3).
//!
//! Owns: settled amounts, which replace those of the buckets by themselves.

use std::collections::BTreeMap;

use anyhow::Result;
use num_bigint::BigInt;
use num_traits::{Signed, Zero};

use super::admission::{Bucket, Usage};
use super::amount::{Terms, converted};
use super::calendar::Period;
use super::evaluation::Evaluation;
use super::number::{Exact, Mode, from_scaled, pow10, round, share};
use super::rollover::Rolled;

/// Splits each charge-scoped allowance over the buckets of its frame, by converted quantity.
pub(super) fn share_allowances(evaluation: &mut Evaluation<'_, '_>, rolled: &Rolled) -> Result<()> {
    for frame in 0..evaluation.buckets_of.len() {
        let frames = &mut evaluation.admission.frames;
        let charge = frames.charge(frames.list[frame].place());
        if !charge.allowance.as_ref().is_some_and(|allowance| allowance.is_shared) {
            continue;
        }
        let scale = frames.catalog.meters[charge.meters[0].1].scale;
        let whole = rolled.allowance(frames, &(frame, None))? * pow10(scale);
        let buckets = evaluation.buckets_of[frame].clone();
        let weigh = |at: &usize| converted(charge, &evaluation.quantities[at][0]).max(Exact::zero());
        let weights: Vec<Exact> = buckets.iter().map(weigh).collect();
        for (at, share) in buckets.iter().zip(share(&whole.to_integer(), &weights)) {
            let amount = evaluation.amount_with(*at, from_scaled(share, scale))?;
            evaluation.amounts.insert(*at, amount);
        }
    }
    Ok(())
}

/// Which pool, and which of its buckets: root account, plan, charge, period, group, leaf. An undeclared customer is
/// alone.
type Pool = (Result<String, String>, String, String, Period, Vec<String>, usize);

/// Prices each pooled charge once for an account with its children, and shares the amount by quantity.
pub(super) fn pool(evaluation: &mut Evaluation<'_, '_>) -> Result<()> {
    let mut pools: BTreeMap<Pool, Vec<usize>> = BTreeMap::new();
    for at in evaluation.amounts.keys() {
        let bucket = &evaluation.admission.buckets[*at];
        let frames = &evaluation.admission.frames;
        let frame = &frames.list[bucket.frame];
        let place = frame.place();
        let charge = frames.charge(place);
        if charge.is_pooled {
            let party = &frames.parties[place.party];
            let root = party.root.clone().ok_or_else(|| party.id.clone());
            let plan = frames.plan(place.party, place.segment).name.clone();
            let group = bucket.group.iter().map(|&value| value.to_owned()).collect();
            let pool = (root, plan, charge.name.clone(), frame.period, group, bucket.leaf);
            pools.entry(pool).or_default().push(*at);
        }
    }
    for (_, mut members) in pools {
        let frames = &evaluation.admission.frames;
        members.sort_by_key(|at| {
            let frame = &frames.list[evaluation.admission.buckets[*at].frame];
            (&frames.parties[frame.place().party].id, frame.active_start())
        });
        settle_pool(evaluation, &members)?;
    }
    Ok(())
}

/// Members in the order of customers. Those without usage owe nothing, unless nobody has any: then the first owes P(0).
fn settle_pool(evaluation: &mut Evaluation<'_, '_>, members: &[usize]) -> Result<()> {
    let with_usage: Vec<usize> = members.iter().copied().filter(|at| evaluation.has_usage(*at)).collect();
    let owing = if with_usage.is_empty() { members[..1].to_vec() } else { with_usage };
    let usages: Vec<Usage<'_>> =
        owing.iter().flat_map(|at| evaluation.admission.buckets[*at].usages.iter().copied()).collect();
    let sum: Exact = owing.iter().map(|at| &evaluation.quantities[at][0]).sum();

    let first = &evaluation.admission.buckets[owing[0]];
    let frames = &evaluation.admission.frames;
    let frame = &frames.list[first.frame];
    let charge = frames.charge(frame.place());
    let scale = frames.catalog.meters[charge.meters[0].1].scale;
    let allowance = charge.allowance.as_ref().map_or_else(Exact::zero, |allowance| allowance.quantity.clone());
    let terms = Terms {
        catalog: frames.catalog,
        charge,
        leaf: first.leaf,
        active: (frame.period.start, frame.period.end),
        // A pool prices whole periods.
        fraction: Exact::from(BigInt::from(1)),
        allowance: from_scaled(round(&allowance, scale, Mode::HalfAway), scale),
    };
    let union = Bucket { frame: first.frame, leaf: first.leaf, group: first.group.clone(), usages };
    let amount = terms.amount(&union, &[sum])?;
    let weights: Vec<Exact> = owing.iter().map(|at| evaluation.quantities[at][0].abs()).collect();
    let mut shares: BTreeMap<usize, BigInt> = owing.into_iter().zip(share(&amount, &weights)).collect();
    for at in members {
        evaluation.amounts.insert(*at, shares.remove(at).unwrap_or_else(BigInt::zero));
    }
    Ok(())
}
