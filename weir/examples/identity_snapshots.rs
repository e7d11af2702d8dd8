//! What snapshots cost identities, and what a start from them does: `cargo xtask prove snapshots [N] [MIB] [EVERY] [DIR]`.
//!
//! Fills 16 shards with N new identities under a budget of memory, without snapshots and with one of all shards every EVERY events; then forgets
//! them and takes them up again, with the files out of the system's cache. Identities are a permutation of a counter; the outcome is asserted.
#![allow(clippy::print_stdout, clippy::cast_precision_loss)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Instant as Clock;

use anyhow::{Context, Result, ensure};
use weir::kept_identities::KeptIdentities;
use weir_files::Disk;
use weir_model::hash::{Digest, Fingerprint, PayloadDigest};
use weir_rater::identities::{Admission, Copied, Identities, Kept};

const SHARDS: u16 = 16;
/// Events of a batch: what a chunk of 1 MiB holds for one of 16 shards.
const BATCH: u64 = 250;
/// Events that a new start is asked about.
const ASKED: u64 = 1_000_000;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default| {
        arguments.next().map_or(Ok(default), |count| count.replace('_', "").parse::<u64>().context("a number"))
    };
    let (count, mib, every) = (number(20_000_000)?, number(1024)?, number(1_000_000)?);
    let parent = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let memory_bytes = mib << 20;
    println!("{count} identities in {SHARDS} shards under {mib} MiB, files below {}", parent.display());
    for every in [u64::MAX, every] {
        let temporary = tempfile::tempdir_in(&parent)?;
        let folder = KeptIdentities::new(Arc::new(Disk::new(temporary.path())), "");
        let fill = fill(&folder, memory_bytes, (count, every))?;
        println!("{fill}");
        if every < u64::MAX {
            restart(&folder, temporary.path(), memory_bytes, &fill)?;
        }
    }
    Ok(())
}

struct Fill {
    count: u64,
    snapshots: u64,
    /// Processor time of all, and of snapshots.
    cpu_ns: u64,
    snapshots_cpu_ns: u64,
    snapshots_s: f64,
    elapsed_s: f64,
    merged_bytes: u64,
    runs: usize,
    kept: Vec<Kept>,
}

impl std::fmt::Display for Fill {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} snapshots: {} ns of processor time for a new identity, of which {} for snapshots; {:.1} s, of which {:.1} s; {:.1} bytes of it merged; {} runs at the end",
            self.snapshots,
            self.cpu_ns / self.count,
            self.snapshots_cpu_ns / self.count,
            self.elapsed_s,
            self.snapshots_s,
            self.merged_bytes as f64 / self.count as f64,
            self.runs,
        )
    }
}

fn fill(folder: &Arc<KeptIdentities>, memory_bytes: u64, (count, every): (u64, u64)) -> Result<Fill> {
    let settings = |shard| folder.settings(shard, memory_bytes / u64::from(SHARDS), u64::MAX);
    let mut shards: Vec<Identities> = (0..SHARDS).map(|shard| Identities::new(settings(shard))).collect();
    let (mut snapshots, mut snapshots_cpu_ns, mut snapshots_s, mut kept) = (0, 0, 0.0, Vec::new());
    let (mut before, started, started_cpu) = (vec![BTreeSet::new(); shards.len()], Clock::now(), cpu_ns()?);
    for first in (0..count).step_by(usize::try_from(BATCH * u64::from(SHARDS))?) {
        let batch = first / u64::from(SHARDS);
        let new = admit(&mut shards, batch..batch + BATCH)?;
        ensure!(new == BATCH * u64::from(SHARDS), "{new} identities of a batch are new");
        if first / every > snapshots {
            let (begun, begun_cpu) = (Clock::now(), cpu_ns()?);
            kept = snapshot(folder, &mut shards, &mut before)?;
            (snapshots, snapshots_s) = (snapshots + 1, snapshots_s + begun.elapsed().as_secs_f64());
            snapshots_cpu_ns += cpu_ns()? - begun_cpu;
        }
    }
    let (elapsed_s, cpu_ns) = (started.elapsed().as_secs_f64(), cpu_ns()? - started_cpu);
    if snapshots > 0 {
        kept = snapshot(folder, &mut shards, &mut before)?;
    }
    let merged_bytes = shards.iter().map(|identities| identities.used().disk.merged_bytes).sum();
    let runs = kept.iter().map(|kept| kept.runs().len()).sum();
    Ok(Fill { count, snapshots, cpu_ns, snapshots_cpu_ns, snapshots_s, elapsed_s, merged_bytes, runs, kept })
}

