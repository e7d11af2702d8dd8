//! Files of prices, for quotes: `[prices.N]` tables and at most one `[charge]` with modifiers.
//!
//! Owns: the keys of such a file, and the meter and the plan that stand in for those it lacks. Does not own: what prices and
//! modifiers mean. Completed with its stand-ins the file is a catalog of one charge, and the readers of catalogs read it: a
//! quote knows every rule that rating knows, and no other.

use std::cell::RefCell;
use std::collections::BTreeSet;

use jiff::tz::TimeZone;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};
use xxhash_rust::xxh3::Xxh3Default;

use super::super::toml_reader::{Item, Report, Table, one_of};
use super::super::{BelowZero, Catalog, CatalogError, Problem};
use super::prices::{Prices, Terms};
use super::{CatalogFiles, Sources, currency, read, section, time_zone};
use crate::currency::Currency;
use crate::number::{QUANTITY_SCALE_MAX, Scale};
use crate::price::Price;

/// Sections of a catalog that a quote has no use for: a catalog is a file of prices too.
const PASSED_OVER: [&str; 8] = ["name", "meters", "plans", "accounts", "customers", "seller", "defaults", "coupons"];
/// Keys of a charge that say which usage it prices, and for whom.
const NOT_OF_A_QUOTE: [&str; 8] = ["name", "meter", "meters", "price", "filter", "group_by", "pool", "late_policy"];
/// Currency of a file that names none.
const CURRENCY: &str = "USD";
/// Integers as texts, which is what TOML's are.
const SCALES: [&str; 13] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12"];
/// The stand-ins' name, and where their charge stands.
const STAND_IN: &str = "quote";
const CHARGE_KEY: &str = "plans.quote.charges[0]";

/// A file of prices.
#[derive(Clone)]
pub struct PriceFile<'t> {
    name: &'t str,
    text: &'t str,
    files: &'t dyn CatalogFiles,
    document: DeTable<'t>,
}

/// What a price asks of the meter and the plan that it stands with.
struct Needs {
    currency: Currency,
    dimensions: BTreeSet<String>,
    resources: BTreeSet<String>,
}

/// What the meters that stand in are like.
#[derive(Clone, Copy)]
struct MeterKind {
    /// One of [`SCALES`].
    scale: &'static str,
    below_zero: BelowZero,
}

