//! The report (docs/run-json.md) against the workload: verdict counts, amounts, totals, rows and their digest.

use serde_json::{Map, Value};

use super::{Audit, Expected, Figures};
use crate::workload::digits::{decimal_of, decimal_text};
use crate::workload::{AMOUNT_SCALE, CURRENCY};

/// Decimals of the currency's minor unit.
const MINOR_SCALE: u32 = 2;

/// Checks `report.json`, or what `weir run --format json` prints.
pub fn audit_report(expected: &Expected<'_>, report: &Value) -> Audit {
    let mut audit = Audit::new("report");
    let figures = expected.figures();
    let counts = counts(figures).map(|(name, count)| (name, Value::from(count)));
    for (name, expected) in counts.into_iter().chain([("rows_digest", Value::from(digest_text(figures.rows_digest)))]) {
        audit.compare(name, &expected, report.get(name));
    }
    let codes = figures.rejected_by_code.iter().map(|(code, count)| ((*code).to_owned(), Value::from(*count)));
    audit.compare_maps("rejected_by_code", &codes.collect(), report.get("rejected_by_code"));
    for (name, amount, scale) in
        [("amounts", figures.amounts, AMOUNT_SCALE), ("invoiced", figures.invoiced, MINOR_SCALE)]
    {
        audit.compare_money(name, (amount, scale), report.get(name));
    }
    audit
}

fn counts(figures: &Figures) -> [(&'static str, u64); 14] {
    [
        ("received", figures.received),
        ("accepted", figures.accepted),
        ("duplicate", figures.duplicate),
        ("conflict", figures.conflict),
        ("rejected", figures.rejected),
        ("rated", figures.rated),
        ("unpriced", figures.unpriced),
        ("unmetered", figures.unmetered),
        ("late_refused", figures.late_refused),
        ("voided", 0),
        ("correction", 0),
        ("skipped", 0),
        ("rows", figures.rows),
        ("totals", figures.totals),
    ]
}

fn digest_text(digest: u128) -> String {
    format!("{digest:032x}")
}

impl Audit {
    fn compare(&mut self, name: &str, expected: &Value, found: Option<&Value>) {
        self.checked += 1;
        let found = found.unwrap_or(&Value::Null);
        if found != expected {
            self.find(name, "report".to_owned(), expected, found);
        }
    }

    /// Keys that only one side has are findings, too.
    fn compare_maps(&mut self, name: &str, expected: &Map<String, Value>, found: Option<&Value>) {
        let none = Map::new();
        let found = found.and_then(Value::as_object).unwrap_or(&none);
        let foreign = found.keys().filter(|key| !expected.contains_key(*key));
        for key in expected.keys().chain(foreign) {
            self.compare(&format!("{name} {key}"), expected.get(key).unwrap_or(&Value::Null), found.get(key));
        }
    }

    /// Amounts are equal as numbers, however many zeros they end in. Without usage there need not be any.
    fn compare_money(&mut self, name: &str, (amount, scale): (i128, u32), found: Option<&Value>) {
        self.checked += 1;
        let found = found.and_then(Value::as_object);
        let (only, text) = (found.is_none_or(|found| found.len() <= 1), found.and_then(|found| found.get(CURRENCY)));
        let equal = match text {
            Some(text) => text.as_str().and_then(|text| decimal_of(text, scale)) == Some(amount),
            None => amount == 0,
        };
        if !(only && equal) {
            let found = found.map_or(Value::Null, |found| Value::Object(found.clone()));
            let expected = format!("{} {CURRENCY}", decimal_text(amount, scale));
            self.find(name, "report".to_owned(), expected, found);
        }
    }
}
