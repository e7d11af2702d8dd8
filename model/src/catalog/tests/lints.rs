//! What is legal but probably not meant.

use expect_test::{Expect, expect};

use super::*;

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
            "catalog.toml:27: prices.cells: cell `otherwise` has a price cliff: 10 cost 20, a little more cost 11; use a graduated price, or ignore this if it is meant"
        ],
    );
    warnings(
        "unit_amount = \"0.0000015\", flat_amount = \"5\"",
        "unit_amount = \"0.000002\"",
        expect![
            "catalog.toml:23: prices.tokens: has tiers 1 and 2 that cannot be told apart: they cost the same; make them one tier"
        ],
    );
    warnings("model = \"graduated\"", "model = \"volume\"", expect![[""]]);
    warnings(
        "unit_amount = 2 }",
        "unit_amount = 0 }",
        expect![
            "catalog.toml:57: plans.pro.charges[2].price: is zero everywhere; if usage is meant to be free, ignore this"
        ],
    );
    warnings(
        "unit_amount = 2 }",
        "unit_amount = -2 }",
        expect![
            "catalog.toml:57: plans.pro.charges[2].price: has an amount below zero, which pays the customer; check the sign"
        ],
    );
    warnings(
        "filter = { region = [\"eu\"] }",
        "filter = { region = [\"asia\", \"asia\"] }",
        expect![[r#"
            catalog.toml:44: plans.pro.charges[0].filter: no event passes both this filter and that of meter "tokens"; the two have no value in common
            catalog.toml:44: plans.pro.charges[0].filter: the filter allows "asia" twice; name each value once
            catalog.toml:87: customers.acme.overrides.tokens: no event passes both this filter and that of meter "tokens"; the two have no value in common
            catalog.toml:87: customers.acme.overrides.tokens: the filter allows "asia" twice; name each value once"#]],
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
        expect![[r#"
            catalog.toml:94: plans.none: charges for nothing; add charges or fees
            catalog.toml:94: plans.none: no customer has this plan, and it is not the default; give it to a customer, make it the default, or delete it"#]],
    );
    warnings(
        "plan = \"free\"\nlocale",
        "locale",
        expect![[r#"catalog.toml:89: customers.globex: has no plan, so that its usage is unpriced; add plan = "...""#]],
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
            "catalog.toml:85: customers.acme.subjects: claims no subject, so that the customer has no usage; name one, or leave it out for the id"
        ],
    );
}

/// Charges of plan `p`, each with its lines one behind the other.
fn check_charges(charges: &str, expected: &Expect) {
    let lines = charges.replace("[c]", "[[plans.p.charges]]").replace("; ", "\n");
    let (_, warnings) = with_meters(&lines).unwrap_or_else(|error| panic!("{charges}\n{error}"));
    expected.assert_eq(&warnings);
}

#[test]
fn lints_of_charges() {
    const UNIT: &str = "price = { model = 'unit', unit_amount = 1 }";
    for (charges, expected) in [
        // Overlaps: only where an event passes both.
        (
            "[c]; name = 'a'; meter = 'sum'; UNIT; [c]; name = 'b'; meter = 'sum'; UNIT",
            expect![[
                r#"c.toml:51: plans.p.charges[1]: passes events of meter "sum" that charge "a" charges as well; filter one of them, or ignore this if both are meant"#
            ]],
        ),
        (
            "[c]; name = 'a'; meter = 'sum'; UNIT; filter = { region = ['eu', 'us'] }; [c]; name = 'b'; meter = 'sum'; UNIT; filter = { region = ['us'] }",
            expect![[
                r#"c.toml:56: plans.p.charges[1].filter: passes events of meter "sum" that charge "a" charges as well; filter one of them, or ignore this if both are meant"#
            ]],
        ),
        (
            "[c]; name = 'a'; meter = 'sum'; UNIT; filter = { region = ['eu'] }; [c]; name = 'b'; meter = 'sum'; UNIT; filter = { size = ['s'] }",
            expect![[
                r#"c.toml:56: plans.p.charges[1].filter: passes events of meter "sum" that charge "a" charges as well; filter one of them, or ignore this if both are meant"#
            ]],
        ),
        (
            "[c]; name = 'a'; meter = 'sum'; UNIT; filter = { region = ['eu'], size = ['s'] }; [c]; name = 'b'; meter = 'sum'; UNIT; filter = { region = ['eu'], size = ['l'] }",
            expect![[""]],
        ),
        (
            "[c]; name = 'a'; meter = 'sum'; UNIT; filter = { region = ['eu'] }; [c]; name = 'b'; meter = 'sum'; UNIT; filter = { region = ['us'] }; [c]; name = 'c'; meter = 'max'; UNIT",
            expect![[""]],
        ),
        // Modifiers.
        (
            "[c]; name = 'a'; meter = 'sum'; UNIT; discount = { rate = 1 }",
            expect![[r#"c.toml:51: plans.p.charges[0].discount: takes everything off; write "0.10" for 10 %"#]],
        ),
        (
            "[c]; name = 'a'; meter = 'sum'; price = { model = 'graduated', tiers = [{ flat_amount = 5 }] }; maximum = '4.999'",
            expect![[r#"
            c.toml:51: plans.p.charges[0].maximum: 4.999 is finer than the 2 decimals of USD; it will be rounded
            c.toml:51: plans.p.charges[0].maximum: is below what is owed without any usage, which is 5; raise it, or use a fee"#]],
        ),
        (
            "[c]; name = 'a'; meter = 'sum'; price = { model = 'graduated', tiers = [{ up_to = 10, unit_amount = 2 }, { unit_amount = 1 }] }; allowance = { quantity = '10.5' }; conversion = { divide = 3 }",
            expect![
                "c.toml:51: plans.p.charges[0].allowance: frees 10.5, all that tier 1 holds (10) or more, but tiers begin where the allowance ends; make the first tier free instead, or ignore this if it is meant"
            ],
        ),
        (
            "[c]; name = 'a'; meter = 'sum'; price = { model = 'graduated', tiers = [{ up_to = 10, unit_amount = 2 }, { unit_amount = 1 }] }; allowance = { quantity = 9 }",
            expect![[""]],
        ),
    ] {
        check_charges(&charges.replace("UNIT", UNIT), &expected);
    }
}

#[test]
fn lints_of_prices() {
    for (price, expected) in [
        (
            "model = 'stairstep', tiers = [{ up_to = 5, flat_amount = 2 }, { up_to = 9, flat_amount = 2 }, { flat_amount = 1 }]",
            expect![[r#"
            c.toml:50: plans.p.charges[0].price: has a price cliff: 9 cost 2, a little more cost 1; use a graduated price, or ignore this if it is meant
            c.toml:50: plans.p.charges[0].price: has tiers 1 and 2 that cannot be told apart: they cost the same; make them one tier"#]],
        ),
        (
            "model = 'graduated_percentage', tiers = [{ up_to = 5, rate = '0.2' }, { rate = '0.2' }]",
            expect![
                "c.toml:50: plans.p.charges[0].price: has tiers 1 and 2 that cannot be told apart: they cost the same; make them one tier"
            ],
        ),
        (
            "model = 'percentage', rate = 0, fixed = '-0.1'",
            expect![
                "c.toml:50: plans.p.charges[0].price: has an amount below zero, which pays the customer; check the sign"
            ],
        ),
        (
            "model = 'percentage', rate = 0",
            expect![
                "c.toml:50: plans.p.charges[0].price: is zero everywhere; if usage is meant to be free, ignore this"
            ],
        ),
        (
            "model = 'increments', connect = -1, steps = [{ every = 1, unit_amount = 1 }]",
            expect![
                "c.toml:50: plans.p.charges[0].price: has an amount below zero, which pays the customer; check the sign"
            ],
        ),
        (
            "model = 'unit', unit_amount = 100_000_000",
            expect![
                "c.toml:50: plans.p.charges[0].price: is too high for 10^12 units: amounts stay below 10^20; check the amounts: what does not fit is unpriced"
            ],
        ),
        ("model = 'unit', unit_amount = 99_999_999", expect![[""]]),
        (
            "model = 'stairstep', tiers = [{ flat_amount = '10000000000000000000' }]",
            expect![
                "c.toml:50: plans.p.charges[0].price: has an amount near the limit of 10^20; check the amounts: what does not fit is unpriced"
            ],
        ),
        (
            "model = 'unit', unit_amount = '0.000000000000001'",
            expect![
                "c.toml:50: plans.p.charges[0].price: comes to nothing in USD even for 10^12 units; check the amounts"
            ],
        ),
        ("model = 'unit', unit_amount = '0.000000000000005'", expect![[""]]),
        (
            "model = 'stairstep', tiers = [{ up_to = 5, flat_amount = 5 }, { flat_amount = '0.001' }]",
            expect![
                "c.toml:50: plans.p.charges[0].price: has a price cliff: 5 cost 5, a little more cost 0.001; use a graduated price, or ignore this if it is meant"
            ],
        ),
        // The part of the price that is meant is named.
        (
            "model = 'matrix', otherwise = { model = 'unit', unit_amount = -1 }, cells = [{ when = { region = 'eu' }, price = \
             { model = 'volume', tiers = [{ up_to = 5, unit_amount = 3 }, { unit_amount = 1 }] } }, { when = { region = 'us' }, \
             price = { model = 'volume', tiers = [{ up_to = 5, unit_amount = 3 }, { unit_amount = 1 }] } }]",
            expect![[r#"
                c.toml:50: plans.p.charges[0].price: cell (eu) has a price cliff: 5 cost 15, a little more cost 5.001 (1 more do); use a graduated price, or ignore this if it is meant
                c.toml:50: plans.p.charges[0].price: cell `otherwise` has an amount below zero, which pays the customer; check the sign"#]],
        ),
        (
            "model = 'schedule', windows = [{ days = ['mon'], from = '20:00', to = '06:00', price = { model = 'matrix', cells = \
             [{ when = { region = 'eu', size = 's' }, price = { model = 'unit', unit_amount = -1 } }] } }], otherwise = { model = \
             'unit', unit_amount = 1 }",
            expect![[r#"
                c.toml:50: plans.p.charges[0].price: cell mon 20:00-06:00 (eu, s) has an amount below zero, which pays the customer; check the sign
                c.toml:50: plans.p.charges[0].price: has no `otherwise`: usage in any other combination is unpriced; add otherwise = { model = ... }, or ignore this if it is meant"#]],
        ),
    ] {
        check_charges(&format!("[c]; name = 'a'; meter = 'sum'; price = {{ {price} }}"), &expected);
    }
    for (charge, expected) in [
        (
            "meter = 'count'; price = { model = 'unit', unit_amount = '0.0049' }; round = { scale = 2 }",
            expect![
                "c.toml:50: plans.p.charges[0].price: comes to nothing for each event at 2 decimals; check the amounts"
            ],
        ),
        (
            "meter = 'count'; price = { model = 'unit', unit_amount = '0.0049' }; round = { scale = 2, mode = 'up' }",
            expect![[""]],
        ),
        ("meter = 'sum'; price = { model = 'unit', unit_amount = '0.0049' }; round = { scale = 2 }", expect![[""]]),
        (
            "meter = 'sum'; price = { model = 'unit', unit_amount = '0.00000000000001' }; round = { scale = 3 }",
            expect![
                "c.toml:50: plans.p.charges[0].price: comes to nothing for each event at 3 decimals; check the amounts"
            ],
        ),
        (
            "meters = { s = 'max', t = 'count' }; price = { model = 'capacity', tiers = [{ up_to = { s = 5, t = 5 }, flat_amount = \
             3 }, { up_to = { s = 4, t = 5 }, flat_amount = 4 }, { flat_amount = 2 }] }",
            expect![[r#"
                c.toml:50: plans.p.charges[0].price: has a price cliff: tier 3 costs 2, the one before it 4; use a graduated price, or ignore this if it is meant
                c.toml:50: plans.p.charges[0].price: has a tier 2 that is never reached: one before it holds as much; order tiers by what they hold"#]],
        ),
        (
            "meters = { s = 'max' }; price = { model = 'capacity', tiers = [{ flat_amount = 2 }] }; maximum = 1",
            expect![
                "c.toml:51: plans.p.charges[0].maximum: is below what is owed without any usage, which is 2; raise it, or use a fee"
            ],
        ),
    ] {
        check_charges(&format!("[c]; name = 'a'; {charge}"), &expected);
    }
}

#[test]
fn lints_of_cells() {
    // A price that several charges share is reached as far as any of them reaches.
    let cells = "[prices.v]; model = 'matrix'; otherwise = { model = 'unit', unit_amount = 9 }; cells = [{ when = { region = 'eu' }, \
        price = { model = 'unit', unit_amount = 1 } }, { when = { region = 'us' }, price = { model = 'unit', unit_amount = 1 } }, \
        { when = { region = 'asia' }, price = { model = 'unit', unit_amount = 1 } }]";
    for (charges, expected) in [
        (
            "[c]; name = 'a'; meter = 'sum'; price = 'v'; filter = { region = ['eu'] }",
            expect![[
                r#"c.toml:52: prices.v: the filters of charge "a" never reach cell (us) and 1 more; delete the cell, or widen the filter"#
            ]],
        ),
        (
            "[c]; name = 'a'; meter = 'sum'; price = 'v'; filter = { region = ['eu'] }; [c]; name = 'b'; meter = 'max'; price = 'v'; filter = { region = ['us'] }",
            expect![
                "c.toml:57: prices.v: the filters of no charge reach cell (asia); delete the cell, or widen the filter"
            ],
        ),
        (
            "[c]; name = 'a'; meter = 'sum'; price = 'v'; filter = { region = ['eu'] }; [c]; name = 'b'; meter = 'max'; price = 'v'",
            expect![[""]],
        ),
    ] {
        check_charges(&format!("{charges}; {cells}"), &expected);
    }
}

#[test]
fn lints_of_schedules() {
    const UNIT: &str = "price = { model = 'unit', unit_amount = 1 }";
    for (schedule, expected) in [
        ("windows = [{ UNIT }]", expect![[""]]),
        (
            "holidays = ['2026-12-25'], windows = [{ UNIT }]",
            expect![
                "c.toml:50: plans.p.charges[0].price: has holidays that change nothing: no window is limited to some days; name the days of the windows, or leave out `holidays`"
            ],
        ),
        (
            "windows = [{ UNIT }, { days = ['mon'], UNIT }]",
            expect![
                "c.toml:50: plans.p.charges[0].price: window mon 00:00-24:00 never opens: those before it are open whenever it would be; put it first, or delete it"
            ],
        ),
        ("windows = [{ from = '06:00', to = '20:00', UNIT }, { from = '20:00', to = '06:00', UNIT }]", expect![[""]]),
        (
            "windows = [{ from = '06:00', to = '20:00', UNIT }, { from = '20:01', to = '06:00', UNIT }]",
            expect![
                "c.toml:50: plans.p.charges[0].price: has times outside all windows and no `otherwise`: usage at those is unpriced; add otherwise = { model = ... }, or ignore this if it is meant"
            ],
        ),
        ("windows = [{ days = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'], UNIT }]", expect![[""]]),
        (
            "holidays = ['2026-12-25'], windows = [{ days = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'], UNIT }]",
            expect![
                "c.toml:50: plans.p.charges[0].price: has no window for some times of its holidays and no `otherwise`: usage at those is unpriced; add otherwise = { model = ... }, or ignore this if it is meant"
            ],
        ),
        (
            "holidays = ['2026-12-25'], otherwise = { model = 'unit', unit_amount = 2 }, windows = [{ days = ['mon'], UNIT }]",
            expect![[""]],
        ),
        (
            "windows = [{ days = ['holiday'], UNIT }, { UNIT }]",
            expect![
                "c.toml:50: plans.p.charges[0].price: window holiday 00:00-24:00 never opens: `holidays` lists none; list their dates, or delete the window"
            ],
        ),
        // Monday's night belongs to Monday: a window early on Tuesday opens only after a Monday that is a holiday.
        (
            "windows = [{ days = ['mon'], from = '20:00', to = '06:00', UNIT }, { days = ['tue'], to = '06:00', UNIT }, { UNIT }]",
            expect![
                "c.toml:50: plans.p.charges[0].price: window tue 00:00-06:00 never opens: those before it are open whenever it would be; put it first, or delete it"
            ],
        ),
        (
            "holidays = ['2026-12-25'], windows = [{ days = ['mon'], from = '20:00', to = '06:00', UNIT }, { days = ['tue'], to = '06:00', UNIT }, { UNIT }]",
            expect![[""]],
        ),
    ] {
        let schedule = schedule.replace("UNIT", UNIT);
        let price = format!("{{ model = 'schedule', {schedule} }}");
        check_charges(&format!("[c]; name = 'a'; meter = 'sum'; price = {price}"), &expected);
    }
}

#[test]
fn lints_of_versions() {
    let version = |at: &str, more: &str| {
        format!("; [[prices.v.versions]]; effective_at = '{at}'{more}; model = 'unit'; unit_amount = 2")
    };
    let charge = "[c]; name = 'a'; meter = 'sum'; price = 'v'; [prices.v]; model = 'unit'; unit_amount = 1";
    for (versions, expected) in [
        (
            version("2026-10-02", "") + &version("2026-11-01", ""),
            expect![[
                r#"c.toml:54: prices.v.versions[0]: never takes effect for a whole period: plan "p" begins none before the version after it takes effect, at 2026-11-01T00:00:00Z; use mid_period = "split", another effective_at, or delete the version"#
            ]],
        ),
        (version("2026-10-02", "") + &version("2026-11-02", ""), expect![[""]]),
        (version("2026-10-01", "") + &version("2026-10-02", ""), expect![[""]]),
        (version("2026-10-02", "; mid_period = 'split'") + &version("2026-10-20", ""), expect![[""]]),
        (version("2026-10-02", ""), expect![[""]]),
        // In New York October begins later.
        (
            version("2026-10-01T01:00:00Z", "")
                + &version("2026-10-02", "")
                + "; [customers.x]; plan = 'p'; account = 'n'; [accounts.n]; time_zone = 'America/New_York'",
            expect![[""]],
        ),
    ] {
        check_charges(&format!("{charge}{versions}"), &expected);
    }
}

#[test]
fn lints_of_customers() {
    let charge = "[c]; name = 'a'; meter = 'count'; price = { model = 'unit', unit_amount = 1 }";
    for (more, expected) in [
        (
            "[customers.x]; plan = 'p'; changes = [{ effective_at = '2026-10-15', plan = 'p' }]",
            expect![
                "c.toml:53: customers.x.changes[0]: changes to the plan that the customer already has; leave it out"
            ],
        ),
        // A plan that a customer changes to is a plan with a customer.
        (
            "[plans.q]; fees = [{ name = 'f', amount = 1, when = 'advance' }]; [customers.x]; plan = 'p'; changes = [{ effective_at = '2026-10-15', plan = 'q' }]",
            expect![[""]],
        ),
    ] {
        check_charges(&format!("{charge}; {more}"), &expected);
    }
    check_charges(
        "[c]; name = 'a'; meter = 'count'; price = { model = 'unit', unit_amount = 1 }; minimum = '0.005'",
        &expect![
            "c.toml:51: plans.p.charges[0].minimum: 0.005 is finer than the 2 decimals of USD; it will be rounded"
        ],
    );
}
