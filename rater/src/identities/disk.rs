//! What does not fit in memory: the generations' sorted runs, their filters, and the merge that keeps them few.
//!
//! All runs of a shard are disjoint, over all generations: an identity is entered once, and stays where it was entered.
#![expect(clippy::arithmetic_side_effects, reason = "sizes and counts of what is in memory")]

use weir_model::hash::{Fingerprint, PayloadDigest};

use super::error::IdentitiesError;
use super::filter::Filter;
use super::merge::{Merge, Step};
use super::run::{PAGE, Page, Run, RunReader, RunWriter, page_of};
use super::store::RunStore;
use super::table::{Entry, Table, halves};

/// Runs of one level that are merged into one of the next: fewer are cheaper to probe, more are cheaper to write.
const MERGE_RUNS: usize = 4;
/// Runs that one merge reads at most.
const MERGE_RUNS_MAX: usize = 8;
/// Records merged for each event while a merge is on its way. Every record is merged once per level, so this keeps up with
/// as many levels.
const MERGE_PACE: usize = 4;
/// Events whose filters are probed together.
const BLOCK: usize = 32;
/// Bytes for one lookup of [`LOOKUP_EVENTS`]: what the vectors below grow to when every identity is found.
const LOOKUP_BYTES: usize = 40 << 10;
/// Events that are looked up together at most.
pub const LOOKUP_EVENTS: usize = 512;

/// Identities first seen in one span of log time.
#[derive(Debug, Default)]
pub struct Generation {
    /// Identities on disk.
    pub len: u64,
    runs: Vec<Run>,
}

/// What was written and held so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DiskUse {
    /// Runs on disk at the most.
    pub runs_max: u64,
    /// Bytes written when memory was full or a generation sealed.
    pub spilled_bytes: u64,
    /// Bytes written by merges.
    pub merged_bytes: u64,
}

/// The runs of one shard.
#[derive(Debug)]
pub struct Disk {
    store: Box<dyn RunStore>,
    /// In order of age; the last one is current.
    generations: Vec<Generation>,
    merge: Option<Box<Merge>>,
    next_number: u64,
    /// Bytes read or written at once.
    piece_bytes: usize,
    used: DiskUse,
    page: Page,
    lows: Vec<u64>,
    candidates: Vec<Candidate>,
    found: Vec<(u32, PayloadDigest)>,
}

/// A record that may be the identity looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Candidate {
    run: u64,
    rank: u32,
    event: u32,
}

impl Disk {
    /// Nothing yet.
    pub fn new(store: Box<dyn RunStore>, memory_bytes: u64) -> Disk {
        // 1 of 128 parts: a merge holds nine pieces.
        let pieces = usize::try_from(memory_bytes >> 7).unwrap_or(usize::MAX).clamp(2 * PAGE, 1 << 20);
        Disk {
            store,
            generations: vec![Generation::default()],
            merge: None,
            next_number: 0,
            piece_bytes: pieces & !(PAGE - 1),
            used: DiskUse::default(),
            page: Page::new(),
            lows: Vec::new(),
            candidates: Vec::new(),
            found: Vec::new(),
        }
    }

    /// Whether there is nothing to look into.
    pub fn is_empty(&self) -> bool {
        self.generations.iter().all(|generation| generation.runs.is_empty())
    }

    /// In order of age; the last one is current.
    pub fn generations(&self) -> &[Generation] {
        &self.generations
    }

    /// What was written and held.
    pub fn used(&self) -> DiskUse {
        self.used
    }

    /// Bytes in memory: filters, the merge, and what probes need.
    pub fn bytes(&self) -> u64 {
        let filters: u64 = self.runs().map(|run| run.filter.bytes()).sum();
        let candidates = self.candidates.capacity() * size_of::<Candidate>();
        let found = self.found.capacity() * size_of::<(u32, PayloadDigest)>();
        let lookup = (candidates + found + self.lows.capacity() * 8).max(LOOKUP_BYTES);
        filters + self.merge.as_ref().map_or(0, |merge| merge.bytes()) + bytes(PAGE + lookup)
    }

    /// Bytes that a further run of `len` identities takes: while it is written, and until it has been merged with others like it.
    pub fn bytes_to_spill(&self, len: usize) -> u64 {
        let filter = Filter::bytes_for(bytes(len));
        let merge = if self.merge.is_some() { 0 } else { merge_bytes(bytes(len), MERGE_RUNS, self.piece_bytes) };
        filter + merge + bytes(self.piece_bytes)
    }

    fn runs(&self) -> impl Iterator<Item = &Run> {
        self.generations.iter().flat_map(|generation| &generation.runs)
    }

    /// Looks all identities up, and gives the positions of those that are on disk, ascending, with their digests.
    pub fn find(&mut self, fingerprints: &[Fingerprint]) -> Result<&[(u32, PayloadDigest)], IdentitiesError> {
        let Disk { store, generations, page, lows, candidates, found, .. } = self;
        found.clear();
        lows.clear();
        lows.extend(fingerprints.iter().map(|fingerprint| halves(*fingerprint)[0]));
        candidates.clear();
        for run in generations.iter().flat_map(|generation| &generation.runs) {
            for (first, lows) in (0_u32..).step_by(BLOCK).zip(lows.chunks(BLOCK)) {
                run.filter.probe::<BLOCK>(lows, |at, rank| {
                    let event = first + u32::try_from(at).unwrap_or(u32::MAX);
                    candidates.push(Candidate { run: run.number, rank, event });
                });
            }
        }
        candidates.sort_unstable();
        let mut loaded = None;
        for candidate in candidates.iter() {
            let (at, place) = page_of(candidate.rank);
            if loaded != Some((candidate.run, at)) {
                page.read(store.as_ref(), candidate.run, at)?;
                loaded = Some((candidate.run, at));
            }
            let [low, high, payload] = page.record(place);
            if fingerprints.get(crate::at(candidate.event)).is_some_and(|wanted| halves(*wanted) == [low, high]) {
                found.push((candidate.event, PayloadDigest(payload)));
            }
        }
        found.sort_unstable_by_key(|(event, _)| *event);
        Ok(found)
    }

