//! The daemon from its sockets to its end: what a validated configuration starts, and what a signal stops.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use ahash::RandomState;
use signal_hook::iterator::SignalsInfo;
use tracing::info;

use super::drain::{Drain, Successor};
use super::handover::Handover;
use super::housekeeping::{CompactionRequests, Housekeeping};
use super::incident_log::IncidentLog;
use super::lifecycle::Lifecycle;
use super::listeners::{self, Inherited, Listeners};
use super::policy_mailbox::PolicyMailbox;
use super::predecessor::Predecessor;
use super::preflight::{self, Preflight};
use super::reload::{self, Reloader};
use super::shard_thread::{Parts, Shared};
use super::shards::{Shards, StartFailure};
use super::signals::{self, Asked};
use super::upgrade::Upgrader;
use super::{StartError, internal, log_notes, logging, systemd};
use crate::admin::board::Board;
use crate::admin::{self, Admin, Facts};
use crate::announcement::Announcement;
use crate::config::{Config, ServerConfig};
use crate::io::{Bells, DataPlane, ring_all};
use crate::limits::Limits;
use crate::shard::{Common, Policy, Settings};
use crate::units::Size;

/// All that the daemon listens on.
pub(super) struct Sockets {
    data: Listeners,
    admin: Option<TcpListener>,
}

impl Sockets {
    /// Takes what was inherited or handed over, and opens what is missing.
    pub(super) fn open(
        config: &Config,
        inherited: Inherited,
        predecessor: Option<&mut Predecessor>,
    ) -> Result<Sockets, StartError> {
        let unacknowledged = config.limits.unacknowledged_time();
        let wanted = listeners::with_families_of_host(config.server.address());
        let shards = config.server.shards.get();
        let data = listeners::open(inherited, wanted, shards, unacknowledged)?;
        let admin = listen_for_admin(config, predecessor)?;
        Ok(Sockets { data, admin })
    }

    /// Where Storm's clients find it, for people.
    pub(super) fn address(&self) -> String {
        let addresses = self.data.addresses.iter().map(ToString::to_string);
        addresses.collect::<Vec<_>>().join(" and ")
    }
}

/// What the configuration says of the end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stops {
    /// Every stop moves the clients first.
    drain_first: bool,
    drain_deadline: Duration,
    successor: Successor,
}

impl Stops {
    pub(super) fn of(config: &ServerConfig) -> Stops {
        Stops {
            drain_first: config.drain_on_stop,
            drain_deadline: config.drain_deadline,
            successor: config.drain_for.into(),
        }
    }
}

/// How the daemon stops.
pub(super) enum Stop {
    /// Clients are reset at once, when their requests are answered.
    Now,
    /// Clients are moved first, one at a time.
    Drain(Successor),
}

/// A daemon that serves.
pub(super) struct Running {
    pub(super) facts: Facts,
    board: Arc<Board>,
    shared: Shared,
    threads: Shards,
    admin: Option<Admin>,
    upgrader: Upgrader,
}

impl Running {
    /// Starts the shards, and then everything that watches them.
    pub(super) fn start(
        config: &Config,
        preflight: &Preflight,
        (policies, policy_mailbox): (Vec<Policy>, Arc<PolicyMailbox>),
        sockets: Sockets,
        program: io::Result<PathBuf>,
    ) -> Result<Running, StartError> {
        let address = sockets.address();
        let Sockets { data, admin } = sockets;
        let admin_copy = copy_of(admin.as_ref())?;
        let shards = config.server.shards.get();
        let board = Arc::new(Board::new(shards));
        let settings = settings(config, preflight.connections);
        let parts = Parts {
            listeners: data.shared(shards),
            policies: policy_mailbox,
            compactions: CompactionRequests::default(),
            board: board.clone(),
            scanned_bytes: settings.limits.page_bytes(),
            incidents: IncidentLog::new(config.limits.ipv6_prefix),
        };
        let started = start_shards(config, &settings, policies, preflight.plane, &parts);
        let (threads, shared) = match started {
            Ok(started) => started,
            Err(error) => {
                // A shard may still be about to duplicate these sockets, so they must stay open. They close
                // when the process exits, which is next.
                std::mem::forget(data.sockets);
                return Err(error);
            }
        };
        let plane = shared.bells.plane();
        // Each shard has its own duplicates by now.
        let handover = Handover {
            listeners: data.sockets,
            opener: data.opener,
            admin: admin_copy,
            log: None,
            io: plane.name().to_owned(),
        };
        log_start(config, preflight, plane, &address);
        let facts = facts(config, &settings, data.addresses[0], preflight, plane);
        let housekeeping = Housekeeping {
            board: board.clone(),
            addresses: settings.common.accounts.clone(),
            requests: parts.compactions.clone(),
        };
        housekeeping
            .start()
            .map_err(internal("starting the housekeeping"))?;
        Ok(Running {
            admin: start_admin(admin, &facts, &board)?,
            facts,
            board,
            shared,
            threads,
            upgrader: Upgrader::new(program, handover),
        })
    }

    /// Reloads at every SIGHUP and logs the status at every SIGQUIT, until another signal comes.
    pub(super) fn wait_for_stop(
        &self,
        signals: &mut SignalsInfo,
        reloader: &Reloader,
        stops: Stops,
    ) -> Stop {
        for signal in signals.forever() {
            match signals::asked(signal) {
                Asked::Reload => reloader.request(),
                Asked::Status => {
                    info!(target: logging::ASKED_FOR, "status: {}", admin::status(&self.facts, &self.board))
                }
                Asked::Upgrade => {
                    if self.upgrader.request() {
                        return Stop::Drain(Successor::SameSockets);
                    }
                }
                Asked::Drain => {
                    info!("draining: received SIGUSR1");
                    return Stop::Drain(stops.successor);
                }
                Asked::Stop(signal) => {
                    info!("stopping: received {signal}");
                    if stops.drain_first {
                        return Stop::Drain(stops.successor);
                    }
                    return Stop::Now;
                }
            }
        }
        Stop::Now
    }

    /// Moves the clients first if asked to, then resets those that are left, and ends all threads.
    pub(super) fn stop(
        mut self,
        stop: Stop,
        stops: Stops,
        announcement: Option<Announcement>,
        signals: &mut SignalsInfo,
    ) -> Result<(), StartError> {
        // From here on the shards alone hold the sockets: once they close them, nothing listens.
        self.upgrader.end();
        if let Stop::Drain(successor) = stop {
            if successor == Successor::SameSockets {
                // The new process answers there now, and says where it serves.
                if let Some(admin) = self.admin.take() {
                    admin.stop();
                }
                drop(announcement);
            }
            let drain = Drain {
                lifecycle: &self.shared.lifecycle,
                bells: &self.shared.bells,
                board: &self.board,
                deadline: stops.drain_deadline,
            };
            drain.run(successor, signals);
        }
        systemd::notify_stopping();
        self.board.stop();
        self.shared.lifecycle.begin();
        // Without a bell a shard notices the shutdown after its longest sleep.
        let _ = ring_all(&self.shared.bells);
        self.threads.join()?;
        if let Some(admin) = self.admin {
            admin.stop();
        }
        info!("stopped");
        Ok(())
    }
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

fn log_start(config: &Config, preflight: &Preflight, plane: DataPlane, address: &str) {
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
    preflight: &Preflight,
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
