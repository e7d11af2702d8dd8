//! `dynamic`: the event brings its own amount, times a multiplier. A sum over events.

use crate::decimal::power_of_ten;
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
        // 10^18, the multiplier's own scale.
        let one = power_of_ten(AMOUNT_SCALE).ok_or(Overflow)?;
        Exact::zero(one).add_product(own.scaled(), self.multiplier.scaled())
    }
}
