//! Entry point of the `weir` binary; see the library beside it.

use std::process::ExitCode;

fn main() -> ExitCode {
    weir::main()
}
