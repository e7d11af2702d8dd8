//! Catalogs as people write them: what loads, and one error text per kind of mistake.

use std::collections::BTreeMap;

use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;
use crate::decimal::Decimal;
use crate::number::UnitAmount;

/// Files by path.
struct Files(BTreeMap<&'static str, String>);

impl CatalogFiles for Files {
    fn read(&self, path: &str) -> std::io::Result<String> {
        self.0.get(path).cloned().ok_or_else(|| std::io::ErrorKind::NotFound.into())
    }
}

/// The catalog of the contract, reduced to what this version supports.
const ACME: &str = r#"name = "acme-ai"
currency = "USD"
time_zone = "Europe/Paris"

[meters.tokens]
event_type  = "llm.completion"
aggregation = "sum"
value       = "data.tokens"
scale       = 0
dimensions  = { model = "data.model", region = "data.region" }
filter      = { region = ["eu", "us"] }
amount      = "data.cost"

[meters.models]
event_type  = "llm.completion"
aggregation = "unique_count"
value       = "data.model"

[meters.calls]
event_type  = "llm.completion"
aggregation = "count"

[prices.tokens]
model = "graduated"
tiers = [ { up_to = 1_000_000, unit_amount = "0.000002" }, { unit_amount = "0.0000015", flat_amount = "5" } ]

[prices.cells]
model = "matrix"
cells = [
  { when = { region = "eu", model = "large" }, price = { model = "unit", unit_amount = "0.5", per = 1000 } },
  { when = { model = "small", region = "us" }, price = { model = "package", size = 100, amount = "1", partial = "down" } },
]
otherwise = { model = "volume", tiers = [ { unit_amount = 1 } ] }

[plans.pro]
cycle = "1 month"
anchor = "anniversary"
fees = [ { name = "platform", amount = "49.00", when = "advance" } ]
proration = "day"
[[plans.pro.charges]]
name = "tokens"
meter = "tokens"
price = "tokens"
filter = { region = ["eu"] }
group_by = ["model"]
allowance = { quantity = 100_000, scope = "group" }
late_policy = "next_invoice"
[[plans.pro.charges]]
name = "own"
meter = "tokens"
price = { model = "dynamic", multiplier = "1.2" }
round = { scale = 10, mode = "half_even" }
[[plans.pro.charges]]
name = "models"
meter = "models"
price = { model = "unit", unit_amount = 2 }

[plans.free]
[[plans.free.charges]]
name = "cells"
meter = "tokens"
price = "cells"
[[plans.free.charges]]
name = "calls"
meter = "calls"
price = { model = "unit", unit_amount = "0.01", currency = "USD" }

[accounts.acme-group]
currency = "USD"
time_zone = "America/New_York"

[seller]
name = "Acme AI SAS"
address = ["1 rue de la Paix", "75002 Paris"]
tax_id = "FR123"
payment_terms = "14 days"
locale = "fr"
legal_mentions = ["SAS au capital de 1 000 EUR"]
invoice_prefix = "ACME-"

[customers.acme]
account = "acme-group"
plan = "pro"
subjects = ["acme-prod", "acme-dev"]
starts_on = "2026-09-14"
overrides = { tokens = { price = { model = "unit", unit_amount = "0.000001" } } }

[customers.globex]
name = "Globex Corp."
plan = "free"
locale = "en"

[defaults]
plan = "free"
"#;

fn load_acme() -> Catalog {
    let (catalog, warnings) = load("catalog.toml", ACME, &NoFiles).unwrap();
    assert_eq!(warnings, []);
    catalog
}

fn unit(text: &str) -> UnitAmount {
    UnitAmount::from_decimal(Decimal::parse(text.as_bytes()).unwrap()).unwrap()
}

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
        .map(|charge| (charge.plan.0, charge.name.as_str(), charge.price.model(), charge.price_name.as_deref()))
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
    assert_eq!(tokens.allowance, Some(Quantity::from_scaled(100_000)));
    assert_eq!(tokens.group_by, [Dimension { name: "model".to_owned(), slot: 0 }]);
    assert_eq!(tokens.filter, [FilterTerm { slot: 1, values: vec!["eu".to_owned()] }]);
    assert_eq!(catalog.charges[1].round, Some(EventRounding { scale: 10, mode: RoundingMode::HalfEven }));
    let Price::Graduated(price) = &tokens.price else { panic!("graduated") };
    assert_eq!(price.tiers.as_slice()[0].up_to, Some(Quantity::from_scaled(1_000_000)));
    assert_eq!(price.tiers.as_slice()[1].flat_amount.to_string(), "5");
    // A variant's charge is the same charge, for `rows_digest`.
    assert_eq!(tokens.hash, catalog.charges[5].hash);
    assert_eq!(tokens.hash, xxhash_rust::xxh3::xxh3_64(b"pro\0tokens"));
    let Price::Matrix(matrix) = &catalog.charges[3].price else { panic!("matrix") };
    let cell = matrix.cell(&[Some("large"), Some("eu")]).and_then(|cell| matrix.price(cell)).unwrap();
    let Price::Unit(cell) = cell else { panic!("unit") };
    assert_eq!((cell.unit_amount, cell.per, cell.unit), (unit("0.5"), Quantity::from_scaled(1000), 1));
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

#[test]
fn cells_may_stand_in_a_file() {
    let catalog = |csv: &str| {
        let text = ACME.replacen("price = \"cells\"", "price = { model = \"matrix\", cells_file = \"cells.csv\" }", 1);
        let text = text.replacen("[prices.cells]", "[prices.tokens2]", 1);
        load("catalog.toml", &text, &Files([("cells.csv", csv.to_owned())].into()))
    };
    let (loaded, _) =
        catalog("\u{feff}model,region,unit_amount,per,multiplier\nlarge,eu,0.5,1000,\nsmall,us,,,1\n").unwrap();
    let Price::Matrix(matrix) = &loaded.charges[3].price else { panic!("matrix") };
    assert_eq!(matrix.cells().iter().map(|cell| cell.price.model()).collect::<Vec<_>>(), ["unit", "dynamic"]);
    let (other, _) = catalog("region,model,size,amount,partial\neu,large,100,5,prorate\n").unwrap();
    assert_ne!(loaded.hash, other.hash);
    for (csv, expected) in [
        (
            "region,model,unit_amount\neu,large,1\neu,large,2\n",
            expect!["cells.csv:3: the combination (eu, large) stands here twice; keep one of the cells"],
        ),
        (
            "region,colour,unit_amount\neu,large,1\n",
            expect![[r#"cells.csv:1: colour: the meter has no dimension "colour"; use one of model, region"#]],
        ),
        (
            "region,model,unit_amont\neu,large,1\n",
            expect![[r#"cells.csv:1: the last column, "unit_amont", is no price's; did you mean "unit_amount"?"#]],
        ),
        ("unit_amount\n1\n", expect!["cells.csv:1: has no column for a dimension; put the dimensions first"]),
        (
            "region,region,unit_amount\neu,eu,1\n",
            expect![[r#"cells.csv:1: column "region" stands here twice; name each column once"#]],
        ),
        (
            "region,model,unit_amount,per\neu,large,x,0\neu,small,1,0.5\nus,large,1\n",
            expect![[r#"
            cells.csv:2: per: must be above 0, not 0
            cells.csv:2: unit_amount: "x" is not a decimal number
            cells.csv:4: has 3 fields where the header has 4"#]],
        ),
        (
            "region,model,unit_amount,multiplier\neu,large,1,1\neu,small,,\n",
            expect![[r"
            cells.csv:2: fills unit_amount and multiplier, which is not one price; fill unit_amount (and per), or multiplier, or size and amount
            cells.csv:3: has no price; fill unit_amount (and per), or multiplier, or size and amount"]],
        ),
        (
            "region,model,unit_amount\n",
            expect![[
                r#"catalog.toml:62: plans.free.charges[0].price.cells_file: "cells.csv" has no cell; add a row below its header line"#
            ]],
        ),
    ] {
        expected.assert_eq(&catalog(csv).expect_err(csv).to_string());
    }
}

fn check(from: &str, to: &str, expected: Expect) {
    assert!(ACME.contains(from), "{from}");
    let errors = load("catalog.toml", &ACME.replacen(from, to, 1), &NoFiles).expect_err(to);
    expected.assert_eq(&errors.to_string());
}

#[test]
fn mistakes_in_the_text_are_explained() {
    check(
        "name = \"acme-ai\"",
        "name = \"acme-ai",
        expect![[r#"catalog.toml:1: is no valid TOML: invalid basic string, expected `"`"#]],
    );
    check(
        "currency = \"USD\"",
        "currency = \"USD\"\ncurrency = \"EUR\"",
        expect!["catalog.toml:3: is no valid TOML: duplicate key"],
    );
    check("name = \"acme-ai\"\n", "", expect![[r#"catalog.toml:1: name: is missing; add name = "acme""#]]);
    check(
        "currency = \"USD\"",
        "currency = \"XAU\"",
        expect![[
            r#"catalog.toml:2: currency: "XAU" is not a currency of ISO 4217 with a minor unit; write for example "USD""#
        ]],
    );
    check(
        "\"Europe/Paris\"",
        "\"Europe/Pariss\"",
        expect![[
            r#"catalog.toml:3: time_zone: "Europe/Pariss" is not a known time zone; write a name of the IANA database, for example "Europe/Paris""#
        ]],
    );
    check(
        "currency = \"USD\"",
        "currency = \"USD\"\ncolour = 1",
        expect![
            "catalog.toml:3: colour: is not a key here; use one of name, currency, time_zone, meters, prices, plans, accounts, seller, customers, defaults"
        ],
    );
    check(
        "name = \"acme-ai\"",
        "name = 1",
        expect![[r#"catalog.toml:1: name: must be a text, not an integer; write it in quotes: "1""#]],
    );
    check(
        "[defaults]",
        "[coupons.c]\nrate = \"0.1\"\n[defaults]",
        expect!["catalog.toml:93: coupons: is not supported by this version; leave it out"],
    );
}

#[test]
fn mistakes_in_meters_are_explained() {
    check(
        "aggregation = \"sum\"",
        "aggregation = \"summ\"",
        expect![[r#"catalog.toml:7: meters.tokens.aggregation: "summ" is not known here; did you mean "sum"?"#]],
    );
    check(
        "aggregation = \"sum\"",
        "aggregation = \"percentile\"\nrank = 95",
        expect![[r#"
        catalog.toml:7: meters.tokens.aggregation: aggregation "percentile" is not supported by this version
        catalog.toml:8: meters.tokens.rank: is not supported by this version; leave it out"#]],
    );
    check(
        "value       = \"data.tokens\"\n",
        "",
        expect![[r#"catalog.toml:5: meters.tokens.value: is missing; add value = "data.tokens""#]],
    );
    check(
        "aggregation = \"count\"",
        "aggregation = \"count\"\nvalue = \"data.x\"",
        expect![[
            r#"catalog.toml:22: meters.calls.value: count has no value: it counts events; leave it out, or use aggregation = "sum""#
        ]],
    );
    check(
        "scale       = 0",
        "scale = 13",
        expect!["catalog.toml:9: meters.tokens.scale: must be from 0 to 12, not 13"],
    );
    check(
        "\"data.tokens\"",
        "\"tokens.count\"",
        expect![[
            r#"catalog.toml:8: meters.tokens.value: "tokens.count" is no path into an event; write "data.tokens.count", or the name of an attribute (lower-case letters and digits)"#
        ]],
    );
    check(
        "\"data.tokens\"",
        "\"data\"",
        expect![[
            r#"catalog.toml:8: meters.tokens.value: "data" is no path into an event; name a field of it, for example "data.tokens""#
        ]],
    );
    check(
        "\"data.tokens\"",
        "\"data..x\"",
        expect![[
            r#"catalog.toml:8: meters.tokens.value: "data..x" is no path into an event; write for example "data.tokens""#
        ]],
    );
    check(
        "filter      = { region",
        "filter      = { regio",
        expect![[
            r#"catalog.toml:11: meters.tokens.filter.regio: the meter has no dimension "regio"; did you mean "region"?"#
        ]],
    );
    check(
        "filter      = { region = [\"eu\", \"us\"] }",
        "filter = { region = \"eu\" }",
        expect![[r#"catalog.toml:11: meters.tokens.filter.region: must be an array, not a text; write ["eu"]"#]],
    );
    check(
        "filter      = { region = [\"eu\", \"us\"] }",
        "filter = { region = [] }",
        expect![
            "catalog.toml:11: meters.tokens.filter.region: allows no value, so that no event passes; name the values that pass"
        ],
    );
    check(
        "[meters.calls]\nevent_type",
        "[meters.calls]\nevent_typ",
        expect![[r#"
        catalog.toml:19: meters.calls.event_type: is missing; add event_type = "llm.completion"
        catalog.toml:20: meters.calls.event_typ: is not a key here; did you mean "event_type"?"#]],
    );
}

#[test]
fn mistakes_in_prices_are_explained() {
    check(
        "unit_amount = \"0.000002\"",
        "unit_amount = 0.000002",
        expect![[
            r#"catalog.toml:25: prices.tokens.tiers[0].unit_amount: is a TOML float, which is not exact; write it as a string: "0.000002""#
        ]],
    );
    check(
        "unit_amount = \"0.000002\"",
        "unit_amount = \"1e-19\"",
        expect![
            "catalog.toml:25: prices.tokens.tiers[0].unit_amount: 0.0000000000000000001 is finer than the 18 decimals of amounts"
        ],
    );
    check(
        "unit_amount = \"0.000002\"",
        "unit_amount = \"2 cents\"",
        expect![[r#"catalog.toml:25: prices.tokens.tiers[0].unit_amount: "2 cents" is not a decimal number"#]],
    );
    check(
        "unit_amount = \"0.000002\"",
        "unit_amont = \"0.000002\"",
        expect![[r#"
        catalog.toml:25: prices.tokens.tiers[0]: a tier needs a unit_amount, a flat_amount or both; add unit_amount = "0" if it is free
        catalog.toml:25: prices.tokens.tiers[0].unit_amont: is not a key here; did you mean "unit_amount"?"#]],
    );
    check(
        "unit_amount = \"0.000002\"",
        "unit_amount = 100000000000000000000",
        expect!["catalog.toml:25: prices.tokens.tiers[0].unit_amount: 100000000000000000000 is not below 10^20"],
    );
    check(
        "up_to = 1_000_000",
        "up_to = \"1.5\"",
        expect!["catalog.toml:25: prices.tokens.tiers[0].up_to: 1.5 is finer than the meter's scale, which is 0"],
    );
    check(
        "up_to = 1_000_000",
        "up_to = 0",
        expect!["catalog.toml:25: prices.tokens.tiers[0].up_to: must be above 0, not 0"],
    );
    check(
        "up_to = 1_000_000, ",
        "",
        expect!["catalog.toml:23: prices.tokens: tier 1 has no `up_to`; only the last tier is open"],
    );
    check(
        "unit_amount = \"0.0000015\"",
        "up_to = 2_000_000, unit_amount = \"0.0000015\"",
        expect!["catalog.toml:23: prices.tokens: the last tier must be open: leave out its `up_to`"],
    );
    check(
        "{ unit_amount = \"0.0000015\"",
        "{ up_to = 1000, unit_amount = \"1\" }, { unit_amount = \"1\"",
        expect!["catalog.toml:23: prices.tokens: tier 2 must end above the one before it"],
    );
    check(
        "model = \"graduated\"",
        "model = \"gradual\"",
        expect![[
            r#"catalog.toml:24: prices.tokens.model: "gradual" is not known here; use one of unit, graduated, volume, package, dynamic, matrix"#
        ]],
    );
    check(
        "model = \"graduated\"",
        "model = \"stairstep\"",
        expect![[r#"catalog.toml:24: prices.tokens.model: price model "stairstep" is not supported by this version"#]],
    );
    check(
        "[prices.cells]",
        "[[prices.tokens.versions]]\nmodel = \"unit\"\n[prices.cells]",
        expect!["catalog.toml:27: prices.tokens.versions: is not supported by this version; leave it out"],
    );
    check(
        "region = \"us\" }, price",
        "colour = \"us\" }, price",
        expect![
            "catalog.toml:31: prices.cells.cells[1].when: names other dimensions than the first cell; name model, region in each cell"
        ],
    );
    check(
        "model = \"small\", region = \"us\"",
        "model = \"large\", region = \"eu\"",
        expect![
            "catalog.toml:31: prices.cells.cells[1]: the combination (large, eu) stands here twice; keep one of the cells"
        ],
    );
    check(
        "price = { model = \"package\"",
        "price = { model = \"matrix\"",
        expect![
            "catalog.toml:31: prices.cells.cells[1].price.model: a matrix cannot stand in a matrix; name all dimensions in `when`"
        ],
    );
    check(
        "partial = \"down\"",
        "partial = \"dwon\"",
        expect![[
            r#"catalog.toml:31: prices.cells.cells[1].price.partial: "dwon" is not known here; did you mean "down"?"#
        ]],
    );
    check(
        "otherwise = {",
        "cells_file = \"cells.csv\"\notherwise = {",
        expect!["catalog.toml:33: prices.cells.cells_file: stands beside `cells`; keep the cells in one place"],
    );
    check(
        "price = \"cells\"",
        "price = { model = \"matrix\", cells_file = \"none.csv\" }",
        expect![[
            r#"catalog.toml:62: plans.free.charges[0].price.cells_file: "none.csv" cannot be read: entity not found; give its path relative to the catalog's folder; it must be UTF-8"#
        ]],
    );
    // A price that no charge uses is checked as well.
    check(
        "price = \"tokens\"",
        "price = { model = \"unit\", unit_amount = 1 }\n[prices.u]\nmodel = \"graduated\"\ntiers = []",
        expect![[r"
            catalog.toml:44: prices.u: has no tiers
            catalog.toml:47: prices.u.filter: is not a key here; use one of model, currency, tiers
            catalog.toml:48: prices.u.group_by: is not a key here; use one of model, currency, tiers
            catalog.toml:49: prices.u.allowance: is not a key here; use one of model, currency, tiers
            catalog.toml:50: prices.u.late_policy: is not a key here; use one of model, currency, tiers"]],
    );
}

#[test]
fn mistakes_in_plans_are_explained() {
    check(
        "cycle = \"1 month\"",
        "cycle = \"monthly\"",
        expect![[
            r#"catalog.toml:36: plans.pro.cycle: "monthly" is not the length of a period; write for example "1 month", "1 year", "2 weeks" or "30 days""#
        ]],
    );
    check(
        "anchor = \"anniversary\"",
        "anchor = \"birthday\"",
        expect![[
            r#"catalog.toml:37: plans.pro.anchor: "birthday" is not known here; use one of calendar, anniversary"#
        ]],
    );
    check(
        "amount = \"49.00\"",
        "amount = 49.00",
        expect![[
            r#"catalog.toml:38: plans.pro.fees[0].amount: is a TOML float, which is not exact; write it as a string: "49.00""#
        ]],
    );
    check(
        "amount = \"49.00\"",
        "amount = \"-1\"",
        expect!["catalog.toml:38: plans.pro.fees[0].amount: a fee must not be below 0, but this one is -1"],
    );
    check(
        "amount = \"49.00\", when = \"advance\"",
        "amount = \"49.00\"",
        expect![[r#"catalog.toml:38: plans.pro.fees[0].when: is missing; add when = "advance""#]],
    );
    check(
        "proration = \"day\"",
        "proration = \"day\"\ncommitment = { name = \"c\", amount = \"5\" }",
        expect!["catalog.toml:40: plans.pro.commitment: is not supported by this version; leave it out"],
    );
    check(
        "meter = \"calls\"",
        "meter = \"call\"",
        expect![[r#"catalog.toml:65: plans.free.charges[1].meter: there is no meter "call"; did you mean "calls"?"#]],
    );
    check(
        "price = \"tokens\"",
        "price = \"token\"",
        expect![[r#"catalog.toml:43: plans.pro.charges[0].price: there is no price "token"; did you mean "tokens"?"#]],
    );
    check(
        "name = \"own\"",
        "name = \"tokens\"",
        expect![[
            r#"catalog.toml:48: plans.pro.charges[1]: the plan has two charges "tokens"; give each charge a name of its own"#
        ]],
    );
    check(
        "group_by = [\"model\"]",
        "group_by = [\"mode\", \"model\", \"model\"]",
        expect![[r#"
        catalog.toml:45: plans.pro.charges[0].group_by[0]: the meter has no dimension "mode"; did you mean "model"?
        catalog.toml:45: plans.pro.charges[0].group_by[2]: "model" stands here twice; name each dimension once"#]],
    );
    check(
        "quantity = 100_000, scope = \"group\"",
        "quantity = \"0.5\"",
        expect![
            "catalog.toml:46: plans.pro.charges[0].allowance.quantity: 0.5 is finer than the meter's scale, which is 0"
        ],
    );
    check(
        "scope = \"group\"",
        "scope = \"charge\", rollover_max = 5",
        expect![[r#"
        catalog.toml:46: plans.pro.charges[0].allowance.rollover_max: is not supported by this version; leave it out
        catalog.toml:46: plans.pro.charges[0].allowance.scope: scope "charge" is not supported by this version; use "group": an allowance for each bucket"#]],
    );
    check(
        "late_policy = \"next_invoice\"",
        "late_policy = \"refuse\"",
        expect![[
            r#"catalog.toml:47: plans.pro.charges[0].late_policy: late_policy "refuse" is not supported by this version; use "next_invoice""#
        ]],
    );
    check(
        "late_policy = \"next_invoice\"",
        "discount = { rate = \"0.10\" }\npool = \"account\"",
        expect![[r"
        catalog.toml:47: plans.pro.charges[0].discount: is not supported by this version; leave it out
        catalog.toml:48: plans.pro.charges[0].pool: is not supported by this version; leave it out"]],
    );
    check(
        "late_policy = \"next_invoice\"",
        "round = { scale = 19 }",
        expect!["catalog.toml:47: plans.pro.charges[0].round.scale: must be from 0 to 18, not 19"],
    );
    check(
        "late_policy = \"next_invoice\"",
        "round = { scale = 10 }",
        expect![[r"
        catalog.toml:40: plans.pro.charges[0]: `round` is per event and cannot stand with an allowance; leave out one of them
        catalog.toml:40: plans.pro.charges[0]: `round` is per event, but a graduated price is no sum over events; leave out `round`: amounts are rounded once, at the end
        catalog.toml:86: customers.acme.overrides.tokens: `round` is per event and cannot stand with an allowance; leave out one of them"]],
    );
    check(
        "round = { scale = 10, mode = \"half_even\" }",
        "allowance = { quantity = 1 }",
        expect![
            "catalog.toml:48: plans.pro.charges[1]: an allowance cannot stand with a dynamic price; leave out one of them"
        ],
    );
    check(
        "amount      = \"data.cost\"",
        "",
        expect![[
            r#"catalog.toml:51: plans.pro.charges[1].price: a dynamic price needs the event's own amount, which meter "tokens" does not read; add amount = "data.cost" to [meters.tokens]"#
        ]],
    );
    check(
        "amount      = \"data.cost\"",
        "amount = \"data.cost\"\nallow_negative = true",
        expect![[r#"
        catalog.toml:44: plans.pro.charges[0].price: meter "tokens" allows values below zero, which a graduated price cannot price; use a unit or dynamic price, or leave out allow_negative
        catalog.toml:63: plans.free.charges[0].price: meter "tokens" allows values below zero, which a volume price cannot price; use a unit or dynamic price, or leave out allow_negative"#]],
    );
    check(
        "price = { model = \"unit\", unit_amount = 2 }",
        "price = { model = \"unit\", unit_amount = 2 }\nround = { scale = 2 }",
        expect![
            "catalog.toml:53: plans.pro.charges[2]: `round` is per event, but a unique_count is no sum over events; leave out `round`: amounts are rounded once, at the end"
        ],
    );
    check(
        "currency = \"USD\" }",
        "currency = \"EUR\" }",
        expect![[
            r#"catalog.toml:66: plans.free.charges[1].price.currency: the price is in EUR, but plan "free" in USD; use a price in the plan's currency"#
        ]],
    );
}

#[test]
fn mistakes_in_parties_are_explained() {
    check(
        "account = \"acme-group\"",
        "account = \"acme\"",
        expect![[r#"catalog.toml:82: customers.acme.account: there is no account "acme"; use one of acme-group"#]],
    );
    check(
        "plan = \"pro\"",
        "plan = \"prod\"",
        expect![[r#"catalog.toml:83: customers.acme.plan: there is no plan "prod"; did you mean "pro"?"#]],
    );
    check(
        "\"acme-dev\"]",
        "\"globex\"]",
        expect![[
            r#"catalog.toml:88: customers.globex: subject "globex" is already claimed by customer "acme"; a subject's usage belongs to one customer"#
        ]],
    );
    check(
        "starts_on = \"2026-09-14\"\n",
        "",
        expect![[
            r#"catalog.toml:81: customers.acme: has no starts_on, which the anniversary anchor of plan "pro" counts from; add starts_on = "2026-09-14""#
        ]],
    );
    check(
        "\"2026-09-14\"",
        "2026-09-14",
        expect![[
            r#"catalog.toml:85: customers.acme.starts_on: must be a text, not a date; write it in quotes: "2026-09-14""#
        ]],
    );
    check(
        "\"2026-09-14\"",
        "\"2026-02-30\"",
        expect![[
            r#"catalog.toml:85: customers.acme.starts_on: "2026-02-30" is not a date; write for example "2026-09-14""#
        ]],
    );
    check(
        "overrides = { tokens",
        "overrides = { token",
        expect![[
            r#"catalog.toml:86: customers.acme.overrides.token: plan "pro" has no charge "token"; did you mean "tokens"?"#
        ]],
    );
    check(
        "overrides = { tokens = {",
        "overrides = { tokens = { allowance = 1,",
        expect![
            "catalog.toml:86: customers.acme.overrides.tokens.allowance: is not supported by this version; leave it out"
        ],
    );
    check(
        "currency = \"USD\"\ntime_zone = \"America",
        "currency = \"EUR\"\ntime_zone = \"America",
        expect![[
            r#"catalog.toml:82: customers.acme.account: account "acme-group" pays in EUR, but plan "pro" is in USD; use an account or a plan of the same currency"#
        ]],
    );
    check(
        "time_zone = \"America/New_York\"",
        "parent = \"x\"",
        expect!["catalog.toml:70: accounts.acme-group.parent: is not supported by this version; leave it out"],
    );
    check(
        "[defaults]\nplan = \"free\"",
        "[defaults]\nplan = \"pro\"",
        expect![[
            r#"catalog.toml:94: defaults.plan: the default plan has an anniversary anchor, but subjects that no customer claims start on no date; use a plan with anchor = "calendar""#
        ]],
    );
    check(
        "locale = \"fr\"",
        "locale = \"de\"",
        expect![[r#"catalog.toml:77: seller.locale: "de" is not known here; use one of en, fr"#]],
    );
    check(
        "\"14 days\"",
        "\"two weeks\"",
        expect![[
            r#"catalog.toml:76: seller.payment_terms: "two weeks" is not a number of days, at most 3650; write for example "30 days""#
        ]],
    );
    check(
        "[customers.globex]\n",
        "[customers.\"globex & co\"]\nplam = \"free\"\n",
        expect![[r#"catalog.toml:89: customers."globex & co".plam: is not a key here; did you mean "plan"?"#]],
    );
}

#[test]
fn all_errors_are_found_in_one_pass() {
    let text = "name = 1\ncurency = \"USD\"\n[meters.a]\nvalue = 1\n[plans.p]\ncycle = 5\n[[plans.p.charges]]\nname = \"c\"\n\
                meter = \"a\"\nprice = { model = \"unit\", unit_amount = 0.5 }\n";
    expect![[r#"
        c.toml:1: currency: is missing; add currency = "USD"
        c.toml:1: name: must be a text, not an integer; write it in quotes: "1"
        c.toml:2: curency: is not a key here; did you mean "currency"?
        c.toml:3: meters.a.aggregation: is missing; add aggregation = "sum"
        c.toml:3: meters.a.event_type: is missing; add event_type = "llm.completion"
        c.toml:4: meters.a.value: must be a text, not an integer; write it in quotes: "1"
        c.toml:6: plans.p.cycle: must be a text, not an integer; write it in quotes: "5"
        c.toml:10: plans.p.charges[0].price.unit_amount: is a TOML float, which is not exact; write it as a string: "0.5""#]].assert_eq(&load("c.toml", text, &NoFiles).expect_err("errors").to_string());
}

fn warnings(from: &str, to: &str, expected: Expect) {
    assert!(ACME.contains(from), "{from}");
    let (_, warnings) = load("catalog.toml", &ACME.replacen(from, to, 1), &NoFiles).expect(to);
    assert!(warnings.iter().all(|warning| warning.severity == Severity::Warning));
    expected.assert_eq(&warnings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"));
}

#[test]
fn lints() {
    warnings(
        "price = \"tokens\"",
        "price = { model = \"unit\", unit_amount = 1 }",
        expect!["catalog.toml:23: prices.tokens: no charge uses this price; use it in a charge, or delete it"],
    );
    warnings(
        "meter = \"calls\"",
        "meter = \"models\"",
        expect!["catalog.toml:19: meters.calls: no charge uses this meter; charge for it in a plan, or delete it"],
    );
    warnings(
        "otherwise = {",
        "# {",
        expect![
            "catalog.toml:27: prices.cells: has no `otherwise`: usage in any other combination is unpriced; add otherwise = { model = ... }, or ignore this if it is meant"
        ],
    );
    warnings(
        "[ { unit_amount = 1 } ]",
        "[ { up_to = 10, unit_amount = 2 }, { unit_amount = 1 } ]",
        expect![
            "catalog.toml:27: prices.cells: a cell has a price cliff: 10 cost 20, a little more cost 11; use a graduated price, or ignore this if it is meant"
        ],
    );
    warnings(
        "unit_amount = \"0.0000015\", flat_amount = \"5\"",
        "unit_amount = \"0.000002\"",
        expect![
            "catalog.toml:23: prices.tokens: tiers 1 and 2 cannot be told apart: they cost the same; make them one tier"
        ],
    );
    warnings("model = \"graduated\"", "model = \"volume\"", expect![[""]]);
    warnings(
        "unit_amount = 2 }",
        "unit_amount = 0 }",
        expect![
            "catalog.toml:56: plans.pro.charges[2].price: is zero everywhere; if usage is meant to be free, ignore this"
        ],
    );
    warnings(
        "unit_amount = 2 }",
        "unit_amount = -2 }",
        expect![
            "catalog.toml:56: plans.pro.charges[2].price: has an amount below zero, which pays the customer; check the sign"
        ],
    );
    warnings(
        "filter = { region = [\"eu\"] }",
        "filter = { region = [\"asia\", \"asia\"] }",
        expect![[r#"
        catalog.toml:40: plans.pro.charges[0]: no event passes both this filter and that of meter "tokens"; the two have no value in common
        catalog.toml:40: plans.pro.charges[0]: the filter allows "asia" twice; name each value once
        catalog.toml:86: customers.acme.overrides.tokens: no event passes both this filter and that of meter "tokens"; the two have no value in common
        catalog.toml:86: customers.acme.overrides.tokens: the filter allows "asia" twice; name each value once"#]],
    );
    warnings(
        "price = \"cells\"",
        "price = \"cells\"\nfilter = { model = [\"large\"] }",
        expect![[
            r#"catalog.toml:27: prices.cells: the filters of charge "cells" never reach cell (small, us); delete the cell, or widen the filter"#
        ]],
    );
    warnings(
        "[defaults]\nplan = \"free\"",
        "[plans.none]",
        expect![[r"
        catalog.toml:93: plans.none: charges for nothing; add charges or fees
        catalog.toml:93: plans.none: no customer has this plan, and it is not the default; give it to a customer, make it the default, or delete it"]],
    );
    warnings(
        "plan = \"free\"\nlocale",
        "locale",
        expect![[r#"catalog.toml:88: customers.globex: has no plan, so that its usage is unpriced; add plan = "...""#]],
    );
    warnings(
        "\"data.tokens\"",
        "\"tokens\"",
        expect![[
            r#"catalog.toml:8: meters.tokens.value: "tokens" is read as an extension attribute of the event; if it is a field of `data`, write "data.tokens""#
        ]],
    );
    warnings(
        "\"49.00\"",
        "\"49.005\"",
        expect![
            "catalog.toml:38: plans.pro.fees[0].amount: 49.005 is finer than the 2 decimals of USD; it will be rounded"
        ],
    );
    warnings(
        "[\"acme-prod\", \"acme-dev\"]",
        "[]",
        expect![
            "catalog.toml:84: customers.acme.subjects: claims no subject, so that the customer has no usage; name one, or leave it out for the id"
        ],
    );
}

#[test]
fn warnings_never_crowd_out_an_error() {
    let mut text = ACME.to_owned();
    for i in 0..300 {
        text.push_str(&format!("[meters.x{i}]\nevent_type = \"x\"\naggregation = \"sum\"\nvalue = \"tokens{i}\"\n"));
    }
    text.push_str("[meters.last]\nevent_type = \"x\"\naggregation = \"mean\"\n");
    let error = load("catalog.toml", &text, &NoFiles).expect_err("an error");
    expect![[r#"catalog.toml:1297: meters.last.aggregation: "mean" is not known here; use one of count, sum, max, min, latest, unique_count"#]].assert_eq(&error.to_string());
    let many = "[[plans.pro.charges]]\n".repeat(300);
    assert_eq!(load("catalog.toml", &many, &NoFiles).expect_err("errors").problems.len(), 200);
}

#[test]
fn large_catalogs_load() {
    let mut text = ACME.to_owned();
    text.push_str("[prices.big]\nmodel = \"matrix\"\ncells = [\n");
    for i in 0..5_000 {
        text.push_str(&format!(
            "{{ when = {{ model = \"m{i}\" }}, price = {{ model = \"unit\", unit_amount = \"0.{i:04}\" }} }},\n"
        ));
    }
    text.push_str("]\n");
    for i in 0..500 {
        text.push_str(&format!("[prices.p{i}]\nmodel = \"unit\"\nunit_amount = {i}\n"));
    }
    text.push_str("[[plans.free.charges]]\nname = \"big\"\nmeter = \"tokens\"\nprice = \"big\"\n");
    let mut csv = String::from("model,unit_amount\n");
    for i in 0..20_000 {
        csv.push_str(&format!("m{i},0.{i:05}\n"));
    }
    text.push_str("[[plans.free.charges]]\nname = \"file\"\nmeter = \"tokens\"\nprice = { model = \"matrix\", cells_file = \"c.csv\" }\n");
    let (catalog, warnings) = load("catalog.toml", &text, &Files([("c.csv", csv)].into())).unwrap();
    let cells = |charge: &Charge| match &charge.price {
        Price::Matrix(matrix) => matrix.cells().len(),
        _ => 0,
    };
    assert_eq!(catalog.charges.iter().map(cells).max(), Some(20_000));
    // Too many to read are cut short, and one of each kind is enough here.
    assert_eq!(warnings.iter().filter(|warning| warning.reason == "no charge uses this price").count(), 200);
}

proptest! {
    #[test]
    fn mutated_catalogs_never_panic(
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0_usize..24, "[ -~\n]{0,6}"), 1..6),
    ) {
        let mut text: Vec<char> = ACME.chars().collect();
        for (at, removed, inserted) in edits {
            let start = at.index(text.len());
            let end = (start + removed).min(text.len());
            text.splice(start..end, inserted.chars());
        }
        let text: String = text.into_iter().collect();
        if let Err(error) = load("catalog.toml", &text, &NoFiles) {
            prop_assert!(!error.problems.is_empty());
        }
    }

    #[test]
    fn deleted_lines_never_panic(lines in prop::collection::btree_set(0_usize..95, 1..8)) {
        let kept = ACME.lines().enumerate().filter(|(i, _)| !lines.contains(i)).map(|(_, line)| line);
        let text = kept.collect::<Vec<_>>().join("\n");
        if let Err(error) = load("catalog.toml", &text, &NoFiles) {
            prop_assert!(!error.problems.is_empty());
        }
    }
}
