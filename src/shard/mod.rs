//! One shard: its connections, its share of the keys, and its part in the other shards' requests.
//! Calls come in, commands and incidents go out; it knows no socket, no ring and no clock, so that
//! one seeded test can drive several of them.
//!
//! Read `serve.rs` first: it is the way of a pulse.

mod ageing;
mod answer;
mod counters;
mod guests;
mod histogram;
mod key_scan;
mod letters;
mod logins;
mod merge;
pub mod pace;
mod peer;
mod serve;
mod settings;
mod snapshot;
mod times;

pub use counters::{Counters, PULSE_SIZE_BOUNDS, PulseSizes};
pub use histogram::Histogram;
pub use key_scan::{KeyRow, KeyScan, KeySlice, ScanLimits, ScannedKeys};
pub use letters::Mailbox;
pub use logins::Policy;
pub use settings::Settings;
pub use snapshot::Snapshot;
pub use times::{BOUNDS_US, RequestTimes};

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::auth::Identity;
use crate::connection::{Closed, Command, Commands, ConnectionId, Ending, Outbox};
use crate::fault::{Fault, Refusal};
use crate::limits::{SMALL_BUFFER_BYTES, STALLED_US};
use crate::store::{Store, StoreLimits, Usage};
use counters::RequestCounts;
use guests::{Guests, May};
use merge::Merges;
use pace::Pace;
use peer::Peer;
use times::Times;

/// Something to log, of a peer's making.
#[derive(Clone, Debug, PartialEq)]
pub enum Incident {
    /// The connection is ended.
    Fault(Fault),
    /// A request was answered with a refusal.
    Refusal(Refusal),
    LoggedIn(Identity),
}

/// Where a shard reports what peers do wrong; it decides what becomes a log line.
pub trait Incidents {
    fn report(&mut self, peer: SocketAddr, incident: Incident);
}

#[derive(Debug)]
pub struct Shard {
    index: usize,
    settings: Settings,
    store: Store,
    mailbox: Mailbox,
    merges: Merges,
    peers: Vec<Option<Box<Peer>>>,
    /// Peers that did not take a send at once.
    blocked: Vec<ConnectionId>,
    /// Half-received requests and unread answers of all peers.
    buffered_bytes: usize,
    /// No more is read from anyone.
    stopping: bool,
    policy: Policy,
    guests: Guests,
    /// Logins under way, and when their time is up; also some that are over.
    logging_in: VecDeque<(ConnectionId, u64)>,
    /// Peers whose login waits for its turn.
    held: Vec<ConnectionId>,
    pace: Pace,
    counters: Counters,
    requests: RequestCounts,
    times: Times,
    pulse_sizes: PulseSizes,
}

/// What one call works with, besides the shard itself.
pub struct Context<'a> {
    pub now_us: u64,
    pub commands: &'a mut Commands,
    pub incidents: &'a mut dyn Incidents,
}

impl Shard {
    /// A shard of its own in which everyone may do everything, until `set_policy` says otherwise.
    pub fn new(index: usize, settings: Settings, mailbox: Mailbox) -> Shard {
        let shards = settings.shards as u64;
        let limits = StoreLimits {
            keys: settings.limits.stored_keys.div_ceil(shards),
            bytes: settings.limits.stored_bytes.div_ceil(shards),
        };
        Shard {
            index,
            store: Store::new(limits, settings.key_hasher.clone()),
            mailbox,
            merges: Merges::default(),
            peers: Vec::new(),
            blocked: Vec::new(),
            buffered_bytes: 0,
            stopping: false,
            policy: Policy::default(),
            guests: Guests::new(May {
                connections: settings.limits.connections_per_address().div_ceil(shards),
                unauthenticated: settings.limits.unauthenticated_per_address.div_ceil(shards),
                failed_logins: settings.limits.failed_logins.div_ceil(shards),
            }),
            logging_in: VecDeque::new(),
            held: Vec::new(),
            pace: Pace::new(settings.minimum_wait),
            counters: Counters::default(),
            requests: RequestCounts::default(),
            times: Times::new(),
            pulse_sizes: Histogram::new(&PULSE_SIZE_BOUNDS),
            settings,
        }
    }

