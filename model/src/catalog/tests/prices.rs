//! Mistakes in prices.

use expect_test::{Expect, expect};

use super::*;

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
            r#"catalog.toml:24: prices.tokens.model: "gradual" is not known here; use one of unit, graduated, volume, package, stairstep, percentage, graduated_percentage, dynamic, increments, capacity, matrix, schedule"#
        ]],
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
            r#"catalog.toml:63: plans.free.charges[0].price.cells_file: "none.csv" cannot be read: entity not found; give its path relative to the catalog's folder; it must be UTF-8"#
        ]],
    );
    // A price that no charge uses is checked as well.
    check(
        "price = \"tokens\"",
        "price = { model = \"unit\", unit_amount = 1 }\n[prices.u]\nmodel = \"graduated\"\ntiers = []",
        expect![[r#"
            catalog.toml:44: prices.u: has no tiers
            catalog.toml:47: prices.u.filter: is not a key here; use one of versions, currency, model, tiers
            catalog.toml:48: prices.u.group_by: is not a key here; use one of versions, currency, model, tiers
            catalog.toml:49: prices.u.allowance: is not a key here; use one of versions, currency, model, tiers
            catalog.toml:50: prices.u.late_policy: is not a key here; use one of versions, currency, model, tiers"#]],
    );
}

/// A price in place, of a charge of meter `sum`, which has 3 decimals.
fn check_price(price: &str, expected: &Expect) {
    let loaded = with_meters(&format!("[[plans.p.charges]]\nname = 'c'\nmeter = 'sum'\nprice = {{ {price} }}\n"));
    expected.assert_eq(&loaded.err().unwrap_or_else(|| panic!("no error: {price}")));
}

#[test]
fn mistakes_in_models_are_explained() {
    for (price, expected) in [
        (
            "model = 'stairstep', tiers = [{ up_to = 5, unit_amount = 1 }, { flat_amount = 1 }]",
            expect![[r#"
            c.toml:50: plans.p.charges[0].price.tiers[0].flat_amount: is missing; add flat_amount = "50"
            c.toml:50: plans.p.charges[0].price.tiers[0].unit_amount: is not a key here; did you mean "flat_amount"?"#]],
        ),
        (
            "model = 'stairstep', tiers = [{ up_to = 5, flat_amount = 1 }]",
            expect!["c.toml:50: plans.p.charges[0].price: the last tier must be open: leave out its `up_to`"],
        ),
        (
            "model = 'stairstep'",
            expect![[
                r#"c.toml:50: plans.p.charges[0].price.tiers: is missing; add tiers = [{ up_to = 10, flat_amount = "50" }, { flat_amount = "90" }]"#
            ]],
        ),
        (
            "model = 'graduated_percentage', tiers = [{ up_to = 5, unit_amount = 1 }, { rate = 1, per = 5 }]",
            expect![[r#"
            c.toml:50: plans.p.charges[0].price.tiers[0].rate: is missing; add rate = "0.01"
            c.toml:50: plans.p.charges[0].price.tiers[0].unit_amount: is not a key here; did you mean "flat_amount"?
            c.toml:50: plans.p.charges[0].price.tiers[1].per: is not a key here; use one of up_to, rate, flat_amount"#]],
        ),
        ("model = 'graduated_percentage', tiers = []", expect!["c.toml:50: plans.p.charges[0].price: has no tiers"]),
        (
            "model = 'percentage'",
            expect![[r#"c.toml:50: plans.p.charges[0].price.rate: is missing; add rate = "0.029""#]],
        ),
        (
            "model = 'percentage', rate = '0.1', min = 2, max = '1.99'",
            expect![
                "c.toml:50: plans.p.charges[0].price.max: is below `min`, which is 2; an event cannot pay more than its `max`"
            ],
        ),
        (
            "model = 'percentage', rate = '0.1', free_events = 0, free_amount = '0.0001'",
            expect!["c.toml:50: plans.p.charges[0].price.free_events: must be from 1 to 4294967295, not 0"],
        ),
        (
            "model = 'percentage', rate = '0.1', free_events = '3', free_amount = 0.5",
            expect![[r#"
            c.toml:50: plans.p.charges[0].price.free_amount: is a TOML float, which is not exact; write it as a string: "0.5"
            c.toml:50: plans.p.charges[0].price.free_events: must be an integer, not a text"#]],
        ),
        (
            "model = 'increments'",
            expect![[
                r#"c.toml:50: plans.p.charges[0].price.steps: is missing; add steps = [{ every = 60, unit_amount = "0.01" }]"#
            ]],
        ),
        ("model = 'increments', steps = []", expect!["c.toml:50: plans.p.charges[0].price: has no steps"]),
        (
            "model = 'increments', steps = [{ every = 60 }]",
            expect![[
                r#"c.toml:50: plans.p.charges[0].price.steps[0].unit_amount: is missing; add unit_amount = "0.01""#
            ]],
        ),
        (
            "model = 'increments', steps = [{ every = 60, unit_amount = 1 }, { every = 6, unit_amount = 1 }]",
            expect!["c.toml:50: plans.p.charges[0].price: only the last step is open: add an `up_to` to the others"],
        ),
        (
            "model = 'increments', steps = [{ up_to = 60, every = 6, unit_amount = 1 }, { up_to = 60, every = 6, unit_amount = 1 }, \
             { every = 1, unit_amount = 1 }]",
            expect!["c.toml:50: plans.p.charges[0].price: each step must end above the one before it"],
        ),
        (
            "model = 'increments', steps = [{ up_to = 60, every = 6, unit_amount = 1, per = 999_999_999_999_999 }, { every = 1, \
             unit_amount = 1, per = 999_999_999_999_998 }]",
            expect![
                "c.toml:50: plans.p.charges[0].price: the steps' `per` have no common multiple that is small enough"
            ],
        ),
        (
            "model = 'increments', steps = [{ up_to = 60, every = 60, unit_amount = 1 }]",
            expect!["c.toml:50: plans.p.charges[0].price: the last step must be open: leave out its `up_to`"],
        ),
        (
            "model = 'increments', steps = [{ every = '0.0001', unit_amount = 1 }]",
            expect![
                "c.toml:50: plans.p.charges[0].price.steps[0].every: 0.0001 is finer than the meter's scale, which is 3"
            ],
        ),
        (
            "model = 'schedule'",
            expect![[
                r#"c.toml:50: plans.p.charges[0].price.windows: is missing; add windows = [{ days = ["mon"], from = "20:00", to = "06:00", price = { ... } }]"#
            ]],
        ),
        (
            "model = 'schedule', windows = []",
            expect!["c.toml:50: plans.p.charges[0].price.windows: has no window; add one, or use another price model"],
        ),
        (
            "model = 'schedule', zone = 'Paris', windows = [{ price = { model = 'unit', unit_amount = 1 } }]",
            expect![[
                r#"c.toml:50: plans.p.charges[0].price.zone: "Paris" is not a known time zone; write a name of the IANA database, for example "Europe/Paris""#
            ]],
        ),
        (
            "model = 'schedule', holidays = ['25.12.2026'], windows = [{ from = '8:00', to = '24:01', days = ['monday'] }]",
            expect![[r#"
            c.toml:50: plans.p.charges[0].price.holidays[0]: "25.12.2026" is not a date; write for example "2026-09-14"
            c.toml:50: plans.p.charges[0].price.windows[0].days[0]: "monday" is not known here; use one of mon, tue, wed, thu, fri, sat, sun, holiday
            c.toml:50: plans.p.charges[0].price.windows[0].from: "8:00" is not a time of day; write for example "20:30"
            c.toml:50: plans.p.charges[0].price.windows[0].price: is missing; add price = { model = "unit", unit_amount = "0.01" }
            c.toml:50: plans.p.charges[0].price.windows[0].to: "24:01" is not a time of day; write for example "20:30""#]],
        ),
        (
            "model = 'schedule', windows = [{ from = '24:00', days = [], price = { model = 'unit', unit_amount = 1 } }]",
            expect![[r#"
            c.toml:50: plans.p.charges[0].price.windows[0].days: names no day, so that the window never opens; leave it out for every day
            c.toml:50: plans.p.charges[0].price.windows[0].from: a window cannot begin at the end of a day; write "00:00""#]],
        ),
        (
            "model = 'schedule', windows = [{ from = '10:00', price = { model = 'unit', unit_amount = 1, currency = 'USD' } }]",
            expect![
                "c.toml:50: plans.p.charges[0].price.windows[0].price.currency: is not a key here; use one of model, unit_amount, per"
            ],
        ),
        (
            "model = 'schedule', windows = [{ price = { model = 'package', size = '0.0001', amount = 1 } }]",
            expect![
                "c.toml:50: plans.p.charges[0].price.windows[0].price.size: 0.0001 is finer than the meter's scale, which is 3"
            ],
        ),
        (
            "model = 'capacity'",
            expect![[
                r#"c.toml:50: plans.p.charges[0].price.tiers: is missing; add tiers = [{ up_to = { seats = 10 }, flat_amount = "50" }, { flat_amount = "90" }]"#
            ]],
        ),
        (
            "model = 'capacity', tiers = [{ up_to = { seats = 0 }, flat_amount = 1 }, { flat = 2 }]",
            expect![[r#"
            c.toml:50: plans.p.charges[0].price.tiers[0].up_to.seats: must be above 0, not 0
            c.toml:50: plans.p.charges[0].price.tiers[1].flat: is not a key here; use one of up_to, flat_amount
            c.toml:50: plans.p.charges[0].price.tiers[1].flat_amount: is missing; add flat_amount = "50""#]],
        ),
    ] {
        check_price(price, &expected);
    }
}
