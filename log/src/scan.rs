//! A segment read from its beginning, record by record, and what can still be read behind a bad place.
//!
//! Owns: what is a record and what is not. Does not own: what a bad place means (`open`, `reader`). Reads in pieces of
//! [`PIECE_BYTES`], or of one record where that is larger, into one buffer.

use weir_files::{FileError, ReadFile};

use crate::error::{Fault, Finding, LogError, Verdict};
use crate::folder::Folder;
use crate::frame::{ALIGNMENT, HEAD_BYTES, Head, payload_checksum};
use crate::header::{HEADER_BYTES, Header};
use crate::record::Record;

/// Bytes read at once, at least.
const PIECE_BYTES: usize = 1 << 20;

/// A segment being read.
#[derive(Debug)]
pub(crate) struct Scan {
    pub(crate) file: String,
    pub(crate) header: Header,
    seed: u64,
    window: Window,
    /// Where the next record begins, if there is one.
    pub(crate) position: u64,
    /// Its offset.
    pub(crate) next_offset: u64,
    /// Where the next segment begins, if there is one.
    end_offset: Option<u64>,
    /// The record before, and where its payload begins.
    latest: Option<(Head, u64)>,
}

/// What was found at the position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// A record; the position is behind it now.
    Record(Head),
    /// Nothing more, or zeros only, and nothing is missing before the next segment.
    End,
    /// Something else.
    Bad(Fault),
}

impl Scan {
    /// Opens the segment that begins with `first_offset` and is followed by the one that begins with `end_offset`.
    pub(crate) fn open(folder: &Folder, first_offset: u64, end_offset: Option<u64>) -> Result<Scan, LogError> {
        let file = folder.segment(first_offset);
        let opened = folder.files.open(&file)?;
        let header = read_header(&*opened, &file, first_offset)?;
        let window = Window { length: opened.length()?, file: opened, start: 0, bytes: Vec::new(), filled: 0 };
        let (position, seed) = (HEADER_BYTES as u64, header.seed());
        Ok(Scan { file, header, seed, window, position, next_offset: first_offset, end_offset, latest: None })
    }

    /// Reads on.
    pub(crate) fn step(&mut self) -> Result<Step, FileError> {
        let position = self.position;
        let step = match Head::decode(self.window.at(position, HEAD_BYTES)?, self.seed) {
            None if !self.window.is_zero_from(position)? => Step::Bad(Fault::Head),
            None if self.end_offset.is_some_and(|end| self.next_offset < end) => Step::Bad(Fault::Ends),
            None => Step::End,
            Some(head) if head.offset != self.next_offset => Step::Bad(Fault::Offset(head.offset)),
            Some(head) if self.end_offset == Some(head.offset) => Step::Bad(Fault::Overlap),
            Some(head) if head.frame_bytes() > self.window.length - position => Step::Bad(Fault::Cut),
            Some(head) => self.check(head)?.map_or(Step::Record(head), Step::Bad),
        };
        if let Step::Record(head) = step {
            self.latest = Some((head, position + HEAD_BYTES as u64));
            self.position += head.frame_bytes();
            self.next_offset += 1;
        }
        Ok(step)
    }

    /// What is wrong behind a head.
    fn check(&mut self, head: Head) -> Result<Option<Fault>, FileError> {
        let len = as_len(head.frame_bytes());
        let body = &self.window.at(self.position, len)?[HEAD_BYTES..];
        let (payload, padding) = body.split_at(as_len(u64::from(head.payload_bytes)));
        Ok(if payload_checksum(payload, self.seed) != head.payload_checksum {
            Some(Fault::Payload)
        } else if padding.iter().any(|byte| *byte != 0) {
            Some(Fault::Padding)
        } else {
            None
        })
    }

