//! Discount, maximum and minimum (rating.md 4), for whole and partial periods and across plan changes.

use weir_invoicer::{Invoice, Item, Line, Modified, invoiced};
use weir_model::aggregation::Aggregation;
use weir_model::catalog::{Catalog, ChargeIdx, MeterIdx, PlanIdx, Proration};
use weir_model::charge::{Fraction, Measured};
use weir_model::currency::Currency;
use weir_model::number::{Money, Quantity};
use weir_model::price::{CellIdx, Dynamic, PartialBlock, Price};
use weir_model::rated::{CustomerPeriod, Segment};
use weir_model::rounding::RoundingMode;
use weir_model::time::Period;

use crate::figures::{finalized, text};
use crate::fixture::{
    SEPTEMBER, amount, at, bucket, bucket_of, catalog, charge, charge_of, fee, graduated, meter, month, package, plan,
    push, september, september_from, terms, unit, unit_amount, usage, volume,
};

/// Each line's kind and rounded amount.
fn shape(invoice: &Invoice) -> Vec<(&'static str, String)> {
    let kind = |line: &Line| match line.item {
        Item::Fee(_) => "fee",
        Item::Usage(_) => "usage",
        Item::Discount(_) => "discount",
        Item::Maximum(_) => "maximum",
        Item::Minimum(_) => "minimum",
    };
    invoice.lines.iter().map(|line| (kind(line), text(line.amount))).collect()
}

