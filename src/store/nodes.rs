//! The nodes of a directory tree in one slab. Nodes link to parents, children and siblings by slot, and
//! vacant slots are reused. A slab that is mostly vacant is packed, a bounded part at a time. Knows names and links only, not how a node is looked up.

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

/// A place in the tree that stays valid while nodes come and go: when its node is removed, it moves
/// on to the next one.
#[derive(Debug, Clone, Copy)]
struct Cursor {
    next: Option<NodeId>,
    extent: Extent,
}

/// What a cursor goes through.
#[derive(Debug, Clone, Copy)]
enum Extent {
    Siblings,
    /// Everything below this node.
    Subtree(NodeId),
}

/// An open cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CursorId(usize);

/// One segment of a path: a directory, a key, or both.
pub(super) struct Node {
    /// `None` for the root and for a vacant slot. It may be the old id of a node that is being moved, which
    /// has the right name and parent and nothing else; [`Nodes::parent`] never is.
    pub(super) parent: Option<NodeId>,
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

/// Slots of a piece of the slab: a slab in one piece would be copied as a whole when it grows.
const PIECE_SLOTS: usize = 1 << PIECE_BITS;
const PIECE_BITS: u32 = 12;

/// Fewer slots than these are never packed: it would save next to nothing.
const MIN_PACKED_SLOTS: usize = 64;

/// The slab. Slot 0 is the root.
pub(super) struct Nodes {
    /// All but the last are full.
    pieces: Vec<Vec<Node>>,
    slots: usize,
    /// Vacant slots are linked both ways.
    first_vacant: Option<NodeId>,
    vacant: usize,
    /// One for each scan under way, so they are few.
    cursors: Vec<Option<Cursor>>,
    is_packing: bool,
    moving: Option<Moving>,
}

/// A node in the last slot that is on its way to another one. Children of it may still name the old id as
/// their parent's.
#[derive(Debug, Clone, Copy)]
struct Moving {
    from: NodeId,
    to: NodeId,
    /// The child to be told next.
    children: CursorId,
}

impl Nodes {
    /// The root alone.
    pub(super) fn new() -> Self {
        Self {
            pieces: vec![vec![Node::vacant(None)]],
            slots: 1,
            first_vacant: None,
            vacant: 0,
            cursors: Vec::new(),
            is_packing: false,
            moving: None,
        }
    }

    /// The number of slots, with the vacant ones.
    pub(super) fn slot_count(&self) -> usize {
        self.slots
    }

    /// The number of nodes, with the root.
    pub(super) fn live_count(&self) -> usize {
        self.slots - self.vacant
    }

    pub(super) fn allocated_bytes(&self) -> usize {
        let slots = self.pieces.iter().map(Vec::capacity);
        slots.sum::<usize>() * size_of::<Node>()
    }

    /// Whether there are ids for this many more nodes.
    pub(super) fn has_room_for(&self, nodes: usize) -> bool {
        self.live_count().saturating_add(nodes) < MAX_SLOTS
    }

    /// The node in this slot. `None`: the slot is vacant.
    pub(super) fn node_at(&self, slot: usize) -> Option<NodeId> {
        let node = self.pieces.get(slot >> PIECE_BITS)?;
        let node = node.get(slot % PIECE_SLOTS)?;
        (slot == ROOT.slot() || node.parent.is_some()).then(|| NodeId::of_slot(slot))
    }

    /// `None` for the root.
    pub(super) fn parent(&self, node: NodeId) -> Option<NodeId> {
        let parent = self[node].parent?;
        match self.moving {
            Some(Moving { from, to, .. }) if parent == from => Some(to),
            _ => Some(parent),
        }
    }

