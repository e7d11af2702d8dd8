//! Rules on Rust source: heads, sizes, output, floats and the money crates' lints.

use super::masking::mask;
use super::{Finding, Source};

/// Lines of a file without its tests.
const FILE_LINES_MAX: usize = 400;
/// Lines of a function, signature to closing brace.
const FUNCTION_LINES_MAX: usize = 70;
/// Crates whose arithmetic is money.
const MONEY_CRATES: [&str; 3] = ["model", "rater", "invoicer"];
/// Lints that a money crate denies at its root.
const MONEY_LINTS: [&str; 5] =
    ["float_arithmetic", "as_conversions", "integer_division", "arithmetic_side_effects", "iter_over_hash_type"];
/// Crates that talk to a terminal.
const SPEAKING_CRATES: [&str; 2] = ["weir", "xtask"];
/// Macros that write to the terminal.
const OUTPUT_MACROS: [&str; 4] = ["println!", "eprintln!", "print!", "eprint!"];

/// Checks one `.rs` file.
pub(super) fn check(source: Source<'_>) -> Vec<Finding> {
    let masked = mask(source.text);
    let product = source.product_lines();
    let code: Vec<&str> = masked.lines().take(product).collect();
    let mut findings = Vec::new();
    if !source.text.starts_with("//!") {
        findings.push(source.finding(
            1,
            "no `//!` head",
            "a file says what it owns, what not, and which laws it keeps",
        ));
    }
    if product > FILE_LINES_MAX {
        let what = format!("{product} lines without tests");
        findings.push(source.finding(
            FILE_LINES_MAX + 1,
            what,
            "a file stays under 400 lines: split it along its ideas",
        ));
    }
    findings.extend(long_functions(source, &code));
    if !SPEAKING_CRATES.contains(&source.top()) {
        findings.extend(output(source, &code));
    }
    if MONEY_CRATES.contains(&source.top()) {
        findings.extend(floats(source, &code));
        findings.extend(money_lints(source, &masked));
    }
    findings
}

/// Functions that are too long to be read at once.
fn long_functions(source: Source<'_>, code: &[&str]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, line) in code.iter().enumerate() {
        let Some(name) = function_name(line) else { continue };
        let lines = function_lines(&code[index..]);
        if lines > FUNCTION_LINES_MAX {
            let what = format!("`{name}` has {lines} lines");
            findings.push(source.finding(index + 1, what, "a function stays under 70 lines: give its parts names"));
        }
    }
    findings
}

/// The name of a function that begins on this line; types like `fn(u8)` have none.
fn function_name(line: &str) -> Option<&str> {
    let at = word_positions(line, "fn").next()?;
    let rest = line.get(at + 2..)?.trim_start();
    let len = rest.find(|c: char| !is_word(c)).unwrap_or(rest.len());
    rest.get(..len).filter(|name| !name.is_empty())
}

/// Lines from a signature to its body's closing brace; 0 for a declaration without a body.
fn function_lines(code: &[&str]) -> usize {
    let mut braces = 0_usize;
    let mut parens = 0_usize;
    for (index, line) in code.iter().enumerate() {
        let start = if index == 0 { word_positions(line, "fn").next().unwrap_or(0) } else { 0 };
        for c in line.get(start..).unwrap_or_default().chars() {
            match c {
                '(' | '[' => parens += 1,
                ')' | ']' => parens = parens.saturating_sub(1),
                ';' if braces == 0 && parens == 0 => return 0,
                '{' => braces += 1,
                '}' if braces <= 1 => return index + 1,
                '}' => braces -= 1,
                _ => {}
            }
        }
    }
    code.len()
}

fn output(source: Source<'_>, code: &[&str]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, line) in code.iter().enumerate() {
        for name in OUTPUT_MACROS {
            if word_positions(line, name).next().is_some() {
                findings.push(source.finding(index + 1, name, "only the binary and the chores speak to a terminal"));
            }
        }
    }
    findings
}

fn floats(source: Source<'_>, code: &[&str]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, line) in code.iter().enumerate() {
        for name in ["f32", "f64"] {
            if word_positions(line, name).next().is_some() {
                findings.push(source.finding(index + 1, name, "no floats anywhere near money (L5)"));
            }
        }
        if has_float_literal(line) {
            findings.push(source.finding(index + 1, "a float literal", "no floats anywhere near money (L5)"));
        }
    }
    findings
}

/// `1.5`, but neither `pair.0.1` nor `0..9`.
fn has_float_literal(line: &str) -> bool {
    let bytes = line.as_bytes();
    let is_digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    bytes.iter().enumerate().filter(|(at, byte)| **byte == b'.' && *at > 0 && is_digit(at - 1) && is_digit(at + 1)).any(
        |(at, _)| {
            let number_len =
                bytes[..at].iter().rev().take_while(|byte| byte.is_ascii_digit() || **byte == b'_').count();
            let before = at.checked_sub(number_len + 1).and_then(|position| bytes.get(position));
            before.is_none_or(|byte| !byte.is_ascii_alphanumeric() && *byte != b'.' && *byte != b'_')
        },
    )
}

