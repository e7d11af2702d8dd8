//! The catalog as the oracle rates by it: every name resolved, every default filled in, every figure a fraction.
//!
//! Owns: what the keys mean. Does not own: whether they may stand together; the real loader refuses what may not.

mod read;
mod source;

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::calendar::{Cycle, Proration};
use super::event::Event;
use super::number::{Exact, Mode};
use super::price::Price;
use super::price::per_event::EventRounding;

/// Everything that a log is rated by.
#[derive(Debug)]
pub(super) struct Catalog {
    pub(super) time_zone: TimeZone,
    pub(super) meters: Vec<Meter>,
    /// Declared plans, and variants of them for customers with overrides.
    pub(super) plans: Vec<Plan>,
    /// In the order of their ids.
    pub(super) customers: Vec<Customer>,
    pub(super) default_plan: Option<usize>,
}

/// What is measured.
#[derive(Debug)]
pub(super) struct Meter {
    pub(super) event_type: String,
    pub(super) aggregation: Aggregation,
    pub(super) value: Option<Path>,
    pub(super) amount: Option<Path>,
    pub(super) scale: u32,
    pub(super) dimensions: BTreeMap<String, Path>,
    pub(super) filter: BTreeMap<String, Vec<String>>,
    pub(super) allow_negative: bool,
}

/// How a set of events becomes a quantity.
#[derive(Debug)]
pub(super) enum Aggregation {
    Count,
    Sum,
    Max,
    Min,
    Latest,
    UniqueCount,
    WeightedSum { values: Level, per_micros: i64, carry: bool },
    Readings(Readings),
    Percentile { rank: Exact, slot_micros: i64, slot_value: SlotValue, fills_zero: bool },
}

/// What the values of a weighted sum say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    /// How the level changes.
    Delta,
    /// The new level.
    Absolute,
}

/// How the events of a percentile's slot become one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SlotValue {
    Sum,
    Max,
}

/// A counter that is read.
#[derive(Debug)]
pub(super) struct Readings {
    /// The dimension that tells counters apart.
    pub(super) series: Option<String>,
    /// With the meter's decimals.
    pub(super) wrap_at: Option<i128>,
    pub(super) resets: bool,
    pub(super) estimated: Option<Path>,
}

/// Where a field of an event is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Path {
    Data(String),
    Source,
    Id,
    Subject,
    Type,
    PartitionKey,
}

impl Path {
    /// The field's text; `None` if the event has none.
    pub(super) fn of<'e>(&self, event: &'e Event) -> Option<&'e str> {
        match self {
            Path::Data(wanted) => event.data.iter().find(|(key, _)| key == wanted).map(|(_, value)| value.text()),
            Path::Source => Some(&event.source),
            Path::Id => Some(&event.id),
            Path::Subject => Some(&event.subject),
            Path::Type => Some(&event.event_type),
            Path::PartitionKey => event.partitionkey.as_deref(),
        }
    }
}

/// What a customer has subscribed to.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) name: String,
    pub(super) currency: String,
    pub(super) minor_decimals: u32,
    pub(super) cycle: Cycle,
    pub(super) is_anniversary: bool,
    pub(super) proration: Proration,
    /// Name and amount of a whole period.
    pub(super) fees: Vec<(String, Exact)>,
    pub(super) charges: Vec<Charge>,
}

/// A meter with a price.
#[derive(Debug, Clone)]
pub(super) struct Charge {
    pub(super) name: String,
    /// Names in the charge and meters; one, but for a capacity.
    pub(super) meters: Vec<(String, usize)>,
    /// Ascending; the first is in force from the beginning.
    pub(super) versions: Vec<Version>,
    pub(super) filter: BTreeMap<String, Vec<String>>,
    pub(super) group_by: Vec<String>,
    pub(super) conversion: Option<Conversion>,
    pub(super) allowance: Option<Allowance>,
    pub(super) discount: Option<Exact>,
    pub(super) minimum: Option<Exact>,
    pub(super) maximum: Option<Exact>,
    pub(super) round: Option<EventRounding>,
    pub(super) is_pooled: bool,
    pub(super) late_policy: LatePolicy,
}

/// A complete price and since when.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Version {
    /// The least instant for the first one.
    pub(super) effective_at: i64,
    /// In force at its instant; else at the next period's start.
    pub(super) splits: bool,
    pub(super) price: Price,
}

/// Q to priced units.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Conversion {
    pub(super) factor: Exact,
    /// To whole units.
    pub(super) round: Option<Mode>,
}

/// Quantity that is free.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Allowance {
    pub(super) quantity: Exact,
    pub(super) rollover_max: Option<Exact>,
    /// One for all buckets of the charge; else one each.
    pub(super) is_shared: bool,
}

/// What becomes of usage after the seal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LatePolicy {
    NextInvoice,
    Note,
    Refuse,
}

impl Charge {
    /// Whether usage goes on in the same bucket when this charge follows the other in the same period.
    pub(super) fn continues(&self, before: &Charge) -> bool {
        let rule = |charge: &Charge| charge.allowance.as_ref().map(|a| (a.rollover_max.clone(), a.is_shared));
        self.name == before.name
            && self.meters == before.meters
            && self.versions == before.versions
            && self.filter == before.filter
            && self.group_by == before.group_by
            && self.conversion == before.conversion
            && self.round == before.round
            && self.is_pooled == before.is_pooled
            && rule(self) == rule(before)
    }

    /// Whether levels and readings go on when this charge follows the other.
    pub(super) fn carries(&self, before: &Charge) -> bool {
        let shapes =
            |charge: &Charge| -> Vec<String> { charge.versions.iter().map(|version| version.price.shape()).collect() };
        self.name == before.name
            && self.meters == before.meters
            && self.filter == before.filter
            && self.group_by == before.group_by
            && shapes(self)[0] == shapes(before)[0]
    }
}

/// A declared customer.
#[derive(Debug)]
pub(super) struct Customer {
    pub(super) id: String,
    /// The account at the root of the one that pays.
    pub(super) root: String,
    pub(super) zone: TimeZone,
    pub(super) subjects: Vec<String>,
    pub(super) starts_on: Option<Date>,
    /// Ascending stretches, each up to the next one's start.
    pub(super) stretches: Vec<(i64, usize)>,
    /// The greatest instant if there is none.
    pub(super) ends_at: i64,
}
