//! Start, run, stop: from a validated configuration to listening shards, and from a signal to a clean
//! end. Only this module starts threads for shards and signals.

mod drain;
#[cfg(not(target_env = "musl"))]
mod executor;
mod handover;
mod housekeeping;
mod incident_log;
mod lifecycle;
mod listeners;
mod logging;
mod policy_mailbox;
mod predecessor;
mod preflight;
mod program;
mod publisher;
mod reload;
mod shard_thread;
mod shards;
mod signals;
mod systemd;
mod upgrade;

pub use signals::signals;

use std::fmt;
use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::SystemTime;

use ahash::RandomState;
use signal_hook::iterator::SignalsInfo;
use tracing::info;

use crate::admin::board::Board;
use crate::admin::{self, Admin, Facts};
use crate::announcement::Announcement;
use crate::config::{Config, Io, Loaded, Note, Severity, Sources};
use crate::io::{Bells, DataPlane, ring_all};
use crate::limits::Limits;
use crate::shard::{Common, Policy, Settings};
use crate::units::Size;
use drain::{Drain, Successor};
use handover::Handover;
use housekeeping::{CompactionRequests, Housekeeping};
use incident_log::IncidentLog;
use lifecycle::Lifecycle;
use listeners::Inherited;
use logging::Log;
use policy_mailbox::PolicyMailbox;
use predecessor::Predecessor;
use reload::Reloader;
use shard_thread::{Parts, Shared};
use shards::{Shards, StartFailure};
use signals::Asked;
use upgrade::Upgrader;

/// Why the daemon did not start or had to stop.
#[derive(Debug)]
pub enum StartError {
    /// The credentials for logins cannot be used.
    Credentials(String),
    Preflight(preflight::PreflightError),
    /// The process that this one replaces uses io_uring, and this one cannot.
    LosesRing(preflight::PreflightError),
    /// The process that this one replaces does not hand its sockets over.
    TakeOver(io::Error),
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
            StartError::LosesRing(error) => write!(
                f,
                "the process that is to be replaced uses io_uring, and this one cannot while both run: {error}. Or \
                 restart, or set server.io to \"epoll\""
            ),
            StartError::TakeOver(error) => write!(
                f,
                "the process that is to be replaced does not hand its sockets over: {error}"
            ),
            StartError::Internal(what, error) => write!(f, "{what}: {error}"),
        }
    }
}

impl std::error::Error for StartError {}

/// What `check-config` says of the data plane that a start here would use.
///
/// # Errors
/// None would work. The limits on files and connections are not looked at.
pub(crate) fn data_plane(config: &Config) -> Result<Vec<Note>, StartError> {
    let (plane, mut notes) = preflight::data_plane(config).map_err(StartError::Preflight)?;
    notes.push(Note::info(format!(
        "the data plane here is {}",
        plane.name()
    )));
    Ok(notes)
}

