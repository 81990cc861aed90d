//! One shard: its connections, its share of the keys, and its part in the other shards' requests.
//! Calls come in, commands and incidents go out. It knows no socket, no ring and no clock, so that
//! one seeded test can drive several shards.
//!
//! Read `serve.rs` first: it is the way of a pulse.

mod address_accounts;
mod ageing;
mod answer;
mod buffers;
mod counters;
mod drain;
mod engine;
mod histogram;
mod key_scan;
mod latencies;
mod logins;
mod mailbox;
pub mod pace;
mod peer;
mod peers;
mod scans;
mod serve;
mod settings;
mod snapshot;
mod transit;
mod wake;
mod warm_up;
mod work;

pub use address_accounts::AddressAccounts;
pub use counters::Counters;
pub use drain::{Clients, DRAIN_STEP, Drain, MayGo};
pub use histogram::Histogram;
#[cfg(test)]
pub(crate) use key_scan::KeySlice;
pub(crate) use key_scan::{KeyRow, KeyScan, ScanLimits, ScannedKeys};
pub use logins::Policy;
pub use mailbox::Mailbox;
pub use settings::{Common, Settings};
pub(crate) use snapshot::Snapshot;
pub use warm_up::{Activity, WarmUpProgress, WarmUpStage};

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::auth::Identity;
use crate::connection::{Batching, Closed, Command, Commands, ConnectionId, Outbox, SleepPlan};
use crate::fault::{Fault, Refusal};
use crate::store::Usage;
use crate::wire::FrameReader;
use engine::Engine;
use peer::{Peer, Reading, Slot};
use peers::Peers;

/// The longest sleep. It is also the most that a lost doorbell can cost.
const LONGEST_SLEEP: Duration = Duration::from_millis(100);

/// The longest sleep while messages wait for room in another shard's mailbox, which no doorbell
/// tells of.
const WAITING_SLEEP: Duration = Duration::from_millis(1);

/// What a peer did that is worth a log line.
#[derive(Clone, Debug, PartialEq)]
pub enum Incident {
    /// The connection is ended.
    Fault(Fault),
    /// A request was answered with a refusal.
    Refusal(Refusal),
    LoggedIn(Identity),
}

/// Where a shard reports what its peers do. It decides what becomes a log line.
pub trait Incidents {
    fn report(&mut self, peer: SocketAddr, incident: Incident);
}

#[derive(Debug)]
pub struct Shard {
    peers: Peers,
    engine: Engine,
}

/// What one call works with, besides the shard itself.
pub struct Context<'a> {
    pub now_us: u64,
    pub commands: &'a mut Commands,
    pub incidents: &'a mut dyn Incidents,
}

impl Shard {
    /// A shard in which everyone may do everything, until `set_policy` says otherwise.
    pub fn new(index: usize, settings: Settings, mailbox: Mailbox) -> Shard {
        let limits = Arc::new(settings.limits.clone());
        Shard {
            peers: Peers::new(&settings, limits.clone()),
            engine: Engine::new(index, settings, limits, mailbox),
        }
    }

    // ── What the event loop tells ────────────────────────────────────────────────────────────────

    pub fn opened(&mut self, id: ConnectionId, address: SocketAddr, cx: &mut Context<'_>) {
        let Shard { peers, engine } = self;
        engine.counters.connections_opened += 1;
        let mut slot = Slot {
            reader: FrameReader::new(engine.limits.frame_bytes), // `serve_frames` sets the limit
            peer: Peer::new(id, logins::canonical(address), peers.logins.new_session()),
        };
        slot.peer.received_us = cx.now_us;
        let admitted = peers.open(slot, cx.now_us);
        if let (Err(fault), Some(slot)) = (admitted, peers.slots.get_mut(id)) {
            peers::end(&slot.peer, fault, engine, cx);
        }
    }

    /// Bytes from a peer, split at arbitrary points.
    pub fn received(&mut self, id: ConnectionId, bytes: &[u8], cx: &mut Context<'_>) {
        self.engine.counters.received_bytes += bytes.len() as u64;
        if let Some(Slot { peer, .. }) = self.peers.slots.get_mut(id) {
            peer.received_us = cx.now_us;
            self.advance(id, bytes, cx);
        }
    }

    /// The peer has sent its FIN. It still gets what it has asked for.
    pub fn finished(&mut self, id: ConnectionId, cx: &mut Context<'_>) {
        if let Some(Slot { peer, .. }) = self.peers.slots.get_mut(id) {
            peer.reading = peer.reading.finished();
            self.advance(id, &[], cx);
        }
    }

    /// The peer's kernel buffer has taken this many bytes of its answers. The event loop still holds
    /// `held_bytes` of memory for the rest.
    pub fn sent(
        &mut self,
        id: ConnectionId,
        bytes: usize,
        held_bytes: usize,
        cx: &mut Context<'_>,
    ) {
        self.engine.counters.sent_bytes += bytes as u64;
        let Some(Slot { peer, .. }) = self.peers.slots.get_mut(id) else {
            return;
        };
        peer.unsent_bytes -= bytes;
        peer.unsent_memory_bytes = held_bytes;
        if let Some(blocked) = &mut peer.blocked {
            blocked.progress_us = cx.now_us;
        }
        if peer.reading != Reading::Open || peer.counted_bytes > 0 {
            self.advance(id, &[], cx);
        }
    }

    /// The peer did not take all of a send at once.
    pub fn blocked(&mut self, id: ConnectionId, now_us: u64) {
        self.peers.blocked(id, now_us);
    }

