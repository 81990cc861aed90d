//! Every bound refuses what goes past it, and nothing else: others are served, what is stored stays,
//! and there is room again as soon as somebody makes it.

use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use support::client::{assert_good_client_is_served, wait_until_served};
use support::frames::*;
use support::says::assert_a_line_says;
use support::{Client, Daemon, wait_until};

/// How many of `tried` connections are served.
fn served_of(tried: usize, address: SocketAddr) -> Vec<Client> {
    (0..tried)
        .filter_map(|_| Client::connect_if_served(address))
        .collect()
}

fn assert_all_served(clients: &mut [Client]) {
    for client in clients {
        assert_eq!(
            client.ask(&get("/nobody", 1)),
            pulse_answer("/nobody", None, 1)
        );
    }
}

#[test]
fn connections() {
    let daemon = Daemon::start(&["--shards", "2", "-c", "limits.connections=10"]);
    let mut clients = served_of(10, daemon.address());
    assert_eq!(clients.len(), 10);
    for _ in 0..5 {
        assert!(Client::connect_if_served(daemon.address()).is_none());
    }
    assert_all_served(&mut clients);
    for _ in 0..5 {
        drop(clients.pop());
        clients.push(wait_until_served(daemon.address()));
        assert!(Client::connect_if_served(daemon.address()).is_none());
    }
    assert_all_served(&mut clients);
    drop(clients);
    let log = daemon.stop();
    assert_a_line_says(&log, &["10 connections", "limits.connections"]);
}

#[test]
fn in_flight_requests() {
    for in_flight in [1, 2, 7] {
        let in_flight = format!("limits.in_flight={in_flight}");
        let daemon = Daemon::start(&["--shards", "4", "-c", &in_flight]);
        let mut client = Client::connect(daemon.address());
        let count = 1_000;
        let requests = (0..count).flat_map(|id| match id % 4 {
            0 => send(format!("/w/{id}"), "x", id),
            1 => get(format!("/w/{}", id - 1), id),
            2 => about(GET_ALL_NODES, format!("/w/{}", id - 2), id),
            _ => about(DELETE_PATH, format!("/w/{}", id - 3), id),
        });
        client.send(&requests.collect::<Vec<_>>());
        let mut answers = client.read_frames(count as usize);
        answers.sort_by_key(|answer| id_of(answer));
        for (id, answer) in (0..).zip(&answers) {
            let right = match id % 4 {
                0 => plain(answer_to(SEND_PULSE), id),
                1 => pulse_answer(format!("/w/{}", id - 1), Some(b"x"), id),
                2 => nodes_answer(&[], id),
                _ => plain(answer_to(DELETE_PATH), id),
            };
            assert_eq!(answer, &right, "request {id}, {in_flight}");
        }
        daemon.stop();
    }
}

#[test]
fn paths() {
    let daemon = Daemon::start(&["-c", "limits.path_length=128", "-c", "limits.path_depth=4"]);
    let mut client = Client::connect(daemon.address());
    let fits = format!("/{}", "p".repeat(127));
    let too_long = format!("{fits}p");
    let (deep, too_deep) = ("/1/2/3/4", "/1/2/3/4/5");
    for path in [&fits[..], deep] {
        client.put(path, b"kept");
    }
    for path in [&too_long[..], too_deep] {
        assert_eq!(client.try_put(path, b"x"), NOT_AUTHORIZED);
        for kind in [
            CREATE_PATH,
            EXISTS,
            GET_ALL_PULSE,
            GET_ALL_NODES,
            GET_PULSE,
            DELETE_PATH,
            DELETE_PULSE_ID,
        ] {
            // Refused, and answered: the connection stays.
            assert_eq!(
                client.ask(&about(kind, path, 50)),
                plain(NOT_AUTHORIZED, 50)
            );
        }
    }
    for path in [&fits[..], deep] {
        assert_eq!(client.get(path).as_deref(), Some(&b"kept"[..]), "{path}");
    }
    let log = daemon.stop();
    assert!(
        log.contains("limits.path_length") && log.contains("limits.path_depth"),
        "{log}"
    );
}

