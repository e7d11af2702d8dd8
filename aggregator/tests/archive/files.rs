//! Which files there are, and that their bytes are a function of the log.

use std::fs::File;
use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, UInt64Type};
use parquet::file::reader::{FileReader, SerializedFileReader};
use proptest::prelude::*;
use weir_aggregator::{Archive, ArchiveError, ArchiveSettings, Contents};
use weir_model::event::Chunk;
use weir_model::price::CellIdx;
use weir_model::rated::ShardOutput;
use weir_model::verdict::{RejectCode, Verdict};

use crate::support::*;

#[test]
fn nothing_in_nothing_out() {
    let dir = tempfile::tempdir().unwrap();
    let report = create(dir.path(), 10).finish().unwrap();
    assert_eq!(names(dir.path()), ["quarantine.ndjson"]);
    assert_eq!((report.sum().rows, report.sum().bytes), (0, 0));
}

#[test]
fn only_rejections() {
    let dir = tempfile::tempdir().unwrap();
    let mut archive = create(dir.path(), 10);
    let mut chunk = Chunk::new(1);
    reject(&mut chunk, 0, RejectCode::JsonInvalid, &b"x".repeat(5000));
    archive.append(chunk.into(), outputs(1)).unwrap();
    archive.finish().unwrap();
    assert_eq!(names(dir.path()), ["quarantine.ndjson"]);
    let line = std::fs::read_to_string(dir.path().join("quarantine.ndjson")).unwrap();
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["record"].as_str().map(str::len), Some(4096));
    assert_eq!((&line["truncated"], &line["line"]), (&true.into(), &1.into()));
}

#[test]
fn an_existing_archive_is_not_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    create(dir.path(), 10).finish().unwrap();
    let again = Archive::create(dir.path(), catalog(), ArchiveSettings::default(), vec![]).err().unwrap();
    assert!(matches!(again, ArchiveError::Exists { .. }), "{again}");
    assert!(again.to_string().contains("quarantine.ndjson exists already"), "{again}");
}

/// One usage as the property tests draw it.
#[derive(Debug, Clone)]
struct Usage {
    customer: u8,
    time: i64,
    amount: i64,
}

fn usages(len: impl Into<proptest::collection::SizeRange>) -> impl Strategy<Value = Vec<Usage>> {
    let usage = (0..5_u8, 0..90_i64, any::<i64>());
    let usage = usage.prop_map(|(customer, day, amount)| Usage { customer, time: AUGUST + day * DAY, amount });
    proptest::collection::vec(usage, len)
}

/// Feeds the usages in chunks of seven; each customer's home is one of `shards`.
fn write(dir: &Path, usages: &[Usage], shards: usize, settings: ArchiveSettings) -> weir_aggregator::ArchiveReport {
    let inputs = vec!["a.ndjson".to_owned(), "b.ndjson".to_owned()];
    let mut archive = Archive::create(dir, catalog(), settings, inputs).unwrap();
    let mut opened: Vec<Vec<(u8, i64)>> = vec![Vec::new(); shards];
    for (sequence, part) in (0_u32..).zip(usages.chunks(7)) {
        let mut chunk = Chunk::new(shards);
        let mut out: Vec<ShardOutput> = outputs(shards);
        chunk.sequence = u64::from(sequence);
        chunk.first_position = u64::from(sequence) * 7;
        for (position, usage) in (0_u32..).zip(part) {
            let shard = usize::from(usage.customer) % shards;
            let customer = format!("customer-{}", usage.customer);
            let id = u64::from(sequence * 7 + position);
            let sample = Sample {
                position,
                subject: &customer,
                id,
                time: usage.time,
                data: Some(b"{}"),
                verdict: Verdict::Rated,
            };
            let event = push(&mut chunk, &mut out[shard], shard, &sample);
            let period = if usage.time < SEPTEMBER { august() } else { september() };
            let key = (usage.customer, period.start.micros());
            let number = opened[shard].iter().position(|&other| other == key).unwrap_or_else(|| {
                open(&mut out[shard], bucket(&customer, CALLS, &[], CellIdx::ONLY, period));
                opened[shard].push(key);
                opened[shard].len() - 1
            });
            let number = u32::try_from(number).unwrap();
            rate(&mut out[shard], event, number, quantity(1), amount(usage.amount.into()));
        }
        archive.append(chunk.into(), out).unwrap();
    }
    archive.finish().unwrap()
}

