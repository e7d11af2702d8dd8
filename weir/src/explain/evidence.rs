//! The archive's side of a usage line: the rated rows of its buckets, the events behind them, and whether the rows add up to
//! what the events come to.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use weir_model::aggregation::Aggregation;
use weir_model::catalog::{Catalog, Charge};
use weir_model::charge::{after_allowance, meter_of};
use weir_model::decimal::decimal_string;
use weir_model::number::{AMOUNT_SCALE, QUANTITY_SCALE_MAX, Quantity};
use weir_model::price::Leaf;
use weir_model::rated::{BucketTotal, CustomerPeriod};
use weir_model::time::Period;

use super::archive::{ArchivedEvent, ArchivedRow, LogPosition, RowUsage};
use super::folder::{Log, LogClose};
use super::line::LineKey;
use super::replay::{Alteration, Altered, Replay};

/// An event behind a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExplainedEvent {
    /// When it happened.
    pub time: String,
    /// CloudEvents source; null if the archive has only its rated row.
    pub source: Option<String>,
    /// CloudEvents id; null likewise.
    pub id: Option<String>,
    /// CloudEvents subject; null likewise.
    pub subject: Option<String>,
    /// Its input file.
    pub file: String,
    /// Its record in the file, from 1.
    pub record: u64,
    /// JSON object of the cell that prices it; null for prices without cells.
    pub cell: Option<String>,
    /// Its own quantity; null at a capacity price.
    pub quantity: Option<String>,
    /// What its rated row adds.
    pub amount: String,
    /// The tier that the quantity has reached with it, in the log's order; null where no tier prices it.
    pub tier: Option<u32>,
    /// Whether it came after its period was closed.
    pub late: bool,
}

/// The rated rows of a line's buckets, as the last close left them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RowSums {
    /// Rows of events.
    pub rows: usize,
    /// Rows that closes added.
    pub settlements: usize,
    /// Sum of all.
    pub amount: String,
    /// What the buckets owe without usage.
    pub without_usage: String,
    /// What the events come to at the last close.
    pub events_amount: String,
    /// Whether rows and what is owed without usage add up to it.
    pub add_up: bool,
    /// Usages that the events come to.
    pub events: u64,
}

/// Everything that the archive has about a usage line.
pub struct Evidence {
    /// Those that came before the document's close, in log order.
    pub events: Vec<ExplainedEvent>,
    /// All rows, late ones too.
    pub sums: RowSums,
    /// What is wrong in the archive, as far as it can be told.
    pub causes: Vec<String>,
}

/// What evidence is made from.
pub struct Sources<'a> {
    pub catalog: &'a Catalog,
    pub log: &'a Log,
    pub events: &'a [ArchivedEvent],
    pub replay: &'a Replay,
    pub key: &'a LineKey,
    /// Number of the document's close; `None` if it could not be made again.
    pub close: Option<usize>,
}

