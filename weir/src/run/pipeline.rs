//! Spreads a run over threads: reading, decoding, rating and archiving overlap, and the result does not depend on how.
//!
//! Every worker both decodes and rates. It owns some of the shards and rates their batches in log order; when nothing is
//! ready to be rated it reads and decodes the next chunk. Decoded chunks go to all workers over bounded lock-free
//! queues; how far decoding may run ahead of rating is bounded too, so memory is. The one lock guards the reader and is
//! taken once per chunk. With an archive, one more thread takes rated chunks in log order and hands them to the archive's own.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, Thread};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use crossbeam_queue::ArrayQueue;
use weir_aggregator::CHUNKS_HELD_MAX;
use weir_handoff::{Receiver, Sender, bounded};
use weir_ingest::reader::{self, ReadProgress, Reader};
use weir_ingest::{DecodeScratch, Decoder};
use weir_model::event::Chunk;
use weir_model::rated::ShardOutput;
use weir_rater::{Rows, Shard};

use super::intake::Intake;
use super::reassembly::{RatedPart, Shape, Sink, reassemble};
use crate::failure::invalid_with_causes;

/// Chunks that a worker rates in one go, shard by shard: the longer it stays with a shard, the more of that shard's tables
/// is still known to the processor (a page that it has forgotten costs more than the cache miss itself).
const GROUP: usize = 16;
/// Chunks that may be decoded before the slowest worker has rated them: one group in hand and one to come.
const CHUNKS_AHEAD: usize = 2 * GROUP;
/// Rated chunks that wait for the archive.
const ARCHIVE_QUEUE: usize = 8;

/// What a shard fails at.
const IDENTITIES: &str = "identities beyond --memory";

/// What a run's threads leave behind.
pub struct Rated<S> {
    /// What was read from, at its end or pause.
    pub reader: Reader,
    /// All shards by number.
    pub shards: Vec<Shard>,
    /// What was read.
    pub intake: Intake,
    /// The sink, with everything appended.
    pub sink: Option<S>,
}

/// How a run is spread.
#[derive(Debug, Clone, Copy)]
pub struct Spread {
    /// Workers, at least 1.
    pub threads: usize,
    /// Whether rated rows are kept for the sink.
    pub rows: Rows,
}

/// Rates everything that `reader` gives. `on_progress` is called on this thread several times a second.
pub fn rate<S: Sink>(
    reader: Reader,
    decoder: &Decoder,
    shards: Vec<Shard>,
    (spread, mut sink): (Spread, Option<S>),
    mut on_progress: impl FnMut(&ReadProgress),
) -> Result<Rated<S>> {
    let (shared, inboxes) = Shared::new(reader, decoder, shards.len(), spread);
    let mut owned = deal(shards, spread.threads);
    let (mut rated, mut intake) = (Vec::new(), Intake::default());
    thread::scope(|scope| {
        let (sender, mut receiver) = bounded(ARCHIVE_QUEUE);
        let archive = sink.as_mut().map(|sink| {
            let shared = &shared;
            let shape = Shape { shards: shared.shards, workers: spread.threads, first: shared.first };
            let recycle = |chunk, outputs| shared.recycle(chunk, outputs);
            scope.spawn(move || shared.guard(|| reassemble(sink, &mut receiver, shape, recycle)))
        });
        let archived = archive.is_some();
        let mut workers = Vec::new();
        for ((number, shards), inbox) in owned.drain(..).enumerate().zip(inboxes) {
            let sender = archived.then(|| sender.clone());
            let worker = Worker::new((number, shards), inbox, sender, &shared);
            workers.push(scope.spawn(move || worker.shared.guard(|| worker.run())));
        }
        drop(sender);
        while !workers.iter().all(thread::ScopedJoinHandle::is_finished) {
            thread::park_timeout(Duration::from_millis(50));
            on_progress(&shared.lock_reader().progress());
        }
        // The first cause is what the user must read; that others stopped because of it says nothing.
        let mut failure: Option<anyhow::Error> = None;
        for worker in workers {
            match join(worker.join()) {
                Ok((shards, part)) => {
                    rated.extend(shards);
                    intake.add(part);
                }
                Err(error) => keep_cause(&mut failure, error),
            }
        }
        if let Some(Err(error)) = archive.map(|archive| join(archive.join())) {
            keep_cause(&mut failure, error);
        }
        failure.map_or(Ok(()), Err)
    })?;
    rated.sort_by_key(Shard::number);
    let reader = shared.reader.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(Rated { reader, shards: rated, intake, sink })
}

/// A thread stopped because another one failed.
#[derive(Debug)]
struct Stopped;

impl std::fmt::Display for Stopped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("stopped because another part of the run failed")
    }
}

impl std::error::Error for Stopped {}

fn keep_cause(failure: &mut Option<anyhow::Error>, error: anyhow::Error) {
    if failure.as_ref().is_none_or(anyhow::Error::is::<Stopped>) {
        *failure = Some(error);
    }
}

