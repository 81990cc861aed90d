//! How the daemon ends connections, and itself: what was asked is answered, then a RST, because
//! Storm's clients come back at once on a RST and sleep through a FIN; and its port is free again.

use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use support::client::{assert_good_client_is_served, wait_until_served};
use support::frames::*;
use support::{Client, Daemon, Ended, patience, wait_until};

/// For tests of what a daemon does without its deadline: an emulated machine may take longer than the default.
const NO_DEADLINE: [&str; 2] = ["-c", "server.shutdown_deadline=1m"];

/// 1 000 requests of most kinds, with the ids 0 to 999. They fit into a socket's first window: when
/// they are sent, they are with the daemon.
fn pipeline() -> Vec<u8> {
    let request = |id: i32| match id % 5 {
        0 => send(format!("/w/t/{id}"), [b'x'; 30], id),
        1 => get(format!("/w/t/{}", id - 1), id),
        2 => about(EXISTS, format!("/w/t/{}", id - 2), id),
        3 => about(GET_ALL_NODES, format!("/none/{id}"), id),
        _ => about(DELETE_PULSE_ID, format!("/w/t/{}", id - 4), id),
    };
    (0..1_000).flat_map(request).collect()
}

/// Reads answers until the end; all ids up to `count` must be among them, each once.
fn assert_all_answered(client: &mut Client, count: i32, ended: Ended) {
    let mut ids = Vec::new();
    let end = loop {
        match client.frame_or_end() {
            Ok(answer) => ids.push(id_of(&answer)),
            Err(end) => break end,
        }
    };
    ids.sort();
    assert!(
        ids.iter().copied().eq(0..count),
        "{} answers, then {end:?}",
        ids.len()
    );
    assert_eq!(end, ended);
}

#[test]
fn a_signal_is_obeyed_after_what_was_asked_is_answered() {
    for (round, signal) in [Signal::TERM, Signal::INT]
        .into_iter()
        .cycle()
        .take(12)
        .enumerate()
    {
        let shards = ["1", "2", "4"][round % 3];
        let mut daemon = Daemon::start(&[&["--shards", shards], &NO_DEADLINE[..]].concat());
        let mut clients: Vec<_> = (0..4)
            .map(|_| wait_until_served(daemon.address()))
            .collect();
        let mut idle = wait_until_served(daemon.address());
        let pipeline = pipeline();
        clients.iter_mut().for_each(|client| client.send(&pipeline));
        daemon.signal(signal);
        let start = Instant::now();
        for client in &mut clients {
            assert_all_answered(client, 1_000, Ended::Reset);
        }
        idle.expect_reset();
        let status = daemon.wait();
        assert_eq!(
            status.code(),
            Some(0),
            "{signal:?}; the log:\n{}",
            daemon.whole_log()
        );
        let took = start.elapsed();
        assert!(took < patience() / 4, "it took {took:?}");
        let log = daemon.whole_log();
        assert!(
            log.contains("stopped") && !log.contains("deadline"),
            "{log}"
        );
        // At once, on the same port.
        let again = Daemon::start_at(daemon.address().port(), &["--shards", shards]);
        assert_good_client_is_served(again.address());
    }
}

#[test]
fn lists_that_lie_in_the_socket_are_answered_before_the_end() {
    // Each list takes several wakes, and the daemon stops reading from a peer whose list it makes: when the
    // signal comes, most requests lie in the sockets. They fit into a socket's first window.
    let directory = format!("/{}", "d".repeat(1_000));
    let lists: Vec<u8> = (0..60)
        .flat_map(|id| about(GET_ALL_NODES, &directory, id))
        .collect();
    for shards in ["1", "4"] {
        let mut daemon = Daemon::start(&[&["--shards", shards], &NO_DEADLINE[..]].concat());
        let mut clients: Vec<_> = (0..2)
            .map(|_| wait_until_served(daemon.address()))
            .collect();
        for id in 0..200 {
            clients[0].put(&format!("{directory}/{id}"), b"x");
        }
        clients.iter_mut().for_each(|client| client.send(&lists));
        daemon.signal(Signal::TERM);
        // Each has its end when all have their answers.
        thread::scope(|scope| {
            for client in &mut clients {
                scope.spawn(|| assert_all_answered(client, 60, Ended::Reset));
            }
        });
        assert_eq!(daemon.wait().code(), Some(0));
        let log = daemon.whole_log();
        assert!(!log.contains("deadline"), "{log}");
    }
}

