//! Puts what the workers rated of a chunk together again and hands it on, chunk after chunk in log order.

use std::sync::Arc;

use anyhow::{Context, Result};
use weir_handoff::Receiver;
use weir_model::event::Chunk;
use weir_model::rated::ShardOutput;

/// Where rated chunks go, in log order.
pub trait Sink: Send {
    /// Takes the outputs of all shards for one chunk.
    fn append(&mut self, chunk: Arc<Chunk>, outputs: Vec<ShardOutput>) -> Result<()>;

    /// Gives back what it does not need any more.
    fn take_used(&mut self) -> Option<(Arc<Chunk>, Vec<ShardOutput>)>;
}

/// A chunk that one worker has rated its part of.
pub struct RatedPart {
    pub chunk: Arc<Chunk>,
    /// By position in the worker's shards.
    pub outputs: Vec<(u16, ShardOutput)>,
}

/// How many shards there are, and how many workers share them.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// Outputs of a whole chunk.
    pub shards: usize,
    /// Parts of a whole chunk.
    pub workers: usize,
    /// Sequence number of the first chunk.
    pub first: u64,
}

/// Appends every chunk once all its parts are in; `recycle` takes its memory back.
pub fn reassemble(
    sink: &mut impl Sink,
    parts: &mut Receiver<RatedPart>,
    shape: Shape,
    recycle: impl Fn(Arc<Chunk>, Vec<ShardOutput>),
) -> Result<()> {
    let mut waiting: Vec<(Arc<Chunk>, usize, Vec<ShardOutput>)> = Vec::new();
    let mut next = shape.first;
    let mut group = Vec::new();
    while parts.receive(&mut group).is_ok() {
        for RatedPart { chunk, outputs } in group.drain(..) {
            let found = waiting.iter().position(|(known, ..)| known.sequence == chunk.sequence);
            let position = found.unwrap_or_else(|| {
                let empty = std::iter::repeat_with(ShardOutput::default).take(shape.shards).collect();
                waiting.push((Arc::clone(&chunk), 0, empty));
                waiting.len() - 1
            });
            drop(chunk);
            let (_, parts_in, whole) = &mut waiting[position];
            *parts_in += 1;
            for (shard, output) in outputs {
                whole[usize::from(shard)] = output;
            }
            let is_next = |(chunk, parts_in, _): &(Arc<Chunk>, usize, Vec<ShardOutput>)| {
                chunk.sequence == next && *parts_in == shape.workers
            };
            // Worker by worker, parts come in log order: only the chunk just completed can be next.
            if let Some(ready) = waiting.iter().position(is_next) {
                let (chunk, _, outputs) = waiting.swap_remove(ready);
                sink.append(chunk, outputs).context("the run's output could not be written")?;
                std::iter::from_fn(|| sink.take_used()).for_each(|(chunk, outputs)| recycle(chunk, outputs));
                next += 1;
            }
        }
    }
    Ok(())
}
