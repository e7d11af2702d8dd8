//! Aggregations (rating.md 1): how the SET of a bucket's events becomes its quantity. Every state merges, so that parts
//! rated on several shards settle exactly.

use std::collections::BTreeSet;

use crate::number::{Overflow, Quantity};
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
}

impl Aggregation {
    /// All aggregations with their names in catalogs.
    pub const NAMES: [(&'static str, Aggregation); 6] = [
        ("count", Aggregation::Count),
        ("sum", Aggregation::Sum),
        ("max", Aggregation::Max),
        ("min", Aggregation::Min),
        ("latest", Aggregation::Latest),
        ("unique_count", Aggregation::UniqueCount),
    ];

    /// The name in catalogs.
    pub fn name(self) -> &'static str {
        Aggregation::NAMES.iter().find(|(_, aggregation)| *aggregation == self).map_or("", |(name, _)| name)
    }

    /// Whether the quantity is a sum over events, so that the state is the quantity itself.
    pub const fn is_additive(self) -> bool {
        matches!(self, Aggregation::Count | Aggregation::Sum)
    }
}

/// One usage as an aggregation sees it.
#[derive(Debug, Clone, Copy)]
pub struct Observation<'a> {
    /// The value at the meter's scale; one unit for `count`.
    pub value: Quantity,
    /// Keyed hash of the value's text, for `unique_count`.
    pub distinct: u128,
    /// When.
    pub time: Instant,
    /// CloudEvents `source`.
    pub source: &'a [u8],
    /// CloudEvents `id`.
    pub id: &'a [u8],
}

/// State of an aggregation that is not additive. Additive ones need only a [`Quantity`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FoldState {
    /// The greatest value so far.
    Max(Option<Quantity>),
    /// The least value so far.
    Min(Option<Quantity>),
    /// The latest event so far.
    Latest(Option<LatestEvent>),
    /// Keyed hashes of the values so far.
    Unique(BTreeSet<u128>),
}

/// The event that `latest` holds. Ordered by (time, source, id); the value only breaks ties between events that share an
/// identity on different shards.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LatestEvent {
    /// When.
    pub time: Instant,
    /// CloudEvents `source`.
    pub source: Box<[u8]>,
    /// CloudEvents `id`.
    pub id: Box<[u8]>,
    /// Its value.
    pub value: Quantity,
}

impl LatestEvent {
    fn is_before(&self, other: &Observation<'_>) -> bool {
        (self.time, self.source.as_ref(), self.id.as_ref(), self.value)
            < (other.time, other.source, other.id, other.value)
    }
}

impl FoldState {
    /// The state of no events; `None` for additive aggregations, which have none.
    pub fn new(aggregation: Aggregation) -> Option<FoldState> {
        match aggregation {
            Aggregation::Count | Aggregation::Sum => None,
            Aggregation::Max => Some(FoldState::Max(None)),
            Aggregation::Min => Some(FoldState::Min(None)),
            Aggregation::Latest => Some(FoldState::Latest(None)),
            Aggregation::UniqueCount => Some(FoldState::Unique(BTreeSet::new())),
        }
    }

    /// Takes one more event in.
    pub fn observe(&mut self, observation: &Observation<'_>) {
        match self {
            FoldState::Max(greatest) => *greatest = (*greatest).max(Some(observation.value)),
            FoldState::Min(least) => *least = Some(least.map_or(observation.value, |v| v.min(observation.value))),
            FoldState::Latest(latest) => {
                if latest.as_ref().is_none_or(|event| event.is_before(observation)) {
                    *latest = Some(LatestEvent {
                        time: observation.time,
                        source: observation.source.into(),
                        id: observation.id.into(),
                        value: observation.value,
                    });
                }
            }
            FoldState::Unique(values) => {
                values.insert(observation.distinct);
            }
        }
    }

    /// The quantity that [`FoldState::observe`] would lead to. Lets rating refuse a usage without having to undo it.
    pub fn quantity_with(&self, observation: &Observation<'_>, one: Quantity) -> Result<Quantity, Overflow> {
        match self {
            FoldState::Max(greatest) => Ok(greatest.map_or(observation.value, |v| v.max(observation.value))),
            FoldState::Min(least) => Ok(least.map_or(observation.value, |v| v.min(observation.value))),
            FoldState::Latest(latest) => match latest {
                Some(event) if !event.is_before(observation) => Ok(event.value),
                _ => Ok(observation.value),
            },
            FoldState::Unique(values) if values.contains(&observation.distinct) => self.quantity(one),
            FoldState::Unique(_) => self.quantity(one)?.checked_add(one),
        }
    }

    /// Takes in another part's state of the same aggregation.
    pub fn merge(&mut self, other: &FoldState) {
        match (self, other) {
            (FoldState::Max(a), FoldState::Max(b)) => *a = (*a).max(*b),
            (FoldState::Min(a), FoldState::Min(b)) => *a = [*a, *b].into_iter().flatten().min(),
            (FoldState::Latest(a), FoldState::Latest(b)) => {
                if *a < *b {
                    a.clone_from(b);
                }
            }
            (FoldState::Unique(a), FoldState::Unique(b)) => a.extend(b.iter().copied()),
            _ => unreachable!("parts of one bucket have one aggregation"),
        }
    }

    /// The quantity: zero without events. `one` is what a whole unit is at the meter's scale.
    pub fn quantity(&self, one: Quantity) -> Result<Quantity, Overflow> {
        match self {
            FoldState::Max(value) | FoldState::Min(value) => Ok(value.unwrap_or_default()),
            FoldState::Latest(latest) => Ok(latest.as_ref().map_or(Quantity::ZERO, |event| event.value)),
            FoldState::Unique(values) => {
                let count = i128::try_from(values.len()).map_err(|_| Overflow)?;
                count.checked_mul(one.scaled()).map(Quantity::from_scaled).ok_or(Overflow)
            }
        }
    }
}
