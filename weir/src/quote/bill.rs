//! N(Q): usage folded and priced as a shard does it, and billed as an invoice does it.

use std::sync::Arc;

use anyhow::Result;
use weir_invoicer::{Detail, Item, Line};
use weir_model::aggregation::{Aggregation, Frame, Observation};
use weir_model::bucket::BucketState;
use weir_model::catalog::{Catalog, ChargeIdx, Meter};
use weir_model::charge::Measured;
use weir_model::currency::Currency;
use weir_model::decimal::{Decimal, decimal_string, power_of_ten};
use weir_model::hash::Digest;
use weir_model::number::{AMOUNT_SCALE, Amount, Money, Overflow, QUANTITY_SCALE_MAX, Quantity, UnitAmount};
use weir_model::price::{Leaf, PerEvent};
use weir_model::rated::{BucketTotal, CustomerPeriod, Seal, Segment};

use super::Usage;
use super::situation::Situation;
use crate::failure::invalid;

/// What some usage comes to.
pub(super) struct Bill {
    pub figures: Figures,
    pub exact: Amount,
    pub amount: Money,
    pub lines: Vec<QuoteLine>,
    pub events: Vec<QuoteEvent>,
}

/// A quantity and its price.
#[derive(Debug, Clone)]
pub struct Figures {
    /// Q; `None` for a capacity price.
    pub quantity: Option<String>,
    /// The resources of a capacity price and their quantities; empty for others.
    pub resources: Vec<(String, String)>,
    /// A(Q).
    pub exact_amount: Amount,
    /// N(Q).
    pub amount: Money,
}

/// What one event adds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuoteEvent {
    /// Its value.
    pub value: String,
    /// A with it less A without it.
    pub exact_amount: Amount,
}

/// A line that explains a quote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuoteLine {
    /// Those of a usage line's details, and `discount`, `maximum`, `minimum`.
    pub kind: &'static str,
    /// From 1; `None` for prices without tiers.
    pub tier: Option<u32>,
    /// The part of the quantity; `None` for flat amounts and modifiers of the amount.
    pub quantity: Option<String>,
    /// Per `per`; the rate of a percentage or discount, the multiplier of a dynamic price.
    pub unit_amount: Option<UnitAmount>,
    /// How much the unit amount buys; `None` for rates and multipliers.
    pub per: Option<String>,
    /// Before rounding (c).
    pub exact_amount: Amount,
    /// Its part of the quote.
    pub amount: Money,
}

impl Bill {
    /// `catalog` is the situation's, or the same with other modifiers.
    pub fn of(catalog: &Catalog, situation: &Situation<'_>, usage: &Usage) -> Result<Bill> {
        let fitting = |Overflow| invalid("the usage comes to more than amounts below 10^20 can hold; quote less of it");
        let meters = meters(catalog);
        let frames: Vec<Frame> =
            meters.iter().map(|meter| Frame { one: Quantity::from_scaled(meter.scale.unit()), slots: 0 }).collect();
        let events = events(situation, usage, &meters)?;
        let rule = situation.rule();
        let aggregations: Vec<Aggregation> = meters.iter().map(|meter| meter.aggregation).collect();
        let mut state = BucketState::new(&rule, &aggregations).map_err(fitting)?;
        let mut exact = state.amount(&rule, &frames).map_err(fitting)?;
        let mut rows = Vec::with_capacity(events.len());
        for (number, event) in (0_u64..).zip(&events) {
            let id = number.to_be_bytes();
            let seen: Vec<Option<Observation<'_>>> =
                event.iter().map(|value| value.map(|value| value.observed(situation, &id))).collect();
            let after = state.observe(&rule, &frames, &seen).map_err(fitting)?;
            if let (Usage::Values(_), [Some(value)]) = (usage, event.as_slice()) {
                let exact_amount = after.checked_sub(exact).map_err(fitting)?;
                rows.push(QuoteEvent { value: meters[0].quantity_text(value.quantity), exact_amount });
            }
            exact = after;
        }
        let measured = state.measured(&frames).map_err(fitting)?;
        let (charge, cell) = situation.bucket();
        let total = BucketTotal {
            charge,
            group: Vec::new(),
            cell,
            terms: Arc::clone(&situation.terms),
            measured: measured.clone(),
            events: events.len().try_into()?,
            amount: exact,
            without_usage: state.amount_without_usage(&rule).map_err(fitting)?,
            pool: None,
            digest: Digest::default(),
        };
        let (amount, lines) = billed(catalog, situation, total)?;
        let figures = figures(situation, &meters, &measured, (exact, amount))?;
        Ok(Bill { figures, exact, amount, lines, events: rows })
    }

