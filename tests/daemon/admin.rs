//! The admin endpoint of a real daemon: what it serves, what it refuses, and that no HTTP peer can do
//! harm to it or to the shards.

use std::io::Write;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use support::client::assert_good_client_is_served;
use support::http::{self, Response, assert_all_is_served, get, request};
use support::login::{self, DigestFiles};
use support::says::assert_lines_say;
use support::{Client, Daemon, wait_until};

use crate::stopped_shard::StoppedShard;

fn assert_plain(response: &Response, status: u16, body: &str) {
    assert_eq!((response.status, &*response.body), (status, body));
    assert_eq!(
        response.header("content-type"),
        Some("text/plain; charset=utf-8")
    );
}

#[test]
fn a_daemon_that_serves_is_healthy_and_ready() {
    let daemon = Daemon::start(&["--shards", "2"]);
    assert_plain(&get(daemon.admin(), "/healthz"), 200, "ok\n");
    assert_plain(&get(daemon.admin(), "/readyz"), 200, "ready\n");
    daemon.stop();
}

#[test]
fn a_shard_that_stands_still_makes_it_unhealthy() {
    let daemon = Daemon::start(&["--shards", "2"]);
    let admin = daemon.admin();
    let stopped = StoppedShard::of(&daemon, 1);
    wait_until("it is unhealthy", || get(admin, "/healthz").status == 503);
    let health = get(admin, "/healthz");
    // The other one answers.
    assert_lines_say(&health.body, &[("", &["shard 1", "not answered"])]);
    let silence = &get(admin, "/status").json()["shards"][1]["silent_ms"];
    assert!(silence.as_u64() >= Some(1000), "{silence}");
    // What the shards would have to say is served without them.
    assert_eq!(get(admin, "/metrics").status, 200);
    let cluster = get(admin, "/cluster.json").json();
    assert_eq!(cluster["missing_shards"], serde_json::json!([1]));
    assert_eq!(cluster["complete"], false);
    drop(stopped);
    wait_until("it is healthy again", || {
        get(admin, "/healthz").status == 200
    });
    assert_good_client_is_served(daemon.address());
    daemon.stop();
}

#[test]
fn it_is_not_ready_while_it_shuts_down() {
    let mut daemon = Daemon::start(&["--shards", "1", "-c", "server.shutdown_deadline=3s"]);
    let admin = daemon.admin();
    // A peer that does not take its answers makes the shutdown last until its deadline.
    let mut slow = Client::connect(daemon.address());
    slow.put("/large", &vec![b'x'; 1 << 20]);
    for id in 0..12 {
        slow.send(&support::frames::get("/large", id));
    }
    wait_until("answers wait", || {
        get(admin, "/status").json()["buffered_bytes"].as_u64() > Some(1 << 20)
    });
    daemon.signal(Signal::TERM);
    wait_until("it is not ready", || get(admin, "/readyz").status == 503);
    assert_plain(&get(admin, "/readyz"), 503, "shutting down\n");
    assert_plain(&get(admin, "/healthz"), 200, "ok\n");
    wait_until("the status says so", || {
        get(admin, "/status").json()["stopping"] == true
    });
    assert_eq!(daemon.wait().code(), Some(0));
}

#[test]
fn the_status_tells_what_is_in_force_and_no_secret() {
    let files = DigestFiles::new();
    let daemon = files.daemon(&["--shards", "2", "-c", "limits.connections=77"]);
    Client::connect(daemon.address()).put("/a", b"1234");
    let admin = daemon.admin();
    wait_until("it is counted", || {
        get(admin, "/status").json()["keys"] == 1
    });
    let response = get(admin, "/status");
    let status = response.json();
    assert_eq!(response.header("content-type"), Some("application/json"));
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(status["login_method"], "DIGEST");
    assert_eq!(status["connections_allowed"], 77);
    assert_eq!(status["stored_bytes"], 6);
    assert_eq!(status["settings"]["limits.connections"], "77");
    assert_eq!(status["shards"].as_array().map(Vec::len), Some(2));
    assert!(status["uptime_seconds"].is_u64() && status["resident_bytes"].is_u64());
    for path in [
        "/status",
        "/metrics",
        "/cluster.json",
        "/",
        "/healthz",
        "/readyz",
    ] {
        let text = get(admin, path).body;
        for secret in [login::USER, login::PASSWORD, "jaas.conf"] {
            assert!(!text.contains(secret), "{path} tells {secret}");
        }
    }
    daemon.stop();
}

