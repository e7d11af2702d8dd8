//! What `cargo xtask side-by-side` and `cargo xtask job` can be told.

use std::str::FromStr;

use anyhow::{Context, Result, bail, ensure};
use weir_loadtest::job::Shape;

use super::engine::Engine;

/// What to measure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Options {
    pub(super) subject: Subject,
    pub(super) lines: u64,
    pub(super) runs: usize,
    pub(super) threads: usize,
    pub(super) format: Format,
}

/// Engines on one shape, or Weir on all shapes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Subject {
    Engines(Vec<Engine>, Shape),
    Shapes,
}

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Table,
    Json,
}

impl Options {
    /// Reads the arguments.
    pub(super) fn parse(arguments: &[&str]) -> Result<Options> {
        let mut options = Options {
            subject: Subject::Engines(Engine::ALL.to_vec(), Shape::JOB_J),
            lines: Shape::JOB_J.lines,
            runs: 5,
            threads: std::thread::available_parallelism()?.get(),
            format: Format::Table,
        };
        let (mut engines, mut shape) = (None, None);
        let mut words = arguments.iter().copied();
        while let Some(option) = words.next() {
            if option == "--json" {
                options.format = Format::Json;
                continue;
            }
            let value = words.next().with_context(|| format!("{option} needs a value"))?;
            match option {
                "--lines" => options.lines = number(option, value)?,
                "--runs" => options.runs = number(option, value)?,
                "--threads" => options.threads = number(option, value)?,
                "--engines" => engines = Some(value.split(',').map(Engine::named).collect::<Result<Vec<_>>>()?),
                "--shape" => shape = Some(value),
                _ => bail!("no such option: {option}"),
            }
        }
        ensure!(options.runs > 0 && options.threads > 0, "--runs and --threads are at least 1");
        options.subject = match (shape, engines) {
            (Some("all"), None) => Subject::Shapes,
            (Some("all"), Some(_)) => bail!("--shape all measures Weir alone, without --engines"),
            (shape, engines) => {
                let shape = shape.map_or(Ok(Shape::JOB_J), named)?;
                Subject::Engines(engines.unwrap_or_else(|| Engine::ALL.to_vec()), shape)
            }
        };
        Ok(options)
    }
}

/// `cargo xtask job`: the shape whose files are made.
pub(super) fn parse_shape(arguments: &[&str]) -> Result<Shape> {
    let (mut shape, mut lines) = (Shape::JOB_J, Shape::JOB_J.lines);
    for pair in arguments.chunks(2) {
        match pair {
            ["--shape", name] => shape = named(name)?,
            ["--lines", count] => lines = number("--lines", count)?,
            _ => bail!("no such option, or no value: {}", pair.join(" ")),
        }
    }
    Ok(Shape { lines, ..shape })
}

fn named(name: &str) -> Result<Shape> {
    Shape::named(name).with_context(|| {
        let names: Vec<String> = Shape::table().iter().map(ToString::to_string).collect();
        format!("no shape is called {name}; there are {}, {} and `all`", Shape::JOB_J, names.join(", "))
    })
}

fn number<N: FromStr>(option: &str, value: &str) -> Result<N> {
    // Underscores part thousands, as in catalogs.
    value.replace('_', "").parse().ok().with_context(|| format!("{option} {value}: write a whole number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_become_options() {
        let options = Options::parse(&[
            "--lines",
            "1_000",
            "--runs",
            "2",
            "--threads",
            "3",
            "--engines",
            "weir,duckdb-rated",
            "--json",
        ]);
        let expected = Options {
            subject: Subject::Engines(vec![Engine::Weir, Engine::DuckDbRated], Shape::JOB_J),
            lines: 1_000,
            runs: 2,
            threads: 3,
            format: Format::Json,
        };
        assert_eq!(options.unwrap(), expected);
        assert_eq!(Options::parse(&["--shape", "all"]).unwrap().subject, Subject::Shapes);
        let all = Options::parse(&["--shape", "m20-c1000-t1-f3"]).unwrap().subject;
        assert!(matches!(all, Subject::Engines(engines, shape) if engines == Engine::ALL && shape.customers == 1_000));
    }

    #[test]
    fn mistakes_are_named() {
        for (words, reason) in [
            (&["--lines"][..], "--lines needs a value"),
            (&["--lines", "many"], "--lines many: write a whole number"),
            (&["--runs", "0"], "at least 1"),
            (&["--engines", "abacus"], "no engine is called abacus"),
            (&["--shape", "round"], "no shape is called round"),
            (&["--shape", "all", "--engines", "weir"], "Weir alone"),
            (&["--speed", "9"], "no such option: --speed"),
        ] {
            let error = Options::parse(words).unwrap_err().to_string();
            assert!(error.contains(reason), "{words:?}: {error}");
        }
        assert!(parse_shape(&["--lines"]).is_err());
        assert_eq!(parse_shape(&["--lines", "9"]).unwrap(), Shape { lines: 9, ..Shape::JOB_J });
    }
}
