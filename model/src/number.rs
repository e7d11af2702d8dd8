//! The four exact numbers: [`Quantity`], [`UnitAmount`], [`Amount`], [`Money`] (L5), and the 256-bit [`Exact`] between them.
//!
//! Owns: scales and limits of rating.md 6. All arithmetic is checked; what does not fit is [`Overflow`], which rating turns
//! into the verdict `unpriced: overflow`. ARCHITECTURE.md ("Numbers that fit") proves that nothing in between overflows.

use std::fmt;

use ethnum::I256;

use crate::currency::Currency;
use crate::decimal::{Decimal, DecimalError, decimal_string, power_of_ten, write_decimal};
use crate::rounding::{self, RoundingMode};

/// Decimals of amounts and unit amounts.
pub const AMOUNT_SCALE: u8 = 18;
/// Decimals a meter may keep at most.
pub const QUANTITY_SCALE_MAX: u8 = 12;
/// Amounts stay below 10^20 currency units: 38 digits with their 18 decimals, what Decimal128(38, 18) holds.
pub const AMOUNT_LIMIT: i128 = 10_i128.pow(38);
/// One event's scaled quantity at most, so that 10^14 of them fit a bucket.
pub const EVENT_QUANTITY_MAX: i128 = 10_i128.pow(24);
/// A bucket's scaled quantity stays below this: what Decimal128(38, s) holds.
pub const QUANTITY_LIMIT: i128 = 10_i128.pow(38);

/// A result is outside the range of its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the figure is too large to be held exactly")]
pub struct Overflow;

/// Decimals that a meter keeps, 0 to 12.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Scale(u8);

impl Scale {
    /// `None` above [`QUANTITY_SCALE_MAX`].
    pub const fn new(decimals: u8) -> Option<Scale> {
        if decimals <= QUANTITY_SCALE_MAX { Some(Scale(decimals)) } else { None }
    }

    /// The number of decimals.
    pub const fn decimals(self) -> u8 {
        self.0
    }

    /// 10^decimals: how many scaled units make one.
    pub fn unit(self) -> i128 {
        // A scale is at most 12, so the power exists.
        power_of_ten(self.0).unwrap_or(i128::MAX)
    }
}

/// How much was used, as an integer at its meter's [`Scale`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Quantity(i128);

impl Quantity {
    /// Nothing used.
    pub const ZERO: Quantity = Quantity(0);

    /// From the integer at the meter's scale.
    pub const fn from_scaled(scaled: i128) -> Quantity {
        Quantity(scaled)
    }

    /// The integer at the meter's scale.
    pub const fn scaled(self) -> i128 {
        self.0
    }

    /// Whole units of a count.
    pub fn from_count(count: u64) -> Quantity {
        Quantity(i128::from(count))
    }

    /// Parses decimal text at `scale`, exactly or not at all.
    pub fn parse(text: &[u8], scale: Scale) -> Result<Quantity, DecimalError> {
        Decimal::parse(text)?.at_scale(scale.decimals()).map(Quantity)
    }

    /// The sum, within [`QUANTITY_LIMIT`].
    pub fn checked_add(self, other: Quantity) -> Result<Quantity, Overflow> {
        match self.0.checked_add(other.0) {
            Some(sum) if sum > -QUANTITY_LIMIT && sum < QUANTITY_LIMIT => Ok(Quantity(sum)),
            _ => Err(Overflow),
        }
    }

    /// The difference, within [`QUANTITY_LIMIT`].
    pub fn checked_sub(self, other: Quantity) -> Result<Quantity, Overflow> {
        other.0.checked_neg().ok_or(Overflow).and_then(|negated| self.checked_add(Quantity(negated)))
    }

    /// The quantity as text, without trailing zeros.
    pub fn to_text(self, scale: Scale) -> String {
        decimal_string(self.0, scale.decimals())
    }
}

/// Currency units per unit of quantity, at scale 18.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct UnitAmount(i128);

impl UnitAmount {
    /// Free of charge.
    pub const ZERO: UnitAmount = UnitAmount(0);

    /// From a decimal with at most 18 decimals, below 10^20.
    pub fn from_decimal(decimal: Decimal) -> Result<UnitAmount, DecimalError> {
        let scaled = decimal.at_scale(AMOUNT_SCALE)?;
        if scaled > -AMOUNT_LIMIT && scaled < AMOUNT_LIMIT {
            Ok(UnitAmount(scaled))
        } else {
            Err(DecimalError::TooLong)
        }
    }

