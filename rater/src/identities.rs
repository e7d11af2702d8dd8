//! Exact dedup (L2): which identities a shard has seen in the last 35 to 42 days of log time, within a budget of memory.
//!
//! The newest identities are a table in memory. When it would outgrow the budget it is written as a sorted run, one range of hashes after
//! the other, of which filters stay in memory; runs are merged, so that they stay few. A snapshot leaves the table as it is, and writes what
//! is new in it to runs of their own. Every seven days of log time the generation is sealed and the sixth
//! before it is forgotten. Owns: budget, generations, verdicts on identities. Does not own: where runs are stored (the caller gives a
//! [`RunStore`]). Whatever the disk does, a verdict is right or an error.
#![expect(clippy::arithmetic_side_effects, reason = "sizes and counts of what is in memory")]

mod clock;
mod disk;
mod entries;
mod error;
mod filter;
mod merge;
mod run;
mod settled;
mod slots;
mod store;
mod table;
#[cfg(test)]
mod tests;

use weir_model::hash::{Fingerprint, PayloadDigest};
use weir_model::time::Instant;

pub(crate) use clock::Clock;
use disk::{Disk, LOOKUP_EVENTS};
pub use disk::{DiskUse, Kept};
pub(crate) use disk::{KeptRun, KeptSection};
pub use error::IdentitiesError;
pub(crate) use filter::Sieve;
pub(crate) use run::Place;
use settled::Settled;
pub use settled::{Copied, Settling};
pub use store::{NoStore, RunFile, RunStore};
pub use table::Admission;
use table::Table;

/// Budget for each range of hashes, as a power of two: a range is spilled at once, and merged at once.
const RANGE_BITS: u32 = 20;
/// How many ranges there are at most, as a power of two.
pub(crate) const RANGE_BITS_MAX: u32 = 5;
/// Identities of a range on average, below which spilling them is no help.
const RANGE_LEN_MIN: usize = 256;
/// Identities whose memory is asked for together.
const BLOCK: usize = 32;
/// Generations that are remembered: five sealed ones and the current one.
pub(crate) const GENERATIONS_MAX: usize = 6;

/// How much a shard's identities may take, and where what is over goes.
#[derive(Debug)]
pub struct IdentitySettings {
    /// Memory for table, filters and buffers.
    pub memory_bytes: u64,
    /// Identities within the window; beyond it nothing is admitted.
    pub identities_max: u64,
    /// Where runs go.
    pub store: Box<dyn RunStore>,
}

impl IdentitySettings {
    /// Everything stays in memory, and there is no end to it.
    pub fn in_memory() -> IdentitySettings {
        IdentitySettings { memory_bytes: u64::MAX, identities_max: u64::MAX, store: Box::new(NoStore) }
    }
}

/// What identities took so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct IdentityUse {
    /// Identities within the window.
    pub identities: u64,
    /// Memory at the most, in bytes.
    pub memory_bytes_max: u64,
    /// Runs and bytes on disk.
    pub disk: DiskUse,
}

/// The identities of one shard.
#[derive(Debug)]
pub struct Identities {
    /// The newest ones of the current generation.
    table: Table,
    /// What of the table is on disk already.
    settled: Settled,
    disk: Disk,
    clock: Clock,
    memory_bytes: u64,
    memory_bytes_max: u64,
    identities_max: u64,
    /// The range that is spilled next.
    next_range: usize,
    /// Identities on disk.
    on_disk: u64,
    /// Whether an error left it unknown what is known.
    failed: bool,
}

impl Identities {
    /// None yet.
    pub fn new(settings: IdentitySettings) -> Identities {
        let range_bits = range_bits(settings.memory_bytes);
        Identities::with_ranges(settings, range_bits)
    }

    fn with_ranges(settings: IdentitySettings, range_bits: u32) -> Identities {
        let IdentitySettings { memory_bytes, identities_max, store } = settings;
        let memory_bytes = memory_bytes - allocator_bytes(memory_bytes);
        let ample_bytes = usize::try_from(memory_bytes >> 2).unwrap_or(usize::MAX);
        Identities {
            table: Table::new(range_bits, ample_bytes),
            settled: Settled::default(),
            disk: Disk::new(store, memory_bytes, range_bits),
            clock: Clock::default(),
            memory_bytes,
            memory_bytes_max: 0,
            identities_max,
            next_range: 0,
            on_disk: 0,
            failed: false,
        }
    }

