//! Keys that were given lately, by a hint that is cheaper than a hash: most values of a column are found here.
//!
//! A key that is found must be compared with the value; one that is not there, or no longer, is looked up in the dictionary.
//! So hints decide about speed only: values that share one push each other out.

use crate::dictionary::NO_KEY;

/// Slots at first, and at most: with more, finding the slot takes as long as the dictionary.
const SLOTS_MIN: usize = 1 << 8;
const SLOTS_MAX: usize = 1 << 17;
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
        // With four for each value, most have one of their own.
        if self.keys.len() < 4 * known.clamp(SLOTS_MIN / 4, SLOTS_MAX / 4) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_tell_values_apart() {
        let numbers = [0, 1, -1, 1 << 64, 10_i128.pow(18), i128::MIN].map(hint_of_number);
        let texts = ["", "a", "b", "a2345678", "b2345678", "a23456789", "b23456789", "a234567890123456"];
        let texts = texts.map(|text| hint_of_text(text.as_bytes()));
        for hints in [&numbers[..], &texts[..]] {
            for (i, hint) in hints.iter().enumerate() {
                assert_eq!(hints.iter().position(|other| other == hint), Some(i));
            }
        }
    }

    #[test]
    fn slots_keep_keys_until_there_are_more_values() {
        let mut recent = Recent::default();
        let hints = [1, 2].map(hint_of_number);
        assert_eq!(*recent.slot(hints[0], 0), NO_KEY);
        *recent.slot(hints[0], 0) = 7;
        *recent.slot(hints[1], 1) = 8;
        assert_eq!(hints.map(|hint| *recent.slot(hint, 2)), [7, 8]);
        assert_eq!(*recent.slot(hints[0], SLOTS_MIN), NO_KEY);
        for _ in 0..SLOTS_MAX {
            recent.slot(hints[0], usize::MAX);
        }
        assert_eq!(recent.keys.len(), SLOTS_MAX);
    }
}
