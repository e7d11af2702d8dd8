//! The archive being written: takes chunks in log order, cuts them into output batches, and writes each batch as a whole.
//!
//! A batch ends after the first chunk that brings it to `rows_per_batch` accepted events or to `buffer_bytes_max` bytes of
//! rows: a function of the log alone (L7). Events and rated rows have a thread each; what goes wrong there is told by a
//! later call, at the latest by [`Archive::finish`]. Memory: one batch, encoded as far as its rows go, the chunks on their
//! way to it, and the bucket directory.

use std::path::Path;
use std::sync::Arc;

use weir_model::catalog::Catalog;
use weir_model::event::Chunk;
use weir_model::rated::{OpenedBucket, SettlementRow, ShardOutput};

use crate::append::{check, check_rows};
use crate::error::ArchiveError;
use crate::files::{ArchiveReport, Files};
use crate::lane::QUEUE;
use crate::quarantine::Quarantine;
use crate::row_tables::RowTables;
use crate::store::{LocalStore, Store};
use crate::totals::EncodedTotals;

/// What an archive keeps. Quarantine and totals are always written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contents {
    /// Accepted events and rated rows too.
    Everything,
    /// Neither events nor rated rows.
    TotalsOnly,
}

/// What is kept, and how batches are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArchiveSettings {
    /// What is kept.
    pub contents: Contents,
    /// Accepted events of a batch, at least: it ends with the chunk that reaches this.
    pub rows_per_batch: usize,
    /// Bytes of a batch's rows, texts that stand for many counted each time: it also ends with the chunk that reaches this. At
    /// most 1 GiB.
    pub buffer_bytes_max: usize,
}

impl Default for ArchiveSettings {
    fn default() -> ArchiveSettings {
        ArchiveSettings { contents: Contents::Everything, rows_per_batch: 1 << 20, buffer_bytes_max: 512 << 20 }
    }
}

/// Chunks that an archive holds at the same time.
pub const CHUNKS_HELD_MAX: usize = QUEUE + 2;

/// Bytes of a batch at which it must end: Parquet counts those of a page in 31 bits, and a chunk that crosses this has room.
pub const BATCH_BYTES_MAX: usize = 1 << 30;

/// An archive being written. After an error it only says that it stopped.
pub struct Archive {
    files: Arc<Files>,
    settings: ArchiveSettings,
    /// Names of the input files.
    inputs: Vec<Arc<str>>,
    /// `None`: neither events nor rated rows are kept.
    rows: Option<RowTables<u32>>,
    batches: u32,
    quarantine: Quarantine,
    total_batches: u32,
    /// Chunks of which nothing is kept.
    unread: Vec<(Arc<Chunk>, Vec<ShardOutput>)>,
    report: ArchiveReport,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Sound,
    Stopped,
}

impl Archive {
    /// Begins an archive in `dir`, which is created unless it exists; none of the archive's files may exist there.
    /// `inputs` are the input files' names by [`Chunk::file`].
    pub fn create(
        dir: &Path,
        catalog: Arc<Catalog>,
        settings: ArchiveSettings,
        inputs: Vec<String>,
    ) -> Result<Archive, ArchiveError> {
        Archive::create_in(Box::new(LocalStore), dir, catalog, settings, inputs)
    }

    /// Like [`Archive::create`], on another store than the local file system.
    pub fn create_in(
        store: Box<dyn Store>,
        dir: &Path,
        catalog: Arc<Catalog>,
        settings: ArchiveSettings,
        inputs: Vec<String>,
    ) -> Result<Archive, ArchiveError> {
        let files = Arc::new(Files::new(store, dir)?);
        let quarantine = Quarantine::create(&files)?;
        let rows = match settings.contents {
            Contents::Everything => Some(RowTables::start([Arc::clone(&files), Arc::clone(&files)], catalog)?),
            Contents::TotalsOnly => None,
        };
        Ok(Archive {
            files,
            settings,
            inputs: inputs.into_iter().map(Arc::from).collect(),
            rows,
            batches: 0,
            quarantine,
            total_batches: 0,
            unread: Vec::new(),
            report: ArchiveReport::default(),
            state: State::Sound,
        })
    }

