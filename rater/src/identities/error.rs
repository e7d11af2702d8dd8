//! Why identities cannot be told apart any more.

use std::io;

/// Whose fault it is and what to do. After any of them but [`Full`](IdentitiesError::Full) the shard gives no verdicts: it is restored
/// from a snapshot, or the run is started again.
#[derive(Debug, thiserror::Error)]
pub enum IdentitiesError {
    /// The disk fails or is full.
    #[error(
        "cannot {operation} {file}; look after that disk and its free space, or allow more memory, then start again"
    )]
    Store {
        /// What was tried.
        operation: &'static str,
        /// The file.
        file: String,
        /// What the system says.
        source: io::Error,
    },
    /// A file is not what was written.
    #[error("{file} is damaged at page {page}: {what}; look after that disk, then start again")]
    Damaged {
        /// The file.
        file: String,
        /// Page of 4 KiB, from 0.
        page: u64,
        /// How that is known.
        what: &'static str,
    },
    /// The declared capacity is reached; nothing has changed. Retry when a generation has expired.
    #[error(
        "{identities_max} identities are declared and there is no room for these; declare more, or wait until older ones expire"
    )]
    Full {
        /// The declared capacity of the shard.
        identities_max: u64,
    },
    /// What must stay in memory about the identities on disk does not fit.
    #[error(
        "{identities} identities need more than the {memory_bytes} bytes of memory that the shard has for them; allow more"
    )]
    OverBudget {
        /// What there is.
        identities: u64,
        /// What is allowed.
        memory_bytes: u64,
    },
    /// An earlier error left it unknown which identities are known.
    #[error("the identities failed before; start again")]
    Failed,
}
