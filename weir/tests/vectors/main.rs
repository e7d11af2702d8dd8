//! Figures that other billing systems assert in their own tests and documents, by id: what Weir makes of the same inputs, and
//! why where it is something else. `docs/vectors.md` lists those that no table here has.

#![allow(clippy::print_stderr, reason = "a test that goes without its data says so loudly")]

mod periods;
mod prices;
mod quantities;
mod rollover;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;
use weir_model::decimal::Decimal;
use weir_model::number::Amount;

/// All ids, for those who do not have the vectors.
const IDS: &str = include_str!("ids.txt");
/// What no table here has.
const LISTED: &str = include_str!("../../../docs/vectors.md");

/// Their figure beside ours.
#[derive(Debug, Clone, Copy)]
pub enum Theirs {
    /// It is the same.
    Agreed,
    /// It is this one, because ...
    Differs(&'static str, &'static str),
}

impl Theirs {
    /// A difference has another figure and a reason.
    pub fn check(self, id: &str, ours: &str) {
        if let Theirs::Differs(theirs, why) = self {
            assert!(theirs != ours && !why.is_empty(), "{id}: {ours} is no difference");
        }
    }
}

/// The vectors, beside the folder with the real data.
fn vectors() -> Option<Vec<Value>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let data = std::env::var_os("WEIR_TEST_DATA").map_or_else(|| root.join("../shared/data"), PathBuf::from);
    let path = root.join(data).join("../vectors/vectors.jsonl");
    let Ok(text) = std::fs::read_to_string(&path) else {
        eprintln!("SKIPPED: NO VECTORS at {}; set WEIR_TEST_DATA to the folder beside theirs", path.display());
        return None;
    };
    Some(text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

/// Rows of the tables in `docs/vectors.md`: their first cell has one id or several.
fn listed() -> Vec<&'static str> {
    let rows = LISTED.lines().filter_map(|line| line.strip_prefix("| `"));
    let cells = rows.filter_map(|row| row.split(" | ").next());
    cells.flat_map(|cell| cell.split(',')).map(|id| id.trim().trim_matches('`')).collect()
}

#[test]
fn every_vector_has_its_place() {
    let ids: BTreeSet<&str> = IDS.split_whitespace().collect();
    assert_eq!(ids.len(), 152);
    let tested: BTreeSet<&str> =
        prices::ids().chain(periods::ids()).chain(quantities::ids()).chain(rollover::ids()).collect();
    let listed = listed();
    let unique: BTreeSet<&str> = listed.iter().copied().collect();
    assert_eq!(listed.len(), unique.len(), "docs/vectors.md lists an id twice: {listed:?}");
    let both: Vec<&&str> = tested.intersection(&unique).collect();
    assert!(both.is_empty(), "tested, but listed in docs/vectors.md too: {both:?}");
    let placed: BTreeSet<&str> = tested.union(&unique).copied().collect();
    let (missing, foreign): (Vec<_>, Vec<_>) = (ids.difference(&placed).collect(), placed.difference(&ids).collect());
    assert!(missing.is_empty(), "neither tested nor listed in docs/vectors.md: {missing:?}");
    assert!(foreign.is_empty(), "no such vector: {foreign:?}");
}

#[test]
fn the_ids_are_those_of_the_vectors() {
    let Some(vectors) = vectors() else { return };
    let found: BTreeSet<&str> = vectors.iter().map(|vector| vector["id"].as_str().unwrap()).collect();
    let known: BTreeSet<&str> = IDS.split_whitespace().collect();
    assert_eq!(found, known);
}

/// The prices' tables copied their figures, wherever a vector states one total.
#[test]
fn their_totals_are_as_they_say() {
    /// In the total beside the usage: a fee.
    const FEES: [(&str, &str); 1] = [("b060", "30")];
    let Some(vectors) = vectors() else { return };
    let mut compared = 0;
    for (id, total) in prices::totals() {
        let vector = vectors.iter().find(|vector| vector["id"] == id).unwrap();
        let stated = match &vector["expected"]["total"] {
            Value::Null => continue,
            Value::String(text) => text.clone(),
            number => number.to_string(),
        };
        let fee = FEES.iter().find(|(with_fee, _)| *with_fee == id).map_or(Amount::ZERO, |(_, fee)| amount(fee));
        assert_eq!(total.checked_add(fee).unwrap(), amount(&stated), "{id}");
        compared += 1;
    }
    assert!(compared > 60, "{compared}");
}

/// A decimal as an amount.
pub fn amount(text: &str) -> Amount {
    Amount::from_decimal(Decimal::parse(text.as_bytes()).unwrap()).unwrap()
}
