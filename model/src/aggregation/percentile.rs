//! `percentile`: events fall into equal time slots; the quantity is the value of the slot at a rank (nearest rank).

use std::collections::BTreeMap;

use super::Observation;
use crate::number::{Overflow, Quantity};
use crate::time::{Instant, Period};

/// How slots are filled and ranked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Percentile {
    /// The rank as a fraction of 1: 95 is 95 / 100.
    pub rank: (u64, u64),
    /// Length of a slot; divides 15 minutes, so that slots fit into every zone's days.
    pub slot_micros: i64,
    /// What a slot makes of its events.
    pub slot_value: SlotValue,
    /// Whether slots without events count.
    pub fill: Fill,
}

/// What a slot makes of its events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SlotValue {
    /// Their sum.
    Sum,
    /// The greatest.
    Max,
}

/// What slots without events are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fill {
    /// Not there.
    Skip,
    /// Zero.
    Zero,
}

impl Percentile {
    /// Number of slots that overlap a period.
    pub fn slots_in(&self, period: &Period) -> u64 {
        if period.start >= period.end {
            return 0;
        }
        let last = period.end.micros().saturating_sub(1).div_euclid(self.slot_micros);
        let count = last.saturating_sub(period.start.micros().div_euclid(self.slot_micros)).saturating_add(1);
        u64::try_from(count).unwrap_or(0)
    }

    fn slot(&self, at: Instant) -> i64 {
        at.micros().div_euclid(self.slot_micros)
    }

    fn joined(&self, before: Option<Quantity>, value: Quantity) -> Result<Quantity, Overflow> {
        match (before, self.slot_value) {
            (None, _) => Ok(value),
            (Some(before), SlotValue::Sum) => before.checked_add(value),
            (Some(before), SlotValue::Max) => Ok(before.max(value)),
        }
    }

    /// Position from 1 of the ranked value among `count`: ceil(rank x count).
    fn position(&self, count: u64) -> u64 {
        let (numerator, denominator) = self.rank;
        let product = u128::from(count).saturating_mul(u128::from(numerator));
        // A rank is at most 1, so the position is at most the count.
        u64::try_from(product.div_ceil(u128::from(denominator.max(1)))).unwrap_or(count).max(1)
    }
}

/// The slots with events.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Slots {
    by_number: BTreeMap<i64, Quantity>,
    /// The same values, ascending.
    sorted: Vec<Quantity>,
}

