//! The decoder against `serde_json` on random events: the same lines pass, with the same content.

use std::collections::BTreeMap;
use std::fmt;

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use serde::de::{Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;
use weir_model::decimal::Decimal;

use super::*;

/// A JSON object, with its values still as text; keys that stand twice are an error.
struct Object<'a>(BTreeMap<String, &'a RawValue>);

impl<'de> serde::Deserialize<'de> for Object<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object<'de>, A::Error> {
                let mut members = BTreeMap::new();
                while let Some((key, value)) = map.next_entry::<String, &RawValue>()? {
                    if members.insert(key, value).is_some() {
                        return Err(A::Error::custom("a key stands twice"));
                    }
                }
                Ok(Object(members))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

/// Checks what raw values leave open: strings' surrogates, keys below, nesting.
fn check(text: &str, depth: usize) -> Option<()> {
    match text.as_bytes().first()? {
        b'{' if depth < 64 => {
            serde_json::from_str::<Object>(text).ok()?.0.values().try_for_each(|value| check(value.get(), depth + 1))
        }
        b'[' if depth < 64 => serde_json::from_str::<Vec<&RawValue>>(text)
            .ok()?
            .iter()
            .try_for_each(|value| check(value.get(), depth + 1)),
        b'{' | b'[' => None,
        b'"' => serde_json::from_str::<String>(text).ok().map(|_| ()),
        _ => Some(()),
    }
}

fn at<'a>(object: &Object<'a>, parts: &[String]) -> Option<&'a str> {
    let (first, rest) = parts.split_first()?;
    let value = object.0.get(first)?.get();
    if rest.is_empty() { Some(value) } else { at(&serde_json::from_str(value).ok()?, rest) }
}

/// The text of a string, or of a scalar; null is none.
fn scalar(text: &str) -> Option<String> {
    if text == "null" { None } else { Some(serde_json::from_str(text).unwrap_or_else(|_| text.to_owned())) }
}

struct Expected {
    attributes: [String; 4],
    values: Vec<Option<i128>>,
    texts: Vec<Option<String>>,
}

/// What the line says, if it is an event.
fn reference(line: &[u8]) -> Option<Expected> {
    let line = std::str::from_utf8(line).ok()?.trim_matches([' ', '\t', '\r']);
    if line.len() > LINE_BYTES_MAX {
        return None;
    }
    let event: Object = serde_json::from_str(line).ok()?;
    check(line, 0)?;
    let string = |name: &str| {
        let text: String = serde_json::from_str(event.0.get(name)?.get()).ok()?;
        (!text.is_empty() && text.len() <= ATTRIBUTE_BYTES_MAX).then_some(text)
    };
    if string("specversion")? != "1.0" || string("type")?.starts_with("weir.") {
        return None;
    }
    rfc3339::parse(string("time")?.as_bytes()).ok()?;
    for name in ["partitionkey", "datacontenttype"] {
        if let Some(text) = event.0.get(name) {
            let text: Option<String> = serde_json::from_str(text.get()).ok()?;
            text.is_none_or(|text| text.len() <= ATTRIBUTE_BYTES_MAX).then_some(())?;
        }
    }
    let attributes = [string("source")?, string("id")?, string("subject")?, string("type")?];
    let (mut values, mut texts) = (Vec::new(), Vec::new());
    let catalog = catalog();
    if let Some(event_type) = catalog.event_types.iter().find(|event_type| event_type.name == attributes[3]) {
        for slot in &event_type.values {
            values.push(match at(&event, &slot.path.0).filter(|text| *text != "null") {
                None => None,
                Some(text) if text.starts_with(['{', '[', 't', 'f']) => return None,
                Some(text) => {
                    let scaled = Decimal::parse(scalar(text)?.as_bytes()).ok()?.at_scale(slot.scale).ok()?;
                    let fits = scaled.abs() <= slot.magnitude_max && (scaled >= 0 || slot.allow_negative);
                    fits.then_some(Some(scaled))?
                }
            });
        }
        for slot in &event_type.texts {
            texts.push(match at(&event, &slot.path.0) {
                None => None,
                Some(text) if text.starts_with(['{', '[']) => return None,
                Some(text) => scalar(text),
            });
        }
    }
    Some(Expected { attributes, values, texts })
}

