//! Several shards, good peers, hostile peers, late mail, lost doorbells and slow readers, in one
//! thread and without a socket, from one seed. Every request of a good peer is answered exactly
//! once, and as if the peer were alone; in the end nothing is left over.
//!
//! A failure prints its seed: SIMULATION_SEED=N runs that seed again.

mod attackers;
mod drain;
mod memory;
mod outages;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::Duration;

use storm_pacemaker::connection::{Closed, Command, Commands, ConnectionId};
use storm_pacemaker::limits::{Ageing, Limits};
use storm_pacemaker::shard::{Common, Context, Incident, Incidents, Mailbox, Settings, Shard};
use storm_pacemaker::wire::FrameReader;
use storm_pacemaker::wire::message::{MessageType, encode_path, encode_plain, encode_pulse};
use support::Random;
use support::expected::{Expected, check};

const FRAME_BYTES: u32 = 64 * 1024;

/// A mistake that the harness makes on purpose, to see that the checks see it.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Planted {
    Nothing,
    /// An answer is lost on its way.
    LostAnswer,
    /// A peer's answers reach another peer.
    ForeignAnswer,
    /// A whole shard never reads its mail.
    DeafShard,
}

#[derive(Default)]
struct Faults(Vec<&'static str>);

impl Incidents for Faults {
    fn report(&mut self, _peer: SocketAddr, incident: Incident) {
        if let Incident::Fault(fault) = incident {
            self.0.push(fault.label());
        }
    }
}

/// A peer that speaks the protocol, and knows what it must be told.
struct Peer {
    shard: usize,
    id: ConnectionId,
    good: bool,
    to_send: VecDeque<u8>,
    reader: FrameReader,
    paused: bool,
    closed: bool,
    /// Handed over by the shard, not yet "sent".
    on_the_way: VecDeque<u8>,
    expected: BTreeMap<i32, Expected>,
    keys: BTreeMap<String, Vec<u8>>,
}

impl Peer {
    /// What it expects are answers to requests of which no byte has left it.
    fn assert_nothing_is_under_way(&self) {
        let mut unsent = FrameReader::new(FRAME_BYTES);
        unsent.push(&self.to_send.iter().copied().collect::<Vec<u8>>());
        let mut requests = 0;
        while let Some(frame) = unsent.next() {
            frame.expect("only whole requests are left");
            requests += 1;
        }
        assert_eq!(unsent.buffered_bytes(), 0, "a request has begun to leave");
        assert_eq!(requests, self.expected.len(), "a request is not answered");
    }
}

struct World {
    random: Random,
    shards: Vec<Shard>,
    peers: Vec<Peer>,
    faults: Faults,
    common: Common,
    now_us: u64,
    planted: Planted,
    /// A peer that is closed now was moved by a drain.
    draining: bool,
    /// Whom the drain may move now, by their sockets.
    quiet: Vec<ConnectionId>,
}

impl World {
    fn new(seed: u64, planted: Planted) -> World {
        let mut random = Random(seed);
        let count = [1, 2, 3, 4, 8][random.below(5)];
        let count = if planted == Planted::DeafShard {
            4
        } else {
            count
        };
        let limits = Limits {
            frame_bytes: FRAME_BYTES,
            in_flight: 1 + random.below(20),
            output_bytes: 64 * 1024 + random.below(64 * 1024),
            output_deadline: Duration::from_secs(3600),
            ..Limits::wide()
        };
        let common = Common::new(&limits, count);
        let settings = Settings {
            shards: count,
            key_hasher: ahash::RandomState::with_seeds(seed, 1, 2, 3),
            limits,
            ageing: Ageing {
                stale_after: Duration::from_secs(30),
                expire_after: Duration::ZERO,
            },
            minimum_wait: Duration::from_millis(2),
            warm_up: Duration::ZERO,
            common: common.clone(),
        };
        // Lanes that are full most of the time.
        let shards = Mailbox::with_room_for(count, 1 + random.below(6))
            .into_iter()
            .enumerate()
            .map(|(index, mailbox)| Shard::new(index, settings.clone(), mailbox))
            .collect();
        World {
            random,
            shards,
            peers: Vec::new(),
            faults: Faults::default(),
            common,
            now_us: 1,
            planted,
            draining: false,
            quiet: Vec::new(),
        }
    }

    /// One call into a shard, and what it commands.
    fn call(&mut self, shard: usize, call: impl FnOnce(&mut Shard, &mut Context<'_>)) {
        let mut commands = Commands::default();
        let mut cx = Context {
            now_us: self.now_us,
            commands: &mut commands,
            incidents: &mut self.faults,
        };
        call(&mut self.shards[shard], &mut cx);
        for command in commands.drain() {
            self.apply(shard, command);
        }
    }

    fn apply(&mut self, shard: usize, command: Command) {
        let of = |peers: &mut Vec<Peer>, id| {
            peers
                .iter_mut()
                .position(|peer| peer.shard == shard && peer.id == id && !peer.closed)
        };
        match command {
            // Outboxes are taken at a random time; bells are always lost, mail is found by chance.
            Command::Send(_) | Command::RingBell(_) => {}
            Command::Pause(id) => {
                if let Some(peer) = of(&mut self.peers, id) {
                    self.peers[peer].paused = true;
                }
            }
            Command::Resume(id) => {
                if let Some(peer) = of(&mut self.peers, id) {
                    self.peers[peer].paused = false;
                }
            }
            Command::Close(id, _) => {
                if let Some(peer) = of(&mut self.peers, id) {
                    self.peers[peer].closed = true;
                    if self.draining {
                        assert!(self.quiet.contains(&id), "its answer is on its way");
                        self.peers[peer].assert_nothing_is_under_way();
                    }
                    assert!(
                        !self.peers[peer].good || self.draining,
                        "a good peer was closed: {:?}",
                        self.faults.0.last()
                    );
                    self.call(shard, |shard, _| shard.closed(id, Closed::ByUs, 0));
                }
            }
        }
    }

    fn connect(&mut self, good: bool) {
        let shard = self.random.below(self.shards.len());
        // Slots are reused, as the event loop does.
        let taken: BTreeSet<u32> = self
            .peers
            .iter()
            .filter(|peer| peer.shard == shard && !peer.closed)
            .map(|peer| peer.id.slot)
            .collect();
        let slot = (0..).find(|slot| !taken.contains(slot)).unwrap();
        let id = ConnectionId {
            slot,
            generation: self.peers.len() as u32,
        };
        self.peers.push(Peer {
            shard,
            id,
            good,
            to_send: VecDeque::new(),
            reader: FrameReader::new(FRAME_BYTES),
            paused: false,
            closed: false,
            on_the_way: VecDeque::new(),
            expected: BTreeMap::new(),
            keys: BTreeMap::new(),
        });
        let address = SocketAddr::from(([127, 0, 0, 1], 1));
        self.call(shard, |shard, cx| shard.opened(id, address, cx));
    }

    /// Adds a request to what a good peer will send; it touches only the peer's own directory.
    fn ask(&mut self, peer_index: usize, message_id: i32) {
        let random = &mut self.random;
        let peer = &mut self.peers[peer_index];
        let home = format!("/w/peer-{peer_index}");
        let key = format!("{home}/k{}", random.below(12));
        let mut bytes = Vec::new();
        let plain = |bytes: &mut Vec<u8>, kind, path: &str, answer| {
            encode_path(bytes, kind, path, message_id);
            Expected::Plain(answer)
        };
        use MessageType as T;
        let expected = match random.below(12) {
            0..=4 => {
                let details = random.next_u64().to_be_bytes().repeat(random.below(200));
                encode_pulse(&mut bytes, T::SendPulse, &key, Some(&details), message_id);
                peer.keys.insert(key, details);
                Expected::Plain(T::SendPulseResponse)
            }
            5..=7 => {
                encode_path(&mut bytes, T::GetPulse, &key, message_id);
                let details = peer.keys.get(&key).cloned();
                Expected::Pulse(key, details)
            }
            8 => {
                encode_path(&mut bytes, T::GetAllNodesForPath, &home, message_id);
                let names = peer.keys.keys();
                Expected::Nodes(names.map(|key| key[home.len() + 1..].to_owned()).collect())
            }
            9 => {
                encode_path(&mut bytes, T::GetAllPulseForPath, &home, message_id);
                Expected::Records(peer.keys.clone())
            }
            10 if random.one_in(4) => {
                peer.keys.clear();
                plain(&mut bytes, T::DeletePath, &home, T::DeletePathResponse)
            }
            10 => {
                peer.keys.remove(&key);
                plain(&mut bytes, T::DeletePulseId, &key, T::DeletePulseIdResponse)
            }
            _ => {
                encode_path(&mut bytes, T::Exists, &key, message_id);
                Expected::Exists(peer.keys.contains_key(&key))
            }
        };
        peer.expected.insert(message_id, expected);
        peer.to_send.extend(bytes);
    }

    fn misbehave(&mut self, peer: usize) {
        let mut bytes = Vec::new();
        match self.random.below(4) {
            0 => bytes.extend((0..self.random.below(64)).map(|_| self.random.next_u64() as u8)),
            1 => encode_plain(&mut bytes, MessageType::NotAuthorized, 0),
            2 => bytes.extend_from_slice(&[0, 0, 0, 0]),
            _ => {
                encode_path(&mut bytes, MessageType::GetPulse, "/w/peer-0/k0", 1);
                bytes.truncate(self.random.below(bytes.len()));
            }
        }
        self.peers[peer].to_send.extend(bytes);
    }

    /// Something happens.
    fn step(&mut self) -> Result<(), String> {
        self.now_us += self.random.next_u64() % 50;
        match self.random.below(8) {
            0..=2 => self.deliver_some(),
            3 | 4 => {
                let shard = self.random.below(self.shards.len());
                if self.planted != Planted::DeafShard || shard != 0 {
                    self.call(shard, |shard, cx| shard.exchange_messages(cx));
                }
            }
            5 => self.take_an_outbox()?,
            6 => self.take_bytes()?,
            _ => {
                let shard = self.random.below(self.shards.len());
                self.call(shard, |shard, cx| shard.tick(cx, |_| 0));
            }
        }
        Ok(())
    }

    fn deliver_some(&mut self) {
        let index = self.random.below(self.peers.len());
        let peer = &mut self.peers[index];
        if peer.closed || peer.paused || peer.to_send.is_empty() {
            return;
        }
        let many = 1 + self.random.below(peer.to_send.len().min(3000));
        let bytes: Vec<u8> = peer.to_send.drain(..many).collect();
        let (shard, id) = (peer.shard, peer.id);
        self.call(shard, |shard, cx| shard.received(id, &bytes, cx));
    }

    fn take_an_outbox(&mut self) -> Result<(), String> {
        let index = self.random.below(self.peers.len());
        let (shard, id) = (self.peers[index].shard, self.peers[index].id);
        if self.peers[index].closed || !self.peers[index].on_the_way.is_empty() {
            return Ok(());
        }
        let outbox = self.shards[shard].take_outbox(id);
        let mut bytes: Vec<u8> = outbox.slices(0).flatten().copied().collect();
        if bytes.len() != outbox.len() {
            return Err("an outbox's length is not that of its slices".to_owned());
        }
        match self.planted {
            Planted::LostAnswer if self.random.one_in(10) => {
                let lost = bytes.len();
                bytes.clear();
                self.call(shard, |shard, cx| shard.sent(id, lost, 0, cx));
            }
            Planted::ForeignAnswer if !bytes.is_empty() && self.random.one_in(10) => {
                let other = (index + 1) % self.peers.len();
                self.read(other, &bytes.clone())?;
            }
            _ => {}
        }
        self.peers[index].on_the_way.extend(bytes);
        Ok(())
    }

    fn take_bytes(&mut self) -> Result<(), String> {
        let index = self.random.below(self.peers.len());
        let peer = &mut self.peers[index];
        if peer.closed || peer.on_the_way.is_empty() {
            return Ok(());
        }
        let many = 1 + self.random.below(peer.on_the_way.len());
        let bytes: Vec<u8> = peer.on_the_way.drain(..many).collect();
        let (shard, id, rest) = (peer.shard, peer.id, peer.on_the_way.len());
        self.call(shard, |shard, cx| shard.sent(id, many, rest, cx));
        self.read(index, &bytes)
    }

    fn read(&mut self, index: usize, bytes: &[u8]) -> Result<(), String> {
        let peer = &mut self.peers[index];
        if !peer.good {
            return Ok(());
        }
        peer.reader.push(bytes);
        while let Some(body) = peer.reader.next() {
            let body = body.map_err(|error| error.to_string())?;
            check(&mut peer.expected, body).map_err(|why| format!("peer {index}: {why}"))?;
        }
        Ok(())
    }

    fn settled(&self) -> bool {
        self.peers.iter().all(|peer| {
            peer.closed
                || (peer.to_send.is_empty() && peer.on_the_way.is_empty() && {
                    !peer.good || peer.expected.is_empty()
                })
        }) && self.shards.iter().all(|shard| !shard.has_messages())
    }
}

fn run(seed: u64, planted: Planted) -> Result<(), String> {
    let mut world = World::new(seed, planted);
    for peer in 0..2 + world.random.below(6) {
        let good = peer < 2 || !world.random.one_in(3);
        world.connect(good);
    }
    let mut next_id = 0;
    for _ in 0..3000 {
        let peer = world.random.below(world.peers.len());
        if world.peers[peer].closed {
            world.connect(false);
        } else if world.peers[peer].good {
            next_id += 1;
            world.ask(peer, next_id);
        } else if world.random.one_in(8) {
            world.misbehave(peer);
        }
        for _ in 0..world.random.below(12) {
            world.step()?;
        }
    }
    // No more requests: everything must come to rest.
    let mut steps = 0;
    while !world.settled() {
        steps += 1;
        if steps > 2_000_000 {
            let missing: usize = world.peers.iter().map(|peer| peer.expected.len()).sum();
            return Err(format!("{missing} requests were never answered"));
        }
        world.step()?;
    }
    leave(&mut world)
}

/// All peers go; nothing may stay but what they stored.
fn leave(world: &mut World) -> Result<(), String> {
    for index in 0..world.peers.len() {
        let (shard, id) = (world.peers[index].shard, world.peers[index].id);
        if !world.peers[index].closed {
            world.call(shard, |shard, _| shard.closed(id, Closed::Error(104), 0));
        }
    }
    let buffered: usize = world.shards.iter().map(Shard::buffered_bytes).sum();
    let open = world.common.connections.load(Ordering::Relaxed);
    let counted = world.common.accounts.connections();
    let keys: u64 = world.shards.iter().map(|shard| shard.usage().keys).sum();
    let good = || world.peers.iter().filter(|peer| peer.good);
    let expected: usize = good().map(|peer| peer.keys.len()).sum();
    if (buffered, open, counted, keys) != (0, 0, 0, expected as u64) {
        return Err(format!(
            "left: {buffered} bytes, {open} connections, {counted} of them on their address's account, \
             {keys} keys instead of {expected}"
        ));
    }
    let settled = world.shards.iter().all(Shard::is_settled);
    settled.then_some(()).ok_or("mail is left".to_owned())
}

#[test]
fn every_request_is_answered_once_and_right() {
    if let Ok(seed) = std::env::var("SIMULATION_SEED") {
        let seed = seed.parse().expect("SIMULATION_SEED is a number");
        run(seed, Planted::Nothing).unwrap();
        return;
    }
    let seeds = std::env::var("SIMULATION_SEEDS").map_or(60, |seeds| seeds.parse().unwrap());
    for seed in 0..seeds {
        if let Err(why) = run(seed, Planted::Nothing) {
            panic!("SIMULATION_SEED={seed}: {why}");
        }
    }
}

#[test]
fn planted_mistakes_are_caught() {
    for planted in [
        Planted::LostAnswer,
        Planted::ForeignAnswer,
        Planted::DeafShard,
    ] {
        // Chance decides whether a run makes the mistake at all.
        let caught = (1..=5).filter(|seed| run(*seed, planted).is_err()).count();
        assert!(caught >= 3, "{planted:?} was caught in {caught} of 5 runs");
    }
}