impl Sources<'_> {
    /// Collects the evidence; `rows` are the customer's at the charge in the period, in log order.
    pub fn evidence(&self, rows: Vec<ArchivedRow>) -> Evidence {
        let key = self.key;
        let is_own = |row: &ArchivedRow| {
            row.plan == key.plan && row.segment_start == key.segment_start && key.has_group(row.group.as_deref())
        };
        let rows: Vec<ArchivedRow> = rows.into_iter().filter(is_own).collect();
        let buckets = self.buckets();
        let period = Period { start: key.period.0, end: key.period.1 };
        let active = buckets.first().map_or(period, |bucket| bucket.terms.active);
        let sums = sums(&rows, &buckets, &active);
        let causes = self.causes(&rows, &sums);
        Evidence { events: self.explained(&rows, &buckets, &active), sums, causes }
    }

    /// The line's buckets at the last close.
    fn buckets(&self) -> Vec<&BucketTotal> {
        let key = self.key;
        let is_period = |period: &&CustomerPeriod| (period.period.start, period.period.end) == key.period;
        let segments = self.replay.periods.iter().filter(is_period).flat_map(|period| &period.segments);
        let buckets = segments.filter(|segment| segment.active.start == key.segment_start).flat_map(|s| &s.buckets);
        let is_own = |bucket: &&BucketTotal| {
            let charge = self.charge(bucket);
            charge.is_some_and(|charge| charge.name == key.name)
                && bucket.group.iter().eq(key.group.iter().map(|(_, value)| value))
        };
        buckets.filter(is_own).collect()
    }

    fn charge(&self, bucket: &BucketTotal) -> Option<&Charge> {
        self.catalog.charges.get(bucket.charge.at())
    }

    fn explained(&self, rows: &[ArchivedRow], buckets: &[&BucketTotal], active: &Period) -> Vec<ExplainedEvent> {
        let by_fingerprint: BTreeMap<u128, &ArchivedEvent> =
            self.events.iter().map(|event| (event.fingerprint, event)).collect();
        let tiers = self.tiers(buckets);
        let files_before = self.close.and_then(|close| self.log.closes.get(close)).map(|close| close.files_before);
        let sealed = self.log.closes.iter().find(|close| close.through >= self.key.period.1);
        let rows = rows.iter().filter_map(|row| Some((row, row.usage?)));
        // A level or reading changes later buckets too: such a row is of an event behind another line.
        let rows = rows.filter(|(_, usage)| active.contains(usage.time));
        let rows = rows.filter(|(_, usage)| files_before.is_none_or(|files| usage.at.0 < files));
        let explained = rows.map(|(row, usage)| {
            let event = by_fingerprint.get(&usage.fingerprint);
            ExplainedEvent {
                time: usage.time.to_string(),
                source: event.map(|event| event.source.clone()),
                id: event.map(|event| event.id.clone()),
                subject: event.map(|event| event.subject.clone()),
                file: self.file(usage.at).to_owned(),
                record: usage.at.1.saturating_add(1),
                cell: row.cell.clone(),
                quantity: row.quantity.map(|quantity| decimal_string(quantity, QUANTITY_SCALE_MAX)),
                amount: decimal_string(row.amount, AMOUNT_SCALE),
                tier: tiers.get(&usage.fingerprint).copied(),
                late: sealed.is_some_and(|LogClose { files_before, .. }| usage.at.0 >= *files_before),
            }
        });
        explained.collect()
    }

    fn file(&self, at: LogPosition) -> &str {
        self.log.files.get(at.0).map_or("", String::as_str)
    }

    /// The tier of each event by fingerprint, where a ladder climbs event by event.
    fn tiers(&self, buckets: &[&BucketTotal]) -> BTreeMap<u128, u32> {
        let mut tiers = BTreeMap::new();
        for bucket in buckets.iter().filter(|bucket| bucket.pool.is_none()) {
            let mut quantity = Quantity::ZERO;
            for row in &self.replay.rows {
                if !self.is_of(row.bucket, bucket) {
                    continue;
                }
                quantity = quantity.checked_add(row.quantity).unwrap_or(quantity);
                let tier = self.charge(bucket).and_then(|charge| tier(self.catalog, charge, bucket, quantity));
                if let (Some(tier), Some(event)) = (tier, self.events.get(row.event)) {
                    tiers.insert(event.fingerprint, tier);
                }
            }
        }
        tiers
    }

    fn is_of(&self, number: u32, bucket: &BucketTotal) -> bool {
        let opened = usize::try_from(number).ok().and_then(|number| self.replay.buckets.get(number));
        opened.is_some_and(|opened| {
            (opened.charge, opened.cell) == (bucket.charge, bucket.cell)
                && (opened.period.start, opened.start) == (self.key.period.0, self.key.segment_start)
                && opened.group.iter().map(AsRef::as_ref).eq(bucket.group.iter().map(String::as_str))
                && self.replay.periods.first().is_some_and(|period| *opened.customer == *period.customer)
        })
    }

    fn causes(&self, rows: &[ArchivedRow], sums: &RowSums) -> Vec<String> {
        let place = |at: LogPosition| format!("{} record {}", self.file(at), at.1.saturating_add(1));
        let known: BTreeSet<u128> = self.events.iter().map(|event| event.fingerprint).collect();
        let usages = rows.iter().filter_map(|row| row.usage);
        let missing = usages.filter(|usage| !known.contains(&usage.fingerprint));
        let mut causes: Vec<String> = missing
            .map(|RowUsage { at, .. }| format!("{}: its rated row is in the archive, the event is not", place(at)))
            .collect();
        for Altered { event, how } in &self.replay.altered {
            let Some(event) = self.events.get(*event) else { continue };
            causes.push(format!("{}: {}", place(event.at), story(*how)));
        }
        if !sums.add_up || sums.events != u64::try_from(sums.rows).unwrap_or(u64::MAX) {
            self.differing_rows(rows, sums, &mut causes, place);
        }
        causes
    }

    /// Rows that are missing or not what the events give. Parts that were rated by themselves may differ.
    fn differing_rows(
        &self,
        rows: &[ArchivedRow],
        sums: &RowSums,
        causes: &mut Vec<String>,
        place: impl Fn(LogPosition) -> String,
    ) {
        let mut archived: BTreeMap<u128, i128> = BTreeMap::new();
        for (usage, row) in rows.iter().filter_map(|row| Some((row.usage?, row))) {
            let sum = archived.entry(usage.fingerprint).or_default();
            *sum = sum.saturating_add(row.amount);
        }
        let mut again: BTreeMap<usize, i128> = BTreeMap::new();
        let buckets = self.buckets();
        for row in self.replay.rows.iter().filter(|row| buckets.iter().any(|bucket| self.is_of(row.bucket, bucket))) {
            let sum = again.entry(row.event).or_default();
            *sum = sum.saturating_add(row.amount.scaled());
        }
        for (event, again) in again {
            let Some(event) = self.events.get(event) else { continue };
            let text = |scaled| decimal_string(scaled, AMOUNT_SCALE);
            match archived.get(&event.fingerprint) {
                None => causes.push(format!("{}: the event is in the archive, its rated row is not", place(event.at))),
                Some(archived) if *archived != again && sums.settlements == 0 => causes.push(format!(
                    "{}: its rated row says {}, the events come to {}",
                    place(event.at),
                    text(*archived),
                    text(again)
                )),
                Some(_) => {}
            }
        }
    }
}

