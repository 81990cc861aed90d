//! Every bound of the daemon, with its unit and its reason. [`Limits`] holds the bounds that the
//! configuration sets; the ranges below say how far an operator may move them. Defaults are in
//! `config/pacemaker.toml`. Bounds that nobody can configure are constants. The checks at the end hold
//! the relations between bounds at compile time.

use std::ops::RangeInclusive;
use std::time::Duration;

pub const KIB: u64 = 1024;
pub(crate) const MIB: u64 = 1024 * KIB;
pub(crate) const GIB: u64 = 1024 * MIB;

// ── What the configuration sets ──────────────────────────────────────────────────────────────────

/// The limits of one process. The configuration fills them and every shard goes by them. Where a limit
/// is for the whole process, it is met by all shards together.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes of one frame's body. Storm's `pacemaker.thrift.message.size.max` is an `int`, and so is
    /// the length on the wire.
    pub frame_bytes: u32,
    /// Bytes of one path. A worker's key has 80 to 110; the limit keeps the directory small.
    pub path_bytes: u64,
    /// Segments of one path. A worker's key has three; each segment is a node of the directory.
    pub path_depth: u64,
    /// Open connections of the process. Each costs 100 bytes to 1 KiB and a file descriptor.
    pub connections: u64,
    /// Connections of one address, so that no single host can take them all. `None`: half of
    /// `connections`; read it with [`Limits::connections_per_address`].
    pub connections_per_address: Option<u64>,
    /// Bits of an IPv6 address that limits for one address, and its account of failed logins, go by. One
    /// host can use every address of a /64; all pods of a node may share one.
    pub ipv6_prefix: u8,
    /// Requests of one connection that other shards have not answered yet. Storm's client has 100
    /// message slots.
    pub in_flight: usize,
    /// Bytes of answers queued for one connection before the server stops reading its requests. At
    /// least `frame_bytes`: one answer of that size must fit.
    pub output_bytes: usize,
    /// How long a peer may take no byte of the answers queued for it. Storm's client gives up a
    /// request after 11 s.
    pub output_deadline: Duration,
    /// Bytes of half-received requests and unread answers of all connections: what peers can make the
    /// process hold besides what it stores.
    pub buffered_bytes: u64,
    /// Bytes a second at which a frame must arrive once it has taken 10 s. A peer that trickles holds the
    /// memory of its frame no longer than that.
    pub receive_rate: u64,
    /// Keys of the process.
    pub stored_keys: u64,
    /// Bytes of keys and details of the process.
    pub stored_bytes: u64,
    /// How long a login may take. Kerberos asks a KDC between two of our messages; Storm's client gives
    /// up a request after 11 s.
    pub handshake_deadline: Duration,
    /// Bytes of all messages of one login. DIGEST needs less than 1 KiB; a Kerberos ticket that carries
    /// a user's groups can have 48 KiB.
    pub handshake_bytes: u64,
    /// Connections of one address that have neither logged in nor sent a pulse that was allowed, where a
    /// login method is set. The workers of
    /// a host never log in, and a gateway may stand for many hosts.
    pub unauthenticated_per_address: u64,
    /// Logins of one address that fail or are under way before further ones wait.
    pub failed_logins: u64,
}

impl Limits {
    /// Connections that one address may hold.
    pub fn connections_per_address(&self) -> u64 {
        let half = (self.connections / 2).max(LEAST_PER_ADDRESS);
        self.connections_per_address.unwrap_or(half)
    }

    /// TCP_USER_TIMEOUT of accepted connections: how long an answer may stay unacknowledged by the peer's
    /// kernel. A host that is lost in that moment would otherwise keep its connection for 15 minutes.
    /// Twice `output_deadline`, so that a peer whose kernel takes nothing is ended by that, with a reason.
    pub(crate) fn unacknowledged_time(&self) -> Duration {
        UNACKNOWLEDGED_TIME.min(self.output_deadline * 2)
    }

    /// Bytes of memory that the keys of one scan for the admin page take, in all, and bytes of the
    /// answer made of them. Where little may be stored there is little memory for it.
    pub fn page_bytes(&self) -> usize {
        (self.stored_bytes / PAGE_PART).min(PAGE_BYTES) as usize
    }

