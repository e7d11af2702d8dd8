//! What a charge makes of a bucket: the order of quantity modifiers and prices (rating.md 4), stated once, here.
//!
//! allowance -> price -> rounding (b). Amount modifiers (discount, maximum, minimum) act on documents, per charge, over all
//! its buckets, and so have no place here.

use crate::catalog::Charge;
use crate::number::{AMOUNT_SCALE, Amount, Exact, Overflow, Quantity, UnitAmount};
use crate::price::{CellIdx, CellPrice, Cumulative, Dynamic, LineKind, Price, PriceLine, Unit};
use crate::rounding::RoundingMode;

/// How the buckets of one charge and cell become amounts. Which one it is does not change while events flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BucketRule<'a> {
    /// A(S) is a function of the cumulative quantity: P(Q - allowance).
    Cumulative(Cumulative<'a>),
    /// A(S) is the sum of the events' own amounts, times the multiplier, rounded once.
    Dynamic(&'a Dynamic),
    /// A(S) is a sum of events' amounts, each rounded by `round`: value x unit amount.
    RoundedUnit(&'a Unit),
    /// A(S) is a sum of events' amounts, each rounded by `round`: own amount x multiplier.
    RoundedDynamic(&'a Dynamic),
}

impl Charge {
    /// How this charge's buckets in `cell` are priced. `None`: the matrix has no such cell.
    pub fn rule(&self, cell: CellIdx) -> Option<BucketRule<'_>> {
        Some(match (self.price.in_cell(cell)?, self.round.is_some()) {
            (CellPrice::Cumulative(Cumulative::Unit(unit)), true) => BucketRule::RoundedUnit(unit),
            (CellPrice::Cumulative(price), _) => BucketRule::Cumulative(price),
            (CellPrice::Dynamic(price), true) => BucketRule::RoundedDynamic(price),
            (CellPrice::Dynamic(price), false) => BucketRule::Dynamic(price),
        })
    }

    /// A(S) of a bucket whose price is a function of its quantity.
    pub fn cumulative_amount(&self, price: Cumulative<'_>, quantity: Quantity) -> Result<Amount, Overflow> {
        price.exact(self.after_allowance(quantity)?)?.round()
    }

    /// The amount of one event of a [`BucketRule::RoundedUnit`], rounding (a).
    pub fn rounded_unit(&self, price: &Unit, value: Quantity) -> Result<Amount, Overflow> {
        self.round_event(price.exact(value)?)
    }

    /// The amount of one event of a [`BucketRule::RoundedDynamic`], rounding (a).
    pub fn rounded_dynamic(&self, price: &Dynamic, own: Amount) -> Result<Amount, Overflow> {
        self.round_event(price.exact(own)?)
    }

    /// A(∅) of a bucket in `cell`: P(0), which is zero for sums over events.
    pub fn amount_without_usage(&self, cell: CellIdx) -> Result<Amount, Overflow> {
        match self.rule(cell) {
            Some(BucketRule::Cumulative(price)) => self.cumulative_amount(price, Quantity::ZERO),
            _ => Ok(Amount::ZERO),
        }
    }

    /// The lines that explain A(S) = `amount` of a bucket in `cell` with `quantity`. For a sum over events there is
    /// one line: its parts are the rated rows themselves.
    pub fn lines(&self, cell: CellIdx, quantity: Quantity, amount: Amount) -> Result<Vec<PriceLine>, Overflow> {
        match self.rule(cell) {
            Some(BucketRule::Cumulative(price)) => price.lines(self.after_allowance(quantity)?),
            Some(rule) => Ok(events_line(rule, quantity, amount).into_iter().collect()),
            None => Ok(Vec::new()),
        }
    }

    /// Whether an ungrouped charge without usage still owes something.
    pub fn owes_without_usage(&self) -> bool {
        let owed = self.amount_without_usage(CellIdx::NONE);
        self.group_by.is_empty() && !matches!(self.price, Price::Matrix(_)) && owed != Ok(Amount::ZERO)
    }

    /// The part of a quantity that the allowance leaves to the price. A negative quantity has no use for one.
    pub fn after_allowance(&self, quantity: Quantity) -> Result<Quantity, Overflow> {
        match self.allowance {
            Some(free) if quantity > free => quantity.checked_sub(free),
            Some(_) => Ok(quantity.min(Quantity::ZERO)),
            None => Ok(quantity),
        }
    }

    fn round_event(&self, exact: Exact) -> Result<Amount, Overflow> {
        let (scale, mode) =
            self.round.map_or((AMOUNT_SCALE, RoundingMode::HalfAway), |round| (round.scale, round.mode));
        exact.round_at(scale, mode)
    }
}

fn events_line(rule: BucketRule<'_>, quantity: Quantity, amount: Amount) -> Option<PriceLine> {
    let (unit_amount, per) = match rule {
        BucketRule::RoundedUnit(unit) => (unit.unit_amount, unit.per),
        BucketRule::Dynamic(price) | BucketRule::RoundedDynamic(price) => (price.multiplier, Quantity::ZERO),
        BucketRule::Cumulative(_) => (UnitAmount::ZERO, Quantity::ZERO),
    };
    (amount != Amount::ZERO || quantity != Quantity::ZERO).then_some(PriceLine {
        kind: LineKind::Events,
        tier: None,
        quantity,
        unit_amount,
        per,
        amount,
    })
}
