//! `dynamic`: the event brings its own amount, times a multiplier. A sum over events.

use crate::decimal::POWERS_OF_TEN;
use crate::number::{AMOUNT_SCALE, Amount, Exact, Overflow, UnitAmount};

/// The event's own amount x multiplier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dynamic {
    /// At scale 18.
    pub multiplier: UnitAmount,
}

impl Dynamic {
    /// The price of one event, or of a sum of events: linear.
    pub fn exact(&self, own: Amount) -> Result<Exact, Overflow> {
        const ONE: i128 = POWERS_OF_TEN[AMOUNT_SCALE as usize];
        Exact::zero(ONE).add_product(own.scaled(), self.multiplier.scaled())
    }
}
