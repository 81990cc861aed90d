//! Shards without sockets, with a clock that their owner sets: bytes of one honest peer go in, answers come out.

use std::net::SocketAddr;
use std::time::Duration;

use ahash::RandomState;
use storm_pacemaker::connection::{Commands, ConnectionId};
use storm_pacemaker::limits::{Ageing, Limits};
use storm_pacemaker::shard::{Common, Context, Incident, Incidents, Mailbox, Settings, Shard};

const PEER: ConnectionId = ConnectionId {
    slot: 0,
    generation: 0,
};

/// The shards of a daemon. The peer is connected to the first one.
pub struct Shards {
    shards: Vec<Shard>,
    pub now_us: u64,
    commands: Commands,
}

impl Shards {
    /// Keys turn stale after 30 s. With zero as `expire_after` they stay for ever.
    pub fn new(count: usize, limits: Limits, expire_after: Duration) -> Shards {
        let settings = Settings {
            shards: count,
            key_hasher: RandomState::with_seeds(1, 2, 3, 4),
            ageing: Ageing {
                stale_after: Duration::from_secs(30),
                expire_after,
            },
            minimum_wait: Duration::ZERO,
            warm_up: Duration::ZERO,
            common: Common::new(&limits, count),
            limits,
        };
        let mailboxes = Mailbox::for_shards(count).into_iter().enumerate();
        let mut shards = Shards {
            shards: mailboxes
                .map(|(index, mailbox)| Shard::new(index, settings.clone(), mailbox))
                .collect(),
            now_us: 1,
            commands: Commands::default(),
        };
        let address = SocketAddr::from(([127, 0, 0, 1], 1));
        shards.call(0, |shard, cx| shard.opened(PEER, address, cx));
        shards
    }

    pub fn shard(&self, index: usize) -> &Shard {
        &self.shards[index]
    }

    /// Calls a shard, and ignores the commands that it gives: there is no event loop.
    pub fn call(&mut self, index: usize, call: impl FnOnce(&mut Shard, &mut Context<'_>)) {
        let mut cx = Context {
            now_us: self.now_us,
            commands: &mut self.commands,
            incidents: &mut NoIncidents,
        };
        call(&mut self.shards[index], &mut cx);
        self.commands.drain();
    }

    /// The peer sends these bytes.
    pub fn receive(&mut self, bytes: &[u8]) {
        self.call(0, |shard, cx| shard.received(PEER, bytes, cx));
    }

    /// The peer takes the answers. Returns how many bytes they have.
    pub fn take_answers(&mut self) -> usize {
        let bytes = self.shards[0].take_outbox(PEER).len();
        if bytes > 0 {
            self.call(0, |shard, cx| shard.sent(PEER, bytes, 0, cx));
        }
        bytes
    }
}

struct NoIncidents;

impl Incidents for NoIncidents {
    fn report(&mut self, peer: SocketAddr, incident: Incident) {
        panic!("{peer}: {incident:?}: an honest peer has done nothing wrong");
    }
}
