//! Doorbells: how a thread wakes another thread's event loop, by IORING_OP_MSG_RING, and only if that
//! loop sleeps. A doorbell carries nothing; the messages are in the mailbox.
//!
//! No wake is lost, because both sides have a sequentially consistent fence between two steps. A
//! sender enqueues its message, then checks whether the owner is asleep. The owner marks itself asleep,
//! then checks for messages. At least one of them sees the other.

use std::io;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering, fence};

use io_uring::squeue::{Entry, Flags};
use io_uring::{IoUring, opcode, types};

use super::operation::{Operation, UserData};

/// One doorbell for each event loop, shared by all threads of the process.
#[derive(Debug)]
pub struct Bells {
    bells: Box<[Bell]>,
}

/// On a cache line of its own: an owner writes its bell at every sleep.
#[derive(Debug)]
#[repr(align(128))]
struct Bell {
    /// The ring's descriptor, or -1 while there is no ring.
    ring: AtomicI32,
    asleep: AtomicBool,
}

impl Bells {
    pub fn new(count: usize) -> Bells {
        Bells {
            bells: (0..count)
                .map(|_| Bell {
                    ring: AtomicI32::new(-1),
                    asleep: AtomicBool::new(false),
                })
                .collect(),
        }
    }

    pub(super) fn hang(&self, owner: usize, ring: RawFd) {
        self.bells[owner].ring.store(ring, Ordering::SeqCst);
    }

    pub(super) fn take_down(&self, owner: usize) {
        self.bells[owner].ring.store(-1, Ordering::SeqCst);
    }

    /// From here on a message rings. The owner must look for messages once more before it sleeps.
    pub(super) fn mark_asleep(&self, owner: usize) {
        self.bells[owner].asleep.store(true, Ordering::SeqCst);
        fence(Ordering::SeqCst);
    }

    pub(super) fn mark_awake(&self, owner: usize) {
        self.bells[owner].asleep.store(false, Ordering::SeqCst);
    }

    /// The doorbell of `entry_if_asleep` did not reach the owner: the next sender must ring again.
    pub(super) fn ring_failed(&self, owner: usize) {
        self.bells[owner].asleep.store(true, Ordering::SeqCst);
    }

    /// The entry that wakes the owner. None if it is awake: it will look for messages by itself.
    pub(super) fn entry_if_asleep(&self, owner: usize) -> Option<Entry> {
        fence(Ordering::SeqCst);
        let bell = &self.bells[owner];
        if !bell.asleep.swap(false, Ordering::SeqCst) {
            return None;
        }
        self.entry(owner)
    }

    fn entry(&self, owner: usize) -> Option<Entry> {
        let ring = self.bells[owner].ring.load(Ordering::SeqCst);
        if ring < 0 {
            return None;
        }
        let rung = UserData::new(Operation::Rung, 0, 0);
        let sent = UserData::new(Operation::Ring, owner as u32, 0);
        Some(
            opcode::MsgRingData::new(types::Fd(ring), 0, rung.into(), None)
                .build()
                .flags(Flags::SKIP_SUCCESS)
                .user_data(sent.into()),
        )
    }
}

/// Rings from a thread without an event loop, such as the one that waits for signals.
pub(crate) struct Ringer {
    ring: IoUring,
}

impl Ringer {
    pub(crate) fn new() -> io::Result<Ringer> {
        Ok(Ringer {
            ring: IoUring::new(2)?,
        })
    }

    /// Wakes the owner whether it sleeps or not.
    pub(crate) fn ring(&mut self, bells: &Bells, owner: usize) -> io::Result<()> {
        let Some(entry) = bells.entry(owner) else {
            return Ok(());
        };
        super::push_entry(&mut self.ring, &entry)?;
        self.ring.submit()?;
        match self.ring.completion().next() {
            Some(failed) => Err(io::Error::from_raw_os_error(-failed.result())),
            None => Ok(()),
        }
    }
}