fn sums(rows: &[ArchivedRow], buckets: &[&BucketTotal], active: &Period) -> RowSums {
    // Amounts are below 10^38, a sum of a few at the bound could pass it: it would only fail to add up.
    let sum = |amounts: &mut dyn Iterator<Item = i128>| amounts.fold(0_i128, i128::saturating_add);
    let rows_amount = sum(&mut rows.iter().map(|row| row.amount));
    let without_usage = sum(&mut buckets.iter().map(|bucket| bucket.without_usage.scaled()));
    let events_amount = sum(&mut buckets.iter().map(|bucket| bucket.amount.scaled()));
    let usages = rows.iter().filter_map(|row| row.usage);
    let text = |scaled| decimal_string(scaled, AMOUNT_SCALE);
    RowSums {
        rows: usages.filter(|usage| active.contains(usage.time)).count(),
        settlements: rows.iter().filter(|row| row.usage.is_none()).count(),
        amount: text(rows_amount),
        without_usage: text(without_usage),
        events_amount: text(events_amount),
        add_up: rows_amount.checked_add(without_usage) == Some(events_amount),
        events: buckets.iter().map(|bucket| bucket.events).sum(),
    }
}

fn story(how: Alteration) -> &'static str {
    match how {
        Alteration::Content => "type, time or data are not what was accepted",
        Alteration::Invalid => "it is no valid event",
        Alteration::Repeated => "it stands in the archive twice",
    }
}

/// The tier that a bucket's quantity reaches.
fn tier(catalog: &Catalog, charge: &Charge, bucket: &BucketTotal, quantity: Quantity) -> Option<u32> {
    let [(version, _)] = bucket.terms.versions.as_slice() else { return None };
    if !matches!(meter_of(catalog, charge).aggregation, Aggregation::Count | Aggregation::Sum) {
        return None;
    }
    let Leaf::Cumulative(price) = charge.leaf(*version, bucket.cell)? else { return None };
    let converted = charge.converted(quantity, price.unit()).ok()?;
    let priced = after_allowance(converted, bucket.terms.allowance).ok()?;
    (priced > Quantity::ZERO).then(|| price.tiers().map(|tiers| tiers.reached(priced).0))?
}
