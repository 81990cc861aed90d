//! The daemon's process: the command line, and the allocator. docs/ARCHITECTURE.md says why there are two.

use std::process::ExitCode;

#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    storm_pacemaker::cli::run(free_pages)
}

/// jemalloc frees pages by itself, on a thread of its own, ten seconds after their last use.
#[cfg(feature = "jemalloc")]
fn free_pages() {}

/// The C library's allocator keeps free pages that lie between used ones until it is told. Threads that
/// allocate meanwhile wait: 0.1 s for a gigabyte.
#[cfg(all(not(feature = "jemalloc"), target_env = "gnu"))]
#[allow(unsafe_code)] // a call of the C library
fn free_pages() {
    // SAFETY: it may be called at any time, on any thread.
    unsafe { libc::malloc_trim(0) };
}

#[cfg(all(not(feature = "jemalloc"), not(target_env = "gnu")))]
fn free_pages() {}
