//! A list that grows without moving what it holds: fixed segments, each allocated once.
//!
//! Owns: memory of the shard's entries. A plain vector would copy everything each time it grows, hold both copies for that
//! moment, and take fresh pages from the system for each; first touching a page costs as much as rating ten events.
#![expect(clippy::arithmetic_side_effects, reason = "positions in segments; no money here")]

use crate::prefetch::prefetch;

/// Entries by number, 2^BITS to a segment.
#[derive(Debug)]
pub struct Pool<T, const BITS: u32 = 12> {
    segments: Vec<Vec<T>>,
    len: usize,
}

impl<T, const BITS: u32> Pool<T, BITS> {
    const SEGMENT_LEN: usize = 1 << BITS;

    /// Empty.
    pub const fn new() -> Pool<T, BITS> {
        Pool { segments: Vec::new(), len: 0 }
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Appends an entry; its number is the length before.
    #[inline]
    pub fn push(&mut self, entry: T) {
        let segment = self.len >> BITS;
        if segment == self.segments.len() {
            self.segments.push(Vec::with_capacity(Self::SEGMENT_LEN));
        }
        self.segments.get_mut(segment).expect("just made sure").push(entry);
        self.len += 1;
    }

    /// An entry.
    #[inline]
    pub fn get(&self, number: u32) -> Option<&T> {
        let (segment, place) = Self::split(number);
        self.segments.get(segment)?.get(place)
    }

    /// An entry.
    #[inline]
    pub fn get_mut(&mut self, number: u32) -> Option<&mut T> {
        let (segment, place) = Self::split(number);
        self.segments.get_mut(segment)?.get_mut(place)
    }

    /// Starts to bring an entry into the cache.
    #[inline]
    pub fn prefetch(&self, number: u32) {
        let (segment, place) = Self::split(number);
        if let Some(segment) = self.segments.get(segment) {
            prefetch(segment, place);
        }
    }

    /// All entries by number.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.segments.iter().flatten()
    }

    #[inline]
    fn split(number: u32) -> (usize, usize) {
        let number = crate::at(number);
        (number >> BITS, number & (Self::SEGMENT_LEN - 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_entries_by_number() {
        let mut pool: Pool<u64, 4> = Pool::new();
        let count = 16 * 2 + 3;
        for number in 0..count {
            assert_eq!(pool.get(number), None);
            pool.push(u64::from(number) * 7);
        }
        assert_eq!(pool.len(), 35);
        for number in 0..count {
            *pool.get_mut(number).unwrap() += 1;
            assert_eq!(pool.get(number), Some(&(u64::from(number) * 7 + 1)));
        }
        let expected: Vec<u64> = (0..u64::from(count)).map(|number| number * 7 + 1).collect();
        assert!(pool.iter().eq(&expected));
    }
}
