//! Tables over the order of modifiers: conversion, allowance, price, partial periods and versions.

use super::*;
use crate::catalog::{NoFiles, load};
use crate::decimal::Decimal;

/// A charge whose lines stand one behind the other; its meter keeps 3 decimals.
pub(crate) fn charge(lines: &str) -> (Catalog, Charge) {
    charge_of("aggregation = 'sum'; value = 'data.v'; scale = 3; allow_negative = false", lines)
}

/// The same with the meter's lines.
pub(crate) fn charge_of(meter: &str, lines: &str) -> (Catalog, Charge) {
    let text = format!(
        "name = 'n'; currency = 'USD'; [plans.p]; [meters.m]; event_type = 'e'; amount = 'data.own'; {meter}; \
         [[plans.p.charges]]; name = 'c'; meter = 'm'; {lines}"
    );
    let (catalog, _) = load("c.toml", &text.replace("; ", "\n"), &NoFiles).unwrap_or_else(|e| panic!("{lines}\n{e}"));
    let charge = catalog.charges[0].clone();
    (catalog, charge)
}

/// Terms of a whole period with the charge's own allowance.
pub(crate) fn terms(charge: &Charge, part: Fraction, catalog: &Catalog) -> Terms {
    let active = Period { start: Instant::from_micros(0), end: Instant::from_micros(1_000) };
    let allowance = charge.allowance_of(part, meter_of(catalog, charge)).unwrap();
    Terms { active, part, versions: charge.versions_in(&active), allowance }
}

fn quantity(text: &str) -> Quantity {
    Quantity::from_scaled(Decimal::parse(text.as_bytes()).unwrap().at_scale(3).unwrap())
}

fn amount(lines: &str, part: Fraction, measured: &Measured) -> String {
    let (catalog, charge) = charge(lines);
    let terms = terms(&charge, part, &catalog);
    let rule = Rule { charge: &charge, cell: CellIdx::ONLY, terms: &terms };
    rule.amount(measured).unwrap().to_string()
}

const HALF: Fraction = Fraction { numerator: 1, denominator: 2 };
const THIRD: Fraction = Fraction { numerator: 1, denominator: 3 };

#[test]
fn conversion_comes_first() {
    let unit = "price = { model = 'unit', unit_amount = 2 }";
    for (conversion, used, expected) in [
        ("divide = 1000", "1500", "3"),
        ("divide = 1000, round = 'up'", "1500", "4"),
        ("divide = 1000, round = 'up'", "1000.001", "4"),
        ("divide = 1000, round = 'down'", "1999.999", "2"),
        ("divide = 1000, round = 'half_away'", "1500", "4"),
        ("divide = 1000, round = 'half_away'", "1499.999", "2"),
        ("multiply = '1.5'", "0.001", "0.003"),
        ("divide = 3", "1", "0.666666666666666667"),
        ("divide = 3", "0.003", "0.002"),
    ] {
        let lines = format!("{unit}; conversion = {{ {conversion} }}");
        assert_eq!(amount(&lines, Fraction::WHOLE, &Measured::One(quantity(used))), expected, "{conversion} of {used}");
    }
}

/// Modes are symmetric around zero, and a negative quantity has no use for an allowance.
#[test]
fn negative_quantities() {
    for (modifiers, used, expected) in [
        ("conversion = { divide = 1000, round = 'up' }", "-1500", "-4"),
        ("conversion = { divide = 1000, round = 'down' }", "-1500", "-2"),
        ("conversion = { divide = 1000, round = 'half_away' }", "-1500", "-4"),
        ("allowance = { quantity = 5 }", "-3", "-6"),
    ] {
        let meter = "aggregation = 'sum'; value = 'data.v'; scale = 3; allow_negative = true";
        let (catalog, charge) =
            charge_of(meter, &format!("price = {{ model = 'unit', unit_amount = 2 }}; {modifiers}"));
        let terms = terms(&charge, Fraction::WHOLE, &catalog);
        let rule = Rule { charge: &charge, cell: CellIdx::ONLY, terms: &terms };
        let priced = rule.amount(&Measured::One(quantity(used))).unwrap();
        assert_eq!(priced.to_string(), expected, "{modifiers} of {used}");
    }
}

