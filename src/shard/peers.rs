//! The connections of a shard: the slab that holds them, their deadlines, and the memory that they
//! make us hold. `serve` deals with their requests, and the engine with the keys.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::buffers::{BufferAccount, Full};
use super::logins::Logins;
use super::peer::{Blocked, PartialFrame, Peer, Reading, Slot};
use super::{Context, Engine, Incident, Settings, Shard};
use crate::connection::{Command, ConnectionId, Ending};
use crate::fault::Fault;
use crate::limits::{FRAME_TIME_US, Limits, SMALL_BUFFER_BYTES};

/// A shard gives way in one tick as often as it looks for the largest and oldest holders: some milliseconds.
const GIVING_WAY_ROUNDS: usize = 64;

#[derive(Debug)]
pub(super) struct Peers {
    pub(super) slots: Slots,
    pub(super) logins: Logins,
    pub(super) buffers: BufferAccount,
    /// Peers that have sent a part of a frame, by the time at which we look at them again.
    pub(super) partial_frames: BTreeSet<(u64, ConnectionId)>,
    /// Peers that did not take a send at once.
    blocked: Vec<ConnectionId>,
    /// Peers whose requests wait until other shards have answered more of those of peers that are gone.
    congested: Vec<ConnectionId>,
    /// The shard has stopped reading.
    pub(super) stopping: bool,
    limits: Arc<Limits>,
    /// Open connections of all shards.
    connections: Arc<AtomicU64>,
}

impl Peers {
    pub(super) fn new(settings: &Settings, limits: Arc<Limits>) -> Peers {
        Peers {
            slots: Slots::default(),
            logins: Logins::new(settings.common.accounts.clone(), limits.clone()),
            buffers: BufferAccount::new(settings, &limits),
            partial_frames: BTreeSet::new(),
            blocked: Vec::new(),
            congested: Vec::new(),
            stopping: false,
            limits,
            connections: settings.common.connections.clone(),
        }
    }

    /// Takes a new connection in. It counts until `remove`, even if it is refused.
    pub(super) fn open(&mut self, slot: Slot, now_us: u64) -> Result<(), Fault> {
        let Slot { peer, .. } = self.slots.insert(slot);
        let open = self.connections.fetch_add(1, Ordering::Relaxed) + 1;
        self.logins.admit(peer, now_us)?;
        let limit = self.limits.connections;
        if open > limit {
            return Err(Fault::TooManyConnections(limit));
        }
        Ok(())
    }

    /// Takes a connection off all accounts, but for `held_bytes`, and returns its peer, unless it is gone
    /// already.
    pub(super) fn remove(&mut self, id: ConnectionId, held_bytes: usize) -> Option<Peer> {
        let Slot { mut peer, .. } = *self.slots.remove(id)?;
        self.logins.forget(&mut peer);
        self.buffers.release(&mut peer, held_bytes);
        if let Some(frame) = peer.partial_frame {
            self.partial_frames.remove(&(frame.check_us, id));
        }
        self.connections.fetch_sub(1, Ordering::Relaxed);
        Some(peer)
    }

    /// Gives memory back that many connections needed and few need.
    pub(super) fn shrink(&mut self) {
        self.slots.shrink();
        if is_mostly_empty(self.blocked.len(), self.blocked.capacity()) {
            self.blocked.shrink_to_fit();
        }
        self.buffers.shrink();
    }

    /// The peer did not take all of a send at once.
    pub(super) fn blocked(&mut self, id: ConnectionId, now_us: u64) {
        let Some(Slot { peer, .. }) = self.slots.get_mut(id) else {
            return;
        };
        match &mut peer.blocked {
            Some(blocked) => blocked.progress_us = now_us,
            None => {
                peer.blocked = Some(Blocked {
                    progress_us: now_us,
                    unacknowledged_bytes: 0,
                });
                self.blocked.push(id);
            }
        }
    }
}

/// Whether a collection has memory for far more than it holds. Small ones may.
pub(super) fn is_mostly_empty(len: usize, capacity: usize) -> bool {
    capacity >= 1024 && len < capacity / 8
}

/// Ends a connection because of what its peer did.
pub(super) fn end(peer: &Peer, fault: Fault, engine: &mut Engine, cx: &mut Context<'_>) {
    engine.counters.fault(fault.label());
    cx.incidents.report(peer.address, Incident::Fault(fault));
    cx.commands.push(Command::Close(peer.id, Ending::Reset));
}

