//! A job's files: its lines, its catalog, and a stamp with shape and answer that is written last.
//!
//! Files are made once and used again as long as the stamp, the catalog, the length and the first lines are what the generator
//! would write today.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use weir_loadtest::job::{Answer, Job, Shape};

/// So many lines tell whether the generator is still the one that wrote a file.
const LINES_COMPARED: u64 = 1_000;

/// The files of one job.
#[derive(Debug)]
pub(super) struct Files {
    pub(super) job: Job,
    pub(super) events: PathBuf,
    pub(super) catalog: PathBuf,
    stamp: PathBuf,
}

impl Files {
    /// Where the files of a shape are, in a folder.
    pub(super) fn of(shape: Shape, folder: &Path) -> Result<Files> {
        let name = format!("{shape}-{}", shape.lines);
        let file = |extension: &str| folder.join(format!("{name}.{extension}"));
        Ok(Files { events: file("ndjson"), catalog: file("toml"), stamp: file("json"), job: Job::new(shape)? })
    }

    /// The answer, if the files are there and up to date.
    pub(super) fn answer(&self) -> Option<Answer> {
        let stamp: Value = serde_json::from_slice(&fs::read(&self.stamp).ok()?).ok()?;
        let shape: Shape = serde_json::from_value(stamp["shape"].clone()).ok()?;
        let answer: Answer = serde_json::from_value(stamp["answer"].clone()).ok()?;
        let is_current = shape == *self.job.shape()
            && fs::metadata(&self.events).ok()?.len() == answer.bytes
            && fs::read_to_string(&self.catalog).ok()? == self.job.catalog()
            && self.begins_as_written_today().ok()?;
        is_current.then_some(answer)
    }

    fn begins_as_written_today(&self) -> io::Result<bool> {
        let mut expected = Vec::new();
        for line in 0..self.job.shape().lines.min(LINES_COMPARED) {
            self.job.write_line(&self.job.event(line), &mut expected);
        }
        let mut found = vec![0; expected.len()];
        File::open(&self.events)?.read_exact(&mut found)?;
        Ok(found == expected)
    }

    /// Makes the files.
    pub(super) fn write(&self) -> Result<Answer> {
        let folder = self.stamp.parent().context("a file is in a folder")?;
        fs::create_dir_all(folder)?;
        self.remove()?;
        let answer = self.job.write(&mut File::create(&self.events)?)?;
        fs::write(&self.catalog, self.job.catalog())?;
        let stamp = json!({ "shape": self.job.shape(), "answer": answer });
        fs::write(&self.stamp, format!("{stamp:#}\n"))?;
        Ok(answer)
    }

    /// Removes what is there of the files, the stamp first.
    pub(super) fn remove(&self) -> Result<()> {
        for file in [&self.stamp, &self.catalog, &self.events] {
            match fs::remove_file(file) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(error).with_context(|| file.display().to_string());
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The answer; files that are missing or outdated are made in a process of their own, because a child's peak memory is
    /// counted from its parent's on.
    pub(super) fn ensure(&self) -> Result<Answer> {
        if let Some(answer) = self.answer() {
            return Ok(answer);
        }
        let shape = self.job.shape();
        eprintln!("making {} with {} lines", self.events.display(), shape.lines);
        let status = Command::new(std::env::current_exe()?)
            .args(["job", "--shape", &shape.to_string(), "--lines", &shape.lines.to_string()])
            .stdout(std::process::Stdio::null())
            .status()?;
        ensure!(status.success(), "the job's files could not be made: {status}");
        self.answer().context("the job's files are not what they should be")
    }

    /// Reads the lines once, so that no engine pays for the disk.
    pub(super) fn warm(&self) -> Result<()> {
        io::copy(&mut File::open(&self.events)?, &mut io::sink())?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_used_again_until_something_differs() {
        let dir = tempfile::tempdir().unwrap();
        let files = |lines| Files::of(Shape { lines, ..Shape::JOB_J }, dir.path()).unwrap();
        let made = files(2_000);
        assert_eq!(made.answer(), None);
        let answer = made.write().unwrap();
        assert_eq!(made.answer(), Some(answer.clone()));
        assert_eq!(files(2_001).answer(), None);
        for file in [&made.events, &made.catalog, &made.stamp] {
            let before = fs::read(file).unwrap();
            let mut changed = before.clone();
            changed[10] ^= 1;
            fs::write(file, changed).unwrap();
            assert_eq!(made.answer(), None, "{}", file.display());
            fs::write(file, &before).unwrap();
            assert_eq!(made.answer(), Some(answer.clone()));
            fs::write(file, &before[..before.len() / 2]).unwrap();
            assert_eq!(made.answer(), None, "{}", file.display());
            fs::write(file, &before).unwrap();
        }
        made.remove().unwrap();
        made.remove().unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
