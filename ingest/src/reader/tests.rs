//! Chunks against a naive splitter, compressions, and files that break off.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use weir_model::limits::LINE_BYTES_MAX;

use super::*;
use crate::input::expand;
use crate::rows::fixture::read;

/// A piece as the naive splitter has it: the record's number and its bytes.
type Records = Vec<(u64, Vec<u8>)>;

fn stream(path: &Path, size: PieceSize) -> TextStream {
    let inputs = expand(&[path.display().to_string()], None).unwrap();
    TextStream::new(ByteSource::open(&inputs[0], Arc::default()).unwrap(), Framing::Lines, size)
}

/// Reads `path` in pieces and splits each at its line feeds.
fn records(path: &Path, size: PieceSize) -> Records {
    let (mut stream, mut text, mut records, mut first) = (stream(path, size), Vec::new(), Vec::new(), 0);
    loop {
        text.clear();
        let count = stream.next(&mut text).unwrap();
        if count == 0 {
            return records;
        }
        assert!(text.len() <= size.chunk_bytes.max(size.record_bytes_max + 2), "a piece keeps its size");
        let lines: Vec<&[u8]> = text.strip_suffix(b"\n").unwrap_or(&text).split(|byte| *byte == b'\n').collect();
        assert_eq!(lines.len() as u64, count);
        assert!(count <= size.records_max);
        records.extend((first..).zip(lines).map(|(number, line)| (number, line.to_vec())));
        first += count;
    }
}

/// The same, all at once.
fn naive(text: &[u8], size: PieceSize) -> Records {
    if text.is_empty() {
        return Vec::new();
    }
    let lines = text.strip_suffix(b"\n").unwrap_or(text).split(|byte| *byte == b'\n');
    // A record that fits a chunk stays whole: the decoder refuses it by its length.
    let keep = |line: &[u8]| if line.len() < size.chunk_bytes { line.len() } else { size.record_bytes_max + 2 };
    (0..).zip(lines).map(|(number, line)| (number, line[..line.len().min(keep(line))].to_vec())).collect()
}

