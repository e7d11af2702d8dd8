//! Every aggregation of rating.md 1.

use super::{Book, HEAD, charge_of};

/// A plan whose charge has unit price 1 on this meter, so that A is Q.
fn metered(meter: &str, charge: &str) -> Book {
    let charge = charge_of("m", &format!("price = {{ model = \"unit\", unit_amount = 1 }}\n{charge}"));
    Book::new(format!(
        "{HEAD}[meters.m]\nevent_type = \"e\"\n{meter}\n[plans.p]\n{charge}[customers.acme]\nplan = \"p\"\nstarts_on = \"2026-01-01\"\n"
    ))
}

#[test]
fn sets_of_events() {
    for (meter, expected) in [
        ("aggregation = \"count\"\nscale = 3", "4"),
        ("aggregation = \"sum\"\nvalue = \"data.v\"\nscale = 1", "16.5"),
        ("aggregation = \"max\"\nvalue = \"data.v\"\nscale = 1", "7.5"),
        ("aggregation = \"min\"\nvalue = \"data.v\"\nscale = 1", "2"),
        // The third event is the latest, though another one comes after it.
        ("aggregation = \"latest\"\nvalue = \"data.v\"\nscale = 1", "4"),
        ("aggregation = \"unique_count\"\nvalue = \"data.u\"", "2"),
        // Slots of five minutes: 3 + 7.5 = 10.5 in the first, 4 and 2 in others. Of three, the second is rank 50.
        ("aggregation = \"percentile\"\nvalue = \"data.v\"\nscale = 1\nrank = 50\nslot = \"5m\"", "4"),
        ("aggregation = \"percentile\"\nvalue = \"data.v\"\nscale = 1\nrank = 100\nslot = \"5m\"", "10.5"),
        (
            "aggregation = \"percentile\"\nvalue = \"data.v\"\nscale = 1\nrank = 100\nslot = \"5m\"\nslot_value = \"max\"",
            "7.5",
        ),
        // January has 8928 slots; with three of them used, rank 99.95 is the 8924th, the last empty one is the 8925th.
        (
            "aggregation = \"percentile\"\nvalue = \"data.v\"\nscale = 1\nrank = \"99.95\"\nslot = \"5m\"\nfill = \"zero\"",
            "0",
        ),
        // ceil(99.97% of 8928) = ceil(8925.3216) = 8926: the least of the three.
        (
            "aggregation = \"percentile\"\nvalue = \"data.v\"\nscale = 1\nrank = \"99.97\"\nslot = \"5m\"\nfill = \"zero\"",
            "2",
        ),
    ] {
        let book = metered(meter, "")
            .event("2026-01-05T10:00:00Z", "v=3 u=a")
            .event("2026-01-05T10:04:59.999999Z", "v=7.5 u=b")
            .event("2026-01-06T10:00:00Z", "v=4 u=a")
            .event("2026-01-05T10:30:00Z", "v=2 u=b");
        assert_eq!(book.amount(), expected, "{meter}");
    }
}

/// Of two events at the same time the one with the greater (source, id) stands.
#[test]
fn the_greater_id_is_the_latest() {
    let book = metered("aggregation = \"latest\"\nvalue = \"data.v\"", "")
        .event("2026-01-05", "v=3")
        .event("2026-01-05", "v=9")
        .event("2026-01-04", "v=5");
    assert_eq!(book.amount(), "9");
}

const GB_HOURS: &str = "aggregation = \"weighted_sum\"\nvalue = \"data.v\"\nvalues = \"delta\"\nper = \"hour\"";

