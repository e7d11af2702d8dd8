//! Where an identity may stand in a section of a sorted run: proves absence, never presence (L2).
//!
//! A section of n records is cut into n buckets of equal width; fingerprints are uniform, so a bucket holds one record on average.
//! `marks` counts the records of each bucket in unary (a one for each record, a zero after each bucket), `tags` keeps the eight
//! bits of each record that follow its bucket number. Being in the section's order, it needs no index beside it: it says at which rank to
//! look. It is built from records as they stream by. That is 10.5 bits per identity and three cache lines, and 1 probe in 250 asks the disk in vain. Where there is
//! memory, a `sieve` of one line and four more bits stands before it, in which each record sets two bits of a word: 1 absent identity in 6 passes it, and 1 in
//! 1,500 passes all.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::integer_division,
    reason = "bit positions of a structure whose size is checked when it is made"
)]

use crate::prefetch::prefetch;

/// Buckets whose first rank is written down.
const BLOCK: u64 = 64;
const WORD_BITS: u64 = 64;
/// Records for each word of the sieve.
const SIEVE_RECORDS: u64 = 16;

/// Whether a filter has a sieve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sieve {
    /// None: every probe goes on.
    Absent,
    /// One.
    Present,
}

/// The filter of one section of a run.
#[derive(Debug)]
pub struct Filter {
    /// Records, and as many buckets.
    len: u64,
    sieve: Vec<u64>,
    /// How many records stand before each block of buckets.
    starts: Vec<u32>,
    marks: Vec<u64>,
    tags: Vec<u8>,
}

/// Where a fingerprint would stand.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    bucket: u64,
    tag: u8,
}

impl Filter {
    /// An empty filter for `len` records, to be pushed in ascending order and finished.
    pub fn with_len(len: u32, sieve: Sieve) -> Filter {
        let len = u64::from(len);
        Filter {
            len,
            sieve: vec![0; index(sieve.words(len))],
            starts: Vec::with_capacity(index(blocks(len))),
            // Two words more, so that a window can be read at any position.
            marks: vec![0; index(mark_words(len))],
            tags: Vec::with_capacity(index(len)),
        }
    }

    /// Bytes that a filter of `len` records takes.
    pub fn bytes_for(len: u64, sieve: Sieve) -> u64 {
        sieve.words(len) * 8 + blocks(len) * 4 + mark_words(len) * 8 + len
    }

    /// Bytes that it takes.
    pub fn bytes(&self) -> u64 {
        Filter::bytes_for(self.len, if self.sieve.is_empty() { Sieve::Absent } else { Sieve::Present })
    }

    /// Gives the bytes that [`Filter::from_bytes`] understands, piece by piece.
    pub fn write<E>(&self, mut piece: impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        self.sieve.iter().try_for_each(|word| piece(&word.to_le_bytes()))?;
        self.starts.iter().try_for_each(|start| piece(&start.to_le_bytes()))?;
        self.marks.iter().try_for_each(|word| piece(&word.to_le_bytes()))?;
        piece(&self.tags)
    }

    /// The finished filter of `len` records that was written. `None`: another number of bytes.
    pub fn from_bytes(len: u32, sieve: Sieve, bytes: &[u8]) -> Option<Filter> {
        let len = u64::from(len);
        let (sieve, rest) = bytes.split_at_checked(index(sieve.words(len) * 8))?;
        let (starts, rest) = rest.split_at_checked(index(blocks(len) * 4))?;
        let (marks, tags) = rest.split_at_checked(index(mark_words(len) * 8))?;
        (tags.len() == index(len)).then(|| Filter {
            len,
            sieve: sieve.as_chunks().0.iter().map(|word| u64::from_le_bytes(*word)).collect(),
            starts: starts.as_chunks().0.iter().map(|start| u32::from_le_bytes(*start)).collect(),
            marks: marks.as_chunks().0.iter().map(|word| u64::from_le_bytes(*word)).collect(),
            tags: tags.to_vec(),
        })
    }

    /// Enters the next record by the low half of its fingerprint.
    pub fn push(&mut self, low: u64) {
        let word = self.sieve_word(low);
        if let Some(word) = self.sieve.get_mut(word) {
            *word |= sieve_bits(low);
        }
        let place = self.place(low);
        let rank = self.tags.len();
        self.start_blocks(place.bucket / BLOCK + 1);
        let mark = u64::try_from(rank).unwrap_or(u64::MAX) + place.bucket;
        if let Some(word) = self.marks.get_mut(index(mark / WORD_BITS)) {
            *word |= 1 << (mark % WORD_BITS);
        }
        self.tags.push(place.tag);
    }