    /// What one of `shards` shards may buffer however much the others do: a quarter of its equal share, and at
    /// least a frame and a quarter of one. It overdraws `buffered_bytes` if it has to, until another shard
    /// gives way.
    pub(crate) fn guaranteed_bytes(&self, shards: usize) -> u64 {
        let frame = u64::from(self.frame_bytes);
        self.quarter_of_share(shards).max(frame + frame / 4)
    }

    /// What parts of lists and records may take on one of `shards` shards, besides what is buffered, before
    /// another one is begun or goes on: a quarter of its equal share of `buffered_bytes`, and at least a
    /// frame.
    pub(crate) fn parts_bytes(&self, shards: usize) -> u64 {
        self.quarter_of_share(shards).max(self.frame_bytes.into())
    }

    fn quarter_of_share(&self, shards: usize) -> u64 {
        self.buffered_bytes / shards as u64 / 4
    }

    /// Bytes of memory of the largest part of records. Records of nothing take five times what they take on the
    /// wire.
    pub(crate) fn records_bytes(&self) -> u64 {
        let frame = u64::from(self.frame_bytes);
        frame + frame / 2
    }

    /// Bytes of requests in other shards' mailboxes that peers which are gone may have left there before no
    /// other request is read: nobody can be ended for them.
    pub(crate) fn left_behind_bytes(&self) -> u64 {
        u64::from(self.frame_bytes) / 4
    }

    /// What peers that are being ended or are gone may still hold on one of `shards` shards before no other request
    /// is read there: a quarter of its equal share. It is beyond `buffered_bytes`.
    pub(crate) fn leaving_bytes(&self, shards: usize) -> u64 {
        self.quarter_of_share(shards)
    }

    /// Limits that tests and measurements do not reach; each narrows the one that it is about.
    pub fn wide() -> Limits {
        Limits {
            frame_bytes: 10 << 20,
            path_bytes: 4096,
            path_depth: 32,
            connections: 1000,
            connections_per_address: Some(1000),
            ipv6_prefix: 64,
            in_flight: 1024,
            output_bytes: 16 << 20,
            output_deadline: Duration::from_secs(30),
            buffered_bytes: GIB,
            receive_rate: 16 * KIB,
            stored_keys: 1 << 20,
            stored_bytes: GIB,
            handshake_deadline: Duration::from_secs(10),
            handshake_bytes: 64 * KIB,
            unauthenticated_per_address: 1000,
            failed_logins: 20,
        }
    }
}

/// When a key that nobody refreshes is stale, and when it is deleted.
#[derive(Clone, Copy, Debug)]
pub struct Ageing {
    pub stale_after: Duration,
    /// Zero: never.
    pub expire_after: Duration,
}

// ── How far the configuration may go ─────────────────────────────────────────────────────────────

// The ranges of `Limits`. Each has the name of its field, which gives unit and reason.
pub const FRAME_BYTES: RangeInclusive<u64> = KIB..=i32::MAX as u64;
pub(crate) const PATH_BYTES: RangeInclusive<u64> = 128..=64 * KIB;
pub(crate) const PATH_DEPTH: RangeInclusive<u64> = 4..=1024;
pub const CONNECTIONS: RangeInclusive<u64> = 1..=1_000_000;
pub(crate) const IPV6_PREFIX: RangeInclusive<u64> = 32..=128;
pub(crate) const IN_FLIGHT: RangeInclusive<u64> = 1..=65_536;
pub(crate) const OUTPUT_BYTES: RangeInclusive<u64> = 4 * KIB..=4 * GIB;
pub(crate) const OUTPUT_DEADLINE: RangeInclusive<Duration> = seconds(1)..=seconds(3600);
pub(crate) const RECEIVE_RATE: RangeInclusive<u64> = 64..=GIB;
pub(crate) const BUFFERED_BYTES: RangeInclusive<u64> = MIB..=1024 * GIB;
pub(crate) const STORED_KEYS: RangeInclusive<u64> = 1..=100_000_000;
pub(crate) const STORED_BYTES: RangeInclusive<u64> = MIB..=1024 * GIB;
pub(crate) const HANDSHAKE_DEADLINE: RangeInclusive<Duration> = seconds(1)..=seconds(300);
pub(crate) const HANDSHAKE_BYTES: RangeInclusive<u64> = 4 * KIB..=MIB;
pub(crate) const UNAUTHENTICATED_PER_ADDRESS: RangeInclusive<u64> = 1..=1_000_000;
pub(crate) const FAILED_LOGINS: RangeInclusive<u64> = 1..=10_000;

