//! The archive's tables as Arrow schemas: what the aggregator writes and what every reader of the archive relies on.
//!
//! Owns: names, types and meanings of the columns; each field carries its meaning under [`DESCRIPTION`]. A change of any of
//! them needs a new [`VERSION`]. Does not own: how rows are cut into files and encoded. Keeps L5 (decimals, no floats)
//! and L9 (every row names its event by fingerprint and by `(file, position)`).

use std::collections::HashMap;
use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};

use crate::number::{AMOUNT_SCALE, QUANTITY_SCALE_MAX};

/// Version of the schemas below; stands in every file under [`VERSION_KEY`].
///
/// - 1: the first.
/// - 2: `segment_start` in rated and totals, `without_usage` in totals, schedules' windows in `cell`, the verdict
///   `late_refused`; quantities are null at a capacity price.
pub const VERSION: u32 = 2;
/// File metadata: [`VERSION`], decimal.
pub const VERSION_KEY: &str = "weir.schema_version";
/// File metadata: the table's name, [`EVENTS`], [`RATED`] or [`TOTALS`].
pub const TABLE_KEY: &str = "weir.table";
/// File metadata: the catalog's name.
pub const CATALOG_KEY: &str = "weir.catalog";
/// File metadata: the catalog's content hash, 16 hexadecimal digits.
pub const CATALOG_HASH_KEY: &str = "weir.catalog_hash";
/// Field metadata: what the column means.
pub const DESCRIPTION: &str = "description";

/// Table of accepted events; also the name of its folder.
pub const EVENTS: &str = "events";
/// Table of rated usage and settlements; also the name of its folder.
pub const RATED: &str = "rated";
/// Table of the buckets' totals; also the name of its folder.
pub const TOTALS: &str = "totals";

/// Digits of every decimal column: the most that 128 bits hold.
pub const DECIMAL_DIGITS: u8 = 38;
/// Bytes of a fingerprint or digest: the 128 bits, most significant byte first, so that hexadecimal prints agree.
pub const HASH_BYTES: i32 = 16;

/// Accepted events, one row each, in the order of the log; events of one record by fingerprint.
pub fn events() -> SchemaRef {
    schema([
        required("file", text_dictionary(), "Name of the input file."),
        required("position", DataType::UInt64, "Record number in the file, from 0; in NDJSON the line minus 1."),
        required("fingerprint", hash(), "Keyed hash of the identity: source and id within the route key."),
        required("payload_digest", DataType::UInt64, "Keyed hash of the content: data, type and time."),
        required("source", text_dictionary(), "CloudEvents source."),
        required("id", DataType::Utf8, "CloudEvents id."),
        required("subject", text_dictionary(), "CloudEvents subject: whom the usage belongs to."),
        required("type", text_dictionary(), "CloudEvents type."),
        required("event_time", instant(), "When the usage happened."),
        optional("data", DataType::Utf8, "CloudEvents data, verbatim; null without data."),
        required(
            "verdict",
            text_dictionary(),
            "rated, unpriced (some usage has no price), late_refused (its period is closed) or unmetered (no charge selects it).",
        ),
        optional("reason", text_dictionary(), "Why it is unpriced; null otherwise."),
    ])
}

/// Rated rows: one for each usage (an event at a charge) and one for each change that a close makes to a bucket or to a part
/// of it. A bucket's amounts sum to its total minus what is owed without usage. In the order of the log, in which a close stands
/// where it happened.
pub fn rated() -> SchemaRef {
    schema([
        optional("file", text_dictionary(), "Name of the event's input file; null for a settlement."),
        optional("position", DataType::UInt64, "Record number in the file, from 0; null for a settlement."),
        optional("fingerprint", hash(), "The event's identity; null for a settlement."),
        required("customer", text_dictionary(), "Customer id."),
        required("plan", text_dictionary(), "Plan."),
        required("charge", text_dictionary(), "Charge of the plan."),
        optional("group", text_dictionary(), GROUP),
        optional("cell", text_dictionary(), CELL),
        required("period_start", instant(), "First instant of the period."),
        required("period_end", instant(), "First instant after the period."),
        required("segment_start", instant(), SEGMENT_START),
        optional("event_time", instant(), "When the usage happened; null for a settlement."),
        optional("quantity", quantity(), "The event's own quantity; 0 for a settlement; null at a capacity price."),
        required("amount", amount(), "Marginal amount: the bucket's amount after the event minus before it."),
        required("currency", text_dictionary(), "ISO 4217 code of the amount."),
        required(
            "kind",
            text_dictionary(),
            "usage, or settlement: a close added it, because parts were rated by themselves or an allowance rolled over.",
        ),
    ])
}

