//! Reads that wait, on one and on two shards.

mod world;

use std::time::Duration;

use crate::limits::Limits;
use crate::shard::{Shard, WarmUpStage};
use crate::wire::message::{MessageType as T, encode_path};
use world::{Answers, WINDOW, World};

fn key(number: usize) -> String {
    format!("/workerbeats/topology-1-1/worker-{number}")
}

/// Some keys, which all shards own some of.
const KEYS: usize = 16;

fn found(id: i32, details: &str) -> Answers {
    vec![(id, Some(details.to_owned()))]
}

#[test]
fn a_read_is_answered_when_its_pulse_comes() {
    for shards in [1, 2, 3] {
        let mut world = World::new(shards);
        let nimbus = world.connect(0);
        let worker = world.connect(shards - 1);
        for number in 0..KEYS {
            assert_eq!(world.get(nimbus, &key(number), 5), []);
            world.pass(1);
            assert_eq!(world.answers(nimbus), []);
            world.put(worker, &key(number), "beat");
            assert_eq!(world.answers(nimbus), found(5, "beat"));
            // The key is there: nothing waits.
            assert_eq!(world.get(nimbus, &key(number), 6), found(6, "beat"));
        }
        assert_eq!(world.counts(), [KEYS as u64, KEYS as u64, 0, 0]);
        assert_eq!(world.buffered_bytes(), 0);
        assert!(world.shards.iter().all(Shard::is_settled));
    }
}

#[test]
fn the_end_answers_that_nothing_is_stored() {
    for shards in [1, 2] {
        let mut world = World::new(shards);
        let nimbus = world.connect(0);
        world.ask(nimbus, T::GetAllNodesForPath, "/workerbeats", 1);
        world.pass(11);
        for number in 0..KEYS {
            assert_eq!(world.get(nimbus, &key(number), number as i32), []);
        }
        world.pass(8);
        assert_eq!(world.answers(nimbus), []);
        world.pass(2);
        let answers = world.answers(nimbus);
        assert_eq!(answers.len(), KEYS);
        assert!(answers.iter().all(|(_, details)| details.is_none()));
        assert_eq!(world.get(nimbus, "/workerbeats/late", 1), [(1, None)]);
        assert_eq!(world.counts(), [KEYS as u64, 0, KEYS as u64, 0]);
        assert_eq!(world.buffered_bytes(), 0);
    }
}

#[test]
fn what_was_asked_for_and_what_came_back_is_counted() {
    let mut world = World::new(1);
    let peer = world.connect(0);
    for number in 0..6 {
        let id = number as i32;
        assert_eq!(world.get(peer, &key(number), id), []);
    }
    world.put(peer, &key(6), "beat");
    world.get(peer, &key(6), 50);
    // One is given up before its pulse comes, and two never come.
    world.pass(11);
    for number in 0..4 {
        world.put(peer, &key(number), "beat");
    }
    for stage in [WarmUpStage::On, WarmUpStage::Over] {
        let progress = world.shards[0].warm_up_progress();
        assert_eq!(progress.stage, stage);
        assert_eq!((progress.asked_keys, progress.found_keys), (7, 5));
        world.pass(10);
    }
}

/// Storm's client writes a request again every second, eleven times in all.
#[test]
fn repeats_replace_each_other_and_have_one_answer() {
    for shards in [1, 2] {
        let limits = Limits {
            in_flight: 2,
            ..Limits::wide()
        };
        let mut world = World::with(shards, limits, WINDOW);
        let nimbus = world.connect(0);
        let worker = world.connect(0);
        for number in 0..KEYS / 4 {
            for _ in 0..4 {
                assert_eq!(world.get(nimbus, &key(number), 7), []);
                world.pass(1);
            }
            world.put(worker, &key(number), "beat");
            assert_eq!(world.answers(nimbus), found(7, "beat"));
        }
        assert_eq!(world.counts()[0], KEYS as u64 / 4);
    }
}

#[test]
fn a_read_is_given_up_quietly_and_a_fresh_one_waits_again() {
    for (shards, number) in [(1, 0), (2, 0), (2, 1), (2, 2), (2, 3)] {
        let mut world = World::with(shards, Limits::wide(), Duration::from_secs(60));
        let nimbus = world.connect(0);
        let worker = world.connect(0);
        let key = key(number);
        assert_eq!(world.get(nimbus, &key, 1), []);
        world.pass(5);
        assert_eq!(world.get(nimbus, &key, 1), []);
        world.pass(9);
        assert!(world.buffered_bytes() > 0, "the repeat waits on");
        world.pass(2);
        assert_eq!(world.answers(nimbus), []);
        assert_eq!(world.counts(), [1, 0, 0, 1]);
        assert_eq!(world.buffered_bytes(), 0);
        assert_eq!(world.get(nimbus, &key, 1), []);
        world.put(worker, &key, "beat");
        assert_eq!(world.answers(nimbus), found(1, "beat"));
    }
}

