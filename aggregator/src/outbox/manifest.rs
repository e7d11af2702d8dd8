//! What a reader of the outbox needs to know of a batch: `batches/NAME.json`, published after all of the batch's files.
//!
//! A batch is there if its manifest is. Manifests of one generation make a chain: each begins at the offset where the one
//! before ends, so that a missing one shows.

use serde::{Deserialize, Serialize};

/// Version of [`BatchManifest`]'s form.
pub const MANIFEST_VERSION: u32 = 1;

/// Folder of the manifests.
pub(crate) const BATCHES: &str = "batches";
/// Folder of rejections and conflicts.
pub(crate) const QUARANTINE: &str = "quarantine";

/// An archived batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchManifest {
    /// [`MANIFEST_VERSION`].
    pub version: u32,
    /// The log's generation.
    pub generation: u64,
    /// The epoch of the owner who wrote it.
    pub epoch: u64,
    /// The log's offset after the batch before; 0 for the first.
    pub offset_start: u64,
    /// The log's offset after the batch.
    pub offset_end: u64,
    /// The log's time of the first record that the batch has something of; RFC 3339.
    pub first_logged_at: String,
    /// The log's time of the last such record.
    pub last_logged_at: String,
    /// The catalog's name.
    pub catalog: String,
    /// The catalog's content hash, 16 hexadecimal digits.
    pub catalog_hash: String,
    /// Its files, by path.
    pub files: Vec<BatchFile>,
}

/// A file of a batch.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchFile {
    /// From the archive's folder.
    pub path: String,
    /// The table, or `quarantine`.
    pub table: String,
    /// Rows, or lines.
    pub rows: u64,
    /// Size.
    pub bytes: u64,
    /// XXH3 of the bytes, 32 hexadecimal digits.
    pub xxh3_128: String,
}

impl BatchManifest {
    /// As it is written.
    pub(crate) fn text(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("texts and numbers become JSON");
        text.push('\n');
        text
    }
}
