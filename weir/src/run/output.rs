//! What a run leaves behind: invoices, archive, totals, quarantine and the report, in a folder that appears whole or not at all.
//!
//! Everything is written into a staging folder beside `--out`, which is renamed at the end. A run that fails removes it.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant as Stopwatch;

use anyhow::{Context, Result};
use tempfile::TempDir;
use weir_aggregator::{Archive, ArchiveSettings, Contents};
use weir_invoicer::{Numbering, build, is_billable, to_html, to_json, to_text};
use weir_model::catalog::Catalog;
use weir_model::event::Chunk;
use weir_model::rated::{CustomerPeriod, ShardOutput};
use weir_rater::close::Close;

use super::progress::Progress;
use super::reassembly::Sink;
use crate::cli::RunArgs;
use crate::failure::invalid;
use crate::report::Report;

/// How many documents get files of their own (JSON, text, HTML); `invoices.ndjson` always has them all.
const DOCUMENT_FILES_MAX: u64 = 1000;
/// Name of the report in the output folder; its presence tells a folder that `--force` may replace.
const REPORT: &str = "report.json";

/// The folder being written.
pub struct Output {
    staging: TempDir,
    target: PathBuf,
    archive: Archive,
}

impl Sink for Output {
    fn append(&mut self, chunk: &Chunk, outputs: &[ShardOutput]) -> Result<()> {
        Ok(self.archive.append(chunk, outputs)?)
    }
}

impl Output {
    /// Prepares the folder that `--out` names; `None` without it.
    pub fn create(args: &RunArgs, catalog: &Arc<Catalog>, inputs: &[String]) -> Result<Option<Output>> {
        let Some(target) = &args.out else { return Ok(None) };
        check_target(target, args.force)?;
        let parent = match target.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        fs::create_dir_all(parent).map_err(|error| invalid(format!("cannot create {}: {error}", parent.display())))?;
        let name = target.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let staging = tempfile::Builder::new()
            .prefix(&format!(".{name}.partial-"))
            .tempdir_in(parent)
            .map_err(|error| invalid(format!("cannot write beside {}: {error}", target.display())))?;
        let contents = if args.no_archive { Contents::TotalsOnly } else { Contents::Everything };
        let settings = ArchiveSettings { contents, ..ArchiveSettings::default() };
        let archive = Archive::create(staging.path(), Arc::clone(catalog), settings, inputs.to_vec())?;
        Ok(Some(Output { staging, target: target.clone(), archive }))
    }
}

/// Refuses a folder that exists, unless `--force` was given and it holds an earlier result or nothing.
fn check_target(target: &Path, force: bool) -> Result<()> {
    if !target.exists() {
        return Ok(());
    }
    let shown = target.display();
    if !force {
        return Err(invalid(format!("--out {shown} exists; choose another folder, or replace it with --force")));
    }
    let replaceable =
        target.join(REPORT).is_file() || fs::read_dir(target).is_ok_and(|mut entries| entries.next().is_none());
    if replaceable {
        return Ok(());
    }
    Err(invalid(format!("--out {shown} holds no earlier result; --force replaces only what a run has written")))
}

