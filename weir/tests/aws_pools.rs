//! Pools against real data, found through `WEIR_TEST_DATA`: the free allowances that AWS granted to two linked accounts together.
//!
//! `tier_truth.csv` has a row for each of four SKUs and three months, with what AWS billed, and what a pool comes to by the
//! book: max(0, total - allowance) x rate. Weir must come to the book in all twelve, and so to the bill wherever the two are
//! one (`diff` is 0), which they are in nine. In the other three AWS itself does not keep to the book:
//!
//! - `s3-put` in October: 1,997 of the 2,000 free requests were granted before the first paid one, so three requests were billed
//!   that should have been free: 3 x 0.000005 = 0.000015.
//! - `regional-gb` in October and November: 0.9999963559 GB and 0.9999997531 GB of the free gigabyte were granted, and the cost of each
//!   hourly row was rounded to 10 decimals. Both together make 0.000000029818 too much and 0.000000002786 too little.

#![allow(clippy::print_stderr, reason = "a test that goes without its data says so loudly")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use weir_model::decimal::Decimal;

/// The folder with the report; says loudly when the test goes without it.
fn data() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let folder = std::env::var_os("WEIR_TEST_DATA").map_or_else(|| root.join("../shared/data"), PathBuf::from);
    let path = root.join(folder).join("aws_cur");
    if path.exists() {
        return Some(path);
    }
    eprintln!("SKIPPED: NO REAL DATA at {}; set WEIR_TEST_DATA", path.display());
    None
}

/// At scale 18.
fn amount(text: &str) -> i128 {
    Decimal::parse(text.as_bytes()).unwrap().at_scale(18).unwrap()
}

/// A pool in a month, in the terms of `tier_truth.csv`.
type Pool = (String, String);

/// What AWS billed, what the book says, and the difference.
#[derive(Debug)]
struct Truth {
    billed: i128,
    by_the_book: i128,
    difference: i128,
}

fn truth(data: &Path) -> BTreeMap<Pool, Truth> {
    let mut reader = csv::Reader::from_path(data.join("tier_truth.csv")).unwrap();
    let header = reader.headers().unwrap().clone();
    let at = |name: &str| header.iter().position(|column| column == name).unwrap();
    let columns = ["month", "pool", "billed", "max(0,total-allowance)*rate", "diff"].map(at);
    let rows = reader.records().map(|row| {
        let row = row.unwrap();
        let [month, pool, billed, by_the_book, difference] = columns.map(|column| &row[column]);
        let truth = Truth { billed: amount(billed), by_the_book: amount(by_the_book), difference: amount(difference) };
        ((month.to_owned(), pool.to_owned()), truth)
    });
    rows.collect()
}

#[test]
fn shared_allowances_of_a_real_bill() {
    let Some(data) = data() else { return };
    let folder = tempfile::tempdir().unwrap();
    let made = Command::new(env!("CARGO")).args(["xtask", "aws-pools"]).arg(folder.path()).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let out = folder.path().join("out");
    let mapping = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/mappings/aws-cur.toml");
    let mut weir = Command::new(env!("CARGO_BIN_EXE_weir"));
    weir.args(["run", "--no-archive", "--format", "json", "--catalog"]).arg(folder.path().join("catalog.toml"));
    weir.arg("--mapping").arg(mapping).arg("--events").arg(data.join("cur_2018Q4.csv.gz")).arg("--out").arg(&out);
    let output = weir.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let counts =
        ["received", "duplicate", "conflict", "rejected", "unpriced"].map(|name| report[name].as_u64().unwrap());
    assert_eq!(counts, [334_911, 0, 0, 0, 0]);

    // What the two customers pay together, by month and pool: their shares sum to the pool's amount exactly.
    let mut amounts: BTreeMap<Pool, i128> = BTreeMap::new();
    for line in std::fs::read_to_string(out.join("invoices/invoices.ndjson")).unwrap().lines() {
        let invoice: Value = serde_json::from_str(line).unwrap();
        let month = &invoice["period"]["first_on"].as_str().unwrap()[..7];
        for line in invoice["lines"].as_array().unwrap() {
            let pool = (month.to_owned(), line["charge"].as_str().unwrap().to_owned());
            *amounts.entry(pool).or_default() += amount(line["exact_amount"].as_str().unwrap());
        }
    }

    let truth = truth(&data);
    assert_eq!(truth.len(), 12);
    assert_eq!(amounts.keys().collect::<Vec<_>>(), truth.keys().collect::<Vec<_>>());
    let mut exact = 0;
    for (pool, Truth { billed, by_the_book, difference }) in &truth {
        let amount = amounts[pool];
        assert_eq!(amount, *by_the_book, "{pool:?}: Weir against the book");
        assert_eq!(billed - amount, *difference, "{pool:?}: the bill against Weir");
        exact += u32::from(*difference == 0);
    }
    assert_eq!(exact, 9, "pools in which the bill keeps to the book");
}
