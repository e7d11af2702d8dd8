//! The log read again: the same state and the same batches as when it was written, without anybody who waits.

use std::sync::Arc;

use anyhow::Result;
use weir_aggregator::LogMark;
use weir_model::event::Chunk;

use super::admission::Chunks;
use super::apply::Applier;
use super::archive::Outputs;
use super::epoch::Epoch;
use super::message::{Logged, What};

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

    /// The record to be applied next.
    pub fn next_offset(&self) -> u64 {
        self.state.next_offset()
    }

    /// What is in force.
    pub fn epoch(&self) -> &Epoch {
        &self.state.epoch
    }

    /// Memory for chunks.
    pub fn chunks(&self) -> &Chunks {
        &self.chunks
    }

    /// Applies the next record.
    pub fn apply(&mut self, mut logged: Logged) -> Result<()> {
        let (offset, log_time, bytes) = (logged.offset, logged.log_time, logged.bytes);
        let mark = LogMark { offset: offset + 1, logged_at: log_time };
        self.state.count_log_bytes(bytes);
        let ends = match &logged.what {
            What::Events(..) => {
                let outputs = self.state.apply_events(std::slice::from_mut(&mut logged))?;
                let What::Events(chunk, _) = logged.what else { unreachable!("just seen") };
                let ends = self.outputs.measure(&chunk, (bytes, log_time));
                self.append(mark, Arc::new(chunk), outputs.into_iter().next().unwrap_or_default())?;
                ends
            }
            What::Control(control, _) => {
                let (numbered, epoch) = &**control;
                let mut output = self.state.apply_control(offset, log_time, (numbered, Arc::clone(epoch)))?;
                self.state.keep_seal(&mut output)?;
                self.outputs.end_batch();
                self.outputs.control(mark, output)?;
                false
            }
            What::Tick => {
                self.state.apply_tick(offset, log_time)?;
                self.outputs.measure_tick(log_time)
            }
        };
        if ends { self.outputs.cut(offset + 1) } else { Ok(()) }
    }

    /// The state after the last record, and where rows go on.
    pub fn finish(self) -> (Applier, Outputs) {
        (self.state, self.outputs)
    }

    fn append(&mut self, mark: LogMark, chunk: Arc<Chunk>, outputs: Vec<weir_model::rated::ShardOutput>) -> Result<()> {
        for (chunk, outputs) in self.outputs.append(mark, chunk, outputs)? {
            self.state.give_outputs(outputs);
            self.chunks.give_shared(chunk);
        }
        Ok(())
    }
}
