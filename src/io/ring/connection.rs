//! What one connection has under way in the ring.

use std::os::fd::{AsRawFd, OwnedFd};

use io_uring::types::Fd;

use super::sending::Sending;
use crate::connection::{ConnectionId, Ending};

#[derive(Debug)]
pub(super) struct Connection {
    pub(super) id: ConnectionId,
    pub(super) socket: OwnedFd,
    /// Whether the logic wants bytes from it.
    pub(super) wanted: bool,
    /// Bytes that had come when `note_unread` was called, and that have not been handed over since.
    pub(super) owed_bytes: usize,
    pub(super) receive: Receive,
    /// It is in the list of outboxes to send.
    pub(super) pending_send: bool,
    /// A send that waits for room.
    pub(super) blocked: Option<Box<Sending>>,
    /// A connect is under way.
    pub(super) connecting: bool,
    /// We are done with it. It is closed when the kernel holds no request for it.
    pub(super) ending: Option<Ending>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Receive {
    Idle,
    Armed,
    /// Armed, with its cancellation submitted.
    Cancelling,
}

impl Connection {
    pub(super) fn new(id: ConnectionId, socket: OwnedFd) -> Connection {
        Connection {
            id,
            socket,
            wanted: true,
            owed_bytes: 0,
            receive: Receive::Idle,
            pending_send: false,
            blocked: None,
            connecting: false,
            ending: None,
        }
    }

    pub(super) fn fd(&self) -> Fd {
        Fd(self.socket.as_raw_fd())
    }

    /// Whether the kernel still holds requests for it.
    pub(super) fn busy(&self) -> bool {
        self.receive != Receive::Idle || self.blocked.is_some() || self.connecting
    }
}
