//! Tables of lines and what becomes of them.

use weir_model::catalog::{Catalog, EventType, Path, TextSlot, ValueSlot};
use weir_model::currency::Currency;
use weir_model::event::{SlotValue, Span};
use weir_model::hash::{HashKey, shard_of};
use weir_model::limits::ATTRIBUTE_BYTES_MAX;
use weir_model::time::Instant;

use super::*;
use crate::RawEvent;
use crate::json::shown;

mod differential;

const SHARDS: u16 = 4;

fn path(text: &str) -> Path {
    Path(text.split('.').map(str::to_owned).collect())
}

fn value_slot(text: &str, scale: u8, allow_negative: bool) -> ValueSlot {
    ValueSlot { path: path(text), scale, magnitude_max: 10_i128.pow(24), allow_negative }
}

/// `call` has slots of every kind; `plain` has none.
pub(super) fn catalog() -> Catalog {
    let call = EventType {
        name: "call".to_owned(),
        values: vec![
            value_slot("data.value", 0, false),
            value_slot("data.usage.seconds", 3, true),
            value_slot("data.usage.a-rather-long-name", 12, false),
        ],
        texts: ["data.region", "subject", "tier", "data.usage.kind", "data"]
            .map(|text| TextSlot { path: path(text) })
            .to_vec(),
        meters: Vec::new(),
    };
    // `data` itself is a dimension of no sane catalog, but one of this table's cases.
    let call = EventType { texts: call.texts[..4].to_vec(), ..call };
    let whole = EventType {
        name: "whole".to_owned(),
        values: Vec::new(),
        texts: ["data", "source", "datacontenttype", "time", "id", "type", "ext.part"]
            .map(|text| TextSlot { path: path(text) })
            .to_vec(),
        meters: Vec::new(),
    };
    let plain = EventType { name: "plain".to_owned(), values: Vec::new(), texts: Vec::new(), meters: Vec::new() };
    Catalog {
        name: "test".to_owned(),
        hash: 0,
        currency: Currency::parse("USD").unwrap(),
        time_zone: jiff::tz::TimeZone::UTC,
        meters: Vec::new(),
        event_types: vec![call, plain, whole],
        plans: Vec::new(),
        charges: Vec::new(),
        accounts: Vec::new(),
        customers: Vec::new(),
        seller: None,
        default_plan: None,
    }
}

fn decode(text: &[u8]) -> Chunk {
    let catalog = catalog();
    let decoder = Decoder::new(&catalog, HashKey::FILES, SHARDS);
    let mut chunk = Chunk::new(usize::from(SHARDS));
    chunk.text.extend_from_slice(text);
    decoder.decode_ndjson(&mut chunk, &mut DecodeScratch::new());
    check_columns(&chunk);
    chunk
}

/// All columns have equal length and slots are as many as the types say.
fn check_columns(chunk: &Chunk) {
    let mut events = 0;
    for batch in &chunk.batches {
        let length = batch.len();
        assert_eq!([batch.payload.len(), batch.events.len(), batch.attributes.len()], [length; 3]);
        let types = catalog().event_types;
        let (mut values, mut texts) = (0, 0);
        for event in &batch.events {
            assert_eq!((event.first_value as usize, event.first_text as usize), (values, texts));
            let event_type = types.get(event.event_type.at());
            values += event_type.map_or(0, |event_type| event_type.values.len());
            texts += event_type.map_or(0, |event_type| event_type.texts.len());
        }
        assert_eq!((batch.values.len(), batch.texts.len()), (values, texts));
        events += length;
    }
    assert_eq!(chunk.received, (events + chunk.rejected.len()) as u64);
}

/// One decoded event with its texts resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    shard: usize,
    hashes: (u128, u64, u128),
    type_index: u32,
    micros: i64,
    pub(super) position: u32,
    attributes: [String; 4],
    data: Option<String>,
    values: Vec<Option<i128>>,
    texts: Vec<Option<String>>,
}

