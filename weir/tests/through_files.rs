//! L4 and L6 end to end, through files: whatever catalog `check` admits, permuting, splitting, duplicating, re-sharding and the number of
//! threads change no total and no document of `weir run`, with closes in between. What is not admitted is refused with a reason.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use proptest::prelude::*;
use weir::cli::{Format, RunArgs};
use weir_loadtest::cases::{self, Case, Size};
use weir_loadtest::oracle::Entry;
use weir_model::time::Instant;

/// How a log is put into files and through a run.
#[derive(Debug, Clone)]
struct Way {
    shards: u16,
    threads: u16,
    /// Files per stage.
    files: usize,
    /// Turns the events of a stage; copies of one identity keep their order.
    turn: usize,
    /// Every so many events one is repeated, at the end of its stage.
    repeat: usize,
}

const STRAIGHT: Way = Way { shards: 16, threads: 1, files: 1, turn: 0, repeat: usize::MAX };

/// All that a run must say the same of, whatever the way.
#[derive(Debug, PartialEq)]
struct Result {
    counts: BTreeMap<&'static str, u64>,
    amounts: BTreeMap<String, String>,
    invoiced: BTreeMap<String, String>,
    invoices: String,
}

/// Turns a stage's events, identity by identity.
fn turned(events: &[&weir_loadtest::oracle::Event], turn: usize) -> Vec<String> {
    let mut order: Vec<usize> = (0..events.len()).collect();
    order.rotate_left(turn % events.len().max(1));
    let identity = |i: usize| (events[i].route_key(), &events[i].source, &events[i].id);
    let mut waiting: BTreeMap<_, std::collections::VecDeque<usize>> = BTreeMap::new();
    for i in 0..events.len() {
        waiting.entry(identity(i)).or_default().push_back(i);
    }
    let next = order.into_iter().map(|i| waiting.get_mut(&identity(i)).unwrap().pop_front().unwrap());
    next.map(|i| events[i].to_ndjson().unwrap()).collect()
}

/// Writes the files of a case; the arguments of its run.
fn written(case: &Case, way: &Way, folder: &Path) -> RunArgs {
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
        shards: way.shards,
        threads: Some(way.threads),
        memory: None,
        until: None,
        close: Vec::new(),
        close_after: Vec::new(),
        customer: None,
        strict: false,
        format: Format::Json,
    };
    let mut stage = Vec::new();
    let mut sealed = i64::MIN;
    for entry in &case.log {
        let through = match entry {
            Entry::Event(event) => {
                stage.push(event);
                continue;
            }
            Entry::Close(through) => *through,
        };
        let mut lines = turned(&stage, way.turn);
        let repeated: Vec<String> = lines.iter().step_by(way.repeat.max(1)).skip(1).cloned().collect();
        lines.extend(repeated);
        for lines in lines.chunks(lines.len().div_ceil(way.files).max(1)) {
            let path = folder.join(format!("events{:03}.ndjson", args.events.len()));
            fs::write(&path, lines.concat()).unwrap();
            args.events.push(path.to_str().unwrap().to_owned());
        }
        stage.clear();
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

fn run(case: &Case, way: &Way) -> Result {
    let folder = tempfile::tempdir().unwrap();
    let args = written(case, way, folder.path());
    let report = weir::run::execute(&args).unwrap_or_else(|error| panic!("{error:#}\n{}", case.catalog_toml)).report;
    let mut invoices = String::new();
    for line in fs::read_to_string(folder.path().join("out/invoices/invoices.ndjson")).unwrap().lines() {
        writeln!(invoices, "{line}").unwrap();
    }
    let counts = [
        ("rated", report.rated),
        ("unpriced", report.unpriced),
        ("unmetered", report.unmetered),
        ("late_refused", report.late_refused),
        ("totals", report.totals),
        ("invoices", report.invoices),
    ];
    Result { counts: counts.into(), amounts: report.amounts, invoiced: report.invoiced, invoices }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn the_way_through_files_does_not_matter(
        seed: u64,
        events in 20_usize..120,
        shards in prop::sample::select(vec![1_u16, 2, 7, 16]),
        threads in 1_u16..3,
        files in 1_usize..4,
        turn in 0_usize..100,
        repeat in 2_usize..20,
    ) {
        let size = Size { events, charges: 1 + events % 6, customers: 1 + events % 4 };
        let case = cases::generate(seed, size).unwrap();
        let expected = run(&case, &STRAIGHT);
        let way = Way { shards, threads, files, turn, repeat };
        prop_assert_eq!(&run(&case, &way), &expected, "{:?}\n{}", way, case.catalog_toml);
    }
}
