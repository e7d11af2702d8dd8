//! Parquet's encodings of integers: runs and bit-packed keys (RLE/bit-packing hybrid), and differences (DELTA_BINARY_PACKED).
//!
//! Owns: bytes as <https://parquet.apache.org/docs/file-format/data-pages/encodings/> defines them. Does not own: pages.

/// Keys that are looked at together: a block of equal keys becomes a part of a run. A multiple of 8.
const RUN_BLOCK: usize = 256;
/// Differences of a block, and of each of its miniblocks.
const DELTA_BLOCK: usize = 128;
const MINIBLOCK: usize = 32;
const MINIBLOCKS: usize = DELTA_BLOCK / MINIBLOCK;

/// Bits that every key up to `greatest` fits in; at least 1.
pub(crate) fn width_of(greatest: u32) -> u32 {
    (u32::BITS - greatest.leading_zeros()).max(1)
}

/// Appends keys below `1 << width` as runs and bit-packed stretches.
pub(crate) fn push_keys(out: &mut Vec<u8>, keys: &[u32], width: u32) {
    let mut packed = 0..0;
    let mut run: Option<(u32, usize)> = None;
    for (number, block) in keys.chunks(RUN_BLOCK).enumerate() {
        let start = number * RUN_BLOCK;
        let first = block.first().copied().unwrap_or_default();
        if block.iter().all(|&key| key == first) {
            push_packed(out, &keys[packed.clone()], width);
            packed = 0..0;
            match &mut run {
                Some((key, len)) if *key == first => *len += block.len(),
                _ => {
                    push_run(out, run.replace((first, block.len())), width);
                }
            }
        } else {
            push_run(out, run.take(), width);
            packed.start = if packed.is_empty() { start } else { packed.start };
            packed.end = start + block.len();
        }
    }
    push_packed(out, &keys[packed], width);
    push_run(out, run, width);
}

/// Appends `len` times the same key.
pub(crate) fn push_equal(out: &mut Vec<u8>, key: u32, len: usize, width: u32) {
    push_run(out, Some((key, len)), width);
}

fn push_run(out: &mut Vec<u8>, run: Option<(u32, usize)>, width: u32) {
    let Some((key, len)) = run.filter(|&(_, len)| len > 0) else { return };
    push_number(out, wide(len) << 1);
    out.extend_from_slice(&key.to_le_bytes()[..bytes_of(width)]);
}

fn push_packed(out: &mut Vec<u8>, keys: &[u32], width: u32) {
    if keys.is_empty() {
        return;
    }
    let groups = keys.len().div_ceil(8);
    push_number(out, wide(groups) << 1 | 1);
    pack(out, keys.iter().map(|&key| u64::from(key)), (groups * 8, width));
}

/// Appends values as the differences between neighbours.
pub(crate) fn push_deltas(out: &mut Vec<u8>, values: &[i64]) {
    push_number(out, wide(DELTA_BLOCK));
    push_number(out, wide(MINIBLOCKS));
    push_number(out, wide(values.len()));
    let Some((&first, rest)) = values.split_first() else { return push_number(out, 0) };
    push_number(out, zigzag(first));
    let mut before = first;
    let mut deltas = [0_i64; DELTA_BLOCK];
    for block in rest.chunks(DELTA_BLOCK) {
        for (delta, &value) in deltas.iter_mut().zip(block) {
            *delta = value.wrapping_sub(before);
            before = value;
        }
        push_delta_block(out, &deltas[..block.len()]);
    }
}

fn push_delta_block(out: &mut Vec<u8>, deltas: &[i64]) {
    let least = deltas.iter().copied().min().unwrap_or_default();
    push_number(out, zigzag(least));
    // Readers add with wrap-around, so that the least difference may be further away than an i64 tells.
    let above = |delta: &i64| delta.wrapping_sub(least).cast_unsigned();
    let mut widths = [0_u8; MINIBLOCKS];
    for (width, miniblock) in widths.iter_mut().zip(deltas.chunks(MINIBLOCK)) {
        let bits = miniblock.iter().fold(0, |bits, delta| bits | above(delta));
        *width = u8::try_from(u64::BITS - bits.leading_zeros()).unwrap_or(u8::MAX);
    }
    out.extend_from_slice(&widths);
    for (&width, miniblock) in widths.iter().zip(deltas.chunks(MINIBLOCK)) {
        pack(out, miniblock.iter().map(above), (MINIBLOCK, u32::from(width)));
    }
}

