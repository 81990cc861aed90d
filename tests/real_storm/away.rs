//! A real cluster (Nimbus, two supervisors, four workers of 2.8.3) whose Pacemaker server is away for a while, or is replaced
//! by the other one: Nimbus moves no executor. `make outages` tries the outage at length.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use support::Daemon;
use support::java_daemon::JavaDaemon;
use support::storm::StormProgram;

/// The default, which tests of other things turn off.
const OURS: [&str; 4] = ["--shards", "2", "-c", "server.warm_up=20s"];

/// Longer than Nimbus waits for a worker (30 s).
const OUTAGE: Duration = Duration::from_secs(35);

/// By then every worker has been back for long, and Nimbus has looked at it twice.
const WATCH: Duration = Duration::from_secs(45);

struct Cluster {
    program: StormProgram,
    watched_from: Instant,
}

impl Cluster {
    /// Waits until Nimbus would move an executor, and begins to watch.
    fn watch(&mut self, time: Duration) {
        self.program.say("SETTLE");
        self.program.expect("READY");
        self.watched_from = Instant::now();
        self.program.say(&format!("WATCH {}", time.as_secs()));
    }

    fn moves_nothing(&mut self, what: &str) {
        let (word, rest) = self.program.expect_one_of(&["KEPT", "MOVED"]);
        assert_eq!(word, "KEPT", "{what}: Nimbus moved executors: {rest}");
    }
}

fn start(server: SocketAddr) -> Cluster {
    Cluster {
        program: StormProgram::outages(server),
        watched_from: Instant::now(),
    }
}

#[test]
#[ignore = "needs a JDK and Storm's jars: make java"]
fn an_outage_longer_than_nimbus_waits_moves_no_executor() {
    // Clusters start one after the other. Afterwards this one mostly waits.
    let alone = crate::alone();
    let daemon = Daemon::start(&OURS);
    let address = daemon.address();
    let mut cluster = start(address);
    cluster.watch(OUTAGE + WATCH);
    drop(alone);
    daemon.kill();
    // The outage itself: there is no event to wait for.
    thread::sleep(OUTAGE.saturating_sub(cluster.watched_from.elapsed()));
    let daemon = Daemon::start_on(address, &OURS);
    cluster.moves_nothing("after the outage");
    cluster.program.say("END");
    cluster.program.passes();
    daemon.stop();
}

/// The steps of docs/MIGRATING.md: stop the one daemon, start the other at the same port; and back.
#[test]
#[ignore = "needs a JDK and Storm's jars: make java"]
fn a_cluster_goes_from_storms_daemon_to_ours_and_back() {
    let alone = crate::alone();
    let storms = JavaDaemon::start();
    let address = storms.address();
    let mut cluster = start(address);
    cluster.watch(WATCH);
    drop(alone);
    drop(storms);
    let ours = Daemon::start_on(address, &OURS);
    cluster.moves_nothing("from Storm's daemon to ours");

    cluster.watch(WATCH);
    ours.stop();
    let _storms = JavaDaemon::start_on(address);
    cluster.moves_nothing("from our daemon to Storm's");
    cluster.program.say("END");
    cluster.program.passes();
}
