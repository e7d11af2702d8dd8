//! Entries of one range of hashes, one behind the other as they came.
//!
//! In segments of 10 KiB, what a small budget can spare. The one that is written to is at hand: to write an entry costs no way through
//! a list of segments.
#![expect(clippy::arithmetic_side_effects, reason = "positions in segments; no money here")]

use crate::prefetch::prefetch;

/// What a slot does not say of an identity: the lower half of the fingerprint's low half, the high half, the payload digest, low words
/// first.
pub type Rest = [u32; 5];

const SEGMENT_BITS: u32 = 9;
const SEGMENT_LEN: usize = 1 << SEGMENT_BITS;
/// Bytes of a segment.
pub const SEGMENT_BYTES: usize = SEGMENT_LEN * size_of::<Rest>();

/// Entries by number.
#[derive(Debug, Default)]
pub struct Entries {
    full: Vec<Vec<Rest>>,
    last: Vec<Rest>,
}

impl Entries {
    /// Number of entries.
    pub fn len(&self) -> usize {
        (self.full.len() << SEGMENT_BITS) + self.last.len()
    }

    /// Bytes that they take.
    pub fn bytes(&self) -> usize {
        (self.full.len() << SEGMENT_BITS) * size_of::<Rest>() + self.last.capacity() * size_of::<Rest>()
    }

    /// Appends an entry; its number is the length before.
    #[inline]
    pub fn push(&mut self, rest: Rest) {
        if self.last.len() == self.last.capacity() {
            self.begin_segment();
        }
        self.last.push(rest);
    }

    /// An entry.
    #[inline]
    pub fn get(&self, number: u32) -> Option<&Rest> {
        let (segment, place) = split(number);
        self.full.get(segment).unwrap_or(&self.last).get(place)
    }

    /// Starts to bring an entry into the cache.
    #[inline]
    pub fn prefetch(&self, number: u32) {
        let (segment, place) = split(number);
        prefetch(self.full.get(segment).unwrap_or(&self.last), place);
    }

    /// Starts to bring the place of the next entry into the cache.
    #[inline]
    pub fn prefetch_last(&self) {
        prefetch(&self.last, self.last.len().saturating_sub(1));
    }

    #[cold]
    fn begin_segment(&mut self) {
        let full = std::mem::replace(&mut self.last, Vec::with_capacity(SEGMENT_LEN));
        if !full.is_empty() {
            self.full.push(full);
        }
    }
}

#[inline]
fn split(number: u32) -> (usize, usize) {
    let number = crate::at(number);
    (number >> SEGMENT_BITS, number & (SEGMENT_LEN - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn are_kept_by_number() {
        let mut entries = Entries::default();
        assert_eq!((entries.len(), entries.bytes(), entries.get(0)), (0, 0, None));
        for number in 0..1300 {
            assert_eq!(entries.len(), crate::at(number));
            entries.push([number, 1, 2, 3, 4]);
            assert_eq!(entries.get(number), Some(&[number, 1, 2, 3, 4]));
        }
        assert!((0..1300).all(|number| entries.get(number) == Some(&[number, 1, 2, 3, 4])));
        assert_eq!((entries.get(1300), entries.bytes()), (None, 3 * SEGMENT_BYTES));
    }
}
