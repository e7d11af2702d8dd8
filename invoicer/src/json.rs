//! The JSON of a document: documented in docs/invoice-json.md, and stable.
//!
//! Owns: how exact values become JSON. Money, amounts and quantities are decimal strings, because a JSON number is a float
//! to most readers. Members stand in a fixed order, so equal documents are equal bytes (L6).

use std::fmt::Display;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use weir_model::decimal::write_decimal;
use weir_model::number::{AMOUNT_SCALE, Amount, Money, UnitAmount};

use crate::invoice::{DetailKind, Invoice};
use crate::locale::Locale;
use crate::numbering::InvoiceNumber;

/// Goes up when a member changes its meaning or disappears; new members may come at any time.
pub const SCHEMA_VERSION: u32 = 2;

#[derive(Serialize)]
struct Versioned<'a> {
    schema_version: u32,
    #[serde(flatten)]
    invoice: &'a Invoice,
}

/// The document as indented JSON, ending in a line break.
pub fn to_json(invoice: &Invoice) -> String {
    let document = Versioned { schema_version: SCHEMA_VERSION, invoice };
    // Every member is a string, a number or a list of those under string keys: nothing here can fail.
    let mut text = serde_json::to_string_pretty(&document).expect("an invoice is always JSON");
    text.push('\n');
    text
}

pub(crate) fn display<S: Serializer>(value: &impl Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

pub(crate) fn money<S: Serializer>(value: &Money, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&value.to_decimal_text())
}

/// With all 18 decimals.
pub(crate) fn exact<S: Serializer>(value: &Amount, serializer: S) -> Result<S::Ok, S::Error> {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = write_decimal(&mut text, value.scaled(), AMOUNT_SCALE, AMOUNT_SCALE);
    serializer.serialize_str(&text)
}

// The signatures below are what serde's `serialize_with` asks for.
#[allow(clippy::ref_option)]
pub(crate) fn unit_amount<S: Serializer>(value: &Option<UnitAmount>, serializer: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => serializer.collect_str(value),
        None => serializer.serialize_none(),
    }
}

#[allow(clippy::ref_option)]
pub(crate) fn number<S: Serializer>(value: &Option<InvoiceNumber>, serializer: S) -> Result<S::Ok, S::Error> {
    let mut members = serializer.serialize_map(Some(3))?;
    members.serialize_entry("number", &value.as_ref().map(ToString::to_string))?;
    members.serialize_entry("series", &value.as_ref().map(|number| &number.series))?;
    members.serialize_entry("sequence", &value.as_ref().map(|number| number.sequence))?;
    members.end()
}

#[allow(clippy::trivially_copy_pass_by_ref)]
pub(crate) fn detail_kind<S: Serializer>(value: &DetailKind, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(value.code())
}

#[allow(clippy::trivially_copy_pass_by_ref)]
pub(crate) fn locale<S: Serializer>(value: &Locale, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(value.tag())
}