fn join<T>(joined: thread::Result<Result<T>>) -> Result<T> {
    joined.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
        Err(anyhow!("internal error: {}", text.unwrap_or("a thread panicked")))
    })
}

/// Shard `s` goes to worker `s mod threads`.
fn deal(shards: Vec<Shard>, threads: usize) -> Vec<Vec<Shard>> {
    let mut hands: Vec<Vec<Shard>> = std::iter::repeat_with(Vec::new).take(threads).collect();
    for (i, shard) in shards.into_iter().enumerate() {
        hands[i % threads].push(shard);
    }
    hands
}

/// What all threads of a run see.
struct Shared<'a> {
    reader: Mutex<Reader>,
    decoder: &'a Decoder,
    shards: usize,
    spread: Spread,
    /// Sequence number of the first chunk.
    first: u64,
    /// Decoded chunks on their way to each worker.
    inboxes: Vec<Sender<Arc<Chunk>>>,
    /// Sequence number of the chunk that each worker rates next.
    rated: Vec<AtomicU64>,
    /// Sequence number of the chunk to be read next.
    read: AtomicU64,
    exhausted: AtomicBool,
    stop: AtomicBool,
    /// Chunks whose memory can be used again.
    free_chunks: ArrayQueue<Chunk>,
    free_outputs: ArrayQueue<ShardOutput>,
    /// The thread that waits for them all.
    waiting: Thread,
}

impl<'a> Shared<'a> {
    /// With the workers' ends of the inboxes.
    fn new(
        reader: Reader,
        decoder: &'a Decoder,
        shards: usize,
        spread: Spread,
    ) -> (Shared<'a>, Vec<Receiver<Arc<Chunk>>>) {
        let in_flight = CHUNKS_AHEAD + spread.threads + ARCHIVE_QUEUE + CHUNKS_HELD_MAX;
        let first = reader.sequence();
        let (inboxes, receivers) = (0..spread.threads).map(|_| bounded(in_flight)).unzip();
        let shared = Shared {
            first,
            reader: Mutex::new(reader),
            decoder,
            shards,
            spread,
            inboxes,
            rated: (0..spread.threads).map(|_| AtomicU64::new(first)).collect(),
            read: AtomicU64::new(first),
            exhausted: AtomicBool::new(false),
            stop: AtomicBool::new(false),
            free_chunks: ArrayQueue::new(in_flight),
            free_outputs: ArrayQueue::new(in_flight * shards),
            waiting: thread::current(),
        };
        (shared, receivers)
    }

    fn lock_reader(&self) -> std::sync::MutexGuard<'_, Reader> {
        // A panic elsewhere ends the run anyway; reading progress after it does no harm.
        self.reader.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets every worker that sleeps look again at what it waits for.
    fn wake_all(&self) {
        self.inboxes.iter().for_each(Sender::wake);
    }

    /// Runs a thread's work so that its failure or panic stops the others.
    fn guard<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let mut guard = StopUnlessDone { shared: self, done: false };
        let result = work();
        guard.done = result.is_ok();
        result
    }

    /// Whether decoding may run further ahead of the slowest worker.
    fn may_read(&self) -> bool {
        let slowest = self.rated.iter().map(|rated| rated.load(Ordering::Acquire)).min().unwrap_or(0);
        self.read.load(Ordering::Acquire) < slowest + CHUNKS_AHEAD as u64
    }

    /// Gives outputs back, and a chunk's memory once nobody reads it any more.
    fn recycle(&self, chunk: Arc<Chunk>, outputs: Vec<ShardOutput>) {
        for mut output in outputs {
            output.clear();
            let _ = self.free_outputs.push(output);
        }
        if let Some(mut chunk) = Arc::into_inner(chunk) {
            chunk.clear();
            // If there is no room, the memory goes back to the allocator.
            let _ = self.free_chunks.push(chunk);
        }
    }

    fn free_output(&self) -> ShardOutput {
        self.free_outputs.pop().unwrap_or_default()
    }
}

struct StopUnlessDone<'s, 'a> {
    shared: &'s Shared<'a>,
    done: bool,
}

impl Drop for StopUnlessDone<'_, '_> {
    fn drop(&mut self) {
        if !self.done {
            self.shared.stop.store(true, Ordering::Release);
            self.shared.wake_all();
        }
        self.shared.waiting.unpark();
    }
}

struct Worker<'s, 'a> {
    number: usize,
    shards: Vec<Shard>,
    inbox: Receiver<Arc<Chunk>>,
    archive: Option<Sender<RatedPart>>,
    shared: &'s Shared<'a>,
    /// Chunks that came out of the inbox just now.
    group: Vec<Arc<Chunk>>,
    /// Chunks that wait for their turn, in log order.
    early: Vec<Arc<Chunk>>,
    /// The sequence number of the chunk to rate next.
    next: u64,
    scratch: DecodeScratch,
    output: ShardOutput,
    intake: Intake,
}

