//! `weir simulate` against `weir run`: whatever two catalogs, simulating the second over the archive of the first gives what a run of the
//! original events under the second gives, or is refused with a reason.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use weir::cli::{Format, RunArgs, SimulateArgs};
use weir::report::Report;
use weir::simulate::{Change, Comparison};
use weir_loadtest::cases::{self, Case, Size};
use weir_loadtest::oracle::Entry;
use weir_model::time::Instant;

/// Writes the files of a case; the arguments of its run.
fn written(case: &Case, folder: &Path) -> RunArgs {
    let catalog = folder.join("catalog.toml");
    fs::write(&catalog, &case.catalog_toml).unwrap();
    let mut args = RunArgs {
        catalog,
        events: Vec::new(),
        mapping: None,
        out: Some(folder.join("out")),
        force: false,
        no_archive: false,
        no_documents: false,
        memory: None,
        shards: 16,
        threads: Some(2),
        until: None,
        close: Vec::new(),
        close_after: Vec::new(),
        customer: None,
        strict: false,
        format: Format::Json,
    };
    let (mut stage, mut sealed) = (String::new(), i64::MIN);
    for entry in &case.log {
        let through = match entry {
            Entry::Event(event) => {
                stage.push_str(&event.to_ndjson().unwrap());
                continue;
            }
            Entry::Close(through) => *through,
        };
        let path = folder.join(format!("events{:03}.ndjson", args.events.len()));
        fs::write(&path, std::mem::take(&mut stage)).unwrap();
        args.events.push(path.to_str().unwrap().to_owned());
        // A run refuses a close that seals less than the one before; the log's last close is `--until`.
        if through > sealed {
            args.close.push(Instant::from_micros(through).to_string());
            args.close_after.push(args.events.len());
            sealed = through;
        }
    }
    args.until = args.close.pop();
    args.close_after.pop();
    args
}

fn simulated(archive: &Path, catalog: &Path) -> SimulateArgs {
    SimulateArgs {
        archive: archive.to_owned(),
        catalog: catalog.to_owned(),
        from: None,
        until: None,
        customer: None,
        threads: Some(2),
        top: 5,
        format: Format::Json,
        html: None,
    }
}

/// What a simulation and the run that it stands for say.
#[derive(Debug, PartialEq)]
struct Said {
    amounts: BTreeMap<String, String>,
    invoiced: BTreeMap<String, String>,
    unpriced: BTreeSet<(String, Option<String>, u64)>,
}

fn trimmed(decimal: &str) -> String {
    if decimal.contains('.') { decimal.trim_end_matches('0').trim_end_matches('.').into() } else { decimal.into() }
}

impl Said {
    /// What is nothing may be said or not.
    fn new(
        amounts: impl Iterator<Item = (String, String)>,
        invoiced: impl Iterator<Item = (String, String)>,
        unpriced: impl Iterator<Item = (String, Option<String>, u64)>,
    ) -> Said {
        let something = |(currency, figure): (String, String)| {
            let figure = trimmed(&figure);
            (figure != "0").then_some((currency, figure))
        };
        Said {
            amounts: amounts.filter_map(something).collect(),
            invoiced: invoiced.filter_map(something).collect(),
            unpriced: unpriced.collect(),
        }
    }

    fn by_simulation(simulation: Comparison) -> Said {
        let new =
            |changes: BTreeMap<String, Change>| changes.into_iter().map(|(currency, change)| (currency, change.new));
        let unpriced = simulation.unpriced_usage.into_iter().map(|u| (u.reason.to_owned(), u.meter, u.count));
        Said::new(new(simulation.amounts), new(simulation.invoiced), unpriced)
    }

    fn by_run(report: Report) -> Said {
        let unpriced = report.unpriced_usage.into_iter().map(|u| (u.reason.to_owned(), u.meter, u.count));
        Said::new(report.amounts.into_iter(), report.invoiced.into_iter(), unpriced)
    }
}

/// Runs a case, and simulates another catalog over its archive: `None` if that is refused.
fn check(case: &Case, other: &str) -> Option<Comparison> {
    let folder = tempfile::tempdir().unwrap();
    let args = written(case, folder.path());
    weir::run::execute(&args).unwrap_or_else(|error| panic!("{error:#}\n{}", case.catalog_toml));
    let catalog = folder.path().join("other.toml");
    fs::write(&catalog, other).unwrap();
    let archive = args.out.clone().unwrap();
    let simulation = weir::simulate::simulate(&simulated(&archive, &catalog));
    let run = weir::run::execute(&RunArgs { catalog, out: None, ..args });
    let context = || format!("{}\n--- other:\n{other}", case.catalog_toml);
    match (simulation, run) {
        (Ok(simulation), Ok(run)) => {
            let expected = Said::by_run(run.report);
            assert_eq!(Said::by_simulation(simulation.clone()), expected, "{:#?}\n{}", simulation.charges, context());
            Some(simulation)
        }
        (Ok(_), Err(error)) => panic!("the run is refused, the simulation is not: {error:#}\n{}", context()),
        (Err(error), _) => {
            assert!(!format!("{error:#}").contains("damaged"), "{error:#}\n{}", context());
            None
        }
    }
}

