//! What routing costs, from a frame to its queued answer, without a socket: a pulse for the shard that
//! has received it, and one for another shard, which crosses over and comes back.

use std::hint::black_box;
use std::net::SocketAddr;
use std::time::Duration;

use ahash::RandomState;
use criterion::{Criterion, criterion_group, criterion_main};
use storm_pacemaker::connection::{Commands, ConnectionId};
use storm_pacemaker::limits::{Ageing, Limits};
use storm_pacemaker::shard::{Common, Context, Incident, Incidents, Mailbox, Settings, Shard};
use storm_pacemaker::wire::MessageType;
use storm_pacemaker::wire::message::encode_pulse;

const DETAILS_BYTES: usize = 4096;

const PEER: ConnectionId = ConnectionId {
    slot: 0,
    generation: 0,
};

struct Silent;

impl Incidents for Silent {
    fn report(&mut self, peer: SocketAddr, incident: Incident) {
        panic!("{peer}: {incident:?}: a good peer has done nothing wrong");
    }
}

struct World {
    shards: Vec<Shard>,
    commands: Commands,
}

impl World {
    fn new(shards: usize) -> World {
        let settings = Settings {
            shards,
            key_hasher: RandomState::with_seeds(1, 2, 3, 4),
            limits: Limits::wide(),
            ageing: Ageing {
                stale_after: Duration::from_secs(30),
                expire_after: Duration::ZERO,
            },
            minimum_wait: Duration::from_millis(5),
            common: Common::new(&Limits::wide(), shards),
        };
        let mailboxes = Mailbox::for_shards(shards).into_iter().enumerate();
        World {
            shards: mailboxes
                .map(|(index, mailbox)| Shard::new(index, settings.clone(), mailbox))
                .collect(),
            commands: Commands::default(),
        }
    }

    fn call(&mut self, shard: usize, call: impl FnOnce(&mut Shard, &mut Context<'_>)) {
        let mut cx = Context {
            now_us: 1,
            commands: &mut self.commands,
            incidents: &mut Silent,
        };
        call(&mut self.shards[shard], &mut cx);
        self.commands.drain();
    }

    /// Hands shard 0 a frame, and returns the bytes of the answer if it has the key itself.
    fn receive(&mut self, frame: &[u8]) -> usize {
        self.call(0, |shard, cx| shard.received(PEER, frame, cx));
        self.take_answer()
    }

    /// The other shard takes the request, and shard 0 the reply.
    fn deliver(&mut self) -> usize {
        for shard in [1, 0] {
            self.call(shard, |shard, cx| shard.exchange_messages(cx));
        }
        self.take_answer()
    }

    fn take_answer(&mut self) -> usize {
        let answer = self.shards[0].take_outbox(PEER).len();
        if answer > 0 {
            self.call(0, |shard, cx| shard.sent(PEER, answer, cx));
        }
        answer
    }
}

fn pulse(number: usize) -> Vec<u8> {
    let key =
        format!("/workerbeats/wordcount-1-1795449600/0b6f1f9e-6d3c-4f5e-9d5a-{number:012}-6700");
    let mut frame = Vec::new();
    let details = vec![0xa5; DETAILS_BYTES];
    encode_pulse(&mut frame, MessageType::SendPulse, &key, Some(&details), 7);
    frame
}

fn routing(criterion: &mut Criterion) {
    let mut world = World::new(2);
    let address = SocketAddr::from(([127, 0, 0, 1], 1));
    world.call(0, |shard, cx| shard.opened(PEER, address, cx));
    let (own, foreign): (Vec<_>, Vec<_>) = (0..2000).map(pulse).partition(|frame| {
        let is_own = world.receive(frame) > 0;
        assert!(is_own || world.deliver() > 0, "every pulse is answered");
        is_own
    });
    let mut group = criterion.benchmark_group("a pulse of 4 KiB, from frame to answer");
    let mut at = 0;
    group.bench_function("of the shard itself", |bencher| {
        bencher.iter(|| {
            at = (at + 1) % own.len();
            world.receive(black_box(&own[at]))
        });
    });
    group.bench_function("of another shard", |bencher| {
        bencher.iter(|| {
            at = (at + 1) % foreign.len();
            world.receive(black_box(&foreign[at])) + world.deliver()
        });
    });
    group.finish();
}

criterion_group!(benches, routing);
criterion_main!(benches);
