//! `weir run`: from files of usage to totals, invoices and an archive.
//!
//! catalog and inputs are opened first, so that a mistake costs nothing; then everything is rated; then the periods are closed,
//! and what the run leaves behind is published at once, or not at all.

pub mod intake;
mod output;
mod pipeline;
mod progress;
mod reassembly;
mod summary;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant as Stopwatch;

use anyhow::{Result, anyhow};
use weir_ingest::Decoder;
use weir_ingest::input;
use weir_ingest::reader::{Reader, ReaderSettings};
use weir_model::catalog::Catalog;
use weir_model::hash::HashKey;
use weir_model::time::Instant;
use weir_rater::close::{Close, default_through};
use weir_rater::{Counters, RatingPlan, Rows, Shard};

use crate::cli::{Format, RunArgs};
use crate::failure::{self, invalid, invalid_with_causes};
use crate::files;
use crate::report::Report;
use output::Output;
use pipeline::{Rated, Spread};
use progress::Progress;

/// What a run leaves behind.
#[derive(Debug)]
pub struct Outcome {
    /// The figures.
    pub report: Report,
    /// The text of the documents that `--customer` asked for.
    pub documents: Vec<String>,
}

/// Runs the command.
pub fn command(args: &RunArgs) -> Result<ExitCode> {
    let outcome = execute(args)?;
    if args.format == Format::Table {
        for document in &outcome.documents {
            println!("{document}");
        }
    }
    print!("{}", outcome.report.print(args.format));
    if args.format == Format::Table
        && let Some(out) = &args.out
    {
        println!("  written to {}", out.display());
    }
    let strict = args.strict && outcome.report.has_losses();
    Ok(if strict { ExitCode::from(failure::STRICT) } else { ExitCode::SUCCESS })
}

/// Rates, closes and writes; prints nothing but progress.
pub fn execute(args: &RunArgs) -> Result<Outcome> {
    let stopwatch = Stopwatch::now();
    let (catalog, _) = files::catalog(&args.catalog)?;
    let catalog = Arc::new(catalog);
    let mapping = args.mapping.as_deref().map(files::mapping).transpose()?.map(Arc::new);
    let through = args.until.as_deref().map(|until| parse_until(until, &catalog)).transpose()?;
    if let Some(customer) = &args.customer {
        check_customer(customer, &catalog)?;
    }
    let inputs = input::expand(&args.events, mapping.as_deref()).map_err(invalid_with_causes)?;
    let names: Vec<String> = inputs.iter().map(|input| input.name.clone()).collect();
    let reader = Reader::open(inputs, mapping, ReaderSettings::default()).map_err(invalid_with_causes)?;
    let plan = Arc::new(RatingPlan::compile(Arc::clone(&catalog), HashKey::FILES).map_err(invalid)?);
    let decoder = Decoder::new(&catalog, HashKey::FILES, args.shards);
    let output = Output::create(args, &catalog, &names)?;

    let shards = (0..args.shards).map(|number| Shard::new(number, args.shards, Arc::clone(&plan))).collect();
    let threads = threads(args)?;
    let rows = if args.out.is_some() && !args.no_archive { Rows::Keep } else { Rows::Count };
    let mut progress = Progress::start(&reader.progress());
    let rated =
        pipeline::rate(reader, &decoder, shards, (Spread { threads, rows }, output), |read| progress.show(read));
    progress.finish();
    let Rated { shards, intake, empty_inputs, sink: output } = rated?;
    for name in empty_inputs {
        eprintln!("note: {name} holds no record");
    }

    let mut counters = Counters::default();
    shards.iter().for_each(|shard| counters.add(shard.counters()));
    let mut report = Report::of_counts(&catalog, &intake, &counters, &names);
    report.assert_conservation();
    let through = through.or_else(|| default_through(&shards));
    report.through = through.map(|through| through.to_string());
    let through = through.unwrap_or(Instant::EVENT_MIN);
    let close = Close::new(&shards, Arc::clone(&plan), through)
        .map_err(|error| anyhow!("the totals of a customer with several subjects cannot be merged: {error}"))?;
    summary::fill(&mut report, &close, &shards, threads)?;
    let documents = output::publish(output, args, (&close, &catalog), &mut report, stopwatch)?;
    Ok(Outcome { report, documents })
}

fn threads(args: &RunArgs) -> Result<usize> {
    match args.threads {
        Some(threads) => Ok(usize::from(threads)),
        None => Ok(std::thread::available_parallelism()?.get()),
    }
}

fn check_customer(id: &str, catalog: &Catalog) -> Result<()> {
    let known = catalog.customers.iter().any(|customer| customer.id == id) || catalog.default_plan.is_some();
    if known {
        return Ok(());
    }
    Err(invalid(format!("--customer {id}: the catalog has no such customer, and no default plan for undeclared ones")))
}

/// A date in the catalog's zone (its first instant) or an RFC 3339 time.
fn parse_until(text: &str, catalog: &Catalog) -> Result<Instant> {
    if let Ok(timestamp) = text.parse::<jiff::Timestamp>() {
        return Ok(Instant::from_timestamp(timestamp));
    }
    let date: jiff::civil::Date = text
        .parse()
        .map_err(|_| invalid(format!("--until {text}: write a date (2026-09-01) or a time (2026-09-01T00:00:00Z)")))?;
    let start =
        date.to_zoned(catalog.time_zone.clone()).map_err(|error| invalid(format!("--until {text}: {error}")))?;
    Ok(Instant::from_timestamp(start.timestamp()))
}
