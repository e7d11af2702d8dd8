//! Calendars as tables, and the law that periods tile time.

use proptest::prelude::*;

use super::*;
use crate::decimal::Decimal;

fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).unwrap()
}

fn instant(text: &str) -> Instant {
    Instant::from_timestamp(text.parse().unwrap())
}

fn periods(cycle: &str, anchor: &str, zone_name: &str) -> Periods {
    let cycle = Cycle::parse(cycle).unwrap();
    match anchor {
        "calendar" => Periods::new(cycle, Anchor::Calendar, None, zone(zone_name)),
        date => Periods::new(cycle, Anchor::Anniversary, Some(date.parse().unwrap()), zone(zone_name)),
    }
}

#[test]
fn cycles_parse() {
    for (text, expected) in [
        ("1 month", Some(Cycle::Months(1))),
        ("3 months", Some(Cycle::Months(3))),
        ("1 year", Some(Cycle::Months(12))),
        ("2 weeks", Some(Cycle::Days(14))),
        ("30 days", Some(Cycle::Days(30))),
        ("1 day", Some(Cycle::Days(1))),
        ("100 years", Some(Cycle::Months(1200))),
        ("101 years", None),
        ("0 days", None),
        ("-1 month", None),
        ("+1 month", None),
        ("1 hour", None),
        ("month", None),
        ("1  month", None),
        ("70000 days", None),
        ("", None),
    ] {
        assert_eq!(Cycle::parse(text), expected, "{text}");
    }
    assert_eq!(Cycle::Months(1).to_string(), "1 month");
    assert_eq!(Cycle::Days(14).to_string(), "14 days");
}

