//! A client that sends a body until it is acknowledged: over refusals for a while (429, 503), broken connections, and a server
//! that is killed and started again. Events are idempotent, so the same body may be sent any number of times.
//!
//! Owns: when to send again, how long to wait, and when to give up. Does not own: what bodies say. L1, L2: it asks of the server what a
//! customer's client would.

use std::io;
use std::time::Duration;

use serde::Deserialize;
use thiserror::Error;
use tokio::runtime::{self, Runtime};
use tokio::time::{Instant, sleep, timeout};

use super::Form;
use super::connection::{Connection, Failure};
use super::response::{Malformed, Response};
use super::server::{Connect, Head, Server};

/// Waits between tries when the server names none: doubled from the first to the last.
const WAIT_MIN: Duration = Duration::from_millis(5);
const WAIT_MAX: Duration = Duration::from_millis(250);
/// A try without a response for so long is a broken connection.
const RESPONSE_WAIT_MAX: Duration = Duration::from_secs(30);
/// So much of a refusal is quoted.
const QUOTED_CHARS: usize = 300;

/// What a server answers to a body of events, once they are durable.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Answer {
    /// Events in the body.
    pub received: u64,
    /// Counted from now on.
    pub accepted: u64,
    /// Had been accepted before.
    pub duplicate: u64,
    /// Known identities with another content.
    pub conflict: u64,
    /// No events.
    pub rejected: u64,
    /// Why.
    #[serde(default)]
    pub rejections: Vec<Rejection>,
}

/// Why one event of a body was rejected.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Rejection {
    /// Its place in the body, from 0.
    pub index: u64,
    /// A stable word.
    pub code: String,
    /// For people.
    pub sentence: String,
}

/// A body that was acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivered {
    /// By this answer, the last one.
    pub answer: Answer,
    /// What came before it.
    pub tries: Tries,
    /// From the last try's first byte out to its answer.
    pub service: Duration,
}

/// What became of a body's tries before the one that was acknowledged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tries {
    /// 429.
    pub busy: u64,
    /// 503.
    pub unavailable: u64,
    /// There was no connection to be had.
    pub unconnected: u64,
    /// The connection broke under way: events may have been taken, and a later answer calls them duplicates.
    pub broken: u64,
}

/// A body that was not acknowledged.
#[derive(Debug, Error)]
pub enum Undelivered {
    /// The server says that no retry helps; its fault or the caller's.
    #[error("the server answers {status}: {text}")]
    Refused {
        /// The response's status code.
        status: u16,
        /// How its content begins.
        text: String,
    },
    /// The server's fault.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// The server's fault.
    #[error("the answer is not the JSON that it should be: {reason}: {text}")]
    Unreadable {
        /// What is wrong with it.
        reason: serde_json::Error,
        /// How it begins.
        text: String,
    },
    /// Whether events were taken is unknown if a try was broken.
    #[error("given up: {last} ({tries:?})")]
    GivenUp {
        /// What became of the last try.
        last: String,
        /// What became of all.
        tries: Tries,
    },
}

/// A client with at most one connection and one request under way.
#[derive(Debug)]
pub struct Client<C: Connect = Server> {
    connect: C,
    head: Head,
    connection: Option<Connection<C::Stream>>,
}

/// A client for who has no event loop, such as a test that kills the server meanwhile.
#[derive(Debug)]
pub struct BlockingClient {
    runtime: Runtime,
    client: Client,
}

impl BlockingClient {
    /// A client that connects when it first sends. Fails if the system gives no event loop.
    pub fn new(server: Server, form: Form) -> io::Result<BlockingClient> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(BlockingClient { runtime, client: Client::new(server, form) })
    }

    /// As [`Client::deliver`].
    pub fn deliver(&mut self, body: &[u8], give_up_after: Duration) -> Result<Delivered, Undelivered> {
        self.runtime.block_on(self.client.deliver(body, give_up_after))
    }
}

/// What one try came to.
enum Tried {
    Response(Response),
    Unconnected(io::Error),
    Broken(String),
}

impl Client<Server> {
    /// A client that connects when it first sends.
    pub fn new(server: Server, form: Form) -> Client {
        let head = Head::new(&server, form);
        Client { connect: server, head, connection: None }
    }
}

impl<C: Connect> Client<C> {
    /// A client over connections of another kind.
    #[cfg(test)]
    pub(super) fn over(connect: C, server: &Server, form: Form) -> Client<C> {
        Client { connect, head: Head::new(server, form), connection: None }
    }

    /// Sends a body until it is acknowledged, or until a next try would begin later than `give_up_after` the first.
    pub async fn deliver(&mut self, body: &[u8], give_up_after: Duration) -> Result<Delivered, Undelivered> {
        let give_up_at = Instant::now() + give_up_after;
        let mut tries = Tries::default();
        let mut wait = WAIT_MIN;
        loop {
            let started = Instant::now();
            let (last, asked) = match self.attempt(body).await? {
                Tried::Response(Response { status: 200, body, .. }) => {
                    return Ok(Delivered { answer: read_answer(&body)?, tries, service: started.elapsed() });
                }
                Tried::Response(response) => {
                    match response.status {
                        429 => tries.busy += 1,
                        503 => tries.unavailable += 1,
                        status => return Err(Undelivered::Refused { status, text: quoted(&response.body) }),
                    }
                    (format!("{}: {}", response.status, quoted(&response.body)), response.retry_after)
                }
                Tried::Unconnected(error) => {
                    tries.unconnected += 1;
                    (format!("no connection: {error}"), None)
                }
                Tried::Broken(reason) => {
                    tries.broken += 1;
                    (reason, None)
                }
            };
            let pause = asked.unwrap_or(wait);
            if Instant::now() + pause > give_up_at {
                return Err(Undelivered::GivenUp { last, tries });
            }
            sleep(pause).await;
            wait = WAIT_MAX.min(wait * 2);
        }
    }

    async fn attempt(&mut self, body: &[u8]) -> Result<Tried, Undelivered> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => match self.connect.connect().await {
                Ok(stream) => Connection::new(stream),
                Err(error) => return Ok(Tried::Unconnected(error)),
            },
        };
        let head = self.head.with_length(body.len());
        match timeout(RESPONSE_WAIT_MAX, connection.exchange(head, body)).await {
            Ok(Ok(exchanged)) => {
                self.connection = exchanged.stays_open.then_some(connection);
                Ok(Tried::Response(exchanged.response))
            }
            Ok(Err(Failure::Malformed(malformed))) => Err(malformed.into()),
            Ok(Err(broken @ Failure::Broken(_))) => Ok(Tried::Broken(broken.to_string())),
            Err(_) => Ok(Tried::Broken(format!("no response within {RESPONSE_WAIT_MAX:?}"))),
        }
    }
}

fn read_answer(body: &[u8]) -> Result<Answer, Undelivered> {
    serde_json::from_slice(body).map_err(|reason| Undelivered::Unreadable { reason, text: quoted(body) })
}

/// The beginning of a response's content.
fn quoted(body: &[u8]) -> String {
    String::from_utf8_lossy(body).trim().chars().take(QUOTED_CHARS).collect()
}
