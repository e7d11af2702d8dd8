//! Levels over time, and figures that are split by weights.

use weir_model::aggregation::{LevelValues, OrderedEvent, Series};
use weir_model::decimal::decimal_string;
use weir_model::number::Quantity;
use weir_model::rounding::{RoundingMode, divide_i128};
use weir_model::share::share;
use weir_model::time::{Instant, Period};

/// Id, cents, weights, shares in cents.
const SHARES: &[(&str, i128, &[u128], &[i128])] = &[
    ("a060", 600, &[10, 5], &[400, 200]),
    ("a062", 10_000, &[1, 2, 3], &[1667, 3333, 5000]),
    // A discount over lines of 3.33, 3.33 and 3.34 leaves 3.00 of each.
    ("b032", 100, &[333, 333, 334], &[33, 33, 34]),
];

/// The ids that stand here.
pub fn ids() -> impl Iterator<Item = &'static str> {
    SHARES.iter().map(|(id, ..)| *id).chain(["a114"])
}

#[test]
fn shares() {
    for (id, total, weights, expected) in SHARES {
        assert_eq!(share(*total, weights), *expected, "{id}");
    }
}

/// a114: changes of a level on the first of August. Theirs is the average level of the month, at five decimals; Weir's quantity is
/// level x time, here unit-hours, and the average is that by the month's hours.
#[test]
fn a_level_over_time() {
    const MINUTE: i64 = 60_000_000;
    let day = "2023-08-01T00:00:00Z".parse().map(Instant::from_timestamp).unwrap();
    let month = Period { start: day, end: "2023-09-01T00:00:00Z".parse().map(Instant::from_timestamp).unwrap() };
    let changes = [(0, 2), (60, 3), (90, 1), (120, -4), (240, -2), (300, 10), (330, -10)];
    let event = |(minute, change): (i64, i128)| OrderedEvent {
        time: Instant::from_micros(day.micros() + minute * MINUTE),
        source: Box::default(),
        id: Box::default(),
        value: Quantity::from_scaled(change),
        estimated: false,
        fingerprint: 0,
    };
    let series = Series::from_events(changes.map(event).to_vec());
    let (weighted, opening) = series.weighted(LevelValues::Delta, &month).unwrap();
    assert_eq!(opening, Quantity::ZERO);
    assert_eq!(weighted.scaled() * 10, i128::from(60 * MINUTE) * 165, "16.5 unit-hours");
    let length = i128::from(month.end.micros() - month.start.micros());
    let average = divide_i128(weighted.scaled() * 100_000, length, RoundingMode::HalfAway).unwrap();
    assert_eq!(decimal_string(average, 5), "0.02218");
}
