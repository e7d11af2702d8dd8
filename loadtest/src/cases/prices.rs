//! Random prices of every model, as far as a charge admits them.
//!
//! Owns: figures around which events then fall (see [`Writer::bounds`]).

use toml::{Table, Value};

use super::figures::{Figure, list, table};
use super::meters::{DIMENSIONS, Kind, Meter};
use super::prng::Prng;

/// What a charge's prices have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    /// P of the cumulative quantity.
    Cumulative,
    /// A sum over events.
    PerEvent,
    /// Each cell its own; without conversion and allowance.
    Mixed,
}

/// How a price chooses among prices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cells {
    One,
    Matrix,
    Schedule,
    /// A schedule in a matrix.
    MatrixOfSchedules,
    /// A matrix in a schedule.
    ScheduleOfMatrices,
}

/// What a price must fit.
#[derive(Debug, Clone)]
pub(super) struct Fit {
    pub(super) meter: Meter,
    pub(super) family: Family,
    pub(super) cells: Cells,
    /// Every event is rounded, so that unit prices are per event.
    pub(super) is_rounded: bool,
    /// May take force in mid-period.
    pub(super) splits: bool,
}

/// Days that schedules take for holidays, within the logs' years.
pub(super) const HOLIDAYS: [&str; 4] = ["2026-03-29", "2026-03-09", "2026-11-01", "2024-02-29"];

/// Zones of schedules, accounts and catalogs: clocks that change at night, at midnight, by half an hour, and never.
pub(super) const ZONES: [&str; 8] = [
    "UTC",
    "Europe/Paris",
    "America/New_York",
    "Asia/Kathmandu",
    "Africa/Cairo",
    "America/Santiago",
    "Australia/Lord_Howe",
    "Pacific/Kiritimati",
];

/// Writes prices and remembers their bounds.
pub(super) struct Writer<'p> {
    pub(super) prng: &'p mut Prng,
    /// Quantities at which a price changes.
    pub(super) bounds: Vec<Figure>,
}

