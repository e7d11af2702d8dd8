//! What is in a log's folder, read as it is: nothing is changed, and nothing that is wrong ends it.
//!
//! A log that is being written at the same time may look torn at its end.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use weir_files::{FileError, Files};
use weir_model::time::Instant;

use crate::error::{Fault, Finding, LogError, Verdict};
use crate::folder::Folder;
use crate::frame::Head;
use crate::header::{FORMAT_VERSION, Header};
use crate::record::{DeploymentId, Kind};
use crate::scan::{Scan, Step};

/// One segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentReport {
    /// The file, from the root of the files.
    pub file: String,
    /// Its length.
    pub bytes: u64,
    /// The format it says it has.
    pub format_version: Option<u32>,
    /// Its number, and whose it is, if the header can be read.
    pub identity: Option<(u64, DeploymentId)>,
    /// From its first record to the first one that is not in it.
    pub offsets: Range<u64>,
    /// Valid records.
    pub records_by_kind: BTreeMap<Kind, u64>,
    /// Of the first and the last valid record.
    pub log_times: Option<(Instant, Instant)>,
    /// The last durable mark: everything below was durable.
    pub durable_offset: u64,
    /// What it is good for.
    pub state: SegmentState,
    /// What is wrong with it.
    pub findings: Vec<Finding>,
}

/// What a segment is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SegmentState {
    /// Whole; others follow.
    Closed,
    /// Whole; the last one.
    Current,
    /// The last one, with an end that the next start cuts off.
    Torn,
    /// Something that was durable is wrong or missing.
    Damaged,
}

/// A report on each segment, in order. `known_durable` as in [`open`](crate::open()).
pub fn inspect(files: &Arc<dyn Files>, folder: &str, known_durable: u64) -> Result<Vec<SegmentReport>, FileError> {
    let folder = Folder { files: Arc::clone(files), path: folder.to_owned() };
    let (segments, _) = folder.list()?;
    let mut reports = Vec::new();
    let mut previous: Option<Header> = None;
    for (index, first_offset) in segments.iter().enumerate() {
        let next_segment = segments.get(index + 1).copied();
        let mut report = SegmentReport {
            file: folder.segment(*first_offset),
            bytes: 0,
            format_version: None,
            identity: None,
            offsets: *first_offset..*first_offset,
            records_by_kind: BTreeMap::new(),
            log_times: None,
            durable_offset: 0,
            state: SegmentState::Closed,
            findings: Vec::new(),
        };
        match Scan::open(&folder, *first_offset, next_segment) {
            Ok(mut scan) => {
                let deployment = previous.map_or(scan.header.deployment, |previous| previous.deployment);
                let misfit = scan.header.misfit(deployment, previous.as_ref());
                report.findings.extend(misfit.map(|fault| report.of_segment(fault)));
                previous = Some(scan.header);
                report.read(&mut scan, next_segment, known_durable)?;
            }
            Err(LogError::Files(error)) => return Err(error),
            Err(LogError::Unsound(finding)) => {
                report.bytes = folder.files.open(&report.file)?.length()?;
                report.format_version = if let Fault::Version(version) = finding.fault { Some(version) } else { None };
                report.findings.push(finding);
            }
            Err(LogError::Lost { .. } | LogError::NotThere { .. }) => {}
        }
        report.settle(next_segment);
        reports.push(report);
    }
    Ok(reports)
}

/// All that is wrong with a log, file by file. `known_durable` as in [`open`](crate::open()).
pub fn verify(files: &Arc<dyn Files>, folder: &str, known_durable: u64) -> Result<Vec<Finding>, FileError> {
    let (_, strays) = Folder { files: Arc::clone(files), path: folder.to_owned() }.list()?;
    let reports = inspect(files, folder, known_durable)?;
    Ok(strays.into_iter().chain(reports.into_iter().flat_map(|report| report.findings)).collect())
}

impl SegmentReport {
    fn of_segment(&self, fault: Fault) -> Finding {
        Finding::of_segment(self.file.clone(), self.offsets.start, fault)
    }

    /// Reads the whole segment, behind damage too.
    fn read(&mut self, scan: &mut Scan, next_segment: Option<u64>, known_durable: u64) -> Result<(), FileError> {
        self.bytes = scan.file_bytes();
        self.format_version = Some(FORMAT_VERSION);
        self.identity = Some((scan.header.number, scan.header.deployment));
        self.durable_offset = scan.header.durable_offset;
        // Only in the last segment is there anything that no durable mark covers.
        let is_unmarked = |scan: &mut Scan| match next_segment {
            Some(_) => Ok(false),
            None => scan.durable_mark().map(|mark| mark.max(known_durable) <= scan.next_offset),
        };
        loop {
            let fault = match scan.step()? {
                Step::Record(head) => {
                    self.count(head);
                    continue;
                }
                Step::End if next_segment.is_some() || is_unmarked(scan)? => break,
                Step::End => Fault::Ends,
                Step::Bad(fault) => fault,
            };
            let verdict = if is_unmarked(scan)? { Verdict::Torn } else { Verdict::Damaged };
            self.findings.push(scan.finding(fault, verdict));
            let is_over = verdict == Verdict::Torn || matches!(fault, Fault::Ends | Fault::Overlap);
            if is_over || !scan.resume()? {
                break;
            }
        }
        self.offsets.end = scan.next_offset;
        Ok(())
    }

    fn count(&mut self, head: Head) {
        *self.records_by_kind.entry(head.kind).or_default() += 1;
        let first = self.log_times.map_or(head.log_time, |(first, _)| first);
        self.log_times = Some((first, head.log_time));
        self.durable_offset = self.durable_offset.max(head.durable_offset);
    }

    fn settle(&mut self, next_segment: Option<u64>) {
        self.state = match (self.findings.iter().map(|finding| finding.verdict).next_back(), next_segment) {
            (None, Some(_)) => SegmentState::Closed,
            (None, None) => SegmentState::Current,
            (Some(_), None) if self.findings.iter().all(|finding| finding.verdict == Verdict::Torn) => {
                SegmentState::Torn
            }
            (Some(_), _) => SegmentState::Damaged,
        };
    }
}
