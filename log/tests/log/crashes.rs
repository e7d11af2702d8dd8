//! Every crash of a run over several segments with trimming, and every crash of the start after it.

use std::cell::RefCell;
use std::collections::BTreeSet;

use weir_files::{Files, Simulated, Survivors, for_each_crash};
use weir_log::{Verdict, WriteError, Writer};

use crate::logs::{HEAD, HEADER, all, at, events, files, opened, put, replace, segment};

/// Room for five records of 16 bytes.
const SEGMENT_BYTES: u64 = HEADER + 5 * (HEAD + 16);

/// What a run knew when it ended.
#[derive(Debug, Default)]
struct Known {
    /// Records that were synced.
    durable: u64,
    /// Records that were handed to the log.
    written: u64,
    /// Up to where the log was to be trimmed.
    trimmed: u64,
}

/// The payload of a record, of 16 bytes or so.
fn payload(offset: u64) -> Vec<u8> {
    format!("payload {offset:0len$}", len = usize::try_from(6 + offset % 5).unwrap()).into_bytes()
}

fn run(files: &Simulated) -> Known {
    let mut known = Known::default();
    // The error is the crash.
    let _ = write_and_trim(files, &mut known);
    known
}

fn write_and_trim(files: &Simulated, known: &mut Known) -> Option<()> {
    for groups in [&[1, 3, 2][..], &[2, 7], &[1, 1]] {
        let (mut log, recovery) = opened(files, SEGMENT_BYTES).ok()?;
        assert_eq!(recovery.torn, None);
        for count in groups {
            write(&mut log, known, *count).ok()?;
        }
        // Written and never synced, as when a process is killed; the next start finds it.
        let trimmed = log.next_offset() / 2;
        known.trimmed = trimmed;
        log.trim(trimmed).remove().ok()?;
        known.written += 1;
        log.write(&events(&[payload(known.written - 1)]), at(0)).ok()?;
    }
    Some(())
}

fn write(log: &mut Writer, known: &mut Known, count: u64) -> Result<(), WriteError> {
    let payloads: Vec<Vec<u8>> = (known.written..known.written + count).map(payload).collect();
    known.written += count;
    log.write(&events(&payloads), at(0))?;
    known.durable = log.sync()?;
    Ok(())
}

/// Nothing synced is lost, nothing is invented, and the log goes on.
fn check(known: &Known, files: &Simulated) -> bool {
    let (mut log, recovery) = opened(files, SEGMENT_BYTES).unwrap();
    let (start, end) = (recovery.offsets.start, recovery.offsets.end);
    assert!(start <= known.trimmed, "{recovery:?} of {known:?}");
    assert!((known.durable..=known.written).contains(&end), "{recovery:?} of {known:?}");
    let expected: Vec<Vec<u8>> = (start..end).map(payload).collect();
    assert_eq!(all(&log).unwrap(), expected);
    if let Some(torn) = &recovery.torn {
        assert_eq!((torn.finding.verdict, torn.finding.offset), (Verdict::Torn, Some(end)));
        assert_eq!(files.content(&torn.kept_in).unwrap().len() as u64, torn.bytes);
    }
    put(&mut log, &(end..end + 7).map(payload).collect::<Vec<_>>());
    let (log, recovery) = opened(&files.survivors(Survivors::Nothing), SEGMENT_BYTES).unwrap();
    assert_eq!((recovery.offsets, &recovery.torn), (start..end + 7, &None));
    assert_eq!(all(&log).unwrap(), (start..end + 7).map(payload).collect::<Vec<_>>());
    assert!(files.list("log").unwrap().iter().all(|name| !name.contains(".new")));
    recovery.torn.is_some()
}

#[test]
fn every_crash_of_a_run() {
    let ends = RefCell::new(BTreeSet::new());
    for_each_crash(&files(), run, |known, files| {
        check(known, &files);
        ends.borrow_mut().insert((known.durable, known.written, known.trimmed));
    });
    // The last run has come to the end, over more than three segments.
    assert_eq!(ends.into_inner().pop_last(), Some((19, 20, 9)));
}

#[test]
fn every_crash_of_the_start_after_a_crash() {
    let torn = RefCell::new(0);
    // The states before the start: each operation of the run, two ways to survive.
    let whole = files();
    run(&whole);
    for crash in 1..=whole.operations() + 1 {
        let crashed = files().crashing_at(crash);
        let known = run(&crashed);
        for which in [Survivors::Everything, Survivors::Seeded(crash)] {
            let start = crashed.survivors(which);
            for_each_crash(
                &start,
                |files| opened(files, SEGMENT_BYTES).is_ok_and(|(_, recovery)| recovery.torn.is_some()),
                |was_torn, files| {
                    *torn.borrow_mut() += u32::from(*was_torn);
                    check(&known, &files);
                },
            );
        }
    }
    assert!(torn.into_inner() > 0, "no crash has torn anything");
}

#[test]
fn torn_bytes_are_kept_through_every_crash_of_the_start() {
    let torn = files();
    let (mut log, _) = opened(&torn, SEGMENT_BYTES).unwrap();
    put(&mut log, &[payload(0), payload(1)]);
    let path = segment(0);
    let mut bytes = torn.content(&path).unwrap();
    let last = bytes.len() - 9;
    bytes[last] ^= 1;
    replace(&torn, &path, &bytes);
    let start = usize::try_from(HEADER + HEAD + 16).unwrap();
    for_each_crash(
        &torn.survivors(Survivors::Nothing),
        |files| drop(opened(files, SEGMENT_BYTES)),
        |(), files| {
            opened(&files, SEGMENT_BYTES).unwrap();
            let kept: Vec<String> =
                files.list("log").unwrap().into_iter().filter(|name| name.contains("torn")).collect();
            let [name] = &kept[..] else { panic!("{kept:?}") };
            assert_eq!(
                files.content(&format!("log/{name}")).unwrap(),
                bytes[start..bytes.len() - 1],
                "all but the padding"
            );
        },
    );
}