    /// The integer at scale 18.
    pub const fn scaled(self) -> i128 {
        self.0
    }
}

impl fmt::Display for UnitAmount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_decimal(f, self.0, AMOUNT_SCALE, 0)
    }
}

/// An amount of some currency at scale 18, below 10^20: what rating computes, before any document rounds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Amount(i128);

impl Amount {
    /// Nothing owed.
    pub const ZERO: Amount = Amount(0);

    /// From the integer at scale 18.
    pub const fn from_scaled(scaled: i128) -> Result<Amount, Overflow> {
        if scaled > -AMOUNT_LIMIT && scaled < AMOUNT_LIMIT { Ok(Amount(scaled)) } else { Err(Overflow) }
    }

    /// The integer at scale 18.
    pub const fn scaled(self) -> i128 {
        self.0
    }

    /// From a decimal with at most 18 decimals.
    pub fn from_decimal(decimal: Decimal) -> Result<Amount, DecimalError> {
        UnitAmount::from_decimal(decimal).map(|unit| Amount(unit.0))
    }

    /// The sum.
    pub fn checked_add(self, other: Amount) -> Result<Amount, Overflow> {
        self.0.checked_add(other.0).ok_or(Overflow).and_then(Amount::from_scaled)
    }

    /// The difference.
    pub fn checked_sub(self, other: Amount) -> Result<Amount, Overflow> {
        self.0.checked_sub(other.0).ok_or(Overflow).and_then(Amount::from_scaled)
    }

    /// Rounding (c) of rating.md 6: the amount in the currency's minor unit.
    pub fn to_money(self, currency: Currency, mode: RoundingMode) -> Money {
        let minor_unit = power_of_ten(AMOUNT_SCALE.saturating_sub(currency.exponent())).unwrap_or(1);
        // The divisor is a positive power of ten, so there is always a quotient.
        let minor = rounding::divide_i128(self.0, minor_unit, mode).unwrap_or(self.0);
        Money { minor, currency }
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_decimal(f, self.0, AMOUNT_SCALE, 0)
    }
}

/// Money on a document: an integer of the currency's minor unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Money {
    minor: i128,
    currency: Currency,
}

impl Money {
    /// So many minor units, for example cents.
    pub const fn from_minor(minor: i128, currency: Currency) -> Money {
        Money { minor, currency }
    }

    /// Nothing, in that currency.
    pub const fn zero(currency: Currency) -> Money {
        Money { minor: 0, currency }
    }

    /// The number of minor units.
    pub const fn minor(self) -> i128 {
        self.minor
    }

    /// The currency.
    pub const fn currency(self) -> Currency {
        self.currency
    }

    /// The sum. Adding two currencies is a broken money law and stops the process.
    pub fn checked_add(self, other: Money) -> Result<Money, Overflow> {
        assert_eq!(self.currency, other.currency, "money of two currencies must never be added");
        let minor = self.minor.checked_add(other.minor).ok_or(Overflow)?;
        Ok(Money { minor, currency: self.currency })
    }

    /// The decimal text, with all of the currency's decimals: `12.50`.
    pub fn to_decimal_text(self) -> String {
        let mut text = String::new();
        let exponent = self.currency.exponent();
        // Writing to a String cannot fail.
        let _ = write_decimal(&mut text, self.minor, exponent, exponent);
        text
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.to_decimal_text(), self.currency)
    }
}

/// An exact amount before its one rounding: `numerator / denominator` at scale 18, in 256 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exact {
    numerator: I256,
    denominator: I256,
}

impl Exact {
    /// Zero over `denominator`, which must be positive.
    pub fn zero(denominator: i128) -> Exact {
        assert!(denominator > 0, "a denominator is positive");
        Exact { numerator: I256::ZERO, denominator: I256::from(denominator) }
    }

    /// Adds `quantity x factor`, both integers; the product counts in units of 1/denominator.
    pub fn add_product(self, quantity: i128, factor: i128) -> Result<Exact, Overflow> {
        // |i128 x i128| < 2^254 always fits; only the sum can overflow.
        let product = I256::from(quantity).checked_mul(I256::from(factor)).ok_or(Overflow)?;
        let numerator = self.numerator.checked_add(product).ok_or(Overflow)?;
        Ok(Exact { numerator, ..self })
    }

