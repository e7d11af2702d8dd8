//! What is legal in a catalog but probably not meant: warnings, never errors.
//!
//! Owns: which combinations deserve a second look. Does not own: legality (see [`load`](super::load())). Takes time in
//! proportion to the catalog: every price is looked at once, however many charges have it.

mod charge;
mod overlap;
mod price;
mod reach;
mod schedule;
mod versions;

use std::collections::{BTreeSet, HashMap};

use super::load::Places;
use super::toml_reader::{Mark, Report};
use super::{Catalog, Charge, FilterTerm, Meter, MeterIdx};

use super::Severity::Warning;

/// Reports what looks like a mistake in a catalog without errors.
pub(super) fn lint(catalog: &Catalog, places: &Places, report: &Report) {
    let warner = Warner { report };
    lint_meters(catalog, places, &warner);
    for mark in &places.unused_prices {
        warner.warn(mark, "no charge uses this price", "use it in a charge, or delete it");
    }
    lint_plans(catalog, places, &warner);
    for (customer, mark) in catalog.customers.iter().zip(&places.customers) {
        if customer.plan.is_none() {
            warner.warn(mark, "has no plan, so that its usage is unpriced", "add plan = \"...\"");
        }
    }
    for (charge, place) in catalog.charges.iter().zip(&places.charges) {
        if let (Some(place), Some(meter)) = (place, catalog.meters.get(charge.meter.at())) {
            charge::lint(charge, meter, place, &warner);
        }
    }
    overlap::lint(catalog, places, &warner);
    versions::lint(catalog, places, &warner);
    for priced in priced(catalog, places) {
        price::lint(&priced, catalog, &warner);
        reach::lint(&priced, &warner);
        schedule::lint(&priced, &warner);
    }
}

/// Where warnings go.
struct Warner<'r> {
    report: &'r Report,
}

impl Warner<'_> {
    fn warn(&self, mark: &Mark, reason: impl Into<String>, fix: &str) {
        self.report.push(mark.problem(Warning, reason, fix));
    }
}

/// A price as it is written once, and the charges that have it.
struct Priced<'c> {
    /// By version.
    marks: &'c [Mark],
    /// The charges, each with its meter: at least one.
    uses: Vec<(&'c Charge, &'c Meter)>,
}

/// The prices that charges have, in the order of their first use.
fn priced<'c>(catalog: &'c Catalog, places: &'c Places) -> Vec<Priced<'c>> {
    #[derive(PartialEq, Eq, Hash)]
    enum Key<'c> {
        Name(&'c str),
        InPlace(usize),
    }
    let mut positions: HashMap<Key<'_>, usize> = HashMap::new();
    let mut prices: Vec<Priced<'c>> = Vec::new();
    for (charge, place) in catalog.charges.iter().zip(&places.charges) {
        // A variant's unchanged charge is one that has been looked at.
        let (Some(place), Some(meter)) = (place, catalog.meters.get(charge.meter.at())) else { continue };
        let key = charge.price_name.as_deref().map_or_else(|| Key::InPlace(prices.len()), Key::Name);
        let position = *positions.entry(key).or_insert(prices.len());
        match prices.get_mut(position) {
            Some(priced) => priced.uses.push((charge, meter)),
            None => prices.push(Priced { marks: &place.versions, uses: vec![(charge, meter)] }),
        }
    }
    prices
}

fn lint_meters(catalog: &Catalog, places: &Places, warner: &Warner<'_>) {
    let further = |charge: &Charge| charge.further.iter().map(|further| further.meter).collect::<Vec<_>>();
    let charged: BTreeSet<MeterIdx> =
        catalog.charges.iter().flat_map(|charge| further(charge).into_iter().chain([charge.meter])).collect();
    for ((meter, mark), index) in catalog.meters.iter().zip(&places.meters).zip(0_u32..) {
        if !charged.contains(&MeterIdx(index)) {
            warner.warn(mark, "no charge uses this meter", "charge for it in a plan, or delete it");
        }
        if let crate::aggregation::Aggregation::Readings(readings) = meter.aggregation
            && readings.decrease == crate::aggregation::Decrease::Nothing
        {
            let reason = "says nothing of a reading below the one before, which then counts as no usage";
            warner.warn(mark, reason, "add wrap_at = 100_000 (what the counter wraps at), or reset = true");
        }
        lint_terms(&meter.filter, mark, warner);
    }
}

fn lint_plans(catalog: &Catalog, places: &Places, warner: &Warner<'_>) {
    let mut used: BTreeSet<&str> = BTreeSet::new();
    let changed = catalog.customers.iter().flat_map(|customer| &customer.changes).map(|change| change.plan);
    let first = catalog.customers.iter().filter_map(|customer| customer.plan);
    for index in first.chain(changed).chain(catalog.default_plan) {
        used.extend(catalog.plans.get(index.at()).map(|plan| plan.name.as_str()));
    }
    for (plan, mark) in catalog.plans.iter().zip(&places.plans) {
        if !used.contains(plan.name.as_str()) {
            let fix = "give it to a customer, make it the default, or delete it";
            warner.warn(mark, "no customer has this plan, and it is not the default", fix);
        }
        if plan.charges.is_empty() && plan.fees.is_empty() {
            warner.warn(mark, "charges for nothing", "add charges or fees");
        }
    }
}

fn lint_terms(terms: &[FilterTerm], mark: &Mark, warner: &Warner<'_>) {
    for term in terms {
        let mut seen = BTreeSet::new();
        if let Some(twice) = term.values.iter().find(|value| !seen.insert(value.as_str())) {
            warner.warn(mark, format!("the filter allows {twice:?} twice"), "name each value once");
        }
    }
}
