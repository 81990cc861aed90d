//! What one run does, typed and validated: `cli` makes it, everything else reads it.

use std::net::{IpAddr, SocketAddr};

use crate::expect::Expectation;
use crate::plan::Cluster;

#[derive(Clone, Debug)]
pub struct Settings {
    pub cluster: Cluster,
    pub seed: u64,
    /// Bytes of a pulse's details, at least `payload::MIN_BYTES`.
    pub payload_bytes: usize,
    /// As they were asked for, and where they are; never empty.
    pub targets: Vec<Target>,
    /// Addresses to dial from; empty leaves it to the kernel.
    pub sources: Vec<IpAddr>,
    pub nimbus: Nimbus,
    /// Before the measured window: errors count, times do not.
    pub warmup_us: u64,
    /// The measured window.
    pub duration_us: u64,
    /// The core of each driving thread.
    pub cores: Vec<usize>,
    /// A server on this host whose CPU time and memory are measured.
    pub server_pid: Option<u32>,
    pub expectations: Vec<Expectation>,
    pub output: Output,
}

#[derive(Clone, Debug)]
pub struct Target {
    pub name: String,
    pub address: SocketAddr,
}

/// How Nimbus's sequential reader reads.
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

/// Descriptors of a thread (its ring), and of the process besides connections.
const FILES_PER_THREAD: u64 = 4;
const SPARE_FILES: u64 = 32;

impl Settings {
    /// File descriptors that the run needs.
    pub fn open_files(&self) -> u64 {
        u64::from(self.cluster.workers)
            + self.targets.len() as u64
            + FILES_PER_THREAD * (self.cores.len() as u64 + 1)
            + SPARE_FILES
    }

    /// When the measured window ends, and with it the plan.
    pub fn end_us(&self) -> u64 {
        self.warmup_us + self.duration_us
    }
}
