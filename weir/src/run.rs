//! `weir run`: from files of usage to totals, invoices and an archive.
//!
//! Catalog and inputs are opened first, so that a mistake costs nothing; then everything is rated, with a close wherever the log
//! has one; what the run leaves behind is published at once, or not at all.

pub mod documents;
pub mod intake;
mod output;
pub mod pieces;
mod pipeline;
mod progress;
mod reassembly;
mod stages;
mod summary;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant as Stopwatch;

use anyhow::{Result, anyhow};
use weir_ingest::Decoder;
use weir_ingest::reader::{Reader, ReaderSettings};
use weir_invoicer::Remember;
use weir_model::catalog::Catalog;
use weir_model::hash::HashKey;
use weir_model::number::Overflow;
use weir_model::time::Instant;
use weir_rater::close::{Close, Settled, default_through, seal};
use weir_rater::{Counters, RatingPlan, Rows, Shard};

use crate::cli::{Format, RunArgs};
use crate::failure::{self, invalid, invalid_with_causes};
use crate::files;
use crate::identity_files::IdentityFolder;
use crate::memory;
use crate::report::Report;
use documents::Documents;
use intake::Intake;
use output::Output;
use pipeline::{Rated, Spread};
use progress::Progress;
use stages::Stage;

pub(crate) use stages::parse_instant;

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
    let (catalog, sources) = files::catalog_with_sources(&args.catalog)?;
    let catalog = Arc::new(catalog);
    let mapping = args.mapping.as_deref().map(files::mapping).transpose()?.map(Arc::new);
    if let Some(customer) = &args.customer {
        check_customer(customer, &catalog)?;
    }
    let (inputs, stages) = stages::of(args, &catalog, mapping.as_deref())?;
    let names: Vec<String> = inputs.iter().map(|input| input.name.clone()).collect();
    let reader = Reader::open(inputs, mapping, ReaderSettings::default()).map_err(invalid_with_causes)?;
    let plan = Arc::new(RatingPlan::compile(Arc::clone(&catalog), HashKey::FILES).map_err(invalid)?);
    let output = Output::create(args, (&catalog, &sources), &names)?;
    let identities = identity_folder(output.as_ref());
    let memory_bytes = memory_bytes(args)?;
    let folder = output.as_ref().filter(|_| !args.no_documents).map(Output::invoices);
    let mut run = Run {
        decoder: Decoder::new(&catalog, HashKey::FILES, args.shards),
        spread: Spread {
            threads: threads(args)?,
            rows: if args.out.is_some() && !args.no_archive { Rows::Keep } else { Rows::Count },
        },
        shards: (0..args.shards)
            .map(|number| {
                let settings = identities.settings(number, args.shards, memory_bytes);
                Shard::with_identities(number, args.shards, Arc::clone(&plan), settings)
            })
            .collect(),
        identities,
        plan,
        output,
        documents: Documents::new(args.customer.as_deref(), &catalog, folder.as_deref())?,
        intake: Intake::default(),
        settled: Settled::new(),
        settlement_rows: 0,
        closes: Vec::new(),
        closes_after: stages.iter().map(|stage| stage.inputs_end).collect(),
    };
    let reader = run.read(reader, &stages)?;
    for name in reader.empty_inputs() {
        eprintln!("note: {name} holds no record");
    }
    run.finish(args, (&catalog, &names), stopwatch)
}

/// A run on its way: what one stage hands to the next.
struct Run<'a> {
    plan: Arc<RatingPlan>,
    decoder: Decoder,
    spread: Spread,
    shards: Vec<Shard>,
    identities: Arc<IdentityFolder>,
    output: Option<Output>,
    documents: Documents<'a>,
    intake: Intake,
    settled: Settled,
    settlement_rows: usize,
    closes: Vec<Instant>,
    /// For each close, how many inputs stand before it.
    closes_after: Vec<usize>,
}

