//! `[customers.*]`: whose usage it is, who pays for it, and under which plans.

use std::collections::BTreeMap;

use super::super::toml_reader::{Item, Mark, Names, Report, Table};
use super::super::{Account, AccountIdx, Customer, CustomerIdx, Plan, PlanChange, PlanIdx};
use super::accounts::Accounts;
use super::meters::Meters;
use super::plans::Plans;
use super::prices::Prices;
use super::seller::{LOCALES, optional_text, read_address};
use super::{Defaults, dates, next_index, optional, overrides};
use crate::calendar::Anchor;
use crate::time::Instant;

/// Accounts, customers, and who claims which subject.
pub(super) struct Parties<'d> {
    pub(super) accounts: Vec<Account>,
    pub(super) customers: Vec<Customer>,
    pub(super) places: Vec<Mark>,
    declared: Names<AccountIdx>,
    /// Customer by subject.
    claims: BTreeMap<String, String>,
    defaults: &'d Defaults,
}

impl<'d> Parties<'d> {
    /// With the declared accounts and no customers yet.
    pub(super) fn new(accounts: Accounts, defaults: &'d Defaults) -> Parties<'d> {
        let Accounts { list, by_name } = accounts;
        let (customers, places) = (Vec::new(), Vec::new());
        Parties { accounts: list, customers, places, declared: by_name, claims: BTreeMap::new(), defaults }
    }

    /// Reads the customers; their overrides become variants of their plans.
    pub(super) fn read(
        &mut self,
        section: Vec<(&str, Item<'_>)>,
        plans: &mut Plans,
        meters: &Meters,
        prices: &mut Prices<'_>,
    ) {
        for (id, item) in section {
            let Some(mut table) = item.table() else { continue };
            let own_prices = table.optional("overrides");
            let Some(mut customer) = self.read_customer(id, table, plans) else { continue };
            if let Some(own_prices) = own_prices {
                let index = CustomerIdx(next_index(&self.customers));
                overrides::apply(&own_prices, (index, &mut customer), plans, meters, prices);
            }
            self.customers.push(customer);
            self.places.push(item.mark());
        }
    }

    fn read_customer(&mut self, id: &str, mut table: Table<'_>, plans: &Plans) -> Option<Customer> {
        let name = optional_text(&mut table, "name");
        let address = read_address(&mut table);
        let tax_id = optional_text(&mut table, "tax_id");
        let locale = optional(&mut table, "locale", |item| item.choice(&LOCALES));
        let plan_item = table.optional("plan");
        let account_item = table.optional("account");
        let subjects = self.read_subjects(id, &mut table);
        let starts_on = optional(&mut table, "starts_on", dates::date);
        let ends_item = table.optional("ends_on");
        let ends_on = ends_item.as_ref().map_or(Some(None), |item| dates::date(item).map(Some));
        let changes_item = table.optional("changes");
        let place = table.mark();
        let report = table.report();
        table.finish();

        let plan = match &plan_item {
            Some(item) => Some(*plans.by_name.find(item, "plan")?),
            None => None,
        };
        let plan_read = plan.and_then(|plan| plans.list.get(plan.at()));
        let account = self.account(id, account_item.as_ref(), plan_read)?;
        let (starts_on, ends_on) = (starts_on?, ends_on?);
        if let (Some(start), Some(end), Some(item)) = (starts_on, ends_on, &ends_item)
            && start >= end
        {
            item.error(format!("is not after starts_on, which is {start}"), "it is the first day without a plan");
        }
        let zone = &self.accounts.get(account.at())?.time_zone;
        let instant = |date| dates::first_instant(date, zone);
        let span = Span { start: starts_on.map(instant), end: ends_on.map(instant), zone };
        let changes = match (&changes_item, plan) {
            (Some(item), Some(plan)) => read_changes(item, plan, &span, plans)?,
            (Some(item), None) => {
                item.error("the customer has no plan that could change", "add plan and starts_on");
                return None;
            }
            (None, _) => Vec::new(),
        };
        let account_mark = account_item.as_ref().map_or_else(|| place.clone(), Item::mark);
        let all = plan.into_iter().chain(changes.iter().map(|change| change.plan));
        for plan in all.filter_map(|plan| plans.list.get(plan.at())) {
            self.check_currency(account, plan, &account_mark, report);
            if (plan.anchor, starts_on) == (Anchor::Anniversary, None) {
                let name = &plan.name;
                let reason = format!("has no starts_on, which the anniversary anchor of plan {name:?} counts from");
                report.error(&place, reason, "add starts_on = \"2026-09-14\"");
            }
        }
        Some(Customer {
            id: id.to_owned(),
            name: name?,
            address: address?,
            tax_id: tax_id?,
            locale: locale?.map(str::to_owned),
            account,
            plan,
            subjects: subjects?,
            starts_on,
            ends_on,
            changes,
        })
    }

    /// The customer's subjects; each may be claimed once.
    fn read_subjects(&mut self, id: &str, table: &mut Table<'_>) -> Option<Vec<String>> {
        let place = table.mark();
        let report = table.report();
        let mut claim = |subject: &str, mark: &Mark| {
            if let Some(other) = self.claims.insert(subject.to_owned(), id.to_owned()) {
                let reason = if other == id {
                    format!("subject {subject:?} stands here twice")
                } else {
                    format!("subject {subject:?} is already claimed by customer {other:?}")
                };
                report.error(mark, reason, "a subject's usage belongs to one customer");
            }
        };
        let Some(item) = table.optional("subjects") else {
            claim(id, &place);
            return Some(vec![id.to_owned()]);
        };
        let elements = item.array("[\"acme-prod\"]")?;
        let mut subjects = Vec::new();
        for element in &elements {
            let subject = element.text()?;
            claim(subject, &element.mark());
            subjects.push(subject.to_owned());
        }
        if subjects.is_empty() {
            item.warn("claims no subject, so that the customer has no usage", "name one, or leave it out for the id");
        }
        Some(subjects)
    }

    /// The account that the customer names, else the one of the customer's own name, else a new one.
    fn account(&mut self, id: &str, item: Option<&Item<'_>>, plan: Option<&Plan>) -> Option<AccountIdx> {
        let declared = match item {
            Some(item) => Some(*self.declared.find(item, "account")?),
            None => self.declared.get(id).copied(),
        };
        let Some(index) = declared else {
            let index = AccountIdx(next_index(&self.accounts));
            let currency = plan.map_or(self.defaults.currency, |plan| plan.currency);
            let time_zone = self.defaults.time_zone.clone();
            self.accounts.push(Account { name: id.to_owned(), currency, time_zone, parent: None });
            return Some(index);
        };
        Some(index)
    }

    fn check_currency(&self, account: AccountIdx, plan: &Plan, mark: &Mark, report: &Report) {
        if let Some(account) = self.accounts.get(account.at())
            && account.currency != plan.currency
        {
            let (name, currency) = (&account.name, account.currency);
            let reason =
                format!("account {name:?} pays in {currency}, but plan {:?} is in {}", plan.name, plan.currency);
            report.error(mark, reason, "use an account or a plan of the same currency");
        }
    }
}

/// When a customer is active, as far as it is said.
struct Span<'z> {
    start: Option<Instant>,
    end: Option<Instant>,
    /// The account's.
    zone: &'z jiff::tz::TimeZone,
}

/// `changes`: ascending, inside the customer's span.
fn read_changes(item: &Item<'_>, first: PlanIdx, span: &Span<'_>, plans: &Plans) -> Option<Vec<PlanChange>> {
    let mut changes: Vec<Option<PlanChange>> = Vec::new();
    let mut before = (span.start, "starts_on");
    let mut plan = first;
    for element in item.array("[{ effective_at = \"2026-10-15\", plan = \"max\" }]")? {
        let change = read_change(&element, span, plans);
        if let Some(change) = change {
            if before.0.is_some_and(|before| before >= change.effective_at) {
                element.error(format!("does not take effect after {}", before.1), "order changes by `effective_at`");
            }
            if span.end.is_some_and(|end| end <= change.effective_at) {
                element.error("does not take effect before ends_on", "leave it out, or end later");
            }
            if change.plan == plan {
                element.warn("changes to the plan that the customer already has", "leave it out");
            }
            before = (Some(change.effective_at), "the change before it");
            plan = change.plan;
        }
        changes.push(change);
    }
    changes.into_iter().collect()
}

fn read_change(item: &Item<'_>, span: &Span<'_>, plans: &Plans) -> Option<PlanChange> {
    let mut table = item.table()?;
    let at = table.required("effective_at", "\"2026-10-15\"").and_then(|item| dates::instant(&item, span.zone));
    let plan = table.required("plan", "\"pro\"").and_then(|item| plans.by_name.find(&item, "plan").copied());
    table.finish();
    Some(PlanChange { effective_at: at?, plan: plan? })
}
