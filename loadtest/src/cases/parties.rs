//! Random accounts and customers: who has which plan when.
//!
//! Owns: subjects, claimed and not, and the instants at which something changes for somebody.

use anyhow::Result;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use toml::{Table, Value};

use super::figures::{list, table};
use super::plans::{Charge, Plan};
use super::prices::{Writer, ZONES};
use super::prng::Prng;

/// Days over which events are spread.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    pub(super) first: Date,
    pub(super) days: i64,
}

impl Span {
    /// Around changes of clocks and the ends of months.
    pub(super) fn random(prng: &mut Prng) -> Span {
        let firsts = ["2026-02-20", "2026-03-01", "2026-10-05", "2026-01-15", "2024-01-25", "2026-04-10"];
        let first: Date = prng.pick(&firsts).parse().unwrap_or_default();
        Span { first, days: prng.range(25, 130) }
    }

    /// A day from `low` to `high` days after the first.
    pub(super) fn day(self, prng: &mut Prng, low: i64, high: i64) -> Date {
        self.first.saturating_add(prng.range(low, high).days())
    }
}

/// The customers' part of a catalog.
pub(super) struct Parties {
    pub(super) accounts: Table,
    pub(super) customers: Table,
    /// Whom events are about: claimed subjects more often than strangers.
    pub(super) subjects: Vec<String>,
    /// Instants at which periods, segments and days may begin.
    pub(super) instants: Vec<i64>,
    pub(super) default_plan: Option<String>,
}

/// What customers are made of.
pub(super) struct Maker<'m, 'p> {
    pub(super) writer: &'m mut Writer<'p>,
    pub(super) plans: &'m [Plan],
    pub(super) span: Span,
    pub(super) catalog_zone: &'static str,
    /// Whether there is more than one close, so that periods may come to exist by late usage alone: fees have no late
    /// policy.
    pub(super) has_late_closes: bool,
}

/// A family of accounts has one zone and one currency.
struct Family {
    names: Vec<String>,
    zone: Option<&'static str>,
    currency: &'static str,
}

