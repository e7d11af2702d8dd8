//! From the catalog's TOML (interfaces.md) to [`Catalog`].
//!
//! Owns: the keys, their defaults, and which combinations are legal (rating.md 1-6). Does not own: prices' arithmetic, nor
//! any I/O: cells files come through [`CatalogFiles`]. A key of the contract that this version does not know the behaviour
//! of is refused by name, never ignored: an ignored discount is a wrong invoice.

mod accounts;
mod charges;
mod customers;
mod dates;
mod dimensions;
mod meters;
mod overrides;
mod plans;
mod pools;
mod prices;
mod quote;
mod seller;
mod thresholds;

use std::cell::RefCell;
use std::rc::Rc;

use jiff::tz::TimeZone;
use xxhash_rust::xxh3::Xxh3Default;

use super::lint;
use super::toml_reader::{Item, Mark, Report, Table};
use super::{Catalog, CatalogError, Problem};
use crate::currency::Currency;
use prices::Prices;
pub use quote::PriceFile;

/// The files beside a catalog: a matrix may keep its cells in one.
pub trait CatalogFiles {
    /// The text of the file that the catalog names `path`.
    fn read(&self, path: &str) -> std::io::Result<String>;
}

/// No files: for catalogs that stand alone.
#[derive(Debug, Clone, Copy)]
pub struct NoFiles;

impl CatalogFiles for NoFiles {
    fn read(&self, _path: &str) -> std::io::Result<String> {
        Err(std::io::ErrorKind::NotFound.into())
    }
}

/// Loads a catalog from its TOML text. `file_name` stands in problems. Returns the catalog and what looks like a mistake in
/// it (see [`lint`](super::lint)), or all its errors.
pub fn load(file_name: &str, text: &str, files: &dyn CatalogFiles) -> Result<(Catalog, Vec<Problem>), CatalogError> {
    let report = Report::new(file_name, text);
    let sources = Sources { files, hash: RefCell::new(Xxh3Default::new()) };
    sources.hash_in(text);
    let document = report.parse(text);
    let loaded = document.as_ref().and_then(|document| read(report.root(document), &sources));
    if let (Some((catalog, places)), false) = (&loaded, report.has_errors()) {
        lint::lint(catalog, places, &report);
    }
    let warnings = report.finish()?;
    // Without errors there is a document, and every reader returned a value: `None` is always reported.
    let (mut catalog, _) = loaded.unwrap_or_else(|| unreachable!("a catalog without errors was read"));
    catalog.hash = sources.hash.borrow().digest();
    Ok((catalog, warnings))
}

/// Where things are declared, for the lints.
#[derive(Debug, Default)]
pub(super) struct Places {
    /// By [`MeterIdx`](super::MeterIdx).
    pub(super) meters: Vec<Mark>,
    /// By [`PlanIdx`](super::PlanIdx), variants left out.
    pub(super) plans: Vec<Mark>,
    /// By [`ChargeIdx`](super::ChargeIdx); `None` for what a variant of a plan has unchanged.
    pub(super) charges: Vec<Option<ChargePlace>>,
    /// By [`CustomerIdx`](super::CustomerIdx).
    pub(super) customers: Vec<Mark>,
    /// Named prices that no charge uses.
    pub(super) unused_prices: Vec<Mark>,
}

/// Where a charge and its price are declared.
#[derive(Debug)]
pub(super) struct ChargePlace {
    charge: Mark,
    keys: Vec<(&'static str, Mark)>,
    /// By version: its price, in place or under `prices`.
    pub(super) versions: Rc<[Mark]>,
}

impl ChargePlace {
    /// A key of the charge; the charge itself if the key stands elsewhere, as an override's does.
    pub(super) fn at(&self, key: &str) -> &Mark {
        self.keys.iter().find(|(name, _)| *name == key).map_or(&self.charge, |(_, mark)| mark)
    }
}

/// The texts that make the catalog, each hashed as it is read.
pub(super) struct Sources<'f> {
    files: &'f dyn CatalogFiles,
    hash: RefCell<Xxh3Default>,
}

