//! `weir invoices build`: the documents of a server's closes, from its seals and nothing else (design.md 4.9, L8).
//!
//! Owns: reading seals in order and billing them as a run would. Deterministic: the same seals give the same documents, numbers included, so that
//! it may be repeated after every close.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use serde_json::json;
use weir_files::{Disk, Files};
use weir_invoicer::Remember;
use weir_model::number::Overflow;
use weir_model::time::Instant;
use weir_rater::Shard;
use weir_rater::close::{Close, Settled};
use weir_rater::identities::IdentitySettings;

use crate::cli::{Format, InvoicesAction, InvoicesArgs, InvoicesBuildArgs};
use crate::config;
use crate::failure::invalid;
use crate::run::documents::{Billed, Documents};
use crate::serve::epoch::Epoch;
use crate::serve::seals;

/// Runs the command.
pub fn command(args: &InvoicesArgs) -> Result<ExitCode> {
    match &args.action {
        InvoicesAction::Build(args) => build(args),
    }
}

fn build(args: &InvoicesBuildArgs) -> Result<ExitCode> {
    let settings = config::load(args.config.as_deref())?.settings;
    let data = args.data.clone().unwrap_or(settings.data.folder);
    if !data.join(seals::FOLDER).is_dir() {
        return Err(invalid(format!("{} holds no seals; --data names another folder", data.display())));
    }
    if args.out.exists() {
        return Err(invalid(format!("--out {} exists; choose another folder", args.out.display())));
    }
    let (closes, billed, texts) = bill(&data, &args.out, args.customer.as_deref())?;
    let totals: BTreeMap<String, String> =
        billed.totals.iter().map(|(currency, sum)| (currency.to_string(), sum.to_decimal_text())).collect();
    match args.format {
        Format::Table => {
            texts.iter().for_each(|text| println!("{text}"));
            println!("{closes} closes, {} documents, written to {}", billed.count, args.out.display());
            totals.iter().for_each(|(currency, sum)| println!("  {sum} {currency}"));
        }
        _ => println!("{:#}", json!({ "closes": closes, "documents": billed.count, "invoiced": totals })),
    }
    Ok(ExitCode::SUCCESS)
}

/// Bills all closes, one after the other, into a folder that appears whole or not at all.
fn bill(data: &Path, out: &Path, only: Option<&str>) -> Result<(usize, Billed, Vec<String>)> {
    let files: Arc<dyn Files> = Arc::new(Disk::new(data));
    let seals = seals::list(files.as_ref())?;
    let Some(last) = seals.last() else {
        return Err(invalid(format!("nothing was closed yet in {}: weir close --through T", data.display())));
    };
    // Numbers never change, so that the last catalog has everything that an earlier one had.
    let epoch = Epoch::compile(last.control.clone()).context("the last seal's catalog cannot be read")?;
    let rules = epoch.rules.as_ref().context("the last seal has no catalog")?;
    let parent = out.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
    let staging = tempfile::Builder::new().prefix(".weir-invoices-").tempdir_in(parent)?;
    let folder = staging.path().join("invoices");
    let mut documents = Documents::new(only, &rules.catalog, Some(&folder))?;
    let mut settled = Settled::new();
    for seal in &seals {
        let shards = restore(files.as_ref(), seal, rules)?;
        let through = Instant::from_micros(seal.through_us);
        let close = Close::new(&shards, Arc::clone(&rules.plan), through, settled).map_err(overflow)?;
        documents.close(&close, Remember::Lines, 0)?;
        settled = close.settled().clone();
    }
    let (billed, texts) = documents.finish()?;
    fs::rename(&folder, out).with_context(|| format!("cannot rename the result to {}", out.display()))?;
    Ok((seals.len(), billed, texts))
}

/// The shards as they were at a close, under the rules of the last one.
fn restore(files: &dyn Files, seal: &seals::Seal, rules: &crate::serve::epoch::Rules) -> Result<Vec<Shard>> {
    let then = Epoch::compile(seal.control.clone()).context("a seal's catalog cannot be read")?;
    let of_then = then.rules.as_ref().context("a seal has no catalog")?;
    let mut shards = Vec::new();
    for entry in &seal.shards {
        let bytes = seals::read_shard(files, seal.number, entry)?;
        let shard = Shard::restore(&bytes, Arc::clone(&of_then.plan), IdentitySettings::in_memory());
        let mut shard = shard.with_context(|| format!("cannot restore {}", entry.file))?;
        if of_then.catalog.hash != rules.catalog.hash {
            shard.replan(&rules.plan)?;
        }
        shards.push(shard);
    }
    Ok(shards)
}

fn overflow(error: Overflow) -> anyhow::Error {
    anyhow!("the totals of a close cannot be made: {error}; look for a price or quantity that is far too large")
}
