//! Prices from their text.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};
use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;

use super::super::super::price::cells::{Day, Matrix, Schedule, Window};
use super::super::super::price::per_event::{Increments, Percentage, Step, percentage_tier};
use super::super::super::price::{CapacityTier, Partial, Price, Tier};
use super::{optional, or_one, or_zero, required, source, zone};

/// Reads a price; `catalog_zone` is where its windows are open unless it says otherwise.
pub(super) fn read(price: &source::Price, catalog_zone: &TimeZone) -> Result<Price> {
    Ok(match price.model.as_str() {
        "unit" => Price::Unit { unit_amount: required(price.unit_amount.as_ref())?, per: or_one(price.per.as_ref())? },
        "graduated" => Price::Graduated(tiers(&price.tiers)?),
        "volume" => Price::Volume(tiers(&price.tiers)?),
        "stairstep" => Price::Stairstep(tiers(&price.tiers)?),
        "graduated_percentage" => Price::Graduated(percentage_tiers(&price.tiers)?),
        "package" => Price::Package {
            size: required(price.size.as_ref())?,
            amount: required(price.amount.as_ref())?,
            partial: match price.partial.as_deref() {
                None | Some("up") => Partial::Up,
                Some("down") => Partial::Down,
                Some("prorate") => Partial::Prorate,
                Some(other) => bail!("partial = {other:?}"),
            },
        },
        "percentage" => Price::Percentage(Box::new(Percentage {
            rate: required(price.rate.as_ref())?,
            fixed: or_zero(price.fixed.as_ref())?,
            min: optional(price.min.as_ref())?,
            max: optional(price.max.as_ref())?,
            free_events: optional(price.free_events.as_ref())?,
            free_amount: optional(price.free_amount.as_ref())?,
        })),
        "dynamic" => Price::Dynamic { multiplier: or_one(price.multiplier.as_ref())? },
        "increments" => Price::Increments(Increments {
            connect: or_zero(price.connect.as_ref())?,
            steps: price.steps.iter().map(step).collect::<Result<_>>()?,
        }),
        "capacity" => Price::Capacity(capacity_tiers(&price.tiers)?),
        "matrix" => Price::Matrix(Matrix {
            cells: price
                .cells
                .iter()
                .map(|cell| Ok((cell.when.clone(), read(&cell.price, catalog_zone)?)))
                .collect::<Result<_>>()?,
            otherwise: otherwise(price, catalog_zone)?,
        }),
        "schedule" => Price::Schedule(Schedule {
            zone: price.zone.as_deref().map_or_else(|| Ok(catalog_zone.clone()), zone)?,
            holidays: price.holidays.iter().map(|date| Ok(date.parse::<Date>()?)).collect::<Result<_>>()?,
            windows: price
                .windows
                .iter()
                .map(|window| Ok((read_window(window)?, read(&window.price, catalog_zone)?)))
                .collect::<Result<_>>()?,
            otherwise: otherwise(price, catalog_zone)?,
        }),
        other => bail!("{other:?} is no price model"),
    })
}

fn otherwise(price: &source::Price, catalog_zone: &TimeZone) -> Result<Option<Box<Price>>> {
    price.otherwise.as_ref().map(|price| read(price, catalog_zone).map(Box::new)).transpose()
}

fn tiers(tiers: &[source::Tier]) -> Result<Vec<Tier>> {
    let read = |tier: &source::Tier| {
        Ok(Tier {
            up_to: bound(tier.up_to.as_ref())?,
            unit_amount: or_zero(tier.unit_amount.as_ref())?,
            per: optional(tier.per.as_ref())?,
            flat_amount: or_zero(tier.flat_amount.as_ref())?,
        })
    };
    ensure!(!tiers.is_empty(), "no tiers");
    tiers.iter().map(read).collect()
}

fn percentage_tiers(tiers: &[source::Tier]) -> Result<Vec<Tier>> {
    let read = |tier: &source::Tier| {
        let (up_to, rate) = (bound(tier.up_to.as_ref())?, or_zero(tier.rate.as_ref())?);
        Ok(percentage_tier(up_to, rate, or_zero(tier.flat_amount.as_ref())?))
    };
    ensure!(!tiers.is_empty(), "no tiers");
    tiers.iter().map(read).collect()
}

fn bound(bound: Option<&source::Bound>) -> Result<Option<super::Exact>> {
    match bound {
        None => Ok(None),
        Some(source::Bound::One(decimal)) => decimal.exact().map(Some),
        Some(source::Bound::Each(_)) => bail!("bounds by meter outside a capacity"),
    }
}

fn capacity_tiers(tiers: &[source::Tier]) -> Result<Vec<CapacityTier>> {
    ensure!(!tiers.is_empty(), "no tiers");
    tiers.iter().map(capacity_tier).collect()
}

fn capacity_tier(tier: &source::Tier) -> Result<CapacityTier> {
    let up_to = match &tier.up_to {
        None => BTreeMap::new(),
        Some(source::Bound::Each(bounds)) => {
            let bounds = bounds.iter().map(|(meter, bound)| Ok((meter.clone(), bound.exact()?)));
            bounds.collect::<Result<_>>()?
        }
        Some(source::Bound::One(_)) => bail!("one bound in a capacity"),
    };
    Ok(CapacityTier { up_to, flat_amount: or_zero(tier.flat_amount.as_ref())? })
}

fn step(step: &source::Step) -> Result<Step> {
    Ok(Step {
        up_to: optional(step.up_to.as_ref())?,
        every: step.every.exact()?,
        unit_amount: step.unit_amount.exact()?,
        per: or_one(step.per.as_ref())?,
    })
}

fn read_window(window: &source::Window) -> Result<Window> {
    let days = window.days.as_ref().map(|days| days.iter().map(|name| day(name)).collect::<Result<Vec<_>>>());
    Ok(Window {
        days: days.transpose()?,
        from: window.from.as_deref().map_or(Ok(0), minute)?,
        to: window.to.as_deref().map_or(Ok(24 * 60), minute)?,
    })
}

fn day(name: &str) -> Result<Day> {
    Ok(Day::Weekday(match name {
        "mon" => Weekday::Monday,
        "tue" => Weekday::Tuesday,
        "wed" => Weekday::Wednesday,
        "thu" => Weekday::Thursday,
        "fri" => Weekday::Friday,
        "sat" => Weekday::Saturday,
        "sun" => Weekday::Sunday,
        "holiday" => return Ok(Day::Holiday),
        _ => bail!("{name:?} is no day"),
    }))
}

/// `20:30` as a minute of the day.
fn minute(text: &str) -> Result<i64> {
    let (hour, minute) = text.split_once(':').with_context(|| format!("{text:?} is no time"))?;
    Ok(hour.parse::<i64>()? * 60 + minute.parse::<i64>()?)
}
