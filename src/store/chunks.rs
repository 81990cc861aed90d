//! The slots of a directory tree's nodes, in chunks of a fixed size: the slab grows without moving a
//! node, and a chunk without nodes gives its memory back. New nodes go to the lowest chunk that has room,
//! so that the highest ones empty. Knows of links only that a vacant slot names the next vacant one.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::ops::{Index, IndexMut};

use super::nodes::Node;

/// A slot plus one, so that an `Option<NodeId>` takes four bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NodeId(NonZeroU32);

/// The node above the first segment of every key. It always exists and has no pulse.
pub(super) const ROOT: NodeId = NodeId(NonZeroU32::MIN);

/// The slots that a [`NodeId`] can name.
const MAX_SLOTS: usize = u32::MAX as usize;

/// Slots of a chunk: 88 KiB. To allocate or free one takes some microseconds. In unit tests chunks are so
/// small that few keys fill many.
const CHUNK_SLOTS: usize = if cfg!(test) { 4 } else { 1024 };

impl NodeId {
    fn of_slot(slot: usize) -> Self {
        debug_assert!(slot < MAX_SLOTS, "the directory asks for room first");
        Self(NonZeroU32::MIN.saturating_add(slot as u32))
    }

    fn slot(self) -> usize {
        self.0.get() as usize - 1
    }

    fn chunk(self) -> usize {
        self.slot() / CHUNK_SLOTS
    }
}

pub(super) struct Chunks {
    chunks: Vec<Chunk>,
    /// Chunks in which a slot is vacant.
    with_room: BTreeSet<usize>,
    live: usize,
}

#[derive(Default)]
struct Chunk {
    /// Has memory for all slots, or, if no slot is in use, none.
    nodes: Vec<Node>,
    first_vacant: Option<NodeId>,
    live: usize,
}

impl Chunks {
    /// The root alone.
    pub(super) fn new() -> Self {
        let mut chunks = Self {
            chunks: Vec::new(),
            with_room: BTreeSet::new(),
            live: 0,
        };
        let root = chunks.add(Node::vacant(None));
        debug_assert_eq!(root, ROOT);
        chunks
    }

    /// The number of slots, with the vacant ones.
    pub(super) fn slot_count(&self) -> usize {
        let last = self.chunks.last().map_or(0, |chunk| chunk.nodes.len());
        self.chunks.len().saturating_sub(1) * CHUNK_SLOTS + last
    }

    /// The number of nodes, with the root.
    pub(super) fn live_count(&self) -> usize {
        self.live
    }

    pub(super) fn allocated_bytes(&self) -> usize {
        let slots: usize = self.chunks.iter().map(|chunk| chunk.nodes.capacity()).sum();
        slots * size_of::<Node>()
    }

    /// Whether there are ids for this many more nodes.
    pub(super) fn has_room_for(&self, nodes: usize) -> bool {
        self.live.saturating_add(nodes) < MAX_SLOTS
    }

    /// The node in this slot. `None`: the slot is vacant.
    pub(super) fn node_at(&self, slot: usize) -> Option<NodeId> {
        let node = self.chunks.get(slot / CHUNK_SLOTS)?;
        let node = node.nodes.get(slot % CHUNK_SLOTS)?;
        (slot == ROOT.slot() || !node.is_vacant()).then(|| NodeId::of_slot(slot))
    }

    pub(super) fn add(&mut self, node: Node) -> NodeId {
        let index = self.with_room.first().copied().unwrap_or_else(|| {
            self.chunks.push(Chunk::default());
            self.with_room.insert(self.chunks.len() - 1);
            self.chunks.len() - 1
        });
        let chunk = &mut self.chunks[index];
        let id = match chunk.first_vacant {
            Some(vacant) => {
                let place = &mut chunk.nodes[vacant.slot() % CHUNK_SLOTS];
                chunk.first_vacant = place.next_vacant();
                *place = node;
                vacant
            }
            None => {
                if chunk.nodes.is_empty() {
                    chunk.nodes.reserve_exact(CHUNK_SLOTS);
                }
                chunk.nodes.push(node);
                NodeId::of_slot(index * CHUNK_SLOTS + chunk.nodes.len() - 1)
            }
        };
        chunk.live += 1;
        if chunk.live == CHUNK_SLOTS {
            self.with_room.remove(&index);
        }
        self.live += 1;
        id
    }

    /// Takes a node out. Nothing may name its id any more.
    pub(super) fn remove(&mut self, id: NodeId) -> Node {
        let index = id.chunk();
        let chunk = &mut self.chunks[index];
        let vacant = Node::vacant(chunk.first_vacant);
        let node = std::mem::replace(&mut chunk.nodes[id.slot() % CHUNK_SLOTS], vacant);
        chunk.first_vacant = Some(id);
        if chunk.live == CHUNK_SLOTS {
            self.with_room.insert(index);
        }
        chunk.live -= 1;
        self.live -= 1;
        if chunk.live == 0 {
            *chunk = Chunk::default();
            self.drop_last_chunks();
        }
        node
    }

    fn drop_last_chunks(&mut self) {
        while self.chunks.last().is_some_and(|chunk| chunk.live == 0) {
            self.chunks.pop();
            self.with_room.remove(&self.chunks.len());
        }
        if self.chunks.len() < self.chunks.capacity() / 4 {
            self.chunks.shrink_to_fit();
        }
    }

    /// Whether a node that is taken out and added again comes to a lower chunk.
    pub(super) fn has_room_below(&self, id: NodeId) -> bool {
        let lowest = self.with_room.first();
        lowest.is_some_and(|lowest| *lowest < id.chunk())
    }
}

impl Index<NodeId> for Chunks {
    type Output = Node;

    fn index(&self, id: NodeId) -> &Node {
        &self.chunks[id.chunk()].nodes[id.slot() % CHUNK_SLOTS]
    }
}

impl IndexMut<NodeId> for Chunks {
    fn index_mut(&mut self, id: NodeId) -> &mut Node {
        &mut self.chunks[id.chunk()].nodes[id.slot() % CHUNK_SLOTS]
    }
}

#[cfg(test)]
impl Chunks {
    /// Panics if a vacant slot is not in its chunk's list, or a chunk with room is not known.
    pub(super) fn check(&self) {
        let mut live = 0;
        for (index, chunk) in self.chunks.iter().enumerate() {
            let next = |vacant: &NodeId| self[*vacant].next_vacant();
            let vacant = std::iter::successors(chunk.first_vacant, next);
            let vacant = vacant.inspect(|vacant| {
                assert_eq!(vacant.chunk(), index);
                assert_eq!(self.node_at(vacant.slot()), None);
            });
            assert_eq!(chunk.live + vacant.count(), chunk.nodes.len());
            assert_eq!(chunk.live == 0, chunk.nodes.capacity() == 0);
            let has_room = chunk.live < CHUNK_SLOTS;
            assert_eq!(self.with_room.contains(&index), has_room);
            live += chunk.live;
        }
        assert!(self.chunks.last().is_some_and(|chunk| chunk.live > 0));
        assert!(
            self.with_room
                .iter()
                .all(|index| *index < self.chunks.len())
        );
        assert_eq!(self.live, live);
    }
}
