//! Aggregations (rating.md 1): from a bucket's set of events to its quantity.
//!
//! Owns: aggregations that need nothing but the bucket. Does not own: levels and readings, which go on from bucket to
//! bucket (see `flow`). Quantities are in whole units of the meter.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use num_bigint::BigInt;

use super::admission::{Usage, measured};
use super::catalog::{Aggregation, Catalog, Charge, Meter, SlotValue};
use super::number::{Exact, Mode, from_scaled, round};

/// The quantities of a bucket that was active in [start, end): one per meter of the charge.
pub(super) fn quantities(
    catalog: &Catalog,
    charge: &Charge,
    usages: &[Usage<'_>],
    active: (i64, i64),
) -> Result<Vec<Exact>> {
    if let [(_, meter)] = charge.meters.as_slice() {
        return Ok(vec![quantity(&catalog.meters[*meter], usages, active)?]);
    }
    let mut quantities = Vec::new();
    for (_, meter) in &charge.meters {
        let meter = &catalog.meters[*meter];
        let mut own = Vec::new();
        for usage in usages {
            own.extend(measured(meter, usage.event)?.map(|value| Usage { event: usage.event, value }));
        }
        quantities.push(quantity(meter, &own, active)?);
    }
    Ok(quantities)
}

/// The quantity of usages in the order of (event_time, source, id); 0 without any.
fn quantity(meter: &Meter, usages: &[Usage<'_>], active: (i64, i64)) -> Result<Exact> {
    let values = || usages.iter().map(|usage| usage.value);
    let scaled = match &meter.aggregation {
        Aggregation::Count | Aggregation::Sum => checked_sum(values())?,
        Aggregation::Max => values().max().unwrap_or_default(),
        Aggregation::Min => values().min().unwrap_or_default(),
        Aggregation::Latest => values().next_back().unwrap_or_default(),
        Aggregation::UniqueCount => {
            let texts: BTreeSet<_> = usages.iter().map(|usage| meter.value.as_ref()?.of(usage.event)).collect();
            return Ok(Exact::from(BigInt::from(texts.len())));
        }
        Aggregation::Percentile { rank, slot_micros, slot_value, fills_zero } => {
            let slots = slots(usages, *slot_micros, *slot_value)?;
            let silent = if *fills_zero { slots_of(active, *slot_micros) - i64::try_from(slots.len())? } else { 0 };
            nearest_rank(slots.into_values().collect(), silent, rank)?
        }
        Aggregation::WeightedSum { .. } | Aggregation::Readings(_) => {
            unreachable!("levels and readings are followed, not folded")
        }
    };
    Ok(from_scaled(scaled, meter.scale))
}

/// The sum of values; quantities that do not fit are no part of the oracle.
pub(super) fn checked_sum(mut values: impl Iterator<Item = i128>) -> Result<i128> {
    values.try_fold(0_i128, i128::checked_add).context("a quantity does not fit")
}

/// The value of each slot with events, by number from the epoch.
fn slots(usages: &[Usage<'_>], slot_micros: i64, slot_value: SlotValue) -> Result<BTreeMap<i64, i128>> {
    let mut slots: BTreeMap<i64, i128> = BTreeMap::new();
    for usage in usages {
        let slot = usage.event.time_micros.div_euclid(slot_micros);
        match slots.get_mut(&slot) {
            None => {
                slots.insert(slot, usage.value);
            }
            Some(value) => match slot_value {
                SlotValue::Sum => *value = value.checked_add(usage.value).context("a slot does not fit")?,
                SlotValue::Max => *value = usage.value.max(*value),
            },
        }
    }
    Ok(slots)
}

/// How many slots overlap [start, end).
fn slots_of((start, end): (i64, i64), slot_micros: i64) -> i64 {
    (end - 1).div_euclid(slot_micros) - start.div_euclid(slot_micros) + 1
}

/// The value at rank ceil(rank · n / 100) of the sorted values, `silent` more of which are 0.
fn nearest_rank(mut values: Vec<i128>, silent: i64, rank: &Exact) -> Result<i128> {
    let count = i64::try_from(values.len())? + silent;
    if count == 0 {
        return Ok(0);
    }
    values.sort_unstable();
    let position = rank * BigInt::from(count) / BigInt::from(100);
    // From 1.
    let position = i64::try_from(round(&position, 0, Mode::Up))?;
    let below_zero = i64::try_from(values.partition_point(|value| *value < 0))?;
    let at = if position <= below_zero {
        position - 1
    } else if position <= below_zero + silent {
        return Ok(0);
    } else {
        position - silent - 1
    };
    Ok(values[usize::try_from(at)?])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values, silent slots, rank, the value at it.
    #[test]
    fn nearest_ranks() {
        for (values, silent, rank, expected) in [
            (vec![], 0, 95, 0),
            (vec![7], 0, 1, 7),
            (vec![5, 1, 3, 2, 4], 0, 50, 3),
            (vec![5, 1, 3, 2, 4], 0, 60, 3),
            (vec![5, 1, 3, 2, 4], 0, 61, 4),
            (vec![5, 1, 3, 2, 4], 0, 100, 5),
            // Of 20 slots, 18 silent, the 19th is the lesser of the two.
            (vec![9, 8], 18, 95, 8),
            (vec![9, 8], 18, 90, 0),
            // -3, 0, 0, 4: the second and third are 0.
            (vec![4, -3], 2, 25, -3),
            (vec![4, -3], 2, 75, 0),
            (vec![4, -3], 2, 76, 4),
        ] {
            let rank = Exact::from(BigInt::from(rank));
            assert_eq!(nearest_rank(values.clone(), silent, &rank).unwrap(), expected, "{values:?} {silent} {rank}");
        }
    }

    #[test]
    fn slots_that_overlap() {
        for (active, expected) in [((0, 600), 2), ((0, 601), 3), ((299, 301), 2), ((300, 600), 1), ((-1, 1), 2)] {
            assert_eq!(slots_of(active, 300), expected, "{active:?}");
        }
    }
}
