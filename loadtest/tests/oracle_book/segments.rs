//! Plan changes: segments, and charges that go on.

use super::{Book, HEAD};

/// Two plans of months with a charge `c`; `acme` changes from p to q on 11 January.
fn changed(first: &str, second: &str) -> Book {
    Book::new(format!(
        "{HEAD}[meters.m]\nevent_type = \"e\"\naggregation = \"sum\"\nvalue = \"data.v\"\nscale = 2\n\
        [prices.x]\nmodel = \"graduated\"\n\
        tiers = [{{ up_to = 10, unit_amount = 1, flat_amount = 31 }}, {{ unit_amount = \"0.5\" }}]\n\
        [plans.p]\nfees = [{{ name = \"base\", amount = \"31.00\", when = \"advance\" }}]\n\
        [[plans.p.charges]]\nname = \"c\"\nmeter = \"m\"\n{first}\n\
        [plans.q]\n[[plans.q.charges]]\nname = \"c\"\nmeter = \"m\"\n{second}\n\
        [customers.acme]\nplan = \"p\"\nstarts_on = \"2026-01-01\"\n\
        changes = [{{ effective_at = \"2026-01-11\", plan = \"q\" }}]\n"
    ))
}

/// The same price: one bucket, whose 8 + 4 are one quantity, owned by the first plan. f is 1 again.
#[test]
fn a_charge_goes_on() {
    let book = changed("price = \"x\"\nminimum = \"100.00\"", "price = \"x\"\nminimum = \"1.00\"")
        .event("2026-01-05", "v=8")
        .event("2026-01-15", "v=4");
    assert_eq!(book.buckets(), ["2026-01-01: 2, 12, 42"]);
    // Its minimum is the first segment's charge's. The fee is for ten days of 31.
    assert_eq!(book.close("2026-02-01").documents(), ["Invoice 01-01 = 11000: fee base 1000, c 4200, c minimum 5800"]);
}

/// Another price ends the bucket: 10/31 × 31 + 8, then 21 days of a new one from 0.
#[test]
fn another_price_starts_from_zero() {
    let book = changed("price = \"x\"", "price = { model = \"unit\", unit_amount = 2 }")
        .event("2026-01-05", "v=8")
        .event("2026-01-11", "v=4");
    assert_eq!(book.buckets(), ["2026-01-01: 1, 8, 18", "2026-01-11: 1, 4, 8"]);
}

/// Allowances of 31 for ten days and 62 for 21: 10 + 42.
#[test]
fn allowances_of_a_charge_that_goes_on() {
    let unit = "price = { model = \"unit\", unit_amount = 1 }\nallowance = { quantity = ";
    let book = changed(&format!("{unit} 31 }}"), &format!("{unit} 62 }}")).event("2026-01-20", "v=53");
    assert_eq!(book.buckets(), ["2026-01-01: 1, 53, 1"]);
}

/// By the day, a change at noon counts its day twice.
#[test]
fn proration_by_day() {
    let book = changed("price = \"x\"", "price = { model = \"unit\", unit_amount = 2 }");
    let catalog = book.catalog.replace("2026-01-11\"", "2026-01-11T12:00:00Z\"");
    let by_day = catalog.replace("[plans.p]", "[plans.p]\nproration = \"day\"");
    let fee = |catalog: String| Book::new(catalog).close("2026-02-01").documents();
    // 10.5 days of 31, at a fee of 31 and a P(0) of 31; then 11 days.
    assert_eq!(fee(catalog), ["Invoice 01-01 = 2100: fee base 1050, c 1050"]);
    assert_eq!(fee(by_day), ["Invoice 01-01 = 2200: fee base 1100, c 1100"]);
}

/// In another cycle the charge starts anew, though all else is equal: weeks begin on Monday, 5 January, and the 11th is
/// a Sunday.
#[test]
fn another_cycle_starts_from_zero() {
    let book = changed("price = \"x\"", "price = \"x\"");
    let catalog = book.catalog.replace("[plans.q]", "[plans.q]\ncycle = \"1 week\"");
    let book = Book::new(catalog).event("2026-01-05", "v=8").event("2026-01-11", "v=4").event("2026-01-12", "v=4");
    let outcome = book.outcome();
    let periods: Vec<(&str, usize)> =
        outcome.buckets.iter().map(|(key, bucket)| (key.plan.as_str(), bucket.events)).collect();
    assert_eq!(periods, [("p", 1), ("q", 1), ("q", 1)]);
    // The 11th is one day of seven: 31 / 7 + 4.
    assert_eq!(book.buckets()[1], "2026-01-11: 1, 4, 8.428571428571428571");
}

/// Levels go on although the bucket does not: 3 from the 10th, one day of it under p (72) and 21 under q.
#[test]
fn levels_go_on() {
    let book = changed("price = \"x\"", "price = { model = \"unit\", unit_amount = 2 }");
    let weighted = "aggregation = \"weighted_sum\"\nvalues = \"delta\"\nper = \"day\"";
    let catalog = book.catalog.replace("aggregation = \"sum\"", weighted);
    let book = Book::new(catalog).event("2026-01-10", "v=3").close("2026-02-01");
    assert_eq!(book.buckets(), ["2026-01-01: 1, 3, 13", "2026-01-11: 0, 63, 126"]);
}

/// What is unused rolls only within the segment: of 31 for January's ten days 10, nothing of which reaches February; q
/// grants 21 for its part of January, and 21 roll.
#[test]
fn a_plan_change_ends_the_chain() {
    let rule = "allowance = { quantity = 31, rollover_max = 40 }\nprice = { model = \"unit\", unit_amount =";
    let book =
        changed(&format!("{rule} 1 }}"), &format!("{rule} 2 }}")).close("2026-02-01").event("2026-02-05", "v=53");
    assert_eq!(book.buckets()[2], "2026-02-01: 1, 53, 2");
    // The same charge goes on: 31 of January roll.
    let book =
        changed(&format!("{rule} 1 }}"), &format!("{rule} 1 }}")).close("2026-02-01").event("2026-02-05", "v=63");
    assert_eq!(book.buckets(), ["2026-01-01: 0, 0, 0", "2026-02-01: 1, 63, 1"]);
}
