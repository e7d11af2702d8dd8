//! The workload that knows every outcome, through the files: generated, rated, and every figure, total, row and digest of the
//! run audited; then changed by hand, and the change found.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::ops::Range;
use std::path::Path;
use std::process::Command;

use parquet::file::serialized_reader::SerializedFileReader;
use parquet::record::{Field, Row};
use serde_json::{Value, json};
use weir_loadtest::auditor::{
    Audit, Expected, RatedRow, RowsAudit, Summary, TotalRow, TotalsAudit, Usage, audit_report,
};
use weir_loadtest::workload::{Shape, Workload};

/// The parts of the log, one file each: between its closes, or three where there is none.
fn parts(workload: &Workload) -> Vec<Range<u64>> {
    let events = workload.shape().events;
    if workload.shape().closes.is_empty() {
        (0..3).map(|part| events * part / 3..events * (part + 1) / 3).collect()
    } else {
        workload.parts()
    }
}

fn file_name(part: usize) -> String {
    format!("{part}.ndjson")
}

/// Writes catalog and log.
fn generate(workload: &Workload, folder: &Path) {
    fs::write(folder.join("catalog.toml"), workload.catalog()).unwrap();
    for (part, events) in parts(workload).into_iter().enumerate() {
        let mut out = BufWriter::new(File::create(folder.join(file_name(part))).unwrap());
        workload.write(events, &mut out).unwrap();
        out.flush().unwrap();
    }
}

fn run(workload: &Workload, folder: &Path, arguments: &[&str]) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    command.current_dir(folder).args(["run", "--catalog", "catalog.toml"]);
    for part in 0..parts(workload).len() {
        command.args(["--events", &file_name(part)]);
        if let Some(close) = workload.shape().closes.get(part) {
            command.args(["--close", &workload.close_date(*close)]);
        }
    }
    let output = command.args(["--until", &workload.until(), "--format", "json"]).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A Parquet table's rows, file after file.
fn table(folder: &Path) -> impl Iterator<Item = Row> {
    let entries = |folder: &Path| {
        let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        paths
    };
    let parts = entries(folder).into_iter().flat_map(move |period| entries(&period));
    parts.flat_map(|part| SerializedFileReader::new(File::open(part).unwrap()).unwrap().into_iter()).map(Result::unwrap)
}

fn field<'r>(row: &'r Row, name: &str) -> &'r Field {
    let found = row.get_column_iter().find(|(column, _)| *column == name);
    found.unwrap_or_else(|| panic!("there is no column {name}")).1
}

fn text<'r>(row: &'r Row, name: &str) -> Option<&'r str> {
    match field(row, name) {
        Field::Null => None,
        Field::Str(text) => Some(text),
        other => panic!("{name} is {other:?}"),
    }
}

fn count(row: &Row, name: &str) -> u64 {
    match field(row, name) {
        Field::ULong(count) => *count,
        other => panic!("{name} is {other:?}"),
    }
}

fn instant(row: &Row, name: &str) -> i64 {
    match field(row, name) {
        Field::TimestampMicros(micros) => *micros,
        other => panic!("{name} is {other:?}"),
    }
}

/// 16 bytes, the most significant first.
fn hash(row: &Row, name: &str) -> u128 {
    match field(row, name) {
        Field::Bytes(bytes) => u128::from_be_bytes(bytes.data().try_into().unwrap()),
        other => panic!("{name} is {other:?}"),
    }
}

/// 16 bytes in two's complement, the most significant first.
fn decimal(row: &Row, name: &str) -> i128 {
    match field(row, name) {
        Field::Decimal(decimal) => i128::from_be_bytes(decimal.data().try_into().unwrap()),
        other => panic!("{name} is {other:?}"),
    }
}

fn total(row: &Row) -> TotalRow<'_> {
    TotalRow {
        customer: text(row, "customer").unwrap(),
        charge: text(row, "charge").unwrap(),
        group: text(row, "group"),
        period_start: instant(row, "period_start"),
        quantity: decimal(row, "quantity"),
        events: count(row, "events"),
        amount: decimal(row, "amount"),
        digest: hash(row, "digest"),
    }
}

fn rated<'r>(row: &'r Row, parts: &[Range<u64>]) -> RatedRow<'r> {
    let usage = text(row, "file").map(|file| Usage {
        event: parts[(0..parts.len()).find(|part| file_name(*part) == file).unwrap()].start + count(row, "position"),
        fingerprint: hash(row, "fingerprint"),
        quantity: decimal(row, "quantity"),
    });
    RatedRow {
        usage,
        customer: text(row, "customer").unwrap(),
        charge: text(row, "charge").unwrap(),
        group: text(row, "group"),
        period_start: instant(row, "period_start"),
        amount: decimal(row, "amount"),
    }
}

