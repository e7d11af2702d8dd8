//! A catalog that follows another while events flow (design.md 4.4): what was there keeps its number and its meaning.
//!
//! Owns: which changes are harmless to what is rated already, and the numbers of what stays ([`numbers`]). Does not own: reading
//! a catalog's text, nor what a shard does with the new catalog. Strict: what cannot be shown to be harmless to open and
//! sealed periods is refused, with a sentence that says why and what to do instead. Keeps L6, L8.

mod charges;
mod continuity;
mod customers;
mod meters;
mod numbers;
mod plans;
mod renumber;

use std::fmt;

use super::Catalog;
use crate::time::Instant;
use numbers::Numbers;

/// A change that a catalog must not make while events flow. It is the writer's to mend; trying again does not help.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Refusal {
    /// Full path of the key, such as `plans.pro.charges.tokens.price`.
    pub key: String,
    /// What is wrong.
    pub reason: String,
    /// What to do instead.
    pub fix: String,
}

impl fmt::Display for Refusal {
    /// `plans.pro.charges.tokens.price: reason; fix`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.key, self.reason, self.fix)
    }
}

/// Why a catalog cannot follow another: all reasons, one to a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .refusals.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct SuccessionError {
    /// At least one, in the order of the catalog before.
    pub refusals: Vec<Refusal>,
}

/// The catalog that follows `previous`: `next`, with the numbers of `previous` for all that was in it, what is new behind.
///
/// Nothing that `next` says anew takes effect before `not_before`. That must be later than every event that has been rated
/// and no earlier than what any close has sealed: the log time of the control record, plus the clock skew that
/// admission allows. What a customer claims is exempt: a subject's usage is its new owner's from the record on.
///
/// [`Catalog::hash`] is that of the text where the text alone leads to these numbers, and else covers the numbers too.
pub fn succeed(previous: &Catalog, next: Catalog, not_before: Instant) -> Result<Catalog, SuccessionError> {
    let mut refusals = Refusals(Vec::new());
    let Some(numbers) = Numbers::of(previous, &next, &mut refusals) else {
        return Err(SuccessionError { refusals: refusals.0 });
    };
    let next = numbers.renumber(previous, next);
    check(previous, &next, not_before, &mut refusals);
    if refusals.0.is_empty() { Ok(next) } else { Err(SuccessionError { refusals: refusals.0 }) }
}

/// The numbers of a catalog that followed others, by position in its text: one list each of meters, event types, plans, charges,
/// accounts and customers. With its text it is all that there is to the catalog.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Numbering(pub [Vec<u32>; 6]);

/// The numbers that `succeeded` has for what stands in `text`, which it was read from. `None`: the text's own.
pub fn numbering(succeeded: &Catalog, text: &Catalog) -> Option<Numbering> {
    let numbers = Numbers::of(succeeded, text, &mut Refusals(Vec::new()))?;
    numbers.are_changed().then(|| Numbering(numbers.lists().map(<[u32]>::to_vec)))
}

/// A catalog as it was read from its text, under the numbers that it once had. `None`: they are another text's.
pub fn numbered(text: Catalog, numbering: &Numbering) -> Option<Catalog> {
    let numbers = Numbers::kept(numbering, &text)?;
    let before = text.clone();
    Some(numbers.renumber(&before, text))
}

/// Where refusals go.
struct Refusals(Vec<Refusal>);

impl Refusals {
    fn refuse(&mut self, key: impl Into<String>, reason: impl Into<String>, fix: impl Into<String>) {
        self.0.push(Refusal { key: key.into(), reason: reason.into(), fix: fix.into() });
    }

    /// Refuses any difference between two values of a key.
    fn same<T: PartialEq>(&mut self, (key, before, after): (String, &T, &T), reason: &str, fix: &str) {
        if before != after {
            self.refuse(key, reason, fix);
        }
    }
}

/// Two catalogs with the same numbers for what is in both.
#[derive(Clone, Copy)]
struct Pair<'c> {
    before: &'c Catalog,
    after: &'c Catalog,
    not_before: Instant,
}

fn check(before: &Catalog, after: &Catalog, not_before: Instant, refusals: &mut Refusals) {
    let pair = Pair { before, after, not_before };
    check_catalog(before, after, refusals);
    meters::check(pair, refusals);
    plans::check(pair, refusals);
    charges::check(pair, refusals);
    customers::check_accounts(pair, refusals);
    customers::check(pair, refusals);
    continuity::check(pair, refusals);
}

/// What is the catalog's own. Each list has a check of its own.
fn check_catalog(before: &Catalog, after: &Catalog, refusals: &mut Refusals) {
    let Catalog {
        // What reports and documents print.
        name: _,
        seller: _,
        hash: _,
        currency,
        time_zone,
        meters: _,
        event_types: _,
        plans: _,
        charges: _,
        accounts: _,
        customers: _,
        default_plan,
    } = before;
    let stays = "the default of what is rated already must stay";
    let fix = "keep it, and say otherwise where it is to differ: in plans and accounts";
    refusals.same(("currency".to_owned(), currency, &after.currency), stays, fix);
    refusals.same(("time_zone".to_owned(), time_zone, &after.time_zone), stays, fix);
    if default_plan.is_some() && *default_plan != after.default_plan {
        let reason = "the plan of subjects that nobody claims would change in the middle of their periods";
        refusals.refuse("defaults.plan", reason, "keep it, and declare customers under the other plan");
    }
}

#[cfg(test)]
mod tests;
