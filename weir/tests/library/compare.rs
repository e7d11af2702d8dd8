//! Compares what Weir makes of a case with what the oracle says: verdicts, buckets, and every line of every document.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use num_bigint::BigInt;
use num_rational::BigRational;
use weir_invoicer::{DocumentKind, Invoice, Item};
use weir_loadtest::oracle::{self, Entry, LineKey, Outcome};
use weir_model::catalog::{self, Catalog, NoFiles};
use weir_model::charge::Measured;
use weir_model::number::Amount;
use weir_model::rated::BucketTotal;
use weir_model::time::Instant;

use crate::in_process::{BucketName, Seen, Stage};

/// The log as stages. Behind the last close there is one through the same instant, as at the end of a run.
pub fn stages(log: &[Entry]) -> Vec<Stage> {
    let mut stages = Vec::new();
    let mut lines = Vec::new();
    for entry in log {
        match entry {
            Entry::Event(event) => lines.push(event.to_ndjson().unwrap()),
            Entry::Close(through) => {
                stages.push(Stage { lines: std::mem::take(&mut lines), through: Some(Instant::from_micros(*through)) });
            }
        }
    }
    assert!(lines.is_empty(), "a case ends with a close");
    stages
}

/// The catalog of a case. `Err`: why it is refused.
pub fn load(toml: &str) -> Result<Arc<Catalog>, String> {
    catalog::load("case.toml", toml, &NoFiles).map(|(catalog, _)| Arc::new(catalog)).map_err(|error| error.to_string())
}

/// The first difference, if there is one.
pub fn difference(catalog: &Catalog, seen: &Seen, expected: &Outcome) -> Option<String> {
    verdicts(seen, expected).or_else(|| buckets(catalog, seen, expected)).or_else(|| documents(seen, expected))
}

fn verdicts(seen: &Seen, expected: &Outcome) -> Option<String> {
    let of = &expected.verdicts;
    let pairs = [
        ("duplicate", seen.duplicate, of.duplicate),
        ("conflict", seen.conflict, of.conflict),
        ("rated", seen.rated, of.rated),
        ("unpriced", seen.unpriced, of.unpriced),
        ("unmetered", seen.unmetered, of.unmetered),
        ("late_refused", seen.late_refused, of.late_refused),
    ];
    let differs = pairs.into_iter().find(|(_, seen, expected)| seen != expected);
    differs.map(|(what, seen, expected)| format!("{what}: Weir {seen}, oracle {expected}"))
}

fn buckets(catalog: &Catalog, seen: &Seen, expected: &Outcome) -> Option<String> {
    let ours: BTreeMap<oracle::BucketKey, &BucketTotal> =
        seen.buckets.iter().map(|(name, total)| (key_of(catalog, name), total)).collect();
    let keys: BTreeSet<_> = ours.keys().chain(expected.buckets.keys()).collect();
    for key in keys {
        let our = ours.get(key).filter(|total| total.events > 0 || total.amount != Amount::ZERO);
        let their = expected.buckets.get(key).filter(|bucket| bucket.events > 0 || bucket.amount != BigInt::ZERO);
        if our.is_none() && their.is_none() {
            continue;
        }
        let (Some(our), Some(their)) = (our, their) else {
            return Some(format!("bucket {key:?}: Weir {our:?}, oracle {their:?}"));
        };
        let events = u64::try_from(their.events).unwrap();
        let amount = BigInt::from(our.amount.scaled());
        if (our.events, &amount) != (events, &their.amount) || quantities(catalog, our) != their.quantities {
            return Some(format!("bucket {key:?}: Weir {our:?}, oracle {their:?}"));
        }
    }
    None
}

fn key_of(catalog: &Catalog, (customer, charge, group, cell, period, start): &BucketName) -> oracle::BucketKey {
    let charge = &catalog.charges[charge.at()];
    oracle::BucketKey {
        customer: customer.clone(),
        period_start: period.start.micros(),
        period_end: period.end.micros(),
        active_start: start.micros(),
        plan: catalog.plans[charge.plan.at()].name.clone(),
        charge: charge.name.clone(),
        group: group.clone(),
        leaf: cell.0 as usize,
    }
}

