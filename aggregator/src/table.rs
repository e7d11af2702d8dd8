//! The tables' schemas as their files have them, and what every file says about itself.

use arrow_schema::{Schema, SchemaRef};
use parquet::arrow::{ARROW_SCHEMA_META_KEY, ArrowSchemaConverter, encode_arrow_schema};
use parquet::file::metadata::KeyValue;
use parquet::schema::types::SchemaDescPtr;
use weir_model::catalog::Catalog;
use weir_model::schema;

use crate::error::ArchiveError;

/// One table of the archive.
pub(crate) struct Table {
    pub(crate) name: &'static str,
    pub(crate) columns: SchemaDescPtr,
    pub(crate) metadata: Vec<KeyValue>,
}

impl Table {
    pub(crate) fn events(catalog: &Catalog) -> Result<Table, ArchiveError> {
        Table::new(schema::EVENTS, schema::events(), catalog)
    }

    pub(crate) fn rated(catalog: &Catalog) -> Result<Table, ArchiveError> {
        Table::new(schema::RATED, schema::rated(), catalog)
    }

    pub(crate) fn totals(catalog: &Catalog) -> Result<Table, ArchiveError> {
        Table::new(schema::TOTALS, schema::totals(), catalog)
    }

    fn new(name: &'static str, schema: SchemaRef, catalog: &Catalog) -> Result<Table, ArchiveError> {
        let columns = ArrowSchemaConverter::new().convert(&schema);
        let columns = columns.map_err(|source| ArchiveError::Encode { path: name.into(), source })?.into();
        Ok(Table { name, columns, metadata: file_metadata(name, &schema, catalog) })
    }
}

fn file_metadata(table: &str, columns: &Schema, catalog: &Catalog) -> Vec<KeyValue> {
    [
        (schema::VERSION_KEY, schema::VERSION.to_string()),
        (schema::TABLE_KEY, table.to_owned()),
        (schema::CATALOG_KEY, catalog.name.clone()),
        (schema::CATALOG_HASH_KEY, format!("{:016x}", catalog.hash)),
        (ARROW_SCHEMA_META_KEY, encode_arrow_schema(columns)),
    ]
    .map(|(key, value)| KeyValue::new(key.to_owned(), value))
    .into()
}
