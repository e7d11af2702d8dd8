//! A catalog that follows another in the middle of a log: rating goes on as if the later catalog had been known from the start,
//! where what it says anew only concerns what comes. Random catalogs and logs, with a change of one kind or several at random.

#[path = "library/compare.rs"]
#[allow(dead_code, reason = "the oracle has no catalogs that follow one another")]
mod compare;
#[path = "library/in_process.rs"]
mod in_process;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use in_process::{Seen, Stage, Succession, Way};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use toml::{Table, Value};
use weir_loadtest::cases::{self, Case, Size};
use weir_loadtest::oracle::{Entry, Event};
use weir_model::catalog::{self, Catalog};
use weir_model::time::Instant;

/// Numbers from a seed.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % limit.max(1)
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    fn pick<'t, T>(&mut self, of: &'t [T]) -> Option<&'t T> {
        (!of.is_empty()).then(|| &of[self.below(of.len())])
    }
}

/// A log whose events come about in the order of time, some late, with a catalog's change in the middle.
struct Log {
    stages: Vec<Stage>,
    stage: usize,
    line: usize,
    /// Behind everything that the log says before.
    not_before: i64,
    /// What events before the change are about.
    subjects_before: Vec<String>,
}

const DAY_US: i64 = 86_400_000_000;

impl Log {
    fn of(case: &Case, random: &mut Random) -> Log {
        let events = case.log.iter().filter_map(|entry| match entry {
            Entry::Event(event) => Some(event),
            Entry::Close(_) => None,
        });
        let mut closes: Vec<i64> = case
            .log
            .iter()
            .filter_map(|entry| match entry {
                Entry::Event(_) => None,
                Entry::Close(through) => Some(*through),
            })
            .collect();
        closes.sort_unstable();
        let last = closes.pop().unwrap();
        let mut timed: Vec<(i64, &Event)> = events
            .map(|event| {
                let late = if random.chance(25) { i64::try_from(random.below(30)).unwrap() * DAY_US } else { 0 };
                (time_of(event) + late, event)
            })
            .collect();
        timed.sort_by_key(|(time, _)| *time);
        let cut = random.below(timed.len() + 1);
        let mut log = Log { stages: Vec::new(), stage: 0, line: 0, not_before: i64::MIN, subjects_before: Vec::new() };
        let mut lines = Vec::new();
        for (number, (logged, event)) in timed.iter().enumerate() {
            while closes.first().is_some_and(|through| through <= logged) {
                let through = closes.remove(0);
                if number <= cut {
                    log.not_before = log.not_before.max(through);
                }
                log.stages
                    .push(Stage { lines: std::mem::take(&mut lines), through: Some(Instant::from_micros(through)) });
            }
            if number == cut {
                (log.stage, log.line) = (log.stages.len(), lines.len());
            }
            if number < cut {
                log.not_before = log.not_before.max(time_of(event) + 1);
                log.subjects_before.push(event.subject.clone());
            }
            lines.push(event.to_ndjson().unwrap());
        }
        if cut == timed.len() {
            (log.stage, log.line) = (log.stages.len(), lines.len());
        }
        let rest = closes.into_iter().chain([last]).max().unwrap();
        log.stages.push(Stage { lines, through: Some(Instant::from_micros(rest)) });
        log.not_before = log.not_before.max(timed.first().map_or(0, |(time, _)| *time));
        log
    }
}

fn time_of(event: &Event) -> i64 {
    event.time_micros
}

/// A change of a catalog's text.
struct Writer<'a> {
    random: &'a mut Random,
    text: Table,
    log: &'a Log,
}

