//! Keys that were given lately, by a hint that is cheaper than a hash: most values of a column are found here.
//!
//! A key that is found must be compared with the value; one that is not there, or no longer, is looked up in the dictionary.
//! So hints decide about speed only: values that share one push each other out.

use crate::dictionary::NO_KEY;

/// Slots at first, and at most: what stays near the processor.
const SLOTS_MIN: usize = 1 << 8;
const SLOTS_MAX: usize = 1 << 16;
/// Odd, with well-mixed bits: 2^64 divided by the golden ratio.
const MIX: u64 = 0x9E37_79B9_7F4A_7C15;

/// One key for each hint.
#[derive(Default)]
pub(crate) struct Recent {
    /// A power of two of them.
    keys: Vec<u32>,
}

impl Recent {
    /// The key that was given at this hint, and where to put another. It may be of another value, or of none. `known` values
    /// have keys.
    #[inline]
    pub(crate) fn slot(&mut self, hint: u64, known: usize) -> &mut u32 {
        if self.keys.len() < 2 * known.clamp(SLOTS_MIN / 2, SLOTS_MAX / 2) {
            self.grow();
        }
        // The upper bits are the mixed ones.
        let upper = hint >> (u64::BITS - self.keys.len().trailing_zeros());
        &mut self.keys[usize::try_from(upper).unwrap_or_default()]
    }

    /// Forgets what it has: it comes back.
    #[cold]
    fn grow(&mut self) {
        let slots = (4 * self.keys.len()).clamp(SLOTS_MIN, SLOTS_MAX);
        self.keys.clear();
        self.keys.resize(slots, NO_KEY);
    }
}

#[inline]
pub(crate) fn hint_of_number(number: i128) -> u64 {
    let bytes = number.to_le_bytes();
    let (halves, _) = bytes.as_chunks();
    halves.iter().fold(0, |hint, half| mix(hint ^ u64::from_le_bytes(*half)))
}

#[inline]
pub(crate) fn hint_of_text(text: &[u8]) -> u64 {
    let (words, rest) = text.as_chunks();
    let hint = words.iter().fold(MIX, |hint, word| mix(hint ^ u64::from_le_bytes(*word)).rotate_left(32));
    let rest = match text.last_chunk() {
        // Overlaps the word before: no loop over single bytes.
        Some(last) if !rest.is_empty() => u64::from_le_bytes(*last),
        _ => rest.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)),
    };
    mix(hint ^ rest)
}

#[inline]
fn mix(word: u64) -> u64 {
    word.wrapping_mul(MIX)
}
