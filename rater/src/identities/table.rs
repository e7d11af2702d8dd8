//! Identities in memory: every identity's 128-bit fingerprint with the digest of its first content.
//!
//! Entries of 24 bytes stand one behind the other as they came; an [`Index`] finds them, so that a new identity costs one
//! random cache line, that of its slot.

use weir_model::hash::{Fingerprint, PayloadDigest};

use crate::index::Index;
use crate::next_index;
use crate::pool::Pool;

/// What an identity turns out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// Seen for the first time.
    New,
    /// Known, with the same content.
    Duplicate,
    /// Known, with another content.
    Conflict,
}

/// Fingerprint (low and high half), then the payload digest.
pub(super) type Entry = [u64; 3];
/// No identity looks like this: see [`halves`].
pub(super) const NO_ENTRY: Entry = [u64::MAX; 3];

/// Entries in segments of 12 KiB: what a small budget can spare.
type Entries = Pool<Entry, 9>;

/// Identities of one shard.
#[derive(Debug)]
pub struct Table {
    /// By the low half of the fingerprint.
    index: Index,
    /// In the order in which they came.
    entries: Entries,
}

impl Table {
    /// Holds `len` identities without growing.
    pub fn with_capacity(len: usize) -> Table {
        Table { index: Index::with_capacity(len), entries: Entries::new() }
    }

    /// Bytes of a table that holds `len` identities without growing, once it is full.
    pub fn bytes_for(len: usize) -> usize {
        let index = Index::with_capacity(0).capacity().max(len);
        Index::bytes_for(index).saturating_add(Entries::bytes_for(index))
    }

    /// Bytes that growing takes for a moment beside what there is, and the larger table in the end.
    pub fn bytes_to_grow(&self) -> usize {
        let capacity = self.capacity();
        Table::bytes_for(capacity.saturating_mul(2)).saturating_sub(Entries::bytes_for(capacity))
    }

    /// How many identities it holds without growing.
    pub fn capacity(&self) -> usize {
        self.index.capacity()
    }

    /// How many identities can be entered before it grows.
    pub fn room(&self) -> usize {
        self.capacity().saturating_sub(self.len())
    }

    /// Number of identities.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Doubles its room.
    pub fn grow(&mut self) {
        self.index.grow();
    }

    /// Starts to bring the slot of an identity into the cache.
    #[inline]
    pub fn prefetch(&self, fingerprint: Fingerprint) {
        let [low, _] = halves(fingerprint);
        self.index.prefetch(low);
    }

    /// Looks an identity up and enters it if it is new.
    #[inline]
    pub fn admit(&mut self, fingerprint: Fingerprint, payload: PayloadDigest) -> Admission {
        let [low, high] = halves(fingerprint);
        for number in self.index.numbers(low) {
            if let Some(&[known_low, known_high, first]) = self.entries.get(number)
                && [known_low, known_high] == [low, high]
            {
                return if first == payload.0 { Admission::Duplicate } else { Admission::Conflict };
            }
        }
        self.index.insert(low, next_index(self.entries.len()));
        self.entries.push([low, high, payload.0]);
        Admission::New
    }

    /// All identities in the order in which they came.
    pub fn iter(&self) -> impl Iterator<Item = (Fingerprint, PayloadDigest)> {
        self.entries.iter().map(|entry| identity(*entry))
    }

    /// Calls `visit` for every entry, ascending, and forgets them all; the memory is kept. After an error they are forgotten too.
    pub fn drain_sorted<E>(&mut self, mut visit: impl FnMut(Entry) -> Result<(), E>) -> Result<(), E> {
        let Table { index, entries } = self;
        let entry = |number: u32| entries.get(number).copied().unwrap_or(NO_ENTRY);
        let drained = index.drain(entry, |number| entries.prefetch(number), &mut visit);
        entries.clear();
        drained
    }
}

/// What an entry stands for.
pub(super) fn identity([low, high, payload]: Entry) -> (Fingerprint, PayloadDigest) {
    (Fingerprint(u128::from(low) | (u128::from(high) << 64)), PayloadDigest(payload))
}

/// Low and high half. The one fingerprint in 2^128 that could look like no entry becomes its neighbour.
pub(super) fn halves(fingerprint: Fingerprint) -> [u64; 2] {
    let value = fingerprint.0.min(u128::MAX - 1);
    let low = u64::try_from(value & u128::from(u64::MAX)).unwrap_or(u64::MAX);
    let high = u64::try_from(value >> 64).unwrap_or(u64::MAX);
    [low, high]
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    proptest::proptest! {
        /// Against a plain map, over enough identities to grow several times, with clustered low halves.
        #[test]
        fn agrees_with_a_map(events in proptest::collection::vec((0_u128..40, 0_u128..300, 0_u64..3), 0..6000)) {
            let mut identities = Table::with_capacity(0);
            let mut model: HashMap<u128, u64> = HashMap::new();
            for (high, low, payload) in events {
                let fingerprint = (high << 64) | (low << 60) | low;
                let expected = match model.get(&fingerprint) {
                    None => Admission::New,
                    Some(first) if *first == payload => Admission::Duplicate,
                    Some(_) => Admission::Conflict,
                };
                model.entry(fingerprint).or_insert(payload);
                proptest::prop_assert_eq!(identities.admit(Fingerprint(fingerprint), PayloadDigest(payload)), expected);
            }
            proptest::prop_assert_eq!(identities.len(), model.len());
            proptest::prop_assert_eq!(identities.iter().count(), model.len());
            let mut sorted: Vec<Entry> = model.iter().map(|(fingerprint, payload)| {
                let [low, high] = halves(Fingerprint(*fingerprint));
                [low, high, *payload]
            }).collect();
            sorted.sort_unstable();
            let mut drained = Vec::new();
            let Ok(()) = identities.drain_sorted(|entry| {
                drained.push(entry);
                Ok::<_, std::convert::Infallible>(())
            });
            proptest::prop_assert_eq!(drained, sorted);
            proptest::prop_assert_eq!((identities.len(), identities.iter().count()), (0, 0));
        }
    }
}
