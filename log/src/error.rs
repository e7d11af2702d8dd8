//! What can be wrong with a log, and where.

use std::fmt;

use weir_files::FileError;

use crate::header::FORMAT_VERSION;
use crate::record::DeploymentId;

/// What is wrong with the bytes at a place, or with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A name like a segment's that is none.
    #[error("no segment has such a name; take the file away")]
    Stray,
    /// Another kind of file.
    #[error("this is no segment of a log")]
    NotASegment,
    /// Written by another version of Weir.
    #[error("it has format version {0}; this Weir reads version {FORMAT_VERSION}")]
    Version(u32),
    /// The header's bits are not what was written.
    #[error("the header's checksum does not match")]
    Header,
    /// Another deployment's log.
    #[error("it belongs to deployment {0}")]
    Deployment(DeploymentId),
    /// The name says another offset than the header.
    #[error("its header says that it begins with record {0}: it was renamed or copied")]
    Misnamed(u64),
    /// Segments are not there.
    #[error("{0} segments before it are missing")]
    Missing(u64),
    /// The segment's number is not above that of the one before.
    #[error("it has number {0}, which an earlier segment has: it was copied")]
    Duplicate(u64),
    /// A record's head is not what was written, or was never written.
    #[error("no record begins here")]
    Head,
    /// The record has another number.
    #[error("this is record {0}")]
    Offset(u64),
    /// The record goes on beyond the file's end.
    #[error("the file ends inside the record")]
    Cut,
    /// The payload's bits are not what was written.
    #[error("the payload's checksum does not match")]
    Payload,
    /// Bits are set between the payload and the next record.
    #[error("there is something between this record and the next")]
    Padding,
    /// There is nothing where a record has been.
    #[error("the record is missing")]
    Ends,
    /// The next segment has this record too.
    #[error("the next segment has this record too")]
    Overlap,
}

/// What it means that something is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// A write that a crash has cut: nobody was told that it is durable, and the next start cuts it off.
    Torn,
    /// What was durable is not any more, or is not what was written.
    Damaged,
}

/// Something wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The file, from the root of the files.
    pub file: String,
    /// Byte in the file.
    pub position: u64,
    /// The record concerned: the first one that cannot be read.
    pub offset: Option<u64>,
    /// What is wrong.
    pub fault: Fault,
    /// What that means.
    pub verdict: Verdict,
}

impl Finding {
    /// Something wrong with a whole segment.
    pub(crate) fn of_segment(file: String, first_offset: u64, fault: Fault) -> Finding {
        Finding { file, position: 0, offset: Some(first_offset), fault, verdict: Verdict::Damaged }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Finding { file, position, offset, fault, verdict } = self;
        let verdict = if *verdict == Verdict::Torn { "torn" } else { "damaged" };
        write!(f, "{file} is {verdict} at byte {position}")?;
        if let Some(offset) = offset {
            write!(f, " (record {offset})")?;
        }
        write!(f, ": {fault}")
    }
}

/// Why a log cannot be opened or read. Only a disk's own errors may go away by themselves.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The disk refuses.
    #[error(transparent)]
    Files(#[from] FileError),
    /// What is there cannot be what was written: restore the file, or the deployment from its archive.
    #[error("{0}")]
    Unsound(Finding),
    /// There is no log, but there was: the wrong folder, or its segments were removed.
    #[error("there is no log in `{folder}`, but the records below {known_durable} were durable")]
    Lost {
        /// The log's folder.
        folder: String,
        /// What the caller knows to have been durable.
        known_durable: u64,
    },
    /// The caller wants to read what is not there.
    #[error(
        "record {offset} is not in the log, which has records {first_offset} to {next_offset}, the last one excluded"
    )]
    NotThere {
        /// What was asked for.
        offset: u64,
        /// The first record that is there.
        first_offset: u64,
        /// The first record that is not there yet.
        next_offset: u64,
    },
}

/// Why a group is not written, or not durable.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// An earlier write or sync failed, so that nobody knows what is on the disk. Open the log again.
    #[error("the log failed before: it must be opened again")]
    Poisoned,
    /// The caller's fault; nothing was written.
    #[error("a record of {bytes} bytes does not fit in a segment: at most {bytes_max}")]
    RecordTooLarge {
        /// The payload's bytes.
        bytes: u64,
        /// What a segment has room for.
        bytes_max: u64,
    },
    /// The disk is nearly full; nothing was written. Retry when there is room.
    #[error("{free_bytes} bytes are free on the log's disk and {needed_bytes} must be")]
    NoSpace {
        /// What is free.
        free_bytes: u64,
        /// What must be, before this group is written.
        needed_bytes: u64,
    },
    /// The disk refuses. The log is poisoned, unless only its free space could not be asked for.
    #[error(transparent)]
    Files(#[from] FileError),
}
