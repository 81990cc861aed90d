//! What one run does, typed and validated. `cli` makes it, the rest reads it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use storm_pacemaker::client_login::ClientMethod;
use storm_pacemaker::io::{DataPlane, can_own_descriptors};

use crate::expect::Expectation;
use crate::machine;
use crate::plan::Cluster;

#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub cluster: Cluster,
    /// The number of topologies, if the user gave one.
    pub topologies_given: Option<u32>,
    pub seed: u64,
    /// Never empty.
    pub targets: Vec<Target>,
    /// Addresses to dial from. If empty, the kernel chooses.
    pub sources: Vec<IpAddr>,
    /// Whether the user gave them.
    pub sources_given: bool,
    pub nimbus: Nimbus,
    /// Readers of the Storm UI.
    pub ui_readers: u32,
    /// Time before the measured window: errors count, response times do not.
    pub warmup_us: u64,
    /// The measured window.
    pub duration_us: u64,
    /// What the driving threads wait with.
    pub plane: DataPlane,
    /// The core of each driving thread.
    pub cores: Vec<usize>,
    /// The server's process on this host, whose CPU time and memory are measured.
    pub server_pid: Option<u32>,
    pub expectations: Vec<Expectation>,
    /// Do not delete the pulses at the end.
    pub keep: bool,
    /// A RST while no request is under way is no error.
    pub drains: bool,
    pub link_bits_per_second: Option<u64>,
    pub output: Output,
    pub hdr_log: Option<PathBuf>,
    /// Where to write the report as a page.
    pub page: Option<PathBuf>,
}

#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub name: String,
    pub address: SocketAddr,
    pub logins: LoginMethods,
}

/// How connections to a server log in. `None`: without a login.
#[derive(Clone, Debug, Default)]
pub(crate) struct LoginMethods {
    pub readers: Option<ClientMethod>,
    pub workers: Option<ClientMethod>,
}

/// How Nimbus's scheduler reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nimbus {
    Off,
    /// A pass over all workers every 10 s.
    EveryTenSeconds,
    /// The next pass follows the last one at once.
    Continuous,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    Text,
    Json,
}

impl LoginMethods {
    pub(crate) fn of_readers(&self) -> &'static str {
        method_name(self.readers.as_ref())
    }

    pub(crate) fn of_workers(&self) -> &'static str {
        method_name(self.workers.as_ref())
    }
}

/// Its name in `--auth` and in reports.
pub(crate) fn method_name(method: Option<&ClientMethod>) -> &'static str {
    match method {
        None => "none",
        Some(ClientMethod::Digest(_)) => "digest",
        Some(ClientMethod::Kerberos { .. } | ClientMethod::KerberosWith { .. }) => "kerberos",
    }
}

/// Descriptors of a thread besides its connections: its io_uring, and those of the process that it inherits.
const OTHER_FILES: u64 = 64;

impl Settings {
    /// File descriptors that one descriptor table needs. Each driving thread has its own, where the kernel
    /// allows that.
    pub(crate) fn open_files(&self) -> u64 {
        let all = most_connections(self.cluster.workers, self.cluster.churn_per_minute);
        let tables = if can_own_descriptors() {
            self.cores.len() as u32
        } else {
            1
        };
        u64::from(all.div_ceil(tables)) + self.targets.len() as u64 + OTHER_FILES
    }

    /// The end of the measured window, and of the plan.
    pub(crate) fn end_us(&self) -> u64 {
        self.warmup_us + self.duration_us
    }

    pub(crate) fn supervisors(&self) -> u32 {
        self.cluster
            .workers
            .div_ceil(self.cluster.workers_per_supervisor)
    }

    /// The same settings for another number of supervisors.
    pub(crate) fn with_supervisors(&self, supervisors: u32) -> Result<Settings, String> {
        let mut other = self.clone();
        let workers = supervisors * self.cluster.workers_per_supervisor;
        other.cluster.workers = workers;
        let default = default_topologies(workers);
        other.cluster.topologies = self.topologies_given.unwrap_or(default).min(workers);
        if !self.sources_given {
            other.sources = default_sources(&other.cluster, &self.targets)?;
        }
        let threads = machine::threads_for(workers, self.cores.len());
        other.cores = self.cores.iter().copied().cycle().take(threads).collect();
        Ok(other)
    }
}

/// The most connections at a time: while a topology moves, its old and its new workers may both be
/// connected.
pub(crate) fn most_connections(workers: u32, churn_per_minute: u32) -> u32 {
    match churn_per_minute {
        0 => workers,
        _ => workers + workers / 4,
    }
}

/// The default of `--topologies`.
pub(crate) fn default_topologies(workers: u32) -> u32 {
    const WORKERS_PER_TOPOLOGY: u32 = 120;
    workers.div_ceil(WORKERS_PER_TOPOLOGY)
}

/// The default of `--source-addresses`. On loopback: enough addresses for fast dials and, if workers log
/// in, one per supervisor. Elsewhere the kernel chooses, as long as one address has enough ports.
pub(crate) fn default_sources(
    cluster: &Cluster,
    targets: &[Target],
) -> Result<Vec<IpAddr>, String> {
    let ports = machine::local_ports();
    let to_one_target = cluster.workers.div_ceil(targets.len() as u32);
    let on_loopback =
        |target: &Target| matches!(target.address.ip(), IpAddr::V4(ip) if ip.is_loopback());
    if !targets.iter().all(on_loopback) {
        // Other processes on this host may use some ports: an eighth is left to them.
        let needed = to_one_target.div_ceil(ports - ports / 8);
        return match needed {
            0 | 1 => Ok(Vec::new()),
            needed => Err(format!(
                "{to_one_target} connections to one server need {needed} source addresses, because \
                 this host has {ports} local ports; name them with --source-addresses"
            )),
        };
    }
    // The kernel searches the ports of one parity first, one by one. Once half of all ports are taken a
    // dial costs milliseconds; below a quarter it costs almost nothing.
    let mut needed = to_one_target.div_ceil(ports / 4);
    if targets.iter().any(|target| target.logins.workers.is_some()) {
        let supervisors = cluster.workers.div_ceil(cluster.workers_per_supervisor);
        needed = needed.max(supervisors);
    }
    if needed <= 1 {
        return Ok(Vec::new());
    }
    let first = u32::from(Ipv4Addr::new(127, 0, 0, 2));
    Ok((first..first + needed)
        .map(|address| Ipv4Addr::from(address).into())
        .collect())
}