/// Totals of the buckets, one row each: by period end, customer and period start, then charge, group and cell.
pub fn totals() -> SchemaRef {
    schema([
        required("customer", text_dictionary(), "Customer id."),
        required("plan", text_dictionary(), "Plan."),
        required("charge", text_dictionary(), "Charge of the plan."),
        required("meter", text_dictionary(), "Meter that the charge charges for; of a capacity price the first."),
        optional("group", text_dictionary(), GROUP),
        optional("cell", text_dictionary(), CELL),
        required("period_start", instant(), "First instant of the period."),
        required("period_end", instant(), "First instant after the period."),
        required("segment_start", instant(), SEGMENT_START),
        required("sealed", DataType::Boolean, "Whether the run closed the period."),
        optional(
            "quantity",
            quantity(),
            "Aggregated quantity before the allowance; null from 10^26 on and at a capacity price: see quantity_text.",
        ),
        required("quantity_text", DataType::Utf8, QUANTITY_TEXT),
        required("events", DataType::UInt64, "Number of usages in the bucket."),
        required("amount", amount(), "The bucket's amount."),
        required("without_usage", amount(), "What it owes without its usage: the amount that its rated rows add to."),
        required("currency", text_dictionary(), "ISO 4217 code of the amount."),
        required("digest", hash(), "Sum of the events' hashes mod 2^128."),
    ])
}

const GROUP: &str = "JSON object of the values it is grouped by, keys in the charge's order; null if not grouped.";
const CELL: &str = "JSON object of what chose the price: a matrix's dimension values, none for `otherwise`, and as `window` a \
    schedule's window, empty outside all of them; null for a price without cells.";
const SEGMENT_START: &str = "First instant of the part of the period that the bucket is for: later than the period's if the plan \
    began inside. With customer, plan, charge, group, cell and period it names the bucket.";
const QUANTITY_TEXT: &str = "The same quantity as decimal text, rounded half away only if it needs more than 12 decimals; for a \
    capacity price one for each resource: seats=3 storage=9.";

fn schema<const N: usize>(fields: [Field; N]) -> SchemaRef {
    Arc::new(Schema::new(Vec::from(fields)))
}

fn required(name: &str, data_type: DataType, description: &str) -> Field {
    field(name, data_type, description).with_nullable(false)
}

fn optional(name: &str, data_type: DataType, description: &str) -> Field {
    field(name, data_type, description).with_nullable(true)
}

fn field(name: &str, data_type: DataType, description: &str) -> Field {
    let metadata = HashMap::from([(DESCRIPTION.to_owned(), description.to_owned())]);
    Field::new(name, data_type, false).with_metadata(metadata)
}

/// Text with few distinct values.
fn text_dictionary() -> DataType {
    DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
}

fn instant() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

fn hash() -> DataType {
    DataType::FixedSizeBinary(HASH_BYTES)
}

/// Quantities of all meters at the finest scale that a meter may keep.
fn quantity() -> DataType {
    decimal(QUANTITY_SCALE_MAX)
}

fn amount() -> DataType {
    decimal(AMOUNT_SCALE)
}

fn decimal(decimals: u8) -> DataType {
    // Both scales are constants below 38.
    DataType::Decimal128(DECIMAL_DIGITS, i8::try_from(decimals).unwrap_or(i8::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_name_their_columns_once_and_describe_them() {
        for table in [events(), rated(), totals()] {
            for (i, field) in table.fields().iter().enumerate() {
                assert_eq!(table.index_of(field.name()).unwrap(), i, "{} stands twice", field.name());
                assert!(field.metadata().get(DESCRIPTION).is_some_and(|text| text.ends_with('.')), "{}", field.name());
            }
        }
        assert_eq!(rated().field_with_name("amount").unwrap().data_type(), &DataType::Decimal128(38, 18));
        assert_eq!(rated().field_with_name("quantity").unwrap().data_type(), &DataType::Decimal128(38, 12));
    }
}
