//! An honest run is clean, a tampered one is found: a run made here by plain bookkeeping over the events in log order, with
//! late usage and usage that comes to two shards, and one change for each thing that can be wrong.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::hash::{self, Hasher};
use super::totals::widened;
use super::*;
use crate::workload::digits::decimal_text;
use crate::workload::{Event, Fate, Parties, Shape, Shares, Workload};

const SHARDS: u16 = 2;

/// A total that owns its texts.
#[derive(Debug, Clone)]
struct Total {
    customer: String,
    charge: String,
    group: Option<String>,
    period_start: i64,
    quantity: i128,
    events: u64,
    amount: i128,
    digest: u128,
}

/// A row that owns its texts.
#[derive(Debug, Clone)]
struct Row {
    usage: Option<Usage>,
    customer: String,
    charge: String,
    group: Option<String>,
    period_start: i64,
    amount: i128,
}

/// Everything that a run leaves behind.
#[derive(Debug, Clone)]
struct Run {
    report: Value,
    totals: Vec<Total>,
    rows: Vec<Row>,
}

fn workload() -> Workload {
    let shares = Shares { duplicate: 60, conflict: 30, bad: 20, unmetered: 20, unpriced: 10, late: 0 };
    let shape =
        Shape { seed: 3, events: 4_000, customers: 12, shared: 6, meters: 5, periods: 3, shares, closes: Vec::new() };
    Workload::new(shape.with_closes(150)).unwrap()
}

type ChangeReport = fn(&mut Value);
type ChangeTotals = fn(&mut Vec<Total>);
/// Changes the row at an index.
type ChangeOneRow = fn(&mut Vec<Row>, usize);
type ChangeRows = Box<dyn Fn(&mut Vec<Row>)>;

/// What bookkeeping needs of a bucket.
#[derive(Debug, Clone, Default)]
struct Book {
    /// Quantity by shard.
    parts: BTreeMap<u16, u64>,
    rated: i128,
    events: u64,
    digest: u128,
}

type Key = (usize, usize, usize);

/// The books after all events, and the rows in the log's order.
fn keep_books(workload: &Workload) -> (BTreeMap<Key, Book>, Vec<Row>, u64) {
    let (mut books, mut rows, mut refused) = (BTreeMap::<Key, Book>::new(), Vec::new(), 0);
    let mut hasher = Hasher::default();
    for event in workload.events().filter(|event| event.fate == Fate::First) {
        let Event { content, original, index, .. } = event;
        let Some(subject) = content.subject else { continue };
        let customer = workload.parties().customer_of(subject);
        let fingerprint = hasher.fingerprint(workload, original, Some(subject));
        let event_hash = hash::of_event(fingerprint, hasher.payload(&content));
        let shard = hasher.shard(workload, subject, SHARDS);
        for (charge, slot) in workload.usages(content) {
            if content.late && charge.name.ends_with("-strict") {
                refused += 1;
                continue;
            }
            let book = books.entry((customer, content.period, slot)).or_default();
            let part = book.parts.entry(shard).or_default();
            let amount = charge.amount(*part + charge.quantity(content.value)) - charge.amount(*part);
            *part += charge.quantity(content.value);
            book.rated += amount;
            book.events += 1;
            book.digest = book.digest.wrapping_add(event_hash);
            let quantity = widened(charge.quantity(content.value), charge.scale());
            rows.push(row(
                workload,
                (customer, content.period, slot),
                amount,
                Some(Usage { event: index, fingerprint, quantity }),
            ));
        }
    }
    (books, rows, refused)
}

fn row(workload: &Workload, (customer, period, slot): Key, amount: i128, usage: Option<Usage>) -> Row {
    Row {
        usage,
        customer: Parties::customer_name(customer),
        charge: workload.tariff().charge_at(slot).name.clone(),
        group: workload.tariff().slots()[slot].group.clone(),
        period_start: workload.calendar().start(period),
        amount,
    }
}

