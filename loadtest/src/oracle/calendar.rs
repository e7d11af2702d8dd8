//! Billing cycles and time zones (rating.md 8): which period an instant lies in, and how much of it a stretch is.
//!
//! Owns: dates to instants. A period starts with the first instant of its local date; its number counts from the
//! origin, so that the end of the month does not drift.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use super::number::Exact;

/// A half-open span of time, in microseconds since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Period {
    pub(super) start: i64,
    pub(super) end: i64,
}

/// How long a period is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Cycle {
    Months(i64),
    Days(i64),
}

impl Cycle {
    /// `1 month`, `2 weeks`, ...
    pub(super) fn parse(text: &str) -> Result<Cycle> {
        let (count, unit) = text.split_once(' ').with_context(|| format!("{text:?} is no cycle"))?;
        let count: i64 = count.parse()?;
        Ok(match unit.trim_end_matches('s') {
            "month" => Cycle::Months(count),
            "year" => Cycle::Months(12 * count),
            "week" => Cycle::Days(7 * count),
            "day" => Cycle::Days(count),
            _ => bail!("{text:?} is no cycle"),
        })
    }
}

/// How a part of a period is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Proration {
    /// In microseconds.
    Exact,
    /// In local days that it touches.
    Day,
}

/// The first instant of a local date.
pub(super) fn first_instant(date: Date, zone: &TimeZone) -> Result<i64> {
    let midnight = date.to_zoned(zone.clone()).with_context(|| date.to_string())?;
    Ok(midnight.start_of_day()?.timestamp().as_microsecond())
}

/// A date, or an instant in RFC 3339, as an instant.
pub(super) fn instant(text: &str, zone: &TimeZone) -> Result<i64> {
    if text.contains('T') {
        return Ok(text.parse::<Timestamp>()?.as_microsecond());
    }
    first_instant(text.parse().with_context(|| text.to_owned())?, zone)
}

/// The local date of an instant.
fn local_date(at: i64, zone: &TimeZone) -> Result<Date> {
    Ok(zone.to_datetime(Timestamp::from_microsecond(at)?).date())
}

/// The periods of a plan for one customer.
#[derive(Debug, Clone)]
pub(super) struct Calendar {
    cycle: Cycle,
    origin: Date,
    zone: TimeZone,
    /// Periods met so far, by start.
    known: BTreeMap<i64, Period>,
}

impl Calendar {
    /// With the anniversary of a date, else from the calendar: months from January 1970, days from Monday, 5 January
    /// 1970.
    pub(super) fn new(cycle: Cycle, anniversary: Option<Date>, zone: TimeZone) -> Calendar {
        let origin = anniversary.unwrap_or(match cycle {
            Cycle::Months(_) => date(1970, 1, 1),
            Cycle::Days(_) => date(1970, 1, 5),
        });
        Calendar { cycle, origin, zone, known: BTreeMap::new() }
    }

    /// The first instant of period `number`.
    fn start(&self, number: i64) -> Result<i64> {
        let day = match self.cycle {
            // The sum is clamped to the month's last day.
            Cycle::Months(count) => self.origin.checked_add((number * count).months())?,
            Cycle::Days(count) => self.origin.checked_add((number * count).days())?,
        };
        first_instant(day, &self.zone)
    }

    /// The period that an instant lies in.
    pub(super) fn period_at(&mut self, at: i64) -> Result<Period> {
        if let Some((_, period)) = self.known.range(..=at).next_back()
            && at < period.end
        {
            return Ok(*period);
        }
        let day = local_date(at, &self.zone)?;
        let mut number = match self.cycle {
            Cycle::Months(count) => {
                let months = |day: Date| i64::from(day.year()) * 12 + i64::from(day.month());
                (months(day) - months(self.origin)).div_euclid(count)
            }
            Cycle::Days(count) => days_between(self.origin, day)?.div_euclid(count),
        };
        while self.start(number)? > at {
            number -= 1;
        }
        while self.start(number + 1)? <= at {
            number += 1;
        }
        let period = Period { start: self.start(number)?, end: self.start(number + 1)? };
        self.known.insert(period.start, period);
        Ok(period)
    }

