//! The subjects of archived events and their stretches: a stretch is a part of a billing period in which a subject has one plan.
//!
//! Owns: numbers for both, so that an event's subject and time come to one number by one look-up. Does not own: who has which
//! plan when, which the rater decides.

use std::hash::BuildHasher;

use anyhow::{Result, anyhow};
use arrow_array::Array;
use hashbrown::{DefaultHashBuilder, HashTable};
use weir_model::catalog::PlanIdx;
use weir_model::hash::{HashKey, RouteHash};
use weir_model::time::{Instant, Period};
use weir_rater::{RatingPlan, Whereabouts};

use super::rows::SharedTexts;
use crate::explain::archive::Texts;

/// Stands for no number.
const NONE: u32 = u32::MAX;
const ALWAYS: Period = Period { start: Instant::from_micros(i64::MIN), end: Instant::from_micros(i64::MAX) };

/// Where an event belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spot {
    /// The number of its stretch.
    pub stretch: u32,
    /// The plan there.
    pub plan: PlanIdx,
}

const NOWHERE: Spot = Spot { stretch: NONE, plan: PlanIdx(NONE) };

/// Subjects and their stretches, as one thread meets them.
pub struct Parties<'p> {
    plan: &'p RatingPlan,
    hasher: DefaultHashBuilder,
    numbers: HashTable<u32>,
    subjects: Vec<Subject>,
    names: String,
    stretches: Vec<Stretch>,
    /// The dictionary at hand.
    values: SharedTexts,
    /// By its keys: the subject's number.
    keys: Vec<u32>,
    /// By its keys: where all events in `common` belong.
    spots: Vec<Spot>,
    common: Period,
    /// The least and the greatest time of the batch at hand.
    bounds: [Instant; 2],
    /// Whether the whole batch lies in `common`.
    is_common: bool,
}

struct Subject {
    hash: RouteHash,
    /// Where its name begins and ends.
    name: (usize, usize),
    /// The stretch of its latest event.
    last: u32,
}

struct Stretch {
    subject: u32,
    /// The subject's stretch before.
    previous: u32,
    active: Period,
    plan: PlanIdx,
}

