//! Identities in memory: every identity's 128-bit fingerprint with the digest of its first content.
//!
//! An identity has a slot of 8 bytes, that holds the upper 32 bits of its fingerprint's low half, and an entry of 20 bytes, that holds the
//! rest. Both belong to a range of hashes, of which there are few, where entries stand one behind the other as they came: a new identity
//! costs one random cache line, that of its slot. Each range grows by itself, and each at another time, so that there is never much to
//! move at once nor much room that is not used; and one range can be spilled while the others stay.
#![expect(clippy::arithmetic_side_effects, reason = "sizes and counts of what is in memory")]

use weir_model::hash::{Fingerprint, PayloadDigest};

use super::entries::{Entries, Rest};
use super::slots::{Found, Slots, number_in, tag_in};
use crate::next_index;
use crate::prefetch::AHEAD;

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

const NO_REST: Rest = [u32::MAX; 5];

/// Homes of an empty range; those of the last range are a half more.
const HOMES_MIN: usize = 256;
/// Ranges that may grow while a batch is admitted: they grow at different times, but chance has a say.
const GROWING: usize = 2;

/// In which steps slots grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Growth {
    /// By a half: memory is ample, and so few steps are what counts.
    Fast,
    /// By little: what is not used is lost.
    Tight,
}

/// Identities of one shard.
#[derive(Debug)]
pub struct Table {
    /// By the highest bits of the fingerprint's low half.
    ranges: Vec<Range>,
    /// log2 of the number of ranges.
    range_bits: u32,
    len: usize,
    /// Bytes of all ranges.
    held_bytes: usize,
    homes_max: usize,
    /// For a range that grows.
    scratch: Vec<u64>,
    /// Growth is fast up to this many bytes in all, and then tight.
    ample_bytes: usize,
}

/// The identities of one range of hashes.
#[derive(Debug)]
struct Range {
    slots: Slots,
    entries: Entries,
}

impl Table {
    /// Empty, with 2^`range_bits` ranges, and memory to spare below `ample_bytes`.
    pub fn new(range_bits: u32, ample_bytes: usize) -> Table {
        let ranges: Vec<Range> = (0..1 << range_bits).map(|range| Range::new(range, range_bits)).collect();
        let held_bytes = ranges.iter().map(Range::bytes).sum();
        let homes_max = homes_max(&ranges);
        Table { ranges, range_bits, len: 0, held_bytes, homes_max, scratch: Vec::new(), ample_bytes }
    }

    /// Number of identities.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Number of ranges.
    pub fn ranges(&self) -> usize {
        self.ranges.len()
    }

    /// Number of identities in a range.
    pub fn range_len(&self, range: usize) -> usize {
        self.ranges.get(range).map_or(0, |range| range.slots.len())
    }

    /// Bytes that it takes.
    pub fn bytes(&self) -> usize {
        self.held_bytes + self.scratch.capacity() * size_of::<u64>()
    }

    /// Bytes that it takes at the most while `new` more identities are entered.
    pub fn bytes_after(&self, new: usize) -> usize {
        let larger = grown(self.homes_max + new, self.growth());
        // The scratch may have to be larger, too.
        let growing =
            (larger - self.homes_max) * self.ranges.len().min(GROWING) + larger.saturating_sub(self.scratch.capacity());
        let entries = Entries::bytes_to_grow(new, self.ranges.len(), self.homes_max.min(self.len + new));
        self.bytes() + growing * size_of::<u64>() + entries
    }

    /// The most identities that a range can have when it is spilled.
    pub fn range_len_max(&self) -> usize {
        self.homes_max
    }

    /// Starts to bring the slot of an identity into the cache.
    #[inline]
    pub fn prefetch(&self, fingerprint: Fingerprint) {
        let [low, _] = halves(fingerprint);
        let tag = low >> 32;
        if let Some(range) = self.ranges.get(self.range_of(tag)) {
            range.slots.prefetch(share(tag, self.range_bits));
            range.entries.prefetch_next();
        }
    }

