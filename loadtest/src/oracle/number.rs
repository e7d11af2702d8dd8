//! Exact numbers: decimals as fractions, the roundings of rating.md 6, the largest remainder.
//!
//! Owns: how text becomes a fraction and how a fraction becomes an integer. Does not own: when to round. Nothing here
//! is a float; a fraction is never cut but by [`round`]. Keeps L5.

use anyhow::{Context, Result, ensure};
use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::{Signed, Zero};

/// An exact number.
pub type Exact = BigRational;

/// Decimals of an amount.
pub const AMOUNT_SCALE: u32 = 18;

/// What becomes of a half and of every other fraction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// To the nearest, a half away from zero.
    HalfAway,
    /// To the nearest, a half to the even neighbour.
    HalfEven,
    /// Away from zero.
    Up,
    /// Towards zero.
    Down,
}

impl Mode {
    /// The mode of this name.
    pub(super) fn parse(name: &str) -> Result<Mode> {
        Ok(match name {
            "half_away" => Mode::HalfAway,
            "half_even" => Mode::HalfEven,
            "up" => Mode::Up,
            "down" => Mode::Down,
            _ => anyhow::bail!("{name:?} is no rounding mode"),
        })
    }
}

/// 10^`exponent`.
pub(super) fn pow10(exponent: u32) -> BigInt {
    BigInt::from(10).pow(exponent)
}

/// `-12.50` as digits and number of decimals: (-1250, 2).
fn digits(text: &str) -> Option<(BigInt, u32)> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let plain = !fraction.is_empty() || !text.contains('.');
    let all = format!("{whole}{fraction}");
    (plain && !all.contains('+')).then_some(())?;
    Some((all.parse().ok()?, u32::try_from(fraction.len()).ok()?))
}

/// The number that a decimal text stands for.
pub(super) fn decimal(text: &str) -> Result<Exact> {
    let (digits, decimals) = digits(text).with_context(|| format!("{text:?} is no decimal"))?;
    Ok(Exact::new(digits, pow10(decimals)))
}

/// A decimal text as an integer with `scale` decimals; `None` if it is finer or no decimal at all.
pub(super) fn scaled(text: &str, scale: u32) -> Option<i128> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let fraction = fraction.trim_end_matches('0');
    let missing = scale.checked_sub(u32::try_from(fraction.len()).ok()?)?;
    let value: i128 = if fraction.is_empty() { whole.parse() } else { format!("{whole}{fraction}").parse() }.ok()?;
    value.checked_mul(10_i128.checked_pow(missing)?)
}

/// The number with `scale` decimals that the integer stands for.
pub(super) fn from_scaled(integer: impl Into<BigInt>, scale: u32) -> Exact {
    Exact::new(integer.into(), pow10(scale))
}

/// The integer count of 10^-`scale` that is nearest by the mode; every mode is symmetric around zero.
pub(super) fn round(value: &Exact, scale: u32, mode: Mode) -> BigInt {
    round_quotient(&(value.numer() * pow10(scale)), value.denom(), mode)
}

/// The integer that is nearest to a quotient by the mode; the divisor is above zero.
pub(super) fn round_quotient(dividend: &BigInt, divisor: &BigInt, mode: Mode) -> BigInt {
    let magnitude = dividend.abs();
    let floor: BigInt = &magnitude / divisor;
    let rest: BigInt = magnitude - &floor * divisor;
    let against_half = (&rest + &rest).cmp(divisor);
    let is_odd = floor.bit(0);
    let goes_up = match mode {
        Mode::HalfAway => against_half.is_ge(),
        Mode::HalfEven => against_half.is_gt() || (against_half.is_eq() && is_odd),
        Mode::Up => !rest.is_zero(),
        Mode::Down => false,
    };
    let nearest = if goes_up { floor + 1 } else { floor };
    if dividend.is_negative() { -nearest } else { nearest }
}

/// Rounding (b): an amount at 18 decimals, half away from zero.
pub(super) fn round_amount(value: &Exact) -> BigInt {
    round(value, AMOUNT_SCALE, Mode::HalfAway)
}

