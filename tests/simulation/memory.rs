//! The heap of several shards under attack never exceeds what their accounts say, and the accounts never
//! exceed the limits. An allocator counts what the shards take; the simulation's own memory is not in it.
//!
//! A failure prints its seed: SIMULATION_SEED=N runs that seed again, SIMULATION_SEEDS=N more of them.

mod stages;

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use storm_pacemaker::auth::secret::Secret;
use storm_pacemaker::auth::{Authenticator, Credentials, DigestCredentials};
use storm_pacemaker::connection::{Closed, Command, Commands, ConnectionId, Outbox};
use storm_pacemaker::footprint::{Accounts, buffered_heap_bytes};
use storm_pacemaker::limits::{Ageing, Limits, TINY_BUFFER_BYTES};
use storm_pacemaker::shard::{
    Common, Context, Incident, Incidents, Mailbox, Policy, Settings, Shard,
};
use support::Random;
use support::login::{PASSWORD, USER};

use super::attackers::{Attacker, Kind};

/// Heap of a shard that is on no account: counters by reason, and queues that keep their memory when they
/// are empty.
const SHARD_SLACK_BYTES: i64 = 4 * 1024;

/// What a connection takes in the data plane, which the simulation has not.
const DATA_PLANE_BYTES: u64 = 144;

/// What several small tables of addresses take beyond what one large one would.
const ADDRESSES_SLACK_BYTES: i64 = 8 * 1024;

/// A call may take more for a moment: it copies a frame, grows the index by copying it, or works on a slice
/// of a scan.
const SLICE_SLACK_BYTES: i64 = 256 * 1024;

/// Bytes that the event loop receives at a time.
const CHUNK_BYTES: usize = 8192;

struct Nobody;

impl Incidents for Nobody {
    fn report(&mut self, _peer: SocketAddr, _incident: Incident) {}
}

struct Siege {
    random: Random,
    limits: Limits,
    shards: Vec<Shard>,
    common: Common,
    attackers: Vec<Attacker>,
    /// Few kinds together show what many would hide: some count more than they take.
    kinds: Vec<Kind>,
    /// Answers of connections that are gone, which the event loop still holds.
    closing: Vec<(usize, Outbox)>,
    connected: u32,
    now_us: u64,
    commands: Commands,
    /// Heap of the shards, and of outboxes that they have handed over.
    heap: i64,
    /// The same when the shards were new.
    heap_of_new: i64,
    /// What a call had at its worst moment, and what it might have.
    worst_moment: (i64, i64),
}

impl Siege {
    fn new(seed: u64) -> Siege {
        let mut random = Random(seed);
        let count = [1, 1, 2, 3, 4][random.below(5)];
        let frame_bytes = 4096 << random.below(6);
        let limits = Limits {
            frame_bytes,
            in_flight: 1 + random.below(60),
            output_bytes: (frame_bytes as usize) << random.below(3),
            output_deadline: Duration::from_secs(5),
            connections: 5 + random.below(200) as u64,
            buffered_bytes: u64::from(frame_bytes) * (2 + random.below(10) as u64),
            stored_keys: 100 << random.below(6),
            stored_bytes: (64 * 1024) << random.below(5),
            unauthenticated_per_address: 50,
            failed_logins: 3,
            ..Limits::wide()
        };
        let has_login = random.one_in(2);
        let lane = 1 + random.below(64);
        let warm_up = Duration::from_secs([0, 4, 30][random.below(3)]);
        Siege::of(random, limits, count, lane, has_login, warm_up)
    }

