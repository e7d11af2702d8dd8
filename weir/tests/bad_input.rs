//! Bad input, end to end: a clear sentence with position and key, the documented exit status, nothing else lost, nothing
//! half-written that looks whole.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

const CATALOG: &str = r#"
name = "bad"
currency = "USD"
[meters.tokens]
event_type = "call"
aggregation = "sum"
value = "data.tokens"
scale = 2
[plans.p]
cycle = "1 month"
charges = [ { name = "tokens", meter = "tokens", price = { model = "unit", unit_amount = "0.5" } } ]
[defaults]
plan = "p"
"#;

fn weir(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_weir")).current_dir(folder).args(arguments).output().unwrap()
}

fn folder_with_catalog() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("catalog.toml"), CATALOG).unwrap();
    folder
}

fn event(id: &str, time: &str, data: &str) -> Vec<u8> {
    format!(
        r#"{{"specversion":"1.0","id":"{id}","source":"/s","type":"call","subject":"acme","time":"{time}","data":{data}}}"#
    )
    .into_bytes()
}

fn good(id: &str) -> Vec<u8> {
    event(id, "2026-08-01T00:00:00Z", r#"{"tokens":1}"#)
}

fn with_data(data: &str) -> Vec<u8> {
    event("x", "2026-08-01T00:00:00Z", data)
}

fn at(time: &str) -> Vec<u8> {
    event("x", time, r#"{"tokens":1}"#)
}

/// The line, and the code and sentence of its rejection.
fn bad_lines() -> Vec<(Vec<u8>, &'static str, &'static str)> {
    let deep = format!(r#"{{"tokens":1,"x":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    let long = format!(r#"{{"tokens":1,"x":"{}"}}"#, "a".repeat(40_000_000));
    vec![
        (good("x")[..60].to_vec(), "json_invalid", "the line ends at byte 61"),
        (b"\xff\xfe".to_vec(), "utf8_invalid", "the line is not UTF-8 at byte 1"),
        (with_data(&deep), "nesting_too_deep", "nested deeper than 64 at byte"),
        (with_data(&long), "record_too_long", "the line is longer than 1048576 bytes"),
        (with_data(r#"{"tokens":1,"tokens":2}"#), "key_duplicate", "the key `tokens` stands twice"),
        (with_data(r#"{"tokens":NaN}"#), "json_invalid", "`N` stands at byte 123 where a value is expected"),
        (with_data(r#"{"tokens":1e400}"#), "value_too_large", "`data.tokens` is too large: `1e400`"),
        (with_data(r#"{"tokens":-3}"#), "value_negative", "`data.tokens` is negative"),
        (with_data(r#"{"tokens":0.1234567890123456789}"#), "value_too_fine", "finer than the 2 decimals"),
        (with_data(r#"{"tokens":"many"}"#), "value_invalid", "`data.tokens` is not a decimal number: `many`"),
        (at("0001-01-01T00:00:00Z"), "time_out_of_range", "`time` is outside 1970 to 2199"),
        (at("9999-12-31T00:00:00Z"), "time_out_of_range", "`time` is outside 1970 to 2199"),
        (at("yesterday"), "time_invalid", "`time`"),
        (b"[1,2]".to_vec(), "json_not_object", "the line is JSON, but no object"),
    ]
}

#[test]
fn every_bad_line_is_rejected_alone() {
    let folder = folder_with_catalog();
    let cases = bad_lines();
    // A good line before and behind each bad one.
    let mut text = Vec::new();
    for (i, (line, ..)) in cases.iter().enumerate() {
        for line in [good(&format!("before-{i}")).as_slice(), line.as_slice()] {
            text.extend_from_slice(line);
            text.push(b'\n');
        }
    }
    // Numbers that a float would have changed, and a decimal string.
    text.extend_from_slice(&event("exact", "2026-08-02T00:00:00Z", r#"{"tokens":9007199254740993}"#));
    text.push(b'\n');
    text.extend_from_slice(&event("string", "2026-08-02T00:00:00Z", r#"{"tokens":"2.50"}"#));
    fs::write(folder.path().join("events.ndjson"), &text).unwrap();

    let arguments =
        ["run", "--catalog", "catalog.toml", "--events", "events.ndjson", "--out", "out", "--format", "json"];
    let output = weir(folder.path(), &arguments);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["received"], cases.len() * 2 + 2);
    assert_eq!(report["rejected"], cases.len());
    assert_eq!(report["rated"], cases.len() + 2);
    // 14 x 1 + 9007199254740993 + 2.50, at 0.5 each.
    assert_eq!(report["amounts"]["USD"], "4503599627370504.75");

    let quarantine = fs::read_to_string(folder.path().join("out/quarantine.ndjson")).unwrap();
    let records: Vec<Value> = quarantine.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(records.len(), cases.len());
    for (i, (record, (_, code, sentence))) in records.iter().zip(&cases).enumerate() {
        assert_eq!(record["line"], i * 2 + 2, "{record}");
        assert_eq!(record["code"], *code, "{record}");
        assert!(record["reason"].as_str().unwrap().contains(sentence), "{code}: {record}");
    }

    let strict = weir(folder.path(), &["run", "--catalog", "catalog.toml", "--events", "events.ndjson", "--strict"]);
    assert_eq!(strict.status.code(), Some(3));
}

#[test]
fn arguments_that_cannot_be_used() {
    let folder = folder_with_catalog();
    fs::write(folder.path().join("events.ndjson"), good("1")).unwrap();
    fs::write(folder.path().join("empty.ndjson"), b"").unwrap();
    fs::write(folder.path().join("table.csv"), b"a,b\n1,2\n").unwrap();
    fs::write(folder.path().join("cut.ndjson.gz"), [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0xab]).unwrap();
    fs::create_dir(folder.path().join("taken")).unwrap();
    fs::write(folder.path().join("taken/precious.txt"), b"mine").unwrap();
    for (arguments, status, sentence) in [
        (vec!["--events", "missing.ndjson"], 2, "missing.ndjson: there is no such file"),
        (vec!["--events", "taken"], 2, "taken: this is a directory"),
        (vec!["--events", "x*.ndjson"], 2, "x*.ndjson: no file matches"),
        (vec!["--events", "table.csv"], 2, "needs a mapping"),
        (vec!["--events", "cut.ndjson.gz"], 2, "the file is incomplete"),
        (vec!["--events", "catalog.toml"], 2, "the extension tells no format"),
        (vec!["--events", "empty.ndjson"], 0, "empty.ndjson holds no record"),
        (vec!["--events", "events.ndjson", "--out", "taken"], 2, "--out taken exists"),
        (vec!["--events", "events.ndjson", "--out", "taken", "--force"], 2, "holds no earlier result"),
        (vec!["--events", "events.ndjson", "--until", "tomorrow"], 2, "--until tomorrow"),
        (vec!["--events", "events.ndjson", "--mapping", "nowhere.toml"], 2, "cannot read the mapping nowhere.toml"),
        (vec!["--events", "events.ndjson", "--shards", "0"], 2, "--shards"),
    ] {
        let output = weir(folder.path(), &[&["run", "--catalog", "catalog.toml"], arguments.as_slice()].concat());
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "{arguments:?}: {stderr}");
        assert!(stderr.contains(sentence), "{arguments:?}: {stderr}");
    }
    assert_eq!(fs::read(folder.path().join("taken/precious.txt")).unwrap(), b"mine");
}

#[test]
fn catalogs_that_cannot_be_used() {
    let folder = folder_with_catalog();
    for (from, to, sentences) in [
        (
            r#"unit_amount = "0.5""#,
            "unit_amount = 0.5",
            vec!["bad.toml:11: plans.p.charges[0].price.unit_amount: ", "TOML float"],
        ),
        ("scale = 2", "scael = 2", vec!["bad.toml:8: meters.tokens.scael: ", r#"did you mean "scale"?"#]),
        (
            "name = \"bad\"",
            "name = \"bad\"\ntime_zone = \"Mars/Olympus\"",
            vec!["bad.toml:3: time_zone: ", "Mars/Olympus"],
        ),
        ("\"USD\"", "\"XYZ\"", vec!["bad.toml:3: currency: "]),
        ("[meters.tokens]", "[meters.tokens", vec!["bad.toml:4: "]),
    ] {
        fs::write(folder.path().join("bad.toml"), CATALOG.replace(from, to)).unwrap();
        let output = weir(folder.path(), &["check", "bad.toml"]);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{to}: {stderr}");
        for sentence in sentences {
            assert!(stderr.contains(sentence), "{to}: {sentence}: {stderr}");
        }
    }
}

/// A limit on the size of files stands in for a full disk: writing fails in the middle of the archive.
#[test]
fn a_full_disk_leaves_nothing_that_looks_whole() {
    let folder = folder_with_catalog();
    let mut text = Vec::new();
    for i in 0..60_000 {
        text.extend_from_slice(&good(&format!("event-{i:08}-{}", i * 7919 % 60_013)));
        text.push(b'\n');
    }
    fs::write(folder.path().join("events.ndjson"), &text).unwrap();
    for blocks in [0, 1, 64, 512] {
        let run = format!(
            "trap '' XFSZ; ulimit -f {blocks}; exec '{}' run --catalog catalog.toml --events events.ndjson --out out",
            env!("CARGO_BIN_EXE_weir")
        );
        let output = Command::new("bash").arg("-c").arg(run).current_dir(folder.path()).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{blocks} blocks: {stderr}");
        assert!(stderr.contains("choose another --out"), "{blocks} blocks: {stderr}");
        let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left.len(), 2, "only the inputs are left: {left:?}");
    }
    let whole = weir(folder.path(), &["run", "--catalog", "catalog.toml", "--events", "events.ndjson", "--out", "out"]);
    assert_eq!(whole.status.code(), Some(0));
    assert!(folder.path().join("out/report.json").is_file());
}
