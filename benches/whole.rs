//! The whole path on one thread, from a file to every customer's totals: reading, decoding, rating, closing.
#![allow(missing_docs, reason = "criterion's macros write undocumented functions")]

use std::convert::Infallible;
use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use weir_benches::{Input, SHARDS, criterion};
use weir_ingest::DecodeScratch;
use weir_ingest::input::expand;
use weir_ingest::reader::{Reader, ReaderSettings, decode};
use weir_loadtest::job::Shape;
use weir_model::event::Chunk;
use weir_model::rated::ShardOutput;
use weir_rater::close::{Close, Settled, default_through, seal};
use weir_rater::{Rows, Shard};

fn whole(c: &mut Criterion) {
    let input = Input::of(Shape::JOB_J);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("events.ndjson");
    let answer = input.job.write(&mut File::create(&path).expect("a file")).expect("room for a file");
    assert_eq!(fs::metadata(&path).expect("a file").len(), answer.bytes);
    let mut group = c.benchmark_group("whole");
    group.throughput(input.throughput());
    group.bench_function("file-to-totals", |b| b.iter(|| assert_eq!(run(&path, &input), answer.totals)));
    group.finish();
}

/// The number of totals.
fn run(path: &Path, input: &Input) -> u64 {
    let mut shards = input.shards();
    rate(path, input, &mut shards);
    let through = default_through(&shards).expect("usage");
    seal(&mut shards, &input.plan, through).expect("figures that fit");
    let close = Close::new(&shards, Arc::clone(&input.plan), through, Settled::new()).expect("figures that fit");
    let mut totals = 0;
    let visited: Result<(), Infallible> = close.for_each(|period| {
        totals += u64::try_from(period.buckets().count()).unwrap_or(u64::MAX);
        Ok(())
    });
    visited.unwrap_or_else(|never| match never {});
    totals
}

fn rate(path: &Path, input: &Input, shards: &mut [Shard]) {
    let inputs = expand(&[path.display().to_string()], None).expect("a file");
    let mut reader = Reader::open(inputs, None, ReaderSettings::default()).expect("NDJSON needs no mapping");
    let (mut chunk, mut scratch) = (Chunk::new(usize::from(SHARDS)), DecodeScratch::new());
    let mut output = ShardOutput::default();
    while let Some(piece) = reader.next(&mut chunk).expect("a whole file") {
        decode(piece, &input.decoder, &mut chunk, &mut scratch);
        for (shard, batch) in shards.iter_mut().zip(&chunk.batches) {
            shard.apply(&chunk.text, batch, Rows::Count, &mut output).expect("identities stay in memory");
            output.clear();
        }
        chunk.clear();
    }
}

criterion_group! { name = benches; config = criterion(); targets = whole }
criterion_main!(benches);
