//! From tables to [`PriceSource`]: the keys of every model, and which prices may stand in which.

use jiff::tz::TimeZone;

use super::super::super::MidPeriod;
use super::super::super::toml_reader::{Item, Table};
use super::super::{Sources, currency, dates, optional};
use super::makeup::Makeup;
use super::source::{
    CapacityTierSource, Literal, Model, Part, PercentageSource, PriceSource, StepSource, TierSource, VersionSource,
};
use super::{amount, positive, unit_amount};
use crate::decimal::Decimal;
use crate::number::{Amount, UnitAmount};
use crate::price::PartialBlock;
use crate::time::Instant;

/// Where a price stands: no kind of price stands inside itself, at any depth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// It is what a charge has.
    Whole,
    /// In a cell of a matrix.
    Cell,
    /// In a window of a schedule.
    Window,
    /// In a cell in a window, or in a window in a cell.
    Innermost,
}

/// Names of the price models.
const MODELS: [&str; 12] = [
    "unit",
    "graduated",
    "volume",
    "package",
    "stairstep",
    "percentage",
    "graduated_percentage",
    "dynamic",
    "increments",
    "capacity",
    "matrix",
    "schedule",
];

/// Names of [`PartialBlock`].
pub(super) const PARTIAL_BLOCKS: [(&str, PartialBlock); 3] =
    [("up", PartialBlock::Up), ("down", PartialBlock::Down), ("prorate", PartialBlock::Prorate)];

/// Reads prices: the files and the zone that they may need.
pub(super) struct Reader<'s> {
    pub(super) sources: &'s Sources<'s>,
    /// The catalog's.
    pub(super) zone: &'s TimeZone,
}

impl Reader<'_> {
    /// A price with its versions.
    pub(super) fn read(&self, mut table: Table<'_>) -> Option<PriceSource> {
        let mark = table.mark();
        let later = table.optional("versions");
        let reason = "does not stand here: the first price has always been in force";
        table.refuse("effective_at", reason, "move it to a table of `versions`");
        table.refuse("mid_period", reason, "move it to a table of `versions`");
        let first = self.read_version(table, None);
        let mut versions = vec![first];
        let mut before = None;
        for item in later.map_or(Some(Vec::new()), |item| item.array("[[prices.name.versions]]"))? {
            let version = self.read_later(&item);
            if let Some(at) = version.as_ref().and_then(|version| version.effective_at)
                && before.replace(at).is_some_and(|before| before >= at)
            {
                item.error("does not take effect after the version before it", "order versions by `effective_at`");
            }
            versions.push(version);
        }
        let versions = versions.into_iter().collect::<Option<Vec<_>>>()?;
        let makeup = versions.iter().map(|version| Makeup::of(&version.price)).collect();
        Some(PriceSource { mark, versions, makeup })
    }

    fn read_later(&self, item: &Item<'_>) -> Option<VersionSource> {
        let mut table = item.table()?;
        let at = table.required("effective_at", "\"2026-10-01T00:00:00Z\"");
        let at = at.and_then(|item| dates::instant(&item, self.zone));
        let choices = [("next_period", MidPeriod::NextPeriod), ("split", MidPeriod::Split)];
        let mid_period = table.optional("mid_period").map_or(Some(MidPeriod::default()), |item| item.choice(&choices));
        let version = self.read_version(table, at)?;
        at?;
        Some(VersionSource { mid_period: mid_period?, ..version })
    }

    fn read_version(&self, mut table: Table<'_>, effective_at: Option<Instant>) -> Option<VersionSource> {
        let currency = optional(&mut table, "currency", |item| Some((currency(item)?, item.mark())));
        let price = self.read_part(table, Place::Whole);
        Some(VersionSource { effective_at, mid_period: MidPeriod::default(), currency: currency?, price: price? })
    }

    /// The price whose other keys have been taken from `table`.
    pub(super) fn read_part(&self, mut table: Table<'_>, place: Place) -> Option<Part> {
        let mark = table.mark();
        let item = table.required("model", "\"unit\"");
        let name = item.as_ref().and_then(Item::text)?;
        let model = match (name, place) {
            ("unit", _) => read_unit(&mut table),
            ("graduated", _) => read_tiers(&mut table).map(Model::Graduated),
            ("volume", _) => read_tiers(&mut table).map(Model::Volume),
            ("graduated_percentage", _) => {
                read_list(&mut table, "tiers", PERCENTAGES, read_rate_tier).map(Model::GraduatedPercentage)
            }
            ("stairstep", _) => read_list(&mut table, "tiers", FLAT_TIERS, read_flat_tier).map(Model::Stairstep),
            ("package", _) => read_package(&mut table),
            ("percentage", _) => read_percentage(&mut table),
            ("dynamic", _) => read_dynamic(&mut table),
            ("increments", _) => read_increments(&mut table),
            ("capacity", Place::Whole) => {
                read_list(&mut table, "tiers", CAPACITY_TIERS, read_capacity_tier).map(Model::Capacity)
            }
            ("matrix", Place::Whole | Place::Window) => self.read_matrix(&mut table, place).map(Model::Matrix),
            ("schedule", Place::Whole | Place::Cell) => self.read_schedule(&mut table, place).map(Model::Schedule),
            _ => {
                let item = item?;
                match name {
                    "matrix" => item.error("a matrix cannot stand in a matrix", "name all dimensions in `when`"),
                    "schedule" => item.error("a schedule cannot stand in a schedule", "list all windows in one"),
                    "capacity" => {
                        item.error("a capacity price cannot stand in another price", "use it for a charge of its own");
                    }
                    _ => {
                        item.choice(&MODELS.map(|model| (model, ())));
                    }
                }
                // Which keys belong to the model is not known: none is reported as unknown.
                return None;
            }
        };
        table.finish();
        Some(Part { mark, model: model? })
    }

    /// The price of a key, in a cell or window.
    pub(super) fn read_inner(&self, item: &Item<'_>, place: Place) -> Option<Part> {
        self.read_part(item.table()?, place)
    }
}

