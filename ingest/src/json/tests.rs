//! Tables of texts that are JSON and texts that are not, each with its fault.

use super::*;

/// Scans `text` as one value; yields its end or the fault's code and sentence.
fn scan(text: &[u8]) -> Result<usize, String> {
    let paths = Paths::default();
    let mut walk = Walk { raw_len: text.len(), ..Walk::default() };
    let scanner = Scanner::of_line(text, 0, &paths);
    let scanned = scanner.value(&mut walk, scanner.skip_blank(0), 0, Node::NONE);
    scanned.map(|(_, end)| end).map_err(|fault| format!("{}: {}", fault.code.code(), fault.sentence))
}

#[test]
fn values() {
    let deep = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    let mixed = "{\"a\":[".repeat(32) + &"]}".repeat(32);
    for text in [
        "0",
        "-0",
        "12",
        "-1.5",
        "0.0",
        "1e5",
        "1E+5",
        "1.5e-10",
        "1e400",
        "123456789012345678901234567890",
        "true",
        "false",
        "null",
        "\"\"",
        "\"a\"",
        "[]",
        "{}",
        "[ ]",
        "{ }",
        "[1]",
        "[1,2,3]",
        "[[],{},[[]]]",
        r#"{"a":1}"#,
        r#"{"a":1,"b":2}"#,
        r#"{"":0}"#,
        r#"{"a":{"a":{"a":[{"a":1}]}}}"#,
        "{ \"a\" :\t1 , \"b\" : [ 1 , 2 ] }",
        "\r[\r1\r]",
        "{\"\u{e9}\":\"\u{1F600}\"}",
        r#"{"a":1,"\u0062":2}"#,
        &deep(64),
        &mixed,
    ] {
        assert_eq!(scan(text.as_bytes()), Ok(text.len()), "{text}");
    }
}

#[test]
fn a_value_ends_where_it_ends() {
    for (text, end) in
        [("1 ", 1), ("01", 1), ("1,", 1), ("nullx", 4), ("{}}", 2), ("\"a\"b", 3), ("-0.0.0", 4), ("1\n2", 1)]
    {
        assert_eq!(scan(text.as_bytes()), Ok(end), "{text}");
    }
}