fn temporary(suffix: &str, bytes: &[u8]) -> tempfile::NamedTempFile {
    let mut file = tempfile::Builder::new().suffix(suffix).tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

proptest! {
    /// Records are those of a naive splitter, whatever the size of chunks; none is kept beyond the limit.
    #[test]
    fn pieces_hold_the_naive_records(
        lines in prop::collection::vec((0..3_u8, "[ab\r]{0,30}"), 0..30),
        chunk_bytes in 1..64_usize,
        record_bytes_max in 1..24_usize,
        records_max in 1..5_u64,
    ) {
        let text: String = lines.iter().flat_map(|(ends, line)| [line.clone(), "\n".repeat(usize::from(*ends))]).collect();
        let size = PieceSize { chunk_bytes, record_bytes_max, records_max };
        let file = temporary(".ndjson", text.as_bytes());
        let found = records(file.path(), size);
        // A record longer than the limit may be kept whole or cut, but never below the limit.
        let limit = record_bytes_max;
        let shorten = |records: Records| -> Records {
            records.into_iter().map(|(number, mut line)| { line.truncate(limit + 1); (number, line) }).collect()
        };
        prop_assert_eq!(shorten(found.clone()), shorten(naive(text.as_bytes(), size)));
        // Compression changes no piece.
        let packed = temporary(".ndjson.gz", &gzip(text.as_bytes()));
        prop_assert_eq!(&records(packed.path(), size), &found);
        let packed = temporary(".ndjson.zst", &zstd::encode_all(text.as_bytes(), 1).unwrap());
        prop_assert_eq!(&records(packed.path(), size), &found);
    }
}

const SIZE: PieceSize = PieceSize { chunk_bytes: 1 << 16, record_bytes_max: LINE_BYTES_MAX, records_max: ROWS_MAX };

#[test]
fn compressions_and_marks() {
    let plain = b"one\ntwo\nthree".as_slice();
    let marked = [b"\xef\xbb\xbf".as_slice(), plain].concat();
    let half = [gzip(b"one\ntw"), gzip(b"o\nthree")].concat();
    let frames =
        [zstd::encode_all(b"one\ntw".as_slice(), 1).unwrap(), zstd::encode_all(b"o\nthree".as_slice(), 1).unwrap()]
            .concat();
    let skippable = [b"\x50\x2a\x4d\x18\x01\0\0\0x".as_slice(), &frames].concat();
    let table: [(&str, &[u8]); 9] = [
        (".ndjson", plain),
        (".ndjson", &marked),
        (".ndjson.gz", &gzip(plain)),
        (".ndjson", &gzip(&marked)),
        (".ndjson.gz", &half),
        (".jsonl.zst", &frames),
        (".json", &frames),
        (".json.zst", &skippable),
        (".ndjson.zst", &gzip(plain)),
    ];
    let expected: Records = [(0, b"one".to_vec()), (1, b"two".to_vec()), (2, b"three".to_vec())].into();
    for (suffix, bytes) in table {
        assert_eq!(records(temporary(suffix, bytes).path(), SIZE), expected, "{suffix} {bytes:02x?}");
    }
}

#[test]
fn streams_that_break_off_stop_the_run() {
    let text = "{\"a\":\"0123456789\"}\n".repeat(20_000);
    let (gz, zst) = (gzip(text.as_bytes()), zstd::encode_all(text.as_bytes(), 1).unwrap());
    let mut flipped = gz.clone();
    let middle = flipped.len() - 6;
    flipped[middle] ^= 0x55;
    let garbage = [gz.as_slice(), b"trailing"].concat();
    let table: [(&str, &[u8], &str); 7] = [
        (".ndjson.gz", &gz[..gz.len() / 2], "the gzip stream breaks off after"),
        (".ndjson.gz", &gz[..gz.len() - 1], "the gzip stream breaks off after"),
        (".ndjson.zst", &zst[..zst.len() / 2], "the zstd stream breaks off after"),
        (".ndjson.zst", &zst[..zst.len() - 1], "the zstd stream breaks off after"),
        (".ndjson.gz", &flipped, "not valid gzip near byte"),
        (".ndjson.gz", &garbage, "the gzip stream breaks off after"),
        (".ndjson.gz", b"plain", "the name says gzip, but the content does not begin so"),
    ];
    for (suffix, bytes, expected) in table {
        let file = temporary(suffix, bytes);
        let name = file.path().display().to_string();
        let mut reader =
            Reader::open(expand(std::slice::from_ref(&name), None).unwrap(), None, ReaderSettings::default()).unwrap();
        let mut chunk = Chunk::new(1);
        let fault = loop {
            chunk.clear();
            match reader.next(&mut chunk) {
                Ok(piece) => assert!(piece.is_some(), "{suffix}: a broken stream must not end well"),
                Err(fault) => break fault.to_string(),
            }
        };
        assert!(fault.starts_with(&format!("{name}: {expected}")), "{fault}");
        assert!(reader.next(&mut chunk).unwrap().is_none(), "nothing comes after an error");
    }
}

/// Sequence, file, first position and text of a piece.
type Found = (u64, u32, u64, String);

/// The pieces of the files, and the names of empty files.
fn pieces(paths: &[PathBuf], chunk_bytes: usize) -> (Vec<Found>, Vec<String>) {
    let arguments: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
    let settings = ReaderSettings { chunk_bytes, ..ReaderSettings::default() };
    let mut reader = Reader::open(expand(&arguments, None).unwrap(), None, settings).unwrap();
    let (mut chunk, mut pieces) = (Chunk::new(1), Vec::new());
    while let Some(piece) = reader.next(&mut chunk).unwrap() {
        assert!(matches!(piece, Piece::Ndjson));
        pieces.push((chunk.sequence, chunk.file, chunk.first_position, String::from_utf8(chunk.text.clone()).unwrap()));
        chunk.clear();
    }
    let progress = reader.progress();
    assert_eq!((progress.files_read, progress.bytes_read), (paths.len(), progress.bytes_total));
    (pieces, reader.empty_inputs().to_vec())
}

#[test]
fn files_follow_one_another() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let paths = [write("a.ndjson", "1\n\n3\n4"), write("b.ndjson", ""), write("c.ndjson", "5\n6\n")];
    let (found, empty) = pieces(&paths, 5);
    let expected = [(0, 0, 0, "1\n\n3\n"), (1, 0, 3, "4"), (2, 2, 0, "5\n6\n")];
    assert_eq!(found, expected.map(|(sequence, file, first, text)| (sequence, file, first, text.to_owned())));
    assert_eq!(empty, [paths[1].display().to_string()]);
}