impl<'t> PriceFile<'t> {
    /// Takes a file's text, whose prices and modifiers are read by [`PriceFile::catalog`]. `file_name` stands in problems;
    /// `files` are those that its matrices name.
    pub fn new(file_name: &'t str, text: &'t str, files: &'t dyn CatalogFiles) -> Result<PriceFile<'t>, CatalogError> {
        let report = Report::new(file_name, text);
        let document = report.parse(text);
        if let Some(document) = &document {
            check_keys(report.root(document));
        }
        report.finish()?;
        let document = document.unwrap_or_else(|| unreachable!("a text without errors is a document"));
        Ok(PriceFile { name: file_name, text, files, document })
    }

    /// What it is called in problems.
    pub fn file_name(&self) -> &str {
        self.name
    }

    /// The names of its prices, in the text's order: at least one.
    pub fn names(&self) -> Vec<String> {
        let report = Report::new(self.name, self.text);
        let prices = section(&mut report.root(&self.document), "prices");
        prices.into_iter().map(|(name, _)| name.to_owned()).collect()
    }

    /// The catalog of one charge, at the price `name` with the file's modifiers. Its meters sum, at the smallest scale that
    /// holds `decimals` and all quantities of the file, and allow values below zero if the price does; there is one for
    /// each resource of a capacity price, of the resource's name. Their dimensions are those that choose the price's cells.
    pub fn catalog(&self, name: &str, decimals: u8) -> Result<Catalog, CatalogError> {
        let needs = self.needs(name)?;
        let scales = SCALES.get(usize::from(decimals.min(QUANTITY_SCALE_MAX))..).unwrap_or_default();
        // What is finer than a scale is an error at that scale only, and not every price has an amount below zero.
        let signs = [BelowZero::IsPriced, BelowZero::IsZero];
        let mut kinds = scales.iter().flat_map(|scale| signs.map(|below_zero| MeterKind { scale, below_zero }));
        let last = kinds.next_back().unwrap_or_else(|| unreachable!("the greatest scale is a scale"));
        let of = |kind| self.with_meters(name, &needs, kind);
        kinds.find_map(|kind| of(kind).ok()).map_or_else(|| of(last), Ok)
    }

    fn needs(&self, name: &str) -> Result<Needs, CatalogError> {
        let report = Report::new(self.name, self.text);
        let sources = self.sources();
        let mut root = report.root(&self.document);
        let zone = root.optional("time_zone").and_then(|item| time_zone(&item)).unwrap_or(TimeZone::UTC);
        let own_currency = root.optional("currency").and_then(|item| currency(&item));
        let prices = root.optional("prices");
        let names = section(&mut root, "prices");
        let terms = Scale::new(QUANTITY_SCALE_MAX).map(|scale| Terms {
            scale,
            unit: scale.unit(),
            dimensions: None,
            resources: None,
        });
        let found = match (names.iter().find(|(other, _)| *other == name), &prices) {
            (Some((_, item)), _) => Prices::read(Vec::new(), &sources, &zone).of_charge(item, terms.as_ref()),
            (None, Some(prices)) => {
                let names: Vec<&str> = names.iter().map(|(name, _)| *name).collect();
                prices.error(format!("there is no price {name:?}"), one_of(name, &names));
                None
            }
            (None, None) => None,
        };
        report.finish()?;
        let price = found.unwrap_or_else(|| unreachable!("a price without errors was read"));
        let own_currency = price.currencies.first().map(|(currency, _)| *currency).or(own_currency);
        let currency = own_currency.or_else(|| Currency::parse(CURRENCY));
        let mut needs = Needs {
            currency: currency.unwrap_or_else(|| unreachable!("the default is a currency")),
            dimensions: BTreeSet::new(),
            resources: BTreeSet::new(),
        };
        for version in &price.versions {
            needs.add(&version.price);
        }
        Ok(needs)
    }

    fn with_meters(&self, name: &str, needs: &Needs, kind: MeterKind) -> Result<Catalog, CatalogError> {
        let report = Report::new(self.name, self.text);
        let sources = self.sources();
        let completed = self.completed(name, needs, kind);
        let catalog = read(report.root(&completed), &sources);
        match report.finish() {
            Ok(_) => Ok(catalog.unwrap_or_else(|| unreachable!("a catalog without errors was read")).0),
            Err(CatalogError { problems }) => {
                let problems = problems.into_iter().map(|problem| in_the_file(problem, name)).collect();
                Err(CatalogError { problems })
            }
        }
    }

    /// The file with its stand-ins. What it has itself keeps its place in the text.
    fn completed(&self, name: &str, needs: &Needs, kind: MeterKind) -> DeTable<'t> {
        let dimensions = (0_u32..).zip(&needs.dimensions);
        let dimensions = dimensions.map(|(number, name)| (name.as_str(), text(&format!("data.d{number}"))));
        let meter = table([
            ("event_type", text(STAND_IN)),
            ("aggregation", text("sum")),
            ("value", text("data.value")),
            ("amount", text("data.amount")),
            ("scale", DeValue::parse(kind.scale).unwrap_or_else(|_| unreachable!("a scale is an integer"))),
            ("allow_negative", Spanned::new(0..0, DeValue::Boolean(kind.below_zero == BelowZero::IsPriced))),
            ("dimensions", value(table(dimensions))),
        ]);
        let mut charge = match self.document.get("charge").map(Spanned::get_ref) {
            Some(DeValue::Table(charge)) => charge.clone(),
            _ => DeTable::new(),
        };
        let meters = if needs.resources.is_empty() {
            charge.extend(table([("meter", text("quantity"))]));
            table([("quantity", value(meter))])
        } else {
            let resources = || needs.resources.iter().map(String::as_str);
            charge.extend(table([("meters", value(table(resources().map(|name| (name, text(name))))))]));
            table(resources().map(|name| (name, value(meter.clone()))))
        };
        let prices = self.document.get("prices").cloned();
        let place = prices.as_ref().and_then(|prices| prices.get_ref().get(name)).map_or(0..0, Spanned::span);
        charge.extend(table([
            ("name", text(STAND_IN)),
            ("price", Spanned::new(place, DeValue::String(name.to_owned().into()))),
        ]));
        let mut charges = DeArray::new();
        charges.push(value(charge));
        let plan = table([("charges", Spanned::new(0..0, DeValue::Array(charges)))]);
        let mut completed = table([
            ("name", text(STAND_IN)),
            ("currency", text(needs.currency.code())),
            ("meters", value(meters)),
            ("plans", value(table([(STAND_IN, value(plan))]))),
        ]);
        let own = [("prices", prices), ("time_zone", self.document.get("time_zone").cloned())];
        completed.extend(table(own.into_iter().filter_map(|(name, own)| Some((name, own?)))));
        completed
    }

