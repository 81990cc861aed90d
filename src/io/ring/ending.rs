//! How connections end. Requests in the ring hold the socket open, so they are cancelled first; then
//! the socket is closed, with a RST unless a FIN was asked for.

use std::io;

use io_uring::opcode;

use super::RingLoop;
use super::connection::Receive;
use super::operation::{Operation, UserData};
use crate::connection::{Closed, ConnectionId, Ending};
use crate::io::{Handler, socket};

impl RingLoop {
    /// The peer or the network ended the connection.
    pub(super) fn lost(
        &mut self,
        handler: &mut impl Handler,
        id: ConnectionId,
        error: i32,
    ) -> io::Result<()> {
        self.end(handler, id, Ending::Reset, Closed::Error(error))
    }

    pub(super) fn end(
        &mut self,
        handler: &mut impl Handler,
        id: ConnectionId,
        ending: Ending,
        why: Closed,
    ) -> io::Result<()> {
        let Some(connection) = self.connections.get(id) else {
            return Ok(());
        };
        if connection.ending.is_some() {
            return Ok(());
        }
        connection.ending = Some(ending);
        let (receive, blocked, connecting) = (
            connection.receive,
            connection.blocked.is_some(),
            connection.connecting,
        );
        handler.closed(id, why, &mut self.commands);
        // Only when the ring holds no request for it does closing the socket reset it.
        if receive == Receive::Armed {
            self.cancel_receive(id)?;
        }
        if blocked {
            self.cancel(UserData::of(Operation::SendLater, id))?;
        }
        if connecting {
            self.cancel(UserData::of(Operation::Connect, id))?;
        }
        self.release(id)?;
        self.apply_queued(handler)
    }

    /// Closes the socket and frees the slot, once the kernel holds no request for it.
    pub(super) fn release(&mut self, id: ConnectionId) -> io::Result<()> {
        let Some(connection) = self.connections.get(id) else {
            return Ok(());
        };
        if connection.busy() {
            return Ok(());
        }
        if connection.ending == Some(Ending::Orderly) {
            socket::close_with_fin(&connection.socket);
        }
        self.connections.remove(id);
        Ok(())
    }

    pub(super) fn cancel_receive(&mut self, id: ConnectionId) -> io::Result<()> {
        if let Some(connection) = self.connections.get(id) {
            connection.receive = Receive::Cancelling;
        }
        self.cancel(UserData::of(Operation::Receive, id))
    }

    pub(super) fn cancel(&mut self, what: UserData) -> io::Result<()> {
        let entry = opcode::AsyncCancel::new(what.into())
            .build()
            .user_data(UserData::new(Operation::Cancel, 0, 0).into());
        self.push(&entry)
    }
}