pub(super) fn events(chunk: &Chunk) -> Vec<Seen> {
    let text = |span: Span| String::from_utf8(span.of(&chunk.text).to_vec()).unwrap();
    let optional = |span: Span| (!span.is_absent()).then(|| text(span));
    let types = catalog().event_types;
    let mut seen = Vec::new();
    for (shard, batch) in chunk.batches.iter().enumerate() {
        for i in 0..batch.len() {
            let (event, said) = (batch.events[i], batch.attributes[i]);
            let event_type = types.get(event.event_type.at());
            let (values, texts) = (event.first_value as usize.., event.first_text as usize..);
            let counts = event_type.map_or((0, 0), |event_type| (event_type.values.len(), event_type.texts.len()));
            seen.push(Seen {
                shard,
                hashes: (batch.fingerprint[i].0, batch.payload[i].0, event.subject_hash.0),
                type_index: event.event_type.0,
                micros: event.time.micros(),
                position: event.position,
                attributes: [said.source, said.id, said.subject, said.type_name].map(text),
                data: optional(said.data),
                values: batch.values[values].iter().take(counts.0).map(|value: &SlotValue| value.get()).collect(),
                texts: batch.texts[texts].iter().take(counts.1).map(|span| optional(*span)).collect(),
            });
        }
    }
    seen.sort_by_key(|event| event.position);
    seen
}

/// A good event whose `data` is `data`.
fn call(data: &str) -> String {
    format!(
        r#"{{"specversion":"1.0","id":"1","source":"/s","type":"call","subject":"acme","time":"2026-08-01T00:00:00Z","data":{data}}}"#
    )
}

/// [`call`] with one attribute's text replaced; an empty replacement takes the member away.
fn call_with(member: &str, replacement: &str) -> String {
    let line = call("{}");
    assert!(line.contains(member), "{member}");
    if replacement.is_empty() { line.replace(&format!("{member},"), "") } else { line.replace(member, replacement) }
}

fn the_rejection(line: &[u8]) -> Option<(String, String)> {
    let chunk = decode(line);
    assert!(chunk.rejected.len() <= 1);
    chunk.rejected.first().map(|rejection| (rejection.code.code().to_owned(), rejection.sentence.clone()))
}

