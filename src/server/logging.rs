//! The log: lines on standard error. A thread of its own writes them, so that a log that is read slowly
//! never stops a shard.

use std::io;

use tracing::Level;
use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, fmt, reload};

use crate::config::{self, LogFormat};

/// Lines that can wait to be written. Further lines are dropped.
const MAX_WAITING_LINES: usize = 4096;

/// The target of lines that somebody has asked for: they are logged at every level.
pub(super) const ASKED_FOR: &str = "asked_for";

/// The running log.
#[derive(Clone, Debug)]
pub(super) struct Log {
    level: reload::Handle<Targets, Registry>,
}

impl Log {
    /// Starts logging. Lines are written while the guard exists; dropping it writes those that wait.
    pub(super) fn start(settings: &config::LogConfig) -> (Log, WorkerGuard) {
        let (writer, guard) = NonBlockingBuilder::default()
            .buffered_lines_limit(MAX_WAITING_LINES)
            .lossy(true)
            .thread_name("log")
            .finish(io::stderr());
        let (filter, level) = reload::Layer::new(logged_at(settings.level));
        tracing_subscriber::registry()
            .with(filter)
            .with(lines(settings.format, writer))
            .init();
        (Log { level }, guard)
    }

    /// Changes the level of the lines that are logged.
    pub(super) fn set_level(&self, level: Level) {
        // This fails only if the log no longer exists.
        let _ = self.level.reload(logged_at(level));
    }
}

fn logged_at(level: Level) -> Targets {
    Targets::new()
        .with_default(level)
        .with_target(ASKED_FOR, Level::TRACE)
}

/// The layer that writes one line for each event: text, or one JSON object.
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
