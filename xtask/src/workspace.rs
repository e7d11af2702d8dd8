//! Where things are: the repository, its files, the real data beside it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// What to do when [`data_dir`] finds nothing.
pub(crate) const NO_DATA: &str =
    "no real data: set WEIR_TEST_DATA to the folder that holds aws_cur/, servegen/ and the others";

/// Folders that hold no source of ours.
const SKIPPED_DIRS: [&str; 2] = ["target", ".git"];

/// The repository's root.
pub(crate) fn root() -> Result<PathBuf> {
    let manifest_dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest_dir.parent().map(Path::to_path_buf).context("xtask stands in a workspace")
}

/// The folder of real data, if there is one; a relative WEIR_TEST_DATA counts from the root, as in the tests.
pub(crate) fn data_dir(root: &Path) -> Option<PathBuf> {
    let named = std::env::var_os("WEIR_TEST_DATA").filter(|value| !value.is_empty()).map(PathBuf::from);
    let dir = root.join(named.unwrap_or_else(|| PathBuf::from("../shared/data")));
    dir.is_dir().then(|| dir.canonicalize().unwrap_or(dir))
}

/// The cargo that runs this program.
pub(crate) fn cargo(root: &Path) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root);
    command
}

/// The workspace as cargo sees it.
pub(crate) fn metadata(root: &Path) -> Result<Value> {
    let output = cargo(root)
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .output()
        .context("cargo metadata does not start")?;
    if !output.status.success() {
        bail!("cargo metadata: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    serde_json::from_slice(&output.stdout).context("cargo metadata is no JSON")
}

/// Where cargo builds.
pub(crate) fn target_dir(root: &Path) -> Result<PathBuf> {
    metadata(root)?["target_directory"].as_str().map(PathBuf::from).context("cargo metadata names no target folder")
}

/// The platform that this runs on, as rustc names it.
pub(crate) fn host() -> Result<String> {
    let output = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
        .arg("-vV")
        .output()
        .context("rustc does not start")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().find_map(|line| line.strip_prefix("host: ").map(str::to_owned)).context("rustc does not name its host")
}

/// The project's files, relative to the root, sorted: what git knows or would add; without git, all but build output.
pub(crate) fn files(root: &Path) -> Result<Vec<PathBuf>> {
    let listed = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .ok()
        .filter(|output| output.status.success());
    let mut files = match listed {
        Some(output) => {
            let text = String::from_utf8(output.stdout).context("git lists a file name that is no UTF-8")?;
            text.split_terminator('\0').map(PathBuf::from).filter(|file| root.join(file).is_file()).collect()
        }
        None => walk(root)?,
    };
    files.sort();
    files.dedup();
    Ok(files)
}

fn walk(root: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut open = vec![root.to_path_buf()];
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(&dir).with_context(|| dir.display().to_string())? {
            let entry = entry.with_context(|| dir.display().to_string())?;
            let path = entry.path();
            if entry.file_type()?.is_dir() {
                if !SKIPPED_DIRS.iter().any(|skipped| entry.file_name() == *skipped) {
                    open.push(path);
                }
            } else if let Ok(relative) = path.strip_prefix(root) {
                files.push(relative.to_path_buf());
            }
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_git_the_tree_is_walked() {
        let dir = tempfile::tempdir().unwrap();
        for file in ["model/src/lib.rs", "target/debug/made.rs", "README.md"] {
            let path = dir.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let mut files = walk(dir.path()).unwrap();
        files.sort();
        assert_eq!(files, [PathBuf::from("README.md"), PathBuf::from("model/src/lib.rs")]);
    }
}
