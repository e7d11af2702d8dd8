//! A workload that knows every outcome in advance: event i of n is a pure function of (shape, i).
//!
//! A reversible permutation deals every event a rank. Ranks are originals, then repeats, then bad events; repeat x has the
//! identity of original x mod originals. So the group of events with one identity is known without memory, whichever of them
//! stands first in the log is the first copy, and the counts of duplicates, conflicts and bad events are exact. Modelled on
//! TigerBeetle's workload generator.
//!
//! Owns: what each event is and says, the catalog that prices it, and the log's text. Does not own: what a run makes of
//! it (`auditor`).

mod calendar;
mod catalog;
mod damage;
pub(crate) mod digits;
pub(crate) mod draws;
pub(crate) mod ndjson;
mod parties;
mod permutation;
mod shape;
mod tariff;

use std::ops::Range;

use anyhow::Result;

pub use calendar::Calendar;
pub use digits::AMOUNT_SCALE;
pub use parties::Parties;
pub use permutation::Permutation;
pub use shape::{Close, Ranks, Shape, Shares};
pub use tariff::{Charge, LatePolicy, Slot, Tariff};

use damage::DAMAGES;
use draws::{Draws, mix};
use shape::{MILLE, to_u64};
use tariff::REGIONS;

/// The plan's name.
pub const PLAN: &str = "load";
/// The currency of every amount.
pub const CURRENCY: &str = "USD";
/// So many identities share an id and differ by their source.
const SOURCES: u64 = 8;
/// Values are 0 to a thousand whole units, whatever the meter's scale.
const VALUE_MAX: u64 = 1_000;

/// A workload.
#[derive(Debug, Clone)]
pub struct Workload {
    shape: Shape,
    ranks: Ranks,
    order: Permutation,
    calendar: Calendar,
    parties: Parties,
    tariff: Tariff,
}

/// What an event is and says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    /// Its place in the log, from 0.
    pub index: u64,
    /// What becomes of it.
    pub fate: Fate,
    /// Number of its identity among the originals.
    pub original: u64,
    /// What it says; of a bad event, what it would have said undamaged.
    pub content: Content,
}

/// What becomes of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// The first of its identity: it is accepted.
    First,
    /// It repeats an earlier event.
    Duplicate {
        /// The first copy's index.
        of: u64,
    },
    /// It contradicts an earlier event.
    Conflict {
        /// The first copy's index.
        with: u64,
    },
    /// It is no valid event: the index of its damage.
    Bad(usize),
}

/// What an event says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Content {
    /// Whose usage it is; `None` for the subject without a plan.
    pub subject: Option<usize>,
    /// The meter that its type feeds; `None` for a type that nobody meters.
    pub meter: Option<usize>,
    /// The period of `time`.
    pub period: usize,
    /// Microseconds since 1970.
    pub time: i64,
    /// Whether the period was sealed where the first copy stands.
    pub late: bool,
    /// At the meter's scale.
    pub value: u64,
    /// Index of the region.
    region: usize,
}

/// What repeats may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Repeat {
    Same,
    /// With another content: so many variants, told apart by the rank.
    Other(u64),
}

impl Workload {
    /// Fails if there is no such workload.
    pub fn new(shape: Shape) -> Result<Workload> {
        shape.check()?;
        Ok(Workload {
            ranks: Ranks::of(&shape),
            order: Permutation::new(shape.events, shape.seed),
            calendar: Calendar::new(shape.periods),
            parties: Parties { customers: shape.customers, shared: shape.shared },
            tariff: Tariff::new(shape.meters),
            shape,
        })
    }

    /// What decides it.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// How many events there are of each class.
    pub fn ranks(&self) -> Ranks {
        self.ranks
    }

    /// The periods.
    pub fn calendar(&self) -> &Calendar {
        &self.calendar
    }

    /// Customers and subjects.
    pub fn parties(&self) -> &Parties {
        &self.parties
    }

    /// Charges and prices.
    pub fn tariff(&self) -> &Tariff {
        &self.tariff
    }

    /// The log's parts, in order: a close stands between one and the next, in the order of the shape's closes.
    pub fn parts(&self) -> Vec<Range<u64>> {
        let starts = || self.shape.closes.iter().map(|close| close.before);
        std::iter::once(0).chain(starts()).zip(starts().chain([self.shape.events])).map(|(a, b)| a..b).collect()
    }

    /// The date through which a close seals, for `--close`.
    pub fn close_date(&self, close: Close) -> String {
        self.calendar.date(close.periods)
    }

    /// The date that seals every period, for `--until`.
    pub fn until(&self) -> String {
        self.calendar.date(self.calendar.periods())
    }

    /// All events, in the log's order.
    pub fn events(&self) -> impl Iterator<Item = Event> {
        (0..self.shape.events).map(|index| self.event(index))
    }

