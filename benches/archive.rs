//! Rated chunks into an archive: events and rated rows as Parquet, written and synced.
#![allow(missing_docs, reason = "criterion's macros write undocumented functions")]

use std::path::Path;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use weir_aggregator::{Archive, ArchiveSettings};
use weir_benches::{Input, criterion};
use weir_loadtest::job::Shape;
use weir_model::event::Chunk;
use weir_model::rated::ShardOutput;
use weir_rater::Rows;

fn archive(c: &mut Criterion) {
    let input = Input::of(Shape::JOB_J);
    let mut shards = input.shards();
    let rated: Vec<(Arc<Chunk>, Vec<ShardOutput>)> = input
        .chunks()
        .into_iter()
        .map(|chunk| {
            let mut outputs = Vec::new();
            for (shard, batch) in shards.iter_mut().zip(&chunk.batches) {
                let mut output = ShardOutput::default();
                shard.apply(&chunk.text, batch, Rows::Keep, &mut output).expect("identities stay in memory");
                outputs.push(output);
            }
            (Arc::new(chunk), outputs)
        })
        .collect();
    let mut group = c.benchmark_group("archive");
    group.throughput(input.throughput());
    group.bench_function("write", |b| {
        let given = || (tempfile::tempdir().expect("a temporary folder"), rated.clone());
        b.iter_batched_ref(
            given,
            |(folder, rated)| write(folder.path(), std::mem::take(rated), &input),
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

fn write(folder: &Path, rated: Vec<(Arc<Chunk>, Vec<ShardOutput>)>, input: &Input) {
    let catalog = Arc::clone(input.plan.catalog());
    let inputs = vec!["events.ndjson".to_owned()];
    let mut archive = Archive::create(folder, catalog, ArchiveSettings::default(), inputs).expect("an empty folder");
    for (chunk, outputs) in rated {
        archive.append(chunk, outputs).expect("room for a batch");
    }
    archive.finish().expect("room for an archive");
}

criterion_group! { name = benches; config = criterion(); targets = archive }
criterion_main!(benches);
