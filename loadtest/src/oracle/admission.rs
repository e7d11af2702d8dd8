//! From events to usages: identities, customers, charges, cells, late usage.
//!
//! Owns: each event's verdict, and which buckets its usages are in. Does not own: what a bucket costs. Keeps L2, L3.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;

use anyhow::{Context, Result};

use super::catalog::{Aggregation, Catalog, Charge, LatePolicy, Meter, Version};
use super::event::Event;
use super::frame::{Frames, Place};
use super::number::scaled;
use super::outcome::{Unpriced, Verdicts};
use super::price::Price;
use super::price::cells::Choice;

/// One event at one charge.
#[derive(Debug, Clone, Copy)]
pub(super) struct Usage<'a> {
    pub(super) event: &'a Event,
    /// With the meter's decimals; of a capacity 0, whose meters measure by themselves.
    pub(super) value: i128,
}

/// A set of usages that is priced as one.
#[derive(Debug)]
pub(super) struct Bucket<'a> {
    pub(super) frame: usize,
    pub(super) leaf: usize,
    pub(super) group: Vec<&'a str>,
    pub(super) usages: Vec<Usage<'a>>,
}

/// Who owns a subject.
#[derive(Debug, Clone, Copy)]
enum Owner {
    Party(usize),
    /// The subject bears the id of a customer who does not claim it.
    NotClaimed,
}

/// What became of one event at one charge.
enum Selected {
    No,
    NoCell,
    Refused,
    Rated,
}

