//! The side-by-side job through `weir run`: of every shape the report gives the exact answer, with and without an archive.

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use weir_loadtest::job::{Job, Shape};

/// Writes a job's files into `folder`, and the report that a run of them must give.
fn generate(job: &Job, folder: &Path) -> Value {
    fs::write(folder.join("catalog.toml"), job.catalog()).unwrap();
    let answer = job.write(&mut File::create(folder.join("events.ndjson")).unwrap()).unwrap();
    json!({
        "received": answer.lines,
        "accepted": answer.unique,
        "rated": answer.unique,
        "rows": answer.unique,
        "duplicate": answer.duplicates,
        "invoices": answer.customers,
        "totals": answer.totals,
        "amounts": { "USD": answer.amount() },
    })
}

fn report(folder: &Path, arguments: &[&str]) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    command.current_dir(folder).args(["run", "--catalog", "catalog.toml", "--events", "events.ndjson"]);
    let output = command.args(["--format", "json", "--threads", "2"]).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn check(shape: Shape, arguments: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let job = Job::new(shape).unwrap();
    let expected = generate(&job, folder.path());
    let report = report(folder.path(), arguments);
    for (name, expected) in expected.as_object().unwrap() {
        assert_eq!(&report[name], expected, "{name} of {:?}", job.shape());
    }
}

#[test]
fn every_shape_has_its_exact_answer() {
    for shape in Shape::table().into_iter().chain([Shape::JOB_J]) {
        check(Shape { lines: 2_000, ..shape }, &[]);
    }
}

#[test]
fn every_tier_is_reached() {
    for tiers in [1, 4, 8] {
        check(Shape { lines: 6_000, customers: 3, meters: 20, tiers, ..Shape::JOB_J }, &[]);
    }
}

#[test]
fn an_archive_changes_nothing() {
    check(Shape { lines: 6_000, customers: 50, ..Shape::JOB_J }, &["--out", "result"]);
}
