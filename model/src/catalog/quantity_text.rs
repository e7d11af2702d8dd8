//! A meter's quantities as decimals. A time-weighted quantity counts units x microseconds and a converted one thirds, say, so
//! that a decimal may have to round. Only print rounds: amounts come from the integers (L5).

use ethnum::I256;

use super::Meter;
use crate::decimal::{decimal_string, power_of_ten};
use crate::number::{QUANTITY_SCALE_MAX, Quantity};
use crate::rounding::{self, RoundingMode};

impl Meter {
    /// How many integers of a bucket's quantity make one unit.
    pub fn quantity_unit(&self) -> i128 {
        // At most 10^12 x the microseconds of a day.
        self.scale.unit().saturating_mul(self.aggregation.quantity_factor())
    }

    /// A bucket's quantity in units, without trailing zeros: exact where 12 decimals suffice, else rounded half away.
    pub fn quantity_text(&self, quantity: Quantity) -> String {
        quantity_text(quantity, self.quantity_unit())
    }

    /// The same as an integer at 12 decimals; `None` from 38 digits on.
    pub fn quantity_at_finest(&self, quantity: Quantity) -> Option<i128> {
        let (whole, fraction) = parts(quantity, self.quantity_unit());
        let scaled = whole.checked_mul(one())?.checked_add(fraction)?;
        Quantity::ZERO.checked_add(Quantity::from_scaled(scaled)).ok().map(Quantity::scaled)
    }
}

/// The number of units that `quantity` is, `unit` integers each, as [`Meter::quantity_text`] writes it.
///
/// # Panics
/// Unless `unit` is positive.
pub fn quantity_text(quantity: Quantity, unit: i128) -> String {
    let (whole, fraction) = parts(quantity, unit);
    if fraction == 0 {
        return whole.to_string();
    }
    let sign = if quantity < Quantity::ZERO { "-" } else { "" };
    // A fraction is below one: its text is a zero and what follows it.
    let fraction = decimal_string(fraction.saturating_abs(), QUANTITY_SCALE_MAX);
    format!("{sign}{}{}", whole.unsigned_abs(), fraction.trim_start_matches('0'))
}

/// Whole units, and the rest in the last of 12 decimals; both have the quantity's sign.
fn parts(quantity: Quantity, unit: i128) -> (i128, i128) {
    assert!(unit > 0, "a unit is positive");
    let scaled = quantity.scaled();
    let (whole, rest) = match (i64::try_from(scaled), i64::try_from(unit)) {
        // A division of 64 bits takes a fifth of the time.
        (Ok(scaled), Ok(unit)) => (scaled.checked_div(unit).map(i128::from), scaled.checked_rem(unit).map(i128::from)),
        _ => (scaled.checked_div(unit), scaled.checked_rem(unit)),
    };
    let (whole, rest) = (whole.unwrap_or(0), rest.unwrap_or(0));
    if rest == 0 {
        return (whole, 0);
    }
    // 127 bits times 40 fit, and the quotient is at most 10^12.
    let fine = I256::from(rest).wrapping_mul(I256::from(one()));
    let fraction = rounding::divide(fine, I256::from(unit), RoundingMode::HalfAway);
    let fraction = fraction.and_then(|fraction| i128::try_from(fraction).ok()).unwrap_or(0);
    if fraction.saturating_abs() == one() {
        // All nines, rounded up to the next unit.
        return (whole.saturating_add(fraction.signum()), 0);
    }
    (whole, fraction)
}

/// 1 at 12 decimals.
fn one() -> i128 {
    power_of_ten(QUANTITY_SCALE_MAX).unwrap_or(i128::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aggregation::{Aggregation, Carry, LevelValues, WeightedSum};
    use crate::catalog::TypeIdx;
    use crate::number::Scale;

    const HOUR: i64 = 3_600_000_000;

    #[test]
    fn texts() {
        let hour = i128::from(HOUR);
        for (scaled, unit, expected) in [
            (0, 1, "0"),
            (1_234, 1_000, "1.234"),
            (-1_230, 1_000, "-1.23"),
            (-5, 1_000, "-0.005"),
            (1, 10_i128.pow(12), "0.000000000001"),
            (1, 3, "0.333333333333"),
            (2, 3, "0.666666666667"),
            (-2, 3, "-0.666666666667"),
            (9_999_999_999_999, 10_i128.pow(13), "1"),
            (-9_999_999_999_999, 10_i128.pow(13), "-1"),
            (5, 10_i128.pow(13), "0.000000000001"),
            (4, 10_i128.pow(13), "0"),
            (36 * hour, hour, "36"),
            (hour * 3 / 2, hour, "1.5"),
            (100 * hour + 1, 1_000 * hour, "0.1"),
            (10_i128.pow(38) - 1, 1, "99999999999999999999999999999999999999"),
            (10_i128.pow(38) - 1, 10, "9999999999999999999999999999999999999.9"),
            (1 - 10_i128.pow(38), 10_i128.pow(37) * 3, "-3.333333333333"),
        ] {
            assert_eq!(quantity_text(Quantity::from_scaled(scaled), unit), expected, "{scaled} / {unit}");
        }
    }

    #[test]
    fn at_twelve_decimals() {
        let hours = WeightedSum { values: LevelValues::Level, per_micros: HOUR, carry: Carry::Over };
        for (aggregation, scale, scaled, expected) in [
            (Aggregation::Sum, 0, 3, Some(3 * 10_i128.pow(12))),
            (Aggregation::Sum, 12, -7, Some(-7)),
            (Aggregation::Sum, 0, 10_i128.pow(26) - 1, Some((10_i128.pow(26) - 1) * 10_i128.pow(12))),
            (Aggregation::Sum, 0, 10_i128.pow(26), None),
            (Aggregation::WeightedSum(hours), 1, i128::from(HOUR) * 15, Some(1_500_000_000_000)),
            (Aggregation::WeightedSum(hours), 12, i128::from(HOUR) / 2, Some(1)),
            (Aggregation::WeightedSum(hours), 12, i128::from(HOUR) / 2 - 1, Some(0)),
        ] {
            let meter = Meter {
                name: String::new(),
                event_type: TypeIdx(0),
                aggregation,
                scale: Scale::new(scale).unwrap(),
                value: None,
                distinct: None,
                series: None,
                estimated: None,
                amount: None,
                dimensions: Vec::new(),
                filter: Vec::new(),
                allow_negative: false,
            };
            assert_eq!(meter.quantity_at_finest(Quantity::from_scaled(scaled)), expected, "{aggregation:?} {scaled}");
        }
    }
}
