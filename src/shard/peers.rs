//! The connections of a shard: the slab that holds them, their deadlines, and the memory that they
//! make us hold. `serve` deals with their requests, and the engine with the keys.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::logins::Logins;
use super::peer::{Blocked, Peer, Reading, Slot};
use super::{Context, Engine, Incident, Settings, Shard};
use crate::connection::{Command, ConnectionId, Ending};
use crate::fault::Fault;
use crate::limits::{Limits, SMALL_BUFFER_BYTES, STALLED_US};

#[derive(Debug)]
pub(super) struct Peers {
    pub(super) slots: Slots,
    pub(super) logins: Logins,
    pub(super) buffers: BufferAccount,
    /// Peers that did not take a send at once.
    blocked: Vec<ConnectionId>,
    /// The shard has stopped reading.
    pub(super) stopping: bool,
    limits: Arc<Limits>,
    /// Open connections of all shards.
    connections: Arc<AtomicU64>,
}

impl Peers {
    pub(super) fn new(settings: &Settings, limits: Arc<Limits>) -> Peers {
        let shards = settings.shards as u64;
        Peers {
            slots: Slots::default(),
            logins: Logins::new(shards, limits.clone()),
            buffers: BufferAccount {
                bytes: 0,
                share_bytes: limits.buffered_bytes / shards,
            },
            blocked: Vec::new(),
            stopping: false,
            limits,
            connections: settings.connections.clone(),
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

    /// Takes a connection off all accounts and returns its peer, unless it is gone already.
    pub(super) fn remove(&mut self, id: ConnectionId) -> Option<Peer> {
        let Slot { mut peer, .. } = *self.slots.remove(id)?;
        self.logins.forget(&mut peer);
        self.buffers.release(&mut peer);
        self.connections.fetch_sub(1, Ordering::Relaxed);
        Some(peer)
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

    /// While buffers run short, ends peers that have sent half of a request and then nothing for
    /// `STALLED_US`: they would hold their buffers for ever, and those who need one would be ended.
    pub(super) fn end_stalled(&mut self, cx: &mut Context<'_>) {
        let Shard { peers, engine } = self;
        if !peers.buffers.is_half_full() {
            return;
        }
        for Slot { reader, peer } in peers.slots.iter() {
            let stalled = reader.buffered_bytes() > SMALL_BUFFER_BYTES
                && matches!(peer.reading, Reading::Open | Reading::Finished)
                && cx.now_us.saturating_sub(peer.received_us) >= STALLED_US;
            if stalled {
                end(peer, Fault::BuffersFull, engine, cx);
            }
        }
    }
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

    pub(super) fn contains(&self, id: ConnectionId) -> bool {
        let slot = self.0.get(id.slot as usize).and_then(Option::as_deref);
        slot.is_some_and(|slot| slot.peer.id == id)
    }

    fn remove(&mut self, id: ConnectionId) -> Option<Box<Slot>> {
        self.get_mut(id)?;
        self.0[id.slot as usize].take()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Slot> {
        self.0.iter().flatten().map(|slot| &**slot)
    }
}

/// Half-received requests, unread answers, forwarded pulses and deferred logins of all peers.
#[derive(Debug)]
pub(super) struct BufferAccount {
    bytes: usize,
    /// This shard's share of `limits.buffered`.
    share_bytes: u64,
}

impl BufferAccount {
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    fn is_half_full(&self) -> bool {
        self.bytes as u64 >= self.share_bytes / 2
    }

    /// Counts what a peer makes us hold now.
    ///
    /// # Errors
    /// The peer holds more than before, and all buffers together are full.
    pub(super) fn recount(&mut self, slot: &mut Slot) -> Result<(), Fault> {
        let bytes = slot.reader.buffered_bytes() + slot.peer.held_bytes();
        let counted_bytes = std::mem::replace(&mut slot.peer.counted_bytes, bytes);
        self.bytes = self.bytes - counted_bytes + bytes;
        let full = self.bytes as u64 > self.share_bytes;
        if bytes > counted_bytes && bytes > SMALL_BUFFER_BYTES && full {
            return Err(Fault::BuffersFull);
        }
        Ok(())
    }

    fn release(&mut self, peer: &mut Peer) {
        self.bytes -= std::mem::take(&mut peer.counted_bytes);
    }
}
