//! One shard: applies batches in log order (design.md 4.5).
//!
//! A batch passes through four steps, each over all of its events, so that the cache misses of one step overlap:
//! identities, subjects, usages, rating. Within a step events keep the log's order; L4 makes sums independent of it.

mod collect;
mod rate;
mod resume;

pub use resume::{Known, KnownBucket, ResumeError};

use std::hint::black_box;
use std::sync::Arc;

use weir_model::event::EventBatch;
use weir_model::rated::{OpenedBucket, ShardOutput};
use weir_model::time::Instant;
use weir_model::verdict::Verdict;

use crate::at;
use crate::buckets::{BucketKey, Buckets};
use crate::close::Allowances;
use crate::combos::Combos;
use crate::counters::Counters;
use crate::event_view::Usage;
use crate::identities::{Admission, Identities};
use crate::plan::RatingPlan;
use crate::series::SeriesTable;
use crate::subjects::Subjects;

/// Events whose cache misses are started together.
const BLOCK: usize = 32;

/// Whether [`Shard::apply`] keeps the rated rows for somebody, or only counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rows {
    /// Write them into the output.
    Keep,
    /// Only count and digest them.
    Count,
}

/// The state of one shard.
#[derive(Debug)]
pub struct Shard {
    pub(crate) number: u16,
    pub(crate) shards: u16,
    pub(crate) plan: Arc<RatingPlan>,
    pub(crate) identities: Identities,
    pub(crate) subjects: Subjects,
    pub(crate) combos: Combos,
    pub(crate) buckets: Buckets,
    pub(crate) series: SeriesTable,
    pub(crate) counters: Counters,
    /// Through when each close has sealed, never descending: what is still used in periods that end by the last is late.
    pub(crate) seals: Vec<Instant>,
    /// Allowances of buckets that rollover has changed or will.
    pub(crate) allowances: Arc<Allowances>,
    /// The latest event_time of a usage, with the end of its period: decides what a run closes.
    pub(crate) latest: Option<(Instant, Instant)>,
    scratch: Scratch,
}

#[derive(Debug, Default)]
struct Scratch {
    /// Events of the batch that are new.
    accepted: Vec<u32>,
    /// The subject of each accepted event.
    subjects: Vec<u32>,
    usages: Vec<Usage>,
    combo_bytes: Vec<u8>,
}

impl Shard {
    /// Shard `number` of `shards`, empty.
    pub fn new(number: u16, shards: u16, plan: Arc<RatingPlan>) -> Shard {
        Shard {
            number,
            shards,
            identities: Identities::with_capacity(0),
            subjects: Subjects::new(&plan),
            combos: Combos::new(),
            buckets: Buckets::new(),
            series: SeriesTable::default(),
            counters: Counters::default(),
            seals: Vec::new(),
            allowances: Arc::default(),
            latest: None,
            scratch: Scratch::default(),
            plan,
        }
    }

    /// Its number.
    pub fn number(&self) -> u16 {
        self.number
    }

    /// What it has counted.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Applies a batch of this shard's events; `text` is what the batch's spans point into. Verdicts always, rows and
    /// opened buckets only with [`Rows::Keep`], are appended to `output`, which the caller has cleared.
    pub fn apply(&mut self, text: &[u8], batch: &EventBatch, rows: Rows, output: &mut ShardOutput) {
        let mut scratch = std::mem::take(&mut self.scratch);
        self.admit(batch, &mut scratch.accepted, &mut output.verdicts);
        self.resolve_subjects(text, batch, &mut scratch);
        self.collect_usages(text, batch, &mut scratch, &mut output.verdicts);
        self.rate_usages(text, batch, &scratch.usages, rate::Sink { rows, output });
        for verdict in &output.verdicts {
            self.counters.count(*verdict);
        }
        self.scratch = scratch;
    }

    /// Step 1: dedup. New events start as [`Verdict::Unmetered`].
    fn admit(&mut self, batch: &EventBatch, accepted: &mut Vec<u32>, verdicts: &mut Vec<Verdict>) {
        accepted.clear();
        let mut event = 0_u32;
        for (fingerprints, payloads) in batch.fingerprint.chunks(BLOCK).zip(batch.payload.chunks(BLOCK)) {
            let touched =
                fingerprints.iter().fold(0, |touched, fingerprint| touched ^ self.identities.touch(*fingerprint));
            black_box(touched);
            for (fingerprint, payload) in fingerprints.iter().zip(payloads) {
                verdicts.push(match self.identities.admit(*fingerprint, *payload) {
                    Admission::New => {
                        accepted.push(event);
                        Verdict::Unmetered
                    }
                    Admission::Duplicate => Verdict::Duplicate,
                    Admission::Conflict => Verdict::Conflict,
                });
                event = event.wrapping_add(1);
            }
        }
    }

    /// Step 2: whose usage each accepted event is.
    fn resolve_subjects(&mut self, text: &[u8], batch: &EventBatch, scratch: &mut Scratch) {
        scratch.subjects.clear();
        for events in scratch.accepted.chunks(BLOCK) {
            let hashes = || events.iter().filter_map(|event| batch.subject_hash.get(at(*event)));
            black_box(hashes().fold(0, |touched, hash| touched ^ self.subjects.touch_slot(*hash)));
            black_box(hashes().fold(0, |touched, hash| touched ^ self.subjects.touch_subject(*hash)));
            for event in events {
                let columns = batch.subject_hash.get(at(*event)).zip(batch.subject.get(at(*event)));
                let (hash, subject) = columns.expect("the columns of a batch are of equal length");
                let name = || std::str::from_utf8(subject.of(text)).expect("decoded text is UTF-8");
                scratch.subjects.push(self.subjects.intern(&self.plan, *hash, name));
            }
        }
    }

    /// Through when the latest close has sealed.
    pub(crate) fn sealed_through(&self) -> Option<Instant> {
        self.seals.last().copied()
    }

    /// What a bucket's key stands for, in words.
    pub(crate) fn describe(&self, key: BucketKey) -> OpenedBucket {
        let stretch = self.subjects.stretches.get(at(key.stretch)).expect("keys come from this shard");
        let customer = self.subjects.customers.get(at(stretch.customer)).expect("stretches have a customer");
        let combo = self.combos.get(key.combo);
        OpenedBucket {
            customer: self.subjects.name(customer).into(),
            charge: key.charge,
            group: combo.group.clone(),
            cell: combo.cell,
            period: stretch.period,
            start: stretch.active.start,
        }
    }
}

fn set(verdicts: &mut [Verdict], event: u32, verdict: Verdict) {
    if let Some(slot) = verdicts.get_mut(at(event)) {
        *slot = verdict;
    }
}
