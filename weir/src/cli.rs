//! The command line: what can be said, not what it does.

use std::path::PathBuf;

use crate::serve::control::Role;
use clap::{ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

/// Turns a stream of usage events into money: exactly, once, fast, and so that every cent can be explained.
#[derive(Debug, Parser)]
#[command(
    name = "weir",
    version,
    arg_required_else_help = true,
    after_help = "\
Start here:
  weir demo                                   a month of an AI company: generated, rated, invoiced
  weir init my-prices --events usage.ndjson   a catalog drafted from my own events; without them, one that teaches
  weir check catalog.toml                     is my catalog sound? what would surprise me?
  weir quote --price catalog.toml --name tokens --quantity 1200000
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
    /// Prove a line of a document from the archived events behind it
    Explain(ExplainArgs),
    /// What customers would pay under another catalog, from the archive of a run
    Simulate(SimulateArgs),
    /// Price a quantity or some events, and show what explains the figure
    Quote(QuoteArgs),
    /// Generate a believable month of an AI company, rate it, invoice it, explain it
    Demo(DemoArgs),
    /// Write a commented catalog to start from, or draft one from your own events
    Init(InitArgs),
    /// Take usage events over HTTP, durably and once, and rate them as they come
    Serve(ServeArgs),
    /// Keys of a server's clients
    Keys(KeysArgs),
    /// A server's catalog: give another one, or show the one in force
    Catalog(CatalogArgs),
    /// Seal the periods of a server that are over
    Close(CloseArgs),
    /// Make the documents of a server's closes
    Invoices(InvoicesArgs),
    /// Look at a server's log: what is in it, and whether it is whole
    Log(LogArgs),
    /// The server's configuration: is it sound, and what is in force?
    Config(ConfigArgs),
}