#[test]
fn a_long_record_is_one_rejection_at_its_place() {
    let at = |id: &str| {
        format!(
            r#"{{"specversion":"1.0","id":"{id}","source":"s","type":"usage","subject":"u","time":"2018-10-01T00:00:00Z","data":{{"value":1}}}}"#
        )
    };
    let endless = format!("{{\"id\":\"{}\"}}", "x".repeat(40 << 20));
    for (text, events) in [
        (format!("{}\n{endless}\n{}\n", at("1"), at("2")), 2),
        (format!("{}\n{endless}", at("1")), 1),
        (format!("{endless}\r\n{}", at("1")), 1),
        (format!("{}\n{}\r\n{}", at("1"), &endless[..=LINE_BYTES_MAX], at("2")), 2),
    ] {
        let path = temporary(".ndjson", text.as_bytes());
        let outcome = read(&[path.path()], None, ReaderSettings::default()).unwrap();
        assert_eq!((outcome.events.len(), outcome.refusals.len()), (events, 1));
        let refusal = &outcome.refusals[0];
        let place = u64::from(!text.starts_with(&endless));
        assert_eq!((refusal.position, refusal.code), (place, "record_too_long"));
        assert!(refusal.record.len() <= LINE_BYTES_MAX && endless.starts_with(&refusal.record));
        let positions: Vec<u64> = outcome.events.iter().map(|event| event.position).collect();
        assert_eq!(positions, (0..=2).filter(|at| *at != place).take(events).collect::<Vec<_>>());
    }
}

#[test]
fn a_long_row_is_one_rejection_at_its_place() {
    let row = |id: &str| format!("{id},u,2018-10-01T00:00:00Z,1");
    let long = "x,\"\"\n".repeat(1 << 20);
    for (long, sentence) in [
        (
            format!("\"{long}\",u,2018-10-01T00:00:00Z,1"),
            "the row is longer than 1048576 bytes; a quote may lack its partner",
        ),
        (format!("{},u,2018-10-01T00:00:00Z,1", "x".repeat(5 << 20)), "the row is longer than 1048576 bytes"),
    ] {
        let text = format!("id,who,at,value\n{}\n{long}\n{}\n", row("1"), row("2"));
        let path = temporary(".csv", text.as_bytes());
        let outcome = read(&[path.path()], Some(crate::rows::fixture::mapping()), ReaderSettings::default()).unwrap();
        assert_eq!(outcome.refused(), [format!("1 record_too_long {sentence}")]);
        let found: Vec<(u64, &str)> = outcome.events.iter().map(|event| (event.position, event.id.as_str())).collect();
        assert_eq!(found, [(0, "1"), (2, "2")]);
    }
}

#[cfg(unix)]
#[test]
fn a_pipe_reads_like_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pipe.ndjson");
    let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
    assert!(made.success());
    let text = "{\"x\":1}\n".repeat(50_000);
    let writer = std::thread::spawn({
        let (path, text) = (path.clone(), text.clone());
        move || {
            let mut pipe = File::options().write(true).open(path).unwrap();
            // Pieces must not follow the sizes of these writes.
            for part in text.as_bytes().chunks(977) {
                pipe.write_all(part).unwrap();
            }
        }
    });
    let size = PieceSize { chunk_bytes: 10_000, ..SIZE };
    let found = records(&path, size);
    writer.join().unwrap();
    let file = temporary(".ndjson", text.as_bytes());
    assert_eq!(found, records(file.path(), size));
    assert_eq!(found.len(), 50_000);
}

#[test]
fn tables_need_a_mapping_even_without_expansion() {
    let input = Input {
        name: "t.csv".to_owned(),
        place: crate::input::Place::Stdin,
        format: Format::Csv,
        compression: crate::input::DeclaredCompression::Unknown,
        bytes: None,
    };
    let refused = Reader::open(vec![input], None, ReaderSettings::default());
    assert!(matches!(refused.err(), Some(InputError::MappingMissing { .. })));
}
