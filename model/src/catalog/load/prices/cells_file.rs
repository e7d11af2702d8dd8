//! `cells_file`: the cells of a matrix as a CSV with a header line, one column per dimension, then the price's own columns.
//!
//! The price's columns are the last ones: `unit_amount` (and `per`) and `multiplier`, of which each row fills those of one
//! model, or `size`, `amount` (and `partial`), or those of a percentage. So a dimension may be called `model` or `size`.

use std::rc::Rc;

use csv::StringRecord;

use super::super::super::toml_reader::{Item, Key, Mark, Report, one_of, parse_decimal};
use super::super::Sources;
use super::amount_reason;
use super::matrix::Cells;
use super::read::PARTIAL_BLOCKS;
use super::source::{CellSource, Literal, Model, Part, PercentageSource};
use crate::decimal::{Decimal, DecimalError};
use crate::number::{Amount, UnitAmount};
use crate::price::PartialBlock;

/// Columns of `unit` and `dynamic` prices.
const LINEAR: [&str; 3] = ["unit_amount", "per", "multiplier"];
/// Columns of `package` prices.
const PACKAGE: [&str; 3] = ["size", "amount", "partial"];
/// Columns of `percentage` prices.
const PERCENTAGE: [&str; 6] = ["rate", "fixed", "min", "max", "free_events", "free_amount"];
const FILL: &str =
    "fill unit_amount (and per), or multiplier, or size and amount, or rate (and others of a percentage)";

/// Reads the file that `item` names.
pub(super) fn read(item: &Item<'_>, sources: &Sources<'_>) -> Option<Cells> {
    let report = item.report();
    let path = item.text()?;
    let text = match sources.read(path) {
        Ok(text) => text,
        Err(error) => {
            let fix = "give its path relative to the catalog's folder; it must be UTF-8";
            item.error(format!("{path:?} cannot be read: {error}"), fix);
            return None;
        }
    };
    let mut reader = csv::Reader::from_reader(text.trim_start_matches('\u{feff}').as_bytes());
    let file: Rc<str> = path.into();
    let header = match reader.headers() {
        Ok(header) => header.clone(),
        Err(error) => {
            report.error(&Mark::line_of(&file, 1, None), csv_reason(&error), "");
            return None;
        }
    };
    let columns = Columns::new(&header, file, report)?;
    let cells = columns.read_rows(&mut reader, report)?;
    if cells.is_empty() {
        item.error(format!("{path:?} has no cell"), "add a row below its header line");
        return None;
    }
    let dimensions = columns.dimensions.iter().map(|(name, key)| (name.clone(), columns.mark(1, key))).collect();
    Some((dimensions, cells))
}

struct Columns {
    file: Rc<str>,
    dimensions: Vec<(String, Rc<Key>)>,
    prices: Vec<(String, Rc<Key>)>,
}

impl Columns {
    fn new(header: &StringRecord, file: Rc<str>, report: &Report) -> Option<Columns> {
        let names: Vec<&str> = header.iter().collect();
        let own = |model: &[&str]| names.iter().rev().take_while(|name| model.contains(name)).count();
        let own = own(&LINEAR).max(own(&PACKAGE)).max(own(&PERCENTAGE));
        let (dimensions, prices) = names.split_at(names.len().saturating_sub(own));
        let problem = match (dimensions, prices) {
            (_, []) => {
                let last = names.last().copied().unwrap_or_default();
                let known = [&LINEAR[..], &PACKAGE, &PERCENTAGE].concat();
                Some((format!("the last column, {last:?}, is no price's"), one_of(last, &known)))
            }
            ([], _) => Some(("has no column for a dimension".to_owned(), "put the dimensions first".to_owned())),
            _ => names.iter().enumerate().find_map(|(i, name)| {
                let twice = names.iter().take(i).any(|earlier| earlier == name);
                twice.then(|| (format!("column {name:?} stands here twice"), "name each column once".to_owned()))
            }),
        };
        if let Some((reason, fix)) = problem {
            report.error(&Mark::line_of(&file, 1, None), reason, fix);
            return None;
        }
        let keyed = |names: &[&str]| names.iter().map(|name| ((*name).to_owned(), Key::column(name))).collect();
        Some(Columns { file, dimensions: keyed(dimensions), prices: keyed(prices) })
    }

