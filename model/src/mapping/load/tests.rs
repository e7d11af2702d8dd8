//! The mapping of the contract, and one error text per kind of mistake.

use expect_test::{Expect, expect};

use super::*;

const AWS: &str = r#"
format = "csv"
delimiter = ";"
encoding = "latin-1"
compression = "gzip"
where = { "line_item_type" = ["Usage", ""] }
[[events]]
source  = { constant = "aws" }
id      = { columns = ["identity_line_item_id", "usage_start"], join = "/" }
type    = { constant = "aws.usage" }
subject = "usage_account_id"
partitionkey = { column = "payer" }
time    = { column = "usage_start", format = "%Y-%m-%d %H:%M:%S", zone = "Europe/Paris" }
[events.data]
value = { column = "usage_amount", empty = "zero" }
rate  = "rate_id"
"#;

#[test]
fn loads_the_mapping_of_the_contract() {
    let mapping = load("aws.toml", AWS).unwrap();
    let column = |name: &str| TextMapping::Column(name.to_owned());
    let constant = |text: &str| TextMapping::Constant(text.to_owned());
    assert_eq!(mapping.format, Some(TableFormat::Csv));
    assert_eq!(mapping.compression, Some(Compression::Gzip));
    assert_eq!(mapping.csv, CsvDialect { delimiter: b';', quote: b'"', encoding: TextEncoding::Latin1 });
    assert_eq!(mapping.row_filter, [("line_item_type".to_owned(), vec!["Usage".to_owned(), String::new()])]);
    let [event] = mapping.events.as_slice() else { panic!("one event") };
    assert_eq!(event.source, constant("aws"));
    let columns = vec!["identity_line_item_id".to_owned(), "usage_start".to_owned()];
    assert_eq!(event.id, TextMapping::Join { columns, join: "/".to_owned() });
    assert_eq!(event.event_type, constant("aws.usage"));
    assert_eq!(event.subject, column("usage_account_id"));
    assert_eq!(event.partition_key, Some(column("payer")));
    assert_eq!(event.time.column, "usage_start");
    assert_eq!(event.time.format, TimeFormat::Pattern("%Y-%m-%d %H:%M:%S".to_owned()));
    assert_eq!(event.time.zone.iana_name(), Some("Europe/Paris"));
    let field = |name: &str, empty| FieldMapping { text: column(name), empty };
    assert_eq!(
        event.data,
        [
            ("rate".to_owned(), field("rate_id", EmptyCell::Absent)),
            ("value".to_owned(), field("usage_amount", EmptyCell::Zero)),
        ]
    );
}

#[test]
fn defaults() {
    let text = "[[events]]\nsource = \"s\"\nid = \"i\"\ntype = \"t\"\nsubject = \"c\"\ntime = \"at\"\n";
    let mapping = load("m.toml", text).unwrap();
    assert_eq!((mapping.format, mapping.compression, mapping.csv), (None, None, CsvDialect::default()));
    assert!(mapping.row_filter.is_empty());
    assert_eq!(mapping.events[0].time.format, TimeFormat::Rfc3339);
    assert_eq!(mapping.events[0].data, []);
}

fn check(from: &str, to: &str, expected: Expect) {
    assert!(AWS.contains(from), "{from}");
    let errors = load("aws.toml", &AWS.replacen(from, to, 1)).expect_err(to);
    expected.assert_eq(&errors.to_string());
}