/// Serves until SIGTERM or SIGINT, then answers the requests in flight, resets all connections and
/// returns. SIGUSR1 does the same after it has moved the clients one at a time; with `server.drain_on_stop` every
/// stop does. SIGUSR2 does so after a new process has taken the sockets over. SIGHUP loads the configuration again
/// from `sources`, and SIGQUIT logs what `/status` tells. Logs the notes of `loaded`.
///
/// # Errors
/// The machine cannot run the daemon, a socket cannot listen, the credentials cannot be used, or a
/// thread failed.
pub fn serve(
    loaded: Loaded,
    sources: &Sources,
    mut signals: SignalsInfo,
) -> Result<(), StartError> {
    let Loaded { mut config, notes } = loaded;
    let program = program::path();
    let mut predecessor = Predecessor::of_this_process().map_err(StartError::TakeOver)?;
    // Changes the environment, so it comes before any thread.
    let inherited = match &mut predecessor {
        Some(predecessor) => Inherited::FromPredecessor(predecessor.take_listeners()),
        None => Inherited::FromManager(listeners::from_service_manager()),
    };
    let (log, _writer) = Log::start(&config.log);
    let keeps_ring = keep_ring(&mut config, predecessor.as_ref());
    let refused = |error| match error {
        StartError::Preflight(error) if keeps_ring => StartError::LosesRing(error),
        error => error,
    };
    let preflight =
        preflight::check(&config).map_err(|error| refused(StartError::Preflight(error)))?;
    log_notes(&notes);
    log_notes(&preflight.notes);

    let policies = reload::policies(&config).map_err(StartError::Credentials)?;
    let shards = config.server.shards.get();
    let policy_mailbox = Arc::new(PolicyMailbox::new(shards));

    let unacknowledged = config.limits.unacknowledged_time();
    let wanted = listeners::with_families_of_host(config.server.address());
    let listeners = listeners::open(inherited, wanted, shards, unacknowledged)?;
    let address = listeners.addresses.iter().map(ToString::to_string);
    let address = address.collect::<Vec<_>>().join(" and ");
    let admin_listener = listen_for_admin(&config, predecessor.as_mut())?;
    let admin_copy = copy_of(admin_listener.as_ref())?;
    let board = Arc::new(Board::new(shards));
    let settings = settings(&config, preflight.connections);
    let parts = Parts {
        listeners: listeners.shared(shards),
        policies: policy_mailbox.clone(),
        compactions: CompactionRequests::default(),
        board: board.clone(),
        scanned_bytes: settings.limits.page_bytes(),
        incidents: IncidentLog::new(config.limits.ipv6_prefix),
    };
    let started = start_shards(&config, &settings, policies, preflight.plane, &parts);
    let (threads, shared) = match started {
        Ok(started) => started,
        Err(error) => {
            // A shard may still be about to duplicate these sockets, so they must stay open. They close
            // when the process exits, which is next.
            std::mem::forget(listeners.sockets);
            return Err(refused(error));
        }
    };
    let plane = shared.bells.plane();
    // Each shard has its own duplicates by now.
    let upgrader = Upgrader::new(
        program,
        Handover {
            listeners: listeners.sockets,
            opener: listeners.opener,
            admin: admin_copy,
            log: None,
            io: plane.name().to_owned(),
        },
    );
    log_start(&config, &preflight, plane, &address);
    let facts = facts(
        &config,
        &settings,
        listeners.addresses[0],
        &preflight,
        plane,
    );
    let housekeeping = Housekeeping {
        board: board.clone(),
        addresses: settings.common.accounts.clone(),
        requests: parts.compactions.clone(),
    };
    housekeeping
        .start()
        .map_err(internal("starting the housekeeping"))?;
    let mut admin = start_admin(admin_listener, &facts, &board)?;
    // Without it, healthcheck asks the configured address.
    let announcement = Announcement::of(facts.address).ok();
    let line = report_ready(&address, shards, predecessor);
    let (drain_deadline, drain_on_stop) =
        (config.server.drain_deadline, config.server.drain_on_stop);
    let drain_for = config.server.drain_for.into();
    let reloader = Reloader::start(sources, config, policy_mailbox, log, line)
        .map_err(internal("starting the reloader"))?;
    let drain = Drain {
        lifecycle: &shared.lifecycle,
        bells: &shared.bells,
        board: &board,
        deadline: drain_deadline,
    };
    let stop = wait_for_stop(
        &mut signals,
        &reloader,
        &upgrader,
        drain_on_stop,
        drain_for,
        || admin::status(&facts, &board),
    );
    // From here on the shards alone hold the sockets: once they close them, nothing listens.
    upgrader.end();
    match stop {
        Stop::Now => {}
        Stop::Drain(successor) => {
            if successor == Successor::SameSockets {
                // The new process answers there now, and says where it serves.
                if let Some(admin) = admin.take() {
                    admin.stop();
                }
                drop(announcement);
            }
            drain.run(successor, &mut signals);
        }
    }
    systemd::notify_stopping();
    board.stop();
    shared.lifecycle.begin();
    // Without a bell a shard notices the shutdown after its longest sleep.
    let _ = ring_all(&shared.bells);
    threads.join()?;
    if let Some(admin) = admin {
        admin.stop();
    }
    info!("stopped");
    Ok(())
}

/// Has a process that replaces one on io_uring use it, too, and returns whether that was necessary. Both processes' rings
/// count against the limit on locked memory, and epoll would stay when the old one has ended.
fn keep_ring(config: &mut Config, predecessor: Option<&Predecessor>) -> bool {
    let may_lose =
        config.server.io == Io::Auto && predecessor.is_some_and(Predecessor::uses_io_uring);
    if may_lose {
        config.server.io = Io::IoUring;
    }
    may_lose
}

fn copy_of(listener: Option<&TcpListener>) -> Result<Option<OwnedFd>, StartError> {
    let copy = listener.map(|listener| listener.try_clone().map(OwnedFd::from));
    copy.transpose().map_err(internal("copying a socket"))
}

fn listen_for_admin(
    config: &Config,
    predecessor: Option<&mut Predecessor>,
) -> Result<Option<TcpListener>, StartError> {
    let Some(address) = config.admin.address else {
        return Ok(None);
    };
    let wanted = listeners::with_families_of_host(address);
    if let Some(taken) = predecessor.and_then(|old| old.take_admin(wanted)) {
        return Ok(Some(taken));
    }
    admin::listen(wanted)
        .map(Some)
        .map_err(|error| StartError::Admin(address, error))
}

fn start_admin(
    listener: Option<TcpListener>,
    facts: &Facts,
    board: &Arc<Board>,
) -> Result<Option<Admin>, StartError> {
    let Some(listener) = listener else {
        return Ok(None);
    };
    let admin = Admin::start(listener, facts.clone(), board.clone())
        .map_err(internal("starting the admin endpoint"))?;
    info!(
        "metrics, health and the page are at http://{}",
        admin.address()
    );
    Ok(Some(admin))
}

