//! What a proof sends to a server, and what must come of it: bodies made of draws, and the exact totals of what was acknowledged.
//!
//! A lane is one client: its bodies follow one another, and what repeats or contradicts an event follows it within the lane. So the outcome of
//! every line is known beforehand, however often a body is sent again.

use std::collections::BTreeMap;

use serde_json::Value;

/// Everybody has the plan; acme's subjects lie on several shards, so that its buckets are rated in parts.
pub const CATALOG: &str = r#"
name = "proof"
currency = "USD"
time_zone = "UTC"
[meters.calls]
event_type = "call"
aggregation = "sum"
value = "data.n"
scale = 0
[meters.pings]
event_type = "ping"
aggregation = "count"
[prices.calls]
model = "graduated"
tiers = [{ up_to = 100, unit_amount = "0.50" }, { up_to = 1_000, unit_amount = "0.30" }, { unit_amount = "0.10" }]
[prices.pings]
model = "unit"
unit_amount = "0.01"
[plans.p]
cycle = "1 month"
charges = [
    { name = "calls", meter = "calls", price = "calls" },
    { name = "pings", meter = "pings", price = "pings" },
]
[defaults]
plan = "p"
[customers.acme]
plan = "p"
subjects = ["a1", "a2", "a3", "a4"]
"#;

/// Amounts in hundredths, as the catalog's prices have them: up to where, and what a unit costs.
const CALL_TIERS: [(u64, u64); 3] = [(100, 50), (1_000, 30), (u64::MAX, 10)];
const SUBJECTS: [&str; 7] = ["a1", "a2", "a3", "a4", "beta", "gamma", "delta"];
/// The months of all events.
pub const MONTHS: [&str; 2] = ["2026-01", "2026-02"];
/// Through when all of them are sealed.
pub const ALL_SEALED: &str = "2026-03-01T00:00:00Z";

/// SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
#[derive(Debug, Clone)]
pub struct Draws(pub u64);

impl Draws {
    /// The next number.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// One below `end`, which is at least 1.
    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).unwrap()
    }
}

/// An event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Unique in its lane.
    pub id: u64,
    /// Whose usage.
    pub subject: &'static str,
    /// `call`, `ping`, or `noise` that no meter reads.
    pub kind: &'static str,
    /// Which of [`MONTHS`].
    pub month: usize,
    /// What a call counts.
    pub n: u64,
}

impl Event {
    fn line(&self, source: &str) -> String {
        let Event { id, subject, kind, month, n } = self;
        let (month, day, second) = (MONTHS[*month], 1 + id % 28, id % 60);
        format!(
            r#"{{"specversion":"1.0","id":"{id}","source":"{source}","type":"{kind}","subject":"{subject}","time":"{month}-{day:02}T12:00:{second:02}Z","data":{{"n":{n}}}}}"#
        )
    }

    /// Who pays.
    pub fn customer(&self) -> &'static str {
        if self.subject.starts_with('a') { "acme" } else { self.subject }
    }
}

/// Events that go together, and what becomes of them once they are acknowledged for the first time.
#[derive(Debug, Clone, Default)]
pub struct Body {
    /// NDJSON, or one structured event.
    pub text: String,
    /// Whether it is one event.
    pub is_single: bool,
    /// New events.
    pub new: Vec<Event>,
    /// Lines that repeat earlier ones.
    pub repeats: u64,
    /// Lines that contradict earlier ones.
    pub conflicts: u64,
    /// Lines that are no events, and what is wrong with them.
    pub rejected: Vec<(u64, &'static str)>,
}

impl Body {
    /// The media type.
    pub fn content_type(&self) -> &'static str {
        if self.is_single { "application/cloudevents+json" } else { "application/x-ndjson" }
    }

    /// Whether an answer is right: of a body that is sent for the first time, or of one that may have been taken before.
    ///
    /// # Panics
    /// If it is not.
    pub fn check(&self, answer: &Value, is_first: bool) {
        let count = |name: &str| answer[name].as_u64().unwrap();
        let valid = self.new.len() as u64 + self.repeats;
        assert_eq!(count("accepted") + count("duplicate"), valid, "{answer}\n{}", self.text);
        assert_eq!(count("conflict"), self.conflicts, "{answer}\n{}", self.text);
        assert_eq!(count("received"), valid + self.conflicts + self.rejected.len() as u64, "{answer}");
        let rejections = answer["rejections"].as_array().unwrap();
        let told = rejections.iter().map(|one| (one["index"].as_u64().unwrap(), one["code"].as_str().unwrap()));
        assert_eq!(told.collect::<Vec<_>>(), self.rejected, "{answer}\n{}", self.text);
        if is_first {
            assert_eq!(count("accepted"), self.new.len() as u64, "{answer}\n{}", self.text);
        }
    }
}

/// One client.
#[derive(Debug)]
pub struct Lane {
    source: String,
    draws: Draws,
    /// Everything that it has made.
    made: Vec<Event>,
}

