//! The corpora of the fuzz targets through the targets' own bodies, without libFuzzer: what it once found stays found, and the
//! targets go on compiling. `cargo xtask fuzz` looks for more.

#[path = "../../fuzz/src/lib.rs"]
mod fuzz;

use std::path::Path;

/// Runs a target over its corpus; a panic names the file.
fn feed(target: &str) {
    let (_, body) = fuzz::TARGETS.into_iter().find(|(name, _)| *name == target).unwrap();
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
    let mut files: Vec<_> = corpus.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 10, "{} has {} files", corpus.display(), files.len());
    for file in files {
        let data = std::fs::read(&file).unwrap();
        let outcome = std::panic::catch_unwind(|| body(&data));
        assert!(outcome.is_ok(), "fuzz/corpus/{target}/{}", file.file_name().unwrap().display());
    }
}

#[test]
fn catalogs() {
    feed("catalog");
}

#[test]
fn lines() {
    feed("decoder");
}

#[test]
fn mapped_rows() {
    feed("mapping");
}

#[test]
fn prices() {
    feed("prices");
}

#[test]
fn snapshots() {
    feed("snapshot");
}

#[test]
fn every_target_has_a_corpus() {
    let mut names: Vec<String> = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../fuzz/corpus")
        .read_dir()
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, fuzz::TARGETS.map(|(name, _)| name));
}
