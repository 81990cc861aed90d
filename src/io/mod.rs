//! The two data planes, and the seam between them and the logic: [`EventLoop`] below, [`Handler`]
//! above. A data plane knows sockets, bytes and doorbells. What the bytes mean is the handler's business.
//!
//! `ring` uses one io_uring for each thread. `epoll` is for kernels that have no io_uring, and for
//! hosts and containers that forbid it. A handler cannot tell which one calls it. What both need is
//! here, once: sockets and their options, connections and commands, doorbells, the emulated minimum wait.

mod bells;
mod epoll;
mod gathering;
mod plane;
mod ring;
mod slots;
mod socket;
#[cfg(test)]
mod tests;

pub use bells::Bells;
pub(crate) use bells::ring_all;
pub(crate) use socket::adopt_listener;
pub use socket::{can_own_descriptors, listen_at, local_address, own_descriptors};

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use crate::connection::{Closed, Commands, ConnectionId, Outbox, SleepPlan};
use plane::PlaneLoop;

/// How long an event loop stops accepting when descriptors or memory have run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Which data plane an event loop uses. All event loops that ring each other's bells use the same.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DataPlane {
    IoUring,
    Epoll,
}

impl DataPlane {
    /// Its name in the configuration, in logs and in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            DataPlane::IoUring => "io_uring",
            DataPlane::Epoll => "epoll",
        }
    }
}

/// Whether event loops on io_uring work here, by a trial.
///
/// # Errors
/// The operating system's; it says that io_uring is missing (ENOSYS), forbidden (EPERM, EACCES), too old
/// (EINVAL), or that memory (ENOMEM) or descriptors (EMFILE) have run out.
pub fn try_io_uring() -> io::Result<()> {
    ring::try_ring()
}

/// The logic that an event loop drives. The loop calls it on its own thread.
pub trait Handler {
    /// The loop has woken up; the completions follow. Read the clock here.
    fn woke(&mut self);
    /// A connection is open: accepted, or dialled before. Bytes are read from it unless the
    /// handler pauses or closes it.
    fn opened(&mut self, id: ConnectionId, peer: SocketAddr, commands: &mut Commands);
    fn received(&mut self, id: ConnectionId, bytes: &[u8], commands: &mut Commands);
    /// The peer has sent its FIN. The handler closes the connection when it owes no more answers.
    fn finished(&mut self, id: ConnectionId, commands: &mut Commands);
    /// The kernel has taken `bytes` of what `take_outbox` gave. The rest takes `held_bytes` of memory.
    fn sent(&mut self, id: ConnectionId, bytes: usize, held_bytes: usize, commands: &mut Commands);
    /// The kernel did not take all of a send: the peer does not read as fast.
    fn blocked(&mut self, id: ConnectionId);
    /// The connection is gone. Its id is never used again. What the kernel still looks at of its outbox
    /// takes `held_bytes` of memory, until `freed`.
    fn closed(&mut self, id: ConnectionId, why: Closed, held_bytes: usize, commands: &mut Commands);
    fn freed(&mut self, _bytes: usize) {}
    /// What is queued for the connection. It belongs to the loop from here on.
    fn take_outbox(&mut self, id: ConnectionId) -> Outbox;
    /// Whether something waits for `sent`, so that the loop must wake for it. If not, `sent` is
    /// called at the next wake, whatever that is for.
    fn awaits_sent(&mut self, _id: ConnectionId) -> bool {
        false
    }
    /// Whether other threads have left messages that no doorbell will tell of.
    fn has_messages(&self) -> bool;
    /// The loop stops accepting for a moment: no descriptors or no memory are left.
    fn accept_failed(&mut self, error: io::Error);
}

/// One thread's event loop. One call of [`turn`](Self::turn) is one wake: it sends what the last one
/// queued, sleeps, and hands each completion to the handler. Everything that the handler queues for one
/// connection during a turn leaves in one send.
pub struct EventLoop {
    plane: Plane,
}

enum Plane {
    Ring(Box<ring::RingLoop>),
    Epoll(Box<epoll::EpollLoop>),
}

/// Calls the data plane that is there.
macro_rules! with_plane {
    ($event_loop:ident, $plane:ident => $call:expr) => {
        match &mut $event_loop.plane {
            Plane::Ring($plane) => $call,
            Plane::Epoll($plane) => $call,
        }
    };
}

impl EventLoop {
    /// An event loop for the calling thread, which must be the one that calls `turn`. It uses the data
    /// plane that its bells are made for.
    ///
    /// # Errors
    /// The kernel lacks or forbids what the data plane needs, or memory or descriptors have run out.
    pub fn new(bells: Arc<Bells>, index: usize) -> io::Result<EventLoop> {
        let plane = match bells.plane() {
            DataPlane::IoUring => Plane::Ring(Box::new(ring::RingLoop::new(bells, index)?)),
            DataPlane::Epoll => Plane::Epoll(Box::new(epoll::EpollLoop::new(bells, index)?)),
        };
        Ok(EventLoop { plane })
    }

