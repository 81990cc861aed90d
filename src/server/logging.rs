//! The log: lines on standard error, written by a thread of its own, so that a log that nobody reads
//! never stops a shard.

use std::io;

use tracing::Level;
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};

/// Lines that wait to be written. What comes when it is full is left out.
const WAITING_LINES: usize = 4096;

/// Starts logging; lines are written as long as the guard lives, and the last ones when it goes.
pub fn start(level: Level) -> WorkerGuard {
    let (writer, guard) = NonBlockingBuilder::default()
        .buffered_lines_limit(WAITING_LINES)
        .lossy(true)
        .thread_name("log")
        .finish(io::stderr());
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_target(false)
        .with_ansi(false)
        .with_writer(writer)
        .init();
    guard
}
