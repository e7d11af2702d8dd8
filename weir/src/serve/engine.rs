//! The thread that owns the shards: applies records in log order, answers once they are durable (design.md 4.5, L1, L6).
//!
//! Owns: when a record is applied, what leaves when. Everything that leaves (answers, rows for the archive, figures) waits in one
//! queue, by offset, until the log says that the offset is durable. Does not own: what a record does to the shards' state beyond
//! calling it (`apply`), nor files (`snapshot`, `archive`, `seals`).

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use anyhow::Result;
use weir_aggregator::LogMark;
use weir_handoff::{Receiver, Sender};
use weir_model::event::Chunk;
use weir_model::rated::ShardOutput;
use weir_model::time::Instant;

use super::admission::Chunks;
use super::apply::Applier;
use super::archive::Outputs;
use super::message::{Applied, Counts, Done, Logged, Question, Refusal, Replies, Reply, ToEngine, ToJournal, What};
use super::record::Rejected;
use super::snapshot::{Cycle, SnapshotWriter, Superfluous};
use super::status::Status;

/// Records that are applied together, shard by shard.
const GROUP: usize = 16;

/// The engine.
pub struct Engine {
    /// The shards and what else the log decides.
    pub state: Applier,
    inbox: Receiver<ToEngine>,
    journal: Sender<ToJournal>,
    outputs: Outputs,
    snapshots: SnapshotWriter,
    cycle: Option<Cycle>,
    chunks: Arc<Chunks>,
    status: Arc<Status>,
    /// What leaves once everything up to its offset is durable.
    waiting: VecDeque<(u64, Release)>,
    durable_offset: u64,
}

/// Something that leaves.
enum Release {
    /// The answers of a record, of whose rejected events no copy is left elsewhere.
    Answers(Answers),
    /// The rows of a record.
    Rows(Instant, Arc<Chunk>, Vec<ShardOutput>),
    /// What a control record did.
    Control(Instant, super::apply::ControlOutput),
    /// The end of an output batch, behind the record at the offset.
    Cut,
    /// An answer of another kind.
    Call(Box<dyn FnOnce() + Send>),
}

/// Who hears what.
enum Answers {
    Whole(Reply, Done),
    Each(Vec<(Reply, Result<Counts, Rejected>)>),
}

/// What the engine is made of.
pub struct Parts {
    /// What was restored and replayed.
    pub state: Applier,
    /// Where records come from.
    pub inbox: Receiver<ToEngine>,
    /// Whom to tell what may be trimmed.
    pub journal: Sender<ToJournal>,
    /// Where rows go.
    pub outputs: Outputs,
    /// Where snapshots go.
    pub snapshots: SnapshotWriter,
    /// Memory.
    pub chunks: Arc<Chunks>,
    /// What others see.
    pub status: Arc<Status>,
}

impl Engine {
    /// Everything that was restored and replayed is durable.
    pub fn new(parts: Parts) -> Engine {
        let Parts { state, inbox, journal, outputs, snapshots, chunks, status } = parts;
        let durable_offset = state.next_offset();
        Engine {
            state,
            inbox,
            journal,
            outputs,
            snapshots,
            cycle: None,
            chunks,
            status,
            waiting: VecDeque::new(),
            durable_offset,
        }
    }

    /// Works until the journal is gone and nothing is left to do.
    pub fn run(mut self) -> Result<()> {
        let worked = self.work();
        if let Err(error) = &worked {
            self.status.fail(error);
            self.refuse_all();
            // Whoever still sends must hear that nobody listens; answers are refused as they come.
            self.drain();
        }
        worked
    }

    fn work(&mut self) -> Result<()> {
        let mut group = Vec::new();
        while self.receive(&mut group) {
            self.take(&mut group)?;
            self.step_snapshot()?;
        }
        self.finish()
    }

    /// Waits until there is something to do; `false` if the journal is gone.
    fn receive(&mut self, group: &mut Vec<ToEngine>) -> bool {
        let snapshots = &self.snapshots;
        let goes_on = |cycle: &Cycle| cycle.has_shards_left() || !snapshots.is_idle();
        if !self.cycle.as_ref().is_some_and(goes_on) {
            return self.inbox.receive(group).is_ok();
        }
        // The snapshot goes on even if nobody sends.
        self.inbox.wait(|| snapshots.is_idle());
        self.inbox.drain(group) > 0 || snapshots.is_idle()
    }

