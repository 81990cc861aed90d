//! Requests for other shards' keys are on the account of their sender, with their paths, until they are
//! answered: a shard that lags behind does not let peers fill the memory.

use std::io::{Read, Write};
use std::time::Duration;

use support::client::assert_good_client_is_served;
use support::frames::*;
use support::metrics::Scrape;
use support::{Client, Daemon, wait_until};

use crate::stopped_shard::StoppedShard;

const PATH_BYTES: usize = 2_700;

/// Requests about long paths, half of which belong to either of two shards.
fn requests(count: i32) -> Vec<u8> {
    let about_path = |id| about(EXISTS, format!("/{id:0PATH_BYTES$}"), id);
    (0..count).flat_map(about_path).collect()
}

/// Sends as much as the daemon takes, and reads what it answers. Some connections belong to the shard that
/// stands still.
fn flood(clients: &[Client], bytes: &[u8]) {
    let patience = Some(Duration::from_millis(50));
    for client in clients {
        let mut socket = client.socket();
        socket.set_write_timeout(patience).expect("an option");
        let _ = socket.write_all(bytes);
    }
    let mut answers = vec![0; 64 << 10];
    for client in clients {
        let mut socket = client.socket();
        socket.set_read_timeout(patience).expect("an option");
        while matches!(socket.read(&mut answers), Ok(1..)) {}
    }
}

/// Connections of the first shard, and bytes that it holds for peers.
fn of_first(daemon: &Daemon) -> (f64, f64) {
    let scrape = Scrape::of(daemon.admin());
    let of_first = |name| scrape.sum(name, &[("shard", "0")]);
    (
        of_first("pacemaker_connections"),
        of_first("pacemaker_buffered_bytes"),
    )
}

#[test]
fn they_count_with_their_paths_until_they_are_answered() {
    let daemon = Daemon::start(&["--shards", "2"]);
    let clients: Vec<_> = (0..12)
        .map(|_| {
            let mut client = Client::connect(daemon.address());
            assert!(!client.exists("/nobody"));
            client
        })
        .collect();
    wait_until("all are counted", || {
        let scrape = Scrape::of(daemon.admin());
        scrape.sum("pacemaker_connections", &[]) == 12.0
    });
    let (connections, _) = of_first(&daemon);
    let stopped = StoppedShard::of(&daemon, 1);
    flood(&clients, &requests(600));
    // Half of them, and not quite all of those.
    let least = connections * 200.0 * PATH_BYTES as f64;
    wait_until("they count", || of_first(&daemon).1 > least);
    clients.into_iter().for_each(Client::reset);
    wait_until("they are gone", || of_first(&daemon).0 == 0.0);
    let (_, held) = of_first(&daemon);
    assert!(held > least, "{held} bytes of {connections} connections");
    drop(stopped);
    wait_until("all is answered", || of_first(&daemon).1 == 0.0);
    assert_good_client_is_served(daemon.address());
    daemon.stop();
}

#[test]
fn floods_of_them_stay_within_the_limit_although_their_senders_go() {
    let bounds = ["-c", "limits.frame_size=1MiB", "-c", "limits.buffered=8MiB"];
    let daemon = Daemon::start(&[&["--shards", "2"], &bounds[..]].concat());
    assert_good_client_is_served(daemon.address());
    let stopped = StoppedShard::of(&daemon, 1);
    let before = daemon.resident_bytes();
    let requests = requests(1_400);
    let mut grew = 0;
    for _ in 0..15 {
        let clients: Vec<_> = (0..8).map(|_| Client::connect(daemon.address())).collect();
        flood(&clients, &requests);
        clients.into_iter().for_each(Client::reset);
        grew = daemon.resident_bytes() - before;
        assert!(grew < 48 << 20, "{grew} bytes");
    }
    drop(stopped);
    println!("{grew} bytes more than before");
    wait_until("all is answered", || of_first(&daemon).1 == 0.0);
    assert_good_client_is_served(daemon.address());
    daemon.stop();
}
