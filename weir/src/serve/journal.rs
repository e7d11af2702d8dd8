//! The thread that owns the log's end: drains what connections hand over, writes it as one group, hands it to the engine, syncs.
//!
//! Owns: order, log time, which record an event comes to stand in. Does not own: what records do. Keeps L1: the engine learns that a
//! record is durable only after its sync, and after a failed one nothing is durable any more.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use anyhow::{Context, Result};
use weir_handoff::{Receiver, Sender};
use weir_ingest::DecodeScratch;
use weir_log::{Entry, Kind, WriteError, Writer};
use weir_model::event::Chunk;
use weir_model::time::Instant;

use super::admission::{self, Admitted, Chunks, Limits};
use super::clock::Clock;
use super::control::KeyRecord;
use super::epoch::{Epoch, Rules};
use super::message::{
    ControlRequest, Logged, Payload, Refusal, Replies, Single, Submission, ToEngine, ToJournal, What,
};
use super::record::{self, Numbered, Rejected};
use super::status::Status;

/// Bytes that are written and synced together, at most, but for one record more.
const GROUP_BYTES_MAX: usize = 8 << 20;
/// Bytes of single events in one record, at most.
const SINGLES_BYTES_MAX: usize = 1 << 20;

/// The journal's side of the server.
pub struct Journal {
    pub writer: Writer,
    pub inbox: Receiver<ToJournal>,
    pub engine: Sender<ToEngine>,
    pub clock: Arc<dyn Clock>,
    /// What is in force behind the records that are being put together.
    pub epoch: Arc<Epoch>,
    /// What is in force behind what was written.
    pub written_epoch: Arc<Epoch>,
    pub chunks: Arc<Chunks>,
    pub status: Arc<Status>,
    /// How far events may lie in the future, in microseconds.
    pub clock_skew_max_us: Option<i64>,
    pub scratch: DecodeScratch,
}

/// A record on its way.
struct Prepared {
    kind: Kind,
    /// `None`: so many bytes of the chunk's text.
    payload: Option<Vec<u8>>,
    text_len: usize,
    what: What,
}

impl Prepared {
    fn bytes(&self) -> usize {
        self.payload.as_ref().map_or(self.text_len, Vec::len)
    }

    fn payload(&self) -> &[u8] {
        match (&self.payload, &self.what) {
            (Some(payload), _) => payload,
            (None, What::Events(chunk, _)) => &chunk.text[..self.text_len],
            (None, _) => &[],
        }
    }

    fn refuse(self, refusal: Refusal) {
        match self.what {
            What::Events(_, Replies::Whole(reply, _)) => reply.send(Err(refusal)),
            What::Events(_, Replies::Each(replies)) => {
                replies.into_iter().for_each(|(_, reply)| reply.send(Err(refusal)));
            }
            What::Control(_, Some(reply)) => {
                let _ = reply.send(Err(refusal));
            }
            What::Events(_, Replies::None) | What::Control(_, None) | What::Tick => {}
        }
    }
}

impl Journal {
    /// Works until it is told to stop. What is there by then is written and synced.
    pub fn run(mut self) {
        let mut group = Vec::new();
        let mut stops = false;
        while !stops && self.inbox.receive(&mut group).is_ok() {
            stops = group.iter().any(|message| matches!(message, ToJournal::Stop));
            if self.status.has_failed() {
                group.drain(..).for_each(refuse);
                continue;
            }
            if let Err(error) = self.take(&mut group) {
                group.drain(..).for_each(refuse);
                self.status.fail(&error);
                // The engine ends by itself if it is gone already.
                let _ = self.engine.send(ToEngine::Failed);
            }
        }
    }

    /// Writes everything that was handed over, in groups.
    fn take(&mut self, group: &mut Vec<ToJournal>) -> Result<()> {
        let (mut records, mut bytes) = (Vec::new(), 0);
        let mut singles = Vec::new();
        let mut singles_bytes = 0;
        for message in group.drain(..) {
            match message {
                ToJournal::Single(single) => {
                    singles_bytes += single.line.len();
                    singles.push(single);
                    if singles_bytes >= SINGLES_BYTES_MAX {
                        records.extend(self.singles(&mut singles));
                        bytes += std::mem::take(&mut singles_bytes);
                    }
                }
                ToJournal::Submit(submission) => {
                    let record = self.submission(*submission);
                    bytes += record.as_ref().map_or(0, Prepared::bytes);
                    records.extend(record);
                }
                ToJournal::Control(request) => {
                    records.extend(self.singles(&mut singles));
                    records.push(self.control(*request));
                }
                ToJournal::Tick => {
                    records.push(Prepared { kind: record::TICK, payload: None, text_len: 0, what: What::Tick });
                }
                ToJournal::Stop => {}
                ToJournal::Trim(offset) => {
                    let trimmed = self.writer.trim(offset);
                    self.engine.send(ToEngine::Trimmed(trimmed)).ok().context("the engine has stopped")?;
                }
            }
            if bytes >= GROUP_BYTES_MAX {
                self.write(std::mem::take(&mut records))?;
                bytes = 0;
            }
        }
        records.extend(self.singles(&mut singles));
        if records.is_empty() { Ok(()) } else { self.write(records) }
    }

