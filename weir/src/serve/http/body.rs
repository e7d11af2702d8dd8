//! Bodies as they come: piece by piece, decompressed, within their deadline.
//!
//! A compressed piece is expanded in steps, so that however much it expands to, no more of it is in memory than its reader has asked for.

use std::io::{self, Write};
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, header};
use bytes::{Buf as _, Bytes};
use http_body_util::BodyExt as _;
use zstd::stream::raw::{DParameter, Operation as _};

use super::answer::Problem;

/// Bytes after which a step of expansion ends.
const STEP_BYTES: usize = 256 << 10;
/// Bytes that the decompressors make at once.
const OUTPUT_BYTES: usize = 32 << 10;
/// How long a body that is not wanted may go on to come.
const LINGER: Duration = Duration::from_secs(1);
/// Windows of zstd, as a power of two: memory for each request.
const WINDOW_LOG_MAX: u32 = 23;

/// A body under way.
pub struct Incoming {
    body: Body,
    idle: Duration,
    decoder: Decompression,
    /// Compressed bytes that were not expanded yet.
    pending: Bytes,
}

/// How a body is compressed.
enum Decompression {
    Identity,
    Gzip(Box<flate2::write::MultiGzDecoder<Vec<u8>>>),
    Zstd(Box<Zstd>),
}

/// Frames of zstd, one after the other.
struct Zstd {
    decoder: zstd::stream::raw::Decoder<'static>,
    /// Whether a frame has begun and not ended.
    is_within: bool,
}

impl Decompression {
    /// Takes some of a compressed piece, so that no more than 32 KiB come of it. How much it took.
    fn take(&mut self, piece: &[u8], text: &mut Vec<u8>) -> io::Result<usize> {
        match self {
            Decompression::Identity => Ok(0),
            Decompression::Gzip(decoder) => {
                let taken = decoder.write(piece);
                text.append(decoder.get_mut());
                taken
            }
            Decompression::Zstd(zstd) => zstd.take(piece, text),
        }
    }

    /// What is left when nothing more comes.
    fn end(&mut self, text: &mut Vec<u8>) -> io::Result<()> {
        match self {
            Decompression::Identity => Ok(()),
            Decompression::Gzip(decoder) => {
                let ended = decoder.try_finish();
                text.append(decoder.get_mut());
                ended
            }
            Decompression::Zstd(zstd) => {
                let mut before = usize::MAX;
                while zstd.is_within && text.len() != before {
                    before = text.len();
                    zstd.take(&[], text)?;
                }
                if zstd.is_within { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
            }
        }
    }
}

impl Zstd {
    fn take(&mut self, piece: &[u8], text: &mut Vec<u8>) -> io::Result<usize> {
        if !self.is_within {
            self.decoder.reinit()?;
        }
        let start = text.len();
        text.resize(start + OUTPUT_BYTES, 0);
        let status = self.decoder.run_on_buffers(piece, &mut text[start..]);
        text.truncate(start + status.as_ref().map_or(0, |status| status.bytes_written));
        let status = status?;
        self.is_within = status.remaining != 0;
        Ok(status.bytes_read)
    }
}

impl Incoming {
    /// The body of a request with these headers.
    pub fn new(headers: &HeaderMap, body: Body, idle: Duration) -> Result<Incoming, Problem> {
        let encoding = headers.get(header::CONTENT_ENCODING).map_or("identity", |value| value.to_str().unwrap_or("?"));
        let decoder = match encoding.trim().to_ascii_lowercase().as_str() {
            "identity" | "" => Decompression::Identity,
            "gzip" | "x-gzip" => Decompression::Gzip(Box::new(flate2::write::MultiGzDecoder::new(Vec::new()))),
            "zstd" => {
                let mut decoder = zstd::stream::raw::Decoder::new().map_err(internal)?;
                decoder.set_parameter(DParameter::WindowLogMax(WINDOW_LOG_MAX)).map_err(internal)?;
                Decompression::Zstd(Box::new(Zstd { decoder, is_within: false }))
            }
            other => {
                let detail = format!("the content encoding {other:?} is not known; send identity, gzip or zstd");
                return Err(Problem::new(415, "encoding_unsupported", detail));
            }
        };
        Ok(Incoming { body, idle, decoder, pending: Bytes::new() })
    }

