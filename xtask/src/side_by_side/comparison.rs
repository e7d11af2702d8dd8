//! Engines on one job: round after round, each engine once a round, so that what slows the machine down slows all of them.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use weir_loadtest::job::Answer;

use super::engine::{Engine, Run, Tools};
use super::files::Files;
use crate::table::{aligned, grouped};

/// What became of an engine.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) engine: Engine,
    /// Its runs, or why there are none.
    pub(super) outcome: Result<Vec<Run>>,
}

/// The middle of an engine's runs, and its greatest memory.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Figures {
    pub(super) wall_s: f64,
    pub(super) cpu_s: f64,
    pub(super) peak_mib: f64,
}

impl Figures {
    pub(super) fn of(runs: &[Run]) -> Figures {
        let peak = runs.iter().map(|run| run.peak_bytes).max().unwrap_or(0);
        Figures {
            wall_s: median(runs.iter().map(|run| run.wall_s)),
            cpu_s: median(runs.iter().map(|run| run.cpu_s)),
            peak_mib: peak as f64 / f64::from(1 << 20),
        }
    }
}

/// The middle value; of an even number the mean of the middle two.
fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.as_slice() {
        [] => f64::NAN,
        values if values.len().is_multiple_of(2) => f64::midpoint(values[middle - 1], values[middle]),
        values => values[middle],
    }
}

/// Runs the rounds. An engine that fails once is left out from then on.
pub(super) fn run(mut rows: Vec<Row>, rounds: usize, job: (&Files, &Answer), tools: &Tools) -> Result<Vec<Row>> {
    let (files, answer) = job;
    files.warm()?;
    for round in 1..=rounds {
        for row in &mut rows {
            let Ok(runs) = &mut row.outcome else { continue };
            let name = row.engine.name();
            match row.engine.run(files, answer, tools) {
                Ok(run) => {
                    eprintln!("round {round} of {rounds}: {name}, {:.2} s, CPU {:.2} s", run.wall_s, run.cpu_s);
                    runs.push(run);
                }
                Err(error) => {
                    eprintln!("round {round} of {rounds}: {name} failed");
                    row.outcome = Err(error);
                }
            }
        }
    }
    Ok(rows)
}

/// The row that others are compared with: DuckDB, else Weir.
fn baseline(rows: &[Row]) -> Option<(Engine, Figures)> {
    [Engine::DuckDb, Engine::Weir].into_iter().find_map(|engine| {
        let row = rows.iter().find(|row| row.engine == engine)?;
        Some((engine, Figures::of(row.outcome.as_ref().ok()?)))
    })
}

/// The rows for people.
pub(super) fn table(rows: &[Row], lines: u64, threads: usize) -> String {
    let baseline = baseline(rows);
    let than = baseline.map_or("-", |(engine, _)| engine.name());
    let heads = ["engine", "threads", "wall s", "CPU s", "events/s", "events/CPU-s", "peak MiB"].map(str::to_owned);
    let ratios = [format!("x {than}, wall"), format!("x {than}, CPU"), "answer".to_owned()];
    let mut lines_of_table = vec![heads.into_iter().chain(ratios).collect::<Vec<String>>()];
    let mut notes = String::new();
    for row in rows {
        let mut cells = vec![row.engine.name().to_owned(), threads.to_string()];
        match &row.outcome {
            Err(error) => {
                cells.extend(vec!["-".to_owned(); 7]);
                cells.push("NOT RUN".to_owned());
                notes.push_str(&format!("*** {} DID NOT RUN: {error:#} ***\n", row.engine.name()));
            }
            Ok(runs) => {
                let figures = Figures::of(runs);
                cells.extend(measured(figures, lines, baseline.map(|(_, figures)| figures)));
                let wrong = runs.iter().find_map(|run| run.wrong.as_ref());
                cells.push(if wrong.is_some() { "WRONG" } else { "right" }.to_owned());
                if let Some(wrong) = wrong {
                    notes.push_str(&format!("*** {} IS WRONG: {wrong} ***\n", row.engine.name()));
                }
            }
        }
        lines_of_table.push(cells);
    }
    format!("{}{notes}", aligned(&lines_of_table))
}

