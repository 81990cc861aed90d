//! `storm-pacemaker rm` deletes what it is told to, once a person agrees, and nothing else.

use std::net::SocketAddr;

use support::check_config::{Run, command};
use support::java_daemon::JavaDaemon;
use support::pty::Pty;
use support::{Client, Daemon};

const TOPOLOGY: &str = "/workerbeats/words-2-17";

fn rm(server: SocketAddr, arguments: &[&str]) -> Run {
    let server = server.to_string();
    Run::of(command(&[&["rm", "--server", &server], arguments].concat()))
}

/// The command does nothing, exits with 1, and what it says has these facts.
fn fails(run: &Run, facts: &[&str]) {
    assert_eq!(
        (run.code, run.stdout.as_str()),
        (Some(1), ""),
        "{}",
        run.stderr
    );
    for fact in facts {
        assert!(run.stderr.contains(fact), "{fact}: {}", run.stderr);
    }
}

fn key(worker: &str) -> String {
    format!("{TOPOLOGY}/{worker}")
}

fn fill(client: &mut Client) {
    for worker in ["a-6700", "b-6700", "b-6700/below"] {
        client.put(&key(worker), b"x");
    }
    client.put("/workerbeats/words-2-170/c-6700", b"x");
    client.put(TOPOLOGY, b"x");
}

fn deletes_what_it_is_told_to(server: SocketAddr) {
    let mut client = Client::connect(server);
    fill(&mut client);
    rm(server, &["--yes", &key("b-6700")]).succeeds();
    assert!(!client.exists(&key("b-6700")) && client.exists(&key("b-6700/below")));

    let run = rm(server, &["-ry", &format!("{TOPOLOGY}/")]);
    run.succeeds();
    assert!(run.stdout.contains("3 keys at and below"), "{}", run.stdout);
    for gone in ["/a-6700", "/b-6700/below", ""] {
        assert!(!client.exists(&format!("{TOPOLOGY}{gone}")), "{gone}");
    }
    assert!(client.exists("/workerbeats/words-2-170/c-6700"));

    let nothing = rm(server, &["--yes", &key("a-6700")]);
    fails(&nothing, &["nothing stored under", &key("a-6700"), "ls"]);
    let nothing = rm(server, &["-r", "--yes", TOPOLOGY]);
    fails(&nothing, &["nothing stored under", TOPOLOGY]);
    let directory = rm(server, &["--yes", "/workerbeats/words-2-170"]);
    fails(&directory, &["nothing stored under", "-r deletes"]);
}

#[test]
fn keys_and_all_below_a_path_are_deleted() {
    let daemon = Daemon::start(&["--shards", "2"]);
    deletes_what_it_is_told_to(daemon.address());
    daemon.stop();
}

#[test]
#[ignore = "needs a JDK and Storm's jars: make java"]
fn on_storms_own_server_too() {
    deletes_what_it_is_told_to(JavaDaemon::start().address());
}

#[test]
fn without_a_terminal_it_wants_to_be_told() {
    let daemon = Daemon::start(&[]);
    let mut client = Client::connect(daemon.address());
    client.put(&key("a-6700"), b"x");
    let run = rm(daemon.address(), &[&key("a-6700")]);
    run.fails();
    assert!(run.stderr.contains("--yes"), "{}", run.stderr);
    assert!(client.exists(&key("a-6700")));
    daemon.stop();
}

#[test]
fn at_a_terminal_it_says_how_many_and_asks() {
    let daemon = Daemon::start(&["--shards", "2"]);
    let server = daemon.address().to_string();
    let mut client = Client::connect(daemon.address());
    fill(&mut client);
    for (answer, code) in [("\r", 1), ("n\r", 1), ("why\r", 1), ("y\r", 0)] {
        let arguments = ["rm", "-r", "--server", &server, TOPOLOGY];
        let mut pty = Pty::run(command(&arguments), 200, 24);
        pty.wait_for(
            &format!("Delete 4 keys at and below {TOPOLOGY} on {server}?"),
            0,
        );
        assert!(
            client.exists(&key("a-6700")),
            "it deletes before the answer"
        );
        pty.press(answer);
        assert_eq!(pty.wait().code(), Some(code), "{}", pty.written());
        assert_eq!(client.exists(&key("a-6700")), code != 0, "{answer:?}");
    }
    daemon.stop();
}

#[test]
fn a_server_that_forbids_deletions_is_named_with_its_settings() {
    let daemon = Daemon::start(&["-c", "access.deletes_below=/workerbeats"]);
    let mut client = Client::connect(daemon.address());
    client.put(&key("a-6700"), b"x");
    let run = rm(daemon.address(), &["-r", "--yes", "/workerbeats"]);
    let server = daemon.address().to_string();
    fails(
        &run,
        &[&server, "delete /workerbeats", "access.deletes_below"],
    );
    assert!(client.exists(&key("a-6700")));
    daemon.stop();
}

/// Heartbeats of Storm 2.x must go before a Nimbus of 3.x starts.
#[test]
fn all_heartbeats_go_at_once() {
    let daemon = Daemon::start(&["--shards", "2"]);
    let mut client = Client::connect(daemon.address());
    for worker in 0..1500 {
        client.put(&format!("/workerbeats/t-{}/{worker}", worker % 7), b"x");
    }
    let run = rm(daemon.address(), &["-r", "--yes", "/"]);
    fails(&run, &["access.deletes_below"]);
    let run = rm(daemon.address(), &["-r", "--yes", "/workerbeats"]);
    run.succeeds();
    assert!(run.stdout.contains("1500 keys"), "{}", run.stdout);
    assert_eq!(client.list("/workerbeats"), [""; 0]);
    daemon.stop();
}
