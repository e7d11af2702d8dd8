//! The workload's catalog as TOML.
//!
//! `late_policy` is only written where there are closes: without them it decides nothing.

use std::fmt::Write as _;

use super::digits::{AMOUNT_SCALE, decimal_text};
use super::parties::PLANLESS;
use super::tariff::{Aggregation, LatePolicy, Partial, Price, Tier, kind};
use super::{CURRENCY, Charge, PLAN, Parties, Workload};

impl Workload {
    /// The catalog that the log is meant for.
    pub fn catalog(&self) -> String {
        let mut toml = format!("name = \"load\"\ncurrency = \"{CURRENCY}\"\ntime_zone = \"UTC\"\n");
        for meter in 0..self.shape.meters {
            // Writing to a String cannot fail, here and below.
            let _ = write!(toml, "\n{}", meter_table(meter));
        }
        let _ = write!(toml, "\n[plans.{PLAN}]\ncycle = \"1 month\"\nanchor = \"calendar\"\n");
        for charge in self.tariff.charges() {
            let _ = write!(toml, "\n{}", self.charge_table(charge));
        }
        let _ = write!(toml, "\n[defaults]\nplan = \"{PLAN}\"\n");
        let _ = write!(toml, "\n[customers.{PLANLESS}]\n");
        for customer in (0..self.parties.customers()).filter(|customer| self.parties.is_shared(*customer)) {
            let _ = write!(toml, "\n{}", self.customer_table(customer));
        }
        toml
    }

    fn charge_table(&self, charge: &Charge) -> String {
        let Charge { name, meter, policy, kind, .. } = charge;
        let mut toml = format!("[[plans.{PLAN}.charges]]\nname = \"{name}\"\nmeter = \"m{meter}\"\n");
        let _ = writeln!(toml, "price = {}", price(kind.price));
        if kind.grouped {
            toml.push_str("group_by = [\"region\"]\n");
        }
        if kind.allowance > 0 {
            let _ = writeln!(toml, "allowance = {{ quantity = {} }}", kind.allowance);
        }
        if !self.shape.closes.is_empty() {
            let policy = match policy {
                LatePolicy::NextInvoice => "next_invoice",
                LatePolicy::Note => "credit_or_debit_note",
                LatePolicy::Refuse => "refuse",
            };
            let _ = writeln!(toml, "late_policy = \"{policy}\"");
        }
        toml
    }

    /// Declared from the first period on, so that every period is the customer's, with usage or without.
    fn customer_table(&self, customer: usize) -> String {
        let name = |subject| {
            let mut name = Vec::new();
            self.parties.write_subject(Some(subject), &mut name);
            format!("{:?}", String::from_utf8_lossy(&name))
        };
        let subjects: Vec<String> = self.parties.subjects_of(customer).map(name).collect();
        format!(
            "[customers.{}]\nplan = \"{PLAN}\"\nsubjects = [{}]\nstarts_on = \"{}\"\n",
            Parties::customer_name(customer),
            subjects.join(", "),
            self.calendar.date(0)
        )
    }
}

fn meter_table(meter: usize) -> String {
    let kind = kind(meter);
    let mut toml = format!("[meters.m{meter}]\nevent_type = \"load.m{meter}\"\n");
    match kind.aggregation {
        Aggregation::Sum => {
            let _ = writeln!(toml, "aggregation = \"sum\"\nvalue = \"data.value\"\nscale = {}", kind.scale);
        }
        Aggregation::Count => toml.push_str("aggregation = \"count\"\n"),
    }
    toml + "dimensions = { region = \"data.region\" }\n"
}

fn price(price: Price) -> String {
    match price {
        Price::Unit { amount } => format!("{{ model = \"unit\", unit_amount = {} }}", decimal(amount)),
        Price::Graduated(tiers) => {
            let tiers: Vec<String> = tiers.iter().map(tier).collect();
            format!("{{ model = \"graduated\", tiers = [{}] }}", tiers.join(", "))
        }
        Price::Package { size, amount, partial } => {
            let partial = match partial {
                Partial::Up => "up",
                Partial::Prorate => "prorate",
            };
            let amount = decimal(amount);
            format!("{{ model = \"package\", size = {size}, amount = {amount}, partial = \"{partial}\" }}")
        }
    }
}

fn tier(tier: &Tier) -> String {
    let up_to = tier.up_to.map_or(String::new(), |up_to| format!("up_to = {up_to}, "));
    let (unit_amount, flat_amount) = (decimal(tier.unit_amount), decimal(tier.flat_amount));
    format!("{{ {up_to}unit_amount = {unit_amount}, flat_amount = {flat_amount} }}")
}

fn decimal(amount: i128) -> String {
    format!("\"{}\"", decimal_text(amount, AMOUNT_SCALE))
}