fn same(line: &[u8]) -> Result<(), TestCaseError> {
    let chunk = decode(line);
    let seen = events(&chunk);
    match reference(line) {
        None => prop_assert!(seen.is_empty(), "accepted {}", String::from_utf8_lossy(line)),
        Some(expected) => {
            prop_assert_eq!(&chunk.rejected, &[], "{}", String::from_utf8_lossy(line));
            prop_assert_eq!(seen.len(), 1);
            prop_assert_eq!(&seen[0].attributes, &expected.attributes);
            prop_assert_eq!(&seen[0].values, &expected.values);
            prop_assert_eq!(&seen[0].texts, &expected.texts);
        }
    }
    Ok(())
}

/// A character of a string, as JSON may write it.
fn character() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => "[a-zA-Z0-9 ./_-]",
        1 => "[é€😀\u{7f}\u{2028}]",
        1 => prop::sample::select(vec![r#"\""#, r"\\", r"\/", r"\b", r"\f", r"\n", r"\r", r"\t", r"\u0041", r"\u00e9", r"\ud83d\ude00", r"\u0000"])
            .prop_map(str::to_owned),
    ]
}

fn string() -> impl Strategy<Value = String> {
    prop::collection::vec(character(), 0..24).prop_map(|characters| format!("\"{}\"", characters.concat()))
}

fn blank() -> impl Strategy<Value = String> {
    prop_oneof![4 => Just(String::new()), 1 => "[ \t\r]{1,3}"]
}

fn scalar_text() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => "(0|[1-9][0-9]{0,8})",
        2 => "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,24})?([eE][+-]?[0-9]{1,3})?",
        1 => "\"-?(0|[1-9][0-9]{0,8})(\\.[0-9]{1,4})?\"",
        2 => string(),
        1 => prop::sample::select(vec!["true", "false", "null"]).prop_map(str::to_owned),
    ]
}

fn object(
    keys: impl Strategy<Value = String> + 'static,
    value: impl Strategy<Value = String> + 'static,
) -> BoxedStrategy<String> {
    let member = (blank(), keys, blank(), blank(), value, blank())
        .prop_map(|(a, key, b, c, value, d)| format!("{a}{key}{b}:{c}{value}{d}"));
    prop::collection::vec(member, 0..4).prop_map(|members| format!("{{{}}}", members.join(","))).boxed()
}

fn data_key() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => prop::sample::select(vec![
            r#""value""#, r#""usage""#, r#""region""#, r#""seconds""#, r#""kind""#, r#""a-rather-long-name""#,
            r#""a-rather-long-nam3""#, r#""\u0076alue""#, r#""other""#,
        ]).prop_map(str::to_owned),
        1 => string(),
    ]
}

fn json() -> impl Strategy<Value = String> {
    scalar_text().prop_recursive(3, 24, 6, |inner| {
        prop_oneof![
            3 => object(data_key(), inner.clone()),
            1 => prop::collection::vec(inner, 0..4).prop_map(|values| format!("[{}]", values.join(" , "))),
        ]
    })
}

