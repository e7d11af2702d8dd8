//! A server that does nothing, in a process of its own: its start, its address, its end.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};
use weir_loadtest::driver::Server;
use weir_loadtest::driver::ceiling::{self, Fate};

/// The chore that serves.
const CHORE: &str = "ceiling-server";

/// A ceiling that runs; it ends with this value.
#[derive(Debug)]
pub(super) struct Ceiling {
    child: Child,
    pub(super) server: Server,
}

impl Ceiling {
    /// Starts one that forgets bodies, or one that syncs them to a folder.
    pub(super) fn start(folder: Option<&Path>) -> Result<Ceiling> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(CHORE).args(folder).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().context("the ceiling does not start")?;
        let mut line = String::new();
        let stdout = child.stdout.take().context("the output was piped")?;
        BufReader::new(stdout).read_line(&mut line)?;
        let server = Server::parse(line.trim(), None).context("the ceiling does not say where it listens")?;
        Ok(Ceiling { child, server })
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Ceiling {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `cargo xtask ceiling-server [FOLDER]`: says where it listens, and serves until its input ends.
pub(crate) fn serve(arguments: &[&str]) -> Result<()> {
    let fate = match arguments {
        [] => Fate::Discard,
        [folder] if !folder.starts_with('-') => Fate::Sync(folder.into()),
        _ => bail!("ceiling-server takes a folder or nothing"),
    };
    std::thread::spawn(|| {
        // Whoever started it holds the other end: it does not outlive them.
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    let threads = std::thread::available_parallelism()?.get();
    ceiling::serve(&fate, threads, |address| println!("http://{address}"))
}
