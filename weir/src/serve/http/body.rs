//! Bodies as they come: piece by piece, decompressed, within their deadline and their room.

use std::io::{self, Write};
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, header};
use bytes::Bytes;
use http_body_util::BodyExt as _;

use super::answer::Problem;

/// Compressed bytes that are expanded at once.
const PIECE_BYTES: usize = 4 << 10;
/// Windows of zstd, as a power of two: memory for each request.
const WINDOW_LOG_MAX: u32 = 23;

/// A body under way.
pub struct Incoming {
    body: Body,
    idle: Duration,
    decoder: Decompression,
    /// Bytes that compressed pieces may expand to at once.
    burst_max: usize,
}

/// How a body is compressed.
enum Decompression {
    Identity,
    Gzip(Box<flate2::write::MultiGzDecoder<Expanded>>),
    Zstd(Box<zstd::stream::write::Decoder<'static, Expanded>>),
}

/// What a decompressor has made; refuses more than its bound.
struct Expanded {
    bytes: Vec<u8>,
    max: usize,
}

impl Write for Expanded {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + piece.len() > self.max {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        self.bytes.extend_from_slice(piece);
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Incoming {
    /// The body of a request with these headers.
    pub fn new(headers: &HeaderMap, body: Body, idle: Duration, burst_max: usize) -> Result<Incoming, Problem> {
        let encoding = headers.get(header::CONTENT_ENCODING).map_or("identity", |value| value.to_str().unwrap_or("?"));
        let expanded = || Expanded { bytes: Vec::new(), max: burst_max };
        let decoder = match encoding.trim().to_ascii_lowercase().as_str() {
            "identity" | "" => Decompression::Identity,
            "gzip" | "x-gzip" => Decompression::Gzip(Box::new(flate2::write::MultiGzDecoder::new(expanded()))),
            "zstd" => {
                let mut decoder = zstd::stream::write::Decoder::new(expanded()).map_err(internal)?;
                decoder.window_log_max(WINDOW_LOG_MAX).map_err(internal)?;
                Decompression::Zstd(Box::new(decoder))
            }
            other => {
                let detail = format!("the content encoding {other:?} is not known; send identity, gzip or zstd");
                return Err(Problem::new(415, "encoding_unsupported", detail));
            }
        };
        Ok(Incoming { body, idle, decoder, burst_max })
    }

    /// Appends the next piece to `text`; `false` at the end. A compressed piece may bring nothing.
    pub async fn read(&mut self, text: &mut Vec<u8>) -> Result<bool, Problem> {
        match self.frame().await? {
            Some(piece) => {
                self.expand(&piece, text)?;
                Ok(true)
            }
            None => {
                self.end(text)?;
                Ok(false)
            }
        }
    }

    async fn frame(&mut self) -> Result<Option<Bytes>, Problem> {
        loop {
            let frame = tokio::time::timeout(self.idle, self.body.frame()).await;
            let Ok(frame) = frame else {
                let detail = format!("the body paused for more than {} s", self.idle.as_secs());
                return Err(Problem::new(408, "body_too_slow", detail));
            };
            match frame {
                None => return Ok(None),
                Some(Ok(frame)) => {
                    // Trailers say nothing that is wanted.
                    if let Ok(piece) = frame.into_data() {
                        return Ok(Some(piece));
                    }
                }
                Some(Err(error)) => {
                    return Err(Problem::invalid("body_broken", format!("the body broke off: {error}")));
                }
            }
        }
    }

    fn expand(&mut self, piece: &[u8], text: &mut Vec<u8>) -> Result<(), Problem> {
        for piece in piece.chunks(PIECE_BYTES) {
            let (written, expanded) = match &mut self.decoder {
                Decompression::Identity => {
                    text.extend_from_slice(piece);
                    continue;
                }
                Decompression::Gzip(decoder) => (decoder.write_all(piece), decoder.get_mut()),
                Decompression::Zstd(decoder) => (decoder.write_all(piece), decoder.get_mut()),
            };
            text.append(&mut expanded.bytes);
            written.map_err(|error| damaged(&error))?;
            if text.len() > self.burst_max {
                return Err(bomb());
            }
        }
        Ok(())
    }

    fn end(&mut self, text: &mut Vec<u8>) -> Result<(), Problem> {
        let (ended, expanded) = match &mut self.decoder {
            Decompression::Identity => return Ok(()),
            Decompression::Gzip(decoder) => (decoder.try_finish(), decoder.get_mut()),
            Decompression::Zstd(decoder) => (decoder.flush(), decoder.get_mut()),
        };
        text.append(&mut expanded.bytes);
        ended.map_err(|error| damaged(&error))
    }
}

fn damaged(error: &io::Error) -> Problem {
    match error.kind() {
        io::ErrorKind::OutOfMemory => bomb(),
        _ => Problem::invalid("body_damaged", format!("the compressed body is damaged: {error}")),
    }
}

fn bomb() -> Problem {
    Problem::new(413, "body_too_large", "the body expands to more than is taken at once; send it in several requests")
}

fn internal(error: io::Error) -> Problem {
    Problem::new(500, "internal", format!("the body cannot be decompressed here: {error}"))
}
