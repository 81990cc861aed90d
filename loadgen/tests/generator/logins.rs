//! Logins: each connection logs in before its first request, and one that cannot says why.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use storm_pacemaker::wire::MessageType;
use tempfile::TempDir;

use crate::support::daemon::{self, Daemon};
use crate::support::{Outcome, Reply, Request, Store, Stub, loadgen, side_by_side, until_valid};

const PLAN: &str = "--supervisors 10 --topologies 3 --interval 500ms --warmup 0s --duration 2s \
                    --nimbus continuous";

/// The workers, and Nimbus.
const CONNECTIONS: u64 = 41;

/// The entry of child processes.
#[test]
fn daemon_process() {
    daemon::be_one_if_asked();
}

/// A file with a user and a password, in a directory that goes when it is dropped.
fn jaas(password: &str) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("jaas.conf");
    let text = format!("PacemakerDigest {{ username=\"pmuser\" password=\"{password}\"; }};\n");
    fs::write(&path, text).expect("it is writable");
    (directory, path)
}

fn all_log_in(outcome: &Outcome) {
    let report = outcome.report();
    assert_eq!(outcome.code, Some(0), "{outcome:#?}");
    assert_eq!(report.all_errors(), 0);
    assert_eq!(report.count("/connections"), CONNECTIONS);
    assert_eq!(report.count("/times/login/count"), CONNECTIONS);
    assert!(report.count("/times/get/count") > 0);
}

/// The reasons that the report gives for errors.
fn reasons(outcome: &Outcome) -> Vec<String> {
    let report = outcome.report();
    let reasons = report.at("/errors/reasons").as_object().expect("an object");
    reasons.keys().cloned().collect()
}

#[test]
fn all_log_in_with_digest() {
    let (_directory, jaas) = jaas("a password");
    // A peer that has not logged in may do nothing, so each pulse shows that its worker has.
    let closed = [
        "access.writes=authenticated",
        "access.deletes=authenticated",
    ];
    let daemon = Daemon::with_digest(&jaas, &closed);
    let (_, outcome) = until_valid(|| {
        let login = format!(
            "--auth digest --worker-auth digest --login-config {}",
            jaas.display()
        );
        let line = format!("--json --target {} {login} {PLAN}", daemon.address());
        ((), loadgen(&line))
    });
    all_log_in(&outcome);
    let report = outcome.report();
    assert_eq!(report.at("/run/auth"), "digest");
    assert_eq!(report.at("/run/worker_auth"), "digest");
    // Its own topologies were deleted, with the login that this takes.
    assert!(!outcome.stderr.contains("stay"), "{outcome:#?}");
}

#[test]
fn nimbus_alone_logs_in_and_without_it_reads_are_refused() {
    let (_directory, jaas) = jaas("a password");
    let daemon = Daemon::with_digest(&jaas, &[]);
    let login = format!("--auth digest --login-config {}", jaas.display());
    let target = format!("--json --target {}", daemon.address());
    let outcome = loadgen(&format!("{target} {login} {PLAN}"));
    assert_eq!(
        outcome.report().count("/times/login/count"),
        1,
        "{outcome:#?}"
    );
    assert_eq!(outcome.report().errors("refused"), 0, "{outcome:#?}");
    let outcome = loadgen(&format!("{target} {PLAN}"));
    assert_eq!(outcome.report().kinds(), ["refused"], "{outcome:#?}");
}