    fn of(
        mut random: Random,
        limits: Limits,
        count: usize,
        lane: usize,
        has_login: bool,
        warm_up: Duration,
    ) -> Siege {
        let mut siege = None;
        let info = allocation_counter::measure(|| {
            let common = Common::new(&limits, count);
            let settings = Settings {
                shards: count,
                key_hasher: ahash::RandomState::with_seeds(random.next_u64(), 1, 2, 3),
                limits: limits.clone(),
                ageing: Ageing {
                    stale_after: Duration::from_secs(30),
                    expire_after: Duration::from_secs(60),
                },
                minimum_wait: Duration::from_millis(2),
                warm_up,
                common: common.clone(),
            };
            let mailboxes = Mailbox::with_room_for(count, lane).into_iter().enumerate();
            let shards = mailboxes.map(|(index, mailbox)| {
                let mut shard = Shard::new(index, settings.clone(), mailbox);
                if has_login {
                    shard.set_policy(login_policy());
                }
                shard
            });
            siege = Some((shards.collect(), common));
        });
        let (shards, common) = siege.expect("made");
        Siege {
            limits,
            shards,
            common,
            attackers: Vec::new(),
            kinds: Kind::some(&mut random),
            closing: Vec::new(),
            connected: 0,
            now_us: 1,
            commands: Commands::default(),
            random,
            heap: info.bytes_current,
            heap_of_new: info.bytes_current,
            worst_moment: (0, 0),
        }
    }

    // ── The account ──────────────────────────────────────────────────────────────────────────────

    fn accounts(&self) -> Accounts {
        let of_addresses = Accounts {
            addresses: self.common.accounts.count() as u64,
            ..Accounts::default()
        };
        let of_shards = self.shards.iter().map(Shard::accounts);
        of_shards.chain([of_addresses]).sum()
    }

    /// The most heap that there may be by the accounts.
    fn allowed(&self) -> i64 {
        let slack = SHARD_SLACK_BYTES * self.shards.len() as i64 + ADDRESSES_SLACK_BYTES;
        let accounts = self.accounts();
        let of_data_plane = DATA_PLANE_BYTES * accounts.connections;
        self.heap_of_new + (accounts.heap_bytes() - of_data_plane) as i64 + slack
    }

    /// Does something with memory that the shards take or free.
    fn counted(&mut self, act: impl FnOnce(&mut Siege)) {
        let (before, heap_before) = (self.allowed(), self.heap);
        let info = allocation_counter::measure(|| act(self));
        self.heap += info.bytes_current;
        let growing = i64::from(self.limits.frame_bytes);
        let might = self.allowed().max(before) + growing + SLICE_SLACK_BYTES;
        let highest = heap_before + info.bytes_max as i64;
        let (had, might_have) = self.worst_moment;
        if highest - might > had - might_have {
            self.worst_moment = (highest, might);
        }
    }

    fn check(&self) -> Result<(), String> {
        let accounts = self.accounts();
        if self.heap > self.allowed() {
            let (heap, new, shards) = (self.heap, self.heap_of_new, self.shards.len());
            return Err(format!(
                "{heap} bytes of heap, {new} of them from the beginning, on {shards} shards: {accounts:?}"
            ));
        }
        let (had, might) = self.worst_moment;
        if had > might {
            return Err(format!(
                "a call had {had} bytes of heap instead of {might}: {accounts:?}"
            ));
        }
        let Limits {
            stored_bytes,
            stored_keys,
            ..
        } = self.limits;
        let buffers = buffered_heap_bytes(&self.limits, self.shards.len());
        let tiny = self.limits.connections * TINY_BUFFER_BYTES as u64;
        let within = accounts.stored <= stored_bytes
            && accounts.keys <= stored_keys
            && accounts.buffered + accounts.parts <= buffers + tiny
            // Refused ones are counted until they are closed.
            && accounts.connections <= self.limits.connections + 1;
        within
            .then_some(())
            .ok_or_else(|| format!("beyond {:?}: {accounts:?}", self.limits))
    }

    // ── Calls into the shards ────────────────────────────────────────────────────────────────────