impl Writer<'_> {
    fn change(&mut self) -> &'static str {
        match self.random.below(5) {
            0 => self.add_customer(),
            1 => self.claim_subject(),
            2 => self.change_plan(),
            3 => self.end(),
            _ => self.add_version(),
        }
    }

    /// A day at least two after the change, whatever the zone.
    fn day(&mut self) -> Date {
        let first = Timestamp::from_microsecond(self.log.not_before).unwrap().to_zoned(TimeZone::UTC).date();
        first.checked_add(i64::try_from(2 + self.random.below(40)).unwrap().days()).unwrap()
    }

    fn plans(&self) -> Vec<String> {
        self.text["plans"].as_table().unwrap().keys().cloned().collect()
    }

    fn customers(&mut self) -> &mut Table {
        self.text.entry("customers").or_insert_with(|| Table::new().into()).as_table_mut().unwrap()
    }

    fn new_customer(&mut self, subject: String) {
        let plans = self.plans();
        let mut customer = Table::new();
        customer.insert("plan".into(), self.random.pick(&plans).unwrap().clone().into());
        customer.insert("subjects".into(), vec![Value::from(subject)].into());
        customer.insert("starts_on".into(), self.day().to_string().into());
        self.customers().insert("a new one".to_owned(), customer.into());
    }

    fn add_customer(&mut self) -> &'static str {
        self.new_customer("somebody new".to_owned());
        "a customer"
    }

    /// Of subjects that nobody claims, or whose customer gives them up; none that has usage, which would stay where it is.
    fn claim_subject(&mut self) -> &'static str {
        let free: Vec<String> = ["walk-in a", "walk-in b", "stranger"]
            .into_iter()
            .filter(|subject| !self.log.subjects_before.iter().any(|before| before == subject))
            .map(str::to_owned)
            .collect();
        if let Some(subject) = self.random.pick(&free).cloned() {
            self.new_customer(subject);
        }
        "a claim"
    }

    fn change_plan(&mut self) -> &'static str {
        let (plans, day) = (self.plans(), self.day());
        let Some((plan, name)) = self.random.pick(&plans).cloned().zip(self.planned()) else { return "nothing" };
        let customer = self.customers()[&name].as_table_mut().unwrap();
        let mut change = Table::new();
        change.insert("effective_at".into(), day.to_string().into());
        change.insert("plan".into(), plan.into());
        let changes = customer.entry("changes").or_insert_with(|| Value::Array(Vec::new()));
        changes.as_array_mut().unwrap().push(change.into());
        "a change of plan"
    }

    fn end(&mut self) -> &'static str {
        let day = self.day();
        let Some(name) = self.planned() else { return "nothing" };
        self.customers()[&name].as_table_mut().unwrap().insert("ends_on".into(), day.to_string().into());
        "an end"
    }

    fn planned(&mut self) -> Option<String> {
        let planned = |(name, customer): (&String, &Value)| customer.get("plan").map(|_| name.clone());
        let names: Vec<String> = self.customers().iter().filter_map(planned).collect();
        self.random.pick(&names).cloned()
    }

    fn add_version(&mut self) -> &'static str {
        let day = self.day();
        let plans = self.plans();
        let plan = self.random.pick(&plans).unwrap().clone();
        let number = self.random.below(8);
        let charges = self.text["plans"].as_table_mut().unwrap()[&plan].get_mut("charges");
        let Some(charges) = charges.and_then(Value::as_array_mut) else { return "nothing" };
        let len = charges.len().max(1);
        let Some(charge) = charges.get_mut(number % len).and_then(Value::as_table_mut) else { return "nothing" };
        let name = charge["price"].as_str().unwrap().to_owned();
        let split = self.random.chance(50);
        let price = self.text["prices"].as_table_mut().unwrap()[&name].as_table_mut().unwrap();
        let mut version = price.clone();
        version.remove("versions");
        raise(&mut version);
        version.insert("effective_at".into(), day.to_string().into());
        if split {
            version.insert("mid_period".into(), "split".into());
        }
        let versions = price.entry("versions").or_insert_with(|| Value::Array(Vec::new()));
        versions.as_array_mut().unwrap().push(version.into());
        if split { "a split version" } else { "a version" }
    }
}

