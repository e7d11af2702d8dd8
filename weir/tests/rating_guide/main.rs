//! docs/rating.md, executed as written: every catalog, every event and every figure in it.
//!
//! Owns: that the guide tells the truth. Does not own: rating; the guide's figures were worked out by hand, and where Weir
//! comes to another one, one of the two is wrong.

mod documents;
mod guide;

use std::path::Path;
use std::process::Command;

use guide::{Example, Step};
use serde_json::Value;

const GUIDE: &str = include_str!("../../../docs/rating.md");

#[test]
fn every_example_comes_to_what_the_guide_says() {
    let examples = guide::read(GUIDE);
    let failures: Vec<String> = examples.iter().filter_map(failure).collect();
    assert!(failures.is_empty(), "{} of {} examples differ\n\n{}", failures.len(), examples.len(), failures.join("\n"));
    assert!(examples.len() >= 40, "only {} examples were found", examples.len());
}

/// What an example comes to, if it is not what the guide says.
fn failure(example: &Example<'_>) -> Option<String> {
    let head = format!("docs/rating.md:{}: example `{}`", example.line, example.name);
    let seen = match run(example) {
        Ok(seen) => seen,
        Err(error) => return Some(format!("{head} fails: {error}")),
    };
    let expected: Vec<String> = example.expected.lines().map(documents::squeezed).collect();
    let squeezed: Vec<String> = seen.lines().map(documents::squeezed).collect();
    let wanted = example.expected;
    (squeezed != expected).then(|| format!("{head}\n-- the guide says\n{wanted}-- Weir says\n{seen}"))
}

/// Puts an example through the program: each `close` of its log is a `--close`, the last one the run's end.
fn run(example: &Example<'_>) -> Result<String, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    std::fs::write(path("catalog.toml"), example.catalog).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    command.args(["run", "--format", "json", "--no-archive"]);
    command.args(["--catalog", &path("catalog.toml"), "--out", &path("out")]);
    let (mut files, mut events) = (0, String::new());
    for (number, step) in (1..).zip(&example.log) {
        let is_last = number == example.log.len();
        if let Step::Event(event) = step {
            events.push_str(event);
            events.push('\n');
        }
        if is_last || matches!(step, Step::Close(_)) {
            let file = path(&format!("events-{files}.ndjson"));
            std::fs::write(&file, std::mem::take(&mut events)).unwrap();
            command.args(["--events", &file]);
            files += 1;
        }
        if let Step::Close(through) = step {
            command.args([if is_last { "--until" } else { "--close" }, through]);
        }
    }
    let output = command.output().unwrap();
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    Ok(documents::text(&report, &invoices(&folder.path().join("out"))))
}

fn invoices(out: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(out.join("invoices/invoices.ndjson")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}