    /// What is left to bill after an interim document.
    pub fn less(self, before: &Bill) -> Result<Bill> {
        let exact = self.exact.checked_sub(before.exact).map_err(invalid)?;
        let amount = difference(self.amount, before.amount)?;
        let of = |line: &QuoteLine| (line.kind, line.tier);
        let mut lines = Vec::new();
        for line in &before.lines {
            if self.lines.iter().all(|other| of(other) != of(line)) {
                lines.push(line.nothing().less(line)?);
            }
        }
        for line in &self.lines {
            lines.push(match before.lines.iter().find(|other| of(other) == of(line)) {
                Some(earlier) => line.less(earlier)?,
                None => line.clone(),
            });
        }
        lines.retain(|line| !line.is_nothing());
        Ok(Bill { exact, amount, lines, ..self })
    }
}

/// A value of an event, also as the amount that a dynamic price takes it for.
#[derive(Clone, Copy)]
struct Value {
    quantity: Quantity,
    own: Amount,
}

impl Value {
    fn of(decimal: Decimal, meter: &Meter, leaf: &Leaf<'_>) -> Result<Value> {
        let too_large = |of: &str| invalid(format!("{decimal} is too large for {of}; quote less of it"));
        let scaled = decimal.at_scale(meter.scale.decimals()).ok();
        let quantity = scaled.and_then(|scaled| Quantity::ZERO.checked_add(Quantity::from_scaled(scaled)).ok());
        let own = match leaf {
            Leaf::PerEvent(PerEvent::Dynamic(_)) => Amount::from_decimal(decimal).ok(),
            _ => Some(Amount::ZERO),
        };
        Ok(Value {
            quantity: quantity.ok_or_else(|| too_large("a quantity"))?,
            own: own.ok_or_else(|| too_large("an amount below 10^20"))?,
        })
    }

    fn observed<'e>(self, situation: &Situation<'_>, id: &'e [u8; 8]) -> Observation<'e> {
        Observation {
            value: self.quantity,
            own: self.own,
            distinct: 0,
            time: situation.at,
            source: b"",
            id,
            estimated: false,
            fingerprint: u64::from_be_bytes(*id).into(),
        }
    }
}

/// The meters of the catalog's one charge: one for each resource of a capacity price.
fn meters(catalog: &Catalog) -> Vec<&Meter> {
    let charge = catalog.charges.first().expect("a price file's catalog has one charge");
    let further = charge.further.iter().map(|further| further.meter);
    std::iter::once(charge.meter).chain(further).map(|index| &catalog.meters[index.at()]).collect()
}

/// The usage as events, each with a value for the meters that it concerns. A quantity is one event, and zero none.
fn events(situation: &Situation<'_>, usage: &Usage, meters: &[&Meter]) -> Result<Vec<Vec<Option<Value>>>> {
    let name = situation.name();
    let leaf = situation.leaf()?;
    let values = match (usage, leaf) {
        (Usage::Resources(given), Leaf::Capacity(price)) => {
            let mut event = vec![None; meters.len()];
            for (resource, quantity) in given {
                let Some(position) = price.resources.iter().position(|other| other == resource) else {
                    let names = price.resources.join(", ");
                    return Err(invalid(format!("price {name:?} has no resource {resource:?}; use {names}")));
                };
                check_sign(situation, *quantity, meters[position])?;
                if event[position].replace(Value::of(*quantity, meters[position], &leaf)?).is_some() {
                    return Err(invalid(format!("resource {resource:?} stands here twice; give it one quantity")));
                }
            }
            return Ok(vec![event]);
        }
        (_, Leaf::Capacity(price)) => {
            let example: Vec<String> = price.resources.iter().map(|name| format!("{name}=1")).collect();
            let reason = format!("price {name:?} has a quantity for each resource");
            return Err(invalid(format!("{reason}; write --quantity {}", example.join(","))));
        }
        (Usage::Resources(_), _) => {
            return Err(invalid(format!("price {name:?} has one quantity; write for example --quantity 3")));
        }
        (Usage::Quantity(quantity), _) if quantity.mantissa == 0 => Vec::new(),
        (Usage::Quantity(quantity), _) => vec![*quantity],
        (Usage::Values(values), _) => values.clone(),
    };
    let event = |value: &Decimal| {
        check_sign(situation, *value, meters[0])?;
        Ok(vec![Some(Value::of(*value, meters[0], &leaf)?)])
    };
    values.iter().map(event).collect()
}

/// Refuses values below zero where a meter would.
fn check_sign(situation: &Situation<'_>, value: Decimal, meter: &Meter) -> Result<()> {
    if value.mantissa >= 0 || meter.allow_negative {
        return Ok(());
    }
    let reason = format!("{value} is below zero, which price {:?} cannot price", situation.name());
    Err(invalid(format!("{reason}; only unit, dynamic, and percentage prices without anything free can")))
}

