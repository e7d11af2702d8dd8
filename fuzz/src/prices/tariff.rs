//! A charge and its usage, as libFuzzer chooses them: every price, with the modifiers and figures that catalogs may have.
//!
//! Owns: the catalog's text and the events. Does not own: whether the loader takes the catalog; most it does.

use std::fmt::Write as _;

use arbitrary::{Arbitrary, Result, Unstructured};
use weir_loadtest::oracle::{Event, Value};

/// The first instant of the period, 2026-08-01 in UTC.
const PERIOD_START: i64 = 1_785_542_400_000_000;
const MINUTE: i64 = 60_000_000;
const DAY: i64 = 24 * 60 * MINUTE;
/// A price's block, scaled, at most.
const BLOCK_MAX: u128 = 10_u128.pow(18);

/// Days of the period.
const DAYS: i64 = 31;
const REGIONS: [&str; 3] = ["eu", "us", "ap"];
const ROUNDINGS: [&str; 4] = ["half_away", "half_even", "up", "down"];

/// A charge and events at it.
#[derive(Debug, Arbitrary)]
pub struct Input {
    aggregation: Aggregation,
    /// Decimals of the meter.
    scale: u8,
    allow_negative: bool,
    /// The day on which the customer starts.
    starts_on: Option<u8>,
    conversion: Option<(bool, Figure, u8)>,
    allowance: Option<Figure>,
    /// Scale and mode.
    round: Option<(u8, u8)>,
    price: Price,
    /// A version that splits the period on a day.
    later: Option<(u8, Price)>,
    usages: Vec<Usage>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Arbitrary)]
enum Aggregation {
    Sum,
    Count,
    Max,
    Min,
    Latest,
}

#[derive(Debug, Arbitrary)]
struct Usage {
    minute: u16,
    value: Figure,
    is_negative: bool,
    own: Option<Figure>,
    region: u8,
}

#[derive(Debug, Arbitrary)]
enum Price {
    Leaf(Leaf),
    Matrix(Vec<Leaf>, Option<Leaf>),
    /// Hours from and to, and what holds between them.
    Schedule(Vec<(u8, u8, Leaf)>, Option<Leaf>),
}

#[derive(Debug, Arbitrary)]
enum Leaf {
    Unit(Figure, Option<Figure>),
    Graduated(Vec<Tier>),
    Volume(Vec<Tier>),
    Package(Figure, Figure, Option<u8>),
    Stairstep(Vec<Tier>),
    Percentage(Percentage),
    GraduatedPercentage(Vec<Tier>),
    Dynamic(Option<Figure>),
    Increments(Option<Figure>, Vec<Tier>),
}

#[derive(Debug, Arbitrary)]
struct Percentage {
    rate: Figure,
    fixed: Option<Figure>,
    min: Option<Figure>,
    /// Above `min`.
    max: Option<Figure>,
    free_events: Option<u8>,
    free_amount: Option<Figure>,
}

/// A tier, or a step of increments.
#[derive(Debug, Arbitrary)]
struct Tier {
    /// Above the tier before.
    width: Figure,
    unit_amount: Figure,
    per: Option<Figure>,
    flat_amount: Option<Figure>,
}

/// A figure above zero: mostly small, some at the bounds of what fits.
#[derive(Debug, Clone, Copy)]
struct Figure {
    digits: u128,
    decimals: u8,
}

impl<'a> Arbitrary<'a> for Figure {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Figure> {
        Ok(match u.arbitrary::<u8>()? % 8 {
            0..=3 => Figure { digits: u128::from(u.arbitrary::<u8>()?), decimals: u.arbitrary::<u8>()? % 3 },
            4 | 5 => Figure { digits: u128::from(u.arbitrary::<u32>()?), decimals: u.arbitrary::<u8>()? % 7 },
            6 => Figure { digits: u128::from(u.arbitrary::<u64>()?), decimals: u.arbitrary::<u8>()? % 19 },
            _ => Figure { digits: u.arbitrary::<u128>()? % 10_u128.pow(38), decimals: u.arbitrary::<u8>()? % 19 },
        })
    }
}

