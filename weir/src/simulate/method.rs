//! How each charge of another catalog is computed: from the totals that the run left, from sums over its events, or by rating
//! its events again. All three come to the same figure (L4); they differ in what they read.
//!
//! Owns: when a shorter way is exact, and what an archive cannot answer at all. The rule is to doubt: what is not known to be
//! the same is made again from events.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use serde::Serialize;
use weir_model::aggregation::Aggregation;
use weir_model::catalog::{
    Allowance, AllowanceScope, Catalog, Charge, ChargeIdx, Customer, CustomerIdx, Dimension, EventType, FilterTerm,
    Meter, MidPeriod, Path, Plan, PlanIdx, Pool, ValueSlot,
};
use weir_model::price::{CellIdx, CellPart, Leaf, Price};
use weir_rater::RatingPlan;

use super::archive::Archive;
use crate::failure::invalid;

/// How a charge is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// The quantities of the run's totals, priced anew.
    Totals,
    /// Sums over the archived events, each bucket priced once.
    Sums,
    /// The archived events, rated again.
    Events,
}

impl Method {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Method::Totals => "totals",
            Method::Sums => "sums",
            Method::Events => "events",
        }
    }

    /// What it does, in words.
    pub fn meaning(self) -> &'static str {
        match self {
            Method::Totals => "the run's own quantities, priced anew",
            Method::Sums => "sums over the archived events, priced once",
            Method::Events => "the archived events, rated again",
        }
    }
}

/// How a charge is computed, and why so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// How.
    pub method: Method,
    /// Why not in a shorter way; empty for totals.
    pub why: &'static str,
    /// For totals: whether the amounts stand too, because nothing about the charge has changed.
    pub is_unchanged: bool,
}

/// Attributes that the archive keeps as they came.
const KEPT: [&str; 5] = ["data", "id", "source", "subject", "type"];

/// Both catalogs of a simulation.
pub struct Catalogs<'c> {
    /// The run's own.
    pub old: &'c Catalog,
    /// The other one.
    pub new: &'c Catalog,
    /// The other one, compiled.
    pub plan: &'c RatingPlan,
}

