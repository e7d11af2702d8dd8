//! The states of buckets and series as bytes. What follows from the catalog (terms, frames) is not written but made again.

use std::collections::BTreeMap;
use std::sync::Arc;

use ethnum::I256;
use weir_model::aggregation::{FoldState, FreeEvents, OrderedEvent, Percentile, Series, Slots};
use weir_model::bucket::{BucketState, EventSum, Paid};
use weir_model::catalog::{ChargeIdx, CustomerIdx};
use weir_model::charge::{Rule, Terms};
use weir_model::number::{Amount, Exact, Quantity};
use weir_model::price::CellIdx;
use weir_model::time::Instant;

use super::SnapshotError;
use super::codec::{Reader, Writer};
use crate::at;
use crate::buckets::Extra;
use crate::close::{Allowances, ChainKey};
use crate::plan::RatingPlan;
use crate::series::{Group, GroupKey, SeriesTable};
use crate::shard::Shard;

/// An [`Extra`] without what follows from the catalog.
pub(super) struct SavedExtra {
    state: SavedState,
    without_usage: Amount,
    allowance: Quantity,
}

/// A [`BucketState`]; a percentile's rule follows from the catalog.
enum SavedState {
    Sum(Quantity),
    ByVersion(Vec<Quantity>),
    Max(Option<Quantity>),
    Min(Option<Quantity>),
    Latest(Option<OrderedEvent>),
    Unique(Vec<u128>),
    Percentile(Vec<(i64, Quantity)>),
    Events { quantity: Quantity, paid: Paid, free: Option<Vec<OrderedEvent>> },
    Series { quantity: Quantity, opening: Quantity },
    Resources(Vec<SavedState>),
}

pub(super) fn write_extra(out: &mut Writer, extra: &Extra) {
    write_state(out, &extra.state);
    out.i128(extra.without_usage.scaled());
    out.i128(extra.terms.allowance.scaled());
}

pub(super) fn read_extra(from: &mut Reader<'_>) -> Result<SavedExtra, SnapshotError> {
    Ok(SavedExtra { state: read_state(from)?, without_usage: amount(from)?, allowance: quantity(from)? })
}

impl Shard {
    /// Gives each bucket that keeps a state its own again, in order.
    pub(super) fn restore_extras(
        &mut self,
        plan: &Arc<RatingPlan>,
        extras: Vec<SavedExtra>,
    ) -> Result<(), SnapshotError> {
        let invalid = || SnapshotError::Invalid("buckets");
        let mut owners: BTreeMap<i128, (crate::buckets::BucketKey, u32)> = BTreeMap::new();
        for (number, bucket) in (0_u32..).zip(self.buckets.iter()) {
            let key = bucket.key();
            let stretch = self.subjects.stretches.get(at(key.stretch)).ok_or_else(invalid)?;
            if plan.charge(key.charge).0.has_extra(stretch.partial()) {
                owners.insert(bucket.quantity.scaled(), (key, number));
            }
        }
        if !owners.keys().copied().eq((0_i128..).take(extras.len())) {
            return Err(invalid());
        }
        for (saved, (key, _)) in extras.into_iter().zip(owners.into_values()) {
            let (compiled, charge) = plan.charge(key.charge);
            let terms = Terms { allowance: saved.allowance, ..self.terms(plan, key) };
            let rule = Rule { charge, cell: self.combos.get(key.combo).cell, terms: &terms };
            let fresh = BucketState::new(&rule, &compiled.aggregations()).map_err(|_| invalid())?;
            let state = saved.state.fill(fresh).ok_or_else(invalid)?;
            let frames = compiled.frames(&terms);
            let extra = Extra { state, without_usage: saved.without_usage, terms: Arc::new(terms), frames };
            self.buckets.push_extra(extra);
        }
        Ok(())
    }
}