    /// Which part of the period lies in [start, end).
    pub(super) fn fraction(&self, period: Period, (start, end): (i64, i64), proration: Proration) -> Result<Exact> {
        let measure = |start: i64, end: i64| match proration {
            Proration::Exact => Ok(end - start),
            Proration::Day => {
                days_between(local_date(start, &self.zone)?, local_date(end - 1, &self.zone)?).map(|days| days + 1)
            }
        };
        Ok(Exact::new(measure(start, end)?.into(), measure(period.start, period.end)?.into()))
    }
}

fn days_between(from: Date, to: Date) -> Result<i64> {
    Ok(i64::from(from.until((jiff::Unit::Day, to))?.get_days()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(name: &str) -> TimeZone {
        TimeZone::get(name).unwrap()
    }

    fn at(text: &str) -> i64 {
        instant(text, &TimeZone::UTC).unwrap()
    }

    /// Cycle, anniversary, zone, instant, the period's start and end.
    #[test]
    fn periods() {
        for (cycle, anniversary, name, instant, start, end) in [
            ("1 month", None, "UTC", "2026-02-15T00:00:00Z", "2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z"),
            // An instant on the boundary belongs to the later period.
            ("1 month", None, "UTC", "2026-03-01T00:00:00Z", "2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z"),
            // Paris is one hour ahead in March, two from the 29th on.
            ("1 month", None, "Europe/Paris", "2026-03-15T00:00:00Z", "2026-02-28T23:00:00Z", "2026-03-31T22:00:00Z"),
            ("1 month", None, "Asia/Kathmandu", "2026-01-31T18:15:00Z", "2026-01-31T18:15:00Z", "2026-02-28T18:15:00Z"),
            // The 31st is clamped to the end of February, and is the 31st again in March.
            (
                "1 month",
                Some("2026-01-31"),
                "UTC",
                "2026-03-15T00:00:00Z",
                "2026-02-28T00:00:00Z",
                "2026-03-31T00:00:00Z",
            ),
            (
                "1 month",
                Some("2024-01-31"),
                "UTC",
                "2024-02-29T00:00:00Z",
                "2024-02-29T00:00:00Z",
                "2024-03-31T00:00:00Z",
            ),
            // Quarters from January, weeks from Monday.
            ("3 months", None, "UTC", "2026-05-15T00:00:00Z", "2026-04-01T00:00:00Z", "2026-07-01T00:00:00Z"),
            ("1 week", None, "UTC", "2026-11-22T12:00:00Z", "2026-11-16T00:00:00Z", "2026-11-23T00:00:00Z"),
            (
                "10 days",
                Some("2026-03-25"),
                "Europe/Paris",
                "2026-03-30T00:00:00Z",
                "2026-03-24T23:00:00Z",
                "2026-04-03T22:00:00Z",
            ),
            (
                "1 year",
                Some("2024-02-29"),
                "UTC",
                "2026-02-28T00:00:00Z",
                "2026-02-28T00:00:00Z",
                "2027-02-28T00:00:00Z",
            ),
        ] {
            let anniversary = anniversary.map(|day| day.parse().unwrap());
            let mut calendar = Calendar::new(Cycle::parse(cycle).unwrap(), anniversary, zone(name));
            let expected = Period { start: at(start), end: at(end) };
            assert_eq!(calendar.period_at(at(instant)).unwrap(), expected, "{cycle} {name} {instant}");
        }
    }

    /// The day after the clocks went back has 25 hours before it.
    #[test]
    fn fractions_by_duration_and_by_day() {
        let mut calendar = Calendar::new(Cycle::Months(1), None, zone("Europe/Paris"));
        let period = calendar.period_at(at("2026-10-10T00:00:00Z")).unwrap();
        // 26 October, 0:00 in Paris (winter): six days of 24 hours are left of 31 days and one hour.
        let start = at("2026-10-25T23:00:00Z");
        let exact = calendar.fraction(period, (start, period.end), Proration::Exact).unwrap();
        assert_eq!(exact, Exact::new((6 * 24).into(), (31 * 24 + 1).into()));
        let by_day = calendar.fraction(period, (start + 1, period.end), Proration::Day).unwrap();
        assert_eq!(by_day, Exact::new(6.into(), 31.into()));
    }
}
