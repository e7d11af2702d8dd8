//! Prices that are sums over events: percentage, increments, dynamic, and a unit price with `round`.
//!
//! Owns: the amount of one event. Each price counts its amounts in fractions of one fixed denominator, so that a
//! million events are summed without a common divisor to look for. Does not own: which version an event has (see
//! `amount`).

use num_bigint::BigInt;
use num_traits::{One, Signed, Zero};

use super::super::number::{AMOUNT_SCALE, Exact, Mode, pow10, round_quotient};
use super::{Price, Tier};

/// A share of each event's value.
#[derive(Debug, Clone, PartialEq)]
pub(in super::super) struct Percentage {
    pub(in super::super) rate: Exact,
    pub(in super::super) fixed: Exact,
    pub(in super::super) min: Option<Exact>,
    pub(in super::super) max: Option<Exact>,
    pub(in super::super) free_events: Option<Exact>,
    pub(in super::super) free_amount: Option<Exact>,
}

/// Blocks of each event's value.
#[derive(Debug, Clone, PartialEq)]
pub(in super::super) struct Increments {
    pub(in super::super) connect: Exact,
    pub(in super::super) steps: Vec<Step>,
}

/// Blocks of `every` from the bound before to `up_to`.
#[derive(Debug, Clone, PartialEq)]
pub(in super::super) struct Step {
    /// Inclusive; the last step is open.
    pub(in super::super) up_to: Option<Exact>,
    pub(in super::super) every: Exact,
    pub(in super::super) unit_amount: Exact,
    pub(in super::super) per: Exact,
}

/// `round` of a charge: rounding (a).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct EventRounding {
    pub(in super::super) scale: u32,
    pub(in super::super) mode: Mode,
}

/// One event of a bucket: its value with the meter's decimals, and the amount that it brings, if any, with 18.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Measured {
    pub(in super::super) value: i128,
    pub(in super::super) amount: i128,
}

/// What the bucket's events before one came to.
#[derive(Debug, Clone, Copy, Default)]
pub(in super::super) struct Before {
    pub(in super::super) count: u64,
    /// With the meter's decimals.
    pub(in super::super) sum: i128,
}

/// A price with its figures as integers.
#[derive(Debug)]
pub(in super::super) struct Counter {
    /// What an amount is counted in: 1 / `denominator`.
    denominator: BigInt,
    figures: Figures,
    round: Option<EventRounding>,
    /// What rounded amounts are counted in.
    rounded_denominator: BigInt,
}

#[derive(Debug)]
enum Figures {
    Unit { amount_per_value: BigInt },
    Percentage(Box<PercentageFigures>),
    Dynamic { multiplier: BigInt },
    Increments { connect: BigInt, steps: Vec<StepFigures> },
}

#[derive(Debug)]
struct PercentageFigures {
    rate: BigInt,
    fixed: BigInt,
    min: Option<BigInt>,
    max: Option<BigInt>,
    free_events: Option<BigInt>,
    free_amount: Option<i128>,
}

#[derive(Debug)]
struct StepFigures {
    up_to: Option<i128>,
    every: i128,
    /// Of one block.
    amount: BigInt,
}

/// The integer that a fraction is in 1 / `denominator`; the denominator is chosen so that it is one.
fn counted(value: &Exact, denominator: &BigInt) -> BigInt {
    let counted = value * denominator;
    assert!(counted.is_integer(), "{value} is no multiple of 1/{denominator}");
    counted.to_integer()
}

/// A quantity as an integer with the meter's decimals.
fn quantity(value: &Exact, scale: u32) -> i128 {
    counted(value, &pow10(scale)).try_into().expect("a quantity of a valid catalog is below 10^38")
}

impl Counter {
    /// The counter of a per-event price for values of `scale` decimals.
    pub(in super::super) fn new(price: &Price, scale: u32, round: Option<EventRounding>) -> Counter {
        let one_value = Exact::new(BigInt::one(), pow10(scale));
        let (denominator, figures) = match price {
            Price::Unit { unit_amount, per } => {
                let each = unit_amount / per * &one_value;
                let denominator = each.denom().clone();
                (denominator.clone(), Figures::Unit { amount_per_value: counted(&each, &denominator) })
            }
            Price::Percentage(percentage) => Counter::percentage(percentage, scale),
            Price::Dynamic { multiplier } => {
                let each = multiplier / pow10(AMOUNT_SCALE);
                let denominator = each.denom().clone();
                (denominator.clone(), Figures::Dynamic { multiplier: counted(&each, &denominator) })
            }
            Price::Increments(increments) => Counter::increments(increments, scale),
            _ => unreachable!("no sum over events"),
        };
        Counter { denominator, figures, round, rounded_denominator: pow10(AMOUNT_SCALE) }
    }

