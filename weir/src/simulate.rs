//! `weir simulate`: what customers would pay under another catalog, from what a run has archived.
//!
//! The archive is rated under the run's own catalog and under the other one, in the same way, and both are compared. What comes out
//! for the run's own catalog must be what the run reported, or nothing is said at all. Decides nothing about money.

mod archive;
mod comparison;
mod contents;
mod engine;
mod events;
mod fold;
mod html;
mod lanes;
mod method;
mod page;
mod parties;
mod rows;
mod scope;
#[cfg(test)]
mod tests;
mod totals;

use std::collections::BTreeMap;
use std::fs;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant as Stopwatch;

use anyhow::{Context, Result, anyhow};
use weir_model::catalog::Catalog;
use weir_model::hash::HashKey;
use weir_model::time::Instant;
use weir_rater::RatingPlan;

use crate::cli::{Format, SimulateArgs};
use crate::failure::invalid;
use crate::{files, kept_catalog};
use archive::Archive;
use contents::Room;
use engine::{Engine, Rated};
use method::{Catalogs, Choice, Method};
use scope::Scope;

pub use comparison::{
    Band, CatalogName, Change, ChargeChange, Comparison, CustomerChange, CustomerChanges, MeterChange, Unpriced,
};

/// Runs the command.
pub fn command(args: &SimulateArgs) -> Result<ExitCode> {
    let comparison = simulate(args)?;
    if let Some(path) = &args.html {
        let context = || format!("cannot write {}", path.display());
        fs::write(path, html::html(&comparison)?).with_context(context)?;
    }
    match args.format {
        Format::Table => print!("{}", page::table(&comparison)),
        Format::Json => println!("{}", serde_json::to_string_pretty(&comparison)?),
        Format::Csv => print!("{}", page::csv(&comparison)),
    }
    Ok(ExitCode::SUCCESS)
}

/// Compares; prints nothing.
pub fn simulate(args: &SimulateArgs) -> Result<Comparison> {
    let stopwatch = Stopwatch::now();
    let archive = Archive::open(&args.archive)?;
    let old = Arc::new(kept_catalog::read(&args.archive)?);
    let new = Arc::new(files::catalog(&args.catalog)?.0);
    let scope = Scope {
        customer: args.customer.clone(),
        from: args.from.as_deref().map(|text| instant("--from", text, &old)).transpose()?,
        until: args.until.as_deref().map(|text| instant("--until", text, &old)).transpose()?,
    };
    if let (Some(from), Some(until)) = (scope.from, scope.until)
        && until <= from
    {
        return Err(invalid("--until must be after --from"));
    }
    let threads = match args.threads {
        Some(threads) => usize::from(threads),
        None => std::thread::available_parallelism()?.get(),
    };
    let rate = |catalog: &Arc<Catalog>| {
        let plan = RatingPlan::compile(Arc::clone(catalog), HashKey::FILES).map_err(invalid)?;
        let choices = Catalogs { old: &old, new: catalog, plan: &plan }.choose(&archive)?;
        let engine =
            Engine { archive: &archive, catalog, choices: &choices, scope: &scope, threads, room: Room::USUAL };
        Ok::<_, anyhow::Error>((engine.rate()?, choices))
    };
    let (before, _) = rate(&old)?;
    check(&archive, &before, &scope)?;
    let (after, choices) = rate(&new)?;
    let both = comparison::Both { old: &before, new: &after };
    let mut comparison = Comparison {
        archive: args.archive.display().to_string(),
        old_catalog: name(&old),
        new_catalog: name(&new),
        from: scope.from.map(|at| at.to_string()),
        until: scope.until.map(|at| at.to_string()),
        customer: scope.customer.clone(),
        closes: archive.log.closes.iter().map(|close| close.through.to_string()).collect(),
        events: archive.figures.accepted,
        amounts: both.amounts()?,
        invoiced: both.invoiced()?,
        charges: both.charges(&computed(&new, &choices))?,
        meters: both.meters()?,
        customers: both.customers(args.top)?,
        unpriced_usage: both.unpriced(),
        rejected: after.rejected,
        elapsed_s: 0.0,
        events_per_s: 0.0,
    };
    comparison.elapsed_s = stopwatch.elapsed().as_secs_f64();
    comparison.events_per_s = (comparison.events as f64 / comparison.elapsed_s.max(1e-9)).round();
    Ok(comparison)
}

fn name(catalog: &Catalog) -> CatalogName {
    CatalogName { name: catalog.name.clone(), hash: format!("{:016x}", catalog.hash) }
}

/// A date in the catalog's zone (its first instant) or an RFC 3339 time.
fn instant(option: &str, text: &str, catalog: &Catalog) -> Result<Instant> {
    crate::run::parse_instant(option, text, catalog)
}

/// The run's own catalog must bring back the run's own figures: the archive is whole, and this program rates as that one did.
fn check(archive: &Archive, before: &Rated, scope: &Scope) -> Result<()> {
    if !scope.is_whole() {
        return Ok(());
    }
    let amounts = before.amounts()?;
    let amounts = amounts.iter().map(|(currency, amount)| (currency.to_string(), amount.to_string()));
    let invoiced = before.invoiced()?;
    let invoiced = invoiced.iter().map(|(currency, money)| (currency.to_string(), money.to_decimal_text()));
    for (what, reported, found) in [
        ("amounts", &archive.figures.amounts, amounts.collect::<BTreeMap<_, _>>()),
        ("invoiced totals", &archive.figures.invoiced, invoiced.collect()),
    ] {
        let value = |figures: &BTreeMap<String, String>, currency: &String| {
            figures.get(currency).cloned().unwrap_or_else(|| "0".to_owned())
        };
        for currency in reported.keys().chain(found.keys()) {
            let (reported, found) = (value(reported, currency), value(&found, currency));
            if crate::explain::trimmed(&reported) != crate::explain::trimmed(&found) {
                return Err(anyhow!(
                    "the archive is damaged: under the run's own catalog its {what} come to {found} {currency}, report.json says \
                     {reported}; restore the folder or run again"
                ));
            }
        }
    }
    Ok(())
}

/// How charges were computed, by plan and name: of customers' own variants of a plan the one that reads the most.
fn computed(catalog: &Catalog, choices: &[Choice]) -> BTreeMap<(String, String), (Method, Option<&'static str>)> {
    let mut computed: BTreeMap<(String, String), (Method, Option<&'static str>)> = BTreeMap::new();
    for (charge, choice) in catalog.charges.iter().zip(choices) {
        let Some(plan) = catalog.plans.get(charge.plan.at()) else { continue };
        let why = (choice.method != Method::Totals).then_some(choice.why);
        let entry = computed.entry((plan.name.clone(), charge.name.clone())).or_insert((choice.method, why));
        if entry.0 < choice.method {
            *entry = (choice.method, why);
        }
    }
    computed
}
