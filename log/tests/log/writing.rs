//! Groups, offsets, log time, new segments, room, poisoning, reading from an offset, trimming.

use std::sync::Arc;

use weir_files::{Failure, Simulated, Survivors, for_each_failure};
use weir_log::{Entry, LogError, Settings, WriteError, Written, open};

use crate::logs::{CONTROL, EVENTS, HEAD, HEADER, all, at, events, files, names, opened, put, rest, segment, settings};

#[test]
fn a_group_is_written_then_durable_then_read() {
    let files = files();
    let (mut log, recovery) = opened(&files, 4096).unwrap();
    assert_eq!((recovery.offsets, recovery.torn), (0..0, None));
    let entries = [Entry { kind: CONTROL, payload: b"a plan" }, Entry { kind: EVENTS, payload: b"" }];
    let written = log.write(&entries, at(7)).unwrap();
    assert_eq!(written, Written { offsets: 0..2, log_time: at(7) });
    assert_eq!((log.next_offset(), log.durable_offset()), (2, 0));
    assert_eq!(all(&log).unwrap(), Vec::<Vec<u8>>::new());
    assert_eq!(log.sync().unwrap(), 2);
    let mut reader = log.reader(0).unwrap();
    let record = reader.read().unwrap().unwrap();
    assert_eq!((record.offset, record.log_time, record.durable_offset), (0, at(7), 0));
    assert_eq!((record.kind, record.payload), (CONTROL, &b"a plan"[..]));
    let record = reader.read().unwrap().unwrap();
    assert_eq!((record.offset, record.kind, record.payload), (1, EVENTS, &b""[..]));
    assert!(reader.read().unwrap().is_none());
    assert!(CONTROL.is_control() && !EVENTS.is_control());
    // A record names what was durable when it was written.
    put(&mut log, &["next"]);
    assert_eq!(log.reader(2).unwrap().read().unwrap().unwrap().durable_offset, 2);
}

#[test]
fn one_call_writes_a_group_whatever_its_size() {
    let files = files();
    let (mut log, _) = opened(&files, 4 << 20).unwrap();
    let payloads: Vec<Vec<u8>> = (0..200).map(|index: u8| vec![index; usize::from(index) * 97]).collect();
    let before = files.operations();
    log.write(&events(&payloads), at(0)).unwrap();
    log.sync().unwrap();
    assert_eq!(files.operations() - before, 2);
    assert_eq!(all(&log).unwrap(), payloads);
    let before = files.operations();
    assert_eq!(log.write(&[], at(0)).unwrap().offsets, 200..200);
    log.sync().unwrap();
    assert_eq!(files.operations(), before);
}

#[test]
fn log_time_never_goes_back() {
    let files = files();
    let (mut log, _) = open(Arc::new(files.clone()), settings(4096), 0, at(100)).unwrap();
    for (clock, expected) in [(50, 100), (150, 150), (-1, 150), (151, 151)] {
        assert_eq!(log.write(&events(&["a"]), at(clock)).unwrap().log_time, at(expected), "{clock}");
        log.sync().unwrap();
    }
    let (mut log, _) = opened(&files, 4096).unwrap();
    assert_eq!(log.write(&events(&["a"]), at(0)).unwrap().log_time, at(151));
    // A start always makes a segment that is younger than the one in whose place it is.
    let (mut log, _) = opened(&files, 4096).unwrap();
    assert_eq!(log.write(&events(&["a"]), at(0)).unwrap().log_time, at(152));
}

#[test]
fn a_full_segment_is_followed_by_another() {
    let files = files();
    // Three records of 8 bytes, to the byte.
    let segment_bytes = HEADER + 3 * (HEAD + 8);
    let (mut log, _) = opened(&files, segment_bytes).unwrap();
    let payloads: Vec<String> = (0..8).map(|number| format!("event {number}")).collect();
    put(&mut log, &payloads[..3]);
    assert_eq!(names(&files), ["00000000000000000000.log"]);
    log.write(&events(&payloads[3..]), at(0)).unwrap();
    // What is in earlier segments is durable.
    assert_eq!((log.next_offset(), log.durable_offset()), (8, 6));
    log.sync().unwrap();
    assert_eq!(names(&files), ["00000000000000000000.log", "00000000000000000003.log", "00000000000000000006.log"]);
    for (first, records) in [(0, 3), (3, 3), (6, 2)] {
        let bytes = files.content(&segment(first)).unwrap().len() as u64;
        assert_eq!(bytes, HEADER + records * (HEAD + 8), "{first}");
    }
    for offset in 0..=8 {
        let read = rest(log.reader(offset).unwrap()).unwrap();
        let expected = &payloads[usize::try_from(offset).unwrap()..];
        assert_eq!(read, expected.iter().map(|text| text.as_bytes().to_vec()).collect::<Vec<_>>());
    }
}

