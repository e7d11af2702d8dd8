//! What explains a usage line: every price and aggregation, and that the details sum to the line.

use std::collections::BTreeSet;

use jiff::tz::TimeZone;
use weir_invoicer::{Detail, Usage, draft};
use weir_model::aggregation::{Aggregation, Carry, Fill, LevelValues, Percentile, PercentileSlot, WeightedSum};
use weir_model::catalog::{Catalog, ChargeIdx, ChargeMeter, Conversion, Dimension};
use weir_model::charge::Measured;
use weir_model::number::{Amount, Quantity, UnitAmount};
use weir_model::price::{
    Capacity, CapacityTier, CellIdx, Days, Dynamic, Graduated, Increments, Matrix, MatrixCell, Percentage, Price,
    Schedule, Stairstep, Step, Window,
};
use weir_model::rated::{CustomerPeriod, PoolTotal};
use weir_model::rounding::RoundingMode;

use crate::figures::{finalized, text, usage_of};
use crate::fixture::{
    allowance, amount, at, bucket, catalog, charge, charge_of, graduated, measured, meter, september, september_from,
    split, tiers, unit, unit_amount, unit_of, usage, usage_in,
};

/// `kind cell version tier quantity unit_amount per rate multiplier = exact` of each detail, without what is absent.
fn shape(detail: &Detail) -> String {
    let mut parts = vec![detail.kind.code().to_owned()];
    parts.extend(detail.cell.iter().map(|choice| serde_json::to_string(choice).unwrap()));
    parts.extend(detail.version.map(|version| format!("v{}@{}", version.number, version.effective_at)));
    parts.extend(detail.tier.as_ref().map(|tier| {
        let bound = |text: &Option<String>| text.clone().unwrap_or_default();
        let range = format!("tier {} {}..{}", tier.number, bound(&tier.above), bound(&tier.up_to));
        let resources = tier.resources.iter().map(|bound| format!("{}<={}", bound.resource, bound.up_to));
        std::iter::once(range).chain(resources).collect::<Vec<_>>().join(" ")
    }));
    parts.extend(detail.quantity.as_ref().map(|quantity| format!("q {quantity}")));
    parts.extend(detail.unit_amount.map(|unit| format!("x {unit} per {}", detail.per.as_deref().unwrap_or_default())));
    parts.extend(detail.rate.map(|rate| format!("rate {rate}")));
    parts.extend(detail.multiplier.map(|multiplier| format!("times {multiplier}")));
    parts.extend(detail.pool.as_ref().map(|pool| format!("of {} for {}", pool.exact_amount, pool.quantity)));
    parts.push(format!("= {} ~ {}", detail.exact_amount, text(detail.amount)));
    parts.join(" ")
}

/// The only line of a document, whose details sum to it.
fn line(catalog: &Catalog, totals: &CustomerPeriod) -> Usage {
    let invoice = finalized(catalog, totals);
    let [line] = invoice.lines.as_slice() else { panic!("one line: {:?}", invoice.lines) };
    let usage = usage_of(line);
    assert_eq!(usage.details.iter().map(|detail| detail.amount.minor()).sum::<i128>(), line.amount.minor());
    usage.clone()
}

fn shapes(usage: &Usage) -> Vec<String> {
    usage.details.iter().map(shape).collect()
}

/// The details of one charge at this price that summed this quantity.
fn priced(price: Price, quantity: i128) -> Vec<String> {
    let mut catalog = catalog("USD", "en");
    let index = charge(&mut catalog, "calls", 0, price, &[]);
    let mut totals = september();
    usage(&catalog, &mut totals, index, &[], quantity);
    shapes(&line(&catalog, &totals))
}

#[test]
fn tiers_and_flat_amounts() {
    let ladder = [(Some(100), "0.333", "10"), (None, "0.1", "0")];
    assert_eq!(
        priced(graduated(&ladder), 107),
        [
            "usage tier 1 0..100 q 100 x 0.333 per 1 = 33.3 ~ 33.30",
            "flat tier 1 0..100 = 10 ~ 10.00",
            "usage tier 2 100.. q 7 x 0.1 per 1 = 0.7 ~ 0.70",
        ]
    );
    let rates = Price::GraduatedPercentage(Graduated { tiers: tiers(&ladder), unit: 1 });
    assert_eq!(
        priced(rates, 101),
        [
            "percentage tier 1 0..100 q 100 rate 0.333 = 33.3 ~ 33.30",
            "flat tier 1 0..100 = 10 ~ 10.00",
            "percentage tier 2 100.. q 1 rate 0.1 = 0.1 ~ 0.10",
        ]
    );
    let steps = Price::Stairstep(Stairstep { tiers: tiers(&[(Some(10), "0", "5"), (None, "0", "9.995")]), unit: 1 });
    assert_eq!(priced(steps, 11), ["flat tier 2 10.. = 9.995 ~ 10.00"]);
}

