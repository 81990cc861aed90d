//! What one run does, typed and validated: `cli` makes it, everything else reads it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use storm_pacemaker::client_login::ClientMethod;

use crate::expect::Expectation;
use crate::machine;
use crate::plan::Cluster;

#[derive(Clone, Debug)]
pub struct Settings {
    pub cluster: Cluster,
    /// Their number, where somebody has said it.
    pub topologies_given: Option<u32>,
    pub seed: u64,
    /// As they were asked for, and where they are; never empty.
    pub targets: Vec<Target>,
    /// Addresses to dial from; empty leaves it to the kernel.
    pub sources: Vec<IpAddr>,
    /// Whether somebody has named them.
    pub sources_given: bool,
    pub nimbus: Nimbus,
    /// People who look at the UI's pages.
    pub ui_readers: u32,
    /// Before the measured window: errors count, times do not.
    pub warmup_us: u64,
    /// The measured window.
    pub duration_us: u64,
    /// The core of each driving thread.
    pub cores: Vec<usize>,
    /// A server on this host whose CPU time and memory are measured.
    pub server_pid: Option<u32>,
    pub expectations: Vec<Expectation>,
    /// Leave the pulses on the server.
    pub keep: bool,
    pub link_bits_per_second: Option<u64>,
    pub output: Output,
    pub hdr_log: Option<PathBuf>,
    /// Where the report goes as a page.
    pub page: Option<PathBuf>,
}

#[derive(Clone, Debug)]
pub struct Target {
    pub name: String,
    pub address: SocketAddr,
    pub logins: LoginMethods,
}

/// How connections to a server log in; `None`: not at all.
#[derive(Clone, Debug, Default)]
pub struct LoginMethods {
    pub readers: Option<ClientMethod>,
    pub workers: Option<ClientMethod>,
}

/// How Nimbus's scheduler reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nimbus {
    Off,
    /// A pass over all workers every 10 s.
    EveryTenSeconds,
    /// One pass after the other.
    Continuous,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    Text,
    Json,
}

impl LoginMethods {
    pub fn of_readers(&self) -> &'static str {
        method_name(self.readers.as_ref())
    }

    pub fn of_workers(&self) -> &'static str {
        method_name(self.workers.as_ref())
    }
}

/// As `--auth` has it.
pub fn method_name(method: Option<&ClientMethod>) -> &'static str {
    match method {
        None => "none",
        Some(ClientMethod::Digest(_)) => "digest",
        Some(ClientMethod::Kerberos { .. } | ClientMethod::KerberosWith { .. }) => "kerberos",
    }
}

/// Descriptors of a thread besides its connections: its ring, and what it inherits from the process.
const FILES_BESIDES: u64 = 64;

impl Settings {
    /// File descriptors that one driving thread needs: each has a table of its own.
    pub fn open_files(&self) -> u64 {
        let all = connections(self.cluster.workers, self.cluster.churn_per_minute);
        let of_a_thread = all.div_ceil(self.cores.len() as u32);
        u64::from(of_a_thread) + self.targets.len() as u64 + FILES_BESIDES
    }

    /// When the measured window ends, and with it the plan.
    pub fn end_us(&self) -> u64 {
        self.warmup_us + self.duration_us
    }

    pub fn supervisors(&self) -> u32 {
        self.cluster
            .workers
            .div_ceil(self.cluster.workers_per_supervisor)
    }

    /// The same with another number of supervisors, and what follows from that.
    pub fn with_supervisors(&self, supervisors: u32) -> Result<Settings, String> {
        let mut other = self.clone();
        let workers = supervisors * self.cluster.workers_per_supervisor;
        other.cluster.workers = workers;
        let usual = usual_topologies(workers);
        other.cluster.topologies = self.topologies_given.unwrap_or(usual).min(workers);
        if !self.sources_given {
            other.sources = default_sources(&other.cluster, &self.targets)?;
        }
        let threads = machine::threads_for(workers, self.cores.len());
        other.cores = self.cores.iter().copied().cycle().take(threads).collect();
        Ok(other)
    }
}

/// Connections at a time: while a topology moves, its workers' old ones and new ones may both be there.
pub fn connections(workers: u32, churn_per_minute: u32) -> u32 {
    match churn_per_minute {
        0 => workers,
        _ => workers + workers / 4,
    }
}

/// Topologies of so many workers, where nobody says otherwise.
pub fn usual_topologies(workers: u32) -> u32 {
    const WORKERS_OF_ONE: u32 = 120;
    workers.div_ceil(WORKERS_OF_ONE)
}

/// Source addresses of a cluster's workers, where nobody has named any: on loopback enough for dials to
/// be cheap and for logins to be taken for those of many hosts, elsewhere the kernel's choice as long as
/// that is possible.
pub fn default_sources(cluster: &Cluster, targets: &[Target]) -> Result<Vec<IpAddr>, String> {
    let ports = machine::local_ports();
    let to_one_target = cluster.workers.div_ceil(targets.len() as u32);
    let on_loopback =
        |target: &Target| matches!(target.address.ip(), IpAddr::V4(ip) if ip.is_loopback());
    if !targets.iter().all(on_loopback) {
        // All but some, which others on this host may be using.
        let needed = to_one_target.div_ceil(ports - ports / 8);
        return match needed {
            0 | 1 => Ok(Vec::new()),
            needed => Err(format!(
                "{to_one_target} connections to one server need {needed} source addresses, because \
                 this host has {ports} local ports: name some with --source-addresses"
            )),
        };
    }
    // The kernel looks for a port among those of one parity first, one by one: past a half of them a
    // dial costs milliseconds, up to a quarter it costs next to nothing.
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
