//! The log's folder: names of segments, of what is not finished yet, and of torn bytes that were kept.

use std::sync::Arc;

use weir_files::{FileError, Files};

use crate::error::{Fault, Finding, Verdict};

/// Ends the name of a segment.
const SEGMENT: &str = ".log";
/// Ends the name of a segment being made.
const UNFINISHED: &str = ".new";
/// Ends the name of bytes that a crash has left behind the last whole record.
const TORN: &str = ".torn";

/// Where the log is.
#[derive(Debug, Clone)]
pub(crate) struct Folder {
    pub(crate) files: Arc<dyn Files>,
    pub(crate) path: String,
}

impl Folder {
    /// The file of the segment that begins with this offset.
    pub(crate) fn segment(&self, first_offset: u64) -> String {
        self.file(&format!("{first_offset:020}{SEGMENT}"))
    }

    /// The same while it is being made.
    pub(crate) fn unfinished(&self, first_offset: u64) -> String {
        self.file(&format!("{first_offset:020}{UNFINISHED}"))
    }

    /// The file for what stood where record `offset` should be, in the segment made at `created_at` (microseconds).
    pub(crate) fn torn(&self, offset: u64, created_at: i64) -> String {
        self.file(&format!("{offset:020}-{created_at}{TORN}"))
    }

    /// First offsets of all segments, in order, and files that only look like one.
    pub(crate) fn list(&self) -> Result<(Vec<u64>, Vec<Finding>), FileError> {
        let (mut first_offsets, mut strays) = (Vec::new(), Vec::new());
        for name in self.files.list(&self.path)? {
            let Some(stem) = name.strip_suffix(SEGMENT) else { continue };
            let file = self.file(&name);
            match stem.parse() {
                Ok(first_offset) if self.segment(first_offset) == file => first_offsets.push(first_offset),
                _ => {
                    let (fault, verdict) = (Fault::Stray, Verdict::Damaged);
                    strays.push(Finding { file, position: 0, offset: None, fault, verdict });
                }
            }
        }
        Ok((first_offsets, strays))
    }

    /// Removes what an interrupted start or an interrupted change of segments has left.
    pub(crate) fn remove_unfinished(&self) -> Result<(), FileError> {
        let names = self.files.list(&self.path)?;
        names.iter().filter(|name| name.ends_with(UNFINISHED)).try_for_each(|name| self.files.remove(&self.file(name)))
    }

    /// Removes torn bytes that were kept from before `offset`.
    pub(crate) fn remove_torn_below(&self, offset: u64) -> Result<(), FileError> {
        let is_old =
            |name: &str| name.get(..20).and_then(|digits| digits.parse().ok()).is_some_and(|at: u64| at < offset);
        let names = self.files.list(&self.path)?;
        let mut old = names.iter().filter(|name| name.ends_with(TORN) && is_old(name));
        old.try_for_each(|name| self.files.remove(&self.file(name)))
    }

    /// Whether there is a file of this name.
    pub(crate) fn has(&self, file: &str) -> Result<bool, FileError> {
        Ok(self.files.list(&self.path)?.iter().any(|name| self.file(name) == file))
    }

    pub(crate) fn sync(&self) -> Result<(), FileError> {
        self.files.sync_folder(&self.path)
    }

    fn file(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}/{name}", self.path) }
    }
}

/// An error on a file that was begun under another name.
pub(crate) fn published(error: FileError) -> FileError {
    let path = error.path.strip_suffix(UNFINISHED).map(|path| format!("{path}{SEGMENT}"));
    FileError { path: path.unwrap_or(error.path), ..error }
}
