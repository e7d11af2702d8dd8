//! A segment being written: made under another name, and renamed when its header is durable, so that whatever has a segment's
//! name has a whole header.

use std::io::IoSlice;

use weir_files::{AppendFile, FileError};

use crate::folder::{Folder, published};
use crate::header::{HEADER_BYTES, Header};

/// The file at the log's end.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) header: Header,
    pub(crate) seed: u64,
    file: Box<dyn AppendFile>,
    /// Bytes written.
    pub(crate) position: u64,
    /// How many of them memory need not keep.
    forgotten: u64,
}

/// Bytes that are forgotten at once: the log is written far more than it is read.
const FORGET_BYTES: u64 = 4 << 20;

impl Segment {
    /// Begins a file with room for `bytes`, which has no segment's name yet.
    pub(crate) fn begin(folder: &Folder, header: Header, bytes: u64) -> Result<Segment, FileError> {
        let mut file = folder.files.create(&folder.unfinished(header.first_offset))?;
        file.preallocate(bytes)?;
        file.append(&mut [IoSlice::new(&header.encode())])?;
        Ok(Segment { header, seed: header.seed(), file, position: HEADER_BYTES as u64, forgotten: 0 })
    }

    /// Makes all of it durable, then its name.
    pub(crate) fn publish(&mut self, folder: &Folder) -> Result<(), FileError> {
        self.file.sync()?;
        let first_offset = self.header.first_offset;
        folder.files.rename(&folder.unfinished(first_offset), &folder.segment(first_offset))?;
        folder.sync()
    }

    pub(crate) fn append(&mut self, parts: &mut [IoSlice<'_>]) -> Result<(), FileError> {
        self.position += parts.iter().map(|part| part.len() as u64).sum::<u64>();
        self.file.append(parts).map_err(published)
    }

    pub(crate) fn sync(&mut self) -> Result<(), FileError> {
        self.file.sync().map_err(published)?;
        if self.position - self.forgotten >= FORGET_BYTES {
            self.file.forget();
            self.forgotten = self.position;
        }
        Ok(())
    }
}
