//! Slots of one range of hashes: which entries may be meant by a tag.
//!
//! Open addressing in the order of tags: a tag's home is the share of the slots that its share of the range is, and what stands between
//! two free slots is sorted. So any number of slots will do, growing is one pass from front to back, and reading from front to back is
//! reading in order. What does not fit before the end stands behind it: nothing wraps around.
#![expect(clippy::arithmetic_side_effects, reason = "slot positions; no money here")]

use crate::prefetch::prefetch;

/// No entry has the number `u32::MAX`, so no slot looks like this. Ones, not zeros: pages of zeros are shared until they are written,
/// and a page that is probed before it is written costs an interrupt on every core when it stops being shared.
const EMPTY: u64 = u64::MAX;
/// Homes are full when 17 of 20 are taken: beyond, probes that find nothing grow long.
const FULL: (usize, usize) = (17, 20);
/// Slots of a piece of memory that can be made smaller and larger without being copied: of more than 128 KiB.
const LARGE: usize = 16 << 10;
/// Slots in a line of cache.
const LINE: usize = 8;
/// Slots behind the last home, at first.
const BEHIND: usize = 32;

/// A tag in the upper half of a word, the number of an entry in the lower half.
#[derive(Debug)]
pub struct Slots {
    words: Vec<u64>,
    homes: usize,
    /// How many are taken before it is full.
    full_at: usize,
    len: usize,
}

/// Where a tag's slot is, or where it would be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// The entry has this number.
    Number(u32),
    /// No entry; it would be entered here.
    Absent(usize),
}

impl Slots {
    /// Empty, with so many homes.
    pub fn new(homes: usize) -> Slots {
        let words = vec![EMPTY; homes + BEHIND];
        Slots { words, homes, full_at: capacity(homes), len: 0 }
    }

    /// Bytes that they take.
    pub fn bytes(&self) -> usize {
        self.words.capacity() * size_of::<u64>()
    }

    /// How many are taken.
    pub fn len(&self) -> usize {
        self.len
    }

    /// How many homes there are.
    pub fn homes(&self) -> usize {
        self.homes
    }

    /// Whether it is time to grow.
    #[inline]
    pub fn is_full(&self) -> bool {
        self.len >= self.full_at
    }

    /// Starts to bring the home of a tag into the cache. `share` is the tag's share of the range, in parts of 2^32.
    #[inline]
    pub fn prefetch(&self, share: u64) {
        let home = home(share, self.homes);
        prefetch(&self.words, home);
        prefetch(&self.words, home + LINE);
    }

    /// The first number under `tag` of which `is_meant` holds.
    #[inline]
    pub fn find(&self, tag: u64, share: u64, is_meant: impl Fn(u32) -> bool) -> Found {
        let mut at = home(share, self.homes);
        // A free slot looks greater than any other.
        while self.words.get(at).is_some_and(|word| *word < tag << 32) {
            at += 1;
        }
        while let Some(word) = self.words.get(at).copied().filter(|word| tag_in(*word) == tag && *word != EMPTY) {
            if is_meant(number_in(word)) {
                return Found::Number(number_in(word));
            }
            at += 1;
        }
        Found::Absent(at)
    }

    /// Enters a number, greater than all before, where [`Slots::find`] did not find it.
    #[inline]
    pub fn insert(&mut self, mut at: usize, tag: u64, number: u32) {
        let mut moved = (tag << 32) | u64::from(number);
        while let Some(word) = self.words.get_mut(at).filter(|word| **word != EMPTY) {
            std::mem::swap(word, &mut moved);
            at += 1;
        }
        if let Some(free) = self.words.get_mut(at) {
            *free = moved;
        } else {
            self.words.reserve_exact(BEHIND);
            self.words.push(moved);
        }
        self.len += 1;
    }

