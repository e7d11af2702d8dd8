//! Why the input cannot be read: the caller's fault unless a variant says otherwise, and each sentence says what to do.
//! A bad record is no error but a rejection; these stop the run, because events would be missing from its totals.

use std::fmt::Write;

/// Why the input cannot be read. All but [`InputError::Unreadable`] stay as they are until somebody changes the
/// arguments, the mapping or the file: trying again does not help.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// No argument at all.
    #[error("no events given: name a file, a glob or `-` for stdin after `--events`")]
    Nothing,
    /// There is no such file.
    #[error("{name}: there is no such file; check the path given to `--events`")]
    Missing {
        /// The file.
        name: String,
    },
    /// A folder instead of a file.
    #[error("{name}: this is a directory; name its files, for example `{name}/*.ndjson`")]
    Directory {
        /// The directory.
        name: String,
    },
    /// A glob that matches nothing.
    #[error("{pattern}: no file matches this pattern; check the folder and the extension")]
    NoMatch {
        /// The glob.
        pattern: String,
    },
    /// A glob that is none.
    #[error("{pattern}: this pattern is not valid: {reason}")]
    Pattern {
        /// The glob.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The system refuses to open or read; external, may pass.
    #[error("{name}: cannot be read; check its permissions and the disk")]
    Unreadable {
        /// The file.
        name: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// `-` stands twice.
    #[error("`-` is given twice, but stdin can be read once only; remove one")]
    StdinTwice,
    /// Stdin with a mapping that names no format.
    #[error("stdin has no extension that tells its format; write `format = \"csv\"` or `\"arrow\"` into the mapping")]
    StdinFormat,
    /// Neither extension nor mapping tells the format.
    #[error(
        "{name}: the extension tells no format; rename it to .ndjson, .csv, .tsv, .parquet or .arrow (then .gz or .zst), \
         or write `format = ...` into the mapping"
    )]
    FormatUnknown {
        /// The file.
        name: String,
    },
    /// A table without a mapping.
    #[error("{name}: {format} needs a mapping that says how a row becomes events; give one with `--mapping`")]
    MappingMissing {
        /// The file.
        name: String,
        /// Its format.
        format: &'static str,
    },
    /// A format that cannot be read from a stream.
    #[error("{name}: {format} is read from its end and cannot come through a pipe; give a file")]
    NeedsFile {
        /// The input.
        name: String,
        /// Its format.
        format: &'static str,
    },
    /// Parquet inside gzip or zstd.
    #[error("{name}: Parquet is compressed inside and is read from its end; decompress the file first")]
    CompressedParquet {
        /// The file.
        name: String,
    },
    /// The name promises a compression that the content has not.
    #[error(
        "{name}: the name says {compression}, but the content does not begin so; rename the file or fetch it again"
    )]
    NotCompressed {
        /// The file.
        name: String,
        /// The compression.
        compression: &'static str,
    },
    /// A compressed stream that ends too early.
    #[error(
        "{name}: the {compression} stream breaks off after {offset} compressed bytes; the file is incomplete, fetch it again"
    )]
    Truncated {
        /// The file.
        name: String,
        /// The compression.
        compression: &'static str,
        /// Compressed bytes read.
        offset: u64,
    },
    /// Content that its format does not allow.
    #[error("{name}: not valid {format} near byte {offset}: {reason}; the file is damaged, fetch it again")]
    Damaged {
        /// The file.
        name: String,
        /// Format or compression.
        format: &'static str,
        /// Bytes of the file read, as it is on disk.
        offset: u64,
        /// What is wrong.
        reason: String,
    },
    /// A table that its format's reader refuses.
    #[error("{name}: cannot be read as {format}: {reason}")]
    BadTable {
        /// The file.
        name: String,
        /// Its format.
        format: &'static str,
        /// What the reader says.
        reason: String,
    },
    /// UTF-16 text.
    #[error("{name}: this is UTF-16 text; convert it to UTF-8, for example with `iconv -f UTF-16 -t UTF-8`")]
    Utf16 {
        /// The file.
        name: String,
    },
    /// A CSV without a first line.
    #[error("{name}: the file is empty; a CSV begins with a line of column names")]
    HeaderMissing {
        /// The file.
        name: String,
    },
    /// A header that is none.
    #[error("{name}: the header line is not valid: {reason}")]
    HeaderInvalid {
        /// The file.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// The mapping names a column that the file has not.
    #[error("{name}: there is no column `{column}`, which the mapping names{}", hint(closest.as_deref(), columns))]
    ColumnMissing {
        /// The file.
        name: String,
        /// The column.
        column: String,
        /// The most similar name that the file has.
        closest: Option<String>,
        /// Some of the columns that the file has.
        columns: Vec<String>,
    },
    /// The mapping names a column that the file has twice.
    #[error("{name}: column `{column}` stands twice in the header, so the mapping's `{column}` could mean either")]
    ColumnAmbiguous {
        /// The file.
        name: String,
        /// The column.
        column: String,
    },
    /// The mapping names a column whose type has no text.
    #[error("{name}: column `{column}` is of type {data_type}, which cannot become a text, a number or a time")]
    ColumnType {
        /// The file.
        name: String,
        /// The column.
        column: String,
        /// Its type.
        data_type: String,
    },
    /// A dialect that cannot be told apart.
    #[error("the mapping's `delimiter` and `quote` must be two different ASCII characters, and no line break")]
    Dialect,
}

fn hint(closest: Option<&str>, columns: &[String]) -> String {
    if let Some(closest) = closest {
        return format!("; did you mean `{closest}`?");
    }
    let mut text = String::from("; it has ");
    for (at, column) in columns.iter().enumerate() {
        let comma = if at == 0 { "" } else { ", " };
        // Writing to a String cannot fail.
        let _ = write!(text, "{comma}`{column}`");
    }
    text
}
