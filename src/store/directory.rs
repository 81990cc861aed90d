//! The keys of a store as a tree of path segments, with a hash table of whole keys and one of tree
//! edges. A key is split at every '/' and never normalised: an empty segment is a segment.
//!
//! Must not recurse, because peers choose the depth. Must not know limits or ages.

use ahash::RandomState;

use super::chunks::{NodeId, ROOT};
use super::compaction::Step;
use super::nodes::{CursorId, Node, Nodes, StoredPulse};
use super::tables::{PARTS, PartedTable};

const SEPARATOR: char = '/';

/// Details above this size stay where they are when the store is compacted. Allocators give them pages of
/// their own, so their neighbours keep no memory of theirs.
const MOST_MOVED_BYTES: usize = 16 * 1024;

pub(super) struct Directory {
    nodes: Nodes,
    /// Every node but the root, by parent and name.
    edges: PartedTable,
    /// The nodes that have a pulse, by whole key.
    keys: PartedTable,
    hasher: RandomState,
}

impl Directory {
    pub(super) fn new(hasher: RandomState) -> Self {
        Self {
            nodes: Nodes::new(),
            edges: PartedTable::new(),
            keys: PartedTable::new(),
            hasher,
        }
    }

    /// The node of a stored key.
    pub(super) fn find_key(&self, key: &str, key_hash: u64) -> Option<NodeId> {
        let is_key = |node: &NodeId| self.has_path(*node, key);
        self.keys.find(spread(key_hash), is_key)
    }

    /// The node of a path, which may be a key, a directory or both.
    pub(super) fn find_path(&self, path: &str) -> Option<NodeId> {
        let mut segments = path.split(SEPARATOR);
        segments.try_fold(ROOT, |node, segment| self.child(node, segment))
    }

    pub(super) fn pulse(&self, node: NodeId) -> Option<&StoredPulse> {
        self.nodes[node].pulse.as_ref()
    }

    pub(super) fn pulse_mut(&mut self, node: NodeId) -> Option<&mut StoredPulse> {
        self.nodes[node].pulse.as_mut()
    }

    /// Whether [`Self::insert`] can add this many segments.
    pub(super) fn has_room_for(&self, segments: usize) -> bool {
        self.nodes.chunks().has_room_for(segments)
    }

    /// The segments of all keys together, and the root.
    pub(super) fn segment_count(&self) -> usize {
        self.nodes.chunks().live_count()
    }

    /// Adds a key that is not stored.
    pub(super) fn insert(&mut self, key: &str, pulse: StoredPulse) {
        let mut node = ROOT;
        for segment in key.split(SEPARATOR) {
            node = match self.child(node, segment) {
                Some(child) => child,
                None => self.add_child(node, segment),
            };
        }
        let hash = spread(pulse.key_hash);
        debug_assert!(self.nodes[node].pulse.is_none() && self.has_path(node, key));
        self.nodes[node].pulse = Some(pulse);
        let nodes = &self.nodes;
        let rehash = |node: &NodeId| hash_of_key(&nodes[*node]);
        self.keys.insert(hash, node, rehash);
    }

    /// Removes a key, and those of its directories that are empty then. Returns the key's length in
    /// bytes and its pulse.
    pub(super) fn remove(&mut self, node: NodeId) -> Option<(u32, StoredPulse)> {
        let pulse = self.take_pulse(node);
        self.prune(node);
        pulse
    }

    /// Removes the key `top` and up to `max_nodes` nodes below it, children before their parents. When
    /// all are gone, removes those directories above that are empty then, and returns true.
    /// Calls `removed` with the length in bytes and the pulse of each key.
    pub(super) fn remove_below(
        &mut self,
        top: NodeId,
        max_nodes: usize,
        removed: &mut impl FnMut(u32, StoredPulse),
    ) -> bool {
        let mut left = max_nodes;
        if let Some((key_bytes, pulse)) = self.take_pulse(top) {
            removed(key_bytes, pulse);
        }
        let mut node = top;
        loop {
            if let Some(child) = self.nodes.first_child(node) {
                node = child;
                continue;
            }
            if node == top {
                break;
            }
            if left == 0 {
                // No directory stays empty between two calls.
                self.prune(node);
                return false;
            }
            left -= 1;
            let parent = self.nodes.parent(node).unwrap_or(ROOT);
            if let Some((key_bytes, pulse)) = self.take_pulse(node) {
                removed(key_bytes, pulse);
            }
            self.remove_leaf(node);
            node = parent;
        }
        self.prune(top);
        true
    }

