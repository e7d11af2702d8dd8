//! From rows of CSV to events: attributes, times, `data`, `where`, and what a bad row or cell becomes.

use std::fmt::Write as _;
use std::io::Write as _;

use jiff::tz::TimeZone;
use proptest::prelude::*;
use weir_model::limits::LINE_BYTES_MAX;
use weir_model::mapping::{CsvDialect, EmptyCell, FieldMapping, Mapping, TextEncoding, TextMapping, TimeFormat};

use super::fixture::{Outcome, column, constant, field, mapping, read, real_data};
use crate::reader::ReaderSettings;

fn read_bytes(suffix: &str, text: &[u8], mapping: Mapping) -> Result<Outcome, crate::input::InputError> {
    let mut file = tempfile::Builder::new().suffix(suffix).tempfile().unwrap();
    file.write_all(text).unwrap();
    read(&[file.path()], Some(mapping), ReaderSettings::default())
}

fn read_csv(text: &str, mapping: Mapping) -> Outcome {
    read_bytes(".csv", text.as_bytes(), mapping).unwrap()
}

const T: &str = "2018-10-01T00:00:00Z";

#[test]
fn rows_become_events() {
    let text =
        format!("id,who,at,value\n1,acme,{T},0.5\n\"a\"\"b\",\"x,y\",{T},12345678901234567890.0123456789\n3,z,{T},\n");
    let outcome = read_csv(&text, mapping());
    assert_eq!(
        outcome.lines(),
        [
            format!("1 acme {T} {{\"value\":\"0.5\"}}"),
            format!("a\"b x,y {T} {{\"value\":\"12345678901234567890.0123456789\"}}"),
            format!("3 z {T} {{}}"),
        ]
    );
    let values: Vec<_> = outcome.events.iter().map(|event| event.value).collect();
    assert_eq!(values, [Some(5_000_000_000), Some(123_456_789_012_345_678_900_123_456_789), None]);
    assert_eq!((outcome.received, outcome.skipped, outcome.refusals.len()), (3, 0, 0));
    assert_eq!(outcome.events[2].position, 2);
    assert_eq!((outcome.events[0].source.as_str(), outcome.events[0].type_name.as_str()), ("test", "usage"));
}

#[test]
fn several_tables_joins_constants_and_filters() {
    let mut mapping = mapping();
    mapping.row_filter = vec![("kind".to_owned(), vec!["Usage".to_owned(), "Fee \"x\"".to_owned()])];
    let mut second = mapping.events[0].clone();
    second.id = TextMapping::Join { columns: vec!["id".into(), "who".into()], join: "/".into() };
    second.event_type = column("kind");
    second.partition_key = Some(column("id"));
    second.data = vec![
        field("both", TextMapping::Join { columns: vec!["note".into(), "value".into()], join: "\n".into() }),
        field("fixed\"", constant("a\\b")),
        ("gone".to_owned(), FieldMapping { text: column("empty"), empty: EmptyCell::Absent }),
        ("none".to_owned(), FieldMapping { text: column("empty"), empty: EmptyCell::Zero }),
        field("note", column("note")),
        ("zero".to_owned(), FieldMapping { text: column("empty"), empty: EmptyCell::Zero }),
    ];
    mapping.events.push(second);
    let text = format!(
        "kind,id,who,at,value,note,empty\nUsage,1,a,{T},7,\"q\"\"\\\t\u{1}é\",\nTax,2,b,{T},8,,\n\"Fee \"\"x\"\"\",3,c,{T},9,,\n"
    );
    let outcome = read_csv(&text, mapping);
    assert_eq!(
        outcome.lines(),
        [
            format!("1 a {T} {{\"value\":\"7\"}}"),
            format!(
                "1/a a {T} {{\"both\":\"q\\\"\\\\\\t\\u0001é\\n7\",\"fixed\\\"\":\"a\\\\b\",\"none\":0,\"note\":\"q\\\"\\\\\\t\\u0001é\",\"zero\":0}}"
            ),
            format!("3 c {T} {{\"value\":\"9\"}}"),
            format!("3/c c {T} {{\"both\":\"\\n9\",\"fixed\\\"\":\"a\\\\b\",\"none\":0,\"zero\":0}}"),
        ]
    );
    let positions: Vec<_> = outcome.events.iter().map(|event| event.position).collect();
    assert_eq!(positions, [0, 1, 4, 5]);
    assert_eq!((outcome.received, outcome.skipped), (4, 1));
    assert_eq!(outcome.events[3].type_name, "Fee \"x\"");
}

