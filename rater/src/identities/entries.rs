//! Entries of one range of hashes, one behind the other as they came.
//!
//! One piece of memory that is made larger or smaller and hardly ever given back whole: the allocator moves a large piece without
//! copying it and returns to the system what is cut off, so that ranges can have memory in turn and none is lost between them.
#![expect(clippy::arithmetic_side_effects, reason = "counts of entries in memory")]

use crate::prefetch::prefetch;

/// What a slot does not say of an identity: the lower half of the fingerprint's low half, the high half, the payload digest, low words
/// first.
pub type Rest = [u32; 5];

/// Entries of a piece that is moved without being copied: of more than 128 KiB. A smaller one grows by a fourth, a larger one by a part
/// of 64.
const LARGE: usize = 6_600;
/// The least that there is room for: in small steps, and where memory is ample.
const LEAST: usize = 64;
const LEAST_AMPLE: usize = 512;

/// In which steps memory grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Growth {
    /// By a half: memory is ample, and so few steps are what counts.
    Fast,
    /// By little: what is not used is lost.
    Tight,
}

/// Entries by number.
#[derive(Debug, Default)]
pub struct Entries(Vec<Rest>);

impl Entries {
    /// Number of entries.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Bytes that they take.
    pub fn bytes(&self) -> usize {
        self.0.capacity() * size_of::<Rest>()
    }

    /// Bytes that `len` entries take more when they grow.
    pub fn bytes_to_grow(len: usize, growth: Growth) -> usize {
        step(len, growth) * size_of::<Rest>()
    }

    /// Appends an entry; its number is the length before.
    #[inline]
    pub fn push(&mut self, rest: Rest, growth: Growth) {
        if self.0.len() == self.0.capacity() {
            self.grow(growth);
        }
        self.0.push(rest);
    }

    /// An entry.
    #[inline]
    pub fn get(&self, number: u32) -> Option<&Rest> {
        self.0.get(crate::at(number))
    }

    /// Starts to bring an entry into the cache.
    #[inline]
    pub fn prefetch(&self, number: u32) {
        prefetch(&self.0, crate::at(number));
    }

    /// Starts to bring the place of the next entry into the cache.
    #[inline]
    pub fn prefetch_next(&self) {
        prefetch(&self.0, self.0.len().saturating_sub(1));
    }

    /// Forgets all, and gives their memory back; but a large piece stays a large one.
    pub fn clear(&mut self) {
        self.0.clear();
        self.0.shrink_to(if self.0.capacity() > LARGE { LARGE } else { 0 });
    }

    #[cold]
    fn grow(&mut self, growth: Growth) {
        self.0.reserve_exact(step(self.0.len(), growth));
    }
}

fn step(len: usize, growth: Growth) -> usize {
    match growth {
        Growth::Fast => LEAST_AMPLE.max(len >> 1),
        Growth::Tight if len < LARGE => LEAST.max(len >> 2),
        Growth::Tight => len >> 6,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn are_kept_by_number() {
        let mut entries = Entries::default();
        assert_eq!((entries.len(), entries.bytes(), entries.get(0)), (0, 0, None));
        for number in 0..20_000 {
            assert_eq!(entries.len(), crate::at(number));
            entries.push([number, 1, 2, 3, 4], Growth::Tight);
            assert_eq!(entries.get(number), Some(&[number, 1, 2, 3, 4]));
        }
        assert!((0..20_000).all(|number| entries.get(number) == Some(&[number, 1, 2, 3, 4])));
        assert_eq!(entries.get(20_000), None);
        assert!((400_000..400_000 + Entries::bytes_to_grow(20_000, Growth::Tight)).contains(&entries.bytes()));
        entries.clear();
        assert_eq!((entries.len(), entries.bytes(), entries.get(0)), (0, LARGE * 20, None));
    }
}