#[test]
fn sums_over_events() {
    let nothing = UnitAmount::ZERO;
    let percentage = Percentage {
        rate: unit_amount("0.029"),
        fixed: amount("0.3"),
        min: None,
        max: None,
        free_events: None,
        free_amount: None,
        unit: 1,
    };
    let step =
        Step { up_to: None, every: Quantity::from_scaled(60), unit_amount: nothing, per: Quantity::from_scaled(1) };
    for (price, expected) in [
        (Price::Percentage(percentage), "events q 1000 rate 0.029 = 1 ~ 1.00"),
        (Price::Dynamic(Dynamic { multiplier: unit_amount("1.15") }), "events q 1000 times 1.15 = 1 ~ 1.00"),
        (Price::Increments(Increments::new(amount("0.1"), vec![step]).unwrap()), "events q 1000 = 1 ~ 1.00"),
    ] {
        assert_eq!(priced(price, 1_000), [expected]);
    }
}

#[test]
fn conversion_then_allowance() {
    // 1,234 tokens make 1.234, rounded up to 2 thousands, of which one is free.
    let mut catalog = catalog("USD", "en");
    let thousands = charge(&mut catalog, "tokens", 0, unit_of(1_000, "4"), &[]);
    catalog.charges[0].conversion =
        Some(Conversion { numerator: 1, denominator: 1_000, round: Some(RoundingMode::Up) });
    catalog.charges[0].allowance = Some(allowance(1_000));
    let mut totals = september();
    usage(&catalog, &mut totals, thousands, &[], 1_234);
    let usage = line(&catalog, &totals);
    assert_eq!(usage.quantity.as_deref(), Some("1234"));
    assert_eq!(
        shapes(&usage),
        ["conversion q 2 = 0 ~ 0.00", "allowance q 1 = 0 ~ 0.00", "usage q 1 x 4 per 1 = 4 ~ 4.00"]
    );

    // By three, exactly: print has twelve decimals, the amount does not care.
    catalog.charges[0].conversion = Some(Conversion { numerator: 1, denominator: 3, round: None });
    catalog.charges[0].allowance = None;
    catalog.charges[0].versions = vec![crate::fixture::version(unit_of(3, "3"))];
    let mut totals = september();
    crate::fixture::usage(&catalog, &mut totals, thousands, &[], 10);
    let expected = ["conversion q 3.333333333333 = 0 ~ 0.00", "usage q 3.333333333333 x 3 per 1 = 10 ~ 10.00"];
    assert_eq!(shapes(&line(&catalog, &totals)), expected);
}

#[test]
fn versions_show_since_when_they_hold() {
    let change = "2026-09-15T22:00:00Z";
    let mut catalog = catalog("USD", "en");
    let index = charge(&mut catalog, "calls", 0, graduated(&[(Some(10), "1", "5"), (None, "0.5", "0")]), &[]);
    catalog.charges[0].versions.push(split(change, graduated(&[(Some(20), "2", "5"), (None, "1", "0")])));
    catalog.charges[0].allowance = Some(allowance(2));
    let mut totals = september();
    let parts = [12, 15].map(Quantity::from_scaled).into();
    measured(&catalog, &mut totals, index, (&[], CellIdx::ONLY), Measured::ByVersion(parts));
    let usage = line(&catalog, &totals);
    let numbers: Vec<_> = usage.price.versions.iter().map(|v| (v.number, v.effective_at.to_string())).collect();
    assert_eq!(numbers, [(1, "2026-08-31T22:00:00Z".to_owned()), (2, change.to_owned())]);
    // 27 less 2 free ones: 10 in the old first tier; then from 10 on 10 in the new first tier and 5 in its second.
    assert_eq!(
        shapes(&usage),
        [
            "allowance q 2 = 0 ~ 0.00",
            "flat v1@2026-08-31T22:00:00Z tier 1 0..10 = 5 ~ 5.00",
            "usage v1@2026-08-31T22:00:00Z tier 1 0..10 q 10 x 1 per 1 = 10 ~ 10.00",
            "usage v2@2026-09-15T22:00:00Z tier 1 0..20 q 10 x 2 per 1 = 20 ~ 20.00",
            "usage v2@2026-09-15T22:00:00Z tier 2 20.. q 5 x 1 per 1 = 5 ~ 5.00",
        ]
    );

    // Events were priced one by one, each by its own version.
    catalog.charges[0].versions = vec![
        crate::fixture::version(Price::Dynamic(Dynamic { multiplier: unit_amount("1") })),
        split(change, Price::Dynamic(Dynamic { multiplier: unit_amount("2") })),
    ];
    catalog.charges[0].allowance = None;
    let mut totals = september();
    crate::fixture::usage(&catalog, &mut totals, index, &[], 3_000);
    assert_eq!(shapes(&line(&catalog, &totals)), ["events q 3000 = 3 ~ 3.00"]);
}

