//! The oracle against figures worked out on paper: each price, aggregation and rule with its sum beside it.

#[path = "oracle_book/aggregations.rs"]
mod aggregations;
#[path = "oracle_book/documents.rs"]
mod documents;
#[path = "oracle_book/prices.rs"]
mod prices;
#[path = "oracle_book/quantity_rules.rs"]
mod quantity_rules;
#[path = "oracle_book/segments.rs"]
mod segments;
#[path = "oracle_book/verdicts.rs"]
mod verdicts;

use std::fmt::Write as _;

use jiff::Timestamp;
use weir_loadtest::oracle::{AMOUNT_SCALE, Document, Entry, Event, Line, LineKey, Outcome, Value, rate};

/// A catalog, and a log that is written event by event.
struct Book {
    catalog: String,
    log: Vec<Entry>,
}

/// Head of a catalog whose meters follow.
const HEAD: &str = "currency = \"USD\"\n";

/// Keys of a charge of this meter, without its price.
fn charge_of(meter: &str, rest: &str) -> String {
    format!("[[plans.p.charges]]\nname = \"c\"\nmeter = \"{meter}\"\n{rest}\n")
}

/// A meter `m` that sums `data.v` with two decimals and knows dimension `d`, a plan `p` of months with one charge `c`,
/// and a customer `acme` of it since 2026.
fn one_charge(charge: &str) -> String {
    let charge = charge_of("m", charge);
    let meter = "event_type = \"e\"\naggregation = \"sum\"\nvalue = \"data.v\"\nscale = 2\namount = \"data.a\"\n\
        dimensions = { d = \"data.d\" }";
    format!(
        "{HEAD}[meters.m]\n{meter}\n[plans.p]\n{charge}[customers.acme]\nplan = \"p\"\nstarts_on = \"2026-01-01\"\n"
    )
}

fn micros(text: &str) -> i64 {
    let text = if text.contains('T') { text.to_owned() } else { format!("{text}T00:00:00Z") };
    text.parse::<Timestamp>().unwrap().as_microsecond()
}

impl Book {
    fn new(catalog: impl Into<String>) -> Book {
        Book { catalog: catalog.into(), log: Vec::new() }
    }

    /// An event of `acme` with fields like `v=1.5 d=eu`: what begins with a digit or a sign is a number.
    fn event(self, time: &str, fields: &str) -> Book {
        self.event_of("acme", time, fields)
    }

    fn event_of(mut self, subject: &str, time: &str, fields: &str) -> Book {
        let id = self.log.len().to_string();
        self.log.push(Entry::Event(event(subject, &id, time, fields)));
        self
    }

    fn close(mut self, through: &str) -> Book {
        self.log.push(Entry::Close(micros(through)));
        self
    }

    fn outcome(&self) -> Outcome {
        rate(&self.catalog, &self.log).unwrap_or_else(|error| panic!("{error:#}\n{}", self.catalog))
    }

    /// A(S) of the one bucket with usage.
    fn amount(&self) -> String {
        let outcome = self.outcome();
        let mut buckets = outcome.buckets.values().filter(|bucket| bucket.events > 0);
        let amount = decimal(&buckets.next().expect("a bucket").amount.to_string(), AMOUNT_SCALE);
        assert!(buckets.next().is_none(), "more than one bucket");
        amount
    }

    /// Each bucket as `first day of the active part/group/leaf: events, quantity, amount`.
    fn buckets(&self) -> Vec<String> {
        let outcome = self.outcome();
        let shown = outcome.buckets.iter().map(|(key, bucket)| {
            let start = Timestamp::from_microsecond(key.active_start).unwrap().to_string();
            let day = start.strip_suffix("T00:00:00Z").unwrap_or(&start);
            let mut head = if key.customer == "acme" { day.to_owned() } else { format!("{} {day}", key.customer) };
            for value in &key.group {
                write!(head, "/{value}").unwrap();
            }
            if key.leaf > 0 {
                write!(head, "#{}", key.leaf).unwrap();
            }
            let quantity: Vec<String> = bucket.quantities.iter().map(ToString::to_string).collect();
            let amount = decimal(&bucket.amount.to_string(), AMOUNT_SCALE);
            format!("{head}: {}, {}, {amount}", bucket.events, quantity.join("+"))
        });
        shown.collect()
    }

    /// The documents of the last close.
    fn documents(&self) -> Vec<String> {
        self.outcome().closes.pop().unwrap_or_default().iter().map(show).collect()
    }
}

fn event(subject: &str, id: &str, time: &str, fields: &str) -> Event {
    let field = |text: &str| {
        let (key, value) = text.split_once('=').unwrap();
        let is_number = value.starts_with(|first: char| first.is_ascii_digit() || first == '-');
        let value = value.to_owned();
        (key.to_owned(), if is_number { Value::Number(value) } else { Value::Text(value) })
    };
    Event {
        source: "/book".to_owned(),
        id: id.to_owned(),
        subject: subject.to_owned(),
        event_type: "e".to_owned(),
        time_micros: micros(time),
        partitionkey: None,
        data: fields.split_whitespace().map(field).collect(),
    }
}

/// `1550`, 2: `15.5`.
fn decimal(integer: &str, scale: u32) -> String {
    let (sign, digits) = integer.strip_prefix('-').map_or(("", integer), |digits| ("-", digits));
    let scale = scale as usize;
    let digits = format!("{digits:0>width$}", width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let fraction = fraction.trim_end_matches('0');
    if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

/// `Invoice 01-01 = 500: usage 400, ...`, with the month of lines of other periods.
fn show(document: &Document) -> String {
    let day = |at: i64| Timestamp::from_microsecond(at).unwrap().to_string()[5..10].to_owned();
    let line = |(key, value): (&LineKey, &i128)| {
        let name = match &key.line {
            Line::Fee(name) => format!("fee {name}"),
            Line::Usage { charge, group } if group.is_empty() => charge.clone(),
            Line::Usage { charge, group } => format!("{charge}/{}", group.join("/")),
            Line::Discount(charge) => format!("{charge} discount"),
            Line::Maximum(charge) => format!("{charge} maximum"),
            Line::Minimum(charge) => format!("{charge} minimum"),
        };
        let of = if key.period_start == document.period_start { String::new() } else { day(key.period_start) + " " };
        format!("{of}{name} {value}")
    };
    let lines: Vec<String> = document.lines.iter().map(line).collect();
    let customer = if document.customer == "acme" { String::new() } else { format!("{} ", document.customer) };
    let note = if document.is_note { "note " } else { "" };
    let (kind, start) = (document.kind, day(document.period_start));
    format!("{customer}{note}{kind:?} {start} = {}: {}", document.total, lines.join(", "))
}
