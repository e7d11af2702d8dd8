//! What is torn, what is damaged, and that nothing is silent: one bit anywhere, bytes cut off, files gone, added or foreign.

use std::sync::Arc;

use weir_files::{Files, Simulated};
use weir_log::{DeploymentId, Fault, Finding, LogError, Settings, Verdict, open, verify};

use crate::logs::{
    DEPLOYMENT, FOLDER, HEAD, HEADER, all, at, events, files, names, opened, put, replace, segment, settings,
};

/// Room for two records of 8 bytes.
const SEGMENT_BYTES: u64 = HEADER + 2 * (HEAD + 8);

fn payloads(count: u8) -> Vec<Vec<u8>> {
    (0..count).map(|number| vec![number + 1; 5]).collect()
}

/// Seven records, each synced by itself, in four segments; the last one is half full.
fn log() -> Simulated {
    let files = files();
    let (mut log, _) = opened(&files, SEGMENT_BYTES).unwrap();
    payloads(7).iter().for_each(|payload| put(&mut log, &[payload]));
    files
}

/// Two groups of three records in one segment: the first group is below a durable mark, the second is not.
fn groups() -> Simulated {
    let files = files();
    let (mut log, _) = opened(&files, 4096).unwrap();
    put(&mut log, &payloads(6)[..3]);
    put(&mut log, &payloads(6)[3..]);
    files
}

fn unsound(error: LogError) -> Finding {
    match error {
        LogError::Unsound(finding) => finding,
        other => panic!("{other:?}"),
    }
}

/// Opens and reads all: the payloads and what was torn, or what is damaged.
fn open_and_read(files: &Simulated, known_durable: u64) -> Result<(Vec<Vec<u8>>, Option<Finding>), LogError> {
    let (log, recovery) = open(Arc::new(files.clone()), settings(SEGMENT_BYTES), known_durable, at(0))?;
    Ok((all(&log)?, recovery.torn.map(|torn| torn.finding)))
}

fn findings(files: &Simulated, known_durable: u64) -> Vec<Finding> {
    let files: Arc<dyn Files> = Arc::new(files.clone());
    verify(&files, FOLDER, known_durable).unwrap()
}

#[test]
fn one_bit_anywhere() {
    for (whole, records) in [(log(), 7), (groups(), 6)] {
        for name in names(&whole) {
            let path = format!("{FOLDER}/{name}");
            let sound = whole.content(&path).unwrap();
            for at_bit in 0..sound.len() * 8 {
                let mut bytes = sound.clone();
                bytes[at_bit / 8] ^= 1 << (at_bit % 8);
                let place = format!("bit {at_bit} of {name}");
                one_bit(&whole, &path, &bytes, (at_bit as u64 / 8, records), &place);
            }
        }
    }
}

fn one_bit(whole: &Simulated, path: &str, bytes: &[u8], (byte, records): (u64, u8), place: &str) {
    let files = whole.copy();
    replace(&files, path, bytes);
    // Nothing passes for whole.
    let verified = findings(&files, 0);
    let first = verified.first().unwrap_or_else(|| panic!("{place}: not found"));
    assert!(first.file == path && first.position <= byte, "{place}: {first}");
    let before = files.copy();
    match open_and_read(&files, 0) {
        Ok((read, Some(torn))) => {
            assert_eq!((torn.verdict, &torn), (Verdict::Torn, first), "{place}");
            let end = torn.offset.unwrap();
            assert_eq!(read, payloads(u8::try_from(end).unwrap()), "{place}");
            // Only what no durable mark covers: in both logs the last group.
            assert!(end >= if records == 7 { 6 } else { 3 }, "{place}: {torn}");
            // Whoever knows better is told.
            let known = unsound(open_and_read(&before, u64::from(records)).unwrap_err());
            assert_eq!((known.position, known.offset), (torn.position, torn.offset), "{place}");
        }
        Ok((_, None)) => panic!("{place}: silent"),
        Err(error) => {
            let finding = unsound(error);
            assert_eq!(finding.verdict, Verdict::Damaged, "{place}");
            assert_eq!((&finding.file, finding.position), (&first.file, first.position), "{place}");
        }
    }
}

