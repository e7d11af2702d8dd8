//! `unit`: quantity x unit amount, optionally `per` N units.

use super::{LineKind, PriceLine};
use crate::number::{Amount, Exact, Overflow, Quantity, UnitAmount};

/// Quantity x unit amount. The one cumulative price that negative quantities may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unit {
    /// Per `per` priced units.
    pub unit_amount: UnitAmount,
    /// Scaled quantity that `unit_amount` buys; positive.
    pub per: Quantity,
    /// Scaled quantity of one priced unit; positive.
    pub unit: i128,
}

impl Unit {
    /// P(Q) for any sign of Q: linear.
    pub fn exact(&self, quantity: Quantity) -> Result<Exact, Overflow> {
        Exact::zero(self.per.scaled()).add_product(quantity.scaled(), self.unit_amount.scaled())
    }

    /// One line, or none without usage.
    pub fn lines(&self, quantity: Quantity) -> Result<Vec<PriceLine>, Overflow> {
        if quantity == Quantity::ZERO {
            return Ok(Vec::new());
        }
        let amount: Amount = self.exact(quantity)?.round()?;
        let line = PriceLine {
            kind: LineKind::Usage,
            tier: None,
            quantity,
            unit_amount: self.unit_amount,
            per: self.per,
            amount,
        };
        Ok(vec![line])
    }
}
