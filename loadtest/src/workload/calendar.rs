//! The periods: months of UTC, half-open, as microseconds since 1970.

use jiff::civil::{Date, DateTime, date};
use jiff::tz::Offset;
use jiff::{Timestamp, ToSpan as _};

/// The first period's first day.
const FIRST: Date = date(2026, 1, 1);

/// Months, one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Calendar {
    /// Starts of the periods, and the end of the last.
    bounds: Vec<i64>,
}

impl Calendar {
    /// So many months, at most ten years.
    pub(super) fn new(periods: usize) -> Calendar {
        let months = 0..=i32::try_from(periods).unwrap_or(0);
        let bounds =
            months.map(|month| micros(FIRST.saturating_add(month.months()).to_datetime(jiff::civil::Time::MIN)));
        Calendar { bounds: bounds.collect() }
    }

    /// Number of periods.
    pub fn periods(&self) -> usize {
        self.bounds.len() - 1
    }

    /// First instant of a period; of the one behind the last, its end.
    #[inline]
    pub fn start(&self, period: usize) -> i64 {
        self.bounds[period]
    }

    /// The period that begins at this instant.
    pub fn period_from(&self, start: i64) -> Option<usize> {
        self.bounds.binary_search(&start).ok().filter(|period| *period < self.periods())
    }

    /// The first day of a period, as command lines and catalogs name it.
    pub fn date(&self, period: usize) -> String {
        civil(self.start(period)).date().to_string()
    }
}

fn micros(datetime: DateTime) -> i64 {
    // Between 2026 and 2036.
    Offset::UTC.to_timestamp(datetime).map_or(0, Timestamp::as_microsecond)
}

/// Date and time of an instant, in UTC.
#[inline]
pub(super) fn civil(micros: i64) -> DateTime {
    let timestamp = Timestamp::from_microsecond(micros).unwrap_or_default();
    Offset::UTC.to_datetime(timestamp)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_follow_one_another() {
        let calendar = Calendar::new(14);
        let dates: Vec<String> = (0..=14).map(|period| calendar.date(period)).collect();
        assert_eq!(
            (&*dates[0], &*dates[1], &*dates[2], &*dates[14]),
            ("2026-01-01", "2026-02-01", "2026-03-01", "2027-03-01")
        );
        assert_eq!(calendar.start(1), 1_769_904_000_000_000);
        assert_eq!(calendar.period_from(calendar.start(13)), Some(13));
        assert_eq!(calendar.period_from(calendar.start(14)), None, "it is none of the workload's");
        assert_eq!(calendar.period_from(calendar.start(1) + 1), None);
    }
}
