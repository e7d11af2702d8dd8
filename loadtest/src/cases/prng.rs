//! A small generator of numbers from a seed (SplitMix64): the same case for the same seed, on every machine.

/// State of the generator.
#[derive(Debug, Clone)]
pub(super) struct Prng(u64);

impl Prng {
    pub(super) fn new(seed: u64) -> Prng {
        Prng(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 to `bound` − 1. The bias of a remainder does not matter here.
    pub(super) fn below(&mut self, bound: i128) -> i128 {
        if let Ok(bound) = u64::try_from(bound) {
            return i128::from(self.next() % bound);
        }
        let wide = (i128::from(self.next() >> 1) << 64) | i128::from(self.next());
        wide % bound
    }

    /// A number from `low` to `high`.
    pub(super) fn range(&mut self, low: i64, high: i64) -> i64 {
        let offset = self.below(i128::from(high) - i128::from(low) + 1);
        low + i64::try_from(offset).unwrap_or_default()
    }

    /// An index below `len`.
    pub(super) fn index(&mut self, len: usize) -> usize {
        let bound = i128::try_from(len).unwrap_or(i128::MAX);
        usize::try_from(self.below(bound)).unwrap_or_default()
    }

    /// True in so many of a hundred cases.
    pub(super) fn chance(&mut self, percent: i128) -> bool {
        self.below(100) < percent
    }

    /// One of the choices.
    pub(super) fn pick<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.index(choices.len())].clone()
    }

    /// One of the choices, each as often as its weight says.
    pub(super) fn weighted<T: Clone>(&mut self, choices: &[(i128, T)]) -> T {
        let mut left = self.below(choices.iter().map(|(weight, _)| weight).sum());
        for (weight, choice) in choices {
            if left < *weight {
                return choice.clone();
            }
            left -= weight;
        }
        choices[0].1.clone()
    }
}
