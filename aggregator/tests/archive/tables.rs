//! What stands in each column and line.

use std::fs;

use weir_model::catalog::PlanIdx;
use weir_model::event::Chunk;
use weir_model::hash::Digest;
use weir_model::price::CellIdx;
use weir_model::rated::{BucketTotal, CustomerPeriod, SettlementRow};
use weir_model::verdict::{RejectCode, UnpricedReason, Verdict};

use crate::support::*;

/// Two shards, three files' worth of verdicts, every kind of bucket.
fn write_sample(dir: &std::path::Path) -> weir_aggregator::ArchiveReport {
    let mut archive = create(dir, 1 << 20);
    let mut chunk = Chunk::new(2);
    let mut out = outputs(2);
    chunk.first_position = 10;
    let event = |position, subject, id, time, data: Option<&'static str>, verdict| Sample {
        position,
        subject,
        id,
        time,
        data: data.map(str::as_bytes),
        verdict,
    };
    let (rated, unmetered) = (Verdict::Rated, Verdict::Unmetered);
    let unpriced = Verdict::Unpriced(UnpricedReason::NoCell);

    out[1].opened.push(bucket("zoe", TOKENS, &["gpt \"4\"", "eu"], CellIdx::NONE, august()));
    out[1].opened.push(bucket("zoe", IMAGES, &[], CellIdx(1), august()));
    out[1].opened.push(bucket("zoe", IMAGES, &[], CellIdx::OTHERWISE, august()));
    out[0].opened.push(bucket("amy", YEN_CALLS, &[], CellIdx::NONE, september()));
    let first = push(&mut chunk, &mut out[1], 1, &event(0, "zoe", 1, AUGUST + 5, Some("{\"n\":1}"), rated));
    let second = push(&mut chunk, &mut out[1], 1, &event(2, "zoe", 2, AUGUST, Some(""), unpriced));
    push(&mut chunk, &mut out[1], 1, &event(3, "zoe", 1, AUGUST + 5, Some("{\"n\":1}"), Verdict::Duplicate));
    push(&mut chunk, &mut out[1], 1, &event(4, "zoe", 1, AUGUST + 6, Some("{\"n\":2}"), Verdict::Conflict));
    push(&mut chunk, &mut out[0], 0, &event(5, "amy", 3, SEPTEMBER - 1, None, unmetered));
    let third = push(&mut chunk, &mut out[0], 0, &event(6, "amy", 4, SEPTEMBER, None, rated));
    reject(&mut chunk, 1, RejectCode::Utf8Invalid, b"{\"a\":\"\xFF\"}");
    rate(&mut out[1], first, 0, quantity(9_007_199_254_740_993), amount(1));
    rate(&mut out[1], first, 1, quantity(1_500), amount(-250_000_000_000_000_000));
    rate(&mut out[1], second, 2, quantity(10_i128.pow(24)), amount(10_i128.pow(38) - 1));
    rate(&mut out[0], third, 0, quantity(1), amount(7 * 10_i128.pow(18)));
    archive.append(&chunk, &out).unwrap();

    let settled = bucket("zoe", TOKENS, &["gpt \"4\"", "eu"], CellIdx::NONE, august());
    archive.settle(&SettlementRow { shard: 1, bucket: settled, amount: amount(-5) }).unwrap();
    let total = |charge, group: &[&str], cell, quantity, events| BucketTotal {
        charge,
        group: group.iter().map(|&value| value.to_owned()).collect(),
        cell,
        quantity,
        events,
        amount: amount(42),
        digest: Digest(0xAB),
    };
    let zoe = CustomerPeriod {
        customer: "zoe".to_owned(),
        declared: None,
        plan: PlanIdx(0),
        period: august(),
        active: august(),
        sealed: true,
        buckets: vec![
            total(TOKENS, &["gpt \"4\"", "eu"], CellIdx::NONE, quantity(10_i128.pow(26) - 1), 3),
            total(TOKENS, &["a", ""], CellIdx::NONE, quantity(10_i128.pow(26)), 1),
            total(IMAGES, &[], CellIdx(0), quantity(-1_500), 2),
        ],
    };
    archive.total(&zoe).unwrap();
    archive.finish().unwrap()
}

const HASH: &str = "000000000000000000000000000000";

#[test]
fn accepted_events() {
    let dir = tempfile::tempdir().unwrap();
    write_sample(dir.path());
    let row = |position: u32, id: u32, subject: &str, rest: &str| {
        format!("a.ndjson|{position}|{HASH}{id:02x}|{}|/s|id-{id}|{subject}|call|{rest}", id + 1)
    };
    for (month, expected) in [
        (
            "2026-08",
            vec![
                row(15, 3, "amy", "2026-08-31T23:59:59.999999Z|-|unmetered|-"),
                row(12, 2, "zoe", "2026-08-01T00:00:00Z||unpriced|no_cell"),
                row(10, 1, "zoe", "2026-08-01T00:00:00.000005Z|{\"n\":1}|rated|-"),
            ],
        ),
        ("2026-09", vec![row(16, 4, "amy", "2026-09-01T00:00:00Z|-|rated|-")]),
    ] {
        assert_eq!(rows(&dir.path().join(format!("events/month={month}/part-00000.parquet"))), expected, "{month}");
    }
}

