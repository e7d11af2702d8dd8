//! `cargo xtask fuzz`: builds the fuzz targets on the pinned stable toolchain and runs them, one after another.
//!
//! Owns: how they are instrumented, limits of time and memory, and where inputs are kept. Does not own: the properties
//! (`fuzz/`). What `cargo fuzz` does with `--sanitizer none` is one environment variable; so nothing has to be installed.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::workspace;

/// How long each target runs, unless told otherwise.
pub(crate) const SECONDS: u64 = 60;

/// Each target, with the greatest length of its inputs in bytes.
const TARGETS: [(&str, usize); 5] =
    [("catalog", 4096), ("decoder", 4096), ("mapping", 4096), ("prices", 400), ("snapshot", 256)];

/// Counters at every edge, and the operands of comparisons, for libFuzzer to follow.
const INSTRUMENTED: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
     -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
     -Cllvm-args=-sanitizer-coverage-trace-compares";

/// One input may take so long, and so much memory; and no allocation may be larger than the third.
const LIMITS: [&str; 3] = ["-timeout=60", "-rss_limit_mb=1024", "-malloc_limit_mb=256"];

/// Runs one target, or all, for so many seconds each. A finding does not keep the next target from running.
pub(crate) fn run(only: Option<&str>, seconds: u64) -> Result<()> {
    let root = workspace::root()?;
    let chosen: Vec<(&str, usize)> =
        TARGETS.into_iter().filter(|(target, _)| only.is_none_or(|only| only == *target)).collect();
    if chosen.is_empty() {
        let names: Vec<&str> = TARGETS.iter().map(|(target, _)| *target).collect();
        bail!("there is no such target; there are {}", names.join(", "));
    }
    let work = workspace::target_dir(&root)?.join("fuzz");
    let programs = build(&root, &work)?;
    let mut findings = Vec::new();
    for (target, length_max) in chosen {
        println!("\n==> {target}, {seconds} s");
        let mut command = Command::new(programs.join(target));
        command.args(LIMITS).arg(format!("-max_len={length_max}")).arg("-len_control=10");
        command.arg(format!("-max_total_time={seconds}")).arg("-print_final_stats=1");
        // The first folder takes what is new; the committed corpus is only read.
        let (found, artifacts) = (work.join("corpus").join(target), work.join("artifacts").join(target));
        for dir in [&found, &artifacts] {
            std::fs::create_dir_all(dir).with_context(|| dir.display().to_string())?;
        }
        command.arg(format!("-artifact_prefix={}/", artifacts.display()));
        command.arg(&found).arg(root.join("fuzz/corpus").join(target)).current_dir(&root);
        if !command.status().with_context(|| format!("{target} does not start"))?.success() {
            findings.push(format!(
                "{target}: {} FILE, with the newest FILE of {}",
                programs.join(target).display(),
                artifacts.display()
            ));
        }
    }
    if findings.is_empty() {
        return Ok(());
    }
    bail!("findings; again with\n{}", findings.join("\n"))
}

/// Builds all targets; returns the folder of the programs. With `--target`, build scripts stay without instruments.
fn build(root: &Path, work: &Path) -> Result<PathBuf> {
    let host = workspace::host()?;
    let status = workspace::cargo(&root.join("fuzz"))
        .args(["build", "--release", "--locked", "--target", &host, "--target-dir"])
        .arg(work)
        .env("RUSTFLAGS", INSTRUMENTED)
        .status()
        .context("cargo does not start")?;
    if !status.success() {
        bail!("the fuzz targets could not be built: {status}");
    }
    Ok(work.join(host).join("release"))
}
