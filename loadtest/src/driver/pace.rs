//! When bodies are sent: one after the other (closed loop), or at a rate whatever the server does (open loop).
//!
//! Owns: the times at which bodies are meant to be sent, and handing them out to connections. In an open loop latencies count
//! from these times, so that a server that stalls cannot hide the bodies that it kept from being sent (corrected for coordinated omission).

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::Instant;

/// Bodies that are due and unsent when a phase ends may still be sent for so long.
const DRAIN_MAX: Duration = Duration::from_secs(10);
const NANOS_PER_SECOND: u128 = 1_000_000_000;

/// How bodies follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// Each connection sends the next body when it has the answer to the one before.
    Closed,
    /// At a rate, evenly.
    Open {
        /// Of all connections together.
        events_per_s: u64,
    },
}

/// The times of an open loop.
#[derive(Debug, Clone, Copy)]
struct Schedule {
    events_per_body: u64,
    events_per_s: u64,
    /// Bodies whose time is before the end.
    bodies: u64,
}

impl Schedule {
    fn new(events_per_body: u64, events_per_s: u64, length: Duration) -> Schedule {
        let schedule = Schedule { events_per_body, events_per_s, bodies: u64::MAX };
        Schedule { bodies: schedule.due(length.saturating_sub(Duration::from_nanos(1))), ..schedule }
    }

    /// When a body is meant to be sent, since the start.
    fn time_of(&self, body: u64) -> Duration {
        let nanos =
            u128::from(body) * u128::from(self.events_per_body) * NANOS_PER_SECOND / u128::from(self.events_per_s);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// Bodies whose time has come.
    fn due(&self, elapsed: Duration) -> u64 {
        // The greatest n with n * events_per_body * 10^9 / events_per_s < elapsed + 1, rounded down as above.
        let reached = (elapsed.as_nanos() + 1) * u128::from(self.events_per_s);
        let step = u128::from(self.events_per_body) * NANOS_PER_SECOND;
        u64::try_from(reached.div_ceil(step)).unwrap_or(u64::MAX).min(self.bodies)
    }
}

/// Hands out times to connections, on any thread.
#[derive(Debug)]
pub(super) struct Pacer {
    start: Instant,
    end: Instant,
    schedule: Option<Schedule>,
    due: Semaphore,
    taken: AtomicU64,
    stopped: AtomicBool,
}

impl Pacer {
    /// From `start` to `end`.
    pub(super) fn new(pace: Pace, events_per_body: u64, start: Instant, end: Instant) -> Pacer {
        let schedule = match pace {
            Pace::Closed => None,
            Pace::Open { events_per_s } => Some(Schedule::new(events_per_body, events_per_s, end - start)),
        };
        let (taken, stopped) = (AtomicU64::new(0), AtomicBool::new(false));
        Pacer { start, end, schedule, due: Semaphore::new(0), taken, stopped }
    }

    /// When the next body is meant to be sent: now or earlier. `None` if there is no next body.
    pub(super) async fn next(&self) -> Option<Instant> {
        let Some(schedule) = &self.schedule else {
            let now = Instant::now();
            return (now < self.end && !self.stopped.load(Ordering::Relaxed)).then_some(now);
        };
        self.due.acquire().await.ok()?.forget();
        let body = self.taken.fetch_add(1, Ordering::Relaxed);
        let in_time = Instant::now() < self.end + DRAIN_MAX && !self.stopped.load(Ordering::Relaxed);
        (body < schedule.bodies && in_time).then(|| self.start + schedule.time_of(body))
    }

    /// Lets go of every body whose time has come; how long until the next, `None` when there is none.
    pub(super) fn release(&self, released: &mut u64) -> Option<Duration> {
        let schedule = self.schedule.as_ref()?;
        let elapsed = self.start.elapsed();
        let due = schedule.due(elapsed);
        // Fewer than a machine could send in years.
        self.due.add_permits(usize::try_from(due - *released).unwrap_or(0));
        *released = due;
        if due == schedule.bodies || self.stopped.load(Ordering::Relaxed) {
            // Whoever waits finds that there is no more.
            self.due.add_permits(Semaphore::MAX_PERMITS / 2);
            return None;
        }
        Some(schedule.time_of(due).saturating_sub(elapsed))
    }

    /// Bodies that were meant to be sent; `None` in a closed loop.
    pub(super) fn planned(&self) -> Option<u64> {
        self.schedule.map(|schedule| schedule.bodies)
    }

    /// No more bodies.
    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bodies_whose_time_is_before_the_end() {
        for (events_per_body, events_per_s, length_ms, bodies) in
            [(1, 1, 1_000, 1), (1, 1, 1_001, 2), (1_000, 1_000_000, 5, 5), (3, 1, 10_000, 4), (1_000, 1, 1, 1)]
        {
            let schedule = Schedule::new(events_per_body, events_per_s, Duration::from_millis(length_ms));
            assert_eq!(schedule.bodies, bodies, "{schedule:?}");
        }
    }

    proptest! {
        #[test]
        fn a_body_is_due_when_its_time_has_come(
            events_per_body in 1_u64..100_000,
            events_per_s in 1_u64..10_000_000,
            elapsed in 0_u64..100_000_000_000,
        ) {
            let schedule = Schedule { events_per_body, events_per_s, bodies: u64::MAX };
            let elapsed = Duration::from_nanos(elapsed);
            let due = schedule.due(elapsed);
            prop_assert!(schedule.time_of(due - 1) <= elapsed && elapsed < schedule.time_of(due));
        }
    }
}
