//! Calendars: what part of a period costs, where periods begin, and which days they touch.
//!
//! A fee in advance for a plan that ends is credited by the part that is left; what the part costs is all that counts here.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use weir_model::calendar::{Anchor, Cycle, Periods, part_of, prorate};
use weir_model::catalog::Proration;
use weir_model::charge::Fraction;
use weir_model::currency::Currency;
use weir_model::number::Amount;
use weir_model::rounding::RoundingMode;
use weir_model::time::{Instant, Period};

use crate::Theirs::{Agreed, Differs};
use crate::{Theirs, amount};

/// Id, currency, the period, its active part, and what amounts per period come to.
struct Part {
    id: &'static str,
    currency: &'static str,
    period: &'static str,
    active: &'static str,
    /// Per period, and for the part.
    amounts: &'static [(&'static str, &'static str)],
    theirs: Theirs,
}

const fn part(
    id: &'static str,
    period: &'static str,
    active: &'static str,
    amounts: &'static [(&'static str, &'static str)],
) -> Part {
    Part { id, currency: "USD", period, active, amounts, theirs: Agreed }
}

const JANUARY: &str = "2025-01-01/2025-01-31";
const MARCH: &str = "2024-03-01/2024-04-01";
const MARCH_FROM_15: &str = "2024-03-15/2024-04-01";

const PARTS: &[Part] = &[
    part("a046", "2026-01-01/2026-02-01", "2026-01-01/2026-01-16", &[("100", "48.39")]),
    Part { currency: "JPY", ..part("a048", "2026-01-01/2026-02-01", "2026-01-01/2026-01-11", &[("1000", "323")]) },
    Part {
        theirs: Differs("100.00", "no time costs nothing; theirs has no length to divide by and takes all"),
        ..part("a050", "2026-01-01/2026-02-01", "2026-01-01/2026-01-01", &[("100", "0.00")])
    },
    part("a052", "2024-01-01/2024-04-01", "2024-01-01/2024-02-01", &[("9", "3.07")]),
    // A week from Monday on, begun on Wednesday; cents.
    part("a116", "2022-06-20/2022-06-27", "2022-06-22/2022-06-27", &[("1.00", "0.71")]),
    // A trial of 3 and of 45 days: the plan begins behind it.
    part("a118", "2022-01-01/2022-02-01", "2022-01-04/2022-02-01", &[("1.00", "0.90")]),
    part("a120", "2022-01-01/2022-02-01", "2022-02-15/2022-02-15", &[("1.00", "0.00")]),
    part("a180", MARCH, MARCH_FROM_15, &[("20", "10.97"), ("10", "5.48")]),
    part("a182", MARCH, MARCH_FROM_15, &[("100", "54.84"), ("50", "27.42")]),
    part("a184", MARCH, MARCH_FROM_15, &[("40", "21.94")]),
    part("b010", JANUARY, "2025-01-30/2025-01-31", &[("600", "20.00"), ("300", "10.00")]),
    part("b012", JANUARY, "2025-01-31/2025-01-31", &[("200", "0.00"), ("100", "0.00")]),
    part("b014", JANUARY, "2025-01-16/2025-01-31", &[("100", "50.00"), ("50", "25.00")]),
    // A fee's cycle is its plan's: a year's fee is a part of a year, in whatever plan it stands.
    part("b016", "2025-01-01/2026-01-01", "2025-01-01/2025-01-31", &[("3650", "300.00")]),
    part(
        "b018",
        "2025-01-01/2025-02-01",
        "2025-01-16/2025-02-01",
        &[("29", "14.97"), ("10", "5.16"), ("99", "51.10"), ("25", "12.90")],
    ),
    part(
        "b020",
        "2025-01-01/2025-02-01",
        "2025-01-16/2025-02-01",
        &[("35", "18.06"), ("29", "14.97"), ("50", "25.81")],
    ),
    part("b022", "2025-02-01/2025-03-01", "2025-02-01/2025-02-15", &[("30", "15.00")]),
    part("b022", "2025-02-01/2025-03-01", "2025-02-15/2025-03-01", &[("50", "25.00")]),
    // Beside 39.00: 54.48.
    part("b024", "2025-01-01/2025-02-01", "2025-01-16/2025-02-01", &[("30", "15.48")]),
    // Beside a full month: 14.52.
    part("b062", "2011-08-15/2011-09-15", "2011-09-01/2011-09-15", &[("10", "4.52")]),
    // 100 less what was not used: 93.55.
    part("b064", "2011-07-20/2011-08-20", "2011-07-31/2011-08-20", &[("10", "6.45")]),
    part("b088", "2025-01-01/2025-01-31", "2025-01-16/2025-01-31", &[("20", "10.00"), ("10", "5.00")]),
];

