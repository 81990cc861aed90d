//! A real Storm cluster (Nimbus, supervisors, workers of 2.8.3) with its heartbeats on our daemon:
//! pulses appear and keep changing, a restart of the daemon loses no worker, and killing the topology
//! removes them.

use support::Daemon;
use support::storm::StormProgram;

#[test]
#[ignore = "needs a JDK and Storm's jars: make java"]
fn a_cluster_lives_on_our_daemon() {
    let _alone = crate::alone();
    // Reads wait, as without a configuration. A worker that dials while nothing listens is back after 13 s, and
    // its next pulse comes 3 s later.
    let arguments = ["--shards", "2", "-c", "server.warm_up=20s"];
    let daemon = Daemon::start(&arguments);
    let address = daemon.address();
    let mut cluster = StormProgram::cluster(&[address], &["--within-ms", "17000"]);
    let workers = cluster.expect("WORKERS");
    cluster.expect("CHANGING");
    cluster.expect("READY");
    cluster.say("RESTARTING");
    cluster.expect("QUIET");
    daemon.stop();
    let daemon = Daemon::start_on(address, &arguments);
    cluster.say("UP");
    let back = cluster.expect("BACK");
    let removed = cluster.expect("REMOVED");
    cluster.passes();
    println!(
        "{workers} workers; new pulses of all {back} after a restart; removed after {removed}"
    );
    daemon.stop();
}
