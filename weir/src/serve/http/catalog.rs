//! Control records over HTTP: catalog, customers, closes (design.md 4.4).
//!
//! One change at a time: it is checked against what is in force, compiled, logged, and in force for every event behind it. The answer comes
//! once it is durable and applied.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, Response, header};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use weir_model::time::Instant;

use super::super::control::{ControlError, CustomerDocument, Role, Subscription};
use super::super::epoch::{Epoch, EpochError};
use super::super::message::{Applied, ControlRequest, ToJournal};
use super::super::record::Control;
use super::answer::{self, Problem};
use super::{App, auth};

type Answer = Result<Response<Body>, Problem>;

/// A change that is in force.
#[derive(Debug, Clone, Serialize)]
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

/// Asks for a change to be shown and not made.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DryRun {
    /// `?dry_run` or `?dry_run=true`.
    #[serde(default)]
    dry_run: Option<Flag>,
}

/// A parameter that is set by its name alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
enum Flag {
    #[serde(rename = "", alias = "true", alias = "1")]
    Yes,
    #[serde(rename = "false", alias = "0")]
    No,
}

impl App {
    /// What would be in force after a change.
    async fn follow(&self, control: Control) -> Result<(Control, Epoch), Problem> {
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

    /// Makes a change. Whoever asked may go away: what is written comes into force all the same.
    pub(super) async fn change(self: &Arc<App>, control: Control) -> Result<Applied, Problem> {
        let app = Arc::clone(self);
        let changing = tokio::spawn(async move { app.change_to_the_end(control).await });
        changing.await.map_err(|_| Problem::stopped())?
    }

    async fn change_to_the_end(&self, control: Control) -> Result<Applied, Problem> {
        let _one_at_a_time = self.control.lock().await;
        let (control, epoch) = self.follow(control).await?;
        let (reply, applied) = oneshot::channel();
        self.submit(ToJournal::Control(Box::new(ControlRequest { control, epoch, reply })))?;
        let applied = applied.await.map_err(|_| Problem::stopped())??;
        self.epoch.store(Arc::clone(&applied.epoch));
        Ok(applied)
    }
}

impl App {
    /// Puts a catalog in force, for the server itself.
    pub async fn put_catalog(self: &Arc<App>, text: &str) -> anyhow::Result<()> {
        let control = Control::Catalog { text: text.to_owned(), files: Vec::new() };
        self.change(control).await.map(drop).map_err(|problem| anyhow::anyhow!("{}", problem.detail))
    }
}

pub(super) fn changed(applied: &Applied) -> Response<Body> {
    let (log_time, note) = (applied.log_time.to_string(), applied.note.clone());
    let sequence = applied.epoch.control.sequence;
    answer::json(200, &Changed { sequence, offset: applied.offset, log_time, note })
}

fn conflict(error: &ControlError) -> Problem {
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

/// The catalog in force.
#[derive(Debug, Serialize)]
struct ShownCatalog {
    sequence: u64,
    /// XXH3-64 of the texts, hexadecimal.
    hash: String,
    text: String,
    files: BTreeMap<String, String>,
    customers: Vec<CustomerDocument>,
    warnings: Vec<String>,
}

/// `GET /v1/catalog`
pub async fn show(State(app): State<Arc<App>>, headers: HeaderMap) -> Answer {
    auth::authorize(&app, &headers, Role::Admin)?;
    let epoch = app.epoch.load_full();
    let (Some(texts), Some(rules)) = (&epoch.control.catalog, &epoch.rules) else {
        return Err(Problem::new(404, "no_catalog", "there is no catalog yet; give one with PUT /v1/catalog"));
    };
    Ok(answer::json(
        200,
        &ShownCatalog {
            sequence: epoch.control.sequence,
            hash: format!("{:016x}", rules.catalog.hash),
            text: texts.text.clone(),
            files: texts.files.clone(),
            customers: epoch.control.customers.clone(),
            warnings: rules.warnings.iter().map(ToString::to_string).collect(),
        },
    ))
}

/// A catalog with the files that it names.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CatalogBody {
    text: String,
    #[serde(default)]
    files: BTreeMap<String, String>,
}

/// What a catalog would change.
#[derive(Debug, Serialize)]
struct Preview {
    hash: String,
    changes: Vec<Difference>,
    warnings: Vec<String>,
}

/// A key of the catalog that differs.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Difference {
    key: String,
    before: Option<String>,
    after: Option<String>,
}

