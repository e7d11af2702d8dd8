//! Any text as TOML: keys, strings, and what comments may hold. A field's name comes from somebody's events: it may be
//! anything that JSON allows.

use std::fmt::Write;

/// A key: bare if its characters allow that, else in quotes.
pub fn key(name: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if !name.is_empty() && name.chars().all(bare) { name.to_owned() } else { string(name) }
}

/// A basic string, on one line.
pub fn string(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            c => push_printable(&mut quoted, c),
        }
    }
    quoted.push('"');
    quoted
}

/// A text as a comment or a terminal may show it: control characters are spelled out.
pub fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    text.chars().for_each(|c| push_printable(&mut shown, c));
    shown
}

fn push_printable(text: &mut String, c: char) {
    if c.is_control() {
        // Writing to a String cannot fail.
        let _ = write!(text, "\\u{:04X}", u32::from(c));
    } else {
        text.push(c);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys() {
        for (name, expected) in [
            ("tokens", "tokens"),
            ("in-put_2", "in-put_2"),
            ("", r#""""#),
            ("a b", r#""a b""#),
            ("a.b", r#""a.b""#),
            ("größe", r#""größe""#),
            ("say \"hi\"\\", r#""say \"hi\"\\""#),
            ("two\nlines\u{7f}", r#""two\u000Alines\u007F""#),
        ] {
            assert_eq!(key(name), expected);
        }
    }

    #[test]
    fn comments_stay_on_their_line() {
        assert_eq!(printable("a\r\nb\u{0}\u{85}\\"), "a\\u000D\\u000Ab\\u0000\\u0085\\");
    }
}
