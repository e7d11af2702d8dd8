//! `cargo xtask test`: the whole proof in one command, cheapest step first. It stops at the first failure.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::{clients, tidy, workspace};

/// Cargo's steps around tidy: what is announced, and the arguments.
const FORMAT: (&str, &[&str]) = ("formatting", &["fmt", "--all", "--check"]);
const CLIPPY: (&str, &[&str]) =
    ("clippy", &["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"]);
const TESTS: (&str, &[&str]) = ("tests", &["test", "--workspace", "--locked"]);
/// Plain `cargo test` leaves benches out. With the whole workspace, so that nothing is built again with other features.
const BENCHES: (&str, &[&str]) = ("benches at a tiny size", &["test", "--workspace", "--bench", "*", "--locked"]);

/// The queue between threads in every order of its steps. In a target folder of its own: the flag would have all else built
/// anew.
const LOOM: (&str, &[&str]) = ("handoff under loom", &["test", "--package", "weir-handoff", "--lib", "--locked"]);

/// Runs every step.
pub(crate) fn run() -> Result<()> {
    let root = workspace::root()?;
    let data = workspace::data_dir(&root);
    let started = Instant::now();
    announce_data(data.as_deref());
    for (name, arguments) in [FORMAT, CLIPPY] {
        step(name, || cargo(&root, arguments, None))?;
    }
    step("tidy", || tidy_step(&root))?;
    step("clients of others", clients::fetch)?;
    for (name, arguments) in [TESTS, BENCHES] {
        step(name, || cargo(&root, arguments, data.as_ref()))?;
    }
    step(LOOM.0, || loom(&root))?;
    println!("\nAll steps passed in {:.1} s.", started.elapsed().as_secs_f64());
    announce_data(data.as_deref());
    Ok(())
}

fn step(name: &str, work: impl FnOnce() -> Result<()>) -> Result<()> {
    println!("\n==> {name}");
    let started = Instant::now();
    let outcome = work();
    let seconds = started.elapsed().as_secs_f64();
    match outcome {
        Ok(()) => println!("==> {name}: good, {seconds:.1} s"),
        Err(error) => bail!("FAILED at the step `{name}` after {seconds:.1} s: {error:#}"),
    }
    Ok(())
}

/// Runs cargo with its output going straight through, so that its closing lines are the ones a reader sees.
fn cargo(root: &Path, arguments: &[&str], data: Option<&PathBuf>) -> Result<()> {
    let mut command = workspace::cargo(root);
    command.args(arguments);
    if let Some(data) = data {
        command.env("WEIR_TEST_DATA", data);
    }
    let status = command.status().context("cargo does not start")?;
    if status.success() { Ok(()) } else { bail!("`cargo {}`: {status}", arguments.join(" ")) }
}

fn loom(root: &Path) -> Result<()> {
    let mut command = workspace::cargo(root);
    command.args(LOOM.1).arg("--target-dir").arg(workspace::target_dir(root)?.join("loom"));
    let status = command.env("RUSTFLAGS", "--cfg loom").status().context("cargo does not start")?;
    if status.success() { Ok(()) } else { bail!("`cargo {}` with `--cfg loom`: {status}", LOOM.1.join(" ")) }
}

fn tidy_step(root: &Path) -> Result<()> {
    let findings = tidy::check(root)?;
    for finding in &findings {
        println!("{finding}");
    }
    if findings.is_empty() { Ok(()) } else { bail!("{} findings", findings.len()) }
}

fn announce_data(data: Option<&Path>) {
    match data {
        Some(dir) => println!("real data: {}", dir.display()),
        None => println!(
            "\n*** REAL DATA NOT FOUND: the tests on real usage SKIP themselves. ***\n*** {} ***",
            workspace::NO_DATA
        ),
    }
}
