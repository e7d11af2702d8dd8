//! Tiers: bounds inclusive at `up_to`, the last one open.

use crate::number::{Amount, Exact, Overflow, Quantity, UnitAmount};
use crate::rounding::{self, RoundingMode};

/// One tier. Quantities are integers of the meter's scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tier {
    /// The last quantity inside; `None` for the open last tier.
    pub up_to: Option<Quantity>,
    /// Per priced unit, or per block of `per`.
    pub unit_amount: UnitAmount,
    /// Makes blocks of this quantity within the tier, rounded up.
    pub per: Option<Quantity>,
    /// Added once the tier is entered.
    pub flat_amount: Amount,
}

impl Tier {
    /// Adds the price of `part` of a quantity in this tier, without the flat amount.
    pub(super) fn add_part(&self, exact: Exact, part: Quantity, unit: i128) -> Result<Exact, Overflow> {
        match self.per {
            None => exact.add_product(part.scaled(), self.unit_amount.scaled()),
            Some(per) => {
                let blocks = rounding::divide_i128(part.scaled(), per.scaled(), RoundingMode::Up).ok_or(Overflow)?;
                exact.add_product_times(blocks, self.unit_amount.scaled(), unit)
            }
        }
    }
}

/// Why a list of tiers is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TierError {
    /// No tier at all.
    #[error("has no tiers")]
    Empty,
    /// A bound that is not above the one before (index of the tier, from 0).
    #[error("tier {} must end above the one before it", .0.saturating_add(1))]
    NotAscending(usize),
    /// A tier other than the last is open (index).
    #[error("tier {} has no `up_to`; only the last tier is open", .0.saturating_add(1))]
    OpenInside(usize),
    /// The last tier has a bound: what lies above it would have no price.
    #[error("the last tier must be open: leave out its `up_to`")]
    LastBounded,
    /// `per` is not positive (index).
    #[error("tier {} needs a `per` above 0", .0.saturating_add(1))]
    PerNotPositive(usize),
}

/// A valid list of tiers: at least one, ascending, the last one open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tiers(Vec<Tier>);

impl Tiers {
    /// Checks the list.
    pub fn new(tiers: Vec<Tier>) -> Result<Tiers, TierError> {
        let last = tiers.len().checked_sub(1).ok_or(TierError::Empty)?;
        let mut below = Quantity::ZERO;
        for (i, tier) in tiers.iter().enumerate() {
            if tier.per.is_some_and(|per| per <= Quantity::ZERO) {
                return Err(TierError::PerNotPositive(i));
            }
            match tier.up_to {
                Some(_) if i == last => return Err(TierError::LastBounded),
                None if i < last => return Err(TierError::OpenInside(i)),
                Some(up_to) if up_to <= below => return Err(TierError::NotAscending(i)),
                Some(up_to) => below = up_to,
                None => {}
            }
        }
        Ok(Tiers(tiers))
    }

    /// The tiers.
    pub fn as_slice(&self) -> &[Tier] {
        &self.0
    }

    /// The first tier: there always is one.
    pub fn first(&self) -> &Tier {
        self.0.first().expect("checked when the list was made")
    }

    /// The tier that a quantity reaches, and its number from 1. Below zero: the first.
    pub fn reached(&self, quantity: Quantity) -> (u32, &Tier) {
        let holds = |tier: &Tier| tier.up_to.is_none_or(|up_to| quantity <= up_to);
        (1_u32..).zip(&self.0).find(|(_, tier)| holds(tier)).expect("the last tier is open")
    }

    /// The tiers with the quantity below each: where it begins.
    pub fn with_lower(&self) -> impl Iterator<Item = (Quantity, &Tier)> {
        let lower = std::iter::once(Quantity::ZERO).chain(self.0.iter().filter_map(|tier| tier.up_to));
        lower.zip(&self.0)
    }
}
