//! The server's side of HTTP: connections, limits, and which request goes where.
//!
//! Owns: accepting, TLS, deadlines, draining. Does not own: what a request means (`http/*`).

pub mod answer;
mod auth;
mod body;
mod catalog;
mod change;
mod closes;
mod customers;
mod document;
mod extract;
mod ingest;
mod keys;
mod lines;
mod metrics;
mod page;
mod quarantine;
mod query;
mod room;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context, Result};
use arc_swap::ArcSwap;
use axum::Router;
use axum::http::{Method, Uri};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, oneshot};
use tokio_rustls::TlsAcceptor;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use weir_files::Files;
use weir_handoff::{Sender, TrySendError};

use super::admission::Chunks;
use super::clock::Clock;
use super::engine::Engine;
use super::epoch::Epoch;
use super::message::{Question, ToEngine, ToJournal};
use super::status::{Phase, Status};
use crate::config::Settings;
use answer::Problem;

/// Bytes of one permit of room.
const ROOM_UNIT: u64 = 1 << 10;
/// Bytes of a request's headers, at most.
const HEADER_BYTES_MAX: usize = 64 << 10;

/// What every request sees.
pub struct App {
    /// The configuration in force.
    pub settings: Settings,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// What is counted and known of other threads.
    pub status: Arc<Status>,
    /// To the log.
    pub journal: Sender<ToJournal>,
    /// To the shards.
    pub engine: Sender<ToEngine>,
    /// What was in force when the latest control record became durable.
    pub epoch: ArcSwap<Epoch>,
    /// Held by whoever writes a control record.
    pub control: tokio::sync::Mutex<()>,
    /// What requests may hold together.
    pub room: Arc<Semaphore>,
    /// Memory for chunks.
    pub chunks: Arc<Chunks>,
    /// The data folder.
    pub files: Arc<dyn Files>,
}

impl App {
    /// The room that bodies may take together.
    pub fn room(settings: &Settings) -> Arc<Semaphore> {
        let units = settings.ingest.in_flight_bytes_max / ROOM_UNIT;
        Arc::new(Semaphore::new(usize::try_from(units).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS)))
    }

    /// Hands something to the journal, unless too much waits there.
    fn submit(&self, message: ToJournal) -> Result<(), Problem> {
        self.journal.try_send(message).map_err(|error| match error {
            TrySendError::Full(_) => Problem::busy("too many requests wait for the log"),
            TrySendError::Closed(_) => Problem::stopped(),
        })
    }

    /// Asks the engine, between two records; the answer comes once everything that it rests on is durable.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut Engine) -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let (sender, receiver) = oneshot::channel();
        let question: Question = Box::new(move |engine| {
            let answer = question(engine);
            Box::new(move || drop(sender.send(answer)))
        });
        match self.engine.try_send(ToEngine::Ask(question)) {
            Ok(()) => receiver.await.map_err(|_| Problem::stopped()),
            Err(TrySendError::Full(_)) => Err(Problem::busy("too many requests wait for the shards")),
            Err(TrySendError::Closed(_)) => Err(Problem::stopped()),
        }
    }
}

/// The routes, and the OpenAPI document that names them: one list makes both.
fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::with_openapi(document::frame())
        .routes(routes!(ingest::events))
        .routes(routes!(catalog::show, catalog::put))
        .routes(routes!(customers::put_several))
        .routes(routes!(customers::put))
        .routes(routes!(customers::subscribe))
        .routes(routes!(customers::erase))
        .routes(routes!(query::current))
        .routes(routes!(query::usage))
        .routes(routes!(query::stats))
        .routes(routes!(query::thresholds))
        .routes(routes!(closes::list, closes::close))
        .routes(routes!(keys::list, keys::create))
        .routes(routes!(keys::revoke))
        .routes(routes!(quarantine::list))
        .routes(routes!(quarantine::replay))
        .routes(routes!(metrics::healthz))
        .routes(routes!(metrics::readyz))
        .routes(routes!(metrics::metrics))
        .routes(routes!(document::openapi))
        .routes(routes!(page::docs))
}

/// What answers requests.
pub fn router(app: Arc<App>) -> Router {
    let (router, _) = routes().split_for_parts();
    router.fallback(no_such_route).method_not_allowed_fallback(wrong_method).with_state(app)
}

async fn no_such_route(uri: Uri) -> Problem {
    Problem::new(404, "not_found", format!("there is nothing at {}; /docs lists what there is", uri.path()))
}

async fn wrong_method(method: Method, uri: Uri) -> Problem {
    Problem::new(405, "method_not_allowed", format!("{} does not take {method}; /docs lists what there is", uri.path()))
}

/// Serves until `stop` resolves, then lets requests under way finish.
pub async fn serve(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    app: Arc<App>,
    stop: impl Future<Output = ()>,
) -> Result<()> {
    let router = router(Arc::clone(&app));
    let connections = Arc::new(Semaphore::new(app.settings.server.connections_max));
    let graceful = GracefulShutdown::new();
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(app.settings.server.header_timeout)
        .max_buf_size(HEADER_BYTES_MAX)
        .keep_alive(true);
    builder.http2().timer(TokioTimer::new()).keep_alive_interval(Some(Duration::from_secs(20)));
    tokio::pin!(stop);
    loop {
        let room = tokio::select! {
            room = Arc::clone(&connections).acquire_owned() => room.context("never closed")?,
            () = &mut stop => break,
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Too many open files, or a connection that was gone at once: others may still come.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            }
        };
        let _ = stream.set_nodelay(true);
        let (router, builder, app) = (router.clone(), builder.clone(), Arc::clone(&app));
        let watcher = graceful.watcher();
        let tls = tls.clone();
        tokio::spawn(async move {
            let _room = room;
            let _counted = Counted::new(&app.status);
            match tls {
                None => connection(stream, builder.http1_only(), router, watcher).await,
                Some(tls) => {
                    let handshake = tokio::time::timeout(app.settings.server.header_timeout, tls.accept(stream));
                    if let Ok(Ok(stream)) = handshake.await {
                        let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                        let builder = if is_http2 { builder.http2_only() } else { builder.http1_only() };
                        connection(stream, builder, router, watcher).await;
                    }
                }
            }
        });
    }
    app.status.enter(Phase::Draining);
    drop(listener);
    if tokio::time::timeout(app.settings.server.drain_timeout, graceful.shutdown()).await.is_err() {
        tracing::warn!("some requests did not finish in time and were cut off");
    }
    Ok(())
}

async fn connection<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    builder: auto::Builder<TokioExecutor>,
    router: Router,
    watcher: hyper_util::server::graceful::Watcher,
) {
    let service = TowerToHyperService::new(router);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    // A client that breaks off or is too slow harms nobody but itself.
    if let Err(error) = watcher.watch(connection.into_owned()).await {
        tracing::debug!(error, "a connection ended early");
    }
}

/// Counts a connection as long as it lives.
struct Counted(Arc<Status>);

impl Counted {
    fn new(status: &Arc<Status>) -> Counted {
        status.connections.fetch_add(1, Ordering::Relaxed);
        Counted(Arc::clone(status))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}
