//! One HTTP/1.1 response out of the bytes of a connection that has one request under way.
//!
//! Owns: framing (Content-Length or chunked) and the few header fields that a retrying client acts on. Does not own: reading,
//! and what a status means. Strict: what has no length, or goes on behind its end, is malformed.

use std::time::Duration;

use thiserror::Error;

/// More is no answer to a body of events, even if each of them is rejected with a sentence.
const RESPONSE_BYTES_MAX: usize = 64 << 20;
/// Header fields that are read; a response with more of them is malformed.
const FIELDS_MAX: usize = 64;
const CRLF: &[u8] = b"\r\n";

/// A response, whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// Its status code.
    pub status: u16,
    /// `Retry-After`, if it is a number of seconds.
    pub retry_after: Option<Duration>,
    /// Whether the server closes the connection behind it.
    pub closes: bool,
    /// Its content.
    pub body: Vec<u8>,
}

/// Bytes that are no response; the server's fault, and no retry helps.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Malformed {
    /// The status line or a header field.
    #[error("the response's head is malformed: {0}")]
    Head(#[from] httparse::Error),
    /// Neither or both of the two framings, or a Content-Length that is no number.
    #[error("the response's length is not given in exactly one way")]
    Length,
    /// A chunk's size or end.
    #[error("the response's chunks are malformed")]
    Chunk,
    /// Bytes behind the end.
    #[error("the response goes on behind its end")]
    Trailing,
    /// Longer than any answer.
    #[error("the response is longer than {RESPONSE_BYTES_MAX} bytes")]
    TooLong,
}

/// How a head says where the content ends.
enum Framing {
    Length(usize),
    Chunked,
}

/// Reads the response that the bytes hold; `None` while they do not hold all of it.
pub fn parse(bytes: &[u8]) -> Result<Option<Response>, Malformed> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let mut head = httparse::Response::new(&mut fields);
    let httparse::Status::Complete(head_len) = head.parse(bytes)? else {
        return within_limit(bytes);
    };
    let field = |name: &str| {
        let found = head.headers.iter().find(|field| field.name.eq_ignore_ascii_case(name));
        found.and_then(|field| std::str::from_utf8(field.value).ok()).map(str::trim)
    };
    let rest = &bytes[head_len..];
    let content = match framing(field("content-length"), field("transfer-encoding"))? {
        Framing::Length(length) if length > RESPONSE_BYTES_MAX => return Err(Malformed::TooLong),
        Framing::Length(length) => rest.get(..length).map(|content| (content.to_vec(), length)),
        Framing::Chunked => chunks(rest)?,
    };
    let Some((body, taken)) = content else {
        return within_limit(bytes);
    };
    if rest.len() > taken {
        return Err(Malformed::Trailing);
    }
    Ok(Some(Response {
        // A parsed head has a status code.
        status: head.code.unwrap_or_default(),
        retry_after: field("retry-after").and_then(|seconds| seconds.parse().ok()).map(Duration::from_secs),
        closes: head.version == Some(0) || field("connection").is_some_and(|value| value.eq_ignore_ascii_case("close")),
        body,
    }))
}

fn within_limit(bytes: &[u8]) -> Result<Option<Response>, Malformed> {
    if bytes.len() > RESPONSE_BYTES_MAX { Err(Malformed::TooLong) } else { Ok(None) }
}

fn framing(length: Option<&str>, encoding: Option<&str>) -> Result<Framing, Malformed> {
    match (length, encoding) {
        (Some(length), None) if length.bytes().all(|byte| byte.is_ascii_digit()) => {
            length.parse().map(Framing::Length).map_err(|_| Malformed::Length)
        }
        (None, Some(encoding)) if encoding.eq_ignore_ascii_case("chunked") => Ok(Framing::Chunked),
        _ => Err(Malformed::Length),
    }
}

