//! Sums over events and events rated one by one come to the same.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use clap::Parser;
use proptest::prelude::*;
use weir_loadtest::cases::{self, Size};
use weir_loadtest::oracle::Entry;
use weir_model::catalog::{Catalog, ChargeIdx};
use weir_model::hash::HashKey;
use weir_rater::RatingPlan;

use super::archive::Archive;
use super::contents::Room;
use super::engine::{Engine, Rated};
use super::method::{Choice, Method};
use super::scope::Scope;
use crate::cli::{Cli, Command};

/// So little that everything is forgotten again and again.
const LITTLE: Room = Room { text_bytes_max: 200, known_max: 4, lanes_max: 2, sums_max: 3 };

/// Runs events under a catalog; the archive.
fn run(folder: &Path, catalog: &str, events: &str) -> Archive {
    let (path, log, out) = (folder.join("catalog.toml"), folder.join("events.ndjson"), folder.join("out"));
    fs::write(&path, catalog).unwrap();
    fs::write(&log, events).unwrap();
    let path_text = |path: &Path| path.to_str().unwrap().to_owned();
    let files = [("--catalog", &path), ("--events", &log), ("--out", &out)];
    let named = files.iter().flat_map(|(option, path)| [(*option).to_owned(), path_text(path)]);
    let line = ["weir", "run", "--no-documents", "--threads", "2"].map(str::to_owned).into_iter().chain(named);
    let Command::Run(args) = Cli::try_parse_from(line).unwrap().command else { unreachable!("it says run") };
    crate::run::execute(&args).unwrap();
    Archive::open(&out).unwrap()
}

/// Both ways over an archive, in plenty of room and in little; how many charges were added up.
fn check(archive: &Archive, catalog: &Arc<Catalog>) -> usize {
    let plan = RatingPlan::compile(Arc::clone(catalog), HashKey::FILES).unwrap();
    let indexes = || (0..).map(ChargeIdx).take(catalog.charges.len());
    let rate = |method: &dyn Fn(ChargeIdx) -> Method, room: Room| {
        let choices: Vec<Choice> =
            indexes().map(|charge| Choice { method: method(charge), why: "", is_unchanged: false }).collect();
        let scope = Scope::default();
        let engine = Engine { archive, catalog, choices: &choices, scope: &scope, threads: 2, room };
        // How many events stand in the way is known only as far as the refusal came.
        engine.rate().map_err(|error| format!("{error:#}").replace(char::is_numeric, ""))
    };
    let sums = |charge| if plan.sums(charge) { Method::Sums } else { Method::Events };
    let expected: Result<Rated, String> = rate(&|_| Method::Events, Room::USUAL);
    for room in [Room::USUAL, LITTLE] {
        assert_eq!(rate(&sums, room), expected);
    }
    indexes().filter(|charge| plan.sums(*charge)).count()
}

fn catalog(text: &str) -> Arc<Catalog> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("catalog.toml");
    fs::write(&path, text).unwrap();
    Arc::new(crate::files::catalog(&path).unwrap().0)
}

/// Both ways over a random archive, under the catalog that made it and under another.
fn check_case(seed: u64, other: u64, events: usize) {
    let case =
        |seed: u64| cases::generate(seed, Size { events, charges: 1 + events % 6, customers: 1 + events % 4 }).unwrap();
    let first = case(seed);
    let log: String = first
        .log
        .iter()
        .filter_map(|entry| match entry {
            Entry::Event(event) => Some(event.to_ndjson().unwrap()),
            Entry::Close(_) => None,
        })
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let archive = run(folder.path(), &first.catalog_toml, &log);
    for text in [&first.catalog_toml, &case(other).catalog_toml] {
        check(&archive, &catalog(text));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, max_shrink_iters: 0, ..ProptestConfig::default() })]

    #[test]
    fn sums_are_what_events_come_to(seed: u64, other: u64, events in 20_usize..150) {
        check_case(seed, other, events);
    }
}

/// The other catalog has a meter that no charge reads, and rejects events for their values there.
#[test]
fn events_that_no_charge_reads_are_rejected_both_ways() {
    check_case(16_113_062_200_868_013_716, 1_914_018_234_179_204_512, 51);
}

/// Meters of one type; a filter, groups, and a zone in which the events' days lie in two months.
const CATALOG: &str = r#"
name = "content"
currency = "USD"
time_zone = "Asia/Tokyo"
[meters.tokens]
event_type = "llm"
aggregation = "sum"
value = "data.tokens"
dimensions = { model = "data.model" }
[meters.large]
event_type = "llm"
aggregation = "count"
dimensions = { model = "data.model" }
filter = { model = ["large"] }
[plans.pro]
cycle = "1 month"
anchor = "calendar"
[[plans.pro.charges]]
name = "tokens"
meter = "tokens"
group_by = ["model"]
price = { model = "graduated", tiers = [ { up_to = 1000, unit_amount = "2" }, { unit_amount = "1" } ] }
[[plans.pro.charges]]
name = "large"
meter = "large"
price = { model = "unit", unit_amount = "3" }
[defaults]
plan = "pro"
"#;

/// Content that the archive keeps as a dictionary, and content that it does not because nothing repeats.
#[test]
fn content_may_repeat_or_not() {
    for modulus in [7, u32::MAX] {
        let event = |i: u32| {
            let (day, model) = (30 + i % 2, ["small", "large", "other"][usize::try_from(i % 3).unwrap()]);
            format!(
                "{{\"specversion\":\"1.0\",\"id\":\"{i}\",\"source\":\"s\",\"type\":\"llm\",\"subject\":\"c{}\",\
                 \"time\":\"2026-08-{day}T16:00:00Z\",\"data\":{{\"tokens\":{},\"model\":\"{model}\"}}}}\n",
                i % 11,
                i % modulus
            )
        };
        let folder = tempfile::tempdir().unwrap();
        let archive = run(folder.path(), CATALOG, &(0..20_000).map(event).collect::<String>());
        assert_eq!(check(&archive, &catalog(CATALOG)), 2);
    }
}
