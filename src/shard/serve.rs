//! The way of a pulse: bytes → frame → message → request → allowed? → owner → store → answer.
//!
//! `serve_frame` is that way, from top to bottom. `advance` is around it: which frames are served
//! now (`serve_frames`), and what the event loop has to do afterwards (`push_commands`).

use std::sync::Arc;

use super::engine::Engine;
use super::logins::Logins;
use super::mailbox::{FORWARDED_BYTES, ForwardedReply, ReplyTarget, RequestMeta};
use super::peer::{PauseReason, Peer, Reading, Room, Slot};
use super::scans::{Assembly, Part, PartScan, ScanStage, ScanTarget, Slice, Task, WaitingScan};
use super::warm_up::KEPT_BYTES;
use super::work::{KeyWork, Outcome, Route, Scan};
use super::{Context, Shard, peers};
use crate::access::{self, RequestKind, Rules, account_of};
use crate::connection::{Command, ConnectionId, Ending};
use crate::fault::{Fault, Refusal};
use crate::limits::{
    Limits, MAILBOX_BURST, SLICE_NODES, SMALL_SLICE_BYTES, SMALL_SLICES,
    UNAUTHENTICATED_FRAME_DIVISOR,
};
use crate::session::{Received, Request};
use crate::wire::message;

impl Shard {
    /// Goes on with a peer: serves the requests that its bytes complete and those that have waited,
    /// as far as it has room for their answers. Then tells the event loop to send, to read or to
    /// close.
    pub(super) fn advance(&mut self, id: ConnectionId, bytes: &[u8], cx: &mut Context<'_>) {
        let Shard { peers, engine } = self;
        let Some(slot) = peers.slots.get_mut(id) else {
            return; // gone already
        };
        let was_reading = slot.peer.reading;
        let congested = peers.buffers.is_congested();
        let frames = match serve_frames(slot, bytes, congested, &mut peers.logins, engine, cx) {
            Ok(frames) => frames,
            Err(fault) => {
                peers::end(&slot.peer, fault, engine, cx);
                return;
            }
        };
        push_commands(&slot.peer, was_reading, peers.stopping, cx);
        let counted = peers.buffers.recount(slot, cx.now_us);
        if slot.peer.partial_frame.is_some() || slot.reader.buffered_bytes() > 0 {
            peers.watch_frame(id, frames > 0, cx.now_us);
        }
        if congested {
            peers.note_congested(id);
        }
        if let Err(full) = counted {
            self.make_room(id, full, cx);
        }
    }

    /// Begins a wake: goes on with what the last one has left, and exchanges messages with other shards. Does
    /// what they ask, and answers our peers with what they reply. Then sends what waits for room, and rings.
    pub fn exchange_messages(&mut self, cx: &mut Context<'_>) {
        self.engine.wake.begin();
        self.engine.warm_up.refresh(cx.now_us);
        while let Some(id) = self.engine.wake.next_waiting() {
            if let Some(Slot { peer, .. }) = self.peers.slots.get_mut(id) {
                peer.waits_for_wake = false;
                self.advance(id, &[], cx);
            }
        }
        for _ in 0..MAILBOX_BURST {
            let served = self.engine.serve_forwarded(cx.now_us);
            if !self.take_reply(cx) && !served {
                break;
            }
        }
        self.release_reads(cx);
        self.end_congestion(cx);
        self.continue_scans(cx);
        self.engine.store.continue_compaction(SLICE_NODES);
        let mailbox = &mut self.engine.mailbox;
        mailbox.send_waiting();
        mailbox.take_bells(|shard| cx.commands.push(Command::RingBell(shard)));
    }

    /// Answers a peer with the next reply of another shard. False if there is none.
    fn take_reply(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(reply) = self.engine.mailbox.next_reply() else {
            return false;
        };
        match reply {
            ForwardedReply::Key {
                target,
                path,
                outcome,
                in_transit,
            } => {
                self.deliver(&target, &path, outcome, cx);
                drop(in_transit); // from here on it is on its peer's account
            }
            ForwardedReply::Part {
                merge_id,
                part,
                in_transit,
            } => {
                self.take_part(merge_id, part, cx);
                drop(in_transit);
            }
        }
        true
    }

