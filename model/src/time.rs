//! Instants, half-open periods, and the calendar rules that make them (rating.md 8). Knows no clock.

use jiff::Timestamp;

/// Microseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Instant(i64);

impl Instant {
    /// The first instant an event may carry: 1970-01-01T00:00:00Z.
    pub const EVENT_MIN: Instant = Instant(0);
    /// The first instant after the last one an event may carry: 2200-01-01T00:00:00Z.
    pub const EVENT_END: Instant = Instant(7_258_118_400_000_000);

    /// Stands for the time of the log that an event without `time` has, until it is known; before every event's.
    pub const OF_THE_LOG: Instant = Instant(i64::MIN);

    /// From microseconds since 1970.
    pub const fn from_micros(micros: i64) -> Instant {
        Instant(micros)
    }

    /// Microseconds since 1970.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// From jiff, dropping what is finer than a microsecond.
    pub fn from_timestamp(timestamp: Timestamp) -> Instant {
        Instant(timestamp.as_microsecond())
    }

    /// As jiff's type; instants outside jiff's range (years -9999 to 9999) are clamped.
    pub fn to_timestamp(self) -> Timestamp {
        Timestamp::from_microsecond(self.0).unwrap_or(if self.0 < 0 { Timestamp::MIN } else { Timestamp::MAX })
    }
}

impl std::fmt::Display for Instant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.to_timestamp().fmt(f)
    }
}

/// `start <= t < end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Period {
    /// The first instant inside.
    pub start: Instant,
    /// The first instant after.
    pub end: Instant,
}

impl Period {
    /// Whether `at` lies inside.
    pub fn contains(&self, at: Instant) -> bool {
        self.start <= at && at < self.end
    }
}
