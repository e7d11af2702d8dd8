//! What a catalog may say anew while events flow, what it may not, and that numbers stay.

use std::collections::BTreeMap;

use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;
use crate::catalog::{FilterTerm, NoFiles, PlanIdx, TypeIdx, load};

const BASE: &str = r#"name = "acme"
currency = "USD"
time_zone = "Europe/Paris"

[meters.tokens]
event_type = "call"
aggregation = "sum"
value = "data.tokens"
dimensions = { model = "data.model", region = "data.region" }
filter = { region = ["eu", "us"] }
[meters.calls]
event_type = "call"
aggregation = "count"
dimensions = { region = "data.region" }
[meters.storage]
event_type = "level"
aggregation = "weighted_sum"
values = "level"
per = "hour"
value = "data.gb"
scale = 3
dimensions = { disk = "data.disk" }

[prices.tokens]
model = "graduated"
tiers = [ { up_to = 100, unit_amount = "0.5" }, { unit_amount = "0.3" } ]
versions = [ { model = "unit", unit_amount = "0.4", effective_at = "2026-09-01" } ]
[prices.by_region]
model = "matrix"
cells = [ { when = { region = "eu" }, price = { model = "unit", unit_amount = "1" } } ]
otherwise = { model = "unit", unit_amount = "2" }

[plans.pro]
fees = [ { name = "base", amount = "10.00", when = "advance" } ]
[[plans.pro.charges]]
name = "tokens"
meter = "tokens"
price = "tokens"
group_by = ["model"]
allowance = { quantity = 20 }
[[plans.pro.charges]]
name = "calls"
meter = "calls"
price = "by_region"
[[plans.pro.charges]]
name = "storage"
meter = "storage"
price = { model = "unit", unit_amount = "0.01" }
[plans.max]
[[plans.max.charges]]
name = "tokens"
meter = "tokens"
allowance = { quantity = 5 }
price = "tokens"
group_by = ["model"]
[[plans.max.charges]]
name = "storage"
meter = "storage"
price = { model = "unit", unit_amount = "0.02" }
[plans.spare]
[[plans.spare.charges]]
name = "calls"
meter = "calls"
price = { model = "unit", unit_amount = "3" }

[accounts.group]
time_zone = "America/New_York"
[accounts.branch]
time_zone = "America/New_York"
parent = "group"

[customers.globex]
plan = "pro"
account = "branch"
subjects = ["globex-a", "globex-b"]
starts_on = "2026-01-10"
changes = [ { effective_at = "2026-06-10", plan = "max" }, { effective_at = "2026-08-01", plan = "pro" } ]
overrides = { storage = { price = { model = "unit", unit_amount = "0.005" } } }
[customers.initech]
plan = "pro"
starts_on = "2026-02-01"
[customers.leaving]
plan = "spare"
ends_on = "2026-06-01"
[customers.idle]

[defaults]
plan = "spare"
"#;

fn at(text: &str) -> Instant {
    Instant::from_timestamp(text.parse().unwrap())
}

fn read(text: &str) -> Catalog {
    load("c.toml", text, &NoFiles).unwrap_or_else(|error| panic!("{error}\n{text}")).0
}

/// The base with each text replaced by another, after the base.
fn edited(edits: &[(&str, &str)]) -> Result<Catalog, SuccessionError> {
    let mut text = BASE.to_owned();
    for (from, to) in edits {
        assert!(text.contains(from), "{from}");
        text = text.replacen(from, to, 1);
    }
    succeed(&read(BASE), read(&text), at("2026-06-15T00:00:00Z"))
}

fn refused(edits: &[(&str, &str)], expected: Expect) {
    match edited(edits) {
        Ok(_) => panic!("accepted: {edits:?}"),
        Err(error) => expected.assert_eq(&error.to_string()),
    }
}

fn accepted(edits: &[(&str, &str)]) {
    edited(edits).unwrap_or_else(|error| panic!("{edits:?}: {error}"));
}