fn owned(expected: &[(&'static str, &str)]) -> Vec<(&'static str, String)> {
    expected.iter().map(|(kind, amount)| (*kind, (*amount).to_owned())).collect()
}

/// The lines of a document, which agree with its total.
fn lines(catalog: &Catalog, totals: &CustomerPeriod) -> Vec<(&'static str, String)> {
    let invoice = finalized(catalog, totals);
    assert_eq!(invoiced(catalog, &Modified::of_catalog(catalog), totals).unwrap(), Some(invoice.subtotal));
    assert_eq!(invoice.lines.iter().map(|line| line.amount.minor()).sum::<i128>(), invoice.subtotal.minor());
    shape(&invoice)
}

/// `(rate, maximum, minimum)`; an empty text is none.
fn modify(catalog: &mut Catalog, charge: ChargeIdx, (rate, maximum, minimum): (&str, &str, &str)) {
    let charge = &mut catalog.charges[charge.at()];
    charge.discount = Some(rate).filter(|rate| !rate.is_empty()).map(unit_amount);
    charge.maximum = Some(maximum).filter(|maximum| !maximum.is_empty()).map(amount);
    charge.minimum = Some(minimum).filter(|minimum| !minimum.is_empty()).map(amount);
}

/// Events bring their own amounts, so that a bucket can be given any.
fn own_amounts() -> Price {
    Price::Dynamic(Dynamic { multiplier: unit_amount("1") })
}

#[test]
fn discount_then_maximum_then_minimum() {
    for (currency, modifiers, groups, expected) in [
        ("USD", ("0.10", "", ""), &["100"][..], &[("usage", "100.00"), ("discount", "-10.00")][..]),
        // Of the unrounded gross: a tenth of 0.15 is 0.015, although the rounded lines come to 0.00.
        (
            "USD",
            ("0.10", "", ""),
            &["0.049", "0.049", "0.052"],
            &[("usage", "0.05"), ("usage", "0.05"), ("usage", "0.05"), ("discount", "-0.02")],
        ),
        (
            "USD",
            ("0.5", "", ""),
            &["0.004", "0.004", "0.004"],
            &[("usage", "0.00"), ("usage", "0.00"), ("usage", "0.00"), ("discount", "-0.01")],
        ),
        // Half a cent exactly, and the least bit below it: the product has 36 decimals and is rounded once.
        ("USD", ("0.5", "", ""), &["0.01"], &[("usage", "0.01"), ("discount", "-0.01")]),
        ("USD", ("0.499999999999999999", "", ""), &["0.01"], &[("usage", "0.01")]),
        ("USD", ("0", "", ""), &["5"], &[("usage", "5.00")]),
        ("USD", ("1", "", ""), &["5.015"], &[("usage", "5.02"), ("discount", "-5.02")]),
        ("USD", ("", "100", ""), &["99.99"], &[("usage", "99.99")]),
        ("USD", ("", "100", ""), &["100"], &[("usage", "100.00")]),
        ("USD", ("", "100", ""), &["60.015", "60"], &[("usage", "60.02"), ("usage", "60.00"), ("maximum", "-20.02")]),
        ("USD", ("", "100.005", ""), &["200"], &[("usage", "200.00"), ("maximum", "-99.99")]),
        ("USD", ("", "0", ""), &["3"], &[("usage", "3.00"), ("maximum", "-3.00")]),
        ("USD", ("", "", "50"), &["49.994"], &[("usage", "49.99"), ("minimum", "0.01")]),
        ("USD", ("", "", "50"), &["50"], &[("usage", "50.00")]),
        ("USD", ("", "", "50"), &["70"], &[("usage", "70.00")]),
        ("USD", ("", "", "50"), &[], &[("minimum", "50.00")]),
        ("USD", ("", "", "50"), &["-10"], &[("usage", "-10.00"), ("minimum", "60.00")]),
        ("USD", ("0.5", "40", "30"), &["100"], &[("usage", "100.00"), ("discount", "-50.00"), ("maximum", "-10.00")]),
        ("USD", ("0.5", "40", "30"), &["70"], &[("usage", "70.00"), ("discount", "-35.00")]),
        ("USD", ("0.5", "40", "30"), &["50"], &[("usage", "50.00"), ("discount", "-25.00"), ("minimum", "5.00")]),
        ("USD", ("0.5", "40", "40"), &["10"], &[("usage", "10.00"), ("discount", "-5.00"), ("minimum", "35.00")]),
        ("USD", ("0.1", "", ""), &["-10"], &[("usage", "-10.00"), ("discount", "1.00")]),
        ("JPY", ("0.05", "", "1"), &["9"], &[("usage", "9")]),
        ("JPY", ("0.5", "", ""), &["9"], &[("usage", "9"), ("discount", "-5")]),
        ("KWD", ("0.125", "0.5", ""), &["1.001"], &[("usage", "1.001"), ("discount", "-0.125"), ("maximum", "-0.376")]),
    ] {
        let mut catalog = catalog(currency, "en");
        let index = charge(&mut catalog, "calls", 0, own_amounts(), &["n"]);
        modify(&mut catalog, index, modifiers);
        let mut totals = september();
        for (i, group) in groups.iter().enumerate() {
            bucket(&catalog, &mut totals, index, (&[&i.to_string()], CellIdx::ONLY), (1, amount(group)));
        }
        assert_eq!(lines(&catalog, &totals), owned(expected), "{modifiers:?} on {groups:?} {currency}");
    }
}

/// One row of the conformance vectors: the price, modifiers (discount, maximum, minimum), usage, lines beside usage, and what
/// is due after what was billed before.
type Vector = (
    &'static str,
    Price,
    (&'static str, &'static str, &'static str),
    i128,
    &'static [(&'static str, &'static str)],
    (&'static str, &'static str),
);

#[test]
fn conformance_vectors() {
    let ladder = || graduated(&[(Some(5), "0", "100"), (Some(10), "0", "50"), (Some(15), "5", "0"), (None, "1", "0")]);
    let cliffs = || volume(&[(Some(5), "0", "100"), (Some(10), "0", "150"), (Some(15), "10", "0"), (None, "5", "0")]);
    let vectors: [Vector; 8] = [
        ("a004", ladder(), ("", "", "1000"), 2, &[("minimum", "900.00")], ("100", "900.00")),
        ("a006", ladder(), ("", "170", ""), 22, &[("maximum", "-12.00")], ("160", "10.00")),
        ("a022", cliffs(), ("", "", "150"), 0, &[("minimum", "50.00")], ("0", "150.00")),
        ("a024", cliffs(), ("", "125", ""), 7, &[("maximum", "-25.00")], ("0", "125.00")),
        ("a032", package(10, "15", PartialBlock::Up), ("", "100", ""), 110, &[("maximum", "-65.00")], ("90", "10.00")),
        // The vector's discounts of 100 and 35 are those of the later part: 135 less the 35 of the first one, and 35.
        (
            "a036",
            unit("10"),
            ("0.5", "100", ""),
            27,
            &[("discount", "-135.00"), ("maximum", "-35.00")],
            ("35", "65.00"),
        ),
        ("a124", unit("7"), ("", "", "10"), 1, &[("minimum", "3.00")], ("7", "3.00")),
        // 25 of the 28 days of February 2023: 1000 x 25 / 28 = 892.857... cents.
        ("a126", unit("8"), ("", "", "10"), 1, &[("minimum", "0.93")], ("8", "0.93")),
    ];
    for (id, price, modifiers, quantity, expected, (billed, due)) in vectors {
        let mut catalog = catalog("USD", "en");
        let index = charge(&mut catalog, "calls", 0, price, &[]);
        modify(&mut catalog, index, modifiers);
        let mut totals = september();
        if id == "a126" {
            catalog.plans[0].proration = Proration::Day;
            let february = Period { start: at("2023-01-31T23:00:00Z"), end: at("2023-02-28T23:00:00Z") };
            totals = month(february, Period { end: at("2023-02-25T23:00:00Z"), ..february });
        }
        usage(&catalog, &mut totals, index, &[], quantity);
        let found: Vec<_> = lines(&catalog, &totals).into_iter().filter(|(kind, _)| *kind != "usage").collect();
        assert_eq!(found, owned(expected), "{id}");
        let total = invoiced(&catalog, &Modified::of_catalog(&catalog), &totals).unwrap().unwrap();
        let billed = amount(billed).to_money(Currency::parse("USD").unwrap(), RoundingMode::HalfAway);
        let rest = Money::from_minor(total.minor() - billed.minor(), total.currency());
        assert_eq!(text(rest), due, "{id}");
    }
}

#[test]
fn maximum_and_minimum_shrink_with_the_period_and_the_discount_does_not() {
    // From 16 September on, half of the month remains.
    let half = at("2026-09-15T22:00:00Z");
    for (modifiers, used, expected) in [
        (("", "100", ""), "80", &[("usage", "80.00"), ("maximum", "-30.00")][..]),
        (("", "", "100"), "20", &[("usage", "20.00"), ("minimum", "30.00")]),
        (("0.5", "100", "60"), "30", &[("usage", "30.00"), ("discount", "-15.00"), ("minimum", "15.00")]),
        // Half of 33.333 is 16.6665: to 18 decimals it is exact, to the cent 16.67.
        (("", "", "33.333"), "0", &[("usage", "0.00"), ("minimum", "16.67")]),
    ] {
        let mut catalog = catalog("USD", "en");
        let index = charge(&mut catalog, "calls", 0, own_amounts(), &[]);
        modify(&mut catalog, index, modifiers);
        let mut totals = september_from(half);
        bucket(&catalog, &mut totals, index, (&[], CellIdx::ONLY), (1, amount(used)));
        assert_eq!(lines(&catalog, &totals), owned(expected), "{modifiers:?} on {used}");
    }
}

#[test]
fn a_minimum_is_owed_without_usage() {
    let mut catalog = catalog("USD", "en");
    let grouped = charge(&mut catalog, "grouped", 0, unit("1"), &["region"]);
    let single = charge(&mut catalog, "single", 0, unit("1"), &[]);
    let third = charge(&mut catalog, "third", 0, unit("1"), &[]);
    modify(&mut catalog, grouped, ("0.1", "90", "30"));
    modify(&mut catalog, single, ("", "", "0.004"));
    modify(&mut catalog, third, ("", "", "10"));
    assert_eq!(lines(&catalog, &september()), owned(&[("minimum", "30.00"), ("minimum", "10.00")]));
    // A tenth of September: three of its thirty days, or from noon on two days and a half.
    let mut partial = |proration, start| {
        catalog.plans[0].proration = proration;
        lines(&catalog, &september_from(at(start)))
    };
    let tenth = partial(Proration::Exact, "2026-09-27T22:00:00Z");
    assert_eq!(tenth, owned(&[("minimum", "3.00"), ("minimum", "1.00")]));
    let noon = partial(Proration::Exact, "2026-09-28T10:00:00Z");
    assert_eq!(noon, owned(&[("minimum", "2.50"), ("minimum", "0.83")]));
    let noon = partial(Proration::Day, "2026-09-28T10:00:00Z");
    assert_eq!(noon, owned(&[("minimum", "3.00"), ("minimum", "1.00")]));
}

/// Two plans with a fee, a charge that goes on in the second and one of the same name that does not; the change comes after
/// ten of September's thirty days.
fn plan_change() -> (Catalog, CustomerPeriod, [ChargeIdx; 4]) {
    let mut catalog = catalog("USD", "en");
    fee(&mut catalog, "platform", "30");
    let charges = |catalog: &mut Catalog, other: &str| {
        let meter = MeterIdx(0);
        let kept = charge_of(catalog, "kept", meter, unit("1"), &["region"]);
        [kept, charge_of(catalog, "other", meter, unit(other), &[])]
    };
    meter(&mut catalog, "calls", 0, Aggregation::Sum);
    let [kept, old] = charges(&mut catalog, "1");
    plan(&mut catalog, "max");
    fee(&mut catalog, "platform", "60");
    let [kept_later, new] = charges(&mut catalog, "2");
    let change = at("2026-09-10T22:00:00Z");
    let mut totals = month(SEPTEMBER, Period { end: change, ..SEPTEMBER });
    let active = Period { start: change, ..SEPTEMBER };
    totals.segments.push(Segment { plan: PlanIdx(1), active, buckets: Vec::new() });
    (catalog, totals, [kept, old, kept_later, new])
}

#[test]
fn a_plan_change_bills_both_plans_and_each_charge_once() {
    let (mut catalog, mut totals, [kept, old, kept_later, new]) = plan_change();
    modify(&mut catalog, kept, ("0.5", "", "90"));
    modify(&mut catalog, kept_later, ("", "", "600"));
    modify(&mut catalog, old, ("", "", "30"));
    modify(&mut catalog, new, ("", "", "30"));
    // Without usage: the charge that goes on owes its own minimum for the whole month, the others for a third and two thirds.
    let silent = [("fee", "10.00"), ("minimum", "90.00"), ("minimum", "10.00"), ("fee", "40.00"), ("minimum", "20.00")];
    assert_eq!(lines(&catalog, &totals), owned(&silent));

    // With usage: its bucket stands in the first segment, for the whole month.
    let mut all = terms(&catalog, &totals, 0, kept);
    (all.active, all.part) = (SEPTEMBER, Fraction::WHOLE);
    let used = |text: &str, quantity: i128| {
        let measured = Measured::One(Quantity::from_scaled(quantity));
        bucket_of(kept, (&[text], CellIdx::ONLY), (all.clone(), measured), amount(&quantity.to_string()))
    };
    push(&mut totals, 0, used("eu", 100));
    push(&mut totals, 0, used("us", 20));
    usage(&catalog, &mut totals, old, &[], 7);
    usage(&catalog, &mut totals, new, &[], 11);
    let expected = [
        ("fee", "10.00"),
        ("usage", "100.00"),
        ("usage", "20.00"),
        ("discount", "-60.00"),
        ("minimum", "30.00"),
        ("usage", "7.00"),
        ("minimum", "3.00"),
        ("fee", "40.00"),
        ("usage", "22.00"),
    ];
    assert_eq!(lines(&catalog, &totals), owned(&expected));
    let invoice = finalized(&catalog, &totals);
    let segments: Vec<_> = invoice.lines.iter().map(|line| line.segment.unwrap()).collect();
    assert_eq!(segments, [1, 1, 1, 1, 1, 1, 1, 2, 2]);
    let plans: Vec<_> =
        invoice.segments.iter().map(|segment| (segment.plan.as_str(), segment.active.last_on.to_string())).collect();
    assert_eq!(plans, [("pro", "2026-09-10".to_owned()), ("max", "2026-09-30".to_owned())]);
}
