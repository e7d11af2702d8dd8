//! What explains a usage line: conversion, allowance, and the price's own lines for each cell and version, sharing the line's
//! rounded value.
//!
//! Does not own: what the lines of a price are (`Rule::lines` of the model). Keeps L9: details that do not sum to the exact
//! amount are an error, never printed.

use weir_model::catalog::{Charge, Meter, quantity_text};
use weir_model::charge::{Rule, meter_of};
use weir_model::number::{Amount, Money, Overflow, Quantity};
use weir_model::price::{Capacity, CellIdx, CellPart, Leaf, LineKind, PerEvent, PriceLine};
use weir_model::rated::BucketTotal;

use super::Context;
use super::items::{at, version};
use crate::allocate::allocate;
use crate::error::InvoiceError;
use crate::invoice::{CellChoice, Detail, DetailKind, PoolWhole, ResourceBound, TierRange};

/// The details of one line, cell by cell. `amount` is the rounded value that they share.
pub(super) fn details(
    context: &Context<'_>,
    charge: &Charge,
    buckets: &[BucketTotal],
    amount: Money,
) -> Result<Vec<Detail>, InvoiceError> {
    let customer = &context.period.customer;
    let overflow = InvoiceError::overflow(customer);
    let unexplained = || InvoiceError::Unexplained { customer: customer.clone(), charge: charge.name.clone() };
    let meter = meter_of(context.catalog, charge);
    let unit = charge.priced_unit(meter).map_err(&overflow)?;
    let mut details = Vec::new();
    for bucket in buckets {
        let rule = Rule { charge, cell: bucket.cell, terms: &bucket.terms };
        let writer = Writer { context, meter, unit, rule, zero: Money::zero(amount.currency()) };
        if !writer.bucket(&mut details, bucket).map_err(&overflow)? {
            return Err(unexplained());
        }
    }
    let exact: Vec<Amount> = details.iter().map(|detail| detail.exact_amount).collect();
    let shares = allocate(amount, &exact).ok_or_else(unexplained)?;
    for (detail, share) in details.iter_mut().zip(shares) {
        detail.amount = share;
    }
    Ok(details)
}

/// Writes the details of one bucket.
struct Writer<'a> {
    context: &'a Context<'a>,
    meter: &'a Meter,
    /// How many integers of a priced quantity make one.
    unit: i128,
    rule: Rule<'a>,
    zero: Money,
}