impl Catalogs<'_> {
    /// How each charge of the new catalog is computed, by its number.
    pub fn choose(&self, archive: &Archive) -> Result<Vec<Choice>> {
        let general = self.why_no_totals(archive);
        let old = charges_by_name(self.old);
        let choices = (0_u32..).map(ChargeIdx).zip(&self.new.charges).map(|(index, charge)| {
            let before = name_of(self.new, charge).and_then(|name| old.get(&name).copied());
            let why = match (general, before) {
                (Some(why), _) => Err(why),
                (None, Some(before)) => self.totals_suffice(archive, before, charge),
                (None, None) => Err("the charge is new"),
            };
            match why {
                Ok(is_unchanged) => Choice { method: Method::Totals, why: "", is_unchanged },
                Err(why) if self.plan.sums(index) => Choice { method: Method::Sums, why, is_unchanged: false },
                Err(why) => Choice { method: Method::Events, why, is_unchanged: false },
            }
        });
        let choices: Vec<Choice> = choices.collect();
        if choices.iter().any(|choice| choice.method != Method::Totals) {
            self.check_events(archive)?;
        }
        Ok(choices)
    }

    /// Why no charge at all can be computed from totals, if so.
    fn why_no_totals(&self, archive: &Archive) -> Option<&'static str> {
        if archive.log.closes.len() > 1 {
            return Some("the run closed several times, and totals do not tell which usage was late");
        }
        let zone = |catalog: &Catalog| catalog.time_zone.clone();
        let default = |catalog: &Catalog| catalog.default_plan.and_then(|plan| plan_key(catalog, plan));
        let parties = |catalog: &Catalog| -> BTreeMap<String, Party> {
            catalog.customers.iter().map(|customer| (customer.id.clone(), Party::of(catalog, customer))).collect()
        };
        if zone(self.old) != zone(self.new) || default(self.old) != default(self.new) {
            return Some("the time zone or the default plan has changed");
        }
        (parties(self.old) != parties(self.new)).then_some("customers, their subjects or their plans have changed")
    }

    /// Whether the totals of a charge hold all that its amounts depend on: `Ok(true)` if nothing has changed.
    fn totals_suffice(&self, archive: &Archive, before: &Charge, charge: &Charge) -> Result<bool, &'static str> {
        let (Some(old_meter), Some(meter)) = (meter_of(self.old, before), meter_of(self.new, charge)) else {
            return Err("the charge is new");
        };
        if meter.aggregation.has_series() || old_meter.aggregation.has_series() {
            return Err("levels and readings depend on the events before them");
        }
        let (old_type, new_type) = (type_of(self.old, old_meter), type_of(self.new, meter));
        if !takes_no_less(old_type, new_type) {
            return Err("the catalog reads other fields of these events, which may refuse some");
        }
        let old_plan = self.old.plans.get(before.plan.at());
        let new_plan = self.new.plans.get(charge.plan.at());
        let cycle = |plan: Option<&Plan>| plan.map(|plan| (plan.cycle, plan.anchor));
        if cycle(old_plan) != cycle(new_plan) {
            return Err("the billing cycle has changed");
        }
        if self.changes_plans(charge.plan) {
            return Err("customers change to or from its plan in mid-period");
        }
        let is_same_catalog = self.old.hash == self.new.hash;
        if !is_same_catalog && Counted::of(self.old, before, old_meter) != Counted::of(self.new, charge, meter) {
            return Err("the meter, the filter or the groups have changed");
        }
        let lost =
            archive.figures.unpriced_usage.iter().any(|lost| {
                lost.reason == "overflow" && lost.meter.as_deref().is_none_or(|name| name == old_meter.name)
            });
        if lost {
            return Err("the run left out usage that did not fit");
        }
        let cells = Cells::of(self.new, charge);
        if !is_same_catalog && (cells.is_none() || cells != Cells::of(self.old, before)) {
            return Err("the price's cells have changed");
        }
        if is_own(charge) && (is_same_catalog || is_same(before, charge)) {
            return Ok(true);
        }
        if splits(charge) {
            return Err("a version of the price splits periods");
        }
        if !is_cumulative(charge) || !charge.further.is_empty() || !before.further.is_empty() || asks_amounts(before) {
            return Err("the price needs more than one quantity of each bucket");
        }
        Ok(false)
    }

    /// Whether a customer has the plan before or after a change of plan.
    fn changes_plans(&self, plan: PlanIdx) -> bool {
        self.new.customers.iter().any(|customer| {
            !customer.changes.is_empty()
                && (customer.plan == Some(plan) || customer.changes.iter().any(|change| change.plan == plan))
        })
    }

    /// Refuses what the archived events cannot answer.
    fn check_events(&self, archive: &Archive) -> Result<()> {
        if !archive.has_events() {
            return Err(invalid(
                "the folder holds no events, and this catalog asks for more than its totals; run again without --no-archive",
            ));
        }
        if let Some(path) =
            paths(self.new).find(|path| path.0.first().is_none_or(|name| !KEPT.contains(&name.as_str())))
        {
            return Err(invalid(format!(
                "the catalog reads the attribute {path}, which the archive does not keep; use weir run on the original files"
            )));
        }
        let refused: u64 = archive
            .figures
            .rejected_by_code
            .iter()
            .filter(|(code, _)| code.starts_with("value_") || *code == "dimension_invalid")
            .map(|(_, count)| count)
            .sum();
        let still = |old_type: &EventType| {
            let new_type = self.new.event_types.iter().find(|new_type| new_type.name == old_type.name);
            takes_no_less(new_type, Some(old_type))
        };
        if refused > 0 && !self.old.event_types.iter().all(still) {
            return Err(invalid(format!(
                "{refused} events were rejected for their values and are not in the archive; under this catalog some may \
                 count: use weir run on the original files"
            )));
        }
        Ok(())
    }
}