/// `PUT /v1/catalog`: TOML, or the same as JSON; `?dry_run` shows what would change.
pub async fn put(
    State(app): State<Arc<App>>,
    Query(DryRun { dry_run }): Query<DryRun>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    auth::authorize(&app, &headers, Role::Admin)?;
    let CatalogBody { text, files } = read_catalog(&headers, &body)?;
    let before = app.epoch.load_full();
    let control = Control::Catalog { text: text.clone(), files: files.into_iter().collect() };
    if dry_run == Some(Flag::Yes) {
        let (_, epoch) = app.follow(control).await?;
        let old = before.control.catalog.as_ref().map_or("", |texts| texts.text.as_str());
        let rules = epoch.rules.as_ref();
        return Ok(answer::json(
            200,
            &Preview {
                hash: rules.map_or_else(String::new, |rules| format!("{:016x}", rules.catalog.hash)),
                changes: differences(old, &text),
                warnings: rules.map_or_else(Vec::new, |rules| rules.warnings.iter().map(ToString::to_string).collect()),
            },
        ));
    }
    Ok(changed(&app.change(control).await?))
}

fn read_catalog(headers: &HeaderMap, body: &[u8]) -> Result<CatalogBody, Problem> {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let media = content_type.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    let invalid = |error: String| Problem::invalid("catalog_unreadable", error);
    match media.as_str() {
        "application/toml" | "text/plain" | "text/x-toml" | "" => {
            let text =
                std::str::from_utf8(body).map_err(|error| invalid(format!("the catalog is not UTF-8: {error}")))?;
            Ok(CatalogBody { text: text.to_owned(), files: BTreeMap::new() })
        }
        "application/vnd.weir.catalog+json" => serde_json::from_slice(body).map_err(|error| invalid(error.to_string())),
        "application/json" => {
            let value: toml::Table = serde_json::from_slice(body).map_err(|error| invalid(error.to_string()))?;
            let text = toml::to_string(&value).map_err(|error| invalid(error.to_string()))?;
            Ok(CatalogBody { text, files: BTreeMap::new() })
        }
        _ => {
            let detail = format!("the content type {media:?} is no catalog: send application/toml or application/json");
            Err(Problem::new(415, "content_type_unsupported", detail))
        }
    }
}

/// Which keys two catalogs have different values for, by name.
fn differences(before: &str, after: &str) -> Vec<Difference> {
    let flat = |text: &str| {
        let mut keys = BTreeMap::new();
        flatten("", &toml::Value::Table(text.parse().unwrap_or_default()), &mut keys);
        keys
    };
    let (mut before, after) = (flat(before), flat(after));
    let mut differences = Vec::new();
    for (key, value) in after {
        let old = before.remove(&key);
        if old.as_ref() != Some(&value) {
            differences.push(Difference { key, before: old, after: Some(value) });
        }
    }
    differences.extend(before.into_iter().map(|(key, old)| Difference { key, before: Some(old), after: None }));
    differences.sort_by(|one, other| one.key.cmp(&other.key));
    differences
}

fn flatten(path: &str, value: &toml::Value, keys: &mut BTreeMap<String, String>) {
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match value {
        toml::Value::Table(table) => table.iter().for_each(|(name, value)| flatten(&below(name), value, keys)),
        toml::Value::Array(values) if values.iter().any(toml::Value::is_table) => {
            values.iter().enumerate().for_each(|(index, value)| flatten(&below(&index.to_string()), value, keys));
        }
        value => {
            keys.insert(path.to_owned(), value.to_string());
        }
    }
}

