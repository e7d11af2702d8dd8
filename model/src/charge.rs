//! What a charge makes of a bucket's usage: the order of quantity modifiers and prices (rating.md 4), stated once, here.
//!
//! conversion -> allowance -> price -> rounding (b). Amount modifiers (discount, maximum, minimum) act on documents, per
//! charge, over all its buckets, and so have no place here. Which events make the usage is [`bucket`](crate::bucket)'s.

use ethnum::I256;

use crate::catalog::{Allowance, BelowZero, Catalog, Charge, EventRounding, Meter, MidPeriod};
use crate::number::{AMOUNT_SCALE, Amount, Exact, Overflow, Quantity};
use crate::price::{CellIdx, Cumulative, Leaf, LineKind, PerEvent, PriceLine};
use crate::rounding::{self, RoundingMode};
use crate::time::{Instant, Period};

/// A part of a whole, at most 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fraction {
    /// At most the denominator.
    pub numerator: i64,
    /// Positive.
    pub denominator: i64,
}

impl Fraction {
    /// All of it.
    pub const WHOLE: Fraction = Fraction { numerator: 1, denominator: 1 };

    /// Whether it is all.
    pub const fn is_whole(self) -> bool {
        self.numerator == self.denominator
    }

    /// The part of a whole amount, rounded once to the amount's scale.
    pub fn of(self, amount: Amount) -> Result<Amount, Overflow> {
        Exact::zero(i128::from(self.denominator)).add_product(amount.scaled(), i128::from(self.numerator))?.round()
    }
}

/// What decides on a bucket's amount beside its charge and its usage: fixed when the bucket begins, but for what rolls over.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Terms {
    /// The part of the period in which the charge was in force.
    pub active: Period,
    /// How much of the period that is, for P(0), minimum and maximum.
    pub part: Fraction,
    /// The price versions in force: at least one, each with the instant from which. The first is that of the bucket's start.
    pub versions: Vec<(u32, Instant)>,
    /// The free quantity, pro-rated and with what rolled in or out, at the priced scale.
    pub allowance: Quantity,
}

impl Terms {
    /// The position among `versions` of the one in force at an instant.
    pub fn version_at(&self, at: Instant) -> usize {
        self.versions.iter().skip(1).take_while(|(_, from)| *from <= at).count()
    }
}

/// The usage of a bucket, aggregated, as a price sees it. Quantities are before conversion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Measured {
    /// One quantity.
    One(Quantity),
    /// The part of the quantity under each of the versions in force.
    ByVersion(Vec<Quantity>),
    /// A quantity for each resource of a capacity price.
    ByResource(Vec<Quantity>),
}

impl Measured {
    /// The quantity as a whole; zero for resources, which do not add up.
    pub fn quantity(&self) -> Result<Quantity, Overflow> {
        match self {
            Measured::One(quantity) => Ok(*quantity),
            Measured::ByVersion(parts) => parts.iter().try_fold(Quantity::ZERO, |sum, part| sum.checked_add(*part)),
            Measured::ByResource(_) => Ok(Quantity::ZERO),
        }
    }
}

/// One cell of a charge under its terms: all that an amount depends on but the usage.
#[derive(Debug, Clone, Copy)]
pub struct Rule<'a> {
    /// The charge.
    pub charge: &'a Charge,
    /// The cell, of the first version in force.
    pub cell: CellIdx,
    /// The terms.
    pub terms: &'a Terms,
}

impl Charge {
    /// How many integers of a priced quantity make one priced unit.
    pub fn priced_unit(&self, meter: &Meter) -> Result<i128, Overflow> {
        meter
            .quantity_unit()
            .checked_mul(self.conversion.map_or(1, |conversion| conversion.denominator))
            .ok_or(Overflow)
    }

