//! A change to what rating depends on: checked, compiled, logged, in force (design.md 4.4).
//!
//! Owns: one change at a time, each against what is in force, and the answer once it is durable and applied. Does not own: what the changes are
//! (`catalog`, `customers`, `closes`, `keys`).

use std::sync::Arc;

use axum::body::Body;
use axum::http::Response;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use utoipa::ToSchema;
use weir_model::time::Instant;

use super::super::control::ControlError;
use super::super::epoch::{Epoch, EpochError};
use super::super::message::{Applied, ControlRequest, ToJournal};
use super::super::record::Control;
use super::App;
use super::answer::{self, Problem};

/// A change that is in force.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Changed {
    /// Its number among the control records.
    sequence: u64,
    /// Its place in the log.
    offset: u64,
    /// When it came into force.
    log_time: String,
    /// What it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

impl App {
    /// What would be in force after a change.
    pub(super) async fn follow(&self, control: Control) -> Result<(Control, Epoch), Problem> {
        let before = self.epoch.load_full();
        let mut state = before.control.clone();
        state.change(&control).map_err(|error| conflict(&error))?;
        state.sequence += 1;
        // Nothing that has been taken may become another price: events may lie as far ahead as clocks may differ.
        let skew = self.settings.ingest.clock_skew_max.unwrap_or_default();
        let skew_us = i64::try_from(skew.as_micros()).unwrap_or(i64::MAX);
        let not_before = Instant::from_micros(self.clock.now().micros().saturating_add(skew_us));
        let compiled = tokio::task::spawn_blocking(move || Epoch::follow(state, &before, Some(not_before))).await;
        let epoch = compiled.map_err(|_| Problem::stopped())?.map_err(|error| unprocessable(&error))?;
        Ok((control, epoch))
    }

    /// Makes a change. It goes on if whoever asks goes away: what is in the log must be in force here as well.
    pub(super) async fn change(self: &Arc<App>, control: Control) -> Result<Applied, Problem> {
        let app = Arc::clone(self);
        tokio::spawn(async move { app.log(control).await }).await.map_err(|_| Problem::stopped())?
    }

    async fn log(&self, control: Control) -> Result<Applied, Problem> {
        let _one_at_a_time = self.control.lock().await;
        let (control, epoch) = self.follow(control).await?;
        let (reply, applied) = oneshot::channel();
        self.submit(ToJournal::Control(Box::new(ControlRequest { control, epoch, reply })))?;
        let applied = applied.await.map_err(|_| Problem::stopped())??;
        self.epoch.store(Arc::clone(&applied.epoch));
        Ok(applied)
    }

    /// Puts a catalog in force, for the server itself.
    pub async fn put_catalog(self: &Arc<App>, text: &str) -> anyhow::Result<()> {
        let control = Control::Catalog { text: text.to_owned(), files: Vec::new() };
        self.change(control).await.map(drop).map_err(|problem| anyhow::anyhow!("{}", problem.detail))
    }
}

impl Changed {
    pub(super) fn of(applied: &Applied) -> Changed {
        let (log_time, note) = (applied.log_time.to_string(), applied.note.clone());
        Changed { sequence: applied.epoch.control.sequence, offset: applied.offset, log_time, note }
    }
}

/// Tells of a change that is in force.
pub(super) fn changed(applied: &Applied) -> Response<Body> {
    answer::json(200, &Changed::of(applied))
}

/// Why a change cannot follow.
pub(super) fn conflict(error: &ControlError) -> Problem {
    let (status, code) = match error {
        ControlError::Reserved(_) => (501, "not_supported"),
        ControlError::NoCustomer(_) => (404, "no_such_customer"),
        ControlError::NoKey(_) => (404, "no_such_key"),
        ControlError::Declared(_) => (409, "declared_in_catalog"),
        ControlError::Earlier { .. } => (409, "sealed_already"),
        ControlError::Gap { .. } => (500, "internal"),
    };
    Problem::new(status, code, error.to_string())
}

fn unprocessable(error: &EpochError) -> Problem {
    let text = error.to_string();
    let findings: Vec<String> = text.lines().map(str::to_owned).collect();
    let detail = match error {
        EpochError::Retroactive(_) => {
            "the catalog cannot follow the one in force: what is rated already would cost something else"
        }
        _ => "the catalog is not sound; nothing has changed",
    };
    Problem { findings, ..Problem::new(422, "catalog_invalid", detail) }
}

/// A body of JSON.
pub(super) fn read_json<T: for<'d> Deserialize<'d>>(body: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(body).map_err(|error| Problem::invalid("json_invalid", error.to_string()))
}