#[test]
fn a_partial_period_owes_a_part_of_the_first_flat_amount() {
    let half = at("2026-09-15T22:00:00Z");
    let mut catalog = catalog("USD", "en");
    let index = charge(&mut catalog, "calls", 0, graduated(&[(Some(100), "0.333", "10"), (None, "0.1", "0")]), &[]);
    catalog.charges[0].allowance = Some(allowance(10));
    let mut totals = september_from(half);
    usage(&catalog, &mut totals, index, &[], 112);
    let expected = [
        "allowance q 5 = 0 ~ 0.00",
        "usage tier 1 0..100 q 100 x 0.333 per 1 = 33.3 ~ 33.30",
        "flat tier 1 0..100 = 10 ~ 10.00",
        "usage tier 2 100.. q 7 x 0.1 per 1 = 0.7 ~ 0.70",
        "proration = -5 ~ -5.00",
    ];
    assert_eq!(shapes(&line(&catalog, &totals)), expected);
    // A partial period explains no other difference.
    totals.segments[0].buckets[0].amount = amount("39.1");
    assert!(draft(&catalog, &totals).is_err());
}

#[test]
fn cells_of_matrices_and_schedules() {
    let window = |days, from, to, price| Window { days, from, to, price: unit(price) };
    let weekend = Days::none().with(5).with(6).with(7);
    let windows = vec![window(weekend, 0, 0, "1"), window(Days::EVERY, 20 * 60, 6 * 60 + 30, "2")];
    let schedule = Schedule::new(TimeZone::UTC, BTreeSet::new(), windows, Some(unit("3"))).unwrap();
    let regions = vec![Dimension { name: "region".into(), slot: 0 }];
    let cell = MatrixCell { when: vec!["eu".into()], price: Price::Schedule(schedule) };
    let matrix = Matrix::new(regions, vec![cell], Some(unit("4"))).unwrap();
    let mut catalog = catalog("USD", "en");
    let index = charge(&mut catalog, "power", 0, Price::Matrix(matrix), &[]);
    let mut totals = september();
    for cell in 0..4 {
        usage_in(&catalog, &mut totals, index, (&[], CellIdx(cell)), 1);
    }
    let eu = r#"usage {"dimension":"region","value":"eu"}"#;
    assert_eq!(
        shapes(&line(&catalog, &totals)),
        [
            format!(r#"{eu} {{"window":"sat,sun,holiday 00:00-24:00"}} q 1 x 1 per 1 = 1 ~ 1.00"#),
            format!(r#"{eu} {{"window":"20:00-06:30"}} q 1 x 2 per 1 = 2 ~ 2.00"#),
            format!(r#"{eu} {{"window":null}} q 1 x 3 per 1 = 3 ~ 3.00"#),
            r#"usage {"dimension":"region","value":null} q 1 x 4 per 1 = 4 ~ 4.00"#.to_owned(),
        ]
    );
}

#[test]
fn a_capacity_shows_each_resource() {
    let resources = vec!["seats".to_owned(), "storage".to_owned()];
    let tier = |seats: Option<i128>, storage: Option<i128>, flat: &str| CapacityTier {
        up_to: vec![seats.map(Quantity::from_scaled), storage.map(Quantity::from_scaled)],
        flat_amount: amount(flat),
    };
    let ladder = vec![tier(Some(10), Some(1_000), "10"), tier(Some(20), None, "25"), tier(None, None, "99")];
    let price = Price::Capacity(Capacity::new(resources, ladder).unwrap());
    let mut catalog = catalog("USD", "en");
    let seats = meter(&mut catalog, "seats_used", 0, Aggregation::Max);
    let storage = meter(&mut catalog, "gb_stored", 2, Aggregation::Latest);
    let index = charge_of(&mut catalog, "capacity", seats, price, &[]);
    catalog.charges[0].further = vec![ChargeMeter { meter: storage, filter: Vec::new(), group_by: Vec::new() }];
    let mut totals = september();
    let quantities = [12, 990].map(Quantity::from_scaled).into();
    measured(&catalog, &mut totals, index, (&[], CellIdx::ONLY), Measured::ByResource(quantities));
    let usage = line(&catalog, &totals);
    assert_eq!(usage.quantity, None);
    let shown: Vec<_> =
        usage.resources.iter().map(|r| [&r.resource, &r.meter, r.aggregation, &r.quantity].join(" ")).collect();
    assert_eq!(shown, ["seats seats_used max 12", "storage gb_stored latest 9.9"]);
    assert_eq!(shapes(&usage), ["flat tier 2 .. seats<=20 = 25 ~ 25.00"]);
}

#[test]
fn a_pool_shows_the_whole() {
    let mut catalog = catalog("USD", "en");
    let index = charge(&mut catalog, "calls", 0, unit("1"), &[]);
    let mut totals = september();
    bucket(&catalog, &mut totals, index, (&[], CellIdx::ONLY), (40, amount("33.335")));
    totals.segments[0].buckets[0].pool =
        Some(PoolTotal { quantity: Quantity::from_scaled(120), amount: amount("100.005") });
    assert_eq!(shapes(&line(&catalog, &totals)), ["pool q 40 of 100.005 for 120 = 33.335 ~ 33.34"]);
}

#[test]
fn quantities_of_every_aggregation_are_in_the_meters_unit() {
    let hour = 3_600_000_000;
    let weighted =
        Aggregation::WeightedSum(WeightedSum { values: LevelValues::Level, per_micros: hour, carry: Carry::Over });
    let percentile = Aggregation::Percentile(Percentile {
        rank: (95, 100),
        slot_micros: 300_000_000,
        slot_value: PercentileSlot::Max,
        fill: Fill::Zero,
    });
    for (aggregation, scale, quantity, name, expected) in [
        (Aggregation::Count, 0, 7, "count", ("7", "m")),
        (Aggregation::Sum, 3, 7_250, "sum", ("7.25", "m")),
        (percentile, 2, 950, "percentile", ("9.5", "m")),
        // 1.5 GB for 100 hours, and for a microsecond more.
        (weighted, 1, 15 * 100 * i128::from(hour), "weighted_sum", ("150", "m x hour")),
        (weighted, 1, 15 * (100 * i128::from(hour) + 1), "weighted_sum", ("150.000000000417", "m x hour")),
    ] {
        let mut catalog = catalog("USD", "en");
        let m = meter(&mut catalog, "m", scale, aggregation);
        let unit = 10_i128.pow(u32::from(scale)) * aggregation.quantity_factor();
        let index: ChargeIdx = charge_of(&mut catalog, "usage", m, unit_of(unit, "2"), &[]);
        let mut totals = september();
        usage(&catalog, &mut totals, index, &[], quantity);
        let usage = line(&catalog, &totals);
        assert_eq!((usage.aggregation, usage.quantity.as_deref()), (name, Some(expected.0)));
        assert_eq!(usage.unit, expected.1);
        assert_eq!(usage.details[0].quantity.as_deref(), Some(expected.0));
        assert_eq!(usage.details[0].per.as_deref(), Some("1"));
    }
}

#[test]
fn amounts_are_never_explained_away() {
    let mut catalog = catalog("USD", "en");
    let index = charge(&mut catalog, "calls", 0, unit("0.000000000000000001"), &[]);
    for (off, explained) in [(0, true), (1, true), (2, true), (3, false), (-3, false)] {
        let mut totals = september();
        let exact = Amount::from_scaled(1_000 + off).unwrap();
        bucket(&catalog, &mut totals, index, (&[], CellIdx::ONLY), (1_000, exact));
        assert_eq!(draft(&catalog, &totals).is_ok(), explained, "{off}");
    }
}
