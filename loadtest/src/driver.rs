//! The load driver: sends events to `POST /v1/events` and measures what comes of it.
//!
//! Bodies are encoded beforehand ([`Pool`]) and sent over a fixed number of keep-alive connections by few threads, each with an event
//! loop of its own, because the driver shares the machine with what it measures. What is sent is a pure function of the seed, so the exact totals
//! of what was acknowledged are known ([`audit`]).
//!
//! Owns: what is sent when, retries, latencies, counts, the audit of answers, and a server that does nothing, as the ceiling. Does not own:
//! command lines, reports for people (`cargo xtask load`). Holds the server to L1 and L2 from outside: it asks again whenever an
//! answer is lost, and counts.

mod arrow;
mod audit;
pub mod ceiling;
mod client;
mod connection;
mod form;
mod lane;
mod pace;
mod pool;
mod process;
mod record;
pub mod report;
mod response;
mod server;

use std::cell::RefCell;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures_util::future::join_all;
use hdrhistogram::Histogram;
use tokio::runtime;
use tokio::time::Instant;

pub use audit::{Audit, audit};
pub use client::{Answer, BlockingClient, Client, Delivered, Rejection, Tries, Undelivered};
pub use form::{FORMS, Form};
pub use pace::Pace;
pub use pool::{POOL_EVENTS, Pool, Recipe, Rounds};
pub use process::Usage;
pub use record::{Counts, Second};
pub use response::Malformed;
pub use server::{Connect, Server};

use lane::Lane;
use pace::Pacer;
use process::Process;
use record::{Recorder, Window};

/// An open loop's next body is waited for at least so long: shorter waits would cost more than they tell.
const RELEASE_WAIT_MIN: Duration = Duration::from_micros(50);
/// And at most so long, because the run may be stopped.
const RELEASE_WAIT_MAX: Duration = Duration::from_millis(100);
const SAMPLE_INTERVAL: Duration = Duration::from_secs(1);

/// What to do with a pool of bodies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Load {
    /// Where events go.
    pub server: Server,
    /// Connections, at most as many as there are bodies.
    pub connections: usize,
    /// Threads that serve them.
    pub threads: usize,
    /// When bodies are sent.
    pub pace: Pace,
    /// So long nothing is measured; it counts in the audit.
    pub warmup: Duration,
    /// So long everything is.
    pub length: Duration,
    /// A body that is not acknowledged for so long ends the run.
    pub give_up_after: Duration,
    /// The server's process, to measure what it takes.
    pub pid: Option<u32>,
}

/// What a run came to.
#[derive(Debug, Clone)]
pub struct Measured {
    /// How long it was measured.
    pub length: Duration,
    /// Everything that was sent, the warm-up included.
    pub counts: Counts,
    /// From when bodies were meant to be sent to their answers, retries included, in microseconds.
    pub latency: Histogram<u64>,
    /// From a body's first byte out to its answer, the last try only, in microseconds.
    pub service: Histogram<u64>,
    /// The measured time, second by second.
    pub seconds: Vec<Second>,
    /// What both processes had taken at each second's begin and at the end.
    pub samples: Vec<Sample>,
    /// Bodies of an open loop that the server left no time for.
    pub unsent_bodies: u64,
}

/// What both processes have taken up to a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// The driver.
    pub driver: Usage,
    /// The server, if its process is known and there.
    pub server: Option<Usage>,
}

