//! SipHash-1-3 with 128 bits, absorbing whole words: what [`HashKey`](super::HashKey) hashes identities with.
//!
//! Owns: the function itself, equal to the reference (tested against the `siphasher` crate), with the keyed state prepared
//! once and messages read in place. Events are hashed one by one on the hot path, where copying their parts together and
//! setting up a hasher costs as much as the rounds.

/// The state of a hash, keyed or under way.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Sip13 {
    v0: u64,
    v1: u64,
    v2: u64,
    v3: u64,
}

impl Sip13 {
    /// The state before any message.
    pub(super) const fn new(key: [u8; 16]) -> Sip13 {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = key;
        let k0 = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
        let k1 = u64::from_le_bytes([i, j, k, l, m, n, o, p]);
        Sip13 {
            v0: k0 ^ 0x736F_6D65_7073_6575,
            // 0xEE marks the variant with 128 bits.
            v1: k1 ^ 0x646F_7261_6E64_6F6D ^ 0xEE,
            v2: k0 ^ 0x6C79_6765_6E65_7261,
            v3: k1 ^ 0x7465_6462_7974_6573,
        }
    }

    #[inline(always)]
    fn round(&mut self) {
        self.v0 = self.v0.wrapping_add(self.v1);
        self.v2 = self.v2.wrapping_add(self.v3);
        self.v1 = self.v1.rotate_left(13) ^ self.v0;
        self.v3 = self.v3.rotate_left(16) ^ self.v2;
        self.v0 = self.v0.rotate_left(32).wrapping_add(self.v3);
        self.v2 = self.v2.wrapping_add(self.v1);
        self.v1 = self.v1.rotate_left(17) ^ self.v2;
        self.v3 = self.v3.rotate_left(21) ^ self.v0;
        self.v2 = self.v2.rotate_left(32);
    }

    /// Absorbs eight bytes.
    #[inline(always)]
    pub(super) fn word(&mut self, word: u64) {
        self.v3 ^= word;
        self.round();
        self.v0 ^= word;
    }

    /// Absorbs `text` and zeros up to a multiple of eight bytes.
    #[inline(always)]
    pub(super) fn padded(&mut self, text: &[u8]) {
        let rest = self.whole_words(text);
        if !rest.is_empty() {
            self.word(last_word(text, rest));
        }
    }

    /// Absorbs the last part of a message of `length` bytes, and yields the hash.
    #[inline(always)]
    pub(super) fn finish(mut self, text: &[u8], length: usize) -> u128 {
        let rest = self.whole_words(text);
        self.finish_with(last_word(text, rest), length)
    }

    /// Absorbs the last, at most seven bytes of a message of `length` bytes, and yields the hash.
    #[inline(always)]
    pub(super) fn finish_with(mut self, tail: u64, length: usize) -> u128 {
        let [length, ..] = length.to_le_bytes();
        self.word((u64::from(length) << 56) | tail);
        self.v2 ^= 0xEE;
        self.round();
        self.round();
        self.round();
        let low = self.v0 ^ self.v1 ^ self.v2 ^ self.v3;
        self.v1 ^= 0xDD;
        self.round();
        self.round();
        self.round();
        let high = self.v0 ^ self.v1 ^ self.v2 ^ self.v3;
        (u128::from(high) << 64) | u128::from(low)
    }

    #[inline(always)]
    fn whole_words<'t>(&mut self, text: &'t [u8]) -> &'t [u8] {
        let (words, rest) = text.as_chunks::<8>();
        for word in words {
            self.word(u64::from_le_bytes(*word));
        }
        rest
    }
}

/// The up to seven bytes of `rest`, the end of `text`, as a word filled up with zeros.
#[inline(always)]
fn last_word(text: &[u8], rest: &[u8]) -> u64 {
    match (text.last_chunk::<8>(), rest.len()) {
        (_, 0) => 0,
        // One load that reaches back into the words before, shifted: no loop over bytes.
        (Some(last), count) => {
            let missing = u32::try_from(count).map_or(0, |count| 64_u32.wrapping_sub(count.wrapping_mul(8)));
            u64::from_le_bytes(*last).wrapping_shr(missing)
        }
        (None, _) => rest.iter().rev().fold(0, |word, &byte| (word << 8) | u64::from(byte)),
    }
}

#[cfg(test)]
mod tests {
    use siphasher::sip128::SipHasher13;

    use super::*;

    proptest::proptest! {
        #[test]
        fn equals_the_reference(key: [u8; 16], message: Vec<u8>) {
            let expected = SipHasher13::new_with_key(&key).hash(&message).as_u128();
            proptest::prop_assert_eq!(Sip13::new(key).finish(&message, message.len()), expected);
        }

        #[test]
        fn parts_equal_the_whole(key: [u8; 16], word: u64, first: Vec<u8>, second: Vec<u8>) {
            let mut message = word.to_le_bytes().to_vec();
            message.extend(&first);
            message.resize(message.len().next_multiple_of(8), 0);
            message.extend(&second);
            let mut state = Sip13::new(key);
            state.word(word);
            state.padded(&first);
            let expected = SipHasher13::new_with_key(&key).hash(&message).as_u128();
            proptest::prop_assert_eq!(state.finish(&second, message.len()), expected);
        }
    }
}
