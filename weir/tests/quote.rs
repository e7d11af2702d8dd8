//! `weir quote` as people meet it: what it prints, what it refuses, and that it says what a run bills.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use expect_test::expect;
use proptest::prelude::*;
use serde_json::{Value, json};

const PRICES: &str = r#"
currency = "EUR"

[prices.tokens]
model = "graduated"
tiers = [{ up_to = 1_000_000, unit_amount = "0.000002" }, { unit_amount = "0.0000015", flat_amount = "5" }]

[prices.card]
model = "percentage"
rate = "0.029"
fixed = "0.30"
free_events = 1

[prices.workspace]
model = "capacity"
tiers = [{ up_to = { seats = 10, storage = "100.5" }, flat_amount = "10" }, { flat_amount = "20" }]

[prices.gpu]
model = "schedule"
zone = "Europe/Paris"
windows = [{ days = ["mon"], from = "20:00", to = "06:00", price = { model = "unit", unit_amount = "0.5" } }]
otherwise = { model = "matrix", cells = [{ when = { region = "eu" }, price = { model = "unit", unit_amount = 2 } }] }

[prices.calls]
model = "unit"
unit_amount = "0.10"
[[prices.calls.versions]]
effective_at = "2026-10-01"
model = "unit"
unit_amount = "0.08"
per = 3
"#;

const CHARGED: &str = r#"
[prices.seats]
model = "unit"
unit_amount = "9.99"

[charge]
conversion = { divide = 10, round = "up" }
allowance = { quantity = 2 }
discount = { rate = "0.155" }
maximum = "100"
minimum = "20"
"#;

/// Runs `weir quote` on a file with these prices.
fn quote(prices: &str, args: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("prices.toml"), prices).unwrap();
    run(folder.path(), args)
}

fn run(folder: &Path, args: &[&str]) -> Output {
    let fixed = ["quote", "--price", "prices.toml"];
    Command::new(env!("CARGO_BIN_EXE_weir")).args(fixed).args(args).current_dir(folder).output().unwrap()
}