    fn call(&mut self, shard: usize, call: impl FnOnce(&mut Shard, &mut Context<'_>)) {
        self.counted(|siege| {
            let mut cx = Context {
                now_us: siege.now_us,
                commands: &mut siege.commands,
                incidents: &mut Nobody,
            };
            call(&mut siege.shards[shard], &mut cx);
        });
        let commands: Vec<Command> = self.commands.drain().collect();
        self.counted(|siege| siege.commands = Commands::default());
        for command in commands {
            self.apply(shard, &command);
        }
    }

    fn apply(&mut self, shard: usize, command: &Command) {
        let id = match command {
            Command::Send(_) | Command::RingBell(_) => return,
            Command::Pause(id) | Command::Resume(id) | Command::Close(id, _) => *id,
        };
        let of = |peer: &Attacker| peer.shard == shard && peer.id == id && !peer.closed;
        let Some(index) = self.attackers.iter().position(of) else {
            return;
        };
        match command {
            Command::Pause(_) => self.attackers[index].after_pause = Some(true),
            Command::Resume(_) => self.attackers[index].after_pause = None,
            _ => self.close(index),
        }
    }

    /// The event loop lets go of what it sends a little later: see `free`.
    fn close(&mut self, index: usize) {
        let peer = &mut self.attackers[index];
        peer.closed = true;
        let (shard, id) = (peer.shard, peer.id);
        let sending = peer.sending.take();
        let held = sending
            .as_ref()
            .map_or(0, |(outbox, _)| outbox.memory_bytes());
        self.counted(|siege| siege.shards[shard].closed(id, Closed::ByUs, held));
        self.closing
            .extend(sending.map(|(outbox, _)| (shard, outbox)));
    }

    /// The event loop lets go of what it sent to a connection that is gone.
    fn free(&mut self) {
        if let Some((shard, outbox)) = self.closing.pop() {
            let held = outbox.memory_bytes();
            self.counted(|siege| {
                drop(outbox);
                siege.shards[shard].freed(held);
            });
        }
    }

    fn connect(&mut self) {
        let shard = self.random.below(self.shards.len());
        self.connect_to(shard);
    }

    fn connect_to(&mut self, shard: usize) {
        // Slots are reused, as the event loop does.
        let is_taken = |slot: &u32| {
            let mut peers = self.attackers.iter();
            peers.any(|peer| peer.shard == shard && peer.id.slot == *slot)
        };
        let slot = (0..).find(|slot| !is_taken(slot)).expect("a free slot");
        self.connected += 1;
        let id = ConnectionId {
            slot,
            generation: self.connected,
        };
        self.attackers.push(Attacker {
            kind: self.kinds[self.random.below(self.kinds.len())],
            shard,
            id,
            never_reads: self.random.one_in(3),
            to_send: Default::default(),
            after_pause: None,
            closed: false,
            sending: None,
        });
        let host = Ipv4Addr::new(10, 0, 0, self.random.below(30) as u8);
        self.call(shard, |shard, cx| {
            shard.opened(id, SocketAddr::from((host, 1)), cx);
        });
    }

    // ── What happens ─────────────────────────────────────────────────────────────────────────────

    fn step(&mut self) -> Result<(), String> {
        self.attackers.retain(|peer| !peer.closed);
        self.now_us += self.random.next_u64() % 20_000;
        let shard = self.random.below(self.shards.len());
        match self.random.below(20) {
            0 | 1 => self.connect(),
            2..=4 => self.call(shard, |shard, cx| {
                shard.exchange_messages(cx);
                shard.end_wake(cx.now_us, || 0);
            }),
            5 => self.call(shard, |shard, cx| shard.tick(cx, |_| 0)),
            _ if self.attackers.is_empty() => {}
            6 if self.random.one_in(2) => self.free(),
            6 if self.random.one_in(2) => {
                let index = self.random.below(self.attackers.len());
                self.close(index);
            }
            6..=12 => self.send(),
            _ => self.take(),
        }
        self.check()
    }

    /// Bytes of an attacker arrive.
    fn send(&mut self) {
        let index = self.random.below(self.attackers.len());
        let peer = &mut self.attackers[index];
        if peer.to_send.len() < CHUNK_BYTES {
            let mut bytes = Vec::new();
            let frame_bytes = self.limits.frame_bytes as usize;
            peer.kind.write(&mut bytes, &mut self.random, frame_bytes);
            peer.to_send.extend(bytes);
        }
        // One more chunk may have been received before a pause.
        let rounds = match peer.after_pause {
            None => 1 + self.random.below(4),
            Some(false) => 0,
            Some(true) => {
                peer.after_pause = Some(false);
                1
            }
        };
        for _ in 0..rounds {
            let peer = &mut self.attackers[index];
            if peer.closed || peer.to_send.is_empty() {
                return;
            }
            let most = if peer.kind == Kind::Trickles {
                64
            } else {
                CHUNK_BYTES
            };
            let many = peer.to_send.len().min(most);
            let bytes: Vec<u8> = peer.to_send.drain(..many).collect();
            let (shard, id) = (peer.shard, peer.id);
            self.call(shard, |shard, cx| shard.received(id, &bytes, cx));
        }
    }

    /// The event loop sends, and the attacker takes as much as it likes.
    fn take(&mut self) {
        let index = self.random.below(self.attackers.len());
        let (shard, id) = (self.attackers[index].shard, self.attackers[index].id);
        if self.attackers[index].sending.is_none() {
            self.counted(|siege| {
                let outbox = siege.shards[shard].take_outbox(id);
                if !outbox.is_empty() {
                    siege.attackers[index].sending = Some((outbox, 0));
                }
            });
        }
        let never_reads = self.attackers[index].never_reads;
        let peer = &mut self.attackers[index];
        let Some((outbox, sent)) = &mut peer.sending else {
            return;
        };
        let rest = outbox.len() - *sent;
        // What the kernel's own buffer takes, the attacker need not read.
        let bytes = match self.random.below(3) {
            0 => rest,
            1 => 1 + self.random.below(rest),
            _ => 1 + self.random.below(rest.min(100)),
        };
        if never_reads && *sent + bytes > 2000 {
            let now_us = self.now_us;
            self.counted(|siege| siege.shards[shard].blocked(id, now_us));
            return;
        }
        *sent += bytes;
        self.counted(|siege| {
            let sending = &mut siege.attackers[index].sending;
            match sending {
                Some((outbox, sent)) if *sent < outbox.len() => *sent -= outbox.drop_sent(*sent),
                _ => *sending = None,
            }
        });
        let sending = &self.attackers[index].sending;
        let held = sending
            .as_ref()
            .map_or(0, |(outbox, _)| outbox.memory_bytes());
        self.call(shard, |shard, cx| shard.sent(id, bytes, held, cx));
    }
}

fn login_policy() -> Policy {
    let password = Secret::new(PASSWORD.to_owned());
    let credentials = Credentials::Digest(DigestCredentials::of(USER, &password));
    Policy {
        authenticator: Authenticator::new(&credentials).expect("credentials"),
        ..Policy::default()
    }
}

/// An attack, and then all attackers go: what they stored is what is left.
fn run(seed: u64) -> Result<(), String> {
    let mut siege = Siege::new(seed);
    for _ in 0..2000 {
        siege.step()?;
    }
    for index in 0..siege.attackers.len() {
        if !siege.attackers[index].closed {
            siege.close(index);
        }
    }
    while !siege.closing.is_empty() {
        siege.free();
        siege.check()?;
    }
    for _ in 0..1000 {
        for shard in 0..siege.shards.len() {
            siege.call(shard, |shard, cx| shard.exchange_messages(cx));
        }
        siege.check()?;
    }
    let accounts = siege.accounts();
    if (accounts.buffered, accounts.parts, accounts.connections) != (0, 0, 0) {
        return Err(format!("left: {accounts:?}"));
    }
    Ok(())
}

#[test]
fn the_heap_never_exceeds_the_accounts() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse().unwrap());
    let seeds = match number("SIMULATION_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("SIMULATION_SEEDS").unwrap_or(40),
    };
    for seed in seeds {
        if let Err(why) = run(seed) {
            panic!("SIMULATION_SEED={seed}: {why}");
        }
    }
}
