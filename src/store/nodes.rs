//! The nodes of a directory tree: their names, and links to parents, children and siblings. Knows
//! names and links only, not how a node is looked up.

use std::ops::{Index, IndexMut};

use bytes::Bytes;

use super::chunks::{Chunks, NodeId, ROOT};

/// A node with more children stays where it is: each of them would have to learn its new id.
const MOST_MOVED_CHILDREN: usize = 1024;

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
    /// `None` for the root and for a vacant slot.
    parent: Option<NodeId>,
    first_child: Option<NodeId>,
    /// The next sibling. In a vacant slot, the next vacant slot.
    next: Option<NodeId>,
    previous: Option<NodeId>,
    /// Hash of the path that ends here. It does not depend on slots, so it stays when nodes move.
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

pub(super) struct Nodes {
    chunks: Chunks,
    /// One for each scan under way, so they are few.
    cursors: Vec<Option<Cursor>>,
}

impl Nodes {
    /// The root alone.
    pub(super) fn new() -> Self {
        Self {
            chunks: Chunks::new(),
            cursors: Vec::new(),
        }
    }

    pub(super) fn chunks(&self) -> &Chunks {
        &self.chunks
    }

    /// `None` for the root.
    pub(super) fn parent(&self, node: NodeId) -> Option<NodeId> {
        self[node].parent
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
        let id = self.chunks.add(node);
        self[parent].first_child = Some(id);
        if let Some(next) = next {
            self[next].previous = Some(id);
        }
        id
    }

    /// Removes a node that has no children. It must not be the root.
    pub(super) fn remove(&mut self, id: NodeId) {
        debug_assert!(id != ROOT && self[id].first_child.is_none());
        self.move_cursors_off(id);
        let Node {
            parent,
            next,
            previous,
            ..
        } = self.chunks.remove(id);
        match (previous, parent) {
            (Some(previous), _) => self[previous].next = next,
            (None, Some(parent)) => self[parent].first_child = next,
            (None, None) => {}
        }
        if let Some(next) = next {
            self[next].previous = previous;
        }
    }

    /// Moves a node to a lower chunk, if one has room. Returns its new id. Adds the other nodes that it
    /// visits to `visited`.
    pub(super) fn move_down(&mut self, id: NodeId, visited: &mut usize) -> Option<NodeId> {
        if !self.chunks.has_room_below(id) {
            return None;
        }
        let children = std::iter::successors(self[id].first_child, |child| self[*child].next);
        let children = children.take(MOST_MOVED_CHILDREN + 1).count();
        *visited += children;
        if children > MOST_MOVED_CHILDREN {
            return None;
        }
        let node = self.chunks.remove(id);
        let new = self.chunks.add(node);
        let Node {
            parent,
            first_child,
            next,
            previous,
            ..
        } = self[new];
        match (previous, parent) {
            (Some(previous), _) => self[previous].next = Some(new),
            (None, Some(parent)) => self[parent].first_child = Some(new),
            (None, None) => {}
        }
        if let Some(next) = next {
            self[next].previous = Some(new);
        }
        let mut child = first_child;
        while let Some(node) = child {
            self[node].parent = Some(new);
            child = self[node].next;
        }
        self.rename_in_cursors(id, new);
        Some(new)
    }

    fn rename_in_cursors(&mut self, old: NodeId, new: NodeId) {
        for cursor in self.cursors.iter_mut().flatten() {
            if cursor.next == Some(old) {
                cursor.next = Some(new);
            }
            if let Extent::Subtree(top) = &mut cursor.extent
                && *top == old
            {
                *top = new;
            }
        }
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
}

impl Node {
    /// What a slot holds that is vacant, or the root.
    pub(super) fn vacant(next: Option<NodeId>) -> Self {
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

    pub(super) fn is_vacant(&self) -> bool {
        self.parent.is_none()
    }

    /// The vacant slot after this vacant one.
    pub(super) fn next_vacant(&self) -> Option<NodeId> {
        self.next
    }
}

impl Index<NodeId> for Nodes {
    type Output = Node;

    fn index(&self, id: NodeId) -> &Node {
        &self.chunks[id]
    }
}

impl IndexMut<NodeId> for Nodes {
    fn index_mut(&mut self, id: NodeId) -> &mut Node {
        &mut self.chunks[id]
    }
}

#[cfg(test)]
impl Nodes {
    /// Panics if siblings are not linked both ways, or if a chunk and its slots disagree.
    pub(super) fn check(&self) {
        self.chunks.check();
        for id in (0..self.chunks.slot_count()).filter_map(|slot| self.chunks.node_at(slot)) {
            let mut previous = None;
            let mut next = self[id].first_child;
            while let Some(child) = next {
                let links = (self[child].parent, self[child].previous);
                assert_eq!(links, (Some(id), previous));
                (previous, next) = (Some(child), self[child].next);
            }
        }
    }
}
