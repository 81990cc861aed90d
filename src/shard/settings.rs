//! What a shard goes by. Plain values, the same for all shards of a process.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use ahash::RandomState;

use super::Ageing;

/// What is the same for all shards of a process.
#[derive(Clone, Debug)]
pub struct Settings {
    pub shards: usize,
    /// Hashes whole keys: routes them to shards, and finds them there.
    pub key_hasher: RandomState,
    pub bounds: Bounds,
    pub ageing: Ageing,
    /// See [`super::pace`].
    pub minimum_wait: Duration,
    /// Open connections of all shards.
    pub connections: Arc<AtomicU64>,
}

/// See `limits.rs` for each bound's reason. Those of the process; a shard polices its share.
#[derive(Clone, Debug)]
pub struct Bounds {
    pub frame_bytes: u32,
    pub path_bytes: u64,
    pub path_depth: u64,
    pub connections: u64,
    pub in_flight: usize,
    pub output_bytes: usize,
    pub output_deadline: Duration,
    pub buffered_bytes: u64,
    pub stored_keys: u64,
    pub stored_bytes: u64,
    pub handshake_deadline: Duration,
    pub handshake_bytes: u64,
    pub connections_per_address: u64,
    pub unauthenticated_per_address: u64,
    pub failed_logins: u64,
}

impl Bounds {
    /// Wide ones: for tests and measurements, which narrow the one that they are about.
    pub fn wide() -> Bounds {
        Bounds {
            frame_bytes: 10 << 20,
            path_bytes: 4096,
            path_depth: 32,
            connections: 1000,
            in_flight: 1024,
            output_bytes: 16 << 20,
            output_deadline: Duration::from_secs(30),
            buffered_bytes: 1 << 30,
            stored_keys: 1 << 20,
            stored_bytes: 1 << 30,
            handshake_deadline: Duration::from_secs(10),
            handshake_bytes: 64 << 10,
            connections_per_address: 1000,
            unauthenticated_per_address: 1000,
            failed_logins: 20,
        }
    }
}
