//! `POST /v1/events`: CloudEvents in every form, taken once they are durable (design.md 4.1, L1).
//!
//! A bounded body is one record; NDJSON may be endless and is taken in pieces of whole lines. Room is reserved before anything is kept, or the
//! answer is 429; inside a streamed body the server stops reading instead.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant as Stopwatch;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Request, Response, header};
use axum::response::IntoResponse;
use bytes::Bytes;
use tokio::sync::oneshot;
use tracing::Instrument as _;
use weir_ingest::{DecodeScratch, body as bodies};
use weir_model::time::Instant;

use super::super::admission::{self, Limits};
use super::super::columns;
use super::super::control::{KeyRecord, Role};
use super::super::epoch::Epoch;
use super::super::message::{Outcome, Payload, Reply, Single, Submission, ToJournal};
use super::super::record::Rejected;
use super::super::status::Phase;
use super::answer::{self, Problem, Taken};
use super::body::Incoming;
use super::lines::{Lines, PIECE_BYTES, Piece};
use super::room::{Room, whole};
use super::{App, auth};

/// A single event longer than this gets a record of its own.
const SINGLE_BYTES_MAX: usize = 64 << 10;
/// Pieces of one body whose answers may be waited for at the same time.
const PIECES_AHEAD: usize = 4;

thread_local! {
    static SCRATCH: RefCell<DecodeScratch> = RefCell::new(DecodeScratch::new());
}

/// How a request brings its events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Lines,
    Structured,
    Batch,
    Binary,
    Columns,
}

/// Takes events; the answer comes once they are durable.
///
/// A bad event is rejected alone, by its index. Sending the same again is safe: what was taken counts as duplicate.
#[utoipa::path(
    post, path = "/v1/events", tag = "events", security(("key" = ["ingest"])),
    request_body(description = "CloudEvents 1.0 in any of these forms, or one in binary mode: attributes in `ce-` headers and `data` as body. \
        May be compressed: `content-encoding: gzip` or `zstd`.", content(
        (String = "application/x-ndjson", example = "{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/api\",\"type\":\"llm.completion\",\"subject\":\"acme\",\"data\":{\"tokens\":1200}}\n{\"specversion\":\"1.0\",\"id\":\"2\",...}\n"),
        (Object = "application/cloudevents+json", example = json!({"specversion": "1.0", "id": "1", "source": "/api",
            "type": "llm.completion", "subject": "acme", "time": "2026-11-01T12:00:00Z", "data": {"tokens": 1200}})),
        (Vec<Object> = "application/cloudevents-batch+json", example = json!([{"specversion": "1.0", "id": "1", "source": "/api",
            "type": "llm.completion", "subject": "acme", "data": {"tokens": 1200}}])),
        (String = "application/vnd.apache.arrow.stream"),
    )),
    responses((status = 200, description = "What became of the events", body = Taken,
        example = json!({"received": 2, "accepted": 1, "duplicate": 0, "conflict": 0, "rejected": 1,
            "rejections": [{"index": 1, "code": "attribute_missing", "sentence": "`subject` is missing"}]}))),
)]
pub async fn events(State(app): State<Arc<App>>, request: Request<Body>) -> Response<Body> {
    let began = Stopwatch::now();
    let span = tracing::trace_span!("POST /v1/events", status = tracing::field::Empty);
    let answer = match take(&app, request).instrument(span.clone()).await {
        Ok(taken) => answer::json(200, &taken),
        Err(problem) => problem.into_response(),
    };
    app.status.requests.record(u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX));
    span.record("status", answer.status().as_u16());
    app.status.answered(answer.status().as_u16());
    answer
}

async fn take(app: &Arc<App>, request: Request<Body>) -> Result<Taken, Problem> {
    let (parts, body) = request.into_parts();
    let key = auth::scope(auth::authorize(app, &parts.headers, Role::Ingest)?);
    may_take(app)?;
    let epoch = app.epoch.load_full();
    if epoch.rules.is_none() {
        let detail = "there is no catalog yet; an administrator gives one with PUT /v1/catalog";
        return Err(Problem { retry_after_s: Some(10), ..Problem::new(503, "no_catalog", detail) });
    }
    let form = form(&parts.headers)?;
    let mut body = Incoming::new(&parts.headers, body, app.settings.server.body_idle_timeout)?;
    let request = Taking { app, epoch, key, headers: &parts.headers };
    let taken = match form {
        Form::Lines => request.lines(&mut body).await,
        _ => request.bounded(&mut body, form).await,
    };
    if taken.is_err() {
        body.linger().await;
    }
    taken
}

