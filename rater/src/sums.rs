//! Usage added up before it comes to its buckets: one sum for whatever shares a bucket.
//!
//! Owns: a table of 32-byte entries, found by the numbers that callers give to stretches and lanes; a stretch is one subject's
//! part of a period, a lane is a charge with one choice of group and cell. Does not own: what the numbers mean. Keeps L5.
#![expect(clippy::arithmetic_side_effects, reason = "slot positions, masked; quantities are checked")]

use weir_model::number::{Overflow, Quantity};

use crate::at;
use crate::prefetch::prefetch;

/// Where some usage belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SumKey {
    /// Number of the stretch; below `u32::MAX`.
    pub stretch: u32,
    /// Number of the lane.
    pub lane: u32,
}

/// What some usages came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sum {
    /// Their values together.
    pub quantity: Quantity,
    /// How many they are.
    pub events: u64,
}

#[derive(Debug, Clone, Copy)]
#[repr(align(32))]
struct Slot {
    quantity: Quantity,
    events: u64,
    key: SumKey,
}

const _: () = assert!(size_of::<Slot>() == 32);

const EMPTY: Slot = Slot { quantity: Quantity::ZERO, events: 0, key: SumKey { stretch: u32::MAX, lane: 0 } };
const SLOTS_MIN: usize = 1 << 8;
/// Parts that sums are sorted in.
const PARTS: usize = 512;

/// Sums by key.
#[derive(Debug)]
pub struct Sums {
    slots: Vec<Slot>,
    /// 64 - log2(slots): what is left of a hash is its slot.
    shift: u32,
    len: usize,
}

impl Default for Sums {
    fn default() -> Sums {
        Sums::with_slots(SLOTS_MIN)
    }
}

impl Sums {
    fn with_slots(slots: usize) -> Sums {
        Sums { slots: vec![EMPTY; slots], shift: 64 - slots.trailing_zeros(), len: 0 }
    }

    /// Number of sums.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds usages, one event each: a few hundred at a time. On overflow some are added.
    pub fn add(&mut self, usages: &[(SumKey, Quantity)]) -> Result<(), Overflow> {
        // Two of three slots at most are taken.
        while (self.len + usages.len()) * 3 > self.slots.len() * 2 {
            self.grow();
        }
        // Little is done for each: only many misses under way at once hide what each takes.
        usages.iter().for_each(|(key, _)| prefetch(&self.slots, self.home(*key)));
        for (key, value) in usages {
            let slot = self.entry(*key);
            slot.quantity = slot.quantity.checked_add(*value)?;
            slot.events = slot.events.checked_add(1).ok_or(Overflow)?;
        }
        Ok(())
    }

    /// Calls `visit` for the sums of every stretch, and forgets them; the memory is kept.
    pub fn drain<E>(&mut self, mut visit: impl FnMut(u32, &[(u32, Sum)]) -> Result<(), E>) -> Result<(), E> {
        let mut parts = self.parted();
        self.slots.fill(EMPTY);
        self.len = 0;
        let mut sums = Vec::new();
        for part in &mut parts {
            part.sort_unstable_by_key(|slot| slot.key);
            for stretch in part.chunk_by(|a, b| a.key.stretch == b.key.stretch) {
                sums.clear();
                sums.extend(stretch.iter().map(|slot| (slot.key.lane, Sum { quantity: slot.quantity, events: slot.events })));
                visit(stretch.first().map_or(0, |slot| slot.key.stretch), &sums)?;
            }
        }
        Ok(())
    }

    /// The taken slots in parts of neighbouring stretches, each small enough to be sorted in the processor's cache.
    fn parted(&self) -> Vec<Vec<Slot>> {
        let taken = || self.slots.iter().filter(|slot| slot.key != EMPTY.key);
        let stretches = taken().map(|slot| at(slot.key.stretch) + 1).max().unwrap_or(0);
        let per_part = stretches.div_ceil(PARTS).max(1);
        let part_of = |slot: &Slot| at(slot.key.stretch).checked_div(per_part).unwrap_or(0);
        let mut lens = [0_usize; PARTS];
        taken().for_each(|slot| lens[part_of(slot)] += 1);
        let mut parts: Vec<Vec<Slot>> = lens.iter().map(|len| Vec::with_capacity(*len)).collect();
        taken().for_each(|slot| parts[part_of(slot)].push(*slot));
        parts
    }

    #[inline(always)]
    fn entry(&mut self, key: SumKey) -> &mut Slot {
        let mask = self.slots.len() - 1;
        let mut position = self.home(key);
        while self.slots[position].key != key {
            if self.slots[position].key == EMPTY.key {
                self.slots[position].key = key;
                self.len += 1;
                break;
            }
            position = (position + 1) & mask;
        }
        &mut self.slots[position]
    }

    #[cold]
    fn grow(&mut self) {
        let mut larger = Sums::with_slots(self.slots.len() * 2);
        for slot in self.slots.iter().filter(|slot| slot.key != EMPTY.key) {
            *larger.entry(slot.key) = *slot;
        }
        *self = larger;
    }

    #[inline(always)]
    fn home(&self, key: SumKey) -> usize {
        let packed = (u64::from(key.stretch) << 32) | u64::from(key.lane);
        // Stretches and lanes are counted from 0: the product's top bits tell them apart.
        let hash = (packed ^ (packed >> 29)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        usize::try_from(hash >> self.shift).unwrap_or(usize::MAX)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    proptest::proptest! {
        /// Against a map, over enough keys to grow several times, in pieces, used again after it was drained.
        #[test]
        fn adds_up(usages in proptest::collection::vec((0_u32..300, 0_u32..20, 0_i128..1000), 0..4000), piece in 1_usize..500) {
            let mut sums = Sums::default();
            for _ in 0..2 {
                let mut expected: BTreeMap<SumKey, (i128, u64)> = BTreeMap::new();
                let usages: Vec<(SumKey, Quantity)> = usages
                    .iter()
                    .map(|(stretch, lane, value)| (SumKey { stretch: *stretch, lane: *lane }, Quantity::from_scaled(*value)))
                    .collect();
                for (key, value) in &usages {
                    let entry = expected.entry(*key).or_default();
                    *entry = (entry.0 + value.scaled(), entry.1 + 1);
                }
                usages.chunks(piece).for_each(|piece| sums.add(piece).unwrap());
                proptest::prop_assert_eq!(sums.len(), expected.len());
                let (mut found, mut next) = (BTreeMap::new(), 0);
                sums.drain(|stretch, sums| {
                    assert!(next <= stretch && !sums.is_empty());
                    next = stretch + 1;
                    found.extend(sums.iter().map(|(lane, sum)| (SumKey { stretch, lane: *lane }, (sum.quantity.scaled(), sum.events))));
                    Ok::<_, Overflow>(())
                }).unwrap();
                proptest::prop_assert_eq!(found, expected);
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_an_overflow() {
        let key = SumKey { stretch: 0, lane: 0 };
        let half = Quantity::from_scaled(weir_model::number::QUANTITY_LIMIT / 2);
        let mut sums = Sums::default();
        assert_eq!(sums.add(&[(key, half)]), Ok(()));
        assert_eq!(sums.add(&[(key, half)]), Err(Overflow));
    }
}