    /// Identities within the window.
    pub fn len(&self) -> u64 {
        self.on_disk + count(self.table.len())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What they took so far.
    pub fn used(&self) -> IdentityUse {
        let memory_bytes_max = self.memory_bytes_max.max(self.bytes());
        IdentityUse { identities: self.len(), memory_bytes_max, disk: self.disk.used() }
    }

    /// Looks identities up and enters those that are new; calls `verdict` for each in order. On an error nothing may rest on the
    /// verdicts already given.
    pub fn admit(
        &mut self,
        fingerprints: &[Fingerprint],
        payloads: &[PayloadDigest],
        mut verdict: impl FnMut(Admission),
    ) -> Result<(), IdentitiesError> {
        let is_plain = self.disk.is_empty() && !self.failed && self.has_room(fingerprints.len());
        if is_plain && self.len() + count(fingerprints.len()) <= self.identities_max {
            admit_to_table(&mut self.table, fingerprints, payloads, &mut verdict);
            return Ok(());
        }
        if self.failed {
            return Err(IdentitiesError::Failed);
        }
        if self.len() + count(fingerprints.len()) > self.identities_max {
            return Err(IdentitiesError::Full { identities_max: self.identities_max });
        }
        let admitted = self.admit_in_lookups(fingerprints, payloads, &mut verdict);
        self.failed = admitted.is_err();
        admitted
    }

    /// Tells the log's time, before what was logged then is admitted. Seals the current generation when its week is over.
    pub fn advance(&mut self, log_time: Instant) -> Result<(), IdentitiesError> {
        if self.failed {
            return Err(IdentitiesError::Failed);
        }
        if self.clock.advance(log_time) {
            let sealed = self.seal();
            self.failed = sealed.is_err();
            return sealed;
        }
        Ok(())
    }

    /// What brings the identities back as they are now, once it is written: by then what is in memory outlives the process, if there is a place for
    /// that. Until it is written there must not be another one. `copied` is memory.
    pub fn settle(&mut self, copied: Copied) -> Result<Settling, IdentitiesError> {
        if self.failed {
            return Err(IdentitiesError::Failed);
        }
        let settled = self.begin_to_settle(copied);
        self.failed = settled.is_err();
        settled
    }

    /// The identities of an earlier shard. Their ranges stay what they were, whatever the budget is now, if there are runs. `None`:
    /// `kept` has an identity twice.
    pub fn restored(settings: IdentitySettings, kept: Kept) -> Result<Option<Identities>, IdentitiesError> {
        let has_runs = kept.generations.iter().any(|runs| !runs.is_empty());
        let range_bits = if has_runs { kept.range_bits } else { range_bits(settings.memory_bytes) };
        let mut identities = Identities::with_ranges(settings, range_bits);
        identities.clock = kept.clock;
        identities.disk.open(&kept.generations)?;
        identities.on_disk = identities.disk.len();
        let (fingerprints, payloads): (Vec<_>, Vec<_>) = kept.newest.into_iter().unzip();
        let mut all_new = true;
        let mut enter = |admission| all_new &= admission == Admission::New;
        admit_to_table(&mut identities.table, &fingerprints, &payloads, &mut enter);
        Ok(all_new.then_some(identities))
    }

    fn admit_in_lookups(
        &mut self,
        mut fingerprints: &[Fingerprint],
        mut payloads: &[PayloadDigest],
        verdict: &mut impl FnMut(Admission),
    ) -> Result<(), IdentitiesError> {
        while !fingerprints.is_empty() {
            let events = fingerprints.len().min(LOOKUP_EVENTS);
            while !self.has_room(events) {
                self.make_room()?;
            }
            let (now, later) = fingerprints.split_at(events);
            let (payloads_now, payloads_later) = payloads.split_at(events);
            if self.disk.is_empty() {
                admit_to_table(&mut self.table, now, payloads_now, verdict);
            } else {
                let found = self.disk.find(now)?;
                admit_beside(&mut self.table, found, (now, payloads_now), verdict);
                if self.disk.step(events)? {
                    let left = self.memory_bytes.saturating_sub(self.bytes());
                    self.disk.begin_merge(left)?;
                    self.note_memory(0);
                }
            }
            (fingerprints, payloads) = (later, payloads_later);
        }
        Ok(())
    }

    /// Whether the table can take so many more, and still be spilled.
    fn has_room(&self, events: usize) -> bool {
        let table = count(self.table.bytes_after(events));
        let spill = self.disk.bytes_to_spill(self.table.range_len_max());
        table.saturating_add(self.disk.bytes()).saturating_add(spill) <= self.memory_bytes
    }

    /// Spills a range of the table.
    fn make_room(&mut self) -> Result<(), IdentitiesError> {
        if !self.is_worth_spilling() {
            let before = self.table.bytes();
            self.table.shrink();
            if self.table.bytes() == before {
                return Err(IdentitiesError::OverBudget { identities: self.len(), memory_bytes: self.memory_bytes });
            }
            return Ok(());
        }
        self.spill_next()?;
        if self.next_range == 0 {
            let left = self.memory_bytes.saturating_sub(self.bytes());
            self.disk.begin_merge(left)?;
        }
        self.note_memory(0);
        Ok(())
    }

    /// Whether there is more in the table than what spilling it is no help for.
    fn is_worth_spilling(&self) -> bool {
        self.table.len() >= self.table.ranges() * RANGE_LEN_MIN
    }

    fn begin_to_settle(&mut self, mut copied: Copied) -> Result<Settling, IdentitiesError> {
        let Identities { table, settled, disk, clock, .. } = self;
        self.next_range = 0;
        disk.end_spill()?;
        disk.sync()?;
        let unwritten = if disk.is_durable() && settled.unsettled_len(table) >= table.ranges() * RANGE_LEN_MIN {
            Some(settled.begin(table, disk, &mut copied)?)
        } else {
            settled.copy_unsettled(table, &mut copied);
            None
        };
        let kept = Kept { clock: *clock, range_bits: disk.range_bits(), generations: disk.kept(), newest: Vec::new() };
        let settled = settled.view();
        let left = self.memory_bytes.saturating_sub(self.bytes());
        self.disk.begin_merge(left)?;
        self.note_memory(0);
        Ok(Settling { kept, settled, copied, unwritten })
    }

    fn spill_next(&mut self) -> Result<(), IdentitiesError> {
        let spilled = self.table.range_len(self.next_range);
        self.note_memory(self.disk.bytes_to_spill(spilled));
        self.disk.spill(&mut self.table, self.next_range, 0)?;
        self.settled.forget(self.next_range, &mut self.disk)?;
        self.on_disk += count(spilled);
        self.next_range += 1;
        if self.next_range == self.table.ranges() {
            self.end_spill()?;
        }
        Ok(())
    }

    /// The next run begins with the first range again.
    fn end_spill(&mut self) -> Result<(), IdentitiesError> {
        self.next_range = 0;
        self.disk.end_spill()
    }

    /// The current generation is complete.
    fn seal(&mut self) -> Result<(), IdentitiesError> {
        self.end_spill()?;
        let largest = (0..self.table.ranges()).map(|range| self.table.range_len(range)).max().unwrap_or(0);
        self.note_memory(self.disk.bytes_to_spill(largest));
        self.on_disk += count(self.settled.spill(&mut self.table, &mut self.disk)?);
        self.end_spill()?;
        self.disk.seal();
        if self.disk.generations() > GENERATIONS_MAX {
            self.on_disk -= self.disk.expire()?;
        }
        let left = self.memory_bytes.saturating_sub(self.bytes());
        self.disk.begin_merge(left)
    }

    fn bytes(&self) -> u64 {
        count(self.table.bytes()) + self.disk.bytes()
    }

    /// Memory is at its greatest with `beside` more for a moment.
    fn note_memory(&mut self, beside: u64) {
        self.memory_bytes_max = self.memory_bytes_max.max(self.bytes() + beside);
    }
}

/// log2 of the number of ranges, of a shard that begins with so much memory.
fn range_bits(memory_bytes: u64) -> u32 {
    let memory_bytes = memory_bytes - allocator_bytes(memory_bytes);
    (memory_bytes >> RANGE_BITS).clamp(1, 1 << RANGE_BITS_MAX).ilog2()
}

/// What the allocator loses between pieces that come and go: five sixteenths of a small budget. Large pieces are pages of their own, so that
/// it is no more than 3 MiB of a large one, and a little.
fn allocator_bytes(memory_bytes: u64) -> u64 {
    (memory_bytes >> 6) + ((memory_bytes >> 6) * 19).min(3 << 20)
}

/// Admits where there is only the table, which has room for all.
fn admit_to_table(
    table: &mut Table,
    fingerprints: &[Fingerprint],
    payloads: &[PayloadDigest],
    verdict: &mut impl FnMut(Admission),
) {
    in_blocks(table, fingerprints, payloads, |table, fingerprint, payload| verdict(table.admit(fingerprint, payload)));
}

/// Admits where some identities were found on disk.
fn admit_beside(
    table: &mut Table,
    found: &[(u32, PayloadDigest)],
    (fingerprints, payloads): (&[Fingerprint], &[PayloadDigest]),
    verdict: &mut impl FnMut(Admission),
) {
    let mut found = found.iter().copied().peekable();
    let mut events = 0_u32..;
    in_blocks(table, fingerprints, payloads, |table, fingerprint, payload| {
        let event = events.next();
        verdict(match found.next_if(|(at, _)| Some(*at) == event) {
            None => table.admit(fingerprint, payload),
            Some((_, first)) if first == payload => Admission::Duplicate,
            Some(_) => Admission::Conflict,
        });
    });
}

/// Calls `admit` for each identity, after the memory of a whole block was asked for. To ask is a short loop of its own: a page whose
/// address is not at hand holds up what comes after it, so that between long stretches of work hardly two are looked up at a time.
fn in_blocks(
    table: &mut Table,
    fingerprints: &[Fingerprint],
    payloads: &[PayloadDigest],
    mut admit: impl FnMut(&mut Table, Fingerprint, PayloadDigest),
) {
    fingerprints.iter().take(BLOCK).for_each(|fingerprint| table.prefetch(*fingerprint));
    let mut blocks = fingerprints.chunks(BLOCK).zip(payloads.chunks(BLOCK)).peekable();
    while let Some((block, digests)) = blocks.next() {
        if let Some((later, _)) = blocks.peek() {
            later.iter().for_each(|fingerprint| table.prefetch(*fingerprint));
        }
        for (fingerprint, payload) in block.iter().zip(digests) {
            admit(table, *fingerprint, *payload);
        }
    }
}

fn count(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
