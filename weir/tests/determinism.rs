//! L6 through files: the same input gives the same figures and the same bytes on 1 and 2 threads, with and without archive;
//! with much and with little memory; conflicts follow the order of the files; the generator's own sums are met to the last digit.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

const CATALOG: &str = r#"
name = "determinism"
currency = "USD"
[prices.graduated]
model = "graduated"
tiers = [ { up_to = 100, unit_amount = "0.5" }, { up_to = 1_000, unit_amount = "0.3" }, { up_to = 10_000, unit_amount = "0.2" }, { unit_amount = "0.1" } ]
[plans.j]
cycle = "1 month"
charges = [ { name = "m0", meter = "m0", price = "graduated" }, { name = "m1", meter = "m1", price = "graduated" }, { name = "m2", meter = "m2", price = "graduated" } ]
[defaults]
plan = "j"
[meters.m0]
event_type = "meter.m0"
aggregation = "sum"
value = "data.value"
[meters.m1]
event_type = "meter.m1"
aggregation = "sum"
value = "data.value"
[meters.m2]
event_type = "meter.m2"
aggregation = "sum"
value = "data.value"
"#;

/// What the generator knows in advance.
#[derive(Default)]
struct Expected {
    lines: u64,
    duplicates: u64,
    conflicts: u64,
    totals: BTreeMap<(u64, u64), u64>,
}

/// xorshift64*: the sequence is fixed by its seed, which is printed with every assertion of these tests.
struct Prng(u64);

impl Prng {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % end
    }
}

/// Two files of events, the second repeating some of the first: same bytes, or another value.
fn generate(folder: &Path, seed: u64) -> Expected {
    let mut prng = Prng(seed);
    let mut expected = Expected::default();
    let mut history: Vec<(u64, u64, u64, u64)> = Vec::new();
    for file in ["a.ndjson", "b.ndjson"] {
        let mut text = String::new();
        for _ in 0..70_000 {
            let repeat = history.len() > 100 && prng.below(10) == 0;
            let (id, customer, meter, value) = if repeat {
                let position = usize::try_from(prng.below(history.len() as u64)).unwrap();
                let (id, customer, meter, value) = history[position];
                if prng.below(3) == 0 {
                    expected.conflicts += 1;
                    (id, customer, meter, value + 1)
                } else {
                    expected.duplicates += 1;
                    (id, customer, meter, value)
                }
            } else {
                let event = (history.len() as u64, prng.below(500), prng.below(3), 1 + prng.below(1000));
                history.push(event);
                *expected.totals.entry((event.1, event.2)).or_default() += event.3;
                event
            };
            expected.lines += 1;
            let (day, second) = (1 + id % 28, id % 60);
            writeln!(
                text,
                r#"{{"specversion":"1.0","id":"{id:032x}","source":"/svc","type":"meter.m{meter}","subject":"cust_{customer:06}","time":"2026-08-{day:02}T10:20:{second:02}Z","data":{{"value":{value}}}}}"#
            )
            .unwrap();
        }
        fs::write(folder.join(file), text).unwrap();
    }
    expected
}

fn amount_tenths(quantity: u64) -> u64 {
    [(0, 100, 5), (100, 1_000, 3), (1_000, 10_000, 2), (10_000, u64::MAX, 1)]
        .into_iter()
        .map(|(lower, upper, tenths)| (quantity.min(upper).saturating_sub(lower)) * tenths)
        .sum()
}

fn run(folder: &Path, arguments: &[&str]) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_weir"))
        .current_dir(folder)
        .args(["run", "--catalog", "catalog.toml", "--events", "a.ndjson", "b.ndjson", "--format", "json"])
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut report: Value = serde_json::from_slice(&output.stdout).unwrap();
    for clock in ["elapsed_s", "events_per_s"] {
        report.as_object_mut().unwrap().remove(clock);
    }
    report
}

