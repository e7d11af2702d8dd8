//! Every price of rating.md 2.

use super::{Book, one_charge};

/// A charge's keys, the values of a month's events (summed with two decimals), A(S).
#[test]
fn prices() {
    let rows: &[(&str, &str, &[&str], &str)] = &[
        ("unit", r#"price = { model = "unit", unit_amount = "0.05" }"#, &["2", "3.5"], "0.275"),
        // 7 of blocks of 3 at 1: no blocks are made, 7/3 is rounded once at 18 decimals.
        ("unit per", r#"price = { model = "unit", unit_amount = 1, per = 3 }"#, &["7"], "2.333333333333333333"),
        // 10 × 1 + 5; then 5 × 0.5 + 2 as 15 lies above 10.
        (
            "graduated",
            r#"price = { model = "graduated", tiers = [
                { up_to = 10, unit_amount = 1, flat_amount = 5 }, { unit_amount = "0.5", flat_amount = 2 }] }"#,
            &["8", "7"],
            "19.5",
        ),
        // The bound is inside: 10 × 1 + 5, and the second tier is not entered.
        (
            "graduated at the bound",
            r#"price = { model = "graduated", tiers = [
                { up_to = 10, unit_amount = 1, flat_amount = 5 }, { unit_amount = "0.5", flat_amount = 2 }] }"#,
            &["10"],
            "15",
        ),
        // Just above it: 15 + 0.01 × 0.5 + 2.
        (
            "graduated above the bound",
            r#"price = { model = "graduated", tiers = [
                { up_to = 10, unit_amount = 1, flat_amount = 5 }, { unit_amount = "0.5", flat_amount = 2 }] }"#,
            &["10.01"],
            "17.005",
        ),
        // A quantity of 0 still owes the first tier's flat amount.
        (
            "graduated of zero",
            r#"price = { model = "graduated", tiers = [
                { up_to = 10, unit_amount = 1, flat_amount = 5 }, { unit_amount = "0.5" }] }"#,
            &["0"],
            "5",
        ),
        // Blocks of 4 in the tier: 10 make 3 of them; of the 5 above, blocks of 2 make 3.
        (
            "graduated blocks",
            r#"price = { model = "graduated", tiers = [
                { up_to = 10, unit_amount = 1, per = 4 }, { unit_amount = "0.5", per = 2 }] }"#,
            &["15"],
            "4.5",
        ),
        // 10 is still the first tier's: 10 × 1. One more makes all 11 cost 0.5, and 2 on top.
        (
            "volume at the bound",
            r#"price = { model = "volume", tiers = [{ up_to = 10, unit_amount = 1 }, { unit_amount = "0.5", flat_amount = 2 }] }"#,
            &["10"],
            "10",
        ),
        (
            "volume",
            r#"price = { model = "volume", tiers = [{ up_to = 10, unit_amount = 1 }, { unit_amount = "0.5", flat_amount = 2 }] }"#,
            &["11"],
            "7.5",
        ),
        ("package up", r#"price = { model = "package", size = 100, amount = 7 }"#, &["100", "0.01"], "14"),
        ("package down", r#"price = { model = "package", size = 100, amount = 7, partial = "down" }"#, &["199"], "7"),
        (
            "package prorate",
            r#"price = { model = "package", size = 100, amount = 7, partial = "prorate" }"#,
            &["150"],
            "10.5",
        ),
        ("package of zero", r#"price = { model = "package", size = 100, amount = 7 }"#, &["0"], "0"),
        (
            "stairstep",
            r#"price = { model = "stairstep", tiers = [{ up_to = 10, flat_amount = 3 }, { up_to = 20, flat_amount = 4 }, { flat_amount = 9 }] }"#,
            &["10.5"],
            "4",
        ),
        // 50, 100 are free (150 of 250 spent); 250 crosses: 150 above × 1.3% + 2 = 3.95; 400 pays 5.2 + 2 = 7.2.
        (
            "percentage free",
            r#"price = { model = "percentage", rate = "0.013", fixed = 2, free_events = 3, free_amount = 250 }"#,
            &["50", "100", "250", "400"],
            "11.15",
        ),
        // 0.299 is raised to 1.75, 2.392 stands, 299 is cut to 12.
        (
            "percentage clamped",
            r#"price = { model = "percentage", rate = "0.0299", min = "1.75", max = 12 }"#,
            &["10", "80", "10000"],
            "16.142",
        ),
        // Two events are free whatever they bring; a free event pays no minimum; the third pays 1% of 30 = 0.3 -> 1.
        (
            "percentage free events",
            r#"price = { model = "percentage", rate = "0.01", min = 1, free_events = 2 }"#,
            &["1000", "1000", "30"],
            "1",
        ),
        // Exactly 100 spent is free; the next event has nothing left and pays in full.
        (
            "percentage free amount",
            r#"price = { model = "percentage", rate = "0.1", fixed = 1, free_amount = 100 }"#,
            &["100", "10"],
            "2",
        ),
        // Of 1500: 1000 × 2% + 1, 500 × 1%.
        (
            "graduated percentage",
            r#"price = { model = "graduated_percentage", tiers = [{ up_to = 1000, rate = "0.02", flat_amount = 1 }, { rate = "0.01" }] }"#,
            &["700", "800"],
            "26",
        ),
        // 32 s are billed as 36, 57 as 60, 75 as 78: 0.0036 + 0.0060 + 0.0078.
        (
            "increments",
            r#"price = { model = "increments", steps = [
                { up_to = 30, every = 30, unit_amount = "0.006", per = 60 }, { every = 6, unit_amount = "0.006", per = 60 }] }"#,
            &["32", "57", "75"],
            "0.0174",
        ),
        // A call of no length is nothing; 61 s are two minutes: 0.1 + 120 × 0.01.
        (
            "increments connect",
            r#"price = { model = "increments", connect = "0.1", steps = [{ every = 60, unit_amount = "0.01" }] }"#,
            &["0", "61"],
            "1.3",
        ),
        // Each event by itself: 0.333 -> 0.33, twice; the sum of 0.666 would be 0.67.
        (
            "unit rounded",
            r#"price = { model = "unit", unit_amount = "0.333" }
            round = { scale = 2, mode = "half_away" }"#,
            &["1", "1"],
            "0.66",
        ),
        (
            "unit rounded to even",
            r#"price = { model = "unit", unit_amount = "0.125" }
            round = { scale = 2, mode = "half_even" }"#,
            &["1", "3"],
            "0.5",
        ),
        (
            "percentage rounded up",
            r#"price = { model = "percentage", rate = "0.01" }
            round = { scale = 1, mode = "up" }"#,
            &["1", "20"],
            "0.3",
        ),
    ];
    for (name, charge, values, expected) in rows {
        let events = values.iter().enumerate();
        let book = events.fold(Book::new(one_charge(charge)), |book, (hour, value)| {
            book.event(&format!("2026-01-05T{hour:02}:00:00Z"), &format!("v={value}"))
        });
        assert_eq!(book.amount(), *expected, "{name}");
    }
}

