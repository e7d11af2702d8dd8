//! Prices: amounts and tiers that look wrong in themselves.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::super::toml_reader::Mark;
use super::super::{Catalog, Charge, EventRounding, Meter};
use super::charge::in_units;
use super::{Priced, Warner};
use crate::aggregation::Aggregation;
use crate::currency::Currency;
use crate::number::{AMOUNT_LIMIT, Amount, Exact, Overflow, QUANTITY_LIMIT, Quantity, UnitAmount};
use crate::price::{Capacity, CellIdx, CellPart, Cumulative, Leaf, Price, Tiers};
use crate::rounding::RoundingMode;

/// More units than anyone uses in a period.
const UNITS_MAX: i128 = 1_000_000_000_000;
/// More units than one event brings.
const EVENT_UNITS_MAX: i128 = 1_000_000_000;

pub(super) fn lint(priced: &Priced<'_>, catalog: &Catalog, warner: &Warner<'_>) {
    let mut seen = BTreeSet::new();
    for (charge, meter) in &priced.uses {
        let Some(currency) = catalog.plans.get(charge.plan.at()).map(|plan| plan.currency) else { continue };
        for (version, mark) in charge.versions.iter().zip(priced.marks) {
            // Charges of one scale share their price.
            if seen.insert(Arc::as_ptr(&version.price).addr()) {
                PriceLint { charge, meter, currency, price: &version.price, mark, warner }.lint();
            }
        }
    }
}

struct PriceLint<'l> {
    charge: &'l Charge,
    meter: &'l Meter,
    currency: Currency,
    price: &'l Price,
    mark: &'l Mark,
    warner: &'l Warner<'l>,
}

impl PriceLint<'_> {
    fn lint(&self) {
        let leaves = self.price.leaves();
        if leaves.iter().all(|leaf| is_free(leaf)) {
            self.warner.warn(self.mark, "is zero everywhere", "if usage is meant to be free, ignore this");
        }
        self.first(&leaves, "check the sign", |leaf| {
            let below = amounts(leaf).into_iter().any(|(unit, flat)| unit < UnitAmount::ZERO || flat < Amount::ZERO);
            below.then(|| "has an amount below zero, which pays the customer".to_owned())
        });
        self.first(&leaves, "use a graduated price, or ignore this if it is meant", |leaf| {
            self.cliff(leaf).map(|cliff| format!("has a price cliff: {cliff}"))
        });
        self.first(&leaves, "make them one tier", |leaf| {
            let number = tiers(leaf).and_then(|tiers| same_as_before(tiers, leaf))?;
            Some(format!(
                "has tiers {} and {number} that cannot be told apart: they cost the same",
                number.saturating_sub(1)
            ))
        });
        self.first(&leaves, "order tiers by what they hold", |leaf| match leaf {
            Price::Capacity(capacity) => unreachable_tier(capacity)
                .map(|number| format!("has a tier {number} that is never reached: one before it holds as much")),
            _ => None,
        });
        self.first(&leaves, "check the amounts: what does not fit is unpriced", |leaf| self.overflow(leaf));
        self.first(&leaves, "check the amounts", |leaf| self.rounds_to_zero(leaf));
    }

    /// Warns of the first leaf that `test` finds something in, and counts the others.
    fn first(&self, leaves: &[&Price], fix: &str, test: impl Fn(&Price) -> Option<String>) {
        let mut found = (0_u32..).zip(leaves).filter_map(|(cell, leaf)| Some((cell, test(leaf)?)));
        let Some((cell, reason)) = found.next() else { return };
        let more = match found.count() {
            0 => String::new(),
            more => format!(" ({more} more do)"),
        };
        let place = self.price.place(CellIdx(cell));
        let whose = if place.is_empty() { String::new() } else { format!("cell {} ", describe(&place)) };
        self.warner.warn(self.mark, format!("{whose}{reason}{more}"), fix);
    }

    /// Where more usage costs less.
    fn cliff(&self, leaf: &Price) -> Option<String> {
        if let Price::Capacity(capacity) = leaf {
            let pairs = capacity.tiers().iter().zip(capacity.tiers().iter().skip(1)).zip(2_u32..);
            let mut falls = pairs.filter(|((before, tier), _)| tier.flat_amount < before.flat_amount);
            return falls.next().map(|((before, tier), number)| {
                let (above, below) = (tier.flat_amount, before.flat_amount);
                format!("tier {number} costs {above}, the one before it {below}")
            });
        }
        let price = match leaf {
            Price::Volume(price) => Cumulative::Volume(price),
            Price::Stairstep(price) => Cumulative::Stairstep(price),
            _ => return None,
        };
        let bounds = price.tiers()?.as_slice().iter().filter_map(|tier| tier.up_to);
        bounds.into_iter().find_map(|up_to| {
            let following = up_to.checked_add(Quantity::from_scaled(1)).ok()?;
            let below = price.exact(up_to).and_then(Exact::round).ok()?;
            let above = price.exact(following).and_then(Exact::round).ok()?;
            let up_to = in_units(self.charge, self.meter, up_to);
            (above < below).then(|| format!("{up_to} cost {below}, a little more cost {above}"))
        })
    }

    fn overflow(&self, leaf: &Price) -> Option<String> {
        let near = AMOUNT_LIMIT.checked_div(10)?;
        if amounts(leaf).iter().any(|(_, flat)| flat.scaled() >= near) {
            return Some("has an amount near the limit of 10^20".to_owned());
        }
        let Some(Leaf::Cumulative(price)) = leaf.leaf(CellIdx::ONLY) else { return None };
        let result = price.exact(self.units(UNITS_MAX)).and_then(Exact::round);
        result.is_err().then(|| "is too high for 10^12 units: amounts stay below 10^20".to_owned())
    }

    fn rounds_to_zero(&self, leaf: &Price) -> Option<String> {
        if is_free(leaf) {
            return None;
        }
        match (leaf.leaf(CellIdx::ONLY)?, self.charge.round) {
            (Leaf::Cumulative(Cumulative::Unit(price)), Some(round)) => event_is_zero(price.exact(self.event()), round),
            (Leaf::Cumulative(price), None) => {
                let bounds = price.tiers().into_iter().flat_map(Tiers::as_slice).filter_map(|tier| tier.up_to);
                let mut amounts = bounds.chain([self.units(UNITS_MAX)]).map(|quantity| price.exact(quantity));
                let zero = |exact: Result<Exact, _>| {
                    let amount = exact.and_then(Exact::round);
                    amount.is_ok_and(|amount| amount.to_money(self.currency, RoundingMode::HalfAway).minor() == 0)
                };
                let currency = self.currency;
                amounts.all(zero).then(|| format!("comes to nothing in {currency} even for 10^12 units"))
            }
            _ => None,
        }
    }

    /// The greatest value of one event that is plausible.
    fn event(&self) -> Quantity {
        self.units(if self.meter.aggregation == Aggregation::Count { 1 } else { EVENT_UNITS_MAX })
    }

    fn units(&self, count: i128) -> Quantity {
        let unit = self.charge.priced_unit(self.meter).unwrap_or(1);
        Quantity::from_scaled(count.saturating_mul(unit).min(QUANTITY_LIMIT.saturating_sub(1)))
    }
}

