//! A start (design.md 4.3): what a crash has torn is told from what is damaged, and the tail is written anew.
//!
//! Owns: the rule. A bad place in the last segment is torn if no durable mark lies above it: not in this segment (before it, or
//! behind it, where heads are looked for at every eighth byte), and not in what the caller knows. All else is damage, and
//! nothing is changed. The valid records of the last segment go to a new file, synced with its name, in place of the old one: what
//! an earlier process has read or written without a good sync is durable then, and checksums have a new seed.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::ops::Range;
use std::sync::Arc;

use weir_files::{FileError, Files};
use weir_model::time::Instant;

use crate::Settings;
use crate::error::{Fault, Finding, LogError, Verdict};
use crate::folder::Folder;
use crate::frame::{Head, padding, payload_checksum};
use crate::header::Header;
use crate::record::Record;
use crate::scan::{Scan, Step, header_of};
use crate::segment::Segment;
use crate::writer::Writer;

/// Bytes written at once, at least, when the tail is written anew.
const PIECE_BYTES: usize = 1 << 20;

/// What a start has found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovery {
    /// The records that are there, all of them durable.
    pub offsets: Range<u64>,
    /// What was cut off.
    pub torn: Option<Torn>,
}

/// A write that a crash has cut. Nobody was told that it is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Torn {
    /// Where, and how that is known.
    pub finding: Finding,
    /// The file that has the bytes now.
    pub kept_in: String,
    /// How many there are, without zeros at their end.
    pub bytes: u64,
}

/// Opens the log, or makes one in an empty folder. `known_durable` says below which offset everything is known to have been
/// durable: the greatest of any snapshot, archive or seal, or 0. `now` is the caller's clock. When this returns, all records that
/// are there are durable.
pub fn open(
    files: Arc<dyn Files>,
    settings: Settings,
    known_durable: u64,
    now: Instant,
) -> Result<(Writer, Recovery), LogError> {
    let folder = Folder { files, path: settings.folder.clone() };
    let segments = sound_segments(&folder, &settings)?;
    let (segment, next_offset, torn) = match segments.last() {
        None if known_durable > 0 => {
            return Err(LogError::Lost { folder: settings.folder, known_durable });
        }
        None => (first_segment(&folder, &settings, now)?, 0, None),
        Some(last) => recover(&folder, &settings, *last, (known_durable, now))?,
    };
    let segments = if segments.is_empty() { VecDeque::from([0]) } else { VecDeque::from(segments) };
    let writer = Writer::new(folder, settings, segments, segment, next_offset);
    let recovery = Recovery { offsets: writer.first_offset()..next_offset, torn };
    Ok((writer, recovery))
}

/// First offsets of all segments, whose headers fit together.
fn sound_segments(folder: &Folder, settings: &Settings) -> Result<Vec<u64>, LogError> {
    let (segments, mut strays) = folder.list()?;
    if let Some(stray) = strays.pop() {
        return Err(LogError::Unsound(stray));
    }
    let mut previous: Option<Header> = None;
    for first_offset in &segments {
        let header = header_of(folder, *first_offset)?;
        if let Some(fault) = header.misfit(settings.deployment, previous.as_ref()) {
            let file = folder.segment(*first_offset);
            return Err(LogError::Unsound(Finding::of_segment(file, *first_offset, fault)));
        }
        previous = Some(header);
    }
    Ok(segments)
}

fn first_segment(folder: &Folder, settings: &Settings, now: Instant) -> Result<Segment, FileError> {
    folder.remove_unfinished()?;
    let deployment = settings.deployment;
    let header = Header { deployment, number: 0, first_offset: 0, created_at: now, durable_offset: 0 };
    let mut segment = Segment::begin(folder, header, settings.segment_bytes)?;
    segment.publish(folder)?;
    Ok(segment)
}

/// Judges the last segment and writes it anew: the new file, the next record's offset, and what was cut off.
fn recover(
    folder: &Folder,
    settings: &Settings,
    last: u64,
    (known_durable, now): (u64, Instant),
) -> Result<(Segment, u64, Option<Torn>), LogError> {
    let mut scan = Scan::open(folder, last, None)?;
    let (torn, last_time) = judge(&mut scan, known_durable)?;
    folder.remove_unfinished()?;
    let torn = torn.map(|finding| keep(folder, &mut scan, finding)).transpose()?;
    let old = scan.header;
    let after_old = Instant::from_micros(old.created_at.micros().saturating_add(1));
    let next_offset = scan.next_offset;
    let header = Header { created_at: now.max(last_time).max(after_old), durable_offset: next_offset, ..old };
    let mut segment = Segment::begin(folder, header, settings.segment_bytes.max(scan.position))?;
    copy(&mut Scan::open(folder, last, None)?, next_offset, &mut segment)?;
    segment.publish(folder)?;
    Ok((segment, next_offset, torn))
}

/// Reads to the last valid record: what is torn behind it, and the log time so far. An error if anything is damaged.
fn judge(scan: &mut Scan, known_durable: u64) -> Result<(Option<Finding>, Instant), LogError> {
    let mut last_time = scan.header.created_at;
    let fault = loop {
        match scan.step()? {
            Step::Record(head) => last_time = last_time.max(head.log_time),
            Step::Bad(fault) => break Some(fault),
            Step::End => break None,
        }
    };
    if scan.durable_mark()?.max(known_durable) > scan.next_offset {
        return Err(scan.damaged(fault.unwrap_or(Fault::Ends)));
    }
    Ok((fault.map(|fault| scan.finding(fault, Verdict::Torn)), last_time))
}

/// Puts what is torn into a file of its own.
fn keep(folder: &Folder, scan: &mut Scan, finding: Finding) -> Result<Torn, FileError> {
    let files = &folder.files;
    let kept_in = folder.torn(scan.next_offset, scan.header.created_at.micros());
    // A start that was cut off has left it.
    if folder.has(&kept_in)? {
        files.remove(&kept_in)?;
    }
    let mut file = files.create(&kept_in)?;
    let bytes = scan.rest(|piece| file.append(&mut [IoSlice::new(piece)]))?;
    file.sync()?;
    folder.sync()?;
    Ok(Torn { finding, kept_in, bytes })
}

/// Copies the records below `end` to a segment, under its seed.
fn copy(scan: &mut Scan, end: u64, segment: &mut Segment) -> Result<(), LogError> {
    let mut piece = Vec::new();
    while scan.next_offset < end {
        match scan.step()? {
            Step::Record(head) => {
                let Some(Record { payload, .. }) = scan.record()? else { break };
                let head = Head { payload_checksum: payload_checksum(payload, segment.seed), ..head };
                piece.extend_from_slice(&head.encode(segment.seed));
                piece.extend_from_slice(payload);
                piece.extend_from_slice(padding(payload.len()));
            }
            Step::Bad(fault) => return Err(scan.damaged(fault)),
            Step::End => return Err(scan.damaged(Fault::Ends)),
        }
        if piece.len() >= PIECE_BYTES || scan.next_offset == end {
            segment.append(&mut [IoSlice::new(&piece)])?;
            piece.clear();
        }
    }
    Ok(())
}