impl Lane {
    /// A client with a number.
    pub fn new(seed: u64, number: u64) -> Lane {
        let draws = Draws(seed.wrapping_mul(1_000_003).wrapping_add(number));
        Lane { source: format!("lane-{number}"), draws, made: Vec::new() }
    }

    /// The next body, of at most so many lines; one in four is a single event.
    pub fn body(&mut self, lines_max: usize) -> Body {
        let is_single = self.draws.below(4) == 0;
        let lines = if is_single { 1 } else { 1 + self.draws.below(lines_max) };
        let mut body = Body { is_single, ..Body::default() };
        for index in 0..lines as u64 {
            let line = match self.draws.below(10) {
                0 if !self.made.is_empty() => {
                    body.repeats += 1;
                    self.earlier().line(&self.source)
                }
                1 if !self.made.is_empty() => {
                    body.conflicts += 1;
                    let earlier = self.earlier();
                    Event { n: earlier.n + 1, ..earlier }.line(&self.source)
                }
                2 => {
                    let (line, code) = self.broken();
                    body.rejected.push((index, code));
                    line
                }
                _ => self.fresh(&mut body),
            };
            body.text.push_str(&line);
            body.text.push('\n');
        }
        body
    }

    /// A body of so many new pings.
    pub fn pings(&mut self, count: usize) -> Body {
        let mut body = Body::default();
        for _ in 0..count {
            let ping = Event { id: self.made.len() as u64, subject: "beta", kind: "ping", month: 0, n: 1 };
            body.text.push_str(&ping.line(&self.source));
            body.text.push('\n');
            self.made.push(ping.clone());
            body.new.push(ping);
        }
        body
    }

    fn earlier(&mut self) -> Event {
        self.made[self.draws.below(self.made.len())].clone()
    }

    fn fresh(&mut self, body: &mut Body) -> String {
        let event = Event {
            id: self.made.len() as u64,
            subject: SUBJECTS[self.draws.below(SUBJECTS.len())],
            kind: ["call", "call", "call", "ping", "noise"][self.draws.below(5)],
            month: self.draws.below(MONTHS.len()),
            n: self.draws.below(40) as u64,
        };
        self.made.push(event.clone());
        body.new.push(event.clone());
        event.line(&self.source)
    }

    fn broken(&mut self) -> (String, &'static str) {
        match self.draws.below(3) {
            0 => ("{\"specversion\":\"1.0\",".to_owned(), "json_invalid"),
            1 => (r#"{"specversion":"1.0","id":"1","source":"s","type":"call","data":{"n":1}}"#.to_owned(), "attribute_missing"),
            _ => (
                r#"{"specversion":"1.0","id":"bad","source":"s","type":"call","subject":"beta","time":"2026-01-01T00:00:00Z","data":{"n":"x"}}"#.to_owned(),
                "value_invalid",
            ),
        }
    }
}

/// What a bucket must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Total {
    /// What the meter says.
    pub quantity: u64,
    /// How many events.
    pub events: u64,
    /// In hundredths.
    pub amount: u64,
}

/// By customer, charge and month.
pub type Totals = BTreeMap<(String, String, String), Total>;

/// The exact totals of events.
pub fn totals<'e>(events: impl Iterator<Item = &'e Event>) -> Totals {
    let mut totals = Totals::new();
    for event in events {
        let (charge, quantity) = match event.kind {
            "call" => ("calls", event.n),
            "ping" => ("pings", 1),
            _ => continue,
        };
        let key = (event.customer().to_owned(), charge.to_owned(), MONTHS[event.month].to_owned());
        let total = totals.entry(key).or_default();
        (total.quantity, total.events) = (total.quantity + quantity, total.events + 1);
    }
    for ((_, charge, _), total) in &mut totals {
        total.amount = if charge == "calls" { graduated(total.quantity) } else { total.quantity };
    }
    totals
}

fn graduated(quantity: u64) -> u64 {
    let (mut lower, mut amount) = (0, 0);
    for (up_to, unit) in CALL_TIERS {
        amount += (quantity.clamp(lower, up_to) - lower) * unit;
        lower = up_to;
    }
    amount
}

/// What `GET /v1/usage` says.
pub fn told(usage: &Value) -> Totals {
    assert_eq!(usage["truncated"], false);
    let total = |row: &Value| {
        let text = |name: &str| row[name].as_str().unwrap().to_owned();
        let month = text("period_start")[..7].to_owned();
        let amount = u64::try_from(hundredths(&text("amount"))).unwrap();
        let total =
            Total { quantity: text("quantity").parse().unwrap(), events: row["events"].as_u64().unwrap(), amount };
        ((text("customer"), text("charge"), month), total)
    };
    usage["rows"].as_array().unwrap().iter().map(total).collect()
}

/// A decimal text in hundredths.
pub fn hundredths(text: &str) -> i64 {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let fraction = format!("{:0<2}", fraction.trim_end_matches('0'));
    assert_eq!(fraction.len(), 2, "{text} is no number of hundredths");
    format!("{whole}{fraction}").parse().unwrap()
}
