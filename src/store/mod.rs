//! The pulses of one shard: puts, gets, lists and deletions, each synchronous. Pure: the time and a
//! key's hash are passed in, and no clock, socket, log or seed of its own is in here.
//!
//! Paths are Storm's, textually, as its Java daemon takes them. A key is split at every '/', nothing
//! is normalised: "/w/t1", "w/t1" and "/w//t1" are three keys. A directory is there as long as there
//! is a key below it, and does not "exist".

mod accounting;
mod directory;
#[cfg(test)]
mod model;
mod nodes;
#[cfg(test)]
mod tests;
mod walk;

use std::fmt;

use ahash::RandomState;
use bytes::Bytes;

pub use accounting::{Full, StoreLimits, Usage};
pub use walk::{KeyState, ScanProgress, Walk};

use accounting::Accounting;
use directory::Directory;
use nodes::{NodeId, Pulse, ROOT, Written};

/// Bytes that [`Store::records`] counts for a record beside its key and details: what the wire
/// needs around them, so that many empty records are not free.
const RECORD_BYTES: u64 = 15;

/// What [`Store::put`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    Inserted,
    Replaced,
}

/// The records asked for are larger than asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLarge;

/// What one call of [`Store::expire`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expired {
    /// Keys removed.
    pub keys: u64,
    /// Whether every key has been looked at since the last call that said so.
    pub finished: bool,
}

/// Keys that were last written before these times, in milliseconds.
#[derive(Debug, Clone, Copy)]
pub struct Before {
    /// They go.
    pub expired_ms: u64,
    /// They are counted.
    pub stale_ms: u64,
}

/// One shard's keys and what they hold.
pub struct Store {
    directory: Directory,
    accounting: Accounting,
    /// The slot at which [`Self::expire`] goes on.
    next_slot: usize,
    /// Stale keys before that slot, and all of them as of the last finished pass.
    stale_so_far: u64,
    stale: u64,
    /// How often the slots were numbered anew, for whoever walks over them.
    packs: u64,
    /// Segments of all paths together: what the directory itself may take.
    most_nodes: usize,
}

/// What a segment takes of memory besides its name, and a little more: so the directory takes at most
/// as much again as the limit on stored bytes, however peers cut their paths.
const NODE_BYTES: u64 = 128;

/// Segments that the smallest store may have.
const FEWEST_NODES: usize = 4096;

impl Store {
    /// `hasher` hashes the segments of paths. Its seed should be the process's own, lest peers who
    /// know it choose segments that collide.
    pub fn new(limits: StoreLimits, hasher: RandomState) -> Self {
        Self {
            directory: Directory::new(hasher),
            accounting: Accounting::new(limits),
            most_nodes: usize::try_from(limits.bytes / NODE_BYTES)
                .unwrap_or(usize::MAX)
                .max(FEWEST_NODES),
            next_slot: 0,
            stale_so_far: 0,
            stale: 0,
            packs: 0,
        }
    }

    /// Stores a key's details in place of those that it has. `hash` is the key's, the same at every
    /// call; `now_ms` is the time from which the pulse ages.
    ///
    /// Fails if the store is full, by the rules of [`StoreLimits`]; what is stored then stays.
    pub fn put(&mut self, key: &str, hash: u64, details: Bytes, now_ms: u64) -> Result<Put, Full> {
        let new_details = details.len() as u64;
        let found = self.directory.find(key, hash);
        if let Some(pulse) = found.and_then(|node| self.directory.pulse_mut(node)) {
            let old_details = pulse.details.len() as u64;
            self.accounting.admit_update(old_details, new_details)?;
            self.accounting.updated(old_details, new_details);
            pulse.details = details;
            pulse.written = pulse.written.again(now_ms);
            return Ok(Put::Replaced);
        }
        let key_bytes = key.len() as u64;
        self.accounting.admit_new(key_bytes, new_details)?;
        if u32::try_from(key_bytes).is_err() || !self.directory.has_room_for(key, self.most_nodes) {
            return Err(Full::Bytes);
        }
        let pulse = Pulse {
            details,
            key_hash: hash,
            written: Written::first(now_ms),
        };
        self.directory.insert(key, pulse);
        self.accounting.added(key_bytes, new_details);
        Ok(Put::Inserted)
    }

    /// What a key holds.
    pub fn get(&self, key: &str, hash: u64) -> Option<&Bytes> {
        let pulse = self.directory.pulse(self.directory.find(key, hash)?)?;
        Some(&pulse.details)
    }

    pub fn contains(&self, key: &str, hash: u64) -> bool {
        self.directory.find(key, hash).is_some()
    }

    /// Removes one key; says whether it was there.
    pub fn remove(&mut self, key: &str, hash: u64) -> bool {
        let Some(node) = self.directory.find(key, hash) else {
            return false;
        };
        self.remove_pulse(node);
        self.give_memory_back();
        true
    }

