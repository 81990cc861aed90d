//! Keys as a tree of their segments, found by whole key or walked down by path. A key is split at
//! every '/', and nothing is normalised: an empty segment is a segment. Must not recurse: depth is
//! the peers' choice. Must not know limits, nor what a pulse's age means.

use ahash::RandomState;
use hashbrown::HashTable;

use super::nodes::{CursorId, Node, NodeId, Nodes, Pulse, ROOT};

const SEPARATOR: char = '/';

/// A slab of fewer slots is not worth packing.
const LEAST_SLOTS: usize = 64;

pub(super) struct Directory {
    nodes: Nodes,
    /// Every node but the root, by its parent and name.
    edges: HashTable<NodeId>,
    /// The nodes that have a pulse, by their whole key.
    keys: HashTable<NodeId>,
    hasher: RandomState,
}

impl Directory {
    pub fn new(hasher: RandomState) -> Self {
        Self {
            nodes: Nodes::new(),
            edges: HashTable::new(),
            keys: HashTable::new(),
            hasher,
        }
    }

    /// The node of a stored key.
    pub fn find(&self, key: &str, key_hash: u64) -> Option<NodeId> {
        let is_key = |node: &NodeId| self.is_path(*node, key);
        self.keys.find(spread(key_hash), is_key).copied()
    }

    /// The node at the end of these segments, a key or not.
    pub fn walk(&self, path: &str) -> Option<NodeId> {
        let mut segments = path.split(SEPARATOR);
        segments.try_fold(ROOT, |node, segment| self.child(node, segment))
    }

    pub fn pulse(&self, node: NodeId) -> Option<&Pulse> {
        self.nodes[node].pulse.as_ref()
    }

    pub fn pulse_mut(&mut self, node: NodeId) -> Option<&mut Pulse> {
        self.nodes[node].pulse.as_mut()
    }

    /// Whether [`Self::insert`] can number the nodes that the key may need.
    pub fn has_room_for(&self, key: &str, most_nodes: usize) -> bool {
        let segments = key.split(SEPARATOR).count();
        self.nodes.live().saturating_add(segments) <= most_nodes
            && self.nodes.has_room_for(segments)
    }

    /// Adds a key that is not stored.
    pub fn insert(&mut self, key: &str, pulse: Pulse) {
        let mut node = ROOT;
        for segment in key.split(SEPARATOR) {
            node = match self.child(node, segment) {
                Some(child) => child,
                None => self.add_child(node, segment),
            };
        }
        let hash = spread(pulse.key_hash);
        debug_assert!(self.nodes[node].pulse.is_none() && self.is_path(node, key));
        self.nodes[node].pulse = Some(pulse);
        let nodes = &self.nodes;
        let rehash = |node: &NodeId| key_table_hash(&nodes[*node]);
        self.keys.insert_unique(hash, node, rehash);
    }

    /// Takes a node's pulse, and the node and the directories above it unless they are still of use.
    /// Tells the length of the key in bytes, and the pulse.
    pub fn remove(&mut self, node: NodeId) -> Option<(u32, Pulse)> {
        let pulse = self.take_pulse(node);
        self.prune(node);
        pulse
    }

