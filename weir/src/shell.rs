//! Commands as somebody can paste them into a shell.

use std::path::{Path, PathBuf};

/// How this program was called, shortened where the current folder allows it.
pub fn program() -> PathBuf {
    let called = std::env::args_os().next().map_or_else(|| "weir".into(), PathBuf::from);
    let Ok(current) = std::env::current_dir() else { return called };
    match called.strip_prefix(current) {
        Ok(relative) if relative.components().count() > 1 => relative.to_owned(),
        _ => called,
    }
}

/// As a shell reads it back.
pub fn quoted(path: &Path) -> String {
    let text = path.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '-' | '_' | '+' | ',' | ':' | '@' | '%');
    if !text.is_empty() && text.chars().all(plain) {
        text.into_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_survive_a_shell() {
        for (path, expected) in [
            ("weir-demo/catalog.toml", "weir-demo/catalog.toml"),
            ("my demo", "'my demo'"),
            ("it's", r"'it'\''s'"),
            ("$HOME", "'$HOME'"),
            ("usage-*.ndjson", "'usage-*.ndjson'"),
            ("", "''"),
        ] {
            assert_eq!(quoted(Path::new(path)), expected);
        }
    }
}