impl<'s, 'a> Worker<'s, 'a> {
    fn new(
        (number, shards): (usize, Vec<Shard>),
        inbox: Receiver<Arc<Chunk>>,
        archive: Option<Sender<RatedPart>>,
        shared: &'s Shared<'a>,
    ) -> Worker<'s, 'a> {
        Worker {
            number,
            shards,
            inbox,
            archive,
            shared,
            group: Vec::new(),
            early: Vec::new(),
            next: shared.first,
            scratch: DecodeScratch::default(),
            output: ShardOutput::default(),
            intake: Intake::default(),
        }
    }

    fn run(mut self) -> Result<(Vec<Shard>, Intake)> {
        loop {
            if self.shared.stop.load(Ordering::Acquire) {
                return Err(Stopped.into());
            }
            // Loaded before `read`: once it is set, `read` is final.
            let exhausted = self.shared.exhausted.load(Ordering::Acquire);
            let may_read = !exhausted && self.shared.may_read();
            let ready = self.take_ready();
            if ready >= GROUP || (ready > 0 && !may_read) {
                self.rate(ready.min(GROUP))?;
            } else if exhausted && self.next == self.shared.read.load(Ordering::Acquire) {
                return Ok((self.shards, self.intake));
            } else if may_read {
                self.decode()?;
            } else {
                self.sleep();
            }
        }
    }

    /// Sleeps until the next chunk is decoded, another may be, or nothing is left to do.
    fn sleep(&self) {
        let Shared { stop, exhausted, read, .. } = self.shared;
        let is_done = || exhausted.load(Ordering::Acquire) && self.next == read.load(Ordering::Acquire);
        let may_read = || !exhausted.load(Ordering::Acquire) && self.shared.may_read();
        self.inbox.wait(|| stop.load(Ordering::Acquire) || is_done() || may_read());
    }

    /// Takes in what has been decoded; how many chunks are there from the one whose turn it is.
    fn take_ready(&mut self) -> usize {
        self.inbox.drain(&mut self.group);
        for chunk in self.group.drain(..) {
            let place = self.early.partition_point(|early| early.sequence < chunk.sequence);
            self.early.insert(place, chunk);
        }
        self.early.iter().zip(self.next..).take_while(|(chunk, next)| chunk.sequence == *next).count()
    }

    /// Reads and decodes the next chunk for everybody, if there is one.
    fn decode(&mut self) -> Result<()> {
        let mut chunk = self.shared.free_chunks.pop().unwrap_or_else(|| Chunk::new(self.shared.shards));
        let piece = {
            let mut reader = self.shared.lock_reader();
            let piece = reader.next(&mut chunk).map_err(invalid_with_causes)?;
            match piece {
                Some(_) => self.shared.read.fetch_add(1, Ordering::AcqRel),
                None => u64::from(self.shared.exhausted.swap(true, Ordering::AcqRel)),
            };
            piece
        };
        let Some(piece) = piece else {
            self.shared.wake_all();
            return Ok(());
        };
        reader::decode(piece, self.shared.decoder, &mut chunk, &mut self.scratch);
        self.intake.count(&chunk);
        let chunk = Arc::new(chunk);
        for inbox in &self.shared.inboxes {
            let sent = inbox.try_send(Arc::clone(&chunk));
            assert!(sent.is_ok() || inbox.is_closed(), "reading ahead is bounded by what an inbox holds");
        }
        Ok(())
    }

    /// Rates this worker's shards of the next `count` chunks, which are there.
    fn rate(&mut self, count: usize) -> Result<()> {
        let mut outputs: Vec<Vec<(u16, ShardOutput)>> = self.early.iter().take(count).map(|_| Vec::new()).collect();
        for shard in &mut self.shards {
            for (chunk, outputs) in self.early.iter().zip(&mut outputs) {
                let batch = &chunk.batches[usize::from(shard.number())];
                if self.archive.is_some() {
                    let mut output = self.shared.free_output();
                    shard.apply(&chunk.text, batch, self.shared.spread.rows, &mut output).context(IDENTITIES)?;
                    outputs.push((shard.number(), output));
                } else {
                    self.output.clear();
                    shard.apply(&chunk.text, batch, Rows::Count, &mut self.output).context(IDENTITIES)?;
                }
            }
        }
        for (chunk, outputs) in self.early.drain(..count).zip(outputs) {
            self.next += 1;
            self.shared.rated[self.number].store(self.next, Ordering::Release);
            self.shared.wake_all();
            match &self.archive {
                Some(archive) => archive.send(RatedPart { chunk, outputs }).map_err(|_| Stopped)?,
                None => self.shared.recycle(chunk, Vec::new()),
            }
        }
        Ok(())
    }
}
