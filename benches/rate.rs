//! Decoded events through the shards, from dedup to the amount of each, with one tier and with eight, counted and kept.
#![allow(missing_docs, reason = "criterion's macros write undocumented functions")]

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use weir_benches::{Input, apply, criterion};
use weir_loadtest::job::Shape;
use weir_rater::Rows;

fn rate(c: &mut Criterion) {
    let mut group = c.benchmark_group("rate");
    for tiers in [1, 8] {
        let input = Input::of(Shape { tiers, ..Shape::JOB_J });
        let chunks = input.chunks();
        group.throughput(input.throughput());
        for (name, rows) in [("counted", Rows::Count), ("kept", Rows::Keep)] {
            group.bench_function(format!("{tiers}-tiers-{name}"), |b| {
                b.iter_batched_ref(|| input.shards(), |shards| apply(shards, &chunks, rows), BatchSize::PerIteration);
            });
        }
    }
    group.finish();
}

criterion_group! { name = benches; config = criterion(); targets = rate }
criterion_main!(benches);
