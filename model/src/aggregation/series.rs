//! Series: events in order over all of a customer's time, for quantities to which events before a bucket's own contribute.
//!
//! A weighted sum is a level that lasts; a counter's reading is a difference to the reading before. Both are functions of
//! the set of events; [`Series::effect`] says what one more event changes without looking at all of them.

use std::collections::BTreeSet;
use std::ops::Bound;

use super::OrderedEvent;
use crate::number::{Overflow, Quantity};
use crate::time::{Instant, Period};

/// A level that lasts, times its duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct WeightedSum {
    /// What a value is.
    pub values: LevelValues,
    /// The duration that makes one: an hour for GB-hours.
    pub per_micros: i64,
    /// Whether the level outlasts its bucket.
    pub carry: Carry,
}

/// What a weighted sum's value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LevelValues {
    /// A change of the level.
    Delta,
    /// The level from then on.
    Level,
}

/// How long a level lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Carry {
    /// Over period ends and plan changes.
    #[default]
    Over,
    /// To the end of its bucket.
    Bucket,
}

/// A counter's readings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Readings {
    /// What a reading below the one before means.
    pub decrease: Decrease,
}

/// What a reading below the one before means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Decrease {
    /// Nothing was used.
    Nothing,
    /// The counter began again at zero.
    Reset,
    /// The counter went through this value, which reads as zero.
    Wrap(Quantity),
}

impl Readings {
    /// Usage between two readings.
    pub fn usage(&self, before: Quantity, reading: Quantity) -> Result<Quantity, Overflow> {
        if reading >= before {
            return reading.checked_sub(before);
        }
        match self.decrease {
            Decrease::Nothing => Ok(Quantity::ZERO),
            Decrease::Reset => Ok(reading),
            Decrease::Wrap(at) => reading.checked_add(at)?.checked_sub(before),
        }
    }
}

/// A level that changes by `by` on `from .. until`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LevelChange {
    /// From when.
    pub from: Instant,
    /// Until when; `None`: for good.
    pub until: Option<Instant>,
    /// By how much.
    pub by: Quantity,
}

impl LevelChange {
    /// What it adds to the level x time of `active`.
    pub fn weighted(&self, active: &Period) -> Result<Quantity, Overflow> {
        let start = self.from.max(active.start);
        let end = self.until.map_or(active.end, |until| until.min(active.end));
        weighted(self.by, end.micros().saturating_sub(start.micros()).max(0))
    }

    /// What it adds to the level x time that `active` would have without events of its own.
    pub fn weighted_opening(&self, active: &Period) -> Result<Quantity, Overflow> {
        let opens = self.from < active.start && self.until.is_none_or(|until| until >= active.start);
        if opens {
            weighted(self.by, active.end.micros().saturating_sub(active.start.micros()))
        } else {
            Ok(Quantity::ZERO)
        }
    }
}

fn weighted(level: Quantity, micros: i64) -> Result<Quantity, Overflow> {
    let product = level.scaled().checked_mul(i128::from(micros)).ok_or(Overflow)?;
    Quantity::ZERO.checked_add(Quantity::from_scaled(product))
}

/// What one more event does to a series.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Effect {
    /// The change of a level.
    pub level: Option<LevelChange>,
    /// Changes of usage, each at its reading's instant.
    pub usage: Vec<(Instant, Quantity)>,
    /// Estimated readings that a real one replaces.
    replaced: Vec<OrderedEvent>,
    /// Whether the event is an estimate that a later real reading has replaced already.
    ignored: bool,
}

/// Events in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Series {
    events: BTreeSet<OrderedEvent>,
}

impl Series {
    /// From events as [`Series::iter`] gave them.
    pub fn from_events(events: Vec<OrderedEvent>) -> Series {
        Series { events: events.into_iter().collect() }
    }

