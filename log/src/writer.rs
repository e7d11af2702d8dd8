//! The log's end: groups of records, their sync, new segments, and the removal of old ones.
//!
//! Owns: offsets, log time, the durable offset, space, and poisoning. Does not own: the thread, the clock and the
//! size of groups. One thread at a time has it; it never waits for anything but the disk.

use std::collections::VecDeque;
use std::ops::Range;

use weir_files::FileError;
use weir_model::time::Instant;

use crate::Settings;
use crate::error::{LogError, WriteError};
use crate::folder::Folder;
use crate::frame::{Head, frame_bytes};
use crate::group::Group;
use crate::header::{HEADER_BYTES, Header};
use crate::reader::Reader;
use crate::record::Entry;
use crate::segment::Segment;

/// The side that writes.
#[derive(Debug)]
pub struct Writer {
    folder: Folder,
    settings: Settings,
    /// First offsets, in order; the last one is being written.
    segments: VecDeque<u64>,
    segment: Segment,
    next_offset: u64,
    durable_offset: u64,
    log_time: Instant,
    is_poisoned: bool,
    group: Group,
}

/// A group that was written, and is not durable yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Its records.
    pub offsets: Range<u64>,
    /// When they were written: the same for all of them.
    pub log_time: Instant,
}

impl Writer {
    /// Goes on behind what is durable: everything in `segment` and before it.
    pub(crate) fn new(
        folder: Folder,
        settings: Settings,
        segments: VecDeque<u64>,
        segment: Segment,
        next_offset: u64,
    ) -> Writer {
        let log_time = segment.header.created_at;
        let (is_poisoned, group) = (false, Group::default());
        let durable_offset = next_offset;
        Writer { folder, settings, segments, segment, next_offset, durable_offset, log_time, is_poisoned, group }
    }

    /// The first record that is there, or would be.
    pub fn first_offset(&self) -> u64 {
        self.segments.front().copied().unwrap_or(self.next_offset)
    }

    /// The offset of the next record.
    pub fn next_offset(&self) -> u64 {
        self.next_offset
    }

    /// Every record below this is durable.
    pub fn durable_offset(&self) -> u64 {
        self.durable_offset
    }

