//! One connection as its shard sees it: what it has shown of itself, what it is owed, and what it
//! makes us hold.

use std::net::SocketAddr;

use super::logins::DeferredLogin;
use super::mailbox::{ReplyTarget, RequestMeta};
use super::scans::{ScanStage, WaitingScan};
use super::warm_up::Pass;
use crate::access::RequestKind;
use crate::connection::{ConnectionId, Outbox};
use crate::limits::Limits;
use crate::session::Session;
use crate::wire::FrameReader;

/// A connection's place in the slab. The reader stands beside the peer, so that a frame borrowed from
/// the one can be served to the other.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) reader: FrameReader,
    pub(super) peer: Peer,
}

#[derive(Debug)]
pub(super) struct Peer {
    pub(super) id: ConnectionId,
    pub(super) address: SocketAddr,
    pub(super) session: Session,
    pub(super) login: LoginStage,
    pub(super) reading: Reading,
    /// It is among those that go on in the next wake.
    pub(super) waits_for_wake: bool,
    pub(super) outbox: Outbox,
    /// Bytes that the event loop has taken and not yet sent.
    pub(super) unsent_bytes: usize,
    /// Bytes of memory that the event loop holds for them.
    pub(super) unsent_memory_bytes: usize,
    /// Requests that other shards have not answered yet.
    pub(super) in_flight: usize,
    /// Bytes of its requests in other shards' mailboxes.
    pub(super) forwarded_bytes: usize,
    /// Its list, records or deletion of a path: the next request waits for it.
    pub(super) scan: ScanStage,
    /// Its reads that may be kept until their pulses come.
    pub(super) open_reads: usize,
    pub(super) pass: Pass,
    /// When its bytes last arrived, or it was opened.
    pub(super) received_us: u64,
    pub(super) last_request: Option<RequestKind>,
    /// Set while it does not take its answers as fast as they are sent.
    pub(super) blocked: Option<Blocked>,
    /// It is one of its address's unauthenticated connections.
    pub(super) counts_as_unauthenticated: bool,
    /// When its login must be over, if one is under way and does not wait.
    pub(super) login_deadline_us: Option<u64>,
    /// Set while a part of a frame has arrived, and its peer is read from.
    pub(super) partial_frame: Option<PartialFrame>,
    /// Since when it holds more than a small buffer.
    pub(super) holds_since_us: Option<u64>,
    /// Its requests wait until other shards have answered those of peers that are gone.
    pub(super) is_congested: bool,
    /// It is to be closed because of what it holds.
    pub(super) is_being_ended: bool,
    /// Its share of the shard's buffered bytes, as last counted.
    pub(super) counted_bytes: usize,
}

/// What becomes of a peer's bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Reading {
    /// They are served as they arrive.
    Open,
    /// They wait, here and in the socket, until there is room for another request.
    Paused(PauseReason),
    /// The peer has sent its FIN while it was paused: what it had asked for before still waits.
    Finishing(PauseReason),
    /// The peer has sent its FIN, and every request of it has been taken.
    Finished,
}

impl Reading {
    /// The peer has no room for another request.
    pub(super) fn paused(self, reason: PauseReason) -> Reading {
        match self {
            Reading::Open | Reading::Paused(_) => Reading::Paused(reason),
            Reading::Finishing(_) | Reading::Finished => Reading::Finishing(reason),
        }
    }

    /// Every whole request has been taken.
    pub(super) fn resumed(self) -> Reading {
        match self {
            Reading::Open | Reading::Paused(_) => Reading::Open,
            Reading::Finishing(_) | Reading::Finished => Reading::Finished,
        }
    }

    /// The peer has sent its FIN.
    pub(super) fn finished(self) -> Reading {
        match self {
            Reading::Open | Reading::Finished => Reading::Finished,
            Reading::Paused(reason) | Reading::Finishing(reason) => Reading::Finishing(reason),
        }
    }
}

/// Why a peer's next request waits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum PauseReason {
    AwaitingScan,
    LoginDeferred,
    /// `limits.in_flight` requests wait for other shards.
    InFlight,
    /// `limits.output` bytes of answers and forwarded pulses are under way.
    Output,
    /// This wake has served enough.
    NextWake,
    /// Other shards have to answer requests of peers that are gone.
    Congested,
}

/// Where the first token of a peer's login is.
#[derive(Debug)]
pub(super) enum LoginStage {
    /// None has arrived.
    NoToken,
    /// It waits, because other logins of the peer's address have failed.
    Deferred(Box<DeferredLogin>),
    /// The session has had it.
    Judged,
}

