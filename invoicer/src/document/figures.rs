//! The amounts of a period's lines (rating.md 4, 6 and 7): the one place that decides which lines there are and what each
//! comes to. Everything else about documents reads these.
//!
//! Per segment: the plan's fees; then for each of its charges, in the plan's order, one usage line for each group, and the
//! charge's discount, maximum and minimum. With u the rounded usage lines of a charge, f the part of the period in which it
//! was in force, and every rounding (c) half away from zero to the minor unit:
//!
//! - usage u = round(Σ A over the group's cells)
//! - discount d = -round(rate x Σ A over all groups and cells)
//! - maximum M = -max(0, Σu + d - round(f x maximum))
//! - minimum m = max(0, round(f x minimum) - (Σu + d + M))
//!
//! A charge that goes on from the segment before has its buckets, and its lines, there. Keeps L5, L6.

use weir_model::calendar::{part_of, prorate};
use weir_model::catalog::{Charge, ChargeIdx, Fee, Plan};
use weir_model::charge::Fraction;
use weir_model::decimal::power_of_ten;
use weir_model::number::{AMOUNT_SCALE, Amount, Exact, Money, Overflow, UnitAmount};
use weir_model::rated::{BucketTotal, Segment};
use weir_model::rounding::RoundingMode;

use super::Context;
use crate::error::InvoiceError;

/// Rounding (c): what most invoices do.
const LINE_ROUNDING: RoundingMode = RoundingMode::HalfAway;

/// A line's rounded value and what it is made of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Figure<'a> {
    /// Position of the segment.
    pub segment: usize,
    pub entry: Entry<'a>,
    pub amount: Money,
}

/// What a figure stands for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Entry<'a> {
    /// A fee, by its position in the plan.
    Fee {
        number: u32,
        fee: &'a Fee,
        exact: Amount,
    },
    /// The buckets of one charge and group.
    Usage {
        of: Charged<'a>,
        buckets: &'a [BucketTotal],
        exact: Amount,
    },
    Discount {
        of: Charged<'a>,
        rate: UnitAmount,
        gross: Amount,
        exact: Amount,
    },
    Maximum {
        of: Charged<'a>,
        bound: Bound,
    },
    Minimum {
        of: Charged<'a>,
        bound: Bound,
    },
}

/// A charge and its number.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Charged<'a> {
    pub index: ChargeIdx,
    pub charge: &'a Charge,
}

/// A maximum or minimum and what it meets.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bound {
    /// For a whole period.
    pub whole: Amount,
    /// For the part in which the charge was in force.
    pub exact: Amount,
    /// The same in minor units.
    pub rounded: Money,
    /// The charge's lines before this one.
    pub sum: Money,
}

impl Figure<'_> {
    /// Whether it is a line on a first document. Lines of nothing are left out, but for fees and for usage.
    pub fn stands(&self) -> bool {
        self.amount.minor() != 0
            || match self.entry {
                Entry::Fee { .. } => true,
                Entry::Usage { buckets, .. } => buckets.iter().any(|bucket| bucket.events > 0),
                Entry::Discount { .. } | Entry::Maximum { .. } | Entry::Minimum { .. } => false,
            }
    }
}

/// A segment, its position, and its plan.
#[derive(Clone, Copy)]
struct Place<'a> {
    number: usize,
    segment: &'a Segment,
    plan: &'a Plan,
}

impl<'a> Context<'a> {
    /// Shows all lines, in the order of documents; those of nothing too, so that a later close can tell what has become of
    /// them.
    pub fn figures(&self, mut show: impl FnMut(Figure<'a>) -> Result<(), InvoiceError>) -> Result<(), InvoiceError> {
        let overflow = InvoiceError::overflow(&self.period.customer);
        for (number, segment) in self.period.segments.iter().enumerate() {
            let place = Place { number, segment, plan: self.plan(segment) };
            for (number, fee) in (0_u32..).zip(&place.plan.fees) {
                show(self.fee(place, number, fee).map_err(&overflow)?)?;
            }
            for (index, buckets) in self.charged(segment) {
                self.charge_figures(place, index, buckets, &mut show)?;
            }
        }
        Ok(())
    }

    fn fee(&self, place: Place<'a>, number: u32, fee: &'a Fee) -> Result<Figure<'a>, Overflow> {
        let (active, period) = (&place.segment.active, &self.period.period);
        let exact = prorate(fee.amount, active, period, place.plan.proration, self.zone)?;
        Ok(Figure { segment: place.number, entry: Entry::Fee { number, fee, exact }, amount: self.round(exact) })
    }

    /// The charges that can have lines in a segment, in the plan's order, each with its buckets. Those that are neither used nor
    /// modified are not even looked at: a plan may have thousands of charges of which a customer uses one.
    fn charged(&self, segment: &'a Segment) -> impl Iterator<Item = (ChargeIdx, &'a [BucketTotal])> {
        let charge_of = |buckets: &&[BucketTotal]| buckets.first().map(|bucket| bucket.charge);
        let mut used = segment.buckets.chunk_by(|a, b| a.charge == b.charge).peekable();
        let mut modified = self.modified.of(segment.plan).iter().copied().peekable();
        std::iter::from_fn(move || {
            let next = used.peek().and_then(charge_of);
            let index = next.into_iter().chain(modified.peek().copied()).min()?;
            modified.next_if_eq(&index);
            let buckets = used.next_if(|buckets| charge_of(buckets) == Some(index));
            Some((index, buckets.unwrap_or_default()))
        })
    }

