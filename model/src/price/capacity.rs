//! `capacity`: several meters; the highest tier that any of them forces sets one flat amount.

use super::{LineKind, PriceLine};
use crate::number::{Amount, Exact, Overflow, Quantity, UnitAmount};

/// The highest tier that any resource forces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capacity {
    /// Names of the resources; quantities come in this order.
    pub resources: Vec<String>,
    /// The tiers; the last one bounds nothing.
    tiers: Vec<CapacityTier>,
}

/// One tier of a capacity price.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CapacityTier {
    /// For each resource the last quantity inside, at its meter's scale; `None`: any.
    pub up_to: Vec<Option<Quantity>>,
    /// What the tier costs.
    pub flat_amount: Amount,
}

impl Capacity {
    /// `None` unless every tier has a bound or none for each resource and the last, and only the last, has no bound at all.
    pub fn new(resources: Vec<String>, tiers: Vec<CapacityTier>) -> Option<Capacity> {
        let bounded = |tier: &CapacityTier| tier.up_to.iter().any(Option::is_some);
        let (last, before) = tiers.split_last()?;
        let valid = !bounded(last)
            && before.iter().all(bounded)
            && tiers.iter().all(|tier| tier.up_to.len() == resources.len());
        valid.then_some(Capacity { resources, tiers })
    }

    /// The tiers.
    pub fn tiers(&self) -> &[CapacityTier] {
        &self.tiers
    }

    /// P of the resources' quantities.
    pub fn exact(&self, quantities: &[Quantity]) -> Result<Exact, Overflow> {
        Exact::zero(1).add_amount(self.reached(quantities).1.flat_amount)
    }

    /// P of no usage: the first tier's flat amount.
    pub fn at_zero(&self) -> Amount {
        self.tiers.first().map_or(Amount::ZERO, |tier| tier.flat_amount)
    }

    /// The reached tier's flat amount, unless it is nothing.
    pub fn lines(&self, quantities: &[Quantity]) -> Vec<PriceLine> {
        let (number, tier) = self.reached(quantities);
        let line = PriceLine {
            kind: LineKind::Flat,
            tier: Some(number),
            quantity: Quantity::ZERO,
            unit_amount: UnitAmount::ZERO,
            per: Quantity::ZERO,
            amount: tier.flat_amount,
        };
        if tier.flat_amount == Amount::ZERO { Vec::new() } else { vec![line] }
    }

    /// The first tier that holds every quantity, and its number from 1.
    pub fn reached(&self, quantities: &[Quantity]) -> (u32, &CapacityTier) {
        let holds = |tier: &CapacityTier| {
            tier.up_to.iter().zip(quantities).all(|(up_to, quantity)| up_to.is_none_or(|up_to| *quantity <= up_to))
        };
        (1_u32..).zip(&self.tiers).find(|(_, tier)| holds(tier)).expect("the last tier bounds nothing")
    }
}
