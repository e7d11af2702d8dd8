//! The usage of a charge on a document, and what explains it.

use serde::Serialize;
use weir_model::hash::Digest;
use weir_model::number::{Amount, Money, UnitAmount};
use weir_model::price::LineKind;
use weir_model::time::Instant;

use crate::json;

/// The usage of one charge and group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// The charge's name.
    pub charge: String,
    /// The meter's name; of a capacity price its first resource's.
    pub meter: String,
    /// How the meter folds events.
    pub aggregation: &'static str,
    /// The price.
    pub price: UsagePrice,
    /// The group's dimensions; empty if not grouped.
    pub group: Vec<Dimension>,
    /// The aggregated quantity, before conversion and allowance. `None` where buckets do not add up (a maximum per cell, say).
    pub quantity: Option<String>,
    /// What is counted: the meter's name, and per what time of a time-weighted one.
    pub unit: String,
    /// A quantity for each resource of a capacity price; empty for others.
    pub resources: Vec<Resource>,
    /// Number of usages behind it.
    pub events: u64,
    /// Sum of the events' hashes.
    #[serde(serialize_with = "json::display")]
    pub digest: Digest,
    /// A(S) of all cells, before rounding (c).
    #[serde(serialize_with = "json::exact")]
    pub exact_amount: Amount,
    /// What explains it; their amounts sum to the rounded value: the line's, or what a late line owes.
    pub details: Vec<Detail>,
}

/// A resource of a capacity price.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Resource {
    /// Its name in the price.
    pub resource: String,
    /// Its meter's name.
    pub meter: String,
    /// How the meter folds events.
    pub aggregation: &'static str,
    /// The aggregated quantity.
    pub quantity: String,
}

/// The price of a usage line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UsagePrice {
    /// Its name in the catalog; `None` for a table in place.
    pub name: Option<String>,
    /// `unit`, `graduated`, ...: of the first version in force.
    pub model: &'static str,
    /// The versions in force, in order of time.
    pub versions: Vec<Version>,
}

/// A version of a price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Version {
    /// Position in the catalog, from 1.
    pub number: u32,
    /// Since when it prices this usage: since the charge was in force, or since the version split the period.
    #[serde(serialize_with = "json::display")]
    pub effective_at: Instant,
}

/// A dimension and its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Dimension {
    /// The dimension's name.
    pub dimension: String,
    /// The value; `""` for events that lack it.
    pub value: String,
}

/// One choice on the way to a cell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum CellChoice {
    /// A dimension of a matrix and what a cell asks of it.
    Dimension {
        /// The dimension's name.
        dimension: String,
        /// The value; `None` in the cell of all combinations that have none of their own.
        value: Option<String>,
    },
    /// A window of a schedule.
    Window {
        /// Days and local times, such as `mon,tue 08:00-20:00`; `None`: all other times.
        window: Option<String>,
    },
}

/// A part of a usage line. Quantities are what the price sees: converted, if the charge converts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Detail {
    /// What it stands for.
    #[serde(serialize_with = "json::detail_kind")]
    pub kind: DetailKind,
    /// What leads to the cell; empty for prices without cells.
    pub cell: Vec<CellChoice>,
    /// The price's version, where several are in force.
    pub version: Option<Version>,
    /// The tier, for prices that have tiers.
    pub tier: Option<TierRange>,
    /// The part of the quantity; `None` for flat amounts.
    pub quantity: Option<String>,
    /// The exact price of `per`; `None` where there is none.
    #[serde(serialize_with = "json::unit_amount")]
    pub unit_amount: Option<UnitAmount>,
    /// How much the unit amount buys.
    pub per: Option<String>,
    /// The part of the value that a percentage takes.
    #[serde(serialize_with = "json::unit_amount")]
    pub rate: Option<UnitAmount>,
    /// By what a dynamic price multiplies the events' own amounts.
    #[serde(serialize_with = "json::unit_amount")]
    pub multiplier: Option<UnitAmount>,
    /// The whole of which a pooled charge's amount is a share.
    pub pool: Option<PoolWhole>,
    /// The part's amount before rounding.
    #[serde(serialize_with = "json::exact")]
    pub exact_amount: Amount,
    /// Its share of the rounded value.
    #[serde(serialize_with = "json::money")]
    pub amount: Money,
}

/// What the customers of an account used together, and what it costs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PoolWhole {
    /// Their quantity, in the meter's unit.
    pub quantity: String,
    /// Its price.
    #[serde(serialize_with = "json::exact")]
    pub exact_amount: Amount,
}

/// What a detail stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DetailKind {
    /// A line of the price.
    Price(LineKind),
    /// The quantity after conversion.
    Conversion,
    /// The quantity that the allowance makes free.
    Allowance,
    /// A share of what an account's customers owe together.
    Pool,
    /// What a partial period takes off.
    Proration,
}

impl DetailKind {
    /// The stable name in JSON: those of [`LineKind::code`], `conversion`, `allowance`, `pool`, `proration`.
    pub const fn code(self) -> &'static str {
        match self {
            DetailKind::Price(kind) => kind.code(),
            DetailKind::Conversion => "conversion",
            DetailKind::Allowance => "allowance",
            DetailKind::Pool => "pool",
            DetailKind::Proration => "proration",
        }
    }
}

/// A tier: quantities above `above`, up to and including `up_to`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TierRange {
    /// Position in the price, from 1.
    pub number: u32,
    /// Where it begins; `None` for a capacity price, whose tiers bound resources.
    pub above: Option<String>,
    /// Where it ends; `None` for the open last tier.
    pub up_to: Option<String>,
    /// Where a capacity price's tier ends for each resource that it bounds.
    pub resources: Vec<ResourceBound>,
}

/// A resource's bound in a tier of a capacity price.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ResourceBound {
    /// The resource's name.
    pub resource: String,
    /// The last quantity inside.
    pub up_to: String,
}
