//! Records of a group as bytes for one call: heads, padding and small payloads in a buffer, large payloads where they are.

use std::io::IoSlice;

use crate::frame::{Head, padding, payload_checksum};
use crate::record::Entry;

/// Payloads up to this length are copied. At 1,000 bytes a copy costs what a part of its own does, at 4,000 a third more.
const COPIED_BYTES_MAX: usize = 1 << 10;

/// Encoded records.
#[derive(Debug, Default)]
pub(crate) struct Group {
    copied: Vec<u8>,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, Copy)]
enum Part {
    /// The buffer, from where the last such part ends.
    Copied { end: usize },
    /// The payload of an entry.
    Borrowed { entry: usize },
}

impl Group {
    pub(crate) fn clear(&mut self) {
        self.copied.clear();
        self.parts.clear();
    }

    /// Adds the entry with this index, under a head that lacks only the payload's checksum.
    pub(crate) fn push(&mut self, index: usize, entry: &Entry<'_>, head: Head, seed: u64) {
        let head = Head { payload_checksum: payload_checksum(entry.payload, seed), ..head };
        self.copied.extend_from_slice(&head.encode(seed));
        if entry.payload.len() <= COPIED_BYTES_MAX {
            self.copied.extend_from_slice(entry.payload);
        } else {
            self.parts.push(Part::Copied { end: self.copied.len() });
            self.parts.push(Part::Borrowed { entry: index });
        }
        self.copied.extend_from_slice(padding(entry.payload.len()));
    }

    /// All bytes, in order; `entries` are those that were pushed.
    pub(crate) fn slices<'a>(&'a self, entries: &'a [Entry<'_>]) -> Vec<IoSlice<'a>> {
        let rest = Part::Copied { end: self.copied.len() };
        let mut start = 0;
        let slice = |part: &Part| match *part {
            Part::Copied { end } => IoSlice::new(&self.copied[std::mem::replace(&mut start, end)..end]),
            Part::Borrowed { entry } => IoSlice::new(entries[entry].payload),
        };
        self.parts.iter().chain([&rest]).map(slice).collect()
    }
}
