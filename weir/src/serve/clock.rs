//! What time it is: a parameter of everything that asks (design.md 4.8).

use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use weir_model::time::Instant;

/// A clock.
pub trait Clock: fmt::Debug + Send + Sync {
    /// The time now. It may go back.
    fn now(&self) -> Instant;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Instant {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Instant::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }
}

/// A clock that stands where it was set: for tests.
#[derive(Debug, Default)]
pub struct SetClock(AtomicI64);

impl SetClock {
    /// Standing at an instant.
    pub fn at(now: Instant) -> SetClock {
        SetClock(AtomicI64::new(now.micros()))
    }

    /// Sets it.
    pub fn set(&self, now: Instant) {
        self.0.store(now.micros(), Ordering::Release);
    }
}

impl Clock for SetClock {
    fn now(&self) -> Instant {
        Instant::from_micros(self.0.load(Ordering::Acquire))
    }
}