    /// Answers a request that was forwarded, or kept.
    pub(super) fn deliver(
        &mut self,
        target: &ReplyTarget,
        path: &str,
        outcome: Outcome,
        cx: &mut Context<'_>,
    ) {
        let Shard { peers, engine } = self;
        let Some(Slot { peer, .. }) = peers.slots.get_mut(target.id) else {
            peers.buffers.replied_to_orphan(target);
            return;
        };
        peer.replied(target);
        let is_awaited = engine.close_read(peer, target, &outcome);
        if is_awaited && !matches!(outcome, Outcome::Withdrawn) {
            engine.answer(peer, path, target.meta, outcome, cx);
        }
        self.advance(target.id, &[], cx);
    }

    /// Begins scans that have waited for their turn, and gives those under way a slice: one large slice
    /// in a wake, or some small ones. Other requests come in between.
    fn continue_scans(&mut self, cx: &mut Context<'_>) {
        for _ in 0..SMALL_SLICES {
            let slots = &mut self.peers.slots;
            self.engine
                .begin_scans(|id| slots.get_mut(id)?.peer.begin_scan());
            let was_small = match self.engine.scans.next_task() {
                None => false,
                Some(Task::Part {
                    from,
                    merge_id,
                    scan,
                }) => self.continue_part(scan, from, merge_id, cx),
                Some(Task::Assembly { merge_id, assembly }) => {
                    self.continue_assembly(merge_id, assembly, cx)
                }
            };
            if !was_small {
                break;
            }
        }
    }

    /// True if the part is finished, and was small.
    fn continue_part(
        &mut self,
        scan: PartScan,
        from: usize,
        merge_id: u32,
        cx: &mut Context<'_>,
    ) -> bool {
        let Some(part) = self.engine.continue_part(scan, from, merge_id) else {
            return false;
        };
        let was_small = part.is_small();
        if from == self.engine.index() {
            self.take_part(merge_id, part, cx);
        } else {
            self.engine.mailbox.send_part(from, merge_id, part);
        }
        was_small
    }

    /// Takes a part of a scan of one of our peers. With the last one the answer is assembled.
    fn take_part(&mut self, merge_id: u32, part: Part, cx: &mut Context<'_>) {
        let limit = self.engine.limits.frame_bytes.into();
        let target = self.engine.scans.target(merge_id);
        let whole = self.engine.scans.add_part(merge_id, part, limit);
        let Some(target) = target else {
            return; // the peer is gone
        };
        let Some(whole) = whole else {
            let bytes = self.engine.scans.bytes(merge_id);
            self.count_scan(target, bytes, cx);
            return;
        };
        match Assembly::begin(whole, target.meta.message_id, limit) {
            Ok(assembly) => {
                let bytes = assembly.bytes();
                self.engine.scans.assemble(merge_id, assembly);
                self.count_scan(target, bytes, cx);
            }
            Err(outcome) => self.answer_scan(merge_id, target, outcome, cx),
        }
    }

    /// True if the answer is finished, and was small.
    fn continue_assembly(
        &mut self,
        merge_id: u32,
        assembly: Assembly,
        cx: &mut Context<'_>,
    ) -> bool {
        let Some(target) = self.engine.scans.target(merge_id) else {
            return false;
        };
        let limit = self.engine.limits.frame_bytes.into();
        match assembly.slice(target.meta.message_id, limit) {
            Slice::More(assembly) => {
                let bytes = assembly.bytes();
                self.engine.scans.assemble(merge_id, assembly);
                self.count_scan(target, bytes, cx);
                false
            }
            Slice::Finished(outcome) => {
                let was_small = match &outcome {
                    Outcome::Scanned(frame) => frame.len() <= SMALL_SLICE_BYTES,
                    _ => false,
                };
                self.answer_scan(merge_id, target, outcome, cx);
                was_small
            }
        }
    }

    /// Puts what a scan holds on its peer's account.
    fn count_scan(&mut self, target: ScanTarget, bytes: usize, cx: &mut Context<'_>) {
        let peers = &mut self.peers;
        let Some(slot) = peers.slots.get_mut(target.id) else {
            return;
        };
        slot.peer.scan = ScanStage::UnderWay { bytes };
        if let Err(full) = peers.buffers.recount(slot, cx.now_us) {
            self.make_room(target.id, full, cx);
        }
    }

    fn answer_scan(
        &mut self,
        merge_id: u32,
        target: ScanTarget,
        outcome: Outcome,
        cx: &mut Context<'_>,
    ) {
        self.engine.scans.end(merge_id);
        if let Some(Slot { peer, .. }) = self.peers.slots.get_mut(target.id) {
            peer.scan = ScanStage::None;
            // The answer to a scan does not repeat its path.
            self.engine.answer(peer, "", target.meta, outcome, cx);
            self.advance(target.id, &[], cx);
        }
    }
}

