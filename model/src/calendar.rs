//! Billing cycles (rating.md 8): periods in an account's zone, calendar or anniversary anchors with month-end clamping,
//! and how a partial period shrinks a fee.
//!
//! Owns: every rule that turns dates into instants. Does not own: which account has which cycle (the catalog), nor any
//! clock. Period n always comes from the origin's date, never from period n - 1, so month-end clamping does not drift.
//! Keeps L5, L6.

use std::fmt;

use jiff::civil::{Date, Time};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Span, Timestamp};

use crate::catalog::Proration;
use crate::charge::Fraction;
use crate::number::{Amount, Overflow};
use crate::time::{Instant, Period};

/// Length of a billing period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cycle {
    /// So many months (a year is twelve), at least 1.
    Months(u16),
    /// So many days (a week is seven), at least 1.
    Days(u16),
}

/// The longest cycle in months: a hundred years.
const MONTHS_MAX: u16 = 1_200;
/// The longest cycle in days: a hundred years.
const DAYS_MAX: u16 = 36_525;

impl Cycle {
    /// Parses `1 month`, `3 months`, `1 year`, `2 weeks`, `30 days`; `None` for anything else, for zero and for more
    /// than a hundred years.
    pub fn parse(text: &str) -> Option<Cycle> {
        let (count, unit) = text.split_once(' ')?;
        if !count.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let count: u16 = count.parse().ok()?;
        let cycle = match unit {
            "month" | "months" => Cycle::Months(count),
            "year" | "years" => Cycle::Months(count.checked_mul(12)?),
            "week" | "weeks" => Cycle::Days(count.checked_mul(7)?),
            "day" | "days" => Cycle::Days(count),
            _ => return None,
        };
        let fits = match cycle {
            Cycle::Months(months) => (1..=MONTHS_MAX).contains(&months),
            Cycle::Days(days) => (1..=DAYS_MAX).contains(&days),
        };
        fits.then_some(cycle)
    }
}

impl fmt::Display for Cycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, unit) = match self {
            Cycle::Months(count) => (count, "month"),
            Cycle::Days(count) => (count, "day"),
        };
        write!(f, "{count} {unit}{}", if *count == 1 { "" } else { "s" })
    }
}

/// Where periods begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    /// Months: the first of the month, counted from January 1970. Days: counted from Monday, 5 January 1970.
    Calendar,
    /// The day the customer started on.
    Anniversary,
}

/// The periods of one customer: they tile time, each beginning at the first instant of its local day.
#[derive(Debug, Clone)]
pub struct Periods {
    cycle: Cycle,
    /// A date on which a period begins.
    origin: Date,
    zone: TimeZone,
}

/// Origin of calendar months.
const FIRST_MONTH: Date = Date::constant(1970, 1, 1);
/// Origin of calendar days and weeks: a Monday.
const FIRST_MONDAY: Date = Date::constant(1970, 1, 5);

const YEAR_1: Instant = Instant::from_micros(-62_135_596_800_000_000);
const YEAR_4000: Instant = Instant::from_micros(64_060_588_800_000_000);

impl Periods {
    /// The periods of a customer that started on `starts_on`. An anniversary anchor without that date, which no catalog
    /// has, falls back to the calendar.
    pub fn new(cycle: Cycle, anchor: Anchor, starts_on: Option<Date>, zone: TimeZone) -> Periods {
        let origin = match (anchor, starts_on, cycle) {
            (Anchor::Anniversary, Some(date), _) => date,
            (_, _, Cycle::Months(_)) => FIRST_MONTH,
            (_, _, Cycle::Days(_)) => FIRST_MONDAY,
        };
        Periods { cycle, origin, zone }
    }

    /// The period that `at` lies in. An instant on a boundary belongs to the later period. Instants outside the years
    /// 1 to 4000, which no event can have, find the period at that edge.
    pub fn period_at(&self, at: Instant) -> Period {
        let at = at.clamp(YEAR_1, YEAR_4000);
        let mut number = self.estimate(at);
        // Clamping, gaps and folds put the estimate off by one at most; the loops end because starts ascend.
        while self.start(number) > at {
            number = number.saturating_sub(1);
        }
        loop {
            let following = number.saturating_add(1);
            let end = self.start(following);
            // A period whose days a zone skipped is empty and contains nothing: go on.
            if end > at {
                return Period { start: self.start(number), end };
            }
            number = following;
        }
    }

    /// The period that begins where `period` ends.
    pub fn next(&self, period: &Period) -> Period {
        self.period_at(period.end)
    }

