//! `package`: blocks of `size`; a partial block rounds up, down, or is pro-rated.

use super::{LineKind, PriceLine};
use crate::number::{Amount, Exact, Overflow, Quantity, UnitAmount};
use crate::rounding::{self, RoundingMode};

/// What a partial block costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PartialBlock {
    /// As much as a whole one.
    #[default]
    Up,
    /// Nothing.
    Down,
    /// Its part.
    Prorate,
}

/// Blocks of `size`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Package {
    /// Scaled quantity of one block; positive.
    pub size: Quantity,
    /// Per block.
    pub amount: UnitAmount,
    /// A partial block.
    pub partial: PartialBlock,
    /// Scaled quantity of one priced unit; positive.
    pub unit: i128,
}

impl Package {
    /// P(Q).
    pub fn exact(&self, quantity: Quantity) -> Result<Exact, Overflow> {
        Exact::zero(self.size.scaled()).add_product(self.billed(quantity)?.scaled(), self.amount.scaled())
    }

    /// One line, or none without usage.
    pub fn lines(&self, quantity: Quantity) -> Result<Vec<PriceLine>, Overflow> {
        let billed = self.billed(quantity)?;
        if billed == Quantity::ZERO {
            return Ok(Vec::new());
        }
        let amount: Amount = self.exact(quantity)?.round()?;
        let line = PriceLine {
            kind: LineKind::Blocks,
            tier: None,
            quantity: billed,
            unit_amount: self.amount,
            per: self.size,
            amount,
        };
        Ok(vec![line])
    }

    /// The quantity that whole blocks stand for, or all of it when partial blocks are pro-rated.
    fn billed(&self, quantity: Quantity) -> Result<Quantity, Overflow> {
        let quantity = quantity.max(Quantity::ZERO);
        let mode = match self.partial {
            PartialBlock::Prorate => return Ok(quantity),
            PartialBlock::Up => RoundingMode::Up,
            PartialBlock::Down => RoundingMode::Down,
        };
        let blocks = rounding::divide_i128(quantity.scaled(), self.size.scaled(), mode).ok_or(Overflow)?;
        blocks.checked_mul(self.size.scaled()).map(Quantity::from_scaled).ok_or(Overflow)
    }
}
