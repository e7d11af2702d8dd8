//! The catalog's text as plain structs, key by key (interfaces.md). Whether the keys go together is the real loader's
//! business.

use std::collections::BTreeMap;

use anyhow::Result;
use serde::Deserialize;

use super::super::number::{Exact, decimal};

/// An integer or a decimal in quotes.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(super) enum Decimal {
    Integer(i64),
    Text(String),
}

impl Decimal {
    pub(super) fn text(&self) -> String {
        match self {
            Decimal::Integer(integer) => integer.to_string(),
            Decimal::Text(text) => text.clone(),
        }
    }

    pub(super) fn exact(&self) -> Result<Exact> {
        decimal(&self.text())
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Catalog {
    #[serde(rename = "name")]
    pub(super) _name: Option<String>,
    pub(super) currency: Option<String>,
    pub(super) time_zone: Option<String>,
    #[serde(default)]
    pub(super) meters: BTreeMap<String, Meter>,
    #[serde(default)]
    pub(super) prices: BTreeMap<String, Price>,
    #[serde(default)]
    pub(super) plans: BTreeMap<String, Plan>,
    #[serde(default)]
    pub(super) accounts: BTreeMap<String, Account>,
    #[serde(default)]
    pub(super) customers: BTreeMap<String, Customer>,
    pub(super) defaults: Option<Defaults>,
    #[serde(rename = "seller")]
    pub(super) _seller: Option<toml::Table>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Defaults {
    pub(super) plan: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Meter {
    pub(super) event_type: String,
    pub(super) aggregation: String,
    pub(super) value: Option<String>,
    pub(super) amount: Option<String>,
    #[serde(default)]
    pub(super) scale: u32,
    #[serde(default)]
    pub(super) dimensions: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) filter: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    pub(super) allow_negative: bool,
    pub(super) rank: Option<Decimal>,
    pub(super) slot: Option<String>,
    pub(super) slot_value: Option<String>,
    pub(super) fill: Option<String>,
    pub(super) values: Option<String>,
    pub(super) per: Option<String>,
    pub(super) carry: Option<bool>,
    pub(super) series: Option<String>,
    pub(super) wrap_at: Option<Decimal>,
    #[serde(default)]
    pub(super) reset: bool,
    pub(super) estimated: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Price {
    pub(super) model: String,
    #[serde(rename = "currency")]
    pub(super) _currency: Option<String>,
    pub(super) effective_at: Option<String>,
    pub(super) mid_period: Option<String>,
    #[serde(default)]
    pub(super) versions: Vec<Price>,
    pub(super) unit_amount: Option<Decimal>,
    pub(super) per: Option<Decimal>,
    #[serde(default)]
    pub(super) tiers: Vec<Tier>,
    pub(super) size: Option<Decimal>,
    pub(super) amount: Option<Decimal>,
    pub(super) partial: Option<String>,
    pub(super) rate: Option<Decimal>,
    pub(super) fixed: Option<Decimal>,
    pub(super) min: Option<Decimal>,
    pub(super) max: Option<Decimal>,
    pub(super) free_events: Option<Decimal>,
    pub(super) free_amount: Option<Decimal>,
    pub(super) multiplier: Option<Decimal>,
    pub(super) connect: Option<Decimal>,
    #[serde(default)]
    pub(super) steps: Vec<Step>,
    #[serde(default)]
    pub(super) cells: Vec<Cell>,
    pub(super) zone: Option<String>,
    #[serde(default)]
    pub(super) holidays: Vec<String>,
    #[serde(default)]
    pub(super) windows: Vec<Window>,
    pub(super) otherwise: Option<Box<Price>>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tier {
    pub(super) up_to: Option<Bound>,
    pub(super) unit_amount: Option<Decimal>,
    pub(super) rate: Option<Decimal>,
    pub(super) per: Option<Decimal>,
    pub(super) flat_amount: Option<Decimal>,
}

/// A tier's bound; a capacity has one per meter.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(super) enum Bound {
    One(Decimal),
    Each(BTreeMap<String, Decimal>),
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Step {
    pub(super) up_to: Option<Decimal>,
    pub(super) every: Decimal,
    pub(super) unit_amount: Decimal,
    pub(super) per: Option<Decimal>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Cell {
    pub(super) when: BTreeMap<String, String>,
    pub(super) price: Price,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Window {
    pub(super) days: Option<Vec<String>>,
    pub(super) from: Option<String>,
    pub(super) to: Option<String>,
    pub(super) price: Price,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Plan {
    pub(super) currency: Option<String>,
    pub(super) cycle: Option<String>,
    pub(super) anchor: Option<String>,
    pub(super) proration: Option<String>,
    #[serde(default)]
    pub(super) fees: Vec<Fee>,
    #[serde(default)]
    pub(super) charges: Vec<Charge>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fee {
    pub(super) name: String,
    pub(super) amount: Decimal,
    #[serde(rename = "when")]
    pub(super) _when: String,
}

/// A price's name, or a price in place.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(super) enum PriceOf {
    Name(String),
    Here(Box<Price>),
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Charge {
    pub(super) name: String,
    pub(super) meter: Option<String>,
    pub(super) meters: Option<BTreeMap<String, String>>,
    pub(super) price: PriceOf,
    #[serde(default)]
    pub(super) filter: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    pub(super) group_by: Vec<String>,
    pub(super) conversion: Option<Conversion>,
    pub(super) allowance: Option<Allowance>,
    pub(super) discount: Option<Discount>,
    pub(super) minimum: Option<Decimal>,
    pub(super) maximum: Option<Decimal>,
    pub(super) round: Option<Round>,
    pub(super) pool: Option<String>,
    pub(super) late_policy: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Conversion {
    pub(super) divide: Option<Decimal>,
    pub(super) multiply: Option<Decimal>,
    pub(super) round: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Allowance {
    pub(super) quantity: Decimal,
    pub(super) rollover_max: Option<Decimal>,
    pub(super) scope: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Discount {
    pub(super) rate: Decimal,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Round {
    pub(super) scale: u32,
    pub(super) mode: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Account {
    pub(super) time_zone: Option<String>,
    pub(super) parent: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Customer {
    pub(super) account: Option<String>,
    pub(super) plan: Option<String>,
    pub(super) subjects: Option<Vec<String>>,
    pub(super) starts_on: Option<String>,
    pub(super) ends_on: Option<String>,
    #[serde(default)]
    pub(super) changes: Vec<Change>,
    #[serde(default)]
    pub(super) overrides: BTreeMap<String, Override>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    pub(super) effective_at: String,
    pub(super) plan: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Override {
    pub(super) price: PriceOf,
}