/// A level may sink below zero where values may not: then it prices as no quantity.
#[test]
fn levels_below_zero() {
    let meter = "aggregation = 'weighted_sum'; values = 'delta'; per = 'second'; value = 'data.v'";
    for (allowed, expected) in [("false", "0"), ("true", "-2")] {
        let meter = format!("{meter}; allow_negative = {allowed}");
        let (catalog, charge) = charge_of(&meter, "price = { model = 'unit', unit_amount = 1 }");
        let terms = terms(&charge, Fraction::WHOLE, &catalog);
        let rule = Rule { charge: &charge, cell: CellIdx::ONLY, terms: &terms };
        let amount = rule.amount(&Measured::One(Quantity::from_scaled(-2_000_000))).unwrap();
        assert_eq!(amount.to_string(), expected, "allow_negative = {allowed}");
    }
}

#[test]
fn the_allowance_comes_off_converted_units() {
    let price = "price = { model = 'graduated', tiers = [{ up_to = 2, unit_amount = 10 }, { unit_amount = 1 }] }";
    for (modifiers, used, expected) in [
        ("allowance = { quantity = 5 }", "5", "0"),
        ("allowance = { quantity = 5 }", "6.5", "15"),
        ("allowance = { quantity = 5 }", "8", "21"),
        ("allowance = { quantity = 5 }; conversion = { divide = 1000 }", "6500", "15"),
        ("allowance = { quantity = 5 }; conversion = { divide = 1000, round = 'up' }", "6001", "20"),
    ] {
        let lines = format!("{price}; {modifiers}");
        assert_eq!(amount(&lines, Fraction::WHOLE, &Measured::One(quantity(used))), expected, "{modifiers} of {used}");
    }
}

#[test]
fn a_partial_period_owes_a_part_of_its_flat_amount_and_has_a_part_of_its_allowance() {
    let tiers = "price = { model = 'graduated', tiers = [{ up_to = 2, unit_amount = 1, flat_amount = 10 }, { flat_amount = 7 }] }";
    for (part, used, expected) in [
        (Fraction::WHOLE, "0", "10"),
        (HALF, "0", "5"),
        (HALF, "1", "6"),
        (HALF, "3", "14"),
        (THIRD, "0", "3.333333333333333333"),
        (THIRD, "1", "4.333333333333333333"),
    ] {
        assert_eq!(amount(tiers, part, &Measured::One(quantity(used))), expected, "{used} in {part:?}");
    }
    let allowance = "price = { model = 'unit', unit_amount = 1 }; allowance = { quantity = 10 }";
    for (part, used, expected) in [(HALF, "7", "2"), (THIRD, "3.333", "0"), (THIRD, "3.334", "0.001")] {
        assert_eq!(amount(allowance, part, &Measured::One(quantity(used))), expected, "{used} in {part:?}");
    }
}

/// However fine the priced unit is, a part of an allowance is one of the meter's decimals, and is found.
#[test]
fn parts_of_allowances_of_weighted_sums() {
    let meter = "aggregation = 'weighted_sum'; values = 'level'; per = 'day'; value = 'data.v'; scale = 12";
    let (catalog, charge) =
        charge_of(meter, "price = { model = 'unit', unit_amount = 1 }; allowance = { quantity = 1_000 }");
    let month = Fraction { numerator: 86_400_000_000, denominator: 3 * 86_400_000_000 };
    let part = charge.allowance_of(month, meter_of(&catalog, &charge)).unwrap();
    assert_eq!(part.scaled(), 333_333_333_333_333 * 86_400_000_000);
}

