//! Prices as they are written: checked in themselves, their quantities not yet at a meter's scale (see
//! [`resolve`](super::resolve)).

use std::collections::BTreeSet;

use super::super::Meter;
use super::super::toml_reader::{Item, Mark, Names, Report, Table};
use super::resolve::Terms;
use super::{Sources, cells_file, currency};
use crate::currency::Currency;
use crate::decimal::{Decimal, DecimalError};
use crate::number::{Amount, UnitAmount};
use crate::price::{PartialBlock, Price};

/// A price without a scale.
#[derive(Debug)]
pub(super) struct PriceSource {
    pub(super) mark: Mark,
    pub(super) currency: Option<(Currency, Mark)>,
    pub(super) model: Model,
}

/// The price models, as written.
#[derive(Debug)]
pub(super) enum Model {
    Unit { unit_amount: UnitAmount, per: Option<Literal> },
    Graduated(Vec<TierSource>),
    Volume(Vec<TierSource>),
    Package { size: Literal, amount: UnitAmount, partial: PartialBlock },
    Dynamic { multiplier: UnitAmount },
    Matrix(MatrixSource),
}

/// A quantity without a scale.
#[derive(Debug)]
pub(super) struct Literal {
    pub(super) decimal: Decimal,
    pub(super) mark: Mark,
}

/// A tier without a scale.
#[derive(Debug)]
pub(super) struct TierSource {
    pub(super) up_to: Option<Literal>,
    pub(super) unit_amount: UnitAmount,
    pub(super) per: Option<Literal>,
    pub(super) flat_amount: Amount,
}

/// A matrix without a scale.
#[derive(Debug)]
pub(super) struct MatrixSource {
    /// Names of the dimensions, each with the place of its first mention.
    pub(super) dimensions: Vec<(String, Mark)>,
    pub(super) cells: Vec<CellSource>,
    pub(super) otherwise: Option<Box<PriceSource>>,
}

/// A cell without a scale.
#[derive(Debug)]
pub(super) struct CellSource {
    pub(super) mark: Mark,
    /// In the order of the matrix's dimensions.
    pub(super) when: Vec<String>,
    pub(super) price: PriceSource,
}

/// `[prices.*]`, and where every price of the catalog is read.
pub(super) struct Prices<'s> {
    by_name: Names<PriceSource>,
    used: BTreeSet<String>,
    /// Named prices that were brought to some meter's scale.
    resolved: BTreeSet<String>,
    sources: &'s Sources<'s>,
}

/// A charge's price.
#[derive(Debug)]
pub(super) struct ChargePrice {
    pub(super) price: Price,
    pub(super) name: Option<String>,
    pub(super) mark: Mark,
    pub(super) currency: Option<(Currency, Mark)>,
}

