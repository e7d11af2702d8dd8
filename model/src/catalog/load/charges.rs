//! `[[plans.*.charges]]`, and which meter, price and modifiers go together (rating.md 1, 2, 6).

use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64;

use super::super::toml_reader::{Item, Report, Table};
use super::super::{Allowance, AllowanceScope, Charge, ChargeIdx, Dimension, EventRounding, FilterTerm, LatePolicy, Meter, MidPeriod, PlanIdx, Pool, PriceVersion};
use super::meters::Meters;
use super::prices::{ChargePrice, Prices, positive};
use super::{ChargePlace, dimensions};
use crate::currency::Currency;
use crate::number::{AMOUNT_SCALE, Quantity};
use crate::price::Price;
use crate::rounding::RoundingMode;

/// The plan whose charges are read.
pub(super) struct PlanOf<'p> {
    pub(super) index: PlanIdx,
    pub(super) name: &'p str,
    pub(super) currency: Option<Currency>,
}

const ROUNDING_MODES: [(&str, RoundingMode); 4] = [
    ("half_away", RoundingMode::HalfAway),
    ("half_even", RoundingMode::HalfEven),
    ("up", RoundingMode::Up),
    ("down", RoundingMode::Down),
];

/// The charge's name, and the charge unless it has errors.
pub(super) fn read<'a>(
    item: &Item<'a>,
    plan: &PlanOf<'_>,
    meters: &Meters,
    prices: &mut Prices<'_>,
) -> Option<(&'a str, Option<(Charge, ChargePlace)>)> {
    let mut table = item.table()?;
    let name = table.required("name", "\"tokens\"").and_then(|item| item.text());
    let meter_item = table.required("meter", "\"tokens\"");
    let meter_index = meter_item.and_then(|item| meters.by_name.find(&item, "meter").copied());
    let meter = meter_index.and_then(|index| Some((index, meters.list.get(index.at())?)));
    let price_item = table.required("price", "\"tokens\"");
    let price =
        price_item.as_ref().and_then(|item| prices.of_charge(item, table.report(), meter.map(|(_, meter)| meter)));
    let modifiers = Modifiers::read(&mut table, meter.map(|(_, meter)| meter));
    table.unsupported(&["meters", "conversion", "discount", "minimum", "maximum", "pool"]);
    if let Some(item) = table.optional("late_policy")
        && let Some(policy) = item.choice(&[
            ("next_invoice", "next_invoice"),
            ("credit_or_debit_note", "credit_or_debit_note"),
            ("refuse", "refuse"),
        ])
        && policy != "next_invoice"
    {
        item.error(format!("late_policy {policy:?} is not supported by this version"), "use \"next_invoice\"");
    }
    let report = table.report();
    table.finish();
    let name = name?;
    let charge = || {
        let (meter_index, meter) = meter?;
        let (ChargePrice { price, name: price_name, mark, currency }, modifiers) = (price?, modifiers?);
        let charge = Charge {
            name: name.to_owned(),
            hash: stable_hash(plan.name, name),
            plan: plan.index,
            meter: meter_index,
            further: Vec::new(),
            versions: vec![PriceVersion { effective_at: None, mid_period: MidPeriod::NextPeriod, price: Arc::new(price) }],
            price_name,
            filter: modifiers.filter,
            group_by: modifiers.group_by,
            conversion: None,
            allowance: modifiers.allowance.map(|quantity| Allowance {
                quantity,
                rollover_max: None,
                scope: AllowanceScope::Group,
            }),
            round: modifiers.round,
            discount: None,
            minimum: None,
            maximum: None,
            pool: Pool::None,
            late_policy: LatePolicy::NextInvoice,
        };
        let place = ChargePlace { charge: item.mark(), price: mark };
        let legal = Legality { charge: &charge, meter, item, price_item: price_item.as_ref()? };
        legal.check();
        check_currency(plan, currency, report);
        Some((charge, place))
    };
    Some((name, charge()))
}

/// The charge of a plan's variant with another price; `item` is `overrides.<charge>`.
pub(super) fn read_override(
    item: &Item<'_>,
    plan: &PlanOf<'_>,
    charge: &Charge,
    meters: &Meters,
    prices: &mut Prices<'_>,
) -> Option<(Charge, ChargePlace)> {
    let mut table = item.table()?;
    let price_item = table.required("price", "{ model = \"unit\", unit_amount = \"0.01\" }");
    table.unsupported(&["filter", "group_by", "allowance", "round", "conversion", "discount", "minimum", "maximum"]);
    let report = table.report();
    table.finish();
    let price_item = price_item?;
    let meter = meters.list.get(charge.meter.at())?;
    let ChargePrice { price, name, mark, currency } = prices.of_charge(&price_item, report, Some(meter))?;
    let charge = Charge { plan: plan.index, versions: vec![PriceVersion { effective_at: None, mid_period: MidPeriod::NextPeriod, price: Arc::new(price) }], price_name: name, ..charge.clone() };
    Legality { charge: &charge, meter, item, price_item: &price_item }.check();
    check_currency(plan, currency, report);
    Some((charge, ChargePlace { charge: item.mark(), price: mark }))
}

/// Hash of plan and charge name: the same in every run, whatever else the catalog holds.
fn stable_hash(plan: &str, charge: &str) -> u64 {
    xxh3_64([plan.as_bytes(), &[0], charge.as_bytes()].concat().as_slice())
}