    /// Writes a group with one call, or one for each segment that it comes to lie in. It is durable after [`Writer::sync`], and
    /// of a crash before that any part may be left: but never a record without all those before it.
    /// `now` is the caller's clock.
    pub fn write(&mut self, entries: &[Entry<'_>], now: Instant) -> Result<Written, WriteError> {
        self.check_sound()?;
        self.check_room(entries)?;
        let start = self.next_offset;
        self.log_time = self.log_time.max(now);
        let written = self.write_all(entries);
        self.poison_unless(written)?;
        Ok(Written { offsets: start..self.next_offset, log_time: self.log_time })
    }

    /// Makes durable what was written; returns the durable offset.
    pub fn sync(&mut self) -> Result<u64, WriteError> {
        self.check_sound()?;
        if self.durable_offset < self.next_offset {
            let synced = self.segment.sync();
            self.poison_unless(synced)?;
            self.durable_offset = self.next_offset;
        }
        Ok(self.durable_offset)
    }

    /// Gives up segments whose records all lie below an offset, but never the last segment: readers that begin from now on begin behind them.
    pub fn trim(&mut self, before_offset: u64) -> Trimmed {
        let kept = self.segments.partition_point(|first| *first <= before_offset).saturating_sub(1);
        let segments = self.segments.drain(..kept).collect();
        Trimmed { folder: self.folder.clone(), segments, first_offset: self.first_offset() }
    }

    /// Reads the durable records from an offset on, as far as they are durable now. A reader may go to another thread.
    pub fn reader(&self, offset: u64) -> Result<Reader, LogError> {
        let (first_offset, next_offset) = (self.first_offset(), self.durable_offset);
        if !(first_offset..=next_offset).contains(&offset) {
            return Err(LogError::NotThere { offset, first_offset, next_offset });
        }
        let segments = self.segments.range(self.segments.partition_point(|first| *first <= offset) - 1..);
        Ok(Reader::new(self.folder.clone(), segments.copied().collect(), offset..next_offset))
    }

    fn check_sound(&self) -> Result<(), WriteError> {
        if self.is_poisoned { Err(WriteError::Poisoned) } else { Ok(()) }
    }

    fn poison_unless<T>(&mut self, result: Result<T, FileError>) -> Result<T, WriteError> {
        self.is_poisoned |= result.is_err();
        Ok(result?)
    }

    /// Whether each record fits in a segment, and all of them on the disk.
    fn check_room(&self, entries: &[Entry<'_>]) -> Result<(), WriteError> {
        let segment_bytes = self.settings.segment_bytes;
        let frames_max = segment_bytes.saturating_sub(HEADER_BYTES as u64);
        let (mut position, mut bytes, mut new_segments) = (self.segment.position, 0_u64, 0_u64);
        for entry in entries {
            let payload = entry.payload.len() as u64;
            let frame = frame_bytes(payload);
            if frame > frames_max || u32::try_from(payload).is_err() {
                let bytes_max = frames_max.saturating_sub(frame_bytes(0)).min(u64::from(u32::MAX)) / 8 * 8;
                return Err(WriteError::RecordTooLarge { bytes: payload, bytes_max });
            }
            if position + frame > segment_bytes {
                (position, new_segments) = (HEADER_BYTES as u64, new_segments + 1);
            }
            position += frame;
            bytes += frame;
        }
        // Where room cannot be reserved, the records themselves take some.
        let segments_bytes = segment_bytes.saturating_mul(2 + new_segments);
        let needed_bytes = segments_bytes.saturating_add(self.settings.reserve_bytes).saturating_add(bytes);
        let free_bytes = self.folder.files.free_bytes()?;
        if free_bytes < needed_bytes { Err(WriteError::NoSpace { free_bytes, needed_bytes }) } else { Ok(()) }
    }

    fn write_all(&mut self, entries: &[Entry<'_>]) -> Result<(), FileError> {
        let mut rest = entries;
        while !rest.is_empty() {
            let count = self.encode(rest);
            if count == 0 {
                self.next_segment()?;
                continue;
            }
            self.segment.append(&mut self.group.slices(rest))?;
            self.next_offset += count as u64;
            rest = &rest[count..];
        }
        Ok(())
    }

    /// Encodes the first records, as many as the segment has room for; returns how many.
    fn encode(&mut self, entries: &[Entry<'_>]) -> usize {
        self.group.clear();
        let mut position = self.segment.position;
        for (index, entry) in entries.iter().enumerate() {
            position += frame_bytes(entry.payload.len() as u64);
            if position > self.settings.segment_bytes {
                return index;
            }
            let head = Head {
                offset: self.next_offset + index as u64,
                log_time: self.log_time,
                durable_offset: self.durable_offset,
                kind: entry.kind,
                payload_bytes: u32::try_from(entry.payload.len()).unwrap_or(u32::MAX),
                payload_checksum: 0,
            };
            self.group.push(index, entry, head, self.segment.seed);
        }
        entries.len()
    }

    /// Ends a segment, whose records become durable, and begins the next: only the last one ever has records that are not.
    fn next_segment(&mut self) -> Result<(), FileError> {
        self.segment.sync()?;
        self.durable_offset = self.next_offset;
        let header = Header {
            number: self.segment.header.number + 1,
            first_offset: self.next_offset,
            created_at: self.log_time,
            durable_offset: self.next_offset,
            ..self.segment.header
        };
        let mut segment = Segment::begin(&self.folder, header, self.settings.segment_bytes)?;
        segment.publish(&self.folder)?;
        self.segments.push_back(self.next_offset);
        self.segment = segment;
        Ok(())
    }
}

/// Segments that are not a part of the log any more, but are still there.
#[derive(Debug)]
pub struct Trimmed {
    folder: Folder,
    segments: Vec<u64>,
    /// The first record that is left.
    first_offset: u64,
}

impl Trimmed {
    /// Removes them; how many there were. This takes long, tens of milliseconds for each, and is best done elsewhere than where the log is
    /// written; but what was trimmed earlier goes first.
    pub fn remove(self) -> Result<usize, FileError> {
        let Trimmed { folder, segments, first_offset } = self;
        let ends = segments.iter().skip(1).copied().chain([first_offset]);
        for (first, end) in segments.iter().zip(ends) {
            folder.files.remove(&folder.segment(*first))?;
            folder.remove_torn_below(end)?;
            // Durably, before the next one goes: after a crash there is never a hole.
            folder.sync()?;
        }
        Ok(segments.len())
    }
}
