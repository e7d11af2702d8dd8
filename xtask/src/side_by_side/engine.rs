//! The engines: what they are called, what they need, and how one does the job once.
//!
//! Weir's time is that of its whole process. Of the others only the query counts, as `benches/side-by-side/peers.py` measures it:
//! neither Python's start nor imports.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use weir_loadtest::job::{Answer, Tier, amount_text};

use super::files::Files;
use super::process::{self, Finished};

/// One way to do the job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Engine {
    /// Rated and totalled; only the report is made.
    Weir,
    /// Also archived: events, rated rows and totals, synced to the disk.
    WeirArchive,
    /// And an invoice for every customer.
    WeirDocuments,
    DuckDb,
    /// With an amount for every event.
    DuckDbRated,
    ClickHouse,
    DataFusion,
    Polars,
}

/// What an engine found and what that took.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Run {
    pub(super) wall_s: f64,
    pub(super) cpu_s: f64,
    pub(super) peak_bytes: u64,
    /// What is wrong with its answer.
    pub(super) wrong: Option<String>,
}

/// What engines need.
#[derive(Debug)]
pub(super) struct Tools {
    /// The release binary.
    pub(super) weir: PathBuf,
    /// Of the peers' virtual environment.
    pub(super) python: PathBuf,
    pub(super) peers: PathBuf,
    /// For logs and what Weir writes.
    pub(super) folder: PathBuf,
    pub(super) threads: usize,
}

impl Engine {
    /// In the order of the table and of each round.
    pub(super) const ALL: [Engine; 8] = [
        Engine::Weir,
        Engine::WeirArchive,
        Engine::WeirDocuments,
        Engine::DuckDb,
        Engine::DuckDbRated,
        Engine::ClickHouse,
        Engine::DataFusion,
        Engine::Polars,
    ];

    /// As on the command line and in the table.
    pub(super) fn name(self) -> &'static str {
        match self {
            Engine::Weir => "weir",
            Engine::WeirArchive => "weir-archive",
            Engine::WeirDocuments => "weir-documents",
            Engine::DuckDb => "duckdb",
            Engine::DuckDbRated => "duckdb-rated",
            Engine::ClickHouse => "clickhouse",
            Engine::DataFusion => "datafusion",
            Engine::Polars => "polars",
        }
    }

    /// The engine of a name.
    pub(super) fn named(name: &str) -> Result<Engine> {
        Engine::ALL.into_iter().find(|engine| engine.name() == name).with_context(|| {
            format!("no engine is called {name}; there are {}", Engine::ALL.map(Engine::name).join(", "))
        })
    }

    /// The Python packages of a peer, pinned; none for Weir.
    pub(super) fn packages(self) -> &'static [&'static str] {
        match self {
            Engine::Weir | Engine::WeirArchive | Engine::WeirDocuments => &[],
            Engine::DuckDb | Engine::DuckDbRated => &["duckdb==1.4.2"],
            Engine::ClickHouse => &["chdb==4.4.0"],
            Engine::DataFusion => &["datafusion==55.0.0", "pyarrow==26.0.1"],
            Engine::Polars => &["polars==2.1.0"],
        }
    }

    pub(super) fn is_weir(self) -> bool {
        self.packages().is_empty()
    }

    /// Does the job once.
    pub(super) fn run(self, files: &Files, answer: &Answer, tools: &Tools) -> Result<Run> {
        let log = tools.folder.join(format!("{}.log", self.name()));
        let (finished, timed, found) = if self.is_weir() {
            let finished = self.run_weir(files, tools, &log)?;
            let report: Value = serde_json::from_str(&finished.stdout).context("Weir's report")?;
            let found = Found::in_report(&report).context("Weir's report lacks a figure")?;
            (finished, None, found)
        } else {
            let finished = process::run(&mut self.peer(files, tools), &log)?;
            let said: Value = serde_json::from_str(&finished.stdout).context("a peer's result")?;
            let seconds = (said["wall_s"].as_f64().context("wall_s")?, said["cpu_s"].as_f64().context("cpu_s")?);
            let found = Found::in_answer(&said["answer"]).context("a peer's answer lacks a figure")?;
            (finished, Some(seconds), found)
        };
        let Finished { wall, cpu, peak_bytes, .. } = finished;
        let (wall_s, cpu_s) = timed.unwrap_or((wall.as_secs_f64(), cpu.as_secs_f64()));
        Ok(Run { wall_s, cpu_s, peak_bytes, wrong: found.difference(answer) })
    }

    fn run_weir(self, files: &Files, tools: &Tools, log: &Path) -> Result<Finished> {
        let mut command = Command::new(&tools.weir);
        command.args(["run", "--format", "json", "--threads", &tools.threads.to_string(), "--catalog"]);
        command.arg(&files.catalog).arg("--events").arg(&files.events);
        if self == Engine::Weir {
            return process::run(&mut command, log);
        }
        if self == Engine::WeirArchive {
            command.arg("--no-documents");
        }
        let out = tools.folder.join("out");
        remove_folder(&out)?;
        let finished = process::run(command.arg("--out").arg(&out), log);
        remove_folder(&out)?;
        finished
    }

    fn peer(self, files: &Files, tools: &Tools) -> Command {
        let mut command = Command::new(&tools.python);
        command.arg(&tools.peers).args([self.name(), &tools.threads.to_string()]);
        command.arg(&files.events).arg(tiers_text(files.job.tiers()));
        command
    }
}