impl Shard {
    /// Ends peers that have taken none of their answers for `limits.output_deadline`.
    /// `unacknowledged` tells how many sent bytes a peer's host has not acknowledged: a peer that
    /// reads slowly makes progress there long before its socket has room for more.
    pub(super) fn end_slow_readers(
        &mut self,
        cx: &mut Context<'_>,
        mut unacknowledged: impl FnMut(ConnectionId) -> usize,
    ) {
        let Shard { peers, engine } = self;
        let deadline = peers.limits.output_deadline;
        let slots = &mut peers.slots;
        peers.blocked.retain(|id| {
            let Some(Slot { peer, .. }) = slots.get_mut(*id) else {
                return false;
            };
            let Some(blocked) = &mut peer.blocked else {
                return false;
            };
            let bytes = unacknowledged(*id);
            if std::mem::replace(&mut blocked.unacknowledged_bytes, bytes) > bytes {
                blocked.progress_us = cx.now_us;
            }
            let waited_us = cx.now_us.saturating_sub(blocked.progress_us);
            let too_slow = waited_us >= deadline.as_micros() as u64;
            if peer.unsent_bytes > 0 && !too_slow {
                return true;
            }
            peer.blocked = None;
            if peer.unsent_bytes > 0 {
                end(peer, Fault::SlowReader(deadline), engine, cx);
            }
            false
        });
    }

    /// Ends peers whose frame arrives more slowly than `limits.receive_rate`, once `FRAME_TIME_US` have
    /// passed since its first byte: however they trickle, they hold its memory no longer.
    pub(super) fn end_slow_frames(&mut self, cx: &mut Context<'_>) {
        let Shard { peers, engine } = self;
        while let Some((check_us, id)) = peers.partial_frames.first().copied()
            && check_us <= cx.now_us
        {
            peers.partial_frames.pop_first();
            let Some(Slot { reader, peer }) = peers.slots.get_mut(id) else {
                continue;
            };
            let Some(PartialFrame { begun_us, .. }) = peer.partial_frame else {
                continue;
            };
            let deadline_us = frame_deadline_us(begun_us, reader.buffered_bytes(), &peers.limits);
            if deadline_us <= cx.now_us {
                peer.partial_frame = None;
                let rate = peers.limits.receive_rate;
                end(peer, Fault::FrameTooSlow(rate), engine, cx);
            } else {
                peer.partial_frame = Some(PartialFrame {
                    begun_us,
                    check_us: deadline_us,
                });
                peers.partial_frames.insert((deadline_us, id));
            }
        }
    }

    /// Ends the peers that hold most for longest, so that the one that asks for more can have it: bytes
    /// times seconds, because a large request that arrives at once does no harm. The one that asks is
    /// ended only if the others do not hold enough, and never for a small buffer.
    pub(super) fn make_room(&mut self, asking: ConnectionId, full: Full, cx: &mut Context<'_>) {
        for (_, victim) in self.costs(Some(asking), full, cx.now_us) {
            if !self.peers.buffers.is_full(full) {
                return;
            }
            self.end_holder(victim, cx);
        }
        let asked = self.peers.slots.get(asking);
        if asked.is_some_and(|slot| slot.peer.counted_bytes > SMALL_BUFFER_BYTES)
            && self.peers.buffers.is_full(full)
        {
            self.end_holder(asking, cx);
        }
    }

    /// Goes on with the peers whose requests have waited for other shards, if these have caught up.
    pub(super) fn end_congestion(&mut self, cx: &mut Context<'_>) {
        if self.peers.congested.is_empty() || self.peers.buffers.is_congested() {
            return;
        }
        for id in std::mem::take(&mut self.peers.congested) {
            if let Some(Slot { peer, .. }) = self.peers.slots.get_mut(id) {
                peer.is_congested = false;
                self.advance(id, &[], cx);
            }
        }
    }

    /// Ends holders as long as all shards together exceed `limits.buffered` because another shard needs
    /// its guaranteed part, and one of an address that has more than its own part.
    pub(super) fn give_way(&mut self, cx: &mut Context<'_>) {
        if let Some(address) = self.peers.buffers.address_beyond_limit() {
            let costs = self.costs(None, Full::Address(address), cx.now_us);
            if let Some((_, victim)) = costs.first() {
                self.end_holder(*victim, cx);
            }
        }
        let mut to_give_up = self.peers.buffers.bytes_to_give_up();
        for _ in 0..GIVING_WAY_ROUNDS {
            if to_give_up == 0 {
                break;
            }
            for (_, victim) in self.costs(None, Full::All, cx.now_us) {
                if to_give_up > 0 {
                    let bytes = self.end_holder(victim, cx);
                    to_give_up = to_give_up.saturating_sub(bytes);
                }
            }
        }
    }

    /// Peers that may be ended to make room for what is full, besides `asking`, each with what it costs: the
    /// one that costs most first.
    fn costs(
        &self,
        asking: Option<ConnectionId>,
        full: Full,
        now_us: u64,
    ) -> Vec<(u64, ConnectionId)> {
        let cost = |id: ConnectionId| {
            let peer = &self.peers.slots.get(id)?.peer;
            let of_full = match full {
                Full::All => true,
                Full::Address(address) => self.peers.buffers.account_of(peer) == address,
            };
            let held_us = now_us.saturating_sub(peer.holds_since_us?);
            of_full.then_some(peer.counted_bytes as u64 * (held_us / 1000 + 1))
        };
        let candidates = self.peers.buffers.candidates(asking);
        let mut costs: Vec<_> = candidates.filter_map(|id| Some((cost(id)?, id))).collect();
        costs.sort_unstable_by(|left, right| right.cmp(left));
        costs.dedup(); // one is among the largest, and among the oldest
        costs
    }

