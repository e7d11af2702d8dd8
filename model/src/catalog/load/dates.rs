//! Dates, instants and times of day, as catalogs write them.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::super::toml_reader::Item;
use crate::calendar::{Anchor, Cycle, Periods};
use crate::time::Instant;

/// `2026-09-14`.
pub(super) fn date(item: &Item<'_>) -> Option<Date> {
    item.parsed("a date", "write for example \"2026-09-14\"", parse_date)
}

fn parse_date(text: &str) -> Option<Date> {
    let date: Date = text.parse().ok()?;
    // The parser also takes `20260914` and times; one way to write a date is enough.
    (date.to_string() == text && (1970..2200).contains(&date.year())).then_some(date)
}

/// An instant of RFC 3339, or a date, which stands for its first instant in `zone`.
pub(super) fn instant(item: &Item<'_>, zone: &TimeZone) -> Option<Instant> {
    let fix = "write for example \"2026-10-01\" or \"2026-10-01T00:00:00Z\"";
    item.parsed("a date or an instant", fix, |text| match parse_date(text) {
        Some(date) => Some(first_instant(date, zone)),
        None if !text.contains('T') => None,
        None => {
            let at = Instant::from_timestamp(text.parse::<Timestamp>().ok()?);
            (Instant::EVENT_MIN <= at && at < Instant::EVENT_END).then_some(at)
        }
    })
}

/// The first instant of a local date.
pub(super) fn first_instant(date: Date, zone: &TimeZone) -> Instant {
    Periods::new(Cycle::Days(1), Anchor::Calendar, None, zone.clone()).starts_at(date)
}

/// `20:30` as minutes of the day; `24:00` is its end.
pub(super) fn time_of_day(item: &Item<'_>) -> Option<u16> {
    item.parsed("a time of day", "write for example \"20:30\"", |text| {
        let (hours, minutes) = text.split_once(':')?;
        let two_digits = |part: &str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
        if !two_digits(hours) || !two_digits(minutes) {
            return None;
        }
        let (hours, minutes): (u16, u16) = (hours.parse().ok()?, minutes.parse().ok()?);
        let valid = (hours < 24 && minutes < 60) || (hours, minutes) == (24, 0);
        valid.then(|| hours.saturating_mul(60).saturating_add(minutes))
    })
}