#[test]
fn bad_rows_are_rejected_alone() {
    let long = "x".repeat(LINE_BYTES_MAX);
    let table = [
        (format!("2,b,{T}"), "row_malformed the row has 3 columns where the header has 4"),
        (format!("2,b,{T},1,2"), "row_malformed the row has 5 columns where the header has 4"),
        (format!("2,\"b\"x,{T},1"), "row_malformed column `who` has text after its closing quote"),
        (format!(",b,{T},1"), "attribute_missing `id` is missing: column `id` is empty"),
        (format!("2,,{T},1"), "attribute_missing `subject` is missing: column `who` is empty"),
        ("2,b,,1".to_owned(), "attribute_missing `time` is missing: column `at` is empty"),
        ("2,b,yesterday,1".to_owned(), "time_invalid column `at` is not an RFC 3339 time: `yesterday`"),
        (format!("2,b,{T},much"), "value_invalid"),
        (format!("2,{long},{T},1"), "record_too_long the row is longer than 1048576 bytes"),
        (format!("2,{},{T},1", "x".repeat(2000)), "attribute_invalid"),
        ("2,b,0001-01-01T00:00:00Z,1".to_owned(), "time_out_of_range"),
    ];
    for (row, expected) in table {
        let text = format!("id,who,at,value\n1,a,{T},1\n{row}\n3,c,{T},3\n");
        let outcome = read_csv(&text, mapping());
        assert_eq!(outcome.refusals.len(), 1, "{expected}");
        let refused = &outcome.refused()[0];
        assert!(refused.starts_with(&format!("1 {expected}")), "{refused} for {expected}");
        assert!(row.starts_with(&outcome.refusals[0].record) && !outcome.refusals[0].record.is_empty());
        let ids: Vec<_> = outcome.events.iter().map(|event| event.id.as_str()).collect();
        assert_eq!((ids, outcome.received), (vec!["1", "3"], 3), "{expected}");
    }
}

#[test]
fn a_quote_that_never_closes_takes_only_the_end() {
    let text = format!("id,who,at,value\n1,a,{T},1\n2,\"b,{T},2\n3,c,{T},3\n");
    let outcome = read_csv(&text, mapping());
    assert_eq!(outcome.lines(), [format!("1 a {T} {{\"value\":\"1\"}}")]);
    assert_eq!(outcome.refused(), ["1 row_malformed column `who` opens a quote that is never closed"]);
}

#[test]
fn encodings_and_dialects() {
    let latin = Mapping { csv: CsvDialect { encoding: TextEncoding::Latin1, ..CsvDialect::default() }, ..mapping() };
    let semicolon = Mapping { csv: CsvDialect { delimiter: b';', quote: b'\'', ..CsvDialect::default() }, ..mapping() };
    let named = |name: &str| {
        let mut mapping = latin.clone();
        mapping.events[0].subject = column(name);
        mapping
    };
    let table: [(&str, Vec<u8>, Mapping); 6] = [
        (".csv", format!("\u{feff}id,who,at,value\r\n1,é,{T},1\r\n").into_bytes(), mapping()),
        (".tsv", format!("id\twho\tat\tvalue\n1\té\t{T}\t1").into_bytes(), mapping()),
        (".csv", format!("id;who;at;value\n1;'é';{T};1\n").into_bytes(), semicolon),
        (".csv", [b"id,who,at,value\n1,\xe9,".as_slice(), T.as_bytes(), b",1\n"].concat(), latin.clone()),
        (".csv", [b"id,who,at,value,note\n1,\"\xe9\",".as_slice(), T.as_bytes(), b",1,\xfc\n"].concat(), latin.clone()),
        (".csv", [b"id,qui\xe9,at,value\n1,\xe9,".as_slice(), T.as_bytes(), b",1\n"].concat(), named("quié")),
    ];
    for (suffix, text, mapping) in table {
        let outcome = read_bytes(suffix, &text, mapping).unwrap();
        assert_eq!(outcome.lines(), [format!("1 é {T} {{\"value\":\"1\"}}")], "{}", String::from_utf8_lossy(&text));
    }
    let mixed = [b"id,who,at,value\n1,\xe9,".as_slice(), T.as_bytes(), b",1\n2,b,", T.as_bytes(), b",1\n"].concat();
    let outcome = read_bytes(".csv", &mixed, mapping()).unwrap();
    assert_eq!(
        outcome.refused(),
        ["0 utf8_invalid byte 2 of the row is not UTF-8; is the file `encoding = \"latin1\"`?"]
    );
    assert_eq!(outcome.lines(), [format!("2 b {T} {{\"value\":\"1\"}}")]);
}

