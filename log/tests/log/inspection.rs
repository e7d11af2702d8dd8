//! Reports on segments and findings of a whole log, sound and not.

use std::collections::BTreeMap;
use std::sync::Arc;

use weir_files::{Files, Simulated};
use weir_log::{Entry, Fault, Kind, SegmentReport, SegmentState, Verdict, inspect, verify};

use crate::logs::{CONTROL, DEPLOYMENT, EVENTS, FOLDER, HEAD, HEADER, at, files, opened, replace, segment};

const FRAME: u64 = HEAD + 8;

/// Seven records at times 10 to 16, three to a segment.
fn log() -> Simulated {
    let files = files();
    let (mut log, _) = opened(&files, HEADER + 3 * FRAME).unwrap();
    for number in 0..7_u8 {
        let kind = if number == 0 { CONTROL } else { EVENTS };
        log.write(&[Entry { kind, payload: &[number; 8] }], at(10 + i64::from(number))).unwrap();
        log.sync().unwrap();
    }
    files
}

fn reports(files: &Simulated) -> Vec<SegmentReport> {
    let files: Arc<dyn Files> = Arc::new(files.clone());
    inspect(&files, FOLDER, 0).unwrap()
}

/// Changes one byte of a segment.
fn spoil(files: &Simulated, path: &str, byte: u64) {
    let mut bytes = files.content(path).unwrap();
    bytes[usize::try_from(byte).unwrap()] ^= 0x10;
    replace(files, path, &bytes);
}

fn counts(counts: &[(Kind, u64)]) -> BTreeMap<Kind, u64> {
    counts.iter().copied().collect()
}

#[test]
fn a_sound_log() {
    let files = log();
    let reports = reports(&files);
    let report = |number: u64, kinds: &[(Kind, u64)], times: (i64, i64)| {
        let records: u64 = kinds.iter().map(|(_, count)| count).sum();
        SegmentReport {
            file: segment(number * 3),
            bytes: HEADER + records * FRAME,
            format_version: Some(1),
            identity: Some((number, DEPLOYMENT)),
            offsets: number * 3..number * 3 + records,
            records_by_kind: counts(kinds),
            log_times: Some((at(times.0), at(times.1))),
            durable_offset: number * 3 + records - 1,
            state: if number == 2 { SegmentState::Current } else { SegmentState::Closed },
            findings: vec![],
        }
    };
    let expected = [
        report(0, &[(CONTROL, 1), (EVENTS, 2)], (10, 12)),
        report(1, &[(EVENTS, 3)], (13, 15)),
        report(2, &[(EVENTS, 1)], (16, 16)),
    ];
    assert_eq!(reports, expected);
    let operations = files.operations();
    let shared: Arc<dyn Files> = Arc::new(files.clone());
    assert_eq!(verify(&shared, FOLDER, 7).unwrap(), []);
    assert_eq!(files.operations(), operations, "looking changes nothing");
}

#[test]
fn damage_is_named_and_what_follows_is_read() {
    let files = log();
    // The middle record of the second segment, and the header of the first.
    spoil(&files, &segment(3), HEADER + FRAME + HEAD);
    spoil(&files, &segment(0), 40);
    let reports = reports(&files);
    assert_eq!((reports[0].state, reports[0].findings[0].fault), (SegmentState::Damaged, Fault::Header));
    assert_eq!((reports[0].bytes, reports[0].identity, reports[0].log_times), (HEADER + 3 * FRAME, None, None));
    assert_eq!(reports[1].state, SegmentState::Damaged);
    assert_eq!(reports[1].records_by_kind, counts(&[(EVENTS, 2)]));
    assert_eq!((reports[1].offsets.clone(), reports[1].log_times), (3..6, Some((at(13), at(15)))));
    let finding = &reports[1].findings[..];
    assert_eq!(
        finding.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["log/00000000000000000003.log is damaged at byte 128 (record 4): the payload's checksum does not match"]
    );
    assert_eq!(reports[2].state, SegmentState::Current);
    let shared: Arc<dyn Files> = Arc::new(files.clone());
    assert_eq!(verify(&shared, FOLDER, 0).unwrap().len(), 2);
}

#[test]
fn a_torn_end() {
    let files = log();
    spoil(&files, &segment(6), HEADER + HEAD);
    let last = reports(&files).pop().unwrap();
    assert_eq!((last.state, last.offsets), (SegmentState::Torn, 6..6));
    assert_eq!((last.findings[0].verdict, last.findings[0].fault), (Verdict::Torn, Fault::Payload));
    // Known to have been durable, it is damage.
    let shared: Arc<dyn Files> = Arc::new(files.clone());
    let finding = verify(&shared, FOLDER, 7).unwrap().pop().unwrap();
    assert_eq!((finding.verdict, finding.offset), (Verdict::Damaged, Some(6)));
}

#[test]
fn a_newer_version() {
    let files = log();
    spoil(&files, &segment(6), 8);
    let last = reports(&files).pop().unwrap();
    assert_eq!((last.format_version, last.state), (Some(17), SegmentState::Damaged));
}
