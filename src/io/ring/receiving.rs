//! The event loop's receiving: one multishot receive for each connection, armed while bytes are wanted
//! from it.

use std::io;

use io_uring::{cqueue, opcode};

use super::RingLoop;
use super::buffers::ReceiveBuffers;
use super::connection::Receive;
use super::operation::{Operation, UserData};
use crate::connection::ConnectionId;
use crate::io::plane::{PlaneLoop, PlaneState};
use crate::io::{Handler, socket};

impl RingLoop {
    pub(super) fn received(
        &mut self,
        handler: &mut impl Handler,
        id: ConnectionId,
        result: i32,
        flags: u32,
    ) -> io::Result<()> {
        let buffer = cqueue::buffer_select(flags);
        let Some(connection) = self.state.connections.get(id) else {
            unreachable!("a receive completed on a connection that was released before");
        };
        if !cqueue::more(flags) {
            connection.plane.receive = Receive::Idle;
        }
        if let Ok(len) = usize::try_from(result) {
            connection.note_received(len);
        }
        let ended = connection.plane.is_ending();
        if let Some(buffer) = buffer {
            if result > 0 && !ended {
                let bytes = self.buffers.filled(buffer, result as usize);
                handler.received(id, bytes, &mut self.state.commands);
            }
            self.buffers.give_back(buffer);
        }
        if ended {
            return self.release(id);
        }
        if result == 0 {
            if let Some(connection) = self.state.connections.get(id) {
                connection.note_finished();
            }
            handler.finished(id, &mut self.state.commands);
        } else if result < 0 && ![libc::ENOBUFS, libc::ECANCELED, libc::EINTR].contains(&-result) {
            return self.lost(handler, id, -result);
        }
        self.apply_queued(handler)?;
        self.arm_receive(id)
    }

    pub(super) fn cancel_receive(&mut self, id: ConnectionId) -> io::Result<()> {
        if let Some(connection) = self.state.connections.get(id)
            && connection.plane.receive == Receive::Armed
        {
            connection.plane.receive = Receive::Cancelling;
            self.cancel(UserData::of(Operation::Receive, id))?;
        }
        Ok(())
    }

    /// Has the kernel tell when a connection that is not read is reset, or lost. It tells of a FIN, too.
    pub(super) fn watch(&mut self, id: ConnectionId) -> io::Result<()> {
        let Some(connection) = self.state.connections.get(id) else {
            return Ok(());
        };
        if connection.plane.is_ending() || connection.plane.is_watched {
            return Ok(());
        }
        connection.plane.is_watched = true;
        let entry = opcode::PollAdd::new(connection.fd(), 0)
            .build()
            .user_data(UserData::of(Operation::Watch, id).into());
        self.push(&entry)
    }

    pub(super) fn watched(
        &mut self,
        handler: &mut impl Handler,
        id: ConnectionId,
        events: i32,
    ) -> io::Result<()> {
        const ENDED: i32 = (libc::POLLERR | libc::POLLHUP) as i32;
        let Some(connection) = self.state.connections.get(id) else {
            unreachable!("a poll completed on a connection that was released before");
        };
        connection.plane.is_watched = false;
        if connection.plane.is_ending() {
            return self.release(id);
        }
        // If it is read by now, the receive tells, after the bytes that came before.
        if events > 0 && events & ENDED != 0 && !connection.wanted {
            let error = socket::ended_by(&connection.socket);
            return self.lost(handler, id, error);
        }
        Ok(())
    }

    pub(super) fn arm_receive(&mut self, id: ConnectionId) -> io::Result<()> {
        let Some(connection) = self.state.connections.get(id) else {
            return Ok(());
        };
        if !connection.wanted
            || connection.plane.is_ending()
            || connection.plane.receive != Receive::Idle
        {
            return Ok(());
        }
        connection.plane.receive = Receive::Armed;
        let entry = opcode::RecvMulti::new(connection.fd(), ReceiveBuffers::GROUP)
            .build()
            .user_data(UserData::of(Operation::Receive, id).into());
        // Buffers returned in this turn must be visible when the kernel looks for one.
        self.buffers.publish();
        self.push(&entry)
    }
}
