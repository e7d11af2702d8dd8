//! From hashes to numbers: what the shard's tables find their entries by.
//!
//! Owns: an open-addressing index of 8-byte slots, a tag and a number each, so that a cache line holds eight and a miss costs
//! one line. Does not own: the entries, which tell for sure whether a tag's number is meant. Not keyed: callers bring hashes
//! that nobody can choose.
//!
//! A slot's tag is the top half of the hash, and the top bits of the tag choose the slot: growing needs no hash again, and
//! copies the slots in order, from front to back.
#![expect(clippy::arithmetic_side_effects, reason = "slot positions, masked; no money here")]

use crate::prefetch::prefetch;

/// No number is `u32::MAX`, so no entry looks like this. Ones, not zeros: pages of zeros are shared until they are written,
/// and a page that is probed before it is written costs an interrupt on every core when it stops being shared.
const EMPTY: u64 = u64::MAX;
const SLOTS_MIN: usize = 1 << 8;
/// At most 2 of 3 slots are taken: beyond, probes that find nothing grow long.
const FULL: (usize, usize) = (2, 3);

/// An index over entries that are numbered from 0.
#[derive(Debug)]
pub struct Index {
    slots: Vec<u64>,
    /// 32 - log2(slots): what is left of a tag is its slot.
    shift: u32,
    len: usize,
}

impl Index {
    /// Empty.
    pub fn new() -> Index {
        Index::with_slots(SLOTS_MIN)
    }

    fn capacity(&self) -> usize {
        capacity_of(self.slots.len())
    }

    fn with_slots(slots: usize) -> Index {
        Index { slots: vec![EMPTY; slots], shift: 32 - slots.trailing_zeros(), len: 0 }
    }

    /// Starts to bring the slots of `hash` into the cache.
    #[inline]
    pub fn prefetch(&self, hash: u64) {
        prefetch(&self.slots, self.home(tag(hash)));
    }

    /// The numbers under the tag of `hash`: almost always none or the right one alone.
    #[inline]
    pub fn numbers(&self, hash: u64) -> impl Iterator<Item = u32> {
        let (mask, tag) = (self.slots.len() - 1, tag(hash));
        let mut position = self.home(tag);
        std::iter::from_fn(move || {
            loop {
                let slot = self.slots.get(position & mask).copied().filter(|slot| *slot != EMPTY)?;
                position += 1;
                if slot >> 32 == tag {
                    return Some(number_in(slot));
                }
            }
        })
    }

    /// Enters a number that is not there yet.
    pub fn insert(&mut self, hash: u64, number: u32) {
        if self.len >= self.capacity() {
            self.grow();
        }
        self.link((tag(hash) << 32) | u64::from(number));
    }

    /// Doubles its room.
    #[cold]
    pub fn grow(&mut self) {
        let mut larger = Index::with_slots(self.slots.len() * 2);
        self.slots.iter().filter(|slot| **slot != EMPTY).for_each(|slot| larger.link(*slot));
        *self = larger;
    }

    fn link(&mut self, entry: u64) {
        let mask = self.slots.len() - 1;
        let mut position = self.home(entry >> 32);
        while self.slots.get(position & mask).is_some_and(|slot| *slot != EMPTY) {
            position += 1;
        }
        if let Some(slot) = self.slots.get_mut(position & mask) {
            *slot = entry;
            self.len += 1;
        }
    }

    #[inline]
    fn home(&self, tag: u64) -> usize {
        usize::try_from(tag >> self.shift).unwrap_or(usize::MAX)
    }
}

fn capacity_of(slots: usize) -> usize {
    // Rounded down, so that twice as many fit into twice the slots.
    (slots * FULL.0).checked_div(FULL.1).unwrap_or(0)
}

#[inline]
fn tag(hash: u64) -> u64 {
    hash >> 32
}

#[inline]
fn number_in(slot: u64) -> u32 {
    u32::try_from(slot & u64::from(u32::MAX)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        /// Against a list, over enough entries to grow several times, with tags that collide and run over the end.
        #[test]
        fn finds_what_was_entered(tags in proptest::collection::vec((0_u64..8, 0_u64..200), 0..3000)) {
            let mut index = Index::new();
            let mut hashes: Vec<u64> = Vec::new();
            for (high, low) in tags {
                let hash = (high.wrapping_mul(0x2492_4924) << 32).wrapping_add(low << 29).wrapping_neg();
                let known = hashes.iter().position(|other| *other == hash);
                let found = index.numbers(hash).find(|number| hashes[crate::at(*number)] == hash);
                proptest::prop_assert_eq!(found.map(crate::at), known);
                if known.is_none() {
                    index.insert(hash, crate::next_index(hashes.len()));
                    hashes.push(hash);
                }
            }
        }
    }
}
