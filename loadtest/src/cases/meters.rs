//! Random meters, and the fields of the events that they read.
//!
//! Owns: which field a meter may read, so that no event of a case is rejected: a field has as many decimals as the
//! coarsest of its meters keeps, and is below zero only where all of them allow it.

use toml::{Table, Value};

use super::figures::{Figure, list, table};
use super::prng::Prng;

/// How a meter aggregates, as far as the rules tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Count,
    Sum,
    Reading,
    /// max, min, latest, `unique_count`.
    Plain,
    Weighted,
    Percentile,
}

/// A field of events of one type.
#[derive(Debug, Clone)]
pub(super) struct Field {
    /// Its path below `data`.
    pub(super) path: String,
    pub(super) decimals: u32,
    pub(super) shape: Shape,
    /// Quantities around which prices change, with `decimals`.
    pub(super) bounds: Vec<i128>,
}

/// What its values look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// From 0 to 10^12.
    Value,
    /// Of either sign, to 10^12.
    Signed,
    /// Changes of a level, of either sign, to 10^4.
    Delta,
    /// A level, to 10^6.
    Level,
    /// A counter that mostly rises.
    Reading,
    /// The event's own amount.
    Amount,
    /// One that may be below zero.
    SignedAmount,
    /// One of a few texts.
    Text,
}

/// Events of one CloudEvents type.
#[derive(Debug, Clone)]
pub(super) struct EventType {
    pub(super) name: String,
    pub(super) fields: Vec<Field>,
}

/// A meter of the catalog.
#[derive(Debug, Clone)]
pub(super) struct Meter {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) scale: u32,
    /// `allow_negative`.
    pub(super) is_signed: bool,
    pub(super) has_amount: bool,
    /// Whether readings may be estimated: what they say of sealed periods can then change without late usage.
    pub(super) has_estimates: bool,
    pub(super) text: Table,
}

/// Names of the dimensions that all meters have, and the values of their fields.
pub(super) const DIMENSIONS: [(&str, [&str; 4]); 2] =
    [("model", ["m0", "m1", "m2", "m 3"]), ("region", ["eu", "us", "ap", "sa"])];

/// Event types with a field of each shape; half of their figures are nested in an object.
pub(super) fn event_types(prng: &mut Prng) -> Vec<EventType> {
    let mut types = Vec::new();
    for at in 0..prng.range(1, 3) {
        let mut field = |path: &str, decimals: &[u32], shape: Shape| {
            let nested = if prng.chance(20) { format!("usage.{path}") } else { path.to_owned() };
            Field { path: nested, decimals: prng.pick(decimals), shape, bounds: Vec::new() }
        };
        let fields = vec![
            field("v", &[0, 0, 2, 3, 6, 12], Shape::Value),
            field("w", &[0, 2, 9], Shape::Signed),
            field("delta", &[0, 1, 3], Shape::Delta),
            field("level", &[0, 1, 3], Shape::Level),
            field("reading", &[0, 2], Shape::Reading),
            field("cost", &[2, 6, 18], Shape::Amount),
            field("refund", &[2, 18], Shape::SignedAmount),
            field("user", &[0], Shape::Text),
        ];
        types.push(EventType { name: format!("type{at}"), fields });
    }
    types
}

