//! Start, run, stop: from a validated configuration to listening shards, and from a signal to a clean
//! end. Only this module starts threads for shards and signals.

mod incident_log;
mod lifecycle;
mod listeners;
mod logging;
mod policy_mailbox;
mod preflight;
mod publisher;
mod reload;
mod shard_thread;

mod systemd;

use std::fmt;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ahash::RandomState;
use glommio::{ExecutorJoinHandle, LocalExecutorBuilder, Placement};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::{Signals, SignalsInfo};
use tracing::info;

use crate::admin::board::Board;
use crate::admin::{self, Admin, Facts};
use crate::config::{Config, Loaded, Note, Severity, Sources};
use crate::limits::Limits;
use crate::ring::{Bells, Ringer};
use crate::shard::{Common, Mailbox, Policy, Settings, Shard};
use crate::units::Size;
use incident_log::IncidentLog;
use lifecycle::{Lifecycle, StartReport};
use logging::Log;
use policy_mailbox::PolicyMailbox;
use reload::Reloader;
use shard_thread::{ShardThread, Shared};

/// The smallest values that glommio accepts: it does no I/O here.
const EXECUTOR_IO_MEMORY_BYTES: usize = 64 * 1024;
const EXECUTOR_RING_DEPTH: usize = 16;

/// Why the daemon did not start or had to stop.
#[derive(Debug)]
pub enum StartError {
    /// The credentials for logins cannot be used.
    Credentials(String),
    Preflight(preflight::PreflightError),
    Bind(String),
    /// The admin endpoint cannot listen.
    Admin(SocketAddr, io::Error),
    /// A part of the daemon itself failed: what it was doing, and the error.
    Internal(&'static str, String),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Bind(why) => f.write_str(why),
            StartError::Admin(address, error) => write!(
                f,
                "the admin endpoint cannot listen on {address}: {error}. Set another address with \
                 admin.address or --admin, or turn the endpoint off with --admin \"\""
            ),
            StartError::Credentials(why) => write!(f, "logins cannot work: {why}"),
            StartError::Preflight(error) => write!(f, "{error}"),
            StartError::Internal(what, error) => write!(f, "{what}: {error}"),
        }
    }
}

impl std::error::Error for StartError {}

/// Catches the signals that the daemon acts on; those that arrive before [`serve`] wait for it. Call this
/// before anything that takes time. It starts no thread.
///
/// # Errors
/// The operating system refuses to install a signal handler.
pub fn signals() -> io::Result<SignalsInfo> {
    Signals::new([SIGTERM, SIGINT, SIGHUP])
}

/// Serves until SIGTERM or SIGINT, then answers the requests in flight, resets all connections and
/// returns. SIGHUP loads the configuration again from `sources`. Logs the notes of `loaded`.
///
/// # Errors
/// The machine cannot run the daemon, a socket cannot listen, the credentials cannot be used, or a
/// thread failed.
pub fn serve(
    loaded: Loaded,
    sources: &Sources,
    mut signals: SignalsInfo,
) -> Result<(), StartError> {
    let Loaded { config, notes } = loaded;
    // Changes the environment, so it comes before any thread.
    let inherited = listeners::from_service_manager();
    let (log, _writer) = Log::start(&config.log);
    let preflight = preflight::check(&config).map_err(StartError::Preflight)?;
    log_notes(&notes);
    log_notes(&preflight.notes);

    let policies = reload::policies(&config).map_err(StartError::Credentials)?;
    let shards = config.server.shards.get();
    let policy_mailbox = Arc::new(PolicyMailbox::new(shards));

    let unacknowledged = config.limits.unacknowledged_time();
    let address = config.server.address();
    let listeners = listeners::open(inherited, address, shards, unacknowledged)?;
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
    let lifecycle = Arc::new(Lifecycle::new(shards, config.server.shutdown_deadline));
    let settings = settings(&config, preflight.connections);
    let facts = facts(
        &config,
        &settings,
        listeners.addresses[0],
        &preflight.kernel,
    );

    let shared = Shared {
        listeners: listeners.shared(shards),
        bells: bells.clone(),
        policies: policy_mailbox.clone(),
        board: board.clone(),
        incidents: IncidentLog::default(),
        lifecycle: lifecycle.clone(),
    };
    let threads = spawn_shards(&config.server.cores, &settings, policies, &shared)?;
    if let Err(error) = lifecycle.wait_until_serving() {
        // A shard may still be about to duplicate these sockets, so they must stay open. They close
        // when the process exits, which is next.
        std::mem::forget(listeners.sockets);
        return Err(error);
    }
    // Each shard has its own duplicate by now. Once it closes the duplicate, the socket must stop listening.
    drop(listeners.sockets);

    log_start(&config, &preflight, &address);
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
    let line = report_ready(&address, shards);
    let reloader = Reloader::start(sources, config, policy_mailbox, log, line)
        .map_err(internal("starting the reloader"))?;
    wait_for_stop(&mut signals, &reloader);
    systemd::notify_stopping();
    board.stop();
    lifecycle.begin();
    ring_all(&bells, shards);
    join(threads)?;
    if let Some(admin) = admin {
        admin.stop();
    }
    info!("stopped");
    Ok(())
}