/// Who a customer is, as far as it decides where usage goes.
#[derive(PartialEq, Eq)]
struct Party {
    subjects: BTreeSet<String>,
    dates: (Option<jiff::civil::Date>, Option<jiff::civil::Date>),
    zone: Option<jiff::tz::TimeZone>,
    plans: Vec<(i64, Option<PlanKey>)>,
}

/// A plan's name, and the customer whose variant it is.
pub type PlanKey = (String, Option<String>);

impl Party {
    fn of(catalog: &Catalog, customer: &Customer) -> Party {
        let first = customer.plan.map(|plan| (i64::MIN, plan_key(catalog, plan)));
        let later =
            customer.changes.iter().map(|change| (change.effective_at.micros(), plan_key(catalog, change.plan)));
        Party {
            subjects: customer.subjects.iter().cloned().collect(),
            dates: (customer.starts_on, customer.ends_on),
            zone: catalog.accounts.get(customer.account.at()).map(|account| account.time_zone.clone()),
            plans: first.into_iter().chain(later).collect(),
        }
    }
}

/// A plan by name.
pub fn plan_key(catalog: &Catalog, plan: PlanIdx) -> Option<PlanKey> {
    let plan = catalog.plans.get(plan.at())?;
    let id = |index: CustomerIdx| catalog.customers.get(index.at()).map(|customer| customer.id.clone());
    Some((plan.name.clone(), plan.variant_of.and_then(id)))
}

fn name_of(catalog: &Catalog, charge: &Charge) -> Option<(PlanKey, String)> {
    Some((plan_key(catalog, charge.plan)?, charge.name.clone()))
}

fn charges_by_name(catalog: &Catalog) -> BTreeMap<(PlanKey, String), &Charge> {
    catalog.charges.iter().filter_map(|charge| Some((name_of(catalog, charge)?, charge))).collect()
}

fn meter_of<'c>(catalog: &'c Catalog, charge: &Charge) -> Option<&'c Meter> {
    catalog.meters.get(charge.meter.at())
}

fn type_of<'c>(catalog: &'c Catalog, meter: &Meter) -> Option<&'c EventType> {
    catalog.event_types.get(meter.event_type.at())
}

/// Whether events that `old` takes are all taken by `new`: it asks for nothing else, and for nothing finer.
fn takes_no_less(old: Option<&EventType>, new: Option<&EventType>) -> bool {
    let Some(new) = new else { return true };
    let Some(old) = old else { return false };
    let value = |slot| old.values.contains(slot);
    let text = |slot| old.texts.contains(slot);
    old.name == new.name && new.values.iter().all(value) && new.texts.iter().all(text)
}

/// Which events a charge counts, in which groups, by the paths that they are read from.
#[derive(PartialEq)]
struct Counted<'c> {
    aggregation: Aggregation,
    scale: u8,
    value: Option<&'c ValueSlot>,
    amount: Option<&'c ValueSlot>,
    distinct: Option<&'c Path>,
    filter: Vec<(Option<&'c Path>, &'c [String])>,
    groups: Vec<(&'c str, Option<&'c Path>)>,
}

impl<'c> Counted<'c> {
    fn of(catalog: &'c Catalog, charge: &'c Charge, meter: &'c Meter) -> Counted<'c> {
        let text = |slot: u16| type_of(catalog, meter)?.texts.get(usize::from(slot)).map(|slot| &slot.path);
        let value = |slot: u16| type_of(catalog, meter)?.values.get(usize::from(slot));
        let term = |term: &'c FilterTerm| (text(term.slot), term.values.as_slice());
        let group = |dimension: &'c Dimension| (dimension.name.as_str(), text(dimension.slot));
        Counted {
            aggregation: meter.aggregation,
            scale: meter.scale.decimals(),
            value: meter.value.and_then(value),
            amount: meter.amount.and_then(value),
            distinct: meter.distinct.and_then(text),
            filter: meter.filter.iter().chain(&charge.filter).map(term).collect(),
            groups: charge.group_by.iter().map(group).collect(),
        }
    }
}

/// What chooses the cells of a charge's price.
#[derive(PartialEq)]
struct Cells<'c> {
    dimensions: Vec<(&'c str, Option<&'c Path>)>,
    /// As the archive writes them.
    texts: Vec<String>,
}

