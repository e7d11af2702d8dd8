//! API keys over HTTP.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Response};
use serde::{Deserialize, Serialize};
use weir_model::time::Instant;

use super::super::control::{KeyRecord, Role};
use super::super::keys::{self, Pattern};
use super::super::record::Control;
use super::answer::{self, Problem};
use super::catalog::{changed, read_json};
use super::{App, auth};

type Answer = Result<Response<Body>, Problem>;

/// A key as lists show it.
#[derive(Debug, Serialize)]
pub struct ShownKey {
    id: String,
    name: String,
    role: Role,
    subjects: Option<String>,
    sources: Option<String>,
    expires_at: Option<String>,
    /// Only when it was just made: it is shown once.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
}

impl ShownKey {
    fn of(record: &KeyRecord, key: Option<String>) -> ShownKey {
        let text = |pattern: &Option<Pattern>| pattern.as_ref().map(|pattern| pattern.0.clone());
        ShownKey {
            id: record.id.clone(),
            name: record.name.clone(),
            role: record.role,
            subjects: text(&record.subjects),
            sources: text(&record.sources),
            expires_at: record.expires_at_us.map(|micros| Instant::from_micros(micros).to_string()),
            key,
        }
    }
}

/// `GET /v1/keys`
pub async fn list(State(app): State<Arc<App>>, headers: HeaderMap) -> Answer {
    auth::authorize(&app, &headers, Role::Admin)?;
    let epoch = app.epoch.load();
    let keys: Vec<ShownKey> = epoch.control.keys.values().map(|record| ShownKey::of(record, None)).collect();
    Ok(answer::json(200, &serde_json::json!({ "keys": keys })))
}

/// A key to be made.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NewKey {
    name: String,
    role: Role,
    #[serde(default)]
    subjects: Option<Pattern>,
    #[serde(default)]
    sources: Option<Pattern>,
    #[serde(default)]
    expires_at: Option<String>,
}

/// `POST /v1/keys`
pub async fn create(State(app): State<Arc<App>>, headers: HeaderMap, body: Bytes) -> Answer {
    auth::authorize(&app, &headers, Role::Admin)?;
    let NewKey { name, role, subjects, sources, expires_at } = read_json(&body)?;
    let no_admin = !app.epoch.load().control.keys.values().any(|key| key.role == Role::Admin);
    if no_admin && role != Role::Admin {
        let detail = "the first key must be an administrator's: with any key there is no entry without one";
        return Err(Problem::new(409, "admin_first", detail));
    }
    let expires = |text: String| {
        let at: Result<jiff::Timestamp, _> = text.parse();
        at.map(|at| at.as_microsecond())
            .map_err(|error| Problem::invalid("json_invalid", format!("expires_at: {error}")))
    };
    let expires_at_us = expires_at.map(expires).transpose()?;
    let made = keys::create(name, role).map_err(|error| Problem::new(500, "internal", error.to_string()));
    let (key, record) = made?;
    let record = KeyRecord { subjects, sources, expires_at_us, ..record };
    let shown = ShownKey::of(&record, Some(key));
    app.change(Control::Key(record)).await?;
    Ok(answer::json(201, &shown))
}

/// `DELETE /v1/keys/{id}`
pub async fn revoke(State(app): State<Arc<App>>, Path(id): Path<String>, headers: HeaderMap) -> Answer {
    auth::authorize(&app, &headers, Role::Admin)?;
    let epoch = app.epoch.load_full();
    let mut admins = epoch.control.keys.values().filter(|key| key.role == Role::Admin);
    let is_last =
        admins.all(|key| key.id == id) && epoch.control.keys.get(&id).is_some_and(|key| key.role == Role::Admin);
    if is_last {
        return Err(Problem::new(409, "last_admin", "this is the last administrator's key; make another one first"));
    }
    Ok(changed(&app.change(Control::KeyRevoked { id }).await?))
}
