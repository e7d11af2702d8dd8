//! `schedule`: time of use. The local time at which an event happened chooses the price; each window is a bucket of its own.

use std::collections::BTreeSet;
use std::fmt;

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;

use super::{CellIdx, CellPart, Price};
use crate::time::Instant;

/// A price per local time window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// Whose wall clocks decide.
    pub zone: TimeZone,
    /// Dates that count as holidays and no longer as their weekday.
    pub holidays: BTreeSet<Date>,
    /// The windows; the first one that is open at an instant counts.
    windows: Vec<Window>,
    /// Price of all other times; `None`: they are unpriced.
    otherwise: Option<Box<Price>>,
    /// Number of the first cell of each window, then of `otherwise`, then of what would follow.
    first_cells: Vec<u32>,
}

/// A window of local time, half-open. One that ends before it begins wraps over midnight and belongs to the day on which it began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// On which days.
    pub days: Days,
    /// Minute of the day at which it opens.
    pub from: u16,
    /// Minute of the day at which it closes, at most 1440. Equal to `from`: the whole day.
    pub to: u16,
    /// Its price; no schedule.
    pub price: Price,
}

/// Weekdays and holidays, or every day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Days(u8);

impl Days {
    /// Every day, holidays too.
    pub const EVERY: Days = Days(u8::MAX);
    /// Names in catalogs, in order.
    pub const NAMES: [&'static str; 8] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun", "holiday"];

    /// None yet.
    pub const fn none() -> Days {
        Days(0)
    }

    /// With one more, by its position in [`Days::NAMES`].
    #[must_use]
    pub const fn with(self, position: u32) -> Days {
        Days(self.0 | 1_u8.wrapping_shl(position))
    }

    /// Whether a kind of day is among them, by its position in [`Days::NAMES`].
    pub const fn has(self, position: u32) -> bool {
        self.0 & 1_u8.wrapping_shl(position) != 0
    }
}

/// Minutes of a day.
const DAY: u16 = 1440;

impl Window {
    fn is_open(&self, today: u32, yesterday: u32, minute: u16) -> bool {
        if self.from == self.to {
            return self.days.has(today);
        }
        if self.from < self.to {
            return self.from <= minute && minute < self.to && self.days.has(today);
        }
        (minute >= self.from && self.days.has(today)) || (minute < self.to && self.days.has(yesterday))
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.days != Days::EVERY {
            let names = (0_u32..).zip(Days::NAMES).filter(|(position, _)| self.days.has(*position));
            let names: Vec<&str> = names.map(|(_, name)| name).collect();
            write!(f, "{} ", names.join(","))?;
        }
        let (from, to) = if self.from == self.to { (0, DAY) } else { (self.from, self.to) };
        let clock = |minute: u16| (minute.div_euclid(60), minute.rem_euclid(60));
        let ((from_hour, from_minute), (to_hour, to_minute)) = (clock(from), clock(to));
        write!(f, "{from_hour:02}:{from_minute:02}-{to_hour:02}:{to_minute:02}")
    }
}

impl Schedule {
    /// Builds a schedule. `None` if a price in it is a schedule itself.
    pub fn new(
        zone: TimeZone,
        holidays: BTreeSet<Date>,
        windows: Vec<Window>,
        otherwise: Option<Price>,
    ) -> Option<Schedule> {
        let prices = || windows.iter().map(|window| &window.price).chain(&otherwise);
        if prices().any(Price::has_schedule) {
            return None;
        }
        let mut first_cells = vec![0_u32];
        let mut next = 0_u32;
        for price in prices() {
            next = next.checked_add(price.cells())?;
            first_cells.push(next);
        }
        Some(Schedule { zone, holidays, windows, otherwise: otherwise.map(Box::new), first_cells })
    }

    /// The windows, in the catalog's order.
    pub fn windows(&self) -> &[Window] {
        &self.windows
    }

    /// The price of all other times.
    pub fn otherwise(&self) -> Option<&Price> {
        self.otherwise.as_deref()
    }

    /// The first window that is open at a minute of a day. `today` and the day before it are kinds of day, by their
    /// positions in [`Days::NAMES`].
    pub fn open_window(&self, today: u32, yesterday: u32, minute: u16) -> Option<usize> {
        self.windows.iter().position(|window| window.is_open(today, yesterday, minute))
    }

    /// The window that is open at an instant.
    pub fn window_at(&self, at: Instant) -> Option<usize> {
        let local = self.zone.to_datetime(at.to_timestamp());
        // Hours and minutes of a civil time are 0..24 and 0..60.
        let part = |value: i8| u16::try_from(value).unwrap_or(0);
        let minute = part(local.hour()).saturating_mul(60).saturating_add(part(local.minute()));
        let date = local.date();
        // Before the first day of jiff's years there is none; no event is that old.
        self.open_window(self.kind(date), self.kind(date.yesterday().unwrap_or(date)), minute)
    }

    /// The kind of a date, by its position in [`Days::NAMES`].
    fn kind(&self, date: Date) -> u32 {
        match date.weekday() {
            _ if self.holidays.contains(&date) => 7,
            Weekday::Monday => 0,
            Weekday::Tuesday => 1,
            Weekday::Wednesday => 2,
            Weekday::Thursday => 3,
            Weekday::Friday => 4,
            Weekday::Saturday => 5,
            Weekday::Sunday => 6,
        }
    }

    pub(super) fn cell<'v>(&self, value_of: &dyn Fn(u16) -> Option<&'v str>, at: Instant) -> Option<CellIdx> {
        let position = self.window_at(at).unwrap_or(self.windows.len());
        let below = self.child(position)?.cell(value_of, at)?;
        Some(CellIdx(self.first_cells.get(position)?.checked_add(below.0)?))
    }

    pub(super) fn price(&self, cell: CellIdx) -> Option<(&Price, CellIdx)> {
        let position = self.position(cell)?;
        let below = cell.0.checked_sub(*self.first_cells.get(position)?)?;
        Some((self.child(position)?, CellIdx(below)))
    }

    pub(super) fn part(&self, cell: CellIdx) -> Vec<CellPart> {
        let window = self.position(cell).and_then(|position| self.windows.get(position));
        vec![CellPart::Window(window.map(ToString::to_string))]
    }

    pub(super) fn with_slots(&self, renumber: &dyn Fn(u16) -> u16) -> Schedule {
        let mut schedule = self.clone();
        let prices = schedule.windows.iter_mut().map(|window| &mut window.price);
        prices.chain(schedule.otherwise.as_deref_mut()).for_each(|price| *price = price.with_slots(renumber));
        schedule
    }

    pub(super) fn cells_below(&self) -> u32 {
        self.first_cells.last().copied().unwrap_or(0)
    }

    pub(super) fn children(&self) -> impl Iterator<Item = &Price> {
        self.windows.iter().map(|window| &window.price).chain(self.otherwise.as_deref())
    }

    fn position(&self, cell: CellIdx) -> Option<usize> {
        self.first_cells.partition_point(|first| *first <= cell.0).checked_sub(1)
    }

    fn child(&self, position: usize) -> Option<&Price> {
        let otherwise = self.otherwise.as_deref().filter(|_| position == self.windows.len());
        self.windows.get(position).map(|window| &window.price).or(otherwise)
    }
}
