//! `[plans.*]`: cycles, fees and the list of charges; variants of plans; `[defaults]`.

use super::super::toml_reader::{Item, Mark, Names, Table};
use super::super::{Charge, ChargeIdx, Fee, FeeTiming, Plan, PlanIdx, Proration};
use super::charges::{self, PlanOf};
use super::meters::Meters;
use super::prices::{Prices, amount};
use super::thresholds;
use super::{ChargePlace, Defaults, currency, next_index};
use crate::calendar::{Anchor, Cycle};
use crate::currency::Currency;
use crate::number::{AMOUNT_SCALE, Amount};

/// All plans and their charges.
#[derive(Debug, Default)]
pub(super) struct Plans {
    pub(super) list: Vec<Plan>,
    pub(super) charges: Vec<Charge>,
    pub(super) places: Vec<Mark>,
    /// By charge; `None` for what a variant has unchanged.
    pub(super) charge_places: Vec<Option<ChargePlace>>,
    pub(super) by_name: Names<PlanIdx>,
    /// Each plan's charges by name; those of a variant are its plan's.
    pub(super) charge_names: Vec<Names<ChargeIdx>>,
}

/// Reads all plans.
pub(super) fn read(
    section: Vec<(&str, Item<'_>)>,
    meters: &Meters,
    prices: &mut Prices<'_>,
    defaults: &Defaults,
) -> Plans {
    let mut plans = Plans::default();
    for (name, item) in section {
        let index = PlanIdx(next_index(&plans.list));
        let plan = item.table().and_then(|table| plans.read_plan((index, name), table, meters, (prices, defaults)));
        let declared = plan.map(|(plan, charge_names)| {
            plans.list.push(plan);
            plans.places.push(item.mark());
            plans.charge_names.push(charge_names);
            index
        });
        plans.by_name.insert(name, declared);
    }
    plans
}

/// `[defaults]`: the plan of subjects that no customer claims.
pub(super) fn read_default(item: &Item<'_>, plans: &Plans) -> Option<PlanIdx> {
    let mut table = item.table()?;
    let plan_item = table.optional("plan");
    table.finish();
    let plan_item = plan_item?;
    let index = *plans.by_name.find(&plan_item, "plan")?;
    if plans.list.get(index.at())?.anchor == Anchor::Anniversary {
        let reason =
            "the default plan has an anniversary anchor, but subjects that no customer claims start on no date";
        plan_item.error(reason, "use a plan with anchor = \"calendar\"");
        return None;
    }
    Some(index)
}

impl Plans {
    fn read_plan(
        &mut self,
        (index, name): (PlanIdx, &str),
        mut table: Table<'_>,
        meters: &Meters,
        (prices, defaults): (&mut Prices<'_>, &Defaults),
    ) -> Option<(Plan, Names<ChargeIdx>)> {
        let plan_currency = table.optional("currency").map_or(Some(defaults.currency), |item| currency(&item));
        let cycle = table.optional("cycle").map_or(Some(Cycle::Months(1)), |item| {
            let fix = "write for example \"1 month\", \"1 year\", \"2 weeks\" or \"30 days\"";
            item.parsed("the length of a period", fix, Cycle::parse)
        });
        let anchors = [("calendar", Anchor::Calendar), ("anniversary", Anchor::Anniversary)];
        let anchor = table.optional("anchor").map_or(Some(Anchor::Calendar), |item| item.choice(&anchors));
        let prorations = [("exact", Proration::Exact), ("day", Proration::Day)];
        let proration = table.optional("proration").map_or(Some(Proration::Exact), |item| item.choice(&prorations));
        let fees = table.optional("fees").map_or(Some(Vec::new()), |item| read_fees(&item, plan_currency));
        table.unsupported(&["commitment"]);
        let thresholds_item = table.optional("thresholds");
        let charge_items = table.optional("charges").and_then(|item| item.array("[[plans.name.charges]]"));
        table.finish();

        let plan_of = PlanOf { index, name, currency: plan_currency, cycle };
        let mut charge_names: Names<ChargeIdx> = Names::default();
        let mut own = Vec::new();
        for item in charge_items.unwrap_or_default() {
            let Some((name, charge)) = charges::read(&item, &plan_of, meters, prices) else { continue };
            if charge_names.is_declared(name) {
                item.error(format!("the plan has two charges {name:?}"), "give each charge a name of its own");
                continue;
            }
            let index = charge.map(|(charge, place)| self.push_charge(charge, Some(place)));
            charge_names.insert(name, index);
            own.extend(index);
        }
        let charge_of = |index: &ChargeIdx| self.charges.get(index.at());
        let thresholds = thresholds_item.map_or(Some(Vec::new()), |item| {
            thresholds::read(&item, &own.iter().filter_map(charge_of).collect::<Vec<_>>(), meters)
        });
        let plan = Plan {
            name: name.to_owned(),
            variant_of: None,
            currency: plan_currency?,
            cycle: cycle?,
            anchor: anchor?,
            fees: fees?,
            proration: proration?,
            thresholds: thresholds?,
            charges: own,
        };
        Some((plan, charge_names))
    }

    /// Appends a charge.
    pub(super) fn push_charge(&mut self, charge: Charge, place: Option<ChargePlace>) -> ChargeIdx {
        let index = charges::next_charge(&self.charges);
        self.charges.push(charge);
        self.charge_places.push(place);
        index
    }
}

fn read_fees(item: &Item<'_>, currency: Option<Currency>) -> Option<Vec<Fee>> {
    let elements = item.array("[{ name = \"platform\", amount = \"49.00\", when = \"advance\" }]")?;
    let mut fees: Vec<Fee> = Vec::new();
    let mut complete = true;
    for element in &elements {
        match read_fee(element, currency) {
            Some(fee) if fees.iter().any(|earlier| earlier.name == fee.name) => {
                element.error(format!("the plan has two fees {:?}", fee.name), "give each fee a name of its own");
            }
            Some(fee) => fees.push(fee),
            None => complete = false,
        }
    }
    complete.then_some(fees)
}

fn read_fee(item: &Item<'_>, currency: Option<Currency>) -> Option<Fee> {
    let mut table = item.table()?;
    let name = table.required("name", "\"platform\"").and_then(|item| item.text());
    let amount_item = table.required("amount", "\"49.00\"");
    let fee = amount_item.as_ref().and_then(amount);
    let timings = [("advance", FeeTiming::Advance), ("arrears", FeeTiming::Arrears)];
    let when = table.required("when", "\"advance\"").and_then(|item| item.choice(&timings));
    table.finish();
    let (amount_item, fee) = (amount_item?, fee?);
    if fee < Amount::ZERO {
        amount_item.error(format!("a fee must not be below 0, but this one is {fee}"), "");
        return None;
    }
    check_minor_unit(&amount_item, fee, currency);
    Some(Fee { name: name?.to_owned(), amount: fee, when: when? })
}

/// Warns of an amount that no document can state.
pub(super) fn check_minor_unit(item: &Item<'_>, amount: Amount, currency: Option<Currency>) {
    let Some(currency) = currency else { return };
    let decimals = currency.exponent();
    let minor_unit = crate::decimal::power_of_ten(AMOUNT_SCALE.saturating_sub(decimals));
    if minor_unit.and_then(|unit| amount.scaled().checked_rem(unit)) != Some(0) {
        item.warn(format!("{amount} is finer than the {decimals} decimals of {currency}"), "it will be rounded");
    }
}
