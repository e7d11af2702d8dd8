//! A list that grows without moving what it holds: fixed segments, each allocated once.
//!
//! Owns: memory of the shard's entries. A plain vector would copy everything each time it grows, hold both copies for that
//! moment, and take fresh pages from the system for each; first touching a page costs as much as rating ten events.
#![expect(clippy::arithmetic_side_effects, reason = "positions in segments; no money here")]

use crate::prefetch::prefetch;

const SEGMENT_BITS: u32 = 12;
const SEGMENT_LEN: usize = 1 << SEGMENT_BITS;

/// Entries by number.
#[derive(Debug)]
pub struct Pool<T> {
    segments: Vec<Vec<T>>,
    len: usize,
}

impl<T> Pool<T> {
    /// Empty.
    pub const fn new() -> Pool<T> {
        Pool { segments: Vec::new(), len: 0 }
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Appends an entry; its number is the length before.
    #[inline]
    pub fn push(&mut self, entry: T) {
        if self.len >> SEGMENT_BITS == self.segments.len() {
            self.segments.push(Vec::with_capacity(SEGMENT_LEN));
        }
        self.segments.last_mut().expect("just made sure").push(entry);
        self.len += 1;
    }

    /// An entry.
    #[inline]
    pub fn get(&self, number: u32) -> Option<&T> {
        let (segment, place) = split(number);
        self.segments.get(segment)?.get(place)
    }

    /// An entry.
    #[inline]
    pub fn get_mut(&mut self, number: u32) -> Option<&mut T> {
        let (segment, place) = split(number);
        self.segments.get_mut(segment)?.get_mut(place)
    }

    /// Starts to bring an entry into the cache.
    #[inline]
    pub fn prefetch(&self, number: u32) {
        let (segment, place) = split(number);
        if let Some(segment) = self.segments.get(segment) {
            prefetch(segment, place);
        }
    }

    /// All entries by number.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.segments.iter().flatten()
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
    fn keeps_entries_by_number() {
        let mut pool = Pool::new();
        let count = crate::next_index(SEGMENT_LEN * 2 + 3);
        for number in 0..count {
            assert_eq!(pool.get(number), None);
            pool.push(u64::from(number) * 7);
        }
        assert_eq!(pool.len(), SEGMENT_LEN * 2 + 3);
        for number in 0..count {
            *pool.get_mut(number).unwrap() += 1;
            assert_eq!(pool.get(number), Some(&(u64::from(number) * 7 + 1)));
        }
        let expected: Vec<u64> = (0..u64::from(count)).map(|number| number * 7 + 1).collect();
        assert!(pool.iter().eq(&expected));
    }
}
