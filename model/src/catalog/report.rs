//! Where the problems of one text are collected: its lines, its keys' paths, and what was found so far.
//!
//! Owns: places in texts and the order and number of problems. Does not own: how values are read (see
//! [`toml_reader`](super::toml_reader)).

use std::cell::RefCell;
use std::rc::Rc;

use super::error::{CatalogError, Problem, Severity};

/// More problems of one severity than anyone mends in one go are not collected: a cells file may have one in every row.
const PROBLEMS_MAX: usize = 200;

/// The full path of a key, from its end.
#[derive(Debug)]
pub(crate) struct Key {
    parent: Option<Rc<Key>>,
    segment: Segment,
}

#[derive(Debug)]
enum Segment {
    Known(&'static str),
    Name(Box<str>),
    Index(usize),
}

/// One step of a key's path, before anyone keeps it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Step<'a> {
    /// A name that the reader knows: most keys, so it costs no copy.
    Known(&'static str),
    /// A name that the text chose.
    Name(&'a str),
    /// A position in an array, from 0.
    Index(usize),
}

impl Key {
    /// The key of a column in a file of its own.
    pub(crate) fn column(name: &str) -> Rc<Key> {
        Rc::new(Key { parent: None, segment: Segment::Name(name.into()) })
    }

    /// The key below `parent`; without one, at the top.
    pub(super) fn child(parent: Option<&Rc<Key>>, step: Step<'_>) -> Rc<Key> {
        let segment = match step {
            Step::Known(name) => Segment::Known(name),
            Step::Name(name) => Segment::Name(name.into()),
            Step::Index(index) => Segment::Index(index),
        };
        Rc::new(Key { parent: parent.map(Rc::clone), segment })
    }

    fn write(&self, path: &mut String) {
        if let Some(parent) = &self.parent {
            parent.write(path);
        }
        match &self.segment {
            Segment::Index(index) => path.push_str(&format!("[{index}]")),
            Segment::Known(name) => push_name(path, name),
            Segment::Name(name) => push_name(path, name),
        }
    }
}

fn push_name(path: &mut String, name: &str) {
    if !path.is_empty() {
        path.push('.');
    }
    let bare = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if !name.is_empty() && name.bytes().all(bare) {
        path.push_str(name);
    } else {
        path.push_str(&format!("{name:?}"));
    }
}

/// A place in a text, kept for problems that show only later. Most never do: the line is found when it is asked for.
#[derive(Debug, Clone)]
pub(crate) struct Mark {
    place: Place,
    /// The key; `None` for the whole text.
    key: Option<Rc<Key>>,
}

#[derive(Debug, Clone)]
enum Place {
    /// A byte of the text that the report is for.
    Byte(Rc<Text>, usize),
    /// A line, from 1, of a file of its own.
    Line(Rc<str>, u32),
}

impl Mark {
    /// A line, from 1, of a file of its own.
    pub(crate) fn line_of(file: &Rc<str>, line: u32, column: Option<&Rc<Key>>) -> Mark {
        Mark { place: Place::Line(Rc::clone(file), line), key: column.map(Rc::clone) }
    }

    /// A problem here.
    pub(crate) fn problem(&self, severity: Severity, reason: impl Into<String>, fix: impl Into<String>) -> Problem {
        let mut key = String::new();
        if let Some(path) = &self.key {
            path.write(&mut key);
        }
        let (file, line) = match &self.place {
            Place::Byte(text, offset) => (text.file.as_str(), text.line(*offset)),
            Place::Line(file, line) => (&**file, *line),
        };
        Problem { file: file.to_owned(), line, key, reason: reason.into(), fix: fix.into(), severity }
    }
}

/// A text's name, and where its lines start.
#[derive(Debug)]
struct Text {
    file: String,
    line_starts: Vec<usize>,
}

impl Text {
    /// The line, from 1, of a byte.
    fn line(&self, offset: usize) -> u32 {
        let line = self.line_starts.partition_point(|start| *start <= offset);
        u32::try_from(line).unwrap_or(u32::MAX)
    }
}

/// One text's name and lines, and the problems found so far.
#[derive(Debug)]
pub(crate) struct Report {
    text: Rc<Text>,
    problems: RefCell<Vec<Problem>>,
}

impl Report {
    /// For the text of `file`.
    pub(crate) fn new(file: &str, text: &str) -> Report {
        let newlines = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let line_starts = std::iter::once(0).chain(newlines.map(|(at, _)| at.saturating_add(1))).collect();
        Report { text: Rc::new(Text { file: file.to_owned(), line_starts }), problems: RefCell::default() }
    }

    /// Takes a problem in. Warnings never crowd out an error.
    pub(crate) fn push(&self, problem: Problem) {
        if self.count(problem.severity) < PROBLEMS_MAX {
            self.problems.borrow_mut().push(problem);
        }
    }

    fn count(&self, severity: Severity) -> usize {
        self.problems.borrow().iter().filter(|problem| problem.severity == severity).count()
    }

    /// Reports an error at `mark`.
    pub(crate) fn error(&self, mark: &Mark, reason: impl Into<String>, fix: impl Into<String>) {
        self.push(mark.problem(Severity::Error, reason, fix));
    }

    /// Whether there are too many errors to go on collecting.
    pub(crate) fn is_full(&self) -> bool {
        self.count(Severity::Error) >= PROBLEMS_MAX
    }

    /// Whether an error was reported.
    pub(crate) fn has_errors(&self) -> bool {
        self.count(Severity::Error) > 0
    }

    /// The warnings, or all errors; in the order of lines, this text's before those of others.
    pub(crate) fn finish(self) -> Result<Vec<Problem>, CatalogError> {
        let mut problems = self.problems.into_inner();
        problems.sort_by_cached_key(|problem| (problem.file != self.text.file, problem.clone()));
        problems.dedup();
        let (errors, warnings): (Vec<_>, Vec<_>) =
            problems.into_iter().partition(|problem| problem.severity == Severity::Error);
        if errors.is_empty() { Ok(warnings) } else { Err(CatalogError { problems: errors }) }
    }

    /// The place of a byte of the text.
    pub(super) fn mark(&self, offset: usize, key: Option<Rc<Key>>) -> Mark {
        Mark { place: Place::Byte(Rc::clone(&self.text), offset), key }
    }
}
