//! After a burst the store gives memory back, a step at a time: a pass goes through all nodes, moves
//! those of the highest chunks to lower ones, and names and small details to new memory. So what is left
//! of many keys lies close together, and the pages between are free.

use bytes::Bytes;

use super::Store;
use super::directory::Directory;

/// A store that has lost fewer segments is not worth a pass.
const LEAST_LOST_SEGMENTS: usize = 4096;

/// Bytes of details that are as much work as a node.
const BYTES_OF_WORK: usize = 1024;

/// Decides when a pass is due, and remembers how far it is.
#[derive(Debug, Default)]
pub(super) struct Compaction {
    /// The most segments since the last pass began.
    most_segments: usize,
    pass: Option<Pass>,
}

/// What a pass has yet to do. It goes from the last slot to the first, and then through the tables.
#[derive(Debug)]
struct Pass {
    slots: usize,
    table_parts: usize,
}

/// What one step has done.
#[derive(Default)]
pub(super) struct Step {
    /// In nodes that were visited.
    pub(super) work: usize,
    /// What was replaced. It is dropped when the step is over: an allocator that is given a piece back at
    /// once hands out that very piece next.
    names: Vec<Box<str>>,
    details: Vec<Bytes>,
}

impl Compaction {
    pub(super) fn note_segments(&mut self, segments: usize) {
        self.most_segments = self.most_segments.max(segments);
    }
}

impl Step {
    pub(super) fn renew_name(&mut self, name: &mut Box<str>) {
        let new = name.clone();
        self.names.push(std::mem::replace(name, new));
    }

    pub(super) fn renew_details(&mut self, details: &mut Bytes) {
        let new = Bytes::copy_from_slice(details);
        self.work += details.len() / BYTES_OF_WORK;
        self.details.push(std::mem::replace(details, new));
    }
}

impl Store {
    /// Begins a pass, unless one is under way.
    pub(crate) fn begin_compaction(&mut self) {
        if self.is_compacting() {
            return;
        }
        self.compaction.most_segments = self.directory.segment_count();
        self.compaction.pass = Some(Pass {
            slots: self.directory.slot_count(),
            table_parts: Directory::TABLE_PARTS,
        });
    }

    /// Begins a pass if half of the segments are gone that there were.
    pub(super) fn compact_if_sparse(&mut self) {
        let segments = self.directory.segment_count();
        let most = self.compaction.most_segments;
        if segments < most / 2 && most - segments >= LEAST_LOST_SEGMENTS {
            self.begin_compaction();
        }
    }

    /// Whether a pass is under way.
    pub(crate) fn is_compacting(&self) -> bool {
        self.compaction.pass.is_some()
    }

    /// Goes on with a pass, for about as long as it takes to visit `most` nodes.
    pub(crate) fn continue_compaction(&mut self, most: usize) {
        let Some(mut pass) = self.compaction.pass.take() else {
            return;
        };
        let mut moved = false;
        let mut step = Step::default();
        while step.work < most {
            step.work += 1;
            if pass.slots > 0 {
                pass.slots -= 1;
                if let Some(node) = self.directory.node_at(pass.slots) {
                    moved |= self.directory.compact_node(node, &mut step);
                }
            } else if pass.table_parts > 0 {
                pass.table_parts -= 1;
                self.directory.shrink_tables(pass.table_parts, &mut step);
            } else {
                break;
            }
        }
        if moved {
            // A walk over all slots that is under way might miss the nodes that have moved.
            self.moves += 1;
            self.begin_pass();
        }
        if pass.slots + pass.table_parts > 0 {
            self.compaction.pass = Some(pass);
        } else {
            // The pass does not come back to nodes that it has left where they were. If most have gone since,
            // the others lie far apart again.
            self.compact_if_sparse();
        }
    }
}
