//! The report of a run: one set of figures, printed as a table, JSON or CSV. docs/run-json.md documents the JSON.

use std::collections::BTreeMap;

use serde::Serialize;
use weir_model::catalog::Catalog;
use weir_rater::Counters;

use crate::cli::Format;
use crate::run::intake::Intake;
use crate::table::{aligned, grouped};

/// All figures of a run. Counts are exact; amounts are exact decimal strings by currency.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Events read: accepted + duplicate + conflict + rejected.
    pub received: u64,
    /// Events that counted: rated + unpriced + unmetered + late_refused + voided + correction.
    pub accepted: u64,
    /// Repeated with the same content.
    pub duplicate: u64,
    /// Repeated with another content: the first stands.
    pub conflict: u64,
    /// No valid event.
    pub rejected: u64,
    /// Every usage has a price.
    pub rated: u64,
    /// Some usage has no price.
    pub unpriced: u64,
    /// No charge selects it.
    pub unmetered: u64,
    /// Usage of a sealed period that its charge refuses.
    pub late_refused: u64,
    /// Taken back by a correction. Corrections do not come in files yet.
    pub voided: u64,
    /// Corrections. They do not come in files yet.
    pub correction: u64,
    /// Rows that the mapping left out.
    pub skipped: u64,
    /// A(S) over all buckets, before document modifiers, fees and rounding.
    pub amounts: BTreeMap<String, String>,
    /// Totals of the invoices of closed periods.
    pub invoiced: BTreeMap<String, String>,
    /// Number of those documents.
    pub invoices: u64,
    /// Buckets with usage.
    pub totals: u64,
    /// Rated rows.
    pub rows: u64,
    /// Rows that settle buckets whose usage came to several shards.
    pub settlement_rows: u64,
    /// Sum mod 2^128 of the rated rows' keyed hashes, in hexadecimal.
    pub rows_digest: String,
    /// Periods that end by then are closed; null without usage.
    pub through: Option<String>,
    /// The instants through which the run closed, in order; the last one is `through`.
    pub closes: Vec<String>,
    /// For each close, how many of `files` stand before it.
    pub closes_after: Vec<usize>,
    /// The files, in the order in which they were read: the log.
    pub files: Vec<String>,
    /// Rejections by code.
    pub rejected_by_code: BTreeMap<&'static str, u64>,
    /// The first rejections in log order.
    pub rejected_first: Vec<RejectedRecord>,
    /// Lost revenue.
    pub unpriced_usage: Vec<Unpriced>,
    /// Runs of identities on disk at the most; 0 if all stayed in memory.
    pub identity_runs_max: u64,
    /// Bytes written for them.
    pub identity_bytes_written: u64,
    /// Wall-clock seconds.
    pub elapsed_s: f64,
    /// `received` per second.
    pub events_per_s: f64,
}

/// A record that is no event.
#[derive(Debug, Clone, Serialize)]
pub struct RejectedRecord {
    /// The file.
    pub file: String,
    /// Line or row, from 1.
    pub record: u64,
    /// For machines.
    pub code: &'static str,
    /// For people.
    pub reason: String,
}

/// Usage without a price.
#[derive(Debug, Clone, Serialize)]
pub struct Unpriced {
    /// Why.
    pub reason: &'static str,
    /// Of which meter; null where no meter is known.
    pub meter: Option<String>,
    /// How many usages.
    pub count: u64,
    /// Their sum; null if it does not fit.
    pub quantity: Option<String>,
}

impl Report {
    /// The counts of a run; money, documents and time are filled in by who knows them.
    pub fn of_counts(catalog: &Catalog, intake: &Intake, counters: &Counters, files: &[String]) -> Report {
        let rejected = intake.rejected_total();
        Report {
            received: intake.received,
            accepted: counters.accepted(),
            duplicate: counters.duplicate,
            conflict: counters.conflict,
            rejected,
            rated: counters.rated,
            unpriced: counters.unpriced,
            unmetered: counters.unmetered,
            late_refused: counters.late_refused,
            voided: 0,
            correction: 0,
            skipped: intake.skipped,
            amounts: BTreeMap::new(),
            invoiced: BTreeMap::new(),
            invoices: 0,
            totals: 0,
            rows: counters.rows,
            settlement_rows: 0,
            rows_digest: counters.rows_digest.to_string(),
            through: None,
            closes: Vec::new(),
            closes_after: Vec::new(),
            files: files.to_vec(),
            rejected_by_code: intake.rejected.iter().map(|(code, count)| (code.code(), *count)).collect(),
            rejected_first: rejected_records(intake, files),
            unpriced_usage: unpriced_usage(catalog, counters),
            identity_runs_max: 0,
            identity_bytes_written: 0,
            elapsed_s: 0.0,
            events_per_s: 0.0,
        }
    }

    /// L3 for files: every received event has exactly one fate.
    ///
    /// # Panics
    /// If events were lost or counted twice: a broken law must not produce a bill.
    pub fn assert_conservation(&self) {
        let fates = self.accepted + self.duplicate + self.conflict + self.rejected;
        assert_eq!(self.received, fates, "L3: received = accepted + duplicate + conflict + rejected");
        let accepted = self.rated + self.unpriced + self.unmetered + self.late_refused + self.voided + self.correction;
        assert_eq!(self.accepted, accepted, "L3: every accepted event has one verdict");
    }

    /// Whether `--strict` objects.
    pub fn has_losses(&self) -> bool {
        self.rejected > 0 || self.unpriced > 0
    }

