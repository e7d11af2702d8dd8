//! A server without a socket, on files that crash: requests go to its routes one after the other.

use std::sync::Arc;

use anyhow::Result;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};
use tower_service::Service as _;
use weir::config::{Config, Settings};
use weir::serve::Node;
use weir::serve::clock::SetClock;
use weir_files::Simulated;
use weir_model::time::Instant;

/// Noon of 1 April 2026: every period of the proofs is over.
const BEGAN_US: i64 = 1_775_044_800_000_000;
const MINUTE_US: i64 = 60_000_000;

/// The settings of a server of which everything happens often; `more` are variables as the environment has them.
pub fn settings(more: &[(&str, &str)]) -> Settings {
    let often = [
        ("WEIR_DATA__SHARDS", "2"),
        ("WEIR_DATA__THREADS", "1"),
        ("WEIR_LOG__SEGMENT_BYTES", "4KiB"),
        ("WEIR_LOG__FREE_BYTES_MIN", "0B"),
        ("WEIR_SNAPSHOTS__EVERY_LOG_BYTES", "3KiB"),
        ("WEIR_IDENTITIES__MEMORY_BYTES", "768KiB"),
        ("WEIR_ARCHIVE__BATCH_EVENTS", "16"),
    ];
    let variables = often.iter().chain(more).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Config::load(None, variables).unwrap().settings
}

/// A server.
pub struct Running {
    node: Node,
    router: Router,
    runtime: Runtime,
    clock: Arc<SetClock>,
}

impl Running {
    /// Starts on what is there.
    pub fn start(files: &Simulated, settings: &Settings) -> Result<Running> {
        let clock = Arc::new(SetClock::at(Instant::from_micros(BEGAN_US)));
        let node = Node::start(Arc::new(files.clone()), settings.clone(), Arc::clone(&clock) as _)?;
        let (router, runtime) = (node.router(), Builder::new_current_thread().enable_all().build()?);
        Ok(Running { node, router, runtime, clock })
    }

    /// The clock shows so many minutes after the beginning.
    pub fn set_minute(&self, minute: usize) {
        self.clock.set(Instant::from_micros(BEGAN_US + MINUTE_US * i64::try_from(minute).unwrap()));
    }

    /// Sends a request: the status and what is answered.
    pub fn ask(&mut self, method: &str, path: &str, (content_type, body): (&str, &str)) -> (u16, Value) {
        let answer = answer(self.router.clone(), request(method, path, (content_type, body)));
        self.runtime.block_on(answer)
    }

    /// Posts several bodies at the same time.
    pub fn ask_together(&mut self, path: &str, bodies: Vec<(&str, &str)>) -> Vec<(u16, Value)> {
        let posts = bodies.into_iter().map(|body| answer(self.router.clone(), request("POST", path, body)));
        let posts: Vec<_> = posts.collect();
        self.runtime.block_on(async {
            let under_way: Vec<_> = posts.into_iter().map(tokio::spawn).collect();
            let mut answers = Vec::new();
            for answer in under_way {
                answers.push(answer.await.unwrap());
            }
            answers
        })
    }

    /// What `GET` gives, which must be there.
    pub fn get(&mut self, path: &str) -> Value {
        let (status, value) = self.ask("GET", path, ("", ""));
        assert_eq!(status, 200, "{path}: {value}");
        value
    }

    /// Ends it.
    pub fn stop(self) -> Result<()> {
        let Running { node, router, runtime, .. } = self;
        drop(router);
        drop(runtime);
        node.stop()
    }
}

fn request(method: &str, path: &str, (content_type, body): (&str, &str)) -> Request<Body> {
    let request = Request::builder().method(method).uri(path).header("content-type", content_type);
    request.body(Body::from(body.to_owned())).unwrap()
}

async fn answer(mut router: Router, request: Request<Body>) -> (u16, Value) {
    let response = router.call(request).await.unwrap();
    let status = response.status().as_u16();
    let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
}