    /// More homes. `share` gives a tag's share of the range; `scratch` is memory to be used again.
    #[cold]
    pub fn grow(&mut self, homes: usize, share: impl Fn(u64) -> u64, scratch: &mut Vec<u64>) {
        scratch.clear();
        scratch.reserve_exact(self.words.len());
        scratch.extend_from_slice(&self.words);
        // No home moves by more than there are more of them, and so nothing needs more room behind the end.
        let slots = scratch.len() + homes - self.homes;
        self.words.reserve_exact(slots - scratch.len());
        self.words.clear();
        self.words.resize(slots, EMPTY);
        (self.homes, self.full_at) = (homes, capacity(homes));
        let mut next = 0;
        for word in scratch.iter().copied() {
            // Without branches: whether a slot is free cannot be predicted. A free one is written where the next one goes.
            let is_taken = word != EMPTY;
            let at = if is_taken { home(share(tag_in(word)), homes).max(next) } else { next };
            if let Some(slot) = self.words.get_mut(at) {
                *slot = word;
            }
            next = at + usize::from(is_taken);
        }
    }

    /// Takes all taken slots, in order. Their memory is to be given back with [`Slots::reuse`]: no slots until then.
    pub fn take(&mut self) -> Vec<u64> {
        let mut words = std::mem::take(&mut self.words);
        words.retain(|word| *word != EMPTY);
        self.len = 0;
        words
    }

    /// Empty again, in the memory of `words` if that is a large piece, or in less where they left much of it free.
    pub fn reuse(&mut self, mut words: Vec<u64>, homes_min: usize) {
        let is_large = words.capacity() > LARGE;
        let needed = if is_large { homes_min.max(words.len() + (words.len() >> 2)) } else { homes_min };
        if needed < self.homes - (self.homes >> 2) {
            (self.homes, self.full_at) = (needed, capacity(needed));
            words.truncate(needed);
            words.shrink_to(needed + BEHIND);
        }
        words.fill(EMPTY);
        let slots = (self.homes + BEHIND).max(words.capacity());
        words.resize(slots, EMPTY);
        self.words = words;
    }

    /// All taken slots in order.
    pub fn iter(&self) -> impl Iterator<Item = u64> {
        self.words.iter().copied().filter(|word| *word != EMPTY)
    }
}

/// The tag in a word.
#[inline]
pub fn tag_in(word: u64) -> u64 {
    word >> 32
}

/// The number in a word.
#[inline]
pub fn number_in(word: u64) -> u32 {
    u32::try_from(word & u64::from(u32::MAX)).unwrap_or(u32::MAX)
}

fn capacity(homes: usize) -> usize {
    (homes * FULL.0).checked_div(FULL.1).unwrap_or(0)
}

#[inline]
fn home(share: u64, homes: usize) -> usize {
    usize::try_from((share * u64::try_from(homes).unwrap_or(u64::MAX)) >> 32).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        /// Against a list, over enough entries to grow many times, with tags that collide and run over the end.
        #[test]
        fn finds_what_was_entered(tags in proptest::collection::vec((0_u64..8, 0_u64..200), 0..3000)) {
            let mut slots = Slots::new(64);
            let (mut known, mut scratch): (Vec<u64>, Vec<u64>) = (Vec::new(), Vec::new());
            for (high, low) in tags {
                let tag = (high.wrapping_mul(0x2492_4924) + (low << 3)) & 0xFFFF_FFFF;
                let hash = (tag << 8) | (low & 1);
                let expected = known.iter().position(|other| *other == hash);
                match slots.find(tag, tag, |number| known[crate::at(number)] == hash) {
                    Found::Number(number) => proptest::prop_assert_eq!(Some(crate::at(number)), expected),
                    Found::Absent(at) => {
                        proptest::prop_assert_eq!(expected, None);
                        slots.insert(at, tag, crate::next_index(known.len()));
                        known.push(hash);
                    }
                }
                if slots.is_full() {
                    slots.grow(slots.homes() + (slots.homes() >> 3), |tag| tag, &mut scratch);
                }
            }
            proptest::prop_assert_eq!((slots.len(), slots.iter().count()), (known.len(), known.len()));
            proptest::prop_assert!(slots.iter().is_sorted());
            let words = slots.take();
            let mut numbers: Vec<u32> = words.iter().copied().map(number_in).collect();
            numbers.sort_unstable();
            proptest::prop_assert!(numbers.into_iter().eq(0..crate::next_index(known.len())));
            let homes = slots.homes();
            slots.reuse(words, 64);
            proptest::prop_assert_eq!((slots.len(), slots.iter().count(), slots.find(7, 7, |_| true)), (0, 0, Found::Absent(home(7, slots.homes()))));
            proptest::prop_assert!(slots.homes() <= homes && slots.words.len() >= slots.homes() + BEHIND);
        }
    }
}
