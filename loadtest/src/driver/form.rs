//! The forms that bodies of events have, and a body's bytes in each.
//!
//! Owns: encoding, and where in the bytes each event's id ends in the digits that tell one sending from the next. Does not own: what events
//! say (`job`), when they are sent.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use anyhow::{Context, Error, Result, bail};

use super::arrow;
use crate::job::Job;

/// What carries events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// One CloudEvent.
    Single,
    /// A JSON array of CloudEvents.
    Batch,
    /// A CloudEvent a line.
    Ndjson,
    /// An Arrow IPC stream of one batch.
    Arrow,
}

/// All of them.
pub const FORMS: [Form; 4] = [Form::Single, Form::Batch, Form::Ndjson, Form::Arrow];

impl Form {
    /// The name on a command line.
    pub fn name(self) -> &'static str {
        match self {
            Form::Single => "single",
            Form::Batch => "batch",
            Form::Ndjson => "ndjson",
            Form::Arrow => "arrow",
        }
    }

    /// The media type.
    pub fn content_type(self) -> &'static str {
        match self {
            Form::Single => "application/cloudevents+json",
            Form::Batch => "application/cloudevents-batch+json",
            Form::Ndjson => "application/x-ndjson",
            Form::Arrow => "application/vnd.apache.arrow.stream",
        }
    }

    /// A body with a range of a job's lines.
    pub(super) fn encode(self, job: &Job, lines: Range<u64>) -> Result<Body> {
        match self {
            Form::Arrow => arrow::encode(job, lines),
            Form::Single if lines.end - lines.start != 1 => bail!("the form `single` has one event a body"),
            Form::Single => encode_json(job, lines, ["", "", ""]),
            Form::Ndjson => encode_json(job, lines, ["", "\n", "\n"]),
            Form::Batch => encode_json(job, lines, ["[", ",", "]"]),
        }
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Form {
    type Err = Error;

    fn from_str(name: &str) -> Result<Form> {
        let found = FORMS.into_iter().find(|form| form.name() == name);
        found.with_context(|| format!("no form is called {name}; there are single, batch, ndjson and arrow"))
    }
}

/// Digits of an id that stay as the job has them, dashes included: the rest is the round.
const KEPT_LEN: usize = 24;
/// Hexadecimal digits of a round.
const ROUND_LEN: usize = 12;
/// An id.
pub(super) const ID_LEN: usize = KEPT_LEN + ROUND_LEN;
/// What stands before the id in each line.
const BEFORE_ID: &[u8] = br#"{"specversion":"1.0","id":""#;

/// A body, encoded once and sent in many rounds: an event's id ends in the number of the round, so that each round has events of
/// its own with the same content.
#[derive(Debug)]
pub(super) struct Body {
    bytes: Box<[u8]>,
    /// Where in the bytes the rounds are.
    rounds_at: Box<[u32]>,
}

impl Body {
    /// A body whose ids begin at these places.
    pub(super) fn new(bytes: Vec<u8>, ids_at: impl Iterator<Item = usize>) -> Result<Body> {
        let rounds_at = ids_at.map(|at| u32::try_from(at + KEPT_LEN)).collect::<Result<_, _>>();
        Ok(Body { bytes: bytes.into(), rounds_at: rounds_at.context("a body is shorter than 4 GiB")? })
    }

    /// Its bytes in a round: 12 bytes are written for each event, and nothing else is touched.
    pub(super) fn in_round(&mut self, round: u64) -> &[u8] {
        let digits = round_digits(round);
        for at in &self.rounds_at {
            // A place that fits in 32 bits is one in memory.
            let at = *at as usize;
            self.bytes[at..at + ROUND_LEN].copy_from_slice(&digits);
        }
        &self.bytes
    }
}

fn round_digits(round: u64) -> [u8; ROUND_LEN] {
    let mut digits = [b'0'; ROUND_LEN];
    let mut rest = round;
    for digit in digits.iter_mut().rev() {
        // Four bits are an index.
        *digit = b"0123456789abcdef"[usize::try_from(rest & 15).unwrap_or(0)];
        rest >>= 4;
    }
    assert!(rest == 0, "a body has rounds of {ROUND_LEN} digits");
    digits
}

/// Lines of a job with something before, between and behind them.
fn encode_json(job: &Job, lines: Range<u64>, [open, between, close]: [&str; 3]) -> Result<Body> {
    let mut bytes = open.as_bytes().to_vec();
    let mut ids_at = Vec::new();
    let last = lines.end - 1;
    for line in lines {
        ids_at.push(bytes.len() + BEFORE_ID.len());
        job.write_line(&job.event(line), &mut bytes);
        // Its own newline.
        bytes.pop();
        if line < last {
            bytes.extend_from_slice(between.as_bytes());
        }
    }
    bytes.extend_from_slice(close.as_bytes());
    Body::new(bytes, ids_at.into_iter())
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;
    use crate::job::Shape;

    fn text(form: Form, lines: Range<u64>, round: u64) -> String {
        let job = Job::new(Shape { lines: 4, ..Shape::JOB_J }).unwrap();
        String::from_utf8(form.encode(&job, lines).unwrap().in_round(round).to_vec()).unwrap()
    }

    #[test]
    fn bodies_look_like_this() {
        expect![[r#"
            {"specversion":"1.0","id":"e4a882d4-5ef0-f9be-8553-000000000000","source":"/svc/gw-00","type":"meter.m18","subject":"cust_071791","time":"2026-08-01T00:00:00.000Z","datacontenttype":"application/json","data":{"value":408,"region":"ap-south-1"}}"#]]
        .assert_eq(&text(Form::Single, 0..1, 0));
        let (ndjson, batch) = (text(Form::Ndjson, 1..3, 0xABC), text(Form::Batch, 1..3, 0xABC));
        let lines: Vec<&str> = ndjson.split_terminator('\n').collect();
        assert!(ndjson.ends_with("}\n") && lines.len() == 2, "{ndjson}");
        assert_eq!(batch, format!("[{}]", lines.join(",")));
        assert!(lines.iter().all(|line| line.contains("-000000000abc\",\"source\":")), "{ndjson}");
    }

    #[test]
    fn rounds_differ_in_ids_alone() {
        let job = Job::new(Shape { lines: 50, ..Shape::JOB_J }).unwrap();
        for form in [Form::Batch, Form::Ndjson, Form::Arrow] {
            let mut body = form.encode(&job, 0..50).unwrap();
            let first = body.in_round(0).to_vec();
            assert_ne!(body.in_round(u64::MAX >> 16), first);
            assert_eq!(body.rounds_at.len(), 50);
            assert_eq!(body.in_round(0), first, "{form}");
        }
    }

    #[test]
    fn names_lead_back_to_forms() {
        for form in FORMS {
            assert_eq!(form.name().parse::<Form>().unwrap(), form);
        }
        assert!("xml".parse::<Form>().is_err());
    }
}
