//! One shard: applies batches in log order (design.md 4.5).
//!
//! A batch passes through four steps, each over all of its events: identities, subjects, usages, rating. Each step asks for
//! the memory of events to come while it works on the present one, so that cache misses overlap. Within a step events keep
//! the log's order; L4 makes sums independent of it.

mod collect;
mod rate;
mod replan;
mod resume;

pub use replan::ReplanError;
pub use resume::{Known, KnownBucket, KnownSum, KnownSums, ResumeError};

use std::sync::Arc;

use weir_model::event::{EventBatch, Span};
use weir_model::rated::{BucketNumbers, OpenedBucket, OpenedCombo, OpenedStretch, Openings, ShardOutput};
use weir_model::time::Instant;
use weir_model::verdict::{Verdict, VerdictCounts};

use crate::buckets::{BucketKey, Buckets};
use crate::close::Allowances;
use crate::combos::{Combo, Combos};
use crate::counters::Counters;
use crate::event_view::Usage;
use crate::hours::Hours;
use crate::identities::{Admission, Identities, IdentitiesError, IdentitySettings, IdentityUse};
use crate::plan::RatingPlan;
use crate::prefetch::AHEAD;
use crate::series::SeriesTable;
use crate::subjects::{NONE, Subjects};
use crate::{at, next_index};

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
    pub(crate) hours: Hours,
    /// Through when each close has sealed, never descending: what is still used in periods that end by the last is late.
    pub(crate) seals: Vec<Instant>,
    /// Allowances of buckets that rollover has changed or will.
    pub(crate) allowances: Arc<Allowances>,
    /// The latest event_time of a usage, with the end of its period: decides what a run closes.
    pub(crate) latest: Option<(Instant, Instant)>,
    told: Told,
    scratch: Scratch,
}

/// Which numbers outputs have named. Not a part of snapshots: a name may be told again.
#[derive(Debug, Default)]
struct Told {
    stretches: Named,
    combos: Named,
}

#[derive(Debug, Default)]
struct Named(Vec<bool>);

impl Named {
    /// Whether the number is named for the first time.
    fn is_new(&mut self, number: u32) -> bool {
        if self.0.len() <= at(number) {
            self.0.resize(at(number).saturating_add(1), false);
        }
        self.0.get_mut(at(number)).is_some_and(|named| !std::mem::replace(named, true))
    }
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
    /// Shard `number` of `shards`, empty, which keeps its identities in memory.
    pub fn new(number: u16, shards: u16, plan: Arc<RatingPlan>) -> Shard {
        Shard::with_identities(number, shards, plan, IdentitySettings::in_memory())
    }

