//! Shards without sockets and their peers. A test sets the clock, and turns all shards until they are at rest.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use crate::connection::{Closed, Commands, ConnectionId};
use crate::limits::Limits;
use crate::shard::{Context, Counters, Incident, Incidents, Mailbox, Settings, Shard};
use crate::wire::FrameReader;
use crate::wire::message::{self, Data, MessageType as T, decode, encode_path, encode_pulse};

pub(super) const SECOND: u64 = 1_000_000;
pub(super) const WINDOW: Duration = Duration::from_secs(20);

struct Quiet;

impl Incidents for Quiet {
    fn report(&mut self, peer: SocketAddr, incident: Incident) {
        panic!("{peer}: {incident:?}");
    }
}

/// A connection, as its shard and slot.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(usize, ConnectionId);

/// What a peer was told: message ids, and the details of pulses.
pub(super) type Answers = Vec<(i32, Option<String>)>;

pub(super) struct World {
    pub(super) shards: Vec<Shard>,
    pub(super) now_us: u64,
    slots: u32,
    readers: BTreeMap<(usize, u32), FrameReader>,
}

impl World {
    pub(super) fn new(shards: usize) -> World {
        Self::with(shards, Limits::wide(), WINDOW)
    }

    pub(super) fn with(shards: usize, limits: Limits, warm_up: Duration) -> World {
        let settings = Settings {
            warm_up,
            ..Settings::for_tests(shards, limits)
        };
        let mailboxes = Mailbox::for_shards(shards).into_iter().enumerate();
        World {
            shards: mailboxes
                .map(|(index, mailbox)| Shard::new(index, settings.clone(), mailbox))
                .collect(),
            now_us: 1,
            slots: 0,
            readers: BTreeMap::new(),
        }
    }

    pub(super) fn call(&mut self, shard: usize, call: impl FnOnce(&mut Shard, &mut Context<'_>)) {
        let mut commands = Commands::default();
        let mut cx = Context {
            now_us: self.now_us,
            commands: &mut commands,
            incidents: &mut Quiet,
        };
        call(&mut self.shards[shard], &mut cx);
        commands.drain();
    }

    pub(super) fn connect(&mut self, shard: usize) -> Peer {
        let id = ConnectionId {
            slot: self.slots,
            generation: 0,
        };
        self.slots += 1;
        self.readers
            .insert((shard, id.slot), FrameReader::new(1 << 20));
        self.call(shard, |shard, cx| {
            shard.opened(id, ([127, 0, 0, 1], 1).into(), cx);
        });
        Peer(shard, id)
    }

    /// All shards work until there is nothing to do.
    pub(super) fn rest(&mut self) {
        while self.shards.iter().any(Shard::has_messages) {
            for shard in 0..self.shards.len() {
                self.call(shard, |shard, cx| shard.exchange_messages(cx));
            }
        }
    }

    pub(super) fn pass(&mut self, seconds: u64) {
        for _ in 0..4 * seconds {
            self.now_us += SECOND / 4;
            for shard in 0..self.shards.len() {
                self.call(shard, |shard, cx| shard.tick(cx, |_| 0));
            }
            self.rest();
        }
    }

    pub(super) fn send(&mut self, Peer(shard, id): Peer, bytes: &[u8]) {
        self.call(shard, |shard, cx| shard.received(id, bytes, cx));
        self.rest();
    }

    pub(super) fn get(&mut self, peer: Peer, path: &str, id: i32) -> Answers {
        let mut bytes = Vec::new();
        encode_path(&mut bytes, T::GetPulse, path, id);
        self.send(peer, &bytes);
        self.answers(peer)
    }

    pub(super) fn ask(&mut self, peer: Peer, kind: T, path: &str, id: i32) -> Answers {
        let mut bytes = Vec::new();
        encode_path(&mut bytes, kind, path, id);
        self.send(peer, &bytes);
        self.answers(peer)
    }

    pub(super) fn put(&mut self, peer: Peer, path: &str, details: &str) {
        let mut bytes = Vec::new();
        encode_pulse(&mut bytes, T::SendPulse, path, Some(details.as_bytes()), 99);
        self.send(peer, &bytes);
        assert_eq!(self.answers(peer), [(99, None)]);
    }

    pub(super) fn answers(&mut self, Peer(shard, id): Peer) -> Answers {
        let outbox = self.shards[shard].take_outbox(id);
        let reader = self.readers.get_mut(&(shard, id.slot)).expect("connected");
        for slice in outbox.slices(0) {
            reader.push(slice);
        }
        let bytes = outbox.len();
        self.call(shard, |shard, cx| shard.sent(id, bytes, 0, cx));
        let reader = self.readers.get_mut(&(shard, id.slot)).expect("connected");
        let mut answers = Vec::new();
        while let Some(body) = reader.next() {
            let message = decode(body.expect("a frame")).expect("an answer");
            let details = match message.data {
                Some(Data::Pulse(message::Pulse { details, .. })) => details,
                _ => None,
            };
            let text = details.map(|details| String::from_utf8_lossy(details).into_owned());
            answers.push((message.id, text));
        }
        answers
    }

    pub(super) fn close(&mut self, Peer(shard, id): Peer) {
        self.shards[shard].closed(id, Closed::Error(104), 0);
        self.rest();
    }

    /// Kept, found, missing and given up.
    pub(super) fn counts(&self) -> [u64; 4] {
        let counters = self.shards.iter().map(Shard::counters);
        let of = |counters: Counters| {
            [
                counters.kept_reads,
                counters.kept_reads_found,
                counters.kept_reads_missing,
                counters.kept_reads_given_up,
            ]
        };
        counters.map(of).fold([0; 4], |sum, one| {
            std::array::from_fn(|index| sum[index] + one[index])
        })
    }

    pub(super) fn buffered_bytes(&self) -> usize {
        self.shards.iter().map(Shard::buffered_bytes).sum()
    }
}
