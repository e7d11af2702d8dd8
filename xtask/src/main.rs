//! The project's chores: `cargo xtask test`, `tidy`, `clients`, `conformance`, `fuzz`, `prove`, `side-by-side`, `job`,
//! `load`, `aws-catalog` and `aws-pools`.
//!
//! Owns: what a newcomer and continuous integration type to prove that the tree is good. Does not own: any product code;
//! nothing of Weir depends on it.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command line tool speaks through its output")]

mod aws_catalog;
mod aws_pools;
mod clients;
mod conformance;
mod fuzz;
mod load;
mod machine;
mod prove;
mod side_by_side;
mod suite;
mod table;
mod tidy;
mod workspace;

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};

const HELP: &str = "\
cargo xtask test               formatting, clippy, tidy, then every test, and every bench at a tiny size
cargo xtask tidy               what clippy cannot check: arrows, heads, sizes, words
cargo xtask clients            fetches the clients of others that tests of the server use (python3 with venv, nodejs, npm)
cargo xtask conformance [N]    N random catalogs (10,000) of 10,000 events through Weir and the oracle
cargo xtask side-by-side       Weir beside DuckDB, ClickHouse, DataFusion and Polars on one job, which docs/performance.md explains:
                               [--lines N] [--runs N] [--threads N] [--engines A,B] [--shape NAME|all] [--json]
cargo xtask job                the files of that job: [--lines N] [--shape NAME]
cargo xtask load               events to a server, as docs/load.md explains: --server URL [--key K] [--pid PID] [--form ndjson|single|batch|arrow]
                               [--events-per-body N] [--connections N] [--threads N] [--rate EVENTS_PER_S] [--seconds N]
                               [--warmup N] [--seed N] [--rounds N] [--pool EVENTS] [--report DIR] [--json] [--ceiling]
cargo xtask prove identities [N] [SIZE] [DIR]
                               N identities (20_000_000) under SIZE of memory (64MiB): what each costs; files in DIR
cargo xtask prove snapshots [N] [MIB] [EVERY] [DIR]
                               the same with a snapshot every so many events, and a start from the last one
cargo xtask prove kills [N]    the server killed N times (100) at random moments under load, and audited
cargo xtask prove power-loss [SEEDS]
                               power lost at every operation of the server, each with so many seeded survivors (8) beside all and none
cargo xtask prove syncs        a trace of the server's system calls: no answer before its sync
cargo xtask fuzz [TARGET] [--seconds N]
                               every fuzz target, or one, for N seconds (60) each
cargo xtask aws-catalog [DIR]  the catalog of the AWS report, from its rates.csv (DIR: target/aws-cur)
cargo xtask aws-pools [DIR]    the catalog of its shared allowances (DIR: target/aws-pools)

Real data is looked for in WEIR_TEST_DATA, else in ../shared/data beside the repository.";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<()> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["test"] => suite::run(),
        ["tidy"] => run_tidy(),
        ["clients"] => clients::fetch(),
        ["conformance"] => conformance::run(conformance::CASES),
        ["conformance", cases] => conformance::run(cases.parse().context("how many catalogs: write a number")?),
        ["side-by-side", options @ ..] => side_by_side::run(options),
        ["job", options @ ..] => side_by_side::job(options),
        ["load", options @ ..] => load::run(options),
        ["ceiling-server", options @ ..] => load::serve_ceiling(options),
        ["prove", "identities", arguments @ ..] => prove::example("identities", arguments),
        ["prove", "snapshots", arguments @ ..] => prove::example("identity_snapshots", arguments),
        ["prove", "kills"] => prove::test("serve_kill", Some(("WEIR_PROVE_KILLS", "100"))),
        ["prove", "kills", kills] => prove::test("serve_kill", Some(("WEIR_PROVE_KILLS", kills))),
        ["prove", "power-loss"] => prove::test("serve_power_loss", Some(("WEIR_PROVE_POWER_LOSS", "8"))),
        ["prove", "power-loss", seeds] => prove::test("serve_power_loss", Some(("WEIR_PROVE_POWER_LOSS", seeds))),
        ["prove", "syncs"] => prove::test("serve_syncs", None),
        ["fuzz"] => fuzz::run(None, fuzz::SECONDS),
        ["fuzz", "--seconds", seconds] => fuzz::run(None, seconds_of(seconds)?),
        ["fuzz", target] => fuzz::run(Some(target), fuzz::SECONDS),
        ["fuzz", target, "--seconds", seconds] => fuzz::run(Some(target), seconds_of(seconds)?),
        ["aws-catalog"] => run_aws_catalog(&workspace::root()?.join("target/aws-cur")),
        ["aws-catalog", out] if !out.starts_with('-') => run_aws_catalog(Path::new(out)),
        ["aws-pools"] => run_aws_pools(&workspace::root()?.join("target/aws-pools")),
        ["aws-pools", out] if !out.starts_with('-') => run_aws_pools(Path::new(out)),
        ["help" | "--help" | "-h"] => {
            println!("{HELP}");
            Ok(())
        }
        _ => bail!("no such chore: `{}`\n\n{HELP}", words.join(" ")),
    }
}

fn seconds_of(text: &str) -> Result<u64> {
    text.parse().context("how many seconds: write a number")
}

fn run_tidy() -> Result<()> {
    let findings = tidy::check(&workspace::root()?)?;
    for finding in &findings {
        println!("{finding}");
    }
    if findings.is_empty() { Ok(()) } else { bail!("tidy found {} things to change", findings.len()) }
}

fn run_aws_catalog(out: &Path) -> Result<()> {
    let data = workspace::data_dir(&workspace::root()?).context(workspace::NO_DATA)?;
    let written = aws_catalog::write(&data.join("aws_cur/rates.csv"), out)?;
    println!("{}: {} rate ids, {} without a rate", out.display(), written.cells, written.without_rate);
    Ok(())
}

fn run_aws_pools(out: &Path) -> Result<()> {
    let data = workspace::data_dir(&workspace::root()?).context(workspace::NO_DATA)?;
    let pools = aws_pools::write(&data.join("aws_cur"), out)?;
    println!("{}: {}", out.display(), pools.join(", "));
    Ok(())
}
