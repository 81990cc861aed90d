//! `storm-pacemaker healthcheck` tells a server that answers from everything else, in time, with one
//! line; and no server's log shows it.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use support::check_config::{Files, Run, command, text};
use support::login::DigestFiles;
use support::stub::{self, Stub};
use support::{Client, Daemon, frames};

fn check(server: SocketAddr, options: &[&str]) -> Run {
    let server = server.to_string();
    Run::of(command(
        &[&["healthcheck", "--server", &server], options].concat(),
    ))
}

fn is_healthy(run: &Run, server: SocketAddr) {
    run.succeeds();
    let start = format!("{server} is healthy: it answers in ");
    assert!(run.stdout.starts_with(&start), "{}", run.stdout);
    assert!(run.stdout.ends_with(" ms\n"), "{}", run.stdout);
}

/// The check fails, and its one line has these facts.
fn is_sick(run: &Run, facts: &[&str]) {
    assert_eq!((run.code, run.stdout.as_str()), (Some(1), ""));
    assert_eq!(run.stderr.lines().count(), 1, "{}", run.stderr);
    for fact in facts {
        assert!(run.stderr.contains(fact), "{fact}: {}", run.stderr);
    }
}

#[test]
fn a_server_that_answers_is_healthy_and_its_log_is_quiet() {
    let files = DigestFiles::new();
    for daemon in [Daemon::start(&["--shards", "2"]), files.daemon(&[])] {
        let before = daemon.log();
        is_healthy(&check(daemon.address(), &[]), daemon.address());
        assert_eq!(daemon.log(), before);
        let log = daemon.stop();
        assert!(!log.contains("not_authorized"), "{log}");
    }
}

#[test]
fn the_check_stores_nothing() {
    let daemon = Daemon::start(&[]);
    is_healthy(&check(daemon.address(), &[]), daemon.address());
    assert_eq!(Client::connect(daemon.address()).list(""), [""; 0]);
    daemon.stop();
}

#[test]
fn a_server_that_refuses_writes_lives() {
    let daemon = Daemon::start(&["-c", "access.writes_from=10.9.8.7"]);
    let run = check(daemon.address(), &[]);
    run.succeeds();
    assert!(run.stdout.contains("refuses writes"));
    daemon.stop();
}

#[test]
fn the_check_logs_in_if_it_is_told_to() {
    let files = DigestFiles::new();
    let daemon = files.daemon(&["-c", "access.writes=authenticated"]);
    let jaas = files.jaas();
    let login = ["--auth", "digest", "--login-config", text(&jaas)];
    is_healthy(&check(daemon.address(), &login), daemon.address());
    files.set_password("another");
    let server = daemon.address();
    is_sick(
        &check(server, &login),
        &[
            &server.to_string(),
            "during the login",
            "password",
            "pacemaker.auth.method",
        ],
    );
    daemon.stop();
}

#[test]
fn the_configured_server_is_asked_and_a_wrong_configuration_is_no_sickness() {
    let daemon = Daemon::start_on(SocketAddr::from(([127, 0, 0, 7], 0)), &[]);
    let server = daemon.address();
    let files = Files::new();
    let port = server.port();
    let storm = files.write("storm.yaml", &format!("pacemaker.port: {port}\n"));
    let configured = |options: &[&str]| {
        let arguments = ["healthcheck", "--storm-conf", text(&storm)];
        Run::of(command(&[&arguments, options].concat()))
    };
    is_healthy(&configured(&["--bind", "127.0.0.7"]), server);
    // Nothing of a file is needed with --server.
    is_healthy(&check(server, &["--storm-conf", "/no/such/file"]), server);
    // What the command line names is asked, whatever files say.
    let broken = files.write(
        "broken.yaml",
        "pacemaker.port: many\npacemaker.auth.method: DIGEST\n",
    );
    let port = server.port().to_string();
    let named = [
        "--bind",
        "127.0.0.7",
        "--port",
        &port,
        "--storm-conf",
        text(&broken),
    ];
    let run = Run::of(command(&[&["healthcheck"][..], &named].concat()));
    is_healthy(&run, server);
    // To ask another server than the one that was meant would be no answer.
    for mistake in [&["--port", "many"][..], &["-c", "log.level=loud"]] {
        let run = configured(&[&["--bind", "127.0.0.7"], mistake].concat());
        run.fails();
        assert!(run.stderr.contains(mistake[1].rsplit('=').next().unwrap()));
    }
    daemon.stop();
}

