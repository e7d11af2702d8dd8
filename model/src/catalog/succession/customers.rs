//! Customers go on: what they are called may change at any time, what they pay only from now on, and whose a subject is
//! from now on too.

use jiff::civil::Date;

use super::{Pair, Refusals};
use crate::calendar::{Anchor, Cycle, Periods};
use crate::catalog::{Account, Catalog, Customer, PlanChange, PlanIdx};
use crate::time::Instant;

pub(super) fn check_accounts(Pair { before, after, .. }: Pair<'_>, refusals: &mut Refusals) {
    for (account, later) in before.accounts.iter().zip(&after.accounts) {
        let Account { name, currency, time_zone, parent } = account;
        let key = |key: &str| format!("accounts.{name}.{key}");
        let fix = "keep it, and declare a new account for new customers";
        refusals.same((key("currency"), currency, &later.currency), "its invoices are in the other currency", fix);
        let bounds = "its open and billed periods would have other bounds";
        refusals.same((key("time_zone"), time_zone, &later.time_zone), bounds, fix);
        refusals.same((key("parent"), parent, &later.parent), "what it shares is priced with the other accounts", fix);
    }
}

pub(super) fn check(pair: Pair<'_>, refusals: &mut Refusals) {
    let (known, new) = pair.after.customers.split_at_checked(pair.before.customers.len()).unwrap_or_default();
    for (customer, later) in pair.before.customers.iter().zip(known) {
        check_known(pair, customer, later, refusals);
    }
    for customer in new {
        check_new(pair, customer, refusals);
    }
}

fn check_known(pair: Pair<'_>, before: &Customer, after: &Customer, refusals: &mut Refusals) {
    let Customer {
        id,
        // What documents print, from the next one on.
        name: _,
        address: _,
        tax_id: _,
        locale: _,
        account,
        plan,
        // Usage that is rated stays whose it is; what comes is the new owner's.
        subjects: _,
        starts_on,
        ends_on,
        changes,
    } = before;
    let key = |key: &str| format!("customers.{id}.{key}");
    if account != &after.account {
        let reason = "its open and billed periods belong to the other account";
        refusals.refuse(key("account"), reason, "keep it, and let a new customer claim the subjects");
        return;
    }
    match (*plan, after.plan) {
        (None, None) => {}
        (None, Some(_)) => check_first_plan(pair, after, refusals),
        (plan, later) if plan != later => {
            let (part, reason) = match (plan_name(pair.before, plan), plan_name(pair.after, later)) {
                (a, b) if a == b => ("overrides", "prices of its own would hold for what it used before"),
                _ => ("plan", "is another from the beginning, which would price anew what it used before"),
            };
            let fix = "keep it, and add an entry to `changes` with an `effective_at` to come and the other plan";
            refusals.refuse(key(part), reason, fix);
        }
        _ => {
            let reason = "periods that are open or billed would begin elsewhere";
            refusals.same((key("starts_on"), starts_on, &after.starts_on), reason, "keep it");
            check_end(pair, key("ends_on"), (*ends_on, after), refusals);
            check_changes(pair, key("changes"), (changes, &after.changes), refusals);
        }
    }
}

/// A customer without a plan gets one: from a day on that is to come.
fn check_first_plan(pair: Pair<'_>, after: &Customer, refusals: &mut Refusals) {
    let starts_at = after.starts_on.and_then(|date| first_instant(pair.after, after, date));
    if starts_at.is_none_or(|at| at < pair.not_before) {
        let reason = "gets its first plan, which would price what it used before";
        let fix = format!("let it start on a day to come: starts_on at {} or later", pair.not_before);
        refusals.refuse(format!("customers.{}.starts_on", after.id), reason, fix);
    }
}

/// An end to come may be set, moved and taken back.
fn check_end(pair: Pair<'_>, key: String, (before, after): (Option<Date>, &Customer), refusals: &mut Refusals) {
    if before == after.ends_on {
        return;
    }
    let is_past = |date: Option<Date>| {
        date.and_then(|date| first_instant(pair.after, after, date)).is_some_and(|at| at < pair.not_before)
    };
    if is_past(before) {
        let reason = "has passed: what the customer used since is unpriced";
        refusals.refuse(key, reason, "keep it, and let a new customer claim the subjects");
    } else if is_past(after.ends_on) {
        let reason = "is past, but usage since then is rated already";
        refusals.refuse(key, reason, format!("end on a day that begins at {} or later", pair.not_before));
    }
}

/// Changes that have taken effect stay; those to come may be added, moved and taken back.
fn check_changes(
    pair: Pair<'_>,
    key: String,
    (before, after): (&[PlanChange], &[PlanChange]),
    refusals: &mut Refusals,
) {
    let past = |changes: &[PlanChange]| -> Vec<PlanChange> {
        changes.iter().filter(|change| change.effective_at < pair.not_before).copied().collect()
    };
    if past(before) != past(after) {
        let reason = "says something else of the past, which is rated already";
        let fix =
            format!("keep what takes effect before {}, and change plans at that instant or later", pair.not_before);
        refusals.refuse(key, reason, fix);
    }
}

/// A customer that owes something without usage begins in a period that no close has sealed: what is billed stays billed.
fn check_new(pair: Pair<'_>, customer: &Customer, refusals: &mut Refusals) {
    let plans = || customer.plan.into_iter().chain(customer.changes.iter().map(|change| change.plan));
    let (Some(first), Some(account)) = (customer.plan, pair.after.accounts.get(customer.account.at())) else { return };
    if !plans().any(|plan| owes_without_usage(pair.after, plan)) {
        return;
    }
    let Some(rules) = pair.after.plans.get(first.at()) else { return };
    let periods = Periods::new(rules.cycle, rules.anchor, customer.starts_on, account.time_zone.clone());
    let earliest = periods.period_at(pair.not_before).start;
    if customer.starts_on.is_none_or(|date| periods.starts_at(date) < earliest) {
        let reason = "is new and would owe fees, minimums or flat amounts for periods that are closed";
        let fix = format!("let it start in the period that is open, at {earliest} or later");
        refusals.refuse(format!("customers.{}.starts_on", customer.id), reason, fix);
    }
}

/// Whether a period of a plan may owe something without usage: a fee, a minimum or P(0).
fn owes_without_usage(catalog: &Catalog, plan: PlanIdx) -> bool {
    let Some(plan) = catalog.plans.get(plan.at()) else { return false };
    let mut charges = plan.charges.iter().filter_map(|charge| catalog.charges.get(charge.at()));
    !plan.fees.is_empty() || charges.any(|charge| charge.minimum.is_some() || charge.owes_without_usage())
}

fn plan_name(catalog: &Catalog, plan: Option<PlanIdx>) -> Option<&str> {
    catalog.plans.get(plan?.at()).map(|plan| plan.name.as_str())
}

/// The first instant of a date in the zone of a customer's account.
fn first_instant(catalog: &Catalog, customer: &Customer, date: Date) -> Option<Instant> {
    let account = catalog.accounts.get(customer.account.at())?;
    Some(Periods::new(Cycle::Days(1), Anchor::Calendar, None, account.time_zone.clone()).starts_at(date))
}
