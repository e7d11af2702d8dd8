//! Subjects to shards: the hash of every route key, and each event's number into its shard's list.
#![allow(missing_docs, reason = "criterion's macros write undocumented functions")]

use criterion::{Criterion, criterion_group, criterion_main};
use weir_benches::{Input, SHARDS, criterion};
use weir_loadtest::job::Shape;
use weir_model::hash::{HashKey, shard_of};

fn route(c: &mut Criterion) {
    let input = Input::of(Shape::JOB_J);
    let subject = |line| {
        let mut subject = Vec::new();
        input.job.event(line).write_subject(&mut subject);
        subject
    };
    let subjects: Vec<Vec<u8>> = (0..input.job.shape().lines).map(subject).collect();
    let mut shards: Vec<Vec<u32>> = vec![Vec::new(); usize::from(SHARDS)];
    let mut group = c.benchmark_group("route");
    group.throughput(input.throughput());
    group.bench_function("partition", |b| {
        b.iter(|| {
            shards.iter_mut().for_each(Vec::clear);
            for (number, subject) in (0..).zip(&subjects) {
                shards[shard_of(HashKey::FILES.route(subject), SHARDS)].push(number);
            }
        });
    });
    group.finish();
    assert_eq!(shards.iter().map(Vec::len).sum::<usize>(), subjects.len());
}

criterion_group! { name = benches; config = criterion(); targets = route }
criterion_main!(benches);
