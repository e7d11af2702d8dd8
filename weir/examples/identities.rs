//! Fills shards with identities under a budget of memory and prints what each costs: `cargo xtask prove identities [N] [SIZE] [DIR]`.
//!
//! Identities are a permutation of a counter, so every repeat is known; the outcome is asserted. Rates are per second of processor time,
//! by stretches of a million identities, beside that of the first twentieth. Files lie below DIR.
#![allow(clippy::print_stdout, clippy::cast_precision_loss)]

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant as Clock;

use anyhow::{Context, Result, ensure};
use weir::identity_files::IdentityFolder;
use weir::memory;
use weir_model::hash::{Digest, Fingerprint, PayloadDigest};
use weir_rater::identities::{Admission, Identities};

const SHARDS: u16 = 16;
const STRETCH: u64 = 1_000_000;
/// Events of a batch: what a chunk of 1 MiB holds for one of 16 shards.
const BATCH: u64 = 250;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let count = arguments.next().map_or(Ok(20_000_000), |count| count.replace('_', "").parse::<u64>())?;
    let size = arguments.next().unwrap_or_else(|| "64MiB".to_owned());
    let memory_bytes = memory::parse(&size).map_err(anyhow::Error::msg)?;
    let parent = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from);
    std::fs::create_dir_all(&parent)?;
    let folder = IdentityFolder::new(&parent);
    println!("{count} identities in {SHARDS} shards under {size}, files below {}", parent.display());
    let before = resident_bytes("VmRSS:")?;
    let mut proof = Proof::new(&folder, memory_bytes);
    let slowest = proof.fill(count)?;
    let used = proof.shards.iter().map(Identities::used);
    let (mut memory_max, mut runs_max, mut spilled, mut merged) = (0, 0, 0, 0);
    for used in used {
        memory_max += used.memory_bytes_max;
        runs_max += used.disk.runs_max;
        spilled += used.disk.spilled_bytes;
        merged += used.disk.merged_bytes;
    }
    let per = |bytes: u64| bytes as f64 / count as f64;
    println!("memory accounted: {memory_max} bytes at most, {:.2} per identity", per(memory_max));
    let grown = resident_bytes("VmHWM:")?.saturating_sub(before);
    println!("resident memory grew by {grown} bytes at most, {:.2} per identity", per(grown));
    println!(
        "written: {:.2} bytes per identity spilled, {:.2} merged; {runs_max} files at most",
        per(spilled),
        per(merged)
    );
    println!("slowest stretch: {slowest:.2} of the first rate");
    for (name, one_in) in [("new", 0), ("5 % repeated", 20), ("all repeated", 1)] {
        let ns = proof.probe(count, one_in)?;
        println!("events {name}: {ns:.0} ns each");
    }
    Ok(())
}

struct Proof {
    shards: Vec<Identities>,
    /// The number of the next new identity of each shard.
    next: u64,
    /// Identities of each shard that are all known.
    known: u64,
    batch: Batch,
}

#[derive(Default)]
struct Batch {
    fingerprints: Vec<Fingerprint>,
    payloads: Vec<PayloadDigest>,
}

impl Proof {
    fn new(folder: &Arc<IdentityFolder>, memory_bytes: u64) -> Proof {
        let shards = (0..SHARDS).map(|shard| Identities::new(folder.settings(shard, SHARDS, memory_bytes)));
        Proof { shards: shards.collect(), next: 0, known: 0, batch: Batch::default() }
    }

    /// Admits `count` new identities; the rate of the slowest stretch, relative to that of the first twentieth.
    fn fill(&mut self, count: u64) -> Result<f64> {
        let stretches = count / STRETCH;
        let shown_every = (stretches / 20).max(1);
        let (mut fresh, mut slowest) = (0.0, f64::INFINITY);
        let (mut shown_cpu, mut clock) = (0.0, Clock::now());
        for stretch in 1..=stretches {
            let cpu_ns = self.admit(STRETCH, 0)? / STRETCH as f64;
            shown_cpu += cpu_ns;
            if stretch <= shown_every {
                fresh = shown_cpu / stretch as f64;
            }
            slowest = slowest.min(fresh / cpu_ns);
            if stretch % shown_every == 0 {
                println!(
                    "{:>6} million: {:>4.0} ns of processor time each, {:.2} of the first rate ({:.2} at the slowest stretch so far); {:.1} s",
                    stretch * STRETCH / 1_000_000,
                    shown_cpu / shown_every as f64,
                    fresh * shown_every as f64 / shown_cpu,
                    slowest,
                    clock.elapsed().as_secs_f64(),
                );
                (shown_cpu, clock) = (0.0, Clock::now());
            }
        }
        self.known = self.next;
        Ok(slowest)
    }

    /// Nanoseconds of an event when `one_in` of them repeats an identity of the first `count`.
    fn probe(&mut self, count: u64, one_in: u64) -> Result<f64> {
        let events = STRETCH.min(count);
        Ok(self.admit(events, one_in)? / events as f64)
    }

    /// Admits events, of which one in `repeat` is known (0: none); the processor time in nanoseconds.
    fn admit(&mut self, events: u64, repeat: u64) -> Result<f64> {
        let of_shard = events / u64::from(SHARDS);
        let (mut new, mut expected) = (0, 0);
        let started = cpu_ns()?;
        for begin in (0..of_shard).step_by(usize::try_from(BATCH)?) {
            for (shard, identities) in (0..).zip(&mut self.shards) {
                self.batch.fingerprints.clear();
                for i in begin..(begin + BATCH).min(of_shard) {
                    let repeats = repeat > 0 && i % repeat == 0;
                    let number =
                        if repeats { i.wrapping_mul(0x9E37_79B9_7F4A_7C15) % self.known } else { self.next + i };
                    self.batch.fingerprints.push(fingerprint(number * u64::from(SHARDS) + shard));
                    expected += u64::from(!repeats);
                }
                self.batch.payloads.resize(self.batch.fingerprints.len(), PayloadDigest(1));
                let Batch { fingerprints, payloads } = &self.batch;
                identities.admit(fingerprints, payloads, |admission| new += u64::from(admission == Admission::New))?;
            }
        }
        ensure!(new == expected, "{new} identities are new instead of {expected}");
        self.next += of_shard;
        Ok((cpu_ns()? - started) as f64)
    }
}

/// A permutation of numbers that looks random.
fn fingerprint(number: u64) -> Fingerprint {
    Fingerprint(Digest::of_event(Fingerprint(u128::from(number)), PayloadDigest(0)).0)
}

/// Processor time of the one thread, in nanoseconds.
fn cpu_ns() -> Result<u64> {
    let schedstat = fs::read_to_string("/proc/self/schedstat").context("this needs Linux")?;
    Ok(schedstat.split_whitespace().next().unwrap_or_default().parse()?)
}

/// A size in /proc/self/status.
fn resident_bytes(name: &str) -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status").context("this needs Linux")?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)).context("no such size")?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kib << 10)
}
