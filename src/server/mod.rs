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
mod running;
mod shard_thread;
mod shards;
mod signals;
mod systemd;
mod upgrade;

pub use signals::signals;

use std::fmt;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Arc;

use signal_hook::iterator::SignalsInfo;

use crate::announcement::Announcement;
use crate::config::{Config, Io, Loaded, Note, Severity, Sources};
use listeners::Inherited;
use logging::Log;
use policy_mailbox::PolicyMailbox;
use predecessor::Predecessor;
use reload::Reloader;
use running::{Running, Sockets, Stops};

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
    let sockets = Sockets::open(&config, inherited, predecessor.as_mut())?;
    let address = sockets.address();
    let running = Running::start(
        &config,
        &preflight,
        (policies, policy_mailbox.clone()),
        sockets,
        program,
    )
    .map_err(refused)?;
    // Without it, healthcheck asks the configured address.
    let announcement = Announcement::of(running.facts.address).ok();
    let line = report_ready(&address, shards, predecessor);
    let stops = Stops::of(&config.server);
    let reloader = Reloader::start(sources, config, policy_mailbox, log, line)
        .map_err(internal("starting the reloader"))?;
    let stop = running.wait_for_stop(&mut signals, &reloader, stops);
    running.stop(stop, stops, announcement, &mut signals)
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
