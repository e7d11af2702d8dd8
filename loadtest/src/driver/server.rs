//! Where events go: an address, and the head of the requests that carry them.

use std::future::Future;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};

use anyhow::{Context, Result, ensure};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::Form;

/// Where events are posted.
const PATH: &str = "/v1/events";

/// A server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    /// What requests call it.
    pub host: String,
    /// The credential, if it wants one.
    pub key: Option<String>,
}

impl Server {
    /// Reads `http://HOST:PORT`.
    pub fn parse(url: &str, key: Option<String>) -> Result<Server> {
        let host = url.strip_prefix("http://").with_context(|| format!("{url}: write http://HOST:PORT"))?;
        let host = host.strip_suffix('/').unwrap_or(host);
        let address = host.to_socket_addrs().with_context(|| format!("{url}: no such address"))?.next();
        let is_token = |key: &String| key.bytes().all(|byte| byte.is_ascii_graphic());
        ensure!(key.as_ref().is_none_or(is_token), "a key is of visible ASCII characters");
        Ok(Server { address: address.with_context(|| format!("{url}: no such address"))?, host: host.to_owned(), key })
    }
}

/// What opens connections.
pub trait Connect {
    /// A connection's bytes, both ways.
    type Stream: AsyncRead + AsyncWrite + Unpin;

    /// Opens one.
    fn connect(&self) -> impl Future<Output = io::Result<Self::Stream>>;
}

impl Connect for Server {
    type Stream = TcpStream;

    async fn connect(&self) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(self.address).await?;
        // A head and a body in two parts must not wait for an acknowledgement in between.
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

/// The head of a server's requests, of which only the length differs.
#[derive(Debug)]
pub(super) struct Head {
    text: Vec<u8>,
    fixed_len: usize,
}

impl Head {
    pub(super) fn new(server: &Server, form: Form) -> Head {
        let key = server.key.as_ref().map(|key| format!("Authorization: Bearer {key}\r\n")).unwrap_or_default();
        let text = format!(
            "POST {PATH} HTTP/1.1\r\nHost: {}\r\n{key}Content-Type: {}\r\nContent-Length: ",
            server.host,
            form.content_type()
        )
        .into_bytes();
        Head { fixed_len: text.len(), text }
    }

    /// The head of a request with a body of so many bytes.
    pub(super) fn with_length(&mut self, length: usize) -> &[u8] {
        use std::io::Write as _;
        self.text.truncate(self.fixed_len);
        // Writing to a Vec cannot fail.
        let _ = write!(self.text, "{length}\r\n\r\n");
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        for (url, expected) in [
            ("http://127.0.0.1:8080", Some("127.0.0.1:8080")),
            ("http://127.0.0.1:8080/", Some("127.0.0.1:8080")),
            ("http://[::1]:80", Some("[::1]:80")),
            ("https://127.0.0.1:8080", None),
            ("http://127.0.0.1", None),
            ("127.0.0.1:8080", None),
        ] {
            let found = Server::parse(url, None).ok().map(|server| server.address.to_string());
            assert_eq!(found.as_deref(), expected, "{url}");
        }
        assert!(Server::parse("http://127.0.0.1:1", Some("a b".to_owned())).is_err());
    }

    #[test]
    fn heads() {
        let server = Server::parse("http://127.0.0.1:8080", Some("k1".to_owned())).unwrap();
        let mut head = Head::new(&server, Form::Ndjson);
        let expected = |length| {
            format!(
                "POST /v1/events HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nAuthorization: Bearer k1\r\n\
                 Content-Type: application/x-ndjson\r\nContent-Length: {length}\r\n\r\n"
            )
        };
        for length in [244_000, 7] {
            assert_eq!(std::str::from_utf8(head.with_length(length)).unwrap(), expected(length));
        }
    }
}
