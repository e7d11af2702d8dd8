//! From a row to events: the mapping, resolved against a file's columns, applied to one row after another.
//!
//! Owns: `where`, the texts and `data` that a row's cells become, and the rejection of a row or event that lacks a cell (L3).
//! Does not own: how cells are read (`csv`, `columns`), nor limits, extraction and routing, which rows share with NDJSON
//! (`Decoder::admit`). A cell that is a text goes into `data` as a JSON string, exactly; nothing passes through a float.

mod data;
mod resolve;
mod time;

pub(crate) use data::json_string;
pub(crate) use resolve::resolve;

use jiff::civil::DateTime;
use weir_model::event::{Chunk, Span};
use weir_model::limits::LINE_BYTES_MAX;
use weir_model::mapping::{EmptyCell, TimeFormat};
use weir_model::time::Instant;
use weir_model::verdict::{RejectCode, Rejection};

use crate::decode::{DecodeScratch, Decoder, RawEvent};
use crate::json::{shown, span};
use data::{append_joined, write_data};
use time::TimeCache;

/// Beyond this a chunk takes no more texts: spans count to 2 GiB. Pieces are cut so small that only hostile files come here.
const TEXT_BYTES_MAX: usize = 1 << 30;

/// A mapping whose columns are numbers. Columns are numbered as in the file.
#[derive(Debug)]
pub(crate) struct RowPlan {
    columns: Vec<String>,
    filter: Vec<(usize, Vec<Vec<u8>>)>,
    tables: Vec<TablePlan>,
    constants: Vec<Vec<u8>>,
}

#[derive(Debug)]
struct TablePlan {
    source: TextPlan,
    id: TextPlan,
    event_type: TextPlan,
    subject: TextPlan,
    partition_key: Option<TextPlan>,
    time: TimePlan,
    data: Vec<FieldPlan>,
}

#[derive(Debug)]
enum TextPlan {
    /// A number in [`RowPlan::constants`].
    Constant(usize),
    Column(usize),
    Join(Vec<usize>, Vec<u8>),
}

#[derive(Debug)]
struct TimePlan {
    column: usize,
    format: TimeFormat,
    zone: jiff::tz::TimeZone,
}

/// A field of `data`.
#[derive(Debug)]
struct FieldPlan {
    /// `"name":`, and after it the value if that is constant.
    prefix: Vec<u8>,
    text: TextPlan,
    empty: EmptyCell,
}

/// What a timestamp or date column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CellTime {
    /// An instant.
    Instant(Instant),
    /// A time without a zone: the mapping's applies.
    Civil(DateTime),
}

/// One row's cells by column. Texts are appended to the chunk's text.
pub(crate) trait Cells {
    /// Whether the cell is null or an empty text.
    fn is_empty(&self, column: usize) -> bool;
    /// Appends the cell's text.
    fn append_text(&self, column: usize, text: &mut Vec<u8>);
    /// The row, for the quarantine.
    fn record(&self, text: &mut Vec<u8>) -> Span;

    /// The cell's text as a span; appended only if it does not stand in the text already.
    fn span(&self, column: usize, text: &mut Vec<u8>) -> Span {
        let start = text.len();
        self.append_text(column, text);
        span(start, text.len() - start)
    }

    /// Whether the cell's text is a JSON number or boolean.
    fn is_bare(&self, _column: usize) -> bool {
        false
    }

    /// The cell as a time, if its column is one of times.
    fn time(&self, _column: usize) -> Option<CellTime> {
        None
    }
}

/// Writes rows into a chunk.
pub(crate) struct RowWriter<'a> {
    plan: &'a RowPlan,
    decoder: &'a Decoder,
    chunk: &'a mut Chunk,
    scratch: &'a mut DecodeScratch,
    constants: Vec<Span>,
    times: Vec<TimeCache>,
}

type Fault = (RejectCode, String);

impl RowPlan {
    /// Events per row that passes `where`.
    pub(crate) fn tables(&self) -> u64 {
        self.tables.len() as u64
    }