/// Serves frame after frame, until none is whole or the peer has no room for another answer. Returns
/// how many that were. `congested`: no request is to be served now.
fn serve_frames(
    slot: &mut Slot,
    mut bytes: &[u8],
    congested: bool,
    logins: &mut Logins,
    engine: &mut Engine,
    cx: &mut Context<'_>,
) -> Result<usize, Fault> {
    let Slot { reader, peer } = slot;
    match peer.reading {
        Reading::Open if bytes.is_empty() => return Ok(0),
        Reading::Open => {}
        Reading::Finished => return Ok(0),
        Reading::Paused(_) | Reading::Finishing(_) => {
            if congested || peer.pause_reason(&engine.limits, Room::Half).is_some() {
                reader.push(bytes);
                return Ok(0);
            }
        }
    }
    let mut frames = 0;
    loop {
        let congestion = congested.then_some(PauseReason::Congested);
        if let Some(reason) = congestion.or_else(|| pause_reason(peer, engine, frames)) {
            reader.push(bytes);
            peer.reading = peer.reading.paused(reason);
            return Ok(frames);
        }
        reader.set_max_body_bytes(max_frame_bytes(peer, &engine.limits));
        match reader.next_from(&mut bytes) {
            Some(frame) => {
                let body = frame.map_err(Fault::Frame)?;
                engine.wake.note_frame(body.len());
                serve_frame(body, peer, logins, engine, cx)?;
                frames += 1;
            }
            None => {
                peer.reading = peer.reading.resumed();
                return Ok(frames);
            }
        }
    }
}

/// Why the peer's next request has to wait, if it has to. `served` is how many of this piece were served.
fn pause_reason(peer: &mut Peer, engine: &mut Engine, served: usize) -> Option<PauseReason> {
    let reason = peer.pause_reason(&engine.limits, Room::Any);
    if reason.is_some() {
        return reason;
    }
    let served = if peer.waits_for_wake {
        usize::MAX
    } else {
        served
    };
    if !engine.wake.is_done_for(served) {
        return None;
    }
    if !std::mem::replace(&mut peer.waits_for_wake, true) {
        engine.wake.wait(peer.id);
    }
    Some(PauseReason::NextWake)
}

/// The largest frame that the peer may send, in bytes of its body. Where a login is offered it is smaller
/// until the peer has logged in or sent a pulse that the rules allow.
fn max_frame_bytes(peer: &Peer, limits: &Limits) -> u32 {
    if peer.counts_as_unauthenticated {
        limits.frame_bytes / UNAUTHENTICATED_FRAME_DIVISOR
    } else {
        limits.frame_bytes
    }
}

/// What the event loop has to do for the peer.
fn push_commands(peer: &Peer, was_reading: Reading, stopping: bool, cx: &mut Context<'_>) {
    match (was_reading, peer.reading) {
        (Reading::Open, Reading::Paused(_)) => cx.commands.push(Command::Pause(peer.id)),
        (Reading::Paused(_), Reading::Open) if !stopping => {
            cx.commands.push(Command::Resume(peer.id));
        }
        _ => {}
    }
    if !peer.outbox.is_empty() {
        cx.commands.push(Command::Send(peer.id));
    }
    if peer.reading == Reading::Finished && peer.is_settled() {
        cx.commands.push(Command::Close(peer.id, Ending::Orderly));
    }
}

