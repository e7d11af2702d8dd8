//! Decimal text to exact integers and back (L5). No float is ever in between.
//!
//! Owns: the grammar of decimal literals (JSON's numbers, with `+` refused) and printing. The 128-bit mantissa holds 38
//! digits: more than rust_decimal's 96 bits, which cannot hold amounts.

use std::fmt;

/// 10^0 ... 10^38.
pub const POWERS_OF_TEN: [i128; 39] = {
    let mut powers = [1_i128; 39];
    let mut i = 1;
    while i < 39 {
        powers[i] = powers[i - 1] * 10;
        i += 1;
    }
    powers
};

/// 10^exponent, for exponents up to 38.
pub fn power_of_ten(exponent: u8) -> Option<i128> {
    POWERS_OF_TEN.get(usize::from(exponent)).copied()
}

/// An exact decimal: `mantissa` x 10^-`scale`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decimal {
    /// The digits, signed.
    pub mantissa: i128,
    /// Digits after the decimal point.
    pub scale: u8,
}

/// Why a text is no decimal that Weir can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecimalError {
    /// Not a JSON number: empty, `NaN`, `1_000`, `.5`, `0x10` ...
    #[error("is not a decimal number")]
    Malformed,
    /// More than 38 significant digits, or an exponent beyond them.
    #[error("has more digits than fit (38)")]
    TooLong,
    /// Digits below the scale that are not zero.
    #[error("is finer than {0} decimals")]
    TooFine(u8),
}

impl Decimal {
    /// Parses `-?digits[.digits][(e|E)[+-]digits]`. Trailing zeros of the fraction carry no meaning and are dropped
    /// when there are too many of them to hold.
    pub fn parse(text: &[u8]) -> Result<Decimal, DecimalError> {
        let (negative, rest) = match text.split_first() {
            Some((b'-', rest)) => (true, rest),
            _ => (false, text),
        };
        let mut mantissa: u128 = 0;
        let mut scale: i64 = 0;
        let mut integer_digits = 0_usize;
        let mut fraction_digits = 0_usize;
        // Zeros are held back until a digit after them needs them, so that 1.5000...0 of any length parses.
        let mut pending_zeros: i64 = 0;
        let mut in_fraction = false;
        let mut i = 0_usize;
        while let Some(&byte) = rest.get(i) {
            match byte {
                b'0'..=b'9' => {
                    if in_fraction {
                        fraction_digits = fraction_digits.saturating_add(1);
                    } else {
                        if integer_digits == 1 && rest.first() == Some(&b'0') {
                            return Err(DecimalError::Malformed);
                        }
                        integer_digits = integer_digits.saturating_add(1);
                    }
                    if byte == b'0' {
                        pending_zeros = pending_zeros.saturating_add(1);
                    } else {
                        mantissa = push_zeros(mantissa, pending_zeros)?;
                        let digit = u128::from(byte.wrapping_sub(b'0'));
                        mantissa =
                            mantissa.checked_mul(10).and_then(|m| m.checked_add(digit)).ok_or(DecimalError::TooLong)?;
                        if in_fraction {
                            scale = scale.saturating_add(pending_zeros).saturating_add(1);
                        }
                        pending_zeros = 0;
                    }
                }
                b'.' if !in_fraction && integer_digits > 0 => {
                    mantissa = push_zeros(mantissa, pending_zeros)?;
                    pending_zeros = 0;
                    in_fraction = true;
                }
                b'e' | b'E' => break,
                _ => return Err(DecimalError::Malformed),
            }
            i = i.saturating_add(1);
        }
        if integer_digits == 0 || (in_fraction && fraction_digits == 0) {
            return Err(DecimalError::Malformed);
        }
        if !in_fraction {
            mantissa = push_zeros(mantissa, pending_zeros)?;
        }
        if i < rest.len() {
            let exponent = parse_exponent(rest.get(i.saturating_add(1)..).unwrap_or_default())?;
            scale = scale.saturating_sub(exponent);
        }
        Decimal::from_parts(negative, mantissa, scale)
    }

    fn from_parts(negative: bool, mantissa: u128, scale: i64) -> Result<Decimal, DecimalError> {
        if mantissa == 0 {
            return Ok(Decimal { mantissa: 0, scale: 0 });
        }
        let (mut mantissa, mut scale) = (i128::try_from(mantissa).map_err(|_| DecimalError::TooLong)?, scale);
        while scale > 0 && mantissa.checked_rem(10) == Some(0) {
            mantissa = mantissa.checked_div(10).ok_or(DecimalError::TooLong)?;
            scale = scale.saturating_sub(1);
        }
        if scale < 0 {
            let lift = u8::try_from(scale.unsigned_abs()).ok().and_then(power_of_ten).ok_or(DecimalError::TooLong)?;
            mantissa = mantissa.checked_mul(lift).ok_or(DecimalError::TooLong)?;
            scale = 0;
        }
        let scale = u8::try_from(scale).map_err(|_| DecimalError::TooFine(u8::MAX))?;
        let mantissa = if negative { mantissa.checked_neg().ok_or(DecimalError::TooLong)? } else { mantissa };
        Ok(Decimal { mantissa, scale })
    }

    /// The integer that stands for this decimal at `scale` decimals, exactly or not at all.
    pub fn at_scale(self, scale: u8) -> Result<i128, DecimalError> {
        match scale.checked_sub(self.scale) {
            Some(lift) => {
                let factor = power_of_ten(lift).ok_or(DecimalError::TooLong)?;
                self.mantissa.checked_mul(factor).ok_or(DecimalError::TooLong)
            }
            None => {
                let Some(factor) = power_of_ten(self.scale.saturating_sub(scale)) else {
                    return if self.mantissa == 0 { Ok(0) } else { Err(DecimalError::TooFine(scale)) };
                };
                match (self.mantissa.checked_rem(factor), self.mantissa.checked_div(factor)) {
                    (Some(0), Some(quotient)) => Ok(quotient),
                    _ => Err(DecimalError::TooFine(scale)),
                }
            }
        }
    }
}

