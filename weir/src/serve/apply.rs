//! What records do: the state that the log alone decides (L6), the same while the server runs and while it reads its log again.
//!
//! Owns: shards, epoch, closes, counts of what was rejected. Does not own: threads beyond those that share the shards, files, answers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use weir_model::rated::{OpenedBucket, SettlementRow, ShardOutput};
use weir_model::time::Instant;
use weir_model::verdict::VerdictCounts;
use weir_rater::close::{Close, Settled, seal};
use weir_rater::identities::IdentitySettings;
use weir_rater::{Counters, RatingPlan, Rows, Shard};

use super::epoch::Epoch;
use super::message::{Logged, What};
use super::record::{Control, Numbered};
use super::seals::SealWriter;
use crate::kept_identities::KeptIdentities;
use crate::memory::SHARD_BYTES_MIN;

/// An hour in microseconds.
const HOUR_US: i64 = 3_600_000_000;
/// Hours of log time for which rejections are counted apart.
const HOURS_KEPT: usize = 35 * 24;

/// What is kept beside the shards, as a snapshot has it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counted {
    /// The offset of the record to be applied next.
    pub next_offset: u64,
    /// Events logged so far: the position of the next one.
    pub position: u64,
    /// The log's time.
    pub log_time_us: i64,
    /// By hour of log time and code: what was rejected.
    pub rejected: BTreeMap<i64, BTreeMap<String, u64>>,
    /// What closes have settled, by shard and bucket: amounts at scale 18.
    pub settled: Vec<(u16, u32, String)>,
}

/// What was counted since the deployment began (L3): received = accepted + duplicate + conflict + rejected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Stats {
    offset: u64,
    received: u64,
    accepted: u64,
    duplicate: u64,
    conflict: u64,
    rejected: u64,
    rated: u64,
    unpriced: u64,
    unmetered: u64,
    late_refused: u64,
    rows: u64,
    rows_digest: String,
    /// By hour of log time.
    hours: BTreeMap<String, HourStats>,
}

/// What was counted in an hour of log time.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, utoipa::ToSchema)]
pub struct HourStats {
    received: u64,
    accepted: u64,
    duplicate: u64,
    conflict: u64,
    /// By code.
    rejected: BTreeMap<String, u64>,
    rated: u64,
    unpriced: u64,
    unmetered: u64,
    late_refused: u64,
}

impl HourStats {
    fn add(&mut self, counts: VerdictCounts) {
        let VerdictCounts { duplicate, conflict, unpriced, late_refused, rated, unmetered } = counts;
        let accepted = unpriced + late_refused + rated + unmetered;
        self.received += accepted + duplicate + conflict;
        self.accepted += accepted;
        self.duplicate += duplicate;
        self.conflict += conflict;
        self.rated += rated;
        self.unpriced += unpriced;
        self.unmetered += unmetered;
        self.late_refused += late_refused;
    }
}

/// What a control record did that leaves.
#[derive(Debug, Default)]
pub struct ControlOutput {
    /// Buckets that a close opened.
    pub opened: Vec<(u16, OpenedBucket)>,
    /// Rows that no event caused.
    pub rows: Vec<SettlementRow>,
    /// The epoch from here on, if rules changed.
    pub epoch: Option<Arc<Epoch>>,
    /// What it did, for people.
    pub note: Option<String>,
}

/// How shards are spread and kept.
#[derive(Debug)]
pub struct Spread {
    /// Shares the shards, unless one thread does it all.
    pub pool: Option<rayon::ThreadPool>,
    /// Whether rows are kept for the archive.
    pub rows: Rows,
    /// Where identities go.
    pub identities: Arc<KeptIdentities>,
    /// Memory for those of all shards.
    pub identity_bytes: u64,
}

/// The state.
pub struct Applier {
    /// All shards by number; none before the first catalog.
    pub shards: Vec<Shard>,
    /// What is in force.
    pub epoch: Arc<Epoch>,
    /// For each shard the offset from which on it has not applied records: a snapshot takes shards one after the other.
    ahead: Vec<u64>,
    spread: Spread,
    seals: SealWriter,
    counted: Counted,
    settled: Settled,
    log_bytes: u64,
    free_outputs: Vec<ShardOutput>,
}

impl Applier {
    /// Before the first record.
    pub fn new(epoch: Arc<Epoch>, spread: Spread, seals: SealWriter) -> Applier {
        Applier {
            shards: Vec::new(),
            epoch,
            ahead: Vec::new(),
            spread,
            seals,
            counted: Counted::default(),
            settled: Settled::new(),
            log_bytes: 0,
            free_outputs: Vec::new(),
        }
    }

    /// Goes on where a snapshot was taken.
    pub fn restore(&mut self, counted: Counted, shards: Vec<Shard>, ahead: Vec<u64>) -> Result<()> {
        for (shard, bucket, amount) in &counted.settled {
            let amount =
                amount.parse::<i128>().ok().and_then(|scaled| weir_model::number::Amount::from_scaled(scaled).ok());
            self.settled.insert((*shard, *bucket), amount.context("the snapshot's settlements are damaged")?);
        }
        (self.counted, self.shards, self.ahead) = (counted, shards, ahead);
        Ok(())
    }