#[test]
fn every_length() {
    let whole = groups();
    let path = segment(0);
    let sound = whole.content(&path).unwrap();
    let frame = HEAD + 8;
    for len in 0..sound.len() {
        for filler in [0, 1] {
            let files = whole.copy();
            let mut bytes = sound[..len].to_vec();
            bytes.resize(len + 100 * filler, 0);
            replace(&files, &path, &bytes);
            let known = open_and_read(&files.copy(), 6);
            let read = open_and_read(&files, 0);
            let Some(behind) = (len as u64).checked_sub(HEADER) else {
                assert_eq!(unsound(read.unwrap_err()).position, 0, "{len}");
                continue;
            };
            // A record whose padding alone is gone is whole again where zeros follow.
            let whole_records = if filler == 1 { (behind + 3) / frame } else { behind / frame };
            let (read, torn) = read.unwrap();
            assert_eq!(read, payloads(u8::try_from(whole_records).unwrap()), "{len}");
            // At a record's end nothing shows that there was more.
            let is_clean = len as u64 <= HEADER + whole_records * frame;
            assert_eq!(torn.map(|torn| torn.position), (!is_clean).then_some(HEADER + whole_records * frame), "{len}");
            assert_eq!(known.is_err(), whole_records < 6, "{len}: six records were durable");
        }
    }
}

#[test]
fn a_later_mark_proves_damage() {
    let files = groups();
    let path = segment(0);
    let sound = files.content(&path).unwrap();
    let frame = HEAD + 8;
    let place = |record: u64| usize::try_from(HEADER + record * frame).unwrap();
    for (zeroed, expected) in [
        // The first group is covered by marks in the second; wherever they are found.
        (0..1, Some(0)),
        (0..5, Some(0)),
        (1..3, Some(1)),
        (2..5, Some(2)),
        // The second is not.
        (3..4, None),
        (3..5, None),
        (4..6, None),
        (5..6, None),
        // Marks that are gone prove nothing.
        (2..6, None),
    ] {
        let mut bytes = sound.clone();
        bytes[place(zeroed.start)..place(zeroed.end)].fill(0);
        replace(&files, &path, &bytes);
        let result = open_and_read(&files.copy(), 0);
        if let Some(offset) = expected {
            let finding = unsound(result.unwrap_err());
            assert_eq!((finding.offset, finding.position), (Some(offset), place(offset) as u64), "{zeroed:?}");
            assert_eq!(finding.fault, Fault::Head);
        } else {
            let (read, torn) = result.unwrap();
            assert_eq!(read.len() as u64, zeroed.start, "{zeroed:?}");
            assert_eq!(torn.is_some(), zeroed.end < 6, "{zeroed:?}");
        }
    }
}

#[test]
fn records_out_of_their_places() {
    let files = groups();
    let path = segment(0);
    let sound = files.content(&path).unwrap();
    let place = |record: u64| usize::try_from(HEADER + record * (HEAD + 8)).unwrap();
    // Taken out, from below a mark.
    let mut bytes = sound.clone();
    bytes.drain(place(2)..place(3));
    replace(&files, &path, &bytes);
    let finding = unsound(open_and_read(&files.copy(), 0).unwrap_err());
    assert_eq!((finding.offset, finding.fault), (Some(2), Fault::Offset(3)));
    // Written twice, behind all marks.
    let again = [&sound[..], &sound[place(5)..]].concat();
    replace(&files, &path, &again);
    let (read, torn) = open_and_read(&files, 0).unwrap();
    assert_eq!((read, torn.unwrap().fault), (payloads(6), Fault::Offset(5)));
}

#[test]
fn torn_bytes_are_kept() {
    let files = groups();
    let path = segment(0);
    let mut bytes = files.content(&path).unwrap();
    let torn_at = bytes.len() - 20;
    bytes[torn_at] ^= 1;
    bytes.resize(4000, 0);
    replace(&files, &path, &bytes);
    let (log, recovery) = opened(&files, 4096).unwrap();
    assert_eq!((recovery.offsets, log.next_offset()), (0..5, 5));
    let torn = recovery.torn.unwrap();
    let position = HEADER + 5 * (HEAD + 8);
    assert_eq!(
        torn.finding.to_string(),
        format!("log/00000000000000000000.log is torn at byte {position} (record 5): no record begins here")
    );
    // Without the padding: zeros at the end are nothing.
    assert_eq!((torn.kept_in.as_str(), torn.bytes), ("log/00000000000000000005-0.torn", HEAD + 5));
    let start = usize::try_from(position).unwrap();
    assert_eq!(files.content(&torn.kept_in).unwrap(), bytes[start..start + 53]);
    // Another start finds nothing more, and keeps them.
    let (mut log, recovery) = opened(&files, SEGMENT_BYTES).unwrap();
    assert_eq!(recovery.torn, None);
    assert_eq!(names(&files), ["00000000000000000000.log", "00000000000000000005-0.torn"]);
    // They go with the records before them.
    put(&mut log, &["a", "b", "c"]);
    log.trim(5).remove().unwrap();
    assert_eq!(names(&files), ["00000000000000000005-0.torn", "00000000000000000005.log", "00000000000000000007.log"]);
    log.trim(7).remove().unwrap();
    assert_eq!(names(&files), ["00000000000000000007.log"]);
}

