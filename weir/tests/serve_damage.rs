//! A bit that turns in what a stopped server has kept: a start refuses and names the file, or goes on with everything that was acknowledged;
//! it never forgets a record in silence. What no start reads is found by whoever reads it.

#[allow(dead_code, reason = "other proofs read archives")]
#[path = "library/archived.rs"]
mod archived;
#[path = "library/copies.rs"]
mod copies;
#[allow(dead_code, reason = "other proofs ask more")]
#[path = "library/node.rs"]
mod node;
#[allow(dead_code, reason = "other proofs compare more")]
#[path = "library/script.rs"]
mod script;
#[allow(dead_code, reason = "other proofs send other bodies")]
#[path = "library/sent.rs"]
mod sent;

use std::process::Command;
use std::sync::{Arc, LazyLock};

use copies::{all_files, copied};
use node::{Running, settings};
use script::{Script, export};
use serde_json::Value;
use weir_files::{Files, Simulated};

/// A bit of one byte in so many is turned.
const EVERY: usize = 127;

/// The two snapshots begin in different segments: there is one that is kept for the older one only.
static SCRIPT: LazyLock<Script> =
    LazyLock::new(|| Script::narrow(12, settings(&[("WEIR_SNAPSHOTS__EVERY_LOG_BYTES", "3600B")])));

/// What a stopped server leaves, and its statistics.
static LEFT: LazyLock<(Simulated, Value)> = LazyLock::new(|| {
    let files = Simulated::new();
    let mut running = Running::start(&files, &SCRIPT.settings).unwrap();
    assert_eq!(SCRIPT.go(&mut running, 0, true), (SCRIPT.steps.len(), None));
    let stats = running.get("/v1/stats");
    running.stop().unwrap();
    (files.copy(), stats)
});

/// The files of a folder.
fn in_folder(folder: &str) -> Vec<(String, Vec<u8>)> {
    all_files(&LEFT.0).into_iter().filter(|(path, _)| path.starts_with(&format!("{folder}/"))).collect()
}

/// What is left with one bit turned.
fn turned(damaged: &str, (at, bit): (usize, usize)) -> Simulated {
    copied(&LEFT.0, |path, bytes| {
        if path == damaged {
            bytes[at] ^= 1 << bit;
        }
        true
    })
}

/// Starts; the error as text, or the statistics.
fn started(files: &Simulated) -> Result<Value, String> {
    let mut running = Running::start(files, &SCRIPT.settings).map_err(|error| format!("{error:#}"))?;
    let stats = running.get("/v1/stats");
    running.stop().map_err(|error| format!("{error:#}"))?;
    Ok(stats)
}

/// Turns bits all over a folder's files; `check` sees the file, what is left, and what a start says of a copy of it.
fn turn_all(folder: &str, mut check: impl FnMut(&str, &Simulated, Result<Value, String>)) -> usize {
    let mut turns = 0;
    for (path, bytes) in in_folder(folder) {
        for at in (turns % EVERY..bytes.len()).step_by(EVERY) {
            let files = turned(&path, (at, at % 8));
            let tried = files.copy();
            let outcome = started(&tried);
            // A refused start may have written the log's tail anew, but has cut nothing off: it is refused again.
            assert!(outcome.is_ok() || started(&tried).is_err(), "{path}, byte {at}: refused once, then taken");
            check(&path, &files, outcome);
            turns += 1;
        }
    }
    assert!(turns > 10, "{turns} in {folder}");
    turns
}

#[test]
fn in_the_log() {
    let mut refused = 0;
    let turns = turn_all("log", |path, files, outcome| {
        let name = path.rsplit('/').next().unwrap();
        match outcome {
            Err(error) => {
                assert!(error.contains(name), "{path}: {error}");
                refused += 1;
            }
            // Before the newest snapshot nothing is read by a start; whoever verifies the log finds it.
            Ok(stats) => {
                assert_eq!(stats, LEFT.1, "{path}");
                let log: Arc<dyn Files> = Arc::new(files.clone());
                let findings = weir_log::verify(&log, "log", 0).unwrap();
                assert!(findings.iter().any(|finding| finding.to_string().contains(name)), "{path}");
            }
        }
    });
    assert!(refused > 0 && refused < turns, "{refused} of {turns}");
}

#[test]
fn in_snapshots() {
    // The newest snapshot that is whole is used, and more of the log is read.
    turn_all("snapshots", |path, _, outcome| assert_eq!(outcome.as_ref(), Ok(&LEFT.1), "{path}"));
    let manifests: Vec<String> = in_folder("snapshots")
        .into_iter()
        .map(|(path, _)| path)
        .filter(|path| path.strip_suffix(".json").is_some())
        .collect();
    assert_eq!(manifests.len(), 2);
    let none_whole = copied(&LEFT.0, |path, bytes| {
        if manifests.iter().any(|manifest| manifest == path) {
            bytes[9] ^= 1;
        }
        true
    });
    let error = started(&none_whole).unwrap_err();
    assert!(error.contains("none of the snapshots in snapshots can be read"), "{error}");
}

#[test]
fn in_the_newest_seal() {
    turn_all("seals", |path, _, outcome| match outcome {
        Err(error) => assert!(error.contains(path), "{path}: {error}"),
        Ok(stats) => assert_eq!(stats, LEFT.1, "{path}"),
    });
    for (path, bytes) in in_folder("seals") {
        let files = turned(&path, (bytes.len() / 2, 3));
        let folder = tempfile::tempdir().unwrap();
        export(&files, "seals", folder.path());
        let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
        command.args(["invoices", "build", "--data"]).arg(folder.path()).arg("--out").arg(folder.path().join("out"));
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(&path), "{path}: {said}");
    }
}

#[test]
fn in_the_archive_and_the_deployment() {
    // A start goes by the names of manifests alone.
    turn_all("archive/batches", |path, _, outcome| assert_eq!(outcome.as_ref(), Ok(&LEFT.1), "{path}"));
    let deployment = LEFT.0.content("deployment.json").unwrap();
    for at in 0..deployment.len() {
        let outcome = started(&turned("deployment.json", (at, at % 8)));
        assert!(outcome.as_ref().is_err() || outcome.as_ref() == Ok(&LEFT.1), "byte {at}: {outcome:?}");
    }
}

#[test]
fn what_is_gone_is_missed() {
    let without = |gone: &dyn Fn(&str) -> bool| started(&copied(&LEFT.0, |path, _| !gone(path)));
    let newest = |folder: &str| in_folder(folder).last().unwrap().0.clone();
    let log = newest("log");
    for (what, outcome) in [
        ("the whole log", without(&|path| path.starts_with("log/"))),
        ("its last segment", without(&|path| path == log)),
        ("all snapshots", without(&|path| path.starts_with("snapshots/"))),
    ] {
        // A log that was not trimmed yet has everything.
        assert!(outcome.is_err() || outcome.as_ref() == Ok(&LEFT.1), "without {what} it starts with {outcome:?}");
    }
}
