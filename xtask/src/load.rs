//! `cargo xtask load`: a server under load, beside servers that do nothing, and the audit of what it answered.
//!
//! Owns: the command line, alternating phases, and the report as text, JSON and a page. Does not own: the driver, its
//! figures and the audit (`weir_loadtest::driver`).
#![allow(clippy::cast_precision_loss, reason = "counts and clocks are printed, never billed")]

mod ceiling;
mod options;
mod page;
mod text;

use std::path::Path;

use anyhow::{Result, bail};
use serde_json::json;
use weir_loadtest::driver::report::{self, Phase, Report, Target};
use weir_loadtest::driver::{Counts, Load, Pool, Rounds, audit};

use crate::machine::Machine;
use crate::workspace;
use ceiling::Ceiling;
pub(crate) use ceiling::serve as serve_ceiling;
use options::{Ceilings, Format, Options};

/// What is measured, and what it was sent.
struct Measuring {
    name: &'static str,
    load: Load,
    rounds: Rounds,
    counts: Counts,
    phases: Vec<Phase>,
}

/// Measures, and prints what came of it.
pub(crate) fn run(arguments: &[&str]) -> Result<()> {
    let options = Options::parse(arguments)?;
    let ceilings = start_ceilings(&options)?;
    eprintln!("encoding bodies");
    let mut pool = Pool::new(options.recipe.clone())?;
    let mut measuring = targets(&options, &ceilings, &pool);
    for round in 1..=options.rounds {
        for target in &mut measuring {
            eprintln!("round {round} of {}: {}", options.rounds, target.name);
            target.measure(&mut pool)?;
        }
    }
    let report = report(&options, measuring, &pool);
    publish(&report, &options)?;
    match &report.audit {
        Some(audit) if !audit.agrees() => bail!("the server does not agree with what it was sent"),
        _ => Ok(()),
    }
}

fn start_ceilings(options: &Options) -> Result<Vec<(&'static str, Ceiling)>> {
    if options.ceilings == Ceilings::Without {
        return Ok(Vec::new());
    }
    let folder = workspace::target_dir(&workspace::root()?)?.join("load");
    let sync = Ceiling::start(Some(&folder))?;
    Ok(vec![("ceiling-sync", sync), ("ceiling-discard", Ceiling::start(None)?)])
}

/// The server first, if there is one.
fn targets(options: &Options, ceilings: &[(&'static str, Ceiling)], pool: &Pool) -> Vec<Measuring> {
    let server = options.server.iter().map(|server| ("server", options.load(server.clone(), options.pid)));
    let ceilings =
        ceilings.iter().map(|(name, ceiling)| (*name, options.load(ceiling.server.clone(), Some(ceiling.pid()))));
    let begin = |(name, load)| Measuring {
        name,
        load,
        rounds: pool.nothing_sent(),
        counts: Counts::default(),
        phases: Vec::new(),
    };
    server.chain(ceilings).map(begin).collect()
}

impl Measuring {
    fn measure(&mut self, pool: &mut Pool) -> Result<()> {
        let measured = self.load.run(pool, &mut self.rounds)?;
        self.phases.push(Phase::of(&measured));
        self.counts.merge(measured.counts);
        Ok(())
    }
}

fn report(options: &Options, measuring: Vec<Measuring>, pool: &Pool) -> Report {
    let mut told = report::Options::of(&measuring[0].load, pool.recipe(), pool.len());
    told.server = options.server.as_ref().map(|server| server.host.clone());
    let audit = options.server.as_ref().map(|_| audit(pool, &measuring[0].rounds, &measuring[0].counts));
    let mut targets: Vec<Target> = Vec::new();
    for Measuring { name, phases, .. } in measuring {
        let server = targets.first().filter(|_| options.server.is_some());
        targets.push(Target::of(name, phases, server));
    }
    Report { options: told, targets, audit }
}

/// Prints the report, and writes it to a folder if there is to be one.
fn publish(report: &Report, options: &Options) -> Result<()> {
    let machine = Machine::here();
    let text = format!("{}\n{}", machine.line(), text::of(report));
    let page = page::of(report, &machine.line());
    let mut details = json!(report);
    details["machine"] = json!(machine);
    match options.format {
        Format::Text => print!("{text}"),
        Format::Json => println!("{details:#}"),
    }
    options.report.as_deref().map_or(Ok(()), |folder| write(folder, [&text, &format!("{details:#}\n"), &page]))
}

fn write(folder: &Path, contents: [&str; 3]) -> Result<()> {
    std::fs::create_dir_all(folder)?;
    for (name, content) in ["load.txt", "load.json", "load.html"].into_iter().zip(contents) {
        std::fs::write(folder.join(name), content)?;
    }
    Ok(())
}
