//! `percentage`: each event pays a part of its value and a fixed amount, within a least and a greatest amount. The first
//! events may be free, by number or by value; see [`FreeEvents`](crate::aggregation::FreeEvents) for which ones.

use crate::number::{Amount, Exact, Overflow, Quantity, UnitAmount};

/// A part of each event's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Percentage {
    /// Of one unit of value: 0.029 for 2.9 %.
    pub rate: UnitAmount,
    /// Per event that pays.
    pub fixed: Amount,
    /// The least that an event pays.
    pub min: Option<Amount>,
    /// The most that an event pays.
    pub max: Option<Amount>,
    /// This many events are free.
    pub free_events: Option<u64>,
    /// Events are free until their values sum to this.
    pub free_amount: Option<Quantity>,
    /// Scaled quantity of one unit of value; positive.
    pub unit: i128,
}

impl Percentage {
    /// What an event pays that is not free, on `value` or on what of it is in excess of the free amount.
    pub fn exact(&self, value: Quantity) -> Result<Exact, Overflow> {
        let part = Exact::zero(self.unit).add_product(value.scaled(), self.rate.scaled())?.add_amount(self.fixed)?;
        let bound = |amount: Amount| Exact::zero(self.unit).add_amount(amount);
        let part = self.min.map_or(Ok(part), |min| Ok(part.max(bound(min)?)))?;
        self.max.map_or(Ok(part), |max| Ok(part.min(bound(max)?)))
    }

    /// Whether which events are free depends on their order.
    pub fn has_free(&self) -> bool {
        self.free_events.is_some() || self.free_amount.is_some()
    }
}
