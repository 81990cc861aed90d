//! Doorbells: how a thread wakes another thread's event loop, through IORING_OP_MSG_RING, and only
//! if that one sleeps. They carry nothing; the mail is elsewhere.
//!
//! The rule against lost wakes, on both sides of a sequentially consistent fence: a sender puts its
//! letter down and then looks whether the owner sleeps; an owner says that it sleeps and then looks
//! for letters. At least one of them sees the other.

use std::io;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering, fence};

use io_uring::squeue::{Entry, Flags};
use io_uring::{IoUring, opcode, types};

use super::operation::{Operation, UserData};

/// One bell an event loop, shared by all threads of the process.
#[derive(Debug)]
pub struct Bells {
    bells: Box<[Bell]>,
}

/// On a cache line of its own: owners write theirs at every sleep.
#[derive(Debug)]
#[repr(align(128))]
struct Bell {
    /// The ring's descriptor; -1 while there is no ring.
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

    /// From here on a letter rings. The owner must look for letters once more before it sleeps.
    pub(super) fn fall_asleep(&self, owner: usize) {
        self.bells[owner].asleep.store(true, Ordering::SeqCst);
        fence(Ordering::SeqCst);
    }

    pub(super) fn wake_up(&self, owner: usize) {
        self.bells[owner].asleep.store(false, Ordering::SeqCst);
    }

    /// The owner did not get the bell that `entry_if_asleep` was to ring: the next one must ring.
    pub(super) fn failed(&self, owner: usize) {
        self.bells[owner].asleep.store(true, Ordering::SeqCst);
    }

    /// What to submit so that the owner wakes; None if it is awake and will look by itself.
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

/// Rings from a thread that has no event loop, such as the one that waits for signals.
#[expect(missing_debug_implementations, reason = "IoUring has none")]
pub struct Ringer {
    ring: IoUring,
}

impl Ringer {
    pub fn new() -> io::Result<Ringer> {
        Ok(Ringer {
            ring: IoUring::new(2)?,
        })
    }

    /// Wakes the owner whether it sleeps or not.
    pub fn ring(&mut self, bells: &Bells, owner: usize) -> io::Result<()> {
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
