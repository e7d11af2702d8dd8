//! From the catalog's text to [`Catalog`].

use anyhow::{Context, Result, bail, ensure};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use num_traits::{One, Zero};

use super::super::calendar::{Cycle, Proration, first_instant, instant};
use super::super::number::{Exact, Mode, minor_decimals, scaled};
use super::super::price::Price;
use super::super::price::per_event::EventRounding;
use super::{
    Aggregation, Allowance, Catalog, Charge, Conversion, Customer, LatePolicy, Level, Meter, Path, Plan, Readings,
    SlotValue, Version, source,
};

mod prices;

impl Catalog {
    /// Reads a valid catalog.
    pub(in super::super) fn parse(text: &str) -> Result<Catalog> {
        let source: source::Catalog = toml::from_str(text)?;
        let time_zone = zone(source.time_zone.as_deref().unwrap_or("UTC"))?;
        let mut reader = Reader { source: &source, time_zone, meters: Vec::new(), plans: Vec::new() };
        for (name, meter) in &source.meters {
            reader.meters.push(read_meter(meter).with_context(|| format!("meters.{name}"))?);
        }
        for (name, plan) in &source.plans {
            let plan = reader.plan(name, plan).with_context(|| format!("plans.{name}"))?;
            reader.plans.push(plan);
        }
        let mut customers = Vec::new();
        for (id, customer) in &source.customers {
            customers.push(reader.customer(id, customer).with_context(|| format!("customers.{id}"))?);
        }
        let default_plan = source.defaults.as_ref().and_then(|defaults| defaults.plan.as_deref());
        let default_plan = default_plan.map(|name| reader.plan_named(name)).transpose()?;
        let Reader { time_zone, meters, plans, .. } = reader;
        Ok(Catalog { time_zone, meters, plans, customers, default_plan })
    }
}

struct Reader<'s> {
    source: &'s source::Catalog,
    time_zone: TimeZone,
    meters: Vec<Meter>,
    plans: Vec<Plan>,
}

fn zone(name: &str) -> Result<TimeZone> {
    TimeZone::get(name).with_context(|| name.to_owned())
}

fn path(text: &str) -> Result<Path> {
    if let Some(key) = text.strip_prefix("data.") {
        return Ok(Path::Data(key.to_owned()));
    }
    Ok(match text {
        "source" => Path::Source,
        "id" => Path::Id,
        "subject" => Path::Subject,
        "type" => Path::Type,
        "partitionkey" => Path::PartitionKey,
        _ => bail!("{text:?} is no path that the oracle knows"),
    })
}

fn optional_path(text: Option<&String>) -> Result<Option<Path>> {
    text.map(|text| path(text)).transpose()
}

fn optional(decimal: Option<&source::Decimal>) -> Result<Option<Exact>> {
    decimal.map(source::Decimal::exact).transpose()
}

fn or_zero(decimal: Option<&source::Decimal>) -> Result<Exact> {
    Ok(optional(decimal)?.unwrap_or_else(Exact::zero))
}

fn or_one(decimal: Option<&source::Decimal>) -> Result<Exact> {
    Ok(optional(decimal)?.unwrap_or_else(Exact::one))
}

fn required(decimal: Option<&source::Decimal>) -> Result<Exact> {
    optional(decimal)?.context("a figure is missing")
}

fn read_meter(meter: &source::Meter) -> Result<Meter> {
    let dimensions = meter.dimensions.iter().map(|(name, text)| Ok((name.clone(), path(text)?)));
    Ok(Meter {
        event_type: meter.event_type.clone(),
        aggregation: read_aggregation(meter)?,
        value: optional_path(meter.value.as_ref())?,
        amount: optional_path(meter.amount.as_ref())?,
        scale: meter.scale,
        dimensions: dimensions.collect::<Result<_>>()?,
        filter: meter.filter.clone(),
        allow_negative: meter.allow_negative,
    })
}