    /// Adds `quantity x factor`, `times` over.
    pub fn add_product_times(self, quantity: i128, factor: i128, times: i128) -> Result<Exact, Overflow> {
        let product = I256::from(quantity).checked_mul(I256::from(factor)).ok_or(Overflow)?;
        let product = product.checked_mul(I256::from(times)).ok_or(Overflow)?;
        Ok(Exact { numerator: self.numerator.checked_add(product).ok_or(Overflow)?, ..self })
    }

    /// Adds a whole amount.
    pub fn add_amount(self, amount: Amount) -> Result<Exact, Overflow> {
        let product = I256::from(amount.0).checked_mul(self.denominator).ok_or(Overflow)?;
        let numerator = self.numerator.checked_add(product).ok_or(Overflow)?;
        Ok(Exact { numerator, ..self })
    }

    /// The same figure over `factor` times the denominator; `factor` must be positive.
    pub fn over(self, factor: i128) -> Result<Exact, Overflow> {
        assert!(factor > 0, "a denominator is positive");
        let factor = I256::from(factor);
        let numerator = self.numerator.checked_mul(factor).ok_or(Overflow)?;
        let denominator = self.denominator.checked_mul(factor).ok_or(Overflow)?;
        Ok(Exact { numerator, denominator })
    }

    /// The sum of two exact figures, over their least common denominator.
    pub fn plus(self, other: Exact) -> Result<Exact, Overflow> {
        if self.denominator == other.denominator {
            let numerator = self.numerator.checked_add(other.numerator).ok_or(Overflow)?;
            return Ok(Exact { numerator, ..self });
        }
        // Lowest terms are dear, and seldom what it takes for the sum to fit.
        self.plus_over_common(other).or_else(|Overflow| self.reduced()?.plus_over_common(other.reduced()?))
    }

    fn plus_over_common(self, other: Exact) -> Result<Exact, Overflow> {
        let common = greatest_common_divisor(self.denominator, other.denominator);
        let (ours, theirs) = (
            other.denominator.checked_div(common).ok_or(Overflow)?,
            self.denominator.checked_div(common).ok_or(Overflow)?,
        );
        let left = self.numerator.checked_mul(ours).ok_or(Overflow)?;
        let right = other.numerator.checked_mul(theirs).ok_or(Overflow)?;
        let numerator = left.checked_add(right).ok_or(Overflow)?;
        Ok(Exact { numerator, denominator: self.denominator.checked_mul(ours).ok_or(Overflow)? })
    }

    /// The same figure in lowest terms.
    #[cold]
    fn reduced(self) -> Result<Exact, Overflow> {
        let common = greatest_common_divisor(self.denominator, self.numerator.checked_abs().ok_or(Overflow)?);
        Ok(Exact {
            numerator: self.numerator.checked_div(common).ok_or(Overflow)?,
            denominator: self.denominator.checked_div(common).ok_or(Overflow)?,
        })
    }

    /// Nothing, over the same denominator.
    #[must_use]
    pub fn nothing(self) -> Exact {
        Exact { numerator: I256::ZERO, ..self }
    }

    /// The negated figure.
    pub fn negated(self) -> Result<Exact, Overflow> {
        Ok(Exact { numerator: self.numerator.checked_neg().ok_or(Overflow)?, ..self })
    }

    /// The greater of two figures over one denominator.
    #[must_use]
    pub fn max(self, other: Exact) -> Exact {
        assert_eq!(self.denominator, other.denominator, "only figures over one denominator are compared");
        if other.numerator > self.numerator { other } else { self }
    }

    /// The lesser of two figures over one denominator.
    #[must_use]
    pub fn min(self, other: Exact) -> Exact {
        assert_eq!(self.denominator, other.denominator, "only figures over one denominator are compared");
        if other.numerator < self.numerator { other } else { self }
    }

    /// Numerator and denominator, for snapshots.
    pub fn parts(self) -> (I256, I256) {
        (self.numerator, self.denominator)
    }

    /// From what [`Exact::parts`] gave. `None` if the denominator is not positive.
    pub fn from_parts(numerator: I256, denominator: I256) -> Option<Exact> {
        (denominator > I256::ZERO).then_some(Exact { numerator, denominator })
    }

