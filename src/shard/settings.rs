//! What is the same for all shards of a process, and what they have in common.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use ahash::RandomState;

use super::{Activity, AddressAccounts};
use crate::budget::Budget;
use crate::limits::{Ageing, Limits};
use crate::store::{StoreBudget, StoreLimits};

#[derive(Clone, Debug)]
pub struct Settings {
    pub shards: usize,
    /// Hashes whole keys: chooses their shards, and finds them there.
    pub key_hasher: RandomState,
    pub limits: Limits,
    pub ageing: Ageing,
    /// See [`super::pace`].
    pub minimum_wait: Duration,
    /// How long after a start or a pause reads wait for pulses: see [`super::warm_up`]. Zero: never.
    pub warm_up: Duration,
    pub common: Common,
}

/// The accounts of the whole process. Every limit in them is met where it is stated, however the load
/// is spread over the shards.
#[derive(Clone, Debug)]
pub struct Common {
    /// What is left of `limits.buffered`.
    pub buffers: Arc<Budget>,
    /// What of it is about to be free, because its peers are being ended or are gone: nobody is ended for it.
    pub(super) leaving_bytes: Arc<AtomicU64>,
    /// What is left of `limits.stored_keys` and `limits.stored_bytes`.
    pub stored: StoreBudget,
    pub accounts: Arc<AddressAccounts>,
    /// Open connections of all shards.
    pub connections: Arc<AtomicU64>,
    pub activity: Arc<Activity>,
}

impl Common {
    pub fn new(limits: &Limits, shards: usize) -> Common {
        let stored = StoreLimits {
            keys: limits.stored_keys,
            bytes: limits.stored_bytes,
        };
        Common {
            buffers: Budget::new(limits.buffered_bytes, shards),
            leaving_bytes: Arc::default(),
            stored: StoreBudget::new(stored, shards),
            accounts: Arc::new(AddressAccounts::new(limits)),
            connections: Arc::new(AtomicU64::new(0)),
            activity: Arc::new(Activity::new(shards)),
        }
    }
}

#[cfg(test)]
impl Settings {
    /// For shards without sockets: the same hashes in each run, nothing expires, and nothing waits.
    pub(crate) fn for_tests(shards: usize, limits: Limits) -> Settings {
        Settings {
            shards,
            key_hasher: RandomState::with_seeds(1, 2, 3, 4),
            ageing: Ageing {
                stale_after: Duration::from_secs(30),
                expire_after: Duration::ZERO,
            },
            minimum_wait: Duration::ZERO,
            warm_up: Duration::ZERO,
            common: Common::new(&limits, shards),
            limits,
        }
    }
}