#[test]
fn frame_size() {
    let daemon = Daemon::start(&["-c", "limits.frame_size=1KiB"]);
    let mut client = Client::connect(daemon.address());
    let around = send("/k", "", 1).len() - 4;
    let largest = send("/k", vec![b'x'; 1024 - around], 1);
    assert_eq!(largest.len(), 4 + 1024);
    assert_eq!(client.ask(&largest), plain(answer_to(SEND_PULSE), 1));
    let mut other = Client::connect(daemon.address());
    other.try_send(&send("/k", vec![b'x'; 1025 - around], 1));
    other.expect_reset();
    assert_eq!(client.get("/k"), Some(vec![b'x'; 1024 - around]));

    // Answers keep to it, too: clients have the same limit.
    for number in 0..60 {
        client.put(&format!("/list/{number:020}"), b"");
    }
    assert_eq!(
        client.ask(&about(GET_ALL_NODES, "/list", 7)),
        plain(NOT_AUTHORIZED, 7)
    );
    let records = client.ask(&about(GET_ALL_PULSE, "/list", 8));
    assert_eq!(records, plain(answer_to(GET_ALL_PULSE), 8)); // as Java answers always
    client.delete_path("/list");
    assert_eq!(client.list("/list"), Vec::<String>::new());
    let log = daemon.stop();
    assert_a_line_says(&log, &["at most 1024 bytes", "1025"]);
}

/// The answer to a read carries an id even where the pulse came without one: it is 7 bytes longer.
#[test]
fn a_pulse_that_could_not_be_read_back() {
    let daemon = Daemon::start(&["--shards", "1", "-c", "limits.frame_size=64KiB"]);
    let mut client = Client::connect(daemon.address());
    let around = send("/p", "", 1).len() - 4; // its body, all but the details
    let largest = vec![b'x'; 64 * 1024 - around];
    assert_eq!(client.try_put("/p", &largest), answer_to(SEND_PULSE));
    assert_eq!(client.get("/p").as_deref(), Some(&largest[..]));

    let mut request = send("/p", vec![b'y'; largest.len() + 1], 1);
    let id = [8, 0, 3, 0, 0, 0, 1];
    let at = request.len() - id.len() - 1;
    assert_eq!(request[at..][..id.len()], id);
    request.drain(at..at + id.len());
    let body = (request.len() - 4) as i32;
    request[..4].copy_from_slice(&body.to_be_bytes());
    assert!(body < 64 * 1024, "the request itself is within the limit");
    assert_eq!(kind_of(&client.ask(&request)), NOT_AUTHORIZED);
    assert_eq!(client.get("/p").as_deref(), Some(&largest[..]));
    daemon.stop();
}

#[test]
fn stored_keys() {
    let daemon = Daemon::start(&["--shards", "1", "-c", "limits.stored_keys=10"]);
    let mut client = Client::connect(daemon.address());
    for number in 0..10 {
        client.put(&format!("/w/{number}"), b"first");
    }
    assert_eq!(client.try_put("/w/10", b"x"), NOT_AUTHORIZED);
    assert_eq!(client.get("/w/10"), None);
    for number in 0..10 {
        client.put(&format!("/w/{number}"), b"second"); // known ones are still taken
        assert_eq!(
            client.get(&format!("/w/{number}")).as_deref(),
            Some(&b"second"[..])
        );
    }
    assert_eq!(client.list("/w").len(), 10);
    client.delete("/w/3");
    client.put("/w/10", b"x");
    assert_eq!(client.try_put("/w/3", b"x"), NOT_AUTHORIZED);
    client.delete_path("/w");
    client.put("/w/3", b"x");
    let log = daemon.stop();
    assert!(log.contains("limits.stored_keys"), "{log}");
}

