//! Rated rows against the workload: each must be a usage that there is, and each bucket's must add up.
//!
//! A row's own amount depends on what stands before it in the log, so rows are not compared one by one: per bucket their
//! number, their sum and the sum of their hashes is what is left of the expected ones. Where one row is wrong, that
//! difference is enough to find it (`locate`).

use super::expected::{Place, usages};
use super::hash::Hasher;
use super::totals::{QUANTITY_SCALE, widened};
use super::{Audit, Expected, hash, locate};
use crate::workload::digits::decimal_text;
use crate::workload::{AMOUNT_SCALE, Fate};

/// A rated row as a run leaves it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RatedRow<'r> {
    /// The usage that was rated; `None` for a row that settles what shards have rated by themselves.
    pub usage: Option<Usage>,
    /// Customer id.
    pub customer: &'r str,
    /// Charge of the plan.
    pub charge: &'r str,
    /// JSON object of the values it is grouped by; `None` if it is not grouped.
    pub group: Option<&'r str>,
    /// First instant of the period, in microseconds since 1970.
    pub period_start: i64,
    /// At 18 decimals.
    pub amount: i128,
}

/// Which event a row rates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Its place in the log, from 0, over all files.
    pub event: u64,
    /// Its identity.
    pub fingerprint: u128,
    /// Its own quantity, at 12 decimals.
    pub quantity: i128,
}

/// What is left of a bucket's expected rows when the found ones are taken away.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Left {
    pub(super) rows: i64,
    pub(super) amount: i128,
    /// Of the rows' hashes.
    pub(super) digest: u128,
}

/// The check of all rated rows; they may come in any order.
#[derive(Debug)]
pub struct RowsAudit<'e> {
    expected: &'e Expected<'e>,
    left: Vec<Left>,
    hasher: Hasher,
    audit: Audit,
}

impl<'e> RowsAudit<'e> {
    /// Before any row.
    pub fn new(expected: &'e Expected<'e>) -> RowsAudit<'e> {
        let mut left = vec![Left::default(); expected.places()];
        for customer in 0..expected.workload.parties().customers() {
            for period in 0..expected.workload.calendar().periods() {
                for (place, bucket) in expected.buckets(customer, period) {
                    let charge = expected.charge(place);
                    left[expected.number(place)] = Left {
                        // Fewer than 2^40 events.
                        rows: i64::try_from(bucket.events).unwrap_or(i64::MAX),
                        amount: charge.amount(bucket.quantity) - charge.amount(0),
                        digest: bucket.rows,
                    };
                }
            }
        }
        RowsAudit { expected, left, hasher: Hasher::default(), audit: Audit::new("rows") }
    }

    /// Checks one row. One that cannot be is a finding and is not added to its bucket.
    pub fn check(&mut self, row: &RatedRow<'_>) {
        self.audit.checked += 1;
        let found = self.expected.find((row.customer, row.charge, row.group), row.period_start);
        let Some(place) = found else {
            self.audit.find("row", named(row), "none", "one");
            return;
        };
        let digest = match row.usage {
            None => 0,
            Some(usage) if self.is_there(place, usage) => {
                let slot = &self.expected.workload.tariff().slots()[place.slot];
                hash::of_row(usage.fingerprint, self.expected.charges[slot.charge], row.amount)
            }
            Some(_) => return,
        };
        let left = &mut self.left[self.expected.number(place)];
        left.rows -= i64::from(row.usage.is_some());
        left.amount -= row.amount;
        left.digest = left.digest.wrapping_sub(digest);
    }

    /// Whether the event is rated in this bucket, with this identity and quantity.
    fn is_there(&mut self, place: Place, found: Usage) -> bool {
        let workload = self.expected.workload;
        let where_ = format!("event {}, {}", found.event, self.expected.name(place));
        if found.event >= workload.shape().events {
            self.audit.find("row", where_, "none", "one");
            return false;
        }
        let event = workload.event(found.event);
        let content = event.content;
        let customer = content.subject.map(|subject| workload.parties().customer_of(subject));
        let is_own = event.fate == Fate::First && customer == Some(place.customer) && content.period == place.period;
        let usage = usages(workload, &event).flatten().find(|usage| is_own && usage.slot == place.slot);
        let Some(usage) = usage else {
            self.audit.find("row", where_, "none", "one");
            return false;
        };
        let fingerprint = self.hasher.fingerprint(workload, event.original, content.subject);
        if fingerprint != found.fingerprint {
            let (expected, found) = (format!("{fingerprint:032x}"), format!("{:032x}", found.fingerprint));
            self.audit.find("fingerprint", where_, expected, found);
            return false;
        }
        let quantity = widened(usage.quantity, usage.charge.scale());
        if quantity != found.quantity {
            let (expected, found) =
                (decimal_text(quantity, QUANTITY_SCALE), decimal_text(found.quantity, QUANTITY_SCALE));
            self.audit.find("quantity", where_, expected, found);
        }
        true
    }

    /// Says which rows were missing, changed or too many, after the last one. One more pass over the events if there are
    /// any.
    pub fn finish(mut self) -> Audit {
        let expected = self.expected;
        let mut wrong = Vec::new();
        for customer in 0..expected.workload.parties().customers() {
            for period in 0..expected.workload.calendar().periods() {
                for slot in 0..expected.workload.tariff().slots().len() {
                    let place = Place { customer, period, slot };
                    let left = self.left[expected.number(place)];
                    if left != Left::default() {
                        wrong.push((place, left));
                    }
                }
            }
        }
        let located = locate::locate(expected, &wrong);
        for (place, left) in wrong {
            match located.get(&place) {
                Some(row) => {
                    let where_ = format!("event {}, {}", row.event, expected.name(place));
                    self.audit.find(row.what, where_, &row.expected, &row.found);
                }
                None => self.find_difference(place, left),
            }
        }
        self.audit
    }

    /// More than one row of the bucket is wrong, or what settles it.
    fn find_difference(&mut self, place: Place, left: Left) {
        let bucket = self.expected.bucket(place);
        let charge = self.expected.charge(place);
        let (sum, count) = (charge.amount(bucket.quantity) - charge.amount(0), i128::from(bucket.events));
        let text = |amount| decimal_text(amount, AMOUNT_SCALE);
        let hex = |digest: u128| format!("{digest:032x}");
        let figures = [
            ("number of rows", count.to_string(), (count - i128::from(left.rows)).to_string()),
            ("sum of rows", text(sum), text(sum - left.amount)),
            ("digest of rows", hex(bucket.rows), hex(bucket.rows.wrapping_sub(left.digest))),
        ];
        for (what, expected, found) in figures {
            if expected != found {
                self.audit.find(what, self.expected.name(place), expected, found);
            }
        }
    }
}

fn named(row: &RatedRow<'_>) -> String {
    let RatedRow { usage, customer, charge, group, period_start, .. } = row;
    let event = usage.map_or("a settlement".to_owned(), |usage| format!("event {}", usage.event));
    format!("{event}, customer {customer}, charge {charge}, group {group:?}, period from {period_start}")
}
