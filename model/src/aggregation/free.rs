//! Which events of a percentage are free: the first in (event_time, source, id) order, as long as neither their number nor
//! the sum of their values is spent. The event that crosses the free amount pays on the excess.

use std::collections::BTreeSet;

use super::OrderedEvent;
use crate::number::{Exact, Overflow, Quantity};
use crate::price::Percentage;

/// A bucket's free events: the shortest prefix after which nothing is free any more. All others pay in full.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FreeEvents {
    prefix: BTreeSet<OrderedEvent>,
    sum: Quantity,
}

impl FreeEvents {
    /// From events as [`FreeEvents::iter`] gave them.
    pub fn from_events(events: Vec<OrderedEvent>) -> Result<FreeEvents, Overflow> {
        let sum = events.iter().try_fold(Quantity::ZERO, |sum, event| sum.checked_add(event.value))?;
        Ok(FreeEvents { prefix: events.into_iter().collect(), sum })
    }

    /// The events of the prefix, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &OrderedEvent> {
        self.prefix.iter()
    }

    /// Takes one more event in; returns those that pay in full from now on, which may be itself. On overflow nothing has
    /// changed.
    pub fn insert(&mut self, event: OrderedEvent, price: &Percentage) -> Result<Vec<OrderedEvent>, Overflow> {
        if self.is_spent(price) && self.prefix.last().is_some_and(|last| *last < event) {
            return Ok(vec![event]);
        }
        self.sum = self.sum.checked_add(event.value)?;
        self.prefix.insert(event);
        let mut paying = Vec::new();
        while self.last_is_beyond(price)
            && let Some(last) = self.prefix.pop_last()
        {
            // It was part of the sum.
            self.sum = self.sum.checked_sub(last.value)?;
            paying.push(last);
        }
        Ok(paying)
    }

    /// Takes `event` out again and those back in that it had made pay.
    pub fn undo(&mut self, event: &OrderedEvent, paying: Vec<OrderedEvent>) {
        for other in paying {
            self.sum = self.sum.checked_add(other.value).unwrap_or(self.sum);
            self.prefix.insert(other);
        }
        if self.prefix.remove(event) {
            self.sum = self.sum.checked_sub(event.value).unwrap_or(self.sum);
        }
    }

    /// What the prefix pays: the excess of its last event, if that crosses the free amount.
    pub fn exact(&self, price: &Percentage) -> Result<Exact, Overflow> {
        match price.free_amount {
            Some(free) if self.sum > free => price.exact(self.sum.checked_sub(free)?),
            _ => Ok(Exact::zero(price.unit)),
        }
    }

    /// Whether whatever follows the prefix pays in full.
    fn is_spent(&self, price: &Percentage) -> bool {
        let count = u64::try_from(self.prefix.len()).unwrap_or(u64::MAX);
        price.free_events.is_some_and(|free| count >= free) || price.free_amount.is_some_and(|free| self.sum >= free)
    }

    /// Whether something was spent before the last event.
    fn last_is_beyond(&self, price: &Percentage) -> bool {
        let Some(last) = self.prefix.last() else { return false };
        let count = u64::try_from(self.prefix.len()).unwrap_or(u64::MAX);
        let before = self.sum.checked_sub(last.value).unwrap_or(self.sum);
        price.free_events.is_some_and(|free| count > free) || price.free_amount.is_some_and(|free| before >= free)
    }
}

#[cfg(test)]
mod tests;
