//! What an output folder says besides its archive: the log's files and closes, and the documents.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::Value;
use weir_model::time::Instant;

use crate::failure::{invalid, invalid_with_causes};

/// The log of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// Its files, in the order in which they were read.
    pub files: Vec<String>,
    /// Its closes, in order: at least one.
    pub closes: Vec<LogClose>,
    /// Events that it accepted.
    pub accepted: u64,
}

impl Log {
    /// The number of a file by its name. What a second file of the same name adds are duplicates, which no archive holds.
    pub fn number_of(&self, file: &str) -> Result<usize> {
        let number = self.files.iter().position(|name| name == file);
        number.with_context(|| format!("the archive names the file {file}, which report.json does not"))
    }
}

/// A close and its place in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogClose {
    /// Periods that end by then are sealed.
    pub through: Instant,
    /// How many files stand before it.
    pub files_before: usize,
}

/// What [`Log`] needs of report.json.
#[derive(Deserialize)]
struct Report {
    accepted: u64,
    files: Vec<String>,
    closes: Vec<String>,
    closes_after: Vec<usize>,
}

/// What tells documents apart.
#[derive(Deserialize)]
struct Head {
    number: Option<String>,
    customer: HeadCustomer,
}

#[derive(Deserialize)]
struct HeadCustomer {
    id: String,
}

/// Reads the log's outline from the folder's report.
pub fn log(folder: &Path) -> Result<Log> {
    let path = folder.join("report.json");
    let text = std::fs::read_to_string(&path).map_err(|error| {
        let shown = folder.display();
        invalid(format!("{shown} is no result of `weir run --out` ({error}); name its folder with --from"))
    })?;
    let report: Report =
        serde_json::from_str(&text).with_context(|| format!("{} is not what this program writes", path.display()))?;
    let Report { accepted, files, closes, closes_after } = report;
    let through = |text: &String| text.parse::<jiff::Timestamp>().map(Instant::from_timestamp);
    let closes = closes.iter().map(through).collect::<Result<Vec<_>, _>>().map_err(invalid_with_causes)?;
    let closes = closes.into_iter().zip(closes_after);
    let closes = closes.map(|(through, files_before)| LogClose { through, files_before }).collect();
    Ok(Log { files, closes, accepted })
}

/// A customer's documents in the order of their numbers, and which of them bears the number that was asked for.
pub struct Documents {
    /// As they were written.
    pub all: Vec<Value>,
    /// Position of the one asked for.
    pub asked: usize,
}

impl Documents {
    /// Finds a document and all others of its customer.
    pub fn find(folder: &Path, number: &str) -> Result<Documents> {
        let path = folder.join("invoices").join("invoices.ndjson");
        if !path.is_file() {
            let shown = folder.display();
            return Err(invalid(format!(
                "{shown} holds no documents: run again without --no-documents to explain them"
            )));
        }
        let has_number = |head: &Head| head.number.as_deref() == Some(number);
        let customer = heads(&path, number)?.into_iter().map(|(head, _)| head).find(has_number);
        let Some(Head { customer: HeadCustomer { id }, .. }) = customer else {
            return Err(invalid(format!("{} has no document {number}", path.display())));
        };
        let (mut all, mut asked) = (Vec::new(), 0);
        for (head, line) in heads(&path, &id)?.into_iter().filter(|(head, _)| head.customer.id == id) {
            if has_number(&head) {
                asked = all.len();
            }
            all.push(serde_json::from_str(&line)?);
        }
        Ok(Documents { all, asked })
    }
}

/// The lines that contain `text` as a JSON string, with their heads.
fn heads(path: &PathBuf, text: &str) -> Result<Vec<(Head, String)>> {
    let context = || format!("cannot read {}", path.display());
    let file = File::open(path).map_err(|error| invalid(format!("cannot read {}: {error}", path.display())))?;
    let quoted = serde_json::to_string(text)?;
    let mut found = Vec::new();
    for line in BufReader::new(file).lines() {
        let line = line.with_context(context)?;
        if line.contains(&quoted) {
            found.push((serde_json::from_str(&line).with_context(context)?, line));
        }
    }
    Ok(found)
}
