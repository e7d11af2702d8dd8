//! What was put in beside what was caught: the report's counts, and the quantity of every customer, meter and period as the
//! run's own files hold it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use weir_model::decimal::Decimal;
use weir_model::number::{Quantity, Scale};
use weir_model::verdict::{RejectCode, UnpricedReason};

use super::put_in::{Meter, PutIn, Tally};
use crate::report::Report;

/// Two figures that must be the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// Of what.
    pub what: String,
    /// As it was put in.
    pub put_in: String,
    /// As it was caught.
    pub caught: String,
}

impl Check {
    fn new<T: ToString + ?Sized>(what: impl Into<String>, put_in: &T, caught: &T) -> Check {
        Check { what: what.into(), put_in: put_in.to_string(), caught: caught.to_string() }
    }

    /// Whether they are.
    pub fn holds(&self) -> bool {
        self.put_in == self.caught
    }
}

/// All checks of a demo.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Audit {
    /// Counts of events by fate; sub-totals are indented.
    pub counts: Vec<Check>,
    /// Quantities without a price, by reason and meter.
    pub lost: Vec<Check>,
    /// Quantities by meter.
    pub meters: Vec<Check>,
    /// Quantities and counts by customer, meter and period.
    pub places: Vec<Check>,
    /// The documents' sum.
    pub money: Vec<Check>,
}

impl Audit {
    /// What differs.
    pub fn failures(&self) -> Vec<&Check> {
        let Audit { counts, lost, meters, places, money } = self;
        [counts, lost, meters, places, money].into_iter().flatten().filter(|check| !check.holds()).collect()
    }

    /// Compares everything that can be compared.
    pub fn new(put_in: &PutIn, report: &Report, totals: &Totals, invoiced: &BTreeMap<String, i128>) -> Audit {
        let money = report.invoiced.iter().map(|(currency, invoiced_by_run)| {
            let sum = invoiced.get(currency).copied().unwrap_or(0);
            Check::new(format!("sum of the invoices, {currency}"), &minor_units(invoiced_by_run), &sum)
        });
        Audit {
            counts: counts(put_in, report),
            lost: lost(put_in, report),
            meters: meters(put_in, totals),
            places: places(put_in, totals),
            money: money.collect(),
        }
    }
}

fn counts(put_in: &PutIn, report: &Report) -> Vec<Check> {
    let rejected: u64 = put_in.rejected.values().sum();
    let unpriced: u64 = put_in.unpriced.values().sum();
    let mut checks = vec![
        Check::new("lines", &put_in.lines, &report.received),
        Check::new("accepted", &put_in.accepted(), &report.accepted),
        Check::new("  rated", &put_in.rated, &report.rated),
        Check::new("  unpriced: usage without a price", &unpriced, &report.unpriced),
        Check::new("  unmetered: a type nobody charges for", &put_in.unmetered, &report.unmetered),
        Check::new("duplicate: sent again", &put_in.duplicate, &report.duplicate),
        Check::new("conflict: same id, other content", &put_in.conflict, &report.conflict),
        Check::new("rejected: no valid event", &rejected, &report.rejected),
    ];
    for code in RejectCode::ALL {
        let put_in = put_in.rejected.get(&code).copied().unwrap_or(0);
        let caught = report.rejected_by_code.get(code.code()).copied().unwrap_or(0);
        if put_in + caught > 0 {
            checks.push(Check::new(format!("  {}", code.code()), &put_in, &caught));
        }
    }
    checks
}

fn lost(put_in: &PutIn, report: &Report) -> Vec<Check> {
    let put_in = put_in.unpriced_usage.iter().map(|((reason, meter), tally)| {
        ((reason.code(), meter.name().to_owned()), usages(tally.events, &text(*meter, tally.quantity)))
    });
    let caught = report.unpriced_usage.iter().map(|unpriced| {
        let quantity = unpriced.quantity.as_deref().unwrap_or("does not fit");
        ((unpriced.reason, unpriced.meter.clone().unwrap_or_default()), usages(unpriced.count, quantity))
    });
    let (put_in, caught): (BTreeMap<_, _>, BTreeMap<_, _>) = (put_in.collect(), caught.collect());
    both(&put_in, &caught, |(reason, meter)| format!("{reason}, {meter}"))
}

fn usages(count: u64, quantity: &str) -> String {
    format!("{quantity} in {count}")
}

fn meters(put_in: &PutIn, totals: &Totals) -> Vec<Check> {
    let mut sums: BTreeMap<Meter, [i128; 2]> = BTreeMap::new();
    for ((_, meter, _), tally) in &put_in.quantities {
        sums.entry(*meter).or_default()[0] += tally.quantity;
    }
    for ((_, meter, _), tally) in &totals.0 {
        sums.entry(*meter).or_default()[1] += tally.quantity;
    }
    let checks = sums.into_iter().filter(|(meter, _)| meter.is_additive());
    checks
        .map(|(meter, [put_in, caught])| Check::new(meter.name(), &text(meter, put_in), &text(meter, caught)))
        .collect()
}

