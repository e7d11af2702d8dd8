//! What all threads of the server must know of each other: is it ready, draining, failed, nearly full; and what it counts.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};

use weir_model::event::Chunk;
use weir_model::rated::ShardOutput;
use weir_model::time::Instant;

use super::message::Counts;

/// Upper bounds of the buckets of latency histograms, in microseconds.
pub const LATENCY_BOUNDS_US: [u64; 16] = [
    100, 200, 400, 800, 1_600, 3_200, 6_400, 12_500, 25_000, 50_000, 100_000, 200_000, 400_000, 800_000, 1_600_000,
    5_000_000,
];

/// How far the server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Phase {
    /// Reading snapshot and log.
    Starting = 0,
    /// Serving.
    Ready = 1,
    /// Finishing what is under way.
    Draining = 2,
}

/// A latency histogram.
#[derive(Debug, Default)]
pub struct Latencies {
    counts: [AtomicU64; LATENCY_BOUNDS_US.len() + 1],
    sum_us: AtomicU64,
}

impl Latencies {
    /// Counts one.
    pub fn record(&self, us: u64) {
        let bucket = LATENCY_BOUNDS_US.partition_point(|bound| *bound < us);
        self.counts[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum_us.fetch_add(us, Ordering::Relaxed);
    }

    /// Counts by bucket, the last one without a bound, and the sum of all in microseconds.
    pub fn read(&self) -> (Vec<u64>, u64) {
        let counts = self.counts.iter().map(|count| count.load(Ordering::Relaxed)).collect();
        (counts, self.sum_us.load(Ordering::Relaxed))
    }
}

/// The server's state as its threads see it.
#[derive(Debug, Default)]
pub struct Status {
    phase: AtomicU8,
    failed: AtomicBool,
    nearly_full: AtomicBool,
    /// Everything below this offset of the log is durable.
    pub durable_offset: AtomicU64,
    /// Everything below this offset is applied.
    pub applied_offset: AtomicU64,
    /// Everything below this offset is archived.
    pub archived_offset: AtomicU64,
    /// The offset that the newest snapshot begins at.
    pub snapshot_offset: AtomicU64,
    /// Identities within the window.
    pub identities: AtomicU64,
    /// Connections that are open.
    pub connections: AtomicU64,
    /// How long syncs of the log take.
    pub syncs: Latencies,
    /// From the request's first byte to its answer.
    pub requests: Latencies,
    /// L3: events received, accepted, duplicates, conflicts, rejected since the process began.
    pub events: [AtomicU64; 5],
    /// Answers by hundred of their code.
    pub answers: [AtomicU64; 6],
}

impl Status {
    /// How far the server is.
    pub fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Acquire) {
            0 => Phase::Starting,
            1 => Phase::Ready,
            _ => Phase::Draining,
        }
    }

    /// Sets how far the server is.
    pub fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Release);
    }

    /// Whether log or engine have failed: nothing is acknowledged any more.
    pub fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    /// Log or engine have failed; told once.
    pub fn fail(&self, error: &anyhow::Error) {
        if !self.failed.swap(true, Ordering::AcqRel) {
            tracing::error!(
                error = format!("{error:#}"),
                "nothing is taken any more until the server is started again"
            );
        }
    }

    /// Whether the disk is nearly full.
    pub fn is_nearly_full(&self) -> bool {
        self.nearly_full.load(Ordering::Acquire)
    }

    /// Sets whether the disk is nearly full.
    pub fn set_nearly_full(&self, nearly_full: bool) {
        if self.nearly_full.load(Ordering::Relaxed) != nearly_full {
            self.nearly_full.store(nearly_full, Ordering::Release);
            if nearly_full {
                tracing::warn!("the disk is nearly full: events are refused until there is room");
            }
        }
    }

    /// Counts what became of a record's events (L3).
    pub fn count(&self, chunk: &Chunk, outputs: &[ShardOutput]) {
        let mut counts = Counts::default();
        outputs.iter().flat_map(|output| &output.verdicts).for_each(|verdict| counts.add(*verdict));
        let Counts { accepted, duplicate, conflict } = counts;
        let rejected = chunk.rejected.len() as u64;
        let received = accepted + duplicate + conflict + rejected;
        for (counter, more) in self.events.iter().zip([received, accepted, duplicate, conflict, rejected]) {
            counter.fetch_add(more, Ordering::Relaxed);
        }
    }

    /// Counts an answer to a request that brought events.
    pub fn answered(&self, status: u16) {
        if let Some(counter) = self.answers.get(usize::from(status / 100)) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts a sync of the log.
    pub fn synced(&self, from: Instant, to: Instant) {
        self.syncs.record(u64::try_from(to.micros() - from.micros()).unwrap_or(0));
    }
}