    // ── What the event loop tells ────────────────────────────────────────────────────────────────

    pub fn opened(&mut self, id: ConnectionId, address: SocketAddr, cx: &mut Context<'_>) {
        let slot = id.slot as usize;
        if slot >= self.peers.len() {
            self.peers.resize_with(slot + 1, || None);
        }
        assert!(self.peers[slot].is_none(), "two connections in one slot");
        let frame_bytes = self.settings.limits.frame_bytes;
        let session = self.new_session();
        let address = logins::canonical(address);
        self.peers[slot] = Some(Box::new(Peer::new(id, address, session, frame_bytes)));
        self.counters.connections_opened += 1;
        let open = self.settings.connections.fetch_add(1, Ordering::Relaxed) + 1;
        let limit = self.settings.limits.connections;
        // Counted in any case, until it is closed.
        let admitted = self.admit(id, cx.now_us);
        let admitted = admitted.and(match open > limit {
            true => Err(Fault::TooManyConnections(limit)),
            false => Ok(()),
        });
        if let Err(fault) = admitted {
            self.end(id, fault, cx);
        }
    }

    /// Bytes from a peer, in any cut.
    pub fn received(&mut self, id: ConnectionId, bytes: &[u8], cx: &mut Context<'_>) {
        self.counters.received_bytes += bytes.len() as u64;
        self.with_peer(id, cx, |shard, peer, cx| {
            peer.received_us = cx.now_us;
            if peer.paused {
                peer.reader.push(bytes);
                return Ok(());
            }
            shard.read(peer, bytes, cx)
        });
    }

    /// The peer will send no more. What it asked for it still gets.
    pub fn finished(&mut self, id: ConnectionId, cx: &mut Context<'_>) {
        self.with_peer(id, cx, |_, peer, _| {
            peer.finished = true;
            Ok(())
        });
    }

    /// The peer has taken so many bytes.
    pub fn sent(&mut self, id: ConnectionId, bytes: usize, cx: &mut Context<'_>) {
        self.counters.sent_bytes += bytes as u64;
        let Some(peer) = self.peer(id) else { return };
        peer.unsent_bytes -= bytes;
        peer.progress_us = cx.now_us;
        if peer.in_flight == 0 {
            peer.resting = false;
        }
        if peer.paused || peer.finished || peer.counted_bytes > 0 {
            self.with_peer(id, cx, |_, _, _| Ok(()));
        }
    }

    /// The peer did not take all of a send at once.
    pub fn blocked(&mut self, id: ConnectionId, now_us: u64) {
        let Some(peer) = self.peer(id) else { return };
        peer.progress_us = now_us;
        if !std::mem::replace(&mut peer.blocked, true) {
            self.blocked.push(id);
        }
    }

    pub fn closed(&mut self, id: ConnectionId, _why: Closed) {
        let Some(mut peer) = self.take_peer(id) else {
            return;
        };
        self.forget(&mut peer);
        self.buffered_bytes -= peer.counted_bytes;
        self.counters.connections_closed += 1;
        self.settings.connections.fetch_sub(1, Ordering::Relaxed);
    }

    /// More is read from the peer, or it is closed, when what was taken has been sent.
    pub fn awaits_sent(&mut self, id: ConnectionId) -> bool {
        self.peer(id)
            .is_some_and(|peer| peer.paused || peer.finished)
    }

    /// What is queued for a peer. It counts as the peer's until `sent` says that it is gone.
    pub fn take_outbox(&mut self, id: ConnectionId) -> Outbox {
        let Some(peer) = self.peer(id) else {
            return Outbox::default();
        };
        let outbox = std::mem::take(&mut peer.outbox);
        peer.unsent_bytes += outbox.len();
        outbox
    }

    /// Whether answers wait to be told of by `handed_over`.
    pub fn has_answered(&self) -> bool {
        self.times.any()
    }

    /// The answers of the wake that began at `wake_us` go out now.
    pub fn handed_over(&mut self, wake_us: u64, now_us: u64) {
        self.times.handed_over(wake_us, now_us);
    }