    /// Calls `each` with the first segment that is not empty of every path below `path`, once each,
    /// in no order, for as long as it answers true. "" is above all keys, and "/" above all that begin with one; one '/' at the end
    /// makes no difference otherwise. Costs the directory's children, and memory only if there are
    /// keys with empty segments.
    pub fn list(&self, path: &str, each: &mut dyn FnMut(&str) -> bool) {
        let node = match path {
            "" => Some(ROOT),
            _ => self.directory.walk(top_of(path)),
        };
        if let Some(node) = node {
            self.directory.names(node, each);
        }
    }

    /// Removes every key that, with a '/' at its end, begins with `path` with a '/' at its end: the
    /// key `path` and all below it. That is Storm's rule to the letter; "" is the same as "/".
    /// Answers how many there were.
    pub fn delete_path(&mut self, path: &str) -> u64 {
        let keys_before = self.usage().keys;
        if let Some(top) = self.directory.walk(top_of(path)) {
            let accounting = &mut self.accounting;
            let mut removed = |key_bytes: u32, pulse: Pulse| {
                accounting.removed(key_bytes.into(), pulse.details.len() as u64);
            };
            self.directory.remove_subtree(top, &mut removed);
            self.give_memory_back();
        }
        keys_before - self.usage().keys
    }

    /// The keys that [`Self::delete_path`] would remove, with what they hold, in no order; for ""
    /// all keys. Fails as soon as they are more than `max_bytes`, of keys, of details, and 15 for
    /// each record.
    pub fn records(&self, path: &str, max_bytes: u64) -> Result<Vec<(String, Bytes)>, TooLarge> {
        let mut records = Vec::new();
        let top = match path {
            "" => Some(ROOT),
            _ => self.directory.walk(top_of(path)),
        };
        let Some(top) = top else { return Ok(records) };
        let mut bytes = 0;
        for node in std::iter::once(top).chain(self.directory.below(top)) {
            let Some(pulse) = self.directory.pulse(node) else {
                continue;
            };
            let key_bytes = u64::from(self.directory.path_bytes(node));
            bytes += RECORD_BYTES + key_bytes + pulse.details.len() as u64;
            if bytes > max_bytes {
                return Err(TooLarge);
            }
            records.push((self.directory.path(node), pulse.details.clone()));
        }
        Ok(records)
    }

    /// Removes keys that have expired, and counts those that are stale. Looks at `most_slots` places in
    /// memory, about one for each key, and goes on behind them at the next call: a share of the keys
    /// each time, so that no request waits long. Begins again when it has [`Expired::finished`].
    pub fn expire(&mut self, before: Before, most_slots: usize) -> Expired {
        let keys_before = self.usage().keys;
        let end = self.directory.slots();
        let until = self.next_slot.saturating_add(most_slots).min(end);
        for slot in self.next_slot..until {
            let Some(node) = self.directory.at(slot) else {
                continue;
            };
            let Some(pulse) = self.directory.pulse(node) else {
                continue;
            };
            let written_ms = pulse.written.ms();
            if written_ms < before.expired_ms {
                self.remove_pulse(node);
            } else if written_ms < before.stale_ms {
                self.stale_so_far += 1;
            }
        }
        let finished = until >= end;
        if finished {
            self.stale = self.stale_so_far;
            self.begin_pass();
        } else {
            self.next_slot = until;
        }
        self.give_memory_back();
        Expired {
            keys: keys_before - self.usage().keys,
            finished,
        }
    }

    /// Keys that the last finished pass of [`Self::expire`] found stale.
    pub fn stale(&self) -> u64 {
        self.stale
    }

    /// Places in memory that a pass of [`Self::expire`] looks at.
    pub fn slots(&self) -> usize {
        self.directory.slots()
    }

    pub fn usage(&self) -> Usage {
        self.accounting.usage()
    }

    /// Bytes of memory that the index takes beside the keys' text and the details.
    pub fn index_bytes(&self) -> u64 {
        self.directory.allocated_bytes() as u64
    }

    fn remove_pulse(&mut self, node: NodeId) {
        if let Some((key_bytes, pulse)) = self.directory.remove(node) {
            self.accounting
                .removed(key_bytes.into(), pulse.details.len() as u64);
        }
    }

    fn give_memory_back(&mut self) {
        if self.directory.pack_if_sparse() {
            // The slots have new nodes: those looked at are looked at once more.
            self.packs += 1;
            self.begin_pass();
        }
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

/// The directory that a path means: "/w/" is "/w", and "/" is "", above all that begins with a '/'.
fn top_of(path: &str) -> &str {
    path.strip_suffix('/').unwrap_or(path)
}
