//! What the loop keeps in mind of one connection.

use rustix::event::epoll::EventFlags;

use super::sending::Sending;
use crate::io::plane::PlaneState;

/// What the kernel has told of a connection, and does not tell again.
#[derive(Default)]
pub(in crate::io) struct Readiness {
    /// Bytes, a FIN or an error are there, and we have not seen their end.
    pub(super) readable: bool,
    /// A receive that does not fill the buffer is not the last one: a FIN or an error follows, or bytes
    /// behind an urgent mark.
    pub(super) read_on: bool,
    /// It is in the list of connections to read from.
    pub(super) pending_read: bool,
    /// Paused, and its peer has gone on sending: the kernel no longer tells of bytes.
    pub(super) is_muted: bool,
}

impl Readiness {
    pub(super) fn note(&mut self, flags: EventFlags) {
        const END: EventFlags = EventFlags::RDHUP
            .union(EventFlags::HUP)
            .union(EventFlags::ERR)
            .union(EventFlags::PRI);
        self.read_on |= flags.intersects(END);
        self.readable |= flags.intersects(END.union(EventFlags::IN));
    }
}

impl PlaneState for Readiness {
    type Sending = Sending;

    fn is_ending(&self) -> bool {
        false // the kernel holds nothing of it: it is closed at once
    }
}
