//! Numbers as text, appended without an allocation; exact decimals as integers and back.

/// Decimals of an amount, as everywhere in Weir.
pub const AMOUNT_SCALE: u32 = 18;
/// One currency unit.
pub(crate) const AMOUNT_ONE: i128 = 1_000_000_000_000_000_000;

/// Appends `number` with zeros in front up to `width` digits; a longer number in full.
#[inline]
pub(crate) fn write_padded(out: &mut Vec<u8>, mut number: u64, width: usize) {
    let start = out.len();
    while number > 0 || out.len() - start < width {
        // A digit is below ten.
        out.push(b'0' + u8::try_from(number % 10).unwrap_or(0));
        number /= 10;
    }
    out[start..].reverse();
}

/// Appends `number`, an integer of `scale` decimals, with exactly so many.
#[inline]
pub(crate) fn write_decimal(out: &mut Vec<u8>, number: u64, scale: u32) {
    let one = 10_u64.pow(scale);
    write_padded(out, number / one, 1);
    if scale > 0 {
        out.push(b'.');
        // A scale is at most 18.
        write_padded(out, number % one, usize::try_from(scale).unwrap_or(0));
    }
}

/// `12500` of scale 3 as `12.5`.
pub(crate) fn decimal_text(number: i128, scale: u32) -> String {
    let one = 10_u128.pow(scale);
    let sign = if number < 0 { "-" } else { "" };
    let (whole, fraction) = (number.unsigned_abs() / one, number.unsigned_abs() % one);
    let width = usize::try_from(scale).unwrap_or(0);
    let text = format!("{sign}{whole}.{fraction:0width$}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// The integer of `scale` decimals that a decimal text means; `None` if it is none, or finer.
pub(crate) fn decimal_of(text: &str, scale: u32) -> Option<i128> {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(whole) || (digits.contains('.') && !is_number(fraction)) {
        return None;
    }
    let missing = scale.checked_sub(u32::try_from(fraction.len()).ok()?)?;
    let fraction = if fraction.is_empty() { 0 } else { fraction.parse::<i128>().ok()? };
    let fraction = fraction.checked_mul(10_i128.checked_pow(missing)?)?;
    whole.parse::<i128>().ok()?.checked_mul(10_i128.pow(scale))?.checked_add(fraction)?.checked_mul(sign)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_as_text() {
        let mut out = Vec::new();
        for (number, scale) in [(0, 0), (7, 0), (12_345, 3), (5, 3), (0, 2)] {
            write_decimal(&mut out, number, scale);
            out.push(b' ');
        }
        write_padded(&mut out, 42, 4);
        assert_eq!(String::from_utf8(out).unwrap(), "0 7 12.345 0.005 0.00 0042");
    }

    #[test]
    fn decimals_there_and_back() {
        for (number, scale, text) in
            [(0, 0, "0"), (12_500, 3, "12.5"), (-1, 18, "-0.000000000000000001"), (100, 2, "1"), (120, 0, "120")]
        {
            if scale > 0 {
                assert_eq!(decimal_text(number, scale), text);
            }
            assert_eq!(decimal_of(text, scale), Some(number));
        }
        assert_eq!(decimal_of("12.50", 2), Some(1_250));
        for text in ["", "-", ".5", "5.", "1e3", "0.001", "+1"] {
            assert_eq!(decimal_of(text, 2), None, "{text}");
        }
    }
}