    pub fn woke(&mut self, completions: usize, gathered: bool, now_us: u64) {
        self.counters.wakes += 1;
        self.counters.gathered_wakes += u64::from(gathered);
        self.pace.note_wake(completions, gathered, now_us);
    }

    /// Reads no more from any peer. What has been read is still served and answered.
    pub fn stop_reading(&mut self, cx: &mut Context<'_>) {
        self.stopping = true;
        for peer in self.peers.iter().flatten() {
            cx.commands.push(Command::Pause(peer.id));
        }
        self.dismiss_held(cx);
    }

    // ── What the event loop asks ─────────────────────────────────────────────────────────────────

    pub fn has_mail(&self) -> bool {
        !self.mailbox.is_empty()
    }

    /// Letters wait for room in another shard's mailbox, which no bell tells of.
    pub fn has_waiting_letters(&self) -> bool {
        self.mailbox.has_waiting()
    }

    /// How long the next wake should let completions gather.
    pub fn gather(&self, now_us: u64) -> Option<Duration> {
        self.pace.gather(now_us)
    }

    /// Nothing is owed to any peer, nor to any shard.
    pub fn is_settled(&self) -> bool {
        self.mailbox.is_empty()
            && !self.mailbox.has_waiting()
            && self.peers.iter().flatten().all(|peer| peer.is_settled())
    }

    pub fn usage(&self) -> Usage {
        self.store.usage()
    }

    /// A copy of what was counted so far.
    pub fn counters(&self) -> Counters {
        Counters {
            requests: self.requests.by_name(),
            ..self.counters.clone()
        }
    }

    pub fn connections(&self) -> impl Iterator<Item = ConnectionId> {
        self.peers.iter().flatten().map(|peer| peer.id)
    }

    /// Letters that other shards have sent here and that nobody has read.
    pub fn mailbox_depth(&self) -> usize {
        self.mailbox.depth()
    }

    /// Bytes of half-received requests and unread answers.
    pub fn buffered_bytes(&self) -> usize {
        self.buffered_bytes
    }

    // ── Time ─────────────────────────────────────────────────────────────────────────────────────

    /// Ends peers that do not take their answers or do not finish their logins, and keys that nobody
    /// refreshes. To be called now and then, a few times a second. `unacknowledged` tells
    /// how much of what was sent a peer's host has not acknowledged: a peer that reads slowly makes
    /// progress there long before its socket has room for more.
    pub fn tick(
        &mut self,
        cx: &mut Context<'_>,
        mut unacknowledged: impl FnMut(ConnectionId) -> usize,
    ) {
        let deadline = self.settings.limits.output_deadline;
        let blocked = std::mem::take(&mut self.blocked);
        for id in blocked {
            let Some(peer) = self.peer(id) else { continue };
            let bytes = unacknowledged(id);
            if std::mem::replace(&mut peer.unacknowledged_bytes, bytes) > bytes {
                peer.progress_us = cx.now_us;
            }
            if peer.unsent_bytes == 0 {
                peer.blocked = false;
            } else if cx.now_us.saturating_sub(peer.progress_us) >= deadline.as_micros() as u64 {
                peer.blocked = false;
                self.end(id, Fault::SlowReader(deadline), cx);
            } else {
                self.blocked.push(id);
            }
        }
        self.end_stalled(cx);
        self.tick_logins(cx);
        self.tick_ageing(cx);
    }

    /// Ends peers that have sent half of a request and no more, if buffers run short: otherwise they
    /// would hold them for ever, and those who ask for more would be ended in their stead.
    fn end_stalled(&mut self, cx: &mut Context<'_>) {
        if (self.buffered_bytes as u64) < self.buffered_share() / 2 {
            return;
        }
        let stalled = |peer: &&Peer| {
            peer.reader.buffered_bytes() > SMALL_BUFFER_BYTES
                && !peer.paused
                && cx.now_us.saturating_sub(peer.received_us) >= STALLED_US
        };
        let peers = self.peers.iter().flatten().map(|peer| &**peer);
        let ids: Vec<ConnectionId> = peers.filter(stalled).map(|peer| peer.id).collect();
        for id in ids {
            self.end(id, Fault::BuffersFull, cx);
        }
    }

