//! A drain moves clients one at a time and costs them nothing: no request meets a reset, writers go after a pulse,
//! and Nimbus last, between two passes. The daemon then ends.

use std::io::{ErrorKind, Read};
use std::net::SocketAddr;
use std::ops::Range;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr as UnixAddress, UnixListener};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use support::check_config::{Run, command};
use support::client::wait_until_served;
use support::frames::{GET_PULSE, about, details_of, send};
use support::metrics::Scrape;
use support::{Client, Daemon, Ended, http, wait_until};

/// Shorter than a worker's 3 s, so that the test is; long enough that a RST does not meet the next pulse.
const PULSE_EVERY: Duration = Duration::from_millis(800);

/// Between two passes of Nimbus: 10 s in a cluster. All writers go in it.
const PAUSE: Duration = Duration::from_secs(4);

/// How long Storm's client takes to dial again after a RST.
const DIAL_AFTER: Duration = Duration::from_millis(100);

const PLANES: [&str; 2] = ["io_uring", "epoll"];

/// A client in lock-step that dials the successor when it is reset. A reset that meets a request fails the test.
struct Moving {
    client: Client,
    successor: SocketAddr,
    moved: Option<Instant>,
}

impl Moving {
    fn new(from: SocketAddr, successor: SocketAddr) -> Moving {
        Moving {
            client: Client::connect(from),
            successor,
            moved: None,
        }
    }

    /// Waits, and dials again if it is reset meanwhile.
    fn idle_for(&mut self, time: Duration) {
        let until = Instant::now() + time;
        while let Some(rest) = until.checked_duration_since(Instant::now()) {
            let mut socket = self.client.socket();
            let least = Duration::from_millis(1);
            socket
                .set_read_timeout(Some(rest.max(least)))
                .expect("an option");
            match socket.read(&mut [0; 16]) {
                Err(error) if error.kind() == ErrorKind::ConnectionReset => self.dial_again(),
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                other => panic!("neither a RST nor silence: {other:?}"),
            }
        }
    }

    fn dial_again(&mut self) {
        assert!(self.moved.is_none(), "moved twice");
        self.moved = Some(Instant::now());
        thread::sleep(DIAL_AFTER);
        self.client = Client::connect(self.successor);
    }
}

/// Pulses until `end`, and returns when it was moved.
fn work(mut worker: Moving, key: &str, end: &AtomicBool) -> Instant {
    while !end.load(Ordering::Relaxed) {
        worker.client.put(key, b"alive");
        worker.idle_for(PULSE_EVERY);
    }
    worker.moved.expect("it was moved")
}

/// Reads all keys in passes with pauses in between, as Nimbus does, until it has made a pass at the successor. Each
/// pass must find every key. Returns when it was moved, and when it made its passes.
fn read(mut nimbus: Moving, keys: &[String]) -> (Instant, Vec<Range<Instant>>) {
    let mut passes = Vec::new();
    loop {
        let is_last = nimbus.moved.is_some();
        let begun = Instant::now();
        for key in keys.iter().cycle().take(10 * keys.len()) {
            assert!(nimbus.client.get(key).is_some(), "{key} is missing");
            thread::sleep(Duration::from_millis(5));
        }
        if is_last {
            return (nimbus.moved.expect("it was moved"), passes);
        }
        passes.push(begun..Instant::now());
        nimbus.idle_for(PAUSE);
    }
}

fn keys() -> Vec<String> {
    (0..20)
        .map(|worker| format!("/workerbeats/t/{worker}"))
        .collect()
}

