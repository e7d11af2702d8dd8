//! Which meter, price and modifiers go together (rating.md 1, 2, 5, 6).

use std::collections::BTreeSet;

use super::super::super::toml_reader::{Mark, Report};
use super::super::super::{Allowance, AllowanceScope, Charge, Meter, MeterIdx, MidPeriod, Pool, PriceVersion};
use super::super::ChargePlace;
use super::super::meters::Meters;
use super::super::prices::{Kind, Makeup};
use super::PlanOf;
use crate::aggregation::Aggregation;
use crate::calendar::Cycle;
use crate::price::Price;

/// The rules that a charge's parts make together.
pub(super) struct Legality<'c> {
    pub(super) charge: &'c Charge,
    pub(super) place: &'c ChargePlace,
    /// By version.
    pub(super) makeup: &'c [Makeup],
    pub(super) plan: &'c PlanOf<'c>,
    pub(super) meters: &'c Meters,
    pub(super) report: &'c Report,
}

/// How a price without cells comes to its amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    /// A function of the bucket's quantity.
    Cumulative,
    /// A sum over events.
    PerEvent,
    /// A function of several meters' quantities.
    Capacity,
}

const ONE_OF_THEM: &str = "leave out one of them";

impl Legality<'_> {
    /// Reports every rule that is broken. `resources` is the number of entries in the charge's `meters`.
    pub(super) fn check(&self, resources: usize) {
        let Some(meter) = self.meter(self.charge.meter) else { return };
        if !self.check_number_of_meters(resources) {
            return;
        }
        let kinds: BTreeSet<Kind> = self.makeup.iter().flat_map(|makeup| &makeup.kinds).copied().collect();
        for kind in kinds {
            self.check_negative(kind);
            self.check_aggregation(kind, meter);
            self.check_quantity_modifiers(kind);
        }
        if self.makeup.iter().any(|makeup| makeup.has_schedule) && !has_instants(meter.aggregation) {
            let name = described(meter.aggregation);
            let reason = format!("a schedule needs usage at a time of day, which a {name} does not have");
            self.error("price", reason, "use a price without a schedule");
        }
        self.check_round(meter);
        self.check_allowance(meter);
        self.check_pool(meter);
        if let (Some(least), Some(most)) = (self.charge.minimum, self.charge.maximum)
            && least > most
        {
            self.error("minimum", format!("{least} is above the maximum, which is {most}"), "lower it");
        }
        self.check_splits(meter);
    }

    fn meter(&self, index: MeterIdx) -> Option<&Meter> {
        self.meters.list.get(index.at())
    }

    fn error(&self, key: &str, reason: impl Into<String>, fix: impl Into<String>) {
        self.report.error(self.place.at(key), reason, fix);
    }

    fn family(&self, leaf: &Price) -> Family {
        match leaf {
            Price::Percentage(_) | Price::Dynamic(_) | Price::Increments(_) => Family::PerEvent,
            Price::Unit(_) if self.charge.round.is_some() => Family::PerEvent,
            Price::Capacity(_) => Family::Capacity,
            _ => Family::Cumulative,
        }
    }

    /// Several meters for a capacity price, one for any other.
    fn check_number_of_meters(&self, resources: usize) -> bool {
        let mut fits = true;
        for (version, mark) in self.charge.versions.iter().zip(self.place.versions.iter()) {
            let is_capacity = matches!(*version.price, Price::Capacity(_));
            if is_capacity && resources == 0 {
                let fix = "replace `meter`, for example by meters = { seats = \"seats\", storage = \"storage\" }";
                self.error("price", "a capacity price has a meter for each resource", fix);
                fits = false;
            } else if !is_capacity && resources > 0 {
                let reason = format!("a {} price has one meter, but the charge has `meters`", version.price.model());
                self.report.error(mark, reason, "use a capacity price, or one `meter`");
                fits = false;
            }
        }
        fits
    }

    fn check_negative(&self, kind: Kind) {
        let measured = std::iter::once(self.charge.meter).chain(self.charge.further.iter().map(|f| f.meter));
        let negative = measured.filter_map(|index| self.meter(index)).find(|meter| meter.allow_negative);
        let priced = matches!(kind, Kind::Unit | Kind::Dynamic | Kind::Percentage);
        if let (false, Some(meter)) = (priced, negative) {
            let free = if kind == Kind::FreePercentage { " with something free" } else { "" };
            let model = kind.described();
            let reason =
                format!("meter {:?} allows values below zero, which {model} price{free} cannot price", meter.name);
            self.error("price", reason, "use a unit, percentage or dynamic price, or leave out allow_negative");
        }
    }

    fn check_aggregation(&self, kind: Kind, meter: &Meter) {
        let (name, model) = (described(meter.aggregation), kind.described());
        match kind {
            Kind::Dynamic if meter.amount.is_none() => {
                let name = &meter.name;
                let reason =
                    format!("a dynamic price needs the event's own amount, which meter {name:?} does not read");
                self.error("price", reason, format!("add amount = \"data.cost\" to [meters.{name}]"));
            }
            Kind::Dynamic if has_instants(meter.aggregation) => {}
            Kind::Percentage | Kind::FreePercentage if meter.aggregation.is_additive() => {}
            Kind::Dynamic | Kind::Percentage | Kind::FreePercentage => {
                let reason = format!("{model} price is a sum over events, which a {name} is not");
                self.error("price", reason, "use a count or sum");
            }
            Kind::Increments if meter.aggregation != Aggregation::Sum => {
                let reason = format!("{model} price bills the length of each event, which a {name} does not have");
                self.error("price", reason, "use a sum");
            }
            Kind::Capacity => {
                let measured = std::iter::once(self.charge.meter).chain(self.charge.further.iter().map(|f| f.meter));
                for meter in measured.filter_map(|index| self.meter(index)) {
                    if meter.aggregation.has_series() {
                        let name = described(meter.aggregation);
                        let reason = format!("a capacity price cannot measure {:?}, which is a {name}", meter.name);
                        self.error("price", reason, "use a max, latest, sum or count");
                    }
                }
            }
            Kind::Increments | Kind::Unit | Kind::Cumulative(_) => {}
        }
    }

    /// Conversion, allowance and pool act on a quantity, which sums over events and capacities do not have.
    fn check_quantity_modifiers(&self, kind: Kind) {
        let model = kind.described();
        match kind {
            Kind::Unit => return,
            Kind::Cumulative(_) => {
                if self.charge.round.is_some() {
                    let reason = format!("`round` is per event, but {model} price is no sum over events");
                    self.error("round", reason, "leave it out: amounts are rounded once, at the end");
                }
                return;
            }
            Kind::Percentage | Kind::FreePercentage | Kind::Dynamic | Kind::Increments | Kind::Capacity => {}
        }
        let mut refused = self.quantity_modifiers();
        if kind == Kind::Capacity {
            refused.extend(self.charge.round.map(|_| ("round", "`round`")));
        }
        for (key, name) in refused {
            self.error(key, format!("{name} cannot stand with {model} price"), ONE_OF_THEM);
        }
    }

    /// The keys that act on a quantity, each with what it is.
    fn quantity_modifiers(&self) -> Vec<(&'static str, &'static str)> {
        let mut modifiers = Vec::new();
        modifiers.extend(self.charge.conversion.map(|_| ("conversion", "a conversion")));
        modifiers.extend(self.charge.allowance.map(|_| ("allowance", "an allowance")));
        if self.charge.pool == Pool::Account {
            modifiers.push(("pool", "a pool"));
        }
        modifiers
    }

    fn check_round(&self, meter: &Meter) {
        if self.charge.round.is_none() {
            return;
        }
        if !meter.aggregation.is_additive() && self.charge.further.is_empty() {
            let name = described(meter.aggregation);
            let reason = format!("`round` is per event, but a {name} is no sum over events");
            self.error("round", reason, "leave it out: amounts are rounded once, at the end");
        }
        for (_, name) in self.quantity_modifiers() {
            self.error("round", format!("`round` is per event and cannot stand with {name}"), ONE_OF_THEM);
        }
    }

    fn check_allowance(&self, meter: &Meter) {
        let Some(Allowance { rollover_max: Some(_), .. }) = self.charge.allowance else { return };
        if matches!(meter.aggregation, Aggregation::WeightedSum(_)) {
            let reason = "what is left of a weighted_sum's allowance cannot roll over: its level lasts";
            self.error("allowance", reason, "leave out rollover_max");
        }
        if self.charge.pool == Pool::Account {
            self.error("allowance", "what is left of a pool's allowance cannot roll over", "leave out rollover_max");
        }
    }

    fn check_pool(&self, meter: &Meter) {
        if self.charge.pool == Pool::None {
            return;
        }
        if !meter.aggregation.is_additive() {
            let reason = format!("a pool adds quantities up, which a {} does not", described(meter.aggregation));
            self.error("pool", reason, "use a count or sum");
        }
        if self.scope() == Some(AllowanceScope::Charge) {
            let reason = "an allowance with scope = \"charge\" cannot stand with a pool";
            self.error("allowance", reason, "use scope = \"group\": the pool shares it");
        }
    }

    fn scope(&self) -> Option<AllowanceScope> {
        self.charge.allowance.map(|allowance| allowance.scope)
    }

    fn check_splits(&self, meter: &Meter) {
        for (position, version) in self.charge.versions.iter().enumerate() {
            let Some(mark) = self.place.versions.get(position) else { continue };
            if version.mid_period == MidPeriod::Split {
                self.check_split(position, version, mark);
                let error = |key: &str, reason: &str| self.error(key, reason, "use mid_period = \"next_period\"");
                if !meter.aggregation.is_additive() && self.charge.further.is_empty() {
                    let name = described(meter.aggregation);
                    error("price", &format!("its price splits periods, but the quantity of a {name} has no parts"));
                }
                match self.charge.allowance {
                    Some(Allowance { scope: AllowanceScope::Charge, .. }) => {
                        error("allowance", "scope = \"charge\" cannot stand with a price that splits periods");
                    }
                    Some(Allowance { rollover_max: Some(_), .. }) => {
                        error("allowance", "rollover_max cannot stand with a price that splits periods");
                    }
                    _ => {}
                }
                if self.charge.pool == Pool::Account {
                    error("pool", "a pool cannot stand with a price that splits periods");
                }
            }
        }
    }

    /// What may be in force in a bucket that a version splits: that version and some before it.
    fn check_split(&self, position: usize, version: &PriceVersion, mark: &Mark) {
        let fix = "use mid_period = \"next_period\"";
        let mut before = self.charge.versions.iter().take(position).zip(self.charge.versions.iter().skip(1));
        let before: Vec<&PriceVersion> = before
            .by_ref()
            .filter(|(_, next)| self.shares_a_period(next, version))
            .map(|(earlier, _)| earlier)
            .collect();
        for part in before.iter().copied().chain([version]) {
            let reason = match &*part.price {
                Price::Volume(_) | Price::Stairstep(_) | Price::Capacity(_) | Price::Matrix(_) | Price::Schedule(_) => {
                    format!("a {} price cannot split a period", part.price.model())
                }
                Price::Percentage(price) if price.has_free() => {
                    "a percentage with something free cannot split a period".to_owned()
                }
                _ => continue,
            };
            self.report.error(mark, reason, fix);
            return;
        }
        if let Some(other) = before.iter().find(|part| self.family(&part.price) != self.family(&version.price)) {
            let (from, to) = (other.price.model(), version.price.model());
            let reason =
                format!("cannot split a period between a {from} and a {to} price: only one is a sum over events");
            self.report.error(mark, reason, fix);
        }
    }

    /// Whether a period may begin before `next` takes effect and still be open when `split` does.
    fn shares_a_period(&self, next: &PriceVersion, split: &PriceVersion) -> bool {
        const DAY_MICROS: i64 = 86_400_000_000;
        let (Some(from), Some(to)) = (next.effective_at, split.effective_at) else { return true };
        // The longest months, and a day more for what clocks are set back.
        let days = match self.plan.cycle {
            Some(Cycle::Months(months)) => i64::from(months).saturating_mul(31),
            Some(Cycle::Days(days)) => i64::from(days),
            None => 0,
        };
        to.micros().saturating_sub(from.micros()) < days.saturating_add(1).saturating_mul(DAY_MICROS)
    }
}

/// Whether usage happens at the instant of its event and at no other.
fn has_instants(aggregation: Aggregation) -> bool {
    !matches!(aggregation, Aggregation::Percentile(_)) && !aggregation.has_series()
}

/// The aggregation as people would say it.
fn described(aggregation: Aggregation) -> &'static str {
    match aggregation {
        Aggregation::Readings(_) => "sum of readings",
        other => other.name(),
    }
}
