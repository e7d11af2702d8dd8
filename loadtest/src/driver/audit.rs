//! What a server has said it took against what it was sent.
//!
//! Exact as long as every body was acknowledged: rounds of bodies say which events were sent, and the job says what they come to. The
//! answers can be told apart from it in one way only: the events of a body whose answer was lost come back as duplicates.

use serde::Serialize;

use super::pool::{Pool, Rounds};
use super::record::Counts;
use crate::job::Answer;

/// What an audit found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Audit {
    /// What the acknowledged bodies come to; `bytes` is 0, because ids differ from the job's.
    pub expected: Answer,
    /// Events that the answers call accepted.
    pub accepted: u64,
    /// And duplicates.
    pub duplicate: u64,
    /// Bodies that were sent again after an answer was lost.
    pub repeated_bodies: u64,
    /// What does not agree, in sentences; empty if all does.
    pub findings: Vec<String>,
}

/// Compares all answers of a server with what it was sent.
pub fn audit(pool: &Pool, rounds: &Rounds, counts: &Counts) -> Audit {
    let events_per_body = pool.recipe().events_per_body;
    let round_of = |line: u64| {
        // Every line of the job is in a body.
        usize::try_from(line / events_per_body).map_or(0, |body| rounds.of(body))
    };
    let expected = pool.job().answer_of(round_of);
    let findings = findings(&expected, counts);
    let Counts { accepted, duplicate, repeated_bodies, .. } = *counts;
    Audit { expected, accepted, duplicate, repeated_bodies, findings }
}

fn findings(expected: &Answer, counts: &Counts) -> Vec<String> {
    let mut findings = Vec::new();
    for reason in &counts.undelivered {
        findings.push(format!("a body was not acknowledged, and its events may or may not count: {reason}"));
    }
    if counts.events != expected.lines {
        findings.push(format!("{} events were acknowledged, {} were sent", counts.events, expected.lines));
    }
    if counts.wrong_bodies > 0 {
        findings.push(format!("in {} bodies accepted + duplicate is not the number of events", counts.wrong_bodies));
    }
    for (name, count) in [("conflicts", counts.conflict), ("rejected", counts.rejected)] {
        if count > 0 {
            findings.push(format!("{count} {name}, of none that were sent"));
        }
    }
    for rejection in &counts.rejections {
        findings.push(format!("rejected: event {}: {}: {}", rejection.index, rejection.code, rejection.sentence));
    }
    let certain = counts.repeated_bodies == 0 && counts.undelivered.is_empty();
    if counts.accepted > expected.unique || (certain && counts.accepted != expected.unique) {
        findings.push(format!("{} events were accepted, {} were sent", counts.accepted, expected.unique));
    }
    if counts.accepted == 0 && counts.duplicate > 0 {
        findings.push("the server has seen all of it before: use another --seed".to_owned());
    }
    findings
}

impl Audit {
    /// Whether everything agrees.
    pub fn agrees(&self) -> bool {
        self.findings.is_empty()
    }
}