#[test]
fn a_peer_that_takes_no_answers_cannot_hold_it_up() {
    let mut daemon = Daemon::start(&["-c", "server.shutdown_deadline=1s"]);
    let mut slow = Client::connect(daemon.address());
    slow.put("/large", &vec![b'x'; 1 << 20]);
    slow.send(&(0..40).flat_map(|id| get("/large", id)).collect::<Vec<_>>());
    // Both sides' buffers are full by the time another client has its answers.
    assert_good_client_is_served(daemon.address());
    let start = Instant::now();
    daemon.signal(Signal::TERM);
    let status = daemon.wait();
    let took = start.elapsed();
    assert_eq!(status.code(), Some(0));
    assert!(took < Duration::from_secs(3), "the shutdown took {took:?}");
    let log = daemon.whole_log();
    assert!(log.contains("server.shutdown_deadline"), "{log}");
    let (answers, ended) = slow.read_to_end();
    assert!(ended == Ended::Reset && answers.len() < 40 << 20);
    let again = Daemon::start_at(daemon.address().port(), &[]);
    again.stop();
}

#[test]
fn a_half_sent_request_does_not_hold_it_up() {
    let daemon = Daemon::start(&["--shards", "2"]);
    let mut half = Client::connect(daemon.address());
    half.send(&hex(SEND)[..20]);
    assert_good_client_is_served(daemon.address());
    let start = Instant::now();
    daemon.stop();
    assert!(start.elapsed() < Duration::from_secs(3));
    half.expect_reset();
}

#[test]
fn a_kill_resets_accepted_and_waiting_connections() {
    let mut daemon = Daemon::start(&["--shards", "2"]);
    let mut accepted: Vec<_> = (0..20).map(|_| Client::connect(daemon.address())).collect();
    for client in &mut accepted {
        assert_eq!(client.get("/nobody"), None);
    }
    // The kernel takes connections for a stopped process, which does not accept them.
    daemon.signal(Signal::STOP);
    let mut waiting: Vec<_> = (0..20).map(|_| Client::connect(daemon.address())).collect();
    daemon.signal(Signal::KILL);
    assert_eq!(daemon.wait().code(), None);
    for client in accepted.iter_mut().chain(&mut waiting) {
        client.expect_reset();
    }
    let again = Daemon::start_at(daemon.address().port(), &[]);
    assert_good_client_is_served(again.address());
    again.stop();
}

#[test]
fn a_peer_that_has_said_all_gets_every_answer_and_a_fin() {
    for shards in ["1", "4"] {
        let daemon = Daemon::start(&["--shards", shards]);
        let mut client = Client::connect(daemon.address());
        client.send(&pipeline());
        client.finish();
        assert_all_answered(&mut client, 1_000, Ended::Orderly);
        // Nothing of it stays.
        let files = daemon.open_files();
        let mut idle = Client::connect(daemon.address());
        idle.finish();
        idle.expect_closed();
        wait_until("the connection is gone", || daemon.open_files() <= files);
        daemon.stop();
    }
}

#[test]
fn a_peer_that_has_said_all_does_not_wait_for_the_fin() {
    let daemon = Daemon::start(&["--shards", "1"]);
    let start = Instant::now();
    for _ in 0..30 {
        let mut client = Client::connect(daemon.address());
        client.send(&hex(GET_MISS));
        client.finish();
        assert_eq!(client.read_frame(), hex(GET_MISS_ANSWER));
        client.expect_closed();
    }
    let took = start.elapsed();
    assert!(
        took < Duration::from_millis(1_500),
        "30 connections took {took:?}"
    );
    daemon.stop();
}

#[test]
fn a_second_daemon_leaves_the_first_alone() {
    let first = Daemon::start(&["--shards", "2"]);
    let mut client = Client::connect(first.address());
    client.put("/w/k", b"first");
    let port = first.address().port();
    for shards in ["1", "2"] {
        let second = Daemon::run(port, &["--shards", shards]);
        let errors = String::from_utf8_lossy(&second.stderr);
        assert_eq!(second.status.code(), Some(1), "{errors}");
        assert!(second.stdout.is_empty());
        let address = first.address().to_string();
        assert!(
            errors.contains(&address) && errors.contains("in use"),
            "{errors}"
        );
    }
    assert_eq!(client.get("/w/k").as_deref(), Some(&b"first"[..]));
    for _ in 0..20 {
        assert_good_client_is_served(first.address());
    }
    first.stop();
}

/// A host that loses its power says no goodbye, and the daemon never speaks first: without keep-alive
/// its connection would stay for ever.
#[test]
fn connections_are_kept_alive_by_the_kernel() {
    let daemon = Daemon::start(&[]);
    let mut client = Client::connect(daemon.address());
    assert!(client.list("/").is_empty());
    // Columns: number, local address, remote address, state, queues, kind of timer and its time.
    let sockets = std::fs::read_to_string("/proc/net/tcp").expect("the kernel's table");
    let local = format!("0100007F:{:04X}", daemon.address().port());
    let keeps_alive = sockets.lines().any(|line| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        columns[1] == local && columns[3] == "01" && columns[5].starts_with("02:")
    });
    assert!(keeps_alive, "{local} in\n{sockets}");
    daemon.stop();
}
