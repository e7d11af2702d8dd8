//! The thread that waits for the disk: it syncs a batch's files, gives them their names, and says that the batch is archived.
//!
//! Owns: the order in which a batch becomes visible and durable. Files first, then the folders that name them, then what an
//! earlier life left of the same stretch of the log is removed, then the manifest, then its folder; only then is the
//! batch archived. Batches follow each other in log order.

use std::collections::VecDeque;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender};

use parquet::errors::Result as ParquetResult;
use weir_files::Files;
use weir_model::time::Instant;

use crate::error::ArchiveError;
use crate::files::{TableReport, write_columns};
use crate::outbox::Progress;
use crate::outbox::found::{Found, Leftover};
use crate::outbox::manifest::{BATCHES, BatchFile, BatchManifest, MANIFEST_VERSION, QUARANTINE};
use crate::outbox::name::{BatchName, Owner};
use crate::outbox::staging::{Publishing, Staged, StagedFile};
use crate::part::Part;
use crate::parts::Parts;
use crate::table::Table;

/// What the publisher is told: a batch, then its files and that its tables have no more, in any order among tables.
pub(crate) enum PublishTask {
    /// The next batch.
    Batch(Box<Batch>),
    /// A file of the batch that ends at this offset.
    File(u64, Staged),
    /// A table has no more files of that batch.
    End(u64),
    /// A table stops, and so does everything.
    Failed(ArchiveError),
}

/// A batch that was cut.
pub(crate) struct Batch {
    /// The log's offset after it.
    pub(crate) offset: u64,
    /// The log's time of the first and the last record that it has something of; `None`: it has nothing.
    pub(crate) logged_at: Option<(Instant, Instant)>,
    /// The catalog's name and hash.
    pub(crate) catalog: (String, u64),
    /// Lines of the quarantine, and how many.
    pub(crate) quarantine: (Vec<u8>, u64),
    /// Tables that have not ended it.
    pub(crate) tables: usize,
}

/// A table's way to the publisher.
pub(crate) struct Stage {
    pub(crate) files: Arc<dyn Files>,
    pub(crate) owner: Owner,
    pub(crate) publisher: SyncSender<PublishTask>,
}

impl Stage {
    fn send(&self, task: PublishTask) -> Result<(), ArchiveError> {
        self.publisher.send(task).map_err(|_| ArchiveError::Stopped)
    }
}

impl Parts for Stage {
    /// The log's offset after it.
    type Batch = u64;

