//! Conversion, allowance, rollover, pools, versions: what happens to a quantity before and while it is priced.

use super::{Book, HEAD, one_charge};

const UNIT: &str = "price = { model = \"unit\", unit_amount = 1 }\n";

fn unit(rest: &str) -> Book {
    Book::new(one_charge(&format!("{UNIT}{rest}")))
}

/// 2500 units: the cumulative quantity is converted, not each event.
#[test]
fn conversions() {
    for (conversion, expected) in [
        ("{ divide = 1000 }", "2.5"),
        ("{ divide = 1000, round = \"up\" }", "3"),
        ("{ divide = 1000, round = \"down\" }", "2"),
        ("{ divide = 1000, round = \"half_away\" }", "3"),
        ("{ divide = 1000, round = \"none\" }", "2.5"),
        ("{ multiply = \"1.5\" }", "3750"),
        ("{ divide = 3 }", "833.333333333333333333"),
    ] {
        let book = unit(&format!("conversion = {conversion}"));
        let book = book.event("2026-01-05", "v=1200").event("2026-01-06", "v=1300");
        assert_eq!(book.amount(), expected, "{conversion}");
    }
}

/// The allowance is in converted units: 2.5 − 1, and it is each group's own.
#[test]
fn allowances() {
    let book = unit("conversion = { divide = 1000 }\nallowance = { quantity = 1 }\ngroup_by = [\"d\"]")
        .event("2026-01-05", "v=2500 d=a")
        .event("2026-01-06", "v=900 d=b");
    assert_eq!(book.buckets(), ["2026-01-01/a: 1, 2500, 1.5", "2026-01-01/b: 1, 900, 0"]);
}

/// From 11 January on 21 of 31 days: an allowance of 10 is 6.774193... -> 6.77 at two decimals, P(0) = 3 is 2.032258...
#[test]
fn a_partial_period() {
    let charge = r#"price = { model = "graduated", tiers = [{ up_to = 1, unit_amount = 1, flat_amount = 3 }, { unit_amount = 2 }] }
        allowance = { quantity = 10 }"#;
    let catalog = one_charge(charge).replace("starts_on = \"2026-01-01\"", "starts_on = \"2026-01-11\"");
    // 0.23 above the allowance: 21/31 × 3 + 0.23; and with 1.23: 21/31 × 3 + 1 + 0.46.
    let book = Book::new(catalog.as_str()).event("2026-01-15", "v=7");
    assert_eq!(book.amount(), "2.262258064516129032");
    let book = book.event("2026-01-16", "v=1");
    assert_eq!(book.amount(), "3.492258064516129032");
    // Without usage f·P(0) alone is owed.
    let book = Book::new(catalog).close("2026-02-01");
    assert_eq!(book.buckets(), ["2026-01-11: 0, 0, 2.032258064516129032"]);
}

/// 10 for all groups, shared by quantity: 7.5, 2.25 and 0.75 × 10 / 10.5, cut to 7.14, 2.14, 0.71; the last hundredth
/// goes to the largest remainder (0.857.. of b and 0.285.. of c and a): b.
#[test]
fn an_allowance_for_the_charge() {
    let book = unit("allowance = { quantity = 10, scope = \"charge\" }\ngroup_by = [\"d\"]")
        .event("2026-01-05", "v=7.5 d=a")
        .event("2026-01-06", "v=2.25 d=b")
        .event("2026-01-07", "v=0.75 d=c");
    assert_eq!(
        book.buckets(),
        ["2026-01-01/a: 1, 15/2, 0.36", "2026-01-01/b: 1, 9/4, 0.11", "2026-01-01/c: 1, 3/4, 0.03"]
    );
}

/// 100 each month, at most 30 roll. January uses 80: 20 roll. February has 120 and uses 50: 70 are left, 30 roll. March
/// has 130.
#[test]
fn rollover() {
    let book = unit("allowance = { quantity = 100, rollover_max = 30 }")
        .event("2026-01-05", "v=80")
        .event("2026-02-05", "v=50")
        .event("2026-03-05", "v=131");
    // Nothing rolls before the seal.
    assert_eq!(book.buckets()[2], "2026-03-01: 1, 131, 31");
    let book = book.close("2026-03-01");
    assert_eq!(book.buckets(), ["2026-01-01: 1, 80, 0", "2026-02-01: 1, 50, 0", "2026-03-01: 1, 131, 1"]);
    // Late usage in January finds 80: 20 have gone.
    let book = book.event("2026-01-06", "v=1").event("2026-03-06", "v=1");
    assert_eq!(book.buckets(), ["2026-01-01: 2, 81, 1", "2026-02-01: 1, 50, 0", "2026-03-01: 2, 132, 2"]);
}

/// A silent month rolls, too, where it owes without usage: 30 each time. A group without usage has none to roll.
#[test]
fn rollover_of_a_silent_month() {
    let rule = "allowance = { quantity = 100, rollover_max = 30 }";
    let silent =
        |book: Book| book.event("2026-01-05", "v=100 d=a").close("2026-03-01").event("2026-03-05", "v=131 d=a");
    assert_eq!(silent(unit(rule)).buckets()[2], "2026-03-01: 1, 131, 1");
    let grouped = silent(unit(&format!("{rule}\ngroup_by = [\"d\"]")));
    assert_eq!(grouped.buckets(), ["2026-01-01/a: 1, 100, 0", "2026-03-01/a: 1, 131, 31"]);
}

