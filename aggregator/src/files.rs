//! The files of one archive: creates them, tells disk errors from the encoder's, syncs, and keeps the report.
//!
//! Owns: the rule that a file is created new, synced once it is complete, and that its folder is synced at the end.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};

use parquet::errors::{ParquetError, Result as ParquetResult};

use crate::error::ArchiveError;
use crate::part::Part;
use crate::parts::Parts;
use crate::store::{Sink, Store};
use crate::table::Table;

/// What was written for one table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TableReport {
    /// Files.
    pub files: u64,
    /// Rows in them.
    pub rows: u64,
    /// Their size.
    pub bytes: u64,
}

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ArchiveReport {
    /// Accepted events.
    pub events: TableReport,
    /// Rated usage and settlements.
    pub rated: TableReport,
    /// The buckets' totals.
    pub totals: TableReport,
    /// Rejections and conflicts; one file, a line is a row.
    pub quarantine: TableReport,
}

impl ArchiveReport {
    /// All tables and the quarantine together.
    pub fn sum(&self) -> TableReport {
        let ArchiveReport { events, rated, totals, quarantine } = *self;
        [events, rated, totals, quarantine].into_iter().fold(TableReport::default(), |mut sum, table| {
            sum.add(table);
            sum
        })
    }
}

impl TableReport {
    pub(crate) fn add(&mut self, other: TableReport) {
        self.files += other.files;
        self.rows += other.rows;
        self.bytes += other.bytes;
    }
}

/// Creates files below the archive's folder, for several threads.
pub(crate) struct Files {
    store: Box<dyn Store>,
    folder: PathBuf,
    syncing: Mutex<Syncing>,
    /// Folders with new entries.
    touched: Mutex<BTreeSet<PathBuf>>,
}

impl Files {
    /// Creates the archive's folder unless it exists.
    pub(crate) fn new(store: Box<dyn Store>, folder: &Path) -> Result<Files, ArchiveError> {
        store.create_folder(folder).map_err(|e| ArchiveError::io(folder, e))?;
        Ok(Files { store, folder: folder.to_owned(), syncing: Mutex::default(), touched: Mutex::default() })
    }

    /// Creates `DIR/name`, which must not exist; parts of `name` before the last are folders.
    pub(crate) fn create(&self, name: &Path) -> Result<NewFile, ArchiveError> {
        let path = self.folder.join(name);
        let mut touched = lock(&self.touched);
        let mut parent = name.parent();
        if let Some(nearest) = parent.map(|parent| self.folder.join(parent))
            && !touched.contains(&nearest)
        {
            self.store.create_folder(&nearest).map_err(|e| ArchiveError::io(&nearest, e))?;
        }
        while let Some(above) = parent {
            touched.insert(self.folder.join(above));
            parent = above.parent();
        }
        drop(touched);
        let sink = self.store.create(&path).map_err(|e| ArchiveError::io(&path, e))?;
        Ok(NewFile { sink, path, bytes: 0, failure: None })
    }

    /// Writes a part that [`encode_part`] has made.
    pub(crate) fn write_encoded(
        &self,
        table: &Table,
        at: PartName<'_>,
        part: &Encoded,
    ) -> Result<TableReport, ArchiveError> {
        let mut file = self.create(&at.path(table))?;
        file.write_all(&part.bytes).map_err(|e| file.blame(e.into()))?;
        self.add(file, part.rows)
    }

    fn add(&self, file: NewFile, rows: usize) -> Result<TableReport, ArchiveError> {
        let bytes = file.bytes;
        lock(&self.syncing).add(file)?;
        // usize has at most 64 bits on every platform Rust supports.
        Ok(TableReport { files: 1, rows: u64::try_from(rows).unwrap_or(u64::MAX), bytes })
    }

    /// Makes all files and new entries durable.
    pub(crate) fn sync(&self) -> Result<(), ArchiveError> {
        lock(&self.syncing).finish()?;
        // The reverse order puts a folder before the one that names it.
        for folder in lock(&self.touched).iter().rev() {
            self.store.sync_folder(folder).map_err(|e| ArchiveError::io(folder, e))?;
        }
        Ok(())
    }
}

impl Parts for Arc<Files> {
    type Batch = u32;

