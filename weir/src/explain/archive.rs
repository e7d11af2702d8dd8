//! Rows of an output folder's archive, read back: the accepted events of some subjects and the rated rows of one charge.
//!
//! Owns: how much is read. Row groups that hold nothing of whom is asked for are skipped by their statistics, and of the
//! others only the column that decides is decoded for every row.

use std::collections::{BTreeSet, HashMap};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use arrow_array::cast::AsArray;
use arrow_array::types::{ArrowPrimitiveType, Decimal128Type, Int32Type, TimestampMicrosecondType, UInt64Type};
use arrow_array::{Array, BooleanArray, DictionaryArray, RecordBatch, StringArray};
use arrow_schema::ArrowError;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowPredicateFn, ParquetRecordBatchReaderBuilder, RowFilter};
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use parquet::file::statistics::Statistics;
use weir_model::schema;
use weir_model::time::Instant;

use crate::failure::invalid;

/// Where an event stands in the log: its file's number, and its record's position in it.
pub type LogPosition = (usize, u64);

/// An accepted event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchivedEvent {
    pub at: LogPosition,
    pub fingerprint: u128,
    /// Digest of its content, as it was when the event was accepted.
    pub payload: u64,
    pub source: String,
    pub id: String,
    pub subject: String,
    pub type_name: String,
    pub time: Instant,
    pub data: Option<String>,
}

/// A rated row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchivedRow {
    /// Its event and when that happened; `None` for a settlement.
    pub usage: Option<RowUsage>,
    pub plan: String,
    /// JSON object of the group; `None` if not grouped.
    pub group: Option<String>,
    /// JSON object of the cell; `None` for prices without cells.
    pub cell: Option<String>,
    pub period_start: Instant,
    pub segment_start: Instant,
    /// At 12 decimals; `None` at a capacity price.
    pub quantity: Option<i128>,
    /// At 18 decimals.
    pub amount: i128,
}

/// What a row says of its event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowUsage {
    pub at: LogPosition,
    pub fingerprint: u128,
    pub time: Instant,
}

/// An output folder's archive.
pub struct Archive<'a> {
    folder: &'a Path,
    /// Number of each input file, by name.
    files: HashMap<&'a str, usize>,
}

