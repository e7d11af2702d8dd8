//! `[prices.*]`, and where every price of the catalog is read and brought to the scale of the charges that use it.

mod cells_file;
mod makeup;
mod matrix;
mod read;
mod resolve;
mod schedule;
mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use jiff::tz::TimeZone;

use super::super::toml_reader::{Item, Mark, Names, Report};
use super::super::{Dimension, PriceVersion};
use super::{PlacedCurrency, Sources};
use crate::decimal::{Decimal, DecimalError};
use crate::number::{Amount, UnitAmount};
pub(super) use makeup::{Kind, Makeup};
use read::Reader;
pub(super) use resolve::Terms;
pub(super) use source::Literal;
use source::PriceSource;

/// The named prices, and what they come to at the terms of the charges that use them.
pub(super) struct Prices<'s> {
    by_name: Names<PriceSource>,
    used: BTreeSet<String>,
    resolved: BTreeMap<Resolution, Option<Vec<PriceVersion>>>,
    reader: Reader<'s>,
}

/// A named price at some terms: charges that agree on these share it.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Resolution {
    name: String,
    scale: u8,
    unit: i128,
    /// The meter's, if the price's cells depend on them.
    dimensions: Vec<(String, u16)>,
    /// A capacity's, with the scale of each.
    resources: Vec<(String, u8)>,
}

/// A charge's price.
#[derive(Debug)]
pub(super) struct ChargePrice {
    pub(super) versions: Vec<PriceVersion>,
    pub(super) name: Option<String>,
    /// Where each version stands.
    pub(super) marks: Rc<[Mark]>,
    /// What each is made of.
    pub(super) makeup: Rc<[Makeup]>,
    /// The currencies that versions name.
    pub(super) currencies: Vec<PlacedCurrency>,
}

impl<'s> Prices<'s> {
    /// Reads the named prices. `zone` is the catalog's.
    pub(super) fn read(section: Vec<(&str, Item<'_>)>, sources: &'s Sources<'s>, zone: &'s TimeZone) -> Prices<'s> {
        let reader = Reader { sources, zone };
        let mut by_name = Names::default();
        for (name, item) in section {
            let price = item.table().and_then(|table| reader.read(table));
            by_name.insert(name, price);
        }
        Prices { by_name, used: BTreeSet::new(), resolved: BTreeMap::new(), reader }
    }

    /// The price that a charge names or has in place, at the charge's terms. Without those (their absence has an error of
    /// its own) the price is still checked.
    pub(super) fn of_charge(&mut self, item: &Item<'_>, terms: Option<&Terms<'_>>) -> Option<ChargePrice> {
        let report = item.report();
        if item.is_table() {
            let source = self.reader.read(item.table()?)?;
            let versions = match terms {
                Some(terms) => source.resolve(terms, report)?,
                None => {
                    let _ = source.resolve(&source.own_terms(), report);
                    return None;
                }
            };
            return Some(source.for_charge(None, versions));
        }
        let source = self.by_name.find(item, "price")?;
        let name = item.text()?;
        if !self.used.contains(name) {
            self.used.insert(name.to_owned());
        }
        let terms = terms?;
        let key = source.resolution(name, terms);
        let versions = self.resolved.entry(key).or_insert_with(|| source.resolve(terms, report)).clone()?;
        Some(source.for_charge(Some(name.to_owned()), versions))
    }

    /// Checks the prices that no charge brought to a scale; returns those that no charge uses.
    pub(super) fn check_unused(&self, report: &Report) -> Vec<Mark> {
        let resolved: BTreeSet<&str> = self.resolved.keys().map(|key| key.name.as_str()).collect();
        let mut unused = Vec::new();
        for (name, source) in self.by_name.iter() {
            if !resolved.contains(name) {
                let _ = source.resolve(&source.own_terms(), report);
            }
            if !self.used.contains(name) {
                unused.push(source.mark.clone());
            }
        }
        unused
    }
}

impl PriceSource {
    fn for_charge(&self, name: Option<String>, versions: Vec<PriceVersion>) -> ChargePrice {
        let marks = self.versions.iter().map(|version| version.price.mark.clone()).collect();
        let currencies = self.versions.iter().filter_map(|version| version.currency.clone()).collect();
        ChargePrice { versions, name, marks, makeup: Rc::clone(&self.makeup), currencies }
    }

    fn resolution(&self, name: &str, terms: &Terms<'_>) -> Resolution {
        let by_dimension = self.makeup.iter().any(|makeup| makeup.has_matrix);
        let dimensions = if by_dimension { terms.dimensions.unwrap_or_default() } else { &[] };
        let dimension = |dimension: &Dimension| (dimension.name.clone(), dimension.slot);
        let resource = |(name, scale): &(String, crate::number::Scale)| (name.clone(), scale.decimals());
        Resolution {
            name: name.to_owned(),
            scale: terms.scale.decimals(),
            unit: terms.unit,
            dimensions: dimensions.iter().map(dimension).collect(),
            resources: terms.resources.iter().flatten().map(resource).collect(),
        }
    }
}

/// A quantity above 0.
pub(super) fn positive(item: &Item<'_>) -> Option<Literal> {
    let decimal = item.decimal()?;
    if decimal.mantissa <= 0 {
        item.error(format!("must be above 0, not {decimal}"), "");
        return None;
    }
    Some(Literal { decimal, mark: item.mark() })
}

fn unit_amount(item: &Item<'_>) -> Option<UnitAmount> {
    let decimal = item.decimal()?;
    UnitAmount::from_decimal(decimal).map_err(|error| item.error(amount_reason(decimal, error), "")).ok()
}

/// An amount of the price's currency.
pub(super) fn amount(item: &Item<'_>) -> Option<Amount> {
    let decimal = item.decimal()?;
    Amount::from_decimal(decimal).map_err(|error| item.error(amount_reason(decimal, error), "")).ok()
}

/// Why a decimal is no amount.
fn amount_reason(decimal: Decimal, error: DecimalError) -> String {
    match error {
        DecimalError::TooFine(_) => format!("{decimal} is finer than the 18 decimals of amounts"),
        DecimalError::TooLong | DecimalError::Malformed => format!("{decimal} is not below 10^20"),
    }
}
