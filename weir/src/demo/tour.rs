//! What the demo says: a guided tour for people. No colour, no terminal tricks; the same text in a pipe.

use std::fmt::Write as _;
use std::time::Duration;

use super::audit::{Audit, Check, story};
use super::cast::CAST;
use super::documents::Documents;
use super::folder::Folder;
use super::put_in::PutIn;
use crate::report::Report;
use crate::shell::{program, quoted};
use crate::table::{aligned, grouped};

/// Customers in the list of the largest.
const LARGEST: usize = 10;

/// The first stop.
pub fn generated(put_in: &PutIn, seed: u64, took: Duration) -> String {
    let subjects: usize = CAST.iter().map(|player| player.subjects.len()).sum();
    format!(
        "\
The month of August 2026 at Clairon Models, which sells tokens, images, seats and storage (seed {seed}).

1. Generated in {:.2} s
   {} lines, {} MB of CloudEvents: {} customers with {subjects} subjects, busy by day and quiet on Sundays,
   the largest with a third of all usage. {} events arrive behind later ones, {} of them hours or days late.
   Hidden among them, on purpose: retries, contradictions, broken lines, and usage that nobody has priced.
",
        took.as_secs_f64(),
        count(put_in.lines),
        megabytes(put_in.bytes),
        CAST.len(),
        count(put_in.out_of_order),
        count(put_in.late),
    )
}

/// The second stop.
pub fn rated(report: &Report) -> String {
    let rate = grouped(&format!("{:.0}", report.events_per_s));
    let mut money = String::new();
    for (currency, invoiced) in &report.invoiced {
        let _ = write!(money, ", {} {currency}", grouped(invoiced));
    }
    format!(
        "
2. Rated, archived and invoiced in {:.2} s: {rate} events a second
   {} rated rows in {} totals; {} invoices{money}.
   Closed through {}, when August had ended in New York too. Meridian Bank's next period runs
   to 13 September and stays open.
",
        report.elapsed_s,
        count(report.rows),
        count(report.totals),
        count(report.invoices),
        report.through.as_deref().unwrap_or("nothing"),
    )
}

/// The third stop.
pub fn compared(audit: &Audit) -> String {
    let mut rows = vec![head()];
    rows.extend(audit.counts.iter().map(row));
    rows.push(Vec::new());
    rows.extend(audit.meters.iter().map(row));
    let mut text = format!("\n3. Put in, and caught\n{}", aligned(&rows));
    let failures = audit.failures();
    if failures.is_empty() {
        let _ = write!(
            text,
            "
   Every figure agrees: these, the {} quantities by customer, meter and period, the lost revenue below,
   and the sum of the invoices.
",
            audit.places.len()
        );
    } else {
        let _ = write!(text, "\n   These figures DIFFER ({}):\n", failures.len());
        let rows: Vec<_> = std::iter::once(head()).chain(failures.into_iter().map(row)).collect();
        text.push_str(&aligned(&rows));
    }
    text
}

fn head() -> Vec<String> {
    vec![String::new(), "put in".to_owned(), "caught".to_owned(), String::new()]
}

fn row(check: &Check) -> Vec<String> {
    let mark = if check.holds() { "" } else { "DIFFERS" };
    vec![format!("  {}", check.what), figure(&check.put_in), figure(&check.caught), mark.to_owned()]
}

fn figure(text: &str) -> String {
    if text.starts_with(|first: char| first.is_ascii_digit() || first == '-') { grouped(text) } else { text.to_owned() }
}

/// The fourth stop.
pub fn lost(report: &Report, put_in: &PutIn) -> String {
    let mut text = String::from("\n4. Lost revenue: usage without a price is kept, counted and shown, never dropped\n");
    for (reason, events) in &put_in.unpriced {
        let _ = writeln!(text, "   {}, {} events: {}", reason.code(), count(*events), story(*reason));
        let tokens = report.unpriced_usage.iter().filter(|unpriced| {
            unpriced.reason == reason.code() && unpriced.meter.as_deref().is_some_and(|meter| meter.ends_with("tokens"))
        });
        let tokens: Vec<String> = tokens
            .map(|unpriced| {
                let quantity = unpriced.quantity.as_deref().map_or("too many".to_owned(), grouped);
                format!("{quantity} {}", unpriced.meter.as_deref().unwrap_or_default().replace('_', " "))
            })
            .collect();
        let _ = writeln!(text, "     {}", tokens.join(", "));
    }
    text
}

/// The fifth stop.
pub fn largest(documents: &Documents) -> String {
    let mut text = String::from("\n5. The largest invoices\n");
    let rows: Vec<Vec<String>> = documents
        .largest_first()
        .into_iter()
        .take(LARGEST)
        .map(|document| {
            let amount = format!("{} {}", grouped(&document.total), document.currency);
            vec![format!("  {}", document.customer_name), document.number.clone(), document.plan.clone(), amount]
        })
        .collect();
    text.push_str(&aligned(&rows));
    if documents.len() > LARGEST {
        let _ = writeln!(text, "   and {} more", documents.len() - LARGEST);
    }
    text
}

/// The sixth stop.
pub fn one_invoice(text: &str) -> String {
    let mut shown = String::from("\n6. One of them, whole: three subjects, one bill\n\n");
    for line in text.lines() {
        shown.push_str(format!("   {line}").trim_end());
        shown.push('\n');
    }
    shown
}

/// Where everything is, and what to try next.
pub fn farewell(folder: &Folder, invoice: &str) -> String {
    let root = folder.root().display();
    let (catalog, events) = (quoted(&folder.catalog()), quoted(&folder.events()));
    let (results, weir) = (quoted(&folder.results()), quoted(&program()));
    format!(
        "
7. Left behind in {root}
   catalog.toml      what is measured and what it costs
   events.ndjson     the month
   results/          invoices/ as JSON, text and HTML ({invoice}.html is the one above), totals/, rated/ and events/
                     as Parquet, quarantine.ndjson with everything that was turned away, report.json

Try next:
  {weir} run --catalog {catalog} --events {events} --customer librairie-lumiere
      one customer's invoice, in French
  {weir} check {catalog}
      is the price list sound, and what in it could surprise? Change a price before the next command
  {weir} run --catalog {catalog} --events {events} --out {results} --force
      the same month again, at your prices
"
    )
}

/// In millions of bytes, with one decimal.
fn megabytes(bytes: u64) -> String {
    format!("{}.{}", bytes / 1_000_000, bytes / 100_000 % 10)
}

fn count(count: u64) -> String {
    grouped(&count.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_shouted() {
        let check = Check { what: "duplicate".into(), put_in: "1200".into(), caught: "1199".into() };
        let text = compared(&Audit { counts: vec![check], ..Audit::default() });
        assert!(text.contains("1,200   1,199  DIFFERS"), "{text}");
        assert!(text.contains("DIFFER (1)"), "{text}");
    }
}
