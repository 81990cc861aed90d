//! The receive buffers that a ring's connections share: the kernel takes one when bytes have
//! arrived and not before, so that an idle connection owns none.

#![allow(unsafe_code)] // memory that the kernel writes to

use std::io;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::IoUring;
use io_uring::types::BufRingEntry;
use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};
use rustix::param::page_size;

use crate::limits::{RECEIVE_BUFFER_BYTES, RECEIVE_BUFFERS};

const RING_BYTES: usize = RECEIVE_BUFFERS as usize * size_of::<BufRingEntry>();
const DATA_BYTES: usize = RECEIVE_BUFFERS as usize * RECEIVE_BUFFER_BYTES;
const MASK: u16 = RECEIVE_BUFFERS - 1;

/// A provided-buffer ring (`io_uring_register_buf_ring_with_flags(3)`) and its buffers, in one mapping of
/// their own: the C library's allocator would keep more free memory after a block of this size. The kernel
/// owns a buffer from `give_back` to the completion that names it.
#[derive(Debug)]
pub(super) struct ReceiveBuffers {
    /// The ring's entries, then the buffers.
    memory: NonNull<u8>,
    parts: Parts,
    /// Where the next entry goes; the kernel sees it after `publish`.
    tail: u16,
    /// The kernel may still write to it: never to be freed.
    leaked: bool,
}

/// The ring begins a page and has it to itself. Pages have 4 KiB, on other machines 16 or 64 KiB.
#[derive(Clone, Copy, Debug)]
struct Parts {
    bytes: usize,
    /// Where the buffers begin.
    data_offset: usize,
}

impl Parts {
    fn with_pages_of(page_bytes: usize) -> Parts {
        let data_offset = RING_BYTES.next_multiple_of(page_bytes);
        Parts {
            bytes: data_offset + DATA_BYTES.next_multiple_of(page_bytes),
            data_offset,
        }
    }
}

impl ReceiveBuffers {
    pub(super) const GROUP: u16 = 0;

    /// Allocates the buffers and registers them with the ring. They must be dropped after it.
    pub(super) fn register(ring: &IoUring) -> io::Result<ReceiveBuffers> {
        let parts = Parts::with_pages_of(page_size());
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: the kernel chooses an address that nobody uses.
        let memory =
            unsafe { mmap_anonymous(ptr::null_mut(), parts.bytes, access, MapFlags::PRIVATE)? };
        let memory = NonNull::new(memory.cast()).expect("the kernel maps nothing at 0");
        let mut buffers = ReceiveBuffers {
            memory,
            parts,
            tail: 0,
            leaked: false,
        };
        // SAFETY: the address begins a page and holds RECEIVE_BUFFERS entries; it stays valid
        // until `self` drops, which `RingLoop` puts after the ring's own drop.
        unsafe {
            ring.submitter().register_buf_ring_with_flags(
                memory.as_ptr() as u64,
                RECEIVE_BUFFERS,
                Self::GROUP,
                0,
            )?;
        }
        for buffer in 0..RECEIVE_BUFFERS {
            buffers.give_back(buffer);
        }
        buffers.publish();
        Ok(buffers)
    }

    /// The bytes that a completion put into a buffer.
    pub(super) fn filled(&self, buffer: u16, len: usize) -> &[u8] {
        assert!(buffer < RECEIVE_BUFFERS && len <= RECEIVE_BUFFER_BYTES);
        let offset = self.parts.data_offset + usize::from(buffer) * RECEIVE_BUFFER_BYTES;
        // SAFETY: within the mapping, by the assertion; initialised, because it was mapped as zeros. The kernel
        // does not write to a buffer it has handed over until `publish` gives it back, which takes
        // `&mut self` and so ends this borrow.
        unsafe { std::slice::from_raw_parts(self.memory.as_ptr().add(offset), len) }
    }

    /// Puts a buffer back at the ring's end. The kernel sees it after `publish`.
    pub(super) fn give_back(&mut self, buffer: u16) {
        assert!(buffer < RECEIVE_BUFFERS);
        let offset = self.parts.data_offset + usize::from(buffer) * RECEIVE_BUFFER_BYTES;
        // SAFETY: the entry lies within the ring, by the mask; between head and tail + 1 the kernel
        // reads entries, and this one lies beyond the tail that it knows. The fields are set one by
        // one: the first entry's last two bytes are the ring's tail.
        unsafe {
            let address = self.memory.as_ptr().add(offset) as u64;
            let entry = &mut *self
                .memory
                .as_ptr()
                .cast::<BufRingEntry>()
                .add(usize::from(self.tail & MASK));
            entry.set_addr(address);
            entry.set_len(RECEIVE_BUFFER_BYTES as u32);
            entry.set_bid(buffer);
        }
        self.tail = self.tail.wrapping_add(1);
    }

    /// Shows the kernel what was given back.
    pub(super) fn publish(&mut self) {
        // SAFETY: the tail lies within the ring's first entry; it is written by this thread alone,
        // and atomically, as the kernel reads it on its own time.
        unsafe {
            let tail = BufRingEntry::tail(self.memory.as_ptr().cast()).cast_mut();
            AtomicU16::from_ptr(tail).store(self.tail, Ordering::Release);
        }
    }
}

impl ReceiveBuffers {
    /// Keeps the memory for good.
    pub(super) fn leak(&mut self) {
        self.leaked = true;
    }
}

impl Drop for ReceiveBuffers {
    fn drop(&mut self) {
        if self.leaked {
            return;
        }
        // SAFETY: mapped with this length; the ring that knew the address is gone, and no request of it
        // was under way. Failing to unmap it is only a leak.
        let _ = unsafe { munmap(self.memory.as_ptr().cast(), self.parts.bytes) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ring_begins_a_page_and_shares_none_with_the_buffers() {
        for page_bytes in [4096, 16 * 1024, 64 * 1024] {
            let parts = Parts::with_pages_of(page_bytes);
            assert!(parts.data_offset >= RING_BYTES);
            assert_eq!(parts.data_offset % page_bytes, 0);
            assert!(parts.bytes >= parts.data_offset + DATA_BYTES);
            assert_eq!(parts.bytes % page_bytes, 0);
        }
    }
}
