//! `weir explain`: a line of a document, proven from the archive (L9).
//!
//! The events of the line's customer are read from the output folder of a run, rated and billed again under the catalog that
//! the run kept there, and the line that comes out is compared with the one that was billed, member by member; the rated
//! rows are added up against it. Owns: what is compared and how a difference is told. Decides nothing about money.

pub(crate) mod archive;
mod evidence;
pub(crate) mod folder;
mod line;
mod page;
mod replay;

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Result, anyhow};
use serde::Serialize;
use serde_json::Value;
use weir_model::catalog::{AccountIdx, Catalog, Pool};

use crate::cli::{ExplainArgs, Format};
use crate::failure::invalid;
use crate::kept_catalog;
use archive::{Archive, ArchivedEvent};
use evidence::{Evidence, ExplainedEvent, RowSums, Sources};
use folder::Documents;
use line::{Difference, LineKey, differing, lines, text};
pub(crate) use page::trimmed;
use replay::{Replay, replay};

/// Exit status if anything differs.
const DIFFERS: u8 = 1;

/// A line and what the archive says about it. docs/explain-json.md documents its JSON.
#[derive(Debug, Clone, Serialize)]
pub struct Explanation {
    /// The document's number.
    pub invoice: String,
    /// The line's position on it.
    pub line: u64,
    /// What the line bills, for people.
    pub title: String,
    /// `usage`, `fee`, `discount`, `maximum` or `minimum`.
    pub kind: String,
    /// The customer's id.
    pub customer: String,
    /// The plan's name.
    pub plan: String,
    /// First instant of the line's own period.
    pub period_start: String,
    /// First instant after it.
    pub period_end: String,
    /// Whether everything that was compared is the same.
    pub agrees: bool,
    /// How the amount comes about, with its figures.
    pub formula: String,
    /// The line as it was billed.
    pub billed: Value,
    /// The line as the archived events give it; null if they do not.
    pub recomputed: Option<Value>,
    /// The events behind a usage line that came before its document was made, in log order.
    pub events: Vec<ExplainedEvent>,
    /// The rated rows of a usage line; null for others.
    pub rows: Option<RowSums>,
    /// What differs.
    pub differences: Vec<Difference>,
    /// What is wrong in the archive, as far as it can be told; empty if nothing differs.
    pub causes: Vec<String>,
}

impl Explanation {
    fn period_text(&self) -> String {
        format!("{} to {}", self.period_start, self.period_end)
    }
}

/// Runs the command.
pub fn command(args: &ExplainArgs) -> Result<ExitCode> {
    let explanation = explain(args)?;
    match args.format {
        Format::Table => print!("{}", page::table(&explanation, args.show)),
        Format::Json => println!("{}", serde_json::to_string_pretty(&explanation)?),
        Format::Csv => {
            print!("{}", page::csv(&explanation.events));
            for difference in &explanation.differences {
                eprintln!("differs: {}", difference.sentence);
            }
        }
    }
    Ok(if explanation.agrees { ExitCode::SUCCESS } else { ExitCode::from(DIFFERS) })
}

/// Explains a line; prints nothing.
pub fn explain(args: &ExplainArgs) -> Result<Explanation> {
    let log = folder::log(&args.from)?;
    let documents = Documents::find(&args.from, &args.invoice)?;
    let document = documents.all.get(documents.asked).ok_or_else(|| anyhow!("the document was just found"))?;
    let all_lines = lines(document);
    let number = |line: &Value| line.get("line").and_then(Value::as_u64);
    let Some((key, billed)) = all_lines.iter().find(|(_, line)| number(line) == Some(u64::from(args.line))) else {
        let (invoice, count) = (&args.invoice, all_lines.len());
        return Err(invalid(format!("{invoice} has no line {}; its lines are numbered from 1 to {count}", args.line)));
    };
    let customer = document.get("customer").and_then(|customer| text(customer, "id")).unwrap_or_default();
    let catalog = Arc::new(kept_catalog::read(&args.from)?);
    let archive = Archive::new(&args.from, &log.files);
    if log.accepted > 0 && !archive.has_events() {
        let shown = args.from.display();
        return Err(invalid(format!("{shown} holds no events: run again without --no-archive to explain its lines")));
    }
    let events = archive.events(subjects(&catalog, &customer))?;
    let replay = replay(&catalog, &log, &events, &customer)?;
    let again = Again::find(&documents, &replay, key)?;
    let mut case = Case { args, key, billed, again, differences: Vec::new() };
    case.compare(&events);
    let evidence = (key.kind == "usage").then(|| archive.rows(&customer, &key.name, key.period.0)).transpose()?;
    let sources =
        Sources { catalog: &catalog, log: &log, events: &events, replay: &replay, key, close: case.again.close };
    let evidence = evidence.map(|rows| sources.evidence(rows));
    if let Some(evidence) = &evidence {
        case.add_up(&evidence.sums);
    }
    let mut explanation = case.explanation(customer, evidence);
    if !explanation.agrees {
        let was_changed = archive.catalog_hash()?.is_some_and(|hash| hash != catalog.hash);
        let changed = was_changed.then(|| "the catalog in the folder is not the one of the run".to_owned());
        explanation.causes.extend(changed.into_iter().chain(unkept(&catalog)));
    }
    Ok(explanation)
}

