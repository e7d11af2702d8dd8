//! Tables over all prices: boundaries, zero, flat amounts, blocks, and what other billing systems assert of the same
//! prices (cases named by the id under which their figure was transcribed).

use super::*;
use crate::decimal::Decimal;

fn decimal(text: &str, scale: u8) -> i128 {
    Decimal::parse(text.as_bytes()).unwrap().at_scale(scale).unwrap()
}

fn unit_amount(text: &str) -> UnitAmount {
    UnitAmount::from_decimal(Decimal::parse(text.as_bytes()).unwrap()).unwrap()
}

/// Quantities in these tables have 3 decimals.
const UNIT: i128 = 1000;

fn quantity(text: &str) -> Quantity {
    Quantity::from_scaled(decimal(text, 3))
}

/// `up_to unit flat per` for each tier; `-` for none.
fn tiers(rows: &[&str]) -> Tiers {
    let tiers = rows.iter().map(|row| {
        let [up_to, unit, flat, per] = row.split(' ').collect::<Vec<_>>().try_into().unwrap();
        let some = |text: &str| (text != "-").then(|| quantity(text));
        let flat_amount = Amount::from_decimal(Decimal::parse(flat.as_bytes()).unwrap()).unwrap();
        Tier { up_to: some(up_to), unit_amount: unit_amount(unit), per: some(per), flat_amount }
    });
    Tiers::new(tiers.collect()).unwrap()
}

fn check(price: &Price, rows: &[(&str, &str)]) {
    let Some(CellPrice::Cumulative(price)) = price.in_cell(CellIdx::NONE) else { panic!("a cumulative price") };
    for (used, expected) in rows {
        let exact = price.exact(quantity(used)).unwrap();
        let amount = exact.round().unwrap();
        assert_eq!(amount.to_string(), *expected, "P({used})");
        let lines = price.lines(quantity(used)).unwrap();
        let sum = lines.iter().try_fold(Amount::ZERO, |sum, line| sum.checked_add(line.amount)).unwrap();
        assert_eq!(sum, amount, "the lines of P({used}) sum to it: {lines:?}");
    }
}

#[test]
fn unit() {
    let price = |amount, per| Price::Unit(Unit { unit_amount: unit_amount(amount), per: quantity(per), unit: UNIT });
    check(&price("0.5", "1"), &[("0", "0"), ("3", "1.5"), ("0.001", "0.0005"), ("-2", "-1")]);
    check(&price("1", "1000"), &[("1", "0.001"), ("999", "0.999")]);
    // One third of a unit, rounded once to 18 decimals.
    check(&price("1", "3"), &[("1", "0.333333333333333333"), ("2", "0.666666666666666667"), ("3", "1")]);
}

#[test]
fn graduated() {
    let price = |rows: &[&str]| Price::Graduated(Graduated { tiers: tiers(rows), unit: UNIT });
    let plain = price(&["100 0.5 0 -", "1000 0.3 0 -", "- 0.1 0 -"]);
    check(
        &plain,
        &[
            ("0", "0"),
            ("100", "50"),
            ("100.001", "50.0003"),
            ("101", "50.3"),
            ("1000", "320"),
            ("1001", "320.1"),
            ("-5", "0"),
        ],
    );
    // a000, a002's ladder, a008, a010, a012: flat amounts are added when a tier is entered; bounds are inclusive.
    let flats = price(&["5 0 100 -", "10 0 50 -", "15 5 0 -", "- 1 0 -"]);
    check(&flats, &[("0", "100"), ("5", "100"), ("5.001", "150"), ("10", "150"), ("22", "182")]);
    let mixed = price(&["5 0 100 -", "10 0 50 -", "15 10 0 -", "- 5 0 -"]);
    check(&mixed, &[("3", "100"), ("5.001", "150"), ("12", "170")]);
    // Blocks within a tier round up inside it.
    let blocks = price(&["100 1 0 10", "- 0.5 0 100"]);
    check(
        &blocks,
        &[("1", "1"), ("10", "1"), ("11", "2"), ("100", "10"), ("101", "10.5"), ("200", "10.5"), ("201", "11")],
    );
}