/// Appends values of `width` bits each, least significant bit first, filled up with zeros to `len` values: a multiple of 8.
fn pack(out: &mut Vec<u8>, values: impl Iterator<Item = u64>, (len, width): (usize, u32)) {
    // As many bytes as eight values have bits.
    let end = out.len() + len / 8 * bytes_of(8 * width);
    out.reserve(end - out.len());
    if width <= 32 {
        let (mut word, mut used) = (0_u64, 0);
        for value in values {
            word |= value << used;
            used += width;
            if used >= 32 {
                out.extend_from_slice(&word.to_le_bytes()[..4]);
                word >>= 32;
                used -= 32;
            }
        }
        out.extend_from_slice(&word.to_le_bytes()[..bytes_of(used)]);
    } else {
        let (mut word, mut used) = (0_u128, 0);
        for value in values {
            word |= u128::from(value) << used;
            used += width;
            if used >= 64 {
                out.extend_from_slice(&word.to_le_bytes()[..8]);
                word >>= 64;
                used -= 64;
            }
        }
        out.extend_from_slice(&word.to_le_bytes()[..bytes_of(used)]);
    }
    out.resize(end, 0);
}

/// Bytes that this many bits need.
fn bytes_of(bits: u32) -> usize {
    usize::try_from(bits.div_ceil(8)).unwrap_or(usize::MAX)
}

/// usize has at most 64 bits on every platform Rust supports.
fn wide(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

/// ULEB128.
fn push_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    out.push(number.to_le_bytes()[0]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys() {
        for (keys, width, expected) in [
            (vec![], 3, vec![]),
            (vec![5; 3], 3, vec![6, 5]),
            (vec![0x0102; 300], 9, vec![0xD8, 4, 2, 1]),
            // The example of the format's definition.
            ((0..8).collect(), 3, vec![3, 0b1000_1000, 0b1100_0110, 0b1111_1010]),
            (vec![1, 0, 1], 1, vec![3, 0b101]),
        ] {
            let mut out = Vec::new();
            push_keys(&mut out, &keys, width);
            assert_eq!(out, expected, "{keys:?}");
        }
    }

    #[test]
    fn runs_and_stretches_take_turns() {
        let mut keys = vec![7; 2 * RUN_BLOCK];
        keys.extend([1, 2].repeat(RUN_BLOCK));
        keys.extend([3; 10]);
        let mut out = Vec::new();
        push_keys(&mut out, &keys, 4);
        let mut expected = vec![0x80, 8, 7, 0x81, 1];
        expected.extend([0x21].repeat(RUN_BLOCK));
        expected.extend([20, 3]);
        assert_eq!(out, expected);
    }

    #[test]
    fn differences() {
        for (values, expected) in [
            (vec![], vec![128, 1, 4, 0, 0]),
            (vec![-1], vec![128, 1, 4, 1, 1]),
            // The examples of the format's definition, with this block size.
            (vec![1, 2, 3, 4, 5], vec![128, 1, 4, 5, 2, 2, 0, 0, 0, 0]),
            (
                vec![7, 5, 3, 1, 2, 3, 4, 5],
                vec![128, 1, 4, 8, 14, 3, 2, 0, 0, 0, 0b1100_0000, 0b11_1111, 0, 0, 0, 0, 0, 0],
            ),
        ] {
            let mut out = Vec::new();
            push_deltas(&mut out, &values);
            assert_eq!(out, expected, "{values:?}");
        }
    }

    #[test]
    fn widths() {
        for (greatest, width) in [(0, 1), (1, 1), (2, 2), (3, 2), (4, 3), (255, 8), (256, 9), (u32::MAX, 32)] {
            assert_eq!(width_of(greatest), width);
        }
    }
}
