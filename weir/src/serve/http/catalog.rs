//! The catalog in force, and another one (design.md 4.4).

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Response, header};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::super::control::{CustomerDocument, Role};
use super::super::record::Control;
use super::answer::{self, Problem};
use super::change::Changed;
use super::extract::Query;
use super::{App, auth, room};

type Answer = Result<Response<Body>, Problem>;

/// Asks for a change to be shown and not made.
#[derive(Debug, Clone, Copy, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DryRun {
    /// Show what would change, and change nothing.
    #[serde(default)]
    #[param(value_type = Option<bool>)]
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

/// The catalog in force.
#[derive(Debug, Serialize, ToSchema)]
pub struct ShownCatalog {
    /// How many control records there are.
    sequence: u64,
    /// XXH3-64 of the texts, hexadecimal.
    hash: String,
    /// TOML.
    text: String,
    /// Texts of the files that it names.
    files: BTreeMap<String, String>,
    /// Those that came over the API.
    customers: Vec<CustomerDocument>,
    /// What is surprising in it.
    warnings: Vec<String>,
}

/// Shows the catalog in force.
#[utoipa::path(
    get, path = "/v1/catalog", tag = "catalog", security(("key" = ["admin"])),
    responses((status = 200, description = "The catalog in force", body = ShownCatalog)),
)]
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
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CatalogBody {
    /// TOML.
    text: String,
    /// Texts of the files that it names.
    #[serde(default)]
    files: BTreeMap<String, String>,
}

/// What a catalog would change.
#[derive(Debug, Serialize, ToSchema)]
pub struct Preview {
    /// What the catalog's hash would be.
    hash: String,
    /// By key.
    changes: Vec<Difference>,
    /// What is surprising in it.
    warnings: Vec<String>,
}

/// What became of a catalog.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum PutCatalog {
    /// It is in force.
    Changed(Changed),
    /// It would change this.
    Preview(Preview),
}

/// A key of the catalog that differs.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Difference {
    /// As `prices.tokens.tiers.0.unit_amount`.
    key: String,
    /// Its value now, if it has one.
    before: Option<String>,
    /// Its value then, if it has one.
    after: Option<String>,
}

/// Puts a catalog in force for everything that comes from now on.
///
/// What is rated already keeps its price: a catalog that would change it is refused with findings.
#[utoipa::path(
    put, path = "/v1/catalog", tag = "catalog", security(("key" = ["admin"])), params(DryRun),
    request_body(description = "The catalog as TOML, the same as JSON, or with the files that it names", content(
        (String = "application/toml", example = "name = \"acme\"\ncurrency = \"USD\"\n..."),
        (Object = "application/json"),
        (CatalogBody = "application/vnd.weir.catalog+json"),
    )),
    responses(
        (status = 200, description = "It is in force; with `dry_run` what would change", body = PutCatalog),
        (status = 422, description = "It is not sound, or cannot follow the one in force: `findings` says why",
         body = Problem, content_type = "application/problem+json"),
    ),
)]
pub async fn put(
    State(app): State<Arc<App>>,
    Query(DryRun { dry_run }): Query<DryRun>,
    headers: HeaderMap,
    body: Body,
) -> Answer {
    auth::authorize(&app, &headers, Role::Admin)?;
    let body = room::document(&app, &headers, body).await?;
    let CatalogBody { text, files } = read_catalog(&headers, &body)?;
    let before = app.epoch.load_full();
    let control = Control::Catalog { text: text.clone(), files: files.into_iter().collect() };
    if dry_run == Some(Flag::Yes) {
        let (_, epoch) = app.follow(control).await?;
        let old = before.control.catalog.as_ref().map_or("", |texts| texts.text.as_str());
        let rules = epoch.rules.as_ref();
        return Ok(answer::json(
            200,
            &PutCatalog::Preview(Preview {
                hash: rules.map_or_else(String::new, |rules| format!("{:016x}", rules.catalog.hash)),
                changes: differences(old, &text),
                warnings: rules.map_or_else(Vec::new, |rules| rules.warnings.iter().map(ToString::to_string).collect()),
            }),
        ));
    }
    Ok(answer::json(200, &PutCatalog::Changed(Changed::of(&app.change(control).await?))))
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
