//! Quantities as text. They are integers of some unit that need not be a power of ten (a level times microseconds, a
//! conversion by three), so that a text may have to round. Only print rounds: amounts come from the integers (L5).

use weir_model::decimal::{decimal_string, power_of_ten};
use weir_model::number::{AMOUNT_SCALE, Amount, Exact, Overflow, Quantity};
use weir_model::rounding::RoundingMode;

/// Decimals of a text at most: as many as the finest meter keeps.
const DECIMALS_MAX: u8 = 12;

/// The number of units, exact where 12 decimals suffice, without trailing zeros. `unit` is positive.
pub(super) fn text(quantity: Quantity, unit: i128) -> Result<String, Overflow> {
    let scaled = quantity.scaled();
    let whole = scaled.checked_div(unit).ok_or(Overflow)?;
    let rest = scaled.checked_rem(unit).ok_or(Overflow)?;
    // Below one unit, so that it fits whatever the unit is.
    let one = power_of_ten(AMOUNT_SCALE).ok_or(Overflow)?;
    let fraction: Amount = Exact::zero(unit).add_product(rest, one)?.round_at(DECIMALS_MAX, RoundingMode::HalfAway)?;
    if fraction == Amount::ZERO {
        return Ok(whole.to_string());
    }
    let magnitude = fraction.scaled().unsigned_abs();
    if magnitude == one.unsigned_abs() {
        // All nines, rounded up to the next unit.
        return whole.checked_add(scaled.signum()).map(|whole| whole.to_string()).ok_or(Overflow);
    }
    let sign = if scaled < 0 { "-" } else { "" };
    let fraction = decimal_string(fraction.scaled().abs(), AMOUNT_SCALE);
    let digits = fraction.strip_prefix('0').unwrap_or(&fraction);
    Ok(format!("{sign}{}{digits}", whole.unsigned_abs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table() {
        let hour = 3_600_000_000;
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
        ] {
            assert_eq!(text(Quantity::from_scaled(scaled), unit).unwrap(), expected, "{scaled} / {unit}");
        }
    }
}