fn places(put_in: &PutIn, totals: &Totals) -> Vec<Check> {
    let owned = put_in
        .quantities
        .iter()
        .map(|((customer, meter, period), tally)| (((*customer).to_owned(), *meter, *period), tally));
    let show = |(key, tally): (Place, &Tally)| (key.clone(), usages(tally.events, &text(key.1, tally.quantity)));
    let put_in: BTreeMap<_, _> = owned.map(show).collect();
    let caught: BTreeMap<_, _> = totals.0.iter().map(|(key, tally)| show((key.clone(), tally))).collect();
    both(&put_in, &caught, |(customer, meter, period)| {
        format!("{customer}, {}, from {}", meter.name(), weir_model::time::Instant::from_micros(*period))
    })
}

/// Figures of two maps side by side, those that only one of them has included.
fn both<K: Ord>(put_in: &BTreeMap<K, String>, caught: &BTreeMap<K, String>, name: impl Fn(&K) -> String) -> Vec<Check> {
    let keys: BTreeSet<&K> = put_in.keys().chain(caught.keys()).collect();
    let figure = |map: &BTreeMap<K, String>, key: &K| map.get(key).cloned().unwrap_or_else(|| "nothing".to_owned());
    keys.into_iter().map(|key| Check::new(name(key), &figure(put_in, key), &figure(caught, key))).collect()
}

fn text(meter: Meter, quantity: i128) -> String {
    let scale = Scale::new(meter.scale()).unwrap_or_default();
    Quantity::from_scaled(quantity).to_text(scale)
}

/// A customer's period at one meter.
type Place = (String, Meter, i64);

/// The totals that a run wrote.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals(BTreeMap<Place, Tally>);

impl Totals {
    /// Reads every file of the table.
    pub fn read(results: &Path) -> Result<Totals> {
        let mut totals = Totals::default();
        for path in parquet_files(&results.join("totals"))? {
            totals.add_file(&path).with_context(|| format!("cannot read the totals in {}", path.display()))?;
        }
        Ok(totals)
    }

    fn add_file(&mut self, path: &Path) -> Result<()> {
        let reader = SerializedFileReader::new(File::open(path)?)?;
        for row in reader.get_row_iter(None)? {
            let row = row?;
            let field = |name: &str| {
                let found = row.get_column_iter().find(|(column, _)| *column == name).map(|(_, field)| field);
                found.ok_or_else(|| anyhow!("there is no column {name}"))
            };
            let text = |name: &str| match field(name)? {
                Field::Str(text) => Ok(text.clone()),
                other => Err(anyhow!("{name} is no text: {other}")),
            };
            let events = match field("events")? {
                Field::ULong(events) => *events,
                other => return Err(anyhow!("events is no count: {other}")),
            };
            let period = match field("period_start")? {
                Field::TimestampMicros(micros) => *micros,
                other => return Err(anyhow!("period_start is no instant: {other}")),
            };
            if events == 0 {
                continue;
            }
            let name = text("meter")?;
            let meter = Meter::of_name(&name).ok_or_else(|| anyhow!("there is no meter {name}"))?;
            let quantity =
                Decimal::parse(text("quantity_text")?.as_bytes()).and_then(|value| value.at_scale(meter.scale()));
            let quantity = quantity.map_err(|error| anyhow!("quantity_text is no quantity: {error:?}"))?;
            let tally = self.0.entry((text("customer")?, meter, period)).or_default();
            // Several rows are groups, cells or charges of one meter; only additive meters have them in this catalog.
            tally.quantity += quantity;
            tally.events += events;
        }
        Ok(())
    }
}

fn parquet_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(parquet_files(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "parquet") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// `"12.50"` as 1250. The demo's documents are all in one currency, so that their figures have equally many decimals.
pub fn minor_units(money: &str) -> i128 {
    money.chars().filter(|c| *c != '.').collect::<String>().parse().unwrap_or(0)
}

/// Why a usage has no price, for people.
pub fn story(reason: UnpricedReason) -> &'static str {
    match reason {
        UnpricedReason::NoCell => "the model atlas-3-preview went live before it got a price",
        UnpricedReason::SubjectNotClaimed => "sent for `hexagon`, which is a customer's id but none of its subjects",
        UnpricedReason::BeforeStart | UnpricedReason::AfterEnd => {
            "trials of `vellum` before its contract began on 10 August"
        }
        UnpricedReason::NoPlan => "nobody's usage",
        UnpricedReason::Overflow => "too large a figure",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_a_failure() {
        let same = Check::new("same", &1, &1);
        let other = Check::new("other", &1, &2);
        let audit = Audit { counts: vec![same.clone()], places: vec![same, other.clone()], ..Audit::default() };
        assert_eq!(audit.failures(), vec![&other]);
    }

    #[test]
    fn what_only_one_side_has_is_a_difference() {
        let map = |keys: &[u8]| keys.iter().map(|key| (*key, "7".to_owned())).collect::<BTreeMap<_, _>>();
        let checks = both(&map(&[1, 2]), &map(&[2, 3]), u8::to_string);
        let holding: Vec<_> = checks.iter().map(|check| (check.what.as_str(), check.holds())).collect();
        assert_eq!(holding, [("1", false), ("2", true), ("3", false)]);
    }

    #[test]
    fn money_without_its_point() {
        for (text, expected) in [("0.00", 0), ("12.50", 1_250), ("-1.05", -105), ("1234567.89", 123_456_789)] {
            assert_eq!(minor_units(text), expected);
        }
    }
}
