//! Weir on job J pulled in every direction: bytes per second of each shape, against job J's in the same rounds.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use weir_loadtest::job::{Answer, Shape};

use super::comparison::Figures;
use super::engine::{Engine, Tools};
use super::files::Files;
use crate::table::{aligned, grouped};

/// No shape may run at less than this part of job J's bytes per second.
const RATIO_MIN: f64 = 0.25;

/// A shape's figures, and job J's beside it.
#[derive(Debug)]
pub(super) struct Cell {
    shape: Shape,
    answer: Answer,
    figures: Figures,
    is_right: bool,
    /// Bytes per second of wall time as parts of job J's; it must not be less than [`RATIO_MIN`].
    ratio: f64,
    /// Bytes per CPU-second likewise: the steadier one where others use the machine.
    cpu_ratio: f64,
}

/// Measures all shapes. The files of a shape are removed after it: together they would fill a disk.
pub(super) fn measure(lines: u64, rounds: usize, tools: &Tools) -> Result<Vec<Cell>> {
    let job_j = Files::of(Shape { lines, ..Shape::JOB_J }, &tools.folder)?;
    let answer_j = job_j.ensure()?;
    let mut cells = Vec::new();
    for shape in Shape::table() {
        eprintln!("shape {shape}");
        let files = Files::of(Shape { lines, ..shape }, &tools.folder)?;
        let answer = files.ensure()?;
        job_j.warm()?;
        files.warm()?;
        let (mut runs, mut runs_j) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            runs_j.push(Engine::Weir.run(&job_j, &answer_j, tools)?);
            runs.push(Engine::Weir.run(&files, &answer, tools)?);
        }
        files.remove()?;
        let is_right = runs_j.iter().chain(&runs).all(|run| run.wrong.is_none());
        let (figures, figures_j) = (Figures::of(&runs), Figures::of(&runs_j));
        let bytes = answer.bytes as f64 / answer_j.bytes as f64;
        cells.push(Cell {
            ratio: bytes * figures_j.wall_s / figures.wall_s,
            cpu_ratio: bytes * figures_j.cpu_s / figures.cpu_s,
            shape: files.job.shape().clone(),
            answer,
            figures,
            is_right,
        });
    }
    Ok(cells)
}

/// The cells for people.
pub(super) fn table(cells: &[Cell]) -> String {
    let heads = ["shape", "meters", "customers", "tiers", "fields", "B/line", "wall s", "CPU s", "events/s", "MB/s"];
    let last = ["peak MiB", "x job J, wall", "x job J, CPU", "answer"];
    let mut rows = vec![heads.into_iter().chain(last).map(str::to_owned).collect()];
    for Cell { shape, answer, figures, is_right, ratio, cpu_ratio } in cells {
        let Shape { meters, customers, tiers, fields, .. } = shape;
        let Answer { lines, bytes, .. } = answer;
        let Figures { wall_s, cpu_s, peak_mib } = figures;
        rows.push(vec![
            shape.to_string(),
            meters.to_string(),
            grouped((*customers).into()),
            tiers.to_string(),
            fields.to_string(),
            (bytes / lines).to_string(),
            format!("{wall_s:.2}"),
            format!("{cpu_s:.2}"),
            grouped(*lines as f64 / wall_s),
            grouped(*bytes as f64 / wall_s / 1e6),
            grouped(*peak_mib),
            format!("{ratio:.2}{}", if *ratio < RATIO_MIN { " LOW" } else { "" }),
            format!("{cpu_ratio:.2}"),
            if *is_right { "right" } else { "WRONG" }.to_owned(),
        ]);
    }
    aligned(&rows)
}

/// The cells for programs.
pub(super) fn json(cells: &[Cell]) -> Value {
    let cell = |Cell { shape, answer, figures, is_right, ratio, cpu_ratio }: &Cell| {
        json!({
            "shape": shape,
            "answer": answer,
            "wall_s": figures.wall_s,
            "cpu_s": figures.cpu_s,
            "bytes_per_s": answer.bytes as f64 / figures.wall_s,
            "peak_mib": figures.peak_mib,
            "ratio_to_job_j": ratio,
            "cpu_ratio_to_job_j": cpu_ratio,
            "right": is_right,
        })
    };
    cells.iter().map(cell).collect()
}

/// Fails unless every cell is right and none is slow.
pub(super) fn check(cells: &[Cell]) -> Result<()> {
    let names = |bad: fn(&&Cell) -> bool| {
        let names: Vec<String> = cells.iter().filter(bad).map(|cell| cell.shape.to_string()).collect();
        names.join(", ")
    };
    let (wrong, slow) = (names(|cell| !cell.is_right), names(|cell| cell.ratio < RATIO_MIN));
    ensure!(wrong.is_empty(), "a wrong answer: {wrong}");
    ensure!(slow.is_empty(), "less than {RATIO_MIN} of job J's bytes per second: {slow}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(name: &str, ratio: f64, is_right: bool) -> Cell {
        let figures = Figures { wall_s: 2.0, cpu_s: 4.0, peak_mib: 100.4 };
        let (unique, duplicates, customers, totals, amount_micros) = (950, 50, 900, 920, 1);
        let answer =
            Answer { lines: 1_000_000, bytes: 250_000_000, unique, duplicates, customers, totals, amount_micros };
        Cell { shape: Shape::named(name).unwrap(), answer, figures, is_right, ratio, cpu_ratio: 0.5 }
    }

    #[test]
    fn slow_and_wrong_cells_are_shown_and_fail() {
        let cells = [cell("m20-c1000-t1-f3", 1.1, true), cell("m2000-c10000000-t8-f30", 0.2, false)];
        let expected = "\
shape                   meters   customers  tiers  fields  B/line  wall s  CPU s  events/s  MB/s  peak MiB  x job J, wall  x job J, CPU  answer
m20-c1000-t1-f3             20       1,000      1       3     250    2.00   4.00   500,000   125       100           1.10          0.50   right
m2000-c10000000-t8-f30    2000  10,000,000      8      30     250    2.00   4.00   500,000   125       100       0.20 LOW          0.50   WRONG
";
        assert_eq!(table(&cells), expected);
        assert_eq!(check(&cells).unwrap_err().to_string(), "a wrong answer: m2000-c10000000-t8-f30");
        let slow = [cell("m20-c1000-t1-f3", 0.24, true)];
        assert!(check(&slow).unwrap_err().to_string().ends_with("per second: m20-c1000-t1-f3"));
        assert!(check(&cells[..1]).is_ok());
        assert_eq!(json(&cells)[1]["right"], json!(false));
    }
}
