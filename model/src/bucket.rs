//! A bucket's state: what its events have come to, so that one more event's effect is known without looking at the others
//! (L4). States merge, so that parts rated on several shards settle exactly. Pure; keeps L4, L5.

use crate::aggregation::{Aggregation, FoldState, Frame, FreeEvents, Observation, OrderedEvent};
use crate::charge::{Measured, Rule};
use crate::number::{Amount, Exact, Overflow, Quantity};
use crate::price::{Leaf, PerEvent, Percentage};

/// The state of a bucket that is more than one quantity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BucketState {
    /// Q of a sum.
    Sum(Quantity),
    /// Q of a sum under each of the versions in force.
    ByVersion(Vec<Quantity>),
    /// An aggregation that is more than a sum.
    Fold(FoldState),
    /// Amounts of events.
    Events(EventSum),
    /// Q, and Q without events of its own: what the series before it gives. The events are in the series.
    Series {
        /// Q.
        quantity: Quantity,
        /// Q of no events.
        opening: Quantity,
    },
    /// A state for each resource of a capacity price: [`BucketState::Sum`] or [`BucketState::Fold`].
    Resources(Vec<BucketState>),
}

/// The sum of events' amounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventSum {
    /// Sum of the values.
    pub quantity: Quantity,
    /// What the events pay that pay in full.
    pub paid: Paid,
    /// The events that are free, where order decides which are.
    pub free: Option<FreeEvents>,
}

/// A sum of amounts, rounded each or not at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paid {
    /// To be rounded once, at the end.
    Exact(Exact),
    /// Each event rounded by the charge's `round`.
    Rounded(Amount),
}

/// What one event brings to a bucket: an observation for each meter of the charge; `None` where a capacity's resource is
/// not concerned.
pub type Observed<'o, 'e> = &'o [Option<Observation<'e>>];

impl BucketState {
    /// The state of no events. `aggregations` are those of the charge's meters.
    pub fn new(rule: &Rule<'_>, aggregations: &[Aggregation]) -> Result<BucketState, Overflow> {
        let one = |aggregation: Aggregation| {
            FoldState::new(aggregation).map_or(BucketState::Sum(Quantity::ZERO), BucketState::Fold)
        };
        let first = aggregations.first().copied().ok_or(Overflow)?;
        Ok(match rule.leaf(0)? {
            Leaf::Capacity(_) => BucketState::Resources(aggregations.iter().copied().map(one).collect()),
            Leaf::PerEvent(price) => BucketState::Events(EventSum {
                quantity: Quantity::ZERO,
                paid: match rule.charge.round {
                    Some(_) => Paid::Rounded(Amount::ZERO),
                    None => Paid::Exact(price.exact(Quantity::ZERO, Amount::ZERO)?.nothing()),
                },
                free: free_price(price).map(|_| FreeEvents::default()),
            }),
            Leaf::Cumulative(_) if first.has_series() => {
                BucketState::Series { quantity: Quantity::ZERO, opening: Quantity::ZERO }
            }
            Leaf::Cumulative(_) if rule.terms.versions.len() > 1 => {
                BucketState::ByVersion(vec![Quantity::ZERO; rule.terms.versions.len()])
            }
            Leaf::Cumulative(_) => one(first),
        })
    }

    /// Takes one more event in; returns A(S) with it. On overflow nothing has changed. A [`BucketState::Series`] changes
    /// through its series instead.
    pub fn observe(&mut self, rule: &Rule<'_>, frames: &[Frame], seen: Observed<'_, '_>) -> Result<Amount, Overflow> {
        let first = seen.iter().flatten().next().ok_or(Overflow)?;
        match self {
            BucketState::Sum(quantity) => {
                let after = quantity.checked_add(first.value)?;
                let amount = rule.amount(&Measured::One(after))?;
                *quantity = after;
                Ok(amount)
            }
            BucketState::ByVersion(parts) => {
                let mut after = parts.clone();
                let part = after.get_mut(rule.terms.version_at(first.time)).ok_or(Overflow)?;
                *part = part.checked_add(first.value)?;
                let measured = Measured::ByVersion(after);
                let amount = rule.amount(&measured)?;
                if let Measured::ByVersion(after) = measured {
                    *parts = after;
                }
                Ok(amount)
            }
            BucketState::Fold(fold) => {
                let frame = frames.first().ok_or(Overflow)?;
                let amount = rule.amount(&Measured::One(fold.quantity_with(first, frame)?))?;
                fold.observe(first)?;
                Ok(amount)
            }
            BucketState::Events(sum) => sum.observe(rule, first),
            BucketState::Resources(states) => {
                let mut after = Vec::with_capacity(states.len());
                for ((state, frame), seen) in states.iter().zip(frames).zip(seen) {
                    after.push(match seen {
                        Some(observation) => state.quantity_with(observation, frame)?,
                        None => state.quantity(frame)?,
                    });
                }
                let amount = rule.amount(&Measured::ByResource(after))?;
                for (state, seen) in states.iter_mut().zip(seen) {
                    if let Some(observation) = seen {
                        state.observe_resource(observation)?;
                    }
                }
                Ok(amount)
            }
            BucketState::Series { .. } => Err(Overflow),
        }
    }

