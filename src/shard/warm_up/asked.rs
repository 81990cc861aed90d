//! The keys that clients have asked for or deleted since the start, by their hashes. A fixed number of them is
//! remembered: what goes beyond is neither counted, nor known as deleted, so that reads of it wait.

use ahash::RandomState;
use hashbrown::HashMap;

use crate::limits::{ASKED_KEYS, LEAST_ASKED_KEYS};

#[derive(Debug)]
pub(super) struct AskedKeys {
    keys: HashMap<u64, Asked, RandomState>,
    most: usize,
    missing: usize,
    deleted: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Asked {
    /// It was asked for, and no pulse has come.
    Missing,
    Found,
    /// A client has deleted it, or a directory of this name.
    Deleted,
}

impl AskedKeys {
    pub(super) fn new(shards: usize) -> AskedKeys {
        AskedKeys {
            keys: HashMap::default(),
            most: (ASKED_KEYS / shards).max(LEAST_ASKED_KEYS),
            missing: 0,
            deleted: 0,
        }
    }

    /// A read has found its key.
    pub(super) fn found(&mut self, hash: u64) {
        self.set(hash, Asked::Found);
    }

    /// A read has not found its key.
    pub(super) fn missing(&mut self, hash: u64) {
        self.set(hash, Asked::Missing);
    }

    pub(super) fn deleted(&mut self, hash: u64) {
        self.set(hash, Asked::Deleted);
    }

    /// A pulse of this key has come.
    pub(super) fn came(&mut self, hash: u64) {
        if self.missing > 0 && self.keys.get(&hash) == Some(&Asked::Missing) {
            self.set(hash, Asked::Found);
        }
    }

    /// Whether any key was asked for and has not come.
    pub(super) fn any_missing(&self) -> bool {
        self.missing > 0
    }

    pub(super) fn any_deleted(&self) -> bool {
        self.deleted > 0
    }

    pub(super) fn is_deleted(&self, hash: u64) -> bool {
        self.keys.get(&hash) == Some(&Asked::Deleted)
    }

    /// How many keys were asked for, and found.
    pub(super) fn count(&self) -> (u64, u64) {
        let asked = self.keys.len() - self.deleted;
        (asked as u64, (asked - self.missing) as u64)
    }

    pub(super) fn clear(&mut self) {
        self.keys = HashMap::default();
        self.missing = 0;
        self.deleted = 0;
    }

    pub(super) fn bytes(&self) -> u64 {
        self.keys.allocation_size() as u64
    }

    fn set(&mut self, hash: u64, asked: Asked) {
        if self.keys.is_empty() {
            // At once, because a table that grows exists twice for a moment.
            self.keys.reserve(self.most);
        }
        if self.keys.len() >= self.most && !self.keys.contains_key(&hash) {
            return;
        }
        let was = self.keys.insert(hash, asked);
        let count = |what| (usize::from(was == Some(what)), usize::from(asked == what));
        let ((less_missing, more_missing), (less_deleted, more_deleted)) =
            (count(Asked::Missing), count(Asked::Deleted));
        self.missing = self.missing - less_missing + more_missing;
        self.deleted = self.deleted - less_deleted + more_deleted;
    }
}
