//! What processes take of the machine, as Linux counts it in `/proc`.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

/// What a process has taken up to a moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// User and system time of all its threads, in steps of 10 ms.
    pub cpu: Duration,
    /// Memory that it holds.
    pub resident_bytes: u64,
}

/// Whose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Process {
    This,
    Other(u32),
}

impl Process {
    /// What it has taken up to now.
    pub(super) fn usage(self) -> Result<Usage> {
        let folder = match self {
            Process::This => "/proc/self".to_owned(),
            Process::Other(pid) => format!("/proc/{pid}"),
        };
        let read =
            |file: &str| fs::read_to_string(format!("{folder}/{file}")).with_context(|| format!("{folder}/{file}"));
        let ticks = cpu_ticks(&read("stat")?).with_context(|| format!("{folder}/stat has no times"))?;
        let resident_bytes =
            resident_bytes(&read("status")?).with_context(|| format!("{folder}/status has no VmRSS"))?;
        Ok(Usage {
            cpu: Duration::from_millis(ticks * 1_000 / rustix::param::clock_ticks_per_second()),
            resident_bytes,
        })
    }
}

/// Fields 14 and 15; the second is a name in parentheses that may hold anything.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let (_, behind_name) = stat.rsplit_once(')')?;
    let mut times = behind_name.split_whitespace().skip(11).map(str::parse::<u64>);
    Some(times.next()?.ok()? + times.next()?.ok()?)
}

fn resident_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn linux_says_what_a_process_takes() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194304 100 0 0 0 150 25 0 0 20 0 3 0 99 1000 200";
        assert_eq!(cpu_ticks(stat), Some(175));
        assert_eq!(cpu_ticks("7 (a) S 1"), None);
        assert_eq!(resident_bytes("Name:\ta\nVmRSS:\t    2048 kB\n"), Some(2 << 20));
        assert_eq!(resident_bytes("Name:\ta\n"), None);
        let this = Process::Other(std::process::id()).usage().unwrap();
        assert!(this.resident_bytes > 0 && this.cpu <= Process::This.usage().unwrap().cpu);
    }
}
