//! What stands in each column and line.

use std::fs;
use std::sync::Arc;

use weir_aggregator::Totals;
use weir_model::catalog::PlanIdx;
use weir_model::charge::{Fraction, Measured, Terms};
use weir_model::event::Chunk;
use weir_model::hash::Digest;
use weir_model::price::CellIdx;
use weir_model::rated::{BucketTotal, CustomerPeriod, OpenedBucket, Seal, Segment, SettlementRow};
use weir_model::time::{Instant, Period};
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

    open(&mut out[1], bucket("zoe", TOKENS, &["gpt \"4\"", "eu"], CellIdx::ONLY, august()));
    open(&mut out[1], bucket("zoe", IMAGES, &[], CellIdx(1), august()));
    open(&mut out[1], bucket("zoe", IMAGES, &[], CellIdx(2), august()));
    open(&mut out[0], bucket("amy", YEN_CALLS, &[], CellIdx::ONLY, september()));
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
    archive.append(chunk.into(), out).unwrap();

    let settled = bucket("zoe", TOKENS, &["gpt \"4\"", "eu"], CellIdx::ONLY, august());
    archive.settle(&SettlementRow { shard: 1, bucket: settled, amount: amount(-5) }).unwrap();
    let mut totals = Totals::new(catalog()).unwrap();
    totals.push(&zoes_period()).unwrap();
    archive.write_totals(totals.encode().unwrap()).unwrap();
    archive.finish().unwrap()
}