#[test]
fn only_get_and_head_and_only_what_is_there() {
    let daemon = Daemon::start(&[]);
    let admin = daemon.admin();
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "BREW"] {
        let response = request(
            admin,
            &format!("{method} /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        );
        assert_eq!(response.status, 405, "{method}");
        assert_eq!(response.header("allow"), Some("GET, HEAD"));
    }
    let head = request(admin, "HEAD /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!((head.status, &*head.body), (200, ""));
    assert_eq!(head.header("content-length"), Some("3"));
    for path in ["/metrics/", "/admin", "/..", "/%2e", "//", "/cluster"] {
        assert_eq!(get(admin, path).status, 404, "{path}");
    }
    assert_eq!(get(admin, "/healthz?verbose").status, 200);
    assert_eq!(request(admin, "GET /healthz HTTP/1.0\r\n\r\n").status, 200);
    for path in ["/", "/metrics", "/cluster.json", "/nothing"] {
        let response = get(admin, path);
        assert_eq!(response.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(response.header("cache-control"), Some("no-store"));
        let policy = response
            .header("content-security-policy")
            .expect("a policy");
        assert!(policy.starts_with("default-src 'none'"), "{path}: {policy}");
        assert_eq!(response.header("access-control-allow-origin"), None);
    }
    daemon.stop();
}

#[test]
fn the_page_can_be_switched_off_and_so_can_all_of_it() {
    let daemon = Daemon::start(&["-c", "admin.page=off"]);
    let admin = daemon.admin();
    assert_eq!(get(admin, "/").status, 404);
    assert_eq!(get(admin, "/cluster.json").status, 404);
    assert_eq!(get(admin, "/metrics").status, 200);
    daemon.stop();
    let daemon = Daemon::start(&["--admin", ""]);
    assert_good_client_is_served(daemon.address());
    assert!(!daemon.stop().contains("http://"));
}

#[test]
fn a_port_that_is_taken_is_an_error_at_start_that_names_the_key() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let output = Daemon::run(0, &["--admin", &address]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let expected = format!("the admin endpoint cannot listen on {address}: Address already in use");
    assert!(
        said.contains(&expected) && said.contains("admin.address"),
        "{said}"
    );
    assert!(output.stdout.is_empty(), "it was never ready");
}

/// Keys as long and as costly as they can be, and readers that ask and do not read.
#[test]
fn the_table_is_bounded_in_bytes() {
    // An eighth of the limit bounds the document: a larger one takes an unoptimised daemon too long.
    const DOCUMENT_BYTES: usize = 12 << 20;
    let limit = format!("limits.stored_bytes={}", 8 * DOCUMENT_BYTES);
    let daemon = Daemon::start(&["--shards", "2", "-c", &limit]);
    let mut client = Client::connect(daemon.address());
    let path = "\u{1}".repeat(4_000);
    for number in 0..1_500 {
        client.put(&format!("/{number}{path}"), b"");
    }
    let before = daemon.resident_bytes();
    let document = get(daemon.admin(), "/cluster.json");
    assert!(
        document.body.len() <= DOCUMENT_BYTES,
        "{} bytes",
        document.body.len()
    );
    assert_eq!(document.json()["complete"], false);
    let mut readers = Vec::new();
    for _ in 0..12 {
        let mut stream = support::http::connect(daemon.admin());
        let request = b"GET /cluster.json HTTP/1.1\r\nHost: localhost\r\n\r\n";
        stream.write_all(request).expect("it can be sent");
        // The answer has begun.
        stream.peek(&mut [0]).expect("its first byte");
        readers.push(stream);
        std::thread::sleep(Duration::from_millis(600)); // an answer is made anew after half a second
    }
    let grew = daemon.resident_bytes().saturating_sub(before);
    // Two documents that are being read, the latest and one that is being made, and the keys; not twelve.
    assert!(grew < 150 << 20, "{} MiB", grew >> 20);
    drop(readers);
    daemon.stop();
}

// ── Hostile peers ────────────────────────────────────────────────────────────────────────────────

#[test]
fn heads_that_are_too_large_or_no_http_are_refused() {
    let daemon = Daemon::start(&[]);
    let admin = daemon.admin();
    let long_path = format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(9_000));
    let long_line = format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "a".repeat(9_000));
    let many_lines = format!("GET / HTTP/1.1\r\n{}\r\n", "X: y\r\n".repeat(100));
    for large in [long_path, long_line, many_lines] {
        let mut stream = http::connect(admin);
        let _ = stream.write_all(large.as_bytes());
        if let Some(response) = http::read(&mut stream) {
            assert!([414, 431].contains(&response.status), "{response:?}");
        }
    }
    for nonsense in [
        &b"\0\0\0\0\x05hello"[..],
        b"\x16\x03\x01\x02\0",
        b"GET\r\n\r\n",
        b"\r\n\r\n\r\n",
    ] {
        let mut stream = http::connect(admin);
        let _ = stream.write_all(nonsense);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        if let Some(response) = http::read(&mut stream) {
            assert_eq!(response.status, 400);
        }
    }
    // A body is not read.
    let body = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000\r\n\r\nxxx";
    assert_eq!(request(admin, body).status, 200);
    assert_all_is_served(&daemon, admin);
    daemon.stop();
}

#[test]
fn connections_that_say_nothing_keep_nobody_out() {
    let daemon = Daemon::start(&[]);
    let admin = daemon.admin();
    let files_before = daemon.main_open_files();
    // More than it holds at a time, each with the beginning of a request.
    let mut silent = Vec::new();
    for _ in 0..500 {
        let mut stream = http::connect(admin);
        stream
            .write_all(b"GET /metrics HTTP/1.1\r\nX: ")
            .expect("it can be sent");
        silent.push(stream);
        if silent.len() % 100 == 0 {
            assert_all_is_served(&daemon, admin);
        }
    }
    assert!(daemon.main_open_files() < files_before + 100);
    // A few bytes now and then do not help: each ends when its time is up.
    let start = Instant::now();
    let mut last = silent.pop().expect("one of them");
    while last.write_all(b"a").is_ok() && start.elapsed() < Duration::from_secs(15) {
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(
        start.elapsed() < Duration::from_secs(10),
        "{:?}",
        start.elapsed()
    );
    assert_all_is_served(&daemon, admin);
    daemon.stop();
}