/// A = P_1(0) + P_1(B(C_1)) - P_1(0) + P_2(B(C_2)) - P_2(B(C_1)): later versions go on where the quantity is.
#[test]
fn versions_split_a_period() {
    let price = |first: &str, second: &str| {
        format!(
            "price = 'v'; MODIFIERS[prices.v]; {first}; [[prices.v.versions]]; effective_at = '1970-01-01T00:00:00.0005Z'; \
             mid_period = 'split'; {second}"
        )
    };
    let unit = |amount: u8| format!("model = 'unit'; unit_amount = {amount}");
    let tiers = |first: &str, then: &str, flat: u8| {
        format!(
            "model = 'graduated'; tiers = [{{ up_to = 5, unit_amount = '{first}', flat_amount = {flat} }}, {{ unit_amount = '{then}' }}]"
        )
    };
    for (lines, modifiers, parts, expected) in [
        (price(&unit(1), &unit(2)), "", ["3", "4"], "11"),
        (price(&unit(1), &unit(2)), "allowance = { quantity = 4 }; ", ["3", "4"], "6"),
        (price(&tiers("1", "0.5", 0), &tiers("2", "1", 0)), "", ["4", "4"], "9"),
        (price(&tiers("1", "0.5", 0), &tiers("2", "1", 0)), "allowance = { quantity = 2 }; ", ["4", "4"], "9"),
        (price(&tiers("1", "0.5", 10), &tiers("2", "1", 20)), "", ["4", "4"], "19"),
        (price(&unit(1), "model = 'package'; size = 5; amount = 3"), "", ["3", "4"], "6"),
        (price(&unit(1), "model = 'package'; size = 5; amount = 3"), "conversion = { divide = 2 }; ", ["6", "8"], "6"),
    ] {
        let lines = lines.replace("MODIFIERS", modifiers);
        let (catalog, charge) = charge(&lines);
        let terms = terms(&charge, Fraction::WHOLE, &catalog);
        assert_eq!(terms.versions, [(0, Instant::from_micros(0)), (1, Instant::from_micros(500))]);
        assert_eq!((terms.version_at(Instant::from_micros(499)), terms.version_at(Instant::from_micros(500))), (0, 1));
        let rule = Rule { charge: &charge, cell: CellIdx::ONLY, terms: &terms };
        let measured = Measured::ByVersion(parts.map(quantity).to_vec());
        let priced = rule.amount(&measured).unwrap();
        assert_eq!(priced.to_string(), expected, "{lines}");
        let explained = rule.lines(&measured, priced).unwrap();
        let sum = explained.iter().try_fold(Amount::ZERO, |sum, (_, line)| sum.checked_add(line.amount)).unwrap();
        assert_eq!(sum, priced, "the lines sum to the amount: {explained:?}");
        // What the later version prices is only what was used under it, unless blocks or allowances stand between.
        if modifiers.is_empty() && !lines.contains("package") {
            let used = |version: usize| {
                let lines = explained.iter().filter(|(position, _)| *position == version);
                lines.fold(Quantity::ZERO, |sum, (_, line)| sum.checked_add(line.quantity).unwrap())
            };
            assert_eq!([used(0), used(1)], parts.map(quantity), "{explained:?}");
        }
    }
}

/// Usage taken back under a later version takes its line below zero.
#[test]
fn versions_may_take_back() {
    let (catalog, charge) = charge_of(
        "aggregation = 'sum'; value = 'data.v'; scale = 3; allow_negative = true",
        "price = 'v'; allowance = { quantity = 4 }; [prices.v]; model = 'unit'; unit_amount = 2; [[prices.v.versions]]; \
         effective_at = '1970-01-01T00:00:00.0005Z'; mid_period = 'split'; model = 'unit'; unit_amount = 3",
    );
    let terms = terms(&charge, Fraction::WHOLE, &catalog);
    let rule = Rule { charge: &charge, cell: CellIdx::ONLY, terms: &terms };
    let measured = Measured::ByVersion(vec![quantity("9"), quantity("-6")]);
    // 5 units paid at 2, then given back at 3: what is left is within the allowance.
    let amount = rule.amount(&measured).unwrap();
    assert_eq!(amount.to_string(), "-5");
    let lines = rule.lines(&measured, amount).unwrap();
    let shown: Vec<_> = lines.iter().map(|(at, line)| (*at, line.quantity, line.amount.to_string())).collect();
    assert_eq!(shown, [(0, quantity("5"), "10".to_owned()), (1, quantity("-5"), "-15".to_owned())]);
}

#[test]
fn the_version_of_a_bucket_is_that_of_its_start() {
    let (_, charge) = charge(
        "price = 'v'; [prices.v]; model = 'unit'; unit_amount = 1; [[prices.v.versions]]; effective_at = '1970-01-02'; model = \
         'unit'; unit_amount = 2; [[prices.v.versions]]; effective_at = '1970-01-04'; mid_period = 'split'; model = 'unit'; \
         unit_amount = 3; [[prices.v.versions]]; effective_at = '1970-01-05'; model = 'unit'; unit_amount = 4",
    );
    let day = |number: i64| Instant::from_micros(number * 86_400_000_000);
    for (start, end, expected) in [
        (0, 1, vec![(0, 0)]),
        // The version of day 1 waits for a period.
        (0, 3, vec![(0, 0)]),
        (0, 4, vec![(0, 0), (2, 3)]),
        (1, 9, vec![(1, 1), (2, 3)]),
        (3, 9, vec![(2, 3)]),
        (4, 9, vec![(3, 4)]),
    ] {
        let active = Period { start: day(start), end: day(end) };
        let expected: Vec<(u32, Instant)> = expected.into_iter().map(|(version, at)| (version, day(at))).collect();
        assert_eq!(charge.versions_in(&active), expected, "days {start} to {end}");
    }
}

