//! From what the shards hand out to files: the archive (accepted events, rated rows and totals as Parquet) and the
//! quarantine (rejections and conflicts as NDJSON).
//!
//! [`Archive`] is that of one run, [`Outbox`] that of a log that goes on.
//!
//! Owns: where a run's output batch ends, how rows are partitioned and encoded, and that nothing half-written looks
//! whole. Does not own: the tables' columns (`weir_model::schema`), what anything costs, where a log's batches end, and the
//! final name of a run's folder: the caller hands in a staging folder and renames it after [`Archive::finish`]. Keeps L6, L7
//! and L9: files are a function of the log alone, whatever the number of threads or shards.

mod append;
mod archive;
mod buckets;
mod catalog;
mod columns;
mod dictionary;
mod encoding;
mod error;
mod events;
mod files;
mod lane;
mod order;
mod outbox;
mod part;
mod partitions;
mod parts;
mod quarantine;
mod rated;
mod recent;
mod row_tables;
mod store;
mod table;
mod totals;

pub use append::BatchSize;
pub use archive::{Archive, ArchiveSettings, BATCH_BYTES_MAX, CHUNKS_HELD_MAX, Contents};
pub use error::ArchiveError;
pub use files::{ArchiveReport, TableReport};
pub use outbox::{BatchFile, BatchManifest, LogMark, MANIFEST_VERSION, Outbox, Owner, Progress, archived_offset};
pub use store::{LocalStore, Sink, Store};
pub use totals::{EncodedTotals, Totals};
