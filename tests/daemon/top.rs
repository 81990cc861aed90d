//! `storm-pacemaker top` tells how long each worker has been silent, whatever server it asks, costs no
//! more than it was allowed, and leaves the terminal as it was.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use rustix::process::Signal;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use support::beats::OF_2_8_3;
use support::check_config::{Run, command};
use support::java_daemon::JavaDaemon;
use support::pty::Pty;
use support::{Client, Daemon};

const ENTERED: &str = "\x1b[?1049h";
const LEFT: &str = "\x1b[?1049l";

fn once(server: SocketAddr, arguments: &[&str]) -> Run {
    let server = server.to_string();
    let fixed = ["top", "--once", "--server", &server];
    Run::of(command(&[&fixed, arguments].concat()))
}

/// The words of the table's rows.
fn rows(text: &str) -> Vec<Vec<&str>> {
    let lines = text.lines().skip_while(|line| !line.contains("AGE"));
    lines
        .skip(1)
        .take_while(|line| !line.is_empty())
        .map(|line| line.split_whitespace().collect())
        .collect()
}

fn key(topology: &str, worker: usize) -> String {
    format!("/workerbeats/{topology}/w-{worker}")
}

// ── Plain text ───────────────────────────────────────────────────────────────────────────────────

fn shows_all_keys_once(server: SocketAddr) {
    let mut client = Client::connect(server);
    client.put(&key("words-1-17", 1), b"xyz");
    client.put(&key("words-1-17", 2), OF_2_8_3);
    for worker in 0..100 {
        client.put(&key("clicks-2-18", worker), b"");
    }
    client.put("/elsewhere/w", b"not a worker");
    let run = once(server, &[]);
    run.succeeds();
    let head = format!(
        "{server}: 102 workers, 2 topologies, 1 stale (> 30s), 448 B stored; a poll takes "
    );
    assert!(run.stdout.contains(&head), "{}", run.stdout);
    let rows_of_all = rows(&run.stdout);
    assert_eq!(rows_of_all.len(), 102);
    // A heartbeat tells its own age, others begin at nothing.
    let oldest = &rows_of_all[0];
    assert!(oldest[0].starts_with('~'), "{oldest:?}");
    assert_eq!(
        oldest[oldest.len() - 4..],
        ["words-1-17", "w-2", "445", "-"]
    );
    assert_eq!(rows_of_all[1], ["0s", "clicks-2-18", "w-0", "0", "-"]);
    let run = once(server, &["--topology", "words-", "--stale", "1h"]);
    assert_eq!(rows(&run.stdout).len(), 2);
}

#[test]
fn all_keys_are_shown() {
    let daemon = Daemon::start(&["--shards", "2"]);
    shows_all_keys_once(daemon.address());
    daemon.stop();
}

/// Storm 3 writes the time with 64 bits.
#[test]
fn heartbeats_of_storm_3_tell_their_age() {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let hour_ago = now.unwrap().as_secs() as i64 - 3600;
    let topology = [&[11, 0, 1, 0, 0, 0, 1][..], b"t"].concat();
    let time = [&[10, 0, 3][..], &hour_ago.to_be_bytes()].concat();
    let beat = [&topology[..], &time, &[0]].concat();
    let mut packer = GzEncoder::new(Vec::new(), Compression::fast());
    packer.write_all(&beat).unwrap();
    let daemon = Daemon::start(&[]);
    let mut client = Client::connect(daemon.address());
    client.put(&key("t-1-1", 1), &packer.finish().unwrap());
    client.put(
        &key("t-1-1", 2),
        &compress_to_vec(&beat[..], CompressionLevel::Fastest),
    );
    let run = once(daemon.address(), &[]);
    run.succeeds();
    assert!(run.stdout.contains("2 stale"), "{}", run.stdout);
    for row in rows(&run.stdout) {
        assert!(row.concat().starts_with("~1h"), "{row:?}");
    }
    daemon.stop();
}

#[test]
#[ignore = "needs a JDK and Storm's jars: make java"]
fn storms_own_server_is_asked_key_by_key() {
    shows_all_keys_once(JavaDaemon::start().address());
}

#[test]
fn so_is_a_topology_that_fits_into_no_message() {
    let daemon = Daemon::start(&["-c", "limits.frame_size=64KiB"]);
    let mut client = Client::connect(daemon.address());
    for worker in 0..20 {
        client.put(&key("large-1-17", worker), &[7; 10_000]);
    }
    client.put(&key("small-2-18", 1), b"xyz");
    let run = once(daemon.address(), &[]);
    run.succeeds();
    assert_eq!(rows(&run.stdout).len(), 21);
    assert!(run.stdout.contains("195 KiB stored"), "{}", run.stdout);
    daemon.stop();
}

#[test]
fn looking_costs_no_more_than_it_may() {
    let daemon = Daemon::start(&[]);
    let mut client = Client::connect(daemon.address());
    for topology in ["a-1-17", "b-2-18"] {
        client.put(&key(topology, 1), &[7; 500_000]);
    }
    let begin = Instant::now();
    once(daemon.address(), &["--max-rate", "1MiB"]).succeeds();
    assert!(begin.elapsed() >= Duration::from_millis(900));
    daemon.stop();
}

/// A child that goes with its test.
struct Batch(Child);

