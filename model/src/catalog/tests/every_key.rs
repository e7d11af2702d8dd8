//! What the keys of meters, prices, charges and customers load to.

use expect_test::expect;

use super::*;
use crate::price::{CellIdx, Leaf};
use crate::time::Instant;

/// The charge whose lines stand one behind the other.
fn charge(lines: &str) -> Charge {
    let lines = lines.replace("; ", "\n");
    let loaded = with_meters(&format!("[[plans.p.charges]]\nname = 'c'\n{lines}\n"));
    let (catalog, warnings) = loaded.unwrap_or_else(|error| panic!("{lines}\n{error}"));
    assert_eq!(warnings, "", "{lines}");
    catalog.charges[0].clone()
}

#[test]
fn aggregations() {
    let catalog = |keys: &str| {
        let keys = keys.replace("; ", "\n");
        let text = format!(
            "name = 'n'\ncurrency = 'USD'\n[defaults]\nplan = 'p'\n[plans.p]\n[[plans.p.charges]]\nname = 'c'\nmeter = 'm'\n\
             price = {{ model = 'unit', unit_amount = 1 }}\n[meters.m]\nevent_type = 'e'\nvalue = 'data.v'\n{keys}\n"
        );
        load("c.toml", &text, &NoFiles).unwrap_or_else(|error| panic!("{keys}\n{error}"))
    };
    for (keys, expected) in [
        (
            "aggregation = 'percentile'; rank = 95; slot = '5m'",
            expect![
                "Percentile(Percentile { rank: (95, 100), slot_micros: 300000000, slot_value: Sum, fill: Skip }), negative: false"
            ],
        ),
        (
            "aggregation = 'percentile'; rank = '99.9'; slot = '30s'; slot_value = 'max'; fill = 'zero'",
            expect![
                "Percentile(Percentile { rank: (999, 1000), slot_micros: 30000000, slot_value: Max, fill: Zero }), negative: false"
            ],
        ),
        (
            "aggregation = 'weighted_sum'; values = 'level'; per = 'hour'",
            expect!["WeightedSum(WeightedSum { values: Level, per_micros: 3600000000, carry: Over }), negative: false"],
        ),
        (
            "aggregation = 'weighted_sum'; values = 'delta'; per = 'day'; carry = false",
            expect![
                "WeightedSum(WeightedSum { values: Delta, per_micros: 86400000000, carry: Bucket }), negative: true"
            ],
        ),
        (
            "aggregation = 'sum'; values = 'reading'; wrap_at = '99.5'; scale = 1",
            expect!["Readings(Readings { decrease: Wrap(Quantity(995)) }), negative: false"],
        ),
        (
            "aggregation = 'sum'; values = 'reading'; reset = true",
            expect!["Readings(Readings { decrease: Reset }), negative: false"],
        ),
        (
            "aggregation = 'sum'; values = 'reading'",
            expect![[r#"
            Readings(Readings { decrease: Nothing }), negative: false
            c.toml:10: meters.m: says nothing of a reading below the one before, which then counts as no usage; add wrap_at = 100_000 (what the counter wraps at), or reset = true"#]],
        ),
        (
            "aggregation = 'sum'; values = 'reading'; wrap_at = 10; reset = true; series = 'id'; estimated = 'data.estimated'; \
             dimensions = { id = 'data.id' }",
            expect![[r#"
                Readings(Readings { decrease: Wrap(Quantity(10)) }), negative: false, series: Some("data.id"), estimated: Some("data.estimated")
                c.toml:15: meters.m.wrap_at: stands beside `reset`, which then has no effect; keep one of the two"#]],
        ),
    ] {
        let (catalog, warnings) = catalog(keys);
        let (meter, slots) = (&catalog.meters[0], &catalog.event_types[0]);
        let text = |slot: Option<u16>| slot.map(|slot| slots.texts[usize::from(slot)].path.to_string());
        let mut seen = format!("{:?}, negative: {}", meter.aggregation, slots.values[0].allow_negative);
        if meter.series.is_some() || meter.estimated.is_some() {
            seen.push_str(&format!(", series: {:?}, estimated: {:?}", text(meter.series), text(meter.estimated)));
        }
        warnings.iter().for_each(|warning| seen.push_str(&format!("\n{warning}")));
        expected.assert_eq(&seen);
    }
}

#[test]
fn prices() {
    for (lines, expected) in [
        (
            "meter = 'sum'; price = { model = 'unit', unit_amount = '0.5', per = 3 }",
            expect!["Unit(Unit { unit_amount: UnitAmount(500000000000000000), per: Quantity(3000), unit: 1000 })"],
        ),
        (
            "meter = 'sum'; price = { model = 'graduated', tiers = [{ up_to = 5, unit_amount = 1, per = 2 }, { flat_amount = 3 }] }",
            expect![
                "Graduated(Graduated { tiers: Tiers([Tier { up_to: Some(Quantity(5000)), unit_amount: UnitAmount(1000000000000000000), per: Some(Quantity(2000)), flat_amount: Amount(0) }, Tier { up_to: None, unit_amount: UnitAmount(0), per: None, flat_amount: Amount(3000000000000000000) }]), unit: 1000 })"
            ],
        ),
        (
            "meter = 'sum'; price = { model = 'graduated_percentage', tiers = [{ up_to = 5, rate = '0.1' }, { rate = '0.2', \
             flat_amount = 1 }] }",
            expect![
                "GraduatedPercentage(Graduated { tiers: Tiers([Tier { up_to: Some(Quantity(5000)), unit_amount: UnitAmount(100000000000000000), per: None, flat_amount: Amount(0) }, Tier { up_to: None, unit_amount: UnitAmount(200000000000000000), per: None, flat_amount: Amount(1000000000000000000) }]), unit: 1000 })"
            ],
        ),
        (
            "meter = 'sum'; price = { model = 'volume', tiers = [{ up_to = '0.001', unit_amount = 1 }, { unit_amount = 2 }] }",
            expect![
                "Volume(Volume { tiers: Tiers([Tier { up_to: Some(Quantity(1)), unit_amount: UnitAmount(1000000000000000000), per: None, flat_amount: Amount(0) }, Tier { up_to: None, unit_amount: UnitAmount(2000000000000000000), per: None, flat_amount: Amount(0) }]), unit: 1000 })"
            ],
        ),
        (
            "meter = 'max'; price = { model = 'stairstep', tiers = [{ up_to = 5, flat_amount = 1 }, { flat_amount = 3 }] }",
            expect![
                "Stairstep(Stairstep { tiers: Tiers([Tier { up_to: Some(Quantity(5)), unit_amount: UnitAmount(0), per: None, flat_amount: Amount(1000000000000000000) }, Tier { up_to: None, unit_amount: UnitAmount(0), per: None, flat_amount: Amount(3000000000000000000) }]), unit: 1 })"
            ],
        ),
        (
            "meter = 'p95'; price = { model = 'package', size = 5, amount = 1, partial = 'prorate' }",
            expect![
                "Package(Package { size: Quantity(5), amount: UnitAmount(1000000000000000000), partial: Prorate, unit: 1 })"
            ],
        ),
        (
            "meter = 'sum'; price = { model = 'percentage', rate = '0.029' }",
            expect![
                "Percentage(Percentage { rate: UnitAmount(29000000000000000), fixed: Amount(0), min: None, max: None, free_events: None, free_amount: None, unit: 1000 })"
            ],
        ),
        (
            "meter = 'sum'; price = { model = 'percentage', rate = '0.029', fixed = '0.3', min = 1, max = 1, free_events = 2, \
             free_amount = '1.5' }",
            expect![
                "Percentage(Percentage { rate: UnitAmount(29000000000000000), fixed: Amount(300000000000000000), min: Some(Amount(1000000000000000000)), max: Some(Amount(1000000000000000000)), free_events: Some(2), free_amount: Some(Quantity(1500)), unit: 1000 })"
            ],
        ),
        (
            "meter = 'sum'; price = { model = 'dynamic' }",
            expect!["Dynamic(Dynamic { multiplier: UnitAmount(1000000000000000000) })"],
        ),
        (
            "meter = 'sum'; price = { model = 'increments', connect = '0.1', steps = [{ up_to = 60, every = 60, unit_amount = 2, \
             per = 60 }, { every = 1, unit_amount = '0.03' }] }",
            expect![
                "Increments(Increments { connect: Amount(100000000000000000), steps: [Step { up_to: Some(Quantity(60000)), every: Quantity(60000), unit_amount: UnitAmount(2000000000000000000), per: Quantity(60000) }, Step { up_to: None, every: Quantity(1000), unit_amount: UnitAmount(30000000000000000), per: Quantity(1000) }], denominator: 60000 })"
            ],
        ),
        (
            "meters = { storage = 'sum', seats = 'max' }; price = { model = 'capacity', tiers = [{ up_to = { seats = 3, storage = \
             '0.5' }, flat_amount = 1 }, { up_to = { seats = 9 }, flat_amount = 2 }, { flat_amount = 4 }] }",
            expect![[
                r#"Capacity(Capacity { resources: ["seats", "storage"], tiers: [CapacityTier { up_to: [Some(Quantity(3)), Some(Quantity(500))], flat_amount: Amount(1000000000000000000) }, CapacityTier { up_to: [Some(Quantity(9)), None], flat_amount: Amount(2000000000000000000) }, CapacityTier { up_to: [None, None], flat_amount: Amount(4000000000000000000) }] })"#
            ]],
        ),
        (
            "meter = 'sum'; price = { model = 'schedule', zone = 'Europe/Paris', holidays = ['2026-12-25'], windows = [{ days = \
             ['mon', 'holiday'], from = '20:00', to = '06:00', price = { model = 'unit', unit_amount = 1 } }, { to = '24:00', price \
             = { model = 'unit', unit_amount = 2 } }] }",
            expect![[
                r#"Schedule(Schedule { zone: TimeZone(TZif("Europe/Paris")), holidays: {2026-12-25}, windows: [Window { days: Days(129), from: 1200, to: 360, price: Unit(Unit { unit_amount: UnitAmount(1000000000000000000), per: Quantity(1000), unit: 1000 }) }, Window { days: Days(255), from: 0, to: 1440, price: Unit(Unit { unit_amount: UnitAmount(2000000000000000000), per: Quantity(1000), unit: 1000 }) }], otherwise: None, first_cells: [0, 1, 2] })"#
            ]],
        ),
        (
            "meter = 'level'; price = { model = 'package', size = '0.5', amount = 1 }",
            expect![
                "Package(Package { size: Quantity(1800000000000), amount: UnitAmount(1000000000000000000), partial: Up, unit: 3600000000000 })"
            ],
        ),
        (
            "meter = 'sum'; conversion = { multiply = '0.75' }; price = { model = 'package', size = 5, amount = 1 }",
            expect![
                "Package(Package { size: Quantity(20000), amount: UnitAmount(1000000000000000000), partial: Up, unit: 4000 })"
            ],
        ),
    ] {
        let charge = charge(lines);
        expected.assert_eq(&format!("{:?}", charge.versions[0].price));
    }
}

#[test]
fn modifiers() {
    let unit = "meter = 'sum'; price = { model = 'unit', unit_amount = 1 }";
    let with = |more: &str| charge(&format!("{unit}; {more}"));
    for (conversion, expected) in [
        ("divide = 1000", (1, 1000, None)),
        ("divide = '1.5', round = 'none'", (2, 3, None)),
        ("multiply = '1.50', round = 'up'", (3, 2, Some(RoundingMode::Up))),
        ("multiply = 8, round = 'down'", (8, 1, Some(RoundingMode::Down))),
        ("multiply = '0.125', round = 'half_away'", (1, 8, Some(RoundingMode::HalfAway))),
    ] {
        let (numerator, denominator, round) = expected;
        let charge = with(&format!("conversion = {{ {conversion} }}"));
        assert_eq!(charge.conversion, Some(Conversion { numerator, denominator, round }), "{conversion}");
    }
    let charge =
        with("conversion = { divide = 4 }; allowance = { quantity = '1.5', rollover_max = 2, scope = 'charge' }");
    let quantity = Quantity::from_scaled;
    // 1.5 units of 1000 x 4.
    let rollover_max = Some(quantity(8_000));
    let allowance = Allowance { quantity: quantity(6_000), rollover_max, scope: AllowanceScope::Charge };
    assert_eq!(charge.allowance, Some(allowance));
    let charge =
        with("discount = { rate = '0.25' }; minimum = 3; maximum = '9.50'; pool = 'account'; late_policy = 'refuse'");
    let text = |amount: Option<Amount>| amount.unwrap().to_string();
    assert_eq!(charge.discount.unwrap().to_string(), "0.25");
    assert_eq!((text(charge.minimum), text(charge.maximum)), ("3".to_owned(), "9.5".to_owned()));
    assert_eq!((charge.pool, charge.late_policy), (Pool::Account, LatePolicy::Refuse));
    let charge = with("late_policy = 'credit_or_debit_note'");
    assert_eq!((charge.pool, charge.late_policy, charge.minimum), (Pool::None, LatePolicy::Note, None));
}

#[test]
fn versions() {
    let charge = charge(
        "meter = 'sum'; price = 'v'; [prices.v]; model = 'unit'; unit_amount = 1; currency = 'USD'; [[prices.v.versions]]; \
         effective_at = '2026-10-01'; model = 'package'; size = 2; amount = 1; [[prices.v.versions]]; effective_at = \
         '2026-11-01T12:00:00+01:00'; mid_period = 'split'; model = 'unit'; unit_amount = 3",
    );
    let versions = charge.versions.iter().map(|version| {
        let at = version.effective_at.map(|at| at.to_string());
        (at, version.mid_period, version.price.model())
    });
    let at = |text: &str| Some(text.to_owned());
    assert_eq!(
        versions.collect::<Vec<_>>(),
        [
            (None, MidPeriod::NextPeriod, "unit"),
            (at("2026-10-01T00:00:00Z"), MidPeriod::NextPeriod, "package"),
            (at("2026-11-01T11:00:00Z"), MidPeriod::Split, "unit"),
        ]
    );
}

/// Nothing stands in itself, and everything else may.
#[test]
fn nesting() {
    let unit = "{ model = 'unit', unit_amount = 1 }";
    let schedule = |price: &str| format!("{{ model = 'schedule', windows = [{{ price = {price} }}] }}");
    let matrix = |price: &str| {
        format!(
            "{{ model = 'matrix', cells = [{{ when = {{ region = 'eu' }}, price = {price} }}], otherwise = {unit} }}"
        )
    };
    let capacity = "{ model = 'capacity', tiers = [{ flat_amount = 1 }] }";
    for (price, expected) in [
        (schedule(&matrix(unit)), Ok(2)),
        (matrix(&schedule(unit)), Ok(2)),
        (matrix(&matrix(unit)), Err("a matrix cannot stand in a matrix")),
        (schedule(&schedule(unit)), Err("a schedule cannot stand in a schedule")),
        (schedule(&matrix(&schedule(unit))), Err("a schedule cannot stand in a schedule")),
        (matrix(&schedule(&matrix(unit))), Err("a matrix cannot stand in a matrix")),
        (matrix(capacity), Err("a capacity price cannot stand in another price")),
        (schedule(capacity), Err("a capacity price cannot stand in another price")),
    ] {
        let loaded = with_meters(&format!("[[plans.p.charges]]\nname = 'c'\nmeter = 'sum'\nprice = {price}\n"));
        match (loaded, expected) {
            (Ok((catalog, _)), Ok(cells)) => {
                let price = &catalog.charges[0].versions[0].price;
                assert_eq!(price.cells(), cells, "{price:?}");
                assert!((0..cells).all(|cell| matches!(price.leaf(CellIdx(cell)), Some(Leaf::Cumulative(_)))));
            }
            (Err(error), Err(expected)) => assert!(error.contains(expected), "{error}"),
            (loaded, _) => panic!("{price}: {}", loaded.err().unwrap_or_default()),
        }
    }
}

/// Charges that agree in what a price depends on share it; others have it at their own scale.
#[test]
fn named_prices_are_shared() {
    let named = |meter: &str, name: &str, more: &str| {
        format!("[[plans.p.charges]]\nname = '{name}'\nmeter = '{meter}'\nprice = 'v'\n{more}")
    };
    let text = [
        named("sum", "a", "filter = { region = ['eu'] }\n"),
        named("sum", "b", "filter = { region = ['us'] }\n"),
        named("max", "c", ""),
        named("p95", "d", ""),
        named("sum", "e", "filter = { region = ['de'] }\nconversion = { divide = 2 }\n"),
        "[prices.v]\nmodel = 'package'\nsize = 2\namount = 1\n".to_owned(),
    ];
    let (catalog, _) = with_meters(&text.concat()).unwrap();
    let price = |at: usize| &catalog.charges[at].versions[0].price;
    let sizes = catalog.charges.iter().map(|charge| match &*charge.versions[0].price {
        Price::Package(price) => price.size.scaled(),
        _ => 0,
    });
    assert_eq!(sizes.collect::<Vec<_>>(), [2_000, 2_000, 2, 2, 4_000]);
    assert!(Arc::ptr_eq(price(0), price(1)) && Arc::ptr_eq(price(2), price(3)) && !Arc::ptr_eq(price(0), price(4)));
}

#[test]
fn customers() {
    let text = r#"
[accounts.child]
parent = "root"
time_zone = "America/New_York"
[accounts.root]
[plans.max]
[[plans.max.charges]]
name = "c"
meter = "sum"
price = { model = "unit", unit_amount = 2 }
[[plans.p.charges]]
name = "c"
meter = "sum"
price = { model = "unit", unit_amount = 1 }
[customers.plain]
plan = "p"
[customers.mover]
account = "child"
plan = "p"
starts_on = "2026-09-14"
ends_on = "2027-01-01"
changes = [
    { effective_at = "2026-10-15", plan = "max" },
    { effective_at = "2026-11-01T00:00:00Z", plan = "p" },
]
overrides = { c = { price = { model = "unit", unit_amount = 3 } } }
"#;
    let (catalog, warnings) = with_meters(text).unwrap();
    assert_eq!(warnings, "");
    let parents: Vec<_> = catalog.accounts.iter().map(|account| (account.name.as_str(), account.parent)).collect();
    assert_eq!(parents, [("child", Some(AccountIdx(1))), ("root", None), ("plain", None)]);
    let mover = &catalog.customers[1];
    assert_eq!((mover.starts_on, mover.ends_on), (Some(Date::constant(2026, 9, 14)), Some(Date::constant(2027, 1, 1))));
    // One variant for each plan that has the charge, the same one again when the customer comes back.
    let variants: Vec<_> = catalog.plans.iter().map(|plan| (plan.name.as_str(), plan.variant_of)).collect();
    assert_eq!(variants, [("p", None), ("max", None), ("p", Some(CustomerIdx(1))), ("max", Some(CustomerIdx(1)))]);
    assert_eq!(mover.plan, Some(PlanIdx(2)));
    // The date begins in the account's zone: at midnight in New York.
    let at = |text: &str| Instant::from_timestamp(text.parse().unwrap());
    let change = |text: &str, plan| PlanChange { effective_at: at(text), plan: PlanIdx(plan) };
    assert_eq!(mover.changes, [change("2026-10-15T04:00:00Z", 3), change("2026-11-01T00:00:00Z", 2)]);
}
