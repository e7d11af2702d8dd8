//! The inputs, one after another, as chunks: the log of `weir run`, in order.
//!
//! Owns: the sequence, file and positions of chunks, and where they are cut, which depends on the files' bytes alone (L6,
//! L7). Does not own: what records mean. Threads share one reader behind a lock that they take once per chunk; decoding
//! ([`decode`]) happens outside of it.

mod source;
mod tables;
mod text;

pub(crate) use text::Cut;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use weir_model::event::Chunk;
use weir_model::limits::LINE_BYTES_MAX;
use weir_model::mapping::Mapping;

use crate::columns::ColumnsPiece;
use crate::csv::{self, CsvPiece, CsvTable};
use crate::decode::{DecodeScratch, Decoder};
use crate::input::{Format, Input, InputError, total_bytes};
use crate::rows;
use source::ByteSource;
use tables::BatchStream;
use text::{Framing, PieceSize, TextStream};

/// Rows of one chunk: what a mapping adds to each row must not let a chunk of tiny rows grow without bound.
const ROWS_MAX: u64 = 1 << 16;

/// Sizes of what [`Reader::next`] returns. They decide where chunks end, so they belong to the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReaderSettings {
    /// Bytes of text in a chunk, after decompression.
    pub chunk_bytes: usize,
    /// Rows of a chunk of Parquet or Arrow.
    pub batch_rows: usize,
}

impl Default for ReaderSettings {
    fn default() -> Self {
        ReaderSettings { chunk_bytes: 1 << 20, batch_rows: 8192 }
    }
}

/// How far the reader is, in bytes as they are on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadProgress {
    /// Read so far, stdin and pipes included.
    pub bytes_read: u64,
    /// Size of all files together; without stdin and pipes, whose length nobody knows.
    pub bytes_total: u64,
    /// Files read to their end.
    pub files_read: usize,
    /// All files.
    pub files_total: usize,
}

/// What a chunk holds before it is decoded.
#[derive(Debug)]
pub enum Piece {
    /// Lines in the chunk's text.
    Ndjson,
    /// Rows in the chunk's text.
    Csv(CsvPiece),
    /// Rows of a table of columns; the chunk's text is empty.
    Columns(ColumnsPiece),
}

/// Reads inputs into chunks.
pub struct Reader {
    inputs: Vec<Input>,
    mapping: Option<Arc<Mapping>>,
    settings: ReaderSettings,
    current: Option<Current>,
    /// Inputs opened so far; the current one is the last of them.
    opened: usize,
    /// Inputs from here on are not read yet.
    pause_before: usize,
    sequence: u64,
    bytes_read: Arc<AtomicU64>,
    empty: Vec<String>,
}

/// The input that is being read.
struct Current {
    content: Content,
    /// Records before the next chunk.
    records: u64,
}

enum Content {
    Lines(TextStream),
    Rows(TextStream, Option<Arc<CsvTable>>),
    Batches(BatchStream),
}

impl Reader {
    /// A reader of `inputs` in their order. `mapping` is needed for all but NDJSON.
    pub fn open(
        inputs: Vec<Input>,
        mapping: Option<Arc<Mapping>>,
        settings: ReaderSettings,
    ) -> Result<Reader, InputError> {
        if let Some(mapping) = &mapping {
            csv::check_dialect(mapping.csv)?;
        }
        if let (Some(table), None) = (inputs.iter().find(|input| input.format != Format::Ndjson), &mapping) {
            return Err(InputError::MappingMissing { name: table.name.clone(), format: table.format.name() });
        }
        Ok(Reader {
            pause_before: inputs.len(),
            inputs,
            mapping,
            settings,
            current: None,
            opened: 0,
            sequence: 0,
            bytes_read: Arc::default(),
            empty: Vec::new(),
        })
    }

    /// Reads no further than to the input with this number, until told otherwise.
    pub fn pause_before(&mut self, input: usize) {
        self.pause_before = input.min(self.inputs.len());
    }

    /// The sequence number of the next chunk.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Fills `chunk`, which the caller has cleared, with the next whole records in log order; sets its sequence, file and
    /// first position. `None` at the end or pause, and after an error: what was read before it may be incomplete.
    pub fn next(&mut self, chunk: &mut Chunk) -> Result<Option<Piece>, InputError> {
        let piece = self.advance(chunk);
        if piece.is_err() {
            self.current = None;
            self.opened = self.inputs.len();
        }
        piece
    }

    /// How far this is.
    pub fn progress(&self) -> ReadProgress {
        ReadProgress {
            bytes_read: self.bytes_read.load(Ordering::Relaxed),
            bytes_total: total_bytes(&self.inputs),
            files_read: self.opened - usize::from(self.current.is_some()),
            files_total: self.inputs.len(),
        }
    }

    /// The counter behind [`ReadProgress::bytes_read`], for a progress line that does not take the reader's lock.
    pub fn bytes_read(&self) -> Arc<AtomicU64> {
        self.bytes_read.clone()
    }

