//! Sending: one send for each connection and turn. What the kernel does not take waits for room; what
//! the handler queues meanwhile leaves after it.

use std::io::{self, IoSlice};
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::{SendAncillaryBuffer, SendFlags, send, sendmsg};

use super::EpollLoop;
use crate::connection::{ConnectionId, Outbox};
use crate::io::Handler;
use crate::io::plane::{MAX_SLICES, PlaneLoop};

/// Bytes that wait to be taken, and how many of them have been.
pub(in crate::io) struct Sending {
    outbox: Outbox,
    sent: usize,
}

/// What became of one connection's send.
pub(super) struct Outcome {
    id: ConnectionId,
    /// Bytes that the kernel took.
    sent: Result<usize, Errno>,
    /// It took less than all.
    is_blocked: bool,
    /// The handler waits for `sent`.
    is_awaited: bool,
}

impl Outcome {
    /// Whether the handler must hear of it at once.
    pub(super) fn is_awaited(&self) -> bool {
        self.is_awaited || self.is_blocked || self.sent.is_err()
    }
}

impl Sending {
    fn is_done(&self) -> bool {
        self.sent == self.outbox.len()
    }

    /// Sends until nothing is left or the socket has no room. Returns the bytes sent by this call.
    fn proceed(&mut self, socket: &OwnedFd) -> Result<usize, Errno> {
        let before = self.sent;
        while !self.is_done() {
            match self.send_once(socket) {
                Ok(bytes) => self.sent += bytes,
                Err(Errno::AGAIN) => break,
                Err(Errno::INTR) => {}
                Err(error) => return Err(error),
            }
        }
        let bytes = self.sent - before;
        if !self.is_done() {
            self.sent -= self.outbox.drop_sent(self.sent);
        }
        Ok(bytes)
    }

    fn send_once(&self, socket: &OwnedFd) -> Result<usize, Errno> {
        if let Some(text) = self.outbox.as_single_slice() {
            return send(socket, &text[self.sent..], SendFlags::NOSIGNAL);
        }
        let slices: Vec<_> = self
            .outbox
            .slices(self.sent)
            .take(MAX_SLICES)
            .map(IoSlice::new)
            .collect();
        let nothing = &mut SendAncillaryBuffer::default();
        sendmsg(socket, &slices, nothing, SendFlags::NOSIGNAL)
    }
}

impl AsRef<Outbox> for Sending {
    fn as_ref(&self) -> &Outbox {
        &self.outbox
    }
}

impl EpollLoop {
    /// Sends what is queued. The handler hears of it in `finish_sends`, after the sleep.
    pub(super) fn send_pending(&mut self, handler: &mut impl Handler) {
        let mut pending = std::mem::take(&mut self.state.pending_send);
        for id in pending.drain(..) {
            let Some((connection, outbox)) = self.state.take_outbox(handler, id) else {
                continue;
            };
            let mut sending = Sending { outbox, sent: 0 };
            let sent = sending.proceed(&connection.socket);
            let is_blocked = sent.is_ok() && !sending.is_done();
            if is_blocked {
                connection.blocked = Some(Box::new(sending));
            }
            self.outcomes.push(Outcome {
                id,
                sent,
                is_blocked,
                is_awaited: handler.awaits_sent(id),
            });
        }
        self.state.pending_send = pending;
    }

    pub(super) fn finish_sends(&mut self, handler: &mut impl Handler) -> io::Result<()> {
        let mut outcomes = std::mem::take(&mut self.outcomes);
        for outcome in outcomes.drain(..) {
            let Outcome { id, sent, .. } = outcome;
            match sent {
                Err(error) => self.lost(handler, id, error.raw_os_error())?,
                Ok(bytes) => {
                    if outcome.is_blocked {
                        handler.blocked(id);
                    }
                    self.sent(handler, id, bytes)?;
                }
            }
        }
        self.outcomes = outcomes; // keep its memory
        Ok(())
    }

    /// There may be room for what waits. Returns the number of completions: one if something waited.
    pub(super) fn send_blocked(
        &mut self,
        handler: &mut impl Handler,
        id: ConnectionId,
    ) -> io::Result<usize> {
        let Some(connection) = self.state.connections.get(id) else {
            return Ok(0);
        };
        let Some(mut sending) = connection.blocked.take() else {
            return Ok(0);
        };
        match sending.proceed(&connection.socket) {
            Err(error) => self.lost(handler, id, error.raw_os_error())?,
            Ok(bytes) => {
                if sending.is_done() {
                    self.state.queue_send(id);
                } else {
                    connection.blocked = Some(sending);
                }
                self.sent(handler, id, bytes)?;
            }
        }
        Ok(1)
    }
}
