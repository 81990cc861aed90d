//! How much memory the daemon can take at most, whatever peers do: one function of the limits. The tests hold
//! it against the accounts and against a daemon under attack; docs/OPERATING.md states it for operators.
//!
//! It is the resident memory of the process. What the kernel holds for its sockets is not in it.

use crate::limits::{KIB, Limits, MIB, RECEIVE_BUFFER_BYTES, RECEIVE_BUFFERS};

/// The program and its libraries, the threads' stacks, the log, metrics and their readers.
const BASE_BYTES: u64 = 48 * MIB;

/// One shard, besides its receive buffers: mailboxes, the executor, the ring's queues.
const SHARD_BYTES: u64 = 4 * MIB;

/// One connection that neither sends nor waits, with its address's account.
const CONNECTION_BYTES: u64 = 2 * KIB;

/// Memory for each byte of `limits.stored_bytes`: the pulses and their keys, and a directory that may take
/// as much again.
const MEMORY_PER_STORED_BYTE: u64 = 2;

/// What allocators add to what they are asked for, as a fraction: size classes and free pages between used
/// ones.
const ALLOCATOR_PARTS: u64 = 4;

/// The most memory that the daemon takes, by what takes it, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Footprint {
    pub base: u64,
    pub shards: u64,
    pub connections: u64,
    pub stored: u64,
    pub buffered: u64,
    /// The data of the admin page while somebody watches it.
    pub page: u64,
}

impl Footprint {
    /// `page`: whether anybody may watch the admin page.
    pub fn of(limits: &Limits, shards: usize, page: bool) -> Footprint {
        let shards = shards as u64;
        let receive = RECEIVE_BUFFER_BYTES as u64 * u64::from(RECEIVE_BUFFERS);
        let with_overhead = |bytes: u64| bytes.saturating_add(bytes / ALLOCATOR_PARTS);
        // Each shard may use two frames, even if all of them together exceed the limit.
        let guaranteed = 2 * u64::from(limits.frame_bytes) * shards;
        let buffered = limits.buffered_bytes.max(guaranteed);
        let stored = limits.stored_bytes.saturating_mul(MEMORY_PER_STORED_BYTE);
        // Being scanned, found, and shown; and three answers made of that.
        let page_bytes = 3 * 2 * limits.page_bytes() as u64;
        Footprint {
            base: BASE_BYTES,
            shards: shards * (receive + SHARD_BYTES),
            connections: limits.connections * CONNECTION_BYTES,
            stored: with_overhead(stored),
            // Parts of lists that other shards make may take half as much again.
            buffered: with_overhead(buffered.saturating_add(buffered / 2)),
            page: if page { with_overhead(page_bytes) } else { 0 },
        }
    }

    /// All of it together.
    pub fn total(&self) -> u64 {
        [
            self.base,
            self.shards,
            self.connections,
            self.stored,
            self.buffered,
            self.page,
        ]
        .into_iter()
        .fold(0, u64::saturating_add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_on_memory_moves_the_total() {
        let limits = Limits::wide();
        let total = |limits: &Limits, shards| Footprint::of(limits, shards, false).total();
        let before = total(&limits, 2);
        let more = |change: fn(&mut Limits)| {
            let mut limits = limits.clone();
            change(&mut limits);
            total(&limits, 2)
        };
        assert!(more(|limits| limits.stored_bytes *= 2) >= before + 2 * limits.stored_bytes);
        assert!(more(|limits| limits.buffered_bytes *= 2) >= before + limits.buffered_bytes);
        assert!(more(|limits| limits.connections *= 2) > before);
        assert!(more(|limits| limits.frame_bytes = 1 << 30) > before);
        assert!(total(&limits, 3) > before);
        assert!(Footprint::of(&limits, 2, true).total() > before);
    }

    #[test]
    fn the_largest_limits_do_not_overflow() {
        let limits = Limits {
            stored_bytes: *crate::limits::STORED_BYTES.end(),
            buffered_bytes: *crate::limits::BUFFERED_BYTES.end(),
            connections: *crate::limits::CONNECTIONS.end(),
            frame_bytes: *crate::limits::FRAME_BYTES.end() as u32,
            ..Limits::wide()
        };
        let total = Footprint::of(&limits, 256, true).total();
        assert!(total > limits.stored_bytes + limits.buffered_bytes && total < u64::MAX);
    }
}
