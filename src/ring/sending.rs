//! One send under way: the bytes, how far it has come, and the structures that point the kernel at
//! them. They must stay where they are until the kernel is done with them.

#![allow(unsafe_code)] // iovec and msghdr are pointers

use std::ptr;

use io_uring::squeue::{Entry, Flags};
use io_uring::{opcode, types};
use libc::{c_int, iovec, msghdr};

use super::operation::UserData;
use crate::connection::{ConnectionId, Outbox};

/// Slices that one sendmsg(2) takes (UIO_MAXIOV).
const MAX_SLICES: usize = 1024;

pub(super) struct Sending {
    pub(super) id: ConnectionId,
    outbox: Outbox,
    sent: usize,
    /// Bytes that the last entry asked for.
    asked: usize,
    gather: Option<Box<Gather>>,
}

/// What IORING_OP_SENDMSG reads. Boxed, so that it stays put when a `Sending` moves.
struct Gather {
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
            gather: None,
        }
    }

    /// Bytes asked for by the entry under way.
    pub(super) fn asked(&self) -> usize {
        self.asked
    }

    /// Counts bytes as sent; true when none are left.
    pub(super) fn advance(&mut self, bytes: usize) -> bool {
        self.sent += bytes;
        assert!(self.sent <= self.outbox.len());
        self.sent == self.outbox.len()
    }

    /// An entry that sends all it can while it is being submitted and never waits. No completion
    /// comes unless it falls short: MSG_WAITALL makes a short send a failure, MSG_DONTWAIT keeps it
    /// from waiting for room, and SKIP_SUCCESS leaves the rest unsaid. So when io_uring_enter(2) has
    /// taken the entry and no failure is in the completion queue, it has been sent. `report` asks
    /// for a completion in any case, which wakes whoever waits for this.
    ///
    /// The caller keeps `self` alive and its outbox unchanged until then.
    pub(super) fn entry_now(&mut self, fd: types::Fd, data: UserData, report: bool) -> Entry {
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
    pub(super) fn entry_later(&mut self, fd: types::Fd, data: UserData) -> Entry {
        self.entry(fd, libc::MSG_NOSIGNAL).user_data(data.into())
    }

    fn entry(&mut self, fd: types::Fd, flags: c_int) -> Entry {
        if let Some(text) = self.outbox.as_single_slice() {
            let rest = &text[self.sent..];
            let len = u32::try_from(rest.len()).unwrap_or(u32::MAX);
            self.asked = len as usize;
            return opcode::Send::new(fd, rest.as_ptr(), len)
                .flags(flags)
                .build();
        }
        let gather = self.gather.get_or_insert_with(|| {
            Box::new(Gather {
                // SAFETY: a msghdr of zeros names no address, no slices and no control data.
                header: unsafe { std::mem::zeroed() },
                slices: Vec::new(),
            })
        });
        gather.slices.clear();
        self.asked = 0;
        for slice in self.outbox.slices(self.sent).take(MAX_SLICES) {
            self.asked += slice.len();
            gather.slices.push(iovec {
                iov_base: ptr::from_ref(slice).cast_mut().cast(),
                iov_len: slice.len(),
            });
        }
        gather.header.msg_iov = gather.slices.as_mut_ptr();
        gather.header.msg_iovlen = gather.slices.len() as _;
        opcode::SendMsg::new(fd, &raw const gather.header)
            .flags(flags as u32)
            .build()
    }
}

impl std::fmt::Debug for Sending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sending")
            .field("id", &self.id)
            .field("sent", &self.sent)
            .field("of", &self.outbox.len())
            .finish_non_exhaustive()
    }
}