/// Takes lines that an administrator sends again.
pub async fn take_lines(app: &Arc<App>, text: Vec<u8>) -> Result<Taken, Problem> {
    may_take(app)?;
    let mut taken = Taken::default();
    if text.is_empty() {
        return Ok(taken);
    }
    let mut room = Room::new(app);
    room.grow(text.len())?;
    let (reply, outcome) = Reply::new(room.take());
    let headers = HeaderMap::new();
    let request = Taking { app, epoch: app.epoch.load_full(), key: None, headers: &headers };
    app.submit(request.submission(text, 0, reply)?)?;
    taken.add(finished(outcome).await?);
    Ok(taken)
}

/// Whether events are taken now.
fn may_take(app: &App) -> Result<(), Problem> {
    let unavailable =
        |code, detail: &str, seconds| Err(Problem { retry_after_s: Some(seconds), ..Problem::new(503, code, detail) });
    let status = &app.status;
    if status.has_failed() {
        return unavailable("log_failed", "the log has failed; an administrator must start the server again", 30);
    }
    if status.phase() != Phase::Ready {
        return unavailable("not_ready", "the server is starting or going away; nothing of this was taken", 2);
    }
    let identities = status.identities.load(std::sync::atomic::Ordering::Relaxed);
    if identities >= app.settings.identities.count_max {
        let detail =
            "as many events as `identities.count_max` says are remembered; raise it, or wait until some are forgotten";
        return unavailable("identities_full", detail, 3600);
    }
    Ok(())
}

fn form(headers: &HeaderMap) -> Result<Form, Problem> {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let media = content_type.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    match media.as_str() {
        "application/x-ndjson" | "application/ndjson" | "application/jsonl" => Ok(Form::Lines),
        "application/cloudevents+json" => Ok(Form::Structured),
        "application/cloudevents-batch+json" => Ok(Form::Batch),
        "application/vnd.apache.arrow.stream" => Ok(Form::Columns),
        _ if headers.contains_key("ce-specversion") => Ok(Form::Binary),
        _ => {
            let detail = format!(
                "the content type {media:?} holds no events: send application/x-ndjson (one CloudEvent a line), \
                 application/cloudevents+json, application/cloudevents-batch+json, application/vnd.apache.arrow.stream, \
                 or an event in binary mode with ce- headers"
            );
            Err(Problem::new(415, "content_type_unsupported", detail))
        }
    }
}

/// A request on its way.
struct Taking<'r> {
    app: &'r Arc<App>,
    epoch: Arc<Epoch>,
    key: Option<Arc<KeyRecord>>,
    headers: &'r HeaderMap,
}

