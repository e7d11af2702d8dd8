//! Times as tables write them. Sorted files repeat the time of the row before, so the last text and its instant are kept.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::fmt::strtime;
use jiff::tz::TimeZone;
use weir_model::mapping::TimeFormat;
use weir_model::time::Instant;

use super::TimePlan;

/// The last text that was parsed.
#[derive(Debug, Default)]
pub(super) struct TimeCache {
    text: Vec<u8>,
    instant: Instant,
}

impl TimeCache {
    /// The instant that `text` means; `None` if it is not written as the plan says. `text` is not empty.
    #[inline]
    pub(super) fn parse(&mut self, text: &[u8], plan: &TimePlan) -> Option<Instant> {
        if self.text == text {
            return Some(self.instant);
        }
        let instant = parse(text, plan)?;
        self.text.clear();
        self.text.extend_from_slice(text);
        self.instant = instant;
        Some(instant)
    }
}

fn parse(text: &[u8], plan: &TimePlan) -> Option<Instant> {
    match &plan.format {
        TimeFormat::Rfc3339 => crate::rfc3339::parse(text).ok().or_else(|| loose(text, &plan.zone)),
        TimeFormat::EpochSeconds => epoch(text, 6),
        TimeFormat::EpochMillis => epoch(text, 3),
        TimeFormat::Pattern(pattern) => patterned(text, pattern, &plan.zone),
    }
}

/// A civil time in its zone; in a gap or fold of the clock, the instant that jiff calls compatible.
pub(super) fn in_zone(civil: DateTime, zone: &TimeZone) -> Option<Instant> {
    zone.to_timestamp(civil).ok().map(Instant::from_timestamp)
}

/// A blank for the `T`, no offset, or a date alone.
fn loose(text: &[u8], zone: &TimeZone) -> Option<Instant> {
    let text = std::str::from_utf8(text).ok()?;
    if let Ok(timestamp) = text.parse::<Timestamp>() {
        return Some(Instant::from_timestamp(timestamp));
    }
    // jiff would pass over an offset in a civil time: what has one and did not parse above is no time.
    let clock = text.get(10..).unwrap_or_default();
    if clock.contains(['+', '-', 'Z', 'z', '[']) {
        return None;
    }
    in_zone(text.parse().ok()?, zone)
}

/// A decimal number of units since 1970, of which 10^`digits` microseconds make one. What is finer than a microsecond
/// is dropped.
fn epoch(text: &[u8], digits: usize) -> Option<Instant> {
    let (negative, text) = match text.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let point = text.iter().position(|byte| *byte == b'.').unwrap_or(text.len());
    let (whole, fraction) = text.split_at(point);
    let fraction = fraction.get(1..).unwrap_or_default();
    if whole.is_empty() || (point < text.len() && fraction.is_empty()) || !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let kept = fraction.iter().copied().chain(std::iter::repeat(b'0')).take(digits);
    let mut micros = 0_i64;
    for byte in whole.iter().copied().chain(kept) {
        if !byte.is_ascii_digit() {
            return None;
        }
        micros = micros.checked_mul(10)?.checked_add(i64::from(byte - b'0'))?;
    }
    Some(Instant::from_micros(if negative { -micros } else { micros }))
}

fn patterned(text: &[u8], pattern: &str, zone: &TimeZone) -> Option<Instant> {
    let broken = strtime::parse(pattern, std::str::from_utf8(text).ok()?).ok()?;
    if let Ok(timestamp) = broken.to_timestamp() {
        return Some(Instant::from_timestamp(timestamp));
    }
    if broken.offset().is_some() {
        return None;
    }
    let civil = broken.to_datetime().ok().or_else(|| broken.to_date().ok().map(Date::into))?;
    in_zone(civil, zone)
}
