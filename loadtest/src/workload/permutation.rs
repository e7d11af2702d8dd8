//! A reversible permutation of 0..n: an unbalanced Feistel network over the next power of two, walking along its cycle until
//! it is inside again.
//!
//! Both directions cost the same few multiplications whatever n is, so that nobody needs a table to know where a number
//! went or where it came from.

use super::draws::mix;

/// Rounds that change each half three times: enough that neighbours end up far apart.
const ROUNDS: usize = 6;

/// A bijection of 0..n.
#[derive(Debug, Clone)]
pub struct Permutation {
    length: u64,
    right_bits: u32,
    left_mask: u64,
    right_mask: u64,
    keys: [u64; ROUNDS],
}

impl Permutation {
    /// A permutation of 0..`length`, another one for each seed.
    pub fn new(length: u64, seed: u64) -> Permutation {
        let bits = (u64::BITS - length.saturating_sub(1).leading_zeros()).max(2);
        let right_bits = bits.div_ceil(2);
        let mask = |bits: u32| (1_u64 << bits) - 1;
        let mut key = mix(seed ^ 0x2545_F491_4F6C_DD1D);
        let keys = std::array::from_fn(|_| {
            key = mix(key.wrapping_add(0x9E37_79B9_7F4A_7C15));
            key
        });
        Permutation { length, right_bits, left_mask: mask(bits - right_bits), right_mask: mask(right_bits), keys }
    }

    /// Where `number` goes.
    ///
    /// # Panics
    /// If `number` is not below the length.
    #[inline]
    pub fn forward(&self, number: u64) -> u64 {
        self.walk(number, Permutation::encrypt)
    }

    /// What goes to `image`.
    ///
    /// # Panics
    /// If `image` is not below the length.
    #[inline]
    pub fn back(&self, image: u64) -> u64 {
        self.walk(image, Permutation::decrypt)
    }

    /// The network's domain is less than twice the length (but for the shortest), so that this takes two steps on average
    /// at most. Starting inside, the cycle leads inside again.
    #[inline]
    fn walk(&self, from: u64, step: impl Fn(&Permutation, u64) -> u64) -> u64 {
        assert!(from < self.length, "{from} is not below {}", self.length);
        let mut number = step(self, from);
        while number >= self.length {
            number = step(self, number);
        }
        number
    }

    #[inline]
    fn encrypt(&self, number: u64) -> u64 {
        let mut halves = self.split(number);
        (0..ROUNDS).for_each(|round| self.round(round, &mut halves));
        self.join(halves)
    }

    #[inline]
    fn decrypt(&self, number: u64) -> u64 {
        let mut halves = self.split(number);
        (0..ROUNDS).rev().for_each(|round| self.round(round, &mut halves));
        self.join(halves)
    }

    /// Its own inverse: one half changes by what the other says.
    #[inline]
    fn round(&self, round: usize, (left, right): &mut (u64, u64)) {
        let key = self.keys[round];
        if round.is_multiple_of(2) {
            *left ^= mix(*right ^ key) & self.left_mask;
        } else {
            *right ^= mix(*left ^ key) & self.right_mask;
        }
    }

    #[inline]
    fn split(&self, number: u64) -> (u64, u64) {
        (number >> self.right_bits, number & self.right_mask)
    }

    #[inline]
    fn join(&self, (left, right): (u64, u64)) -> u64 {
        (left << self.right_bits) | right
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_length_is_permuted() {
        for length in 1..300 {
            for seed in 0..3 {
                let permutation = Permutation::new(length, seed);
                let mut images: Vec<u64> = (0..length).map(|number| permutation.forward(number)).collect();
                assert!((0..length).all(|n| permutation.back(permutation.forward(n)) == n), "{length}, seed {seed}");
                images.sort_unstable();
                assert!(images.into_iter().eq(0..length), "{length}, seed {seed}");
            }
        }
    }

    #[test]
    fn neighbours_part() {
        let permutation = Permutation::new(100_000, 1);
        let near = (1..100_000).filter(|n| permutation.forward(*n).abs_diff(permutation.forward(n - 1)) < 100).count();
        // By chance: 200 of 100,000.
        assert!((100..400).contains(&near), "{near}");
    }

    proptest! {
        #[test]
        fn is_reversible(length in 1..=1_u64 << 40, seed: u64, number: u64) {
            let permutation = Permutation::new(length, seed);
            let number = number % length;
            let image = permutation.forward(number);
            prop_assert!(image < length);
            prop_assert_eq!(permutation.back(image), number);
        }
    }
}