    /// The report in the wanted format.
    pub fn print(&self, format: Format) -> String {
        match format {
            Format::Table => self.table(),
            // Numbers, strings, lists and maps with string keys always serialize.
            Format::Json => serde_json::to_string_pretty(self).unwrap_or_default() + "\n",
            Format::Csv => self.csv(),
        }
    }

    fn table(&self) -> String {
        let mut rows = Vec::new();
        let mut count = |name: &str, count: u64, always: bool| {
            if always || count > 0 {
                rows.push(vec![name.to_owned(), grouped(&count.to_string())]);
            }
        };
        count("received", self.received, true);
        count("accepted", self.accepted, true);
        count("  rated", self.rated, true);
        count("  unpriced", self.unpriced, self.accepted > 0);
        count("  unmetered", self.unmetered, false);
        count("duplicate", self.duplicate, true);
        count("conflict", self.conflict, true);
        count("rejected", self.rejected, true);
        count("skipped rows", self.skipped, false);
        count("totals", self.totals, true);
        count("rated rows", self.rows, true);
        count("settlement rows", self.settlement_rows, false);
        count("invoices", self.invoices, true);
        for (currency, amount) in &self.amounts {
            rows.push(vec![format!("amounts {currency}"), grouped(amount)]);
        }
        for (currency, amount) in &self.invoiced {
            rows.push(vec![format!("invoiced {currency}"), grouped(amount)]);
        }
        let mut text = aligned(&rows);
        self.write_losses(&mut text);
        text.push_str(&format!("\n  rows_digest {}\n", self.rows_digest));
        if let Some(through) = &self.through {
            text.push_str(&format!("  closed through {through}\n"));
        }
        let rate = grouped(&format!("{:.0}", self.events_per_s));
        if self.identity_runs_max > 0 {
            let (runs, bytes) = (self.identity_runs_max, grouped(&self.identity_bytes_written.to_string()));
            text.push_str(&format!("  identities beyond --memory: at most {runs} files, {bytes} bytes written\n"));
        }
        text.push_str(&format!("  {:.2} s, {rate} events/s\n", self.elapsed_s));
        text
    }

    fn write_losses(&self, text: &mut String) {
        if !self.unpriced_usage.is_empty() {
            text.push_str("\n  unpriced usage (lost revenue)\n");
            let lines = self.unpriced_usage.iter().map(|unpriced| {
                let quantity = unpriced.quantity.as_deref().map_or("does not fit".to_owned(), grouped);
                let meter = unpriced.meter.as_deref().unwrap_or("no meter");
                vec![format!("  {}: {meter}", unpriced.reason), grouped(&unpriced.count.to_string()), quantity]
            });
            let head = vec![String::new(), "events".to_owned(), "quantity".to_owned()];
            text.push_str(&aligned(&std::iter::once(head).chain(lines).collect::<Vec<_>>()));
        }
        if self.rejected > 0 {
            text.push_str("\n  rejected by code\n");
            let lines =
                self.rejected_by_code.iter().map(|(code, n)| vec![format!("  {code}"), grouped(&n.to_string())]);
            text.push_str(&aligned(&lines.collect::<Vec<_>>()));
            text.push_str("  first of them\n");
            for record in &self.rejected_first {
                text.push_str(&format!("    {}:{}: {}: {}\n", record.file, record.record, record.code, record.reason));
            }
        }
    }

    fn csv(&self) -> String {
        let mut text = String::from("figure,currency,value\n");
        for (name, count) in [
            ("received", self.received),
            ("accepted", self.accepted),
            ("duplicate", self.duplicate),
            ("conflict", self.conflict),
            ("rejected", self.rejected),
            ("rated", self.rated),
            ("unpriced", self.unpriced),
            ("unmetered", self.unmetered),
            ("late_refused", self.late_refused),
            ("voided", self.voided),
            ("correction", self.correction),
            ("skipped", self.skipped),
            ("totals", self.totals),
            ("rows", self.rows),
            ("settlement_rows", self.settlement_rows),
            ("invoices", self.invoices),
            ("identity_runs_max", self.identity_runs_max),
            ("identity_bytes_written", self.identity_bytes_written),
        ] {
            text.push_str(&format!("{name},,{count}\n"));
        }
        for (name, figures) in [("amounts", &self.amounts), ("invoiced", &self.invoiced)] {
            for (currency, figure) in figures {
                text.push_str(&format!("{name},{currency},{figure}\n"));
            }
        }
        text.push_str(&format!("rows_digest,,{}\n", self.rows_digest));
        text
    }
}

/// The first rejections, as people find them in their files.
pub fn rejected_records(intake: &Intake, files: &[String]) -> Vec<RejectedRecord> {
    let records = intake.samples.iter().map(|sample| {
        let file = usize::try_from(sample.file).ok().and_then(|file| files.get(file));
        RejectedRecord {
            file: file.cloned().unwrap_or_default(),
            record: sample.position + 1,
            code: sample.code.code(),
            reason: sample.sentence.clone(),
        }
    });
    records.collect()
}

fn unpriced_usage(catalog: &Catalog, counters: &Counters) -> Vec<Unpriced> {
    let usages = counters.unpriced_usage.iter().map(|((reason, meter), usage)| {
        let meter = meter.and_then(|meter| catalog.meters.get(meter.at()));
        Unpriced {
            reason: reason.code(),
            meter: meter.map(|meter| meter.name.clone()),
            count: usage.count,
            quantity: usage
                .quantity
                .map(|quantity| quantity.to_text(meter.map(|meter| meter.scale).unwrap_or_default())),
        }
    });
    usages.collect()
}