/// One frame in; its answer, or its messages to other shards, out.
pub(super) fn serve_frame(
    body: &[u8],
    peer: &mut Peer,
    logins: &mut Logins,
    engine: &mut Engine,
    cx: &mut Context<'_>,
) -> Result<(), Fault> {
    let message = message::decode_request(body).map_err(Fault::Decode)?;
    if logins.must_defer(peer, &message, cx.now_us) {
        logins.defer_login(peer, body, cx.now_us)?;
        engine.counters.logins_deferred += 1;
        return Ok(());
    }
    let request = match logins.receive(peer, message, cx.now_us)? {
        Received::Request(request) => request,
        Received::LoginStep => {
            engine.wake.note_login();
            return Ok(());
        }
        Received::LoggedIn(who) => {
            engine.wake.note_login();
            engine.counters.logins += 1;
            logins.logged_in(peer, who, cx);
            return Ok(());
        }
    };
    engine.wake.note_details(request.details.len());
    engine.requests.count(request.kind);
    peer.last_request = Some(request.kind);
    if request.kind.is_read() {
        engine.pace.note_read(cx.now_us);
    }
    let meta = RequestMeta {
        message_id: request.message_id,
        kind: request.kind,
        received_us: peer.received_us,
    };
    if let Err(refusal) = allowed(peer, &request, &logins.policy.rules, &engine.limits) {
        let outcome = Outcome::Refused(refusal);
        engine.answer(peer, &request.path, meta, outcome, cx);
        return Ok(());
    }
    match request.kind {
        RequestKind::SendPulse => {
            logins.note_trusted(peer);
            engine.warm_up.note_request(cx.now_us);
        }
        RequestKind::GetPulse | RequestKind::GetAllNodesForPath => {
            engine.warm_up.note_request(cx.now_us);
        }
        _ => {}
    }
    if peer.open_reads > 0 && engine.is_repeat(peer, &request, cx.now_us) {
        return Ok(());
    }
    match engine.route(&request) {
        Route::Nothing => {
            engine.answer(peer, &request.path, meta, Outcome::PathCreated, cx);
        }
        Route::Here(KeyWork::Get { hash }) if engine.may_wait(peer) => {
            serve_own_read(&request.path, hash, meta, peer, engine, cx);
        }
        Route::Here(work) => {
            let outcome = engine.execute(&request.path, work, cx.now_us);
            engine.answer(peer, &request.path, meta, outcome, cx);
        }
        Route::At(owner, work) => {
            let path = Arc::from(&*request.path);
            let bytes = FORWARDED_BYTES + request.path.len() + request.details.len();
            let target = match work {
                KeyWork::Get { hash } if engine.may_wait(peer) => {
                    let key = (&path, hash, owner);
                    engine.open_read(peer, meta, key, bytes + KEPT_BYTES, cx.now_us)
                }
                _ => peer.forwarded(meta, bytes),
            };
            engine.forward(owner, target, path, work);
        }
        Route::Everywhere(scan) => {
            if let Scan::List = scan {
                engine.note_list(peer, &request.path);
            }
            let path = Arc::from(&*request.path);
            peer.scan = ScanStage::Waiting(Box::new(WaitingScan { meta, scan, path }));
            let address = account_of(peer.address.ip(), engine.limits.ipv6_prefix);
            engine.scans.enqueue(peer.id, address);
        }
    }
    Ok(())
}

/// A read of one of our keys in the warm-up: it is answered at once, or kept.
fn serve_own_read(
    path: &str,
    hash: u64,
    meta: RequestMeta,
    peer: &mut Peer,
    engine: &mut Engine,
    cx: &mut Context<'_>,
) {
    if engine.must_wait(path, hash) {
        let bytes = FORWARDED_BYTES + KEPT_BYTES + path.len();
        let (path, owner) = (Arc::from(path), engine.index());
        let target = engine.open_read(peer, meta, (&path, hash, owner), bytes, cx.now_us);
        engine.keep_read(owner, path, hash, target);
    } else {
        let outcome = engine.execute(path, KeyWork::Get { hash }, cx.now_us);
        engine.note_read(peer, &outcome);
        engine.answer(peer, path, meta, outcome, cx);
    }
}

/// Whether the peer has the right to this request, and the request keeps within the limits.
fn allowed(
    peer: &Peer,
    request: &Request<'_>,
    rules: &Rules,
    limits: &Limits,
) -> Result<(), Refusal> {
    let (login, from) = (peer.session.login_status(), peer.address.ip());
    access::decide(rules, request.kind, login, from, &request.path).map_err(Refusal::Access)?;
    let bytes = request.path.len();
    if bytes as u64 > limits.path_bytes {
        return Err(Refusal::PathTooLong {
            bytes,
            limit: limits.path_bytes,
        });
    }
    // The frame that a reader of the pulse gets is a little longer than the one it arrived in.
    let answer_bytes = message::pulse_body_len(bytes, Some(request.details.len()));
    if answer_bytes > u64::from(limits.frame_bytes) {
        return Err(Refusal::AnswerTooLarge {
            bytes: answer_bytes,
            limit: limits.frame_bytes.into(),
        });
    }
    let slashes = request.path.bytes().filter(|byte| *byte == b'/').count();
    if slashes as u64 > limits.path_depth {
        return Err(Refusal::PathTooDeep {
            limit: limits.path_depth,
        });
    }
    Ok(())
}