impl<'s> Prices<'s> {
    /// Reads the named prices.
    pub(super) fn read(section: Vec<(&str, Item<'_>)>, sources: &'s Sources<'s>) -> Prices<'s> {
        let mut by_name = Names::default();
        for (name, item) in section {
            let price = item.table().and_then(|table| read_price(table, sources, Place::Anywhere));
            by_name.insert(name, price);
        }
        Prices { by_name, used: BTreeSet::new(), resolved: BTreeSet::new(), sources }
    }

    /// The price that a charge names or has in place, for its meter. Without one (it has errors of its own) the price
    /// is still checked.
    pub(super) fn of_charge(&mut self, item: &Item<'_>, report: &Report, meter: Option<&Meter>) -> Option<ChargePrice> {
        if item.is_table() {
            let source = read_price(item.table()?, self.sources, Place::Anywhere)?;
            let price = source.resolve(&Terms::of(meter, &source), report);
            meter?;
            return Some(ChargePrice { price: price?, name: None, mark: source.mark, currency: source.currency });
        }
        let source = self.by_name.find(item, "price")?;
        let name = item.text()?.to_owned();
        self.used.insert(name.clone());
        let meter = meter?;
        self.resolved.insert(name.clone());
        let price = source.resolve(&Terms::of(Some(meter), source), report)?;
        Some(ChargePrice { price, name: Some(name), mark: source.mark.clone(), currency: source.currency.clone() })
    }

    /// Checks the prices that no charge brought to a scale; returns those that no charge uses.
    pub(super) fn check_unused(&self, report: &Report) -> Vec<Mark> {
        let mut unused = Vec::new();
        for (name, source) in self.by_name.iter() {
            if !self.resolved.contains(name) {
                let _ = source.resolve(&Terms::of(None, source), report);
            }
            if !self.used.contains(name) {
                unused.push(source.mark.clone());
            }
        }
        unused
    }
}

/// Where a price stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Anywhere,
    /// A cell or `otherwise`: no matrix, and the currency is the matrix's.
    InMatrix,
}

/// Model names of the contract that this version has not.
const LATER_MODELS: [&str; 6] =
    ["stairstep", "percentage", "graduated_percentage", "increments", "schedule", "capacity"];
const MODELS: [&str; 6] = ["unit", "graduated", "volume", "package", "dynamic", "matrix"];

fn read_price(mut table: Table<'_>, sources: &Sources<'_>, place: Place) -> Option<PriceSource> {
    let mark = table.mark();
    let item = table.required("model", "\"unit\"");
    let name = item.as_ref().and_then(Item::text)?;
    let mut currency_mark = None;
    if place == Place::Anywhere {
        currency_mark = table.optional("currency").map(|item| currency(&item).map(|found| (found, item.mark())));
        table.unsupported(&["versions", "effective_at", "mid_period"]);
    }
    let model = match (name, place) {
        ("unit", _) => read_unit(&mut table),
        ("graduated", _) => read_tiers(&mut table).map(Model::Graduated),
        ("volume", _) => read_tiers(&mut table).map(Model::Volume),
        ("package", _) => read_package(&mut table),
        ("dynamic", _) => read_dynamic(&mut table),
        ("matrix", Place::Anywhere) => read_matrix(&mut table, sources).map(Model::Matrix),
        _ => {
            let item = item?;
            if name == "matrix" {
                item.error("a matrix cannot stand in a matrix", "name all dimensions in `when`");
            } else if LATER_MODELS.contains(&name) {
                item.error(format!("price model {name:?} is not supported by this version"), "");
            } else {
                item.choice(&MODELS.map(|model| (model, ())));
            }
            // Which keys belong to the model is not known: none is reported as unknown.
            return None;
        }
    };
    table.finish();
    let currency = match currency_mark {
        Some(found) => Some(found?),
        None => None,
    };
    Some(PriceSource { mark, currency, model: model? })
}

fn read_unit(table: &mut Table<'_>) -> Option<Model> {
    let unit_amount = table.required("unit_amount", "\"0.01\"").map(|item| unit_amount(&item));
    let per = optional(table, "per", positive);
    Some(Model::Unit { unit_amount: unit_amount??, per: per? })
}

fn read_package(table: &mut Table<'_>) -> Option<Model> {
    let size = table.required("size", "1000").map(|item| positive(&item));
    let amount = table.required("amount", "\"5\"").map(|item| unit_amount(&item));
    let partial = table.optional("partial").map_or(Some(PartialBlock::Up), |item| item.choice(&PARTIAL_BLOCKS));
    Some(Model::Package { size: size??, amount: amount??, partial: partial? })
}

/// Names of [`PartialBlock`].
pub(super) const PARTIAL_BLOCKS: [(&str, PartialBlock); 3] =
    [("up", PartialBlock::Up), ("down", PartialBlock::Down), ("prorate", PartialBlock::Prorate)];

fn read_dynamic(table: &mut Table<'_>) -> Option<Model> {
    let multiplier = table.optional("multiplier").map_or_else(one, |item| unit_amount(&item));
    Some(Model::Dynamic { multiplier: multiplier? })
}

fn one() -> Option<UnitAmount> {
    UnitAmount::from_decimal(Decimal { mantissa: 1, scale: 0 }).ok()
}

fn read_tiers(table: &mut Table<'_>) -> Option<Vec<TierSource>> {
    let example = "[{ up_to = 100, unit_amount = \"0.5\" }, { unit_amount = \"0.3\" }]";
    let elements = table.required("tiers", example)?.array(example)?;
    let tiers: Vec<_> = elements.iter().map(read_tier).collect();
    tiers.into_iter().collect()
}

fn read_tier(item: &Item<'_>) -> Option<TierSource> {
    let mut table = item.table()?;
    let up_to = optional(&mut table, "up_to", positive);
    let unit = optional(&mut table, "unit_amount", unit_amount);
    let per = optional(&mut table, "per", positive);
    let flat = optional(&mut table, "flat_amount", amount);
    table.finish();
    let (unit, flat) = (unit?, flat?);
    if unit.is_none() && flat.is_none() {
        item.error("a tier needs a unit_amount, a flat_amount or both", "add unit_amount = \"0\" if it is free");
        return None;
    }
    Some(TierSource {
        up_to: up_to?,
        unit_amount: unit.unwrap_or_default(),
        per: per?,
        flat_amount: flat.unwrap_or_default(),
    })
}

fn read_matrix(table: &mut Table<'_>, sources: &Sources<'_>) -> Option<MatrixSource> {
    let in_place = table.optional("cells");
    let file = table.optional("cells_file");
    let otherwise = optional(table, "otherwise", |item| {
        item.table().and_then(|table| read_price(table, sources, Place::InMatrix)).map(Box::new)
    });
    let (dimensions, cells) = match (in_place, file) {
        (Some(item), None) => read_cells(&item, sources)?,
        (None, Some(item)) => cells_file::read(&item, table.report(), sources)?,
        (Some(_), Some(file)) => {
            file.error("stands beside `cells`", "keep the cells in one place");
            return None;
        }
        (None, None) => {
            table.required("cells", "[{ when = { region = \"eu\" }, price = { ... } }], or cells_file");
            return None;
        }
    };
    Some(MatrixSource { dimensions, cells, otherwise: otherwise? })
}

type Cells = (Vec<(String, Mark)>, Vec<CellSource>);

fn read_cells(item: &Item<'_>, sources: &Sources<'_>) -> Option<Cells> {
    let mut dimensions: Option<Vec<(String, Mark)>> = None;
    let mut cells = Vec::new();
    let mut complete = true;
    for element in item.array("[{ when = { region = \"eu\" }, price = { ... } }]")? {
        match read_cell(&element, &mut dimensions, sources) {
            Some(cell) => cells.push(cell),
            None => complete = false,
        }
    }
    if complete && cells.is_empty() {
        item.error("has no cell", "add one, or use another price model");
        return None;
    }
    complete.then_some((dimensions?, cells))
}

fn read_cell(
    item: &Item<'_>,
    dimensions: &mut Option<Vec<(String, Mark)>>,
    sources: &Sources<'_>,
) -> Option<CellSource> {
    let mut table = item.table()?;
    let when = table.required("when", "{ region = \"eu\" }");
    let price = table.required("price", "{ model = \"unit\", unit_amount = \"0.01\" }");
    let price = price.and_then(|item| read_price(item.table()?, sources, Place::InMatrix));
    table.finish();
    let when = when?;
    let mut entries = when.table()?.entries();
    if entries.is_empty() {
        when.error("names no dimension", "a price for everything else goes to `otherwise`");
        return None;
    }
    entries.sort_by_key(|(name, _)| *name);
    let known = dimensions
        .get_or_insert_with(|| entries.iter().map(|(name, value)| ((*name).to_owned(), value.mark())).collect());
    if !known.iter().map(|(name, _)| name.as_str()).eq(entries.iter().map(|(name, _)| *name)) {
        let names: Vec<&str> = known.iter().map(|(name, _)| name.as_str()).collect();
        when.error("names other dimensions than the first cell", format!("name {} in each cell", names.join(", ")));
        return None;
    }
    let values: Vec<_> = entries.iter().map(|(_, value)| value.text().map(str::to_owned)).collect();
    let when = values.into_iter().collect::<Option<Vec<String>>>()?;
    Some(CellSource { mark: item.mark(), when, price: price? })
}

/// A key that may be absent: the outer `None` is an error.
fn optional<T>(table: &mut Table<'_>, name: &'static str, read: impl Fn(&Item<'_>) -> Option<T>) -> Option<Option<T>> {
    table.optional(name).map_or(Some(None), |item| read(&item).map(Some))
}

/// A quantity above 0.
pub(super) fn positive(item: &Item<'_>) -> Option<Literal> {
    let decimal = item.decimal()?;
    if decimal.mantissa <= 0 {
        item.error(format!("must be above 0, not {decimal}"), "");
        return None;
    }
    Some(Literal { decimal, mark: item.mark() })
}

fn unit_amount(item: &Item<'_>) -> Option<UnitAmount> {
    let decimal = item.decimal()?;
    UnitAmount::from_decimal(decimal).map_err(|error| item.error(amount_reason(decimal, error), "")).ok()
}

/// An amount of the price's currency.
pub(super) fn amount(item: &Item<'_>) -> Option<Amount> {
    let decimal = item.decimal()?;
    Amount::from_decimal(decimal).map_err(|error| item.error(amount_reason(decimal, error), "")).ok()
}

/// Why a decimal is no amount.
pub(super) fn amount_reason(decimal: Decimal, error: DecimalError) -> String {
    match error {
        DecimalError::TooFine(_) => format!("{decimal} is finer than the 18 decimals of amounts"),
        DecimalError::TooLong | DecimalError::Malformed => format!("{decimal} is not below 10^20"),
    }
}