/// [`Ageing::expire_after`]. Above zero, less than [`LEAST_EXPIRE_AFTER`] is refused: Nimbus gives a
/// worker 30 s, and a worker that misses a few pulses is not dead.
pub const EXPIRE_AFTER: RangeInclusive<Duration> = Duration::ZERO..=seconds(24 * 3600);
pub(crate) const LEAST_EXPIRE_AFTER: Duration = seconds(60);
pub(crate) const STALE_AFTER: RangeInclusive<Duration> = seconds(1)..=seconds(3600);

/// How long a shutdown may take to answer what is in flight.
pub(crate) const SHUTDOWN_DEADLINE: RangeInclusive<Duration> = Duration::ZERO..=seconds(60);

/// How long a drain may take to move all clients. Their heartbeat period and a pass of Nimbus must fit.
pub(crate) const DRAIN_DEADLINE: RangeInclusive<Duration> = seconds(1)..=seconds(600);

/// How long a pulse may wait for others (see `shard::pace`).
pub const MINIMUM_WAIT: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_millis(100);

/// How long reads of keys without a new pulse wait, after a start or a pause (see `shard::warm_up`).
pub const WARM_UP: RangeInclusive<Duration> = Duration::ZERO..=seconds(120);

/// Shards of the process. More than cores works, and helps only tests.
pub const SHARDS: RangeInclusive<u64> = 1..=256;

/// `server.max_threads`. Storm's key is an `int`, and 0 lets Netty choose there.
pub(crate) const MAX_THREADS: RangeInclusive<u64> = 0..=i32::MAX as u64;

const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

// ── What is fixed ────────────────────────────────────────────────────────────────────────────────

/// Connections that one address may hold at least, unless the configuration says otherwise.
const LEAST_PER_ADDRESS: u64 = 1000;

/// Kernel memory of one connection: its socket, its file and what the ring knows of it. A cgroup counts it.
pub(crate) const KERNEL_CONNECTION_BYTES: u64 = 4 * KIB;

/// Bytes that one connection may buffer even when all buffers together are full, as long as another one
/// can give way: a request that comes in two pieces is no offence.
pub(crate) const SMALL_BUFFER_BYTES: usize = 16 * KIB as usize;

/// Connections that buffer no more than this are not kept in order. An answer to a pulse has 19 bytes.
pub const TINY_BUFFER_BYTES: usize = 256;

/// The time that any frame may take from its first byte to its last, in microseconds. A larger one may
/// take longer, at [`Limits::receive_rate`].
pub(crate) const FRAME_TIME_US: u64 = 10_000_000;

/// Where a login is offered, a peer that has neither logged in nor sent a pulse that was allowed sends
/// frames of at most [`Limits::frame_bytes`] divided by this.
pub(crate) const UNAUTHENTICATED_FRAME_DIVISOR: u32 = 4;

/// In this time, in microseconds, an address is forgiven one failed login, and one waiting login is
/// judged.
pub(crate) const LOGIN_FORGIVEN_US: u64 = 1_000_000;

/// Bytes of one configuration file: far more than any has, and few enough to read while the daemon
/// runs.
pub(crate) const CONFIG_FILE_BYTES: u64 = 4 * MIB;

/// Nesting of Thrift structs and containers in one message. A real message nests four deep; Java's
/// reader overflows its stack at 200 000.
pub(crate) const THRIFT_DEPTH: u32 = 64;

/// Fields of one request, values in fields that Storm does not define, and bytes of text that is no UTF-8:
/// those are skipped or replaced, as in Java, at some 4 ns each. A request of Storm's clients has seven
/// fields, all of them defined; a path may have 64 KiB.
pub(crate) const REQUEST_VALUES: u32 = 64 * KIB as u32;

/// Requests, or answers, that wait in one shard's mailbox. The rest stays with the sender, in a queue
/// that [`Limits::in_flight`] keeps short.
pub(crate) const MAILBOX_MESSAGES: usize = 4096;

