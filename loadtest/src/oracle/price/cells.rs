//! Matrix and schedule: which of several prices an event has.
//!
//! Owns: the choice of a leaf and its number, depth first in the order of the catalog, `otherwise` last. Does not own:
//! the leaf's price. Local wall-clock time decides about windows: the repeated hour of a clock change matches twice,
//! the skipped one never.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use jiff::Timestamp;
use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;

use super::Price;

/// A price per combination of dimension values.
#[derive(Debug, Clone, PartialEq)]
pub(in super::super) struct Matrix {
    pub(in super::super) cells: Vec<(BTreeMap<String, String>, Price)>,
    pub(in super::super) otherwise: Option<Box<Price>>,
}

/// A price per local time.
#[derive(Debug, Clone, PartialEq)]
pub(in super::super) struct Schedule {
    pub(in super::super) zone: TimeZone,
    pub(in super::super) holidays: BTreeSet<Date>,
    pub(in super::super) windows: Vec<(Window, Price)>,
    pub(in super::super) otherwise: Option<Box<Price>>,
}

/// When a window is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Window {
    /// `None`: every day.
    pub(in super::super) days: Option<Vec<Day>>,
    /// Minutes of the day, from 0 to 1440.
    pub(in super::super) from: i64,
    /// Likewise; half-open, and over midnight if it is before `from`.
    pub(in super::super) to: i64,
}

/// What a window's `days` name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Day {
    Weekday(Weekday),
    Holiday,
}

/// What decides about a cell.
pub(in super::super) struct Choice<'c, 'e> {
    /// The value of a dimension of the meter; `None` if the event has none.
    pub(in super::super) dimension: &'c dyn Fn(&str) -> Option<&'e str>,
    pub(in super::super) time_micros: i64,
}

impl Price {
    /// Its leaves in the order of their numbers.
    pub(in super::super) fn leaves(&self) -> Vec<&Price> {
        self.cells().map_or_else(|| vec![self], |cells| cells.into_iter().flat_map(Price::leaves).collect())
    }

    /// The prices of a matrix or a schedule, `otherwise` last.
    fn cells(&self) -> Option<Vec<&Price>> {
        match self {
            Price::Matrix(matrix) => {
                let cells = matrix.cells.iter().map(|(_, price)| price);
                Some(cells.chain(matrix.otherwise.as_deref()).collect())
            }
            Price::Schedule(schedule) => {
                let windows = schedule.windows.iter().map(|(_, price)| price);
                Some(windows.chain(schedule.otherwise.as_deref()).collect())
            }
            _ => None,
        }
    }

    /// Whether its leaves are cells or windows.
    pub(in super::super) fn has_cells(&self) -> bool {
        matches!(self, Price::Matrix(_) | Price::Schedule(_))
    }

    /// The number of the event's leaf; `None` if no cell has it.
    pub(in super::super) fn leaf_of(&self, choice: &Choice<'_, '_>) -> Result<Option<usize>> {
        let Some(cells) = self.cells() else { return Ok(Some(0)) };
        let position = match self {
            Price::Matrix(matrix) => matrix.position(choice),
            Price::Schedule(schedule) => schedule.position(choice.time_micros)?,
            _ => None,
        };
        let Some(position) = position else { return Ok(None) };
        let inner = cells[position].leaf_of(choice)?;
        let before: usize = cells[..position].iter().map(|cell| cell.leaves().len()).sum();
        Ok(inner.map(|inner| before + inner))
    }

    /// What makes leaves comparable between two prices: the conditions without the prices.
    pub(in super::super) fn shape(&self) -> String {
        let inner = |cells: Option<Vec<&Price>>| -> Vec<String> {
            cells.unwrap_or_default().into_iter().map(Price::shape).collect()
        };
        match self {
            Price::Matrix(matrix) => {
                let whens: Vec<_> = matrix.cells.iter().map(|(when, _)| when).collect();
                format!("{whens:?} {:?}", inner(self.cells()))
            }
            Price::Schedule(schedule) => {
                let windows: Vec<_> = schedule.windows.iter().map(|(window, _)| window).collect();
                format!("{:?} {:?} {windows:?} {:?}", schedule.zone, schedule.holidays, inner(self.cells()))
            }
            _ => String::new(),
        }
    }
}

impl Matrix {
    fn position(&self, choice: &Choice<'_, '_>) -> Option<usize> {
        let fits = |when: &BTreeMap<String, String>| {
            when.iter().all(|(name, value)| (choice.dimension)(name) == Some(value.as_str()))
        };
        let found = self.cells.iter().position(|(when, _)| fits(when));
        found.or_else(|| self.otherwise.as_ref().map(|_| self.cells.len()))
    }
}

impl Schedule {
    fn position(&self, time_micros: i64) -> Result<Option<usize>> {
        let local = self.zone.to_datetime(Timestamp::from_microsecond(time_micros)?);
        let today = local.date();
        let yesterday = today.yesterday()?;
        let minute = i64::from(local.hour()) * 60 + i64::from(local.minute());
        let is_open = |window: &Window| {
            let began = |date: Date| window.days.as_ref().is_none_or(|days| days.contains(&self.day(date)));
            match window.from.cmp(&window.to) {
                Ordering::Equal => began(today),
                Ordering::Less => began(today) && window.from <= minute && minute < window.to,
                Ordering::Greater => {
                    (began(today) && window.from <= minute) || (began(yesterday) && minute < window.to)
                }
            }
        };
        let found = self.windows.iter().position(|(window, _)| is_open(window));
        Ok(found.or_else(|| self.otherwise.as_ref().map(|_| self.windows.len())))
    }

    /// A holiday is no longer its weekday.
    fn day(&self, date: Date) -> Day {
        if self.holidays.contains(&date) { Day::Holiday } else { Day::Weekday(date.weekday()) }
    }
}
