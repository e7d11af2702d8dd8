//! A slow, plain rater in exact fractions: what a log comes to under a catalog, by the book (rating.md).
//!
//! Owns: an answer that owes nothing to the real program. At each close everything is computed anew from the sets of
//! events; there is no marginal rating, no shard, no merge. Takes valid catalogs and events that the real program would
//! accept, and leaves overflow out. Keeps L2, L3, L5, L6, L8.

mod admission;
mod amount;
mod calendar;
mod catalog;
mod documents;
mod evaluation;
mod event;
mod flow;
mod fold;
mod frame;
mod number;
mod outcome;
mod price;
mod rollover;
mod settle;

pub use self::event::{Entry, Event, Value};
pub use self::number::{AMOUNT_SCALE, Exact};
pub use self::outcome::{Bucket, BucketKey, Document, DocumentKind, Line, LineKey, Outcome, Unpriced, Verdicts};

use anyhow::{Context, Result};

use self::admission::Admission;
use self::catalog::Catalog;
use self::documents::Billed;
use self::evaluation::{Decided, Evaluation};

/// Rates a log. The outcome is that after the last entry; its documents are those of the closes on the way.
///
/// Fails on a catalog that it cannot read, and on an event that the real program would reject.
pub fn rate(catalog_toml: &str, log: &[Entry]) -> Result<Outcome> {
    let catalog = Catalog::parse(catalog_toml).context("catalog")?;
    let mut admission = Admission::new(&catalog);
    let mut decided = Decided::default();
    let mut billed = Billed::default();
    let mut outcome = Outcome::default();
    for (at, entry) in log.iter().enumerate() {
        let through = match entry {
            Entry::Event(event) => {
                admission.admit(event)?;
                continue;
            }
            Entry::Close(through) => *through,
        };
        let since = admission.sealed;
        admission.sealed = through.max(since);
        let mut evaluation = Evaluation::new(&mut admission, &mut decided, since)?;
        outcome.closes.push(billed.close(&mut evaluation, since)?);
        if at + 1 == log.len() {
            evaluation.report(&mut outcome);
        }
    }
    if !matches!(log.last(), Some(Entry::Close(_))) {
        let since = admission.sealed;
        Evaluation::new(&mut admission, &mut decided, since)?.report(&mut outcome);
    }
    outcome.verdicts = admission.verdicts;
    outcome.unpriced = admission.unpriced;
    Ok(outcome)
}

impl Evaluation<'_, '_> {
    /// Writes buckets and amounts.
    fn report(&self, outcome: &mut Outcome) {
        let frames = &self.admission.frames;
        for (at, amount) in &self.amounts {
            let bucket = &self.admission.buckets[*at];
            let frame = &frames.list[bucket.frame];
            let place = frame.place();
            let plan = frames.plan(place.party, place.segment);
            let key = BucketKey {
                customer: frames.parties[place.party].id.clone(),
                period_start: frame.period.start,
                period_end: frame.period.end,
                active_start: frame.active_start(),
                plan: plan.name.clone(),
                charge: frames.charge(place).name.clone(),
                group: bucket.group.iter().map(|&value| value.to_owned()).collect(),
                leaf: bucket.leaf,
            };
            *outcome.amounts.entry(plan.currency.clone()).or_default() += amount;
            let value = Bucket {
                active_end: frame.active_end(),
                events: bucket.usages.len(),
                quantities: self.quantities[at].clone(),
                amount: amount.clone(),
            };
            outcome.buckets.insert(key, value);
        }
    }
}
