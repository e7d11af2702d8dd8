//! What stands beside a charge's price: filter, groups, and the modifiers of quantity and amount.

use super::super::super::toml_reader::{Item, Mark, Report, Table};
use super::super::super::{
    Allowance, AllowanceScope, Conversion, Dimension, EventRounding, FilterTerm, LatePolicy, Meter, Pool,
};
use super::super::plans::check_minor_unit;
use super::super::prices::{Literal, Terms, amount, positive};
use super::super::{dimensions, optional};
use super::PlanOf;
use crate::decimal::power_of_ten;
use crate::number::{AMOUNT_SCALE, Amount, UnitAmount};
use crate::rounding::RoundingMode;

const EVENT_ROUNDINGS: [(&str, RoundingMode); 4] = [
    ("half_away", RoundingMode::HalfAway),
    ("half_even", RoundingMode::HalfEven),
    ("up", RoundingMode::Up),
    ("down", RoundingMode::Down),
];
const CONVERSION_ROUNDINGS: [(&str, Option<RoundingMode>); 4] = [
    ("none", None),
    ("up", Some(RoundingMode::Up)),
    ("down", Some(RoundingMode::Down)),
    ("half_away", Some(RoundingMode::HalfAway)),
];
const LATE_POLICIES: [(&str, LatePolicy); 3] = [
    ("next_invoice", LatePolicy::NextInvoice),
    ("credit_or_debit_note", LatePolicy::Note),
    ("refuse", LatePolicy::Refuse),
];
const SCOPES: [(&str, AllowanceScope); 2] = [("group", AllowanceScope::Group), ("charge", AllowanceScope::Charge)];
/// Keeps priced quantities well inside 128 bits.
const FACTOR_DIGITS_MAX: u8 = 18;

/// Everything beside name, meter and price.
pub(super) struct Modifiers<'a> {
    filter: Option<Item<'a>>,
    group_by: Option<Item<'a>>,
    pub(super) conversion: Option<Conversion>,
    allowance: Option<AllowanceSource>,
    pub(super) round: Option<EventRounding>,
    pub(super) discount: Option<UnitAmount>,
    pub(super) minimum: Option<Amount>,
    pub(super) maximum: Option<Amount>,
    pub(super) pool: Pool,
    pub(super) late_policy: LatePolicy,
    /// Where the keys stand that are there.
    pub(super) marks: Vec<(&'static str, Mark)>,
    report: &'a Report,
}

/// An allowance without a scale.
struct AllowanceSource {
    quantity: Literal,
    rollover_max: Option<Literal>,
    scope: AllowanceScope,
}

impl<'a> Modifiers<'a> {
    pub(super) fn read(table: &mut Table<'a>, plan: &PlanOf<'_>) -> Option<Modifiers<'a>> {
        let report = table.report();
        let mut marks = Vec::new();
        let mut take = |name: &'static str| {
            let item = table.optional(name)?;
            marks.push((name, item.mark()));
            Some(item)
        };
        let (filter, group_by) = (take("filter"), take("group_by"));
        let conversion = parsed(take("conversion"), read_conversion);
        let allowance = parsed(take("allowance"), AllowanceSource::read);
        let round = parsed(take("round"), read_round);
        let discount = parsed(take("discount"), read_discount);
        let minimum = parsed(take("minimum"), |item| read_bound(item, plan));
        let maximum = parsed(take("maximum"), |item| read_bound(item, plan));
        let pool = parsed(take("pool"), |item| item.choice(&[("account", Pool::Account)]));
        let late_policy = parsed(take("late_policy"), |item| item.choice(&LATE_POLICIES));
        Some(Modifiers {
            filter,
            group_by,
            conversion: conversion?,
            allowance: allowance?,
            round: round?,
            discount: discount?,
            minimum: minimum?,
            maximum: maximum?,
            pool: pool?.unwrap_or_default(),
            late_policy: late_policy?.unwrap_or_default(),
            marks,
            report,
        })
    }

    /// The filter and the groups by a meter's slots.
    pub(super) fn dimensions(&self, meter: &Meter) -> Option<(Vec<FilterTerm>, Vec<Dimension>)> {
        let of = &meter.dimensions;
        let filter = self.filter.as_ref().map_or(Some(Vec::new()), |item| dimensions::filter(item, of));
        let group_by = self.group_by.as_ref().map_or(Some(Vec::new()), |item| dimensions::group_by(item, of));
        Some((filter?, group_by?))
    }

    /// The allowance in priced units; the outer `None` is an error.
    pub(super) fn allowance(&self, terms: &Terms<'_>) -> Option<Option<Allowance>> {
        let Some(source) = &self.allowance else { return Some(None) };
        let quantity = source.quantity.at(terms, self.report);
        let rollover_max = match &source.rollover_max {
            Some(most) => Some(most.at(terms, self.report)?),
            None => None,
        };
        Some(Some(Allowance { quantity: quantity?, rollover_max, scope: source.scope }))
    }
}