/// Two plans in one month; every kind of quantity.
fn zoes_period() -> CustomerPeriod {
    let second_half = Period { start: Instant::from_micros(AUGUST + 15 * DAY), end: august().end };
    let first_half = Period { start: august().start, end: second_half.start };
    let total = |charge, group: &[&str], cell, measured, events| BucketTotal {
        charge,
        group: group.iter().map(|&value| value.to_owned()).collect(),
        cell,
        terms: Arc::new(Terms {
            active: first_half,
            part: Fraction::WHOLE,
            versions: vec![(0, august().start)],
            allowance: quantity(0),
        }),
        measured,
        events,
        amount: amount(42),
        without_usage: amount(2),
        pool: None,
        digest: Digest(0xAB),
    };
    let one = |scaled| Measured::One(quantity(scaled));
    let parts = Measured::ByVersion(vec![quantity(10_i128.pow(26) - 3), quantity(2)]);
    let resources = Measured::ByResource(vec![quantity(3), quantity(1_500)]);
    let hours = |hours: i128| one(hours * 3_600_000_000 + 1);
    let before = vec![
        total(TOKENS, &["gpt \"4\"", "eu"], CellIdx::ONLY, parts, 3),
        total(TOKENS, &["a", ""], CellIdx::ONLY, one(10_i128.pow(26)), 1),
        total(IMAGES, &[], CellIdx(0), one(-1_500), 2),
    ];
    let after = vec![
        total(IMAGES, &[], CellIdx(0), one(0), 0),
        total(SEATS, &[], CellIdx::ONLY, resources, 2),
        total(LEVEL, &[], CellIdx(0), hours(36), 1),
        total(LEVEL, &[], CellIdx(1), hours(1), 1),
    ];
    let segment = |active, buckets| Segment { plan: PlanIdx(0), active, buckets };
    CustomerPeriod {
        customer: "zoe".to_owned(),
        declared: None,
        period: august(),
        seal: Seal::Now,
        segments: vec![segment(first_half, before), segment(second_half, after)],
    }
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
                row(10, 1, "zoe", "2026-08-01T00:00:00.000005Z|{\"n\":1}|rated|-"),
                row(12, 2, "zoe", "2026-08-01T00:00:00Z||unpriced|no_cell"),
                row(15, 3, "amy", "2026-08-31T23:59:59.999999Z|-|unmetered|-"),
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
    let august = "2026-08-01T00:00:00Z|2026-09-01T00:00:00Z|2026-08-01T00:00:00Z";
    let group = r#"{"model":"gpt \"4\"","region":"eu"}"#;
    for (period, expected) in [
        (
            "2026-08-01",
            vec![
                format!(
                    "a.ndjson|10|{HASH}01|zoe|pro|tokens|{group}|-|{august}|2026-08-01T00:00:00.000005Z|9007199254740993.000000000000|0.000000000000000001|USD|usage"
                ),
                format!(
                    "a.ndjson|10|{HASH}01|zoe|pro|images|-|{{\"size\":\"lar\\\"ge\"}}|{august}|2026-08-01T00:00:00.000005Z|1.500000000000|-0.250000000000000000|USD|usage"
                ),
                format!(
                    "a.ndjson|12|{HASH}02|zoe|pro|images|-|{{}}|{august}|2026-08-01T00:00:00Z|1000000000000000000000.000000000000|99999999999999999999.999999999999999999|USD|usage"
                ),
                format!(
                    "-|-|-|zoe|pro|tokens|{group}|-|{august}|-|0.000000000000|-0.000000000000000005|USD|settlement"
                ),
            ],
        ),
        (
            "2026-09-01",
            vec![format!(
                "a.ndjson|16|{HASH}04|amy|japan|calls|-|-|2026-09-01T00:00:00Z|2026-10-01T00:00:00Z|2026-09-01T00:00:00Z|2026-09-01T00:00:00Z|1.000000000000|7.000000000000000000|JPY|usage"
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
    let rest = format!("0.000000000000000042|0.000000000000000002|USD|{HASH}ab");
    let first = "2026-08-01T00:00:00Z|2026-09-01T00:00:00Z|2026-08-01T00:00:00Z|true";
    let second = "2026-08-01T00:00:00Z|2026-09-01T00:00:00Z|2026-08-16T00:00:00Z|true";
    let most = "99999999999999999999999999";
    let (small, night) = (r#"{"size":"small"}"#, r#"{"size":"small","window":"mon,holiday 20:00-06:00"}"#);
    assert_eq!(
        rows(&dir.path().join("totals/period=2026-08-01/part-00000.parquet")),
        [
            format!(
                "zoe|pro|tokens|calls|{{\"model\":\"gpt \\\"4\\\"\",\"region\":\"eu\"}}|-|{first}|{most}.000000000000|{most}|3|{rest}"
            ),
            format!(
                "zoe|pro|tokens|calls|{{\"model\":\"a\",\"region\":\"\"}}|-|{first}|-|100000000000000000000000000|1|{rest}"
            ),
            format!("zoe|pro|images|images|-|{small}|{first}|-1.500000000000|-1.5|2|{rest}"),
            format!("zoe|pro|images|images|-|{small}|{second}|0.000000000000|0|0|{rest}"),
            format!("zoe|pro|seats|calls|-|-|{second}|-|seats=3 storage=1.5|2|{rest}"),
            format!("zoe|pro|level|level|-|{night}|{second}|36.000000000278|36.000000000278|1|{rest}"),
            format!(
                r#"zoe|pro|level|level|-|{{"size":"small","window":""}}|{second}|1.000000000278|1.000000000278|1|{rest}"#
            ),
        ]
    );
}

/// A close opens a bucket, usage comes to it after the close, and a second close settles it.
#[test]
fn closes_stand_in_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let mut archive = create(dir.path(), 10);
    let late = OpenedBucket {
        start: Instant::from_micros(AUGUST + DAY),
        ..bucket("amy", SEATS, &[], CellIdx::ONLY, august())
    };
    archive.opened(1, &late).unwrap();
    archive.settle(&SettlementRow { shard: 1, bucket: late.clone(), amount: amount(5) }).unwrap();
    let (mut chunk, mut out) = (Chunk::new(2), outputs(2));
    let sample =
        |position, verdict| Sample { position, subject: "amy", id: 1, time: AUGUST + 2 * DAY, data: None, verdict };
    let event = push(&mut chunk, &mut out[1], 1, &sample(0, Verdict::Rated));
    push(&mut chunk, &mut out[0], 0, &sample(1, Verdict::LateRefused));
    open(&mut out[1], bucket("amy", IMAGES, &[], CellIdx(2), august()));
    rate(&mut out[1], event, 0, quantity(1), amount(7));
    rate(&mut out[1], event, 1, quantity(1), amount(8));
    archive.append(chunk.into(), out).unwrap();
    archive.settle(&SettlementRow { shard: 1, bucket: late, amount: amount(-6) }).unwrap();
    archive.finish().unwrap();

    let events = rows(&dir.path().join("events/month=2026-08/part-00000.parquet"));
    let verdicts: Vec<&str> = events.iter().filter_map(|row| row.split('|').nth(10)).collect();
    assert_eq!(verdicts, ["rated", "late_refused"]);
    let seats = "amy|pro|seats|-|-|2026-08-01T00:00:00Z|2026-09-01T00:00:00Z|2026-08-02T00:00:00Z";
    let images = "amy|pro|images|-|{}|2026-08-01T00:00:00Z|2026-09-01T00:00:00Z|2026-08-01T00:00:00Z";
    let usage = format!("a.ndjson|0|{HASH}01");
    assert_eq!(
        rows(&dir.path().join("rated/period=2026-08-01/part-00000.parquet")),
        [
            format!("-|-|-|{seats}|-|-|0.000000000000000005|USD|settlement"),
            format!("{usage}|{seats}|2026-08-03T00:00:00Z|-|0.000000000000000007|USD|usage"),
            format!("{usage}|{images}|2026-08-03T00:00:00Z|0.001000000000|0.000000000000000008|USD|usage"),
            format!("-|-|-|{seats}|-|-|-0.000000000000000006|USD|settlement"),
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
    assert_eq!(counts, [(2, 4), (2, 5), (1, 7), (1, 2)]);
    let bytes: usize = tree(dir.path()).values().map(Vec::len).sum();
    assert_eq!(report.sum().bytes, u64::try_from(bytes).unwrap());
}
