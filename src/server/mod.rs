//! Start, run, stop: from a validated configuration to listening shards, and from a signal to a clean
//! end. The only place that knows threads.

mod incident_log;
mod listeners;
pub mod logging;
mod manager;
pub mod preflight;
mod publisher;
mod reload;
mod shard_thread;
mod shutdown;

use std::fmt;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, SystemTime};

use ahash::RandomState;
use glommio::{ExecutorJoinHandle, LocalExecutorBuilder, Placement};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::{Signals, SignalsInfo};
use tracing::info;

use crate::admin::board::Board;
use crate::admin::{self, Admin, Facts};
use crate::config::{AuthMethod, Config, Loaded, Note, Severity, Size, Sources};
use crate::limits::Limits;
use crate::ring::{Bells, Ringer};
use crate::shard::{Mailbox, Settings, Shard};
use incident_log::IncidentLog;
use logging::Log;
use reload::{Publication, Reloader};
use shard_thread::{ShardThread, Shared};
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
    /// The admin endpoint cannot listen.
    Admin(SocketAddr, io::Error),
    /// A part of the daemon itself failed; what it was doing, and the error.
    Internal(&'static str, String),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Bind(why) => f.write_str(why),
            StartError::Admin(address, error) => write!(
                f,
                "the admin endpoint cannot listen on {address}: {error}. Give it another address with \
                 admin.address or --admin, or none with --admin \"\""
            ),
            StartError::Login(why) => write!(f, "nobody could log in: {why}"),
            StartError::Preflight(error) => write!(f, "{error}"),
            StartError::Internal(what, error) => write!(f, "{what}: {error}"),
        }
    }
}

impl std::error::Error for StartError {}

/// The signals that the daemon acts on, kept from now on until it does. To be called before anything
/// that takes time, and starts no thread.
///
/// # Errors
/// The operating system's.
pub fn signals() -> io::Result<SignalsInfo> {
    Signals::new([SIGTERM, SIGINT, SIGHUP])
}

/// Serves until SIGTERM or SIGINT, then answers what is in flight, resets all connections and
/// returns. SIGHUP reads the layers of `sources` again. What was noted while `loaded` was read is
/// logged.
pub fn serve(
    loaded: Loaded,
    sources: &Sources,
    mut signals: SignalsInfo,
) -> Result<(), StartError> {
    let Loaded { config, notes } = loaded;
    let handed_over = listeners::handed_over();
    let (log, _writer) = Log::start(&config.log);
    let preflight = preflight::check(&config).map_err(StartError::Preflight)?;
    log_notes(&notes);
    log_notes(&preflight.notes);

    let policies = reload::policies(&config).map_err(StartError::Login)?;
    let shards = config.server.shards.get();
    let publication = Arc::new(Publication::new(shards));

    let listeners = listeners::open(handed_over, config.server.address(), shards)?;
    let address = listeners.addresses.iter().map(ToString::to_string);
    let address = address.collect::<Vec<_>>().join(" and ");
    let admin_listener = match config.admin.address {
        Some(address) => {
            Some(admin::listen(address).map_err(|error| StartError::Admin(address, error))?)
        }
        None => None,
    };
    let board = Arc::new(Board::new(shards));
    let bells = Arc::new(Bells::new(shards));
    let shutdown = Arc::new(Shutdown::new(shards, config.server.shutdown_deadline));
    let settings = settings(&config, preflight.connections);
    let facts = facts(
        &config,
        &settings,
        listeners.addresses[0],
        &preflight.kernel,
    );

    let mut threads = Vec::with_capacity(shards);
    let shared = Shared {
        listeners: listeners.shares(shards),
        bells: bells.clone(),
        publication: publication.clone(),
        board: board.clone(),
        incidents: IncidentLog::default(),
        shutdown: shutdown.clone(),
    };
    let parts = Mailbox::for_shards(shards).into_iter().zip(policies);
    for (index, (mailbox, policy)) in parts.enumerate() {
        let (settings, shared) = (settings.clone(), shared.clone());
        let starting = Starting::new(shutdown.clone());
        let core = config.server.cores[index % config.server.cores.len()];
        let thread = executor(index, core)
            .spawn(move || async move {
                let mut shard = Shard::new(index, settings, mailbox);
                shard.set_policy(policy);
                ShardThread::run(shard, index, shared, starting).await
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
        stored_bytes = %Size(config.limits.stored_bytes),
        frame_size = %Size(config.limits.frame_bytes.into()),
        minimum_wait = ?config.server.minimum_wait,
        login = ?config.auth.method,
        "storm-pacemaker {} serves on {address}",
        env!("CARGO_PKG_VERSION"),
    );
    let admin = match admin_listener {
        Some(listener) => Some(
            Admin::start(listener, facts, board.clone())
                .map_err(internal("starting the admin endpoint"))?,
        ),
        None => None,
    };
    if let Some(admin) = &admin {
        info!(
            "metrics, health and the page are at http://{}",
            admin.address()
        );
    }
    // The readiness line, for people and for whoever starts us on port 0. Whoever has closed our
    // standard output does not want it.
    let plural = if shards == 1 { "" } else { "s" };
    let line = format!("listening on {address} with {shards} shard{plural}");
    let _ = writeln!(io::stdout(), "{line}");
    let _ = io::stdout().flush();
    manager::ready(&line);

    let reloader = Reloader::start(sources, config, publication, log, line)
        .map_err(internal("starting the reloader"))?;
    for signal in signals.forever() {
        if signal != SIGHUP {
            info!("stopping: received {}", signal_name(signal));
            break;
        }
        reloader.request();
    }
    manager::stopping();
    board.stop();
    shutdown.begin();
    ring_all(&bells, shards);
    join(threads)?;
    if let Some(admin) = admin {
        admin.stop();
    }
    info!("stopped");
    Ok(())
}

fn settings(config: &Config, connections: u64) -> Settings {
    Settings {
        shards: config.server.shards.get(),
        // Fresh seeds from the operating system: nobody can choose keys that collide.
        key_hasher: RandomState::new(),
        limits: Limits {
            connections,
            ..config.limits.clone()
        },
        ageing: config.ageing,
        minimum_wait: config.server.minimum_wait,
        connections: Arc::new(AtomicU64::new(0)),
    }
}

/// Tables whose keys may be shown to everyone. Files, users and networks are nobody's business.
const SHOWN_TABLES: [&str; 4] = ["server.", "limits.", "expire.", "admin."];

fn facts(config: &Config, settings: &Settings, address: SocketAddr, kernel: &str) -> Facts {
    let shown = |key: &str| SHOWN_TABLES.iter().any(|table| key.starts_with(table));
    let origins = config.origins.iter().filter(|origin| shown(origin.key));
    Facts {
        address,
        started: SystemTime::now(),
        kernel: kernel.to_owned(),
        cores: config.server.cores.clone(),
        login_method: match config.auth.method {
            AuthMethod::None => "NONE",
            AuthMethod::Digest => "DIGEST",
            AuthMethod::Kerberos => "KERBEROS",
        },
        limits: settings.limits.clone(),
        ageing: settings.ageing,
        settings: origins
            .map(|origin| (origin.key, origin.value.clone()))
            .collect(),
        page: config.admin.page,
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
