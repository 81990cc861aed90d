//! Every bound of the daemon in one place: its unit, the reason for it, and how far an operator may
//! move it. Defaults live in `config/pacemaker.toml`; this file holds what no configuration may pass
//! and what is not configurable at all. The checks at the end hold the bounds' relations at compile
//! time.

use std::ops::RangeInclusive;
use std::time::Duration;

pub const KIB: u64 = 1024;
pub const MIB: u64 = 1024 * KIB;
pub const GIB: u64 = 1024 * MIB;

// ── What configuration may choose ────────────────────────────────────────────────────────────────

/// Bytes of one frame's body. Storm's `pacemaker.thrift.message.size.max` is an `int`, and so is the
/// length on the wire.
pub const FRAME_BYTES: RangeInclusive<u64> = KIB..=i32::MAX as u64;

/// Bytes of one path. A worker's key is 80 to 110 bytes; the bound keeps the directory small.
pub const PATH_BYTES: RangeInclusive<u64> = 128..=64 * KIB;

/// Segments of one path. A worker's key has three; each segment is a node of the directory.
pub const PATH_DEPTH: RangeInclusive<u64> = 4..=1024;

/// Open connections of the process. 100 bytes to 1 KiB each, and a file descriptor.
pub const CONNECTIONS: RangeInclusive<u64> = 1..=1_000_000;

/// Requests of one connection that other shards have not answered yet. Storm's client has 100
/// message slots.
pub const IN_FLIGHT: RangeInclusive<u64> = 1..=65_536;

/// Bytes of answers queued for one connection before its requests are left unread.
pub const OUTPUT_BYTES: RangeInclusive<u64> = 4 * KIB..=4 * GIB;

/// How long a connection may take no byte of the answers queued for it. Storm's client gives a
/// request up after 11 s.
pub const OUTPUT_DEADLINE: RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_secs(3600);

/// Bytes of half-received requests and unread answers of all connections: what peers can make the
/// process hold besides what it stores.
pub const BUFFERED_BYTES: RangeInclusive<u64> = MIB..=1024 * GIB;

/// What one connection may buffer even when all buffers together are full: a request that comes in
/// two pieces is no offence.
pub const SMALL_BUFFER_BYTES: usize = 16 * KIB as usize;

/// How long a connection may leave a request half sent while buffers run short, in microseconds.
pub const STALLED_US: u64 = 5_000_000;

/// How long a login may take. Kerberos asks a KDC between two messages of ours; Storm's client gives a
/// request up after 11 s.
pub const HANDSHAKE_DEADLINE: RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_secs(300);

/// Bytes of all messages of one login. DIGEST needs under 1 KiB; a Kerberos ticket that carries a
/// user's groups may have 48 KiB.
pub const HANDSHAKE_BYTES: RangeInclusive<u64> = 4 * KIB..=MIB;

/// Connections of one address that have not logged in, where a method is set: workers of one host
/// never log in, and a gateway may stand for many hosts.
pub const UNAUTHENTICATED_PER_ADDRESS: RangeInclusive<u64> = 1..=1_000_000;

/// Logins of one address that fail or are under way before further ones wait.
pub const FAILED_LOGINS: RangeInclusive<u64> = 1..=10_000;

/// Keys of the process.
pub const STORED_KEYS: RangeInclusive<u64> = 1..=100_000_000;

/// Bytes of keys and details of the process.
pub const STORED_BYTES: RangeInclusive<u64> = MIB..=1024 * GIB;

/// How long a shutdown may take to answer what is in flight.
pub const SHUTDOWN_DEADLINE: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(60);

/// The longest a pulse may wait for company (see `shard::pace`).
pub const MINIMUM_WAIT: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_millis(100);

/// How long a key is kept that nobody refreshes; zero keeps it for ever, and less than a minute is
/// refused: Nimbus gives a worker 30 s, and a pause of a few pulses is no death.
pub const EXPIRE_AFTER: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(24 * 3600);
pub const LEAST_EXPIRE_AFTER: Duration = Duration::from_secs(60);

/// From which age on a key counts as stale.
pub const STALE_AFTER: RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_secs(3600);

