//! Doorbells: how a thread wakes another thread's event loop, and only if that loop sleeps. A doorbell
//! carries nothing; the messages are in the mailbox. The ring's bells are IORING_OP_MSG_RING, epoll's
//! are eventfds.
//!
//! No wake is lost, because both sides have a sequentially consistent fence between two steps. A
//! sender enqueues its message, then checks whether the owner is asleep. The owner marks itself asleep,
//! then checks for messages. At least one of them sees the other.

use std::io;
use std::os::fd::{OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering, fence};

use rustix::event::{EventfdFlags, eventfd};

use super::{DataPlane, ring};

/// One doorbell for each event loop, shared by all threads of the process.
#[derive(Debug)]
pub struct Bells {
    plane: DataPlane,
    bells: Box<[Bell]>,
}

/// On a cache line of its own: an owner writes its bell at every sleep.
#[derive(Debug)]
#[repr(align(128))]
struct Bell {
    /// The ring's descriptor, or -1 while there is no ring.
    ring: AtomicI32,
    /// Epoll's bell. Made before any thread leaves the process's descriptor table, so that all tables
    /// have it.
    eventfd: Option<OwnedFd>,
    asleep: AtomicBool,
}

impl Bells {
    /// Bells for event loops of one kind. Threads that leave the process's descriptor table
    /// (`own_descriptors`) must do so afterwards.
    ///
    /// # Errors
    /// No descriptors are left for epoll's bells.
    pub fn new(plane: DataPlane, count: usize) -> io::Result<Bells> {
        let bell = |_| {
            let eventfd = match plane {
                DataPlane::IoUring => None,
                DataPlane::Epoll => {
                    Some(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?)
                }
            };
            Ok(Bell {
                ring: AtomicI32::new(-1),
                eventfd,
                asleep: AtomicBool::new(false),
            })
        };
        Ok(Bells {
            plane,
            bells: (0..count).map(bell).collect::<io::Result<_>>()?,
        })
    }

    /// The data plane of the event loops that these bells are for.
    pub fn plane(&self) -> DataPlane {
        self.plane
    }

    /// From here on a message rings. The owner must look for messages once more before it sleeps.
    pub(super) fn mark_asleep(&self, owner: usize) {
        self.bells[owner].asleep.store(true, Ordering::SeqCst);
        fence(Ordering::SeqCst);
    }

    pub(super) fn mark_awake(&self, owner: usize) {
        self.bells[owner].asleep.store(false, Ordering::SeqCst);
    }

    /// Whether the caller must ring: the owner sleeps, and nobody else has undertaken to wake it. An owner
    /// that is awake looks for messages by itself.
    pub(super) fn must_ring(&self, owner: usize) -> bool {
        fence(Ordering::SeqCst);
        self.bells[owner].asleep.swap(false, Ordering::SeqCst)
    }

    /// A bell that was rung did not reach the owner: the next sender must ring again.
    pub(super) fn ring_failed(&self, owner: usize) {
        self.bells[owner].asleep.store(true, Ordering::SeqCst);
    }

    pub(super) fn hang_ring(&self, owner: usize, ring: RawFd) {
        self.bells[owner].ring.store(ring, Ordering::SeqCst);
    }

    pub(super) fn take_down_ring(&self, owner: usize) {
        self.bells[owner].ring.store(-1, Ordering::SeqCst);
    }

    /// The descriptor of the owner's ring, while it has one.
    pub(super) fn ring_of(&self, owner: usize) -> Option<RawFd> {
        let ring = self.bells[owner].ring.load(Ordering::SeqCst);
        (ring >= 0).then_some(ring)
    }

    /// What epoll waits for besides sockets.
    pub(super) fn eventfd_of(&self, owner: usize) -> Option<&OwnedFd> {
        self.bells[owner].eventfd.as_ref()
    }

    /// Rings epoll's bell.
    pub(super) fn write_to_eventfd(&self, owner: usize) {
        if let Some(eventfd) = self.eventfd_of(owner) {
            // It fails when its counter is full, after 2^64 - 2 rings that nobody read.
            let _ = rustix::io::write(eventfd, &1_u64.to_ne_bytes());
        }
    }

    pub(super) fn owners(&self) -> std::ops::Range<usize> {
        0..self.bells.len()
    }
}

/// Wakes all event loops, whether they sleep or not, from a thread that has none, such as the one that
/// waits for signals.
///
/// # Errors
/// A ring that rings others cannot be made.
pub(crate) fn ring_all(bells: &Bells) -> io::Result<()> {
    match bells.plane {
        DataPlane::IoUring => ring::ring_all(bells),
        DataPlane::Epoll => {
            for owner in bells.owners() {
                bells.write_to_eventfd(owner);
            }
            Ok(())
        }
    }
}
