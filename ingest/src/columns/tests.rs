//! Parquet and Arrow, written here and read back.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use arrow_array::builder::StringDictionaryBuilder;
use arrow_array::types::Int32Type;
use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Decimal256Array, DurationSecondArray,
    Float32Array, Float64Array, Int8Array, Int64Array, LargeStringArray, NullArray, RecordBatch, StringArray,
    StringViewArray, TimestampMicrosecondArray, TimestampMillisecondArray, TimestampNanosecondArray,
    TimestampSecondArray, UInt64Array,
};
use arrow_buffer::i256;
use arrow_ipc::writer::{FileWriter, StreamWriter};
use jiff::tz::TimeZone;
use weir_model::mapping::Mapping;

use super::view::View;
use crate::input::InputError;
use crate::reader::ReaderSettings;
use crate::rows::fixture::{Outcome, column, field, mapping, read};

const DAY_2018_10_01: i32 = 17_805;
const SECOND_2018_10_01: i64 = 1_538_352_000;

fn batch(rows: i64) -> RecordBatch {
    let ids: Int64Array = (0..rows).collect();
    let who: StringArray = (0..rows).map(|row| Some(if row % 2 == 0 { "even" } else { "odd" })).collect();
    let at: TimestampMicrosecondArray = (0..rows).map(|row| Some((SECOND_2018_10_01 + row) * 1_000_000)).collect();
    let value: Decimal128Array = (0..rows).map(|row| (row != 1).then_some(i128::from(row) * 10_500_000_000)).collect();
    let unused: NullArray = NullArray::new(usize::try_from(rows).unwrap());
    RecordBatch::try_from_iter([
        ("unused", Arc::new(unused) as ArrayRef),
        ("value", Arc::new(value.with_precision_and_scale(38, 10).unwrap())),
        ("id", Arc::new(ids)),
        ("at", Arc::new(at.with_timezone("UTC"))),
        ("who", Arc::new(who)),
    ])
    .unwrap()
}

fn write_parquet(path: &Path, batch: &RecordBatch) {
    let file = File::create(path).unwrap();
    let mut writer = parquet::arrow::ArrowWriter::try_new(file, batch.schema(), None).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
}

fn stream_bytes(batch: &RecordBatch) -> Vec<u8> {
    let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema()).unwrap();
    writer.write(batch).unwrap();
    writer.into_inner().unwrap()
}

fn write_all(folder: &Path, batch: &RecordBatch) -> Vec<std::path::PathBuf> {
    let paths = ["t.parquet", "t.feather", "t.arrows", "t.arrows.zst", "t.ipc.gz"].map(|name| folder.join(name));
    write_parquet(&paths[0], batch);
    let mut file = FileWriter::try_new(File::create(&paths[1]).unwrap(), &batch.schema()).unwrap();
    file.write(batch).unwrap();
    file.finish().unwrap();
    let stream = stream_bytes(batch);
    std::fs::write(&paths[2], &stream).unwrap();
    std::fs::write(&paths[3], zstd::encode_all(stream.as_slice(), 1).unwrap()).unwrap();
    let mut gzip = flate2::write::GzEncoder::new(File::create(&paths[4]).unwrap(), flate2::Compression::fast());
    gzip.write_all(&stream).unwrap();
    gzip.finish().unwrap();
    paths.into()
}

fn read_with(path: &Path, mapping: Mapping, batch_rows: usize) -> Result<Outcome, InputError> {
    read(&[path], Some(mapping), ReaderSettings { batch_rows, ..ReaderSettings::default() })
}

#[test]
fn parquet_and_arrow_say_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let expected = [
        "0 even 2018-10-01T00:00:00Z {\"value\":0}",
        "1 odd 2018-10-01T00:00:01Z {}",
        "2 even 2018-10-01T00:00:02Z {\"value\":2.1}",
        "3 odd 2018-10-01T00:00:03Z {\"value\":3.15}",
    ];
    for path in write_all(folder.path(), &batch(4)) {
        for batch_rows in [1, 3, 8192] {
            let outcome = read_with(&path, mapping(), batch_rows).unwrap();
            assert_eq!(outcome.lines(), expected, "{}", path.display());
            assert_eq!(outcome.events[3].value, Some(31_500_000_000));
            assert_eq!(outcome.events.iter().map(|event| event.position).collect::<Vec<_>>(), [0, 1, 2, 3]);
            assert_eq!((outcome.received, outcome.refusals.len()), (4, 0));
        }
    }
}