    fn percentage(percentage: &Percentage, scale: u32) -> (BigInt, Figures) {
        let denominator = pow10(scale + AMOUNT_SCALE);
        let amount = |amount: &Option<Exact>| amount.as_ref().map(|amount| counted(amount, &denominator));
        let figures = PercentageFigures {
            rate: counted(&percentage.rate, &pow10(AMOUNT_SCALE)),
            fixed: counted(&percentage.fixed, &denominator),
            min: amount(&percentage.min),
            max: amount(&percentage.max),
            free_events: percentage.free_events.as_ref().map(Exact::to_integer),
            free_amount: percentage.free_amount.as_ref().map(|free| quantity(free, scale)),
        };
        (denominator, Figures::Percentage(Box::new(figures)))
    }

    fn increments(increments: &Increments, scale: u32) -> (BigInt, Figures) {
        let blocks = increments.steps.iter().map(|step| &step.every * &step.unit_amount / &step.per);
        let blocks: Vec<Exact> = blocks.collect();
        let denominators = blocks.iter().chain([&increments.connect]).map(|amount| amount.denom().clone());
        // Not the least common one, but common.
        let denominator: BigInt = denominators.product();
        let steps = increments.steps.iter().zip(&blocks).map(|(step, block)| StepFigures {
            up_to: step.up_to.as_ref().map(|up_to| quantity(up_to, scale)),
            every: quantity(&step.every, scale),
            amount: counted(block, &denominator),
        });
        let figures =
            Figures::Increments { connect: counted(&increments.connect, &denominator), steps: steps.collect() };
        (denominator, figures)
    }

    /// The event's amount, in 1 / [`denominator`](Counter::denominator).
    pub(in super::super) fn count(&self, event: Measured, before: Before) -> BigInt {
        let amount = match &self.figures {
            Figures::Unit { amount_per_value } => amount_per_value * event.value,
            Figures::Percentage(figures) => figures.count(event.value, before),
            Figures::Dynamic { multiplier } => multiplier * event.amount,
            Figures::Increments { connect, steps } => count_increments(connect, steps, event.value),
        };
        match self.round {
            Some(EventRounding { scale, mode }) => {
                round_quotient(&(amount * pow10(scale)), &self.denominator, mode) * pow10(AMOUNT_SCALE - scale)
            }
            None => amount,
        }
    }

    /// What amounts are counted in.
    pub(in super::super) fn denominator(&self) -> &BigInt {
        if self.round.is_some() { &self.rounded_denominator } else { &self.denominator }
    }
}

impl PercentageFigures {
    /// Free while both are unspent; the crossing event pays on the excess and the fixed fee.
    fn count(&self, value: i128, before: Before) -> BigInt {
        let may_be_free = self.free_events.is_some() || self.free_amount.is_some();
        let has_events_left = self.free_events.as_ref().is_none_or(|free| BigInt::from(before.count) < *free);
        let has_amount_left = self.free_amount.is_none_or(|free| before.sum < free);
        if may_be_free && has_events_left && has_amount_left {
            return match self.free_amount {
                Some(free) if before.sum + value > free => self.pay(before.sum + value - free),
                _ => BigInt::zero(),
            };
        }
        self.pay(value)
    }

    fn pay(&self, value: i128) -> BigInt {
        let mut amount = &self.rate * value + &self.fixed;
        if let Some(min) = &self.min
            && amount < *min
        {
            amount.clone_from(min);
        }
        if let Some(max) = &self.max
            && amount > *max
        {
            amount.clone_from(max);
        }
        amount
    }
}

fn count_increments(connect: &BigInt, steps: &[StepFigures], value: i128) -> BigInt {
    if value == 0 {
        return BigInt::zero();
    }
    let mut amount = connect.clone();
    let mut below = 0;
    for step in steps {
        if value <= below {
            break;
        }
        let top = step.up_to.map_or(value, |up_to| up_to.min(value));
        let part = top - below;
        let blocks = part / step.every + i128::from(part % step.every != 0);
        amount += &step.amount * blocks;
        below = top;
    }
    debug_assert!(!amount.is_negative() || connect.is_negative(), "blocks are never taken back");
    amount
}

/// The sum of amounts that are counted in one denominator.
pub(in super::super) fn total(counts: &BigInt, denominator: &BigInt) -> Exact {
    Exact::new(counts.clone(), denominator.clone())
}

/// Tiers of a graduated percentage are tiers whose unit amount is the rate.
pub(in super::super) fn percentage_tier(up_to: Option<Exact>, rate: Exact, flat_amount: Exact) -> Tier {
    Tier { up_to, unit_amount: rate, per: None, flat_amount }
}
