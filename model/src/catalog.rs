//! The catalog, resolved: every name is an index, every number exact, every default filled in (interfaces.md).
//!
//! Owns: the nouns that rating and invoicing read. Does not own: TOML (see [`load()`]) nor anything that changes while
//! events flow. Customers with `overrides` have a plan of their own here, with the same name.

mod charge;
mod error;
mod lint;
mod load;
mod quantity_text;
mod report;
mod succession;
mod suggest;
pub(crate) mod toml_reader;

pub use charge::{
    Allowance, AllowanceScope, BelowZero, Charge, ChargeMeter, Conversion, EventRounding, LatePolicy, MidPeriod, Pool,
    PriceVersion,
};
pub use error::{CatalogError, Problem, Severity};
pub use load::{CatalogFiles, NoFiles, PriceFile, load};
pub use quantity_text::quantity_text;
pub use succession::{Numbering, Refusal, SuccessionError, numbered, numbering, succeed};
pub use suggest::suggestion;

use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::aggregation::Aggregation;
use crate::calendar::{Anchor, Cycle};
use crate::currency::Currency;
use crate::number::{Amount, Quantity, Scale};
use crate::time::Instant;

macro_rules! index {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(pub u32);

        impl $name {
            /// As a position in the catalog's list.
            pub fn at(self) -> usize {
                usize::try_from(self.0).unwrap_or(usize::MAX)
            }
        }
    };
}

index!(/// Position in [`Catalog::meters`].
    MeterIdx);
index!(/// Position in [`Catalog::plans`].
    PlanIdx);
index!(/// Position in [`Catalog::charges`].
    ChargeIdx);
index!(/// Position in [`Catalog::accounts`].
    AccountIdx);
index!(/// Position in [`Catalog::customers`].
    CustomerIdx);
index!(/// Position in [`Catalog::event_types`].
    TypeIdx);

impl TypeIdx {
    /// A type that no meter reads.
    pub const UNKNOWN: TypeIdx = TypeIdx(u32::MAX);
}

/// Everything that decides what usage costs.
#[derive(Debug, Clone)]
pub struct Catalog {
    /// Its name.
    pub name: String,
    /// Hash of the source texts (the catalog's and its cells files'), and of the numbers in it if it follows another catalog
    /// and has others than the texts alone would give (see [`succeed()`]).
    pub hash: u64,
    /// Default currency.
    pub currency: Currency,
    /// Default zone.
    pub time_zone: TimeZone,
    /// What is measured.
    pub meters: Vec<Meter>,
    /// What ingest extracts, by event type.
    pub event_types: Vec<EventType>,
    /// Plans, then the customers' own variants of them. A variant has a copy of every charge.
    pub plans: Vec<Plan>,
    /// All plans' charges.
    pub charges: Vec<Charge>,
    /// Who pays: the declared accounts, then one for each customer without.
    pub accounts: Vec<Account>,
    /// Whose usage it is.
    pub customers: Vec<Customer>,
    /// Who sells.
    pub seller: Option<Seller>,
    /// Plan of subjects that no customer claims.
    pub default_plan: Option<PlanIdx>,
}

/// A meter: which events, and how they fold.
#[derive(Debug, Clone)]
pub struct Meter {
    /// Its name.
    pub name: String,
    /// CloudEvents `type`.
    pub event_type: TypeIdx,
    /// How events fold.
    pub aggregation: Aggregation,
    /// Decimals kept.
    pub scale: Scale,
    /// Slot in [`EventType::values`]; `None` for count and unique_count.
    pub value: Option<u16>,
    /// Slot in [`EventType::texts`] of the value that unique_count counts.
    pub distinct: Option<u16>,
    /// Slot in [`EventType::texts`] of the dimension that tells one counter of readings from another.
    pub series: Option<u16>,
    /// Slot in [`EventType::texts`] of the mark of an estimated reading.
    pub estimated: Option<u16>,
    /// Slot in [`EventType::values`] of the event's own amount at scale 18, for dynamic prices.
    pub amount: Option<u16>,
    /// Named dimensions, by name.
    pub dimensions: Vec<Dimension>,
    /// Only events that pass are measured.
    pub filter: Vec<FilterTerm>,
    /// Whether a value below zero is legal.
    pub allow_negative: bool,
}

/// A dimension of a meter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dimension {
    /// Its name.
    pub name: String,
    /// Slot in [`EventType::texts`].
    pub slot: u16,
}

/// `dimension` must be one of `values`. An absent dimension passes no filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilterTerm {
    /// Slot in [`EventType::texts`].
    pub slot: u16,
    /// Allowed values.
    pub values: Vec<String>,
}

