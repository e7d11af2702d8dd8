//! A charge with all that rating an event needs.

use std::collections::HashMap;

use weir_model::aggregation::{Aggregation, Carry, Frame};
use weir_model::catalog::{
    AllowanceScope, Catalog, Charge, Dimension, FilterTerm, Meter, MeterIdx, MidPeriod, Pool, TypeIdx,
};
use weir_model::charge::Terms;
use weir_model::number::{Amount, Exact, Quantity};
use weir_model::price::{CellIdx, Leaf, PerEvent, Price, Tiers};

use crate::curve::Curve;

/// One charge, compiled.
#[derive(Debug)]
pub struct CompiledCharge {
    /// Its meters: one, unless its price is a capacity.
    pub resources: Vec<Resource>,
    /// Text slots that decide group and cell; empty if there is only one bucket per period.
    pub combo_slots: Vec<u16>,
    /// Whether an event's time chooses its cell.
    pub has_schedule: bool,
    /// The short way from an event to its usage, if there is one.
    pub plain: Option<Plain>,
    /// When a bucket keeps more than one quantity and one amount.
    keeps: Keeps,
    /// Whether buckets need no price before their last event: see [`Shard::resume`](crate::Shard::resume).
    pub is_deferred: bool,
    /// Whether its buckets must be looked at together at a close, whoever has them.
    pub settles: bool,
    /// Charges of plans that follow one another share series of one number. `None`: the charge has none.
    pub series: Option<SeriesOf>,
    /// By version, then by cell.
    versions: Vec<Vec<CompiledCell>>,
    /// Stable hash of plan and charge name.
    pub hash: u64,
}

/// A charge that asks of an event nothing but its type and one value: no filter, group or cell, one version, one meter, and
/// buckets of one quantity and one amount as long as their period is whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plain {
    /// Slot of the value; `None`: every event counts as `one`.
    pub value: Option<u16>,
    /// One unit at the meter's scale.
    pub one: Quantity,
}

/// What a charge's series are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeriesOf {
    /// The same for all charges of the same name, meter, filter, groups and cells.
    pub number: u32,
    /// Whether a series outlasts its bucket.
    pub carry: Carry,
}

/// One meter of a charge.
#[derive(Debug)]
pub struct Resource {
    /// How it folds.
    pub aggregation: Aggregation,
    /// The type of its events.
    pub event_type: TypeIdx,
    /// Slot of the meter's value.
    pub value: Option<u16>,
    /// Slot of the text that unique_count counts.
    pub distinct: Option<u16>,
    /// Slot of the event's own amount, where the price asks for it.
    pub own: Option<u16>,
    /// Slot of the dimension that tells one counter of readings from another.
    pub series: Option<u16>,
    /// Slot of the mark of an estimated reading.
    pub estimated: Option<u16>,
    /// The meter's filter and the charge's.
    pub filter: Vec<FilterTerm>,
    /// The charge's groups, in this meter's slots.
    pub group_by: Vec<Dimension>,
    /// One unit at the meter's scale.
    pub one: Quantity,
}

/// One cell of one version.
#[derive(Debug)]
struct CompiledCell {
    /// The fast way, if there is one.
    curve: Option<Curve>,
    /// P(0) of a whole period.
    at_zero: Amount,
    /// Whether events must bring amounts of their own.
    dynamic: bool,
}

/// Compiles all charges.
pub(super) fn compile(catalog: &Catalog) -> Vec<CompiledCharge> {
    let mut series = SeriesNumbers::default();
    catalog.charges.iter().map(|charge| CompiledCharge::compile(catalog, charge, &mut series)).collect()
}

