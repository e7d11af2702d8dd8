//! A child process, and what it took as the system counts it for that child alone.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use wait4::Wait4;

/// A process that ended well.
#[derive(Debug)]
pub(super) struct Finished {
    /// What it printed.
    pub(super) stdout: String,
    /// From its start to its end.
    pub(super) wall: Duration,
    /// User and system time of all its threads.
    pub(super) cpu: Duration,
    /// The most memory that it held.
    pub(super) peak_bytes: u64,
}

/// Runs a command to its end; what it complains about goes to `log`, whose last lines are the reason if it fails.
pub(super) fn run(command: &mut Command, log: &Path) -> Result<Finished> {
    let stderr = File::create(log).with_context(|| log.display().to_string())?;
    let started = Instant::now();
    let program = command.get_program().to_string_lossy().into_owned();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(stderr)
        .spawn()
        .with_context(|| format!("{program} does not start"))?;
    let mut stdout = String::new();
    child.stdout.take().context("the output was piped")?.read_to_string(&mut stdout)?;
    let used = child.wait4()?;
    let wall = started.elapsed();
    if !used.status.success() {
        bail!("{}: {}", used.status, last_words(log));
    }
    Ok(Finished { stdout, wall, cpu: used.rusage.utime + used.rusage.stime, peak_bytes: used.rusage.maxrss })
}

/// The last line of a log that says something.
fn last_words(log: &Path) -> String {
    let text = std::fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let last = text.lines().rev().map(str::trim).find(|line| !line.is_empty());
    last.unwrap_or("without a word").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Result<Finished> {
        let dir = tempfile::tempdir().unwrap();
        run(Command::new("sh").args(["-c", script]), &dir.path().join("log"))
    }

    #[test]
    fn what_a_process_took_is_known() {
        let finished = shell("i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; echo done").unwrap();
        assert_eq!(finished.stdout, "done\n");
        assert!(finished.cpu > Duration::ZERO && finished.wall > Duration::ZERO && finished.peak_bytes > 1 << 18);
    }

    #[test]
    fn a_failure_says_why() {
        let error = shell("echo first >&2; echo no such file >&2; echo >&2; exit 3").unwrap_err().to_string();
        assert!(error.contains("3: no such file"), "{error}");
        let missing = run(&mut Command::new("./no-such-program"), &tempfile::tempdir().unwrap().path().join("log"));
        assert!(missing.unwrap_err().to_string().contains("does not start"));
    }
}
