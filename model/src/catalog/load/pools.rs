//! What customers must have in common who share a pool (rating.md 3): periods, so zone and anchor.

use std::collections::{BTreeMap, BTreeSet};

use super::super::toml_reader::Report;
use super::super::{Account, AccountIdx, Customer, Plan, Pool};
use super::customers::Parties;
use super::plans::Plans;
use crate::calendar::Anchor;

/// Reports customers that cannot share their plan's pool.
pub(super) fn check(parties: &Parties<'_>, plans: &Plans, report: &Report) {
    // A circle of accounts has no root; it has errors of its own.
    if report.has_errors() {
        return;
    }
    let is_pooled = |plan: &Plan| {
        plan.charges
            .iter()
            .filter_map(|charge| plans.charges.get(charge.at()))
            .any(|charge| charge.pool == Pool::Account)
    };
    let pooled: Vec<bool> = plans.list.iter().map(is_pooled).collect();
    if !pooled.contains(&true) {
        return;
    }
    // The first member decides. Variants of a plan have its name.
    let mut first: BTreeMap<(AccountIdx, &str), &Customer> = BTreeMap::new();
    for (customer, mark) in parties.customers.iter().zip(&parties.places) {
        let own = customer.plan.into_iter().chain(customer.changes.iter().map(|change| change.plan));
        let own: BTreeSet<_> = own.filter(|plan| pooled.get(plan.at()) == Some(&true)).collect();
        for plan in own.iter().filter_map(|plan| plans.list.get(plan.at())) {
            let root = root(customer.account, &parties.accounts);
            let member = *first.entry((root, plan.name.as_str())).or_insert(customer);
            let zone =
                |customer: &Customer| parties.accounts.get(customer.account.at()).map(|account| &account.time_zone);
            if zone(member) != zone(customer) {
                let reason = format!(
                    "shares the pool of plan {:?} with customer {:?}, whose account has another time zone",
                    plan.name, member.id
                );
                report.error(mark, reason, "give the accounts one time_zone, or separate roots");
            }
            if plan.anchor == Anchor::Anniversary && member.starts_on != customer.starts_on {
                let reason = format!(
                    "shares the pool of plan {:?} with customer {:?}, whose periods begin on another day",
                    plan.name, member.id
                );
                report.error(mark, reason, "use anchor = \"calendar\", or one starts_on");
            }
        }
    }
}

/// The account at the top.
fn root(mut account: AccountIdx, accounts: &[Account]) -> AccountIdx {
    while let Some(parent) = accounts.get(account.at()).and_then(|account| account.parent) {
        account = parent;
    }
    account
}
