//! The files under everything that must survive power loss: log, snapshots, seals, archive.
//!
//! Owns: what a file system is asked for ([`Files`]), the real one ([`Disk`]), and one in memory that crashes and fails where
//! a test says ([`Simulated`]). Does not own: what is in the files, and when something must be durable. What has been
//! written is durable once `sync` has returned, and has its name once the folder's `sync_folder` has; before that
//! a crash may keep all of it, nothing, or any part.

mod below;
mod disk;
mod simulated;

use std::fmt;
use std::io::{self, IoSlice};

pub use below::Below;
pub use disk::Disk;
pub use simulated::{Failure, Simulated, Survivors, for_each_crash, for_each_failure};

/// One tree of folders and files. Paths are relative to its root, with `/` between names; the root itself is `""`.
pub trait Files: fmt::Debug + Send + Sync {
    /// A new, empty file; an error if the name is taken.
    fn create(&self, path: &str) -> Result<Box<dyn AppendFile>, FileError>;

    /// A file for reading. It stays readable when its name goes.
    fn open(&self, path: &str) -> Result<Box<dyn ReadFile>, FileError>;

    /// The names in a folder, files and folders, in order.
    fn list(&self, folder: &str) -> Result<Vec<String>, FileError>;

    /// A new folder; an error if the name is taken.
    fn make_folder(&self, path: &str) -> Result<(), FileError>;

    /// Gives a file another name at once, in place of the file that had it.
    fn rename(&self, from: &str, to: &str) -> Result<(), FileError>;

    /// Gives a file another name at once; an error if the name is taken.
    fn rename_new(&self, from: &str, to: &str) -> Result<(), FileError>;

    /// Removes a file.
    fn remove(&self, path: &str) -> Result<(), FileError>;

    /// Makes durable which names are in a folder; what the files hold is [`AppendFile::sync`]'s.
    fn sync_folder(&self, folder: &str) -> Result<(), FileError>;

    /// Bytes that may still be written.
    fn free_bytes(&self) -> Result<u64, FileError>;
}

/// A file that grows at its end.
pub trait AppendFile: fmt::Debug + Send + Sync {
    /// Writes all parts, one after the other. After an error any part of them may be there.
    fn append(&mut self, parts: &mut [IoSlice<'_>]) -> Result<(), FileError>;

    /// Makes durable what was appended. After an error nothing that was not durable before ever is known to be: a later
    /// success proves nothing about it.
    fn sync(&mut self) -> Result<(), FileError>;

    /// Tells that nobody reads what is durable soon, so that memory which keeps it may go to what is written next: memory that was
    /// used a moment ago is faster than memory that never was.
    fn forget(&mut self) {}

    /// Reserves room for a file of so many bytes, without a change of its length. Where the system cannot, nothing happens.
    fn preallocate(&mut self, bytes: u64) -> Result<(), FileError>;
}

/// A file for reading.
pub trait ReadFile: fmt::Debug + Send + Sync {
    /// Fills the buffer from a position on; fewer bytes only at the file's end.
    fn read_at(&self, position: u64, buffer: &mut [u8]) -> Result<usize, FileError>;

    /// The file's length in bytes.
    fn length(&self) -> Result<u64, FileError>;
}

/// What the system refused. The disk's or the operator's fault; whether to retry depends on [`FileError::kind`].
#[derive(Debug, thiserror::Error)]
#[error("cannot {operation} {path}")]
pub struct FileError {
    /// What was tried.
    pub operation: &'static str,
    /// On which file or folder.
    pub path: String,
    /// What the system says.
    pub source: io::Error,
}

impl FileError {
    /// What the system says, in a word.
    pub fn kind(&self) -> io::ErrorKind {
        self.source.kind()
    }
}