#[test]
fn mistakes_are_explained() {
    check("\"csv\"", "\"cvs\"", expect![[r#"aws.toml:2: format: "cvs" is not known here; did you mean "csv"?"#]]);
    check(
        "\";\"",
        "\"::\"",
        expect![[r#"aws.toml:3: delimiter: "::" is not a single ASCII character; write for example ";" or "\t""#]],
    );
    check("\";\"", "\"\\\"\"", expect!["aws.toml:1: delimiter and quote are the same; use two different characters"]);
    check(
        "\"latin-1\"",
        "\"utf-16\"",
        expect![[r#"aws.toml:4: encoding: "utf-16" is not known here; did you mean "utf-8"?"#]],
    );
    check(
        "\"gzip\"",
        "3",
        expect![[r#"aws.toml:5: compression: must be a text, not an integer; write it in quotes: "3""#]],
    );
    check(
        "[\"Usage\", \"\"]",
        "\"Usage\"",
        expect![[r#"aws.toml:6: where.line_item_type: must be an array, not a text; write ["Usage"]"#]],
    );
    check(
        "[\"Usage\", \"\"]",
        "[]",
        expect!["aws.toml:6: where.line_item_type: allows no value, so that no row passes; name the values that pass"],
    );
    check(
        "subject = ",
        "subjekt = ",
        expect![[r#"
        aws.toml:7: events[0].subject: is missing; add subject = "column"
        aws.toml:11: events[0].subjekt: is not a key here; did you mean "subject"?"#]],
    );
    check(
        "constant = \"aws\" ",
        "constant = \"aws\", join = \"/\" ",
        expect!["aws.toml:8: events[0].source.join: joins nothing: it belongs to `columns`; leave it out"],
    );
    check(
        "constant = \"aws\" ",
        "constant = \"aws\", column = \"a\" ",
        expect![[
            r#"aws.toml:8: events[0].source: needs one of constant, column and columns; write for example { column = "a" }"#
        ]],
    );
    check(
        "constant = \"aws\" ",
        "konstant = \"aws\" ",
        expect![[r#"
        aws.toml:8: events[0].source: needs one of constant, column and columns; write for example { column = "a" }
        aws.toml:8: events[0].source.konstant: is not a key here; did you mean "constant"?"#]],
    );
    check(
        "\"%Y-%m-%d %H:%M:%S\"",
        "\"iso\"",
        expect![[
            r#"aws.toml:13: events[0].time.format: "iso" is not a way to write times; write rfc3339, epoch_s, epoch_ms, or a strftime pattern such as "%Y-%m-%d %H:%M:%S""#
        ]],
    );
    check(
        "\"%Y-%m-%d %H:%M:%S\"",
        "\"%Y-%!\"",
        expect![[
            r#"aws.toml:13: events[0].time.format: "%Y-%!" is not a way to write times; write rfc3339, epoch_s, epoch_ms, or a strftime pattern such as "%Y-%m-%d %H:%M:%S""#
        ]],
    );
    check(
        "\"Europe/Paris\"",
        "\"Europe/Pariss\"",
        expect![[
            r#"aws.toml:13: events[0].time.zone: "Europe/Pariss" is not a known time zone; write a name of the IANA database, for example "Europe/Paris""#
        ]],
    );
    check(
        "empty = \"zero\"",
        "empty = \"null\"",
        expect![[r#"aws.toml:15: events[0].data.value.empty: "null" is not known here; use one of absent, zero"#]],
    );
    check(
        "rate  = \"rate_id\"",
        "rate = 1",
        expect![[r#"aws.toml:16: events[0].data.rate: must be a text, not an integer; write it in quotes: "1""#]],
    );
    check("[[events]]", "[events]", expect!["aws.toml:7: events: must be an array, not a table; write [[events]]"]);
    check(
        "[[events]]",
        "[[event]]",
        expect![[r#"
        aws.toml:7: event: is not a key here; did you mean "events"?
        aws.toml:14: events: must be an array, not a table; write [[events]]"#]],
    );
    check(
        "source  = {",
        "source  = ",
        expect![[r"
        aws.toml:8: is no valid TOML: string values must be quoted, expected literal string
        aws.toml:8: is no valid TOML: unexpected key or value, expected newline, `#`"]],
    );
}

proptest::proptest! {
    #[test]
    fn mutated_mappings_never_panic(at in proptest::prelude::any::<proptest::sample::Index>(), removed in 0_usize..40, inserted in "[ -~\n]{0,6}") {
        let mut text: Vec<char> = AWS.chars().collect();
        let start = at.index(text.len());
        let end = (start + removed).min(text.len());
        text.splice(start..end, inserted.chars());
        let text: String = text.into_iter().collect();
        if let Err(error) = load("aws.toml", &text) {
            proptest::prop_assert!(!error.problems.is_empty());
        }
    }
}