impl CompiledCharge {
    fn compile<'a>(catalog: &Catalog, charge: &'a Charge, series: &mut SeriesNumbers<'a>) -> CompiledCharge {
        let meter = |index: MeterIdx| catalog.meters.get(index.at()).expect("a charge's meter is in its catalog");
        let leaves = || charge.versions.iter().flat_map(|version| version.price.leaves());
        let brings_own = leaves().any(|price| matches!(price, Price::Dynamic(_)));
        let first = Resource::new(meter(charge.meter), (&charge.filter, &charge.group_by), brings_own);
        let further = charge
            .further
            .iter()
            .map(|further| Resource::new(meter(further.meter), (&further.filter, &further.group_by), false));
        let (aggregation, allow_negative) = (first.aggregation, meter(charge.meter).allow_negative);
        let quick = |price: &&Price| match price.leaf(CellIdx::ONLY) {
            Some(Leaf::Cumulative(_)) => true,
            Some(Leaf::PerEvent(PerEvent::Unit(_))) => charge.round.is_some(),
            _ => false,
        };
        let splits = charge.versions.iter().skip(1).any(|version| version.mid_period == MidPeriod::Split);
        let rolls = charge.allowance.is_some_and(|allowance| allowance.rollover_max.is_some());
        let shared = charge.allowance.is_some_and(|allowance| allowance.scope == AllowanceScope::Charge);
        let mut combo_slots: Vec<u16> = charge.versions.iter().flat_map(|version| version.price.slots()).collect();
        combo_slots.extend(charge.group_by.iter().map(|dimension| dimension.slot));
        combo_slots.sort_unstable();
        combo_slots.dedup();
        let has_schedule = charge.versions.iter().any(|version| version.price.has_schedule());
        let is_plain = charge.versions.len() == 1
            && charge.further.is_empty()
            && !has_schedule
            && combo_slots.is_empty()
            && first.filter.is_empty()
            && first.distinct.is_none()
            && !brings_own;
        let keeps = if !aggregation.is_additive() || !leaves().all(|price| quick(&price)) || splits || rolls {
            Keeps::Always
        } else if charge.allowance.is_some() || leaves().any(|price| at_zero(price) != Amount::ZERO) {
            Keeps::InPartialPeriods
        } else {
            Keeps::Never
        };
        let only_grows =
            matches!(aggregation, Aggregation::Count | Aggregation::Sum | Aggregation::Max | Aggregation::UniqueCount);
        let mut compiled = CompiledCharge {
            combo_slots,
            has_schedule,
            plain: None,
            is_deferred: only_grows
                && !allow_negative
                && charge.further.is_empty()
                && (charge.round.is_none() || keeps == Keeps::Always)
                && leaves().all(fits_before),
            keeps,
            settles: shared || charge.pool != Pool::None,
            series: series_of(charge, aggregation, series),
            versions: charge.versions.iter().map(|version| cells(charge, &version.price)).collect(),
            resources: std::iter::once(first).chain(further).collect(),
            hash: charge.hash,
        };
        if is_plain && !compiled.has_extra(Partial::No) && compiled.series.is_none() {
            compiled.plain = Some(Plain { value: compiled.first().value, one: compiled.first().one });
        }
        compiled
    }

    /// Whether a bucket keeps an [`Extra`](crate::buckets::Extra), in a period that is whole or not.
    pub fn has_extra(&self, partial: Partial) -> bool {
        match self.keeps {
            Keeps::Always => true,
            Keeps::InPartialPeriods => partial == Partial::Yes,
            Keeps::Never => false,
        }
    }

    /// Whether no bucket of a whole period keeps an extra.
    pub fn is_plain(&self) -> bool {
        self.keeps != Keeps::Always
    }

    /// The curve of a cell's price, if it has one.
    pub fn curve(&self, version: u32, cell: CellIdx) -> Option<&Curve> {
        self.cell(version, cell)?.curve.as_ref()
    }

    /// Whether the price in a cell asks for the events' own amounts.
    pub fn is_dynamic(&self, version: u32, cell: CellIdx) -> bool {
        self.cell(version, cell).is_some_and(|cell| cell.dynamic)
    }

    /// P(0) in a cell, for a whole period.
    pub fn at_zero(&self, version: u32, cell: CellIdx) -> Amount {
        self.cell(version, cell).map_or(Amount::ZERO, |cell| cell.at_zero)
    }

    /// What its quantities depend on beside events.
    pub fn frames(&self, terms: &Terms) -> Box<[Frame]> {
        let frame = |resource: &Resource| {
            let slots = match resource.aggregation {
                Aggregation::Percentile(percentile) => percentile.slots_in(&terms.active),
                _ => 0,
            };
            Frame { one: resource.one, slots }
        };
        self.resources.iter().map(frame).collect()
    }

    /// How its meters fold.
    pub fn aggregations(&self) -> Vec<Aggregation> {
        self.resources.iter().map(|resource| resource.aggregation).collect()
    }

    /// Its first meter.
    pub fn first(&self) -> &Resource {
        self.resources.first().expect("a charge has a meter")
    }

    fn cell(&self, version: u32, cell: CellIdx) -> Option<&CompiledCell> {
        self.versions.get(crate::at(version))?.get(crate::at(cell.0))
    }
}

