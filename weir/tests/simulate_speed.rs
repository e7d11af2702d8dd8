//! How fast an archive is simulated in each of the three ways: tiny here, at any size with `WEIR_SIMULATE_EVENTS`:
//!
//! ```text
//! WEIR_SIMULATE_EVENTS=50000000 cargo test --release -p weir --test simulate_speed -- --nocapture
//! ```
//!
//! To compare, the same sums in DuckDB, over the events that `WEIR_SIMULATE_KEEP=DIR` leaves in `DIR/out`:
//!
//! ```sql
//! SET threads = 2;
//! WITH u AS (SELECT subject s, type t, sum((data->>'$.value')::BIGINT)::BIGINT q FROM read_parquet('DIR/out/events/*/*.parquet') GROUP BY ALL),
//!      c AS (SELECT s, sum((least(q, 100) * 500000 + greatest(least(q, 1000) - 100, 0) * 310000 + greatest(q - 1000, 0) * 200000)::HUGEINT) a
//!            FROM u GROUP BY s)
//! SELECT count(*), sum(a) FROM c;
//! ```

#![allow(clippy::print_stderr, reason = "the figures are what it is for")]

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use weir::cli::{Format, RunArgs, SimulateArgs};

const CUSTOMERS: u64 = 100_000;
const METERS: u64 = 20;

/// Twenty meters, one graduated price; `meter` goes to each meter and `charge` to each charge.
fn catalog(unit_amount: &str, meter: &str, charge: &str) -> String {
    let mut text = format!(
        "name = \"speed\"\ncurrency = \"USD\"\ntime_zone = \"UTC\"\n[prices.graduated]\nmodel = \"graduated\"\n\
         tiers = [ {{ up_to = 100, unit_amount = \"0.5\" }}, {{ up_to = 1_000, unit_amount = \"{unit_amount}\" }}, \
         {{ unit_amount = \"0.2\" }} ]\n[plans.p]\ncycle = \"1 month\"\nanchor = \"calendar\"\n[defaults]\nplan = \"p\"\n"
    );
    for number in 0..METERS {
        text.push_str(&format!(
            "[meters.m{number}]\nevent_type = \"meter.{number}\"\naggregation = \"sum\"\nvalue = \"data.value\"\n\
             dimensions = {{ region = \"data.region\" }}\n{meter}\n[[plans.p.charges]]\nname = \"m{number}\"\nmeter = \"m{number}\"\n\
             price = \"graduated\"\n{charge}\n"
        ));
    }
    text
}

fn write_events(path: &Path, count: u64) {
    let mut file = BufWriter::new(File::create(path).unwrap());
    let mut state = 1_u64;
    let mut random = |n: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % n
    };
    for i in 0..count {
        let (customer, meter, value) = (random(CUSTOMERS), random(METERS), 1 + random(1000));
        let second = i * 2_678_400 / count;
        let (day, hour, minute) = (1 + second / 86_400, second / 3600 % 24, second / 60 % 60);
        let region = ["eu-west-1", "us-east-1", "ap-south-1"][usize::try_from(meter % 3).unwrap()];
        writeln!(
            file,
            "{{\"specversion\":\"1.0\",\"id\":\"{i:032x}\",\"source\":\"/svc/gw\",\"type\":\"meter.{meter}\",\"subject\":\"cust_{customer:06}\",\
             \"time\":\"2026-08-{day:02}T{hour:02}:{minute:02}:{:02}Z\",\"data\":{{\"value\":{value},\"region\":\"{region}\"}}}}",
            second % 60
        )
        .unwrap();
    }
    file.flush().unwrap();
}

#[test]
fn all_three_ways_come_to_the_same() {
    let count = std::env::var("WEIR_SIMULATE_EVENTS").map_or(20_000, |count| count.parse().unwrap());
    let temporary = tempfile::tempdir().unwrap();
    let folder = std::env::var_os("WEIR_SIMULATE_KEEP").map_or_else(|| temporary.path().to_owned(), PathBuf::from);
    let (now, events, out) = (folder.join("now.toml"), folder.join("events.ndjson"), folder.join("out"));
    fs::write(&now, catalog("0.3", "", "")).unwrap();
    write_events(&events, count);
    let args = RunArgs {
        catalog: now,
        events: vec![events.to_str().unwrap().to_owned()],
        mapping: None,
        out: Some(out.clone()),
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
    weir::run::execute(&args).unwrap();
    fs::remove_file(&events).unwrap();
    let regions = "filter = { region = [\"eu-west-1\", \"us-east-1\", \"ap-south-1\"] }";
    // A version that may split a period: buckets keep a quantity for each.
    let version = "[[prices.graduated.versions]]\neffective_at = \"2027-01-01T00:00:00Z\"\nmid_period = \"split\"\n\
                   model = \"unit\"\nunit_amount = \"1\"\n";
    let ways = [
        ("totals", catalog("0.31", "", "")),
        ("sums", catalog("0.31", "", regions)),
        ("events", catalog("0.31", "", regions) + version),
    ];
    let mut amounts = Vec::new();
    for (way, text) in ways {
        let catalog = folder.join(format!("{way}.toml"));
        fs::write(&catalog, text).unwrap();
        let archive = out.clone();
        let args = SimulateArgs {
            archive,
            catalog,
            from: None,
            until: None,
            customer: None,
            threads: Some(2),
            top: 5,
            format: Format::Json,
            html: None,
        };
        let simulation = weir::simulate::simulate(&args).unwrap();
        eprintln!("{way}: {:.0} events/s, {:.2} s", simulation.events_per_s, simulation.elapsed_s);
        let computed = simulation.charges.iter().map(|charge| serde_json::to_value(charge.computed_from).unwrap());
        assert!(computed.into_iter().all(|from| from == way), "{way}");
        amounts.push(simulation.amounts["USD"].new.clone());
    }
    assert_eq!(amounts[0], amounts[1]);
    assert_eq!(amounts[0], amounts[2]);
}