    /// The first instant of a local date: when a customer that starts on it becomes active.
    pub fn starts_at(&self, date: Date) -> Instant {
        start_of_day(date, &self.zone)
    }

    /// The zone of the boundaries.
    pub fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// The number, counted from the origin, of a period at or beside the one with `at`.
    fn estimate(&self, at: Instant) -> i64 {
        let date = local_date(at, &self.zone);
        let (elapsed, length) = match self.cycle {
            Cycle::Months(months) => (months_since_zero(date).saturating_sub(months_since_zero(self.origin)), months),
            Cycle::Days(days) => (days_between(self.origin, date), days),
        };
        elapsed.div_euclid(i64::from(length.max(1)))
    }

    /// The first instant of period `number`; beyond the years that dates cover, the last one they do.
    fn start(&self, number: i64) -> Instant {
        let span = match self.cycle {
            Cycle::Months(months) => Span::new().try_months(number.saturating_mul(i64::from(months))),
            Cycle::Days(days) => Span::new().try_days(number.saturating_mul(i64::from(days))),
        };
        // Adding months to a date clamps to the month's last day: 31 Jan + 1 month = 28 Feb.
        match span.and_then(|span| self.origin.checked_add(span)) {
            Ok(date) => start_of_day(date, &self.zone),
            Err(_) if number < 0 => Instant::from_timestamp(Timestamp::MIN),
            Err(_) => Instant::from_timestamp(Timestamp::MAX),
        }
    }
}

/// The first instant of `date` in `zone`: local midnight; the first of two; where a gap swallows it, the gap's end.
fn start_of_day(date: Date, zone: &TimeZone) -> Instant {
    let midnight = date.to_datetime(Time::midnight());
    let ambiguous = zone.to_ambiguous_timestamp(midnight);
    let at = match ambiguous.offset() {
        AmbiguousOffset::Gap { after, .. } => {
            // Read with the later offset, the missing midnight lies before the transition that made the gap.
            let before = after.to_timestamp(midnight).unwrap_or(Timestamp::MIN);
            zone.following(before).next().map(|transition| transition.timestamp())
        }
        AmbiguousOffset::Unambiguous { offset } | AmbiguousOffset::Fold { before: offset, .. } => {
            offset.to_timestamp(midnight).ok()
        }
    };
    let outermost = if date.year() < 0 { Timestamp::MIN } else { Timestamp::MAX };
    Instant::from_timestamp(at.unwrap_or(outermost))
}

fn local_date(at: Instant, zone: &TimeZone) -> Date {
    zone.to_datetime(at.to_timestamp()).date()
}

fn months_since_zero(date: Date) -> i64 {
    i64::from(date.year()).saturating_mul(12).saturating_add(i64::from(date.month()))
}

fn days_between(from: Date, to: Date) -> i64 {
    to.duration_since(from).as_hours().div_euclid(24)
}

/// How much of a period its `active` part is.
///
/// By exact duration: microseconds over microseconds. By day: local dates that the part touches over local dates of the
/// period, so that the day of joining and the day of leaving count in full.
pub fn part_of(active: &Period, period: &Period, how: Proration, zone: &TimeZone) -> Fraction {
    let active = Period { start: active.start.max(period.start), end: active.end.min(period.end) };
    if active == *period {
        return Fraction::WHOLE;
    }
    if active.start >= active.end {
        return Fraction { numerator: 0, denominator: 1 };
    }
    let measure = |part: &Period| match how {
        Proration::Exact => part.end.micros().saturating_sub(part.start.micros()),
        Proration::Day => dates_touched(part, zone),
    };
    // The active part is not empty and lies inside, so the period is at least as long and never zero.
    Fraction { numerator: measure(&active), denominator: measure(period) }
}

/// The part of a whole period's `amount` that falls on its `active` part, rounded once to the amount's scale.
pub fn prorate(
    amount: Amount,
    active: &Period,
    period: &Period,
    how: Proration,
    zone: &TimeZone,
) -> Result<Amount, Overflow> {
    part_of(active, period, how, zone).of(amount)
}

/// Number of local dates that a period, which is not empty, has an instant in.
fn dates_touched(period: &Period, zone: &TimeZone) -> i64 {
    let last = Instant::from_micros(period.end.micros().saturating_sub(1));
    days_between(local_date(period.start, zone), local_date(last, zone)).saturating_add(1).max(1)
}

#[cfg(test)]
mod tests;
