//! `cells_file`: the cells of a matrix as a CSV with a header line, one column per dimension, then the price's own columns.
//!
//! The price's columns are the last ones: `unit_amount` (and `per`) and `multiplier`, of which each row fills those of one
//! model, or `size`, `amount` (and `partial`). So a dimension may be called `model` or `size`.

use std::rc::Rc;

use csv::StringRecord;

use super::super::toml_reader::{Item, Key, Mark, Report, one_of, parse_decimal};
use super::Sources;
use super::prices::{CellSource, Literal, Model, PARTIAL_BLOCKS, PriceSource, amount_reason};
use crate::decimal::Decimal;
use crate::number::UnitAmount;
use crate::price::PartialBlock;

/// Columns of `unit` and `dynamic` prices.
const LINEAR: [&str; 3] = ["unit_amount", "per", "multiplier"];
/// Columns of `package` prices.
const PACKAGE: [&str; 3] = ["size", "amount", "partial"];

/// The dimensions with their places in the header, and the cells.
type Cells = (Vec<(String, Mark)>, Vec<CellSource>);

/// Reads the file that `item` names.
pub(super) fn read(item: &Item<'_>, report: &Report, sources: &Sources<'_>) -> Option<Cells> {
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
            report.error(&whole_line(&file, 1), csv_reason(&error), "");
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
        let own = own(&LINEAR).max(own(&PACKAGE));
        let (dimensions, prices) = names.split_at(names.len().saturating_sub(own));
        let problem = match (dimensions, prices) {
            (_, []) => {
                let last = names.last().copied().unwrap_or_default();
                let known = [LINEAR, PACKAGE].concat();
                Some((format!("the last column, {last:?}, is no price's"), one_of(last, &known)))
            }
            ([], _) => Some(("has no column for a dimension".to_owned(), "put the dimensions first".to_owned())),
            _ => names.iter().enumerate().find_map(|(i, name)| {
                let twice = names.iter().take(i).any(|earlier| earlier == name);
                twice.then(|| (format!("column {name:?} stands here twice"), "name each column once".to_owned()))
            }),
        };
        if let Some((reason, fix)) = problem {
            report.error(&whole_line(&file, 1), reason, fix);
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
                    report.error(&whole_line(&self.file, to_line(line)), csv_reason(&error), "");
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
        let mark = whole_line(&self.file, line);
        let when = record.iter().take(self.dimensions.len()).map(str::to_owned).collect();
        let filled: Vec<Field<'_>> = self
            .prices
            .iter()
            .zip(record.iter().skip(self.dimensions.len()))
            .filter(|(_, text)| !text.is_empty())
            .map(|((name, key), text)| Field { name, key, text, line, columns: self, report })
            .collect();
        let find = |name: &str| filled.iter().find(|field| field.name == name);
        let model = match (find("unit_amount"), find("per"), find("multiplier"), find("size"), find("amount")) {
            (Some(unit_amount), per, None, _, _) => {
                let per = per.map_or(Some(None), |field| field.positive().map(Some));
                Model::Unit { unit_amount: unit_amount.amount()?, per: per? }
            }
            (None, None, Some(multiplier), _, _) => Model::Dynamic { multiplier: multiplier.amount()? },
            (_, _, _, Some(size), Some(amount)) => {
                let partial = find("partial").map_or(Some(PartialBlock::Up), Field::partial);
                Model::Package { size: size.positive()?, amount: amount.amount()?, partial: partial? }
            }
            _ => {
                let filled: Vec<&str> = filled.iter().map(|field| field.name).collect();
                let reason = if filled.is_empty() {
                    "has no price".to_owned()
                } else {
                    format!("fills {}, which is not one price", filled.join(" and "))
                };
                report.error(&mark, reason, "fill unit_amount (and per), or multiplier, or size and amount");
                return None;
            }
        };
        let price = PriceSource { mark: mark.clone(), currency: None, model };
        Some(CellSource { mark, when, price })
    }

    fn mark(&self, line: u32, key: &Rc<Key>) -> Mark {
        Mark::line_of(&self.file, line, Some(key))
    }
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

    fn amount(&self) -> Option<UnitAmount> {
        let decimal = self.decimal()?;
        UnitAmount::from_decimal(decimal).map_err(|error| self.error(amount_reason(decimal, error), String::new())).ok()
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

fn whole_line(file: &Rc<str>, line: u32) -> Mark {
    Mark::line_of(file, line, None)
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