impl Run<'_> {
    /// Reads and rates the files of every stage; closes and bills after each but the last.
    fn read(&mut self, mut reader: Reader, stages: &[Stage]) -> Result<Reader> {
        let mut progress = Progress::start(&reader.progress());
        for (number, stage) in (1..).zip(stages) {
            reader.pause_before(stage.inputs_end);
            let (shards, output) = (std::mem::take(&mut self.shards), self.output.take());
            let rated =
                pipeline::rate(reader, &self.decoder, shards, (self.spread, output), |read| progress.show(read));
            let Rated { reader: rest, shards, intake, sink } = rated.inspect_err(|_| progress.finish())?;
            (reader, self.shards, self.output) = (rest, shards, sink);
            self.intake.add(intake);
            let before = self.closes.last().copied();
            let through = stage.through.or_else(|| default_through(&self.shards)).or(before);
            // A later close never seals less.
            self.closes.push(through.into_iter().chain(before).max().unwrap_or(Instant::EVENT_MIN));
            if number < stages.len() {
                self.close_between()?;
            }
        }
        progress.finish();
        Ok(reader)
    }

    /// A close that others follow: seals, settles, bills.
    fn close_between(&mut self) -> Result<()> {
        let through = self.through();
        let sealed = seal(&mut self.shards, &self.plan, through).map_err(overflow)?;
        let settled = std::mem::take(&mut self.settled);
        let close = Close::new(&self.shards, Arc::clone(&self.plan), through, settled).map_err(overflow)?;
        if let Some(output) = &mut self.output {
            output.close(&sealed, &close)?;
        }
        self.settlement_rows += sealed.adjustments.len() + close.settlements().len();
        self.documents.close(&close, Remember::Lines, 0)?;
        self.settled = close.settled().clone();
        Ok(())
    }

    /// The last close, after which everything is written.
    fn finish(
        mut self,
        args: &RunArgs,
        (catalog, names): (&Arc<Catalog>, &[String]),
        stopwatch: Stopwatch,
    ) -> Result<Outcome> {
        let mut counters = Counters::default();
        self.shards.iter().for_each(|shard| counters.add(shard.counters()));
        let mut report = Report::of_counts(catalog, &self.intake, &counters, names);
        report.assert_conservation();
        for used in self.shards.iter().map(Shard::identity_use) {
            report.identity_runs_max += used.disk.runs_max;
            report.identity_bytes_written += used.disk.spilled_bytes + used.disk.merged_bytes;
        }
        let through = self.through();
        let sealed = seal(&mut self.shards, &self.plan, through).map_err(overflow)?;
        let close = Close::new(&self.shards, Arc::clone(&self.plan), through, self.settled).map_err(overflow)?;
        let settlement_rows = self.settlement_rows + sealed.adjustments.len() + close.settlements().len();
        report.settlement_rows = u64::try_from(settlement_rows)?;
        if report.received > 0 || self.closes.len() > 1 || args.until.is_some() {
            report.through = Some(through.to_string());
        }
        report.closes = self.closes.iter().map(ToString::to_string).collect();
        report.closes_after = self.closes_after;
        let sums = match &mut self.output {
            Some(output) => {
                output.close(&sealed, &close)?;
                let periods = pieces::periods(&close, &self.shards, self.spread.threads)?;
                output.write_totals(&close, (&periods, self.spread.threads))?
            }
            None => summary::of(&close, (&self.shards, self.spread.threads))?,
        };
        sums.fill(&mut report);
        let several = self.closes.len() > 1;
        if self.documents.are_kept() || several {
            self.documents.close(&close, Remember::Nothing, report.invoices)?;
        }
        let (billed, documents) = self.documents.finish()?;
        if several {
            summary::bill(&mut report, &billed);
        }
        self.identities.remove()?;
        match self.output {
            Some(output) => output.publish(&mut report, stopwatch)?,
            None => output::stamp(&mut report, stopwatch),
        }
        Ok(Outcome { report, documents })
    }

    fn through(&self) -> Instant {
        self.closes.last().copied().unwrap_or(Instant::EVENT_MIN)
    }
}

fn overflow(error: Overflow) -> anyhow::Error {
    anyhow!("the totals at the close cannot be made: {error}; look for a price or quantity that is far too large")
}

/// Temporary files lie where the result will, else where the system wants them.
fn identity_folder(output: Option<&Output>) -> Arc<IdentityFolder> {
    let parent = output.map_or_else(std::env::temp_dir, |output| output.staging().to_owned());
    IdentityFolder::new(&parent)
}

fn memory_bytes(args: &RunArgs) -> Result<u64> {
    let least = memory::SHARD_BYTES_MIN * u64::from(args.shards);
    match args.memory {
        Some(bytes) if bytes < least => Err(invalid(format!(
            "--memory: {} shards need at least {} KiB for identities; allow more, or make fewer --shards",
            args.shards,
            least >> 10
        ))),
        Some(bytes) => Ok(bytes),
        None => Ok(memory::third_of_available().max(least)),
    }
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
