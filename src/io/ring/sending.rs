//! The event loop's sending. A [`Sending`] is one send under way: the bytes, how many of them are
//! sent, and the structures that point the kernel at them. They must not move until the kernel is
//! done with them.

#![allow(unsafe_code)] // iovec and msghdr are pointers

use std::io;
use std::ptr;

use io_uring::opcode;
use io_uring::squeue::{Entry, Flags};
use io_uring::types::Fd;
use libc::{c_int, iovec, msghdr};

use super::RingLoop;
use super::operation::{Operation, UserData};
use crate::connection::{ConnectionId, Outbox};
use crate::io::Handler;
use crate::io::plane::{MAX_SLICES, PlaneLoop, PlaneState};

pub(in crate::io) struct Sending {
    pub(super) id: ConnectionId,
    outbox: Outbox,
    sent: usize,
    /// Bytes that the last entry asked for.
    asked: usize,
    vector: Option<Box<SendVector>>,
}

/// What IORING_OP_SENDMSG reads. Boxed, so that it stays put when a `Sending` moves.
struct SendVector {
    header: msghdr,
    slices: Vec<iovec>,
}

impl Sending {
    pub(super) fn new(id: ConnectionId, outbox: Outbox) -> Sending {
        assert!(!outbox.is_empty());
        Sending {
            id,
            outbox,
            sent: 0,
            asked: 0,
            vector: None,
        }
    }

    /// Bytes asked for by the entry under way.
    pub(super) fn asked(&self) -> usize {
        self.asked
    }

    /// Counts bytes as sent. True when none are left.
    pub(super) fn advance(&mut self, bytes: usize) -> bool {
        self.sent += bytes;
        assert!(self.sent <= self.outbox.len());
        if self.sent == self.outbox.len() {
            return true;
        }
        self.sent -= self.outbox.drop_sent(self.sent);
        false
    }

    /// An entry that sends all it can while it is submitted, and never waits. It completes only if it
    /// falls short: MSG_WAITALL makes a short send a failure, MSG_DONTWAIT keeps it from waiting for
    /// room, and SKIP_SUCCESS suppresses the completion of a success. So everything is sent when
    /// io_uring_enter(2) has taken the entry and no failure is in the completion queue. `report`
    /// asks for a completion in any case, which ends the loop's next sleep.
    ///
    /// The caller keeps `self` alive and its outbox unchanged until then.
    pub(super) fn entry_now(&mut self, fd: Fd, data: UserData, report: bool) -> Entry {
        let flags = libc::MSG_DONTWAIT | libc::MSG_WAITALL | libc::MSG_NOSIGNAL;
        let entry = self.entry(fd, flags).user_data(data.into());
        if report {
            entry
        } else {
            entry.flags(Flags::SKIP_SUCCESS)
        }
    }

    /// An entry that waits for room and then sends what fits: each completion is progress.
    ///
    /// The caller keeps `self` alive and its outbox unchanged until its completion.
    pub(super) fn entry_later(&mut self, fd: Fd, data: UserData) -> Entry {
        self.entry(fd, libc::MSG_NOSIGNAL).user_data(data.into())
    }

    fn entry(&mut self, fd: Fd, flags: c_int) -> Entry {
        if let Some(text) = self.outbox.as_single_slice() {
            let rest = &text[self.sent..];
            let len = u32::try_from(rest.len()).unwrap_or(u32::MAX);
            self.asked = len as usize;
            return opcode::Send::new(fd, rest.as_ptr(), len)
                .flags(flags)
                .build();
        }
        let vector = self.vector.get_or_insert_with(|| {
            Box::new(SendVector {
                // SAFETY: a msghdr of zeros names no address, no slices and no control data.
                header: unsafe { std::mem::zeroed() },
                slices: Vec::new(),
            })
        });
        vector.slices.clear();
        self.asked = 0;
        for slice in self.outbox.slices(self.sent).take(MAX_SLICES) {
            self.asked += slice.len();
            vector.slices.push(iovec {
                iov_base: ptr::from_ref(slice).cast_mut().cast(),
                iov_len: slice.len(),
            });
        }
        vector.header.msg_iov = vector.slices.as_mut_ptr();
        vector.header.msg_iovlen = vector.slices.len() as _;
        opcode::SendMsg::new(fd, &raw const vector.header)
            .flags(flags as u32)
            .build()
    }
}

