//! The longest wakes of a shard while one path gets a million keys, is listed, has its records read and is
//! deleted: what every other request may have to wait for. No sockets.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use ahash::RandomState;
use storm_pacemaker::connection::{Commands, ConnectionId};
use storm_pacemaker::limits::{Ageing, Limits};
use storm_pacemaker::shard::{Common, Context, Incident, Incidents, Mailbox, Settings, Shard};
use storm_pacemaker::wire::message::{MessageType, encode_path, encode_pulse};

const KEYS: u32 = 1_000_000;

const PEER: ConnectionId = ConnectionId {
    slot: 0,
    generation: 0,
};

struct Quiet;

impl Incidents for Quiet {
    fn report(&mut self, _peer: SocketAddr, incident: Incident) {
        panic!("{incident:?}");
    }
}

struct World {
    shard: Shard,
    commands: Commands,
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
        let settings = Settings {
            shards: 1,
            key_hasher: RandomState::with_seeds(1, 2, 3, 4),
            ageing: Ageing {
                stale_after: Duration::from_secs(30),
                expire_after: Duration::ZERO,
            },
            minimum_wait: Duration::ZERO,
            common: Common::new(&limits, 1),
            limits,
        };
        let mailbox = Mailbox::for_shards(1).pop().expect("one");
        World {
            shard: Shard::new(0, settings, mailbox),
            commands: Commands::default(),
            begun: Instant::now(),
            wakes: Vec::new(),
        }
    }

    /// One wake: these bytes arrive, and scans go on.
    fn wake(&mut self, bytes: &[u8]) {
        let begun = Instant::now();
        let mut cx = Context {
            now_us: self.begun.elapsed().as_micros() as u64,
            commands: &mut self.commands,
            incidents: &mut Quiet,
        };
        if !bytes.is_empty() {
            self.shard.received(PEER, bytes, &mut cx);
        }
        self.shard.exchange_messages(&mut cx);
        self.wakes.push(begun.elapsed());
        self.commands.drain();
    }

    /// Takes the answers. Returns how many bytes they have.
    fn take_answers(&mut self) -> usize {
        let bytes = self.shard.take_outbox(PEER).len();
        let mut cx = Context {
            now_us: self.begun.elapsed().as_micros() as u64,
            commands: &mut self.commands,
            incidents: &mut Quiet,
        };
        self.shard.sent(PEER, bytes, &mut cx);
        bytes
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
        while self.take_answers() == 0 {
            self.wake(&[]);
        }
        self.report(what);
    }
}

fn main() {
    let mut world = World::new();
    let mut cx = Context {
        now_us: 0,
        commands: &mut world.commands,
        incidents: &mut Quiet,
    };
    world
        .shard
        .opened(PEER, ([127, 0, 0, 1], 1).into(), &mut cx);
    for number in 0..KEYS {
        let path = format!("/large/name-{number:08x}");
        let mut bytes = Vec::new();
        encode_pulse(&mut bytes, MessageType::SendPulse, &path, Some(b"x"), 1);
        world.wake(&bytes);
        world.take_answers();
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
