//! The command line of the server and of whoever talks to it.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Format;
use crate::serve::control::Role;

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
