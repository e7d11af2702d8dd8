//! `/docs`: the OpenAPI document for people, on one page that needs nothing from elsewhere.

use std::fmt::Write as _;
use std::sync::LazyLock;

use askama::Template;
use axum::response::{Html, IntoResponse};
use serde_json::Value;

use super::document::{DOCUMENT, KnownProblem, TAGS, problems};

/// The page.
#[derive(Template)]
#[template(path = "docs.html")]
struct Page {
    version: String,
    introduction: String,
    groups: Vec<Group>,
    shapes: Vec<Shape>,
    problems: Vec<KnownProblem>,
}

/// Operations of one tag.
struct Group {
    name: &'static str,
    description: &'static str,
    operations: Vec<Operation>,
}

/// A method of a path.
struct Operation {
    anchor: String,
    method: String,
    path: String,
    role: Option<String>,
    summary: String,
    description: String,
    parameters: Vec<Field>,
    bodies: Vec<Content>,
    answers: Vec<(String, String, Vec<Content>)>,
}

/// What a body may be.
struct Content {
    media: String,
    /// HTML.
    shape: String,
    example: Option<String>,
}

/// A named schema.
struct Shape {
    name: String,
    description: String,
    /// HTML, if it has no fields.
    is: String,
    fields: Vec<Field>,
}

/// A parameter or a property.
struct Field {
    name: String,
    /// HTML.
    shape: String,
    is_required: bool,
    description: String,
}

/// This page.
#[utoipa::path(
    get, path = "/docs", tag = "operation",
    responses((status = 200, description = "HTML", body = String, content_type = "text/html; charset=utf-8")),
)]
pub async fn docs() -> impl IntoResponse {
    static PAGE: LazyLock<String> =
        LazyLock::new(|| Page::of(&DOCUMENT).render().expect("the template writes to memory"));
    Html(PAGE.as_str())
}

impl Page {
    fn of(document: &Value) -> Page {
        let paths = || document["paths"].as_object().into_iter().flatten();
        let operations = |tag: &str| {
            let methods = paths().flat_map(|(path, item)| {
                item.as_object().into_iter().flatten().map(move |(method, operation)| (path, method, operation))
            });
            let of_tag = methods.filter(|(_, _, operation)| operation["tags"][0] == tag);
            of_tag.map(|(path, method, operation)| Operation::of(path, method, operation)).collect()
        };
        let schemas = document["components"]["schemas"].as_object().into_iter().flatten();
        Page {
            version: text(&document["info"]["version"]),
            introduction: text(&document["info"]["description"]),
            groups: TAGS
                .iter()
                .map(|(name, description)| Group { name, description, operations: operations(name) })
                .collect(),
            shapes: schemas.map(|(name, schema)| Shape::of(name, schema)).collect(),
            problems: problems(),
        }
    }
}

impl Operation {
    fn of(path: &str, method: &str, operation: &Value) -> Operation {
        let list = |name: &str| operation[name].as_array().cloned().unwrap_or_default();
        let responses = operation["responses"].as_object().into_iter().flatten();
        Operation {
            anchor: format!("{method}-{}", path.trim_matches('/').replace(['/', '{', '}', '.'], "-")),
            method: method.to_uppercase(),
            path: path.to_owned(),
            role: list("security").first().and_then(|security| security["key"][0].as_str().map(str::to_owned)),
            summary: text(&operation["summary"]),
            description: text(&operation["description"]),
            parameters: list("parameters").iter().map(Field::of_parameter).collect(),
            bodies: contents(&operation["requestBody"]),
            answers: responses
                .filter(|(status, _)| *status != "default")
                .map(|(status, response)| (status.clone(), text(&response["description"]), contents(response)))
                .collect(),
        }
    }
}

fn contents(of: &Value) -> Vec<Content> {
    let contents = of["content"].as_object().into_iter().flatten();
    let example = |content: &Value| match content.get("example")? {
        Value::String(lines) => Some(lines.clone()),
        value => Some(format!("{value:#}")),
    };
    contents
        .map(|(media, content)| Content {
            media: media.clone(),
            shape: shape(&content["schema"]),
            example: example(content),
        })
        .collect()
}

