//! Full and failing disks: at every operation and at many byte counts, the archive says which file and never finishes.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};

use weir_aggregator::{Archive, ArchiveError, ArchiveReport, ArchiveSettings, LocalStore, Sink, Store};
use weir_model::event::Chunk;
use weir_model::price::CellIdx;
use weir_model::verdict::{RejectCode, Verdict};

use crate::support::*;

/// What the disk still gives.
#[derive(Debug)]
struct Budget {
    operations: usize,
    bytes: usize,
}

type Shared = Arc<Mutex<Budget>>;

fn spend(budget: &Shared) -> io::Result<()> {
    let mut budget = budget.lock().unwrap();
    budget.operations = budget.operations.checked_sub(1).ok_or(io::ErrorKind::StorageFull)?;
    Ok(())
}

/// The local file system within a budget.
struct Limited(Shared);

struct LimitedFile {
    file: Box<dyn Sink>,
    budget: Shared,
}

impl Store for Limited {
    fn create(&self, path: &Path) -> io::Result<Box<dyn Sink>> {
        spend(&self.0)?;
        Ok(Box::new(LimitedFile { file: LocalStore.create(path)?, budget: Arc::clone(&self.0) }))
    }

    fn create_folder(&self, path: &Path) -> io::Result<()> {
        spend(&self.0)?;
        LocalStore.create_folder(path)
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        spend(&self.0)?;
        LocalStore.sync_folder(path)
    }
}

impl Write for LimitedFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        spend(&self.budget)?;
        let mut budget = self.budget.lock().unwrap();
        let room = bytes.len().min(budget.bytes);
        budget.bytes -= room;
        // Like a disk: what fits is written, and the next write finds no room.
        if room == 0 && !bytes.is_empty() {
            Err(io::ErrorKind::StorageFull.into())
        } else {
            self.file.write(&bytes[..room])
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        spend(&self.budget)?;
        self.file.flush()
    }
}

impl Sink for LimitedFile {
    fn sync(&mut self) -> io::Result<()> {
        spend(&self.budget)?;
        self.file.sync()
    }
}

fn run(store: Box<dyn Store>, dir: &Path) -> Result<ArchiveReport, ArchiveError> {
    let settings = ArchiveSettings { rows_per_batch: 2, ..ArchiveSettings::default() };
    let mut archive = Archive::create_in(store, dir, catalog(), settings, vec!["a.ndjson".to_owned()])?;
    for sequence in 0..3 {
        let (mut chunk, mut out) = (Chunk::new(1), outputs(1));
        chunk.sequence = sequence;
        for position in 0..2 {
            let id = sequence * 2 + u64::from(position);
            let time = AUGUST + i64::from(position) * 40 * DAY;
            let sample = Sample { position, subject: "amy", id, time, data: Some(b"{}"), verdict: Verdict::Rated };
            let event = push(&mut chunk, &mut out[0], 0, &sample);
            rate(&mut out[0], event, 0, quantity(1), amount(1));
        }
        if sequence == 0 {
            open(&mut out[0], bucket("amy", CALLS, &[], CellIdx::ONLY, august()));
        }
        reject(&mut chunk, 2, RejectCode::JsonInvalid, b"{");
        archive.append(chunk.into(), out)?;
    }
    archive.finish()
}

fn run_within(operations: usize, bytes: usize) -> (Result<ArchiveReport, ArchiveError>, Shared) {
    let dir = tempfile::tempdir().unwrap();
    let budget = Arc::new(Mutex::new(Budget { operations, bytes }));
    (run(Box::new(Limited(Arc::clone(&budget))), &dir.path().join("out")), budget)
}

fn assert_disk_full(result: Result<ArchiveReport, ArchiveError>, at: usize) {
    let error = result.expect_err("the disk was full");
    assert!(matches!(error, ArchiveError::DiskFull { .. }), "at {at}: {error:?}");
    let text = error.to_string();
    assert!(text.contains("/out") && text.ends_with("free space or choose another --out"), "at {at}: {text}");
}

#[test]
fn every_operation_may_fail() {
    let (whole, left) = run_within(usize::MAX, usize::MAX);
    whole.unwrap();
    let needed = usize::MAX - left.lock().unwrap().operations;
    assert!(needed > 50, "{needed}");
    for operations in 0..needed {
        assert_disk_full(run_within(operations, usize::MAX).0, operations);
    }
    run_within(needed, usize::MAX).0.unwrap();
}

#[test]
fn the_disk_may_be_full_at_any_byte() {
    let (whole, left) = run_within(usize::MAX, usize::MAX);
    let needed = usize::MAX - left.lock().unwrap().bytes;
    assert_eq!(whole.unwrap().sum().bytes, u64::try_from(needed).unwrap());
    for bytes in (0..needed).step_by(397).chain([needed - 1]) {
        assert_disk_full(run_within(usize::MAX, bytes).0, bytes);
    }
    run_within(usize::MAX, needed).0.unwrap();
}

/// Opens the kernel's full device in place of every file.
#[cfg(target_os = "linux")]
struct FullDevice;

#[cfg(target_os = "linux")]
impl Store for FullDevice {
    fn create(&self, _path: &Path) -> io::Result<Box<dyn Sink>> {
        Ok(Box::new(OpenOptions::new().write(true).open("/dev/full")?))
    }

    fn create_folder(&self, path: &Path) -> io::Result<()> {
        LocalStore.create_folder(path)
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        LocalStore.sync_folder(path)
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_device() {
    let dir = tempfile::tempdir().unwrap();
    let error = run(Box::new(FullDevice), &dir.path().join("out"));
    let error = error.expect_err("the device is full");
    assert!(matches!(&error, ArchiveError::DiskFull { path, .. } if path.ends_with("part-00000.parquet")), "{error}");
}
