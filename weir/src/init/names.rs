//! What a field's name says about it, and names for meters and dimensions.
//!
//! Owns: the rules by name that docs and help describe. A rule only ever chooses between a meter and a comment that suggests
//! one, so that a wrong guess costs one look at the catalog.

use std::collections::{BTreeMap, BTreeSet};

/// A number whose name has one of these words tells how much there is at a time: adding up its readings makes no sense.
const LEVEL_WORDS: [&str; 22] = [
    "active",
    "balance",
    "capacity",
    "concurrency",
    "concurrent",
    "depth",
    "gauge",
    "inventory",
    "level",
    "limit",
    "percent",
    "percentage",
    "price",
    "pressure",
    "quota",
    "rate",
    "ratio",
    "seats",
    "stock",
    "storage",
    "temperature",
    "utilization",
];

/// So do all numbers of an event whose type has one of these words.
const LEVEL_TYPE_WORDS: [&str; 8] =
    ["changed", "gauge", "heartbeat", "level", "measured", "reading", "sampled", "snapshot"];

/// A number whose name ends in one of these words tells things apart or when something was, not how much.
const LABEL_WORDS: [&str; 16] = [
    "at",
    "code",
    "epoch",
    "guid",
    "hash",
    "id",
    "key",
    "phone",
    "port",
    "status",
    "timestamp",
    "ts",
    "uuid",
    "version",
    "year",
    "zip",
];

/// Whether the numbers at this path look like levels.
pub fn is_level(event_type: &str, path: &str) -> bool {
    let has = |text: &str, words: &[&str]| split_words(text).iter().any(|word| words.contains(&word.as_str()));
    has(last_part(path), &LEVEL_WORDS) || has(event_type, &LEVEL_TYPE_WORDS)
}

/// Whether the numbers at this path look like labels.
pub fn is_label(path: &str) -> bool {
    split_words(last_part(path)).last().is_some_and(|word| LABEL_WORDS.contains(&word.as_str()))
}

/// `data.usage.tokens` ends in `tokens`.
fn last_part(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or(path)
}

/// The words of `user_id`, `userId` or `user-id`, in lower case.
fn split_words(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before = ' ';
    for c in text.chars() {
        if !c.is_alphanumeric() || before.is_lowercase() && c.is_uppercase() {
            words.push(String::new());
        }
        if c.is_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.extend(c.to_lowercase());
        }
        before = c;
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Names for things found at paths, each different: the path's last part where that is enough, else more of the path, else
/// the event type before it.
#[derive(Debug, Default)]
pub struct Namer {
    wanted: BTreeMap<String, usize>,
    taken: BTreeSet<String>,
}

impl Namer {
    /// Announces that this path will need a name. All are announced before the first is named, so that names do not depend on
    /// the order.
    pub fn want(&mut self, path: &str) {
        let (short, long) = (last_part(path).to_owned(), below_data(path));
        if long != short {
            *self.wanted.entry(long).or_default() += 1;
        }
        *self.wanted.entry(short).or_default() += 1;
    }

    /// The name of what stands at this path in events of this type.
    pub fn name(&mut self, event_type: &str, path: &str) -> String {
        let (short, long) = (last_part(path).to_owned(), below_data(path));
        let is_alone = |name: &String| self.wanted.get(name) == Some(&1);
        let found = [short, long.clone()].into_iter().find(is_alone);
        self.take(found.unwrap_or_else(|| format!("{}_{long}", joined(event_type))))
    }

    /// The name of the count of this type's events.
    pub fn count(&mut self, event_type: &str) -> String {
        self.take(format!("{}_events", joined(event_type)))
    }

    fn take(&mut self, name: String) -> String {
        let mut free = name.clone();
        let mut number = 2;
        while !self.taken.insert(free.clone()) {
            free = format!("{name}_{number}");
            number += 1;
        }
        free
    }
}

/// The path without `data`, as one word.
fn below_data(path: &str) -> String {
    joined(path.strip_prefix("data.").unwrap_or(path))
}

fn joined(text: &str) -> String {
    text.replace(['.', '/', ':'], "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words() {
        for (text, expected) in [
            ("user_id", vec!["user", "id"]),
            ("userId", vec!["user", "id"]),
            ("Active-Users", vec!["active", "users"]),
            ("http.status_code", vec!["http", "status", "code"]),
            ("größeÄnderung", vec!["größe", "änderung"]),
            ("__", vec![]),
        ] {
            assert_eq!(split_words(text), expected);
        }
    }

    #[test]
    fn levels_and_labels() {
        for (event_type, path, level, label) in [
            ("llm.completion", "data.tokens", false, false),
            ("llm.completion", "data.usage.total_tokens", false, false),
            ("seats.changed", "data.number", true, false),
            ("disk.usage", "data.storageGb", true, false),
            ("disk.usage", "data.storage.bytes", false, false),
            ("call", "data.activeUsers", true, false),
            ("call", "data.account_id", false, true),
            ("call", "data.accountId", false, true),
            ("call", "data.created_at", false, true),
            ("call", "data.id_count", false, false),
            ("call", "data.paid", false, false),
        ] {
            assert_eq!((is_level(event_type, path), is_label(path)), (level, label), "{event_type} {path}");
        }
    }

    #[test]
    fn names_are_short_and_different() {
        let paths = [
            ("a", "data.tokens"),
            ("b", "data.tokens"),
            ("b", "data.in.bytes"),
            ("b", "data.out.bytes"),
            ("b", "data.images"),
            ("c.d", "data.out_files"),
            ("c.d", "data.out.files"),
            ("c_d", "data.out.files"),
            ("c_d", "data.files"),
        ];
        let mut namer = Namer::default();
        paths.iter().for_each(|(_, path)| namer.want(path));
        let names: Vec<String> = paths.iter().map(|(event_type, path)| namer.name(event_type, path)).collect();
        let expected = [
            "a_tokens",
            "b_tokens",
            "in_bytes",
            "out_bytes",
            "images",
            "c_d_out_files",
            "c_d_out_files_2",
            "c_d_out_files_3",
            "c_d_files",
        ];
        assert_eq!(names, expected);
        assert_eq!(namer.count("c.d"), "c_d_events");
        assert_eq!(namer.count("c/d"), "c_d_events_2");
    }
}