impl<'a> Archive<'a> {
    /// The archive in `folder`, of a run that read `files` in this order.
    pub fn new(folder: &'a Path, files: &'a [String]) -> Archive<'a> {
        // What a second file of the same name adds are duplicates, which the archive does not hold.
        let files = files.iter().enumerate().rev().map(|(number, name)| (name.as_str(), number)).collect();
        Archive { folder, files }
    }

    /// Whether the run kept rows at all.
    pub fn has_events(&self) -> bool {
        self.folder.join(schema::EVENTS).is_dir()
    }

    /// The hash of the catalog that the run had, as the archive's first file says; `None` without events.
    pub fn catalog_hash(&self) -> Result<Option<u64>> {
        let Some(path) = parquet_files(&self.folder.join(schema::EVENTS))?.into_iter().next() else { return Ok(None) };
        let context = || format!("cannot read {}", path.display());
        let builder =
            ParquetRecordBatchReaderBuilder::try_new(File::open(&path).with_context(context)?).with_context(context)?;
        let hash = metadata(builder.metadata(), schema::CATALOG_HASH_KEY);
        Ok(hash.and_then(|hash| u64::from_str_radix(hash, 16).ok()))
    }

    /// The accepted events of these subjects, in log order.
    pub fn events(&self, subjects: BTreeSet<String>) -> Result<Vec<ArchivedEvent>> {
        let mut events = Vec::new();
        let wanted = Wanted { column: "subject", values: Arc::new(subjects) };
        for path in parquet_files(&self.folder.join(schema::EVENTS))? {
            wanted.read(&path, |rows| self.add_events(rows, &mut events))?;
        }
        // One record may give several events: their own order decides nothing, but it must be one.
        events.sort_by_key(|event| (event.at, event.fingerprint));
        Ok(events)
    }

    fn add_events(&self, rows: &Rows<'_>, events: &mut Vec<ArchivedEvent>) -> Result<()> {
        let (file, position) = (rows.texts("file")?, rows.numbers::<UInt64Type>("position")?);
        let (fingerprint, payload) = (rows.hashes("fingerprint")?, rows.numbers::<UInt64Type>("payload_digest")?);
        let (source, id, subject) = (rows.texts("source")?, rows.texts("id")?, rows.texts("subject")?);
        let (type_name, data) = (rows.texts("type")?, rows.texts("data")?);
        let time = rows.numbers::<TimestampMicrosecondType>("event_time")?;
        for i in 0..rows.0.num_rows() {
            events.push(ArchivedEvent {
                at: (self.file(file.required(i)?)?, required(position(i))?),
                fingerprint: required(fingerprint(i))?,
                payload: required(payload(i))?,
                source: source.required(i)?.to_owned(),
                id: id.required(i)?.to_owned(),
                subject: subject.required(i)?.to_owned(),
                type_name: type_name.required(i)?.to_owned(),
                time: Instant::from_micros(required(time(i))?),
                data: data.get(i).map(str::to_owned),
            });
        }
        Ok(())
    }

    /// A customer's rated rows at a charge in the period that begins at `start`: usage in log order, then settlements.
    pub fn rows(&self, customer: &str, charge: &str, start: Instant) -> Result<Vec<ArchivedRow>> {
        let mut found = Vec::new();
        let wanted = Wanted { column: "customer", values: Arc::new(BTreeSet::from([customer.to_owned()])) };
        let date = start.to_string();
        let partition = format!("period={}", date.split('T').next().unwrap_or(&date));
        for path in parquet_files(&self.folder.join(schema::RATED).join(partition))? {
            wanted.read(&path, |rows| self.add_rows(rows, charge, &mut found))?;
        }
        found.retain(|row| row.period_start == start);
        found.sort_by_key(|row| row.usage.map_or((1, (0, 0)), |usage| (0, usage.at)));
        Ok(found)
    }

    fn add_rows(&self, rows: &Rows<'_>, charge: &str, found: &mut Vec<ArchivedRow>) -> Result<()> {
        let (file, position) = (rows.texts("file")?, rows.numbers::<UInt64Type>("position")?);
        let (fingerprint, charges) = (rows.hashes("fingerprint")?, rows.texts("charge")?);
        let (plan, group, cell) = (rows.texts("plan")?, rows.texts("group")?, rows.texts("cell")?);
        let period_start = rows.numbers::<TimestampMicrosecondType>("period_start")?;
        let segment_start = rows.numbers::<TimestampMicrosecondType>("segment_start")?;
        let time = rows.numbers::<TimestampMicrosecondType>("event_time")?;
        let (quantity, amount) =
            (rows.numbers::<Decimal128Type>("quantity")?, rows.numbers::<Decimal128Type>("amount")?);
        for i in (0..rows.0.num_rows()).filter(|&i| charges.get(i) == Some(charge)) {
            let usage = match file.get(i) {
                None => None,
                Some(file) => Some(RowUsage {
                    at: (self.file(file)?, required(position(i))?),
                    fingerprint: required(fingerprint(i))?,
                    time: Instant::from_micros(required(time(i))?),
                }),
            };
            found.push(ArchivedRow {
                usage,
                plan: plan.required(i)?.to_owned(),
                group: group.get(i).map(str::to_owned),
                cell: cell.get(i).map(str::to_owned),
                period_start: Instant::from_micros(required(period_start(i))?),
                segment_start: Instant::from_micros(required(segment_start(i))?),
                quantity: quantity(i),
                amount: required(amount(i))?,
            });
        }
        Ok(())
    }

    fn file(&self, name: &str) -> Result<usize> {
        let number = self.files.get(name).copied();
        number.ok_or_else(|| anyhow!("the archive names the file {name}, which report.json does not"))
    }
}

/// The Parquet files below a folder, in order; none if there is no such folder.
pub fn parquet_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    if !folder.is_dir() {
        return Ok(files);
    }
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(parquet_files(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "parquet") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// An entry of a file's own metadata.
pub fn metadata<'f>(file: &'f ParquetMetaData, key: &str) -> Option<&'f str> {
    let mut entries = file.file_metadata().key_value_metadata().into_iter().flatten();
    entries.find(|entry| entry.key == key)?.value.as_deref()
}

/// Rows whose text in a column is one of these values.
struct Wanted {
    column: &'static str,
    values: Arc<BTreeSet<String>>,
}

