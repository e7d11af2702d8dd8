//! How each table is encoded: schema, compression, encodings, statistics, sort order and file metadata.

use std::sync::Arc;

use arrow_schema::{DataType, SchemaRef};
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::metadata::{KeyValue, SortingColumn};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder};
use parquet::schema::types::ColumnPath;
use weir_model::catalog::Catalog;
use weir_model::schema;

/// Rows that one call hands to the encoder: their gathered columns stay in the processor's cache.
pub(crate) const SLICE_ROWS: usize = 8192;
/// Rows of one row group at most.
const ROW_GROUP_ROWS_MAX: usize = 1 << 20;
/// A dictionary may grow to this before plain encoding takes over.
const DICTIONARY_BYTES_MAX: usize = 1 << 20;

/// One table of the archive.
pub(crate) struct Table {
    pub(crate) name: &'static str,
    pub(crate) schema: SchemaRef,
    pub(crate) properties: WriterProperties,
}

/// A column that the rows are sorted by, and where its nulls stand.
struct SortKey(&'static str, Nulls);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Nulls {
    First,
    Last,
}

impl Table {
    pub(crate) fn events(catalog: &Catalog) -> Table {
        let sorted = [SortKey("subject", Nulls::First), SortKey("event_time", Nulls::First)];
        Table::new(schema::EVENTS, schema::events(), &sorted, catalog)
    }

    pub(crate) fn rated(catalog: &Catalog) -> Table {
        let sorted = [
            SortKey("customer", Nulls::First),
            SortKey("charge", Nulls::First),
            SortKey("group", Nulls::First),
            SortKey("event_time", Nulls::Last),
        ];
        Table::new(schema::RATED, schema::rated(), &sorted, catalog)
    }

    pub(crate) fn totals(catalog: &Catalog) -> Table {
        let sorted = ["customer", "plan", "charge", "group", "cell"].map(|name| SortKey(name, Nulls::First));
        Table::new(schema::TOTALS, schema::totals(), &sorted, catalog)
    }

    fn new(name: &'static str, schema: SchemaRef, sorted: &[SortKey], catalog: &Catalog) -> Table {
        let mut builder = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_dictionary_enabled(false)
            .set_dictionary_page_size_limit(DICTIONARY_BYTES_MAX)
            .set_max_row_group_row_count(Some(ROW_GROUP_ROWS_MAX))
            .set_statistics_enabled(EnabledStatistics::Page)
            .set_key_value_metadata(Some(file_metadata(name, catalog)))
            .set_sorting_columns(Some(sorting_columns(&schema, sorted)));
        for field in schema.fields() {
            builder = encode_column(builder, field.name(), field.data_type());
        }
        Table { name, schema: Arc::clone(&schema), properties: builder.build() }
    }
}

fn file_metadata(table: &str, catalog: &Catalog) -> Vec<KeyValue> {
    let version = schema::VERSION.to_string();
    let hash = format!("{:016x}", catalog.hash);
    [
        (schema::VERSION_KEY, version.as_str()),
        (schema::TABLE_KEY, table),
        (schema::CATALOG_KEY, catalog.name.as_str()),
        (schema::CATALOG_HASH_KEY, hash.as_str()),
    ]
    .map(|(key, value)| KeyValue::new(key.to_owned(), value.to_owned()))
    .into()
}

fn sorting_columns(schema: &SchemaRef, sorted: &[SortKey]) -> Vec<SortingColumn> {
    let leaf = |SortKey(name, nulls): &SortKey| {
        // The tables are flat: a field's index is its column's.
        let column_idx = schema.index_of(name).ok().and_then(|index| i32::try_from(index).ok())?;
        Some(SortingColumn { column_idx, descending: false, nulls_first: *nulls == Nulls::First })
    };
    sorted.iter().map_while(leaf).collect()
}

fn encode_column(builder: WriterPropertiesBuilder, name: &str, data_type: &DataType) -> WriterPropertiesBuilder {
    let column = ColumnPath::from(name);
    match (name, data_type) {
        // Many distinct values, but sorted: each one repeats the one before or begins like it.
        ("subject" | "customer", _) => builder.set_column_encoding(column, Encoding::DELTA_BYTE_ARRAY),
        // Few distinct values, or long runs once sorted.
        (_, DataType::Dictionary(..))
        | ("period_start" | "period_end" | "segment_start" | "quantity" | "amount" | "without_usage", _) => {
            builder.set_column_dictionary_enabled(column, true)
        }
        ("event_time" | "position" | "events", _) => builder.set_column_encoding(column, Encoding::DELTA_BINARY_PACKED),
        // Hashes do not compress and have no useful minimum.
        ("fingerprint" | "payload_digest" | "digest", _) => builder
            .set_column_compression(column.clone(), Compression::UNCOMPRESSED)
            .set_column_statistics_enabled(column, EnabledStatistics::None),
        (_, DataType::Utf8) => builder
            .set_column_encoding(column.clone(), Encoding::DELTA_LENGTH_BYTE_ARRAY)
            .set_column_statistics_enabled(column, EnabledStatistics::None),
        _ => builder,
    }
}
