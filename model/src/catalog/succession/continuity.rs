//! Where customers changed from one plan to another, usage goes on in the same buckets and series, or it does not: that is
//! decided by comparing both plans' charges, and must be decided as before.

use std::collections::{BTreeSet, HashMap};

use super::numbers::charge_key;
use super::{Pair, Refusals};
use crate::catalog::{Catalog, Charge, ChargeIdx, PlanIdx};

pub(super) fn check(pair: Pair<'_>, refusals: &mut Refusals) {
    let Pair { before, after, .. } = pair;
    for (earlier, later) in changes(pair) {
        let named: HashMap<&str, ChargeIdx> =
            charges(before, earlier).map(|(number, charge)| (charge.name.as_str(), number)).collect();
        for (number, charge) in charges(before, later) {
            let Some(first) = named.get(charge.name.as_str()) else { continue };
            let decides = |catalog: &Catalog| {
                let (first, charge) = (catalog.charges.get(first.at())?, catalog.charges.get(number.at())?);
                Some((charge.continues(first), charge.shares_series(first)))
            };
            if decides(before) != decides(after) {
                let other = before.charges.get(first.at()).map_or_else(String::new, |first| charge_key(before, first));
                let reason = format!(
                    "is no longer to {other} what it was, and customers who changed from one to the other have usage that goes on in both"
                );
                let fix = "give both the same new version, or make a new plan with the other price";
                refusals.refuse(format!("{}.price", charge_key(before, charge)), reason, fix);
            }
        }
    }
}

/// Pairs of plans of which some customer may have changed from the one to the other already.
fn changes(Pair { before, not_before, .. }: Pair<'_>) -> BTreeSet<(PlanIdx, PlanIdx)> {
    let mut pairs = BTreeSet::new();
    for customer in &before.customers {
        let mut plan = customer.plan;
        for change in customer.changes.iter().take_while(|change| change.effective_at < not_before) {
            pairs.extend(plan.map(|plan| (plan, change.plan)));
            plan = Some(change.plan);
        }
    }
    pairs
}

fn charges(catalog: &Catalog, plan: PlanIdx) -> impl Iterator<Item = (ChargeIdx, &Charge)> {
    let numbers = catalog.plans.get(plan.at()).map_or(&[][..], |plan| plan.charges.as_slice());
    numbers.iter().filter_map(|number| Some((*number, catalog.charges.get(number.at())?)))
}
