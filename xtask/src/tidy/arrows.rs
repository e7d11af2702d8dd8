//! The dependency arrows: model <- stages <- weir. Stages meet only in `model`, any of them may stand on the log and the files
//! below it, and nothing depends on the binary or the benches.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::Result;
use serde_json::Value;

use super::{Finding, Source};
use crate::workspace;

const MODEL: &str = "weir-model";
const BINARY: &str = "weir";
/// The queue between threads: it knows nothing of what it carries, and the model checker builds it alone.
const HANDOFF: &str = "weir-handoff";
/// The files under all that must be durable: they know nothing of what they hold.
const FILES: &str = "weir-files";
/// The log: it knows no stage.
const LOG: &str = "weir-log";
/// Measures the stages; nobody needs it.
const BENCHES: &str = "weir-benches";
/// What runs between input and invoice; each depends on `model`, log and files alone.
const STAGES: [&str; 5] = ["weir-ingest", "weir-rater", "weir-aggregator", "weir-invoicer", "weir-sql"];

/// Checks the workspace as cargo sees it.
pub(super) fn check(root: &Path) -> Result<Vec<Finding>> {
    let metadata = workspace::metadata(root)?;
    let mut findings = Vec::new();
    for (from, to) in wrong_arrows(&dependencies(&metadata)) {
        let path = format!("{}/Cargo.toml", from.strip_prefix("weir-").unwrap_or(&from));
        let text = std::fs::read_to_string(root.join(&path)).unwrap_or_default();
        findings.push(finding(Source { path: &path, text: &text }, &from, &to));
    }
    Ok(findings)
}

fn finding(source: Source<'_>, from: &str, to: &str) -> Finding {
    let names_it =
        |line: &str| line.trim_start().strip_prefix(to).is_some_and(|rest| rest.starts_with(['.', ' ', '=']));
    let line = source.text.lines().position(names_it).map_or(1, |index| index + 1);
    let what = format!("{from} depends on {to}");
    source.finding(line, what, "arrows point one way, model <- stages <- weir; stages meet in model")
}

/// Dependencies of every kind between the workspace's own crates.
fn dependencies(metadata: &Value) -> BTreeMap<String, BTreeSet<String>> {
    let name = |value: &Value| value.get("name").and_then(Value::as_str).map(str::to_owned);
    let list = |value: &Value, key: &str| value.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
    let packages = list(metadata, "packages");
    let own: BTreeSet<String> = packages.iter().filter_map(name).collect();
    let of =
        |package: &Value| list(package, "dependencies").iter().filter_map(name).filter(|to| own.contains(to)).collect();
    packages.iter().filter_map(|package| Some((name(package)?, of(package)))).collect()
}

fn wrong_arrows(dependencies: &BTreeMap<String, BTreeSet<String>>) -> Vec<(String, String)> {
    let arrows = dependencies.iter().flat_map(|(from, all)| all.iter().map(move |to| (from, to)));
    arrows.filter(|(from, to)| !is_allowed(from, to)).map(|(from, to)| (from.clone(), to.clone())).collect()
}

fn is_allowed(from: &str, to: &str) -> bool {
    match from {
        _ if to == BENCHES => false,
        BINARY => true,
        _ if to == BINARY => false,
        MODEL | HANDOFF | FILES => false,
        LOG => [MODEL, FILES].contains(&to),
        stage if STAGES.contains(&stage) => [MODEL, LOG, FILES].contains(&to),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrows() {
        for (from, to, expected) in [
            ("weir-rater", "weir-model", true),
            ("weir-rater", "weir-ingest", false),
            ("weir-model", "weir-rater", false),
            ("weir", "weir-rater", true),
            ("weir", "weir-handoff", true),
            ("weir-handoff", "weir-model", false),
            ("weir-invoicer", "weir", false),
            ("weir-ingest", "weir-log", true),
            ("weir-aggregator", "weir-files", true),
            ("weir-log", "weir-files", true),
            ("weir-log", "weir-model", true),
            ("weir-log", "weir-ingest", false),
            ("weir-files", "weir-model", false),
            ("weir-files", "weir-log", false),
            ("xtask", "weir-model", true),
            ("xtask", "weir", false),
            ("weir-benches", "weir-ingest", true),
            ("weir-benches", "weir", false),
            ("weir", "weir-benches", false),
        ] {
            assert_eq!(is_allowed(from, to), expected, "{from} -> {to}");
        }
    }

    #[test]
    fn only_the_workspace_counts() {
        let metadata = serde_json::json!({ "packages": [
            { "name": "weir-model", "dependencies": [{ "name": "toml" }] },
            { "name": "weir-rater", "dependencies": [{ "name": "weir-model" }, { "name": "weir-ingest", "kind": "dev" }] },
            { "name": "weir-ingest", "dependencies": [] },
        ] });
        let wrong = wrong_arrows(&dependencies(&metadata));
        assert_eq!(wrong, [("weir-rater".to_owned(), "weir-ingest".to_owned())]);
    }

    #[test]
    fn the_finding_names_the_line() {
        let text = "[dependencies]\nweir-model.workspace = true\nweir-ingest.workspace = true\n";
        let found = finding(Source { path: "rater/Cargo.toml", text }, "weir-rater", "weir-ingest");
        assert_eq!((found.line, found.what.as_str()), (3, "weir-rater depends on weir-ingest"));
    }
}
