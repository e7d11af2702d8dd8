//! Weir's own log (design.md 4.3): the durable, ordered records of a deployment, all shards in one.
//!
//! Owns: segments, records, their checksums, group commit, recovery after a crash, trimming and inspection; the bytes are
//! described in `docs/log-format.md`. Does not own: what records mean, threads, queues, clocks, and when to sync.
//! L1: nothing below [`Writer::durable_offset`] is ever lost in silence. After a failed write or sync nothing is acknowledged
//! until the log is opened again. What is missing or damaged below a durable mark is an error that says where, never cut off.

mod error;
mod folder;
mod frame;
mod group;
mod header;
mod inspect;
mod open;
mod reader;
mod record;
mod scan;
mod segment;
mod writer;

pub use error::{Fault, Finding, LogError, Verdict, WriteError};
pub use header::FORMAT_VERSION;
pub use inspect::{SegmentReport, SegmentState, inspect, verify};
pub use open::{Recovery, Torn, open};
pub use reader::Reader;
pub use record::{DeploymentId, Entry, Kind, Record};
pub use writer::{Trimmed, Writer, Written};

/// What a log is told once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The log's folder, which exists and holds nothing else.
    pub folder: String,
    /// Whose log it is.
    pub deployment: DeploymentId,
    /// Length of a segment in bytes: at least 4 KiB, and more than the greatest record.
    pub segment_bytes: u64,
    /// Bytes that stay free on the disk beside two segments, for a snapshot.
    pub reserve_bytes: u64,
}

impl Settings {
    /// Length of a segment unless somebody wants another. A new one costs 2 ms or so, which is a few hundredths of the time
    /// that a disk of 1 GB/s takes for these bytes; a start, which reads the last one twice and writes it anew, 0.1 s.
    pub const SEGMENT_BYTES: u64 = 64 << 20;
}
