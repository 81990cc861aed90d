//! What the event loop and the logic above it say to each other about one connection: who it is,
//! what is queued for it, what shall happen to it. Plain data; it touches no socket.

mod outbox;

pub use outbox::Outbox;

/// Names one connection of one event loop. The slot is small and reused, the generation tells a
/// slot's tenants apart, so that an answer that comes late never reaches the wrong peer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ConnectionId {
    pub slot: u32,
    pub generation: u32,
}

/// How a connection is ended from our side.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ending {
    /// A RST. Storm's 2.x clients act on it at once, while they sleep through a FIN for 11 to 13 s.
    Reset,
    /// A FIN, for a peer that has sent its own.
    Orderly,
}

/// Why a connection is gone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Closed {
    /// We ended it.
    ByUs,
    /// The peer reset it, or the network gave up; the operating system's error number.
    Error(i32),
    /// A `connect` failed; the operating system's error number.
    NotConnected(i32),
}

/// What the logic wants done. The event loop carries commands out after each call, in order.
#[derive(Debug)]
pub enum Command {
    /// The connection's outbox has something. One send carries all of a wake's answers.
    Send(ConnectionId),
    /// Read no more from it until told to.
    Pause(ConnectionId),
    Resume(ConnectionId),
    Close(ConnectionId, Ending),
    /// Wake another event loop if it sleeps: it has mail.
    RingBell(usize),
}

/// The commands of one call.
#[derive(Debug, Default)]
pub struct Commands {
    list: Vec<Command>,
}

impl Commands {
    pub fn push(&mut self, command: Command) {
        self.list.push(command);
    }

    pub fn drain(&mut self) -> std::vec::Drain<'_, Command> {
        self.list.drain(..)
    }

    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}