    /// The record that the last step has read.
    pub(crate) fn record(&mut self) -> Result<Option<Record<'_>>, FileError> {
        let Some((head, position)) = self.latest else { return Ok(None) };
        let payload = self.window.at(position, as_len(u64::from(head.payload_bytes)))?;
        let Head { offset, log_time, durable_offset, kind, .. } = head;
        Ok(Some(Record { offset, log_time, durable_offset, kind, payload }))
    }

    /// The greatest offset below which everything has been durable, as far as this segment knows: by its header, by what was
    /// read so far and by what is left behind a bad place.
    pub(crate) fn durable_mark(&mut self) -> Result<u64, FileError> {
        let read = self.latest.map_or(0, |(head, _)| head.durable_offset);
        let mut mark = self.header.durable_offset.max(read);
        let mut from = self.position;
        while let Some((position, head)) = self.seek(from)? {
            mark = mark.max(head.durable_offset);
            from = position + ALIGNMENT as u64;
        }
        Ok(mark)
    }

    /// Goes on at the next head behind a bad place that has not been read before; false if there is none.
    pub(crate) fn resume(&mut self) -> Result<bool, FileError> {
        let mut from = self.position + ALIGNMENT as u64;
        while let Some((position, head)) = self.seek(from)? {
            if head.offset >= self.next_offset {
                (self.position, self.next_offset) = (position, head.offset);
                return Ok(true);
            }
            from = position + ALIGNMENT as u64;
        }
        Ok(false)
    }

    /// The first head at or behind a position, on any boundary.
    fn seek(&mut self, from: u64) -> Result<Option<(u64, Head)>, FileError> {
        let mut position = from;
        while position < self.window.length {
            if let Some(head) = Head::decode(self.window.at(position, HEAD_BYTES)?, self.seed) {
                return Ok(Some((position, head)));
            }
            position += ALIGNMENT as u64;
        }
        Ok(None)
    }

    /// Hands the bytes from the position on to `take`, in pieces, without the zeros at their end. Returns how many there are.
    pub(crate) fn rest(&mut self, mut take: impl FnMut(&[u8]) -> Result<(), FileError>) -> Result<u64, FileError> {
        let end = self.window.data_end(self.position)?;
        let mut position = self.position;
        while position < end {
            let piece = self.window.at(position, PIECE_BYTES.min(as_len(end - position)))?;
            take(piece)?;
            position += piece.len() as u64;
        }
        Ok(position - self.position)
    }

    /// Length of the file.
    pub(crate) fn file_bytes(&self) -> u64 {
        self.window.length
    }

    /// Something wrong at the position.
    pub(crate) fn finding(&self, fault: Fault, verdict: Verdict) -> Finding {
        let offset = Some(self.next_offset);
        Finding { file: self.file.clone(), position: self.position, offset, fault, verdict }
    }

    /// Something wrong at the position that cannot be a torn write.
    pub(crate) fn damaged(&self, fault: Fault) -> LogError {
        LogError::Unsound(self.finding(fault, Verdict::Damaged))
    }
}

/// The header of the segment that begins with `first_offset`.
pub(crate) fn header_of(folder: &Folder, first_offset: u64) -> Result<Header, LogError> {
    let file = folder.segment(first_offset);
    read_header(&*folder.files.open(&file)?, &file, first_offset)
}

fn read_header(opened: &dyn ReadFile, file: &str, first_offset: u64) -> Result<Header, LogError> {
    let mut bytes = [0; HEADER_BYTES];
    let count = opened.read_at(0, &mut bytes)?;
    let header = Header::decode(&bytes[..count]).and_then(|header| match header.first_offset {
        found if found == first_offset => Ok(header),
        found => Err(Fault::Misnamed(found)),
    });
    header.map_err(|fault| LogError::Unsound(Finding::of_segment(file.to_owned(), first_offset, fault)))
}

/// A length that memory has room for: lengths of records are below 2^32.
fn as_len(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

/// A stretch of a file in memory.
#[derive(Debug)]
struct Window {
    file: Box<dyn ReadFile>,
    /// Of the file, when it was opened.
    length: u64,
    /// Where the stretch begins.
    start: u64,
    bytes: Vec<u8>,
    /// How many of the bytes are the file's.
    filled: usize,
}

impl Window {
    /// `len` bytes from a position on; fewer at the file's end.
    fn at(&mut self, position: u64, len: usize) -> Result<&[u8], FileError> {
        let len = as_len(self.length.saturating_sub(position)).min(len);
        let within = |window: &Window| position.checked_sub(window.start).map(as_len);
        let is_here = |at: usize| at.checked_add(len).is_some_and(|end| end <= self.filled);
        if !within(self).is_some_and(is_here) {
            self.fill(position, len)?;
        }
        let at = within(self).unwrap_or(0);
        Ok(&self.bytes[at..(at + len).min(self.filled)])
    }

    /// Moves the stretch to a position; what is at hand is not read again.
    fn fill(&mut self, position: u64, len: usize) -> Result<(), FileError> {
        let at_hand = position.checked_sub(self.start).map(as_len).filter(|at| *at <= self.filled);
        let kept = at_hand.map_or(0, |at| {
            self.bytes.copy_within(at..self.filled, 0);
            self.filled - at
        });
        let wanted = as_len(self.length.saturating_sub(position)).min(len.max(PIECE_BYTES));
        if self.bytes.len() < wanted {
            self.bytes.resize(wanted, 0);
        }
        (self.start, self.filled) = (position, kept);
        self.filled += self.file.read_at(position + kept as u64, &mut self.bytes[kept..wanted])?;
        Ok(())
    }

    /// Whether only zeros follow.
    fn is_zero_from(&mut self, position: u64) -> Result<bool, FileError> {
        let mut position = position;
        while position < self.length {
            let piece = self.at(position, PIECE_BYTES)?;
            if piece.iter().any(|byte| *byte != 0) {
                return Ok(false);
            }
            position += piece.len().max(1) as u64;
        }
        Ok(true)
    }

    /// Where the zeros at the file's end begin; the position itself if there is nothing else.
    fn data_end(&mut self, position: u64) -> Result<u64, FileError> {
        let (mut position, mut end) = (position, position);
        while position < self.length {
            let piece = self.at(position, PIECE_BYTES)?;
            if let Some(last) = piece.iter().rposition(|byte| *byte != 0) {
                end = position + last as u64 + 1;
            }
            position += piece.len().max(1) as u64;
        }
        Ok(end)
    }
}