    /// The connection is gone. The event loop still holds `held_bytes` of memory of its answers, until
    /// `freed`.
    pub fn closed(&mut self, id: ConnectionId, _why: Closed, held_bytes: usize) {
        let Shard { peers, engine } = self;
        if let Some(Slot { peer, .. }) = peers.slots.get_mut(id)
            && peer.open_reads > 0
        {
            engine.withdraw_all(peer);
        }
        let Some(peer) = self.peers.remove(id, held_bytes) else {
            return;
        };
        self.engine.counters.connections_closed += 1;
        let slots = &self.peers.slots;
        self.engine
            .scans
            .forget(id, &peer.scan, |id| slots.get(id).is_some());
    }

    /// The event loop has let go of what it held of a connection that is gone.
    pub fn freed(&mut self, bytes: usize) {
        self.peers.buffers.freed(bytes);
    }

    /// What is queued for a peer. It counts against the peer until `sent` reports it.
    pub fn take_outbox(&mut self, id: ConnectionId) -> Outbox {
        let Some(Slot { peer, .. }) = self.peers.slots.get_mut(id) else {
            return Outbox::default();
        };
        let outbox = std::mem::take(&mut peer.outbox);
        peer.unsent_bytes += outbox.len();
        peer.unsent_memory_bytes += outbox.memory_bytes();
        outbox
    }

    pub fn woke(&mut self, completions: usize, batched: bool, now_us: u64) {
        self.engine.counters.wakes += 1;
        self.engine.counters.batched_wakes += u64::from(batched);
        self.engine.pace.note_wake(completions, batched, now_us);
    }

    /// Stops reading from all peers. What has been read is still served and answered.
    pub(crate) fn stop_reading(&mut self, cx: &mut Context<'_>) {
        self.peers.stopping = true;
        for id in self.connections() {
            cx.commands.push(Command::Pause(id));
        }
        self.drop_deferred_logins(cx);
    }

    /// Ends peers that do not take their answers or do not finish their logins, deletes keys that are
    /// not refreshed, and gives back memory that is no longer needed. To be called a few times a
    /// second. `unacknowledged` tells how many sent bytes a peer's host has not acknowledged.
    pub fn tick(
        &mut self,
        cx: &mut Context<'_>,
        unacknowledged: impl FnMut(ConnectionId) -> usize,
    ) {
        self.end_slow_readers(cx, unacknowledged);
        self.end_slow_frames(cx);
        self.give_way(cx);
        self.tick_logins(cx);
        self.tick_ageing(cx);
        self.tick_warm_up(cx);
        self.peers.shrink();
        self.engine.scans.shrink();
        self.engine.wake.shrink();
    }

    /// Begins to move what is stored closer together, so that pages between become free.
    pub(crate) fn begin_compaction(&mut self) {
        self.engine.store.begin_compaction();
    }

    // ── What the event loop asks ─────────────────────────────────────────────────────────────────

    /// Ends the wake that began at `wake_us`: records how long its answers took, and says how the
    /// event loop may sleep. The clock is read once, and only if something was answered.
    pub fn end_wake(&mut self, wake_us: u64, clock: impl FnOnce() -> u64) -> SleepPlan {
        if self.engine.latencies.any() {
            self.engine.latencies.record(wake_us, clock());
        }
        if self.engine.has_slices() {
            return SleepPlan {
                at_most: Duration::ZERO,
                batching: None,
            };
        }
        if self.engine.mailbox.has_waiting() {
            return SleepPlan {
                at_most: WAITING_SLEEP,
                batching: None,
            };
        }
        let minimum_wait = self.engine.pace.minimum_wait(wake_us);
        SleepPlan {
            at_most: LONGEST_SLEEP,
            batching: minimum_wait.map(|at_least| Batching {
                completions: pace::BATCH_FULL,
                at_least,
            }),
        }
    }

    /// Whether the event loop must report `sent` at once: more is read from the peer, or it is
    /// closed, when what was taken has been sent.
    pub(crate) fn awaits_sent(&mut self, id: ConnectionId) -> bool {
        let slot = self.peers.slots.get_mut(id);
        slot.is_some_and(|slot| slot.peer.reading != Reading::Open)
    }

    /// Whether other shards have sent messages that were not taken yet, or there are slices of work to
    /// do.
    pub fn has_messages(&self) -> bool {
        !self.engine.mailbox.is_empty() || self.engine.has_slices()
    }

    /// Whether nothing is owed to any peer or shard.
    pub fn is_settled(&self) -> bool {
        self.engine.mailbox.is_empty()
            && !self.engine.mailbox.has_waiting()
            && self.engine.scans.is_idle()
            && !self.engine.warm_up.has_work()
            && self.peers.slots.iter().all(|slot| slot.peer.is_settled())
    }

    pub fn usage(&self) -> Usage {
        self.engine.store.usage()
    }

    /// A copy of what was counted so far.
    pub fn counters(&self) -> Counters {
        Counters {
            requests: self.engine.requests.by_name(),
            ..self.engine.counters.clone()
        }
    }

    pub fn connections(&self) -> impl Iterator<Item = ConnectionId> {
        self.peers.slots.iter().map(|slot| slot.peer.id)
    }

    /// Bytes of half-received requests and unread answers.
    pub fn buffered_bytes(&self) -> usize {
        self.peers.buffers.bytes()
    }
}

impl std::fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context")
            .field("now_us", &self.now_us)
            .finish_non_exhaustive()
    }
}
