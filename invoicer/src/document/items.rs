//! From a figure to the line that people and programs read.

use weir_model::aggregation::Aggregation;
use weir_model::catalog::{Charge, Meter};
use weir_model::charge::{Measured, meter_of};
use weir_model::hash::Digest;
use weir_model::number::{Amount, Money, Overflow, Quantity};
use weir_model::price::Price;
use weir_model::rated::BucketTotal;

use super::figures::{Bound, Charged};
use super::{Context, Entry, Figure, details};
use crate::error::InvoiceError;
use crate::invoice::{self, Dimension, Discount, Fee, Item, Line, Resource, Usage, UsagePrice, Version};

/// Names of the units that a time-weighted meter counts per.
const PER: [(i64, &str); 4] =
    [(1_000_000, "second"), (60_000_000, "minute"), (3_600_000_000, "hour"), (86_400_000_000, "day")];

impl Context<'_> {
    /// The line of a figure, still without a position on the document.
    pub(crate) fn line(&self, figure: &Figure<'_>) -> Result<Line, InvoiceError> {
        let segment = u32::try_from(figure.segment.saturating_add(1)).ok();
        Ok(Line { line: 0, segment, item: self.item(figure)?, late: None, amount: figure.amount })
    }

    pub(crate) fn item(&self, figure: &Figure<'_>) -> Result<Item, InvoiceError> {
        Ok(match figure.entry {
            Entry::Fee { fee, exact, .. } => {
                Item::Fee(Fee { name: fee.name.clone(), period_amount: fee.amount, exact_amount: exact })
            }
            Entry::Usage { of, buckets, exact } => {
                let group = buckets.first().map(|bucket| bucket.group.as_slice()).unwrap_or_default();
                let blank = self.usage(of, group, exact);
                Item::Usage(Box::new(self.with_buckets(blank, of, buckets, figure.amount)?))
            }
            Entry::Discount { of, rate, gross, exact } => {
                Item::Discount(Discount { charge: of.charge.name.clone(), rate, gross, exact_amount: exact })
            }
            Entry::Maximum { of, bound } => Item::Maximum(bound_item(of, &bound)),
            Entry::Minimum { of, bound } => Item::Minimum(bound_item(of, &bound)),
        })
    }

    /// The line of a charge and group without any usage.
    pub(crate) fn usage(&self, of: Charged<'_>, group: &[String], exact: Amount) -> Usage {
        let meter = meter_of(self.catalog, of.charge);
        Usage {
            charge: of.charge.name.clone(),
            meter: meter.name.clone(),
            aggregation: meter.aggregation.name(),
            price: UsagePrice { name: of.charge.price_name.clone(), model: model(of.charge, 0), versions: Vec::new() },
            group: dimensions(of.charge, group),
            quantity: Some(meter.quantity_text(Quantity::ZERO)),
            unit: unit_name(meter),
            resources: Vec::new(),
            events: 0,
            digest: Digest::default(),
            exact_amount: exact,
            details: Vec::new(),
        }
    }

    /// `buckets` are those of one charge and group: at least one.
    fn with_buckets(
        &self,
        blank: Usage,
        of: Charged<'_>,
        buckets: &[BucketTotal],
        amount: Money,
    ) -> Result<Usage, InvoiceError> {
        let overflow = InvoiceError::overflow(&self.period.customer);
        let meter = meter_of(self.catalog, of.charge);
        let versions = buckets.first().map(|bucket| bucket.terms.versions.as_slice()).unwrap_or_default();
        let first = versions.first().map_or(0, |(version, _)| *version);
        Ok(Usage {
            price: UsagePrice {
                model: model(of.charge, first),
                versions: versions.iter().copied().map(version).collect(),
                ..blank.price
            },
            quantity: total_quantity(meter, buckets).map_err(&overflow)?,
            resources: self.resources(of.charge, buckets).map_err(&overflow)?,
            events: buckets.iter().fold(0, |events, bucket| bucket.events.saturating_add(events)),
            digest: buckets.iter().fold(Digest::default(), |digest, bucket| digest.plus(bucket.digest)),
            details: details::details(self, of.charge, buckets, amount)?,
            ..blank
        })
    }

    /// The quantities of a capacity price, which has one bucket for each group.
    fn resources(&self, charge: &Charge, buckets: &[BucketTotal]) -> Result<Vec<Resource>, Overflow> {
        let Some(BucketTotal { measured: Measured::ByResource(quantities), terms, .. }) = buckets.first() else {
            return Ok(Vec::new());
        };
        let version = terms.versions.first().and_then(|(version, _)| charge.versions.get(at(*version)));
        let Some(Price::Capacity(price)) = version.map(|version| version.price.as_ref()) else { return Err(Overflow) };
        let resources = price.resources.iter().zip(self.meters(charge)).zip(quantities);
        let resource = |((name, meter), quantity): ((&String, &Meter), &Quantity)| {
            Ok(Resource {
                resource: name.clone(),
                meter: meter.name.clone(),
                aggregation: meter.aggregation.name(),
                quantity: meter.quantity_text(*quantity),
            })
        };
        resources.map(resource).collect()
    }

    /// The meters of a charge, in the order of a capacity price's resources.
    pub(super) fn meters<'c>(&'c self, charge: &'c Charge) -> impl Iterator<Item = &'c Meter> {
        let further = charge.further.iter().filter_map(|further| self.catalog.meters.get(further.meter.at()));
        std::iter::once(meter_of(self.catalog, charge)).chain(further)
    }
}

