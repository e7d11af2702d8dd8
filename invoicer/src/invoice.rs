//! What a document says: plain data, exact and typed, ready to be written in any form.
//!
//! Owns: the shape of documents, and through `Serialize` the shape of their JSON (docs/invoice-json.md). Does not own: how
//! the figures come about (`document`), nor words and number formats (`locale`, `page`). Keeps L8, L9.

mod usage;

use jiff::civil::Date;
use serde::Serialize;
use weir_model::currency::Currency;
use weir_model::number::{Amount, Money, UnitAmount};
use weir_model::time::Instant;

use crate::json;
use crate::locale::Locale;
use crate::numbering::InvoiceNumber;

pub use usage::{
    CellChoice, Detail, DetailKind, Dimension, PoolWhole, Resource, ResourceBound, TierRange, Usage, UsagePrice,
    Version,
};

/// An invoice, a credit note or a debit note.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Invoice {
    /// What it is.
    pub kind: DocumentKind,
    /// How far it is.
    pub status: Status,
    /// Its number; `None` for a draft.
    #[serde(flatten, serialize_with = "json::number")]
    pub number: Option<InvoiceNumber>,
    /// Language it is written in.
    #[serde(serialize_with = "json::locale")]
    pub locale: Locale,
    /// Who sells; `None` if the catalog names nobody.
    pub seller: Option<Party>,
    /// Who buys.
    pub customer: Recipient,
    /// Currency of every figure on it.
    #[serde(serialize_with = "json::display")]
    pub currency: Currency,
    /// IANA name of the account's zone, in which all dates are.
    pub time_zone: String,
    /// The date on which the period ended; of a note the date of the close that issued it.
    #[serde(serialize_with = "json::display")]
    pub issued_on: Date,
    /// The date until which it is to be paid.
    #[serde(serialize_with = "json::display")]
    pub due_on: Date,
    /// What it is for.
    pub period: ServicePeriod,
    /// The customer's plans in the period, in order of time: at least one.
    pub segments: Vec<Stretch>,
    /// Segment by segment the fees in the plan's order, then each charge's usage by group, discount, maximum and minimum;
    /// after them what is late, by period.
    pub lines: Vec<Line>,
    /// Sum of the lines; negative on a credit note.
    #[serde(serialize_with = "json::money")]
    pub subtotal: Money,
    /// What is due; on a credit note what is given back. Never negative.
    #[serde(serialize_with = "json::money")]
    pub total: Money,
}

/// What a document is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DocumentKind {
    /// The customer owes its total for a period, billed for the first time.
    Invoice,
    /// The seller owes its total.
    CreditNote,
    /// The customer owes its total in addition to what it was billed for a period.
    DebitNote,
}

/// How far a document is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// May still change, and has no number.
    Draft,
    /// Never changes.
    Finalized,
}

/// Who sells, as it stands on documents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Party {
    /// Name.
    pub name: String,
    /// Lines of the postal address.
    pub address: Vec<String>,
    /// Tax id.
    pub tax_id: Option<String>,
    /// Mentions that law or custom asks for.
    pub legal_mentions: Vec<String>,
}

/// Who buys, as it stands on documents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Recipient {
    /// The customer's id.
    pub id: String,
    /// Name; the id if the catalog has none.
    pub name: String,
    /// Lines of the postal address.
    pub address: Vec<String>,
    /// Tax id.
    pub tax_id: Option<String>,
    /// The account that pays.
    pub account: String,
}

/// A half-open stretch of time and the dates that people read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ServicePeriod {
    /// The first instant inside.
    #[serde(serialize_with = "json::display")]
    pub start_at: Instant,
    /// The first instant after.
    #[serde(serialize_with = "json::display")]
    pub end_at: Instant,
    /// Local date of the first instant.
    #[serde(serialize_with = "json::display")]
    pub first_on: Date,
    /// Local date of the last instant.
    #[serde(serialize_with = "json::display")]
    pub last_on: Date,
}

/// One plan and the part of a period in which the customer had it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stretch {
    /// The plan's name.
    pub plan: String,
    /// From when to when.
    #[serde(flatten)]
    pub active: ServicePeriod,
}

/// A line: rounded once, on its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// Position on the document, from 1.
    pub line: u32,
    /// Position in the document's segments, from 1; `None` for a late line, which belongs to another period.
    pub segment: Option<u32>,
    /// What is billed. Of a late line: what the whole line is now, of which a part has been billed.
    #[serde(flatten)]
    pub item: Item,
    /// If it corrects what an earlier document has billed.
    pub late: Option<Late>,
    /// What the line adds to the document.
    #[serde(serialize_with = "json::money")]
    pub amount: Money,
}

/// What a line bills.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Item {
    /// A fixed fee.
    Fee(Fee),
    /// The usage of one charge and group.
    Usage(Box<Usage>),
    /// What is taken off a charge.
    Discount(Discount),
    /// What a charge comes to above its most.
    Maximum(Bound),
    /// What a charge lacks to its least.
    Minimum(Bound),
}

/// The difference between what a line of a period that was closed before comes to and what was billed for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Late {
    /// The line's own period.
    pub period: ServicePeriod,
    /// The line's own segment.
    pub segment: Stretch,
    /// Number of the period's first document; `None` if the period was first billed late.
    pub corrects: Option<String>,
    /// What the line comes to now.
    #[serde(serialize_with = "json::money")]
    pub owed: Money,
    /// What was billed for it.
    #[serde(serialize_with = "json::money")]
    pub billed: Money,
}

/// A fixed fee.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fee {
    /// The fee's name.
    pub name: String,
    /// What a whole period costs.
    #[serde(serialize_with = "json::exact")]
    pub period_amount: Amount,
    /// What this period costs, before rounding.
    #[serde(serialize_with = "json::exact")]
    pub exact_amount: Amount,
}

/// A part of a charge taken off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Discount {
    /// The charge's name.
    pub charge: String,
    /// The part, in 0..=1.
    #[serde(serialize_with = "json::display")]
    pub rate: UnitAmount,
    /// What it is taken of: all usage of the charge, before rounding (c).
    #[serde(serialize_with = "json::exact")]
    pub gross: Amount,
    /// -rate x gross, at 18 decimals.
    #[serde(serialize_with = "json::exact")]
    pub exact_amount: Amount,
}

/// The least or the most that a charge costs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Bound {
    /// The charge's name.
    pub charge: String,
    /// For a whole period.
    #[serde(serialize_with = "json::exact")]
    pub period_amount: Amount,
    /// For the part of the period in which the charge was in force, before rounding.
    #[serde(serialize_with = "json::exact")]
    pub exact_bound: Amount,
    /// The same, rounded.
    #[serde(serialize_with = "json::money")]
    pub bound: Money,
    /// The charge's lines before this one, which are held to it.
    #[serde(serialize_with = "json::money")]
    pub sum: Money,
}
