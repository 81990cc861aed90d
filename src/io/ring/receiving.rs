//! The event loop's receiving: one multishot receive for each connection, armed while bytes are wanted
//! from it.

use std::io;

use io_uring::{cqueue, opcode};

use super::RingLoop;
use super::buffers::ReceiveBuffers;
use super::connection::Receive;
use super::operation::{Operation, UserData};
use crate::connection::ConnectionId;
use crate::io::Handler;
use crate::io::plane::{PlaneLoop, PlaneState};

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
