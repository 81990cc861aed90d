//! Start, run, stop: from a validated configuration to listening shards, and from a signal to a clean
//! end. The only place that knows threads.

mod core;
mod incident_log;
mod listeners;
pub mod logging;
pub mod preflight;
mod reload;
mod shutdown;

use std::fmt;
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use ahash::RandomState;
use glommio::{ExecutorJoinHandle, LocalExecutorBuilder, Placement};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tracing::info;

use crate::auth::Authenticator;
use crate::config::{Config, Loaded, Note, Severity, Sources};
use crate::ring::{Bells, Ringer};
use crate::shard::{Bounds, Mailbox, Settings, Shard};
use core::{Core, Shared};
use incident_log::IncidentLog;
use logging::Log;
use reload::Publication;
use shutdown::{Shutdown, Starting};

/// The least that glommio makes do with: it does no I/O here.
const EXECUTOR_IO_MEMORY_BYTES: usize = 64 * 1024;
const EXECUTOR_RING_DEPTH: usize = 16;

/// Why the daemon did not start, or had to stop.
#[derive(Debug)]
pub enum StartError {
    /// The credentials cannot be used.
    Login(String),
    Preflight(preflight::PreflightError),
    Bind(String),
    /// A part of the daemon itself failed; what it was doing, and the error.
    Internal(&'static str, String),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Bind(why) => f.write_str(why),
            StartError::Login(why) => write!(f, "nobody could log in: {why}"),
            StartError::Preflight(error) => write!(f, "{error}"),
            StartError::Internal(what, error) => write!(f, "{what}: {error}"),
        }
    }
}

impl std::error::Error for StartError {}

/// Serves until SIGTERM or SIGINT, then answers what is in flight, resets all connections and
/// returns. SIGHUP reads the layers of `sources` again. What was noted while `loaded` was read is
/// logged.
pub fn serve(loaded: Loaded, sources: &Sources) -> Result<(), StartError> {
    let Loaded { mut config, notes } = loaded;
    let log = Log::start(&config.log);
    // First of all: a signal that comes during the start is kept.
    let mut signals =
        Signals::new([SIGTERM, SIGINT, SIGHUP]).map_err(internal("waiting for signals"))?;
    let preflight = preflight::check(&config).map_err(StartError::Preflight)?;
    log_notes(&notes);
    log_notes(&preflight.notes);

    // Each shard makes one of its own; this one tells in time if that cannot be.
    Authenticator::new(&config.auth.credentials).map_err(StartError::Login)?;
    let publication = Arc::new(Publication::new(&config));

    let shards = config.server.shards.get();
    let listeners = listeners::open(config.server.address(), shards)?;
    let address = listeners.address;
    let bells = Arc::new(Bells::new(shards));
    let shutdown = Arc::new(Shutdown::new(shards, config.server.shutdown_deadline));
    let settings = settings(&config, preflight.connections);

    let mut threads = Vec::with_capacity(shards);
    let shared = Shared {
        listeners: listeners.sockets.iter().map(AsRawFd::as_raw_fd).collect(),
        bells: bells.clone(),
        publication: publication.clone(),
        incidents: IncidentLog::default(),
        shutdown: shutdown.clone(),
    };
    for (index, mailbox) in Mailbox::for_shards(shards).into_iter().enumerate() {
        let (settings, shared) = (settings.clone(), shared.clone());
        let starting = Starting::new(shutdown.clone());
        let core = config.server.cores[index % config.server.cores.len()];
        let thread = executor(index, core)
            .spawn(move || async move {
                let shard = Shard::new(index, settings, mailbox);
                Core::run(shard, index, shared, starting).await
            })
            .map_err(internal("starting a shard"))?;
        threads.push(thread);
    }
    if let Err(error) = shutdown.wait_until_serving() {
        // A shard may still be about to take its copy. The process ends now, and they with it.
        std::mem::forget(listeners.sockets);
        return Err(error);
    }
    // Each shard has a copy of its own by now, and closing that one must end the listening.
    drop(listeners.sockets);

    info!(
        kernel = preflight.kernel,
        shards,
        cores = ?config.server.cores,
        connections = preflight.connections,
        minimum_wait = ?config.server.minimum_wait,
        login = ?config.auth.method,
        "storm-pacemaker {} serves on {address}",
        env!("CARGO_PKG_VERSION"),
    );
    // The readiness line, for people and for whoever starts us on port 0. Whoever has closed our
    // standard output does not want it.
    let plural = if shards == 1 { "" } else { "s" };
    let _ = writeln!(
        io::stdout(),
        "listening on {address} with {shards} shard{plural}"
    );
    let _ = io::stdout().flush();

    for signal in signals.forever() {
        if signal != SIGHUP {
            info!("stopping: received {}", signal_name(signal));
            break;
        }
        reload::reload(sources, &mut config, &publication, &log);
    }
    shutdown.begin();
    ring_all(&bells, shards);
    join(threads)?;
    info!("stopped");
    Ok(())
}

fn settings(config: &Config, connections: u64) -> Settings {
    let limits = &config.limits;
    Settings {
        shards: config.server.shards.get(),
        // Fresh seeds from the operating system: nobody can choose keys that collide.
        key_hasher: RandomState::new(),
        bounds: Bounds {
            frame_bytes: u32::try_from(limits.frame_bytes).expect("limits::FRAME_BYTES"),
            path_bytes: limits.path_bytes,
            path_depth: limits.path_depth,
            connections,
            in_flight: limits.in_flight as usize,
            output_bytes: limits.output_bytes as usize,
            output_deadline: limits.output_deadline,
            buffered_bytes: limits.buffered_bytes,
            stored_keys: limits.stored_keys,
            stored_bytes: limits.stored_bytes,
            handshake_deadline: limits.handshake_deadline,
            handshake_bytes: limits.handshake_bytes,
            unauthenticated_per_address: limits.unauthenticated_per_address,
            failed_logins: limits.failed_logins,
        },
        ageing: config.ageing,
        minimum_wait: config.server.minimum_wait,
        connections: Arc::new(AtomicU64::new(0)),
    }
}

fn executor(index: usize, core: usize) -> LocalExecutorBuilder {
    LocalExecutorBuilder::new(Placement::Fixed(core))
        .name(&format!("shard-{index}"))
        .io_memory(EXECUTOR_IO_MEMORY_BYTES)
        .ring_depth(EXECUTOR_RING_DEPTH)
        // The data plane never runs longer than this before it yields by itself.
        .preempt_timer(Duration::from_secs(1))
}

fn ring_all(bells: &Bells, shards: usize) {
    // A shard that the bell does not reach looks for itself within its longest sleep.
    let Ok(mut ringer) = Ringer::new() else {
        return;
    };
    for shard in 0..shards {
        let _ = ringer.ring(bells, shard);
    }
}

fn join(threads: Vec<ExecutorJoinHandle<io::Result<()>>>) -> Result<(), StartError> {
    for thread in threads {
        thread
            .join()
            .map_err(internal("ending a shard"))?
            .map_err(internal("ending a shard"))?;
    }
    Ok(())
}

fn log_notes(notes: &[Note]) {
    for note in notes {
        match note.severity {
            Severity::Info => tracing::info!("{}", note.text),
            Severity::Warning => tracing::warn!("{}", note.text),
        }
    }
}

fn signal_name(signal: i32) -> &'static str {
    match signal {
        SIGTERM => "SIGTERM",
        SIGINT => "SIGINT",
        _ => "a signal",
    }
}

fn internal<E: fmt::Display>(what: &'static str) -> impl Fn(E) -> StartError {
    move |error| StartError::Internal(what, error.to_string())
}
