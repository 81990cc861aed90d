//! 3 000 supervisors against the real daemon: 12 000 connections opened at once, each pulsing every
//! 3 s for a minute, with Nimbus's reader beside them. No error, no answer over 1 s.
//!
//! The test itself is not optimised; the programs that it runs are the release's, which `make load` builds.

use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use support::Daemon;

/// One at a time: each needs the machine.
static MACHINE: Mutex<()> = Mutex::new(());

#[test]
fn twelve_thousand_connections_at_once() {
    run("auto", "60s");
}

/// For a shorter time: what is particular to a data plane shows while all connect, and in the first passes.
#[test]
fn twelve_thousand_connections_at_once_on_epoll() {
    run("epoll", "15s");
}

fn run(io: &str, duration: &str) {
    let _alone = MACHINE.lock().unwrap_or_else(PoisonError::into_inner);
    let io = format!("server.io={io}");
    let daemon = Daemon::start_program(&release("storm-pacemaker"), &["-c", &io]);
    let outcome = Command::new(release("loadgen"))
        .args(["--target", &daemon.address().to_string()])
        .args(["--server-pid", &daemon.pid().to_string()])
        .args(["--supervisors", "3000", "--workers-per-supervisor", "4"])
        .args(["--interval", "3s", "--ramp", "0s", "--nimbus", "on"])
        // Errors, late answers among them, count from the first connection on.
        .args(["--warmup", "10s", "--duration", duration])
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

/// `make load` names the directory of what `make release` makes, which is what packages contain.
fn release(program: &str) -> PathBuf {
    let directory = std::env::var_os("PROGRAMS").unwrap_or("target/release".into());
    let program = PathBuf::from(directory).join(program);
    assert!(
        program.exists(),
        "{} is missing: run `make load`",
        program.display()
    );
    program
}
