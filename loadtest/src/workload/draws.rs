//! Reproducible draws: SplitMix64 (Steele, Lea and Flood, 2014), one stream for each (seed, number).
//!
//! Owns: the workload's only source of randomness. Nothing of it depends on what was drawn for other numbers.

/// A bijection of 64 bits whose outputs look unrelated: the finalizer of SplitMix64.
#[inline]
pub(crate) fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}

/// A stream of pseudo-random numbers.
#[derive(Debug, Clone)]
pub(crate) struct Draws(u64);

impl Draws {
    /// The stream of `number` under `seed`.
    #[inline]
    pub(crate) fn new(seed: u64, number: u64) -> Draws {
        Draws(mix(mix(seed ^ 0x5851_F42D_4C95_7F2D) ^ number))
    }

    /// The next 64 bits.
    #[inline]
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.0)
    }

    /// A number below `bound`; 0 if there is none.
    #[inline]
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        let product = u128::from(self.next()) * u128::from(bound);
        // The upper half of a product of two 64-bit numbers.
        u64::try_from(product >> 64).unwrap_or(u64::MAX)
    }

    /// A number below `bound`; 0 if there is none.
    #[inline]
    pub(crate) fn number(&mut self, bound: u32) -> u32 {
        // Below `bound`, which came from a u32.
        u32::try_from(self.below(bound.into())).unwrap_or(u32::MAX)
    }

    /// An index below `length`; 0 if there is none.
    #[inline]
    pub(crate) fn index(&mut self, length: usize) -> usize {
        let length = u64::try_from(length).unwrap_or(u64::MAX);
        // Below `length`, which came from a usize.
        usize::try_from(self.below(length)).unwrap_or(usize::MAX)
    }
}
