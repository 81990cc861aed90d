//! What requests, pulses and ends of connections do to reads that wait.

use std::sync::Arc;

use super::kept::Place;
use super::{Phase, Ticket, WarmUpProgress};
use crate::access::RequestKind;
use crate::connection::ConnectionId;
use crate::limits::{GIVEN_UP_A_TICK, MAILBOX_BURST};
use crate::session::Request;
use crate::shard::engine::Engine;
use crate::shard::mailbox::{ForwardedWork, ReplyTarget, RequestMeta};
use crate::shard::peer::{Peer, Slot};
use crate::shard::work::{KeyWork, Outcome};
use crate::shard::{Context, Shard};

impl Engine {
    // ── The peer's side ──────────────────────────────────────────────────────────────────────────

    /// Whether the request is a repeat of a read that waits: then there is nothing more to do. Any other request
    /// with the id of such a read shows that the client has given that up.
    pub(in crate::shard) fn is_repeat(
        &mut self,
        peer: &mut Peer,
        request: &Request<'_>,
        now_us: u64,
    ) -> bool {
        let message_id = request.message_id;
        let Some(read) = self.warm_up.open.get(peer.id, message_id) else {
            return false;
        };
        if request.kind == RequestKind::GetPulse && *read.path == *request.path {
            self.warm_up.open.renew(peer.id, message_id, now_us);
            return true;
        }
        self.withdraw(peer, message_id);
        false
    }

    /// Whether reads of this peer may be kept.
    pub(in crate::shard) fn may_wait(&self, peer: &Peer) -> bool {
        self.warm_up.is_on() && !peer.pass.is_complete(self.warm_up.began_us)
    }

    /// A read of a peer has its answer.
    pub(in crate::shard) fn note_read(&self, peer: &mut Peer, outcome: &Outcome) {
        let was_found = matches!(outcome, Outcome::Pulse(Some(_)));
        peer.pass.note_read(was_found, self.warm_up.began_us);
    }

    /// A peer lists this path.
    pub(in crate::shard) fn note_list(&self, peer: &mut Peer, path: &str) {
        let waits = peer.open_reads > 0;
        peer.pass.note_list(path, waits, self.warm_up.began_us);
    }

    /// A read of a peer goes to the shard that owns its key, and may be kept there. It takes `bytes` of memory.
    pub(in crate::shard) fn open_read(
        &mut self,
        peer: &mut Peer,
        meta: RequestMeta,
        (path, hash, owner): (&Arc<str>, u64, usize),
        bytes: usize,
        now_us: u64,
    ) -> ReplyTarget {
        let key = (peer.id, meta.message_id);
        let open = &mut self.warm_up.open;
        let ticket = open.open(key, path.clone(), hash, owner, now_us);
        peer.open_reads += 1;
        ReplyTarget {
            ticket: Some(ticket),
            ..peer.forwarded(meta, bytes)
        }
    }

    /// A read that was open is about to be answered. False if its client no longer waits for it.
    pub(in crate::shard) fn close_read(
        &mut self,
        peer: &mut Peer,
        target: &ReplyTarget,
        outcome: &Outcome,
    ) -> bool {
        let Some(ticket) = target.ticket else {
            return true;
        };
        let is_open = self.warm_up.open.answered(target, ticket);
        if is_open {
            peer.open_reads -= 1;
            self.note_read(peer, outcome);
        }
        is_open
    }

    /// The client of an open read does not wait for it any more.
    fn withdraw(&mut self, peer: &mut Peer, message_id: i32) {
        let Some(read) = self.warm_up.open.close(peer.id, message_id) else {
            return;
        };
        peer.open_reads -= 1;
        peer.pass.note_read(false, self.warm_up.began_us);
        let (hash, ticket) = (read.hash, read.ticket);
        if read.owner != self.index() {
            let work = ForwardedWork::Withdraw { hash, ticket };
            self.send(read.owner, read.path, work);
        } else if let Some(target) = self.forget_kept(self.index(), hash, ticket) {
            peer.replied(&target);
        }
    }

    /// The peer is gone.
    pub(in crate::shard) fn withdraw_all(&mut self, peer: &mut Peer) {
        while let Some(message_id) = self.warm_up.open.any_of(peer.id) {
            self.withdraw(peer, message_id);
        }
    }

    // ── The owner's side ─────────────────────────────────────────────────────────────────────────

    /// Whether a read of one of our keys has to wait. Remembers that the key was asked for.
    pub(in crate::shard) fn must_wait(&mut self, path: &str, hash: u64) -> bool {
        if !self.warm_up.is_on() {
            return false;
        }
        match self.is_fresh(path, hash) {
            Some(true) => {
                self.warm_up.asked.found(hash);
                return false;
            }
            None if self.is_deleted(path, hash) => return false,
            // Nimbus takes an old value for no sign of life.
            Some(false) | None => {}
        }
        self.warm_up.asked.missing(hash);
        true
    }