fn read_aggregation(meter: &source::Meter) -> Result<Aggregation> {
    Ok(match (meter.aggregation.as_str(), meter.values.as_deref()) {
        ("count", None) => Aggregation::Count,
        ("sum", None) => Aggregation::Sum,
        ("max", None) => Aggregation::Max,
        ("min", None) => Aggregation::Min,
        ("latest", None) => Aggregation::Latest,
        ("unique_count", None) => Aggregation::UniqueCount,
        ("weighted_sum", Some(values)) => Aggregation::WeightedSum {
            values: match values {
                "delta" => Level::Delta,
                "level" => Level::Absolute,
                _ => bail!("values = {values:?}"),
            },
            per_micros: 1_000_000
                * match meter.per.as_deref() {
                    Some("second") => 1,
                    Some("minute") => 60,
                    Some("hour") => 3_600,
                    Some("day") => 86_400,
                    per => bail!("per = {per:?}"),
                },
            carry: meter.carry.unwrap_or(true),
        },
        ("sum", Some("reading")) => Aggregation::Readings(Readings {
            series: meter.series.clone(),
            wrap_at: meter
                .wrap_at
                .as_ref()
                .map(|wrap_at| scaled(&wrap_at.text(), meter.scale).context("wrap_at is finer than the scale"))
                .transpose()?,
            resets: meter.reset,
            estimated: optional_path(meter.estimated.as_ref())?,
        }),
        ("percentile", None) => Aggregation::Percentile {
            rank: required(meter.rank.as_ref())?,
            slot_micros: slot_micros(meter.slot.as_deref().context("a percentile needs a slot")?)?,
            slot_value: match meter.slot_value.as_deref() {
                None | Some("sum") => SlotValue::Sum,
                Some("max") => SlotValue::Max,
                Some(other) => bail!("slot_value = {other:?}"),
            },
            fills_zero: match meter.fill.as_deref() {
                None | Some("skip") => false,
                Some("zero") => true,
                Some(other) => bail!("fill = {other:?}"),
            },
        },
        other => bail!("{other:?} is no aggregation"),
    })
}

/// `5m`, `30s`.
fn slot_micros(text: &str) -> Result<i64> {
    let (count, seconds) = match (text.strip_suffix('m'), text.strip_suffix('s')) {
        (Some(count), _) => (count, 60),
        (_, Some(count)) => (count, 1),
        _ => bail!("slot = {text:?}"),
    };
    Ok(count.parse::<i64>()? * seconds * 1_000_000)
}

impl Reader<'_> {
    fn plan_named(&self, name: &str) -> Result<usize> {
        let found = self.plans.iter().position(|plan| plan.name == name);
        found.with_context(|| format!("there is no plan {name:?}"))
    }

    fn plan(&self, name: &str, plan: &source::Plan) -> Result<Plan> {
        let currency = plan.currency.as_ref().or(self.source.currency.as_ref());
        let currency = currency.context("no currency")?.clone();
        let charges = plan.charges.iter().map(|charge| self.charge(charge).with_context(|| charge.name.clone()));
        Ok(Plan {
            name: name.to_owned(),
            minor_decimals: minor_decimals(&currency)?,
            currency,
            cycle: Cycle::parse(plan.cycle.as_deref().unwrap_or("1 month"))?,
            is_anniversary: match plan.anchor.as_deref() {
                None | Some("calendar") => false,
                Some("anniversary") => true,
                Some(other) => bail!("anchor = {other:?}"),
            },
            proration: match plan.proration.as_deref() {
                None | Some("exact") => Proration::Exact,
                Some("day") => Proration::Day,
                Some(other) => bail!("proration = {other:?}"),
            },
            fees: plan.fees.iter().map(|fee| Ok((fee.name.clone(), fee.amount.exact()?))).collect::<Result<_>>()?,
            charges: charges.collect::<Result<_>>()?,
        })
    }

    fn meter_named(&self, name: &str) -> Result<usize> {
        let found = self.source.meters.keys().position(|meter| meter == name);
        found.with_context(|| format!("there is no meter {name:?}"))
    }

    fn charge(&self, charge: &source::Charge) -> Result<Charge> {
        let meters = match (&charge.meter, &charge.meters) {
            (Some(name), None) => vec![(name.clone(), self.meter_named(name)?)],
            (None, Some(meters)) => meters
                .iter()
                .map(|(key, name)| Ok((key.clone(), self.meter_named(name)?)))
                .collect::<Result<Vec<_>>>()?,
            _ => bail!("a charge has either meter or meters"),
        };
        let versions = self.versions(&charge.price)?;
        check_capacity(&meters, &versions)?;
        Ok(Charge {
            name: charge.name.clone(),
            meters,
            versions,
            filter: charge.filter.clone(),
            group_by: charge.group_by.clone(),
            conversion: charge.conversion.as_ref().map(read_conversion).transpose()?,
            allowance: charge.allowance.as_ref().map(read_allowance).transpose()?,
            discount: charge.discount.as_ref().map(|discount| discount.rate.exact()).transpose()?,
            minimum: optional(charge.minimum.as_ref())?,
            maximum: optional(charge.maximum.as_ref())?,
            round: charge.round.as_ref().map(read_round).transpose()?,
            is_pooled: match charge.pool.as_deref() {
                None => false,
                Some("account") => true,
                Some(other) => bail!("pool = {other:?}"),
            },
            late_policy: match charge.late_policy.as_deref() {
                None | Some("next_invoice") => LatePolicy::NextInvoice,
                Some("credit_or_debit_note") => LatePolicy::Note,
                Some("refuse") => LatePolicy::Refuse,
                Some(other) => bail!("late_policy = {other:?}"),
            },
        })
    }

    /// A price and its later versions.
    fn versions(&self, price: &source::PriceOf) -> Result<Vec<Version>> {
        let price = match price {
            source::PriceOf::Here(price) => price,
            source::PriceOf::Name(name) => {
                self.source.prices.get(name).with_context(|| format!("there is no price {name:?}"))?
            }
        };
        let first = Version { effective_at: i64::MIN, splits: false, price: prices::read(price, &self.time_zone)? };
        let mut versions = vec![first];
        for later in &price.versions {
            let effective_at = later.effective_at.as_deref().context("a version needs effective_at")?;
            versions.push(Version {
                effective_at: instant(effective_at, &self.time_zone)?,
                splits: match later.mid_period.as_deref() {
                    None | Some("next_period") => false,
                    Some("split") => true,
                    Some(other) => bail!("mid_period = {other:?}"),
                },
                price: prices::read(later, &self.time_zone)?,
            });
        }
        Ok(versions)
    }

    fn customer(&mut self, id: &str, customer: &source::Customer) -> Result<Customer> {
        let account = customer.account.as_deref().unwrap_or(id);
        let declared = self.source.accounts.get(account);
        let zone = match declared.and_then(|account| account.time_zone.as_deref()) {
            Some(name) => zone(name)?,
            None => self.time_zone.clone(),
        };
        let mut root = account;
        while let Some(parent) = self.source.accounts.get(root).and_then(|account| account.parent.as_deref()) {
            root = parent;
        }
        let starts_on: Option<Date> = customer.starts_on.as_deref().map(str::parse).transpose()?;
        let starts_at = starts_on.map_or(Ok(i64::MIN), |date| first_instant(date, &zone))?;
        let ends_at = customer.ends_on.as_deref().map_or(Ok(i64::MAX), |date| instant(date, &zone))?;
        let mut stretches = Vec::new();
        if let Some(plan) = &customer.plan {
            stretches.push((starts_at, self.plan_of(plan, customer)?));
        }
        for change in &customer.changes {
            stretches.push((instant(&change.effective_at, &zone)?, self.plan_of(&change.plan, customer)?));
        }
        Ok(Customer {
            id: id.to_owned(),
            root: root.to_owned(),
            zone,
            subjects: customer.subjects.clone().unwrap_or_else(|| vec![id.to_owned()]),
            starts_on,
            stretches,
            ends_at,
        })
    }

    /// The plan, or the customer's variant of it.
    fn plan_of(&mut self, name: &str, customer: &source::Customer) -> Result<usize> {
        let base = self.plan_named(name)?;
        let mut plan = self.plans[base].clone();
        let mut is_variant = false;
        for charge in &mut plan.charges {
            if let Some(other) = customer.overrides.get(&charge.name) {
                charge.versions = self.versions(&other.price)?;
                is_variant = true;
            }
        }
        if !is_variant {
            return Ok(base);
        }
        self.plans.push(plan);
        Ok(self.plans.len() - 1)
    }
}

