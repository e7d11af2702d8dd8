//! What clients hear: figures as JSON, and problems as RFC 9457 has them.

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use axum::response::IntoResponse;
use serde::Serialize;
use utoipa::ToSchema;

use super::super::message::{Done, Refusal};
use super::super::record::Rejected;

/// Rejections that one answer lists; the others are counted.
pub const REJECTIONS_MAX: usize = 1_000;

/// Why a request was not served (RFC 9457). `code` is stable; docs/problems.md has a paragraph for each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Problem {
    /// Where the code is described.
    #[serde(rename = "type")]
    pub kind: String,
    /// The status in words.
    pub title: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// For programs.
    pub code: &'static str,
    /// For people: what is wrong and what to do.
    pub detail: String,
    /// Whether the request's fate is unknown, so that it is to be sent again as it was; what was taken then counts as duplicate.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    pub retry_whole: bool,
    /// Seconds after which to try again.
    #[serde(skip)]
    pub retry_after_s: Option<u32>,
    /// What else there is to say, such as findings in a catalog.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub findings: Vec<String>,
}

impl Problem {
    /// A problem of a status and a code.
    pub fn new(status: u16, code: &'static str, detail: impl Into<String>) -> Problem {
        let title = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or("Error");
        Problem {
            kind: format!("/docs#problem-{code}"),
            title,
            status,
            code,
            detail: detail.into(),
            retry_whole: false,
            retry_after_s: None,
            findings: Vec::new(),
        }
    }

    /// Too much is under way.
    pub fn busy(detail: &str) -> Problem {
        let problem = Problem::new(429, "busy", format!("{detail}; nothing of this request was taken: send it again"));
        Problem { retry_after_s: Some(1), ..problem }
    }

    /// The server is going away, or its threads are.
    pub fn stopped() -> Problem {
        let problem =
            Problem::new(503, "stopped", "the server stopped before it could say what became of this request");
        Problem { retry_whole: true, retry_after_s: Some(1), ..problem }
    }

    /// The request is finished by the client's fault.
    pub fn invalid(code: &'static str, detail: impl Into<String>) -> Problem {
        Problem::new(400, code, detail)
    }

    /// Something follows from an earlier piece of the same request: that one may be in the log.
    #[must_use]
    pub fn of_rest(self) -> Problem {
        Problem { retry_whole: true, ..self }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Problem {
        match refusal {
            Refusal::NoSpace => {
                let detail = "the server's disk is nearly full; nothing of this was taken";
                Problem { retry_after_s: Some(30), ..Problem::new(503, "disk_full", detail) }
            }
            Refusal::TooLarge => {
                Problem::new(413, "record_too_large", "the body is larger than the log takes as one; send several")
            }
            Refusal::LogFailed => {
                let detail = "the server's log has failed; whether this request is in it is known only after a restart";
                Problem { retry_whole: true, retry_after_s: Some(5), ..Problem::new(503, "log_failed", detail) }
            }
            Refusal::Stopped => Problem::stopped(),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response<Body> {
        let body = serde_json::to_vec(&self).expect("texts and numbers are JSON");
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if self.status == 401 {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// What became of a request's events: received = accepted + duplicate + conflict + rejected.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, ToSchema)]
pub struct Taken {
    /// Events in the request.
    pub received: u64,
    /// New ones; they count.
    pub accepted: u64,
    /// Known ones; they count once.
    pub duplicate: u64,
    /// Known ones with another content: the first stands.
    pub conflict: u64,
    /// Those that are no valid events, or may not be sent.
    pub rejected: u64,
    /// What is wrong with each of the first 1,000 rejected events.
    pub rejections: Vec<RejectedEvent>,
}

/// An event that was turned away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct RejectedEvent {
    /// Its position in the request, from 0; of NDJSON, its line.
    pub index: u64,
    /// For programs: docs/rejections.md lists them.
    pub code: String,
    /// For people.
    pub sentence: String,
}

impl Taken {
    /// Adds a part of the request.
    pub fn add(&mut self, done: Done) {
        let Done { counts, rejected } = done;
        self.accepted += counts.accepted;
        self.duplicate += counts.duplicate;
        self.conflict += counts.conflict;
        self.rejected += rejected.len() as u64;
        self.received = self.accepted + self.duplicate + self.conflict + self.rejected;
        let room = REJECTIONS_MAX.saturating_sub(self.rejections.len());
        let told = |Rejected { index, code, sentence, .. }| RejectedEvent { index, code, sentence };
        self.rejections.extend(rejected.into_iter().take(room).map(told));
    }
}

/// JSON with a status.
pub fn json(status: u16, value: &impl Serialize) -> Response<Body> {
    let body = serde_json::to_vec(value).expect("answers are made of texts and numbers");
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
