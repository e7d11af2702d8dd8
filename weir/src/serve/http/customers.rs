//! Customers that come over the API, and their plans.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Response};
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::control::{ControlError, CustomerDocument, Role, Subscription};
use super::super::record::Control;
use super::answer::Problem;
use super::change::{Changed, changed, conflict, read_json};
use super::extract::Id;
use super::{App, auth, room};

type Answer = Result<Response<Body>, Problem>;

/// Puts one customer in, whole.
#[utoipa::path(
    put, path = "/v1/customers/{id}", tag = "customers", security(("key" = ["admin"])),
    params(("id" = String, Path, description = "The customer")),
    request_body(content = CustomerDocument, description = "The customer; its `id` may be left out",
        example = json!({"plan": "pro", "subjects": ["acme", "acme-eu"], "starts_on": "2026-11-01", "name": "Acme Ltd"})),
    responses((status = 200, description = "It is in force", body = Changed)),
)]
pub async fn put(State(app): State<Arc<App>>, Id(id): Id, headers: HeaderMap, body: Body) -> Answer {
    auth::authorize(&app, &headers, Role::Admin)?;
    let mut value: serde_json::Value = read_json(&room::document(&app, &headers, body).await?)?;
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

/// Puts several customers in at once.
#[utoipa::path(
    post, path = "/v1/customers", tag = "customers", security(("key" = ["admin"])),
    request_body(content = Vec<CustomerDocument>, description = "Customers",
        example = json!([{"id": "acme", "plan": "pro", "starts_on": "2026-11-01"}, {"id": "globex", "plan": "pro"}])),
    responses((status = 200, description = "They are in force", body = Changed)),
)]
pub async fn put_several(State(app): State<Arc<App>>, headers: HeaderMap, body: Body) -> Answer {
    auth::authorize(&app, &headers, Role::Admin)?;
    let customers: Vec<CustomerDocument> = read_json(&room::document(&app, &headers, body).await?)?;
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

/// A plan, from an instant on.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSubscription {
    /// A plan of the catalog.
    plan: String,
    /// From when on: a date in the customer's zone, or an instant. Not in the past.
    effective_at: String,
}

/// Gives a customer another plan from an instant on.
#[utoipa::path(
    post, path = "/v1/customers/{id}/subscriptions", tag = "customers", security(("key" = ["admin"])),
    params(("id" = String, Path, description = "The customer")),
    request_body(content = NewSubscription, description = "The plan", example = json!({"plan": "enterprise", "effective_at": "2027-01-01"})),
    responses((status = 200, description = "It is in force", body = Changed)),
)]
pub async fn subscribe(State(app): State<Arc<App>>, Id(customer): Id, headers: HeaderMap, body: Body) -> Answer {
    auth::authorize(&app, &headers, Role::Admin)?;
    let NewSubscription { plan, effective_at } = read_json(&room::document(&app, &headers, body).await?)?;
    let subscription = Subscription { customer, effective_at, plan };
    Ok(changed(&app.change(Control::Subscription(subscription)).await?))
}

/// Forgets a customer's name, address and tax id.
#[utoipa::path(
    post, path = "/v1/customers/{id}/erase", tag = "customers", security(("key" = ["admin"])),
    params(("id" = String, Path, description = "The customer")),
    responses((status = 200, description = "They are forgotten in what is in force; the log keeps them until it is trimmed", body = Changed)),
)]
pub async fn erase(State(app): State<Arc<App>>, Id(customer): Id, headers: HeaderMap) -> Answer {
    auth::authorize(&app, &headers, Role::Admin)?;
    Ok(changed(&app.change(Control::Erase { customer }).await?))
}