    /// Takes one more event in without pricing it: what [`BucketState::observe`] leaves, where only the last A(S) is asked for.
    /// On overflow nothing has changed.
    pub fn absorb(&mut self, rule: &Rule<'_>, frames: &[Frame], seen: Observed<'_, '_>) -> Result<(), Overflow> {
        let first = seen.iter().flatten().next().ok_or(Overflow)?;
        match self {
            BucketState::Sum(quantity) => *quantity = quantity.checked_add(first.value)?,
            BucketState::ByVersion(parts) => {
                let part = parts.get_mut(rule.terms.version_at(first.time)).ok_or(Overflow)?;
                *part = part.checked_add(first.value)?;
            }
            BucketState::Fold(fold) => fold.observe(first)?,
            BucketState::Events(sum) if sum.free.is_none() => {
                let Leaf::PerEvent(price) = rule.leaf(rule.terms.version_at(first.time))? else { return Err(Overflow) };
                let quantity = sum.quantity.checked_add(first.value)?;
                sum.paid = sum.paid.plus(rule, price.exact(first.value, first.own)?)?;
                sum.quantity = quantity;
            }
            state => state.observe(rule, frames, seen).map(|_| ())?,
        }
        Ok(())
    }

    /// The usage as a price sees it.
    pub fn measured(&self, frames: &[Frame]) -> Result<Measured, Overflow> {
        Ok(match self {
            BucketState::ByVersion(parts) => Measured::ByVersion(parts.clone()),
            BucketState::Resources(states) => {
                let quantities = states.iter().zip(frames).map(|(state, frame)| state.quantity(frame));
                Measured::ByResource(quantities.collect::<Result<_, Overflow>>()?)
            }
            state => Measured::One(state.quantity(frames.first().ok_or(Overflow)?)?),
        })
    }

    /// A(S).
    pub fn amount(&self, rule: &Rule<'_>, frames: &[Frame]) -> Result<Amount, Overflow> {
        match self {
            BucketState::Events(sum) => sum.amount(rule),
            state => rule.amount(&state.measured(frames)?),
        }
    }

    /// A(∅): what the bucket costs without events of its own.
    pub fn amount_without_usage(&self, rule: &Rule<'_>) -> Result<Amount, Overflow> {
        match self {
            BucketState::Series { opening, .. } => rule.amount(&Measured::One(*opening)),
            _ => rule.amount_without_usage(),
        }
    }

    /// Takes in another part of the same bucket. The quantities of a [`BucketState::Series`] do not add up: they come from
    /// the merged series.
    pub fn merge(&mut self, rule: &Rule<'_>, other: &BucketState) -> Result<(), Overflow> {
        match (self, other) {
            (BucketState::Sum(a), BucketState::Sum(b)) => *a = a.checked_add(*b)?,
            (BucketState::ByVersion(a), BucketState::ByVersion(b)) => {
                for (a, b) in a.iter_mut().zip(b) {
                    *a = a.checked_add(*b)?;
                }
            }
            (BucketState::Fold(a), BucketState::Fold(b)) => a.merge(b)?,
            (BucketState::Events(a), BucketState::Events(b)) => a.merge(rule, b)?,
            (BucketState::Resources(a), BucketState::Resources(b)) => {
                for (a, b) in a.iter_mut().zip(b) {
                    a.merge(rule, b)?;
                }
            }
            (BucketState::Series { .. }, BucketState::Series { .. }) => {}
            _ => unreachable!("parts of one bucket have one kind of state"),
        }
        Ok(())
    }

