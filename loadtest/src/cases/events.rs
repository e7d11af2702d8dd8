//! Random logs: events around the catalog's bounds, copies of them, late ones, closes.
//!
//! Owns: that every event is one that the real program accepts, and that no two identities of one (source, id) share a
//! time, so that (event_time, source, id) is an order.

use std::collections::HashSet;

use super::figures::Figure;
use super::meters::{DIMENSIONS, EventType, Field, Shape};
use super::prng::Prng;
use crate::oracle::{Entry, Event, Value};

const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;

/// What a log is made of.
pub(super) struct Maker<'m> {
    pub(super) prng: &'m mut Prng,
    pub(super) types: &'m [EventType],
    pub(super) subjects: &'m [String],
    /// Instants at which something begins.
    pub(super) instants: &'m [i64],
    /// First and last instant of most events.
    pub(super) span: (i64, i64),
    /// Whether events may bring a route key of their own.
    pub(super) has_partitionkeys: bool,
    /// Source, id, time.
    pub(super) taken: HashSet<(String, String, i64)>,
}

impl Maker<'_> {
    /// So many events and so many closes, the last one at the end.
    pub(super) fn log(&mut self, events: usize, closes: usize) -> Vec<Entry> {
        // By arrival.
        let mut arrivals: Vec<(i64, Entry)> = Vec::with_capacity(events + closes);
        for number in 0..events {
            let copied = arrivals.len().checked_sub(1).map(|last| self.prng.index(last + 1));
            let copy = copied.filter(|_| self.prng.chance(10)).and_then(|at| self.copy(&arrivals[at].1));
            let event = copy.unwrap_or_else(|| self.event(number));
            arrivals.push((event.time_micros + self.delay(), Entry::Event(event)));
        }
        let (start, end) = self.span;
        for _ in 1..closes {
            let through = if self.prng.chance(70) {
                self.instants[self.prng.index(self.instants.len())]
            } else {
                self.prng.range(start, end)
            };
            arrivals.push((through + self.prng.range(0, 5 * DAY), Entry::Close(through)));
        }
        arrivals.sort_by_key(|(arrival, _)| *arrival);
        let mut log: Vec<Entry> = arrivals.into_iter().map(|(_, entry)| entry).collect();
        // Mostly everything is sealed in the end.
        let through = if self.prng.chance(70) { end + 40 * DAY } else { self.prng.range(start, end) };
        log.push(Entry::Close(through));
        log
    }

    fn delay(&mut self) -> i64 {
        let most = self.prng.weighted(&[(60, 0), (25, DAY / 12), (9, 3 * DAY), (6, 70 * DAY)]);
        self.prng.range(0, most)
    }

    /// The same again, or something else under the same identity, or under another route key.
    fn copy(&mut self, original: &Entry) -> Option<Event> {
        let Entry::Event(original) = original else { return None };
        let mut copy = original.clone();
        match self.prng.below(10) {
            0..5 => return Some(copy),
            5..7 => copy.time_micros += self.prng.range(1, DAY),
            7 => copy.data.truncate(1),
            _ => copy.partitionkey = Some(self.partitionkey()),
        }
        let is_new_time = self.take(&copy);
        (is_new_time || copy.route_key() == original.route_key()).then_some(copy)
    }

    /// Whether the identity's time is free, and takes it.
    fn take(&mut self, event: &Event) -> bool {
        self.taken.insert((event.source.clone(), event.id.clone(), event.time_micros))
    }

    fn partitionkey(&mut self) -> String {
        format!("part {}", self.prng.range(0, 5))
    }

    fn event(&mut self, number: usize) -> Event {
        let kind = &self.types[self.prng.index(self.types.len())];
        let name = if self.prng.chance(2) { "unknown".to_owned() } else { kind.name.clone() };
        let time_micros = self.time();
        let mut data = Vec::new();
        for (name, values) in DIMENSIONS {
            if self.prng.chance(92) {
                data.push((name.to_owned(), Value::Text(self.prng.pick(&values).to_owned())));
            }
        }
        if self.prng.chance(80) {
            data.push(("series".to_owned(), Value::Text(self.prng.pick(&["a", "b"]).to_owned())));
        }
        if self.prng.chance(20) {
            data.push(("estimated".to_owned(), Value::Text(self.prng.pick(&["true", "false"]).to_owned())));
        }
        // Fields of one object follow one another.
        let (flat, nested): (Vec<&Field>, Vec<&Field>) =
            kind.fields.iter().partition(|field| !field.path.contains('.'));
        for field in flat.into_iter().chain(nested) {
            if self.prng.chance(95) {
                let value = self.value(field, time_micros);
                data.push((field.path.clone(), value));
            }
        }
        let event = Event {
            source: self.prng.pick(&["/a", "/b", "/b/c"]).to_owned(),
            id: format!("{}-{number}", self.prng.range(0, 9)),
            subject: self.subjects[self.prng.index(self.subjects.len())].clone(),
            event_type: name,
            time_micros,
            partitionkey: (self.has_partitionkeys && self.prng.chance(25)).then(|| self.partitionkey()),
            data,
        };
        self.take(&event);
        event
    }

    /// Often where something begins, or just before it; sometimes at the time of many others.
    fn time(&mut self) -> i64 {
        let (start, end) = self.span;
        let time = self.prng.range(start, end);
        match self.prng.below(20) {
            0..3 => self.instants[self.prng.index(self.instants.len())] - self.prng.pick(&[0, 0, 1, SECOND]),
            3 => time - time.rem_euclid(7 * DAY),
            // At full slots and at full hours.
            4..8 => time - time.rem_euclid(900 * SECOND),
            8..10 => time - time.rem_euclid(3_600 * SECOND),
            _ => time,
        }
    }

    fn value(&mut self, field: &Field, time_micros: i64) -> Value {
        let unit = 10_i128.pow(field.decimals);
        let prng = &mut *self.prng;
        let digits = match field.shape {
            Shape::Text => return Value::Text(format!("user {}", prng.below(12))),
            Shape::Value => positive(prng, field),
            Shape::Signed => positive(prng, field) * prng.pick(&[1, 1, -1]),
            Shape::Delta => prng.below(20 * unit) - 8 * unit,
            Shape::Level => {
                prng.weighted(&[(20, 0), (70, 50 * unit), (10, 1_000_000 * unit)]).min(prng.below(1_000_000 * unit))
            }
            Shape::Reading => {
                // Rises by one in three hours, wraps, and is sometimes off.
                let hours = i128::from(time_micros.div_euclid(3_600 * SECOND));
                let reading = (hours / 3 % 1000) * unit + prng.pick(&[0, 0, 0, 1, 25]) * prng.below(unit);
                reading.min(1000 * unit - 1)
            }
            Shape::Amount => {
                let most = prng.weighted(&[(90, 100), (10, 1_000_000)]);
                prng.below(most * unit)
            }
            Shape::SignedAmount => prng.below(200 * unit) - 100 * unit,
        };
        let text = Figure::new(digits, field.decimals).text();
        // Decimal strings count as numbers.
        if prng.chance(8) { Value::Text(text) } else { Value::Number(text) }
    }
}

/// Zero, a quantity at or beside a bound, a small one, a very large one.
fn positive(prng: &mut Prng, field: &Field) -> i128 {
    let unit = 10_i128.pow(field.decimals);
    match prng.below(100) {
        0..8 => 0,
        8..28 if !field.bounds.is_empty() => (prng.pick(&field.bounds) + prng.pick(&[-1, 0, 0, 1])).max(0),
        28..60 => prng.below(100) * unit,
        60..64 => 1,
        64 => 1_000_000_000_000 * unit - prng.below(2),
        65..70 => prng.below(1_000_000 * unit),
        _ => prng.below(100 * unit),
    }
}
