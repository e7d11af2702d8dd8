//! The outbox: the same bytes in any number of lives, whatever crashes or fails in between.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{ErrorKind, IoSlice};
use std::sync::Arc;

use weir_aggregator::{ArchiveError, BatchManifest, BatchSize, LogMark, MANIFEST_VERSION, Outbox, Owner};
use weir_files::{Disk, Files, Simulated, Survivors, for_each_crash, for_each_failure};
use weir_model::catalog::Catalog;
use weir_model::event::Chunk;
use weir_model::time::Instant;
use weir_model::verdict::Verdict;
use xxhash_rust::xxh3::xxh3_128;

use crate::log::*;
use crate::support::*;

/// The folder after a life without trouble.
fn expected(log: &Log) -> Simulated {
    let files = Simulated::new();
    assert_eq!(whole(&files, log).unwrap(), offset(log.records.len()));
    files
}

/// The first path at which two folders differ.
fn difference(files: &Simulated, expected: &BTreeMap<String, Vec<u8>>) -> Option<String> {
    let found = content(files);
    let mut paths = found.keys().chain(expected.keys());
    paths.find(|path| found.get(*path) != expected.get(*path)).cloned()
}

fn manifests(files: &Simulated) -> Vec<BatchManifest> {
    let content = content(files);
    let manifests = content.iter().filter(|(path, _)| path.starts_with("batches/"));
    manifests.map(|(_, bytes)| serde_json::from_slice(bytes).unwrap()).collect()
}

fn write(files: &dyn Files, path: &str, bytes: &[u8]) {
    let mut file = files.create(path).unwrap();
    file.append(&mut [IoSlice::new(bytes)]).unwrap();
}

#[test]
fn manifests_name_every_file_and_make_a_chain() {
    let files = expected(&Log::sample());
    let (content, manifests) = (content(&files), manifests(&files));
    let ranges: Vec<_> = manifests.iter().map(|batch| (batch.offset_start, batch.offset_end)).collect();
    assert_eq!(ranges, [(0, 200), (200, 500), (500, 900), (900, 1200)]);
    let times: Vec<_> = manifests.iter().map(|batch| (&*batch.first_logged_at, &*batch.last_logged_at)).collect();
    let second = |second| format!("2026-08-01T00:00:{second:02}Z");
    let expected = [(0, 1), (2, 4), (6, 8), (9, 10)].map(|(first, last)| (second(first), second(last)));
    assert_eq!(times, expected.each_ref().map(|(first, last)| (&**first, &**last)));
    let hashes: Vec<_> = manifests.iter().map(|batch| &*batch.catalog_hash).collect();
    assert_eq!(hashes, ["000000000000abcd", "000000000000abcd", "000000000000bcde", "000000000000bcde"]);
    assert!(manifests.iter().all(|batch| batch.version == MANIFEST_VERSION && batch.generation == 1));
    let mut named: BTreeSet<&str> = BTreeSet::new();
    for file in manifests.iter().flat_map(|batch| &batch.files) {
        let bytes = &content[&file.path];
        assert_eq!((file.bytes, &file.xxh3_128), (bytes.len() as u64, &format!("{:032x}", xxh3_128(bytes))));
        assert!(file.path.starts_with(&file.table), "{}", file.path);
        named.insert(&file.path);
    }
    let others: Vec<&str> = content.keys().map(String::as_str).filter(|path| !named.contains(path)).collect();
    let manifest = |offset: u64| format!("batches/g0001-e000001-o{offset:020}.json");
    assert_eq!(others, [200, 500, 900, 1200].map(manifest));
}