fn push_zeros(mantissa: u128, zeros: i64) -> Result<u128, DecimalError> {
    if mantissa == 0 || zeros == 0 {
        return Ok(mantissa);
    }
    let factor = u8::try_from(zeros).ok().and_then(power_of_ten).ok_or(DecimalError::TooLong)?;
    mantissa.checked_mul(factor.unsigned_abs()).ok_or(DecimalError::TooLong)
}

fn parse_exponent(text: &[u8]) -> Result<i64, DecimalError> {
    let (negative, digits) = match text.split_first() {
        Some((b'-', digits)) => (true, digits),
        Some((b'+', digits)) => (false, digits),
        _ => (false, text),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(DecimalError::Malformed);
    }
    // Far beyond any scale the value is out of range anyway: saturate instead of overflowing.
    let magnitude = digits.iter().fold(0_i64, |exponent, digit| {
        exponent.saturating_mul(10).saturating_add(i64::from(digit.wrapping_sub(b'0'))).min(100_000)
    });
    Ok(if negative { magnitude.saturating_neg() } else { magnitude })
}

/// Prints `mantissa` x 10^-`scale` without trailing zeros, keeping at least `decimals_min` decimals.
pub fn write_decimal(f: &mut impl fmt::Write, mantissa: i128, scale: u8, decimals_min: u8) -> fmt::Result {
    let digits = mantissa.unsigned_abs().to_string();
    let scale = usize::from(scale);
    let padded = format!("{digits:0>width$}", width = scale.saturating_add(1));
    let (integer, fraction) = padded.split_at(padded.len().saturating_sub(scale));
    let significant = fraction.trim_end_matches('0').len().max(usize::from(decimals_min).min(scale));
    if mantissa < 0 {
        f.write_char('-')?;
    }
    f.write_str(integer)?;
    if significant > 0 {
        f.write_char('.')?;
        f.write_str(fraction.get(..significant).unwrap_or(fraction))?;
    }
    Ok(())
}

/// [`write_decimal`] into a new string, without trailing zeros.
pub fn decimal_string(mantissa: i128, scale: u8) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = write_decimal(&mut text, mantissa, scale, 0);
    text
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_decimal(f, self.mantissa, self.scale, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses() {
        for (text, expected) in [
            ("0", Ok((0, 0))),
            ("-0", Ok((0, 0))),
            ("0.000", Ok((0, 0))),
            ("0e999999999999999999999", Ok((0, 0))),
            ("10", Ok((10, 0))),
            ("100.0", Ok((100, 0))),
            ("1.50", Ok((15, 1))),
            ("-1.05", Ok((-105, 2))),
            ("9007199254740993", Ok((9_007_199_254_740_993, 0))),
            ("0.1234567890123456789", Ok((1_234_567_890_123_456_789, 19))),
            ("1e3", Ok((1000, 0))),
            ("1.5E+1", Ok((15, 0))),
            ("1.5e-1", Ok((15, 2))),
            ("1200e-2", Ok((12, 0))),
            ("1.50000000000000000000000000000000000000000000000000", Ok((15, 1))),
            ("99999999999999999999999999999999999999", Ok((99_999_999_999_999_999_999_999_999_999_999_999_999, 0))),
            ("1e400", Err(DecimalError::TooLong)),
            ("1e-400", Err(DecimalError::TooFine(255))),
            ("1000000000000000000000000000000000000000", Err(DecimalError::TooLong)),
            ("", Err(DecimalError::Malformed)),
            ("-", Err(DecimalError::Malformed)),
            ("+1", Err(DecimalError::Malformed)),
            (".5", Err(DecimalError::Malformed)),
            ("5.", Err(DecimalError::Malformed)),
            ("01", Err(DecimalError::Malformed)),
            ("1_000", Err(DecimalError::Malformed)),
            ("1e", Err(DecimalError::Malformed)),
            ("1e1.5", Err(DecimalError::Malformed)),
            ("NaN", Err(DecimalError::Malformed)),
            ("Infinity", Err(DecimalError::Malformed)),
            ("0x10", Err(DecimalError::Malformed)),
            ("1 ", Err(DecimalError::Malformed)),
        ] {
            let parsed = Decimal::parse(text.as_bytes()).map(|d| (d.mantissa, d.scale));
            assert_eq!(parsed, expected, "{text}");
        }
    }

    #[test]
    fn rescales_exactly_or_not_at_all() {
        for (text, scale, expected) in [
            ("1.5", 2, Ok(150)),
            ("1.50", 1, Ok(15)),
            ("1.55", 1, Err(DecimalError::TooFine(1))),
            ("1e38", 12, Err(DecimalError::TooLong)),
            ("0.1234567890123456789", 12, Err(DecimalError::TooFine(12))),
        ] {
            let scaled = Decimal::parse(text.as_bytes()).and_then(|d| d.at_scale(scale));
            assert_eq!(scaled, expected, "{text} at {scale}");
        }
    }

    proptest::proptest! {
        #[test]
        fn prints_what_it_parses(mantissa: i128, scale in 0_u8..39) {
            let text = decimal_string(mantissa, scale);
            let parsed = Decimal::parse(text.as_bytes());
            if let Ok(parsed) = parsed {
                proptest::prop_assert_eq!(parsed.at_scale(scale), Ok(mantissa));
            } else {
                // Only i128::MIN cannot be parsed back: its magnitude has no positive counterpart.
                proptest::prop_assert_eq!(mantissa, i128::MIN);
            }
        }
    }
}
