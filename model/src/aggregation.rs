//! Aggregations (rating.md 1): how the SET of a bucket's events becomes its quantity. Every state merges, so that parts
//! rated on several shards settle exactly.

mod free;
mod percentile;
mod series;

pub use free::FreeEvents;
pub use percentile::{Fill, Percentile, SlotValue as PercentileSlot, Slots};
pub use series::{Carry, Decrease, Effect, LevelChange, LevelValues, Readings, Series, WeightedSum};

use std::collections::BTreeSet;

use crate::number::{Amount, Overflow, Quantity};
use crate::time::Instant;

/// How a meter folds events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Aggregation {
    /// Number of events.
    Count,
    /// Sum of the value.
    Sum,
    /// Greatest value.
    Max,
    /// Least value.
    Min,
    /// Value of the event with the greatest (event_time, source, id).
    Latest,
    /// Number of different values, exactly.
    UniqueCount,
    /// Sum of the differences between a counter's readings.
    Readings(Readings),
    /// Level x time.
    WeightedSum(WeightedSum),
    /// The value at a rank among the values of equal time slots.
    Percentile(Percentile),
}

impl Aggregation {
    /// The names in catalogs.
    pub const NAMES: [&'static str; 8] =
        ["count", "sum", "max", "min", "latest", "unique_count", "weighted_sum", "percentile"];

    /// The name in catalogs. Readings are a way to sum.
    pub const fn name(self) -> &'static str {
        match self {
            Aggregation::Count => "count",
            Aggregation::Sum | Aggregation::Readings(_) => "sum",
            Aggregation::Max => "max",
            Aggregation::Min => "min",
            Aggregation::Latest => "latest",
            Aggregation::UniqueCount => "unique_count",
            Aggregation::WeightedSum(_) => "weighted_sum",
            Aggregation::Percentile(_) => "percentile",
        }
    }

    /// Whether the quantity is a sum over events, so that the state is the quantity itself.
    pub const fn is_additive(self) -> bool {
        matches!(self, Aggregation::Count | Aggregation::Sum)
    }

    /// Whether events before a bucket's own decide on its quantity, so that its events are kept in order.
    pub const fn has_series(self) -> bool {
        matches!(self, Aggregation::Readings(_) | Aggregation::WeightedSum(_))
    }

    /// Whether quantities of several buckets add up to one that means something.
    pub const fn adds_up(self) -> bool {
        self.is_additive() || self.has_series()
    }

    /// How many integers of a bucket's quantity make one of the event's: the microseconds of a weighted sum's `per`.
    pub fn quantity_factor(self) -> i128 {
        match self {
            Aggregation::WeightedSum(weighted) => i128::from(weighted.per_micros),
            _ => 1,
        }
    }
}

/// One usage as an aggregation sees it.
#[derive(Debug, Clone, Copy)]
pub struct Observation<'a> {
    /// The value at the meter's scale; one unit for `count`.
    pub value: Quantity,
    /// The amount that the event brings, zero if its meter reads none.
    pub own: Amount,
    /// Keyed hash of the value's text, for `unique_count`.
    pub distinct: u128,
    /// When.
    pub time: Instant,
    /// CloudEvents `source`.
    pub source: &'a [u8],
    /// CloudEvents `id`.
    pub id: &'a [u8],
    /// Whether a reading is estimated.
    pub estimated: bool,
    /// Tells events apart that are equal in everything above: the identity within the deployment.
    pub fingerprint: u128,
}

/// An event where order matters: by (event_time, source, id). What follows only orders events that share those, which
/// events of different route keys may.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct OrderedEvent {
    /// When.
    pub time: Instant,
    /// CloudEvents `source`.
    pub source: Box<[u8]>,
    /// CloudEvents `id`.
    pub id: Box<[u8]>,
    /// Its value.
    pub value: Quantity,
    /// Whether it is an estimated reading.
    pub estimated: bool,
    /// Its identity.
    pub fingerprint: u128,
}

impl OrderedEvent {
    /// Keeps what order needs.
    pub fn of(observation: &Observation<'_>) -> OrderedEvent {
        OrderedEvent {
            time: observation.time,
            source: observation.source.into(),
            id: observation.id.into(),
            value: observation.value,
            estimated: observation.estimated,
            fingerprint: observation.fingerprint,
        }
    }

    fn is_before(&self, other: &Observation<'_>) -> bool {
        (self.time, self.source.as_ref(), self.id.as_ref(), self.value)
            < (other.time, other.source, other.id, other.value)
    }
}

