//! A shard's thread on io_uring: a glommio executor with the shard as its only task.

use std::io;
use std::time::Duration;

use glommio::{ExecutorJoinHandle, GlommioError, LocalExecutorBuilder, Placement};

use super::shard_thread::RunningShard;

/// The smallest values that glommio accepts: it does no I/O here.
const IO_MEMORY_BYTES: usize = 64 * 1024;
const RING_DEPTH: usize = 16;

#[derive(Debug)]
pub(super) struct Executor(ExecutorJoinHandle<io::Result<()>>);

impl Executor {
    /// Starts an executor, pinned to the core if there is one, that runs the shard which `start` makes on it.
    ///
    /// # Errors
    /// The operating system's, if there is no thread. What the executor itself lacks, `join` tells.
    pub(super) fn spawn(
        name: &str,
        core: Option<usize>,
        start: impl FnOnce() -> Option<RunningShard> + Send + 'static,
    ) -> io::Result<Executor> {
        LocalExecutorBuilder::new(core.map_or(Placement::Unbound, Placement::Fixed))
            .name(name)
            .io_memory(IO_MEMORY_BYTES)
            .ring_depth(RING_DEPTH)
            // Long: the data plane yields by itself, more often than this.
            .preempt_timer(Duration::from_secs(1))
            .spawn(move || async move {
                match start() {
                    Some(shard) => shard.run_in_executor().await,
                    None => Ok(()),
                }
            })
            .map(Executor)
            .map_err(into_io_error)
    }

    /// Waits until the shard has ended.
    ///
    /// # Errors
    /// The shard's, or why the executor did not start.
    pub(super) fn join(self) -> io::Result<()> {
        self.0.join().map_err(into_io_error)?
    }
}

fn into_io_error(error: GlommioError<()>) -> io::Error {
    match error {
        GlommioError::IoError(error) => error,
        error => io::Error::other(error.to_string()),
    }
}
