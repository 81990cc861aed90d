//! 3 000 supervisors against the real daemon: 12 000 connections opened at once, each pulsing every
//! 3 s for a minute, with Nimbus's reader beside them. No error, no answer over 1 s.

use std::path::{Path, PathBuf};
use std::process::Command;

use support::Daemon;

#[test]
fn twelve_thousand_connections_at_once() {
    let optimised = !cfg!(debug_assertions);
    assert!(optimised, "run `cargo test --release --test load`");
    let loadgen = loadgen();
    let daemon = Daemon::start(&[]);
    let outcome = Command::new(loadgen)
        .args(["--target", &daemon.address().to_string()])
        .args(["--server-pid", &daemon.pid().to_string()])
        .args(["--supervisors", "3000", "--workers-per-supervisor", "4"])
        .args(["--interval", "3s", "--ramp", "0s", "--nimbus", "on"])
        // Errors, late answers among them, count from the first connection on.
        .args(["--warmup", "10s", "--duration", "60s"])
        .args(["--expect", "errors=0,pulse.max<1s,get.max<1s,list.max<1s"])
        .status()
        .expect("the generator starts");
    assert!(
        outcome.success(),
        "loadgen: {outcome}, its report is above; the daemon's log:\n{}",
        daemon.log()
    );
    daemon.stop();
}

/// Cargo builds this package's binaries for its tests; the generator is another package's.
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
