//! Mistakes that any text may have.

use expect_test::expect;

use super::*;

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
        expect!["catalog.toml:94: coupons: is not supported by this version; leave it out"],
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

#[test]
fn warnings_never_crowd_out_an_error() {
    let mut text = ACME.to_owned();
    for i in 0..300 {
        text.push_str(&format!("[meters.x{i}]\nevent_type = \"x\"\naggregation = \"sum\"\nvalue = \"tokens{i}\"\n"));
    }
    text.push_str("[meters.last]\nevent_type = \"x\"\naggregation = \"mean\"\n");
    let error = load("catalog.toml", &text, &NoFiles).expect_err("an error");
    expect![[r#"catalog.toml:1298: meters.last.aggregation: "mean" is not known here; use one of count, sum, max, min, latest, unique_count, weighted_sum, percentile"#]].assert_eq(&error.to_string());
    let many = "[[plans.pro.charges]]\n".repeat(300);
    assert_eq!(load("catalog.toml", &many, &NoFiles).expect_err("errors").problems.len(), 200);
}
