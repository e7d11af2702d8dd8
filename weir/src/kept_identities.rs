//! Files of identities that outlive the process: snapshots name runs in a folder, and a start takes them up again.
//!
//! Owns: names, sync, and which files may go. Does not own: what is in them (`weir_rater::identities`), and snapshots. A file goes only when no shard
//! uses it and nobody says that a snapshot names it; none is ever written again.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, IoSlice};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use weir_files::{AppendFile, FileError, Files, ReadFile};
use weir_rater::identities::{IdentitySettings, RunFile, RunStore};

/// Bytes that are synced at once, so that no sync is long for others on the same disk.
const SYNC_BYTES: usize = 4 << 20;

/// The folder of all shards.
#[derive(Debug)]
pub struct KeptIdentities {
    files: Arc<dyn Files>,
    folder: String,
    /// Shard and number of the runs that shards use.
    used: Mutex<BTreeSet<(u16, u64)>>,
}

/// The files of one shard.
#[derive(Debug)]
struct KeptRuns {
    folder: Arc<KeptIdentities>,
    shard: u16,
    readers: BTreeMap<u64, Box<dyn ReadFile>>,
}

/// A run that is not finished.
#[derive(Debug)]
struct Writer {
    folder: Arc<KeptIdentities>,
    file: Box<dyn AppendFile>,
    unsynced: usize,
}

impl KeptIdentities {
    /// The folder of that name, which is there; "" is the root.
    pub fn new(files: Arc<dyn Files>, folder: &str) -> Arc<KeptIdentities> {
        Arc::new(KeptIdentities { files, folder: folder.to_owned(), used: Mutex::default() })
    }

    /// What a shard may use: its part of the memory of all, and of the identities declared.
    pub fn settings(self: &Arc<Self>, shard: u16, memory_bytes: u64, identities_max: u64) -> IdentitySettings {
        let store = Box::new(KeptRuns { folder: Arc::clone(self), shard, readers: BTreeMap::new() });
        IdentitySettings { memory_bytes, identities_max, store }
    }

    /// Removes the files of a shard that are neither used nor among `named`: the runs of all snapshots that are kept or still being
    /// written.
    pub fn retain(&self, shard: u16, named: &BTreeSet<u64>) -> Result<(), FileError> {
        self.left_behind(shard, named)?.into_iter().try_for_each(|path| self.files.remove(&path))
    }

    /// The files that [`KeptIdentities::retain`] removes. They stay superfluous: no number is given twice.
    pub fn left_behind(&self, shard: u16, named: &BTreeSet<u64>) -> Result<Vec<String>, FileError> {
        // A file is used before it is there, so that those which are there and not used were left behind.
        let numbers = self.numbers(shard)?;
        let used = self.used();
        let is_left = |number: &u64| !named.contains(number) && !used.contains(&(shard, *number));
        Ok(numbers.into_iter().filter(is_left).map(|number| self.path(shard, number)).collect())
    }

    /// The numbers of a shard's files.
    fn numbers(&self, shard: u16) -> Result<Vec<u64>, FileError> {
        let prefix = file_prefix(shard);
        let names = self.files.list(&self.folder)?;
        Ok(names.iter().filter_map(|name| name.strip_prefix(&prefix)?.parse().ok()).collect())
    }

    fn path(&self, shard: u16, run: u64) -> String {
        let slash = if self.folder.is_empty() { "" } else { "/" };
        format!("{}{slash}{}{run:06}", self.folder, file_prefix(shard))
    }

    fn used(&self) -> MutexGuard<'_, BTreeSet<(u16, u64)>> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl KeptRuns {
    fn path(&self, run: u64) -> String {
        self.folder.path(self.shard, run)
    }

    /// Opens a file for reading; its length in bytes.
    fn open_reader(&mut self, run: u64) -> io::Result<u64> {
        let reader = self.folder.files.open(&self.path(run)).map_err(system)?;
        let length = reader.length().map_err(system)?;
        self.readers.insert(run, reader);
        Ok(length)
    }
}

impl RunStore for KeptRuns {
    fn create(&mut self, run: u64) -> io::Result<Box<dyn RunFile>> {
        self.folder.used().insert((self.shard, run));
        let file = self.folder.files.create(&self.path(run)).map_err(system)?;
        self.open_reader(run)?;
        Ok(Box::new(Writer { folder: Arc::clone(&self.folder), file, unsynced: 0 }))
    }

    fn open(&mut self, run: u64) -> io::Result<u64> {
        self.folder.used().insert((self.shard, run));
        self.open_reader(run)
    }

    fn greatest(&self) -> io::Result<Option<u64>> {
        Ok(self.folder.numbers(self.shard).map_err(system)?.into_iter().max())
    }

    fn is_durable(&self) -> bool {
        true
    }

    fn read_at(&self, run: u64, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let file = self.readers.get(&run).ok_or(io::ErrorKind::NotFound)?;
        let read = file.read_at(offset, buffer).map_err(system)?;
        if read == buffer.len() { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    /// The file stays: see [`KeptIdentities::retain`].
    fn delete(&mut self, run: u64) -> io::Result<()> {
        self.readers.remove(&run).ok_or(io::ErrorKind::NotFound)?;
        self.folder.used().remove(&(self.shard, run));
        Ok(())
    }

    fn name(&self, run: u64) -> String {
        self.path(run)
    }
}

impl Drop for KeptRuns {
    fn drop(&mut self) {
        let mut used = self.folder.used();
        for run in self.readers.keys() {
            used.remove(&(self.shard, *run));
        }
    }
}

impl RunFile for Writer {
    fn append(&mut self, piece: &[u8]) -> io::Result<()> {
        self.file.append(&mut [IoSlice::new(piece)]).map_err(system)?;
        self.unsynced += piece.len();
        if self.unsynced >= SYNC_BYTES {
            self.unsynced = 0;
            self.file.sync().map_err(system)?;
        }
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.unsynced = 0;
        self.file.sync().map_err(system)?;
        self.folder.files.sync_folder(&self.folder.folder).map_err(system)
    }

    fn forget(&mut self) {
        self.file.forget();
    }
}

fn file_prefix(shard: u16) -> String {
    format!("shard-{shard:04}-run-")
}

fn system(error: FileError) -> io::Error {
    io::Error::new(error.kind(), error)
}
