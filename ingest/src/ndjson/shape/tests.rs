//! Streams of lines of few shapes: each line must come out as if it stood alone, where no shape is known.

use proptest::prelude::*;
use weir_model::hash::HashKey;

use crate::ndjson::tests::{catalog, events};
use crate::{DecodeScratch, Decoder};
use weir_model::event::Chunk;

const SHARDS: u16 = 4;

/// A member's key with values that suit it, and some that do not.
fn members() -> Vec<(&'static str, Vec<&'static str>)> {
    vec![
        ("specversion", vec![r#""1.0""#, r#""1.0""#, r#""1.0""#, r#""0.3""#]),
        ("id", vec![r#""a""#, r#""0b2c9f""#, r#""0123456789abcdef0123""#, r#""""#, r#""\u0061""#, "7"]),
        ("source", vec![r#""/svc/1""#, r#""/svc/22""#, r#""\n""#]),
        ("type", vec![r#""call""#, r#""call""#, r#""plain""#, r#""whole""#, r#""other""#, r#""weir.void""#]),
        ("subject", vec![r#""acme""#, r#""b""#, r#""a subject that is longer than a block""#]),
        ("time", vec![r#""2026-08-01T00:00:00Z""#, r#""2026-08-01T23:59:59.999Z""#, r#""2026-08-01""#, "null"]),
        ("datacontenttype", vec![r#""application/json""#, r#""text/json""#]),
        ("partitionkey", vec![r#""p""#, "null", r#""""#]),
        ("tier", vec![r#""gold""#, r#""silver""#, "3", r#"{"a":1}"#]),
        ("ext", vec![r#"{"part":"x"}"#, r#"{"part":"yy"}"#, "1", "[1,2]"]),
        (
            "data",
            vec![
                r#"{"value":1,"region":"eu"}"#,
                r#"{"value":12345,"region":"us-east"}"#,
                r#"{"value":-3,"region":"us-east"}"#,
                r#"{"value":1.50,"region":""}"#,
                r#"{"value":01,"region":"eu"}"#,
                r#"{"value":1,"value":2}"#,
                r#"{"value":1e3,"usage":{"seconds":-1.5,"a-rather-long-name":7,"kind":"k"},"list":[1,{"value":9},"x"]}"#,
                r#"{"value":"12","usage":{"seconds":0,"a-rather-long-name":0.5,"kind":true},"list":[2,{"value":8},"y"]}"#,
                r#"{ "value" : 5 , "region" : null }"#,
                r#"{ "value" : 6 , "region" : true }"#,
                r#"{"value":{"deep":1}}"#,
                "{}",
                r#""text""#,
                "null",
                "[]",
            ],
        ),
        ("data_base64", vec![r#""eyJ2YWx1ZSI6MX0=""#]),
    ]
}

/// Few orders of members, and many lines of each.
fn stream() -> impl Strategy<Value = Vec<String>> {
    let keys: Vec<usize> = (0..members().len() - 1).collect();
    let order = (Just(keys).prop_shuffle(), 6_usize..12, prop::sample::select(vec![",", ", ", ",\t"]), any::<u8>());
    let line = (any::<prop::sample::Index>(), prop::collection::vec(any::<prop::sample::Index>(), 12));
    (prop::collection::vec(order, 1..4), prop::collection::vec(line, 1..60)).prop_map(|(orders, lines)| {
        let members = members();
        let line = |(order, values): &(prop::sample::Index, Vec<prop::sample::Index>)| {
            let (keys, count, comma, oddity) = order.get(&orders);
            let must = |key: &usize| *key < 6;
            let chosen = keys.iter().enumerate().filter(|(place, key)| must(key) || place < count).map(|(_, key)| *key);
            let odd = (oddity % 16 == 0).then_some(members.len() - 1);
            let texts: Vec<String> = chosen
                .chain(odd)
                .map(|key| {
                    let (name, choices) = &members[key];
                    // Mostly the usual values: a line of a dozen odd ones is never an event.
                    let choice = values[key].index(choices.len() * 4);
                    format!(
                        "\"{name}\":{}",
                        choices[if choice < choices.len() { choice } else { choice % choices.len().min(2) }]
                    )
                })
                .collect();
            format!("{{{}}}", texts.join(comma))
        };
        lines.iter().map(line).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn lines_come_out_as_if_they_stood_alone(lines in stream(), ending in prop::sample::select(vec!["\n", "\r\n", " \n"])) {
        let catalog = catalog();
        let decoder = Decoder::new(&catalog, HashKey::FILES, SHARDS);
        let mut scratch = DecodeScratch::new();
        let decode = |text: String, scratch: &mut DecodeScratch| {
            let mut chunk = Chunk::new(usize::from(SHARDS));
            chunk.text = text.into_bytes();
            decoder.decode_ndjson(&mut chunk, scratch);
            chunk
        };
        let together = decode(lines.join(ending) + ending, &mut scratch);
        let mut seen: Vec<_> = events(&together);
        seen.sort_by_key(|event| event.position);
        let mut seen = seen.into_iter();
        let mut rejected = together.rejected.iter();
        for (position, line) in (0_u32..).zip(&lines) {
            let alone = decode(format!("{line}{ending}"), &mut DecodeScratch::new());
            for mut expected in events(&alone) {
                expected.position = position;
                prop_assert_eq!(seen.next(), Some(expected), "{}", line);
            }
            for expected in &alone.rejected {
                let found = rejected.next();
                prop_assert_eq!(found.map(|found| (found.position, found.code)), Some((position, expected.code)), "{}", line);
                prop_assert_eq!(found.map(|found| &found.sentence), Some(&expected.sentence), "{}", line);
            }
        }
        prop_assert_eq!(seen.next(), None);
        prop_assert!(rejected.next().is_none());
    }
}

#[test]
fn a_stream_of_one_shape_is_not_parsed_again() {
    let catalog = catalog();
    let decoder = Decoder::new(&catalog, HashKey::FILES, SHARDS);
    let mut scratch = DecodeScratch::new();
    let line = |i: u32| {
        format!(
            r#"{{"specversion":"1.0","id":"{i}","source":"/s","type":"call","subject":"acme","time":"2026-08-01T00:00:00Z","data":{{"value":{i}}}}}"#
        )
    };
    let mut chunk = Chunk::new(usize::from(SHARDS));
    chunk.text = (0..1000).map(|i| line(i) + "\n").collect::<String>().into_bytes();
    decoder.decode_ndjson(&mut chunk, &mut scratch);
    assert_eq!(events(&chunk).len(), 1000);
    assert_eq!(scratch.shapes.known.len(), 1);
}

#[test]
fn ever_new_shapes_are_given_up_for_a_while() {
    let catalog = catalog();
    let decoder = Decoder::new(&catalog, HashKey::FILES, SHARDS);
    let mut scratch = DecodeScratch::new();
    let line = |i: u32| {
        format!(
            r#"{{"specversion":"1.0","id":"{i}","source":"/s","type":"call","subject":"acme","time":"2026-08-01T00:00:00Z","data":{{"k{i}":{i}}}}}"#
        )
    };
    let mut chunk = Chunk::new(usize::from(SHARDS));
    chunk.text = (0..1000).map(|i| line(i) + "\n").collect::<String>().into_bytes();
    decoder.decode_ndjson(&mut chunk, &mut scratch);
    assert_eq!(events(&chunk).len(), 1000);
    assert!(scratch.shapes.left_alone > 0);
    assert_eq!(scratch.shapes.known.len(), super::SHAPES_MAX);
}