/// All buckets, filled event by event.
#[derive(Debug)]
pub(super) struct Admission<'a> {
    pub(super) frames: Frames<'a>,
    pub(super) buckets: Vec<Bucket<'a>>,
    pub(super) verdicts: Verdicts,
    pub(super) unpriced: std::collections::BTreeMap<Unpriced, u64>,
    /// Periods that end by then are sealed.
    pub(super) sealed: i64,
    bucket_ids: HashMap<(usize, usize, Vec<&'a str>), usize>,
    owners: HashMap<String, Owner>,
    /// The first copy by route key, source and id.
    seen: HashMap<(&'a str, &'a str, &'a str), &'a Event>,
}

impl<'a> Admission<'a> {
    /// Before the first event.
    pub(super) fn new(catalog: &'a Catalog) -> Admission<'a> {
        let mut owners = HashMap::new();
        for (party, customer) in catalog.customers.iter().enumerate() {
            owners.extend(customer.subjects.iter().map(|subject| (subject.clone(), Owner::Party(party))));
        }
        for customer in &catalog.customers {
            owners.entry(customer.id.clone()).or_insert(Owner::NotClaimed);
        }
        Admission {
            frames: Frames::new(catalog),
            buckets: Vec::new(),
            verdicts: Verdicts::default(),
            unpriced: std::collections::BTreeMap::new(),
            sealed: i64::MIN,
            bucket_ids: HashMap::new(),
            owners,
            seen: HashMap::new(),
        }
    }

    /// Takes the log's next event. Fails on one that the real program would reject.
    pub(super) fn admit(&mut self, event: &'a Event) -> Result<()> {
        match self.seen.entry((event.route_key(), &event.source, &event.id)) {
            Slot::Occupied(first) if event.has_payload_of(first.get()) => self.verdicts.duplicate += 1,
            Slot::Occupied(_) => self.verdicts.conflict += 1,
            Slot::Vacant(slot) => {
                slot.insert(event);
                self.accept(event).with_context(|| format!("event {:?} of {:?}", event.id, event.source))?;
            }
        }
        Ok(())
    }

    fn accept(&mut self, event: &'a Event) -> Result<()> {
        let (party, segment) = match self.segment_of(event) {
            Ok(place) => place,
            Err(reason) => {
                self.verdicts.unpriced += 1;
                *self.unpriced.entry(reason).or_default() += 1;
                return Ok(());
            }
        };
        let (mut unpriced, mut refused, mut rated) = (false, false, false);
        for charge in 0..self.frames.plan(party, segment).charges.len() {
            match self.use_charge(event, Place { party, segment, charge })? {
                Selected::No => {}
                Selected::NoCell => {
                    unpriced = true;
                    *self.unpriced.entry(Unpriced::NoCell).or_default() += 1;
                }
                Selected::Refused => refused = true,
                Selected::Rated => rated = true,
            }
        }
        let verdicts = &mut self.verdicts;
        *match (unpriced, refused, rated) {
            (true, _, _) => &mut verdicts.unpriced,
            (_, true, _) => &mut verdicts.late_refused,
            (_, _, true) => &mut verdicts.rated,
            _ => &mut verdicts.unmetered,
        } += 1;
        Ok(())
    }

    /// Whose the event is, and under which segment.
    fn segment_of(&mut self, event: &Event) -> Result<(usize, usize), Unpriced> {
        let owner = match self.owners.get(&event.subject) {
            Some(owner) => *owner,
            None => {
                let plan = self.frames.catalog.default_plan.ok_or(Unpriced::NoPlan)?;
                let owner = Owner::Party(self.frames.add_undeclared(&event.subject, plan));
                self.owners.insert(event.subject.clone(), owner);
                owner
            }
        };
        let Owner::Party(party) = owner else { return Err(Unpriced::SubjectNotClaimed) };
        let segments = &self.frames.parties[party].segments;
        let (Some(first), Some(last)) = (segments.first(), segments.last()) else { return Err(Unpriced::NoPlan) };
        if event.time_micros < first.start {
            return Err(Unpriced::BeforeStart);
        }
        if event.time_micros >= last.end {
            return Err(Unpriced::AfterEnd);
        }
        let segment = segments.iter().position(|segment| event.time_micros < segment.end);
        Ok((party, segment.unwrap_or_default()))
    }

    fn use_charge(&mut self, event: &'a Event, place: Place) -> Result<Selected> {
        let charge = self.frames.charge(place);
        let Some((meter, value)) = selected(self.frames.catalog, charge, event)? else { return Ok(Selected::No) };
        let period = self.frames.period_at(place.party, place.segment, event.time_micros)?;
        let frame = self.frames.frame(place, period)?;
        // Where usage goes on over a plan change it is the first plan's, and so are all its rules.
        let charge = self.frames.charge(self.frames.list[frame].place());
        let price = &version_at(&charge.versions, self.frames.list[frame].active_start()).price;
        let dimension = |name: &str| meter.dimensions.get(name).and_then(|path| path.of(event));
        let choice = Choice { dimension: &dimension, time_micros: event.time_micros };
        let Some(leaf) = price.leaf_of(&choice)? else { return Ok(Selected::NoCell) };
        if matches!(price.leaves()[leaf], Price::Dynamic { .. }) && brought_amount(meter, event)?.is_none() {
            return Ok(Selected::No);
        }
        if charge.late_policy == LatePolicy::Refuse && period.end <= self.sealed {
            return Ok(Selected::Refused);
        }
        let group = charge.group_by.iter().map(|name| dimension(name).unwrap_or_default()).collect();
        let bucket = self.bucket(frame, leaf, group);
        self.buckets[bucket].usages.push(Usage { event, value });
        Ok(Selected::Rated)
    }

    /// The number of a bucket, which is made if there is none.
    pub(super) fn bucket(&mut self, frame: usize, leaf: usize, group: Vec<&'a str>) -> usize {
        match self.bucket_ids.entry((frame, leaf, group)) {
            Slot::Occupied(known) => *known.get(),
            Slot::Vacant(slot) => {
                let (frame, leaf, group) = slot.key().clone();
                self.buckets.push(Bucket { frame, leaf, group, usages: Vec::new() });
                *slot.insert(self.buckets.len() - 1)
            }
        }
    }

    /// Brings each bucket's usages into the order of (event_time, source, id). Identities are unique within a route
    /// key, which decides the rest.
    pub(super) fn sort(&mut self) {
        for bucket in &mut self.buckets {
            bucket.usages.sort_by(|a, b| {
                let key = |event: &'a Event| (event.time_micros, &event.source, &event.id, event.route_key());
                key(a.event).cmp(&key(b.event))
            });
        }
    }
}

/// The version in force at an instant.
pub(super) fn version_at(versions: &[Version], at: i64) -> &Version {
    versions.iter().rev().find(|version| version.effective_at <= at).unwrap_or(&versions[0])
}

/// The first of the charge's meters that measures the event, with its value; `None` if the charge does not select it.
fn selected<'c>(catalog: &'c Catalog, charge: &Charge, event: &Event) -> Result<Option<(&'c Meter, i128)>> {
    for (_, meter) in &charge.meters {
        let meter = &catalog.meters[*meter];
        if let Some(value) = measured(meter, event)?
            && passes(meter, &charge.filter, event)
        {
            return Ok(Some((meter, if charge.meters.len() == 1 { value } else { 0 })));
        }
    }
    Ok(None)
}

/// What a meter measures in an event, with its decimals; `None` if it does not see the event. A distinct text measures
/// 0.
pub(super) fn measured(meter: &Meter, event: &Event) -> Result<Option<i128>> {
    if meter.event_type != event.event_type || !passes(meter, &meter.filter, event) {
        return Ok(None);
    }
    let Some(path) = &meter.value else { return Ok(Some(10_i128.pow(meter.scale))) };
    let Some(text) = path.of(event) else { return Ok(None) };
    if matches!(meter.aggregation, Aggregation::UniqueCount) {
        return Ok(Some(0));
    }
    scaled(text, meter.scale).with_context(|| format!("{text:?} is no value with {} decimals", meter.scale)).map(Some)
}

/// The amount that an event brings, with 18 decimals.
pub(super) fn brought_amount(meter: &Meter, event: &Event) -> Result<Option<i128>> {
    let Some(text) = meter.amount.as_ref().and_then(|path| path.of(event)) else { return Ok(None) };
    scaled(text, 18).with_context(|| format!("{text:?} is no amount")).map(Some)
}

fn passes(meter: &Meter, filter: &std::collections::BTreeMap<String, Vec<String>>, event: &Event) -> bool {
    filter.iter().all(|(name, allowed)| {
        let value = meter.dimensions.get(name).and_then(|path| path.of(event));
        value.is_some_and(|value| allowed.iter().any(|allowed| allowed == value))
    })
}
