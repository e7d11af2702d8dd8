//! Tables over all prices: boundaries, zero, flat amounts, blocks, and what other billing systems assert of the same
//! prices (cases named by the id under which their figure was transcribed).

mod cells;
mod per_event;
mod schedule;

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

fn amount(text: &str) -> Amount {
    Amount::from_decimal(Decimal::parse(text.as_bytes()).unwrap()).unwrap()
}

fn check(price: &Price, rows: &[(&str, &str)]) {
    let Some(Leaf::Cumulative(price)) = price.leaf(CellIdx::ONLY) else { panic!("a cumulative price") };
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
    let price =
        |partial| Price::Package(Package { size: quantity("1000"), amount: unit_amount("2"), partial, unit: UNIT });
    check(&price(PartialBlock::Up), &[("0", "0"), ("0.001", "2"), ("1000", "2"), ("1000.001", "4")]);
    check(&price(PartialBlock::Down), &[("999.999", "0"), ("1000", "2"), ("1999", "2")]);
    check(&price(PartialBlock::Prorate), &[("1", "0.002"), ("1500", "3"), ("-1", "0")]);
}

#[test]
fn stairstep() {
    let price = |rows: &[&str]| Price::Stairstep(Stairstep { tiers: tiers(rows), unit: UNIT });
    let steps = price(&["10 0 50 -", "20 0 90 -", "- 0 120 -"]);
    check(&steps, &[("0", "50"), ("10", "50"), ("10.001", "90"), ("20", "90"), ("21", "120"), ("-4", "50")]);
    check(&price(&["- 0 7 -"]), &[("0", "7"), ("1000000", "7")]);
    check(&price(&["3 0 0 -", "- 0 5 -"]), &[("0", "0"), ("3", "0"), ("3.001", "5")]);
}

#[test]
fn graduated_percentage() {
    let price = Price::GraduatedPercentage(Graduated { tiers: tiers(&["1000 0.02 3 -", "- 0.01 5 -"]), unit: UNIT });
    check(&price, &[("0", "3"), ("100", "5"), ("1000", "23"), ("1000.001", "28.00001"), ("2000", "38")]);
    let Some(Leaf::Cumulative(price)) = price.leaf(CellIdx::ONLY) else { panic!("cumulative") };
    let kinds: Vec<_> = price.lines(quantity("1500")).unwrap().iter().map(|line| (line.kind, line.tier)).collect();
    let (rate, flat) = (LineKind::Percentage, LineKind::Flat);
    assert_eq!(kinds, [(rate, Some(1)), (flat, Some(1)), (rate, Some(2)), (flat, Some(2))]);
}

#[test]
fn capacity() {
    let tier = |seats: Option<i128>, storage: Option<i128>, flat: &str| CapacityTier {
        up_to: [seats, storage].map(|bound| bound.map(Quantity::from_scaled)).to_vec(),
        flat_amount: amount(flat),
    };
    let resources = || vec!["seats".to_owned(), "storage".to_owned()];
    let tiers = vec![tier(Some(5), Some(100), "10"), tier(Some(20), None, "25"), tier(None, None, "60")];
    let price = Capacity::new(resources(), tiers).unwrap();
    for (seats, storage, number, expected) in [
        (0, 0, 1, "10"),
        (5, 100, 1, "10"),
        (6, 0, 2, "25"),
        (0, 101, 2, "25"),
        (20, 1_000_000, 2, "25"),
        (21, 0, 3, "60"),
    ] {
        let quantities = [seats, storage].map(Quantity::from_scaled);
        assert_eq!(price.exact(&quantities).unwrap().round().unwrap(), amount(expected), "{seats} {storage}");
        assert_eq!(price.reached(&quantities).0, number, "{seats} {storage}");
        let sum = price.lines(&quantities).iter().try_fold(Amount::ZERO, |sum, line| sum.checked_add(line.amount));
        assert_eq!(sum.unwrap(), amount(expected));
    }
    assert_eq!(price.at_zero(), amount("10"));
    for (tiers, valid) in [
        (vec![], false),
        (vec![tier(None, None, "1")], true),
        (vec![tier(Some(1), None, "1")], false),
        (vec![tier(None, None, "1"), tier(None, None, "2")], false),
        (vec![CapacityTier { up_to: vec![None], flat_amount: Amount::ZERO }], false),
    ] {
        assert_eq!(Capacity::new(resources(), tiers.clone()).is_some(), valid, "{tiers:?}");
    }
}

/// A converted or time-weighted quantity counts finer: the price is the same.
#[test]
fn finer_units_price_the_same() {
    let factor = 3_600_000_000;
    let fine = |quantity: Quantity| Quantity::from_scaled(quantity.scaled() * factor);
    let coarse = tiers(&["100 0.5 2 10", "- 0.3 0 -"]);
    let finer =
        coarse.as_slice().iter().map(|tier| Tier { up_to: tier.up_to.map(fine), per: tier.per.map(fine), ..*tier });
    let finer = Tiers::new(finer.collect()).unwrap();
    for used in ["0", "0.001", "99.999", "100", "100.001", "12345.678"] {
        let used = quantity(used);
        let price = |tiers: &Tiers, unit, used| Graduated { tiers: tiers.clone(), unit }.exact(used).unwrap().round();
        assert_eq!(price(&coarse, UNIT, used), price(&finer, UNIT * factor, fine(used)), "{used:?}");
        let price = |tiers: &Tiers, unit, used| Volume { tiers: tiers.clone(), unit }.exact(used).unwrap().round();
        assert_eq!(price(&coarse, UNIT, used), price(&finer, UNIT * factor, fine(used)), "{used:?}");
    }
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

/// What is nothing has no line.
#[test]
fn lines_of_nothing() {
    let count = |price: &Price, used: &str| {
        let Some(Leaf::Cumulative(price)) = price.leaf(CellIdx::ONLY) else { panic!("a cumulative price") };
        price.lines(quantity(used)).unwrap().len()
    };
    let graduated = |rows: &[&str]| Price::Graduated(Graduated { tiers: tiers(rows), unit: UNIT });
    let package = Price::Package(Package {
        size: quantity("10"),
        amount: unit_amount("5"),
        partial: PartialBlock::Down,
        unit: UNIT,
    });
    for (price, used, lines) in [
        (graduated(&["10 1 0 -", "- 2 0 -"]), "15", 2),
        (graduated(&["10 1 0 -", "- 2 3 -"]), "15", 3),
        (graduated(&["10 1 0 -", "- 2 3 -"]), "10", 1),
        (graduated(&["10 1 0.000000000000000001 -", "- 2 3 -"]), "0", 1),
        (package.clone(), "9", 0),
        (package, "10", 1),
    ] {
        assert_eq!(count(&price, used), lines, "{price:?} at {used}");
    }
}

#[test]
fn either_limit_makes_events_free() {
    let percentage = Percentage {
        rate: unit_amount("0.1"),
        fixed: Amount::ZERO,
        min: None,
        max: None,
        free_events: None,
        free_amount: None,
        unit: UNIT,
    };
    assert!(!percentage.has_free());
    assert!(Percentage { free_events: Some(1), ..percentage }.has_free());
    assert!(Percentage { free_amount: Some(quantity("1")), ..percentage }.has_free());
}
