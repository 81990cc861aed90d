//! What one connection has under way in the ring.

use std::os::fd::AsRawFd;

use io_uring::types::Fd;

use super::sending::Sending;
use crate::connection::Ending;
use crate::io::plane::{self, PlaneState};

pub(super) type Connection = plane::Connection<Requests>;

/// The requests that the kernel holds, besides a send and a connect, and what becomes of the connection once
/// it holds none.
#[derive(Default)]
pub(in crate::io) struct Requests {
    pub(super) receive: Receive,
    /// A poll waits for its end. It stays when the connection is read again.
    pub(super) is_watched: bool,
    /// We are done with it. It is closed when the kernel holds no request for it.
    pub(super) ending: Option<Ending>,
}

#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Receive {
    #[default]
    Idle,
    Armed,
    /// Armed, with its cancellation submitted.
    Cancelling,
}

impl PlaneState for Requests {
    type Sending = Sending;

    fn is_ending(&self) -> bool {
        self.ending.is_some()
    }
}

impl Connection {
    pub(super) fn fd(&self) -> Fd {
        Fd(self.socket.as_raw_fd())
    }

    /// Whether the kernel still holds requests for it.
    pub(super) fn busy(&self) -> bool {
        self.plane.receive != Receive::Idle
            || self.plane.is_watched
            || self.blocked.is_some()
            || self.connecting
    }
}
