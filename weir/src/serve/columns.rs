//! The fast lane: events as Arrow IPC streams (`application/vnd.apache.arrow.stream`).
//!
//! Owns: the schema (docs/server.md) and the way from its columns to a chunk. A column's texts are copied in one piece, and spans point into
//! it. What holds for lines holds for rows: a bad one is rejected alone, by its index.

use std::collections::HashSet;

use arrow_array::cast::AsArray;
use arrow_array::types::{GenericStringType, TimestampMicrosecondType};
use arrow_array::{Array, GenericByteArray, RecordBatch};
use arrow_ipc::reader::StreamReader;
use arrow_schema::{ArrowError, DataType, TimeUnit};
use weir_ingest::{DecodeScratch, Decoder, RawEvent};
use weir_model::event::{Chunk, Span};
use weir_model::time::Instant;

use super::admission::{Chunks, Limits};
use super::control::KeyRecord;
use super::epoch::Rules;
use super::record::Rejected;

/// Why a stream cannot be read at all.
#[derive(Debug, thiserror::Error)]
pub enum ColumnsError {
    /// No Arrow IPC stream, or a damaged one.
    #[error("the body is no Arrow IPC stream: {0}")]
    Arrow(#[from] ArrowError),
    /// A column is missing.
    #[error("the column `{0}` is missing")]
    Missing(&'static str),
    /// A column has another type.
    #[error("the column `{column}` is {found}; write {expected}")]
    Type {
        /// Which.
        column: &'static str,
        /// Its type.
        found: DataType,
        /// What it should be.
        expected: &'static str,
    },
    /// Spans count to 4 GiB.
    #[error("the stream holds more than 1 GiB of text; send several")]
    TooLarge,
}

/// Text of a stream, at most.
const TEXT_BYTES_MAX: usize = 1 << 30;

/// A column of texts: where each row's text lies in the chunk.
struct Texts {
    spans: Vec<Span>,
}

impl Texts {
    fn at(&self, row: usize) -> Span {
        self.spans.get(row).copied().unwrap_or(Span::ABSENT)
    }
}

/// Decodes a stream; rows that are rejected come back by index and are no part of the chunk.
pub fn admit(
    stream: &[u8],
    (rules, chunks): (&Rules, &Chunks),
    limits: Limits,
    key: Option<&KeyRecord>,
) -> Result<(Chunk, Vec<Rejected>), ColumnsError> {
    let chunk = decode(stream, &rules.decoder, chunks.take(), &HashSet::new())?;
    let mut rejected: Vec<Rejected> = chunk
        .rejected
        .iter()
        .map(|rejection| Rejected {
            index: u64::from(rejection.position),
            code: rejection.code.code().to_owned(),
            sentence: rejection.sentence.clone(),
            record: String::from_utf8_lossy(rejection.record.of(&chunk.text)).into_owned(),
        })
        .collect();
    let refused = super::admission::refused(&chunk, limits, |_| key);
    rejected.extend(refused.into_iter().map(|(position, code, sentence)| Rejected {
        index: u64::from(position),
        code: code.code().to_owned(),
        sentence,
        record: String::new(),
    }));
    if rejected.is_empty() {
        return Ok((chunk, rejected));
    }
    rejected.sort_by_key(|rejected| rejected.index);
    let left_out = rejected.iter().map(|rejected| rejected.index).collect();
    let decoded = decode(stream, &rules.decoder, chunks.take(), &left_out)?;
    chunks.give(chunk);
    Ok((decoded, rejected))
}

/// Decodes the rows of a stream but for some into an empty chunk.
pub fn decode(
    stream: &[u8],
    decoder: &Decoder,
    mut chunk: Chunk,
    left_out: &HashSet<u64>,
) -> Result<Chunk, ColumnsError> {
    let mut scratch = DecodeScratch::new();
    let mut position = 0_u32;
    for batch in StreamReader::try_new(stream, None)? {
        position = append(&batch?, decoder, (&mut chunk, &mut scratch), (position, left_out))?;
    }
    Ok(chunk)
}

fn append(
    batch: &RecordBatch,
    decoder: &Decoder,
    (chunk, scratch): (&mut Chunk, &mut DecodeScratch),
    (mut position, left_out): (u32, &HashSet<u64>),
) -> Result<u32, ColumnsError> {
    let mut required = |name| match texts(batch, name, &mut chunk.text)? {
        Some(texts) => Ok(texts),
        None => Err(ColumnsError::Missing(name)),
    };
    let (id, source, event_type) = (required("id")?, required("source")?, required("type")?);
    let (subject, data) = (required("subject")?, required("data")?);
    let partition_key = texts(batch, "partitionkey", &mut chunk.text)?;
    let times = match batch.column_by_name("time") {
        None => None,
        Some(column) if matches!(column.data_type(), DataType::Timestamp(TimeUnit::Microsecond, _)) => {
            Some(column.as_primitive::<TimestampMicrosecondType>())
        }
        Some(column) => {
            let (column, found) = ("time", column.data_type().clone());
            return Err(ColumnsError::Type { column, found, expected: "timestamp[us, UTC]" });
        }
    };
    for row in 0..batch.num_rows() {
        let time = times.filter(|times| times.is_valid(row)).map(|times| Instant::from_micros(times.value(row)));
        if !left_out.contains(&u64::from(position)) {
            let event = RawEvent {
                position,
                source: source.at(row),
                id: id.at(row),
                subject: subject.at(row),
                partition_key: partition_key.as_ref().map_or(Span::ABSENT, |keys| keys.at(row)),
                event_type: event_type.at(row),
                time: time.unwrap_or(Instant::OF_THE_LOG),
                data: data.at(row),
                record: data.at(row),
            };
            decoder.admit(chunk, scratch, &event);
        }
        position += 1;
    }
    Ok(position)
}

/// Copies a column's texts to the end of `text`.
fn texts(batch: &RecordBatch, name: &'static str, text: &mut Vec<u8>) -> Result<Option<Texts>, ColumnsError> {
    let Some(column) = batch.column_by_name(name) else { return Ok(None) };
    let spans = match column.data_type() {
        DataType::Utf8 => copy(column.as_string::<i32>(), text)?,
        DataType::LargeUtf8 => copy(column.as_string::<i64>(), text)?,
        DataType::Utf8View | DataType::Dictionary(..) => {
            let plain = arrow_cast::cast(column, &DataType::LargeUtf8)?;
            copy(plain.as_string::<i64>(), text)?
        }
        found => return Err(ColumnsError::Type { column: name, found: found.clone(), expected: "utf8" }),
    };
    Ok(Some(Texts { spans }))
}

fn copy<O: arrow_array::OffsetSizeTrait>(
    column: &GenericByteArray<GenericStringType<O>>,
    text: &mut Vec<u8>,
) -> Result<Vec<Span>, ColumnsError> {
    let offsets = column.value_offsets();
    let (first, last) = (offsets[0].as_usize(), offsets[column.len()].as_usize());
    let base = text.len();
    if base + (last - first) > TEXT_BYTES_MAX {
        return Err(ColumnsError::TooLarge);
    }
    text.extend_from_slice(&column.value_data()[first..last]);
    let span = |row: usize| {
        if column.is_null(row) {
            return Span::ABSENT;
        }
        let (start, end) = (offsets[row].as_usize(), offsets[row + 1].as_usize());
        let number = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Span::new(number(base + start - first), number(end - start))
    };
    Ok((0..column.len()).map(span).collect())
}