/// When a bucket keeps an [`Extra`](crate::buckets::Extra).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keeps {
    Never,
    /// There, allowance and P(0) are pro-rated.
    InPartialPeriods,
    Always,
}

/// Whether a customer had its plan in a part of a period only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Partial {
    /// In all of it.
    #[default]
    No,
    /// In a part.
    Yes,
}

impl Resource {
    fn new(meter: &Meter, (filter, group_by): (&[FilterTerm], &[Dimension]), brings_own: bool) -> Resource {
        Resource {
            aggregation: meter.aggregation,
            event_type: meter.event_type,
            value: meter.value,
            distinct: meter.distinct,
            own: meter.amount.filter(|_| brings_own),
            series: meter.series,
            estimated: meter.estimated,
            filter: meter.filter.iter().chain(filter).cloned().collect(),
            group_by: group_by.to_vec(),
            one: Quantity::from_scaled(meter.scale.unit()),
        }
    }
}

/// Charges with series, so that those that may follow one another have one number.
#[derive(Debug, Default)]
struct SeriesNumbers<'a> {
    by_name: HashMap<(&'a str, MeterIdx), Vec<(u32, &'a Charge)>>,
    count: usize,
}

impl<'a> SeriesNumbers<'a> {
    fn number(&mut self, charge: &'a Charge) -> u32 {
        let known = self.by_name.entry((&charge.name, charge.meter)).or_default();
        if let Some((number, _)) = known.iter().find(|(_, other)| charge.shares_series(other)) {
            return *number;
        }
        let number = crate::next_index(self.count);
        self.count = self.count.saturating_add(1);
        known.push((number, charge));
        number
    }
}

fn series_of<'a>(charge: &'a Charge, aggregation: Aggregation, known: &mut SeriesNumbers<'a>) -> Option<SeriesOf> {
    let carry = match aggregation {
        Aggregation::Readings(_) => Carry::Over,
        Aggregation::WeightedSum(weighted) => weighted.carry,
        _ => return None,
    };
    Some(SeriesOf { number: known.number(charge), carry })
}

fn cells(charge: &Charge, price: &Price) -> Vec<CompiledCell> {
    // A division without rounding is in the price's unit already.
    let keeps_quantity = charge.conversion.is_none_or(|by| by.numerator == 1 && by.round.is_none());
    let compile = |price: &Price| {
        let curve = match price.leaf(CellIdx::ONLY) {
            Some(Leaf::Cumulative(price)) if charge.round.is_none() && keeps_quantity => {
                Curve::compile(charge.allowance.map(|allowance| allowance.quantity).unwrap_or_default(), price)
            }
            _ => None,
        };
        CompiledCell { curve, at_zero: at_zero(price), dynamic: matches!(price, Price::Dynamic(_)) }
    };
    price.leaves().into_iter().map(compile).collect()
}

/// Whether an amount that fits has fitted before the last event too, whatever came first. Of a price of the quantity that is so if
/// amounts fit wherever one tier ends and the next begins: in between they only rise or only fall. Events that are free in
/// their order are taken back and forth.
fn fits_before(price: &Price) -> bool {
    let price = match price.leaf(CellIdx::ONLY) {
        Some(Leaf::Cumulative(price)) => price,
        Some(Leaf::PerEvent(PerEvent::Percentage(price))) => return !price.has_free(),
        Some(Leaf::PerEvent(_)) => return true,
        _ => return false,
    };
    let fits = |quantity: i128| price.exact(Quantity::from_scaled(quantity)).and_then(Exact::round).is_ok();
    let bounds = price.tiers().into_iter().flat_map(Tiers::as_slice).filter_map(|tier| tier.up_to);
    bounds.map(Quantity::scaled).all(|bound| fits(bound) && bound.checked_add(1).is_some_and(fits))
}

fn at_zero(price: &Price) -> Amount {
    match price.leaf(CellIdx::ONLY) {
        Some(Leaf::Cumulative(price)) => price.at_zero(),
        Some(Leaf::Capacity(price)) => price.at_zero(),
        _ => Amount::ZERO,
    }
}