#[test]
fn after_a_start_all_of_the_tail_is_below_a_mark() {
    let files = groups();
    drop(opened(&files, 4096).unwrap());
    let path = segment(0);
    let mut bytes = files.content(&path).unwrap();
    let last = bytes.len() - 8;
    bytes[last] ^= 1;
    replace(&files, &path, &bytes);
    let finding = unsound(open_and_read(&files, 0).unwrap_err());
    assert_eq!((finding.offset, finding.fault), (Some(5), Fault::Payload));
    assert_eq!(
        finding.to_string(),
        "log/00000000000000000000.log is damaged at byte 352 (record 5): the payload's checksum does not match"
    );
}

#[test]
fn damage_changes_nothing() {
    let files = log();
    let path = segment(6);
    let mut bytes = files.content(&path).unwrap();
    bytes[100] ^= 1;
    replace(&files, &path, &bytes);
    replace(&files, "log/00000000000000000007.new", b"begun");
    let before = files.operations();
    open_and_read(&files, 7).unwrap_err();
    assert_eq!(files.operations(), before);
}

#[test]
fn stale_bytes_are_no_records() {
    // The same file as it was before the tail was written anew, behind its end.
    let files = groups();
    let stale = files.content(&segment(0)).unwrap();
    drop(opened(&files, 4096).unwrap());
    let (mut log, _) = opened(&files, 4096).unwrap();
    put(&mut log, &["new"]);
    let path = segment(0);
    let mut bytes = files.content(&path).unwrap();
    let end = bytes.len();
    let frame = usize::try_from(HEAD + 8).unwrap();
    // Where record 7 would be stands an old record with any number.
    bytes.extend_from_slice(&stale[stale.len() - frame..]);
    replace(&files, &path, &bytes);
    let (read, torn) = open_and_read(&files, 0).unwrap();
    let torn = torn.unwrap();
    assert_eq!((read.len(), torn.position, torn.fault), (7, end as u64, Fault::Head));
}

/// What opening or reading says after a change of the files.
fn after(change: impl FnOnce(&Simulated)) -> Finding {
    let files = log();
    change(&files);
    let finding = unsound(open_and_read(&files, 0).unwrap_err());
    assert!(findings(&files, 0).contains(&finding));
    finding
}

#[test]
fn files_that_do_not_belong_together() {
    let copy = |files: &Simulated, from: &str, to: &str| replace(files, to, &files.content(from).unwrap());
    let at_start = |file: &str, offset: Option<u64>, fault: Fault| {
        let (file, verdict) = (file.to_owned(), Verdict::Damaged);
        Finding { file, position: 0, offset, fault, verdict }
    };
    // Gone.
    let finding = after(|files| files.remove(&segment(2)).unwrap());
    assert_eq!(finding, at_start(&segment(4), Some(4), Fault::Missing(1)));
    let finding = after(|files| (2..5).step_by(2).for_each(|first| files.remove(&segment(first)).unwrap()));
    assert_eq!(
        finding.to_string(),
        "log/00000000000000000006.log is damaged at byte 0 (record 6): 2 segments before it are missing"
    );
    // Copied.
    let finding = after(|files| copy(files, &segment(2), &segment(3)));
    assert_eq!(finding, at_start(&segment(3), Some(3), Fault::Misnamed(2)));
    let finding = after(|files| copy(files, &segment(2), "log/00000000000000000002 (1).log"));
    assert_eq!(finding, at_start("log/00000000000000000002 (1).log", None, Fault::Stray));
    // Something else.
    let finding = after(|files| replace(files, &segment(2), b"a text"));
    assert_eq!(finding, at_start(&segment(2), Some(2), Fault::NotASegment));
    let finding = after(|files| replace(files, &segment(2), b"WEIR.LOG\x01"));
    assert_eq!(finding, at_start(&segment(2), Some(2), Fault::Header));
    let finding = after(|files| {
        let mut bytes = files.content(&segment(6)).unwrap();
        bytes[8] = 2;
        replace(files, &segment(6), &bytes);
    });
    assert_eq!(finding, at_start(&segment(6), Some(6), Fault::Version(2)));
    assert!(finding.to_string().ends_with("it has format version 2; this Weir reads version 1"), "{finding}");
    // A closed segment's end.
    let finding = after(|files| {
        let bytes = files.content(&segment(2)).unwrap();
        replace(files, &segment(2), &bytes[..bytes.len() - 56]);
    });
    assert_eq!((finding.file, finding.position, finding.fault), (segment(2), HEADER + 56, Fault::Ends));
    let finding = after(|files| {
        let bytes = files.content(&segment(2)).unwrap();
        replace(files, &segment(2), &bytes[..bytes.len() - 1]);
    });
    assert_eq!((finding.file, finding.position, finding.fault), (segment(2), HEADER + 56, Fault::Cut));
}