#[test]
fn rated_rows() {
    let dir = tempfile::tempdir().unwrap();
    write_sample(dir.path());
    let august = "2026-08-01T00:00:00Z|2026-09-01T00:00:00Z";
    let group = r#"{"model":"gpt \"4\"","region":"eu"}"#;
    for (period, expected) in [
        (
            "2026-08-01",
            vec![
                format!(
                    "a.ndjson|12|{HASH}02|zoe|pro|images|-|{{}}|{august}|2026-08-01T00:00:00Z|1000000000000000000000.000000000000|99999999999999999999.999999999999999999|USD|usage"
                ),
                format!(
                    "a.ndjson|10|{HASH}01|zoe|pro|images|-|{{\"size\":\"lar\\\"ge\"}}|{august}|2026-08-01T00:00:00.000005Z|1.500000000000|-0.250000000000000000|USD|usage"
                ),
                format!(
                    "a.ndjson|10|{HASH}01|zoe|pro|tokens|{group}|-|{august}|2026-08-01T00:00:00.000005Z|9007199254740993.000000000000|0.000000000000000001|USD|usage"
                ),
                format!(
                    "-|-|-|zoe|pro|tokens|{group}|-|{august}|-|0.000000000000|-0.000000000000000005|USD|settlement"
                ),
            ],
        ),
        (
            "2026-09-01",
            vec![format!(
                "a.ndjson|16|{HASH}04|amy|japan|calls|-|-|2026-09-01T00:00:00Z|2026-10-01T00:00:00Z|2026-09-01T00:00:00Z|1.000000000000|7.000000000000000000|JPY|usage"
            )],
        ),
    ] {
        assert_eq!(rows(&dir.path().join(format!("rated/period={period}/part-00000.parquet"))), expected, "{period}");
    }
}

#[test]
fn totals() {
    let dir = tempfile::tempdir().unwrap();
    write_sample(dir.path());
    let rest = format!("0.000000000000000042|USD|{HASH}ab");
    let period = "2026-08-01T00:00:00Z|2026-09-01T00:00:00Z|true";
    let most = "99999999999999999999999999";
    assert_eq!(
        rows(&dir.path().join("totals/period=2026-08-01/part-00000.parquet")),
        [
            format!("zoe|pro|images|images|-|{{\"size\":\"small\"}}|{period}|-1.500000000000|-1.5|2|{rest}"),
            format!(
                "zoe|pro|tokens|calls|{{\"model\":\"a\",\"region\":\"\"}}|-|{period}|-|100000000000000000000000000|1|{rest}"
            ),
            format!(
                "zoe|pro|tokens|calls|{{\"model\":\"gpt \\\"4\\\"\",\"region\":\"eu\"}}|-|{period}|{most}.000000000000|{most}|3|{rest}"
            ),
        ]
    );
}

#[test]
fn quarantine_in_log_order() {
    let dir = tempfile::tempdir().unwrap();
    let report = write_sample(dir.path());
    let text = fs::read_to_string(dir.path().join("quarantine.ndjson")).unwrap();
    let conflict = "an event with the same source and id but another content was accepted before; the first one stands";
    assert_eq!(
        text.lines().collect::<Vec<_>>(),
        [
            r#"{"file":"a.ndjson","line":12,"code":"utf8_invalid","reason":"is wrong","record":"{\"a\":\"�\"}"}"#
                .to_owned(),
            format!(
                r#"{{"file":"a.ndjson","line":15,"code":"conflict","reason":"{conflict}","source":"/s","id":"id-1","subject":"zoe","type":"call","time":"2026-08-01T00:00:00.000006Z","data":"{{\"n\":2}}"}}"#
            ),
        ]
    );
    assert_eq!((report.quarantine.rows, report.quarantine.bytes), (2, u64::try_from(text.len()).unwrap()));
}

#[test]
fn report_counts_what_was_written() {
    let dir = tempfile::tempdir().unwrap();
    let report = write_sample(dir.path());
    let counts = [report.events, report.rated, report.totals, report.quarantine].map(|table| (table.files, table.rows));
    assert_eq!(counts, [(2, 4), (2, 5), (1, 3), (1, 2)]);
    let bytes: usize = tree(dir.path()).values().map(Vec::len).sum();
    assert_eq!(report.sum().bytes, u64::try_from(bytes).unwrap());
}
