//! Mistakes in accounts, customers and the seller.

use expect_test::{Expect, expect};

use super::*;

#[test]
fn mistakes_in_parties_are_explained() {
    check(
        "account = \"acme-group\"",
        "account = \"acme\"",
        expect![[r#"catalog.toml:83: customers.acme.account: there is no account "acme"; use one of acme-group"#]],
    );
    check(
        "plan = \"pro\"",
        "plan = \"prod\"",
        expect![[r#"catalog.toml:84: customers.acme.plan: there is no plan "prod"; did you mean "pro"?"#]],
    );
    check(
        "\"acme-dev\"]",
        "\"globex\"]",
        expect![[
            r#"catalog.toml:89: customers.globex: subject "globex" is already claimed by customer "acme"; a subject's usage belongs to one customer"#
        ]],
    );
    check(
        "starts_on = \"2026-09-14\"\n",
        "",
        expect![[
            r#"catalog.toml:82: customers.acme: has no starts_on, which the anniversary anchor of plan "pro" counts from; add starts_on = "2026-09-14""#
        ]],
    );
    check(
        "\"2026-09-14\"",
        "2026-09-14",
        expect![[
            r#"catalog.toml:86: customers.acme.starts_on: must be a text, not a date; write it in quotes: "2026-09-14""#
        ]],
    );
    check(
        "\"2026-09-14\"",
        "\"2026-02-30\"",
        expect![[
            r#"catalog.toml:86: customers.acme.starts_on: "2026-02-30" is not a date; write for example "2026-09-14""#
        ]],
    );
    check(
        "overrides = { tokens",
        "overrides = { token",
        expect![[
            r#"catalog.toml:87: customers.acme.overrides.token: plan "pro" has no charge "token"; did you mean "tokens"?"#
        ]],
    );
    check(
        "overrides = { tokens = {",
        "overrides = { tokens = { allowance = 1,",
        expect![
            "catalog.toml:87: customers.acme.overrides.tokens.allowance: is not supported by this version; leave it out"
        ],
    );
    check(
        "currency = \"USD\"\ntime_zone = \"America",
        "currency = \"EUR\"\ntime_zone = \"America",
        expect![[
            r#"catalog.toml:83: customers.acme.account: account "acme-group" pays in EUR, but plan "pro" is in USD; use an account or a plan of the same currency"#
        ]],
    );
    check(
        "[defaults]\nplan = \"free\"",
        "[defaults]\nplan = \"pro\"",
        expect![[
            r#"catalog.toml:95: defaults.plan: the default plan has an anniversary anchor, but subjects that no customer claims start on no date; use a plan with anchor = "calendar""#
        ]],
    );
    check(
        "locale = \"fr\"",
        "locale = \"de\"",
        expect![[r#"catalog.toml:78: seller.locale: "de" is not known here; use one of en, fr"#]],
    );
    check(
        "\"14 days\"",
        "\"two weeks\"",
        expect![[
            r#"catalog.toml:77: seller.payment_terms: "two weeks" is not a number of days, at most 3650; write for example "30 days""#
        ]],
    );
    check(
        "[customers.globex]\n",
        "[customers.\"globex & co\"]\nplam = \"free\"\n",
        expect![[r#"catalog.toml:90: customers."globex & co".plam: is not a key here; did you mean "plan"?"#]],
    );
}

/// Sections of parties after a plan `p` with a pooled charge, and an anniversary plan `y` with one too.
fn check_parties(sections: &str, expected: &Expect) {
    let charge = "meter = 'count'\nprice = { model = 'unit', unit_amount = 1 }\npool = 'account'";
    let anniversary = format!("[plans.y]\nanchor = 'anniversary'\n[[plans.y.charges]]\nname = 'c'\n{charge}\n");
    let lines = sections.replace("; ", "\n");
    let loaded = with_meters(&format!("[[plans.p.charges]]\nname = 'c'\n{charge}\n{anniversary}{lines}\n"));
    expected.assert_eq(&loaded.err().unwrap_or_default());
}

#[test]
fn mistakes_in_accounts_and_plan_changes_are_explained() {
    for (sections, expected) in [
        (
            "[accounts.a]; parent = 'b'",
            expect![[r#"c.toml:60: accounts.a.parent: there is no account "b"; did you mean "a"?"#]],
        ),
        (
            "[accounts.a]; parent = 'a'",
            expect![[
                r#"c.toml:60: accounts.a.parent: account "a" would belong to itself; leave out one `parent` of the circle"#
            ]],
        ),
        (
            "[accounts.a]; parent = 'b'; [accounts.b]; parent = 'c'; [accounts.c]; parent = 'b'",
            expect![[
                r#"c.toml:62: accounts.b.parent: account "b" would belong to itself; leave out one `parent` of the circle"#
            ]],
        ),
        (
            "[customers.x]; plan = 'p'; starts_on = '2026-09-14'; ends_on = '2026-09-14'",
            expect![
                "c.toml:62: customers.x.ends_on: is not after starts_on, which is 2026-09-14; it is the first day without a plan"
            ],
        ),
        (
            "[customers.x]; plan = 'p'; ends_on = 'never'",
            expect![[r#"c.toml:61: customers.x.ends_on: "never" is not a date; write for example "2026-09-14""#]],
        ),
        (
            "[customers.x]; changes = [{ effective_at = '2026-10-15', plan = 'p' }]",
            expect![
                "c.toml:60: customers.x.changes: the customer has no plan that could change; add plan and starts_on"
            ],
        ),
        (
            "[customers.x]; plan = 'p'; changes = [{ effective_at = '2026-10-15', plan = 'q' }, { plan = 'p' }]",
            expect![[r#"
            c.toml:61: customers.x.changes[0].plan: there is no plan "q"; did you mean "p"?
            c.toml:61: customers.x.changes[1].effective_at: is missing; add effective_at = "2026-10-15""#]],
        ),
        (
            "[customers.x]; plan = 'p'; starts_on = '2026-10-15'; ends_on = '2026-12-01'; changes = [{ effective_at = '2026-10-15', plan = 'y' }, { effective_at = '2026-12-01', plan = 'p' }, { effective_at = '2026-11-01', plan = 'y' }]",
            expect![[r#"
                c.toml:63: customers.x.changes[0]: does not take effect after starts_on; order changes by `effective_at`
                c.toml:63: customers.x.changes[1]: does not take effect before ends_on; leave it out, or end later
                c.toml:63: customers.x.changes[2]: does not take effect after the change before it; order changes by `effective_at`"#]],
        ),
        (
            "[customers.x]; plan = 'p'; changes = [{ effective_at = '2026-10-15', plan = 'y' }]",
            expect![[
                r#"c.toml:59: customers.x: has no starts_on, which the anniversary anchor of plan "y" counts from; add starts_on = "2026-09-14""#
            ]],
        ),
        (
            "[customers.x]; plan = 'p'; overrides = { c = { price = { model = 'unit', unit_amount = 3 } } }",
            expect![
                "c.toml:61: customers.x.overrides.c: a pooled charge has one price for all that share it; leave out the override, or the `pool`"
            ],
        ),
        (
            "[customers.x]; overrides = { c = { price = { model = 'unit', unit_amount = 3 } } }",
            expect![[
                r#"c.toml:60: customers.x.overrides.c: the customer has no plan whose prices could be its own; add plan = "...""#
            ]],
        ),
        (
            "[customers.x]; plan = 'p'; changes = [{ effective_at = '2026-10-15T00:00:00Z', plan = 'y' }]; starts_on = '2026-01-01'; overrides = { d = { price = { model = 'unit', unit_amount = 3 } } }",
            expect![[r#"c.toml:63: customers.x.overrides.d: no plan of the customer has a charge "d"; leave it out"#]],
        ),
        (
            "[accounts.root]; [accounts.a]; parent = 'root'; [accounts.b]; parent = 'root'; time_zone = 'Asia/Tokyo'; [customers.x]; account = 'a'; plan = 'p'; [customers.y]; account = 'b'; plan = 'p'",
            expect![[
                r#"c.toml:68: customers.y: shares the pool of plan "p" with customer "x", whose account has another time zone; give the accounts one time_zone, or separate roots"#
            ]],
        ),
        // Another root is another pool.
        (
            "[accounts.a]; [accounts.b]; time_zone = 'Asia/Tokyo'; [customers.x]; account = 'a'; plan = 'p'; [customers.y]; account = 'b'; plan = 'p'",
            expect![[""]],
        ),
        (
            "[accounts.a]; [customers.x]; account = 'a'; plan = 'y'; starts_on = '2026-09-14'; [customers.y]; account = 'a'; plan = 'y'; starts_on = '2026-09-15'; [customers.z]; account = 'a'; plan = 'y'; starts_on = '2026-09-14'",
            expect![[
                r#"c.toml:64: customers.y: shares the pool of plan "y" with customer "x", whose periods begin on another day; use anchor = "calendar", or one starts_on"#
            ]],
        ),
    ] {
        check_parties(sections, &expected);
    }
}
