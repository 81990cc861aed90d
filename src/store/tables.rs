//! A hash table of nodes that never does much at once: it consists of parts, each of which grows and
//! shrinks on its own. One table of a million entries takes tens of milliseconds to grow.

use hashbrown::HashTable;
use hashbrown::hash_table::OccupiedEntry;

use super::chunks::NodeId;

/// At ten million entries a part grows in a millisecond or two.
pub(super) const PARTS: usize = 256;

pub(super) struct PartedTable {
    parts: Box<[HashTable<NodeId>]>,
}

impl PartedTable {
    pub(super) fn new() -> Self {
        Self {
            parts: (0..PARTS).map(|_| HashTable::new()).collect(),
        }
    }

    pub(super) fn find(&self, hash: u64, is_it: impl FnMut(&NodeId) -> bool) -> Option<NodeId> {
        self.parts[part(hash)].find(hash, is_it).copied()
    }

    /// Adds a node that is not there.
    pub(super) fn insert(&mut self, hash: u64, node: NodeId, rehash: impl Fn(&NodeId) -> u64) {
        self.parts[part(hash)].insert_unique(hash, node, rehash);
    }

    /// Removes a node that is there.
    pub(super) fn remove(&mut self, hash: u64, node: NodeId) {
        self.entry(hash, node).remove();
    }

    /// A node that is there has another id now.
    pub(super) fn rename(&mut self, hash: u64, node: NodeId, new: NodeId) {
        *self.entry(hash, node).get_mut() = new;
    }

    fn entry(&mut self, hash: u64, node: NodeId) -> OccupiedEntry<'_, NodeId> {
        let entry = self.parts[part(hash)].find_entry(hash, |other| *other == node);
        entry.expect("the tables hold every node")
    }

    /// Gives memory of one part back if most of it is not used. Returns how many entries have moved.
    pub(super) fn shrink_part(&mut self, index: usize, rehash: impl Fn(&NodeId) -> u64) -> usize {
        let part = &mut self.parts[index];
        if part.capacity() <= 2 * part.len() {
            return 0;
        }
        part.shrink_to_fit(rehash);
        part.len()
    }

    pub(super) fn allocated_bytes(&self) -> usize {
        self.parts.iter().map(HashTable::allocation_size).sum()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.parts.iter().map(HashTable::len).sum()
    }
}

/// The part of a hash. hashbrown uses the lowest bits of a hash, one for each doubling of a part, and the
/// seven highest ones.
fn part(hash: u64) -> usize {
    (hash >> 40) as usize % PARTS
}