/// 1.5 × (2.000000000000000001 + 4) = 9.0000000000000000015: rounded once, the half away from zero.
#[test]
fn dynamic() {
    let book = Book::new(one_charge(r#"price = { model = "dynamic", multiplier = "1.5" }"#))
        .event("2026-01-05", "v=1 a=2.000000000000000001")
        .event("2026-01-06", "v=1 a=4")
        // Without an amount the charge does not select it.
        .event("2026-01-07", "v=1");
    assert_eq!(book.amount(), "9.000000000000000002");
    assert_eq!(book.outcome().verdicts.unmetered, 1);
}

/// Each cell has a quantity of its own; what no cell has goes to `otherwise`, whose number comes last.
#[test]
fn matrix() {
    let cells = r#"cells = [
        { when = { d = "eu" }, price = { model = "graduated", tiers = [{ up_to = 5, unit_amount = 1 }, { unit_amount = 2 }] } },
        { when = { d = "us" }, price = { model = "unit", unit_amount = 3 } }]"#;
    let with_otherwise =
        format!("[prices.x]\nmodel = \"matrix\"\n{cells}\notherwise = {{ model = \"unit\", unit_amount = 10 }}\n");
    let book = |price: &str| {
        Book::new(price.to_owned().replace("[prices.x]", &format!("{HEAD}[prices.x]")) + &no_head(r#"price = "x""#))
            .event("2026-01-05", "v=4 d=eu")
            .event("2026-01-06", "v=2 d=us")
            .event("2026-01-07", "v=4 d=eu")
            .event("2026-01-08", "v=1 d=ap")
            .event("2026-01-09", "v=1")
    };
    // 8 in eu: 5 × 1 + 3 × 2.
    let all = ["2026-01-01: 2, 8, 11", "2026-01-01#1: 1, 2, 6", "2026-01-01#2: 2, 2, 20"];
    assert_eq!(book(&with_otherwise).buckets(), all);
    let without = format!("[prices.x]\nmodel = \"matrix\"\n{cells}\n");
    assert_eq!(book(&without).buckets(), all[..2]);
    assert_eq!(book(&without).outcome().verdicts.unpriced, 2);
}

const HEAD: &str = "currency = \"USD\"\n";

fn no_head(charge: &str) -> String {
    one_charge(charge).replace(HEAD, "")
}

/// New York goes to summer time on 8 March 2026 at 2:00 and back on 1 November at 2:00. Nights from 20:00 to 6:00 are
/// leaf 0, working mornings leaf 1, holidays leaf 2, the rest leaf 3.
#[test]
fn schedule() {
    let price = r#"price = { model = "schedule", zone = "America/New_York", holidays = ["2026-12-25"],
        windows = [
            { days = ["sat", "mon"], from = "20:00", to = "06:00", price = { model = "unit", unit_amount = 1 } },
            { days = ["sun"], from = "01:00", to = "02:00", price = { model = "unit", unit_amount = 2 } },
            { days = ["holiday"], price = { model = "unit", unit_amount = 3 } },
            { days = ["sun"], from = "02:00", to = "03:00", price = { model = "unit", unit_amount = 5 } }],
        otherwise = { model = "unit", unit_amount = 4 } }"#;
    for (time, leaf) in [
        // Saturday, 7 March, 20:00 in New York (winter).
        ("2026-03-08T01:00:00Z", 0),
        ("2026-03-08T00:59:59.999999Z", 4),
        // Sunday at 1:59 belongs to the window that began on Saturday, which comes first.
        ("2026-03-08T06:59:59Z", 0),
        // One second later it is 3:00; 2:30 never was. The Saturday window ends at 6:00 in summer time, that is 10:00.
        ("2026-03-08T07:00:00Z", 0),
        ("2026-03-08T09:59:59Z", 0),
        ("2026-03-08T10:00:00Z", 4),
        // Tuesday at 2:00 belongs to Monday's night; Monday at 2:00 to Sunday's, which has none.
        ("2026-03-10T06:00:00Z", 0),
        ("2026-03-09T06:00:00Z", 4),
        // Christmas is a holiday and no longer a Friday.
        ("2026-12-25T12:00:00Z", 2),
    ] {
        let book = Book::new(one_charge(price)).event(time, "v=1");
        let leaves: Vec<usize> = book.outcome().buckets.keys().map(|key| key.leaf).collect();
        assert_eq!(leaves, [leaf], "{time}");
    }
    // 1 November, 1:30 happens twice, and both are in the window from 1 to 2: Sunday's, when Saturday's night is
    // closed.
    let price = r#"price = { model = "schedule", zone = "America/New_York",
        windows = [{ days = ["sun"], from = "01:00", to = "02:00", price = { model = "unit", unit_amount = 2 } }] }"#;
    let book = Book::new(one_charge(price))
        .event("2026-11-01T05:30:00Z", "v=1")
        .event("2026-11-01T06:30:00Z", "v=1")
        .event("2026-11-01T07:00:00Z", "v=1");
    assert_eq!((book.amount().as_str(), book.outcome().verdicts.unpriced), ("4", 1));
}

/// Leaves are numbered depth first: a schedule inside the first cell has leaves 0 and 1, the second cell is leaf 2.
#[test]
fn nested_leaves() {
    let price = r#"price = { model = "matrix", cells = [
        { when = { d = "eu" }, price = { model = "schedule", zone = "UTC",
            windows = [{ from = "00:00", to = "12:00", price = { model = "unit", unit_amount = 1 } }],
            otherwise = { model = "unit", unit_amount = 2 } } },
        { when = { d = "us" }, price = { model = "unit", unit_amount = 5 } }] }"#;
    let book = Book::new(one_charge(price))
        .event("2026-01-05T11:59:59Z", "v=1 d=eu")
        .event("2026-01-05T12:00:00Z", "v=1 d=eu")
        .event("2026-01-05T12:00:00Z", "v=1 d=us");
    assert_eq!(book.buckets(), ["2026-01-01: 1, 1, 1", "2026-01-01#1: 1, 1, 2", "2026-01-01#2: 1, 1, 5"]);
}