    /// Ends the filter after its last record.
    pub fn finish(&mut self) {
        self.start_blocks(blocks(self.len));
    }

    fn start_blocks(&mut self, blocks: u64) {
        let rank = u32::try_from(self.tags.len()).unwrap_or(u32::MAX);
        while self.starts.len() < index(blocks) {
            self.starts.push(rank);
        }
    }

    /// Calls `found` with the position in `asked` and the rank of every record that may be the one looked for: by the low half of its
    /// fingerprint and the filter that knows it. Each step goes over all of `asked`, so that its cache misses overlap.
    pub fn probe<'f, const N: usize>(
        asked: impl Iterator<Item = (Option<&'f Filter>, u64)> + Clone,
        mut found: impl FnMut(usize, u32),
    ) {
        for (filter, low) in asked.clone() {
            let Some(filter) = filter else { continue };
            prefetch(&filter.sieve, filter.sieve_word(low));
        }
        let mut passed = [(0, None, Place::default(), 0_u32); N];
        let mut slots = passed.iter_mut();
        for (position, (filter, low)) in asked.take(N).enumerate() {
            let Some(filter) = filter.filter(|filter| filter.passes_sieve(low)) else { continue };
            let place = filter.place(low);
            let start = filter.starts.get(index(place.bucket / BLOCK)).copied().unwrap_or(u32::MAX);
            if let Some(slot) = slots.next() {
                *slot = (position, Some(filter), place, start);
            }
        }
        let left = slots.len();
        let passed = passed.get(..N - left).unwrap_or_default();
        for (_, filter, place, start) in passed {
            let Some(filter) = filter else { continue };
            let mark = place.bucket / BLOCK * BLOCK + u64::from(*start);
            prefetch(&filter.marks, index(mark / WORD_BITS));
            prefetch(&filter.tags, index(u64::from(*start) + place.bucket % BLOCK));
        }
        for (position, filter, place, start) in passed {
            let Some(filter) = filter else { continue };
            let (first, count) = filter.ranks(place.bucket, *start);
            let tags = filter.tags.get(index(first)..index(first + count)).unwrap_or_default();
            for (rank, _) in (first..).zip(tags).filter(|(_, tag)| **tag == place.tag) {
                found(*position, u32::try_from(rank).unwrap_or(u32::MAX));
            }
        }
    }

    #[inline]
    fn passes_sieve(&self, low: u64) -> bool {
        let bits = sieve_bits(low);
        self.sieve.get(self.sieve_word(low)).is_none_or(|word| word & bits == bits)
    }

    #[inline]
    fn sieve_word(&self, low: u64) -> usize {
        let words = u64::try_from(self.sieve.len()).unwrap_or(u64::MAX);
        index(halves(u128::from(low) * u128::from(words))[1])
    }

    fn place(&self, low: u64) -> Place {
        let [fraction, bucket] = halves(u128::from(low) * u128::from(self.len));
        let [.., tag] = fraction.to_le_bytes();
        Place { bucket, tag }
    }

    /// First rank and number of the records of a bucket, given the first rank of its block.
    fn ranks(&self, bucket: u64, start: u32) -> (u64, u64) {
        let zeros_before = bucket % BLOCK;
        let block_at = bucket - zeros_before + u64::from(start);
        let (mut at, mut zeros) = (block_at, zeros_before);
        let mut window = !self.window(at);
        let mut passed = u64::from(window.count_ones());
        while passed < zeros {
            zeros -= passed;
            at += WORD_BITS;
            if at > self.len * 2 {
                return (0, 0);
            }
            window = !self.window(at);
            passed = u64::from(window.count_ones());
        }
        at += after_ones(window, zeros);
        let mut count = 0;
        loop {
            let ones = u64::from(self.window(at + count).trailing_ones());
            count += ones;
            if ones < WORD_BITS {
                return (u64::from(start) + at - block_at - zeros_before, count);
            }
        }
    }

    /// The 64 marks from a position on.
    fn window(&self, at: u64) -> u64 {
        let word = |at: u64| self.marks.get(index(at)).copied().unwrap_or(0);
        let shift = at % WORD_BITS;
        (word(at / WORD_BITS) >> shift) | (word(at / WORD_BITS + 1) << 1 << (WORD_BITS - 1 - shift))
    }
}