/// Attributes that the catalog reads and the archive does not keep: what depends on them cannot be made again.
fn unkept(catalog: &Catalog) -> Vec<String> {
    const KEPT: [&str; 6] = ["data", "id", "source", "subject", "time", "type"];
    let paths = catalog.event_types.iter().flat_map(|event_type| {
        let values = event_type.values.iter().map(|slot| &slot.path);
        values.chain(event_type.texts.iter().map(|slot| &slot.path))
    });
    let names: BTreeSet<&str> = paths.filter_map(|path| path.0.first()).map(String::as_str).collect();
    let unkept = names.into_iter().filter(|name| !KEPT.contains(name));
    unkept.map(|name| format!("the catalog reads the attribute {name}, which the archive does not keep")).collect()
}

/// The subjects of a customer, and of all who may share a charge with it.
pub(crate) fn subjects(catalog: &Catalog, id: &str) -> BTreeSet<String> {
    if catalog.customers.iter().all(|customer| customer.id != id) {
        return BTreeSet::from([id.to_owned()]);
    }
    let members = members(catalog, id);
    let members = catalog.customers.iter().filter(|customer| members.contains(&customer.id));
    members.flat_map(|member| member.subjects.iter().cloned()).collect()
}

/// A customer, and all who may share a charge with it.
pub(crate) fn members(catalog: &Catalog, id: &str) -> BTreeSet<String> {
    let Some(customer) = catalog.customers.iter().find(|customer| customer.id == id) else {
        return BTreeSet::from([id.to_owned()]);
    };
    let shares = catalog.charges.iter().any(|charge| charge.pool == Pool::Account);
    let root = root(catalog, customer.account);
    let others = catalog.customers.iter().filter(|other| shares && self::root(catalog, other.account) == root);
    others.map(|other| other.id.clone()).chain([id.to_owned()]).collect()
}

/// The account above all others of an account. Accounts have no cycles: the catalog was refused otherwise.
fn root(catalog: &Catalog, account: AccountIdx) -> AccountIdx {
    let parent = catalog.accounts.get(account.at()).and_then(|account| account.parent);
    parent.map_or(account, |parent| root(catalog, parent))
}

/// The line as the archived events give it.
struct Again {
    line: Option<Value>,
    /// The close of its document.
    close: Option<usize>,
}

impl Again {
    /// Finds it: on the same document of the line's period, under the same key.
    fn find(documents: &Documents, replay: &Replay, key: &LineKey) -> Result<Again> {
        let period =
            |document: &Value| document.get("period").map(|period| (text(period, "start_at"), text(period, "end_at")));
        let asked = documents.all.get(documents.asked).and_then(period);
        let before = documents.all.iter().take(documents.asked).filter(|document| period(document) == asked).count();
        let mut matching = Vec::new();
        for (close, invoice) in &replay.documents {
            let document = serde_json::to_value(invoice)?;
            if period(&document) == asked {
                matching.push((*close, document));
            }
        }
        let Some((close, document)) = matching.into_iter().nth(before) else {
            return Ok(Again { line: None, close: None });
        };
        let line = lines(&document).into_iter().find(|(other, _)| other == key).map(|(_, line)| line.clone());
        Ok(Again { line, close: Some(close) })
    }
}

/// A line under examination.
struct Case<'a> {
    args: &'a ExplainArgs,
    key: &'a LineKey,
    billed: &'a Value,
    again: Again,
    differences: Vec<Difference>,
}

