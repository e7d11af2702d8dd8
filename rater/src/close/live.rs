//! Customers' periods as they stand, between two records: for whoever asks while usage flows.

use std::collections::BTreeSet;
use std::sync::Arc;

use weir_model::catalog::{CustomerIdx, PlanIdx};
use weir_model::hash::RouteHash;
use weir_model::number::Overflow;
use weir_model::rated::CustomerPeriod;
use weir_model::time::Instant;

use super::merge::Customers;
use super::{Close, Identity, Settled, order};
use crate::plan::{Owner, RatingPlan};
use crate::shard::Shard;

/// The periods in which a customer has usage, in order, its parts in several shards merged exactly. What others of its account
/// share with it (pools) is not looked at before a close, nor what is owed without usage.
pub fn live(shards: &[Shard], plan: &Arc<RatingPlan>, customer: &str) -> Result<Vec<CustomerPeriod>, Overflow> {
    let declared = (0_u32..).zip(&plan.catalog().customers).find(|(_, declared)| declared.id == customer);
    let identity = match declared {
        Some((number, _)) => Identity::Declared(CustomerIdx(number)),
        None => Identity::Itself(plan.key().route(customer.as_bytes())),
    };
    of_identities(shards, plan, BTreeSet::from([identity]))
}

/// The same of everybody to whom one of these subjects belongs and who has, at some time, a plan that is `wanted`.
pub fn live_of(
    shards: &[Shard],
    plan: &Arc<RatingPlan>,
    subjects: &BTreeSet<RouteHash>,
    wanted: impl Fn(PlanIdx) -> bool,
) -> Result<Vec<CustomerPeriod>, Overflow> {
    let identity = |subject: &RouteHash| {
        let owner = plan.owner(*subject);
        let identity = match owner {
            Owner::Declared(customer) => Identity::Declared(customer),
            Owner::Itself => Identity::Itself(*subject),
            Owner::Nobody(_) => return None,
        };
        plan.segments(owner).iter().any(|segment| wanted(segment.plan)).then_some(identity)
    };
    of_identities(shards, plan, subjects.iter().filter_map(identity).collect())
}

fn of_identities(
    shards: &[Shard],
    plan: &Arc<RatingPlan>,
    identities: BTreeSet<Identity>,
) -> Result<Vec<CustomerPeriod>, Overflow> {
    if identities.is_empty() {
        return Ok(Vec::new());
    }
    let mut customers = Customers::collect(shards, |other| identities.contains(&other));
    let through = shards.first().and_then(Shard::sealed_through).unwrap_or(Instant::from_micros(i64::MIN));
    let close = Close {
        shards,
        plan: Arc::clone(plan),
        through,
        spread: identities,
        merged: Vec::new(),
        settlements: Vec::new(),
        settled: Settled::new(),
    };
    let mut periods = customers.merge(&close)?;
    periods.sort_by(order);
    Ok(periods)
}
