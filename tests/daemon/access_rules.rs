//! Each rule about who may do what, on the daemon itself; the table of all of them is tested in
//! `src/access.rs`.

use std::net::IpAddr;

use support::login::DigestFiles;
use support::says::assert_a_line_says;
use support::{Client, Daemon, Ended};

const HERE: &str = "127.0.0.1";
const ELSEWHERE: &str = "127.7.0.9";

fn from(address: &str, daemon: &Daemon) -> Client {
    let address: IpAddr = address.parse().expect("an address");
    Client::connect_from(address, daemon.address())
}

#[test]
fn writes_and_deletions_can_be_made_to_need_a_login() {
    let files = DigestFiles::new();
    for (rule, write, delete) in [
        ("access.writes=open", true, true),
        ("access.writes=authenticated", false, true),
        ("access.deletes=authenticated", true, false),
    ] {
        let daemon = files.daemon(&["--shards", "2", "-c", rule]);
        let mut guest = Client::connect(daemon.address());
        assert_eq!(guest.may_write(), write, "{rule}");
        assert_eq!(guest.may_delete("/workerbeats/t"), delete, "{rule}");
        assert!(!guest.may_read(), "{rule}");
        let mut user = Client::connect(daemon.address());
        user.log_in();
        assert!(user.may_write() && user.may_delete("/workerbeats/t") && user.may_read());
        daemon.stop();
    }
}

#[test]
fn lists_of_addresses_guard_reads_writes_and_deletions_without_any_login() {
    // What protects the reads of a Storm 2.x cluster without Kerberos.
    for (rule, may) in [
        ("access.reads_from=127.7.0.0/16", [false, true, true]),
        ("access.writes_from=127.7.0.0/16", [true, false, true]),
        (
            "access.deletes_from=10.0.0.0/8,127.7.0.9",
            [true, true, false],
        ),
    ] {
        let daemon = Daemon::start(&["--shards", "2", "-c", rule]);
        let mut other = from(HERE, &daemon);
        let seen = [
            other.may_read(),
            other.may_write(),
            other.may_delete("/workerbeats/t"),
        ];
        assert_eq!(seen, may, "{rule}");
        let mut listed = from(ELSEWHERE, &daemon);
        assert!(listed.may_read() && listed.may_write() && listed.may_delete("/workerbeats/t"));
        let log = daemon.stop();
        assert!(log.contains("reason=\"address_not_listed\""), "{log}");
    }
}

#[test]
fn who_may_not_connect_is_reset_at_once() {
    let daemon = Daemon::start(&["--shards", "2", "-c", "access.connect_from=127.7.0.0/16"]);
    let mut stranger = from(HERE, &daemon);
    assert_eq!(stranger.read_to_end(), (vec![], Ended::Reset));
    assert!(from(ELSEWHERE, &daemon).may_read());
    let log = daemon.stop();
    assert_a_line_says(&log, &["address", "access.connect_from"]);
}

#[test]
fn an_ipv4_peer_of_an_ipv6_socket_is_judged_as_ipv4() {
    let daemon = Daemon::start_on(
        "[::]:0".parse().expect("an address"),
        &["-c", "access.reads_from=127.7.0.0/16"],
    );
    let address = std::net::SocketAddr::new(HERE.parse().expect("one"), daemon.address().port());
    let connect = |from: &str| Client::connect_from(from.parse().expect("one"), address);
    assert!(!connect(HERE).may_read());
    assert!(connect(ELSEWHERE).may_read());
    daemon.stop();
}

#[test]
fn deletions_stay_below_their_directory() {
    let daemon = Daemon::start(&["--shards", "2"]);
    let mut client = Client::connect(daemon.address());
    client.put("/workerbeats/t1/w1", b"x");
    client.put("/elsewhere/k", b"x");
    assert!(!client.may_delete("/") && !client.may_delete(""));
    assert!(client.exists("/workerbeats/t1/w1"));
    assert!(client.may_delete("/workerbeats"));
    assert!(!client.exists("/workerbeats/t1/w1") && client.exists("/elsewhere/k"));
    let log = daemon.stop();
    assert!(log.contains("reason=\"deletes_too_high\""), "{log}");

    let daemon = Daemon::start(&["--shards", "2", "-c", "access.deletes_below=/workerbeats"]);
    let mut client = Client::connect(daemon.address());
    client.put("/workerbeats/t1/w1", b"x");
    for too_high in ["", "/", "/workerbeats", "/workerbeats/", "/elsewhere"] {
        assert!(!client.may_delete(too_high), "{too_high:?}");
    }
    assert!(client.exists("/workerbeats/t1/w1"));
    assert!(client.may_delete("/workerbeats/t1"));
    assert!(!client.exists("/workerbeats/t1/w1"));
    daemon.stop();

    let daemon = Daemon::start(&["--shards", "2", "-c", "access.deletes_below="]);
    let mut client = Client::connect(daemon.address());
    client.put("/k", b"x");
    assert!(client.may_delete("/"));
    assert!(!client.exists("/k"));
    daemon.stop();
}
