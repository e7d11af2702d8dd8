//! Which row of a bucket is wrong, if it is one: told from what is left when the found rows are taken from the expected ones.
//!
//! A missing row leaves its own hash, one too many its negative, a changed amount the difference of two hashes. Hashes
//! cannot be turned back, but the bucket's events can be tried: one more pass over the log, remembering only the quantities
//! of the buckets in question.

use std::collections::{BTreeMap, HashMap};

use super::Expected;
use super::expected::{Place, usages};
use super::hash::{self, Hasher};
use super::rows::Left;
use crate::workload::digits::decimal_text;
use crate::workload::{AMOUNT_SCALE, Event, Fate};

/// A row that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WrongRow {
    pub(super) event: u64,
    pub(super) what: &'static str,
    pub(super) expected: String,
    pub(super) found: String,
}

/// Tries to find the one row that explains what is left of each bucket.
pub(super) fn locate(expected: &Expected<'_>, wrong: &[(Place, Left)]) -> BTreeMap<Place, WrongRow> {
    let lefts: HashMap<Place, Left> = wrong.iter().copied().collect();
    let mut found = BTreeMap::new();
    if lefts.is_empty() {
        return found;
    }
    let mut hasher = Hasher::default();
    // By bucket and part: what was rated so far.
    let mut quantities: HashMap<(Place, usize), u64> = HashMap::new();
    for event in expected.workload.events().filter(|event| event.fate == Fate::First) {
        let Some(subject) = event.content.subject else { continue };
        let customer = expected.workload.parties().customer_of(subject);
        for usage in usages(expected.workload, &event).flatten() {
            let place = Place { customer, period: event.content.period, slot: usage.slot };
            let Some(left) = lefts.get(&place) else { continue };
            let quantity = quantities.entry((place, expected.part_of(subject))).or_default();
            let before = usage.charge.amount(*quantity);
            *quantity += usage.quantity;
            let amount = usage.charge.amount(*quantity) - before;
            let fingerprint = hasher.fingerprint(expected.workload, event.original, Some(subject));
            let charge = expected.charges[expected.workload.tariff().slots()[usage.slot].charge];
            let hash_of = |amount| hash::of_row(fingerprint, charge, amount);
            if let Some(row) = explain(&event, *left, amount, hash_of) {
                found.insert(place, row);
            }
        }
    }
    found
}

/// Whether this event's row is what is wrong.
fn explain(event: &Event, left: Left, amount: i128, hash_of: impl Fn(i128) -> u128) -> Option<WrongRow> {
    let text = |amount| decimal_text(amount, AMOUNT_SCALE);
    let row = |what, expected, found| Some(WrongRow { event: event.index, what, expected, found });
    match left.rows {
        1 if left.amount == amount && left.digest == hash_of(amount) => {
            row("row", format!("one of {}", text(amount)), "none".to_owned())
        }
        -1 if left.amount == -amount && left.digest == hash_of(amount).wrapping_neg() => {
            row("row", format!("one of {}", text(amount)), "two".to_owned())
        }
        0 => {
            let other = amount - left.amount;
            let explains = left.digest != 0 && left.digest == hash_of(amount).wrapping_sub(hash_of(other));
            if explains { row("amount", text(amount), text(other)) } else { None }
        }
        _ => None,
    }
}
