//! Records in order, verified, out of one buffer that is used again.

use std::collections::VecDeque;
use std::ops::Range;

use crate::error::{Fault, LogError};
use crate::folder::Folder;
use crate::record::Record;
use crate::scan::{Scan, Step};

/// A way through a part of the log: records that were all durable when it was made, so that whatever is wrong with them is
/// damage.
#[derive(Debug)]
pub struct Reader {
    folder: Folder,
    /// First offsets of segments that are not opened yet.
    segments: VecDeque<u64>,
    scan: Option<Scan>,
    /// What is still to be read.
    offsets: Range<u64>,
}

impl Reader {
    /// `segments` have all of the offsets, the first one the first offset.
    pub(crate) fn new(folder: Folder, segments: VecDeque<u64>, offsets: Range<u64>) -> Reader {
        Reader { folder, segments, scan: None, offsets }
    }

    /// The offsets that are still to be read.
    pub fn offsets(&self) -> Range<u64> {
        self.offsets.clone()
    }

    /// The next record, or none at the end. After an error the reader stays where it is.
    pub fn read(&mut self) -> Result<Option<Record<'_>>, LogError> {
        while !self.offsets.is_empty() {
            let scan = match &mut self.scan {
                Some(scan) => scan,
                None => match self.segments.pop_front() {
                    Some(first_offset) => {
                        let end_offset = self.segments.front().copied();
                        self.scan.insert(Scan::open(&self.folder, first_offset, end_offset)?)
                    }
                    None => break,
                },
            };
            match scan.step()? {
                Step::Record(head) if head.offset < self.offsets.start => {}
                Step::Record(_) => {
                    self.offsets.start += 1;
                    // The borrow of a record in a loop outlives the loop.
                    let Some(scan) = &mut self.scan else { break };
                    return Ok(scan.record()?);
                }
                Step::End if self.segments.is_empty() => return Err(scan.damaged(Fault::Ends)),
                Step::End => self.scan = None,
                Step::Bad(fault) => return Err(scan.damaged(fault)),
            }
        }
        Ok(None)
    }
}