impl Taking<'_> {
    /// A body that is one record.
    async fn bounded(self, body: &mut Incoming, form: Form) -> Result<Taken, Problem> {
        let (mut text, mut room) = whole(self.app, body).await?;
        let (reply, outcome) = Reply::new(room.take());
        let message = match form {
            Form::Columns => self.columns(Bytes::from(text), reply)?,
            Form::Batch => {
                let events = bodies::batch(&mut text).map_err(|error| invalid_body(&error))?;
                let events_max = self.app.settings.ingest.batch_events_max;
                if events > events_max {
                    let detail = format!("the batch holds {events} events and may hold {events_max}; send several");
                    return Err(Problem::new(413, "batch_too_large", detail));
                }
                self.submission(text, 0, reply)?
            }
            Form::Structured => {
                bodies::structured(&mut text);
                self.one(text, reply)?
            }
            _ => {
                let line = self.binary(&text)?;
                self.one(line, reply)?
            }
        };
        self.app.submit(message)?;
        let mut taken = Taken::default();
        taken.add(finished(outcome).await?);
        Ok(taken)
    }

    /// NDJSON of any length.
    async fn lines(self, body: &mut Incoming) -> Result<Taken, Problem> {
        let (mut lines, mut room) = (Lines::default(), Room::new(self.app));
        let (mut taken, mut under_way) = (Taken::default(), VecDeque::new());
        let mut is_first = true;
        room.grow(1)?;
        loop {
            let more = body.read(&mut lines.text).await.map_err(|problem| rest(problem, is_first))?;
            if is_first {
                // Beyond a piece it is streamed, and waits instead.
                room.grow(lines.text.len().min(2 * PIECE_BYTES))?;
            }
            while let Some(piece) = if more { lines.next() } else { lines.rest() } {
                if room.is_empty() {
                    room.wait(2 * PIECE_BYTES).await?;
                }
                let (reply, outcome) = Reply::new(room.take());
                let message = match piece {
                    Piece::Lines(text, first_index) => self.submission(text, first_index, reply)?,
                    Piece::TooLong(rejected) => self.rejection(rejected, reply),
                };
                self.app.submit(message).map_err(|problem| rest(problem, is_first))?;
                is_first = false;
                under_way.push_back(outcome);
                if under_way.len() >= PIECES_AHEAD
                    && let Some(outcome) = under_way.pop_front()
                {
                    taken.add(finished(outcome).await.map_err(Problem::of_rest)?);
                }
            }
            if !more {
                break;
            }
            if lines.long_bytes() > self.app.settings.ingest.body_bytes_max {
                let problem = Problem::new(413, "line_endless", "a line does not end; a line may be 1 MiB long");
                return Err(rest(problem, is_first));
            }
        }
        let is_only = taken == Taken::default() && under_way.len() == 1;
        for outcome in under_way {
            taken.add(finished(outcome).await.map_err(|problem| rest(problem, is_only))?);
        }
        Ok(taken)
    }

    /// Lines that are one record.
    fn submission(&self, text: Vec<u8>, first_index: u64, reply: Reply) -> Result<ToJournal, Problem> {
        let rules = self.epoch.rules.as_ref().ok_or_else(Problem::stopped)?;
        let mut chunk = self.app.chunks.take();
        if chunk.text.capacity() < text.len() {
            chunk.text = text;
        } else {
            chunk.text.extend_from_slice(&text);
        }
        let admitted = SCRATCH.with_borrow_mut(|scratch| {
            let key = self.key.as_deref();
            admission::admit(chunk, (&rules.decoder, scratch), self.limits(), |_| key, first_index)
        });
        Ok(ToJournal::Submit(Box::new(Submission {
            payload: Payload::Lines(admitted.text_len),
            chunk: admitted.chunk,
            rejected: admitted.rejected,
            epoch: Arc::clone(&self.epoch),
            key: self.key.clone(),
            reply,
        })))
    }

    fn columns(&self, stream: Bytes, reply: Reply) -> Result<ToJournal, Problem> {
        let rules = self.epoch.rules.as_ref().ok_or_else(Problem::stopped)?;
        let admitted = columns::admit(&stream, (rules, &self.app.chunks), self.limits(), self.key.as_deref());
        let (chunk, rejected) = admitted.map_err(|error| Problem::invalid("columns_invalid", error.to_string()))?;
        let payload = Payload::Columns(stream);
        let (epoch, key) = (Arc::clone(&self.epoch), self.key.clone());
        Ok(ToJournal::Submit(Box::new(Submission { chunk, payload, rejected, epoch, key, reply })))
    }

    /// A line that is rejected before it is whole.
    fn rejection(&self, rejected: Rejected, reply: Reply) -> ToJournal {
        ToJournal::Submit(Box::new(Submission {
            chunk: self.app.chunks.take(),
            payload: Payload::Lines(0),
            rejected: vec![rejected],
            epoch: Arc::clone(&self.epoch),
            key: None,
            reply,
        }))
    }

    /// One event: with others of other requests it becomes a record.
    fn one(&self, line: Vec<u8>, reply: Reply) -> Result<ToJournal, Problem> {
        if line.len() > SINGLE_BYTES_MAX {
            return self.submission(line, 0, reply);
        }
        Ok(ToJournal::Single(Single { line, key: self.key.clone(), reply }))
    }

    fn binary(&self, data: &[u8]) -> Result<Vec<u8>, Problem> {
        let attribute = |(name, value): (&'_ header::HeaderName, &'_ header::HeaderValue)| {
            name.as_str().strip_prefix("ce-").map(|name| (name.to_owned(), value.as_bytes().to_vec()))
        };
        let attributes: Vec<(String, Vec<u8>)> = self.headers.iter().filter_map(attribute).collect();
        let content_type = self.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let mut line = Vec::with_capacity(data.len() + 512);
        let attributes = attributes.iter().map(|(name, value)| (name.as_str(), value.as_slice()));
        bodies::binary(attributes, content_type, data, &mut line)
            .map_err(|error| Problem::invalid("event_invalid", error.to_string()))?;
        Ok(line)
    }

    fn limits(&self) -> Limits {
        let now = self.app.clock.now().micros();
        let skew_us = |skew: std::time::Duration| i64::try_from(skew.as_micros()).unwrap_or(i64::MAX);
        let latest = self.app.settings.ingest.clock_skew_max.map(|skew| now.saturating_add(skew_us(skew)));
        Limits { latest: latest.map(Instant::from_micros) }
    }
}

async fn finished(outcome: oneshot::Receiver<Outcome>) -> Result<super::super::message::Done, Problem> {
    match outcome.await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(refusal)) => Err(refusal.into()),
        Err(_) => Err(Problem::stopped()),
    }
}

/// Behind a piece that may be in the log already, the fate of the whole is unknown.
fn rest(problem: Problem, is_first: bool) -> Problem {
    if is_first { problem } else { problem.of_rest() }
}

fn invalid_body(error: &bodies::BodyError) -> Problem {
    Problem::invalid("body_invalid", error.to_string())
}
