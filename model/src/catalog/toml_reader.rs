//! A cursor over spanned TOML: every value knows its key and its line, every misuse becomes a [`Problem`] and reading goes
//! on, so that one pass finds all of them.
//!
//! Owns: types of TOML values, unknown and missing keys, and how problems are worded that any text can have. Does not own
//! what the keys mean. A TOML float is never read (L5).

use std::collections::BTreeMap;
use std::rc::Rc;

use toml::de::{DeTable, DeValue};

use super::error::Severity;
use super::report::Step;
pub(crate) use super::report::{Key, Mark, Report};
use super::suggest::suggestion;
use crate::decimal::{Decimal, DecimalError};

impl Report {
    /// Parses the text this report is for; syntax errors are reported.
    pub(crate) fn parse<'t>(&self, text: &'t str) -> Option<DeTable<'t>> {
        let (table, errors) = DeTable::parse_recoverable(text);
        for error in &errors {
            let offset = error.span().map_or(0, |span| span.start);
            let mark = self.mark(offset, None);
            self.push(mark.problem(Severity::Error, format!("is no valid TOML: {}", error.message()), ""));
        }
        errors.is_empty().then(|| table.into_inner())
    }

    /// The cursor at the top of a parsed text.
    pub(crate) fn root<'a>(&'a self, table: &'a DeTable<'a>) -> Table<'a> {
        Table::new(self, 0, None, table)
    }
}

/// A value with its place.
#[derive(Debug, Clone)]
pub(crate) struct Item<'a> {
    report: &'a Report,
    value: &'a DeValue<'a>,
    offset: usize,
    /// The key of what it stands in.
    parent: Option<Rc<Key>>,
    step: Step<'a>,
}

impl<'a> Item<'a> {
    /// Its place.
    pub(crate) fn mark(&self) -> Mark {
        self.report.mark(self.offset, Some(self.key()))
    }

    fn key(&self) -> Rc<Key> {
        Key::child(self.parent.as_ref(), self.step)
    }