    /// Appends the next piece to `text`; `false` at the end. A compressed piece may bring nothing.
    pub async fn read(&mut self, text: &mut Vec<u8>) -> Result<bool, Problem> {
        if !self.pending.is_empty() {
            // A small body may expand to much: others have their turn in between.
            tokio::task::yield_now().await;
            self.expand(text)?;
            return Ok(true);
        }
        let Some(piece) = self.frame().await? else {
            self.decoder.end(text).map_err(|error| damaged(&error))?;
            return Ok(false);
        };
        if matches!(self.decoder, Decompression::Identity) {
            text.extend_from_slice(&piece);
        } else {
            self.pending = piece;
            self.expand(text)?;
        }
        Ok(true)
    }

    /// Passes over what is on its way: a client may listen only once it has sent all, and would not hear the answer of a connection that is
    /// closed before.
    pub async fn linger(mut self) {
        // Whoever sends more than comes in that time has had its chance.
        let _ = tokio::time::timeout(LINGER, async { while let Some(Ok(_)) = self.body.frame().await {} }).await;
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

    /// Expands a step.
    fn expand(&mut self, text: &mut Vec<u8>) -> Result<(), Problem> {
        let enough = text.len() + STEP_BYTES;
        while !self.pending.is_empty() && text.len() < enough {
            let before = text.len();
            let taken = self.decoder.take(&self.pending, text).map_err(|error| damaged(&error))?;
            if taken == 0 && text.len() == before {
                return Err(Problem::invalid("body_damaged", "the compressed body goes on behind its end"));
            }
            self.pending.advance(taken);
        }
        Ok(())
    }
}

fn damaged(error: &io::Error) -> Problem {
    Problem::invalid("body_damaged", format!("the compressed body is damaged: {error}"))
}

fn internal(error: io::Error) -> Problem {
    Problem::new(500, "internal", format!("the body cannot be decompressed here: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decompression(encoding: &str) -> Decompression {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_ENCODING, encoding.parse().unwrap());
        Incoming::new(&headers, Body::empty(), Duration::from_secs(1)).map(|incoming| incoming.decoder).ok().unwrap()
    }

    /// Expands a body that comes in pieces; how much came of it at once at most.
    fn expanded(encoding: &str, body: &[u8], step: usize) -> io::Result<(Vec<u8>, usize)> {
        let mut decompression = decompression(encoding);
        let (mut text, mut most) = (Vec::new(), 0);
        for mut piece in body.chunks(step) {
            while !piece.is_empty() {
                let before = text.len();
                let taken = decompression.take(piece, &mut text)?;
                assert!(taken > 0 || text.len() > before, "it goes on");
                most = most.max(text.len() - before);
                piece = &piece[taken..];
            }
        }
        decompression.end(&mut text)?;
        Ok((text, most))
    }

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn bodies_are_expanded_in_steps() {
        let zeros = vec![0_u8; 8 << 20];
        let two = [b"one\n".repeat(1_000), zeros].concat();
        for (encoding, one) in [("gzip", gzip(&two)), ("zstd", zstd::encode_all(&two[..], 3).unwrap())] {
            let body = one.repeat(2);
            for step in [1, 7, 4_096, body.len()] {
                let (text, most) = expanded(encoding, &body, step).unwrap();
                assert_eq!(text, two.repeat(2), "{encoding} {step}");
                assert!(most <= 2 * OUTPUT_BYTES, "{encoding} {step}: {most}");
            }
        }
    }

    #[test]
    fn a_body_that_breaks_off_is_damaged() {
        let text: Vec<u8> = (0..50_000_u32).flat_map(u32::to_le_bytes).collect();
        for (encoding, body) in [("gzip", gzip(&text)), ("zstd", zstd::encode_all(&text[..], 3).unwrap())] {
            assert!(expanded(encoding, &body, 1_000).is_ok());
            for end in [1, body.len() / 2, body.len() - 1] {
                assert!(expanded(encoding, &body[..end], 1_000).is_err(), "{encoding} {end}");
            }
            let garbage = [&body[..], b"garbage behind it"].concat();
            assert!(expanded(encoding, &garbage, 1_000).is_err(), "{encoding}");
        }
    }
}
