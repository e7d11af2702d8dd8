//! What documents have billed, line by line, so that a later close bills each line's difference (rating.md 7). Keeps L8.
//!
//! Owns: the key under which a line is the same at every close. Does not own: which document a difference goes on.

use std::collections::BTreeMap;

use weir_model::catalog::{ChargeIdx, CustomerIdx};
use weir_model::number::{Money, Overflow};
use weir_model::rated::{CustomerPeriod, Segment};
use weir_model::time::Instant;

use crate::document::{Context, Entry, Figure};
use crate::error::InvoiceError;

/// Whether what a close bills is kept for the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remember {
    /// Another close follows: every line's value is kept.
    Lines,
    /// This close is the last: nothing is kept, so that a single close pays nothing.
    Nothing,
}

/// A customer's period, in the order in which documents are numbered.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PeriodKey {
    end: Instant,
    customer: String,
    start: Instant,
    /// Tells a customer from a subject of its id that nobody claimed before.
    declared: Option<CustomerIdx>,
}

impl PeriodKey {
    pub fn of(period: &CustomerPeriod) -> PeriodKey {
        let (start, end) = (period.period.start, period.period.end);
        PeriodKey { end, customer: period.customer.clone(), start, declared: period.declared }
    }
}

/// A line within its period.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LineKey {
    pub segment_start: Instant,
    pub part: Part,
    /// Of usage; empty for all others.
    pub group: Box<[String]>,
}

/// What a line bills.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    /// By its position in the plan.
    Fee(u32),
    Usage(ChargeIdx),
    Discount(ChargeIdx),
    Maximum(ChargeIdx),
    Minimum(ChargeIdx),
}

impl LineKey {
    fn of(segments: &[Segment], figure: &Figure<'_>) -> LineKey {
        let segment_start = segments.get(figure.segment).map(|segment| segment.active.start).unwrap_or_default();
        let (part, group) = match figure.entry {
            Entry::Fee { number, .. } => (Part::Fee(number), None),
            Entry::Usage { of, buckets, .. } => (Part::Usage(of.index), buckets.first().map(|bucket| &bucket.group)),
            Entry::Discount { of, .. } => (Part::Discount(of.index), None),
            Entry::Maximum { of, .. } => (Part::Maximum(of.index), None),
            Entry::Minimum { of, .. } => (Part::Minimum(of.index), None),
        };
        LineKey { segment_start, part, group: group.map(|group| group.as_slice().into()).unwrap_or_default() }
    }
}

/// A line whose value is not what was billed for it.
pub(crate) struct Difference<'a> {
    pub line: Changed<'a>,
    pub owed: Money,
    pub billed: Money,
}

/// The line that a difference is about.
pub(crate) enum Changed<'a> {
    /// As it is now.
    Now(Figure<'a>),
    /// It was billed and is gone: nothing is owed for it any more.
    Gone(LineKey),
}

/// Everything that was billed and may still change.
#[derive(Debug, Default)]
pub(crate) struct Billed {
    periods: BTreeMap<PeriodKey, BilledPeriod>,
}

/// What was billed for one period.
#[derive(Debug, Default)]
struct BilledPeriod {
    /// Of the period's first document, in the series.
    sequence: Option<u64>,
    /// Minor units by line, sorted; what is not here was billed nothing.
    lines: Vec<(LineKey, i128)>,
}

impl BilledPeriod {
    /// What was billed for a line, which from then on counts as found.
    fn take(&mut self, key: &LineKey) -> i128 {
        let found = self.lines.binary_search_by(|(line, _)| line.cmp(key)).ok();
        found.and_then(|position| self.lines.get_mut(position)).map_or(0, |(_, minor)| std::mem::take(minor))
    }
}

impl Billed {
    /// Keeps what a period's first document bills.
    pub fn enter(&mut self, context: &Context<'_>, sequence: u64) -> Result<(), InvoiceError> {
        let mut lines = Vec::new();
        context.figures(|figure| {
            keep(&mut lines, context, &figure);
            Ok(())
        })?;
        self.insert(context, BilledPeriod { sequence: Some(sequence), lines });
        Ok(())
    }

    /// The lines of a period whose value is not what was billed, in the order of documents, and the position of the period's
    /// first document in the series. From then on they count as billed; with [`Remember::Nothing`] the period is forgotten.
    pub fn settle<'a>(
        &mut self,
        context: &Context<'a>,
        remember: Remember,
    ) -> Result<(Option<u64>, Vec<Difference<'a>>), InvoiceError> {
        let money = |minor| Money::from_minor(minor, context.currency);
        let mut before = self.periods.remove(&PeriodKey::of(context.period)).unwrap_or_default();
        let mut differences = Vec::new();
        let mut lines = Vec::new();
        context.figures(|figure| {
            let billed = money(before.take(&LineKey::of(&context.period.segments, &figure)));
            if figure.amount != billed {
                differences.push(Difference { line: Changed::Now(figure), owed: figure.amount, billed });
            }
            keep(&mut lines, context, &figure);
            Ok(())
        })?;
        let sequence = before.sequence;
        for (key, minor) in before.lines.into_iter().filter(|(_, minor)| *minor != 0) {
            differences.push(Difference { line: Changed::Gone(key), owed: money(0), billed: money(minor) });
        }
        if remember == Remember::Lines {
            self.insert(context, BilledPeriod { sequence, lines });
        }
        Ok((sequence, differences))
    }

    fn insert(&mut self, context: &Context<'_>, mut billed: BilledPeriod) {
        billed.lines.sort_unstable();
        billed.lines.shrink_to_fit();
        self.periods.insert(PeriodKey::of(context.period), billed);
    }
}

impl Difference<'_> {
    /// What is left to bill.
    pub fn amount(&self) -> Result<Money, Overflow> {
        let minor = self.owed.minor().checked_sub(self.billed.minor()).ok_or(Overflow)?;
        Ok(Money::from_minor(minor, self.owed.currency()))
    }
}

fn keep(lines: &mut Vec<(LineKey, i128)>, context: &Context<'_>, figure: &Figure<'_>) {
    if figure.amount.minor() != 0 {
        lines.push((LineKey::of(&context.period.segments, figure), figure.amount.minor()));
    }
}
