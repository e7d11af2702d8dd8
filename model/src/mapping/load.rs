//! From the mapping's TOML (interfaces.md) to [`Mapping`].
//!
//! Owns: the keys and their defaults. Does not own: reading files; whether a column exists shows only there.

use jiff::tz::TimeZone;

use super::{
    Compression, CsvDialect, EmptyCell, EventMapping, FieldMapping, Mapping, TableFormat, TextEncoding, TextMapping,
    TimeFormat, TimeMapping,
};
use crate::catalog::CatalogError;
use crate::catalog::toml_reader::{Item, Report, Table};

/// Loads a mapping from its TOML text, or names all its errors. `file_name` stands in them.
pub fn load(file_name: &str, text: &str) -> Result<Mapping, CatalogError> {
    let report = Report::new(file_name, text);
    let document = report.parse(text);
    let mapping = document.as_ref().and_then(|document| read(report.root(document)));
    report.finish()?;
    // Every reader that returns nothing reports why.
    Ok(mapping.unwrap_or_else(|| unreachable!("a mapping without errors was read")))
}

const FORMATS: [(&str, TableFormat); 3] =
    [("csv", TableFormat::Csv), ("parquet", TableFormat::Parquet), ("arrow", TableFormat::Arrow)];
const COMPRESSIONS: [(&str, Compression); 3] =
    [("none", Compression::None), ("gzip", Compression::Gzip), ("zstd", Compression::Zstd)];
const ENCODINGS: [(&str, TextEncoding); 2] = [("utf-8", TextEncoding::Utf8), ("latin-1", TextEncoding::Latin1)];