    /// Event `index` of the log.
    ///
    /// # Panics
    /// If there is no such event.
    pub fn event(&self, index: u64) -> Event {
        let rank = self.order.forward(index);
        let Ranks { originals, .. } = self.ranks;
        if let Some(bad) = rank.checked_sub(originals + self.ranks.repeats()) {
            // A bad event bears the identity of a good one: being rejected, it must not take it.
            let original = bad % originals;
            let damage = usize::try_from(bad % to_u64(DAMAGES.len())).unwrap_or(0);
            return Event { index, fate: Fate::Bad(damage), original, content: self.damaged(bad, index) };
        }
        let original = rank.checked_sub(originals).map_or(rank, |repeat| repeat % originals);
        let (first, first_rank) = self.first_copy(original, (index, rank));
        let content = self.content(original, first);
        if first == index {
            return Event { index, fate: Fate::First, original, content };
        }
        // Where a repeat stands first, the original takes its place among the repeats.
        let repeat = self.repeat(rank).or_else(|| self.repeat(first_rank));
        match repeat {
            Some(Repeat::Other(variant)) => {
                let content = content.contradicted(variant);
                Event { index, fate: Fate::Conflict { with: first }, original, content }
            }
            _ => Event { index, fate: Fate::Duplicate { of: first }, original, content },
        }
    }

    /// Index and rank of the first event with this identity, of which one is `known`.
    fn first_copy(&self, original: u64, known: (u64, u64)) -> (u64, u64) {
        let Ranks { originals, .. } = self.ranks;
        let end = originals + self.ranks.repeats();
        let mut first = known;
        let mut rank = original;
        while rank < end {
            if rank != known.1 {
                first = first.min((self.order.back(rank), rank));
            }
            rank += originals;
        }
        first
    }

    /// What kind of repeat a rank is; `None` for originals.
    fn repeat(&self, rank: u64) -> Option<Repeat> {
        let repeat = rank.checked_sub(self.ranks.originals)?;
        Some(repeat.checked_sub(self.ranks.duplicates).map_or(Repeat::Same, Repeat::Other))
    }

    /// What the events of an identity say whose first copy stands at `first`.
    fn content(&self, original: u64, first: u64) -> Content {
        let Shares { unmetered, unpriced, late, .. } = self.shape.shares;
        let mut draws = Draws::new(self.shape.seed, original);
        let class = original % MILLE;
        let metered = class >= unmetered;
        let planned = !metered || class >= unmetered + unpriced;
        let sealed = self.shape.sealed_at(first);
        let is_late = sealed > 0 && (unmetered + unpriced..unmetered + unpriced + late).contains(&class);
        let subject = draws.index(self.parties.subjects());
        let meter = draws.index(self.shape.meters);
        let scale = if metered { tariff::kind(meter).scale } else { 0 };
        let value = draws.below(VALUE_MAX * 10_u64.pow(scale) + 1);
        let region = draws.index(REGIONS.len());
        let open = self.shape.periods - sealed;
        let period = if is_late { draws.index(sealed) } else { sealed + draws.index(open) };
        Content {
            subject: planned.then_some(subject),
            meter: metered.then_some(meter),
            period,
            time: self.time_in(period, &mut draws),
            late: is_late,
            value,
            region,
        }
    }

    /// Now and then the period's first instant: an event on a boundary belongs to the later period. Never its last two,
    /// so that a contradiction may be a microsecond later.
    fn time_in(&self, period: usize, draws: &mut Draws) -> i64 {
        let (start, end) = (self.calendar.start(period), self.calendar.start(period + 1));
        let at_start = draws.below(64) == 0;
        let offset = draws.below(u64::try_from(end - start).unwrap_or(0) - 1);
        // Less than a month.
        start + if at_start { 0 } else { i64::try_from(offset).unwrap_or(0) }
    }

    /// What a bad event is made of: usage of the first meter with a region, so that each damage finds what it damages.
    fn damaged(&self, bad: u64, index: u64) -> Content {
        let mut draws = Draws::new(self.shape.seed, u64::MAX - bad);
        let subject = draws.index(self.parties.subjects());
        let period = self.shape.sealed_at(index);
        let time = self.time_in(period, &mut draws);
        let value = draws.below(VALUE_MAX);
        Content { subject: Some(subject), meter: Some(0), period, time, late: false, value, region: 0 }
    }

    /// The usages of what an event says: a charge of its meter each, with the slot it falls into. None without a plan.
    pub fn usages(&self, content: Content) -> impl Iterator<Item = (&Charge, usize)> {
        let region = content.region;
        let meter = content.meter.filter(|_| content.subject.is_some());
        meter.into_iter().flat_map(move |meter| self.tariff.slots_of(meter, region))
    }

    /// The code that a bad event is rejected with.
    pub fn rejection(damage: usize) -> &'static str {
        DAMAGES[damage].0
    }

    /// The source and id of an identity, as numbers: eight identities in a row differ by their source alone.
    #[inline]
    fn identity(&self, original: u64) -> (u64, u64) {
        (original % SOURCES, mix((original / SOURCES).wrapping_add(self.shape.seed)))
    }
}

impl Content {
    /// The same identity's content as another sender would have it.
    fn contradicted(self, variant: u64) -> Content {
        if variant.is_multiple_of(2) {
            Content { value: self.value + 1, ..self }
        } else {
            Content { time: self.time + 1, ..self }
        }
    }
}