/// +2 GB on 30 January at noon, +1 GB on 31 January at noon: 2 × 36 h + 1 × 12 h = 84. February opens with 3 GB for 672
/// hours, with no event at all; March is not sealed and has none. In March 5 GB go: 3 × 24 h = 72, then the level is
/// −2, and Q below 0 prices as P(0).
#[test]
fn levels_are_carried() {
    let book = metered(GB_HOURS, "").event("2026-01-30T12:00:00Z", "v=2").event("2026-01-31T12:00:00Z", "v=1");
    assert_eq!(book.buckets(), ["2026-01-01: 2, 84, 84"]);
    let book = book.close("2026-03-01");
    assert_eq!(book.buckets(), ["2026-01-01: 2, 84, 84", "2026-02-01: 0, 2016, 2016"]);
    let book = book.event("2026-03-02", "v=-5").close("2026-05-01");
    let march = 3 * 24 - 2 * 30 * 24;
    assert_eq!(
        book.buckets(),
        [
            "2026-01-01: 2, 84, 84".to_owned(),
            "2026-02-01: 0, 2016, 2016".to_owned(),
            format!("2026-03-01: 1, {march}, 0"),
            format!("2026-04-01: 0, {}, 0", -2 * 30 * 24),
        ]
    );
    // A late +1 on 1 January weighs 744 hours there and 672 more in February.
    let book = Book { log: book.log[..3].to_vec(), ..book }.event("2026-01-01", "v=1").close("2026-04-01");
    assert_eq!(
        book.buckets(),
        [
            format!("2026-01-01: 3, {0}, {0}", 84 + 744),
            format!("2026-02-01: 0, {0}, {0}", 2016 + 672),
            // The clock of UTC does not change: 744 hours in March, too.
            format!("2026-03-01: 0, {0}, {0}", 4 * 744),
        ]
    );
}

#[test]
fn levels_without_carry_start_from_zero() {
    let book = metered(&format!("{GB_HOURS}\ncarry = false"), "")
        .event("2026-01-31", "v=2")
        .event("2026-02-28T23:00:00Z", "v=1")
        .close("2026-04-01");
    assert_eq!(book.buckets(), ["2026-01-01: 1, 48, 48", "2026-02-01: 1, 1, 1", "2026-03-01: 0, 0, 0"]);
}

/// Absolute levels, per group, by the day: a is 4 for a day and 1 for the last of January, b is 2 for two days.
#[test]
fn absolute_levels() {
    let meter = "aggregation = \"weighted_sum\"\nvalue = \"data.v\"\nvalues = \"level\"\nper = \"day\"\ndimensions = { d = \"data.d\" }";
    let book = metered(meter, "group_by = [\"d\"]")
        .event("2026-01-30", "v=4 d=a")
        .event("2026-01-31", "v=1 d=a")
        .event("2026-01-30", "v=2 d=b");
    assert_eq!(book.buckets(), ["2026-01-01/a: 2, 5, 5", "2026-01-01/b: 1, 4, 4"]);
}

const READING: &str = "aggregation = \"sum\"\nvalue = \"data.v\"\nvalues = \"reading\"";

/// 100 (the first: 0), 130 (30), on 2 February 150 (20, February's).
#[test]
fn readings_are_differences() {
    let book =
        metered(READING, "").event("2026-01-05", "v=100").event("2026-02-02", "v=150").event("2026-01-06", "v=130");
    assert_eq!(book.buckets(), ["2026-01-01: 2, 30, 30", "2026-02-01: 1, 20, 20"]);
}

/// 90, then 10: with wrap_at 100 that is 20, with a reset 10, else nothing. 15 then is 5 more.
#[test]
fn readings_that_fall() {
    for (keys, expected) in [("wrap_at = 100", "25"), ("reset = true", "15"), ("", "5")] {
        let book = metered(&format!("{READING}\n{keys}"), "")
            .event("2026-01-05", "v=90")
            .event("2026-01-06", "v=10")
            .event("2026-01-07", "v=15");
        assert_eq!(book.amount(), expected, "{keys}");
    }
}

/// Each series has its own counter: a 5 and b 7. The estimate of 50 counts 40 until the real 30 comes, which makes it
/// 20.
#[test]
fn series_and_estimates() {
    let meter = format!("{READING}\nseries = \"s\"\ndimensions = {{ s = \"data.s\" }}\nestimated = \"data.e\"");
    let book = metered(&meter, "")
        .event("2026-01-05", "v=10 s=a")
        .event("2026-01-05", "v=100 s=b")
        .event("2026-01-06", "v=15 s=a")
        .event("2026-01-06", "v=107 s=b");
    assert_eq!(book.amount(), "12");
    let book = metered(&meter, "").event("2026-01-05", "v=10").event("2026-01-31", "v=50 e=true");
    assert_eq!(book.amount(), "40");
    // The reading comes in February: January is left with nothing, both events stay counted.
    let book = book.event("2026-02-02", "v=30 e=false");
    assert_eq!(book.buckets(), ["2026-01-01: 2, 0, 0", "2026-02-01: 1, 20, 20"]);
}