/// The limit is one of the process: how keys are spread over shards makes no difference.
#[test]
fn stored_keys_of_several_shards() {
    let daemon = Daemon::start(&["--shards", "6", "-c", "limits.stored_keys=1200"]);
    let mut client = Client::connect(daemon.address());
    let put = |client: &mut Client, number: usize| client.try_put(&format!("/w/{number}"), b"");
    for number in 0..1_200 {
        let answer = put(&mut client, number);
        assert_eq!(answer, answer_to(SEND_PULSE), "key {number}");
    }
    for number in 1_200..1_250 {
        assert_eq!(put(&mut client, number), NOT_AUTHORIZED, "key {number}");
    }
    // What one shard gives back, another one may use.
    for number in 0..30 {
        client.delete(&format!("/w/{number}"));
    }
    for number in 1_200..1_230 {
        let answer = put(&mut client, number);
        assert_eq!(answer, answer_to(SEND_PULSE), "key {number}");
    }
    assert_eq!(put(&mut client, 0), NOT_AUTHORIZED);
    assert_eq!(client.list("/w").len(), 1_200);
    daemon.stop();
}

#[test]
fn stored_bytes_of_several_shards() {
    let daemon = Daemon::start(&["--shards", "5", "-c", "limits.stored_bytes=2MiB"]);
    let mut client = Client::connect(daemon.address());
    let pulse = vec![b'x'; 9_000];
    let path = |number| format!("/w/{number:03}");
    let limit = 2 << 20;
    let for_new_keys = limit - limit / 16;
    let fit = (0..)
        .take_while(|number| client.try_put(&path(*number), &pulse) != NOT_AUTHORIZED)
        .count();
    let bytes = fit * (path(0).len() + pulse.len());
    assert!(bytes <= for_new_keys, "{bytes} bytes");
    assert!(bytes * 100 >= for_new_keys * 98, "{bytes} bytes");
    // Updates may use the rest, and lose nothing when it is full.
    let larger = vec![b'y'; 10_000];
    let grown = (0..fit)
        .take_while(|number| client.try_put(&path(*number), &larger) != NOT_AUTHORIZED)
        .count();
    let bytes = bytes + grown * 1_000;
    assert!(grown < fit && bytes <= limit, "{bytes} bytes");
    assert!(bytes * 100 >= limit * 98, "{bytes} bytes");
    assert_eq!(client.get(&path(grown)).as_ref(), Some(&pulse));
    client.delete_path("/w");
    for number in 0..fit {
        client.put(&path(number), &pulse);
    }
    daemon.stop();
}

#[test]
fn stored_bytes() {
    let daemon = Daemon::start(&["--shards", "1", "-c", "limits.stored_bytes=1MiB"]);
    let mut client = Client::connect(daemon.address());
    let (large, larger) = (vec![b'x'; 60_000], vec![b'y'; 62_000]);
    let path = |number| format!("/w/{number}");
    let fit = (0..)
        .take_while(|number| client.try_put(&path(*number), &large) != NOT_AUTHORIZED)
        .count();
    // New keys are refused with room to spare, so that known ones may still grow.
    assert_eq!(fit, 16);
    assert_eq!(client.get(&path(fit)), None);
    for number in 0..fit {
        client.put(&path(number), &larger);
    }
    // Past the bound even they are refused, and what is stored stays.
    assert_eq!(
        client.try_put(&path(0), &vec![b'z'; 200_000]),
        NOT_AUTHORIZED
    );
    for number in 0..fit {
        assert_eq!(
            client.get(&path(number)).as_ref(),
            Some(&larger),
            "key {number}"
        );
    }
    client.delete(&path(0));
    client.delete(&path(1));
    client.put(&path(fit), &large);
    let log = daemon.stop();
    assert!(log.contains("limits.stored_bytes"), "{log}");
}

