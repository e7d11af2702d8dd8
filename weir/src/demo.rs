//! `weir demo`: a believable month of an AI company, generated, rated, invoiced, and checked against what was put into it.
//!
//! Owns: the workload, which is a pure function of its seed and books every outcome in advance, and the tour. Does not own
//! anything that rates: the month goes through the same run as everybody's files.

mod audit;
mod broken;
mod cast;
mod documents;
mod event;
mod folder;
mod prng;
mod put_in;
mod tour;
mod workload;

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant as Stopwatch;

use anyhow::{Context, Result, anyhow};

use crate::cli::{DemoArgs, Format, RunArgs};
use crate::failure::invalid;
use crate::run;
use audit::{Audit, Totals};
use documents::Documents;
use folder::Folder;
use put_in::PutIn;
use workload::{Settings, write_month};

/// Whose invoice is shown.
const SHOWN: &str = "hexagon";
/// As many as `weir run` has by default.
const SHARDS: u16 = 16;

/// Runs the command.
pub fn command(args: &DemoArgs) -> Result<ExitCode> {
    let folder = Folder::create(args)?;
    let stopwatch = Stopwatch::now();
    let put_in = generate(Settings { seed: args.seed, events: args.events }, &folder.events())?;
    print!("{}", tour::generated(&put_in, args.seed, stopwatch.elapsed()));
    std::io::stdout().flush()?;

    let report = run::execute(&run_args(&folder)?)?.report;
    print!("{}", tour::rated(&report));
    let documents = Documents::read(&folder.results())?;
    let totals = Totals::read(&folder.results())?;
    let audit = Audit::new(&put_in, &report, &totals, &documents.sums());
    print!("{}", tour::compared(&audit));
    let failures = audit.failures().len();
    if failures > 0 {
        let shown = folder.root().display();
        return Err(anyhow!(
            "what was caught is not what was put in (figures: {failures}); the evidence is in {shown}"
        ));
    }
    print!("{}{}", tour::lost(&report, &put_in), tour::largest(&documents));
    let shown = documents.of(SHOWN).ok_or_else(|| anyhow!("{SHOWN} got no invoice"))?;
    let path = folder.results().join("invoices").join(format!("{}.txt", shown.number));
    let invoice = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    print!("{}{}", tour::one_invoice(&invoice), tour::farewell(&folder, &shown.number));
    Ok(ExitCode::SUCCESS)
}

fn generate(settings: Settings, path: &Path) -> Result<PutIn> {
    let context = || format!("cannot write {}; free space or choose another --out", path.display());
    let file = File::create_new(path).with_context(context)?;
    let mut out = BufWriter::with_capacity(1 << 20, file);
    let put_in = write_month(settings, &mut out).with_context(context)?;
    out.flush().with_context(context)?;
    Ok(put_in)
}

fn run_args(folder: &Folder) -> Result<RunArgs> {
    let events = folder.events().into_os_string().into_string();
    Ok(RunArgs {
        close: Vec::new(),
        close_after: Vec::new(),
        catalog: folder.catalog(),
        // An argument in UTF-8 is all that the command line can say.
        events: vec![events.map_err(|_| invalid("--out must be UTF-8"))?],
        mapping: None,
        out: Some(folder.results()),
        force: false,
        no_archive: false,
        no_documents: false,
        shards: SHARDS,
        threads: None,
        memory: None,
        until: None,
        customer: None,
        strict: false,
        format: Format::Table,
    })
}
