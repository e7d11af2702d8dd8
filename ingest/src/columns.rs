//! Parquet and Arrow columns as cells of rows.
//!
//! Owns: which types become a text, a number or a time. Integers, decimals and booleans go into `data` exactly, as JSON
//! numbers and booleans, decimals without trailing zeros. A float is not exact to begin with: the shortest decimal that
//! reads back as the same float stands for it, and nothing is computed with it (L5). Timestamps and dates become RFC 3339
//! texts, without an offset if the column has no zone. Does not own: what a row means (`rows`), nor files (`reader`).

mod view;

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::Schema;
use weir_model::event::{Chunk, Span};
use weir_model::limits::LINE_BYTES_MAX;
use weir_model::mapping::Mapping;

use crate::decode::{DecodeScratch, Decoder};
use crate::input::InputError;
use crate::json::span;
use crate::rows::{self, CellTime, Cells, RowPlan, RowWriter};
use view::View;

/// A table's schema, resolved against the mapping.
#[derive(Debug)]
pub struct ColumnTable {
    plan: RowPlan,
    /// The columns that the mapping names, as numbered in the file, ascending: those that batches bring.
    used: Vec<usize>,
}

/// Rows of a Parquet or Arrow file.
#[derive(Debug)]
pub struct ColumnsPiece {
    table: Arc<ColumnTable>,
    batch: RecordBatch,
}

/// Resolves `mapping` against the `schema` of the file `name`.
pub(crate) fn resolve(mapping: &Mapping, name: &str, schema: &Schema) -> Result<ColumnTable, InputError> {
    let columns = schema.fields().iter().map(|field| field.name().clone()).collect();
    let plan = rows::resolve(mapping, name, columns)?;
    let used = plan.used();
    for field in used.iter().filter_map(|column| schema.fields().get(*column)) {
        if !View::supports(field.data_type()) {
            return Err(InputError::ColumnType {
                name: name.to_owned(),
                column: field.name().clone(),
                data_type: field.data_type().to_string(),
            });
        }
    }
    Ok(ColumnTable { plan, used })
}

impl ColumnTable {
    pub(crate) fn used(&self) -> &[usize] {
        &self.used
    }
}

impl ColumnsPiece {
    pub(crate) fn new(table: Arc<ColumnTable>, batch: RecordBatch) -> ColumnsPiece {
        ColumnsPiece { table, batch }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.batch.num_rows()
    }

    /// Events per row.
    pub(crate) fn tables(&self) -> u64 {
        self.table.plan.tables()
    }

    /// Decodes the rows into `chunk`.
    pub(crate) fn decode(self, decoder: &Decoder, chunk: &mut Chunk, scratch: &mut DecodeScratch) {
        let ColumnsPiece { table, batch } = self;
        let mut views: Vec<View> = table.plan.columns().iter().map(|_| View::Null).collect();
        for (column, array) in table.used.iter().zip(batch.columns()) {
            if let Some(view) = views.get_mut(*column) {
                *view = View::of(array);
            }
        }
        let mut writer = RowWriter::new(&table.plan, decoder, chunk, scratch);
        for (number, row) in (0_u32..).zip(0..batch.num_rows()) {
            writer.row(number, &ColumnRow { table: &table, views: &views, row });
        }
    }
}

/// A row as cells.
struct ColumnRow<'a> {
    table: &'a ColumnTable,
    views: &'a [View],
    row: usize,
}

impl Cells for ColumnRow<'_> {
    fn is_empty(&self, column: usize) -> bool {
        self.views.get(column).is_none_or(|view| view.is_empty(self.row))
    }

    fn append_text(&self, column: usize, text: &mut Vec<u8>) {
        if let Some(view) = self.views.get(column) {
            view.append(self.row, text);
        }
    }

    fn is_bare(&self, column: usize) -> bool {
        self.views.get(column).is_some_and(|view| view.is_bare(self.row))
    }

    fn time(&self, column: usize) -> Option<CellTime> {
        self.views.get(column)?.time(self.row)
    }

    /// Columns have no text of their own: the cells that the mapping names, as a JSON object.
    fn record(&self, text: &mut Vec<u8>) -> Span {
        let start = text.len();
        text.push(b'{');
        for (at, column) in self.table.used.iter().enumerate() {
            if at > 0 {
                text.push(b',');
            }
            let name = self.table.plan.columns().get(*column).map_or("", String::as_str);
            text.extend(rows::json_string(name.as_bytes()));
            text.push(b':');
            if self.is_empty(*column) {
                text.extend_from_slice(b"null");
                continue;
            }
            let mut cell = Vec::new();
            self.append_text(*column, &mut cell);
            if self.is_bare(*column) {
                text.extend(cell);
            } else {
                cell.truncate(LINE_BYTES_MAX);
                text.extend(rows::json_string(&cell));
            }
        }
        text.push(b'}');
        text.truncate(start + LINE_BYTES_MAX);
        span(start, text.len() - start)
    }
}

#[cfg(test)]
mod tests;
