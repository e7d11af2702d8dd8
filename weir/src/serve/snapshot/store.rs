//! What the thread of snapshots does: writes shards, publishes manifests, removes what is superfluous.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use anyhow::{Context, Result};
use weir_files::Files;
use weir_rater::{Snapshot, SnapshotMemory};
use xxhash_rust::xxh3::xxh3_64;

use super::super::whole_files::{with_checksum, write_synced};
use super::{FOLDER, Manifest, ShardEntry, Superfluous, Taken, Trim};

/// Snapshots that are kept.
const KEPT: usize = 2;

/// Whoever answers a request goes before this thread where there are not processors for both.
pub fn give_way() {
    #[cfg(target_os = "linux")]
    let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), 10);
}

/// The thread's side.
pub struct Store {
    pub files: Arc<dyn Files>,
    pub kept: Vec<Manifest>,
    /// The shards of the snapshot that comes next.
    pub written: Vec<ShardEntry>,
    /// Memory for the engine, as much as one shard takes.
    pub memory: SyncSender<SnapshotMemory>,
    pub bytes: Vec<u8>,
}

impl Store {
    pub fn write(&mut self, taken: Taken) -> Result<()> {
        let Taken { file, next_offset, shard } = taken;
        let (Snapshot { bytes, runs }, memory) = shard.write(std::mem::take(&mut self.bytes))?;
        // If the engine has enough, this goes.
        let _ = self.memory.try_send(memory);
        write_synced(self.files.as_ref(), &file, &bytes)?;
        let checksum = format!("{:016x}", xxh3_64(&bytes));
        self.written.push(ShardEntry { file, bytes: bytes.len() as u64, checksum, next_offset, runs });
        self.bytes = bytes;
        Ok(())
    }

    pub fn remove(&self, superfluous: Superfluous) -> Result<()> {
        match superfluous {
            Superfluous::Log(trimmed) => trimmed.remove().context("cannot trim the log").map(|_| ()),
            Superfluous::Files(paths) => {
                for path in paths {
                    match self.files.remove(&path) {
                        // It was listed twice, before it was removed.
                        Err(error) if error.kind() == ErrorKind::NotFound => {}
                        removed => removed?,
                    }
                }
                Ok(())
            }
        }
    }

    /// The manifest gets its name, then what is superfluous goes.
    pub fn publish(&mut self, mut manifest: Manifest) -> Result<Trim> {
        manifest.shards = std::mem::take(&mut self.written);
        let files = self.files.as_ref();
        let name = manifest_name(manifest.number);
        let partial = format!("{name}.partial");
        write_synced(files, &partial, &with_checksum(serde_json::to_vec(&manifest)?))?;
        // A manifest is never there without the files that it names.
        files.sync_folder(FOLDER)?;
        files.rename(&partial, &name)?;
        files.sync_folder(FOLDER)?;
        self.kept.push(manifest);
        while self.kept.len() > KEPT {
            self.kept.remove(0);
        }
        sweep(files, &self.kept)?;
        Ok(trim_of(&self.kept))
    }
}

/// What need not be kept beside some snapshots.
fn trim_of(kept: &[Manifest]) -> Trim {
    let begins = |manifest: &Manifest| manifest.counted.next_offset;
    let mut runs: BTreeMap<u16, BTreeSet<u64>> = BTreeMap::new();
    for manifest in kept {
        for (shard, entry) in (0_u16..).zip(&manifest.shards) {
            runs.entry(shard).or_default().extend(&entry.runs);
        }
    }
    Trim { newest: kept.last().map_or(0, begins), before: kept.first().map_or(0, begins), runs }
}

fn manifest_name(number: u64) -> String {
    format!("{FOLDER}/{number:012}.json")
}

/// Removes files that no kept snapshot names.
fn sweep(files: &dyn Files, kept: &[Manifest]) -> Result<()> {
    let named: BTreeSet<String> = kept
        .iter()
        .flat_map(|manifest| {
            manifest.shards.iter().map(|shard| shard.file.clone()).chain([manifest_name(manifest.number)])
        })
        .collect();
    let newest = kept.last().map_or(0, |manifest| manifest.number);
    for name in files.list(FOLDER)? {
        let path = format!("{FOLDER}/{name}");
        // A later snapshot is being written.
        let number: Option<u64> = name.get(..12).and_then(|digits| digits.parse().ok());
        if !named.contains(&path) && number.is_some_and(|number| number <= newest) {
            files.remove(&path)?;
        }
    }
    files.sync_folder(FOLDER)?;
    Ok(())
}
