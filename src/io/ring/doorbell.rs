//! Ringing by IORING_OP_MSG_RING: the kernel puts a completion into another thread's ring.

use std::io;

use io_uring::squeue::{Entry, Flags};
use io_uring::{IoUring, opcode, types};

use super::operation::{Operation, UserData};
use super::push_entry;
use crate::io::bells::Bells;

/// The entry that wakes the owner. None if it has no ring.
pub(super) fn entry(bells: &Bells, owner: usize) -> Option<Entry> {
    let ring = bells.ring_of(owner)?;
    let rung = UserData::new(Operation::Rung, 0, 0);
    let sent = UserData::new(Operation::Ring, owner as u32, 0);
    Some(
        opcode::MsgRingData::new(types::Fd(ring), 0, rung.into(), None)
            .build()
            .flags(Flags::SKIP_SUCCESS)
            .user_data(sent.into()),
    )
}

/// Wakes all owners through a ring that is made for it.
pub(in crate::io) fn ring_all(bells: &Bells) -> io::Result<()> {
    let mut ring = IoUring::new(2)?;
    for owner in bells.owners() {
        if let Some(entry) = entry(bells, owner) {
            push_entry(&mut ring, &entry)?;
            ring.submit()?;
            // A failure means that the owner is gone, and must not be woken.
            let _ = ring.completion().next();
        }
    }
    Ok(())
}
