//! The `pullback` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    pullback::cli::main()
}
