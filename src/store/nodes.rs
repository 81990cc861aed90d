//! The nodes of a directory tree in one slab. Nodes link to parents, children and siblings by slot, and
//! vacant slots are reused. Knows names and links only, not how a node is looked up.

use std::num::NonZeroU32;
use std::ops::{Index, IndexMut};

use bytes::Bytes;

/// A slot of the slab plus one, so that an `Option<NodeId>` takes four bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NodeId(NonZeroU32);

/// The node above the first segment of every key. It always exists and has no pulse.
pub(super) const ROOT: NodeId = NodeId(NonZeroU32::MIN);

/// The slots that a [`NodeId`] can name.
const MAX_SLOTS: usize = u32::MAX as usize;

impl NodeId {
    fn of_slot(slot: usize) -> Self {
        debug_assert!(slot < MAX_SLOTS, "the directory asks for room first");
        Self(NonZeroU32::MIN.saturating_add(slot as u32))
    }

    fn slot(self) -> usize {
        self.0.get() as usize - 1
    }
}

/// One segment of a path: a directory, a key, or both.
pub(super) struct Node {
    /// `None` for the root and for a vacant slot.
    parent: Option<NodeId>,
    first_child: Option<NodeId>,
    /// The next sibling. In a vacant slot, the next vacant slot.
    next: Option<NodeId>,
    previous: Option<NodeId>,
    /// Hash of the path that ends here. It does not depend on slots, so it survives packing.
    pub(super) path_hash: u32,
    /// Bytes of the path that ends here, with the slashes between its segments.
    pub(super) path_bytes: u32,
    pub(super) name: Box<str>,
    /// The pulse of the key that ends here. `None`: this is a directory only.
    pub(super) pulse: Option<StoredPulse>,
}

/// The pulse of one key.
#[derive(Debug)]
pub(super) struct StoredPulse {
    pub(super) details: Bytes,
    /// Hash of the whole key, computed by the store's caller.
    pub(super) key_hash: u64,
    pub(super) written: WriteStamp,
}

/// When a pulse was last written and how often, in one word, because every key has one.
#[derive(Debug, Clone, Copy)]
pub(super) struct WriteStamp(u64);

/// Bits of the word for the number of writes. The rest is enough for 8900 years in milliseconds.
const WRITES_BITS: u32 = u16::BITS;

impl WriteStamp {
    /// The first write, at this time of the caller's clock.
    pub(super) fn first(now_ms: u64) -> Self {
        Self(now_ms << WRITES_BITS | 1)
    }

    /// One more write.
    pub(super) fn again(self, now_ms: u64) -> Self {
        Self(now_ms << WRITES_BITS | u64::from(self.writes().wrapping_add(1)))
    }

    pub(super) fn ms(self) -> u64 {
        self.0 >> WRITES_BITS
    }

    /// Modulo 65536. The difference between two scans tells how often the key was written meanwhile.
    pub(super) fn writes(self) -> u16 {
        self.0 as u16
    }
}

const _: () = assert!(
    size_of::<Node>() <= 88,
    "every key takes one, and every directory"
);

/// The slab. Slot 0 is the root.
pub(super) struct Nodes {
    slots: Vec<Node>,
    first_vacant: Option<NodeId>,
    vacant: usize,
}

impl Nodes {
    /// The root alone.
    pub(super) fn new() -> Self {
        Self {
            slots: vec![Node::vacant(None)],
            first_vacant: None,
            vacant: 0,
        }
    }

    /// The number of slots, with the vacant ones.
    pub(super) fn slot_count(&self) -> usize {
        self.slots.len()
    }

    /// The number of nodes, with the root.
    pub(super) fn live_count(&self) -> usize {
        self.slots.len() - self.vacant
    }

    pub(super) fn allocated_bytes(&self) -> usize {
        self.slots.capacity() * size_of::<Node>()
    }

    /// Whether there are ids for this many more nodes.
    pub(super) fn has_room_for(&self, nodes: usize) -> bool {
        self.live_count().saturating_add(nodes) < MAX_SLOTS
    }

    /// The node in this slot. `None`: the slot is vacant.
    pub(super) fn node_at(&self, slot: usize) -> Option<NodeId> {
        let node = self.slots.get(slot)?;
        (slot == ROOT.slot() || node.parent.is_some()).then(|| NodeId::of_slot(slot))
    }

    /// `None` for the root.
    pub(super) fn parent(&self, node: NodeId) -> Option<NodeId> {
        self[node].parent
    }

    pub(super) fn first_child(&self, node: NodeId) -> Option<NodeId> {
        self[node].first_child
    }

    pub(super) fn children(&self, node: NodeId) -> impl Iterator<Item = &Node> {
        let next = |child: &NodeId| self[*child].next;
        std::iter::successors(self.first_child(node), next).map(|child| &self[child])
    }

