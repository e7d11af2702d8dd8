//! `weir simulate` against `weir run`: whatever two catalogs, simulating the second over the archive of the first gives what a run of the
//! original events under the second gives, or is refused with a reason.

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use weir::cli::{Format, RunArgs, SimulateArgs};
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

/// The archive's catalog A, then B.
fn check(case: &Case, other: &str) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let args = written(case, folder.path());
    weir::run::execute(&args).unwrap_or_else(|error| panic!("{error:#}\n{}", case.catalog_toml));
    let catalog = folder.path().join("other.toml");
    fs::write(&catalog, other).unwrap();
    let archive = args.out.clone().unwrap();
    let outcome = weir::simulate::simulate(&simulated(&archive, &catalog));
    let run = weir::run::execute(&RunArgs { catalog, out: None, ..args });
    let simulation = match (outcome, &run) {
        (Ok(simulation), Ok(_)) => simulation,
        (Err(_), Err(_)) => return false,
        (Ok(_), Err(error)) => panic!("the run fails: {error:#}\n{}\n---\n{other}", case.catalog_toml),
        (Err(error), Ok(_)) => {
            eprintln!("refused: {error:#}");
            let text = format!("{error:#}");
            assert!(!text.contains("damaged"), "{text}\n{}\n---\n{other}", case.catalog_toml);
            return false;
        }
    };
    let report = run.unwrap().report;
    for (what, expected, found) in
        [("amounts", report.amounts, &simulation.amounts), ("invoiced", report.invoiced, &simulation.invoiced)]
    {
        for (currency, expected) in expected {
            let found = found.get(&currency).map_or("0", |change| &change.new);
            let trimmed = |text: &str| if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text.to_owned() };
            assert_eq!(trimmed(found), trimmed(&expected), "{what} {currency}\n{:#?}\n{}\n---\n{other}", simulation.charges, case.catalog_toml);
        }
    }
    let unpriced = |reason: &str, meter: &Option<String>, count: u64| format!("{reason} {meter:?} {count}");
    let expected: Vec<String> = report.unpriced_usage.iter().map(|u| unpriced(u.reason, &u.meter, u.count)).collect();
    let mut found: Vec<String> = simulation.unpriced_usage.iter().map(|u| unpriced(u.reason, &u.meter, u.count)).collect();
    found.sort();
    let mut expected = expected;
    expected.sort();
    assert_eq!(found, expected, "{}\n---\n{other}", case.catalog_toml);
    true
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, max_shrink_iters: 0, ..ProptestConfig::default() })]

    #[test]
    fn the_same_catalog_brings_back_the_run(seed: u64, events in 20_usize..120) {
        let size = Size { events, charges: 1 + events % 6, customers: 1 + events % 4 };
        let case = cases::generate(seed, size).unwrap();
        check(&case, &case.catalog_toml.clone());
    }

    #[test]
    fn another_catalog_gives_what_its_run_gives(seed: u64, other: u64, events in 20_usize..120) {
        let size = Size { events, charges: 1 + events % 6, customers: 1 + events % 4 };
        let case = cases::generate(seed, size).unwrap();
        let other = cases::generate(other, size).unwrap();
        check(&case, &other.catalog_toml);
    }
}
