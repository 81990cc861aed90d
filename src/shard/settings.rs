//! What is the same for all shards of a process.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use ahash::RandomState;

use super::Budget;
use crate::limits::{Ageing, Limits};

#[derive(Clone, Debug)]
pub struct Settings {
    pub shards: usize,
    /// Hashes whole keys: chooses their shards, and finds them there.
    pub key_hasher: RandomState,
    pub limits: Limits,
    pub ageing: Ageing,
    /// See [`super::pace`].
    pub minimum_wait: Duration,
    /// What is left of `limits.buffered`.
    pub buffers: Arc<Budget>,
    /// Open connections of all shards.
    pub connections: Arc<AtomicU64>,
}