/// Id, cycle, anchor, where the customer starts, an instant, and the part of its period from that start on.
const ANCHORS: &[(&str, &str, Anchor, &str, &str, &str)] = &[
    ("a140", "1 month", Anchor::Anniversary, "2021-03-31", "2022-03-29", "2022-02-28/2022-03-31"),
    ("a196", "1 month", Anchor::Anniversary, "2027-01-31", "2028-01-31", "2028-01-31/2028-02-29"),
    ("a198", "1 month", Anchor::Anniversary, "2026-01-31", "2026-12-31", "2026-12-31/2027-01-31"),
    ("b026", "1 month", Anchor::Anniversary, "2024-01-31", "2024-01-31", "2024-01-31/2024-02-29"),
    ("b026", "1 month", Anchor::Anniversary, "2024-01-31", "2024-02-29", "2024-02-29/2024-03-31"),
    ("b028", "1 year", Anchor::Calendar, "2021-01-10", "2021-01-10", "2021-01-10/2022-01-01"),
    ("b062", "1 month", Anchor::Anniversary, "2011-08-15", "2011-09-01", "2011-08-15/2011-09-15"),
];

/// The ids that stand in these tables.
pub fn ids() -> impl Iterator<Item = &'static str> {
    let anchors = ANCHORS.iter().map(|(id, ..)| *id);
    PARTS.iter().map(|part| part.id).chain(anchors).chain(["a126", "a190", "b066"])
}

fn date(text: &str) -> Date {
    text.parse().unwrap()
}

fn period(text: &str, zone: &TimeZone) -> Period {
    let (start, end) = text.split_once('/').unwrap();
    let at = |text| Periods::new(Cycle::Days(1), Anchor::Calendar, None, zone.clone()).starts_at(date(text));
    Period { start: at(start), end: at(end) }
}

fn minor(amount: Amount, currency: &str) -> String {
    amount.to_money(Currency::parse(currency).unwrap(), RoundingMode::HalfAway).to_decimal_text()
}

#[test]
fn parts_of_periods() {
    for Part { id, currency, period: whole, active, amounts, theirs } in PARTS {
        let (whole, active) = (period(whole, &TimeZone::UTC), period(active, &TimeZone::UTC));
        for (per_period, ours) in *amounts {
            // Whole days in a zone without clock changes: both ways agree.
            for how in [Proration::Exact, Proration::Day] {
                let part = prorate(amount(per_period), &active, &whole, how, &TimeZone::UTC).unwrap();
                assert_eq!(minor(part, currency), *ours, "{id}: {per_period}, {how:?}");
            }
            theirs.check(id, ours);
        }
    }
}

#[test]
fn anchors() {
    for (id, cycle, anchor, starts_on, at, expected) in ANCHORS {
        let periods = Periods::new(Cycle::parse(cycle).unwrap(), *anchor, Some(date(starts_on)), TimeZone::UTC);
        let mut found = periods.period_at(periods.starts_at(date(at)));
        found.start = found.start.max(periods.starts_at(date(starts_on)));
        assert_eq!(found, period(expected, &TimeZone::UTC), "{id}");
    }
}

/// a126: a minimum of 10.00 for 25 of 28 days, of which 8.00 are used.
#[test]
fn a_minimum_for_a_part() {
    let (whole, active) =
        (period("2023-02-01/2023-03-01", &TimeZone::UTC), period("2023-02-01/2023-02-26", &TimeZone::UTC));
    let part = part_of(&active, &whole, Proration::Day, &TimeZone::UTC);
    assert_eq!(part, Fraction { numerator: 25, denominator: 28 });
    let least = part.of(amount("10")).unwrap().to_money(Currency::parse("USD").unwrap(), RoundingMode::HalfAway);
    assert_eq!(least.minor() - 800, 93);
}

/// a190: two days across the hour that spring takes.
#[test]
fn days_across_a_clock_change() {
    let zone = TimeZone::get("America/New_York").unwrap();
    let (whole, active) = (period("2024-03-01/2024-04-01", &zone), period("2024-03-09/2024-03-11", &zone));
    assert_eq!(part_of(&active, &whole, Proration::Day, &zone), Fraction { numerator: 2, denominator: 31 });
    assert_eq!(active.end.micros() - active.start.micros(), 47 * 3_600_000_000);
}

/// b066: eight of thirty days. Theirs always divides by 30; ours does because that period has as many.
#[test]
fn a_month_of_thirty_days() {
    let periods = Periods::new(Cycle::Months(1), Anchor::Anniversary, Some(date("2023-04-23")), TimeZone::UTC);
    let start: Instant = periods.starts_at(date("2023-05-15"));
    let whole = periods.period_at(start);
    let active = Period { start, ..whole };
    assert_eq!(part_of(&active, &whole, Proration::Day, &TimeZone::UTC), Fraction { numerator: 8, denominator: 30 });
}
