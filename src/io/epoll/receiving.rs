//! Receiving: one buffer for all connections, and one receive for each readable connection in a turn, so
//! that nobody who sends without end holds up the others.

use std::io;

use rustix::event::epoll::{self, EventFlags};
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};

use super::EpollLoop;
use super::token::Token;
use crate::connection::ConnectionId;
use crate::io::Handler;
use crate::io::plane::PlaneLoop;

/// Both directions at once: room in the socket is told of only after a send found none, so it costs
/// nothing while sends succeed.
pub(super) const EVERYTHING: EventFlags = WITHOUT_BYTES
    .union(EventFlags::IN)
    .union(EventFlags::RDHUP)
    .union(EventFlags::PRI);

const WITHOUT_BYTES: EventFlags = EventFlags::OUT.union(EventFlags::ET);

impl EpollLoop {
    /// Receives once from each connection that has something, and returns how many receives there were.
    pub(super) fn read_all(&mut self, handler: &mut impl Handler) -> io::Result<usize> {
        let mut readable = std::mem::take(&mut self.readable);
        let count = readable.len();
        for id in readable.drain(..) {
            self.read(handler, id)?;
        }
        if self.readable.is_empty() {
            self.readable = readable; // keep its memory
        }
        Ok(count)
    }

    fn read(&mut self, handler: &mut impl Handler, id: ConnectionId) -> io::Result<()> {
        let Some(connection) = self.state.connections.get(id) else {
            return Ok(());
        };
        connection.plane.pending_read = false;
        if !connection.wanted {
            return Ok(());
        }
        match recv(&connection.socket, &mut *self.buffer, RecvFlags::empty()) {
            Ok((0, _)) => {
                connection.note_finished();
                handler.finished(id, &mut self.state.commands);
            }
            Ok((len, _)) => {
                connection.note_received(len);
                connection.plane.readable = connection.plane.read_on || len == self.buffer.len();
                handler.received(id, &self.buffer[..len], &mut self.state.commands);
            }
            Err(Errno::AGAIN) => {
                connection.plane.readable = false;
                connection.plane.read_on = false;
            }
            Err(Errno::INTR) => {}
            Err(error) => return self.lost(handler, id, error.raw_os_error()),
        }
        self.apply_queued(handler)?;
        self.queue_read(id);
        Ok(())
    }

    /// Puts a connection into the list of those to read from, if there is something and it is wanted.
    pub(super) fn queue_read(&mut self, id: ConnectionId) {
        if let Some(connection) = self.state.connections.get(id)
            && connection.wanted
            && connection.plane.readable
            && !connection.plane.pending_read
        {
            connection.plane.pending_read = true;
            self.readable.push(id);
        }
    }

    /// The peer of a paused connection goes on sending: each of its packets would wake the loop.
    pub(super) fn mute(&mut self, id: ConnectionId) -> io::Result<()> {
        if let Some(connection) = self.state.connections.get(id)
            && !connection.plane.is_muted
        {
            connection.plane.is_muted = true;
            let token = Token::Connection(id).into();
            epoll::modify(&self.epoll, &connection.socket, token, WITHOUT_BYTES)?;
        }
        Ok(())
    }

    /// The kernel tells at once of what has come meanwhile.
    pub(super) fn unmute(&mut self, id: ConnectionId) -> io::Result<()> {
        if let Some(connection) = self.state.connections.get(id)
            && connection.plane.is_muted
        {
            connection.plane.is_muted = false;
            let token = Token::Connection(id).into();
            epoll::modify(&self.epoll, &connection.socket, token, EVERYTHING)?;
        }
        Ok(())
    }
}
