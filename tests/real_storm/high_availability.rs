//! A real Storm cluster (Nimbus, supervisors, workers of 2.8.3) whose heartbeats are at an address that two hosts share by
//! keepalived. The address is handed over, the daemon that has it is killed, its host loses its link: no executor moves.

use std::time::{Duration, Instant};

use support::Client;
use support::pair::{Host, Pair, SHARED, in_a_network_of_its_own};
use support::storm::StormProgram;
use support::storm_like::Cluster;
use support::wait_until;

const WORKERS: usize = 4;
const DAEMON: [&str; 2] = ["--shards", "1"];

/// `nimbus.task.timeout.secs` is Storm's own. A client that meets a break is back after 13 s and a pulse.
const OPTIONS: [&str; 12] = [
    "--workers",
    "4",
    "--task-timeout-seconds",
    "30",
    "--watch-seconds",
    "45",
    "--within-ms",
    "25000",
    "--restarts",
    "3",
    "--deadline-seconds",
    "420",
];

#[test]
#[ignore = "needs root, keepalived, a JDK and Storm's jars: make high-availability"]
fn keepalived_moves_the_address_and_no_executor_moves() {
    let test = "high_availability::keepalived_moves_the_address_and_no_executor_moves";
    in_a_network_of_its_own(test, || {
        let mut pair = Pair::of_one_address(&DAEMON);
        let mut storm = StormProgram::cluster(&[SHARED], &OPTIONS);
        storm.expect("CHANGING");
        break_it("handed over", &mut storm, &mut pair, |host| {
            host.hand_over();
        });
        break_it("kill -9", &mut storm, &mut pair, Host::kill_daemon);
        break_it("link down", &mut storm, &mut pair, |host| host.link("down"));
        storm.expect("REMOVED");
        storm.passes();
    });
}

/// Does something to the host that has the address, waits until the other one has it, and until it has been seen for long
/// enough that no executor moves. Then that host is the standby.
fn break_it(what: &str, storm: &mut StormProgram, pair: &mut Pair, how: impl FnOnce(&mut Host)) {
    storm.expect("READY");
    let (from, to) = (pair.owner(), 1 - pair.owner());
    // Beside Storm's own Nimbus, one that tells how long its reads take.
    let nimbus = Cluster::read(&[SHARED], keys());
    storm.say("RESTARTING");
    storm.expect("QUIET");
    let before = pair.hosts[from].stored();
    let broke = Instant::now();
    how(&mut pair.hosts[from]);
    pair.await_owner(to);
    let moved = broke.elapsed();
    storm.say("UP");
    let mut longest = Duration::ZERO;
    wait_until("a pulse of every worker at the other host", || {
        let after = pair.hosts[to].stored();
        let gaps = before.iter().filter_map(|(worker, last)| {
            let stored = after.get(worker).filter(|stored| **stored > broke)?;
            Some(*stored - *last)
        });
        let gaps: Vec<Duration> = gaps.collect();
        longest = gaps.iter().copied().max().unwrap_or_default();
        gaps.len() == WORKERS
    });
    nimbus.await_pass();
    let outcome = nimbus.outcome();
    println!(
        "high availability: Storm 2.8.3, {what}: the address moved in {:.1} s; at most {:.1} s without a pulse for the \
         worst of {WORKERS} workers, longest read {:.1} s",
        moved.as_secs_f64(),
        longest.as_secs_f64(),
        outcome.longest_read.as_secs_f64(),
    );
    assert_eq!(outcome.dead, [""; 0], "{outcome:?}");
    drop(nimbus);
    storm.expect("BACK");
    storm.expect("KEPT");
    pair.hosts[from].recover(&DAEMON);
}

fn keys() -> Vec<String> {
    let mut client = Client::connect(SHARED);
    let mut keys = Vec::new();
    for topology in client.list("/workerbeats") {
        let path = format!("/workerbeats/{topology}");
        let workers = client.list(&path);
        keys.extend(workers.iter().map(|worker| format!("{path}/{worker}")));
    }
    keys
}