impl Load {
    /// Sends bodies of a pool, those after the rounds that this server has acknowledged before.
    pub fn run(&self, pool: &mut Pool, rounds: &mut Rounds) -> Result<Measured> {
        ensure!(self.threads > 0 && self.connections > 0, "there is at least one thread and one connection");
        ensure!(self.connections <= pool.len(), "{} connections share {} bodies", self.connections, pool.len());
        let start = Instant::now();
        let window = Window { start: start + self.warmup, end: start + self.warmup + self.length };
        let events_per_body = pool.recipe().events_per_body;
        let pacer = Pacer::new(self.pace, events_per_body, start, window.end);
        let form = pool.recipe().form;
        let lanes = self.lanes(pool, rounds);
        let mut recorder = Recorder::new(window);
        let samples = thread::scope(|scope| -> Result<Vec<Sample>> {
            let (done, finished) = channel();
            for share in shares(lanes, self.threads) {
                let (done, pacer) = (done.clone(), &pacer);
                scope.spawn(move || {
                    // The receiver stays until every thread has reported.
                    let _ = done.send(self.serve(share, form, pacer, window));
                });
            }
            drop(done);
            scope.spawn(|| release(&pacer));
            self.watch(&finished, &pacer, &mut recorder)
        })?;
        let unsent_bodies = pacer.planned().map_or(0, |planned| planned - recorder.counts.bodies.min(planned));
        let Recorder { counts, latency, service, seconds, .. } = recorder;
        Ok(Measured { length: self.length, counts, latency, service, seconds, samples, unsent_bodies })
    }

    /// Each connection's bodies.
    fn lanes<'a>(&self, pool: &'a mut Pool, rounds: &'a mut Rounds) -> Vec<Lane<'a>> {
        let events_per_body = pool.recipe().events_per_body;
        let (mut bodies, mut rounds) = (&mut pool.bodies[..], &mut rounds.0[..]);
        let mut lanes = Vec::new();
        for left in (1..=self.connections).rev() {
            let share = bodies.len() / left;
            let (lane_bodies, lane_rounds);
            (lane_bodies, bodies) = bodies.split_at_mut(share);
            (lane_rounds, rounds) = rounds.split_at_mut(share);
            lanes.push(Lane { bodies: lane_bodies, rounds: lane_rounds, events_per_body });
        }
        lanes
    }

    /// One thread: its connections' work to the end.
    fn serve(&self, lanes: Vec<Lane<'_>>, form: Form, pacer: &Pacer, window: Window) -> Result<Recorder> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build().context("an event loop")?;
        let recorder = RefCell::new(Recorder::new(window));
        runtime.block_on(async {
            let work = lanes
                .into_iter()
                .map(|lane| lane.run(Client::new(self.server.clone(), form), pacer, self.give_up_after, &recorder));
            join_all(work).await;
        });
        Ok(recorder.into_inner())
    }
}

impl Load {
    /// Collects what threads report, and looks at both processes every second of the measured time and at its end.
    fn watch(
        &self,
        finished: &Receiver<Result<Recorder>>,
        pacer: &Pacer,
        recorder: &mut Recorder,
    ) -> Result<Vec<Sample>> {
        let window = recorder.window;
        let mut samples = Vec::new();
        let mut next = Some(window.start);
        loop {
            let wait = next.map_or(Duration::MAX, |next| next.saturating_duration_since(Instant::now()));
            match finished.recv_timeout(wait) {
                Ok(part) => recorder.merge(part.inspect_err(|_| pacer.stop())?),
                Err(RecvTimeoutError::Timeout) => {
                    samples.push(self.sample()?);
                    next = next.filter(|at| *at < window.end).map(|at| window.end.min(at + SAMPLE_INTERVAL));
                }
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        if next.is_some() {
            samples.push(self.sample()?);
        }
        Ok(samples)
    }

    fn sample(&self) -> Result<Sample> {
        let server = self.pid.and_then(|pid| Process::Other(pid).usage().ok());
        Ok(Sample { driver: Process::This.usage()?, server })
    }
}

/// Connections dealt to threads.
fn shares(lanes: Vec<Lane<'_>>, threads: usize) -> Vec<Vec<Lane<'_>>> {
    let mut shares: Vec<Vec<Lane<'_>>> = (0..threads).map(|_| Vec::new()).collect();
    for (number, lane) in lanes.into_iter().enumerate() {
        shares[number % threads].push(lane);
    }
    shares
}

/// Lets bodies go when they are due. On a thread of its own: an event loop's timer has steps of a millisecond.
fn release(pacer: &Pacer) {
    let mut released = 0;
    while let Some(wait) = pacer.release(&mut released) {
        thread::sleep(wait.clamp(RELEASE_WAIT_MIN, RELEASE_WAIT_MAX));
    }
}
