//! What a catalog loads to.

use super::*;
use crate::decimal::Decimal;

#[test]
fn loads_meters_and_their_slots() {
    let catalog = load_acme();
    let [event_type] = catalog.event_types.as_slice() else { panic!("one type") };
    let path = |text: &str| Path(text.split('.').map(str::to_owned).collect());
    let slot =
        |text: &str, scale, magnitude_max| ValueSlot { path: path(text), scale, magnitude_max, allow_negative: false };
    assert_eq!(
        event_type.values,
        [slot("data.tokens", 0, 10_i128.pow(24)), slot("data.cost", 18, 10_i128.pow(38) - 1)]
    );
    assert_eq!(event_type.texts, [TextSlot { path: path("data.model") }, TextSlot { path: path("data.region") }]);
    assert_eq!(event_type.meters, [MeterIdx(0), MeterIdx(1), MeterIdx(2)]);
    let [tokens, models, calls] = catalog.meters.as_slice() else { panic!("three meters") };
    assert_eq!((tokens.value, tokens.distinct, tokens.amount), (Some(0), None, Some(1)));
    assert_eq!((models.value, models.distinct, models.amount), (None, Some(0), None));
    assert_eq!((calls.value, calls.distinct, calls.aggregation), (None, None, Aggregation::Count));
    let dimension = |name: &str, slot| Dimension { name: name.to_owned(), slot };
    assert_eq!(tokens.dimensions, [dimension("model", 0), dimension("region", 1)]);
    assert_eq!(tokens.filter, [FilterTerm { slot: 1, values: vec!["eu".to_owned(), "us".to_owned()] }]);
}

#[test]
fn loads_plans_and_charges() {
    let catalog = load_acme();
    let names: Vec<_> = catalog.plans.iter().map(|plan| (plan.name.as_str(), plan.variant_of)).collect();
    assert_eq!(names, [("pro", None), ("free", None), ("pro", Some(CustomerIdx(0)))]);
    let pro = &catalog.plans[0];
    assert_eq!((pro.cycle, pro.anchor, pro.proration), (Cycle::Months(1), Anchor::Anniversary, Proration::Day));
    let amount = Amount::from_decimal(Decimal { mantissa: 49, scale: 0 }).unwrap();
    assert_eq!(pro.fees, [Fee { name: "platform".to_owned(), amount, when: FeeTiming::Advance }]);
    let charges: Vec<_> = catalog
        .charges
        .iter()
        .map(|charge| {
            (charge.plan.0, charge.name.as_str(), charge.versions[0].price.model(), charge.price_name.as_deref())
        })
        .collect();
    assert_eq!(
        charges,
        [
            (0, "tokens", "graduated", Some("tokens")),
            (0, "own", "dynamic", None),
            (0, "models", "unit", None),
            (1, "cells", "matrix", Some("cells")),
            (1, "calls", "unit", None),
            (2, "tokens", "unit", None),
            (2, "own", "dynamic", None),
            (2, "models", "unit", None),
        ]
    );
    let tokens = &catalog.charges[0];
    let quantity = Quantity::from_scaled(100_000);
    let allowance = Allowance { quantity, rollover_max: None, scope: AllowanceScope::Group };
    assert_eq!(tokens.allowance, Some(allowance));
    assert_eq!(tokens.group_by, [Dimension { name: "model".to_owned(), slot: 0 }]);
    assert_eq!(tokens.filter, [FilterTerm { slot: 1, values: vec!["eu".to_owned()] }]);
    assert_eq!(catalog.charges[1].round, Some(EventRounding { scale: 10, mode: RoundingMode::HalfEven }));
    let Price::Graduated(price) = &*tokens.versions[0].price else { panic!("graduated") };
    assert_eq!(price.tiers.as_slice()[0].up_to, Some(Quantity::from_scaled(1_000_000)));
    assert_eq!(price.tiers.as_slice()[1].flat_amount.to_string(), "5");
    // A variant's charge is the same charge, for `rows_digest`.
    assert_eq!(tokens.hash, catalog.charges[5].hash);
    assert_eq!(tokens.hash, xxhash_rust::xxh3::xxh3_64(b"pro\0tokens"));
    let Price::Matrix(matrix) = &*catalog.charges[3].versions[0].price else { panic!("matrix") };
    let Price::Unit(cell) = &matrix.entries()[0].price else { panic!("unit") };
    assert_eq!(matrix.entries()[0].when, ["large", "eu"]);
    assert_eq!((cell.unit_amount.to_string().as_str(), cell.per, cell.unit), ("0.5", Quantity::from_scaled(1000), 1));
}

#[test]
fn loads_parties() {
    let catalog = load_acme();
    let accounts: Vec<_> = catalog.accounts.iter().map(|a| (a.name.as_str(), a.time_zone.iana_name())).collect();
    assert_eq!(accounts, [("acme-group", Some("America/New_York")), ("globex", Some("Europe/Paris"))]);
    let [acme, globex] = catalog.customers.as_slice() else { panic!("two customers") };
    assert_eq!((acme.account, acme.plan), (AccountIdx(0), Some(PlanIdx(2))));
    assert_eq!(acme.subjects, ["acme-prod", "acme-dev"]);
    assert_eq!(acme.starts_on, Some(Date::constant(2026, 9, 14)));
    assert_eq!((globex.account, globex.plan), (AccountIdx(1), Some(PlanIdx(1))));
    assert_eq!((globex.subjects.as_slice(), globex.locale.as_deref()), (&["globex".to_owned()][..], Some("en")));
    let seller = catalog.seller.unwrap();
    assert_eq!((seller.payment_days, seller.locale.as_str(), seller.invoice_prefix.as_str()), (14, "fr", "ACME-"));
    assert_eq!(catalog.default_plan, Some(PlanIdx(1)));
}

#[test]
fn loads_the_side_by_side_job() {
    let mut text = String::from(
        r#"name = "job-j"
currency = "USD"
time_zone = "UTC"
[prices.graduated]
model = "graduated"
tiers = [ { up_to = 100, unit_amount = "0.5" }, { up_to = 1_000, unit_amount = "0.3" }, { unit_amount = "0.1" } ]
[plans.j]
cycle = "1 month"
anchor = "calendar"
[defaults]
plan = "j"
"#,
    );
    for i in 0..20 {
        text.push_str(&format!(
            "[meters.m{i:02}]\nevent_type = \"meter.m{i:02}\"\naggregation = \"sum\"\nvalue = \"data.value\"\nscale = 0\n\
             [[plans.j.charges]]\nname = \"m{i:02}\"\nmeter = \"m{i:02}\"\nprice = \"graduated\"\n"
        ));
    }
    let (catalog, warnings) = load("job_j.toml", &text, &NoFiles).unwrap();
    assert_eq!(warnings, []);
    assert_eq!((catalog.meters.len(), catalog.charges.len(), catalog.event_types.len()), (20, 20, 20));
    let names: Vec<_> = catalog.charges.iter().map(|charge| charge.name.clone()).collect();
    assert_eq!(names, (0..20).map(|i| format!("m{i:02}")).collect::<Vec<_>>());
    assert_ne!(catalog.hash, load("job_j.toml", &format!("{text}\n"), &NoFiles).unwrap().0.hash);
}
