//! Words that no file of the project holds: unfinished business, and paths of somebody's machine.

use std::path::Path;

use super::code::word_positions;
use super::{Finding, Source};

/// Marks of unfinished business, in two halves, so that this list does not find itself.
const UNFINISHED: [&str; 3] = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];
/// Beginnings of paths that exist on one machine only, likewise.
const MACHINE_PATHS: [&str; 4] =
    [concat!("/wo", "rk/"), concat!("/t", "mp/"), concat!("/ho", "me/"), concat!("/Use", "rs/")];
/// What people write; data and generated files are not read.
const READ_EXTENSIONS: [&str; 10] = ["rs", "toml", "md", "sh", "yml", "yaml", "html", "css", "py", "sql"];

/// Whether this file is read for words at all.
pub(super) fn is_read(path: &str) -> bool {
    let extension = Path::new(path).extension().and_then(|extension| extension.to_str());
    extension.map_or(path == ".ci/run", |extension| READ_EXTENSIONS.contains(&extension))
}

/// Checks one file.
pub(super) fn check(source: Source<'_>) -> Vec<Finding> {
    let product = if source.is_rust() { source.product_lines() } else { usize::MAX };
    let mut findings = Vec::new();
    for (index, line) in source.text.lines().enumerate() {
        for word in UNFINISHED {
            if word_positions(line, word).any(|at| !is_quoted(line, at, word.len())) {
                findings.push(source.finding(index + 1, word, "unfinished business is finished or said in the open"));
            }
        }
        for path in MACHINE_PATHS.iter().filter(|_| index < product) {
            if line.match_indices(path).any(|(at, _)| begins_a_path(line, at)) {
                findings.push(source.finding(index + 1, *path, "a path of one machine is nowhere on another"));
            }
        }
    }
    findings
}

/// The currency code for "none" is data, not a mark: it stands in quotes.
fn is_quoted(line: &str, at: usize, len: usize) -> bool {
    let before = line.get(..at).and_then(|text| text.chars().next_back());
    let after = line.get(at + len..).and_then(|text| text.chars().next());
    before == after && before.is_some_and(|c| matches!(c, '"' | '`'))
}

/// Whether an absolute path begins at `at`, not the middle of a relative one.
fn begins_a_path(line: &str, at: usize) -> bool {
    let before = line.get(..at).and_then(|text| text.chars().next_back());
    !before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '}'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words() {
        let mark = concat!("TO", "DO");
        let none = concat!("XX", "X");
        for (path, text, expected) in [
            ("model/src/a.rs", format!("//! A\n// {mark}: later\n"), vec![2]),
            ("model/src/a.rs", format!("//! A\n#[cfg(test)]\n// {mark}\n"), vec![3]),
            ("model/src/a.rs", "//! A\n// todo_list\n".to_owned(), vec![]),
            ("model/src/a.rs", format!("//! A\nlet mas{mark}n = 1;\n"), vec![]),
            ("model/src/a.rs", format!("//! A\n(\"{none}\", 1)\n"), vec![]),
            ("docs/a.md", format!("A.\n\n{none} later\n"), vec![3]),
            ("docs/a.md", "See /tmp/x.\n".to_owned(), vec![1]),
            ("docs/a.md", "See network/tmp/x.\n".to_owned(), vec![]),
            ("model/src/a.rs", "//! A\n#[cfg(test)]\nconst A: &str = \"/tmp/a\";\n".to_owned(), vec![]),
            ("model/src/a.rs", "//! A\nconst A: &str = \"/tmp/a\";\n".to_owned(), vec![2]),
            ("weir/tests/a.rs", "//! A\nconst A: &str = \"/work/a\";\n".to_owned(), vec![]),
        ] {
            let found: Vec<usize> =
                check(Source { path, text: &text }).into_iter().map(|finding| finding.line).collect();
            assert_eq!(found, expected, "{path}: {text}");
        }
    }

    #[test]
    fn data_is_not_read() {
        for (path, expected) in [
            ("model/src/a.rs", true),
            ("Cargo.toml", true),
            (".ci/run", true),
            ("Cargo.lock", false),
            ("LICENSE", false),
            ("config/samples/a.csv", false),
        ] {
            assert_eq!(is_read(path), expected, "{path}");
        }
    }
}