    /// Applies and answers what has come.
    fn take(&mut self, group: &mut Vec<ToEngine>) -> Result<()> {
        let mut events = Vec::with_capacity(GROUP);
        for message in group.drain(..) {
            match message {
                ToEngine::Logged(logged) if matches!(logged.what, What::Events(..)) => {
                    events.push(logged);
                    if events.len() == GROUP {
                        self.apply_events(&mut events)?;
                    }
                }
                ToEngine::Logged(logged) => {
                    self.apply_events(&mut events)?;
                    self.apply_other(logged)?;
                }
                ToEngine::Durable(offset) => {
                    self.apply_events(&mut events)?;
                    self.durable_offset = offset;
                    self.release()?;
                }
                ToEngine::Trimmed(trimmed) => self.snapshots.remove(Superfluous::Log(trimmed))?,
                ToEngine::Ask(question) => {
                    self.apply_events(&mut events)?;
                    self.ask(question);
                    self.release()?;
                }
                ToEngine::Failed => {
                    self.refuse_all();
                    anyhow::bail!("the log has failed");
                }
            }
        }
        self.apply_events(&mut events)
    }

    fn apply_events(&mut self, events: &mut Vec<Logged>) -> Result<()> {
        if events.is_empty() {
            return Ok(());
        }
        let outputs = self.state.apply_events(events)?;
        for (logged, outputs) in events.drain(..).zip(outputs) {
            let Logged { offset, log_time, bytes, what } = logged;
            let What::Events(chunk, replies) = what else { continue };
            self.status.count(&chunk, &outputs);
            let release = match replies {
                Replies::None => None,
                Replies::Whole(reply, rejected) => {
                    Some(Answers::Whole(reply, Done { counts: counts(&outputs), rejected }))
                }
                Replies::Each(replies) => Some(each(&chunk, &outputs, replies)),
            };
            self.waiting.extend(release.map(|answers| (offset, Release::Answers(answers))));
            let ends = self.outputs.measure(&chunk, (bytes, log_time));
            self.waiting.push_back((offset, Release::Rows(log_time, Arc::new(chunk), outputs)));
            if ends {
                self.waiting.push_back((offset, Release::Cut));
            }
            self.state.count_log_bytes(bytes);
        }
        self.publish_figures();
        Ok(())
    }

    /// Control records and ticks. A snapshot's shards all stand on the same side of a control record, and of a tick that looks at several of
    /// them.
    fn apply_other(&mut self, logged: Logged) -> Result<()> {
        let Logged { offset, log_time, bytes, what } = logged;
        if matches!(what, What::Control(..)) || self.state.has_thresholds() {
            while let Some(cycle) = self.cycle.as_mut().filter(|cycle| cycle.has_shards_left()) {
                cycle.take_shard(&mut self.state, &self.snapshots)?;
            }
        }
        match what {
            What::Control(control, reply) => {
                let (numbered, epoch) = *control;
                let output = self.state.apply_control(offset, log_time, (&numbered, Arc::clone(&epoch)))?;
                let note = output.note.clone();
                self.outputs.end_batch();
                self.waiting.push_back((offset, Release::Control(log_time, output)));
                if let Some(reply) = reply {
                    let applied = Applied { offset, log_time, epoch, note };
                    let call = move || drop(reply.send(Ok(applied)));
                    self.waiting.push_back((offset, Release::Call(Box::new(call))));
                }
            }
            What::Tick => {
                self.state.apply_tick(offset, log_time)?;
                if self.outputs.measure_tick(log_time) {
                    self.waiting.push_back((offset, Release::Cut));
                }
            }
            What::Events(..) => unreachable!("events are applied in groups"),
        }
        self.state.count_log_bytes(bytes);
        self.publish_figures();
        Ok(())
    }

    /// Answers between two records; what it rests on is everything applied so far.
    fn ask(&mut self, question: Question) {
        let answer = question(self);
        let rests_on = self.state.next_offset().saturating_sub(1);
        self.waiting.push_back((rests_on, Release::Call(answer)));
    }

    /// Lets go of everything that is durable now.
    fn release(&mut self) -> Result<()> {
        while let Some((offset, release)) = self.waiting.pop_front_if(|(offset, _)| *offset < self.durable_offset) {
            match release {
                Release::Answers(Answers::Whole(reply, done)) => reply.send(Ok(done)),
                Release::Answers(Answers::Each(replies)) => {
                    for (reply, outcome) in replies {
                        reply.send(Ok(match outcome {
                            Ok(counts) => Done { counts, rejected: Vec::new() },
                            Err(rejected) => Done { counts: Counts::default(), rejected: vec![rejected] },
                        }));
                    }
                }
                Release::Rows(logged_at, chunk, outputs) => {
                    let mark = LogMark { offset: offset + 1, logged_at };
                    for (chunk, outputs) in self.outputs.append(mark, chunk, outputs)? {
                        self.state.give_outputs(outputs);
                        self.chunks.give_shared(chunk);
                    }
                }
                Release::Control(logged_at, mut output) => {
                    self.state.keep_seal(&mut output)?;
                    self.outputs.control(LogMark { offset: offset + 1, logged_at }, output)?;
                }
                Release::Cut => self.outputs.cut(offset + 1)?,
                Release::Call(call) => call(),
            }
        }
        Ok(())
    }