/// A meter on one of the types.
pub(super) fn meter(prng: &mut Prng, types: &[EventType], name: String) -> Meter {
    let kind = prng.weighted(&[
        (20, Kind::Count),
        (40, Kind::Sum),
        (10, Kind::Reading),
        (15, Kind::Plain),
        (15, Kind::Weighted),
        (10, Kind::Percentile),
    ]);
    let at = prng.index(types.len());
    let is_signed = matches!(kind, Kind::Sum | Kind::Plain | Kind::Percentile) && prng.chance(15);
    let mut text = Table::new();
    let mut has_estimates = false;
    let shape = match kind {
        Kind::Count => {
            text.insert("aggregation".into(), "count".into());
            None
        }
        Kind::Sum => {
            text.insert("aggregation".into(), "sum".into());
            Some(if is_signed { Shape::Signed } else { Shape::Value })
        }
        Kind::Reading => {
            has_estimates = reading(prng, &mut text);
            Some(Shape::Reading)
        }
        Kind::Plain => {
            let aggregation = prng.pick(&["max", "min", "latest", "unique_count"]);
            text.insert("aggregation".into(), aggregation.into());
            match aggregation {
                "unique_count" => Some(Shape::Text),
                _ if is_signed => Some(Shape::Signed),
                _ => Some(Shape::Value),
            }
        }
        Kind::Weighted => Some(weighted(prng, &mut text)),
        Kind::Percentile => {
            percentile(prng, &mut text);
            Some(if is_signed { Shape::Signed } else { Shape::Value })
        }
    };
    let is_signed = is_signed && shape == Some(Shape::Signed);
    let found = shape.and_then(|shape| types[at].fields.iter().position(|field| field.shape == shape));
    let decimals = found.map_or(0, |field| types[at].fields[field].decimals);
    // Some meters keep more decimals than events bring.
    let scale = if prng.chance(15) { (decimals + 2).min(12) } else { decimals };
    text.insert("event_type".into(), types[at].name.clone().into());
    text.insert("scale".into(), i64::from(scale).into());
    if let Some(field) = found {
        text.insert("value".into(), format!("data.{}", types[at].fields[field].path).into());
    }
    if is_signed {
        text.insert("allow_negative".into(), true.into());
    }
    let has_amount = matches!(kind, Kind::Count | Kind::Sum) && prng.chance(50);
    if has_amount {
        let shape = if is_signed { Shape::SignedAmount } else { Shape::Amount };
        let cost = types[at].fields.iter().find(|field| field.shape == shape);
        text.extend(cost.map(|cost| ("amount".to_owned(), Value::from(format!("data.{}", cost.path)))));
    }
    dimensions(prng, kind, &mut text);
    Meter { name, kind, scale, is_signed, has_amount, has_estimates, text }
}

fn dimensions(prng: &mut Prng, kind: Kind, text: &mut Table) {
    let mut paths = table(DIMENSIONS.map(|(name, _)| (name, format!("data.{name}"))));
    if kind == Kind::Reading {
        paths.insert("series".into(), "data.series".into());
    }
    text.insert("dimensions".into(), paths.into());
    if prng.chance(10) {
        let (name, values) = prng.pick(&DIMENSIONS);
        text.insert("filter".into(), table([(name, list(values[..3].iter().copied()))]).into());
    }
}

/// Whether readings may be estimated.
fn reading(prng: &mut Prng, text: &mut Table) -> bool {
    text.insert("aggregation".into(), "sum".into());
    text.insert("values".into(), "reading".into());
    if prng.chance(60) {
        text.insert("series".into(), "series".into());
    }
    match prng.below(3) {
        0 => {
            text.insert("wrap_at".into(), Figure::new(1000, 0).toml());
        }
        1 => {
            text.insert("reset".into(), true.into());
        }
        _ => {}
    }
    let has_estimates = prng.chance(40);
    if has_estimates {
        text.insert("estimated".into(), "data.estimated".into());
    }
    has_estimates
}

fn weighted(prng: &mut Prng, text: &mut Table) -> Shape {
    text.insert("aggregation".into(), "weighted_sum".into());
    text.insert("per".into(), prng.pick(&["second", "minute", "hour", "hour", "day"]).into());
    if prng.chance(30) {
        text.insert("carry".into(), false.into());
    }
    let (values, shape) = prng.pick(&[("delta", Shape::Delta), ("level", Shape::Level)]);
    text.insert("values".into(), values.into());
    shape
}

fn percentile(prng: &mut Prng, text: &mut Table) {
    text.insert("aggregation".into(), "percentile".into());
    let rank = prng.pick(&[(95, 0), (50, 0), (100, 0), (1, 0), (999, 1), (9997, 2)]);
    text.insert("rank".into(), Figure::new(rank.0, rank.1).toml());
    text.insert("slot".into(), prng.pick(&["1m", "5m", "15m"]).into());
    if prng.chance(50) {
        text.insert("slot_value".into(), prng.pick(&["sum", "max"]).into());
    }
    if prng.chance(50) {
        text.insert("fill".into(), prng.pick(&["skip", "zero"]).into());
    }
}
