//! Schedules: windows that never open, and times without a price.

use std::collections::BTreeSet;

use super::{Priced, Warner};
use crate::price::{Days, Price, Schedule};

/// Position of `holiday` in [`Days::NAMES`].
const HOLIDAY: u32 = 7;

pub(super) fn lint(priced: &Priced<'_>, warner: &Warner<'_>) {
    let Some((charge, _)) = priced.uses.first() else { return };
    for (version, mark) in charge.versions.iter().zip(priced.marks) {
        for schedule in schedules(&version.price) {
            let times = Times::of(schedule);
            for (window, _) in schedule.windows().iter().zip(&times.opens).filter(|(_, opens)| !**opens) {
                let only_holidays = window.days == Days::none().with(HOLIDAY) && schedule.holidays.is_empty();
                let (reason, fix) = if only_holidays {
                    ("`holidays` lists none", "list their dates, or delete the window")
                } else {
                    ("those before it are open whenever it would be", "put it first, or delete it")
                };
                warner.warn(mark, format!("window {window} never opens: {reason}"), fix);
            }
            if !schedule.holidays.is_empty() && schedule.windows().iter().all(|window| window.days == Days::EVERY) {
                let reason = "has holidays that change nothing: no window is limited to some days";
                warner.warn(mark, reason, "name the days of the windows, or leave out `holidays`");
            }
            if schedule.otherwise().is_none() {
                let fix = "add otherwise = { model = ... }, or ignore this if it is meant";
                if times.gap {
                    let reason = "has times outside all windows and no `otherwise`: usage at those is unpriced";
                    warner.warn(mark, reason, fix);
                } else if times.holiday_gap {
                    let reason =
                        "has no window for some times of its holidays and no `otherwise`: usage at those is unpriced";
                    warner.warn(mark, reason, fix);
                }
            }
        }
    }
}

/// The schedules in a price.
fn schedules(price: &Price) -> Vec<&Schedule> {
    match price {
        Price::Schedule(schedule) => vec![schedule],
        Price::Matrix(_) => price.children().into_iter().flat_map(schedules).collect(),
        _ => Vec::new(),
    }
}

/// What happens over all kinds of days.
struct Times {
    /// By window: whether it is the first open one at some time.
    opens: Vec<bool>,
    /// Whether no window is open at some time of an ordinary day after an ordinary day.
    gap: bool,
    /// Whether no window is open at some other time.
    holiday_gap: bool,
}

impl Times {
    fn of(schedule: &Schedule) -> Times {
        let windows = schedule.windows();
        let mut times = Times { opens: vec![false; windows.len()], gap: false, holiday_gap: false };
        // Between these minutes nothing changes.
        let minutes: BTreeSet<u16> =
            windows.iter().flat_map(|window| [window.from, window.to]).filter(|at| *at < 1440).chain([0]).collect();
        for (today, yesterday) in days(schedule) {
            for minute in &minutes {
                match schedule.open_window(today, yesterday, *minute) {
                    Some(position) => times.opens.iter_mut().skip(position).take(1).for_each(|opens| *opens = true),
                    None if today == HOLIDAY || yesterday == HOLIDAY => times.holiday_gap = true,
                    None => times.gap = true,
                }
            }
        }
        times
    }
}

/// Every kind of day with every kind that may come before it.
fn days(schedule: &Schedule) -> Vec<(u32, u32)> {
    let weekdays = 0..HOLIDAY;
    let mut days: Vec<(u32, u32)> =
        weekdays.clone().map(|today| (today, today.checked_sub(1).unwrap_or(HOLIDAY.saturating_sub(1)))).collect();
    if !schedule.holidays.is_empty() {
        days.extend(weekdays.clone().map(|today| (today, HOLIDAY)));
        days.extend(weekdays.chain([HOLIDAY]).map(|yesterday| (HOLIDAY, yesterday)));
    }
    days
}
