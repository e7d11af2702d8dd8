//! What the benches measure on: a side-by-side job as text, as decoded chunks, and as a compiled plan.
//!
//! `cargo bench -p weir-benches [--bench NAME] [-- FILTER]` measures; without `--bench` among a bench's arguments, as under
//! `cargo test`, each one runs once over a few events, so that it cannot rot. Everything runs on one thread.
//!
//! Owns: input, its size, and the settings of criterion. Does not own: the job (`weir_loadtest::job`).

use std::sync::Arc;

use criterion::{Criterion, Throughput};
use weir_ingest::{DecodeScratch, Decoder};
use weir_loadtest::job::{Job, Shape};
use weir_model::catalog::{NoFiles, load};
use weir_model::event::Chunk;
use weir_model::hash::HashKey;
use weir_model::rated::ShardOutput;
use weir_rater::{RatingPlan, Rows, Shard};

/// As `weir run` has it.
pub const SHARDS: u16 = 16;
/// Text of a chunk, at least, as `weir run` has it.
const CHUNK_BYTES: usize = 1 << 20;

/// A job, ready for any stage.
#[derive(Debug)]
pub struct Input {
    /// The job.
    pub job: Job,
    /// Its catalog, compiled.
    pub plan: Arc<RatingPlan>,
    /// Its decoder.
    pub decoder: Decoder,
    /// Its lines in whole chunks.
    pub texts: Vec<Vec<u8>>,
}

impl Input {
    /// The job of a shape, with as many lines as a bench has time for.
    pub fn of(shape: Shape) -> Input {
        let job = Job::new(Shape { lines: lines(), ..shape }).expect("the shape has a job");
        let catalog = job.catalog();
        Input::priced_by(job, &catalog)
    }

    /// A job under another catalog than its own.
    pub fn priced_by(job: Job, catalog: &str) -> Input {
        let (catalog, _) = load("catalog.toml", catalog, &NoFiles).expect("the catalog is sound");
        let catalog = Arc::new(catalog);
        let decoder = Decoder::new(&catalog, HashKey::FILES, SHARDS);
        let plan = RatingPlan::compile(catalog, HashKey::FILES).expect("the catalog can be rated");
        Input { texts: texts(&job), plan: Arc::new(plan), decoder, job }
    }

    /// The events in columns.
    pub fn chunks(&self) -> Vec<Chunk> {
        let mut scratch = DecodeScratch::new();
        let decoded = |(sequence, text): (u64, &Vec<u8>)| {
            let mut chunk = Chunk::new(usize::from(SHARDS));
            (chunk.sequence, chunk.text) = (sequence, text.clone());
            self.decoder.decode_ndjson(&mut chunk, &mut scratch);
            assert_eq!(chunk.rejected, [], "every line is an event");
            chunk
        };
        (0..).zip(&self.texts).map(decoded).collect()
    }

    /// Shards without state.
    pub fn shards(&self) -> Vec<Shard> {
        (0..SHARDS).map(|number| Shard::new(number, SHARDS, Arc::clone(&self.plan))).collect()
    }

    /// One pass over all lines: events and bytes.
    pub fn throughput(&self) -> Throughput {
        let bytes: usize = self.texts.iter().map(Vec::len).sum();
        Throughput::ElementsAndBytes { elements: self.job.shape().lines, bytes: u64::try_from(bytes).unwrap_or(0) }
    }
}

/// Lines of a job: enough that the tables outgrow the caches, or a few when nothing is measured.
fn lines() -> u64 {
    let measures = std::env::args().any(|argument| argument == "--bench");
    if measures { 200_000 } else { 500 }
}

fn texts(job: &Job) -> Vec<Vec<u8>> {
    let mut texts = vec![Vec::new()];
    for line in 0..job.shape().lines {
        if texts.last().is_some_and(|text| text.len() >= CHUNK_BYTES) {
            texts.push(Vec::new());
        }
        if let Some(text) = texts.last_mut() {
            job.write_line(&job.event(line), text);
        }
    }
    texts
}

/// One pass of all events through the shards.
pub fn apply(shards: &mut [Shard], chunks: &[Chunk], rows: Rows) {
    let mut output = ShardOutput::default();
    for chunk in chunks {
        for (shard, batch) in shards.iter_mut().zip(&chunk.batches) {
            shard.apply(&chunk.text, batch, rows, &mut output).expect("identities stay in memory");
            output.clear();
        }
    }
}

/// Criterion for passes that take tens of milliseconds.
pub fn criterion() -> Criterion {
    Criterion::default().sample_size(20)
}