#[test]
fn headers_that_do_not_fit_the_mapping() {
    let table: [(&[u8], &str); 9] = [
        (b"", "the file is empty; a CSV begins with a line of column names"),
        (b"\xef\xbb\xbf", "the file is empty; a CSV begins with a line of column names"),
        (b"id,Wh0,at,value\n", "there is no column `who`, which the mapping names; did you mean `Wh0`?"),
        (
            b"id,subject_id,at,value\n",
            "there is no column `who`, which the mapping names; it has `id`, `subject_id`, `at`, `value`",
        ),
        (b"id,who,at,value,id\n", "column `id` stands twice in the header, so the mapping's `id` could mean either"),
        (b"id,\"who,at\nvalue", "the header line is not valid: column 2 opens a quote that is never closed"),
        (b"id,\xe9\n", "the header line is not valid: it is not UTF-8; is it `encoding = \"latin1\"`?"),
        (b"\xff\xfei\0d\0", "this is UTF-16 text; convert it to UTF-8, for example with `iconv -f UTF-16 -t UTF-8`"),
        (b"\n", "there is no column `id`, which the mapping names; it has ``"),
    ];
    for (text, expected) in table {
        let refusal = read_bytes(".csv", text, mapping()).unwrap_err().to_string();
        assert!(refusal.ends_with(&format!(".csv: {expected}")), "{refusal}");
    }
    for text in ["id,who,at,value", "id,who,at,value\r\n", "id,who,at,value\n\n\n"] {
        assert_eq!(read_csv(text, mapping()), Outcome::default());
    }
}

#[test]
fn times_as_tables_write_them() {
    let paris = TimeZone::get("Europe/Paris").unwrap();
    let pattern = |text: &str| TimeFormat::Pattern(text.to_owned());
    let table = [
        (TimeFormat::Rfc3339, "2018-10-01T00:00:00Z", Some("2018-10-01T00:00:00Z")),
        (TimeFormat::Rfc3339, "2018-10-01T02:00:00.123456+02:00", Some("2018-10-01T00:00:00.123456Z")),
        (TimeFormat::Rfc3339, "2018-10-01T02:00:00", Some("2018-10-01T00:00:00Z")),
        (TimeFormat::Rfc3339, "2018-10-01 02:00:00", Some("2018-10-01T00:00:00Z")),
        (TimeFormat::Rfc3339, "2018-10-01", Some("2018-09-30T22:00:00Z")),
        (TimeFormat::Rfc3339, "2018-03-25T02:30:00", Some("2018-03-25T01:30:00Z")),
        (TimeFormat::Rfc3339, "2018-10-01T02:00:00+99:00", None),
        (TimeFormat::Rfc3339, "2018-13-01T02:00:00Z", None),
        (TimeFormat::Rfc3339, "1538352000", None),
        (TimeFormat::EpochSeconds, "1538352000", Some("2018-10-01T00:00:00Z")),
        (TimeFormat::EpochSeconds, "1538352000.1234567", Some("2018-10-01T00:00:00.123456Z")),
        (TimeFormat::EpochSeconds, "1538352000.5", Some("2018-10-01T00:00:00.5Z")),
        (TimeFormat::EpochSeconds, "1.5e9", None),
        (TimeFormat::EpochSeconds, "1538352000.", None),
        (TimeFormat::EpochSeconds, ".5", None),
        (TimeFormat::EpochSeconds, "99999999999999999999", None),
        (TimeFormat::EpochMillis, "1538352000001", Some("2018-10-01T00:00:00.001Z")),
        (TimeFormat::EpochMillis, "1538352000001.25", Some("2018-10-01T00:00:00.00125Z")),
        (TimeFormat::EpochMillis, "0", Some("1970-01-01T00:00:00Z")),
        (pattern("%d/%m/%Y %H:%M"), "01/10/2018 02:00", Some("2018-10-01T00:00:00Z")),
        (pattern("%d/%m/%Y"), "01/10/2018", Some("2018-09-30T22:00:00Z")),
        (pattern("%Y-%m-%d %H:%M:%S %z"), "2018-10-01 00:00:00 +0000", Some("2018-10-01T00:00:00Z")),
        (pattern("%d/%m/%Y"), "2018-10-01", None),
    ];
    for (format, text, expected) in table {
        let mut mapping = mapping();
        mapping.events[0].time.format = format.clone();
        mapping.events[0].time.zone = paris.clone();
        // Twice, so that the second comes from the cache.
        let outcome = read_csv(&format!("id,who,at,value\n1,a,{text},1\n2,a,{text},1\n"), mapping);
        let times: Vec<_> = outcome.events.iter().map(|event| event.time.as_str()).collect();
        assert_eq!(times, expected.into_iter().flat_map(|time| [time, time]).collect::<Vec<_>>(), "{format:?} {text}");
        assert!(outcome.refusals.iter().all(|refusal| refusal.code == "time_invalid"));
        assert_eq!(outcome.received, 2);
    }
}