impl Sources<'_> {
    fn read(&self, path: &str) -> std::io::Result<String> {
        let text = self.files.read(path)?;
        self.hash_in(&text);
        Ok(text)
    }

    fn hash_in(&self, text: &str) {
        let mut hash = self.hash.borrow_mut();
        // The length keeps two texts from running together.
        hash.update(&u64::try_from(text.len()).unwrap_or(u64::MAX).to_le_bytes());
        hash.update(text.as_bytes());
    }
}

/// A price's currency and where it stands.
type PlacedCurrency = (Currency, Mark);

/// Defaults of the whole catalog.
#[derive(Debug, Clone)]
struct Defaults {
    currency: Currency,
    time_zone: TimeZone,
}

fn read(mut root: Table<'_>, sources: &Sources<'_>) -> Option<(Catalog, Places)> {
    let name = root.required("name", "\"acme\"").and_then(|item| item.text());
    let currency = root.required("currency", "\"USD\"").and_then(|item| currency(&item));
    let zone = root.optional("time_zone").map_or(Some(TimeZone::UTC), |item| time_zone(&item));
    root.unsupported(&["coupons"]);
    // A faulty default is reported; going on with a stand-in finds the other problems.
    let defaults =
        Defaults { currency: currency.or_else(|| Currency::parse("USD"))?, time_zone: zone.unwrap_or(TimeZone::UTC) };
    let meters = meters::read(section(&mut root, "meters"));
    let mut prices = Prices::read(section(&mut root, "prices"), sources, &defaults.time_zone);
    let mut plans = plans::read(section(&mut root, "plans"), &meters, &mut prices, &defaults);
    let accounts = accounts::read(section(&mut root, "accounts"), &defaults);
    let seller = root.optional("seller").and_then(|item| seller::read(&item));
    let mut parties = customers::Parties::new(accounts, &defaults);
    parties.read(section(&mut root, "customers"), &mut plans, &meters, &mut prices);
    pools::check(&parties, &plans, root.report());
    let default_plan = root.optional("defaults").and_then(|item| plans::read_default(&item, &plans));
    let report = root.report();
    root.finish();
    let unused_prices = prices.check_unused(report);
    if report.has_errors() {
        return None;
    }
    let places = Places {
        meters: meters.places,
        plans: plans.places,
        charges: plans.charge_places,
        customers: parties.places,
        unused_prices,
    };
    let catalog = Catalog {
        name: name?.to_owned(),
        hash: 0,
        currency: defaults.currency,
        time_zone: defaults.time_zone.clone(),
        meters: meters.list,
        event_types: meters.event_types,
        plans: plans.list,
        charges: plans.charges,
        accounts: parties.accounts,
        customers: parties.customers,
        seller,
        default_plan,
    };
    Some((catalog, places))
}

/// The named tables of a section such as `[meters.*]`, in the text's order.
fn section<'a>(root: &mut Table<'a>, name: &'static str) -> Vec<(&'a str, Item<'a>)> {
    let table = root.optional(name).and_then(|item| item.table());
    table.map(|table| table.entries()).unwrap_or_default()
}

fn currency(item: &Item<'_>) -> Option<Currency> {
    item.parsed("a currency of ISO 4217 with a minor unit", "write for example \"USD\"", Currency::parse)
}

fn time_zone(item: &Item<'_>) -> Option<TimeZone> {
    let fix = "write a name of the IANA database, for example \"Europe/Paris\"";
    item.parsed("a known time zone", fix, |name| TimeZone::get(name).ok())
}

/// A key that may be absent: the outer `None` is an error.
fn optional<'a, T>(
    table: &mut Table<'a>,
    name: &'static str,
    read: impl FnOnce(&Item<'a>) -> Option<T>,
) -> Option<Option<T>> {
    table.optional(name).map_or(Some(None), |item| read(&item).map(Some))
}

/// A list's next index.
fn next_index<T>(list: &[T]) -> u32 {
    // Lists come from a text in memory: they are shorter than 2^32.
    u32::try_from(list.len()).unwrap_or(u32::MAX)
}
