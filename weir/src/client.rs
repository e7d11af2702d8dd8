//! Commands that talk to a server: `weir keys`, `weir close`, `weir catalog` (interfaces.md).
//!
//! Owns: where the server is (`--server`, `WEIR_SERVER`), the key (`WEIR_KEY`), and what its answers look like in a terminal. Does not own: what
//! a request does. Without a server, keys are made in the data folder itself, so that there is a first one.

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use crate::cli::{CatalogAction, CatalogArgs, CloseArgs, Connection, Format, KeyAction, KeysArgs};
use crate::failure::invalid;
use crate::files;
use crate::serve::offline;
use crate::table::aligned;

/// Largest answer that is read.
const ANSWER_BYTES_MAX: u64 = 256 << 20;

/// A server, and who asks.
struct Client {
    agent: ureq::Agent,
    server: String,
    key: Option<String>,
}

impl Client {
    fn new(connection: &Connection) -> Client {
        let config = ureq::Agent::config_builder().http_status_as_error(false).build();
        let server = connection.server.clone().unwrap_or_else(|| "http://127.0.0.1:8080".to_owned());
        let server = server.trim_end_matches('/').to_owned();
        Client { agent: config.into(), server, key: connection.key.clone() }
    }

    /// Sends a request and gives its JSON answer; a problem becomes an error.
    fn send(&self, method: &str, path: &str, (content_type, body): (&str, Vec<u8>)) -> Result<Value> {
        let url = format!("{}{path}", self.server);
        let mut request = ureq::http::Request::builder().method(method).uri(&url).header("content-type", content_type);
        if let Some(key) = &self.key {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        let request = request.body(body).map_err(|error| invalid(format!("{url}: {error}")))?;
        let mut response = self.agent.run(request).with_context(|| {
            format!(
                "cannot reach {}; is `weir serve` running there? --server or WEIR_SERVER names another",
                self.server
            )
        })?;
        let text = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_string();
        let text = text.with_context(|| format!("{url} answered with something unreadable"))?;
        let answer: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
        if response.status().is_success() {
            return Ok(answer);
        }
        let detail = answer["detail"].as_str().map_or(text.as_str(), |detail| detail);
        let mut message = format!("{url}: {} {detail}", response.status());
        for finding in answer["findings"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            message.push('\n');
            message.push_str(finding);
        }
        if response.status().is_client_error() { Err(invalid(message)) } else { bail!("{message}") }
    }

    fn json(&self, method: &str, path: &str, body: &Value) -> Result<Value> {
        self.send(method, path, ("application/json", body.to_string().into_bytes()))
    }

    fn get(&self, path: &str) -> Result<Value> {
        self.send("GET", path, ("application/json", Vec::new()))
    }
}

/// `weir keys`
pub fn keys(args: &KeysArgs) -> Result<ExitCode> {
    match &args.action {
        KeyAction::Create { new, connection, config, format } => {
            let made = if connection.server.is_some() {
                let mut body = json!({ "name": new.name, "role": new.role.to_string() });
                for (name, value) in
                    [("subjects", &new.subjects), ("sources", &new.sources), ("expires_at", &new.expires_at)]
                {
                    if let Some(value) = value {
                        body[name] = value.clone().into();
                    }
                }
                Client::new(connection).json("POST", "/v1/keys", &body)?
            } else {
                offline::create_key(config.as_deref(), new)?
            };
            match format {
                Format::Table => {
                    println!("{}", made["key"].as_str().unwrap_or_default());
                    eprintln!("This is shown once: keep it. Its id is {}.", made["id"].as_str().unwrap_or_default());
                }
                _ => println!("{made:#}"),
            }
        }
        KeyAction::List { connection, format } => {
            let keys = Client::new(connection).get("/v1/keys")?;
            match format {
                Format::Table => print!("{}", key_table(&keys)),
                _ => println!("{keys:#}"),
            }
        }
        KeyAction::Revoke { id, connection } => {
            Client::new(connection).send("DELETE", &format!("/v1/keys/{id}"), ("application/json", Vec::new()))?;
            println!("The key {id} is worth nothing any more.");
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn key_table(keys: &Value) -> String {
    let columns = ["id", "name", "role", "subjects", "sources", "expires_at"];
    let mut rows = vec![columns.map(str::to_owned).to_vec()];
    for key in keys["keys"].as_array().into_iter().flatten() {
        rows.push(columns.iter().map(|column| key[column].as_str().unwrap_or("-").to_owned()).collect());
    }
    aligned(&rows)
}

/// `weir close`
pub fn close(args: &CloseArgs) -> Result<ExitCode> {
    let answer = Client::new(&args.connection).json("POST", "/v1/closes", &json!({ "through": args.through }))?;
    match args.format {
        Format::Table => {
            println!("{}", answer["note"].as_str().unwrap_or("That was sealed already; nothing has changed."));
        }
        _ => println!("{answer:#}"),
    }
    Ok(ExitCode::SUCCESS)
}

/// `weir catalog`
pub fn catalog(args: &CatalogArgs) -> Result<ExitCode> {
    match &args.action {
        CatalogAction::Put { catalog, dry_run, connection } => {
            let (_, sources) = files::catalog_with_sources(catalog)?;
            let beside: serde_json::Map<String, Value> =
                sources.beside.into_iter().map(|(name, text)| (name, text.into())).collect();
            let body = json!({ "text": sources.catalog, "files": beside }).to_string().into_bytes();
            let path = if *dry_run { "/v1/catalog?dry_run=true" } else { "/v1/catalog" };
            let answer = Client::new(connection).send("PUT", path, ("application/vnd.weir.catalog+json", body))?;
            if *dry_run {
                print!("{}", preview(&answer));
            } else {
                println!("In force from {} on.", answer["log_time"].as_str().unwrap_or_default());
            }
        }
        CatalogAction::Show { connection } => {
            let answer = Client::new(connection).get("/v1/catalog")?;
            print!("{}", answer["text"].as_str().unwrap_or_default());
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn preview(answer: &Value) -> String {
    let changes = answer["changes"].as_array().map_or(&[][..], Vec::as_slice);
    if changes.is_empty() {
        return "Nothing would change.\n".to_owned();
    }
    let mut text = String::new();
    for change in changes {
        let key = change["key"].as_str().unwrap_or_default();
        let side = |name: &str| change[name].as_str().map(str::to_owned);
        let line = match (side("before"), side("after")) {
            (None, Some(after)) => format!("+ {key} = {after}\n"),
            (Some(before), None) => format!("- {key} = {before}\n"),
            (Some(before), Some(after)) => format!("~ {key} = {before} -> {after}\n"),
            (None, None) => String::new(),
        };
        text.push_str(&line);
    }
    text.push_str("Nothing has changed yet; run it without --dry-run.\n");
    text
}