impl Case<'_> {
    fn differs(&mut self, (what, expected, found): (&str, String, String), sentence: &str) {
        let sentence = format!("line {} ({}): {sentence}", self.args.line, self.key.title());
        self.differences.push(Difference { what: what.to_owned(), expected, found, sentence });
    }

    /// Compares the line as billed with the line made again.
    fn compare(&mut self, events: &[ArchivedEvent]) {
        let invoice = self.args.invoice.clone();
        let Some(again) = self.again.line.clone() else {
            let sentence = format!("it is on {invoice}, but {} archived events give no such line", events.len());
            self.differs(("line", "a line".to_owned(), "nothing".to_owned()), &sentence);
            return;
        };
        let count = |line: &Value| line.get("events").and_then(Value::as_u64);
        let from = from_events(count(self.billed), count(&again));
        for (member, billed, found) in differing(self.billed, &again) {
            let sentence = format!("{member} {billed} on {invoice}, {found} {from}");
            self.differs((&member, billed, found), &sentence);
        }
    }

    /// Checks the sum and the number of the rated rows.
    fn add_up(&mut self, sums: &RowSums) {
        let RowSums { rows, settlements, amount, without_usage, events_amount, events, add_up } = sums;
        if !add_up {
            let sentence = format!(
                "{rows} rated rows and {settlements} settlements come to {amount}, with {without_usage} without usage; \
                 the events come to {events_amount}"
            );
            self.differs(("rows.amount", events_amount.clone(), amount.clone()), &sentence);
        }
        if u64::try_from(*rows).ok() != Some(*events) {
            let sentence = format!("{rows} rated rows in the archive, {events} usages from the archived events");
            self.differs(("rows.rows", events.to_string(), rows.to_string()), &sentence);
        }
    }

    fn explanation(self, customer: String, evidence: Option<Evidence>) -> Explanation {
        let agrees = self.differences.is_empty();
        let (mut events, mut rows, mut causes) = (Vec::new(), None, Vec::new());
        if let Some(evidence) = evidence {
            events = evidence.events;
            rows = Some(evidence.sums);
            causes = if agrees { Vec::new() } else { evidence.causes };
        }
        Explanation {
            invoice: self.args.invoice.clone(),
            line: u64::from(self.args.line),
            title: self.key.title(),
            kind: self.key.kind.clone(),
            customer,
            plan: self.key.plan.clone(),
            period_start: self.key.period.0.to_string(),
            period_end: self.key.period.1.to_string(),
            agrees,
            formula: formula(self.key, self.billed),
            billed: self.billed.clone(),
            recomputed: self.again.line,
            events,
            rows,
            differences: self.differences,
            causes,
        }
    }
}

/// `from 41 of 42 archived events; one event is missing`.
fn from_events(billed: Option<u64>, found: Option<u64>) -> String {
    match (billed, found) {
        (Some(billed), Some(found)) if found < billed => {
            let missing = match billed - found {
                1 => "one event is missing".to_owned(),
                count => format!("{count} events are missing"),
            };
            format!("from {found} of {billed} archived events; {missing}")
        }
        (Some(billed), Some(found)) if found > billed => format!("from {found} archived events instead of {billed}"),
        (_, Some(found)) => format!("from {found} archived events"),
        _ => "from the archived events".to_owned(),
    }
}

/// How a line's amount comes about.
fn formula(key: &LineKey, line: &Value) -> String {
    let figure = |name: &str| text(line, name).map(|decimal| trimmed(&decimal).to_owned()).unwrap_or_default();
    let money = |value: &Value, name: &str| text(value, name).unwrap_or_default();
    let amount = money(line, "amount");
    let late = line.get("late").filter(|late| !late.is_null());
    let owed = late.map_or_else(|| amount.clone(), |late| money(late, "owed"));
    let exact = figure("exact_amount");
    let own = match key.kind.as_str() {
        "fee" => format!("{} a period x the part with the plan = {exact}, rounded {owed}", figure("period_amount")),
        "discount" => {
            format!("-{} x {} of usage before rounding = {exact}, rounded {owed}", figure("rate"), figure("gross"))
        }
        "maximum" => {
            let (sum, bound) = (money(line, "sum"), money(line, "bound"));
            format!("-max(0, {sum} of the charge's lines - {bound} at most) = {owed}; {}", bound_text(&figure))
        }
        "minimum" => {
            let (sum, bound) = (money(line, "sum"), money(line, "bound"));
            format!("max(0, {bound} at least - {sum} of the charge's lines) = {owed}; {}", bound_text(&figure))
        }
        _ => format!("sum of the parts below = {exact}, rounded {owed}"),
    };
    match late {
        Some(late) => format!("{own}; {owed} owed - {} billed before = {amount}", money(late, "billed")),
        None => own,
    }
}

fn bound_text(figure: &impl Fn(&str) -> String) -> String {
    format!("{} a period x the part with the plan = {}, rounded", figure("period_amount"), figure("exact_bound"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_in_words() {
        for (billed, found, expected) in [
            (Some(42), Some(41), "from 41 of 42 archived events; one event is missing"),
            (Some(42), Some(40), "from 40 of 42 archived events; 2 events are missing"),
            (Some(42), Some(43), "from 43 archived events instead of 42"),
            (Some(42), Some(42), "from 42 archived events"),
            (None, None, "from the archived events"),
        ] {
            assert_eq!(from_events(billed, found), expected);
        }
    }
}