impl SavedState {
    /// The state of the kind that `fresh` has; `None` if that is another.
    fn fill(self, fresh: BucketState) -> Option<BucketState> {
        Some(match (self, fresh) {
            (SavedState::Sum(quantity), BucketState::Sum(_)) => BucketState::Sum(quantity),
            (SavedState::ByVersion(parts), BucketState::ByVersion(fresh)) if parts.len() == fresh.len() => {
                BucketState::ByVersion(parts)
            }
            (SavedState::Max(value), BucketState::Fold(FoldState::Max(_))) => BucketState::Fold(FoldState::Max(value)),
            (SavedState::Min(value), BucketState::Fold(FoldState::Min(_))) => BucketState::Fold(FoldState::Min(value)),
            (SavedState::Latest(event), BucketState::Fold(FoldState::Latest(_))) => {
                BucketState::Fold(FoldState::Latest(event))
            }
            (SavedState::Unique(values), BucketState::Fold(FoldState::Unique(_))) => {
                BucketState::Fold(FoldState::Unique(values.into_iter().collect()))
            }
            (SavedState::Percentile(saved), BucketState::Fold(FoldState::Percentile(percentile, _))) => {
                BucketState::Fold(FoldState::Percentile(percentile, slots(saved)))
            }
            (SavedState::Events { quantity, paid, free }, BucketState::Events(fresh)) => {
                let free = match (free, fresh.free) {
                    (Some(events), Some(_)) => Some(FreeEvents::from_events(events).ok()?),
                    (None, None) => None,
                    _ => return None,
                };
                BucketState::Events(EventSum { quantity, paid, free })
            }
            (SavedState::Series { quantity, opening }, BucketState::Series { .. }) => {
                BucketState::Series { quantity, opening }
            }
            (SavedState::Resources(saved), BucketState::Resources(fresh)) if saved.len() == fresh.len() => {
                let states = saved.into_iter().zip(fresh).map(|(saved, fresh)| saved.fill(fresh));
                BucketState::Resources(states.collect::<Option<_>>()?)
            }
            _ => return None,
        })
    }
}

fn slots(saved: Vec<(i64, Quantity)>) -> Slots {
    let mut slots = Slots::default();
    for (number, value) in saved {
        slots.set(number, value);
    }
    slots
}

fn write_state(out: &mut Writer, state: &BucketState) {
    match state {
        BucketState::Sum(quantity) => {
            out.u16(0);
            out.i128(quantity.scaled());
        }
        BucketState::ByVersion(parts) => {
            out.u16(1);
            out.all(parts, |out, part| out.i128(part.scaled()));
        }
        BucketState::Fold(fold) => write_fold(out, fold),
        BucketState::Events(sum) => {
            out.u16(7);
            out.i128(sum.quantity.scaled());
            write_paid(out, sum.paid);
            out.option(sum.free.as_ref(), |out, free| out.list(free.iter().len(), free.iter(), write_event));
        }
        BucketState::Series { quantity, opening } => {
            out.u16(8);
            out.i128(quantity.scaled());
            out.i128(opening.scaled());
        }
        BucketState::Resources(states) => {
            out.u16(9);
            out.all(states, write_state);
        }
    }
}

fn write_fold(out: &mut Writer, fold: &FoldState) {
    match fold {
        FoldState::Max(value) => {
            out.u16(2);
            out.option(*value, |out, value| out.i128(value.scaled()));
        }
        FoldState::Min(value) => {
            out.u16(3);
            out.option(*value, |out, value| out.i128(value.scaled()));
        }
        FoldState::Latest(latest) => {
            out.u16(4);
            out.option(latest.as_ref(), write_event);
        }
        FoldState::Unique(values) => {
            out.u16(5);
            out.list(values.len(), values.iter(), |out, value| out.u128(*value));
        }
        FoldState::Percentile(Percentile { .. }, slots) => {
            out.u16(6);
            out.list(slots.iter().len(), slots.iter(), |out, (number, value)| {
                out.i64(number);
                out.i128(value.scaled());
            });
        }
    }
}

fn read_state(from: &mut Reader<'_>) -> Result<SavedState, SnapshotError> {
    Ok(match from.u16()? {
        0 => SavedState::Sum(quantity(from)?),
        1 => SavedState::ByVersion(from.list(quantity)?),
        2 => SavedState::Max(from.option(quantity)?),
        3 => SavedState::Min(from.option(quantity)?),
        4 => SavedState::Latest(from.option(read_event)?),
        5 => SavedState::Unique(from.list(Reader::u128)?),
        6 => SavedState::Percentile(from.list(|from| Ok((from.i64()?, quantity(from)?)))?),
        7 => SavedState::Events {
            quantity: quantity(from)?,
            paid: read_paid(from)?,
            free: from.option(|from| from.list(read_event))?,
        },
        8 => SavedState::Series { quantity: quantity(from)?, opening: quantity(from)? },
        9 => SavedState::Resources(from.list(read_resource)?),
        _ => return Err(SnapshotError::Invalid("states")),
    })
}

/// A resource's state holds no resources itself: damaged bytes cannot nest without end.
fn read_resource(from: &mut Reader<'_>) -> Result<SavedState, SnapshotError> {
    match from.u16()? {
        0 => Ok(SavedState::Sum(quantity(from)?)),
        2 => Ok(SavedState::Max(from.option(quantity)?)),
        3 => Ok(SavedState::Min(from.option(quantity)?)),
        4 => Ok(SavedState::Latest(from.option(read_event)?)),
        5 => Ok(SavedState::Unique(from.list(Reader::u128)?)),
        6 => Ok(SavedState::Percentile(from.list(|from| Ok((from.i64()?, quantity(from)?)))?)),
        _ => Err(SnapshotError::Invalid("states")),
    }
}

