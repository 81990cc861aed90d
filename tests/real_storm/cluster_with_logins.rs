//! A real Storm cluster (2.8.3) whose Nimbus logs in with Kerberos while its workers do not, as Storm
//! has it since 2.3: the workers' pulses reach Nimbus, and no client without a login can read them.

use support::Client;
use support::frames::{self, NOT_AUTHORIZED};
use support::kerberos_site::KerberosSite;
use support::storm::StormProgram;
use support::tap::{Passed, Tap};

const WORKERS: usize = 3;

#[test]
#[ignore = "needs a JDK, Storm's jars and a KDC: make java"]
fn nimbus_logs_in_and_its_workers_do_not() {
    let _alone = crate::alone();
    let site = KerberosSite::start();
    let server = site.server();
    let nimbus = site.add_user("nimbus");
    let tap = Tap::on(server.address());
    let options = [
        "--auth",
        "KERBEROS",
        "--login-config",
        &nimbus,
        "--workers",
        &WORKERS.to_string(),
        "--brief",
    ];
    let mut cluster = StormProgram::secured_cluster(tap.address(), &site.kdc.settings(), &options);
    cluster.expect("CHANGING");
    let mut guest = Client::connect(server.address());
    let answer = guest.ask(&frames::about(frames::GET_ALL_NODES, "/workerbeats", 1));
    assert_eq!(frames::kind_of(&answer), NOT_AUTHORIZED);
    cluster.expect("SEEN");
    let removed = cluster.expect("REMOVED");
    cluster.passes();
    println!("removed after {removed}");

    let has = |passed: &Passed, what: &str| passed.iter().any(|line| line == what);
    let passed = tap.passed();
    let (writers, others): (Vec<_>, Vec<_>) = passed
        .iter()
        .partition(|passed| has(passed, "C: SendPulse"));
    assert!(writers.len() >= WORKERS, "{passed:?}");
    assert!(!writers.iter().any(|passed| has(passed, "C: TOKEN")));
    let readers = others.iter().filter(|passed| has(passed, "C: GetPulse"));
    assert!(readers.clone().count() > 0, "{passed:?}");
    assert!(readers.into_iter().all(|passed| passed[0] == "C: TOKEN"));
    server.stop();
}