    /// Removes a node's own pulse and up to `most` nodes below it, each before its parent. When all are
    /// gone it removes the directories above as well, unless they are still of use, and says so.
    /// Tells each key's length in bytes, and its pulse.
    pub fn remove_below(
        &mut self,
        top: NodeId,
        most: usize,
        removed: &mut impl FnMut(u32, Pulse),
    ) -> bool {
        if let Some((key_bytes, pulse)) = self.take_pulse(top) {
            removed(key_bytes, pulse);
        }
        let mut node = top;
        let mut left = most;
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
    pub fn open_children(&mut self, node: NodeId) -> CursorId {
        self.nodes.open_children(node)
    }

    /// A cursor over this node and all below it.
    pub fn open_subtree(&mut self, top: NodeId) -> CursorId {
        self.nodes.open_subtree(top)
    }

    pub fn step(&mut self, cursor: CursorId) -> Option<NodeId> {
        self.nodes.step(cursor)
    }

    pub fn close(&mut self, cursor: CursorId) {
        self.nodes.close(cursor);
    }

    pub fn name(&self, node: NodeId) -> &str {
        &self.nodes[node].name
    }

    /// The node behind `count` empty segments.
    pub fn behind_empty(&self, node: NodeId, count: usize) -> Option<NodeId> {
        (0..count).try_fold(node, |node, _| self.child(node, ""))
    }

    pub fn path_bytes(&self, node: NodeId) -> u32 {
        self.nodes[node].path_bytes
    }

    /// The path from the first segment to this node.
    pub fn path(&self, node: NodeId) -> String {
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

    /// Slots to go through by [`Self::at`]; they hold every node, in no order.
    pub fn slots(&self) -> usize {
        self.nodes.slots()
    }

    /// The node in this slot, if there is one.
    pub fn at(&self, slot: usize) -> Option<NodeId> {
        self.nodes.at(slot)
    }

    /// Bytes of the slab and the tables; names and details are not among them.
    pub fn allocated_bytes(&self) -> usize {
        let tables = self.edges.allocation_size() + self.keys.allocation_size();
        self.nodes.allocated_bytes() + tables
    }

    /// Gives memory back if three quarters of the slab are vacant; says whether it did, and so has
    /// numbered the nodes anew. It costs a pass over the slab, for which the removals since the last
    /// one have paid.
    pub fn pack_if_sparse(&mut self) -> bool {
        if self.nodes.slots() < LEAST_SLOTS || self.nodes.live() * 4 > self.nodes.slots() {
            return false;
        }
        let moved = self.nodes.pack();
        let nodes = &self.nodes;
        for node in self.edges.iter_mut().chain(self.keys.iter_mut()) {
            *node = moved.to(*node);
        }
        self.edges
            .shrink_to_fit(|node| edge_table_hash(&nodes[*node]));
        self.keys
            .shrink_to_fit(|node| key_table_hash(&nodes[*node]));
        true
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
        self.edges.find(spread(hash.into()), is_child).copied()
    }

    fn add_child(&mut self, parent: NodeId, name: &str) -> NodeId {
        let hash = self.path_hash(parent, name);
        let node = self.nodes.add_child(parent, name, hash);
        let nodes = &self.nodes;
        let rehash = |node: &NodeId| edge_table_hash(&nodes[*node]);
        self.edges.insert_unique(spread(hash.into()), node, rehash);
        node
    }

    fn take_pulse(&mut self, node: NodeId) -> Option<(u32, Pulse)> {
        let pulse = self.nodes[node].pulse.take()?;
        let entry = self
            .keys
            .find_entry(spread(pulse.key_hash), |other| *other == node);
        entry
            .expect("a node with a pulse is among the keys")
            .remove();
        Some((self.nodes[node].path_bytes, pulse))
    }

    /// Removes the node, and then its parents, as long as they have neither a pulse nor a child.
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
        let entry = self.edges.find_entry(hash, |other| *other == node);
        entry.expect("a node is among the edges").remove();
        self.nodes.remove(node);
    }

    /// Whether the path from the first segment to this node is this text. Names hold no separator,
    /// so text that is equal from its end on is equal segment by segment.
    fn is_path(&self, node: NodeId, path: &str) -> bool {
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

fn key_table_hash(node: &Node) -> u64 {
    spread(
        node.pulse
            .as_ref()
            .expect("a key's node has a pulse")
            .key_hash,
    )
}

/// Spreads a hash over all bits. The tables use the lowest and the highest ones, and a shard's keys
/// have bits in common: those that chose the shard.
fn spread(hash: u64) -> u64 {
    let product = u128::from(hash ^ 0x243F_6A88_85A3_08D3) * 0x9E37_79B9_7F4A_7C15_u128;
    (product >> 64) as u64 ^ product as u64
}

#[cfg(test)]
impl Directory {
    /// The nodes below `top`, each before what is below itself.
    pub fn below(&self, top: NodeId) -> impl Iterator<Item = NodeId> {
        std::iter::successors(self.nodes.first_child(top), move |node| {
            self.nodes.after(*node, top)
        })
    }

    /// Panics unless slab, links and tables agree.
    pub fn check(&self) {
        let mut keys = 0;
        for node in self.below(ROOT) {
            let parent = self
                .nodes
                .parent(node)
                .expect("only the root has no parent");
            assert_eq!(self.child(parent, &self.nodes[node].name), Some(node));
            let path = self.path(node);
            assert_eq!(path.len(), self.path_bytes(node) as usize);
            assert_eq!(self.walk(&path), Some(node));
            match self.pulse(node) {
                Some(pulse) => {
                    keys += 1;
                    assert_eq!(self.find(&path, pulse.key_hash), Some(node));
                }
                None => assert!(
                    self.nodes.first_child(node).is_some(),
                    "{path:?} is an empty directory"
                ),
            }
        }
        assert_eq!(self.keys.len(), keys);
        assert_eq!(self.edges.len(), self.below(ROOT).count());
        assert_eq!(self.nodes.live(), self.edges.len() + 1);
        let live = (0..self.slots()).filter(|slot| self.at(*slot).is_some());
        assert_eq!(self.nodes.live(), live.count());
        self.nodes.check();
    }
}
