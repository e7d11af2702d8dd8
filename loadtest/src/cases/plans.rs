//! Random plans and charges, as far as the rules admit them.
//!
//! Owns: which modifiers, prices and versions go together. Charges that stand in a second plan, changed or not, are
//! what plan changes continue.

use toml::{Table, Value};

use super::figures::{Figure, list, table};
use super::meters::{DIMENSIONS, Kind, Meter};
use super::prices::{Cells, Family, Fit, Writer, capacity};
use super::prng::Prng;

/// A charge and what its price must fit.
#[derive(Debug, Clone)]
pub(super) struct Charge {
    pub(super) name: String,
    /// `None` for a capacity, whose price is not replaced.
    pub(super) fit: Option<Fit>,
    pub(super) is_pooled: bool,
    pub(super) text: Table,
}

/// A plan of the catalog.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) name: String,
    pub(super) currency: (&'static str, u32),
    pub(super) is_anniversary: bool,
    pub(super) has_fees: bool,
    pub(super) charges: Vec<Charge>,
    pub(super) text: Table,
}

impl Plan {
    pub(super) fn is_pooled(&self) -> bool {
        self.charges.iter().any(|charge| charge.is_pooled)
    }

    /// The plan with its charges.
    pub(super) fn toml(&self) -> Table {
        let mut text = self.text.clone();
        text.insert("charges".into(), list(self.charges.iter().map(|charge| charge.text.clone())));
        text
    }
}

/// What plans are made of.
pub(super) struct Maker<'p> {
    pub(super) writer: Writer<'p>,
    pub(super) meters: &'p [Meter],
    /// `[prices.*]`.
    pub(super) prices: Table,
    /// Dates on which later versions may take effect.
    pub(super) dates: &'p [String],
    pub(super) charges_left: usize,
    /// Numbers the charges.
    pub(super) charges_made: usize,
}

const CURRENCIES: [(&str, u32); 4] = [("USD", 2), ("EUR", 2), ("JPY", 0), ("KWD", 3)];

