//! The longest wakes of a shard, which every other request may have to wait for: while one path gets a million
//! keys, is listed, has its records read, ages and is deleted, and when many peers send at once what takes longest.
//! No sockets.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use storm_pacemaker::connection::ConnectionId;
use storm_pacemaker::limits::Limits;
use storm_pacemaker::wire::message::{MessageType, encode_path, encode_pulse};
use support::shards::Shards;

const KEYS: u32 = 1_000_000;

const EXPIRE_AFTER: Duration = Duration::from_secs(60);
const TICK: Duration = Duration::from_millis(250);

/// Receive buffers of a shard, and bytes of each. Each has a peer of its own here.
const BUFFERS: u32 = 512;
const BUFFER_BYTES: usize = 8 * 1024;

fn peer(slot: u32) -> ConnectionId {
    ConnectionId {
        slot,
        generation: 0,
    }
}

struct World {
    shards: Shards,
    begun: Instant,
    wakes: Vec<Duration>,
}

impl World {
    fn new() -> World {
        let limits = Limits {
            frame_bytes: 64 << 20,
            output_bytes: 256 << 20,
            stored_keys: u64::from(KEYS) * 2,
            path_bytes: 64 << 20,
            ..Limits::wide()
        };
        let mut shards = Shards::new(1, limits, EXPIRE_AFTER);
        let address = SocketAddr::from(([127, 0, 0, 1], 1));
        for id in (1..=BUFFERS).map(peer) {
            shards.call(0, |shard, cx| shard.opened(id, address, cx));
        }
        World {
            shards,
            begun: Instant::now(),
            wakes: Vec::new(),
        }
    }

    /// Stores a million keys, one in each wake.
    fn fill(&mut self) {
        for number in 0..KEYS {
            let path = format!("/large/name-{number:08x}");
            let mut bytes = Vec::new();
            encode_pulse(&mut bytes, MessageType::SendPulse, &path, Some(b"x"), 1);
            self.wake(&bytes);
            self.shards.take_answers();
        }
    }

    /// One wake: these bytes arrive, and scans go on.
    fn wake(&mut self, bytes: &[u8]) {
        let begun = Instant::now();
        self.shards.now_us = self.begun.elapsed().as_micros() as u64;
        if !bytes.is_empty() {
            self.shards.receive(bytes);
        }
        self.shards.call(0, |shard, cx| shard.exchange_messages(cx));
        self.wakes.push(begun.elapsed());
    }

    /// A wake in which this many peers have sent the last buffer of these bytes, and those that follow until all
    /// is answered.
    fn flood(&mut self, peers: u32, bytes: &[u8], what: &str) {
        let (before, last) = bytes.split_at(bytes.len().saturating_sub(BUFFER_BYTES));
        for piece in before.chunks(BUFFER_BYTES) {
            self.receive(peers, piece);
            self.wake(&[]);
        }
        self.wakes.clear();
        let begun = Instant::now();
        self.receive(peers, last);
        self.wakes.push(begun.elapsed());
        while self.shards.shard(0).has_messages() {
            self.wake(&[]);
        }
        for id in (1..=peers).map(peer) {
            self.shards.call(0, |shard, cx| {
                let bytes = shard.take_outbox(id).len();
                assert!(bytes > 0, "{what}: no answer");
                shard.sent(id, bytes, 0, cx);
            });
        }
        self.report(what);
    }

    fn receive(&mut self, peers: u32, bytes: &[u8]) {
        for id in (1..=peers).map(peer) {
            self.shards
                .call(0, |shard, cx| shard.received(id, bytes, cx));
        }
    }

    /// Ticks until all keys have expired.
    fn expire(&mut self) {
        while self.shards.shard(0).usage().keys > 0 {
            self.shards.now_us += TICK.as_micros() as u64;
            let begun = Instant::now();
            self.shards.call(0, |shard, cx| shard.tick(cx, |_| 0));
            self.wakes.push(begun.elapsed());
        }
    }

    fn report(&mut self, what: &str) {
        let mut wakes = std::mem::take(&mut self.wakes);
        wakes.sort();
        let of = |permille: usize| wakes[(wakes.len() - 1) * permille / 1_000];
        let total: Duration = wakes.iter().sum();
        println!(
            "{what:<24} {:>8} wakes, {total:>10.1?} in all: median {:.1?}, 99.9% {:.1?}, longest {:.1?}",
            wakes.len(),
            of(500),
            of(999),
            of(1_000)
        );
    }

    fn scan(&mut self, kind: MessageType, what: &str) {
        let mut bytes = Vec::new();
        encode_path(&mut bytes, kind, "/large", 1);
        self.wake(&bytes);
        while self.shards.take_answers() == 0 {
            self.wake(&[]);
        }
        self.report(what);
    }
}

fn main() {
    let mut world = World::new();
    world.fill();
    world.report("a million new keys");
    world.scan(MessageType::GetAllNodesForPath, "their list");
    world.scan(MessageType::GetAllPulseForPath, "their records");
    world.scan(MessageType::DeletePath, "their deletion");
    for _ in 0..100_000 {
        world.wake(&[]);
    }
    world.report("what it leaves to do");
    floods(&mut world);
    let mut world = World::new();
    world.fill();
    world.wakes.clear();
    world.expire();
    world.report("ticks, all keys expire");
}

/// Of the smallest requests, and of those that are as costly as they may be.
fn floods(world: &mut World) {
    let mut get = Vec::new();
    encode_path(&mut get, MessageType::GetPulse, "/w", 1);
    let piece = get.repeat(BUFFER_BYTES / get.len());
    world.flood(BUFFERS, &piece, "4 MiB of small reads");

    // A field that Storm does not define: a list of empty structs.
    const EMPTY: u32 = 60_000;
    let list = [&[15, 0, 99, 12][..], &EMPTY.to_be_bytes()].concat();
    let body = [&list[..], &vec![0; EMPTY as usize], &get[4..]].concat();
    let empties = [&(body.len() as u32).to_be_bytes()[..], &body].concat();
    world.flood(BUFFERS / 8, &empties, "4 MiB of empty values");

    let mut pulse = Vec::new();
    let details = vec![b'x'; 10 << 20];
    encode_pulse(&mut pulse, MessageType::SendPulse, "/w", Some(&details), 1);
    world.flood(40, &pulse, "40 pulses of 10 MiB");

    let mut path = Vec::new();
    let euros = "\u{20ac}".repeat(3_400_000);
    encode_path(&mut path, MessageType::Exists, &euros, 1);
    world.flood(1, &path, "a path of 10 MiB");
}