#[test]
fn a_record_that_fits_in_no_segment() {
    let files = files();
    let (mut log, _) = opened(&files, 512).unwrap();
    let max = usize::try_from(512 - HEADER - HEAD).unwrap();
    let before = files.operations();
    let error = log.write(&events(&[vec![1; 8], vec![1; max + 1]]), at(0)).unwrap_err();
    assert_eq!(error.to_string(), "a record of 393 bytes does not fit in a segment: at most 392");
    assert!(matches!(error, WriteError::RecordTooLarge { bytes: 393, bytes_max: 392 }));
    assert_eq!((files.operations(), log.next_offset()), (before, 0));
    put(&mut log, &[vec![1; 8], vec![1; max]]);
    assert_eq!(all(&log).unwrap().len(), 2);
}

#[test]
fn two_segments_and_the_reserve_stay_free() {
    let segment_bytes = 1000;
    let settings = Settings { reserve_bytes: 500, ..settings(segment_bytes) };
    // The first segment, two that stay free, the reserve, and room for one record besides.
    let record = HEAD + 8;
    let files = files().with_capacity(1000 + 2000 + 500 + record);
    let (mut log, _) = open(Arc::new(files.clone()), settings, 0, at(0)).unwrap();
    put(&mut log, &["one"]);
    let before = files.operations();
    let error = log.write(&events(&["two", "three"]), at(0)).unwrap_err();
    assert!(matches!(error, WriteError::NoSpace { free_bytes: 2556, needed_bytes: 2612 }), "{error:?}");
    assert_eq!(files.operations(), before);
    // Nothing is poisoned.
    put(&mut log, &["two"]);
    // A new segment would take one of the two.
    let error = log.write(&events(&[[0; 800]]), at(0)).unwrap_err();
    assert!(matches!(error, WriteError::NoSpace { needed_bytes: 4348, .. }), "{error:?}");
    put(&mut log, &["three"]);
    assert_eq!(all(&log).unwrap(), [&b"one"[..], b"two", b"three"]);
}

#[test]
fn room_that_trimming_makes_is_used() {
    let files = files().with_capacity(5 * 200);
    let (mut log, _) = opened(&files, 200).unwrap();
    put(&mut log, &["1", "2"]);
    put(&mut log, &["3", "4"]);
    let error = log.write(&events(&["5"]), at(0)).unwrap_err();
    assert!(matches!(error, WriteError::NoSpace { free_bytes: 600, needed_bytes: 656 }), "{error:?}");
    assert_eq!(log.trim(2).remove().unwrap(), 1);
    put(&mut log, &["5", "6"]);
    assert_eq!(all(&log).unwrap(), [b"3", b"4", b"5", b"6"]);
}

#[test]
fn trimming_removes_whole_segments_before_an_offset() {
    for (before_offset, removed, first) in
        [(0, 0, 0), (1, 0, 0), (2, 1, 2), (3, 1, 2), (4, 2, 4), (6, 3, 6), (7, 3, 6), (u64::MAX, 3, 6)]
    {
        let files = files();
        let (mut log, _) = opened(&files, HEADER + 2 * (HEAD + 8)).unwrap();
        put(&mut log, &["0", "1", "2", "3", "4", "5", "6"]);
        let mut reader = log.reader(0).unwrap();
        reader.read().unwrap();
        assert_eq!(log.trim(before_offset).remove().unwrap(), removed, "{before_offset}");
        assert_eq!(log.first_offset(), first);
        assert_eq!(names(&files).len(), 4 - removed);
        let (log, recovery) = opened(&files, 4096).unwrap();
        assert_eq!(recovery.offsets, first..7);
        assert_eq!(all(&log).unwrap().len(), usize::try_from(7 - first).unwrap());
        let error = log.reader(8).unwrap_err();
        assert!(matches!(error, LogError::NotThere { offset: 8, next_offset: 7, .. }), "{error:?}");
        if first > 0 {
            let error = log.reader(first - 1).unwrap_err().to_string();
            let expected = format!("record {} is not in the log, which has records {first} to 7", first - 1);
            assert!(error.starts_with(&expected), "{error}");
        }
    }
}

