//! Logins and guests as a shard keeps them: who may try to log in when, whose time is up, and whose
//! connections count as unauthenticated. The logins themselves are the session's.

use std::net::IpAddr;
use std::sync::Arc;

use super::guests::Excess;
use super::peer::Peer;
use super::{Context, Incident, Shard};
use crate::access::Rules;
use crate::auth::{Authenticator, Identity};
use crate::connection::{Command, ConnectionId, Ending};
use crate::fault::Fault;
use crate::session::{LoginContext, Received, Session};
use crate::wire::message::{Message, MessageType};

/// What a reload replaces: who may log in, and who may do what.
#[derive(Debug, Default)]
pub struct Policy {
    pub rules: Arc<Rules>,
    /// None: `pacemaker.auth.method` is NONE. Of this shard alone.
    pub authenticator: Option<Authenticator>,
}

/// A peer's first token, that waits to be judged.
#[derive(Debug)]
pub(super) struct Held {
    body: Vec<u8>,
    /// When it has waited too long.
    until_us: u64,
}

impl Held {
    pub(super) fn bytes(&self) -> usize {
        self.body.len()
    }
}

impl Shard {
    /// Takes over new credentials and rules, and returns the old ones, whose end may take a while. Who has logged in stays so; requests go by the new rules
    /// from now on.
    pub fn set_policy(&mut self, policy: Policy) -> Policy {
        std::mem::replace(&mut self.policy, policy)
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
        let limits = &self.settings.limits;
        peer.counts_as_guest = self.policy.authenticator.is_some();
        self.guests
            .arrived(address, peer.counts_as_guest, now_us)
            .map_err(|excess| match excess {
                Excess::Connections => Fault::TooManyOfAddress(limits.connections_per_address()),
                Excess::Unauthenticated => {
                    Fault::TooManyUnauthenticated(limits.unauthenticated_per_address)
                }
            })?;
        match self.policy.rules.connect_from.include(address) {
            true => Ok(()),
            false => Err(Fault::AddressNotListed),
        }
    }

    /// The peer has logged in or stored something that it may, or it is gone.
    pub(super) fn no_longer_a_guest(&mut self, peer: &mut Peer) {
        if std::mem::take(&mut peer.counts_as_guest) {
            self.guests.known(peer.address.ip());
        }
    }

    /// The peer is gone: its address has one less of everything.
    pub(super) fn forget(&mut self, peer: &mut Peer) {
        self.no_longer_a_guest(peer);
        self.release(peer);
        self.guests.left(peer.address.ip());
    }

    /// Whether the message is a login's first token, and has to wait since others of its address have
    /// failed. It is kept then.
    pub(super) fn holds_back(
        &mut self,
        peer: &mut Peer,
        message: &Message<'_>,
        body: &[u8],
        now_us: u64,
    ) -> Result<bool, Fault> {
        let is_token = message.kind == MessageType::SaslMessageToken;
        if !is_token || self.stopping || !peer.session.may_log_in() || peer.token_seen {
            return Ok(false);
        }
        let address = peer.address.ip();
        if self.guests.may_try(address, now_us) {
            peer.token_seen = true;
            return Ok(false);
        }
        let limits = &self.settings.limits;
        if body.len() as u64 > limits.handshake_bytes {
            return Err(Fault::LoginTooLarge(limits.handshake_bytes));
        }
        if !self.guests.waits(address) {
            return Err(Fault::LoginThrottled(limits.failed_logins));
        }
        self.counters.logins_held_back += 1;
        peer.held = Some(Box::new(Held {
            body: body.to_vec(),
            until_us: now_us + limits.handshake_deadline.as_micros() as u64,
        }));
        self.held.push(peer.id);
        Ok(true)
    }

    /// Takes the token that was held back, if there is one.
    fn release(&mut self, peer: &mut Peer) -> Option<Box<Held>> {
        let held = peer.held.take()?;
        self.guests.waits_no_more(peer.address.ip());
        Some(held)
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
            bytes: self.settings.limits.handshake_bytes,
            out: peer.outbox.text(),
        };
        let received = peer.session.receive(message, login);
        if let Err(Fault::LoginFailed(_)) = received {
            self.guests.failed(peer.address.ip(), now_us);
        }
        let received = received?;
        if !was_logging_in && peer.session.is_logging_in() {
            self.set_deadline(peer, now_us);
        }
        Ok(received)
    }

    pub(super) fn logged_in(&mut self, peer: &mut Peer, who: Identity, cx: &mut Context<'_>) {
        self.counters.logins += 1;
        self.no_longer_a_guest(peer);
        cx.incidents.report(peer.address, Incident::LoggedIn(who));
    }

    /// Judges tokens whose turn has come, and ends logins whose time is up.
    pub(super) fn tick_logins(&mut self, cx: &mut Context<'_>) {
        // Every login has the same time, so the list is in the order of its ends.
        while let Some((id, until_us)) = self.logging_in.front().copied() {
            // Who waits is not slow; that has an end of its own.
            let is_slow = self.peer(id).is_some_and(|peer| {
                peer.session.is_logging_in()
                    && peer.held.is_none()
                    && peer.login_until_us == until_us
            });
            if is_slow && until_us > cx.now_us {
                break;
            }
            self.logging_in.pop_front();
            if is_slow {
                let deadline = self.settings.limits.handshake_deadline;
                self.end(id, Fault::LoginTooSlow(deadline), cx);
            }
        }
        for id in std::mem::take(&mut self.held) {
            self.try_held(id, cx);
        }
    }

    fn try_held(&mut self, id: ConnectionId, cx: &mut Context<'_>) {
        let Some(peer) = super::peer(&mut self.peers, id) else {
            return;
        };
        let Some(held) = &peer.held else { return };
        if self.guests.may_try(peer.address.ip(), cx.now_us) {
            self.with_peer(id, cx, |shard, peer, cx| {
                let held = shard.release(peer).expect("it has just been there");
                peer.token_seen = true;
                if peer.session.is_logging_in() {
                    shard.set_deadline(peer, cx.now_us);
                }
                shard.frame(peer, &held.body, cx)
            });
        } else if held.until_us <= cx.now_us {
            let limit = self.settings.limits.failed_logins;
            self.end(id, Fault::LoginThrottled(limit), cx);
        } else {
            self.held.push(id);
        }
    }

    fn set_deadline(&mut self, peer: &mut Peer, now_us: u64) {
        let deadline = self.settings.limits.handshake_deadline;
        let until_us = now_us + deadline.as_micros() as u64;
        peer.login_until_us = until_us;
        self.logging_in.push_back((peer.id, until_us));
    }

    /// Nothing more is judged: whoever waits is owed no answer.
    pub(super) fn dismiss_held(&mut self, cx: &mut Context<'_>) {
        for id in std::mem::take(&mut self.held) {
            let Some(mut peer) = self.take_peer(id) else {
                continue;
            };
            if self.release(&mut peer).is_some() {
                cx.commands.push(Command::Close(id, Ending::Reset));
            }
            self.peers[id.slot as usize] = Some(peer);
        }
    }
}

/// A peer's address as rules and accounts take it: an IPv4 peer of an IPv6 socket is an IPv4 peer.
pub(super) fn canonical(mut address: std::net::SocketAddr) -> std::net::SocketAddr {
    let ip: IpAddr = address.ip().to_canonical();
    address.set_ip(ip);
    address
}
