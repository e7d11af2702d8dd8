//! CSV: where rows end, where fields begin, and the cells of a row. One grammar (RFC 4180) in three speeds: cutting the
//! input at rows, splitting a row into fields, and passing over a row that is too long.
//!
//! A quote opens a quoted field only at the field's begin; elsewhere it is a character. A row ends at LF or CRLF. Fields
//! are spans of the chunk's text: only those with doubled quotes are copied. Does not own: what a row means (`rows`).

use std::ops::Range;
use std::sync::Arc;

use memchr::{memchr, memchr2};
use weir_model::event::{Chunk, Span};
use weir_model::limits::LINE_BYTES_MAX;
use weir_model::mapping::{CsvDialect, TextEncoding};
use weir_model::verdict::RejectCode;

use crate::decode::{DecodeScratch, Decoder};
use crate::input::InputError;
use crate::json::span;
use crate::reader::Cut;
use crate::rows::{Cells, RowPlan, RowWriter};

/// A CSV file's header, resolved against the mapping.
#[derive(Debug)]
pub struct CsvTable {
    pub(crate) dialect: CsvDialect,
    pub(crate) columns: usize,
    pub(crate) plan: RowPlan,
}

/// Rows of a CSV file: a range of the chunk's text.
#[derive(Debug)]
pub struct CsvPiece {
    pub(crate) table: Arc<CsvTable>,
    pub(crate) range: Range<usize>,
}

/// A field of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Field {
    start: usize,
    end: usize,
    /// Whether quotes inside are doubled.
    doubled: bool,
}

/// Why a row's fields cannot be told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RowFault {
    /// The field with this number opens a quote that nothing closes.
    Unclosed(usize),
    /// Something follows the closing quote of the field with this number.
    AfterQuote(usize),
}

/// A row found in a text.
#[derive(Debug, Clone, Copy)]
struct Row {
    /// After the last byte of its content.
    end: usize,
    /// Where the next row begins.
    next: usize,
    fault: Option<RowFault>,
}

/// Where a row stands between two bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ScanState {
    FieldStart,
    Inside,
    Quoted,
    /// After a quote in a quoted field: the end of the field or half of a doubled quote.
    QuoteSeen,
}

/// Delimiter and quote must be two ASCII characters, or rows cannot be told apart in every encoding.
pub(crate) fn check_dialect(dialect: CsvDialect) -> Result<(), InputError> {
    let plain = |byte: u8| byte.is_ascii() && byte != b'\n' && byte != b'\r';
    if plain(dialect.delimiter) && plain(dialect.quote) && dialect.delimiter != dialect.quote {
        Ok(())
    } else {
        Err(InputError::Dialect)
    }
}

/// The dialect of a file whose name says TSV.
pub(crate) fn tabbed(dialect: CsvDialect) -> CsvDialect {
    let delimiter = if dialect.delimiter == CsvDialect::default().delimiter { b'\t' } else { dialect.delimiter };
    CsvDialect { delimiter, ..dialect }
}

/// The longest sequence of whole rows at the beginning of `text`, at most `rows_max`.
pub(crate) fn cut_rows(text: &[u8], dialect: CsvDialect, rows_max: u64) -> Cut {
    let mut cut = Cut { end: 0, records: 0 };
    let mut at = 0;
    while cut.records < rows_max
        && let Some(found) = text.get(at..).and_then(|rest| memchr2(dialect.quote, b'\n', rest))
    {
        let hit = at + found;
        at = hit + 1;
        if text[hit] == b'\n' {
            cut = Cut { end: at, records: cut.records + 1 };
        } else if hit == cut.end || text[hit - 1] == dialect.delimiter {
            match closing_quote(text, at, dialect.quote) {
                Some((close, _)) => at = close + 1,
                None => return cut,
            }
        }
    }
    cut
}

/// The closing quote of a field whose content begins at `at`, and whether there were doubled quotes before it.
#[inline]
fn closing_quote(text: &[u8], mut at: usize, quote: u8) -> Option<(usize, bool)> {
    let mut doubled = false;
    loop {
        let hit = at + memchr(quote, text.get(at..)?)?;
        if text.get(hit + 1) != Some(&quote) {
            return Some((hit, doubled));
        }
        doubled = true;
        at = hit + 2;
    }
}