fn write_paid(out: &mut Writer, paid: Paid) {
    match paid {
        Paid::Exact(exact) => {
            out.u16(0);
            let (numerator, denominator) = exact.parts();
            for wide in [numerator, denominator] {
                let (high, low) = wide.into_words();
                out.i128(high);
                out.i128(low);
            }
        }
        Paid::Rounded(amount) => {
            out.u16(1);
            out.i128(amount.scaled());
        }
    }
}

fn read_paid(from: &mut Reader<'_>) -> Result<Paid, SnapshotError> {
    let invalid = SnapshotError::Invalid("amounts");
    match from.u16()? {
        0 => {
            let wide = |from: &mut Reader<'_>| Ok(I256::from_words(from.i128()?, from.i128()?));
            let (numerator, denominator) = (wide(from)?, wide(from)?);
            Exact::from_parts(numerator, denominator).map(Paid::Exact).ok_or(invalid)
        }
        1 => amount(from).map(Paid::Rounded),
        _ => Err(invalid),
    }
}

fn write_event(out: &mut Writer, event: &OrderedEvent) {
    out.i64(event.time.micros());
    out.bytes(&event.source);
    out.bytes(&event.id);
    out.i128(event.value.scaled());
    out.u16(u16::from(event.estimated));
    out.u128(event.fingerprint);
}

fn read_event(from: &mut Reader<'_>) -> Result<OrderedEvent, SnapshotError> {
    Ok(OrderedEvent {
        time: Instant::from_micros(from.i64()?),
        source: from.bytes()?.into(),
        id: from.bytes()?.into(),
        value: quantity(from)?,
        estimated: from.u16()? == 1,
        fingerprint: from.u128()?,
    })
}

pub(super) fn write_series(out: &mut Writer, groups: &[Group]) {
    out.all(groups, |out, group| {
        let GroupKey { customer, of, since, stretch, combo } = group.key;
        for number in [customer, of, since, stretch, combo] {
            out.u32(number);
        }
        out.list(group.counters.len(), group.counters.iter(), |out, (counter, series)| {
            out.bytes(counter.as_bytes());
            out.list(series.iter().len(), series.iter(), write_event);
        });
        out.all(&group.buckets, |out, bucket| out.u32(*bucket));
    });
}

pub(super) fn read_series(from: &mut Reader<'_>) -> Result<SeriesTable, SnapshotError> {
    let groups = from.list(|from| {
        let (customer, of, since) = (from.u32()?, from.u32()?, from.u32()?);
        let key = GroupKey { customer, of, since, stretch: from.u32()?, combo: from.u32()? };
        let counters = from.list(|from| {
            let counter: Box<str> = from.text()?.into();
            Ok((counter, Series::from_events(from.list(read_event)?)))
        })?;
        Ok(Group { key, counters: counters.into_iter().collect(), buckets: from.list(Reader::u32)? })
    })?;
    SeriesTable::from_groups(groups).ok_or(SnapshotError::Invalid("series"))
}

pub(super) fn write_allowances(out: &mut Writer, allowances: &Allowances) {
    out.list(allowances.iter().len(), allowances.iter(), |out, (chain, start, quantity)| {
        out.bytes(chain.customer.as_bytes());
        out.option(chain.declared, |out, declared| out.u32(declared.0));
        out.u32(chain.segment);
        out.u32(chain.charge.0);
        out.all(&chain.group, |out, value| out.bytes(value.as_bytes()));
        out.u32(chain.cell.0);
        out.i64(start.micros());
        out.i128(quantity.scaled());
    });
}

pub(super) fn read_allowances(from: &mut Reader<'_>) -> Result<Allowances, SnapshotError> {
    let list = from.list(|from| {
        let customer = from.text()?.into();
        let declared = from.option(|from| from.u32().map(CustomerIdx))?;
        let (segment, charge) = (from.u32()?, ChargeIdx(from.u32()?));
        let group: Vec<Box<str>> = from.list(|from| from.text().map(Box::from))?;
        let chain = ChainKey { customer, declared, segment, charge, group: group.into(), cell: CellIdx(from.u32()?) };
        Ok((chain, Instant::from_micros(from.i64()?), quantity(from)?))
    })?;
    let mut allowances = Allowances::default();
    for (chain, start, quantity) in list {
        allowances.set(chain, start, quantity);
    }
    Ok(allowances)
}

fn quantity(from: &mut Reader<'_>) -> Result<Quantity, SnapshotError> {
    from.i128().map(Quantity::from_scaled)
}

fn amount(from: &mut Reader<'_>) -> Result<Amount, SnapshotError> {
    Amount::from_scaled(from.i128()?).map_err(|_| SnapshotError::Invalid("amounts"))
}
