//! The bodies of the fuzz targets: what reads strangers' bytes, and what prices. Each takes an input and panics at what must
//! not be.
//!
//! Owns: the properties. Does not own: where inputs come from. libFuzzer makes them up (`fuzz_targets/`), and
//! `weir/tests/fuzz_corpora.rs`, which includes this file by its path, feeds the corpora in every test run.

pub mod catalog;
pub mod decoder;
pub mod mapping;
pub mod prices;
mod reference;
mod seen;
pub mod snapshot;

/// A target's body.
pub type Body = fn(&[u8]);

/// Every target, by the name of its corpus.
pub const TARGETS: [(&str, Body); 5] = [
    ("catalog", catalog::run),
    ("decoder", decoder::run),
    ("mapping", mapping::run),
    ("prices", prices::run),
    ("snapshot", snapshot::run),
];

/// The two texts of an input: what is before a line `===` and what is behind it.
fn two_texts(data: &[u8]) -> Option<(&str, &[u8])> {
    const BETWEEN: &[u8] = b"\n===\n";
    let at = data.windows(BETWEEN.len()).position(|window| window == BETWEEN);
    let (first, second) = match at {
        Some(at) => (data.get(..at + 1)?, data.get(at + BETWEEN.len()..)?),
        None => (data, &data[data.len()..]),
    };
    Some((std::str::from_utf8(first).ok()?, second))
}
