//! Runs of what the table holds: they are for whoever restores a snapshot, and nobody else reads them.
//!
//! Together they hold the oldest entries of each range, every run those behind the run before. What has come since the last one is written as a
//! further run, along with the last ones if they are no larger: so an identity is written a few times, and runs stay few. When a range is
//! spilled, whole, what these runs have of it counts no more. To write takes long, and may be done on another thread while the table goes on.
#![expect(clippy::arithmetic_side_effects, reason = "counts of identities in memory")]

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use super::disk::{Disk, Kept, KeptRun, KeptSection};
use super::error::IdentitiesError;
use super::run::RunWriter;
use super::table::{Entry, Table, identity};

/// Identities that are written again together with newer ones, at most: what is copied from the table at once.
const AGAIN_MAX: usize = 1 << 20;

/// The runs, in the order of what they hold.
#[derive(Debug, Default)]
pub struct Settled {
    runs: Vec<SettledRun>,
}

#[derive(Debug)]
struct SettledRun {
    number: u64,
    /// By range: how many of its first entries are in this run and those before.
    ends: Vec<u32>,
    sections: Sections,
}

/// Known as soon as the run is written.
type Sections = Arc<OnceLock<Vec<KeptSection>>>;

impl Settled {
    /// How many of a range's first entries are settled.
    fn end(&self, range: usize) -> u32 {
        self.end_before(self.runs.len(), range)
    }

    /// How many of a range's first entries are in the first `runs` runs.
    fn end_before(&self, runs: usize, range: usize) -> u32 {
        let last = runs.checked_sub(1).and_then(|last| self.runs.get(last));
        last.and_then(|run| run.ends.get(range)).copied().unwrap_or(0)
    }

    /// Copies the entries that only the table has, sorted within each range.
    pub fn copy_unsettled(&self, table: &Table, copied: &mut Copied) {
        copied.0.resize_with(table.ranges(), Vec::new);
        for (range, entries) in copied.0.iter_mut().enumerate() {
            entries.clear();
            table.entries_from(range, self.end(range), entries);
        }
    }

    /// How many there are.
    pub fn unsettled_len(&self, table: &Table) -> usize {
        (0..table.ranges()).map(|range| table.range_len(range) - crate::at(self.end(range))).sum()
    }

    /// Identities of a run that count.
    fn len(&self, run: usize) -> usize {
        let ends = self.runs.get(run).map(|run| run.ends.as_slice()).unwrap_or_default();
        ends.iter().enumerate().map(|(range, end)| crate::at(end - self.end_before(run, range))).sum()
    }

    /// Begins a run of everything that is in none, which it copies.
    pub fn begin(&mut self, table: &Table, disk: &mut Disk, copied: &mut Copied) -> Result<Unwritten, IdentitiesError> {
        let mut len = self.unsettled_len(table);
        while let Some(last) = self.runs.len().checked_sub(1) {
            let last_len = self.len(last);
            if last_len > len || last_len + len > AGAIN_MAX {
                break;
            }
            self.runs.pop().map_or(Ok(()), |run| disk.give_up(run.number))?;
            len += last_len;
        }
        self.copy_unsettled(table, copied);
        let writer = disk.begin_apart()?;
        let ends = (0..table.ranges()).map(|range| crate::next_index(table.range_len(range))).collect();
        let sections = Sections::default();
        self.runs.push(SettledRun { number: writer.number(), ends, sections: Arc::clone(&sections) });
        Ok(Unwritten { writer, sections })
    }

    /// What is in runs, as it is now.
    pub fn view(&self) -> Vec<SettledView> {
        let view = |(at, run): (usize, &SettledRun)| SettledView {
            number: run.number,
            ranges: (0..run.ends.len()).filter(|range| self.has(at, *range)).collect(),
            sections: Arc::clone(&run.sections),
        };
        self.runs.iter().enumerate().map(view).collect()
    }

    /// Whether a run has identities of a range that count.
    fn has(&self, run: usize, range: usize) -> bool {
        self.end_before(run + 1, range) > self.end_before(run, range)
    }