/// A key that may be absent: the outer `None` is an error.
fn parsed<'a, T>(item: Option<Item<'a>>, read: impl FnOnce(&Item<'a>) -> Option<T>) -> Option<Option<T>> {
    item.map_or(Some(None), |item| read(&item).map(Some))
}

impl AllowanceSource {
    fn read(item: &Item<'_>) -> Option<AllowanceSource> {
        let mut table = item.table()?;
        let quantity = table.required("quantity", "100_000").and_then(|item| positive(&item));
        let rollover_max = optional(&mut table, "rollover_max", positive);
        let scope = table.optional("scope").map_or(Some(AllowanceScope::Group), |item| item.choice(&SCOPES));
        table.finish();
        Some(AllowanceSource { quantity: quantity?, rollover_max: rollover_max?, scope: scope? })
    }
}

fn read_round(item: &Item<'_>) -> Option<EventRounding> {
    let mut table = item.table()?;
    let scale = table.required("scale", "10").and_then(|item| item.integer(0..=u32::from(AMOUNT_SCALE)));
    let mode = table.optional("mode").map_or(Some(RoundingMode::default()), |item| item.choice(&EVENT_ROUNDINGS));
    table.finish();
    Some(EventRounding { scale: u8::try_from(scale?).ok()?, mode: mode? })
}

fn read_discount(item: &Item<'_>) -> Option<UnitAmount> {
    let mut table = item.table()?;
    let item = table.required("rate", "\"0.10\"");
    table.finish();
    let item = item?;
    let decimal = item.decimal()?;
    let one = power_of_ten(AMOUNT_SCALE)?;
    let rate = UnitAmount::from_decimal(decimal).ok().filter(|rate| (0..=one).contains(&rate.scaled()));
    if rate.is_none() {
        let reason = format!("must be from 0 to 1, with at most {AMOUNT_SCALE} decimals, not {decimal}");
        item.error(reason, "write \"0.10\" for 10 %");
    }
    rate
}

/// A minimum or maximum.
fn read_bound(item: &Item<'_>, plan: &PlanOf<'_>) -> Option<Amount> {
    let bound = amount(item)?;
    if bound < Amount::ZERO {
        item.error(format!("must not be below 0, not {bound}"), "");
        return None;
    }
    check_minor_unit(item, bound, plan.currency);
    Some(bound)
}

fn read_conversion(item: &Item<'_>) -> Option<Conversion> {
    let mut table = item.table()?;
    let (divide, multiply) = (table.optional("divide"), table.optional("multiply"));
    let round = table.optional("round").map_or(Some(None), |item| item.choice(&CONVERSION_ROUNDINGS));
    table.finish();
    let (factor, divides) = match (divide, multiply) {
        (Some(item), None) => (read_factor(&item)?, true),
        (None, Some(item)) => (read_factor(&item)?, false),
        (Some(_), Some(item)) => {
            item.error("stands beside `divide`", "keep one of the two");
            return None;
        }
        (None, None) => {
            item.error("has no factor", "add divide = 1000, or multiply = \"1.5\"");
            return None;
        }
    };
    let (over, under) = factor;
    let (numerator, denominator) = if divides { (under, over) } else { (over, under) };
    Some(Conversion { numerator, denominator, round: round? })
}

/// A factor as a fraction in lowest terms.
fn read_factor(item: &Item<'_>) -> Option<(i128, i128)> {
    let decimal = positive(item)?.decimal;
    let whole = power_of_ten(decimal.scale).filter(|_| decimal.scale <= FACTOR_DIGITS_MAX);
    let limit = power_of_ten(FACTOR_DIGITS_MAX)?;
    let Some(whole) = whole.filter(|_| decimal.mantissa < limit) else {
        item.error(format!("{decimal} has more than {FACTOR_DIGITS_MAX} digits"), "");
        return None;
    };
    let (mut common, mut rest) = (decimal.mantissa, whole);
    while rest != 0 {
        (common, rest) = (rest, common.checked_rem(rest)?);
    }
    Some((decimal.mantissa.checked_div(common)?, whole.checked_div(common)?))
}
