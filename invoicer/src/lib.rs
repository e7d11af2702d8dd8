//! Documents: from the totals and the plans of a customer's period to an invoice, and from what changes after it was closed to
//! a line on the next invoice, a debit note or a credit note.
//!
//! Owns: lines, their one rounding to the minor unit (rating.md 6, rounding (c)), discount, maximum and minimum, what was
//! billed, how details share a rounded line, dates, numbers, and the three forms of a document: JSON, text, printable HTML. Does
//! not own: what usage costs (model, rater), periods and proration (model), payment. Pure: no I/O, no clock, no randomness.
//! Keeps L5, L6, L8, L9.
#![deny(
    clippy::float_arithmetic,
    clippy::as_conversions,
    clippy::integer_division,
    clippy::arithmetic_side_effects,
    clippy::iter_over_hash_type
)]
#![cfg_attr(test, allow(clippy::arithmetic_side_effects, clippy::integer_division, clippy::as_conversions))]

mod allocate;
mod billed;
mod biller;
mod document;
mod error;
mod html;
mod invoice;
mod json;
mod locale;
mod numbering;
mod page;
mod text;

pub use billed::Remember;
pub use biller::{Biller, Closing, Document};
pub use document::{Modified, draft, invoiced};
pub use error::InvoiceError;
pub use html::to_html;
pub use invoice::{
    Bound, CellChoice, Detail, DetailKind, Dimension, Discount, DocumentKind, Fee, Invoice, Item, Late, Line, Party,
    PoolWhole, Recipient, Resource, ResourceBound, ServicePeriod, Status, Stretch, TierRange, Usage, UsagePrice,
    Version,
};
pub use json::{SCHEMA_VERSION, to_json};
pub use locale::Locale;
pub use numbering::{InvoiceNumber, Numbering};
pub use text::to_text;
