//! What a run comes to: latencies, counts, and both for each second.
//!
//! Owns: which body counts where. A body's latency belongs to the second in which it was meant to be sent, and counts if that lies in
//! the measured time, however late its answer came; its events belong to the second of its answer. All bodies, those of the warm-up included,
//! count in [`Counts`], which the audit is made of.

use std::time::Duration;

use hdrhistogram::{Counter, Histogram};
use tokio::time::Instant;

use super::client::{Delivered, Rejection, Tries, Undelivered};

/// Significant digits of a latency.
const LATENCY_DIGITS: u8 = 3;
/// So many rejections are kept.
const EXAMPLES_MAX: usize = 5;

/// The measured time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    pub(super) start: Instant,
    pub(super) end: Instant,
}

impl Window {
    /// The second in which an instant lies, if it is measured.
    fn second(self, instant: Instant) -> Option<usize> {
        let inside = (self.start..self.end).contains(&instant);
        inside.then(|| usize::try_from((instant - self.start).as_secs()).unwrap_or(usize::MAX))
    }

    /// Seconds, of which the last may be a part of one.
    fn seconds(self) -> usize {
        usize::try_from((self.end - self.start).as_nanos().div_ceil(1_000_000_000)).unwrap_or(usize::MAX)
    }
}

/// What the server said to all bodies that were sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Bodies that were acknowledged.
    pub bodies: u64,
    /// Events in them.
    pub events: u64,
    /// The answers' sums.
    pub accepted: u64,
    /// Includes those of bodies that were sent again because an answer was lost.
    pub duplicate: u64,
    /// There should be none.
    pub conflict: u64,
    /// There should be none.
    pub rejected: u64,
    /// Bodies whose accepted and duplicate are not all of their events.
    pub wrong_bodies: u64,
    /// Bodies that were sent again after their connection had broken: their events may come back as duplicates.
    pub repeated_bodies: u64,
    /// What tries came to before bodies were acknowledged.
    pub tries: Tries,
    /// The first rejections.
    pub rejections: Vec<Rejection>,
    /// Why bodies were not delivered; whether their events count is unknown.
    pub undelivered: Vec<String>,
}

/// One second.
#[derive(Debug, Clone)]
pub struct Second {
    /// Events that were acknowledged in it.
    pub events: u64,
    /// From when bodies were meant to be sent in it to their answers, in microseconds.
    pub latency: Histogram<u32>,
}

/// The records of one thread, or of all.
#[derive(Debug, Clone)]
pub(super) struct Recorder {
    pub(super) window: Window,
    pub(super) counts: Counts,
    pub(super) latency: Histogram<u64>,
    pub(super) service: Histogram<u64>,
    pub(super) seconds: Vec<Second>,
}

impl Recorder {
    pub(super) fn new(window: Window) -> Recorder {
        let second = Second { events: 0, latency: histogram() };
        Recorder {
            window,
            counts: Counts::default(),
            latency: histogram(),
            service: histogram(),
            seconds: vec![second; window.seconds()],
        }
    }

    /// Notes a body that was meant to be sent at `intended` and was acknowledged just now.
    pub(super) fn delivered(&mut self, events: u64, intended: Instant, delivered: Delivered) {
        let now = Instant::now();
        self.counts.add_body(events, &delivered);
        if let Some(second) = self.window.second(now) {
            self.seconds[second].events += events;
        }
        if let Some(second) = self.window.second(intended) {
            let latency = micros(now - intended);
            record(&mut self.latency, latency);
            record(&mut self.seconds[second].latency, latency);
            record(&mut self.service, micros(delivered.service));
        }
    }

    /// Adds another thread's.
    pub(super) fn merge(&mut self, other: Recorder) {
        self.counts.merge(other.counts);
        add(&mut self.latency, &other.latency);
        add(&mut self.service, &other.service);
        for (second, others) in self.seconds.iter_mut().zip(&other.seconds) {
            second.events += others.events;
            add(&mut second.latency, &others.latency);
        }
    }
}

impl Counts {
    /// Adds a body of so many events.
    pub fn add_body(&mut self, events: u64, delivered: &Delivered) {
        let answer = &delivered.answer;
        self.bodies += 1;
        self.events += events;
        self.accepted += answer.accepted;
        self.duplicate += answer.duplicate;
        self.conflict += answer.conflict;
        self.rejected += answer.rejected;
        self.wrong_bodies += u64::from(answer.accepted + answer.duplicate != events || answer.received != events);
        self.repeated_bodies += u64::from(delivered.tries.broken > 0);
        self.add_tries(delivered.tries);
        let room = EXAMPLES_MAX - self.rejections.len().min(EXAMPLES_MAX);
        self.rejections.extend(answer.rejections.iter().take(room).cloned());
    }

    fn add_tries(&mut self, tries: Tries) {
        self.tries.busy += tries.busy;
        self.tries.unavailable += tries.unavailable;
        self.tries.unconnected += tries.unconnected;
        self.tries.broken += tries.broken;
    }

    /// Notes a body that was not delivered.
    pub(super) fn add_undelivered(&mut self, reason: &Undelivered) {
        self.undelivered.push(reason.to_string());
        if let Undelivered::GivenUp { tries, .. } = reason {
            self.add_tries(*tries);
        }
    }

    /// Adds those of another run against the same server.
    pub fn merge(&mut self, other: Counts) {
        self.bodies += other.bodies;
        self.events += other.events;
        self.accepted += other.accepted;
        self.duplicate += other.duplicate;
        self.conflict += other.conflict;
        self.rejected += other.rejected;
        self.wrong_bodies += other.wrong_bodies;
        self.repeated_bodies += other.repeated_bodies;
        self.add_tries(other.tries);
        self.rejections.extend(other.rejections);
        self.rejections.truncate(EXAMPLES_MAX);
        self.undelivered.extend(other.undelivered);
    }
}

fn histogram<C: Counter>() -> Histogram<C> {
    // It grows with what it records; the digits are among those that there are.
    Histogram::new(LATENCY_DIGITS).unwrap_or_else(|_| unreachable!("{LATENCY_DIGITS} digits"))
}

fn record<C: Counter>(histogram: &mut Histogram<C>, value: u64) {
    // One that grows takes every value that a clock can show.
    let recorded = histogram.record(value);
    debug_assert!(recorded.is_ok());
}

fn add<C: Counter>(to: &mut Histogram<C>, from: &Histogram<C>) {
    // One that grows takes every value.
    let added = to.add(from);
    debug_assert!(added.is_ok());
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