fn remove_folder(folder: &Path) -> Result<()> {
    if !folder.exists() {
        return Ok(());
    }
    fs::remove_dir_all(folder).with_context(|| folder.display().to_string())
}

/// The price as peers take it.
fn tiers_text(tiers: &[Tier]) -> String {
    let tier = |tier: &Tier| {
        let up_to = tier.up_to.map(|up_to| up_to.to_string()).unwrap_or_default();
        format!("{up_to}:{}", tier.unit_micros)
    };
    tiers.iter().map(tier).collect::<Vec<_>>().join(",")
}

/// An engine's answer.
#[derive(Debug, PartialEq, Eq)]
struct Found {
    unique: u64,
    customers: u64,
    amount: String,
}

impl Found {
    /// Each customer with usage has one document of the one month.
    fn in_report(report: &Value) -> Option<Found> {
        Some(Found {
            unique: report["accepted"].as_u64()?,
            customers: report["invoices"].as_u64()?,
            amount: report["amounts"]["USD"].as_str()?.to_owned(),
        })
    }

    fn in_answer(answer: &Value) -> Option<Found> {
        Some(Found {
            unique: answer["unique"].as_u64()?,
            customers: answer["customers"].as_u64()?,
            amount: amount_text(answer["amount_micros"].as_u64()?),
        })
    }

    fn difference(&self, answer: &Answer) -> Option<String> {
        let expected = Found { unique: answer.unique, customers: answer.customers, amount: answer.amount() };
        (*self != expected).then(|| format!("found {self:?}, but it is {expected:?}"))
    }
}

/// Builds Weir as it is released, and says where the binary is.
pub(super) fn build_weir(mut cargo: Command, target_dir: &Path) -> Result<PathBuf> {
    let status = cargo.args(["build", "--release", "--locked", "--package", "weir"]).status()?;
    if !status.success() {
        bail!("Weir could not be built: {status}");
    }
    Ok(target_dir.join("release").join(format!("weir{}", std::env::consts::EXE_SUFFIX)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use weir_loadtest::job::{Job, Shape};

    use super::*;

    #[test]
    fn names_lead_to_engines() {
        for engine in Engine::ALL {
            assert_eq!(Engine::named(engine.name()).unwrap(), engine);
        }
    }

    #[test]
    fn prices_as_text() {
        for (tiers, expected) in [(1, ":500000"), (4, "100:500000,1000:300000,10000:200000,:100000")] {
            let job = Job::new(Shape { tiers, ..Shape::JOB_J }).unwrap();
            assert_eq!(tiers_text(job.tiers()), expected);
        }
    }

    #[test]
    fn answers_are_compared_figure_by_figure() {
        let right =
            Answer { lines: 9, bytes: 0, unique: 8, duplicates: 1, customers: 3, totals: 5, amount_micros: 1_500_000 };
        let report = |unique: u64, customers: u64, amount: &str| {
            let report = json!({ "accepted": unique, "invoices": customers, "amounts": { "USD": amount } });
            Found::in_report(&report).unwrap().difference(&right).is_none()
        };
        let peer = |unique: u64, customers: u64, micros: u64| {
            let answer = json!({ "unique": unique, "customers": customers, "amount_micros": micros });
            Found::in_answer(&answer).unwrap().difference(&right).is_none()
        };
        assert!(report(8, 3, "1.5") && peer(8, 3, 1_500_000));
        assert!(!report(7, 3, "1.5") && !report(8, 2, "1.5") && !report(8, 3, "1.50001"));
        assert!(!peer(7, 3, 1_500_000) && !peer(8, 2, 1_500_000) && !peer(8, 3, 1_500_001));
        assert_eq!(Found::in_report(&json!({})), None);
    }
}