#[test]
fn segments_of_two_histories() {
    // A copy of the log goes on by itself, with larger segments, and comes back.
    let files = log();
    let copy = files.copy();
    let (mut log, _) = opened(&copy, 4096).unwrap();
    put(&mut log, &payloads(3));
    replace(&files, &segment(6), &copy.content(&segment(6)).unwrap());
    let (mut log, _) = opened(&files, SEGMENT_BYTES).unwrap();
    put(&mut log, &payloads(3));
    // Now the segment that begins with 6 is as it was before.
    replace(&files, &segment(4), &copy.content(&segment(4)).unwrap());
    assert_eq!(findings(&files, 0), []);
    // One that has a number another has.
    let other = crate::logs::files();
    let (mut log, _) = opened(&other, HEADER + 7 * (HEAD + 8)).unwrap();
    put(&mut log, &payloads(8));
    replace(&files, &segment(7), &other.content(&segment(7)).unwrap());
    let finding = unsound(open_and_read(&files, 0).unwrap_err());
    assert_eq!((finding.file, finding.fault), (segment(7), Fault::Duplicate(1)));
}

#[test]
fn a_record_in_two_segments() {
    let other = crate::logs::files();
    let (mut log, _) = opened(&other, SEGMENT_BYTES).unwrap();
    put(&mut log, &payloads(3));
    let (mut log, _) = opened(&other, 4096).unwrap();
    put(&mut log, &payloads(2));
    let finding = after(|files| replace(files, &segment(2), &other.content(&segment(2)).unwrap()));
    let position = HEADER + 2 * (HEAD + 8);
    assert_eq!((finding.file, finding.position, finding.offset), (segment(2), position, Some(4)));
    assert_eq!(finding.fault, Fault::Overlap);
}

#[test]
fn another_deployment() {
    let files = log();
    let other = DeploymentId([0xab; 16]);
    let settings = Settings { deployment: other, ..settings(SEGMENT_BYTES) };
    let error = open(Arc::new(files.clone()), settings, 0, at(0)).unwrap_err();
    let text =
        format!("log/00000000000000000000.log is damaged at byte 0 (record 0): it belongs to deployment {DEPLOYMENT}");
    assert_eq!(error.to_string(), text);
    assert!(text.ends_with("776569722d6c6f672d74657374696e67"));
}

#[test]
fn a_folder_without_the_log_that_was_there() {
    let error = open(Arc::new(files()), settings(SEGMENT_BYTES), 3, at(0)).unwrap_err();
    assert_eq!(error.to_string(), "there is no log in `log`, but the records below 3 were durable");
    let files = log();
    files.remove(&segment(6)).unwrap();
    let finding = unsound(open_and_read(&files, 7).unwrap_err());
    assert_eq!((finding.file, finding.offset, finding.fault), (segment(4), Some(6), Fault::Ends));
}

#[test]
fn what_is_written_is_not_yet_read() {
    // A reader made before a group is durable ends where it was durable, though more is there.
    let files = files();
    let (mut log, _) = opened(&files, 4096).unwrap();
    put(&mut log, &["durable"]);
    log.write(&events(&["not yet"]), at(0)).unwrap();
    assert_eq!(all(&log).unwrap(), [b"durable"]);
}