    fn charge_figures(
        &self,
        place: Place<'a>,
        index: ChargeIdx,
        buckets: &'a [BucketTotal],
        show: &mut impl FnMut(Figure<'a>) -> Result<(), InvoiceError>,
    ) -> Result<(), InvoiceError> {
        let overflow = InvoiceError::overflow(&self.period.customer);
        let of = Charged { index, charge: self.charge(index) };
        for buckets in buckets.chunk_by(|a, b| a.group == b.group) {
            let exact = exact_sum(buckets).map_err(&overflow)?;
            let entry = Entry::Usage { of, buckets, exact };
            show(Figure { segment: place.number, entry, amount: self.round(exact) })?;
        }
        if of.charge.discount.is_none() && of.charge.maximum.is_none() && of.charge.minimum.is_none() {
            return Ok(());
        }
        self.modifiers(place, of, buckets).map_err(&overflow)?.into_iter().flatten().try_for_each(show)
    }

    /// Discount, maximum and minimum of a charge, as far as it has them.
    fn modifiers(
        &self,
        place: Place<'a>,
        of: Charged<'a>,
        buckets: &[BucketTotal],
    ) -> Result<[Option<Figure<'a>>; 3], Overflow> {
        let Charge { discount, maximum, minimum, .. } = of.charge;
        if buckets.is_empty() && self.goes_on(place.number, of.charge) {
            return Ok([None; 3]);
        }
        let mut sum = Money::zero(self.currency);
        for group in buckets.chunk_by(|a, b| a.group == b.group) {
            sum = sum.checked_add(self.round(exact_sum(group)?))?;
        }
        let figure = |entry, amount| Figure { segment: place.number, entry, amount };
        let discount = discount.map(|rate| self.discount(place, of, rate, buckets)).transpose()?;
        if let Some(discount) = &discount {
            sum = sum.checked_add(discount.amount)?;
        }
        if maximum.is_none() && minimum.is_none() {
            return Ok([discount, None, None]);
        }
        let part = match buckets.first() {
            Some(bucket) => bucket.terms.part,
            None => self.part_without_usage(place, of.charge),
        };
        let bound = |whole: Amount, sum: Money| {
            let exact = part.of(whole)?;
            Ok(Bound { whole, exact, rounded: self.round(exact), sum })
        };
        let maximum = match *maximum {
            Some(whole) => {
                let bound = bound(whole, sum)?;
                let amount = minus(bound.rounded, sum)?.min(0);
                let amount = Money::from_minor(amount, self.currency);
                sum = sum.checked_add(amount)?;
                Some(figure(Entry::Maximum { of, bound }, amount))
            }
            None => None,
        };
        let minimum = match *minimum {
            Some(whole) => {
                let bound = bound(whole, sum)?;
                let amount = minus(bound.rounded, sum)?.max(0);
                Some(figure(Entry::Minimum { of, bound }, Money::from_minor(amount, self.currency)))
            }
            None => None,
        };
        Ok([discount, maximum, minimum])
    }

    fn discount(
        &self,
        place: Place<'a>,
        of: Charged<'a>,
        rate: UnitAmount,
        buckets: &[BucketTotal],
    ) -> Result<Figure<'a>, Overflow> {
        let gross = exact_sum(buckets)?;
        let one = power_of_ten(AMOUNT_SCALE).ok_or(Overflow)?;
        let exact = Exact::zero(one).add_product(gross.scaled(), rate.scaled())?.negated()?;
        // From the exact product: rounding it to 18 decimals first could tip a half.
        let amount = self.round(exact.round_at(self.currency.exponent(), LINE_ROUNDING)?);
        let entry = Entry::Discount { of, rate, gross, exact: exact.round()? };
        Ok(Figure { segment: place.number, entry, amount })
    }

    /// Whether a charge's usage goes on in the buckets of the segment before.
    fn goes_on(&self, number: usize, charge: &Charge) -> bool {
        let segments = &self.period.segments;
        let before = number.checked_sub(1).and_then(|before| segments.get(before).zip(segments.get(number)));
        // A plan with other periods may stand between the two.
        let adjacent = before.filter(|(before, here)| before.active.end == here.active.start);
        adjacent.is_some_and(|(before, _)| self.charges(before).any(|earlier| charge.continues(earlier)))
    }

    fn charges(&self, segment: &Segment) -> impl Iterator<Item = &'a Charge> {
        self.plan(segment).charges.iter().map(|index| self.charge(*index))
    }

    /// How much of the period a charge without usage was in force: from its segment on for as long as later plans continue it.
    fn part_without_usage(&self, place: Place<'a>, charge: &'a Charge) -> Fraction {
        let mut active = place.segment.active;
        let mut last = charge;
        for segment in self.period.segments.iter().skip(place.number.saturating_add(1)) {
            let next = self.charges(segment).find(|later| later.continues(last));
            let Some(next) = next.filter(|_| segment.active.start == active.end) else { break };
            active.end = segment.active.end;
            last = next;
        }
        part_of(&active, &self.period.period, place.plan.proration, self.zone)
    }

    fn round(&self, exact: Amount) -> Money {
        exact.to_money(self.currency, LINE_ROUNDING)
    }
}

fn exact_sum(buckets: &[BucketTotal]) -> Result<Amount, Overflow> {
    buckets.iter().try_fold(Amount::ZERO, |sum, bucket| sum.checked_add(bucket.amount))
}

fn minus(a: Money, b: Money) -> Result<i128, Overflow> {
    a.minor().checked_sub(b.minor()).ok_or(Overflow)
}