impl Slots {
    /// Slot numbers and values, for snapshots.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (i64, Quantity)> {
        self.by_number.iter().map(|(number, value)| (*number, *value))
    }

    pub(super) fn observe(&mut self, percentile: &Percentile, observation: &Observation<'_>) -> Result<(), Overflow> {
        let number = percentile.slot(observation.time);
        let before = self.by_number.get(&number).copied();
        self.set(number, percentile.joined(before, observation.value)?);
        Ok(())
    }

    /// Sets a slot's value.
    pub fn set(&mut self, number: i64, value: Quantity) {
        if let Some(before) = self.by_number.insert(number, value)
            && let Ok(position) = self.sorted.binary_search(&before)
        {
            self.sorted.remove(position);
        }
        let position = self.sorted.partition_point(|other| *other < value);
        self.sorted.insert(position, value);
    }

    pub(super) fn quantity_with(
        &self,
        percentile: &Percentile,
        observation: &Observation<'_>,
        slots: u64,
    ) -> Result<Quantity, Overflow> {
        let before = self.by_number.get(&percentile.slot(observation.time)).copied();
        let after = percentile.joined(before, observation.value)?;
        Ok(self.ranked(percentile, slots, before, Some(after)))
    }

    pub(super) fn merge(&mut self, percentile: &Percentile, other: &Slots) -> Result<(), Overflow> {
        for (number, value) in other.iter() {
            let before = self.by_number.get(&number).copied();
            self.set(number, percentile.joined(before, value)?);
        }
        Ok(())
    }

    pub(super) fn quantity(&self, percentile: &Percentile, slots: u64) -> Quantity {
        self.ranked(percentile, slots, None, None)
    }

    /// The ranked value if `without` were gone from the slots and `with` were there.
    fn ranked(
        &self,
        percentile: &Percentile,
        slots: u64,
        without: Option<Quantity>,
        with: Option<Quantity>,
    ) -> Quantity {
        let held = self
            .sorted
            .len()
            .saturating_sub(usize::from(without.is_some()))
            .saturating_add(usize::from(with.is_some()));
        let held = u64::try_from(held).unwrap_or(u64::MAX);
        let zeros = match percentile.fill {
            Fill::Skip => 0,
            Fill::Zero => slots.saturating_sub(held),
        };
        let count = held.saturating_add(zeros);
        if count == 0 {
            return Quantity::ZERO;
        }
        // Zeros stand between the negative values and the others.
        let below = |limit: Quantity| {
            let own = self.sorted.partition_point(|value| *value < limit);
            let gone = without.is_some_and(|value| value < limit);
            let come = with.is_some_and(|value| value < limit);
            u64::try_from(own.saturating_sub(usize::from(gone)).saturating_add(usize::from(come))).unwrap_or(u64::MAX)
        };
        let position = percentile.position(count);
        let negative = below(Quantity::ZERO);
        if position > negative && position <= negative.saturating_add(zeros) {
            return Quantity::ZERO;
        }
        let position = if position > negative { position.saturating_sub(zeros) } else { position };
        self.nth(position.saturating_sub(1), without, with)
    }

    /// The value at a position from 0 of the sorted values with one exchanged.
    fn nth(&self, position: u64, without: Option<Quantity>, with: Option<Quantity>) -> Quantity {
        let gone = without.map(|value| self.sorted.partition_point(|other| *other < value));
        let come = with.map(|value| {
            let before = self.sorted.partition_point(|other| *other < value);
            // Counted among the values that stay.
            before.saturating_sub(usize::from(gone.is_some_and(|gone| gone < before)))
        });
        let wanted = usize::try_from(position).unwrap_or(usize::MAX);
        if come == Some(wanted) {
            return with.unwrap_or_default();
        }
        let among_staying = wanted.saturating_sub(usize::from(come.is_some_and(|come| come < wanted)));
        let index = among_staying.saturating_add(usize::from(gone.is_some_and(|gone| gone <= among_staying)));
        self.sorted.get(index).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots(values: &[i128]) -> Slots {
        let mut slots = Slots::default();
        for (number, value) in (0_i64..).zip(values) {
            slots.set(number, Quantity::from_scaled(*value));
        }
        slots
    }

    fn percentile(rank: u64, fill: Fill) -> Percentile {
        Percentile { rank: (rank, 100), slot_micros: 60_000_000, slot_value: SlotValue::Sum, fill }
    }

    #[test]
    fn nearest_rank() {
        for (rank, fill, of, values, expected) in [
            (95, Fill::Skip, 0, vec![], 0),
            (95, Fill::Skip, 0, vec![7], 7),
            (50, Fill::Skip, 0, vec![15, 20, 35, 40, 50], 35),
            (40, Fill::Skip, 0, vec![15, 20, 35, 40, 50], 20),
            (100, Fill::Skip, 0, vec![15, 20, 35, 40, 50], 50),
            (1, Fill::Skip, 0, vec![15, 20], 15),
            (95, Fill::Zero, 100, vec![1, 2, 3, 4, 5], 0),
            (96, Fill::Zero, 100, vec![1, 2, 3, 4, 5], 1),
            (100, Fill::Zero, 100, vec![1, 2, 3, 4, 5], 5),
            (1, Fill::Zero, 100, vec![-4, 9], -4),
            (2, Fill::Zero, 100, vec![-4, 9], 0),
        ] {
            let quantity = slots(&values).quantity(&percentile(rank, fill), of);
            assert_eq!(quantity.scaled(), expected, "p{rank} of {values:?} in {of} slots");
        }
    }

    /// A slot that is zero and grows stands between the negative ones and the zeros of slots without events.
    #[test]
    fn a_slot_of_zero_is_not_negative() {
        let percentile = percentile(50, Fill::Zero);
        let mut slots = slots(&[-3, 0, 0]);
        let observation = Observation {
            value: Quantity::from_scaled(-1),
            own: crate::number::Amount::ZERO,
            distinct: 0,
            time: Instant::from_micros(60_000_001),
            source: b"",
            id: b"",
            estimated: false,
            fingerprint: 0,
        };
        for of in 3..9 {
            let ahead = slots.quantity_with(&percentile, &observation, of).unwrap();
            let mut after = slots.clone();
            after.observe(&percentile, &observation).unwrap();
            assert_eq!(ahead, after.quantity(&percentile, of), "{of} slots");
        }
        slots.observe(&percentile, &observation).unwrap();
        assert_eq!(slots.quantity(&percentile, 3), Quantity::from_scaled(-1));
    }

    proptest::proptest! {
        /// Looking ahead gives what observing leads to.
        #[test]
        fn ahead_is_after(
            values in proptest::collection::vec((0_i64..12, -5_i128..9), 0..20),
            next in (0_i64..14, -5_i128..9), rank in 1_u64..=100, zero: bool, of in 12_u64..20,
        ) {
            let percentile = percentile(rank, if zero { Fill::Zero } else { Fill::Skip });
            let observation = |(slot, value): (i64, i128)| Observation {
                value: Quantity::from_scaled(value),
                own: crate::number::Amount::ZERO,
                distinct: 0,
                time: Instant::from_micros(slot * 60_000_000 + 1),
                source: b"",
                id: b"",
                estimated: false,
                fingerprint: 0,
            };
            let mut slots = Slots::default();
            for value in values {
                slots.observe(&percentile, &observation(value)).unwrap();
            }
            let ahead = slots.quantity_with(&percentile, &observation(next), of).unwrap();
            slots.observe(&percentile, &observation(next)).unwrap();
            proptest::prop_assert_eq!(ahead, slots.quantity(&percentile, of));
        }
    }
}
