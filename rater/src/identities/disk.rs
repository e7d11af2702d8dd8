//! What does not fit in memory: the generations' sorted runs, their filters, and the merge that keeps them few.
//!
//! All runs of a shard are disjoint, over all generations: an identity is entered once, and stays where it was entered.
#![expect(clippy::arithmetic_side_effects, reason = "sizes and counts of what is in memory")]

mod apart;
mod kept;

use weir_model::hash::{Fingerprint, PayloadDigest};

use super::error::IdentitiesError;
use super::filter::{Filter, Sieve};
use super::merge::{Merge, Step};
use super::run::{self, PAGE, Page, Run, RunWriter, Section, Shape};
use super::store::RunStore;
use super::table::{Table, halves};
pub use kept::{Kept, KeptRun, KeptSection};

/// Runs of one level that are merged into one of the next: fewer are cheaper to probe, more are cheaper to write.
const MERGE_RUNS: usize = 4;
/// Runs that one merge reads at most.
const MERGE_RUNS_MAX: usize = 8;
/// Records merged for each event while a merge is on its way. Every record is merged once per level, so this keeps up with
/// as many levels.
const MERGE_PACE: usize = 4;
/// Bytes read or written at once, at the most.
const PIECE_BYTES_MAX: usize = 256 << 10;
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
    /// Writes the run that the table is spilled to, range by range.
    spill: Option<RunWriter>,
    merge: Option<Box<Merge>>,
    /// Known when the first run begins.
    next_number: Option<u64>,
    /// log2 of the number of ranges.
    range_bits: u32,
    /// Bytes read or written at once.
    piece_bytes: usize,
    /// Bytes of all runs' filters.
    filter_bytes: u64,
    /// Up to how many of them new filters have a sieve.
    sieve_bytes_max: u64,
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
    page: u64,
    place: u32,
    event: u32,
}

