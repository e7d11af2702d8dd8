//! The one place where Weir rounds (L5).
//!
//! Owns: dividing an exact numerator by a denominator with an explicit mode. Does not own: *when* to round; rating.md 6
//! names the three occasions (per event, A(S), the line) and each caller says which one it is.

use ethnum::{I256, U256};

/// How a quotient that does not come out even is rounded. Modes are symmetric around zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RoundingMode {
    /// To the nearest; a tie goes away from zero. What AWS and most invoices do.
    #[default]
    HalfAway,
    /// To the nearest; a tie goes to the even neighbour.
    HalfEven,
    /// Away from zero.
    Up,
    /// Towards zero.
    Down,
}

impl RoundingMode {
    /// The mode's name in catalogs: `half_away`, `half_even`, `up`, `down`.
    pub fn parse(name: &str) -> Option<RoundingMode> {
        match name {
            "half_away" => Some(RoundingMode::HalfAway),
            "half_even" => Some(RoundingMode::HalfEven),
            "up" => Some(RoundingMode::Up),
            "down" => Some(RoundingMode::Down),
            _ => None,
        }
    }
}

/// `numerator / denominator`, rounded to an integer. `None` if the denominator is not positive.
pub fn divide(numerator: I256, denominator: I256, mode: RoundingMode) -> Option<I256> {
    if denominator <= I256::ZERO {
        return None;
    }
    let magnitude = numerator.unsigned_abs();
    let divisor = denominator.unsigned_abs();
    // The divisor is positive and the magnitude at most 2^255: neither operation can fail.
    let quotient = magnitude.checked_div(divisor)?;
    let remainder = magnitude.checked_rem(divisor)?;
    let rounded =
        if away_from_zero(quotient, remainder, divisor, mode) { quotient.checked_add(U256::ONE)? } else { quotient };
    let rounded = I256::try_from(rounded).ok()?;
    Some(if numerator < I256::ZERO { rounded.wrapping_neg() } else { rounded })
}

/// The same within 128 bits, for the paths where 256 would be waste.
pub fn divide_i128(numerator: i128, denominator: i128, mode: RoundingMode) -> Option<i128> {
    if denominator <= 0 {
        return None;
    }
    let quotient = numerator.checked_div(denominator)?;
    let remainder = numerator.checked_rem(denominator)?.unsigned_abs();
    let rest = denominator.unsigned_abs().checked_sub(remainder)?;
    let away = match mode {
        _ if remainder == 0 => false,
        RoundingMode::HalfAway => remainder >= rest,
        RoundingMode::HalfEven => remainder > rest || (remainder == rest && quotient & 1 == 1),
        RoundingMode::Up => true,
        RoundingMode::Down => false,
    };
    match (away, numerator < 0) {
        (false, _) => Some(quotient),
        (true, false) => quotient.checked_add(1),
        (true, true) => quotient.checked_sub(1),
    }
}

fn away_from_zero(quotient: U256, remainder: U256, divisor: U256, mode: RoundingMode) -> bool {
    // remainder < divisor, so `rest` is at least 1; comparing with it avoids doubling the remainder.
    let rest = divisor.wrapping_sub(remainder);
    match mode {
        _ if remainder == U256::ZERO => false,
        RoundingMode::HalfAway => remainder >= rest,
        RoundingMode::HalfEven => remainder > rest || (remainder == rest && quotient & U256::ONE == U256::ONE),
        RoundingMode::Up => true,
        RoundingMode::Down => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table() {
        use RoundingMode::{Down, HalfAway, HalfEven, Up};
        for (numerator, denominator, mode, expected) in [
            (5, 2, HalfAway, 3),
            (-5, 2, HalfAway, -3),
            (5, 2, HalfEven, 2),
            (7, 2, HalfEven, 4),
            (-5, 2, HalfEven, -2),
            (-7, 2, HalfEven, -4),
            (1, 3, Up, 1),
            (-1, 3, Up, -1),
            (2, 3, Down, 0),
            (-2, 3, Down, 0),
            (1, 3, HalfAway, 0),
            (2, 3, HalfAway, 1),
            (-2, 3, HalfAway, -1),
            (6, 3, Up, 2),
            (0, 7, Up, 0),
            (i128::MAX, 1, Up, i128::MAX),
            (i128::MIN, 1, HalfEven, i128::MIN),
            (i128::MAX, 2, HalfAway, i128::MAX / 2 + 1),
            (i128::MAX, 2, HalfEven, i128::MAX / 2 + 1),
        ] {
            let wide = divide(I256::from(numerator), I256::from(denominator), mode);
            assert_eq!(wide, Some(I256::from(expected)), "{numerator}/{denominator} {mode:?}");
            assert_eq!(divide_i128(numerator, denominator, mode), Some(expected), "{numerator}/{denominator} {mode:?}");
        }
        assert_eq!(divide_i128(1, 0, HalfAway), None);
        assert_eq!(divide(I256::ONE, I256::MINUS_ONE, HalfAway), None);
    }

    #[test]
    fn names() {
        for (name, mode) in [
            ("half_away", Some(RoundingMode::HalfAway)),
            ("half_even", Some(RoundingMode::HalfEven)),
            ("up", Some(RoundingMode::Up)),
            ("down", Some(RoundingMode::Down)),
            ("nearest", None),
        ] {
            assert_eq!(RoundingMode::parse(name), mode);
        }
    }

    proptest::proptest! {
        #[test]
        fn narrow_and_wide_agree(numerator: i128, denominator in 1..i128::MAX, mode in 0..4_usize) {
            let mode = [RoundingMode::HalfAway, RoundingMode::HalfEven, RoundingMode::Up, RoundingMode::Down][mode];
            let wide = divide(I256::from(numerator), I256::from(denominator), mode).unwrap();
            proptest::prop_assert_eq!(Some(wide), divide_i128(numerator, denominator, mode).map(I256::from));
        }
    }
}