fn cut_at(rows_per_batch: usize) -> ArchiveSettings {
    ArchiveSettings { rows_per_batch, ..ArchiveSettings::default() }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn bytes_do_not_depend_on_shards(usages in usages(0..60), rows in 1..40_usize) {
        let [one, sixteen] = [1, 16].map(|shards| {
            let dir = tempfile::tempdir().unwrap();
            write(dir.path(), &usages, shards, cut_at(rows));
            tree(dir.path())
        });
        prop_assert!(one == sixteen);
    }

    #[test]
    fn amounts_sum_to_what_was_fed(usages in usages(0..200), rows in 1..100_usize, bytes in 1..20_000_usize) {
        let dir = tempfile::tempdir().unwrap();
        let settings = ArchiveSettings { rows_per_batch: rows, buffer_bytes_max: bytes, ..ArchiveSettings::default() };
        let report = write(dir.path(), &usages, 3, settings);
        let fed: i128 = usages.iter().map(|usage| i128::from(usage.amount)).sum();
        let (mut sum, mut positions) = (0_i128, Vec::<u64>::new());
        for name in names(dir.path()).iter().filter(|name| name.starts_with("rated/")) {
            for batch in batches(&dir.path().join(name)) {
                let amounts = batch.column_by_name("amount").unwrap().as_primitive::<Decimal128Type>();
                sum += amounts.values().iter().sum::<i128>();
                positions.extend(batch.column_by_name("position").unwrap().as_primitive::<UInt64Type>().values());
            }
        }
        positions.sort_unstable();
        prop_assert_eq!(sum, fed);
        prop_assert_eq!(positions, (0..u64::try_from(usages.len()).unwrap()).collect::<Vec<_>>());
        prop_assert_eq!([report.events.rows, report.rated.rows], [u64::try_from(usages.len()).unwrap(); 2]);
    }
}

#[test]
fn totals_only_keeps_no_rows() {
    let dir = tempfile::tempdir().unwrap();
    let usage = Usage { customer: 1, time: AUGUST, amount: 1 };
    let report = write(dir.path(), &[usage], 1, ArchiveSettings { contents: Contents::TotalsOnly, ..cut_at(1) });
    assert_eq!(names(dir.path()), ["quarantine.ndjson"]);
    assert_eq!(report.sum().rows, 0);
}

/// Chunks hold seven events: batches end at the first chunk that reaches the limit.
#[test]
fn batches_end_with_chunks() {
    let usage = |i: u8| Usage { customer: i % 3, time: AUGUST + i64::from(i), amount: 1 };
    let usages: Vec<Usage> = (0..30).map(usage).collect();
    for (settings, expected) in [
        (cut_at(1), vec![7, 7, 7, 7, 2]),
        (cut_at(7), vec![7, 7, 7, 7, 2]),
        (cut_at(8), vec![14, 14, 2]),
        (cut_at(30), vec![30]),
        (ArchiveSettings { buffer_bytes_max: 1, ..cut_at(30) }, vec![7, 7, 7, 7, 2]),
    ] {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), &usages, 2, settings);
        for table in ["events/month=2026-08", "rated/period=2026-08-01"] {
            let part = |i: usize| rows(&dir.path().join(format!("{table}/part-{i:05}.parquet"))).len();
            assert_eq!((0..expected.len()).map(part).collect::<Vec<_>>(), expected, "{table} {settings:?}");
        }
        assert_eq!(names(dir.path()).len(), 2 * expected.len() + 1);
    }
}