fn event() -> impl Strategy<Value = String> {
    let known = [
        (r#""specversion""#, r#""1.0""#.to_owned()),
        (r#""id""#, r#""6513270e-269e-0d37-f2a7-4de452e6b438""#.to_owned()),
        (r#""source""#, r#""/svc/gw-00""#.to_owned()),
        (r#""subject""#, r#""acme""#.to_owned()),
        (r#""time""#, r#""2026-08-01T00:00:00.123Z""#.to_owned()),
    ];
    let event_type = prop::sample::select(vec![r#""call""#, r#""call""#, r#""plain""#, r#""whole""#, r#""unknown""#]);
    let more = (
        prop::sample::select(vec![
            r#""tier""#,
            r#""partitionkey""#,
            r#""datacontenttype""#,
            r#""ext""#,
            r#""traceparent""#,
        ]),
        json(),
    );
    (event_type, object(data_key(), json()), prop::collection::vec(more, 0..2), prop::collection::vec(blank(), 24))
        .prop_flat_map(move |(event_type, data, more, blanks)| {
            let mut members: Vec<(String, String)> =
                known.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
            members.push((r#""type""#.to_owned(), event_type.to_owned()));
            members.push((r#""data""#.to_owned(), data));
            members.extend(more.into_iter().map(|(key, value)| (key.to_owned(), value)));
            (Just(members).prop_shuffle(), Just(blanks))
        })
        .prop_map(|(members, blanks)| {
            let mut blanks = blanks.iter();
            let mut blank = || blanks.next().cloned().unwrap_or_default();
            let members: Vec<String> =
                members.into_iter().map(|(key, value)| format!("{}{key}{}:{value}", blank(), blank())).collect();
            format!("{{{}}}{}", members.join(","), blank())
        })
}

#[test]
fn random_events_are_neither_all_good_nor_all_bad() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let lines = (0..500).map(|_| event().new_tree(&mut runner).unwrap().current());
    let accepted = lines.filter(|line| reference(line.as_bytes()).is_some()).count();
    assert!((100..400).contains(&accepted), "{accepted}");
}

/// Bytes of JSON's own grammar do more harm than others.
const GRAMMAR: &[u8] = b"{}[]\",:\\0123456789eE+-.tfn u\t\r\x00";

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn random_events_agree(line in event()) {
        same(line.as_bytes())?;
    }

    #[test]
    fn mutated_events_agree(line in event(), place: prop::sample::Index, byte: u8, what in 0_u8..4) {
        let mut line = line.into_bytes();
        let place = place.index(line.len());
        let byte = if byte < 128 { GRAMMAR[usize::from(byte) % GRAMMAR.len()] } else { byte };
        match what {
            0 => line[place] = byte,
            1 => line.insert(place, byte),
            2 => drop(line.remove(place)),
            _ => line.truncate(place),
        }
        if !line.iter().all(|byte| b" \t\r".contains(byte)) {
            same(&line)?;
        }
    }

    #[test]
    fn chunks_may_end_at_any_line(lines in prop::collection::vec(event(), 1..6), cut: prop::sample::Index, broken in "[\\[{]{0,3}") {
        let lines: Vec<String> = lines.iter().map(|line| format!("{line}\n")).chain([format!("{broken}\n")]).collect();
        let cut = cut.index(lines.len() + 1);
        let whole = decode(lines.concat().as_bytes());
        let (first, second) = (decode(lines[..cut].concat().as_bytes()), decode(lines[cut..].concat().as_bytes()));
        let mut seen = events(&first);
        let shift = u32::try_from(cut).unwrap();
        seen.extend(events(&second).into_iter().map(|event| Seen { position: event.position + shift, ..event }));
        prop_assert_eq!(events(&whole), seen);
        prop_assert_eq!(whole.rejected.len(), first.rejected.len() + second.rejected.len());
        let sentences = |chunk: &Chunk| chunk.rejected.iter().map(|rejection| rejection.sentence.clone()).collect::<Vec<_>>();
        prop_assert_eq!(sentences(&whole), [sentences(&first), sentences(&second)].concat());
    }

    #[test]
    fn one_scratch_serves_many_chunks(lines in prop::collection::vec(event(), 1..6)) {
        let catalog = catalog();
        let decoder = Decoder::new(&catalog, HashKey::FILES, SHARDS);
        let (mut scratch, mut chunk) = (DecodeScratch::new(), Chunk::default());
        for line in &lines {
            chunk.clear();
            chunk.text.extend_from_slice(line.as_bytes());
            decoder.decode_ndjson(&mut chunk, &mut scratch);
            prop_assert_eq!(events(&chunk), events(&decode(line.as_bytes())));
        }
    }
}
