//! Identities in memory: every identity's 128-bit fingerprint with the digest of its first content.
//!
//! An open-addressing table of 24-byte slots. A fingerprint's top bits choose its slot, so growing copies the table in
//! order, from front to back. Probes of a batch touch their slots first: the misses then overlap instead of queueing.
#![expect(clippy::arithmetic_side_effects, reason = "slot positions, masked; no money here")]

use weir_model::hash::{Fingerprint, PayloadDigest};

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
pub(super) type Slot = [u64; 3];
/// Ones, not zeros: a table of zeros comes from the system as pages that are shared until they are written, and a page that
/// is probed before it is written costs an interrupt on every core when it stops being shared.
pub(super) const EMPTY: Slot = [u64::MAX; 3];
const SLOTS_MIN: usize = 1 << 10;

/// Identities of one shard.
#[derive(Debug)]
pub struct Table {
    slots: Vec<Slot>,
    len: usize,
    /// 64 - log2(slots): what is left of a fingerprint's low half is its slot.
    shift: u32,
}

impl Table {
    /// Holds `len` identities without growing.
    pub fn with_capacity(len: usize) -> Table {
        let slots = slots_for(len);
        Table { slots: vec![EMPTY; slots], len: 0, shift: 64 - slots.trailing_zeros() }
    }

    /// Bytes of a table that holds `len` identities without growing.
    pub fn bytes_for(len: usize) -> usize {
        slots_for(len).saturating_mul(size_of::<Slot>())
    }

    /// How many identities it holds without growing.
    pub fn capacity(&self) -> usize {
        // The load at which `admit` grows.
        self.slots.len().saturating_mul(5).div_ceil(8)
    }

    /// How many identities can be entered before it grows.
    pub fn room(&self) -> usize {
        self.capacity().saturating_sub(self.len)
    }

    /// Forgets everything in place and hands over what there was, ascending. Slots are in order but for what collided, so that putting
    /// them in order costs what entering them cost.
    pub fn drain_sorted(&mut self) -> impl Iterator<Item = Slot> {
        let mut end = 0;
        for at in 0..self.slots.len() {
            let Some(slot) = self.slots.get(at).copied().filter(|slot| *slot != EMPTY) else { continue };
            let mut place = end;
            while place > 0 && self.slots.get(place - 1).is_some_and(|before| *before > slot) {
                self.slots.swap(place - 1, place);
                place -= 1;
            }
            if let Some(free) = self.slots.get_mut(place) {
                *free = slot;
            }
            end += 1;
        }
        self.len = 0;
        let (sorted, rest) = self.slots.split_at_mut(end);
        rest.fill(EMPTY);
        sorted.iter_mut().map(|slot| std::mem::replace(slot, EMPTY))
    }

    /// Number of identities.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Brings the slot of an identity into the cache; the result only keeps the load alive.
    pub fn touch(&self, fingerprint: Fingerprint) -> u64 {
        let [low, _] = halves(fingerprint);
        self.slots.get(self.home(low)).map_or(0, |slot| slot[0])
    }

    /// Looks an identity up and enters it if it is new.
    pub fn admit(&mut self, fingerprint: Fingerprint, payload: PayloadDigest) -> Admission {
        if self.len.saturating_mul(8) >= self.slots.len().saturating_mul(5) {
            self.grow();
        }
        let [low, high] = halves(fingerprint);
        let mask = self.slots.len() - 1;
        let mut position = self.home(low);
        loop {
            let Some(slot) = self.slots.get_mut(position & mask) else { unreachable!("positions are masked") };
            if *slot == EMPTY {
                *slot = [low, high, payload.0];
                self.len += 1;
                return Admission::New;
            }
            if slot[0] == low && slot[1] == high {
                return if slot[2] == payload.0 { Admission::Duplicate } else { Admission::Conflict };
            }
            position += 1;
        }
    }

    /// All identities in slot order.
    pub fn iter(&self) -> impl Iterator<Item = (Fingerprint, PayloadDigest)> {
        self.slots.iter().filter(|slot| **slot != EMPTY).map(|slot| identity(*slot))
    }

    fn home(&self, low: u64) -> usize {
        usize::try_from(low >> self.shift).unwrap_or(usize::MAX)
    }

    /// Doubles its room.
    pub fn grow(&mut self) {
        let mut larger = Table::with_capacity(self.slots.len());
        let mask = larger.slots.len() - 1;
        for slot in self.slots.iter().filter(|slot| **slot != EMPTY) {
            let mut position = larger.home(slot[0]);
            while larger.slots.get(position & mask).is_some_and(|taken| *taken != EMPTY) {
                position += 1;
            }
            if let Some(free) = larger.slots.get_mut(position & mask) {
                *free = *slot;
            }
        }
        larger.len = self.len;
        *self = larger;
    }
}

/// What a slot stands for.
pub(super) fn identity([low, high, payload]: Slot) -> (Fingerprint, PayloadDigest) {
    (Fingerprint(u128::from(low) | (u128::from(high) << 64)), PayloadDigest(payload))
}

fn slots_for(len: usize) -> usize {
    len.saturating_mul(8).div_ceil(5).checked_next_power_of_two().unwrap_or(usize::MAX).max(SLOTS_MIN)
}

/// Low and high half. The one fingerprint in 2^128 that could look like an empty slot becomes its neighbour.
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
            let mut sorted: Vec<Slot> = model.iter().map(|(fingerprint, payload)| {
                let [low, high] = halves(Fingerprint(*fingerprint));
                [low, high, *payload]
            }).collect();
            sorted.sort_unstable();
            proptest::prop_assert_eq!(identities.drain_sorted().collect::<Vec<_>>(), sorted);
            proptest::prop_assert_eq!((identities.len(), identities.iter().count()), (0, 0));
        }
    }
}
