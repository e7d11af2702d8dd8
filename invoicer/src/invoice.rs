//! What a document says: plain data, exact and typed, ready to be written in any form.
//!
//! Owns: the shape of documents, and through `Serialize` the shape of their JSON (docs/invoice-json.md). Does not own: how
//! the figures come about (`document`), nor words and number formats (`locale`, `page`). Keeps L8, L9.

use jiff::civil::Date;
use serde::Serialize;
use weir_model::currency::Currency;
use weir_model::hash::Digest;
use weir_model::number::{Amount, Money, UnitAmount};
use weir_model::price::LineKind;
use weir_model::time::Instant;

use crate::json;
use crate::locale::Locale;
use crate::numbering::InvoiceNumber;

/// An invoice or a credit note.
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
    /// The plan's name.
    pub plan: String,
    /// Currency of every figure on it.
    #[serde(serialize_with = "json::display")]
    pub currency: Currency,
    /// IANA name of the account's zone, in which all dates are.
    pub time_zone: String,
    /// The date on which the period ended.
    #[serde(serialize_with = "json::display")]
    pub issued_on: Date,
    /// The date until which it is to be paid.
    #[serde(serialize_with = "json::display")]
    pub due_on: Date,
    /// What it is for.
    pub period: ServicePeriod,
    /// The part of the period in which the customer had the plan, if that is not all of it.
    pub active: Option<ServicePeriod>,
    /// Fees in the plan's order, then usage in the order of charges and groups.
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
    /// The customer owes its total.
    Invoice,
    /// The seller owes its total.
    CreditNote,
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

/// A line: rounded once, on its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Line {
    /// A fixed fee.
    Fee(FeeLine),
    /// The usage of one charge and group.
    Usage(UsageLine),
}

impl Line {
    /// The rounded value.
    pub fn amount(&self) -> Money {
        match self {
            Line::Fee(fee) => fee.amount,
            Line::Usage(usage) => usage.amount,
        }
    }

    /// The value before rounding (c).
    pub fn exact_amount(&self) -> Amount {
        match self {
            Line::Fee(fee) => fee.exact_amount,
            Line::Usage(usage) => usage.exact_amount,
        }
    }
}

/// A fixed fee.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FeeLine {
    /// Position on the document, from 1.
    pub line: u32,
    /// The fee's name.
    pub name: String,
    /// What a whole period costs.
    #[serde(serialize_with = "json::exact")]
    pub period_amount: Amount,
    /// What this period costs, before rounding.
    #[serde(serialize_with = "json::exact")]
    pub exact_amount: Amount,
    /// What this period costs.
    #[serde(serialize_with = "json::money")]
    pub amount: Money,
}

/// The usage of one charge and group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UsageLine {
    /// Position on the document, from 1.
    pub line: u32,
    /// The charge's name.
    pub charge: String,
    /// The meter's name.
    pub meter: String,
    /// How the meter folds events.
    pub aggregation: &'static str,
    /// The price.
    pub price: UsagePrice,
    /// The group's dimensions; empty if not grouped.
    pub group: Vec<Dimension>,
    /// The aggregated quantity, allowance included. `None` where cells do not add up (a maximum per cell, say).
    pub quantity: Option<String>,
    /// What is counted: the meter's name.
    pub unit: String,
    /// Number of usages behind it.
    pub events: u64,
    /// Sum of the events' hashes.
    #[serde(serialize_with = "json::display")]
    pub digest: Digest,
    /// A(S) of all cells, before rounding (c).
    #[serde(serialize_with = "json::exact")]
    pub exact_amount: Amount,
    /// The rounded value.
    #[serde(serialize_with = "json::money")]
    pub amount: Money,
    /// What explains it; their rounded amounts sum to the line's.
    pub details: Vec<Detail>,
}

/// The price of a usage line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UsagePrice {
    /// Its name in the catalog; `None` for a table in place.
    pub name: Option<String>,
    /// `unit`, `graduated`, ...
    pub model: &'static str,
}

/// A dimension and its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Dimension {
    /// The dimension's name.
    pub dimension: String,
    /// The value; `""` for events that lack it.
    pub value: String,
}

/// A dimension of a matrix and what a cell asks of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CellValue {
    /// The dimension's name.
    pub dimension: String,
    /// The value; `None` in the cell of all combinations that have none of their own.
    pub value: Option<String>,
}

/// A part of a usage line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Detail {
    /// What it stands for.
    #[serde(serialize_with = "json::detail_kind")]
    pub kind: DetailKind,
    /// The matrix cell; empty for other prices.
    pub cell: Vec<CellValue>,
    /// The tier, for prices that have tiers.
    pub tier: Option<TierRange>,
    /// The part of the quantity; `None` for flat amounts.
    pub quantity: Option<String>,
    /// The exact price of `per`; `None` where there is none.
    #[serde(serialize_with = "json::unit_amount")]
    pub unit_amount: Option<UnitAmount>,
    /// How much the unit amount buys.
    pub per: Option<String>,
    /// The part's amount before rounding.
    #[serde(serialize_with = "json::exact")]
    pub exact_amount: Amount,
    /// Its share of the line's rounded amount.
    #[serde(serialize_with = "json::money")]
    pub amount: Money,
}

/// What a detail stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DetailKind {
    /// A line of the price.
    Price(LineKind),
    /// The quantity that the allowance makes free.
    Allowance,
    /// What a partial period takes off or adds.
    Proration,
}

impl DetailKind {
    /// The stable name in JSON: those of [`LineKind::code`], `allowance`, `proration`.
    pub const fn code(self) -> &'static str {
        match self {
            DetailKind::Price(kind) => kind.code(),
            DetailKind::Allowance => "allowance",
            DetailKind::Proration => "proration",
        }
    }
}

/// A tier: quantities above `above`, up to and including `up_to`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TierRange {
    /// Position in the price, from 1.
    pub number: u32,
    /// Where it begins.
    pub above: String,
    /// Where it ends; `None` for the open last tier.
    pub up_to: Option<String>,
}