    /// What is kept beside the shards.
    pub fn counted(&self) -> Counted {
        let settled =
            self.settled.iter().map(|((shard, bucket), amount)| (*shard, *bucket, amount.scaled().to_string()));
        Counted { settled: settled.collect(), ..self.counted.clone() }
    }

    /// The offset of the record to be applied next.
    pub fn next_offset(&self) -> u64 {
        self.counted.next_offset
    }

    /// Everything that was counted (L3).
    pub fn stats(&self) -> Stats {
        let mut counters = Counters::default();
        self.shards.iter().for_each(|shard| counters.add(shard.counters()));
        let rejected = self.counted.rejected.values().flat_map(BTreeMap::values).sum();
        Stats {
            offset: self.next_offset(),
            received: counters.accepted() + counters.duplicate + counters.conflict + rejected,
            accepted: counters.accepted(),
            duplicate: counters.duplicate,
            conflict: counters.conflict,
            rejected,
            rated: counters.rated,
            unpriced: counters.unpriced,
            unmetered: counters.unmetered,
            late_refused: counters.late_refused,
            rows: counters.rows,
            rows_digest: format!("{:032x}", counters.rows_digest.0),
            hours: self.hours(None),
        }
    }

    /// What was counted in each hour of log time, of one customer or of all. Rejections are nobody's.
    pub fn hours(&self, customer: Option<&str>) -> BTreeMap<String, HourStats> {
        let mut hours: BTreeMap<String, HourStats> = BTreeMap::new();
        for shard in &self.shards {
            for (start, total) in shard.hours() {
                match customer {
                    None => hours.entry(start.to_string()).or_default().add(total),
                    Some(customer) => {
                        for (_, counts) in shard.hour(start).filter(|(name, _)| *name == Some(customer)) {
                            hours.entry(start.to_string()).or_default().add(counts);
                        }
                    }
                }
            }
        }
        let rejected = self.counted.rejected.iter().filter(|_| customer.is_none());
        for (hour, codes) in rejected {
            let of_hour = hours.entry(Instant::from_micros(hour * HOUR_US).to_string()).or_default();
            of_hour.received += codes.values().sum::<u64>();
            of_hour.rejected.clone_from(codes);
        }
        hours
    }

    /// Bytes of log since the latest snapshot.
    pub fn log_bytes(&self) -> u64 {
        self.log_bytes
    }

    /// Counts a record's bytes.
    pub fn count_log_bytes(&mut self, bytes: u64) {
        self.log_bytes += bytes;
    }

    /// A snapshot begins.
    pub fn reset_log_bytes(&mut self) {
        self.log_bytes = 0;
    }

    /// Identities within the window.
    pub fn identities(&self) -> u64 {
        self.shards.iter().map(|shard| shard.identity_use().identities).sum()
    }

    /// What rating goes by.
    pub fn plan(&self) -> Option<&Arc<RatingPlan>> {
        self.epoch.rules.as_ref().map(|rules| &rules.plan)
    }

    /// What closes have settled.
    pub fn settled(&self) -> &Settled {
        &self.settled
    }

    /// Takes the memory of outputs back.
    pub fn give_outputs(&mut self, outputs: Vec<ShardOutput>) {
        if self.free_outputs.len() < 4096 {
            self.free_outputs.extend(outputs);
        }
    }

    /// Files of identities that no kept snapshot names may go.
    pub fn retain_runs(&self, named: &BTreeMap<u16, BTreeSet<u64>>) -> Result<()> {
        for (shard, runs) in named {
            self.spread.identities.retain(*shard, runs)?;
        }
        Ok(())
    }

    /// Makes or finds the settings of a shard's identities.
    pub fn identity_settings(&self, shard: u16) -> IdentitySettings {
        let bytes = self.spread.identity_bytes / u64::from(self.epoch.control.shards.max(1));
        // How many there may be is decided before they are logged, never after.
        self.spread.identities.settings(shard, bytes.max(SHARD_BYTES_MIN), u64::MAX)
    }

