//! Windows of local time: weekdays, holidays, midnight, and the days on which clocks change.

use jiff::civil::date;
use jiff::tz::TimeZone;

use super::*;

fn window(days: &[&str], from: u16, to: u16) -> Window {
    let position = |name: &&str| (0_u32..).zip(Days::NAMES).find(|(_, other)| other == name).unwrap().0;
    let days = if days.is_empty() { Days::EVERY } else { days.iter().map(position).fold(Days::none(), Days::with) };
    let price = Price::Unit(Unit { unit_amount: UnitAmount::ZERO, per: quantity("1"), unit: UNIT });
    Window { days, from: from / 100 * 60 + from % 100, to: to / 100 * 60 + to % 100, price }
}

/// In Paris; 25 December 2026 is a Friday, 28 December a Monday, and both are holidays here.
fn schedule(windows: Vec<Window>) -> Schedule {
    let holidays = [date(2026, 12, 25), date(2026, 12, 28)].into();
    Schedule::new(TimeZone::get("Europe/Paris").unwrap(), holidays, windows, None).unwrap()
}

fn check(schedule: &Schedule, rows: &[(&str, Option<usize>)]) {
    for (at, expected) in rows {
        let at_instant = Instant::from_timestamp(at.parse().unwrap());
        assert_eq!(schedule.window_at(at_instant), *expected, "{at}");
    }
}

#[test]
fn half_open_and_first_match() {
    let schedule = schedule(vec![window(&[], 800, 1200), window(&[], 1100, 2000)]);
    check(
        &schedule,
        &[
            ("2026-10-01T07:59:59.999999+02:00", None),
            ("2026-10-01T08:00:00+02:00", Some(0)),
            ("2026-10-01T11:59:59+02:00", Some(0)),
            ("2026-10-01T12:00:00+02:00", Some(1)),
            ("2026-10-01T20:00:00+02:00", None),
        ],
    );
}

#[test]
fn a_wrapping_window_belongs_to_the_day_on_which_it_began() {
    let schedule = schedule(vec![window(&["mon"], 2000, 600), window(&["holiday"], 2200, 100)]);
    check(
        &schedule,
        &[
            ("2026-10-05T01:00:00+02:00", None),
            ("2026-10-05T20:00:00+02:00", Some(0)),
            ("2026-10-06T02:00:00+02:00", Some(0)),
            ("2026-10-06T06:00:00+02:00", None),
            ("2026-10-06T20:00:00+02:00", None),
            // The Monday that is a holiday is no Monday, also in the night after it.
            ("2026-12-28T21:00:00+01:00", None),
            ("2026-12-28T22:00:00+01:00", Some(1)),
            ("2026-12-29T00:59:00+01:00", Some(1)),
            ("2026-12-29T02:00:00+01:00", None),
        ],
    );
}

#[test]
fn holidays_are_no_weekdays() {
    let schedule = schedule(vec![window(&["fri"], 0, 0), window(&["holiday", "sun"], 0, 1200), window(&[], 0, 2400)]);
    check(
        &schedule,
        &[
            ("2026-12-18T10:00:00+01:00", Some(0)),
            ("2026-12-25T10:00:00+01:00", Some(1)),
            ("2026-12-25T12:00:00+01:00", Some(2)),
            ("2026-12-27T11:59:00+01:00", Some(1)),
            ("2026-12-26T00:00:00+01:00", Some(2)),
        ],
    );
}

/// The repeated hour is in its window twice, the skipped one never.
#[test]
fn clocks_that_change() {
    let schedule = schedule(vec![window(&[], 200, 300)]);
    check(
        &schedule,
        &[
            // 25 October 2026: 02:00 to 03:00 happens in summer time and again in winter time.
            ("2026-10-24T23:59:59Z", None),
            ("2026-10-25T00:00:00Z", Some(0)),
            ("2026-10-25T01:00:00Z", Some(0)),
            ("2026-10-25T01:59:59Z", Some(0)),
            ("2026-10-25T02:00:00Z", None),
            // 29 March 2026: 02:00 to 03:00 does not happen.
            ("2026-03-29T00:59:59Z", None),
            ("2026-03-29T01:00:00Z", None),
        ],
    );
}

#[test]
fn windows_are_named() {
    for (window, expected) in [
        (window(&["mon", "holiday"], 2000, 600), "mon,holiday 20:00-06:00"),
        (window(&[], 0, 2400), "00:00-24:00"),
        (window(&["sat", "sun"], 700, 700), "sat,sun 00:00-24:00"),
        (window(&[], 5, 2355), "00:05-23:55"),
    ] {
        assert_eq!(window.to_string(), expected);
    }
}

#[test]
fn a_schedule_stands_in_no_schedule() {
    let inner = Price::Schedule(schedule(vec![window(&[], 0, 0)]));
    let outer =
        |price: Price| Schedule::new(TimeZone::UTC, [].into(), vec![Window { price, ..window(&[], 0, 0) }], None);
    assert!(outer(inner.clone()).is_none());
    let matrix = Matrix::new(vec![], vec![MatrixCell { when: vec![], price: inner }], None).unwrap();
    assert!(outer(Price::Matrix(matrix)).is_none());
}
