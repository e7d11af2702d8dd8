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
use weir_rater::close::{Close, Settled, seal};
use weir_rater::identities::IdentitySettings;
use weir_rater::{RatingPlan, Rows, Shard};

use super::epoch::Epoch;
use super::message::{Logged, What};
use super::record::{Control, Numbered};
use super::seals::{SealWriter, Unwritten};
use super::thresholds::{self, Told};
use crate::kept_identities::KeptIdentities;
use crate::memory::SHARD_BYTES_MIN;

/// An hour in microseconds.
pub const HOUR_US: i64 = 3_600_000_000;
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
    /// Thresholds that were reached.
    #[serde(default)]
    pub told: Told,
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
    /// What a close sealed, to be kept once the close is durable.
    pub seal: Option<Unwritten>,
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
    has_thresholds: bool,
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
            has_thresholds: false,
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
        self.has_thresholds = self.epoch.rules.as_ref().is_some_and(|rules| thresholds::are_in(&rules.catalog));
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

    /// What was rejected, by hour of log time since 1970 and by code.
    pub fn rejected(&self) -> &BTreeMap<i64, BTreeMap<String, u64>> {
        &self.counted.rejected
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

    /// Thresholds that were reached.
    pub fn told(&self) -> &Told {
        &self.counted.told
    }

    /// Whether some plan has thresholds.
    pub fn has_thresholds(&self) -> bool {
        self.has_thresholds
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

    /// Files of identities that no kept snapshot names, and no shard uses.
    pub fn left_behind(&self, named: &BTreeMap<u16, BTreeSet<u64>>) -> Result<Vec<String>> {
        let left = named.iter().map(|(shard, runs)| self.spread.identities.left_behind(*shard, runs));
        Ok(left.collect::<Result<Vec<_>, _>>()?.concat())
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
        let applied = applied?;
        if self.has_thresholds {
            let chunks = records.iter().filter_map(|logged| match &logged.what {
                What::Events(chunk, _) => Some(chunk),
                _ => None,
            });
            chunks.flat_map(|chunk| &chunk.batches).for_each(|batch| self.counted.told.touch(batch));
        }
        let mut by_shard: Vec<_> = applied.into_iter().map(Vec::into_iter).collect();
        let record = |_| by_shard.iter_mut().map(|outputs| outputs.next().expect("one for each record")).collect();
        Ok(records.iter().map(record).collect())
    }

    /// Time passes.
    pub fn apply_tick(&mut self, offset: u64, log_time: Instant) -> Result<()> {
        self.note(offset, log_time);
        if let Some(rules) = self.epoch.rules.as_ref().filter(|_| self.has_thresholds) {
            let told = self.counted.told.tick((&self.shards, &rules.plan), (offset, log_time));
            told.map_err(|error| anyhow!("the thresholds cannot be looked at: {error}"))?;
        }
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
        self.has_thresholds = thresholds::are_in(&rules.catalog);
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

    /// Seals periods, settles what was rated in parts, and tells the sealed state.
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
        self.counted.told.seal(through);
        let number = self.epoch.control.closes_us.len();
        let seal = Unwritten::new((number, offset), &self.epoch.control, &self.shards)?;
        output.note = Some(format!("sealed through {through}: {}", seal.name()));
        output.seal = Some(seal);
        Ok(())
    }

    /// The record is durable: keeps what its close has sealed.
    pub fn keep_seal(&self, output: &mut ControlOutput) -> Result<()> {
        output.seal.take().map_or(Ok(()), |seal| self.seals.write(seal))
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
