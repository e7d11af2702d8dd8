//! What was turned away, and its second chance: `GET /v1/quarantine`, `POST /v1/quarantine/replay`.
//!
//! Owns: finding entries in the archive's quarantine files, newest first, and sending rejected records again as if they had just come: whatever is
//! taken then counts once, so that a replay may be repeated. A conflict cannot be replayed: the first event stands.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Query, State};
use axum::http::{HeaderMap, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use weir_files::Files;

use super::super::control::Role;
use super::super::snapshot::read_all;
use super::super::start::ARCHIVE;
use super::answer::{self, Problem};
use super::{App, auth, ingest};

/// Entries of one answer, at most, and unless somebody says otherwise.
const ENTRIES_MAX: usize = 1_000;
const ENTRIES: usize = 100;

/// Which entries.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    /// A code of docs/rejections.md, or `conflict`.
    #[serde(default)]
    code: Option<String>,
    /// Entries behind this one, as the answer before named it.
    #[serde(default)]
    after: Option<String>,
    /// How many at most.
    #[serde(default)]
    limit: Option<usize>,
}

/// `GET /v1/quarantine`
pub async fn list(
    State(app): State<Arc<App>>,
    Query(filter): Query<Filter>,
    headers: HeaderMap,
) -> Result<Response<Body>, Problem> {
    auth::authorize(&app, &headers, Role::Admin)?;
    let entries = find(&app, filter).await?;
    Ok(answer::json(200, &json!({ "entries": entries })))
}

/// `POST /v1/quarantine/replay`: the body filters like the query of a list.
pub async fn replay(State(app): State<Arc<App>>, headers: HeaderMap, body: Bytes) -> Result<Response<Body>, Problem> {
    auth::authorize(&app, &headers, Role::Admin)?;
    let filter: Filter =
        serde_json::from_slice(&body).map_err(|error| Problem::invalid("json_invalid", error.to_string()))?;
    let entries = find(&app, filter).await?;
    let (mut text, mut skipped) = (Vec::new(), 0);
    for entry in &entries {
        let is_whole = entry["truncated"].as_bool() != Some(true) && entry["code"] != "conflict";
        match entry["record"].as_str().filter(|record| is_whole && !record.contains('\n')) {
            Some(record) => {
                text.extend_from_slice(record.as_bytes());
                text.push(b'\n');
            }
            None => skipped += 1,
        }
    }
    let taken = ingest::take_lines(&app, text).await?;
    Ok(answer::json(200, &json!({ "result": taken, "not_replayable": skipped })))
}

async fn find(app: &Arc<App>, filter: Filter) -> Result<Vec<Value>, Problem> {
    if app.settings.archive.is_none() {
        let detail = "the quarantine is a part of the archive, which is off (archive.mode)";
        return Err(Problem::new(409, "archive_off", detail));
    }
    let files = Arc::clone(&app.files);
    let found = tokio::task::spawn_blocking(move || read(files.as_ref(), &filter)).await;
    let found = found.map_err(|_| Problem::stopped())?;
    found.map_err(|error| Problem::new(500, "internal", format!("the quarantine cannot be read: {error:#}")))
}

/// Entries of batches that are whole, newest first. Each has an `entry`: its file and its line.
fn read(files: &dyn Files, filter: &Filter) -> anyhow::Result<Vec<Value>> {
    let limit = filter.limit.unwrap_or(ENTRIES).min(ENTRIES_MAX);
    let list = |folder: &str| -> anyhow::Result<Vec<String>> {
        let is_there = files.list(ARCHIVE)?.iter().any(|name| name == folder);
        Ok(if is_there { files.list(&format!("{ARCHIVE}/{folder}"))? } else { Vec::new() })
    };
    let batches = list("batches")?;
    let mut found = Vec::new();
    let after = filter.after.as_deref().and_then(|after| after.rsplit_once(':'));
    let after = after.and_then(|(stem, line)| Some((stem.to_owned(), line.parse::<usize>().ok()?)));
    for name in list("quarantine")?.iter().rev() {
        let stem = name.trim_end_matches(".ndjson");
        let is_whole = batches.binary_search(&format!("{stem}.json")).is_ok();
        let is_before = after.as_ref().is_some_and(|(last, _)| stem > last.as_str());
        if !is_whole || is_before {
            continue;
        }
        let bytes = read_all(files, &format!("{ARCHIVE}/quarantine/{name}"))?;
        for (number, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
            let is_before = after.as_ref().is_some_and(|(last, line)| stem == last && number <= *line);
            if line.is_empty() || is_before {
                continue;
            }
            let mut entry: Value = serde_json::from_slice(line)?;
            if filter.code.as_ref().is_some_and(|code| entry["code"] != code.as_str()) {
                continue;
            }
            entry["entry"] = format!("{stem}:{number}").into();
            found.push(entry);
            if found.len() == limit {
                return Ok(found);
            }
        }
    }
    Ok(found)
}
