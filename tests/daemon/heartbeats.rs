//! `storm-pacemaker get` gives back the very bytes that were stored, and decodes what workers of every
//! Storm send.

use std::net::SocketAddr;
use std::process::Output;

use support::beats::{self, OF_1_2_4, OF_2_8_3, ZSTD};
use support::check_config::{Files, command, text};
use support::pty::Pty;
use support::says::assert_says;
use support::{Client, Daemon, Random};

const KEY: &str = "/workerbeats/wordcount-1-1764115200/4c1b0a6e-6700";

fn get(server: SocketAddr, arguments: &[&str]) -> Output {
    let server = server.to_string();
    let arguments = [&["get", "--server", &server], arguments].concat();
    command(&arguments).output().expect("the binary runs")
}

fn with(details: &[u8]) -> Daemon {
    let daemon = Daemon::start(&["--shards", "2"]);
    Client::connect(daemon.address()).put(KEY, details);
    daemon
}

/// The command fails, and what it says has these facts.
fn fails(output: &Output, facts: &[&str]) {
    let said = String::from_utf8_lossy(&output.stderr);
    for fact in facts {
        assert!(said.contains(fact), "{fact}: {said}");
    }
    assert_eq!(
        (output.status.code(), &output.stdout[..]),
        (Some(1), &b""[..])
    );
}

fn json(server: SocketAddr) -> serde_json::Value {
    let output = get(server, &["--json", KEY]);
    assert_eq!(output.status.code(), Some(0));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[test]
fn the_bytes_come_back_as_they_are() {
    for bytes in [&b""[..], b"xyz", OF_2_8_3, &Random(1).bytes(8 << 20)] {
        let daemon = with(bytes);
        let output = get(daemon.address(), &[KEY]);
        assert_eq!(output.status.code(), Some(0));
        assert!(output.stdout == bytes);
        let files = Files::new();
        let file = files.path("beat");
        let output = get(daemon.address(), &["-o", text(&file), KEY]);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(0), 0));
        assert!(std::fs::read(&file).unwrap() == bytes);
        daemon.stop();
    }
}

#[test]
fn a_key_that_is_not_there_is_told() {
    let daemon = with(b"xyz");
    let server = daemon.address();
    fails(
        &get(server, &["/workerbeats/x"]),
        &[
            &server.to_string(),
            "under /workerbeats/x",
            "storm-pacemaker ls",
        ],
    );
    fails(
        &get(server, &["-o", "/no/such/dir/file", KEY]),
        &["/no/such/dir/file", "No such file or directory"],
    );
    daemon.stop();
}

#[test]
fn heartbeats_are_decoded() {
    for (details, packed) in [
        (OF_1_2_4, &["445 bytes", "gzip", "2553 unpacked"]),
        (OF_2_8_3, &["445 bytes", "gzip", "2553 unpacked"]),
        (ZSTD, &["454 bytes", "zstd", "2553 unpacked"]),
    ] {
        let daemon = with(details);
        let output = get(daemon.address(), &["--decode", KEY]);
        let shown = String::from_utf8(output.stdout).unwrap();
        let lines: Vec<_> = shown.lines().collect();
        let expected: [(&str, &[&str]); 6] = [
            ("key", &[KEY]),
            ("details", packed),
            ("storm_id", &["wordcount-1-1764115200"]),
            ("time_secs", &["1764119999", "2025-11-26T01:19:59Z"]),
            ("uptime_secs", &["4790", "1h 19m"]),
            ("executor_stats", &["3 executors"]),
        ];
        for (line, (name, facts)) in lines.iter().zip(expected) {
            let (found, value) = line.split_once("  ").expect("a name and a value");
            assert_eq!(found, name, "{shown}");
            assert_says(value, "", facts);
        }
        assert_eq!(lines.len(), 11, "{shown}");

        let whole = json(daemon.address());
        assert_eq!(whole["path"], KEY);
        assert_eq!(whole["bytes"], details.len());
        assert_eq!(whole["unpacked_bytes"], 2553);
        assert_eq!(whole["heartbeat"]["uptime_secs"], 4790);
        daemon.stop();
    }
}

/// The recorded heartbeats are what the releases write.
#[test]
#[ignore = "needs a JDK and Storm's jars: make java"]
fn what_the_jars_write_today_is_what_was_recorded() {
    for (version, recorded) in [("1.2.4", OF_1_2_4), ("2.8.3", OF_2_8_3)] {
        let daemon = with(recorded);
        let before = json(daemon.address());
        Client::connect(daemon.address()).put(KEY, &beats::written_by(version));
        let now = json(daemon.address());
        assert_eq!(now["heartbeat"], before["heartbeat"], "{version}");
        assert_eq!(now["packing"], "gzip");
        daemon.stop();
    }
}

#[test]
fn bytes_that_are_no_text_stay_away_from_a_terminal() {
    let daemon = with(OF_2_8_3);
    let server = daemon.address().to_string();
    let in_terminal = |arguments: &[&str]| {
        let fixed = ["get", "--server", &server];
        let mut pty = Pty::run(command(&[&fixed, arguments].concat()), 200, 24);
        let code = pty.wait().code();
        (code, pty)
    };
    let (code, pty) = in_terminal(&[KEY]);
    assert_eq!(code, Some(1));
    pty.wait_for(
        "445 bytes that are not text were not written to the terminal",
        0,
    );
    let (code, pty) = in_terminal(&["--force", KEY]);
    assert_eq!(code, Some(0));
    pty.wait_for("\u{1f}", 0);
    let (code, pty) = in_terminal(&["--decode", KEY]);
    assert_eq!(code, Some(0));
    pty.wait_for("storm_id        wordcount", 0);
    daemon.stop();
    let daemon = with("text, größer\n".as_bytes());
    let server = daemon.address().to_string();
    let mut pty = Pty::run(command(&["get", "--server", &server, KEY]), 80, 24);
    assert_eq!(pty.wait().code(), Some(0));
    pty.wait_for("text, größer", 0);
    daemon.stop();
}

#[test]
fn what_is_no_heartbeat_is_told() {
    for (details, why) in [
        (
            &b"xyz"[..],
            "it is not Thrift's TBinaryProtocol: expected a Thrift type, found code 120",
        ),
        (
            b"",
            "it is not Thrift's TBinaryProtocol: expected more bytes",
        ),
        (&[0], "it is a Thrift struct without a storm_id"),
        (
            &OF_2_8_3[..100],
            "it cannot be unpacked (gzip): incomplete deflate stream",
        ),
    ] {
        let daemon = with(details);
        let bytes = details.len();
        for how in ["--decode", "--json"] {
            fails(
                &get(daemon.address(), &[how, KEY]),
                &[KEY, &format!("{bytes} bytes"), why],
            );
        }
        daemon.stop();
    }
}
