//! Closes: periods that are sealed (design.md 4.9, L8).

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use weir_model::time::Instant;

use super::super::control::Role;
use super::super::epoch::Epoch;
use super::super::record::Control;
use super::answer::{self, Problem};
use super::change::{Changed, read_json};
use super::{App, auth, room};

type Answer = Result<Response<Body>, Problem>;

/// What is to be sealed.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewClose {
    /// Periods that end by then: a date in the catalog's zone, or an instant. Not in the future.
    through: String,
}

/// What became of a close.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum CloseAnswer {
    /// Periods are sealed.
    Changed(Changed),
    /// That was sealed before; nothing has changed.
    Closed(Closed),
}

/// Seals every period that ends at or before an instant.
///
/// Repeating the last close changes nothing, so that cron may. `weir invoices build` makes documents of what it leaves.
#[utoipa::path(
    post, path = "/v1/closes", tag = "closes", security(("key" = ["admin"])),
    request_body(content = NewClose, description = "Through when", example = json!({"through": "2026-11-01"})),
    responses((status = 200, description = "They are sealed", body = CloseAnswer)),
)]
pub async fn close(State(app): State<Arc<App>>, headers: HeaderMap, body: Body) -> Answer {
    auth::authorize(&app, &headers, Role::Admin)?;
    let NewClose { through } = read_json(&room::document(&app, &headers, body).await?)?;
    let epoch = app.epoch.load_full();
    let Some(rules) = &epoch.rules else {
        return Err(Problem::new(409, "no_catalog", "there is no catalog yet, and so nothing to close"));
    };
    let through = crate::run::parse_instant("through", &through, &rules.catalog)
        .map_err(|error| Problem::invalid("through_invalid", format!("{error:#}")))?;
    if through > app.clock.now() {
        let detail = format!("{through} has not come yet; a period is closed once it is over");
        return Err(Problem::new(409, "not_over", detail));
    }
    // Asking for what is sealed already is safe: cron may repeat itself.
    if epoch.control.sealed_through().is_some_and(|sealed| sealed == through) {
        return Ok(answer::json(200, &CloseAnswer::Closed(Closed { closes: instants(&epoch) })));
    }
    let applied = app.change(Control::Close { through_us: through.micros() }).await?;
    Ok(answer::json(200, &CloseAnswer::Changed(Changed::of(&applied))))
}

/// Closes so far.
#[derive(Debug, Serialize, ToSchema)]
pub struct Closed {
    /// Through when each has sealed, in their order.
    closes: Vec<String>,
}

fn instants(epoch: &Epoch) -> Vec<String> {
    epoch.control.closes_us.iter().map(|micros| Instant::from_micros(*micros).to_string()).collect()
}

/// Lists the closes so far.
#[utoipa::path(
    get, path = "/v1/closes", tag = "closes", security(("key" = ["read"])),
    responses((status = 200, description = "All closes", body = Closed)),
)]
pub async fn list(State(app): State<Arc<App>>, headers: HeaderMap) -> Answer {
    auth::authorize(&app, &headers, Role::Read)?;
    Ok(answer::json(200, &Closed { closes: instants(&app.epoch.load()) }))
}
