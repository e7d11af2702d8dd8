//! Verdicts per hour of log time and customer (L3): shard state, so that they are exact through any restart.
//!
//! Owns: the counts of the hour that is going on, by customer, in a row for each, and of the hours before, in few bytes. An hour ends where the log's time
//! says so and at no other place, so that who is told of its end is told at a position of the log. A shard that is told no time counts nothing here. How much is kept is a
//! number of hours with events, not a span of time: a leap of the clock forgets nothing.

mod compact;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use weir_model::time::Instant;
use weir_model::verdict::{Verdict, VerdictCounts};

use crate::at;
use crate::prefetch::prefetch;
use crate::subjects::NONE;
pub(crate) use compact::{Compact, Entry};

const HOUR_US: i64 = 3_600_000_000;
/// Hours with events of which the total is kept: 35 days of them.
pub(crate) const TOTALS_MAX: usize = 35 * 24;
/// The latest of them, of which each customer's counts are kept, too.
pub(crate) const DETAILS_MAX: usize = 25;

/// The hours of one shard.
#[derive(Debug, Default)]
pub struct Hours {
    /// The hour that is going on, counted from 1970; `None` before any time was told.
    current: Option<i64>,
    /// Its counts: of events of no known customer, then by customer's number.
    rows: Vec<Row>,
    /// Rows that are not zero, as they came.
    touched: Vec<u32>,
    closed: BTreeMap<i64, Closed>,
}

/// One cache line.
#[derive(Debug, Clone, Copy, Default)]
#[repr(align(64))]
struct Row {
    counts: VerdictCounts,
    is_touched: bool,
}

/// An hour that is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Closed {
    pub total: VerdictCounts,
    /// By customer; empty when it is too long ago.
    pub by_customer: Compact,
}

impl Hours {
    /// Tells the log's time. Gives the hour that is over if it had events, by its start.
    pub fn advance(&mut self, log_time: Instant) -> Option<Instant> {
        let hour = log_time.micros().div_euclid(HOUR_US);
        let before = *self.current.get_or_insert(hour);
        if hour <= before {
            return None;
        }
        self.current = Some(hour);
        if self.touched.is_empty() {
            return None;
        }
        let (total, by_customer) = (self.current_total(), self.current_by_customer());
        for row in self.touched.drain(..) {
            if let Some(row) = self.rows.get_mut(at(row)) {
                *row = Row::default();
            }
        }
        self.closed.insert(before, Closed { total, by_customer });
        if self.closed.len() > TOTALS_MAX {
            self.closed.pop_first();
        }
        if let Some((_, old)) = self.closed.iter_mut().rev().nth(DETAILS_MAX) {
            old.by_customer = Compact::default();
        }
        Some(start_of(before))
    }

    /// Whether a time was told.
    pub fn are_counted(&self) -> bool {
        self.current.is_some()
    }

    /// Starts to bring a customer's row into the cache.
    #[inline]
    pub fn prefetch(&self, customer: u32) {
        prefetch(&self.rows, at(row_of(customer)));
    }

    /// Counts an event of a customer, or of [`NONE`].
    #[inline]
    pub fn count(&mut self, customer: u32, verdict: Verdict) {
        let row = row_of(customer);
        if self.rows.len() <= at(row) {
            self.rows.resize(at(row).saturating_add(1), Row::default());
        }
        let Some(Row { counts, is_touched }) = self.rows.get_mut(at(row)) else { return };
        if !*is_touched {
            *is_touched = true;
            self.touched.push(row);
        }
        counts.count(verdict);
    }

    /// The total of each hour with events, ascending by its start; the last may be going on.
    pub fn totals(&self) -> impl Iterator<Item = (Instant, VerdictCounts)> {
        let current = self.current.filter(|_| !self.touched.is_empty()).map(|hour| (hour, self.current_total()));
        let closed = self.closed.iter().map(|(hour, closed)| (*hour, closed.total));
        closed.chain(current).map(|(hour, total)| (start_of(hour), total))
    }

    /// The counts of each customer in an hour, ascending by number; `None` is no known customer.
    pub fn by_customer(&self, start: Instant) -> Vec<(Option<u32>, VerdictCounts)> {
        let hour = start.micros().div_euclid(HOUR_US);
        let entries: Vec<Entry> = match self.closed.get(&hour) {
            Some(closed) => closed.by_customer.entries().collect(),
            None if self.current == Some(hour) => self.current_by_customer().entries().collect(),
            None => Vec::new(),
        };
        entries.into_iter().map(|Entry { row, counts }| (row.checked_sub(1), counts)).collect()
    }

    /// What a snapshot keeps: the hour that is going on with its counts, and the hours before.
    pub(crate) fn kept(&self) -> (Option<i64>, Compact, &BTreeMap<i64, Closed>) {
        (self.current, self.current_by_customer(), &self.closed)
    }

    /// From what a snapshot kept, of a shard with so many customers. `None`: no shard has kept that.
    pub(crate) fn restored(
        current: Option<i64>,
        by_customer: &Compact,
        (closed, customers): (BTreeMap<i64, Closed>, usize),
    ) -> Option<Hours> {
        by_customer.check(customers)?;
        let details = closed.len().saturating_sub(DETAILS_MAX);
        for (position, (hour, closed)) in closed.iter().enumerate() {
            let total = closed.by_customer.check(customers)?;
            let is_total =
                if position < details { closed.by_customer == Compact::default() } else { total == closed.total };
            if !is_total || current.is_none_or(|current| current <= *hour) {
                return None;
            }
        }
        if closed.len() > TOTALS_MAX || (current.is_none() && *by_customer != Compact::default()) {
            return None;
        }
        let mut hours = Hours { current, closed, ..Hours::default() };
        for Entry { row, counts } in by_customer.entries() {
            hours.rows.resize(at(row), Row::default());
            hours.rows.push(Row { counts, is_touched: true });
            hours.touched.push(row);
        }
        Some(hours)
    }

    fn current_total(&self) -> VerdictCounts {
        let rows = self.touched.iter().filter_map(|row| self.rows.get(at(*row)));
        let total = rows.map(|row| row.counts).try_fold(VerdictCounts::default(), VerdictCounts::checked_add);
        total.expect("2^64 events take longer than the sun has left, and restored ones have been added up")
    }

    fn current_by_customer(&self) -> Compact {
        let mut touched = self.touched.clone();
        touched.sort_unstable();
        let entry = |row: u32| self.rows.get(at(row)).map(|found| Entry { row, counts: found.counts });
        touched.into_iter().filter_map(entry).collect()
    }
}

/// [`NONE`] comes first.
#[inline]
fn row_of(customer: u32) -> u32 {
    const { assert!(NONE.wrapping_add(1) == 0) };
    customer.wrapping_add(1)
}

fn start_of(hour: i64) -> Instant {
    Instant::from_micros(hour.saturating_mul(HOUR_US))
}
