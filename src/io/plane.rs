//! What both data planes do in the same way: they keep connections, carry out the handler's commands and
//! account for what is unread and unsent. A plane adds its system calls, in [`PlaneLoop`], and what it keeps
//! of a connection for them, in [`PlaneState`].

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use super::bells::Bells;
use super::gathering::Gathering;
use super::slots::Slots;
use super::{Handler, socket};
use crate::connection::{Closed, Command, Commands, ConnectionId, Ending, Outbox};

/// Slices that one sendmsg(2) takes (UIO_MAXIOV).
pub(super) const MAX_SLICES: usize = 1024;

/// What one data plane keeps of a connection and the other does not.
pub(super) trait PlaneState: Default {
    /// A send that waits for room, of this outbox.
    type Sending: AsRef<Outbox>;

    /// We are done with the connection; it stays only until the kernel is.
    fn is_ending(&self) -> bool;
}

pub(super) struct Connection<P: PlaneState> {
    pub(super) id: ConnectionId,
    pub(super) socket: OwnedFd,
    /// Whether the logic wants bytes from it.
    pub(super) wanted: bool,
    /// Bytes that had come when `note_unread` was called, and that have not been handed over since.
    pub(super) owed_bytes: usize,
    /// It is in the list of outboxes to send.
    pub(super) pending_send: bool,
    /// What waits for room.
    pub(super) blocked: Option<Box<P::Sending>>,
    /// A connect is under way.
    pub(super) connecting: bool,
    pub(super) plane: P,
}

impl<P: PlaneState> Connection<P> {
    fn new(id: ConnectionId, socket: OwnedFd) -> Self {
        Connection {
            id,
            socket,
            wanted: true,
            owed_bytes: 0,
            pending_send: false,
            blocked: None,
            connecting: false,
            plane: P::default(),
        }
    }

    /// Bytes of memory of what waits for room.
    pub(super) fn held_bytes(&self) -> usize {
        let outbox = self.blocked.as_ref().map(|sending| (**sending).as_ref());
        outbox.map_or(0, Outbox::memory_bytes)
    }

    /// The handler has been given `bytes` bytes.
    pub(super) fn note_received(&mut self, bytes: usize) {
        self.owed_bytes = self.owed_bytes.saturating_sub(bytes);
    }

    /// The peer's FIN has come: nothing more is there to read.
    pub(super) fn note_finished(&mut self) {
        self.wanted = false;
        self.owed_bytes = 0;
    }
}

/// The state of an event loop, whatever its data plane.
pub(super) struct LoopState<P: PlaneState> {
    pub(super) connections: Slots<Connection<P>>,
    /// Connections whose outbox is to be sent.
    pub(super) pending_send: Vec<ConnectionId>,
    /// What the handler wants done; `apply_queued` does it.
    pub(super) commands: Commands,
    pub(super) bells: Arc<Bells>,
    /// Which bell is ours.
    pub(super) index: usize,
    pub(super) bells_rung: u64,
    pub(super) gathering: Gathering,
}

impl<P: PlaneState> LoopState<P> {
    pub(super) fn new(bells: Arc<Bells>, index: usize) -> Self {
        LoopState {
            connections: Slots::default(),
            pending_send: Vec::new(),
            commands: Commands::default(),
            bells,
            index,
            bells_rung: 0,
            gathering: Gathering::new(),
        }
    }

    pub(super) fn insert(&mut self, socket: OwnedFd) -> &mut Connection<P> {
        self.connections.insert(|id| Connection::new(id, socket))
    }

    pub(super) fn note_unread(&mut self) {
        for connection in self.connections.iter_mut() {
            connection.owed_bytes = socket::unread_bytes(&connection.socket) as usize;
        }
    }

    pub(super) fn owes_reads(&self) -> bool {
        self.connections
            .iter()
            .any(|connection| connection.owed_bytes > 0 && !connection.plane.is_ending())
    }

    pub(super) fn unacknowledged_bytes(&mut self, id: ConnectionId) -> usize {
        self.connections.get(id).map_or(0, |connection| {
            socket::unacknowledged_bytes(&connection.socket)
        })
    }

    /// To be asked between turns: then the handler has all bytes that were taken out of the socket.
    pub(super) fn is_quiet(&mut self, id: ConnectionId) -> bool {
        self.connections.get(id).is_some_and(|connection| {
            !connection.pending_send
                && connection.blocked.is_none()
                && socket::unread_bytes(&connection.socket) == 0
                && socket::unacknowledged_bytes(&connection.socket) == 0
        })
    }

    pub(super) fn all_delivered(&self) -> bool {
        self.pending_send.is_empty()
            && self.connections.iter().all(|connection| {
                connection.blocked.is_none()
                    && socket::unacknowledged_bytes(&connection.socket) == 0
            })
    }

