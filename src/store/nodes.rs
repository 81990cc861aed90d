//! The nodes of a directory tree, in one slab whose slots are used again: parents, children and
//! siblings are linked by slot. Knows names and links only; must not know how a node is looked up.

use std::ops::{Index, IndexMut};

use bytes::Bytes;

/// A slot of the slab.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NodeId(u32);

/// No node: the end of a list, the root's parent.
const NONE: NodeId = NodeId(u32::MAX);

/// The node above the first segment of every key. It is always there and has no pulse.
pub(super) const ROOT: NodeId = NodeId(0);

impl NodeId {
    fn index(self) -> usize {
        self.0 as usize
    }

    fn some(self) -> Option<Self> {
        (self != NONE).then_some(self)
    }
}

/// A place in the tree that stays valid while nodes come and go: when its node is removed, it moves
/// on to the next one.
#[derive(Debug, Clone, Copy)]
struct Cursor {
    next: NodeId,
    /// Goes through everything below this node; `NONE` to go through siblings alone.
    top: NodeId,
}

/// An open cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CursorId(usize);

/// One segment of a path: a directory, a key, or both.
pub(super) struct Node {
    parent: NodeId,
    first_child: NodeId,
    /// The next sibling; of a vacant slot, the next vacant one.
    next: NodeId,
    previous: NodeId,
    /// Of the names from the first segment to this one; stays when the slab is packed.
    pub path_hash: u32,
    /// Length of the path from the first segment to this one, slashes between them counted.
    pub path_bytes: u32,
    pub name: Box<str>,
    /// What the key that ends here holds.
    pub pulse: Option<Pulse>,
}

/// One key's heartbeat.
#[derive(Debug)]
pub(super) struct Pulse {
    pub details: Bytes,
    /// Of the whole key, by the store's caller.
    pub key_hash: u64,
    pub written: Written,
}

/// When a pulse was last written, and how often, in one word: a key must stay small.
#[derive(Debug, Clone, Copy)]
pub(super) struct Written(u64);

/// Of the word; the rest holds milliseconds, for 8900 years.
const WRITES_BITS: u32 = u16::BITS;

impl Written {
    /// For the first time, on the caller's clock.
    pub fn first(now_ms: u64) -> Self {
        Self(now_ms << WRITES_BITS | 1)
    }

    pub fn again(self, now_ms: u64) -> Self {
        Self(now_ms << WRITES_BITS | u64::from(self.writes().wrapping_add(1)))
    }

    pub fn ms(self) -> u64 {
        self.0 >> WRITES_BITS
    }

    /// Modulo 65536: what has been added since another look at the key.
    pub fn writes(self) -> u16 {
        self.0 as u16
    }
}

const _: () = assert!(
    size_of::<Node>() <= 88,
    "a key costs one, its directories some more"
);

/// The slab. Slot 0 is the root.
pub(super) struct Nodes {
    slots: Vec<Node>,
    first_vacant: NodeId,
    vacant: usize,
    /// Few: one for each scan under way.
    cursors: Vec<Option<Cursor>>,
}

impl Nodes {
    /// The root alone.
    pub fn new() -> Self {
        Self {
            slots: vec![Node::vacant(NONE)],
            first_vacant: NONE,
            vacant: 0,
            cursors: Vec::new(),
        }
    }

    /// Slots, vacant ones included.
    pub fn slots(&self) -> usize {
        self.slots.len()
    }

    /// Nodes, the root included.
    pub fn live(&self) -> usize {
        self.slots.len() - self.vacant
    }

    pub fn allocated_bytes(&self) -> usize {
        self.slots.capacity() * size_of::<Node>()
    }

    /// Whether so many nodes more can still be numbered.
    pub fn has_room_for(&self, nodes: usize) -> bool {
        self.live().saturating_add(nodes) < NONE.index()
    }

    /// The node in this slot, if there is one.
    pub fn at(&self, slot: usize) -> Option<NodeId> {
        let node = self.slots.get(slot)?;
        (slot == ROOT.index() || node.parent != NONE).then_some(NodeId(slot as u32))
    }

    /// `None` for the root.
    pub fn parent(&self, node: NodeId) -> Option<NodeId> {
        self[node].parent.some()
    }

    pub fn first_child(&self, node: NodeId) -> Option<NodeId> {
        self[node].first_child.some()
    }

    /// The node after this one in the tree below `top`, every node before its children. Needs no
    /// stack, however deep the tree.
    pub fn after(&self, node: NodeId, top: NodeId) -> Option<NodeId> {
        if let Some(child) = self.first_child(node) {
            return Some(child);
        }
        let mut node = node;
        while node != top {
            if let Some(sibling) = self[node].next.some() {
                return Some(sibling);
            }
            node = self.parent(node)?;
        }
        None
    }

    pub fn add_child(&mut self, parent: NodeId, name: &str, path_hash: u32) -> NodeId {
        let above = match parent {
            ROOT => 0,
            _ => self[parent].path_bytes + 1,
        };
        let next = self[parent].first_child;
        let node = Node {
            parent,
            first_child: NONE,
            next,
            previous: NONE,
            path_hash,
            path_bytes: above + name.len() as u32,
            name: name.into(),
            pulse: None,
        };
        let id = match self.first_vacant.some() {
            Some(vacant) => {
                self.first_vacant = self[vacant].next;
                self.vacant -= 1;
                self[vacant] = node;
                vacant
            }
            None => {
                let id = NodeId(self.slots.len() as u32);
                debug_assert!(id != NONE, "the directory asks for room first");
                self.slots.push(node);
                id
            }
        };
        self[parent].first_child = id;
        if let Some(next) = next.some() {
            self[next].previous = id;
        }
        id
    }

