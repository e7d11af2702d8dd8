//! `weir init`: a catalog to start from, either one that teaches, with events to try it on, or one drafted from somebody's own
//! events.
//!
//! Owns: what is proposed, and the folder it goes to. Does not own anything that rates: the drafted catalog is checked by the
//! same loader as everybody's before anything is written.

mod data;
mod draft;
mod field;
mod folder;
mod infer;
mod names;
mod outcome;
mod sample;
mod survey;
mod toml_text;

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use weir_model::catalog::{self, NoFiles};

use crate::cli::InitArgs;
use crate::failure::invalid;
use crate::shell::{program, quoted};
use folder::{CATALOG, EVENTS, File, Folder, README};
use infer::Inferred;
use outcome::Outcome;

/// Runs the command.
pub fn command(args: &InitArgs) -> Result<ExitCode> {
    let folder = Folder::check(args)?;
    let (inferred, files) = if args.events.is_empty() {
        (None, sample::files())
    } else {
        let (inferred, files) = from_events(args)?;
        (Some(inferred), files)
    };
    let next = commands(args, &quoted(&program()));
    let files = folder.fill(&files)?;
    let outcome = Outcome { folder: args.dir.clone(), files, inferred, next };
    print!("{}", outcome.print(args.format));
    Ok(ExitCode::SUCCESS)
}

/// Reads the events and drafts the files.
fn from_events(args: &InitArgs) -> Result<(Inferred, Vec<File>)> {
    let inferred = infer::infer(&survey::read(args)?);
    if inferred.events == 0 {
        return Err(invalid(without_events(&inferred)));
    }
    let name = name_of(&args.dir);
    let text = draft::catalog(&name, &inferred);
    catalog::load(CATALOG, &text, &NoFiles).context("internal error: the drafted catalog does not load")?;
    let readme = readme(&name, args, &inferred);
    Ok((inferred, vec![(README, readme), (CATALOG, text)]))
}

fn without_events(inferred: &Inferred) -> String {
    let shape = "Each line is one CloudEvent with specversion, id, source, type, subject, time and data; CSV, Parquet and Arrow \
                 files need a --mapping that makes such events of their rows";
    match inferred.rejected_first.first() {
        Some(record) => format!(
            "there is no valid event in --events; records turned away: {}, the first at {}:{} ({}: {}). {shape}",
            inferred.rejected, record.file, record.record, record.code, record.reason
        ),
        None if inferred.skipped > 0 => {
            format!("there is no event in --events: the mapping's `where` leaves out all {} rows", inferred.skipped)
        }
        None => format!("there is no event in --events. {shape}"),
    }
}

/// The folder's name, for the catalog.
fn name_of(dir: &Path) -> String {
    let last = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
    last(dir).or_else(|| last(&dir.canonicalize().ok()?)).unwrap_or_else(|| "catalog".to_owned())
}

/// Three commands for a shell in the current folder.
fn commands(args: &InitArgs, program: &str) -> Vec<String> {
    let inside = |name: &str| quoted(&args.dir.join(name));
    let events: Vec<String> = if args.events.is_empty() {
        vec![inside(EVENTS)]
    } else {
        args.events.iter().map(|file| quoted(Path::new(file))).collect()
    };
    let mapping = args.mapping.as_ref().map(|path| format!(" --mapping {}", quoted(path)));
    let (catalog, mapping) = (inside(CATALOG), mapping.unwrap_or_default());
    let run = format!("{program} run --catalog {catalog} --events {}{mapping}", events.join(" "));
    let customer = if args.events.is_empty() { " --customer acme" } else { "" };
    vec![format!("{program} check {catalog}"), format!("{run}{customer}"), format!("{run} --out {}", inside("result"))]
}

/// What lies in a folder that was made from somebody's events.
fn readme(name: &str, args: &InitArgs, inferred: &Inferred) -> String {
    let events = draft::plural(inferred.events, "event");
    let commands: Vec<String> = commands(args, "weir").iter().map(|command| format!("$ {command}\n")).collect();
    let [check, run, invoices] = commands.as_slice() else { unreachable!("there are three commands") };
    format!(
        "# {}\n\n`catalog.toml` was drafted by `weir init` from {events}. It measures what was seen in them and charges 1.00 for \
         each unit of it.\nEdit what is marked EDIT, then, in the folder where `weir init` ran:\n\n```console\n{check}```\n\nsays what \
         is wrong or surprising in the catalog;\n\n```console\n{run}```\n\nrates the events and shows the totals;\n\n\
         ```console\n{invoices}```\n\nwrites invoices, totals and an archive of every event (add `--force` to do it again).\n",
        toml_text::printable(name)
    )
}
