//! Keys of the server's clients: made, listed, revoked (design.md 5).

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use weir_model::time::Instant;

use super::super::control::{KeyRecord, Role};
use super::super::keys::{self, Pattern};
use super::super::record::Control;
use super::answer::{self, Problem};
use super::change::{Changed, changed, read_json};
use super::extract::Id;
use super::{App, auth, room};

type Answer = Result<Response<Body>, Problem>;

/// A key as lists show it.
#[derive(Debug, Serialize, ToSchema)]
pub struct ShownKey {
    /// Its public part.
    id: String,
    /// What it is for.
    name: String,
    role: Role,
    /// Subjects that it may send and ask for, with `*` for any text; `null`: all.
    subjects: Option<String>,
    /// Sources that it may send; `null`: all.
    sources: Option<String>,
    /// When it ends.
    expires_at: Option<String>,
    /// The key. Only when it was just made: it is shown once.
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

/// All keys.
#[derive(Debug, Serialize, ToSchema)]
pub struct ShownKeys {
    keys: Vec<ShownKey>,
}

/// Lists the keys, without their secrets.
#[utoipa::path(
    get, path = "/v1/keys", tag = "keys", security(("key" = ["admin"])),
    responses((status = 200, description = "All keys", body = ShownKeys)),
)]
pub async fn list(State(app): State<Arc<App>>, headers: HeaderMap) -> Answer {
    auth::authorize(&app, &headers, Role::Admin)?;
    let epoch = app.epoch.load();
    let keys: Vec<ShownKey> = epoch.control.keys.values().map(|record| ShownKey::of(record, None)).collect();
    Ok(answer::json(200, &ShownKeys { keys }))
}

/// A key to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewKey {
    /// What it is for.
    name: String,
    role: Role,
    /// Subjects that it may send and ask for, with `*` for any text.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    subjects: Option<Pattern>,
    /// Sources that it may send.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    sources: Option<Pattern>,
    /// When it ends.
    #[serde(default)]
    expires_at: Option<String>,
}

/// Makes a key and shows it, once.
#[utoipa::path(
    post, path = "/v1/keys", tag = "keys", security(("key" = ["admin"])),
    request_body(content = NewKey, description = "The key",
        example = json!({"name": "billing", "role": "ingest", "subjects": "acme-*", "expires_at": "2027-12-31T00:00:00Z"})),
    responses((status = 201, description = "The key", body = ShownKey)),
)]
pub async fn create(State(app): State<Arc<App>>, headers: HeaderMap, body: Body) -> Answer {
    auth::authorize(&app, &headers, Role::Admin)?;
    let NewKey { name, role, subjects, sources, expires_at } = read_json(&room::document(&app, &headers, body).await?)?;
    let no_admin = !app.epoch.load().control.keys.values().any(|key| key.role == Role::Admin);
    if no_admin && role != Role::Admin {
        let detail = "the first key must be an administrator's: with any key there is no entry without one";
        return Err(Problem::new(409, "admin_first", detail));
    }
    let expires = |text: String| {
        let at: Result<jiff::Timestamp, _> = text.parse();
        at.map(jiff::Timestamp::as_microsecond)
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

/// Makes a key worth nothing.
#[utoipa::path(
    delete, path = "/v1/keys/{id}", tag = "keys", security(("key" = ["admin"])),
    params(("id" = String, Path, description = "The key's public part")),
    responses((status = 200, description = "It is worth nothing any more", body = Changed)),
)]
pub async fn revoke(State(app): State<Arc<App>>, Id(id): Id, headers: HeaderMap) -> Answer {
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
