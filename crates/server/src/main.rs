//! The `whimbreld` program; everything is in the library.

use std::process::ExitCode;

/// Small per-session memory and no fragmentation over months.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    server::cli::main()
}