    /// The node after this one in the tree below `top`, parents before their children. Needs no stack,
    /// however deep the tree is.
    pub(super) fn next_below(&self, node: NodeId, top: NodeId) -> Option<NodeId> {
        if let Some(child) = self.first_child(node) {
            return Some(child);
        }
        let mut node = node;
        while node != top {
            if let Some(sibling) = self[node].next {
                return Some(sibling);
            }
            node = self.parent(node)?;
        }
        None
    }

    pub(super) fn add_child(&mut self, parent: NodeId, name: &str, path_hash: u32) -> NodeId {
        let above = match parent {
            ROOT => 0,
            _ => self[parent].path_bytes + 1,
        };
        let next = self[parent].first_child;
        let node = Node {
            parent: Some(parent),
            first_child: None,
            next,
            previous: None,
            path_hash,
            path_bytes: above + name.len() as u32,
            name: name.into(),
            pulse: None,
        };
        let id = match self.first_vacant {
            Some(vacant) => {
                self.first_vacant = self[vacant].next;
                self.vacant -= 1;
                self[vacant] = node;
                vacant
            }
            None => {
                let id = NodeId::of_slot(self.slots.len());
                self.slots.push(node);
                id
            }
        };
        self[parent].first_child = Some(id);
        if let Some(next) = next {
            self[next].previous = Some(id);
        }
        id
    }

    /// Removes a node that has no children. It must not be the root.
    pub(super) fn remove(&mut self, id: NodeId) {
        debug_assert!(id != ROOT && self[id].first_child.is_none());
        let vacant = Node::vacant(self.first_vacant);
        let Node {
            parent,
            next,
            previous,
            ..
        } = std::mem::replace(&mut self[id], vacant);
        match (previous, parent) {
            (Some(previous), _) => self[previous].next = next,
            (None, Some(parent)) => self[parent].first_child = next,
            (None, None) => {}
        }
        if let Some(next) = next {
            self[next].previous = previous;
        }
        self.first_vacant = Some(id);
        self.vacant += 1;
    }

    /// Moves all nodes to the beginning of the slab and frees the rest. Returns the new id of each node.
    pub(super) fn pack(&mut self) -> Moved {
        let mut new_ids = (0..).map(NodeId::of_slot);
        let moved = (0..self.slots.len())
            .map(|slot| self.node_at(slot).and_then(|_| new_ids.next()))
            .collect();
        let moved = Moved(moved);
        let mut packed = Vec::with_capacity(self.live_count());
        for (slot, mut node) in std::mem::take(&mut self.slots).into_iter().enumerate() {
            if moved.0[slot].is_none() {
                continue;
            }
            for link in [
                &mut node.parent,
                &mut node.first_child,
                &mut node.next,
                &mut node.previous,
            ] {
                *link = link.and_then(|old| moved.to(old));
            }
            packed.push(node);
        }
        *self = Self {
            slots: packed,
            first_vacant: None,
            vacant: 0,
        };
        moved
    }
}

/// Where [`Nodes::pack`] has moved the nodes, by their old slots.
pub(super) struct Moved(Vec<Option<NodeId>>);

impl Moved {
    /// The new id of a node. `None`: there was no such node.
    pub(super) fn to(&self, old: NodeId) -> Option<NodeId> {
        *self.0.get(old.slot())?
    }
}

impl Node {
    fn vacant(next: Option<NodeId>) -> Self {
        Self {
            parent: None,
            first_child: None,
            next,
            previous: None,
            path_hash: 0,
            path_bytes: 0,
            name: Box::default(),
            pulse: None,
        }
    }
}

impl Index<NodeId> for Nodes {
    type Output = Node;

    fn index(&self, id: NodeId) -> &Node {
        &self.slots[id.slot()]
    }
}

impl IndexMut<NodeId> for Nodes {
    fn index_mut(&mut self, id: NodeId) -> &mut Node {
        &mut self.slots[id.slot()]
    }
}

#[cfg(test)]
impl Nodes {
    /// Panics if siblings are not linked both ways, or if a vacant slot is not in the list.
    pub(super) fn check(&self) {
        for id in (0..self.slot_count()).filter_map(|slot| self.node_at(slot)) {
            let mut previous = None;
            let mut next = self[id].first_child;
            while let Some(child) = next {
                let links = (self[child].parent, self[child].previous);
                assert_eq!(links, (Some(id), previous));
                (previous, next) = (Some(child), self[child].next);
            }
        }
        let next = |vacant: &NodeId| self[*vacant].next;
        let vacant = std::iter::successors(self.first_vacant, next);
        let vacant = vacant.inspect(|vacant| assert_eq!(self.node_at(vacant.slot()), None));
        assert_eq!(vacant.count(), self.vacant);
    }
}