impl AsRef<Outbox> for Sending {
    fn as_ref(&self) -> &Outbox {
        &self.outbox
    }
}

impl RingLoop {
    pub(super) fn prepare_sends(&mut self, handler: &mut impl Handler) -> io::Result<()> {
        let mut pending = std::mem::take(&mut self.state.pending_send);
        for id in pending.drain(..) {
            let Some((connection, outbox)) = self.state.take_outbox(handler, id) else {
                continue;
            };
            let fd = connection.fd();
            let report = handler.awaits_sent(id);
            self.send_now(fd, Sending::new(id, outbox), report)?;
        }
        self.state.pending_send = pending;
        Ok(())
    }

    pub(super) fn send_now(
        &mut self,
        fd: Fd,
        mut sending: Sending,
        report: bool,
    ) -> io::Result<()> {
        let index = self.sends.len() as u32;
        let entry = sending.entry_now(fd, UserData::new(Operation::SendNow, index, 0), report);
        // What the entry points to stays where it is when `sending` moves: see `Sending`.
        self.sends.push((sending, None));
        self.push(&entry)
    }

    /// The submission is complete: every send that did not fail was sent.
    pub(super) fn finish_sends(&mut self, handler: &mut impl Handler) -> io::Result<()> {
        if self.sends.is_empty() {
            return Ok(());
        }
        for (data, result, _) in &self.completions {
            if data.operation() == Operation::SendNow {
                self.sends[data.slot() as usize].1 = Some(*result);
            }
        }
        let mut sends = std::mem::take(&mut self.sends);
        for (mut sending, fell_short) in sends.drain(..) {
            let id = sending.id;
            let bytes = match fell_short {
                None => sending.asked(),
                Some(bytes) if bytes >= 0 => bytes as usize,
                Some(error) if error == -libc::EAGAIN => 0,
                Some(error) => {
                    self.lost(handler, id, -error)?;
                    continue;
                }
            };
            let done = sending.advance(bytes);
            if !done {
                self.send_later(sending)?;
                handler.blocked(id);
            }
            self.sent(handler, id, bytes)?;
        }
        if self.sends.is_empty() {
            self.sends = sends; // keep its memory
        }
        Ok(())
    }

    pub(super) fn send_later(&mut self, sending: Sending) -> io::Result<()> {
        let id = sending.id;
        let Some(connection) = self.state.connections.get(id) else {
            return Ok(());
        };
        if connection.plane.is_ending() {
            return Ok(());
        }
        debug_assert!(connection.blocked.is_none());
        let fd = connection.fd();
        let blocked = connection.blocked.insert(Box::new(sending));
        let entry = blocked.entry_later(fd, UserData::of(Operation::SendLater, id));
        self.push(&entry)
    }

    pub(super) fn sent_later(
        &mut self,
        handler: &mut impl Handler,
        id: ConnectionId,
        result: i32,
    ) -> io::Result<()> {
        let Some(connection) = self.state.connections.get(id) else {
            return Ok(());
        };
        let Some(mut sending) = connection.blocked.take() else {
            unreachable!("a blocked send completed that the connection does not have");
        };
        if connection.plane.is_ending() {
            handler.freed(sending.outbox.memory_bytes());
            return self.release(id);
        }
        if result < 0 {
            return self.lost(handler, id, -result);
        }
        if sending.advance(result as usize) {
            self.state.queue_send(id);
        } else {
            self.send_later(*sending)?;
        }
        self.sent(handler, id, result as usize)
    }
}