    /// The price that holds in a cell of a version.
    pub fn leaf(&self, version: u32, cell: CellIdx) -> Option<Leaf<'_>> {
        let version = self.versions.get(usize::try_from(version).ok()?)?;
        let leaf = version.price.leaf(cell)?;
        Some(match (leaf, self.round) {
            (Leaf::Cumulative(Cumulative::Unit(unit)), Some(_)) => Leaf::PerEvent(PerEvent::Unit(unit)),
            (leaf, _) => leaf,
        })
    }

    /// The number of the version in force at the start of a bucket: the last one that had taken effect by then.
    pub fn version_at(&self, start: Instant) -> u32 {
        let later =
            self.versions.iter().skip(1).take_while(|version| version.effective_at.is_some_and(|at| at <= start));
        u32::try_from(later.count()).unwrap_or(u32::MAX)
    }

    /// The versions in force during `active`: that of its start, and those that split it.
    pub fn versions_in(&self, active: &Period) -> Vec<(u32, Instant)> {
        let first = self.version_at(active.start);
        let mut versions = vec![(first, active.start)];
        for (number, version) in (0_u32..).zip(&self.versions).filter(|(number, _)| *number > first) {
            if let (Some(at), MidPeriod::Split) = (version.effective_at, version.mid_period)
                && at < active.end
            {
                versions.push((number, at));
            }
        }
        versions
    }

    /// What the meter's last decimal is at the priced scale: allowances are shared and roll over in whole steps.
    pub fn allowance_step(&self, meter: &Meter) -> Result<i128, Overflow> {
        self.priced_unit(meter)?.checked_div(meter.scale.unit()).ok_or(Overflow)
    }

    /// The allowance of a part of a period: rounded half away to the decimals that the meter keeps.
    pub fn allowance_of(&self, part: Fraction, meter: &Meter) -> Result<Quantity, Overflow> {
        let Some(Allowance { quantity, .. }) = self.allowance else { return Ok(Quantity::ZERO) };
        if part.is_whole() {
            return Ok(quantity);
        }
        let step = self.allowance_step(meter)?;
        // Two products of 128 and 64 bits: both fit.
        let wide = |a: i128, b: i64| I256::from(a).checked_mul(I256::from(b)).ok_or(Overflow);
        let (numerator, denominator) = (wide(quantity.scaled(), part.numerator)?, wide(step, part.denominator)?);
        let steps = rounding::divide(numerator, denominator, RoundingMode::HalfAway).ok_or(Overflow)?;
        let steps = i128::try_from(steps).map_err(|_| Overflow)?;
        steps.checked_mul(step).map(Quantity::from_scaled).ok_or(Overflow)
    }

    /// The priced quantity before the allowance: converted, and rounded if the conversion says so.
    pub fn converted(&self, quantity: Quantity, unit: i128) -> Result<Quantity, Overflow> {
        let Some(conversion) = self.conversion else { return Ok(quantity) };
        let converted = quantity.scaled().checked_mul(conversion.numerator).ok_or(Overflow)?;
        let rounded = match conversion.round {
            None => converted,
            Some(mode) => {
                let whole = rounding::divide_i128(converted, unit, mode).ok_or(Overflow)?;
                whole.checked_mul(unit).ok_or(Overflow)?
            }
        };
        Quantity::ZERO.checked_add(Quantity::from_scaled(rounded))
    }

    /// Rounding (a) of one event's amount, or rounding (b) where the charge has none.
    pub fn round_event(&self, exact: Exact) -> Result<Amount, Overflow> {
        let whole = EventRounding { scale: AMOUNT_SCALE, mode: RoundingMode::HalfAway };
        let round = self.round.unwrap_or(whole);
        exact.round_at(round.scale, round.mode)
    }

    /// Whether an ungrouped charge without usage still owes something. `catalog` is the charge's own.
    pub fn owes_without_usage(&self) -> bool {
        let owes = |price: &crate::price::Price| match price.leaf(CellIdx::ONLY) {
            Some(Leaf::Cumulative(cumulative)) => cumulative.at_zero() != Amount::ZERO,
            Some(Leaf::Capacity(capacity)) => capacity.at_zero() != Amount::ZERO,
            _ => false,
        };
        self.is_single() && self.versions.iter().any(|version| owes(&version.price))
    }

    /// Whether usage goes on in the buckets of `earlier`, the charge of the plan before: a plan change keeps what has the
    /// same name and is counted and priced the same. The allowance's quantity may differ.
    pub fn continues(&self, earlier: &Charge) -> bool {
        let terms = |allowance: Option<Allowance>| allowance.map(|a| (a.rollover_max, a.scope));
        self.name == earlier.name
            && (self.meter, &self.further) == (earlier.meter, &earlier.further)
            && self.versions == earlier.versions
            && (&self.filter, &self.group_by) == (&earlier.filter, &earlier.group_by)
            && (self.conversion, self.round, self.pool) == (earlier.conversion, earlier.round, earlier.pool)
            && terms(self.allowance) == terms(earlier.allowance)
    }

    /// Whether events of the charge and of another one of the same name and meter lie in the same series, for customers that
    /// change from one to the other. Of prices with cells only equal ones number them alike.
    pub fn shares_series(&self, other: &Charge) -> bool {
        let has_cells = |charge: &Charge| charge.versions.iter().any(|version| version.price.has_cells());
        (&self.name, self.meter) == (&other.name, other.meter)
            && (&self.filter, &self.group_by) == (&other.filter, &other.group_by)
            && (self.versions == other.versions || (!has_cells(self) && !has_cells(other)))
    }

    /// Whether it has one bucket per period, with or without usage: neither groups nor cells.
    pub fn is_single(&self) -> bool {
        self.group_by.is_empty() && self.versions.iter().all(|version| !version.price.has_cells())
    }
}

