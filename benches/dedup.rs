//! Identities alone: events that are all known, and events that are all new but of types that nobody meters.
#![allow(missing_docs, reason = "criterion's macros write undocumented functions")]

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use weir_benches::{Input, apply, criterion};
use weir_loadtest::job::Shape;
use weir_rater::Rows;

fn dedup(c: &mut Criterion) {
    let priced = Input::of(Shape::JOB_J);
    let unmetered = priced.job.catalog().replace("\"meter.", "\"other.");
    let input = Input::priced_by(priced.job, &unmetered);
    let chunks = input.chunks();
    let mut group = c.benchmark_group("dedup");
    group.throughput(input.throughput());
    let mut shards = input.shards();
    apply(&mut shards, &chunks, Rows::Count);
    group.bench_function("known", |b| b.iter(|| apply(&mut shards, &chunks, Rows::Count)));
    group.bench_function("new", |b| {
        b.iter_batched_ref(|| input.shards(), |shards| apply(shards, &chunks, Rows::Count), BatchSize::PerIteration);
    });
    group.finish();
}

criterion_group! { name = benches; config = criterion(); targets = dedup }
criterion_main!(benches);
