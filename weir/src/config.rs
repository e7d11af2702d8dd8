//! The server's configuration: `config/default.toml`, then a file, then the environment.
//!
//! Owns: which keys there are and where a value came from. The sample is the default, so the two cannot differ; whatever is not in
//! it is refused by name. Does not own: what the settings do.

mod print;
mod settings;

use std::path::Path;

use weir_model::catalog::suggestion;

pub use print::{command, load};
pub use settings::{LogFormat, Settings, Telemetry, Tls};

const DEFAULT: &str = include_str!("../../config/default.toml");
const PREFIX: &str = "WEIR_";

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// `config/default.toml`.
    Default,
    /// The file given with `--config`.
    File,
    /// A variable of the environment.
    Variable(String),
}

/// A key with its value.
#[derive(Debug, Clone, PartialEq)]
struct Entry {
    section: String,
    key: String,
    value: toml::Value,
    origin: Origin,
}

/// The configuration in force, and how it came about.
#[derive(Debug, Clone)]
pub struct Config {
    /// What the server reads.
    pub settings: Settings,
    /// In the order of the sample.
    entries: Vec<Entry>,
}

/// Why a configuration cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{0}: {1}")]
    Unreadable(String, String),
    /// The file is no TOML.
    #[error("{0}")]
    Malformed(String),
    /// A key that nothing reads.
    #[error("{place}: {key} is no key of the configuration{}", hint(.suggestion.as_ref()))]
    Unknown {
        /// File or variable.
        place: String,
        /// As it was written.
        key: String,
        /// The known key that it resembles.
        suggestion: Option<String>,
    },
    /// A value that the key does not take.
    #[error("{place}: {key}: {reason}")]
    Invalid {
        /// File or variable.
        place: String,
        /// The key.
        key: String,
        /// What is wrong, and what to write.
        reason: String,
    },
}

fn hint(suggestion: Option<&String>) -> String {
    suggestion.map_or_else(
        || "; `weir config print` shows them all".to_owned(),
        |suggestion| format!("; did you mean {suggestion}?"),
    )
}

impl Config {
    /// Reads the default, the file if there is one, and the variables of the environment. All that is wrong is told at once.
    pub fn load(
        file: Option<&Path>,
        variables: impl Iterator<Item = (String, String)>,
    ) -> Result<Config, Vec<ConfigError>> {
        let mut problems = Vec::new();
        let mut entries = entries_of(DEFAULT).expect("the sample is valid");
        if let Some(file) = file {
            let place = file.display().to_string();
            match std::fs::read_to_string(file) {
                Ok(text) => match entries_of(&text) {
                    Ok(given) => given.into_iter().for_each(|given| {
                        let given = Entry { origin: Origin::File, ..given };
                        problems.extend(set(&mut entries, &place, given).err());
                    }),
                    Err(error) => problems.push(ConfigError::Malformed(format!("{place}: {error}"))),
                },
                Err(error) => problems.push(ConfigError::Unreadable(place, error.to_string())),
            }
        }
        let mut variables: Vec<_> = variables.filter_map(|(name, value)| variable(name, value)).collect();
        variables.sort_by(|one, other| one.0.cmp(&other.0));
        for (name, given) in variables {
            problems.extend(set(&mut entries, &name, given).err());
        }
        match Settings::of(&entries) {
            Ok(settings) if problems.is_empty() => Ok(Config { settings, entries }),
            Ok(_) => Err(problems),
            Err(invalid) => {
                problems.extend(invalid);
                Err(problems)
            }
        }
    }
}

impl Entry {
    /// Where people find the value.
    fn place(&self) -> String {
        match &self.origin {
            Origin::Default => "config/default.toml".to_owned(),
            Origin::File => "the file".to_owned(),
            Origin::Variable(name) => name.clone(),
        }
    }

    fn name(&self) -> String {
        format!("{}.{}", self.section, self.key)
    }
}

/// `WEIR_SECTION__KEY`; others are none of ours.
fn variable(name: String, value: String) -> Option<(String, Entry)> {
    let (section, key) = name.strip_prefix(PREFIX)?.split_once("__")?;
    let (section, key) = (section.to_ascii_lowercase(), key.to_ascii_lowercase());
    let entry = Entry { section, key, value: toml::Value::String(value), origin: Origin::Variable(name.clone()) };
    Some((name, entry))
}

fn entries_of(text: &str) -> Result<Vec<Entry>, toml::de::Error> {
    let table: toml::Table = toml::from_str(text)?;
    let mut entries = Vec::new();
    for (section, value) in table {
        match value {
            toml::Value::Table(keys) => entries.extend(keys.into_iter().map(|(key, value)| Entry {
                section: section.clone(),
                key,
                value,
                origin: Origin::Default,
            })),
            value => entries.push(Entry { section: String::new(), key: section, value, origin: Origin::Default }),
        }
    }
    Ok(entries)
}

/// Puts a value in place of the one before, if there is such a key and it takes such a value.
fn set(entries: &mut [Entry], place: &str, given: Entry) -> Result<(), ConfigError> {
    let known = |entry: &&mut Entry| entry.section == given.section && entry.key == given.key;
    let Some(entry) = entries.iter_mut().find(known) else {
        let key = if given.section.is_empty() { given.key.clone() } else { given.name() };
        let names: Vec<String> = entries.iter().map(Entry::name).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let suggestion = suggestion(&key, &names).map(str::to_owned);
        return Err(ConfigError::Unknown { place: place.to_owned(), key, suggestion });
    };
    let invalid = |reason: String| ConfigError::Invalid { place: place.to_owned(), key: entry.name(), reason };
    let value = match (&entry.value, given.value, &given.origin) {
        (toml::Value::Integer(_), toml::Value::String(text), Origin::Variable(_)) => {
            let number = text.replace('_', "").parse();
            toml::Value::Integer(number.map_err(|_| invalid(format!("{text:?} is no whole number")))?)
        }
        (of_default, value, _) if of_default.same_type(&value) => value,
        (of_default, value, _) => {
            return Err(invalid(format!("takes a {}, not a {}", of_default.type_str(), value.type_str())));
        }
    };
    *entry = Entry { value, origin: given.origin, ..entry.clone() };
    Ok(())
}

#[cfg(test)]
mod tests;
