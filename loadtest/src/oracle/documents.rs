//! Lines and documents (rating.md 6 and 7): rounding (c), discount, maximum, minimum, fees, late differences.
//!
//! Owns: what each close bills. A line bills its new rounded value less what was billed under its key, never a rounded
//! difference. Keeps L8.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use num_bigint::BigInt;
use num_traits::Zero;

use super::calendar::Period;
use super::catalog::{Charge, LatePolicy};
use super::evaluation::{Evaluation, Stretch};
use super::frame::Place;
use super::number::{AMOUNT_SCALE, Exact, Mode, from_scaled, round, round_amount};
use super::outcome::{Document, DocumentKind, Line, LineKey};

/// A line's state at a position of the log.
struct State {
    /// In minor units.
    value: i128,
    /// Billed even at 0.
    has_usage: bool,
    policy: LatePolicy,
}

impl State {
    /// Whether the line makes an invoice, so that late lines have one to go on: fees do, even of nothing.
    fn stands(&self, line: &Line) -> bool {
        self.value != 0 || self.has_usage || matches!(line, Line::Fee(_))
    }
}

/// Lines by customer.
type Lines = BTreeMap<(usize, LineKey), State>;

/// What the closes so far have billed.
#[derive(Debug, Default)]
pub(super) struct Billed {
    lines: BTreeMap<(usize, LineKey), (i128, LatePolicy)>,
}

/// A document's customer and period, by which it is sorted: the period that ends first is the earliest.
type DocumentOf = (usize, i64, i64);

impl Billed {
    /// The documents of a close. `since` is what was sealed before it.
    pub(super) fn close(&mut self, evaluation: &mut Evaluation<'_, '_>, since: i64) -> Result<Vec<Document>> {
        let sealed = evaluation.admission.sealed;
        let mut lines = Lines::new();
        let mut earliest: BTreeMap<usize, (i64, i64)> = BTreeMap::new();
        for stretch in evaluation.stretches.clone() {
            let (_, _, period) = stretch;
            if period.end > sealed {
                continue;
            }
            add_lines(evaluation, stretch, &mut lines)?;
        }
        for ((party, key), _) in
            lines.iter().filter(|((_, key), state)| key.period_end > since && state.stands(&key.line))
        {
            let own = earliest.entry(*party).or_insert((key.period_end, key.period_start));
            *own = (*own).min((key.period_end, key.period_start));
        }
        let mut invoices: BTreeMap<DocumentOf, BTreeMap<LineKey, i128>> = BTreeMap::new();
        let mut notes = invoices.clone();
        let keys: BTreeSet<(usize, LineKey)> = lines.keys().chain(self.lines.keys()).cloned().collect();
        for (party, key) in keys {
            let place = (party, key.clone());
            let (billed, old_policy) = self.lines.get(&place).copied().unwrap_or((0, LatePolicy::NextInvoice));
            let gone = State { value: 0, has_usage: false, policy: old_policy };
            let state = lines.get(&place).unwrap_or(&gone);
            let difference = state.value - billed;
            let is_first = key.period_end > since;
            let document = (party, key.period_end, key.period_start);
            let target = match (is_first, state.policy, earliest.get(&party)) {
                (true, _, _) => invoices.entry(document),
                (false, LatePolicy::NextInvoice | LatePolicy::Refuse, Some((end, start))) => {
                    invoices.entry((party, *end, *start))
                }
                _ => notes.entry(document),
            };
            if difference != 0 || (is_first && state.has_usage) {
                target.or_default().insert(key, difference);
            }
            self.lines.insert(place, (state.value, state.policy));
        }
        let invoices = invoices.into_iter().map(|(of, lines)| document(evaluation, of, lines, DocumentKind::Invoice));
        let notes = notes.into_iter().map(|(of, lines)| document(evaluation, of, lines, DocumentKind::DebitNote));
        let mut documents: Vec<Document> = invoices.chain(notes).collect();
        documents.sort();
        Ok(documents)
    }
}