    /// `DIR/table/partition/part-NNNNN.parquet`
    fn write_part(
        &self,
        table: &Table,
        (&batch, partition): (&u32, &str),
        rows: usize,
        columns: impl FnOnce(&mut Part<'_>) -> ParquetResult<()>,
    ) -> Result<TableReport, ArchiveError> {
        let mut file = self.create(&PartName { partition, batch }.path(table))?;
        let written = write_columns(&mut file, table, rows, columns);
        written.map_err(|e| file.blame(e))?;
        self.add(file, rows)
    }

    fn end(&self, _batch: &u32) -> Result<(), ArchiveError> {
        Ok(())
    }

    fn failed(&self, error: ArchiveError) -> ArchiveError {
        error
    }
}

/// A thread that panics ends the archive; what it leaves is whole.
fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Complete files on their way to the disk: a thread waits for it, so that nobody else does.
#[derive(Default)]
struct Syncing {
    thread: Option<SyncThread>,
}

struct SyncThread {
    files: Sender<NewFile>,
    outcome: JoinHandle<Result<(), ArchiveError>>,
}

impl Syncing {
    /// Takes a complete file, or gives the error of one before.
    fn add(&mut self, file: NewFile) -> Result<(), ArchiveError> {
        if self.thread.is_none() {
            let (sender, files) = channel::<NewFile>();
            let path = file.path.clone();
            let thread = Builder::new().name("sync".to_owned());
            let thread = thread.spawn(move || files.iter().try_for_each(|file| file.close().map(drop)));
            let outcome = thread.map_err(|e| ArchiveError::io(&path, e))?;
            self.thread = Some(SyncThread { files: sender, outcome });
        }
        match &self.thread {
            Some(thread) if thread.files.send(file).is_ok() => Ok(()),
            // The thread ends at its first error.
            _ => self.finish(),
        }
    }

    /// Waits for all of them.
    fn finish(&mut self) -> Result<(), ArchiveError> {
        let Some(SyncThread { files, outcome }) = self.thread.take() else { return Ok(()) };
        drop(files);
        outcome.join().expect("waiting for a disk does not panic")
    }
}

impl Drop for Syncing {
    /// Leaves nothing behind that still works on the archive's folder. After an error the files are worthless.
    fn drop(&mut self) {
        let _ = self.finish();
    }
}

/// Which part of a table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PartName<'a> {
    /// `key=value`.
    pub(crate) partition: &'a str,
    /// Number of the output batch.
    pub(crate) batch: u32,
}

impl PartName<'_> {
    fn path(&self, table: &Table) -> PathBuf {
        format!("{}/{}/part-{:05}.parquet", table.name, self.partition, self.batch).into()
    }
}

/// A part in memory.
pub(crate) struct Encoded {
    bytes: Vec<u8>,
    rows: usize,
}

/// Makes a part in memory.
pub(crate) fn encode_part(
    table: &Table,
    rows: usize,
    columns: impl FnOnce(&mut Part<'_>) -> ParquetResult<()>,
) -> Result<Encoded, ArchiveError> {
    let mut bytes = Vec::new();
    let encoded = write_columns(&mut bytes, table, rows, columns);
    encoded.map_err(|source| ArchiveError::Encode { path: table.name.into(), source })?;
    Ok(Encoded { bytes, rows })
}

pub(crate) fn write_columns(
    file: &mut (dyn Write + Send),
    table: &Table,
    rows: usize,
    columns: impl FnOnce(&mut Part<'_>) -> ParquetResult<()>,
) -> ParquetResult<()> {
    let mut part = Part::begin(file, table, rows)?;
    columns(&mut part)?;
    part.finish()
}

/// A file of the archive being written. Remembers the disk's error, which the encoder may wrap or lose.
pub(crate) struct NewFile {
    sink: Box<dyn Sink>,
    path: PathBuf,
    bytes: u64,
    failure: Option<io::Error>,
}

impl NewFile {
    /// Flushes and syncs; the size.
    pub(crate) fn close(mut self) -> Result<u64, ArchiveError> {
        self.sink.flush().and_then(|()| self.sink.sync()).map_err(|e| ArchiveError::io(&self.path, e))?;
        Ok(self.bytes)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    fn blame(&mut self, encoder: ParquetError) -> ArchiveError {
        match self.failure.take() {
            Some(disk) => ArchiveError::io(&self.path, disk),
            None => ArchiveError::Encode { path: self.path.clone(), source: encoder },
        }
    }

    /// Keeps the first failure and hands the encoder one of the same kind.
    fn note(&mut self, failure: io::Error) -> io::Error {
        let kind = failure.kind();
        if kind != io::ErrorKind::Interrupted {
            self.failure.get_or_insert(failure);
        }
        kind.into()
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.sink.write(bytes).map_err(|e| self.note(e))?;
        self.bytes += u64::try_from(written).unwrap_or(u64::MAX);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush().map_err(|e| self.note(e))
    }
}