/// Writes what the close produced, completes the report, and publishes the folder. Gives the text of the documents that
/// `--customer` asked for.
pub fn publish(
    output: Option<Output>,
    args: &RunArgs,
    (close, catalog): (&Close<'_>, &Catalog),
    report: &mut Report,
    stopwatch: Stopwatch,
) -> Result<Vec<String>> {
    let mut documents = Documents::new(args, catalog);
    let Some(mut output) = output else {
        if args.customer.is_some() {
            close.for_each(|period| documents.add(period))?;
        }
        stamp(report, stopwatch);
        return Ok(documents.texts);
    };
    if !args.no_archive {
        for settlement in close.settlements() {
            output.archive.settle(settlement)?;
        }
    }
    documents.open(&output.staging.path().join("invoices"))?;
    let progress = Progress::of_documents(report.invoices);
    close.for_each(|period| {
        output.archive.total(period)?;
        documents.add(period)?;
        progress.count();
        anyhow::Ok(())
    })?;
    progress.finish();
    let texts = documents.finish()?;
    output.archive.finish()?;
    stamp(report, stopwatch);
    write_synced(&output.staging.path().join(REPORT), serde_json::to_string_pretty(report)?.as_bytes())?;
    sync_folder(Some(output.staging.path()))?;
    let Output { staging, target, .. } = output;
    publish_folder(staging, &target)?;
    Ok(texts)
}

fn stamp(report: &mut Report, stopwatch: Stopwatch) {
    report.elapsed_s = stopwatch.elapsed().as_secs_f64();
    report.events_per_s = (report.received as f64 / report.elapsed_s.max(1e-9)).round();
}

fn write_synced(path: &Path, content: &[u8]) -> Result<()> {
    let context = || format!("cannot write {}; free space or choose another --out", path.display());
    let mut file = File::create_new(path).with_context(context)?;
    file.write_all(content).and_then(|()| file.sync_all()).with_context(context)
}

fn sync_folder(folder: Option<&Path>) -> Result<()> {
    let folder = folder.filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .with_context(|| format!("cannot sync the folder {}", folder.display()))
}

/// The documents of closed periods.
struct Documents<'a> {
    catalog: &'a Catalog,
    only: Option<&'a str>,
    numbering: Numbering,
    written: u64,
    folder: PathBuf,
    all: Option<BufWriter<File>>,
    texts: Vec<String>,
}

impl<'a> Documents<'a> {
    fn new(args: &'a RunArgs, catalog: &'a Catalog) -> Documents<'a> {
        let prefix = catalog.seller.as_ref().map_or("INV-", |seller| seller.invoice_prefix.as_str());
        Documents {
            catalog,
            only: args.customer.as_deref(),
            numbering: Numbering::new(prefix),
            written: 0,
            folder: PathBuf::new(),
            all: None,
            texts: Vec::new(),
        }
    }

    fn open(&mut self, folder: &Path) -> Result<()> {
        folder.clone_into(&mut self.folder);
        fs::create_dir(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let path = folder.join("invoices.ndjson");
        let file = File::create_new(&path).with_context(|| format!("cannot create {}", path.display()))?;
        self.all = Some(BufWriter::new(file));
        Ok(())
    }

    /// Makes a closed period's document. Every document takes its number, whoever is asked for.
    fn add(&mut self, period: &CustomerPeriod) -> Result<()> {
        if !period.sealed || !is_billable(self.catalog, period) {
            return Ok(());
        }
        let number = self.numbering.take();
        let name = number.to_string();
        if self.only.is_some_and(|only| only != period.customer) {
            return Ok(());
        }
        let invoice = build(self.catalog, period, Some(number))?;
        if self.only.is_some() {
            self.texts.push(to_text(&invoice));
        }
        let Some(all) = &mut self.all else { return Ok(()) };
        serde_json::to_writer(&mut *all, &invoice).context(NO_SPACE)?;
        all.write_all(b"\n").context(NO_SPACE)?;
        if self.written < DOCUMENT_FILES_MAX {
            for (extension, content) in
                [("json", to_json(&invoice)), ("txt", to_text(&invoice)), ("html", to_html(&invoice))]
            {
                // Copies for people of what invoices.ndjson holds: not worth a sync each.
                fs::write(self.folder.join(format!("{name}.{extension}")), content).context(NO_SPACE)?;
            }
        }
        self.written += 1;
        Ok(())
    }

    fn finish(self) -> Result<Vec<String>> {
        if let Some(all) = self.all {
            let file = all.into_inner().map_err(std::io::IntoInnerError::into_error).context(NO_SPACE)?;
            file.sync_all().context(NO_SPACE)?;
            sync_folder(Some(&self.folder))?;
        }
        Ok(self.texts)
    }
}

const NO_SPACE: &str = "cannot write the invoices; free space or choose another --out";

/// Makes the folder visible under its name, in one rename.
fn publish_folder(staging: TempDir, target: &Path) -> Result<()> {
    if target.exists() {
        fs::remove_dir_all(target).with_context(|| format!("cannot replace {}", target.display()))?;
    }
    let staged = staging.keep();
    fs::rename(&staged, target)
        .with_context(|| format!("the result is complete in {} but cannot be renamed", staged.display()))?;
    sync_folder(target.parent())
}