#[test]
fn buffered_bytes() {
    let bounds = [
        "-c",
        "limits.frame_size=512KiB",
        "-c",
        "limits.buffered=1MiB",
    ];
    let daemon = Daemon::start(&[&["--shards", "2"], &bounds[..]].concat());
    let half = send("/large", vec![b'x'; 200_000], 1)[..100_000].to_vec();
    let mut peers = Vec::new();
    for _ in 0..60 {
        let mut peer = Client::connect(daemon.address());
        peer.try_send(&half);
        peers.push(peer);
    }
    assert_good_client_is_served(daemon.address());
    // A request in two pieces is no offence, however full the buffers are.
    let mut client = Client::connect(daemon.address());
    let request = send("/small", vec![b'x'; 10_000], 1);
    client.send(&request[..9_000]);
    assert_good_client_is_served(daemon.address());
    client.send(&request[9_000..]);
    assert_eq!(client.read_frame(), plain(answer_to(SEND_PULSE), 1));

    // Those that are still there may finish: what they hold is within the bound.
    let rest = send("/large", vec![b'x'; 200_000], 1)[100_000..].to_vec();
    let mut answered = 0;
    for mut peer in peers {
        if peer.try_send(&rest) && peer.frame_or_end().is_ok() {
            answered += 1;
        }
    }
    assert!(
        (1..=24).contains(&answered),
        "{answered} peers kept 100 kB each of 1 MiB, of which each of two shards may have all"
    );
    let log = daemon.stop();
    assert!(log.contains("limits.buffered"), "{log}");
}

/// Each shard's equal share of the buffers would be far below a frame.
#[test]
fn frames_fit_into_the_buffers_of_many_shards() {
    let bounds = ["-c", "limits.frame_size=3MiB", "-c", "limits.buffered=6MiB"];
    let daemon = Daemon::start(&[&["--shards", "12"], &bounds[..]].concat());
    for number in 0..12 {
        let mut client = Client::connect(daemon.address());
        let path = format!("/w/t/{number}");
        let pulse = vec![number; 2_500_000];
        client.put(&path, &pulse);
        assert_eq!(client.get(&path).as_ref(), Some(&pulse), "{path}");
    }
    let log = daemon.stop();
    assert!(!log.contains("buffers_full"), "{log}");
}

// ── File descriptors ─────────────────────────────────────────────────────────────────────────────

fn assert_does_not_spin(daemon: &Daemon) {
    let before = daemon.cpu_time();
    thread::sleep(Duration::from_secs(1)); // the time that is measured
    let used = daemon.cpu_time() - before;
    assert!(used < Duration::from_millis(200), "{used:?} of a second");
}

#[test]
fn few_open_files_bound_the_connections() {
    let daemon = Daemon::start_with_files(200, 0, &["--shards", "1"]);
    let mut clients = served_of(250, daemon.address());
    let count = clients.len();
    assert!(
        (64..200).contains(&count),
        "{count} connections of 200 files"
    );
    assert_all_served(&mut clients);
    assert_does_not_spin(&daemon);
    clients.drain(..20);
    clients.push(wait_until_served(daemon.address()));
    assert_all_served(&mut clients);
    drop(clients);
    let log = daemon.stop();
    assert_a_line_says(&log, &["open-file limit", "200", "shard"]);
}

/// The limit is one on each shard's own descriptors, not on the process.
#[test]
fn every_shard_has_open_files_of_its_own() {
    let daemon = Daemon::start_with_files(200, 0, &["--shards", "4"]);
    let mut clients = served_of(260, daemon.address());
    let count = clients.len();
    assert!(
        (201..=252).contains(&count),
        "{count} connections of 4 shards with 200 files each"
    );
    assert_all_served(&mut clients);
    drop(clients);
    daemon.stop();
}

#[test]
fn without_open_files_accepting_rests_and_goes_on() {
    // It expects to have 120 for connections; what it has inherited leaves fewer.
    let daemon = Daemon::start_with_files(200, 100, &["--shards", "1"]);
    let mut clients = Vec::new();
    for _ in 0..20 {
        clients.push(wait_until_served(daemon.address()));
    }
    let mut more: Vec<_> = (0..90).map(|_| Client::connect(daemon.address())).collect();
    more.iter_mut()
        .for_each(|client| client.send(&get("/nobody", 1)));
    wait_until("it says what it lacks", || {
        daemon.log().contains("cannot accept connections")
    });
    assert_all_served(&mut clients);
    assert_does_not_spin(&daemon);
    assert_all_served(&mut clients);

    // Those that wait are served as others leave, without dialling again.
    drop(clients);
    for mut client in more {
        assert_eq!(client.read_frame(), pulse_answer("/nobody", None, 1));
    }
    assert_good_client_is_served(daemon.address());
    let log = daemon.stop();
    let lines = log.matches("cannot accept connections").count();
    assert!(lines < 20, "{lines} lines");
}