impl<'c> Cells<'c> {
    /// `None` if they are not the same at all times: the time of day or the version decides.
    fn of(catalog: &'c Catalog, charge: &'c Charge) -> Option<Cells<'c>> {
        if charge.versions.iter().all(|version| !version.price.has_cells()) {
            return Some(Cells { dimensions: Vec::new(), texts: Vec::new() });
        }
        let [version] = charge.versions.as_slice() else { return None };
        let Price::Matrix(matrix) = &*version.price else { return None };
        if version.price.has_schedule() {
            return None;
        }
        let texts = type_of(catalog, meter_of(catalog, charge)?)?.texts.as_slice();
        let path = |slot: u16| texts.get(usize::from(slot)).map(|slot| &slot.path);
        let dimensions = matrix.dimensions.iter().map(|dimension| (dimension.name.as_str(), path(dimension.slot)));
        let cells = (0..version.price.cells()).map(CellIdx);
        Some(Cells {
            dimensions: dimensions.collect(),
            texts: cells.map(|cell| cell_text(&version.price, cell)).collect(),
        })
    }
}

/// A matrix's cell as the archive writes it.
pub fn cell_text(price: &Price, cell: CellIdx) -> String {
    let members = price.place(cell).into_iter().filter_map(|part| match part {
        CellPart::Dimension(name, value) => Some((name, value?)),
        CellPart::Window(window) => Some(("window".to_owned(), window.unwrap_or_default())),
    });
    let quoted = |text: String| serde_json::Value::from(text).to_string();
    let members: Vec<String> = members.map(|(name, value)| format!("{}:{}", quoted(name), quoted(value))).collect();
    format!("{{{}}}", members.join(","))
}

/// Whether nothing that decides on amounts differs.
fn is_same(before: &Charge, charge: &Charge) -> bool {
    let terms = |charge: &Charge| (charge.conversion, charge.allowance, charge.round, charge.below_zero, charge.pool);
    terms(before) == terms(charge)
        && before.versions == charge.versions
        && before.further.is_empty()
        && charge.further.is_empty()
}

/// Whether a bucket's amount is decided by itself, whatever others or earlier ones have used.
fn is_own(charge: &Charge) -> bool {
    let shares = |allowance: Allowance| allowance.rollover_max.is_some() || allowance.scope == AllowanceScope::Charge;
    charge.pool == Pool::None && !charge.allowance.is_some_and(shares)
}

fn splits(charge: &Charge) -> bool {
    charge.versions.iter().skip(1).any(|version| version.mid_period == MidPeriod::Split)
}

fn leaves(charge: &Charge) -> impl Iterator<Item = &Price> {
    charge.versions.iter().flat_map(|version| version.price.leaves())
}

fn is_cumulative(charge: &Charge) -> bool {
    charge.round.is_none() && leaves(charge).all(|price| matches!(price.leaf(CellIdx::ONLY), Some(Leaf::Cumulative(_))))
}

fn asks_amounts(charge: &Charge) -> bool {
    leaves(charge).any(|price| matches!(price, Price::Dynamic(_)))
}

fn paths(catalog: &Catalog) -> impl Iterator<Item = &Path> {
    catalog.event_types.iter().flat_map(|event_type| {
        let values = event_type.values.iter().map(|slot| &slot.path);
        values.chain(event_type.texts.iter().map(|slot| &slot.path))
    })
}
