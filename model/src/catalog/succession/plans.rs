//! A plan's periods and fees stay; charges may be added to a plan that nobody has yet.

use std::collections::BTreeSet;

use super::numbers::{charge_key, plan_key};
use super::{Pair, Refusals};
use crate::catalog::{Catalog, Plan, PlanIdx};
use crate::time::Instant;

pub(super) fn check(pair: Pair<'_>, refusals: &mut Refusals) {
    let Pair { before, after, not_before } = pair;
    let taken = taken(before, not_before);
    for ((plan, later), number) in before.plans.iter().zip(&after.plans).zip(0_u32..) {
        check_plan(plan_key(before, plan), plan, later, refusals);
        if !taken.contains(&PlanIdx(number)) {
            continue;
        }
        let added = later.charges.iter().filter(|charge| charge.at() >= before.charges.len());
        for charge in added.filter_map(|charge| after.charges.get(charge.at())) {
            let reason = "is new in a plan that customers have, and would charge for what they used before";
            let fix = "put it into a new plan, and let customers change to that";
            refusals.refuse(charge_key(after, charge), reason, fix);
        }
    }
}

/// The plans that somebody may have had by an instant.
fn taken(catalog: &Catalog, by: Instant) -> BTreeSet<PlanIdx> {
    let begun = |customer: &crate::catalog::Customer| {
        let changes: Vec<PlanIdx> =
            customer.changes.iter().filter(|change| change.effective_at < by).map(|change| change.plan).collect();
        customer.plan.into_iter().chain(changes)
    };
    catalog.customers.iter().flat_map(begun).chain(catalog.default_plan).collect()
}

fn check_plan(key: String, before: &Plan, after: &Plan, refusals: &mut Refusals) {
    let Plan {
        // By these the two were found to be the same.
        name: _,
        variant_of: _,
        currency,
        cycle,
        anchor,
        fees,
        proration,
        // They cost nothing.
        thresholds: _,
        // None is gone, and each has a check of its own.
        charges: _,
    } = before;
    let fix = "keep it, make a new plan, and let customers change to that";
    let of = |part: &str| format!("{key}.{part}");
    let periods = "periods that are open or billed would have other bounds";
    refusals.same((of("cycle"), cycle, &after.cycle), periods, fix);
    refusals.same((of("anchor"), anchor, &after.anchor), periods, fix);
    refusals.same((of("currency"), currency, &after.currency), "what is rated already is in the other currency", fix);
    let fees_owed = "periods that are open or billed would owe other fees";
    refusals.same((of("fees"), fees, &after.fees), fees_owed, fix);
    refusals.same((of("proration"), proration, &after.proration), fees_owed, fix);
}