/// Starts the shards on a data plane. If io_uring passes its trial, but not all of its rings find room in
/// the limit on locked memory, they start again on epoll.
fn start_shards(
    config: &Config,
    settings: &Settings,
    policies: Vec<Policy>,
    plane: DataPlane,
    parts: &Parts,
) -> Result<(Shards, Shared), StartError> {
    let failure = match try_to_start(config, settings, policies, plane, parts)? {
        Ok(started) => return Ok(started),
        Err(failure) => failure,
    };
    if failure.is_clean && plane == DataPlane::IoUring {
        match preflight::judge_failure(config, failure.errno) {
            Some(Ok(note)) => {
                log_notes(&[note]);
                let policies = reload::policies(config).map_err(StartError::Credentials)?;
                let started = try_to_start(config, settings, policies, DataPlane::Epoll, parts)?;
                return started.map_err(internal("starting a shard"));
            }
            Some(Err(error)) => return Err(StartError::Preflight(error)),
            None => {}
        }
    }
    Err(internal("starting a shard")(failure))
}

fn try_to_start(
    config: &Config,
    settings: &Settings,
    policies: Vec<Policy>,
    plane: DataPlane,
    parts: &Parts,
) -> Result<Result<(Shards, Shared), StartFailure>, StartError> {
    let bells = Bells::new(plane, settings.shards).map_err(internal("making doorbells"))?;
    let shared = parts.with(
        bells,
        Lifecycle::new(settings.shards, config.server.shutdown_deadline),
    );
    let started = Shards::start(&config.server, settings, policies, &shared);
    Ok(started.map(|shards| (shards, shared)))
}

fn log_start(config: &Config, preflight: &preflight::Preflight, plane: DataPlane, address: &str) {
    info!(
        io = %plane.name(),
        kernel = preflight.kernel,
        shards = config.server.shards.get(),
        cores = ?config.server.cores,
        pinned = config.server.is_pinned,
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
fn report_ready(address: &str, shards: usize, predecessor: Option<Predecessor>) -> String {
    // The readiness line, for people and for programs that start the daemon on port 0. A closed standard
    // output is no error.
    let plural = if shards == 1 { "" } else { "s" };
    let line = format!("listening on {address} with {shards} shard{plural}");
    let _ = writeln!(io::stdout(), "{line}");
    let _ = io::stdout().flush();
    match predecessor {
        // It tells the service manager, too.
        Some(predecessor) => predecessor.tell_serving(&line),
        None => systemd::notify_ready(&line),
    }
    line
}

/// How the daemon stops.
enum Stop {
    /// Clients are reset at once, when their requests are answered.
    Now,
    /// Clients are moved first, one at a time.
    Drain(Successor),
}

/// Reloads at every SIGHUP and logs the status at every SIGQUIT, until another signal comes.
fn wait_for_stop(
    signals: &mut SignalsInfo,
    reloader: &Reloader,
    upgrader: &Upgrader,
    drain_on_stop: bool,
    successor: Successor,
    status: impl Fn() -> String,
) -> Stop {
    for signal in signals.forever() {
        match signals::asked(signal) {
            Asked::Reload => reloader.request(),
            Asked::Status => info!(target: logging::ASKED_FOR, "status: {}", status()),
            Asked::Upgrade => {
                if upgrader.request() {
                    return Stop::Drain(Successor::SameSockets);
                }
            }
            Asked::Drain => {
                info!("draining: received SIGUSR1");
                return Stop::Drain(successor);
            }
            Asked::Stop(signal) => {
                info!("stopping: received {signal}");
                if drain_on_stop {
                    return Stop::Drain(successor);
                }
                return Stop::Now;
            }
        }
    }
    Stop::Now
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
        warm_up: config.server.warm_up,
        common: Common::new(&limits, shards),
        limits,
    }
}

/// Tables whose settings the admin endpoint shows. The others name files, users and networks.
const SHOWN_TABLES: [&str; 4] = ["server.", "limits.", "expire.", "admin."];

fn facts(
    config: &Config,
    settings: &Settings,
    address: SocketAddr,
    preflight: &preflight::Preflight,
    plane: DataPlane,
) -> Facts {
    let shown = |key: &str| SHOWN_TABLES.iter().any(|table| key.starts_with(table));
    let settings_shown = config
        .effective_settings
        .iter()
        .filter(|setting| shown(setting.key));
    Facts {
        address,
        started: SystemTime::now(),
        kernel: preflight.kernel.clone(),
        own_descriptors: preflight.own_descriptors,
        io: plane.name(),
        cores: if config.server.is_pinned {
            config.server.cores.clone()
        } else {
            Vec::new()
        },
        login_method: config.auth.method.name(),
        limits: settings.limits.clone(),
        footprint_bytes: config.footprint().total(),
        accounts: settings.common.accounts.clone(),
        ageing: settings.ageing,
        settings: settings_shown
            .map(|setting| (setting.key, setting.value.clone()))
            .collect(),
        page: config.admin.page,
        hosts: config.admin.hosts.clone(),
    }
}

fn log_notes(notes: &[Note]) {
    for note in notes {
        match note.severity {
            Severity::Info => tracing::info!("{}", note.text),
            Severity::Warning => tracing::warn!("{}", note.text),
        }
    }
}

fn internal<E: fmt::Display>(what: &'static str) -> impl Fn(E) -> StartError {
    move |error| StartError::Internal(what, error.to_string())
}