#[test]
fn filters_tables_and_rejections_of_columns() {
    let folder = tempfile::tempdir().unwrap();
    let mut mapping = mapping();
    mapping.row_filter = vec![("who".to_owned(), vec!["odd".to_owned()])];
    let mut second = mapping.events[0].clone();
    second.subject = column("value");
    mapping.events.push(second);
    for path in write_all(folder.path(), &batch(20_000)) {
        let outcome = read_with(&path, mapping.clone(), 8192).unwrap();
        assert_eq!((outcome.received, outcome.skipped), (20_000, 10_000));
        assert_eq!(outcome.refused(), ["3 attribute_missing `subject` is missing: column `value` is empty"]);
        assert_eq!(
            outcome.refusals[0].record,
            "{\"value\":null,\"id\":1,\"at\":\"2018-10-01T00:00:01Z\",\"who\":\"odd\"}"
        );
        assert_eq!(outcome.events.last().unwrap().position, 39_999);
    }
}

#[test]
fn a_type_becomes_a_text_or_a_number() {
    let mut words = StringDictionaryBuilder::<Int32Type>::new();
    words.append_value("word");
    words.append_null();
    let zoned = |zone: &str| Some(Arc::<str>::from(zone));
    let second = SECOND_2018_10_01;
    let table: Vec<(ArrayRef, &str)> = vec![
        (Arc::new(StringArray::from(vec![Some("a\"b"), None])), "\"a\\\"b\""),
        (Arc::new(LargeStringArray::from(vec![Some("big"), None])), "\"big\""),
        (Arc::new(StringViewArray::from(vec![Some("a view of a text"), None])), "\"a view of a text\""),
        (Arc::new(BinaryArray::from(vec![Some("bytes".as_bytes()), None])), "\"bytes\""),
        (Arc::new(words.finish()), "\"word\""),
        (Arc::new(BooleanArray::from(vec![Some(true), None])), "true"),
        (Arc::new(Int8Array::from(vec![Some(-128), None])), "-128"),
        (Arc::new(Int64Array::from(vec![Some(9_007_199_254_740_993), None])), "9007199254740993"),
        (Arc::new(UInt64Array::from(vec![Some(u64::MAX), None])), "18446744073709551615"),
        (Arc::new(Float64Array::from(vec![Some(0.1), None])), "0.1"),
        (Arc::new(Float64Array::from(vec![Some(1e21), None])), "1000000000000000000000"),
        (Arc::new(Float64Array::from(vec![Some(f64::NAN), None])), "\"NaN\""),
        (Arc::new(Float32Array::from(vec![Some(0.3), None])), "0.3"),
        (Arc::new(Date32Array::from(vec![Some(DAY_2018_10_01), None])), "\"2018-10-01\""),
        (Arc::new(TimestampSecondArray::from(vec![Some(second), None])), "\"2018-10-01T00:00:00\""),
        (
            Arc::new(
                TimestampMillisecondArray::from(vec![Some(second * 1000 + 1), None]).with_timezone_opt(zoned("+02:00")),
            ),
            "\"2018-10-01T00:00:00.001Z\"",
        ),
        (
            Arc::new(TimestampNanosecondArray::from(vec![Some(-1), None]).with_timezone_opt(zoned("Europe/Paris"))),
            "\"1969-12-31T23:59:59.999999999Z\"",
        ),
        (Arc::new(TimestampSecondArray::from(vec![Some(i64::MAX), None])), "\"9223372036854775807\""),
    ];
    for (array, expected) in table {
        let view = View::of(&array);
        assert!(View::supports(array.data_type()));
        let mut cell = Vec::new();
        view.append(0, &mut cell);
        let cell = if view.is_bare(0) { cell } else { crate::rows::json_string(&cell) };
        assert_eq!(String::from_utf8(cell).unwrap(), expected, "{:?}", array.data_type());
        assert!(!view.is_empty(0) && view.is_empty(1), "{:?}", array.data_type());
    }
    assert!(!View::supports(&arrow_schema::DataType::Duration(arrow_schema::TimeUnit::Second)));
}

#[test]
fn decimals_are_exact() {
    let table: [(i128, i8, &str); 10] = [
        (0, 0, "0"),
        (0, 10, "0"),
        (1, 10, "0.0000000001"),
        (-1, 10, "-0.0000000001"),
        (15_000_000_000, 10, "1.5"),
        (-10_000_000_000, 10, "-1"),
        (1_234_567_890_123_456_789, 19, "0.1234567890123456789"),
        (12, -3, "12000"),
        (0, -3, "0"),
        (10_i128.pow(38) - 1, 38, "0.99999999999999999999999999999999999999"),
    ];
    for (value, scale, expected) in table {
        let small = Decimal128Array::from(vec![value]).with_precision_and_scale(38, scale).unwrap();
        let wide = Decimal256Array::from(vec![i256::from_i128(value)]).with_precision_and_scale(76, scale).unwrap();
        for array in [Arc::new(small) as ArrayRef, Arc::new(wide)] {
            let mut text = Vec::new();
            View::of(&array).append(0, &mut text);
            assert_eq!(String::from_utf8(text).unwrap(), expected);
        }
    }
}