/// The document of a period with this one bucket: its total and its lines.
fn billed(catalog: &Catalog, situation: &Situation<'_>, total: BucketTotal) -> Result<(Money, Vec<QuoteLine>)> {
    let plan = catalog.charges[ChargeIdx(0).at()].plan;
    let segment = Segment { plan, active: situation.period, buckets: vec![total] };
    let period = CustomerPeriod {
        period: situation.period,
        seal: Seal::Open,
        segments: vec![segment],
        ..CustomerPeriod::empty()
    };
    let Some(invoice) = weir_invoicer::draft(catalog, &period).map_err(invalid)? else {
        return Ok((Money::zero(catalog.currency), Vec::new()));
    };
    Ok((invoice.subtotal, invoice.lines.iter().flat_map(quote_lines).collect()))
}

fn quote_lines(line: &Line) -> Vec<QuoteLine> {
    let modifier = |kind, unit_amount, exact_amount| {
        vec![QuoteLine { kind, tier: None, quantity: None, unit_amount, per: None, exact_amount, amount: line.amount }]
    };
    let rounded = || exact(line.amount);
    match &line.item {
        Item::Usage(usage) => usage.details.iter().map(of_detail).collect(),
        Item::Discount(discount) => modifier("discount", Some(discount.rate), discount.exact_amount),
        Item::Maximum(_) => modifier("maximum", None, rounded()),
        Item::Minimum(_) => modifier("minimum", None, rounded()),
        Item::Fee(_) => Vec::new(),
    }
}

fn of_detail(detail: &Detail) -> QuoteLine {
    QuoteLine {
        kind: detail.kind.code(),
        tier: detail.tier.as_ref().map(|tier| tier.number),
        quantity: detail.quantity.clone(),
        unit_amount: detail.unit_amount.or(detail.rate).or(detail.multiplier),
        per: detail.per.clone(),
        exact_amount: detail.exact_amount,
        amount: detail.amount,
    }
}

fn figures(
    situation: &Situation<'_>,
    meters: &[&Meter],
    measured: &Measured,
    (exact_amount, amount): (Amount, Money),
) -> Result<Figures> {
    let (mut quantity, mut resources) = (None, Vec::new());
    match (measured, situation.leaf()?) {
        (Measured::ByResource(quantities), Leaf::Capacity(price)) => {
            for ((name, meter), quantity) in price.resources.iter().zip(meters).zip(quantities) {
                resources.push((name.clone(), meter.quantity_text(*quantity)));
            }
        }
        (measured, _) => quantity = Some(meters[0].quantity_text(measured.quantity().map_err(invalid)?)),
    }
    Ok(Figures { quantity, resources, exact_amount, amount })
}

impl QuoteLine {
    fn nothing(&self) -> QuoteLine {
        QuoteLine {
            quantity: self.quantity.as_ref().map(|_| "0".to_owned()),
            exact_amount: Amount::ZERO,
            amount: Money::zero(self.amount.currency()),
            ..self.clone()
        }
    }

    fn is_nothing(&self) -> bool {
        *self == self.nothing()
    }

    fn less(&self, before: &QuoteLine) -> Result<QuoteLine> {
        let quantity = match (&self.quantity, &before.quantity) {
            (Some(quantity), Some(before)) => Some(less(quantity, before)?),
            _ => None,
        };
        let exact_amount = self.exact_amount.checked_sub(before.exact_amount).map_err(invalid)?;
        Ok(QuoteLine { quantity, exact_amount, amount: difference(self.amount, before.amount)?, ..self.clone() })
    }
}

/// The difference of two quantities as texts, which have at most the decimals of a meter.
fn less(quantity: &str, before: &str) -> Result<String> {
    let scaled = |text: &str| Decimal::parse(text.as_bytes()).and_then(|decimal| decimal.at_scale(QUANTITY_SCALE_MAX));
    let difference = scaled(quantity).map_err(invalid)?.checked_sub(scaled(before).map_err(invalid)?);
    difference.map(|scaled| decimal_string(scaled, QUANTITY_SCALE_MAX)).ok_or_else(|| invalid(Overflow))
}

fn difference(money: Money, before: Money) -> Result<Money> {
    let minor = money.minor().checked_sub(before.minor()).ok_or_else(|| invalid(Overflow))?;
    Ok(Money::from_minor(minor, money.currency()))
}

/// Money as an amount, which it was rounded from.
fn exact(money: Money) -> Amount {
    let unit = |currency: Currency| power_of_ten(AMOUNT_SCALE.saturating_sub(currency.exponent()));
    let scaled = unit(money.currency()).and_then(|unit| money.minor().checked_mul(unit));
    scaled.and_then(|scaled| Amount::from_scaled(scaled).ok()).expect("a line is the rounding of an amount")
}
