//! Checks a finished run of any size against the workload that it was given, in streaming fashion.
//!
//! Owns: what a run must have made of a workload ([`Expected`]), the comparison with its report, period totals and rated
//! rows, and the findings. Does not own: where those come from; callers hand them over as plain values, row by row.
//! Checks L2 (once), L3 (conservation), L4 (a bucket's rows sum to A(S) − A(∅)), L5 (to the last digit) and L9 (digests).
//!
//! Each check ends in an [`Audit`]; a [`Summary`] prints them.

mod expected;
mod hash;
mod locate;
mod report;
mod rows;
mod totals;

use std::fmt;

pub use expected::{Expected, Figures};
pub use report::audit_report;
pub use rows::{RatedRow, RowsAudit, Usage};
pub use totals::{TotalRow, TotalsAudit};

/// So many findings of one audit are kept; the others are counted.
const FINDINGS_MAX: usize = 100;

/// A figure that is not what it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Which figure.
    pub what: String,
    /// Of what.
    pub place: String,
    /// As it must be.
    pub expected: String,
    /// As it is.
    pub found: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Finding { what, place, expected, found } = self;
        write!(f, "{place}: {what}: expected {expected}, found {found}")
    }
}

/// What one check has found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audit {
    /// What was checked.
    pub name: &'static str,
    /// How many figures or rows were compared.
    pub checked: u64,
    /// How many findings there were, kept or not.
    pub findings_total: u64,
    /// The first of them.
    pub findings: Vec<Finding>,
}

impl Audit {
    fn new(name: &'static str) -> Audit {
        Audit { name, checked: 0, findings_total: 0, findings: Vec::new() }
    }

    fn find(&mut self, what: &str, place: String, expected: impl ToString, found: impl ToString) {
        self.findings_total += 1;
        if self.findings.len() < FINDINGS_MAX {
            let (expected, found) = (expected.to_string(), found.to_string());
            self.findings.push(Finding { what: what.to_owned(), place, expected, found });
        }
    }

    /// Whether everything is as it must be.
    pub fn is_clean(&self) -> bool {
        self.findings_total == 0
    }
}

/// Several checks; prints as a table, with the findings below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary(pub Vec<Audit>);

impl Summary {
    /// Whether everything is as it must be.
    pub fn is_clean(&self) -> bool {
        self.0.iter().all(Audit::is_clean)
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = ["audit".to_owned(), "checked".to_owned(), "findings".to_owned()];
        let line = |audit: &Audit| [audit.name.to_owned(), audit.checked.to_string(), audit.findings_total.to_string()];
        let lines: Vec<[String; 3]> = std::iter::once(head).chain(self.0.iter().map(line)).collect();
        let [first, second, third] =
            [0, 1, 2].map(|column| lines.iter().map(|line| line[column].len()).max().unwrap_or(0));
        for [name, checked, findings] in &lines {
            writeln!(f, "  {name:<first$}  {checked:>second$}  {findings:>third$}")?;
        }
        for audit in &self.0 {
            for finding in &audit.findings {
                write!(f, "\n{}: {finding}", audit.name)?;
            }
            let kept = u64::try_from(audit.findings.len()).unwrap_or(u64::MAX);
            if audit.findings_total > kept {
                write!(f, "\n{}: and {} more", audit.name, audit.findings_total - kept)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
