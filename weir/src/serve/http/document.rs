//! The OpenAPI document: what handlers say of themselves, and what holds for all of them.
//!
//! Owns: frame, security and the problems that every answer may be. Does not own: routes (`http::routes` is the one list) and how people read
//! it (`page`).

use std::sync::LazyLock;

use axum::http::header;
use axum::response::IntoResponse;
use serde_json::{Value, json};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{ComponentsBuilder, InfoBuilder, OpenApi, OpenApiBuilder, Server};

use super::answer::Problem;

/// One problem in the table of docs/problems.md.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownProblem {
    /// For programs.
    pub code: &'static str,
    /// HTTP statuses that it comes with.
    pub status: &'static str,
    /// When it happens, in Markdown.
    pub when: &'static str,
    /// What to do, in Markdown.
    pub advice: &'static str,
}

const PROBLEMS: &str = include_str!("../../../../docs/problems.md");

/// The table of docs/problems.md.
pub fn problems() -> Vec<KnownProblem> {
    let row = |line: &'static str| {
        let mut cells = line.strip_prefix("| `")?.split('|').map(str::trim);
        let code = cells.next()?.strip_suffix('`')?;
        let known = KnownProblem { code, status: cells.next()?, when: cells.next()?, advice: cells.next()? };
        known.status.starts_with(['4', '5']).then_some(known)
    };
    PROBLEMS.lines().filter_map(row).collect()
}

/// Groups of routes, in the order in which people read them.
pub const TAGS: [(&str, &str); 8] = [
    ("events", "Usage comes in."),
    ("usage", "What it comes to, live."),
    ("customers", "Who pays, under which plan."),
    ("catalog", "What things cost."),
    ("closes", "Periods that are over."),
    ("keys", "Who may do what."),
    ("quarantine", "What was turned away."),
    ("operation", "For orchestrators, Prometheus and people. These need no key."),
];

const INTRODUCTION: &str = "Usage metering, rating and billing: exact, once, durable before it is acknowledged. \
    Amounts and quantities are decimal texts, instants are RFC 3339 in UTC. \
    A key is sent as `Authorization: Bearer weir_...`; while a deployment has none, everybody on its machine may do everything. \
    The security of each operation names the role that it takes; `admin` may do everything. \
    Problems are RFC 9457 documents with a stable `code`.";

/// The document without its routes.
pub fn frame() -> OpenApi {
    let key = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("A key: `weir keys create`")).build();
    let tags = TAGS.map(|(name, description)| TagBuilder::new().name(name).description(Some(description)).build());
    OpenApiBuilder::new()
        .info(
            InfoBuilder::new().title("Weir").version(env!("CARGO_PKG_VERSION")).description(Some(INTRODUCTION)).build(),
        )
        .servers(Some([Server::new("/")]))
        .tags(Some(tags))
        .components(Some(
            ComponentsBuilder::new().schema_from::<Problem>().security_scheme("key", SecurityScheme::Http(key)).build(),
        ))
        .build()
}

/// The whole document.
pub static DOCUMENT: LazyLock<Value> = LazyLock::new(|| whole(&super::routes().into_openapi()));

/// Adds what holds for all operations that take a key: any of them may answer with a problem.
fn whole(document: &OpenApi) -> Value {
    let mut document = serde_json::to_value(document).expect("the document is JSON");
    let problem = json!({
        "description": "A problem; its `code` says which",
        "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } },
    });
    for item in document["paths"].as_object_mut().into_iter().flat_map(|paths| paths.values_mut()) {
        for operation in item.as_object_mut().into_iter().flat_map(|item| item.values_mut()) {
            if operation.get("security").is_some() {
                operation["responses"]["default"] = problem.clone();
            }
        }
    }
    let codes: Vec<&str> = problems().iter().map(|problem| problem.code).collect();
    document["components"]["schemas"]["Problem"]["properties"]["code"]["enum"] = json!(codes);
    document
}

/// This document.
#[utoipa::path(
    get, path = "/openapi.json", tag = "operation",
    responses((status = 200, description = "OpenAPI 3.1", body = Object)),
)]
pub async fn openapi() -> impl IntoResponse {
    static TEXT: LazyLock<String> = LazyLock::new(|| DOCUMENT.to_string());
    ([(header::CONTENT_TYPE, "application/json")], TEXT.as_str())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Every code that a handler can answer, as it stands in the source.
    fn codes_in_source() -> BTreeSet<String> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/serve/http");
        let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let mut codes = BTreeSet::new();
        for path in files.chain([format!("{folder}.rs").into()]) {
            let text = std::fs::read_to_string(path).unwrap();
            let text = text.split("#[cfg(test)]").next().unwrap_or_default();
            for (at, _) in text.match_indices(", \"").chain(text.match_indices("(\"")) {
                let before = &text[..at];
                let status = before.get(before.len().saturating_sub(3)..).unwrap_or_default();
                let is_status = matches!(status.as_bytes(), [b'4' | b'5', b'0'..=b'9', b'0'..=b'9']);
                let opens =
                    text[at..].starts_with('(') && (before.ends_with("invalid") || before.ends_with("unavailable"));
                if is_status || opens {
                    codes.extend(text[at..].split('"').nth(1).map(str::to_owned));
                }
            }
        }
        codes
    }

    #[test]
    fn every_problem_is_described_and_every_description_is_a_problem() {
        let described: BTreeSet<String> = problems().iter().map(|problem| problem.code.to_owned()).collect();
        assert_eq!(described, codes_in_source());
        assert_eq!(described.len(), problems().len(), "once each");
    }

    #[test]
    fn every_operation_says_what_a_client_must_know() {
        let operations = DOCUMENT["paths"].as_object().unwrap().iter().flat_map(|(path, item)| {
            item.as_object().unwrap().iter().map(move |(method, operation)| (format!("{method} {path}"), operation))
        });
        let tags: BTreeSet<&str> = TAGS.iter().map(|(tag, _)| *tag).collect();
        let mut count = 0;
        for (name, operation) in operations {
            count += 1;
            assert!(operation["summary"].as_str().is_some_and(|summary| !summary.is_empty()), "{name}");
            assert!(tags.contains(operation["tags"][0].as_str().unwrap()), "{name}");
            assert_eq!(operation["security"].is_array(), name.contains("/v1/"), "{name}");
            assert_eq!(operation["responses"]["default"].is_object(), name.contains("/v1/"), "{name}");
            assert!(operation["responses"]["200"].is_object() || operation["responses"]["201"].is_object(), "{name}");
        }
        assert_eq!(count, 23);
    }

    /// Follows every `$ref`.
    fn check_references(value: &Value) {
        match value {
            Value::Object(object) => {
                if let Some(Value::String(reference)) = object.get("$ref") {
                    let pointer = reference.strip_prefix('#').unwrap();
                    assert!(DOCUMENT.pointer(pointer).is_some(), "{reference}");
                }
                object.values().for_each(check_references);
            }
            Value::Array(values) => values.iter().for_each(check_references),
            _ => {}
        }
    }

    #[test]
    fn references_lead_somewhere() {
        check_references(&DOCUMENT);
    }
}
