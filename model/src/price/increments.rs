//! `increments`: each event is billed in blocks that change along its length (60/1, 30/6), after a connect fee: telecom.

use crate::number::{Amount, Exact, Overflow, Quantity, UnitAmount};
use crate::rounding::{self, RoundingMode};

/// Blocks within each event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Increments {
    /// Of each event with a value above zero.
    pub connect: Amount,
    /// The steps: ascending, the last one open.
    steps: Vec<Step>,
    /// A common multiple of the steps' `per`.
    denominator: i128,
}

/// Blocks of one size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// The last quantity inside; `None` for the open last step.
    pub up_to: Option<Quantity>,
    /// Scaled quantity of a block; positive. A block that has begun counts whole.
    pub every: Quantity,
    /// Per `per`.
    pub unit_amount: UnitAmount,
    /// Scaled quantity that `unit_amount` buys; positive.
    pub per: Quantity,
}

impl Increments {
    /// The steps must be ascending, the last one open; `None` also if their `per` have no common multiple below 10^30.
    pub fn new(connect: Amount, steps: Vec<Step>) -> Option<Increments> {
        let bounds = steps.iter().map(|step| step.up_to.map_or(i128::MAX, Quantity::scaled));
        let open = steps.iter().filter(|step| step.up_to.is_none()).count();
        let valid = steps.iter().all(|step| step.every > Quantity::ZERO && step.per > Quantity::ZERO);
        if !valid || open != 1 || !bounds.is_sorted_by(|a, b| a < b) {
            return None;
        }
        let multiple = steps.iter().try_fold(1_i128, |multiple, step| common_multiple(multiple, step.per.scaled()));
        let denominator = multiple.filter(|multiple| *multiple < DENOMINATOR_LIMIT)?;
        Some(Increments { connect, steps, denominator })
    }

    /// The steps.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// What one event costs. One without value costs nothing: the call was never answered.
    pub fn exact(&self, value: Quantity) -> Result<Exact, Overflow> {
        let mut exact = Exact::zero(self.denominator);
        if value <= Quantity::ZERO {
            return Ok(exact);
        }
        exact = exact.add_amount(self.connect)?;
        let mut lower = Quantity::ZERO;
        for step in &self.steps {
            if value <= lower {
                break;
            }
            let reached = step.up_to.map_or(value, |up_to| up_to.min(value));
            let part = reached.checked_sub(lower)?;
            let every = step.every.scaled();
            let blocks = rounding::divide_i128(part.scaled(), every, RoundingMode::Up).ok_or(Overflow)?;
            let billed = blocks.checked_mul(every).ok_or(Overflow)?;
            // `per` divides the denominator, see `new`.
            let factor = self.denominator.checked_div(step.per.scaled()).ok_or(Overflow)?;
            exact = exact.add_product_times(billed, step.unit_amount.scaled(), factor)?;
            lower = reached;
        }
        Ok(exact)
    }
}

/// Keeps products of a quantity and a denominator well inside 256 bits.
const DENOMINATOR_LIMIT: i128 = 10_i128.pow(30);

fn common_multiple(a: i128, b: i128) -> Option<i128> {
    let (mut x, mut y) = (a, b);
    while y != 0 {
        (x, y) = (y, x.checked_rem(y)?);
    }
    a.checked_div(x)?.checked_mul(b)
}
