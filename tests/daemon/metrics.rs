//! The metrics of a real daemon tell what was done, no more and no less.

use std::net::SocketAddr;
use std::time::Instant;

use support::client::Ended;
use support::frames::{self, NOT_AUTHORIZED};
use support::http::{get, get_as};
use support::login::{DigestFiles, PASSWORD};
use support::metrics::Scrape;
use support::{Client, Daemon, wait_until};

/// The first scrape for which it holds. Shards publish four times a second.
fn scrape_when(admin: SocketAddr, what: &str, mut holds: impl FnMut(&Scrape) -> bool) -> Scrape {
    let mut last = Scrape::of(admin);
    wait_until(what, || {
        last = Scrape::of(admin);
        holds(&last)
    });
    last
}

fn requests(scrape: &Scrape, kind: &str) -> f64 {
    scrape.sum("pacemaker_requests_total", &[("kind", kind)])
}

#[test]
fn every_request_is_counted_once_whichever_shard_has_its_key() {
    for shards in ["1", "2", "4"] {
        let daemon = Daemon::start(&["--shards", shards]);
        let (admin, mut client) = (daemon.admin(), Client::connect(daemon.address()));
        for number in 0..30 {
            client.put(&format!("/w/t/{number}"), &vec![b'x'; 100 * number]);
        }
        for number in 0..40 {
            assert_eq!(client.get(&format!("/w/t/{number}")).is_some(), number < 30);
        }
        client.exists("/w/t/1");
        client.list("/w");
        client.list("/");
        client.records("/w");
        client.delete("/w/t/0");
        client.delete_path("/w/t/1");
        let scrape = scrape_when(admin, "all is counted", |scrape| {
            // The last counts of each shard: they publish at different times.
            requests(scrape, "delete_path") == 1.0
                && scrape.sum("pacemaker_keys", &[]) == 28.0
                && scrape.sum("pacemaker_get_pulse_misses_total", &[]) == 10.0
        });
        let counts = [
            ("send_pulse", 30.0),
            ("get_pulse", 40.0),
            ("exists", 1.0),
            ("get_all_nodes_for_path", 2.0),
            ("get_all_pulse_for_path", 1.0),
            ("delete_pulse_id", 1.0),
            ("delete_path", 1.0),
            ("create_path", 0.0),
        ];
        for (kind, count) in counts {
            assert_eq!(
                requests(&scrape, kind),
                count,
                "{kind} with {shards} shards"
            );
            let timed = scrape.sum(
                "pacemaker_request_duration_seconds_count",
                &[("kind", kind)],
            );
            assert_eq!(timed, count, "times of {kind} with {shards} shards");
            let inf = [("kind", kind), ("le", "+Inf")];
            assert_eq!(
                scrape.sum("pacemaker_request_duration_seconds_bucket", &inf),
                count
            );
        }
        let details = (0..30).map(|number| 100.0 * f64::from(number)).sum::<f64>();
        assert_eq!(scrape.sum("pacemaker_pulse_size_bytes_count", &[]), 30.0);
        assert_eq!(scrape.sum("pacemaker_pulse_size_bytes_sum", &[]), details);
        assert_eq!(
            scrape.sum("pacemaker_pulse_size_bytes_bucket", &[("le", "1024")]),
            11.0
        );
        assert_eq!(scrape.sum("pacemaker_largest_pulse_bytes", &[]), 2900.0);
        assert_eq!(scrape.sum("pacemaker_read_pulse_bytes_total", &[]), details);
        assert_eq!(scrape.sum("pacemaker_get_pulse_misses_total", &[]), 10.0);
        let keys: f64 = (2..30)
            .map(|number| format!("/w/t/{number}").len() as f64)
            .sum();
        assert_eq!(
            scrape.sum("pacemaker_stored_bytes", &[]),
            keys + details - 100.0
        );
        assert!(scrape.sum("pacemaker_index_bytes", &[]) > 0.0);
        let crossed = scrape.sum("pacemaker_forwarded_requests_total", &[]);
        assert_eq!(
            crossed > 0.0,
            shards != "1",
            "{crossed} requests crossed with {shards} shards"
        );
        daemon.stop();
    }
}

#[test]
fn connections_and_bytes() {
    let daemon = Daemon::start(&["--shards", "2"]);
    let admin = daemon.admin();
    let mut clients: Vec<_> = (0..10).map(|_| Client::connect(daemon.address())).collect();
    let (mut sent, mut received) = (0, 0);
    for (number, client) in clients.iter_mut().enumerate() {
        let frame = frames::send(format!("/{number}"), vec![7; 1000], 1);
        sent += frame.len();
        received += client.ask(&frame).len();
    }
    clients.truncate(4);
    let scrape = scrape_when(admin, "six are gone", |scrape| {
        scrape.sum("pacemaker_connections_closed_total", &[]) == 6.0
            && scrape.sum("pacemaker_sent_bytes_total", &[]) == received as f64
    });
    assert_eq!(scrape.sum("pacemaker_connections_opened_total", &[]), 10.0);
    assert_eq!(scrape.sum("pacemaker_connections", &[]), 4.0);
    assert_eq!(
        scrape.sum("pacemaker_received_bytes_total", &[]),
        sent as f64
    );
    assert_eq!(scrape.sum("pacemaker_buffered_bytes", &[]), 0.0);
    // The other half of a request is awaited.
    let half = frames::send("/half", vec![7; 1000], 1);
    clients[0].send(&half[..600]);
    scrape_when(admin, "it is buffered", |scrape| {
        scrape.sum("pacemaker_buffered_bytes", &[]) >= 600.0
    });
    let open = scrape_when(admin, "descriptors", |_| true);
    let by_kernel = daemon.open_files() as f64;
    assert!(open.sum("process_open_fds", &[]) <= by_kernel);
    assert!(open.sum("process_open_fds", &[]) >= 4.0);
    daemon.stop();
}