    /// One step of a snapshot: begins one, takes a shard once the one before is written, or publishes it.
    fn step_snapshot(&mut self) -> Result<()> {
        // Asked first: what was published by then is told below, while the snapshot under way still says which runs it names.
        let is_idle = self.snapshots.is_idle();
        self.let_go()?;
        let Some(cycle) = &mut self.cycle else {
            if self.snapshots.is_due(self.state.log_bytes()) {
                self.cycle = Some(self.snapshots.begin(&mut self.state, self.outputs.measured()));
            }
            return Ok(());
        };
        if !is_idle {
            return Ok(());
        }
        if cycle.has_shards_left() {
            return cycle.take_shard(&mut self.state, &self.snapshots);
        }
        let safe = self.outputs.archived().min(self.durable_offset);
        if cycle.end_offset() <= safe {
            let cycle = self.cycle.take().expect("just seen");
            self.snapshots.publish(cycle)?;
        }
        Ok(())
    }

    /// Lets go of what the latest publication has made superfluous.
    fn let_go(&mut self) -> Result<()> {
        let Some(mut trim) = self.snapshots.take_trim()? else { return Ok(()) };
        self.cycle.iter().for_each(|cycle| cycle.add_runs(&mut trim.runs));
        self.status.snapshot_offset.store(trim.newest, Ordering::Release);
        self.snapshots.remove(Superfluous::Files(self.state.left_behind(&trim.runs)?))?;
        // The journal may be on its way out; then nothing is trimmed.
        let _ = self.journal.try_send(ToJournal::Trim(trim.before));
        Ok(())
    }

    /// The journal is gone: everything it wrote is durable, or never will be.
    fn finish(&mut self) -> Result<()> {
        self.release()?;
        self.refuse_all();
        let safe = self.outputs.archived().min(self.durable_offset);
        if let Some(mut cycle) = self.cycle.take() {
            while cycle.has_shards_left() {
                cycle.take_shard(&mut self.state, &self.snapshots)?;
            }
            if cycle.end_offset() <= safe {
                self.snapshots.publish(cycle)?;
            }
        }
        self.outputs.finish()?;
        self.snapshots.finish()
    }

    fn refuse_all(&mut self) {
        for (_, release) in self.waiting.drain(..) {
            match release {
                Release::Answers(Answers::Whole(reply, _)) => reply.send(Err(Refusal::LogFailed)),
                Release::Answers(Answers::Each(replies)) => {
                    replies.into_iter().for_each(|(reply, _)| reply.send(Err(Refusal::LogFailed)));
                }
                // Whoever asked hears that nobody answers.
                Release::Call(_) | Release::Rows(..) | Release::Control(..) | Release::Cut => {}
            }
        }
    }

    fn drain(&mut self) {
        let mut group = Vec::new();
        while self.inbox.receive(&mut group).is_ok() {
            for message in group.drain(..) {
                let ToEngine::Logged(Logged { what, .. }) = message else { continue };
                match what {
                    What::Events(_, Replies::Whole(reply, _)) => reply.send(Err(Refusal::LogFailed)),
                    What::Events(_, Replies::Each(replies)) => {
                        replies.into_iter().for_each(|(_, reply)| reply.send(Err(Refusal::LogFailed)));
                    }
                    What::Control(_, Some(reply)) => drop(reply.send(Err(Refusal::LogFailed))),
                    What::Events(_, Replies::None) | What::Control(_, None) | What::Tick => {}
                }
            }
        }
    }

    fn publish_figures(&self) {
        self.status.applied_offset.store(self.state.next_offset(), Ordering::Release);
        self.status.identities.store(self.state.identities(), Ordering::Release);
        if let Some(archived) = self.outputs.archive_offset() {
            self.status.archived_offset.store(archived, Ordering::Release);
        }
    }
}

/// The verdicts of a record together.
fn counts(outputs: &[ShardOutput]) -> Counts {
    let mut counts = Counts::default();
    outputs.iter().flat_map(|output| &output.verdicts).for_each(|verdict| counts.add(*verdict));
    counts
}

/// The verdict of each event for whoever sent it.
fn each(chunk: &Chunk, outputs: &[ShardOutput], replies: Vec<(Result<u32, Rejected>, Reply)>) -> Answers {
    let mut of_position = vec![Counts::default(); replies.len()];
    for (batch, output) in chunk.batches.iter().zip(outputs) {
        for (event, verdict) in batch.events.iter().zip(&output.verdicts) {
            if let Some(counts) = of_position.get_mut(event.position as usize) {
                counts.add(*verdict);
            }
        }
    }
    let counts = |position: u32| of_position.get(position as usize).copied().unwrap_or_default();
    Answers::Each(replies.into_iter().map(|(place, reply)| (reply, place.map(counts))).collect())
}