    /// Writes what the table holds as a run of the current generation, and empties it.
    pub fn spill(&mut self, table: &mut Table) -> Result<(), IdentitiesError> {
        let len = u32::try_from(table.len()).unwrap_or(u32::MAX);
        if len == 0 {
            return Ok(());
        }
        let number = self.take_number();
        let store = self.store.as_mut();
        let mut writer = RunWriter::create(store, number, len, self.piece_bytes)?;
        self.used.spilled_bytes += writer.file_bytes();
        table.drain_sorted(|entry| writer.push(store, entry))?;
        let run = writer.finish(store, 0)?;
        if let Some(current) = self.generations.last_mut() {
            current.len += u64::from(len);
            current.runs.push(run);
        }
        self.used.runs_max = self.used.runs_max.max(bytes(self.runs().count()));
        Ok(())
    }

    /// The current generation is sealed and a new one begins.
    pub fn seal(&mut self) {
        self.generations.push(Generation::default());
    }

    /// Forgets the oldest generation; how many identities that were.
    pub fn expire(&mut self) -> Result<u64, IdentitiesError> {
        let expired = self.generations.remove(0);
        let is_merged = |merge: &Merge| expired.runs.iter().any(|run| merge.replaces.contains(&run.number));
        if self.merge.as_ref().is_some_and(|merge| is_merged(merge))
            && let Some(merge) = self.merge.take()
        {
            merge.abandon(self.store.as_mut())?;
        }
        for run in expired.runs {
            run.delete(self.store.as_mut())?;
        }
        Ok(expired.len)
    }

    /// Begins a merge if one is due and takes at most `bytes_max` of memory.
    pub fn begin_merge(&mut self, bytes_max: u64) -> Result<(), IdentitiesError> {
        if self.merge.is_some() {
            return Ok(());
        }
        let number = self.next_number;
        let Disk { generations, store, piece_bytes, .. } = self;
        let sealed = generations.len() - 1;
        for (age, generation) in generations.iter().enumerate().rev() {
            let due = if age == sealed { level_due(&generation.runs) } else { smallest(&generation.runs) };
            let records: u64 = due.iter().map(|run| u64::from(run.len)).sum();
            let fits = records < u64::from(u32::MAX) && merge_bytes(records, due.len(), *piece_bytes) <= bytes_max;
            if due.len() > 1 && fits {
                let merge = Merge::begin(store.as_mut(), &due, number, *piece_bytes)?;
                self.used.merged_bytes += merge.file_bytes();
                self.merge = Some(Box::new(merge));
                self.next_number += 1;
                return Ok(());
            }
        }
        Ok(())
    }

    /// Goes on with the merge by what `events` events pay for. `true` if it is complete.
    pub fn step(&mut self, events: usize) -> Result<bool, IdentitiesError> {
        let Some(merge) = self.merge.take() else { return Ok(false) };
        // Where runs pile up, merging hurries.
        let pace = self.generations.last().map_or(0, |current| current.runs.len()).max(MERGE_PACE);
        let replaces = merge.replaces.clone();
        match merge.step(self.store.as_mut(), bytes(events.saturating_mul(pace)))? {
            Step::Going(merge) => self.merge = Some(merge),
            Step::Done(run) => {
                self.replace(&replaces, run)?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn replace(&mut self, replaced: &[u64], merged: Run) -> Result<(), IdentitiesError> {
        let is_replaced = |run: &Run| replaced.contains(&run.number);
        let Some(generation) = self.generations.iter_mut().find(|generation| generation.runs.iter().any(is_replaced))
        else {
            unreachable!("a merge ends with its generation");
        };
        let old: Vec<Run> = generation.runs.extract_if(.., |run| is_replaced(run)).collect();
        generation.runs.push(merged);
        for run in old {
            run.delete(self.store.as_mut())?;
        }
        Ok(())
    }

    /// Calls `visit` with everything that a generation has on disk.
    pub fn visit(&self, generation: &Generation, visit: &mut dyn FnMut(Entry)) -> Result<(), IdentitiesError> {
        for run in &generation.runs {
            let mut reader = RunReader::open(self.store.as_ref(), run, self.piece_bytes)?;
            while let Some(slot) = reader.next(self.store.as_ref())? {
                visit(slot);
            }
        }
        Ok(())
    }

    fn take_number(&mut self) -> u64 {
        let number = self.next_number;
        self.next_number += 1;
        number
    }
}

/// The runs of the lowest level that has enough of them.
fn level_due(runs: &[Run]) -> Vec<&Run> {
    let levels = runs.iter().map(|run| run.level).max().map_or(0, |level| level + 1);
    let of_level = |level| runs.iter().filter(move |run| run.level == level);
    (0..levels)
        .find(|level| of_level(*level).count() >= MERGE_RUNS)
        .map(|level| of_level(level).take(MERGE_RUNS).collect())
        .unwrap_or_default()
}

/// A sealed generation becomes one run, the smallest first.
fn smallest(runs: &[Run]) -> Vec<&Run> {
    let mut runs: Vec<&Run> = runs.iter().collect();
    runs.sort_by_key(|run| (run.len, run.number));
    runs.truncate(MERGE_RUNS_MAX);
    runs
}

fn merge_bytes(records: u64, runs: usize, piece_bytes: usize) -> u64 {
    Filter::bytes_for(records) + bytes((runs + 1) * piece_bytes)
}

fn bytes(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
