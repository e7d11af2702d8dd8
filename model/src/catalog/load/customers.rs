//! `[accounts.*]`, `[customers.*]` and `[seller]`: who pays, whose usage it is, who sells.

use std::collections::BTreeMap;

use jiff::civil::Date;

use super::super::toml_reader::{Item, Mark, Names, Report, Table};
use super::super::{Account, AccountIdx, Charge, Customer, CustomerIdx, Plan, PlanIdx, Seller};
use super::charges::{self, PlanOf};
use super::meters::Meters;
use super::plans::Plans;
use super::prices::Prices;
use super::{Defaults, currency, next_index, time_zone};
use crate::calendar::Anchor;

const LOCALES: [(&str, &str); 2] = [("en", "en"), ("fr", "fr")];
/// Days until payment is due, unless the seller says otherwise.
const PAYMENT_DAYS: u16 = 30;

/// The declared accounts.
pub(super) struct Accounts {
    list: Vec<Account>,
    by_name: Names<AccountIdx>,
}

/// Reads the declared accounts.
pub(super) fn read_accounts(section: Vec<(&str, Item<'_>)>, defaults: &Defaults) -> Accounts {
    let mut accounts = Accounts { list: Vec::new(), by_name: Names::default() };
    for (name, item) in section {
        let account = item.table().and_then(|table| read_account(name, table, defaults));
        let index = account.map(|account| {
            let index = AccountIdx(next_index(&accounts.list));
            accounts.list.push(account);
            index
        });
        accounts.by_name.insert(name, index);
    }
    accounts
}

fn read_account(name: &str, mut table: Table<'_>, defaults: &Defaults) -> Option<Account> {
    let own_currency = table.optional("currency").map_or(Some(defaults.currency), |item| currency(&item));
    let zone = table.optional("time_zone").map_or(Some(defaults.time_zone.clone()), |item| time_zone(&item));
    table.unsupported(&["parent"]);
    table.finish();
    Some(Account { name: name.to_owned(), currency: own_currency?, time_zone: zone?, parent: None })
}

/// Reads `[seller]`.
pub(super) fn read_seller(item: &Item<'_>) -> Option<Seller> {
    let mut table = item.table()?;
    let name = table.required("name", "\"Acme AI SAS\"").and_then(|item| item.text());
    let address =
        table.optional("address").map_or(Some(Vec::new()), |item| item.texts("[\"1 Main Street\", \"Springfield\"]"));
    let tax_id = optional_text(&mut table, "tax_id");
    let payment_days = table.optional("payment_terms").map_or(Some(PAYMENT_DAYS), |item| {
        item.parsed("a number of days, at most 3650", "write for example \"30 days\"", payment_days)
    });
    let locale = table.optional("locale").map_or(Some("en"), |item| item.choice(&LOCALES));
    let legal_mentions = table.optional("legal_mentions").map_or(Some(Vec::new()), |item| item.texts("[\"...\"]"));
    let invoice_prefix = optional_text(&mut table, "invoice_prefix");
    table.finish();
    Some(Seller {
        name: name?.to_owned(),
        address: address?,
        tax_id: tax_id?,
        payment_days: payment_days?,
        locale: locale?.to_owned(),
        legal_mentions: legal_mentions?,
        invoice_prefix: invoice_prefix?.unwrap_or_else(|| "INV-".to_owned()),
    })
}

/// `30 days`, `1 day`.
fn payment_days(text: &str) -> Option<u16> {
    let (count, unit) = text.split_once(' ')?;
    let digits = count.bytes().all(|byte| byte.is_ascii_digit());
    let count: u16 = count.parse().ok()?;
    (digits && count <= 3650 && (unit == "days" || unit == "day")).then_some(count)
}

fn optional_text(table: &mut Table<'_>, name: &'static str) -> Option<Option<String>> {
    table.optional(name).map_or(Some(None), |item| item.text().map(|text| Some(text.to_owned())))
}

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
            let overrides = table.optional("overrides");
            let customer = self.read_customer(id, table, plans);
            let Some(mut customer) = customer else { continue };
            if let (Some(overrides), Some(plan)) = (overrides, customer.plan) {
                let index = CustomerIdx(next_index(&self.customers));
                customer.plan = variant((index, plan), &overrides, plans, meters, prices).or(customer.plan);
            }
            self.customers.push(customer);
            self.places.push(item.mark());
        }
    }

    fn read_customer(&mut self, id: &str, mut table: Table<'_>, plans: &Plans) -> Option<Customer> {
        let name = optional_text(&mut table, "name");
        let address = table
            .optional("address")
            .map_or(Some(Vec::new()), |item| item.texts("[\"1 Main Street\", \"Springfield\"]"));
        let tax_id = optional_text(&mut table, "tax_id");
        let locale = table.optional("locale").map_or(Some(None), |item| item.choice(&LOCALES).map(Some));
        let plan_item = table.optional("plan");
        let account_item = table.optional("account");
        let subjects = self.read_subjects(id, &mut table);
        let starts_on = table.optional("starts_on");
        let starts_on = starts_on
            .map_or(Some(None), |item| item.parsed("a date", "write for example \"2026-09-14\"", date).map(Some));
        let place = table.mark();
        let report = table.report();
        table.finish();

        let plan = match &plan_item {
            Some(item) => Some(*plans.by_name.find(item, "plan")?),
            None => None,
        };
        let plan_read = plan.and_then(|plan| plans.list.get(plan.at()));
        let account = self.account(id, account_item.as_ref(), plan_read)?;
        let account_mark = account_item.as_ref().map_or_else(|| place.clone(), Item::mark);
        self.check_currency(account, plan_read, &account_mark, report);
        let starts_on = starts_on?;
        if let (Some(Plan { anchor: Anchor::Anniversary, name, .. }), None) = (plan_read, starts_on) {
            let reason = format!("has no starts_on, which the anniversary anchor of plan {name:?} counts from");
            report.error(&place, reason, "add starts_on = \"2026-09-14\"");
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
            ends_on: None,
            changes: Vec::new(),
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
            self.accounts.push(Account { name: id.to_owned(), currency, time_zone: self.defaults.time_zone.clone(), parent: None });
            return Some(index);
        };
        Some(index)
    }

    fn check_currency(&self, account: AccountIdx, plan: Option<&Plan>, mark: &Mark, report: &Report) {
        if let (Some(account), Some(plan)) = (self.accounts.get(account.at()), plan)
            && account.currency != plan.currency
        {
            let (name, currency) = (&account.name, account.currency);
            let reason =
                format!("account {name:?} pays in {currency}, but plan {:?} is in {}", plan.name, plan.currency);
            report.error(mark, reason, "use an account or a plan of the same currency");
        }
    }
}