fn bound_item(of: Charged<'_>, bound: &Bound) -> invoice::Bound {
    invoice::Bound {
        charge: of.charge.name.clone(),
        period_amount: bound.whole,
        exact_bound: bound.exact,
        bound: bound.rounded,
        sum: bound.sum,
    }
}

/// A version in force, as the terms of a bucket name it: by its position from 0.
pub(super) fn version((position, effective_at): (u32, weir_model::time::Instant)) -> Version {
    Version { number: position.saturating_add(1), effective_at }
}

/// `storage`, and of a time-weighted meter `storage x hour`.
fn unit_name(meter: &Meter) -> String {
    let Aggregation::WeightedSum(weighted) = meter.aggregation else { return meter.name.clone() };
    let per = PER.iter().find(|(micros, _)| *micros == weighted.per_micros);
    per.map_or_else(|| meter.name.clone(), |(_, name)| format!("{} x {name}", meter.name))
}

fn model(charge: &Charge, version: u32) -> &'static str {
    charge.versions.get(at(version)).map_or("", |version| version.price.model())
}

fn dimensions(charge: &Charge, group: &[String]) -> Vec<Dimension> {
    let pair = |(dimension, value): (&weir_model::catalog::Dimension, &String)| Dimension {
        dimension: dimension.name.clone(),
        value: value.clone(),
    };
    charge.group_by.iter().zip(group).map(pair).collect()
}

/// The line's quantity. Counts and sums of several cells add up; the greatest value of one cell and of another do not, nor
/// do the resources of a capacity price.
fn total_quantity(meter: &Meter, buckets: &[BucketTotal]) -> Result<Option<String>, Overflow> {
    let by_resource = buckets.iter().any(|bucket| matches!(bucket.measured, Measured::ByResource(_)));
    if by_resource || (buckets.len() > 1 && !meter.aggregation.adds_up()) {
        return Ok(None);
    }
    let add = |sum: Quantity, bucket: &BucketTotal| sum.checked_add(bucket.measured.quantity()?);
    let sum = buckets.iter().try_fold(Quantity::ZERO, add)?;
    Ok(Some(meter.quantity_text(sum)))
}

pub(super) fn at(position: u32) -> usize {
    usize::try_from(position).unwrap_or(usize::MAX)
}