impl Figure {
    fn text(self) -> String {
        let unit = 10_u128.pow(u32::from(self.decimals));
        let width = usize::from(self.decimals);
        match self.decimals {
            0 => self.digits.to_string(),
            _ => format!("{}.{:0>width$}", self.digits / unit, self.digits % unit),
        }
    }

    /// With no more decimals than `scale`, and at most 10^24 scaled.
    fn quantity(self, scale: u8) -> Figure {
        let decimals = self.decimals.min(scale);
        let most = 10_u128.pow(24 - u32::from(scale - decimals));
        Figure { digits: self.digits % (most + 1), decimals }
    }

    /// Below 10^20.
    fn amount(self) -> Figure {
        Figure { digits: self.digits % 10_u128.pow(20 + u32::from(self.decimals)), ..self }
    }

    /// As an integer at `scale`.
    fn scaled(self, scale: u8) -> u128 {
        let Figure { digits, decimals } = self.quantity(scale);
        digits * 10_u128.pow(u32::from(scale - decimals))
    }
}

/// The digits of a figure at a scale, as a quoted decimal.
fn at_scale(digits: u128, scale: u8) -> String {
    format!("\"{}\"", Figure { digits, decimals: scale }.text())
}

impl Input {
    fn scale(&self) -> u8 {
        if self.aggregation == Aggregation::Count { 0 } else { self.scale % 13 }
    }

    /// When the customer starts in the period.
    pub fn active_start(&self) -> i64 {
        PERIOD_START + self.starts_on.map_or(0, |day| i64::from(day) % DAYS) * DAY
    }

    /// The period's first instant, and the first behind it.
    pub fn period() -> (i64, i64) {
        (PERIOD_START, PERIOD_START + DAYS * DAY)
    }

    /// The catalog: one charge of one plan, and one customer.
    pub fn catalog(&self) -> String {
        let scale = self.scale();
        let aggregation = match self.aggregation {
            Aggregation::Sum => "sum\"\nvalue = \"data.v",
            Aggregation::Count => "count",
            Aggregation::Max => "max\"\nvalue = \"data.v",
            Aggregation::Min => "min\"\nvalue = \"data.v",
            Aggregation::Latest => "latest\"\nvalue = \"data.v",
        };
        let mut text = format!(
            "name = \"fuzz\"\ncurrency = \"USD\"\n[meters.m]\nevent_type = \"e\"\naggregation = \"{aggregation}\"\n\
             amount = \"data.a\"\nscale = {scale}\ndimensions = {{ region = \"data.region\" }}\n"
        );
        if self.allow_negative && self.aggregation != Aggregation::Count {
            text.push_str("allow_negative = true\n");
        }
        text.push_str(&format!("[prices.p]\n{}", self.price.keys(scale).join("\n")));
        if let Some((day, price)) = &self.later {
            let day = i64::from(*day) % DAYS + 1;
            let keys = price.keys(scale).join("\n");
            let version = format!("effective_at = \"2026-08-{day:02}T12:00:00Z\"\nmid_period = \"split\"");
            text.push_str(&format!("\n[[prices.p.versions]]\n{version}\n{keys}"));
        }
        text.push_str(
            "\n[plans.p]\ncycle = \"1 month\"\n[[plans.p.charges]]\nname = \"c\"\nmeter = \"m\"\nprice = \"p\"\n",
        );
        text.push_str(&self.modifiers());
        text.push_str("[customers.c]\nplan = \"p\"\n");
        if let Some(day) = self.starts_on {
            text.push_str(&format!("starts_on = \"2026-08-{:02}\"\n", i64::from(day) % DAYS + 1));
        }
        text
    }

    /// Digits that a conversion adds to a quantity until it is priced.
    pub fn conversion_digits(&self) -> usize {
        let digits = |(_, factor, _): &(bool, Figure, u8)| factor.text().len();
        self.conversion.as_ref().map_or(0, digits)
    }

