//! What a peer can make the daemon do about a large directory is bounded: lists, records and deletions
//! take turns with other requests, and paths cannot fill the memory beside the limit.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use support::frames::*;
use support::{Client, Daemon, wait_until};

#[test]
fn many_lists_of_many_names_are_made_one_after_another() {
    const NAMES: i32 = 20_000;
    const LISTS: i32 = 200;
    for shards in ["1", "2"] {
        let daemon = Daemon::start(&["--shards", shards]);
        let mut client = Client::connect(daemon.address());
        for from in (0..NAMES).step_by(1_000) {
            let pulses = (from..from + 1_000).flat_map(|id| {
                send(
                    format!("/large/a-name-of-about-forty-characters-{id:08}"),
                    "",
                    id,
                )
            });
            client.send(&pulses.collect::<Vec<_>>());
            client.read_frames(1_000);
        }
        let before = daemon.peak_bytes();
        // 1 MB each. The names of all of them at once would take more than twice the bound below.
        let lists = (0..LISTS).flat_map(|id| about(GET_ALL_NODES, "/large", id));
        client.send(&lists.collect::<Vec<_>>());
        for _ in 0..LISTS {
            assert_eq!(names_of(&client.read_frame()).len(), NAMES as usize);
        }
        let grew = daemon.peak_bytes() - before;
        assert!(grew < 64 << 20, "{shards} shards: {grew} bytes");
        daemon.stop();
    }
}

/// Where floods come from: an address may have half of the lists under way.
const ATTACKER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

/// Stores `count` keys below /large.
fn fill(server: SocketAddr, count: i32) {
    let mut client = Client::connect(server);
    for from in (0..count).step_by(1_000) {
        let to = count.min(from + 1_000);
        let pulses = (from..to).flat_map(|id| send(format!("/large/name-{id:08x}"), "", id));
        client.send(&pulses.collect::<Vec<_>>());
        client.read_frames((to - from) as usize);
    }
}

/// What an honest client does beside an attack.
#[derive(Default)]
struct Work {
    over: AtomicBool,
    /// Rounds of a write, a read and a list.
    rounds: AtomicU32,
}

impl Work {
    /// Works until it is over. Returns the slowest answer.
    fn run(&self, server: SocketAddr) -> Duration {
        let mut client = Client::connect(server);
        let mut slowest = Duration::ZERO;
        while !self.over.load(Ordering::Relaxed) {
            let path = format!("/small/{}", self.rounds() % 10);
            for step in 0..3 {
                let begun = Instant::now();
                match step {
                    0 => client.put(&path, b"pulse"),
                    1 => assert_eq!(client.get(&path).as_deref(), Some(&b"pulse"[..])),
                    _ => assert!(!client.list("/small").is_empty()),
                }
                slowest = slowest.max(begun.elapsed());
            }
            self.rounds.fetch_add(1, Ordering::Relaxed);
        }
        slowest
    }

    fn rounds(&self) -> u32 {
        self.rounds.load(Ordering::Relaxed)
    }
}

/// Runs `attack` while an honest client works. Returns how many rounds it did meanwhile, and its
/// slowest answer.
fn beside(server: SocketAddr, attack: impl FnOnce()) -> (u32, Duration) {
    let work = Work::default();
    thread::scope(|scope| {
        let honest = scope.spawn(|| work.run(server));
        wait_until("the honest client works", || work.rounds() > 2);
        let before = work.rounds();
        attack();
        let rounds = work.rounds() - before;
        work.over.store(true, Ordering::Relaxed);
        let slowest = honest.join().expect("honest requests are served");
        (rounds, slowest)
    })
}

#[test]
fn floods_of_lists_stay_within_the_memory_that_they_may_have() {
    const NAMES: i32 = 90_000;
    for shards in ["3", "1"] {
        let bounds = [
            "-c",
            "limits.frame_size=4MiB",
            "-c",
            "limits.buffered=16MiB",
        ];
        let daemon = Daemon::start(&[&["--shards", shards], &bounds[..]].concat());
        fill(daemon.address(), NAMES);
        let before = daemon.peak_bytes();
        let (rounds, slowest) = beside(daemon.address(), || {
            // 1.5 MB each, and nobody reads them.
            let ask = about(GET_ALL_NODES, "/large", 1);
            let idle: Vec<Client> = (0..50)
                .map(|_| {
                    let mut peer = Client::connect_from(ATTACKER, daemon.address());
                    peer.send(&ask);
                    peer
                })
                .collect();
            let begun = Instant::now();
            while begun.elapsed() < Duration::from_secs(3) {
                // Others ask, go away and come back.
                let mut peers: Vec<Client> = (0..20)
                    .map(|_| Client::connect_from(ATTACKER, daemon.address()))
                    .collect();
                for peer in &mut peers {
                    peer.try_send(&ask);
                }
                thread::sleep(Duration::from_millis(20));
                peers.into_iter().for_each(Client::reset);
            }
            drop(idle);
        });
        let grew = daemon.peak_bytes() - before;
        assert!(grew < 64 << 20, "{shards} shards: {grew} bytes");
        assert!(rounds > 5, "{rounds}");
        assert!(slowest < Duration::from_secs(2), "{slowest:?}");
        daemon.stop();
    }
}

