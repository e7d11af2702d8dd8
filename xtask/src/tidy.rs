//! `cargo xtask tidy`: the rules that clippy cannot check, as functions from text to findings.
//!
//! Owns: the list of rules and their limits. Each rule says what it found and why that matters. Does not own: formatting
//! (rustfmt) and what the workspace's lints see.

mod arrows;
mod code;
mod masking;
mod words;

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::workspace;

/// A place that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    /// Relative to the root.
    pub(crate) file: String,
    /// From 1.
    pub(crate) line: usize,
    /// What is there.
    pub(crate) what: String,
    /// Why it must not be.
    pub(crate) why: &'static str,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}: {}", self.file, self.line, self.what, self.why)
    }
}

/// One file under inspection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source<'a> {
    /// Relative to the root, with `/`.
    pub(crate) path: &'a str,
    /// Its text.
    pub(crate) text: &'a str,
}

impl Source<'_> {
    fn finding(&self, line: usize, what: impl Into<String>, why: &'static str) -> Finding {
        Finding { file: self.path.to_owned(), line, what: what.into(), why }
    }

    /// The first folder: a crate's name for its sources.
    fn top(&self) -> &str {
        self.path.split('/').next().unwrap_or_default()
    }

    fn is_rust(&self) -> bool {
        Path::new(self.path).extension().is_some_and(|extension| extension == "rs")
    }

    /// Whether the whole file is a test, so that rules on product code do not hold.
    fn is_test(&self) -> bool {
        self.path.split('/').any(|part| matches!(part, "tests" | "benches" | "tests.rs"))
    }

    /// The number of lines before the tests that end a file.
    fn product_lines(&self) -> usize {
        if self.is_test() {
            return 0;
        }
        self.text.lines().take_while(|line| line.trim() != "#[cfg(test)]").count()
    }
}

/// Checks the tree at `root`.
pub(crate) fn check(root: &Path) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    let files = workspace::files(root)?;
    for file in &files {
        let path = file.to_str().context("a file name that is no UTF-8")?.replace('\\', "/");
        findings.extend(path_rules(&path));
        if words::is_read(&path) {
            let text = std::fs::read_to_string(root.join(file)).with_context(|| path.clone())?;
            findings.extend(text_rules(Source { path: &path, text: &text }));
        }
    }
    findings.extend(crate_rules(root, &files));
    findings.extend(arrows::check(root)?);
    Ok(findings)
}

/// All rules that need only one file.
fn text_rules(source: Source<'_>) -> Vec<Finding> {
    let mut findings = words::check(source);
    if source.is_rust() {
        findings.extend(code::check(source));
    }
    findings
}

/// Names that say nothing about what is inside.
const EMPTY_NAMES: [&str; 6] = ["helper", "helpers", "util", "utils", "common", "misc"];

/// Rules on names alone.
fn path_rules(path: &str) -> Vec<Finding> {
    let source = Source { path, text: "" };
    let mut findings = Vec::new();
    if path.ends_with("/mod.rs") {
        findings.push(source.finding(1, "mod.rs", "a module is foo.rs beside foo/, so that tabs and searches name it"));
    }
    for part in path.split('/') {
        let stem = part.split('.').next().unwrap_or_default();
        if EMPTY_NAMES.contains(&stem) {
            findings.push(source.finding(
                1,
                format!("`{part}`"),
                "a name says what is inside; this one takes anything",
            ));
        }
    }
    findings
}

/// Every crate says what it is: a README, or a head in its root file.
fn crate_rules(root: &Path, files: &[PathBuf]) -> Vec<Finding> {
    let known: BTreeSet<&Path> = files.iter().map(PathBuf::as_path).collect();
    let manifests = files.iter().filter(|file| file.ends_with("Cargo.toml") && file.components().count() == 2);
    manifests
        .filter_map(|manifest| {
            let dir = manifest.parent()?;
            let headed = ["src/lib.rs", "src/main.rs"].iter().any(|file| {
                std::fs::read_to_string(root.join(dir).join(file)).is_ok_and(|text| text.starts_with("//!"))
            });
            let path = manifest.to_str()?;
            (!headed && !known.contains(dir.join("README.md").as_path())).then(|| {
                Source { path, text: "" }.finding(1, "no README.md and no `//!` head", "a crate says what it owns")
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (path, expected) in [
            ("model/src/price.rs", 0),
            ("model/src/price/mod.rs", 1),
            ("model/src/helpers.rs", 1),
            ("common/src/lib.rs", 1),
            ("weir/tests/common/mod.rs", 2),
            ("docs/commonplace.md", 0),
        ] {
            assert_eq!(path_rules(path).len(), expected, "{path}");
        }
    }

    #[test]
    fn tests_are_no_product_code() {
        for (path, text, expected) in [
            ("model/src/a.rs", "//! A\nfn a() {}\n", 2),
            ("model/src/a.rs", "//! A\nfn a() {}\n#[cfg(test)]\nmod tests {}\n", 2),
            ("model/src/a/tests.rs", "//! A\nfn a() {}\n", 0),
            ("weir/tests/run.rs", "//! A\n", 0),
        ] {
            assert_eq!(Source { path, text }.product_lines(), expected, "{path}");
        }
    }

    #[test]
    fn a_crate_without_a_head_is_found() {
        let dir = tempfile::tempdir().unwrap();
        for (file, text) in [
            ("good/Cargo.toml", ""),
            ("good/src/lib.rs", "//! Good.\n"),
            ("read/Cargo.toml", ""),
            ("read/README.md", "Read.\n"),
            ("bare/Cargo.toml", ""),
            ("bare/src/main.rs", "fn main() {}\n"),
        ] {
            let path = dir.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let files = workspace::files(dir.path()).unwrap();
        let found: Vec<String> = crate_rules(dir.path(), &files).into_iter().map(|finding| finding.file).collect();
        assert_eq!(found, ["bare/Cargo.toml"]);
    }

    #[test]
    fn a_finding_reads_like_a_compiler_line() {
        let finding = Source { path: "a/b.rs", text: "" }.finding(3, "f64", "money is exact");
        assert_eq!(finding.to_string(), "a/b.rs:3: f64: money is exact");
    }
}