/// The totals as they are, without the thousandth, with another amount there, and with one event less.
fn audit_totals(expected: &Expected<'_>, folder: &Path) -> [Audit; 4] {
    let mut audits = [(); 4].map(|()| TotalsAudit::new(expected));
    for (at, row) in table(&folder.join("totals")).enumerate() {
        let row = total(&row);
        let changes = if at == 1_000 {
            let (amount, events) = (row.amount - 1, row.events - 1);
            [Some(row), None, Some(TotalRow { amount, ..row }), Some(TotalRow { events, ..row })]
        } else {
            [Some(row); 4]
        };
        for (audit, row) in audits.iter_mut().zip(changes) {
            row.iter().for_each(|row| audit.check(row));
        }
    }
    audits.map(TotalsAudit::finish)
}

/// The rated rows as they are, without the thousandth, and with another amount there; and which event that row rates.
fn audit_rows(expected: &Expected<'_>, folder: &Path, parts: &[Range<u64>]) -> ([Audit; 3], u64) {
    let mut audits = [(); 3].map(|()| RowsAudit::new(expected));
    let mut event = 0;
    for (at, row) in table(&folder.join("rated")).enumerate() {
        let row = rated(&row, parts);
        let changes = if at == 1_000 {
            event = row.usage.unwrap().event;
            [Some(row), None, Some(RatedRow { amount: row.amount + 1, ..row })]
        } else {
            [Some(row); 3]
        };
        for (audit, row) in audits.iter_mut().zip(changes) {
            row.iter().for_each(|row| audit.check(row));
        }
    }
    (audits.map(RowsAudit::finish), event)
}

fn found(audit: &Audit) -> Vec<&str> {
    audit.findings.iter().map(|finding| finding.what.as_str()).collect()
}

#[test]
fn every_figure_of_a_run_is_known_in_advance() {
    let workload = Workload::new(Shape::default()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    generate(&workload, folder);
    let report = run(&workload, folder, &["--out", "out"]);
    let expected = Expected::new(&workload, 16);
    let ([totals, total_missing, total_changed, total_short], ([rows, row_missing, row_changed], event)) =
        (audit_totals(&expected, &folder.join("out")), audit_rows(&expected, &folder.join("out"), &parts(&workload)));

    let written: Value = serde_json::from_slice(&fs::read(folder.join("out/report.json")).unwrap()).unwrap();
    let honest = Summary(vec![audit_report(&expected, &report), audit_report(&expected, &written), totals, rows]);
    assert!(honest.is_clean(), "{:?}\n{honest}", workload.shape());
    let settlements = report["settlement_rows"].as_u64().unwrap();
    assert!(settlements > 100, "usage of customers with two subjects comes to two shards");
    assert_eq!(honest.0[3].checked, report["rows"].as_u64().unwrap() + settlements);
    assert!(honest.0[2].checked >= report["totals"].as_u64().unwrap(), "{honest}");

    assert_eq!(found(&total_missing), ["total"]);
    assert_eq!(found(&total_changed), ["amount"]);
    assert_eq!(found(&total_short), ["events"]);
    assert_eq!((found(&row_missing), found(&row_changed)), (vec!["row"], vec!["amount"]));
    for audit in [row_missing, row_changed] {
        assert!(audit.findings[0].place.starts_with(&format!("event {event}, ")), "{}", audit.findings[0]);
    }
    let mut tampered = report;
    tampered["duplicate"] = json!(tampered["duplicate"].as_u64().unwrap() - 1);
    let tampered = audit_report(&expected, &tampered);
    assert_eq!(found(&tampered), ["duplicate"]);
}

#[test]
fn shards_change_rows_but_no_total() {
    let workload = Workload::new(Shape { seed: 2, events: 30_000, ..Shape::default() }).unwrap();
    let folder = tempfile::tempdir().unwrap();
    generate(&workload, folder.path());
    let mut digests = Vec::new();
    for shards in [1, 5, 16] {
        let report = run(&workload, folder.path(), &["--shards", &shards.to_string()]);
        let expected = Expected::new(&workload, shards);
        let summary = Summary(vec![audit_report(&expected, &report)]);
        assert!(summary.is_clean(), "{shards} shards, {:?}\n{summary}", workload.shape());
        digests.push(expected.figures().rows_digest);
    }
    assert_ne!(digests[0], digests[2], "usage that comes to two shards is rated on each by itself");
}

#[test]
fn late_usage_is_rated_in_its_own_period_or_refused() {
    let workload = Workload::new(Shape { seed: 3, ..Shape::default() }.with_closes(30)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    generate(&workload, folder.path());
    let report = run(&workload, folder.path(), &["--out", "out"]);
    let expected = Expected::new(&workload, 16);
    let out = folder.path().join("out");
    let [totals, ..] = audit_totals(&expected, &out);
    let ([rows, ..], _) = audit_rows(&expected, &out, &parts(&workload));
    let honest = Summary(vec![audit_report(&expected, &report), totals, rows]);
    assert!(honest.is_clean(), "{:?}\n{honest}", workload.shape());
    assert!(expected.figures().late_refused > 0);
}