/// Otherwise they would take all connections that the daemon may have.
#[test]
fn peers_that_are_gone_keep_no_connection_while_their_lists_wait() {
    let daemon = Daemon::start(&["--shards", "1", "-c", "limits.connections=200"]);
    fill(daemon.address(), 60_000);
    let ask = about(GET_ALL_NODES, "/large", 1);
    // Each list takes some tens of milliseconds: most wait until long after the last peer is gone.
    for round in 0..8 {
        let peers: Vec<Client> = (0..40)
            .map(|_| {
                let mut peer = Client::connect_from(ATTACKER, daemon.address());
                peer.send(&ask);
                peer
            })
            .collect();
        // Its requests came after theirs.
        assert_eq!(
            Client::connect(daemon.address()).list("/"),
            ["large"],
            "{round}"
        );
        peers.into_iter().for_each(Client::reset);
    }
    assert_eq!(Client::connect(daemon.address()).list("/"), ["large"]);
    daemon.stop();
}

/// Several addresses have asked for as many lists as they like before.
#[test]
fn a_list_does_not_wait_for_all_those_that_others_have_asked_for() {
    const OTHERS: usize = 100;
    let daemon = Daemon::start(&["--shards", "1"]);
    fill(daemon.address(), 30_000);
    let ask = about(GET_ALL_NODES, "/large", 1);
    let others: Vec<Client> = (0..OTHERS)
        .map(|index| {
            let from = Ipv4Addr::new(127, 0, 0, 2 + (index % 5) as u8);
            let mut peer = Client::connect_from(from.into(), daemon.address());
            peer.send(&ask);
            peer
        })
        .collect();
    let mut client = Client::connect(daemon.address());
    assert_eq!(client.list("/"), ["large"]);
    let is_answered = |peer: &&Client| {
        let socket = peer.socket();
        socket.set_nonblocking(true).expect("an option");
        socket.peek(&mut [0]).is_ok()
    };
    let answered = others.iter().filter(is_answered).count();
    assert!(answered < OTHERS / 2, "{answered} of {OTHERS} came first");
    daemon.stop();
}

#[test]
fn a_deletion_of_many_keys_takes_turns_with_other_requests() {
    for shards in ["1", "2"] {
        let daemon = Daemon::start(&["--shards", shards, "-c", "access.deletes_below="]);
        fill(daemon.address(), 150_000);
        let mut client = Client::connect(daemon.address());
        let (rounds, _) = beside(daemon.address(), || client.delete_path("/large"));
        // Done at once, it would let in no more than the round that is under way.
        assert!(rounds > 3, "{rounds} rounds while {shards} shards deleted");
        assert_eq!(client.list("/large"), [""; 0]);
        daemon.stop();
    }
}

#[test]
fn deep_paths_do_not_take_more_than_is_allowed() {
    // Keys of 30 segments of one character each: the directory takes far more than their text.
    let bound = [
        "-c",
        "limits.stored_bytes=4MiB",
        "-c",
        "access.deletes_below=",
    ];
    let daemon = Daemon::start(&[&["--shards", "1"], &bound[..]].concat());
    let mut client = Client::connect(daemon.address());
    let deep = "/a".repeat(28);
    let mut refused = 0;
    for from in (0..20_000).step_by(1_000) {
        let pulses = (from..from + 1_000).flat_map(|id| send(format!("/{id:x}{deep}"), "", id));
        client.send(&pulses.collect::<Vec<_>>());
        let answers = client.read_frames(1_000);
        refused += answers
            .iter()
            .filter(|answer| kind_of(answer) == NOT_AUTHORIZED)
            .count();
    }
    assert!(refused > 10_000, "{refused} refused");
    let peak = daemon.peak_bytes();
    assert!(peak < 48 << 20, "{peak} bytes");
    client.delete_path("/");
    client.put("/w/t/1", b"there is room again");
    let log = daemon.stop();
    assert!(log.contains("limits.stored_bytes"), "{log}");
}
