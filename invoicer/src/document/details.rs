//! What explains a usage line: the allowance, and the price's own lines for each cell, sharing the line's rounded value.
//!
//! Does not own: what the lines of a price are (`Charge::lines` of the model). Keeps L9: details that do not sum to the
//! exact amount are an error, never printed.

use weir_model::catalog::{Charge, Meter};
use weir_model::charge::BucketRule;
use weir_model::number::{Amount, Money, Overflow, Quantity};
use weir_model::price::{CellIdx, CellPrice, Cumulative, LineKind, Price, PriceLine, Tiers};
use weir_model::rated::BucketTotal;

use super::Context;
use crate::allocate::allocate;
use crate::error::InvoiceError;
use crate::invoice::{CellValue, Detail, DetailKind, TierRange};

/// The details of one line, cell by cell.
pub(super) fn details(
    context: &Context<'_>,
    charge: &Charge,
    meter: &Meter,
    buckets: &[BucketTotal],
    line: Money,
) -> Result<Vec<Detail>, InvoiceError> {
    let customer = &context.totals.customer;
    let unexplained = || InvoiceError::Unexplained { customer: customer.clone(), charge: charge.name.clone() };
    let writer = Writer { charge, meter, zero: Money::zero(line.currency()) };
    let mut details = Vec::new();
    for bucket in buckets {
        let residue = writer.bucket(&mut details, bucket).map_err(InvoiceError::overflow(customer))?;
        match residue {
            None => {}
            // P(0) and the allowance of a partial period are pro-rated; the price's lines are those of a whole one.
            Some(amount) if context.is_partial() => details.push(writer.proration(bucket.cell, amount)),
            Some(_) => return Err(unexplained()),
        }
    }
    let exact: Vec<Amount> = details.iter().map(|detail| detail.exact_amount).collect();
    let shares = allocate(line, &exact).ok_or_else(unexplained)?;
    for (detail, share) in details.iter_mut().zip(shares) {
        detail.amount = share;
    }
    Ok(details)
}

struct Writer<'a> {
    charge: &'a Charge,
    meter: &'a Meter,
    zero: Money,
}

impl Writer<'_> {
    /// Appends one bucket's details. What they do not explain of its amount is returned, unless it is only what rounding
    /// each line to the amount's scale may leave.
    fn bucket(&self, details: &mut Vec<Detail>, bucket: &BucketTotal) -> Result<Option<Amount>, Overflow> {
        let lines = self.charge.lines(bucket.cell, bucket.quantity, bucket.amount)?;
        details.extend(self.allowance(bucket)?);
        let mut explained = Amount::ZERO;
        for line in &lines {
            explained = explained.checked_add(line.amount)?;
            details.push(self.price_line(bucket.cell, line));
        }
        let residue = bucket.amount.checked_sub(explained)?;
        let tolerated = u128::try_from(lines.len()).unwrap_or(u128::MAX);
        Ok((residue.scaled().unsigned_abs() > tolerated).then_some(residue))
    }

    fn allowance(&self, bucket: &BucketTotal) -> Result<Option<Detail>, Overflow> {
        if !matches!(self.charge.rule(bucket.cell), Some(BucketRule::Cumulative(_))) {
            return Ok(None);
        }
        let free = bucket.quantity.checked_sub(self.charge.after_allowance(bucket.quantity)?)?;
        if free == Quantity::ZERO {
            return Ok(None);
        }
        let quantity = Some(free.to_text(self.meter.scale));
        Ok(Some(Detail { quantity, ..self.blank(DetailKind::Allowance, bucket.cell) }))
    }

    fn price_line(&self, cell: CellIdx, line: &PriceLine) -> Detail {
        // A dynamic price's events bring their own amounts: there is no unit amount to show.
        let has_unit = line.per > Quantity::ZERO && line.kind != LineKind::Flat;
        Detail {
            tier: line.tier.and_then(|number| self.tier(cell, number)),
            quantity: (line.kind != LineKind::Flat).then(|| line.quantity.to_text(self.meter.scale)),
            unit_amount: has_unit.then_some(line.unit_amount),
            per: has_unit.then(|| line.per.to_text(self.meter.scale)),
            exact_amount: line.amount,
            ..self.blank(DetailKind::Price(line.kind), cell)
        }
    }

    fn proration(&self, cell: CellIdx, amount: Amount) -> Detail {
        Detail { exact_amount: amount, ..self.blank(DetailKind::Proration, cell) }
    }

    fn blank(&self, kind: DetailKind, cell: CellIdx) -> Detail {
        Detail {
            kind,
            cell: self.cell(cell),
            tier: None,
            quantity: None,
            unit_amount: None,
            per: None,
            exact_amount: Amount::ZERO,
            amount: self.zero,
        }
    }

    fn cell(&self, cell: CellIdx) -> Vec<CellValue> {
        let Price::Matrix(matrix) = &self.charge.price else { return Vec::new() };
        let position = usize::try_from(cell.0).unwrap_or(usize::MAX);
        let when = matrix.cells().get(position).map(|cell| cell.when.as_slice()).unwrap_or_default();
        let values = when.iter().cloned().map(Some).chain(std::iter::repeat(None));
        let pair = |(dimension, value): (&weir_model::catalog::Dimension, Option<String>)| CellValue {
            dimension: dimension.name.clone(),
            value,
        };
        matrix.dimensions.iter().zip(values).map(pair).collect()
    }

    fn tier(&self, cell: CellIdx, number: u32) -> Option<TierRange> {
        let tiers: &Tiers = match self.charge.price.in_cell(cell)? {
            CellPrice::Cumulative(Cumulative::Graduated(price)) => &price.tiers,
            CellPrice::Cumulative(Cumulative::Volume(price)) => &price.tiers,
            _ => return None,
        };
        let position = usize::try_from(number).ok()?.checked_sub(1)?;
        let (above, tier) = tiers.with_lower().nth(position)?;
        Some(TierRange {
            number,
            above: above.to_text(self.meter.scale),
            up_to: tier.up_to.map(|up_to| up_to.to_text(self.meter.scale)),
        })
    }
}
