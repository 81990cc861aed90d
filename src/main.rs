//! The daemon's process: the command line, and the allocator. docs/ARCHITECTURE.md says why jemalloc.

use std::process::ExitCode;

/// It gives free pages to the system by itself, on a thread of its own, ten seconds after their last use.
#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    storm_pacemaker::cli::run()
}