/// What ingest extracts from events of one type, for all meters that read it.
#[derive(Debug, Clone)]
pub struct EventType {
    /// CloudEvents `type`.
    pub name: String,
    /// Numbers to extract.
    pub values: Vec<ValueSlot>,
    /// Texts to extract. A JSON number or boolean counts as its own text; null as absent.
    pub texts: Vec<TextSlot>,
    /// The meters that read this type.
    pub meters: Vec<MeterIdx>,
}

/// Where a value stands in an event: `data.usage.tokens` is `["data", "usage", "tokens"]`. The first part is `data` or
/// an attribute's name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Path(pub Vec<String>);

impl std::fmt::Display for Path {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0.join("."))
    }
}

/// A number to extract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValueSlot {
    /// Where.
    pub path: Path,
    /// Decimals: the meter's, or 18 for amounts.
    pub scale: u8,
    /// Greatest magnitude of the scaled integer.
    pub magnitude_max: i128,
    /// Whether a value below zero is legal.
    pub allow_negative: bool,
}

/// A text to extract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextSlot {
    /// Where.
    pub path: Path,
}

/// A plan.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Its name.
    pub name: String,
    /// The customer whose variant this is.
    pub variant_of: Option<CustomerIdx>,
    /// Currency of its charges and fees.
    pub currency: Currency,
    /// Length of a period.
    pub cycle: Cycle,
    /// Where periods begin.
    pub anchor: Anchor,
    /// Fixed fees.
    pub fees: Vec<Fee>,
    /// How a partial period's fees shrink.
    pub proration: Proration,
    /// What is told when a customer's open period reaches it.
    pub thresholds: Vec<Threshold>,
    /// Its charges.
    pub charges: Vec<ChargeIdx>,
}

/// A fixed fee per period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fee {
    /// Its name.
    pub name: String,
    /// Per whole period.
    pub amount: Amount,
    /// On which invoice.
    pub when: FeeTiming,
}

/// Something that is told once per customer and period, when usage reaches it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Threshold {
    /// Its name.
    pub name: String,
    /// Where it lies.
    pub at: ThresholdAt,
}

/// Where a threshold lies. Reached means equal or above.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ThresholdAt {
    /// The sum of A(S) over the plan's charges.
    Amount(Amount),
    /// The quantity of a charge, all its groups together.
    Quantity {
        /// The charge's name.
        charge: String,
        /// At its meter's scale.
        quantity: Quantity,
    },
}

/// When a fee is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FeeTiming {
    /// At the period's start.
    Advance,
    /// At its end.
    Arrears,
}

/// How a partial period shrinks fees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Proration {
    /// By exact duration.
    #[default]
    Exact,
    /// By calendar days.
    Day,
}

/// Who pays.
#[derive(Debug, Clone)]
pub struct Account {
    /// Its name; a customer without a declared account has one of the same name.
    pub name: String,
    /// Currency of its invoices.
    pub currency: Currency,
    /// Zone of its periods.
    pub time_zone: TimeZone,
    /// The account it belongs to.
    pub parent: Option<AccountIdx>,
}

/// Whose usage it is.
#[derive(Debug, Clone)]
pub struct Customer {
    /// Its id.
    pub id: String,
    /// Name on documents.
    pub name: Option<String>,
    /// Lines of the postal address on documents.
    pub address: Vec<String>,
    /// Tax id on documents.
    pub tax_id: Option<String>,
    /// Language of documents; the seller's otherwise.
    pub locale: Option<String>,
    /// Who pays.
    pub account: AccountIdx,
    /// Its plan.
    pub plan: Option<PlanIdx>,
    /// Subjects whose usage is this customer's.
    pub subjects: Vec<String>,
    /// Anniversary anchor; usage before it is unpriced.
    pub starts_on: Option<Date>,
    /// First day without a plan; usage from then on is unpriced.
    pub ends_on: Option<Date>,
    /// Later plans, by instant.
    pub changes: Vec<PlanChange>,
}

/// A customer goes on under another plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlanChange {
    /// From this instant on.
    pub effective_at: Instant,
    /// The plan.
    pub plan: PlanIdx,
}

/// Who sells: stands on every document.
#[derive(Debug, Clone, Default)]
pub struct Seller {
    /// Name.
    pub name: String,
    /// Lines of the postal address.
    pub address: Vec<String>,
    /// Tax id.
    pub tax_id: Option<String>,
    /// Days until payment is due.
    pub payment_days: u16,
    /// Language: `en` or `fr`.
    pub locale: String,
    /// Mentions that law or custom asks for.
    pub legal_mentions: Vec<String>,
    /// Prefix of invoice numbers.
    pub invoice_prefix: String,
}

#[cfg(test)]
mod tests;
