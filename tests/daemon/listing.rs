//! `storm-pacemaker ls` shows what is stored, on our server as on Storm's, and nothing that is stored
//! moves an operator's cursor.

use std::net::SocketAddr;

use support::check_config::{Run, command};
use support::java_daemon::JavaDaemon;
use support::stub::Stub;
use support::{Client, Daemon, frames};

fn ls(server: SocketAddr, arguments: &[&str]) -> String {
    let server = server.to_string();
    let run = Run::of(command(&[&["ls", "--server", &server], arguments].concat()));
    run.succeeds();
    run.stdout
}

fn fill(server: SocketAddr) {
    let mut client = Client::connect(server);
    client.put("/workerbeats/words-2-17/b-6700", &[7; 300]);
    client.put("/workerbeats/words-2-17/a-6701", b"");
    client.put("/workerbeats/clicks-1-16/c-6700", b"xyz");
    client.put("/workerbeats/clicks-1-16/c-6700/below", b"z");
    client.put("/elsewhere", b"!");
}

fn shows_what_is_stored(server: SocketAddr) {
    fill(server);
    assert_eq!(ls(server, &[]), "clicks-1-16\nwords-2-17\n");
    assert_eq!(
        ls(server, &["/workerbeats/words-2-17/"]),
        "a-6701\nb-6700\n"
    );
    assert_eq!(ls(server, &["/"]), "elsewhere\nworkerbeats\n");
    assert_eq!(ls(server, &[""]), "elsewhere\nworkerbeats\n");
    assert_eq!(ls(server, &["/no/such"]), "");
    let columns = |arguments: &[&str]| {
        let lines = ls(server, arguments);
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect();
        lines.lines().map(words).collect::<Vec<Vec<_>>>()
    };
    assert_eq!(
        columns(&["-l", "/workerbeats/words-2-17"]),
        [["key", "0", "a-6701"], ["key", "300", "b-6700"]]
    );
    assert_eq!(
        columns(&["--long", "/"]),
        [["key", "1", "elsewhere"], ["dir", "-", "workerbeats"]]
    );
    assert_eq!(
        ls(server, &["-r"]),
        "/workerbeats/clicks-1-16/\n\
         /workerbeats/clicks-1-16/c-6700/\n\
         /workerbeats/clicks-1-16/c-6700/below\n\
         /workerbeats/words-2-17/\n\
         /workerbeats/words-2-17/a-6701\n\
         /workerbeats/words-2-17/b-6700\n"
    );
    assert_eq!(
        columns(&["-lr", "/workerbeats/clicks-1-16"]),
        [
            ["both", "3", "/workerbeats/clicks-1-16/c-6700/"],
            ["key", "1", "/workerbeats/clicks-1-16/c-6700/below"],
        ]
    );
}

#[test]
fn what_is_stored_is_shown() {
    let daemon = Daemon::start(&["--shards", "2"]);
    shows_what_is_stored(daemon.address());
    daemon.stop();
}

#[test]
#[ignore = "needs a JDK and Storm's jars: make java"]
fn on_storms_own_server_too() {
    shows_what_is_stored(JavaDaemon::start().address());
}

#[test]
fn more_names_than_one_batch_asks_for_are_shown() {
    let daemon = Daemon::start(&["--shards", "2"]);
    let mut client = Client::connect(daemon.address());
    for worker in 0..1000 {
        client.put(&format!("/workerbeats/t/{worker:04}"), &[1; 100]);
    }
    let long = format!("/workerbeats/{}", "x".repeat(4000));
    for worker in 0..20 {
        client.put(&format!("{long}/{worker:02}"), b"");
    }
    let shown = ls(daemon.address(), &["-l", "/workerbeats/t"]);
    let lines: Vec<_> = shown.lines().collect();
    assert_eq!(lines.len(), 1000);
    assert_eq!(lines[999], "key         100  0999");
    assert_eq!(ls(daemon.address(), &["-l", &long]).lines().count(), 20);
    daemon.stop();
}

#[test]
fn names_do_not_reach_the_terminal_as_they_are() {
    let daemon = Daemon::start(&[]);
    let name = "\u{1b}[2J\u{1b}]0;owned\u{7}\n\u{202e}";
    Client::connect(daemon.address()).put(&format!("/workerbeats/{name}"), b"");
    assert_eq!(
        ls(daemon.address(), &[]),
        "\\u{1b}[2J\\u{1b}]0;owned\\u{7}\\u{a}\\u{202e}\n"
    );
    daemon.stop();
}

/// `ls | head`.
#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    use std::process::Stdio;
    let daemon = Daemon::start(&[]);
    let mut client = Client::connect(daemon.address());
    for worker in 0..2000 {
        client.put(&format!("/workerbeats/{worker:0100}"), b"");
    }
    let server = daemon.address().to_string();
    let mut child = command(&["ls", "--server", &server])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    assert_eq!(output.status.code(), Some(0));
    daemon.stop();
}

#[test]
fn what_a_server_should_not_say_is_told() {
    let run = |server: SocketAddr| Run::of(command(&["ls", "--server", &server.to_string()]));
    // The answer to another request, one without names, and a refusal.
    for (frame, why) in [
        (
            frames::plain(frames::answer_to(frames::GET_PULSE), 0),
            "asked to list /workerbeats, answered with get_pulse_response",
        ),
        (
            frames::plain(frames::answer_to(frames::GET_ALL_NODES), 0),
            "asked to list /workerbeats, answered with get_all_nodes_for_path_response",
        ),
        (
            frames::plain(frames::NOT_AUTHORIZED, 0),
            "refused to list /workerbeats (NOT_AUTHORIZED)",
        ),
    ] {
        let run = run(Stub::Says(frame).start());
        assert_eq!((run.code, run.stdout.as_str()), (Some(1), ""));
        assert!(run.stderr.contains(why), "{}", run.stderr);
    }
    let run = run(Stub::Says(vec![0, 0xB0, 0, 0]).start());
    for fact in ["11534336", "10485760", "limits.frame_size"] {
        assert!(run.stderr.contains(fact), "{fact}: {}", run.stderr);
    }
}