/// A key that may be absent: the outer `None` is an error.
fn optional<T>(table: &mut Table<'_>, name: &'static str, read: impl Fn(&Item<'_>) -> Option<T>) -> Option<Option<T>> {
    table.optional(name).map_or(Some(None), |item| read(&item).map(Some))
}

fn read(mut root: Table<'_>) -> Option<Mapping> {
    let format = optional(&mut root, "format", |item| item.choice(&FORMATS));
    let compression = optional(&mut root, "compression", |item| item.choice(&COMPRESSIONS));
    let csv = read_dialect(&mut root);
    let row_filter = optional(&mut root, "where", read_where);
    let events = root.required("events", "[[events]]").and_then(|item| {
        let elements = item.array("[[events]]")?;
        if elements.is_empty() {
            item.error("names no event", "add an [[events]] table");
        }
        let events: Vec<_> = elements.iter().map(read_event).collect();
        events.into_iter().collect::<Option<Vec<_>>>()
    });
    root.finish();
    Some(Mapping {
        format: format?,
        compression: compression?,
        csv: csv?,
        row_filter: row_filter?.unwrap_or_default(),
        events: events?,
    })
}

fn read_dialect(root: &mut Table<'_>) -> Option<CsvDialect> {
    let standard = CsvDialect::default();
    let delimiter = optional(root, "delimiter", |item| single_byte(item, "\";\" or \"\\t\""));
    let quote_item = root.optional("quote");
    let quote = quote_item.as_ref().map_or(Some(None), |item| single_byte(item, "\"'\"").map(Some));
    let encoding = optional(root, "encoding", |item| item.choice(&ENCODINGS));
    let dialect = CsvDialect {
        delimiter: delimiter?.unwrap_or(standard.delimiter),
        quote: quote?.unwrap_or(standard.quote),
        encoding: encoding?.unwrap_or(standard.encoding),
    };
    if dialect.delimiter == dialect.quote {
        let report = root.report();
        let mark = quote_item.map_or_else(|| root.mark(), |item| item.mark());
        report.error(&mark, "delimiter and quote are the same", "use two different characters");
        return None;
    }
    Some(dialect)
}

fn single_byte(item: &Item<'_>, example: &str) -> Option<u8> {
    let text = item.text()?;
    match text.as_bytes() {
        [byte] if byte.is_ascii() && !matches!(byte, b'\n' | b'\r') => Some(*byte),
        _ => {
            item.error(format!("{text:?} is not a single ASCII character"), format!("write for example {example}"));
            None
        }
    }
}

fn read_where(item: &Item<'_>) -> Option<Vec<(String, Vec<String>)>> {
    let mut terms = Vec::new();
    let mut complete = true;
    for (column, values) in item.table()?.entries() {
        match where_values(&values) {
            Some(allowed) if allowed.is_empty() => {
                values.error("allows no value, so that no row passes", "name the values that pass");
            }
            Some(allowed) => terms.push((column.to_owned(), allowed)),
            None => complete = false,
        }
    }
    complete.then_some(terms)
}

/// Texts; an empty one passes empty cells.
fn where_values(item: &Item<'_>) -> Option<Vec<String>> {
    let elements = item.array("[\"Usage\"]")?;
    let values: Vec<_> = elements.iter().map(|element| element.any_text().map(str::to_owned)).collect();
    values.into_iter().collect()
}

fn read_event(item: &Item<'_>) -> Option<EventMapping> {
    let mut table = item.table()?;
    let source = table.required("source", "{ constant = \"...\" }").map(|item| read_text(&item));
    let id = table.required("id", "\"column\"").map(|item| read_text(&item));
    let event_type = table.required("type", "{ constant = \"...\" }").map(|item| read_text(&item));
    let subject = table.required("subject", "\"column\"").map(|item| read_text(&item));
    let partition_key = optional(&mut table, "partitionkey", read_text);
    let time = table.required("time", "{ column = \"...\" }").map(|item| read_time(&item));
    let data = optional(&mut table, "data", read_data);
    table.finish();
    Some(EventMapping {
        source: source??,
        id: id??,
        event_type: event_type??,
        subject: subject??,
        partition_key: partition_key?,
        time: time??,
        data: data?.unwrap_or_default(),
    })
}

/// `"column"`, `{ column }`, `{ columns, join }` or `{ constant }`.
fn read_text(item: &Item<'_>) -> Option<TextMapping> {
    if !item.is_table() {
        return item.text().map(|column| TextMapping::Column(column.to_owned()));
    }
    let mut table = item.table()?;
    let text = text_of(item, &mut table);
    table.finish();
    text
}

fn text_of(item: &Item<'_>, table: &mut Table<'_>) -> Option<TextMapping> {
    let constant = table.optional("constant");
    let column = table.optional("column");
    let columns = table.optional("columns");
    let join = table.optional("join");
    match (constant, column, columns) {
        (Some(constant), None, None) => {
            no_join(join, constant.text().map(|text| TextMapping::Constant(text.to_owned())))
        }
        (None, Some(column), None) => no_join(join, column.text().map(|text| TextMapping::Column(text.to_owned()))),
        (None, None, Some(columns)) => {
            let names = columns.texts("[\"a\", \"b\"]");
            let join = join.map_or(Some(String::new()), |item| item.any_text().map(str::to_owned));
            let (names, join) = (names?, join?);
            if names.is_empty() {
                columns.error("names no column", "write for example [\"a\", \"b\"]");
                return None;
            }
            Some(TextMapping::Join { columns: names, join })
        }
        _ => {
            item.error("needs one of constant, column and columns", "write for example { column = \"a\" }");
            None
        }
    }
}

fn no_join(join: Option<Item<'_>>, text: Option<TextMapping>) -> Option<TextMapping> {
    match join {
        Some(join) => {
            join.error("joins nothing: it belongs to `columns`", "leave it out");
            None
        }
        None => text,
    }
}

fn read_data(item: &Item<'_>) -> Option<Vec<(String, FieldMapping)>> {
    let mut fields = Vec::new();
    let mut complete = true;
    for (name, item) in item.table()?.entries() {
        match read_field(&item) {
            Some(field) => fields.push((name.to_owned(), field)),
            None => complete = false,
        }
    }
    fields.sort_by(|(a, _), (b, _)| a.cmp(b));
    complete.then_some(fields)
}

fn read_field(item: &Item<'_>) -> Option<FieldMapping> {
    if !item.is_table() {
        let text = TextMapping::Column(item.text()?.to_owned());
        return Some(FieldMapping { text, empty: EmptyCell::Absent });
    }
    let mut table = item.table()?;
    let text = text_of(item, &mut table);
    let choices = [("absent", EmptyCell::Absent), ("zero", EmptyCell::Zero)];
    let empty = optional(&mut table, "empty", |item| item.choice(&choices));
    table.finish();
    Some(FieldMapping { text: text?, empty: empty?.unwrap_or_default() })
}

/// `"column"` or `{ column, format, zone }`.
fn read_time(item: &Item<'_>) -> Option<TimeMapping> {
    if !item.is_table() {
        let column = item.text()?.to_owned();
        return Some(TimeMapping { column, format: TimeFormat::Rfc3339, zone: TimeZone::UTC });
    }
    let mut table = item.table()?;
    let column = table.required("column", "\"time\"").and_then(|item| item.text());
    let format = table.optional("format").map_or(Some(TimeFormat::Rfc3339), |item| {
        let fix = "write rfc3339, epoch_s, epoch_ms, or a strftime pattern such as \"%Y-%m-%d %H:%M:%S\"";
        item.parsed("a way to write times", fix, time_format)
    });
    let zone = table.optional("zone").map_or(Some(TimeZone::UTC), |item| {
        let fix = "write a name of the IANA database, for example \"Europe/Paris\"";
        item.parsed("a known time zone", fix, |name| TimeZone::get(name).ok())
    });
    table.finish();
    Some(TimeMapping { column: column?.to_owned(), format: format?, zone: zone? })
}

fn time_format(text: &str) -> Option<TimeFormat> {
    match text {
        "rfc3339" => Some(TimeFormat::Rfc3339),
        "epoch_s" => Some(TimeFormat::EpochSeconds),
        "epoch_ms" => Some(TimeFormat::EpochMillis),
        pattern => {
            // A pattern that cannot print a full time is misspelt, and one without directives reads none.
            let sample = jiff::Zoned::new(jiff::Timestamp::UNIX_EPOCH, TimeZone::UTC);
            let prints = jiff::fmt::strtime::format(pattern, &sample).is_ok();
            (pattern.contains('%') && prints).then(|| TimeFormat::Pattern(pattern.to_owned()))
        }
    }
}

#[cfg(test)]
mod tests;