    /// One write, then the engine hears of it, then one sync.
    fn write(&mut self, records: Vec<Prepared>) -> Result<()> {
        let entries: Vec<Entry<'_>> =
            records.iter().map(|record| Entry { kind: record.kind, payload: record.payload() }).collect();
        let written = self.writer.write(&entries, self.clock.now());
        drop(entries);
        let written = match written {
            Ok(written) => written,
            Err(WriteError::RecordTooLarge { bytes_max, .. }) => return self.write_fitting(records, bytes_max),
            Err(WriteError::NoSpace { .. }) => {
                self.refuse(records, Refusal::NoSpace);
                self.status.set_nearly_full(true);
                return Ok(());
            }
            Err(error @ (WriteError::Poisoned | WriteError::Files(_))) => {
                self.refuse(records, Refusal::LogFailed);
                return Err(error).context("cannot write to the log");
            }
        };
        self.status.set_nearly_full(false);
        self.written_epoch = Arc::clone(&self.epoch);
        for (offset, record) in written.offsets.clone().zip(records) {
            let bytes = record.bytes() as u64;
            let mut what = record.what;
            if let What::Events(chunk, _) = &mut what {
                fix_times(chunk, written.log_time);
            }
            let logged = Logged { offset, log_time: written.log_time, bytes, what };
            self.engine.send(ToEngine::Logged(logged)).ok().context("the engine has stopped")?;
        }
        let before = self.clock.now();
        let durable = self.writer.sync().context("cannot sync the log")?;
        self.status.synced(before, self.clock.now());
        self.engine.send(ToEngine::Durable(durable)).ok().context("the engine has stopped")?;
        self.status.durable_offset.store(durable, Ordering::Release);
        Ok(())
    }

    /// Writes what is not too large, of a group of which nothing was written.
    fn write_fitting(&mut self, records: Vec<Prepared>, bytes_max: u64) -> Result<()> {
        let (fitting, large): (Vec<_>, Vec<_>) =
            records.into_iter().partition(|record| record.bytes() as u64 <= bytes_max);
        let epoch = Arc::clone(&self.epoch);
        let changes_rules = large.iter().any(|record| record.kind == record::CONTROL);
        self.refuse(large, Refusal::TooLarge);
        if changes_rules {
            // The others were made for what comes into force no more.
            self.refuse(fitting, Refusal::Stopped);
            return Ok(());
        }
        self.epoch = epoch;
        if fitting.is_empty() { Ok(()) } else { self.write(fitting) }
    }

    /// What is refused never happened: a control record among it is not in force, and its number is free.
    fn refuse(&mut self, records: Vec<Prepared>, refusal: Refusal) {
        records.into_iter().for_each(|record| record.refuse(refusal));
        self.epoch = Arc::clone(&self.written_epoch);
    }

    /// A request's events, decoded anew if what they were decoded under is not in force any more.
    fn submission(&mut self, submission: Submission) -> Option<Prepared> {
        let Submission { chunk, payload, rejected, epoch, key, reply } = submission;
        if self.epoch.has_rules_of(&epoch) {
            return Some(prepare(chunk, payload, rejected, |rejected| Replies::Whole(reply, rejected)));
        }
        let epoch = Arc::clone(&self.epoch);
        let Some(rules) = &epoch.rules else {
            reply.send(Err(Refusal::Stopped));
            return None;
        };
        let (mut chunk, mut rejected) = (chunk, rejected);
        let payload = match payload {
            Payload::Lines(text_len) => {
                chunk.text.truncate(text_len);
                let admitted = self.admit(again(chunk), rules, |_| key.as_deref());
                rejected.extend(admitted.rejected);
                chunk = admitted.chunk;
                Payload::Lines(admitted.text_len)
            }
            Payload::Columns(stream) => {
                let admitted = super::columns::admit(&stream, (rules, &self.chunks), self.limits(), key.as_deref());
                let Ok((decoded, more)) = admitted else {
                    reply.send(Err(Refusal::Stopped));
                    return None;
                };
                rejected.extend(more);
                chunk = decoded;
                Payload::Columns(stream)
            }
        };
        rejected.sort_by_key(|rejected| rejected.index);
        rejected.dedup_by_key(|rejected| rejected.index);
        Some(prepare(chunk, payload, rejected, |rejected| Replies::Whole(reply, rejected)))
    }

