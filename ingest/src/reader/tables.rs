//! Parquet and Arrow files as record batches: only the columns that the mapping names are read. Batches are cut into
//! pieces by their rows, so by the file alone (L6).

use std::fs::File;
use std::io::{BufReader, Cursor, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow_array::RecordBatch;
use arrow_ipc::reader::{FileReader, StreamReader};
use arrow_schema::ArrowError;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use weir_model::mapping::Mapping;

use super::source::ByteSource;
use crate::columns::{self, ColumnTable, ColumnsPiece};
use crate::input::{DeclaredCompression, Input, InputError, Place};

/// First bytes of an Arrow IPC file; a stream has none of its own.
const ARROW_FILE_MAGIC: &[u8] = b"ARROW1";
/// Memory of one piece, so that a file of huge cells does not become one huge chunk.
const PIECE_BYTES_MAX: usize = 64 << 20;

/// A table of columns, batch by batch.
pub(super) struct BatchStream {
    name: String,
    format: &'static str,
    batches: Box<dyn Iterator<Item = Result<RecordBatch, ArrowError>> + Send>,
    table: Arc<ColumnTable>,
    batch_rows: usize,
    /// The batch being cut, and its rows that are already out.
    pending: Option<(RecordBatch, usize)>,
    meter: Meter,
}

/// Bytes of a file that is not read front to back, told by its rows.
struct Meter {
    total: Arc<AtomicU64>,
    bytes: u64,
    rows: u64,
    rows_read: u64,
    reported: u64,
}

impl Meter {
    fn add(&mut self, rows: usize) {
        self.rows_read += rows as u64;
        let share = u128::from(self.bytes) * u128::from(self.rows_read) / u128::from(self.rows.max(1));
        self.report(u64::try_from(share).unwrap_or(u64::MAX));
    }

    fn report(&mut self, bytes: u64) {
        let bytes = bytes.min(self.bytes);
        self.total.fetch_add(bytes.saturating_sub(self.reported), Ordering::Relaxed);
        self.reported = self.reported.max(bytes);
    }
}

impl BatchStream {
    /// The next piece.
    pub(super) fn next(&mut self) -> Result<Option<ColumnsPiece>, InputError> {
        loop {
            if let Some((batch, done)) = &mut self.pending {
                let left = batch.num_rows() - *done;
                if left > 0 {
                    let bytes_per_row = (batch.get_array_memory_size() / batch.num_rows()).max(1);
                    let rows = self.batch_rows.min(PIECE_BYTES_MAX / bytes_per_row).max(1).min(left);
                    let slice = batch.slice(*done, rows);
                    *done += rows;
                    self.meter.add(rows);
                    return Ok(Some(ColumnsPiece::new(self.table.clone(), slice)));
                }
            }
            match self.batches.next() {
                Some(Ok(batch)) => self.pending = Some((batch, 0)),
                Some(Err(fault)) => return Err(bad(&self.name, self.format, &fault)),
                None => {
                    self.meter.report(u64::MAX);
                    return Ok(None);
                }
            }
        }
    }
}

/// Opens a Parquet file.
pub(super) fn parquet(
    input: &Input,
    mapping: &Mapping,
    batch_rows: usize,
    total: Arc<AtomicU64>,
) -> Result<BatchStream, InputError> {
    const FORMAT: &str = "Parquet";
    let fault = |fault: parquet::errors::ParquetError| bad(&input.name, FORMAT, &fault);
    let Place::Path(path) = &input.place else {
        return Err(InputError::NeedsFile { name: input.name.clone(), format: FORMAT });
    };
    let file = open_file(&input.name, path)?;
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(fault)?;
    let rows = u64::try_from(builder.metadata().file_metadata().num_rows()).unwrap_or(0);
    let table = columns::resolve(mapping, &input.name, builder.schema())?;
    let mask = ProjectionMask::roots(builder.parquet_schema(), table.used().iter().copied());
    let reader = builder.with_projection(mask).with_batch_size(batch_rows).build().map_err(fault)?;
    let meter = Meter { total, bytes: input.bytes.unwrap_or(0), rows, rows_read: 0, reported: 0 };
    Ok(stream(input, FORMAT, Box::new(reader), (table, batch_rows, meter)))
}

/// Opens an Arrow IPC file or stream.
pub(super) fn arrow(
    input: &Input,
    mapping: &Mapping,
    batch_rows: usize,
    total: Arc<AtomicU64>,
) -> Result<BatchStream, InputError> {
    const FORMAT: &str = "Arrow";
    let fault = |fault: ArrowError| bad(&input.name, FORMAT, &fault);
    // The source counts what a stream reads; a file is reported when it has been read.
    let mut meter = Meter { total: total.clone(), bytes: 0, rows: 0, rows_read: 0, reported: 0 };
    if let Some(path) = plain_file(input) {
        let mut magic = Vec::new();
        open_file(&input.name, &path)?
            .take(ARROW_FILE_MAGIC.len() as u64)
            .read_to_end(&mut magic)
            .map_err(|source| InputError::Unreadable { name: input.name.clone(), source })?;
        if magic == ARROW_FILE_MAGIC {
            let schema = FileReader::try_new(open_file(&input.name, &path)?, None).map_err(fault)?.schema();
            let table = columns::resolve(mapping, &input.name, &schema)?;
            let file = BufReader::new(open_file(&input.name, &path)?);
            let reader = FileReader::try_new(file, Some(table.used().to_vec())).map_err(fault)?;
            meter.bytes = input.bytes.unwrap_or(0);
            meter.rows = u64::MAX;
            return Ok(stream(input, FORMAT, Box::new(reader), (table, batch_rows, meter)));
        }
    }
    let mut source = ByteSource::open(input, total)?;
    let mut magic = Vec::new();
    source.fill(&mut magic, ARROW_FILE_MAGIC.len())?;
    if magic == ARROW_FILE_MAGIC {
        let format = "an Arrow IPC file (other than an Arrow IPC stream)";
        return Err(InputError::NeedsFile { name: input.name.clone(), format });
    }
    let rest = Cursor::new(magic).chain(source.into_reader());
    let reader = StreamReader::try_new(rest, None).map_err(fault)?;
    let table = columns::resolve(mapping, &input.name, &reader.schema())?;
    let used = table.used().to_vec();
    let projected = reader.map(move |batch| batch?.project(&used));
    Ok(stream(input, FORMAT, Box::new(projected), (table, batch_rows, meter)))
}

fn stream(
    input: &Input,
    format: &'static str,
    batches: Box<dyn Iterator<Item = Result<RecordBatch, ArrowError>> + Send>,
    (table, batch_rows, meter): (ColumnTable, usize, Meter),
) -> BatchStream {
    let (name, batch_rows) = (input.name.clone(), batch_rows.max(1));
    BatchStream { name, format, batches, table: Arc::new(table), batch_rows, pending: None, meter }
}

/// The path, if the input can be read from its end.
fn plain_file(input: &Input) -> Option<PathBuf> {
    let plain = !matches!(
        input.compression,
        DeclaredCompression::ByName(packed) | DeclaredCompression::ByMapping(packed)
            if packed != weir_model::mapping::Compression::None
    );
    match &input.place {
        Place::Path(path) if plain && input.bytes.is_some() => Some(path.clone()),
        _ => None,
    }
}

fn open_file(name: &str, path: &PathBuf) -> Result<File, InputError> {
    File::open(path).map_err(|source| InputError::Unreadable { name: name.to_owned(), source })
}

fn bad(name: &str, format: &'static str, fault: &dyn std::error::Error) -> InputError {
    InputError::BadTable { name: name.to_owned(), format, reason: fault.to_string() }
}
