//! The column mapping, resolved: how a row of a CSV, Parquet or Arrow file becomes events (interfaces.md).

mod load;

pub use load::load;

use jiff::tz::TimeZone;

/// How rows become events.
#[derive(Debug, Clone, Default)]
pub struct Mapping {
    /// File format; `None`: by extension.
    pub format: Option<TableFormat>,
    /// Compression; `None`: by extension.
    pub compression: Option<Compression>,
    /// CSV dialect.
    pub csv: CsvDialect,
    /// Rows to take: for every entry the column's text must be one of the values.
    pub row_filter: Vec<(String, Vec<String>)>,
    /// A row yields one event for each.
    pub events: Vec<EventMapping>,
}

/// Formats that need a mapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableFormat {
    /// Text with a header line.
    Csv,
    /// Apache Parquet.
    Parquet,
    /// Arrow IPC, stream or file.
    Arrow,
}

/// Compression of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// None.
    None,
    /// gzip, several members allowed.
    Gzip,
    /// Zstandard, several frames allowed.
    Zstd,
}

/// How a CSV is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CsvDialect {
    /// Between fields.
    pub delimiter: u8,
    /// Around fields.
    pub quote: u8,
    /// Text encoding.
    pub encoding: TextEncoding,
}

impl Default for CsvDialect {
    fn default() -> Self {
        CsvDialect { delimiter: b',', quote: b'"', encoding: TextEncoding::Utf8 }
    }
}

/// Text encoding of a CSV.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextEncoding {
    /// UTF-8, with or without a byte order mark.
    Utf8,
    /// ISO 8859-1.
    Latin1,
}

/// One event of a row.
#[derive(Debug, Clone)]
pub struct EventMapping {
    /// CloudEvents `source`.
    pub source: TextMapping,
    /// CloudEvents `id`.
    pub id: TextMapping,
    /// CloudEvents `type`.
    pub event_type: TextMapping,
    /// CloudEvents `subject`.
    pub subject: TextMapping,
    /// CloudEvents `partitionkey`, if any.
    pub partition_key: Option<TextMapping>,
    /// CloudEvents `time`.
    pub time: TimeMapping,
    /// Fields of `data`, sorted by name: the order in which they are written.
    pub data: Vec<(String, FieldMapping)>,
}

/// A text made from a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TextMapping {
    /// The same for every row.
    Constant(String),
    /// A column's text.
    Column(String),
    /// Several columns' texts with `join` between.
    Join {
        /// The columns.
        columns: Vec<String>,
        /// Between them.
        join: String,
    },
}

/// A field of `data`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldMapping {
    /// Its text.
    pub text: TextMapping,
    /// What an empty cell means.
    pub empty: EmptyCell,
}

/// What an empty cell means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EmptyCell {
    /// The field is absent.
    #[default]
    Absent,
    /// The field is 0.
    Zero,
}

/// When a row happened.
#[derive(Debug, Clone)]
pub struct TimeMapping {
    /// The column.
    pub column: String,
    /// How it is written. Timestamp and date columns of Parquet and Arrow need none.
    pub format: TimeFormat,
    /// Zone of times that name none.
    pub zone: TimeZone,
}

/// How a time is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TimeFormat {
    /// RFC 3339; without an offset, the mapping's zone.
    Rfc3339,
    /// Seconds since 1970, decimals allowed.
    EpochSeconds,
    /// Milliseconds since 1970.
    EpochMillis,
    /// A strftime pattern.
    Pattern(String),
}
