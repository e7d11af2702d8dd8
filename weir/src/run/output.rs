//! What a run leaves behind: archive, totals, quarantine and the report, beside the documents, in a folder that appears whole
//! or not at all.
//!
//! Everything is written into a staging folder beside `--out`, which is renamed at the end. A run that fails removes it.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant as Stopwatch;

use anyhow::{Context, Result};
use tempfile::TempDir;
use weir_aggregator::{Archive, ArchiveSettings, Contents, Totals};
use weir_invoicer::Modified;
use weir_model::catalog::Catalog;
use weir_model::event::Chunk;
use weir_model::rated::ShardOutput;
use weir_rater::close::{Close, Periods, Sealed};

use super::pieces;
use super::reassembly::Sink;
use super::summary::Sums;
use crate::cli::RunArgs;
use crate::failure::invalid;
use crate::files::Sources;
use crate::kept_catalog;
use crate::report::Report;

/// Name of the report in the output folder; its presence tells a folder that `--force` may replace.
const REPORT: &str = "report.json";

/// The folder being written.
pub struct Output {
    /// Dropped before the folder that its threads write into.
    archive: Archive,
    staging: TempDir,
    target: PathBuf,
}

impl Sink for Output {
    fn append(&mut self, chunk: Arc<Chunk>, outputs: Vec<ShardOutput>) -> Result<()> {
        Ok(self.archive.append(chunk, outputs)?)
    }

    fn take_used(&mut self) -> Option<(Arc<Chunk>, Vec<ShardOutput>)> {
        self.archive.take_used()
    }
}

impl Output {
    /// Prepares the folder that `--out` names; `None` without it.
    pub fn create(
        args: &RunArgs,
        (catalog, sources): (&Arc<Catalog>, &Sources),
        inputs: &[String],
    ) -> Result<Option<Output>> {
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
        kept_catalog::write(staging.path(), sources)?;
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

impl Output {
    /// Takes in what a close did to buckets, and what it settled.
    pub fn close(&mut self, sealed: &Sealed, close: &Close<'_>) -> Result<()> {
        for (shard, opened) in &sealed.opened {
            self.archive.opened(*shard, opened)?;
        }
        for row in sealed.adjustments.iter().chain(close.settlements()) {
            self.archive.settle(row)?;
        }
        Ok(())
    }

    /// Writes the totals of the last close; their sums, out of the same pass.
    pub fn write_totals(&mut self, close: &Close<'_>, (periods, threads): (&Periods<'_>, usize)) -> Result<Sums> {
        self.archive.end_rows()?;
        let catalog = close.catalog();
        let modified = Modified::of_catalog(catalog);
        let collect = |range| {
            let (mut sums, mut totals) = (Sums::default(), Totals::new(Arc::clone(catalog))?);
            periods.visit(range, |period| {
                totals.push(period)?;
                sums.add_period((catalog, &modified), period)
            })?;
            Ok((sums, totals.encode()?))
        };
        let mut sums = Sums::default();
        pieces::in_order(periods, threads, collect, |(of_piece, totals)| {
            self.archive.write_totals(totals)?;
            sums.add(&of_piece)
        })?;
        Ok(sums)
    }

    /// Completes the report, and publishes the folder.
    pub fn publish(self, report: &mut Report, stopwatch: Stopwatch) -> Result<()> {
        self.archive.finish()?;
        stamp(report, stopwatch);
        write_synced(&self.staging.path().join(REPORT), serde_json::to_string_pretty(report)?.as_bytes())?;
        sync_folder(Some(self.staging.path()))?;
        publish_folder(self.staging, &self.target)
    }

    /// The folder that becomes `--out`.
    pub fn staging(&self) -> &Path {
        self.staging.path()
    }

    /// Where documents go until everything is published.
    pub fn invoices(&self) -> PathBuf {
        self.staging.path().join("invoices")
    }
}

/// Completes a report that no folder holds.
pub fn stamp(report: &mut Report, stopwatch: Stopwatch) {
    report.elapsed_s = stopwatch.elapsed().as_secs_f64();
    report.events_per_s = (report.received as f64 / report.elapsed_s.max(1e-9)).round();
}

fn write_synced(path: &Path, content: &[u8]) -> Result<()> {
    let context = || format!("cannot write {}; free space or choose another --out", path.display());
    let mut file = File::create_new(path).with_context(context)?;
    file.write_all(content).and_then(|()| file.sync_all()).with_context(context)
}

pub fn sync_folder(folder: Option<&Path>) -> Result<()> {
    let folder = folder.filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .with_context(|| format!("cannot sync the folder {}", folder.display()))
}

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
