//! `[customers.*.overrides]`: a customer's own prices. Each plan with a charge of that name gets a variant.

use std::collections::{BTreeMap, BTreeSet};

use super::super::toml_reader::Item;
use super::super::{Charge, Customer, CustomerIdx, Plan, PlanIdx};
use super::charges::{self, PlanOf};
use super::meters::Meters;
use super::next_index;
use super::plans::Plans;
use super::prices::Prices;

/// Gives a customer variants of its plans, as far as they have charges that `item` names.
pub(super) fn apply(
    item: &Item<'_>,
    (index, customer): (CustomerIdx, &mut Customer),
    plans: &mut Plans,
    meters: &Meters,
    prices: &mut Prices<'_>,
) {
    let Some(entries) = item.table().map(|table| table.entries()) else { return };
    let own: BTreeSet<PlanIdx> =
        customer.plan.into_iter().chain(customer.changes.iter().map(|change| change.plan)).collect();
    check_names(&entries, &own, plans);
    let mut variants: BTreeMap<PlanIdx, PlanIdx> = BTreeMap::new();
    for base in own {
        if let Some(variant) = variant((index, base), &entries, plans, meters, prices) {
            variants.insert(base, variant);
        }
    }
    let varied = |plan: &mut PlanIdx| *plan = variants.get(plan).copied().unwrap_or(*plan);
    customer.plan.iter_mut().for_each(varied);
    customer.changes.iter_mut().map(|change| &mut change.plan).for_each(varied);
}

/// Every name must be that of a charge of some plan.
fn check_names(entries: &[(&str, Item<'_>)], own: &BTreeSet<PlanIdx>, plans: &Plans) {
    for (name, item) in entries {
        let mut known =
            own.iter().filter_map(|plan| Some((plans.list.get(plan.at())?, plans.charge_names.get(plan.at())?)));
        let first = known.clone().next();
        if known.any(|(_, names)| names.is_declared(name)) {
            continue;
        }
        match first {
            Some((plan, names)) if own.len() == 1 => {
                item.error(format!("plan {:?} has no charge {name:?}", plan.name), names.like(name));
            }
            Some(_) => item.error(format!("no plan of the customer has a charge {name:?}"), "leave it out"),
            None => item.error("the customer has no plan whose prices could be its own", "add plan = \"...\""),
        }
    }
}

/// Appends the customer's variant of a plan: the same name and charges, some at other prices. `None` if no price differs.
fn variant(
    (customer, base): (CustomerIdx, PlanIdx),
    entries: &[(&str, Item<'_>)],
    plans: &mut Plans,
    meters: &Meters,
    prices: &mut Prices<'_>,
) -> Option<PlanIdx> {
    let plan = plans.list.get(base.at())?.clone();
    let index = PlanIdx(next_index(&plans.list));
    let plan_of = PlanOf { index, name: &plan.name, currency: Some(plan.currency), cycle: Some(plan.cycle) };
    let mut replaced = BTreeMap::new();
    for (name, item) in entries {
        let charge = plans.charge_names.get(base.at())?.get(name);
        let Some(charge) = charge.and_then(|charge| plans.charges.get(charge.at())) else { continue };
        if let Some(other) = charges::read_override(item, &plan_of, charge, meters, prices) {
            replaced.insert(*name, other);
        }
    }
    if replaced.is_empty() {
        return None;
    }
    let mut own = Vec::with_capacity(plan.charges.len());
    for charge in &plan.charges {
        let charge: &Charge = plans.charges.get(charge.at())?;
        let (charge, place) = match replaced.remove(charge.name.as_str()) {
            Some((charge, place)) => (charge, Some(place)),
            None => (Charge { plan: index, ..charge.clone() }, None),
        };
        own.push(plans.push_charge(charge, place));
    }
    plans.list.push(Plan { variant_of: Some(customer), charges: own, ..plan });
    Some(index)
}