/// In whole units of the meters.
fn quantities(catalog: &Catalog, total: &BucketTotal) -> Vec<BigRational> {
    let charge = &catalog.charges[total.charge.at()];
    let meters = std::iter::once(charge.meter).chain(charge.further.iter().map(|further| further.meter));
    let scaled: Vec<i128> = match &total.measured {
        Measured::ByResource(quantities) => quantities.iter().map(|quantity| quantity.scaled()).collect(),
        measured => vec![measured.quantity().unwrap().scaled()],
    };
    let unit = |index: catalog::MeterIdx| {
        let meter = &catalog.meters[index.at()];
        meter.scale.unit() * meter.aggregation.quantity_factor()
    };
    scaled.into_iter().zip(meters).map(|(scaled, meter)| BigRational::new(scaled.into(), unit(meter).into())).collect()
}

fn documents(seen: &Seen, expected: &Outcome) -> Option<String> {
    for (number, (ours, theirs)) in (1..).zip(seen.documents.iter().zip(&expected.closes)) {
        let mut ours: Vec<Plain> = ours.iter().map(Plain::of_invoice).collect();
        let mut theirs: Vec<Plain> = theirs.iter().map(Plain::of_oracle).collect();
        ours.retain(|document| !document.lines.is_empty());
        theirs.retain(|document| !document.lines.is_empty());
        ours.sort();
        theirs.sort();
        if ours != theirs {
            let ours_only: Vec<_> = ours.iter().filter(|document| !theirs.contains(document)).collect();
            let theirs_only: Vec<_> = theirs.iter().filter(|document| !ours.contains(document)).collect();
            return Some(format!("close {number}: only Weir {ours_only:#?}, only the oracle {theirs_only:#?}"));
        }
    }
    let (ours, theirs) = (seen.documents.len(), expected.closes.len());
    (ours != theirs).then(|| format!("Weir has {ours} closes, the oracle {theirs}"))
}

/// A document without its looks, and without lines of nothing.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Plain {
    customer: String,
    period: (i64, i64),
    kind: &'static str,
    total: i128,
    lines: BTreeMap<LineKey, i128>,
    currency: String,
}

impl Plain {
    fn of_invoice(invoice: &Invoice) -> Plain {
        let lines = invoice.lines.iter().map(|line| {
            let (period, start) = match &line.late {
                Some(late) => (&late.period, late.segment.active.start_at),
                None => {
                    let segment = line.segment.map_or(0, |number| number as usize - 1);
                    let start = invoice.segments.get(segment).map(|segment| segment.active.start_at);
                    (&invoice.period, start.unwrap_or(invoice.period.start_at))
                }
            };
            let key = LineKey {
                period_start: period.start_at.micros(),
                period_end: period.end_at.micros(),
                active_start: start.micros(),
                line: line_of(&line.item),
            };
            (key, line.amount.minor())
        });
        let negative = invoice.kind == DocumentKind::CreditNote;
        Plain {
            customer: invoice.customer.id.clone(),
            period: (invoice.period.start_at.micros(), invoice.period.end_at.micros()),
            kind: match invoice.kind {
                DocumentKind::Invoice => "invoice",
                DocumentKind::CreditNote => "credit note",
                DocumentKind::DebitNote => "debit note",
            },
            total: if negative { -invoice.total.minor() } else { invoice.total.minor() },
            lines: lines.filter(|(_, amount)| *amount != 0).collect(),
            currency: invoice.currency.to_string(),
        }
    }

    fn of_oracle(document: &oracle::Document) -> Plain {
        Plain {
            customer: document.customer.clone(),
            period: (document.period_start, document.period_end),
            kind: match document.kind {
                oracle::DocumentKind::Invoice => "invoice",
                oracle::DocumentKind::CreditNote => "credit note",
                oracle::DocumentKind::DebitNote => "debit note",
            },
            total: document.total,
            lines: document.lines.iter().filter(|(_, amount)| **amount != 0).map(|(k, v)| (k.clone(), *v)).collect(),
            currency: document.currency.clone(),
        }
    }
}

fn line_of(item: &Item) -> oracle::Line {
    match item {
        Item::Fee(fee) => oracle::Line::Fee(fee.name.clone()),
        Item::Usage(usage) => oracle::Line::Usage {
            charge: usage.charge.clone(),
            group: usage.group.iter().map(|dimension| dimension.value.clone()).collect(),
        },
        Item::Discount(discount) => oracle::Line::Discount(discount.charge.clone()),
        Item::Maximum(bound) => oracle::Line::Maximum(bound.charge.clone()),
        Item::Minimum(bound) => oracle::Line::Minimum(bound.charge.clone()),
    }
}
