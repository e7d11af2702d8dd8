//! One Parquet file of a table: one row group, whose column chunks are written one after the other.
//!
//! Owns: pages, column chunks and the footer. The `parquet` crate writes page headers and the footer; values are encoded
//! here, because passing each of them through its writers costs ten times as much.

use std::io::Write;
use std::ops::Range;

use bytes::Bytes;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::column::page::{CompressedPage, Page, PageWriteSpec, PageWriter};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{
    ColumnChunkMetaData, ColumnChunkMetaDataBuilder, FileMetaData, ParquetMetaData, ParquetMetaDataWriter,
    RowGroupMetaData,
};
use parquet::file::statistics::Statistics;
use parquet::file::writer::{SerializedPageWriter, TrackedWrite};

use crate::encoding::{push_deltas, push_equal, push_keys, width_of};
use crate::table::Table;

/// Rows of a page: what a reader decodes at once.
pub(crate) const PAGE_ROWS: usize = 1 << 14;
const MAGIC: &[u8; 4] = b"PAR1";
/// More effort than this takes longer than the disk.
const ZSTD_LEVEL: i32 = 1;
const CREATED_BY: &str = concat!("weir version ", env!("CARGO_PKG_VERSION"));

/// A column of a row group.
pub(crate) struct Column<'a> {
    pub(crate) values: Values<'a>,
    pub(crate) presence: Presence<'a>,
    /// Least and greatest value, where readers can use them.
    pub(crate) bounds: Option<Statistics>,
}

/// Values of the rows that have one.
#[derive(Clone, Copy)]
pub(crate) enum Values<'a> {
    /// So many bytes each.
    Fixed(&'a Bytes, usize),
    /// Texts as Parquet has them, and where those of each page end.
    Texts(&'a Bytes, &'a [usize], Effort),
    /// Integers near their neighbours.
    Deltas(&'a [i64]),
    Booleans(&'a [bool]),
    /// Keys of distinct values.
    Keys(&'a [u32], Distinct<'a>),
    /// The same key everywhere.
    Equal(u32, Distinct<'a>),
}

/// Whether texts are worth compressing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effort {
    None,
    Zstd,
}

/// The values behind keys.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Distinct<'a> {
    /// As Parquet has them.
    pub(crate) plain: &'a [u8],
    pub(crate) len: u32,
}

/// Which rows have a value.
#[derive(Clone, Copy)]
pub(crate) enum Presence<'a> {
    Every,
    None,
    /// 1 for rows with a value, 0 for those without.
    Some(&'a [u32]),
}

impl Presence<'_> {
    fn count(&self, rows: Range<usize>) -> usize {
        match self {
            Presence::Every => rows.len(),
            Presence::None => 0,
            Presence::Some(present) => present[rows].iter().filter(|&&present| present == 1).count(),
        }
    }

    /// Appends definition levels.
    fn push_levels(&self, out: &mut Vec<u8>, rows: Range<usize>) {
        let len_at = out.len();
        out.extend_from_slice(&[0; 4]);
        match self {
            Presence::Every => push_equal(out, 1, rows.len(), 1),
            Presence::None => push_equal(out, 0, rows.len(), 1),
            Presence::Some(present) => push_keys(out, &present[rows], 1),
        }
        let len = u32::try_from(out.len() - len_at - 4).unwrap_or(u32::MAX);
        out[len_at..len_at + 4].copy_from_slice(&len.to_le_bytes());
    }
}

impl Values<'_> {
    fn encoding(&self) -> Encoding {
        match self {
            Values::Fixed(..) | Values::Texts(..) | Values::Booleans(_) => Encoding::PLAIN,
            Values::Deltas(_) => Encoding::DELTA_BINARY_PACKED,
            Values::Keys(..) | Values::Equal(..) => Encoding::RLE_DICTIONARY,
        }
    }

    fn compression(&self) -> Compression {
        match self {
            Values::Texts(_, _, Effort::Zstd) => Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL).unwrap_or_default()),
            _ => Compression::UNCOMPRESSED,
        }
    }

    fn distinct(&self) -> Option<Distinct<'_>> {
        match self {
            Values::Keys(_, distinct) | Values::Equal(_, distinct) => Some(*distinct),
            _ => None,
        }
    }

    /// The values of a page that are written as they are.
    fn plain(&self, page: usize, range: Range<usize>) -> Option<Bytes> {
        match *self {
            Values::Fixed(bytes, width) => Some(bytes.slice(range.start * width..range.end * width)),
            Values::Texts(bytes, ends, _) => {
                let start = page.checked_sub(1).map_or(0, |before| ends[before]);
                Some(bytes.slice(start..ends[page]))
            }
            _ => None,
        }
    }

    /// Appends the values of a page.
    fn push(&self, out: &mut Vec<u8>, page: usize, range: Range<usize>) {
        match *self {
            Values::Fixed(..) | Values::Texts(..) => {
                out.extend_from_slice(&self.plain(page, range).unwrap_or_default());
            }
            Values::Deltas(values) => push_deltas(out, &values[range]),
            Values::Booleans(values) => out.extend(
                values[range]
                    .chunks(8)
                    .map(|eight| eight.iter().rev().fold(0, |byte, &value| byte << 1 | u8::from(value))),
            ),
            Values::Keys(keys, distinct) => {
                let width = push_width(out, distinct);
                push_keys(out, &keys[range], width);
            }
            Values::Equal(key, distinct) => {
                let width = push_width(out, distinct);
                push_equal(out, key, range.len(), width);
            }
        }
    }
}

fn push_width(out: &mut Vec<u8>, distinct: Distinct<'_>) -> u32 {
    let width = width_of(distinct.len.saturating_sub(1));
    out.push(u8::try_from(width).unwrap_or(u8::MAX));
    width
}

