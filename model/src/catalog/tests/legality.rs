//! Which meters, prices and modifiers go together: every rule, and how it is told.

use expect_test::{Expect, expect};

use super::*;

/// `charge` has its lines one behind the other, and sections of the catalog may follow it.
fn check(charge: &str, expected: &Expect) {
    let lines = charge.replace("; ", "\n");
    let loaded = with_meters(&format!("[[plans.p.charges]]\nname = 'c'\n{lines}\n"));
    expected.assert_eq(&loaded.err().unwrap_or_else(|| panic!("no error: {charge}")));
}

#[test]
fn price_and_meter() {
    for (charge, expected) in [
        (
            "meter = 'sum'; price = { model = 'capacity', tiers = [{ up_to = { seats = 3 }, flat_amount = 1 }, { flat_amount = 2 }] }",
            expect![[
                r#"c.toml:50: plans.p.charges[0].price: a capacity price has a meter for each resource; replace `meter`, for example by meters = { seats = "seats", storage = "storage" }"#
            ]],
        ),
        (
            "meters = { seats = 'max' }; price = { model = 'unit', unit_amount = 1 }",
            expect![
                "c.toml:50: plans.p.charges[0].price: a unit price has one meter, but the charge has `meters`; use a capacity price, or one `meter`"
            ],
        ),
        (
            "meters = { seats = 'max' }; meter = 'max'; price = { model = 'capacity', tiers = [{ flat_amount = 2 }] }",
            expect!["c.toml:50: plans.p.charges[0].meter: stands beside `meters`; keep one of the two"],
        ),
        (
            "meters = { seats = 'max', more = 'max' }; price = { model = 'capacity', tiers = [{ flat_amount = 2 }] }",
            expect!["c.toml:49: plans.p.charges[0].meters.more: the meter stands here twice; name each meter once"],
        ),
        (
            "meters = {}; price = { model = 'capacity', tiers = [{ flat_amount = 2 }] }",
            expect![[
                r#"c.toml:49: plans.p.charges[0].meters: names no meter; write for example { seats = "seats", storage = "storage" }"#
            ]],
        ),
        (
            "meters = { level = 'level', counter = 'counter' }; price = { model = 'capacity', tiers = [{ flat_amount = 2 }] }",
            expect![[r#"
            c.toml:50: plans.p.charges[0].price: a capacity price cannot measure "counter", which is a sum of readings; use a max, latest, sum or count
            c.toml:50: plans.p.charges[0].price: a capacity price cannot measure "level", which is a weighted_sum; use a max, latest, sum or count"#]],
        ),
        (
            "meters = { seats = 'max', count = 'count' }; group_by = ['region']; price = { model = 'capacity', tiers = [{ flat_amount = 2 }] }",
            expect![[
                r#"c.toml:50: plans.p.charges[0].group_by[0]: the meter has no dimension "region"; declare the meter's `dimensions`"#
            ]],
        ),
        (
            "meters = { seats = 'max' }; price = { model = 'capacity', tiers = [{ up_to = { seat = 3 }, flat_amount = 1 }, { flat_amount = 2 }] }",
            expect![[
                r#"c.toml:50: plans.p.charges[0].price.tiers[0].up_to.seat: the charge's `meters` have no "seat"; did you mean "seats"?"#
            ]],
        ),
        (
            "meters = { seats = 'max' }; price = { model = 'capacity', tiers = [{ flat_amount = 1 }, { flat_amount = 2 }] }",
            expect![
                "c.toml:50: plans.p.charges[0].price: every tier but the last needs an `up_to`, and the last one has none; add a last tier with a flat_amount only"
            ],
        ),
        (
            "meter = 'count'; price = { model = 'dynamic' }",
            expect![[
                r#"c.toml:50: plans.p.charges[0].price: a dynamic price needs the event's own amount, which meter "count" does not read; add amount = "data.cost" to [meters.count]"#
            ]],
        ),
        (
            "meter = 'level'; price = { model = 'dynamic' }",
            expect![
                "c.toml:50: plans.p.charges[0].price: a dynamic price is a sum over events, which a weighted_sum is not; use a count or sum"
            ],
        ),
        (
            "meter = 'counter'; price = { model = 'dynamic' }",
            expect![
                "c.toml:50: plans.p.charges[0].price: a dynamic price is a sum over events, which a sum of readings is not; use a count or sum"
            ],
        ),
        (
            "meter = 'max'; price = { model = 'percentage', rate = '0.1' }",
            expect![
                "c.toml:50: plans.p.charges[0].price: a percentage price is a sum over events, which a max is not; use a count or sum"
            ],
        ),
        (
            "meter = 'counter'; price = { model = 'percentage', rate = '0.1' }",
            expect![
                "c.toml:50: plans.p.charges[0].price: a percentage price is a sum over events, which a sum of readings is not; use a count or sum"
            ],
        ),
        (
            "meter = 'count'; price = { model = 'increments', steps = [{ every = 60, unit_amount = 1 }] }",
            expect![
                "c.toml:50: plans.p.charges[0].price: an increments price bills the length of each event, which a count does not have; use a sum"
            ],
        ),
        (
            "meter = 'level'; price = { model = 'schedule', windows = [{ price = { model = 'unit', unit_amount = 1 } }] }",
            expect![
                "c.toml:50: plans.p.charges[0].price: a schedule needs usage at a time of day, which a weighted_sum does not have; use a price without a schedule"
            ],
        ),
        (
            "meter = 'p95'; price = { model = 'schedule', windows = [{ price = { model = 'unit', unit_amount = 1 } }] }",
            expect![
                "c.toml:50: plans.p.charges[0].price: a schedule needs usage at a time of day, which a percentile does not have; use a price without a schedule"
            ],
        ),
        (
            "meter = 'counter'; price = { model = 'schedule', windows = [{ price = { model = 'unit', unit_amount = 1 } }] }",
            expect![
                "c.toml:50: plans.p.charges[0].price: a schedule needs usage at a time of day, which a sum of readings does not have; use a price without a schedule"
            ],
        ),
        (
            "meter = 'signed'; price = { model = 'increments', steps = [{ every = 60, unit_amount = 1 }] }",
            expect![[
                r#"c.toml:50: plans.p.charges[0].price: meter "signed" allows values below zero, which an increments price cannot price; use a unit, percentage or dynamic price, or leave out allow_negative"#
            ]],
        ),
        (
            "meter = 'signed'; price = { model = 'percentage', rate = '0.1', free_events = 3 }",
            expect![[
                r#"c.toml:50: plans.p.charges[0].price: meter "signed" allows values below zero, which a percentage price with something free cannot price; use a unit, percentage or dynamic price, or leave out allow_negative"#
            ]],
        ),
        (
            "meter = 'signed'; price = { model = 'schedule', windows = [{ price = { model = 'package', size = 2, amount = 1 } }], otherwise = { model = 'unit', unit_amount = 1 } }",
            expect![[
                r#"c.toml:50: plans.p.charges[0].price: meter "signed" allows values below zero, which a package price cannot price; use a unit, percentage or dynamic price, or leave out allow_negative"#
            ]],
        ),
    ] {
        check(charge, &expected);
    }
}

#[test]
fn modifiers() {
    for (charge, expected) in [
        (
            "meter = 'sum'; price = { model = 'percentage', rate = '0.1' }; conversion = { divide = 2 }; allowance = { quantity = 5 }; pool = 'account'",
            expect![[r#"
            c.toml:51: plans.p.charges[0].conversion: a conversion cannot stand with a percentage price; leave out one of them
            c.toml:52: plans.p.charges[0].allowance: an allowance cannot stand with a percentage price; leave out one of them
            c.toml:53: plans.p.charges[0].pool: a pool cannot stand with a percentage price; leave out one of them"#]],
        ),
        (
            "meter = 'sum'; price = { model = 'dynamic' }; allowance = { quantity = 5 }",
            expect![
                "c.toml:51: plans.p.charges[0].allowance: an allowance cannot stand with a dynamic price; leave out one of them"
            ],
        ),
        (
            "meter = 'sum'; price = { model = 'increments', steps = [{ every = 60, unit_amount = 1 }] }; conversion = { divide = 2 }",
            expect![
                "c.toml:51: plans.p.charges[0].conversion: a conversion cannot stand with an increments price; leave out one of them"
            ],
        ),
        (
            "meters = { seats = 'max' }; price = { model = 'capacity', tiers = [{ flat_amount = 2 }] }; conversion = { divide = 2 }; allowance = { quantity = 5 }; round = { scale = 2 }; pool = 'account'",
            expect![[r#"
            c.toml:51: plans.p.charges[0].conversion: a conversion cannot stand with a capacity price; leave out one of them
            c.toml:52: plans.p.charges[0].allowance: an allowance cannot stand with a capacity price; leave out one of them
            c.toml:53: plans.p.charges[0].round: `round` cannot stand with a capacity price; leave out one of them
            c.toml:53: plans.p.charges[0].round: `round` is per event and cannot stand with a conversion; leave out one of them
            c.toml:53: plans.p.charges[0].round: `round` is per event and cannot stand with a pool; leave out one of them
            c.toml:53: plans.p.charges[0].round: `round` is per event and cannot stand with an allowance; leave out one of them
            c.toml:53: plans.p.charges[0].round: `round` is per event, but a max is no sum over events; leave it out: amounts are rounded once, at the end
            c.toml:54: plans.p.charges[0].pool: a pool adds quantities up, which a max does not; use a count or sum
            c.toml:54: plans.p.charges[0].pool: a pool cannot stand with a capacity price; leave out one of them"#]],
        ),
        (
            "meter = 'sum'; price = { model = 'unit', unit_amount = 1 }; round = { scale = 2 }; conversion = { divide = 2 }; allowance = { quantity = 5 }; pool = 'account'",
            expect![[r#"
            c.toml:51: plans.p.charges[0].round: `round` is per event and cannot stand with a conversion; leave out one of them
            c.toml:51: plans.p.charges[0].round: `round` is per event and cannot stand with a pool; leave out one of them
            c.toml:51: plans.p.charges[0].round: `round` is per event and cannot stand with an allowance; leave out one of them"#]],
        ),
        (
            "meter = 'sum'; price = { model = 'stairstep', tiers = [{ flat_amount = 1 }] }; round = { scale = 2 }",
            expect![
                "c.toml:51: plans.p.charges[0].round: `round` is per event, but a stairstep price is no sum over events; leave it out: amounts are rounded once, at the end"
            ],
        ),
        (
            "meter = 'counter'; price = { model = 'unit', unit_amount = 1 }; round = { scale = 2 }",
            expect![
                "c.toml:51: plans.p.charges[0].round: `round` is per event, but a sum of readings is no sum over events; leave it out: amounts are rounded once, at the end"
            ],
        ),
        (
            "meter = 'max'; price = { model = 'unit', unit_amount = 1 }; pool = 'account'",
            expect![
                "c.toml:51: plans.p.charges[0].pool: a pool adds quantities up, which a max does not; use a count or sum"
            ],
        ),
        (
            "meter = 'counter'; price = { model = 'unit', unit_amount = 1 }; pool = 'account'",
            expect![
                "c.toml:51: plans.p.charges[0].pool: a pool adds quantities up, which a sum of readings does not; use a count or sum"
            ],
        ),
        (
            "meter = 'sum'; price = { model = 'unit', unit_amount = 1 }; pool = 'account'; allowance = { quantity = 5, rollover_max = 5, scope = 'charge' }",
            expect![[r#"
            c.toml:52: plans.p.charges[0].allowance: an allowance with scope = "charge" cannot stand with a pool; use scope = "group": the pool shares it
            c.toml:52: plans.p.charges[0].allowance: what is left of a pool's allowance cannot roll over; leave out rollover_max"#]],
        ),
        (
            "meter = 'level'; price = { model = 'unit', unit_amount = 1 }; allowance = { quantity = 5, rollover_max = 5 }",
            expect![
                "c.toml:51: plans.p.charges[0].allowance: what is left of a weighted_sum's allowance cannot roll over: its level lasts; leave out rollover_max"
            ],
        ),
        (
            "meter = 'sum'; price = { model = 'unit', unit_amount = 1 }; minimum = 5; maximum = '4.99'",
            expect!["c.toml:51: plans.p.charges[0].minimum: 5 is above the maximum, which is 4.99; lower it"],
        ),
        (
            "meter = 'sum'; price = { model = 'unit', unit_amount = 1 }; minimum = -5; discount = { rate = '1.01' }",
            expect![[r#"
            c.toml:51: plans.p.charges[0].minimum: must not be below 0, not -5
            c.toml:52: plans.p.charges[0].discount.rate: must be from 0 to 1, with at most 18 decimals, not 1.01; write "0.10" for 10 %"#]],
        ),
        (
            "meter = 'sum'; price = { model = 'unit', unit_amount = 1 }; discount = { rate = -1 }; pool = 'customer'; late_policy = 'never'",
            expect![[r#"
            c.toml:51: plans.p.charges[0].discount.rate: must be from 0 to 1, with at most 18 decimals, not -1; write "0.10" for 10 %
            c.toml:52: plans.p.charges[0].pool: "customer" is not known here; use one of account
            c.toml:53: plans.p.charges[0].late_policy: "never" is not known here; use one of next_invoice, credit_or_debit_note, refuse"#]],
        ),
        (
            "meter = 'sum'; price = { model = 'unit', unit_amount = 1 }; discount = { rat = 1 }",
            expect![[r#"
            c.toml:51: plans.p.charges[0].discount.rat: is not a key here; did you mean "rate"?
            c.toml:51: plans.p.charges[0].discount.rate: is missing; add rate = "0.10""#]],
        ),
        (
            "meter = 'sum'; price = { model = 'unit', unit_amount = 1 }; conversion = { divide = 2, multiply = 2 }",
            expect!["c.toml:51: plans.p.charges[0].conversion.multiply: stands beside `divide`; keep one of the two"],
        ),
        (
            "meter = 'sum'; price = { model = 'unit', unit_amount = 1 }; conversion = { round = 'up' }",
            expect![[
                r#"c.toml:51: plans.p.charges[0].conversion: has no factor; add divide = 1000, or multiply = "1.5""#
            ]],
        ),
        (
            "meter = 'sum'; price = { model = 'unit', unit_amount = 1 }; conversion = { divide = 0, round = 'half_even' }",
            expect![[r#"
            c.toml:51: plans.p.charges[0].conversion.divide: must be above 0, not 0
            c.toml:51: plans.p.charges[0].conversion.round: "half_even" is not known here; use one of none, up, down, half_away"#]],
        ),
        (
            "meter = 'sum'; price = { model = 'unit', unit_amount = 1 }; conversion = { multiply = 1.5 }",
            expect![[
                r#"c.toml:51: plans.p.charges[0].conversion.multiply: is a TOML float, which is not exact; write it as a string: "1.5""#
            ]],
        ),
        (
            "meter = 'sum'; price = { model = 'unit', unit_amount = 1 }; conversion = { divide = '1234567890.1234567891' }",
            expect!["c.toml:51: plans.p.charges[0].conversion.divide: 1234567890.1234567891 has more than 18 digits"],
        ),
        (
            "meter = 'level'; price = { model = 'unit', unit_amount = 1 }; conversion = { divide = 999_999_999_999_999_999 }",
            expect![
                "c.toml:51: plans.p.charges[0].conversion: the factor and the meter's scale together leave no room for quantities; use a factor with fewer digits, or a meter with fewer decimals"
            ],
        ),
        (
            "meter = 'sum'; price = { model = 'unit', unit_amount = 1 }; allowance = { quantity = '0.0001' }",
            expect![
                "c.toml:51: plans.p.charges[0].allowance.quantity: 0.0001 is finer than the meter's scale, which is 3"
            ],
        ),
        (
            "meter = 'sum'; price = { model = 'unit', unit_amount = 1 }; allowance = { quantity = 5, rollover_max = 0 }",
            expect!["c.toml:51: plans.p.charges[0].allowance.rollover_max: must be above 0, not 0"],
        ),
    ] {
        check(charge, &expected);
    }
}

#[test]
fn versions() {
    for (charge, expected) in [
        (
            "meter = 'sum'; price = 'v'; [prices.v]; model = 'volume'; tiers = [{ unit_amount = 1 }]; [[prices.v.versions]]; effective_at = '2026-10-15'; mid_period = 'split'; model = 'unit'; unit_amount = 1",
            expect![[
                r#"c.toml:54: prices.v.versions[0]: a volume price cannot split a period; use mid_period = "next_period""#
            ]],
        ),
        (
            "meter = 'sum'; price = 'v'; [prices.v]; model = 'unit'; unit_amount = 1; [[prices.v.versions]]; effective_at = '2026-10-15'; mid_period = 'split'; model = 'volume'; tiers = [{ unit_amount = 1 }]",
            expect![[
                r#"c.toml:54: prices.v.versions[0]: a volume price cannot split a period; use mid_period = "next_period""#
            ]],
        ),
        (
            "meter = 'sum'; price = 'v'; [prices.v]; model = 'unit'; unit_amount = 1; [[prices.v.versions]]; effective_at = '2026-10-15'; mid_period = 'split'; model = 'percentage'; rate = '0.1'",
            expect![[
                r#"c.toml:54: prices.v.versions[0]: cannot split a period between a unit and a percentage price: only one is a sum over events; use mid_period = "next_period""#
            ]],
        ),
        (
            "meter = 'sum'; price = 'v'; [prices.v]; model = 'percentage'; rate = '0.1'; free_events = 2; [[prices.v.versions]]; effective_at = '2026-10-15'; mid_period = 'split'; model = 'percentage'; rate = '0.1'",
            expect![[
                r#"c.toml:55: prices.v.versions[0]: a percentage with something free cannot split a period; use mid_period = "next_period""#
            ]],
        ),
        (
            "meter = 'sum'; price = 'v'; [prices.v]; model = 'matrix'; cells = [{ when = { region = 'eu' }, price = { model = 'unit', unit_amount = 1 } }]; [[prices.v.versions]]; effective_at = '2026-10-15'; mid_period = 'split'; model = 'unit'; unit_amount = 1",
            expect![[
                r#"c.toml:54: prices.v.versions[0]: a matrix price cannot split a period; use mid_period = "next_period""#
            ]],
        ),
        (
            "meter = 'max'; price = 'v'; [prices.v]; model = 'unit'; unit_amount = 1; [[prices.v.versions]]; effective_at = '2026-10-15'; mid_period = 'split'; model = 'unit'; unit_amount = 1",
            expect![[
                r#"c.toml:50: plans.p.charges[0].price: its price splits periods, but the quantity of a max has no parts; use mid_period = "next_period""#
            ]],
        ),
        (
            "meter = 'counter'; price = 'v'; [prices.v]; model = 'unit'; unit_amount = 1; [[prices.v.versions]]; effective_at = '2026-10-15'; mid_period = 'split'; model = 'unit'; unit_amount = 1",
            expect![[
                r#"c.toml:50: plans.p.charges[0].price: its price splits periods, but the quantity of a sum of readings has no parts; use mid_period = "next_period""#
            ]],
        ),
        (
            "meter = 'sum'; price = 'v'; allowance = { quantity = 5, scope = 'charge' }; [prices.v]; model = 'unit'; unit_amount = 1; [[prices.v.versions]]; effective_at = '2026-10-15'; mid_period = 'split'; model = 'unit'; unit_amount = 1",
            expect![[
                r#"c.toml:51: plans.p.charges[0].allowance: scope = "charge" cannot stand with a price that splits periods; use mid_period = "next_period""#
            ]],
        ),
        (
            "meter = 'sum'; price = 'v'; allowance = { quantity = 5, rollover_max = 1 }; [prices.v]; model = 'unit'; unit_amount = 1; [[prices.v.versions]]; effective_at = '2026-10-15'; mid_period = 'split'; model = 'unit'; unit_amount = 1",
            expect![[
                r#"c.toml:51: plans.p.charges[0].allowance: rollover_max cannot stand with a price that splits periods; use mid_period = "next_period""#
            ]],
        ),
        (
            "meter = 'sum'; price = 'v'; pool = 'account'; [prices.v]; model = 'unit'; unit_amount = 1; [[prices.v.versions]]; effective_at = '2026-10-15'; mid_period = 'split'; model = 'unit'; unit_amount = 1",
            expect![[
                r#"c.toml:51: plans.p.charges[0].pool: a pool cannot stand with a price that splits periods; use mid_period = "next_period""#
            ]],
        ),
        (
            "meter = 'sum'; price = 'v'; [prices.v]; model = 'volume'; tiers = [{ unit_amount = 1 }]; [[prices.v.versions]]; effective_at = '2026-10-01'; model = 'unit'; unit_amount = 1; [[prices.v.versions]]; effective_at = '2026-10-15'; mid_period = 'split'; model = 'unit'; unit_amount = 1",
            expect![[
                r#"c.toml:58: prices.v.versions[1]: a volume price cannot split a period; use mid_period = "next_period""#
            ]],
        ),
        (
            "meter = 'sum'; price = 'v'; [prices.v]; model = 'unit'; unit_amount = 1; [[prices.v.versions]]; effective_at = '2026-10-15'; mid_period = 'split'; model = 'unit'; unit_amount = 1; [[prices.v.versions]]; effective_at = '2026-10-01'; model = 'unit'; unit_amount = 1",
            expect![
                "c.toml:59: prices.v.versions[1]: does not take effect after the version before it; order versions by `effective_at`"
            ],
        ),
        (
            "meter = 'sum'; price = 'v'; [prices.v]; model = 'unit'; unit_amount = 1; [[prices.v.versions]]; effective_at = '2026-10-15'; mid_period = 'split'; model = 'unit'; unit_amount = 1; [[prices.v.versions]]; effective_at = '2026-10-15'; mid_period = 'split'; model = 'unit'; unit_amount = 1",
            expect![
                "c.toml:59: prices.v.versions[1]: does not take effect after the version before it; order versions by `effective_at`"
            ],
        ),
        (
            "meter = 'sum'; price = 'v'; [prices.v]; model = 'unit'; unit_amount = 1; [[prices.v.versions]]; effective_at = 'soon'; model = 'unit'; unit_amount = 1",
            expect![[
                r#"c.toml:55: prices.v.versions[0].effective_at: "soon" is not a date or an instant; write for example "2026-10-01" or "2026-10-01T00:00:00Z""#
            ]],
        ),
        (
            "meter = 'sum'; price = 'v'; [prices.v]; model = 'unit'; unit_amount = 1; [[prices.v.versions]]; effective_at = '2026-10-01 00:00:00Z'; model = 'unit'; unit_amount = 1",
            expect![[
                r#"c.toml:55: prices.v.versions[0].effective_at: "2026-10-01 00:00:00Z" is not a date or an instant; write for example "2026-10-01" or "2026-10-01T00:00:00Z""#
            ]],
        ),
        (
            "meter = 'sum'; price = 'v'; [prices.v]; model = 'unit'; unit_amount = 1; [[prices.v.versions]]; model = 'unit'; unit_amount = 1",
            expect![[
                r#"c.toml:54: prices.v.versions[0].effective_at: is missing; add effective_at = "2026-10-01T00:00:00Z""#
            ]],
        ),
        (
            "meter = 'sum'; price = 'v'; [prices.v]; model = 'unit'; unit_amount = 1; [[prices.v.versions]]; effective_at = '2026-10-01'; mid_period = 'now'; model = 'unit'; unit_amount = 1",
            expect![[
                r#"c.toml:56: prices.v.versions[0].mid_period: "now" is not known here; use one of next_period, split"#
            ]],
        ),
        (
            "meter = 'sum'; price = 'v'; [prices.v]; model = 'unit'; unit_amount = 1; [[prices.v.versions]]; effective_at = '2026-10-01'; model = 'unit'",
            expect![[r#"c.toml:54: prices.v.versions[0].unit_amount: is missing; add unit_amount = "0.01""#]],
        ),
        (
            "meter = 'sum'; price = 'v'; [prices.v]; model = 'unit'; unit_amount = 1; effective_at = '2026-10-01'",
            expect![
                "c.toml:54: prices.v.effective_at: does not stand here: the first price has always been in force; move it to a table of `versions`"
            ],
        ),
        (
            "meter = 'sum'; price = 'v'; [prices.v]; model = 'unit'; unit_amount = 1; [[prices.v.versions]]; effective_at = '2026-10-01'; model = 'unit'; unit_amount = 1; currency = 'EUR'",
            expect![[
                r#"c.toml:58: prices.v.versions[0].currency: the price is in EUR, but plan "p" in USD; use a price in the plan's currency"#
            ]],
        ),
        (
            "meter = 'sum'; price = 'v'; [prices.v]; model = 'unit'; unit_amount = 1; [[prices.v.versions]]; effective_at = '2026-10-01'; model = 'unit'; unit_amount = 1; versions = []",
            expect![
                "c.toml:58: prices.v.versions[0].versions: is not a key here; use one of effective_at, mid_period, currency, model, unit_amount, per"
            ],
        ),
        (
            "meter = 'sum'; price = 'v'; [prices.v]; model = 'unit'; unit_amount = 1; [[prices.v.versions]]; effective_at = '2026-10-01'; model = 'capacity'; tiers = [{ flat_amount = 1 }]",
            expect![[
                r#"c.toml:50: plans.p.charges[0].price: a capacity price has a meter for each resource; replace `meter`, for example by meters = { seats = "seats", storage = "storage" }"#
            ]],
        ),
    ] {
        check(charge, &expected);
    }
}

/// What was in force too long ago to be met by a split does not stand in its way.
#[test]
fn a_split_meets_only_what_a_period_can_hold() {
    let catalog = |second: &str| {
        format!(
            "[[plans.p.charges]]\nname = \"c\"\nmeter = \"sum\"\nprice = \"v\"\n\
             [prices.v]\nmodel = \"volume\"\ntiers = [{{ unit_amount = 1 }}]\n\
             [[prices.v.versions]]\neffective_at = \"{second}\"\nmodel = \"unit\"\nunit_amount = 1\n\
             [[prices.v.versions]]\neffective_at = \"2026-10-15\"\nmid_period = \"split\"\nmodel = \"unit\"\nunit_amount = 2\n"
        )
    };
    assert!(with_meters(&catalog("2026-09-14")).is_err());
    assert!(with_meters(&catalog("2026-09-12")).is_ok());
}