/// Passes over `text`, which continues a row in `state`; where the row ends, if it does.
pub(crate) fn end_of_row(state: &mut ScanState, text: &[u8], dialect: CsvDialect) -> Option<usize> {
    for (at, &byte) in text.iter().enumerate() {
        *state = match (*state, byte) {
            (ScanState::Quoted, byte) if byte == dialect.quote => ScanState::QuoteSeen,
            (ScanState::Quoted, _) => ScanState::Quoted,
            (ScanState::FieldStart | ScanState::QuoteSeen, byte) if byte == dialect.quote => ScanState::Quoted,
            (_, b'\n') => return Some(at + 1),
            (_, byte) if byte == dialect.delimiter => ScanState::FieldStart,
            _ => ScanState::Inside,
        };
    }
    None
}

/// Splits the row that begins at `start` into `fields`.
#[inline]
fn split_row(text: &[u8], start: usize, dialect: CsvDialect, fields: &mut Vec<Field>) -> Row {
    fields.clear();
    let mut at = start;
    let mut fault = None;
    loop {
        let quoted = text.get(at) == Some(&dialect.quote);
        let mut tail = at;
        if quoted {
            let Some((close, doubled)) = closing_quote(text, at + 1, dialect.quote) else {
                let fault = fault.or(Some(RowFault::Unclosed(fields.len())));
                return Row { end: text.len(), next: text.len(), fault };
            };
            fields.push(Field { start: at + 1, end: close, doubled });
            tail = close + 1;
        }
        let rest = text.get(tail..).unwrap_or_default();
        let stop = tail + field_end(rest, dialect.delimiter);
        let delimited = text.get(stop) == Some(&dialect.delimiter);
        let bare_end = if !delimited && stop > tail && text[stop - 1] == b'\r' { stop - 1 } else { stop };
        if !quoted {
            fields.push(Field { start: at, end: bare_end, doubled: false });
        } else if bare_end > tail {
            fault = fault.or(Some(RowFault::AfterQuote(fields.len() - 1)));
        }
        if !delimited {
            return Row { end: bare_end, next: (stop + 1).min(text.len()), fault };
        }
        at = stop + 1;
    }
}

/// Distance to the delimiter, the line feed or the end. Most fields are short: a few bytes are looked at one by one
/// before the vector search starts.
#[inline]
fn field_end(text: &[u8], delimiter: u8) -> usize {
    const NEAR: usize = 8;
    for (at, &byte) in text.iter().take(NEAR).enumerate() {
        if byte == delimiter || byte == b'\n' {
            return at;
        }
    }
    let far = text.get(NEAR..).unwrap_or_default();
    memchr2(delimiter, b'\n', far).map_or(text.len(), |at| at + NEAR)
}

/// The names in a header row, which is the first row of `text`, and the length of that row.
pub(crate) fn header(name: &str, text: &[u8], dialect: CsvDialect) -> Result<(Vec<String>, usize), InputError> {
    let invalid = |reason: String| InputError::HeaderInvalid { name: name.to_owned(), reason };
    let mut fields = Vec::new();
    let row = split_row(text, 0, dialect, &mut fields);
    if row.end > LINE_BYTES_MAX {
        return Err(invalid(format!("it is longer than {LINE_BYTES_MAX} bytes")));
    }
    if let Some(fault) = row.fault {
        return Err(invalid(fault.sentence(&[])));
    }
    let mut names = Vec::with_capacity(fields.len());
    for field in &fields {
        let mut cell = Vec::new();
        field.append(text, dialect.quote, &mut cell);
        let cell = match dialect.encoding {
            TextEncoding::Latin1 => cell.iter().copied().map(char::from).collect(),
            TextEncoding::Utf8 => String::from_utf8(cell)
                .map_err(|_| invalid("it is not UTF-8; is it `encoding = \"latin1\"`?".into()))?,
        };
        names.push(cell);
    }
    Ok((names, row.next))
}

impl Field {
    /// Appends the field's text from `text` to `to`.
    fn append(self, text: &[u8], quote: u8, to: &mut Vec<u8>) {
        let raw = text.get(self.start..self.end).unwrap_or_default();
        if !self.doubled {
            to.extend_from_slice(raw);
            return;
        }
        let mut rest = raw;
        while let Some(at) = memchr(quote, rest) {
            let (head, tail) = rest.split_at(at + 1);
            to.extend_from_slice(head);
            rest = tail.get(1..).unwrap_or_default();
        }
        to.extend_from_slice(rest);
    }
}

impl RowFault {
    fn sentence(self, columns: &[String]) -> String {
        let (at, what) = match self {
            RowFault::Unclosed(at) => (at, "opens a quote that is never closed"),
            RowFault::AfterQuote(at) => (at, "has text after its closing quote"),
        };
        match columns.get(at) {
            Some(name) => format!("column `{name}` {what}"),
            None => format!("column {} {what}", at + 1),
        }
    }
}

