//! What is legal in a catalog but probably not meant: warnings, never errors.
//!
//! Owns: which combinations deserve a second look. Does not own: legality (see [`load`](super::load())).

use std::collections::BTreeSet;

use super::load::{ChargePlace, Places};
use super::toml_reader::{Mark, Report};
use super::{Catalog, Charge, FilterTerm, Meter};
use crate::number::{Amount, Exact, Quantity, UnitAmount};
use crate::price::{Matrix, Price, Tiers, Volume};

use super::Severity::Warning;

/// Reports what looks like a mistake in a catalog without errors.
pub(super) fn lint(catalog: &Catalog, places: &Places, report: &Report) {
    let warn = |mark: &Mark, reason: String, fix: &str| report.push(mark.problem(Warning, reason, fix));
    lint_meters(catalog, places, &warn);
    for mark in &places.unused_prices {
        warn(mark, "no charge uses this price".to_owned(), "use it in a charge, or delete it");
    }
    lint_plans(catalog, places, &warn);
    for (customer, mark) in catalog.customers.iter().zip(&places.customers) {
        if customer.plan.is_none() {
            warn(mark, "has no plan, so that its usage is unpriced".to_owned(), "add plan = \"...\"");
        }
    }
    // A named price is the same one wherever it is used, as long as the scale is.
    let mut seen = BTreeSet::new();
    for (charge, place) in catalog.charges.iter().zip(&places.charges) {
        let Some(meter) = catalog.meters.get(charge.meter.at()) else { continue };
        lint_filters(charge, meter, place, &warn);
        let name = charge.price_name.as_deref().unwrap_or_default();
        if name.is_empty() || seen.insert((name, charge.meter)) {
            lint_price(charge, meter, &place.price, &warn);
        }
    }
}

type Warn<'w> = dyn Fn(&Mark, String, &str) + 'w;

fn lint_meters(catalog: &Catalog, places: &Places, warn: &Warn<'_>) {
    let charged: BTreeSet<_> = catalog.charges.iter().map(|charge| charge.meter).collect();
    for ((meter, mark), index) in catalog.meters.iter().zip(&places.meters).zip(0_u32..) {
        if !charged.contains(&super::MeterIdx(index)) {
            warn(mark, "no charge uses this meter".to_owned(), "charge for it in a plan, or delete it");
        }
        lint_terms(&meter.filter, mark, warn);
    }
}

fn lint_plans(catalog: &Catalog, places: &Places, warn: &Warn<'_>) {
    let mut used: BTreeSet<&str> = BTreeSet::new();
    for index in catalog.customers.iter().filter_map(|customer| customer.plan).chain(catalog.default_plan) {
        used.extend(catalog.plans.get(index.at()).map(|plan| plan.name.as_str()));
    }
    for (plan, mark) in catalog.plans.iter().zip(&places.plans) {
        if !used.contains(plan.name.as_str()) {
            let fix = "give it to a customer, make it the default, or delete it";
            warn(mark, "no customer has this plan, and it is not the default".to_owned(), fix);
        }
        if plan.charges.is_empty() && plan.fees.is_empty() {
            warn(mark, "charges for nothing".to_owned(), "add charges or fees");
        }
    }
}

fn lint_terms(terms: &[FilterTerm], mark: &Mark, warn: &Warn<'_>) {
    for term in terms {
        let mut seen = BTreeSet::new();
        if let Some(twice) = term.values.iter().find(|value| !seen.insert(value.as_str())) {
            warn(mark, format!("the filter allows {twice:?} twice"), "name each value once");
        }
    }
}

fn lint_filters(charge: &Charge, meter: &Meter, place: &ChargePlace, warn: &Warn<'_>) {
    lint_terms(&charge.filter, &place.charge, warn);
    for term in &charge.filter {
        let measured = meter.filter.iter().filter(|measured| measured.slot == term.slot);
        for measured in measured {
            if !term.values.iter().any(|value| measured.values.contains(value)) {
                let reason = format!("no event passes both this filter and that of meter {:?}", meter.name);
                warn(&place.charge, reason, "the two have no value in common");
            }
        }
    }
}

fn lint_price(charge: &Charge, meter: &Meter, mark: &Mark, warn: &Warn<'_>) {
    if is_free(&*charge.versions[0].price) {
        warn(mark, "is zero everywhere".to_owned(), "if usage is meant to be free, ignore this");
    }
    if goes_below_zero(&*charge.versions[0].price) {
        warn(mark, "has an amount below zero, which pays the customer".to_owned(), "check the sign");
    }
    if let Price::Matrix(matrix) = &*charge.versions[0].price {
        lint_matrix(matrix, charge, meter, (mark, warn));
        let mut volumes = leaves(&*charge.versions[0].price).filter_map(cliff);
        if let Some(cliff) = volumes.next() {
            let reason = format!("a cell has a price cliff: {}", cliff.describe(meter));
            warn(mark, reason, "use a graduated price, or ignore this if it is meant");
        }
        return;
    }
    if let Some(cliff) = cliff(&*charge.versions[0].price) {
        let reason = format!("has a price cliff: {}", cliff.describe(meter));
        warn(mark, reason, "use a graduated price, or ignore this if it is meant");
    }
    if let Some(number) = tiers(&*charge.versions[0].price).and_then(|tiers| same_as_before(tiers, &*charge.versions[0].price)) {
        let before = number.saturating_sub(1);
        let reason = format!("tiers {before} and {number} cannot be told apart: they cost the same");
        warn(mark, reason, "make them one tier");
    }
}