impl Drop for Batch {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn ages_are_those_of_the_last_change() {
    let daemon = Daemon::start(&["--shards", "2"]);
    let mut client = Client::connect(daemon.address());
    client.put(&key("t-1-17", 1), b"silent");
    client.put(&key("t-1-17", 2), b"0");
    let server = daemon.address().to_string();
    let mut batch = Batch(
        command(&[
            "top", "--batch", "-n", "100ms", "--stale", "1s", "-s", &server,
        ])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap(),
    );
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for beat in 0..u64::MAX {
                client.put(&key("t-1-17", 2), &beat.to_be_bytes());
                if done.load(Ordering::Relaxed) {
                    return;
                }
                thread::sleep(Duration::from_millis(20));
            }
        });
        let output = BufReader::new(batch.0.stdout.take().unwrap());
        let mut table = String::new();
        for line in output.lines().map_while(Result::ok) {
            if line.contains(&server) {
                table.clear();
            }
            table += &line;
            table.push('\n');
            let rows = rows(&table);
            let is_two = rows.len() == 2 && table.ends_with("\n\n");
            if is_two && rows[0][0] == "2s" {
                assert_eq!(rows[0][2..], ["w-1", "6", "0.00"]);
                assert_eq!(rows[1][..4], ["0s", "t-1-17", "w-2", "8"]);
                let changes: f64 = rows[1][4].parse().unwrap();
                assert!((0.5..=11.0).contains(&changes), "{table}");
                assert!(table.contains(" 1 stale (> 1s)"), "{table}");
                break;
            }
        }
        done.store(true, Ordering::Relaxed);
    });
    daemon.stop();
}

#[test]
fn without_a_terminal_it_says_what_to_do() {
    let run = Run::of(command(&["top"]));
    let said = "storm-pacemaker: top needs a terminal; --once or --batch print plain text\n";
    assert_eq!((run.code, run.stderr.as_str()), (Some(2), said));
}

// ── Live ─────────────────────────────────────────────────────────────────────────────────────────

fn live(server: SocketAddr) -> Pty {
    let server = server.to_string();
    let mut command = command(&["top", "-n", "100ms", "--timeout", "1s", "--server", &server]);
    command.env_remove("NO_COLOR");
    Pty::run(command, 120, 20)
}

fn with_workers(count: usize) -> Daemon {
    let daemon = Daemon::start(&["--shards", "2"]);
    let mut client = Client::connect(daemon.address());
    for worker in 100..100 + count {
        client.put(&key("words-1-17", worker), b"xyz");
    }
    daemon
}

fn ends_well(mut pty: Pty) {
    assert_eq!(pty.wait().code(), Some(0));
    pty.wait_for(LEFT, 0);
    assert!(!pty.is_raw());
    let written = pty.written();
    assert!(
        written.ends_with("\x1b[?7h\x1b[?25h\x1b[?1049l"),
        "{written:?}"
    );
    assert_eq!(written.matches(ENTERED).count(), 1);
}

#[test]
fn whatever_ends_it_the_terminal_is_as_it_was() {
    let daemon = with_workers(3);
    for key in ["q", "\x03"] {
        let mut pty = live(daemon.address());
        pty.wait_for("w-102", 0);
        assert!(pty.is_raw());
        assert!(pty.written().starts_with(ENTERED));
        pty.press(key);
        ends_well(pty);
    }
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        let pty = live(daemon.address());
        pty.wait_for("w-102", 0);
        pty.signal(signal);
        ends_well(pty);
    }
    daemon.stop();
}

#[test]
fn the_screen_follows_the_windows_size_and_the_keys() {
    let daemon = with_workers(40);
    let mut pty = live(daemon.address());
    let end = pty.wait_for("w-116", 0);
    // Three lines of heading leave 17 of 20.
    assert!(!pty.written().contains("w-117"), "{:?}", pty.written());
    pty.resize(120, 30);
    let end = pty.wait_for("w-126", end);
    pty.press("j");
    let end = pty.wait_for("w-127", end);
    pty.press("\x1b[6~");
    let end = pty.wait_for("w-139", end);
    pty.press("g");
    let end = pty.wait_for("w-100", end);
    pty.resize(40, 10);
    pty.wait_for("…", end);
    pty.press("q");
    ends_well(pty);
    daemon.stop();
}

#[test]
fn a_server_that_goes_is_told_and_dialled_again() {
    let daemon = with_workers(3);
    let address = daemon.address();
    let mut pty = live(address);
    let end = pty.wait_for("w-102", 0);
    daemon.stop();
    let end = pty.wait_for("connection refused", end);
    // What was seen last stays in sight.
    let end = pty.wait_for("w-102", end);
    let daemon = Daemon::start_on(address, &[]);
    Client::connect(address).put(&key("words-1-17", 200), b"back");
    pty.wait_for("w-200", end);
    pty.press("q");
    ends_well(pty);
    daemon.stop();
}

#[test]
fn a_server_that_is_not_there_is_told_on_the_screen_that_was() {
    let server = support::stub::nothing();
    let mut pty = live(server);
    assert_eq!(pty.wait().code(), Some(1));
    pty.wait_for("nothing listens on", 0);
    assert!(!pty.is_raw());
    assert!(!pty.written().contains(ENTERED));
}

/// A name that an unauthenticated peer has chosen.
#[test]
fn names_do_not_reach_the_terminal_as_they_are() {
    let daemon = with_workers(0);
    Client::connect(daemon.address()).put("/workerbeats/\x1b[2Jx/\x1b]0;y\x07", b"");
    let mut pty = live(daemon.address());
    pty.wait_for("\\u{1b}[2Jx", 0);
    assert!(!pty.written().contains("\x1b[2J"));
    pty.press("q");
    ends_well(pty);
    daemon.stop();
}