impl Writer<'_> {
    /// A price that fits.
    pub(super) fn price(&mut self, fit: &Fit) -> Table {
        match fit.cells {
            Cells::One => self.leaf(fit),
            Cells::Matrix => self.matrix(&mut |writer| writer.leaf(fit)),
            Cells::Schedule => self.schedule(&mut |writer| writer.leaf(fit)),
            Cells::MatrixOfSchedules => self.matrix(&mut |writer| {
                if writer.prng.chance(50) { writer.schedule(&mut |writer| writer.leaf(fit)) } else { writer.leaf(fit) }
            }),
            Cells::ScheduleOfMatrices => self.schedule(&mut |writer| {
                if writer.prng.chance(50) { writer.matrix(&mut |writer| writer.leaf(fit)) } else { writer.leaf(fit) }
            }),
        }
    }

    /// Cells of one dimension or two.
    fn matrix(&mut self, leaf: &mut dyn FnMut(&mut Self) -> Table) -> Table {
        let is_wide = self.prng.chance(40);
        let (name, values) = self.prng.pick(&DIMENSIONS);
        let mut cells = Vec::new();
        for value in &values[..3] {
            if self.prng.chance(20) {
                continue;
            }
            let mut when = table([(name, *value)]);
            if is_wide {
                for (other, values) in DIMENSIONS.iter().filter(|(other, _)| *other != name) {
                    when.insert((*other).to_owned(), self.prng.pick(values).into());
                }
            }
            cells.push(table([("when", when), ("price", leaf(self))]));
        }
        if cells.is_empty() {
            cells.push(table([("when", table([(name, values[0])])), ("price", leaf(self))]));
        }
        let mut price = table([("model", Value::from("matrix")), ("cells", list(cells))]);
        if self.prng.chance(60) {
            price.insert("otherwise".into(), leaf(self).into());
        }
        price
    }

    fn schedule(&mut self, leaf: &mut dyn FnMut(&mut Self) -> Table) -> Table {
        let mut windows = Vec::new();
        for _ in 0..self.prng.range(1, 3) {
            let mut window = table([("price", leaf(self))]);
            if self.prng.chance(50) {
                let days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun", "holiday"];
                let mut some: Vec<&str> = days.into_iter().filter(|_| self.prng.chance(40)).collect();
                if some.is_empty() {
                    some.push("sun");
                }
                window.insert("days".into(), list(some));
            }
            let times = [
                ("20:00", "06:00"),
                ("00:00", "24:00"),
                ("02:00", "03:00"),
                ("01:30", "02:30"),
                ("09:00", "18:00"),
                ("00:00", "00:00"),
            ];
            if self.prng.chance(70) {
                let (from, to) = self.prng.pick(&times);
                window.insert("from".into(), from.into());
                window.insert("to".into(), to.into());
            }
            windows.push(window);
        }
        let mut price = table([("model", Value::from("schedule")), ("windows", list(windows))]);
        if self.prng.chance(70) {
            price.insert("zone".into(), self.prng.pick(&ZONES).into());
        }
        if self.prng.chance(50) {
            price.insert("holidays".into(), list(HOLIDAYS));
        }
        if self.prng.chance(60) {
            price.insert("otherwise".into(), leaf(self).into());
        }
        price
    }

    fn leaf(&mut self, fit: &Fit) -> Table {
        let family = match fit.family {
            Family::Mixed => self.prng.pick(&[Family::Cumulative, Family::PerEvent]),
            family => family,
        };
        let mut models = Vec::new();
        if family == Family::Cumulative {
            models.push("unit");
            if !fit.meter.is_signed {
                models.extend(["graduated", "graduated", "package", "graduated_percentage"]);
                if !fit.splits {
                    models.extend(["volume", "stairstep"]);
                }
            }
        } else {
            models.push("percentage");
            if fit.is_rounded {
                models.push("unit");
            }
            if fit.meter.has_amount {
                models.push("dynamic");
            }
            if fit.meter.kind == Kind::Sum && !fit.meter.is_signed {
                models.push("increments");
            }
        }
        let model = self.prng.pick(&models);
        let mut price = match model {
            "unit" => self.unit(fit),
            "package" => self.package(fit),
            "percentage" => self.percentage(fit),
            "dynamic" => self.dynamic(),
            "increments" => self.increments(fit),
            tiers => self.tiers(fit, tiers),
        };
        price.insert("model".into(), model.into());
        price
    }

    fn amount(&mut self) -> Value {
        Figure::amount(self.prng).toml()
    }

    /// A quantity that events may fall on.
    fn bound(&mut self, fit: &Fit) -> Figure {
        let bound = Figure::quantity(self.prng, fit.meter.scale);
        self.bounds.push(bound);
        bound
    }

    /// Blocks are not so small that a large quantity at a large price would overflow.
    fn block(&mut self, fit: &Fit) -> Value {
        let block = self.bound(fit);
        if block.decimals > 2 { Value::Integer(1) } else { block.toml() }
    }

    fn unit(&mut self, fit: &Fit) -> Table {
        let mut price = table([("unit_amount", self.amount())]);
        if self.prng.chance(30) {
            price.insert("per".into(), self.block(fit));
        }
        price
    }

    fn package(&mut self, fit: &Fit) -> Table {
        let mut price = table([("size", self.block(fit)), ("amount", self.amount())]);
        if self.prng.chance(70) {
            price.insert("partial".into(), self.prng.pick(&["up", "down", "prorate"]).into());
        }
        price
    }

    /// Ascending bounds; some tiers have blocks, some flat amounts.
    fn tiers(&mut self, fit: &Fit, model: &str) -> Table {
        let mut bounds: Vec<Figure> = (1..self.prng.range(1, 4)).map(|_| self.bound(fit)).collect();
        bounds.sort_by_key(|bound| bound.at(fit.meter.scale));
        bounds.dedup_by_key(|bound| bound.at(fit.meter.scale));
        let mut tiers = Vec::new();
        for bound in bounds.iter().map(Some).chain([None]) {
            let mut tier = Table::new();
            tier.extend(bound.map(|bound| ("up_to".to_owned(), bound.toml())));
            match model {
                "stairstep" => {}
                "graduated_percentage" => {
                    tier.insert("rate".into(), Figure::rate(self.prng).toml());
                }
                _ => {
                    tier.insert("unit_amount".into(), self.amount());
                    if self.prng.chance(15) {
                        tier.insert("per".into(), self.block(fit));
                    }
                }
            }
            if model == "stairstep" || self.prng.chance(35) {
                tier.insert("flat_amount".into(), self.amount());
            }
            tiers.push(tier);
        }
        table([("tiers", list(tiers))])
    }

    fn percentage(&mut self, fit: &Fit) -> Table {
        let mut price = table([("rate", Figure::rate(self.prng).toml())]);
        if self.prng.chance(50) {
            price.insert("fixed".into(), self.amount());
        }
        let (low, high) = (Figure::amount(self.prng), Figure::amount(self.prng));
        let is_ascending = low.at(18) <= high.at(18);
        if self.prng.chance(40) {
            price.insert("min".into(), if is_ascending { low.toml() } else { high.toml() });
        }
        if self.prng.chance(40) {
            price.insert("max".into(), if is_ascending { high.toml() } else { low.toml() });
        }
        // What is free is not split, and is never below zero.
        let may_be_free = !fit.splits && !fit.meter.is_signed;
        if may_be_free && self.prng.chance(40) {
            price.insert("free_events".into(), self.prng.range(1, 5).into());
        }
        if may_be_free && self.prng.chance(40) {
            price.insert("free_amount".into(), self.bound(fit).toml());
        }
        price
    }

    fn dynamic(&mut self) -> Table {
        if self.prng.chance(40) { Table::new() } else { table([("multiplier", self.amount())]) }
    }

    fn increments(&mut self, fit: &Fit) -> Table {
        let mut steps = Vec::new();
        let bound = self.prng.chance(60).then(|| self.bound(fit));
        for up_to in bound.iter().map(Some).chain([None]) {
            let mut step = table([("every", self.block(fit)), ("unit_amount", self.amount())]);
            step.extend(up_to.map(|up_to| ("up_to".to_owned(), up_to.toml())));
            if self.prng.chance(40) {
                step.insert("per".into(), self.prng.pick(&[60, 7, 1]).into());
            }
            steps.push(step);
        }
        let mut price = table([("steps", list(steps))]);
        if self.prng.chance(40) {
            price.insert("connect".into(), self.amount());
        }
        price
    }
}

/// A capacity over the meters, by their names in the charge.
pub(super) fn capacity(writer: &mut Writer<'_>, meters: &[(String, Meter)]) -> Table {
    let mut tiers = Vec::new();
    let mut low: Vec<i128> = vec![0; meters.len()];
    for _ in 0..writer.prng.range(1, 3) {
        let mut bounds = Table::new();
        for (at, (name, _)) in meters.iter().enumerate() {
            // Each tier holds more than the one before.
            low[at] += i128::from(writer.prng.range(1, 60));
            let bound = Figure::new(low[at], 0);
            writer.bounds.push(bound);
            bounds.insert(name.clone(), bound.toml());
        }
        tiers.push(table([("up_to", Value::from(bounds)), ("flat_amount", writer.amount())]));
    }
    tiers.push(table([("flat_amount", writer.amount())]));
    table([("model", Value::from("capacity")), ("tiers", list(tiers))])
}
