//! Files on their way to their names: written in a folder of their own, so that nothing half-written has a name that readers
//! look at, and published without ever replacing anything.

use std::collections::BTreeSet;
use std::io::{self, ErrorKind, IoSlice, Write};
use std::sync::Arc;

use parquet::errors::ParquetError;
use weir_files::{AppendFile, FileError, Files, ReadFile};
use xxhash_rust::xxh3::Xxh3;

use crate::error::ArchiveError;
use crate::outbox::manifest::BatchFile;

/// Folder of files that have no name yet. What a crash leaves there is of no use.
pub(crate) const STAGING: &str = "staging";
/// Bytes written at once.
const BUFFER: usize = 1 << 18;
/// Bytes compared at once.
const COMPARED: usize = 1 << 18;

/// A file being written.
pub(crate) struct StagedFile {
    file: Box<dyn AppendFile>,
    path: String,
    buffer: Vec<u8>,
    bytes: u64,
    digest: Xxh3,
    /// The disk's error, which the encoder may wrap or lose.
    failure: Option<FileError>,
}

/// A file that is written, but not synced.
pub(crate) struct Staged {
    file: Box<dyn AppendFile>,
    pub(crate) entry: BatchFile,
}

impl StagedFile {
    /// Begins the file that will be `path`.
    pub(crate) fn create(files: &dyn Files, path: String) -> Result<StagedFile, ArchiveError> {
        let file = files.create(&staging_path(&path))?;
        Ok(StagedFile { file, path, buffer: Vec::new(), bytes: 0, digest: Xxh3::new(), failure: None })
    }

    /// Ends the file, of so many rows of a table.
    pub(crate) fn finish(mut self, table: &str, rows: u64) -> Result<Staged, ArchiveError> {
        self.spill(&[]).map_err(|error| self.blame(error.into()))?;
        let StagedFile { file, path, bytes, digest, .. } = self;
        let xxh3_128 = format!("{:032x}", digest.digest128());
        Ok(Staged { file, entry: BatchFile { path, table: table.to_owned(), rows, bytes, xxh3_128 } })
    }

    /// Whose fault it is that the encoder failed.
    pub(crate) fn blame(&mut self, encoder: ParquetError) -> ArchiveError {
        match self.failure.take() {
            Some(disk) => disk.into(),
            None => ArchiveError::Encode { path: self.path.clone().into(), source: encoder },
        }
    }

    /// Writes what waits, and these bytes.
    fn spill(&mut self, bytes: &[u8]) -> io::Result<()> {
        let StagedFile { file, buffer, failure, .. } = self;
        let written = file.append(&mut [IoSlice::new(buffer), IoSlice::new(bytes)]);
        buffer.clear();
        written.map_err(|error| {
            let kind = error.kind();
            *failure = Some(error);
            kind.into()
        })
    }
}

impl Write for StagedFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.buffer.len() + bytes.len() > BUFFER {
            self.spill(bytes)?;
        } else {
            self.buffer.extend_from_slice(bytes);
        }
        self.digest.update(bytes);
        self.bytes = self.bytes.saturating_add(bytes.len().try_into().unwrap_or(u64::MAX));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Staged {
    /// Makes the content durable; what the manifest says of it.
    pub(crate) fn sync(mut self) -> Result<BatchFile, ArchiveError> {
        self.file.sync()?;
        self.file.forget();
        Ok(self.entry)
    }
}

/// Where a file is until it is published.
fn staging_path(path: &str) -> String {
    format!("{STAGING}/{}", path.replace('/', "-"))
}

/// Gives files their names, and makes those durable.
pub(crate) struct Publishing {
    files: Arc<dyn Files>,
    /// Folders that are there for good.
    folders: BTreeSet<String>,
    /// Folders with new names.
    touched: BTreeSet<String>,
}

impl Publishing {
    pub(crate) fn new(files: Arc<dyn Files>) -> Publishing {
        Publishing { files, folders: BTreeSet::new(), touched: BTreeSet::new() }
    }

    pub(crate) fn files(&self) -> &dyn Files {
        &*self.files
    }

    /// Gives a synced file its name. If that is taken, by the same bytes of an earlier life, it stays as it is; other bytes
    /// are an error.
    pub(crate) fn publish(&mut self, path: &str) -> Result<(), ArchiveError> {
        let folder = folder_of(path);
        self.make_folder(folder)?;
        self.touched.insert(folder.to_owned());
        let staged = staging_path(path);
        match self.files.rename_new(&staged, path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                if !equal(&*self.files.open(&staged)?, &*self.files.open(path)?)? {
                    return Err(ArchiveError::Differs { path: path.into() });
                }
                Ok(self.files.remove(&staged)?)
            }
            result => Ok(result?),
        }
    }

    /// Removes a published file.
    pub(crate) fn remove(&mut self, path: &str) -> Result<(), ArchiveError> {
        self.touched.insert(folder_of(path).to_owned());
        Ok(self.files.remove(path)?)
    }

    /// Makes all that was done to names durable.
    pub(crate) fn sync(&mut self) -> Result<(), ArchiveError> {
        for folder in std::mem::take(&mut self.touched) {
            self.files.sync_folder(&folder)?;
        }
        Ok(())
    }

    /// Makes a folder and those above it, for good.
    fn make_folder(&mut self, path: &str) -> Result<(), ArchiveError> {
        if path.is_empty() || self.folders.contains(path) {
            return Ok(());
        }
        let above = folder_of(path);
        self.make_folder(above)?;
        make_folder(&*self.files, path)?;
        // Also if it was there before: a life that ended may not have come so far.
        self.files.sync_folder(above)?;
        self.folders.insert(path.to_owned());
        Ok(())
    }
}

/// Makes a folder unless it is there.
pub(crate) fn make_folder(files: &dyn Files, path: &str) -> Result<(), ArchiveError> {
    match files.make_folder(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        result => Ok(result?),
    }
}

fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

fn equal(one: &dyn ReadFile, other: &dyn ReadFile) -> Result<bool, ArchiveError> {
    if one.length()? != other.length()? {
        return Ok(false);
    }
    let [mut a, mut b] = [vec![0; COMPARED], vec![0; COMPARED]];
    let mut position = 0_u64;
    loop {
        let count = one.read_at(position, &mut a)?;
        if other.read_at(position, &mut b)? != count || a[..count] != b[..count] {
            return Ok(false);
        }
        if count == 0 {
            return Ok(true);
        }
        position = position.saturating_add(count.try_into().unwrap_or(u64::MAX));
    }
}
