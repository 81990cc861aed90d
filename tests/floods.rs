//! Ten thousand connections at once. Apart from the other tests, because each connection takes a port of loopback: a
//! test beside them would find the port taken that it has just chosen or left.

use std::io::Write;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Signal, getrlimit};
use support::frames::send;
use support::http::{self, assert_all_is_served};
use support::login::{DigestFiles, half_logged_in, token_of};
use support::{Client, Daemon, Ended};

const SECOND: Duration = Duration::from_secs(1);

/// One at a time: together they would run out of open files.
static FLOOD: Mutex<()> = Mutex::new(());

fn address(last: u8) -> IpAddr {
    IpAddr::from([127, 9, 0, last])
}

/// Ten thousand logins that were begun and are never finished, all at once.
#[test]
fn ten_thousand_half_finished_logins_delay_nobody() {
    let _alone = FLOOD.lock().unwrap_or_else(PoisonError::into_inner);
    const LOGINS: usize = 10_000;
    let files = DigestFiles::new();
    let daemon = files.daemon(&[
        "--shards",
        "2",
        "-c",
        "limits.unauthenticated_per_address=10000",
        "-c",
        "limits.handshake_deadline=20s",
    ]);
    let mut nimbus = Client::connect(daemon.address());
    nimbus.log_in();
    let mut worker = Client::connect(daemon.address());
    worker.put("/w/1", b"x"); // it is accepted by now
    let (before, files) = (daemon.resident_bytes(), daemon.open_files());
    let mut slowest = Duration::ZERO;
    let mut half = Vec::with_capacity(LOGINS);
    for index in 0..LOGINS {
        let from = address((index % 200) as u8);
        let mut client = half_logged_in(from, daemon.address());
        token_of(&client.read_frame());
        half.push(client);
        if index % 50 == 0 {
            let start = Instant::now();
            worker.put("/w/1", b"x");
            assert!(nimbus.get("/w/1").is_some());
            Client::connect(daemon.address()).log_in();
            slowest = slowest.max(start.elapsed());
        }
    }
    let bytes = daemon.resident_bytes().saturating_sub(before) / LOGINS as u64;
    println!("a write, a read and a login beside them: {slowest:?}; {bytes} bytes each");
    assert!(slowest < SECOND, "{slowest:?}");
    assert!(bytes < 8 * 1024, "{bytes} bytes for each");
    let open = daemon.open_files();
    assert!(open >= LOGINS, "{open} files");
    // Each ends by the deadline, and gives back what it had.
    for client in &mut half {
        let (bytes, ended) = client.read_to_end();
        assert_eq!((bytes.len(), ended), (0, Ended::Reset));
    }
    let mut left = 0;
    let closed = support::holds_within(support::PATIENCE, || {
        left = daemon.open_files();
        left <= files
    });
    assert!(closed, "{left} files are still open, {files} were before");
    assert!(nimbus.get("/w/1").is_some());
    worker.put("/w/1", b"y");
    let log = daemon.stop();
    let lines = log.lines().count();
    assert!(lines < 1_000, "{lines} lines: the log's rate is bounded");
}

#[test]
fn ten_thousand_connections_and_slow_readers_harm_nobody() {
    let _alone = FLOOD.lock().unwrap_or_else(PoisonError::into_inner);
    let daemon = Daemon::start(&["--shards", "2"]);
    let admin = daemon.admin();
    let mut writer = Client::connect(daemon.address());
    for number in 0..12_000 {
        writer.put(
            &format!("/workerbeats/topology-{}-1-1/{number:040}-6700", number % 9),
            b"beat",
        );
    }
    let resident = daemon.resident_bytes();
    let ask_and_read_nothing = || {
        let mut stream = http::connect(admin);
        let _ = stream.write_all(b"GET /cluster.json HTTP/1.1\r\nHost: localhost\r\n\r\n");
        stream
    };
    let mut readers: Vec<_> = (0..200).map(|_| ask_and_read_nothing()).collect();
    assert_all_is_served(&daemon, admin);
    let limit = getrlimit(Resource::Nofile).current;
    let mut held = Vec::new();
    for number in 0..10_000.min(limit.unwrap_or(u64::MAX) - 500) {
        held.push(http::connect(admin));
        if number % 2500 == 0 {
            assert_all_is_served(&daemon, admin);
        }
    }
    // All 200 want a megabyte; they share one copy.
    assert!(daemon.resident_bytes() < resident + (32 << 20));
    let answer = http::read(readers.last_mut().expect("the last one"));
    if let Some(answer) = answer {
        assert_eq!(answer.status, 200);
    }
    assert_all_is_served(&daemon, admin);
    daemon.stop();
}

#[test]
fn writers_that_never_pause_do_not_hold_up_a_stop() {
    let _alone = FLOOD.lock().unwrap_or_else(PoisonError::into_inner);
    let deadline = Duration::from_millis(700);
    let setting = format!("server.shutdown_deadline={}ms", deadline.as_millis());
    // The shard stops reading for nothing but the stop.
    let output = ["-c", "limits.output=1GiB"];
    let mut daemon = Daemon::start(&[&["--shards", "1", "-c", &setting], &output[..]].concat());
    let pulses: Vec<u8> = (0..2_000)
        .flat_map(|id| send(format!("/w/t/{id}"), [b'x'; 40], id))
        .collect();
    let writers: Vec<_> = (0..30).map(|_| Client::connect(daemon.address())).collect();
    let sent = AtomicUsize::new(0);
    let took = thread::scope(|scope| {
        for writer in &writers {
            scope.spawn(|| {
                // Nobody reads the answers.
                while writer.socket().write_all(&pulses).is_ok() {
                    sent.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        support::wait_until("all write", || sent.load(Ordering::Relaxed) > 100);
        let begun = Instant::now();
        daemon.signal(Signal::TERM);
        let status = daemon.wait();
        assert_eq!(status.code(), Some(0));
        begun.elapsed()
    });
    println!("the stop took {took:?}");
    assert!(took < deadline + 5 * SECOND, "{took:?}");
    let log = daemon.whole_log();
    assert!(log.contains("stopped"), "{log}");
}
