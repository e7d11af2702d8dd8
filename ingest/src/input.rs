//! Which files `--events` means: paths, globs and stdin become a list of inputs in log order.
//!
//! Owns: expansion, formats and compressions by name, and the checks that need no content. Does not own: reading
//! (`reader`). The order of the list is the order of the log (L6), so a glob's matches are sorted by name.

mod error;

pub use error::InputError;

use std::fs::File;
use std::path::{Path, PathBuf};

use weir_model::mapping::{Compression, Mapping, TableFormat};

/// One file to read, or stdin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// As messages call it.
    pub name: String,
    /// Where it is.
    pub place: Place,
    /// What it holds.
    pub format: Format,
    /// As the mapping or the name says; the first bytes are asked too.
    pub compression: DeclaredCompression,
    /// Size on disk, compressed as it is; `None` for stdin and pipes.
    pub bytes: Option<u64>,
}

/// Where an input is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Standard input.
    Stdin,
    /// A file or a named pipe.
    Path(PathBuf),
}

/// What an input holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One CloudEvent per line.
    Ndjson,
    /// Text with a header line, in the mapping's dialect.
    Csv,
    /// As CSV, with tabs unless the mapping names another delimiter than the comma.
    Tsv,
    /// Apache Parquet.
    Parquet,
    /// Arrow IPC, file or stream.
    Arrow,
}

/// Who says how an input is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeclaredCompression {
    /// Nobody: the first bytes decide.
    Unknown,
    /// Its name; the first bytes must agree.
    ByName(Compression),
    /// The mapping; the first bytes are not asked.
    ByMapping(Compression),
}

/// Expands the values of `--events` in the given order. Every problem that shows without reading is found here, so that
/// a run does not stop at the last file for a typing error.
pub fn expand(arguments: &[String], mapping: Option<&Mapping>) -> Result<Vec<Input>, InputError> {
    let mut inputs = Vec::new();
    for argument in arguments {
        if argument == "-" {
            if inputs.iter().any(|input: &Input| input.place == Place::Stdin) {
                return Err(InputError::StdinTwice);
            }
            inputs.push(stdin(mapping)?);
        } else if is_pattern(argument) && !Path::new(argument).exists() {
            for path in matches(argument)? {
                inputs.push(file(path, mapping)?);
            }
        } else {
            inputs.push(file(PathBuf::from(argument), mapping)?);
        }
    }
    if inputs.is_empty() { Err(InputError::Nothing) } else { Ok(inputs) }
}

/// Sum of the known sizes in bytes, for progress.
pub fn total_bytes(inputs: &[Input]) -> u64 {
    inputs.iter().filter_map(|input| input.bytes).sum()
}

fn is_pattern(argument: &str) -> bool {
    argument.contains(['*', '?', '['])
}

fn matches(pattern: &str) -> Result<Vec<PathBuf>, InputError> {
    let paths = glob::glob(pattern)
        .map_err(|source| InputError::Pattern { pattern: pattern.to_owned(), reason: source.msg.to_owned() })?;
    let mut found = Vec::new();
    for path in paths {
        found.push(path.map_err(|fault| InputError::Unreadable {
            name: fault.path().display().to_string(),
            source: fault.into(),
        })?);
    }
    if found.is_empty() {
        return Err(InputError::NoMatch { pattern: pattern.to_owned() });
    }
    found.sort();
    Ok(found)
}

fn stdin(mapping: Option<&Mapping>) -> Result<Input, InputError> {
    let name = "stdin".to_owned();
    let format = match mapping {
        None => Format::Ndjson,
        Some(mapping) => match mapping.format {
            None => return Err(InputError::StdinFormat),
            Some(TableFormat::Parquet) => return Err(InputError::NeedsFile { name, format: "Parquet" }),
            Some(format) => of_table(format),
        },
    };
    let compression = mapping
        .and_then(|mapping| mapping.compression)
        .map_or(DeclaredCompression::Unknown, DeclaredCompression::ByMapping);
    Ok(Input { name, place: Place::Stdin, format, compression, bytes: None })
}