impl<'p> Parties<'p> {
    /// Nobody yet.
    pub fn new(plan: &'p RatingPlan) -> Parties<'p> {
        Parties {
            plan,
            hasher: DefaultHashBuilder::default(),
            numbers: HashTable::new(),
            subjects: Vec::new(),
            names: String::new(),
            stretches: Vec::new(),
            values: SharedTexts::default(),
            keys: Vec::new(),
            spots: Vec::new(),
            common: ALWAYS,
            bounds: [Instant::default(); 2],
            is_common: false,
        }
    }

    /// Begins a batch with these subjects and times.
    pub fn begin(&mut self, subjects: &Texts<'_>, times: &[i64]) -> Result<()> {
        let Texts::Dictionary(keys, values) = subjects else {
            self.is_common = false;
            return Ok(());
        };
        if keys.null_count() > 0 {
            return Err(anyhow!("a subject is missing that every row has"));
        }
        let first = times.first().copied().unwrap_or_default();
        let (least, greatest) = times.iter().fold((first, first), |(l, g), time| (l.min(*time), g.max(*time)));
        self.bounds = [least, greatest].map(Instant::from_micros);
        let changes = self.values.change(values);
        if changes {
            self.keys.clear();
            self.keys.resize(values.len(), NONE);
        }
        if changes || !self.is_within(&self.common) {
            self.spots.clear();
            self.spots.resize(values.len(), NOWHERE);
            self.common = ALWAYS;
        }
        self.is_common = true;
        Ok(())
    }

    /// Where the event in a row of the batch belongs. `None`: its subject has no plan then.
    #[inline]
    pub fn spot(&mut self, subjects: &Texts<'_>, i: usize, time: i64) -> Result<Option<Spot>> {
        if self.is_common
            && let Some(spot) = key_of(subjects, i).and_then(|key| self.spots.get(key))
            && spot.stretch != NONE
        {
            return Ok(Some(*spot));
        }
        self.find(subjects, i, Instant::from_micros(time))
    }

    /// A stretch's subject, its hash, and the stretch's first instant.
    pub fn stretch(&self, number: u32) -> (&str, RouteHash, Instant) {
        let stretch = &self.stretches[at(number)];
        let subject = &self.subjects[at(stretch.subject)];
        (&self.names[subject.name.0..subject.name.1], subject.hash, stretch.active.start)
    }

    fn find(&mut self, subjects: &Texts<'_>, i: usize, time: Instant) -> Result<Option<Spot>> {
        let key = key_of(subjects, i);
        let known = key.and_then(|key| self.keys.get(key)).copied().unwrap_or(NONE);
        let subject = if known == NONE { self.intern(subjects.required(i)?)? } else { known };
        if let Some(slot) = key.and_then(|key| self.keys.get_mut(key)) {
            *slot = subject;
        }
        let Some(number) = self.stretch_at(subject, time)? else {
            // It may have one later in the batch.
            self.is_common = false;
            return Ok(None);
        };
        let Stretch { active, plan, .. } = self.stretches[at(number)];
        let spot = Spot { stretch: number, plan };
        if self.is_common {
            self.is_common = self.is_within(&active);
            if let Some(slot) = key.and_then(|key| self.spots.get_mut(key)).filter(|_| self.is_common) {
                *slot = spot;
                self.common.start = self.common.start.max(active.start);
                self.common.end = self.common.end.min(active.end);
            }
        }
        Ok(Some(spot))
    }

    /// The stretch of a subject that an instant lies in.
    fn stretch_at(&mut self, subject: u32, time: Instant) -> Result<Option<u32>> {
        let last = self.subjects[at(subject)].last;
        let mut candidate = last;
        while let Some(stretch) = self.stretches.get(at(candidate)) {
            if stretch.active.contains(time) {
                return Ok(Some(candidate));
            }
            candidate = stretch.previous;
        }
        let Ok(Whereabouts { plan, active }) = self.plan.whereabouts(self.subjects[at(subject)].hash, time) else {
            return Ok(None);
        };
        let number = next(self.stretches.len())?;
        self.stretches.push(Stretch { subject, previous: last, active, plan });
        self.subjects[at(subject)].last = number;
        Ok(Some(number))
    }

    fn intern(&mut self, name: &str) -> Result<u32> {
        let Parties { hasher, numbers, subjects, names, .. } = self;
        let name_of = |number: &u32| {
            let (start, end) = subjects[at(*number)].name;
            &names[start..end]
        };
        let hash = hasher.hash_one(name);
        if let Some(known) = numbers.find(hash, |number| name_of(number) == name) {
            return Ok(*known);
        }
        let number = next(subjects.len())?;
        numbers.insert_unique(hash, number, |number| hasher.hash_one(name_of(number)));
        let start = names.len();
        names.push_str(name);
        subjects.push(Subject {
            hash: HashKey::FILES.route(name.as_bytes()),
            name: (start, names.len()),
            last: NONE,
        });
        Ok(number)
    }

    /// Whether all events of the batch lie in a stretch of time.
    fn is_within(&self, period: &Period) -> bool {
        self.bounds.iter().all(|bound| period.contains(*bound))
    }
}

/// The key of a row in a dictionary without nulls.
#[inline]
fn key_of(texts: &Texts<'_>, i: usize) -> Option<usize> {
    let Texts::Dictionary(keys, _) = texts else { return None };
    keys.keys().values().get(i).and_then(|key| usize::try_from(*key).ok())
}

fn at(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn next(len: usize) -> Result<u32> {
    u32::try_from(len).ok().filter(|number| *number != NONE).ok_or_else(|| anyhow!("the archive has too many subjects"))
}