/// TCP keep-alive of accepted connections. A host that loses power sends no FIN, and the server never
/// speaks first: keep-alive finds such a connection after ten minutes. A healthy idle one stays.
pub(crate) const KEEPALIVE_IDLE: Duration = seconds(300);
pub(crate) const KEEPALIVE_INTERVAL: Duration = seconds(60);
pub(crate) const KEEPALIVE_PROBES: u32 = 5;

/// The longest [`Limits::unacknowledged_time`]. TCP_USER_TIMEOUT counts for keep-alive as well: with
/// more than the time between two probes, connections of lost hosts would stay for that long.
const UNACKNOWLEDGED_TIME: Duration = KEEPALIVE_INTERVAL;

/// Bytes of answers that the kernel takes for one connection before the peer has them; the kernel allows
/// itself twice as much. By itself it would take 4 MiB, so that some hundred peers that read nothing use up
/// what it has for all connections of the machine (net.ipv4.tcp_mem): then it drops what others send.
pub(crate) const SEND_BUFFER_BYTES: usize = 256 * KIB as usize;

/// Keys of the process that one scan for the admin page collects: what a browser can hold.
pub(crate) const SCANNED_KEYS: usize = 200_000;

/// The most that [`Limits::page_bytes`] are, and the part of [`Limits::stored_bytes`] that they are
/// otherwise. Peers choose the keys, and a control character takes six bytes in JSON. In memory it is enough
/// for `SCANNED_KEYS` keys of 130 bytes; a worker's key has 80 to 110.
pub(crate) const PAGE_BYTES: u64 = 32 * MIB;
const PAGE_PART: u64 = 8;

/// How long a read may be kept after the last time that its client wrote it. Storm's clients write a request
/// again every second, eleven times in all, and give it up after 11 s.
pub(crate) const KEPT_READ_TIME: Duration = seconds(10);

/// A daemon that no client has asked for anything for this time is as good as new: a warm-up begins with the next
/// request. Nimbus lists every 10 s (nimbus.monitor.freq.secs), so it is longer than that. After a shorter pause workers
/// are back in time all the same: 13 s to their next dial and 3 s to their next pulse make less than 30 s with it.
pub(crate) const QUIET_TIME: Duration = seconds(12);

/// How often a shard notes that its clients ask, in microseconds.
pub(crate) const NOTE_EVERY_US: u64 = 500_000;

/// Reads that one tick of a shard gives up: a millisecond or two.
pub(crate) const GIVEN_UP_A_TICK: usize = 4096;

/// Keys of the process, and of one shard at least, of which the warm-up remembers that they were asked for or
/// deleted: 20 bytes each while it lasts. That fills hash tables of one, two, four or eight shards.
pub(crate) const ASKED_KEYS: usize = 57_344;
pub(crate) const LEAST_ASKED_KEYS: usize = 224;

/// Messages that a shard takes from its mailbox before it looks at its sockets again.
pub(crate) const MAILBOX_BURST: usize = 1024;

/// Lists, records and deletions of a path that one shard has under way for its peers, in all and for
/// one address. The others wait. One answer has at most [`Limits::frame_bytes`], and it exists twice
/// while it is assembled.
pub(crate) const SCANS_UNDER_WAY: usize = 4;
pub(crate) const SCANS_OF_ADDRESS: usize = 2;

/// An address that has no scan under way may begin one beyond [`SCANS_UNDER_WAY`], up to this number:
/// Nimbus's lists do not wait for those of a few others.
pub(crate) const ADDRESSES_WITH_SCANS: usize = 16;

/// Nodes of the directory, and bytes of their names, that one slice of a scan looks at: a few tenths of
/// a millisecond.
pub(crate) const SLICE_NODES: usize = 1024;
pub(crate) const SLICE_BYTES: usize = 64 * KIB as usize;

/// Slices that found no more than these bytes take some microseconds each: a wake may have that many of
/// them. Most lists are such.
pub(crate) const SMALL_SLICE_BYTES: usize = 4 * KIB as usize;
pub(crate) const SMALL_SLICES: usize = 64;