/// What brings each shard back; `before` are the runs of the snapshot before.
fn snapshot(folder: &KeptIdentities, shards: &mut [Identities], before: &mut [BTreeSet<u64>]) -> Result<Vec<Kept>> {
    let mut all = Vec::new();
    for ((shard, identities), before) in (0..).zip(shards).zip(before) {
        let (kept, _) = identities.settle(Copied::default())?.write()?;
        let runs = kept.runs();
        folder.retain(shard, &(&runs | before))?;
        *before = runs;
        all.push(kept);
    }
    Ok(all)
}

fn restart(folder: &Arc<KeptIdentities>, path: &Path, memory_bytes: u64, fill: &Fill) -> Result<()> {
    let mut bytes = 0;
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        bytes += entry.metadata()?.len();
        let input = format!("if={}", entry.path().display());
        let evicted = Command::new("dd").args([&input, "iflag=nocache", "count=0", "status=none"]).status()?;
        ensure!(evicted.success(), "dd: {evicted}");
    }
    let (read, started, started_cpu) = (bytes_read()?, Clock::now(), cpu_ns()?);
    let mut shards = Vec::new();
    for (shard, kept) in (0..).zip(&fill.kept) {
        let settings = folder.settings(shard, memory_bytes / u64::from(SHARDS), u64::MAX);
        shards.push(Identities::restored(settings, kept.clone())?.context("an identity is kept twice")?);
    }
    println!(
        "taken up again: {} identities in {:.3} s, {:.3} s of processor time, {} bytes read of {bytes}",
        shards.iter().map(Identities::len).sum::<u64>(),
        started.elapsed().as_secs_f64(),
        (cpu_ns()? - started_cpu) as f64 / 1e9,
        bytes_read()? - read,
    );
    let (of_shard, asked) = (fill.count / u64::from(SHARDS), ASKED / u64::from(SHARDS) / BATCH * BATCH);
    for (name, first, expected) in [("new", of_shard + BATCH, asked), ("known", of_shard - asked, 0)] {
        let (mut new, started) = (0, cpu_ns()?);
        for batch in (first..first + asked).step_by(usize::try_from(BATCH)?) {
            new += admit(&mut shards, batch..batch + BATCH)?;
        }
        ensure!(new == expected * u64::from(SHARDS), "{new} identities are new");
        println!("then {name}: {} ns each", (cpu_ns()? - started) / (asked * u64::from(SHARDS)));
    }
    Ok(())
}

/// Admits the same numbers to every shard; how many were new.
fn admit(shards: &mut [Identities], numbers: std::ops::Range<u64>) -> Result<u64> {
    let (mut fingerprints, mut new) = (Vec::new(), 0);
    let payloads = vec![PayloadDigest(1); usize::try_from(BATCH)?];
    for (shard, identities) in (0..).zip(shards) {
        fingerprints.clear();
        fingerprints.extend(numbers.clone().map(|i| fingerprint(i * u64::from(SHARDS) + shard)));
        identities.admit(&fingerprints, &payloads, |admission| new += u64::from(admission == Admission::New))?;
    }
    Ok(new)
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

/// Bytes that were read from disks.
fn bytes_read() -> Result<u64> {
    let io = fs::read_to_string("/proc/self/io").context("this needs Linux")?;
    let line = io.lines().find_map(|line| line.strip_prefix("read_bytes:")).context("no such count")?;
    Ok(line.trim().parse()?)
}
