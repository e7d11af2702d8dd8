//! `schedule` as written: windows of local time.

use std::collections::BTreeSet;

use super::super::super::toml_reader::{Item, Table};
use super::super::{dates, optional, time_zone};
use super::read::{Place, Reader};
use super::source::{ScheduleSource, WindowSource};
use crate::price::Days;

const WINDOWS: &str = "[{ days = [\"mon\"], from = \"20:00\", to = \"06:00\", price = { ... } }]";
/// The end of a day, in minutes.
const MIDNIGHT: u16 = 1440;

impl Reader<'_> {
    /// The keys of a schedule that stands at `place`.
    pub(super) fn read_schedule(&self, table: &mut Table<'_>, place: Place) -> Option<ScheduleSource> {
        let inside = if place == Place::Whole { Place::Window } else { Place::Innermost };
        let zone = optional(table, "zone", time_zone);
        let holidays = table.optional("holidays").map_or(Some(BTreeSet::new()), |item| {
            let dates: Vec<_> = item.array("[\"2026-12-25\"]")?.iter().map(dates::date).collect();
            dates.into_iter().collect::<Option<BTreeSet<_>>>()
        });
        let otherwise = optional(table, "otherwise", |item| self.read_inner(item, inside).map(Box::new));
        let windows = table.required("windows", WINDOWS)?;
        let elements = windows.array(WINDOWS)?;
        let read: Vec<_> = elements.iter().map(|item| self.read_window(item, inside)).collect();
        if read.is_empty() {
            windows.error("has no window", "add one, or use another price model");
            return None;
        }
        Some(ScheduleSource {
            zone: zone?.unwrap_or_else(|| self.zone.clone()),
            holidays: holidays?,
            windows: read.into_iter().collect::<Option<Vec<_>>>()?,
            otherwise: otherwise?,
        })
    }

    fn read_window(&self, item: &Item<'_>, inside: Place) -> Option<WindowSource> {
        let mut table = item.table()?;
        let days = table.optional("days").map_or(Some(Days::EVERY), |item| read_days(&item));
        let from = table.optional("from");
        let opens = from.as_ref().map_or(Some(0), dates::time_of_day);
        let closes = table.optional("to").map_or(Some(MIDNIGHT), |item| dates::time_of_day(&item));
        let price = table.required("price", "{ model = \"unit\", unit_amount = \"0.01\" }");
        let price = price.and_then(|item| self.read_inner(&item, inside));
        table.finish();
        if let (Some(MIDNIGHT), Some(from)) = (opens, from) {
            from.error("a window cannot begin at the end of a day", "write \"00:00\"");
            return None;
        }
        Some(WindowSource { days: days?, from: opens?, to: closes?, price: price? })
    }
}

fn read_days(item: &Item<'_>) -> Option<Days> {
    let names: Vec<(&str, u32)> = Days::NAMES.into_iter().zip(0_u32..).collect();
    let elements = item.array("[\"mon\", \"holiday\"]")?;
    let read: Vec<Option<u32>> = elements.iter().map(|element| element.choice(&names)).collect();
    let positions = read.into_iter().collect::<Option<Vec<u32>>>()?;
    if positions.is_empty() {
        item.error("names no day, so that the window never opens", "leave it out for every day");
        return None;
    }
    Some(positions.into_iter().fold(Days::none(), Days::with))
}
