//! What was turned away, and its second chance: `GET /v1/quarantine`, `POST /v1/quarantine/replay`.
//!
//! Owns: finding entries in the archive's quarantine files, newest first, and sending rejected records again as if they had just come: whatever is
//! taken then counts once, so that a replay may be repeated. A conflict cannot be replayed: the first event stands.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Response};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use weir_files::Files;

use super::super::control::Role;
use super::super::start::ARCHIVE;
use super::super::whole_files::read_all;
use super::answer::{self, Problem, Taken};
use super::change::read_json;
use super::extract::Query;
use super::{App, auth, ingest, room};

/// Entries of one answer, at most, and unless somebody says otherwise.
const ENTRIES_MAX: usize = 1_000;
const ENTRIES: usize = 100;

/// Which entries.
#[derive(Debug, Clone, Default, Deserialize, IntoParams, ToSchema)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
#[schema(as = QuarantineFilter)]
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

/// What was turned away.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Entries {
    /// Newest first; docs/quarantine.md says what each holds. `entry` names it.
    #[schema(value_type = Vec<Object>)]
    entries: Vec<Value>,
}

/// What became of a replay.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Replayed {
    result: Taken,
    /// Entries that cannot be sent again: cut off, or conflicts, of which the first event stands.
    not_replayable: u64,
}

/// Lists what was turned away, newest first.
#[utoipa::path(
    get, path = "/v1/quarantine", tag = "quarantine", security(("key" = ["admin"])), params(Filter),
    responses((status = 200, description = "Entries of archive batches that are whole", body = Entries)),
)]
pub async fn list(
    State(app): State<Arc<App>>,
    Query(filter): Query<Filter>,
    headers: HeaderMap,
) -> Result<Response<Body>, Problem> {
    auth::authorize(&app, &headers, Role::Admin)?;
    let entries = find(&app, filter).await?;
    Ok(answer::json(200, &Entries { entries }))
}

/// Sends rejected records again as if they had just come.
///
/// The body filters as a list's query does. Whatever is taken counts once, so that a replay may be repeated.
#[utoipa::path(
    post, path = "/v1/quarantine/replay", tag = "quarantine", security(("key" = ["admin"])),
    request_body(content = Filter, description = "Which entries", example = json!({"code": "value_invalid", "limit": 100})),
    responses((status = 200, description = "What became of them", body = Replayed)),
)]
pub async fn replay(State(app): State<Arc<App>>, headers: HeaderMap, body: Body) -> Result<Response<Body>, Problem> {
    auth::authorize(&app, &headers, Role::Admin)?;
    let filter: Filter = read_json(&room::document(&app, &headers, body).await?)?;
    let entries = find(&app, filter).await?;
    let (mut text, mut not_replayable) = (Vec::new(), 0);
    for entry in &entries {
        let is_whole = entry["truncated"].as_bool() != Some(true) && entry["code"] != "conflict";
        match entry["record"].as_str().filter(|record| is_whole && !record.contains('\n')) {
            Some(record) => {
                text.extend_from_slice(record.as_bytes());
                text.push(b'\n');
            }
            None => not_replayable += 1,
        }
    }
    let result = ingest::take_lines(&app, text).await?;
    Ok(answer::json(200, &Replayed { result, not_replayable }))
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