    fn modifiers(&self) -> String {
        let mut text = String::new();
        if let Some((divides, factor, round)) = self.conversion {
            let (key, factor) = (if divides { "divide" } else { "multiply" }, factor.text());
            let round = ["up", "down", "half_away", "none"][usize::from(round % 4)];
            text.push_str(&format!("conversion = {{ {key} = \"{factor}\", round = \"{round}\" }}\n"));
        }
        if let Some(allowance) = self.allowance {
            let quantity = at_scale(allowance.scaled(self.scale()), self.scale());
            text.push_str(&format!("allowance = {{ quantity = {quantity} }}\n"));
        }
        if let Some((scale, mode)) = self.round {
            let mode = ROUNDINGS[usize::from(mode % 4)];
            text.push_str(&format!("round = {{ scale = {}, mode = \"{mode}\" }}\n", scale % 19));
        }
        text
    }

    /// The events, in the order of the log.
    pub fn events(&self) -> Vec<Event> {
        (0..).zip(&self.usages).map(|(number, usage)| self.event(number, usage)).collect()
    }

    fn event(&self, number: u32, usage: &Usage) -> Event {
        let (start, (_, end)) = (self.active_start(), Self::period());
        let sign = if usage.is_negative && self.allow_negative { "-" } else { "" };
        let mut data = vec![
            ("v".to_owned(), Value::Number(format!("{sign}{}", usage.value.quantity(self.scale()).text()))),
            ("region".to_owned(), Value::Text(REGIONS[usize::from(usage.region % 3)].to_owned())),
        ];
        if let Some(own) = usage.own {
            data.push(("a".to_owned(), Value::Number(own.amount().text())));
        }
        Event {
            source: "s".to_owned(),
            id: number.to_string(),
            subject: "c".to_owned(),
            event_type: "e".to_owned(),
            time_micros: start + (i64::from(usage.minute) * MINUTE) % (end - start),
            partitionkey: None,
            data,
        }
    }
}

impl Price {
    /// Its keys, one a line.
    fn keys(&self, scale: u8) -> Vec<String> {
        match self {
            Price::Leaf(leaf) => leaf.keys(scale),
            Price::Matrix(cells, otherwise) => {
                let cells = cells.iter().take(3).zip(REGIONS).map(|(leaf, region)| {
                    format!("{{ when = {{ region = \"{region}\" }}, price = {} }}", leaf.table(scale))
                });
                let mut keys = vec!["model = \"matrix\"".to_owned(), list("cells", cells)];
                keys.extend(otherwise.iter().map(|leaf| format!("otherwise = {}", leaf.table(scale))));
                keys
            }
            Price::Schedule(windows, otherwise) => {
                let windows = windows.iter().take(3).map(|(from, to, leaf)| {
                    let (from, to) = (from % 24, to % 24);
                    format!("{{ from = \"{from:02}:00\", to = \"{to:02}:30\", price = {} }}", leaf.table(scale))
                });
                let mut keys = vec!["model = \"schedule\"".to_owned(), list("windows", windows)];
                keys.extend(otherwise.iter().map(|leaf| format!("otherwise = {}", leaf.table(scale))));
                keys
            }
        }
    }
}

fn list(name: &str, items: impl Iterator<Item = String>) -> String {
    format!("{name} = [{}]", items.collect::<Vec<_>>().join(", "))
}

/// How much a price buys: at most 10^18 scaled, so that the sum of two versions of any amount fits in 256 bits, however their blocks
/// divide.
fn block_size(figure: Figure, scale: u8) -> String {
    at_scale((figure.scaled(scale) % BLOCK_MAX).max(1), scale)
}

fn quoted(name: &str, figure: Figure) -> String {
    format!("{name} = \"{}\"", figure.amount().text())
}

impl Leaf {
    fn table(&self, scale: u8) -> String {
        format!("{{ {} }}", self.keys(scale).join(", "))
    }