    pub(super) fn queue_send(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connections.get(id)
            && !connection.pending_send
        {
            connection.pending_send = true;
            self.pending_send.push(id);
        }
    }

    /// Takes what is queued for a connection of `pending_send`. None: nothing is, or it must wait for an
    /// earlier send.
    pub(super) fn take_outbox(
        &mut self,
        handler: &mut impl Handler,
        id: ConnectionId,
    ) -> Option<(&mut Connection<P>, Outbox)> {
        let connection = self.connections.get(id)?;
        connection.pending_send = false;
        if connection.blocked.is_some() || connection.plane.is_ending() {
            return None;
        }
        let outbox = handler.take_outbox(id);
        (!outbox.is_empty()).then_some((connection, outbox))
    }
}

/// An event loop on one data plane: what its system calls do, and what follows from that on both.
pub(super) trait PlaneLoop {
    type State: PlaneState;

    fn state(&mut self) -> &mut LoopState<Self::State>;

    /// Reads from the connection if it is wanted and does not do so yet.
    fn start_reading(&mut self, id: ConnectionId) -> io::Result<()>;

    /// The connection is no longer wanted.
    fn stop_reading(&mut self, id: ConnectionId) -> io::Result<()>;

    /// Rings another loop's bell if that loop sleeps.
    fn ring_bell(&mut self, owner: usize) -> io::Result<()>;

    /// Ends the connection, unless it has ended, and tells the handler.
    fn end(
        &mut self,
        handler: &mut impl Handler,
        id: ConnectionId,
        ending: Ending,
        why: Closed,
    ) -> io::Result<()>;

    fn apply_commands(
        &mut self,
        handler: &mut impl Handler,
        commands: &mut Commands,
    ) -> io::Result<()> {
        for command in commands.drain() {
            self.apply(handler, command)?;
        }
        Ok(())
    }

    fn apply(&mut self, handler: &mut impl Handler, command: Command) -> io::Result<()> {
        match command {
            Command::Send(id) => self.state().queue_send(id),
            Command::Pause(id) => {
                if let Some(connection) = self.state().connections.get(id) {
                    connection.wanted = false;
                }
                self.stop_reading(id)?;
            }
            Command::Resume(id) => {
                if let Some(connection) = self.state().connections.get(id) {
                    connection.wanted = true;
                }
                self.start_reading(id)?;
            }
            Command::Close(id, ending) => self.end(handler, id, ending, Closed::ByUs)?,
            Command::RingBell(owner) => self.ring_bell(owner)?,
        }
        Ok(())
    }

    /// Applies what the handler has queued in a call.
    fn apply_queued(&mut self, handler: &mut impl Handler) -> io::Result<()> {
        if self.state().commands.is_empty() {
            return Ok(());
        }
        let mut commands = std::mem::take(&mut self.state().commands);
        self.apply_commands(handler, &mut commands)?;
        let queued = &mut self.state().commands;
        if queued.is_empty() {
            *queued = commands; // keep its memory
        }
        Ok(())
    }

    /// A connection is open.
    fn opened(
        &mut self,
        handler: &mut impl Handler,
        id: ConnectionId,
        peer: SocketAddr,
    ) -> io::Result<()> {
        handler.opened(id, peer, &mut self.state().commands);
        self.apply_queued(handler)?;
        self.start_reading(id)
    }

    /// A connect has ended; where it succeeded, the peer's address is known.
    fn dialled(
        &mut self,
        handler: &mut impl Handler,
        id: ConnectionId,
        outcome: io::Result<SocketAddr>,
    ) -> io::Result<()> {
        match outcome {
            Ok(peer) => self.opened(handler, id, peer),
            Err(error) => {
                let state = self.state();
                state.connections.remove(id);
                let why = Closed::NotConnected(error.raw_os_error().unwrap_or(0));
                handler.closed(id, why, 0, &mut state.commands);
                self.apply_queued(handler)
            }
        }
    }

    /// The kernel has taken bytes of a send.
    fn sent(
        &mut self,
        handler: &mut impl Handler,
        id: ConnectionId,
        bytes: usize,
    ) -> io::Result<()> {
        if bytes == 0 {
            return Ok(());
        }
        let state = self.state();
        let held_bytes = state
            .connections
            .get(id)
            .map_or(0, |connection| connection.held_bytes());
        handler.sent(id, bytes, held_bytes, &mut state.commands);
        self.apply_queued(handler)
    }

    /// The peer or the network has ended the connection, with an error of the operating system.
    fn lost(&mut self, handler: &mut impl Handler, id: ConnectionId, error: i32) -> io::Result<()> {
        self.end(handler, id, Ending::Reset, Closed::Error(error))
    }
}
