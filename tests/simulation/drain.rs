//! A drain at a random instant: a peer is moved only when each of its requests is answered and none has begun to
//! arrive, readers go when no writer is left, and in the end nobody is.

use std::time::Duration;

use storm_pacemaker::shard::{DRAIN_STEP, Drain, MayGo};

use super::{Planted, World};

/// A drain with all shards, until nobody is left.
fn run(seed: u64) -> Result<(), String> {
    let mut world = World::new(seed, Planted::Nothing);
    for _ in 0..3 + world.random.below(8) {
        world.connect(true);
    }
    let mut next_id = 0;
    for _ in 0..world.random.below(300) {
        let peer = world.random.below(world.peers.len());
        next_id += 1;
        world.ask(peer, next_id);
        world.step()?;
    }
    let shards = world.shards.len();
    let mut drains: Vec<Drain> = (0..shards)
        .map(|_| Drain::new(shards, world.now_us))
        .collect();
    let (mut next_us, began_us) = (0, world.now_us);
    while world.peers.iter().any(|peer| !peer.closed) {
        if world.now_us - began_us > Duration::from_secs(120).as_micros() as u64 {
            return Err("the drain does not end".to_owned());
        }
        // Requests grow rare, or readers would never pause.
        let peer = world.random.below(world.peers.len());
        if world.random.one_in(200) && !world.peers[peer].closed {
            next_id += 1;
            world.ask(peer, next_id);
        }
        world.step()?;
        world.now_us += world.random.next_u64() % 5_000;
        if world.now_us >= next_us {
            next_us = world.now_us + DRAIN_STEP.as_micros() as u64;
            world.drain_step(&mut drains);
        }
    }
    let moved: u64 = drains.iter().map(Drain::moved).sum();
    let peers = world.peers.len() as u64;
    (moved == peers)
        .then_some(())
        .ok_or(format!("{moved} of {peers} were moved"))
}

impl World {
    fn drain_step(&mut self, drains: &mut [Drain]) {
        let left = drains
            .iter()
            .try_fold(0, |sum, drain| Some(sum + drain.left()?.writers));
        let may_go = MayGo {
            writers: true,
            readers: left == Some(0),
        };
        self.draining = true;
        for (index, drain) in drains.iter_mut().enumerate() {
            // An acknowledgement may be late.
            let random = &mut self.random;
            let acknowledged = self.peers.iter().filter(|peer| {
                peer.shard == index && peer.on_the_way.is_empty() && !random.one_in(3)
            });
            let quiet: Vec<_> = acknowledged.map(|peer| peer.id).collect();
            self.quiet.clone_from(&quiet);
            self.call(index, |shard, cx| {
                shard.continue_drain(drain, may_go, cx, |id| quiet.contains(&id));
            });
        }
        self.draining = false;
    }
}

#[test]
fn a_drain_loses_no_request() {
    for seed in 0..60 {
        if let Err(why) = run(seed) {
            panic!("seed {seed}: {why}");
        }
    }
}