struct Modifiers {
    filter: Vec<FilterTerm>,
    group_by: Vec<Dimension>,
    allowance: Option<Quantity>,
    round: Option<EventRounding>,
}

impl Modifiers {
    fn read(table: &mut Table<'_>, meter: Option<&Meter>) -> Option<Modifiers> {
        let (filter, group_by) = (table.optional("filter"), table.optional("group_by"));
        let allowance = table.optional("allowance");
        let round = table.optional("round").map_or(Some(None), |item| read_round(&item).map(Some));
        let report = table.report();
        // Without a meter its dimensions and scale are not known; it has an error of its own.
        let meter = meter?;
        let filter = filter.map_or(Some(Vec::new()), |item| dimensions::filter(&item, &meter.dimensions));
        let group_by = group_by.map_or(Some(Vec::new()), |item| dimensions::group_by(&item, &meter.dimensions));
        let allowance = allowance.map_or(Some(None), |item| read_allowance(&item, meter, report).map(Some));
        Some(Modifiers { filter: filter?, group_by: group_by?, allowance: allowance?, round: round? })
    }
}

fn read_allowance(item: &Item<'_>, meter: &Meter, report: &Report) -> Option<Quantity> {
    let mut table = item.table()?;
    let quantity = table.required("quantity", "100_000").and_then(|item| positive(&item));
    table.unsupported(&["rollover_max"]);
    if let Some(scope) = table.optional("scope")
        && scope.choice(&[("group", false), ("charge", true)]) == Some(true)
    {
        scope.error("scope \"charge\" is not supported by this version", "use \"group\": an allowance for each bucket");
    }
    table.finish();
    quantity?.at_scale(meter.scale, report)
}

fn read_round(item: &Item<'_>) -> Option<EventRounding> {
    let mut table = item.table()?;
    let scale = table.required("scale", "10").and_then(|item| item.integer(0..=u32::from(AMOUNT_SCALE)));
    let mode = table.optional("mode").map_or(Some(RoundingMode::default()), |item| item.choice(&ROUNDING_MODES));
    table.finish();
    Some(EventRounding { scale: u8::try_from(scale?).ok()?, mode: mode? })
}

fn check_currency(plan: &PlanOf<'_>, price: Option<(Currency, super::super::toml_reader::Mark)>, report: &Report) {
    if let (Some(plan_currency), Some((currency, mark))) = (plan.currency, price)
        && plan_currency != currency
    {
        let reason = format!("the price is in {currency}, but plan {:?} in {plan_currency}", plan.name);
        report.error(&mark, reason, "use a price in the plan's currency");
    }
}

/// Which kinds of price a charge may come to, over all cells.
#[derive(Debug, Default)]
struct Kinds {
    unit: bool,
    dynamic: bool,
    /// The model of a price that is neither.
    other: Option<&'static str>,
}

impl Kinds {
    fn of(price: &Price) -> Kinds {
        let mut kinds = Kinds::default();
        let mut add = |price: &Price| match price {
            Price::Unit(_) => kinds.unit = true,
            Price::Dynamic(_) => kinds.dynamic = true,
            other => kinds.other = Some(other.model()),
        };
        price.leaves().into_iter().for_each(&mut add);
        kinds
    }
}

/// The rules that a charge's parts make together.
struct Legality<'c, 'a> {
    charge: &'c Charge,
    meter: &'c Meter,
    item: &'c Item<'a>,
    price_item: &'c Item<'a>,
}

impl Legality<'_, '_> {
    fn check(&self) {
        let kinds = Kinds::of(&self.charge.versions[0].price);
        let meter = &self.meter.name;
        if kinds.dynamic {
            if self.meter.amount.is_none() {
                let reason =
                    format!("a dynamic price needs the event's own amount, which meter {meter:?} does not read");
                self.price_item.error(reason, format!("add amount = \"data.cost\" to [meters.{meter}]"));
            }
            if self.charge.allowance.is_some() {
                self.item.error("an allowance cannot stand with a dynamic price", "leave out one of them");
            }
        }
        if let (true, Some(model)) = (self.meter.allow_negative, kinds.other) {
            let reason = format!("meter {meter:?} allows values below zero, which a {model} price cannot price");
            self.price_item.error(reason, "use a unit or dynamic price, or leave out allow_negative");
        }
        if self.charge.round.is_some() {
            self.check_round(&kinds);
        }
    }

    fn check_round(&self, kinds: &Kinds) {
        let whole = "leave out `round`: amounts are rounded once, at the end";
        if let Some(model) = kinds.other {
            let reason = format!("`round` is per event, but a {model} price is no sum over events");
            self.item.error(reason, whole);
        }
        if kinds.unit && !self.meter.aggregation.is_additive() {
            let name = self.meter.aggregation.name();
            let reason = format!("`round` is per event, but a {name} is no sum over events");
            self.item.error(reason, whole);
        }
        if self.charge.allowance.is_some() {
            self.item.error("`round` is per event and cannot stand with an allowance", "leave out one of them");
        }
    }
}

/// The next charge's index.
pub(super) fn next_charge(charges: &[Charge]) -> ChargeIdx {
    ChargeIdx(super::next_index(charges))
}