    /// Many single events as one record.
    fn singles(&mut self, singles: &mut Vec<Single>) -> Option<Prepared> {
        if singles.is_empty() {
            return None;
        }
        let epoch = Arc::clone(&self.epoch);
        let Some(rules) = &epoch.rules else {
            singles.drain(..).for_each(|single| single.reply.send(Err(Refusal::Stopped)));
            return None;
        };
        let mut chunk = self.chunks.take();
        singles.iter().for_each(|single| chunk.text.extend_from_slice(&single.line));
        let key_of = |position: u32| singles.get(position as usize).and_then(|single| single.key.as_deref());
        let Admitted { chunk, text_len, rejected, .. } = self.admit(chunk, rules, key_of);
        let (mut bad, mut next) = (rejected.iter().peekable(), 0);
        let mut reply = |(index, single): (u64, Single)| match bad.next_if(|rejected| rejected.index == index) {
            Some(rejected) => (Err(Rejected { index: 0, ..rejected.clone() }), single.reply),
            None => {
                next += 1;
                (Ok(next - 1), single.reply)
            }
        };
        let replies = Replies::Each((0..).zip(singles.drain(..)).map(&mut reply).collect());
        Some(prepare(chunk, Payload::Lines(text_len), rejected, |_| replies))
    }

    /// A control record with its number, which is in force for whatever comes behind it.
    fn control(&mut self, request: ControlRequest) -> Prepared {
        let ControlRequest { control, mut epoch, reply } = request;
        epoch.control.sequence = self.epoch.control.sequence + 1;
        let numbered = Numbered { sequence: epoch.control.sequence, control };
        let payload = serde_json::to_vec(&numbered).expect("texts and numbers are JSON");
        self.epoch = Arc::new(epoch);
        let what = What::Control(Box::new((numbered, Arc::clone(&self.epoch))), Some(reply));
        Prepared { kind: record::CONTROL, payload: Some(payload), text_len: 0, what }
    }

    fn admit<'k>(&mut self, chunk: Chunk, rules: &Rules, key_of: impl Fn(u32) -> Option<&'k KeyRecord>) -> Admitted {
        let limits = self.limits();
        admission::admit(chunk, (&rules.decoder, &mut self.scratch), limits, key_of, 0)
    }

    fn limits(&self) -> Limits {
        let now = self.clock.now().micros();
        Limits { latest: self.clock_skew_max_us.map(|skew| Instant::from_micros(now.saturating_add(skew))) }
    }
}

/// A chunk of which only the lines are left.
fn again(mut chunk: Chunk) -> Chunk {
    let text = std::mem::take(&mut chunk.text);
    chunk.clear();
    chunk.text = text;
    chunk
}

fn prepare(
    mut chunk: Chunk,
    payload: Payload,
    rejected: Vec<Rejected>,
    replies: impl FnOnce(Vec<Rejected>) -> Replies,
) -> Prepared {
    let (kind, payload, text_len) = match payload {
        Payload::Lines(text_len) if rejected.is_empty() => (record::LINES, None, text_len),
        Payload::Lines(text_len) => (record::MIXED, Some(record::mixed(&rejected, &chunk.text[..text_len])), text_len),
        Payload::Columns(stream) => (record::COLUMNS, Some(record::mixed(&rejected, &stream)), 0),
    };
    keep_rejected(&mut chunk, &rejected);
    Prepared { kind, payload, text_len, what: What::Events(chunk, replies(rejected)) }
}

/// Adds what was rejected to the chunk of the events beside it.
pub fn keep_rejected(chunk: &mut Chunk, rejected: &[Rejected]) {
    for one in rejected {
        let position = u32::try_from(one.index).unwrap_or(u32::MAX);
        let rejection = record::restore(one, position, &mut chunk.text);
        chunk.rejected.push(rejection);
    }
    chunk.received += rejected.len() as u64;
}

/// Events without `time` happened when the log took them.
pub fn fix_times(chunk: &mut Chunk, log_time: Instant) {
    for event in chunk.batches.iter_mut().flat_map(|batch| &mut batch.events) {
        if event.time == Instant::OF_THE_LOG {
            event.time = log_time;
        }
    }
}

/// What came after the log had failed was never written.
fn refuse(message: ToJournal) {
    match message {
        ToJournal::Submit(submission) => submission.reply.send(Err(Refusal::LogFailed)),
        ToJournal::Single(single) => single.reply.send(Err(Refusal::LogFailed)),
        ToJournal::Control(request) => {
            let _ = request.reply.send(Err(Refusal::LogFailed));
        }
        ToJournal::Tick | ToJournal::Trim(_) | ToJournal::Stop => {}
    }
}