fn lint_matrix(matrix: &Matrix, charge: &Charge, meter: &Meter, (mark, warn): (&Mark, &Warn<'_>)) {
    if matrix.otherwise().is_none() {
        let reason = "has no `otherwise`: usage in any other combination is unpriced".to_owned();
        warn(mark, reason, "add otherwise = { model = ... }, or ignore this if it is meant");
    }
    let mut allowed: Vec<(usize, BTreeSet<&str>)> = Vec::new();
    for (position, dimension) in matrix.dimensions.iter().enumerate() {
        let terms = charge.filter.iter().chain(&meter.filter).filter(|term| term.slot == dimension.slot);
        allowed.extend(terms.map(|term| (position, term.values.iter().map(String::as_str).collect())));
    }
    let excluded = |when: &[String]| {
        allowed
            .iter()
            .any(|(position, values)| when.get(*position).is_some_and(|value| !values.contains(value.as_str())))
    };
    let mut unreachable = matrix.entries().iter().filter(|cell| excluded(&cell.when));
    if let Some(first) = unreachable.next() {
        let more = unreachable.count();
        let others = if more == 0 { String::new() } else { format!(" and {more} more") };
        let reason =
            format!("the filters of charge {:?} never reach cell ({}){others}", charge.name, first.when.join(", "));
        warn(mark, reason, "delete the cell, or widen the filter");
    }
}

/// A price's parts: itself, or a matrix's cells and `otherwise`.
fn leaves(price: &Price) -> impl Iterator<Item = &Price> {
    price.leaves().into_iter()
}

fn tiers(price: &Price) -> Option<&Tiers> {
    match price {
        Price::Graduated(price) => Some(&price.tiers),
        Price::Volume(price) => Some(&price.tiers),
        _ => None,
    }
}

/// Unit amounts and flat amounts of a part of a price.
fn amounts(price: &Price) -> Vec<(UnitAmount, Amount)> {
    match price {
        Price::Unit(price) => vec![(price.unit_amount, Amount::ZERO)],
        Price::Package(price) => vec![(price.amount, Amount::ZERO)],
        Price::Dynamic(price) => vec![(price.multiplier, Amount::ZERO)],
        Price::Graduated(_) | Price::Volume(_) => {
            let tiers = tiers(price).map(Tiers::as_slice).unwrap_or_default();
            tiers.iter().map(|tier| (tier.unit_amount, tier.flat_amount)).collect()
        }
        _ => Vec::new(),
    }
}

fn is_free(price: &Price) -> bool {
    leaves(price).flat_map(amounts).all(|pair| pair == (UnitAmount::ZERO, Amount::ZERO))
}

fn goes_below_zero(price: &Price) -> bool {
    leaves(price).flat_map(amounts).any(|(unit, flat)| unit < UnitAmount::ZERO || flat < Amount::ZERO)
}

/// Where a volume price makes more usage cost less.
struct Cliff {
    up_to: Quantity,
    below: Amount,
    above: Amount,
}

impl Cliff {
    fn describe(&self, meter: &Meter) -> String {
        let up_to = self.up_to.to_text(meter.scale);
        format!("{up_to} cost {}, a little more cost {}", self.below, self.above)
    }
}

fn cliff(price: &Price) -> Option<Cliff> {
    let Price::Volume(price) = price else { return None };
    price.tiers.as_slice().iter().filter_map(|tier| tier.up_to).find_map(|up_to| cliff_at(price, up_to))
}

fn cliff_at(price: &Volume, up_to: Quantity) -> Option<Cliff> {
    let following = up_to.checked_add(Quantity::from_scaled(1)).ok()?;
    let below = price.exact(up_to).and_then(Exact::round).ok()?;
    let above = price.exact(following).and_then(Exact::round).ok()?;
    (above < below).then_some(Cliff { up_to, below, above })
}

/// The number, from 1, of a tier that costs what the one before it does.
fn same_as_before(tiers: &Tiers, price: &Price) -> Option<usize> {
    let pairs = tiers.as_slice().iter().zip(tiers.as_slice().iter().skip(1));
    let same = pairs.zip(2_usize..).find(|((before, tier), _)| {
        let rates = (before.unit_amount, before.per) == (tier.unit_amount, tier.per);
        let flats = match price {
            // A flat amount is owed again in each tier that is entered, and blocks begin anew in each.
            Price::Graduated(_) => tier.flat_amount == Amount::ZERO && tier.per.is_none(),
            _ => before.flat_amount == tier.flat_amount,
        };
        rates && flats
    });
    same.map(|(_, number)| number)
}
