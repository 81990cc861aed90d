//! A daemon that has just started: reads wait for the pulses of their keys, and everyone can see that.

use std::time::{Duration, Instant};

use support::check_config::command;
use support::frames::{self, details_of, id_of};
use support::http::get;
use support::metrics::Scrape;
use support::{Client, Daemon, wait_until};

/// Keys of every shard.
const KEYS: i32 = 8;

fn key(number: i32) -> String {
    format!("/workerbeats/topology-1-1795449600/worker-{number}")
}

/// Not one of the ids that other requests of the client have.
fn id(number: i32) -> i32 {
    1000 + number
}

/// Starts with this warm-up.
fn daemon(shards: &str, warm_up: &str) -> Daemon {
    let warm_up = format!("server.warm_up={warm_up}");
    Daemon::start(&["--shards", shards, "-c", &warm_up])
}

fn waiting(daemon: &Daemon) -> f64 {
    Scrape::of(daemon.admin()).sum("pacemaker_reads_waiting", &[])
}

#[test]
fn reads_wait_for_pulses_and_this_shows() {
    for shards in ["1", "2"] {
        let daemon = daemon(shards, "2m");
        let (mut nimbus, mut worker) = (
            Client::connect(daemon.address()),
            Client::connect(daemon.address()),
        );
        for number in 0..KEYS {
            // As a client that repeats its request.
            nimbus.send(&frames::get(key(number), id(number)));
            nimbus.send(&frames::get(key(number), id(number)));
        }
        // Lists are answered at once.
        assert_eq!(nimbus.list("/workerbeats"), Vec::<String>::new());
        wait_until("they wait", || waiting(&daemon) == f64::from(KEYS));
        let status = get(daemon.admin(), "/status").json();
        assert_eq!(status["warm_up"]["stage"], "on");
        assert_eq!(status["warm_up"]["waiting_reads"], KEYS);
        for number in 0..KEYS {
            worker.put(&key(number), b"beat");
            let answer = nimbus.read_frame();
            assert_eq!(id_of(&answer), id(number));
            assert_eq!(details_of(&answer).as_deref(), Some(&b"beat"[..]));
        }
        wait_until("all are answered", || waiting(&daemon) == 0.0);
        let ended = Scrape::of(daemon.admin());
        let found = &[("result", "found")];
        assert_eq!(
            ended.sum("pacemaker_reads_kept_ended_total", found),
            f64::from(KEYS)
        );
        assert_eq!(
            get(daemon.admin(), "/cluster.json").json()["warm_up"]["found_keys"],
            KEYS
        );
        daemon.stop();
    }
}

#[test]
fn the_end_is_logged_and_answers_the_rest() {
    let daemon = daemon("2", "2s");
    let mut client = Client::connect(daemon.address());
    client.put(&key(0), b"beat");
    assert!(client.get(&key(0)).is_some());
    for number in 1..KEYS {
        client.send(&frames::get(key(number), id(number)));
    }
    for answer in client.read_frames(KEYS as usize - 1) {
        assert_eq!(details_of(&answer), None);
    }
    wait_until("the log says so", || {
        daemon.log().contains(&format!(" 1 of {KEYS} keys"))
    });
    let start = Instant::now();
    assert_eq!(client.get("/workerbeats/late"), None);
    assert!(start.elapsed() < Duration::from_secs(1));
    daemon.stop();
}

/// A read without an answer must not hold up a stop.
#[test]
fn a_stop_does_not_wait_for_them() {
    let daemon = daemon("2", "2m");
    let mut client = Client::connect(daemon.address());
    for number in 0..KEYS {
        client.send(&frames::get(key(number), id(number)));
    }
    wait_until("they wait", || waiting(&daemon) == f64::from(KEYS));
    let start = Instant::now();
    let log = daemon.stop();
    assert!(start.elapsed() < Duration::from_secs(3), "{log}");
    assert!(!log.contains("shutdown_deadline"), "{log}");
    // No answer, but an end that clients notice.
    client.expect_reset();
}

#[test]
fn the_command_get_does_not_wait() {
    let daemon = daemon("2", "2m");
    let server = daemon.address().to_string();
    let mut client = Client::connect(daemon.address());
    client.put(&key(0), b"beat");
    let run = |key: &str| {
        let start = Instant::now();
        let output = command(&["get", "--server", &server, key]).output();
        assert!(start.elapsed() < Duration::from_secs(5));
        output.expect("it runs")
    };
    assert_eq!(run(&key(0)).stdout, b"beat");
    assert_eq!(run(&key(1)).status.code(), Some(1));
    daemon.stop();
}
