//! A server's life as steps, and everything that can be seen of it afterwards.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use weir::config::Settings;
use weir_files::{Files, Simulated};

use crate::archived::{self, Archived};
use crate::node::Running;
use crate::sent::{self, Body, Event, Lane};

/// What somebody asks of the server.
#[derive(Debug, Clone)]
pub enum Step {
    /// A catalog.
    Catalog,
    /// A customer of that name.
    Customer(&'static str),
    /// Events.
    Events(Body),
    /// A close through that instant.
    Close(&'static str),
}

/// Steps, one after the other, and under which settings.
#[derive(Debug, Clone)]
pub struct Script {
    /// In order; each is taken before the next is sent.
    pub steps: Vec<Step>,
    /// The server's.
    pub settings: Settings,
}

/// What must be the same whatever has happened meanwhile.
#[derive(Debug, PartialEq)]
pub struct Outcome {
    /// Of the statistics, what repeated requests do not change.
    pub stats: Vec<Value>,
    /// Totals.
    pub usage: Value,
    /// Events and rated rows, in order.
    pub archived: Archived,
}

impl Script {
    /// A few dozen small requests, with two closes.
    pub fn narrow(bodies: usize, settings: Settings) -> Script {
        let mut lane = Lane::new(11, 0);
        let mut steps = vec![Step::Catalog];
        let events = |lane: &mut Lane, count: usize| (0..count).map(|_| Step::Events(lane.body(6))).collect::<Vec<_>>();
        steps.extend(events(&mut lane, bodies));
        steps.push(Step::Customer("omega"));
        steps.extend(events(&mut lane, bodies));
        steps.push(Step::Close("2026-02-01T00:00:00Z"));
        steps.extend(events(&mut lane, bodies / 2));
        steps.push(Step::Close(sent::ALL_SEALED));
        Script { steps, settings }
    }

    /// A few bodies that are so large that identities go to files, which are merged.
    pub fn wide(settings: Settings) -> Script {
        let mut lane = Lane::new(12, 0);
        let pings = |lane: &mut Lane| Step::Events(lane.pings(300));
        let mut steps = vec![Step::Catalog];
        steps.extend((0..4).map(|_| pings(&mut lane)));
        steps.push(Step::Close("2026-02-01T00:00:00Z"));
        steps.push(pings(&mut lane));
        steps.push(Step::Close(sent::ALL_SEALED));
        Script { steps, settings }
    }

    /// All new events of it.
    pub fn events(&self) -> impl Iterator<Item = &Event> {
        self.steps.iter().flat_map(|step| match step {
            Step::Events(body) => body.new.as_slice(),
            _ => &[],
        })
    }

    /// Takes steps from one on until one is refused: its number, and the refusal.
    pub fn go(&self, running: &mut Running, from: usize, is_first: bool) -> (usize, Option<Value>) {
        for (index, step) in self.steps.iter().enumerate().skip(from) {
            running.set_minute(index);
            // The one that was refused before may have been taken.
            if let Err(refusal) = perform(running, step, is_first || index > from) {
                return (index, Some(refusal));
            }
        }
        (self.steps.len(), None)
    }

    /// Sends the events of the first steps again: not one of them is new.
    pub fn repeat(&self, running: &mut Running, steps: usize) {
        for step in &self.steps[..steps] {
            let Step::Events(body) = step else { continue };
            let (status, answer) = running.ask("POST", "/v1/events", (body.content_type(), &body.text));
            assert_eq!((status, &answer["accepted"]), (200, &json!(0)), "{answer}");
            body.check(&answer, false);
        }
    }

    /// What there is in the end; stops the server.
    pub fn outcome(&self, mut running: Running, files: &dyn Files) -> Outcome {
        let (stats, usage) = (running.get("/v1/stats"), running.get("/v1/usage"));
        running.stop().unwrap();
        let count = |name: &str| stats[name].as_u64().unwrap();
        assert_eq!(count("accepted"), self.events().count() as u64, "{stats}");
        let sum = count("accepted") + count("duplicate") + count("conflict") + count("rejected");
        assert_eq!(count("received"), sum, "{stats}");
        assert_eq!(sent::told(&usage), sent::totals(self.events()));
        let names = ["accepted", "rated", "unpriced", "unmetered", "late_refused", "rows", "rows_digest"];
        let mut archived = archived::read(files);
        // Repeated requests are records of their own.
        (archived.offset, archived.batches, archived.quarantined) = (0, 0, 0);
        // So batches end elsewhere, and a batch has a file for each month.
        archived.events.sort_unstable();
        archived.rated.sort_unstable();
        Outcome { stats: names.map(|name| stats[name].clone()).to_vec(), usage: usage["rows"].clone(), archived }
    }
}

/// One step: what is answered, or the refusal.
fn perform(running: &mut Running, step: &Step, is_first: bool) -> Result<Value, Value> {
    let json = "application/json";
    let (status, answer) = match step {
        Step::Catalog => running.ask("PUT", "/v1/catalog", ("application/toml", sent::CATALOG)),
        Step::Customer(id) => {
            let customer = json!({ "id": id, "plan": "p" }).to_string();
            running.ask("PUT", &format!("/v1/customers/{id}"), (json, &customer))
        }
        Step::Events(body) => running.ask("POST", "/v1/events", (body.content_type(), &body.text)),
        Step::Close(through) => running.ask("POST", "/v1/closes", (json, &json!({ "through": through }).to_string())),
    };
    if status != 200 {
        assert!(status == 503 || answer["code"] == "no_catalog", "{step:?}: {status} {answer}");
        return Err(answer);
    }
    if let Step::Events(body) = step {
        body.check(&answer, is_first);
    }
    Ok(answer)
}

/// The documents of all closes, by name, made from the seals of a data folder.
pub fn documents(data: &Path) -> Vec<(String, Vec<u8>)> {
    let out = tempfile::tempdir().unwrap();
    let folder = out.path().join("documents");
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    command.args(["invoices", "build", "--format", "json", "--data"]).arg(data).arg("--out").arg(&folder);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut documents = vec![("report".to_owned(), output.stdout)];
    let mut folders = vec![folder];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                documents.push((path.strip_prefix(out.path()).unwrap().display().to_string(), fs::read(path).unwrap()));
            }
        }
    }
    documents.sort();
    documents
}

/// Copies a folder of simulated files to the disk.
pub fn export(files: &Simulated, folder: &str, to: &Path) {
    fs::create_dir_all(to.join(folder)).unwrap();
    for name in files.list(folder).unwrap() {
        let path = format!("{folder}/{name}");
        match files.content(&path) {
            Some(bytes) => fs::write(to.join(&path), bytes).unwrap(),
            None => export(files, &path, to),
        }
    }
}
