//! Keys without new pulses turn stale, then expire, a share at a time. The test sets the shard's clock: no socket,
//! no waiting.

use std::time::Duration;

use storm_pacemaker::limits::Limits;
use storm_pacemaker::shard::Counters;
use storm_pacemaker::wire::message::{MessageType, encode_pulse};
use support::shards::Shards;

const SECOND_US: u64 = 1_000_000;
const TICK_US: u64 = SECOND_US / 4;

/// A shard alone, and its clock.
struct World {
    shards: Shards,
}

impl World {
    fn new(expire_after: Duration) -> World {
        World {
            shards: Shards::new(1, Limits::wide(), expire_after),
        }
    }

    fn put(&mut self, workers: std::ops::Range<u32>) {
        let mut bytes = Vec::new();
        for worker in workers {
            let path = format!("/workerbeats/topology-{}/worker-{worker}", worker / 100);
            encode_pulse(&mut bytes, MessageType::SendPulse, &path, Some(b"beat"), 1);
        }
        self.shards.receive(&bytes);
        while self.shards.shard(0).has_messages() {
            self.shards.call(0, |shard, cx| shard.exchange_messages(cx));
        }
        self.shards.take_answers();
    }

    fn tick(&mut self) {
        self.shards.now_us += TICK_US;
        self.shards.call(0, |shard, cx| shard.tick(cx, |_| 0));
    }

    fn pass(&mut self, seconds: u64) -> Counters {
        for _ in 0..seconds * SECOND_US / TICK_US {
            self.tick();
        }
        self.counters()
    }

    fn counters(&self) -> Counters {
        self.shards.shard(0).counters()
    }

    fn keys(&self) -> u64 {
        self.shards.shard(0).usage().keys
    }
}

#[test]
fn keys_turn_stale_and_then_go() {
    let mut world = World::new(Duration::from_secs(600));
    world.put(0..1000);
    let counters = world.pass(20);
    assert_eq!((counters.stale_keys, world.keys()), (0, 1000));
    world.put(0..900);
    // A pass over all keys takes five seconds.
    let counters = world.pass(16);
    assert_eq!((counters.stale_keys, world.keys()), (100, 1000));
    let counters = world.pass(30);
    assert_eq!((counters.stale_keys, world.keys()), (1000, 1000));
    world.put(0..10);
    let counters = world.pass(600 - 66 - 1);
    assert_eq!((counters.expired_keys, world.keys()), (0, 1000));
    let counters = world.pass(7);
    assert_eq!((counters.expired_keys, world.keys()), (100, 900));
    let counters = world.pass(25);
    assert_eq!((counters.expired_keys, world.keys()), (990, 10));
    world.put(0..10);
    let counters = world.pass(10);
    assert_eq!(
        (counters.stale_keys, counters.expired_keys, world.keys()),
        (0, 990, 10)
    );
}

#[test]
fn they_go_a_share_at_a_time() {
    let mut world = World::new(Duration::from_secs(60));
    world.put(0..100_000);
    world.pass(59);
    assert_eq!(world.keys(), 100_000);
    let mut most = 0;
    for _ in 0..60 {
        let before = world.keys();
        world.tick();
        most = most.max(before - world.keys());
    }
    assert_eq!(world.keys(), 0);
    assert!(most <= 10_000, "{most} keys in one tick");
}

#[test]
fn zero_keeps_them_for_ever() {
    let mut world = World::new(Duration::ZERO);
    world.put(0..100);
    let counters = world.pass(100_000);
    assert_eq!(
        (counters.stale_keys, counters.expired_keys, world.keys()),
        (100, 0, 100)
    );
}

/// The process was stopped, or starved: pulses that would refresh the keys still wait in sockets.
#[test]
fn no_key_ages_right_after_a_gap() {
    let mut world = World::new(Duration::from_secs(120));
    world.put(0..100);
    world.pass(5);
    world.shards.now_us += 500 * SECOND_US;
    world.pass(30);
    assert_eq!((world.keys(), world.counters().expired_keys), (100, 0));
    world.put(0..90);
    world.pass(60);
    let counters = world.pass(1);
    assert_eq!((counters.expired_keys, world.keys()), (10, 90));
}