#[test]
fn faults() {
    let open = "[".repeat(100_000);
    let objects = "{\"a\":".repeat(100_000);
    let deep = "[".repeat(65) + &"]".repeat(65);
    let many = (0..100).map(|i| format!("\"k{i}\":0,")).collect::<Vec<_>>().concat();
    for (text, expected) in [
        ("", "json_invalid: the line ends at byte 1 where a value is expected"),
        ("{", "json_invalid: the line ends at byte 2 where a key in quotes is expected"),
        ("[", "json_invalid: the line ends at byte 2 where a value is expected"),
        ("[1", "json_invalid: the line ends at byte 3 where `,` or `]` is expected"),
        ("[1,", "json_invalid: the line ends at byte 4 where a value is expected"),
        ("[1,]", "json_invalid: `]` stands at byte 4 where a value is expected"),
        ("[,1]", "json_invalid: `,` stands at byte 2 where a value is expected"),
        ("[1 2]", "json_invalid: `2` stands at byte 4 where `,` or `]` is expected"),
        ("[1}", "json_invalid: `}` stands at byte 3 where `,` or `]` is expected"),
        (r#"{"a":1]"#, "json_invalid: `]` stands at byte 7 where `,` or `}` is expected"),
        (r#"{"a"}"#, "json_invalid: `}` stands at byte 5 where `:` is expected"),
        (r#"{"a":}"#, "json_invalid: `}` stands at byte 6 where a value is expected"),
        (r#"{"a":1,}"#, "json_invalid: `}` stands at byte 8 where a key in quotes is expected"),
        ("{a:1}", "json_invalid: `a` stands at byte 2 where a key in quotes is expected"),
        ("{'a':1}", "json_invalid: `\\'` stands at byte 2 where a key in quotes is expected"),
        ("{1:1}", "json_invalid: `1` stands at byte 2 where a key in quotes is expected"),
        ("{\"a\":1\n}", "json_invalid: the line ends at byte 7 where `,` or `}` is expected"),
        ("NaN", "json_invalid: `N` stands at byte 1 where a value is expected"),
        ("[Infinity]", "json_invalid: `I` stands at byte 2 where a value is expected"),
        ("-Infinity", "json_invalid: `I` stands at byte 2 where a digit is expected"),
        ("-", "json_invalid: the line ends at byte 2 where a digit is expected"),
        ("+1", "json_invalid: `+` stands at byte 1 where a value is expected"),
        (".5", "json_invalid: `.` stands at byte 1 where a value is expected"),
        ("5.", "json_invalid: the line ends at byte 3 where a digit is expected"),
        ("1e", "json_invalid: the line ends at byte 3 where a digit is expected"),
        ("1e+", "json_invalid: the line ends at byte 4 where a digit is expected"),
        ("1.e5", "json_invalid: `e` stands at byte 3 where a digit is expected"),
        ("[01]", "json_invalid: `1` stands at byte 3 where `,` or `]` is expected"),
        ("[0x10]", "json_invalid: `x` stands at byte 3 where `,` or `]` is expected"),
        ("tru", "json_invalid: `t` stands at byte 1 where a value is expected"),
        ("True", "json_invalid: `T` stands at byte 1 where a value is expected"),
        ("nul", "json_invalid: `n` stands at byte 1 where a value is expected"),
        ("\"a", "json_invalid: the line ends at byte 3 where the rest of a string is expected"),
        ("é", "json_invalid: `é` stands at byte 1 where a value is expected"),
        ("\u{feff}{}", "json_invalid: `\\u{feff}` stands at byte 1 where a value is expected"),
        ("/**/1", "json_invalid: `/` stands at byte 1 where a value is expected"),
        ("[1\u{b}]", "json_invalid: `\\u{b}` stands at byte 3 where `,` or `]` is expected"),
        ("[1\u{a0}]", "json_invalid: `\\u{a0}` stands at byte 3 where `,` or `]` is expected"),
        (&open, "nesting_too_deep: objects and arrays are nested deeper than 64 at byte 65"),
        (&objects, "nesting_too_deep: objects and arrays are nested deeper than 64 at byte 321"),
        (&deep, "nesting_too_deep: objects and arrays are nested deeper than 64 at byte 65"),
        (r#"{"a":1,"a":1}"#, "key_duplicate: the key `a` stands twice in one object"),
        (r#"{"a":1,"b":0,"a":1}"#, "key_duplicate: the key `a` stands twice in one object"),
        (r#"{"a":1,"\u0061":1}"#, "key_duplicate: the key `a` stands twice in one object"),
        (
            r#"{"x":[{"long-key-1":{},"long-key-1":0}]}"#,
            "key_duplicate: the key `long-key-1` stands twice in one object",
        ),
        (r#"{"":1,"":1}"#, "key_duplicate: the key `` stands twice in one object"),
        (&format!("{{{many}\"k7\":1}}"), "key_duplicate: the key `k7` stands twice in one object"),
    ] {
        let shown: String = text.chars().take(60).collect();
        assert_eq!(scan(text.as_bytes()), Err(expected.to_owned()), "{shown}");
    }
}

#[test]
fn the_same_key_in_different_objects_is_none_twice() {
    for text in [r#"{"a":{"a":1},"b":{"a":1}}"#, r#"[{"a":1},{"a":1}]"#, r#"{"b":{"a":{"b":1}},"a":1}"#] {
        assert_eq!(scan(text.as_bytes()), Ok(text.len()), "{text}");
    }
}

#[test]
fn huge_objects_take_no_quadratic_time() {
    // 130,000 keys that share their first eight bytes and their length: each with each would be 8 * 10^9 comparisons.
    let members: Vec<String> = (0..130_000).map(|i| format!("\"same-key-{i:06}\":0")).collect();
    let text = format!("{{{}}}", members.join(","));
    assert_eq!(scan(text.as_bytes()), Ok(text.len()));
}

proptest::proptest! {
    #[test]
    fn survives_any_bytes(text: Vec<u8>) {
        let _ = scan(&text);
    }

    #[test]
    fn survives_anything_like_json(text in "[\\[\\]{}\":,0-9eE.+\\-truefalsn\\\\u \t]{0,60}") {
        let ours = scan(text.as_bytes()).is_ok_and(|end| text[end..].trim_matches([' ', '\t']).is_empty());
        // serde_json's ignored values follow the same grammar, but may repeat keys.
        let theirs = serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok();
        let twice = scan(text.as_bytes()).is_err_and(|fault| fault.starts_with("key_duplicate"));
        let surrogate = scan(text.as_bytes()).is_err_and(|fault| fault.contains("surrogate"));
        proptest::prop_assert!(ours == theirs || theirs && (twice || surrogate), "{}", text);
    }
}