/// Starts a thread for each shard.
fn spawn_shards(
    cores: &[usize],
    settings: &Settings,
    policies: Vec<Policy>,
    shared: &Shared,
) -> Result<Vec<ExecutorJoinHandle<io::Result<()>>>, StartError> {
    let mut threads = Vec::with_capacity(settings.shards);
    let parts = Mailbox::for_shards(settings.shards)
        .into_iter()
        .zip(policies);
    for (index, (mailbox, policy)) in parts.enumerate() {
        let (settings, shared) = (settings.clone(), shared.clone());
        let start_report = StartReport::new(shared.lifecycle.clone());
        let thread = executor(index, cores[index % cores.len()])
            .spawn(move || async move {
                let mut shard = Shard::new(index, settings, mailbox);
                shard.set_policy(policy);
                ShardThread::run(shard, index, shared, start_report).await
            })
            .map_err(internal("starting a shard"))?;
        threads.push(thread);
    }
    Ok(threads)
}

fn log_start(config: &Config, preflight: &preflight::Preflight, address: &str) {
    info!(
        kernel = preflight.kernel,
        shards = config.server.shards.get(),
        cores = ?config.server.cores,
        connections = preflight.connections,
        stored_bytes = %Size(config.limits.stored_bytes),
        frame_size = %Size(config.limits.frame_bytes.into()),
        minimum_wait = ?config.server.minimum_wait,
        login = %config.auth.method.name(),
        "storm-pacemaker {} serves on {address}",
        env!("CARGO_PKG_VERSION"),
    );
}

/// Says that clients can connect, and returns the line that says so.
fn report_ready(address: &str, shards: usize) -> String {
    // The readiness line, for people and for programs that start the daemon on port 0. A closed standard
    // output is no error.
    let plural = if shards == 1 { "" } else { "s" };
    let line = format!("listening on {address} with {shards} shard{plural}");
    let _ = writeln!(io::stdout(), "{line}");
    let _ = io::stdout().flush();
    systemd::notify_ready(&line);
    line
}

/// Reloads at every SIGHUP, until another signal comes.
fn wait_for_stop(signals: &mut SignalsInfo, reloader: &Reloader) {
    for signal in signals.forever() {
        if signal != SIGHUP {
            info!("stopping: received {}", signal_name(signal));
            break;
        }
        reloader.request();
    }
}

fn settings(config: &Config, connections: u64) -> Settings {
    let shards = config.server.shards.get();
    let limits = Limits {
        connections,
        ..config.limits.clone()
    };
    Settings {
        shards,
        // Random seeds from the operating system, so that peers cannot choose keys that collide.
        key_hasher: RandomState::new(),
        ageing: config.ageing,
        minimum_wait: config.server.minimum_wait,
        common: Common::new(&limits, shards),
        limits,
    }
}

/// Tables whose settings the admin endpoint shows. The others name files, users and networks.
const SHOWN_TABLES: [&str; 4] = ["server.", "limits.", "expire.", "admin."];

fn facts(config: &Config, settings: &Settings, address: SocketAddr, kernel: &str) -> Facts {
    let shown = |key: &str| SHOWN_TABLES.iter().any(|table| key.starts_with(table));
    let settings_shown = config
        .effective_settings
        .iter()
        .filter(|setting| shown(setting.key));
    Facts {
        address,
        started: SystemTime::now(),
        kernel: kernel.to_owned(),
        cores: config.server.cores.clone(),
        login_method: config.auth.method.name(),
        limits: settings.limits.clone(),
        ageing: settings.ageing,
        settings: settings_shown
            .map(|setting| (setting.key, setting.value.clone()))
            .collect(),
        page: config.admin.page,
        hosts: config.admin.hosts.clone(),
    }
}

fn executor(index: usize, core: usize) -> LocalExecutorBuilder {
    LocalExecutorBuilder::new(Placement::Fixed(core))
        .name(&format!("shard-{index}"))
        .io_memory(EXECUTOR_IO_MEMORY_BYTES)
        .ring_depth(EXECUTOR_RING_DEPTH)
        // Long: the data plane yields by itself, more often than this.
        .preempt_timer(Duration::from_secs(1))
}

fn ring_all(bells: &Bells, shards: usize) {
    // Without a bell a shard notices the shutdown after its longest sleep.
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
