//! What the loop keeps in mind of one connection.

use std::os::fd::OwnedFd;

use rustix::event::epoll::EventFlags;

use super::sending::Sending;
use crate::connection::ConnectionId;

#[derive(Debug)]
pub(super) struct Connection {
    pub(super) id: ConnectionId,
    pub(super) socket: OwnedFd,
    /// Whether the logic wants bytes from it.
    pub(super) wanted: bool,
    /// Bytes that had come when `note_unread` was called, and that have not been handed over since.
    pub(super) owed_bytes: usize,
    /// The kernel has told of bytes, of a FIN or of an error, and we have not seen their end.
    pub(super) readable: bool,
    /// A receive that does not fill the buffer is not the last one: a FIN or an error follows, or bytes
    /// behind an urgent mark. The kernel does not tell of them again.
    pub(super) read_on: bool,
    /// It is in the list of connections to read from.
    pub(super) pending_read: bool,
    /// It is in the list of outboxes to send.
    pub(super) pending_send: bool,
    /// Paused, and its peer has gone on sending: the kernel no longer tells of bytes.
    pub(super) is_muted: bool,
    /// What waits for room.
    pub(super) blocked: Option<Box<Sending>>,
    /// A connect is under way.
    pub(super) connecting: bool,
}

impl Connection {
    pub(super) fn new(id: ConnectionId, socket: OwnedFd) -> Connection {
        Connection {
            id,
            socket,
            wanted: true,
            owed_bytes: 0,
            readable: false,
            read_on: false,
            pending_read: false,
            pending_send: false,
            is_muted: false,
            blocked: None,
            connecting: false,
        }
    }

    pub(super) fn note_readable(&mut self, flags: EventFlags) {
        const END: EventFlags = EventFlags::RDHUP
            .union(EventFlags::HUP)
            .union(EventFlags::ERR)
            .union(EventFlags::PRI);
        self.read_on |= flags.intersects(END);
        self.readable |= flags.intersects(END.union(EventFlags::IN));
    }
}
