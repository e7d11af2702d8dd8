//! What `cargo xtask load` can be told.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use weir_loadtest::driver::{Form, Load, POOL_EVENTS, Pace, Recipe, Server};

/// How long a body is tried before the run ends.
const GIVE_UP_AFTER: Duration = Duration::from_mins(1);
const SEED: u64 = 7;

/// What to measure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Options {
    /// The server; `None` to measure ceilings alone.
    pub(super) server: Option<Server>,
    pub(super) pid: Option<u32>,
    pub(super) recipe: Recipe,
    pub(super) connections: usize,
    pub(super) threads: usize,
    pub(super) pace: Pace,
    pub(super) warmup: Duration,
    pub(super) length: Duration,
    /// Phases of each target.
    pub(super) rounds: usize,
    pub(super) ceilings: Ceilings,
    pub(super) report: Option<PathBuf>,
    pub(super) format: Format,
}

/// Whether the servers that do nothing are measured too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ceilings {
    Without,
    With,
}

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Text,
    Json,
}

/// What is told of the server.
#[derive(Default)]
struct Whom<'a> {
    url: Option<&'a str>,
    key: Option<&'a str>,
}

impl Options {
    fn standard() -> Options {
        Options {
            server: None,
            pid: None,
            recipe: Recipe { seed: SEED, form: Form::Ndjson, events_per_body: 0, pool_events: POOL_EVENTS },
            connections: 4,
            threads: 1,
            pace: Pace::Closed,
            warmup: Duration::from_secs(5),
            length: Duration::from_mins(1),
            rounds: 0,
            ceilings: Ceilings::Without,
            report: None,
            format: Format::Text,
        }
    }

    /// Reads the arguments.
    pub(super) fn parse(arguments: &[&str]) -> Result<Options> {
        let mut options = Options::standard();
        let mut whom = Whom::default();
        let mut words = arguments.iter().copied();
        while let Some(option) = words.next() {
            match option {
                "--json" => options.format = Format::Json,
                "--ceiling" => options.ceilings = Ceilings::With,
                _ => {
                    let value = words.next().with_context(|| format!("{option} needs a value"))?;
                    options.set(option, value, &mut whom)?;
                }
            }
        }
        let key = whom.key.map(str::to_owned);
        options.server = whom.url.map(|url| Server::parse(url, key)).transpose()?;
        options.complete()
    }

    fn set<'a>(&mut self, option: &str, value: &'a str, whom: &mut Whom<'a>) -> Result<()> {
        match option {
            "--server" => whom.url = Some(value),
            "--key" => whom.key = Some(value),
            "--pid" => self.pid = Some(number(option, value)?),
            "--form" => self.recipe.form = value.parse()?,
            "--events-per-body" => self.recipe.events_per_body = positive(option, value)?,
            "--pool" => self.recipe.pool_events = positive(option, value)?,
            "--seed" => self.recipe.seed = number(option, value)?,
            "--connections" => self.connections = positive(option, value)?,
            "--threads" => self.threads = positive(option, value)?,
            "--rate" => self.pace = Pace::Open { events_per_s: positive(option, value)? },
            "--seconds" => self.length = Duration::from_secs(positive(option, value)?),
            "--warmup" => self.warmup = Duration::from_secs(number(option, value)?),
            "--rounds" => self.rounds = positive(option, value)?,
            "--report" => self.report = Some(PathBuf::from(value)),
            _ => bail!("no such option: {option}"),
        }
        Ok(())
    }

    /// With what follows from other options.
    fn complete(mut self) -> Result<Options> {
        ensure!(
            self.server.is_some() || self.ceilings == Ceilings::With,
            "--server says what to measure; without it --ceiling measures servers that do nothing"
        );
        if self.recipe.events_per_body == 0 {
            self.recipe.events_per_body = if self.recipe.form == Form::Single { 1 } else { 1_000 };
        }
        ensure!(
            self.recipe.form != Form::Single || self.recipe.events_per_body == 1,
            "the form `single` has one event a body"
        );
        if self.rounds == 0 {
            // Medians of what alternates need more than one.
            self.rounds = if self.ceilings == Ceilings::With { 2 } else { 1 };
        }
        Ok(self)
    }

    /// The work of one phase.
    pub(super) fn load(&self, server: Server, pid: Option<u32>) -> Load {
        Load {
            server,
            connections: self.connections,
            threads: self.threads,
            pace: self.pace,
            warmup: self.warmup,
            length: self.length,
            give_up_after: GIVE_UP_AFTER,
            pid,
        }
    }
}

fn number<N: FromStr>(option: &str, value: &str) -> Result<N> {
    // Underscores part thousands, as in catalogs.
    value.replace('_', "").parse().ok().with_context(|| format!("{option} {value}: write a whole number"))
}

fn positive<N: FromStr + PartialOrd + Default>(option: &str, value: &str) -> Result<N> {
    let number = number(option, value)?;
    ensure!(number > N::default(), "{option} is at least 1");
    Ok(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_become_options() {
        let words = "--server http://127.0.0.1:8080 --key k --pid 9 --form batch --events-per-body 1_000 --connections 64 \
                     --threads 2 --rate 500_000 --seconds 3 --warmup 0 --seed 5 --rounds 3 --pool 9_000 --report r --json --ceiling";
        let words: Vec<&str> = words.split_whitespace().collect();
        let expected = Options {
            server: Some(Server::parse("http://127.0.0.1:8080", Some("k".to_owned())).unwrap()),
            pid: Some(9),
            recipe: Recipe { seed: 5, form: Form::Batch, events_per_body: 1_000, pool_events: 9_000 },
            connections: 64,
            threads: 2,
            pace: Pace::Open { events_per_s: 500_000 },
            warmup: Duration::ZERO,
            length: Duration::from_secs(3),
            rounds: 3,
            ceilings: Ceilings::With,
            report: Some(PathBuf::from("r")),
            format: Format::Json,
        };
        assert_eq!(Options::parse(&words).unwrap(), expected);
        let single = Options::parse(&["--ceiling", "--form", "single"]).unwrap();
        assert_eq!((single.recipe.events_per_body, single.rounds, single.server), (1, 2, None));
    }

    #[test]
    fn mistakes_are_named() {
        for (words, reason) in [
            (&[][..], "--server says what to measure"),
            (&["--server"], "--server needs a value"),
            (&["--server", "localhost"], "write http://HOST:PORT"),
            (&["--ceiling", "--seconds", "0"], "--seconds is at least 1"),
            (&["--ceiling", "--rate", "fast"], "--rate fast: write a whole number"),
            (&["--ceiling", "--form", "xml"], "no form is called xml"),
            (&["--ceiling", "--form", "single", "--events-per-body", "2"], "one event a body"),
            (&["--speed", "9"], "no such option: --speed"),
        ] {
            let error = Options::parse(words).unwrap_err().to_string();
            assert!(error.contains(reason), "{words:?}: {error}");
        }
    }
}