    /// Looks an identity up and enters it if it is new.
    #[inline]
    pub fn admit(&mut self, fingerprint: Fingerprint, payload: PayloadDigest) -> Admission {
        let [low, high] = halves(fingerprint);
        let tag = low >> 32;
        let (at, range_bits) = (self.range_of(tag), self.range_bits);
        let Some(Range { slots, entries }) = self.ranges.get_mut(at) else { unreachable!("every tag has a range") };
        let rest = rest_of([low, high, payload.0]);
        let [r0, r1, r2, digest @ ..] = rest;
        let is_meant =
            |number| matches!(entries.get(number), Some([k0, k1, k2, ..]) if [*k0, *k1, *k2] == [r0, r1, r2]);
        let slot = match slots.find(tag, share(tag, range_bits), is_meant) {
            Found::Number(number) => {
                let is_same = matches!(entries.get(number), Some([_, _, _, first @ ..]) if *first == digest);
                return if is_same { Admission::Duplicate } else { Admission::Conflict };
            }
            Found::Absent(slot) => slot,
        };
        let before = slots.bytes() + entries.bytes();
        slots.insert(slot, tag, next_index(entries.len()));
        entries.push(rest);
        self.held_bytes += slots.bytes() + entries.bytes() - before;
        let is_full = slots.is_full();
        self.len += 1;
        if is_full {
            self.grow(at);
        }
        Admission::New
    }

    /// Appends the entries of a range but for the first `from`, ascending.
    pub fn entries_from(&self, range: usize, from: u32, to: &mut Vec<Entry>) {
        let Some(Range { slots, entries }) = self.ranges.get(range) else { return };
        let (before, left) = (to.len(), entries.len().saturating_sub(crate::at(from)));
        if left > 0 {
            to.reserve(left);
            to.extend(slots.iter().filter(|word| number_in(*word) >= from).map(|word| entry_of(word, entries)));
        }
        let found = to.get_mut(before..).unwrap_or_default();
        found.chunk_by_mut(|a, b| a[0] >> 32 == b[0] >> 32).for_each(<[Entry]>::sort_unstable);
    }

    /// Calls `visit` for every entry of a range but for the first `from`, ascending, and forgets them all; their slots are kept for those to
    /// come. After an error they are forgotten too.
    pub fn drain_range<E>(
        &mut self,
        range: usize,
        from: u32,
        visit: impl FnMut(Entry) -> Result<(), E>,
    ) -> Result<(), E> {
        let Some(Range { slots, entries }) = self.ranges.get_mut(range) else { return Ok(()) };
        let before = slots.bytes() + entries.bytes();
        let mut words = slots.take();
        words.retain(|word| number_in(*word) >= from);
        self.len -= entries.len();
        let rest = |number| entries.get(number).copied().unwrap_or(NO_REST);
        for same in words.chunk_by_mut(|a, b| tag_in(*a) == tag_in(*b)) {
            same.sort_unstable_by_key(|word| key(rest(number_in(*word))));
        }
        let mut ahead = words.iter().skip(AHEAD);
        let visited = words
            .iter()
            .map(|word| {
                if let Some(later) = ahead.next() {
                    entries.prefetch(number_in(*later));
                }
                entry_of(*word, entries)
            })
            .try_for_each(visit);
        entries.clear();
        slots.reuse(words, homes_min(range, self.range_bits));
        self.held_bytes = self.held_bytes + slots.bytes() + entries.bytes() - before;
        self.homes_max = homes_max(&self.ranges);
        self.scratch.clear();
        self.scratch.shrink_to(self.homes_max);
        visited
    }

    /// Gives back the memory of ranges that are empty.
    pub fn shrink(&mut self) {
        self.scratch = Vec::new();
        for (range, place) in self.ranges.iter_mut().enumerate().filter(|(_, range)| range.slots.len() == 0) {
            *place = Range::new(range, self.range_bits);
        }
        self.held_bytes = self.ranges.iter().map(Range::bytes).sum();
        self.homes_max = homes_max(&self.ranges);
    }

    #[inline]
    fn range_of(&self, tag: u64) -> usize {
        usize::try_from(tag >> (32 - self.range_bits)).unwrap_or(usize::MAX)
    }

    fn growth(&self) -> Growth {
        if self.held_bytes < self.ample_bytes { Growth::Fast } else { Growth::Tight }
    }

    #[cold]
    fn grow(&mut self, range: usize) {
        let (range_bits, growth) = (self.range_bits, self.growth());
        let Some(Range { slots, .. }) = self.ranges.get_mut(range) else { return };
        let before = slots.bytes();
        slots.grow(grown(slots.homes(), growth), |tag| share(tag, range_bits), &mut self.scratch);
        self.held_bytes = self.held_bytes + slots.bytes() - before;
        self.homes_max = self.homes_max.max(slots.homes());
    }
}

impl Range {
    fn new(range: usize, range_bits: u32) -> Range {
        Range { slots: Slots::new(homes_min(range, range_bits)), entries: Entries::default() }
    }

    fn bytes(&self) -> usize {
        self.slots.bytes() + self.entries.bytes()
    }
}

/// What an entry stands for.
pub(super) fn identity([low, high, payload]: Entry) -> (Fingerprint, PayloadDigest) {
    (Fingerprint(u128::from(low) | (u128::from(high) << 64)), PayloadDigest(payload))
}

