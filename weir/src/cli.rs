//! The command line: what can be said, not what it does.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Turns a stream of usage events into money: exactly, once, fast, and so that every cent can be explained.
#[derive(Debug, Parser)]
#[command(
    name = "weir",
    version,
    arg_required_else_help = true,
    after_help = "\
Start here:
  weir demo                                   a month of an AI company: generated, rated, invoiced
  weir check catalog.toml                     is my catalog sound? what would surprise me?
  weir run --catalog catalog.toml --events usage.ndjson --out result

Exit status: 0 good, 1 failed, 2 wrong usage or invalid input, 3 with --strict when events were rejected or unpriced."
)]
pub struct Cli {
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Rate files of usage events and make the invoices
    Run(RunArgs),
    /// Read a catalog and say everything that is wrong or surprising in it
    Check(CheckArgs),
    /// Generate a believable month of an AI company, rate it, invoice it, explain it
    Demo(DemoArgs),
}

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// For people
    #[default]
    Table,
    /// For programs: one documented, stable object
    Json,
    /// For spreadsheets
    Csv,
}

/// `weir run`
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
The files, in the order given, are the log: what comes first counts first. NDJSON holds one CloudEvent a line; CSV, Parquet and
Arrow files need a --mapping. Any of them may be compressed with gzip or zstd. `-` is standard input.

Examples:
  weir run --catalog catalog.toml --events 'usage/2026-08-*.ndjson.gz' --out august
  weir run --catalog aws.toml --mapping aws-cur.toml --events cur.csv.gz --format json
  zcat usage.gz | weir run --catalog catalog.toml --events - --customer acme")]
pub struct RunArgs {
    /// Catalog (TOML): meters, prices, plans, customers
    #[arg(long, value_name = "FILE")]
    pub catalog: PathBuf,
    /// Files of events; globs are expanded, `-` is standard input
    #[arg(long, value_name = "FILE", required = true, num_args = 1..)]
    pub events: Vec<String>,
    /// How the columns of CSV, Parquet or Arrow files become events (TOML)
    #[arg(long, value_name = "FILE")]
    pub mapping: Option<PathBuf>,
    /// Folder for invoices, archive, totals and quarantine; without it only the report is made
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Replace --out if it exists
    #[arg(long, requires = "out")]
    pub force: bool,
    /// Do not archive events and rated rows; totals, invoices and quarantine are still written
    #[arg(long)]
    pub no_archive: bool,
    /// Shards; changes nothing about the result
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub shards: u16,
    /// Threads [default: all cores]; changes nothing about the result
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
    /// Close the periods that end by then: a date in the catalog's zone or an RFC 3339 time
    /// [default: the end of the period of the latest event]
    #[arg(long, value_name = "T")]
    pub until: Option<String>,
    /// Only this customer's documents; printed too, unless --format says otherwise
    #[arg(long, value_name = "ID")]
    pub customer: Option<String>,
    /// Exit with 3 if any event was rejected or unpriced
    #[arg(long)]
    pub strict: bool,
    /// How the report is printed
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// `weir check`
#[derive(Debug, Clone, Args)]
pub struct CheckArgs {
    /// Catalog (TOML)
    pub catalog: PathBuf,
    /// Exit with 3 if there are warnings
    #[arg(long)]
    pub strict: bool,
    /// How the findings are printed
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// `weir demo`
#[derive(Debug, Clone, Args)]
pub struct DemoArgs {
    /// Folder for catalog, events and results
    #[arg(long, value_name = "DIR", default_value = "weir-demo")]
    pub out: PathBuf,
    /// Replace --out if it exists
    #[arg(long)]
    pub force: bool,
    /// Another seed, another month
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Events to generate
    #[arg(long, default_value_t = 500_000, value_parser = clap::value_parser!(u64).range(1_000..=100_000_000))]
    pub events: u64,
}