    /// Takes the next chunk in log order; `outputs[shard]` is what the shard made of `chunk.batches[shard]`.
    pub fn append(&mut self, chunk: Arc<Chunk>, outputs: Vec<ShardOutput>) -> Result<(), ArchiveError> {
        self.while_sound(|archive| {
            let mismatch = |what| ArchiveError::Mismatch { sequence: chunk.sequence, what };
            check(&chunk, &outputs).map_err(mismatch)?;
            let position = usize::try_from(chunk.file).unwrap_or(usize::MAX);
            let input = archive.inputs.get(position).ok_or_else(|| mismatch("a file without a name"))?;
            archive.quarantine.append(input, &chunk, &outputs)?;
            let Some(rows) = &mut archive.rows else {
                archive.unread.push((chunk, outputs));
                return Ok(());
            };
            check_rows(&outputs).map_err(mismatch)?;
            rows.append(chunk, outputs, input)?;
            archive.cut_if_full()
        })
    }

    /// A chunk whose memory can be used again, with what the shards made of it.
    pub fn take_used(&mut self) -> Option<(Arc<Chunk>, Vec<ShardOutput>)> {
        self.rows.as_mut().map_or_else(|| self.unread.pop(), RowTables::take_used)
    }

    /// Takes a bucket that a close opened: the next of `shard`, like those that batches open.
    pub fn opened(&mut self, shard: u16, bucket: &OpenedBucket) -> Result<(), ArchiveError> {
        self.while_sound(|archive| {
            let Some(rows) = &mut archive.rows else { return Ok(()) };
            rows.opened(shard, bucket.clone())
        })
    }

    /// Takes a row that a close caused, where the close stands in the log; the rows of one close come in an order that the
    /// log alone decides.
    pub fn settle(&mut self, row: &SettlementRow) -> Result<(), ArchiveError> {
        self.while_sound(|archive| {
            let Some(rows) = &mut archive.rows else { return Ok(()) };
            rows.settle(row.clone())?;
            archive.cut_if_full()
        })
    }

    /// Ends the last batch: neither events nor rated rows come any more. They are written meanwhile.
    pub fn end_rows(&mut self) -> Result<(), ArchiveError> {
        self.while_sound(|archive| match &archive.rows {
            Some(rows) if !rows.batch().is_empty() => archive.cut(),
            _ => Ok(()),
        })
    }

    /// Ends the batch if it is as large as it may be.
    fn cut_if_full(&mut self) -> Result<(), ArchiveError> {
        let Some(rows) = &self.rows else { return Ok(()) };
        let ArchiveSettings { rows_per_batch, buffer_bytes_max, .. } = self.settings;
        let is_full =
            rows.batch().events >= rows_per_batch || rows.batch().bytes >= buffer_bytes_max.min(BATCH_BYTES_MAX);
        if is_full { self.cut() } else { Ok(()) }
    }

    fn cut(&mut self) -> Result<(), ArchiveError> {
        let Some(rows) = &mut self.rows else { return Ok(()) };
        rows.write(self.batches)?;
        self.batches += 1;
        Ok(())
    }

    /// Writes totals as the next batch of them; what is in which batch is to be decided by the log alone.
    pub fn write_totals(&mut self, totals: EncodedTotals) -> Result<(), ArchiveError> {
        self.while_sound(|archive| {
            archive.report.totals.add(totals.write(&archive.files, archive.total_batches)?);
            archive.total_batches += 1;
            Ok(())
        })
    }

    /// Writes what is left and syncs every file and folder. Only now the archive is whole.
    pub fn finish(mut self) -> Result<ArchiveReport, ArchiveError> {
        self.end_rows()?;
        self.while_sound(|archive| {
            let Some(rows) = archive.rows.take() else { return Ok(()) };
            [archive.report.events, archive.report.rated] = rows.finish()?;
            Ok(())
        })?;
        self.report.quarantine = self.quarantine.finish()?;
        self.files.sync()?;
        Ok(self.report)
    }

    /// Runs a step, and refuses all others once one has failed: an archive with a gap must never be finished.
    fn while_sound(&mut self, step: impl FnOnce(&mut Archive) -> Result<(), ArchiveError>) -> Result<(), ArchiveError> {
        if self.state == State::Stopped {
            return Err(ArchiveError::Stopped);
        }
        self.state = State::Stopped;
        step(self)?;
        self.state = State::Sound;
        Ok(())
    }
}
