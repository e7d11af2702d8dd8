//! Accepted events of the current batch: buffered as compact rows, sorted by subject, event_time and position, and written
//! by month.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, UInt64Array};
use arrow_schema::ArrowError;
use weir_model::hash::{Fingerprint, PayloadDigest, RouteHash};
use weir_model::time::Instant;
use weir_model::verdict::UnpricedReason;

use crate::columns::{self, Ranking, at, dictionary, ordered_bits, text_values};
use crate::error::ArchiveError;
use crate::files::{Files, PartName, TableReport};
use crate::interner::{HashInterner, Interner, TextId, Texts};
use crate::partitions::{self, Partitions};
use crate::table::{SLICE_ROWS, Table};

/// What became of an accepted event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Acceptance {
    Rated,
    Unmetered,
    Unpriced(UnpricedReason),
    LateRefused,
}

/// Where an event stands in the input.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Origin {
    pub(crate) file: u32,
    pub(crate) position: u64,
}

/// An accepted event, borrowed from its chunk.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Accepted<'a> {
    pub(crate) origin: Origin,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) payload: PayloadDigest,
    pub(crate) subject_hash: RouteHash,
    pub(crate) time: Instant,
    pub(crate) subject: &'a [u8],
    pub(crate) source: &'a [u8],
    pub(crate) id: &'a [u8],
    pub(crate) type_name: &'a [u8],
    pub(crate) data: Option<&'a [u8]>,
    pub(crate) acceptance: Acceptance,
}

/// Why an event cannot be buffered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PushError {
    /// This column is not UTF-8.
    NotUtf8(&'static str),
    /// More rows or text than 32 bits count.
    Full,
}

/// A buffered event.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EventRow {
    pub(crate) fingerprint: u128,
    pub(crate) position: u64,
    pub(crate) time: i64,
    payload: u64,
    pub(crate) file: u32,
    subject: TextId,
    source: TextId,
    type_name: TextId,
    /// Where in the text the id begins; the data follow it.
    text_at: u32,
    id_len: u32,
    /// [`NO_DATA`] without data.
    data_len: u32,
    acceptance: Acceptance,
}

const NO_DATA: u32 = u32::MAX;
const _: () = assert!(size_of::<EventRow>() == 80);

impl EventRow {
    /// Order in the log; the fingerprint decides where one record gives several events.
    pub(crate) fn log_order(&self) -> (u32, u64, u128) {
        (self.file, self.position, self.fingerprint)
    }
}

/// The accepted events of the current batch.
#[derive(Default)]
pub(crate) struct EventBuffer {
    rows: Vec<EventRow>,
    text: Vec<u8>,
    subjects: HashInterner,
    sources: Interner,
    types: Interner,
}

impl EventBuffer {
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Memory that the batch takes: a function of its rows alone.
    pub(crate) fn byte_len(&self) -> usize {
        let texts = [self.subjects.texts(), self.sources.texts(), self.types.texts()].map(Texts::byte_len);
        self.rows.len() * size_of::<EventRow>() + self.text.len() + texts.iter().sum::<usize>()
    }

    pub(crate) fn get(&self, row: u32) -> &EventRow {
        &self.rows[at(row)]
    }

    /// Buffers an event; its row.
    pub(crate) fn push(&mut self, event: &Accepted<'_>) -> Result<u32, PushError> {
        for (column, text) in [("id", event.id), ("data", event.data.unwrap_or_default())] {
            std::str::from_utf8(text).map_err(|_| PushError::NotUtf8(column))?;
        }
        let row = u32::try_from(self.rows.len()).map_err(|_| PushError::Full)?;
        let text_at = u32::try_from(self.text.len()).map_err(|_| PushError::Full)?;
        let id_len = u32::try_from(event.id.len()).map_err(|_| PushError::Full)?;
        let data_len = event.data.map_or(Ok(NO_DATA), |data| u32::try_from(data.len()));
        let data_len = data_len.map_err(|_| PushError::Full)?;
        self.text.extend_from_slice(event.id);
        self.text.extend_from_slice(event.data.unwrap_or_default());
        let subject = self.subject(event)?;
        self.rows.push(EventRow {
            fingerprint: event.fingerprint.0,
            position: event.origin.position,
            time: event.time.micros(),
            payload: event.payload.0,
            file: event.origin.file,
            subject,
            source: intern(&mut self.sources, "source", event.source)?,
            type_name: intern(&mut self.types, "type", event.type_name)?,
            text_at,
            id_len,
            data_len,
            acceptance: event.acceptance,
        });
        Ok(row)
    }

    fn subject(&mut self, event: &Accepted<'_>) -> Result<TextId, PushError> {
        let known = self.subjects.texts().len();
        let id = self.subjects.intern(event.subject_hash.0, event.subject).ok_or(PushError::Full)?;
        check_new(self.subjects.texts(), known, ("subject", event.subject)).map(|()| id)
    }

    /// Writes the batch, one part for each month with rows.
    pub(crate) fn write(
        &self,
        files: &mut Files,
        out: &mut EventOutput<'_>,
        batch: u32,
    ) -> Result<TableReport, ArchiveError> {
        let mut by_month: Vec<Vec<u32>> = Vec::new();
        for (row, event) in (0_u32..).zip(&self.rows) {
            partitions::push(&mut by_month, out.months.of(Instant::from_micros(event.time)), row);
        }
        let ranks = EventRanks {
            subjects: Ranking::new(self.subjects.texts(), self.rows.iter().map(|row| row.subject)),
            sources: Ranking::new(self.sources.texts(), self.rows.iter().map(|row| row.source)),
            types: Ranking::new(self.types.texts(), self.rows.iter().map(|row| row.type_name)),
        };
        let mut report = TableReport::default();
        for (month, rows) in (0_u32..).zip(by_month).filter(|(_, rows)| !rows.is_empty()) {
            let order = self.sort(rows, &ranks.subjects);
            let slices = order.chunks(SLICE_ROWS).map(|slice| self.slice(slice, &ranks, out));
            let part = PartName { partition: out.months.name(month), batch };
            report.add(files.write_part(out.table, part, slices)?);
        }
        Ok(report)
    }

