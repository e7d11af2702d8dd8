//! Fast evaluation of prices that are piecewise linear and exact at the amount scale (most of them): one multiplication of
//! two 64-bit numbers and one addition per event. Everything else takes the exact 256-bit way in `model`.
//!
//! A curve is the allowance and the price of one charge and cell, compiled once. It must agree with the price's exact way
//! to the last digit; a property test says so.

use weir_model::number::{Amount, Overflow, Quantity};
use weir_model::price::{Cumulative, Tier};

/// Above which quantity a piece holds, and A(Q) = base + (Q - origin) x slope there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Piece {
    above: i64,
    origin: i64,
    slope: i64,
    base: i128,
}

/// A piecewise linear function from quantity to amount, for quantities in 0..2^63.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Curve {
    first: Piece,
    rest: Box<[Piece]>,
}

impl Curve {
    /// Compiles a charge's price in one cell. `None`: it needs the exact way (blocks, amounts finer than 18 decimals
    /// per scaled unit, bounds beyond 2^63).
    pub fn compile(allowance: Quantity, price: Cumulative<'_>) -> Option<Curve> {
        let allowance = i64::try_from(allowance.scaled()).ok()?;
        let mut pieces = match price {
            Cumulative::Unit(unit) => {
                let slope = exact_slope(unit.unit_amount.scaled(), unit.per.scaled())?;
                vec![Piece { above: 0, origin: 0, slope, base: 0 }]
            }
            Cumulative::Graduated(price) | Cumulative::GraduatedPercentage(price) => {
                tier_pieces(price.tiers.with_lower(), price.unit, graduated_base)?
            }
            Cumulative::Volume(price) => tier_pieces(price.tiers.with_lower(), price.unit, volume_base)?,
            Cumulative::Stairstep(price) => steps(price.tiers.with_lower())?,
            Cumulative::Package(_) => return None,
        };
        if allowance > 0 {
            for piece in &mut pieces {
                piece.above = piece.above.checked_add(allowance)?;
                piece.origin = piece.origin.checked_add(allowance)?;
            }
            let free = pieces.first().map_or(0, |piece| piece.base);
            pieces.insert(0, Piece { above: 0, origin: 0, slope: 0, base: free });
        }
        let (first, rest) = pieces.split_first()?;
        Some(Curve { first: *first, rest: rest.into() })
    }

    /// A(Q). `None`: outside the curve's range, take the exact way.
    pub fn amount(&self, quantity: Quantity) -> Option<Result<Amount, Overflow>> {
        let quantity = i64::try_from(quantity.scaled()).ok().filter(|quantity| *quantity >= 0)?;
        // Tiers are few: a scan without branches on the data beats a search.
        let piece = self.rest.iter().take_while(|piece| quantity > piece.above).last().unwrap_or(&self.first);
        let beyond = i128::from(quantity.checked_sub(piece.origin)?);
        // Two 64-bit factors cannot overflow 128 bits.
        let part = beyond.wrapping_mul(i128::from(piece.slope));
        Some(piece.base.checked_add(part).ok_or(Overflow).and_then(Amount::from_scaled))
    }
}

type Base = fn(&Tier, &Piece) -> Option<(i64, i128)>;

/// One piece per tier; `base` says where its line starts, given the piece before.
fn tier_pieces<'a>(tiers: impl Iterator<Item = (Quantity, &'a Tier)>, unit: i128, base: Base) -> Option<Vec<Piece>> {
    let mut pieces: Vec<Piece> = Vec::new();
    let mut before = Piece { above: 0, origin: 0, slope: 0, base: 0 };
    for (lower, tier) in tiers {
        if tier.per.is_some() {
            return None;
        }
        let above = i64::try_from(lower.scaled()).ok()?;
        let slope = exact_slope(tier.unit_amount.scaled(), unit)?;
        let (origin, base) = base(tier, &Piece { above, ..before })?;
        before = Piece { above, origin, slope, base };
        pieces.push(before);
    }
    Some(pieces)
}

/// One level piece per tier.
fn steps<'a>(tiers: impl Iterator<Item = (Quantity, &'a Tier)>) -> Option<Vec<Piece>> {
    let step = |(lower, tier): (Quantity, &Tier)| {
        let above = i64::try_from(lower.scaled()).ok()?;
        Some(Piece { above, origin: 0, slope: 0, base: tier.flat_amount.scaled() })
    };
    tiers.map(step).collect()
}