/// The answer to the first request must not be taken for one to the second.
#[test]
fn another_request_with_its_id_withdraws_a_read() {
    for number in 0..KEYS {
        let mut world = World::new(2);
        let nimbus = world.connect(0);
        let worker = world.connect(1);
        assert_eq!(world.get(nimbus, &key(number), 3), []);
        let list = world.ask(nimbus, T::GetAllNodesForPath, "/workerbeats", 3);
        assert_eq!(list, [(3, None)]);
        world.put(worker, &key(number), "beat");
        assert_eq!(world.answers(nimbus), []);
        assert_eq!(world.get(nimbus, "/workerbeats/a", 4), []);
        assert_eq!(world.get(nimbus, "/workerbeats/b", 4), []);
        assert_eq!(world.get(nimbus, "/workerbeats/a", 4), []);
        world.put(worker, "/workerbeats/b", "of b");
        assert_eq!(world.answers(nimbus), []);
        world.put(worker, "/workerbeats/a", "of a");
        assert_eq!(world.answers(nimbus), found(4, "of a"));
        assert_eq!(world.counts(), [4, 1, 0, 3]);
        assert_eq!(world.buffered_bytes(), 0);
    }
}

#[test]
fn nothing_stays_of_a_peer_that_is_gone() {
    for shards in [1, 2, 4] {
        let mut world = World::new(shards);
        let stays = world.connect(0);
        let goes = world.connect(0);
        for number in 0..KEYS {
            world.get(goes, &key(number), number as i32);
        }
        assert!(world.buffered_bytes() > 0);
        world.close(goes);
        assert_eq!(world.buffered_bytes(), 0);
        assert_eq!(world.counts(), [KEYS as u64, 0, 0, KEYS as u64]);
        for number in 0..KEYS {
            world.put(stays, &key(number), "beat");
        }
        assert!(world.shards.iter().all(Shard::is_settled));
    }
}

#[test]
fn what_a_client_has_deleted_is_missing_at_once() {
    for shards in [1, 2] {
        let mut world = World::new(shards);
        let worker = world.connect(0);
        let nimbus = world.connect(shards - 1);
        for number in 0..KEYS / 2 {
            let key = key(number);
            world.put(worker, &key, "beat");
            world.ask(worker, T::DeletePulseId, &key, 1);
            assert_eq!(world.get(nimbus, &key, 1), [(1, None)]);
            // It waits, and is then deleted by a worker that stops.
            let key = format!("{key}-2");
            assert_eq!(world.get(nimbus, &key, 2), []);
            world.ask(worker, T::DeletePath, &key, 1);
            assert_eq!(world.answers(nimbus), [(2, None)]);
        }
        // A directory, as Nimbus deletes it.
        assert_eq!(world.get(nimbus, "/workerbeats/gone/a", 1), []);
        world.ask(worker, T::DeletePath, "/workerbeats/gone/", 1);
        assert_eq!(world.get(nimbus, "/workerbeats/gone/b", 2), [(2, None)]);
        assert_eq!(world.get(nimbus, "/workerbeats/gone-too/b", 3), []);
    }
}

#[test]
fn other_requests_do_not_wait() {
    let mut world = World::new(2);
    let peer = world.connect(0);
    for kind in [T::GetAllNodesForPath, T::GetAllPulseForPath, T::Exists] {
        for number in 0..KEYS {
            assert_eq!(world.ask(peer, kind, &key(number), 1).len(), 1, "{kind:?}");
        }
    }
    let mut off = World::with(2, Limits::wide(), Duration::ZERO);
    let peer = off.connect(0);
    for number in 0..KEYS {
        assert_eq!(off.get(peer, &key(number), 1), [(1, None)]);
    }
}

/// Reads that wait are requests in flight: what a peer asks beyond its limit stays in its socket.
#[test]
fn reads_that_wait_count_as_in_flight() {
    let limits = Limits {
        in_flight: 4,
        ..Limits::wide()
    };
    for shards in [1, 2] {
        let mut world = World::with(shards, limits.clone(), WINDOW);
        let peer = world.connect(0);
        let writer = world.connect(0);
        let mut bytes = Vec::new();
        for number in 0..KEYS {
            encode_path(&mut bytes, T::GetPulse, &key(number), number as i32);
        }
        world.send(peer, &bytes);
        assert_eq!(world.counts()[0], 4);
        for number in 0..KEYS {
            world.put(writer, &key(number), "beat");
        }
        world.rest();
        assert_eq!(world.answers(peer).len(), KEYS);
    }
}

