//! Whose fault an error is, and the exit status that says so: 2 for what the caller can put right, 1 for the rest.

use std::process::ExitCode;

/// Nothing was wrong, but `--strict` asked to hear about rejected or unpriced events, or about warnings.
pub const STRICT: u8 = 3;
const INVALID: u8 = 2;
const FAILED: u8 = 1;

/// Marks an error as the caller's: a wrong argument or an input that cannot be used.
#[derive(Debug)]
struct Invalid(String);

impl std::fmt::Display for Invalid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Invalid {}

/// An error that the caller can put right. `{:#}` brings an error's causes along.
pub fn invalid(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow::Error::new(Invalid(format!("{error:#}")))
}

/// The same for an error with causes.
pub fn invalid_with_causes(error: impl std::error::Error + Send + Sync + 'static) -> anyhow::Error {
    invalid(anyhow::Error::new(error))
}

/// Prints an error with its causes and gives the exit status.
pub fn explain(error: &anyhow::Error) -> ExitCode {
    let text = format!("{error:#}");
    // Findings in a catalog stand one to a line, as compilers print them.
    let separator = if text.contains('\n') { "\n" } else { " " };
    eprintln!("error:{separator}{text}");
    let invalid = error.chain().any(<dyn std::error::Error + 'static>::is::<Invalid>);
    ExitCode::from(if invalid { INVALID } else { FAILED })
}