#[test]
fn times_of_columns() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.parquet");
    let table: [(ArrayRef, &str); 4] = [
        (Arc::new(TimestampSecondArray::from(vec![SECOND_2018_10_01])), "2018-09-30T22:00:00Z"),
        (Arc::new(TimestampSecondArray::from(vec![SECOND_2018_10_01]).with_timezone("+05:00")), "2018-10-01T00:00:00Z"),
        (Arc::new(Date32Array::from(vec![DAY_2018_10_01])), "2018-09-30T22:00:00Z"),
        (Arc::new(StringArray::from(vec!["2018-10-01T00:00:00"])), "2018-09-30T22:00:00Z"),
    ];
    for (at, expected) in table {
        let text = |text: &str| Arc::new(StringArray::from(vec![text])) as ArrayRef;
        let columns = [("id", text("1")), ("who", text("a")), ("at", at), ("value", text("0.10"))];
        write_parquet(&path, &RecordBatch::try_from_iter(columns).unwrap());
        let mut mapping = mapping();
        mapping.events[0].time.zone = TimeZone::get("Europe/Paris").unwrap();
        let outcome = read_with(&path, mapping, 8192).unwrap();
        assert_eq!(outcome.lines(), [format!("1 a {expected} {{\"value\":\"0.10\"}}")]);
    }
}

#[test]
fn tables_that_cannot_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let good = write_all(folder.path(), &batch(5000));
    let refusal = |path: &Path, mapping: Mapping| read_with(path, mapping, 8192).unwrap_err();
    for path in &good {
        let mut wrong = mapping();
        wrong.events[0].data = vec![field("value", column("valeu"))];
        let sentence = refusal(path, wrong).to_string();
        assert!(
            sentence.ends_with("there is no column `valeu`, which the mapping names; did you mean `value`?"),
            "{sentence}"
        );
    }
    for (from, to) in
        [(0, "cut.parquet"), (1, "cut.feather"), (2, "cut.arrows"), (3, "cut.arrows.zst"), (4, "cut.ipc.gz")]
    {
        let bytes = std::fs::read(&good[from]).unwrap();
        let path = folder.path().join(to);
        std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        let half = refusal(&path, mapping());
        assert!(matches!(half, InputError::BadTable { .. } | InputError::Truncated { .. }), "{to}: {half}");
        std::fs::write(&path, "").unwrap();
        let empty = refusal(&path, mapping());
        assert!(matches!(empty, InputError::BadTable { .. } | InputError::NotCompressed { .. }), "{to}: {empty}");
    }
    let inside = folder.path().join("file.arrow.zst");
    std::fs::write(&inside, zstd::encode_all(File::open(&good[1]).unwrap(), 1).unwrap()).unwrap();
    assert!(matches!(refusal(&inside, mapping()), InputError::NeedsFile { .. }));
    let odd = folder.path().join("odd.arrows");
    let mut columns: Vec<(String, ArrayRef)> =
        ["id", "who", "at"].map(|name| (name.to_owned(), Arc::new(StringArray::from(vec!["1"])) as ArrayRef)).into();
    columns.push(("value".to_owned(), Arc::new(DurationSecondArray::from(vec![1]))));
    std::fs::write(&odd, stream_bytes(&RecordBatch::try_from_iter(columns).unwrap())).unwrap();
    let sentence = refusal(&odd, mapping()).to_string();
    assert!(
        sentence.ends_with("column `value` is of type Duration(s), which cannot become a text, a number or a time"),
        "{sentence}"
    );
}

#[test]
fn a_compressed_stream_cut_anywhere_never_loses_rows_quietly() {
    let folder = tempfile::tempdir().unwrap();
    let whole = write_all(folder.path(), &batch(4));
    for from in [3, 4] {
        let bytes = std::fs::read(&whole[from]).unwrap();
        let path = folder.path().join(format!("cut-{}", whole[from].file_name().unwrap().display()));
        for length in 4..bytes.len() {
            std::fs::write(&path, &bytes[..length]).unwrap();
            // Only the checksum behind the last row may be missing.
            let rows = read_with(&path, mapping(), 8192).map_or(4, |outcome| outcome.events.len());
            assert_eq!(rows, 4, "{} of {} bytes", length, bytes.len());
        }
    }
}
