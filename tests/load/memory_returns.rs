//! After a burst the daemon gives memory back: within a minute its resident memory is below twice what is
//! stored plus 64 MiB, without anyone sending anything.

use std::net::IpAddr;
use std::sync::PoisonError;
use std::thread;
use std::time::{Duration, Instant};

use support::frames::*;
use support::{Client, Daemon, holds_within, wait_until};

use super::{MACHINE, release};

const MINUTE: Duration = Duration::from_secs(60);
const MIB: u64 = 1 << 20;

/// What may stay besides twice what is stored.
const BASE_BYTES: u64 = 64 * MIB;

/// One kind of burst. Returns how many bytes are stored when it is over.
type Burst = fn(&Daemon) -> u64;

/// Runs each burst against a daemon of its own, one after another, and then waits for all at once: the test takes
/// as long as the slowest.
fn memory_goes_back_after(shards: &'static str, bursts: &[(&'static str, Burst)]) {
    thread::scope(|scope| {
        for (what, burst) in bursts {
            scope.spawn(move || {
                let limits = ["-c", "limits.connections_per_address=100000"];
                let options = [&["--shards", shards], &limits[..]].concat();
                let daemon = Daemon::start_program(&release("storm-pacemaker"), &options);
                let alone = MACHINE.lock().unwrap_or_else(PoisonError::into_inner);
                let bound = BASE_BYTES + 2 * burst(&daemon);
                drop(alone);
                let begun = Instant::now();
                let fits = holds_within(MINUTE, || daemon.resident_bytes() < bound);
                let peak = daemon.peak_bytes();
                let (now, seconds) = (daemon.resident_bytes(), begun.elapsed().as_secs());
                let mib = |bytes: u64| bytes / MIB;
                println!(
                    "{what}, {shards} shards: {} MiB at most, {} MiB of {} after {seconds} s",
                    mib(peak),
                    mib(now),
                    mib(bound)
                );
                assert!(
                    peak > bound + bound / 4,
                    "{what}: no burst: {} MiB",
                    mib(peak)
                );
                assert!(fits, "{what}: {} MiB, not below {}", mib(now), mib(bound));
                daemon.stop();
            });
        }
    });
}

#[test]
fn memory_goes_back_after_each_kind_of_burst() {
    memory_goes_back_after(
        "2",
        &[
            ("keys written and deleted", keys_come_and_go),
            ("keys written, few of them left", few_keys_stay),
            (
                "large pulses replaced by small ones",
                large_pulses_become_small,
            ),
            ("connections with half a frame, gone", half_frames),
            ("floods of lists, and then no keys", floods_of_lists),
        ],
    );
}

/// Sends the frames, some hundred kilobytes at a time, and waits for all answers.
fn exchange(client: &mut Client, frames: impl Iterator<Item = Vec<u8>>) {
    let (mut bytes, mut count) = (Vec::new(), 0);
    let mut frames = frames.peekable();
    while let Some(frame) = frames.next() {
        bytes.extend(frame);
        count += 1;
        if bytes.len() > 400 << 10 || count == 5_000 || frames.peek().is_none() {
            client.send(&bytes);
            client.read_frames(count);
            bytes.clear();
            count = 0;
        }
    }
}

/// Writes `count` keys with details of this size. Returns the bytes of one key.
fn write(daemon: &Daemon, count: u32, details_bytes: usize) -> u64 {
    let details = vec![b'x'; details_bytes];
    let key = |number: u32| format!("/burst/topology-{}/{number:08x}", number / 1_000);
    let pulses = (0..count).map(|number| send(key(number), &details, 1));
    exchange(&mut Client::connect(daemon.address()), pulses);
    (key(count).len() + details_bytes) as u64
}

fn keys_come_and_go(daemon: &Daemon) -> u64 {
    write(daemon, 400_000, 200);
    Client::connect(daemon.address()).delete_path("/burst");
    0
}

/// Every page of the allocator keeps something.
fn few_keys_stay(daemon: &Daemon) -> u64 {
    const KEYS: u32 = 400_000;
    const OF: u32 = 20;
    let key_bytes = write(daemon, KEYS, 250);
    let gone = (0..KEYS).filter(|number| number % OF > 0);
    let deletions = gone.map(|number| {
        let key = format!("/burst/topology-{}/{number:08x}", number / 1_000);
        about(DELETE_PULSE_ID, key, 1)
    });
    exchange(&mut Client::connect(daemon.address()), deletions);
    u64::from(KEYS / OF) * key_bytes
}

fn large_pulses_become_small(daemon: &Daemon) -> u64 {
    const KEYS: u32 = 3_000;
    write(daemon, KEYS, 60_000);
    u64::from(KEYS) * write(daemon, KEYS, 300)
}

fn half_frames(daemon: &Daemon) -> u64 {
    let half = [&(5_i32 << 20).to_be_bytes()[..], &[0; 300_000]].concat();
    let peers: Vec<Client> = (0..600)
        .map(|number| {
            let from = IpAddr::from([127, 0, 1, 1 + (number % 100) as u8]);
            let mut peer = Client::connect_from(from, daemon.address());
            peer.try_send(&half);
            peer
        })
        .collect();
    wait_until("the daemon holds them", || {
        daemon.resident_bytes() > 100 * MIB
    });
    drop(peers);
    0
}

/// Connections that ask for a large list and do not read it, and others that ask and are gone.
fn floods_of_lists(daemon: &Daemon) -> u64 {
    const NAMES: u32 = 50_000;
    const UNREAD: usize = 30;
    let key = |number: u32| format!("/lists/{number:070}");
    let pulses = (0..NAMES).map(|number| send(key(number), "", 1));
    exchange(&mut Client::connect(daemon.address()), pulses);
    // 3.7 MB each, of which sockets take some.
    let ask = about(GET_ALL_NODES, "/lists", 1);
    let asking = |number: usize| {
        let from = IpAddr::from([127, 0, 2, 1 + (number % 20) as u8]);
        let mut peer = Client::connect_from(from, daemon.address());
        peer.try_send(&ask);
        peer
    };
    let unread: Vec<Client> = (0..UNREAD).map(asking).collect();
    wait_until("their lists are made", || {
        (0..10).map(asking).for_each(Client::reset);
        unread.iter().all(has_answer)
    });
    drop(unread);
    Client::connect(daemon.address()).delete_path("/lists");
    0
}

fn has_answer(peer: &Client) -> bool {
    let socket = peer.socket();
    socket.set_nonblocking(true).expect("an option");
    socket.peek(&mut [0]).is_ok()
}
