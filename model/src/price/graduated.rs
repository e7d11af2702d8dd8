//! `graduated`: each tier prices the part of the quantity inside it; its flat amount is added when it is entered.

use super::{LineKind, PriceLine, Tier, Tiers};
use crate::number::{Amount, Exact, Overflow, Quantity, UnitAmount};

/// Each tier prices its own part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Graduated {
    /// The tiers.
    pub tiers: Tiers,
    /// Scaled quantity of one priced unit; positive.
    pub unit: i128,
}

impl Graduated {
    /// P(Q). The first tier is entered even at zero: its flat amount is P(0).
    pub fn exact(&self, quantity: Quantity) -> Result<Exact, Overflow> {
        self.parts(quantity).try_fold(Exact::zero(self.unit), |exact, part| {
            let (_, part, tier) = part?;
            tier.add_part(exact.add_amount(tier.flat_amount)?, part, self.unit)
        })
    }

    /// A line for each tier with a part, and one for each flat amount.
    pub fn lines(&self, quantity: Quantity) -> Result<Vec<PriceLine>, Overflow> {
        let mut lines = Vec::new();
        for part in self.parts(quantity) {
            let (number, part, tier) = part?;
            push_tier_lines(&mut lines, number, part, tier, self.unit)?;
        }
        Ok(lines)
    }

    /// The entered tiers: number from 1, part inside, tier.
    fn parts(&self, quantity: Quantity) -> impl Iterator<Item = Result<(u32, Quantity, &Tier), Overflow>> {
        let quantity = quantity.max(Quantity::ZERO);
        let entered = move |lower: Quantity| lower == Quantity::ZERO || quantity > lower;
        (1_u32..).zip(self.tiers.with_lower()).take_while(move |(_, (lower, _))| entered(*lower)).map(
            move |(number, (lower, tier))| {
                let reached = tier.up_to.map_or(quantity, |up_to| up_to.min(quantity));
                reached.checked_sub(lower).map(|part| (number, part, tier))
            },
        )
    }
}

/// The usage line and the flat line of one tier, as far as they are not empty.
pub(super) fn push_tier_lines(
    lines: &mut Vec<PriceLine>,
    number: u32,
    part: Quantity,
    tier: &Tier,
    unit: i128,
) -> Result<(), Overflow> {
    let per = tier.per.unwrap_or(Quantity::from_scaled(unit));
    if part != Quantity::ZERO {
        let amount = tier.add_part(Exact::zero(unit), part, unit)?.round()?;
        let kind = if tier.per.is_some() { LineKind::Blocks } else { LineKind::Usage };
        lines.push(PriceLine { kind, tier: Some(number), quantity: part, unit_amount: tier.unit_amount, per, amount });
    }
    if tier.flat_amount != Amount::ZERO {
        lines.push(PriceLine {
            kind: LineKind::Flat,
            tier: Some(number),
            quantity: Quantity::ZERO,
            unit_amount: UnitAmount::ZERO,
            per,
            amount: tier.flat_amount,
        });
    }
    Ok(())
}