    /// A range is somewhere else, whole. Runs of which nothing counts any more are given up.
    pub fn forget(&mut self, range: usize, disk: &mut Disk) -> Result<(), IdentitiesError> {
        self.runs.iter_mut().filter_map(|run| run.ends.get_mut(range)).for_each(|end| *end = 0);
        for at in (0..self.runs.len()).rev() {
            if self.len(at) == 0 {
                disk.give_up(self.runs.remove(at).number)?;
            }
        }
        Ok(())
    }

    /// All of the table becomes a part of the current generation on disk, range by range; how many identities that were. What runs have of
    /// it is taken from them.
    pub fn spill(&mut self, table: &mut Table, disk: &mut Disk) -> Result<usize, IdentitiesError> {
        let len = table.len();
        let Settled { runs } = std::mem::take(self);
        // One that is still being written is given up, with those behind it.
        let (known, unknown): (Vec<_>, Vec<_>) = runs.into_iter().partition(|run| run.sections.get().is_some());
        for range in 0..table.ranges() {
            let mut end = 0;
            for run in &known {
                let ends = run.ends.get(range).copied().unwrap_or(0);
                let sections = run.sections.get().into_iter().flatten();
                if let Some(section) = sections.into_iter().find(|section| section.range == range && ends > end) {
                    disk.adopt(run.number, section)?;
                    end = ends;
                }
            }
            disk.spill(table, range, end)?;
        }
        known.iter().for_each(|run| disk.complete(run.number));
        unknown.iter().try_for_each(|run| disk.give_up(run.number))?;
        Ok(len)
    }
}

/// A run with what of it counted at some time.
#[derive(Debug)]
pub struct SettledView {
    number: u64,
    ranges: BTreeSet<usize>,
    sections: Sections,
}

/// A run that is to be written.
#[derive(Debug)]
pub struct Unwritten {
    writer: RunWriter,
    sections: Sections,
}

impl Unwritten {
    fn write(self, copied: &Copied) -> Result<(), IdentitiesError> {
        let Unwritten { mut writer, sections } = self;
        let mut written = Vec::new();
        for (range, entries) in copied.0.iter().enumerate().filter(|(_, entries)| !entries.is_empty()) {
            writer.begin_section(crate::next_index(entries.len()));
            entries.iter().try_for_each(|entry| writer.push(*entry))?;
            written.push(KeptSection { range, place: writer.end_section()?.place });
            writer.forget();
        }
        writer.sync()?;
        writer.forget();
        // Nobody else writes it.
        let _ = sections.set(written);
        Ok(())
    }
}

/// Entries copied from a table, by range; used again, because memory that was used a moment ago is faster than memory that never was.
#[derive(Debug, Default)]
pub struct Copied(Vec<Vec<Entry>>);

/// What brings identities back, once it is written.
#[derive(Debug)]
pub struct Settling {
    pub(super) kept: Kept,
    pub(super) settled: Vec<SettledView>,
    /// What goes into the run, or what is in none.
    pub(super) copied: Copied,
    pub(super) unwritten: Option<Unwritten>,
}

impl Settling {
    /// The numbers of all runs that it names.
    pub fn runs(&self) -> BTreeSet<u64> {
        let mut runs = self.kept.runs();
        runs.extend(self.settled.iter().map(|run| run.number));
        runs
    }

    /// Writes what is in no run yet; gives what is to be kept, and the memory that it took. On an error the identities are of no use to later
    /// snapshots.
    pub fn write(self) -> Result<(Kept, Copied), IdentitiesError> {
        let Settling { mut kept, settled, copied, unwritten } = self;
        match unwritten {
            Some(unwritten) => unwritten.write(&copied)?,
            None => kept.newest = copied.0.iter().flatten().map(|entry| identity(*entry)).collect(),
        }
        for SettledView { number, ranges, sections } in settled {
            // It was not written: whoever was to do so has failed.
            let sections = sections.get().ok_or(IdentitiesError::Failed)?;
            let sections = sections.iter().filter(|section| ranges.contains(&section.range)).copied().collect();
            if let Some(current) = kept.generations.last_mut() {
                current.push(KeptRun { number, level: 0, sections });
            }
        }
        Ok((kept, copied))
    }
}
