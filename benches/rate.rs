//! Decoded events through the shards, from dedup to the amount of each, with one tier and with eight, counted and kept, and counted by hour and
//! customer too, as a server does.
#![allow(missing_docs, reason = "criterion's macros write undocumented functions")]

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use weir_benches::{Input, apply, criterion};
use weir_loadtest::job::Shape;
use weir_model::time::Instant;
use weir_rater::{Rows, Shard};

/// A name, what becomes of rows, and shards to begin with.
type Way<'w> = (&'w str, Rows, &'w dyn Fn() -> Vec<Shard>);

fn rate(c: &mut Criterion) {
    let mut group = c.benchmark_group("rate");
    for tiers in [1, 8] {
        let input = Input::of(Shape { tiers, ..Shape::JOB_J });
        let chunks = input.chunks();
        group.throughput(input.throughput());
        let in_an_hour = || {
            let mut shards = input.shards();
            for shard in &mut shards {
                shard.advance(Instant::EVENT_MIN).expect("identities stay in memory");
            }
            shards
        };
        let ways: [Way<'_>; 3] = [
            ("counted", Rows::Count, &|| input.shards()),
            ("by-hour", Rows::Count, &in_an_hour),
            ("kept", Rows::Keep, &|| input.shards()),
        ];
        for (name, rows, shards) in ways {
            group.bench_function(format!("{tiers}-tiers-{name}"), |b| {
                b.iter_batched_ref(shards, |shards| apply(shards, &chunks, rows), BatchSize::PerIteration);
            });
        }
    }
    group.finish();
}

criterion_group! { name = benches; config = criterion(); targets = rate }
criterion_main!(benches);
