//! One keep-alive connection: a request out, its response in, nothing more under way.
//!
//! Owns: reading and writing. It reads while it writes, so that a server that refuses a body half way is heard. Does not own:
//! time limits, retries, what a status means.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::response::{Malformed, Response, parse};

const READ_BYTES: usize = 1 << 14;

/// A connection.
#[derive(Debug)]
pub(super) struct Connection<S> {
    stream: S,
    received: Vec<u8>,
    buffer: Box<[u8]>,
    /// Why nothing more can be written; what the server said before it may still come.
    unwritable: Option<io::Error>,
}

/// Why there is no response.
#[derive(Debug, Error)]
pub(super) enum Failure {
    /// Whether the server has taken the request is unknown.
    #[error("the connection broke: {0}")]
    Broken(#[from] io::Error),
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

/// A response, and whether the connection takes another request.
pub(super) struct Exchanged {
    pub(super) response: Response,
    pub(super) stays_open: bool,
}

/// A request, and how much of it is sent.
struct Request<'a> {
    head: &'a [u8],
    body: &'a [u8],
    sent: usize,
}

impl Request<'_> {
    fn is_sent(&self) -> bool {
        self.sent == self.head.len() + self.body.len()
    }

    /// What is left of both parts.
    fn rest(&self) -> [IoSlice<'_>; 2] {
        let head = &self.head[self.sent.min(self.head.len())..];
        let body = &self.body[self.sent.saturating_sub(self.head.len())..];
        [IoSlice::new(head), IoSlice::new(body)]
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    pub(super) fn new(stream: S) -> Connection<S> {
        Connection { stream, received: Vec::new(), buffer: vec![0; READ_BYTES].into(), unwritable: None }
    }

    /// Sends a request in two parts and waits for its response.
    pub(super) async fn exchange(&mut self, head: &[u8], body: &[u8]) -> Result<Exchanged, Failure> {
        self.received.clear();
        let mut request = Request { head, body, sent: 0 };
        std::future::poll_fn(|context| self.poll_exchange(context, &mut request)).await
    }

    fn poll_exchange(
        &mut self,
        context: &mut Context<'_>,
        request: &mut Request<'_>,
    ) -> Poll<Result<Exchanged, Failure>> {
        self.poll_write(context, request);
        loop {
            match ready!(self.poll_read(context)) {
                Ok(0) => return Poll::Ready(Err(self.unwritable.take().unwrap_or_else(closed).into())),
                Ok(_) => {
                    if let Some(response) = parse(&self.received)? {
                        let stays_open = !response.closes && request.is_sent() && self.unwritable.is_none();
                        return Poll::Ready(Ok(Exchanged { response, stays_open }));
                    }
                }
                Err(error) => return Poll::Ready(Err(self.unwritable.take().unwrap_or(error).into())),
            }
        }
    }

    /// Writes what can be written.
    fn poll_write(&mut self, context: &mut Context<'_>, request: &mut Request<'_>) {
        while !request.is_sent() && self.unwritable.is_none() {
            match Pin::new(&mut self.stream).poll_write_vectored(context, &request.rest()) {
                Poll::Ready(Ok(written)) if written > 0 => request.sent += written,
                Poll::Ready(result) => self.unwritable = Some(result.err().unwrap_or_else(closed)),
                Poll::Pending => return,
            }
        }
    }

    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(&mut self.buffer);
        ready!(Pin::new(&mut self.stream).poll_read(context, &mut buffer))?;
        self.received.extend_from_slice(buffer.filled());
        Poll::Ready(Ok(buffer.filled().len()))
    }
}

fn closed() -> io::Error {
    io::ErrorKind::UnexpectedEof.into()
}
