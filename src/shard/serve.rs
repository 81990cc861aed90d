//! The way of a pulse: bytes → frame → message → request → allowed? → owner → store → answer.
//!
//! `serve_frame` is that way, from top to bottom. `advance` is around it: which frames are served
//! now, and what the event loop has to do afterwards.

use super::engine::{Cost, Engine};
use super::logins::Logins;
use super::mailbox::{Forwarded, ReplyTarget, ReplyTo, RequestMeta};
use super::peer::{Peer, Reading, Room, Slot};
use super::work::{Outcome, Route};
use super::{Context, Shard, peers};
use crate::access::{self, RequestKind, Rules};
use crate::connection::{Command, ConnectionId, Ending};
use crate::fault::{Fault, Refusal};
use crate::limits::{Limits, MAILBOX_BURST};
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
        let outcome = read(slot, bytes, &mut peers.logins, engine, cx).and_then(|()| {
            command(&slot.peer, was_reading, peers.stopping, cx);
            peers.buffers.recount(slot)
        });
        if let Err(fault) = outcome {
            peers::end(&slot.peer, fault, engine, cx);
        }
    }

    /// Exchanges messages with other shards: does what they ask, and answers our peers with what
    /// they reply. Then sends what waits for room, and rings.
    pub fn exchange_messages(&mut self, cx: &mut Context<'_>) {
        for _ in 0..MAILBOX_BURST {
            let served = self.engine.serve_forwarded(cx.now_us);
            let replied = self.take_reply(cx);
            // One scan a wake: sockets and other messages come in between.
            if served == Some(Cost::Scan) || (served.is_none() && !replied) {
                break;
            }
        }
        let mailbox = &mut self.engine.mailbox;
        mailbox.send_waiting();
        mailbox.take_bells(|shard| cx.commands.push(Command::RingBell(shard)));
    }

    /// Answers a peer with the next reply of another shard. False if there is none.
    fn take_reply(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(reply) = self.engine.mailbox.next_reply() else {
            return false;
        };
        match reply.reply_to {
            ReplyTo::Peer(target) => self.deliver(target, &reply.path, reply.outcome, cx),
            ReplyTo::Merge { slot } => {
                if let Some((target, outcome)) = self.engine.merges.add(slot, reply.outcome) {
                    self.deliver(target, &reply.path, outcome, cx);
                }
            }
        }
        true
    }

    fn deliver(&mut self, target: ReplyTarget, path: &str, outcome: Outcome, cx: &mut Context<'_>) {
        let Some(Slot { peer, .. }) = self.peers.slots.get_mut(target.id) else {
            return; // gone meanwhile
        };
        peer.replied(target.what);
        self.engine.answer(peer, path, target.meta, outcome, cx);
        self.advance(target.id, &[], cx);
    }
}

/// Serves frame after frame, until none is whole or the peer has no room for another answer.
fn read(
    slot: &mut Slot,
    mut bytes: &[u8],
    logins: &mut Logins,
    engine: &mut Engine,
    cx: &mut Context<'_>,
) -> Result<(), Fault> {
    let Slot { reader, peer } = slot;
    match peer.reading {
        Reading::Open if bytes.is_empty() => return Ok(()),
        Reading::Open => {}
        Reading::Finished => return Ok(()),
        Reading::Paused(_) | Reading::Draining(_) => {
            if peer.pause_reason(&engine.limits, Room::Half).is_some() {
                reader.push(bytes);
                return Ok(());
            }
        }
    }
    loop {
        if let Some(reason) = peer.pause_reason(&engine.limits, Room::Any) {
            reader.push(bytes);
            peer.reading = peer.reading.paused(reason);
            return Ok(());
        }
        match reader.next_from(&mut bytes) {
            Some(frame) => serve_frame(frame.map_err(Fault::Frame)?, peer, logins, engine, cx)?,
            None => {
                peer.reading = peer.reading.resumed();
                return Ok(());
            }
        }
    }
}

/// What the event loop has to do for the peer.
fn command(peer: &Peer, was_reading: Reading, stopping: bool, cx: &mut Context<'_>) {
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
    let message = message::decode(body).map_err(Fault::Decode)?;
    if logins.must_defer(peer, &message, cx.now_us) {
        logins.defer_login(peer, body, cx.now_us)?;
        engine.counters.logins_deferred += 1;
        return Ok(());
    }
    let request = match logins.receive(peer, message, cx.now_us)? {
        Received::Request(request) => request,
        Received::LoginStep => return Ok(()),
        Received::LoggedIn(who) => {
            engine.counters.logins += 1;
            logins.logged_in(peer, who, cx);
            return Ok(());
        }
    };
    engine.requests.count(request.kind);
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
    if request.kind == RequestKind::SendPulse {
        logins.authenticated(peer);
    }
    match engine.route(&request) {
        Route::Nothing => {
            engine.answer(peer, &request.path, meta, Outcome::PathCreated, cx);
        }
        Route::Here(work) => {
            let outcome = engine.execute(&request.path, work, cx.now_us);
            engine.answer(peer, &request.path, meta, outcome, cx);
        }
        Route::At(owner, work) => {
            let details_bytes = request.details.len();
            let target = peer.forwarded(meta, Forwarded::Key { details_bytes });
            engine.forward(owner, target, &request.path, work);
        }
        Route::Everywhere(scan) if engine.is_alone() => {
            peer.awaiting_scan = true; // until the answer is sent
            let outcome = engine.scan(&request.path, scan);
            engine.answer(peer, &request.path, meta, outcome, cx);
        }
        Route::Everywhere(scan) => {
            let target = peer.forwarded(meta, Forwarded::Scan);
            engine.scan_everywhere(target, &request.path, scan);
        }
    }
    Ok(())
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