/// A money crate's root denies what clippy knows about careless arithmetic.
fn money_lints(source: Source<'_>, masked: &str) -> Vec<Finding> {
    if source.path.split('/').skip(1).ne(["src", "lib.rs"]) {
        return Vec::new();
    }
    let denied: Vec<&str> =
        masked.match_indices("#![deny(").filter_map(|(at, _)| masked.get(at..)?.split(']').next()).collect();
    let missing = MONEY_LINTS.iter().filter(|lint| {
        let name = format!("clippy::{lint}");
        !denied.iter().any(|list| word_positions(list, &name).next().is_some())
    });
    missing
        .map(|lint| {
            source.finding(1, format!("`#![deny(clippy::{lint})]` is missing"), "a money crate computes exactly (L5)")
        })
        .collect()
}

/// Where `word` stands by itself.
pub(super) fn word_positions<'a>(line: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    line.match_indices(word).map(|(at, _)| at).filter(move |at| {
        let before = line.get(..*at).and_then(|text| text.chars().next_back());
        let after = line.get(at + word.len()..).and_then(|text| text.chars().next());
        !before.is_some_and(is_word) && (word.ends_with('!') || !after.is_some_and(is_word))
    })
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<String> {
        check(Source { path, text }).into_iter().map(|finding| format!("{}: {}", finding.line, finding.what)).collect()
    }

    #[test]
    fn rules_on_lines() {
        for (path, text, expected) in [
            ("ingest/src/a.rs", "//! A\nfn a() {}\n", vec![]),
            ("ingest/src/a.rs", "// A\n", vec!["1: no `//!` head"]),
            ("ingest/src/a.rs", "//! A\nfn a() { println!(\"x\"); }\n", vec!["2: println!"]),
            ("ingest/src/a.rs", "//! A\nfn a() { eprint!(\"x\"); }\n", vec!["2: eprint!"]),
            ("ingest/src/a.rs", "//! A\n// println!(1)\nconst A: &str = \"println!\";\n", vec![]),
            ("ingest/src/a.rs", "//! A\n#[cfg(test)]\nmod tests { fn a() { println!(); } }\n", vec![]),
            ("weir/src/a.rs", "//! A\nfn a() { println!(\"x\"); }\n", vec![]),
            ("ingest/src/a.rs", "//! A\nconst A: f64 = 1.5;\n", vec![]),
            ("model/src/a.rs", "//! A\nconst A: f64 = 1.5;\n", vec!["2: f64", "2: a float literal"]),
            ("model/src/a.rs", "//! f64\nfn a(b: (u8, (u8, u8))) { b.1.0; 0..5; 1_000; buf64(); }\n", vec![]),
        ] {
            assert_eq!(found(path, text), expected, "{path}: {text}");
        }
    }

    #[test]
    fn sizes() {
        let function = |lines: usize| format!("//! A\nfn a(b: [u8; 4]) {{\n{}}}\n", "    b;\n".repeat(lines - 2));
        let file =
            |lines: usize| format!("//! A\n{}#[cfg(test)]\nmod tests {{}}\n", "const A: u8 = 1;\n".repeat(lines - 1));
        for (text, expected) in [
            (function(70), vec![]),
            (function(71), vec!["2: `a` has 71 lines"]),
            (file(400), vec![]),
            (file(401), vec!["401: 401 lines without tests"]),
        ] {
            assert_eq!(found("ingest/src/a.rs", &text), expected);
        }
        let declared = format!("//! A\ntrait A {{\n    fn a(&self);\n{}}}\n", "    const B: u8;\n".repeat(90));
        assert_eq!(found("ingest/src/a.rs", &declared), Vec::<String>::new());
    }

    #[test]
    fn money_crates_deny_careless_arithmetic() {
        let all = "//! A\n#![deny(\n    clippy::float_arithmetic,\n    clippy::as_conversions,\n    clippy::integer_division,\n    \
                   clippy::arithmetic_side_effects,\n    clippy::iter_over_hash_type\n)]\n";
        for (path, text, expected) in [
            ("rater/src/lib.rs", all, 0),
            ("rater/src/lib.rs", "//! A\n", 5),
            ("rater/src/lib.rs", "//! A\n#![allow(clippy::float_arithmetic)]\n", 5),
            ("rater/src/lib.rs", "//! A\n#![deny(clippy::float_arithmetic)]\n", 4),
            ("rater/src/shard.rs", "//! A\n", 0),
            ("ingest/src/lib.rs", "//! A\n", 0),
        ] {
            assert_eq!(found(path, text).len(), expected, "{path}: {text}");
        }
    }
}