#[test]
fn volume() {
    let price = |rows: &[&str]| Price::Volume(Volume { tiers: tiers(rows), unit: UNIT });
    // A cliff: the 101st unit makes the whole cheaper.
    let cliff = price(&["100 1 0 -", "- 0.5 0 -"]);
    check(&cliff, &[("0", "0"), ("100", "100"), ("101", "50.5"), ("-3", "0")]);
    // a014, a016: the tier reached decides, zero included.
    let flats = price(&["5 0 100 -", "10 0 150 -", "15 10 0 -", "- 5 0 -"]);
    check(&flats, &[("0", "100"), ("5", "100"), ("10", "150"), ("15", "150"), ("16", "80")]);
}

#[test]
fn package() {
    let price = |partial| Price::Package(Package { size: quantity("1000"), amount: unit_amount("2"), partial });
    check(&price(PartialBlock::Up), &[("0", "0"), ("0.001", "2"), ("1000", "2"), ("1000.001", "4")]);
    check(&price(PartialBlock::Down), &[("999.999", "0"), ("1000", "2"), ("1999", "2")]);
    check(&price(PartialBlock::Prorate), &[("1", "0.002"), ("1500", "3"), ("-1", "0")]);
}

#[test]
fn dynamic() {
    let price = Dynamic { multiplier: unit_amount("1.2") };
    let own = Amount::from_decimal(Decimal::parse(b"0.000000000000000003").unwrap()).unwrap();
    assert_eq!(price.exact(own).unwrap().round().unwrap().to_string(), "0.000000000000000004");
}

#[test]
fn matrix() {
    let cell = |when: &[&str], amount| MatrixCell {
        when: when.iter().map(ToString::to_string).collect(),
        price: Price::Unit(Unit { unit_amount: unit_amount(amount), per: quantity("1"), unit: UNIT }),
    };
    let dimensions = || {
        let dimension = |name: &str, slot| crate::catalog::Dimension { name: name.to_owned(), slot };
        vec![dimension("region", 0), dimension("size", 1)]
    };
    let cells = || vec![cell(&["eu", "s"], "1"), cell(&["eu", "l"], "2")];
    let closed = Matrix::new(dimensions(), cells(), None).unwrap();
    let open = Matrix::new(dimensions(), cells(), Some(cell(&[], "9").price)).unwrap();
    for (values, in_closed, in_open) in [
        ([Some("eu"), Some("l")], Some(CellIdx(1)), Some(CellIdx(1))),
        ([Some("us"), Some("l")], None, Some(CellIdx::OTHERWISE)),
        ([Some("eu"), None], None, Some(CellIdx::OTHERWISE)),
    ] {
        assert_eq!((closed.cell(&values), open.cell(&values)), (in_closed, in_open), "{values:?}");
    }
    assert_eq!(Matrix::new(dimensions(), vec![cell(&["eu"], "1")], None), Err(0));
    assert_eq!(Matrix::new(dimensions(), vec![cell(&["eu", "s"], "1"), cell(&["eu", "s"], "2")], None), Err(1));
}

#[test]
fn tiers_are_checked() {
    let tier = |up_to: Option<i128>, per: Option<i128>| Tier {
        up_to: up_to.map(Quantity::from_scaled),
        unit_amount: UnitAmount::ZERO,
        per: per.map(Quantity::from_scaled),
        flat_amount: Amount::ZERO,
    };
    for (tiers, expected) in [
        (vec![], TierError::Empty),
        (vec![tier(Some(5), None)], TierError::LastBounded),
        (vec![tier(None, None), tier(None, None)], TierError::OpenInside(0)),
        (vec![tier(Some(5), None), tier(Some(5), None), tier(None, None)], TierError::NotAscending(1)),
        (vec![tier(Some(0), None), tier(None, None)], TierError::NotAscending(0)),
        (vec![tier(None, Some(0))], TierError::PerNotPositive(0)),
    ] {
        assert_eq!(Tiers::new(tiers), Err(expected));
    }
}

#[test]
fn overflow_is_an_answer() {
    let largest = Quantity::from_scaled(10_i128.pow(38) - 1);
    let price = Unit { unit_amount: unit_amount("99999999999999999999"), per: Quantity::from_scaled(1), unit: 1 };
    assert_eq!(price.exact(largest).unwrap().round(), Err(Overflow));
}
