//! Small logs.

use std::sync::Arc;

use weir_files::{Files, Simulated};
use weir_log::{DeploymentId, Entry, Kind, LogError, Reader, Recovery, Settings, Writer, open};
use weir_model::time::Instant;

pub const FOLDER: &str = "log";
pub const DEPLOYMENT: DeploymentId = DeploymentId(*b"weir-log-testing");
pub const EVENTS: Kind = Kind::new(1).unwrap();
pub const CONTROL: Kind = Kind::new(Kind::CONTROL_MIN).unwrap();
/// Bytes of a segment's header.
pub const HEADER: u64 = 72;
/// Bytes of a record's head.
pub const HEAD: u64 = 48;

pub fn at(micros: i64) -> Instant {
    Instant::from_micros(micros)
}

pub fn settings(segment_bytes: u64) -> Settings {
    Settings { folder: FOLDER.to_owned(), deployment: DEPLOYMENT, segment_bytes, reserve_bytes: 0 }
}

/// Files with the log's folder.
pub fn files() -> Simulated {
    let files = Simulated::new();
    files.make_folder(FOLDER).unwrap();
    files.sync_folder("").unwrap();
    files.survivors(weir_files::Survivors::Everything)
}

/// Opens a log of such segments, at time 0 and knowing nothing.
pub fn opened(files: &Simulated, segment_bytes: u64) -> Result<(Writer, Recovery), LogError> {
    open(Arc::new(files.clone()), settings(segment_bytes), 0, at(0))
}

pub fn events(payloads: &[impl AsRef<[u8]>]) -> Vec<Entry<'_>> {
    payloads.iter().map(|payload| Entry { kind: EVENTS, payload: payload.as_ref() }).collect()
}

/// Writes one group and makes it durable.
pub fn put(log: &mut Writer, payloads: &[impl AsRef<[u8]>]) {
    log.write(&events(payloads), at(0)).unwrap();
    log.sync().unwrap();
}

/// Payloads, whose offsets have no gaps.
pub fn rest(mut reader: Reader) -> Result<Vec<Vec<u8>>, LogError> {
    let mut payloads = Vec::new();
    let mut offset = reader.offsets().start;
    while let Some(record) = reader.read()? {
        assert_eq!(record.offset, offset);
        assert!(record.durable_offset <= offset);
        payloads.push(record.payload.to_vec());
        offset += 1;
    }
    assert_eq!(reader.offsets(), offset..offset);
    Ok(payloads)
}

/// All payloads of a log.
pub fn all(log: &Writer) -> Result<Vec<Vec<u8>>, LogError> {
    rest(log.reader(log.first_offset())?)
}

pub fn names(files: &Simulated) -> Vec<String> {
    files.list(FOLDER).unwrap()
}

/// A segment's path.
pub fn segment(first_offset: u64) -> String {
    format!("{FOLDER}/{first_offset:020}.log")
}

/// Puts other bytes in a file's place, durably.
pub fn replace(files: &Simulated, path: &str, bytes: &[u8]) {
    if files.content(path).is_some() {
        files.remove(path).unwrap();
    }
    let mut file = files.create(path).unwrap();
    file.append(&mut [std::io::IoSlice::new(bytes)]).unwrap();
    file.sync().unwrap();
    files.sync_folder(FOLDER).unwrap();
}