#[test]
fn refusals_and_faults_by_reason() {
    let daemon = Daemon::start(&["-c", "limits.stored_keys=2", "--shards", "1"]);
    let (admin, mut client) = (daemon.admin(), Client::connect(daemon.address()));
    let all_zero = Scrape::of(admin);
    assert_eq!(all_zero.sum("pacemaker_refusals_total", &[]), 0.0);
    assert_eq!(all_zero.sum("pacemaker_faults_total", &[]), 0.0);
    for key in ["/1", "/2", "/3", "/4"] {
        client.try_put(key, b"");
    }
    assert_eq!(
        client.try_put(&format!("/{}", "x".repeat(5000)), b""),
        NOT_AUTHORIZED
    );
    for _ in 0..3 {
        let mut peer = Client::connect(daemon.address());
        peer.send(b"GET / HTTP/1.1\r\n\r\n");
        peer.expect_reset();
    }
    let scrape = scrape_when(admin, "all is counted", |scrape| {
        scrape.sum("pacemaker_connections_closed_total", &[]) == 3.0
    });
    let of = |name: &str, reason| scrape.sum(name, &[("reason", reason)]);
    assert_eq!(of("pacemaker_refusals_total", "keys_full"), 2.0);
    assert_eq!(of("pacemaker_refusals_total", "path_too_long"), 1.0);
    assert_eq!(scrape.sum("pacemaker_refusals_total", &[]), 3.0);
    assert_eq!(of("pacemaker_faults_total", "bad_frame"), 3.0);
    assert_eq!(scrape.sum("pacemaker_faults_total", &[]), 3.0);
    assert_eq!(scrape.sum("pacemaker_limit_keys", &[]), 2.0);
    assert_eq!(requests(&scrape, "send_pulse"), 5.0);
    assert_eq!(scrape.sum("pacemaker_pulse_size_bytes_count", &[]), 2.0);
    daemon.stop();
}

#[test]
fn logins_by_result() {
    let files = DigestFiles::new();
    let daemon = files.daemon(&["--shards", "1"]);
    let log_in = |password| Client::connect(daemon.address()).try_log_in(password);
    for _ in 0..2 {
        assert!(log_in(PASSWORD).is_ok());
    }
    for _ in 0..3 {
        assert_eq!(log_in("wrong"), Err(Ended::Reset));
    }
    let scrape = scrape_when(daemon.admin(), "all is counted", |scrape| {
        scrape.sum("pacemaker_logins_total", &[]) == 5.0
    });
    let of = |result| scrape.sum("pacemaker_logins_total", &[("result", result)]);
    assert_eq!((of("succeeded"), of("failed")), (2.0, 3.0));
    let wrong = [("reason", "login_wrong_password")];
    assert_eq!(scrape.sum("pacemaker_faults_total", &wrong), 3.0);
    daemon.stop();
}

#[test]
fn stale_keys_are_counted() {
    let daemon = Daemon::start(&["-c", "expire.stale_after=1s", "--shards", "2"]);
    let (admin, mut client) = (daemon.admin(), Client::connect(daemon.address()));
    for key in ["/a", "/b", "/c"] {
        client.put(key, b"");
    }
    let scrape = scrape_when(admin, "they are stale", |scrape| {
        client.put("/fresh", b"");
        scrape.sum("pacemaker_keys_stale", &[]) == 3.0
    });
    assert_eq!(scrape.sum("pacemaker_keys", &[]), 4.0);
    assert_eq!(scrape.sum("pacemaker_keys_expired_total", &[]), 0.0);
    daemon.stop();
}

#[test]
fn times_are_those_that_clients_see() {
    // Reads that cross over to another shard, one after another: their client waits for each.
    let daemon = Daemon::start(&["--shards", "2"]);
    let (admin, mut client) = (daemon.admin(), Client::connect(daemon.address()));
    let start = Instant::now();
    for number in 0..500 {
        client.get(&format!("/{number}"));
    }
    let took = start.elapsed();
    let scrape = scrape_when(admin, "all is counted", |scrape| {
        requests(scrape, "get_pulse") == 500.0
    });
    let get = [("kind", "get_pulse")];
    let inside = scrape.sum("pacemaker_request_duration_seconds_sum", &get);
    assert!(
        inside > 0.0 && inside < took.as_secs_f64(),
        "{inside} s of {took:?}"
    );
    daemon.stop();
}

#[test]
fn openmetrics_for_those_who_ask_for_it() {
    let daemon = Daemon::start(&[]);
    let admin = daemon.admin();
    let prometheus =
        "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.4";
    let open = get_as(admin, "/metrics", prometheus);
    let plain = get(admin, "/metrics");
    let content_type =
        |response: &support::http::Response| response.header("content-type").map(str::to_owned);
    let version = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(content_type(&open).as_deref(), Some(version));
    assert_eq!(
        content_type(&plain).as_deref(),
        Some("text/plain; version=0.0.4; charset=utf-8")
    );
    assert!(
        open.body.ends_with("# EOF\n")
            && open
                .body
                .contains("\n# UNIT pacemaker_stored_bytes bytes\n")
    );
    let names = |text: &str| -> Vec<String> {
        let scrape = Scrape::parse(text);
        let mut names: Vec<_> = scrape
            .samples()
            .iter()
            .map(|sample| sample.name.clone())
            .collect();
        names.sort();
        names
    };
    assert_eq!(names(&open.body), names(&plain.body));
    daemon.stop();
}