impl Maker<'_> {
    fn chance(&mut self, percent: i128) -> bool {
        self.writer.prng.chance(percent)
    }

    fn prng(&mut self) -> &mut Prng {
        self.writer.prng
    }

    /// One to three plans; the later ones share some charges with the first.
    pub(super) fn plans(&mut self) -> Vec<Plan> {
        let mut plans: Vec<Plan> = Vec::new();
        let wanted = self.prng().range(1, 3);
        for at in 0..wanted {
            let mut plan = self.plan(format!("plan{at}"), plans.first());
            let copies: Vec<Charge> = plans.first().map(|first| first.charges.clone()).unwrap_or_default();
            for charge in copies.into_iter().filter(|charge| !charge.is_pooled) {
                if self.chance(55) {
                    let copy = self.copy(charge);
                    plan.charges.push(copy);
                }
            }
            let own = if at == 0 { self.charges_left.div_ceil(2) } else { self.charges_left.min(2) };
            for _ in 0..own.max(usize::from(plan.charges.is_empty())) {
                self.charges_left = self.charges_left.saturating_sub(1);
                let charge = self.charge(&plan);
                plan.charges.push(charge);
            }
            plans.push(plan);
        }
        plans
    }

    fn plan(&mut self, name: String, first: Option<&Plan>) -> Plan {
        let mut text = Table::new();
        let currency = match first {
            Some(first) if self.chance(80) => first.currency,
            _ => self.prng().pick(&CURRENCIES),
        };
        text.insert("currency".into(), currency.0.into());
        let mut is_anniversary = self.chance(35);
        match first {
            // The same periods: charges may go on over a change.
            Some(first) if self.chance(65) => {
                is_anniversary = first.is_anniversary;
                text.insert("cycle".into(), first.text["cycle"].clone());
            }
            _ => {
                let cycles =
                    [(50, "1 month"), (10, "3 months"), (15, "10 days"), (15, "2 weeks"), (5, "3 days"), (5, "1 year")];
                text.insert("cycle".into(), self.prng().weighted(&cycles).into());
            }
        }
        text.insert("anchor".into(), if is_anniversary { "anniversary" } else { "calendar" }.into());
        if self.chance(40) {
            text.insert("proration".into(), self.prng().pick(&["exact", "day"]).into());
        }
        let mut fees = Vec::new();
        for at in 0..self.prng().range(0, 2) {
            let amount = Figure::money(self.prng(), 100, currency.1).toml();
            let when = self.prng().pick(&["advance", "arrears"]);
            fees.push(table([("name", Value::from(format!("fee{at}"))), ("amount", amount), ("when", when.into())]));
        }
        let has_fees = !fees.is_empty();
        if has_fees {
            text.insert("fees".into(), list(fees));
        }
        Plan { name, currency, is_anniversary, has_fees, charges: Vec::new(), text }
    }

    /// A charge of an earlier plan under the same name: the same, or with something else.
    fn copy(&mut self, mut charge: Charge) -> Charge {
        match self.prng().below(8) {
            0 => {
                if let Some(fit) = charge.fit.clone() {
                    let price = self.writer.price(&fit);
                    charge.text.insert("price".into(), price.into());
                }
            }
            1 => {
                if let Some(Value::Table(allowance)) = charge.text.get_mut("allowance") {
                    let scale = charge.fit.as_ref().map_or(0, |fit| fit.meter.scale);
                    allowance.insert("quantity".into(), Figure::quantity(self.writer.prng, scale).toml());
                }
            }
            2 => {
                charge.text.remove("minimum");
                charge.text.remove("maximum");
            }
            3 => {
                charge.text.remove("late_policy");
            }
            _ => {}
        }
        charge
    }

    fn charge(&mut self, plan: &Plan) -> Charge {
        self.charges_made += 1;
        let name = format!("charge{}", self.charges_made);
        let capacity_meters: Vec<Meter> = self.capacity_meters();
        if self.chance(8) && capacity_meters.len() > 1 {
            return self.capacity(plan, name, &capacity_meters);
        }
        let meters = self.meters;
        let meter = self.prng().pick(meters);
        let fit = self.fit(&meter);
        let mut text = table([("name", name.as_str()), ("meter", meter.name.as_str())]);
        let mut is_pooled = false;
        let mut rolls = false;
        let mut is_shared = false;
        if fit.is_rounded {
            let scale = self.prng().pick(&[0, 2, 4, 10, 18]);
            let mode = self.prng().pick(&["half_away", "half_even", "up", "down"]);
            text.insert("round".into(), table([("scale", Value::from(scale)), ("mode", mode.into())]).into());
        }
        if fit.family == Family::Cumulative {
            if self.chance(25) {
                let conversion = self.conversion();
                text.insert("conversion".into(), conversion.into());
            }
            if self.chance(40) {
                let mut allowance = self.allowance(&fit);
                let may_roll = !matches!(meter.kind, Kind::Weighted | Kind::Reading);
                if may_roll && self.chance(45) {
                    rolls = true;
                    allowance.insert("rollover_max".into(), Figure::quantity(self.prng(), meter.scale).toml());
                    round_conversion(&mut text);
                }
                if self.chance(35) {
                    is_shared = true;
                    allowance.insert("scope".into(), "charge".into());
                }
                text.insert("allowance".into(), allowance.into());
            }
            let may_pool = matches!(meter.kind, Kind::Count | Kind::Sum) && !plan.is_anniversary;
            if may_pool && !rolls && !is_shared && self.chance(20) {
                is_pooled = true;
                text.insert("pool".into(), "account".into());
            }
        }
        self.amount_rules(plan, &meter, &mut text);
        self.selection(&mut text);
        let is_simple = !rolls && !is_shared && !is_pooled;
        let price = self.price(&name, &fit, is_simple);
        text.insert("price".into(), price);
        Charge { name, fit: Some(fit), is_pooled, text }
    }

    /// What the charge's prices must be.
    fn fit(&mut self, meter: &Meter) -> Fit {
        let is_additive = matches!(meter.kind, Kind::Count | Kind::Sum);
        let family = if is_additive {
            self.prng().weighted(&[(55, Family::Cumulative), (35, Family::PerEvent), (10, Family::Mixed)])
        } else {
            Family::Cumulative
        };
        let is_rounded = family == Family::PerEvent && self.chance(40);
        let has_windows = !matches!(meter.kind, Kind::Weighted | Kind::Percentile | Kind::Reading);
        let cells = if has_windows {
            self.prng().weighted(&[
                (60, Cells::One),
                (20, Cells::Matrix),
                (14, Cells::Schedule),
                (3, Cells::MatrixOfSchedules),
                (3, Cells::ScheduleOfMatrices),
            ])
        } else {
            self.prng().weighted(&[(75, Cells::One), (25, Cells::Matrix)])
        };
        let family = if family == Family::Mixed && cells == Cells::One { Family::Cumulative } else { family };
        Fit { meter: meter.clone(), family, cells, is_rounded, splits: false }
    }

    fn conversion(&mut self) -> Table {
        let mut conversion = if self.chance(60) {
            table([("divide", self.prng().pick(&[1000, 3, 60, 1024]))])
        } else {
            table([("multiply", self.prng().pick(&["1.5", "0.001", "3", "0.333"]))])
        };
        if self.chance(60) {
            let mode = self.prng().pick(&["up", "down", "half_away", "none"]);
            conversion.insert("round".into(), mode.into());
        }
        conversion
    }

    fn allowance(&mut self, fit: &Fit) -> Table {
        let quantity = Figure::quantity(self.prng(), fit.meter.scale);
        self.writer.bounds.push(quantity);
        table([("quantity", quantity.toml())])
    }

    /// Discount, minimum, maximum, late policy.
    fn amount_rules(&mut self, plan: &Plan, meter: &Meter, text: &mut Table) {
        if self.chance(20) {
            text.insert("discount".into(), table([("rate", Figure::rate(self.prng()).toml())]).into());
        }
        let minor = plan.currency.1;
        let (low, high) = (Figure::money(self.prng(), 50, minor), Figure::money(self.prng(), 2000, minor));
        let (low, high) = if low.at(3) <= high.at(3) { (low, high) } else { (high, low) };
        if self.chance(20) {
            text.insert("minimum".into(), low.toml());
        }
        if self.chance(20) {
            text.insert("maximum".into(), high.toml());
        }
        if self.chance(60) {
            let policies = ["next_invoice", "credit_or_debit_note", "refuse"];
            // Without late usage there must be no late difference that a refusal could not explain.
            let policies = if meter.has_estimates { &policies[..2] } else { &policies[..] };
            text.insert("late_policy".into(), self.prng().pick(policies).into());
        }
    }

    /// Filter and groups.
    fn selection(&mut self, text: &mut Table) {
        if self.chance(20) {
            let (name, values) = self.prng().pick(&DIMENSIONS);
            text.insert("filter".into(), table([(name, list(values[1..].iter().copied()))]).into());
        }
        if self.chance(35) {
            let mut names: Vec<&str> = DIMENSIONS.iter().map(|(name, _)| *name).collect();
            if self.chance(60) {
                let at = self.prng().index(names.len());
                names.remove(at);
            } else if self.chance(50) {
                names.reverse();
            }
            text.insert("group_by".into(), list(names));
        }
    }

    /// A price in place, or a named one, perhaps with later versions.
    fn price(&mut self, name: &str, fit: &Fit, is_simple: bool) -> Value {
        let is_additive = matches!(fit.meter.kind, Kind::Count | Kind::Sum);
        let may_split = is_simple && is_additive && fit.cells == Cells::One && fit.family != Family::Mixed;
        // A cell keeps its number over versions where something goes on in it.
        let may_change = fit.cells == Cells::One || (is_simple && is_additive);
        let has_versions = may_change && self.chance(30);
        let splits = has_versions && may_split && self.chance(65);
        let fit = Fit { splits, ..fit.clone() };
        let mut price = self.writer.price(&fit);
        if !has_versions && self.chance(50) {
            return price.into();
        }
        if has_versions {
            let mut dates: Vec<String> = (0..self.prng().range(1, 2)).map(|_| String::new()).collect();
            for date in &mut dates {
                let all = self.dates;
                *date = self.prng().pick(all);
            }
            dates.sort();
            dates.dedup();
            let versions = dates.into_iter().map(|date| {
                let mut version = self.writer.price(&fit);
                version.insert("effective_at".into(), date.into());
                if splits && self.writer.prng.chance(75) {
                    version.insert("mid_period".into(), "split".into());
                } else if self.writer.prng.chance(30) {
                    version.insert("mid_period".into(), "next_period".into());
                }
                version
            });
            let versions: Vec<Table> = versions.collect();
            price.insert("versions".into(), list(versions));
        }
        self.prices.insert(name.to_owned(), price.into());
        name.into()
    }

    fn capacity_meters(&mut self) -> Vec<Meter> {
        let fits = |meter: &&Meter| {
            !meter.is_signed && matches!(meter.kind, Kind::Count | Kind::Sum | Kind::Plain | Kind::Percentile)
        };
        self.meters.iter().filter(fits).take(3).cloned().collect()
    }

    fn capacity(&mut self, plan: &Plan, name: String, meters: &[Meter]) -> Charge {
        let named: Vec<(String, Meter)> =
            meters.iter().enumerate().map(|(at, meter)| (format!("part{at}"), meter.clone())).collect();
        let price = capacity(&mut self.writer, &named);
        let meters = table(named.iter().map(|(name, meter)| (name.as_str(), meter.name.as_str())));
        let mut text =
            table([("name", Value::from(name.as_str())), ("meters", meters.into()), ("price", price.into())]);
        self.amount_rules(plan, &named[0].1, &mut text);
        self.selection(&mut text);
        Charge { name, fit: None, is_pooled: false, text }
    }
}

/// What rolls over is a quantity with the meter's decimals: converted units are whole then.
fn round_conversion(text: &mut Table) {
    if let Some(Value::Table(conversion)) = text.get_mut("conversion") {
        conversion.insert("round".into(), "up".into());
    }
}
