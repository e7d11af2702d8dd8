//! Price versions that no period begins under.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;

use super::super::load::Places;
use super::super::{Catalog, Charge, MidPeriod};
use super::Warner;
use crate::calendar::{Anchor, Periods};
use crate::time::Instant;

pub(super) fn lint(catalog: &Catalog, places: &Places, warner: &Warner<'_>) {
    if catalog.charges.iter().all(|charge| charge.versions.len() < 3) {
        // The last version stays: it takes only two later ones for one to be skipped.
        return;
    }
    let zones = zones_by_plan(catalog);
    for (charge, place) in catalog.charges.iter().zip(&places.charges) {
        let Some(plan) = catalog.plans.get(charge.plan.at()) else { continue };
        // Anniversaries may lie anywhere.
        let (Some(place), Anchor::Calendar) = (place, plan.anchor) else { continue };
        let default = BTreeMap::from([(catalog.time_zone.iana_name().unwrap_or_default(), &catalog.time_zone)]);
        let zones = zones.get(plan.name.as_str()).unwrap_or(&default);
        for (position, from, to) in waiting(charge) {
            let begins = |zone: &TimeZone| {
                let periods = Periods::new(plan.cycle, plan.anchor, None, zone.clone());
                let period = periods.period_at(from);
                let next = if period.start == from { from } else { period.end };
                next < to
            };
            if let (false, Some(mark)) = (zones.values().any(|zone| begins(zone)), place.versions.get(position)) {
                let reason = format!(
                    "never takes effect for a whole period: plan {:?} begins none before the version after it takes effect, at {to}",
                    plan.name
                );
                warner.warn(mark, reason, "use mid_period = \"split\", another effective_at, or delete the version");
            }
        }
    }
}

/// The versions that wait for a period and are followed by another: position, from when, until when.
fn waiting(charge: &Charge) -> impl Iterator<Item = (usize, Instant, Instant)> {
    let pairs = charge.versions.iter().zip(charge.versions.iter().skip(1)).enumerate();
    pairs
        .filter(|(_, (version, _))| version.mid_period == MidPeriod::NextPeriod)
        .filter_map(|(position, (version, next))| Some((position, version.effective_at?, next.effective_at?)))
}

type Zones<'c> = BTreeMap<&'c str, &'c TimeZone>;

/// The zones of the customers of each plan, and the catalog's for the default plan.
fn zones_by_plan(catalog: &Catalog) -> BTreeMap<&str, Zones<'_>> {
    let mut zones: BTreeMap<&str, Zones<'_>> = BTreeMap::new();
    let declared = catalog.customers.iter().flat_map(|customer| {
        let zone = catalog.accounts.get(customer.account.at()).map(|account| &account.time_zone);
        let plans = customer.plan.into_iter().chain(customer.changes.iter().map(|change| change.plan));
        plans.map(move |plan| (plan, zone))
    });
    let undeclared = catalog.default_plan.map(|plan| (plan, Some(&catalog.time_zone)));
    for (plan, zone) in declared.chain(undeclared) {
        if let (Some(plan), Some(zone)) = (catalog.plans.get(plan.at()), zone) {
            zones.entry(&plan.name).or_default().insert(zone.iana_name().unwrap_or_default(), zone);
        }
    }
    zones
}
