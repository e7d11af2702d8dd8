//! Customers, their segments, and frames: a charge's active part of one period, which all its buckets share.
//!
//! Owns: which plan a customer has when, and where a charge goes on over a plan change (semantics of segments,
//! rating.md 5). Does not own: usage.

use std::collections::HashMap;

use anyhow::Result;
use jiff::civil::Date;
use num_traits::Zero;

use super::calendar::{Calendar, Cycle, Period};
use super::catalog::{Catalog, Charge, Customer, Plan};
use super::number::Exact;

/// Whose usage it is.
#[derive(Debug)]
pub(super) struct Party {
    pub(super) id: String,
    /// Who is pooled with whom; undeclared customers are alone.
    pub(super) root: Option<String>,
    pub(super) is_declared: bool,
    pub(super) has_start: bool,
    pub(super) segments: Vec<Segment>,
}

/// A stretch of one plan. An open end is the least or the greatest instant.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) plan: usize,
    pub(super) start: i64,
    pub(super) end: i64,
    calendar: usize,
}

/// Where in a party's segments a charge stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Place {
    pub(super) party: usize,
    pub(super) segment: usize,
    /// In the segment's plan.
    pub(super) charge: usize,
}

/// A charge in one period: one piece for each segment over which it goes on.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) period: Period,
    /// Adjacent, in order, never empty.
    pub(super) pieces: Vec<Piece>,
}

/// The part of a frame that lies in one segment.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) place: Place,
    pub(super) start: i64,
    pub(super) end: i64,
}

impl Frame {
    /// The first piece's place: its charge and plan are the bucket's.
    pub(super) fn place(&self) -> Place {
        self.pieces[0].place
    }

    fn last(&self) -> Place {
        self.pieces[self.pieces.len() - 1].place
    }

    pub(super) fn active_start(&self) -> i64 {
        self.pieces[0].start
    }

    pub(super) fn active_end(&self) -> i64 {
        self.pieces[self.pieces.len() - 1].end
    }
}

/// All parties and the frames met so far.
#[derive(Debug)]
pub(super) struct Frames<'c> {
    pub(super) catalog: &'c Catalog,
    pub(super) parties: Vec<Party>,
    pub(super) list: Vec<Frame>,
    by_piece: HashMap<(Place, i64), usize>,
    calendars: Vec<Calendar>,
    calendar_ids: HashMap<(Cycle, Option<Date>, String), usize>,
}

impl<'c> Frames<'c> {
    /// With the declared customers, in their order.
    pub(super) fn new(catalog: &'c Catalog) -> Frames<'c> {
        let mut frames = Frames {
            catalog,
            parties: Vec::new(),
            list: Vec::new(),
            by_piece: HashMap::new(),
            calendars: Vec::new(),
            calendar_ids: HashMap::new(),
        };
        for customer in &catalog.customers {
            let segments = frames.segments(customer);
            frames.parties.push(Party {
                id: customer.id.clone(),
                root: Some(customer.root.clone()),
                is_declared: true,
                has_start: customer.starts_on.is_some(),
                segments,
            });
        }
        frames
    }

    fn segments(&mut self, customer: &Customer) -> Vec<Segment> {
        let starts = customer.stretches.iter();
        let ends = customer.stretches.iter().skip(1).map(|(start, _)| *start).chain([customer.ends_at]);
        starts
            .zip(ends)
            .map(|((start, plan), end)| {
                let calendar = self.calendar(*plan, customer.starts_on, &customer.zone);
                Segment { plan: *plan, start: *start, end, calendar }
            })
            .collect()
    }

    fn calendar(&mut self, plan: usize, starts_on: Option<Date>, zone: &jiff::tz::TimeZone) -> usize {
        let plan = &self.catalog.plans[plan];
        let anniversary = starts_on.filter(|_| plan.is_anniversary);
        let key = (plan.cycle, anniversary, zone.iana_name().unwrap_or_default().to_owned());
        let calendars = &mut self.calendars;
        *self.calendar_ids.entry(key).or_insert_with(|| {
            calendars.push(Calendar::new(plan.cycle, anniversary, zone.clone()));
            calendars.len() - 1
        })
    }

    /// A new party for a subject that nobody claims, under the default plan for all time.
    pub(super) fn add_undeclared(&mut self, id: &str, plan: usize) -> usize {
        let calendar = self.calendar(plan, None, &self.catalog.time_zone);
        let segment = Segment { plan, start: i64::MIN, end: i64::MAX, calendar };
        let id = id.to_owned();
        self.parties.push(Party { id, root: None, is_declared: false, has_start: false, segments: vec![segment] });
        self.parties.len() - 1
    }

    pub(super) fn plan(&self, party: usize, segment: usize) -> &'c Plan {
        &self.catalog.plans[self.parties[party].segments[segment].plan]
    }