/// Shared by all groups, 100 less 50 + 20 leaves 30, of which 25 roll; 125 for 130 in February.
#[test]
fn rollover_of_a_shared_allowance() {
    let book = unit("allowance = { quantity = 100, rollover_max = 25, scope = \"charge\" }\ngroup_by = [\"d\"]")
        .event("2026-01-05", "v=50 d=a")
        .event("2026-01-06", "v=20 d=b")
        .close("2026-02-01")
        .event("2026-02-05", "v=65 d=a")
        .event("2026-02-06", "v=65 d=c");
    let february = ["2026-02-01/a: 1, 65, 2.5", "2026-02-01/c: 1, 65, 2.5"];
    assert_eq!(book.buckets()[2..], february);
}

const POOL: &str = r#"
[accounts.root]
[accounts.child]
parent = "root"
[customers.b]
account = "child"
plan = "p"
starts_on = "2026-01-01"
[customers.c]
account = "root"
plan = "p"
starts_on = "2026-01-15"
"#;

fn pooled() -> Book {
    let price = r#"price = { model = "graduated", tiers = [{ up_to = 10, unit_amount = 1, flat_amount = 1 }, { unit_amount = "0.5" }] }
        pool = "account"
        allowance = { quantity = 2 }"#;
    Book::new(one_charge(price).replace("[customers.acme]", "[customers.acme]\naccount = \"child\"") + POOL)
}

/// 4 + 6 + 4 = 14 less 2: 10 × 1 + 1 + 2 × 0.5 = 12, shared 4 : 6 : 4. Each third of 10^-18 goes by remainder:
/// 3.428571428571428571(43) and 5.142857142857142857(14), so the two 4s lead and the last unit goes to the first of
/// them.
#[test]
fn a_pool_is_one_ladder() {
    let book =
        pooled().event("2026-01-05", "v=4").event_of("b", "2026-01-06", "v=6").event_of("c", "2026-01-20", "v=4");
    assert_eq!(
        book.buckets(),
        [
            "2026-01-01: 1, 4, 3.428571428571428572",
            "b 2026-01-01: 1, 6, 5.142857142857142857",
            "c 2026-01-15: 1, 4, 3.428571428571428571",
        ]
    );
}

/// Who has no usage owes nothing, unless nobody has: then the first owes P(0), whole.
#[test]
fn a_silent_pool() {
    let book = pooled().event_of("b", "2026-01-06", "v=1").close("2026-02-01");
    assert_eq!(book.buckets(), ["2026-01-01: 0, 0, 0", "b 2026-01-01: 1, 1, 1", "c 2026-01-15: 0, 0, 0"]);
    let book = pooled().close("2026-02-01");
    assert_eq!(book.buckets(), ["2026-01-01: 0, 0, 1", "b 2026-01-01: 0, 0, 0", "c 2026-01-15: 0, 0, 0"]);
}

fn versions(later: &str) -> Book {
    let prices = format!(
        "{HEAD}[prices.x]\nmodel = \"graduated\"\n\
        tiers = [{{ up_to = 10, unit_amount = 1, flat_amount = 2 }}, {{ unit_amount = \"0.5\" }}]\n{later}"
    );
    Book::new(prices + &one_charge("price = \"x\"\nallowance = { quantity = 1 }").replace(HEAD, ""))
}

/// The later price waits for February.
#[test]
fn a_version_for_the_next_period() {
    let later = "[[prices.x.versions]]\neffective_at = \"2026-01-15\"\nmodel = \"unit\"\nunit_amount = 3\n";
    let book = versions(later).event("2026-01-20", "v=5").event("2026-02-20", "v=5");
    assert_eq!(book.buckets(), ["2026-01-01: 1, 5, 6", "2026-02-01: 1, 5, 12"]);
}

/// Q carries on. Before the 15th 8: less the allowance 7, that is 7 × 1 + 2. After it 8 more: the new ladder from 7 to
/// 15, which is 5 × 2 + 3 × 4 with a bound at 12, and no new flat amount: P2(15) − P2(7) = (24 + 12 + 9) − (14 + 9) =
/// 22.
#[test]
fn a_version_that_splits() {
    let later = "[[prices.x.versions]]\neffective_at = \"2026-01-15\"\nmid_period = \"split\"\nmodel = \"graduated\"\n\
        tiers = [{ up_to = 12, unit_amount = 2, flat_amount = 9 }, { unit_amount = 4 }]\n";
    let book = versions(later).event("2026-01-05", "v=8").event("2026-01-15", "v=8");
    assert_eq!(book.amount(), "31");
    // An event just before the instant is the old version's, though it comes last: 10 of it at 1 + 2 and then 0.01 at
    // 0.5; the new one prices from 10.01 to 18.01: 1.99 × 2 + 6.01 × 4.
    let book = book.event("2026-01-14T23:59:59.999999Z", "v=3.01");
    assert_eq!(book.amount(), "40.025");
}

/// 1% and then 10%, each event by the version at its time; the free events are counted over the whole bucket.
#[test]
fn a_version_that_splits_events() {
    let prices = format!(
        "{HEAD}[prices.x]\nmodel = \"percentage\"\nrate = \"0.01\"\nfree_events = 1\n\
        [[prices.x.versions]]\neffective_at = \"2026-01-15\"\nmid_period = \"split\"\n\
        model = \"percentage\"\nrate = \"0.1\"\nfree_events = 3\n"
    );
    let book = Book::new(prices + &one_charge("price = \"x\"").replace(HEAD, ""))
        .event("2026-01-05", "v=100")
        .event("2026-01-06", "v=200")
        .event("2026-01-16", "v=300")
        .event("2026-01-17", "v=400");
    // Free, 2, free (the third), 40.
    assert_eq!(book.amount(), "42");
}