/// All files below a folder, but for the report, which holds the time that the run took.
fn contents(folder: &Path) -> HashMap<PathBuf, Vec<u8>> {
    let mut found = HashMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.file_name().unwrap() != "report.json" {
                found.insert(path.strip_prefix(folder).unwrap().to_owned(), fs::read(&path).unwrap());
            }
        }
    }
    found
}

#[test]
fn threads_and_archive_change_nothing() {
    let seed = 7;
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("catalog.toml"), CATALOG).unwrap();
    let expected = generate(folder, seed);

    let report = run(folder, &["--threads", "1"]);
    let tenths: u64 = expected.totals.values().map(|quantity| amount_tenths(*quantity)).sum();
    let amount =
        if tenths.is_multiple_of(10) { format!("{}", tenths / 10) } else { format!("{}.{}", tenths / 10, tenths % 10) };
    assert_eq!(report["received"], expected.lines, "seed {seed}");
    assert_eq!(report["duplicate"], expected.duplicates, "seed {seed}");
    assert_eq!(report["conflict"], expected.conflicts, "seed {seed}");
    assert_eq!(report["totals"], expected.totals.len(), "seed {seed}");
    assert_eq!(report["amounts"]["USD"], amount, "seed {seed}");

    assert_eq!(run(folder, &["--threads", "2"]), report, "seed {seed}: two threads");
    assert_eq!(run(folder, &["--threads", "3", "--out", "three"]), report, "seed {seed}: with archive");
    assert_eq!(run(folder, &["--threads", "1", "--out", "one"]), report, "seed {seed}: with archive, one thread");
    assert_eq!(run(folder, &["--no-archive", "--out", "none"]), report, "seed {seed}: totals only");
    assert_eq!(run(folder, &["--no-documents", "--out", "bare"]), report, "seed {seed}: without documents");

    let (one, three) = (contents(&folder.join("one")), contents(&folder.join("three")));
    assert!(one.len() > 500, "invoices, archive, totals and quarantine are there: {} files", one.len());
    let mut differing: Vec<_> = one.keys().filter(|name| one.get(*name) != three.get(*name)).collect();
    differing.sort();
    assert_eq!(differing, Vec::<&PathBuf>::new(), "seed {seed}: byte-identical files");
    assert_eq!(one.len(), three.len());
    let mut documented = one.clone();
    documented.retain(|name, _| !name.starts_with("invoices"));
    assert!(documented == contents(&folder.join("bare")), "seed {seed}: documents change nothing else");

    let mut small = run(folder, &["--memory", "6MiB", "--out", "small"]);
    for on_disk in ["identity_runs_max", "identity_bytes_written"] {
        assert_ne!(small[on_disk], 0, "seed {seed}: identities were spilled");
        small[on_disk] = 0.into();
    }
    assert_eq!(small, report, "seed {seed}: with little memory");
    assert!(
        one == contents(&folder.join("small")),
        "seed {seed}: byte-identical files with little memory, and no more of them"
    );

    // Rows differ with the shards' parts, totals and money do not.
    let one_shard = run(folder, &["--shards", "1"]);
    for figure in
        ["received", "accepted", "duplicate", "conflict", "amounts", "invoiced", "totals", "rows", "rows_digest"]
    {
        assert_eq!(one_shard[figure], report[figure], "seed {seed}: {figure} with one shard");
    }
}

#[test]
fn identities_that_cannot_be_kept_end_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("catalog.toml"), CATALOG).unwrap();
    generate(folder, 7);
    let output = Command::new(env!("CARGO_BIN_EXE_weir"))
        .current_dir(folder)
        .env("TMPDIR", folder.join("missing"))
        .args(["run", "--catalog", "catalog.toml", "--events", "a.ndjson", "b.ndjson", "--memory", "6MiB"])
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains("identities beyond --memory: cannot create"), "{error}");
    assert!(output.stdout.is_empty(), "no figures");
}