/// 8 seats would be tier 1, 150 GB force tier 2; the event that sets both is one usage.
#[test]
fn capacity() {
    let catalog = r#"currency = "USD"
[meters.seats]
event_type = "e"
aggregation = "max"
value = "data.seats"
[meters.storage]
event_type = "e"
aggregation = "latest"
value = "data.gb"
[plans.p]
[[plans.p.charges]]
name = "c"
meters = { s = "seats", g = "storage" }
price = { model = "capacity", tiers = [
    { up_to = { s = 10, g = 100 }, flat_amount = 20 },
    { up_to = { s = 50 }, flat_amount = 70 },
    { flat_amount = 300 }] }
[customers.acme]
plan = "p"
starts_on = "2026-01-01"
"#;
    let book = Book::new(catalog).event("2026-01-05", "seats=8 gb=90");
    assert_eq!(book.amount(), "20");
    // Quantities stand in the order of their names, g before s.
    let book = book.event("2026-01-06", "gb=150");
    assert_eq!(book.buckets(), ["2026-01-01: 2, 150+8, 70"]);
    let book = book.event("2026-01-07", "seats=51").event("2026-01-08", "seats=7");
    assert_eq!(book.amount(), "300");
    // A missing meter is 0.
    assert_eq!(Book::new(catalog).event("2026-01-05", "seats=50").amount(), "70");
    assert_eq!(Book::new(catalog).event("2026-01-05", "gb=100").amount(), "20");
}