    fn sources(&self) -> Sources<'t> {
        Sources { files: self.files, hash: RefCell::new(Xxh3Default::new()) }
    }
}

impl Needs {
    fn add(&mut self, price: &Price) {
        match price {
            Price::Matrix(matrix) => self.dimensions.extend(matrix.dimensions.iter().map(|d| d.name.clone())),
            Price::Capacity(capacity) => self.resources.extend(capacity.resources.iter().cloned()),
            _ => {}
        }
        for child in price.children() {
            self.add(child);
        }
    }
}

/// Refuses unknown keys of the file and keys of a charge that a quote has no use for.
fn check_keys(mut root: Table<'_>) {
    let example = "{ tokens = { model = \"unit\", unit_amount = \"0.01\" } }";
    if let Some(prices) = root.required("prices", example)
        && let Some(table) = prices.table()
        && table.entries().is_empty()
    {
        prices.error("has no price", "add a table such as [prices.tokens]");
    }
    if let Some(item) = root.optional("currency") {
        let _ = currency(&item);
    }
    if let Some(item) = root.optional("time_zone") {
        let _ = time_zone(&item);
    }
    if let Some(mut charge) = root.optional("charge").as_ref().and_then(Item::table) {
        for key in NOT_OF_A_QUOTE {
            charge.refuse(key, "is a key of a plan's charge, not of a quote", "leave it out");
        }
    }
    for section in PASSED_OVER {
        let _ = root.optional(section);
    }
    root.finish();
}

/// A problem as it concerns the file, which has no plan.
fn in_the_file(problem: Problem, name: &str) -> Problem {
    let key = match problem.key.strip_prefix(CHARGE_KEY) {
        Some(".price") => format!("prices.{name}"),
        Some(key) => format!("charge{key}"),
        None => problem.key,
    };
    Problem { key, ..problem }
}

fn table<'n, 't>(entries: impl IntoIterator<Item = (&'n str, Spanned<DeValue<'t>>)>) -> DeTable<'t> {
    let entries = entries.into_iter();
    entries.map(|(name, value)| (Spanned::new(0..0, name.to_owned().into()), value)).collect()
}

fn value(table: DeTable<'_>) -> Spanned<DeValue<'_>> {
    Spanned::new(0..0, DeValue::Table(table))
}

fn text<'t>(text: &str) -> Spanned<DeValue<'t>> {
    Spanned::new(0..0, DeValue::String(text.to_owned().into()))
}

#[cfg(test)]
mod tests;