/// A daemon that stands by for another one has been up for long when the first clients come. Checks do not count.
#[test]
fn the_warm_up_begins_with_the_first_request() {
    for shards in [1, 2] {
        let mut world = World::new(shards);
        let check = world.connect(shards - 1);
        for _ in 0..500 {
            assert_eq!(world.ask(check, T::CreatePath, "/", 1).len(), 1);
            world.pass(2);
        }
        let nimbus = world.connect(0);
        for number in 0..KEYS {
            assert_eq!(world.get(nimbus, &key(number), number as i32), []);
        }
        world.pass(9);
        let worker = world.connect(shards - 1);
        for number in 0..KEYS {
            world.put(worker, &key(number), "beat");
        }
        assert_eq!(world.answers(nimbus).len(), KEYS);
        world.pass(12);
        assert_eq!(world.get(nimbus, "/workerbeats/late", 1), [(1, None)]);
    }
}

/// Its network was away, or it has its address back. What it stores is old: Nimbus takes it for no sign of life.
#[test]
fn after_a_pause_old_values_wait_for_new_ones() {
    for shards in [1, 2] {
        let mut world = World::new(shards);
        let (nimbus, worker) = (world.connect(0), world.connect(shards - 1));
        for number in 0..KEYS {
            world.put(worker, &key(number), "old");
        }
        world.pass(11);
        assert_eq!(world.get(nimbus, &key(0), 1), found(1, "old"));
        // Still asked, though by one client only: no pause.
        for _ in 0..5 {
            world.pass(10);
            world.ask(nimbus, T::GetAllNodesForPath, "/workerbeats", 1);
        }
        assert_eq!(world.get(nimbus, &key(0), 1), found(1, "old"));
        world.pass(60);
        for number in 0..KEYS {
            assert_eq!(world.get(nimbus, &key(number), number as i32), []);
        }
        for number in 1..KEYS {
            world.put(worker, &key(number), "new");
            assert_eq!(world.answers(nimbus), found(number as i32, "new"));
        }
        for seconds in [9, 9, 3] {
            // As a client that repeats its request.
            assert_eq!(world.get(nimbus, &key(0), 0), []);
            world.pass(seconds);
        }
        assert_eq!(world.answers(nimbus), found(0, "old"));
        assert_eq!(world.get(nimbus, &key(0), 1), found(1, "old"));
        let [kept, came, missing, given_up] = world.counts();
        assert_eq!(
            (kept, came, missing, given_up),
            (KEYS as u64, KEYS as u64 - 1, 1, 0)
        );
    }
}

#[test]
fn a_stop_drops_what_waits() {
    for shards in [1, 2] {
        let mut world = World::new(shards);
        let nimbus = world.connect(0);
        for number in 0..KEYS {
            world.get(nimbus, &key(number), number as i32);
        }
        for shard in &mut world.shards {
            shard.drop_waiting_reads();
        }
        world.rest();
        assert_eq!(world.get(nimbus, "/workerbeats/late", 1), []);
        assert!(world.shards.iter().all(Shard::is_settled));
        assert_eq!(world.buffered_bytes(), 0);
        let all = KEYS as u64 + 1;
        assert_eq!(world.counts(), [all, 0, 0, all]);
    }
}

/// Nimbus reads all workers and then lists their root, every 10 s.
#[test]
fn a_whole_pass_that_finds_everything_ends_the_wait_for_its_connection() {
    for shards in [1, 2] {
        let mut world = World::with(shards, Limits::wide(), Duration::from_secs(60));
        let nimbus = world.connect(0);
        let worker = world.connect(shards - 1);
        let list = |world: &mut World| {
            let answer = world.ask(nimbus, T::GetAllNodesForPath, "/workerbeats", 9);
            assert_eq!(answer, [(9, None)]);
        };
        for number in 0..KEYS {
            world.put(worker, &key(number), "beat");
            world.get(nimbus, &key(number), 1);
        }
        // It may have come in the middle of a pass.
        list(&mut world);
        // In this pass one is missing at first.
        assert_eq!(world.get(nimbus, "/workerbeats/late", 1), []);
        world.pass(10);
        assert_eq!(world.answers(nimbus), []);
        list(&mut world);
        assert_eq!(world.get(nimbus, "/workerbeats/late", 1), []);
        world.put(worker, "/workerbeats/late", "beat");
        assert_eq!(world.answers(nimbus), found(1, "beat"));
        list(&mut world);
        assert_eq!(world.get(nimbus, "/workerbeats/new", 1), [(1, None)]);
        // Other connections are not concerned.
        assert_eq!(world.get(worker, "/workerbeats/new", 1), []);
    }
}