    /// Rounding (b) of rating.md 6: once, to the amount's scale, half away from zero.
    pub fn round(self) -> Result<Amount, Overflow> {
        self.round_at(AMOUNT_SCALE, RoundingMode::HalfAway)
    }

    /// Rounding (a): to `scale` decimals (at most 18) in `mode`, expressed at scale 18 again.
    pub fn round_at(self, scale: u8, mode: RoundingMode) -> Result<Amount, Overflow> {
        let step = AMOUNT_SCALE.checked_sub(scale).and_then(power_of_ten).ok_or(Overflow)?;
        let denominator = self.denominator.checked_mul(I256::from(step)).ok_or(Overflow)?;
        let steps = rounding::divide(self.numerator, denominator, mode).ok_or(Overflow)?;
        let scaled = steps.checked_mul(I256::from(step)).ok_or(Overflow)?;
        i128::try_from(scaled).map_err(|_| Overflow).and_then(Amount::from_scaled)
    }
}

fn greatest_common_divisor(a: I256, b: I256) -> I256 {
    let (mut x, mut y) = (a, b);
    while y > I256::ZERO {
        // The divisor is positive.
        (x, y) = (y, x.checked_rem(y).unwrap_or(I256::ZERO));
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amount(text: &str) -> Amount {
        Amount::from_decimal(Decimal::parse(text.as_bytes()).unwrap()).unwrap()
    }

    #[test]
    fn money_rounds_to_the_minor_unit() {
        for (text, code, mode, expected) in [
            ("1.005", "USD", RoundingMode::HalfAway, "1.01 USD"),
            ("1.005", "USD", RoundingMode::HalfEven, "1.00 USD"),
            ("-1.005", "USD", RoundingMode::HalfAway, "-1.01 USD"),
            ("0.5", "JPY", RoundingMode::HalfAway, "1 JPY"),
            ("1.0005", "KWD", RoundingMode::HalfAway, "1.001 KWD"),
            ("1.00005", "CLF", RoundingMode::HalfAway, "1.0001 CLF"),
            ("99999999999999999999.999999999999999999", "USD", RoundingMode::Down, "99999999999999999999.99 USD"),
        ] {
            let money = amount(text).to_money(Currency::parse(code).unwrap(), mode);
            assert_eq!(money.to_string(), expected);
        }
    }

    #[test]
    fn limits() {
        let most = Quantity::from_scaled(QUANTITY_LIMIT - 1);
        assert_eq!(most.checked_add(Quantity::from_scaled(1)), Err(Overflow));
        assert_eq!(Quantity::ZERO.checked_sub(most).unwrap().scaled(), 1 - QUANTITY_LIMIT);
        assert_eq!(amount("99999999999999999999").checked_add(amount("1")), Err(Overflow));
        assert_eq!(Quantity::parse(b"9007199254740993", Scale::default()).unwrap().scaled(), 9_007_199_254_740_993);
        assert_eq!(Quantity::parse(b"0.1234567890123456789", Scale::new(12).unwrap()), Err(DecimalError::TooFine(12)));
    }

    #[test]
    fn sums_fit_in_lowest_terms() {
        // Two prices per large prime numbers of units: over the product of both denominators the sum has no room.
        let [first, second] = [733_144_904_368_655_847_134_737, 370_158_206_418_243_180_173_932_i128].map(Exact::zero);
        let price = 61_607_847_132_071_773_296_939_004_375_011_087_000;
        let usage = second.add_product(31_781_423_000_000_000, price).unwrap();
        assert_eq!(usage.plus_over_common(first), Err(Overflow));
        assert_eq!(usage.plus(first), usage.reduced());
        assert_eq!(usage.plus(first).unwrap().round(), usage.round());
        assert_eq!(first.plus(usage), usage.reduced());
    }

    #[test]
    fn exact_rounds_once() {
        // 1/3 + 1/3 + 1/3 is one, though each third rounds down.
        let third = Exact::zero(3).add_product(1, 1).unwrap();
        assert_eq!(third.round().unwrap().scaled(), 0);
        let whole = third.add_product(1, 1).and_then(|e| e.add_product(1, 1)).unwrap();
        assert_eq!(whole.round().unwrap().scaled(), 1);
        let largest = Exact::zero(1).add_product(QUANTITY_LIMIT - 1, AMOUNT_LIMIT - 1).unwrap();
        assert_eq!(largest.round(), Err(Overflow));
    }
}