impl<'a> Rule<'a> {
    /// The price of the version at a position of the terms.
    pub fn leaf(&self, position: usize) -> Result<Leaf<'a>, Overflow> {
        let (version, _) = self.terms.versions.get(position).ok_or(Overflow)?;
        self.charge.leaf(*version, self.cell).ok_or(Overflow)
    }

    /// A(S) of a price that is a function of quantities. With versions v = 1.. in force (rating.md 5), B the allowance
    /// after conversion and C_v the quantity before v ends: f P_1(0) + Σ (P_v(B(C_v)) - P_v(B(C_{v-1}))).
    pub fn amount(&self, measured: &Measured) -> Result<Amount, Overflow> {
        self.exact(measured)?.round()
    }

    fn exact(&self, measured: &Measured) -> Result<Exact, Overflow> {
        let exact = match (measured, self.leaf(0)?) {
            (Measured::ByResource(quantities), Leaf::Capacity(price)) => price.exact(quantities)?,
            (Measured::One(quantity), Leaf::Cumulative(price)) => price.exact(self.priced(*quantity, &price)?)?,
            (Measured::ByVersion(parts), Leaf::Cumulative(first)) => {
                let mut exact = Exact::zero(1).add_amount(first.at_zero())?;
                for step in self.steps(parts)? {
                    // What a version adds comes first: what went before it cancels out over its own denominator.
                    let added = step.price.exact(step.after)?.plus(step.price.exact(step.before)?.negated()?)?;
                    exact = exact.plus(added)?;
                }
                exact
            }
            // Sums over events have states of their own.
            _ => return Err(Overflow),
        };
        let part = self.terms.part;
        let at_zero = self.at_zero()?;
        if part.is_whole() || at_zero == Amount::ZERO {
            return Ok(exact);
        }
        let missing = part.numerator.checked_sub(part.denominator).ok_or(Overflow)?;
        exact.plus(Exact::zero(i128::from(part.denominator)).add_product(at_zero.scaled(), i128::from(missing))?)
    }

    /// P(0) of the version at the bucket's start, for a whole period.
    fn at_zero(&self) -> Result<Amount, Overflow> {
        Ok(match self.leaf(0)? {
            Leaf::Cumulative(price) => price.at_zero(),
            Leaf::Capacity(price) => price.at_zero(),
            Leaf::PerEvent(_) => Amount::ZERO,
        })
    }

    /// A(∅): f P(0), and zero for sums over events.
    pub fn amount_without_usage(&self) -> Result<Amount, Overflow> {
        self.terms.part.of(self.at_zero()?)
    }

    /// The lines that explain an amount of `measured` usage, each with the position of its version among the terms'. For a
    /// sum over events there is one line: its parts are the rated rows themselves. What a partial period takes off P(0)
    /// is not among them.
    pub fn lines(&self, measured: &Measured, amount: Amount) -> Result<Vec<(usize, PriceLine)>, Overflow> {
        let first = |lines: Vec<PriceLine>| lines.into_iter().map(|line| (0, line)).collect();
        Ok(match (measured, self.leaf(0)?) {
            (Measured::ByResource(quantities), Leaf::Capacity(price)) => first(price.lines(quantities)),
            (Measured::One(quantity), Leaf::Cumulative(price)) => first(price.lines(self.priced(*quantity, &price)?)?),
            (Measured::ByVersion(parts), Leaf::Cumulative(price)) => {
                let mut lines: Vec<(usize, PriceLine)> = first(price.lines(Quantity::ZERO)?);
                for (position, step) in self.steps(parts)?.iter().enumerate() {
                    let added = difference(step.price.lines(step.after)?, step.price.lines(step.before)?)?;
                    lines.extend(added.into_iter().map(|line| (position, line)));
                }
                lines
            }
            (measured, Leaf::PerEvent(price)) => {
                first(events_line(price, measured.quantity()?, amount).into_iter().collect())
            }
            _ => Vec::new(),
        })
    }

    /// The quantity that the allowance makes free, at the priced scale.
    pub fn free(&self, measured: &Measured) -> Result<Quantity, Overflow> {
        let Leaf::Cumulative(price) = self.leaf(0)? else { return Ok(Quantity::ZERO) };
        let converted = self.charge.converted(measured.quantity()?, price.unit())?;
        converted.checked_sub(after_allowance(converted, self.terms.allowance)?)
    }

    /// B(Q): the quantity that a price sees, converted and after the allowance.
    fn priced(&self, quantity: Quantity, price: &Cumulative<'_>) -> Result<Quantity, Overflow> {
        let quantity = match self.charge.below_zero {
            BelowZero::IsZero => quantity.max(Quantity::ZERO),
            BelowZero::IsPriced => quantity,
        };
        after_allowance(self.charge.converted(quantity, price.unit())?, self.terms.allowance)
    }

    fn steps(&self, parts: &[Quantity]) -> Result<Vec<VersionStep<'a>>, Overflow> {
        let mut steps = Vec::with_capacity(parts.len());
        let mut cumulative = Quantity::ZERO;
        for (position, part) in parts.iter().enumerate() {
            let Leaf::Cumulative(price) = self.leaf(position)? else { return Err(Overflow) };
            let before = self.priced(cumulative, &price)?;
            cumulative = cumulative.checked_add(*part)?;
            steps.push(VersionStep { price, before, after: self.priced(cumulative, &price)? });
        }
        Ok(steps)
    }
}

