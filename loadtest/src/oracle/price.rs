//! Prices of a cumulative quantity (rating.md 2): P(Q) as the table says it, in fractions.
//!
//! Owns: P and P(0). Does not own: conversion, allowance, versions and rounding (b) (see `amount`), nor the prices that
//! are sums over events (see [`per_event`]) and the choice of a cell (see [`cells`]).

pub(super) mod cells;
pub(super) mod per_event;

use std::collections::BTreeMap;

use num_traits::{Signed, Zero};

use self::cells::{Matrix, Schedule};
use super::number::Exact;

/// Any price.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Price {
    Unit { unit_amount: Exact, per: Exact },
    Graduated(Vec<Tier>),
    Volume(Vec<Tier>),
    Package { size: Exact, amount: Exact, partial: Partial },
    Stairstep(Vec<Tier>),
    Percentage(Box<per_event::Percentage>),
    Dynamic { multiplier: Exact },
    Matrix(Matrix),
    Increments(per_event::Increments),
    Schedule(Schedule),
    Capacity(Vec<CapacityTier>),
}

/// A tier of quantities; graduated percentages have their rate as unit amount.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tier {
    /// Inclusive; the last tier is open.
    pub(super) up_to: Option<Exact>,
    pub(super) unit_amount: Exact,
    /// Blocks of this size, rounded up.
    pub(super) per: Option<Exact>,
    pub(super) flat_amount: Exact,
}

/// What a partial block of a package costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Partial {
    Up,
    Down,
    Prorate,
}

/// A tier of several quantities.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct CapacityTier {
    /// Inclusive, by the meter's name in the charge; a meter without a bound is not bounded.
    pub(super) up_to: BTreeMap<String, Exact>,
    pub(super) flat_amount: Exact,
}

impl Price {
    /// P of the quantity. A capacity is priced by [`capacity`].
    pub(super) fn of(&self, quantity: &Exact) -> Exact {
        match self {
            Price::Unit { unit_amount, per } => quantity * unit_amount / per,
            Price::Graduated(tiers) => graduated(tiers, quantity),
            Price::Volume(tiers) => {
                let tier = reached(tiers, quantity);
                tier.of_part(quantity) + &tier.flat_amount
            }
            Price::Package { size, amount, partial } => {
                let blocks = quantity / size;
                match partial {
                    Partial::Up => blocks.ceil() * amount,
                    Partial::Down => blocks.floor() * amount,
                    Partial::Prorate => blocks * amount,
                }
            }
            Price::Stairstep(tiers) => reached(tiers, quantity).flat_amount.clone(),
            Price::Percentage(_)
            | Price::Dynamic { .. }
            | Price::Increments(_)
            | Price::Matrix(_)
            | Price::Schedule(_)
            | Price::Capacity(_) => unreachable!("no price of one cumulative quantity"),
        }
    }

    /// P(0): the flat amount of the first tier, and 0 for prices without tiers.
    pub(super) fn of_nothing(&self) -> Exact {
        match self {
            Price::Graduated(tiers) | Price::Volume(tiers) | Price::Stairstep(tiers) => tiers[0].flat_amount.clone(),
            Price::Capacity(tiers) => tiers[0].flat_amount.clone(),
            _ => Exact::zero(),
        }
    }

    /// Whether A is a sum over events. A unit price is one if its charge rounds each event.
    pub(super) fn is_per_event(&self, is_rounded: bool) -> bool {
        match self {
            Price::Percentage(_) | Price::Dynamic { .. } | Price::Increments(_) => true,
            Price::Unit { .. } => is_rounded,
            _ => false,
        }
    }
}

/// The flat amount of the first tier whose every bound holds; the last one has none.
pub(super) fn capacity(tiers: &[CapacityTier], quantities: &BTreeMap<&str, Exact>) -> Exact {
    let holds = |tier: &&CapacityTier| tier.up_to.iter().all(|(meter, up_to)| &quantities[meter.as_str()] <= up_to);
    let tier = tiers.iter().find(holds).unwrap_or(&tiers[tiers.len() - 1]);
    tier.flat_amount.clone()
}

impl Tier {
    /// The price of a quantity in this tier, without the flat amount.
    fn of_part(&self, part: &Exact) -> Exact {
        match &self.per {
            Some(per) => (part / per).ceil() * &self.unit_amount,
            None => part * &self.unit_amount,
        }
    }
}

/// The first tier whose bound is not exceeded.
fn reached<'t>(tiers: &'t [Tier], quantity: &Exact) -> &'t Tier {
    let holds = |tier: &&Tier| tier.up_to.as_ref().is_none_or(|up_to| quantity <= up_to);
    tiers.iter().find(holds).unwrap_or(&tiers[tiers.len() - 1])
}

fn graduated(tiers: &[Tier], quantity: &Exact) -> Exact {
    let mut amount = Exact::zero();
    let mut below = Exact::zero();
    for (at, tier) in tiers.iter().enumerate() {
        if at > 0 && *quantity <= below {
            break;
        }
        let top = match &tier.up_to {
            Some(up_to) if up_to < quantity => up_to.clone(),
            _ => quantity.clone(),
        };
        let part = &top - &below;
        amount += tier.of_part(&part) + &tier.flat_amount;
        below = top;
    }
    debug_assert!(!quantity.is_negative(), "a graduated price has no quantity below zero");
    amount
}
