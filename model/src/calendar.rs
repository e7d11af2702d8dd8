//! Billing cycles (rating.md 8): periods in an account's zone, calendar or anniversary anchors with month-end clamping.

use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::time::{Instant, Period};

/// Length of a billing period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cycle {
    /// So many months (a year is twelve), at least 1.
    Months(u16),
    /// So many days (a week is seven), at least 1.
    Days(u16),
}

/// Where periods begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    /// Months: the first of the month, counted from January 1970. Days: counted from Monday, 5 January 1970.
    Calendar,
    /// The day the customer started on.
    Anniversary,
}

/// The periods of one customer.
#[derive(Debug, Clone)]
pub struct Periods {
    cycle: Cycle,
    /// A date on which a period begins.
    origin: Date,
    zone: TimeZone,
}
