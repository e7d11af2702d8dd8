//! Nanoseconds of processor time per identity: `cargo bench -p weir-rater --bench identities`.
//!
//! One shard admits new identities, then new ones of which 1 in 20 repeats an earlier one: in memory, and under budgets that spill to
//! files in memory, so that it is the shard that is measured and not a disk. Under `cargo test` it runs once over a few identities.
#![allow(clippy::print_stdout, clippy::as_conversions, clippy::cast_possible_truncation)]

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{SystemTime, UNIX_EPOCH};

use weir_model::hash::{Digest, Fingerprint, PayloadDigest};
use weir_rater::identities::{Admission, Copied, Identities, IdentitySettings, RunFile, RunStore, Settling};

/// Events of a batch: what a chunk of 1 MiB holds for one of 16 shards.
const BATCH: usize = 270;

/// Files in memory.
#[derive(Debug, Default)]
struct MemoryDisk(HashMap<u64, MemoryFile>);

#[derive(Debug, Default, Clone)]
struct MemoryFile(Arc<Mutex<Vec<u8>>>);

impl MemoryFile {
    fn bytes(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().expect("nobody panics while it is locked")
    }
}

impl RunFile for MemoryFile {
    fn append(&mut self, piece: &[u8]) -> io::Result<()> {
        self.bytes().extend_from_slice(piece);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl RunStore for MemoryDisk {
    fn create(&mut self, run: u64) -> io::Result<Box<dyn RunFile>> {
        let file = MemoryFile::default();
        self.0.insert(run, file.clone());
        Ok(Box::new(file))
    }

    fn open(&mut self, run: u64) -> io::Result<u64> {
        Ok(self.0.get(&run).ok_or(io::ErrorKind::NotFound)?.bytes().len() as u64)
    }

    fn greatest(&self) -> io::Result<Option<u64>> {
        Ok(self.0.keys().max().copied())
    }

    fn is_durable(&self) -> bool {
        true
    }

    fn read_at(&self, run: u64, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let file = self.0.get(&run).ok_or(io::ErrorKind::NotFound)?.bytes();
        let begin = usize::try_from(offset).map_err(io::Error::other)?;
        buffer.copy_from_slice(file.get(begin..begin + buffer.len()).ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn delete(&mut self, run: u64) -> io::Result<()> {
        self.0.remove(&run);
        Ok(())
    }

    fn name(&self, run: u64) -> String {
        format!("run {run}")
    }
}

/// A permutation of numbers that looks random.
fn fingerprint(number: u64) -> Fingerprint {
    Fingerprint(Digest::of_event(Fingerprint(u128::from(number)), PayloadDigest(0)).0)
}

/// Admits `events` from number `first` on, of which 1 in 20 is one before `first`; how many were new, and the nanoseconds of each.
fn admit(identities: &mut Identities, first: u64, (events, snapshot_every): (u64, u64)) -> (u64, u64) {
    let numbers = (first..first + events)
        .map(|i| if first > 0 && i % 20 == 1 { i.wrapping_mul(0x9E37_79B9_7F4A_7C15) % first } else { i });
    let fingerprints: Vec<Fingerprint> = numbers.map(fingerprint).collect();
    let payloads = vec![PayloadDigest(1); BATCH];
    let mut new = 0;
    let started = cpu_ns();
    for batch in fingerprints.chunks(BATCH) {
        let payloads = &payloads[..batch.len()];
        let before = new / snapshot_every;
        let admitted = identities.admit(batch, payloads, |admission| new += u64::from(admission == Admission::New));
        admitted.expect("memory does not fail");
        if new / snapshot_every > before {
            let settled = identities.settle(Copied::default()).and_then(Settling::write);
            settled.expect("memory does not fail");
        }
    }
    (new, (cpu_ns() - started) / events)
}

/// Processor time of this thread; elsewhere than on Linux the time of the clock.
fn cpu_ns() -> u64 {
    let schedstat = std::fs::read_to_string("/proc/self/schedstat").ok();
    let cpu_ns = schedstat.and_then(|times| times.split_whitespace().next()?.parse().ok());
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_nanos() as u64);
    cpu_ns.unwrap_or_else(now)
}

fn measure(name: &str, settings: IdentitySettings, (count, snapshot_every): (u64, u64)) {
    let mut identities = Identities::new(settings);
    let (new, ns) = admit(&mut identities, 0, (count, snapshot_every));
    assert_eq!(new, count, "all are new");
    let (new_among, ns_among) = admit(&mut identities, count, (count / 4, snapshot_every));
    assert_eq!(new_among, count / 4 - (0..count / 4).filter(|i| (count + i) % 20 == 1).count() as u64);
    let used = identities.used();
    println!(
        "{count} identities, {name}: {ns} ns each, {ns_among} ns with 1 in 20 repeated; {} runs at most, {} bytes written",
        used.disk.runs_max,
        used.disk.spilled_bytes + used.disk.merged_bytes,
    );
}

fn main() {
    let benchmark = std::env::args().any(|argument| argument == "--bench");
    let count = if benchmark { 2_000_000 } else { 20_000 };
    measure("in memory", IdentitySettings::in_memory(), (count, u64::MAX));
    let settings =
        |memory_bytes| IdentitySettings { memory_bytes, identities_max: u64::MAX, store: Box::<MemoryDisk>::default() };
    measure("a snapshot every 1 in 32", settings(256 << 20), (count, count / 32));
    for mib in [32, 8] {
        let memory_bytes = (mib << 20) / if benchmark { 1 } else { 32 };
        measure(&format!("{memory_bytes} bytes of memory"), settings(memory_bytes), (count, u64::MAX));
    }
}