#[test]
fn what_is_harmless_is_accepted() {
    accepted(&[]);
    accepted(&[("name = \"acme\"", "name = \"acme 2\"")]);
    accepted(&[("[defaults]", "[seller]\nname = \"Acme SAS\"\n[defaults]")]);
    // A meter learns a dimension; a new meter, price, plan, account and customer.
    accepted(&[(
        "{ region = \"data.region\" }\n[meters.storage]",
        "{ zone = \"data.zone\", region = \"data.region\" }\n[meters.storage]",
    )]);
    accepted(&[("[meters.calls]", "[meters.new]\nevent_type = \"call\"\naggregation = \"count\"\n[meters.calls]")]);
    accepted(&[(
        "[plans.pro]",
        "[plans.new]\n[[plans.new.charges]]\nname = \"calls\"\nmeter = \"calls\"\nprice = \"by_region\"\n[plans.pro]",
    )]);
    accepted(&[("[accounts.group]", "[accounts.new]\n[accounts.group]")]);
    accepted(&[(
        "[customers.globex]",
        "[customers.new]\nplan = \"pro\"\nstarts_on = \"2026-06-01\"\n[customers.globex]",
    )]);
    accepted(&[("[customers.globex]", "[customers.new]\nplan = \"spare\"\n[customers.globex]")]);
    accepted(&[("[customers.globex]", "[customers.new]\n[customers.globex]")]);
    // A charge for a plan that nobody has had: one to come.
    accepted(&[(
        "[plans.max]",
        "[plans.future]\n[[plans.future.charges]]\nname = \"calls\"\nmeter = \"calls\"\nprice = \"by_region\"\n[plans.max]",
    )]);
    // Another version behind those that are there; a price that gets a name.
    accepted(&[(
        "effective_at = \"2026-09-01\" }",
        "effective_at = \"2026-09-01\" }, { model = \"unit\", unit_amount = \"9\", effective_at = \"2026-10-01\", mid_period = \"split\" }",
    )]);
    accepted(&[
        ("price = { model = \"unit\", unit_amount = \"3\" }", "price = \"three\""),
        (
            "[prices.by_region]",
            "[prices.three]\nmodel = \"unit\"\nunit_amount = \"3\"\nversions = [ { model = \"unit\", unit_amount = \"4\", effective_at = \"2026-06-15T00:00:00Z\" } ]\n[prices.by_region]",
        ),
    ]);
    // What a customer is called; whose a subject is.
    accepted(&[(
        "[customers.initech]",
        "[customers.initech]\nname = \"Initech\"\naddress = [\"x\"]\ntax_id = \"1\"\nlocale = \"fr\"",
    )]);
    accepted(&[("\"globex-a\", \"globex-b\"", "\"globex-b\"")]);
    accepted(&[("[customers.initech]", "[customers.initech]\nsubjects = [\"initech\", \"globex-c\"]")]);
    accepted(&[
        ("[\"globex-a\", \"globex-b\"]", "[\"globex-b\"]"),
        ("[customers.initech]", "[customers.initech]\nsubjects = [\"globex-a\"]"),
    ]);
    // Changes and ends to come are added, moved and taken back.
    accepted(&[(
        "starts_on = \"2026-02-01\"",
        "starts_on = \"2026-02-01\"\nchanges = [ { effective_at = \"2026-06-15T00:00:00Z\", plan = \"max\" } ]",
    )]);
    accepted(&[("\"2026-08-01\"", "\"2026-07-01\"")]);
    accepted(&[("{ effective_at = \"2026-08-01\", plan = \"pro\" }", "")]);
    accepted(&[("starts_on = \"2026-02-01\"", "starts_on = \"2026-02-01\"\nends_on = \"2026-06-16\"")]);
    // A first plan, from a day to come.
    accepted(&[("[customers.idle]", "[customers.idle]\nplan = \"pro\"\nstarts_on = \"2026-06-16\"")]);
    // An account of the customer's own that is declared.
    accepted(&[("[accounts.group]", "[accounts.initech]\n[accounts.group]")]);
}

#[test]
fn a_default_plan_may_be_set_once() {
    let without = BASE.replace("[defaults]\nplan = \"spare\"\n", "");
    let from = at("2026-06-15T00:00:00Z");
    assert!(succeed(&read(&without), read(BASE), from).is_ok());
    refused(
        &[("[defaults]\nplan = \"spare\"", "[defaults]\nplan = \"pro\"")],
        expect![
            "defaults.plan: the plan of subjects that nobody claims would change in the middle of their periods; keep it, and declare customers under the other plan"
        ],
    );
    refused(
        &[("[defaults]\nplan = \"spare\"", "")],
        expect![
            "defaults.plan: the plan of subjects that nobody claims would change in the middle of their periods; keep it, and declare customers under the other plan"
        ],
    );
}

