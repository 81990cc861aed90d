//! One connection as its shard sees it: what was half received, what is owed and what is queued.

use std::net::SocketAddr;

use super::logins::Held;
use crate::connection::{ConnectionId, Outbox};
use crate::session::Session;
use crate::wire::frame::FrameReader;

#[derive(Debug)]
pub(super) struct Peer {
    pub(super) id: ConnectionId,
    pub(super) address: SocketAddr,
    pub(super) session: Session,
    pub(super) reader: FrameReader,
    pub(super) outbox: Outbox,
    /// Bytes that the event loop has taken and not yet sent.
    pub(super) unsent_bytes: usize,
    /// Requests that other shards have not answered yet.
    pub(super) in_flight: usize,
    /// Bytes of its pulses in other shards' mailboxes.
    pub(super) lent_bytes: usize,
    /// A request that costs more than one key is under way: the next one waits for its answer.
    pub(super) resting: bool,
    /// When bytes last came.
    pub(super) received_us: u64,
    /// No more is read from it until it takes its answers.
    pub(super) paused: bool,
    /// It has said that it will send no more.
    pub(super) finished: bool,
    /// When it last took bytes of its answers, or began to owe us that.
    pub(super) progress_us: u64,
    /// Of what the kernel has taken, when we last looked.
    pub(super) unacknowledged_bytes: usize,
    /// In the list of peers that do not take their answers.
    pub(super) blocked: bool,
    /// One of its address's unauthenticated connections.
    pub(super) counts_as_guest: bool,
    /// When its login must be over; of several deadlines in the shard's list the one that counts.
    pub(super) login_until_us: u64,
    /// The first token of a login, that waits to be judged.
    pub(super) held: Option<Box<Held>>,
    /// The first token of a login has come, and has not to wait.
    pub(super) token_seen: bool,
    /// Its share of the shard's buffered bytes, as last counted.
    pub(super) counted_bytes: usize,
}

impl Peer {
    pub(super) fn new(
        id: ConnectionId,
        address: SocketAddr,
        session: Session,
        frame_bytes: u32,
    ) -> Peer {
        Peer {
            id,
            address,
            session,
            reader: FrameReader::new(frame_bytes),
            outbox: Outbox::default(),
            unsent_bytes: 0,
            in_flight: 0,
            lent_bytes: 0,
            resting: false,
            received_us: 0,
            paused: false,
            finished: false,
            progress_us: 0,
            unacknowledged_bytes: 0,
            blocked: false,
            counts_as_guest: false,
            login_until_us: 0,
            held: None,
            token_seen: false,
            counted_bytes: 0,
        }
    }

    /// Bytes of answers that it has not taken.
    pub(super) fn output_bytes(&self) -> usize {
        self.outbox.len() + self.unsent_bytes
    }

    /// Bytes of our memory that it makes us hold.
    pub(super) fn buffered_bytes(&self) -> usize {
        let held_bytes = self.held.as_ref().map_or(0, |held| held.bytes());
        self.reader.buffered_bytes() + self.output_bytes() + self.lent_bytes + held_bytes
    }

    /// Nothing is owed and nothing is queued.
    pub(super) fn is_settled(&self) -> bool {
        self.in_flight == 0 && self.output_bytes() == 0 && !self.paused
    }
}