impl Writer<'_> {
    /// Appends one bucket's details. `false`: they do not explain its amount.
    fn bucket(&self, details: &mut Vec<Detail>, bucket: &BucketTotal) -> Result<bool, Overflow> {
        if bucket.pool.is_some() {
            details.push(self.pool(bucket)?);
            return Ok(true);
        }
        let lines = self.rule.lines(&bucket.measured, bucket.amount)?;
        details.extend(self.conversion(bucket)?);
        details.extend(self.allowance(bucket)?);
        let mut explained = Amount::ZERO;
        for (version, line) in &lines {
            explained = explained.checked_add(line.amount)?;
            details.push(self.price_line(*version, line)?);
        }
        let proration = self.proration()?;
        if proration != Amount::ZERO {
            explained = explained.checked_add(proration)?;
            details.push(Detail { exact_amount: proration, ..self.blank(DetailKind::Proration) });
        }
        let residue = bucket.amount.checked_sub(explained)?;
        Ok(residue.scaled().unsigned_abs() <= self.tolerated(lines.len()))
    }

    /// What rounding each line to the amount's scale may leave, in units of it: one for each line, also for those that came
    /// to nothing.
    fn tolerated(&self, lines: usize) -> u128 {
        let positions = 0..self.rule.terms.versions.len();
        let tiers = positions.filter_map(|position| match self.rule.leaf(position) {
            Ok(Leaf::Cumulative(price)) => price.tiers().map(|tiers| tiers.as_slice().len()),
            _ => None,
        });
        let most = tiers.fold(lines, usize::saturating_add);
        u128::try_from(most).unwrap_or(u128::MAX).saturating_add(1)
    }

    /// What a partial period takes off: the price's lines are those of a whole one, of which P(0) is owed in part.
    fn proration(&self) -> Result<Amount, Overflow> {
        let at_zero = match self.rule.leaf(0)? {
            Leaf::Cumulative(price) => price.at_zero(),
            Leaf::Capacity(price) => price.at_zero(),
            Leaf::PerEvent(_) => Amount::ZERO,
        };
        self.rule.amount_without_usage()?.checked_sub(at_zero)
    }

    fn conversion(&self, bucket: &BucketTotal) -> Result<Option<Detail>, Overflow> {
        if self.rule.charge.conversion.is_none() {
            return Ok(None);
        }
        let converted = self.rule.charge.converted(bucket.measured.quantity()?, self.unit)?;
        let quantity = Some(self.text(converted));
        Ok(Some(Detail { quantity, ..self.blank(DetailKind::Conversion) }))
    }

    fn allowance(&self, bucket: &BucketTotal) -> Result<Option<Detail>, Overflow> {
        let free = self.rule.free(&bucket.measured)?;
        if free == Quantity::ZERO {
            return Ok(None);
        }
        let quantity = Some(self.text(free));
        Ok(Some(Detail { quantity, ..self.blank(DetailKind::Allowance) }))
    }

    fn pool(&self, bucket: &BucketTotal) -> Result<Detail, Overflow> {
        let whole = |pool: weir_model::rated::PoolTotal| PoolWhole {
            quantity: self.meter.quantity_text(pool.quantity),
            exact_amount: pool.amount,
        };
        Ok(Detail {
            quantity: Some(self.meter.quantity_text(bucket.measured.quantity()?)),
            pool: bucket.pool.map(whole),
            exact_amount: bucket.amount,
            ..self.blank(DetailKind::Pool)
        })
    }

    fn price_line(&self, position: usize, line: &PriceLine) -> Result<Detail, Overflow> {
        let leaf = self.rule.leaf(position)?;
        let several = self.rule.terms.versions.len() > 1;
        let mut detail = Detail {
            tier: self.tier(&leaf, line.tier),
            exact_amount: line.amount,
            ..self.blank(DetailKind::Price(line.kind))
        };
        if line.kind != LineKind::Flat {
            detail.quantity = Some(self.text(line.quantity));
        }
        match (line.kind, leaf) {
            (LineKind::Flat, _) | (LineKind::Events, Leaf::PerEvent(PerEvent::Increments(_))) => {}
            // Each event was priced by the version of its own time: no single figure tells.
            (LineKind::Events, _) if several => return Ok(detail),
            (LineKind::Events, Leaf::PerEvent(PerEvent::Dynamic(price))) => detail.multiplier = Some(price.multiplier),
            (LineKind::Percentage, _) | (LineKind::Events, Leaf::PerEvent(PerEvent::Percentage(_))) => {
                detail.rate = Some(line.unit_amount);
            }
            _ => {
                detail.unit_amount = Some(line.unit_amount);
                detail.per = Some(self.text(line.per));
            }
        }
        detail.version = self.rule.terms.versions.get(position).filter(|_| several).copied().map(version);
        Ok(detail)
    }

    fn blank(&self, kind: DetailKind) -> Detail {
        Detail {
            kind,
            cell: self.cell(self.rule.cell),
            version: None,
            tier: None,
            quantity: None,
            unit_amount: None,
            per: None,
            rate: None,
            multiplier: None,
            pool: None,
            exact_amount: Amount::ZERO,
            amount: self.zero,
        }
    }

    fn cell(&self, cell: CellIdx) -> Vec<CellChoice> {
        let version =
            self.rule.terms.versions.first().and_then(|(version, _)| self.rule.charge.versions.get(at(*version)));
        let place = version.map(|version| version.price.place(cell)).unwrap_or_default();
        let choice = |part: CellPart| match part {
            CellPart::Dimension(dimension, value) => CellChoice::Dimension { dimension, value },
            CellPart::Window(window) => CellChoice::Window { window },
        };
        place.into_iter().map(choice).collect()
    }

    fn tier(&self, leaf: &Leaf<'_>, number: Option<u32>) -> Option<TierRange> {
        let number = number?;
        let position = at(number).checked_sub(1)?;
        match leaf {
            Leaf::Cumulative(price) => {
                let (above, tier) = price.tiers()?.with_lower().nth(position)?;
                let up_to = tier.up_to.map(|up_to| self.text(up_to));
                Some(TierRange { number, above: Some(self.text(above)), up_to, resources: Vec::new() })
            }
            Leaf::Capacity(price) => Some(self.bounds(number, position, price)),
            Leaf::PerEvent(_) => None,
        }
    }

    fn bounds(&self, number: u32, position: usize, price: &Capacity) -> TierRange {
        let bounds = price.tiers().get(position).map(|tier| tier.up_to.as_slice()).unwrap_or_default();
        let meters = self.context.meters(self.rule.charge);
        let bound = |((resource, meter), up_to): ((&String, &Meter), &Option<Quantity>)| {
            Some(ResourceBound { resource: resource.clone(), up_to: meter.quantity_text((*up_to)?) })
        };
        let resources = price.resources.iter().zip(meters).zip(bounds).filter_map(bound).collect();
        TierRange { number, above: None, up_to: None, resources }
    }

    fn text(&self, priced: Quantity) -> String {
        quantity_text(priced, self.unit)
    }
}
