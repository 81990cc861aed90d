//! A real Storm cluster (Nimbus, supervisors, workers of 2.8.3) with its heartbeats on our daemon:
//! pulses appear and keep changing, a restart of the daemon loses no worker, and killing the topology
//! removes them.

use support::Daemon;
use support::storm::StormProgram;

#[test]
#[ignore = "needs a JDK and Storm's jars: make java"]
fn a_cluster_lives_on_our_daemon() {
    let _alone = crate::alone();
    let daemon = Daemon::start(&["--shards", "2"]);
    let address = daemon.address();
    let mut cluster = StormProgram::cluster(&[address], &[]);
    let workers = cluster.expect("WORKERS");
    cluster.expect("CHANGING");
    cluster.expect("READY");
    cluster.say("RESTARTING");
    cluster.expect("QUIET");
    daemon.stop();
    let daemon = Daemon::start_on(address, &["--shards", "2"]);
    cluster.say("UP");
    let back = cluster.expect("BACK");
    let removed = cluster.expect("REMOVED");
    cluster.passes();
    println!(
        "{workers} workers; new pulses of all {back} after a restart; removed after {removed}"
    );
    daemon.stop();
}