#[test]
fn a_generated_event_has_a_limit() {
    let mut mapping = mapping();
    let columns = vec!["value".to_owned(); 3];
    mapping.events[0].data = vec![field("big", TextMapping::Join { columns, join: String::new() })];
    let text = format!("id,who,at,value\n1,a,{T},{}\n2,b,{T},1\n", "7".repeat(LINE_BYTES_MAX / 2));
    let outcome = read_csv(&text, mapping);
    assert_eq!(outcome.refused(), ["0 record_too_long the row's event is longer than 1048576 bytes"]);
    assert_eq!(outcome.lines(), [format!("2 b {T} {{\"big\":\"111\"}}")]);
}

proptest! {
    /// The size of chunks changes no event, rejection or position.
    #[test]
    fn chunks_change_nothing(
        rows in prop::collection::vec(("[a-z\"\n,]{0,9}", "[a\"\n]{0,5}", 0..4_u8), 0..40),
        chunk_bytes in 1..200_usize,
    ) {
        let mut text = String::from("id,who,at,value\r\n");
        for (id, raw, kind) in &rows {
            let id = format!("\"{}\"", id.replace('"', "\"\""));
            match kind {
                0 => writeln!(text, "{raw},x,{T},1").unwrap(),
                1 => writeln!(text, "{id},who,{T},1\r").unwrap(),
                2 => text.push('\n'),
                _ => writeln!(text, "{id},who,never,1").unwrap(),
            }
        }
        let mut file = tempfile::Builder::new().suffix(".csv").tempfile().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        let whole = read(&[file.path()], Some(mapping()), ReaderSettings::default()).unwrap();
        let cut = ReaderSettings { chunk_bytes, ..ReaderSettings::default() };
        prop_assert_eq!(read(&[file.path()], Some(mapping()), cut).unwrap(), whole);
    }
}

/// The mapping that Weir comes with.
fn aws() -> Mapping {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/mappings/aws-cur.toml");
    weir_model::mapping::load("aws-cur.toml", &std::fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn the_real_aws_report_arrives_whole() {
    let Some(path) = real_data("aws_cur/cur_2018Q4.csv.gz") else { return };
    let outcome = read(&[&path], Some(aws()), ReaderSettings::default()).unwrap();
    assert_eq!((outcome.received, outcome.events.len(), outcome.skipped), (334_911, 334_911, 0));
    assert_eq!(outcome.refusals, []);
    assert_eq!(
        outcome.lines()[0],
        "27aalpi5lkza4fw2o4ebtbm6lcjdglbpn46jzjs5ccqk6k6vcb4q/2018-10-01T00:00:00Z 836060457634 2018-10-01T00:00:00Z \
         {\"cost\":\"0\",\"operation\":\"RunInstances\",\"product\":\"AmazonEC2\",\"rate\":\"0.0000000000\",\
         \"rate_id\":\"208675482\",\"resource\":\"i-05b37e2f7b8aac665\",\"usage_amount\":\"0.5\",\
         \"usage_type\":\"BoxUsage:t2.micro\"}"
    );
    let ids: std::collections::HashSet<&str> = outcome.events.iter().map(|event| event.id.as_str()).collect();
    assert_eq!(ids.len(), 334_911, "the id is unique");

    let mut usage_only = aws();
    usage_only.row_filter = vec![("line_item_line_item_type".to_owned(), vec!["RIFee".to_owned()])];
    let outcome = read(&[&path], Some(usage_only), ReaderSettings::default()).unwrap();
    assert_eq!((outcome.received, outcome.skipped), (27, 334_884));
}

#[test]
fn the_real_llm_requests_arrive_whole() {
    let Some(path) = real_data("servegen/deepseek_r1_events.csv.gz") else { return };
    let mut mapping = mapping();
    let table = &mut mapping.events[0];
    table.id = column("event_id");
    table.subject = column("client");
    table.time.column = "time_ms".to_owned();
    table.time.format = TimeFormat::EpochMillis;
    table.data = vec![
        field("input_tokens", column("input_tokens")),
        field("k", column("model")),
        field("value", column("output_tokens")),
    ];
    let outcome = read(&[&path], Some(mapping), ReaderSettings::default()).unwrap();
    assert_eq!((outcome.received, outcome.events.len(), outcome.refusals.len()), (1_024_182, 1_024_182, 0));
    let clients: std::collections::BTreeSet<&str> = outcome.events.iter().map(|event| event.subject.as_str()).collect();
    assert_eq!(clients.len(), 46);
    assert_eq!(
        outcome.lines()[0],
        "0 chunk-19 1970-01-01T00:00:00.231Z {\"input_tokens\":\"3362\",\"k\":\"deepseek-r1\",\"value\":\"150\"}"
    );
    assert_eq!(outcome.events[0].value, Some(1_500_000_000_000));
}