impl<'m> Maker<'m, '_> {
    fn prng(&mut self) -> &mut Prng {
        self.writer.prng
    }

    /// So many customers and what goes with them.
    pub(super) fn parties(&mut self, customers: usize) -> Result<Parties> {
        let mut parties = Parties {
            accounts: Table::new(),
            customers: Table::new(),
            subjects: Vec::new(),
            instants: Vec::new(),
            default_plan: None,
        };
        let families = self.families(&mut parties.accounts);
        for at in 0..customers {
            self.customer(&format!("cust{at}"), &families, &mut parties)?;
        }
        self.default_plan(&mut parties);
        parties.subjects.push("stranger".to_owned());
        if parties.default_plan.is_some() {
            parties.subjects.extend(["walk-in a".to_owned(), "walk-in b".to_owned()]);
        }
        self.midnights(self.catalog_zone, &mut parties.instants)?;
        Ok(parties)
    }

    fn families(&mut self, accounts: &mut Table) -> Vec<Family> {
        let mut families = Vec::new();
        for at in 0..self.prng().range(0, 2) {
            let zone = self.prng().chance(70).then(|| self.writer.prng.pick(&ZONES));
            let plan = self.writer.prng.index(self.plans.len());
            let currency = self.plans[plan].currency.0;
            let root = format!("family{at}");
            let mut names = vec![root];
            for child in 0..self.prng().range(0, 2) {
                names.push(format!("family{at}-{child}"));
            }
            for (generation, name) in names.iter().enumerate() {
                let mut account = table([("currency", currency)]);
                account.extend(zone.map(|zone| ("time_zone".to_owned(), Value::from(zone))));
                if generation > 0 {
                    // A child of the root or of another child.
                    account.insert("parent".into(), self.writer.prng.pick(&names[..generation]).into());
                }
                accounts.insert(name.clone(), account.into());
            }
            families.push(Family { names, zone, currency });
        }
        families
    }

    fn customer(&mut self, id: &str, families: &[Family], parties: &mut Parties) -> Result<()> {
        let mut text = Table::new();
        let mut zone = self.catalog_zone;
        let mut currency = None;
        if !families.is_empty() && self.prng().chance(60) {
            let family = &families[self.prng().index(families.len())];
            text.insert("account".into(), self.prng().pick(&family.names).into());
            zone = family.zone.unwrap_or(zone);
            currency = Some(family.currency);
        }
        let is_own_subject = self.subjects(id, &mut text, parties);
        if !is_own_subject && self.prng().chance(20) {
            // Bears the id of a customer who does not claim it.
            parties.subjects.push(id.to_owned());
        }
        let plans = self.plans;
        let open: Vec<&'m Plan> =
            plans.iter().filter(|plan| currency.is_none_or(|currency| plan.currency.0 == currency)).collect();
        if !open.is_empty() && self.prng().chance(95) {
            let plan = self.prng().pick(&open);
            text.insert("plan".into(), plan.name.as_str().into());
            let stretches = self.stretches(plan, zone, &mut text, parties)?;
            self.overrides(&stretches, &mut text);
        }
        self.midnights(zone, &mut parties.instants)?;
        parties.customers.insert(id.to_owned(), text.into());
        Ok(())
    }

    /// Whether the customer's id is among its subjects.
    fn subjects(&mut self, id: &str, text: &mut Table, parties: &mut Parties) -> bool {
        if self.prng().chance(40) {
            // Twice: claimed subjects are met more often than others.
            parties.subjects.extend([id.to_owned(), id.to_owned()]);
            return true;
        }
        let subjects: Vec<String> = (0..self.prng().range(1, 3)).map(|at| format!("{id}-s{at}")).collect();
        parties.subjects.extend(subjects.iter().chain(&subjects).cloned());
        text.insert("subjects".into(), list(subjects));
        false
    }

    /// From when to when the customer has which plan; the plans.
    fn stretches(
        &mut self,
        first: &'m Plan,
        zone: &str,
        text: &mut Table,
        parties: &mut Parties,
    ) -> Result<Vec<&'m Plan>> {
        let mut stretches = vec![first];
        let needs_start = first.is_anniversary || first.is_pooled() || (first.has_fees && self.has_late_closes);
        if !needs_start && self.prng().chance(25) {
            return Ok(stretches);
        }
        let span = self.span;
        let starts_on = span.day(self.writer.prng, -40, 30);
        text.insert("starts_on".into(), starts_on.to_string().into());
        let zone = TimeZone::get(zone)?;
        let mut last = starts_on;
        let others: Vec<&'m Plan> =
            self.plans.iter().filter(|plan| plan.currency == first.currency && !plan.is_pooled()).collect();
        let mut changes = Vec::new();
        while !first.is_pooled() && changes.len() < 2 && self.prng().chance(35) {
            let day = last.saturating_add(self.prng().range(1, 45).days());
            let current = stretches[stretches.len() - 1];
            let next: Vec<&'m Plan> = others.iter().copied().filter(|plan| plan.name != current.name).collect();
            if next.is_empty() {
                break;
            }
            let plan = self.prng().pick(&next);
            let effective_at = moment(self.prng(), day);
            parties.instants.push(instant(&effective_at, &zone)?);
            changes.push(table([("effective_at", effective_at.as_str()), ("plan", plan.name.as_str())]));
            stretches.push(plan);
            // Two days, so that no zone turns the order around.
            last = day.saturating_add(2.days());
        }
        if !changes.is_empty() {
            text.insert("changes".into(), list(changes));
        }
        if self.prng().chance(15) {
            let ends_on = last.saturating_add(self.prng().range(2, 60).days());
            parties.instants.push(instant(&ends_on.to_string(), &zone)?);
            text.insert("ends_on".into(), ends_on.to_string().into());
        }
        parties.instants.push(instant(&starts_on.to_string(), &zone)?);
        // Anniversaries.
        for months in 1..4 {
            parties.instants.push(instant(&starts_on.saturating_add(months.months()).to_string(), &zone)?);
        }
        Ok(stretches)
    }

    /// Another price for a charge of the customer's plans.
    fn overrides(&mut self, stretches: &[&Plan], text: &mut Table) {
        if stretches.iter().any(|plan| plan.is_pooled()) || !self.prng().chance(20) {
            return;
        }
        let charges: Vec<&Charge> = stretches[0].charges.iter().filter(|charge| charge.fit.is_some()).collect();
        if charges.is_empty() {
            return;
        }
        let charge = self.prng().pick(&charges);
        let price = charge.fit.as_ref().map(|fit| self.writer.price(fit));
        if let Some(price) = price {
            let own = table([("price", price)]);
            text.insert("overrides".into(), table([(charge.name.as_str(), own)]).into());
        }
    }

    /// The plan of those who are not declared.
    fn default_plan(&mut self, parties: &mut Parties) {
        let may_have_fees = !self.has_late_closes;
        let fits = self.plans.iter().filter(|plan| !plan.is_anniversary && (may_have_fees || !plan.has_fees));
        let fits: Vec<String> = fits.map(|plan| plan.name.clone()).collect();
        if !fits.is_empty() && self.prng().chance(75) {
            parties.default_plan = Some(self.prng().pick(&fits));
        }
    }

    /// Where calendar periods begin, and some days.
    fn midnights(&self, zone: &str, instants: &mut Vec<i64>) -> Result<()> {
        let zone = TimeZone::get(zone)?;
        let mut day = self.span.first.first_of_month();
        let last = self.span.first.saturating_add(self.span.days.days());
        while day <= last {
            instants.push(instant(&day.to_string(), &zone)?);
            day = day.saturating_add(1.month());
        }
        Ok(())
    }
}

/// A day as a date, or an instant of it.
pub(super) fn moment(prng: &mut Prng, day: Date) -> String {
    let times = ["T00:00:00Z", "T12:30:00Z", "T23:00:00.000001Z", "T06:15:00+05:45"];
    if prng.chance(50) { day.to_string() } else { format!("{day}{}", prng.pick(&times)) }
}

fn instant(text: &str, zone: &TimeZone) -> Result<i64> {
    if text.contains('T') {
        return Ok(text.parse::<Timestamp>()?.as_microsecond());
    }
    Ok(text.parse::<Date>()?.to_zoned(zone.clone())?.timestamp().as_microsecond())
}