    /// Forgets the batch and keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.rows.clear();
        self.text.clear();
        self.subjects.clear();
        self.sources.clear();
        self.types.clear();
    }

    fn sort(&self, rows: Vec<u32>, subjects: &Ranking) -> Vec<u32> {
        let key = |row: u32| {
            let event = self.get(row);
            let rank = u128::from(subjects.rank(event.subject));
            (rank << 96) | (u128::from(ordered_bits(event.time)) << 32) | u128::from(row)
        };
        let mut keys: Vec<u128> = rows.iter().map(|&row| key(row)).collect();
        keys.sort_unstable();
        let mut order = rows;
        // The low 32 bits are the row.
        order.iter_mut().zip(&keys).for_each(|(row, key)| *row = u32::try_from(key & 0xFFFF_FFFF).unwrap_or(0));
        let mut start = 0;
        for tied in keys.chunk_by(|a, b| a >> 32 == b >> 32) {
            let end = start + tied.len();
            if tied.len() > 1 {
                order[start..end].sort_unstable_by_key(|&row| self.get(row).log_order());
            }
            start = end;
        }
        order
    }

    fn slice(&self, slice: &[u32], ranks: &EventRanks, out: &EventOutput<'_>) -> Result<RecordBatch, ArchiveError> {
        let columns = self.columns(slice, ranks, out.inputs);
        let batch = columns.and_then(|columns| RecordBatch::try_new(Arc::clone(&out.table.schema), columns));
        batch.map_err(|source| ArchiveError::Columns { table: out.table.name, source })
    }

    /// In the order of `schema::events`.
    fn columns(&self, slice: &[u32], ranks: &EventRanks, inputs: &ArrayRef) -> Result<Vec<ArrayRef>, ArrowError> {
        let rows = || slice.iter().map(|&row| self.get(row));
        let file_keys = rows().map(|row| i32::try_from(row.file).unwrap_or(-1)).collect();
        Ok(vec![
            dictionary(file_keys, inputs)?,
            Arc::new(rows().map(|row| row.position).collect::<UInt64Array>()),
            columns::hashes(rows().map(|row| Some(row.fingerprint)))?,
            Arc::new(rows().map(|row| row.payload).collect::<UInt64Array>()),
            ranks.sources.column(rows().map(|row| row.source))?,
            columns::text(rows().map(|row| Some(self.id(row))))?,
            ranks.subjects.column(rows().map(|row| row.subject))?,
            ranks.types.column(rows().map(|row| row.type_name))?,
            columns::instants(rows().map(|row| row.time)),
            columns::text(rows().map(|row| self.data(row)))?,
            dictionary(rows().map(|row| verdict_key(row.acceptance)).collect(), &text_values(VERDICTS))?,
            dictionary(
                rows().map(|row| reason_key(row.acceptance)).collect(),
                &text_values(UnpricedReason::ALL.map(UnpricedReason::code)),
            )?,
        ])
    }

    fn id(&self, row: &EventRow) -> &[u8] {
        let start = at(row.text_at);
        &self.text[start..start + at(row.id_len)]
    }

    fn data(&self, row: &EventRow) -> Option<&[u8]> {
        let start = at(row.text_at) + at(row.id_len);
        (row.data_len != NO_DATA).then(|| &self.text[start..start + at(row.data_len)])
    }
}

/// What writing a batch of events needs.
pub(crate) struct EventOutput<'a> {
    pub(crate) table: &'a Table,
    pub(crate) inputs: &'a ArrayRef,
    pub(crate) months: &'a mut Partitions,
}

struct EventRanks {
    subjects: Ranking,
    sources: Ranking,
    types: Ranking,
}

const VERDICTS: [&str; 4] = ["rated", "unpriced", "unmetered", "late_refused"];

fn verdict_key(acceptance: Acceptance) -> i32 {
    match acceptance {
        Acceptance::Rated => 0,
        Acceptance::Unpriced(_) => 1,
        Acceptance::Unmetered => 2,
        Acceptance::LateRefused => 3,
    }
}

/// Index in [`UnpricedReason::ALL`]; -1 (null) for the others.
fn reason_key(acceptance: Acceptance) -> i32 {
    let Acceptance::Unpriced(reason) = acceptance else { return -1 };
    let index = UnpricedReason::ALL.iter().position(|&other| other == reason);
    index.and_then(|index| i32::try_from(index).ok()).unwrap_or(-1)
}

fn intern(texts: &mut Interner, column: &'static str, text: &[u8]) -> Result<TextId, PushError> {
    let known = texts.texts().len();
    let id = texts.intern(text).ok_or(PushError::Full)?;
    check_new(texts.texts(), known, (column, text)).map(|()| id)
}

/// Texts are checked where they are new.
fn check_new(texts: &Texts, known: usize, (column, text): (&'static str, &[u8])) -> Result<(), PushError> {
    if texts.len() > known {
        std::str::from_utf8(text).map_err(|_| PushError::NotUtf8(column))?;
    }
    Ok(())
}
