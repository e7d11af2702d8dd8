//! `cargo xtask side-by-side`: Weir and the engines that a user would otherwise pick do the same job on the same file in one go.
//!
//! Owns: the job's files, building and installing what is measured, the rounds, and what is printed of them; docs/performance.md
//! says why it is fair. Does not own: the job and its exact answer (`weir_loadtest::job`), the peers' queries
//! (`benches/side-by-side/peers.py`).
#![allow(clippy::cast_precision_loss, reason = "counts and clocks are printed, never billed")]

mod comparison;
mod engine;
mod files;
mod options;
mod process;
mod shapes;
mod venv;

use std::path::{Path, PathBuf};

use anyhow::Result;
use serde_json::{Value, json};
use weir_loadtest::job::Shape;

use crate::machine::Machine;
use crate::workspace;
use comparison::Row;
use engine::{Engine, Tools};
use files::Files;
use options::{Format, Options, Subject};
use venv::Venv;

/// Measures, and prints what came of it.
pub(crate) fn run(arguments: &[&str]) -> Result<()> {
    let options = Options::parse(arguments)?;
    let root = workspace::root()?;
    let target_dir = workspace::target_dir(&root)?;
    let folder = folder(&target_dir);
    std::fs::create_dir_all(&folder)?;
    let venv = Venv::of(folder.join("venv"));
    let tools = Tools {
        weir: engine::build_weir(workspace::cargo(&root), &target_dir)?,
        python: venv.python(),
        peers: root.join("benches/side-by-side/peers.py"),
        folder,
        threads: options.threads,
    };
    match &options.subject {
        Subject::Engines(engines, shape) => compare(engines, shape, &options, (&tools, &venv)),
        Subject::Shapes => all_shapes(&options, &tools),
    }
}

/// `cargo xtask job`: makes a job's files, and prints their answer.
pub(crate) fn job(arguments: &[&str]) -> Result<()> {
    let shape = options::parse_shape(arguments)?;
    let files = Files::of(shape, &folder(&workspace::target_dir(&workspace::root()?)?))?;
    let answer = files.answer().map_or_else(|| files.write(), Ok)?;
    println!("{}\n{}\n{:#}", files.events.display(), files.catalog.display(), json!(answer));
    Ok(())
}

fn folder(target_dir: &Path) -> PathBuf {
    target_dir.join("side-by-side")
}

fn compare(engines: &[Engine], shape: &Shape, options: &Options, (tools, venv): (&Tools, &Venv)) -> Result<()> {
    let files = Files::of(Shape { lines: options.lines, ..shape.clone() }, &tools.folder)?;
    let answer = files.ensure()?;
    let install = |engine: &Engine| Row {
        engine: *engine,
        outcome: venv.install(*engine, &tools.folder.join("install.log")).map(|()| Vec::new()),
    };
    let rows = comparison::run(engines.iter().map(install).collect(), options.runs, (&files, &answer), tools)?;
    let head = format!("{shape}: {} lines, {} bytes, median of {} rounds", answer.lines, answer.bytes, options.runs);
    let details =
        json!({ "shape": files.job.shape(), "answer": answer, "engines": comparison::json(&rows, answer.lines) });
    print(options, details, &format!("{head}\n\n{}", comparison::table(&rows, answer.lines, options.threads)));
    comparison::check(&rows)
}

fn all_shapes(options: &Options, tools: &Tools) -> Result<()> {
    let cells = shapes::measure(options.lines, options.runs, tools)?;
    let head = format!("Weir, {} lines, {} threads, median of {} rounds", options.lines, options.threads, options.runs);
    print(options, json!({ "shapes": shapes::json(&cells) }), &format!("{head}\n\n{}", shapes::table(&cells)));
    shapes::check(&cells)
}

/// Prints figures with the machine that they are from.
fn print(options: &Options, mut details: Value, text: &str) {
    let machine = Machine::here();
    match options.format {
        Format::Table => print!("{}\n{text}", machine.line()),
        Format::Json => {
            details["machine"] = json!(machine);
            details["threads"] = json!(options.threads);
            details["rounds"] = json!(options.runs);
            println!("{details:#}");
        }
    }
}