    fn read_rows(&self, reader: &mut csv::Reader<&[u8]>, report: &Report) -> Option<Vec<CellSource>> {
        let mut cells = Vec::new();
        let mut complete = true;
        let mut record = StringRecord::new();
        while !report.is_full() {
            match reader.read_record(&mut record) {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    let line = error.position().map_or(0, csv::Position::line);
                    report.error(&Mark::line_of(&self.file, to_line(line), None), csv_reason(&error), "");
                    complete = false;
                    continue;
                }
            }
            let line = to_line(record.position().map_or(0, csv::Position::line));
            match self.read_row(&record, line, report) {
                Some(cell) => cells.push(cell),
                None => complete = false,
            }
        }
        (complete && !report.is_full()).then_some(cells)
    }

    fn read_row(&self, record: &StringRecord, line: u32, report: &Report) -> Option<CellSource> {
        let mark = Mark::line_of(&self.file, line, None);
        let when = record.iter().take(self.dimensions.len()).map(str::to_owned).collect();
        let filled: Vec<Field<'_>> = self
            .prices
            .iter()
            .zip(record.iter().skip(self.dimensions.len()))
            .filter(|(_, text)| !text.is_empty())
            .map(|((name, key), text)| Field { name, key, text, line, columns: self, report })
            .collect();
        let find = |name: &str| filled.iter().find(|field| field.name == name);
        // The columns are those of one set: what is filled beyond a model's own keys is another model's.
        let model = match (find("unit_amount"), find("multiplier"), find("size"), find("rate")) {
            (Some(unit_amount), None, None, None) => {
                let per = find("per").map_or(Some(None), |field| field.positive().map(Some));
                Model::Unit { unit_amount: unit_amount.unit_amount()?, per: per? }
            }
            (None, Some(multiplier), None, None) if find("per").is_none() => {
                Model::Dynamic { multiplier: multiplier.unit_amount()? }
            }
            (None, None, Some(size), None) if find("amount").is_some() => {
                let amount = find("amount").and_then(Field::unit_amount);
                let partial = find("partial").map_or(Some(PartialBlock::Up), Field::partial);
                Model::Package { size: size.positive()?, amount: amount?, partial: partial? }
            }
            (None, None, None, Some(rate)) => Model::Percentage(Box::new(percentage(rate, find)?)),
            _ => {
                let filled: Vec<&str> = filled.iter().map(|field| field.name).collect();
                let reason = if filled.is_empty() {
                    "has no price".to_owned()
                } else {
                    format!("fills {}, which is not one price", filled.join(" and "))
                };
                report.error(&mark, reason, FILL);
                return None;
            }
        };
        let price = Part { mark: mark.clone(), model };
        Some(CellSource { mark, when, price })
    }

    fn mark(&self, line: u32, key: &Rc<Key>) -> Mark {
        Mark::line_of(&self.file, line, Some(key))
    }
}

/// The percentage of a row that fills `rate`.
fn percentage<'f, 'r: 'f>(rate: &Field<'r>, find: impl Fn(&str) -> Option<&'f Field<'r>>) -> Option<PercentageSource> {
    let amount = |name: &str| find(name).map_or(Some(None), |field| field.amount().map(Some));
    let (min, max) = (amount("min")?, amount("max")?);
    if let (Some(least), Some(most), Some(field)) = (min, max, find("max"))
        && least > most
    {
        field.error(format!("is below `min`, which is {least}"), "an event cannot pay more than its `max`".to_owned());
        return None;
    }
    Some(PercentageSource {
        rate: rate.unit_amount()?,
        fixed: amount("fixed")?.unwrap_or_default(),
        min,
        max,
        free_events: find("free_events").map_or(Some(None), |field| field.count().map(Some))?,
        free_amount: find("free_amount").map_or(Some(None), |field| field.positive().map(Some))?,
    })
}

/// A filled field of the price's columns.
struct Field<'r> {
    name: &'r str,
    key: &'r Rc<Key>,
    text: &'r str,
    line: u32,
    columns: &'r Columns,
    report: &'r Report,
}

impl Field<'_> {
    fn error(&self, reason: String, fix: String) {
        self.report.error(&self.columns.mark(self.line, self.key), reason, fix);
    }

    fn decimal(&self) -> Option<Decimal> {
        parse_decimal(self.text).map_err(|reason| self.error(reason, String::new())).ok()
    }

    fn unit_amount(&self) -> Option<UnitAmount> {
        self.converted(UnitAmount::from_decimal)
    }

    fn amount(&self) -> Option<Amount> {
        self.converted(Amount::from_decimal)
    }

    fn converted<T>(&self, convert: impl Fn(Decimal) -> Result<T, DecimalError>) -> Option<T> {
        let decimal = self.decimal()?;
        convert(decimal).map_err(|error| self.error(amount_reason(decimal, error), String::new())).ok()
    }

    fn count(&self) -> Option<u64> {
        let count = self.text.parse::<u32>().ok().filter(|count| *count > 0);
        if count.is_none() {
            self.error(format!("must be from 1 to {}, not {:?}", u32::MAX, self.text), String::new());
        }
        count.map(u64::from)
    }

    fn positive(&self) -> Option<Literal> {
        let decimal = self.decimal()?;
        if decimal.mantissa <= 0 {
            self.error(format!("must be above 0, not {decimal}"), String::new());
            return None;
        }
        Some(Literal { decimal, mark: self.columns.mark(self.line, self.key) })
    }

    fn partial(&self) -> Option<PartialBlock> {
        let found = PARTIAL_BLOCKS.iter().find(|(name, _)| *name == self.text).map(|(_, partial)| *partial);
        if found.is_none() {
            self.error(format!("{:?} is not known here", self.text), one_of(self.text, &["up", "down", "prorate"]));
        }
        found
    }
}

fn to_line(line: u64) -> u32 {
    u32::try_from(line).unwrap_or(u32::MAX)
}

fn csv_reason(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("has {len} fields where the header has {expected_len}")
        }
        csv::ErrorKind::Utf8 { .. } => "is no valid UTF-8".to_owned(),
        _ => error.to_string(),
    }
}
