//! Charges of one plan that charge the same events.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::super::load::Places;
use super::super::{Catalog, Charge, ChargeIdx, FilterTerm, Meter, MeterIdx, Plan};
use super::Warner;

/// A charge and its place in the catalog.
type Placed<'c> = (ChargeIdx, &'c Charge);

pub(super) fn lint(catalog: &Catalog, places: &Places, warner: &Warner<'_>) {
    for plan in catalog.plans.iter().filter(|plan| plan.variant_of.is_none()) {
        for (meter, charges) in by_meter(plan, catalog) {
            let Some(meter) = catalog.meters.get(meter.at()) else { continue };
            for ((index, _), (_, other)) in overlaps(&charges, meter) {
                let Some(Some(place)) = places.charges.get(index.at()) else { continue };
                let reason =
                    format!("passes events of meter {:?} that charge {:?} charges as well", meter.name, other.name);
                warner.warn(place.at("filter"), reason, "filter one of them, or ignore this if both are meant");
            }
        }
    }
}

/// A plan's charges of one meter, in their order.
fn by_meter<'c>(plan: &Plan, catalog: &'c Catalog) -> BTreeMap<MeterIdx, Vec<Placed<'c>>> {
    let mut charges: BTreeMap<MeterIdx, Vec<Placed<'c>>> = BTreeMap::new();
    for index in &plan.charges {
        if let Some(charge) = catalog.charges.get(index.at()).filter(|charge| charge.further.is_empty()) {
            charges.entry(charge.meter).or_default().push((*index, charge));
        }
    }
    charges
}

/// Each charge with the first one before it that overlaps. Only charges that agree in the dimension that tells most of them
/// apart are compared.
fn overlaps<'c>(charges: &[Placed<'c>], meter: &Meter) -> Vec<(Placed<'c>, Placed<'c>)> {
    let pivot = most_telling_slot(charges);
    let mut found = Vec::new();
    let mut by_value: HashMap<&str, Vec<Placed<'c>>> = HashMap::new();
    let mut unfiltered: Vec<Placed<'c>> = Vec::new();
    for (position, placed) in charges.iter().enumerate() {
        let values = placed.1.filter.iter().find(|term| Some(term.slot) == pivot).map(|term| &term.values);
        let first = |before: &[Placed<'c>]| before.iter().find(|other| overlap(placed.1, other.1, meter)).copied();
        let overlapping = match values {
            Some(values) => {
                let same = values.iter().filter_map(|value| by_value.get(value.as_str()));
                same.chain([&unfiltered]).filter_map(|before| first(before)).min_by_key(|(index, _)| *index)
            }
            None => first(charges.get(..position).unwrap_or_default()),
        };
        found.extend(overlapping.map(|other| (*placed, other)));
        match values {
            Some(values) => values.iter().for_each(|value| by_value.entry(value).or_default().push(*placed)),
            None => unfiltered.push(*placed),
        }
    }
    found
}

fn most_telling_slot(charges: &[Placed<'_>]) -> Option<u16> {
    let mut values: BTreeMap<u16, BTreeSet<&str>> = BTreeMap::new();
    for term in charges.iter().flat_map(|(_, charge)| &charge.filter) {
        values.entry(term.slot).or_default().extend(term.values.iter().map(String::as_str));
    }
    values.into_iter().max_by_key(|(_, values)| values.len()).map(|(slot, _)| slot)
}

/// Whether some event passes both charges' filters.
fn overlap(a: &Charge, b: &Charge, meter: &Meter) -> bool {
    let terms = |slot: u16| {
        let all = a.filter.iter().chain(&b.filter).chain(&meter.filter);
        all.filter(move |term| term.slot == slot).collect::<Vec<&FilterTerm>>()
    };
    a.filter.iter().chain(&b.filter).all(|term| {
        let others = terms(term.slot);
        term.values.iter().any(|value| others.iter().all(|other| other.values.contains(value)))
    })
}
