//! Parts of a request's address, with problems where they are wrong.

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use super::answer::Problem;

/// The query's parameters.
pub struct Query<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Query<T>, Problem> {
        let read = axum::extract::Query::try_from_uri(&parts.uri);
        read.map(|read| Query(read.0)).map_err(|error| Problem::invalid("parameter_invalid", error.body_text()))
    }
}

/// The path's only parameter.
pub struct Id(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Id, Problem> {
        let read = Path::from_request_parts(parts, state).await;
        read.map(|read| Id(read.0)).map_err(|error| Problem::invalid("parameter_invalid", error.body_text()))
    }
}
