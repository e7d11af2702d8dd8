//! What a snapshot says about runs, and how they are taken up again from that: by reading filters, not records.
//!
//! A merge on its way is kept as it is: its finished sections are those of a complete run that lacks the ranges which are still in the runs that
//! it is made of. A later merge takes those; nothing is in two runs or in none at any time.

use std::collections::BTreeSet;

use weir_model::hash::{Fingerprint, PayloadDigest};

use super::{Disk, Generation};
use crate::identities::RANGE_BITS_MAX;
use crate::identities::clock::Clock;
use crate::identities::error::IdentitiesError;
use crate::identities::run::{self, Place, Run, Section};
use crate::identities::store::RunStore;

/// What a snapshot keeps of identities.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    pub(crate) clock: Clock,
    /// log2 of the number of ranges.
    pub(crate) range_bits: u32,
    /// The runs of each generation, in order of age; the last one is current.
    pub(crate) generations: Vec<Vec<KeptRun>>,
    /// Identities of the current generation that are in no run.
    pub(crate) newest: Vec<(Fingerprint, PayloadDigest)>,
}

impl Kept {
    /// No identity at all.
    pub(crate) fn none() -> Kept {
        let range_bits = RANGE_BITS_MAX;
        Kept { clock: Clock::default(), range_bits, generations: vec![Vec::new()], newest: Vec::new() }
    }

    /// The numbers of all runs.
    pub fn runs(&self) -> BTreeSet<u64> {
        self.generations.iter().flatten().map(|run| run.number).collect()
    }
}

/// A run, as a snapshot names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptRun {
    /// Its number.
    pub number: u64,
    /// How often its records have been merged.
    pub level: u32,
    /// Its sections, ascending by range.
    pub sections: Vec<KeptSection>,
}

/// A section of a run, as a snapshot names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeptSection {
    /// The range of hashes.
    pub range: usize,
    /// Where it is.
    pub place: Place,
}

impl Disk {
    /// Whether runs outlive the process.
    pub fn is_durable(&self) -> bool {
        self.store.is_durable()
    }

    /// Makes durable what a merge on its way has finished; every complete run is.
    pub fn sync(&mut self) -> Result<(), IdentitiesError> {
        self.merge.as_mut().map_or(Ok(()), |merge| merge.sync())
    }

    /// Identities in all runs.
    pub fn len(&self) -> u64 {
        self.generations.iter().map(|generation| generation.len).sum()
    }

    /// All runs that have something, by generation.
    pub fn kept(&self) -> Vec<Vec<KeptRun>> {
        let kept_section = |(range, section): (usize, &Section)| KeptSection { range, place: section.place };
        let kept_run = |run: &Run| KeptRun {
            number: run.number,
            level: run.level,
            sections: run.sections().map(kept_section).collect(),
        };
        let kept = |generation: &Generation| generation.runs.iter().filter(|run| run.len > 0).map(kept_run).collect();
        self.generations.iter().map(kept).collect()
    }

    /// Takes up the runs of an earlier process.
    pub fn open(&mut self, generations: &[Vec<KeptRun>]) -> Result<(), IdentitiesError> {
        self.generations.clear();
        for kept in generations {
            let runs = kept.iter().map(|run| open_run(self.store.as_mut(), run)).collect::<Result<Vec<_>, _>>()?;
            self.generations.push(Generation { len: runs.iter().map(|run| run.len).sum(), runs });
        }
        self.filter_bytes = self.runs().flat_map(Run::sections).map(|(_, section)| section.filter.bytes()).sum();
        self.used.runs_max = super::bytes(self.runs().count());
        Ok(())
    }
}

fn open_run(store: &mut dyn RunStore, kept: &KeptRun) -> Result<Run, IdentitiesError> {
    let pages = kept.sections.iter().map(|section| section.place.end_page()).max().unwrap_or(0);
    run::open(kept.number, pages, store)?;
    let mut run = Run::begun(kept.number, kept.level);
    for section in &kept.sections {
        run.put(section.range, Section::read(store, kept.number, section.place)?);
    }
    run.is_complete = true;
    Ok(run)
}
