//! The ceiling: a server that does nothing but take bodies, as the most that any server over the same HTTP library can do.
//!
//! It reads each body and answers 200 with always the same counts; before that, if it is told so, it writes the body to a file with group commit:
//! one thread takes all bodies that wait, writes them, syncs once and lets their answers go. It decodes nothing.

use std::fs::{self, File, OpenOptions};
use std::io::{self, IoSlice, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use anyhow::{Context, Result};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime;
use tokio::sync::oneshot;

/// What every request is answered.
const ANSWER: &[u8] = br#"{"received":0,"accepted":0,"duplicate":0,"conflict":0,"rejected":0,"rejections":[]}"#;
/// A file is begun anew when it is so long, like a segment of the log.
const FILE_BYTES: u64 = 64 << 20;
/// One group is not much longer.
const GROUP_BYTES: usize = 32 << 20;
/// Linux writes at most so many parts at once.
const PARTS_MAX: usize = 1_024;

/// What becomes of bodies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// They are forgotten.
    Discard,
    /// They are durable in a file of this folder before they are answered; an older file is removed.
    Sync(PathBuf),
}

/// Serves on a port that the system chooses, which is handed to `announce`, until the process ends.
pub fn serve(fate: &Fate, threads: usize, announce: impl FnOnce(SocketAddr)) -> Result<()> {
    let writer = match fate {
        Fate::Discard => None,
        Fate::Sync(folder) => Some(start_writer(folder)?),
    };
    let runtime = runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.context("a port on this machine")?;
        announce(listener.local_addr()?);
        loop {
            let (stream, _) = listener.accept().await.context("a connection")?;
            stream.set_nodelay(true)?;
            tokio::spawn(connection(stream, writer.clone()));
        }
    })
}

/// A body on its way to the disk, and whom to tell.
struct Waiting {
    parts: Vec<Bytes>,
    done: oneshot::Sender<()>,
}

/// One connection to its end; how it ends is its client's business.
async fn connection(stream: TcpStream, writer: Option<Sender<Waiting>>) {
    let service = service_fn(move |request: Request<Incoming>| answer(request, writer.clone()));
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(
    request: Request<Incoming>,
    writer: Option<Sender<Waiting>>,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let mut body = request.into_body();
    let mut parts = Vec::new();
    while let Some(frame) = body.frame().await {
        parts.extend(frame?.into_data());
    }
    if let Some(writer) = writer {
        let (done, synced) = oneshot::channel();
        // Without a writer nobody is told either, and what is not durable is not acknowledged.
        let _ = writer.send(Waiting { parts, done });
        if synced.await.is_err() {
            let mut response = Response::new(Full::new(Bytes::from_static(b"the disk has failed")));
            *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            return Ok(response);
        }
    }
    let mut response = Response::new(Full::new(Bytes::from_static(ANSWER)));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

fn start_writer(folder: &Path) -> Result<Sender<Waiting>> {
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let (sender, receiver) = channel();
    let mut files = Files { folder: folder.to_owned(), number: 0, length: 0, file: create(folder, 0)? };
    // An error ends the thread, and every answer that waits for it is a failure.
    thread::spawn(move || files.write_groups(&receiver));
    Ok(sender)
}

/// Where bodies are written.
struct Files {
    folder: PathBuf,
    number: u64,
    length: u64,
    file: File,
}

impl Files {
    /// Groups, until no connection is left.
    fn write_groups(&mut self, waiting: &Receiver<Waiting>) -> io::Result<()> {
        while let Ok(first) = waiting.recv() {
            let mut bytes = first.len();
            let mut group = vec![first];
            while bytes < GROUP_BYTES
                && let Ok(next) = waiting.try_recv()
            {
                bytes += next.len();
                group.push(next);
            }
            self.write(&group)?;
            self.file.sync_data()?;
            self.length += u64::try_from(bytes).unwrap_or(u64::MAX);
            for body in group {
                // Who does not wait any more has broken the connection.
                let _ = body.done.send(());
            }
            if self.length >= FILE_BYTES {
                self.begin_anew()?;
            }
        }
        Ok(())
    }

    fn write(&mut self, group: &[Waiting]) -> io::Result<()> {
        let mut parts: Vec<IoSlice<'_>> =
            group.iter().flat_map(|body| &body.parts).map(|part| IoSlice::new(part)).collect();
        let mut left = &mut parts[..];
        IoSlice::advance_slices(&mut left, 0);
        while !left.is_empty() {
            let count = left.len().min(PARTS_MAX);
            let written = self.file.write_vectored(&left[..count])?;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            IoSlice::advance_slices(&mut left, written);
        }
        Ok(())
    }

    fn begin_anew(&mut self) -> io::Result<()> {
        self.number += 1;
        self.file = create(&self.folder, self.number)?;
        self.length = 0;
        fs::remove_file(path(&self.folder, self.number - 1))
    }
}

impl Waiting {
    fn len(&self) -> usize {
        self.parts.iter().map(Bytes::len).sum()
    }
}

fn create(folder: &Path, number: u64) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).open(path(folder, number))
}

fn path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("ceiling-{number}"))
}