    pub(super) fn charge(&self, place: Place) -> &'c Charge {
        &self.plan(place.party, place.segment).charges[place.charge]
    }

    /// The period of the segment's plan that an instant lies in.
    pub(super) fn period_at(&mut self, party: usize, segment: usize, at: i64) -> Result<Period> {
        self.calendars[self.parties[party].segments[segment].calendar].period_at(at)
    }

    /// The frame of a charge in a period that overlaps its segment.
    pub(super) fn frame(&mut self, place: Place, period: Period) -> Result<usize> {
        if let Some(frame) = self.by_piece.get(&(place, period.start)) {
            return Ok(*frame);
        }
        let mut first = place;
        while self.segment(first).start > period.start
            && let Some(before) = self.neighbour(first, first.segment.checked_sub(1), Charge::continues)
            && self.period_at(before.party, before.segment, self.segment(first).start - 1)? == period
        {
            first = before;
        }
        let mut pieces = vec![self.piece(first, period)];
        let mut last = first;
        while self.segment(last).end < period.end
            && let Some(after) = self.neighbour(last, Some(last.segment + 1), Charge::continues)
            && self.period_at(after.party, after.segment, self.segment(after).start)? == period
        {
            pieces.push(self.piece(after, period));
            last = after;
        }
        let index = self.list.len();
        self.by_piece.extend(pieces.iter().map(|piece| ((piece.place, period.start), index)));
        self.list.push(Frame { period, pieces });
        Ok(index)
    }

    fn segment(&self, place: Place) -> &Segment {
        &self.parties[place.party].segments[place.segment]
    }

    fn piece(&self, place: Place, period: Period) -> Piece {
        let segment = self.segment(place);
        Piece { place, start: segment.start.max(period.start), end: segment.end.min(period.end) }
    }

    /// The charge of the same name in a segment beside, if `rule` holds of the later and the earlier charge.
    fn neighbour(&self, place: Place, segment: Option<usize>, rule: fn(&Charge, &Charge) -> bool) -> Option<Place> {
        let segment = segment?;
        self.parties[place.party].segments.get(segment)?;
        let here = self.charge(place);
        let charges = &self.plan(place.party, segment).charges;
        let charge = charges.iter().position(|charge| charge.name == here.name)?;
        let there = &charges[charge];
        let (later, earlier) = if segment > place.segment { (there, here) } else { (here, there) };
        rule(later, earlier).then_some(Place { party: place.party, segment, charge })
    }

    /// The frame of the period before in the same segment: what rolls over comes from there.
    pub(super) fn rolls_from(&mut self, frame: usize) -> Result<Option<usize>> {
        let (place, period) = (self.list[frame].place(), self.list[frame].period);
        if self.segment(place).start >= period.start {
            return Ok(None);
        }
        let before = self.period_at(place.party, place.segment, period.start - 1)?;
        self.frame(place, before).map(Some)
    }

    /// Whether the frame's last segment reaches into the next period.
    pub(super) fn reaches_next_period(&self, frame: usize) -> bool {
        let frame = &self.list[frame];
        self.segment(frame.last()).end > frame.period.end
    }

    /// Where the charge's levels and readings begin: the first segment from which they were carried on.
    pub(super) fn carried_since(&self, frame: usize) -> Place {
        let mut first = self.list[frame].place();
        while let Some(before) = self.neighbour(first, first.segment.checked_sub(1), Charge::carries) {
            first = before;
        }
        first
    }

    /// The frame that takes over the level: in the next period or in the next segment.
    pub(super) fn carries_to(&mut self, frame: usize) -> Result<Option<usize>> {
        let (last, period) = (self.list[frame].last(), self.list[frame].period);
        let end = self.segment(last).end;
        let (place, at) = if end > period.end {
            (last, period.end)
        } else {
            match self.neighbour(last, Some(last.segment + 1), Charge::carries) {
                Some(after) => (after, end),
                None => return Ok(None),
            }
        };
        let next = self.period_at(place.party, place.segment, at)?;
        self.frame(place, next).map(Some)
    }

    /// What `of` makes of each piece's charge and part of the period, summed.
    pub(super) fn sum_of_parts(&self, frame: usize, of: impl Fn(&Charge, Exact) -> Exact) -> Result<Exact> {
        let frame = &self.list[frame];
        let mut sum = Exact::zero();
        for piece in &frame.pieces {
            let part = self.active_fraction(piece.place.party, piece.place.segment, frame.period)?;
            sum += of(self.charge(piece.place), part);
        }
        Ok(sum)
    }

    /// f of the frame as a whole, as the first piece's plan measures it.
    pub(super) fn part(&self, frame: usize) -> Result<Exact> {
        let frame = &self.list[frame];
        let (place, active) = (frame.place(), (frame.active_start(), frame.active_end()));
        let segment = &self.parties[place.party].segments[place.segment];
        let proration = self.plan(place.party, place.segment).proration;
        self.calendars[segment.calendar].fraction(frame.period, active, proration)
    }

    /// Which part of a period a segment covers.
    pub(super) fn active_fraction(&self, party: usize, segment: usize, period: Period) -> Result<Exact> {
        let Segment { start, end, calendar, .. } = &self.parties[party].segments[segment];
        let active = ((*start).max(period.start), (*end).min(period.end));
        self.calendars[*calendar].fraction(period, active, self.plan(party, segment).proration)
    }
}