/// The same catalog with a name for every price of a plan, so that any may have versions.
fn name_prices(mut text: Table) -> Table {
    let mut named = Table::new();
    for (plan, rules) in text["plans"].as_table_mut().unwrap().iter_mut() {
        let charges = rules.get_mut("charges").and_then(Value::as_array_mut).into_iter().flatten();
        for charge in charges.filter_map(Value::as_table_mut) {
            let name = format!("{} of {plan}", charge["name"].as_str().unwrap());
            if charge["price"].is_table() {
                named.insert(name.clone(), std::mem::replace(&mut charge["price"], name.into()));
            }
        }
    }
    text.entry("prices").or_insert_with(|| Table::new().into()).as_table_mut().unwrap().extend(named);
    text
}

/// Raises what a price asks for.
fn raise(price: &mut Table) {
    for (key, value) in price.iter_mut() {
        match value {
            Value::String(text)
                if ["unit_amount", "flat_amount", "amount"].contains(&key.as_str())
                    && text.starts_with(|first: char| first.is_ascii_digit()) =>
            {
                *text = format!("1{text}");
            }
            Value::Table(below) => raise(below),
            Value::Array(below) => below.iter_mut().filter_map(Value::as_table_mut).for_each(raise),
            _ => {}
        }
    }
}

fn difference(seen: &Seen, expected: &Seen) -> Option<String> {
    let keys = seen.buckets.keys().chain(expected.buckets.keys());
    let differs = keys.into_iter().find(|key| seen.buckets.get(key) != expected.buckets.get(key));
    if let Some(key) = differs {
        return Some(format!(
            "bucket {key:?}: {:#?}, expected {:#?}",
            seen.buckets.get(key),
            expected.buckets.get(key)
        ));
    }
    let documents = seen.documents.iter().flatten().zip(expected.documents.iter().flatten());
    let document = documents.into_iter().find(|(seen, expected)| seen != expected);
    (seen != expected).then(|| format!("counts or documents, first {document:#?}"))
}

#[test]
fn a_later_catalog_might_have_been_there_from_the_start() {
    let first = std::env::var("WEIR_SUCCESSION_SEED").map_or(1, |seed| seed.parse().unwrap());
    let count = std::env::var("WEIR_SUCCESSION_CASES").map_or(200, |count| count.parse().unwrap());
    let mut tried = std::collections::BTreeMap::new();
    for seed in first..first + count {
        let mut random = Random(seed);
        let size = Size { events: 150, charges: 1 + random.below(5), customers: 1 + random.below(4) };
        let case = cases::generate(seed, size).unwrap();
        let log = Log::of(&case, &mut random);
        let text = name_prices(case.catalog_toml.parse().unwrap());
        let catalog_toml = toml::to_string(&text).unwrap();
        let before = compare::load(&catalog_toml).unwrap();
        let mut writer = Writer { random: &mut random, text, log: &log };
        let mut kinds = vec![writer.change()];
        if writer.random.chance(30) {
            kinds.push(writer.change());
        }
        let text = toml::to_string(&writer.text).unwrap();
        // Not every change is legal in every catalog, nor harmless.
        let after = compare::load(&text).and_then(|after| {
            let after = Catalog::clone(&after);
            catalog::succeed(&before, after, Instant::from_micros(log.not_before)).map_err(|error| error.to_string())
        });
        let Ok(after) = after.map(Arc::new) else { continue };
        let way = Way {
            shards: [1, 2, 3, 16][random.below(4)],
            chunk: 1 + random.below(50),
            restore_before: Some(random.below(3)),
        };
        let later = [Succession { stage: log.stage, line: log.line, catalog: Arc::clone(&after) }];
        let expected = in_process::rate(&after, &log.stages, &way);
        let seen = catch_unwind(AssertUnwindSafe(|| in_process::rate_succeeding((&before, &later), &log.stages, &way)));
        let seen = seen.unwrap_or_else(|_| panic!("seed {seed}, {kinds:?}\n{catalog_toml}\n{text}"));
        if let Some(found) = difference(&seen, &expected) {
            panic!(
                "seed {seed}, {kinds:?}, {way:?}, not before {}\n{catalog_toml}\n{text}\n{found}",
                Instant::from_micros(log.not_before)
            );
        }
        for kind in kinds {
            *tried.entry(kind).or_insert(0_u32) += 1;
        }
    }
    if count >= 200 {
        assert!(tried.len() >= 6 && tried.values().all(|count| *count >= 5), "{tried:?}");
    }
}

