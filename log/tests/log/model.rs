//! Random groups, new segments, trims and starts against a list in memory.

use std::sync::Arc;

use proptest::prelude::*;
use weir_files::{Disk, Files, Survivors};
use weir_log::{Entry, Kind, LogError, Writer, open, verify};

use crate::logs::{FOLDER, at, files, settings};

#[derive(Debug, Clone)]
enum Step {
    /// Kinds and payloads, the clock.
    Group(Vec<(u8, Vec<u8>)>, i64),
    Sync,
    Trim(prop::sample::Index),
    /// The log is closed, with or without a crash, and opened again with segments of another length.
    Start(u64),
    Read(prop::sample::Index),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Kept {
    kind: u8,
    payload: Vec<u8>,
    log_time: i64,
}

fn step() -> impl Strategy<Value = Step> {
    let payload =
        prop_oneof![4 => prop::collection::vec(any::<u8>(), 0..40), 1 => prop::collection::vec(any::<u8>(), 0..6000)];
    let group = prop::collection::vec((1_u8.., payload), 0..6);
    prop_oneof![
        6 => (group, 0_i64..1000).prop_map(|(group, clock)| Step::Group(group, clock)),
        3 => Just(Step::Sync),
        1 => any::<prop::sample::Index>().prop_map(Step::Trim),
        1 => (8192_u64..20_000).prop_map(Step::Start),
        2 => any::<prop::sample::Index>().prop_map(Step::Read),
    ]
}

fn read(log: &Writer, offset: u64) -> Result<Vec<Kept>, LogError> {
    let mut reader = log.reader(offset)?;
    let mut kept = Vec::new();
    while let Some(record) = reader.read()? {
        let (kind, log_time) = (record.kind.code(), record.log_time.micros());
        kept.push(Kept { kind, payload: record.payload.to_vec(), log_time });
    }
    Ok(kept)
}

/// Runs the steps; every read and every start shows what the list has.
fn run(files: Arc<dyn Files>, steps: &[Step]) -> Result<(), TestCaseError> {
    let (mut log, _) = open(Arc::clone(&files), settings(8192), 0, at(0)).unwrap();
    let mut kept: Vec<Kept> = Vec::new();
    let from = |offset: u64| usize::try_from(offset).unwrap();
    for step in steps {
        match step {
            Step::Group(group, clock) => {
                let kind = |code: u8| Kind::new(code).unwrap();
                let entries: Vec<Entry<'_>> =
                    group.iter().map(|(code, payload)| Entry { kind: kind(*code), payload }).collect();
                let written = log.write(&entries, at(*clock)).unwrap();
                prop_assert_eq!(written.offsets, kept.len() as u64..(kept.len() + group.len()) as u64);
                let log_time = written.log_time.micros();
                prop_assert!(log_time >= *clock && kept.last().is_none_or(|last| last.log_time <= log_time));
                let keep = |(kind, payload): &(u8, Vec<u8>)| Kept { kind: *kind, payload: payload.clone(), log_time };
                kept.extend(group.iter().map(keep));
            }
            Step::Sync => prop_assert_eq!(log.sync().unwrap(), kept.len() as u64),
            Step::Trim(index) => {
                let before = index.index(kept.len() + 1) as u64;
                let first = log.first_offset();
                log.trim(before).remove().unwrap();
                prop_assert!(log.first_offset() <= before.max(first));
            }
            Step::Start(segment_bytes) => {
                drop(log);
                let opened = open(Arc::clone(&files), settings(*segment_bytes), 0, at(0)).unwrap();
                log = opened.0;
                prop_assert_eq!(opened.1.torn, None);
                prop_assert_eq!(opened.1.offsets.end, kept.len() as u64);
                prop_assert_eq!(log.durable_offset(), kept.len() as u64);
            }
            Step::Read(index) => {
                let span = log.durable_offset() - log.first_offset() + 1;
                let offset = log.first_offset() + index.index(from(span)) as u64;
                prop_assert_eq!(read(&log, offset).unwrap(), &kept[from(offset)..from(log.durable_offset())]);
            }
        }
    }
    log.sync().unwrap();
    prop_assert_eq!(read(&log, log.first_offset()).unwrap(), &kept[from(log.first_offset())..]);
    prop_assert_eq!(verify(&files, FOLDER, log.durable_offset()).unwrap(), vec![]);
    Ok(())
}

proptest! {
    #[test]
    fn a_log_is_a_list(steps in prop::collection::vec(step(), 0..60)) {
        let files = files();
        run(Arc::new(files.clone()), &steps)?;
        // All of it was durable.
        let (log, _) = open(Arc::new(files.survivors(Survivors::Nothing)), settings(8192), 0, at(0)).unwrap();
        prop_assert_eq!(log.next_offset(), steps.iter().map(|step| if let Step::Group(group, _) = step { group.len() as u64 } else { 0 }).sum::<u64>());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn on_the_disk_too(steps in prop::collection::vec(step(), 0..30)) {
        let root = tempfile::tempdir().unwrap();
        let disk = Disk::new(root.path());
        disk.make_folder(FOLDER).unwrap();
        run(Arc::new(disk), &steps)?;
    }
}
