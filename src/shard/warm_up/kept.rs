//! The reads that the owner of their keys keeps.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::Ticket;
use super::open::OPEN_BYTES;
use crate::shard::mailbox::{ForwardedRequest, ReplyTarget};

/// Bytes of memory of a read that is kept, besides those of a forwarded request: where its two shards keep it
/// in order, and the message that withdraws it. Nodes of the trees are filled to five elevenths at least.
pub(crate) const KEPT_BYTES: usize = 3 * (size_of::<Place>() + size_of::<KeptRead>())
    + 32
    + OPEN_BYTES
    + 2 * size_of::<ForwardedRequest>();

/// Where a kept read stands: those of one key are together.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Place {
    pub(super) hash: u64,
    /// The shard of its peer.
    pub(super) from: usize,
    pub(super) ticket: Ticket,
}

#[derive(Debug)]
pub(super) struct KeptRead {
    pub(super) path: Arc<str>,
    pub(super) target: ReplyTarget,
    /// Its key is among those that are due.
    is_due: bool,
}

#[derive(Debug, Default)]
pub(super) struct KeptReads {
    reads: BTreeMap<Place, KeptRead>,
    /// Hashes of the keys whose reads are to be answered.
    due: VecDeque<u64>,
}

impl KeptReads {
    pub(super) fn keep(&mut self, place: Place, path: Arc<str>, target: ReplyTarget) {
        let read = KeptRead {
            path,
            target,
            is_due: false,
        };
        let before = self.reads.insert(place, read);
        debug_assert!(before.is_none(), "a ticket is used once");
    }

    pub(super) fn count(&self) -> usize {
        self.reads.len()
    }

    pub(super) fn has_due(&self) -> bool {
        !self.due.is_empty()
    }

    /// The reads of this key are to be answered.
    pub(super) fn call(&mut self, hash: u64) {
        let mut reads = self.reads.range_mut(first_of(hash)..);
        if let Some((place, read)) = reads.next()
            && place.hash == hash
            && !std::mem::replace(&mut read.is_due, true)
        {
            self.due.push_back(hash);
        }
    }

    pub(super) fn remove(&mut self, place: Place) -> Option<KeptRead> {
        self.reads.remove(&place)
    }

    /// Takes the next read that is due.
    pub(super) fn next_due(&mut self) -> Option<(Place, KeptRead)> {
        while let Some(hash) = self.due.front().copied() {
            let next = self.reads.range(first_of(hash)..).next();
            match next.map(|(place, _)| *place) {
                Some(place) if place.hash == hash => {
                    return self.reads.remove_entry(&place);
                }
                _ => self.due.pop_front(),
            };
        }
        None
    }

    /// Takes any read.
    pub(super) fn next(&mut self) -> Option<(Place, KeptRead)> {
        self.due.clear();
        self.reads.pop_first()
    }

    /// Gives memory back that many keys needed.
    pub(super) fn shrink(&mut self) {
        if self.due.is_empty() {
            self.due.shrink_to(16);
        }
    }
}

/// Before all reads of a key.
fn first_of(hash: u64) -> Place {
    Place {
        hash,
        from: 0,
        ticket: Ticket(std::num::NonZeroU64::MIN),
    }
}
