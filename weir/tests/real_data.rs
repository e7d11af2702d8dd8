//! Weir against real data, found through `WEIR_TEST_DATA`: an AWS bill to the tenth decimal, and a day of LLM requests.

#![allow(clippy::print_stderr, reason = "a test that goes without its data says so loudly")]

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The folder with the real data; says loudly when a test goes without it.
fn data(name: &str) -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let folder = std::env::var_os("WEIR_TEST_DATA").map_or_else(|| root.join("../shared/data"), PathBuf::from);
    let path = root.join(folder).join(name);
    if path.exists() {
        return Some(path);
    }
    eprintln!("SKIPPED: NO REAL DATA at {}; set WEIR_TEST_DATA", path.display());
    None
}

fn project(path: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join(path).to_string_lossy().into_owned()
}

fn run(arguments: &[&str]) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_weir"))
        .arg("run")
        .args(arguments)
        .args(["--format", "json"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn an_aws_bill_to_the_tenth_decimal() {
    let Some(bill) = data("aws_cur/cur_2018Q4.csv.gz") else { return };
    let folder = tempfile::tempdir().unwrap();
    let catalog = folder.path().join("aws-cur");
    let made = Command::new(env!("CARGO")).args(["xtask", "aws-catalog"]).arg(&catalog).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let out = folder.path().join("out");
    let report = run(&[
        "--catalog",
        &catalog.join("catalog.toml").to_string_lossy(),
        "--mapping",
        &project("config/mappings/aws-cur.toml"),
        "--events",
        &bill.to_string_lossy(),
        "--out",
        &out.to_string_lossy(),
    ]);
    for (figure, expected) in [("received", 334_911), ("accepted", 334_911), ("rated", 334_911), ("rows", 334_911)] {
        assert_eq!(report[figure], expected, "{figure}");
    }
    assert_eq!(report["amounts"]["USD"], "7978.1860921001");
    let rows = rated_rows(&out.join("rated"));
    let (mut compared, mut sum) = (0, 0_i128);
    for (position, cost) in costs(&bill) {
        assert_eq!(rows.get(&position), Some(&(cost * 100_000_000)), "row {}", position + 1);
        compared += 1;
        sum += cost;
    }
    assert_eq!((compared, sum), (307_900, 74_324_566_250_997), "the rated Usage rows, in units of 10^-10");
}

/// Amount at scale 18 by position in the file, read back from the archive.
fn rated_rows(folder: &Path) -> BTreeMap<u64, i128> {
    use parquet::record::{Field, RowAccessor};
    let mut rows = BTreeMap::new();
    for period in std::fs::read_dir(folder).unwrap() {
        for part in std::fs::read_dir(period.unwrap().path()).unwrap() {
            let file = std::fs::File::open(part.unwrap().path()).unwrap();
            let reader = parquet::file::serialized_reader::SerializedFileReader::new(file).unwrap();
            for row in reader {
                let row = row.unwrap();
                let columns: Vec<&str> = row.get_column_iter().map(|(name, _)| name.as_str()).collect();
                let at = |name: &str| columns.iter().position(|column| *column == name).unwrap();
                let position = match row.get_column_iter().nth(at("position")).unwrap().1 {
                    Field::ULong(position) => *position,
                    other => panic!("position is {other:?}"),
                };
                // Big-endian two's complement of 16 bytes.
                let amount = row.get_decimal(at("amount")).unwrap().data().try_into().unwrap();
                rows.insert(position, i128::from_be_bytes(amount));
            }
        }
    }
    rows
}

/// AWS's own cost of each rated Usage row, in units of 10^-10, by position in the file.
fn costs(bill: &Path) -> Vec<(u64, i128)> {
    let mut text = Vec::new();
    flate2::read::MultiGzDecoder::new(std::fs::File::open(bill).unwrap()).read_to_end(&mut text).unwrap();
    let mut reader = csv::Reader::from_reader(text.as_slice());
    let header = reader.headers().unwrap().clone();
    let at = |name: &str| header.iter().position(|column| column == name).unwrap();
    let (kind, rate, cost) =
        (at("line_item_line_item_type"), at("line_item_unblended_rate"), at("line_item_unblended_cost"));
    let rows = (0_u64..).zip(reader.records().map(Result::unwrap));
    rows.filter(|(_, row)| &row[kind] == "Usage" && !row[rate].is_empty())
        .map(|(position, row)| {
            let decimal = weir_model::decimal::Decimal::parse(row[cost].as_bytes()).unwrap();
            (position, decimal.at_scale(10).unwrap())
        })
        .collect()
}

#[test]
fn a_day_of_llm_requests() {
    let Some(events) = data("servegen/deepseek_r1_events.csv.gz") else { return };
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let report = run(&[
        "--catalog",
        &project("config/catalogs/servegen.toml"),
        "--mapping",
        &project("config/mappings/servegen.toml"),
        "--events",
        &events.to_string_lossy(),
        "--no-archive",
        "--out",
        &out.to_string_lossy(),
    ]);
    assert_eq!((&report["received"], &report["rated"]), (&Value::from(1_024_182), &Value::from(1_024_182)));

    // Totals per client, summed here from the data itself.
    let mut text = String::new();
    flate2::read::MultiGzDecoder::new(std::fs::File::open(&events).unwrap()).read_to_string(&mut text).unwrap();
    let mut expected: BTreeMap<(String, String), u64> = BTreeMap::new();
    for row in text.lines().skip(1) {
        let cells: Vec<&str> = row.split(',').collect();
        for (meter, cell) in [("input_tokens", cells[4]), ("output_tokens", cells[5])] {
            *expected.entry((cells[2].to_owned(), meter.to_owned())).or_default() += cell.parse::<u64>().unwrap();
        }
    }
    assert_eq!(report["totals"], expected.len());
    let mut billed: BTreeMap<(String, String), u64> = BTreeMap::new();
    for line in std::fs::read_to_string(out.join("invoices/invoices.ndjson")).unwrap().lines() {
        let invoice: Value = serde_json::from_str(line).unwrap();
        let client = invoice["customer"]["id"].as_str().unwrap();
        for line in invoice["lines"].as_array().unwrap().iter().filter(|line| line["kind"] == "usage") {
            let quantity = line["quantity"].as_str().unwrap().parse::<u64>().unwrap();
            *billed.entry((client.to_owned(), line["meter"].as_str().unwrap().to_owned())).or_default() += quantity;
        }
    }
    assert_eq!(billed, expected);
}