    /// Where problems go.
    pub(crate) fn report(&self) -> &'a Report {
        self.report
    }

    /// Reports an error here.
    pub(crate) fn error(&self, reason: impl Into<String>, fix: impl Into<String>) {
        self.report.error(&self.mark(), reason, fix);
    }

    /// Reports a warning here.
    pub(crate) fn warn(&self, reason: impl Into<String>, fix: impl Into<String>) {
        self.report.push(self.mark().problem(Severity::Warning, reason, fix));
    }

    fn wrong_type(&self, wanted: &str, fix: impl Into<String>) {
        self.error(format!("must be {wanted}, not {}", type_name(self.value)), fix);
    }

    /// Whether it is a table.
    pub(crate) fn is_table(&self) -> bool {
        self.value.is_table()
    }

    /// A text that is not empty.
    pub(crate) fn text(&self) -> Option<&'a str> {
        let text = self.any_text();
        if text == Some("") {
            self.error("must not be empty", "");
            return None;
        }
        text
    }

    /// A text, also an empty one.
    pub(crate) fn any_text(&self) -> Option<&'a str> {
        match self.value.as_str() {
            Some(text) => Some(text),
            None => {
                let fix = match self.value {
                    DeValue::Integer(integer) => format!("write it in quotes: \"{integer}\""),
                    DeValue::Float(float) => format!("write it in quotes: \"{float}\""),
                    DeValue::Boolean(boolean) => format!("write it in quotes: \"{boolean}\""),
                    DeValue::Datetime(datetime) => format!("write it in quotes: \"{datetime}\""),
                    _ => String::new(),
                };
                self.wrong_type("a text", fix);
                None
            }
        }
    }

    /// A text that `parse` accepts; otherwise it "is not" what `wanted` says.
    pub(crate) fn parsed<T>(&self, wanted: &str, fix: &str, parse: impl Fn(&str) -> Option<T>) -> Option<T> {
        let text = self.text()?;
        let parsed = parse(text);
        if parsed.is_none() {
            self.error(format!("{text:?} is not {wanted}"), fix);
        }
        parsed
    }

    /// One of several names.
    pub(crate) fn choice<T: Copy>(&self, choices: &[(&str, T)]) -> Option<T> {
        let text = self.text()?;
        let chosen = choices.iter().find(|(name, _)| *name == text).map(|(_, choice)| *choice);
        if chosen.is_none() {
            let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
            self.error(format!("{text:?} is not known here"), one_of(text, &names));
        }
        chosen
    }

    /// `true` or `false`.
    pub(crate) fn boolean(&self) -> Option<bool> {
        let boolean = self.value.as_bool();
        if boolean.is_none() {
            self.wrong_type("true or false", "");
        }
        boolean
    }

    /// A decimal: an integer, or a text; never a float.
    pub(crate) fn decimal(&self) -> Option<Decimal> {
        let text = match self.value {
            DeValue::String(text) => text.as_ref(),
            DeValue::Integer(integer) if integer.radix() == 10 => {
                let digits = integer.as_str();
                digits.strip_prefix('+').unwrap_or(digits)
            }
            DeValue::Float(float) => {
                self.error(
                    "is a TOML float, which is not exact",
                    format!("write it as a string: \"{}\"", float.as_str()),
                );
                return None;
            }
            _ => {
                self.wrong_type("a decimal: an integer, or a string such as \"0.5\"", "");
                return None;
            }
        };
        let decimal = parse_decimal(text);
        decimal.map_err(|reason| self.error(reason, "")).ok()
    }

    /// An integer within `range`.
    pub(crate) fn integer(&self, range: std::ops::RangeInclusive<u32>) -> Option<u32> {
        let DeValue::Integer(integer) = self.value else {
            self.wrong_type("an integer", "");
            return None;
        };
        let digits = integer.as_str();
        let number = u32::from_str_radix(digits.strip_prefix('+').unwrap_or(digits), integer.radix());
        match number {
            Ok(number) if range.contains(&number) => Some(number),
            _ => {
                self.error(format!("must be from {} to {}, not {integer}", range.start(), range.end()), "");
                None
            }
        }
    }

    /// The elements of an array.
    pub(crate) fn array(&self, example: &str) -> Option<Vec<Item<'a>>> {
        let DeValue::Array(array) = self.value else {
            self.wrong_type("an array", format!("write {example}"));
            return None;
        };
        let key = self.key();
        let elements = array.iter().enumerate().map(|(index, element)| Item {
            report: self.report,
            value: element.get_ref(),
            offset: element.span().start,
            parent: Some(Rc::clone(&key)),
            step: Step::Index(index),
        });
        Some(elements.collect())
    }

    /// The texts of an array.
    pub(crate) fn texts(&self, example: &str) -> Option<Vec<String>> {
        let elements = self.array(example)?;
        let texts: Vec<Option<String>> = elements.iter().map(|element| element.text().map(str::to_owned)).collect();
        texts.into_iter().collect()
    }

    /// A table.
    pub(crate) fn table(&self) -> Option<Table<'a>> {
        let DeValue::Table(entries) = self.value else {
            self.wrong_type("a table", "");
            return None;
        };
        Some(Table::new(self.report, self.offset, Some(self.key()), entries))
    }
}

/// A table whose keys are taken one by one. Those that nobody took are unknown: [`Table::finish`] reports them.
#[derive(Debug)]
pub(crate) struct Table<'a> {
    report: &'a Report,
    offset: usize,
    key: Option<Rc<Key>>,
    entries: &'a DeTable<'a>,
    known: Vec<&'static str>,
    /// Keys that were refused by name: not to be offered.
    refused: Vec<&'static str>,
}

impl<'a> Table<'a> {
    fn new(report: &'a Report, offset: usize, key: Option<Rc<Key>>, entries: &'a DeTable<'a>) -> Table<'a> {
        Table { report, offset, key, entries, known: Vec::with_capacity(entries.len()), refused: Vec::new() }
    }

    /// Its place.
    pub(crate) fn mark(&self) -> Mark {
        self.report.mark(self.offset, self.key.clone())
    }

    /// Where problems go.
    pub(crate) fn report(&self) -> &'a Report {
        self.report
    }

