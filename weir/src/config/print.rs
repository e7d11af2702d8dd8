//! `weir config check` and `weir config print`.

use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;

use super::{Config, ConfigError, Origin};
use crate::cli::{ConfigAction, ConfigArgs};
use crate::failure::invalid;

/// The configuration in force for the command line; all problems are one error, a line each.
pub fn load(file: Option<&Path>) -> Result<Config> {
    Config::load(file, std::env::vars()).map_err(|problems| invalid(lines(&problems)))
}

fn lines(problems: &[ConfigError]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// Runs `weir config`.
pub fn command(args: &ConfigArgs) -> Result<ExitCode> {
    match &args.action {
        ConfigAction::Check(file) => {
            let config = load(file.config.as_deref())?;
            let changed = config.entries.iter().filter(|entry| entry.origin != Origin::Default).count();
            println!("The configuration is sound; {changed} of {} keys are set.", config.entries.len());
        }
        ConfigAction::Print(file) => print!("{}", load(file.config.as_deref())?.to_text()),
    }
    Ok(ExitCode::SUCCESS)
}

impl Config {
    pub(super) fn to_text(&self) -> String {
        let lines: Vec<String> = self.entries.iter().map(|entry| format!("{} = {}", entry.key, entry.value)).collect();
        let width = lines.iter().map(String::len).max().unwrap_or(0);
        let (mut text, mut section) = (String::new(), "");
        for (entry, line) in self.entries.iter().zip(lines) {
            if entry.section != section {
                section = &entry.section;
                let _ = writeln!(text, "{}[{section}]", if text.is_empty() { "" } else { "\n" });
            }
            let _ = match &entry.origin {
                Origin::Default => writeln!(text, "{line}"),
                Origin::File => writeln!(text, "{line:width$}  # from the file"),
                Origin::Variable(name) => writeln!(text, "{line:width$}  # from {name}"),
            };
        }
        text
    }
}