impl Cli {
    /// Reads the command line.
    pub fn from_command_line() -> Cli {
        let matches = Cli::command().get_matches();
        let mut cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
        if let (Command::Run(run), Some(of_run)) = (&mut cli.command, matches.subcommand_matches("run")) {
            run.close_after = closes_among_events(of_run);
        }
        cli
    }
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
  zcat usage.gz | weir run --catalog catalog.toml --events - --customer acme
  weir run --catalog catalog.toml --events august.ndjson --close 2026-09-01 --events september.ndjson")]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
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
    /// Do not write documents: the report holds their number and sums, and a run with them makes the same ones
    #[arg(long, conflicts_with = "customer")]
    pub no_documents: bool,
    /// Shards; changes nothing about the result
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub shards: u16,
    /// Threads [default: all cores]; changes nothing about the result
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
    /// Memory for the identities of events, as 64MiB or 2GiB [default: a third of what is available]; beyond it they go to
    /// temporary files, in --out's folder or the system's, about 25 bytes each. Changes nothing about the result
    #[arg(long, value_name = "SIZE", value_parser = crate::memory::parse)]
    pub memory: Option<u64>,
    /// Close the periods that end by then: a date in the catalog's zone or an RFC 3339 time
    /// [default: the end of the period of the latest event]
    #[arg(long, value_name = "T")]
    pub until: Option<String>,
    /// Close the periods that end by then before the files that follow are read; may stand several times among --events.
    /// What comes later for a closed period is late: its charge's late_policy says how it is billed
    #[arg(long, value_name = "T")]
    pub close: Vec<String>,
    /// For each --close, how many --events stand before it
    #[arg(skip)]
    pub close_after: Vec<usize>,
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

/// For each `--close`, how many `--events` stand before it.
fn closes_among_events(matches: &ArgMatches) -> Vec<usize> {
    let events: Vec<usize> = matches.indices_of("events").map(Iterator::collect).unwrap_or_default();
    let closes = matches.indices_of("close").into_iter().flatten();
    closes.map(|close| events.iter().filter(|event| **event < close).count()).collect()
}

/// `weir serve`
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Events come by POST /v1/events as CloudEvents (NDJSON, structured, batch, binary) or Arrow, and are answered once they are on the disk. A running
server describes itself at /docs and /openapi.json. SIGTERM lets requests under way finish.

First steps:
  weir keys create --name me --role admin     the first key, in the data folder, before the server runs
  weir serve                                  on 127.0.0.1:8080, data in ./weir-data
  weir catalog put catalog.toml               with WEIR_KEY=weir_... in the environment
  weir keys create --name api --role ingest --server http://127.0.0.1:8080
  weir close --through 2026-12-01             when a month is over
  weir invoices build --out invoices

Settings:
  weir config print > weir.toml               every key with its default
  WEIR_SERVER__LISTEN=0.0.0.0:8080 weir serve --config weir.toml")]
pub struct ServeArgs {
    /// Configuration (TOML); variables WEIR_SECTION__KEY override it
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Try it out: a catalog of its own, a folder that is new each time, and a line to paste
    #[arg(long, conflicts_with = "config")]
    pub dev: bool,
}

/// Which server, and who asks.
#[derive(Debug, Clone, Args)]
pub struct Connection {
    /// The server [default: http://127.0.0.1:8080]
    #[arg(long, value_name = "URL", env = "WEIR_SERVER")]
    pub server: Option<String>,
    /// The key
    #[arg(long, value_name = "KEY", env = "WEIR_KEY", hide_env_values = true)]
    pub key: Option<String>,
}

/// `weir keys`
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
The first key is made in the data folder, while no server runs there; the others over the server. A key is shown once.

Examples:
  weir keys create --name me --role admin
  weir keys create --name billing --role ingest --subjects 'acme-*' --server http://127.0.0.1:8080
  weir keys list
  weir keys revoke 3kd8s9xm2c7q")]
pub struct KeysArgs {
    /// What to do
    #[command(subcommand)]
    pub action: KeyAction,
}

/// What `weir keys` does.
#[derive(Debug, Clone, Subcommand)]
pub enum KeyAction {
    /// Make a key and show it, once
    Create {
        /// The key
        #[command(flatten)]
        new: NewKey,
        /// The server; without --server the data folder
        #[command(flatten)]
        connection: Connection,
        /// Configuration that names the data folder
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// How the key is printed
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Show all keys, without their secrets
    List {
        /// The server
        #[command(flatten)]
        connection: Connection,
        /// How they are printed
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Make a key worth nothing
    Revoke {
        /// The key's public part
        id: String,
        /// The server
        #[command(flatten)]
        connection: Connection,
    },
}

/// A key to be made.
#[derive(Debug, Clone, Args)]
pub struct NewKey {
    /// What it is for
    #[arg(long)]
    pub name: String,
    /// What it may do: send events, ask for usage, or everything
    #[arg(long, value_enum)]
    pub role: Role,
    /// Subjects that it may send and ask for, as acme-* [default: all]
    #[arg(long, value_name = "PATTERN")]
    pub subjects: Option<String>,
    /// Sources that it may send [default: all]
    #[arg(long, value_name = "PATTERN")]
    pub sources: Option<String>,
    /// When it ends, as 2027-01-01T00:00:00Z [default: never]
    #[arg(long, value_name = "T")]
    pub expires_at: Option<String>,
}

/// `weir catalog`
#[derive(Debug, Clone, Args)]
pub struct CatalogArgs {
    /// What to do
    #[command(subcommand)]
    pub action: CatalogAction,
}

/// What `weir catalog` does.
#[derive(Debug, Clone, Subcommand)]
pub enum CatalogAction {
    /// Put a catalog in force for everything that comes from now on
    Put {
        /// Catalog (TOML)
        catalog: PathBuf,
        /// Only check it and show what would change
        #[arg(long)]
        dry_run: bool,
        /// The server
        #[command(flatten)]
        connection: Connection,
    },
    /// Print the catalog in force
    Show {
        /// The server
        #[command(flatten)]
        connection: Connection,
    },
}

/// `weir close`
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
A close seals every period that ends at or before an instant; what comes for them later is late usage. Repeating it changes nothing, so that
cron may. The documents are made of what it leaves: weir invoices build.

Example:
  weir close --through 2026-12-01")]
pub struct CloseArgs {
    /// Seal the periods that end by then: a date in the catalog's zone or an RFC 3339 time, not in the future
    #[arg(long, value_name = "T")]
    pub through: String,
    /// The server
    #[command(flatten)]
    pub connection: Connection,
    /// How the result is printed
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// `weir invoices`
#[derive(Debug, Clone, Args)]
pub struct InvoicesArgs {
    /// What to do
    #[command(subcommand)]
    pub action: InvoicesAction,
}

/// What `weir invoices` does.
#[derive(Debug, Clone, Subcommand)]
pub enum InvoicesAction {
    /// Make the documents of all closes from the seals in the data folder; the same ones every time
    Build(InvoicesBuildArgs),
}

/// `weir invoices build`
#[derive(Debug, Clone, Args)]
pub struct InvoicesBuildArgs {
    /// Folder for the documents; it must not exist
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// The data folder [default: what the configuration says]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Configuration that names the data folder
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Only this customer's documents; printed too, unless --format says otherwise
    #[arg(long, value_name = "ID")]
    pub customer: Option<String>,
    /// How the result is printed
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// `weir log`
#[derive(Debug, Clone, Args)]
pub struct LogArgs {
    /// What to do
    #[command(subcommand)]
    pub action: LogAction,
}

/// What `weir log` does.
#[derive(Debug, Clone, Subcommand)]
pub enum LogAction {
    /// List the segments: records, times, durability, what is wrong
    Inspect(LogTarget),
    /// Read everything and check every checksum; exit with 1 if anything is wrong
    Verify(LogTarget),
}

/// Where the log is.
#[derive(Debug, Clone, Args)]
pub struct LogTarget {
    /// The data folder [default: what the configuration says]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Configuration that names the data folder
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// How the report is printed
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// `weir config`
#[derive(Debug, Clone, Args)]
pub struct ConfigArgs {
    /// What to do
    #[command(subcommand)]
    pub action: ConfigAction,
}

/// What `weir config` does.
#[derive(Debug, Clone, Subcommand)]
pub enum ConfigAction {
    /// Say everything that is wrong with the file and the environment
    Check(ConfigFile),
    /// Print the configuration in force, and where each value came from
    Print(ConfigFile),
}

/// Where the configuration is.
#[derive(Debug, Clone, Args)]
pub struct ConfigFile {
    /// Configuration (TOML); variables WEIR_SECTION__KEY override it
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
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

/// `weir quote`
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
FILE has [prices.NAME] tables, `currency` (else USD) and `time_zone` (else UTC) if it likes, and optionally one [charge] with
conversion, allowance, round, discount, minimum and maximum. A catalog is such a file too: its prices are quoted without its charges.
The quote is what an invoice bills for a whole period.

Examples:
  weir quote --price prices.toml --quantity 1200000
  weir quote --price prices.toml --name tokens --quantity 1200000 --from 1000000 --format json
  weir quote --price prices.toml --name card --values 10,80,10000
  weir quote --price prices.toml --name workspace --quantity seats=3,storage=9
  weir quote --price prices.toml --name gpu --quantity 12.5 --dimension region=eu --at 2026-09-14T20:30")]
pub struct QuoteArgs {
    /// File of prices (TOML)
    #[arg(long, value_name = "FILE")]
    pub price: PathBuf,
    /// Which of its prices [default: the only one]
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// How much was used; of a capacity price each resource, as seats=3,storage=9. For a price per event: one event
    #[arg(long, value_name = "Q", allow_hyphen_values = true)]
    pub quantity: Option<String>,
    /// How much of that an interim document has billed before: the quote is what the final one adds, which may be negative
    #[arg(long, value_name = "Q0", allow_hyphen_values = true)]
    pub from: Option<String>,
    /// The events' values in order, instead of --quantity; a price that is not per event prices their sum
    #[arg(long, value_name = "V1,V2,...", allow_hyphen_values = true, conflicts_with = "quantity")]
    pub values: Option<String>,
    /// Value of a dimension that chooses a cell, as region=eu; may stand several times
    #[arg(long, value_name = "DIMENSION=VALUE")]
    pub dimension: Vec<String>,
    /// When: chooses the price's version and a schedule's window. RFC 3339, or a local time or date in the schedule's zone
    /// (else the file's)
    #[arg(long, value_name = "T")]
    pub at: Option<String>,
    /// How the quote is printed
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// `weir explain`
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
The archived events of the line's customer are rated and billed again under the catalog that the run kept, and compared with the
line as it was billed and with its rated rows. Exit status 1 if anything differs.

Example:
  weir explain INV-000003 2 --from august")]
pub struct ExplainArgs {
    /// Number of an invoice, debit note or credit note
    pub invoice: String,
    /// Number of a line on it
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    pub line: u32,
    /// Folder that `weir run --out` has written
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub from: PathBuf,
    /// How many events the table shows; the other formats list them all
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub show: usize,
    /// How the explanation is printed
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// `weir simulate`
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
The archive is what `weir run --out` wrote. It is rated under the other catalog as weir run would rate the original events, closed where
that run closed, and compared with what the run came to: by charge, by meter, by customer. Where only prices have changed, the
run's totals are priced anew; where filters, groups or fields have, sums over the events; what depends on single events is rated again.
The table says which. What the archive cannot answer is refused.

Examples:
  weir simulate august --catalog next.toml
  weir simulate august --catalog next.toml --html august-next.html
  weir simulate august --catalog next.toml --customer acme --format json
  weir simulate year --catalog next.toml --from 2026-07-01 --until 2026-10-01")]
pub struct SimulateArgs {
    /// Folder that `weir run --out` has written
    #[arg(value_name = "ARCHIVE_DIR")]
    pub archive: PathBuf,
    /// The other catalog (TOML)
    #[arg(long, value_name = "FILE")]
    pub catalog: PathBuf,
    /// Only periods that begin then or later: a date in the run's zone or an RFC 3339 time
    #[arg(long, value_name = "T")]
    pub from: Option<String>,
    /// Only periods that end then or earlier
    #[arg(long, value_name = "T")]
    pub until: Option<String>,
    /// Only this customer
    #[arg(long, value_name = "ID")]
    pub customer: Option<String>,
    /// Threads [default: all cores]; changes nothing about the result
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
    /// How many of the customers that move the most are listed, each way
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub top: usize,
    /// How the comparison is printed
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// Also write it as one HTML page with charts
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
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

/// `weir init`
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Without --events, DIR gets a small catalog that explains itself, events to try it on, and three commands.

With --events, DIR gets a catalog drafted from what is in them: a meter that counts each event type, a meter that sums each numeric
field of `data` (numbers and decimal strings), and dimensions from texts and booleans of at most 50 values that repeat (each comes twice
on average). It rates these events at once, at a placeholder price of 1.00 a unit. Only suggested, in comments, are:
  max or latest   for numbers that look like levels: a word of the field's name is one like seats, balance, storage, active or
                  percent, or a word of the event type is one like measured, changed, sampled or snapshot
  unique_count    for texts of more than 50 values that repeat, such as user ids
Numbers whose name ends in a word like id, code, status, version or at are taken as texts. Of a field's values one in a hundred may be
of another kind: the result says how many events are rejected for it. What fits nowhere is listed with its reason.
Looked at are the first 100 event types and 1,000 fields, and up to 1,000 different values of each.

Examples:
  weir init my-prices
  weir init my-prices --events 'usage/2026-08-*.ndjson.gz'
  weir init aws --events cur.csv.gz --mapping aws-cur.toml
  zcat usage.gz | weir init my-prices --events - --format json")]
pub struct InitArgs {
    /// Folder to make; it must not exist, or be empty
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
    /// Files of your own events to draft the catalog from; globs are expanded, `-` is standard input
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub events: Vec<String>,
    /// How the columns of CSV, Parquet or Arrow files become events (TOML)
    #[arg(long, value_name = "FILE", requires = "events")]
    pub mapping: Option<PathBuf>,
    /// Replace what an earlier `weir init` wrote into DIR, unless it was edited since
    #[arg(long)]
    pub force: bool,
    /// How the result is printed
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}