    /// The inputs, by [`Chunk::file`].
    pub fn inputs(&self) -> &[Input] {
        &self.inputs
    }

    /// Names of the inputs read so far that hold no record at all.
    pub fn empty_inputs(&self) -> &[String] {
        &self.empty
    }

    fn advance(&mut self, chunk: &mut Chunk) -> Result<Option<Piece>, InputError> {
        loop {
            let Some(current) = &mut self.current else {
                let readable = self.inputs.get(..self.pause_before).unwrap_or_default();
                let Some(input) = readable.get(self.opened) else { return Ok(None) };
                let content = self.content(input)?;
                self.current = Some(Current { content, records: 0 });
                self.opened += 1;
                continue;
            };
            let first = current.records;
            if let Some((piece, positions)) = current.content.next(chunk, self.mapping.as_deref())? {
                current.records += positions.records;
                chunk.sequence = self.sequence;
                chunk.file = u32::try_from(self.opened - 1).unwrap_or(u32::MAX);
                chunk.first_position = first * positions.per_record;
                self.sequence += 1;
                return Ok(Some(piece));
            }
            if first == 0
                && let Some(input) = self.inputs.get(self.opened - 1)
            {
                self.empty.push(input.name.clone());
            }
            self.current = None;
        }
    }

    fn content(&self, input: &Input) -> Result<Content, InputError> {
        let size = PieceSize {
            chunk_bytes: self.settings.chunk_bytes.max(1),
            record_bytes_max: LINE_BYTES_MAX,
            records_max: ROWS_MAX,
        };
        let text = |framing| {
            let source = ByteSource::open(input, self.bytes_read.clone())?;
            Ok(TextStream::new(source, framing, size))
        };
        // `open` has seen to it that a table has a mapping.
        let mapping = self.mapping.as_deref().cloned().unwrap_or_default();
        Ok(match input.format {
            Format::Ndjson => Content::Lines(text(Framing::Lines)?),
            Format::Csv => Content::Rows(text(Framing::Rows(mapping.csv))?, None),
            Format::Tsv => Content::Rows(text(Framing::Rows(csv::tabbed(mapping.csv)))?, None),
            Format::Parquet => {
                Content::Batches(tables::parquet(input, &mapping, self.settings.batch_rows, self.bytes_read.clone())?)
            }
            Format::Arrow => {
                Content::Batches(tables::arrow(input, &mapping, self.settings.batch_rows, self.bytes_read.clone())?)
            }
        })
    }
}

/// How many positions a piece takes.
struct Positions {
    records: u64,
    per_record: u64,
}

impl Content {
    fn next(&mut self, chunk: &mut Chunk, mapping: Option<&Mapping>) -> Result<Option<(Piece, Positions)>, InputError> {
        match self {
            Content::Lines(stream) => {
                let records = stream.next(&mut chunk.text)?;
                Ok((records > 0).then_some((Piece::Ndjson, Positions { records, per_record: 1 })))
            }
            Content::Rows(stream, table) => {
                let mut records = stream.next(&mut chunk.text)?;
                let mut start = 0;
                let table = if let Some(table) = table {
                    table
                } else {
                    let (resolved, length) = header(stream, &chunk.text, mapping)?;
                    (start, records) = (length, records - 1);
                    if records == 0 {
                        chunk.text.clear();
                        records = stream.next(&mut chunk.text)?;
                        start = 0;
                    }
                    table.insert(Arc::new(resolved))
                };
                let positions = Positions { records, per_record: table.plan.tables() };
                let piece = CsvPiece { table: table.clone(), range: start..chunk.text.len() };
                Ok((records > 0).then_some((Piece::Csv(piece), positions)))
            }
            Content::Batches(stream) => Ok(stream.next()?.map(|piece| {
                let positions = Positions { records: piece.rows() as u64, per_record: piece.tables() };
                (Piece::Columns(piece), positions)
            })),
        }
    }
}

/// Resolves the header that `text` begins with; also its length in bytes.
fn header(stream: &TextStream, text: &[u8], mapping: Option<&Mapping>) -> Result<(CsvTable, usize), InputError> {
    let name = stream.name();
    let (Framing::Rows(dialect), Some(mapping), false) = (stream.framing(), mapping, text.is_empty()) else {
        return Err(InputError::HeaderMissing { name: name.to_owned() });
    };
    let (columns, length) = csv::header(name, text, dialect)?;
    let count = columns.len();
    let plan = rows::resolve(mapping, name, columns)?;
    Ok((CsvTable { dialect, columns: count, plan }, length))
}

/// Decodes a piece into the chunk that [`Reader::next`] filled with it.
pub fn decode(piece: Piece, decoder: &Decoder, chunk: &mut Chunk, scratch: &mut DecodeScratch) {
    match piece {
        Piece::Ndjson => {
            decoder.decode_ndjson(chunk, scratch);
        }
        Piece::Csv(piece) => piece.decode(decoder, chunk, scratch),
        Piece::Columns(piece) => piece.decode(decoder, chunk, scratch),
    }
}

#[cfg(test)]
mod tests;