/// Adds the buckets that owe P(0), settles the shared ones, and sums up.
fn run(workload: &Workload) -> Run {
    let (mut books, mut rows, late_refused) = keep_books(workload);
    let owing =
        (0..workload.tariff().slots().len()).filter(|slot| workload.tariff().charge_at(*slot).owes_without_usage());
    for slot in owing {
        let periods: Vec<(usize, usize)> = books.keys().map(|(customer, period, _)| (*customer, *period)).collect();
        for (customer, period) in periods {
            books.entry((customer, period, slot)).or_default();
        }
    }
    let mut digest = 0_u128;
    for row in &rows {
        let usage = row.usage.unwrap();
        digest = digest.wrapping_add(hash::of_row(usage.fingerprint, hash::charge(&row.charge), row.amount));
    }
    let usages = rows.len();
    let (mut totals, mut amounts, mut cents) = (Vec::new(), 0_i128, 0_i128);
    for (key, book) in &books {
        let charge = workload.tariff().charge_at(key.2);
        let quantity = book.parts.values().sum();
        let amount = charge.amount(quantity);
        if amount - charge.amount(0) != book.rated {
            rows.push(row(workload, *key, amount - charge.amount(0) - book.rated, None));
        }
        amounts += amount;
        cents += (amount + 5 * 10_i128.pow(15)) / 10_i128.pow(16);
        let Row { customer, charge: name, group, period_start, .. } = row(workload, *key, 0, None);
        let (quantity, Book { events, digest, .. }) = (widened(quantity, charge.scale()), book.clone());
        totals.push(Total { customer, charge: name, group, period_start, quantity, events, amount, digest });
    }
    let mut report = verdicts(workload, late_refused);
    report["totals"] = json!(books.values().filter(|book| book.events > 0).count());
    report["rows"] = json!(usages);
    report["rows_digest"] = json!(format!("{digest:032x}"));
    report["amounts"] = json!({ "USD": decimal_text(amounts, 18) });
    report["invoiced"] = json!({ "USD": decimal_text(cents, 2) });
    Run { report, totals, rows }
}

fn verdicts(workload: &Workload, late_refused: u64) -> Value {
    let (mut counts, mut codes) = (BTreeMap::<&str, u64>::new(), BTreeMap::<&str, u64>::new());
    for event in workload.events() {
        let fate = match event.fate {
            Fate::First => "accepted",
            Fate::Duplicate { .. } => "duplicate",
            Fate::Conflict { .. } => "conflict",
            Fate::Bad(damage) => {
                *codes.entry(Workload::rejection(damage)).or_default() += 1;
                "rejected"
            }
        };
        *counts.entry(fate).or_default() += 1;
        if fate == "accepted" && event.content.subject.is_none() {
            *counts.entry("unpriced").or_default() += 1;
        } else if fate == "accepted" && event.content.meter.is_none() {
            *counts.entry("unmetered").or_default() += 1;
        }
    }
    let rated = counts["accepted"] - counts["unpriced"] - counts["unmetered"] - late_refused;
    let mut report = json!(counts);
    report["rated"] = json!(rated);
    report["received"] = json!(workload.shape().events);
    report["late_refused"] = json!(late_refused);
    report["rejected_by_code"] = json!(codes);
    for name in ["voided", "correction", "skipped"] {
        report[name] = json!(0);
    }
    report
}

fn audit(expected: &Expected<'_>, run: &Run) -> Summary {
    let mut totals = TotalsAudit::new(expected);
    for Total { customer, charge, group, period_start, quantity, events, amount, digest } in &run.totals {
        totals.check(&TotalRow {
            customer,
            charge,
            group: group.as_deref(),
            period_start: *period_start,
            quantity: *quantity,
            events: *events,
            amount: *amount,
            digest: *digest,
        });
    }
    let mut rows = RowsAudit::new(expected);
    for Row { usage, customer, charge, group, period_start, amount } in &run.rows {
        rows.check(&RatedRow {
            usage: *usage,
            customer,
            charge,
            group: group.as_deref(),
            period_start: *period_start,
            amount: *amount,
        });
    }
    Summary(vec![audit_report(expected, &run.report), totals.finish(), rows.finish()])
}

