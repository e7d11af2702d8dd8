//! A charge: what it counts, its price versions, and all modifiers of rating.md 3-7 that a plan may give it.
//!
//! Does not own: what they come to, which is [`charge`](crate::charge) for quantities and the invoicer for amounts.

use std::sync::Arc;

use super::{Dimension, FilterTerm, MeterIdx, PlanIdx};
use crate::number::{Amount, Quantity, UnitAmount};
use crate::price::Price;
use crate::rounding::RoundingMode;
use crate::time::Instant;

/// A charge of a plan.
#[derive(Debug, Clone)]
pub struct Charge {
    /// Unique in its plan.
    pub name: String,
    /// Stable hash of plan and charge name, for `rows_digest`.
    pub hash: u64,
    /// Its plan.
    pub plan: PlanIdx,
    /// What it charges for; for a capacity price its first resource.
    pub meter: MeterIdx,
    /// The further resources of a capacity price, in the price's order; empty for all others.
    pub further: Vec<ChargeMeter>,
    /// At which price: at least one version, by `effective_at`.
    pub versions: Vec<PriceVersion>,
    /// Name of the price in the catalog; `None` for a table in place.
    pub price_name: Option<String>,
    /// Only these events.
    pub filter: Vec<FilterTerm>,
    /// One bucket for each combination.
    pub group_by: Vec<Dimension>,
    /// How the meter's quantity becomes the priced one.
    pub conversion: Option<Conversion>,
    /// What is free.
    pub allowance: Option<Allowance>,
    /// Rounding (a) of rating.md 6.
    pub round: Option<EventRounding>,
    /// Taken off the unrounded gross: a fraction in 0..=1 at scale 18.
    pub discount: Option<UnitAmount>,
    /// The least that a whole period costs.
    pub minimum: Option<Amount>,
    /// The most that a whole period costs.
    pub maximum: Option<Amount>,
    /// What a quantity below zero costs.
    pub below_zero: BelowZero,
    /// Whether an account's customers share one ladder.
    pub pool: Pool,
    /// What becomes of usage of sealed periods.
    pub late_policy: LatePolicy,
}

/// A further meter of a capacity charge. Its dimensions have the names of the charge's, but slots of its own event type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChargeMeter {
    /// The meter.
    pub meter: MeterIdx,
    /// The charge's filter.
    pub filter: Vec<FilterTerm>,
    /// The charge's groups.
    pub group_by: Vec<Dimension>,
}

/// A complete price and when it takes effect (rating.md 5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PriceVersion {
    /// `None` for the first version, which has always been in force.
    pub effective_at: Option<Instant>,
    /// What happens to a bucket that is open then.
    pub mid_period: MidPeriod,
    /// The price; shared by the charges and plan variants that have it.
    pub price: Arc<Price>,
}

/// How a price version treats buckets that are open when it takes effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MidPeriod {
    /// They keep their price; the version waits for the next period.
    #[default]
    NextPeriod,
    /// Usage from that instant on is priced by the new version, the quantity carrying on.
    Split,
}

/// `quantity x numerator / denominator`, exact unless rounded to whole converted units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conversion {
    /// Positive, in lowest terms with the denominator.
    pub numerator: i128,
    /// Positive; prices count it into their `unit`.
    pub denominator: i128,
    /// To whole converted units; `None`: exact.
    pub round: Option<RoundingMode>,
}

/// A free quantity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// Per whole period, in converted units at the priced scale: see [`Charge::priced_unit`](crate::catalog::Charge::priced_unit).
    pub quantity: Quantity,
    /// How much of what is left may roll into the next period, at the same scale; `None`: nothing.
    pub rollover_max: Option<Quantity>,
    /// Who shares it.
    pub scope: AllowanceScope,
}

/// Who shares an allowance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AllowanceScope {
    /// Each bucket has its own.
    #[default]
    Group,
    /// All buckets of the charge share one at close.
    Charge,
}

/// Who shares a charge's ladder and allowance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pool {
    /// Each customer has its own.
    #[default]
    None,
    /// The customers of an account and its child accounts; settled at close.
    Account,
}

/// What a quantity below zero costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BelowZero {
    /// As much as none: the level of a time-weighted meter may sink that low.
    #[default]
    IsZero,
    /// Its price: the meter allows negative values.
    IsPriced,
}

/// What becomes of usage whose period is sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LatePolicy {
    /// Billed on the next invoice, naming its period.
    #[default]
    NextInvoice,
    /// Billed on a note of its own.
    Note,
    /// Kept and listed, but not rated.
    Refuse,
}

/// Rounding of each event's amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventRounding {
    /// Decimals kept, at most 18.
    pub scale: u8,
    /// How.
    pub mode: RoundingMode,
}
