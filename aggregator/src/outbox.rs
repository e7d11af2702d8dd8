//! The archive of a log that never ends: what the shards make of the log, in batches that the caller cuts.
//!
//! Owns: that a batch is visible whole or not at all, that what is reported archived survives power loss, and that the same
//! batch comes out again, byte for byte, whenever the log is replayed (L6, L7). Does not own: where batches end, which the
//! caller decides by the log alone, and who may write: one owner at a time, whose epoch grows.
//!
//! Files are `events/month=…/NAME.parquet`, `rated/period=…/NAME.parquet` and `quarantine/NAME.ndjson` with NAME as in
//! [`Owner`], the tables as in `weir_model::schema`; `batches/NAME.json` is a [`BatchManifest`] of all of them and comes last.
//! Readers read batches: what no manifest names is not there. A file's bytes depend on the batch's records, the catalog and
//! what the bucket numbers stand for, never on what was before. Nothing is replaced: a name that is taken has the same bytes,
//! or the law is broken and the outbox stops.
//!
//! Threads: the two tables', which write, and one that waits for the disk. The caller waits for them only when
//! their queues are full. Memory: one batch, the chunks on their way, and the bucket directory.

mod found;
mod manifest;
mod name;
mod publisher;
mod staging;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use weir_files::Files;
use weir_model::catalog::Catalog;
use weir_model::event::Chunk;
use weir_model::rated::{OpenedBucket, Openings, SettlementRow, ShardOutput};
use weir_model::time::Instant;

use crate::append::{BatchSize, check, check_rows};
use crate::archive::BATCH_BYTES_MAX;
use crate::error::ArchiveError;
use crate::lane::Lane;
use crate::quarantine::push_lines;
use crate::row_tables::RowTables;
use found::Found;
pub use found::archived_offset;
pub use manifest::{BatchFile, BatchManifest, MANIFEST_VERSION};
pub use name::Owner;
use publisher::{Batch, PublishTask, Publisher, Stage};

/// What the column `file` says, and the quarantine: there is one log.
const LOG: &str = "log";

/// Where the log is after a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogMark {
    /// The offset after the record.
    pub offset: u64,
    /// The log's time of the record.
    pub logged_at: Instant,
}

/// What the outbox tells while it works, from a thread of its own.
#[derive(Debug)]
pub enum Progress<'a> {
    /// All of the log below this offset is archived and survives power loss. Offsets come in order.
    Archived(u64),
    /// The outbox has stopped; the next call gives this error.
    Stopped(&'a ArchiveError),
}

/// The archive of a log. After an error it only says that it stopped.
pub struct Outbox {
    /// `None` after an error. Stands before the publisher, which ends after them.
    rows: Option<RowTables<u64>>,
    publisher: Lane<PublishTask, ()>,
    archived: Arc<AtomicU64>,
    /// Through where earlier lives have archived the log.
    resumed: u64,
    /// The offset of the latest record, or batch.
    offset: u64,
    /// The offset of the latest cut.
    cut: u64,
    batch: Extras,
    catalog: Arc<Catalog>,
    input: Arc<str>,
    /// Chunks of which nothing is kept.
    unread: Vec<(Arc<Chunk>, Vec<ShardOutput>)>,
}

/// What the batch at hand has beside the tables' rows.
#[derive(Default)]
struct Extras {
    logged_at: Option<(Instant, Instant)>,
    quarantine: Vec<u8>,
    lines: u64,
}

impl Extras {
    fn note(&mut self, logged_at: Instant) {
        self.logged_at = Some((self.logged_at.map_or(logged_at, |(first, _)| first), logged_at));
    }

    /// How much it is with the tables' rows.
    fn size(&self, rows: BatchSize) -> BatchSize {
        BatchSize {
            quarantined: usize::try_from(self.lines).unwrap_or(usize::MAX),
            bytes: rows.bytes.saturating_add(self.quarantine.len()),
            ..rows
        }
    }

    fn refuse_overflow(&self, rows: BatchSize) -> Result<(), ArchiveError> {
        if self.size(rows).bytes < BATCH_BYTES_MAX {
            return Ok(());
        }
        Err(ArchiveError::Misuse { what: "a batch goes on beyond what it may hold" })
    }
}