    /// Our share of the bytes that peers may make the process hold.
    fn buffered_share(&self) -> u64 {
        self.settings.limits.buffered_bytes / self.settings.shards as u64
    }

    fn note_stored(&mut self, bytes: u64) {
        self.pulse_sizes.note(bytes, 1);
        let largest = &mut self.counters.largest_pulse_bytes;
        *largest = (*largest).max(bytes);
    }

    // ── Peers ────────────────────────────────────────────────────────────────────────────────────

    fn peer(&mut self, id: ConnectionId) -> Option<&mut Peer> {
        peer(&mut self.peers, id)
    }

    fn take_peer(&mut self, id: ConnectionId) -> Option<Box<Peer>> {
        self.peer(id)?;
        self.peers[id.slot as usize].take()
    }

    /// Works with a peer and with the shard at once, then brings the peer's state in order: more to
    /// send, more to read, or the end.
    fn with_peer(
        &mut self,
        id: ConnectionId,
        cx: &mut Context<'_>,
        work: impl FnOnce(&mut Shard, &mut Peer, &mut Context<'_>) -> Result<(), Fault>,
    ) {
        // Gone already: its last words are nobody's.
        let Some(mut peer) = self.take_peer(id) else {
            return;
        };
        let outcome = work(self, &mut peer, cx).and_then(|()| self.settle(&mut peer, cx));
        self.peers[id.slot as usize] = Some(peer);
        if let Err(fault) = outcome {
            self.end(id, fault, cx);
        }
    }

    fn settle(&mut self, peer: &mut Peer, cx: &mut Context<'_>) -> Result<(), Fault> {
        // Half of the bound, so that a slow reader is not paused and resumed for every answer.
        if peer.paused && self.has_room(peer, 2) {
            peer.paused = false;
            self.read(peer, &[], cx)?;
            if !peer.paused && !peer.finished && !self.stopping {
                cx.commands.push(Command::Resume(peer.id));
            }
        }
        if !peer.outbox.is_empty() {
            cx.commands.push(Command::Send(peer.id));
        }
        if peer.finished && peer.is_settled() {
            cx.commands.push(Command::Close(peer.id, Ending::Orderly));
        }
        self.count_buffered(peer)
    }

    /// Whether the peer may send more requests: its bounds, divided.
    fn has_room(&self, peer: &Peer, divisor: usize) -> bool {
        let limits = &self.settings.limits;
        !peer.resting
            && peer.held.is_none()
            && peer.in_flight < limits.in_flight.div_ceil(divisor)
            && peer.output_bytes() + peer.lent_bytes < limits.output_bytes.div_ceil(divisor)
    }

    fn count_buffered(&mut self, peer: &mut Peer) -> Result<(), Fault> {
        let bytes = peer.buffered_bytes();
        let grew = bytes > peer.counted_bytes;
        self.buffered_bytes = self.buffered_bytes - peer.counted_bytes + bytes;
        peer.counted_bytes = bytes;
        let full = self.buffered_bytes as u64 > self.buffered_share();
        if grew && bytes > SMALL_BUFFER_BYTES && full {
            return Err(Fault::BuffersFull);
        }
        Ok(())
    }

    fn end(&mut self, id: ConnectionId, fault: Fault, cx: &mut Context<'_>) {
        let Some(peer) = self.peer(id) else { return };
        let address = peer.address;
        self.counters.fault(fault.label());
        cx.incidents.report(address, Incident::Fault(fault));
        cx.commands.push(Command::Close(id, Ending::Reset));
    }
}

/// The peer of this id, unless it is gone.
fn peer(peers: &mut [Option<Box<Peer>>], id: ConnectionId) -> Option<&mut Peer> {
    let peer = peers.get_mut(id.slot as usize)?.as_deref_mut()?;
    (peer.id == id).then_some(peer)
}

impl std::fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context")
            .field("now_us", &self.now_us)
            .finish_non_exhaustive()
    }
}