impl Disk {
    /// Nothing yet.
    pub fn new(store: Box<dyn RunStore>, memory_bytes: u64, range_bits: u32) -> Disk {
        // 1 of 128 parts: a merge holds five pieces.
        let pieces = usize::try_from(memory_bytes >> 7).unwrap_or(usize::MAX).clamp(2 * PAGE, PIECE_BYTES_MAX);
        Disk {
            store,
            generations: vec![Generation::default()],
            spill: None,
            merge: None,
            next_number: None,
            range_bits,
            piece_bytes: pieces & !(PAGE - 1),
            filter_bytes: 0,
            sieve_bytes_max: memory_bytes >> 3,
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

    /// How many generations there are.
    pub fn generations(&self) -> usize {
        self.generations.len()
    }

    /// log2 of the number of ranges.
    pub fn range_bits(&self) -> u32 {
        self.range_bits
    }

    /// What was written and held.
    pub fn used(&self) -> DiskUse {
        self.used
    }

    /// Bytes in memory: filters, writers, and what probes need.
    pub fn bytes(&self) -> u64 {
        let candidates = self.candidates.capacity() * size_of::<Candidate>();
        let found = self.found.capacity() * size_of::<(u32, PayloadDigest)>();
        let lookup = (candidates + found + self.lows.capacity() * 8).max(LOOKUP_BYTES);
        let spill = self.spill.as_ref().map_or(0, RunWriter::bytes);
        // What the allocator loses between filters of many sizes.
        let lost = self.filter_bytes >> 3;
        self.filter_bytes + lost + spill + self.merge.as_ref().map_or(0, |merge| merge.bytes()) + bytes(PAGE + lookup)
    }

    /// Bytes that spilling a range of `len` identities takes: while it is written, and to merge what is there.
    pub fn bytes_to_spill(&self, len: usize) -> u64 {
        let section = Filter::bytes_for(bytes(len), self.shape().sieve);
        let spill = if self.spill.is_some() { 0 } else { bytes(self.piece_bytes) };
        if self.merge.is_some() || self.is_empty() {
            section + spill
        } else {
            section + spill + self.merge_bytes(MERGE_RUNS)
        }
    }

    /// Bytes for a merge, beside the section that it writes: that one is in place of those it is merged from.
    fn merge_bytes(&self, runs: usize) -> u64 {
        bytes((runs + 1) * self.piece_bytes)
    }

    /// How the next run is written.
    fn shape(&self) -> Shape {
        let is_ample = self.filter_bytes <= self.sieve_bytes_max;
        let sieve = if is_ample { Sieve::Present } else { Sieve::Absent };
        Shape { range_bits: self.range_bits, piece_bytes: self.piece_bytes, sieve }
    }

    fn runs(&self) -> impl Iterator<Item = &Run> {
        self.generations.iter().flat_map(|generation| &generation.runs)
    }

    /// Looks all identities up, and gives the positions of those that are on disk, ascending, with their digests.
    pub fn find(&mut self, fingerprints: &[Fingerprint]) -> Result<&[(u32, PayloadDigest)], IdentitiesError> {
        let Disk { store, generations, page, lows, candidates, found, range_bits, .. } = self;
        found.clear();
        lows.clear();
        lows.extend(fingerprints.iter().map(|fingerprint| halves(*fingerprint)[0]));
        candidates.clear();
        for run in generations.iter().flat_map(|generation| &generation.runs) {
            for (first, lows) in (0_u32..).step_by(BLOCK).zip(lows.chunks(BLOCK)) {
                let section = |low: u64| run.section(range_of(low, *range_bits));
                let asked = lows.iter().map(|low| (section(*low).map(|section| &section.filter), *low << *range_bits));
                Filter::probe::<BLOCK>(asked, |at, rank| {
                    let Some(section) = lows.get(at).and_then(|low| section(*low)) else { return };
                    let (page, place) = section.page_of(rank);
                    let event = first + u32::try_from(at).unwrap_or(u32::MAX);
                    candidates.push(Candidate { run: run.number, page, place, event });
                });
            }
        }
        candidates.sort_unstable();
        let mut loaded = None;
        for candidate in candidates.iter() {
            if loaded != Some((candidate.run, candidate.page)) {
                page.read(store.as_ref(), candidate.run, candidate.page)?;
                loaded = Some((candidate.run, candidate.page));
            }
            let [low, high, payload] = page.record(candidate.place);
            if fingerprints.get(crate::at(candidate.event)).is_some_and(|wanted| halves(*wanted) == [low, high]) {
                found.push((candidate.event, PayloadDigest(payload)));
            }
        }
        found.sort_unstable_by_key(|(event, _)| *event);
        Ok(found)
    }

    /// Writes a range of the table, but for its first `from` entries, as the next section of the current generation's newest run, and empties
    /// it.
    pub fn spill(&mut self, table: &mut Table, range: usize, from: u32) -> Result<(), IdentitiesError> {
        let len = u32::try_from(table.range_len(range)).unwrap_or(u32::MAX).saturating_sub(from);
        if len == 0 {
            return table.drain_range(range, from, |_| Ok(()));
        }
        let mut writer = match self.spill.take() {
            Some(writer) => writer,
            None => {
                let number = self.begin_run(self.generations.len() - 1, 0)?;
                let shape = self.shape();
                RunWriter::create(self.store.as_mut(), number, shape)?
            }
        };
        writer.begin_section(len);
        table.drain_range(range, from, |entry| writer.push(entry))?;
        let section = writer.end_section()?;
        self.used.spilled_bytes += section.place.file_bytes();
        if let Some(current) = self.generations.last_mut() {
            current.len += u64::from(len);
        }
        self.put(writer.number(), range, section);
        self.spill = Some(writer);
        Ok(())
    }

    /// No range of the table follows in the run that it is spilled to.
    pub fn end_spill(&mut self) -> Result<(), IdentitiesError> {
        let Some(writer) = self.spill.take() else { return Ok(()) };
        self.complete(writer.number());
        writer.finish()
    }

    /// The current generation is sealed and a new one begins.
    pub fn seal(&mut self) {
        self.generations.push(Generation::default());
    }

    /// Forgets the oldest generation; how many identities that were.
    pub fn expire(&mut self) -> Result<u64, IdentitiesError> {
        let expired = self.generations.remove(0);
        self.merge.take_if(|merge| expired.has(merge.number()));
        for run in &expired.runs {
            self.filter_bytes -= run.sections().map(|(_, section)| section.filter.bytes()).sum::<u64>();
            run::delete(run.number, self.store.as_mut())?;
        }
        Ok(expired.len)
    }

    /// Begins a merge if one is due and takes at most `bytes_max` of memory.
    pub fn begin_merge(&mut self, bytes_max: u64) -> Result<(), IdentitiesError> {
        if self.merge.is_some() {
            return Ok(());
        }
        let sealed = self.generations.len() - 1;
        for age in (0..self.generations.len()).rev() {
            let Some(generation) = self.generations.get(age) else { continue };
            let due = if age == sealed { level_due(&generation.runs) } else { smallest(&generation.runs) };
            let section: u64 = (0..1 << self.range_bits).map(|range| section_len(&due, range)).max().unwrap_or(0);
            let needed = self.merge_bytes(due.len()) + Filter::bytes_for(section, self.shape().sieve);
            if due.len() > 1 && section < u64::from(u32::MAX) && needed <= bytes_max {
                let runs: Vec<u64> = due.iter().map(|run| run.number).collect();
                let level = due.iter().map(|run| run.level).max().unwrap_or(0) + 1;
                let number = self.begin_run(age, level)?;
                let shape = self.shape();
                self.merge = Some(Box::new(Merge::begin(self.store.as_mut(), &runs, number, shape)?));
                return Ok(());
            }
        }
        Ok(())
    }

    /// Goes on with the merge by what `events` events pay for. `true` if it is complete.
    pub fn step(&mut self, events: usize) -> Result<bool, IdentitiesError> {
        // Where runs pile up, merging hurries.
        let pace = self.generations.last().map_or(0, |current| current.runs.len()).max(MERGE_PACE);
        let mut records = events.saturating_mul(pace);
        while let Some(merge) = self.merge.take() {
            let number = merge.number();
            let Some(generation) = self.generations.iter().find(|generation| generation.has(number)) else {
                unreachable!("a merge ends with its generation");
            };
            let replaced: Vec<u64> =
                generation.runs.iter().map(|run| run.number).filter(|run| merge.replaces(*run)).collect();
            match merge.step(self.store.as_ref(), &generation.runs, &mut records)? {
                Step::Going(merge) => {
                    self.merge = Some(merge);
                    return Ok(false);
                }
                Step::Section(merge, range, section) => {
                    self.used.merged_bytes += section.place.file_bytes();
                    replaced.iter().for_each(|run| self.take(*run, range));
                    self.put(number, range, section);
                    self.merge = Some(merge);
                }
                Step::Done => {
                    self.complete(number);
                    self.delete(&replaced)?;
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// The number of a run to be written.
    fn number_run(&mut self) -> Result<u64, IdentitiesError> {
        let number = match self.next_number {
            Some(number) => number,
            None => run::next_number(self.store.as_ref())?,
        };
        self.next_number = Some(number + 1);
        Ok(number)
    }

    /// A further run of a generation; its number.
    fn begin_run(&mut self, generation: usize, level: u32) -> Result<u64, IdentitiesError> {
        let number = self.number_run()?;
        if let Some(generation) = self.generations.get_mut(generation) {
            generation.runs.push(Run::begun(number, level));
        }
        self.used.runs_max = self.used.runs_max.max(bytes(self.runs().count()));
        Ok(number)
    }

    fn run_mut(&mut self, number: u64) -> Option<&mut Run> {
        self.generations.iter_mut().flat_map(|generation| &mut generation.runs).find(|run| run.number == number)
    }

    fn put(&mut self, run: u64, range: usize, section: Section) {
        self.filter_bytes += section.filter.bytes();
        if let Some(run) = self.run_mut(run) {
            run.put(range, section);
        }
    }

    fn take(&mut self, run: u64, range: usize) {
        let taken = self.run_mut(run).and_then(|run| run.take(range));
        self.filter_bytes -= taken.map_or(0, |section| section.filter.bytes());
    }

    /// Nothing will be added to a run any more.
    pub fn complete(&mut self, run: u64) {
        if let Some(run) = self.run_mut(run) {
            run.is_complete = true;
        }
    }

    fn delete(&mut self, merged: &[u64]) -> Result<(), IdentitiesError> {
        for generation in &mut self.generations {
            generation.runs.retain(|run| !merged.contains(&run.number));
        }
        merged.iter().try_for_each(|run| run::delete(*run, self.store.as_mut()))
    }
}

impl Generation {
    fn has(&self, number: u64) -> bool {
        self.runs.iter().any(|run| run.number == number)
    }
}

/// The range of a hash, of 2^`range_bits`.
fn range_of(low: u64, range_bits: u32) -> usize {
    usize::try_from(low >> 32 >> (32 - range_bits)).unwrap_or(usize::MAX)
}

/// The runs of the lowest level that has enough of them.
fn level_due(runs: &[Run]) -> Vec<&Run> {
    let levels = runs.iter().map(|run| run.level).max().map_or(0, |level| level + 1);
    let of_level = |level| runs.iter().filter(move |run| run.is_complete && run.level == level);
    (0..levels)
        .find(|level| of_level(*level).count() >= MERGE_RUNS)
        .map(|level| of_level(level).take(MERGE_RUNS).collect())
        .unwrap_or_default()
}

/// A sealed generation becomes one run, the smallest first.
fn smallest(runs: &[Run]) -> Vec<&Run> {
    let mut runs: Vec<&Run> = runs.iter().filter(|run| run.is_complete).collect();
    runs.sort_by_key(|run| (run.len, run.number));
    runs.truncate(MERGE_RUNS_MAX);
    runs
}

fn section_len(runs: &[&Run], range: usize) -> u64 {
    runs.iter().filter_map(|run| run.section(range)).map(|section| u64::from(section.place.len)).sum()
}

fn bytes(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