/// What a quantity depends on beside the events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// One whole unit at the meter's scale.
    pub one: Quantity,
    /// Number of a percentile's slots in the bucket's time.
    pub slots: u64,
}

/// State of an aggregation that is more than a sum of its bucket's own events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FoldState {
    /// The greatest value so far.
    Max(Option<Quantity>),
    /// The least value so far.
    Min(Option<Quantity>),
    /// The latest event so far.
    Latest(Option<OrderedEvent>),
    /// Keyed hashes of the values so far.
    Unique(BTreeSet<u128>),
    /// The values of the slots so far.
    Percentile(Percentile, Slots),
}

impl FoldState {
    /// The state of no events; `None` for aggregations that have none of their own.
    pub fn new(aggregation: Aggregation) -> Option<FoldState> {
        match aggregation {
            Aggregation::Count | Aggregation::Sum | Aggregation::Readings(_) | Aggregation::WeightedSum(_) => None,
            Aggregation::Max => Some(FoldState::Max(None)),
            Aggregation::Min => Some(FoldState::Min(None)),
            Aggregation::Latest => Some(FoldState::Latest(None)),
            Aggregation::UniqueCount => Some(FoldState::Unique(BTreeSet::new())),
            Aggregation::Percentile(percentile) => Some(FoldState::Percentile(percentile, Slots::default())),
        }
    }

    /// Takes one more event in. Fails, without a change, if a sum in it does not fit.
    pub fn observe(&mut self, observation: &Observation<'_>) -> Result<(), Overflow> {
        match self {
            FoldState::Max(greatest) => *greatest = (*greatest).max(Some(observation.value)),
            FoldState::Min(least) => *least = Some(least.map_or(observation.value, |v| v.min(observation.value))),
            FoldState::Latest(latest) => {
                if latest.as_ref().is_none_or(|event| event.is_before(observation)) {
                    *latest = Some(OrderedEvent::of(observation));
                }
            }
            FoldState::Unique(values) => {
                values.insert(observation.distinct);
            }
            FoldState::Percentile(percentile, slots) => slots.observe(percentile, observation)?,
        }
        Ok(())
    }

    /// The quantity that [`FoldState::observe`] would lead to. Lets rating refuse a usage without having to undo it.
    pub fn quantity_with(&self, observation: &Observation<'_>, frame: &Frame) -> Result<Quantity, Overflow> {
        match self {
            FoldState::Max(greatest) => Ok(greatest.map_or(observation.value, |v| v.max(observation.value))),
            FoldState::Min(least) => Ok(least.map_or(observation.value, |v| v.min(observation.value))),
            FoldState::Latest(latest) => match latest {
                Some(event) if !event.is_before(observation) => Ok(event.value),
                _ => Ok(observation.value),
            },
            FoldState::Unique(values) if values.contains(&observation.distinct) => self.quantity(frame),
            FoldState::Unique(_) => self.quantity(frame)?.checked_add(frame.one),
            FoldState::Percentile(percentile, slots) => slots.quantity_with(percentile, observation, frame.slots),
        }
    }

    /// Takes in another part's state of the same aggregation.
    pub fn merge(&mut self, other: &FoldState) -> Result<(), Overflow> {
        match (self, other) {
            (FoldState::Max(a), FoldState::Max(b)) => *a = (*a).max(*b),
            (FoldState::Min(a), FoldState::Min(b)) => *a = [*a, *b].into_iter().flatten().min(),
            (FoldState::Latest(a), FoldState::Latest(b)) => {
                if *a < *b {
                    a.clone_from(b);
                }
            }
            (FoldState::Unique(a), FoldState::Unique(b)) => a.extend(b.iter().copied()),
            (FoldState::Percentile(percentile, a), FoldState::Percentile(_, b)) => a.merge(percentile, b)?,
            _ => unreachable!("parts of one bucket have one aggregation"),
        }
        Ok(())
    }

    /// The quantity: zero without events.
    pub fn quantity(&self, frame: &Frame) -> Result<Quantity, Overflow> {
        match self {
            FoldState::Max(value) | FoldState::Min(value) => Ok(value.unwrap_or_default()),
            FoldState::Latest(latest) => Ok(latest.as_ref().map_or(Quantity::ZERO, |event| event.value)),
            FoldState::Unique(values) => {
                let count = i128::try_from(values.len()).map_err(|_| Overflow)?;
                count.checked_mul(frame.one.scaled()).map(Quantity::from_scaled).ok_or(Overflow)
            }
            FoldState::Percentile(percentile, slots) => Ok(slots.quantity(percentile, frame.slots)),
        }
    }
}