    pub(super) fn first_child(&self, node: NodeId) -> Option<NodeId> {
        self[node].first_child
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
                self.unlink_vacant(vacant);
                self[vacant] = node;
                vacant
            }
            None => self.push(node),
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
        if self.moving.is_some_and(|moving| moving.to == id) {
            self.move_children(1); // none is left
        }
        self.move_cursors_off(id);
        let parent = self.parent(id);
        let Node { next, previous, .. } = self[id];
        self.vacate(id);
        match (previous, parent) {
            (Some(previous), _) => self[previous].next = next,
            (None, Some(parent)) => self[parent].first_child = next,
            (None, None) => {}
        }
        if let Some(next) = next {
            self[next].previous = previous;
        }
        self.is_packing |= self.slots >= MIN_PACKED_SLOTS && self.live_count() * 4 <= self.slots;
    }

    /// A cursor over the children of a node.
    pub(super) fn open_children(&mut self, parent: NodeId) -> CursorId {
        let next = self[parent].first_child;
        let extent = Extent::Siblings;
        self.open(Cursor { next, extent })
    }

    /// A cursor over a node and everything below it, parents before their children.
    pub(super) fn open_subtree(&mut self, top: NodeId) -> CursorId {
        let next = Some(top);
        let extent = Extent::Subtree(top);
        self.open(Cursor { next, extent })
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

    /// The next node of a cursor. It may leave out nodes that were added after it was opened.
    pub(super) fn step(&mut self, cursor: CursorId) -> Option<NodeId> {
        let Cursor { next, extent } = self.cursors[cursor.0]?;
        let node = next?;
        let next = self.successor(node, extent);
        self.cursors[cursor.0] = Some(Cursor { next, extent });
        Some(node)
    }

    pub(super) fn close(&mut self, cursor: CursorId) {
        self.cursors[cursor.0] = None;
        while let Some(None) = self.cursors.last() {
            self.cursors.pop();
        }
    }

    fn successor(&self, node: NodeId, extent: Extent) -> Option<NodeId> {
        match extent {
            Extent::Siblings => self[node].next,
            Extent::Subtree(top) => self.next_below(node, top),
        }
    }

    fn move_cursors_off(&mut self, removed: NodeId) {
        for index in 0..self.cursors.len() {
            if let Some(Cursor { next, extent }) = self.cursors[index]
                && next == Some(removed)
            {
                let next = self.successor(removed, extent);
                self.cursors[index] = Some(Cursor { next, extent });
            }
        }
    }

    fn push(&mut self, node: Node) -> NodeId {
        let id = NodeId::of_slot(self.slots);
        if self.slots.is_multiple_of(PIECE_SLOTS) {
            self.pieces.push(Vec::with_capacity(PIECE_SLOTS));
        }
        let last = self.pieces.last_mut();
        last.expect("the slab has a root").push(node);
        self.slots += 1;
        id
    }

    /// Makes a node's slot vacant. Nothing may link to it.
    fn vacate(&mut self, id: NodeId) {
        self[id] = Node::vacant(self.first_vacant);
        if let Some(next) = self.first_vacant {
            self[next].previous = Some(id);
        }
        self.first_vacant = Some(id);
        self.vacant += 1;
    }

    fn unlink_vacant(&mut self, id: NodeId) {
        let Node { next, previous, .. } = self[id];
        match previous {
            Some(previous) => self[previous].next = next,
            None => self.first_vacant = next,
        }
        if let Some(next) = next {
            self[next].previous = previous;
        }
        self.vacant -= 1;
    }
}

/// Packing: nodes move from the end of the slab to vacant slots, one after another.
impl Nodes {
    /// Whether many slots are vacant, or were and a part of them still is.
    pub(super) fn is_packing(&self) -> bool {
        self.is_packing
    }

    /// Frees the last slot if it is vacant.
    pub(super) fn drop_vacant_end(&mut self) -> bool {
        let last = NodeId::of_slot(self.slots - 1);
        if self.node_at(last.slot()).is_some() {
            return false;
        }
        self.unlink_vacant(last);
        self.slots -= 1;
        let piece = self.pieces.last_mut().expect("the slab has a root");
        piece.pop();
        if piece.is_empty() {
            self.pieces.pop();
        }
        if self.vacant * 8 <= self.slots {
            self.is_packing = false;
            if let [only] = &mut self.pieces[..] {
                only.shrink_to_fit();
            }
        }
        true
    }

