//! Logins and guests as a shard keeps them: who may try to log in when, whose time is up, and whose
//! connections count as unauthenticated. The logins themselves are the session's.

use std::net::IpAddr;
use std::sync::Arc;

use super::guests::Admission;
use super::peer::Peer;
use super::{Context, Incident, Shard};
use crate::access::Rules;
use crate::auth::{Authenticator, Identity};
use crate::connection::ConnectionId;
use crate::fault::Fault;
use crate::session::{LoginContext, Received, Session};
use crate::wire::message::Message;

/// What a reload replaces: who may log in, and who may do what.
#[derive(Debug, Default)]
pub struct Policy {
    pub rules: Arc<Rules>,
    /// None: `pacemaker.auth.method` is NONE. Of this shard alone.
    pub authenticator: Option<Authenticator>,
}

/// A peer's first message of a login, that waits for its turn.
#[derive(Debug)]
pub(super) struct Held {
    body: Vec<u8>,
    until_us: u64,
}

impl Shard {
    /// Takes over new credentials and rules. Who has logged in stays so; requests go by the new rules
    /// from now on.
    pub fn set_policy(&mut self, policy: Policy) {
        self.policy = policy;
    }

    pub(super) fn new_session(&self) -> Session {
        match self.policy.authenticator {
            Some(_) => Session::with_login(),
            None => Session::without_login(),
        }
    }

    /// Whether a new connection may be here, as far as its address is concerned.
    pub(super) fn admit(&mut self, id: ConnectionId, now_us: u64) -> Result<(), Fault> {
        let Some(peer) = super::peer(&mut self.peers, id) else {
            return Ok(());
        };
        let address = peer.address.ip();
        if !self.policy.rules.connect_from.include(address) {
            return Err(Fault::AddressNotListed);
        }
        if self.policy.authenticator.is_some() {
            peer.counts_as_guest = true;
            if !self.guests.arrived(address, now_us) {
                let limit = self.settings.bounds.unauthenticated_per_address;
                return Err(Fault::TooManyUnauthenticated(limit));
            }
        }
        Ok(())
    }

    /// The peer has logged in or done something that it may, or it is gone.
    pub(super) fn no_longer_a_guest(&mut self, peer: &mut Peer) {
        if std::mem::take(&mut peer.counts_as_guest) {
            self.guests.left(peer.address.ip());
        }
    }

    /// Whether the message is one that begins a login, whose turn has not come. It is kept then.
    pub(super) fn holds_back(
        &mut self,
        peer: &mut Peer,
        message: &Message<'_>,
        body: &[u8],
        now_us: u64,
    ) -> Result<bool, Fault> {
        if self.policy.authenticator.is_none() || !peer.session.begins_login(message.kind) {
            return Ok(false);
        }
        if std::mem::take(&mut peer.turn_has_come) {
            return Ok(false);
        }
        let bounds = &self.settings.bounds;
        if body.len() as u64 > bounds.handshake_bytes {
            return Err(Fault::LoginTooLarge(bounds.handshake_bytes));
        }
        match self.guests.attempt(peer.address.ip(), now_us) {
            Admission::Now => Ok(false),
            Admission::Never => Err(Fault::LoginThrottled(bounds.failed_logins)),
            Admission::At(until_us) => {
                self.counters.logins_held_back += 1;
                let body = body.to_vec();
                peer.held = Some(Box::new(Held { body, until_us }));
                self.held.push(peer.id);
                Ok(true)
            }
        }
    }

    /// Hands a message to the peer's session, which knows what it is.
    pub(super) fn receive<'a>(
        &mut self,
        peer: &mut Peer,
        message: Message<'a>,
        now_us: u64,
    ) -> Result<Received<'a>, Fault> {
        let was_logging_in = peer.session.is_logging_in();
        let login = LoginContext {
            authenticator: self.policy.authenticator.as_ref(),
            bytes: self.settings.bounds.handshake_bytes,
            out: peer.outbox.text(),
        };
        let received = peer.session.receive(message, login)?;
        if !was_logging_in && peer.session.is_logging_in() {
            let deadline = self.settings.bounds.handshake_deadline;
            let until_us = now_us + deadline.as_micros() as u64;
            self.logging_in.push_back((peer.id, until_us));
        }
        Ok(received)
    }

    pub(super) fn logged_in(&mut self, peer: &mut Peer, who: Identity, cx: &mut Context<'_>) {
        self.counters.logins += 1;
        self.guests.succeeded(peer.address.ip());
        self.no_longer_a_guest(peer);
        cx.incidents.report(peer.address, Incident::LoggedIn(who));
    }

    /// Begins logins whose turn has come, and ends those whose time is up.
    pub(super) fn tick_logins(&mut self, cx: &mut Context<'_>) {
        // Every login has the same time, so the list is in the order of its ends.
        while let Some((id, until_us)) = self.logging_in.front().copied() {
            let under_way = self
                .peer(id)
                .is_some_and(|peer| peer.session.is_logging_in());
            if under_way && until_us > cx.now_us {
                break;
            }
            self.logging_in.pop_front();
            if under_way {
                let deadline = self.settings.bounds.handshake_deadline;
                self.end(id, Fault::LoginTooSlow(deadline), cx);
            }
        }
        for id in std::mem::take(&mut self.held) {
            let Some(peer) = self.peer(id) else { continue };
            match peer.held.take() {
                None => {}
                Some(held) if held.until_us > cx.now_us => {
                    peer.held = Some(held);
                    self.held.push(id);
                }
                Some(held) => self.with_peer(id, cx, |shard, peer, cx| {
                    peer.turn_has_come = true;
                    shard.frame(peer, &held.body, cx)
                }),
            }
        }
    }

    /// No login begins any more: those that wait will not be answered.
    pub(super) fn forget_held(&mut self, cx: &mut Context<'_>) {
        for id in std::mem::take(&mut self.held) {
            if self.peer(id).is_some_and(|peer| peer.held.take().is_some()) {
                let limit = self.settings.bounds.failed_logins;
                self.end(id, Fault::LoginThrottled(limit), cx);
            }
        }
    }
}

/// A peer's address as rules and accounts take it: an IPv4 peer of an IPv6 socket is an IPv4 peer.
pub(super) fn canonical(mut address: std::net::SocketAddr) -> std::net::SocketAddr {
    let ip: IpAddr = address.ip().to_canonical();
    address.set_ip(ip);
    address
}