#[test]
fn a_plain_event() {
    let line = r#"{"specversion":"1.0","id":"1","source":"/s","type":"call","subject":"acme","time":"2026-08-01T00:00:00.5Z","tier":"gold","data":{"value":12,"region":"eu","usage":{"seconds":1.25,"kind":true,"a-rather-long-name":"0.000000000001"}}}"#;
    let chunk = decode(line.as_bytes());
    assert_eq!(chunk.rejected, []);
    let key = HashKey::FILES;
    let route = key.route(b"acme");
    let data = &line[line.find(r#"{"value"#).unwrap()..line.len() - 1];
    let micros = 1_785_542_400_500_000;
    let expected = Seen {
        shard: shard_of(route, SHARDS),
        hashes: (
            key.event(route, b"/s", b"1").0,
            key.payload(key.type_seed(b"call"), micros, data.as_bytes()).0,
            route.0,
        ),
        type_index: 0,
        micros,
        position: 0,
        attributes: ["/s", "1", "acme", "call"].map(str::to_owned),
        data: Some(data.to_owned()),
        values: vec![Some(12), Some(1250), Some(1)],
        texts: ["eu", "acme", "gold", "true"].map(|text| Some(text.to_owned())).to_vec(),
    };
    assert_eq!(events(&chunk), [expected]);
    // What is read does not depend on order, white space, escapes or the end of the line.
    let reordered = format!(
        " {{ \"data\" : {data} , \"ti\\u0065r\" : \"g\\u006fld\", \"time\":\"2026-08-01T02:00:00.500+02:00\",\"subject\":\"\\u0061cme\",\
         \"type\":\"c\\u0061ll\",\"sour\\u0063e\":\"\\/s\",\"id\":\"\\u0031\",\"specversion\":\"1\\u002e0\",\"other\":[{{}}] }} \r"
    );
    assert_eq!(events(&decode(reordered.as_bytes())), events(&chunk));
}

#[test]
fn values_and_texts() {
    for (data, values, texts) in [
        ("{}", [None, None, None], [None, None]),
        ("null", [None, None, None], [None, None]),
        ("7", [None, None, None], [None, None]),
        ("[1]", [None, None, None], [None, None]),
        (r#""text""#, [None, None, None], [None, None]),
        (r#"{"value":null,"region":null,"usage":null}"#, [None, None, None], [None, None]),
        (r#"{"value":0}"#, [Some(0), None, None], [None, None]),
        (r#"{"value":-0}"#, [Some(0), None, None], [None, None]),
        (r#"{"value":-0.0e5}"#, [Some(0), None, None], [None, None]),
        (r#"{"value":9007199254740993}"#, [Some(9_007_199_254_740_993), None, None], [None, None]),
        (r#"{"value":"9007199254740993"}"#, [Some(9_007_199_254_740_993), None, None], [None, None]),
        (r#"{"value":"\u0031\u0032"}"#, [Some(12), None, None], [None, None]),
        (r#"{"value":1000000000000000000000000}"#, [Some(10_i128.pow(24)), None, None], [None, None]),
        (r#"{"value":1e24}"#, [Some(10_i128.pow(24)), None, None], [None, None]),
        (r#"{"value":12.000}"#, [Some(12), None, None], [None, None]),
        (r#"{"value":1.5e1}"#, [Some(15), None, None], [None, None]),
        (r#"{"usage":{"seconds":-1.5}}"#, [None, Some(-1500), None], [None, None]),
        (r#"{"usage":{"seconds":0.001}}"#, [None, Some(1), None], [None, None]),
        (
            r#"{"usage":{"a-rather-long-name":123456789012}}"#,
            [None, None, Some(123_456_789_012 * 10_i128.pow(12))],
            [None, None],
        ),
        (r#"{"usage":{"a-rather-long-name":0.123456789012}}"#, [None, None, Some(123_456_789_012)], [None, None]),
        (r#"{"usage":{"a-rather-long-nam3":1}}"#, [None, None, None], [None, None]),
        (r#"{"usage":[{"seconds":1}]}"#, [None, None, None], [None, None]),
        (r#"{"usage":{"usage":{"seconds":1}},"x":{"value":1}}"#, [None, None, None], [None, None]),
        (r#"{"usage":5}"#, [None, None, None], [None, None]),
        (r#"{"region":""}"#, [None, None, None], [Some(""), None]),
        (r#"{"region":"\u00e9\n"}"#, [None, None, None], [Some("é\n"), None]),
        (r#"{"region":1.50}"#, [None, None, None], [Some("1.50"), None]),
        (r#"{"region":false,"usage":{"kind":1e400}}"#, [None, None, None], [Some("false"), Some("1e400")]),
        (r#"{"regio\u006e":"eu","ignored":1e400}"#, [None, None, None], [Some("eu"), None]),
    ] {
        let chunk = decode(call(data).as_bytes());
        assert_eq!(chunk.rejected, [], "{data}");
        let [event] = events(&chunk).try_into().unwrap();
        assert_eq!(event.values, values, "{data}");
        assert_eq!([event.texts[0].as_deref(), event.texts[3].as_deref()], texts, "{data}");
        assert_eq!(event.data.as_deref(), Some(data));
    }
}

#[test]
fn attributes_as_texts() {
    let line = r#"{"specversion":"1.0","id":"i","source":"/s\u0031","type":"whole","subject":"a","time":"2026-08-01T00:00:00Z","datacontenttype":null,"ext":{"part":"p"},"data":true}"#;
    let [event] = events(&decode(line.as_bytes())).try_into().unwrap();
    let expected = [Some("true"), Some("/s1"), None, Some("2026-08-01T00:00:00Z"), Some("i"), Some("whole"), Some("p")];
    assert_eq!(event.texts, expected.map(|text| text.map(str::to_owned)));
}

#[test]
fn rejected_values() {
    let long = format!(r#"{{"region":"{}"}}"#, "r".repeat(1025));
    let ones = format!(r#"{{"value":{}}}"#, "1".repeat(100));
    for (data, code, sentence) in [
        (r#"{"value":"abc"}"#, "value_invalid", "`data.value` is not a decimal number: `abc`"),
        (r#"{"value":""}"#, "value_invalid", "`data.value` is not a decimal number: ``"),
        (r#"{"value":" 1"}"#, "value_invalid", "`data.value` is not a decimal number: ` 1`"),
        (r#"{"value":"1,5"}"#, "value_invalid", "`data.value` is not a decimal number: `1,5`"),
        (r#"{"value":"01"}"#, "value_invalid", "`data.value` is not a decimal number: `01`"),
        (r#"{"value":".5"}"#, "value_invalid", "`data.value` is not a decimal number: `.5`"),
        (r#"{"value":"5."}"#, "value_invalid", "`data.value` is not a decimal number: `5.`"),
        (r#"{"value":"+5"}"#, "value_invalid", "`data.value` is not a decimal number: `+5`"),
        (r#"{"value":"NaN"}"#, "value_invalid", "`data.value` is not a decimal number: `NaN`"),
        (r#"{"value":"0x1F"}"#, "value_invalid", "`data.value` is not a decimal number: `0x1F`"),
        (r#"{"value":"1\u0000"}"#, "value_invalid", "`data.value` is not a decimal number: `1\\0`"),
        (r#"{"value":true}"#, "value_invalid", "`data.value` is no number: `true`"),
        (r#"{"value":{}}"#, "value_invalid", "`data.value` is no number but an object or array: `{`"),
        (r#"{"value":[1]}"#, "value_invalid", "`data.value` is no number but an object or array: `[`"),
        (r#"{"value":1.5}"#, "value_too_fine", "`data.value` is finer than the 0 decimals that its meter keeps: `1.5`"),
        (
            r#"{"value":1e-400}"#,
            "value_too_fine",
            "`data.value` is finer than the 0 decimals that its meter keeps: `1e-400`",
        ),
        (
            r#"{"value":0.1234567890123456789}"#,
            "value_too_fine",
            "`data.value` is finer than the 0 decimals that its meter keeps: `0.1234567890123456789`",
        ),
        (
            r#"{"usage":{"seconds":0.0001}}"#,
            "value_too_fine",
            "`data.usage.seconds` is finer than the 3 decimals that its meter keeps: `0.0001`",
        ),
        (
            r#"{"usage":{"seconds":3.14159265358979323846264338327950288419716939937510}}"#,
            "value_too_fine",
            "`data.usage.seconds` is finer than the 3 decimals that its meter keeps: `3.14159265358979323846264338327950288419…`",
        ),
        (r#"{"value":1e400}"#, "value_too_large", "`data.value` is too large: `1e400`"),
        (
            r#"{"value":1000000000000000000000001}"#,
            "value_too_large",
            "`data.value` is too large: `1000000000000000000000001`",
        ),
        (
            r#"{"usage":{"a-rather-long-name":1000000000001}}"#,
            "value_too_large",
            "`data.usage.a-rather-long-name` is too large: `1000000000001`",
        ),
        (&ones, "value_too_large", "`data.value` is too large: `1111111111111111111111111111111111111111…`"),
        (r#"{"value":-1}"#, "value_negative", "`data.value` is negative, which its meter does not allow: `-1`"),
        (r#"{"value":"-1e30"}"#, "value_negative", "`data.value` is negative, which its meter does not allow: `-1e30`"),
        (r#"{"usage":{"seconds":-1e30}}"#, "value_too_large", "`data.usage.seconds` is too large: `-1e30`"),
        (
            r#"{"region":{}}"#,
            "dimension_invalid",
            "`data.region` is an object or array; a dimension is a string, a number or a boolean",
        ),
        (
            r#"{"region":["eu"]}"#,
            "dimension_invalid",
            "`data.region` is an object or array; a dimension is a string, a number or a boolean",
        ),
        (
            &long,
            "dimension_invalid",
            "`data.region` is longer than 1024 bytes; a dimension is a string, a number or a boolean",
        ),
        (r#"{"value":1,"value":1}"#, "key_duplicate", "the key `value` stands twice in one object"),
        (r#"{"value":1,"valu\u0065":1}"#, "key_duplicate", "the key `value` stands twice in one object"),
    ] {
        // The same, whether `type` stands before `data` or after it.
        let line = call(data);
        let late = line
            .replace(r#""type":"call","#, "")
            .replace(&format!(r#""data":{data}"#), &format!(r#""data":{data},"type":"call""#));
        for line in [line, late] {
            assert_eq!(the_rejection(line.as_bytes()), Some((code.to_owned(), sentence.to_owned())), "{data}");
        }
    }
}

#[test]
fn attributes() {
    let max = "x".repeat(1024);
    let long = "x".repeat(1025);
    let s = r#""subject":"acme""#;
    let t = r#""time":"2026-08-01T00:00:00Z""#;
    let v = r#""specversion":"1.0""#;
    let y = r#""type":"call""#;
    for (member, replacement, expected) in [
        (s, format!(r#""subject":"{max}""#), None),
        (s, format!(r#"{s},"partitionkey":"k""#), None),
        (s, format!(r#"{s},"partitionkey":"""#), None),
        (s, format!(r#"{s},"partitionkey":null"#), None),
        (s, format!(r#"{s},"dataschema":7,"traceparent":[],"x":"y""#), None),
        (s, format!(r#"{s},"datacontenttype":"text/plain""#), None),
        (s, format!(r#"{s},"data_base64":null"#), None),
        (y, r#""type":"unheard.of""#.to_owned(), None),
        (y, r#""type":"weird""#.to_owned(), None),
        (t, r#""time":"2026-08-01T00:00:00.123456789-11:30""#.to_owned(), None),
        (t, r#""time":"2026\u002d08-01T00:00:00Z""#.to_owned(), None),
        (v, String::new(), Some(("attribute_missing", "`specversion` is missing or empty".to_owned()))),
        (
            v,
            r#""specversion":"0.3""#.to_owned(),
            Some(("specversion_unsupported", "`specversion` is `0.3`; Weir reads CloudEvents `1.0`".to_owned())),
        ),
        (
            v,
            r#""specversion":1.0"#.to_owned(),
            Some(("attribute_invalid", "`specversion` must be a string".to_owned())),
        ),
        (r#""id":"1""#, String::new(), Some(("attribute_missing", "`id` is missing or empty".to_owned()))),
        (r#""id":"1""#, r#""id":"""#.to_owned(), Some(("attribute_missing", "`id` is missing or empty".to_owned()))),
        (r#""id":"1""#, r#""id":null"#.to_owned(), Some(("attribute_missing", "`id` is missing or empty".to_owned()))),
        (r#""id":"1""#, r#""id":1"#.to_owned(), Some(("attribute_invalid", "`id` must be a string".to_owned()))),
        (r#""id":"1""#, r#""ID":"1""#.to_owned(), Some(("attribute_missing", "`id` is missing or empty".to_owned()))),
        (r#""source":"/s""#, String::new(), Some(("attribute_missing", "`source` is missing or empty".to_owned()))),
        (
            r#""source":"/s""#,
            r#""source":["/s"]"#.to_owned(),
            Some(("attribute_invalid", "`source` must be a string".to_owned())),
        ),
        (y, String::new(), Some(("attribute_missing", "`type` is missing or empty".to_owned()))),
        (y, r#""type":{}"#.to_owned(), Some(("attribute_invalid", "`type` must be a string".to_owned()))),
        (
            y,
            r#""type":"weir.void""#.to_owned(),
            Some(("type_reserved", "`type` is `weir.void`; types that begin with `weir.` are reserved".to_owned())),
        ),
        (
            y,
            r#""type":"w\u0065ir.void""#.to_owned(),
            Some(("type_reserved", "`type` is `weir.void`; types that begin with `weir.` are reserved".to_owned())),
        ),
        (s, String::new(), Some(("attribute_missing", "`subject` is missing or empty".to_owned()))),
        (
            s,
            format!(r#""subject":"{long}""#),
            Some(("attribute_invalid", "`subject` is longer than 1024 bytes".to_owned())),
        ),
        (
            s,
            format!(r#"{s},"partitionkey":7"#),
            Some(("attribute_invalid", "`partitionkey` must be a string".to_owned())),
        ),
        (
            s,
            format!(r#"{s},"partitionkey":"{long}""#),
            Some(("attribute_invalid", "`partitionkey` is longer than 1024 bytes".to_owned())),
        ),
        (
            s,
            format!(r#"{s},"datacontenttype":7"#),
            Some(("attribute_invalid", "`datacontenttype` must be a string".to_owned())),
        ),
        (t, String::new(), Some(("attribute_missing", "`time` is missing or empty".to_owned()))),
        (t, r#""time":1785542400"#.to_owned(), Some(("attribute_invalid", "`time` must be a string".to_owned()))),
        (
            t,
            r#""time":"yesterday""#.to_owned(),
            Some(("time_invalid", "`time` is not an RFC 3339 time: `yesterday`".to_owned())),
        ),
        (
            t,
            r#""time":"2026-02-30T00:00:00Z""#.to_owned(),
            Some(("time_invalid", "`time` is not an RFC 3339 time: `2026-02-30T00:00:00Z`".to_owned())),
        ),
        (
            t,
            r#""time":"2026-08-01T00:00:00Zx""#.to_owned(),
            Some(("time_invalid", "`time` is not an RFC 3339 time: `2026-08-01T00:00:00Zx`".to_owned())),
        ),
        (
            t,
            r#""time":"0001-01-01T00:00:00Z""#.to_owned(),
            Some(("time_out_of_range", "`time` is outside 1970 to 2199: `0001-01-01T00:00:00Z`".to_owned())),
        ),
        (
            t,
            r#""time":"9999-12-31T00:00:00Z""#.to_owned(),
            Some(("time_out_of_range", "`time` is outside 1970 to 2199: `9999-12-31T00:00:00Z`".to_owned())),
        ),
        (s, format!("{s},{s}"), Some(("key_duplicate", "the key `subject` stands twice in one object".to_owned()))),
        (
            s,
            format!(r#"{s},"subj\u0065ct":"acme""#),
            Some(("key_duplicate", "the key `subject` stands twice in one object".to_owned())),
        ),
        (
            s,
            format!(r#"{s},"data":1"#),
            Some(("key_duplicate", "the key `data` stands twice in one object".to_owned())),
        ),
        (
            s,
            format!(r#"{s},"x":1,"y":2,"x":3"#),
            Some(("key_duplicate", "the key `x` stands twice in one object".to_owned())),
        ),
        (
            s,
            format!(r#"{s},"data_base64":"e30=""#),
            Some(("attribute_invalid", "`data_base64` stands beside `data`; an event has one of them".to_owned())),
        ),
    ] {
        let line = call_with(member, &replacement);
        assert_eq!(
            the_rejection(line.as_bytes()),
            expected.map(|(code, sentence)| (code.to_owned(), sentence)),
            "{line}"
        );
    }
}

#[test]
fn lines_that_are_no_event() {
    let good = call("{}");
    let deep = call(&("[".repeat(63) + &"]".repeat(63)));
    assert_eq!(the_rejection(deep.as_bytes()), None);
    let mut not_utf8 = good.clone().into_bytes();
    let place = good.find("acme").unwrap();
    not_utf8[place] = 0xFF;
    let long_line = call(&format!("\"{}\"", "x".repeat(1 << 20)));
    let long_broken = "[".repeat((1 << 20) + 1);
    for (line, code, sentence) in [
        (b"{}".to_vec(), "attribute_missing", "`specversion` is missing or empty"),
        (b"[]".to_vec(), "json_not_object", "the line is JSON, but no object"),
        (b"null".to_vec(), "json_not_object", "the line is JSON, but no object"),
        (b" 7 \r".to_vec(), "json_not_object", "the line is JSON, but no object"),
        (b"hello".to_vec(), "json_invalid", "`h` stands at byte 1 where a value is expected"),
        (b"1 2".to_vec(), "json_invalid", "`2` stands at byte 3 where the end of the line is expected"),
        (
            good.as_bytes()[..48].to_vec(),
            "json_invalid",
            "the line ends at byte 49 where the rest of a string is expected",
        ),
        (
            good.as_bytes()[..good.len() - 1].to_vec(),
            "json_invalid",
            "the line ends at byte 115 where `,` or `}` is expected",
        ),
        (
            format!("{good}}}").into_bytes(),
            "json_invalid",
            "`}` stands at byte 116 where the end of the line is expected",
        ),
        (
            format!("{good}{good}").into_bytes(),
            "json_invalid",
            "`{` stands at byte 116 where the end of the line is expected",
        ),
        (
            format!("{good},").into_bytes(),
            "json_invalid",
            "`,` stands at byte 116 where the end of the line is expected",
        ),
        (call("NaN").into_bytes(), "json_invalid", "`N` stands at byte 113 where a value is expected"),
        (call("{\"x\":-Infinity}").into_bytes(), "json_invalid", "`I` stands at byte 119 where a digit is expected"),
        (call("\"\u{1}\"").into_bytes(), "json_invalid", "a control character in a string must be escaped (byte 114)"),
        (call(r#"{"x":"\ud800"}"#).into_bytes(), "json_invalid", "half of a surrogate pair stands alone (byte 119)"),
        (
            call(&"[".repeat(100_000)).into_bytes(),
            "nesting_too_deep",
            "objects and arrays are nested deeper than 64 at byte 176",
        ),
        (
            "[".repeat(100_000).into_bytes(),
            "nesting_too_deep",
            "objects and arrays are nested deeper than 64 at byte 65",
        ),
        (not_utf8, "utf8_invalid", "the line is not UTF-8 at byte 70"),
        (vec![0xFF], "utf8_invalid", "the line is not UTF-8 at byte 1"),
        (long_line.into_bytes(), "record_too_long", "the line is longer than 1048576 bytes"),
        (long_broken.into_bytes(), "record_too_long", "the line is longer than 1048576 bytes"),
    ] {
        // Alone, and between good neighbours, whatever ends the lines.
        let expected = (code.to_owned(), sentence.to_owned());
        assert_eq!(the_rejection(&line), Some(expected.clone()), "{}", shown(&line));
        for newline in ["\n", "\r\n"] {
            let text = [good.as_bytes(), &line, b"", good.as_bytes(), b""].join(newline.as_bytes());
            let chunk = decode(&text);
            assert_eq!(events(&chunk).iter().map(|event| event.position).collect::<Vec<_>>(), [0, 3]);
            let [rejection] = &chunk.rejected[..] else { panic!("{:?}", chunk.rejected) };
            assert_eq!((rejection.code.code().to_owned(), rejection.sentence.clone()), expected);
            assert_eq!((rejection.position, chunk.received), (1, 3));
            let record = rejection.record.of(&chunk.text);
            let kept = line.len().min(1 << 20);
            assert_eq!(&record[..kept.min(record.len())], &line[..kept]);
        }
    }
}

#[test]
fn blank_lines_are_positions() {
    let good = call("{}");
    let text = format!("\n{good}\n  \t\r\n\n{good}\n\n");
    let decoder = Decoder::new(&catalog(), HashKey::FILES, SHARDS);
    let mut chunk = Chunk::default();
    chunk.text.extend_from_slice(text.as_bytes());
    assert_eq!(decoder.decode_ndjson(&mut chunk, &mut DecodeScratch::new()), 6);
    assert_eq!(events(&chunk).iter().map(|event| event.position).collect::<Vec<_>>(), [1, 4]);
    assert_eq!((chunk.received, chunk.rejected.len()), (2, 0));
    assert_eq!(decode(b"").received, 0);
}

#[test]
fn the_partition_key_routes() {
    let key = HashKey::FILES;
    for (member, route) in [(r#""partitionkey":"k\u0031","#, "k1"), (r#""partitionkey":"","#, "acme"), ("", "acme")] {
        let line = call("{}").replace(r#""id""#, &format!(r#"{member}"id""#));
        let [event] = events(&decode(line.as_bytes())).try_into().unwrap();
        let route = key.route(route.as_bytes());
        assert_eq!(event.shard, shard_of(route, SHARDS));
        assert_eq!(event.hashes.0, key.event(route, b"/s", b"1").0);
        assert_eq!(event.hashes.2, key.route(b"acme").0);
    }
}

#[test]
fn data_in_base64() {
    let json = r#"{"value":5,"regi\u006fn":"e\u0075"}"#;
    let encoded = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, json);
    let line = |content_type: &str, data: &str| {
        call("0").replace(r#""data":0"#, &format!(r#""data_base64":{data}{content_type}"#))
    };
    let (quoted, key) = (format!("\"{encoded}\""), HashKey::FILES);
    let digest = |data: &[u8]| key.payload(key.type_seed(b"call"), 1_785_542_400_000_000, data).0;
    for content_type in
        ["", r#","datacontenttype":"application/json""#, r#","datacontenttype":"application/x+JSON; charset=utf-8""#]
    {
        let [event] = events(&decode(line(content_type, &quoted).as_bytes())).try_into().unwrap();
        assert_eq!((event.values[0], event.texts[0].as_deref()), (Some(5), Some("eu")), "{content_type}");
        assert_eq!((event.data.as_deref(), event.hashes.1), (Some(json), digest(json.as_bytes())), "{content_type}");
    }
    let [event] =
        events(&decode(line(r#","datacontenttype":"image/png""#, r#""\/w==""#).as_bytes())).try_into().unwrap();
    assert_eq!((event.values[0], event.data.as_deref(), event.hashes.1), (None, Some("/w=="), digest(b"\xFF")));
    for (data, code, sentence) in [
        ("7", "attribute_invalid", "`data_base64` must be a string"),
        (r#""e30""#, "attribute_invalid", "`data_base64` is not base64"),
        (r#""/w==""#, "utf8_invalid", "the decoded `data_base64` is not UTF-8"),
        (r#""e30x""#, "json_invalid", "`1` stands at byte 3 of `data` where the end is expected"),
        (r#""eyJ2YWx1ZSI6LTF9""#, "value_negative", "`data.value` is negative, which its meter does not allow: `-1`"),
    ] {
        assert_eq!(the_rejection(line("", data).as_bytes()), Some((code.to_owned(), sentence.to_owned())), "{data}");
    }
}

#[test]
fn mapped_rows_are_admitted_like_lines() {
    let data = r#"{"value":12,"region":"e\u0075","usage":{"kind":"k"}}"#;
    let decoder = Decoder::new(&catalog(), HashKey::FILES, SHARDS);
    let admit = |chunk: &mut Chunk, parts: [&[u8]; 6], time: i64| {
        let mut place = |part: &[u8]| {
            let start = chunk.text.len();
            chunk.text.extend_from_slice(part);
            crate::json::span(start, part.len())
        };
        let [source, id, subject, event_type, data, record] = parts.map(&mut place);
        let data = if parts[4].is_empty() { Span::ABSENT } else { data };
        let time = Instant::from_micros(time);
        let partition_key = Span::ABSENT;
        let event = RawEvent { position: 0, source, id, subject, partition_key, event_type, time, data, record };
        decoder.admit(chunk, &mut DecodeScratch::new(), &event);
        check_columns(chunk);
    };
    let mut chunk = Chunk::default();
    let time = 1_785_542_400_000_000;
    admit(&mut chunk, [b"/s", b"1", b"acme", b"call", data.as_bytes(), b"row"], time);
    assert_eq!(chunk.rejected, []);
    assert_eq!(events(&chunk), events(&decode(call(data).as_bytes())));
    let long = "x".repeat(1025);
    for (parts, time, code) in [
        ([b"/s".as_slice(), b"", b"acme", b"call", b"{}", b"row"], time, "attribute_missing"),
        ([b"/s", b"1", long.as_bytes(), b"call", b"{}", b"row"], time, "attribute_invalid"),
        ([b"/s", b"\xFF", b"acme", b"call", b"{}", b"row"], time, "utf8_invalid"),
        ([b"/s", b"1", b"acme", b"weir.void", b"{}", b"row"], time, "type_reserved"),
        ([b"/s", b"1", b"acme", b"call", b"{}", b"row"], -1, "time_out_of_range"),
        ([b"/s", b"1", b"acme", b"call", b"{\"value\":-1}", b"row"], time, "value_negative"),
        ([b"/s", b"1", b"acme", b"call", b"{\"value\":}", b"row"], time, "json_invalid"),
        ([b"/s", b"1", b"acme", b"call", b"{} {}", b"row"], time, "json_invalid"),
        ([b"/s", b"1", b"acme", b"call", b"12", b"345"], time, ""),
        ([b"/s", b"1", b"acme", b"call", b"", b"row"], time, ""),
        ([b"/s", b"1", b"acme", b"whole", b"", b"row"], time, ""),
    ] {
        chunk.clear();
        admit(&mut chunk, parts, time);
        assert_eq!(chunk.rejected.first().map_or("", |rejection| rejection.code.code()), code, "{parts:?}");
        for rejection in &chunk.rejected {
            assert_eq!(rejection.record.of(&chunk.text), b"row");
        }
    }
    assert_eq!(events(&chunk)[0].texts[3].as_deref(), Some("2026-08-01T00:00:00Z"));
}

#[test]
fn extracted_text_of_attributes_of_any_kind() {
    // An attribute path may meet numbers, booleans and null, too.
    for (tier, expected) in [
        ("\"gold\"", Some("gold")),
        ("3", Some("3")),
        ("true", Some("true")),
        ("null", None),
        (r#""\u0067""#, Some("g")),
    ] {
        let line = call("{}").replace(r#""id""#, &format!(r#""tier":{tier},"id""#));
        let [event] = events(&decode(line.as_bytes())).try_into().unwrap();
        assert_eq!(event.texts[2].as_deref(), expected, "{tier}");
    }
    let line = call("{}").replace(r#""id""#, r#""tier":[],"id""#);
    assert_eq!(the_rejection(line.as_bytes()).unwrap().0, "dimension_invalid");
}
