//! What the integration tests share: the daemon as a child process, clients over plain sockets, and frames written
//! byte by byte, because no test trusts the crate's own encoder.

pub mod attack;
pub mod beats;
pub mod browser;
pub mod cgroup;
pub mod check_config;
pub mod client;
pub mod conformance;
pub mod daemon;
pub mod expected;
pub mod frames;
pub mod http;
pub mod jaas;
pub mod jaas_files;
pub mod java_daemon;
pub mod java_reader;
pub mod kdc;
pub mod kerberos_site;
pub mod login;
pub mod login_server;
pub mod machine;
pub mod memory;
pub mod metrics;
pub mod mixed;
pub mod pair;
pub mod promql;
pub mod promtool;
pub mod pty;
pub mod sandbox;
pub mod says;
pub mod script;
pub mod shards;
pub mod storm;
pub mod storm_like;
pub mod storm_yaml;
pub mod stub;
pub mod tap;

pub use client::{Client, Ended};
pub use daemon::Daemon;

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

/// How long a test waits for what must happen. Generous, because the machine may be busy.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// The directory that the repository is checked out to.
pub fn repository() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// [`PATIENCE`] on this machine.
pub fn patience() -> Duration {
    PATIENCE * machine::slowdown()
}

/// Waits until a condition holds; fails the test after [`patience`].
pub fn wait_until(what: &str, condition: impl FnMut() -> bool) {
    assert!(
        holds_within(patience(), condition),
        "waited in vain: {what}"
    );
}

/// Whether a condition comes true in that time.
pub fn holds_within(time: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + time;
    while !condition() {
        if Instant::now() >= deadline {
            return false;
        }
        thread::sleep(Duration::from_millis(2));
    }
    true
}

/// SplitMix64: numbers that a seed repeats.
#[derive(Clone, Debug)]
pub struct Random(pub u64);

impl Random {
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        (self.next_u64() % bound as u64) as usize
    }

    pub fn one_in(&mut self, chance: usize) -> bool {
        self.below(chance) == 0
    }

    /// Bytes that do not compress and of which any part shows where it was cut.
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes: Vec<u8> = (0..count.div_ceil(8))
            .flat_map(|_| self.next_u64().to_be_bytes())
            .collect();
        bytes.truncate(count);
        bytes
    }
}