#[test]
fn a_tail_larger_than_a_segment_is_kept_whole() {
    let files = files();
    let (mut log, _) = opened(&files, 4096).unwrap();
    put(&mut log, &[[1; 3000]]);
    let (mut log, _) = opened(&files, 512).unwrap();
    put(&mut log, &[[2; 8]]);
    assert_eq!(names(&files), ["00000000000000000000.log", "00000000000000000001.log"]);
    assert_eq!(all(&log).unwrap().len(), 2);
}

#[test]
fn records_larger_than_a_piece() {
    let files = files();
    let (mut log, _) = opened(&files, 16 << 20).unwrap();
    let payloads: Vec<Vec<u8>> = [3_000_000, 10, 1_048_576, 1_048_528, 5].map(|len| vec![3; len]).to_vec();
    put(&mut log, &payloads);
    assert_eq!(all(&log).unwrap(), payloads);
    let (log, _) = opened(&files, 16 << 20).unwrap();
    assert_eq!(all(&log).unwrap(), payloads);
}

/// Writes groups until something fails, then tries everything else; returns the error and what was durable. A start that
/// fails is none.
fn until_failure(files: &Simulated) -> Option<(WriteError, u64)> {
    let Ok((mut log, _)) = opened(files, 300) else { return None };
    let mut run = || {
        for number in 0..4_u8 {
            log.write(&events(&[[number; 40], [number; 40]]), at(0))?;
            log.sync()?;
        }
        Ok(())
    };
    let Err(error) = run() else {
        // Whatever becomes of what was given up, the log is sound.
        let _ = log.trim(4).remove();
        assert_eq!(log.first_offset(), 4);
        return None;
    };
    let before = (files.operations(), log.durable_offset());
    assert!(matches!(log.write(&events(&["a"]), at(0)), Err(WriteError::Poisoned)));
    assert!(matches!(log.sync(), Err(WriteError::Poisoned)));
    assert_eq!((files.operations(), log.durable_offset()), before);
    Some((error, log.durable_offset()))
}

#[test]
fn after_any_failure_nothing_is_acknowledged() {
    let start = files();
    drop(opened(&start, 300).unwrap());
    for_each_failure(&start.copy(), until_failure, |failed, files| {
        let durable = failed.as_ref().map_or(0, |(error, durable)| {
            assert!(matches!(error, WriteError::Files(_)), "{error:?}");
            *durable
        });
        for which in [Survivors::Nothing, Survivors::Everything, Survivors::Seeded(1), Survivors::Seeded(2)] {
            let (log, recovery) = opened(&files.survivors(which), 300).unwrap();
            assert!(recovery.offsets.end >= durable, "{recovery:?} after {durable}");
            all(&log).unwrap();
        }
        // And without a crash, in the same process.
        let (mut log, recovery) = opened(files, 300).unwrap();
        assert!(recovery.offsets.end >= durable);
        put(&mut log, &["on"]);
        let (again, _) = opened(&files.survivors(Survivors::Nothing), 300).unwrap();
        assert_eq!(all(&again).unwrap(), all(&log).unwrap());
    });
}

#[test]
fn a_failed_sync_poisons() {
    let files = files().failing_at(8, Failure::Broken);
    let (mut log, _) = opened(&files, 4096).unwrap();
    log.write(&events(&["doubtful"]), at(0)).unwrap();
    let error = log.sync().unwrap_err();
    assert_eq!(error.to_string(), "cannot sync log/00000000000000000000.log");
    assert_eq!((log.durable_offset(), log.next_offset()), (0, 1));
    assert!(matches!(log.sync(), Err(WriteError::Poisoned)));
    // Opened again, the record is there, and durable this time: it was written anew.
    let (log, recovery) = opened(&files, 4096).unwrap();
    assert_eq!(recovery.offsets, 0..1);
    let (again, _) = opened(&files.survivors(Survivors::Nothing), 4096).unwrap();
    assert_eq!(all(&again).unwrap(), all(&log).unwrap());
}
