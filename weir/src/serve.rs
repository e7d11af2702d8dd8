//! `weir serve`: durable, exactly-once ingest over HTTP (design.md 4).
//!
//! Connections decode (`http`), one thread writes the log (`journal`), one applies it to the shards (`engine`), others write snapshots and
//! the archive. Owns: their wiring, the signal that ends them. Keeps L1, L2, L3, L6, L7, L12.

mod admission;
mod apply;
mod archive;
pub mod clock;
mod columns;
pub mod control;
mod engine;
pub(crate) mod epoch;
mod http;
mod journal;
pub mod keys;
mod message;
pub mod offline;
mod record;
mod replay;
pub(crate) mod seals;
mod snapshot;
mod start;
mod stats;
mod status;
mod telemetry;
mod thresholds;
mod whole_files;

use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use arc_swap::ArcSwap;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use weir_files::Files;
use weir_ingest::DecodeScratch;

use crate::cli::ServeArgs;
use crate::config::{self, Settings};
use crate::failure::invalid;
use clock::{Clock, SystemClock};
use engine::{Engine, Parts};
use http::App;
use journal::Journal;
use message::ToJournal;
use snapshot::SnapshotWriter;
use start::{DataFolder, Started};
use status::{Phase, Status};
use telemetry::Telemetry;

/// Requests that may wait for the journal, and records that may wait for the engine.
const QUEUE: usize = 1 << 14;
/// How often log time passes when nobody sends.
const TICK: Duration = Duration::from_secs(1);

/// What `--dev` sells.
const TRIAL_CATALOG: &str = include_str!("../../config/catalogs/ai-api.toml");
const TRIAL_EVENT: &str = r#"{"specversion": "1.0", "id": "1", "source": "/try", "type": "llm.completion", "subject": "acme",
    "data": {"model": "swift-3", "input_tokens": 1200, "output_tokens": 350, "user": "ada"}}"#;

/// Runs the command.
pub fn command(args: &ServeArgs) -> Result<ExitCode> {
    let mut settings = config::load(args.config.as_deref())?.settings;
    let telemetry = Telemetry::start(&settings.telemetry)?;
    let trial = args.dev.then(tempfile::tempdir).transpose()?;
    if let Some(folder) = &trial {
        folder.path().clone_into(&mut settings.data.folder);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let server = Server::start(settings, Arc::new(SystemClock), &runtime)?;
    if trial.is_some() {
        runtime.block_on(server.node.app.put_catalog(TRIAL_CATALOG))?;
        print!("{}", how_to_try(server.address));
    }
    let interrupted = runtime.block_on(async { stop_signal().await });
    interrupted?;
    tracing::info!("draining: no new events are taken, requests under way finish");
    server.stop(runtime)?;
    tracing::info!("stopped; everything that was acknowledged is on the disk");
    telemetry.stop();
    Ok(ExitCode::SUCCESS)
}

/// What to paste.
fn how_to_try(address: SocketAddr) -> String {
    format!(
        "\nWeir listens on http://{address} and forgets everything when it ends. Try, in another terminal:\n
  curl http://{address}/v1/events -H 'content-type: application/cloudevents+json' -d '{TRIAL_EVENT}'
  curl http://{address}/v1/customers/acme/current
  curl http://{address}/docs\n\n"
    )
}

async fn stop_signal() -> Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

/// Log, shards and everything that answers, without a socket.
pub struct Node {
    app: Arc<App>,
    journal: JoinHandle<()>,
    engine: JoinHandle<Result<()>>,
}

impl Node {
    /// Recovers what is in `files` and is ready to serve.
    pub fn start(files: Arc<dyn Files>, settings: Settings, clock: Arc<dyn Clock>) -> Result<Node> {
        let began = std::time::Instant::now();
        let Started { writer, state, outputs, snapshots, chunks, report } =
            start::start(Arc::clone(&files), &settings, clock.as_ref())?;
        if let Some(torn) = &report.torn {
            tracing::warn!(torn, "a write that nobody was told of was cut off the log's end");
        }
        let (seconds, replay_seconds) = (began.elapsed().as_secs_f64(), report.replay.as_secs_f64());
        let start::StartReport { snapshot, records, events, .. } = report;
        tracing::info!(snapshot, records, events, replay_seconds, seconds, "recovered");
        let status = Arc::new(Status::default());
        let epoch = Arc::clone(&state.epoch);
        let (to_journal, journal_inbox) = weir_handoff::bounded(QUEUE);
        let (to_engine, engine_inbox) = weir_handoff::bounded(QUEUE);
        let waker = engine_inbox.waker();
        let every_log_bytes = settings.snapshots.every_log_bytes;
        let snapshots = SnapshotWriter::start(Arc::clone(&files), every_log_bytes, snapshots, move || waker.wake())?;
        let engine = Engine::new(Parts {
            state,
            inbox: engine_inbox,
            journal: to_journal.clone(),
            outputs,
            snapshots,
            chunks: Arc::clone(&chunks),
            status: Arc::clone(&status),
        });
        let skew = settings.ingest.clock_skew_max.map(|skew| i64::try_from(skew.as_micros()).unwrap_or(i64::MAX));
        let journal = Journal {
            writer,
            inbox: journal_inbox,
            engine: to_engine.clone(),
            clock: Arc::clone(&clock),
            epoch: Arc::clone(&epoch),
            written_epoch: Arc::clone(&epoch),
            chunks: Arc::clone(&chunks),
            status: Arc::clone(&status),
            clock_skew_max_us: skew,
            scratch: DecodeScratch::new(),
        };
        let engine = thread::Builder::new().name("engine".to_owned()).spawn(move || engine.run())?;
        let journal = thread::Builder::new().name("journal".to_owned()).spawn(move || journal.run())?;
        let app = Arc::new(App {
            room: App::room(&settings),
            settings,
            clock,
            status,
            journal: to_journal,
            engine: to_engine,
            epoch: ArcSwap::new(epoch),
            control: tokio::sync::Mutex::new(()),
            chunks,
            files,
        });
        app.status.enter(Phase::Ready);
        Ok(Node { app, journal, engine })
    }

    /// What answers requests.
    pub fn router(&self) -> axum::Router {
        http::router(Arc::clone(&self.app))
    }

    /// Tells the log that time passes.
    pub fn tick(&self) {
        // A journal that is behind has enough to do.
        let _ = self.app.journal.try_send(ToJournal::Tick);
    }

    /// Writes what is left, and ends. Nobody may hold its router any more.
    pub fn stop(self) -> Result<()> {
        let Node { app, journal, engine } = self;
        app.status.enter(Phase::Draining);
        // A full queue is being emptied; a closed one belongs to a journal that has stopped already.
        let _ = app.journal.send(ToJournal::Stop);
        drop(app);
        let panicked = |_| anyhow!("internal error: a thread panicked");
        let journal = journal.join().map_err(panicked);
        engine.join().map_err(panicked)?.and(journal)
    }
}

/// A running server.
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    node: Node,
    stop: oneshot::Sender<()>,
    serving: tokio::task::JoinHandle<Result<()>>,
    _folder: DataFolder,
}