fn measured(figures: Figures, lines: u64, baseline: Option<Figures>) -> [String; 7] {
    let Figures { wall_s, cpu_s, peak_mib } = figures;
    let ratio = |of: fn(&Figures) -> f64| {
        baseline.map_or_else(|| "-".to_owned(), |base| format!("{:.2}", of(&base) / of(&figures)))
    };
    [
        format!("{wall_s:.2}"),
        format!("{cpu_s:.2}"),
        grouped(lines as f64 / wall_s),
        grouped(lines as f64 / cpu_s),
        grouped(peak_mib),
        ratio(|figures| figures.wall_s),
        ratio(|figures| figures.cpu_s),
    ]
}

/// The rows for programs: every run, and the middle of them.
pub(super) fn json(rows: &[Row], lines: u64) -> Value {
    let row = |row: &Row| match &row.outcome {
        Err(error) => json!({ "engine": row.engine.name(), "error": format!("{error:#}") }),
        Ok(runs) => {
            let Figures { wall_s, cpu_s, peak_mib } = Figures::of(runs);
            let run = |run: &Run| json!({ "wall_s": run.wall_s, "cpu_s": run.cpu_s, "peak_bytes": run.peak_bytes });
            json!({
                "engine": row.engine.name(),
                "packages": row.engine.packages(),
                "wall_s": wall_s,
                "cpu_s": cpu_s,
                "events_per_s": lines as f64 / wall_s,
                "events_per_cpu_s": lines as f64 / cpu_s,
                "peak_mib": peak_mib,
                "right": runs.iter().all(|run| run.wrong.is_none()),
                "runs": runs.iter().map(run).collect::<Vec<_>>(),
            })
        }
    };
    rows.iter().map(row).collect()
}

/// Fails unless every engine ran and was right.
pub(super) fn check(rows: &[Row]) -> Result<()> {
    let is_good = |row: &Row| row.outcome.as_ref().is_ok_and(|runs| runs.iter().all(|run| run.wrong.is_none()));
    let bad: Vec<&str> = rows.iter().filter(|row| !is_good(row)).map(|row| row.engine.name()).collect();
    ensure!(bad.is_empty(), "without a right answer: {}", bad.join(", "));
    Ok(())
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    fn run(wall_s: f64, wrong: Option<&str>) -> Run {
        Run { wall_s, cpu_s: 2.0 * wall_s, peak_bytes: 3 << 20, wrong: wrong.map(str::to_owned) }
    }

    #[test]
    fn medians() {
        for (values, expected) in [(&[3.0][..], 3.0), (&[9.0, 1.0, 2.0], 2.0), (&[4.0, 1.0, 2.0, 8.0], 3.0)] {
            assert!((median(values.iter().copied()) - expected).abs() < 1e-9, "{values:?}");
        }
    }

    #[test]
    fn a_table_hides_nothing() {
        let row = |engine, outcome| Row { engine, outcome };
        let rows = [
            row(Engine::Weir, Ok(vec![run(1.0, None), run(3.0, None), run(2.0, None)])),
            row(Engine::DuckDb, Ok(vec![run(5.0, None)])),
            row(Engine::ClickHouse, Ok(vec![run(4.0, Some("found nothing"))])),
            row(Engine::Polars, Err(anyhow!("no such package"))),
        ];
        let expected = "\
engine      threads  wall s  CPU s   events/s  events/CPU-s  peak MiB  x duckdb, wall  x duckdb, CPU   answer
weir              2    2.00   4.00  1,000,000       500,000         3            2.50           2.50    right
duckdb            2    5.00  10.00    400,000       200,000         3            1.00           1.00    right
clickhouse        2    4.00   8.00    500,000       250,000         3            1.25           1.25    WRONG
polars            2       -      -          -             -         -               -              -  NOT RUN
*** clickhouse IS WRONG: found nothing ***
*** polars DID NOT RUN: no such package ***
";
        assert_eq!(table(&rows, 2_000_000, 2), expected);
        assert_eq!(check(&rows).unwrap_err().to_string(), "without a right answer: clickhouse, polars");
        assert!(check(&rows[..2]).is_ok());
        let json = json(&rows, 2_000_000);
        assert_eq!((&json[0]["wall_s"], &json[2]["right"]), (&json!(2.0), &json!(false)));
        assert_eq!(json[3]["error"], "no such package");
    }
}
