//! The daemon and what clients see of it: dials, bytes, answers and resets. Several daemons can run at a time, of
//! which the last one accepts.

use std::net::SocketAddr;
use std::time::Duration;

use storm_pacemaker::connection::{Closed, Command, Commands, ConnectionId};
use storm_pacemaker::limits::{Ageing, Limits};
use storm_pacemaker::shard::{Common, Context, Incident, Incidents, Mailbox, Settings, Shard};
use storm_pacemaker::wire::FrameReader;
use storm_pacemaker::wire::message::{Data, MessageType, decode};
use support::Random;

const FRAME_BYTES: u32 = 64 * 1024;

/// Shards tick a few times a second.
const TICK_MS: u64 = 250;

struct NoIncidents;

impl Incidents for NoIncidents {
    fn report(&mut self, peer: SocketAddr, incident: Incident) {
        panic!("{peer}: {incident:?}: an honest peer has done nothing wrong");
    }
}

/// A connection to one of the daemons.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Connection {
    daemon: usize,
    shard: usize,
    id: ConnectionId,
}

/// One answer.
#[derive(Debug)]
pub struct Answer {
    pub id: i32,
    pub kind: MessageType,
    /// Of a pulse.
    pub details: Option<Vec<u8>>,
}

pub struct Network {
    seed: u64,
    shards: usize,
    warm_up: Duration,
    daemons: Vec<Daemon>,
    is_listening: bool,
    /// When the daemon that accepts was last reached again.
    reached_ms: u64,
}

struct Daemon {
    shards: Vec<Shard>,
    started_ms: u64,
    now_us: u64,
    /// By slot, which no two connections share.
    readers: Vec<Option<FrameReader>>,
    /// The connections of lower slots are lost: nothing gets through.
    lost: usize,
}

impl Network {
    pub fn new(seed: u64, shards: usize, warm_up: Duration) -> Network {
        Network {
            seed,
            shards,
            warm_up,
            daemons: Vec::new(),
            is_listening: false,
            reached_ms: 0,
        }
    }

    // ── The daemons ──────────────────────────────────────────────────────────────────────────────

    /// Starts a new daemon, which accepts from now on.
    pub fn start(&mut self, now_ms: u64) {
        let limits = Limits {
            frame_bytes: FRAME_BYTES,
            ..Limits::wide()
        };
        let settings = Settings {
            shards: self.shards,
            key_hasher: ahash::RandomState::with_seeds(self.seed, now_ms, 2, 3),
            ageing: Ageing {
                stale_after: Duration::from_secs(30),
                expire_after: Duration::from_secs(600),
            },
            minimum_wait: Duration::from_millis(5),
            warm_up: self.warm_up,
            common: Common::new(&limits, self.shards),
            limits,
        };
        let mailboxes = Mailbox::for_shards(self.shards).into_iter().enumerate();
        self.daemons.push(Daemon {
            shards: mailboxes
                .map(|(index, mailbox)| Shard::new(index, settings.clone(), mailbox))
                .collect(),
            started_ms: now_ms,
            now_us: 1,
            readers: Vec::new(),
            lost: 0,
        });
        self.is_listening = true;
        self.reached_ms = now_ms;
    }

    /// Kills the daemon that accepts: the kernel resets its connections, and refuses new ones.
    pub fn kill(&mut self) {
        self.is_listening = false;
        for reader in &mut self.accepting().readers {
            *reader = None;
        }
        self.accepting().shards.clear();
    }

    /// Nothing reaches the daemon any more, and neither side is told.
    pub fn cut(&mut self) {
        self.is_listening = false;
        let daemon = self.accepting();
        daemon.lost = daemon.readers.len();
    }

    /// The daemon is reached again: by new connections.
    pub fn restore(&mut self, now_ms: u64) {
        self.is_listening = true;
        self.reached_ms = now_ms;
    }

    /// When the daemon that accepts was started, or reached again.
    pub fn started_ms(&self) -> u64 {
        self.reached_ms
    }

    /// Every shard does what there is to do.
    pub fn turn(&mut self, now_ms: u64) {
        for daemon in &mut self.daemons {
            daemon.now_us = (now_ms - daemon.started_ms) * 1000 + 1;
            if now_ms.is_multiple_of(TICK_MS) {
                for shard in 0..daemon.shards.len() {
                    daemon.call(shard, |shard, cx| shard.tick(cx, |_| 0));
                }
            }
            daemon.exchange();
        }
    }

