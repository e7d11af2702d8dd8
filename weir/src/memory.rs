//! Amounts of memory: how people write them, and how much the machine has to give.

use std::fs;
use std::path::Path;

/// What a shard needs at least for its identities.
pub const SHARD_BYTES_MIN: u64 = 384 << 10;
/// Taken where the system does not say what is available.
const UNKNOWN_BYTES: u64 = 2 << 30;

/// Reads `64MiB` or `2 GB`: a whole number and a unit, powers of 1024 with an i, of 1000 without.
pub fn parse(text: &str) -> Result<u64, String> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let number: u64 = number.parse().map_err(|_| "write a whole number and a unit, as 64MiB or 2GiB".to_owned())?;
    let unit: u64 = match unit.trim_start().to_ascii_lowercase().as_str() {
        "b" => 1,
        "kb" => 1000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        "tib" => 1 << 40,
        other => return Err(format!("`{other}` is no unit: write B, KiB, MiB, GiB, TiB, or kB, MB, GB, TB")),
    };
    number.checked_mul(unit).ok_or_else(|| "that does not fit into 64 bits".to_owned())
}

/// A third of what the machine, or the control group that this process is in, has available.
pub fn third_of_available() -> u64 {
    let meminfo = fs::read_to_string("/proc/meminfo").ok();
    let available = meminfo.as_deref().and_then(available_in).unwrap_or(UNKNOWN_BYTES);
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    available.min(group_limit(&groups, Path::new("/sys/fs/cgroup")).unwrap_or(u64::MAX)) / 3
}

/// `MemAvailable` of /proc/meminfo, in bytes.
fn available_in(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// The least limit of the control group and those above it. `groups` is /proc/self/cgroup.
fn group_limit(groups: &str, root: &Path) -> Option<u64> {
    let limit = |file: &Path| fs::read_to_string(file).ok()?.trim().parse::<u64>().ok();
    let unified = groups.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or("/");
    let of_group = Path::new(unified.trim_start_matches('/'));
    let unified = of_group.ancestors().filter_map(|group| limit(&root.join(group).join("memory.max")));
    unified.chain(limit(&root.join("memory/memory.limit_in_bytes"))).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, expected) in [
            ("0B", Some(0)),
            ("64MiB", Some(64 << 20)),
            ("64 MiB", Some(64 << 20)),
            ("2gib", Some(2 << 30)),
            ("2GB", Some(2_000_000_000)),
            ("16777215TiB", Some(16_777_215 << 40)),
            ("16777216TiB", None),
            ("64", None),
            ("64M", None),
            ("1.5GiB", None),
            ("-1GiB", None),
            ("MiB", None),
            ("", None),
        ] {
            assert_eq!(parse(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn what_the_system_says() {
        let meminfo = "MemTotal:       24608152 kB\nMemFree:         6606960 kB\nMemAvailable:   23068672 kB\n";
        assert_eq!(available_in(meminfo), Some(22 << 30));
        assert_eq!(available_in("MemTotal: 1 kB\n"), None);
        let root = tempfile::tempdir().unwrap();
        let inner = root.path().join("a/b");
        fs::create_dir_all(&inner).unwrap();
        assert_eq!(group_limit("0::/a/b\n", root.path()), None);
        fs::write(inner.join("memory.max"), "max\n").unwrap();
        fs::write(root.path().join("a/memory.max"), "1073741824\n").unwrap();
        assert_eq!(group_limit("0::/a/b\n", root.path()), Some(1 << 30));
        assert_eq!(group_limit("0::/\n", root.path()), None);
        fs::create_dir_all(root.path().join("memory")).unwrap();
        fs::write(root.path().join("memory/memory.limit_in_bytes"), "536870912\n").unwrap();
        assert_eq!(group_limit("1:memory:/\n", root.path()), Some(512 << 20));
        assert!(third_of_available() > 0);
    }
}