    /// Applies records of events, in order; gives each record's outputs by shard.
    pub fn apply_events(&mut self, records: &mut [Logged]) -> Result<Vec<Vec<ShardOutput>>> {
        for logged in records.iter_mut() {
            let What::Events(chunk, _) = &mut logged.what else { continue };
            (chunk.file, chunk.first_position) = (0, self.counted.position);
            chunk.sequence = logged.offset;
            let events: usize = chunk.batches.iter().map(weir_model::event::EventBatch::len).sum();
            self.counted.position += events as u64;
            self.note(logged.offset, logged.log_time);
            for rejection in &chunk.rejected {
                let hour = logged.log_time.micros().div_euclid(HOUR_US);
                let of_hour = self.counted.rejected.entry(hour).or_default();
                *of_hour.entry(rejection.code.code().to_owned()).or_default() += 1;
            }
        }
        while self.counted.rejected.len() > HOURS_KEPT {
            self.counted.rejected.pop_first();
        }
        let rows = self.spread.rows;
        let mut free = std::mem::take(&mut self.free_outputs);
        let per_shard = free.len() / self.shards.len().max(1);
        let mut memory: Vec<Vec<ShardOutput>> =
            self.shards.iter().map(|_| free.split_off(free.len() - per_shard)).collect();
        let records = &*records;
        let work = |((shard, ahead), memory): ((&mut Shard, &u64), &mut Vec<ShardOutput>)| {
            apply_to(shard, *ahead, records, (rows, memory))
        };
        let applied: Result<Vec<Vec<ShardOutput>>> = match &self.spread.pool {
            Some(pool) => pool.install(|| {
                let shards = self.shards.par_iter_mut().zip(self.ahead.par_iter());
                shards.zip(memory.par_iter_mut()).map(work).collect()
            }),
            None => self.shards.iter_mut().zip(&self.ahead).zip(&mut memory).map(work).collect(),
        };
        self.free_outputs = free;
        memory.into_iter().for_each(|left| self.free_outputs.extend(left));
        let mut by_shard: Vec<_> = applied?.into_iter().map(Vec::into_iter).collect();
        let record = |_| by_shard.iter_mut().map(|outputs| outputs.next().expect("one for each record")).collect();
        Ok(records.iter().map(record).collect())
    }

    /// Time passes.
    pub fn apply_tick(&mut self, offset: u64, log_time: Instant) -> Result<()> {
        self.note(offset, log_time);
        for (shard, ahead) in self.shards.iter_mut().zip(&self.ahead) {
            if offset >= *ahead {
                shard.advance(log_time)?;
            }
        }
        Ok(())
    }

    /// Applies a control record; `epoch` is what is in force from it on.
    pub fn apply_control(
        &mut self,
        offset: u64,
        log_time: Instant,
        (numbered, epoch): (&Numbered, Arc<Epoch>),
    ) -> Result<ControlOutput> {
        self.apply_tick(offset, log_time)?;
        let had_rules_of = self.epoch.has_rules_of(&epoch);
        self.epoch = epoch;
        let mut output = ControlOutput::default();
        if !had_rules_of {
            self.change_rules(&mut output)?;
        }
        if let Control::Close { through_us } = &numbered.control {
            self.close(offset, Instant::from_micros(*through_us), &mut output)?;
        }
        Ok(output)
    }

    /// The shards go on under other rules; the first rules make them.
    fn change_rules(&mut self, output: &mut ControlOutput) -> Result<()> {
        let Some(rules) = &self.epoch.rules else { return Ok(()) };
        let plan = Arc::clone(&rules.plan);
        if self.shards.is_empty() {
            let shards = self.epoch.control.shards;
            let make =
                |number| Shard::with_identities(number, shards, Arc::clone(&plan), self.identity_settings(number));
            self.shards = (0..shards).map(make).collect();
            self.ahead = vec![0; self.shards.len()];
        } else {
            for shard in &mut self.shards {
                output.rows.extend(shard.replan(&plan)?);
            }
        }
        output.epoch = Some(Arc::clone(&self.epoch));
        Ok(())
    }

    /// Seals periods, settles what was rated in parts, and keeps the sealed state.
    fn close(&mut self, offset: u64, through: Instant, output: &mut ControlOutput) -> Result<()> {
        let Some(plan) = self.plan().map(Arc::clone) else { return Ok(()) };
        let overflow = |error| anyhow!("the totals at the close cannot be made: {error}");
        let sealed = seal(&mut self.shards, &plan, through).map_err(overflow)?;
        let settled = std::mem::take(&mut self.settled);
        let close = Close::new(&self.shards, plan, through, settled).map_err(overflow)?;
        output.opened.extend(sealed.opened);
        output.rows.extend(sealed.adjustments);
        output.rows.extend(close.settlements().iter().cloned());
        self.settled = close.settled().clone();
        let number = self.epoch.control.closes_us.len();
        let seal = self.seals.write((number, offset), &self.epoch.control, &self.shards)?;
        output.note = Some(format!("sealed through {through}: {seal}"));
        Ok(())
    }

    fn note(&mut self, offset: u64, log_time: Instant) {
        self.counted.next_offset = offset + 1;
        self.counted.log_time_us = log_time.micros();
    }
}

/// A shard's part of some records. Records before `ahead` it knows.
fn apply_to(
    shard: &mut Shard,
    ahead: u64,
    records: &[Logged],
    (rows, memory): (Rows, &mut Vec<ShardOutput>),
) -> Result<Vec<ShardOutput>> {
    let apply = |logged: &Logged| {
        let mut output = memory.pop().unwrap_or_default();
        output.clear();
        let What::Events(chunk, _) = &logged.what else { return Ok(output) };
        if logged.offset >= ahead {
            shard.advance(logged.log_time)?;
            let batch = &chunk.batches[usize::from(shard.number())];
            if !batch.is_empty() {
                shard.apply(&chunk.text, batch, rows, &mut output)?;
            }
        }
        Ok(output)
    };
    records
        .iter()
        .map(apply)
        .collect::<Result<_, weir_rater::identities::IdentitiesError>>()
        .context("identities on disk")
}