#[test]
fn period_at_instants() {
    for (cycle, anchor, zone, at, start, end) in [
        ("1 month", "calendar", "UTC", "2026-09-14T12:00:00Z", "2026-09-01T00:00:00Z", "2026-10-01T00:00:00Z"),
        ("1 month", "calendar", "UTC", "2026-10-01T00:00:00Z", "2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z"),
        ("1 month", "calendar", "UTC", "2026-09-30T23:59:59.999999Z", "2026-09-01T00:00:00Z", "2026-10-01T00:00:00Z"),
        // Daylight saving: October in Paris has an hour more, March an hour less.
        ("1 month", "calendar", "Europe/Paris", "2026-10-15T00:00:00Z", "2026-09-30T22:00:00Z", "2026-10-31T23:00:00Z"),
        ("1 month", "calendar", "Europe/Paris", "2026-03-15T00:00:00Z", "2026-02-28T23:00:00Z", "2026-03-31T22:00:00Z"),
        (
            "1 day",
            "calendar",
            "America/New_York",
            "2026-03-08T12:00:00Z",
            "2026-03-08T05:00:00Z",
            "2026-03-09T04:00:00Z",
        ),
        (
            "1 day",
            "calendar",
            "America/New_York",
            "2026-11-01T12:00:00Z",
            "2026-11-01T04:00:00Z",
            "2026-11-02T05:00:00Z",
        ),
        // Midnight does not exist: the day begins at 01:00.
        (
            "1 day",
            "calendar",
            "America/Sao_Paulo",
            "2018-11-04T12:00:00Z",
            "2018-11-04T03:00:00Z",
            "2018-11-05T02:00:00Z",
        ),
        (
            "1 day",
            "calendar",
            "America/Sao_Paulo",
            "2018-11-04T02:59:59Z",
            "2018-11-03T03:00:00Z",
            "2018-11-04T03:00:00Z",
        ),
        ("1 day", "calendar", "Africa/Cairo", "2023-04-28T12:00:00Z", "2023-04-27T22:00:00Z", "2023-04-28T21:00:00Z"),
        // Toronto's gap of 1919 ran from 23:30 to 00:30: the day began at its end, not an hour after midnight.
        (
            "1 day",
            "1919-03-01",
            "America/Toronto",
            "1919-03-31T12:00:00Z",
            "1919-03-31T04:30:00Z",
            "1919-04-01T04:00:00Z",
        ),
        // Midnight twice: the first one counts.
        ("1 day", "calendar", "America/Havana", "2026-11-01T12:00:00Z", "2026-11-01T04:00:00Z", "2026-11-02T05:00:00Z"),
        // Samoa skipped 30 December 2011 altogether.
        ("1 day", "calendar", "Pacific/Apia", "2011-12-30T09:59:59Z", "2011-12-29T10:00:00Z", "2011-12-30T10:00:00Z"),
        ("1 day", "calendar", "Pacific/Apia", "2011-12-30T10:00:00Z", "2011-12-30T10:00:00Z", "2011-12-31T10:00:00Z"),
        // Weeks begin on Monday, quarters in January.
        ("1 week", "calendar", "UTC", "2026-09-13T00:00:00Z", "2026-09-07T00:00:00Z", "2026-09-14T00:00:00Z"),
        ("1 week", "calendar", "UTC", "2026-09-14T00:00:00Z", "2026-09-14T00:00:00Z", "2026-09-21T00:00:00Z"),
        ("3 months", "calendar", "UTC", "2026-06-30T00:00:00Z", "2026-04-01T00:00:00Z", "2026-07-01T00:00:00Z"),
        ("1 year", "calendar", "UTC", "2024-02-29T00:00:00Z", "2024-01-01T00:00:00Z", "2025-01-01T00:00:00Z"),
        // Anniversaries.
        ("1 month", "2026-09-14", "UTC", "2026-09-13T00:00:00Z", "2026-08-14T00:00:00Z", "2026-09-14T00:00:00Z"),
        ("1 month", "2026-01-31", "UTC", "2026-02-28T00:00:00Z", "2026-02-28T00:00:00Z", "2026-03-31T00:00:00Z"),
        ("1 month", "2026-01-31", "UTC", "2026-02-27T23:00:00Z", "2026-01-31T00:00:00Z", "2026-02-28T00:00:00Z"),
        ("1 month", "2024-01-31", "UTC", "2024-02-29T00:00:00Z", "2024-02-29T00:00:00Z", "2024-03-31T00:00:00Z"),
        ("1 month", "2026-01-31", "UTC", "2026-04-30T00:00:00Z", "2026-04-30T00:00:00Z", "2026-05-31T00:00:00Z"),
        ("1 month", "2026-01-30", "UTC", "2026-03-29T00:00:00Z", "2026-02-28T00:00:00Z", "2026-03-30T00:00:00Z"),
        ("1 month", "2026-01-29", "UTC", "2026-03-01T00:00:00Z", "2026-02-28T00:00:00Z", "2026-03-29T00:00:00Z"),
        ("1 year", "2024-02-29", "UTC", "2025-03-01T00:00:00Z", "2025-02-28T00:00:00Z", "2026-02-28T00:00:00Z"),
        ("1 year", "2024-02-29", "UTC", "2028-02-29T00:00:00Z", "2028-02-29T00:00:00Z", "2029-02-28T00:00:00Z"),
        // The origin lies long after, and the range's ends.
        ("1 month", "2150-12-31", "UTC", "1970-01-01T00:00:00Z", "1969-12-31T00:00:00Z", "1970-01-31T00:00:00Z"),
        ("30 days", "2026-01-31", "UTC", "2026-01-30T00:00:00Z", "2026-01-01T00:00:00Z", "2026-01-31T00:00:00Z"),
        ("1 month", "calendar", "UTC", "2199-12-31T23:59:59Z", "2199-12-01T00:00:00Z", "2200-01-01T00:00:00Z"),
    ] {
        let period = periods(cycle, anchor, zone).period_at(instant(at));
        assert_eq!(
            (period.start.to_string(), period.end.to_string()),
            (start.to_owned(), end.to_owned()),
            "{cycle} {anchor} {zone} {at}"
        );
    }
}

#[test]
fn the_ends_of_time_do_not_hang() {
    for micros in [i64::MIN, i64::MAX] {
        for cycle in ["1 month", "1 day", "100 years"] {
            let period = periods(cycle, "calendar", "UTC").period_at(Instant::from_micros(micros));
            assert!(period.start <= period.end, "{cycle} {micros}");
        }
    }
}

