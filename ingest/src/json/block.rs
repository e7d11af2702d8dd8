//! Finds where the plain part of a JSON string ends: at a quote, a backslash or a control character.
//!
//! Owns: 16 bytes at a time with SSE2, which every x86-64 has, and the same with 64-bit words elsewhere. Does not own:
//! what the byte found means.
//!
//! The intrinsics are the crate's only unsafe code: with words alone an event of 244 bytes takes a tenth longer to decode
//! (245 instead of 223 ns, `benches/decode.rs`).
#![allow(unsafe_code)]

const BLOCK_BYTES: usize = 16;

/// Position of the first quote, backslash or control character at or after `at`; `text.len()` if there is none.
#[inline(always)]
pub(crate) fn plain_end(text: &[u8], mut at: usize) -> usize {
    while let Some(block) = text.get(at..).and_then(<[u8]>::first_chunk::<BLOCK_BYTES>) {
        let plain = first_special(block);
        if plain < BLOCK_BYTES {
            return at + plain;
        }
        at += BLOCK_BYTES;
    }
    plain_end_of_tail(text, at)
}

#[cold]
fn plain_end_of_tail(text: &[u8], at: usize) -> usize {
    let tail = text.get(at..).unwrap_or_default();
    at + tail.iter().position(|&byte| is_special(byte)).unwrap_or(tail.len())
}

fn is_special(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

/// Index of the first special byte, or [`BLOCK_BYTES`].
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn first_special(block: &[u8; BLOCK_BYTES]) -> usize {
    use std::arch::x86_64::{
        _mm_cmpeq_epi8, _mm_min_epu8, _mm_movemask_epi8, _mm_or_si128, _mm_set_epi64x, _mm_set1_epi8,
    };
    let [low, high] = words(block);
    // SAFETY: these take and yield values, not pointers; all they need is SSE2, which the x86_64 target guarantees.
    let mask = unsafe {
        let bytes = _mm_set_epi64x(high.cast_signed(), low.cast_signed());
        let quote = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x22));
        let backslash = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x5C));
        let control = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1F)), bytes);
        _mm_movemask_epi8(_mm_or_si128(_mm_or_si128(quote, backslash), control))
    };
    // Bit 16 stands for "none", so that there is always one to count up to.
    (mask.cast_unsigned() | 1 << BLOCK_BYTES).trailing_zeros() as usize
}

/// Index of the first special byte, or [`BLOCK_BYTES`].
#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
fn first_special(block: &[u8; BLOCK_BYTES]) -> usize {
    first_special_by_words(block)
}

/// Carries of the subtractions reach only bytes above the first special one, so the lowest mark is right.
#[cfg(any(test, not(target_arch = "x86_64")))]
fn first_special_by_words(block: &[u8; BLOCK_BYTES]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    let marks = |word: u64| {
        let below = |value: u64, bound: u64| value.wrapping_sub(ONES * bound) & !value & HIGHS;
        below(word, 0x20) | below(word ^ (ONES * 0x22), 1) | below(word ^ (ONES * 0x5C), 1)
    };
    let [low, high] = words(block).map(marks);
    let bit = if low == 0 { 64 + high.trailing_zeros() } else { low.trailing_zeros() };
    bit as usize / 8
}

fn words(block: &[u8; BLOCK_BYTES]) -> [u64; 2] {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = *block;
    [u64::from_le_bytes([a, b, c, d, e, f, g, h]), u64::from_le_bytes([i, j, k, l, m, n, o, p])]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_at_every_place() {
        for byte in 0..=u8::MAX {
            for place in 0..BLOCK_BYTES {
                let mut block = [b'a'; BLOCK_BYTES];
                block[place] = byte;
                let expected = if is_special(byte) { place } else { BLOCK_BYTES };
                assert_eq!(first_special(&block), expected, "{byte:#x} at {place}");
                assert_eq!(first_special_by_words(&block), expected, "{byte:#x} at {place}");
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn both_ways_agree(block: [u8; BLOCK_BYTES]) {
            proptest::prop_assert_eq!(first_special(&block), first_special_by_words(&block));
        }

        #[test]
        fn finds_the_first(text: Vec<u8>, at in 0_usize..40) {
            let at = at.min(text.len());
            let expected = (at..text.len()).find(|&i| is_special(text[i])).unwrap_or(text.len());
            proptest::prop_assert_eq!(plain_end(&text, at), expected);
        }
    }
}
