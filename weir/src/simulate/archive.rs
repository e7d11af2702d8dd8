//! What a run left behind, as a simulation reads it: the figures of its report, the buckets' totals, and the accepted events.
//!
//! Owns: how little is read. Only the columns that are asked for are decoded, dictionaries once; row groups whose bounds hold
//! nothing that is asked for are skipped; what is left is spread over threads, row group by row group.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use anyhow::{Context, Result, anyhow};
use arrow_array::{Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::basic::Encoding;
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::statistics::Statistics;
use serde::Deserialize;
use weir_model::schema;

use crate::explain::archive::{metadata, parquet_files};
use crate::explain::folder::{self, Log};
use crate::failure::invalid;

/// Rows decoded at once: their columns stay in the processor's cache.
const BATCH_ROWS: usize = 8192;

/// The figures of a run's report that a simulation needs.
#[derive(Debug, Clone, Deserialize)]
pub struct RunFigures {
    /// Accepted events.
    pub accepted: u64,
    /// Repeated identities with another content.
    pub conflict: u64,
    /// Accepted events with usage that has no price.
    pub unpriced: u64,
    /// Buckets with usage.
    pub totals: u64,
    /// A(S) over all buckets, by currency.
    pub amounts: BTreeMap<String, String>,
    /// Totals of the documents, by currency.
    pub invoiced: BTreeMap<String, String>,
    /// Rejections by code.
    pub rejected_by_code: BTreeMap<String, u64>,
    /// Usage without a price.
    pub unpriced_usage: Vec<RunUnpriced>,
}

/// Usage without a price, as the report has it.
#[derive(Debug, Clone, Deserialize)]
pub struct RunUnpriced {
    /// Why.
    pub reason: String,
    /// Of which meter.
    pub meter: Option<String>,
}

/// The folder of a run.
#[derive(Debug)]
pub struct Archive {
    /// The log's files and closes.
    pub log: Log,
    /// What the run said.
    pub figures: RunFigures,
    events: Table,
    totals: Table,
}

/// The files of one table.
#[derive(Debug)]
struct Table {
    name: &'static str,
    files: Vec<PathBuf>,
}

/// Which rows are asked for, as far as a row group's bounds can tell.
#[derive(Debug, Clone, Default)]
pub struct Bounds {
    /// Texts, one of which a column's value must be.
    pub texts: Vec<(&'static str, Vec<String>)>,
    /// A range that a column of instants must lie in, in microseconds.
    pub instants: Option<(&'static str, Range<i64>)>,
}

/// One row group of a file.
struct Slice<'a> {
    path: &'a Path,
    metadata: ArrowReaderMetadata,
    group: usize,
}

impl Archive {
    /// Opens the folder of a run.
    pub fn open(folder: &Path) -> Result<Archive> {
        let log = folder::log(folder)?;
        let path = folder.join("report.json");
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let figures = serde_json::from_str(&text)
            .map_err(|error| invalid(format!("{} is not what this program writes: {error}", path.display())))?;
        let table = |name| Ok::<_, anyhow::Error>(Table { name, files: parquet_files(&folder.join(name))? });
        let (events, totals) = (table(schema::EVENTS)?, table(schema::TOTALS)?);
        Ok(Archive { log, figures, events, totals })
    }

    /// Whether the run kept events, or had none to keep.
    pub fn has_events(&self) -> bool {
        self.figures.accepted == 0 || !self.events.files.is_empty()
    }

    /// Reads these columns of the accepted events on several threads, each with a reader of its own.
    pub fn events<R: Visitor>(&self, columns: &[&str], bounds: &Bounds, readers: Vec<R>) -> Result<Vec<R>> {
        self.events.read(columns, (bounds, self.figures.accepted), readers)
    }

    /// Whether some total has no quantity but its text.
    pub fn has_texts_only(&self) -> Result<bool> {
        let known = |opened: &ArrowReaderMetadata| {
            let columns = opened.metadata().row_groups().iter().flat_map(RowGroupMetaData::columns);
            let mut named = columns.filter(|found| found.column_path().string() == QUANTITY);
            named.all(|found| found.statistics().and_then(Statistics::null_count_opt) == Some(0))
        };
        for path in &self.totals.files {
            let opened = self.totals.open(path)?;
            let mut nulls = Nulls::default();
            for group in (0..opened.metadata().num_row_groups()).filter(|_| !known(&opened)) {
                Slice { path, metadata: opened.clone(), group }.read(&[QUANTITY], &mut nulls)?;
            }
            if nulls.0 > 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Reads these columns of the totals in the same way. The run's totals with usage are at most all of them.
    pub fn totals<R: Visitor>(&self, columns: &[&str], bounds: &Bounds, readers: Vec<R>) -> Result<Vec<R>> {
        self.totals.read(columns, (bounds, self.figures.totals), readers)
    }
}

/// The column of the totals that is null where it does not hold the quantity.
const QUANTITY: &str = "quantity";

/// Counts the nulls of the only column.
#[derive(Default)]
struct Nulls(usize);

impl Visitor for Nulls {
    fn visit(&mut self, rows: &RecordBatch) -> Result<()> {
        self.0 += rows.columns().iter().map(Array::null_count).sum::<usize>();
        Ok(())
    }
}

/// What takes batches of rows in.
pub trait Visitor: Send {
    /// Takes in some rows.
    fn visit(&mut self, rows: &RecordBatch) -> Result<()>;

    /// Is called after the last rows.
    fn finish(&mut self) -> Result<()> {
        Ok(())
    }
}

impl Table {
    fn open(&self, path: &Path) -> Result<ArrowReaderMetadata> {
        open(path, self.name).with_context(|| format!("cannot read {}", path.display()))
    }

    /// `rows_min`: how many rows the report says there are, at least.
    fn read<R: Visitor>(
        &self,
        columns: &[&str],
        (bounds, rows_min): (&Bounds, u64),
        readers: Vec<R>,
    ) -> Result<Vec<R>> {
        let mut slices = Vec::new();
        let mut rows = 0;
        for path in &self.files {
            let opened = self.open(path)?;
            for group in 0..opened.metadata().num_row_groups() {
                rows += u64::try_from(opened.metadata().row_group(group).num_rows())?;
                if bounds.may_hold(opened.metadata().row_group(group)) {
                    slices.push(Slice { path, metadata: opened.clone(), group });
                }
            }
        }
        if rows < rows_min || (self.name == schema::EVENTS && rows != rows_min) {
            let name = self.name;
            return Err(anyhow!(
                "the archive is damaged: its {name} have {rows} rows, report.json says {rows_min}; \
                 restore the folder or run again"
            ));
        }
        spread(&slices, columns, readers)
    }
}

/// Every reader takes the next slice until there is none.
fn spread<R: Visitor>(slices: &[Slice<'_>], columns: &[&str], readers: Vec<R>) -> Result<Vec<R>> {
    let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let work = |mut reader: R| {
        while !stop.load(Ordering::Relaxed) {
            let Some(slice) = slices.get(next.fetch_add(1, Ordering::Relaxed)) else { break };
            let read = slice.read(columns, &mut reader);
            let read = read.with_context(|| format!("cannot read {}", slice.path.display()));
            if read.is_err() {
                stop.store(true, Ordering::Relaxed);
            }
            read?;
        }
        reader.finish()?;
        Ok(reader)
    };
    thread::scope(|scope| {
        let workers: Vec<_> = readers.into_iter().map(|reader| scope.spawn(|| work(reader))).collect();
        let join = |worker: thread::ScopedJoinHandle<'_, Result<R>>| {
            worker.join().map_err(|_| anyhow!("internal error: reading the archive panicked"))?
        };
        workers.into_iter().map(join).collect()
    })
}

impl Slice<'_> {
    fn read(&self, columns: &[&str], reader: &mut impl Visitor) -> Result<()> {
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(File::open(self.path)?, self.metadata.clone());
        let mask = ProjectionMask::columns(builder.parquet_schema(), columns.iter().copied());
        let builder = builder.with_projection(mask).with_row_groups(vec![self.group]).with_batch_size(BATCH_ROWS);
        for batch in builder.build()? {
            reader.visit(&batch?)?;
        }
        Ok(())
    }
}

/// Opens a file of a table. Columns that the file keeps as dictionaries are read as such, others as plain texts: making
/// dictionaries of them, or texts of those, would cost more than it saves.
fn open(path: &Path, table: &str) -> Result<ArrowReaderMetadata> {
    let file = File::open(path)?;
    let opened = ArrowReaderMetadata::load(&file, ArrowReaderOptions::new())?;
    if metadata(opened.metadata(), schema::VERSION_KEY) != Some(&schema::VERSION.to_string()) {
        return Err(invalid("it has another schema version than this program reads; use the one that wrote it"));
    }
    if metadata(opened.metadata(), schema::TABLE_KEY) != Some(table) {
        return Err(invalid(format!("it is no file of the table {table}")));
    }
    let groups = opened.metadata().row_groups();
    let is_dictionary = |name: &str| {
        let columns = groups.iter().flat_map(RowGroupMetaData::columns);
        let mut named = columns.filter(|column| column.column_path().string() == name);
        named.all(|column| column.encodings().any(|encoding| encoding == Encoding::RLE_DICTIONARY))
    };
    let as_kept = |field: &Field| match field.data_type() {
        DataType::Dictionary(_, values) if !is_dictionary(field.name()) => {
            field.clone().with_data_type((**values).clone())
        }
        DataType::Utf8 if is_dictionary(field.name()) => {
            let keys = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
            field.clone().with_data_type(keys)
        }
        _ => field.clone(),
    };
    let fields: Vec<Field> = opened.schema().fields().iter().map(|field| as_kept(field)).collect();
    let schema = Schema::new_with_metadata(fields, opened.schema().metadata().clone());
    let options = ArrowReaderOptions::new().with_schema(schema.into());
    Ok(ArrowReaderMetadata::try_new(opened.metadata().clone(), options)?)
}

impl Bounds {
    fn may_hold(&self, group: &RowGroupMetaData) -> bool {
        let statistics = |name: &str| {
            let column = group.columns().iter().find(|column| column.column_path().string() == name);
            column.and_then(|column| column.statistics())
        };
        let texts = self.texts.iter().all(|(name, values)| match statistics(name) {
            // Bounds may be cut short, but then they are wider.
            Some(Statistics::ByteArray(bounds)) => match (bounds.min_opt(), bounds.max_opt()) {
                (Some(least), Some(greatest)) => {
                    let range = least.data()..=greatest.data();
                    values.iter().any(|value| range.contains(&value.as_bytes()))
                }
                _ => true,
            },
            _ => true,
        });
        let instants = self.instants.as_ref().is_none_or(|(name, wanted)| match statistics(name) {
            Some(Statistics::Int64(bounds)) => match (bounds.min_opt(), bounds.max_opt()) {
                (Some(least), Some(greatest)) => *least < wanted.end && wanted.start <= *greatest,
                _ => true,
            },
            _ => true,
        });
        texts && instants
    }
}