    /// The value of a key that may be absent.
    pub(crate) fn optional(&mut self, name: &'static str) -> Option<Item<'a>> {
        self.known.push(name);
        self.get(name)
    }

    fn get(&self, name: &'static str) -> Option<Item<'a>> {
        let (_, value) = self.entries.get_key_value(name)?;
        Some(self.item(Step::Known(name), value))
    }

    /// The value of a key that must be there; `example` is what one would write.
    pub(crate) fn required(&mut self, name: &'static str, example: &str) -> Option<Item<'a>> {
        let item = self.optional(name);
        if item.is_none() {
            let key = Some(Key::child(self.key.as_ref(), Step::Known(name)));
            let mark = self.report.mark(self.offset, key);
            self.report.error(&mark, "is missing", format!("add {name} = {example}"));
        }
        item
    }

    /// Refuses a key that is known, but has no place here.
    pub(crate) fn refuse(&mut self, name: &'static str, reason: &str, fix: &str) {
        self.refused.push(name);
        if let Some(item) = self.get(name) {
            item.error(reason, fix);
        }
    }

    /// Refuses keys that the contract has and this version has not.
    pub(crate) fn unsupported(&mut self, names: &[&'static str]) {
        for name in names {
            self.refuse(name, "is not supported by this version", "leave it out");
        }
    }

    /// All entries in the text's order, for tables whose keys are names.
    pub(crate) fn entries(&self) -> Vec<(&'a str, Item<'a>)> {
        let mut entries: Vec<_> = self.entries.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        let items = entries.into_iter().map(|(key, value)| {
            let name = key.get_ref().as_ref();
            let mut item = self.item(Step::Name(name), value);
            if name.is_empty() {
                item.offset = key.span().start;
                item.error("a name must not be empty", "");
            }
            (name, item)
        });
        items.collect()
    }

    /// Reports the keys that nobody took.
    pub(crate) fn finish(self) {
        for (key, value) in self.entries {
            let name = key.get_ref().as_ref();
            if !self.known.contains(&name) && !self.refused.contains(&name) {
                let item = self.item(Step::Name(name), value);
                item.error("is not a key here", one_of(name, &self.known));
            }
        }
    }

    fn item(&self, step: Step<'a>, value: &'a toml::Spanned<DeValue<'a>>) -> Item<'a> {
        let (report, parent) = (self.report, self.key.clone());
        Item { report, value: value.get_ref(), offset: value.span().start, parent, step }
    }
}

/// Declared names and what they stand for; `None` for what is declared but has errors of its own, so that they are not
/// reported twice.
#[derive(Debug)]
pub(crate) struct Names<T>(BTreeMap<String, Option<T>>);

impl<T> Default for Names<T> {
    fn default() -> Self {
        Names(BTreeMap::new())
    }
}

impl<T> Names<T> {
    /// Declares a name.
    pub(crate) fn insert(&mut self, name: &str, value: Option<T>) {
        self.0.insert(name.to_owned(), value);
    }

    /// Whether the name is declared, with or without errors.
    pub(crate) fn is_declared(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// A fix that offers the declared name most like `wrong`.
    pub(crate) fn like(&self, wrong: &str) -> String {
        one_of(wrong, &self.0.keys().map(String::as_str).collect::<Vec<_>>())
    }

    /// What a name stands for, without a report.
    pub(crate) fn get(&self, name: &str) -> Option<&T> {
        self.0.get(name).and_then(Option::as_ref)
    }

    /// Names and what they stand for, without the faulty ones.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &T)> {
        self.0.iter().filter_map(|(name, value)| Some((name.as_str(), value.as_ref()?)))
    }

    /// What the item's text names; an undeclared name is reported as no `kind`.
    pub(crate) fn find(&self, item: &Item<'_>, kind: &str) -> Option<&T> {
        let name = item.text()?;
        let found = self.0.get(name);
        if found.is_none() {
            let names: Vec<&str> = self.0.keys().map(String::as_str).collect();
            let fix =
                if names.is_empty() { format!("declare it under [{kind}s.{name}]") } else { one_of(name, &names) };
            item.error(format!("there is no {kind} {name:?}"), fix);
        }
        found.and_then(Option::as_ref)
    }
}

/// Parses a decimal; the error is a reason.
pub(crate) fn parse_decimal(text: &str) -> Result<Decimal, String> {
    Decimal::parse(text.as_bytes()).map_err(|error| match error {
        DecimalError::Malformed => format!("{text:?} is not a decimal number"),
        DecimalError::TooLong | DecimalError::TooFine(_) => format!("{text:?} has more digits than fit (38)"),
    })
}

/// A fix that offers the name most like `wrong`, or all of `names` while they are few.
pub(crate) fn one_of(wrong: &str, names: &[&str]) -> String {
    const LISTED_MAX: usize = 24;
    match suggestion(wrong, names) {
        Some(name) => format!("did you mean {name:?}?"),
        None if names.is_empty() => "leave it out".to_owned(),
        None if names.len() <= LISTED_MAX => format!("use one of {}", names.join(", ")),
        None => String::new(),
    }
}

fn type_name(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a float",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}
