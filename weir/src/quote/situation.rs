//! Where a request stands: the version in force, the cell, and the terms of a whole period.

use std::sync::Arc;

use anyhow::Result;
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use weir_invoicer::CellChoice;
use weir_model::calendar::Periods;
use weir_model::catalog::{Catalog, Charge, ChargeIdx, Meter};
use weir_model::charge::{Fraction, Rule, Terms};
use weir_model::price::{CellIdx, CellPart, Leaf, Price};
use weir_model::time::{Instant, Period};

use super::Request;
use crate::failure::invalid;

/// The bucket that a request is about.
pub(super) struct Situation<'c> {
    name: &'c str,
    charge: &'c Charge,
    price: &'c Price,
    cell: CellIdx,
    /// When the usage happens.
    pub at: Instant,
    /// The billing period, all of which the charge is in force.
    pub period: Period,
    pub terms: Arc<Terms>,
}

impl<'c> Situation<'c> {
    /// `catalog` is that of the price `name`: it has one charge.
    pub fn of(catalog: &'c Catalog, name: &'c str, request: &Request) -> Result<Situation<'c>> {
        let charge = the_charge(catalog);
        let at = request.at.as_deref().map(|text| instant(text, zone(charge, catalog))).transpose()?;
        if at.is_none() && charge.versions.len() > 1 {
            let later: Vec<String> =
                charge.versions.iter().filter_map(|version| Some(version.effective_at?.to_string())).collect();
            let reason = format!("price {name:?} has later versions, from {}", later.join(", "));
            return Err(invalid(format!("{reason}; add --at T to say which one")));
        }
        let instant = at.unwrap_or(Instant::EVENT_MIN);
        let version = charge.version_at(instant);
        let price = version_price(charge, version)?;
        if at.is_none() && price.has_schedule() {
            let reason = format!("price {name:?} depends on the time of day");
            return Err(invalid(format!("{reason}; add --at T, for example --at 2026-09-14T20:30")));
        }
        let meter = the_meter(catalog);
        let cell = cell(name, price, meter, &request.dimensions, instant)?;
        let plan = &catalog.plans[charge.plan.at()];
        let period = Periods::new(plan.cycle, plan.anchor, None, catalog.time_zone.clone()).period_at(instant);
        let allowance = charge.allowance_of(Fraction::WHOLE, meter).map_err(invalid)?;
        let versions = vec![(version, period.start)];
        let terms = Arc::new(Terms { active: period, part: Fraction::WHOLE, versions, allowance });
        Ok(Situation { name, charge, price, cell, at: instant, period, terms })
    }

    /// The name of the price.
    pub fn name(&self) -> &str {
        self.name
    }

    /// What an amount depends on beside the usage.
    pub fn rule(&self) -> Rule<'_> {
        Rule { charge: self.charge, cell: self.cell, terms: &self.terms }
    }

    /// The price of the cell.
    pub fn leaf(&self) -> Result<Leaf<'_>> {
        self.rule().leaf(0).map_err(invalid)
    }

    /// The charge's number and the cell.
    pub fn bucket(&self) -> (ChargeIdx, CellIdx) {
        (ChargeIdx(0), self.cell)
    }

    /// Refuses sums over events, which have no quantity to go on from.
    pub fn check_has_quantity(&self) -> Result<()> {
        match self.leaf()? {
            Leaf::PerEvent(_) => {
                let reason =
                    format!("price {:?} has an amount for each event, so that --from has no meaning", self.name);
                Err(invalid(format!("{reason}; leave it out")))
            }
            Leaf::Cumulative(_) | Leaf::Capacity(_) => Ok(()),
        }
    }

    /// The model of the version in force.
    pub fn model(&self) -> &'static str {
        self.price.model()
    }

    /// The version in force, from 1.
    pub fn version_number(&self) -> u32 {
        self.terms.versions.first().map_or(0, |(version, _)| version.saturating_add(1))
    }

    /// What leads to the cell.
    pub fn cell_choices(&self) -> Vec<CellChoice> {
        let choice = |part: CellPart| match part {
            CellPart::Dimension(dimension, value) => CellChoice::Dimension { dimension, value },
            CellPart::Window(window) => CellChoice::Window { window },
        };
        self.price.place(self.cell).into_iter().map(choice).collect()
    }
}

