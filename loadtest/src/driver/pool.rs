//! The bodies of a run, encoded beforehand, and which of their rounds were sent.
//!
//! Line i of job J is in body i / events-per-body. In each round a body's ids end in the number of the round, so that what 60 seconds at a
//! million events a second need fits in half a gigabyte, and what was sent is known by counting rounds. Times stay in the month of the job.

use anyhow::{Result, ensure};

use super::Form;
use super::form::Body;
use crate::job::{Job, Shape};

/// Events of a pool: 488 MB as lines, and 1.26 million pairs of customer and meter.
pub const POOL_EVENTS: u64 = 2_000_000;

/// What the bodies of a run are made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipe {
    /// Another seed, other events: a server that has seen a seed calls all of it duplicates.
    pub seed: u64,
    /// How bodies are encoded.
    pub form: Form,
    /// Events in each of them.
    pub events_per_body: u64,
    /// Events of the whole pool, at most.
    pub pool_events: u64,
}

/// Bodies, encoded.
#[derive(Debug)]
pub struct Pool {
    job: Job,
    recipe: Recipe,
    pub(super) bodies: Vec<Body>,
}

/// How many rounds of each body a server has acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rounds(pub(super) Vec<u64>);

impl Pool {
    /// Encodes all bodies.
    pub fn new(recipe: Recipe) -> Result<Pool> {
        let Recipe { seed, form, events_per_body, pool_events } = recipe;
        ensure!(events_per_body > 0, "a body has at least one event");
        let bodies = (pool_events / events_per_body).max(1);
        let job = Job::new(Shape { seed, lines: bodies * events_per_body, ..Shape::JOB_J })?;
        let encode = |body| form.encode(&job, body * events_per_body..(body + 1) * events_per_body);
        let bodies = (0..bodies).map(encode).collect::<Result<_>>()?;
        Ok(Pool { job, recipe, bodies })
    }

    /// What it was made of.
    pub fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    /// Bodies.
    pub fn len(&self) -> usize {
        self.bodies.len()
    }

    /// Never: a pool has at least one body.
    pub fn is_empty(&self) -> bool {
        self.bodies.is_empty()
    }

    /// The bytes of a body in a round.
    ///
    /// # Panics
    /// If there is no such body.
    pub fn body(&mut self, number: usize, round: u64) -> &[u8] {
        self.bodies[number].in_round(round)
    }

    /// What a server has acknowledged that has not seen any of it.
    pub fn nothing_sent(&self) -> Rounds {
        Rounds(vec![0; self.bodies.len()])
    }

    /// The job that the bodies are of; its catalog prices them.
    pub fn job(&self) -> &Job {
        &self.job
    }
}

impl Rounds {
    /// Notes that a body's next round was acknowledged.
    ///
    /// # Panics
    /// If there is no such body.
    pub fn acknowledge(&mut self, body: usize) {
        self.0[body] += 1;
    }

    /// Rounds of a body that were acknowledged, which is the number of the next.
    ///
    /// # Panics
    /// If there is no such body.
    pub fn of(&self, body: usize) -> u64 {
        self.0[body]
    }
}