impl Shape {
    fn of(name: &str, schema: &Value) -> Shape {
        let parts = schema["allOf"].as_array().map_or_else(|| vec![schema], |parts| parts.iter().collect());
        let mut fields = Vec::new();
        for part in &parts {
            let is_required = |name: &String| {
                let mut required = part["required"].as_array().into_iter().flatten();
                required.any(|required| required == name.as_str())
            };
            let properties = part["properties"].as_object().into_iter().flatten();
            fields.extend(properties.map(|(name, schema)| Field {
                name: name.clone(),
                shape: shape(schema),
                is_required: is_required(name),
                description: text(&schema["description"]),
            }));
        }
        let referenced: Vec<String> =
            parts.iter().filter(|part| part.get("$ref").is_some()).map(|part| shape(part)).collect();
        let is = match (fields.is_empty(), referenced.as_slice()) {
            (_, [_, ..]) => format!("all of {}, and:", referenced.join(", ")),
            (true, _) => shape(schema),
            (false, _) => String::new(),
        };
        Shape { name: name.to_owned(), description: text(&schema["description"]), is, fields }
    }
}

impl Field {
    fn of_parameter(parameter: &Value) -> Field {
        let place = parameter["in"].as_str().unwrap_or_default();
        Field {
            name: text(&parameter["name"]),
            shape: format!("{}, in the {place}", shape(&parameter["schema"])),
            is_required: parameter["required"] == true,
            description: text(&parameter["description"]),
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// What a schema takes, as HTML.
fn shape(schema: &Value) -> String {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = escaped(reference.rsplit('/').next().unwrap_or_default());
        return format!("<a href=\"#shape-{name}\">{name}</a>");
    }
    if let Some(values) = schema["enum"].as_array().filter(|values| values.len() < 8) {
        let values: Vec<String> =
            values.iter().map(|value| format!("<code>{}</code>", escaped(&value.to_string()))).collect();
        return values.join(" or ");
    }
    for several in ["oneOf", "anyOf"] {
        if let Some(parts) = schema[several].as_array() {
            return parts.iter().map(shape).collect::<Vec<_>>().join(" or ");
        }
    }
    match &schema["type"] {
        Value::Array(kinds) => {
            let one = |kind: &Value| {
                let mut schema = schema.clone();
                schema["type"] = kind.clone();
                shape(&schema)
            };
            kinds.iter().map(one).collect::<Vec<_>>().join(" or ")
        }
        Value::String(kind) if kind == "array" => format!("list of {}", shape(&schema["items"])),
        Value::String(kind) if kind == "object" && schema["additionalProperties"].is_object() => {
            format!("map to {}", shape(&schema["additionalProperties"]))
        }
        Value::String(kind) => escaped(kind),
        _ => "anything".to_owned(),
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Text with code in backticks, as HTML.
fn marked(text: &str) -> String {
    let mut html = String::new();
    for (index, part) in text.split('`').enumerate() {
        let part = escaped(part);
        let _ = if index % 2 == 0 { write!(html, "{part}") } else { write!(html, "<code>{part}</code>") };
    }
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_all_that_the_document_has() {
        let page = Page::of(&DOCUMENT).render().unwrap();
        let paths = DOCUMENT["paths"].as_object().unwrap();
        for path in paths.keys() {
            assert!(page.contains(&format!("<span class=\"path\">{}</span>", escaped(path))), "{path}");
        }
        for problem in problems() {
            assert!(page.contains(&format!("id=\"problem-{}\"", problem.code)), "{}", problem.code);
        }
        let anchors: Vec<&str> = page.split("href=\"#").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        for anchor in anchors {
            assert!(page.contains(&format!("id=\"{anchor}\"")), "{anchor} leads nowhere");
        }
        for elsewhere in ["http:", "https:", "src="] {
            assert!(!page.contains(elsewhere), "{elsewhere}");
        }
    }

    #[test]
    fn code_is_marked() {
        assert_eq!(marked("send `a<b` & go"), "send <code>a&lt;b</code> &amp; go");
    }
}