/// What a quote that must succeed prints.
fn printed(prices: &str, args: &[&str]) -> String {
    let output = quote(prices, args);
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn json(prices: &str, args: &[&str]) -> Value {
    serde_json::from_str(&printed(prices, &[args, &["--format", "json"]].concat())).unwrap()
}

#[test]
fn a_table_for_people() {
    let shown = printed(PRICES, &["--name", "tokens", "--quantity", "1200000.5"]);
    expect![[r#"
        tokens: graduated, quantity 1,200,000.5

                 tier   quantity  unit amount       exact   EUR
          usage     1  1,000,000     0.000002           2  2.00
          usage     2  200,000.5    0.0000015  0.30000075  0.30
          flat      2                                   5  5.00
          total                                            7.30
    "#]]
    .assert_eq(&shown);
    let shown = printed(PRICES, &["--name", "tokens", "--quantity", "1200000", "--from", "900000"]);
    expect![[r#"
        tokens: graduated, quantity 1,200,000; quantity 900,000 billed before, for 1.80

                 tier  quantity  unit amount  exact   EUR
          usage     1   100,000     0.000002    0.2  0.20
          usage     2   200,000    0.0000015    0.3  0.30
          flat      2                             5  5.00
          total                                      5.50
    "#]]
    .assert_eq(&shown);
    let shown = printed(PRICES, &["--name", "card", "--values", "10,80,10000"]);
    expect![[r#"
        card: percentage, quantity 10,090

                  tier  quantity  unit amount   exact     EUR
          events          10,090        0.029  292.92  292.92
          total                                        292.92

          event   value  exact
          1          10      0
          2          80   2.62
          3      10,000  290.3
    "#]]
    .assert_eq(&shown);
    let shown = printed(PRICES, &["--name", "workspace", "--quantity", "seats=3,storage=100.6"]);
    expect![[r#"
        workspace: capacity, seats 3, storage 100.6

                 tier  quantity  unit amount  exact    EUR
          flat      2                            20  20.00
          total                                      20.00
    "#]]
    .assert_eq(&shown);
    let shown = printed(CHARGED, &["--quantity", "161"]);
    expect![[r#"
        seats: unit, quantity 161

                      tier  quantity  unit amount      exact     USD
          conversion              17                            0.00
          allowance                2                            0.00
          usage                   15         9.99     149.85  149.85
          discount                          0.155  -23.22675  -23.23
          maximum                                     -26.62  -26.62
          total                                               100.00
    "#]]
    .assert_eq(&shown);
    let at = ["--name", "gpu", "--quantity", "3", "--dimension", "region=eu", "--at"];
    let shown = printed(PRICES, &[&at[..], &["2026-09-14T19:30"]].concat());
    expect![[r#"
        gpu: schedule, outside all windows, region=eu, quantity 3

                 tier  quantity  unit amount  exact   EUR
          usage               3            2      6  6.00
          total                                      6.00
    "#]]
    .assert_eq(&shown);
    let shown = printed(PRICES, &[&at[..], &["2026-09-15T05:59:59+02:00"]].concat());
    expect![[r#"
        gpu: schedule, mon 20:00-06:00, quantity 3

                 tier  quantity  unit amount  exact   EUR
          usage               3          0.5    1.5  1.50
          total                                      1.50
    "#]]
    .assert_eq(&shown);
    let shown = printed(PRICES, &["--name", "calls", "--quantity", "7", "--at", "2026-10-01"]);
    expect![[r#"
        calls: unit, version 2, quantity 7

                 tier  quantity  unit amount                 exact   EUR
          usage               7   0.08 per 3  0.186666666666666667  0.19
          total                                                     0.19
    "#]]
    .assert_eq(&shown);
}

#[test]
fn csv_for_spreadsheets() {
    let shown = printed(CHARGED, &["--quantity", "45", "--format", "csv"]);
    expect![[r#"
        kind,tier,quantity,unit_amount,per,exact_amount,amount,currency
        "conversion",,5,,,0,0.00,USD
        "allowance",,2,,,0,0.00,USD
        "usage",,3,9.99,1,29.97,29.97,USD
        "discount",,,0.155,,-4.64535,-4.65,USD
        "total",,45,,,29.97,25.32,USD
    "#]]
    .assert_eq(&shown);
}

#[test]
fn json_for_programs() {
    let line = |kind: &str, quantity: Value, unit_amount: Value, exact: &str, amount: &str| {
        let per = if kind == "usage" { json!("1") } else { Value::Null };
        json!({ "kind": kind, "tier": null, "quantity": quantity, "unit_amount": unit_amount, "per": per,
            "exact_amount": exact, "amount": amount })
    };
    // 45 / 10 rounds up to 5, of which 2 are free: 29.97, less 15.5 % (4.64535), is above the minimum.
    let expected = json!({
        "price": "seats", "model": "unit", "version": 1, "cell": [],
        "quantity": "45", "resources": {}, "from": null,
        "exact_amount": "29.97", "amount": "25.32", "currency": "USD",
        "lines": [
            line("conversion", json!("5"), Value::Null, "0", "0.00"),
            line("allowance", json!("2"), Value::Null, "0", "0.00"),
            line("usage", json!("3"), json!("9.99"), "29.97", "29.97"),
            line("discount", Value::Null, json!("0.155"), "-4.64535", "-4.65"),
        ],
        "events": [],
    });
    assert_eq!(json(CHARGED, &["--quantity", "45"]), expected);

    let quote = json(PRICES, &["--name", "workspace", "--quantity", "storage=101,seats=3", "--from", "seats=3"]);
    assert_eq!(quote["quantity"], Value::Null);
    assert_eq!(quote["resources"], json!({ "seats": "3", "storage": "101" }));
    let before = json!({ "quantity": null, "resources": { "seats": "3", "storage": "0" }, "exact_amount": "10", "amount": "10.00" });
    assert_eq!(quote["from"], before);
    assert_eq!((&quote["exact_amount"], &quote["amount"]), (&json!("10"), &json!("10.00")));
    let tiers: Vec<(&Value, &Value)> =
        quote["lines"].as_array().unwrap().iter().map(|line| (&line["tier"], &line["amount"])).collect();
    assert_eq!(tiers, [(&json!(1), &json!("-10.00")), (&json!(2), &json!("20.00"))]);

    let quote = json(PRICES, &["--name", "card", "--values", "10,80,-0"]);
    let events = json!([
        { "value": "10", "exact_amount": "0" }, { "value": "80", "exact_amount": "2.62" }, { "value": "0", "exact_amount": "0.3" }
    ]);
    assert_eq!((&quote["events"], &quote["quantity"], &quote["amount"]), (&events, &json!("90"), &json!("2.92")));

    let quote = json(PRICES, &["--name", "gpu", "--quantity", "3", "--dimension", "region=eu", "--at", "2026-09-14"]);
    assert_eq!(quote["cell"], json!([{ "window": null }, { "dimension": "region", "value": "eu" }]));
}

/// Each figure by hand, in euros or, of what has a charge, dollars.
#[test]
fn amounts() {
    let calls = ["--name", "calls", "--quantity", "7", "--at"];
    for (prices, args, exact, amount) in [
        (PRICES, &["--name", "tokens", "--quantity", "0"][..], "0", "0.00"),
        (PRICES, &["--name", "tokens", "--quantity", "1000001"], "7.0000015", "7.00"),
        (PRICES, &["--name", "tokens", "--values", "600000,400001"], "7.0000015", "7.00"),
        // One event, which is free; none.
        (PRICES, &["--name", "card", "--quantity", "100"], "0", "0.00"),
        (PRICES, &["--name", "card", "--values", ""], "0", "0.00"),
        (PRICES, &["--name", "workspace", "--quantity", "storage=100.5"], "10", "10.00"),
        (PRICES, &[&calls[..], &["2026-09-30T23:59:59.999999Z"]].concat(), "0.7", "0.70"),
        (PRICES, &[&calls[..], &["2026-10-01T00:00:00Z"]].concat(), "0.186666666666666667", "0.19"),
        // 14 x 9.99 = 139.86, less 21.6783, above 100.
        (CHARGED, &["--quantity", "151"], "139.86", "100.00"),
        (CHARGED, &["--quantity", "0"], "0", "20.00"),
        (CHARGED, &["--quantity", "-20"], "-19.98", "20.00"),
        // The interim document leaves the minimum out: 20 - 8.44.
        (CHARGED, &["--quantity", "30", "--from", "30"], "0", "11.56"),
        (CHARGED, &["--quantity", "30", "--from", "45"], "-19.98", "-5.32"),
    ] {
        let quote = json(prices, args);
        assert_eq!((&quote["exact_amount"], &quote["amount"]), (&json!(exact), &json!(amount)), "{args:?}");
    }
}

#[test]
fn refusals_say_what_where_and_what_to_do() {
    let dynamic = "[prices.d]\nmodel = \"dynamic\"\n";
    for (prices, args, expected) in [
        (
            PRICES,
            &["--quantity", "1"][..],
            "prices.toml has 5 prices; add --name and one of tokens, card, workspace, gpu, calls",
        ),
        (
            PRICES,
            &["--name", "token", "--quantity", "1"],
            "prices.toml:4: prices: there is no price \"token\"; did you mean \"tokens\"?",
        ),
        (PRICES, &["--name", "tokens"], "how much? Add --quantity Q, or --values V1,V2,... for events"),
        (
            PRICES,
            &["--name", "tokens", "--quantity", "1,5"],
            "--quantity \"1,5\" is not a decimal number; write digits with a point at most: 1200.5",
        ),
        (
            PRICES,
            &["--name", "tokens", "--quantity", "0.0000000000001"],
            "--quantity \"0.0000000000001\" has more than the 12 decimals that a meter keeps; round it",
        ),
        (
            PRICES,
            &["--name", "tokens", "--quantity", "-1"],
            "-1 is below zero, which price \"tokens\" cannot price; only unit, dynamic, and percentage prices without anything \
             free can",
        ),
        (
            PRICES,
            &["--name", "tokens", "--quantity", "seats=1"],
            "price \"tokens\" has one quantity; write for example --quantity 3",
        ),
        (
            PRICES,
            &["--name", "tokens", "--quantity", "1", "--dimension", "region=eu"],
            "price \"tokens\" has no dimension \"region\"; leave --dimension out",
        ),
        (
            PRICES,
            &["--name", "workspace", "--values", "1,2"],
            "price \"workspace\" has a quantity for each resource; write --quantity seats=1,storage=1",
        ),
        (
            PRICES,
            &["--name", "workspace", "--quantity", "seat=1"],
            "price \"workspace\" has no resource \"seat\"; use seats, storage",
        ),
        (
            PRICES,
            &["--name", "workspace", "--quantity", "seats=1,seats=2"],
            "resource \"seats\" stands here twice; give it one quantity",
        ),
        (
            PRICES,
            &["--name", "gpu", "--quantity", "1"],
            "price \"gpu\" depends on the time of day; add --at T, for example --at 2026-09-14T20:30",
        ),
        (
            PRICES,
            &["--name", "gpu", "--quantity", "1", "--at", "2026-09-14"],
            "price \"gpu\" has no cell for such usage; add --dimension region=...",
        ),
        (
            PRICES,
            &["--name", "gpu", "--quantity", "1", "--at", "2026-09-14", "--dimension", "region=us"],
            "price \"gpu\" has no cell for usage with region=us; it would be unpriced: add a cell or window for it, or `otherwise`",
        ),
        (
            PRICES,
            &["--name", "gpu", "--quantity", "1", "--at", "20:30"],
            "--at \"20:30\" is no time of the years 1970 to 2199; write 2026-09-14T20:30:00Z, or 2026-09-14T20:30 or 2026-09-14 \
             for the local time in Europe/Paris",
        ),
        (
            PRICES,
            &["--name", "calls", "--quantity", "1"],
            "price \"calls\" has later versions, from 2026-10-01T00:00:00Z; add --at T to say which one",
        ),
        (
            PRICES,
            &["--name", "card", "--quantity", "1", "--from", "1"],
            "price \"card\" has an amount for each event, so that --from has no meaning; leave it out",
        ),
        (
            dynamic,
            &["--values", "99999999999999999999,1"],
            "the usage comes to more than amounts below 10^20 can hold; quote less of it",
        ),
        (
            dynamic,
            &["--values", "100000000000000000000"],
            "100000000000000000000 is too large for an amount below 10^20; quote less of it",
        ),
        (
            "[prices.p]\nmodel = \"unit\"\nunit_amount = 0.5\n[charge]\ndiscount = { rat = 1 }\n",
            &["--quantity", "1"],
            "prices.toml:3: prices.p.unit_amount: is a TOML float, which is not exact; write it as a string: \"0.5\"",
        ),
        (
            "[prices.p]\nmodel = \"unit\"\nunit_amount = 1\n[charge]\ndiscount = { rat = 1 }\n",
            &["--quantity", "1"],
            "prices.toml:5: charge.discount.rat: is not a key here; did you mean \"rate\"?",
        ),
    ] {
        let output = quote(prices, args);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {stderr}");
        assert!(output.stdout.is_empty(), "{args:?}");
        let first = stderr.strip_prefix("error:").unwrap_or(&stderr).trim();
        assert!(first.lines().any(|line| line == expected), "{args:?}:\n{first}\n{expected}");
    }
    let both = quote(PRICES, &["--name", "card", "--quantity", "1", "--values", "1"]);
    assert_eq!(both.status.code(), Some(2));
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(run(folder.path(), &["--quantity", "1"]).status.code(), Some(2));
}

/// A matrix may keep its cells beside the file.
#[test]
fn cells_come_from_a_file() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("prices.toml"), "[prices.m]\nmodel = \"matrix\"\ncells_file = \"cells.csv\"\n")
        .unwrap();
    fs::write(folder.path().join("cells.csv"), "region,model,unit_amount\neu,large,0.5\neu,small,0.25\n").unwrap();
    let args = ["--quantity", "3", "--dimension", "model=small", "--dimension", "region=eu", "--format", "json"];
    let output = run(folder.path(), &args);
    let quote: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(quote["amount"], "0.75");
}

/// A catalog is a file of prices, and a quote is what a run bills one customer of its charge.
#[test]
fn a_quote_is_what_a_run_bills() {
    let price = "[prices.p]\nmodel = \"graduated\"\ntiers = [{ up_to = 5, unit_amount = \"0.333\", flat_amount = 2 }, \
        { unit_amount = \"0.07\", per = \"2.5\" }]\n";
    let modifiers = "conversion = { multiply = \"1.5\" }\nallowance = { quantity = \"0.75\" }\ndiscount = { rate = \"0.155\" }\n\
        maximum = \"3.10\"\nminimum = \"2.50\"\n";
    let catalog = format!(
        "name = \"c\"\ncurrency = \"USD\"\n{price}[meters.m]\nevent_type = \"t\"\naggregation = \"sum\"\nvalue = \"data.v\"\n\
         scale = 3\n[plans.pro]\n[[plans.pro.charges]]\nname = \"c\"\nmeter = \"m\"\nprice = \"p\"\n{modifiers}\
         [defaults]\nplan = \"pro\"\n"
    );
    let mut events = String::new();
    let mut quoted = 0;
    for (number, values) in [&["0.001"][..], &["1.25", "2.5"], &["7"], &["100", "0.5"]].iter().enumerate() {
        for (id, value) in values.iter().enumerate() {
            events.push_str(&format!(
                r#"{{"specversion":"1.0","id":"{id}","source":"/s","type":"t","subject":"s{number}","time":"2026-08-01T00:00:00Z","data":{{"v":{value}}}}}"#
            ));
            events.push('\n');
        }
        let quote = json(&format!("{price}[charge]\n{modifiers}"), &["--values", &values.join(",")]);
        quoted += cents(&quote["amount"]);
    }
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("catalog.toml"), &catalog).unwrap();
    fs::write(folder.path().join("events.ndjson"), events).unwrap();
    let args = ["run", "--catalog", "catalog.toml", "--events", "events.ndjson", "--strict", "--format", "json"];
    let output = Command::new(env!("CARGO_BIN_EXE_weir")).args(args).current_dir(folder.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(cents(&report["invoiced"]["USD"]), quoted);
    let of_catalog = json(&catalog, &["--quantity", "7"]);
    assert_eq!(of_catalog["exact_amount"], json(price, &["--quantity", "7"])["exact_amount"]);
}

fn cents(money: &Value) -> i64 {
    money.as_str().unwrap().replace('.', "").parse().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// The lines sum to the amount, from zero and from any other quantity; what is left after an interim document is the
    /// rest of the whole.
    #[test]
    fn lines_sum_to_the_amount(quantity in 0_u32..400, from in 0_u32..400) {
        let (quantity, from) = (quantity.to_string(), from.to_string());
        let sum = |quote: &Value| quote["lines"].as_array().unwrap().iter().map(|line| cents(&line["amount"])).sum::<i64>();
        let whole = json(CHARGED, &["--quantity", &quantity]);
        let rest = json(CHARGED, &["--quantity", &quantity, "--from", &from]);
        prop_assert_eq!(sum(&whole), cents(&whole["amount"]));
        prop_assert_eq!(sum(&rest), cents(&rest["amount"]));
        prop_assert_eq!(cents(&rest["amount"]) + cents(&rest["from"]["amount"]), cents(&whole["amount"]));
    }
}
