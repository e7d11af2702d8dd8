//! What a group costs until it is durable, and without the sync; what reading costs. On the disk of the temporary folder, or of
//! `WEIR_BENCH_DIR`.
#![allow(missing_docs, reason = "criterion's macros write undocumented functions")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tempfile::TempDir;
use weir_files::Disk;
use weir_log::{DeploymentId, Entry, Kind, Settings, Writer, open};
use weir_model::time::Instant as LogTime;

const KIND: Kind = Kind::new(1).unwrap();
const START: LogTime = LogTime::from_micros(0);

/// A log, and its folder, which goes with it.
struct Bench {
    log: Writer,
    _folder: TempDir,
}

impl Bench {
    fn new() -> Bench {
        let parent = std::env::var_os("WEIR_BENCH_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
        let folder = tempfile::tempdir_in(parent).expect("a temporary folder");
        let settings = Settings {
            folder: String::new(),
            deployment: DeploymentId([7; 16]),
            segment_bytes: Settings::SEGMENT_BYTES,
            reserve_bytes: 0,
        };
        let (log, _) = open(Arc::new(Disk::new(folder.path())), settings, 0, START).expect("an empty folder");
        Bench { log, _folder: folder }
    }

    fn write(&mut self, entries: &[Entry<'_>]) {
        self.log.write(entries, START).expect("room for a group");
        // A bench may write more than the disk has room for.
        self.log.trim(self.log.durable_offset()).remove().expect("the oldest segments go");
    }
}

fn measures() -> bool {
    std::env::args().any(|argument| argument == "--bench")
}

fn body(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|at| (at.wrapping_mul(2_654_435_761) >> 13).to_le_bytes()[0]).collect()
}

/// Groups until they are durable: one write and one sync.
fn group(c: &mut Criterion) {
    let bodies: &[usize] = if measures() { &[250, 250_000] } else { &[250] };
    let mut group = c.benchmark_group("group");
    for bytes in bodies {
        let body = body(*bytes);
        for count in [1, 10, 100] {
            let entries = vec![Entry { kind: KIND, payload: &body }; count];
            let mut bench = Bench::new();
            group.throughput(Throughput::Bytes((bytes * count) as u64));
            group.bench_function(BenchmarkId::new(format!("{bytes} B"), count), |b| {
                b.iter(|| {
                    bench.write(&entries);
                    bench.log.sync().expect("a disk that syncs")
                });
            });
        }
    }
    group.finish();
}

/// A group into the page cache: checksums and copies. Syncs are not in the time.
fn write(c: &mut Criterion) {
    let mut group = c.benchmark_group("write");
    for (body, count) in shapes() {
        let entries = vec![Entry { kind: KIND, payload: &body }; count];
        let mut bench = Bench::new();
        group.throughput(Throughput::Bytes((body.len() * count) as u64));
        group.bench_function(format!("{} B", body.len()), |b| {
            b.iter_custom(|groups| {
                let mut time = Duration::ZERO;
                for _ in 0..groups {
                    let started = Instant::now();
                    bench.write(&entries);
                    time += started.elapsed();
                    bench.log.sync().expect("a disk that syncs");
                }
                time
            });
        });
    }
    group.finish();
}

/// Records out of the page cache, verified.
fn read(c: &mut Criterion) {
    let mut group = c.benchmark_group("read");
    for (body, count) in shapes() {
        let mut bench = Bench::new();
        bench.write(&vec![Entry { kind: KIND, payload: &body }; count]);
        bench.log.sync().expect("a disk that syncs");
        group.throughput(Throughput::Bytes((body.len() * count) as u64));
        group.bench_function(format!("{} B", body.len()), |b| {
            b.iter(|| {
                let mut reader = bench.log.reader(0).expect("nothing was trimmed");
                let mut bytes = 0;
                while let Some(record) = reader.read().expect("nothing is damaged") {
                    bytes += record.payload.len();
                }
                bytes
            });
        });
    }
    group.finish();
}

/// Bodies, and how many of them are a group.
fn shapes() -> Vec<(Vec<u8>, usize)> {
    if measures() { vec![(body(250), 10_000), (body(250_000), 10)] } else { vec![(body(250), 4)] }
}

fn criterion() -> Criterion {
    Criterion::default().sample_size(20).warm_up_time(Duration::from_millis(500))
}

criterion_group! { name = benches; config = criterion(); targets = group, write, read }
criterion_main!(benches);