#[test]
fn prorates() {
    let paris_march = ("2026-02-28T23:00:00Z", "2026-03-31T22:00:00Z");
    let april = ("2026-04-01T00:00:00Z", "2026-05-01T00:00:00Z");
    for (amount, active_from, (start, end), how, zone_name, expected) in [
        ("30", "2026-04-01T00:00:00Z", april, Proration::Exact, "UTC", "30"),
        ("30", "2026-04-16T00:00:00Z", april, Proration::Exact, "UTC", "15"),
        ("30", "2026-04-16T12:00:00Z", april, Proration::Exact, "UTC", "14.5"),
        ("30", "2026-04-16T12:00:00Z", april, Proration::Day, "UTC", "15"),
        ("30", "2026-04-30T23:59:59Z", april, Proration::Day, "UTC", "1"),
        ("30", "2026-05-01T00:00:00Z", april, Proration::Exact, "UTC", "0"),
        ("10", "2026-04-11T00:00:00Z", april, Proration::Exact, "UTC", "6.666666666666666667"),
        ("-10", "2026-04-11T00:00:00Z", april, Proration::Day, "UTC", "-6.666666666666666667"),
        // From 29 March, the day of 23 hours, to the month's end: 3 dates of 31, or 71 hours of 743.
        ("31", "2026-03-28T23:00:00Z", paris_march, Proration::Day, "Europe/Paris", "3"),
        ("743", "2026-03-28T23:00:00Z", paris_march, Proration::Exact, "Europe/Paris", "71"),
        // Active since before the period: all of it.
        ("30", "2025-01-01T00:00:00Z", april, Proration::Day, "UTC", "30"),
        ("99999999999999999999", "2026-04-16T00:00:00Z", april, Proration::Exact, "UTC", "49999999999999999999.5"),
    ] {
        let amount = Amount::from_decimal(Decimal::parse(amount.as_bytes()).unwrap()).unwrap();
        let period = Period { start: instant(start), end: instant(end) };
        let active = Period { start: instant(active_from), end: period.end };
        let prorated = prorate(amount, &active, &period, how, &zone(zone_name)).unwrap();
        assert_eq!(prorated.to_string(), expected, "{amount} from {active_from} {how:?}");
    }
}

const ZONES: [&str; 9] = [
    "UTC",
    "Europe/Paris",
    "America/New_York",
    "America/Sao_Paulo",
    "Africa/Cairo",
    "America/Havana",
    "Pacific/Apia",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
];

proptest! {
    #[test]
    fn periods_tile_time(
        at in Instant::EVENT_MIN.micros()..Instant::EVENT_END.micros(),
        months in any::<bool>(),
        length in 1_u16..40,
        origin in prop::option::of((1970_i16..2200, 1_i8..=12, 1_i8..=31)),
        zone_index in 0..ZONES.len(),
    ) {
        let cycle = if months { Cycle::Months(length) } else { Cycle::Days(length) };
        let origin = origin.map(|(year, month, day)| {
            let first = Date::new(year, month, 1).unwrap();
            Date::new(year, month, day.min(first.days_in_month())).unwrap()
        });
        let anchor = if origin.is_some() { Anchor::Anniversary } else { Anchor::Calendar };
        let periods = Periods::new(cycle, anchor, origin, zone(ZONES[zone_index]));
        let at = Instant::from_micros(at);
        let period = periods.period_at(at);
        prop_assert!(period.contains(at));
        // Every instant inside, at its edges above all, finds the same period; the next one begins where it ends.
        prop_assert_eq!(periods.period_at(period.start), period);
        prop_assert_eq!(periods.period_at(Instant::from_micros(period.end.micros() - 1)), period);
        let next = periods.next(&period);
        prop_assert_eq!(next.start, period.end);
        prop_assert!(next.start < next.end);
        let before = periods.period_at(Instant::from_micros(period.start.micros() - 1));
        prop_assert_eq!(before.end, period.start);
        if let Some(origin) = origin {
            let start = periods.starts_at(origin);
            prop_assert_eq!(periods.period_at(start).start, start);
        }
    }

    #[test]
    fn parts_sum_to_the_whole_within_a_unit_of_rounding(
        amount in -10_i128.pow(30)..10_i128.pow(30),
        split in 1_i64..2_678_399,
    ) {
        let period = Period { start: instant("2026-01-01T00:00:00Z"), end: instant("2026-02-01T00:00:00Z") };
        let middle = Instant::from_micros(period.start.micros() + split * 1_000_000);
        let amount = Amount::from_scaled(amount).unwrap();
        let part = |start, end| {
            prorate(amount, &Period { start, end }, &period, Proration::Exact, &TimeZone::UTC).unwrap().scaled()
        };
        let sum = part(period.start, middle) + part(middle, period.end);
        prop_assert!((sum - amount.scaled()).abs() <= 1);
    }
}