#[test]
fn what_is_gone_is_refused_by_name() {
    refused(
        &[
            ("[meters.storage]", "[meters.store]"),
            ("meter = \"storage\"", "meter = \"store\""),
            ("meter = \"storage\"", "meter = \"store\""),
        ],
        expect![
            "meters.storage: is gone, but what it has measured is still counted by it; keep it; no charge need use it"
        ],
    );
    refused(
        &[
            ("[plans.max]", "[plans.maxi]"),
            ("[[plans.max.charges]]", "[[plans.maxi.charges]]"),
            ("[[plans.max.charges]]", "[[plans.maxi.charges]]"),
            ("plan = \"max\"", "plan = \"maxi\""),
        ],
        expect![[r#"
        plans.max: is gone, but usage is rated by it; keep it; no customer need have it
        customers.globex.overrides (plan "max"): is gone, but usage is rated by it; keep the overrides, and the customer's plans that they are for"#]],
    );
    refused(
        &[("name = \"calls\"", "name = \"requests\"")],
        expect![[r#"
        plans.pro.charges.calls: is gone, but has usage in open periods; keep it, and let customers change to a plan without it
        customers.globex.overrides.calls (plan "pro"): is gone, but has usage in open periods; keep it, and let customers change to a plan without it"#]],
    );
    refused(
        &[("overrides = { storage = { price = { model = \"unit\", unit_amount = \"0.005\" } } }", "")],
        expect![[r#"
        customers.globex.overrides (plan "pro"): is gone, but usage is rated by it; keep the overrides, and the customer's plans that they are for
        customers.globex.overrides (plan "max"): is gone, but usage is rated by it; keep the overrides, and the customer's plans that they are for"#]],
    );
    refused(
        &[("[accounts.branch]", "[accounts.twig]"), ("account = \"branch\"", "account = \"twig\"")],
        expect!["accounts.branch: is gone, but has invoices; keep it"],
    );
    refused(
        &[("[customers.initech]", "[customers.initrode]")],
        expect!["customers.initech: is gone, but its usage is still to be billed; keep it, and end it with ends_on"],
    );
}

#[test]
fn defaults_stay() {
    refused(
        &[("currency = \"USD\"", "currency = \"EUR\"")],
        expect![[r#"
        currency: the default of what is rated already must stay; keep it, and say otherwise where it is to differ: in plans and accounts
        plans.pro.currency: what is rated already is in the other currency; keep it, make a new plan, and let customers change to that
        plans.max.currency: what is rated already is in the other currency; keep it, make a new plan, and let customers change to that
        plans.spare.currency: what is rated already is in the other currency; keep it, make a new plan, and let customers change to that
        customers.globex.overrides (plan "pro").currency: what is rated already is in the other currency; keep it, make a new plan, and let customers change to that
        customers.globex.overrides (plan "max").currency: what is rated already is in the other currency; keep it, make a new plan, and let customers change to that
        accounts.group.currency: its invoices are in the other currency; keep it, and declare a new account for new customers
        accounts.branch.currency: its invoices are in the other currency; keep it, and declare a new account for new customers
        accounts.initech.currency: its invoices are in the other currency; keep it, and declare a new account for new customers
        accounts.leaving.currency: its invoices are in the other currency; keep it, and declare a new account for new customers
        accounts.idle.currency: its invoices are in the other currency; keep it, and declare a new account for new customers"#]],
    );
    refused(
        &[("\"Europe/Paris\"", "\"Europe/Rome\"")],
        expect![[r#"
        time_zone: the default of what is rated already must stay; keep it, and say otherwise where it is to differ: in plans and accounts
        accounts.initech.time_zone: its open and billed periods would have other bounds; keep it, and declare a new account for new customers
        accounts.leaving.time_zone: its open and billed periods would have other bounds; keep it, and declare a new account for new customers
        accounts.idle.time_zone: its open and billed periods would have other bounds; keep it, and declare a new account for new customers"#]],
    );
}

#[test]
fn a_meter_stays_what_it_is() {
    refused(
        &[("event_type = \"level\"", "event_type = \"levels\"")],
        expect![
            "meters.storage.event_type: what the meter has measured would mean something else; keep it, and declare a new meter beside it"
        ],
    );
    refused(
        &[("aggregation = \"count\"", "aggregation = \"max\"\nvalue = \"data.n\"")],
        expect![[r#"
        meters.calls.aggregation: what the meter has measured would mean something else; keep it, and declare a new meter beside it
        meters.calls.value: what the meter has measured would mean something else; keep it, and declare a new meter beside it"#]],
    );
    refused(
        &[("scale = 3", "scale = 4")],
        expect![[r#"
        meters.storage.scale: what the meter has measured would mean something else; keep it, and declare a new meter beside it
        plans.pro.charges.storage.price: is not the price that usage is rated by, or was announced for later; keep the price and its `versions`, and add a version behind them with an `effective_at` to come
        plans.max.charges.storage.price: is not the price that usage is rated by, or was announced for later; keep the price and its `versions`, and add a version behind them with an `effective_at` to come
        customers.globex.overrides.storage (plan "pro").price: is not the price that usage is rated by, or was announced for later; keep the price and its `versions`, and add a version behind them with an `effective_at` to come
        customers.globex.overrides.storage (plan "max").price: is not the price that usage is rated by, or was announced for later; keep the price and its `versions`, and add a version behind them with an `effective_at` to come"#]],
    );
    refused(
        &[("scale = 3", "scale = 3\nallow_negative = true")],
        expect![[r#"
        meters.storage.allow_negative: what the meter has measured would mean something else; keep it, and declare a new meter beside it
        plans.pro.charges.storage.allow_negative: usage that is rated already would cost something else; keep it, make a new plan with the other charge, and let customers change to that
        plans.max.charges.storage.allow_negative: usage that is rated already would cost something else; keep it, make a new plan with the other charge, and let customers change to that
        customers.globex.overrides.storage (plan "pro").allow_negative: usage that is rated already would cost something else; keep it, make a new plan with the other charge, and let customers change to that
        customers.globex.overrides.storage (plan "max").allow_negative: usage that is rated already would cost something else; keep it, make a new plan with the other charge, and let customers change to that"#]],
    );
    refused(
        &[("\"data.tokens\"", "\"data.total\"")],
        expect![
            "meters.tokens.value: what the meter has measured would mean something else; keep it, and declare a new meter beside it"
        ],
    );
    refused(
        &[("[\"eu\", \"us\"]", "[\"eu\"]")],
        expect![
            "meters.tokens.filter: what the meter has measured would mean something else; keep it, and declare a new meter beside it"
        ],
    );
    refused(
        &[("\"data.model\"", "\"data.name\"")],
        expect![[r#"
        meters.tokens.dimensions.model: what the meter has measured would mean something else; keep it, and name a new dimension
        plans.pro.charges.tokens.group_by: usage that is rated already would count differently; keep it, make a new plan with the other charge, and let customers change to that
        plans.max.charges.tokens.group_by: usage that is rated already would count differently; keep it, make a new plan with the other charge, and let customers change to that
        customers.globex.overrides.tokens (plan "pro").group_by: usage that is rated already would count differently; keep it, make a new plan with the other charge, and let customers change to that
        customers.globex.overrides.tokens (plan "max").group_by: usage that is rated already would count differently; keep it, make a new plan with the other charge, and let customers change to that"#]],
    );
    refused(
        &[("dimensions = { disk = \"data.disk\" }\n", "")],
        expect![
            "meters.storage.dimensions.disk: is gone, but groups, filters and prices may have looked at it; keep it"
        ],
    );
    refused(
        &[("value = \"data.tokens\"", "value = \"data.tokens\"\namount = \"data.cost\"")],
        expect![
            "meters.tokens.amount: what the meter has measured would mean something else; keep it, and declare a new meter beside it"
        ],
    );
    let counter = |more: &str| {
        format!(
            "{BASE}[meters.counter]\nevent_type = \"read\"\naggregation = \"sum\"\nvalues = \"reading\"\nreset = true\nvalue = \"data.v\"\ndimensions = {{ a = \"data.a\", b = \"data.b\" }}\n{more}"
        )
    };
    let from = at("2026-06-15T00:00:00Z");
    for (more, expected) in [
        ("series = \"a\"\nestimated = \"data.guess\"", None),
        (
            "series = \"b\"\nestimated = \"data.guess\"",
            Some(expect![
                "meters.counter.series: what the meter has measured would mean something else; keep it, and declare a new meter beside it"
            ]),
        ),
        (
            "series = \"a\"",
            Some(expect![
                "meters.counter.estimated: what the meter has measured would mean something else; keep it, and declare a new meter beside it"
            ]),
        ),
    ] {
        let error =
            succeed(&read(&counter("series = \"a\"\nestimated = \"data.guess\"")), read(&counter(more)), from).err();
        assert_eq!(error.is_some(), expected.is_some(), "{more}");
        if let (Some(error), Some(expected)) = (error, expected) {
            expected.assert_eq(&error.to_string());
        }
    }
}

#[test]
fn a_plan_keeps_its_periods_fees_and_charges() {
    refused(
        &[("[plans.pro]", "[plans.pro]\ncycle = \"1 year\"")],
        expect![[r#"
        plans.pro.cycle: periods that are open or billed would have other bounds; keep it, make a new plan, and let customers change to that
        customers.globex.overrides (plan "pro").cycle: periods that are open or billed would have other bounds; keep it, make a new plan, and let customers change to that"#]],
    );
    refused(
        &[("[plans.pro]", "[plans.pro]\nanchor = \"anniversary\"")],
        expect![[r#"
        plans.pro.anchor: periods that are open or billed would have other bounds; keep it, make a new plan, and let customers change to that
        customers.globex.overrides (plan "pro").anchor: periods that are open or billed would have other bounds; keep it, make a new plan, and let customers change to that"#]],
    );
    refused(
        &[("[plans.pro]", "[plans.pro]\nproration = \"day\"")],
        expect![[r#"
        plans.pro.proration: periods that are open or billed would owe other fees; keep it, make a new plan, and let customers change to that
        customers.globex.overrides (plan "pro").proration: periods that are open or billed would owe other fees; keep it, make a new plan, and let customers change to that"#]],
    );
    refused(
        &[("\"10.00\"", "\"11.00\"")],
        expect![[r#"
        plans.pro.fees: periods that are open or billed would owe other fees; keep it, make a new plan, and let customers change to that
        customers.globex.overrides (plan "pro").fees: periods that are open or billed would owe other fees; keep it, make a new plan, and let customers change to that"#]],
    );
    refused(
        &[(
            "[plans.spare]",
            "[[plans.max.charges]]\nname = \"calls\"\nmeter = \"calls\"\nprice = \"by_region\"\n[plans.spare]",
        )],
        expect![[
            r#"customers.globex.overrides.calls (plan "max"): is new in a plan that customers have, and would charge for what they used before; put it into a new plan, and let customers change to that"#
        ]],
    );
    let spare = |text: &str| {
        text.replace("[plans.spare]\n", "[plans.spare]\ncurrency = \"EUR\"\n")
            .replace("[defaults]\nplan = \"spare\"\n", "")
            .replace("[customers.leaving]\nplan = \"spare\"\nends_on = \"2026-06-01\"\n", "")
    };
    let unused = |text: &str| {
        text.replace("[defaults]\nplan = \"spare\"\n", "")
            .replace("[customers.leaving]\nplan = \"spare\"\nends_on = \"2026-06-01\"\n", "")
    };
    let error = succeed(&read(&unused(BASE)), read(&spare(BASE)), at("2026-06-15T00:00:00Z")).unwrap_err();
    expect!["plans.spare.currency: what is rated already is in the other currency; keep it, make a new plan, and let customers change to that"].assert_eq(&error.to_string());
}

#[test]
fn a_charge_goes_on_as_it_is() {
    let storage = "name = \"storage\"\nmeter = \"storage\"";
    let with = |more: &str| format!("{storage}\n{more}");
    refused(
        &[(
            "meter = \"calls\"\nprice = { model = \"unit\", unit_amount = \"3\" }",
            "meter = \"tokens\"\nprice = { model = \"unit\", unit_amount = \"3\" }",
        )],
        expect![
            "plans.spare.charges.calls.meter: usage that is rated already would count differently; keep it, make a new plan with the other charge, and let customers change to that"
        ],
    );
    refused(
        &[(storage, &with("filter = { disk = [\"a\"] }"))],
        expect![[r#"
        plans.pro.charges.storage.filter: usage that is rated already would count differently; keep it, make a new plan with the other charge, and let customers change to that
        customers.globex.overrides.storage (plan "pro").filter: usage that is rated already would count differently; keep it, make a new plan with the other charge, and let customers change to that
        customers.globex.overrides.storage (plan "max").price: is no longer to customers.globex.overrides.storage (plan "pro") what it was, and customers who changed from one to the other have usage that goes on in both; give both the same new version, or make a new plan with the other price"#]],
    );
    refused(
        &[(storage, &with("group_by = [\"disk\"]"))],
        expect![[r#"
        plans.pro.charges.storage.group_by: usage that is rated already would count differently; keep it, make a new plan with the other charge, and let customers change to that
        customers.globex.overrides.storage (plan "pro").group_by: usage that is rated already would count differently; keep it, make a new plan with the other charge, and let customers change to that
        customers.globex.overrides.storage (plan "max").price: is no longer to customers.globex.overrides.storage (plan "pro") what it was, and customers who changed from one to the other have usage that goes on in both; give both the same new version, or make a new plan with the other price"#]],
    );
    refused(
        &[(storage, &with("conversion = { divide = 2 }"))],
        expect![[r#"
        plans.pro.charges.storage.conversion: usage that is rated already would cost something else; keep it, make a new plan with the other charge, and let customers change to that
        plans.pro.charges.storage.price: is not the price that usage is rated by, or was announced for later; keep the price and its `versions`, and add a version behind them with an `effective_at` to come
        customers.globex.overrides.storage (plan "pro").conversion: usage that is rated already would cost something else; keep it, make a new plan with the other charge, and let customers change to that
        customers.globex.overrides.storage (plan "pro").price: is not the price that usage is rated by, or was announced for later; keep the price and its `versions`, and add a version behind them with an `effective_at` to come
        customers.globex.overrides.storage (plan "max").price: is no longer to customers.globex.overrides.storage (plan "pro") what it was, and customers who changed from one to the other have usage that goes on in both; give both the same new version, or make a new plan with the other price"#]],
    );
    refused(
        &[("allowance = { quantity = 20 }", "allowance = { quantity = 21 }")],
        expect![[r#"
        plans.pro.charges.tokens.allowance: usage that is rated already would cost something else; keep it, make a new plan with the other charge, and let customers change to that
        customers.globex.overrides.tokens (plan "pro").allowance: usage that is rated already would cost something else; keep it, make a new plan with the other charge, and let customers change to that"#]],
    );
    refused(
        &[(storage, &with("discount = { rate = \"0.25\" }"))],
        expect![[r#"
        plans.pro.charges.storage.discount: periods that are open or billed would come to something else; keep it, make a new plan with the other charge, and let customers change to that
        customers.globex.overrides.storage (plan "pro").discount: periods that are open or billed would come to something else; keep it, make a new plan with the other charge, and let customers change to that"#]],
    );
    refused(
        &[(storage, &with("minimum = \"5\""))],
        expect![[r#"
        plans.pro.charges.storage.minimum: periods that are open or billed would come to something else; keep it, make a new plan with the other charge, and let customers change to that
        customers.globex.overrides.storage (plan "pro").minimum: periods that are open or billed would come to something else; keep it, make a new plan with the other charge, and let customers change to that"#]],
    );
    refused(
        &[(storage, &with("maximum = \"5\""))],
        expect![[r#"
        plans.pro.charges.storage.maximum: periods that are open or billed would come to something else; keep it, make a new plan with the other charge, and let customers change to that
        customers.globex.overrides.storage (plan "pro").maximum: periods that are open or billed would come to something else; keep it, make a new plan with the other charge, and let customers change to that"#]],
    );
    refused(
        &[(storage, &with("late_policy = \"refuse\""))],
        expect![[r#"
        plans.pro.charges.storage.late_policy: what is late for a sealed period would be treated differently from what was late before; keep it, make a new plan with the other charge, and let customers change to that
        customers.globex.overrides.storage (plan "pro").late_policy: what is late for a sealed period would be treated differently from what was late before; keep it, make a new plan with the other charge, and let customers change to that"#]],
    );
    refused(
        &[("unit_amount = \"3\" }", "unit_amount = \"3\" }\nround = { scale = 2, mode = \"half_even\" }")],
        expect![
            "plans.spare.charges.calls.round: usage that is rated already would cost something else; keep it, make a new plan with the other charge, and let customers change to that"
        ],
    );
}

#[test]
fn a_price_takes_effect_from_now_on_only() {
    refused(
        &[("unit_amount = \"3\"", "unit_amount = \"4\"")],
        expect![
            "plans.spare.charges.calls.price: is not the price that usage is rated by, or was announced for later; keep the price and its `versions`, and add a version behind them with an `effective_at` to come"
        ],
    );
    refused(
        &[("unit_amount = \"0.4\"", "unit_amount = \"0.45\"")],
        expect![[r#"
        plans.pro.charges.tokens.price: is not the price that usage is rated by, or was announced for later; keep the price and its `versions`, and add a version behind them with an `effective_at` to come
        plans.max.charges.tokens.price: is not the price that usage is rated by, or was announced for later; keep the price and its `versions`, and add a version behind them with an `effective_at` to come
        customers.globex.overrides.tokens (plan "pro").price: is not the price that usage is rated by, or was announced for later; keep the price and its `versions`, and add a version behind them with an `effective_at` to come
        customers.globex.overrides.tokens (plan "max").price: is not the price that usage is rated by, or was announced for later; keep the price and its `versions`, and add a version behind them with an `effective_at` to come"#]],
    );
    refused(
        &[("\"2026-09-01\"", "\"2026-10-01\"")],
        expect![[r#"
        plans.pro.charges.tokens.price: is not the price that usage is rated by, or was announced for later; keep the price and its `versions`, and add a version behind them with an `effective_at` to come
        plans.max.charges.tokens.price: is not the price that usage is rated by, or was announced for later; keep the price and its `versions`, and add a version behind them with an `effective_at` to come
        customers.globex.overrides.tokens (plan "pro").price: is not the price that usage is rated by, or was announced for later; keep the price and its `versions`, and add a version behind them with an `effective_at` to come
        customers.globex.overrides.tokens (plan "max").price: is not the price that usage is rated by, or was announced for later; keep the price and its `versions`, and add a version behind them with an `effective_at` to come"#]],
    );
    refused(
        &[("versions = [ { model = \"unit\", unit_amount = \"0.4\", effective_at = \"2026-09-01\" } ]\n", "")],
        expect![[r#"
        plans.pro.charges.tokens.price: is not the price that usage is rated by, or was announced for later; keep the price and its `versions`, and add a version behind them with an `effective_at` to come
        plans.max.charges.tokens.price: is not the price that usage is rated by, or was announced for later; keep the price and its `versions`, and add a version behind them with an `effective_at` to come
        customers.globex.overrides.tokens (plan "pro").price: is not the price that usage is rated by, or was announced for later; keep the price and its `versions`, and add a version behind them with an `effective_at` to come
        customers.globex.overrides.tokens (plan "max").price: is not the price that usage is rated by, or was announced for later; keep the price and its `versions`, and add a version behind them with an `effective_at` to come"#]],
    );
    refused(
        &[(
            "otherwise = { model = \"unit\", unit_amount = \"2\" }",
            "otherwise = { model = \"unit\", unit_amount = \"2\" }\nversions = [ { model = \"matrix\", cells = [ { when = { region = \"eu\" }, price = { model = \"unit\", unit_amount = \"3\" } } ], effective_at = \"2026-06-14\" } ]",
        )],
        expect![[r#"
        plans.pro.charges.calls.price: has a new version whose effective_at 2026-06-13T22:00:00Z is past; let it take effect at 2026-06-15T00:00:00Z or later; what is past can be rated again apart
        customers.globex.overrides.calls (plan "pro").price: has a new version whose effective_at 2026-06-13T22:00:00Z is past; let it take effect at 2026-06-15T00:00:00Z or later; what is past can be rated again apart"#]],
    );
}

#[test]
fn what_goes_on_over_a_change_of_plan_goes_on() {
    // Globex has changed from pro to max: its tokens lie in the same buckets.
    let one = (
        "price = \"tokens\"\ngroup_by = [\"model\"]\n[[plans.max",
        "price = \"others\"\ngroup_by = [\"model\"]\n[[plans.max",
    );
    let others = (
        "[prices.by_region]",
        "[prices.others]\nmodel = \"graduated\"\ntiers = [ { up_to = 100, unit_amount = \"0.5\" }, { unit_amount = \"0.3\" } ]\nversions = [ { model = \"unit\", unit_amount = \"0.4\", effective_at = \"2026-09-01\" }, { model = \"unit\", unit_amount = \"0.2\", effective_at = \"2026-12-01\" } ]\n[prices.by_region]",
    );
    refused(
        &[one, others],
        expect![[
            r#"customers.globex.overrides.tokens (plan "max").price: is no longer to customers.globex.overrides.tokens (plan "pro") what it was, and customers who changed from one to the other have usage that goes on in both; give both the same new version, or make a new plan with the other price"#
        ]],
    );
}

#[test]
fn an_account_stays() {
    refused(
        &[(
            "[accounts.branch]\ntime_zone = \"America/New_York\"",
            "[accounts.branch]\ntime_zone = \"America/Chicago\"",
        )],
        expect![[r#"
        accounts.branch.time_zone: its open and billed periods would have other bounds; keep it, and declare a new account for new customers
        customers.globex.changes: says something else of the past, which is rated already; keep what takes effect before 2026-06-15T00:00:00Z, and change plans at that instant or later"#]],
    );
    refused(
        &[("parent = \"group\"", "")],
        expect![
            "accounts.branch.parent: what it shares is priced with the other accounts; keep it, and declare a new account for new customers"
        ],
    );
    refused(
        &[("[accounts.group]", "[accounts.initech]\nparent = \"group\"\n[accounts.group]")],
        expect![
            "accounts.initech.parent: what it shares is priced with the other accounts; keep it, and declare a new account for new customers"
        ],
    );
    let idle = [
        ("[customers.idle]", "[customers.idle]\nplan = \"euro\"\nstarts_on = \"2026-06-16\""),
        (
            "[plans.max]",
            "[plans.euro]\ncurrency = \"EUR\"\n[[plans.euro.charges]]\nname = \"calls\"\nmeter = \"calls\"\nprice = { model = \"unit\", unit_amount = 1 }\n[plans.max]",
        ),
    ];
    refused(
        &idle,
        expect![
            "accounts.idle.currency: its invoices are in the other currency; keep it, and declare a new account for new customers"
        ],
    );
}

#[test]
fn a_customer_pays_otherwise_from_now_on_only() {
    refused(
        &[("starts_on = \"2026-02-01\"", "starts_on = \"2026-02-01\"\naccount = \"branch\"")],
        expect!["accounts.initech: is gone, but has invoices; keep it"],
    );
    refused(
        &[("[customers.initech]\nplan = \"pro\"", "[customers.initech]\nplan = \"max\"")],
        expect![
            "customers.initech.plan: is another from the beginning, which would price anew what it used before; keep it, and add an entry to `changes` with an `effective_at` to come and the other plan"
        ],
    );
    refused(
        &[("[customers.initech]\nplan = \"pro\"", "[customers.initech]")],
        expect![
            "customers.initech.plan: is another from the beginning, which would price anew what it used before; keep it, and add an entry to `changes` with an `effective_at` to come and the other plan"
        ],
    );
    refused(
        &[(
            "starts_on = \"2026-02-01\"",
            "starts_on = \"2026-02-01\"\noverrides = { tokens = { price = { model = \"unit\", unit_amount = 1 } } }",
        )],
        expect![
            "customers.initech.overrides: prices of its own would hold for what it used before; keep it, and add an entry to `changes` with an `effective_at` to come and the other plan"
        ],
    );
    refused(
        &[("starts_on = \"2026-02-01\"", "starts_on = \"2026-03-01\"")],
        expect!["customers.initech.starts_on: periods that are open or billed would begin elsewhere; keep it"],
    );
    refused(
        &[("starts_on = \"2026-02-01\"", "")],
        expect!["customers.initech.starts_on: periods that are open or billed would begin elsewhere; keep it"],
    );
    refused(
        &[("\"2026-06-10\"", "\"2026-06-11\"")],
        expect![
            "customers.globex.changes: says something else of the past, which is rated already; keep what takes effect before 2026-06-15T00:00:00Z, and change plans at that instant or later"
        ],
    );
    refused(
        &[(
            "starts_on = \"2026-02-01\"",
            "starts_on = \"2026-02-01\"\nchanges = [ { effective_at = \"2026-06-14\", plan = \"max\" } ]",
        )],
        expect![
            "customers.initech.changes: says something else of the past, which is rated already; keep what takes effect before 2026-06-15T00:00:00Z, and change plans at that instant or later"
        ],
    );
    refused(
        &[("{ effective_at = \"2026-06-10\", plan = \"max\" }, ", "")],
        expect![[
            r#"customers.globex.overrides (plan "max"): is gone, but usage is rated by it; keep the overrides, and the customer's plans that they are for"#
        ]],
    );
    refused(
        &[("starts_on = \"2026-02-01\"", "starts_on = \"2026-02-01\"\nends_on = \"2026-06-14\"")],
        expect![
            "customers.initech.ends_on: is past, but usage since then is rated already; end on a day that begins at 2026-06-15T00:00:00Z or later"
        ],
    );
    refused(
        &[("ends_on = \"2026-06-01\"", "ends_on = \"2026-07-01\"")],
        expect![
            "customers.leaving.ends_on: has passed: what the customer used since is unpriced; keep it, and let a new customer claim the subjects"
        ],
    );
    refused(
        &[("ends_on = \"2026-06-01\"", "")],
        expect![
            "customers.leaving.ends_on: has passed: what the customer used since is unpriced; keep it, and let a new customer claim the subjects"
        ],
    );
    refused(
        &[("[customers.idle]", "[customers.idle]\nplan = \"pro\"\nstarts_on = \"2026-06-15\"")],
        expect![
            "customers.idle.starts_on: gets its first plan, which would price what it used before; let it start on a day to come: starts_on at 2026-06-15T00:00:00Z or later"
        ],
    );
    refused(
        &[("[customers.idle]", "[customers.idle]\nplan = \"pro\"")],
        expect![
            "customers.idle.starts_on: gets its first plan, which would price what it used before; let it start on a day to come: starts_on at 2026-06-15T00:00:00Z or later"
        ],
    );
    refused(
        &[("[customers.idle]", "[customers.new]\nplan = \"pro\"\nstarts_on = \"2026-05-31\"\n[customers.idle]")],
        expect![
            "customers.new.starts_on: is new and would owe fees, minimums or flat amounts for periods that are closed; let it start in the period that is open, at 2026-05-31T22:00:00Z or later"
        ],
    );
    refused(
        &[("[customers.idle]", "[customers.new]\nplan = \"pro\"\n[customers.idle]")],
        expect![
            "customers.new.starts_on: is new and would owe fees, minimums or flat amounts for periods that are closed; let it start in the period that is open, at 2026-05-31T22:00:00Z or later"
        ],
    );
}

/// A table: its key, its text, and its charges with theirs.
type Group = (u16, String, Vec<(u16, String)>);

/// The base's tables in another order; charges within their plan. `keys` decide.
fn permuted(text: &str, keys: &[u16]) -> String {
    let mut keys = keys.iter().copied().cycle();
    let mut head = String::new();
    let mut groups: Vec<Group> = Vec::new();
    for line in text.lines() {
        if line.starts_with("[[") {
            groups.last_mut().unwrap().2.push((keys.next().unwrap(), String::new()));
        } else if line.starts_with('[') {
            groups.push((keys.next().unwrap(), String::new(), Vec::new()));
        }
        let place = match groups.last_mut() {
            None => &mut head,
            Some((_, own, charges)) => charges.last_mut().map_or(own, |(_, charge)| charge),
        };
        place.push_str(line);
        place.push('\n');
    }
    groups.sort();
    groups.into_iter().fold(head, |text, (_, own, mut charges)| {
        charges.sort();
        charges.into_iter().fold(text + &own, |text, (_, charge)| text + &charge)
    })
}

/// Everything that a catalog says, by names: what numbers must not change.
fn said(catalog: &Catalog) -> BTreeMap<String, String> {
    let mut said = BTreeMap::new();
    let plan = |index: PlanIdx| numbers::plan_key(catalog, &catalog.plans[index.at()]);
    let text =
        |event_type: TypeIdx, slot: u16| catalog.event_types[event_type.at()].texts[usize::from(slot)].path.to_string();
    let number = |event_type: TypeIdx, slot: u16| {
        format!("{:?}", catalog.event_types[event_type.at()].values[usize::from(slot)])
    };
    let filter = |event_type: TypeIdx, terms: &[FilterTerm]| {
        terms.iter().map(|term| format!("{} {:?}", text(event_type, term.slot), term.values)).collect::<Vec<_>>()
    };
    for meter in &catalog.meters {
        let of = meter.event_type;
        let dimensions: Vec<_> = meter.dimensions.iter().map(|d| (d.name.clone(), text(of, d.slot))).collect();
        let texts = [meter.distinct, meter.series, meter.estimated].map(|slot| slot.map(|slot| text(of, slot)));
        let values = [meter.value, meter.amount].map(|slot| slot.map(|slot| number(of, slot)));
        let rest = (&catalog.event_types[of.at()].name, meter.aggregation, meter.scale, filter(of, &meter.filter));
        said.insert(format!("meter {}", meter.name), format!("{dimensions:?} {texts:?} {values:?} {rest:?}"));
    }
    for event_type in &catalog.event_types {
        let mut meters: Vec<&str> = event_type.meters.iter().map(|m| catalog.meters[m.at()].name.as_str()).collect();
        meters.sort_unstable();
        said.insert(format!("type {}", event_type.name), format!("{meters:?}"));
    }
    for charge in &catalog.charges {
        let meter = &catalog.meters[charge.meter.at()];
        let of = meter.event_type;
        let groups: Vec<_> = charge.group_by.iter().map(|d| (d.name.clone(), text(of, d.slot))).collect();
        let prices: Vec<_> = charge
            .versions
            .iter()
            .map(|version| {
                let slots: Vec<String> = version.price.slots().into_iter().map(|slot| text(of, slot)).collect();
                (version.effective_at, slots, version.price.model())
            })
            .collect();
        let rest = (&meter.name, groups, prices, filter(of, &charge.filter), charge.hash);
        said.insert(numbers::charge_key(catalog, charge), format!("{rest:?}"));
        assert!(
            catalog.plans[charge.plan.at()]
                .charges
                .iter()
                .any(|index| std::ptr::eq(&raw const catalog.charges[index.at()], charge))
        );
    }
    for plan in &catalog.plans {
        let mut charges: Vec<&str> =
            plan.charges.iter().map(|index| catalog.charges[index.at()].name.as_str()).collect();
        charges.sort_unstable();
        said.insert(numbers::plan_key(catalog, plan), format!("{charges:?} {:?} {:?}", plan.cycle, plan.fees));
    }
    for account in &catalog.accounts {
        let parent = account.parent.map(|parent| catalog.accounts[parent.at()].name.clone());
        said.insert(
            format!("account {}", account.name),
            format!("{parent:?} {:?} {:?}", account.currency, account.time_zone),
        );
    }
    for customer in &catalog.customers {
        let changes: Vec<_> = customer.changes.iter().map(|change| (change.effective_at, plan(change.plan))).collect();
        let rest =
            (customer.plan.map(plan), &catalog.accounts[customer.account.at()].name, changes, &customer.subjects);
        said.insert(format!("customer {}", customer.id), format!("{rest:?}"));
    }
    said.insert("default".to_owned(), format!("{:?}", catalog.default_plan.map(plan)));
    said
}

proptest! {
    /// The order of a text decides about no number of what was there before, and what is new means what it says.
    #[test]
    fn numbers_stay(keys in prop::collection::vec(any::<u16>(), 40)) {
        let from = at("2026-06-15T00:00:00Z");
        let base = read(BASE);
        let text = permuted(BASE, &keys);
        let alone = read(&text);
        let after = succeed(&base, alone.clone(), from).unwrap();
        let numbered = |catalog: &Catalog| format!("{:?}", Catalog { hash: 0, ..catalog.clone() });
        prop_assert_eq!(numbered(&after), numbered(&base));
        // Where the text alone leads to other numbers, a snapshot of the one is none of the other.
        prop_assert_eq!(numbered(&alone) == numbered(&base), after.hash == alone.hash);

        let more = format!("{BASE}[meters.more]\nevent_type = \"call\"\naggregation = \"unique_count\"\nvalue = \"data.user\"\ndimensions = {{ area = \"data.area\", region = \"data.region\" }}\n[plans.more]\n[[plans.more.charges]]\nname = \"tokens\"\nmeter = \"tokens\"\nprice = \"tokens\"\nfilter = {{ region = [\"eu\"] }}\n[[plans.more.charges]]\nname = \"more\"\nmeter = \"more\"\nprice = \"by_region\"\n[customers.more]\nplan = \"more\"\n[accounts.more]\nparent = \"group\"\n");
        let alone = read(&permuted(&more, &keys));
        let after = succeed(&base, alone.clone(), from).unwrap();
        prop_assert_eq!(said(&after), said(&alone));
        for (number, meter) in base.meters.iter().enumerate() {
            prop_assert_eq!(&after.meters[number].name, &meter.name);
        }
        for (number, charge) in base.charges.iter().enumerate() {
            prop_assert_eq!(numbers::charge_key(&after, &after.charges[number]), numbers::charge_key(&base, charge));
        }
        for (number, customer) in base.customers.iter().enumerate() {
            prop_assert_eq!(&after.customers[number].id, &customer.id);
        }
        prop_assert_eq!(succeed(&after, read(&permuted(&more, &keys)), from).map(|again| numbered(&again)), Ok(numbered(&after)));
    }
}