    fn keys(&self, scale: u8) -> Vec<String> {
        let block = |name: &str, size: &Figure| format!("{name} = {}", block_size(*size, scale));
        let (model, mut keys) = match self {
            Leaf::Unit(amount, per) => {
                let per = per.as_ref().map(|per| block("per", per));
                ("unit", [quoted("unit_amount", *amount)].into_iter().chain(per).collect())
            }
            Leaf::Graduated(tiers) => ("graduated", vec![Tier::list(tiers, scale, Tier::graduated)]),
            Leaf::Volume(tiers) => ("volume", vec![Tier::list(tiers, scale, Tier::graduated)]),
            Leaf::Stairstep(tiers) => ("stairstep", vec![Tier::list(tiers, scale, Tier::stairstep)]),
            Leaf::GraduatedPercentage(tiers) => {
                ("graduated_percentage", vec![Tier::list(tiers, scale, Tier::percentage)])
            }
            Leaf::Package(size, amount, partial) => {
                let partial =
                    partial.map(|at| format!("partial = \"{}\"", ["up", "down", "prorate"][usize::from(at % 3)]));
                ("package", [block("size", size), quoted("amount", *amount)].into_iter().chain(partial).collect())
            }
            Leaf::Percentage(percentage) => ("percentage", percentage.keys(scale)),
            Leaf::Dynamic(multiplier) => ("dynamic", multiplier.iter().map(|by| quoted("multiplier", *by)).collect()),
            Leaf::Increments(connect, steps) => {
                let connect = connect.map(|amount| quoted("connect", amount));
                let steps = Tier::list(steps, scale, Tier::step).replacen("tiers", "steps", 1);
                ("increments", [steps].into_iter().chain(connect).collect())
            }
        };
        keys.insert(0, format!("model = \"{model}\""));
        keys
    }
}

impl Percentage {
    fn keys(&self, scale: u8) -> Vec<String> {
        let mut keys = vec![quoted("rate", self.rate)];
        keys.extend(self.fixed.map(|amount| quoted("fixed", amount)));
        keys.extend(self.min.map(|amount| quoted("min", amount)));
        let above = |max: Figure| Figure { digits: max.digits / 2 + 1 + self.min.map_or(0, |min| min.digits), ..max };
        keys.extend(self.max.map(|amount| quoted("max", above(amount))));
        keys.extend(self.free_events.map(|count| format!("free_events = {count}")));
        keys.extend(self.free_amount.map(|free| format!("free_amount = {}", at_scale(free.scaled(scale), scale))));
        keys
    }
}

impl Tier {
    /// Up to four tiers with ascending bounds, the last one open.
    fn list(tiers: &[Tier], scale: u8, keys: fn(&Tier, u8) -> Vec<String>) -> String {
        let tiers = &tiers[..tiers.len().min(4)];
        let mut bound = 0;
        let texts = (1..).zip(tiers).map(|(number, tier)| {
            let mut text = String::from("{ ");
            if number < tiers.len() {
                bound += tier.width.scaled(scale) + 1;
                let _ = write!(text, "up_to = {}, ", at_scale(bound, scale));
            }
            text + &keys(tier, scale).join(", ") + " }"
        });
        list("tiers", texts.collect::<Vec<_>>().into_iter())
    }

    fn graduated(&self, scale: u8) -> Vec<String> {
        let per = self.per.map(|per| format!("per = {}", block_size(per, scale)));
        let flat = self.flat_amount.map(|amount| quoted("flat_amount", amount));
        [quoted("unit_amount", self.unit_amount)].into_iter().chain(per).chain(flat).collect()
    }

    fn percentage(&self, _scale: u8) -> Vec<String> {
        let flat = self.flat_amount.map(|amount| quoted("flat_amount", amount));
        [quoted("rate", self.unit_amount)].into_iter().chain(flat).collect()
    }

    fn stairstep(&self, _scale: u8) -> Vec<String> {
        vec![quoted("flat_amount", self.unit_amount)]
    }

    fn step(&self, scale: u8) -> Vec<String> {
        let every = self.per.map_or_else(|| at_scale(1, scale), |per| block_size(per, scale));
        let per = self.flat_amount.map(|per| format!("per = {}", block_size(per, scale)));
        let keys = [format!("every = {every}"), quoted("unit_amount", self.unit_amount)];
        keys.into_iter().chain(per).collect()
    }
}
