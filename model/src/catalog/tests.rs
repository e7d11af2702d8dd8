//! Catalogs as people write them: what loads, and one error text per kind of mistake.

mod cells_files;
mod chance;
mod every_key;
mod large;
mod legality;
mod lints;
mod loads;
mod meters;
mod parties;
mod plans;
mod prices;
mod text;

use std::collections::BTreeMap;
use std::sync::Arc;

use expect_test::Expect;

use super::*;
use crate::number::Quantity;
use crate::price::Price;
use crate::rounding::RoundingMode;

/// Files by path.
struct Files(BTreeMap<&'static str, String>);

impl CatalogFiles for Files {
    fn read(&self, path: &str) -> std::io::Result<String> {
        self.0.get(path).cloned().ok_or_else(|| std::io::ErrorKind::NotFound.into())
    }
}

/// A catalog without a problem; each test changes a line of it.
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
filter = { region = ["us"] }
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

fn check(from: &str, to: &str, expected: Expect) {
    assert!(ACME.contains(from), "{from}");
    let errors = load("catalog.toml", &ACME.replacen(from, to, 1), &NoFiles).expect_err(to);
    expected.assert_eq(&errors.to_string());
}

fn warnings(from: &str, to: &str, expected: Expect) {
    assert!(ACME.contains(from), "{from}");
    let (_, warnings) = load("catalog.toml", &ACME.replacen(from, to, 1), &NoFiles).expect(to);
    assert!(warnings.iter().all(|warning| warning.severity == Severity::Warning));
    expected.assert_eq(&warnings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"));
}

/// A catalog with a meter of every aggregation and one plan, which undeclared subjects have.
const METERS: &str = r#"name = "n"
currency = "USD"
[meters.sum]
event_type = "e"
aggregation = "sum"
value = "data.v"
scale = 3
amount = "data.cost"
dimensions = { region = "data.region", size = "data.size" }
[meters.signed]
event_type = "e"
aggregation = "sum"
value = "data.v"
allow_negative = true
[meters.count]
event_type = "e"
aggregation = "count"
[meters.max]
event_type = "e"
aggregation = "max"
value = "data.v"
dimensions = { region = "data.region" }
[meters.level]
event_type = "level"
aggregation = "weighted_sum"
values = "level"
per = "hour"
scale = 3
value = "data.v"
amount = "data.cost"
[meters.p95]
event_type = "e"
aggregation = "percentile"
rank = 95
slot = "5m"
value = "data.v"
[meters.counter]
event_type = "reading"
aggregation = "sum"
values = "reading"
wrap_at = 1000
value = "data.v"
amount = "data.cost"
[defaults]
plan = "p"
[plans.p]
"#;

/// [`METERS`] with more text; its warnings but those of meters that no charge uses, or its errors.
fn with_meters(more: &str) -> Result<(Catalog, String), String> {
    let loaded = load("c.toml", &format!("{METERS}{more}"), &NoFiles);
    loaded.map_err(|error| error.to_string()).map(|(catalog, warnings)| {
        let warnings = warnings.iter().filter(|warning| warning.reason != "no charge uses this meter");
        (catalog, warnings.map(ToString::to_string).collect::<Vec<_>>().join("\n"))
    })
}
