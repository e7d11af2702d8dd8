//! Runs that are no part of any generation, and how they become one.
#![expect(clippy::arithmetic_side_effects, reason = "counts of what is in memory")]

use super::{Disk, KeptSection, bytes};
use crate::identities::error::IdentitiesError;
use crate::identities::run::{self, Run, RunWriter, Section};

impl Disk {
    /// Begins a run that is no part of any generation.
    pub fn begin_apart(&mut self) -> Result<RunWriter, IdentitiesError> {
        let (number, shape) = (self.number_run()?, self.shape());
        RunWriter::create(self.store.as_mut(), number, shape)
    }

    /// A run that is no part of any generation is not needed any more.
    pub fn give_up(&mut self, run: u64) -> Result<(), IdentitiesError> {
        run::delete(run, self.store.as_mut())
    }

    /// A section of a run that was no part of any generation becomes one of the current generation.
    pub fn adopt(&mut self, run: u64, section: &KeptSection) -> Result<(), IdentitiesError> {
        let read = Section::read(self.store.as_ref(), run, section.place)?;
        let runs_before = self.runs().count();
        if let Some(current) = self.generations.last_mut() {
            current.len += u64::from(section.place.len);
            if !current.has(run) {
                current.runs.push(Run::begun(run, 0));
                self.used.runs_max = self.used.runs_max.max(bytes(runs_before + 1));
            }
        }
        self.put(run, section.range, read);
        Ok(())
    }
}