/// The catalog with some of its figures, filters, groups and other keys of charges changed.
fn edited(catalog: &str, edits: u64) -> String {
    let mut table: toml::Table = catalog.parse().unwrap();
    let mut bits = Bits(edits);
    if let Some(plans) = table.get_mut("plans").and_then(toml::Value::as_table_mut) {
        for (_, plan) in plans.iter_mut() {
            for charge in plan.get_mut("charges").and_then(toml::Value::as_array_mut).into_iter().flatten() {
                for key in ["filter", "group_by", "conversion", "allowance", "discount", "minimum", "maximum", "pool"] {
                    if bits.one_in(6) {
                        charge.as_table_mut().unwrap().remove(key);
                    }
                }
            }
        }
    }
    for section in ["plans", "prices"] {
        table.get_mut(section).into_iter().for_each(|value| edit_prices(value, &mut bits));
    }
    toml::to_string(&table).unwrap()
}

fn edit_prices(value: &mut toml::Value, bits: &mut Bits) {
    match value {
        toml::Value::Table(table) => {
            for (key, value) in table.iter_mut() {
                let is_figure = matches!(key.as_str(), "unit_amount" | "flat_amount" | "rate" | "multiplier" | "fixed");
                if is_figure && bits.one_in(3) {
                    *value = toml::Value::String("0.37".to_owned());
                } else {
                    edit_prices(value, bits);
                }
            }
        }
        toml::Value::Array(values) => values.iter_mut().for_each(|value| edit_prices(value, bits)),
        _ => {}
    }
}

/// A sequence of choices from a seed.
struct Bits(u64);

impl Bits {
    fn one_in(&mut self, n: u64) -> bool {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33).is_multiple_of(n)
    }
}

fn case(seed: u64, events: usize) -> Case {
    cases::generate(seed, Size { events, charges: 1 + events % 6, customers: 1 + events % 4 }).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, max_shrink_iters: 0, ..ProptestConfig::default() })]

    #[test]
    fn the_same_catalog_brings_back_the_run(seed: u64, events in 20_usize..120) {
        let case = case(seed, events);
        let simulation = check(&case, &case.catalog_toml).expect("a run's own catalog is never refused");
        for change in simulation.amounts.values().chain(simulation.invoiced.values()) {
            prop_assert_eq!(&change.old, &change.new);
        }
    }

    #[test]
    fn an_edited_catalog_gives_what_its_run_gives(seed: u64, edits: u64, events in 20_usize..120) {
        let case = case(seed, events);
        check(&case, &edited(&case.catalog_toml, edits));
    }

    #[test]
    fn another_catalog_gives_what_its_run_gives(seed: u64, other: u64, events in 20_usize..120) {
        check(&case(seed, events), &case(other, events).catalog_toml);
    }
}

type Edit<'e> = &'e dyn Fn(SimulateArgs) -> SimulateArgs;
type Damage<'d> = &'d dyn Fn(&Path);

const CATALOG: &str = r#"
name = "parts"
currency = "USD"
time_zone = "UTC"
[meters.tokens]
event_type = "llm"
aggregation = "sum"
value = "data.tokens"
dimensions = { model = "data.model" }
[plans.pro]
cycle = "1 month"
anchor = "calendar"
[[plans.pro.charges]]
name = "tokens"
meter = "tokens"
group_by = ["model"]
price = { model = "unit", unit_amount = "2" }
[defaults]
plan = "pro"
"#;

/// A run of two customers over two months: 3 + 5 tokens of ann in August, 7 of bob; 11 of ann in September.
fn run_parts(folder: &Path, catalog: &str) -> PathBuf {
    let path = folder.join("catalog.toml");
    fs::write(&path, catalog).unwrap();
    let event = |(id, subject, time, tokens): (u32, &str, &str, &str)| {
        format!(
            "{{\"specversion\":\"1.0\",\"id\":\"{id}\",\"source\":\"s\",\"type\":\"llm\",\"subject\":\"{subject}\",\
             \"time\":\"{time}\",\"data\":{{\"tokens\":{tokens},\"model\":\"m\"}}}}\n"
        )
    };
    let events = [
        (1, "ann", "2026-08-01T00:00:00Z", "3"),
        (2, "ann", "2026-08-02T00:00:00Z", "5"),
        (3, "bob", "2026-08-03T00:00:00Z", "7"),
        (4, "ann", "2026-09-01T00:00:00Z", "11"),
        (5, "ann", "2026-09-02T00:00:00Z", "0.5"),
    ];
    let log = folder.join("events.ndjson");
    fs::write(&log, events.map(event).concat()).unwrap();
    let case = Case { seed: 0, catalog_toml: catalog.to_owned(), log: Vec::new() };
    let args = RunArgs { events: vec![log.to_str().unwrap().to_owned()], ..written(&case, folder) };
    weir::run::execute(&args).unwrap();
    args.out.unwrap()
}

