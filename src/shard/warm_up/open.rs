//! The reads of a shard's peers that may be kept, here or by another shard, and how long they wait.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU64;
use std::sync::Arc;

use super::Ticket;
use crate::connection::ConnectionId;
use crate::limits::KEPT_READ_TIME;
use crate::shard::mailbox::ReplyTarget;

/// Bytes of memory of an open read besides its path.
pub(super) const OPEN_BYTES: usize = 3
    * (size_of::<(ConnectionId, i32)>()
        + size_of::<OpenRead>()
        + size_of::<(u64, ConnectionId, i32)>());

const WAITS_US: u64 = KEPT_READ_TIME.as_micros() as u64;

#[derive(Debug)]
pub(super) struct OpenRead {
    pub(super) path: Arc<str>,
    pub(super) hash: u64,
    /// The shard that owns the key.
    pub(super) owner: usize,
    pub(super) ticket: Ticket,
    due_us: u64,
}

#[derive(Debug, Default)]
pub(super) struct OpenReads {
    /// By connection and message id: a client has one request with an id at a time.
    reads: BTreeMap<(ConnectionId, i32), OpenRead>,
    /// When each is given up.
    deadlines: BTreeSet<(u64, ConnectionId, i32)>,
    tickets: u64,
}

impl OpenReads {
    /// `id` has no open read with this message id.
    pub(super) fn open(
        &mut self,
        (id, message_id): (ConnectionId, i32),
        path: Arc<str>,
        hash: u64,
        owner: usize,
        now_us: u64,
    ) -> Ticket {
        self.tickets += 1;
        let ticket = Ticket(NonZeroU64::new(self.tickets).expect("counted up"));
        let due_us = now_us + WAITS_US;
        let read = OpenRead {
            path,
            hash,
            owner,
            ticket,
            due_us,
        };
        self.reads.insert((id, message_id), read);
        self.deadlines.insert((due_us, id, message_id));
        ticket
    }

    pub(super) fn get(&self, id: ConnectionId, message_id: i32) -> Option<&OpenRead> {
        self.reads.get(&(id, message_id))
    }

    /// The client has repeated the read: it waits on.
    pub(super) fn renew(&mut self, id: ConnectionId, message_id: i32, now_us: u64) {
        if let Some(read) = self.reads.get_mut(&(id, message_id)) {
            self.deadlines.remove(&(read.due_us, id, message_id));
            read.due_us = now_us + WAITS_US;
            self.deadlines.insert((read.due_us, id, message_id));
        }
    }

    /// The read waits no more.
    pub(super) fn close(&mut self, id: ConnectionId, message_id: i32) -> Option<OpenRead> {
        let read = self.reads.remove(&(id, message_id))?;
        self.deadlines.remove(&(read.due_us, id, message_id));
        Some(read)
    }

    /// The read has its answer. False if the client no longer waits for it.
    pub(super) fn answered(&mut self, target: &ReplyTarget, ticket: Ticket) -> bool {
        let message_id = target.meta.message_id;
        let open = self.get(target.id, message_id);
        let is_open = open.is_some_and(|read| read.ticket == ticket);
        is_open && self.close(target.id, message_id).is_some()
    }

    /// A message id of an open read of this connection.
    pub(super) fn any_of(&self, id: ConnectionId) -> Option<i32> {
        let (key, _) = self.reads.range((id, i32::MIN)..=(id, i32::MAX)).next()?;
        Some(key.1)
    }

    /// The next read that has waited long enough.
    pub(super) fn next_overdue(&self, now_us: u64) -> Option<(ConnectionId, i32)> {
        let (due_us, id, message_id) = self.deadlines.first()?;
        (*due_us <= now_us).then_some((*id, *message_id))
    }
}
