//! What archived events come to, as far as it can be added up: type and `data` give usages, each a lane and a value.
//!
//! Owns: that content which many events share is read once. Does not own: what selects an event and what it is worth there,
//! which the decoder and the rater decide.

use std::ops::Range;

use weir_model::catalog::{ChargeIdx, PlanIdx, TypeIdx};
use weir_model::event::Chunk;
use weir_model::number::Quantity;
use weir_rater::prefetch::prefetch;
use weir_rater::{EventView, RatingPlan, SumKey};

use super::lanes::{ContentReader, Data, Kept, Lanes, append, at, view};
use super::parties::Spot;

/// Plans whose usages are remembered by content; those of others, customers' own variants mostly, are made event by event.
const PLANS_MAX: usize = 16;

/// How much one thread keeps.
#[derive(Debug, Clone, Copy)]
pub struct Room {
    /// Bytes of text of remembered content, and as many of lanes.
    pub text_bytes_max: usize,
    /// Contents that are remembered, 8 bytes each under each plan.
    pub known_max: usize,
    /// Lanes.
    pub lanes_max: usize,
    /// Sums, 16 bytes each where most lanes have one.
    pub sums_max: usize,
}

impl Room {
    /// Some hundred megabytes at most.
    pub const USUAL: Room =
        Room { text_bytes_max: 64 << 20, known_max: 1 << 22, lanes_max: 1 << 20, sums_max: 1 << 22 };
}

/// What some content comes to under a plan: one usage of a small value, mostly.
#[derive(Debug, Clone, Copy)]
struct Known {
    /// The lane, or one of the marks below.
    lane: u32,
    /// The value; at [`LIST`] the number of a list of usages.
    value: u32,
}

/// Not looked at yet.
const NEW: u32 = u32::MAX;
/// Content that the catalog rejects.
const REJECTED: u32 = u32::MAX - 1;
/// Any number of usages.
const LIST: u32 = u32::MAX - 2;

const UNKNOWN: Known = Known { lane: NEW, value: 0 };

/// The catalog rejects an event's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rejected;

/// What events come to at the charges that are added up.
pub struct Contents<'c> {
    plan: &'c RatingPlan,
    /// By charge: whether it is added up.
    folded: &'c [bool],
    reader: ContentReader,
    lanes: Lanes,
    kept: Kept,
    /// By plan: its place in `known`.
    places: Vec<u8>,
    /// By place, type and number of data.
    known: Vec<Vec<Vec<Known>>>,
    /// Where lists begin and end in `usages`.
    lists: Vec<Range<usize>>,
    usages: Vec<(u32, Quantity)>,
    known_len: usize,
    fresh: Chunk,
    found: Vec<(u32, Quantity)>,
    room: Room,
}