fn document(
    evaluation: &Evaluation<'_, '_>,
    (party, period_end, period_start): DocumentOf,
    lines: BTreeMap<LineKey, i128>,
    positive: DocumentKind,
) -> Document {
    let frames = &evaluation.admission.frames;
    let total = lines.values().sum();
    Document {
        customer: frames.parties[party].id.clone(),
        period_start,
        period_end,
        is_note: positive == DocumentKind::DebitNote,
        kind: if total < 0 { DocumentKind::CreditNote } else { positive },
        total,
        lines,
        currency: frames.plan(party, 0).currency.clone(),
    }
}

/// The lines of one part of a period: fees, and those of its charges.
fn add_lines(evaluation: &mut Evaluation<'_, '_>, (party, segment, period): Stretch, lines: &mut Lines) -> Result<()> {
    let frames = &evaluation.admission.frames;
    let plan = frames.plan(party, segment);
    let start = frames.parties[party].segments[segment].start.max(period.start);
    let fraction = frames.active_fraction(party, segment, period)?;
    for (name, amount) in &plan.fees {
        let value = to_minor(&exact(&round_amount(&(amount * &fraction))), plan.minor_decimals)?;
        let state = State { value, has_usage: false, policy: LatePolicy::NextInvoice };
        lines.insert((party, key(period, start, Line::Fee(name.clone()))), state);
    }
    for charge in 0..plan.charges.len() {
        let place = Place { party, segment, charge };
        let frame = evaluation.admission.frames.frame(place, period)?;
        // What goes on from an earlier segment is met there, too: the lines are the same.
        add_charge(evaluation, frame, lines)?;
    }
    Ok(())
}

fn key(period: Period, active_start: i64, line: Line) -> LineKey {
    LineKey { period_start: period.start, period_end: period.end, active_start, line }
}

/// The usage lines of a charge, one per group, then discount, maximum, minimum.
fn add_charge(evaluation: &Evaluation<'_, '_>, frame: usize, lines: &mut Lines) -> Result<()> {
    let frames = &evaluation.admission.frames;
    let (place, period) = (frames.list[frame].place(), frames.list[frame].period);
    let start = frames.list[frame].active_start();
    let charge = frames.charge(place);
    let decimals = frames.plan(place.party, place.segment).minor_decimals;
    let mut groups: BTreeMap<Vec<String>, (BigInt, bool)> = BTreeMap::new();
    // A frame that is new here has no bucket.
    for at in evaluation.buckets_of.get(frame).map_or(&[][..], Vec::as_slice) {
        let group = evaluation.admission.buckets[*at].group.iter().map(|&value| value.to_owned()).collect();
        let (sum, has_usage) = groups.entry(group).or_insert((BigInt::zero(), false));
        *sum += evaluation.amount(*at);
        *has_usage |= evaluation.has_usage(*at);
    }
    let gross: Exact = exact(&groups.values().map(|(sum, _)| sum).sum());
    let mut total = 0;
    let mut add = |line: Line, value: i128, has_usage: bool| {
        lines.insert((place.party, key(period, start, line)), State { value, has_usage, policy: charge.late_policy });
    };
    for (group, (sum, has_usage)) in groups {
        let value = to_minor(&exact(&sum), decimals)?;
        total += value;
        add(Line::Usage { charge: charge.name.clone(), group }, value, has_usage);
    }
    if let Some(rate) = &charge.discount {
        let value = -to_minor(&(gross * rate), decimals)?;
        total += value;
        add(Line::Discount(charge.name.clone()), value, false);
    }
    let fraction = evaluation.fraction(frame)?;
    let pro_rated = |bound: &Exact| to_minor(&exact(&round_amount(&(bound * &fraction))), decimals);
    let Charge { maximum, minimum, .. } = charge;
    if let Some(maximum) = maximum {
        let value = -(total - pro_rated(maximum)?).max(0);
        total += value;
        add(Line::Maximum(charge.name.clone()), value, false);
    }
    if let Some(minimum) = minimum {
        let value = (pro_rated(minimum)? - total).max(0);
        add(Line::Minimum(charge.name.clone()), value, false);
    }
    Ok(())
}

/// An amount of 10^-18 units.
fn exact(amount: &BigInt) -> Exact {
    from_scaled(amount.clone(), AMOUNT_SCALE)
}

/// Rounding (c).
fn to_minor(amount: &Exact, decimals: u32) -> Result<i128> {
    round(amount, decimals, Mode::HalfAway).try_into().context("a line does not fit")
}
