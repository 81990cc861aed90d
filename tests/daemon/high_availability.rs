//! Two hosts share an address by keepalived, as `packaging/keepalived` has it. Whatever happens to one of them, Nimbus
//! finds no worker dead.

use std::time::{Duration, Instant};

use support::pair::{Host, Pair, SECOND, SHARED, in_a_network_of_its_own};
use support::storm_like::{Cluster, Outcome};
use support::wait_until;

const WORKERS: usize = 24;

/// A client that meets a break waits for up to 13 s. It had its last pulse 3 s before, and the address takes its time.
const LONGEST_WITHOUT_PULSE: Duration = Duration::from_secs(22);

/// One thread for each daemon: several tests run at a time. Reads wait, as without a configuration: a Nimbus that read
/// some seconds before the workers are back would find nothing new for 30 s.
const DAEMON: [&str; 4] = ["--shards", "1", "-c", "server.warm_up=20s"];

/// After a break: every worker is back, and Nimbus has seen it.
fn outcome_after(what: &str, broke: Instant, cluster: &Cluster) -> Outcome {
    cluster.await_pulses_after(broke);
    cluster.await_pass();
    let outcome = cluster.outcome();
    println!(
        "high availability: {what}: {:.1} s without a pulse for the worst of {WORKERS} workers, longest read {:.1} s",
        outcome.longest_without_pulse.as_secs_f64(),
        outcome.longest_read.as_secs_f64(),
    );
    assert_eq!(outcome.dead, [""; 0], "{outcome:?}");
    assert!(
        outcome.longest_without_pulse < LONGEST_WITHOUT_PULSE,
        "{outcome:?}"
    );
    outcome
}

/// The link of a host works again. It leaves the address where it is, and empties its daemon.
fn become_standby(host: &Host) {
    let restarts = host.restarts();
    host.link("up");
    wait_until("the host is the standby", || {
        let log = host.log();
        let behind_fault = log.rsplit_once("FAULT").map_or("", |(_, behind)| behind);
        behind_fault.contains("BACKUP STATE") && host.restarts() > restarts
    });
}

/// The address was at one host and is at the other one now.
fn await_move(pair: &Pair, to: usize, broke: Instant) {
    pair.await_owner(to);
    let took = broke.elapsed().as_secs_f64();
    println!("high availability: the address moved in {took:.1} s");
}

#[test]
#[ignore = "needs root and keepalived"]
fn a_host_is_lost() {
    in_a_network_of_its_own("high_availability::a_host_is_lost", || {
        let pair = Pair::of_one_address(&DAEMON);
        let cluster = Cluster::start(&[SHARED], WORKERS);
        let (lost, other) = (pair.owner(), 1 - pair.owner());
        let broke = Instant::now();
        pair.hosts[lost].link("down");
        await_move(&pair, other, broke);
        outcome_after("link down", broke, &cluster);
        become_standby(&pair.hosts[lost]);
        assert_eq!(pair.owners(SHARED), [other]);
    });
}

#[test]
#[ignore = "needs root and keepalived"]
fn a_daemon_is_killed_and_stays_away() {
    in_a_network_of_its_own(
        "high_availability::a_daemon_is_killed_and_stays_away",
        || {
            let mut pair = Pair::of_one_address(&DAEMON);
            let cluster = Cluster::start(&[SHARED], WORKERS);
            let (killed, other) = (pair.owner(), 1 - pair.owner());
            let broke = Instant::now();
            pair.hosts[killed].kill_daemon();
            await_move(&pair, other, broke);
            outcome_after("kill -9", broke, &cluster);
        },
    );
}

#[test]
#[ignore = "needs root, keepalived and nftables"]
fn an_address_is_handed_over() {
    in_a_network_of_its_own("high_availability::an_address_is_handed_over", || {
        let mut pair = Pair::of_one_address(&DAEMON);
        let cluster = Cluster::start(&[SHARED], WORKERS);
        let (from, to) = (pair.owner(), 1 - pair.owner());
        let began = Instant::now();
        pair.hosts[from].hand_over();
        pair.await_owner(to);
        let outcome = outcome_after("handed over", began, &cluster);
        // Nobody had to wait for a request to fail.
        assert!(
            outcome.longest_without_pulse < Duration::from_secs(10),
            "{outcome:?}"
        );
        assert!(
            outcome.longest_read < Duration::from_secs(10),
            "{outcome:?}"
        );
    });
}

#[test]
#[ignore = "needs root and keepalived"]
fn both_hosts_hold_the_address_for_a_while() {
    in_a_network_of_its_own(
        "high_availability::both_hosts_hold_the_address_for_a_while",
        || {
            let pair = Pair::of_one_address(&DAEMON);
            // Of two that have the address, the one with the higher IP address keeps it.
            let (cut_off, other) = (1, 0);
            if pair.owner() != cut_off {
                pair.hosts[other].link("down");
                pair.await_owner(cut_off);
                become_standby(&pair.hosts[other]);
            }
            let cluster = Cluster::start(&[SHARED], WORKERS);
            let broke = Instant::now();
            pair.hosts[cut_off].cut_off();
            wait_until("both have the address", || pair.owners(SHARED).len() == 2);
            outcome_after("cut off", broke, &cluster);
            cluster.forget();
            // All clients move back, to a daemon that has stored what they sent before.
            let joined = Instant::now();
            pair.hosts[cut_off].join();
            pair.await_owner(cut_off);
            outcome_after("joined", joined, &cluster);
        },
    );
}

#[test]
#[ignore = "needs root and keepalived"]
fn each_host_takes_over_the_address_of_the_other() {
    in_a_network_of_its_own(
        "high_availability::each_host_takes_over_the_address_of_the_other",
        || {
            let pair = Pair::of_two_addresses(&DAEMON);
            let cluster = Cluster::start(&[SHARED, SECOND], WORKERS);
            let broke = Instant::now();
            pair.hosts[0].link("down");
            pair.await_owner(1);
            assert_eq!(pair.owners(SECOND), [1]);
            outcome_after("two addresses, link down", broke, &cluster);
        },
    );
}
