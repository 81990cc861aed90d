//! What the event loop and the logic above it tell each other: which connection, what is queued for
//! it, what shall happen to it, and how the loop may sleep. Plain data; it touches no socket.

mod outbox;

pub use outbox::Outbox;

use std::time::Duration;

/// Names one connection of one event loop. Slots are small and reused; the generation tells the
/// connections of a slot apart, so that a late answer never reaches the wrong peer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ConnectionId {
    pub slot: u32,
    pub generation: u32,
}

/// How we end a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ending {
    /// A RST. Storm's 2.x clients act on it at once, but notice a FIN only after 11 to 13 s.
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

/// What the logic wants done. The event loop applies commands after each call, in order.
#[derive(Debug)]
pub enum Command {
    /// The connection's outbox is not empty. One send carries all answers of a wake.
    Send(ConnectionId),
    /// Read no more from it until `Resume`.
    Pause(ConnectionId),
    Resume(ConnectionId),
    Close(ConnectionId, Ending),
    /// Wake another event loop if it sleeps: it has messages.
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

/// How the event loop may sleep.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SleepPlan {
    /// Sleep no longer than this.
    pub at_most: Duration,
    /// Let completions gather, so that one wake serves many. None: the first one wakes the loop.
    pub batching: Option<Batching>,
}

/// Sleep until `completions` have arrived, or until one has and `at_least` is over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Batching {
    pub completions: u32,
    pub at_least: Duration,
}
