//! Who may see the cluster over HTTP: requests that name the endpoint by one of its own names, from peers
//! that `admin.page` allows. Everyone may ask for metrics and health.

use std::net::{IpAddr, UdpSocket};

use support::http::{Response, get, request};
use support::says::assert_says;
use support::{Client, Daemon, wait_until};

const PROTECTED: [&str; 5] = ["/", "/cluster.json", "/status", "/metrics", "/nothing"];
const PROBES: [&str; 2] = ["/healthz", "/readyz"];

/// A topology that strangers must not learn of.
const TOPOLOGY: &str = "payroll-1-1795449600";

fn daemon_with_a_worker(arguments: &[&str]) -> Daemon {
    let daemon = Daemon::start(arguments);
    Client::connect(daemon.address()).put(&format!("/workerbeats/{TOPOLOGY}/node-6700"), b"beat");
    daemon
}

fn get_for(daemon: &Daemon, target: &str, host: &str) -> Response {
    let bytes = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n");
    request(daemon.admin(), &bytes)
}

fn shows_the_worker(daemon: &Daemon, host: &str) -> bool {
    let table = get_for(daemon, "/cluster.json", host);
    table.status == 200 && table.body.contains(TOPOLOGY)
}

fn assert_misdirected(response: &Response, what: &str) {
    assert_eq!(response.status, 421, "{what}");
    assert!(response.body.contains("admin.hosts"), "{}", response.body);
    assert_eq!(response.body.lines().count(), 1, "{}", response.body);
    assert!(!response.body.contains(TOPOLOGY));
}

/// A web page can let its own name resolve to this address; then the browser says that name.
#[test]
fn names_of_elsewhere_are_refused() {
    let daemon = daemon_with_a_worker(&["--shards", "1"]);
    wait_until("the table has it", || {
        shows_the_worker(&daemon, "localhost")
    });
    for host in [
        "evil.example",
        "evil.example:6698",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "user@localhost",
        "",
        "\u{e4}",
    ] {
        for path in PROTECTED {
            let what = format!("{path} of {host}");
            assert_misdirected(&get_for(&daemon, path, host), &what);
        }
    }
    daemon.stop();
}

#[test]
fn addresses_and_own_names_are_served() {
    let own = rustix::system::uname();
    let own = own.nodename().to_str().expect("a host name").to_owned();
    let daemon = daemon_with_a_worker(&[
        "--shards",
        "1",
        "-c",
        "admin.hosts=Pacemaker.Example.COM,metrics",
    ]);
    wait_until("the table has it", || {
        shows_the_worker(&daemon, "localhost")
    });
    for host in [
        "LOCALHOST:6698",
        "localhost.",
        "127.0.0.1",
        "10.1.2.3:6698",
        "[::1]",
        "[2001:db8::7]:6698",
        "pacemaker.example.com",
        "PACEMAKER.example.com.:6698",
        "metrics:80",
        &own,
    ] {
        assert!(shows_the_worker(&daemon, host), "{host}");
        assert_eq!(get_for(&daemon, "/metrics", host).status, 200, "{host}");
    }
    assert_misdirected(&get_for(&daemon, "/", "x.metrics"), "below a name");
    daemon.stop();
}

#[test]
fn the_target_counts_before_the_header() {
    let daemon = Daemon::start(&[]);
    let foreign = get_for(&daemon, "http://evil.example/status", "localhost");
    assert_misdirected(&foreign, "the target");
    let own = get_for(&daemon, "http://localhost:6698/status", "evil.example");
    assert_eq!(own.status, 200);
    daemon.stop();
}

#[test]
fn a_request_has_one_host() {
    let daemon = Daemon::start(&[]);
    for path in PROTECTED {
        for hosts in ["", "Host: localhost\r\nHost: evil.example\r\n"] {
            let bytes = format!("GET {path} HTTP/1.1\r\n{hosts}\r\n");
            let response = request(daemon.admin(), &bytes);
            assert_eq!(response.status, 400, "{bytes}");
            assert_says(response.body.trim_end(), "", &["Host"]);
        }
    }
    // HTTP/1.0 has no Host header. Browsers do not speak it.
    assert_eq!(
        request(daemon.admin(), "GET /metrics HTTP/1.0\r\n\r\n").status,
        200
    );
    daemon.stop();
}

#[test]
fn probes_may_name_any_host() {
    let daemon = Daemon::start(&["-c", "admin.page=off"]);
    for path in PROBES {
        assert_eq!(get_for(&daemon, path, "evil.example").status, 200, "{path}");
        let without = format!("GET {path} HTTP/1.1\r\n\r\n");
        assert_eq!(request(daemon.admin(), &without).status, 200, "{path}");
    }
    daemon.stop();
}

/// An address of this machine that other hosts can reach. Nothing is sent.
fn outward_address() -> IpAddr {
    let socket = UdpSocket::bind("0.0.0.0:0").expect("a socket");
    socket.connect("192.0.2.1:9").expect("a route");
    let address = socket.local_addr().expect("an address").ip();
    assert!(!address.is_loopback(), "{address}");
    address
}

#[test]
#[ignore = "needs an address besides loopback"]
fn peers_of_elsewhere_see_metrics_and_health_only() {
    let listen = format!("admin.address={}:0", outward_address());
    for (page, seen) in [("", 403), ("admin.page=local", 403), ("admin.page=on", 200)] {
        let mut arguments = vec!["--shards", "1", "-c", &listen];
        if !page.is_empty() {
            arguments.extend(["-c", page]);
        }
        let daemon = daemon_with_a_worker(&arguments);
        for path in ["/", "/cluster.json", "/status"] {
            let response = get(daemon.admin(), path);
            assert_eq!(response.status, seen, "{path} {page}");
            assert!(seen == 200 || response.body.contains("admin.page"));
            assert!(seen == 200 || !response.body.contains(TOPOLOGY));
        }
        for path in ["/metrics", "/healthz", "/readyz"] {
            assert_eq!(get(daemon.admin(), path).status, 200, "{path} {page}");
        }
        daemon.stop();
    }
}