    /// A cursor over the nodes right below this one.
    pub(super) fn open_children(&mut self, node: NodeId) -> CursorId {
        self.nodes.open_children(node)
    }

    /// A cursor over this node and all nodes below it.
    pub(super) fn open_subtree(&mut self, top: NodeId) -> CursorId {
        self.nodes.open_subtree(top)
    }

    pub(super) fn step(&mut self, cursor: CursorId) -> Option<NodeId> {
        self.nodes.step(cursor)
    }

    pub(super) fn close(&mut self, cursor: CursorId) {
        self.nodes.close(cursor);
    }

    pub(super) fn name(&self, node: NodeId) -> &str {
        &self.nodes[node].name
    }

    pub(super) fn path_bytes(&self, node: NodeId) -> u32 {
        self.nodes[node].path_bytes
    }

    /// The path that ends at this node.
    pub(super) fn path(&self, node: NodeId) -> String {
        let mut names = Vec::new();
        let mut level = Some(node).filter(|node| *node != ROOT);
        while let Some(node) = level {
            names.push(&*self.nodes[node].name);
            level = self.nodes.parent(node).filter(|node| *node != ROOT);
        }
        let mut path = String::with_capacity(self.nodes[node].path_bytes as usize);
        for (index, name) in names.into_iter().rev().enumerate() {
            if index > 0 {
                path.push(SEPARATOR);
            }
            path.push_str(name);
        }
        path
    }

    /// The number of slots. [`Self::node_at`] of all slots gives every node, in no order.
    pub(super) fn slot_count(&self) -> usize {
        self.nodes.chunks().slot_count()
    }

    /// The node in this slot. `None`: the slot is vacant.
    pub(super) fn node_at(&self, slot: usize) -> Option<NodeId> {
        self.nodes.chunks().node_at(slot)
    }

    /// Bytes of the slab and the tables, without names and details.
    pub(super) fn allocated_bytes(&self) -> usize {
        let tables = self.edges.allocated_bytes() + self.keys.allocated_bytes();
        self.nodes.chunks().allocated_bytes() + tables
    }

    /// Moves a node to a lower slot if there is room, and its name and small details to new memory.
    /// Returns whether the node has another id now.
    pub(super) fn compact_node(&mut self, node: NodeId, step: &mut Step) -> bool {
        let moved = self.nodes.move_down(node, &mut step.work);
        let node = match moved {
            None => node,
            Some(new) => {
                let (edge_hash, key_hash) = (
                    edge_table_hash(&self.nodes[new]),
                    key_table_hash(&self.nodes[new]),
                );
                self.edges.rename(edge_hash, node, new);
                if let Some(hash) = key_hash {
                    self.keys.rename(hash, node, new);
                }
                new
            }
        };
        let Node { name, pulse, .. } = &mut self.nodes[node];
        step.renew_name(name);
        if let Some(StoredPulse { details, .. }) = pulse
            && details.len() <= MOST_MOVED_BYTES
        {
            step.renew_details(details);
        }
        moved.is_some()
    }

    /// The parts of the tables together, for [`Self::shrink_tables`].
    pub(super) const TABLE_PARTS: usize = 2 * PARTS;

    /// Gives memory of one part of the tables back if most of it is not used.
    pub(super) fn shrink_tables(&mut self, part: usize, step: &mut Step) {
        let nodes = &self.nodes;
        if part < PARTS {
            let rehash = |node: &NodeId| edge_table_hash(&nodes[*node]);
            step.work += self.edges.shrink_part(part, rehash);
        } else {
            let rehash = |node: &NodeId| hash_of_key(&nodes[*node]);
            step.work += self.keys.shrink_part(part - PARTS, rehash);
        }
    }

    fn child(&self, parent: NodeId, name: &str) -> Option<NodeId> {
        let hash = self.path_hash(parent, name);
        let is_child = |node: &NodeId| {
            let Node {
                path_hash,
                name: own,
                ..
            } = &self.nodes[*node];
            *path_hash == hash && **own == *name && self.nodes.parent(*node) == Some(parent)
        };
        self.edges.find(spread(hash.into()), is_child)
    }

