//! Several runs become one, a few records at a time, so that nobody waits for a whole merge.
//!
//! The runs stay where they are, and are probed, until the new one is complete.
#![expect(clippy::arithmetic_side_effects, reason = "counts of records in memory")]

use super::error::IdentitiesError;
use super::run::{self, Run, RunReader, RunWriter};
use super::store::RunStore;
use super::table::Entry;

/// A merge on its way.
#[derive(Debug)]
pub struct Merge {
    /// Numbers of the runs that it replaces.
    pub replaces: Vec<u64>,
    inputs: Vec<(Entry, RunReader)>,
    writer: RunWriter,
    level: u32,
    piece_bytes: usize,
    last: Option<Entry>,
}

/// How far a step came.
#[derive(Debug)]
pub enum Step {
    /// There is more to do.
    Going(Box<Merge>),
    /// The new run.
    Done(Run),
}

impl Merge {
    /// Begins to merge `runs` into run `number`.
    pub fn begin(
        store: &mut dyn RunStore,
        runs: &[&Run],
        number: u64,
        piece_bytes: usize,
    ) -> Result<Merge, IdentitiesError> {
        let mut inputs = Vec::with_capacity(runs.len());
        for run in runs {
            let mut reader = RunReader::open(store, run, piece_bytes)?;
            if let Some(head) = reader.next(store)? {
                inputs.push((head, reader));
            }
        }
        let len = runs.iter().map(|run| run.len).sum();
        let writer = RunWriter::create(store, number, len, piece_bytes)?;
        let level = runs.iter().map(|run| run.level).max().unwrap_or(0) + 1;
        let replaces = runs.iter().map(|run| run.number).collect();
        Ok(Merge { replaces, inputs, writer, level, piece_bytes, last: None })
    }

    /// Bytes that it holds in memory.
    pub fn bytes(&self) -> u64 {
        let pieces = self.inputs.len().saturating_mul(self.piece_bytes);
        self.writer.bytes() + u64::try_from(pieces).unwrap_or(u64::MAX)
    }

    /// Bytes that it writes in all.
    pub fn file_bytes(&self) -> u64 {
        self.writer.file_bytes()
    }

    /// Merges `records` more.
    pub fn step(mut self: Box<Self>, store: &mut dyn RunStore, records: u64) -> Result<Step, IdentitiesError> {
        for _ in 0..records {
            let Some(least) = (0..self.inputs.len()).min_by_key(|input| self.inputs.get(*input).map(|(head, _)| head))
            else {
                let Merge { writer, level, .. } = *self;
                return writer.finish(store, level).map(Step::Done);
            };
            let Some((head, reader)) = self.inputs.get_mut(least) else { unreachable!("an input that there is") };
            let slot = *head;
            match reader.next(store)? {
                Some(next) => *head = next,
                None => drop(self.inputs.swap_remove(least)),
            }
            // An identity is in one run only: otherwise two of its copies were new.
            assert!(
                self.last.is_none_or(|last| (last[0], last[1]) < (slot[0], slot[1])),
                "L2: runs are disjoint and sorted"
            );
            self.last = Some(slot);
            self.writer.push(store, slot)?;
        }
        Ok(Step::Going(self))
    }

    /// Gives up: the runs stay as they were.
    pub fn abandon(self, store: &mut dyn RunStore) -> Result<(), IdentitiesError> {
        run::delete(self.writer.number(), store)
    }
}
