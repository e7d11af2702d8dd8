//! `[[plans.*.charges]]`, and a customer's own prices for them.

mod legality;
mod modifiers;

use xxhash_rust::xxh3::xxh3_64;

use super::super::toml_reader::{Item, Report, Table};
use super::super::{BelowZero, Charge, ChargeIdx, ChargeMeter, Dimension, FilterTerm, Meter, MeterIdx, PlanIdx, Pool};
use super::meters::Meters;
use super::prices::{ChargePrice, Prices, Terms};
use super::{ChargePlace, PlacedCurrency};
use crate::calendar::Cycle;
use crate::currency::Currency;
use crate::number::Scale;
use crate::price::Price;
use legality::Legality;
use modifiers::Modifiers;

/// The plan whose charges are read.
pub(super) struct PlanOf<'p> {
    pub(super) index: PlanIdx,
    pub(super) name: &'p str,
    pub(super) currency: Option<Currency>,
    pub(super) cycle: Option<Cycle>,
}

/// What a charge measures.
struct Measured<'m> {
    first: (MeterIdx, &'m Meter),
    /// The resources of a capacity charge, by name; empty for `meter`.
    resources: Vec<(String, MeterIdx, &'m Meter)>,
}

/// The charge's name, and the charge unless it has errors.
pub(super) fn read<'a>(
    item: &Item<'a>,
    plan: &PlanOf<'_>,
    meters: &Meters,
    prices: &mut Prices<'_>,
) -> Option<(&'a str, Option<(Charge, ChargePlace)>)> {
    let mut table = item.table()?;
    let name = table.required("name", "\"tokens\"").and_then(|item| item.text());
    let measured = Measured::read(&mut table, meters);
    let price_item = table.required("price", "\"tokens\"");
    let modifiers = Modifiers::read(&mut table, plan);
    let report = table.report();
    table.finish();
    let terms = match (&measured, &modifiers) {
        (Some(measured), Some(modifiers)) => measured.terms(modifiers, report),
        _ => None,
    };
    let price = price_item.as_ref().and_then(|item| prices.of_charge(item, terms.as_ref()));
    let name = name?;
    let charge = || {
        let (measured, modifiers, terms, price_item) = (measured?, modifiers?, terms?, price_item?);
        let dimensions = measured.dimensions(&modifiers);
        let allowance = modifiers.allowance(&terms);
        let ChargePrice { versions, name: price_name, marks, makeup, currencies } = price?;
        let ((filter, group_by), further) = dimensions?;
        let charge = Charge {
            name: name.to_owned(),
            hash: stable_hash(plan.name, name),
            plan: plan.index,
            meter: measured.first.0,
            further,
            versions,
            price_name,
            filter,
            group_by,
            conversion: modifiers.conversion,
            allowance: allowance?,
            round: modifiers.round,
            discount: modifiers.discount,
            minimum: modifiers.minimum,
            maximum: modifiers.maximum,
            below_zero: if measured.first.1.allow_negative { BelowZero::IsPriced } else { BelowZero::IsZero },
            pool: modifiers.pool,
            late_policy: modifiers.late_policy,
        };
        let mut keys = modifiers.marks;
        keys.push(("price", price_item.mark()));
        let place = ChargePlace { charge: item.mark(), keys, versions: marks };
        Legality { charge: &charge, place: &place, makeup: &makeup, plan, meters, report }
            .check(measured.resources.len());
        check_currencies(plan, currencies, report);
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
    table.unsupported(&[
        "filter",
        "group_by",
        "conversion",
        "allowance",
        "round",
        "discount",
        "minimum",
        "maximum",
        "pool",
        "late_policy",
    ]);
    let report = table.report();
    table.finish();
    let price_item = price_item?;
    let meter = meters.list.get(charge.meter.at())?;
    let terms = Terms {
        scale: meter.scale,
        unit: charge.priced_unit(meter).ok()?,
        dimensions: Some(&meter.dimensions),
        resources: resources(charge, meters),
    };
    let ChargePrice { versions, name, marks, makeup, currencies } = prices.of_charge(&price_item, Some(&terms))?;
    if charge.pool == Pool::Account {
        item.error("a pooled charge has one price for all that share it", "leave out the override, or the `pool`");
    }
    let charge = Charge { plan: plan.index, versions, price_name: name, ..charge.clone() };
    let place = ChargePlace { charge: item.mark(), keys: vec![("price", price_item.mark())], versions: marks };
    let resources = terms.resources.map_or(0, |resources| resources.len());
    Legality { charge: &charge, place: &place, makeup: &makeup, plan, meters, report }.check(resources);
    check_currencies(plan, currencies, report);
    Some((charge, place))
}

/// The resources of a capacity charge, with the scale of each.
fn resources(charge: &Charge, meters: &Meters) -> Option<Vec<(String, Scale)>> {
    let Price::Capacity(capacity) = &*charge.versions.first()?.price else { return None };
    let own = std::iter::once(charge.meter).chain(charge.further.iter().map(|further| further.meter));
    let scales = own.filter_map(|meter| Some(meters.list.get(meter.at())?.scale));
    Some(capacity.resources.iter().cloned().zip(scales).collect())
}

/// Hash of plan and charge name: the same in every run, whatever else the catalog holds.
fn stable_hash(plan: &str, charge: &str) -> u64 {
    xxh3_64([plan.as_bytes(), &[0], charge.as_bytes()].concat().as_slice())
}

fn check_currencies(plan: &PlanOf<'_>, prices: Vec<PlacedCurrency>, report: &Report) {
    let Some(plan_currency) = plan.currency else { return };
    for (currency, mark) in prices.iter().filter(|(currency, _)| *currency != plan_currency) {
        let reason = format!("the price is in {currency}, but plan {:?} in {plan_currency}", plan.name);
        report.error(mark, reason, "use a price in the plan's currency");
    }
}

impl<'m> Measured<'m> {
    /// `meter`, or the `meters` of a capacity price.
    fn read(table: &mut Table<'_>, meters: &'m Meters) -> Option<Measured<'m>> {
        let several = table.optional("meters");
        let find = |item: &Item<'_>| {
            let index = *meters.by_name.find(item, "meter")?;
            Some((index, meters.list.get(index.at())?))
        };
        let Some(several) = several else {
            let first = table.required("meter", "\"tokens\"").and_then(|item| find(&item))?;
            return Some(Measured { first, resources: Vec::new() });
        };
        if let Some(item) = table.optional("meter") {
            item.error("stands beside `meters`", "keep one of the two");
        }
        let mut resources: Vec<Option<(String, MeterIdx, &Meter)>> = Vec::new();
        for (name, item) in several.table()?.entries() {
            let found = find(&item);
            if let Some((index, _)) = found
                && resources.iter().flatten().any(|(_, other, _)| *other == index)
            {
                item.error("the meter stands here twice", "name each meter once");
            }
            resources.push(found.map(|(index, meter)| (name.to_owned(), index, meter)));
        }
        if resources.is_empty() {
            several.error("names no meter", "write for example { seats = \"seats\", storage = \"storage\" }");
        }
        let mut resources = resources.into_iter().collect::<Option<Vec<_>>>()?;
        // The order in a text means nothing: it must not tell equal charges of two plans apart.
        resources.sort_by(|a, b| a.0.cmp(&b.0));
        let (_, index, meter) = resources.first()?;
        Some(Measured { first: (*index, *meter), resources })
    }

    /// What the price is brought to.
    fn terms(&self, modifiers: &Modifiers<'_>, report: &Report) -> Option<Terms<'m>> {
        let (_, meter) = self.first;
        let denominator = modifiers.conversion.map_or(1, |conversion| conversion.denominator);
        let unit = meter.scale.unit().checked_mul(meter.aggregation.quantity_factor());
        let unit = unit.and_then(|unit| unit.checked_mul(denominator)).filter(|unit| *unit < PRICED_UNIT_LIMIT);
        let Some(unit) = unit else {
            let mark = modifiers.marks.iter().find(|(name, _)| *name == "conversion").map(|(_, mark)| mark);
            if let Some(mark) = mark {
                let reason = "the factor and the meter's scale together leave no room for quantities";
                report.error(mark, reason, "use a factor with fewer digits, or a meter with fewer decimals");
            }
            return None;
        };
        let resource = |(name, _, meter): &(String, MeterIdx, &Meter)| (name.clone(), meter.scale);
        let resources = (!self.resources.is_empty()).then(|| self.resources.iter().map(resource).collect());
        Some(Terms { scale: meter.scale, unit, dimensions: Some(&meter.dimensions), resources })
    }

    /// Filter and groups of the first meter, and the further meters with theirs.
    fn dimensions(&self, modifiers: &Modifiers<'_>) -> Option<Dimensions> {
        let first = modifiers.dimensions(self.first.1);
        let further: Vec<_> = self
            .resources
            .iter()
            .skip(1)
            .map(|(_, index, meter)| {
                let (filter, group_by) = modifiers.dimensions(meter)?;
                Some(ChargeMeter { meter: *index, filter, group_by })
            })
            .collect();
        Some((first?, further.into_iter().collect::<Option<_>>()?))
    }
}

type Dimensions = ((Vec<FilterTerm>, Vec<Dimension>), Vec<ChargeMeter>);

/// How many integers make one priced unit at most: leaves room for 10^8 units, and products of both in 256 bits.
const PRICED_UNIT_LIMIT: i128 = 10_i128.pow(30);

/// The next charge's index.
pub(super) fn next_charge(charges: &[Charge]) -> ChargeIdx {
    ChargeIdx(super::next_index(charges))
}
