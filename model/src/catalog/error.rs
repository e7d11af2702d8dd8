//! What is wrong with a text that people wrote: every problem names file, line, key, reason and fix.

use std::fmt;

/// How bad a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The text cannot be used.
    Error,
    /// The text can be used, but probably does not say what was meant.
    Warning,
}

/// One thing that is wrong, and how to mend it. It is the writer's to fix; trying again does not help.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The file as it was named to the loader.
    pub file: String,
    /// Line in the file, from 1.
    pub line: u32,
    /// Full path of the key, such as `plans.pro.charges[0].price`; empty when the text as a whole is meant.
    pub key: String,
    /// What is wrong.
    pub reason: String,
    /// What to do about it; empty when the reason says it all.
    pub fix: String,
    /// How bad it is.
    pub severity: Severity,
}

impl fmt::Display for Problem {
    /// `catalog.toml:12: plans.pro.charges[0].price: reason; fix`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: ", self.file, self.line)?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.reason)?;
        if !self.fix.is_empty() {
            write!(f, "; {}", self.fix)?;
        }
        Ok(())
    }
}

/// Why a catalog or a mapping does not load: all its errors, in the order of files and lines, one to a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", lines(.problems))]
pub struct CatalogError {
    /// At least one problem; all of them are errors.
    pub problems: Vec<Problem>,
}

fn lines(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