#[test]
fn what_is_owed_without_usage() {
    for (lines, owes, whole, half) in [
        (
            "price = { model = 'stairstep', tiers = [{ up_to = 5, flat_amount = 9 }, { flat_amount = 20 }] }",
            true,
            "9",
            "4.5",
        ),
        ("price = { model = 'unit', unit_amount = 9 }", false, "0", "0"),
        ("price = { model = 'dynamic' }", false, "0", "0"),
    ] {
        let (catalog, charge) = charge(lines);
        assert_eq!(charge.owes_without_usage(), owes, "{lines}");
        for (part, expected) in [(Fraction::WHOLE, whole), (HALF, half)] {
            let terms = terms(&charge, part, &catalog);
            let rule = Rule { charge: &charge, cell: CellIdx::ONLY, terms: &terms };
            assert_eq!(rule.amount_without_usage().unwrap().to_string(), expected, "{lines}");
        }
    }
}

#[test]
fn what_does_not_fit_is_an_answer() {
    let (catalog, charge) = charge("price = { model = 'unit', unit_amount = 1 }; conversion = { multiply = 1_000 }");
    let terms = terms(&charge, Fraction::WHOLE, &catalog);
    let rule = Rule { charge: &charge, cell: CellIdx::ONLY, terms: &terms };
    assert_eq!(rule.amount(&Measured::One(Quantity::from_scaled(10_i128.pow(36)))), Err(Overflow));
}

#[test]
fn what_a_plan_change_keeps() {
    let lines = "price = { model = 'unit', unit_amount = 2 }; allowance = { quantity = 5 }";
    let (_, here) = charge(lines);
    assert!(charge(&lines.replace("= 5", "= 9")).1.continues(&here), "the allowance's quantity may differ");
    for other in [
        "price = { model = 'unit', unit_amount = 3 }; allowance = { quantity = 5 }",
        "price = { model = 'unit', unit_amount = 2 }; allowance = { quantity = 5 }; conversion = { divide = 10 }",
        "price = { model = 'unit', unit_amount = 2 }; round = { scale = 2 }",
        "price = { model = 'unit', unit_amount = 2 }; allowance = { quantity = 5 }; pool = 'account'",
        "price = { model = 'unit', unit_amount = 2 }; allowance = { quantity = 5, rollover_max = 1 }",
        "price = { model = 'unit', unit_amount = 2 }; allowance = { quantity = 5, scope = 'charge' }",
        "price = { model = 'unit', unit_amount = 2 }",
    ] {
        let (_, other) = charge(other);
        assert!(!other.continues(&here) && !here.continues(&other), "{other:?}");
    }
    let renamed = Charge { name: "d".to_owned(), ..here.clone() };
    assert!(!renamed.continues(&here));
}

#[test]
fn parts_of_allowances_round_half_away() {
    let (catalog, charge) = charge("price = { model = 'unit', unit_amount = 2 }; allowance = { quantity = '0.005' }");
    let meter = meter_of(&catalog, &charge);
    assert_eq!(charge.allowance_of(HALF, meter), Ok(Quantity::from_scaled(3)), "2.5 steps are 3");
    assert_eq!(charge.allowance_of(THIRD, meter), Ok(Quantity::from_scaled(2)), "1.67 steps are 2");
}

#[test]
fn what_the_allowance_makes_free() {
    let (catalog, charge) = charge("price = { model = 'unit', unit_amount = 2 }; allowance = { quantity = 5 }");
    let terms = terms(&charge, Fraction::WHOLE, &catalog);
    let rule = Rule { charge: &charge, cell: CellIdx::ONLY, terms: &terms };
    for (used, free) in [("3", "3"), ("5", "5"), ("7.5", "5"), ("0", "0")] {
        assert_eq!(rule.free(&Measured::One(quantity(used))), Ok(quantity(free)), "{used}");
    }
}

#[test]
fn the_quantity_as_a_whole() {
    let parts = [quantity("1"), quantity("2.5")];
    assert_eq!(Measured::One(parts[0]).quantity(), Ok(parts[0]));
    assert_eq!(Measured::ByVersion(parts.to_vec()).quantity(), Ok(quantity("3.5")));
    assert_eq!(Measured::ByResource(parts.to_vec()).quantity(), Ok(Quantity::ZERO), "resources do not add up");
}
