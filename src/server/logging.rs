//! The log: lines on standard error, written by a thread of its own, so that a log that nobody reads
//! never stops a shard.

use std::io;

use tracing::Level;
use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, fmt, reload};

use crate::config::{self, LogFormat};

/// Lines that wait to be written. What comes when it is full is left out.
const WAITING_LINES: usize = 4096;

/// The running log.
#[derive(Clone, Debug)]
pub struct Log {
    level: reload::Handle<LevelFilter, Registry>,
}

impl Log {
    /// Starts logging. Lines are written as long as the guard lives, and the last ones when it goes.
    pub fn start(settings: &config::LogConfig) -> (Log, WorkerGuard) {
        let (writer, guard) = NonBlockingBuilder::default()
            .buffered_lines_limit(WAITING_LINES)
            .lossy(true)
            .thread_name("log")
            .finish(io::stderr());
        let (filter, level) = reload::Layer::new(LevelFilter::from_level(settings.level));
        tracing_subscriber::registry()
            .with(filter)
            .with(lines(settings.format, writer))
            .init();
        (Log { level }, guard)
    }

    /// Logs from this level on from now on.
    pub fn set_level(&self, level: Level) {
        // It fails only when the log is gone, and then there is none to tell of it.
        let _ = self.level.reload(LevelFilter::from_level(level));
    }
}

/// A line for each event: for people, or one JSON object.
fn lines<S>(format: LogFormat, writer: NonBlocking) -> Box<dyn Layer<S> + Send + Sync>
where
    S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
{
    let lines = fmt::layer().with_target(false).with_writer(writer);
    match format {
        LogFormat::Text => lines.with_ansi(false).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    }
}