/// The findings' first words of each audit that has some, numbers and names left out.
fn whats(summary: &Summary) -> Vec<(&'static str, Vec<String>)> {
    let found = summary.0.iter().filter(|audit| !audit.is_clean());
    found.map(|audit| (audit.name, audit.findings.iter().map(|finding| finding.what.clone()).collect())).collect()
}

#[test]
fn an_honest_run_is_clean() {
    let workload = workload();
    let honest = run(&workload);
    let summary = audit(&Expected::new(&workload, SHARDS), &honest);
    assert!(summary.is_clean(), "{summary}");
    let counts: Vec<u64> = summary.0.iter().map(|audit| audit.checked).collect();
    assert!(counts[0] > 30 && counts[1] > 200 && counts[2] > 3_000, "{summary}");
    assert!(honest.report["late_refused"].as_u64() > Some(20), "{}", honest.report);
    assert!(honest.rows.iter().filter(|row| row.usage.is_none()).count() > 10, "usage came to both shards");
}

#[test]
fn a_change_of_the_report_is_found() {
    let workload = workload();
    let expected = Expected::new(&workload, SHARDS);
    let honest = run(&workload);
    for name in ["received", "accepted", "duplicate", "conflict", "rejected", "rated", "unpriced", "unmetered"]
        .into_iter()
        .chain(["late_refused", "voided", "correction", "skipped", "rows", "totals"])
    {
        let mut tampered = honest.clone();
        tampered.report[name] = json!(honest.report[name].as_u64().unwrap() + 1);
        assert_eq!(whats(&audit(&expected, &tampered)), [("report", vec![name.to_owned()])]);
        tampered.report.as_object_mut().unwrap().remove(name);
        assert_eq!(whats(&audit(&expected, &tampered)), [("report", vec![name.to_owned()])]);
    }
    let cases: [(&str, ChangeReport); 6] = [
        ("amounts", |report| report["amounts"]["USD"] = json!("1.5")),
        ("amounts", |report| report["amounts"]["EUR"] = json!("0")),
        ("invoiced", |report| report["invoiced"] = json!({})),
        ("rows_digest", |report| report["rows_digest"] = json!("0".repeat(32))),
        ("rejected_by_code json_invalid", |report| report["rejected_by_code"]["json_invalid"] = json!(1)),
        ("rejected_by_code row_malformed", |report| report["rejected_by_code"]["row_malformed"] = json!(1)),
    ];
    for (what, change) in cases {
        let mut tampered = honest.clone();
        change(&mut tampered.report);
        assert_eq!(whats(&audit(&expected, &tampered)), [("report", vec![what.to_owned()])]);
    }
}

#[test]
fn a_change_of_a_total_is_found() {
    let workload = workload();
    let expected = Expected::new(&workload, SHARDS);
    let honest = run(&workload);
    let cases: [(&[&str], ChangeTotals); 8] = [
        (&["total"], |totals| drop(totals.remove(7))),
        (&["total"], |totals| totals.push(totals[7].clone())),
        (&["total", "total"], |totals| totals[7].charge = "c99".to_owned()),
        (&["total", "total"], |totals| totals[7].period_start += 1),
        (&["quantity"], |totals| totals[7].quantity += 1),
        (&["events"], |totals| totals[7].events -= 1),
        (&["amount"], |totals| totals[7].amount += 1),
        (&["digest"], |totals| totals[7].digest ^= 1 << 100),
    ];
    for (expected_whats, change) in cases {
        let mut tampered = honest.clone();
        change(&mut tampered.totals);
        let summary = audit(&expected, &tampered);
        assert_eq!(whats(&summary), [("totals", expected_whats.iter().map(|what| (*what).to_owned()).collect())]);
    }
}