/// Low and high half. The one fingerprint in 2^128 that could look like no entry becomes its neighbour.
pub(super) fn halves(fingerprint: Fingerprint) -> [u64; 2] {
    let value = fingerprint.0.min(u128::MAX - 1);
    [low_half(value), low_half(value >> 64)]
}

/// A range has 2^32 shares: how many of them lie before a tag.
#[inline]
fn share(tag: u64, range_bits: u32) -> u64 {
    (tag << range_bits) & u64::from(u32::MAX)
}

/// Ranges begin with different sizes, and so grow at different times ever after.
fn homes_min(range: usize, range_bits: u32) -> usize {
    HOMES_MIN + (((HOMES_MIN >> 1) * range) >> range_bits)
}

fn homes_max(ranges: &[Range]) -> usize {
    ranges.iter().map(|range| range.slots.homes()).max().unwrap_or(0)
}

fn grown(homes: usize, growth: Growth) -> usize {
    match growth {
        Growth::Fast => homes + (homes >> 1),
        Growth::Tight => homes + (homes >> 3),
    }
}

#[inline]
fn rest_of([low, high, payload]: Entry) -> Rest {
    let ([l, _], [h0, h1], [p0, p1]) = (words(low), words(high), words(payload));
    [l, h0, h1, p0, p1]
}

fn entry_of(word: u64, entries: &Entries) -> Entry {
    let Some([l, h0, h1, p0, p1]) = entries.get(number_in(word)).copied() else { return NO_ENTRY };
    [joined(l, 0) | tag_in(word) << 32, joined(h0, h1), joined(p0, p1)]
}

/// In the order of entries.
fn key([l, h0, h1, p0, p1]: Rest) -> [u64; 3] {
    [u64::from(l), joined(h0, h1), joined(p0, p1)]
}

#[inline]
fn words(value: u64) -> [u32; 2] {
    let [a, b, c, d, e, f, g, h] = value.to_le_bytes();
    [u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h])]
}

fn joined(low: u32, high: u32) -> u64 {
    u64::from(low) | (u64::from(high) << 32)
}

fn low_half(value: u128) -> u64 {
    u64::try_from(value & u128::from(u64::MAX)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    proptest::proptest! {
        /// Against a plain map, over enough identities to grow several times, with clustered low halves, with ranges drained in between.
        #[test]
        fn agrees_with_a_map(
            range_bits in 0_u32..4,
            batches in proptest::collection::vec(
                proptest::collection::vec((0_u128..40, 0_u128..300, 0_u64..3), 0..2000), 1..5),
        ) {
            let mut table = Table::new(range_bits, 1 << 14);
            let mut model: HashMap<u128, u64> = HashMap::new();
            for (at, batch) in batches.into_iter().enumerate() {
                for (high, low, payload) in batch {
                    let fingerprint = (high << 64) | (low << 60) | low;
                    let expected = match model.get(&fingerprint) {
                        None => Admission::New,
                        Some(first) if *first == payload => Admission::Duplicate,
                        Some(_) => Admission::Conflict,
                    };
                    model.entry(fingerprint).or_insert(payload);
                    proptest::prop_assert_eq!(table.admit(Fingerprint(fingerprint), PayloadDigest(payload)), expected);
                }
                proptest::prop_assert_eq!(table.len(), model.len());
                let range = at % table.ranges();
                let mut drained = Vec::new();
                let from = crate::next_index(table.range_len(range) * at / 4);
                let entries_from = |range, from| {
                    let mut entries = Vec::new();
                    table.entries_from(range, from, &mut entries);
                    entries
                };
                let later = entries_from(range, from);
                proptest::prop_assert_eq!(later.len(), table.range_len(range) - crate::at(from));
                let all = entries_from(range, 0);
                let Ok(()) = table.drain_range(range, from, |entry| {
                    drained.push(entry);
                    Ok::<_, std::convert::Infallible>(())
                });
                proptest::prop_assert_eq!(drained, later);
                let in_range = |fingerprint: &u128| (halves(Fingerprint(*fingerprint))[0] >> 32 >> (32 - range_bits)) as usize == range;
                let mut sorted: Vec<Entry> = model.extract_if(|fingerprint, _| in_range(fingerprint)).map(|(fingerprint, payload)| {
                    let [low, high] = halves(Fingerprint(fingerprint));
                    [low, high, payload]
                }).collect();
                sorted.sort_unstable();
                proptest::prop_assert_eq!(all, sorted);
                let bytes: usize = table.ranges.iter().map(Range::bytes).sum();
                proptest::prop_assert_eq!(table.bytes(), bytes + table.scratch.capacity() * 8);
            }
        }
    }
}