/// Shards of the process. More than cores works, and is of use to tests only.
pub const SHARDS: RangeInclusive<u64> = 1..=256;

// ── What is fixed ────────────────────────────────────────────────────────────────────────────────

/// In this time an address is forgiven one failed login, and one that waits is judged.
pub const LOGIN_FORGIVEN_US: u64 = 1_000_000;

/// Bytes of a file of the configuration: far more than any has, and little enough to read while the
/// daemon runs.
pub const CONFIG_FILE_BYTES: u64 = 4 * MIB;

/// Nesting of Thrift structs and containers in one message. A real message nests four deep; Java's
/// reader overflows its stack at 200 000.
pub const THRIFT_DEPTH: u32 = 64;

/// Requests, or answers, that wait in one shard's mailbox. What does not fit stays with the sender,
/// in a queue that the connections' in-flight bound keeps short.
pub const MAILBOX_SLOTS: usize = 4096;

/// TCP keep-alive of accepted connections: a host that has lost its power says no goodbye, and the
/// server never speaks first. Found out after ten minutes; a healthy idle connection stays.
pub const KEEPALIVE_IDLE: Duration = Duration::from_secs(300);
pub const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(60);
pub const KEEPALIVE_PROBES: u32 = 5;

/// Keys of the process that the admin page shows: what a browser can hold.
pub const SHOWN_KEYS: usize = 200_000;

/// Bytes of those keys as JSON, in all: ten times what the largest cluster's need. Peers choose them, and
/// a control character takes six bytes there.
pub const SHOWN_BYTES: usize = 32 * MIB as usize;

/// Letters that a shard takes from a lane before it looks at its sockets again.
pub const MAILBOX_BURST: usize = 1024;

/// Bytes of one receive buffer: a 4 KiB pulse and its key fit.
pub const RECEIVE_BUFFER_BYTES: usize = 8 * KIB as usize;

/// Receive buffers of a shard, a power of two: 4 MiB. They are in use only while their completion
/// is being worked on.
pub const RECEIVE_BUFFERS: u16 = 512;

/// File descriptors that are not connections: rings, listeners, logs, the executor's own.
pub const SPARE_FILES_BASE: u64 = 64;
pub const SPARE_FILES_PER_SHARD: u64 = 16;

// ── Commands at a terminal ───────────────────────────────────────────────────────────────────────

/// Where a server is that nothing says where it is, and bytes of the largest frame that Storm's
/// clients take: Storm's defaults.
pub const STORMS_PORT: u16 = 6699;
pub const STORMS_FRAME_BYTES: u32 = 10 * MIB as u32;

/// Requests of a command in one batch, and bytes of their paths. The server takes them all before it
/// must have sent an answer.
pub const COMMAND_BATCH: usize = 64;
pub const COMMAND_BATCH_BYTES: usize = 16 * KIB as usize;

/// Bytes of a heartbeat once it is unpacked, and values in it. One of 50 executors has under 1 MiB and
/// 20 000 values.
pub const UNPACKED_BYTES: u64 = 64 * MIB;
pub const HEARTBEAT_VALUES: usize = 1 << 20;

/// Segments of a path below which a listing looks no further: a server may go on for ever.
pub const LISTED_DEPTH: usize = *PATH_DEPTH.end() as usize;

/// Keys that `top` watches, at some 250 bytes each.
pub const WATCHED_KEYS: usize = 200_000;

/// Bytes that a command receives at a time.
pub const COMMAND_RECEIVE_BYTES: usize = 64 * KIB as usize;

const _: () = {
    assert!(RECEIVE_BUFFERS.is_power_of_two());
    assert!(*FRAME_BYTES.end() <= i32::MAX as u64);
    assert!(*PATH_BYTES.end() < *FRAME_BYTES.end());
    assert!(*PATH_DEPTH.end() <= *PATH_BYTES.end());
    assert!(*HANDSHAKE_BYTES.end() <= *FRAME_BYTES.end());
    assert!(*UNAUTHENTICATED_PER_ADDRESS.end() <= *CONNECTIONS.end());
    assert!(MAILBOX_BURST <= MAILBOX_SLOTS);
    assert!(RECEIVE_BUFFER_BYTES.is_power_of_two());
};