    fn add_child(&mut self, parent: NodeId, name: &str) -> NodeId {
        let hash = self.path_hash(parent, name);
        let node = self.nodes.add_child(parent, name, hash);
        let nodes = &self.nodes;
        let rehash = |node: &NodeId| edge_table_hash(&nodes[*node]);
        self.edges.insert(spread(hash.into()), node, rehash);
        node
    }

    fn take_pulse(&mut self, node: NodeId) -> Option<(u32, StoredPulse)> {
        let pulse = self.nodes[node].pulse.take()?;
        self.keys.remove(spread(pulse.key_hash), node);
        Some((self.nodes[node].path_bytes, pulse))
    }

    /// Removes the node and its parents, up to the first that has a pulse or a child.
    fn prune(&mut self, node: NodeId) {
        let mut node = node;
        while self.nodes[node].pulse.is_none() && self.nodes.first_child(node).is_none() {
            let Some(parent) = self.nodes.parent(node) else {
                break;
            };
            self.remove_leaf(node);
            node = parent;
        }
    }

    fn remove_leaf(&mut self, node: NodeId) {
        let hash = edge_table_hash(&self.nodes[node]);
        self.edges.remove(hash, node);
        self.nodes.remove(node);
    }

    /// Whether `path` ends at this node. Compares from the end: names hold no separator, so text that
    /// matches from the end matches segment by segment.
    fn has_path(&self, node: NodeId, path: &str) -> bool {
        if self.path_bytes(node) as usize != path.len() {
            return false;
        }
        let (mut node, mut rest) = (node, path);
        loop {
            let Some(above) = rest.strip_suffix(&*self.nodes[node].name) else {
                return false;
            };
            match self.nodes.parent(node) {
                None | Some(ROOT) => return above.is_empty(),
                Some(parent) => node = parent,
            }
            let Some(above) = above.strip_suffix(SEPARATOR) else {
                return false;
            };
            rest = above;
        }
    }

    fn path_hash(&self, parent: NodeId, name: &str) -> u32 {
        self.hasher.hash_one((self.nodes[parent].path_hash, name)) as u32
    }
}

fn edge_table_hash(node: &Node) -> u64 {
    spread(node.path_hash.into())
}

/// `None`: this is a directory only.
fn key_table_hash(node: &Node) -> Option<u64> {
    node.pulse.as_ref().map(|pulse| spread(pulse.key_hash))
}

fn hash_of_key(node: &Node) -> u64 {
    key_table_hash(node).expect("a key's node has a pulse")
}

/// The segments of a key.
pub(super) fn segments(key: &str) -> usize {
    key.split(SEPARATOR).count()
}

/// Spreads a hash over all bits. All keys of a shard have those bits in common that chose the shard, and
/// the tables use the lowest and the highest bits.
fn spread(hash: u64) -> u64 {
    let product = u128::from(hash ^ 0x243F_6A88_85A3_08D3) * 0x9E37_79B9_7F4A_7C15_u128;
    (product >> 64) as u64 ^ product as u64
}

#[cfg(test)]
impl Directory {
    /// All nodes below `top`, parents before their children.
    fn descendants(&self, top: NodeId) -> impl Iterator<Item = NodeId> {
        std::iter::successors(self.nodes.first_child(top), move |node| {
            self.nodes.next_below(*node, top)
        })
    }

    /// Panics if the slab, its links and the tables disagree.
    pub(super) fn check(&self) {
        let mut keys = 0;
        for node in self.descendants(ROOT) {
            let parent = self
                .nodes
                .parent(node)
                .expect("only the root has no parent");
            assert_eq!(self.child(parent, &self.nodes[node].name), Some(node));
            let path = self.path(node);
            assert_eq!(path.len(), self.path_bytes(node) as usize);
            assert_eq!(self.find_path(&path), Some(node));
            match self.pulse(node) {
                Some(pulse) => {
                    keys += 1;
                    assert_eq!(self.find_key(&path, pulse.key_hash), Some(node));
                }
                None => assert!(
                    self.nodes.first_child(node).is_some(),
                    "{path:?} is an empty directory"
                ),
            }
        }
        assert_eq!(self.keys.len(), keys);
        assert_eq!(self.edges.len(), self.descendants(ROOT).count());
        assert_eq!(self.segment_count(), self.edges.len() + 1);
        let live = (0..self.slot_count()).filter(|slot| self.node_at(*slot).is_some());
        assert_eq!(self.segment_count(), live.count());
        self.nodes.check();
    }
}
