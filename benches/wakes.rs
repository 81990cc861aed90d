//! The longest wakes of a shard while one path gets a million keys, is listed, has its records read and is
//! deleted: what every other request may have to wait for. No sockets.

use std::time::{Duration, Instant};

use storm_pacemaker::limits::Limits;
use storm_pacemaker::wire::message::{MessageType, encode_path, encode_pulse};
use support::shards::Shards;

const KEYS: u32 = 1_000_000;

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
            ..Limits::wide()
        };
        World {
            shards: Shards::new(1, limits, Duration::ZERO),
            begun: Instant::now(),
            wakes: Vec::new(),
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
    for number in 0..KEYS {
        let path = format!("/large/name-{number:08x}");
        let mut bytes = Vec::new();
        encode_pulse(&mut bytes, MessageType::SendPulse, &path, Some(b"x"), 1);
        world.wake(&bytes);
        world.shards.take_answers();
    }
    world.report("a million new keys");
    world.scan(MessageType::GetAllNodesForPath, "their list");
    world.scan(MessageType::GetAllPulseForPath, "their records");
    world.scan(MessageType::DeletePath, "their deletion");
    for _ in 0..100_000 {
        world.wake(&[]);
    }
    world.report("what it leaves to do");
}
