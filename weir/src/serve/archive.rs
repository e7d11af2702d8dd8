//! Rows on their way out: where output batches end, and the archive that takes them (design.md 4.6, L7).
//!
//! Owns: the rule that cuts batches, a function of the log alone: so many events, so many bytes, or so much log time; and at every control
//! record. Does not own: files (`weir_aggregator::Outbox`).

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use weir_aggregator::{LogMark, Outbox};
use weir_model::event::Chunk;
use weir_model::rated::{Openings, ShardOutput};
use weir_model::time::Instant;

use super::apply::ControlOutput;

/// Bytes of log that a batch holds, at most, but for one record.
const BATCH_BYTES_MAX: u64 = 512 << 20;
/// Bytes of rows that a batch holds, at most, but for one record's.
const ROW_BYTES_MAX: usize = 512 << 20;

/// When a batch ends.
#[derive(Debug, Clone, Copy)]
pub struct BatchLimits {
    /// Events.
    pub events: u64,
    /// Log time.
    pub span: Duration,
}

/// What the present batch holds; a part of snapshots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Measured {
    /// Events.
    pub events: u64,
    /// Bytes of log.
    pub bytes: u64,
    /// Log time of its first record, in microseconds; `None`: it is empty.
    pub began_us: Option<i64>,
}

/// Where rows go.
pub struct Outputs {
    limits: BatchLimits,
    measured: Measured,
    outbox: Option<Outbox>,
}

impl Outputs {
    /// Batches that go on where a snapshot left them; without an outbox rows go nowhere.
    pub fn new(limits: BatchLimits, measured: Measured, outbox: Option<Outbox>) -> Outputs {
        Outputs { limits, measured, outbox }
    }

    /// What the present batch holds.
    pub fn measured(&self) -> Measured {
        self.measured
    }

    /// Counts a record; whether the batch ends behind it.
    pub fn measure(&mut self, chunk: &Chunk, (bytes, log_time): (u64, Instant)) -> bool {
        self.measured.events += chunk.received;
        self.measured.bytes += bytes;
        self.measured.began_us.get_or_insert(log_time.micros());
        self.ends(log_time)
    }

    /// Time passes; whether the batch ends now.
    pub fn measure_tick(&mut self, log_time: Instant) -> bool {
        self.ends(log_time)
    }

    /// The batch ends behind the present record.
    pub fn end_batch(&mut self) {
        self.measured = Measured::default();
    }

    /// Takes all buckets of a shard that was restored.
    pub fn tell(&mut self, shard: u16, opened: Openings) -> Result<()> {
        self.outbox.as_mut().map_or(Ok(()), |outbox| Ok(outbox.tell(shard, opened)?))
    }

    /// Takes a record's rows, which are durable in the log; gives back memory that is not needed any more.
    pub fn append(
        &mut self,
        mark: LogMark,
        chunk: Arc<Chunk>,
        outputs: Vec<ShardOutput>,
    ) -> Result<Vec<(Arc<Chunk>, Vec<ShardOutput>)>> {
        let Some(outbox) = &mut self.outbox else { return Ok(vec![(chunk, outputs)]) };
        outbox.append(mark, chunk, outputs)?;
        // Rows may be many more than events. The size is a function of the log since the batch before, too.
        if outbox.batch_size().bytes >= ROW_BYTES_MAX {
            outbox.cut(mark.offset)?;
        }
        Ok(std::iter::from_fn(|| outbox.take_used()).collect())
    }

    /// Takes what a control record did. It has a batch of its own, so that a file has one catalog.
    pub fn control(&mut self, mark: LogMark, output: ControlOutput) -> Result<()> {
        let Some(outbox) = &mut self.outbox else { return Ok(()) };
        outbox.cut(mark.offset - 1)?;
        if let Some(rules) = output.epoch.as_ref().and_then(|epoch| epoch.rules.as_ref()) {
            outbox.set_catalog(Arc::clone(&rules.catalog))?;
        }
        for (shard, bucket) in &output.opened {
            outbox.opened(*shard, bucket)?;
        }
        for row in &output.rows {
            outbox.settle(mark, row)?;
        }
        Ok(outbox.cut(mark.offset)?)
    }

    /// Ends the batch; `offset` is that of the record behind it.
    pub fn cut(&mut self, offset: u64) -> Result<()> {
        self.outbox.as_mut().map_or(Ok(()), |outbox| Ok(outbox.cut(offset)?))
    }

    /// Everything below this offset is archived, if there is an archive.
    pub fn archive_offset(&self) -> Option<u64> {
        self.outbox.as_ref().map(Outbox::archived)
    }

    /// Everything below this offset is archived; without an archive nothing waits for it.
    pub fn archived(&self) -> u64 {
        self.archive_offset().unwrap_or(u64::MAX)
    }

    /// Waits until all batches that have ended are written.
    pub fn finish(&mut self) -> Result<()> {
        self.outbox.take().map_or(Ok(()), |outbox| outbox.finish().map(|_| ()).context("cannot finish the archive"))
    }

    fn ends(&mut self, log_time: Instant) -> bool {
        let Some(began) = self.measured.began_us else { return false };
        let span_us = i64::try_from(self.limits.span.as_micros()).unwrap_or(i64::MAX);
        let ends = self.measured.events >= self.limits.events
            || self.measured.bytes >= BATCH_BYTES_MAX
            || log_time.micros().saturating_sub(began) >= span_us;
        if ends {
            self.end_batch();
        }
        ends
    }
}
