//! A peer that does not take its answers is no longer read from, holds a bounded amount of memory,
//! slows no other peer, and is reset after the deadline; one that takes them slowly gets every byte.

use std::io::{ErrorKind, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use support::client::assert_good_client_is_served;
use support::frames::*;
use support::{Client, Daemon, holds_within};

const PULSE_BYTES: usize = 1 << 20;

/// Bounds that two pulses reach, and the shortest deadline.
const SMALL: [&str; 8] = [
    "--shards",
    "1",
    "-c",
    "limits.frame_size=2MiB",
    "-c",
    "limits.output=2MiB",
    "-c",
    "limits.output_deadline=1s",
];

/// The same for a reader that is slow and does read.
const STEADY: [&str; SMALL.len()] = {
    let mut options = SMALL;
    options[SMALL.len() - 1] = "limits.output_deadline=4s";
    options
};

/// A pulse that is unlike the others, and unlike itself at another place.
fn large(number: i32) -> Vec<u8> {
    let mut details = vec![number as u8; PULSE_BYTES];
    for (page, bytes) in details.chunks_mut(4096).enumerate() {
        bytes[..8].copy_from_slice(&(page as u64).to_be_bytes());
    }
    details
}

/// For each number a pulse of its own is sent and read.
fn sends_and_gets(count: i32) -> Vec<u8> {
    (0..count)
        .map(|id| [send("/large", large(id), 1_000 + id), get("/large", id)].concat())
        .collect::<Vec<_>>()
        .concat()
}

/// Writes until all is written or the peer resets; the number of bytes taken.
fn write_all(mut stream: TcpStream, bytes: &[u8]) -> usize {
    let mut taken = 0;
    while taken < bytes.len() {
        match stream.write(&bytes[taken..]) {
            Ok(count) => taken += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => {
                let reset = [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe];
                assert!(reset.contains(&error.kind()), "{error}");
                break;
            }
        }
    }
    taken
}

#[test]
fn a_peer_that_reads_nothing_is_not_read_from_and_reset_after_the_deadline() {
    let daemon = Daemon::start(&SMALL);
    let mut reader = Client::connect(daemon.address());
    reader.put("/other/k", b"x");
    // Each answer holds a pulse of its own: unread answers are memory.
    let requests = sends_and_gets(150);
    let before = daemon.resident_bytes();
    let start = Instant::now();
    let slow = Client::connect(daemon.address());
    let socket = slow.socket().try_clone().expect("a second handle");
    let writer = thread::spawn(move || {
        let taken = write_all(socket, &requests);
        (taken, requests.len(), start.elapsed())
    });

    let (mut most_resident, mut waits) = (0, Vec::new());
    while !writer.is_finished() {
        let asked = Instant::now();
        assert_eq!(reader.get("/other/k").as_deref(), Some(&b"x"[..]));
        waits.push(asked.elapsed());
        most_resident = most_resident.max(daemon.resident_bytes());
    }
    let (taken, all, lasted) = writer.join().expect("the writer");

    assert!(
        taken < all / 2,
        "{taken} of {all} bytes were read from a peer that reads nothing"
    );
    // Answers up to the bound, one frame on its way in, and what the sockets' pieces took.
    let grew = most_resident.saturating_sub(before);
    assert!(
        grew < 24 << 20,
        "{grew} bytes for a peer that reads nothing"
    );
    waits.sort();
    let (median, longest) = (waits[waits.len() / 2], waits[waits.len() - 1]);
    assert!(median < Duration::from_millis(20), "median {median:?}");
    assert!(longest < Duration::from_secs(1), "longest {longest:?}");
    let (least, most) = (Duration::from_secs(1), Duration::from_secs(10));
    assert!(least <= lasted && lasted < most, "reset after {lasted:?}");
    drop(slow);
    let log = daemon.stop();
    assert_eq!(log.matches("reason=\"slow_reader\"").count(), 1, "{log}");
}

#[test]
fn a_slow_and_steady_reader_gets_every_byte() {
    let daemon = Daemon::start(&STEADY);
    let details = large(7);
    Client::connect(daemon.address()).put("/large", &details);
    let count = 24;
    let requests: Vec<u8> = (0..count).flat_map(|id| get("/large", id)).collect();
    let answers = (0..count).map(|id| pulse_answer("/large", Some(&details), id));
    let expected = answers.collect::<Vec<_>>().concat();

    let mut slow = Client::connect(daemon.address());
    slow.send(&requests);
    // 192 KiB a second, a little at a time, for three deadlines; then all the rest at once. The
    // kernel's buffers hold more than that: the daemon's sends go on in leaps only, ten seconds and
    // more apart. Its host tells ours of what we read in sixteenths of its buffer, which is 2 s.
    let start = Instant::now();
    let mut received = Vec::new();
    while start.elapsed() < Duration::from_secs(12) {
        let due = (start.elapsed().as_millis() * 192) as usize;
        match due.saturating_sub(received.len()) {
            0 => thread::sleep(Duration::from_millis(2)), // what makes it slow
            some => received.extend(slow.read_some(some.min(4096))),
        }
    }
    while received.len() < expected.len() {
        let some = slow.read_some(expected.len() - received.len());
        assert!(!some.is_empty(), "closed after {} bytes", received.len());
        received.extend(some);
    }
    assert!(received == expected, "other bytes than those stored");
    assert_eq!(slow.ask(&get("/none", 99)), pulse_answer("/none", None, 99));
    let log = daemon.stop();
    assert!(!log.contains("slow_reader"), "{log}");
}

#[test]
fn a_reader_that_catches_up_gets_every_answer_once() {
    // The deadline is the default: the pause here is shorter.
    let daemon = Daemon::start(&SMALL[..6]);
    let mut slow = Client::connect(daemon.address());
    let count: i32 = 40;
    let requests = sends_and_gets(count);
    let socket = slow.socket().try_clone().expect("a second handle");
    let length = requests.len();
    let writer = thread::spawn(move || write_all(socket, &requests));
    // It has stopped reading when the writer is stuck; or the sockets hold all of it.
    holds_within(Duration::from_millis(500), || writer.is_finished());
    assert_good_client_is_served(daemon.address());

    // One shard answers in order.
    for id in 0..count {
        assert_eq!(slow.read_frame(), plain(answer_to(SEND_PULSE), 1_000 + id));
        let answer = slow.read_frame();
        let right = pulse_answer("/large", Some(&large(id)), id);
        assert!(answer == right, "another answer than the one to get {id}");
    }
    assert_eq!(writer.join().expect("the writer"), length);
    assert_eq!(slow.ask(&get("/none", -5)), pulse_answer("/none", None, -5));
    daemon.stop();
}

#[test]
fn answers_that_leave_at_once_do_not_hold_up_the_next_requests() {
    // Every answer fills the bound, and is taken as it comes: a pause ends with the send.
    let daemon = Daemon::start(&[
        "--shards",
        "1",
        "-c",
        "limits.frame_size=4KiB",
        "-c",
        "limits.output=4KiB",
    ]);
    let mut client = Client::connect(daemon.address());
    client.put("/k", &[b'x'; 4_000]);
    let count = 200;
    let start = Instant::now();
    client.send(&(0..count).flat_map(|id| get("/k", id)).collect::<Vec<_>>());
    for id in 0..count {
        assert_eq!(
            client.read_frame(),
            pulse_answer("/k", Some(&[b'x'; 4_000]), id)
        );
    }
    let took = start.elapsed();
    assert!(
        took < Duration::from_secs(3),
        "{count} answers took {took:?}"
    );
    daemon.stop();
}
