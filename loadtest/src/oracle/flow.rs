//! Levels and readings (rating.md 1): what goes on from bucket to bucket, over periods and over plan changes.
//!
//! Owns: quantities of weighted sums and of readings, and the buckets that exist for their opening level alone.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use anyhow::{Context, Result};
use num_bigint::BigInt;
use num_traits::Zero;

use super::admission::{Admission, Usage};
use super::catalog::{Aggregation, Level, Meter, Readings};
use super::frame::Place;
use super::number::{Exact, from_scaled, pow10};

/// The customer's charge since it was first carried on, leaf and group.
type Stream<'a> = (Place, usize, Vec<&'a str>);

/// Quantities of buckets, and which of them exist without usage because their opening level is not 0.
#[derive(Debug, Default)]
pub(super) struct Flows {
    pub(super) quantities: HashMap<usize, Exact>,
    pub(super) carried: BTreeSet<usize>,
}

/// Follows every stream to the seal. Usages are in order.
pub(super) fn follow(admission: &mut Admission<'_>) -> Result<Flows> {
    let mut streams: BTreeMap<Stream<'_>, Vec<usize>> = BTreeMap::new();
    for (at, bucket) in admission.buckets.iter().enumerate() {
        let is_followed =
            matches!(meter_of(admission, at).aggregation, Aggregation::WeightedSum { .. } | Aggregation::Readings(_));
        if is_followed && !bucket.usages.is_empty() {
            let since = admission.frames.carried_since(bucket.frame);
            streams.entry((since, bucket.leaf, bucket.group.clone())).or_default().push(at);
        }
    }
    let mut flows = Flows::default();
    for (_, mut buckets) in streams {
        buckets.sort_by_key(|at| admission.frames.list[admission.buckets[*at].frame].active_start());
        let meter = meter_of(admission, buckets[0]);
        match &meter.aggregation {
            Aggregation::WeightedSum { values, per_micros, carry } => {
                let weigh = Weigh { values: *values, unit: pow10(meter.scale) * per_micros };
                if *carry {
                    flows.weigh_on(admission, &weigh, buckets.into())?;
                } else {
                    flows.weigh_each(admission, &weigh, &buckets)?;
                }
            }
            Aggregation::Readings(readings) => flows.read(admission, meter, readings, &buckets)?,
            _ => unreachable!("only levels and readings flow"),
        }
    }
    Ok(flows)
}

fn meter_of<'a>(admission: &Admission<'a>, bucket: usize) -> &'a Meter {
    let frames = &admission.frames;
    let charge = frames.charge(frames.list[admission.buckets[bucket].frame].place());
    &frames.catalog.meters[charge.meters[0].1]
}

/// How a level becomes a quantity.
struct Weigh {
    values: Level,
    /// Level × microseconds in one unit of the quantity.
    unit: BigInt,
}

impl Weigh {
    /// The quantity of [start, end) and the level at its end.
    fn quantity(&self, opening: i128, usages: &[Usage<'_>], (start, end): (i64, i64)) -> Result<(Exact, i128)> {
        let (mut area, mut level, mut since) = (BigInt::zero(), opening, start);
        for usage in usages {
            area += BigInt::from(level) * (usage.event.time_micros - since);
            since = usage.event.time_micros;
            level = match self.values {
                Level::Absolute => usage.value,
                Level::Delta => level.checked_add(usage.value).context("a level does not fit")?,
            };
        }
        area += BigInt::from(level) * (end - since);
        Ok((Exact::new(area, self.unit.clone()), level))
    }
}

impl Flows {
    /// Each bucket from level 0.
    fn weigh_each(&mut self, admission: &Admission<'_>, weigh: &Weigh, buckets: &[usize]) -> Result<()> {
        for at in buckets {
            let bucket = &admission.buckets[*at];
            let frame = &admission.frames.list[bucket.frame];
            let (quantity, _) = weigh.quantity(0, &bucket.usages, (frame.active_start(), frame.active_end()))?;
            self.quantities.insert(*at, quantity);
        }
        Ok(())
    }

    /// Each bucket from the level at the end of the one before, through silent frames up to the seal.
    fn weigh_on(&mut self, admission: &mut Admission<'_>, weigh: &Weigh, mut left: VecDeque<usize>) -> Result<()> {
        let first = left[0];
        let (leaf, group) = (admission.buckets[first].leaf, admission.buckets[first].group.clone());
        let mut next = Some(admission.buckets[first].frame);
        let mut level = 0;
        while let Some(frame) = next {
            let active = (admission.frames.list[frame].active_start(), admission.frames.list[frame].active_end());
            let has_usage = left.front().is_some_and(|at| admission.buckets[*at].frame == frame);
            let is_over = left.is_empty() && (level == 0 || active.0 >= admission.sealed);
            if is_over {
                break;
            }
            let is_sealed = admission.frames.list[frame].period.end <= admission.sealed;
            if has_usage {
                let at = left.pop_front().context("a bucket with usage")?;
                let (quantity, closing) = weigh.quantity(level, &admission.buckets[at].usages, active)?;
                self.quantities.insert(at, quantity);
                level = closing;
            } else if is_sealed && level != 0 {
                let at = admission.bucket(frame, leaf, group.clone());
                self.quantities.insert(at, weigh.quantity(level, &[], active)?.0);
                self.carried.insert(at);
            }
            next = admission.frames.carries_to(frame)?;
        }
        Ok(())
    }

    /// Differences between readings, each in the later one's bucket.
    fn read(&mut self, admission: &Admission<'_>, meter: &Meter, readings: &Readings, buckets: &[usize]) -> Result<()> {
        let series = |usage: &Usage<'_>| {
            let path = readings.series.as_ref().and_then(|name| meter.dimensions.get(name));
            path.and_then(|path| path.of(usage.event)).unwrap_or_default().to_owned()
        };
        let is_estimated =
            |usage: &Usage<'_>| readings.estimated.as_ref().and_then(|path| path.of(usage.event)) == Some("true");
        let in_order =
            || buckets.iter().flat_map(|at| admission.buckets[*at].usages.iter().map(move |usage| (*at, usage)));

        let mut last_real: HashMap<String, usize> = HashMap::new();
        for (position, (_, usage)) in in_order().enumerate().filter(|(_, (_, usage))| !is_estimated(usage)) {
            last_real.insert(series(usage), position);
        }
        let mut before: HashMap<String, i128> = HashMap::new();
        let mut sums: HashMap<usize, i128> = buckets.iter().map(|at| (*at, 0)).collect();
        for (position, (at, usage)) in in_order().enumerate() {
            let series = series(usage);
            if is_estimated(usage) && last_real.get(&series).is_some_and(|real| position < *real) {
                continue;
            }
            let used = before.get(&series).map_or(0, |before| readings.used(*before, usage.value));
            let sum = sums.entry(at).or_default();
            *sum = sum.checked_add(used).context("a quantity does not fit")?;
            before.insert(series, usage.value);
        }
        self.quantities.extend(sums.into_iter().map(|(at, sum)| (at, from_scaled(sum, meter.scale))));
        Ok(())
    }
}

impl Readings {
    /// The usage between two readings.
    fn used(&self, before: i128, reading: i128) -> i128 {
        match self.wrap_at {
            _ if reading >= before => reading - before,
            Some(wrap_at) => reading + wrap_at - before,
            None if self.resets => reading,
            None => 0,
        }
    }
}
