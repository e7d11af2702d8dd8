//! Random catalogs and logs from a seed, and how to make a failing one small.
//!
//! Owns: which cases there are. They are valid: the real program accepts every catalog and every event. Does not own:
//! what they come to (see [`crate::oracle`]).

mod events;
mod figures;
mod meters;
mod parties;
mod plans;
mod prices;
mod prng;
mod shrink;

pub use self::shrink::shrink;

use std::collections::HashSet;

use anyhow::Result;
use jiff::ToSpan;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use toml::{Table, Value};

use self::figures::{Figure, table};
use self::meters::Meter;
use self::parties::Span;
use self::plans::Plan;
use self::prices::{Writer, ZONES};
use self::prng::Prng;
use crate::oracle::Entry;

/// A catalog and a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// What it was made from; a case that was made smaller keeps it.
    pub seed: u64,
    /// The catalog's text.
    pub catalog_toml: String,
    /// Events and closes; the last entry is a close.
    pub log: Vec<Entry>,
}

/// How large a case is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Events in the log, copies included.
    pub events: usize,
    /// Charges in the catalog, at least 1; those that a second plan takes over come on top.
    pub charges: usize,
    /// Declared customers.
    pub customers: usize,
}

/// Makes the case of a seed: the same for the same arguments. Fails only without the time zones' data.
pub fn generate(seed: u64, size: Size) -> Result<Case> {
    let mut prng = Prng::new(seed);
    let span = Span::random(&mut prng);
    let catalog_zone = prng.pick(&ZONES);
    let closes = prng.weighted(&[(35, 1), (30, 2), (20, 3), (15, 4)]);
    let dates = dates(&mut prng, span);

    let mut types = meters::event_types(&mut prng);
    let meters: Vec<Meter> =
        (0..prng.range(1, 6)).map(|at| meters::meter(&mut prng, &types, format!("meter{at}"))).collect();
    let writer = Writer { prng: &mut prng, bounds: Vec::new() };
    let mut maker = plans::Maker {
        writer,
        meters: &meters,
        prices: Table::new(),
        dates: &dates,
        charges_left: size.charges.max(1),
        charges_made: 0,
    };
    let plans = maker.plans();
    let plans::Maker { mut writer, prices, .. } = maker;
    let mut maker =
        parties::Maker { writer: &mut writer, plans: &plans, span, catalog_zone, has_late_closes: closes > 1 };
    let parties = maker.parties(size.customers)?;
    let bounds = std::mem::take(&mut writer.bounds);
    add_bounds(&mut types, &bounds);

    let catalog = catalog(catalog_zone, &meters, prices, &plans, &parties);
    let has_partitionkeys = prng.chance(60);
    let first = instant(span.first)?;
    let mut maker = events::Maker {
        prng: &mut prng,
        types: &types,
        subjects: &parties.subjects,
        instants: &parties.instants,
        span: (first, instant(span.first.saturating_add(span.days.days()))?),
        has_partitionkeys,
        taken: HashSet::new(),
    };
    let log = maker.log(size.events, closes);
    Ok(Case { seed, catalog_toml: toml::to_string(&catalog)?, log })
}

fn instant(day: Date) -> Result<i64> {
    Ok(day.to_zoned(TimeZone::UTC)?.timestamp().as_microsecond())
}

/// Dates or instants of days so far apart that no zone turns their order around.
fn dates(prng: &mut Prng, span: Span) -> Vec<String> {
    let mut days: Vec<Date> = Vec::new();
    for _ in 0..4 {
        let day = span.day(prng, 2, 120);
        // Some on the first of a month, where periods begin.
        let day = if prng.chance(30) { day.first_of_month() } else { day };
        if days.iter().all(|other| day.duration_since(*other).as_hours().abs() > 48) {
            days.push(day);
        }
    }
    days.into_iter().map(|day| parties::moment(prng, day)).collect()
}

/// Lets values fall on the prices' bounds: whatever the meter, they are worth trying.
fn add_bounds(types: &mut [meters::EventType], bounds: &[Figure]) {
    for field in types.iter_mut().flat_map(|kind| &mut kind.fields) {
        field.bounds = bounds.iter().map(|bound| bound.at(field.decimals)).collect();
    }
}

fn catalog(zone: &str, meters: &[Meter], prices: Table, plans: &[Plan], parties: &parties::Parties) -> Table {
    let mut catalog = table([("name", "random"), ("currency", "USD"), ("time_zone", zone)]);
    let meters = meters.iter().map(|meter| (meter.name.clone(), meter.text.clone()));
    catalog.insert("meters".into(), table(meters).into());
    catalog.insert("plans".into(), table(plans.iter().map(|plan| (plan.name.clone(), plan.toml()))).into());
    for (name, section) in [("prices", &prices), ("accounts", &parties.accounts), ("customers", &parties.customers)] {
        if !section.is_empty() {
            catalog.insert(name.into(), section.clone().into());
        }
    }
    if let Some(plan) = &parties.default_plan {
        catalog.insert("defaults".into(), table([("plan", Value::from(plan.as_str()))]).into());
    }
    catalog
}