const CATALOG: &str = r#"
name = "by hand"
currency = "USD"
[meters.tokens]
event_type = "call"
aggregation = "sum"
value = "data.tokens"
[prices.tokens]
model = "graduated"
tiers = [ { up_to = 10, unit_amount = "1.00", flat_amount = "31.00" }, { unit_amount = "0.50" } ]
[plans.pro]
charges = [ { name = "tokens", meter = "tokens", price = "tokens", allowance = { quantity = 31 } } ]
[plans.max]
charges = [ { name = "tokens", meter = "tokens", price = { model = "unit", unit_amount = "0.10" } } ]
[plans.walk-in]
charges = [ { name = "tokens", meter = "tokens", price = { model = "unit", unit_amount = "7.00" } } ]
[defaults]
plan = "walk-in"
"#;

fn call(id: u32, subject: &str, day: u32, tokens: u32) -> String {
    format!(
        r#"{{"specversion":"1.0","id":"{id}","source":"/s","type":"call","subject":"{subject}","time":"2026-03-{day:02}T12:00:00Z","data":{{"tokens":{tokens}}}}}"#
    )
}

/// What is seen of lines before and after a change at noon of 10 March, and what would be were the later catalog there from
/// the start. Customers follow the catalog.
fn changed((before, after): (&str, &str), lines: [&[String]; 2]) -> (Seen, Seen) {
    let not_before = Instant::from_timestamp("2026-03-10T12:00:01Z".parse().unwrap());
    let [before, after] = [before, after].map(|customers| compare::load(&format!("{CATALOG}{customers}")).unwrap());
    let after =
        Arc::new(catalog::succeed(&before, Catalog::clone(&after), not_before).unwrap_or_else(|e| panic!("{e}")));
    let through = Some(Instant::from_timestamp("2026-04-01T00:00:00Z".parse().unwrap()));
    let stages = [Stage { lines: lines.concat(), through }];
    let later = [Succession { stage: 0, line: lines[0].len(), catalog: Arc::clone(&after) }];
    let way = Way { shards: 16, chunk: 2, restore_before: Some(0) };
    let seen = in_process::rate_succeeding((&before, &later), &stages, &way);
    (seen, in_process::rate(&after, &stages, &way))
}

fn totals(seen: &Seen) -> Vec<(String, String, i128)> {
    let documents = seen.documents.iter().flatten();
    let mut totals: Vec<_> = documents
        .map(|document| {
            let plan = document.segments.iter().map(|segment| segment.plan.clone()).collect::<Vec<_>>().join(", ");
            (document.customer.id.clone(), plan, document.total.minor())
        })
        .collect();
    totals.sort();
    totals
}

#[test]
fn ends_and_changes_to_come_cut_the_open_period_and_leave_it_whole_again() {
    let acme = |more: &str| format!("[customers.acme]\nplan = \"pro\"\nstarts_on = \"2026-01-01\"\n{more}");
    let change = "changes = [ { effective_at = \"2026-03-20\", plan = \"max\" } ]";
    let lines = [call(1, "acme", 2, 40), call(2, "acme", 10, 5), call(3, "acme", 15, 30), call(4, "acme", 25, 8)];
    for (before, after) in [
        ("", change),
        (change, ""),
        ("", "ends_on = \"2026-03-21\""),
        ("ends_on = \"2026-03-21\"", ""),
        ("ends_on = \"2026-03-21\"", "ends_on = \"2026-03-28\""),
        (
            change,
            "changes = [ { effective_at = \"2026-03-12\", plan = \"max\" }, { effective_at = \"2026-03-24\", plan = \"pro\" } ]",
        ),
    ] {
        let (seen, expected) = changed((&acme(before), &acme(after)), [&lines[..2], &lines[2..]]);
        assert_eq!(difference(&seen, &expected), None, "{before:?}, then {after:?}");
    }
}