    /// Begins to move the node in the last slot, unless one is being moved. Returns its old and its new id.
    /// From now on it has the new one, but for its children: see [`Self::move_children`].
    pub(super) fn begin_move(&mut self) -> Option<(NodeId, NodeId)> {
        if self.moving.is_some() {
            return None;
        }
        let from = NodeId::of_slot(self.slots - 1);
        let Some(to) = self.first_vacant else {
            self.is_packing = false;
            return None;
        };
        self.unlink_vacant(to);
        // Children that are not told yet find the way to the root through what is left here.
        let left = Node {
            parent: self[from].parent,
            path_hash: self[from].path_hash,
            path_bytes: self[from].path_bytes,
            name: self[from].name.clone(),
            ..Node::vacant(None)
        };
        let node = std::mem::replace(&mut self[from], left);
        let Node {
            parent,
            next,
            previous,
            ..
        } = node;
        self[to] = node;
        match (previous, parent) {
            (Some(previous), _) => self[previous].next = Some(to),
            (None, Some(parent)) => self[parent].first_child = Some(to),
            (None, None) => {}
        }
        if let Some(next) = next {
            self[next].previous = Some(to);
        }
        for cursor in self.cursors.iter_mut().flatten() {
            cursor.rename(from, to);
        }
        let children = self.open_children(to);
        self.moving = Some(Moving { from, to, children });
        Some((from, to))
    }

    /// Tells up to `most` children of the node that is being moved. Returns how many that were.
    pub(super) fn move_children(&mut self, most: usize) -> usize {
        let Some(Moving { from, to, children }) = self.moving else {
            return 0;
        };
        for told in 0..most {
            let Some(child) = self.step(children) else {
                self.close(children);
                self.moving = None;
                self.vacate(from);
                return told;
            };
            self[child].parent = Some(to);
        }
        most
    }
}

impl Cursor {
    fn rename(&mut self, old: NodeId, new: NodeId) {
        if self.next == Some(old) {
            self.next = Some(new);
        }
        if let Extent::Subtree(top) = &mut self.extent
            && *top == old
        {
            *top = new;
        }
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
        let slot = id.slot();
        &self.pieces[slot >> PIECE_BITS][slot % PIECE_SLOTS]
    }
}

impl IndexMut<NodeId> for Nodes {
    fn index_mut(&mut self, id: NodeId) -> &mut Node {
        let slot = id.slot();
        &mut self.pieces[slot >> PIECE_BITS][slot % PIECE_SLOTS]
    }
}

#[cfg(test)]
impl Nodes {
    pub(super) fn begin_packing(&mut self) {
        self.is_packing = true;
    }

    pub(super) fn is_moving(&self) -> bool {
        self.moving.is_some()
    }

    /// Panics if siblings are not linked both ways, or if a vacant slot is not in the list.
    pub(super) fn check(&self) {
        for id in (0..self.slot_count()).filter_map(|slot| self.node_at(slot)) {
            let mut previous = None;
            let mut next = self[id].first_child;
            while let Some(child) = next {
                let links = (self.parent(child), self[child].previous);
                assert_eq!(links, (Some(id), previous));
                (previous, next) = (Some(child), self[child].next);
            }
        }
        let next = |vacant: &NodeId| self[*vacant].next;
        let vacant = std::iter::successors(self.first_vacant, next);
        let vacant = vacant.inspect(|vacant| {
            assert_eq!(self.node_at(vacant.slot()), None);
            let next = self[*vacant].next;
            assert!(next.is_none_or(|next| self[next].previous == Some(*vacant)));
        });
        assert_eq!(vacant.count(), self.vacant);
    }
}
