//! Storm's published clients, unmodified, from the first release with Pacemaker to the newest: all of them write,
//! read, list and delete. The newest 2.x and 1.x also do so under load and across a restart.

use std::net::SocketAddr;

use support::Daemon;
use support::storm::StormProgram;

/// One of each line of releases.
const VERSIONS: [&str; 9] = [
    "1.0.6", "1.2.4", "2.0.0", "2.2.1", "2.4.0", "2.6.4", "2.7.1", "2.8.1", "2.8.3",
];

/// The newest of the two client generations that are in use.
const NEWEST: [&str; 2] = ["1.2.4", "2.8.3"];

fn passes(scenario: &str, version: &str, options: &[&str]) {
    let daemon = Daemon::start(&["--shards", "2"]);
    StormProgram::client(version, scenario, &[daemon.address()], options).passes();
    let log = daemon.stop();
    assert!(!log.contains("WARN closed"), "{version}: {log}");
}

#[test]
#[ignore = "needs a JDK and Storm's jars: make java"]
fn every_release_writes_reads_lists_and_deletes() {
    for version in VERSIONS {
        passes(
            "basic",
            version,
            &["--expect-records", "--expect-list-boundary"],
        );
    }
}

#[test]
#[ignore = "needs a JDK and Storm's jars: make java"]
fn a_hundred_requests_in_flight() {
    for version in NEWEST {
        passes("inflight", version, &[]);
    }
}

#[test]
#[ignore = "needs a JDK and Storm's jars: make java"]
fn twenty_threads_on_one_client() {
    for version in NEWEST {
        passes("threads", version, &[]);
    }
}

#[test]
#[ignore = "needs a JDK and Storm's jars: make java"]
fn pulses_of_a_mebibyte_and_more() {
    for version in NEWEST {
        passes("large", version, &[]);
    }
}

#[test]
#[ignore = "needs a JDK and Storm's jars: make java"]
fn two_servers_in_the_list() {
    for version in NEWEST {
        let first = Daemon::start(&[]);
        let beside = SocketAddr::new([127, 0, 0, 2].into(), first.address().port());
        let second = Daemon::start_on(beside, &[]);
        let servers = [first.address(), second.address()];
        StormProgram::client(version, "two-servers", &servers, &[]).passes();
        first.stop();
        second.stop();
    }
}

#[test]
#[ignore = "needs a JDK and Storm's jars: make java"]
fn a_restart_is_over_within_a_second() {
    for version in NEWEST {
        let daemon = Daemon::start(&[]);
        let address = daemon.address();
        let mut client = StormProgram::client(version, "reconnect", &[address], &[]);
        client.expect("READY");
        client.say("RESTARTING");
        client.expect("QUIET");
        daemon.stop();
        let daemon = Daemon::start_on(address, &[]);
        client.say("UP");
        println!(
            "{version}: reconnected after {}",
            client.expect("RECONNECTED")
        );
        client.passes();
        daemon.stop();
    }
}