fn event_is_zero(exact: Result<Exact, Overflow>, round: EventRounding) -> Option<String> {
    let amount = exact.and_then(|exact| exact.round_at(round.scale, round.mode)).ok()?;
    (amount == Amount::ZERO).then(|| format!("comes to nothing for each event at {} decimals", round.scale))
}

/// A cell as people would say it: `(eu, large)`, `mon 20:00-06:00`.
fn describe(place: &[CellPart]) -> String {
    let mut values = Vec::new();
    let mut parts = Vec::new();
    for part in place {
        match part {
            CellPart::Dimension(_, value) => values.push(value.as_deref()),
            CellPart::Window(window) => parts.push(window.clone().unwrap_or_else(|| "`otherwise`".to_owned())),
        }
    }
    if !values.is_empty() {
        let named: Option<Vec<&str>> = values.into_iter().collect();
        parts.push(named.map_or_else(|| "`otherwise`".to_owned(), |values| format!("({})", values.join(", "))));
    }
    parts.join(" ")
}

/// The tiers of a leaf that has them.
pub(super) fn tiers(leaf: &Price) -> Option<&Tiers> {
    match leaf {
        Price::Graduated(price) | Price::GraduatedPercentage(price) => Some(&price.tiers),
        Price::Volume(price) => Some(&price.tiers),
        Price::Stairstep(price) => Some(&price.tiers),
        _ => None,
    }
}

/// Unit amounts and flat amounts of a leaf.
fn amounts(leaf: &Price) -> Vec<(UnitAmount, Amount)> {
    match leaf {
        Price::Unit(price) => vec![(price.unit_amount, Amount::ZERO)],
        Price::Package(price) => vec![(price.amount, Amount::ZERO)],
        Price::Dynamic(price) => vec![(price.multiplier, Amount::ZERO)],
        Price::Percentage(price) => vec![(price.rate, price.fixed), (UnitAmount::ZERO, price.min.unwrap_or_default())],
        Price::Increments(price) => {
            let connect = (UnitAmount::ZERO, price.connect);
            price.steps().iter().map(|step| (step.unit_amount, Amount::ZERO)).chain([connect]).collect()
        }
        Price::Capacity(price) => price.tiers().iter().map(|tier| (UnitAmount::ZERO, tier.flat_amount)).collect(),
        leaf => {
            let tiers = tiers(leaf).map(Tiers::as_slice).unwrap_or_default();
            tiers.iter().map(|tier| (tier.unit_amount, tier.flat_amount)).collect()
        }
    }
}

fn is_free(leaf: &Price) -> bool {
    amounts(leaf).into_iter().all(|pair| pair == (UnitAmount::ZERO, Amount::ZERO))
}

/// The number, from 1, of a tier that costs what the one before it does.
fn same_as_before(tiers: &Tiers, leaf: &Price) -> Option<usize> {
    let pairs = tiers.as_slice().iter().zip(tiers.as_slice().iter().skip(1));
    let same = pairs.zip(2_usize..).find(|((before, tier), _)| {
        let rates = (before.unit_amount, before.per) == (tier.unit_amount, tier.per);
        let flats = match leaf {
            // A flat amount is owed again in each tier that is entered, and blocks begin anew in each.
            Price::Graduated(_) | Price::GraduatedPercentage(_) => {
                tier.flat_amount == Amount::ZERO && tier.per.is_none()
            }
            _ => before.flat_amount == tier.flat_amount,
        };
        rates && flats
    });
    same.map(|(_, number)| number)
}

/// The number, from 1, of a capacity's tier that an earlier one leaves nothing for.
fn unreachable_tier(capacity: &Capacity) -> Option<usize> {
    let tiers = capacity.tiers();
    (2_usize..).zip(tiers.iter().skip(1)).find_map(|(number, tier)| {
        let mut before = tiers.iter().take(number.saturating_sub(1));
        let covers = |earlier: &Option<Quantity>, own: &Option<Quantity>| match (earlier, own) {
            (None, _) => true,
            (Some(earlier), Some(own)) => own <= earlier,
            (Some(_), None) => false,
        };
        before.any(|earlier| earlier.up_to.iter().zip(&tier.up_to).all(|(a, b)| covers(a, b))).then_some(number)
    })
}
