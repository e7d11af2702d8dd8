//! Period totals against the workload: every bucket there is, and no other, to the last digit.

use super::expected::Bucket;
use super::{Audit, Expected};
use crate::workload::AMOUNT_SCALE;
use crate::workload::digits::decimal_text;

/// Decimals of quantities in totals and rows, whatever the meter's.
pub(super) const QUANTITY_SCALE: u32 = 12;

/// A period total as a run leaves it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TotalRow<'r> {
    /// Customer id.
    pub customer: &'r str,
    /// Charge of the plan.
    pub charge: &'r str,
    /// JSON object of the values it is grouped by; `None` if it is not grouped.
    pub group: Option<&'r str>,
    /// First instant of the period, in microseconds since 1970.
    pub period_start: i64,
    /// At 12 decimals.
    pub quantity: i128,
    /// Number of usages.
    pub events: u64,
    /// At 18 decimals.
    pub amount: i128,
    /// Sum of the events' hashes mod 2^128.
    pub digest: u128,
}

/// The check of all totals; rows may come in any order.
#[derive(Debug)]
pub struct TotalsAudit<'e> {
    expected: &'e Expected<'e>,
    seen: Vec<bool>,
    audit: Audit,
}

impl<'e> TotalsAudit<'e> {
    /// Before any row.
    pub fn new(expected: &'e Expected<'e>) -> TotalsAudit<'e> {
        TotalsAudit { expected, seen: vec![false; expected.places()], audit: Audit::new("totals") }
    }

    /// Checks one row.
    pub fn check(&mut self, row: &TotalRow<'_>) {
        self.audit.checked += 1;
        let found = self.expected.find((row.customer, row.charge, row.group), row.period_start);
        let Some(place) = found else {
            self.audit.find("total", named(row), "none", "one");
            return;
        };
        let seen = &mut self.seen[self.expected.number(place)];
        if std::mem::replace(seen, true) {
            self.audit.find("total", self.expected.name(place), "one", "another");
            return;
        }
        let (bucket, charge) = (self.expected.bucket(place), self.expected.charge(place));
        let Bucket { quantity, events, digest, .. } = bucket;
        let (amount, quantity) = (charge.amount(quantity), widened(quantity, charge.scale()));
        let figures = [
            ("quantity", decimal_text(quantity, QUANTITY_SCALE), decimal_text(row.quantity, QUANTITY_SCALE)),
            ("events", events.to_string(), row.events.to_string()),
            ("amount", decimal_text(amount, AMOUNT_SCALE), decimal_text(row.amount, AMOUNT_SCALE)),
            ("digest", format!("{digest:032x}"), format!("{:032x}", row.digest)),
        ];
        for (what, expected, found) in figures {
            if expected != found {
                self.audit.find(what, self.expected.name(place), expected, found);
            }
        }
    }

    /// Says what was missing, after the last row.
    pub fn finish(mut self) -> Audit {
        let expected = self.expected;
        for customer in 0..expected.workload.parties().customers() {
            for period in 0..expected.workload.calendar().periods() {
                for (place, _) in expected.buckets(customer, period) {
                    if !self.seen[expected.number(place)] {
                        self.audit.find("total", expected.name(place), "one", "none");
                    }
                }
            }
        }
        self.audit
    }
}

/// A quantity of the meter's scale at 12 decimals.
pub(super) fn widened(quantity: u64, scale: u32) -> i128 {
    i128::from(quantity) * 10_i128.pow(QUANTITY_SCALE - scale)
}

fn named(row: &TotalRow<'_>) -> String {
    let TotalRow { customer, charge, group, period_start, .. } = row;
    format!("customer {customer}, charge {charge}, group {group:?}, period from {period_start}")
}
