//! What the figures were measured on.

use std::fs;

use serde::Serialize;

const UNKNOWN: &str = "unknown";

/// A machine, as far as Linux describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Machine {
    pub(crate) cpu: String,
    pub(crate) cores: usize,
    pub(crate) memory_mib: u64,
    pub(crate) kernel: String,
}

impl Machine {
    /// This one.
    pub(crate) fn here() -> Machine {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let kernel = read("/proc/sys/kernel/osrelease");
        Machine {
            cpu: value_of(&read("/proc/cpuinfo"), "model name").unwrap_or_else(|| UNKNOWN.to_owned()),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            memory_mib: memory_mib(&read("/proc/meminfo")).unwrap_or(0),
            kernel: if kernel.is_empty() { UNKNOWN.to_owned() } else { kernel.trim().to_owned() },
        }
    }

    /// One line of text.
    pub(crate) fn line(&self) -> String {
        let Machine { cpu, cores, memory_mib, kernel } = self;
        format!("{cpu}, {cores} cores, {memory_mib} MiB of memory, kernel {kernel}")
    }
}

/// `value` of the first line `name : value`.
fn value_of(text: &str, name: &str) -> Option<String> {
    let lines = text.lines().filter_map(|line| line.split_once(':'));
    lines.filter(|(key, _)| key.trim() == name).map(|(_, value)| value.trim().to_owned()).next()
}

fn memory_mib(meminfo: &str) -> Option<u64> {
    let kib: u64 = value_of(meminfo, "MemTotal")?.strip_suffix(" kB")?.parse().ok()?;
    Some(kib / 1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn linux_says_what_it_runs_on() {
        let cpuinfo = "processor\t: 0\nmodel name\t: EPYC\n\nprocessor\t: 1\nmodel name\t: Other\n";
        assert_eq!(value_of(cpuinfo, "model name").as_deref(), Some("EPYC"));
        assert_eq!(value_of("", "model name"), None);
        assert_eq!(memory_mib("MemFree: 1 kB\nMemTotal:    2048 kB\n"), Some(2));
    }
}