/// What a peer that does not take its answers is measured by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Blocked {
    /// When it last took bytes.
    pub(super) progress_us: u64,
    /// Bytes that its host had not acknowledged when we last looked.
    pub(super) unacknowledged_bytes: usize,
}

/// A frame that is not whole yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct PartialFrame {
    /// When its first byte arrived.
    pub(super) begun_us: u64,
    /// When we look at it again: its key in the shard's list.
    pub(super) check_us: u64,
}

/// How much of a peer's limits must be free before its next request is taken.
#[derive(Clone, Copy, Debug)]
pub(super) enum Room {
    /// Anything at all.
    Any,
    /// Half, so that a slow reader is not paused and resumed for every answer.
    Half,
}

impl Peer {
    pub(super) fn new(id: ConnectionId, address: SocketAddr, session: Session) -> Peer {
        Peer {
            id,
            address,
            session,
            login: LoginStage::NoToken,
            reading: Reading::Open,
            waits_for_wake: false,
            outbox: Outbox::default(),
            unsent_bytes: 0,
            unsent_memory_bytes: 0,
            in_flight: 0,
            forwarded_bytes: 0,
            scan: ScanStage::None,
            open_reads: 0,
            pass: Pass::default(),
            received_us: 0,
            last_request: None,
            blocked: None,
            counts_as_unauthenticated: false,
            login_deadline_us: None,
            partial_frame: None,
            holds_since_us: None,
            is_congested: false,
            is_being_ended: false,
            counted_bytes: 0,
        }
    }

    /// Bytes of answers that it has not taken.
    pub(super) fn output_bytes(&self) -> usize {
        self.outbox.len() + self.unsent_bytes
    }

    /// Bytes of our memory that it makes us hold, besides what its reader keeps.
    pub(super) fn held_bytes(&self) -> usize {
        let deferred_bytes = match &self.login {
            LoginStage::Deferred(login) => login.bytes(),
            LoginStage::NoToken | LoginStage::Judged => 0,
        };
        self.outbox.memory_bytes()
            + self.unsent_memory_bytes
            + self.forwarded_bytes
            + self.scan.bytes()
            + self.session.login_bytes()
            + deferred_bytes
    }

    /// Why the peer's next request has to wait, if it has to.
    pub(super) fn pause_reason(&self, limits: &Limits, room: Room) -> Option<PauseReason> {
        let divisor = match room {
            Room::Any => 1,
            Room::Half => 2,
        };
        if self.has_scan() {
            Some(PauseReason::AwaitingScan)
        } else if matches!(self.login, LoginStage::Deferred(_)) {
            Some(PauseReason::LoginDeferred)
        } else if self.in_flight >= limits.in_flight.div_ceil(divisor) {
            Some(PauseReason::InFlight)
        } else if self.output_bytes() + self.forwarded_bytes
            >= limits.output_bytes.div_ceil(divisor)
        {
            Some(PauseReason::Output)
        } else {
            None
        }
    }

    /// Nothing is owed, and nothing waits.
    pub(super) fn is_settled(&self) -> bool {
        self.in_flight == 0
            && !self.has_scan()
            && self.output_bytes() == 0
            && matches!(self.reading, Reading::Open | Reading::Finished)
    }

    fn has_scan(&self) -> bool {
        !matches!(self.scan, ScanStage::None)
    }

    /// A request goes to another shard, where it takes `bytes` of memory. They are on the peer's
    /// account until `replied`.
    pub(super) fn forwarded(&mut self, meta: RequestMeta, bytes: usize) -> ReplyTarget {
        self.in_flight += 1;
        self.forwarded_bytes += bytes;
        ReplyTarget {
            id: self.id,
            meta,
            forwarded_bytes: bytes,
            ticket: None,
        }
    }

    /// A forwarded request is about to be answered.
    pub(super) fn replied(&mut self, target: &ReplyTarget) {
        self.in_flight -= 1;
        self.forwarded_bytes -= target.forwarded_bytes;
    }

    /// Takes the scan that waits to begin.
    pub(super) fn begin_scan(&mut self) -> Option<Box<WaitingScan>> {
        match std::mem::replace(&mut self.scan, ScanStage::UnderWay { bytes: 0 }) {
            ScanStage::Waiting(waiting) => Some(waiting),
            stage => {
                self.scan = stage;
                None
            }
        }
    }
}