/// The line goes on where the tier before ended, plus the flat amount of entering.
fn graduated_base(tier: &Tier, before: &Piece) -> Option<(i64, i128)> {
    let width = i128::from(before.above.checked_sub(before.origin)?);
    let reached = width.checked_mul(i128::from(before.slope)).and_then(|part| part.checked_add(before.base))?;
    Some((before.above, reached.checked_add(tier.flat_amount.scaled())?))
}

/// The line goes through the flat amount at zero.
#[expect(clippy::unnecessary_wraps, reason = "the shape of `Base`")]
fn volume_base(tier: &Tier, _before: &Piece) -> Option<(i64, i128)> {
    Some((0, tier.flat_amount.scaled()))
}

/// `unit_amount / unit`, if that is a whole number that fits.
fn exact_slope(unit_amount: i128, unit: i128) -> Option<i64> {
    let divides = unit_amount.checked_rem(unit) == Some(0);
    divides.then(|| unit_amount.checked_div(unit)).flatten().and_then(|slope| i64::try_from(slope).ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use weir_model::charge::after_allowance;
    use weir_model::decimal::Decimal;
    use weir_model::number::UnitAmount;
    use weir_model::price::{CellIdx, Graduated, Leaf, Price, Stairstep, Tiers, Unit, Volume};

    use super::*;

    fn tiers(bounds: &[i128], amounts: &[(i128, i128)]) -> Tiers {
        let tiers = amounts.iter().enumerate().map(|(i, (unit, flat))| Tier {
            up_to: bounds.get(i).copied().map(Quantity::from_scaled),
            unit_amount: UnitAmount::from_decimal(Decimal { mantissa: *unit, scale: 9 }).unwrap(),
            per: None,
            flat_amount: Amount::from_decimal(Decimal { mantissa: *flat, scale: 4 }).unwrap(),
        });
        Tiers::new(tiers.collect()).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        /// The curve and the exact 256-bit way agree to the last digit, boundaries included.
        #[test]
        fn agrees_with_the_exact_way(
            widths in prop::collection::vec(1_i128..1_000_000, 0..5),
            amounts in prop::collection::vec((0_i128..3_000_000_000, 0_i128..100_000), 6),
            allowance in prop::option::of(0_i128..2_000_000),
            scale in 0_u32..10,
            which in 0..4,
            offset in -2_i128..3,
            far in 0_i128..i128::from(i64::MAX),
        ) {
            let bounds: Vec<i128> = widths.iter().scan(0, |sum, width| { *sum += width; Some(*sum) }).collect();
            let unit = 10_i128.pow(scale);
            let tiers = tiers(&bounds, &amounts[..=bounds.len()]);
            let price = match which {
                0 => Price::Graduated(Graduated { tiers, unit }),
                1 => Price::Volume(Volume { tiers, unit }),
                2 => Price::Stairstep(Stairstep { tiers, unit }),
                _ => Price::Unit(Unit {
                    unit_amount: tiers.as_slice()[0].unit_amount,
                    per: Quantity::from_scaled(unit),
                    unit,
                }),
            };
            let Some(Leaf::Cumulative(price)) = price.leaf(CellIdx::ONLY) else { unreachable!() };
            let free_quantity = Quantity::from_scaled(allowance.unwrap_or(0));
            let curve = Curve::compile(free_quantity, price).expect("these prices are exact at 18 decimals");
            let free = allowance.unwrap_or(0);
            let near = bounds.iter().map(|bound| bound + free + offset);
            for quantity in near.chain([0, free, far]).filter(|quantity| (0..i128::from(i64::MAX)).contains(quantity)) {
                let quantity = Quantity::from_scaled(quantity);
                let exact = after_allowance(quantity, free_quantity).and_then(|priced| price.exact(priced)?.round());
                prop_assert_eq!(curve.amount(quantity), Some(exact), "{:?}", quantity);
            }
        }
    }

    #[test]
    fn what_is_not_exact_takes_the_exact_way() {
        let third = Unit {
            unit_amount: UnitAmount::from_decimal(Decimal { mantissa: 1, scale: 0 }).unwrap(),
            per: Quantity::from_scaled(3),
            unit: 1,
        };
        assert_eq!(Curve::compile(Quantity::ZERO, Cumulative::Unit(&third)), None);
    }
}
