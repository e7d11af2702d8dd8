//! Without crashes the simulated file system is the real one.

use std::io::{ErrorKind, IoSlice};

use proptest::prelude::*;
use weir_files::{AppendFile, Disk, FileError, Files, Simulated};

const PATHS: [&str; 6] = ["a", "b", "f", "f/a", "f/b", "nowhere/a"];

#[derive(Debug, Clone)]
enum Step {
    Create(&'static str),
    Append(usize, Vec<Vec<u8>>),
    Sync(usize),
    Reserve(usize, u64),
    MakeFolder(&'static str),
    Rename(&'static str, &'static str),
    RenameNew(&'static str, &'static str),
    Remove(&'static str),
    SyncFolder(&'static str),
    Read(&'static str, u64, usize),
}

fn step() -> impl Strategy<Value = Step> {
    let path = || prop::sample::select(PATHS.to_vec());
    let parts = prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 0..5);
    prop_oneof![
        4 => path().prop_map(Step::Create),
        6 => (any::<usize>(), parts).prop_map(|(file, parts)| Step::Append(file, parts)),
        2 => any::<usize>().prop_map(Step::Sync),
        1 => (any::<usize>(), 1_u64..1000).prop_map(|(file, bytes)| Step::Reserve(file, bytes)),
        2 => path().prop_map(Step::MakeFolder),
        3 => (path(), path()).prop_map(|(from, to)| Step::Rename(from, to)),
        3 => (path(), path()).prop_map(|(from, to)| Step::RenameNew(from, to)),
        2 => path().prop_map(Step::Remove),
        1 => prop::sample::select(vec!["", "f", "nowhere", "a"]).prop_map(Step::SyncFolder),
        3 => (path(), 0_u64..40, 0_usize..40).prop_map(|(path, position, len)| Step::Read(path, position, len)),
    ]
}

type Open = Vec<Box<dyn AppendFile>>;

/// What a step shows: bytes, or that it went well, or why not.
fn take(files: &dyn Files, open: &mut Open, step: &Step) -> Result<Vec<u8>, ErrorKind> {
    let nothing = |()| Vec::new();
    let index = |file: usize, open: &Open| if open.is_empty() { None } else { Some(file % open.len()) };
    let result = match step {
        Step::Create(path) => files.create(path).map(|file| open.push(file)).map(nothing),
        Step::Append(file, parts) => {
            let mut parts: Vec<IoSlice<'_>> = parts.iter().map(|part| IoSlice::new(part)).collect();
            index(*file, open).map_or(Ok(()), |at| open[at].append(&mut parts)).map(nothing)
        }
        Step::Sync(file) => index(*file, open).map_or(Ok(()), |at| open[at].sync()).map(nothing),
        Step::Reserve(file, bytes) => index(*file, open).map_or(Ok(()), |at| open[at].preallocate(*bytes)).map(nothing),
        Step::MakeFolder(path) => files.make_folder(path).map(nothing),
        Step::Rename(from, to) => files.rename(from, to).map(nothing),
        Step::RenameNew(from, to) => files.rename_new(from, to).map(nothing),
        Step::Remove(path) => files.remove(path).map(nothing),
        Step::SyncFolder(path) => files.sync_folder(path).map(nothing),
        Step::Read(path, position, len) => read(files, path, *position, *len),
    };
    result.map_err(|error| error.kind())
}

fn read(files: &dyn Files, path: &str, position: u64, len: usize) -> Result<Vec<u8>, FileError> {
    let file = files.open(path)?;
    let mut buffer = vec![0; len];
    let count = file.read_at(position, &mut buffer)?;
    buffer.truncate(count);
    buffer.extend_from_slice(&file.length()?.to_le_bytes());
    Ok(buffer)
}

/// Steps whose answers differ between systems for reasons of their own: a folder where a file is meant, or the other way about.
fn is_confused(files: &Simulated, step: &Step) -> bool {
    let is_folder = |path: &str| files.list(path).is_ok();
    match step {
        Step::Rename(from, to) | Step::RenameNew(from, to) => is_folder(from) || is_folder(to),
        Step::Remove(path) | Step::Read(path, ..) => is_folder(path),
        Step::SyncFolder(path) => files.open(path).is_ok(),
        _ => false,
    }
}

proptest! {
    // Each case waits for the disk many times.
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn without_crashes(steps in prop::collection::vec(step(), 0..60)) {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk::new(folder.path());
        let simulated = Simulated::new();
        let (mut on_disk, mut in_memory) = (Open::new(), Open::new());
        for step in &steps {
            if is_confused(&simulated, step) {
                continue;
            }
            let expected = take(&disk, &mut on_disk, step);
            prop_assert_eq!(take(&simulated, &mut in_memory, step), expected, "{:?}", step);
            for listed in ["", "f", "nowhere"] {
                let names = |files: &dyn Files| files.list(listed).map_err(|error| error.kind());
                prop_assert_eq!(names(&simulated), names(&disk), "{} after {:?}", listed, step);
            }
        }
    }
}

#[test]
fn errors_name_operation_and_path() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Disk::new(folder.path());
    let path = folder.path().join("a").display().to_string();
    assert_eq!(disk.open("a").unwrap_err().to_string(), format!("cannot open {path}"));
    assert_eq!(disk.remove("a").unwrap_err().kind(), ErrorKind::NotFound);
    disk.create("a").unwrap();
    assert_eq!(disk.create("a").unwrap_err().to_string(), format!("cannot create {path}"));
    assert!(disk.free_bytes().unwrap() > 0);
}

#[test]
fn a_file_stays_readable_without_its_name() {
    let folder = tempfile::tempdir().unwrap();
    for files in [&Disk::new(folder.path()) as &dyn Files, &Simulated::new()] {
        files.create("a").unwrap().append(&mut [IoSlice::new(b"abc")]).unwrap();
        let file = files.open("a").unwrap();
        files.remove("a").unwrap();
        let mut read = [0; 8];
        assert_eq!((file.read_at(1, &mut read).unwrap(), &read[..2]), (2, &b"bc"[..]));
    }
}

#[test]
fn more_parts_than_the_system_takes_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Disk::new(folder.path());
    let bytes: Vec<u8> = (0..=255).cycle().take(5000).collect();
    let mut parts: Vec<IoSlice<'_>> = bytes.chunks(1).map(IoSlice::new).collect();
    parts.insert(0, IoSlice::new(&[]));
    disk.create("a").unwrap().append(&mut parts).unwrap();
    assert_eq!(std::fs::read(folder.path().join("a")).unwrap(), bytes);
}