fn file(path: PathBuf, mapping: Option<&Mapping>) -> Result<Input, InputError> {
    let name = path.display().to_string();
    let unreadable = |source: std::io::Error| match source.kind() {
        std::io::ErrorKind::NotFound => InputError::Missing { name: name.clone() },
        _ => InputError::Unreadable { name: name.clone(), source },
    };
    let metadata = std::fs::metadata(&path).map_err(unreadable)?;
    if metadata.is_dir() {
        return Err(InputError::Directory { name });
    }
    let regular = metadata.is_file();
    if regular {
        // A pipe is opened once only, when its turn comes.
        File::open(&path).map_err(unreadable)?;
    }
    let (compression, format) = by_name(&path, &name, mapping)?;
    if !matches!(format, Format::Ndjson) && mapping.is_none() {
        return Err(InputError::MappingMissing { name, format: format.name() });
    }
    if format == Format::Parquet {
        if !matches!(compression, DeclaredCompression::Unknown | DeclaredCompression::ByMapping(Compression::None)) {
            return Err(InputError::CompressedParquet { name });
        }
        if !regular {
            return Err(InputError::NeedsFile { name, format: "Parquet" });
        }
    }
    Ok(Input { name, place: Place::Path(path), format, compression, bytes: regular.then_some(metadata.len()) })
}

/// NDJSON names stay NDJSON; for any other file the mapping's `format` goes before the name.
fn by_name(path: &Path, name: &str, mapping: Option<&Mapping>) -> Result<(DeclaredCompression, Format), InputError> {
    let (packed, extension) = extensions(path);
    let compression = match mapping.and_then(|mapping| mapping.compression) {
        Some(compression) => DeclaredCompression::ByMapping(compression),
        None => packed.map_or(DeclaredCompression::Unknown, DeclaredCompression::ByName),
    };
    let named = match extension.as_str() {
        "ndjson" | "jsonl" | "json" => return Ok((compression, Format::Ndjson)),
        "csv" => Some(Format::Csv),
        "tsv" => Some(Format::Tsv),
        "parquet" => Some(Format::Parquet),
        "arrow" | "arrows" | "ipc" | "feather" => Some(Format::Arrow),
        _ => None,
    };
    let format = match mapping.and_then(|mapping| mapping.format) {
        Some(TableFormat::Csv) if named == Some(Format::Tsv) => named,
        Some(format) => Some(of_table(format)),
        None => named,
    };
    match format {
        Some(format) => Ok((compression, format)),
        None => Err(InputError::FormatUnknown { name: name.to_owned() }),
    }
}

/// The compression that the last extension names, and the extension before it (or the last one), in lower case.
fn extensions(path: &Path) -> (Option<Compression>, String) {
    let lower = |path: &Path| path.extension().map(|ext| ext.to_string_lossy().to_lowercase()).unwrap_or_default();
    let last = lower(path);
    let packed = match last.as_str() {
        "gz" | "gzip" => Compression::Gzip,
        "zst" | "zstd" => Compression::Zstd,
        _ => return (None, last),
    };
    (Some(packed), path.file_stem().map(|stem| lower(Path::new(stem))).unwrap_or_default())
}

fn of_table(format: TableFormat) -> Format {
    match format {
        TableFormat::Csv => Format::Csv,
        TableFormat::Parquet => Format::Parquet,
        TableFormat::Arrow => Format::Arrow,
    }
}

impl Format {
    /// As messages call it.
    pub const fn name(self) -> &'static str {
        match self {
            Format::Ndjson => "NDJSON",
            Format::Csv => "CSV",
            Format::Tsv => "TSV",
            Format::Parquet => "Parquet",
            Format::Arrow => "Arrow",
        }
    }
}

#[cfg(test)]
mod tests;
