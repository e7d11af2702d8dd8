//! Entries of one range of hashes, one behind the other as they came.
//!
//! In blocks of one size: nothing is copied when they become more, and what one range gives back is just right for any other.
#![expect(clippy::arithmetic_side_effects, reason = "counts of entries in memory")]

use crate::prefetch::prefetch;

/// What a slot does not say of an identity: the lower half of the fingerprint's low half, the high half, the payload digest, low words
/// first.
pub type Rest = [u32; 5];

/// Entries of a block, as a power of two: 10 KiB.
const BLOCK_BITS: u32 = 9;
const BLOCK: usize = 1 << BLOCK_BITS;
const BLOCK_BYTES: usize = BLOCK * size_of::<Rest>();

type Block = Box<[Rest; BLOCK]>;

/// Entries by number.
#[derive(Debug, Default)]
pub struct Entries {
    blocks: Vec<Block>,
    len: usize,
}

impl Entries {
    /// Number of entries.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Bytes that they take.
    pub fn bytes(&self) -> usize {
        self.blocks.len() * BLOCK_BYTES + self.blocks.capacity() * size_of::<Block>()
    }

    /// Bytes that `new` entries take at the most, spread over `ranges` ranges of up to `len`.
    pub fn bytes_to_grow(new: usize, ranges: usize, len: usize) -> usize {
        let ranges = ranges.min(new);
        let blocks = (new >> BLOCK_BITS) + ranges;
        // Their list doubles.
        blocks * BLOCK_BYTES + ranges * ((len >> BLOCK_BITS) + 4) * size_of::<Block>()
    }

    /// Appends an entry; its number is the length before.
    #[inline]
    pub fn push(&mut self, rest: Rest) {
        let at = self.len & (BLOCK - 1);
        if at == 0 {
            self.grow();
        }
        if let Some(place) = self.blocks.last_mut().and_then(|block| block.get_mut(at)) {
            *place = rest;
        }
        self.len += 1;
    }

    /// An entry.
    #[inline]
    pub fn get(&self, number: u32) -> Option<&Rest> {
        let number = crate::at(number);
        self.blocks.get(number >> BLOCK_BITS)?.get(number & (BLOCK - 1))
    }

    /// Starts to bring an entry into the cache.
    #[inline]
    pub fn prefetch(&self, number: u32) {
        let number = crate::at(number);
        if let Some(block) = self.blocks.get(number >> BLOCK_BITS) {
            prefetch(block.as_slice(), number & (BLOCK - 1));
        }
    }

    /// Starts to bring the place of the next entry into the cache.
    #[inline]
    pub fn prefetch_next(&self) {
        if let Some(block) = self.blocks.last() {
            prefetch(block.as_slice(), self.len & (BLOCK - 1));
        }
    }

    /// Forgets all, and gives their memory back.
    pub fn clear(&mut self) {
        *self = Entries::default();
    }

    #[cold]
    fn grow(&mut self) {
        let block = vec![[0; 5]; BLOCK].into_boxed_slice().try_into();
        self.blocks.push(block.unwrap_or_else(|_| unreachable!("a block has the length of a block")));
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
            let most = entries.bytes() + Entries::bytes_to_grow(1, 32, entries.len());
            entries.push([number, 1, 2, 3, 4]);
            assert!(entries.bytes() <= most, "{} of {most} bytes for {number}", entries.bytes());
            assert_eq!(entries.get(number), Some(&[number, 1, 2, 3, 4]));
        }
        assert!((0..20_000).all(|number| entries.get(number) == Some(&[number, 1, 2, 3, 4])));
        assert_eq!(entries.get(20_992), None);
        assert!((400_000..400_000 + BLOCK_BYTES + 2048).contains(&entries.bytes()), "{}", entries.bytes());
        entries.clear();
        assert_eq!((entries.len(), entries.bytes(), entries.get(0)), (0, 0, None));
    }
}