    /// The events that count, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &OrderedEvent> {
        self.events.iter()
    }

    /// Enters an event whose effect has been taken into account.
    pub fn insert(&mut self, event: OrderedEvent, effect: &Effect) {
        for replaced in &effect.replaced {
            self.events.remove(replaced);
        }
        if !effect.ignored {
            self.events.insert(event);
        }
    }

    /// What a level event would change.
    pub fn level_effect(&self, values: LevelValues, event: &OrderedEvent) -> Result<Effect, Overflow> {
        let level = match values {
            LevelValues::Delta => LevelChange { from: event.time, until: None, by: event.value },
            LevelValues::Level => {
                let before = self.before(event).map_or(Quantity::ZERO, |before| before.value);
                let until = self.after(event).map(|next| next.time);
                LevelChange { from: event.time, until, by: event.value.checked_sub(before)? }
            }
        };
        Ok(Effect { level: Some(level), ..Effect::default() })
    }

    /// What a reading would change.
    pub fn reading_effect(&self, readings: &Readings, event: &OrderedEvent) -> Result<Effect, Overflow> {
        let mut effect = Effect::default();
        let mut later = self.events.range((Bound::Excluded(event), Bound::Unbounded));
        if event.estimated && later.any(|other| !other.estimated) {
            effect.ignored = true;
            return Ok(effect);
        }
        // A real reading replaces the estimates right before it.
        let mut before = None;
        for earlier in self.events.range(..event).rev() {
            if event.estimated || !earlier.estimated {
                before = Some(earlier);
                break;
            }
            effect.replaced.push(earlier.clone());
        }
        let next = self.after(event);
        let gap = |from: Option<&OrderedEvent>, to: &OrderedEvent| {
            from.map_or(Ok(Quantity::ZERO), |from| readings.usage(from.value, to.value))
        };
        let mut add = |at: Instant, by: Quantity| {
            if by != Quantity::ZERO {
                effect.usage.push((at, by));
            }
        };
        // The old gaps go: into each replaced estimate, and into the next reading.
        let mut chain: Vec<&OrderedEvent> = before.into_iter().collect();
        chain.extend(self.events.range((before.map_or(Bound::Unbounded, Bound::Excluded), Bound::Excluded(event))));
        chain.extend(next);
        for (i, to) in chain.iter().enumerate() {
            if before.is_some() && i == 0 {
                continue;
            }
            let from = i.checked_sub(1).and_then(|i| chain.get(i).copied());
            add(to.time, Quantity::ZERO.checked_sub(gap(from, to)?)?);
        }
        add(event.time, gap(before, event)?);
        if let Some(next) = next {
            add(next.time, gap(Some(event), next)?);
        }
        Ok(effect)
    }

    /// Level x time of `active`, and what it would be without events inside: the opening level's.
    pub fn weighted(&self, values: LevelValues, active: &Period) -> Result<(Quantity, Quantity), Overflow> {
        let mut level = Quantity::ZERO;
        let mut events = self.events.iter().take_while(|event| event.time < active.end).peekable();
        while let Some(event) = events.next_if(|event| event.time < active.start) {
            level = level_after(values, level, event)?;
        }
        let duration = |from: Instant, to: Instant| to.micros().saturating_sub(from.micros());
        let opening = weighted(level, duration(active.start, active.end))?;
        let (mut sum, mut since) = (Quantity::ZERO, active.start);
        for event in events {
            sum = sum.checked_add(weighted(level, duration(since, event.time))?)?;
            level = level_after(values, level, event)?;
            since = event.time;
        }
        Ok((sum.checked_add(weighted(level, duration(since, active.end))?)?, opening))
    }

    /// The level before an instant.
    pub fn level_before(&self, values: LevelValues, at: Instant) -> Result<Quantity, Overflow> {
        let before = self.events.iter().take_while(|event| event.time < at);
        before.into_iter().try_fold(Quantity::ZERO, |level, event| level_after(values, level, event))
    }

    /// Usage of the readings inside `active`.
    pub fn usage(&self, readings: &Readings, active: &Period) -> Result<Quantity, Overflow> {
        let mut sum = Quantity::ZERO;
        let mut before: Option<&OrderedEvent> = None;
        for event in self.events.iter().take_while(|event| event.time < active.end) {
            if let (Some(before), true) = (before, event.time >= active.start) {
                sum = sum.checked_add(readings.usage(before.value, event.value)?)?;
            }
            before = Some(event);
        }
        Ok(sum)
    }

    /// Takes in another part of the same series; `readings` tells whether estimates are replaced.
    pub fn merge(&mut self, other: &Series) {
        self.events.extend(other.events.iter().cloned());
        let last_real = self.events.iter().rev().find(|event| !event.estimated).cloned();
        if let Some(last_real) = last_real {
            self.events.retain(|event| !event.estimated || *event > last_real);
        }
    }

    fn before(&self, event: &OrderedEvent) -> Option<&OrderedEvent> {
        self.events.range(..event).next_back()
    }

    fn after(&self, event: &OrderedEvent) -> Option<&OrderedEvent> {
        self.events.range((Bound::Excluded(event), Bound::Unbounded)).next()
    }
}

fn level_after(values: LevelValues, level: Quantity, event: &OrderedEvent) -> Result<Quantity, Overflow> {
    match values {
        LevelValues::Delta => level.checked_add(event.value),
        LevelValues::Level => Ok(event.value),
    }
}

#[cfg(test)]
mod tests;
