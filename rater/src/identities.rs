//! Exact dedup (L2): every identity's 128-bit fingerprint with the digest of its first content.
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
type Entry = [u64; 3];

/// The identities of one shard.
#[derive(Debug)]
pub struct Identities {
    index: Index,
    entries: Pool<Entry>,
}

impl Identities {
    /// None.
    pub fn new() -> Identities {
        Identities { index: Index::new(), entries: Pool::new() }
    }

    /// Number of identities.
    pub fn len(&self) -> usize {
        self.entries.len()
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
        self.entries.iter().map(|[low, high, payload]| {
            (Fingerprint(u128::from(*low) | (u128::from(*high) << 64)), PayloadDigest(*payload))
        })
    }
}

fn halves(fingerprint: Fingerprint) -> [u64; 2] {
    let low = u64::try_from(fingerprint.0 & u128::from(u64::MAX)).unwrap_or(u64::MAX);
    let high = u64::try_from(fingerprint.0 >> 64).unwrap_or(u64::MAX);
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
            let mut identities = Identities::new();
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
        }
    }
}