    fn accepting(&mut self) -> &mut Daemon {
        self.daemons.last_mut().expect("one was started")
    }

    // ── What clients do ──────────────────────────────────────────────────────────────────────────

    /// Dials. `None`: refused.
    pub fn connect(&mut self, random: &mut Random) -> Option<Connection> {
        if !self.is_listening {
            return None;
        }
        let daemon = self.daemons.len() - 1;
        let shard = random.below(self.shards);
        let id = self.accepting().open(shard);
        Some(Connection { daemon, shard, id })
    }

    /// Whether it is open, as the client sees it.
    pub fn is_open(&self, connection: Connection) -> bool {
        let readers = &self.daemons[connection.daemon].readers;
        readers[connection.id.slot as usize].is_some()
    }

    /// Closes a connection from the client's side.
    pub fn close(&mut self, connection: Connection) {
        if self.is_open(connection) {
            let daemon = &mut self.daemons[connection.daemon];
            daemon.readers[connection.id.slot as usize] = None;
            if daemon.is_lost(connection.id) {
                return; // the daemon keeps it
            }
            daemon.call(connection.shard, |shard, _| {
                shard.closed(connection.id, Closed::Error(104), 0);
            });
        }
    }

    pub fn send(&mut self, connection: Connection, bytes: &[u8]) {
        let daemon = &mut self.daemons[connection.daemon];
        let is_open = daemon.readers[connection.id.slot as usize].is_some();
        if is_open && !daemon.is_lost(connection.id) {
            let id = connection.id;
            daemon.call(connection.shard, |shard, cx| shard.received(id, bytes, cx));
        }
    }

    /// The answers that have come.
    pub fn receive(&mut self, connection: Connection) -> Vec<Answer> {
        let Connection { daemon, shard, id } = connection;
        let daemon = &mut self.daemons[daemon];
        if daemon.is_lost(id) {
            return Vec::new();
        }
        let Some(mut reader) = daemon.readers[id.slot as usize].take() else {
            return Vec::new();
        };
        let outbox = daemon.shards[shard].take_outbox(id);
        for slice in outbox.slices(0) {
            reader.push(slice);
        }
        let bytes = outbox.len();
        if bytes > 0 {
            daemon.call(shard, |shard, cx| shard.sent(id, bytes, 0, cx));
        }
        let mut answers = Vec::new();
        while let Some(body) = reader.next() {
            let message = decode(body.expect("a frame")).expect("an answer");
            let details = match message.data {
                Some(Data::Pulse(pulse)) => pulse.details.map(<[u8]>::to_vec),
                _ => None,
            };
            answers.push(Answer {
                id: message.id,
                kind: message.kind,
                details,
            });
        }
        daemon.readers[id.slot as usize] = Some(reader);
        answers
    }
}

impl Daemon {
    fn is_lost(&self, id: ConnectionId) -> bool {
        (id.slot as usize) < self.lost
    }

    fn call(&mut self, shard: usize, call: impl FnOnce(&mut Shard, &mut Context<'_>)) {
        let mut commands = Commands::default();
        let mut cx = Context {
            now_us: self.now_us,
            commands: &mut commands,
            incidents: &mut NoIncidents,
        };
        call(&mut self.shards[shard], &mut cx);
        for command in commands.drain() {
            assert!(
                !matches!(command, Command::Close(..)),
                "the daemon closes nobody"
            );
        }
    }

    fn open(&mut self, shard: usize) -> ConnectionId {
        let id = ConnectionId {
            slot: self.readers.len() as u32,
            generation: 0,
        };
        self.readers.push(Some(FrameReader::new(FRAME_BYTES)));
        let address = SocketAddr::from(([127, 0, 0, 1], 1));
        self.call(shard, |shard, cx| shard.opened(id, address, cx));
        id
    }

    fn exchange(&mut self) {
        while self.shards.iter().any(Shard::has_messages) {
            for shard in 0..self.shards.len() {
                self.call(shard, |shard, cx| shard.exchange_messages(cx));
            }
        }
    }
}