/// A capacity bounds its charge's meters; every other price has one meter.
fn check_capacity(meters: &[(String, usize)], versions: &[Version]) -> Result<()> {
    for version in versions {
        match &version.price {
            Price::Capacity(tiers) => {
                let mut names = tiers.iter().flat_map(|tier| tier.up_to.keys());
                let unknown = names.find(|name| !meters.iter().any(|(meter, _)| meter == *name));
                ensure!(unknown.is_none() && !meters.is_empty(), "a bound of {unknown:?}, which is no meter");
            }
            _ => ensure!(meters.len() == 1, "several meters need a capacity"),
        }
    }
    Ok(())
}

fn read_conversion(conversion: &source::Conversion) -> Result<Conversion> {
    let factor = match (&conversion.divide, &conversion.multiply) {
        (Some(divide), None) => divide.exact()?.recip(),
        (None, Some(multiply)) => multiply.exact()?,
        _ => bail!("a conversion either divides or multiplies"),
    };
    let round = match conversion.round.as_deref() {
        None | Some("none") => None,
        Some(name) => Some(Mode::parse(name)?),
    };
    Ok(Conversion { factor, round })
}

fn read_allowance(allowance: &source::Allowance) -> Result<Allowance> {
    Ok(Allowance {
        quantity: allowance.quantity.exact()?,
        rollover_max: optional(allowance.rollover_max.as_ref())?,
        is_shared: match allowance.scope.as_deref() {
            None | Some("group") => false,
            Some("charge") => true,
            Some(other) => bail!("scope = {other:?}"),
        },
    })
}

fn read_round(round: &source::Round) -> Result<EventRounding> {
    Ok(EventRounding { scale: round.scale, mode: Mode::parse(round.mode.as_deref().unwrap_or("half_away"))? })
}
