//! The pulses of one shard. Every operation is synchronous and pure: callers pass in the time and each
//! key's hash, and nothing here uses a clock, a socket, a log or a seed of its own.
//!
//! Paths follow the textual rules of Storm's daemon. A key is split at every '/' and never normalised:
//! "/w/t1", "w/t1" and "/w//t1" are three keys. A directory is listed as long as there is a key below
//! it, but EXISTS finds keys only.

mod accounting;
mod chunks;
mod compaction;
mod directory;
mod key_scan;
#[cfg(test)]
mod model;
mod nodes;
mod scan;
mod tables;
#[cfg(test)]
mod tests;

use std::fmt;

use ahash::RandomState;
use bytes::Bytes;

pub use accounting::{StoreBudget, StoreFull, StoreLimits, Usage};
pub(crate) use key_scan::{ScanPosition, ScanProgress};
pub use scan::ListScan;
pub(crate) use scan::RecordScan;

use accounting::Accounting;
use chunks::NodeId;
use compaction::Compaction;
use directory::Directory;
use nodes::{StoredPulse, WriteStamp};

/// Whether [`Store::put`] stored a new key or an update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PutOutcome {
    Inserted,
    Replaced,
}

/// What one call of [`Store::expire`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ExpireProgress {
    pub(crate) removed_keys: u64,
    /// The pass is complete: it has seen every key. The next call begins another pass.
    pub(crate) finished: bool,
}

/// Keys that one call of [`Store::expire`] removes: some two milliseconds.
const MOST_REMOVALS: u64 = 4096;

/// Times that tell by its last write whether a key is expired or stale, in milliseconds of the clock of
/// [`Store::put`]'s caller.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AgeCutoffs {
    /// Keys last written before this time are removed.
    pub(crate) expired_before_ms: u64,
    /// Other keys last written before this time are counted as stale.
    pub(crate) stale_before_ms: u64,
}

/// The pulses of one shard, by key.
pub struct Store {
    directory: Directory,
    accounting: Accounting,
    /// The slot at which [`Self::expire`] continues.
    next_slot: usize,
    /// Stale keys that the current pass of [`Self::expire`] has counted.
    stale_so_far: u64,
    /// Stale keys that the last finished pass has counted.
    stale_keys: u64,
    compaction: Compaction,
    /// Steps of compactions that have moved nodes to other slots. A scan of all keys that spans one begins again.
    moves: u64,
}

impl Store {
    /// A store that has these limits for itself. For `hasher` see [`Self::within`].
    pub fn new(limits: StoreLimits, hasher: RandomState) -> Self {
        Self::within(&StoreBudget::new(limits, 1), hasher)
    }

    /// A store that keeps within a budget together with others. `hasher` hashes the segments of paths. Seed
    /// it with secret random numbers: peers that know the seed can choose segments that collide.
    pub fn within(budget: &StoreBudget, hasher: RandomState) -> Self {
        Self {
            directory: Directory::new(hasher),
            accounting: Accounting::new(budget),
            next_slot: 0,
            stale_so_far: 0,
            stale_keys: 0,
            compaction: Compaction::default(),
            moves: 0,
        }
    }

    /// Stores a key's details, replacing those that it has. `hash` is the key's hash, the same at every
    /// call. The pulse's age counts from `now_ms`.
    ///
    /// # Errors
    /// The store, or its budget, is full by the rules of [`StoreLimits`]. What was stored before stays.
    pub fn put(
        &mut self,
        key: &str,
        hash: u64,
        details: Bytes,
        now_ms: u64,
    ) -> Result<PutOutcome, StoreFull> {
        let new_details = details.len() as u64;
        let found = self.directory.find_key(key, hash);
        if let Some(pulse) = found.and_then(|node| self.directory.pulse_mut(node)) {
            let old_details = pulse.details.len() as u64;
            self.accounting.admit_update(old_details, new_details)?;
            self.accounting.updated(old_details, new_details);
            pulse.details = details;
            pulse.written = pulse.written.again(now_ms);
            return Ok(PutOutcome::Replaced);
        }
        let key_bytes = key.len() as u64;
        let segments = directory::segments(key);
        if u32::try_from(key_bytes).is_err() || !self.directory.has_room_for(segments) {
            return Err(StoreFull::Bytes);
        }
        self.accounting
            .admit_new(key_bytes, new_details, segments as u64)?;
        let pulse = StoredPulse {
            details,
            key_hash: hash,
            written: WriteStamp::first(now_ms),
        };
        self.directory.insert(key, pulse);
        self.accounting.added(key_bytes, new_details);
        self.count_segments();
        Ok(PutOutcome::Inserted)
    }

