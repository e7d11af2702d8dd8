//! `stairstep`: the tier that the quantity reaches sets one flat amount.

use super::{LineKind, PriceLine, Tiers};
use crate::number::{Amount, Exact, Overflow, Quantity, UnitAmount};

/// The tier reached sets one flat amount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stairstep {
    /// The tiers; only their bounds and flat amounts count.
    pub tiers: Tiers,
    /// Scaled quantity of one priced unit; positive.
    pub unit: i128,
}

impl Stairstep {
    /// P(Q); P(0) is the first tier's flat amount.
    pub fn exact(&self, quantity: Quantity) -> Result<Exact, Overflow> {
        let (_, tier) = self.tiers.reached(quantity);
        Exact::zero(1).add_amount(tier.flat_amount)
    }

    /// The reached tier's flat amount, unless it is nothing.
    pub fn lines(&self, quantity: Quantity) -> Result<Vec<PriceLine>, Overflow> {
        let (number, tier) = self.tiers.reached(quantity);
        let line = PriceLine {
            kind: LineKind::Flat,
            tier: Some(number),
            quantity: Quantity::ZERO,
            unit_amount: UnitAmount::ZERO,
            per: Quantity::from_scaled(self.unit),
            amount: tier.flat_amount,
        };
        Ok(if tier.flat_amount == Amount::ZERO { Vec::new() } else { vec![line] })
    }
}
