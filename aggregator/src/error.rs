//! Why the archive cannot be written. Each error names the file and says what to do; the cause is the error's source.

use std::io;
use std::path::{Path, PathBuf};

use parquet::errors::ParquetError;
use weir_files::FileError;

/// The archive cannot be written. What lies in the folder by then is not an archive: remove it, and run again.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// External: the disk or a quota is full.
    #[error("there is no space left to write {}: free space or choose another --out", path.display())]
    DiskFull {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// External: the file may not grow further.
    #[error("{} would exceed the file size limit of this process or file system: raise it or choose another --out", path.display())]
    FileTooLarge {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Caller: the folder is in use.
    #[error("{} exists already: choose an empty folder for --out", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// External: anything else that keeps a file from being written.
    #[error("{} cannot be written: check the folder and its permissions or choose another --out", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Internal: rows did not become Parquet.
    #[error("{} cannot be encoded as Parquet: this is a bug in Weir, please report it", path.display())]
    Encode {
        /// The file.
        path: PathBuf,
        /// What the encoder said.
        source: ParquetError,
    },
    /// Internal: ingest let text pass that is no UTF-8.
    #[error(
        "{column} of record {position} of {file} is not UTF-8 though it was accepted: this is a bug in Weir, please report it"
    )]
    Text {
        /// The column.
        column: &'static str,
        /// The input file.
        file: String,
        /// The record's number, from 0.
        position: u64,
    },
    /// Internal: an event's quantity is beyond what a shard may rate.
    #[error(
        "the quantity of record {position} of {file} at charge {charge} does not fit 38 digits with 12 decimals: this is a bug in Weir, please report it"
    )]
    QuantityTooLarge {
        /// The charge.
        charge: String,
        /// The input file.
        file: String,
        /// The record's number, from 0.
        position: u64,
    },
    /// Internal: a bucket, a total or a settlement row contradicts the catalog.
    #[error(
        "a bucket, total or settlement row contradicts the catalog ({what}): this is a bug in Weir, please report it"
    )]
    Closing {
        /// What does not agree.
        what: &'static str,
    },
    /// Internal: inputs contradict each other.
    #[error(
        "chunk {sequence} and the shards' outputs contradict each other ({what}): this is a bug in Weir, please report it"
    )]
    Mismatch {
        /// The chunk's number.
        sequence: u64,
        /// What does not agree.
        what: &'static str,
    },
    /// External: the outbox cannot be written or read. What is reported archived stays so.
    #[error("the archive of the log cannot go on: see that the disk works and has space, then start again")]
    Disk(#[from] FileError),
    /// Internal: a broken L6 or L7, or a file that somebody else wrote.
    #[error(
        "{} is there with other bytes than the log gives: keep both the folder and the log, and report it; this is a bug in Weir unless the file was changed",
        path.display()
    )]
    Differs {
        /// The file.
        path: PathBuf,
    },
    /// Caller: another process has taken over.
    #[error("{} was written by a later owner of the log: this process must not go on", path.display())]
    Fenced {
        /// A file that the later owner wrote.
        path: PathBuf,
    },
    /// Internal: the outbox is told what cannot be.
    #[error("the outbox cannot go on ({what}): this is a bug in Weir, please report it")]
    Misuse {
        /// What does not agree.
        what: &'static str,
    },
    /// Caller: an earlier call failed, so the archive has a gap.
    #[error("the archive stopped at an earlier error and cannot go on")]
    Stopped,
}

impl ArchiveError {
    /// What an error of the system at `path` means.
    pub(crate) fn io(path: &Path, source: io::Error) -> ArchiveError {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ArchiveError::DiskFull { path, source },
            io::ErrorKind::FileTooLarge => ArchiveError::FileTooLarge { path, source },
            io::ErrorKind::AlreadyExists => ArchiveError::Exists { path, source },
            _ => ArchiveError::Write { path, source },
        }
    }
}
