//! The `weir` binary as a library: the one place where stages are wired together.
//!
//! Owns: the command line, reading files for the pure crates, threads, progress and output. Decides nothing about money.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "this is the command line")]
// Counts and clocks are printed, never billed.
#![allow(clippy::cast_precision_loss)]

pub mod check;
pub mod cli;
mod client;
pub mod config;
pub mod demo;
pub mod explain;
pub mod failure;
pub mod files;
pub mod identity_files;
pub mod init;
mod invoices;
mod kept_catalog;
pub mod kept_identities;
pub mod memory;
pub mod quote;
pub mod report;
pub mod run;
pub mod serve;
mod shell;
pub mod simulate;
mod table;

use std::process::ExitCode;

use cli::{Cli, Command};

/// Does what the command line says.
pub fn main() -> ExitCode {
    let outcome = match Cli::from_command_line().command {
        Command::Run(args) => run::command(&args),
        Command::Check(args) => check::command(&args),
        Command::Quote(args) => quote::command(&args),
        Command::Demo(args) => demo::command(&args),
        Command::Explain(args) => explain::command(&args),
        Command::Simulate(args) => simulate::command(&args),
        Command::Init(args) => init::command(&args),
        Command::Serve(args) => serve::command(&args),
        Command::Keys(args) => client::keys(&args),
        Command::Catalog(args) => client::catalog(&args),
        Command::Close(args) => client::close(&args),
        Command::Invoices(args) => invoices::command(&args),
        Command::Log(args) => serve::offline::log(&args),
        Command::Config(args) => config::command(&args),
    };
    outcome.unwrap_or_else(|error| failure::explain(&error))
}
