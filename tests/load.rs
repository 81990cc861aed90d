//! 3 000 supervisors against the real daemon: 12 000 connections opened at once, each pulsing every
//! 3 s for a minute, with Nimbus's reader beside them. No error, no answer over 1 s.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The daemon, killed with the test whatever becomes of it.
struct Daemon {
    process: Child,
    address: String,
}

impl Daemon {
    /// Starts the daemon on a free port and waits for its readiness line.
    fn start() -> Daemon {
        let mut process = Command::new(env!("CARGO_BIN_EXE_storm-pacemaker"))
            .args(["serve", "--bind", "127.0.0.1", "--port", "0"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("the daemon's binary starts");
        let stdout = process.stdout.take().expect("it is piped");
        let mut daemon = Daemon {
            process,
            address: String::new(),
        };
        let mut line = String::new();
        BufReader::new(stdout)
            .read_line(&mut line)
            .expect("its output is text");
        // listening on 127.0.0.1:40123 with 2 shards
        let address = line
            .strip_prefix("listening on ")
            .and_then(|rest| rest.split(' ').next());
        daemon.address = address
            .unwrap_or_else(|| panic!("no readiness line but {line:?}"))
            .to_owned();
        daemon
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Cargo builds binaries of this package for its tests; the generator is another one's.
fn loadgen() -> PathBuf {
    let daemon = Path::new(env!("CARGO_BIN_EXE_storm-pacemaker"));
    let loadgen = daemon.with_file_name("loadgen");
    assert!(
        loadgen.exists(),
        "there is no {}: build it first, with `cargo build --release --package loadgen`",
        loadgen.display()
    );
    loadgen
}

#[test]
#[cfg_attr(
    debug_assertions,
    ignore = "a load test of an unoptimised build: run `cargo test --release --test load`"
)]
fn twelve_thousand_connections_at_once() {
    let loadgen = loadgen();
    let daemon = Daemon::start();
    let outcome = Command::new(loadgen)
        .args(["--target", &daemon.address])
        .args(["--server-pid", &daemon.process.id().to_string()])
        .args(["--supervisors", "3000", "--workers-per-supervisor", "4"])
        .args(["--interval", "3s", "--ramp", "0s", "--nimbus", "on"])
        // Errors and late answers count from the first connection on.
        .args(["--warmup", "10s", "--duration", "60s"])
        .args(["--expect", "errors=0,pulse.max<1s,get.max<1s,list.max<1s"])
        .status()
        .expect("the generator starts");
    assert!(outcome.success(), "loadgen: {outcome}; its report is above");
}