fn simulate(archive: &Path, catalog: &str, edit: impl Fn(SimulateArgs) -> SimulateArgs) -> Result<Comparison, String> {
    let path = archive.parent().unwrap().join("other.toml");
    fs::write(&path, catalog).unwrap();
    weir::simulate::simulate(&edit(simulated(archive, &path))).map_err(|error| format!("{error:#}"))
}

#[test]
fn parts_are_compared_by_themselves() {
    let folder = tempfile::tempdir().unwrap();
    let archive = run_parts(folder.path(), CATALOG);
    let dearer = CATALOG.replace("\"2\"", "\"3\"");
    let flat = dearer.replace("group_by = [\"model\"]\n", "");
    let levels =
        dearer.replace("\"sum\"", "\"percentile\"\nrank = 100\nslot = \"5m\"\nslot_value = \"sum\"\nfill = \"skip\"");
    let at = |text: &str| Some(text.to_owned());
    let rows: [(&str, Edit<'_>, &str, [&str; 3]); 5] = [
        ("all", &|args| args, "52", ["78", "78", "69"]),
        ("ann", &|args| SimulateArgs { customer: at("ann"), ..args }, "38", ["57", "57", "48"]),
        ("august", &|args| SimulateArgs { until: at("2026-09-01"), ..args }, "30", ["45", "45", "36"]),
        ("september", &|args| SimulateArgs { from: at("2026-09-01"), ..args }, "22", ["33", "33", "33"]),
        ("nobody", &|args| SimulateArgs { customer: at("carl"), ..args }, "0", ["0", "0", "0"]),
    ];
    for (name, edit, old, new) in rows {
        for (catalog, new) in [&dearer, &flat, &levels].into_iter().zip(new) {
            let simulation = simulate(&archive, catalog, edit).unwrap();
            let figures = simulation.amounts.get("USD").map_or(("0", "0"), |change| (&change.old, &change.new));
            assert_eq!((trimmed(figures.0), trimmed(figures.1)), (old.to_owned(), new.to_owned()), "{name}\n{catalog}");
        }
    }
    let methods = [&dearer, &flat, &levels].map(|catalog| {
        let simulation = simulate(&archive, catalog, |args| args).unwrap();
        serde_json::to_value(simulation.charges.first().unwrap().computed_from).unwrap()
    });
    assert_eq!(methods, ["totals", "sums", "events"]);
}

#[test]
fn what_cannot_be_answered_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let archive = run_parts(folder.path(), CATALOG);
    for (from, to, expected) in [
        ("value = \"data.tokens\"", "value = \"data.tokens\"\nscale = 1", "1 events were rejected for their values"),
        ("data.model", "extension", "the attribute extension, which the archive does not keep"),
        ("data.model", "time", "the attribute time, which the archive does not keep"),
        ("unit_amount = \"2\"", "unit_amount = \"99999999999999999999\"", "no figure that fits"),
    ] {
        let error = simulate(&archive, &CATALOG.replace(from, to), |args| args).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
    fs::remove_dir_all(archive.join("events")).unwrap();
    let dearer = CATALOG.replace("\"2\"", "\"3\"");
    assert_eq!(simulate(&archive, &dearer, |args| args).unwrap().amounts["USD"].new, "78");
    let flat = dearer.replace("group_by = [\"model\"]\n", "");
    let error = simulate(&archive, &flat, |args| args).unwrap_err();
    assert!(error.contains("the folder holds no events"), "{error}");
}

#[test]
fn a_damaged_archive_is_no_basis() {
    let only_file = |folder: &Path| {
        let partition = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).min().unwrap();
        fs::read_dir(partition).unwrap().next().unwrap().unwrap().path()
    };
    let rows: [(&str, Damage<'_>, &str); 6] = [
        (
            "a file of totals is gone",
            &|archive| fs::remove_file(only_file(&archive.join("totals"))).unwrap(),
            "its totals have",
        ),
        (
            "a file of events is gone",
            &|archive| fs::remove_file(only_file(&archive.join("events"))).unwrap(),
            "its events have",
        ),
        (
            "totals are cut off",
            &|archive| fs::write(only_file(&archive.join("totals")), b"PAR1").unwrap(),
            "cannot read",
        ),
        (
            "totals are events",
            &|archive| {
                fs::copy(only_file(&archive.join("events")), only_file(&archive.join("totals"))).unwrap();
            },
            "it is no file of the table totals",
        ),
        (
            "the report says something else",
            &|archive| {
                let path = archive.join("report.json");
                fs::write(&path, fs::read_to_string(&path).unwrap().replace("\"USD\": \"52\"", "\"USD\": \"53\""))
                    .unwrap();
            },
            "its amounts come to 52 USD, report.json says 53",
        ),
        ("there is no report", &|archive| fs::remove_file(archive.join("report.json")).unwrap(), "is no result of"),
    ];
    for (name, damage, expected) in rows {
        let folder = tempfile::tempdir().unwrap();
        let archive = run_parts(folder.path(), CATALOG);
        damage(&archive);
        let flat = CATALOG.replace("group_by = [\"model\"]\n", "");
        let error = simulate(&archive, &flat, |args| args).unwrap_err();
        assert!(error.contains(expected), "{name}: {error}");
    }
}