    /// Ends a peer, and returns how many bytes it holds.
    fn end_holder(&mut self, victim: ConnectionId, cx: &mut Context<'_>) -> usize {
        let Shard { peers, engine } = self;
        let Some(slot) = peers.slots.get_mut(victim) else {
            return 0;
        };
        peers.buffers.note_ending(&mut slot.peer);
        end(&slot.peer, Fault::BuffersFull, engine, cx);
        slot.peer.counted_bytes
    }
}

impl Peers {
    /// Remembers that a peer waits until other shards have caught up.
    pub(super) fn note_congested(&mut self, id: ConnectionId) {
        if let Some(Slot { peer, .. }) = self.slots.get_mut(id)
            && matches!(peer.reading, Reading::Paused(_) | Reading::Finishing(_))
            && !std::mem::replace(&mut peer.is_congested, true)
        {
            self.congested.push(id);
        }
    }

    /// Remembers when a peer began to send the frame that is not whole yet, or that there is none.
    pub(super) fn watch_frame(&mut self, id: ConnectionId, begins: bool, now_us: u64) {
        let Some(Slot { reader, peer }) = self.slots.get_mut(id) else {
            return;
        };
        let is_partial = reader.buffered_bytes() > 0 && peer.reading == Reading::Open;
        if let Some(frame) = peer.partial_frame
            && (begins || !is_partial)
        {
            self.partial_frames.remove(&(frame.check_us, id));
            peer.partial_frame = None;
        }
        if is_partial && peer.partial_frame.is_none() {
            let check_us = now_us + FRAME_TIME_US;
            self.partial_frames.insert((check_us, id));
            peer.partial_frame = Some(PartialFrame {
                begun_us: now_us,
                check_us,
            });
        }
    }
}

/// When a frame that began at `begun_us`, and of which `bytes` have arrived, is too slow.
fn frame_deadline_us(begun_us: u64, bytes: usize, limits: &Limits) -> u64 {
    begun_us + FRAME_TIME_US + bytes as u64 * 1_000_000 / limits.receive_rate
}

/// All connections, by the slots of their ids.
#[derive(Debug, Default)]
pub(super) struct Slots(Vec<Option<Box<Slot>>>);

impl Slots {
    fn insert(&mut self, slot: Slot) -> &mut Slot {
        let index = slot.peer.id.slot as usize;
        if index >= self.0.len() {
            self.0.resize_with(index + 1, || None);
        }
        let place = &mut self.0[index];
        assert!(place.is_none(), "two connections in one slot");
        place.insert(Box::new(slot))
    }

    /// The connection of this id, unless it is gone.
    pub(super) fn get_mut(&mut self, id: ConnectionId) -> Option<&mut Slot> {
        let slot = self.0.get_mut(id.slot as usize)?.as_deref_mut()?;
        (slot.peer.id == id).then_some(slot)
    }

    pub(super) fn get(&self, id: ConnectionId) -> Option<&Slot> {
        let slot = self.0.get(id.slot as usize)?.as_deref()?;
        (slot.peer.id == id).then_some(slot)
    }

    fn remove(&mut self, id: ConnectionId) -> Option<Box<Slot>> {
        self.get_mut(id)?;
        self.0[id.slot as usize].take()
    }

    fn shrink(&mut self) {
        let used = self.0.iter().rposition(Option::is_some);
        self.0.truncate(used.map_or(0, |last| last + 1));
        if is_mostly_empty(self.0.len(), self.0.capacity()) {
            self.0.shrink_to_fit();
        }
    }

    /// The connections of the slots from one to before another, as far as there are slots.
    pub(super) fn between(&self, from: usize, to: usize) -> impl Iterator<Item = &Slot> {
        let to = to.min(self.0.len());
        let slots = self.0.get(from..to).unwrap_or_default();
        slots.iter().flatten().map(|slot| &**slot)
    }

    /// The slot behind the last one.
    pub(super) fn end(&self) -> usize {
        self.0.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Slot> {
        self.0.iter().flatten().map(|slot| &**slot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::Session;
    use crate::wire::FrameReader;

    #[test]
    fn the_memory_of_many_connections_goes_back() {
        let id = |slot| ConnectionId {
            slot,
            generation: 0,
        };
        let address = ([127, 0, 0, 1], 1).into();
        let mut slots = Slots::default();
        for slot in 0..10_000 {
            let peer = Peer::new(id(slot), address, Session::without_login());
            let reader = FrameReader::new(1024);
            slots.insert(Slot { reader, peer });
        }
        for slot in 0..10_000 {
            if slot != 500 {
                assert!(slots.remove(id(slot)).is_some());
            }
        }
        slots.shrink();
        assert!(slots.get(id(500)).is_some());
        assert!(slots.0.capacity() < 1_000, "{}", slots.0.capacity());
    }
}