    /// Names of the file's columns.
    pub(crate) fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The columns that the mapping names, ascending.
    pub(crate) fn used(&self) -> Vec<usize> {
        let mut used: Vec<usize> = self.filter.iter().map(|(column, _)| *column).collect();
        for table in &self.tables {
            used.push(table.time.column);
            let attributes = [&table.source, &table.id, &table.event_type, &table.subject];
            let data = table.data.iter().map(|field| &field.text);
            for text in attributes.into_iter().chain(&table.partition_key).chain(data) {
                match text {
                    TextPlan::Constant(_) => {}
                    TextPlan::Column(column) => used.push(*column),
                    TextPlan::Join(columns, _) => used.extend(columns),
                }
            }
        }
        used.sort_unstable();
        used.dedup();
        used
    }

    fn column(&self, column: usize) -> &str {
        self.columns.get(column).map_or("", String::as_str)
    }
}

impl<'a> RowWriter<'a> {
    /// Puts the constants into the chunk's text, once for all its rows.
    pub(crate) fn new(
        plan: &'a RowPlan,
        decoder: &'a Decoder,
        chunk: &'a mut Chunk,
        scratch: &'a mut DecodeScratch,
    ) -> RowWriter<'a> {
        let mut constants = Vec::with_capacity(plan.constants.len());
        for constant in &plan.constants {
            constants.push(span(chunk.text.len(), constant.len()));
            chunk.text.extend_from_slice(constant);
        }
        let times = plan.tables.iter().map(|_| TimeCache::default()).collect();
        RowWriter { plan, decoder, chunk, scratch, constants, times }
    }

    /// The chunk's text.
    pub(crate) fn text(&self) -> &[u8] {
        &self.chunk.text
    }

    /// One row, by its number in the chunk: its events, or their rejections.
    #[inline]
    pub(crate) fn row(&mut self, number: u32, cells: &impl Cells) {
        if !self.passes(cells) {
            self.chunk.skipped += 1;
            return;
        }
        let plan = self.plan;
        let first = number.wrapping_mul(table_count(plan));
        for ((at, table), position) in plan.tables.iter().enumerate().zip(first..) {
            self.event(position, at, table, cells);
        }
    }

    /// Rejects all events of a row.
    #[cold]
    pub(crate) fn reject_row(&mut self, number: u32, code: RejectCode, sentence: &str, record: Span) {
        let tables = table_count(self.plan);
        for table in 0..tables {
            self.reject(number.wrapping_mul(tables) + table, code, sentence.to_owned(), record);
        }
    }

    fn reject(&mut self, position: u32, code: RejectCode, sentence: String, record: Span) {
        let record = span(record.start(), (record.end() - record.start()).min(LINE_BYTES_MAX));
        self.chunk.received += 1;
        self.chunk.rejected.push(Rejection { position, code, sentence, record });
    }

    fn passes(&mut self, cells: &impl Cells) -> bool {
        let plan = self.plan;
        plan.filter.iter().all(|(column, values)| {
            let text = &mut self.chunk.text;
            let before = text.len();
            let cell = cells.span(*column, text);
            let passes = values.iter().any(|value| value.as_slice() == cell.of(text));
            text.truncate(before);
            passes
        })
    }

    #[inline]
    fn event(&mut self, position: u32, at: usize, table: &TablePlan, cells: &impl Cells) {
        let before = self.chunk.text.len();
        let mut event = match self.make(at, table, cells) {
            Ok(event) => event,
            Err((code, sentence)) => {
                self.chunk.text.truncate(before);
                let record = cells.record(&mut self.chunk.text);
                return self.reject(position, code, sentence, record);
            }
        };
        event.position = position;
        let rejected = self.chunk.rejected.len();
        self.decoder.admit(self.chunk, self.scratch, &event);
        if let Some(rejection) = self.chunk.rejected.get_mut(rejected) {
            rejection.record = cells.record(&mut self.chunk.text);
        }
    }

    #[inline]
    fn make(&mut self, at: usize, table: &TablePlan, cells: &impl Cells) -> Result<RawEvent, Fault> {
        let before = self.chunk.text.len();
        let source = self.attribute("source", &table.source, cells)?;
        let id = self.attribute("id", &table.id, cells)?;
        let event_type = self.attribute("type", &table.event_type, cells)?;
        let subject = self.attribute("subject", &table.subject, cells)?;
        let partition_key = match &table.partition_key {
            None => Span::ABSENT,
            Some(plan) => self.text_of(plan, cells).unwrap_or(Span::ABSENT),
        };
        let time = self.time(at, &table.time, cells)?;
        let text = &mut self.chunk.text;
        let start = text.len();
        write_data(&table.data, cells, text);
        let data = span(start, text.len() - start);
        if text.len() - before > LINE_BYTES_MAX {
            return Err((RejectCode::RecordTooLong, format!("the row's event is longer than {LINE_BYTES_MAX} bytes")));
        }
        if text.len() > TEXT_BYTES_MAX {
            return Err((RejectCode::RecordTooLong, "the rows around this one are too long together".to_owned()));
        }
        let (position, record) = (0, Span::ABSENT);
        Ok(RawEvent { position, source, id, subject, partition_key, event_type, time, data, record })
    }

    #[inline]
    fn attribute(&mut self, name: &str, plan: &TextPlan, cells: &impl Cells) -> Result<Span, Fault> {
        match self.text_of(plan, cells) {
            Some(span) => Ok(span),
            None => Err(self.attribute_missing(name, plan)),
        }
    }

    #[cold]
    fn attribute_missing(&self, name: &str, plan: &TextPlan) -> Fault {
        let what = match plan {
            TextPlan::Constant(_) => "its constant is empty".to_owned(),
            TextPlan::Column(column) => format!("column `{}` is empty", self.plan.column(*column)),
            TextPlan::Join(columns, _) => {
                let names: Vec<&str> = columns.iter().map(|column| self.plan.column(*column)).collect();
                format!("columns `{}` are empty", names.join("`, `"))
            }
        };
        (RejectCode::AttributeMissing, format!("`{name}` is missing: {what}"))
    }

    /// The text, or `None` if it is empty. A joined text is empty if all its cells are.
    #[inline]
    fn text_of(&mut self, plan: &TextPlan, cells: &impl Cells) -> Option<Span> {
        let text = &mut self.chunk.text;
        match plan {
            TextPlan::Constant(at) => self.constants.get(*at).copied().filter(|span| !span.of(text).is_empty()),
            TextPlan::Column(column) if cells.is_empty(*column) => None,
            TextPlan::Column(column) => Some(cells.span(*column, text)),
            TextPlan::Join(columns, join) => {
                let start = text.len();
                append_joined(columns, join, cells, text).then(|| span(start, text.len() - start))
            }
        }
    }

    #[inline]
    fn time(&mut self, at: usize, plan: &TimePlan, cells: &impl Cells) -> Result<Instant, Fault> {
        match cells.time(plan.column) {
            Some(CellTime::Instant(instant)) => return Ok(instant),
            Some(CellTime::Civil(civil)) => {
                return time::in_zone(civil, &plan.zone)
                    .ok_or_else(|| self.time_invalid(plan, civil.to_string().as_bytes()));
            }
            None => {}
        }
        if cells.is_empty(plan.column) {
            let sentence = format!("`time` is missing: column `{}` is empty", self.plan.column(plan.column));
            return Err((RejectCode::AttributeMissing, sentence));
        }
        let text = &mut self.chunk.text;
        let before = text.len();
        let cell = cells.span(plan.column, text);
        let found = match self.times.get_mut(at) {
            Some(cache) => cache.parse(cell.of(text), plan),
            None => None,
        };
        match found {
            Some(instant) => {
                self.chunk.text.truncate(before);
                Ok(instant)
            }
            None => Err(self.time_invalid(plan, cell.of(&self.chunk.text))),
        }
    }

    #[cold]
    fn time_invalid(&self, plan: &TimePlan, text: &[u8]) -> Fault {
        let expected = match &plan.format {
            TimeFormat::Rfc3339 => "an RFC 3339 time".to_owned(),
            TimeFormat::EpochSeconds => "seconds since 1970".to_owned(),
            TimeFormat::EpochMillis => "milliseconds since 1970".to_owned(),
            TimeFormat::Pattern(pattern) => format!("a time like `{pattern}`"),
        };
        let column = self.plan.column(plan.column);
        (RejectCode::TimeInvalid, format!("column `{column}` is not {expected}: `{}`", shown(text)))
    }
}

fn table_count(plan: &RowPlan) -> u32 {
    u32::try_from(plan.tables.len()).unwrap_or(u32::MAX)
}

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;
