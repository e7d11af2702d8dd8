//! Who asks, and what they may (design.md 5, L12).

use std::sync::Arc;

use axum::http::{HeaderMap, header};

use super::super::control::{KeyRecord, Role};
use super::super::keys::{self, KeyError};
use super::App;
use super::answer::Problem;

/// A request's key, if keys are asked for.
pub type Caller = Option<KeyRecord>;

/// Checks that a request may do what `role` may. Without any key in the deployment everybody on this machine may do everything.
pub fn authorize(app: &App, headers: &HeaderMap, role: Role) -> Result<Caller, Problem> {
    let epoch = app.epoch.load();
    if epoch.control.keys.is_empty() {
        return Ok(None);
    }
    let unauthorized = |detail: &str| Problem::new(401, "unauthorized", detail);
    let value = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let Some(key) = value.and_then(|value| value.strip_prefix("Bearer ")) else {
        return Err(unauthorized("a key is needed: send `Authorization: Bearer weir_...`"));
    };
    let record = keys::find(&epoch.control.keys, key.trim(), app.clock.now()).map_err(|error| match error {
        KeyError::Unknown => unauthorized("the key is not known here, or was revoked"),
        KeyError::Expired => unauthorized("the key has expired; ask for a new one"),
    })?;
    let may = match (record.role, role) {
        (Role::Admin, _) => true,
        (has, wanted) => has == wanted,
    };
    if may {
        return Ok(Some(record.clone()));
    }
    Err(Problem::new(403, "forbidden", format!("this takes the role {role}; the key has the role {}", record.role)))
}

/// The key whose patterns events must match, if it has any.
pub fn scope(caller: Caller) -> Option<Arc<KeyRecord>> {
    caller.filter(|key| key.subjects.is_some() || key.sources.is_some()).map(Arc::new)
}