    /// Accepts connections from a socket of `listen_at` from now on.
    pub fn listen(&mut self, socket: OwnedFd) -> io::Result<()> {
        with_plane!(self, plane => plane.listen(socket, false))
    }

    /// Accepts connections from a socket of `adopt_listener` from now on.
    pub(crate) fn listen_adopted(&mut self, socket: OwnedFd) -> io::Result<()> {
        with_plane!(self, plane => plane.listen(socket, true))
    }

    /// Stops accepting. Connections that are not accepted yet are reset with the listening socket,
    /// unless another process holds it, too.
    pub(crate) fn stop_listening(&mut self) -> io::Result<()> {
        with_plane!(self, plane => plane.stop_listening())
    }

    /// Leaves dials without any answer from now on: neither accepted nor refused. A client tries again after a second.
    pub(crate) fn ignore_dials(&mut self) -> io::Result<()> {
        with_plane!(self, plane => plane.ignore_dials())
    }

    /// Stops accepting, because another process accepts from the same sockets. What is accepted already is served.
    pub(crate) fn hand_over_listeners(&mut self) -> io::Result<()> {
        match &mut self.plane {
            Plane::Ring(plane) => plane.hand_over_listeners(),
            // It has no accept under way.
            Plane::Epoll(plane) => plane.stop_listening(),
        }
    }

    /// Dials out, from the source address if one is given. `opened` or `closed` follows.
    pub fn connect(&mut self, to: SocketAddr, from: Option<IpAddr>) -> io::Result<ConnectionId> {
        with_plane!(self, plane => plane.connect(to, from))
    }

    /// Applies commands that were queued outside of a handler's call.
    pub fn apply_commands(
        &mut self,
        handler: &mut impl Handler,
        commands: &mut Commands,
    ) -> io::Result<()> {
        with_plane!(self, plane => plane.apply_commands(handler, commands))
    }

    /// One wake: sends, sleeps as `plan` allows, and hands the completions to the handler. Returns their
    /// number.
    ///
    /// # Errors
    /// One of the data plane itself; it never stems from a peer.
    pub fn turn(&mut self, handler: &mut impl Handler, plan: SleepPlan) -> io::Result<usize> {
        with_plane!(self, plane => plane.turn(handler, plan))
    }

    /// Bells rung so far, at loops that slept.
    pub(crate) fn bells_rung(&mut self) -> u64 {
        with_plane!(self, plane => plane.state().bells_rung)
    }

    /// Connections that are not gone yet.
    pub fn connections(&mut self) -> usize {
        with_plane!(self, plane => plane.state().connections.len())
    }

    /// Whether the kernel may still hand over bytes of a peer.
    pub(crate) fn is_reading(&mut self) -> bool {
        with_plane!(self, plane => plane.is_reading())
    }

    /// Whether connections wait that the last turn could have accepted.
    pub(crate) fn has_unaccepted(&mut self) -> bool {
        with_plane!(self, plane => plane.has_unaccepted())
    }

    /// Notes what peers have sent by now and the handler does not have yet: see `owes_reads`.
    pub(crate) fn note_unread(&mut self) {
        with_plane!(self, plane => plane.state().note_unread());
    }

    /// Whether the handler still lacks bytes that had come when `note_unread` was called, from a peer that is
    /// paused or not. What peers have sent since does not count.
    pub(crate) fn owes_reads(&mut self) -> bool {
        with_plane!(self, plane => plane.state().owes_reads())
    }

    /// Bytes that were sent to a peer and that it has not acknowledged.
    pub(crate) fn unacknowledged_bytes(&mut self, id: ConnectionId) -> usize {
        with_plane!(self, plane => plane.state().unacknowledged_bytes(id))
    }

    /// Whether the peer's host has acknowledged all that was sent to it, and nothing of the peer is unread.
    pub(crate) fn is_quiet(&mut self, id: ConnectionId) -> bool {
        with_plane!(self, plane => plane.state().is_quiet(id))
    }

    /// Whether all that was handed over for sending has reached the peers.
    pub(crate) fn all_delivered(&mut self) -> bool {
        with_plane!(self, plane => plane.state().all_delivered())
    }
}

impl fmt::Debug for EventLoop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plane = match self.plane {
            Plane::Ring(_) => DataPlane::IoUring,
            Plane::Epoll(_) => DataPlane::Epoll,
        };
        f.debug_struct("EventLoop")
            .field("plane", &plane)
            .finish_non_exhaustive()
    }
}
