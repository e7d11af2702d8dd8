//! The job of the side-by-side comparison: a month of usage whose line i is a pure function of (shape, i), and its exact
//! answer.
//!
//! A line is an event of its own or, one time in twenty, repeats an earlier one byte for byte; which one follows from the
//! line's number alone. Every event names one of the shape's customers and meters, and every meter sums one number at one
//! graduated price. While the lines are written their answer is added up in integers.
//!
//! Owns: what each line says, the catalog that prices it, and the answer. Does not own: what becomes of retries that say
//! something else, late usage and damage (`workload`); files, engines and clocks (`cargo xtask side-by-side`).

mod answer;
mod catalog;
mod line;
mod shape;

use std::io::{self, Write};

use anyhow::Result;

use crate::workload::draws::Draws;
use answer::Tally;
pub use answer::{Answer, amount_text};
pub use shape::{Shape, Tier};

/// One line in so many repeats an earlier one.
const REPEATED: u64 = 20;
/// A repeat is at most so many lines after what it repeats.
const REPEAT_LINES_MAX: u64 = 400_000;
/// Values are 1 to a thousand whole units.
const VALUE_MAX: u64 = 1_000;
/// The month of all events, August 2026, has so many seconds.
const MONTH_SECONDS: u64 = 31 * 86_400;
/// Its first second, since 1970.
const MONTH_STARTS_AT: u64 = 1_785_542_400;
/// Written at once.
const BUFFER_BYTES: usize = 1 << 18;
/// The longest line is shorter.
const LINE_BYTES: usize = 1 << 12;

/// A job.
#[derive(Debug, Clone)]
pub struct Job {
    shape: Shape,
    tiers: &'static [Tier],
}

/// What a line says.
#[derive(Debug, Clone)]
pub struct Event {
    /// The line where it stands first.
    pub first: u64,
    /// Number of the customer.
    pub customer: u32,
    /// Number of the meter.
    pub meter: u32,
    /// What the meter sums: whole units.
    pub value: u64,
    /// Its id, as a number.
    id: u128,
    /// What the fields that nobody reads are made of.
    rest: Draws,
}

impl Job {
    /// Fails if there is no such job.
    pub fn new(shape: Shape) -> Result<Job> {
        Ok(Job { tiers: shape.check()?, shape })
    }

    /// What decides it.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// The price's tiers, from the lowest.
    pub fn tiers(&self) -> &'static [Tier] {
        self.tiers
    }

    /// What a line says.
    ///
    /// # Panics
    /// If there is no such line.
    #[inline]
    pub fn event(&self, line: u64) -> Event {
        let Shape { seed, lines, customers, meters, .. } = self.shape;
        assert!(line < lines, "line {line} of {lines}");
        let first = self.first_of(line);
        let mut draws = Draws::new(seed, first);
        // The first draw of a stream is a bijection of its number: no two events share an id.
        let id = (u128::from(draws.next()) << 64) | u128::from(draws.next());
        Event {
            first,
            customer: draws.number(customers),
            meter: draws.number(meters),
            value: 1 + draws.below(VALUE_MAX),
            id,
            rest: draws,
        }
    }

    /// The line where a line's event stands first.
    #[inline]
    fn first_of(&self, mut line: u64) -> u64 {
        // Each repeat leads to an earlier line, and line 0 is none.
        while let Some(back) = self.repeats(line) {
            line -= back;
        }
        line
    }

    /// How many lines before this one the line stands that it repeats.
    #[inline]
    fn repeats(&self, line: u64) -> Option<u64> {
        let mut draws = Draws::new(!self.shape.seed, line);
        let repeats = line > 0 && draws.below(REPEATED) == 0;
        repeats.then(|| 1 + draws.below(line.min(REPEAT_LINES_MAX)))
    }

    /// Writes all lines, and returns what they come to.
    pub fn write(&self, out: &mut impl Write) -> io::Result<Answer> {
        let mut tally = Tally::default();
        let mut buffer = Vec::with_capacity(BUFFER_BYTES + LINE_BYTES);
        for line in 0..self.shape.lines {
            let event = self.event(line);
            if event.first == line {
                tally.add(&event);
            }
            self.write_line(&event, &mut buffer);
            if buffer.len() >= BUFFER_BYTES {
                tally.bytes(buffer.len());
                out.write_all(&buffer)?;
                buffer.clear();
            }
        }
        tally.bytes(buffer.len());
        out.write_all(&buffer)?;
        Ok(tally.answer(self.shape.lines, self.tiers))
    }

    /// What the lines come to if each is sent as often as `times` says of it, with ids of their own each time: of a line and its repeats, the
    /// one that was sent most often says how many events they are.
    pub fn answer_of(&self, times: impl Fn(u64) -> u64) -> Answer {
        let lines = self.shape.lines;
        // A line is an index: all of them were in memory.
        let mut events_of = vec![0; usize::try_from(lines).unwrap_or(0)];
        let (mut tally, mut sent) = (Tally::default(), 0);
        for line in 0..lines {
            let first = usize::try_from(self.first_of(line)).unwrap_or(0);
            events_of[first] = times(line).max(events_of[first]);
            sent += times(line);
        }
        for (line, events) in (0..).zip(events_of).filter(|(_, events)| *events > 0) {
            tally.add_times(&self.event(line), events);
        }
        tally.answer(sent, self.tiers)
    }
}