impl Outbox {
    /// Goes on with the archive at the root of `files`, or begins one. What earlier lives have archived stays; what they
    /// left half-done is removed, or replaced once its stretch of the log is archived. `tell` is called from a thread of the
    /// outbox. An error if a later owner than `owner` has written there.
    pub fn open(
        files: Arc<dyn Files>,
        owner: Owner,
        catalog: Arc<Catalog>,
        tell: impl Fn(Progress<'_>) + Send + 'static,
    ) -> Result<Outbox, ArchiveError> {
        let found = Found::in_folder(&*files, owner)?;
        let resumed = found.archived;
        let archived = Arc::new(AtomicU64::new(resumed));
        let publisher = Publisher::new(Arc::clone(&files), owner, found, Arc::clone(&archived), Box::new(tell));
        let publisher = Lane::start("publish", move |tasks| publisher.work(tasks))?;
        let stage = |publisher| Stage { files: Arc::clone(&files), owner, publisher };
        let stages = [stage(publisher.sender()?), stage(publisher.sender()?)];
        let rows = RowTables::start(stages, Arc::clone(&catalog))?;
        Ok(Outbox {
            rows: Some(rows),
            publisher,
            archived,
            resumed,
            offset: 0,
            cut: 0,
            batch: Extras::default(),
            catalog,
            input: LOG.into(),
            unread: Vec::new(),
        })
    }

    /// The offset through which the log is archived and survives power loss.
    pub fn archived(&self) -> u64 {
        self.archived.load(Ordering::Acquire)
    }

    /// How much the batch at hand holds: a function of the log since the batch before that held something, so that batches
    /// may be cut by it. Nothing while the log is replayed that earlier lives have archived. Once it has
    /// [`BATCH_BYTES_MAX`], a batch must end before anything else comes.
    pub fn batch_size(&self) -> BatchSize {
        self.batch.size(self.rows.as_ref().map(RowTables::batch).unwrap_or_default())
    }

    /// The log's time of the first record that the batch at hand has something of: as good to cut by as its size, however
    /// many lives have passed since.
    pub fn batch_began_at(&self) -> Option<Instant> {
        self.batch.logged_at.map(|(first, _)| first)
    }

    /// Takes buckets of a shard without the rows that opened them: all that a restored shard has, by number.
    pub fn tell(&mut self, shard: u16, opened: Openings) -> Result<(), ArchiveError> {
        self.step(|_, rows| rows.tell(shard, opened))
    }

    /// Takes the next chunk in log order, that of the record before `mark`; `outputs[shard]` is what the shard made of
    /// `chunk.batches[shard]`. Of what is archived already only the buckets are taken.
    pub fn append(&mut self, mark: LogMark, chunk: Arc<Chunk>, outputs: Vec<ShardOutput>) -> Result<(), ArchiveError> {
        self.step(|outbox, rows| {
            // A shard that was restored further on has no verdicts for what it passes over.
            if outbox.record(mark.offset)? == Passage::Archived {
                return outbox.skip(rows, chunk, outputs);
            }
            let mismatch = |what| ArchiveError::Mismatch { sequence: chunk.sequence, what };
            check(&chunk, &outputs).map_err(mismatch)?;
            check_rows(&outputs).map_err(mismatch)?;
            outbox.batch.refuse_overflow(rows.batch())?;
            let before = (rows.batch(), outbox.batch.lines);
            outbox.batch.lines += push_lines(&mut outbox.batch.quarantine, LOG, &chunk, &outputs);
            rows.append(chunk, outputs, &outbox.input)?;
            if before != (rows.batch(), outbox.batch.lines) {
                outbox.batch.note(mark.logged_at);
            }
            Ok(())
        })
    }

    /// A chunk whose memory can be used again, with what the shards made of it.
    pub fn take_used(&mut self) -> Option<(Arc<Chunk>, Vec<ShardOutput>)> {
        self.unread.pop().or_else(|| self.rows.as_mut()?.take_used())
    }

    /// Takes a bucket that a close opened: the next of `shard`, like those that batches open.
    pub fn opened(&mut self, shard: u16, bucket: &OpenedBucket) -> Result<(), ArchiveError> {
        self.step(|_, rows| rows.opened(shard, bucket.clone()))
    }

    /// Takes a row that the close caused which is the record before `mark`; the rows of one close come in an order that
    /// the log alone decides.
    pub fn settle(&mut self, mark: LogMark, row: &SettlementRow) -> Result<(), ArchiveError> {
        self.step(|outbox, rows| {
            if outbox.record(mark.offset)? == Passage::Archived {
                return Ok(());
            }
            outbox.batch.refuse_overflow(rows.batch())?;
            outbox.batch.note(mark.logged_at);
            rows.settle(row.clone())
        })
    }

    /// Goes on under another catalog, which has all charges that there were, with their numbers. Between batches only: a file
    /// has one catalog.
    pub fn set_catalog(&mut self, catalog: Arc<Catalog>) -> Result<(), ArchiveError> {
        if !self.batch_size().is_empty() {
            return Err(ArchiveError::Misuse { what: "the catalog changes inside a batch" });
        }
        self.step(|outbox, rows| {
            outbox.catalog = Arc::clone(&catalog);
            rows.change_catalog(catalog)
        })
    }

    /// Ends the batch at `offset`, that of the log after its last record. It is written meanwhile; [`Progress::Archived`] tells
    /// when it is safe. A batch that holds nothing gives no files. Does nothing where earlier lives have archived: what
    /// comes after that begins a batch, wherever this was called last.
    pub fn cut(&mut self, offset: u64) -> Result<(), ArchiveError> {
        self.step(|outbox, rows| {
            if outbox.pass(offset)? == Passage::Archived {
                return Ok(());
            }
            outbox.cut = offset;
            let has_rows = !rows.batch().is_empty();
            let Extras { logged_at, quarantine, lines } = std::mem::take(&mut outbox.batch);
            let batch = Batch {
                offset,
                logged_at,
                catalog: (outbox.catalog.name.clone(), outbox.catalog.hash),
                quarantine: (quarantine, lines),
                tables: if has_rows { 2 } else { 0 },
            };
            outbox.publisher.send(PublishTask::Batch(Box::new(batch)))?;
            if has_rows { rows.write(offset) } else { Ok(()) }
        })
    }

    /// Waits until all batches that were cut are archived; the offset through which the log is. What no batch has yet
    /// comes again when the log is replayed.
    pub fn finish(mut self) -> Result<u64, ArchiveError> {
        let Some(rows) = self.rows.take() else { return Err(ArchiveError::Stopped) };
        let rows = rows.finish();
        self.publisher.finish()?;
        rows?;
        Ok(self.archived())
    }

    /// Keeps of a chunk that is archived already what its numbers stand for.
    fn skip(
        &mut self,
        rows: &mut RowTables<u64>,
        chunk: Arc<Chunk>,
        mut outputs: Vec<ShardOutput>,
    ) -> Result<(), ArchiveError> {
        for (shard, output) in (0..).zip(&mut outputs).filter(|(_, output)| !output.opened.buckets.is_empty()) {
            rows.tell(shard, std::mem::take(&mut output.opened))?;
        }
        self.unread.push((chunk, outputs));
        Ok(())
    }

    /// Goes to the offset after a record.
    fn record(&mut self, offset: u64) -> Result<Passage, ArchiveError> {
        match self.pass(offset)? {
            Passage::New if offset <= self.cut => {
                Err(ArchiveError::Misuse { what: "a record comes after its batch has ended" })
            }
            passage => Ok(passage),
        }
    }

    /// Goes to an offset of the log, and never back.
    fn pass(&mut self, offset: u64) -> Result<Passage, ArchiveError> {
        if offset < self.offset {
            return Err(ArchiveError::Misuse { what: "the log goes back" });
        }
        self.offset = offset;
        Ok(if offset <= self.resumed { Passage::Archived } else { Passage::New })
    }

    /// Runs a step, and refuses all others once one has failed: an archive with a gap must never go on.
    fn step(
        &mut self,
        step: impl FnOnce(&mut Outbox, &mut RowTables<u64>) -> Result<(), ArchiveError>,
    ) -> Result<(), ArchiveError> {
        let Some(mut rows) = self.rows.take() else { return Err(ArchiveError::Stopped) };
        let stepped = if self.publisher.is_finished() { Err(ArchiveError::Stopped) } else { step(self, &mut rows) };
        match stepped {
            Ok(()) => {
                self.rows = Some(rows);
                Ok(())
            }
            Err(ArchiveError::Stopped) => {
                // The publisher knows why.
                drop(rows);
                self.publisher.finish().and(Err(ArchiveError::Stopped))
            }
            error => error,
        }
    }
}

/// Whether earlier lives have archived a part of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Passage {
    Archived,
    New,
}
