//! The values in an event's `data`, one by one, with the path that a meter would name.
//!
//! Owns: which values a path can reach. Numbers stay the text that they are (L5).

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::toml_text;

/// Longest path that is looked at, in bytes.
pub const PATH_BYTES_MAX: usize = 256;

/// A value in `data`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Leaf<'d> {
    /// `null`, which counts as absent.
    Null,
    /// `true` or `false`, as its text.
    Boolean(&'d str),
    /// A JSON number, as its text.
    Number(&'d str),
    /// A string, unescaped.
    Text(Cow<'d, str>),
    /// An object; its members follow.
    Object,
    /// A list; its elements have no path.
    List,
    /// Whatever stands under a key that no path can name: an empty one, or one with a dot.
    Unnameable,
    /// Whatever stands at a path longer than [`PATH_BYTES_MAX`]; the path given is cut off.
    TooDeep,
}

/// Calls `visit` with each value below `data` and its path, such as `data.usage.tokens`, in the text's order. Gives
/// whether `data` is an object; otherwise it has no paths.
pub fn walk<'d>(data: &'d [u8], visit: &mut impl FnMut(&str, Leaf<'d>)) -> bool {
    let Ok(text) = std::str::from_utf8(data) else { return false };
    let mut path = String::from("data");
    text.trim_start().starts_with('{') && members(text, &mut path, visit).is_ok()
}

fn members<'d>(
    text: &'d str,
    path: &mut String,
    visit: &mut impl FnMut(&str, Leaf<'d>),
) -> Result<(), serde_json::Error> {
    serde_json::Deserializer::from_str(text).deserialize_map(Members { path, visit })
}

/// Reads an object member by member, without building it.
struct Members<'v, F> {
    path: &'v mut String,
    visit: &'v mut F,
}

#[derive(Deserialize)]
struct Key<'d>(#[serde(borrow)] Cow<'d, str>);

impl<'d, F: FnMut(&str, Leaf<'d>)> Visitor<'d> for Members<'_, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'d>>(self, mut map: A) -> Result<(), A::Error> {
        let Members { path, visit } = self;
        let length = path.len();
        while let Some((Key(name), value)) = map.next_entry::<Key<'d>, &'d RawValue>()? {
            path.push('.');
            if name.is_empty() || name.contains('.') {
                path.push_str(&toml_text::string(&name));
                cut(path);
                visit(path, Leaf::Unnameable);
            } else {
                path.push_str(&name);
                member(value.get(), path, visit);
            }
            path.truncate(length);
        }
        Ok(())
    }
}

/// One member's value. Ingest has checked `data`, so that what stands here is JSON.
fn member<'d>(value: &'d str, path: &mut String, visit: &mut impl FnMut(&str, Leaf<'d>)) {
    if path.len() > PATH_BYTES_MAX {
        cut(path);
        return visit(path, Leaf::TooDeep);
    }
    match value.as_bytes().first() {
        Some(b'{') => {
            visit(path, Leaf::Object);
            let _ = members(value, path, visit);
        }
        Some(b'[') => visit(path, Leaf::List),
        Some(b'"') => {
            if let Ok(Key(text)) = serde_json::from_str(value) {
                visit(path, Leaf::Text(text));
            }
        }
        Some(b'n') => visit(path, Leaf::Null),
        Some(b't' | b'f') => visit(path, Leaf::Boolean(value)),
        _ => visit(path, Leaf::Number(value)),
    }
}

fn cut(path: &mut String) {
    path.truncate(path.floor_char_boundary(PATH_BYTES_MAX));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaves(data: &str) -> (bool, Vec<(String, Leaf<'_>)>) {
        let mut found = Vec::new();
        let object = walk(data.as_bytes(), &mut |path, leaf| found.push((path.to_owned(), leaf)));
        (object, found)
    }

    #[test]
    fn every_value_has_its_path_and_text() {
        let (object, found) = leaves(
            r#" {"a":1.50,"b":{"c":"x\ty","d":{"e":true}},"f":[{"g":1}],"h":null,"i.j":2,"":3,"k":12345678901234567890.5e-2}"#,
        );
        assert!(object);
        let expected = [
            ("data.a", Leaf::Number("1.50")),
            ("data.b", Leaf::Object),
            ("data.b.c", Leaf::Text("x\ty".into())),
            ("data.b.d", Leaf::Object),
            ("data.b.d.e", Leaf::Boolean("true")),
            ("data.f", Leaf::List),
            ("data.h", Leaf::Null),
            ("data.\"i.j\"", Leaf::Unnameable),
            ("data.\"\"", Leaf::Unnameable),
            ("data.k", Leaf::Number("12345678901234567890.5e-2")),
        ];
        assert_eq!(found, expected.map(|(path, leaf)| (path.to_owned(), leaf)));
    }

    #[test]
    fn data_may_be_no_object() {
        for data in ["", "5", "[1]", "\"text\"", "plain text", "null"] {
            assert_eq!(leaves(data), (false, vec![]), "{data}");
        }
        assert_eq!(leaves("{}"), (true, vec![]));
    }

    #[test]
    fn long_paths_are_cut() {
        let data = format!(r#"{{"{}":1,"b":2}}"#, "ä".repeat(400));
        let (_, found) = leaves(&data);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].1, Leaf::TooDeep);
        assert!(found[0].0.len() <= PATH_BYTES_MAX);
        assert_eq!(found[1], ("data.b".to_owned(), Leaf::Number("2")));
    }
}