/// `PUT /v1/customers/{id}`
pub async fn put_customer(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    auth::authorize(&app, &headers, Role::Admin)?;
    let mut value: serde_json::Value = read_json(&body)?;
    match value.as_object_mut() {
        Some(object) => object.entry("id").or_insert_with(|| id.clone().into()),
        None => return Err(Problem::invalid("json_invalid", "a customer is a JSON object")),
    };
    let customer: CustomerDocument =
        serde_json::from_value(value).map_err(|error| Problem::invalid("json_invalid", error.to_string()))?;
    if customer.id != id {
        return Err(Problem::invalid("json_invalid", format!("the body names customer {:?}", customer.id)));
    }
    Ok(changed(&app.change(Control::Customers { customers: checked(&app, vec![customer])? }).await?))
}

/// `POST /v1/customers`: several at once, as a JSON array.
pub async fn put_customers(State(app): State<Arc<App>>, headers: HeaderMap, body: Bytes) -> Answer {
    auth::authorize(&app, &headers, Role::Admin)?;
    let customers: Vec<CustomerDocument> = read_json(&body)?;
    Ok(changed(&app.change(Control::Customers { customers: checked(&app, customers)? }).await?))
}

/// Later plans come by subscriptions, and the catalog's own customers by the catalog.
fn checked(app: &App, customers: Vec<CustomerDocument>) -> Result<Vec<CustomerDocument>, Problem> {
    let epoch = app.epoch.load();
    for customer in &customers {
        if !customer.changes.is_empty() {
            let detail =
                format!("customer {:?}: later plans come by POST /v1/customers/{{id}}/subscriptions", customer.id);
            return Err(Problem::invalid("json_invalid", detail));
        }
        let in_catalog = epoch.control.customer(&customer.id).is_none()
            && epoch
                .rules
                .as_ref()
                .is_some_and(|rules| rules.catalog.customers.iter().any(|known| known.id == customer.id));
        if in_catalog {
            return Err(conflict(&ControlError::Declared(customer.id.clone())));
        }
    }
    Ok(customers)
}

/// `POST /v1/customers/{id}/subscriptions`
pub async fn subscribe(
    State(app): State<Arc<App>>,
    Path(customer): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body {
        plan: String,
        effective_at: String,
    }
    auth::authorize(&app, &headers, Role::Admin)?;
    let Body { plan, effective_at } = read_json(&body)?;
    let subscription = Subscription { customer, effective_at, plan };
    Ok(changed(&app.change(Control::Subscription(subscription)).await?))
}

/// `POST /v1/customers/{id}/erase`: forgets name, address and tax id.
pub async fn erase(State(app): State<Arc<App>>, Path(customer): Path<String>, headers: HeaderMap) -> Answer {
    auth::authorize(&app, &headers, Role::Admin)?;
    Ok(changed(&app.change(Control::Erase { customer }).await?))
}

/// `POST /v1/closes`
pub async fn close(State(app): State<Arc<App>>, headers: HeaderMap, body: Bytes) -> Answer {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body {
        through: String,
    }
    auth::authorize(&app, &headers, Role::Admin)?;
    let Body { through } = read_json(&body)?;
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
        return Ok(answer::json(200, &Closed { closes: list(&epoch) }));
    }
    Ok(changed(&app.change(Control::Close { through_us: through.micros() }).await?))
}

/// Closes so far.
#[derive(Debug, Serialize)]
struct Closed {
    closes: Vec<String>,
}

fn list(epoch: &Epoch) -> Vec<String> {
    epoch.control.closes_us.iter().map(|micros| Instant::from_micros(*micros).to_string()).collect()
}

/// `GET /v1/closes`
pub async fn closes(State(app): State<Arc<App>>, headers: HeaderMap) -> Answer {
    auth::authorize(&app, &headers, Role::Read)?;
    Ok(answer::json(200, &Closed { closes: list(&app.epoch.load()) }))
}

pub(super) fn read_json<T: for<'d> Deserialize<'d>>(body: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(body).map_err(|error| Problem::invalid("json_invalid", error.to_string()))
}