#[test]
fn a_wrong_row_is_found_and_named() {
    let workload = workload();
    let expected = Expected::new(&workload, SHARDS);
    let honest = run(&workload);
    // Rows of a graduated charge: what one costs depends on those before it.
    let at = honest.rows.iter().position(|row| row.charge == "c2").unwrap();
    let event = honest.rows[at].usage.unwrap().event;
    let one_of = format!("one of {}", decimal_text(honest.rows[at].amount, 18));
    let more = decimal_text(honest.rows[at].amount + 1, 18);
    let cases: [(&str, ChangeOneRow, &str, &str); 3] = [
        ("row", |rows, at| drop(rows.remove(at)), &one_of, "none"),
        ("row", |rows, at| rows.push(rows[at].clone()), &one_of, "two"),
        ("amount", |rows, at| rows[at].amount += 1, &one_of[7..], &more),
    ];
    for (what, change, as_expected, as_found) in cases {
        let mut tampered = honest.clone();
        change(&mut tampered.rows, at);
        let Summary(audits) = audit(&expected, &tampered);
        let [finding] = audits[2].findings.as_slice() else { panic!("{:?}", audits[2]) };
        assert_eq!((&*finding.what, &*finding.expected, &*finding.found), (what, as_expected, as_found));
        assert!(finding.place.starts_with(&format!("event {event}, customer ")), "{finding}");
    }
}

#[test]
fn rows_that_cannot_be_and_rows_that_do_not_add_up_are_found() {
    let workload = workload();
    let expected = Expected::new(&workload, SHARDS);
    let honest = run(&workload);
    let settlement = honest.rows.iter().position(|row| row.usage.is_none()).unwrap();
    let duplicate = workload.events().find(|event| matches!(event.fate, Fate::Duplicate { .. })).unwrap().index;
    let bucket = |row: &Row| (row.customer.clone(), row.charge.clone(), row.group.clone(), row.period_start);
    let of_first = |(at, row): (usize, &Row)| (bucket(row) == bucket(&honest.rows[0])).then_some(at);
    let two: Vec<usize> = honest.rows.iter().enumerate().filter_map(of_first).take(2).collect();
    let with = |change: fn(&mut Usage)| -> ChangeRows { Box::new(move |rows| change(rows[0].usage.as_mut().unwrap())) };
    let cases: [(&[&str], ChangeRows); 8] = [
        (&["fingerprint", "row"], with(|usage| usage.fingerprint ^= 1)),
        (&["quantity"], with(|usage| usage.quantity += 1)),
        (&["row", "row"], with(|usage| usage.event = u64::MAX)),
        (&["row", "row"], Box::new(move |rows| rows[0].usage.as_mut().unwrap().event = duplicate)),
        (&["row", "row"], Box::new(|rows| rows[0].customer = "c0000011".to_owned())),
        (&["row", "row"], Box::new(|rows| rows[0].charge = "nothing".to_owned())),
        (&["sum of rows"], Box::new(move |rows| rows[settlement].amount += 1)),
        (
            &["sum of rows", "digest of rows"],
            Box::new(move |rows| {
                two.iter().for_each(|at| rows[*at].amount += 1);
            }),
        ),
    ];
    for (expected_whats, change) in cases {
        let mut tampered = honest.clone();
        change(&mut tampered.rows);
        let summary = audit(&expected, &tampered);
        let whats = whats(&summary);
        assert_eq!(whats, [("rows", expected_whats.iter().map(|what| (*what).to_owned()).collect())], "{summary}");
    }
}

#[test]
fn the_summary_reads_as_a_table() {
    let mut totals = Audit::new("totals");
    totals.checked = 1_234;
    totals.find("events", "customer c0000001".to_owned(), 2, 1);
    let mut rows = Audit::new("rows");
    (0..FINDINGS_MAX + 2).for_each(|row| rows.find("amount", format!("row {row}"), "0.5", "0.6"));
    let text = Summary(vec![totals, rows]).to_string();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines[..3],
        ["  audit   checked  findings", "  totals     1234         1", "  rows          0       102"]
    );
    assert_eq!(lines[4], "totals: customer c0000001: events: expected 2, found 1");
    assert_eq!(lines[5], "rows: row 0: amount: expected 0.5, found 0.6");
    assert_eq!(lines.last(), Some(&"rows: and 2 more"));
}