fn the_charge(catalog: &Catalog) -> &Charge {
    catalog.charges.first().expect("a price file's catalog has one charge")
}

fn the_meter(catalog: &Catalog) -> &Meter {
    weir_model::charge::meter_of(catalog, the_charge(catalog))
}

fn version_price(charge: &Charge, version: u32) -> Result<&Price> {
    let version = usize::try_from(version).ok().and_then(|version| charge.versions.get(version));
    version.map(|version| &*version.price).ok_or_else(|| invalid("the price has no version"))
}

/// The zone of the first schedule among the versions, whose clocks people think in; else the file's.
fn zone<'c>(charge: &'c Charge, catalog: &'c Catalog) -> &'c TimeZone {
    fn of(price: &Price) -> Option<&TimeZone> {
        match price {
            Price::Schedule(schedule) => Some(&schedule.zone),
            price => price.children().into_iter().find_map(of),
        }
    }
    charge.versions.iter().find_map(|version| of(&version.price)).unwrap_or(&catalog.time_zone)
}

/// RFC 3339, a local time, or a local date, which is its first instant.
fn instant(text: &str, zone: &TimeZone) -> Result<Instant> {
    let local = || {
        let local = text.parse::<Date>().map(|date| date.at(0, 0, 0, 0)).or_else(|_| text.parse::<DateTime>());
        zone.to_timestamp(local.ok()?).ok()
    };
    // Whatever tells an offset is an instant; a date alone has a hyphen too, and a time alone none of these.
    let found = text.parse::<Timestamp>().ok().or_else(|| if text.ends_with(['Z', 'z']) { None } else { local() });
    let at = found.map(Instant::from_timestamp);
    at.filter(|at| (Instant::EVENT_MIN..Instant::EVENT_END).contains(at)).ok_or_else(|| {
        let zone = zone.iana_name().unwrap_or("UTC");
        let fix = format!("write 2026-09-14T20:30:00Z, or 2026-09-14T20:30 or 2026-09-14 for the local time in {zone}");
        invalid(format!("--at {text:?} is no time of the years 1970 to 2199; {fix}"))
    })
}

/// The cell of a combination of dimension values at a time.
fn cell(name: &str, price: &Price, meter: &Meter, given: &[(String, String)], at: Instant) -> Result<CellIdx> {
    let known = || meter.dimensions.iter().map(|dimension| dimension.name.as_str());
    for (number, (dimension, _)) in given.iter().enumerate() {
        if !known().any(|name| name == dimension) {
            let fix = match known().collect::<Vec<_>>().as_slice() {
                [] => "leave --dimension out".to_owned(),
                names => format!("use one of {}", names.join(", ")),
            };
            return Err(invalid(format!("price {name:?} has no dimension {dimension:?}; {fix}")));
        }
        if given.iter().take(number).any(|(earlier, _)| earlier == dimension) {
            return Err(invalid(format!("--dimension {dimension:?} stands here twice; give it one value")));
        }
    }
    let value_of = |slot: u16| {
        let dimension = meter.dimensions.iter().find(|dimension| dimension.slot == slot)?;
        let (_, value) = given.iter().find(|(name, _)| *name == dimension.name)?;
        Some(value.as_str())
    };
    price.cell(&value_of, at).ok_or_else(|| {
        let missing: Vec<String> = known()
            .filter(|name| given.iter().all(|(given, _)| given != name))
            .map(|name| format!("--dimension {name}=..."))
            .collect();
        let chosen: Vec<String> = given.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let usage =
            if chosen.is_empty() { "such usage".to_owned() } else { format!("usage with {}", chosen.join(", ")) };
        let fix = if missing.is_empty() {
            "it would be unpriced: add a cell or window for it, or `otherwise`".to_owned()
        } else {
            format!("add {}", missing.join(" "))
        };
        invalid(format!("price {name:?} has no cell for {usage}; {fix}"))
    })
}