    /// Whether a key has been written in this warm-up, if it is stored.
    fn is_fresh(&self, path: &str, hash: u64) -> Option<bool> {
        let written_ms = self.store.written_ms(path, hash)?;
        Some(written_ms >= self.warm_up.began_ms())
    }

    /// Whether a client has deleted the key, or a directory above it, since the start.
    fn is_deleted(&self, path: &str, hash: u64) -> bool {
        let asked = &self.warm_up.asked;
        if !asked.any_deleted() {
            return false;
        }
        let mut above = path.rmatch_indices('/').map(|(at, _)| &path[..at]);
        asked.is_deleted(hash) || above.any(|path| asked.is_deleted(self.hash(path)))
    }

    /// Keeps a read of one of our keys for the shard `from`.
    pub(in crate::shard) fn keep_read(
        &mut self,
        from: usize,
        path: Arc<str>,
        hash: u64,
        target: ReplyTarget,
    ) {
        let ticket = target.ticket.expect("only open reads wait");
        self.counters.kept_reads += 1;
        let place = Place { hash, from, ticket };
        self.warm_up.kept.keep(place, path, target);
    }

    /// A read that was kept is not waited for any more.
    pub(in crate::shard) fn forget_kept(
        &mut self,
        from: usize,
        hash: u64,
        ticket: Ticket,
    ) -> Option<ReplyTarget> {
        let read = self.warm_up.kept.remove(Place { hash, from, ticket })?;
        self.counters.kept_reads_given_up += 1;
        Some(read.target)
    }

    /// A pulse of one of our keys has been stored.
    pub(in crate::shard) fn note_pulse(&mut self, hash: u64) {
        if self.warm_up.kept.count() > 0 {
            self.warm_up.kept.call(hash);
        }
        if self.warm_up.asked.any_missing() {
            self.warm_up.asked.came(hash);
        }
    }

    /// A client deletes one of our keys, or a path that may be one.
    pub(in crate::shard) fn note_deletion(&mut self, path: &str) {
        if self.warm_up.is_on() {
            let hash = self.hash(path.strip_suffix('/').unwrap_or(path));
            self.warm_up.asked.deleted(hash);
            self.warm_up.kept.call(hash);
        }
    }

    /// Answers the next of the reads that need not wait any more.
    fn release_read(&mut self, now_us: u64) -> Option<Released> {
        let kept = &mut self.warm_up.kept;
        let (place, read) = match self.warm_up.phase {
            Phase::On => kept.next_due()?,
            Phase::Ready | Phase::Over | Phase::Stopping => kept.next()?,
        };
        let mut target = read.target;
        // Its time in the server counts from here: the rest was its worker's.
        target.meta.received_us = now_us;
        let outcome = if self.warm_up.phase == Phase::Stopping {
            self.counters.kept_reads_given_up += 1;
            Outcome::Withdrawn
        } else {
            let outcome = self.execute(&read.path, KeyWork::Get { hash: place.hash }, now_us);
            if self.is_fresh(&read.path, place.hash) == Some(true) {
                self.counters.kept_reads_found += 1;
            } else {
                self.counters.kept_reads_missing += 1;
            }
            outcome
        };
        if place.from == self.index() {
            return Some(Released::Ours(target, read.path, outcome));
        }
        self.mailbox
            .send_outcome(place.from, target, read.path, outcome);
        Some(Released::Sent)
    }
}

/// A read that was answered.
enum Released {
    Ours(ReplyTarget, Arc<str>, Outcome),
    /// Its answer is on its way to another shard.
    Sent,
}

impl Shard {
    /// Answers reads whose pulses have come, and all of them when the warm-up is over.
    pub(in crate::shard) fn release_reads(&mut self, cx: &mut Context<'_>) {
        for _ in 0..MAILBOX_BURST {
            match self.engine.release_read(cx.now_us) {
                Some(Released::Ours(target, path, outcome)) => {
                    self.deliver(&target, &path, outcome, cx);
                }
                Some(Released::Sent) => {}
                None => break,
            }
        }
    }

    /// Gives up reads that have waited longer than their clients do, and ends the warm-up when it is over.
    pub(in crate::shard) fn tick_warm_up(&mut self, cx: &mut Context<'_>) {
        self.engine.warm_up.tick(cx.now_us);
        for _ in 0..GIVEN_UP_A_TICK {
            let Some((id, message_id)) = self.engine.warm_up.open.next_overdue(cx.now_us) else {
                break;
            };
            self.give_up_read(id, message_id, cx);
        }
    }

    fn give_up_read(&mut self, id: ConnectionId, message_id: i32, cx: &mut Context<'_>) {
        let Shard { peers, engine } = self;
        if let Some(Slot { peer, .. }) = peers.slots.get_mut(id) {
            engine.withdraw(peer, message_id);
            self.advance(id, &[], cx);
        }
    }

    /// Drops the reads that wait, and those that would: the daemon stops.
    pub(crate) fn drop_waiting_reads(&mut self) {
        self.engine.warm_up.stop();
    }

    pub fn warm_up_progress(&self) -> WarmUpProgress {
        self.engine.warm_up.progress()
    }
}