#[test]
fn what_does_not_answer_in_time_is_sick() {
    let server = Stub::Silent.start();
    let begin = Instant::now();
    let run = check(server, &["--timeout", "300ms"]);
    let took = begin.elapsed();
    assert!(took >= Duration::from_millis(300), "{took:?}");
    assert!(took < Duration::from_secs(5), "{took:?}");
    is_sick(
        &run,
        &[
            &server.to_string(),
            "300ms",
            "create /healthcheck",
            "--timeout",
        ],
    );
}

/// Bytes that keep coming are no answer.
#[test]
fn an_answer_that_never_ends_is_none() {
    let mut other = frames::plain(1, 0);
    other.truncate(10);
    let server = Stub::Says(other).start();
    let run = check(server, &["--timeout", "300ms"]);
    is_sick(&run, &[&server.to_string(), "not answered", "300ms"]);
}

#[test]
fn what_is_no_pacemaker_is_sick() {
    let asked = "asked to create /healthcheck";
    let server = stub::nothing();
    is_sick(
        &check(server, &[]),
        &[
            &server.to_string(),
            "connection refused",
            "--server HOST:PORT",
        ],
    );
    let server = Stub::Closes.start();
    is_sick(
        &check(server, &[]),
        &[&server.to_string(), "ended the connection", asked],
    );
    let server = Stub::Says(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()).start();
    is_sick(
        &check(server, &[]),
        &[&server.to_string(), asked, "10485760", "1213486160", "port"],
    );
    let server = Stub::Says(vec![0, 0, 0, 3, 8, 0, 1]).start();
    is_sick(
        &check(server, &[]),
        &[&server.to_string(), asked, "ends early", "port"],
    );
    // An answer to another request, and one to none.
    for frame in [frames::exists_answer(true, 0), frames::plain(1, 77)] {
        let kind = if frame.len() > 19 {
            "exists_response"
        } else {
            "create_path_response"
        };
        let server = Stub::Says(frame).start();
        is_sick(&check(server, &[]), &[&server.to_string(), asked, kind]);
    }
}

#[test]
fn hosts_are_names_and_addresses_of_both_kinds() {
    let daemon = Daemon::start_on("[::1]:0".parse().unwrap(), &[]);
    let server = daemon.address();
    is_healthy(&check(server, &[]), server);
    daemon.stop();
    let daemon = Daemon::start(&[]);
    let named = format!("localhost:{}", daemon.address().port());
    let run = Run::of(command(&["healthcheck", "--server", &named]));
    run.succeeds();
    let run = Run::of(command(&[
        "healthcheck",
        "--server",
        "no-such-host.invalid",
    ]));
    assert_eq!(run.code, Some(1));
    let start = "storm-pacemaker: \"no-such-host.invalid\" has no address: ";
    assert!(run.stderr.starts_with(start), "{}", run.stderr);
    daemon.stop();
}

#[test]
fn wrong_usage_has_its_own_exit_code() {
    for (arguments, why) in [
        (
            &["--server", "a:b"][..],
            "storm-pacemaker: --server: \"a:b\" has no port from 1 to 65535 after the colon\n",
        ),
        (&["--timeout", "5"], "expected a duration with a unit"),
        (&["--timeout", "0s"], "expected 1ms to 1h"),
        (&["--auth", "plain"], "invalid value 'plain'"),
        (
            &["--auth", "digest", "-c", "auth.login_config="],
            "DIGEST needs a JAAS file",
        ),
    ] {
        let run = Run::of(command(&[&["healthcheck"], arguments].concat()));
        assert_eq!(run.code, Some(2), "{}", run.stderr);
        assert!(run.stderr.contains(why), "{}", run.stderr);
    }
}
