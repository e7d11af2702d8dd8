//! Sums found by hash: for keys that are few among many.
#![expect(clippy::arithmetic_side_effects, reason = "slot positions, masked; quantities are checked")]

use weir_model::number::{Overflow, Quantity};

use super::{Sum, SumKey};
use crate::at;

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
pub struct SparseSums {
    slots: Vec<Slot>,
    /// 64 - log2(slots): what is left of a hash is its slot.
    shift: u32,
    len: usize,
}

impl Default for SparseSums {
    fn default() -> SparseSums {
        SparseSums::with_slots(SLOTS_MIN)
    }
}

impl SparseSums {
    fn with_slots(slots: usize) -> SparseSums {
        SparseSums { slots: vec![EMPTY; slots], shift: 64 - slots.trailing_zeros(), len: 0 }
    }

    /// Number of sums.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Adds to a sum.
    pub fn add(&mut self, key: SumKey, by: Sum) -> Result<(), Overflow> {
        // Two of three slots at most are taken.
        if (self.len + 1) * 3 > self.slots.len() * 2 {
            self.grow();
        }
        let slot = self.entry(key);
        slot.quantity = slot.quantity.checked_add(by.quantity)?;
        slot.events = slot.events.checked_add(by.events).ok_or(Overflow)?;
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
                sums.extend(
                    stretch.iter().map(|slot| (slot.key.lane, Sum { quantity: slot.quantity, events: slot.events })),
                );
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

    #[inline]
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
        let mut larger = SparseSums::with_slots(self.slots.len() * 2);
        for slot in self.slots.iter().filter(|slot| slot.key != EMPTY.key) {
            *larger.entry(slot.key) = *slot;
        }
        *self = larger;
    }

    #[inline]
    fn home(&self, key: SumKey) -> usize {
        let packed = (u64::from(key.stretch) << 32) | u64::from(key.lane);
        // Stretches and lanes are counted from 0: the product's top bits tell them apart.
        let hash = (packed ^ (packed >> 29)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        usize::try_from(hash >> self.shift).unwrap_or(usize::MAX)
    }
}