#[test]
fn the_tables_hold_what_was_told() {
    let dir = tempfile::tempdir().unwrap();
    for (path, bytes) in content(&expected(&Log::sample())) {
        let path = dir.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    let table = |path: &str, name: &str| rows(&dir.path().join(format!("{path}/g0001-e000001-o{name:0>20}.parquet")));
    let subjects =
        |rows: &[String]| rows.iter().map(|row| row.split('|').nth(6).unwrap().to_owned()).collect::<Vec<_>>();
    let august = table("events/month=2026-08", "200");
    assert_eq!(subjects(&august), ["amy", "zoe", "zoe", "zoe", "amy"]);
    assert!(august.iter().all(|row| row.starts_with("log|")), "{august:?}");
    assert_eq!(subjects(&table("events/month=2026-09", "200")), ["amy"]);
    // Charge and cell; the second catalog has other cells from September on.
    let cells = |rows: Vec<String>| {
        let of = |row: String| row.split('|').skip(5).take(3).map(str::to_owned).collect::<Vec<_>>().join("|");
        rows.into_iter().map(of).collect::<Vec<_>>()
    };
    let small = r#"images|-|{"size":"small"}"#;
    let group = |model: &str| format!(r#"tokens|{{"model":"{model}","region":"eu"}}|-"#);
    assert_eq!(cells(table("rated/period=2026-09-01", "500")), [small]);
    assert_eq!(cells(table("rated/period=2026-09-01", "900")), [r#"images|-|{"size":"huge"}"#, "calls|-|-"]);
    let first = cells(table("rated/period=2026-08-01", "200"));
    assert_eq!(
        first,
        ["calls|-|-".into(), group("a"), group("b"), group("b"), r#"images|-|{"size":"lar\"ge"}"#.into()]
    );
    assert_eq!(cells(table("rated/period=2026-08-01", "900"))[2..], ["extra|-|-".to_owned(), group("d")]);
}

#[test]
fn each_batch_has_its_own_quarantine() {
    let content = content(&expected(&Log::sample()));
    let lines = |offset: u64| {
        let bytes = content.get(&format!("quarantine/g0001-e000001-o{offset:020}.ndjson"))?;
        let lines = std::str::from_utf8(bytes).unwrap().lines().map(|line| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(line["file"], "log");
            (line["code"].as_str().unwrap().to_owned(), line["line"].as_u64().unwrap())
        });
        Some(lines.collect::<Vec<_>>())
    };
    let line = |code: &str, line| (code.to_owned(), line);
    assert_eq!(lines(200), Some(vec![line("json_invalid", 4), line("conflict", 8)]));
    assert_eq!(lines(500), None);
    assert_eq!(lines(900), Some(vec![line("json_invalid", 16), line("conflict", 20)]));
    assert_eq!(lines(1200), None);
}

#[test]
fn bytes_do_not_depend_on_lives() {
    let log = Log::sample();
    let expected = content(&expected(&log));
    for end in 0..=log.records.len() {
        let files = Simulated::new();
        let mut life = Life::begin(&files, &log, 0).unwrap();
        life.go(&log, end).unwrap();
        let archived = life.stop().unwrap();
        // A snapshot may be of any record that is archived, and replay begins there.
        for snapshot in (0..=end).filter(|&records| offset(records) <= archived) {
            let files = files.copy();
            let mut life = Life::begin(&files, &log, snapshot).unwrap();
            let found = life.outbox().archived();
            assert!(found <= archived, "{found} {archived}");
            life.go(&log, snapshot + 2).unwrap();
            drop(life);
            assert_eq!(Life::begin(&files, &log, snapshot).unwrap().end(&log).unwrap(), offset(log.records.len()));
            assert_eq!(difference(&files, &expected), None, "ended after {end}, went on after {snapshot}");
        }
    }
}

/// The latest snapshot that there may be: of records that were told to be archived.
fn snapshot(told: u64) -> usize {
    usize::try_from(told / offset(1)).unwrap()
}

#[test]
fn every_crash_leaves_what_was_archived_and_the_rest_comes_again() {
    let log = Log::sample();
    let expected = content(&expected(&log));
    let script = |files: &Simulated| {
        let Ok(life) = Life::begin(files, &log, 0) else { return 0 };
        let told = Arc::clone(&life.told);
        let _ = life.end(&log);
        told.lock().unwrap().archived
    };
    for_each_crash(&Simulated::new(), script, |told, files| {
        let mut life = Life::begin(&files, &log, snapshot(*told)).unwrap();
        let found = life.outbox().archived();
        assert!([0, 200, 500, 900, 1200].contains(&found) && found >= *told, "told {told}, found {found}");
        life.end(&log).unwrap();
        assert_eq!(difference(&files, &expected), None);
    });
}

#[test]
fn every_failure_is_told_and_nothing_is_archived_that_is_not() {
    let log = Log::sample();
    let expected = content(&expected(&log));
    let script = |files: &Simulated| {
        let life = match Life::begin(files, &log, 0) {
            Ok(life) => life,
            Err(error) => return (Some(error), 0),
        };
        let told = Arc::clone(&life.told);
        let error = life.end(&log).err();
        let told = told.lock().unwrap();
        assert_eq!(told.stopped, error.iter().map(ToString::to_string).collect::<Vec<_>>());
        (error, told.archived)
    };
    for_each_failure(&Simulated::new(), script, |(error, archived), files| {
        assert!(matches!(error, Some(ArchiveError::Disk(_))), "{error:?}");
        // What the next life reports is durable, even if the one that failed did not come so far.
        let again = files.copy();
        let found = Life::begin(&again, &log, snapshot(*archived)).unwrap().outbox().archived();
        let after_power_loss = again.survivors(Survivors::Nothing);
        let mut life = Life::begin(&after_power_loss, &log, snapshot(*archived)).unwrap();
        assert_eq!(life.outbox().archived(), found);
        for which in [Survivors::Nothing, Survivors::Everything, Survivors::Seeded(7)] {
            let files = files.survivors(which);
            let mut life = Life::begin(&files, &log, snapshot(*archived)).unwrap();
            assert!(life.outbox().archived() >= *archived);
            life.end(&log).unwrap();
            assert_eq!(difference(&files, &expected), None, "{which:?}");
        }
    });
}

#[test]
fn a_call_after_the_end_says_so() {
    let log = Log::sample();
    let mut life = Life::begin(&Simulated::new().with_capacity(1000), &log, 0).unwrap();
    life.go(&log, 2).unwrap();
    let outbox = life.outbox();
    let error = std::iter::repeat_with(|| outbox.cut(offset(2))).find_map(Result::err).unwrap();
    assert!(matches!(&error, ArchiveError::Disk(file) if file.kind() == ErrorKind::StorageFull), "{error:?}");
    assert!(matches!(outbox.cut(offset(2)), Err(ArchiveError::Stopped)));
    assert_eq!((outbox.archived(), outbox.batch_size().is_empty()), (0, true));
}

#[test]
fn an_empty_batch_leaves_nothing() {
    let (files, log) = (Simulated::new(), Log::sample());
    let mut life = Life::begin(&files, &log, 0).unwrap();
    life.outbox().cut(50).unwrap();
    life.outbox().cut(70).unwrap();
    assert_eq!(life.stop().unwrap(), 70);
    assert_eq!(content(&files).len(), 0);
    assert_eq!(Life::begin(&files, &log, 0).unwrap().outbox().archived(), 0);
}

#[test]
fn a_batch_is_as_large_as_what_it_keeps() {
    let log = Log::sample();
    let mut life = Life::begin(&Simulated::new(), &log, 0).unwrap();
    let mut after = |records| {
        life.go(&log, records).unwrap();
        let BatchSize { events, rows, quarantined, .. } = life.outbox().batch_size();
        let began_at = life.outbox().batch_began_at().map(|at| (at.micros() - AUGUST) / 1_000_000);
        ([events, rows, quarantined], began_at, life.outbox().batch_size().bytes)
    };
    assert_eq!(after(0), ([0, 0, 0], None, 0));
    let (counts, began_at, first) = after(1);
    assert_eq!((counts, began_at), ([3, 3, 1], Some(0)));
    assert_eq!(after(2), ([0, 0, 0], None, 0));
    let (counts, began_at, settled) = after(3);
    assert_eq!((counts, began_at), ([0, 2, 0], Some(2)));
    assert_eq!(after(4), (counts, began_at, settled), "a repeated event adds nothing");
    assert!(after(5).2 > settled && first > settled);
}

const LEFTOVER: &str = "events/month=2026-08/g0001-e000001-o00000000000000000200.parquet";

/// The folder with one file that a life before has left.
fn with_leftover(path: &str, bytes: &[u8]) -> Simulated {
    let files = Simulated::new();
    for (at, _) in path.match_indices('/') {
        files.make_folder(&path[..at]).unwrap();
    }
    write(&files, path, bytes);
    files
}

#[test]
fn a_name_that_is_taken_must_have_the_same_bytes() {
    let log = Log::sample();
    let expected = content(&expected(&log));
    let bytes = &expected[LEFTOVER];
    let files = with_leftover(LEFTOVER, bytes);
    whole(&files, &log).unwrap();
    assert_eq!(difference(&files, &expected), None);

    let mut other = bytes.clone();
    *other.last_mut().unwrap() ^= 1;
    for other in [&other[..], &bytes[1..], b""] {
        let files = with_leftover(LEFTOVER, other);
        let error = whole(&files, &log).unwrap_err();
        assert!(matches!(&error, ArchiveError::Differs { path } if path.to_str() == Some(LEFTOVER)), "{error:?}");
        assert!(error.to_string().starts_with(LEFTOVER), "{error}");
        assert_eq!(files.content(LEFTOVER).as_deref(), Some(other));
        assert_eq!(manifests(&files), []);
    }
}

#[test]
fn what_was_cut_elsewhere_and_never_finished_goes() {
    let log = Log::sample();
    let expected = content(&expected(&log));
    for path in [
        "events/month=2026-08/g0001-e000001-o00000000000000000150.parquet",
        "rated/period=2026-01-01/g0001-e000000-o00000000000000000500.parquet",
        "quarantine/g0001-e000001-o00000000000000000700.ndjson",
        "staging/events-month=2026-08-g0001-e000001-o00000000000000000200.parquet",
    ] {
        let files = with_leftover(path, b"half");
        whole(&files, &log).unwrap();
        assert_eq!(difference(&files, &expected), None, "{path}");
    }
    for path in [
        "events/month=2026-08/g0000-e000001-o00000000000000000200.parquet",
        "events/month=2026-08/mine.parquet",
        "quarantine/g0001-e000001-o00000000000000009000.ndjson",
    ] {
        let files = with_leftover(path, b"other");
        whole(&files, &log).unwrap();
        assert_eq!(files.content(path).as_deref(), Some(&b"other"[..]), "{path}");
    }
}

#[test]
fn a_later_owner_is_respected() {
    let (files, log) = (Simulated::new(), Log::sample());
    let mut life = Life::begin(&files, &log, 0).unwrap();
    life.go(&log, 5).unwrap();
    life.stop().unwrap();
    let open =
        |generation, epoch| Outbox::open(Arc::new(files.clone()), Owner { generation, epoch }, catalog(), |_| ());
    for (generation, epoch) in [(0, 1), (0, 9), (1, 0)] {
        assert!(matches!(open(generation, epoch), Err(ArchiveError::Fenced { .. })), "{generation} {epoch}");
    }
    for (generation, epoch, archived) in [(1, 1, 200), (1, 2, 200), (2, 1, 0)] {
        assert_eq!(open(generation, epoch).unwrap().archived(), archived, "{generation} {epoch}");
    }
}

/// What the outbox says to a call, after the sample's first record.
fn misuse(call: impl FnOnce(&mut Outbox) -> Result<(), ArchiveError>) -> String {
    let log = Log::sample();
    let mut life = Life::begin(&Simulated::new(), &log, 0).unwrap();
    life.go(&log, 1).unwrap();
    call(life.outbox()).unwrap_err().to_string()
}

#[test]
fn what_cannot_be_is_refused() {
    let log = Log::sample();
    let Record::Events(chunk, out) = &log.records[0].0 else { panic!("the sample begins with events") };
    let append = |outbox: &mut Outbox, offset| {
        let mark = LogMark { offset, logged_at: Instant::from_micros(AUGUST) };
        outbox.append(mark, Arc::clone(chunk), out.clone())
    };
    let change = |outbox: &mut Outbox, change: fn(&mut Catalog)| {
        let mut catalog = (*catalog()).clone();
        change(&mut catalog);
        outbox.cut(offset(1))?;
        outbox.set_catalog(Arc::new(catalog))?;
        outbox.cut(offset(1))?;
        std::iter::repeat_with(|| outbox.cut(offset(1))).find(Result::is_err).unwrap()
    };
    let other_catalog = "a charge has another number than before or groups by something else";
    for (error, reason) in [
        (misuse(|outbox| outbox.set_catalog(catalog())), "the catalog changes inside a batch"),
        (misuse(|outbox| outbox.cut(offset(1) - 1)), "the log goes back"),
        (misuse(|outbox| append(outbox, offset(1) - 1)), "the log goes back"),
        (
            misuse(|outbox| outbox.cut(offset(1)).and_then(|()| append(outbox, offset(1)))),
            "a record comes after its batch has ended",
        ),
        (misuse(|outbox| change(outbox, |catalog| _ = catalog.charges.pop())), other_catalog),
        (misuse(|outbox| change(outbox, |catalog| catalog.charges.swap(0, 1))), other_catalog),
        (misuse(|outbox| change(outbox, |catalog| catalog.charges[1].group_by.truncate(1))), other_catalog),
    ] {
        assert!(error.contains(reason), "{error}");
    }
}

#[test]
fn bytes_do_not_depend_on_chunks() {
    let of = |chunk_events: u32| {
        let files = Simulated::new();
        let mut outbox = Outbox::open(Arc::new(files.clone()), OWNER, catalog(), |_| ()).unwrap();
        // Data that repeat at first, and then do not: the dictionary is given up on the way.
        let mut events = (0..40_000_u32).peekable();
        while let Some(&first) = events.peek() {
            let (mut chunk, mut out) = (Chunk::new(1), outputs(1));
            chunk.first_position = first.into();
            for position in 0..chunk_events {
                let Some(event) = events.next() else { break };
                let data = if event < 20_000 { "{}".to_owned() } else { event.to_string() };
                let sample = Sample {
                    position,
                    subject: "amy",
                    id: event.into(),
                    time: AUGUST,
                    data: Some(data.as_bytes()),
                    verdict: Verdict::Unmetered,
                };
                push(&mut chunk, &mut out[0], 0, &sample);
            }
            let logged_at = Instant::from_micros(AUGUST);
            outbox.append(LogMark { offset: (first + 1).into(), logged_at }, Arc::new(chunk), out).unwrap();
        }
        outbox.cut(40_000).unwrap();
        outbox.finish().unwrap();
        content(&files)
    };
    let expected = of(40_000);
    assert_eq!(expected.len(), 2);
    for chunk_events in [1000, 7777] {
        assert!(of(chunk_events) == expected, "{chunk_events}");
    }
}

#[test]
fn a_disk_holds_what_memory_holds() {
    let log = Log::sample();
    let expected = content(&expected(&log));
    let dir = tempfile::tempdir().unwrap();
    let begin = || Life::on(Arc::new(Disk::new(dir.path())), &log, 0, Arc::default()).unwrap();
    begin().go(&log, 5).unwrap();
    begin().go(&log, 8).unwrap();
    begin().end(&log).unwrap();
    let found = tree(dir.path()).into_iter().map(|(path, bytes)| (path.to_str().unwrap().to_owned(), bytes));
    assert!(found.collect::<BTreeMap<_, _>>() == expected);
}