/// A row as cells.
struct CsvRow<'a> {
    fields: &'a [Field],
    quote: u8,
    record: Span,
}

impl Cells for CsvRow<'_> {
    #[inline]
    fn is_empty(&self, column: usize) -> bool {
        self.fields.get(column).is_none_or(|field| field.start == field.end)
    }

    #[inline]
    fn append_text(&self, column: usize, text: &mut Vec<u8>) {
        let Some(field) = self.fields.get(column) else { return };
        if field.doubled {
            let mut cell = Vec::new();
            field.append(text, self.quote, &mut cell);
            text.extend_from_slice(&cell);
        } else {
            text.extend_from_within(field.start..field.end);
        }
    }

    #[inline]
    fn span(&self, column: usize, text: &mut Vec<u8>) -> Span {
        match self.fields.get(column) {
            Some(field) if !field.doubled => span(field.start, field.end - field.start),
            _ => {
                let start = text.len();
                self.append_text(column, text);
                span(start, text.len() - start)
            }
        }
    }

    fn record(&self, _text: &mut Vec<u8>) -> Span {
        self.record
    }
}

impl CsvPiece {
    /// Decodes the rows into `chunk`.
    pub(crate) fn decode(self, decoder: &Decoder, chunk: &mut Chunk, scratch: &mut DecodeScratch) {
        let CsvPiece { table, mut range } = self;
        if table.dialect.encoding == TextEncoding::Latin1 {
            range = transcode(&mut chunk.text, range);
        }
        let valid = simdutf8::basic::from_utf8(chunk.text.get(range.clone()).unwrap_or_default()).is_ok();
        let mut writer = RowWriter::new(&table.plan, decoder, chunk, scratch);
        let mut fields = Vec::with_capacity(table.columns + 1);
        let (mut at, mut number) = (range.start, 0_u32);
        while at < range.end {
            let text = writer.text().get(..range.end).unwrap_or_default();
            let row = split_row(text, at, table.dialect, &mut fields);
            if row.end > at {
                let record = span(at, row.end - at);
                let checked = table.check(text, at, &row, &fields);
                let utf8 = if valid { Ok(()) } else { check_utf8(record.of(text)) };
                match checked.and(utf8) {
                    Ok(()) => {
                        writer.row(number, &CsvRow { fields: &fields, quote: table.dialect.quote, record });
                    }
                    Err((code, sentence)) => writer.reject_row(number, code, &sentence, record),
                }
            }
            number += 1;
            at = row.next;
        }
    }
}

impl CsvTable {
    #[inline]
    fn check(&self, text: &[u8], start: usize, row: &Row, fields: &[Field]) -> Result<(), (RejectCode, String)> {
        if row.end - start <= LINE_BYTES_MAX && row.fault.is_none() && fields.len() == self.columns {
            return Ok(());
        }
        Err(self.explain(text.len(), start, row, fields))
    }

    #[cold]
    fn explain(&self, end: usize, start: usize, row: &Row, fields: &[Field]) -> (RejectCode, String) {
        if row.end - start > LINE_BYTES_MAX {
            let mut sentence = format!("the row is longer than {LINE_BYTES_MAX} bytes");
            if row.fault.is_some() && row.end == end {
                sentence.push_str("; a quote may lack its partner");
            }
            return (RejectCode::RecordTooLong, sentence);
        }
        let sentence = match row.fault {
            Some(fault) => fault.sentence(self.plan.columns()),
            None => format!("the row has {} columns where the header has {}", fields.len(), self.columns),
        };
        (RejectCode::RowMalformed, sentence)
    }
}

#[cold]
fn check_utf8(record: &[u8]) -> Result<(), (RejectCode, String)> {
    match std::str::from_utf8(record) {
        Ok(_) => Ok(()),
        Err(fault) => {
            let at = fault.valid_up_to();
            let sentence = format!("byte {at} of the row is not UTF-8; is the file `encoding = \"latin1\"`?");
            Err((RejectCode::Utf8Invalid, sentence))
        }
    }
}

/// ISO 8859-1 is the first 256 characters of Unicode. Replaces `text` by its range in UTF-8.
fn transcode(text: &mut Vec<u8>, range: Range<usize>) -> Range<usize> {
    let raw = text.get(range.clone()).unwrap_or_default();
    if raw.is_ascii() {
        return range;
    }
    let mut utf8 = String::with_capacity(raw.len() + (raw.len() >> 3));
    utf8.extend(raw.iter().copied().map(char::from));
    *text = utf8.into_bytes();
    0..text.len()
}

#[cfg(test)]
mod tests;