/// Usage stays whose it was; what comes is the new owner's, even under the same id.
#[test]
fn a_subject_moves_and_its_usage_stays() {
    let lines = [call(1, "acme", 2, 1), call(2, "acme", 3, 1), call(3, "acme", 11, 100), call(4, "acme", 12, 1)];
    let acme = "[customers.acme]\nplan = \"max\"\nstarts_on = \"2026-03-01\"\n";
    let (seen, _) = changed(("", acme), [&lines[..2], &lines[2..]]);
    let acme_is = |plan: &str, total| ("acme".to_owned(), plan.to_owned(), total);
    assert_eq!(totals(&seen), [acme_is("max", 1010), acme_is("walk-in", 1400)]);

    // Given up: the subject is its own customer.
    let taken = "[customers.globex]\nplan = \"max\"\nsubjects = [\"acme\", \"globex\"]\n";
    let given_up = "[customers.globex]\nplan = \"max\"\nsubjects = [\"globex\"]\n";
    let (seen, _) = changed((taken, given_up), [&lines[..2], &lines[2..]]);
    assert_eq!(totals(&seen), [acme_is("walk-in", 70_700), ("globex".to_owned(), "max".to_owned(), 20)]);

    // Moved to another customer, whose other subject lies in another shard.
    let both = |of: [&str; 2]| {
        let [globex, initech] = of;
        format!(
            "[customers.globex]\nplan = \"max\"\nsubjects = [{globex}]\n[customers.initech]\nplan = \"max\"\nsubjects = [{initech}]\n"
        )
    };
    let lines = [lines.as_slice(), &[call(5, "b", 14, 10)]].concat();
    let before = both(["\"acme\", \"a\"", "\"b\""]);
    let (seen, _) = changed((&before, &both(["\"a\"", "\"acme\", \"b\""])), [&lines[..2], &lines[2..]]);
    let total = |id: &str, total| (id.to_owned(), "max".to_owned(), total);
    assert_eq!(totals(&seen), [total("globex", 20), total("initech", 1110)]);
}

/// The same text without the catalog before has other numbers: a snapshot must not be mistaken for one of its own.
#[test]
fn a_snapshot_knows_its_numbers() {
    use weir_model::hash::HashKey;
    use weir_rater::identities::IdentitySettings;
    use weir_rater::{RatingPlan, Shard, SnapshotError};
    let customers = |names: &[&str]| -> Catalog {
        let text: Vec<String> = names
            .iter()
            .map(|name| format!("[customers.{name}]\nplan = \"pro\"\nstarts_on = \"2026-03-01\"\n"))
            .collect();
        let text = text.concat();
        Catalog::clone(&compare::load(&format!("{CATALOG}{text}")).unwrap())
    };
    let not_before = Instant::from_timestamp("2026-03-10T12:00:01Z".parse().unwrap());
    let plan = |catalog: Catalog| Arc::new(RatingPlan::compile(Arc::new(catalog), HashKey::FILES).unwrap());
    let before = customers(&["b"]);
    for (names, is_same) in [(["a", "b"], false), (["b", "c"], true)] {
        let mut shard = Shard::new(0, 1, plan(before.clone()));
        let after = plan(catalog::succeed(&before, customers(&names), not_before).unwrap());
        assert_eq!(shard.replan(&after).unwrap(), []);
        let snapshot = shard.snapshot().unwrap();
        let restore = |plan| Shard::restore(&snapshot.bytes, plan, IdentitySettings::in_memory());
        assert!(restore(after).is_ok());
        let alone = restore(plan(customers(&names)));
        assert_eq!(matches!(alone, Err(SnapshotError::OtherCatalog)), !is_same, "{names:?}");
    }
}