impl Wanted {
    fn read(&self, path: &Path, visit: impl FnMut(&Rows<'_>) -> Result<()>) -> Result<()> {
        self.try_read(path, visit).with_context(|| format!("cannot read {}", path.display()))
    }

    fn try_read(&self, path: &Path, mut visit: impl FnMut(&Rows<'_>) -> Result<()>) -> Result<()> {
        let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(path)?)?;
        let file = Arc::clone(builder.metadata());
        if metadata(&file, schema::VERSION_KEY) != Some(&schema::VERSION.to_string()) {
            return Err(invalid(
                "it has another schema version than this program reads; explain it with the one that wrote it",
            ));
        }
        let groups = (0..file.num_row_groups()).filter(|&group| self.may_be_in(file.row_group(group))).collect();
        let mask = ProjectionMask::columns(builder.parquet_schema(), [self.column]);
        let (column, values) = (self.column, Arc::clone(&self.values));
        let matches = ArrowPredicateFn::new(mask, move |batch: RecordBatch| {
            let texts = Rows(&batch).texts(column).map_err(|error| ArrowError::SchemaError(error.to_string()))?;
            let is_wanted = |i| texts.get(i).is_some_and(|text| values.contains(text));
            Ok((0..batch.num_rows()).map(|i| Some(is_wanted(i))).collect::<BooleanArray>())
        });
        let filter = RowFilter::new(vec![Box::new(matches)]);
        for batch in builder.with_row_groups(groups).with_row_filter(filter).build()? {
            visit(&Rows(&batch?))?;
        }
        Ok(())
    }

    fn may_be_in(&self, group: &RowGroupMetaData) -> bool {
        let column = group.columns().iter().find(|column| column.column_path().string() == self.column);
        let Some(Statistics::ByteArray(bounds)) = column.and_then(|column| column.statistics()) else { return true };
        // Bounds may be cut short, but then they are wider.
        let (Some(least), Some(greatest)) = (bounds.min_opt(), bounds.max_opt()) else { return true };
        self.values.iter().any(|value| least.data() <= value.as_bytes() && value.as_bytes() <= greatest.data())
    }
}

/// A batch of rows by the names of their columns.
pub struct Rows<'a>(pub &'a RecordBatch);

impl<'a> Rows<'a> {
    fn column(&self, name: &str) -> Result<&'a dyn Array> {
        let column = self.0.column_by_name(name).ok_or_else(|| anyhow!("there is no column {name}"))?;
        Ok(column.as_ref())
    }

    /// A column of texts.
    pub fn texts(&self, name: &str) -> Result<Texts<'a>> {
        let column = self.column(name)?;
        let texts = match column.as_dictionary_opt::<Int32Type>() {
            Some(keys) => keys.values().as_string_opt::<i32>().map(|values| Texts::Dictionary(keys, values)),
            None => column.as_string_opt::<i32>().map(Texts::Plain),
        };
        texts.ok_or_else(|| anyhow!("the column {name} holds no text"))
    }

    /// A column of numbers.
    pub fn numbers<T: ArrowPrimitiveType>(
        &self,
        name: &str,
    ) -> Result<impl Fn(usize) -> Option<T::Native> + use<'a, T>> {
        let column = self.column(name)?.as_primitive_opt::<T>();
        let column = column.ok_or_else(|| anyhow!("the column {name} has another type"))?;
        Ok(move |i| column.is_valid(i).then(|| column.value(i)))
    }

    /// A column of hashes.
    pub fn hashes(&self, name: &str) -> Result<impl Fn(usize) -> Option<u128> + use<'a>> {
        let column = self.column(name)?.as_fixed_size_binary_opt();
        let column = column.ok_or_else(|| anyhow!("the column {name} has another type"))?;
        Ok(move |i| {
            let bytes: [u8; 16] = column.is_valid(i).then(|| column.value(i))?.try_into().ok()?;
            Some(u128::from_be_bytes(bytes))
        })
    }
}

/// A value of a column that has no nulls.
pub fn required<T>(value: Option<T>) -> Result<T> {
    value.ok_or_else(|| anyhow!("a value is missing that every row has"))
}

/// A column of texts, however it is encoded.
pub enum Texts<'a> {
    Plain(&'a StringArray),
    Dictionary(&'a DictionaryArray<Int32Type>, &'a StringArray),
}

impl<'a> Texts<'a> {
    /// The text of a row; `None` if it is null.
    pub fn get(&self, i: usize) -> Option<&'a str> {
        match self {
            Texts::Plain(texts) => texts.is_valid(i).then(|| texts.value(i)),
            Texts::Dictionary(keys, values) => keys.key(i).map(|key| values.value(key)),
        }
    }

    /// The text of a row that has one.
    pub fn required(&self, i: usize) -> Result<&'a str> {
        required(self.get(i))
    }
}