impl Server {
    /// Recovers what is on the disk and begins to serve.
    pub fn start(settings: Settings, clock: Arc<dyn Clock>, runtime: &Runtime) -> Result<Server> {
        let began = std::time::Instant::now();
        let listen = settings.server.listen;
        let listener = runtime.block_on(TcpListener::bind(listen));
        let listener = listener.map_err(|error| invalid(format!("cannot listen on {listen}: {error}")))?;
        let address = listener.local_addr()?;
        let tls = settings.tls.as_ref().map(tls).transpose()?;
        let folder = DataFolder::open(&settings.data.folder)?;
        let node = Node::start(Arc::clone(&folder.files), settings, clock)?;
        if node.app.epoch.load().control.keys.is_empty() && !listen.ip().is_loopback() {
            return Err(invalid(format!(
                "server.listen is {listen}, which others can reach, and there is no key yet; make one with \
                 `weir keys create --role admin --name me`, or listen on 127.0.0.1"
            )));
        }
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = runtime.spawn(http::serve(listener, tls, Arc::clone(&node.app), async {
            // Whoever drops the other end wants it to stop as well.
            let _ = stopped.await;
        }));
        runtime.spawn(tick(Arc::clone(&node.app)));
        tracing::info!(%address, seconds = began.elapsed().as_secs_f64(), "ready");
        Ok(Server { address, node, stop, serving, _folder: folder })
    }

    /// Lets requests under way finish, writes what is left, and ends.
    pub fn stop(self, runtime: Runtime) -> Result<()> {
        let Server { node, stop, serving, .. } = self;
        node.app.status.enter(Phase::Draining);
        let _ = stop.send(());
        runtime.block_on(serving).context("the server's task")??;
        runtime.shutdown_timeout(Duration::from_secs(5));
        node.stop()
    }
}

/// Tells the log that time passes.
async fn tick(app: Arc<App>) {
    let mut interval = tokio::time::interval(TICK);
    while app.status.phase() != Phase::Draining {
        interval.tick().await;
        if app.journal.try_send(ToJournal::Tick).is_err() && app.journal.is_closed() {
            return;
        }
    }
}

fn tls(tls: &config::Tls) -> Result<tokio_rustls::TlsAcceptor> {
    use rustls_pki_types::pem::PemObject as _;
    use rustls_pki_types::{CertificateDer, PrivateKeyDer};
    use tokio_rustls::rustls::ServerConfig;
    let unreadable =
        |path: &Path, error: rustls_pki_types::pem::Error| invalid(format!("cannot read {}: {error}", path.display()));
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_file_iter(&tls.certificate).and_then(Iterator::collect);
    let certificates = certificates.map_err(|error| unreadable(&tls.certificate, error))?;
    let key = PrivateKeyDer::from_pem_file(&tls.key).map_err(|error| unreadable(&tls.key, error))?;
    let mut config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(certificates, key)
        .map_err(|error| invalid(format!("certificate and key do not fit: {error}")))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(tokio_rustls::TlsAcceptor::from(Arc::new(config)))
}