fn date(text: &str) -> Option<Date> {
    let date: Date = text.parse().ok()?;
    // The parser also takes `20260914` and times; one way to write a date is enough.
    (date.to_string() == text && (1970..2200).contains(&date.year())).then_some(date)
}

/// Appends the customer's variant of a plan: the same name and charges, some at other prices.
fn variant(
    (customer, base): (CustomerIdx, PlanIdx),
    overrides: &Item<'_>,
    plans: &mut Plans,
    meters: &Meters,
    prices: &mut Prices<'_>,
) -> Option<PlanIdx> {
    let entries = overrides.table()?.entries();
    let plan = plans.list.get(base.at())?.clone();
    let index = PlanIdx(next_index(&plans.list));
    let plan_of = PlanOf { index, name: &plan.name, currency: Some(plan.currency) };
    let mut replaced = BTreeMap::new();
    for (name, item) in &entries {
        let names = plans.charge_names.get(base.at())?;
        if !names.is_declared(name) {
            item.error(format!("plan {:?} has no charge {name:?}", plan.name), names.like(name));
            continue;
        }
        let Some(charge) = names.get(name).and_then(|charge| plans.charges.get(charge.at())) else { continue };
        if let Some(other) = charges::read_override(item, &plan_of, charge, meters, prices) {
            replaced.insert((*name).to_owned(), other);
        }
    }
    let mut own = Vec::new();
    for charge_index in &plan.charges {
        let charge: &Charge = plans.charges.get(charge_index.at())?;
        let place = plans.charge_places.get(charge_index.at())?;
        let unchanged = || (Charge { plan: index, ..charge.clone() }, place.clone());
        let (charge, place) = replaced.remove(&charge.name).unwrap_or_else(unchanged);
        own.push(plans.push_charge(charge, place));
    }
    plans.list.push(Plan { variant_of: Some(customer), charges: own, ..plan });
    Some(index)
}