#[test]
fn a_wrong_password_is_a_failed_login_and_workers_go_on() {
    let ((_one, right), (_two, wrong)) = (jaas("a password"), jaas("another"));
    let daemon = Daemon::with_digest(&right, &[]);
    let login = format!("--auth digest --login-config {}", wrong.display());
    let outcome = loadgen(&format!(
        "--json --target {} {login} {PLAN} --duration 3s",
        daemon.address()
    ));
    let report = outcome.report();
    assert_eq!(outcome.code, Some(1), "{outcome:#?}");
    // At once, and after 100, 200, 400 and 800 ms.
    let failed = report.errors("login_failed");
    assert!((2..=6).contains(&failed), "{outcome:#?}");
    assert_eq!(report.errors("connection_lost"), 0, "{outcome:#?}");
    let reasons = reasons(&outcome);
    assert_eq!(reasons.len(), 1);
    let why = "login: the server ended the connection: Connection reset by peer";
    assert!(reasons[0].starts_with(why), "{reasons:?}");
    assert!(report.count("/pulses/acknowledged") > 0);
}

/// Refuses every login in one way, and serves the others.
fn refusing(reply: fn() -> Reply) -> Stub {
    Stub::start(move |store: &Store, request: &Request| match request.kind {
        MessageType::ControlMessage => reply(),
        _ => store.serve(request),
    })
}

#[test]
fn servers_that_refuse_logins_are_told_apart() {
    type Case = (&'static str, fn() -> Reply, &'static str);
    let garbage = || Reply::Now([&[0, 0, 0, 5][..], b"\xffoops"].concat());
    let cases: [Case; 4] = [
        (
            "reset",
            || Reply::Reset,
            "the server ended the connection: Connection reset by peer",
        ),
        (
            "finish",
            || Reply::Finish,
            "the server ended the connection",
        ),
        ("garbage", garbage, "token out of order"),
        (
            "no frame",
            || Reply::Now(vec![0xff; 4]),
            "a frame with an invalid length",
        ),
    ];
    side_by_side(
        &cases,
        |(name, ..)| name,
        |(_, reply, why)| {
            let (_directory, jaas) = jaas("a password");
            let stub = refusing(*reply);
            let login = format!("--worker-auth digest --login-config {}", jaas.display());
            let outcome = stub.load(&format!(
                "{login} --supervisors 1 --interval 500ms --warmup 0s --duration 2s --nimbus off"
            ));
            let report = outcome.report();
            assert_eq!(outcome.code, Some(1), "{outcome:#?}");
            assert_eq!(report.count("/pulses/sent"), 0, "{outcome:#?}");
            // Four workers, which try again after 100, 200, 400 and 800 ms.
            let failed = report.errors("login_failed");
            assert!((8..=20).contains(&failed), "{outcome:#?}");
            assert!(
                report
                    .kinds()
                    .iter()
                    .all(|kind| ["login_failed", "unsent"].contains(kind))
            );
            let reasons = reasons(&outcome);
            assert!(
                reasons[0].starts_with(&format!("login: {why}")),
                "{reasons:?}"
            );
            let seen = stub.seen();
            assert_eq!(seen.of(MessageType::SendPulse).count(), 0);
        },
    );
}

#[test]
fn a_login_that_is_never_answered_is_given_up_as_storms_client_does() {
    let (_directory, jaas) = jaas("a password");
    let stub = refusing(|| Reply::Nothing);
    // Pulses are far apart: nothing but the login itself can tell that it takes too long.
    let outcome = stub.load(&format!(
        "--worker-auth digest --auth digest --login-config {} --supervisors 1 --interval 60s \
         --warmup 0s --duration 13s --nimbus off --ui-readers 1 --topologies 1 --seed 3 --keep",
        jaas.display()
    ));
    let report = outcome.report();
    assert_eq!(outcome.code, Some(1), "{outcome:#?}");
    let failed = report.errors("login_failed");
    assert!(failed >= 5, "four workers and the reader: {outcome:#?}");
    let reasons = reasons(&outcome);
    let [reason] = &reasons[..] else {
        panic!("one reason: {reasons:?}");
    };
    assert!(reason.contains("longer than 11 s"), "{reason}");
    let seen = stub.seen();
    let again = seen
        .connections
        .iter()
        .skip(5)
        .map(|at| *at - seen.connections[0]);
    for at in again {
        assert!(at > Duration::from_millis(10_900), "{at:?}");
    }
}

