//! How much memory the daemon takes at most, whatever peers do. [`Accounts`] says what heap the accounts in
//! force stand for, [`Footprint`] what resident memory the limits allow. Tests hold both against shards and
//! daemons under attack; docs/OPERATING.md states the second one for operators.
//!
//! What the kernel holds for sockets is not in it.

use crate::limits::{
    KERNEL_CONNECTION_BYTES, KIB, LEAST_SEGMENTS, Limits, MIB, RECEIVE_BUFFER_BYTES,
    RECEIVE_BUFFERS, SEGMENT_BYTES, SLICE_BYTES, SMALL_BUFFER_BYTES, TINY_BUFFER_BYTES,
};

// ── Heap for what is on an account ───────────────────────────────────────────────────────────────

/// A connection: what the shard knows of it (328 bytes), what the data plane does (144), their places in
/// tables that grow by doubling, and in lists of deadlines.
const CONNECTION_BYTES: u64 = 640;

/// The account of an address: 88 bytes in a hash table that grows by doubling.
const ADDRESS_BYTES: u64 = 256;

/// A stored pulse's counter of references, which is made when the pulse is first read.
const KEY_BYTES: u64 = 32;

// ── What no account counts ───────────────────────────────────────────────────────────────────────

/// The program and its libraries, its threads' stacks, the log, metrics and their readers: at rest, and at
/// most.
const BASE_AT_REST_BYTES: u64 = 16 * MIB;
const BASE_BYTES: u64 = 32 * MIB;

/// A shard besides its receive buffers: mailboxes, queues of the data plane, lists that keep their memory.
const SHARD_AT_REST_BYTES: u64 = MIB;
const SHARD_BYTES: u64 = 6 * MIB;

/// The receive buffers of a shard.
const RECEIVE_BYTES: u64 = RECEIVE_BUFFER_BYTES as u64 * RECEIVE_BUFFERS as u64;

/// How far a shard goes beyond a limit before it notices: by a slice of a scan, a buffer that nobody is ended
/// for, and the requests of one receive.
const OVERSHOOT_BYTES: u64 = SLICE_BYTES as u64 + SMALL_BUFFER_BYTES as u64 + 256 * KIB;

/// What allocators add to what they are asked for: a part of it, for size classes, and for free memory
/// between used one.
const ALLOCATOR_PART: u64 = 4;

/// What the accounts of the daemon, or of one shard, say that it holds.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Accounts {
    /// Bytes of the text of the keys and of what they hold.
    pub stored: u64,
    pub keys: u64,
    /// Bytes of the index besides the text of the keys.
    pub index: u64,
    /// Bytes of half-received requests, unread answers, forwarded requests, logins and scans.
    pub buffered: u64,
    /// Bytes of parts of scans, and of pulses on their way to the shard that asked for them.
    pub parts: u64,
    pub connections: u64,
    /// Addresses that have connections, or failed logins that still count.
    pub addresses: u64,
}

impl Accounts {
    /// The most heap that they stand for, in bytes.
    pub fn heap_bytes(&self) -> u64 {
        let bytes = self.stored + self.index + self.buffered + self.parts;
        let keys = self.keys * KEY_BYTES;
        bytes + keys + self.connections * CONNECTION_BYTES + self.addresses * ADDRESS_BYTES
    }

    /// The resident memory of a daemon with `shards` shards that has been at rest for a while, in bytes.
    pub fn resident_bytes(&self, shards: usize) -> u64 {
        let shards = shards as u64 * (SHARD_AT_REST_BYTES + RECEIVE_BYTES);
        with_allocator(self.heap_bytes()) + BASE_AT_REST_BYTES + shards
    }
}

impl std::iter::Sum for Accounts {
    fn sum<I: Iterator<Item = Accounts>>(all: I) -> Accounts {
        all.fold(Accounts::default(), |sum, one| Accounts {
            stored: sum.stored + one.stored,
            keys: sum.keys + one.keys,
            index: sum.index + one.index,
            buffered: sum.buffered + one.buffered,
            parts: sum.parts + one.parts,
            connections: sum.connections + one.connections,
            addresses: sum.addresses + one.addresses,
        })
    }
}

/// The most resident memory that the daemon takes, by what takes it, in bytes.
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
        // Being scanned, found, and shown; and three answers made of that.
        let page_bytes = 3 * 2 * limits.page_bytes() as u64;
        Footprint {
            base: BASE_BYTES,
            shards: shards as u64 * shard_bytes(limits),
            connections: with_allocator(limits.connections * OPEN_CONNECTION_BYTES),
            stored: with_allocator(stored_heap_bytes(limits, shards)),
            buffered: with_allocator(buffered_heap_bytes(limits, shards)),
            page: if page { with_allocator(page_bytes) } else { 0 },
        }
    }

    /// All of it together.
    pub fn total(&self) -> u64 {
        let terms = self.terms().into_iter().map(|(_, bytes)| bytes);
        terms.fold(0, u64::saturating_add)
    }

    /// What it consists of, each with its name.
    pub fn terms(&self) -> [(&'static str, u64); 6] {
        [
            ("stored pulses", self.stored),
            ("buffers", self.buffered),
            ("connections", self.connections),
            ("shards", self.shards),
            ("page", self.page),
            ("program", self.base),
        ]
    }
}

/// Its receive buffers, and a frame that is being copied, which is on an account afterwards.
fn shard_bytes(limits: &Limits) -> u64 {
    SHARD_BYTES + RECEIVE_BYTES + u64::from(limits.frame_bytes)
}

/// An open connection with an address of its own and what it may hold beyond `limits.buffered`, and an
/// address that has left failed logins behind.
const OPEN_CONNECTION_BYTES: u64 = CONNECTION_BYTES + TINY_BUFFER_BYTES as u64 + 2 * ADDRESS_BYTES;

/// The most memory of a connection that neither sends nor waits, the kernel's included.
pub(crate) const CONNECTION_MEMORY_BYTES: u64 =
    KERNEL_CONNECTION_BYTES + with_allocator(OPEN_CONNECTION_BYTES);

/// What all shards store: the pulses and their keys, and as many segments of paths as are allowed.
fn stored_heap_bytes(limits: &Limits, shards: usize) -> u64 {
    let least = LEAST_SEGMENTS * shards as u64;
    let segments = (limits.stored_bytes / SEGMENT_BYTES).max(least);
    limits.stored_bytes.saturating_add(segments * SEGMENT_BYTES)
}

/// The most that all shards buffer, and that their parts of scans take.
pub fn buffered_heap_bytes(limits: &Limits, shards: usize) -> u64 {
    let others = shards as u64 - 1;
    // One shard has all of the limit when the others need what they are guaranteed.
    let guaranteed = limits.guaranteed_bytes(shards);
    let staying = limits.buffered_bytes.max(guaranteed) + others * guaranteed;
    let buffered = staying + shards as u64 * limits.leaving_bytes(shards);
    // The part that makes it too much is finished all the same.
    let parts = limits.parts_bytes(shards) + limits.records_bytes();
    let left_behind = limits.left_behind_bytes();
    buffered.saturating_add(shards as u64 * (parts + left_behind + OVERSHOOT_BYTES))
}

const fn with_allocator(bytes: u64) -> u64 {
    bytes.saturating_add(bytes / ALLOCATOR_PART)
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