/// Clients of a daemon that gets the signal, and that move to another.
fn assert_moves_all(daemon: &mut Daemon, successor: &Daemon, signal: Signal) {
    let (from, to) = (daemon.address(), successor.address());
    let keys = keys();
    let end = AtomicBool::new(false);
    let mut silent = wait_until_served(from);
    let mut unheard = Client::connect(from);
    thread::scope(|scope| {
        let writers: Vec<_> = keys
            .iter()
            .map(|key| {
                let mut worker = Moving::new(from, to);
                worker.client.put(key, b"first");
                let end = &end;
                scope.spawn(move || work(worker, key, end))
            })
            .collect();
        let reader = Moving::new(from, to);
        let reader = scope.spawn(|| read(reader, &keys));
        let admin = daemon.admin();
        assert_eq!(http::get(admin, "/readyz").status, 200);
        daemon.signal(signal);
        wait_until("it is not ready", || {
            http::get(admin, "/readyz").status == 503
        });
        assert!(http::get(admin, "/readyz").body.contains("draining"));
        assert_eq!(http::get(admin, "/healthz").status, 200);
        wait_until("the status counts them", || {
            http::get(admin, "/status").json()["clients_left"]["readers"].as_u64() >= Some(1)
        });
        let scrape = Scrape::of(admin);
        assert_eq!(scrape.sum("pacemaker_draining", &[]), 1.0);
        assert!(scrape.sum("pacemaker_clients_left", &[("role", "reader")]) >= 1.0);
        // Both asked for nothing else.
        unheard.expect_reset();
        silent.expect_reset();
        let (reader_moved, passes) = reader.join().expect("the reader");
        end.store(true, Ordering::Relaxed);
        for writer in writers {
            let writer_moved = writer.join().expect("a worker");
            assert!(writer_moved < reader_moved, "the reader was not the last");
            let in_pass = passes.iter().any(|pass| pass.contains(&writer_moved));
            assert!(!in_pass, "it was moved while Nimbus read");
        }
    });
    let status = daemon.wait();
    let log = daemon.whole_log();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(log.contains("drained: moved 23 clients"), "{log}");
    assert!(!log.contains("drain_deadline passed"), "{log}");
}

#[test]
fn no_request_meets_a_reset_and_the_reader_goes_last() {
    for (plane, shards) in PLANES.into_iter().zip(["1", "3"]) {
        let io = format!("server.io={plane}");
        let mut daemon = Daemon::start(&["-c", &io, "--shards", shards]);
        let successor = Daemon::start(&["-c", &io, "--shards", "1"]);
        assert_moves_all(&mut daemon, &successor, Signal::USR1);
        successor.stop();
    }
}

#[test]
fn a_stop_drains_first_where_it_is_told_to() {
    let settings = ["--shards", "2", "-c", "server.drain_on_stop=true"];
    let mut daemon = Daemon::start(&settings);
    let successor = Daemon::start(&["--shards", "1"]);
    assert_moves_all(&mut daemon, &successor, Signal::TERM);
    successor.stop();
}

/// Nobody else has the address: clients are served as long as possible, and lose nothing before the end.
#[test]
fn a_client_that_comes_back_is_served_until_the_deadline() {
    let mut daemon = Daemon::start(&["--shards", "2", "-c", "server.drain_deadline=3s"]);
    let address = daemon.address();
    let mut worker = Client::connect(address);
    worker.put("/w/1", b"before");
    daemon.signal(Signal::USR1);
    let start = Instant::now();
    let mut rounds = 0;
    while start.elapsed() < Duration::from_secs(2) {
        worker.expect_reset();
        worker = Client::connect(address);
        worker.put("/w/1", b"again");
        rounds += 1;
    }
    assert!(rounds >= 2);
    assert_eq!(daemon.wait().code(), Some(0));
    // The last one has not come back, or was reset at the end.
    worker.expect_reset();
    let log = daemon.whole_log();
    assert!(log.contains("stopped"), "{log}");
}