#[test]
fn a_scenario_may_log_in_and_logins_are_counted_by_themselves() {
    let (directory, jaas) = jaas("a password");
    let daemon = Daemon::with_digest(&jaas, &["server.shards=2"]);
    let file = directory.path().join("scenario.toml");
    let text = format!(
        "supervisors = 2\ninterval = '500ms'\nwarmup = '0s'\nduration = '1s'\nauth = 'digest'\n\
         worker-auth = 'digest'\nlogin-config = '{}'\n",
        jaas.display()
    );
    fs::write(&file, text).expect("it is writable");
    let target = format!("--json --target {}", daemon.address());
    let outcome = loadgen(&format!("{target} --scenario {}", file.display()));
    assert_eq!(outcome.code, Some(0), "{outcome:#?}");
    assert_eq!(outcome.report().count("/times/login/count"), 9);

    let login = format!("--auth digest --login-config {}", jaas.display());
    let outcome = loadgen(&format!("logins {target} {login} --count 50"));
    assert_eq!(outcome.code, Some(0), "{outcome:#?}");
    assert_eq!(outcome.report().count("/login/count"), 50);
    let outcome = loadgen(&format!("logins {target} --count 50"));
    assert_eq!(
        outcome.code,
        Some(1),
        "its question is refused: {outcome:#?}"
    );
    assert_eq!(outcome.report().at("/refused"), true);
    assert!(outcome.report().at("/login").is_null());
}

#[cfg(feature = "kerberos")]
mod kerberos {
    use std::process::Command;

    use daemon_tests::kdc::{Kdc, SERVICE};

    use super::*;
    use crate::support::loadgen_in;

    #[test]
    #[ignore = "needs a KDC: tools/setup test"]
    fn all_log_in_with_kerberos() {
        let kdc = Kdc::start();
        let keytab = kdc.add_with_keytab(SERVICE, "pacemaker.keytab");
        let nimbus = kdc.add_with_keytab("nimbus", "nimbus.keytab");
        let cache = kdc.log_in("nimbus", &nimbus, "nimbus.cache", &[]);
        let jaas = kdc.path("jaas.conf");
        let module = format!(
            "PacemakerServer {{ com.sun.security.auth.module.Krb5LoginModule required \
             keyTab=\"{}\" principal=\"{SERVICE}@STORM.TEST\"; }};\n",
            keytab.display()
        );
        fs::write(&jaas, module).expect("it is writable");
        let this = std::env::current_exe().expect("this program");
        let daemon = Daemon::start_by(
            kdc.command(this.to_str().expect("text")),
            &[
                "auth.method=KERBEROS",
                "auth.nimbus_user=nimbus",
                &format!("auth.login_config={}", jaas.display()),
                "access.writes=authenticated",
            ],
        );
        let port = daemon.address().port();
        let run = |cache: PathBuf, line: &str| {
            let mut command: Command = kdc.command(env!("CARGO_BIN_EXE_loadgen"));
            command.env("KRB5CCNAME", cache);
            loadgen_in(
                command,
                &format!("--json {PLAN} --worker-auth kerberos {line}"),
            )
        };
        // The host as it is given makes the service's name.
        let usual = format!("--target localhost:{port} --auth kerberos");
        let (_, outcome) = until_valid(|| ((), run(cache.clone(), &usual)));
        all_log_in(&outcome);
        let named =
            format!("--target 127.0.0.1:{port} --auth kerberos --service {SERVICE}@STORM.TEST");
        let (_, outcome) = until_valid(|| ((), run(cache.clone(), &named)));
        all_log_in(&outcome);
        let outcome = run(kdc.path("no.cache"), &usual);
        assert_eq!(outcome.code, Some(1), "{outcome:#?}");
        assert!(outcome.stderr.contains("no.cache"), "{outcome:#?}");
        assert_eq!(outcome.stdout, "");
    }
}