/// What one version prices: the way from one quantity to another.
struct VersionStep<'a> {
    price: Cumulative<'a>,
    before: Quantity,
    after: Quantity,
}

/// The part of a priced quantity that an allowance leaves. A negative quantity has no use for one.
pub fn after_allowance(quantity: Quantity, allowance: Quantity) -> Result<Quantity, Overflow> {
    if quantity > allowance { quantity.checked_sub(allowance) } else { Ok(quantity.min(Quantity::ZERO)) }
}

/// Lines without what an earlier quantity had of them: below zero where that was more.
fn difference(after: Vec<PriceLine>, before: Vec<PriceLine>) -> Result<Vec<PriceLine>, Overflow> {
    let is_same = |a: &PriceLine, b: &PriceLine| (a.kind, a.tier) == (b.kind, b.tier);
    let gone: Vec<PriceLine> =
        before.iter().filter(|line| !after.iter().any(|other| is_same(line, other))).copied().collect();
    let nothing = |line: PriceLine| PriceLine { quantity: Quantity::ZERO, amount: Amount::ZERO, ..line };
    let mut lines: Vec<PriceLine> = after.into_iter().chain(gone.into_iter().map(nothing)).collect();
    for line in &mut lines {
        if let Some(earlier) = before.iter().find(|other| is_same(line, other)) {
            line.quantity = line.quantity.checked_sub(earlier.quantity)?;
            line.amount = line.amount.checked_sub(earlier.amount)?;
        }
    }
    lines.retain(|line| line.amount != Amount::ZERO);
    Ok(lines)
}

fn events_line(price: PerEvent<'_>, quantity: Quantity, amount: Amount) -> Option<PriceLine> {
    let (unit_amount, per) = match price {
        PerEvent::Unit(unit) => (unit.unit_amount, unit.per),
        PerEvent::Percentage(price) => (price.rate, Quantity::from_scaled(price.unit)),
        PerEvent::Dynamic(price) => (price.multiplier, Quantity::ZERO),
        PerEvent::Increments(_) => (crate::number::UnitAmount::ZERO, Quantity::ZERO),
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

/// The meter of a charge.
pub fn meter_of<'c>(catalog: &'c Catalog, charge: &Charge) -> &'c Meter {
    catalog.meters.get(charge.meter.at()).expect("a charge's meter is in its catalog")
}

#[cfg(test)]
pub(crate) mod tests;
