//! Mistakes in plans and their charges.

use expect_test::expect;

use super::*;

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
        expect![[r#"catalog.toml:66: plans.free.charges[1].meter: there is no meter "call"; did you mean "calls"?"#]],
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
        "late_policy = \"next_invoice\"",
        "round = { scale = 19 }",
        expect!["catalog.toml:47: plans.pro.charges[0].round.scale: must be from 0 to 18, not 19"],
    );
    check(
        "late_policy = \"next_invoice\"",
        "round = { scale = 10 }",
        expect![[r#"
            catalog.toml:47: plans.pro.charges[0].round: `round` is per event and cannot stand with an allowance; leave out one of them
            catalog.toml:47: plans.pro.charges[0].round: `round` is per event, but a graduated price is no sum over events; leave it out: amounts are rounded once, at the end
            catalog.toml:87: customers.acme.overrides.tokens: `round` is per event and cannot stand with an allowance; leave out one of them"#]],
    );
    check(
        "round = { scale = 10, mode = \"half_even\" }",
        "allowance = { quantity = 1 }",
        expect![
            "catalog.toml:53: plans.pro.charges[1].allowance: an allowance cannot stand with a dynamic price; leave out one of them"
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
            catalog.toml:44: plans.pro.charges[0].price: meter "tokens" allows values below zero, which a graduated price cannot price; use a unit, percentage or dynamic price, or leave out allow_negative
            catalog.toml:64: plans.free.charges[0].price: meter "tokens" allows values below zero, which a package price cannot price; use a unit, percentage or dynamic price, or leave out allow_negative
            catalog.toml:64: plans.free.charges[0].price: meter "tokens" allows values below zero, which a volume price cannot price; use a unit, percentage or dynamic price, or leave out allow_negative"#]],
    );
    check(
        "price = { model = \"unit\", unit_amount = 2 }",
        "price = { model = \"unit\", unit_amount = 2 }\nround = { scale = 2 }",
        expect![
            "catalog.toml:58: plans.pro.charges[2].round: `round` is per event, but a unique_count is no sum over events; leave it out: amounts are rounded once, at the end"
        ],
    );
    check(
        "currency = \"USD\" }",
        "currency = \"EUR\" }",
        expect![[
            r#"catalog.toml:67: plans.free.charges[1].price.currency: the price is in EUR, but plan "free" in USD; use a price in the plan's currency"#
        ]],
    );
}
