//! The archive being written: takes chunks in log order, cuts them into output batches, and writes each batch as a whole.
//!
//! A batch ends after the first chunk that brings it to `rows_per_batch` accepted events or to `buffer_bytes_max` bytes of
//! rows: a function of the log alone (L7). Memory: one batch, encoded as far as its rows go, and the bucket directory.

use std::path::Path;
use std::sync::Arc;

use parquet::errors::ParquetError;
use weir_model::catalog::Catalog;
use weir_model::event::Chunk;
use weir_model::rated::{OpenedBucket, SettlementRow, ShardOutput};

use crate::append::{Batch, check};
use crate::buckets::Directory;
use crate::catalog::Charges;
use crate::error::ArchiveError;
use crate::events::Rated;
use crate::files::{ArchiveReport, Files};
use crate::partitions::{Granularity, Partitions};
use crate::quarantine::Quarantine;
use crate::store::{LocalStore, Store};
use crate::table::Table;
use crate::totals::Totals;

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
    /// Bytes of a batch's rows in memory: it also ends with the chunk that reaches this. At most 1 GiB.
    pub buffer_bytes_max: usize,
}

impl Default for ArchiveSettings {
    fn default() -> ArchiveSettings {
        ArchiveSettings { contents: Contents::Everything, rows_per_batch: 1 << 20, buffer_bytes_max: 512 << 20 }
    }
}

/// Parquet counts the bytes of a page in 31 bits: this leaves room for the chunk that crosses the limit.
const BUFFER_BYTES_LIMIT: usize = 1 << 30;

/// An archive being written. After an error it only says that it stopped.
pub struct Archive {
    files: Files,
    tables: Tables,
    settings: ArchiveSettings,
    /// Names of the input files.
    inputs: Vec<String>,
    batch: Batch,
    directory: Directory,
    months: Partitions,
    quarantine: Quarantine,
    batches: u32,
    total_batches: u32,
    report: ArchiveReport,
    state: State,
}

struct Tables {
    events: Table,
    rated: Table,
    totals: Table,
}

impl Tables {
    fn new(catalog: &Catalog) -> Result<Tables, ParquetError> {
        Ok(Tables { events: Table::events(catalog)?, rated: Table::rated(catalog)?, totals: Table::totals(catalog)? })
    }
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
        let tables = Tables::new(&catalog).map_err(|source| ArchiveError::Encode { path: dir.to_owned(), source })?;
        let mut files = Files::new(store, dir)?;
        let quarantine = Quarantine::create(&mut files)?;
        Ok(Archive {
            files,
            tables,
            settings,
            inputs,
            batch: Batch::default(),
            directory: Directory::new(Charges::new(catalog)),
            months: Partitions::new(Granularity::Month),
            quarantine,
            batches: 0,
            total_batches: 0,
            report: ArchiveReport::default(),
            state: State::Sound,
        })
    }

    /// Takes the next chunk in log order; `outputs[shard]` is what the shard made of `chunk.batches[shard]`.
    pub fn append(&mut self, chunk: &Chunk, outputs: &[ShardOutput]) -> Result<(), ArchiveError> {
        self.while_sound(|archive| {
            let mismatch = |what| ArchiveError::Mismatch { sequence: chunk.sequence, what };
            check(chunk, outputs).map_err(mismatch)?;
            let position = usize::try_from(chunk.file).unwrap_or(usize::MAX);
            let input = archive.inputs.get(position).ok_or_else(|| mismatch("a file without a name"))?;
            if archive.settings.contents == Contents::Everything {
                let Archive { batch, directory, months, .. } = archive;
                batch.append(Rated { chunk, outputs, input }, directory, months)?;
            }
            archive.quarantine.append(input, chunk, outputs)?;
            let full = archive.batch.events.len() >= archive.settings.rows_per_batch
                || archive.batch.byte_len() >= archive.buffer_bytes_max();
            if full { archive.write_batch() } else { Ok(()) }
        })
    }

    /// Takes a bucket that a close opened: the next of `shard`, like those that batches open.
    pub fn opened(&mut self, shard: u16, bucket: &OpenedBucket) -> Result<(), ArchiveError> {
        self.while_sound(|archive| {
            if archive.settings.contents == Contents::TotalsOnly {
                return Ok(());
            }
            archive.directory.open(usize::from(shard), bucket).map_err(|what| ArchiveError::Closing { what })
        })
    }

    /// Takes a row that a close caused, where the close stands in the log; the rows of one close come in an order that the
    /// log alone decides.
    pub fn settle(&mut self, row: &SettlementRow) -> Result<(), ArchiveError> {
        self.while_sound(|archive| {
            if archive.settings.contents == Contents::TotalsOnly {
                return Ok(());
            }
            let bucket = archive.directory.bucket(&row.bucket).map_err(|what| ArchiveError::Closing { what })?;
            archive.batch.rated.settle(bucket, row.amount, &archive.directory.texts);
            if archive.batch.byte_len() >= archive.buffer_bytes_max() { archive.write_batch() } else { Ok(()) }
        })
    }

    /// Writes totals as the next batch of them; what is in which batch is to be decided by the log alone.
    pub fn write_totals(&mut self, totals: Totals) -> Result<(), ArchiveError> {
        self.while_sound(|archive| {
            let table = (&archive.tables.totals, archive.total_batches);
            archive.report.totals.add(totals.write(&mut archive.files, table)?);
            archive.total_batches += 1;
            Ok(())
        })
    }

    /// Writes what is left and syncs every file and folder. Only now the archive is whole.
    pub fn finish(mut self) -> Result<ArchiveReport, ArchiveError> {
        self.while_sound(|archive| {
            if !archive.batch.is_empty() {
                archive.write_batch()?;
            }
            Ok(())
        })?;
        self.report.quarantine = self.quarantine.finish()?;
        self.files.sync()?;
        Ok(self.report)
    }

    fn buffer_bytes_max(&self) -> usize {
        self.settings.buffer_bytes_max.min(BUFFER_BYTES_LIMIT)
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

    fn write_batch(&mut self) -> Result<(), ArchiveError> {
        let Archive { files, tables, batch, directory, months, .. } = self;
        self.report.events.add(batch.events.write(files, (&tables.events, months), self.batches)?);
        self.report.rated.add(batch.rated.write(files, (&tables.rated, &directory.texts), self.batches)?);
        self.batches += 1;
        Ok(())
    }
}