/// How many bits of `word` must be passed to have passed `ones` ones, of which it has that many.
fn after_ones(word: u64, ones: u64) -> u64 {
    const EACH_BYTE: u64 = 0x0101_0101_0101_0101;
    if ones == 0 {
        return 0;
    }
    // Ones per byte, then up to and with each byte.
    let pairs = word - ((word >> 1) & 0x5555_5555_5555_5555);
    let nibbles = (pairs & 0x3333_3333_3333_3333) + ((pairs >> 2) & 0x3333_3333_3333_3333);
    let sums = ((nibbles + (nibbles >> 4)) & 0x0F0F_0F0F_0F0F_0F0F).wrapping_mul(EACH_BYTE);
    // The top bit of each byte whose sum reaches `ones`; those before it are passed whole.
    let reached = ((sums | (EACH_BYTE << 7)) - EACH_BYTE * ones) & (EACH_BYTE << 7);
    let byte = u64::from(reached.trailing_zeros() & !7);
    let before = (sums << 8) >> byte & 0xFF;
    let mut rest = word >> byte;
    for _ in 1..ones - before {
        rest &= rest - 1;
    }
    byte + u64::from(rest.trailing_zeros()) + 1
}

/// Two bits of a word, by bits of the fingerprint that say little about the place.
#[inline]
fn sieve_bits(low: u64) -> u64 {
    1 << ((low >> 8) % WORD_BITS) | 1 << ((low >> 14) % WORD_BITS)
}

impl Sieve {
    fn words(self, len: u64) -> u64 {
        match self {
            Sieve::Absent => 0,
            Sieve::Present => len.div_ceil(SIEVE_RECORDS),
        }
    }
}

fn blocks(len: u64) -> u64 {
    len.div_ceil(BLOCK)
}

fn mark_words(len: u64) -> u64 {
    (len * 2).div_ceil(WORD_BITS) + 2
}

fn halves(value: u128) -> [u64; 2] {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = value.to_le_bytes();
    [u64::from_le_bytes([a, b, c, d, e, f, g, h]), u64::from_le_bytes([i, j, k, l, m, n, o, p])]
}

fn index(at: u64) -> usize {
    usize::try_from(at).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(lows: &[u64], sieve: Sieve) -> Filter {
        let mut filter = Filter::with_len(u32::try_from(lows.len()).unwrap(), sieve);
        lows.iter().for_each(|low| filter.push(*low));
        filter.finish();
        filter
    }

    fn found(filter: &Filter, low: u64) -> Vec<u32> {
        let mut ranks = Vec::new();
        Filter::probe::<1>([(Some(filter), low)].into_iter(), |_, rank| ranks.push(rank));
        ranks
    }

    #[test]
    fn ones_of_a_word() {
        for word in [u64::MAX, 1, 1 << 63, 0x8000_0000_0000_0001, 0xF0F0_1234_0000_FFFF, 0x0001_0001_0001_0001] {
            let mut ones = 0;
            assert_eq!(after_ones(word, 0), 0);
            for bit in (0..64).filter(|bit| word >> bit & 1 == 1) {
                ones += 1;
                assert_eq!(after_ones(word, ones), bit + 1, "{word:x}, {ones} ones");
            }
        }
    }

    proptest::proptest! {
        /// Whatever a run holds is found at its rank, however clustered it is.
        #[test]
        fn absence_is_proved(
            mut lows in proptest::collection::vec(
                proptest::prop_oneof![proptest::num::u64::ANY, 0..50_u64, (u64::MAX - 50)..=u64::MAX], 1..900),
        ) {
            lows.sort_unstable();
            for sieve in [Sieve::Absent, Sieve::Present] {
                let filter = filter(&lows, sieve);
                for (rank, low) in (0..).zip(&lows) {
                    proptest::prop_assert!(found(&filter, *low).contains(&rank), "{low} at {rank}");
                }
            }
        }
    }

    /// Within a bucket of one record on average, eight bits tell apart all but 1 in 256; the sieve lets 1 in 6 come so far.
    #[test]
    fn one_probe_in_250_or_1500_is_in_vain() {
        let random = |i: u64| xxhash_rust::xxh3::xxh3_64(&i.to_le_bytes());
        let mut lows: Vec<u64> = (0..100_000).map(random).collect();
        lows.sort_unstable();
        for (sieve, bytes, expected) in [(Sieve::Absent, 131_268, 300..500), (Sieve::Present, 181_268, 50..85)] {
            let filter = filter(&lows, sieve);
            let vain: usize = (100_000..200_000).map(|i| found(&filter, random(i)).len()).sum();
            assert!(expected.contains(&vain), "{vain} of 100,000");
            assert_eq!(filter.bytes(), bytes);
        }
    }
}
