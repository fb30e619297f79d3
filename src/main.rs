//! The `pullback` program.

use std::process::ExitCode;

/// Keeps the buffers of a solve for the next one, where the allocator of the C library gives them back to the system.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    pullback::cli::main()
}
