//! Where archived events belong: from the keys of a column's dictionary and times to stretches, each a part of a billing period in
//! which a customer has one plan.
//!
//! Does not own: who has which plan when, which the rater decides.

use anyhow::{Result, anyhow};
use arrow_array::{Array, StringArray};
use weir_model::catalog::PlanIdx;
use weir_model::hash::{HashKey, RouteHash};
use weir_model::time::{Instant, Period};
use weir_rater::{RatingPlan, Subjects};

use super::lanes::at;
use super::rows::SharedTexts;
use crate::explain::archive::{Texts, required};

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

impl Spot {
    /// Nowhere: nobody has a plan.
    pub const NOWHERE: Spot = Spot { stretch: NONE, plan: PlanIdx(NONE) };
}

/// Subjects and their stretches, as one thread meets them.
pub struct Parties<'p> {
    plan: &'p RatingPlan,
    subjects: Subjects,
    /// The dictionary at hand.
    values: SharedTexts,
    /// By its keys: the subject's number.
    numbers: Vec<u32>,
    /// By its keys: where all events in `common` belong.
    spots: Vec<Spot>,
    common: Period,
    /// The least and the greatest time of the batch at hand.
    bounds: [Instant; 2],
    /// Whether the whole batch lies in `common`.
    is_common: bool,
}

impl<'p> Parties<'p> {
    /// Nobody yet.
    pub fn new(plan: &'p RatingPlan) -> Parties<'p> {
        Parties {
            plan,
            subjects: Subjects::new(plan),
            values: SharedTexts::default(),
            numbers: Vec::new(),
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
        if self.values.change(values) {
            self.enter(values)?;
        } else if !self.is_within(&self.common) {
            self.spots.fill(Spot::NOWHERE);
            self.common = ALWAYS;
        }
        self.is_common = true;
        Ok(())
    }

    /// Writes where the events in some rows of the batch belong.
    pub fn spots(&mut self, subjects: &Texts<'_>, times: &[i64], rows: &[u32], spots: &mut Vec<Spot>) -> Result<()> {
        spots.clear();
        if let Texts::Dictionary(keys, _) = subjects
            && self.is_common
        {
            let keys = keys.keys().values();
            spots.extend(rows.iter().map(|row| self.spots[usize::try_from(keys[at(*row)]).unwrap_or(usize::MAX)]));
        } else {
            spots.resize(rows.len(), Spot::NOWHERE);
        }
        for (spot, row) in spots.iter_mut().zip(rows).filter(|(spot, _)| **spot == Spot::NOWHERE) {
            *spot = self.find(subjects, at(*row), Instant::from_micros(times[at(*row)]))?;
        }
        Ok(())
    }

    /// A subject whose stretch this is, its hash, and the stretch's first instant.
    pub fn stretch(&self, number: u32) -> (&str, RouteHash, Instant) {
        let (subject, start) = self.subjects.subject_of(self.plan, number);
        (subject, HashKey::FILES.route(subject.as_bytes()), start)
    }

    fn find(&mut self, subjects: &Texts<'_>, i: usize, time: Instant) -> Result<Spot> {
        let key = match subjects {
            Texts::Dictionary(keys, _) => keys.key(i),
            Texts::Plain(_) => None,
        };
        let subject = match key.and_then(|key| self.numbers.get(key)) {
            Some(number) => *number,
            None => {
                let name = required(subjects.get(i))?;
                self.subjects.intern(self.plan, HashKey::FILES.route(name.as_bytes()), || name)
            }
        };
        let Ok(found) = self.subjects.spot(self.plan, subject, time) else {
            // It may have a plan later in the batch.
            return Ok(Spot::NOWHERE);
        };
        let spot = Spot { stretch: found.stretch, plan: found.plan };
        if self.is_common
            && self.is_within(&found.active)
            && let Some(slot) = key.and_then(|key| self.spots.get_mut(key))
        {
            *slot = spot;
            self.common.start = self.common.start.max(found.active.start);
            self.common.end = self.common.end.min(found.active.end);
        }
        Ok(spot)
    }

    /// Enters the subjects of another dictionary.
    fn enter<'v>(&mut self, values: &'v StringArray) -> Result<()> {
        let hashed = |name: Option<&'v str>| required(name).map(|name| (HashKey::FILES.route(name.as_bytes()), name));
        let subjects: Vec<(RouteHash, &str)> = values.iter().map(hashed).collect::<Result<_>>()?;
        let Parties { numbers, spots, common, bounds, .. } = self;
        let [least, greatest] = *bounds;
        numbers.clear();
        spots.clear();
        *common = ALWAYS;
        self.subjects.enter_all(self.plan, (&subjects, least), |number, found| {
            let found = found.filter(|found| found.active.contains(greatest));
            numbers.push(number);
            spots.push(found.map_or(Spot::NOWHERE, |found| Spot { stretch: found.stretch, plan: found.plan }));
            if let Some(found) = found {
                common.start = common.start.max(found.active.start);
                common.end = common.end.min(found.active.end);
            }
        });
        Ok(())
    }

    /// Whether all events of the batch lie in a stretch of time.
    fn is_within(&self, period: &Period) -> bool {
        self.bounds.iter().all(|bound| period.contains(*bound))
    }
}
