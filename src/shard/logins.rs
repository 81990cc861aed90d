//! Logins as a shard keeps them: which peers may connect, which logins wait and which are too slow,
//! and which connections count as unauthenticated. The logins themselves are the session's.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use super::address_accounts::{AddressAccounts, Excess, PlaceInLine};
use super::peer::{LoginStage, Peer, Slot};
use super::{Context, Incident, Shard, peers, serve};
use crate::access::Rules;
use crate::auth::{Authenticator, Identity};
use crate::connection::{Command, ConnectionId, Ending};
use crate::fault::Fault;
use crate::limits::Limits;
use crate::session::{LoginContext, Received, Session};
use crate::wire::message::{Message, MessageType};

/// What a reload replaces: who may log in, and who may do what.
#[derive(Debug, Default)]
pub struct Policy {
    pub rules: Arc<Rules>,
    /// None where `pacemaker.auth.method` is NONE. Each shard has its own.
    pub authenticator: Option<Authenticator>,
}

/// The first token of a login that waits to be judged.
#[derive(Debug)]
pub(super) struct DeferredLogin {
    body: Vec<u8>,
    place: PlaceInLine,
    /// When it has waited too long.
    deadline_us: u64,
}

impl DeferredLogin {
    pub(super) fn bytes(&self) -> usize {
        self.body.len()
    }
}

#[derive(Debug)]
pub(super) struct Logins {
    pub(super) policy: Policy,
    accounts: Arc<AddressAccounts>,
    /// When the logins under way must be over.
    deadlines: BTreeSet<(u64, ConnectionId)>,
    /// Peers whose login waits for its turn.
    deferred: Vec<ConnectionId>,
    /// False while the shard stops: no login waits.
    defers: bool,
    /// Counts the ticks that tidy the accounts.
    tidy_turn: usize,
    limits: Arc<Limits>,
}

impl Logins {
    /// Lets everyone do everything until the policy is replaced.
    pub(super) fn new(accounts: Arc<AddressAccounts>, limits: Arc<Limits>) -> Logins {
        Logins {
            policy: Policy::default(),
            accounts,
            deadlines: BTreeSet::new(),
            deferred: Vec::new(),
            defers: true,
            tidy_turn: 0,
            limits,
        }
    }

    pub(super) fn new_session(&self) -> Session {
        match self.policy.authenticator {
            Some(_) => Session::with_login(),
            None => Session::without_login(),
        }
    }

    /// Counts a new connection on its address's account.
    ///
    /// # Errors
    /// The address has too many connections, or may not connect at all.
    pub(super) fn admit(&mut self, peer: &mut Peer, now_us: u64) -> Result<(), Fault> {
        let address = peer.address.ip();
        peer.counts_as_unauthenticated = self.policy.authenticator.is_some();
        self.accounts
            .opened(address, peer.counts_as_unauthenticated, now_us)
            .map_err(|excess| match excess {
                Excess::Connections => {
                    Fault::TooManyOfAddress(self.limits.connections_per_address())
                }
                Excess::Unauthenticated => {
                    Fault::TooManyUnauthenticated(self.limits.unauthenticated_per_address)
                }
            })?;
        if self.policy.rules.connect_from.include(address) {
            Ok(())
        } else {
            Err(Fault::AddressNotListed)
        }
    }

    /// The peer has logged in, or may write pulses and has sent one: it no longer counts as
    /// unauthenticated.
    pub(super) fn note_trusted(&mut self, peer: &mut Peer) {
        if std::mem::take(&mut peer.counts_as_unauthenticated) {
            self.accounts.note_trusted(peer.address.ip());
        }
    }

    /// The peer is gone: takes it off its address's account.
    pub(super) fn forget(&mut self, peer: &mut Peer) {
        self.clear_deadline(peer);
        self.note_trusted(peer);
        self.release(peer);
        self.accounts.closed(peer.address.ip());
    }

    /// Whether the message is a login's first token that has to wait, because other logins of its
    /// address have failed.
    pub(super) fn must_defer(&self, peer: &Peer, message: &Message<'_>, now_us: u64) -> bool {
        message.kind == MessageType::SaslMessageToken
            && self.defers
            && peer.session.may_log_in()
            && matches!(peer.login, LoginStage::NoToken)
            && !self.accounts.may_log_in(peer.address.ip(), now_us)
    }

    /// Keeps the message until its address may log in again.
    ///
    /// # Errors
    /// It is too large, or too many logins of its address wait already.
    pub(super) fn defer_login(
        &mut self,
        peer: &mut Peer,
        body: &[u8],
        now_us: u64,
    ) -> Result<(), Fault> {
        if body.len() as u64 > self.limits.handshake_bytes {
            return Err(Fault::LoginTooLarge(self.limits.handshake_bytes));
        }
        let Some(place) = self.accounts.try_defer(peer.address.ip()) else {
            return Err(Fault::LoginThrottled(self.limits.failed_logins));
        };
        peer.login = LoginStage::Deferred(Box::new(DeferredLogin {
            body: body.to_vec(),
            place,
            deadline_us: now_us + self.limits.handshake_deadline.as_micros() as u64,
        }));
        self.deferred.push(peer.id);
        self.clear_deadline(peer);
        Ok(())
    }

    /// Takes the deferred login of a peer, if it has one; the peer's next token is judged.
    fn release(&mut self, peer: &mut Peer) -> Option<Box<DeferredLogin>> {
        match std::mem::replace(&mut peer.login, LoginStage::Judged) {
            LoginStage::Deferred(login) => {
                self.accounts.undefer(peer.address.ip(), login.place);
                Some(login)
            }
            LoginStage::NoToken | LoginStage::Judged => None,
        }
    }

