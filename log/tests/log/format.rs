//! Format version 1, byte for byte: a kept log, and the same log made again.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use weir_files::{Disk, Files};
use weir_log::{Entry, FORMAT_VERSION, SegmentState, Settings, inspect, open, verify};

use crate::logs::{CONTROL, EVENTS, FOLDER, all, at, files, opened, replace, settings};

/// What the kept log has: kind, payload, clock.
fn records() -> Vec<(Entry<'static>, i64)> {
    vec![
        (Entry { kind: CONTROL, payload: b"the key of a deployment" }, 1_700_000_000_000_000),
        (Entry { kind: EVENTS, payload: b"{\"id\":\"1\"}" }, 1_700_000_000_000_001),
        (Entry { kind: EVENTS, payload: b"" }, 1_600_000_000_000_000),
        (Entry { kind: EVENTS, payload: &[7; 300] }, 1_700_000_000_250_000),
        (Entry { kind: EVENTS, payload: b"eight---" }, 1_700_000_001_000_000),
    ]
}

fn kept() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/version-1")
}

fn kept_files() -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<(String, Vec<u8>)> = fs::read_dir(kept())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(&path).unwrap()))
        .collect();
    files.sort();
    files
}

/// Makes the kept log: a change of this test or of what it finds is a change of the format, and needs a new version.
#[test]
fn the_same_bytes() {
    let root = tempfile::tempdir().unwrap();
    let disk = Disk::new(root.path());
    disk.make_folder(FOLDER).unwrap();
    let settings = Settings { folder: FOLDER.to_owned(), ..settings(512) };
    let (mut log, _) = open(Arc::new(disk), settings, 0, at(1_700_000_000_000_000)).unwrap();
    for (entry, clock) in records() {
        log.write(&[entry], at(clock)).unwrap();
        log.sync().unwrap();
    }
    let kept = kept_files();
    let names: Vec<&str> = kept.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["00000000000000000000.log", "00000000000000000003.log"]);
    for (name, bytes) in &kept {
        let made = fs::read(root.path().join(FOLDER).join(name)).unwrap();
        assert!(made == *bytes, "{name} is {made:02x?}");
    }
}

#[test]
fn the_kept_log_is_read() {
    let files = files();
    for (name, bytes) in kept_files() {
        replace(&files, &format!("{FOLDER}/{name}"), &bytes);
    }
    let shared: Arc<dyn Files> = Arc::new(files.clone());
    assert_eq!(verify(&shared, FOLDER, 5).unwrap(), []);
    let reports = inspect(&shared, FOLDER, 0).unwrap();
    let states: Vec<(Option<u32>, SegmentState)> =
        reports.iter().map(|report| (report.format_version, report.state)).collect();
    assert_eq!(states, [(Some(FORMAT_VERSION), SegmentState::Closed), (Some(FORMAT_VERSION), SegmentState::Current)]);
    let (log, recovery) = opened(&files, 512).unwrap();
    assert_eq!((recovery.offsets, recovery.torn), (0..5, None));
    let payloads: Vec<&[u8]> = records().into_iter().map(|(entry, _)| entry.payload).collect();
    assert_eq!(all(&log).unwrap(), payloads);
}

/// The tables of `docs/log-format.md`, on the first segment.
#[test]
fn the_documented_places() {
    let (_, bytes) = kept_files().swap_remove(0);
    let u64_at = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
    assert_eq!(&bytes[..8], b"WEIR.LOG");
    assert_eq!(bytes[8..16], [1, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(&bytes[16..32], b"weir-log-testing");
    assert_eq!((32..64).step_by(8).map(u64_at).collect::<Vec<_>>(), [0, 0, 1_700_000_000_000_000, 0]);
    // The second record: the first one's payload has 23 bytes, and one of padding.
    let second = 72 + 48 + 24;
    assert_eq!(bytes[second - 1], 0);
    let fields: Vec<u64> = (second + 16..second + 40).step_by(8).map(u64_at).collect();
    assert_eq!(fields, [1, 1_700_000_000_000_001, 1]);
    assert_eq!(bytes[second + 40..second + 48], [10, 0, 0, 0, 1, 0, 0, 0]);
    assert_eq!(&bytes[second + 48..second + 58], b"{\"id\":\"1\"}");
}