    /// The details that a key holds.
    pub fn get(&self, key: &str, hash: u64) -> Option<&Bytes> {
        let pulse = self.directory.pulse(self.directory.find_key(key, hash)?)?;
        Some(&pulse.details)
    }

    pub(crate) fn contains(&self, key: &str, hash: u64) -> bool {
        self.directory.find_key(key, hash).is_some()
    }

    /// When a key was last written, in milliseconds of the clock of [`Self::put`]'s caller.
    pub(crate) fn written_ms(&self, key: &str, hash: u64) -> Option<u64> {
        let pulse = self.directory.pulse(self.directory.find_key(key, hash)?)?;
        Some(pulse.written.ms())
    }

    /// Removes one key. Returns whether it was stored.
    pub(crate) fn remove(&mut self, key: &str, hash: u64) -> bool {
        let Some(node) = self.directory.find_key(key, hash) else {
            return false;
        };
        self.remove_pulse(node);
        self.compact_if_sparse();
        true
    }

    /// Removes expired keys and counts stale ones. One call goes through at most `max_slots` slots,
    /// about one for each key, and fewer if it removes [`MOST_REMOVALS`] keys. The next call continues
    /// behind them, so no request waits for a whole pass.
    pub(crate) fn expire(&mut self, cutoffs: AgeCutoffs, max_slots: usize) -> ExpireProgress {
        let slots = self.directory.slot_count();
        let last = self.next_slot.saturating_add(max_slots).min(slots);
        let mut end = self.next_slot;
        let mut removed = 0;
        while end < last && removed < MOST_REMOVALS {
            let slot = end;
            end += 1;
            let Some(node) = self.directory.node_at(slot) else {
                continue;
            };
            let Some(pulse) = self.directory.pulse(node) else {
                continue;
            };
            let written_ms = pulse.written.ms();
            if written_ms < cutoffs.expired_before_ms {
                self.remove_pulse(node);
                removed += 1;
            } else if written_ms < cutoffs.stale_before_ms {
                self.stale_so_far += 1;
            }
        }
        let finished = end >= slots;
        if finished {
            self.stale_keys = self.stale_so_far;
            self.begin_pass();
        } else {
            self.next_slot = end;
        }
        self.compact_if_sparse();
        ExpireProgress {
            removed_keys: removed,
            finished,
        }
    }

    /// Stale keys, as the last finished pass of [`Self::expire`] counted them.
    pub(crate) fn stale_keys(&self) -> u64 {
        self.stale_keys
    }

    /// Slots that a whole pass of [`Self::expire`] goes through.
    pub(crate) fn slot_count(&self) -> usize {
        self.directory.slot_count()
    }

    pub fn usage(&self) -> Usage {
        self.accounting.usage()
    }

    /// Bytes of memory that the index takes besides the text of keys and the details.
    pub(crate) fn index_bytes(&self) -> u64 {
        self.directory.allocated_bytes() as u64
    }

    fn remove_pulse(&mut self, node: NodeId) {
        if let Some((key_bytes, pulse)) = self.directory.remove(node) {
            self.accounting
                .removed(key_bytes.into(), pulse.details.len() as u64);
        }
        self.count_segments();
    }

    fn count_segments(&mut self) {
        let segments = self.directory.segment_count();
        self.accounting.set_segments(segments as u64);
        self.compaction.note_segments(segments);
    }

    fn begin_pass(&mut self) {
        self.next_slot = 0;
        self.stale_so_far = 0;
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Store")
            .field("accounting", &self.accounting)
            .field("index_bytes", &self.index_bytes())
            .finish_non_exhaustive()
    }
}

/// The directory that a path names, without the '/' at its end: "/w/" names "/w", and "/" names "", the
/// empty first segment of all keys that begin with '/'.
fn directory_of(path: &str) -> &str {
    path.strip_suffix('/').unwrap_or(path)
}