/// A file being written.
pub(crate) struct Part<'f> {
    sink: TrackedWrite<&'f mut (dyn Write + Send)>,
    table: &'f Table,
    rows: usize,
    columns: Vec<ColumnChunkMetaData>,
    /// Memory of the page at hand.
    page: Vec<u8>,
}

impl<'f> Part<'f> {
    /// Begins a file of so many rows.
    pub(crate) fn begin(file: &'f mut (dyn Write + Send), table: &'f Table, rows: usize) -> Result<Part<'f>> {
        let mut sink = TrackedWrite::new(file);
        sink.write_all(MAGIC)?;
        Ok(Part { sink, table, rows, columns: Vec::new(), page: Vec::new() })
    }

    /// Writes the next column of the schema.
    pub(crate) fn column(&mut self, column: &Column<'_>) -> Result<()> {
        let Some(descriptor) = self.table.columns.columns().get(self.columns.len()).cloned() else {
            return Err(ParquetError::General("more columns than the schema has".to_owned()));
        };
        let Column { values, presence, bounds } = column;
        let is_optional = descriptor.max_def_level() > 0;
        let start = self.sink.bytes_written();
        let (mut compressed, mut uncompressed) = (0, 0);
        let mut count = |spec: &PageWriteSpec| {
            compressed += spec.compressed_size;
            uncompressed += spec.uncompressed_size;
        };
        if let Some(Distinct { plain, len }) = values.distinct() {
            let buf = Bytes::copy_from_slice(plain);
            let page = Page::DictionaryPage { buf, num_values: len, encoding: Encoding::PLAIN, is_sorted: false };
            count(&SerializedPageWriter::new(&mut self.sink).write_page(CompressedPage::new(page, plain.len()))?);
        }
        let data_at = self.sink.bytes_written();
        let mut value = 0;
        for (number, row) in (0..self.rows).step_by(PAGE_ROWS).enumerate() {
            let rows = row..self.rows.min(row + PAGE_ROWS);
            let with_value = presence.count(rows.clone());
            let range = value..value + with_value;
            value += with_value;
            if !is_optional
                && values.compression() == Compression::UNCOMPRESSED
                && let Some(plain) = values.plain(number, range.clone())
            {
                let len = plain.len();
                count(&self.write_page(plain, len, (rows.len(), values.encoding()))?);
                continue;
            }
            self.page.clear();
            if is_optional {
                presence.push_levels(&mut self.page, rows.clone());
            }
            values.push(&mut self.page, number, range);
            count(&self.compress_page(rows.len(), values)?);
        }
        let bounds = bounds.clone().into_iter();
        let metadata = ColumnChunkMetaData::builder(descriptor)
            .set_compression(values.compression())
            .set_encodings(encodings(values))
            .set_num_values(signed(self.rows))
            .set_total_compressed_size(signed(compressed))
            .set_total_uncompressed_size(signed(uncompressed))
            .set_dictionary_page_offset(values.distinct().map(|_| signed(start)))
            .set_data_page_offset(signed(data_at));
        let metadata = bounds.fold(metadata, ColumnChunkMetaDataBuilder::set_statistics);
        self.columns.push(metadata.build()?);
        Ok(())
    }

    /// Compresses and writes the page at hand.
    fn compress_page(&mut self, rows: usize, values: &Values<'_>) -> Result<PageWriteSpec> {
        let (len, of) = (self.page.len(), (rows, values.encoding()));
        if values.compression() != Compression::UNCOMPRESSED {
            let compressed = zstd::bulk::compress(&self.page, ZSTD_LEVEL)?;
            return self.write_page(compressed.into(), len, of);
        }
        let page = Bytes::from(std::mem::take(&mut self.page));
        let spec = self.write_page(page.clone(), len, of)?;
        // Nobody else holds the page any more: its memory comes back.
        self.page = page.into();
        Ok(spec)
    }

    fn write_page(&mut self, buf: Bytes, len: usize, (rows, encoding): (usize, Encoding)) -> Result<PageWriteSpec> {
        let page = Page::DataPage {
            buf,
            num_values: u32::try_from(rows).unwrap_or(u32::MAX),
            encoding,
            def_level_encoding: Encoding::RLE,
            rep_level_encoding: Encoding::RLE,
            statistics: None,
        };
        SerializedPageWriter::new(&mut self.sink).write_page(CompressedPage::new(page, len))
    }

    /// Writes the footer.
    pub(crate) fn finish(self) -> Result<()> {
        let Part { mut sink, table, rows, columns, .. } = self;
        let bytes = columns.iter().map(ColumnChunkMetaData::uncompressed_size).sum();
        let group = RowGroupMetaData::builder(table.columns.clone())
            .set_column_metadata(columns)
            .set_num_rows(signed(rows))
            .set_total_byte_size(bytes)
            .build()?;
        let created_by = Some(CREATED_BY.to_owned());
        let entries = Some(table.metadata.clone());
        let file = FileMetaData::new(1, signed(rows), created_by, entries, table.columns.clone(), None);
        let metadata = ParquetMetaData::new(file, vec![group]);
        // Through memory: the writer would lose the error of its last write.
        let mut footer = Vec::new();
        ParquetMetaDataWriter::new(&mut footer, &metadata).finish()?;
        sink.write_all(&footer)?;
        sink.flush()?;
        Ok(())
    }
}

fn encodings(values: &Values<'_>) -> Vec<Encoding> {
    // A dictionary's values are plain; levels are runs.
    let plain = values.distinct().map(|_| Encoding::PLAIN);
    plain.into_iter().chain([Encoding::RLE, values.encoding()]).collect()
}

/// Sizes of files fit.
fn signed(len: usize) -> i64 {
    i64::try_from(len).unwrap_or(i64::MAX)
}
