//! Several runs become one, a few records at a time, so that nobody waits for a whole merge.
//!
//! Section by section: a section of the runs is probed until that of the new run is complete, which then takes its place.
#![expect(clippy::arithmetic_side_effects, reason = "counts of records in memory")]

use super::error::IdentitiesError;
use super::run::{Run, RunReader, RunWriter, Section, Shape};
use super::store::RunStore;
use super::table::Entry;

/// A merge on its way.
#[derive(Debug)]
pub struct Merge {
    readers: Vec<RunReader>,
    /// The least record of each section that is not used up, and its reader.
    heads: Vec<(Entry, usize)>,
    writer: RunWriter,
    /// The range whose sections are merged, of so many.
    range: usize,
    ranges: usize,
    is_begun: bool,
    last: Option<Entry>,
    piece_bytes: usize,
}

/// How far a step came.
#[derive(Debug)]
pub enum Step {
    /// There is more to do.
    Going(Box<Merge>),
    /// The sections of a range became this one, and there are ranges left.
    Section(Box<Merge>, usize, Section),
    /// The new run is complete.
    Done,
}

impl Merge {
    /// Begins to merge `runs` into run `number`.
    pub fn begin(store: &mut dyn RunStore, runs: &[u64], number: u64, shape: Shape) -> Result<Merge, IdentitiesError> {
        let mut readers = Vec::with_capacity(runs.len());
        for run in runs {
            readers.push(RunReader::open(store, *run, shape.piece_bytes)?);
        }
        let writer = RunWriter::create(store, number, shape)?;
        let heads = Vec::with_capacity(runs.len());
        Ok(Merge {
            readers,
            heads,
            writer,
            range: 0,
            ranges: 1 << shape.range_bits,
            is_begun: false,
            last: None,
            piece_bytes: shape.piece_bytes,
        })
    }

    /// Number of the new run.
    pub fn number(&self) -> u64 {
        self.writer.number()
    }

    /// Whether it replaces a run.
    pub fn replaces(&self, run: u64) -> bool {
        self.readers.iter().any(|reader| reader.number() == run)
    }

    /// Bytes that it holds in memory.
    pub fn bytes(&self) -> u64 {
        let pieces = self.readers.len().saturating_mul(self.piece_bytes);
        self.writer.bytes() + u64::try_from(pieces).unwrap_or(u64::MAX)
    }

    /// What was written of the new run so far is to outlive the process.
    pub fn sync(&mut self) -> Result<(), IdentitiesError> {
        self.writer.sync()
    }

    /// Merges up to `records` more, which it counts down, to the end of a section at the most.
    pub fn step(
        mut self: Box<Self>,
        store: &dyn RunStore,
        runs: &[Run],
        records: &mut usize,
    ) -> Result<Step, IdentitiesError> {
        if !self.is_begun && !self.begin_section(store, runs)? {
            return self.writer.finish().map(|()| Step::Done);
        }
        while *records > 0 {
            let Some(least) = (0..self.heads.len()).min_by_key(|head| self.heads.get(*head)) else {
                let section = self.writer.end_section()?;
                (self.is_begun, self.range) = (false, self.range + 1);
                let range = self.range - 1;
                return Ok(Step::Section(self, range, section));
            };
            *records -= 1;
            let Some((head, reader)) = self.heads.get_mut(least) else { unreachable!("a head that there is") };
            let entry = *head;
            let Some(reader) = self.readers.get_mut(*reader) else { unreachable!("every head has a reader") };
            match reader.next(store)? {
                Some(next) => *head = next,
                None => drop(self.heads.swap_remove(least)),
            }
            // An identity is in one run only: otherwise two of its copies were new.
            assert!(
                self.last.is_none_or(|last| (last[0], last[1]) < (entry[0], entry[1])),
                "L2: runs are disjoint and sorted"
            );
            self.last = Some(entry);
            self.writer.push(entry)?;
        }
        Ok(Step::Going(self))
    }

    /// Begins the next range that has sections; `false` if there is none.
    fn begin_section(&mut self, store: &dyn RunStore, runs: &[Run]) -> Result<bool, IdentitiesError> {
        while self.range < self.ranges {
            let mut len = 0;
            for (at, reader) in self.readers.iter_mut().enumerate() {
                let run = runs.iter().find(|run| run.number == reader.number());
                let Some(section) = run.and_then(|run| run.section(self.range)) else { continue };
                len += section.place.len;
                reader.begin(section);
                if let Some(head) = reader.next(store)? {
                    self.heads.push((head, at));
                }
            }
            if len > 0 {
                self.writer.begin_section(len);
                self.is_begun = true;
                return Ok(true);
            }
            self.range += 1;
        }
        Ok(false)
    }
}
