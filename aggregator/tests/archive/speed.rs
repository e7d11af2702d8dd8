//! How fast archive and outbox encode: a few chunks in a test, `WEIR_ARCHIVE_EVENTS` events in release mode when asked.
//! `WEIR_ARCHIVE_EVENTS=8000000 cargo test --release -p weir-aggregator --test archive -- speed --nocapture`

use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant as Clock};

use weir_aggregator::{Archive, ArchiveSettings, LogMark, Outbox};
use weir_files::Disk;
use weir_model::catalog::{Catalog, ChargeIdx};
use weir_model::event::Chunk;
use weir_model::hash::{Fingerprint, HashKey};
use weir_model::price::CellIdx;
use weir_model::rated::ShardOutput;
use weir_model::time::Instant;
use weir_model::verdict::Verdict;

use crate::log::OWNER;
use crate::support::*;

const SHARDS: usize = 16;
const CHUNK_EVENTS: u64 = 4300;
const CUSTOMERS: u64 = 100_000;
const CHARGES: u64 = 20;

/// splitmix64: a well-mixed number for each index.
fn mix(index: u64) -> u64 {
    let mut z = index.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Processor time, so that a busy machine does not spoil the figure; wall time where the system tells none.
struct Meter(Clock);

impl Meter {
    /// Of the whole process: the archive has threads of its own.
    fn process(&self) -> Duration {
        let stat = std::fs::read_to_string("/proc/self/stat").ok();
        let ticks = stat.and_then(|stat| {
            let fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11).take(2);
            Some(fields.filter_map(|ticks| ticks.parse::<u64>().ok()).sum())
        });
        // Linux counts in hundredths of a second.
        ticks.map_or_else(|| self.0.elapsed(), |ticks: u64| Duration::from_millis(10 * ticks))
    }

    /// Of this thread.
    fn thread(&self) -> Duration {
        let stat = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
        let on_cpu = stat.and_then(|stat| stat.split_whitespace().next().and_then(|nanos| nanos.parse().ok()));
        on_cpu.map_or_else(|| self.0.elapsed(), Duration::from_nanos)
    }
}

/// Chunks, and whether somebody asked for the figure.
fn chunks() -> (u64, bool) {
    let asked = std::env::var("WEIR_ARCHIVE_EVENTS").ok().map(|text| text.parse::<u64>().unwrap());
    (asked.unwrap_or(3 * CHUNK_EVENTS) / CHUNK_EVENTS, asked.is_some())
}

fn twenty_charges() -> Arc<Catalog> {
    let mut catalog = (*catalog()).clone();
    let mut charge = catalog.charges[usize::try_from(TOKENS.0).unwrap()].clone();
    charge.group_by.truncate(1);
    let named = |i| weir_model::catalog::Charge { name: format!("charge-{i}"), ..charge.clone() };
    catalog.charges = (0..CHARGES).map(named).collect();
    catalog.into()
}

/// Hands out chunks, and says how much processor time all but making them took.
fn measure(what: &str, write: impl FnOnce(&mut dyn Iterator<Item = (Arc<Chunk>, Vec<ShardOutput>)>)) {
    let (chunks, asked) = chunks();
    let mut opened = vec![std::collections::HashMap::<(u64, u64), u32>::new(); SHARDS];
    let meter = Meter(Clock::now());
    let (begun, mut making) = (meter.process(), Duration::ZERO);
    let mut make = (0..chunks).map(|sequence| {
        let made = meter.thread();
        let (chunk, out) = chunk(sequence, &mut opened);
        making += meter.thread().saturating_sub(made);
        (Arc::new(chunk), out)
    });
    write(&mut make);
    let spent = meter.process().saturating_sub(begun).saturating_sub(making);
    if asked {
        let per_second = u128::from(chunks * CHUNK_EVENTS) * 1_000_000 / spent.as_micros().max(1);
        let wall = meter.0.elapsed();
        let mut out = std::io::stderr();
        writeln!(out, "{what}: {per_second} events per core-second, {spent:?} of {wall:?}").unwrap();
    }
}

#[test]
fn speed() {
    let dir = tempfile::tempdir().unwrap();
    measure("archive", |chunks| {
        let inputs = vec!["usage.ndjson".to_owned()];
        let mut archive = Archive::create(dir.path(), twenty_charges(), ArchiveSettings::default(), inputs).unwrap();
        for (chunk, out) in chunks {
            archive.append(chunk, out).unwrap();
            drop(archive.take_used());
        }
        let report = archive.finish().unwrap();
        assert_eq!([report.events.rows, report.rated.rows], [self::chunks().0 * CHUNK_EVENTS; 2]);
    });
}

#[test]
fn outbox_speed() {
    let dir = tempfile::tempdir().unwrap();
    measure("outbox", |chunks| {
        let files = Arc::new(Disk::new(dir.path()));
        let mut outbox = Outbox::open(files, OWNER, twenty_charges(), |_| ()).unwrap();
        let mut offset = 0;
        for (chunk, out) in chunks {
            offset += CHUNK_EVENTS;
            outbox.append(LogMark { offset, logged_at: Instant::from_micros(AUGUST) }, chunk, out).unwrap();
            if outbox.batch_size().events >= ArchiveSettings::default().rows_per_batch {
                outbox.cut(offset).unwrap();
            }
            drop(outbox.take_used());
        }
        outbox.cut(offset).unwrap();
        assert_eq!(outbox.finish().unwrap(), self::chunks().0 * CHUNK_EVENTS);
    });
}

fn chunk(sequence: u64, opened: &mut [std::collections::HashMap<(u64, u64), u32>]) -> (Chunk, Vec<ShardOutput>) {
    let (mut chunk, mut out) = (Chunk::new(SHARDS), outputs(SHARDS));
    chunk.sequence = sequence;
    chunk.first_position = sequence * CHUNK_EVENTS;
    for position in 0..CHUNK_EVENTS {
        let id = sequence * CHUNK_EVENTS + position;
        let random = mix(id);
        let (customer, charge) = (random % CUSTOMERS, (random >> 40) % CHARGES);
        let shard = usize::try_from(customer).unwrap() % SHARDS;
        let subject = format!("customer-{customer:06}");
        let tokens = (random >> 20) % 4000;
        let data = format!(r#"{{"model":"model-{charge}","region":"eu-west-1","tokens":{tokens},"cached":false}}"#);
        let sample = Sample {
            position: u32::try_from(position).unwrap(),
            subject: &subject,
            id,
            time: AUGUST + i64::try_from(id * 100 + (random >> 50)).unwrap(),
            data: Some(data.as_bytes()),
            verdict: Verdict::Rated,
        };
        let event = push(&mut chunk, &mut out[shard], shard, &sample);
        let fingerprint = Fingerprint((u128::from(mix(random)) << 64) | u128::from(random));
        *chunk.batches[shard].fingerprint.last_mut().unwrap() = fingerprint;
        debug_assert_eq!(
            chunk.batches[shard].events.last().map(|event| event.subject_hash),
            Some(HashKey::FILES.route(subject.as_bytes()))
        );
        let next = u32::try_from(opened[shard].len()).unwrap();
        let number = *opened[shard].entry((customer, charge)).or_insert_with(|| {
            let charge = ChargeIdx(u32::try_from(charge).unwrap());
            let group = format!("model-{}", charge.0);
            open(&mut out[shard], bucket(&subject, charge, &[&group], CellIdx::ONLY, august()));
            next
        });
        rate(&mut out[shard], event, number, quantity(tokens.into()), amount(i128::from(tokens) * 15_000_000_000_000));
    }
    (chunk, out)
}
