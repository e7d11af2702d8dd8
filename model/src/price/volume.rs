//! `volume`: the tier that the quantity reaches prices all of it, plus its flat amount. Price cliffs are legal, so a
//! larger quantity may cost less.

use super::graduated::push_tier_lines;
use super::{PriceLine, Tiers};
use crate::number::{Exact, Overflow, Quantity};

/// The tier reached prices everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// The tiers.
    pub tiers: Tiers,
    /// Scaled quantity of one priced unit; positive.
    pub unit: i128,
}

impl Volume {
    /// P(Q); P(0) is the first tier's flat amount.
    pub fn exact(&self, quantity: Quantity) -> Result<Exact, Overflow> {
        let quantity = quantity.max(Quantity::ZERO);
        let (_, tier) = self.tiers.reached(quantity);
        tier.add_part(Exact::zero(self.unit).add_amount(tier.flat_amount)?, quantity, self.unit)
    }

    /// The reached tier's lines.
    pub fn lines(&self, quantity: Quantity) -> Result<Vec<PriceLine>, Overflow> {
        let quantity = quantity.max(Quantity::ZERO);
        let (number, tier) = self.tiers.reached(quantity);
        let mut lines = Vec::new();
        push_tier_lines(&mut lines, number, quantity, tier, self.unit)?;
        Ok(lines)
    }
}