/// The content of all chunks and how many bytes they and the trailer take.
fn chunks(bytes: &[u8]) -> Result<Option<(Vec<u8>, usize)>, Malformed> {
    let (mut content, mut at) = (Vec::new(), 0);
    loop {
        let (line_len, length) = match httparse::parse_chunk_size(&bytes[at..]) {
            Ok(httparse::Status::Complete((line_len, length))) => (line_len, length),
            Ok(httparse::Status::Partial) => return Ok(None),
            Err(_) => return Err(Malformed::Chunk),
        };
        at += line_len;
        if length == 0 {
            return Ok(trailer_len(&bytes[at..]).map(|len| (content, at + len)));
        }
        let length = usize::try_from(length).ok().filter(|length| *length <= RESPONSE_BYTES_MAX);
        let end = at + length.ok_or(Malformed::TooLong)?;
        let Some(chunk) = bytes.get(at..end) else { return Ok(None) };
        let Some(line_end) = bytes.get(end..end + CRLF.len()) else { return Ok(None) };
        if line_end != CRLF {
            return Err(Malformed::Chunk);
        }
        content.extend_from_slice(chunk);
        at = end + CRLF.len();
    }
}

/// The bytes of the lines behind the last chunk, of which the last is empty.
fn trailer_len(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let line = bytes[at..].windows(CRLF.len()).position(|window| window == CRLF)?;
        at += line + CRLF.len();
        if line == 0 {
            return Some(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(status: u16, body: &str) -> Response {
        Response { status, retry_after: None, closes: false, body: body.as_bytes().to_vec() }
    }

    #[test]
    fn responses_are_read_however_they_are_split() {
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        for (text, expected) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", response(200, "{}")),
            ("HTTP/1.1 200 OK\r\ncontent-length:0\r\nx: y\r\n\r\n", response(200, "")),
            ("HTTP/1.1 400 \r\ncontent-length: 3\r\n\r\nno\n", response(400, "no\n")),
            ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", response(200, "")),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n3\r\n{\"a\r\nA;x=y\r\n\":12345678\r\n1\r\n}\r\n0\r\nt: u\r\n\r\n",
                response(200, "{\"a\":12345678}"),
            ),
            (
                "HTTP/1.1 429 Too Many\r\nRetry-After: 2\r\ncontent-length: 0\r\n\r\n",
                Response { retry_after: seconds(2), ..response(429, "") },
            ),
            (
                "HTTP/1.1 503 No\r\nretry-after: Wed, 21 Oct 2015 07:28:00 GMT\r\nConnection: Close\r\ncontent-length: 0\r\n\r\n",
                Response { closes: true, ..response(503, "") },
            ),
            ("HTTP/1.0 200 OK\r\ncontent-length: 1\r\n\r\nx", Response { closes: true, ..response(200, "x") }),
        ] {
            for split in 0..text.len() {
                assert_eq!(parse(&text.as_bytes()[..split]), Ok(None), "{split} bytes of {text}");
            }
            assert_eq!(parse(text.as_bytes()), Ok(Some(expected)), "{text}");
        }
    }

    #[test]
    fn what_is_no_response_is_refused() {
        for (text, expected) in [
            ("SMTP ready\r\n", Malformed::Head(httparse::Error::Version)),
            ("HTTP/1.1 abc OK\r\n\r\n", Malformed::Head(httparse::Error::Status)),
            ("HTTP/1.1 200 OK\r\nno colon\r\n\r\n", Malformed::Head(httparse::Error::HeaderName)),
            ("HTTP/1.1 200 OK\r\n\r\n", Malformed::Length),
            ("HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n", Malformed::Length),
            ("HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999\r\n\r\n", Malformed::Length),
            ("HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n", Malformed::TooLong),
            ("HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\n", Malformed::Length),
            ("HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n", Malformed::Length),
            ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nx\r\n", Malformed::Chunk),
            ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nab\r\n", Malformed::Chunk),
            ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nFFFFFFFF\r\n", Malformed::TooLong),
            ("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nxy", Malformed::Trailing),
            ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nx", Malformed::Trailing),
        ] {
            assert_eq!(parse(text.as_bytes()), Err(expected), "{text}");
        }
    }
}
