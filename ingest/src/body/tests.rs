//! Bodies become lines, and nothing becomes valid that was not.

use proptest::prelude::*;
use serde_json::Value;

use super::*;

fn lines(body: &str) -> Result<Vec<String>, BodyError> {
    let mut text = body.as_bytes().to_vec();
    let events = batch(&mut text)?;
    assert_eq!(text.len(), body.len(), "in place");
    let lines: Vec<String> = String::from_utf8(text).unwrap().lines().map(|line| line.trim().to_owned()).collect();
    let (events_on_lines, rest) = lines.split_at(events);
    assert!(rest.iter().all(String::is_empty), "{lines:?}");
    Ok(events_on_lines.to_vec())
}

#[test]
fn arrays_become_lines() {
    for (body, expected) in [
        ("[]", vec![]),
        (" [ \n ] \r\n", vec![]),
        ("[{}]", vec!["{}"]),
        ("[{\"a\":[1,2]},{\"b\":{\"c\":\"],\\\"[\"}}]", vec!["{\"a\":[1,2]}", "{\"b\":{\"c\":\"],\\\"[\"}}"]),
        ("[\n  {\"a\":\n1},\r\n  {}\n]\n", vec!["{\"a\": 1}", "{}"]),
        // Not events, but each alone.
        ("[1, nul, \"x\"]", vec!["1", "nul", "\"x\""]),
        // A newline in a string is no JSON before and none after.
        ("[{\"a\":\"b\nc\"}]", vec!["{\"a\":\"b\u{b}c\"}"]),
    ] {
        assert_eq!(lines(body).unwrap(), expected, "{body}");
    }
}

#[test]
fn what_is_no_array_says_where() {
    for (body, expected) in [
        ("", BodyError::NotAnArray(1)),
        ("  {}", BodyError::NotAnArray(3)),
        ("[{}", BodyError::Unfinished(4)),
        ("[\"a]", BodyError::Unfinished(5)),
        ("[\"a\\", BodyError::Unfinished(5)),
        ("[{}}]", BodyError::Unbalanced(4)),
        ("[{},]", BodyError::NothingThere(5)),
        ("[,{}]", BodyError::NothingThere(2)),
        ("[{}] {}", BodyError::Trailing(6)),
    ] {
        assert_eq!(lines(body), Err(expected), "{body}");
    }
}

#[test]
fn headers_become_attributes() {
    let made = |attributes: &[(&str, &str)], content_type: Option<&str>, body: &str| {
        let mut line = Vec::new();
        let attributes = attributes.iter().map(|(name, value)| (*name, value.as_bytes()));
        binary(attributes, content_type, body.as_bytes(), &mut line).map(|()| String::from_utf8(line).unwrap())
    };
    assert_eq!(made(&[("id", "1"), ("type", "a%20b%22")], None, "").unwrap(), "{\"id\":\"1\",\"type\":\"a b\\\"\"}\n");
    assert_eq!(
        made(&[("id", "1")], Some("application/json; charset=utf-8"), "{\n\"v\": 1}").unwrap(),
        "{\"id\":\"1\",\"datacontenttype\":\"application/json; charset=utf-8\",\"data\":{ \"v\": 1}}\n"
    );
    assert_eq!(
        made(&[("id", "1")], Some("text/plain"), "{}").unwrap(),
        "{\"id\":\"1\",\"datacontenttype\":\"text/plain\",\"data_base64\":\"e30=\"}\n"
    );
    assert_eq!(made(&[], None, "1").unwrap(), "{\"data\":1}\n");
    assert_eq!(made(&[], None, "x").unwrap(), "{\"data_base64\":\"eA==\"}\n");
    assert_eq!(made(&[("id", "%C3%A9 100%")], None, "").unwrap(), "{\"id\":\"é 100%\"}\n");
    // The body cannot say more than data.
    let refused = made(&[("id", "1")], Some("application/json"), "1,\"partitionkey\":\"p\"");
    assert!(matches!(refused, Err(HeaderError::NotJson(_))), "{refused:?}");
    assert_eq!(made(&[("data", "1")], None, ""), Err(HeaderError::NotAnAttribute("data".to_owned())));
    assert_eq!(made(&[("id", "%ff")], None, ""), Err(HeaderError::NotText("id".to_owned())));
    assert_eq!(made(&[("id", &"x".repeat(5000))], None, ""), Err(HeaderError::TooLong("id".to_owned())));
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(".{0,6}", inner, 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn lines_say_what_the_array_said(values in prop::collection::vec(json(), 0..8), pretty: bool) {
        let array = Value::from(values.clone());
        let body = if pretty { serde_json::to_string_pretty(&array) } else { serde_json::to_string(&array) }.unwrap();
        let read: Vec<Value> = lines(&body).unwrap().iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        prop_assert_eq!(read, values);
    }

    /// Whatever comes, every line of a batch that is JSON stood in the body, and no text makes the scan go wrong.
    #[test]
    fn nothing_becomes_valid(body in "[\\[\\]{}\",:0-9a-c\\\\ \n\r]{0,40}") {
        let whole: Result<Vec<Value>, _> = serde_json::from_str(&body);
        let mut text = body.clone().into_bytes();
        let split = batch(&mut text);
        let parsed: Option<Vec<Value>> = split.is_ok().then(|| {
            String::from_utf8(text).unwrap().lines().filter(|line| !line.trim().is_empty())
                .map(|line| serde_json::from_str(line).ok()).collect::<Option<Vec<Value>>>()
        }).flatten();
        prop_assert_eq!(parsed, whole.ok());
    }

    #[test]
    fn an_event_alone_is_one_line(value in json(), pretty: bool) {
        let body = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
        let mut line = body.into_bytes();
        structured(&mut line);
        prop_assert_eq!(memchr::memchr_iter(b'\n', &line).collect::<Vec<_>>(), vec![line.len() - 1]);
        prop_assert_eq!(serde_json::from_slice::<Value>(&line).unwrap(), value);
    }
}
