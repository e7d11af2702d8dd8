//! A shard's series: for each customer, the events in order that later buckets build on (rating.md 1: levels and readings).

use std::collections::{BTreeMap, HashMap};

use weir_model::aggregation::{Aggregation, Carry, Effect, LevelValues, Observation, OrderedEvent, Series};
use weir_model::number::{Overflow, Quantity};
use weir_model::time::{Instant, Period};

use crate::buckets::BucketKey;
use crate::plan::SeriesOf;
use crate::subjects::NONE;
use crate::{at, next_index};

/// Which series: those of one customer, group and cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupKey {
    /// The customer's number.
    pub customer: u32,
    /// Charges of the same number share their series.
    pub of: u32,
    /// The first of the customer's segments that shares it.
    pub since: u32,
    /// The one stretch whose bucket has it; [`NONE`] if it outlasts buckets.
    pub stretch: u32,
    /// Group and cell.
    pub combo: u32,
}

/// The series of one key: one for each counter of readings, and one without a name for levels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Whose.
    pub key: GroupKey,
    /// By the text that tells counters apart.
    pub counters: BTreeMap<Box<str>, Series>,
    /// Numbers of the buckets that they give quantities to.
    pub buckets: Vec<u32>,
}

/// All series of one shard.
#[derive(Debug, Default)]
pub struct SeriesTable {
    numbers: HashMap<GroupKey, u32>,
    groups: Vec<Group>,
}

impl SeriesTable {
    /// From groups as [`SeriesTable::groups`] gave them. `None` if one stands twice.
    pub fn from_groups(groups: Vec<Group>) -> Option<SeriesTable> {
        let numbers: HashMap<GroupKey, u32> =
            (0_u32..).zip(&groups).map(|(number, group)| (group.key, number)).collect();
        (numbers.len() == groups.len()).then_some(SeriesTable { numbers, groups })
    }

    /// All groups by number.
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// The group of a bucket; entered if it is new.
    pub fn group(&mut self, of: SeriesOf, (customer, since): (u32, u32), bucket: BucketKey) -> u32 {
        let stretch = match of.carry {
            Carry::Over => NONE,
            Carry::Bucket => bucket.stretch,
        };
        let key = GroupKey { customer, of: of.number, since, stretch, combo: bucket.combo };
        let next = next_index(self.groups.len());
        let number = *self.numbers.entry(key).or_insert(next);
        if number == next {
            self.groups.push(Group { key, counters: BTreeMap::new(), buckets: Vec::new() });
        }
        number
    }

    /// Numbers of the buckets of a group.
    pub fn buckets(&self, group: u32) -> &[u32] {
        self.groups.get(at(group)).map_or(&[], |group| group.buckets.as_slice())
    }

    /// Lets a bucket take part.
    pub fn add_bucket(&mut self, group: u32, bucket: u32) {
        if let Some(group) = self.groups.get_mut(at(group)) {
            group.buckets.push(bucket);
        }
    }

    /// What one more event would change.
    pub fn effect(
        &self,
        group: u32,
        counter: &str,
        aggregation: Aggregation,
        event: &Observation<'_>,
    ) -> Result<Effect, Overflow> {
        let none = Series::default();
        let series = self.groups.get(at(group)).and_then(|group| group.counters.get(counter)).unwrap_or(&none);
        let event = OrderedEvent::of(event);
        match aggregation {
            Aggregation::WeightedSum(weighted) => series.level_effect(weighted.values, &event),
            Aggregation::Readings(readings) => series.reading_effect(&readings, &event),
            _ => Err(Overflow),
        }
    }

    /// Enters an event whose effect has been taken into account.
    pub fn insert(&mut self, group: u32, counter: &str, event: OrderedEvent, effect: &Effect) {
        let Some(group) = self.groups.get_mut(at(group)) else { return };
        if let Some(series) = group.counters.get_mut(counter) {
            series.insert(event, effect);
            return;
        }
        let mut series = Series::default();
        series.insert(event, effect);
        group.counters.insert(counter.into(), series);
    }

    /// The same series under other keys, which `rename` makes of the old key and the buckets. Series without buckets, which have
    /// no events, are forgotten.
    ///
    /// # Panics
    /// If two have the same key then: a catalog in which they would go on in one another does not follow.
    pub fn rename(&mut self, rename: impl Fn(GroupKey, u32) -> GroupKey) {
        self.groups.retain_mut(|group| {
            let Some(&bucket) = group.buckets.first() else { return false };
            group.key = rename(group.key, bucket);
            true
        });
        let groups = std::mem::take(&mut self.groups);
        *self = SeriesTable::from_groups(groups).expect("series of one customer stay apart");
    }

    /// Quantity of a part of time, and what it would be without events inside.
    pub fn quantity(
        &self,
        group: u32,
        aggregation: Aggregation,
        active: &Period,
    ) -> Result<(Quantity, Quantity), Overflow> {
        let counters = self.groups.get(at(group)).into_iter().flat_map(|group| group.counters.values());
        let (mut quantity, mut opening) = (Quantity::ZERO, Quantity::ZERO);
        for series in counters {
            let (more, more_opening) = match aggregation {
                Aggregation::WeightedSum(weighted) => series.weighted(weighted.values, active)?,
                Aggregation::Readings(readings) => (series.usage(&readings, active)?, Quantity::ZERO),
                _ => return Err(Overflow),
            };
            quantity = quantity.checked_add(more)?;
            opening = opening.checked_add(more_opening)?;
        }
        Ok((quantity, opening))
    }

    /// Level x time of a bucket that has no events of its own yet.
    pub fn opening(&self, group: u32, values: LevelValues, active: &Period) -> Result<Quantity, Overflow> {
        let series = self.groups.get(at(group)).and_then(|group| group.counters.get(""));
        series.map_or(Ok(Quantity::ZERO), |series| Ok(series.weighted(values, active)?.1))
    }

    /// The level of a group before an instant.
    pub fn level_before(&self, group: u32, values: LevelValues, at_time: Instant) -> Result<Quantity, Overflow> {
        let series = self.groups.get(at(group)).and_then(|group| group.counters.get(""));
        series.map_or(Ok(Quantity::ZERO), |series| series.level_before(values, at_time))
    }
}