    /// Hands a message to the peer's session, which knows what it is.
    pub(super) fn receive<'a>(
        &mut self,
        peer: &mut Peer,
        message: Message<'a>,
        now_us: u64,
    ) -> Result<Received<'a>, Fault> {
        if message.kind == MessageType::SaslMessageToken {
            peer.login = LoginStage::Judged;
        }
        let was_logging_in = peer.session.is_logging_in();
        let login = LoginContext {
            authenticator: self.policy.authenticator.as_ref(),
            max_bytes: self.limits.handshake_bytes,
            out: peer.outbox.text(),
        };
        let received = peer.session.receive(message, login);
        if let Err(Fault::LoginFailed(_)) = received {
            self.accounts.login_failed(peer.address.ip(), now_us);
        }
        let received = received?;
        match (was_logging_in, peer.session.is_logging_in()) {
            (false, true) => self.set_deadline(peer, now_us),
            (true, false) => self.clear_deadline(peer),
            (false, false) | (true, true) => {}
        }
        Ok(received)
    }

    pub(super) fn logged_in(&mut self, peer: &mut Peer, who: Identity, cx: &mut Context<'_>) {
        self.note_trusted(peer);
        cx.incidents.report(peer.address, Incident::LoggedIn(who));
    }

    fn set_deadline(&mut self, peer: &mut Peer, now_us: u64) {
        self.clear_deadline(peer);
        let deadline_us = now_us + self.limits.handshake_deadline.as_micros() as u64;
        peer.login_deadline_us = Some(deadline_us);
        self.deadlines.insert((deadline_us, peer.id));
    }

    /// No login of the peer is under way, or it waits and has a deadline of its own.
    fn clear_deadline(&mut self, peer: &mut Peer) {
        if let Some(deadline_us) = peer.login_deadline_us.take() {
            self.deadlines.remove(&(deadline_us, peer.id));
        }
    }
}

impl Shard {
    /// Takes over new credentials and rules. Peers that have logged in stay so; the new rules decide
    /// on requests from now on. Returns the old policy, which may take a while to drop.
    pub fn set_policy(&mut self, policy: Policy) -> Policy {
        std::mem::replace(&mut self.peers.logins.policy, policy)
    }

    /// Judges deferred logins whose turn has come, and ends logins that have taken too long.
    pub(super) fn tick_logins(&mut self, cx: &mut Context<'_>) {
        self.end_slow_logins(cx);
        let logins = &mut self.peers.logins;
        logins.accounts.tidy(logins.tidy_turn, cx.now_us);
        logins.tidy_turn = logins.tidy_turn.wrapping_add(1);
        for id in std::mem::take(&mut self.peers.logins.deferred) {
            self.try_deferred(id, cx);
        }
    }

    fn end_slow_logins(&mut self, cx: &mut Context<'_>) {
        let Shard { peers, engine } = self;
        let (slots, logins) = (&mut peers.slots, &mut peers.logins);
        while let Some((deadline_us, id)) = logins.deadlines.first().copied()
            && deadline_us <= cx.now_us
        {
            logins.deadlines.pop_first();
            if let Some(Slot { peer, .. }) = slots.get_mut(id) {
                peer.login_deadline_us = None;
                let fault = Fault::LoginTooSlow(logins.limits.handshake_deadline);
                peers::end(peer, fault, engine, cx);
            }
        }
    }

    fn try_deferred(&mut self, id: ConnectionId, cx: &mut Context<'_>) {
        let Shard { peers, engine } = self;
        let logins = &mut peers.logins;
        let Some(Slot { peer, .. }) = peers.slots.get_mut(id) else {
            return;
        };
        let LoginStage::Deferred(login) = &peer.login else {
            return;
        };
        let address = peer.address.ip();
        if logins.accounts.is_its_turn(address, login.place, cx.now_us) {
            let Some(login) = logins.release(peer) else {
                return;
            };
            if peer.session.is_logging_in() {
                logins.set_deadline(peer, cx.now_us);
            }
            match serve::serve_frame(&login.body, peer, logins, engine, cx) {
                Ok(()) => self.advance(id, &[], cx),
                Err(fault) => peers::end(peer, fault, engine, cx),
            }
        } else if login.deadline_us <= cx.now_us {
            let fault = Fault::LoginThrottled(logins.limits.failed_logins);
            peers::end(peer, fault, engine, cx);
        } else {
            logins.deferred.push(id);
        }
    }

    /// Ends peers whose logins wait, and lets no other login wait: the shard stops, and owes them no
    /// answer.
    pub(super) fn drop_deferred_logins(&mut self, cx: &mut Context<'_>) {
        let peers = &mut self.peers;
        peers.logins.defers = false;
        for id in std::mem::take(&mut peers.logins.deferred) {
            if let Some(Slot { peer, .. }) = peers.slots.get_mut(id)
                && peers.logins.release(peer).is_some()
            {
                cx.commands.push(Command::Close(id, Ending::Reset));
            }
        }
    }
}

/// A peer's address as rules and accounts see it: an IPv4 peer of an IPv6 socket is an IPv4 peer.
pub(super) fn canonical(mut address: std::net::SocketAddr) -> std::net::SocketAddr {
    let ip: IpAddr = address.ip().to_canonical();
    address.set_ip(ip);
    address
}