/// A reader that never pauses, and half a request.
#[test]
fn the_deadline_ends_what_does_not_pause() {
    for plane in PLANES {
        let io = format!("server.io={plane}");
        let settings = ["--shards", "1", "-c", &io, "-c", "server.drain_deadline=2s"];
        let mut daemon = Daemon::start(&settings);
        let mut half = wait_until_served(daemon.address());
        half.send(&send("/w/half", [b'x'; 100], 1)[..50]);
        let mut busy = Client::connect(daemon.address());
        assert!(busy.get("/w/1").is_none());
        daemon.signal(Signal::USR1);
        let start = Instant::now();
        let mut answered = 0;
        while busy.try_send(&about(GET_PULSE, "/w/1", 1)) {
            match busy.frame_or_end() {
                Ok(answer) => assert_eq!(details_of(&answer), None),
                Err(end) => {
                    assert_eq!(end, Ended::Reset);
                    break;
                }
            }
            answered += 1;
        }
        let took = start.elapsed();
        assert!(took >= Duration::from_secs(2), "{took:?}");
        assert!(answered > 100, "{answered}");
        half.expect_reset();
        assert_eq!(daemon.wait().code(), Some(0));
        let log = daemon.whole_log();
        assert!(log.contains("server.drain_deadline"), "{log}");
        assert!(log.contains("0 writers and 2 readers"), "{log}");
    }
}

#[test]
fn a_second_signal_stops_at_once() {
    for (first, second) in [
        (Signal::TERM, Signal::TERM),
        (Signal::TERM, Signal::INT),
        (Signal::USR1, Signal::TERM),
    ] {
        let mut daemon = Daemon::start(&["--shards", "1", "-c", "server.drain_on_stop=true"]);
        let mut half = wait_until_served(daemon.address());
        half.send(&send("/w/half", [b'x'; 100], 1)[..50]);
        daemon.signal(first);
        wait_until("it drains", || daemon.log().contains("one at a time"));
        // They have no place in a drain, and do not end it.
        daemon.signal(Signal::HUP);
        wait_until("it has seen the signal", || {
            daemon.log().contains("a reload")
        });
        let start = Instant::now();
        daemon.signal(second);
        assert_eq!(daemon.wait().code(), Some(0));
        let took = start.elapsed();
        assert!(took < Duration::from_secs(15), "{took:?}");
        half.expect_reset();
        let log = daemon.whole_log();
        assert!(log.contains("while draining"), "{log}");
    }
}

#[test]
fn the_command_waits_for_the_end_and_shows_who_is_left() {
    let mut daemon = Daemon::start(&["--shards", "2"]);
    let admin = daemon.admin().to_string();
    let mut silent = wait_until_served(daemon.address());
    let pid = daemon.pid().to_string();
    let run = Run::of(command(&["drain", "--pid", &pid, "--admin", &admin]));
    run.succeeds();
    assert!(run.stdout.contains(&pid), "{}", run.stdout);
    assert!(run.stdout.contains("readers are left"), "{}", run.stdout);
    assert!(run.stdout.contains("has ended after"), "{}", run.stdout);
    silent.expect_reset();
    assert_eq!(daemon.wait().code(), Some(0));
}

#[test]
fn the_command_says_why_it_cannot() {
    // This test's own process is no daemon, and must not get the signal.
    let pid = std::process::id().to_string();
    let run = Run::of(command(&["drain", "--pid", &pid]));
    assert_eq!(run.code, Some(1));
    assert!(run.stderr.contains(&pid), "{}", run.stderr);
    // A daemon that is too old would be killed by the signal, as this process would.
    let name = format!("storm-pacemaker/{pid}/127.0.0.1:9");
    let name = UnixAddress::from_abstract_name(name).expect("a name");
    let announced = UnixListener::bind_addr(&name).expect("a socket");
    let run = Run::of(command(&["drain", "--pid", &pid]));
    drop(announced);
    assert_eq!(run.code, Some(1));
    assert!(run.stderr.contains("older"), "{}", run.stderr);
    let run = Run::of(command(&["drain", "--pid", "x"]));
    assert_eq!(run.code, Some(2), "{}", run.stderr);
}
