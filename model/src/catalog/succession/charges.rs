//! A charge goes on as it is; its price may have further versions.

use super::numbers::charge_key;
use super::{Pair, Refusals};
use crate::catalog::Charge;

pub(super) fn check(pair: Pair<'_>, refusals: &mut Refusals) {
    for (charge, later) in pair.before.charges.iter().zip(&pair.after.charges) {
        check_charge(pair, charge, later, refusals);
    }
}

fn check_charge(pair: Pair<'_>, before: &Charge, after: &Charge, refusals: &mut Refusals) {
    let Charge {
        // By these the two were found to be the same; the hash is theirs.
        name: _,
        hash: _,
        plan: _,
        meter,
        further,
        versions: _,
        // The same price may get a name or lose it.
        price_name: _,
        filter,
        group_by,
        conversion,
        allowance,
        round,
        discount,
        minimum,
        maximum,
        below_zero,
        pool,
        late_policy,
    } = before;
    let key = charge_key(pair.before, before);
    let of = |part: &str| format!("{key}.{part}");
    let counts = "usage that is rated already would count differently";
    let costs = "usage that is rated already would cost something else";
    let bills = "periods that are open or billed would come to something else";
    let fix = "keep it, make a new plan with the other charge, and let customers change to that";
    refusals.same((of("meter"), &(meter, further_meters(before)), &(&after.meter, further_meters(after))), counts, fix);
    refusals.same((of("filter"), filter, &after.filter), counts, fix);
    refusals.same((of("group_by"), group_by, &after.group_by), counts, fix);
    let selects_alike = filter == &after.filter && group_by == &after.group_by;
    if further != &after.further && selects_alike && further_meters(before) == further_meters(after) {
        refusals.refuse(of("meters"), counts, fix);
    }
    refusals.same((of("conversion"), conversion, &after.conversion), costs, fix);
    refusals.same((of("allowance"), allowance, &after.allowance), costs, fix);
    refusals.same((of("round"), round, &after.round), costs, fix);
    refusals.same((of("allow_negative"), below_zero, &after.below_zero), costs, fix);
    refusals.same((of("pool"), pool, &after.pool), costs, fix);
    refusals.same((of("discount"), discount, &after.discount), bills, fix);
    refusals.same((of("minimum"), minimum, &after.minimum), bills, fix);
    refusals.same((of("maximum"), maximum, &after.maximum), bills, fix);
    let late = "what is late for a sealed period would be treated differently from what was late before";
    refusals.same((of("late_policy"), late_policy, &after.late_policy), late, fix);
    check_versions(pair, &key, (before, after), refusals);
}

fn further_meters(charge: &Charge) -> Vec<crate::catalog::MeterIdx> {
    charge.further.iter().map(|further| further.meter).collect()
}

/// What was said of prices stays said; what is new takes effect from now on.
fn check_versions(pair: Pair<'_>, key: &str, (before, after): (&Charge, &Charge), refusals: &mut Refusals) {
    let key = format!("{key}.price");
    let known = before.versions.len();
    if after.versions.get(..known) != Some(before.versions.as_slice()) {
        let reason = "is not the price that usage is rated by, or was announced for later";
        let fix = "keep the price and its `versions`, and add a version behind them with an `effective_at` to come";
        refusals.refuse(key, reason, fix);
        return;
    }
    for version in after.versions.iter().skip(known) {
        if version.effective_at.is_none_or(|at| at < pair.not_before) {
            let at = version.effective_at.map_or_else(String::new, |at| format!(" {at}"));
            let reason = format!("has a new version whose effective_at{at} is past");
            let fix =
                format!("let it take effect at {} or later; what is past can be rated again apart", pair.not_before);
            refusals.refuse(key.clone(), reason, fix);
        }
    }
}