/// Bytes of pulses' details that a shard takes in one wake: they are only copied. Any other byte of a request is as
/// much work as this many of them, and a login as those of the last line. So a wake serves 8 MiB of large pulses,
/// or some 4 000 small requests, or 16 logins, in a few milliseconds. The rest waits for the next wake.
pub(crate) const WAKE_WORK_BYTES: usize = 8 * MIB as usize;
pub(crate) const HEAD_WORK: usize = 16;
pub(crate) const LOGIN_WORK_BYTES: usize = 512 * KIB as usize;

/// Requests of one piece of a peer's bytes that are served beyond a wake's work, up to as much again for all peers:
/// those that ask for little need not wait for those that ask for much.
pub(crate) const FEW_REQUESTS: usize = 16;

/// Bytes of memory that a segment of a path takes besides its name, at most: a node of 88 bytes, entries in two
/// hash tables that grow by doubling, and a pulse's counter of references. The directory is limited to the
/// segments that fit into [`Limits::stored_bytes`] at this rate, so paths with many short segments cannot make
/// it take more memory than the pulses.
pub const SEGMENT_BYTES: u64 = 192;

/// Segments that each shard may have however small [`Limits::stored_bytes`] is.
pub(crate) const LEAST_SEGMENTS: u64 = 4096;

/// Bytes of one receive buffer: a 4 KiB pulse and its key fit.
pub(crate) const RECEIVE_BUFFER_BYTES: usize = 8 * KIB as usize;

/// Receive buffers of a shard, a power of two; 4 MiB in all. A buffer is in use only while its
/// completion is being processed.
pub(crate) const RECEIVE_BUFFERS: u16 = 512;

/// Bytes that one receive takes on the epoll data plane, from one connection in one turn. A shard has one
/// such buffer.
pub(crate) const EPOLL_BUFFER_BYTES: usize = 64 * KIB as usize;

/// File descriptors that are not connections: rings, listeners, logs, the executor's own.
pub(crate) const SPARE_FILES_BASE: u64 = 64;
pub(crate) const SPARE_FILES_PER_SHARD: u64 = 16;

// ── Commands at a terminal ───────────────────────────────────────────────────────────────────────

/// Storm's default port, and the bytes of the largest frame that its clients accept by default.
pub(crate) const STORMS_PORT: u16 = 6699;
pub(crate) const STORMS_FRAME_BYTES: u32 = 10 * MIB as u32;

/// Requests of a command in one batch, and bytes of their paths. The server accepts that many before
/// the command must read an answer.
pub(crate) const COMMAND_BATCH: usize = 64;
pub(crate) const COMMAND_BATCH_BYTES: usize = 16 * KIB as usize;

/// Bytes of an unpacked heartbeat, and values in it. A worker of 50 executors sends less than 1 MiB and
/// 20 000 values.
pub(crate) const UNPACKED_BYTES: u64 = 64 * MIB;
pub(crate) const HEARTBEAT_VALUES: usize = 1 << 20;

/// Segments of a path at which a recursive listing stops: a server's answers may never end.
pub(crate) const LISTED_DEPTH: usize = *PATH_DEPTH.end() as usize;

/// Keys that `top` watches, at some 250 bytes each.
pub(crate) const WATCHED_KEYS: usize = 200_000;

/// Bytes that a command receives at a time.
pub(crate) const COMMAND_RECEIVE_BYTES: usize = 64 * KIB as usize;

const _: () = {
    assert!(RECEIVE_BUFFERS.is_power_of_two());
    assert!(*FRAME_BYTES.end() <= i32::MAX as u64);
    assert!(*OUTPUT_BYTES.end() >= *FRAME_BYTES.end());
    assert!(*IN_FLIGHT.end() <= usize::MAX as u64 && *OUTPUT_BYTES.end() <= usize::MAX as u64);
    assert!(*PATH_BYTES.end() < *FRAME_BYTES.end());
    assert!(*PATH_DEPTH.end() <= *PATH_BYTES.end());
    assert!(*HANDSHAKE_BYTES.end() <= *FRAME_BYTES.end());
    assert!(*UNAUTHENTICATED_PER_ADDRESS.end() <= *CONNECTIONS.end());
    assert!(MAILBOX_BURST <= MAILBOX_MESSAGES);
    assert!(SCANS_UNDER_WAY <= ADDRESSES_WITH_SCANS);
    assert!(RECEIVE_BUFFER_BYTES.is_power_of_two());
};