/// Splits an integer in proportion to weights by largest remainder, ties to the earlier one. With all weights zero the
/// first gets all. Weights are not negative; a negative total is split as its magnitude is.
pub(super) fn share(total: &BigInt, weights: &[Exact]) -> Vec<BigInt> {
    let sum: Exact = weights.iter().sum();
    if sum.is_zero() {
        return (0..weights.len()).map(|at| if at == 0 { total.clone() } else { BigInt::zero() }).collect();
    }
    let exact: Vec<Exact> = weights.iter().map(|weight| weight * total.abs() / &sum).collect();
    let mut shares: Vec<BigInt> = exact.iter().map(Exact::to_integer).collect();
    let mut rest = total.abs() - shares.iter().sum::<BigInt>();
    let mut order: Vec<usize> = (0..weights.len()).collect();
    // A stable sort: equal remainders keep their order.
    order.sort_by_key(|at| std::cmp::Reverse(exact[*at].fract()));
    for at in order {
        if rest.is_zero() {
            break;
        }
        shares[at] += 1;
        rest -= 1;
    }
    if total.is_negative() { shares.into_iter().map(|share| -share).collect() } else { shares }
}

/// Decimals of the currency's minor unit (ISO 4217).
pub(super) fn minor_decimals(currency: &str) -> Result<u32> {
    ensure!(
        currency.len() == 3 && currency.bytes().all(|byte| byte.is_ascii_uppercase()),
        "{currency:?} is no currency"
    );
    Ok(match currency {
        "BIF" | "CLP" | "DJF" | "GNF" | "ISK" | "JPY" | "KMF" | "KRW" | "PYG" | "RWF" | "UGX" | "UYI" | "VND"
        | "VUV" | "XAF" | "XOF" | "XPF" => 0,
        "BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND" => 3,
        "CLF" | "UYW" => 4,
        _ => 2,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exact(text: &str) -> Exact {
        decimal(text).unwrap()
    }

    #[test]
    fn roundings() {
        for (value, scale, half_away, half_even, up, down) in [
            ("0.5", 0, 1, 0, 1, 0),
            ("1.5", 0, 2, 2, 2, 1),
            ("-0.5", 0, -1, 0, -1, 0),
            ("-2.5", 0, -3, -2, -3, -2),
            ("2.51", 0, 3, 3, 3, 2),
            ("2.49", 0, 2, 2, 3, 2),
            ("0.125", 2, 13, 12, 13, 12),
            ("-0.001", 2, 0, 0, -1, 0),
            ("7", 2, 700, 700, 700, 700),
        ] {
            let got =
                [Mode::HalfAway, Mode::HalfEven, Mode::Up, Mode::Down].map(|mode| round(&exact(value), scale, mode));
            assert_eq!(got, [half_away, half_even, up, down].map(BigInt::from), "{value}");
        }
    }

    #[test]
    fn decimals_as_integers() {
        for (text, scale, expected) in [
            ("12.5", 1, Some(125)),
            ("12.50", 1, Some(125)),
            ("12.55", 1, None),
            ("-0.5", 3, Some(-500)),
            ("-12.5", 1, Some(-125)),
            ("7", 12, Some(7_000_000_000_000)),
            ("x", 0, None),
        ] {
            assert_eq!(scaled(text, scale), expected, "{text}");
        }
    }

    #[test]
    fn shares_by_largest_remainder() {
        for (total, weights, expected) in [
            (100, vec!["1", "1", "1"], vec![34, 33, 33]),
            (-100, vec!["1", "1", "1"], vec![-34, -33, -33]),
            (10, vec!["0", "0"], vec![10, 0]),
            (5, vec!["1", "2", "0"], vec![2, 3, 0]),
            (2, vec!["0.1", "0.2", "0.2"], vec![0, 1, 1]),
        ] {
            let weights: Vec<Exact> = weights.into_iter().map(exact).collect();
            let expected: Vec<BigInt> = expected.into_iter().map(BigInt::from).collect();
            assert_eq!(share(&BigInt::from(total), &weights), expected);
        }
    }
}