const TIERS: &str = "[{ up_to = 100, unit_amount = \"0.5\" }, { unit_amount = \"0.3\" }]";
const PERCENTAGES: &str = "[{ up_to = 100, rate = \"0.02\" }, { rate = \"0.01\" }]";
const FLAT_TIERS: &str = "[{ up_to = 10, flat_amount = \"50\" }, { flat_amount = \"90\" }]";
const CAPACITY_TIERS: &str = "[{ up_to = { seats = 10 }, flat_amount = \"50\" }, { flat_amount = \"90\" }]";
const STEPS: &str = "[{ every = 60, unit_amount = \"0.01\" }]";

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

fn read_dynamic(table: &mut Table<'_>) -> Option<Model> {
    let one = || UnitAmount::from_decimal(Decimal { mantissa: 1, scale: 0 }).ok();
    let multiplier = table.optional("multiplier").map_or_else(one, |item| unit_amount(&item));
    Some(Model::Dynamic { multiplier: multiplier? })
}

fn read_percentage(table: &mut Table<'_>) -> Option<Model> {
    let rate = table.required("rate", "\"0.029\"").map(|item| unit_amount(&item));
    let fixed = optional(table, "fixed", amount);
    let min = optional(table, "min", amount);
    let max_item = table.optional("max");
    let max = max_item.as_ref().map_or(Some(None), |item| amount(item).map(Some));
    let free_events = optional(table, "free_events", |item| item.integer(1..=u32::MAX).map(u64::from));
    let free_amount = optional(table, "free_amount", positive);
    let (min, max) = (min?, max?);
    if let (Some(least), Some(most), Some(item)) = (min, max, max_item)
        && least > most
    {
        item.error(format!("is below `min`, which is {least}"), "an event cannot pay more than its `max`");
        return None;
    }
    let (fixed, free_events, free_amount) = (fixed?.unwrap_or_default(), free_events?, free_amount?);
    Some(Model::Percentage(Box::new(PercentageSource { rate: rate??, fixed, min, max, free_events, free_amount })))
}

fn read_increments(table: &mut Table<'_>) -> Option<Model> {
    let connect = optional(table, "connect", amount);
    let steps = read_list(table, "steps", STEPS, read_step);
    Some(Model::Increments { connect: connect?.unwrap_or_default(), steps: steps? })
}

fn read_step(item: &Item<'_>) -> Option<StepSource> {
    let mut table = item.table()?;
    let up_to = optional(&mut table, "up_to", positive);
    let every = table.required("every", "60").map(|item| positive(&item));
    let amount = table.required("unit_amount", "\"0.01\"").map(|item| unit_amount(&item));
    let per = optional(&mut table, "per", positive);
    table.finish();
    Some(StepSource { up_to: up_to?, every: every??, unit_amount: amount??, per: per? })
}

/// The elements of a required array of tables.
fn read_list<T>(
    table: &mut Table<'_>,
    name: &'static str,
    example: &str,
    read: impl Fn(&Item<'_>) -> Option<T>,
) -> Option<Vec<T>> {
    let elements = table.required(name, example)?.array(example)?;
    let read: Vec<Option<T>> = elements.iter().map(read).collect();
    read.into_iter().collect()
}

fn read_tiers(table: &mut Table<'_>) -> Option<Vec<TierSource>> {
    read_list(table, "tiers", TIERS, |item| {
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
        let (unit_amount, flat_amount) = (unit.unwrap_or_default(), flat.unwrap_or_default());
        Some(TierSource { up_to: up_to?, unit_amount, per: per?, flat_amount })
    })
}

fn read_rate_tier(item: &Item<'_>) -> Option<TierSource> {
    let mut table = item.table()?;
    let up_to = optional(&mut table, "up_to", positive);
    let rate = table.required("rate", "\"0.01\"").map(|item| unit_amount(&item));
    let flat = optional(&mut table, "flat_amount", amount);
    table.finish();
    Some(TierSource { up_to: up_to?, unit_amount: rate??, per: None, flat_amount: flat?.unwrap_or_default() })
}

fn read_flat_tier(item: &Item<'_>) -> Option<TierSource> {
    let mut table = item.table()?;
    let up_to = optional(&mut table, "up_to", positive);
    let flat = table.required("flat_amount", "\"50\"").map(|item| amount(&item));
    table.finish();
    Some(TierSource { up_to: up_to?, unit_amount: UnitAmount::ZERO, per: None, flat_amount: flat?? })
}

fn read_capacity_tier(item: &Item<'_>) -> Option<CapacityTierSource> {
    let mut table = item.table()?;
    let up_to = table.optional("up_to").map_or(Some(Vec::new()), |item| {
        let bounds = item.table()?.entries();
        let bounds: Vec<_> = bounds.iter().map(|(name, item)| Some(((*name).to_owned(), positive(item)?))).collect();
        bounds.into_iter().collect::<Option<Vec<(String, Literal)>>>()
    });
    let flat: Option<Option<Amount>> = table.required("flat_amount", "\"50\"").map(|item| amount(&item));
    table.finish();
    Some(CapacityTierSource { up_to: up_to?, flat_amount: flat?? })
}