    /// Takes a node without children out of the tree.
    pub fn remove(&mut self, id: NodeId) {
        debug_assert!(id != ROOT && self[id].first_child == NONE);
        self.move_cursors_off(id);
        let vacant = Node::vacant(self.first_vacant);
        let Node {
            parent,
            next,
            previous,
            ..
        } = std::mem::replace(&mut self[id], vacant);
        match previous.some() {
            Some(previous) => self[previous].next = next,
            None => self[parent].first_child = next,
        }
        if let Some(next) = next.some() {
            self[next].previous = previous;
        }
        self.first_vacant = id;
        self.vacant += 1;
    }

    /// A cursor over the children of a node.
    pub fn open_children(&mut self, parent: NodeId) -> CursorId {
        let next = self[parent].first_child;
        self.open(Cursor { next, top: NONE })
    }

    /// A cursor over a node and everything below it, every node before its children.
    pub fn open_subtree(&mut self, top: NodeId) -> CursorId {
        self.open(Cursor { next: top, top })
    }

    fn open(&mut self, cursor: Cursor) -> CursorId {
        let vacant = self.cursors.iter().position(Option::is_none);
        let index = vacant.unwrap_or_else(|| {
            self.cursors.push(None);
            self.cursors.len() - 1
        });
        self.cursors[index] = Some(cursor);
        CursorId(index)
    }

    /// The next node of a cursor. Nodes added meanwhile may be left out.
    pub fn step(&mut self, cursor: CursorId) -> Option<NodeId> {
        let Cursor { next, top } = self.cursors[cursor.0]?;
        let node = next.some()?;
        let next = self.successor(node, top);
        self.cursors[cursor.0] = Some(Cursor { next, top });
        Some(node)
    }

    pub fn close(&mut self, cursor: CursorId) {
        self.cursors[cursor.0] = None;
        while let Some(None) = self.cursors.last() {
            self.cursors.pop();
        }
    }

    fn successor(&self, node: NodeId, top: NodeId) -> NodeId {
        if top == NONE {
            self[node].next
        } else {
            self.after(node, top).unwrap_or(NONE)
        }
    }

    fn move_cursors_off(&mut self, removed: NodeId) {
        for index in 0..self.cursors.len() {
            if let Some(Cursor { next, top }) = self.cursors[index]
                && next == removed
            {
                let next = self.successor(removed, top);
                self.cursors[index] = Some(Cursor { next, top });
            }
        }
    }

    /// Moves all nodes to the slab's beginning and gives the rest of its memory back. Answers where
    /// each slot's node is now.
    pub fn pack(&mut self) -> Moved {
        let mut moved = vec![NONE; self.slots.len()];
        let mut live = 0;
        for (slot, moved) in moved.iter_mut().enumerate() {
            if self.at(slot).is_some() {
                *moved = NodeId(live);
                live += 1;
            }
        }
        let moved = Moved(moved);
        let mut packed = Vec::with_capacity(live as usize);
        for (slot, mut node) in std::mem::take(&mut self.slots).into_iter().enumerate() {
            if moved.0[slot] == NONE {
                continue;
            }
            for link in [
                &mut node.parent,
                &mut node.first_child,
                &mut node.next,
                &mut node.previous,
            ] {
                *link = moved.to(*link);
            }
            packed.push(node);
        }
        self.slots = packed;
        self.first_vacant = NONE;
        self.vacant = 0;
        for cursor in self.cursors.iter_mut().flatten() {
            cursor.next = moved.to(cursor.next);
            cursor.top = moved.to(cursor.top);
        }
        moved
    }
}

/// Where [`Nodes::pack`] has moved the nodes.
pub(super) struct Moved(Vec<NodeId>);

impl Moved {
    pub fn to(&self, old: NodeId) -> NodeId {
        self.0.get(old.index()).copied().unwrap_or(NONE)
    }
}

impl Node {
    fn vacant(next: NodeId) -> Self {
        Self {
            parent: NONE,
            first_child: NONE,
            next,
            previous: NONE,
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
        &self.slots[id.index()]
    }
}

impl IndexMut<NodeId> for Nodes {
    fn index_mut(&mut self, id: NodeId) -> &mut Node {
        &mut self.slots[id.index()]
    }
}

#[cfg(test)]
impl Nodes {
    /// Panics unless siblings know each other and the vacant slots are all listed.
    pub fn check(&self) {
        for id in (0..self.slots()).filter_map(|slot| self.at(slot)) {
            let mut previous = NONE;
            let mut child = self[id].first_child;
            while child != NONE {
                assert_eq!((self[child].parent, self[child].previous), (id, previous));
                (previous, child) = (child, self[child].next);
            }
        }
        let next = |vacant: &NodeId| self[*vacant].next.some();
        let vacant = std::iter::successors(self.first_vacant.some(), next);
        let vacant = vacant.inspect(|vacant| assert_eq!(self.at(vacant.index()), None));
        assert_eq!(vacant.count(), self.vacant);
    }
}