impl<'c> Contents<'c> {
    /// Nothing is known yet.
    pub fn new(plan: &'c RatingPlan, folded: &'c [bool], room: Room) -> Contents<'c> {
        let catalog = plan.catalog();
        Contents {
            plan,
            folded,
            reader: ContentReader::new(catalog),
            lanes: Lanes::new(),
            kept: Kept::new(catalog.event_types.len()),
            places: vec![u8::MAX; catalog.plans.len()],
            known: Vec::new(),
            lists: Vec::new(),
            usages: Vec::new(),
            known_len: 0,
            fresh: Chunk::new(1),
            found: Vec::new(),
            room,
        }
    }

    /// The number of data that repeats, until [`Contents::forget`].
    pub fn number(&mut self, data: Data<'_>) -> u32 {
        self.kept.number(data)
    }

    /// Starts to bring what is known of an event with numbered data into the cache.
    #[inline]
    pub fn prefetch(&self, (spot, event_type): (Spot, TypeIdx), number: u32) {
        if let Some(known) = self.known_of(spot.plan, event_type) {
            prefetch(known, at(number));
        }
    }

    /// Appends the usages of an event with numbered data.
    #[inline]
    pub fn add(
        &mut self,
        (spot, event_type): (Spot, TypeIdx),
        number: u32,
        usages: &mut Vec<(SumKey, Quantity)>,
    ) -> Result<(), Rejected> {
        let known = self.known_of(spot.plan, event_type).and_then(|known| known.get(at(number)));
        match known.copied().unwrap_or(UNKNOWN) {
            Known { lane: NEW, .. } => return self.learn((spot, event_type), number, usages),
            Known { lane: REJECTED, .. } => return Err(Rejected),
            Known { lane: LIST, value: list } => push(spot, &self.usages[self.lists[at(list)].clone()], usages),
            Known { lane, value } => {
                usages.push((SumKey { stretch: spot.stretch, lane }, Quantity::from_scaled(i128::from(value))));
            }
        }
        Ok(())
    }

    /// Appends the usages of an event with data that may not repeat.
    pub fn add_once(
        &mut self,
        (spot, event_type): (Spot, TypeIdx),
        data: Data<'_>,
        usages: &mut Vec<(SumKey, Quantity)>,
    ) -> Result<(), Rejected> {
        let Contents { reader, fresh, .. } = self;
        fresh.clear();
        let span = append(fresh, data);
        let row = reader.read(fresh, event_type, span).ok_or(Rejected)?;
        let content = (view(&self.fresh, row), data);
        find((self.plan, self.folded, spot.plan), content, (&mut self.lanes, &mut self.reader), &mut self.found);
        push(spot, &self.found, usages);
        Ok(())
    }

    /// The charge of a lane, and an event of it.
    pub fn lane(&self, number: u32) -> (ChargeIdx, EventView<'_>) {
        self.lanes.get(number)
    }

    /// Whether what is known takes too much room: it is to be forgotten.
    pub fn is_full(&self) -> bool {
        self.known_len + self.usages.len() > self.room.known_max || self.kept.text_len() > self.room.text_bytes_max
    }

    /// Whether there are too many lanes: they are to be forgotten, once nothing refers to them any more.
    pub fn has_full_lanes(&self) -> bool {
        self.lanes.len() > self.room.lanes_max || self.lanes.text_len() > self.room.text_bytes_max
    }

    /// Forgets the numbers of data, and what is known of them.
    pub fn forget(&mut self) {
        self.kept = Kept::new(self.plan.catalog().event_types.len());
        self.known.iter_mut().flatten().for_each(|known| *known = Vec::new());
        self.lists.clear();
        self.usages.clear();
        self.known_len = 0;
    }

    /// Forgets the lanes too.
    pub fn forget_lanes(&mut self) {
        self.forget();
        self.lanes = Lanes::new();
    }

    /// What is known under a plan of events of a type, by number of data.
    #[inline]
    fn known_of(&self, plan: PlanIdx, event_type: TypeIdx) -> Option<&[Known]> {
        let place = self.places.get(plan.at())?;
        Some(self.known.get(usize::from(*place))?.get(event_type.at())?.as_slice())
    }

    /// The usages of an event whose data was not met under its plan.
    #[cold]
    fn learn(
        &mut self,
        (spot, event_type): (Spot, TypeIdx),
        number: u32,
        usages: &mut Vec<(SumKey, Quantity)>,
    ) -> Result<(), Rejected> {
        let content = self.kept.read(&mut self.reader, event_type, number);
        let Some(content) = content else {
            self.remember((spot.plan, event_type), number, Known { lane: REJECTED, ..UNKNOWN });
            return Err(Rejected);
        };
        find((self.plan, self.folded, spot.plan), content, (&mut self.lanes, &mut self.reader), &mut self.found);
        push(spot, &self.found, usages);
        if !self.remembers(spot.plan) {
            return Ok(());
        }
        let known = match self.found.as_slice() {
            [(lane, value)] => u32::try_from(value.scaled()).ok().map(|value| Known { lane: *lane, value }),
            _ => None,
        };
        let known = known.unwrap_or_else(|| {
            let start = self.usages.len();
            self.usages.extend_from_slice(&self.found);
            self.lists.push(start..self.usages.len());
            Known { lane: LIST, value: u32::try_from(self.lists.len() - 1).unwrap_or(u32::MAX) }
        });
        self.remember((spot.plan, event_type), number, known);
        Ok(())
    }

    fn remembers(&self, plan: PlanIdx) -> bool {
        self.known.len() < PLANS_MAX || self.places.get(plan.at()).is_some_and(|place| *place != u8::MAX)
    }

    fn remember(&mut self, (plan, event_type): (PlanIdx, TypeIdx), number: u32, known: Known) {
        let Some(place) = self.places.get_mut(plan.at()) else { return };
        if *place == u8::MAX && self.known.len() < PLANS_MAX {
            *place = u8::try_from(self.known.len()).unwrap_or(u8::MAX);
            self.known.push(vec![Vec::new(); self.plan.catalog().event_types.len()]);
        }
        let types = self.known.get_mut(usize::from(*place));
        let Some(of_type) = types.and_then(|types| types.get_mut(event_type.at())) else { return };
        if of_type.len() <= at(number) {
            self.known_len += at(number) + 1 - of_type.len();
            of_type.resize(at(number) + 1, UNKNOWN);
        }
        of_type[at(number)] = known;
    }
}

/// The usages of an event's content at the charges that are added up: lanes and values.
fn find(
    (plan, folded, of): (&RatingPlan, &[bool], PlanIdx),
    (event, data): (EventView<'_>, Data<'_>),
    (lanes, reader): (&mut Lanes, &mut ContentReader),
    found: &mut Vec<(u32, Quantity)>,
) {
    found.clear();
    for (charge, value) in plan.usages(of, event) {
        if folded.get(charge.at()) == Some(&true) {
            found.push((lanes.number((plan, charge), (event, data), reader), value));
        }
    }
}

fn push(spot: Spot, found: &[(u32, Quantity)], usages: &mut Vec<(SumKey, Quantity)>) {
    usages.extend(found.iter().map(|(lane, value)| (SumKey { stretch: spot.stretch, lane: *lane }, *value)));
}
