//! The log read again: the same state and the same batches as when it was written, without anybody who waits.
//!
//! One thread reads and decodes, another one applies what it hands over, in groups as the engine does.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread;

use anyhow::{Context, Result, anyhow, bail};
use weir_aggregator::LogMark;
use weir_ingest::DecodeScratch;
use weir_log::{Reader, Record};
use weir_model::event::Chunk;
use weir_model::rated::ShardOutput;

use super::admission::Chunks;
use super::apply::Applier;
use super::archive::Outputs;
use super::epoch::Epoch;
use super::message::{Logged, Replies, What};
use super::record::{self, Numbered};

/// Records that wait to be applied.
const DECODED_MAX: usize = 32;
/// Records of events that are applied together.
const GROUP: usize = 16;

/// Reads the log's records as the journal made them.
pub struct LogReader {
    reader: Reader,
    /// What is in force behind the last record.
    epoch: Arc<Epoch>,
    chunks: Arc<Chunks>,
    scratch: DecodeScratch,
}

impl LogReader {
    /// `epoch` is what is in force before the reader's first record.
    pub fn new(reader: Reader, epoch: Arc<Epoch>, chunks: Arc<Chunks>) -> LogReader {
        LogReader { reader, epoch, chunks, scratch: DecodeScratch::new() }
    }

    fn next(&mut self) -> Result<Option<Logged>> {
        let Some(record) = self.reader.read().context("cannot read the log")? else { return Ok(None) };
        let logged = decode(&record, (&self.epoch, &self.chunks), &mut self.scratch)
            .with_context(|| format!("cannot read record {} of the log", record.offset))?;
        if let What::Control(control, _) = &logged.what {
            self.epoch = Arc::clone(&control.1);
        }
        Ok(Some(logged))
    }
}

/// A record as the journal made it.
fn decode(record: &Record<'_>, (epoch, chunks): (&Epoch, &Chunks), scratch: &mut DecodeScratch) -> Result<Logged> {
    let what = match record.kind {
        record::TICK => What::Tick,
        record::CONTROL => {
            let numbered: Numbered = serde_json::from_slice(record.payload)?;
            let mut control = epoch.control.clone();
            control.apply(&numbered)?;
            What::Control(Box::new((numbered, Arc::new(Epoch::follow(control, epoch, None)?))), None)
        }
        record::LINES | record::MIXED | record::COLUMNS => {
            let rules = epoch.rules.as_ref().context("events stand before the first catalog")?;
            let (rejected, events) = match record.kind {
                record::LINES => (Vec::new(), record.payload),
                _ => record::parts(record.payload).context("its parts do not fit together")?,
            };
            let mut chunk: Chunk;
            if record.kind == record::COLUMNS {
                let left_out: HashSet<u64> = rejected.iter().map(|rejected| rejected.index).collect();
                chunk = super::columns::decode(events, &rules.decoder, chunks.take(), &left_out)?;
            } else {
                chunk = chunks.take();
                chunk.text.extend_from_slice(events);
                rules.decoder.decode_ndjson(&mut chunk, scratch);
            }
            if !chunk.rejected.is_empty() {
                bail!("an event that was accepted does not decode any more: {}", chunk.rejected[0].sentence);
            }
            super::journal::keep_rejected(&mut chunk, &rejected);
            super::journal::fix_times(&mut chunk, record.log_time);
            What::Events(chunk, Replies::None)
        }
        other => bail!("its kind is {}, which this version does not know", other.code()),
    };
    Ok(Logged { offset: record.offset, log_time: record.log_time, bytes: record.payload.len() as u64, what })
}

/// Applies records of a log that is durable as a whole.
pub struct Replay {
    state: Applier,
    outputs: Outputs,
    chunks: Arc<Chunks>,
}

impl Replay {
    /// Goes on from a state.
    pub fn new(state: Applier, outputs: Outputs, chunks: Arc<Chunks>) -> Replay {
        Replay { state, outputs, chunks }
    }

    /// Applies all that there is to read; how many records that were, and how many events.
    pub fn read(&mut self, mut log: LogReader) -> Result<(u64, u64)> {
        thread::scope(|scope| {
            // Goes with this closure: where applying fails, decoding ends.
            let (sender, decoded) = sync_channel(DECODED_MAX);
            let decoding = scope.spawn(move || {
                while let Some(logged) = log.next()? {
                    if sender.send(logged).is_err() {
                        // Whoever applies says why.
                        break;
                    }
                }
                anyhow::Ok(())
            });
            let (mut records, mut events) = (0, 0);
            let mut group = Vec::with_capacity(GROUP);
            while let Ok(logged) = decoded.recv() {
                group.push(logged);
                group.extend(decoded.try_iter().take(GROUP - 1));
                records += group.len() as u64;
                events += group.iter().map(Logged::events).sum::<u64>();
                self.apply(&mut group)?;
            }
            decoding.join().map_err(|_| anyhow!("internal error: the thread that reads the log panicked"))??;
            Ok((records, events))
        })
    }

    /// Applies the next records.
    fn apply(&mut self, group: &mut Vec<Logged>) -> Result<()> {
        let mut events = Vec::with_capacity(group.len());
        for logged in group.drain(..) {
            if matches!(logged.what, What::Events(..)) {
                events.push(logged);
            } else {
                self.apply_events(&mut events)?;
                self.apply_other(&logged)?;
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
            let What::Events(chunk, _) = what else { continue };
            self.state.count_log_bytes(bytes);
            let ends = self.outputs.measure(&chunk, (bytes, log_time));
            self.append(LogMark { offset: offset + 1, logged_at: log_time }, Arc::new(chunk), outputs)?;
            if ends {
                self.outputs.cut(offset + 1)?;
            }
        }
        Ok(())
    }

    fn apply_other(&mut self, logged: &Logged) -> Result<()> {
        let Logged { offset, log_time, bytes, ref what } = *logged;
        self.state.count_log_bytes(bytes);
        match what {
            What::Control(control, _) => {
                let (numbered, epoch) = &**control;
                let mut output = self.state.apply_control(offset, log_time, (numbered, Arc::clone(epoch)))?;
                self.state.keep_seal(&mut output)?;
                self.outputs.end_batch();
                self.outputs.control(LogMark { offset: offset + 1, logged_at: log_time }, output)
            }
            What::Tick => {
                self.state.apply_tick(offset, log_time)?;
                if self.outputs.measure_tick(log_time) { self.outputs.cut(offset + 1) } else { Ok(()) }
            }
            What::Events(..) => unreachable!("events are applied in groups"),
        }
    }

    /// The state after the last record, and where rows go on.
    pub fn finish(self) -> (Applier, Outputs) {
        (self.state, self.outputs)
    }

    fn append(&mut self, mark: LogMark, chunk: Arc<Chunk>, outputs: Vec<ShardOutput>) -> Result<()> {
        for (chunk, outputs) in self.outputs.append(mark, chunk, outputs)? {
            self.state.give_outputs(outputs);
            self.chunks.give_shared(chunk);
        }
        Ok(())
    }
}