    /// Shard `number` of `shards`, empty, whose identities keep to `settings`.
    pub fn with_identities(number: u16, shards: u16, plan: Arc<RatingPlan>, settings: IdentitySettings) -> Shard {
        Shard {
            number,
            shards,
            identities: Identities::new(settings),
            subjects: Subjects::new(&plan),
            combos: Combos::new(),
            buckets: Buckets::new(),
            series: SeriesTable::default(),
            counters: Counters::default(),
            hours: Hours::default(),
            seals: Vec::new(),
            allowances: Arc::default(),
            latest: None,
            told: Told::default(),
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

    /// What its identities took so far.
    pub fn identity_use(&self) -> IdentityUse {
        self.identities.used()
    }

    /// The total of each hour of log time with events, ascending by its start: of the last 35 days of such hours. The last one may be going on.
    pub fn hours(&self) -> impl Iterator<Item = (Instant, VerdictCounts)> {
        self.hours.totals()
    }

    /// What each customer's events came to in the hour of log time that begins at `start`, which is one of the last 25 with events; `None` is
    /// whoever is no known customer. They sum to the hour's total.
    pub fn hour(&self, start: Instant) -> impl Iterator<Item = (Option<&str>, VerdictCounts)> {
        let customer = |number: u32| self.subjects.customers.get(at(number));
        let name = move |number: u32| customer(number).map(|customer| self.subjects.name(customer));
        self.hours.by_customer(start).into_iter().map(move |(number, counts)| (number.and_then(name), counts))
    }

    /// Tells the log's time, before what was logged then is applied: identities are forgotten 35 to 42 days after they were
    /// seen. Gives the start of the hour that this has ended, if events were applied in it: what belongs to the output at this position of the
    /// log is [`Shard::hour`], once, because a shard that is restored and applies the log again ends the same hours at the same positions.
    pub fn advance(&mut self, log_time: Instant) -> Result<Option<Instant>, IdentitiesError> {
        self.identities.advance(log_time)?;
        Ok(self.hours.advance(log_time))
    }

    /// Applies a batch of this shard's events; `text` is what the batch's spans point into. Verdicts always, subjects, rows
    /// and opened buckets only with [`Rows::Keep`], are appended to `output`, which the caller has cleared. An error
    /// is about identities that are not in memory; but for [`IdentitiesError::Full`] the shard is of no use after it.
    pub fn apply(
        &mut self,
        text: &[u8],
        batch: &EventBatch,
        rows: Rows,
        output: &mut ShardOutput,
    ) -> Result<(), IdentitiesError> {
        let mut scratch = std::mem::take(&mut self.scratch);
        self.admit(batch, &mut scratch.accepted, &mut output.verdicts)?;
        self.resolve_subjects(text, batch, &mut scratch);
        self.collect_usages(text, batch, &mut scratch, &mut output.verdicts);
        self.rate_usages(text, batch, &scratch.usages, rate::Sink { rows, output });
        if rows == Rows::Keep {
            output.subjects.extend_from_slice(&scratch.subjects);
        }
        for verdict in &output.verdicts {
            self.counters.count(*verdict);
        }
        if self.hours.are_counted() {
            self.count_hour(batch, &scratch, &output.verdicts);
        }
        self.scratch = scratch;
        Ok(())
    }

    /// Step 1: dedup. New events start as [`Verdict::Unmetered`].
    fn admit(
        &mut self,
        batch: &EventBatch,
        accepted: &mut Vec<u32>,
        verdicts: &mut Vec<Verdict>,
    ) -> Result<(), IdentitiesError> {
        accepted.clear();
        let mut event = 0_u32;
        self.identities.admit(&batch.fingerprint, &batch.payload, |admission| {
            verdicts.push(match admission {
                Admission::New => {
                    accepted.push(event);
                    Verdict::Unmetered
                }
                Admission::Duplicate => Verdict::Duplicate,
                Admission::Conflict => Verdict::Conflict,
            });
            event = event.wrapping_add(1);
        })
    }

    /// Step 2: whose usage each accepted event is.
    fn resolve_subjects(&mut self, text: &[u8], batch: &EventBatch, scratch: &mut Scratch) {
        scratch.subjects.clear();
        let hash_of = |event: &u32| batch.events.get(at(*event)).map(|event| event.subject_hash);
        let hashes = || scratch.accepted.iter().filter_map(hash_of);
        hashes().take(2 * AHEAD).for_each(|hash| self.subjects.prefetch_slot(hash));
        hashes().take(AHEAD).for_each(|hash| self.subjects.prefetch_subject(hash));
        let mut slots_ahead = hashes().skip(2 * AHEAD);
        let mut subjects_ahead = hashes().skip(AHEAD);
        for event in &scratch.accepted {
            if let Some(next) = slots_ahead.next() {
                self.subjects.prefetch_slot(next);
            }
            if let Some(next) = subjects_ahead.next() {
                self.subjects.prefetch_subject(next);
            }
            let said = || batch.attributes.get(at(*event)).map_or(Span::ABSENT, |said| said.subject);
            let name = || std::str::from_utf8(said().of(text)).expect("decoded text is UTF-8");
            let hash = hash_of(event).expect("verdicts are about this batch");
            scratch.subjects.push(self.subjects.intern(&self.plan, hash, name));
        }
    }

    /// Counts the verdicts of a batch for the hour: those on new events by the subject that was resolved, those on others by the subject if it is known.
    fn count_hour(&mut self, batch: &EventBatch, scratch: &Scratch, verdicts: &[Verdict]) {
        let customer_of = |subject: &u32| self.subjects.subjects.get(*subject).map_or(NONE, |subject| subject.customer);
        scratch.subjects.iter().take(AHEAD).for_each(|subject| self.hours.prefetch(customer_of(subject)));
        let mut ahead = scratch.subjects.iter().skip(AHEAD);
        for (event, subject) in scratch.accepted.iter().zip(&scratch.subjects) {
            if let Some(next) = ahead.next() {
                self.hours.prefetch(customer_of(next));
            }
            let customer = customer_of(subject);
            if let Some(verdict) = verdicts.get(at(*event)) {
                self.hours.count(customer, *verdict);
            }
        }
        if scratch.accepted.len() < verdicts.len() {
            let events = batch.events.iter().zip(verdicts);
            for (event, verdict) in events.filter(|(_, verdict)| !verdict.is_accepted()) {
                self.hours.count(self.subjects.customer_of(event.subject_hash), *verdict);
            }
        }
    }

    /// Through when the latest close has sealed.
    pub(crate) fn sealed_through(&self) -> Option<Instant> {
        self.seals.last().copied()
    }

    /// Names a bucket that was opened, by numbers and by whatever has no name yet.
    pub(crate) fn tell(&mut self, key: BucketKey, opened: &mut Openings) {
        let BucketKey { stretch, charge, combo } = key;
        if self.told.stretches.is_new(stretch) {
            let OpenedBucket { customer, period, start, .. } = self.describe(key);
            opened.stretches.push((stretch, OpenedStretch { customer, period, start }));
        }
        if self.told.combos.is_new(combo) {
            let Combo { group, cell } = self.combos.get(combo).clone();
            opened.combos.push((combo, OpenedCombo { group, cell }));
        }
        opened.buckets.push(BucketNumbers { stretch, charge, combo });
    }

    /// Names all buckets, by number, for somebody who has heard of none; outputs go on from there. After a restore, for
    /// example, for what keeps the names of buckets outside of the shard.
    pub fn tell_all(&mut self, opened: &mut Openings) {
        self.told = Told::default();
        for number in 0..next_index(self.buckets.len()) {
            self.tell(self.buckets.get(number).key(), opened);
        }
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
