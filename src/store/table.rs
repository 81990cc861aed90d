//! A hash table of nodes that grows and shrinks a bounded part at a time. One that doubles as a whole takes
//! 100 ms at a million keys, and every other request waits for it.
//!
//! It is linear hashing: the entries lie in segments, each a hash table of its own. When the segments are full
//! on average, the next one in turn is split in two; when they are sparse, the last split is undone.

use hashbrown::HashTable;

use super::nodes::NodeId;

/// Entries of a segment, on average, beyond which one is split. A segment has up to twice as many before its
/// turn comes: 7/8 of a power of two, which fills a hash table exactly.
const SEGMENT_ENTRIES: usize = 1792;

/// Below this part of its capacity a segment shrinks, unless it is small.
const SPARSE_DIVISOR: usize = 8;
const SMALL_CAPACITY: usize = 112;

/// Stores no hashes: whoever changes the table says what a node's hash is.
pub(super) struct NodeTable {
    segments: Vec<HashTable<NodeId>>,
    entries: usize,
    /// The next power of two from the number of segments on, less one.
    mask: usize,
}

impl NodeTable {
    pub(super) fn new() -> Self {
        Self {
            segments: vec![HashTable::new()],
            entries: 0,
            mask: 0,
        }
    }

    pub(super) fn find(&self, hash: u64, is_it: impl FnMut(&NodeId) -> bool) -> Option<NodeId> {
        self.segments[self.index(hash)].find(hash, is_it).copied()
    }

    /// Adds a node that is not in the table.
    pub(super) fn insert(&mut self, hash: u64, node: NodeId, hash_of: impl Fn(&NodeId) -> u64) {
        let index = self.index(hash);
        self.segments[index].insert_unique(hash, node, &hash_of);
        self.entries += 1;
        if self.entries > self.segments.len() * SEGMENT_ENTRIES {
            self.split(hash_of);
        }
    }

    /// Removes a node, which must be in the table.
    pub(super) fn remove(&mut self, hash: u64, node: NodeId, hash_of: impl Fn(&NodeId) -> u64) {
        let index = self.index(hash);
        let segment = &mut self.segments[index];
        let entry = segment.find_entry(hash, |other| *other == node);
        entry.expect("a node is in its table").remove();
        self.entries -= 1;
        let capacity = segment.capacity();
        if capacity > SMALL_CAPACITY && segment.len() < capacity / SPARSE_DIVISOR {
            segment.shrink_to(2 * segment.len(), &hash_of);
        }
        if self.entries < (self.segments.len() - 1) * SEGMENT_ENTRIES / 4 {
            self.merge(hash_of);
        }
    }

    /// A node has another id from now on, and the same hash.
    pub(super) fn rename(&mut self, hash: u64, old: NodeId, new: NodeId) {
        let index = self.index(hash);
        let entry = self.segments[index].find_mut(hash, |other| *other == old);
        *entry.expect("a node is in its table") = new;
    }

    pub(super) fn allocated_bytes(&self) -> usize {
        let segments = self.segments.iter().map(HashTable::allocation_size);
        segments.sum::<usize>() + self.segments.capacity() * size_of::<HashTable<NodeId>>()
    }

    /// The segment of a hash. A hash table uses the lowest and the highest bits.
    fn index(&self, hash: u64) -> usize {
        let index = (hash >> 32) as usize & self.mask;
        if index < self.segments.len() {
            index
        } else {
            index & (self.mask >> 1) // not split yet
        }
    }

    fn split(&mut self, hash_of: impl Fn(&NodeId) -> u64) {
        let last = self.segments.len();
        self.segments.push(HashTable::new());
        self.mask = self.segments.len().next_power_of_two() - 1;
        let origin = last & (self.mask >> 1);
        let whole = std::mem::take(&mut self.segments[origin]);
        for index in [origin, last] {
            self.segments[index].reserve(whole.len() / 2, &hash_of);
        }
        self.insert_all(whole, hash_of);
    }

    fn merge(&mut self, hash_of: impl Fn(&NodeId) -> u64) {
        let Some(last) = self.segments.pop() else {
            return;
        };
        self.mask = self.segments.len().next_power_of_two() - 1;
        if self.segments.len() < self.segments.capacity() / SPARSE_DIVISOR {
            self.segments.shrink_to(2 * self.segments.len());
        }
        self.insert_all(last, hash_of);
    }

    fn insert_all(&mut self, nodes: HashTable<NodeId>, hash_of: impl Fn(&NodeId) -> u64) {
        for node in nodes {
            let hash = hash_of(&node);
            let index = self.index(hash);
            self.segments[index].insert_unique(hash, node, &hash_of);
        }
    }
}

#[cfg(test)]
impl NodeTable {
    pub(super) fn len(&self) -> usize {
        assert_eq!(
            self.entries,
            self.segments.iter().map(HashTable::len).sum::<usize>()
        );
        self.entries
    }

    /// Entries of the largest segment.
    pub(super) fn largest(&self) -> usize {
        self.segments.iter().map(HashTable::len).max().unwrap_or(0)
    }
}