#[test]
fn files_say_what_they_hold() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), &[Usage { customer: 1, time: AUGUST, amount: 1 }], 1, cut_at(1));
    for (table, partition) in [("events", "month=2026-08"), ("rated", "period=2026-08-01")] {
        let file = File::open(dir.path().join(format!("{table}/{partition}/part-00000.parquet"))).unwrap();
        let reader = SerializedFileReader::new(file).unwrap();
        let metadata = reader.metadata();
        let value = |key: &str| {
            let entries = metadata.file_metadata().key_value_metadata().unwrap();
            entries.iter().find(|entry| entry.key == key).and_then(|entry| entry.value.clone())
        };
        let expected = [
            ("weir.schema_version", "2"),
            ("weir.table", table),
            ("weir.catalog", "sample"),
            ("weir.catalog_hash", "000000000000abcd"),
        ];
        for (key, text) in expected {
            assert_eq!(value(key).as_deref(), Some(text), "{key}");
        }
    }
}

#[test]
fn contradictions_stop_the_archive() {
    type Spoil = fn(&mut Chunk, &mut Vec<ShardOutput>);
    let sample = Sample { position: 3, subject: "amy", id: 1, time: AUGUST, data: None, verdict: Verdict::Rated };
    let opened = || bucket("amy", CALLS, &[], CellIdx::ONLY, august());
    let cases: [(Spoil, &str); 10] = [
        (|_, out| out.clear(), "another number of outputs"),
        (|_, out| out[0].verdicts.clear(), "another number of verdicts"),
        (|_, out| out[0].rows.amount.clear(), "rated columns of different lengths"),
        (|_, out| out[0].subjects.clear(), "another number of subjects"),
        (|_, out| out[0].rows.event[0] = 1, "without an accepted event"),
        (|_, out| out[0].opened.clear(), "never opened"),
        (|_, out| out[0].opened.stretches.clear(), "has no name"),
        (|_, out| out[0].opened.combos[0].1.group = Box::new(["x".into()]), "group values"),
        (|chunk, _| chunk.file = 2, "a file without a name"),
        (|_, out| out[0].rows.quantity[0] = quantity(10_i128.pow(26)), "record 3 of a.ndjson at charge calls"),
    ];
    for (spoil, expected) in cases {
        let dir = tempfile::tempdir().unwrap();
        let mut archive = create(dir.path(), 10);
        let (mut chunk, mut out) = (Chunk::new(1), outputs(1));
        open(&mut out[0], opened());
        let event = push(&mut chunk, &mut out[0], 0, &sample);
        rate(&mut out[0], event, 0, quantity(1), amount(1));
        spoil(&mut chunk, &mut out);
        // The tables have threads of their own: at the latest the end tells.
        let error = match archive.append(chunk.into(), out) {
            Ok(()) => archive.finish().unwrap_err(),
            Err(error) => {
                assert!(matches!(archive.append(Chunk::new(0).into(), vec![]), Err(ArchiveError::Stopped)));
                assert!(matches!(archive.finish(), Err(ArchiveError::Stopped)));
                error
            }
        };
        assert!(error.to_string().contains(expected), "{expected}: {error}");
    }
}

#[test]
fn accepted_text_must_be_utf8() {
    let dir = tempfile::tempdir().unwrap();
    let mut archive = create(dir.path(), 10);
    let (mut chunk, mut out) = (Chunk::new(1), outputs(1));
    let sample =
        Sample { position: 3, subject: "amy", id: 1, time: AUGUST, data: Some(b"\xFF"), verdict: Verdict::Unmetered };
    push(&mut chunk, &mut out[0], 0, &sample);
    let error = archive.append(chunk.into(), out).and_then(|()| archive.finish()).unwrap_err().to_string();
    assert!(error.starts_with("data of record 3 of a.ndjson is not UTF-8"), "{error}");
}