    /// Q; zero for resources, which do not add up.
    pub fn quantity(&self, frame: &Frame) -> Result<Quantity, Overflow> {
        match self {
            BucketState::Sum(quantity) | BucketState::Series { quantity, .. } => Ok(*quantity),
            BucketState::ByVersion(parts) => parts.iter().try_fold(Quantity::ZERO, |sum, part| sum.checked_add(*part)),
            BucketState::Fold(fold) => fold.quantity(frame),
            BucketState::Events(sum) => Ok(sum.quantity),
            BucketState::Resources(_) => Ok(Quantity::ZERO),
        }
    }

    fn quantity_with(&self, observation: &Observation<'_>, frame: &Frame) -> Result<Quantity, Overflow> {
        match self {
            BucketState::Fold(fold) => fold.quantity_with(observation, frame),
            state => state.quantity(frame)?.checked_add(observation.value),
        }
    }

    fn observe_resource(&mut self, observation: &Observation<'_>) -> Result<(), Overflow> {
        match self {
            BucketState::Sum(quantity) => *quantity = quantity.checked_add(observation.value)?,
            BucketState::Fold(fold) => fold.observe(observation)?,
            _ => return Err(Overflow),
        }
        Ok(())
    }
}

/// The price whose free events depend on their order.
fn free_price(price: PerEvent<'_>) -> Option<&Percentage> {
    match price {
        PerEvent::Percentage(price) if price.has_free() => Some(price),
        _ => None,
    }
}

impl EventSum {
    fn observe(&mut self, rule: &Rule<'_>, event: &Observation<'_>) -> Result<Amount, Overflow> {
        let quantity = self.quantity.checked_add(event.value)?;
        let Leaf::PerEvent(price) = rule.leaf(rule.terms.version_at(event.time))? else { return Err(Overflow) };
        let paid = self.paid;
        let ordered = match (free_price(price), &mut self.free) {
            (Some(price), Some(free)) => {
                let ordered = OrderedEvent::of(event);
                let paying = free.insert(ordered.clone(), price)?;
                Some((ordered, paying))
            }
            _ => None,
        };
        let added = match &ordered {
            Some((_, paying)) => {
                paying.iter().try_fold(paid, |paid, event| paid.plus(rule, price.exact(event.value, Amount::ZERO)?))
            }
            None => price.exact(event.value, event.own).and_then(|exact| paid.plus(rule, exact)),
        };
        let result = added.and_then(|added| {
            self.paid = added;
            self.amount(rule)
        });
        match result {
            Ok(_) => self.quantity = quantity,
            Err(_) => {
                self.paid = paid;
                if let (Some(free), Some((ordered, paying))) = (&mut self.free, ordered) {
                    free.undo(&ordered, paying);
                }
            }
        }
        result
    }

    fn amount(&self, rule: &Rule<'_>) -> Result<Amount, Overflow> {
        let paid = match (&self.free, rule.leaf(0)?) {
            (Some(free), Leaf::PerEvent(PerEvent::Percentage(price))) => self.paid.plus(rule, free.exact(price)?)?,
            _ => self.paid,
        };
        match paid {
            Paid::Exact(exact) => exact.round(),
            Paid::Rounded(amount) => Ok(amount),
        }
    }

    fn merge(&mut self, rule: &Rule<'_>, other: &EventSum) -> Result<(), Overflow> {
        self.quantity = self.quantity.checked_add(other.quantity)?;
        self.paid = match other.paid {
            Paid::Exact(exact) => self.paid.plus(rule, exact)?,
            Paid::Rounded(amount) => self.paid.plus(rule, Exact::zero(1).add_amount(amount)?)?,
        };
        let (Some(free), Some(others), Leaf::PerEvent(PerEvent::Percentage(price))) =
            (&mut self.free, &other.free, rule.leaf(0)?)
        else {
            return Ok(());
        };
        for event in others.iter() {
            for paying in free.insert(event.clone(), price)? {
                self.paid = self.paid.plus(rule, price.exact(paying.value)?)?;
            }
        }
        Ok(())
    }
}

impl Paid {
    fn plus(self, rule: &Rule<'_>, exact: Exact) -> Result<Paid, Overflow> {
        Ok(match self {
            Paid::Exact(sum) => Paid::Exact(sum.plus(exact)?),
            Paid::Rounded(sum) => Paid::Rounded(sum.checked_add(rule.charge.round_event(exact)?)?),
        })
    }
}

#[cfg(test)]
mod tests;