    fn write_part(
        &self,
        table: &Table,
        (&offset, partition): (&u64, &str),
        rows: usize,
        columns: impl FnOnce(&mut Part<'_>) -> ParquetResult<()>,
    ) -> Result<TableReport, ArchiveError> {
        let name = BatchName { owner: self.owner, offset };
        let mut file = StagedFile::create(&*self.files, format!("{}/{partition}/{name}.parquet", table.name))?;
        let written = write_columns(&mut file, table, rows, columns);
        written.map_err(|error| file.blame(error))?;
        // usize has at most 64 bits on every platform Rust supports.
        let staged = file.finish(table.name, u64::try_from(rows).unwrap_or(u64::MAX))?;
        let report = TableReport { files: 1, rows: staged.entry.rows, bytes: staged.entry.bytes };
        self.send(PublishTask::File(offset, staged))?;
        Ok(report)
    }

    fn end(&self, &offset: &u64) -> Result<(), ArchiveError> {
        self.send(PublishTask::End(offset))
    }

    fn failed(&self, error: ArchiveError) -> ArchiveError {
        // If nobody takes it, the publisher has stopped for a reason of its own.
        let _ = self.publisher.send(PublishTask::Failed(error));
        ArchiveError::Stopped
    }
}

/// The state of the thread.
pub(crate) struct Publisher {
    owner: Owner,
    publishing: Publishing,
    /// Where the latest batch ends that has something.
    chain: u64,
    leftovers: Vec<Leftover>,
    /// Batches that are not archived, with their synced files.
    pending: VecDeque<(Batch, Vec<BatchFile>)>,
    archived: Arc<AtomicU64>,
    tell: Box<dyn Fn(Progress<'_>) + Send>,
}

impl Publisher {
    /// Goes on after what was found.
    pub(crate) fn new(
        files: Arc<dyn Files>,
        owner: Owner,
        found: Found,
        archived: Arc<AtomicU64>,
        tell: Box<dyn Fn(Progress<'_>) + Send>,
    ) -> Publisher {
        let Found { archived: chain, leftovers } = found;
        let publishing = Publishing::new(files);
        Publisher { owner, publishing, chain, leftovers, pending: VecDeque::new(), archived, tell }
    }

    /// Publishes until nothing comes or something fails.
    pub(crate) fn work(mut self, tasks: Receiver<PublishTask>) -> Result<(), ArchiveError> {
        let worked = tasks.into_iter().try_for_each(|task| self.take(task));
        if let Err(error) = &worked {
            (self.tell)(Progress::Stopped(error));
        }
        worked
    }

    fn take(&mut self, task: PublishTask) -> Result<(), ArchiveError> {
        match task {
            PublishTask::Batch(batch) => self.pending.push_back((*batch, Vec::new())),
            PublishTask::File(offset, staged) => {
                let entry = staged.sync()?;
                self.pending(offset)?.1.push(entry);
            }
            PublishTask::End(offset) => self.pending(offset)?.0.tables -= 1,
            PublishTask::Failed(error) => return Err(error),
        }
        while let Some((batch, files)) = self.pending.pop_front_if(|(batch, _)| batch.tables == 0) {
            self.archive(batch, files)?;
        }
        Ok(())
    }

    fn pending(&mut self, offset: u64) -> Result<&mut (Batch, Vec<BatchFile>), ArchiveError> {
        let found = self.pending.iter_mut().find(|(batch, _)| batch.offset == offset);
        found.ok_or(ArchiveError::Misuse { what: "a table ends a batch that was never cut" })
    }

    /// Makes a batch visible, and durable.
    fn archive(&mut self, batch: Batch, mut files: Vec<BatchFile>) -> Result<(), ArchiveError> {
        let offset = batch.offset;
        if let Some(logged_at) = batch.logged_at {
            let name = BatchName { owner: self.owner, offset };
            let (lines, rows) = &batch.quarantine;
            if *rows > 0 {
                files.push(self.stage((format!("{QUARANTINE}/{name}.ndjson"), QUARANTINE), lines, *rows)?);
            }
            files.sort_unstable();
            files.iter().try_for_each(|file| self.publishing.publish(&file.path))?;
            self.remove_leftovers(offset, &files)?;
            self.publishing.sync()?;
            let manifest = self.manifest(&batch, logged_at, files).text();
            let entry = self.stage((format!("{BATCHES}/{name}.json"), BATCHES), manifest.as_bytes(), 1)?;
            self.publishing.publish(&entry.path)?;
            self.publishing.sync()?;
            self.chain = offset;
        }
        self.archived.store(offset, Ordering::Release);
        (self.tell)(Progress::Archived(offset));
        Ok(())
    }

    /// Writes and syncs a small file.
    fn stage(&self, (path, table): (String, &str), bytes: &[u8], rows: u64) -> Result<BatchFile, ArchiveError> {
        let mut file = StagedFile::create(self.publishing.files(), path)?;
        file.write_all(bytes).map_err(|error| file.blame(error.into()))?;
        file.finish(table, rows)?.sync()
    }

    /// Removes what an earlier life published of a batch that it did not finish and that is cut otherwise now.
    fn remove_leftovers(&mut self, through: u64, files: &[BatchFile]) -> Result<(), ArchiveError> {
        for Leftover { path, .. } in self.leftovers.extract_if(.., |leftover| leftover.offset <= through) {
            if files.binary_search_by(|file| file.path.cmp(&path)).is_err() {
                self.publishing.remove(&path)?;
            }
        }
        Ok(())
    }

    fn manifest(&self, batch: &Batch, (first, last): (Instant, Instant), files: Vec<BatchFile>) -> BatchManifest {
        let (catalog, hash) = &batch.catalog;
        BatchManifest {
            version: MANIFEST_VERSION,
            generation: self.owner.generation,
            epoch: self.owner.epoch,
            offset_start: self.chain,
            offset_end: batch.offset,
            first_logged_at: first.to_string(),
            last_logged_at: last.to_string(),
            catalog: catalog.clone(),
            catalog_hash: format!("{hash:016x}"),
            files,
        }
    }
}
